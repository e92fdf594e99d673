# SPDX-License-Identifier: Apache-2.0
"""A part of entra_selftest.py: how applications prove themselves, and tokens of their own."""

import base64
import hashlib
import json
import os
import time
import urllib.parse

import entra_state
import idp_jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from entra_selftest_base import SECRET, claims_of
from idp_selftest import same


def certificate():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = entra_state.self_signed(key, "edxsso test")
    text = base64.encodebytes(der).decode()
    return key, der, "-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % text


def assertion(entra, key, der, alg="PS256", thumb="x5t#S256", header=None, **changes):
    digest = hashlib.sha256 if thumb == "x5t#S256" else hashlib.sha1
    head = {"alg": alg, "typ": "JWT", thumb: idp_jwt.b64u(digest(der).digest())}
    head.update(header or {})
    now = int(time.time())
    app = entra.apps["cert"]
    claims = {"aud": "%s/%s/oauth2/v2.0/token" % (entra.root, entra.contoso), "iss": app,
              "sub": app, "jti": os.urandom(8).hex(), "nbf": now, "iat": now, "exp": now + 600}
    claims.update(changes)
    data = ".".join(idp_jwt.b64u(json.dumps(part).encode()) for part in (head, claims))
    pad = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if alg == "PS256" else padding.PKCS1v15()
    return data + "." + idp_jwt.b64u(key.sign(data.encode(), pad, hashes.SHA256()))


def _by(entra, text, client_id):
    return entra.token(client_id=client_id, client_secret=None, client_assertion=text,
                       client_assertion_type="urn:ietf:params:oauth:client-assertion-type:"
                       "jwt-bearer", code=entra.code(client_id=client_id))


def test_client_auth(entra):
    def by(text, client_id="cert"):
        return _by(entra, text, client_id)

    both = "%s:%s" % (entra.apps["single"], urllib.parse.quote(SECRET, safe=""))
    head = {"Authorization": "Basic " + base64.b64encode(both.encode()).decode()}
    same(entra.token(client_id="", client_secret=None, code=entra.code(), headers=head).status,
         200, "client_secret_basic")
    last = entra.look("requests?endpoint=/*/oauth2/v2.0/token&last=1")["requests"][0]
    same(last["client_auth"], "client_secret_basic", "in the record")
    key, der, pem = certificate()
    other, other_der, _ = certificate()
    same(by(assertion(entra, key, der)).json()["error_codes"], [700027], "unknown certificate")
    entra.control("apps", name="cert", certs=[pem])
    same(by(assertion(entra, key, der)).status, 200, "PS256 with x5t#S256")
    same(by(assertion(entra, key, der, "RS256", "x5t")).status, 200, "RS256 with x5t")
    once = assertion(entra, key, der)
    same([by(once).status, by(once).status], [200, 401], "jti used once")
    for text, code, name in (
            (assertion(entra, other, der), 700027, "another key"),
            (assertion(entra, key, der, header={"x5t#S256": "x"}), 700027, "another thumbprint"),
            (assertion(entra, key, der, thumb="kid"), 700027, "kid only"),
            (assertion(entra, key, der, header={"alg": "RS256"}), 700027, "alg does not fit"),
            (assertion(entra, key, der, aud="https://evil.test/"), 50027, "audience"),
            (assertion(entra, key, der, sub=entra.apps["single"]), 700021, "subject"),
            (assertion(entra, key, der, exp=int(time.time()) - 900), 700024, "expired"),
            (assertion(entra, key, der, jti=None), 50027, "no jti"), ("x.y.z", 50027, "no JWT")):
        same(by(text).json()["error_codes"], [code], "assertion: " + name)


def test_federated_and_own(entra):
    def by(text, client_id="cert"):
        return _by(entra, text, client_id)

    token = entra.control("federated")["token"]
    same(by(token, "federated").status, 200, "federated assertion")
    now = int(time.time())
    for change, code in (({"iss": "https://x"}, 700211), ({"sub": "x"}, 700213),
                         ({"aud": "x"}, 700212), ({"iat": None}, 70023),
                         ({"exp": now + 95000}, 70023), ({"exp": now - 900, "iat": now - 990},
                                                         700024)):
        token = entra.control("federated", claims=change)["token"]
        same(by(token, "federated").json()["error_codes"], [code], "federated %s" % change)
    same(entra.sign_in(client_id="public").get("token_type"), "Bearer", "public client")
    reply = entra.token(grant_type="client_credentials", client_id="daemon",
                        scope="https://graph.microsoft.com/.default").json()
    same(list(reply), ["token_type", "expires_in", "ext_expires_in", "access_token"],
         "client_credentials")
    claims = claims_of(reply["access_token"])
    same((claims["idtyp"], claims["roles"]), ("app", ["User.Read.All", "GroupMember.Read.All"]),
         "app token")
    for changes, code in (({"tenant": "common"}, 9001023), ({"scope": "User.Read"}, 70011)):
        given = dict({"client_id": "daemon", "grant_type": "client_credentials",
                      "scope": "https://graph.microsoft.com/.default"}, **changes)
        same(entra.token(**given).json()["error_codes"], [code], "client_credentials %d" % code)


TESTS = (test_client_auth, test_federated_and_own)
