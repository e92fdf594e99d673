#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for the identity providers everybody has an account at: Google, Facebook, GitHub,
LinkedIn, Apple, a realm of Keycloak, and a bare OAuth 2.0 server; each under a path of its own.
Everybody is signed in there already and consents.

Prints `social ready http://127.0.0.1:PORT` when it listens. Ends on SIGTERM or SIGINT. Control,
besides what idp_control.py has: POST /_ctl/set {"provider": NAME, SETTING: VALUE ...} and /_ctl/reset. Settings:
who (members of the profile or claims, null takes one away), deny (parameters that come back instead
of a code), emails (GitHub's list), issuer, aud, first (Apple: this is the first consent).
"""

import argparse
import base64
import functools
import hashlib
import hmac
import json
import os
import signal
import sys
import threading
import time
import urllib.parse
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import idp_control      # noqa: E402
import idp_http         # noqa: E402
import idp_jwt          # noqa: E402
from idp_http import Answer, html, json_answer, redirect    # noqa: E402

CLIENT, SECRET = "site", "social-secret"
REALM = "/keycloak/realms/campus"
OIDC = REALM + "/protocol/openid-connect"

# provider: what it is called in tokens (None: its own address), its endpoints, what the user is there
PROVIDERS = {
    "google": {
        "issuer": "https://accounts.google.com", "document": "/google",
        "authorization": "/google/o/oauth2/v2/auth", "token": "/google/token",
        "userinfo": "/google/v1/userinfo", "jwks": "/google/oauth2/v3/certs",
        "who": {"sub": "110169484474386276334", "hd": "campus.test", "email": "ann@campus.test",
                "email_verified": True, "name": "Ann", "azp": CLIENT}},
    "keycloak": {
        "issuer": None, "document": REALM,
        "authorization": OIDC + "/auth", "token": OIDC + "/token", "userinfo": OIDC + "/userinfo",
        "jwks": OIDC + "/certs", "end_session": OIDC + "/logout",
        "who": {"sub": "f1b2c3d4-0000-4000-8000-000000000001", "preferred_username": "ann",
                "email": "ann@campus.test", "email_verified": True, "sid": "kc-session-1",
                "typ": "ID", "realm_access": {"roles": ["staff", "author"]},
                "resource_access": {"site": {"roles": ["editor"]}}}},
    "linkedin": {
        "issuer": "https://www.linkedin.com/oauth", "document": "/linkedin/oauth",
        "authorization": "/linkedin/oauth/v2/authorization",
        "token": "/linkedin/oauth/v2/accessToken", "userinfo": "/linkedin/v2/userinfo",
        "jwks": "/linkedin/oauth/openid/jwks",
        "who": {"sub": "782bbtaQ", "name": "Ann Ash", "email": "ann@work.test",
                "email_verified": True}},
    "apple": {
        "issuer": "https://appleid.apple.com", "document": "/apple",
        "authorization": "/apple/auth/authorize", "token": "/apple/auth/token",
        "jwks": "/apple/auth/keys",
        "who": {"sub": "001234.abcdef.0123", "email": "x7@privaterelay.appleid.com",
                "email_verified": "true", "is_private_email": "true", "nonce_supported": True}},
    "facebook": {
        "authorization": "/facebook/v24.0/dialog/oauth",
        "token": "/facebook/v24.0/oauth/access_token", "userinfo": "/facebook/v24.0/me",
        "who": {"id": "10158000000000001", "name": "Ann Ash", "first_name": "Ann",
                "last_name": "Ash", "email": "ann@face.test", "birthday": "01/02/1990",
                "picture": {"data": {"height": 50, "is_silhouette": False, "width": 50,
                                     "url": "https://platform.test/ann.jpg"}}}},
    "github": {
        "authorization": "/github/login/oauth/authorize",
        "token": "/github/login/oauth/access_token", "userinfo": "/github/api/user",
        "emails": [{"email": "old@git.test", "primary": False, "verified": True,
                    "visibility": None},
                   {"email": "ann@git.test", "primary": True, "verified": True,
                    "visibility": "private"}],
        "who": {"login": "ann", "id": 583231, "node_id": "MDQ6VXNlcjU4MzIzMQ==", "type": "User",
                "avatar_url": "https://avatars.test/u/583231", "html_url": "https://github.test/ann",
                "site_admin": False, "name": None, "email": "shown@git.test", "followers": 3}},
    "plain": {
        "authorization": "/plain/authorize", "token": "/plain/token", "userinfo": "/plain/me",
        "who": {"id": 77, "name": "Ann", "data": {"unit": "physics"}}},
}


class Refusal(Exception):
    """An answer instead of what was asked for."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer


class Social:
    def __init__(self):
        self.keys = {name: idp_jwt.new_rsa() for name in ("sig", "enc")}
        self.root = ""
        self.apple_secret = self.sign("ES256", idp_jwt.new_ec(), {
            "iss": "TEAM123456", "iat": int(time.time()), "exp": int(time.time()) + 86400,
            "aud": "https://appleid.apple.com", "sub": CLIENT}, "APPLEKEY01")
        self.reset()

    def reset(self):
        self.set = {name: {} for name in PROVIDERS}
        self.codes, self.tokens = {}, {}

    def setting(self, name, key, default=None):
        return self.set[name].get(key, PROVIDERS[name].get(key, default))

    def who(self, name):
        merged = dict(PROVIDERS[name]["who"], **self.set[name].get("who", {}))
        taken = {k for k, v in self.set[name].get("who", {}).items() if v is None}
        return {k: v for k, v in merged.items() if k not in taken}

    def issuer(self, name):
        return self.setting(name, "issuer") or self.root + PROVIDERS[name]["document"]

    @staticmethod
    def sign(alg, key, claims, kid):
        header = idp_jwt.compact({"alg": alg, "kid": kid, "typ": "JWT"})
        return idp_jwt.assemble(header, idp_jwt.compact(claims),
                                lambda data: idp_jwt.sign(alg, key, data))


# ---- documents

def document(social, name, _request):
    made = {"issuer": social.issuer(name), "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"]}
    for kind, member in (("authorization", "authorization_endpoint"), ("token", "token_endpoint"),
                         ("userinfo", "userinfo_endpoint"), ("jwks", "jwks_uri"),
                         ("end_session", "end_session_endpoint")):
        if kind in PROVIDERS[name]:
            made[member] = social.root + PROVIDERS[name][kind]
    return json_answer(made)


