# SPDX-License-Identifier: Apache-2.0
"""The authorization endpoint of the Entra stand-in, v1 and v2, and admin consent.

The checks are in the order in which Entra makes them: what is wrong with the tenant, the client or
the redirect URI is shown on a page, what is wrong after that goes back to the client.
"""

import functools
import html as markup
import re
import urllib.parse

import entra_claims
import entra_error
import entra_state
import entra_token
from entra_claims import OIDC
from entra_data import MSA
from entra_error import Back, Page
from idp_http import Answer, html

COOKIE = "ESTSAUTH"
_TYPES = {"code": {"code"}, "id_token": {"id_token"}, "code id_token": {"code", "id_token"},
          "id_token token": {"id_token", "token"}, "token id_token": {"id_token", "token"}}
_PROMPTS = ("login", "none", "consent", "select_account", "create", "admin_consent")


class Shown(Exception):
    """A page of ours that is no error: choose an account, consent."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer


def routes(entra):
    step = functools.partial
    return [
        ("GET POST", r"/([^/]+)/oauth2/v2\.0/authorize", step(authorize, entra, 2)),
        ("GET POST", r"/([^/]+)/oauth2/authorize", step(authorize, entra, 1)),
        ("GET", r"/([^/]+)/v2\.0/adminconsent", step(admin_consent, entra, 2)),
        ("GET", r"/([^/]+)/adminconsent", step(admin_consent, entra, 1)),
    ]


def authorize(entra, version, request):
    asked = dict(request.query)
    asked.update(request.form)
    try:
        app, tid = _client_of(entra, request, asked, version)
    except Page as problem:
        return entra_error.page(entra, problem)
    extra = []
    try:
        kinds = _check(entra, asked, app, version)
        with entra.lock:
            entra_token.refuse(entra, ("authorize",), Back)
            session, extra = _session(entra, request, asked, tid)
            grant = _grant(entra, asked, app, tid, version, session)
            items = _success(entra, asked, app, grant, kinds)
    except Page as problem:
        return entra_error.page(entra, problem)
    except Shown as shown:
        return shown.answer
    except Back as problem:
        items = entra_error.redirect_items(entra, problem)
        if asked.get("state") is not None:
            items.append(("state", _clean(asked["state"])))
    return _send(asked, items, extra)


def _client_of(entra, request, asked, version):
    segment = request.match.group(1)
    tid = entra.tenant_of(segment)
    if tid is None:
        raise Page(90002, segment)
    client_id = asked.get("client_id")
    if not client_id:
        raise Page(900144, "client_id")
    app = entra.apps.get(client_id)
    if app is None or app["sign_in_audience"] == "AzureADMyOrg" and \
            tid not in (app["tid"], "common", "organizations", MSA):
        raise Page(700016, client_id)
    uri = asked.get("redirect_uri")
    if not uri or not entra_state.redirect_known(uri, app, entra.settings["any_port_hosts"]):
        raise Page(50011, uri)
    kind = app["sign_in_audience"]
    if kind == "AzureADMyOrg" and tid in ("common", "organizations"):
        raise Page(50194)
    if kind == "PersonalMicrosoftAccount" and tid != MSA:
        raise Page(9002331)
    if kind in ("AzureADMyOrg", "AzureADMultipleOrgs") and tid == MSA:
        raise Page(9002332)
    if version == 1 and tid == MSA:
        raise Page(90027)
    return app, tid


def _check(entra, asked, app, version):
    """The response types; raises Back for what the client got wrong."""
    kinds = _TYPES.get(asked.get("response_type"))
    if not asked.get("response_type"):
        raise Back(900144, "response_type")
    if kinds is None:
        raise Back(70007, asked["response_type"], error="unsupported_response_type")
    mode = asked.get("response_mode")
    if mode not in (None, "query", "fragment", "form_post"):
        raise Back(90023, mode)
    if mode == "query" and kinds != {"code"}:
        raise Back(70007, "query")
    if "id_token" in kinds and not app["id_token_implicit"]:
        raise Back(700054)
    if version == 2:
        if asked.get("resource"):
            raise Back(901002)
        if not asked.get("scope"):
            raise Back(900144, "scope")
    if "id_token" in kinds and not asked.get("nonce"):
        raise Back(900144, "nonce")
    if "id_token" in kinds and "openid" not in (asked.get("scope") or "").split():
        raise Back(70011, asked.get("scope"))
    challenge = asked.get("code_challenge")
    if challenge is not None and not re.fullmatch(r"[A-Za-z0-9._~\-]{43,128}", challenge):
        raise Back(501491)
    if asked.get("code_challenge_method", "plain") not in ("plain", "S256"):
        raise Back(501491)
    if asked.get("prompt") and asked["prompt"] not in _PROMPTS:
        raise Back(90023, asked["prompt"])
    return kinds


def _session(entra, request, asked, tid):
    """(session, cookie header to set): of the cookie, or a new one of whoever signs in now."""
    prompt = asked.get("prompt")
    name = request.cookies.get(COOKIE)
    session = entra.sessions.get(name)
    hint = entra.find_user(asked.get("login_hint"))
    chosen = entra.find_user(asked.get("_user"))
    if prompt == "none":
        if session is None:
            raise Back(50058)
        if hint is not None and hint["name"] != session["user"]:
            raise Back(16000)
    fresh = prompt in ("login", "select_account", "create") or \
        asked.get("max_age", "").isdigit() and session is not None and \
        entra.now() - session["auth_time"] > int(asked["max_age"])
    want_mfa = "ngcmfa" in asked.get("amr_values", "")
    if session is not None and not fresh and (chosen or hint or {}).get(
            "name", session["user"]) == session["user"]:
        _may_sign_in(entra, asked, entra.users.get(session["user"]), tid)
        session["mfa"] = session["mfa"] or _mfa(entra, asked, session["user"], want_mfa)
        return session, []
    user = chosen or hint or entra.find_user(entra.settings["default_user"])
    if user is None or prompt == "select_account" and chosen is None and \
            entra.settings["default_user"] is None:
        raise Shown(_choose(entra, request, tid))
    _may_sign_in(entra, asked, user, tid)
    name = entra.new_session(user, _mfa(entra, asked, user["name"], want_mfa))
    secure = "; Secure; SameSite=None" if request.scheme == "https" else "; SameSite=Lax"
    cookie = "%s=%s; Path=/; HttpOnly%s" % (COOKIE, name, secure)
    return entra.sessions[name], [("Set-Cookie", cookie)]


def _may_sign_in(entra, asked, user, tid):
    """Raises a Page: such errors are for the person, not for the client."""
    if user is None or not user["enabled"]:
        raise Page(50057)
    personal = user["tid"] == MSA
    if tid == MSA and not personal:
        raise Page(50020, user["upn"])
    if tid in ("organizations",) and personal or tid == "common" and personal and \
            entra.apps[asked["client_id"]]["sign_in_audience"] == "AzureADMultipleOrgs":
        raise Page(500200)
    if tid in entra.tenants and entra.account(user, tid) is None:
        raise Page(50020, user["upn"])
    if entra.apps[asked["client_id"]]["assigned_required"] and not user["assigned"]:
        raise Page(50105)


def _mfa(entra, asked, name, wanted):
    """Whether the person proves a second factor now: a stand-in's people always can."""
    needed = entra.users[name]["mfa_required"]
    if needed and asked.get("prompt") == "none":
        raise Back(50076, "the application")
    return needed or wanted


