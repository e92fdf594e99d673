#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the control API of the stand-in LMS: broken answers, token faults, key sets. TAP."""

import datetime
import http.client
import ipaddress
import json
import os
import socket
import ssl
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cryptography import x509   # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization    # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec    # noqa: E402
from cryptography.x509.oid import NameOID   # noqa: E402
from idp_selftest import Lms, code_of, finish, ok, parts, same, signed_by, token    # noqa: E402


def test_control(lms):
    endpoint = "/oauth2/access_token"
    for preset, status in (("html-429", 429), ("html-500", 500), ("html-502", 502),
                           ("redirect", 302), ("duplicate-keys", 200), ("2mb", 200)):
        lms.control("answer", endpoint=endpoint, preset=preset)
        same(token(lms, code="x").status, status, "answer " + preset)
    same(token(lms, code="x").status, 400, "one-shot answers are used up")
    lms.control("answer", endpoint=endpoint, status=418, headers={"X-Tea": "1"}, body="tea",
                skip=1, count=2)
    same([token(lms, code="x").status for _ in range(4)], [400, 418, 418, 400], "skip and count")
    for wire in ("reset", "close", "truncate", "garbage"):
        lms.control("answer", endpoint=endpoint, wire=wire)
        try:
            result = token(lms, code="x").status
        except (OSError, http.client.HTTPException) as error:
            result = type(error).__name__
        ok(isinstance(result, str), "wire " + wire, result)
    lms.control("answer", endpoint=endpoint, wire="gzip", status=200, body="hello")
    reply = token(lms, code="x")
    same((reply.head("Content-Encoding"), reply.body[:2]), ("gzip", b"\x1f\x8b"), "wire gzip")
    lms.control("answer", endpoint=endpoint, delay=0.3)
    before = time.monotonic()
    token(lms, code="x")
    ok(time.monotonic() - before > 0.3, "delay")
    lms.control("answer", endpoint=endpoint, preset="endless")
    with socket.create_connection((lms.plain.netloc.split(":")[0],
                                   int(lms.plain.netloc.split(":")[1]))) as raw:
        raw.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
                    % endpoint.encode())
        got = 0
        while got < 1 << 20:
            got += len(raw.recv(65536))
    ok(got >= 1 << 20, "wire endless")
    lms.control("forget")
    token(lms, code="x", code_verifier="v")
    seen = lms.look("requests?endpoint=" + endpoint)
    same((seen["count"], seen["requests"][0]["form"]["code_verifier"],
          seen["requests"][0]["raw_query"], seen["requests"][0]["status"]),
         (1, ["v"], "", 400), "the record")
    same(lms.plain.post("/_ctl/answer", '{"endpoint": "/", "bogus": 1}').status, 400,
         "a misspelt member is refused")


