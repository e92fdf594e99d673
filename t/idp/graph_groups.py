# SPDX-License-Identifier: Apache-2.0
"""The Graph stand-in: groups of a person, in pages or as ids.

Without GroupMember.Read.All the objects come with their id and nulls. How pages are linked is the
setting next_link: right, foreign (another host), other-port, relative, loop, empty (an empty page
in between), expired (a link that is a 400).
"""

import base64
import json

from graph_access import NO_RIGHT, Denied, answer_json, need, no_personal, step, subject
from graph_me import WHO, selected

_READ_GROUPS = ("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All")
_MEMBERS = ("id", "displayName", "mail", "securityEnabled", "onPremisesSamAccountName",
            "mailEnabled", "description")
_MAX_PAGE = 999
_CHECK_LIMIT = 20


def routes(entra):
    return [
        ("GET", WHO + r"/(?P<kind>memberOf|transitiveMemberOf)"
         r"(?P<cast>/microsoft\.graph\.(?:group|directoryRole|administrativeUnit))?",
         step(entra, member_of)),
        ("POST", WHO + r"/getMemberGroups", step(entra, member_groups)),
        ("POST", WHO + r"/getMemberObjects", step(entra, member_groups)),
        ("POST", WHO + r"/checkMemberGroups", step(entra, check_member_groups)),
    ]


def _number(request, name, default, most):
    text = request.arg(name)
    if text is None:
        return default
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise Denied(400, "Request_BadRequest", "Invalid page size specified: '%s'." % text)
    return int(text)


def _start(request):
    text = request.arg("$skiptoken")
    if text is None:
        return 0
    try:
        mark, number = base64.urlsafe_b64decode(text).decode().split(":")
        if mark == "RSPage":
            return int(number)
    except ValueError:
        pass
    raise Denied(400, "Directory_ExpiredPageToken", "The specified page token value has expired.")


def member_of(entra, request, token):
    tid, account = subject(entra, request, token)
    no_personal(tid)
    cast = (request.match.group("cast") or "").rpartition(".")[2]
    rows = [row for row in entra.group_rows(account, request.match.group("kind") != "memberOf")
            if not cast or row["kind"] == cast]
    if cast and (request.arg("$filter") or request.arg("$search") or request.arg("$orderby")) and \
            (request.headers.get("ConsistencyLevel") or "").lower() != "eventual":
        raise Denied(400, "Request_UnsupportedQuery", "The request needs ConsistencyLevel.")
    size = _number(request, "$top", entra.settings["page_size"], _MAX_PAGE)
    start = _start(request)
    end = start + size
    names = selected(request)
    made = {"@odata.context": "%s/v1.0/$metadata#%s%s" % (
        entra.graph(), {"group": "groups", "directoryRole": "directoryRoles",
                        "administrativeUnit": "administrativeUnits"}.get(cast, "directoryObjects"),
        "(%s)" % ",".join(names) if names else "")}
    if (request.arg("$count") or "").lower() == "true" and start == 0:
        made["@odata.count"] = len(rows)
    page, after = rows[start:end], end
    if entra.settings["next_link"] == "empty" and start and "$empty" not in request.target:
        page, after = [], start
    if after < len(rows):
        made["@odata.nextLink"] = _next_link(entra, request, after, after == start)
    full = bool(set(_READ_GROUPS) & set(token["scopes"]))
    made["value"] = [_row(row, names, cast, full) for row in page]
    return answer_json(made)


def _next_link(entra, request, after, empty):
    mode = entra.settings["next_link"]
    mark = "RSLost" if mode == "expired" else "RSPage"
    if mode == "loop":
        after = 0
    skip = base64.urlsafe_b64encode(b"%s:%d" % (mark.encode(), after)).decode()
    query = [part for part in request.raw_query.split("&")
             if part and not part.startswith(("$skiptoken=", "%24skiptoken=", "$empty="))]
    if empty:
        query.append("$empty=1")
    path = "%s?%s" % (request.path, "&".join(query + ["$skiptoken=" + skip]))
    base = {"foreign": entra.settings["foreign"], "other-port": entra.authority(),
            "relative": ""}.get(mode, entra.graph())
    return base + path


def _row(row, names, cast, full):
    members = {"id": row["id"], "displayName": row["displayName"], "mail": row["mail"],
               "securityEnabled": row["securityEnabled"], "mailEnabled": row["mail"] is not None,
               "onPremisesSamAccountName": row["sam"], "description": None}
    made = {} if cast else {"@odata.type": "#microsoft.graph." + row["kind"]}
    for name in names or _MEMBERS:
        if name in members:
            made[name] = members[name] if full or name == "id" else None
    return made


def _asked(request):
    try:
        given = json.loads(request.body or b"{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Denied(400, "BadRequest", "Unable to read JSON request payload.")
    return given


def member_groups(entra, request, token):
    tid, account = subject(entra, request, token)
    no_personal(tid)
    need(token, *_READ_GROUPS)
    only_security = _asked(request).get("securityEnabledOnly")
    objects = request.path.endswith("getMemberObjects")
    rows = [row for row in entra.group_rows(account, True)
            if (objects or row["kind"] == "group") and
            (not only_security or row["securityEnabled"])]
    return answer_json({"@odata.context": entra.graph() + "/v1.0/$metadata#Collection(Edm.String)",
                        "value": [row["id"] for row in rows]})


def check_member_groups(entra, request, token):
    tid, account = subject(entra, request, token)
    no_personal(tid)
    if not set(_READ_GROUPS) & set(token["scopes"]):
        raise Denied(*NO_RIGHT)
    wanted = _asked(request).get("groupIds")
    if not isinstance(wanted, list) or len(wanted) > _CHECK_LIMIT:
        raise Denied(400, "Request_BadRequest", "At most 20 groupIds.")
    mine = {row["id"] for row in entra.group_rows(account, True)}
    return answer_json({"@odata.context": entra.graph() + "/v1.0/$metadata#Collection(Edm.String)",
                        "value": [one for one in wanted if one in mine]})
