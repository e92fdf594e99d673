# SPDX-License-Identifier: Apache-2.0
"""The endpoints of the generic OpenID provider stand-in and its control API."""

import functools
import hashlib
import hmac
import html as markup
import urllib.parse
import uuid

import entra_logout
import entra_state
import idp_forge
import idp_jwt
import oidc_state
import oidc_switches
import oidc_token
from idp_http import Answer, html, json_answer, redirect
from oidc_token import Refused, dump

_NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]


def routes(provider):
    table = [("GET POST", "authorize", authorize), ("GET POST", "token", token),
             ("GET POST", "userinfo", userinfo), ("GET", "jwks", jwks),
             ("GET POST", "logout", logout), ("POST", "introspect", introspect),
             ("POST", "revoke", revoke), ("POST", "par", push), ("GET", "emails", emails)]
    made = [(methods, provider.paths[name].replace(".", r"\."), functools.partial(step, provider))
            for methods, name, step in table]
    return made + [("GET", r"(/realms/campus)?/\.well-known/openid-configuration",
                    functools.partial(discovery, provider))]


def answer(value, status=200, headers=()):
    return Answer(status, _NO_STORE + list(headers), dump(value), "application/json")


def discovery(provider, request):
    settings = provider.settings
    if not settings["oidc"] or (request.match.group(1) or "") != settings["issuer_path"]:
        return html(404, "Not Found", "")
    made = {"issuer": provider.issuer(), "authorization_endpoint": provider.url("authorize"),
            "token_endpoint": provider.url("token"), "jwks_uri": provider.url("jwks"),
            "userinfo_endpoint": provider.url("userinfo"),
            "introspection_endpoint": provider.url("introspect"),
            "revocation_endpoint": provider.url("revoke"),
            "end_session_endpoint": provider.url("logout") if settings["end_session"] else None,
            "pushed_authorization_request_endpoint": provider.url("par") if settings["par"]
            else None,
            "require_pushed_authorization_requests": settings["par_required"] or None,
            "response_types_supported": ["code", "id_token", "code id_token"],
            "response_modes_supported": ["form_post"] if settings["form_post_only"]
            else ["query", "fragment", "form_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [settings["alg"]],
            "token_endpoint_auth_methods_supported": settings["auth_methods"],
            "code_challenge_methods_supported": ["plain", "S256"] if settings["pkce"] else None,
            "authorization_response_iss_parameter_supported": settings["iss_parameter"] is not
            False or None, "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "backchannel_logout_supported": True, "backchannel_logout_session_supported": True,
            "frontchannel_logout_supported": True}
    if settings["profile"] == "apple":
        made["userinfo_endpoint"] = None
        made["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    made.update(oidc_switches.aliases(provider))
    made.update(settings["discovery_add"])
    return answer(oidc_switches.metadata({k: v for k, v in made.items() if v is not None
                                          and k not in settings["discovery_omit"]}, request))


def jwks(provider, request):
    return Answer(200, [("Cache-Control", "max-age=300")],
                  dump(oidc_switches.keys(provider.jwks(), request)), "application/json")


def _back(provider, asked, items):
    settings = provider.settings
    if asked.get("state") is not None:
        items.append(("state", asked["state"]))
    if settings["iss_parameter"]:
        items.append(("iss", "https://evil.test/" if settings["iss_parameter"] == "wrong"
                      else provider.issuer()))
    uri = urllib.parse.urlsplit(asked["redirect_uri"])
    kind = asked.get("response_type", "code")
    mode = asked.get("response_mode") or ("query" if kind == "code" else "fragment")
    if mode == "form_post":
        fields = "\n".join('<input type="hidden" name="%s" value="%s">'
                           % (name, markup.escape(value)) for name, value in items)
        return html(200, "Working", '<form method="post" action="%s">\n%s\n<noscript><button>Go on'
                    "</button></noscript></form>\n<script>document.forms[0].submit();</script>"
                    % (markup.escape(asked["redirect_uri"]), fields), _NO_STORE)
    text = urllib.parse.urlencode(items)
    target = uri._replace(fragment=text) if mode == "fragment" else \
        uri._replace(query="&".join(filter(None, (uri.query, text))))
    return redirect(urllib.parse.urlunsplit(target))


def authorize(provider, request):
    asked = dict(request.query + request.form)
    pushed = None
    if asked.get("request_uri"):
        pushed = provider.pushed.pop(asked["request_uri"], None)
        asked.update(pushed or {})
    known = provider.clients.get(asked.get("client_id"))
    if known is None or not entra_state.redirect_known(
            asked.get("redirect_uri", ""), dict(known, spa_uris=[]),
            provider.settings["any_port_hosts"]):
        return html(400, "Error", "<h1>invalid_request</h1>")
    try:
        return _back(provider, asked, _grant(provider, request, asked, pushed))
    except Refused as problem:
        items = [("error", problem.error)]
        if problem.description:
            items.append(("error_description", problem.description))
        return _back(provider, asked, items)
    except LookupError:
        links = "".join('<li><a href="%s&amp;_user=%s">%s</a></li>' % (
            markup.escape(request.target), name, name) for name in provider.users)
        return html(200, "Sign in", "<h1>Sign in (stand-in)</h1><ul>%s</ul>" % links)


def _grant(provider, request, asked, pushed):
    """The parameters of a success; a LookupError when nobody is signed in yet."""
    settings, scopes = provider.settings, asked.get("scope", "").replace(",", " ").split()
    kinds = asked.get("response_type", "code").split()
    if settings["par_required"] and pushed is None:
        raise Refused("invalid_request", "a pushed request is required")
    if not set(kinds) <= {"code", "id_token"}:
        raise Refused("unsupported_response_type")
    if settings["form_post_only"] and {"name", "email"} & set(scopes) and \
            asked.get("response_mode") != "form_post":
        raise Refused("invalid_request", "response_mode must be form_post")
    name = asked.get("_user") or asked.get("login_hint") or settings["default_user"]
    if asked.get("_error"):
        raise Refused(asked["_error"])
    if asked.get("prompt") == "none" and not settings["default_user"]:
        raise Refused("login_required")
    grant = {"client_id": asked["client_id"], "user": provider.users[name]["name"],
             "scopes": scopes, "nonce": asked.get("nonce"), "auth_time": int(provider.now()),
             "sid": str(uuid.uuid4()), "redirect_uri": asked["redirect_uri"],
             "acr": (asked.get("acr_values") or "0").split(" ")[0],
             "challenge": asked.get("code_challenge"), "offline": asked.get("access_type"),
             "method": asked.get("code_challenge_method", "plain"),
             "until": provider.now() + oidc_state.CODE_LIFE_SEC}
    provider.sessions[grant["sid"]] = grant
    items, code = [], None
    if "code" in kinds:
        code = oidc_state.random_text()
        provider.codes[code] = grant
        items.append(("code", code))
    if "id_token" in kinds:
        fault = provider.token_faults.take("id", "authorize")
        items.append(("id_token", oidc_token.id_token(provider, grant, fault, code=code)))
    if settings["profile"] == "apple" and {"name", "email"} & set(scopes):
        person = provider.users[grant["user"]]
        items.append(("user", dump({"name": {"firstName": person["given_name"],
                                             "lastName": person["family_name"]},
                                    "email": person["email"]})))
    if settings["profile"] == "keycloak":
        items.append(("session_state", grant["sid"]))
    return items


def push(provider, request):
    try:
        known = oidc_token.authenticate(provider, request)
    except Refused as problem:
        return _refusal(provider, request, problem)
    uri = "urn:ietf:params:oauth:request_uri:" + oidc_state.random_text(22)
    provider.pushed[uri] = dict(request.form, client_id=known["client_id"])
    return answer({"request_uri": uri, "expires_in": 60}, 201)


def _refusal(provider, request, problem):
    body = {"error": problem.error}
    if problem.description:
        body["error_description"] = problem.description
    if provider.settings["facebook_errors"]:
        body = {"error": {"message": problem.description or problem.error, "code": 190,
                          "type": "OAuthException", "fbtrace_id": "A1b2"}}
        return answer(body, 400)
    if provider.settings["error_200"]:
        return _encoded(provider, request, {"error": {
            "invalid_grant": "bad_verification_code", "invalid_client":
            "incorrect_client_credentials"}.get(problem.error, problem.error)})
    more = [("WWW-Authenticate", 'Basic realm="stand-in"')] if problem.status == 401 else []
    return answer(body, problem.status, more)


def _encoded(provider, request, body):
    """JSON, or a form where the provider prefers that and JSON was not asked for."""
    if provider.settings["form_encoded"] and \
            "application/json" not in (request.headers.get("Accept") or ""):
        return Answer(200, _NO_STORE, urllib.parse.urlencode(body),
                      "application/x-www-form-urlencoded; charset=utf-8")
    return answer(body)


def token(provider, request):
    kind = request.field("grant_type", "authorization_code")
    try:
        with provider.lock:
            known = oidc_token.authenticate(provider, request)
            if kind == "client_credentials":
                grant = {"client_id": known["client_id"], "user": None, "scopes": [], "sid": None}
            else:
                grant = _redeem(provider, request, known, kind)
            made, fault = _tokens(provider, request, grant, kind)
    except Refused as problem:
        return _refusal(provider, request, problem)
    if provider.settings["form_encoded"]:
        return _encoded(provider, request, made)
    return Answer(200, _NO_STORE, idp_forge.answer_text(made, fault), "application/json")


def _renew(provider, text, known):
    if text in provider.spent and provider.settings["reuse_detection"]:
        family = provider.spent[text]
        provider.reused += 1
        for one in [t for t, g in provider.refresh.items() if g.get("family") == family]:
            del provider.refresh[one]
    grant = provider.refresh.get(text)
    if grant is None or grant["client_id"] != known["client_id"]:
        raise Refused("invalid_grant")
    if provider.settings["rotate_refresh"]:
        del provider.refresh[text]
        provider.spent[text] = grant["family"]
    return dict(grant, nonce=None)


def _redeem(provider, request, known, kind):
    if kind == "refresh_token":
        return _renew(provider, request.field("refresh_token"), known)
    if kind != "authorization_code":
        raise Refused("unsupported_grant_type")
    grant = provider.codes.pop(request.field("code"), None)
    if grant is None or grant["client_id"] != known["client_id"] or \
            grant["until"] <= provider.now() or \
            grant["redirect_uri"] != request.field("redirect_uri"):
        raise Refused("invalid_grant")
    verifier = request.field("code_verifier")
    if not provider.settings["pkce"]:
        if verifier is not None:
            raise Refused("invalid_request", "code_verifier is not known here")
        return grant
    proof = verifier or ""
    if grant["method"] == "S256":
        proof = idp_jwt.b64u(hashlib.sha256(proof.encode()).digest())
    if (grant["challenge"] is None) != (verifier is None) or \
            grant["challenge"] is not None and not hmac.compare_digest(proof, grant["challenge"]):
        raise Refused("invalid_grant", "PKCE")
    return grant


def _tokens(provider, request, grant, kind):
    settings = provider.settings
    text = oidc_state.random_text()
    provider.access[text] = dict(grant, until=provider.now() + settings["access_life"])
    made = {"access_token": text, "token_type": "Bearer", "expires_in": settings["access_life"],
            "scope": ("," if settings["form_encoded"] else " ").join(grant["scopes"])}
    if settings["form_encoded"]:
        del made["expires_in"]
    wanted = {"offline_access": "offline_access" in grant["scopes"], "always": True,
              "offline": grant.get("offline") == "offline"}.get(settings["refresh"], False)
    if grant["user"] and wanted and (kind != "refresh_token" or settings["rotate_refresh"]):
        made["refresh_token"] = oidc_state.random_text()
        grant.setdefault("family", made["refresh_token"])
        provider.refresh[made["refresh_token"]] = grant
    fault = provider.token_faults.take("id", kind)
    if settings["oidc"] and grant["user"] and "openid" in grant["scopes"]:
        made["id_token"] = oidc_token.id_token(provider, grant, fault, text)
    made.update(settings["answer_add"])
    if kind == "refresh_token":
        made = {k: v for k, v in made.items() if k not in settings["refresh_drop"]}
    return made, fault


def _bearer(provider, request):
    kind, _, text = (request.headers.get("Authorization") or "").partition(" ")
    if kind.lower() not in ("bearer", "token"):
        text = request.arg("access_token") or request.field("access_token")
    grant = provider.access.get(text)
    if grant is None or grant["until"] <= provider.now() or not grant["user"]:
        return None, text
    return grant, text


def userinfo(provider, request):
    grant, text = _bearer(provider, request)
    settings = provider.settings
    if grant is None:
        if settings["facebook_errors"]:
            return _refusal(provider, request, Refused("invalid_token"))
        return answer({"error": "invalid_token"}, 401,
                      [("WWW-Authenticate", 'Bearer error="invalid_token"')])
    person = provider.users[grant["user"]]
    if settings["profile"] == "facebook":
        return _facebook(provider, request, person, text, grant)
    if settings["profile"] == "github":
        if not request.headers.get("User-Agent"):
            return html(403, "Forbidden", "User-Agent missing")
        return answer(dict({"login": person["name"], "id": int(person["sub"]), "email": None,
                            "name": person["given_name"] + " " + person["family_name"]},
                           **settings["userinfo_add"]))
    made = dict({"sub": person["sub"]}, **profile_of(person, grant))
    made.update(settings["userinfo_add"])
    made = {k: v for k, v in made.items() if v is not None}
    if settings["userinfo_jwt"]:
        made.update({"iss": provider.issuer(), "aud": grant["client_id"]})
        fault = provider.token_faults.take("userinfo")
        return Answer(200, _NO_STORE, oidc_token.signed(provider, made, fault), "application/jwt")
    return answer(made)


def profile_of(person, grant):
    return oidc_token.profile_claims(person, grant["scopes"])


def _facebook(provider, request, person, text, grant):
    """Only the fields asked for, and the proof of the app's secret where it is given."""
    proof = request.arg("appsecret_proof")
    secret = provider.clients[grant["client_id"]]["secret"] or ""
    right = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    if proof is not None and not hmac.compare_digest(proof, right):
        return _refusal(provider, request, Refused("x", "Invalid appsecret_proof"))
    known = {"id": person["sub"], "name": person["given_name"] + " " + person["family_name"],
             "first_name": person["given_name"], "last_name": person["family_name"],
             "email": person["email"]}
    fields = (request.arg("fields") or "id,name").split(",")
    made = {name: known[name] for name in fields if known.get(name) is not None}
    return answer(dict(made, **provider.settings["userinfo_add"]))


def emails(provider, request):
    grant, _ = _bearer(provider, request)
    if grant is None or provider.settings["profile"] != "github":
        return answer({"message": "Requires authentication"}, 401)
    person = provider.users[grant["user"]]
    return answer([{"email": "old@example.com", "primary": False, "verified": False}] +
                  [{"email": person["email"], "primary": True,
                    "verified": person["email_verified"]}] * (person["email"] is not None))


def introspect(provider, request):
    try:
        oidc_token.authenticate(provider, request)
    except Refused as problem:
        return _refusal(provider, request, problem)
    grant = provider.access.get(request.field("token"))
    if grant is None or grant["until"] <= provider.now():
        return answer({"active": False})
    person = provider.users.get(grant["user"])
    return answer({"active": True, "client_id": grant["client_id"], "exp": int(grant["until"]),
                   "scope": " ".join(grant["scopes"]), "token_type": "Bearer",
                   "sub": person["sub"] if person else grant["client_id"]})


def revoke(provider, request):
    try:
        oidc_token.authenticate(provider, request)
    except Refused as problem:
        return _refusal(provider, request, problem)
    for table in (provider.access, provider.refresh):
        table.pop(request.field("token"), None)
    return Answer(200, _NO_STORE)


def logout(provider, request):
    asked = dict(request.query + request.form)
    uri = asked.get("post_logout_redirect_uri")
    if not uri or not (asked.get("id_token_hint") or asked.get("client_id")):
        return html(200, "Sign out", "<h1>Do you want to sign out? (stand-in)</h1>")
    if asked.get("state"):
        uri += ("&" if "?" in uri else "?") + urllib.parse.urlencode({"state": asked["state"]})
    return redirect(uri)


# control API

def control(provider, site):
    wrap = functools.partial

    def reset(_request):
        provider.reset()
        site.faults.clear()
        site.recorder.clear()
        return json_answer({"ok": True})

    return [("POST", r"/_ctl/reset", reset),
            ("GET POST", r"/_ctl/config", wrap(_config, provider)),
            ("POST", r"/_ctl/user", wrap(_user, provider)),
            ("GET POST", r"/_ctl/users", wrap(_rows, provider, "users", "name")),
            ("GET POST", r"/_ctl/clients", wrap(_rows, provider, "clients", "client_id")),
            ("POST", r"/_ctl/fault", wrap(_fault, provider)),
            ("GET", r"/_ctl/faults", lambda _: json_answer(sorted(provider.token_faults.named))),
            ("POST", r"/_ctl/backchannel", wrap(_backchannel, provider)),
            ("GET", r"/_ctl/state", lambda _: json_answer({
                "issuer": provider.issuer(), "sessions": list(provider.sessions),
                "refresh": len(provider.refresh), "reused": provider.reused,
                "paths": {k: provider.url(k) for k in provider.paths}}))]


def _config(provider, request):
    if request.method == "POST":
        given = request.json()
        unknown = set(given) - set(oidc_state.SETTINGS)
        if unknown:
            raise ValueError("unknown settings: %s" % sorted(unknown))
        provider.settings.update(given)
    return json_answer(provider.settings)


def _user(provider, request):
    provider.settings["default_user"] = request.json()["default"]
    return json_answer({"ok": True})


def _rows(provider, what, key, request):
    table = getattr(provider, what)
    if request.method == "POST":
        given = request.json()
        name = given[key]
        make = {"users": lambda: oidc_state.user(name, name.title(), "New"),
                "clients": lambda: oidc_state.client(name, "")}[what]
        entra_state.change_row(table, name, given, make)
    return json_answer(list(table.values()))


def _fault(provider, request):
    given = request.json()
    for one in given if isinstance(given, list) else [given]:
        provider.token_faults.add(one)
    return json_answer({"ok": True})


def _backchannel(provider, request):
    """{"sid", "fault": {...}, "url": ...}: a logout token to the client of the session (or the
    newest one), and what came back."""
    given = request.json()
    sid = given.get("sid") or list(provider.sessions)[-1]
    grant = provider.sessions[sid]
    url = given.get("url") or provider.clients[grant["client_id"]]["backchannel_uri"]
    text = oidc_token.logout_token(provider, grant,
                                   provider.token_faults.check(given.get("fault", {})))
    return json_answer(dict(entra_logout.call(url, {"logout_token": text}), token=text))