def jwks(social, name, _request):
    """Keycloak's set has a key for encryption first, as long as the other and with an alg."""
    signing = dict(idp_jwt.rsa_jwk(social.keys["sig"], name + "-1"), use="sig", alg="RS256")
    keys = [signing]
    if name == "keycloak":
        keys.insert(0, dict(idp_jwt.rsa_jwk(social.keys["enc"], name + "-enc"), use="enc",
                            alg="RSA-OAEP"))
    return json_answer({"keys": keys})


# ---- authorization

def authorize(social, name, request):
    arg = request.arg
    if arg("client_id") != CLIENT or arg("response_type") != "code" or not arg("redirect_uri"):
        return html(400, "Error", "<p>invalid_request</p>")
    scopes = (arg("scope") or "").replace(",", " ").split()
    post = arg("response_mode") == "form_post"
    if name == "apple" and not post and {"name", "email"} & set(scopes):
        return html(400, "Error", "<p>response_mode must be form_post when name or email scope is "
                    "requested.</p>")
    back = {"state": arg("state", "")}
    denied = social.set[name].get("deny")
    if denied:
        back.update(denied)
    else:
        code = uuid.uuid4().hex + uuid.uuid4().hex[:8]
        social.codes[code] = {"name": name, "redirect_uri": arg("redirect_uri"),
                              "challenge": arg("code_challenge"), "nonce": arg("nonce"),
                              "scopes": scopes}
        back["code"] = code
        if name == "apple" and social.set[name].get("first") and "name" in scopes:
            back["user"] = json.dumps({"name": {"firstName": "Ann", "lastName": "Äsh"},
                                       "email": "forged@evil.test"})
        if name == "keycloak":
            back.update({"session_state": "kc-session-1", "iss": social.issuer(name)})
    if post:
        fields = "".join('<input type="hidden" name="%s" value="%s">'
                         % (k, v.replace("&", "&amp;").replace('"', "&quot;"))
                         for k, v in back.items())
        return html(200, "Working", '<form method="post" action="%s">%s</form>'
                    % (arg("redirect_uri"), fields))
    mark = "&" if "?" in arg("redirect_uri") else "?"
    fragment = "#_=_" if name == "facebook" else ""
    return redirect(arg("redirect_uri") + mark + urllib.parse.urlencode(back) + fragment)


