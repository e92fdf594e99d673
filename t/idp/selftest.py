#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Drives the stand-in LMS over HTTP and checks what it says, byte for byte where that is known.
Prints TAP."""

import base64
import hashlib
import hmac
import json
import os
import re
import sys
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from idp_selftest import (CALLBACK, Client, Lms, code_of, finish, ok, parts, same,  # noqa: E402
                          signed_by, token, url)


def test_login(lms):
    anonymous = Client(lms.root)
    target = url(redirect_uri=CALLBACK + "?redirect_state=S")
    reply = anonymous.get(target)
    same(reply.status, 302, "authorize sends an anonymous browser to the login page")
    same(reply.head("Location"), "/login?next=" + urllib.parse.quote(target, safe="/"),
         "login redirect: = and & encoded once, inner escapes twice")
    ok("%3D" in reply.head("Location") and "%253A" in reply.head("Location"), "as said")
    login = reply.head("Location")
    same(anonymous.get(login).status, 200, "the login page")
    reply = anonymous.get(login + "&auto=jsmith")
    same((reply.status, reply.head("Location")), (302, target), "signed in, back to authorize")
    cookie = next(c for c in reply.all("Set-Cookie") if c.startswith("edx-jwt-cookie-signature="))
    ok(re.search(r"; expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT; HttpOnly; Max-Age=3600; Path=/$",
                 cookie), "cookie attributes in Django's order", cookie)
    reply = anonymous.get(target)
    ok(re.fullmatch(re.escape(CALLBACK + "?redirect_state=S&code=") + r"[A-Za-z0-9]{30}&state=S",
                    reply.head("Location")), "existing query, code, state", reply.head("Location"))
    for where, back in (("https://evil.test/", "/dashboard"), ("/x", "/x"), ("//evil.test", None),
                        ("/\\evil.test", None), ("javascript:alert(1)", None), ("/static/x", None),
                        ("/a?redirect_uri=https%3A%2F%2Frp.example.com", None),
                        ("/oauth2/authorize?state=abc.zip", None), ("/callback.html", None),
                        ("/oauth2/authorize?redirect_uri=x.com&scope=user_id+email", 0)):
        reply = lms.signed_in().get("/login?" + urllib.parse.urlencode({"next": where}))
        same(reply.head("Location"), where if back == 0 else back or "/dashboard",
             "next=%s" % where)
    reply = lms.signed_in().get("/login?next=/x", headers={"Accept": "application/json"})
    same(reply.head("Location"), "/dashboard", "next is dropped for an Accept without text/html")
    lms.plain.get("/login?next=" + urllib.parse.quote(url(tpa_hint="saml-ubc")))
    same(lms.look("state")["tpa_hints"], ["saml-ubc"], "tpa_hint inside next is seen")
    reply = lms.plain.post("/api/user/v1/account/login_session/",
                           {"email": "jsmith@example.com", "password": "jsmith"})
    same((reply.status, reply.text), (200, '{"success": true, "redirect_url": "/dashboard"}'),
         "programmatic login")
    lms.plain.cookies.clear()
    reply = lms.signed_in().post("/login_refresh", "")
    same((reply.status, list(reply.json())), (200, [
        "success", "user_id", "response_epoch_seconds", "response_http_date", "expires",
        "expires_epoch_seconds"]), "login_refresh")
    reply = lms.plain.post("/login_refresh", "")
    same((reply.status, reply.text), (401, '"Unauthorized"'), "login_refresh, anonymous")
    same(lms.plain.get("/login_refresh").status, 405, "login_refresh by GET")


def test_authorize_errors(lms):
    browser = lms.signed_in()
    back = CALLBACK + "?error="
    for changes, want in (
            ({"scope": "user_id nonsense"}, back + "invalid_scope&state=S"),
            ({"client_id": "no-user-id"}, back + "invalid_scope&state=S"),
            ({"response_type": None}, back + "invalid_request&error_description="
             "Missing+response_type+parameter.&state=S"),
            ({"response_type": "token"}, back + "unauthorized_client&state=S"),
            ({"scope": "nonsense", "state": None}, back + "invalid_scope")):
        same(browser.get(url(**changes)).head("Location"), want, "authorize %s" % changes)
    for changes, want in (
            ({"client_id": "nobody"}, "Invalid client_id parameter value."),
            ({"client_id": None}, "Missing client_id parameter."),
            ({"redirect_uri": "http://127.0.0.1:8080/other"}, "Mismatching redirect URI."),
            ({"redirect_uri": CALLBACK + "/"}, "Mismatching redirect URI."),
            ({"redirect_uri": "https://127.0.0.1/edxsso/callback/lms"},
             "Mismatching redirect URI.")):
        reply = browser.get(url(**changes))
        ok(reply.status == 400 and want in reply.text and "invalid_request" in reply.text and
           reply.head("Content-Type").startswith("text/html"), "400 page: " + want, reply.text)
    reply = browser.get(url() + "&state=T")
    same(reply.status, 400, "a duplicate parameter")
    same(browser.get(url(redirect_uri="http://127.0.0.1:61234/edxsso/callback/lms")).status, 302,
         "a loopback redirect URI registered without port takes any port")
    named = url(redirect_uri="http://localhost:61234/edxsso/callback/lms")
    same(browser.get(named).status, 302, "and so does localhost, for the sake of tests")
    lms.control("config", any_port_hosts=[])
    same(browser.get(named).status, 400, "which can be turned off")
    code = code_of(lms, scope=None)
    same(token(lms, code=code).json()["scope"], "read write email profile", "default scopes")


def test_consent(lms):
    browser = lms.signed_in()
    asked = url(client_id="consent-app", code_challenge="c" * 43, code_challenge_method="S256")
    reply = browser.get(asked)
    ok(reply.status == 200 and 'name="allow" value="Authorize"' in reply.text, "consent page")
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', reply.text))
    same(browser.post(asked, dict(form, cancel="Cancel")).head("Location"),
         CALLBACK + "?error=access_denied&state=S", "refused")
    reply = browser.post(asked, dict(form, allow="Authorize"))
    code = re.search(r"[?&]code=(\w{30})&state=S$", reply.head("Location")).group(1)
    given = {"code": code, "client_id": "consent-app", "client_secret": "consent-secret"}
    same(token(lms, **given).text,
         '{"error": "invalid_request", "error_description": "Code verifier required."}',
         "the challenge of the query counts after consent")
    same(browser.get(asked).status, 200, "consent is asked for until a token was fetched")
    verifier = "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    asked = url(client_id="consent-app", code_challenge=challenge, code_challenge_method="S256")
    reply = browser.post(asked, dict(form, allow="Authorize"))
    code = re.search(r"code=(\w{30})", reply.head("Location")).group(1)
    same(token(lms, **dict(given, code=code, code_verifier=verifier)).status, 200, "PKCE S256")
    same(browser.get(asked).status, 302, "no consent page for a client that holds a token")


def test_token(lms):
    jwks = lms.look("jwks")
    same(list(jwks["keys"][0]), ["kid", "kty", "e", "n"], "JWK members")
    reply = token(lms, code=code_of(lms))
    same(reply.status, 200, "token")
    same([reply.head(n) for n in ("Content-Type", "Cache-Control", "Pragma")],
         ["application/json", "no-store", "no-cache"], "token headers")
    given = reply.json()
    ok(re.fullmatch(r'\{"access_token": "[\w.-]+", "expires_in": 3600, "token_type": "JWT", '
                    r'"scope": "user_id profile email", "refresh_token": "\w{30}"\}', reply.text),
       "token body, byte by byte", reply.text)
    header, payload, _ = parts(given["access_token"])
    same(header, '{"alg":"RS512","typ":"JWT"}', "JWT header")
    ok(signed_by(jwks["keys"][0], given["access_token"]), "JWT signature")
    iat = json.loads(payload)["iat"]
    same(payload, '{"aud":"openedx","exp":%d,"grant_type":"authorization-code","iat":%d,"iss":"%s'
         '/oauth2","preferred_username":"jsmith","scopes":["user_id","profile","email"],"version":'
         '"1.2.0","sub":"e3bfe0e4e7c6693efba9c3a93ee7f31b","filters":["user:me"],"is_restricted":'
         'false,"email_verified":true,"user_id":42,"name":"Joe Smith","family_name":"Smith",'
         '"given_name":"Joe","administrator":false,"superuser":false,"email":"jsmith@example.com"}'
         % (iat + 3600, iat, lms.root), "JWT payload, byte by byte")
    ok(abs(iat - time.time()) < 60, "iat is now")
    code = code_of(lms)
    reply = token(lms, code=code, asymmetric_jwt=None)
    header, _, signature = parts(reply.json()["access_token"])
    same(header, '{"alg":"HS256","typ":"JWT"}', "without asymmetric_jwt: HS256")
    secret = lms.plain.get("/_ctl/hs-secret").body
    data = reply.json()["access_token"].rpartition(".")[0].encode()
    same(signature, hmac.new(secret, data, "sha256").digest(), "HS256 signature")
    reply = token(lms, code=code_of(lms), token_type=None)
    ok(re.fullmatch(r'\{"access_token": "\w{30}", "expires_in": 36000, "token_type": "Bearer", '
                    r'"scope": "user_id profile email", "refresh_token": "\w{30}"\}', reply.text),
       "opaque token", reply.text)
    basic = base64.b64encode(b"studio-sso:studio-secret").decode()
    reply = lms.plain.post("/oauth2/access_token/", {
        "grant_type": "authorization_code", "code": code_of(lms), "redirect_uri": CALLBACK},
        headers={"Authorization": "Basic " + basic, "X-Token-Type": "jwt"})
    same(reply.json().get("token_type"), "JWT", "Basic, trailing slash, X-Token-Type")
    for name, claims in (("zoe", '"name":"Zo\\u00eb M\\u00fcller-\\u015eahin \\ud83c\\udf93'),
                         ("noname", '"name":null,"family_name":"","given_name":""'),
                         ("newbie", '"email_verified":false,"user_id":77'),
                         ("odd.name+tag@x-y_z", '"preferred_username":"odd.name+tag@x-y_z"')):
        jwt = token(lms, code=code_of(lms, urllib.parse.quote(name))).json()["access_token"]
        ok(claims in parts(jwt)[1], "claims of " + name, parts(jwt)[1])
    reply = token(lms, code=code_of(lms, client_id="restricted-app"), token_type=None,
                  client_id="restricted-app", client_secret="restricted-secret")
    ok(re.search(r'"expires_in": -\d{10}\.\d+,', reply.text), "restricted: born expired",
       reply.text)
    reply = token(lms, grant_type="client_credentials", client_id="tpa-worker",
                  client_secret="tpa-secret", scope="profile email tpa:read", asymmetric_jwt=None)
    header, payload, _ = parts(reply.json()["access_token"])
    ok('"alg":"RS512"' in header and '"filters":["tpa_provider:saml-ubc"],"is_restricted":true' in
       payload and '"grant_type":"client-credentials"' in payload, "restricted worker", payload)
    ok("refresh_token" not in reply.json(), "client_credentials: no refresh token")


def test_token_errors(lms):
    code = code_of(lms)
    body = '{"error": "%s"}'
    described = '{"error": "invalid_request", "error_description": "%s"}'
    cases = (
        ({"client_secret": "wrong"}, 401, body % "invalid_client"),
        ({"client_id": None, "client_secret": None}, 401, body % "invalid_client"),
        ({"code": "unknown"}, 400, body % "invalid_grant"),
        ({"client_id": "consent-app", "client_secret": "consent-secret"}, 400,
         body % "invalid_grant"),
        ({"redirect_uri": CALLBACK + "?x"}, 400, described % "Mismatching redirect URI."),
        ({"redirect_uri": None}, 400, described % "Mismatching redirect URI."),
        ({"code": None}, 400, described % "Missing code parameter."),
        ({"grant_type": None}, 400, body % "unsupported_grant_type"),
        ({"grant_type": "magic"}, 400, body % "unsupported_grant_type"),
        ({"client_id": "worker", "client_secret": "worker-secret"}, 400,
         body % "unauthorized_client"),
        ({"grant_type": "client_credentials", "client_id": "worker", "scope": "tpa:read",
          "client_secret": "worker-secret"}, 400, body % "invalid_scope"),
        ({"grant_type": "password", "client_id": "password-app", "username": "jsmith",
          "password": "x", "client_secret": "password-secret"}, 400,
         '{"error": "invalid_grant", "error_description": "Invalid credentials given."}'),
    )
    for changes, status, text in cases:
        reply = token(lms, **dict({"code": code}, **changes))
        same((reply.status, reply.text), (status, text), "token error %s" % sorted(changes))
        same(reply.head("WWW-Authenticate"),
             'Bearer error="invalid_client"' if status == 401 else None, "its challenge")
    same(token(lms, code=code).status, 200, "the code is still good after all that")
    same(token(lms, code=code).text, body % "invalid_grant", "but once only")
    code = code_of(lms, redirect_uri=None)
    same(token(lms, code=code, redirect_uri=None).status, 200,
         "without a redirect URI the first registered one counts, on both sides")
    code = code_of(lms)
    lms.control("config", clock=61)
    same(token(lms, code=code).text, body % "invalid_grant", "a code is good for 60 s")
    lms.control("config", clock=0)
    reply = lms.plain.get("/oauth2/access_token")
    same((reply.status, reply.head("Allow")), (405, "POST, OPTIONS"), "GET at the token endpoint")
    same(lms.plain.post("/oauth2/access_token?x=1", {}).status, 500, "query string: 500")
    reply = lms.plain.post("/oauth2/access_token", '{"grant_type": "password"}',
                           headers={"Content-Type": "application/json"})
    same(reply.text, body % "unsupported_grant_type", "JSON body")


def test_refresh(lms):
    first = token(lms, code=code_of(lms)).json()
    given = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"],
             "redirect_uri": None}
    same(token(lms, **given, scope="user_id read").json(), {"error": "invalid_scope"},
         "refresh: wider scope")
    second = token(lms, **given, scope="user_id").json()
    same(second["scope"], "user_id", "refresh: narrower scope")
    ok(second["refresh_token"] != first["refresh_token"], "refresh tokens rotate")
    reply = token(lms, **given)
    same((reply.status, reply.text), (400, '{"error": "invalid_grant"}'), "refresh: reuse")
    credentials = {"client_id": "studio-sso", "client_secret": "studio-secret"}
    reply = lms.plain.post("/oauth2/revoke_token", dict(credentials,
                                                        token=second["refresh_token"]))
    same((reply.status, reply.text, reply.head("Content-Type")[:9]), (200, "", "text/html"),
         "revoke")
    same(token(lms, **dict(given, refresh_token=second["refresh_token"])).status, 400, "revoked")
    opaque = token(lms, code=code_of(lms), token_type=None).json()["access_token"]
    reply = lms.plain.post("/_o/introspect/", dict(credentials, token=opaque))
    ok(re.fullmatch(r'\{"active": true, "scope": "user_id profile email", "exp": \d{10}, '
                    r'"client_id": "studio-sso", "username": "jsmith"\}', reply.text),
       "introspection", reply.text)
    for text in (first["access_token"], second["access_token"], "unknown"):
        same(lms.plain.post("/_o/introspect/", dict(credentials, token=text)).text,
             '{"active": false}', "introspection: not active")
    reply = lms.plain.post("/_o/introspect/", {"token": opaque})
    same((reply.status, reply.text), (403, ""), "introspection without a client")


def test_logout(lms):
    browser = lms.signed_in()
    lms.control("config", ida_logout_uris=["http://127.0.0.1:8080/logout"])
    lms.control("clients", client_id="studio-sso",
                redirect_uris=CALLBACK + " http://127.0.0.1:8080/bye?a=1&b=2")
    reply = browser.get("/logout?client_id=studio-sso&redirect_url=http://127.0.0.1:8080/")
    same(reply.status, 200, "logout is a page")
    ok('<iframe src="http://127.0.0.1:8080/logout?no_redirect=1">' in reply.text, "its frame")
    ok('data-redirect-url="http://127.0.0.1:8080/"' in reply.text, "its target", reply.text)
    ok(any(c.startswith('edx-jwt-cookie-signature=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; '
                        'Max-Age=0; Path=/') for c in reply.all("Set-Cookie")), "cookies deleted")
    same(browser.get(url()).head("Location")[:7], "/login?", "the session is gone")
    for query, want in (("", "/"), ("?redirect_url=http://evil.test/", "/"),
                        ("?redirect_url=http://127.0.0.1:8080/", "/"),
                        ("?client_id=studio-sso&redirect_url=http://evil.test/", "/"),
                        ("?client_id=studio-sso&redirect_url=" + urllib.parse.quote(
                            "http://127.0.0.1:8080/bye?a=1&b=2"), "/")):
        ok('data-redirect-url="%s"' % want in lms.plain.get("/logout" + query).text,
           "logout%s" % query)
    same(lms.plain.get("/logout?client_id=nobody&redirect_url=/x").status, 500,
         "unknown client with a target: 500")
    reply = lms.plain.get("/logout", headers={"Referer": "http://127.0.0.1:8080/"})
    ok("<iframe" not in reply.text, "no frame for the referrer")


def test_mapping(lms):
    given = {"grant_type": "client_credentials", "client_id": "tpa-worker", "scope": "tpa:read",
             "client_secret": "tpa-secret"}
    jwt = {"Authorization": "JWT " + token(lms, **given).json()["access_token"]}
    base = "/api/third_party_auth/v0/providers/saml-ubc/users"
    same(lms.plain.get(base + "?username=alice,nobody", headers=jwt).text,
         '{"next":null,"previous":null,"count":1,"num_pages":1,"current_page":1,"start":0,'
         '"results":[{"username":"alice","remote_id":"remote_alice"}]}', "mapping by name")
    same(lms.plain.get(base + "?remote_id=remote_staff", headers=jwt).json()["results"],
         [{"username": "staff", "remote_id": "remote_staff"}], "mapping by remote id")
    lms.control("links", provider="saml-ubc", rows=250)
    reply = lms.plain.get(base + "?page_size=200", headers=jwt).json()
    same((reply["next"], len(reply["results"]), reply["num_pages"]),
         (lms.root + base + "?page=2&page_size=200", 100, 3), "page size is clamped")
    for path, headers, status, text in (
            (base, {}, 401, '{"detail":"Authentication credentials were not provided."}'),
            (base, {"Authorization": "JWT x"}, 401, '{"detail":"Invalid token."}'),
            (base.replace("ubc", "other"), jwt, 403,
             '{"detail":"You do not have permission to perform this action."}'),
            (base + "?page=99", jwt, 404, '{"detail":"Invalid page."}')):
        reply = lms.plain.get(path, headers=headers)
        same((reply.status, reply.text), (status, text), "mapping: %d" % status)
        same(reply.head("WWW-Authenticate"), 'JWT realm="api"' if status == 401 else None, "and")
    same(lms.signed_in().get("/api/user/v1/me").text, '{"username":"jsmith"}', "me")


def test_two_roots():
    lms = Lms("--public-port", "0", "--client",
              "my-app:my-secret:http://x.test:80/cb,http://y.test/cb:user_id email")
    same(lms.ready[3], "public", "two roots")
    public = lms.ready[4]
    ok(public != lms.root, "two ports")
    Client(public).get("/login")
    same(lms.look("requests?endpoint=/login")["requests"][0]["root"], "public", "root in record")
    same(lms.look("state")["issuer"], public + "/oauth2", "issuer is of the public root")
    mine = next(c for c in lms.look("clients") if c["client_id"] == "my-app")
    same((mine["secret"], mine["redirect_uris"], mine["scopes"]),
         ("my-secret", "http://x.test:80/cb http://y.test/cb", ["user_id", "email"]), "--client")
    same(lms.end(), 0, "ends with its standard input")


def main():
    lms = Lms()
    for test in (test_login, test_authorize_errors, test_consent, test_token, test_token_errors,
                 test_refresh, test_logout, test_mapping):
        lms.control("reset")
        test(lms)
        notes = [note for note in lms.look("notes") if "nobody" not in note]
        same(notes, [], "%s: no unexpected exception inside" % test.__name__)
    lms.end()
    test_two_roots()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
