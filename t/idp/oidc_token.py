# SPDX-License-Identifier: Apache-2.0
"""Tokens and client authentication of the generic OpenID provider stand-in."""

import base64
import hashlib
import hmac
import json
import os
import ssl
import urllib.parse

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, padding as filling
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import idp_forge
import idp_jwt


class Refused(Exception):
    def __init__(self, error, description=None, status=400):
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


# tokens

def id_claims(provider, grant):
    now, person = int(provider.now()), provider.users[grant["user"]]
    settings = provider.settings
    made = {"iss": settings["token_issuer"] or provider.issuer(), "sub": person["sub"],
            "aud": grant["client_id"], "exp": now + settings["id_life"], "iat": now,
            "auth_time": grant["auth_time"], "sid": grant["sid"]}
    if settings["acr"]:
        made["acr"] = grant["acr"] if settings["acr"] == "asked" else settings["acr"]
    if grant.get("nonce") and settings["nonce"]:
        made["nonce"] = grant["nonce"]
    made.update(profile_claims(person, grant["scopes"]))
    if settings["profile"] == "keycloak":
        made.update({"azp": grant["client_id"], "typ": "ID",
                     "realm_access": {"roles": person["roles"]}})
    elif settings["profile"] == "google":
        made["azp"] = grant["client_id"]
    made.update(settings["claims_add"])
    return {k: v for k, v in made.items() if v is not None}


def profile_claims(person, scopes):
    made = {}
    if "profile" in scopes:
        made = {"name": "%s %s" % (person["given_name"], person["family_name"]),
                "given_name": person["given_name"], "family_name": person["family_name"],
                "preferred_username": person["name"]}
    if "email" in scopes and person["email"]:
        made.update({"email": person["email"], "email_verified": person["email_verified"]})
    made.update(person["claims"])
    return made


def signed(provider, claims, fault, typ="JWT"):
    kid, key = provider.signing_key()
    header = {"alg": provider.settings["alg"], "typ": typ, "kid": kid}

    def key_of(name):
        if name == "secret" or name is None and header["alg"][:2] == "HS":
            known = provider.clients.get(claims.get("aud"))
            return ((known or {}).get("secret") or "none").encode()
        return provider.keys["RS256"][1] if name == "own" else key

    if header["alg"][:2] == "HS" or not provider.settings["sign_kid"]:
        del header["kid"]
    return idp_forge.forge(header, claims, fault, key_of, int(provider.now()))


def id_token(provider, grant, fault, access_token=None, code=None):
    claims = id_claims(provider, grant)
    for name, text in (("at_hash", access_token), ("c_hash", code)):
        if text is not None:
            claims[name] = half_hash(provider.settings["alg"], text)
    token = signed(provider, claims, fault)
    wanted = provider.settings["encrypt"]
    return encrypted(token, provider.clients[grant["client_id"]]["encrypt_to"], *wanted,
                     fault.get("jwe")) if wanted else token