def _grant(entra, asked, app, tid, version, session):
    user = entra.users[session["user"]]
    scope = (asked.get("scope") or "").split()
    home = tid if tid in entra.tenants else user["tid"]
    if version == 1:
        if home == MSA:
            raise Page(90027)
        scope = ["openid", "profile", "email", "User.Read"]
    _consent(entra, asked, app, home, user, scope)
    try:
        resource, _ = entra_token.scopes_for(entra, app, scope)
    except entra_error.Refused as problem:
        raise Back(problem.code, error=problem.error, text=problem.text) from None
    if version == 1 and asked.get("resource"):
        scope = [s for s in scope if s in OIDC]
    if app["client_id"] not in session["apps"]:
        session["apps"].append(app["client_id"])
    return {"client_id": app["client_id"], "user": user["name"], "tid": home, "segment": tid,
            "scopes": [s for s in scope if s in OIDC], "wanted": scope, "version": version,
            "nonce": asked.get("nonce"), "sid": session["sid"], "mfa": session["mfa"],
            "auth_time": session["auth_time"], "max_age": asked.get("max_age"),
            "claims": asked.get("claims"), "redirect_uri": asked["redirect_uri"],
            "challenge": asked.get("code_challenge"), "resource": resource,
            "method": asked.get("code_challenge_method", "plain"),
            "client_info": asked.get("client_info") == "1",
            "spa": asked["redirect_uri"] in app["spa_uris"]}


def _consent(entra, asked, app, tid, user, scope):
    need = asked.get("prompt") == "consent"
    wanted = {(app["client_id"], tid, user["name"], s) for s in scope}
    if app["consent"] == "user":
        need = need or not wanted <= entra.consents
    elif app["consent"] == "missing":
        raise Back(65001 if asked.get("prompt") == "none" else 90094)
    if not need:
        return
    if asked.get("prompt") == "none":
        raise Back(65001)
    answer = asked.get("_consent") or {True: "yes", "decline": "no"}.get(
        entra.settings["auto_consent"])
    if answer is None:
        raise Shown(_ask(app, asked, scope))
    if answer != "yes":
        raise Back(65004, error_subcode="cancel")
    entra.consents |= wanted


