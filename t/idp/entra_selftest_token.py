# SPDX-License-Identifier: Apache-2.0
"""A part of entra_selftest.py: what the token endpoint says, its errors, refreshing."""

import base64
import hashlib
import json
import re
import time

import idp_jwt
from cryptography.hazmat.primitives import hashes
from entra_selftest_base import CALLBACK, MSA, answer_of, claims_of
from idp_selftest import ok, parts, same, signed_by


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
                                        signature64), hashes.SHA256), "but with the nonce hashed")
    graph_claims = json.loads(graph_payload)
    same((graph_claims["iss"], graph_claims["aud"], graph_claims["scp"]),
         ("https://sts.windows.net/%s/" % entra.contoso, "00000003-0000-0000-c000-000000000000",
          "User.Read email openid profile"), "Graph's token is of v1")


def test_v1_and_guests(entra):
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
    same(claims_of(entra.sign_in("pete", "groups")["id_token"])["idp"], "live.com",
         "personal guest")
    claims = claims_of(entra.sign_in("bob", "multi", "common")["id_token"])
    same((claims["tid"], "idp" in claims), (entra.fabrikam, False), "at home by /common")
    made = entra.sign_in("pam", "all", "common")
    claims = claims_of(made["id_token"])
    same((claims["tid"], claims["oid"][:19], made["access_token"][:12], claims["sub"][:8]),
         (MSA, "00000000-0000-0000-", "EwB4A8l6BAAU", "AAAAAAAA"), "personal account")
    same(json.loads(parts(made["id_token"])[0])["kid"], next(
        k["kid"] for k in entra.look("keys") if k["issuer"] == MSA), "its key")


def test_groups_claim(entra):
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
    _test_codes(entra, refused)
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


def _test_codes(entra, refused):
    code = entra.code()
    same(entra.token(code=code).status, 200, "a code")
    refused(400, "invalid_grant", 54005, "once only", code=code)
    code = entra.code()
    entra.control("config", clock=601)
    refused(400, "invalid_grant", 70008, "ten minutes only", code=code)
    entra.control("config", clock=0)
    refused(400, "invalid_request", 9002326, "Origin with a secret", code="x",
            headers={"Origin": "http://x"})


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


TESTS = (test_token, test_v1_and_guests, test_groups_claim, test_token_errors, test_refresh)
