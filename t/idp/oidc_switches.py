# SPDX-License-Identifier: Apache-2.0
"""What is wrong on purpose with the documents of the generic OpenID provider stand-in, and its keys.

A document is changed by the query of the URL it is asked for with, so that it is the same whenever
somebody fetches it:

    /.well-known/openid-configuration?_omit=jwks_uri&_set.issuer=https://evil.test
    /jwks?_kid=none&_only=rs&_more=rsa,unparseable,odd
"""

import functools
import hashlib

import idp_forge
import idp_jwt
import oidc_token
from idp_http import json_answer

_NOT_ALIASED = ("authorize", "jwks", "logout", "emails")


def metadata(made, request):
    for name, value in request.query:
        if name == "_omit":
            made.pop(value, None)
        elif name.startswith("_set."):
            made[name[len("_set."):]] = {"null": None, "empty": "", "number": 7}.get(value, value)
    return made


def aliases(provider):
    """RFC 8705 5: where clients with a certificate call."""
    if "mtls" not in provider.roots:
        return {}
    names = {"introspect": "introspection_endpoint", "revoke": "revocation_endpoint",
             "par": "pushed_authorization_request_endpoint"}
    return {"mtls_endpoint_aliases": {
        names.get(name, name + "_endpoint"): provider.roots["mtls"] + path
        for name, path in provider.paths.items() if name not in _NOT_ALIASED}}


def _nobodys_rsa(kid):
    """An RSA key that nobody has the private part of: making real ones takes too long."""
    digits = "".join(hashlib.sha256(b"%s %d" % (kid.encode(), i)).hexdigest() for i in range(8))
    return {"kty": "RSA", "kid": kid, "e": "AQAB",
            "n": idp_jwt.uint(int(digits, 16) | 1 << 2047 | 1)}


@functools.lru_cache(maxsize=None)
def _stranger(name):
    """A key beside the right ones: of ours, or one that a client has to leave alone."""
    if name == "weak":      # 1024 bits, and somebody has the private part
        return dict(idp_jwt.rsa_jwk(idp_forge.fixed_key("rsa1024"), "weak"), use="sig")
    if name == "one":       # e = 1: whatever is padded right is its own signature
        return dict(_nobodys_rsa("one"), e="AQ", use="sig")
    if name.startswith("rsa"):
        return dict(_nobodys_rsa("other-" + name), use="sig")
    return {
        "unparseable": {"kty": "AKP", "kid": "pq", "use": "sig", "alg": "ML-DSA-99", "pub": "AAAA"},
        "odd": {"kty": "made-up", "kid": "odd", "use": "sig", "x": 1},
        "secp256k1": dict(idp_jwt.secp256k1_jwk("k1"), use="sig"),
        "ed25519": dict(idp_jwt.ed25519_jwk("ed"), use="sig"),
        "enc": dict(_nobodys_rsa("enc"), use="enc"),
        "not-an-object": "key",
    }[name]


def keys(made, request):
    found = made["keys"]
    if request.arg("_only"):
        found = [key for key in found if key["kid"].startswith(request.arg("_only"))]
    more = (request.arg("_more") or "").split(",")
    found = [_stranger(name) for name in more if name] + found
    if request.arg("_kid") == "none":
        found = [{k: v for k, v in key.items() if k != "kid"} if isinstance(key, dict) else key
                 for key in found]
    elif request.arg("_kid") == "same":
        found = [dict(key, kid="same") if isinstance(key, dict) else key for key in found]
    return dict(made, keys=found)


# control API

def control(provider):
    return [("POST", r"/_ctl/rotate", functools.partial(_rotate, provider)),
            ("POST", r"/_ctl/mint", functools.partial(_mint, provider))]


def _rotate(provider, request):
    """{"keep": true}: a new key for RS* and PS*; the one so far stays published, or does not."""
    with provider.lock:
        old = provider.rotated or provider.keys["RS256"]
        if request.json().get("keep"):
            provider.published.insert(0, old)
        count = int(old[0].partition("-")[2] or 1) + 1
        provider.rotated = ("rs-%d" % count, idp_jwt.new_rsa())
    return json_answer({"kid": provider.rotated[0]})


def _mint(provider, request):
    """{"claims": {}, "fault": {}, "typ"}: a JWT of that provider, whatever it says."""
    given = request.json()
    fault = provider.token_faults.check(given.get("fault", {}))
    claims = given.get("claims", {})
    return json_answer({"token": oidc_token.signed(provider, claims, fault,
                                                   given.get("typ", "JWT"))})
