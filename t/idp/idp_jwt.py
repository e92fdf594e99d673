# SPDX-License-Identifier: Apache-2.0
"""Keys and tokens of the stand-in identity providers, made with python3-cryptography directly.

Lives here: keys, JWK documents, JWS in every algorithm (right ones and forgeries) and a plain JWS
check. Nothing here knows what a claim means.
"""

import base64
import hashlib
import hmac
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

_HASHES = {"256": (hashes.SHA256, hashlib.sha256), "384": (hashes.SHA384, hashlib.sha384),
           "512": (hashes.SHA512, hashlib.sha512)}
_CURVES = {"256": ec.SECP256R1, "384": ec.SECP384R1, "512": ec.SECP521R1}


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64u_decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value, spaces=False):
    """JSON as PyJWT writes it (compact), or as pyjwkest wrote it (with spaces); \\uXXXX escapes."""
    return json.dumps(value, separators=(", ", ": ") if spaces else (",", ":"))


def uint(number, size=None):
    return b64u(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def new_rsa(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def new_ec(bits="256"):
    return ec.generate_private_key(_CURVES[bits]())


def load_pem(path):
    with open(path, "rb") as file:
        return serialization.load_pem_private_key(file.read(), None)


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def public_bytes(key, form):
    """The public key as text that a forger may use as HMAC key: pem, pem-stripped, der, pkcs1,
    jwk."""
    public = key.public_key()
    if form == "jwk":
        return compact(rsa_jwk(key, "rs")).encode()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    if form == "der":
        return public.public_bytes(serialization.Encoding.DER, spki)
    if form == "pkcs1":
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    pem = public.public_bytes(serialization.Encoding.PEM, spki)
    return pem.rstrip(b"\n") if form == "pem-stripped" else pem


def rsa_jwk(key, kid):
    """A public JWK as an LMS's configuration has it: kid, kty, e, n and nothing else."""
    numbers = key.public_key().public_numbers()
    return {"kid": kid, "kty": "RSA", "e": uint(numbers.e), "n": uint(numbers.n)}


def ec_jwk(key, kid, curve=None):
    numbers = key.public_key().public_numbers()
    size = (key.curve.key_size + 7) // 8
    name = curve or {256: "P-256", 384: "P-384", 521: "P-521"}[key.curve.key_size]
    return {"kid": kid, "kty": "EC", "crv": name, "x": uint(numbers.x, size),
            "y": uint(numbers.y, size)}


def secp256k1_jwk(kid):
    return ec_jwk(ec.generate_private_key(ec.SECP256K1()), kid, "secp256k1")


def ed25519_jwk(kid):
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kid": kid, "kty": "OKP", "crv": "Ed25519", "x": b64u(raw)}


def oct_jwk(secret, kid):
    return {"kid": kid, "kty": "oct", "k": b64u(secret)}


def _pss(algorithm):
    return padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)


def sign(alg, key, data):
    """The signature bytes for `alg`; `key` is a private key object or, for HS*, bytes. Anything
    that is not an algorithm of ours ("none" in any spelling) has an empty signature."""
    family, bits = alg[:2], alg[2:]
    if bits not in _HASHES:
        return b""
    algorithm, digest = _HASHES[bits][0](), _HASHES[bits][1]
    if family == "HS":
        return hmac.new(key, data, digest).digest()
    if family == "RS":
        return key.sign(data, padding.PKCS1v15(), algorithm)
    if family == "PS":
        return key.sign(data, _pss(algorithm), algorithm)
    if family == "ES":
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(algorithm)))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return b""


def assemble(header_text, payload_text, signature_of):
    data = b64u(header_text.encode()) + "." + b64u(payload_text.encode())
    return data + "." + b64u(signature_of(data.encode()))


def read(token):
    """(header, claims) of a compact JWS, unchecked."""
    header, claims, _ = token.split(".")
    return json.loads(b64u_decode(header)), json.loads(b64u_decode(claims))


def verify(token, rsa_keys, hs_secret):
    """The claims of a token signed RS256, RS512 or HS256 by one of the keys; else None. The key
    id is not looked at, as edX's own check does not."""
    try:
        data, _, signature_text = token.rpartition(".")
        header, claims = read(token)
        signature = b64u_decode(signature_text)
    except (ValueError, TypeError):
        return None
    alg = header.get("alg")
    if alg == "HS256":
        right = sign(alg, hs_secret, data.encode())
        return claims if hmac.compare_digest(right, signature) else None
    if alg not in ("RS256", "RS512"):
        return None
    for key in rsa_keys:
        try:
            key.public_key().verify(signature, data.encode(), padding.PKCS1v15(),
                                    _HASHES[alg[2:]][0]())
            return claims
        except InvalidSignature:
            continue
    return None
