# SPDX-License-Identifier: Apache-2.0
"""Token, revocation and introspection endpoints of the stand-in LMS."""

import base64
import binascii
import functools
import hashlib
import hmac
import urllib.parse

import idp_jwt
import lms_claims
import lms_state
from idp_http import Answer, html

_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store"),
            ("Pragma", "no-cache")]

# grant_type of a request -> the grants of applications that may use it
_GRANTS = {
    "authorization_code": ("authorization-code",),
    "password": ("password",),
    "client_credentials": ("client-credentials",),
    "refresh_token": ("authorization-code", "password", "client-credentials"),
}


class Refused(Exception):
    def __init__(self, error, description=None, status=400):
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


def routes(lms):
    return [
        ("POST", r"/oauth2/access_token/?", functools.partial(token_endpoint, lms, True)),
        ("POST", r"/_o/token/", functools.partial(token_endpoint, lms, False)),
        ("POST", r"/(oauth2/revoke_token/?|_o/revoke_token/)",
         functools.partial(revocation_endpoint, lms)),
        ("GET POST", r"/_o/introspect/", functools.partial(introspection_endpoint, lms)),
    ]


def token_endpoint(lms, with_jwt, request):
    if lms.too_many():
        return html(429, "Too Many Requests", "<h1>Too Many Requests</h1>")
    if request.raw_query:
        return html(500, "Server Error", "<h1>Server Error (500)</h1>")
    try:
        grant = request.field("grant_type")
        if grant not in _GRANTS:
            raise Refused("unsupported_grant_type")
        with lms.lock:
            app, token = GRANT_STEPS[grant](lms, request)
            given = _answer(lms, with_jwt, request, app, token)
    except Refused as problem:
        return _refusal(problem)
    return Answer(200, _HEADERS, lms_state.dump(given))


def _refusal(problem):
    body = {"error": problem.error}
    if problem.description:
        body["error_description"] = problem.description
    extra = [("WWW-Authenticate", 'Bearer error="invalid_client"')] if problem.status == 401 else []
    return Answer(problem.status, _HEADERS + extra, lms_state.dump(body))


def _answer(lms, with_jwt, request, app, token):
    given = {"access_token": token["token"], "expires_in": token["life"], "token_type": "Bearer",
             "scope": " ".join(token["scopes"])}
    if token["refresh"]:
        given["refresh_token"] = token["refresh"]
    kind = request.field("token_type", request.headers.get("X-Token-Type") or "")
    fault = lms_claims.take_fault(lms, "token")
    if with_jwt and kind.lower() == "jwt" and not fault.get("opaque") and \
            not lms.settings["mobile_opaque"]:
        scopes = list(token["scopes"])
        if app["grant"] == "password" and "user_id" not in scopes:
            scopes.append("user_id")
        given["access_token"] = lms_claims.mint(
            lms, lms.users[token["username"]], app, scopes,
            bool(request.field("asymmetric_jwt")), fault)
        given.update({"expires_in": lms.settings["jwt_life"], "token_type": "JWT",
                      "scope": " ".join(scopes)})
    given.update(fault.get("answer", {}))
    for name in fault.get("drop_answer", []):
        given.pop(name, None)
    return given


