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
import tempfile
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import entra_selftest_client    # noqa: E402
import entra_selftest_graph     # noqa: E402
import entra_selftest_token     # noqa: E402
import idp_jwt                  # noqa: E402
from entra_selftest_base import CALLBACK, MSA, Entra, answer_of, claims_of     # noqa: E402
from idp_selftest import HERE, Client, finish, ok, same, unb64     # noqa: E402


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
    entra.control("config", discovery_omit=["kerberos_endpoint"], discovery_add={"x": 1},
                  issuer="https://{tenantid}.ciam.test/{tenantid}/v2.0")
    made = entra.plain.get("/contoso.com/v2.0/.well-known/openid-configuration").json()
    same((made["x"], "kerberos_endpoint" in made, made["issuer"]),
         (1, False, "https://%s.ciam.test/%s/v2.0" % (tid, tid)), "settings of the document")


def test_keys(entra):
    root = entra.root
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


def test_authorize_errors(entra):
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


def test_consent(entra):
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
    hybrid = answer_of(entra.authorize(client_id="all", tenant="common",
                                       response_type="code id_token"))
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


def tls():
    key, _, pem = entra_selftest_client.certificate()
    started = []

    def start(*more):
        command = ["/usr/bin/python3", HERE + "/entra.py", "--until-eof", *more]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True))
        return started[0].stdout.readline().split()

    with tempfile.TemporaryDirectory() as folder:
        entra_selftest_graph.test_tls(start, idp_jwt.private_pem(key), pem, folder)
        started[0].stdin.close()
        same(started[0].wait(60), 0, "ends")


def main():
    entra = Entra()
    for test in (test_discovery, test_keys, test_authorize, test_authorize_errors, test_consent,
                 *entra_selftest_token.TESTS, *entra_selftest_client.TESTS,
                 *entra_selftest_graph.TESTS):
        entra.control("reset")
        test(entra)
        same(entra.look("notes"), [], "%s: no exception inside" % test.__name__)
    same(entra.end(), 0, "ends with its standard input")
    tls()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
