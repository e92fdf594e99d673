# SPDX-License-Identifier: Apache-2.0
"""The second half of entra_selftest.py: Graph, sign-out, token faults, keys, control API, TLS."""

import base64
import http.server
import json
import ssl
import threading
import time
import urllib.parse
import urllib.request

from cryptography.hazmat.primitives import hashes
from idp_selftest import Client, ok, parts, same, signed_by

ALL = "openid profile email User.Read GroupMember.Read.All"


def _asker(entra, user="adele", scope=ALL, client_id="single", tenant="contoso.com"):
    token = entra.sign_in(user, client_id, tenant, scope=scope)["access_token"]

    def ask(path, body=None, **head):
        head["Authorization"] = "Bearer " + token
        return entra.graph.ask("GET" if body is None else "POST", path, body, head)

    return ask


def test_graph_me(entra):
    ask, root = _asker(entra), entra.graph_root
    reply = ask("/v1.0/me", **{"client-request-id": "abc"})
    made = reply.json()
    same(list(made), ["@odata.context", "businessPhones", "displayName", "givenName", "jobTitle",
                      "mail", "mobilePhone", "officeLocation", "preferredLanguage", "surname",
                      "userPrincipalName", "id"], "/me")
    same((made["@odata.context"], made["mobilePhone"], made["businessPhones"]),
         (root + "/v1.0/$metadata#users/$entity", None, ["+1 425 555 0109"]), "its values")
    same((reply.head("client-request-id"), reply.head("Transfer-Encoding"),
          reply.head("request-id") is None), ("abc", "chunked", False), "its headers")
    made = ask("/v1.0/me?$select=displayName,department,nothing").json()
    same(made, {"@odata.context": root + "/v1.0/$metadata#users(displayName,department,nothing)"
                "/$entity", "displayName": "Adele Vance", "department": "Retail"}, "$select")
    reply = ask("/v1.0/me/photo/$value")
    same((reply.head("Content-Type"), reply.body[:2]), ("image/jpeg", b"\xff\xd8"), "photo")
    same(ask("/v1.0/me/photos/48x48/$value").status, 200, "photo by size")
    made = ask("/v1.0/me/photo").json()
    same((made["id"], made["@odata.mediaContentType"]), ("240x240", "image/jpeg"), "photo metadata")
    reply = _asker(entra, "alex")("/v1.0/me/photo/$value")
    same((reply.status, list(reply.json()["error"])), (404, ["code", "message", "innerError"]),
         "no photo")
    entra.control("users", name="alex",
                  photo={"b64": "PHN2Zz4=", "type": "image/svg+xml", "size": 1})
    same(_asker(entra, "alex")("/v1.0/me/photo/$value").body, b"<svg>", "another photo")
    same(ask("/oidc/userinfo").json(), {
        "sub": ask("/oidc/userinfo", "").json()["sub"], "name": "Adele Vance",
        "family_name": "Vance", "given_name": "Adele",
        "picture": root + "/v1.0/me/photo/$value", "email": "adele@contoso.com"}, "userinfo")
    made = entra.sign_in()
    reply = entra.graph.get("/oidc/userinfo",
                            headers={"Authorization": "Bearer " + made["access_token"]})
    same(reply.json()["sub"], json.loads(parts(made["id_token"])[1])["sub"], "same sub")
    pam = _asker(entra, "pam", client_id="all", tenant="common")
    same(list(pam("/oidc/userinfo").json()), ["sub"], "userinfo of a personal account")
    same((pam("/v1.0/me").status, pam("/v1.0/me/memberOf").status), (200, 403), "its Graph")
    made = ask("/v1.0/organization?$select=id,displayName,verifiedDomains").json()["value"][0]
    same((made["id"], made["verifiedDomains"][1]["name"]), (entra.contoso, "contoso.com"),
         "organization")
    mine = ask("/v1.0/me").json()["id"]
    same([ask("/v1.0/users/" + who).status for who in (mine, "adele@contoso.com",
                                                       "alex@contoso.com", "nobody@contoso.com")],
         [200, 200, 403, 404], "users by id and UPN")
    entra.control("config", graph_chunked=False, userinfo_add={"sub": "other"})
    same((ask("/oidc/userinfo").json()["sub"], ask("/v1.0/me").head("Content-Length") is None),
         ("other", False), "settings")


