# SPDX-License-Identifier: Apache-2.0
"""Control API of the stand-in LMS beyond idp_control.py: settings, users, clients, keys, tokens."""

import functools

import idp_jwt
import lms_claims
import lms_state
from idp_http import Answer, json_answer


def routes(lms, site):
    wrap = functools.partial
    return [
        ("POST", r"/_ctl/reset", wrap(_reset, lms, site)),
        ("GET POST", r"/_ctl/config", wrap(_config, lms)),
        ("POST", r"/_ctl/user", wrap(_user, lms)),
        ("GET POST", r"/_ctl/users", wrap(_users, lms)),
        ("GET POST", r"/_ctl/clients", wrap(_clients, lms)),
        ("POST", r"/_ctl/links", wrap(_links, lms)),
        ("POST", r"/_ctl/fault", wrap(_fault, lms)),
        ("GET", r"/_ctl/faults", lambda _: json_answer(sorted(lms_claims.NAMED))),
        ("POST", r"/_ctl/mint", wrap(_mint, lms)),
        ("POST", r"/_ctl/rotate", wrap(_rotate, lms)),
        ("GET", r"/_ctl/jwks", wrap(_jwks, lms)),
        ("GET", r"/_ctl/hs-secret", lambda _: Answer(200, [], lms.hs_secret, "text/plain")),
        ("GET", r"/_ctl/key", lambda _: Answer(200, [], idp_jwt.private_pem(lms.keys[0][1]),
                                               "text/plain")),
        ("GET", r"/_ctl/state", wrap(_state, lms)),
        ("POST", r"/_ctl/end", wrap(_end, lms)),
    ]


def _ok():
    return json_answer({"ok": True})


def _reset(lms, site, _request):
    lms.reset()
    site.faults.clear()
    site.recorder.clear()
    return _ok()


def _config(lms, request):
    if request.method == "POST":
        given = request.json()
        unknown = set(given) - set(lms_state.SETTINGS)
        if unknown:
            raise ValueError("unknown settings: %s" % sorted(unknown))
        lms.settings.update(given)
    return json_answer(lms.settings)


def _user(lms, request):
    """{"default": NAME or null}: who is signed in without asking at the login page."""
    name = request.json()["default"]
    if name is not None and name not in lms.users:
        raise ValueError("no such user: %s" % name)
    lms.settings["default_user"] = name
    return _ok()


def _users(lms, request):
    """A user to add, or members to change of one that is there; {"username":..., "gone": true}."""
    if request.method == "POST":
        given = request.json()
        name = given["username"]
        if given.pop("gone", False):
            lms.users.pop(name, None)
        else:
            old = lms.users.get(name) or lms_state.user(1000 + len(lms.users), name, name.title())
            lms.users[name] = dict(old, **given)
    return json_answer(list(lms.users.values()))


def _clients(lms, request):
    """A client to add, or members to change of one that is there."""
    if request.method == "POST":
        given = request.json()
        client_id = given["client_id"]
        old = lms.clients.get(client_id) or lms_state.client(client_id, "")
        unknown = set(given) - set(old)
        if unknown:
            raise ValueError("unknown members: %s" % sorted(unknown))
        lms.clients[client_id] = dict(old, **given)
    return json_answer(list(lms.clients.values()))


def _links(lms, request):
    """{"provider": ID, "links": [[username, uid], ...]} replaces; {"provider": ID, "rows": N} makes
    N invented ones; {"provider": ID, "gone": true} takes the provider away."""
    given = request.json()
    provider_id = given["provider"]
    if given.get("gone"):
        lms.providers.pop(provider_id, None)
        return _ok()
    provider = lms.providers.setdefault(provider_id, {
        "id": provider_id, "name": provider_id, "prefix": given.get("prefix", ""), "links": []})
    links = given.get("links")
    if links is None:
        links = [("user%03d" % n, "%sremote%03d" % (provider["prefix"], n))
                 for n in range(1, given["rows"] + 1)]
    provider["links"] = [tuple(pair) for pair in links]
    return _ok()


def _fault(lms, request):
    given = request.json()
    for fault in given if isinstance(given, list) else [given]:
        lms.token_faults.append(lms_claims.check_fault(fault))
    return _ok()


def _mint(lms, request):
    """A JWT at once: {"user", "client", "scopes", "asymmetric", "fault"}; all may be left out."""
    given = request.json()
    user, app = lms_claims.user_and_app(lms, given.get("user", "jsmith"),
                                        given.get("client", "studio-sso"))
    token = lms_claims.mint(lms, user, app, given.get("scopes", ["user_id", "profile", "email"]),
                            given.get("asymmetric", True),
                            lms_claims.check_fault(given.get("fault", {})))
    return json_answer({"token": token})


def _rotate(lms, request):
    given = request.json()
    return json_answer({"kid": lms.rotate(given.get("kid"), int(given.get("keep", 1)))})


def _jwks(lms, request):
    """?shape= one of the odd sets (lms_claims.jwks_of_shape)."""
    document = lms_claims.jwks_of_shape(lms, request.arg("shape", "plain"))
    return Answer(200, [], idp_jwt.compact(document), "application/json")


def _state(lms, _request):
    return json_answer({
        "tpa_hints": lms.tpa_hints, "sessions": len(lms.sessions), "codes": len(lms.codes),
        "access_tokens": len(lms.access), "refresh_tokens": len(lms.refresh),
        "kids": [kid for kid, _ in lms.keys], "token_faults": lms.token_faults,
        "issuer": lms.issuer(), "roots": lms.roots})


def _end(lms, request):
    """{"what": ["sessions", "codes", "access", "refresh"]}: end them as if their time were up."""
    for what in request.json()["what"]:
        if what not in ("sessions", "codes", "access", "refresh"):
            raise ValueError("not one of sessions, codes, access, refresh: %s" % what)
        getattr(lms, what).clear()
    return _ok()