def _success(entra, asked, app, grant, kinds):
    """The parameters of a success, in Entra's order."""
    items, code, token = [], None, None
    if "code" in kinds:
        code = entra.new_code(grant)
        items.append(("code", code))
    if "token" in kinds:
        resource, scopes = entra_token.scopes_for(entra, app, grant["wanted"])
        token = entra_claims.access_token(entra, grant, resource, scopes, {})
        items += [("access_token", token), ("token_type", "Bearer"),
                  ("expires_in", entra.settings["access_life"])]
    if "id_token" in kinds:
        fault = entra.token_faults.take("id", "authorize")
        items.append(("id_token", entra_claims.id_token(
            entra, dict(grant, implicit=True), fault, token, code)))
    if asked.get("state") is not None:
        items.append(("state", _clean(asked["state"])))
    items.append(("session_state", grant["sid"]))
    if grant["client_info"]:
        items.append(("client_info", entra_token.client_info(entra, grant)))
    return items


def _clean(state):
    return re.sub(r"<[^>]*>", "", state)


def _send(asked, items, headers):
    """The answer by query, fragment or form_post."""
    uri = urllib.parse.urlsplit(asked["redirect_uri"])
    if not uri.path:
        uri = uri._replace(path="/")
    fallback = "query" if asked.get("response_type") in (None, "code") or \
        asked.get("response_type") not in _TYPES else "fragment"
    mode = asked.get("response_mode", fallback)
    if mode == "form_post":
        return _form_post(urllib.parse.urlunsplit(uri), items, headers)
    text = entra_error.encode(items)
    if mode == "fragment":
        target = urllib.parse.urlunsplit(uri) + "#" + text
    else:
        target = urllib.parse.urlunsplit(uri) + ("&" if uri.query else "?") + text
    head = [("Cache-Control", "no-store, no-cache"), ("Pragma", "no-cache"),
            ("Content-Type", "text/html; charset=utf-8"), ("Location", target)]
    return Answer(302, head + headers, html(302, "Object moved", '<h2>Object moved to <a href="%s">'
                                            "here</a>.</h2>" % markup.escape(target)).body)


def _form_post(action, items, headers):
    fields = "\n".join('<input type="hidden" name="%s" value="%s" />'
                       % (name, markup.escape(str(value))) for name, value in items)
    head = [("Cache-Control", "no-store, no-cache"), ("Pragma", "no-cache")]
    return html(200, "Working...", """<form method="POST" name="hiddenform" action="%s">
%s
<noscript><p>Script is disabled. Click Submit to continue.</p>
<input type="submit" value="Submit" /></noscript>
</form>
<script>document.forms[0].submit();</script>""" % (markup.escape(action), fields), head + headers)


# pages for people

def _choose(entra, request, tid):
    """Links to the same request with an account each."""
    rows = []
    for user in entra.users.values():
        if tid in entra.tenants and entra.account(user, tid) is None or \
                tid == "organizations" and user["tid"] == MSA:
            continue
        mark = "&" if "?" in request.target else "?"
        target = "%s%s_user=%s" % (request.target, mark, user["name"])
        rows.append('<li><a href="%s">%s</a></li>' % (
            markup.escape(target), markup.escape("%s (%s)" % (user["displayName"], user["upn"]))))
    return html(200, "Sign in to your account", "<h1>Pick an account (stand-in)</h1>\n<ul>\n%s\n"
                "</ul>" % "\n".join(rows))


def _ask(app, asked, scope):
    pairs = [(k, v) for k, v in asked.items() if k != "_consent"]
    links = ['<p><a href="?%s">%s</a></p>' % (
        markup.escape(urllib.parse.urlencode(pairs + [("_consent", answer)])), label)
        for answer, label in (("yes", "Accept"), ("no", "Cancel"))]
    return html(200, "Permissions requested", "<h1>%s asks for permission (stand-in)</h1>\n"
                "<p>%s</p>\n%s" % (markup.escape(app["name"]), markup.escape(" ".join(scope)),
                                   "\n".join(links)))


def admin_consent(entra, version, request):
    asked = dict(request.query)
    segment = request.match.group(1)
    tid = entra.tenant_of(segment)
    app = entra.apps.get(asked.get("client_id"))
    uri = asked.get("redirect_uri", "")
    try:
        if tid is None:
            raise Page(90002, segment)
        if app is None:
            raise Page(700016, asked.get("client_id"))
        if not entra_state.redirect_known(uri, app, entra.settings["any_port_hosts"]):
            raise Page(50011, uri)
        if version == 2 and not asked.get("scope"):
            raise Page(900144, "scope")
    except Page as problem:
        return entra_error.page(entra, problem)
    answer = asked.get("_consent") or {True: "yes", "decline": "no"}.get(
        entra.settings["auto_consent"])
    if answer is None:
        return _ask(app, asked, asked.get("scope", "").split())
    state = [("state", _clean(asked["state"]))] if "state" in asked else []
    if answer != "yes":
        items = entra_error.redirect_items(entra, Back(65004)) + [("admin_consent", "True")] + state
        return _send(asked, items, [])
    if app["consent"] == "missing":
        app["consent"] = "admin"
    tenant = tid if tid in entra.tenants else app["tid"]
    items = [("admin_consent", "True"), ("tenant", tenant)] + state
    if version == 2:
        items.append(("scope", asked["scope"]))
    return _send(dict(asked, response_type="code"), items, [])
