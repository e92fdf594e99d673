# SPDX-License-Identifier: Apache-2.0
"""Who may ask the Graph stand-in, and how it says no: tokens, scopes, throttling, claims challenge.

Each call of Graph goes through call(): it finds the token, checks it and gives the answer the
headers that Graph's answers have.
"""

import base64
import functools
import json
import time

import entra_data
import idp_wire
from entra_data import MSA
from entra_state import new_guid
from idp_http import Answer, endpoint_of

JSON_TYPE = ("application/json;odata.metadata=minimal;odata.streaming=true;"
             "IEEE754Compatible=false;charset=utf-8")


class Denied(Exception):
    """An error of Graph's: status, code, message, further headers."""

    def __init__(self, status, code, message, headers=()):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message
        self.headers = list(headers)


NO_RIGHT = (403, "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.")
INVALID = "InvalidAuthenticationToken"


def step(entra, function):
    return functools.partial(call, entra, function)


def call(entra, function, request):
    ids = [("request-id", new_guid()),
           ("client-request-id", request.headers.get("client-request-id") or new_guid())]
    try:
        with entra.lock:
            _refuse(entra, request)
            token = _token(entra, request)
            answer = function(entra, request, token)
    except Denied as problem:
        answer = _error(entra, problem, ids)
    answer.headers += ids + [
        ("Cache-Control", "no-cache"), ("Strict-Transport-Security", "max-age=31536000"),
        ("x-ms-ags-diagnostic", '{"ServerInfo":{"DataCenter":"North Europe","Slice":"E",'
         '"Ring":"4","ScaleUnit":"002","RoleInstance":"DB5PEPF00000001"}}')]
    answer.chunked = entra.settings["graph_chunked"]
    return answer


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def answer_json(value, status=200):
    return Answer(status, [("Content-Type", JSON_TYPE)], dump(value))


def _error(entra, problem, ids):
    inner = {"date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(entra.now()))}
    inner.update(dict(ids))
    body = {"error": {"code": problem.code, "message": problem.message,
                      entra.settings["error_key"]: inner}}
    return Answer(problem.status, [("Content-Type", "application/json")] + problem.headers,
                  dump(body))


def _refuse(entra, request):
    """Raises the error that a test asked for (POST /_ctl/graph)."""
    for wanted in entra.graph_refusals:
        if not idp_wire.named_by(wanted.get("endpoint", "*"), endpoint_of(request.path)):
            continue
        if wanted.get("skip", 0) > 0:
            wanted["skip"] -= 1
            continue
        if wanted.get("count", 1) == 1:
            entra.graph_refusals.remove(wanted)
        elif wanted.get("count", 1) > 1:
            wanted["count"] -= 1
        headers = list(wanted.get("headers", {}).items())
        if wanted.get("retry_after") is not None:
            headers.append(("Retry-After", str(wanted["retry_after"])))
        raise Denied(wanted.get("status", 429), wanted.get("code", "TooManyRequests"),
                     wanted.get("message", "Too many requests."), headers)


def _token(entra, request):
    kind, _, text = (request.headers.get("Authorization") or "").partition(" ")
    challenge = [("WWW-Authenticate", 'Bearer realm="", authorization_uri="%s/common/oauth2/'
                  'authorize", client_id="%s"' % (entra.authority(), entra_data.GRAPH_ID))]
    if kind.lower() != "bearer" or not text:
        raise Denied(401, INVALID, "Access token is empty.", challenge)
    token = entra.access.get(text.strip())
    if token is None:
        raise Denied(401, INVALID, "IDX14100: JWT is not well formed, there are no dots (.)."
                     if "." not in text else "Access token validation failure. Invalid signature.",
                     challenge)
    if token["resource"] != "graph":
        raise Denied(401, INVALID, "Access token validation failure. Invalid audience.", challenge)
    if token["until"] <= entra.now():
        raise Denied(401, INVALID, "Lifetime validation failed, the token is expired.", challenge)
    user = entra.users.get(token["user"])
    if token["user"] is not None:
        if user is None or not user["enabled"]:
            raise Denied(401, INVALID, "The user account is disabled.", challenge)
        if token["issued"] <= user["cae_after"]:
            raise Denied(401, INVALID, "Continuous access evaluation resulted in challenge with"
                         " result: InteractionRequired and code:"
                         " TokenIssuedBeforeRevocationTimestamp", [_claims_challenge(user)])
    return token


def _claims_challenge(user):
    """As Graph sends it: authorization_uri without quotes, claims in base64 with padding."""
    claims = '{"access_token":{"nbf":{"essential":true, "value":"%d"}}}' % int(user["cae_after"])
    return ("WWW-Authenticate", 'Bearer realm="", authorization_uri=https://login.microsoftonline'
            '.com/common/oauth2/authorize, client_id="%s", error="insufficient_claims",'
            ' claims="%s", errorDescription="Continuous access evaluation resulted in claims'
            ' challenge with result: InteractionRequired and code:'
            ' TokenIssuedBeforeRevocationTimestamp"'
            % (entra_data.GRAPH_ID, base64.b64encode(claims.encode()).decode()))


def need(token, *scopes):
    """One of the scopes has to be in the token."""
    if not set(scopes) & set(token["scopes"]):
        raise Denied(*NO_RIGHT)


def subject(entra, request, token):
    """(tenant, account) that the path speaks of: /me, or /users/{id or UPN}."""
    named = request.match.group("user")
    if named is None:
        if token["user"] is None:
            raise Denied(400, "BadRequest",
                         "/me request is only valid with delegated authentication flow.")
        need(token, "User.Read", "User.ReadBasic.All", "User.Read.All", "Directory.Read.All")
        return token["tid"], entra.account(entra.users[token["user"]], token["tid"])
    own = entra.users.get(token["user"])
    for user in entra.users.values():
        account = entra.account(user, token["tid"])
        if account is not None and named.lower() in (account["oid"], account["upn"].lower()):
            if own is None or user["name"] != own["name"]:
                need(token, "User.Read.All", "User.ReadBasic.All", "Directory.Read.All")
            else:
                need(token, "User.Read", "User.Read.All", "Directory.Read.All")
            return token["tid"], account
    raise Denied(404, "Request_ResourceNotFound", "Resource '%s' does not exist or one of its"
                 " queried reference-property objects are not present." % named)


def no_personal(tid):
    if tid == MSA:
        raise Denied(403, "AccessDenied", "This operation is not supported for personal accounts.")
