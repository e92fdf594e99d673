# SPDX-License-Identifier: Apache-2.0
"""A second opinion on signed tokens, by python3-cryptography alone.

Usage: jose_verify.py CERTIFICATE.pem TOKEN JWK, or jose_verify.py --secret SECRET TOKEN. Prints the
algorithm when the signature is right, and the JWK and the header say what the certificate does.
"""

import base64
import hashlib
import hmac
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

CURVES = {"P-256": ("ES256", hashes.SHA256()), "P-384": ("ES384", hashes.SHA384()),
          "P-521": ("ES512", hashes.SHA512())}


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(text):
    return int.from_bytes(decode(text), "big")


def check_rsa(key, jwk, signed, signature):
    assert (number(jwk["n"]), number(jwk["e"])) == (key.public_numbers().n, key.public_numbers().e)
    key.verify(signature, signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return "PS256", {name: jwk[name] for name in ("e", "kty", "n")}


def check_ec(key, jwk, signed, signature):
    alg, digest = CURVES[jwk["crv"]]
    half = (key.key_size + 7) // 8
    assert len(signature) == 2 * half and len(decode(jwk["x"])) == len(decode(jwk["y"])) == half
    assert (number(jwk["x"]), number(jwk["y"])) == (key.public_numbers().x, key.public_numbers().y)
    der = utils.encode_dss_signature(int.from_bytes(signature[:half], "big"),
                                     int.from_bytes(signature[half:], "big"))
    key.verify(der, signed, ec.ECDSA(digest))
    return alg, {name: jwk[name] for name in ("crv", "kty", "x", "y")}


def main(first, second, third):
    token = third if first == "--secret" else second
    signed, _, signature = token.rpartition(".")
    header = json.loads(decode(signed.partition(".")[0]))
    signed, signature = signed.encode(), decode(signature)
    if first == "--secret":
        mac = hmac.new(second.encode(), signed, hashlib.sha256).digest()
        assert mac == signature and header == {"alg": "HS256", "typ": "JWT"}
        return "HS256"
    with open(first, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    jwk = json.loads(third)
    check = check_rsa if jwk["kty"] == "RSA" else check_ec
    alg, members = check(certificate.public_key(), jwk, signed, signature)
    thumb = encode(hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True)
                                  .encode()).digest())
    der = certificate.public_bytes(serialization.Encoding.DER)
    names = {"alg": alg, "kid": thumb, "x5t#S256": encode(hashlib.sha256(der).digest())}
    assert header == dict(names, typ="JWT")
    assert jwk == dict(names, use="sig", **members)
    return alg


print(main(*sys.argv[1:4]))