def basic_credentials(request):
    kind, _, text = (request.headers.get("Authorization") or "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        client_id, mark, secret = base64.b64decode(text).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    plain = urllib.parse.unquote_plus
    return (plain(client_id), plain(secret)) if mark else None


def known_client(lms, request):
    """The client that authenticated itself by Basic or in the body; None if none did."""
    tries = [basic_credentials(request),
             (request.field("client_id"), request.field("client_secret"))]
    for credentials in tries:
        if credentials is None or not credentials[0]:
            continue
        app = lms.clients.get(credentials[0])
        if app is None:
            continue
        if app["type"] == "public" and credentials[1] is None:
            return app
        if hmac.compare_digest(app["secret"].encode(), (credentials[1] or "").encode()) and \
                (app["secret"] or app["type"] == "public"):
            return app
    return None


def _client(lms, request, grant):
    app = known_client(lms, request)
    if app is None:
        raise Refused("invalid_client", status=401)
    if app["grant"] not in _GRANTS[grant]:
        raise Refused("unauthorized_client")
    return app


def _scopes(lms, request, app, default):
    scope = request.field("scope")
    scopes = scope.split() if scope else list(default)
    if not set(scopes) <= lms.allowed_scopes(app):
        raise Refused("invalid_scope")
    return scopes


def _by_code(lms, request):
    if not request.field("code"):
        raise Refused("invalid_request", "Missing code parameter.")
    app = _client(lms, request, "authorization_code")
    text = request.field("code")
    code = lms.codes.get(text)
    if code is None or code["client_id"] != app["client_id"] or code["until"] <= lms.now():
        raise Refused("invalid_grant")
    if code["challenge"] is not None:
        verifier = request.field("code_verifier")
        if verifier is None:
            raise Refused("invalid_request", "Code verifier required.")
        if not _proves(verifier, code["challenge"], code["method"]):
            raise Refused("invalid_grant")
    default = next(iter(app["redirect_uris"].split()), None)
    if request.field("redirect_uri", default) != code["redirect_uri"]:
        raise Refused("invalid_request", "Mismatching redirect URI.")
    del lms.codes[text]
    return app, lms.new_token(app, code["username"], code["scopes"], True)


def _proves(verifier, challenge, method):
    if method == "S256":
        verifier = idp_jwt.b64u(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(verifier.encode(), challenge.encode())


def _by_refresh(lms, request):
    text = request.field("refresh_token")
    if text is None:
        raise Refused("invalid_request", "Missing refresh token parameter.")
    app = _client(lms, request, "refresh_token")
    known = lms.refresh.get(text)
    if known is None or known["client_id"] != app["client_id"]:
        raise Refused("invalid_grant")
    scopes = _scopes(lms, request, app, known["scopes"])
    if not set(scopes) <= set(known["scopes"]):
        raise Refused("invalid_scope")
    lms.revoke(text)
    return app, lms.new_token(app, known["username"], scopes, True)


def _by_password(lms, request):
    for name in ("username", "password"):
        if not request.field(name):
            raise Refused("invalid_request", "Request is missing %s parameter." % name)
    app = _client(lms, request, "password")
    user = lms.user_by_login(request.field("username"), request.field("password"))
    if user is None:
        raise Refused("invalid_grant", "Invalid credentials given.")
    scopes = _scopes(lms, request, app, lms_state.DEFAULT_SCOPES)
    return app, lms.new_token(app, user["username"], scopes, True)


def _by_credentials(lms, request):
    app = _client(lms, request, "client_credentials")
    default = list(lms_state.DEFAULT_SCOPES)
    if "user_id" in app["scopes"]:
        default.append("user_id")
    scopes = _scopes(lms, request, app, default)
    return app, lms.new_token(app, app["owner"], scopes, False)


GRANT_STEPS = {"authorization_code": _by_code, "refresh_token": _by_refresh,
               "password": _by_password, "client_credentials": _by_credentials}


def revocation_endpoint(lms, request):
    if known_client(lms, request) is None:
        return _refusal(Refused("invalid_client", status=401))
    if not request.field("token"):
        return _refusal(Refused("invalid_request", "Missing token parameter."))
    lms.revoke(request.field("token"))
    return Answer(200, [], b"", "text/html; charset=utf-8")


def introspection_endpoint(lms, request):
    if known_client(lms, request) is None:
        return Answer(403, [], b"", "text/html; charset=utf-8")
    text = request.field("token") if request.method == "POST" else request.arg("token")
    token = lms.access.get(text)
    given = {"active": False}
    if token is not None and token["until"] > lms.now():
        given = {"active": True, "scope": " ".join(token["scopes"]), "exp": int(token["until"]),
                 "client_id": token["client_id"], "username": token["username"]}
    return Answer(200, [("Content-Type", "application/json")], lms_state.dump(given))
