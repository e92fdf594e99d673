# SPDX-License-Identifier: Apache-2.0
"""How an application proves itself at the token endpoint of the Entra stand-in.

client_secret_post, client_secret_basic, private_key_jwt with a certificate's thumbprint (x5t or
x5t#S256, RS256 or PS256), a federated assertion of another issuer, or nothing (public client).
"""

import base64
import binascii
import hashlib
import hmac
import json
import urllib.parse

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import idp_jwt
from entra_error import Refused

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FEDERATED_LIFE_SEC = 25 * 3600
_PADDINGS = {
    "RS256": padding.PKCS1v15(),
    "PS256": padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size),
}


def authenticate(entra, request, tid):
    """The application, proven. Which way it took is left in the record as "client_auth"."""
    basic = _basic(request)
    client_id = request.field("client_id") or (basic[0] if basic else None)
    assertion = request.field("client_assertion")
    if client_id is None and assertion is not None:
        client_id = _read(assertion)[1].get("sub")
    if not client_id:
        raise Refused(900144, "client_id")
    app = entra.apps.get(client_id)
    if app is None or not _lives_in(app, tid):
        raise Refused(700016, client_id)
    if not app["enabled"]:
        raise Refused(7000112)
    secret = basic[1] if basic else request.field("client_secret")
    if (secret is not None or assertion is not None) and app["public"]:
        raise Refused(700025)
    if (secret is not None or assertion is not None) and request.headers.get("Origin"):
        raise Refused(9002326)
    if assertion is not None:
        method = _by_assertion(entra, app, request, assertion)
    elif secret is not None:
        _by_secret(entra, app, secret)
        method = "client_secret_basic" if basic else "client_secret_post"
    elif app["public"] or request.headers.get("Origin") and app["spa_uris"]:
        method = "none"
    else:
        raise Refused(7000218)
    if request.record is not None:
        request.record["client_auth"] = method
    return app


def _lives_in(app, tid):
    return app["sign_in_audience"] != "AzureADMyOrg" or tid in (app["tid"], "common",
                                                               "organizations")