def test_graph_groups(entra):
    ask = _asker(entra, "many250")
    made = ask("/v1.0/me/transitiveMemberOf/microsoft.graph.group?$select=id,displayName&$top=100"
               "&$count=true", ConsistencyLevel="eventual").json()
    same((list(made), made["@odata.count"], len(made["value"]), made["value"][0]["displayName"]),
         (["@odata.context", "@odata.count", "@odata.nextLink", "value"], 250, 100, "bulk-0001"),
         "first page")
    ok(made["@odata.nextLink"].startswith(entra.graph_root + "/v1.0/me/transitiveMemberOf/"
       "microsoft.graph.group?$select=id,displayName&$top=100&$count=true&$skiptoken="), "nextLink",
       made["@odata.nextLink"])
    same(_pages(ask, "/v1.0/me/memberOf?$select=id"), [100, 100, 50], "pages")
    same(_pages(ask, "/v1.0/me/memberOf?$top=999"), [250], "$top")
    entra.control("config", next_link="empty")
    same(_pages(ask, "/v1.0/me/memberOf"), [100, 0, 100, 0, 50], "empty pages")
    for mode, start in (("foreign", "http://127.0.0.1:9/evil/v1.0/me"), ("relative", "/v1.0/me"),
                        ("other-port", entra.root + "/v1.0/me")):
        entra.control("config", next_link=mode)
        ok(ask("/v1.0/me/memberOf").json()["@odata.nextLink"].startswith(start), "link " + mode)
    entra.control("config", next_link="loop")
    link = ask("/v1.0/me/memberOf").json()["@odata.nextLink"]
    same(ask(link[len(entra.graph_root):]).json()["@odata.nextLink"], link, "link loop")
    entra.control("config", next_link="expired")
    link = ask("/v1.0/me/memberOf").json()["@odata.nextLink"]
    same(ask(link[len(entra.graph_root):]).status, 400, "link expired")
    ask = _asker(entra)
    entra.control("users", name="adele", groups=["staff", "mailing", "admins", "unit"])
    made = ask("/v1.0/me/memberOf").json()
    same([row["@odata.type"][17:] for row in made["value"]],
         ["group", "group", "directoryRole", "administrativeUnit"], "mixed types")
    made = ask("/v1.0/me/transitiveMemberOf/microsoft.graph.group").json()
    same([row["displayName"] for row in made["value"]], ["Staff", "Mailing list", "Everyone"],
         "transitive")
    made = ask("/v1.0/me/getMemberGroups", '{"securityEnabledOnly":true}').json()
    same(len(made["value"]), 2, "getMemberGroups")
    everyone = made["value"][1]
    same(len(ask("/v1.0/me/getMemberObjects", '{}').json()["value"]), 5, "getMemberObjects")
    made = ask("/v1.0/me/checkMemberGroups", json.dumps({"groupIds": [everyone, "x"]})).json()
    same(made["value"], [everyone], "checkMemberGroups")
    for title, ask in (("scope missing", _asker(entra, scope="openid User.Read")),
                       ("not granted", _asker(entra, client_id="limited"))):
        row = ask("/v1.0/me/memberOf").json()["value"][0]
        same((row["id"] is None, row["displayName"]), (False, None), "nulls: " + title)
        same(ask("/v1.0/me/getMemberGroups", "{}").status, 403, "403: " + title)
    same(_asker(entra, scope="openid")("/v1.0/me").status, 403, "User.Read missing")


def _pages(ask, path):
    sizes = []
    while path and len(sizes) < 20:
        made = ask(path).json()
        sizes.append(len(made["value"]))
        path = made.get("@odata.nextLink", "").partition("/v1.0")[2]
        path = "/v1.0" + path if path else None
    return sizes


