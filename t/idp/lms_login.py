# SPDX-License-Identifier: Apache-2.0
"""Sign-in and sign-out pages of the stand-in LMS, its session and its JWT cookies."""

import email.utils
import functools
import html as markup
import http.cookies
import json
import mimetypes
import re
import urllib.parse

import lms_claims
import lms_state
from idp_http import Answer, html, redirect

_KINDS = mimetypes.MimeTypes()
# what the system's table has for .com; Python's own table lacks it
_KINDS.add_type("application/x-msdos-program", ".com")
_DASHBOARD = "/dashboard"


def routes(lms):
    return [
        ("GET POST", r"/(login|register)", functools.partial(login_page, lms)),
        ("GET", r"/dashboard", functools.partial(dashboard, lms)),
        ("GET", r"/", functools.partial(dashboard, lms)),
        ("POST", r"/api/user/v[12]/account/login_session/", functools.partial(login_api, lms)),
        ("POST", r"/login_refresh", functools.partial(login_refresh, lms)),
        ("GET POST", r"/logout", functools.partial(logout, lms)),
        ("GET", r"/csrf/api/v1/token", csrf_token),
    ]


def session_user(lms, request):
    return lms.session_user(request.cookies.get("sessionid"))


# where `next` may lead

def own_host(lms, request):
    roots = [urllib.parse.urlsplit(root).netloc for root in lms.roots.values()]
    return [request.host] + roots


def host_allowed(lms, request, url, client_id):
    """Whether a redirect to the URL is safe: a path, or a host of ours, of the white list, or of
    the client when the URL is part of its registered redirect URIs (a plain substring test)."""
    hosts = set(own_host(lms, request)) | set(lms.settings["login_whitelist"])
    if client_id is not None:
        if url in lms.clients[client_id]["redirect_uris"]:      # KeyError: the LMS's own 500
            hosts.add(urllib.parse.urlsplit(url).netloc)
    url = url.strip().replace("\\", "/")
    if not url or url.startswith("///") or ord(url[0]) < 32:
        return False
    split = urllib.parse.urlsplit(url)
    if not split.netloc and split.scheme:
        return False
    schemes = ["https"] if request.scheme == "https" else ["http", "https"]
    return (not split.netloc or split.netloc in hosts) and \
        (not split.scheme and not split.netloc or (split.scheme or "http") in schemes)


def next_of(lms, request):
    """The `next` that survives, else the dashboard."""
    target = request.arg("next") or ""
    accept = request.headers.get("Accept") or ""
    usable = target and any(kind in accept for kind in ("*/*", "text/*", "text/html")) and \
        host_allowed(lms, request, target, _known(lms, request.arg("client_id"))) and \
        "/static/" not in target and _KINDS.guess_type(target, strict=False)[0] is None
    return target if usable else _DASHBOARD


def _known(lms, client_id):
    return client_id if client_id in lms.clients else None


def note_hint(lms, request):
    """Remember a tpa_hint in the query of next, which is where an LMS reads it."""
    query = urllib.parse.urlsplit(request.arg("next") or "").query
    hint = dict(urllib.parse.parse_qsl(query)).get("tpa_hint")
    if hint is not None:
        lms.tpa_hints.append(hint)
        if request.record is not None:
            request.record["tpa_hint"] = hint


# sign-in

def login_page(lms, request):
    note_hint(lms, request)
    if lms.settings["authn_mfe"] and request.arg("skip_authn_mfe") is None:
        return redirect("%s%s?%s" % (lms.settings["authn_mfe"], request.path, request.raw_query))
    user = session_user(lms, request)
    wanted = request.arg("auto") or lms.settings["default_user"]
    if user is None and request.method == "POST":
        user = lms.user_by_login(request.field("username") or request.field("email"),
                                 request.field("password"))
        if user is None:
            return _form(lms, request, "Email or password is incorrect.")
    elif request.arg("auto") or user is None and wanted:
        user = lms.users.get(wanted)
    if user is None:
        return _form(lms, request, "")
    return redirect(next_of(lms, request), sign_in_cookies(lms, request, user))