def _basic(request):
    kind, _, text = (request.headers.get("Authorization") or "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        client_id, mark, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(9002313) from None
    plain = urllib.parse.unquote_plus
    return (plain(client_id), plain(secret)) if mark else None


def _by_secret(entra, app, secret):
    for known in app["secrets"]:
        if hmac.compare_digest(known["value"].encode(), secret.encode()):
            if known["expires"] is not None and known["expires"] <= entra.now():
                raise Refused(7000222, app["client_id"])
            return
    raise Refused(7000215, app["client_id"])


def _read(assertion):
    try:
        header, claims = idp_jwt.read(assertion)
        if isinstance(header, dict) and isinstance(claims, dict):
            return header, claims
    except (ValueError, TypeError):
        pass
    raise Refused(50027)


def _by_assertion(entra, app, request, assertion):
    if request.field("client_assertion_type") != JWT_BEARER:
        raise Refused(900144, "client_assertion_type")
    if _read(assertion)[1].get("iss") in entra.apps:
        _by_certificate(entra, app, request, assertion)
        return "private_key_jwt"
    _by_federation(entra, app, assertion)
    return "federated"


def _by_certificate(entra, app, request, assertion):
    header, claims = _read(assertion)
    if claims.get("iss") != app["client_id"] or claims.get("sub") != app["client_id"]:
        raise Refused(700021)
    certificate = _certificate(app, header)
    if certificate is None:
        raise Refused(700027, "no registered certificate has the thumbprint")
    if not signed_by(certificate.public_key(), assertion, header.get("alg")):
        raise Refused(700027, "the signature is wrong")
    if claims.get("aud") not in _audiences(entra, request):
        raise Refused(50027, text="The audience of the assertion is not the token endpoint.")
    now, exp, nbf = entra.now(), claims.get("exp"), claims.get("nbf", claims.get("iat"))
    if not isinstance(exp, int) or not isinstance(nbf, int) or exp <= now - 300 or \
            nbf > now + 300 or exp - nbf > 86400:
        raise Refused(700024)
    _once(entra, app, claims)
    if request.record is not None:
        request.record["assertion"] = {"header": header, "claims": claims}


def _once(entra, app, claims):
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti:
        raise Refused(50027, text="The assertion has no jti.")
    with entra.lock:
        if entra.settings["jti_once"] and (app["client_id"], jti) in entra.seen_jti:
            raise Refused(50027, text="The assertion was used before.")
        entra.seen_jti.add((app["client_id"], jti))


def _audiences(entra, request):
    """The token endpoint as asked for, and by the tenant's id and domains, v1 and v2."""
    segment = request.match.group(1)
    tid = entra.tenant_of(segment)
    names = {segment, tid} | set(entra.tenants[tid]["domains"] if tid in entra.tenants else ())
    return ["%s/%s/oauth2%s/token" % (entra.authority(), name, version)
            for name in names for version in ("", "/v2.0")] + \
        [entra.issuer(tid)] * (tid in entra.tenants)


def _certificate(app, header):
    """The app's certificate that the thumbprint names; `kid` alone is not enough."""
    sha256, sha1 = header.get("x5t#S256"), header.get("x5t")
    for pem in app["certs"]:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        der = certificate.public_bytes(serialization.Encoding.DER)
        if sha256 is not None:
            if sha256 == idp_jwt.b64u(hashlib.sha256(der).digest()):
                return certificate
        elif isinstance(sha1, str) and sha1.rstrip("=") == idp_jwt.b64u(
                hashlib.sha1(der, usedforsecurity=False).digest()):
            return certificate
    return None


def signed_by(public_key, token, alg):
    """Whether the token is signed RS256 or PS256 by that RSA key."""
    data, _, signature = token.rpartition(".")
    if alg not in _PADDINGS or not isinstance(public_key, rsa.RSAPublicKey):
        return False
    try:
        public_key.verify(idp_jwt.b64u_decode(signature), data.encode(), _PADDINGS[alg],
                          hashes.SHA256())
        return True
    except (InvalidSignature, ValueError):
        return False


# federated credentials

def _by_federation(entra, app, assertion):
    header, claims = _read(assertion)
    rows = [row for row in app["federated"] if row["issuer"] == claims.get("iss")]
    if not rows:
        raise Refused(700211, claims.get("iss"))
    rows = [row for row in rows if row["subject"] == claims.get("sub")]
    if not rows:
        raise Refused(700213, claims.get("sub"))
    audience = claims.get("aud")
    audience = audience if isinstance(audience, list) else [audience]
    rows = [row for row in rows if row["audience"] in audience]
    if not rows:
        raise Refused(700212, json.dumps(claims.get("aud")))
    if not any(signed_by(key, assertion, header.get("alg"))
               for key in _federated_keys(entra, rows[0], header)):
        raise Refused(700027, "the signature of the federated token is wrong")
    now, iat, exp = entra.now(), claims.get("iat"), claims.get("exp")
    if not isinstance(iat, int) or not isinstance(exp, int) or exp - iat > FEDERATED_LIFE_SEC:
        raise Refused(70023)
    if exp <= now - 300 or iat > now + 300:
        raise Refused(700024)


def _federated_keys(entra, row, header):
    if row["jwks"] == "own":
        return [entra.federated_key.public_key()]
    kid = header.get("kid")
    made = []
    for key in row["jwks"]["keys"]:
        if key.get("kty") == "RSA" and (kid is None or key.get("kid") == kid):
            number = [int.from_bytes(idp_jwt.b64u_decode(key[name]), "big") for name in "en"]
            made.append(rsa.RSAPublicNumbers(*number).public_key())
    return made


def federated_assertion(entra, row, change):
    """A token as a cluster gives to its pods; `change` replaces claims (None: left out)."""
    now = int(entra.now())
    claims = {"aud": [row["audience"]], "exp": now + 3600, "iat": now, "iss": row["issuer"],
              "jti": idp_jwt.b64u(hashlib.sha256(b"%f" % entra.now()).digest()[:16]), "nbf": now,
              "sub": row["subject"]}
    claims.update(change)
    claims = {k: v for k, v in claims.items() if v is not None}
    header = {"alg": "RS256", "kid": "cluster-1"}
    return idp_jwt.assemble(idp_jwt.compact(header), idp_jwt.compact(claims),
                            lambda data: idp_jwt.sign("RS256", entra.federated_key, data))
