# SPDX-License-Identifier: Apache-2.0
"""Control API of the Entra stand-in beyond idp_control.py; what it takes is in the README."""

import functools
import urllib.parse

import entra_claims
import entra_client
import entra_data
import entra_logout
import entra_metadata
import entra_state
from entra_state import change_row
from idp_http import json_answer
from idp_jwt import private_pem


def routes(entra, site):
    wrap = functools.partial
    return [
        ("POST", r"/_ctl/reset", wrap(_reset, entra, site)),
        ("GET POST", r"/_ctl/config", wrap(_config, entra)),
        ("POST", r"/_ctl/user", wrap(_user, entra)),
        ("GET POST", r"/_ctl/users", wrap(_users, entra)),
        ("GET POST", r"/_ctl/apps", wrap(_apps, entra)),
        ("GET POST", r"/_ctl/groups", wrap(_groups, entra)),
        ("GET POST", r"/_ctl/tenants", wrap(_tenants, entra)),
        ("GET POST", r"/_ctl/keys", wrap(_keys, entra)),
        ("POST", r"/_ctl/rotate", wrap(_rotate, entra)),
        ("POST", r"/_ctl/fault", wrap(_fault, entra)),
        ("GET", r"/_ctl/faults", lambda _: json_answer(sorted(entra.token_faults.named))),
        ("POST", r"/_ctl/refuse", wrap(_refuse, entra, "refusals")),
        ("POST", r"/_ctl/graph", wrap(_refuse, entra, "graph_refusals")),
        ("POST", r"/_ctl/revoke", wrap(_revoke, entra)),
        ("POST", r"/_ctl/cae", wrap(_cae, entra)),
        ("POST", r"/_ctl/mint", wrap(_mint, entra)),
        ("POST", r"/_ctl/federated", wrap(_federated, entra)),
        ("GET POST", r"/_ctl/frontchannel", wrap(_frontchannel, entra)),
        ("POST", r"/_ctl/end", wrap(_end, entra)),
        ("GET", r"/_ctl/state", wrap(_state, entra)),
    ]


def _ok():
    return json_answer({"ok": True})


def _reset(entra, site, _request):
    entra.reset()
    site.faults.clear()
    site.recorder.clear()
    return _ok()


def _config(entra, request):
    if request.method == "POST":
        given = request.json()
        unknown = set(given) - set(entra_state.SETTINGS)
        if unknown:
            raise ValueError("unknown settings: %s" % sorted(unknown))
        entra.settings.update(given)
    return json_answer(entra.settings)


def _user(entra, request):
    """{"default": NAME or null}: who signs in without being asked."""
    name = request.json()["default"]
    if name is not None and name not in entra.users:
        raise ValueError("no such user: %s" % name)
    entra.settings["default_user"] = name
    return _ok()


def _users(entra, request):
    """A user to add or to change, by "name". A new one is at Contoso if no "tid" is given."""
    if request.method == "POST":
        given = request.json()
        name = given["name"]
        tid = entra.tenant_of(given["tid"]) if "tid" in given else entra_data.CONTOSO
        if "tid" in given:
            given["tid"] = tid
        change_row(entra.users, name, given,
                   lambda: entra_data.user(name, name.title(), "New", tid))
    return json_answer(list(entra.users.values()))


def _apps(entra, request):
    """An app to add or to change, by "name" or "client_id". "secrets" may be plain texts, "certs"
    are PEM texts, "federated" rows {issuer, subject, audience, jwks}."""
    if request.method == "POST":
        entra.change_app(request.json())
    return json_answer(list(entra.apps.values()))


def _groups(entra, request):
    """A group to add or to change, by "key", the name that users' `groups` name it with."""
    if request.method == "POST":
        given = request.json()
        key = given.pop("key")
        change_row(entra.groups, key, given, lambda: entra_data.group(key))
    return json_answer({key: row for key, row in entra.groups.items()
                        if not key.startswith("bulk-")})


def _tenants(entra, request):
    if request.method == "POST":
        given = request.json()
        tid = given["tid"]
        change_row(entra.tenants, tid, given,
                lambda: {"tid": tid, "domains": [], "region": "EU", "name": tid})
    return json_answer(list(entra.tenants.values()))


def _key_row(key):
    return {"kid": key.kid, "issuer": key.issuer, "published": key.published}


def _keys(entra, request):
    """{"index": N, "issuer": "template", null or a tenant id, "published": true}; ?pem=N: the
    private key."""
    if request.method == "POST":
        given = request.json()
        key = entra.keys[given["index"]]
        key.issuer = given.get("issuer", key.issuer)
        key.published = given.get("published", key.published)
    elif request.arg("pem"):
        return json_answer({"pem": private_pem(entra.keys[int(request.arg("pem"))].key)})
    elif request.arg("set"):
        return json_answer({"keys": entra_metadata.jwks(entra, int(request.arg("version", "2")),
                                                        entra.tenant_of(request.arg("set")))})
    return json_answer([_key_row(key) for key in entra.keys])