def test_graph_refused(entra):
    def plainly(token):
        reply = entra.graph.get("/v1.0/me", headers={"Authorization": "Bearer " + token})
        return reply.status, reply.json()["error"]["code"], reply.json()["error"]["message"]

    same(entra.graph.get("/v1.0/me").status, 401, "no token")
    same(plainly("a.b.c")[:2], (401, "InvalidAuthenticationToken"), "bad token")
    scope = "openid offline_access api://%s/access_as_user" % entra.apps["single"]
    same(plainly(entra.sign_in(scope=scope)["access_token"])[2],
         "Access token validation failure. Invalid audience.", "another audience")
    made = entra.sign_in()
    entra.control("config", clock=5000)
    same(plainly(made["access_token"])[2],
         "Lifetime validation failed, the token is expired.", "expired")
    entra.control("config", clock=0)
    entra.control("graph", endpoint="/v1.0/me", status=429, retry_after=7, count=2)
    ask = _asker(entra)
    replies = [ask("/v1.0/me") for _ in range(3)]
    same([(r.status, r.head("Retry-After")) for r in replies],
         [(429, "7"), (429, "7"), (200, None)], "throttled twice")
    same(replies[0].json()["error"]["code"], "TooManyRequests", "its code")
    entra.control("cae", user="adele")
    head = ask("/v1.0/me").head("WWW-Authenticate")
    ok('error="insufficient_claims"' in head and "authorization_uri=https" in head, "challenge")
    claims = base64.b64decode(head.partition('claims="')[2].partition('"')[0])
    ok("nbf" in json.loads(claims)["access_token"], "its claims")
    same(_asker(entra)("/v1.0/me").status, 200, "a later token")
    entra.control("answer", endpoint="/v1.0/me/photo/$value", preset="gzip")
    same(ask("/v1.0/me/photo/$value").head("Content-Encoding"), "gzip", "wire gzip at Graph")
    entra.control("answer", endpoint="/*/oauth2/v2.0/token", preset="html-502")
    same(entra.token(code="x").status, 502, "a pattern names an endpoint of any tenant")
    entra.control("answer", endpoint="*", preset="chunked")
    same(entra.plain.get("/common/discovery/keys").head("Transfer-Encoding"), "chunked", "chunked")


