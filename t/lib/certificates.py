#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes in a directory, as NAME.pem and NAME.key: two CAs (ca, foreign-ca), what the first signed for a
server on 127.0.0.1 (server), for another host (elsewhere) and too long ago (expired), and for clients
(client, other); a client of the second one (foreign) and a self-signed server (lone)."""

import datetime
import ipaddress
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.utcnow()
HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
MADE = {}


def make(folder, name, signer=None, who=None, ended=False):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = MADE.get(signer, (subject, key))
    begin, end = (-20, -10) if ended else (-1, 10)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW + datetime.timedelta(days=begin))
    builder = builder.not_valid_after(NOW + datetime.timedelta(days=end))
    builder = builder.add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), True)
    if who is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([who]), False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    MADE[name] = (subject, key)
    with open(os.path.join(folder, name + ".pem"), "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    path = os.path.join(folder, name + ".key")
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()))


def main():
    folder = sys.argv[1]
    make(folder, "ca")
    make(folder, "foreign-ca")
    make(folder, "server", "ca", HERE)
    make(folder, "elsewhere", "ca", x509.DNSName("elsewhere.test"))
    make(folder, "expired", "ca", HERE, ended=True)
    make(folder, "lone", None, HERE)
    make(folder, "client", "ca")
    make(folder, "other", "ca")
    make(folder, "foreign", "foreign-ca")


if __name__ == "__main__":
    main()
