# SPDX-License-Identifier: Apache-2.0
"""The AADSTS errors of the Entra stand-in: by page, by redirect, as JSON.

A code says its OAuth error and a text here; which answer it becomes is where it happens: a Page is
shown to the person, a Back goes to the redirect URI, a Refused is JSON of the token endpoint.
"""

import html as markup
import re
import time
import uuid

from idp_http import Answer, html
from idp_jwt import compact

# code -> (OAuth error, text). %s is filled in by who raises it.
TABLE = {
    16000: ("interaction_required", "The account has to be chosen."),
    28003: ("invalid_scope", "The scope may not be empty."),
    50001: ("invalid_resource", "The resource %s was not found in the tenant."),
    50011: ("invalid_request", "The redirect URI '%s' is not registered for the application."),
    50013: ("invalid_grant", "The assertion is not valid."),
    50020: ("access_denied", "User account '%s' does not exist in the tenant."),
    50027: ("invalid_client", "The JWT is not valid or malformed."),
    50034: ("invalid_grant", "The user account does not exist in the directory."),
    50055: ("invalid_grant", "The password is expired."),
    50057: ("invalid_grant", "The user account is disabled."),
    50058: ("login_required", "A silent sign-in request was sent but no user is signed in."),
    50059: ("invalid_request", "No tenant-identifying information found."),
    50076: ("interaction_required", "Due to a configuration change you must use multi-factor"
            " authentication to access '%s'."),
    50079: ("interaction_required", "The user has to enroll for multi-factor authentication."),
    50089: ("invalid_grant", "The flow token is expired."),
    50105: ("interaction_required", "The signed in user is not assigned to a role for the app."),
    50126: ("invalid_grant", "Wrong user name or password."),
    50132: ("invalid_grant", "The session is not valid any more."),
    50133: ("invalid_grant", "The session is not valid due to a password change."),
    50147: ("invalid_grant", "A code_verifier was sent, but there was no code_challenge."),
    50158: ("interaction_required", "An external challenge is not satisfied."),
    50173: ("invalid_grant", "The grant is revoked: a fresh sign-in is needed."),
    50194: ("invalid_request", "The application is not multi-tenant: /common is not for it."),
    50196: ("invalid_grant", "A loop of requests was seen."),
    53003: ("access_denied", "Access is blocked by Conditional Access."),
    54005: ("invalid_grant", "The code was already redeemed."),
    65001: ("consent_required", "The user or administrator has not consented to the app."),
    65004: ("access_denied", "User declined to consent to access the app."),
    70000: ("invalid_grant", "The grant is not valid."),
    70001: ("unauthorized_client", "The application is disabled."),
    70003: ("unsupported_grant_type", "The grant type '%s' is not supported."),
    70007: ("invalid_request", "'%s' is no response_mode for this response_type."),
    70008: ("invalid_grant", "The code or refresh token is expired."),
    70011: ("invalid_scope", "The scope '%s' is not valid."),
    70023: ("invalid_request", "The external assertion lives too long or has no iat."),
    70043: ("invalid_grant", "The refresh token is expired by sign-in frequency."),
    90002: ("invalid_tenant", "Tenant '%s' not found."),
    90008: ("invalid_request", "The application needs consent for the resource."),
    90014: ("invalid_request", "The parameter '%s' is missing."),
    90019: ("invalid_request", "No tenant-identifying information found."),
    90023: ("invalid_request", "'%s' is not supported."),
    90027: ("invalid_request", "The v1 endpoint does not serve personal accounts."),
    90055: ("temporarily_unavailable", "The tenant has too many requests."),
    90094: ("access_denied", "An administrator has to consent."),
    90130: ("invalid_request", "The application is for other accounts: /%s is not for it."),
    165000: ("invalid_request", "Invalid request."),
    500011: ("invalid_resource", "The resource principal %s was not found in the tenant."),
    500112: ("invalid_grant", "The redirect URI is another than that of the authorize request."),
    500133: ("invalid_grant", "The assertion is not within its time."),
    500200: ("invalid_request", "Personal accounts are not supported by this application."),
    501481: ("invalid_grant", "The code_verifier does not match the code_challenge."),
    501491: ("invalid_request", "The code_challenge is not valid."),
    650053: ("invalid_scope", "The scope '%s' does not exist on the resource."),
    700003: ("invalid_grant", "The device object was not found."),
    700005: ("invalid_grant", "The code is intended to be used against another tenant."),
    700016: ("unauthorized_client", "Application '%s' was not found in the directory."),
    700021: ("invalid_client", "The assertion is of another application than client_id."),
    700022: ("invalid_scope", "Several resources with .default in one request."),
    700024: ("invalid_client", "The client assertion is not within its time range."),
    700025: ("invalid_client", "A public client must not send a client_assertion or secret."),
    700027: ("invalid_client", "The client assertion failed signature validation: %s."),
    700054: ("unsupported_response_type", "response_type 'id_token' is not enabled."),
    700082: ("invalid_grant", "The refresh token has expired due to inactivity. The token was"
             " issued on %s and was inactive for 90.00:00:00."),
    700084: ("invalid_grant", "The refresh token of a single page app is expired."),
    700211: ("invalid_client", "No federated identity record for the issuer '%s'."),
    700212: ("invalid_client", "No federated identity record for the audience '%s'."),
    700213: ("invalid_client", "No federated identity record for the subject '%s'."),
    901002: ("invalid_request", "The 'resource' request parameter is not supported."),
    900023: ("invalid_request", "'%s' is neither a DNS name nor an id of a tenant."),
    900144: ("invalid_request", "The request must contain the parameter '%s'."),
    900561: ("invalid_request", "The endpoint only accepts POST requests. Received a %s request."),
    7000112: ("unauthorized_client", "The application is disabled."),
    7000114: ("invalid_grant", "The application may not make on-behalf-of calls."),
    7000215: ("invalid_client", "Invalid client secret provided. Ensure the secret is the value"
              " and not its id, for app '%s'."),
    7000218: ("invalid_client", "The request must contain client_assertion or client_secret."),
    7000222: ("invalid_client", "The client secret of app '%s' is expired."),
    9001023: ("invalid_request", "The grant is not supported over /common or /consumers."),
    9002313: ("invalid_grant", "The request is malformed or invalid."),
    9002326: ("invalid_request", "Cross-origin redemption is for single page apps only."),
    9002331: ("invalid_request", "The application is for personal accounts: use /consumers."),
    9002332: ("invalid_request", "The application is not for personal accounts."),
}

