# SPDX-License-Identifier: Apache-2.0
"""REST API of the stand-in LMS: who am I, third-party-auth ID mapping, and the 2017 documents."""

import functools
import json
import urllib.parse

import idp_jwt
import lms_claims
import lms_login
from idp_http import Answer, html

API_KEY = "edx-api-key"


class Problem(Exception):
    """An answer of Django REST framework other than 200."""

    def __init__(self, status, body):
        super().__init__(status)
        self.status, self.body = status, body


def routes(lms):
    base = r"/api/third_party_auth/v0"
    wrap = functools.partial
    return [
        ("GET", r"/api/user/v1/me", wrap(_rest, lms, me)),
        ("GET", base + r"/providers/user_status", wrap(_rest, lms, user_status)),
        ("GET", base + r"/providers/([\w.+-]+)(?::[\w.+-]+)?/users", wrap(_rest, lms, mapping)),
        ("GET", base + r"/users/", wrap(_rest, lms, remote_ids)),
        ("GET", r"/oauth2/\.well-known/openid-configuration", wrap(discovery, lms)),
        ("GET", r"/oauth2/jwks\.json", wrap(legacy_jwks, lms)),
    ]


def _rest(lms, step, request):
    try:
        body, status = step(lms, request), 200
    except Problem as problem:
        body, status = problem.body, problem.status
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    headers = [("WWW-Authenticate", 'JWT realm="api"')] if status == 401 else []
    return Answer(status, headers, text, "application/json")


def _detail(status, text):
    return Problem(status, {"detail": text})


# credentials

def jwt_claims(lms, token):
    """Claims of a JWT that edX's own check accepts (leeway 1 s on exp, none on iat)."""
    claims = idp_jwt.verify(token, [key for _, key in lms.keys], lms.hs_secret)
    now = lms.now()
    if claims is None or not isinstance(claims.get("exp"), int) or \
            not isinstance(claims.get("iat"), int):
        return None
    audience = claims.get("aud")
    audience = audience if isinstance(audience, list) else [audience]
    good = claims["exp"] > now and claims["iat"] <= now and claims.get("iss") == lms.issuer() \
        and lms.settings["aud"] in audience
    return claims if good else None


def caller(lms, request, session=False):
    """(user, claims or None) of who asks, by `Authorization: JWT`, `Bearer`, the JWT cookies or,
    where the view takes it, the session."""
    scheme, _, token = (request.headers.get("Authorization") or "").partition(" ")
    if scheme.lower() == "jwt":
        return _by_jwt(lms, token)
    if scheme.lower() == "bearer":
        return _by_bearer(lms, token), None
    names = lms_login.jwt_cookie_names(lms)
    if all(name in request.cookies for name in names):
        claims = jwt_claims(lms, ".".join(request.cookies[name] for name in names))
        if claims is not None and claims.get("preferred_username") in lms.users:
            return lms.users[claims["preferred_username"]], claims
    user = lms_login.session_user(lms, request) if session else None
    if user is None:
        raise _detail(401, "Authentication credentials were not provided.")
    return user, None


def _by_jwt(lms, token):
    claims = jwt_claims(lms, token)
    user = lms.users.get((claims or {}).get("preferred_username"))
    if user is None:
        raise _detail(401, "Invalid token.")
    return user, claims


def _by_bearer(lms, text):
    token = lms.access.get(text)
    if token is None:
        raise _bearer("token_nonexistent",
                      "The provided access token does not match any valid tokens.")
    if token["until"] <= lms.now():
        raise _bearer("token_expired",
                      "The provided access token has expired and is no longer valid.")
    return lms.users[token["username"]]


def _bearer(code, text):
    return Problem(401, {"error_code": code, "developer_message": text})


def me(lms, request):
    return {"username": caller(lms, request, session=True)[0]["username"]}


# ID mapping

def mapping(lms, request):
    provider_id = request.match.group(1)
    user, claims = caller(lms, request)
    restricted = bool(claims and claims.get("is_restricted"))
    if restricted:
        allowed = "tpa:read" in claims.get("scopes", []) and \
            "tpa_provider:" + provider_id in claims.get("filters", [])
    else:
        allowed = user["is_staff"] or user["is_superuser"] or \
            request.headers.get("X-Edx-Api-Key") == API_KEY
    if not allowed:
        raise _detail(403, "You do not have permission to perform this action.")
    if "-" not in provider_id:
        raise ValueError("provider id without a dash")      # the LMS's own 500
    provider = lms.providers.get(provider_id)
    if provider is None:
        raise _detail(404, "Not found.")
    return _page(lms, request, _rows(request, provider))