# ---- tokens

def refuse(name, error, description, status=400):
    """An error in the provider's own form."""
    if name == "facebook":
        return Refusal(json_answer({"error": {"message": description, "type": "OAuthException",
                                              "code": 100, "fbtrace_id": "AbCdEf"}}, status))
    return Refusal(json_answer({"error": error, "error_description": description},
                               200 if name == "github" else status))


def check_client(social, name, request):
    basic = request.headers.get("Authorization") or ""
    given = (request.field("client_id"), request.field("client_secret"))
    if basic.startswith("Basic ") and name not in ("linkedin", "apple", "facebook"):
        user, _, password = base64.b64decode(basic[6:]).decode().partition(":")
        given = (urllib.parse.unquote_plus(user), urllib.parse.unquote_plus(password))
    if given != (CLIENT, social.apple_secret if name == "apple" else SECRET):
        raise refuse(name, "incorrect_client_credentials" if name == "github"
                     else "invalid_client", "The client is not known.", 401)


def take_grant(social, name, request):
    grant = social.codes.pop(request.field("code", ""), None)
    if grant is None or grant["name"] != name \
            or grant["redirect_uri"] != request.field("redirect_uri"):
        raise refuse(name, "bad_verification_code" if name == "github" else "invalid_grant",
                     "The code passed is incorrect or expired.")
    verifier = request.field("code_verifier")
    if name == "linkedin" and verifier is not None:
        raise refuse(name, "invalid_request", "Not enough permissions to use PKCE.")
    if grant["challenge"]:
        digest = hashlib.sha256((verifier or "").encode()).digest()
        if idp_jwt.b64u(digest) != grant["challenge"]:
            raise refuse(name, "invalid_grant", "PKCE verification failed.")
    return grant


def id_token(social, name, grant, access):
    claims = dict(social.who(name), iss=social.issuer(name), aud=social.setting(name, "aud", CLIENT),
                  iat=int(time.time()), exp=int(time.time()) + 600)
    if grant["nonce"] and name != "linkedin":
        claims["nonce"] = grant["nonce"]
    claims["at_hash"] = idp_jwt.b64u(hashlib.sha256(access.encode()).digest()[:16])
    return social.sign("RS256", social.keys["sig"], claims, name + "-1")


def token(social, name, request):
    try:
        check_client(social, name, request)
        grant = take_grant(social, name, request)
    except Refusal as refusal:
        return refusal.answer
    access = "%s-%s" % (name, uuid.uuid4().hex)
    social.tokens[access] = grant
    made = {"access_token": access, "token_type": "bearer"}
    if name == "github":
        made["scope"] = ",".join(grant["scopes"])
        if "application/json" not in (request.headers.get("Accept") or ""):
            return Answer(200, [], urllib.parse.urlencode(made),
                          "application/x-www-form-urlencoded; charset=utf-8")
    else:
        made["expires_in"] = 5183944 if name == "facebook" else 3600
    if "document" in PROVIDERS[name]:
        made["id_token"] = id_token(social, name, grant, access)
    return json_answer(made)


# ---- profiles

