#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Drives the Entra and Graph stand-in over HTTP and checks what it says. Prints TAP."""

import base64
import hashlib
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
from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: E402
import entra_selftest_graph     # noqa: E402
import entra_state              # noqa: E402
import idp_jwt                  # noqa: E402
from idp_selftest import HERE, Client, finish, ok, parts, same, signed_by, unb64   # noqa: E402

CALLBACK = "http://127.0.0.1:8080/edxsso/callback/entra"
SECRET = "s3cr~et.of_edx-1"
MSA = "9188040d-6c67-4c5b-b112-36a304b66dad"
SCOPE = "openid profile email offline_access User.Read"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:-1]


class Entra:
    def __init__(self, *more):
        command = ["/usr/bin/python3", HERE + "/entra.py", "--until-eof", *more]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.ready = self.process.stdout.readline().split()
        self.root, self.graph_root = self.ready[2], self.ready[4]
        self.plain, self.graph = Client(self.root), Client(self.graph_root)
        state = self.look("state")
        self.apps, self.tenants = state["apps"], state["tenants"]
        self.contoso, self.fabrikam = self.tenants["contoso"], self.tenants["fabrikam"]

    def control(self, path, **given):
        reply = self.plain.post("/_ctl/" + path, json.dumps(given))
        assert reply.status == 200, reply.text
        return reply.json()

    def look(self, path):
        return self.plain.get("/_ctl/" + path).json()

    def end(self):
        self.process.stdin.close()
        return self.process.wait(10)

    def authorize(self, client=None, tenant="contoso.com", version="/v2.0", method="GET", **changes):
        given = {"client_id": "single", "response_type": "code", "redirect_uri": CALLBACK,
                 "scope": SCOPE, "state": "S", "nonce": "N", "login_hint": "adele",
                 "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        given.update(changes)
        given["client_id"] = self.apps.get(given["client_id"], given["client_id"])
        body = urllib.parse.urlencode({k: v for k, v in given.items() if v is not None})
        path = "/%s/oauth2%s/authorize" % (tenant, version)
        client = client or Client(self.root)
        if method == "POST":
            return client.post(path, body,
                               headers={"Content-Type": "application/x-www-form-urlencoded"})
        return client.get(path + "?" + body)

    def code(self, **changes):
        return answer_of(self.authorize(**changes))["code"]

    def token(self, tenant="contoso.com", version="/v2.0", headers=None, **changes):
        given = {"grant_type": "authorization_code", "client_id": "single",
                 "client_secret": SECRET, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        if changes.get("grant_type", "authorization_code") != "authorization_code":
            del given["redirect_uri"], given["code_verifier"]
        given.update(changes)
        given["client_id"] = self.apps.get(given["client_id"], given["client_id"])
        return self.plain.post("/%s/oauth2%s/token" % (tenant, version),
                               {k: v for k, v in given.items() if v is not None},
                               headers=headers)

    def sign_in(self, user="adele", client_id="single", tenant="contoso.com", version="/v2.0",
                **changes):
        """The token endpoint's JSON after a whole sign-in."""
        code = self.code(login_hint=user, client_id=client_id, tenant=tenant, version=version,
                         **changes)
        secret = None if client_id == "public" else SECRET
        return self.token(tenant, version, code=code, client_id=client_id,
                          client_secret=secret).json()


def answer_of(reply):
    """The parameters of a redirect, by query or fragment."""
    target = urllib.parse.urlsplit(reply.head("Location") or "")
    return dict(urllib.parse.parse_qsl(target.fragment or target.query, keep_blank_values=True))


def claims_of(token):
    return json.loads(parts(token)[1])


def test_discovery(entra):
    tid, root = entra.contoso, entra.root
    for name in (tid, "contoso.com", "contoso.onmicrosoft.com", tid.upper()):
        reply = entra.plain.get("/%s/v2.0/.well-known/openid-configuration" % name)
        made = reply.json()
        same((made["issuer"], made["token_endpoint"], made["tenant_region_scope"]),
             ("%s/%s/v2.0" % (root, tid), "%s/%s/oauth2/v2.0/token" % (root, tid), "EU"), name)
    same(list(made), ["token_endpoint", "token_endpoint_auth_methods_supported", "jwks_uri",
         "response_modes_supported", "subject_types_supported",
         "id_token_signing_alg_values_supported", "response_types_supported", "scopes_supported",
         "issuer", "request_uri_parameter_supported", "userinfo_endpoint",
         "authorization_endpoint", "device_authorization_endpoint", "http_logout_supported",
         "frontchannel_logout_supported", "end_session_endpoint", "claims_supported",
         "kerberos_endpoint", "tenant_region_scope", "cloud_instance_name",
         "cloud_graph_host_name", "msgraph_host", "rbac_url"], "members and order")
    same((reply.head("Content-Type"), reply.head("Cache-Control")),
         ("application/json; charset=utf-8", "max-age=86400, private"), "headers")
    same(made["userinfo_endpoint"], entra.graph_root + "/oidc/userinfo", "userinfo is at Graph")
    for name, issuer in (("common", "{tenantid}"), ("organizations", "{tenantid}"),
                         ("consumers", MSA)):
        made = entra.plain.get("/%s/v2.0/.well-known/openid-configuration" % name).json()
        same((made["issuer"], made["jwks_uri"]),
             ("%s/%s/v2.0" % (root, issuer), "%s/%s/discovery/v2.0/keys" % (root, name)), name)
    made = entra.plain.get("/common/.well-known/openid-configuration").json()
    same((made["issuer"], made["authorization_endpoint"], made["scopes_supported"]),
         ("https://sts.windows.net/{tenantid}/", root + "/common/oauth2/authorize", ["openid"]),
         "v1 common")
    made = entra.plain.get("/contoso.com/v2.0/.well-known/openid-configuration?appid=A").json()
    same(made["jwks_uri"], "%s/%s/discovery/v2.0/keys?appid=A" % (root, tid), "appid")
    for name, error, code in (("nowhere.example", "invalid_tenant", 90002),
                              ("a_b", "invalid_request", 900023)):
        reply = entra.plain.get("/%s/v2.0/.well-known/openid-configuration" % name)
        same((reply.status, reply.json()["error"], reply.json()["error_codes"]),
             (400, error, [code]), "tenant " + name)
    same(entra.plain.get("/organizations/.well-known/openid-configuration").status, 400,
         "v1 organizations")
    keys = entra.plain.get("/common/discovery/v2.0/keys").json()["keys"]
    same([list(k) for k in keys][0], ["kty", "use", "kid", "x5t", "n", "e", "x5c",
                                      "cloud_instance_name", "issuer"], "members of a key")
    same({k["issuer"] for k in keys}, {root + "/{tenantid}/v2.0", "%s/%s/v2.0" % (root, MSA),
                                       "%s/%s/v2.0" % (root, entra.fabrikam)}, "key issuers")
    der = base64.b64decode(keys[0]["x5c"][0])
    same(keys[0]["kid"], base64.urlsafe_b64encode(hashlib.sha1(der).digest()).decode()[:-1],
         "kid is the thumbprint")
    ok("issuer" not in entra.plain.get("/common/discovery/keys").json()["keys"][0], "v1 keys")
    ok(len(entra.plain.get("/contoso.com/discovery/v2.0/keys").json()["keys"]) == 3,
       "no key of personal accounts at a tenant")
    same(entra.graph.get("/common/v2.0/.well-known/openid-configuration").status, 404,
         "the Graph port is not the authority")
    entra.control("config", discovery_omit=["kerberos_endpoint"], discovery_add={"x": 1},
                  issuer="https://{tenantid}.ciam.test/{tenantid}/v2.0")
    made = entra.plain.get("/contoso.com/v2.0/.well-known/openid-configuration").json()
    same((made["x"], "kerberos_endpoint" in made, made["issuer"]),
         (1, False, "https://%s.ciam.test/%s/v2.0" % (tid, tid)), "settings of the document")


def test_authorize(entra):
    browser = Client(entra.root)
    reply = entra.authorize(browser, client_info="1")
    given = answer_of(reply)
    same((reply.status, list(given)), (302, ["code", "state", "session_state", "client_info"]),
         "success by query")
    ok(reply.head("Location").startswith(CALLBACK + "?code=1.A"), "the code")
    info = json.loads(unb64(given["client_info"]))
    same(info["utid"], entra.contoso, "client_info")
    again = answer_of(entra.authorize(browser, prompt="none", login_hint=None))
    same(again["session_state"], given["session_state"], "prompt=none with a session")
    reply = entra.authorize(response_mode="form_post")
    names = re.findall(r'<input type="hidden" name="(\w+)"', reply.text)
    same((reply.status, names), (200, ["code", "state", "session_state"]), "form_post")
    ok('action="%s"' % CALLBACK in reply.text and 'method="POST"' in reply.text, "its form")
    ok("#code=" in entra.authorize(response_mode="fragment").head("Location"), "fragment")
    same(entra.authorize(method="POST").status, 302, "authorize by POST")
    ok("Pick an account" in entra.authorize(login_hint=None).text, "account picker")
    same(answer_of(entra.authorize(login_hint=None, _user="alex"))["state"], "S", "picked")
    same(answer_of(entra.authorize(state="a<b>c"))["state"], "ac", "HTML is taken out of state")
    for changes, code in (
            ({"tenant": "nowhere.example"}, 90002), ({"client_id": "nobody"}, 700016),
            ({"redirect_uri": "http://evil.test/"}, 50011), ({"tenant": "common"}, 50194),
            ({"tenant": "partner.com"}, 700016), ({"tenant": "consumers"}, 9002332),
            ({"tenant": "common", "client_id": "personal"}, 9002331),
            ({"login_hint": "eve"}, 50020), ({"login_hint": "disabled"}, 50057),
            ({"client_id": "assigned", "login_hint": "unassigned"}, 50105),
            ({"tenant": "common", "client_id": "multi", "login_hint": "pam"}, 500200)):
        reply = entra.authorize(**changes)
        ok(reply.status == 200 and '"iErrorCode":%d' % code in reply.text,
           "page %d" % code, reply.text)
    for changes, error, code in (
            ({"response_type": None}, "invalid_request", 900144),
            ({"response_type": "id_token"}, "unsupported_response_type", 700054),
            ({"response_type": "id_token", "client_id": "all", "tenant": "common",
              "response_mode": "query"}, "invalid_request", 70007),
            ({"response_type": "id_token", "client_id": "all", "tenant": "common",
              "nonce": None}, "invalid_request", 900144),
            ({"resource": "x"}, "invalid_request", 901002),
            ({"scope": "openid Nonsense.All"}, "invalid_scope", 650053),
            ({"code_challenge": "short"}, "invalid_request", 501491),
            ({"code_challenge_method": "S512"}, "invalid_request", 501491),
            ({"prompt": "none"}, "login_required", 50058),
            ({"prompt": "none", "client_id": "consent"}, "login_required", 50058),
            ({"prompt": "sometimes"}, "invalid_request", 90023)):
        given = answer_of(entra.authorize(**changes))
        same((given.get("error"), given.get("error_uri", "").rpartition("=")[2],
              given.get("state")), (error, str(code), "S"), "redirect %d" % code)
    given = entra.authorize(prompt="none").head("Location")
    ok("error_description=AADSTS50058%3a+A+silent+sign-in+request+was+sent" in given and
       "%0d%0aTrace+ID%3a+" in given and "&error_uri=http%3a%2f%2f127" in given, "its form", given)
    ok("_consent=yes" in entra.authorize(client_id="consent").text, "consent page")
    same(answer_of(entra.authorize(client_id="consent", _consent="no"))["error"], "access_denied",
         "consent declined")
    browser = Client(entra.root)
    ok("code" in answer_of(entra.authorize(browser, client_id="consent", _consent="yes")) and
       "code" in answer_of(entra.authorize(browser, client_id="consent", prompt="none")),
       "consent is kept")
    entra.control("users", name="adele", mfa_required=True)
    same(answer_of(entra.authorize(browser, prompt="none"))["error"], "interaction_required",
         "second factor needed")
    entra.control("refuse", code=53003, at="authorize")
    same(answer_of(entra.authorize())["error"], "access_denied", "an error asked for")
    hybrid = answer_of(entra.authorize(client_id="all", tenant="common", response_type="code id_token"))
    claims = claims_of(hybrid["id_token"])
    half = base64.urlsafe_b64encode(hashlib.sha256(hybrid["code"].encode()).digest()[:16])
    same(claims["c_hash"], half.decode().rstrip("="), "c_hash of the hybrid flow")
    query = urllib.parse.urlencode({"client_id": entra.apps["single"], "redirect_uri": CALLBACK,
                                    "scope": "User.Read", "state": "S", "_consent": "yes"})
    given = answer_of(entra.plain.get("/organizations/v2.0/adminconsent?" + query))
    same((given["admin_consent"], given["tenant"], given["scope"]),
         ("True", entra.contoso, "User.Read"), "admin consent")
    given = answer_of(entra.plain.get("/contoso.com/adminconsent?" + query.replace("=yes", "=no")))
    same((given["error"], "tenant" in given), ("access_denied", False), "admin consent refused")


def test_token(entra):
    reply = entra.token(code=entra.code())
    made = reply.json()
    same(list(made), ["token_type", "scope", "expires_in", "ext_expires_in", "access_token",
                      "refresh_token", "id_token"], "token answer")
    same((made["scope"], made["expires_in"], reply.head("Cache-Control"), reply.head("Pragma")),
         ("openid profile email https://graph.microsoft.com/User.Read", 4312,
          "no-store, no-cache", "no-cache"), "its values")
    header, payload, _ = parts(made["id_token"])
    keys = entra.plain.get("/contoso.com/discovery/v2.0/keys").json()["keys"]
    same(header, '{"typ":"JWT","alg":"RS256","kid":"%s"}' % keys[0]["kid"], "id_token header")
    ok(signed_by(keys[0], made["id_token"], hashes.SHA256), "id_token signature")
    claims, now = json.loads(payload), time.time()
    same(list(claims)[:5] + ["nonce"], ["aud", "iss", "iat", "nbf", "exp", "nonce"], "claims")
    same((claims["aud"], claims["iss"], claims["tid"], claims["ver"], claims["nonce"],
          claims["preferred_username"], claims["exp"] - claims["iat"]),
         (entra.apps["single"], "%s/%s/v2.0" % (entra.root, entra.contoso), entra.contoso, "2.0",
          "N", "adele@contoso.com", 3900), "claim values")
    ok(295 < now - claims["iat"] < 310, "iat is five minutes back")
    ok(len(claims["sub"]) == 43 and "groups" not in claims and "at_hash" not in claims, "others")
    graph_header, graph_payload, _ = parts(made["access_token"])
    ok(not signed_by(keys[0], made["access_token"], hashes.SHA256), "Graph's token fails plainly")
    changed = json.loads(graph_header)
    nonce = base64.urlsafe_b64encode(hashlib.sha256(changed["nonce"].encode()).digest())
    changed["nonce"] = nonce.decode().rstrip("=")
    _, payload64, signature64 = made["access_token"].split(".")
    ok(signed_by(keys[0], "%s.%s.%s" % (idp_jwt.b64u(idp_jwt.compact(changed).encode()), payload64,
                                        signature64), hashes.SHA256), "and not with the nonce hashed")
    graph_claims = json.loads(graph_payload)
    same((graph_claims["iss"], graph_claims["aud"], graph_claims["scp"]),
         ("https://sts.windows.net/%s/" % entra.contoso, "00000003-0000-0000-c000-000000000000",
          "User.Read email openid profile"), "Graph's token is of v1")
    made = entra.sign_in(version="")
    same((made["expires_in"], type(made["expires_on"]), made["resource"]),
         ("4312", str, "https://graph.microsoft.com"), "v1 answer")
    claims = claims_of(made["id_token"])
    same((claims["iss"], claims["ver"], claims["upn"], claims["amr"]),
         ("https://sts.windows.net/%s/" % entra.contoso, "1.0", "adele@contoso.com", ["pwd"]),
         "v1 id_token")
    claims = claims_of(entra.sign_in("bob", "groups")["id_token"])
    same((claims["acct"], claims["idp"], "upn" in claims, claims["tid"], claims["email"]),
         (1, "https://sts.windows.net/%s/" % entra.fabrikam, False, entra.contoso,
          "bob@partner.com"), "guest")
    same(claims_of(entra.sign_in("pete", "groups")["id_token"])["idp"], "live.com", "personal guest")
    claims = claims_of(entra.sign_in("bob", "multi", "common")["id_token"])
    same((claims["tid"], "idp" in claims), (entra.fabrikam, False), "at home by /common")
    made = entra.sign_in("pam", "all", "common")
    claims = claims_of(made["id_token"])
    same((claims["tid"], claims["oid"][:19], made["access_token"][:12], claims["sub"][:8]),
         (MSA, "00000000-0000-0000-", "EwB4A8l6BAAU", "AAAAAAAA"), "personal account")
    same(json.loads(parts(made["id_token"])[0])["kid"], next(
        k["kid"] for k in entra.look("keys") if k["issuer"] == MSA), "its key")
    for user, want in (("nogroups", None), ("many199", 199), ("many200", 200), ("many201", "over")):
        claims = claims_of(entra.sign_in(user, "groups")["id_token"])
        got = "over" if "_claim_names" in claims else claims.get("groups")
        same(len(got) if isinstance(got, list) else got, want, "groups of " + user)
    same(claims["_claim_sources"], {"src1": {"endpoint": "https://graph.windows.net/%s/users/%s/"
         "getMemberObjects" % (entra.contoso, claims["oid"])}}, "overage")
    given = answer_of(entra.authorize(client_id="groups", login_hint="six",
                                      response_type="id_token"))
    ok(claims_of(given["id_token"])["hasgroups"] is True, "hasgroups from /authorize")
    same(claims_of(entra.sign_in("adele")["id_token"])["roles"], ["Staff"], "app roles")
    entra.control("apps", name="single", group_claims="All", group_format="cloud_displayname")
    same(sorted(claims_of(entra.sign_in("adele")["id_token"])["groups"]),
         ["Course designers", "Everyone", "Staff"], "groups by name")


def test_token_errors(entra):
    def refused(status, error, number, name, **changes):
        reply = entra.token(**changes)
        body = reply.json()
        same((reply.status, body.get("error"), body.get("error_codes")), (status, error, [number]),
             name)
        return body

    body = refused(401, "invalid_client", 7000215, "wrong secret", code="x", client_secret="bad")
    same(list(body), ["error", "error_description", "error_codes", "timestamp", "trace_id",
                      "correlation_id", "error_uri"], "members of an error")
    ok(re.fullmatch(r"AADSTS7000215: Invalid client secret .*\r\nTrace ID: [0-9a-f-]{36}\r\n"
                    r"Correlation ID: [0-9a-f-]{36}\r\nTimestamp: [0-9-]{10} [0-9:]{8}Z",
                    body["error_description"]), "the description")
    refused(401, "invalid_client", 7000218, "no secret", code="x", client_secret=None)
    refused(401, "invalid_client", 700025, "public app with secret", client_id="public")
    refused(401, "invalid_client", 7000222, "expired secret", client_id="daemon",
            client_secret="old")
    refused(400, "unauthorized_client", 700016, "unknown app", client_id="nobody")
    refused(400, "unsupported_grant_type", 70003, "grant", grant_type="magic")
    refused(400, "invalid_request", 900144, "no grant", grant_type="")
    refused(400, "invalid_tenant", 90002, "tenant", tenant="nowhere.example")
    refused(400, "invalid_grant", 9002313, "unknown code", code="x")
    refused(400, "invalid_grant", 501481, "verifier missing", code=entra.code(), code_verifier=None)
    refused(400, "invalid_grant", 501481, "verifier wrong", code=entra.code(),
            code_verifier="w" * 43)
    refused(400, "invalid_grant", 50147, "verifier for nothing",
            code=entra.code(code_challenge=None, code_challenge_method=None))
    refused(400, "invalid_grant", 500112, "redirect URI", code=entra.code(),
            redirect_uri=CALLBACK + "2")
    refused(400, "invalid_request", 901002, "resource on v2", code="x", resource="y")
    refused(400, "invalid_grant", 700005, "code of another tenant",
            code=entra.code(client_id="multi", tenant="common"), client_id="multi")
    code = entra.code()
    same(entra.token(code=code).status, 200, "a code")
    refused(400, "invalid_grant", 54005, "once only", code=code)
    code = entra.code()
    entra.control("config", clock=601)
    refused(400, "invalid_grant", 70008, "ten minutes only", code=code)
    entra.control("config", clock=0)
    refused(400, "invalid_request", 9002326, "Origin with a secret", code="x",
            headers={"Origin": "http://x"})
    reply = entra.plain.get("/contoso.com/oauth2/v2.0/token")
    same((reply.status, reply.json()["error_codes"]), (400, [900561]), "GET")
    reply = entra.plain.post("/contoso.com/oauth2/v2.0/token", "{}",
                             headers={"Content-Type": "application/json"})
    same(reply.json()["error_codes"], [9002313], "another content type")
    entra.control("refuse", at="refresh", code=700082, suberror="token_expired")
    fresh = entra.sign_in()["refresh_token"]
    body = refused(400, "invalid_grant", 700082, "an error asked for", grant_type="refresh_token",
                   refresh_token=fresh)
    same(body["suberror"], "token_expired", "its suberror")
    entra.control("refuse", code=90055, error="temporarily_unavailable", status=429,
                  headers={"Retry-After": "9"}, text="évil\r\n<b>")
    reply = entra.token(code="x")
    same((reply.status, reply.head("Retry-After")), (429, "9"), "throttled")
    ok(reply.json()["error_description"].startswith("AADSTS90055: évil\r\n<b>"), "text asked for")


def test_refresh(entra):
    made = entra.sign_in()
    first = made["refresh_token"]

    def refresh(token=first, **more):
        return entra.token(grant_type="refresh_token", refresh_token=token, **more)

    second = refresh().json()
    ok(second["refresh_token"] != first, "a new refresh token")
    ok("nonce" not in claims_of(second["id_token"]), "no nonce in the id_token of a refresh")
    same(refresh().status, 200, "the old one still serves")
    ok("refresh_token" not in entra.sign_in(scope="openid profile User.Read"),
       "none without offline_access")
    ok("id_token" not in refresh(scope="https://graph.microsoft.com/User.Read").json(),
       "no id_token without openid")
    api = refresh(scope="api://%s/access_as_user" % entra.apps["single"]).json()
    same(claims_of(api["access_token"])["aud"], "api://" + entra.apps["single"], "another resource")
    same(entra.token(grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", scope="User.Read",
                     assertion=api["access_token"], requested_token_use="on_behalf_of").status,
         200, "on behalf of")
    for setting, want in (("none", False), ("strict", True)):
        entra.control("config", rotation=setting)
        same("refresh_token" in refresh().json(), want, "rotation " + setting)
    same(refresh().json()["error_codes"], [9002313], "strict: once only")
    entra.control("config", rotation="rolling")
    for how, code in ((lambda: entra.control("revoke", user="adele"), 50173),
                      (lambda: entra.control("users", name="adele", enabled=False), 50057)):
        how()
        same(refresh(second["refresh_token"]).json()["error_codes"], [code], "refresh %d" % code)
    entra.control("users", name="adele", enabled=True, mfa_required=True)
    made = entra.sign_in()
    same(refresh(made["refresh_token"]).status, 200, "with the second factor")
    entra.control("users", name="adele", mfa_required=False, challenge=True)
    body = refresh(made["refresh_token"]).json()
    same((body["error"], body["suberror"], list(body)[-1]),
         ("interaction_required", "basic_action", "claims"), "claims challenge")
    same(refresh(made["refresh_token"], claims=body["claims"]).status, 200, "answered")
    same(entra.token(code=entra.code(claims=body["claims"])).status, 200, "answered at authorize")
    entra.control("users", name="adele", challenge_endless=True)
    same(entra.token(code=entra.code(claims=body["claims"])).json()["error"],
         "interaction_required", "a challenge that does not end")
    entra.control("users", name="adele", challenge=None)
    made = entra.sign_in()
    entra.control("config", clock=91 * 86400)
    same(refresh(made["refresh_token"]).json()["suberror"], "token_expired", "90 days")


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


def test_client_auth(entra):
    def by(text, client_id="cert"):
        return entra.token(client_id=client_id, client_secret=None, client_assertion=text,
                           client_assertion_type="urn:ietf:params:oauth:client-assertion-type:"
                           "jwt-bearer", code=entra.code(client_id=client_id))

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


def main():
    entra = Entra()
    for test in (test_discovery, test_authorize, test_token, test_token_errors, test_refresh,
                 test_client_auth) + entra_selftest_graph.TESTS:
        entra.control("reset")
        test(entra)
        same(entra.look("notes"), [], "%s: no exception inside" % test.__name__)
    same(entra.end(), 0, "ends with its standard input")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