class _App(http.server.BaseHTTPRequestHandler):
    seen = []

    def do_GET(self):
        self.seen.append((self.path, self.headers.get("Cookie")))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_logout(entra):
    app = http.server.HTTPServer(("127.0.0.1", 0), _App)
    threading.Thread(target=app.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d/edxsso/entra/frontchannel" % app.server_port
    entra.control("apps", name="single", logout_url=url)
    browser = Client(entra.root)
    target = urllib.parse.urlsplit(entra.authorize(browser).head("Location"))
    sid = dict(urllib.parse.parse_qsl(target.query))["session_state"]
    called = entra.look("frontchannel?sid=" + sid)
    same([(c["url"], c["status"]) for c in called], [(url + "?sid=" + sid, 200)], "front channel")
    same(_App.seen, [("/edxsso/entra/frontchannel?sid=" + sid, None)], "sid only, no cookie")
    same(entra.control("frontchannel", url=url, sid="x")[0]["status"], 200, "any URL")
    back = "http://127.0.0.1:8080/edxsso/callback/entra"
    path = "/contoso.com/oauth2/v2.0/logout?" + urllib.parse.urlencode(
        {"post_logout_redirect_uri": back, "state": "S"})
    reply = browser.get(path)
    ok('<iframe src="%s?sid=%s"' % (url, sid) in reply.text, "hidden frames", reply.text)
    ok('url=%s?state=S"' % back in reply.text, "and then back")
    same((browser.cookies, entra.look("state")["sessions"]), ({}, []), "the session is gone")
    same(browser.get(path).head("Location"), back + "?state=S", "nobody signed in: at once")
    reply = browser.get(path.replace("edxsso%2Fcallback", "evil"))
    same((reply.status, reply.head("Location")), (200, None), "unregistered: a page")
    app.shutdown()


def test_faults(entra):
    tid = entra.contoso
    keys = entra.plain.get("/contoso.com/discovery/v2.0/keys").json()["keys"]
    by_issuer = {key["issuer"]: key for key in keys}

    def minted(fault, **more):
        return entra.control("mint", fault={"name": fault}, **more)["id_token"]

    def claims(fault):
        return json.loads(parts(minted(fault))[1])

    foreign = by_issuer["%s/%s/v2.0" % (entra.root, entra.fabrikam)]
    token = minted("key-other-tenant")
    ok(signed_by(foreign, token, hashes.SHA256) and
       json.loads(parts(token)[0])["kid"] == foreign["kid"], "key of another tenant")
    same(claims("iss-other-tenant")["iss"], "%s/%s/v2.0" % (entra.root, entra.fabrikam), "issuer")
    ok(signed_by(keys[0], minted("iss-other-tenant"), hashes.SHA256), "rightly signed")
    same(claims("iss-template")["iss"], entra.root + "/{tenantid}/v2.0", "template as issuer")
    ok("tid" not in claims("tid-missing"), "tid missing")
    ok('"tid":"%s"' % tid in parts(minted("tid-duplicate"))[1] and
       '"TID":"%s"' % entra.fabrikam in parts(minted("tid-duplicate"))[1], "tid twice")
    same(parts(minted("alg-none"))[2], b"", "alg none")
    same(json.loads(parts(minted("hs256-public-pem"))[0])["alg"], "HS256", "HS256 by public key")
    ok(not signed_by(keys[0], minted("foreign-key"), hashes.SHA256), "foreign key")
    same((len(claims("groups-1500")["groups"]), "_claim_sources" in claims("overage"),
          claims("hasgroups-string")["hasgroups"]), (1500, True, "true"), "groups")
    same((claims("v1-token")["ver"], claims("v1-token")["iss"]),
         ("1.0", "https://sts.windows.net/%s/" % tid), "v1 token")
    same(claims("guest")["idp"], "https://sts.windows.net/%s/" % entra.fabrikam, "guest")
    for name in entra.look("faults"):
        entra.control("mint", fault={"name": name})
    ok(True, "every fault can be made")
    entra.control("fault", name="no-refresh-token", grant="refresh_token")
    made = entra.sign_in()
    ok("refresh_token" in made and "refresh_token" not in entra.token(
        grant_type="refresh_token", refresh_token=made["refresh_token"]).json(), "by grant")
    for name, test in (("expires-string", '"expires_in":"3599"'), ("bom", "\ufeff{"),
                       ("answer-duplicate", '"id_token":"evil"'), ("nonce-wrong", "")):
        entra.control("fault", name=name)
        ok(test in entra.token(code=entra.code()).text, "fault " + name)
    entra.control("fault", name="opaque")
    ok("." not in entra.sign_in()["access_token"], "opaque access token")
    entra.control("config", code_length=8192)
    same(len(entra.code()), 8192, "long code")
    kids = {key["kid"] for key in keys}
    entra.control("rotate", published=False)
    kid = json.loads(parts(entra.sign_in()["id_token"])[0])["kid"]
    ok(kid not in kids and kid not in entra.plain.get("/contoso.com/discovery/keys").text,
       "signed with a key not yet published")
    entra.control("keys", index=0, published=True)
    ok(kid in entra.plain.get("/contoso.com/discovery/keys").text, "published")


def test_control(entra):
    entra.control("users", name="new", displayName="Ne W", groups=["own"])
    entra.control("groups", key="own", displayName="Own group")
    entra.control("apps", name="fresh", secrets=["x"], group_claims="All",
                  redirect_uris=["http://127.0.0.1:8080/edxsso/callback/entra"])
    entra.apps = entra.look("state")["apps"]
    made = entra.token(code=entra.code(client_id="fresh", login_hint="new"), client_id="fresh",
                       client_secret="x").json()
    same(len(json.loads(parts(made["id_token"])[1])["groups"]), 1, "own app, user and group")
    entra.control("user", default="zoe")
    made = entra.token(code=entra.code(login_hint=None)).json()
    same(json.loads(parts(made["id_token"])[1])["name"], "Zoë Müller-Şahin 李", "default user")
    record = entra.look("requests?endpoint=/*/oauth2/v2.0/token")
    same((record["count"], record["requests"][-1]["root"], record["requests"][-1]["client_auth"]),
         (2, "authority", "client_secret_post"), "record by pattern")
    for path, given in (("config", {"nonsense": 1}), ("fault", {"name": "nonsense"}),
                        ("apps", {"name": "single", "nonsense": 1})):
        same(entra.plain.post("/_ctl/" + path, json.dumps(given)).status, 400, "bad " + path)
    entra.control("end", what=["sessions", "codes", "access", "refresh"])
    state = entra.look("state")
    same((state["codes"], state["sessions"]), (0, []), "ended")
    entra.control("reset")
    ok("fresh" not in entra.look("state")["apps"], "reset")
    before = time.monotonic()
    entra.control("answer", endpoint="/common/discovery/keys", delay=0.2)
    entra.plain.get("/common/discovery/keys")
    ok(time.monotonic() - before > 0.2, "delay")


TESTS = (test_graph_me, test_graph_groups, test_graph_refused, test_logout, test_faults,
         test_control)


def test_tls(start, key, der_pem, folder):
    """A stand-in of its own that speaks TLS, with names of its own in documents."""
    for name, text in (("key.pem", key), ("cert.pem", der_pem)):
        with open("%s/%s" % (folder, name), "w", encoding="ascii") as file:
            file.write(text)
    entra = start("--cert", folder + "/cert.pem", "--key", folder + "/key.pem",
                  "--authority", "https://login.test", "--graph", "https://graph.test")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl._create_unverified_context()))
    url = entra[2] + "/common/v2.0/.well-known/openid-configuration"
    made = json.load(opener.open(url, timeout=10))
    same((entra[2][:8], made["issuer"], made["msgraph_host"]),
         ("https://", "https://login.test/{tenantid}/v2.0", "graph.test"), "TLS and other names")