def bearer(social, name, request):
    given = request.headers.get("Authorization") or ""
    access = given[7:] if given.startswith("Bearer ") else ""
    grant = social.tokens.get(access)
    return (access, grant) if grant and grant["name"] == name else (None, None)


def userinfo(social, name, request):
    if bearer(social, name, request)[0] is None:
        return json_answer({"error": "invalid_token"}, 401,
                           [("WWW-Authenticate", 'Bearer error="invalid_token"')])
    return json_answer(social.who(name))


def facebook_me(social, name, request):
    access, _ = bearer(social, name, request)

    def error(message, code):
        return json_answer({"error": {"message": message, "type": "GraphMethodException"
                                      if code == 100 else "OAuthException", "code": code,
                                      "fbtrace_id": "AbCdEf"}}, 400)
    if access is None:
        return error("Invalid OAuth access token.", 190)
    proof = hmac.new(SECRET.encode(), access.encode(), hashlib.sha256).hexdigest()
    if request.arg("appsecret_proof") != proof:
        return error("Invalid appsecret_proof provided in the API argument", 100)
    wanted = (request.arg("fields") or "id,name").split(",")
    return json_answer({k: v for k, v in social.who(name).items() if k in wanted or k == "id"},
                       200, [("facebook-api-version", "v24.0")])


def github_api(social, name, what, request):
    if not request.headers.get("User-Agent"):
        return Answer(403, [], "Request forbidden by administrative rules.", "text/html")
    _, grant = bearer(social, name, request)
    if grant is None:
        return json_answer({"message": "Bad credentials",
                            "documentation_url": "https://docs.github.test/rest"}, 401)
    if what == "emails":
        if not {"user", "user:email"} & set(grant["scopes"]):
            return json_answer({"message": "Not Found"}, 404)
        return json_answer(social.setting(name, "emails"))
    return json_answer(social.who(name))


# ---- control, routes, start

def change(social, request):
    given = request.json()
    social.set[given.pop("provider")].update(given)
    return json_answer({"ok": True})


def forget(social, site, _request):
    social.reset()
    site.faults.list.clear()
    site.recorder.clear()
    return json_answer({"ok": True})


def routes(social, site):
    table = [("POST", "/_ctl/set", functools.partial(change, social)),
             ("POST", "/_ctl/reset", functools.partial(forget, social, site)),
             ("GET", "/github/api/user/emails",
              functools.partial(github_api, social, "github", "emails"))]
    profiles = {"facebook": facebook_me,
                "github": lambda s, n, request: github_api(s, n, "user", request)}
    for name, provider in PROVIDERS.items():
        bind = functools.partial
        table += [("GET", provider["authorization"], bind(authorize, social, name)),
                  ("POST", provider["token"], bind(token, social, name))]
        if "userinfo" in provider:
            table.append(("GET", provider["userinfo"],
                          bind(profiles.get(name, userinfo), social, name)))
        if "document" in provider:
            table += [("GET", provider["document"] + "/.well-known/openid-configuration",
                       bind(document, social, name)),
                      ("GET", provider["jwks"], bind(jwks, social, name))]
    table.append(("GET", OIDC + "/logout",
                  lambda request: redirect(request.arg("post_logout_redirect_uri") or "/")))
    return table


def main():
    parser = argparse.ArgumentParser(description="Stand-in for everybody's identity providers.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--write-apple-secret", metavar="FILE",
                        help="write the JWT that is the client secret at Apple")
    args = parser.parse_args()
    social, site = Social(), idp_http.Site()
    site.add_routes(routes(social, site))
    site.add_routes(idp_control.routes(site))
    server = idp_http.Server(args.port, site, "both")
    social.root = server.url()
    if args.write_apple_secret:
        with open(args.write_apple_secret, "w", encoding="utf-8") as file:
            file.write(social.apple_secret + "\n")
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    server.start()
    print("social ready " + server.url(), flush=True)
    done.wait()
    site.stopping.set()


if __name__ == "__main__":
    main()