def _wanted(request, name):
    return [word for word in ",".join(request.args(name)).split(",") if word]


def _rows(request, provider):
    """Linked accounts: of the users and ids asked for, or all. An LTI id is not given its prefix
    in a filter, a SAML id is."""
    names = set(_wanted(request, "username"))
    prefix = provider["prefix"] if provider["id"].startswith("saml-") else ""
    uids = {prefix + text for text in _wanted(request, "remote_id")}
    cut = len(provider["prefix"])
    return [{"username": name, "remote_id": uid[cut:]} for name, uid in provider["links"]
            if not (names or uids) or name in names or uid in uids]


def _page(lms, request, rows):
    size_text = request.arg("page_size") or ""
    size = min(int(size_text), 100) if size_text.isdigit() and int(size_text) > 0 else 10
    pages = max(1, -(-len(rows) // size))
    page_text = request.arg("page") or "1"
    page = pages if page_text == "last" else int(page_text) if page_text.isdigit() else 0
    if not 1 <= page <= pages:
        raise _detail(404, "Invalid page.")
    start = (page - 1) * size
    return {"next": _link(lms, request, page + 1) if page < pages else None,
            "previous": _link(lms, request, page - 1) if page > 1 else None,
            "count": len(rows), "num_pages": pages, "current_page": page, "start": start,
            "results": rows[start:start + size]}


def _link(_lms, request, page):
    query = [(k, v) for k, v in request.query if k != "page"]
    if page > 1:
        query.append(("page", str(page)))
    query.sort(key=lambda pair: pair[0])    # Django REST framework sorts the parameters by name
    text = urllib.parse.urlencode(query)
    url = "%s://%s%s" % (request.scheme, request.host, request.path)
    return url + "?" + text if text else url


def _links_of(lms, username):
    for provider in lms.providers.values():
        for name, uid in provider["links"]:
            if name == username:
                yield provider, uid[len(provider["prefix"]):]


def remote_ids(lms, request):
    """The remote ids of one user, for that user, a superuser or the holder of the API key."""
    address, name = request.arg("email"), request.arg("username")
    if not address and not name:
        raise Problem(400, ["Must provide one of ['email', 'username']"])
    with_key = request.headers.get("X-Edx-Api-Key") == API_KEY
    asking = None if with_key else caller(lms, request, session=True)[0]
    user = next((u for u in lms.users.values()
                 if (u["email"] == address if address else u["username"] == name)), None)
    privileged = with_key or asking["is_superuser"]
    if not privileged and (user is None or user is not asking):
        raise Problem(403, None)
    if user is None:
        raise Problem(404, None)
    return {"active": [{"provider_id": provider["id"], "name": provider["name"], "remote_id": rid}
                       for provider, rid in _links_of(lms, user["username"])]}


def user_status(lms, request):
    user = caller(lms, request, session=True)[0]
    linked = {provider["id"] for provider, _ in _links_of(lms, user["username"])}
    return [{"id": pid, "name": provider["name"], "connected": pid in linked,
             "connect_url": "/auth/login/%s/?auth_entry=account_settings" % pid.split("-", 1)[1],
             "accepts_logins": not pid.startswith("lti-"),
             "disconnect_url": "/auth/disconnect/%s/?" % pid.split("-", 1)[1]}
            for pid, provider in lms.providers.items()]


# what an LMS of 2017 and 2018 published; there is none of it in an LMS of today

def _not_found():
    return html(404, "Page not found", "<h1>Page not found</h1>")


def discovery(lms, _request):
    if not lms.settings["legacy_discovery"]:
        return _not_found()
    root, issuer = lms.roots["public"], lms.issuer()
    document = {
        "issuer": issuer, "authorization_endpoint": root + "/oauth2/authorize",
        "token_endpoint": root + "/oauth2/access_token", "end_session_endpoint": root + "/logout",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "access_token_signing_alg_values_supported": ["RS512", "HS256"],
        "scopes_supported": ["openid", "profile", "email"],
        "claims_supported": ["sub", "iss", "name", "given_name", "family_name", "email"],
        "jwks_uri": root + "/oauth2/jwks.json"}
    return Answer(200, [], idp_jwt.compact(document), "application/json")


def legacy_jwks(lms, _request):
    if not lms.settings["legacy_discovery"]:
        return _not_found()
    keys = []
    for key in lms_claims.jwks_of_shape(lms, "plain")["keys"]:
        keys.append({"kid": key["kid"], "e": key["e"], "kty": "RSA", "use": "sig", "alg": "RS512",
                     "n": key["n"]})
    return Answer(200, [], idp_jwt.compact({"keys": keys}), "application/json")