_SAFE = re.compile(r"[A-Za-z0-9\-_.!*()]")


class Problem(Exception):
    """One error. `more` are further members of the JSON: suberror, claims, error_codes."""

    def __init__(self, code, given="", error=None, status=None, **more):
        super().__init__(code)
        self.code, self.more = code, more
        default, text = TABLE.get(code, ("invalid_request", "Something is not right."))
        self.error = error or default
        self.text = more.pop("text", None) or (text % given if "%s" in text else text)
        self.status = status or (401 if self.error == "invalid_client" else 400)


class Page(Problem):
    pass


class Back(Problem):
    pass


class Refused(Problem):
    pass


def quote(text):
    """As .NET does it: a plus for a blank, lower-case escapes."""
    made = []
    for char in str(text):
        if _SAFE.match(char):
            made.append(char)
        elif char == " ":
            made.append("+")
        else:
            made += ["%%%02x" % byte for byte in char.encode()]
    return "".join(made)


def encode(pairs):
    return "&".join("%s=%s" % (quote(name), quote(value)) for name, value in pairs)


def described(problem, now, correlation=None):
    """(description, members that the JSON repeats)"""
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))
    trace, correlation = str(uuid.uuid4()), correlation or str(uuid.uuid4())
    text = "AADSTS%d: %s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s" % (
        problem.code, problem.text, trace, correlation, stamp)
    return text, {"timestamp": stamp, "trace_id": trace, "correlation_id": correlation}


def json_error(entra, problem, request=None):
    correlation = request.headers.get("client-request-id") if request is not None else None
    text, repeated = described(problem, entra.now(), correlation)
    body = {"error": problem.error, "error_description": text, "error_codes": [problem.code]}
    body.update(repeated)
    if "suberror" not in problem.more or "claims" not in problem.more:
        body["error_uri"] = "%s/error?code=%d" % (entra.authority(), problem.code)
    body.update({k: v for k, v in problem.more.items() if k != "headers"})
    headers = [("Content-Type", "application/json; charset=utf-8"),
               ("Cache-Control", "no-store, no-cache"), ("Pragma", "no-cache"),
               ("x-ms-request-id", repeated["trace_id"])] + problem.more.get("headers", [])
    return Answer(problem.status, headers, compact(body))


def redirect_items(entra, problem):
    """The parameters of an error that goes back to the redirect URI, without the state."""
    text, _ = described(problem, entra.now())
    items = [("error", problem.error), ("error_description", text),
             ("error_uri", "%s/error?code=%d" % (entra.authority(), problem.code))]
    return items + [(name, problem.more[name]) for name in ("error_subcode", "claims")
                    if name in problem.more]


def page(entra, problem):
    """What the person sees: a page with status 200 and the code in embedded JSON."""
    text, _ = described(problem, entra.now())
    config = compact({"iErrorCode": problem.code, "strServiceExceptionMessage": text})
    return html(200, "Sign in to your account", "<h1>Sorry, but we're having trouble signing you"
                " in.</h1>\n<p>%s</p>\n<script>$Config=%s;</script>"
                % (markup.escape(text), config.replace("<", "\\u003c")))
