# SPDX-License-Identifier: Apache-2.0
"""Discovery documents and key sets of the Entra stand-in, v1 and v2."""

import functools
import re

import idp_jwt
from entra_data import MSA
from entra_error import Refused, json_error
from entra_state import GUID, SHARED
from idp_http import Answer
from idp_jwt import compact

_CLAIMS_V2 = ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name",
              "cloud_graph_host_name", "msgraph_host", "aud", "exp", "iat", "auth_time", "acr",
              "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"]
_CLAIMS_V1 = ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name",
              "cloud_graph_host_name", "msgraph_host", "aud", "exp", "iat", "auth_time", "acr",
              "amr", "nonce", "email", "given_name", "family_name", "nickname"]
_HEADERS = [("Content-Type", "application/json; charset=utf-8"),
            ("Cache-Control", "max-age=86400, private"), ("Access-Control-Allow-Origin", "*")]
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]*\Z")


def routes(entra):
    step = functools.partial
    tail = r"/\.well-known/openid-configuration"
    return [
        ("GET", r"/common/discovery/instance", step(instance, entra)),
        ("GET", r"/([^/]+)/v2\.0" + tail, step(document, entra, 2)),
        ("GET", r"/([^/]+)" + tail, step(document, entra, 1)),
        ("GET", r"/([^/]+)/discovery/v2\.0/keys", step(key_set, entra, 2)),
        ("GET", r"/([^/]+)/discovery/keys", step(key_set, entra, 1)),
    ]


def known_tenant(entra, segment):
    """The tenant id, "common" or "organizations"; raises Refused for others."""
    tid = entra.tenant_of(segment)
    if tid is None:
        if not GUID.match(segment) and not (_DOMAIN.match(segment) and "." in segment):
            raise Refused(900023, segment)
        raise Refused(90002, segment)
    return tid


def document(entra, version, request):
    segment = request.match.group(1)
    try:
        tid = known_tenant(entra, segment)
        if version == 1 and tid == "organizations":
            raise Refused(90002, segment)
    except Refused as problem:
        return json_error(entra, problem, request)
    place = segment.lower() if segment.lower() in SHARED else tid
    made = _document(entra, version, tid, place)
    appid = request.arg("appid")
    if appid:
        made["jwks_uri"] += "?appid=" + appid
    for name in entra.settings["discovery_omit"]:
        made.pop(name, None)
    made.update(entra.settings["discovery_add"])
    return Answer(200, _HEADERS, compact(made))


def _document(entra, version, tid, place):
    v1 = version == 1
    base = "%s/%s" % (entra.authority(), place)
    oauth = base + ("/oauth2" if v1 else "/oauth2/v2.0")
    made = {
        "token_endpoint": oauth + "/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt",
                                                  "client_secret_basic"],
        "jwks_uri": base + ("/discovery/keys" if v1 else "/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token",
                                     "token id_token" if v1 else "id_token token"],
        "scopes_supported": ["openid"] if v1 else ["openid", "profile", "email", "offline_access"],
        "issuer": entra.issuer("{tenantid}" if tid in ("common", "organizations") else tid,
                               version),
    }
    if v1:
        made["response_types_supported"].append("token")
        made["microsoft_multi_refresh_token"] = True
    made.update({
        "request_uri_parameter_supported": False,
        "userinfo_endpoint": base + "/openid/userinfo" if v1 else entra.graph() + "/oidc/userinfo",
        "authorization_endpoint": oauth + "/authorize",
        "device_authorization_endpoint": oauth + "/devicecode",
        "http_logout_supported": True, "frontchannel_logout_supported": True,
        "end_session_endpoint": oauth + "/logout",
        "claims_supported": _CLAIMS_V1 if v1 else _CLAIMS_V2,
    })
    if v1:
        made["check_session_iframe"] = oauth + "/checksession"
    settings = entra.settings
    made.update({
        "kerberos_endpoint": base + "/kerberos",
        "tenant_region_scope": entra.tenants[tid]["region"] if tid in entra.tenants else None,
        "cloud_instance_name": settings["cloud_instance_name"],
        "cloud_graph_host_name": settings["cloud_graph_host_name"],
        "msgraph_host": settings["msgraph_host"] or entra.graph().split("//")[1],
        "rbac_url": "https://pas.windows.net",
    })
    return made


def key_set(entra, version, request):
    try:
        tid = known_tenant(entra, request.match.group(1))
    except Refused as problem:
        return json_error(entra, problem, request)
    return Answer(200, _HEADERS, compact({"keys": jwks(entra, version, tid)}))


def jwks(entra, version, tid):
    """The keys; those of personal accounts only where such may sign in."""
    made = []
    for key in entra.keys:
        if not key.published or key.issuer == MSA and tid not in ("common", MSA):
            continue
        numbers = idp_jwt.rsa_jwk(key.key, key.kid)
        row = {"kty": "RSA", "use": "sig", "kid": key.kid, "x5t": key.kid, "n": numbers["n"],
               "e": numbers["e"],
               "x5c": [idp_jwt.base64.b64encode(key.certificate).decode()]}
        if version == 2:
            if key.issuer != MSA:
                row["cloud_instance_name"] = entra.settings["cloud_instance_name"]
            if key.issuer is not None:
                concrete = entra.settings["key_issuer_concrete"] and tid in entra.tenants
                row["issuer"] = entra.issuer(key.issuer if key.issuer != "template" else
                                             tid if concrete else "{tenantid}")
        row.update(entra.settings["key_add"])
        for name in entra.settings["key_omit"]:
            row.pop(name, None)
        if key.kid not in entra.settings["jwks_omit"]:
            made.append(row)
    return made + entra.settings["jwks_add"]


def instance(entra, request):
    """Instance discovery: whether a host is one of ours."""
    asked = request.arg("authorization_endpoint", "")
    parts = asked.split("/")
    if not asked.startswith(entra.authority() + "/"):
        return json_error(entra, Refused(90014, "authorization_endpoint",
                                         error="invalid_instance"), request)
    made = {"tenant_discovery_endpoint": "/".join(parts[:4]) +
            "/v2.0/.well-known/openid-configuration", "api-version": "1.1", "metadata": []}
    return Answer(200, _HEADERS, compact(made))
