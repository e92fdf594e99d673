# SPDX-License-Identifier: Apache-2.0
"""Sign-out at the Entra stand-in, and its front-channel calls to the applications."""

import functools
import html as markup
import ssl
import urllib.error
import urllib.parse
import urllib.request

import entra_error
import entra_state
from entra_authorize import COOKIE
from idp_http import html, redirect

CALL_TIMEOUT_SEC = 10


def routes(entra):
    step = functools.partial
    return [("GET POST", r"/([^/]+)/oauth2(?:/v2\.0)?/logout", step(logout, entra)),
            ("GET", r"/([^/]+)/oauth2/checksession", lambda _: html(200, "Check session", ""))]


def logout(entra, request):
    asked = dict(request.query)
    asked.update(request.form)
    if entra.tenant_of(request.match.group(1)) is None:
        return entra_error.page(entra, entra_error.Page(90002, request.match.group(1)))
    name = request.cookies.get(COOKIE)
    with entra.lock:
        session = entra.sessions.pop(name, None)
    calls = frontchannel_urls(entra, session) if session else []
    if request.record is not None:
        request.record["frontchannel"] = calls
    gone = [("Set-Cookie", "%s=; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; "
             "HttpOnly" % COOKIE)] if name else []
    target = _target(entra, asked)
    if not calls and target:
        return redirect(target, gone)
    frames = "\n".join('<iframe src="%s" width="0" height="0" style="display: none"></iframe>'
                       % markup.escape(url) for url in calls)
    forward = '<meta http-equiv="refresh" content="2;url=%s">\n<p><a href="%s">Continue</a></p>' % (
        markup.escape(target), markup.escape(target)) if target else ""
    return html(200, "Sign out", "<h1>You signed out of your account</h1>\n%s\n%s"
                % (frames, forward), gone)


def _target(entra, asked):
    """Where to go on: only to a registered redirect URI; the state comes along."""
    uri = asked.get("post_logout_redirect_uri")
    hosts = entra.settings["any_port_hosts"]
    if not uri or not any(entra_state.redirect_known(uri, app, hosts)
                          for app in entra.apps.values()):
        return None
    if asked.get("state"):
        uri += ("&" if "?" in uri else "?") + entra_error.encode([("state", asked["state"])])
    return uri


def frontchannel_urls(entra, session):
    """One per application signed in to that has a logout URL: its sid and nothing else."""
    apps = [entra.apps[client_id] for client_id in session["apps"] if client_id in entra.apps]
    return [frontchannel_url(app["logout_url"], session["sid"]) for app in apps
            if app["logout_url"]]


def frontchannel_url(logout_url, sid):
    return "%s%ssid=%s" % (logout_url, "&" if "?" in logout_url else "?", sid)


def call(url, form=None):
    """What a browser's hidden frame does: a GET without a cookie; or, with a form, what a provider
    does itself. What came back."""
    frame = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}
    request = urllib.request.Request(url, headers=frame) if form is None else \
        urllib.request.Request(url, urllib.parse.urlencode(form).encode())
    # straight there, whatever certificate a test's server has
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl._create_unverified_context()))
    try:
        with opener.open(request, timeout=CALL_TIMEOUT_SEC) as answer:
            return {"url": url, "status": answer.status, "headers": answer.getheaders(),
                    "body": answer.read(65536).decode("utf-8", "replace")}
    except urllib.error.HTTPError as error:
        return {"url": url, "status": error.code, "headers": list(error.headers.items()),
                "body": error.read(65536).decode("utf-8", "replace")}
    except OSError as error:
        return {"url": url, "status": None, "error": str(error)}
