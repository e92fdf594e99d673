#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Drives the generic OpenID provider stand-in, profile by profile, over HTTP. Prints TAP."""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cryptography.hazmat.primitives import hashes   # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding   # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
import idp_jwt      # noqa: E402
import oidc_token   # noqa: E402
from idp_selftest import HERE, Client, finish, ok, parts, same, signed_by, unb64   # noqa: E402

SECRET = "rp-secret-of-at-least-thirty-two-bytes"
VERIFIER = "v" * 43
CHALLENGE = idp_jwt.b64u(hashlib.sha256(VERIFIER.encode()).digest())
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Provider:
    def __init__(self, profile):
        command = ["/usr/bin/python3", HERE + "/oidc.py", "--until-eof", "--profile", profile]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.root = self.process.stdout.readline().split()[2]
        self.plain = Client(self.root)
        self.paths = {name: urllib.parse.urlsplit(url).path
                      for name, url in self.look("state")["paths"].items()}
        self.callback = "http://127.0.0.1:8080/edxsso/callback/" + profile

    def control(self, path, **given):
        reply = self.plain.post("/_ctl/" + path, json.dumps(given))
        assert reply.status == 200, reply.text
        return reply.json()

    def look(self, path):
        return self.plain.get("/_ctl/" + path).json()

    def authorize(self, **changes):
        given = {"client_id": "rp", "redirect_uri": self.callback, "response_type": "code",
                 "scope": "openid profile email", "state": "S", "nonce": "N", "login_hint": "jane",
                 "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        given.update(changes)
        return self.plain.get(self.paths["authorize"] + "?" + urllib.parse.urlencode(
            {k: v for k, v in given.items() if v is not None}))

    def answer(self, **changes):
        target = urllib.parse.urlsplit(self.authorize(**changes).head("Location"))
        return dict(urllib.parse.parse_qsl(target.fragment or target.query))

    def token(self, headers=None, code=None, grant=None, **changes):
        given = {"grant_type": "authorization_code", "client_id": "rp", "client_secret": SECRET,
                 "redirect_uri": self.callback, "code_verifier": VERIFIER,
                 "code": code or self.answer(**(grant or {})).get("code")}
        given.update(changes)
        return self.plain.post(self.paths["token"], {k: v for k, v in given.items()
                                                     if v is not None}, headers=headers)

    def end(self):
        same(self.look("notes"), [], "no exception inside")
        self.process.stdin.close()
        self.process.wait(60)


def claims_of(token):
    return json.loads(parts(token)[1])


def test_generic():
    op = Provider("generic")
    meta = op.plain.get("/.well-known/openid-configuration").json()
    same((meta["issuer"], meta["token_endpoint"]), (op.root, op.root + "/token"), "discovery")
    given = op.answer()
    same((list(given), given["iss"]), (["code", "state", "iss"], op.root), "iss parameter")
    made = op.token(code=given["code"]).json()
    claims = claims_of(made["id_token"])
    same((claims["iss"], claims["aud"], claims["nonce"], claims["email_verified"]),
         (op.root, "rp", "N", True), "id_token")
    keys = op.plain.get("/jwks").json()["keys"]
    ok(signed_by(keys[0], made["id_token"], hashes.SHA256), "its signature")
    half = hashlib.sha256(made["access_token"].encode()).digest()[:16]
    same(claims["at_hash"], idp_jwt.b64u(half), "at_hash")
    head = {"Authorization": "Bearer " + made["access_token"]}
    same(op.plain.get("/userinfo", headers=head).json()["sub"], claims["sub"], "userinfo")
    op.control("config", userinfo_jwt=True)
    reply = op.plain.get("/userinfo", headers=head)
    same((reply.head("Content-Type"), claims_of(reply.text)["aud"]), ("application/jwt", "rp"),
         "userinfo as JWT")
    same(op.plain.get("/userinfo").status, 401, "userinfo without token")
    ok('name="code"' in op.authorize(response_mode="form_post").text, "form_post")
    ok("id_token" in op.answer(response_type="code id_token"), "hybrid")
    ok("Sign in" in op.authorize(login_hint=None).text, "account page")
    same(op.answer(prompt="none")["error"], "login_required", "prompt=none")
    same(op.answer(_error="access_denied")["error"], "access_denied", "an error asked for")
    same(op.authorize(redirect_uri="http://evil.test/").status, 400, "redirect URI")
    same(op.token(code_verifier=None).json()["error"], "invalid_grant", "PKCE")
    same(op.token(client_secret="bad").status, 401, "wrong secret")
    for alg in ("PS256", "ES256", "HS256"):
        op.control("config", alg=alg)
        header = json.loads(parts(op.token().json()["id_token"])[0])
        same(header["alg"], alg, "alg " + alg)
    op.control("config", alg="ES256")
    made = op.token().json()["id_token"]
    key = next(k for k in op.plain.get("/jwks").json()["keys"] if k["kty"] == "EC")
    ok(oidc_token.proves(oidc_token.public_key(key), made, "ES256"), "signed by the published EC key")
    op.control("config", alg="RS256", iss_parameter="wrong")
    for part in (_par_and_others, _client_auth, _encryption):
        part(op)
    op.end()


def _par_and_others(op):
    same(op.answer()["iss"], "https://evil.test/", "wrong iss parameter")
    op.control("config", par_required=True, iss_parameter=True)
    same(op.answer()["error"], "invalid_request", "PAR required")
    reply = op.plain.post("/par", {"client_id": "rp", "client_secret": SECRET, "state": "P",
                                   "redirect_uri": op.callback, "scope": "openid",
                                   "response_type": "code", "login_hint": "jane"})
    target = "/authorize?client_id=rp&request_uri=" + reply.json()["request_uri"]
    ok("&state=P" in op.plain.get(target).head("Location"), "pushed request")
    op.control("reset")
    made = op.token(grant={"scope": "openid offline_access"}).json()
    again = op.token(code="", grant_type="refresh_token", refresh_token=made["refresh_token"])
    same(("nonce" in claims_of(again.json()["id_token"]), op.token(
        code="", grant_type="refresh_token", refresh_token=made["refresh_token"]).status),
         (False, 400), "refresh token rotates")
    same(op.plain.post("/introspect", {"client_id": "rp", "client_secret": SECRET,
                                       "token": made["access_token"]}).json()["active"], True,
         "introspection")
    same(op.plain.get("/logout?client_id=rp&state=S&post_logout_redirect_uri=http%3A%2F%2Fx%2F")
         .head("Location"), "http://x/?state=S", "end_session")
    for name in op.look("faults"):
        op.control("fault", name=name)
        op.token()
    same(op.look("state")["issuer"], op.root, "every token fault can be made")
    back = op.control("backchannel", url=op.root + "/revoke")
    same((back["status"], "nonce" in claims_of(back["token"])), (401, False), "logout token sent")
    same(op.look("notes"), [], "no exception inside until here")


def _client_auth(op):
    op.control("reset")
    rsa_key, ec_key = idp_jwt.new_rsa(), idp_jwt.new_ec()
    op.control("clients", client_id="rp", jwks=[idp_jwt.rsa_jwk(rsa_key, "r"),
                                                idp_jwt.ec_jwk(ec_key, "e")])
    basic = base64.b64encode(("rp:" + SECRET).encode()).decode()
    same(op.token({"Authorization": "Basic " + basic}, client_id=None, client_secret=None).status,
         200, "client_secret_basic")
    for alg, key, status in (("RS256", rsa_key, 200), ("PS256", rsa_key, 200),
                             ("ES256", ec_key, 200), ("HS256", SECRET.encode(), 200),
                             ("RS256", idp_jwt.new_rsa(), 401), ("HS256", b"bad", 401)):
        claims = {"iss": "rp", "sub": "rp", "aud": op.root + "/token", "jti": os.urandom(8).hex(),
                  "exp": int(time.time()) + 60}
        text = idp_jwt.assemble(json.dumps({"alg": alg}), json.dumps(claims),
                                lambda data, a=alg, k=key: idp_jwt.sign(a, k, data))
        same(op.token(client_secret=None, client_assertion=text,
                      client_assertion_type=BEARER).status, status, "assertion " + alg)
    same(op.token(grant={"client_id": "public"}, client_id="public", client_secret=None).status,
         200, "public client")


def _encryption(op):
    op.control("reset")
    key = idp_jwt.new_rsa()
    op.control("clients", client_id="rp", encrypt_to=idp_jwt.rsa_jwk(key, "mine"))
    op.control("config", encrypt=["RSA-OAEP", "A256GCM"])
    head, wrapped, iv, text, tag = op.token().json()["id_token"].split(".")
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    cek = key.decrypt(unb64(wrapped), oaep)
    inner = AESGCM(cek).decrypt(unb64(iv), unb64(text) + unb64(tag), head.encode()).decode()
    same(claims_of(inner)["aud"], "rp", "encrypted id_token")
    for alg, enc in (("RSA-OAEP-256", "A128CBC-HS256"), ("RSA1_5", "A256CBC-HS512")):
        op.control("config", encrypt=[alg, enc])
        same(op.token().json()["id_token"].count("."), 4, "encrypted %s %s" % (alg, enc))


def test_profiles():
    op = Provider("keycloak")
    meta = op.plain.get("/realms/campus/.well-known/openid-configuration").json()
    same(meta["issuer"], op.root + "/realms/campus", "keycloak: realm")
    same(op.plain.get(op.paths["jwks"]).json()["keys"][0]["use"], "enc", "keycloak: enc key")
    made = op.token().json()
    same(claims_of(made["id_token"])["realm_access"], {"roles": ["staff", "teacher"]},
         "keycloak: nested roles")
    ok("session_state" in op.answer(), "keycloak: session_state")
    op.end()
    op = Provider("google")
    made = op.token(grant={"access_type": "offline"}).json()
    same((claims_of(made["id_token"])["hd"], "refresh_token" in made), ("contoso.com", True),
         "google: hd, offline")
    op.control("config", token_issuer="accounts.google.com")
    same(claims_of(op.token().json()["id_token"])["iss"], "accounts.google.com", "google: issuer")
    op.end()
    op = Provider("github")
    reply = op.token()
    ok(reply.head("Content-Type").startswith("application/x-www-form"), "github: form-encoded")
    made = op.token({"Accept": "application/json"}).json()
    head = {"Authorization": "Bearer " + made["access_token"], "User-Agent": "t"}
    ok(isinstance(op.plain.get("/user", headers=head).json()["id"], int), "github: numeric id")
    same(op.plain.get("/user/emails", headers=head).json()[1]["primary"], True, "github: emails")
    reply = op.token({"Accept": "application/json"}, code="x")
    same((reply.status, reply.json()["error"]), (200, "bad_verification_code"), "github: error")
    op.end()
    op = Provider("facebook")
    text = op.token().json()["access_token"]
    proof = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    path = op.paths["userinfo"] + "?fields=id,email&access_token=%s&appsecret_proof=" % text
    same(list(op.plain.get(path + proof).json()), ["id", "email"], "facebook: fields, proof")
    same(op.plain.get(path + "x").json()["error"]["type"], "OAuthException", "facebook: error")
    op.end()
    op = Provider("linkedin")
    same(op.token().status, 400, "linkedin: no code_verifier")
    made = op.token(code_verifier=None).json()
    ok("nonce" not in claims_of(made["id_token"]), "linkedin: no nonce")
    op.end()


def test_apple():
    op = Provider("apple")
    key = idp_jwt.new_ec()
    op.control("clients", client_id="rp", jwks=[idp_jwt.ec_jwk(key, "k")])
    same(op.answer(scope="openid email")["error"], "invalid_request", "apple: form_post only")
    page = op.authorize(scope="openid email", response_mode="form_post").text
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    ok("user" in fields, "apple: user")
    claims = {"iss": "TEAM", "sub": "rp", "aud": op.root, "exp": int(time.time()) + 60}
    secret = idp_jwt.assemble('{"alg":"ES256","kid":"k"}', json.dumps(claims),
                              lambda data: idp_jwt.sign("ES256", key, data))
    ok("id_token" in op.token(code=fields["code"], client_secret=secret).json(), "apple: token")
    same(op.token(code="x").json()["error"], "invalid_client", "apple: a plain secret")
    op.end()


def main():
    for test in (test_generic, test_profiles, test_apple):
        test()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