def _form(lms, request, complaint):
    buttons = "\n".join(
        '<button name="auto_user" value="%s">%s</button>' % (markup.escape(name), markup.escape(
            name)) for name in lms.users)
    hint = lms.tpa_hints[-1] if lms.tpa_hints and request.record and \
        "tpa_hint" in request.record else ""
    return html(200, "Sign in", """<h1>Sign in (stand-in LMS)</h1>
<p>%s</p>%s
<form method="post">
<input name="username" placeholder="username" autofocus>
<input name="password" type="password" placeholder="password (same as the username)">
<button>Sign in</button>
</form>
<p>Known users (the password is the username):</p>
<script>
document.addEventListener("click", function (event) {
    if (event.target.name === "auto_user") {
        var form = document.forms[0];
        form.username.value = form.password.value = event.target.value;
        form.submit();
    }
});
</script>
<div>%s</div>""" % (markup.escape(complaint), "<p>Provider hinted: %s</p>" % markup.escape(hint)
                    if hint else "", buttons),
                [("Set-Cookie", "csrftoken=%s; Path=/" % lms_state.random_text(32))])


def login_api(lms, request):
    user = lms.user_by_login(request.field("email") or request.field("email_or_username"),
                             request.field("password"))
    if user is None:
        body = {"success": False, "value": "Email or password is incorrect.",
                "error_code": "incorrect-email-or-password",
                "email": request.field("email") or request.field("email_or_username")}
        return Answer(400, [], lms_state.dump(body), "application/json")
    body = {"success": True, "redirect_url": next_of(lms, request)}
    return Answer(200, [("Content-Type", "application/json")] +
                  sign_in_cookies(lms, request, user), lms_state.dump(body))


def dashboard(lms, request):
    user = session_user(lms, request)
    return html(200, "Dashboard", "<h1>Stand-in LMS</h1><p>%s</p>" % (
        "Signed in as <b>%s</b>. <a href=\"/logout\">Sign out</a>" % markup.escape(user["username"])
        if user else "Not signed in. <a href=\"/login\">Sign in</a>"))


def csrf_token(_request):
    token = lms_state.random_text(64)
    return Answer(200, [("Content-Type", "application/json"),
                        ("Set-Cookie", "csrftoken=%s; Path=/" % token)],
                  '{"csrfToken":"%s"}' % token)


# cookies

def cookie(lms, request, name, value, life=None, http_only=False):
    """A Set-Cookie header in Django's order of attributes; life None: a cookie to be deleted."""
    parts = ["%s=%s" % (name, value)]
    if lms.settings["cookie_domain"] and name != "sessionid":
        parts.append("Domain=" + lms.settings["cookie_domain"])
    if life is None:
        parts += ["expires=Thu, 01 Jan 1970 00:00:00 GMT", "Max-Age=0", "Path=/"]
    else:
        parts.append("expires=" + email.utils.formatdate(lms.now() + life, usegmt=True))
        if http_only:
            parts.append("HttpOnly")
        parts += ["Max-Age=%d" % life, "Path=/"]
        if request.scheme == "https":
            parts.append("Secure")
    return ("Set-Cookie", "; ".join(parts))


def jwt_cookie_names(lms):
    prefix = lms.settings["cookie_prefix"]
    return prefix + "edx-jwt-cookie-header-payload", prefix + "edx-jwt-cookie-signature"


def jwt_cookies(lms, request, user):
    """The two JWT cookies, always RS512; `cookie_fault` (a setting) spoils them."""
    app = lms.clients[lms_state.LOGIN_CLIENT]
    token = lms_claims.mint(lms, user, app, ["user_id", "email", "profile"], True,
                            lms_claims.take_fault(lms, "cookie"))
    payload, _, signature = token.rpartition(".")
    fault = lms.settings["cookie_fault"]
    if fault == "swapped":
        payload, signature = signature, payload
    names = jwt_cookie_names(lms)
    made = [cookie(lms, request, names[0], payload, 3600),
            cookie(lms, request, names[1], signature, 3600, True)]
    if fault == "no-signature":
        del made[1]
    elif fault == "no-payload":
        del made[0]
    return made


