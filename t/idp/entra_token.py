# SPDX-License-Identifier: Apache-2.0
"""The token endpoint of the Entra stand-in, v1 and v2: the grants and their answers."""

import functools
import hashlib
import hmac
import json
import time

import entra_claims
import entra_client
import entra_data
import entra_state
import idp_forge
import idp_jwt
from entra_claims import OIDC
from entra_data import GRAPH, GRAPH_ID, MSA
from entra_error import Page, Refused, json_error
from entra_metadata import known_tenant
from idp_http import Answer

_HEADERS = [("Cache-Control", "no-store, no-cache"), ("Pragma", "no-cache"),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")]
_POLICY = "9ab03e19-ed42-4168-b6b7-7001fb3e933a"
CHALLENGE = {"access_token": {"polids": {"essential": True, "values": [_POLICY]}}}
OBO = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def routes(entra):
    step = functools.partial
    return [
        ("GET POST PUT DELETE", r"/([^/]+)/oauth2/v2\.0/token", step(token_endpoint, entra, 2)),
        ("GET POST PUT DELETE", r"/([^/]+)/oauth2/token", step(token_endpoint, entra, 1)),
    ]


def token_endpoint(entra, version, request):
    try:
        if request.method != "POST":
            raise Refused(900561, request.method)
        kind = (request.headers.get("Content-Type") or "").split(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise Refused(9002313)
        with entra.lock:
            tid = known_tenant(entra, request.match.group(1))
            grant = request.field("grant_type")
            if not grant:
                raise Refused(900144, "grant_type")
            if grant not in _GRANTS:
                raise Refused(70003, grant)
            if version == 2 and request.field("resource"):
                raise Refused(901002)
            app = entra_client.authenticate(entra, request, tid)
            refuse(entra, (grant, "token"), Refused)
            answer = _GRANTS[grant](entra, request, app, tid, version)
            fault = entra.token_faults.take("id", grant)
            text = _answer_text(entra, answer, grant, version, fault)
    except Refused as problem:
        return json_error(entra, problem, request)
    return Answer(200, _HEADERS + [("x-ms-request-id", entra_state.new_guid())], text)


def refuse(entra, places, kind):
    """Raises the error that a test asked for at one of these places (POST /_ctl/refuse)."""
    for wanted in entra.refusals:
        if wanted["at"] not in places:
            continue
        if wanted.get("skip", 0) > 0:
            wanted["skip"] -= 1
            continue
        if wanted.get("count", 1) == 1:
            entra.refusals.remove(wanted)
        elif wanted.get("count", 1) > 1:
            wanted["count"] -= 1
        more = {k: v for k, v in wanted.items() if k not in ("at", "count", "skip", "code")}
        if "headers" in more:
            more["headers"] = list(more["headers"].items())
        raise (Page if more.pop("page", False) else kind)(wanted["code"], **more)


def _answer_text(entra, answer, grant, version, fault):
    made = {"token_type": "Bearer"}
    life = entra.settings["access_life"]
    if grant != "client_credentials":
        made["scope"] = _scope_text(answer["resource"], answer["scopes"], version)
    made.update({"expires_in": life, "ext_expires_in": life})
    if life >= 7200:
        made["refresh_in"] = life // 2
    if version == 1:
        now = int(entra.now())
        made.update({"expires_in": str(life), "ext_expires_in": str(life),
                     "expires_on": str(now + life),
                     "not_before": str(now - entra.settings["back_date"]),
                     "resource": GRAPH if answer["resource"] == "graph" else answer["resource"]})
    made["access_token"] = entra_claims.access_token(
        entra, answer["grant"], answer["resource"], answer["scopes"],
        entra.token_faults.take("access", grant))
    if answer.get("refresh"):
        made["refresh_token"] = answer["refresh"]
    if "openid" in answer["grant"]["scopes"] and "user" in answer["grant"]:
        made["id_token"] = entra_claims.id_token(entra, answer["grant"], fault)
    if answer["grant"].get("client_info"):
        made["client_info"] = client_info(entra, answer["grant"])
    return idp_forge.answer_text(made, fault)


def client_info(entra, grant):
    user = entra.users[grant["user"]]
    return idp_jwt.b64u(idp_jwt.compact({"uid": user["oid"], "utid": user["tid"]}).encode())


def _scope_text(resource, scopes, version):
    base = GRAPH if resource == "graph" else resource
    return " ".join([s for s in scopes if s in OIDC and s != "offline_access"] +
                    [s if version == 1 else "%s/%s" % (base, s) for s in scopes
                     if s not in OIDC])


def scopes_for(entra, app, wanted):
    """(resource, scopes of it and of OIDC) of the first resource named; Graph if none is."""
    rows = [entra_claims.resource_of(entra, scope) for scope in wanted]
    resources = list(dict.fromkeys(r for r, _ in rows if r is not None)) or ["graph"]
    resource = resources[0]
    if resource != "graph" and resource not in own_resources(app):
        raise Refused(500011, resource)
    if len(resources) > 1 and sum(short == ".default" for _, short in rows) > 1:
        raise Refused(700022)
    short = [s for r, s in rows if r in (None, resource)]
    if ".default" in short:
        if any(s not in OIDC and s != ".default" for s in short):
            raise Refused(70011, ".default")
        short = [s for s in short if s in OIDC] + (
            ["User.Read", "GroupMember.Read.All"] if resource == "graph" else ["access_as_user"])
    for name in short:
        if resource == "graph" and name not in OIDC and name not in GRAPH_SCOPES:
            raise Refused(650053, name)
    return resource, [s for s in short if s not in app["withheld"]]


GRAPH_SCOPES = ("User.Read", "User.Read.All", "User.ReadBasic.All", "GroupMember.Read.All",
                "Group.Read.All", "Directory.Read.All", "User.RevokeSessions.All",
                "Organization.Read.All", "ProfilePhoto.Read.All")


def own_resources(app):
    return (app["client_id"], "api://" + app["client_id"])


def _finish(entra, request, grant, version, wanted, old_refresh=None):
    """Challenge, resource and tokens of a person's grant."""
    user = entra.users[grant["user"]]
    _challenge(request, user, grant)
    resource, scopes = scopes_for(entra, entra.apps[grant["client_id"]], wanted)
    if version == 1 and request.field("resource"):
        named = request.field("resource").rstrip("/")
        resource = "graph" if named in (GRAPH, GRAPH_ID, entra.graph()) else named
        if resource != "graph" and resource not in own_resources(entra.apps[grant["client_id"]]):
            raise Refused(500011, resource)
    grant = dict(grant, version=version if old_refresh else grant["version"],
                 client_info=grant.get("client_info") or request.field("client_info") == "1")
    answer = {"grant": grant, "resource": resource, "scopes": scopes}
    if "offline_access" in grant["scopes"] or version == 1:
        answer["refresh"] = _next_refresh(entra, grant, old_refresh)
    return answer


def _next_refresh(entra, grant, old):
    mode = entra.settings["rotation"]
    if old is not None and mode == "none":
        return None
    if old is not None and mode == "strict":
        entra.refresh.pop(old, None)
    keep = {k: v for k, v in grant.items() if k not in ("nonce", "client_info")}
    return entra.new_refresh(keep)


def _challenge(request, user, grant):
    """The claims challenge of a user, until the request answers it."""
    if user["mfa_required"] and not grant["mfa"]:
        raise Refused(50076, entra_data.GRAPH_ID, error="invalid_grant",
                      suberror="basic_action", claims=idp_jwt.compact(CHALLENGE))
    wanted = user["challenge"]
    if wanted is None:
        return
    wanted = CHALLENGE if wanted is True else wanted
    given = grant.get("claims") or request.field("claims")
    if user["challenge_endless"] or not _answers(given, wanted):
        raise Refused(50079, suberror="basic_action", claims=idp_jwt.compact(wanted))


def _answers(given, wanted):
    """Whether the claims parameter holds what the challenge asks for."""
    try:
        given = json.loads(given or "")
    except ValueError:
        return False
    return isinstance(given, dict) and all(
        isinstance(given.get(part), dict) and
        all(given[part].get(name) == value for name, value in members.items())
        for part, members in wanted.items())


def _alive(user):
    if user is None or not user["enabled"]:
        raise Refused(50057)


def _by_code(entra, request, app, tid, version):
    text = request.field("code")
    if not text:
        raise Refused(900144, "code")
    code = entra.codes.get(text)
    if code is None or code["client_id"] != app["client_id"]:
        raise Refused(9002313)
    if code["used"]:
        raise Refused(54005)
    if code["until"] <= entra.now():
        raise Refused(70008)
    if code["segment"] != tid:
        raise Refused(700005)
    if request.field("redirect_uri") is None:
        raise Refused(900144, "redirect_uri")
    if request.field("redirect_uri") != code["redirect_uri"]:
        raise Refused(500112)
    _check_verifier(code, request.field("code_verifier"))
    refuse(entra, ("code",), Refused)
    code["used"] = True
    _alive(entra.users.get(code["user"]))
    wanted = (request.field("scope") or "").split() or code["wanted"]
    return _finish(entra, request, code, version, wanted)


def _check_verifier(code, verifier):
    if code["challenge"] is None:
        if verifier:
            raise Refused(50147)
        return
    proof = verifier or ""
    if code["method"] == "S256":
        proof = idp_jwt.b64u(hashlib.sha256(proof.encode()).digest())
    if not verifier or not 43 <= len(verifier) <= 128 or \
            not hmac.compare_digest(proof.encode(), code["challenge"].encode()):
        raise Refused(501481)


def _by_refresh(entra, request, app, tid, version):
    text = request.field("refresh_token")
    if not text:
        raise Refused(900144, "refresh_token")
    known = entra.refresh.get(text)
    if known is None or known["client_id"] != app["client_id"]:
        raise Refused(9002313)
    user = entra.users.get(known["user"])
    _alive(user)
    if known["issued"] <= user["revoked_before"]:
        raise Refused(50173, suberror="bad_token")
    if known["until"] <= entra.now():
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(known["issued"])) + ".0000000Z"
        raise Refused(700084 if known.get("spa") else 700082, stamp, suberror="token_expired")
    refuse(entra, ("refresh",), Refused)
    home = tid if tid in entra.tenants else known["tid"]
    if entra.account(user, home) is None:
        raise Refused(50020, user["upn"], error="invalid_grant")
    wanted = (request.field("scope") or "").split() or known["wanted"]
    grant = dict(known, tid=home, nonce=None, claims=request.field("claims"))
    if request.field("scope"):
        grant["scopes"] = sorted(set(wanted) & set(OIDC) |
                                 set(known["scopes"]) & {"offline_access"})
    return _finish(entra, request, grant, version, wanted, text)


def _by_credentials(entra, request, app, tid, version):
    if tid not in entra.tenants or tid == MSA:
        raise Refused(9001023)
    wanted = (request.field("scope") or "").split()
    if version == 1:
        if not request.field("resource"):
            raise Refused(900144, "resource")
        wanted = [request.field("resource").rstrip("/") + "/.default"]
    if len(wanted) != 1 or not wanted[0].endswith("/.default"):
        raise Refused(70011, request.field("scope"))
    resource, _ = scopes_for(entra, app, wanted)
    if app["public"]:
        raise Refused(7000218)
    grant = {"client_id": app["client_id"], "tid": tid, "scopes": []}
    return {"grant": grant, "resource": resource, "scopes": list(app["app_roles"])}


def _on_behalf(entra, request, app, tid, version):
    text = request.field("assertion")
    if request.field("requested_token_use") != "on_behalf_of" or not text:
        raise Refused(900144, "requested_token_use" if text else "assertion")
    known = entra.access.get(text)
    if known is None or known["resource"] not in own_resources(app):
        raise Refused(50013)
    if known["until"] <= entra.now():
        raise Refused(500133)
    if known["user"] is None:
        raise Refused(7000114)
    _alive(entra.users.get(known["user"]))
    wanted = (request.field("scope") or "").split() or ["User.Read"]
    grant = {"client_id": app["client_id"], "user": known["user"], "tid": known["tid"],
             "scopes": [s for s in wanted if s in OIDC], "wanted": wanted, "version": version,
             "sid": entra_state.new_guid(), "mfa": False, "auth_time": int(entra.now())}
    return _finish(entra, request, grant, 2, wanted)


def _no_password(_entra, _request, _app, _tid, _version):
    raise Refused(50126)


_GRANTS = {"authorization_code": _by_code, "refresh_token": _by_refresh,
           "client_credentials": _by_credentials, OBO: _on_behalf, "password": _no_password}