def test_faults(lms):
    jwk = lms.look("jwks")["keys"][0]
    made = {}
    for name in lms.look("faults"):
        lms.control("fault", name=name)
        made[name] = token(lms, code=code_of(lms)).json()
    ok(len(made) > 90, "%d named faults" % len(made))
    jwt = {name: given.get("access_token") for name, given in made.items()}
    good = token(lms, code=code_of(lms)).json()["access_token"]
    ok(signed_by(jwk, good), "faults are one-shot")
    same(parts(jwt["alg-none"])[2], b"", "alg none has no signature")
    same(parts(jwt["kid-right"])[0], '{"alg":"RS512","kid":"openedx","typ":"JWT"}', "kid")
    same(parts(jwt["legacy-header"])[0], '{"alg":"RS512","kid":"openedx"}', "legacy header")
    same(parts(jwt["kid-duplicate"])[0],
         '{"kid":"evil","alg":"RS512","kid":"openedx","typ":"JWT"}', "duplicate kid")
    ok(parts(jwt["payload-spaces"])[1].startswith('{"aud": "openedx", "exp": '), "spaces")
    ok(signed_by(jwk, jwt["payload-spaces"]) and signed_by(jwk, jwt["rs256"], hashes.SHA256),
       "and right signatures")
    ok(not signed_by(jwk, jwt["foreign-key"]) and not signed_by(jwk, jwt["signature-flipped"]),
       "wrong signatures are wrong")
    ok(parts(jwt["claims-duplicate"])[1].startswith('{"sub":"evil",'), "duplicate claim")
    same(json.loads(parts(jwt["aud-list"])[1])["aud"], ["other", "openedx"], "aud list")
    ok("aud" not in json.loads(parts(jwt["aud-missing"])[1]), "aud missing")
    ok(json.loads(parts(jwt["exp-past"])[1])["exp"] < time.time() - 3600, "exp past")
    same(len(jwt["opaque"]), 30, "opaque although a JWT was asked for")
    ok(made["expires-negative"]["expires_in"] < 0 and "refresh_token" not in
       made["no-refresh-token"], "answer faults")
    lms.control("fault", claims={"email": ["x"], "name": 7}, remove=["sub"], count=0)
    for _ in range(2):
        claims = json.loads(parts(token(lms, code=code_of(lms)).json()["access_token"])[1])
    ok(claims["email"] == ["x"] and claims["name"] == 7 and "sub" not in claims,
       "claims of any type, until reset")
    lms.control("reset")
    kid = lms.control("rotate")["kid"]
    same([key["kid"] for key in lms.look("jwks")["keys"]], [kid, "openedx"], "rotation")
    ok(not signed_by(jwk, token(lms, code=code_of(lms)).json()["access_token"]), "new key signs")
    lms.control("reset")
    same(lms.look("jwks")["keys"], [jwk], "reset brings the first key back")
    minted = lms.control("mint", user="alice", scopes=["email"], fault={"name": "aud-wrong"})
    same(json.loads(parts(minted["token"])[1])["aud"], "other", "mint")
    for shape in ("mixed", "duplicate-kid", "rsa1024", "e1", "empty", "legacy", "oct"):
        same(lms.plain.get("/_ctl/jwks?shape=" + shape).status, 200, "jwks shape " + shape)


def test_limits(lms):
    lms.control("config", rate_limit=2)
    replies = [token(lms, code="x") for _ in range(3)]
    same([r.status for r in replies], [400, 400, 429], "rate limit")
    ok(replies[2].head("Content-Type").startswith("text/html"), "its answer is HTML")
    lms.control("config", rate_limit=0)
    same(lms.plain.post("/oauth2/access_token", None, headers={
        "Content-Length": "5000000"}).status, 413, "a body too long")
    lms.control("answer", endpoint="/oauth2/access_token", wire="close-after")
    link = http.client.HTTPConnection(lms.plain.netloc, timeout=5)
    link.request("POST", "/oauth2/access_token", "")
    reply = link.getresponse()
    same((reply.status, reply.getheader("Connection")), (400, None), "wire close-after answers")
    reply.read()
    try:
        link.request("POST", "/oauth2/access_token", "")
        link.getresponse()
        closed = False
    except (OSError, http.client.HTTPException):
        closed = True
    link.close()
    ok(closed, "and closes")


def self_signed(folder):
    """cert.pem and key.pem for 127.0.0.1 in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.utcnow()
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1).not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(alternative, False).sign(key, hashes.SHA256()))
    with open(folder + "/cert.pem", "wb") as file:
        file.write(cert.public_bytes(serialization.Encoding.PEM))
    with open(folder + "/key.pem", "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM,
                                     serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()))


def test_tls():
    with tempfile.TemporaryDirectory() as folder:
        self_signed(folder)
        lms = Lms("--cert", folder + "/cert.pem", "--key", folder + "/key.pem")
        ok(lms.root.startswith("https://"), "TLS: root")
        trust = ssl.create_default_context(cafile=folder + "/cert.pem")
        silent = socket.create_connection((lms.plain.netloc.split(":")[0],
                                           int(lms.plain.netloc.split(":")[1])))
        with urllib.request.urlopen(lms.root + "/login?auto=jsmith", context=trust) as reply:
            same(reply.status, 200, "TLS: an answer, while another connection shakes no hands")
        with urllib.request.urlopen(lms.root + "/_ctl/state", context=trust) as reply:
            same(json.load(reply)["issuer"], lms.root + "/oauth2", "TLS: issuer")
        silent.close()
        same(lms.end(), 0, "ends with its standard input")


def main():
    lms = Lms()
    for test in (test_control, test_faults, test_limits):
        lms.control("reset")
        test(lms)
        same(lms.look("notes"), [], "%s: no unexpected exception inside" % test.__name__)
    same(lms.end(), 0, "ends with its standard input")
    test_tls()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