def half_hash(alg, text):
    digest = hashlib.new("sha" + alg[2:], text.encode()).digest()
    return idp_jwt.b64u(digest[:len(digest) // 2])


def encrypted(token, jwk, alg, enc, fault=None):
    """A JWE (RFC 7516) of the token to an RSA key. `fault`: "tag" spoils it, "zip", "cty"."""
    header = {"alg": alg, "enc": enc, "cty": "JWT"}
    if jwk.get("kid"):
        header["kid"] = jwk["kid"]
    if fault == "zip":
        header["zip"] = "DEF"
    if fault == "no-cty":
        del header["cty"]
    algorithm = {"RSA-OAEP": hashes.SHA1, "RSA-OAEP-256": hashes.SHA256}.get(alg)
    pad = padding.PKCS1v15() if algorithm is None else padding.OAEP(
        padding.MGF1(algorithm()), algorithm(), None)
    protected = idp_jwt.b64u(idp_jwt.compact(header).encode())
    cek = os.urandom({"A128GCM": 16, "A192GCM": 24, "A256GCM": 32, "A128CBC-HS256": 32,
                      "A256CBC-HS512": 64}[enc])
    seal = _gcm if enc.endswith("GCM") else _cbc
    iv, text, tag = seal(cek, token.encode(), protected.encode())
    if fault == "tag":
        tag = bytes([tag[0] ^ 1]) + tag[1:]
    wrapped = public_key(jwk).encrypt(cek, pad)
    return ".".join([protected] + [idp_jwt.b64u(part) for part in (wrapped, iv, text, tag)])


def _gcm(cek, plain, aad):
    iv = os.urandom(12)
    both = AESGCM(cek).encrypt(iv, plain, aad)
    return iv, both[:-16], both[-16:]


def _cbc(cek, plain, aad):
    half = len(cek) // 2
    iv, pad = os.urandom(16), filling.PKCS7(128).padder()
    work = Cipher(algorithms.AES(cek[half:]), modes.CBC(iv)).encryptor()
    text = work.update(pad.update(plain) + pad.finalize()) + work.finalize()
    digest = hashlib.sha256 if half == 16 else hashlib.sha512
    mac = hmac.new(cek[:half], aad + iv + text + (len(aad) * 8).to_bytes(8, "big"), digest)
    return iv, text, mac.digest()[:half]


# client authentication

def public_key(jwk):
    number = {k: int.from_bytes(idp_jwt.b64u_decode(jwk[k]), "big")
              for k in ("n", "e", "x", "y") if k in jwk}
    if jwk["kty"] == "RSA":
        return rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()
    return ec.EllipticCurvePublicNumbers(number["x"], number["y"], ec.SECP256R1()).public_key()


def keys_of(known):
    return [public_key(jwk) for jwk in known["jwks"]] + [
        x509.load_pem_x509_certificate(pem.encode()).public_key() for pem in known["certs"]]


def proves(key, token, alg):
    """Whether the token is signed RS256, PS256 or ES256 by the key."""
    data, _, text = token.rpartition(".")
    signature, hashed = idp_jwt.b64u_decode(text), hashes.SHA256()
    try:
        if alg == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and len(signature) == 64:
            r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
            key.verify(utils.encode_dss_signature(r, s), data.encode(), ec.ECDSA(hashed))
        elif alg in ("RS256", "PS256") and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data.encode(), padding.PKCS1v15() if alg == "RS256" else
                       padding.PSS(padding.MGF1(hashed), 32), hashed)
        else:
            return False
        return True
    except InvalidSignature:
        return False


def authenticate(provider, request):
    """The client, proven in one of the ways the provider takes."""
    kind, _, text = (request.headers.get("Authorization") or "").partition(" ")
    basic = None
    if kind.lower() == "basic":
        basic = base64.b64decode(text).decode().partition(":")[::2]
        basic = [urllib.parse.unquote_plus(part) for part in basic]
    assertion = request.field("client_assertion")
    client_id = basic[0] if basic else request.field("client_id")
    if client_id is None and assertion:
        client_id = _claims(assertion)[1].get("sub")
    known = provider.clients.get(client_id)
    if known is None:
        raise Refused("invalid_client", "unknown client", 401)
    secret = basic[1] if basic else request.field("client_secret")
    if known["method"] == "tls_client_auth":
        method = _by_certificate(known, request.certificate)
    elif assertion:
        method = _by_assertion(provider, request, known, assertion)
    elif secret is not None and secret.count(".") == 2 and \
            "apple" in provider.settings["auth_methods"]:
        method = _by_apple(provider, known, secret)
    elif secret is not None:
        method = "client_secret_basic" if basic else "client_secret_post"
        if known["secret"] is None or not hmac.compare_digest(known["secret"], secret):
            raise Refused("invalid_client", "wrong secret", 401)
    else:
        method = "none"
        if known["secret"] is not None and known["method"] != "none":
            raise Refused("invalid_client", "no credential", 401)
    if known["method"] != "tls_client_auth" and method not in provider.settings["auth_methods"] \
            or known["method"] not in (None, method):
        raise Refused("invalid_client", method + " is not taken", 401)
    if request.record is not None:
        request.record["client_auth"] = method
    return known


def _by_certificate(known, shown):
    """RFC 8705: one of those registered. That the key is the client's, TLS has found out."""
    if shown is None or not any(shown == ssl.PEM_cert_to_DER_cert(pem) for pem in known["certs"]):
        raise Refused("invalid_client", "no certificate of this client was shown", 401)
    return "tls_client_auth"


def _claims(token):
    try:
        header, claims = idp_jwt.read(token)
        if isinstance(claims, dict):
            return header, claims
    except (ValueError, TypeError):
        pass
    raise Refused("invalid_client", "the assertion is no JWT", 401)


def _by_assertion(provider, request, known, assertion):
    header, claims = _claims(assertion)
    alg = header.get("alg")
    if alg in ("HS256", "HS384", "HS512") and known["secret"]:
        data, _, text = assertion.rpartition(".")
        good = hmac.compare_digest(idp_jwt.sign(alg, known["secret"].encode(), data.encode()),
                                   idp_jwt.b64u_decode(text))
        method = "client_secret_jwt"
    else:
        good = any(proves(key, assertion, alg) for key in keys_of(known))
        method = "private_key_jwt"
    audience = claims.get("aud") if isinstance(claims.get("aud"), list) else [claims.get("aud")]
    right = {provider.issuer(), provider.url("token"), provider.roots["root"] + request.path}
    if not good or claims.get("iss") != known["client_id"] or \
            claims.get("sub") != known["client_id"] or not right & set(audience) or \
            not isinstance(claims.get("exp"), int) or claims["exp"] <= provider.now() or \
            not claims.get("jti") or claims["jti"] in provider.seen_jti:
        raise Refused("invalid_client", "the assertion is not right", 401)
    provider.seen_jti.add(claims["jti"])
    if request.record is not None:
        request.record["assertion"] = {"header": header, "claims": claims}
    return method


def _by_apple(provider, known, secret):
    header, claims = _claims(secret)
    if header.get("alg") != "ES256" or not header.get("kid") or not claims.get("iss") or \
            claims.get("sub") != known["client_id"] or claims.get("aud") != provider.issuer() or \
            not isinstance(claims.get("exp"), int) or \
            not 0 < claims["exp"] - provider.now() <= 15777000 or \
            not any(proves(key, secret, "ES256") for key in keys_of(known)):
        raise Refused("invalid_client", None, 400)
    return "apple"


def logout_token(provider, grant, change):
    now = int(provider.now())
    claims = {"iss": provider.issuer(), "aud": grant["client_id"], "iat": now, "exp": now + 120,
              "jti": os.urandom(12).hex(), "sub": provider.users[grant["user"]]["sub"],
              "sid": grant["sid"],
              "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}
    claims.update(change.get("claims", {}))
    rest = {k: v for k, v in change.items() if k != "claims"}
    return signed(provider, claims, rest, "logout+jwt")


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
