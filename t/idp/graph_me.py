# SPDX-License-Identifier: Apache-2.0
"""The Graph stand-in: profile, photo, organization, userinfo."""

import re
import zlib

import entra_claims
import entra_data
from entra_data import MSA
from graph_access import Denied, answer_json, dump, need, step, subject
from idp_http import Answer

WHO = r"/v1\.0/(?:me|users/(?P<user>[^/]+))"

# members that come without $select, in Graph's order
_DEFAULT = ("businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone",
            "officeLocation", "preferredLanguage", "surname", "userPrincipalName", "id")
_MORE = ("department", "companyName", "employeeId", "onPremisesSamAccountName", "userType",
         "proxyAddresses")
_SIZES = (48, 64, 96, 120, 240, 360, 432, 504, 648)


def authority_routes(entra):
    """The userinfo endpoint that v1 metadata names is at the authority."""
    return [("GET POST", r"/[^/]+/openid/userinfo", step(entra, userinfo))]


def routes(entra):
    return [
        ("GET", WHO, step(entra, me)),
        ("GET", WHO + r"/photo", step(entra, photo)),
        ("GET", WHO + r"/photo/\$value", step(entra, photo_value)),
        ("GET", WHO + r"/photos/(?P<size>\d+)x\d+/\$value", step(entra, photo_value)),
        ("POST", WHO + r"/revokeSignInSessions", step(entra, revoke)),
        ("GET", r"/v1\.0/organization", step(entra, organization)),
        ("GET POST", r"/oidc/userinfo", step(entra, userinfo)),
    ]


def _members(account):
    made = {"userPrincipalName": account["upn"], "id": account["oid"],
            "accountEnabled": account["enabled"]}
    made.update({name: account[name] for name in _DEFAULT + _MORE if name in account})
    return made


def selected(request):
    text = request.arg("$select")
    return [name.strip() for name in text.split(",") if name.strip()] if text else None


def me(entra, request, token):
    _, account = subject(entra, request, token)
    members, names = _members(account), selected(request)
    context = "%s/v1.0/$metadata#users" % entra.graph()
    if names is None:
        made = {"@odata.context": context + "/$entity"}
        made.update({name: members[name] for name in _DEFAULT})
        return answer_json(made)
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise Denied(400, "BadRequest", "Parsing OData Select and Expand failed.")
    made = {"@odata.context": "%s(%s)/$entity" % (context, ",".join(names))}
    made.update({name: members[name] for name in names if name in members})
    return answer_json(made)


def _picture(entra, request, token):
    tid, account = subject(entra, request, token)
    picture = account["photo"]
    if picture is None:
        code = "ConsumerPhotoIsNotSupported" if tid == MSA else entra.settings["photo_missing"]
        raise Denied(404, code, "Exception of type 'Microsoft.Fast.Profile.Core.Exception."
                     "ImageNotFoundException' was thrown.")
    return tid, picture


def photo(entra, request, token):
    tid, picture = _picture(entra, request, token)
    if tid == MSA:
        raise Denied(404, "ConsumerPhotoIsNotSupported", "Not for personal accounts.")
    size = picture["size"]
    return answer_json({
        "@odata.context": "%s/v1.0/$metadata#Me/photo/$entity" % entra.graph(),
        "@odata.mediaContentType": picture["type"], "@odata.mediaEtag": _etag(picture),
        "id": "%dx%d" % (size, size), "width": size, "height": size})


def photo_value(entra, request, token):
    _, picture = _picture(entra, request, token)
    size = picture["size"]
    wanted = request.match.groupdict().get("size")
    if wanted is not None:
        if int(wanted) not in _SIZES:
            raise Denied(400, "BadRequest", "The size is not supported.")
        size = min(size, int(wanted))       # a smaller one than asked for may come
    etag = _etag(picture)
    return Answer(200, [("Content-Type", picture["type"]), ("ETag", etag)],
                  entra_data.photo_bytes(picture, size))


def _etag(picture):
    return '"%08X"' % zlib.crc32(repr(sorted(picture.items())).encode())


def revoke(entra, request, token):
    _, account = subject(entra, request, token)
    need(token, "User.RevokeSessions.All")
    entra.users[account["name"]]["revoked_before"] = entra.now()
    return answer_json({"@odata.context": "%s/v1.0/$metadata#Edm.Boolean" % entra.graph(),
                        "value": True})


def organization(entra, request, token):
    need(token, "User.Read", "Organization.Read.All", "Directory.Read.All")
    tenant = entra.tenants[token["tid"]]
    row = {"id": tenant["tid"], "displayName": tenant["name"], "verifiedDomains": [
        {"name": name, "isDefault": n == 0, "isInitial": n == 0, "type": "Managed"}
        for n, name in enumerate(tenant["domains"])]}
    names, context = selected(request), "%s/v1.0/$metadata#organization" % entra.graph()
    if names is not None:
        row = {name: row[name] for name in names if name in row}
        context += "(%s)" % ",".join(names)
    return answer_json({"@odata.context": context, "value": [row]})


def userinfo(entra, _request, token):
    if token["user"] is None or "openid" not in token["scopes"]:
        raise Denied(403, "AccessDenied", "The token has no scope openid.")
    user, app = entra.users[token["user"]], entra.apps[token["client_id"]]
    account = entra.account(user, token["tid"])
    made = {"sub": entra_claims.subject_of(app, token["tid"], account["oid"])}
    if token["tid"] != MSA:
        more = {}
        if "profile" in token["scopes"]:
            more = {"name": account["displayName"], "family_name": account["surname"],
                    "given_name": account["givenName"],
                    "picture": "%s/v1.0/me/photo/$value" % entra.graph()}
        if "email" in token["scopes"]:
            more["email"] = user["mail"]
        made.update({name: value for name, value in more.items() if value is not None})
    made.update(entra.settings["userinfo_add"])
    made = {name: value for name, value in made.items() if value is not None}
    return Answer(200, [("Content-Type", "application/json; charset=utf-8")], dump(made))