def sign_in_cookies(lms, request, user):
    with lms.lock:
        session = lms.new_session(user["username"])
    info = json.dumps({"version": 1, "username": user["username"], "email": user["email"],
                       "header_urls": {}, "user_image_urls": {}})
    quoted = http.cookies.SimpleCookie().value_encode(info)[1]
    life = lms_state.SESSION_LIFE_SEC
    name, value = cookie(lms, request, "sessionid", session, life, True)
    return [(name, value + "; SameSite=Lax"),
            cookie(lms, request, "edxloggedin", "true", life),
            cookie(lms, request, "edx-user-info", quoted, life)] + jwt_cookies(lms, request, user)


def login_refresh(lms, request):
    user = session_user(lms, request)
    kind = [("Content-Type", "application/json")]
    if user is None:
        return Answer(401, kind, '"Unauthorized"')
    if lms_state.LOGIN_CLIENT not in lms.clients:
        return Answer(400, kind, '{}')
    now = lms.now()
    body = {"success": True, "user_id": user["id"], "response_epoch_seconds": round(now, 2),
            "response_http_date": email.utils.formatdate(now, usegmt=True),
            "expires": email.utils.formatdate(now + 3600, usegmt=True),
            "expires_epoch_seconds": int(now) + 3600}
    return Answer(200, kind + jwt_cookies(lms, request, user), lms_state.dump(body))


# sign-out

def logout(lms, request):
    with lms.lock:
        lms.sessions.pop(request.cookies.get("sessionid"), None)
    target = _logout_target(lms, request)
    frames = "\n".join('<iframe src="%s"></iframe>' % markup.escape(url)
                       for url in _logout_frames(lms, request))
    gone = [cookie(lms, request, name, '""') for name in (
        "sessionid", "edxloggedin", "edx-user-info") + jwt_cookie_names(lms)]
    return html(200, "Signed Out", """<h1>You have signed out.</h1>
<p>If you are not redirected within 5 seconds, <a href="%s">click here to go on</a>.</p>
<div id="iframeContainer" style="visibility: hidden" data-redirect-url="%s">
%s
</div>
<script>
(function () {
    var box = document.getElementById("iframeContainer");
    var frames = box.getElementsByTagName("iframe"), left = frames.length;
    function go() { window.location = box.getAttribute("data-redirect-url"); }
    function loaded() { left -= 1; if (left <= 0) { go(); } }
    for (var n = 0; n < frames.length; n++) { frames[n].addEventListener("load", loaded); }
    if (left === 0) { go(); } else { setTimeout(go, 5000); }
})();
</script>""" % (markup.escape(target), markup.escape(target), frames), gone)


def _logout_target(lms, request):
    target = request.arg("redirect_url") or request.arg("next") or ""
    target = re.sub(r"[\t\r\n]", "", urllib.parse.unquote(urllib.parse.quote_plus(target)))
    # an HTML sanitiser does the rest in an LMS: tags go, & comes out as &amp;
    target = re.sub(r"<[^>]*>", "", target)
    target = target.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if target and host_allowed(lms, request, target, request.arg("client_id")):
        return target
    return "/"


def _logout_frames(lms, request):
    referer = (request.headers.get("Referer") or "").strip("/")
    for url in lms.settings["ida_logout_uris"]:
        if referer and url.startswith(referer):
            continue
        split = urllib.parse.urlsplit(url)
        query = urllib.parse.parse_qsl(split.query) + [("no_redirect", "1")]
        yield urllib.parse.urlunsplit(split._replace(query=urllib.parse.urlencode(query)))
