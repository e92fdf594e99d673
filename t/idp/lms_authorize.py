# SPDX-License-Identifier: Apache-2.0
"""The authorization endpoint of the stand-in LMS: consent, code, errors by page or redirect."""

import functools
import html as markup
import urllib.parse

import lms_login
import lms_state
from idp_http import Answer, html, redirect

_ONCE = ("client_id", "response_type", "redirect_uri", "scope", "state")


class _Page(Exception):
    """An error shown to the browser on a 400 page: nobody may be redirected to."""


class _Back(Exception):
    """An error that goes back to the client by redirect."""

    def __init__(self, error, description=None):
        super().__init__(error)
        self.error, self.description = error, description


def routes(lms):
    return [("GET POST", r"/oauth2/authorize/?", functools.partial(authorize, lms)),
            ("GET POST", r"/_o/authorize/", functools.partial(authorize, lms))]


def authorize(lms, request):
    user = lms_login.session_user(lms, request)
    if user is None:
        return redirect("/login?next=" + urllib.parse.quote(request.target, safe="/"))
    try:
        asked = _asked(lms, request)
    except _Page as problem:
        return html(400, "Error", "<h2>Error: invalid_request</h2>\n<p>%s</p>"
                    % markup.escape(str(problem)))
    try:
        _check(lms, asked)
        if request.method == "POST":
            if not request.field("allow"):
                raise _Back("access_denied")
        elif not _already_approved(lms, asked, user):
            return _consent(asked)
        code = lms.new_code(asked["app"], user["username"], asked["redirect_uri"],
                            asked["scopes"], asked["challenge"], asked["method"])
        return _send_back(asked, [("code", code)])
    except _Back as problem:
        items = [("error", problem.error)]
        if problem.description:
            items.append(("error_description", problem.description))
        return _send_back(asked, items)


def _asked(lms, request):
    """The parameters, with the client and the redirect URI checked. A consent form's own fields
    come before the query of the URL it is posted to; PKCE is in the query only."""
    for name in _ONCE:
        if len(request.args(name)) > 1:
            raise _Page("Duplicate %s parameter." % name)
    given = dict(request.query)
    given.update(request.form)
    if not given.get("client_id"):
        raise _Page("Missing client_id parameter.")
    app = lms.clients.get(given["client_id"])
    if app is None:
        raise _Page("Invalid client_id parameter value.")
    uri = given.get("redirect_uri")
    if uri is None:
        if not app["redirect_uris"].split():
            raise _Page("Missing redirect URI.")
        uri = app["redirect_uris"].split()[0]
    elif not urllib.parse.urlsplit(uri).scheme:
        raise _Page("Invalid redirect URI.")
    elif not lms_state.redirect_allowed(uri, app["redirect_uris"],
                                        lms.settings["any_port_hosts"]):
        raise _Page("Mismatching redirect URI.")
    scope = given.get("scope")
    return {"app": app, "redirect_uri": uri, "state": given.get("state"),
            "response_type": given.get("response_type"),
            "scopes": scope.split() if scope else list(lms_state.DEFAULT_SCOPES),
            "challenge": request.arg("code_challenge"),
            "method": request.arg("code_challenge_method", "plain"),
            "approval_prompt": request.arg("approval_prompt", "auto_even_if_expired")}


def _check(lms, asked):
    app, kind = asked["app"], asked["response_type"]
    if not kind:
        raise _Back("invalid_request", "Missing response_type parameter.")
    if kind not in ("code", "token"):
        raise _Back("unsupported_response_type")
    if app["grant"] != {"code": "authorization-code", "token": "implicit"}[kind]:
        raise _Back("unauthorized_client")
    if asked["challenge"] is not None and asked["method"] not in ("S256", "plain"):
        raise _Back("invalid_request", "Transform algorithm not supported.")
    if not set(asked["scopes"]) <= lms.allowed_scopes(app):
        raise _Back("invalid_scope")


def _already_approved(lms, asked, user):
    app, prompt = asked["app"], asked["approval_prompt"]
    if app["skip_authorization"]:
        return True
    if prompt not in ("auto", "auto_even_if_expired"):
        return False
    return lms.holds_token(app, user["username"], asked["scopes"], prompt != "auto")


def _send_back(asked, items):
    """302 to the redirect URI: what its query had, then ours, then the state."""
    if asked["state"]:
        items = items + [("state", asked["state"])]
    uri = urllib.parse.urlsplit(asked["redirect_uri"])
    query = urllib.parse.parse_qsl(uri.query, keep_blank_values=True) + items
    location = urllib.parse.urlunsplit(uri._replace(query=urllib.parse.urlencode(query)))
    return Answer(302, [("Content-Type", "text/html; charset=utf-8"), ("Location", location)])


def _consent(asked):
    hidden = [("redirect_uri", asked["redirect_uri"]), ("scope", " ".join(asked["scopes"])),
              ("client_id", asked["app"]["client_id"]), ("state", asked["state"] or ""),
              ("response_type", asked["response_type"])]
    fields = "\n".join('<input type="hidden" name="%s" value="%s">'
                       % (name, markup.escape(value)) for name, value in hidden)
    return html(200, "Authorize", """<form id="authorizationForm" method="post">
<h1>Authorize %s?</h1>
%s
<p>The application asks for: %s</p>
<input type="submit" name="cancel" value="Cancel">
<input type="submit" name="allow" value="Authorize">
</form>""" % (markup.escape(asked["app"]["client_id"]), fields,
              markup.escape(" ".join(asked["scopes"]))))