def _rotate(entra, request):
    """{"keep": 1, "published": true, "issuer": "template"}: a new key that signs from now on."""
    given = request.json()
    made = entra.rotate(int(given.get("keep", 1)), given.get("published", True),
                        given.get("issuer", "template"))
    return json_answer(_key_row(made))


def _fault(entra, request):
    given = request.json()
    for fault in given if isinstance(given, list) else [given]:
        entra.token_faults.add(fault)
    return _ok()


def _refuse(entra, where, request):
    given = request.json()
    for one in given if isinstance(given, list) else [given]:
        if where == "refusals":
            one["code"], one["at"] = int(one["code"]), one.get("at", "token")
        getattr(entra, where).append(one)
    return _ok()


def _revoke(entra, request):
    """{"user": NAME}: the refresh tokens given until now are worth nothing."""
    entra.users[request.json()["user"]]["revoked_before"] = entra.now()
    return _ok()


def _cae(entra, request):
    """{"user": NAME, "off": false}: access tokens given until now get a claims challenge."""
    given = request.json()
    entra.users[given["user"]]["cae_after"] = 0 if given.get("off") else entra.now()
    return _ok()


def _mint(entra, request):
    """Tokens at once, see the README."""
    given = request.json()
    app = entra.app_named(given.get("app", "single"))
    user = entra.users[given.get("user", "adele")]
    tid = entra.tenant_of(given.get("tenant", user["tid"]))
    scopes = given.get("scopes", ["openid", "profile", "email", "User.Read"])
    grant = {"client_id": app["client_id"], "user": user["name"], "tid": tid, "mfa": False,
             "scopes": [s for s in scopes if s in entra_claims.OIDC], "wanted": scopes,
             "version": given.get("version", 2), "nonce": given.get("nonce"), "claims": None,
             "sid": given.get("sid") or entra_state.new_guid(), "auth_time": int(entra.now())}
    fault = entra.token_faults.check(given.get("fault", {}))
    resource = given.get("resource", "graph")
    short = [entra_claims.resource_of(entra, scope)[1] for scope in scopes]
    return json_answer({
        "id_token": entra_claims.id_token(entra, grant, fault),
        "access_token": entra_claims.access_token(entra, grant, resource, short,
                                                  fault if fault.get("for") == "access" else {})})


def _federated(entra, request):
    """{"app": "federated", "claims": {...}}: a token of the cluster for that app."""
    given = request.json()
    app = entra.app_named(given.get("app", "federated"))
    return json_answer({"token": entra_client.federated_assertion(
        entra, app["federated"][0], given.get("claims", {}))})


def _frontchannel(entra, request):
    """GET ?sid=[&url=]: calls the logout URL of each app that the session signed in to (or `url`)
    and tells what came back. Without sid: of all sessions."""
    asked = request.json() if request.method == "POST" else dict(request.query)
    sid, url = asked.get("sid"), asked.get("url")
    if url:
        return json_answer([entra_logout.call(entra_logout.frontchannel_url(
            url, urllib.parse.quote(sid or "")))])
    urls = [url for session in list(entra.sessions.values()) if sid in (None, session["sid"])
            for url in entra_logout.frontchannel_urls(entra, session)]
    return json_answer([entra_logout.call(url) for url in urls])


def _end(entra, request):
    """{"what": ["sessions", "codes", "access", "refresh"]}: as if their time were up."""
    for what in request.json()["what"]:
        if what not in ("sessions", "codes", "access", "refresh"):
            raise ValueError("not one of sessions, codes, access, refresh: %s" % what)
        getattr(entra, what).clear()
    return _ok()


def ids(entra):
    return {"tenants": {t["domains"][0].split(".")[0]: t["tid"] for t in entra.tenants.values()},
            "apps": {app["name"]: app["client_id"] for app in entra.apps.values()}}


def _state(entra, _request):
    return json_answer({
        "authority": entra.authority(), "graph": entra.graph(), "roots": entra.roots,
        **ids(entra),
        "keys": [_key_row(key) for key in entra.keys],
        "sessions": [{k: s[k] for k in ("sid", "user", "apps", "mfa")}
                     for s in entra.sessions.values()],
        "codes": len(entra.codes), "refresh_tokens": len(entra.refresh),
        "access_tokens": len(entra.access), "token_faults": entra.token_faults.list,
        "refusals": entra.refusals, "graph_refusals": entra.graph_refusals})
