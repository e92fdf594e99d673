# SPDX-License-Identifier: Apache-2.0
"""What the tokens of the Entra stand-in say: id_tokens v1 and v2, access tokens, and their faults.

A grant is a dict with client_id, user, tid (of the sign-in), scopes, version, nonce, sid, mfa,
auth_time; see entra_authorize.py, which makes the first one.
"""

import hashlib
import uuid

import entra_data
import entra_state
import idp_forge
import idp_jwt
from entra_data import GRAPH, GRAPH_ID, MSA

OIDC = ("openid", "profile", "email", "offline_access")
OTHER_TENANT = entra_data.FABRIKAM

# Members of a fault beyond idp_forge.KNOWN: `version` of the id_token, `groups` (so many ids),
# `group_overage` ("graph" or "hasgroups"), `opaque` (the access token is none)
KNOWN_FAULTS = {"version", "groups", "group_overage", "opaque"}

NAMED_FAULTS = {
    # Entra's own algorithm set: "@" words are filled in by claims_words()
    "key-other-tenant": {"key": "fixed"}, "key-msa": {"key": "msa"},
    "key-unpublished": {"key": "unpublished"}, "previous-key": {"key": "previous"},
    "iss-other-tenant": {"claims": {"iss": "@iss-other"}},
    "iss-and-tid-other-tenant": {"claims": {"iss": "@iss-other", "tid": "@tid-other"}},
    "iss-msa": {"claims": {"iss": "@iss-msa", "tid": MSA}},
    "iss-template": {"claims": {"iss": "@iss-template"}},
    "iss-and-tid-template": {"claims": {"iss": "@iss-template", "tid": "{tenantid}"}},
    "iss-v1": {"claims": {"iss": "@iss-v1"}}, "iss-upper": {"claims": {"iss": "@iss-upper"}},
    "tid-other-tenant": {"claims": {"tid": "@tid-other"}},
    "tid-missing": {"remove": ["tid"]}, "tid-not-guid": {"claims": {"tid": "contoso.com"}},
    "tid-path": {"claims": {"tid": "../x"}}, "tid-number": {"claims": {"tid": 7}},
    "tid-duplicate": {"members_raw": '"TID":"@tid-other"'},
    "tid-upper": {"claims": {"tid": "@tid-upper"}},
    "oid-missing": {"remove": ["oid"]}, "oid-empty": {"claims": {"oid": ""}},
    "oid-not-guid": {"claims": {"oid": "x y"}},
    "v1-token": {"version": 1}, "v2-token": {"version": 2},
    "ver-missing": {"remove": ["ver"]}, "ver-3": {"claims": {"ver": "3.0"}},
    "groups-0": {"groups": 0}, "groups-199": {"groups": 199}, "groups-200": {"groups": 200},
    "groups-201": {"groups": 201}, "groups-1500": {"groups": 1500},
    "groups-string": {"claims": {"groups": "one"}}, "groups-null": {"claims": {"groups": None}},
    "groups-numbers": {"claims": {"groups": [1, 2]}},
    "overage": {"group_overage": "graph"}, "hasgroups": {"group_overage": "hasgroups"},
    "hasgroups-string": {"group_overage": "hasgroups-string"},
    "overage-evil": {"claims": {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {
        "endpoint": "http://127.0.0.1:9/evil"}}}, "remove": ["groups"]},
    "roles-string": {"claims": {"roles": "Staff"}},
    "guest": {"claims": {"idp": "https://sts.windows.net/%s/" % OTHER_TENANT, "acct": 1},
              "remove": ["upn"]},
    "guest-live": {"claims": {"idp": "live.com", "acct": 1}, "remove": ["upn"]},
    "guest-by-acct": {"claims": {"acct": 1}}, "guest-acct-string": {"claims": {"acct": "1"}},
    "edov-string": {"claims": {"xms_edov": "1"}},
    "username-missing": {"remove": ["preferred_username", "upn", "unique_name"]},
    "name-missing": {"remove": ["name"]},
    "opaque": {"for": "access", "opaque": True},
}


def claims_words(entra, tid):
    """What the "@" words of a fault stand for."""
    issuer = entra.issuer(tid)
    return {"@iss-other": entra.issuer(OTHER_TENANT if tid != OTHER_TENANT else entra_data.CONTOSO),
            "@tid-other": OTHER_TENANT if tid != OTHER_TENANT else entra_data.CONTOSO,
            "@tid-upper": tid.upper(), "@iss-upper": issuer.replace(tid, tid.upper()),
            "@iss-msa": entra.issuer(MSA), "@iss-template": entra.issuer("{tenantid}"),
            "@iss-v1": entra.issuer(tid, 1)}


def _times(entra, life):
    start = int(entra.now()) - entra.settings["back_date"]
    return {"iat": start, "nbf": start, "exp": start + life}


def _opaque(text, length=22):
    return idp_jwt.b64u(hashlib.sha512(text.encode()).digest())[:length]


def _sorted(head, rest):
    """The claims in Entra's order: the head, the rest by name; those that are None are left out."""
    made = dict(head)
    made.update({k: rest[k] for k in sorted(rest) if rest[k] is not None})
    return made


def id_claims(entra, grant, fault=None, from_authorize=False):
    fault = fault or {}
    app, user = entra.apps[grant["client_id"]], entra.users[grant["user"]]
    tid = grant["tid"]
    account = entra.account(user, tid)
    version = fault.get("version", grant["version"])
    scopes, personal = grant["scopes"], tid == MSA
    profile = version == 1 or "profile" in scopes
    head = {"aud": app["client_id"], "iss": entra.issuer(tid, version)}
    head.update(_times(entra, entra.settings["id_life"]))
    rest = {
        "aio": "AVQAq/8T" + _opaque("aio" + str(head["iat"]), 60), "tid": tid,
        "rh": "1.ATkA" + _opaque("rh" + tid, 40) + ".", "ver": "%d.0" % version,
        "sub": subject_of(app, tid, account["oid"]), "uti": entra_state.random_text(22),
        "nonce": grant.get("nonce"), "idp": account["idp"],
        "roles": account["roles"] or None if not personal else None,
        "oid": account["oid"] if profile else None,
        "name": account["displayName"] if profile else None,
    }
    if version == 2:
        rest["preferred_username"] = user["mail"] or user["upn"] if profile else None
        rest["puid"] = "1003" + _opaque(account["oid"], 12).upper() if profile else None
        rest["email"] = user["mail"] if "email" in scopes else None
    else:
        rest.update({"amr": ["pwd", "mfa"] if grant.get("mfa") else ["pwd"],
                     "family_name": account["surname"], "given_name": account["givenName"],
                     "ipaddr": "192.0.2.1", "unique_name": user["upn"],
                     "upn": None if account["guest"] else user["upn"],
                     "email": user["mail"] if account["guest"] else None})
    if grant.get("max_age"):
        rest["auth_time"] = grant["auth_time"]
    for name in app["optional_claims"]:
        if rest.get(name) is None:
            rest[name] = _optional(name, grant, account, user)
    if not personal:
        _add_groups(entra, rest, app, account, fault, from_authorize)
    return _sorted(head, rest)


def subject_of(app, tid, oid):
    text = entra_state.subject(app["client_id"], tid, oid)
    return "AAAAAAAAAAAAAAAAAAAAA" + text[21:] if tid == MSA else text


def _optional(name, grant, account, user):
    profile = grant["version"] == 1 or "profile" in grant["scopes"]
    upn = user["upn"] if not account["guest"] else None
    table = {
        "acct": int(account["guest"]), "sid": grant["sid"], "auth_time": grant["auth_time"],
        "login_hint": entra_state.login_hint(user), "email": user["mail"],
        "upn": upn if profile else None, "given_name": account["givenName"],
        "family_name": account["surname"], "xms_edov": user["edov"], "ctry": user["ctry"],
        "tenant_ctry": "US", "wids": account["wids"] or None, "acrs": ["c1"] if grant.get("mfa")
        else None, "ipaddr": "192.0.2.1", "in_corp": True,
        "verified_primary_email": [user["mail"]] if user["mail"] else None,
        "onprem_sid": "S-1-5-21-1-2-3-1001", "xms_pl": user["preferredLanguage"],
    }
    if name == "include_externally_authenticated_upn":
        return account["upn"]
    if name.startswith("extn."):
        return account["extensions"].get(name)
    return table.get(name)


def group_names(entra, app, account):
    """The `groups` claim in full, as the app asks for it."""
    rows = entra.group_rows(account, True)
    kind = app["group_claims"]
    wanted = [row for row in rows if row["kind"] == "group" and
              (kind == "All" or row["securityEnabled"])]
    if kind == "ApplicationGroup" and app["groups_assigned"] is not None:
        wanted = [row for row in wanted if row["id"] in app["groups_assigned"] or
                  row["displayName"] in app["groups_assigned"]]
    form = {"id": lambda row: row["id"], "sam_account_name": lambda row: row["sam"],
            "dns_domain_and_sam_account_name": lambda row: "contoso.com\\" + row["sam"],
            "netbios_domain_and_sam_account_name": lambda row: "CONTOSO\\" + row["sam"],
            "cloud_displayname": lambda row: row["displayName"]}[app["group_format"]]
    return [form(row) for row in wanted]


def _add_groups(entra, rest, app, account, fault, from_authorize):
    names = group_names(entra, app, account) if app["group_claims"] else []
    if "groups" in fault:
        names = [entra_data.guid("group bulk-%04d" % n) for n in range(1, fault["groups"] + 1)]
    overage = fault.get("group_overage")
    if overage is None and from_authorize and len(names) > 5:
        overage = "hasgroups"
    elif overage is None and "groups" not in fault and \
            len(names) > entra.settings["group_limit"]:
        overage = "graph"
    if overage == "graph":
        rest["_claim_names"] = {"groups": "src1"}
        rest["_claim_sources"] = {"src1": {"endpoint": "%s/%s/users/%s/getMemberObjects" % (
            entra.settings["overage_host"], account_tid(rest), account["oid"])}}
    elif overage is not None:
        rest["hasgroups"] = True if overage == "hasgroups" else "true"
    elif names and app["groups_as_roles"]:
        rest["roles"] = (rest["roles"] or []) + names
    elif names or "groups" in fault:
        rest["groups"] = names


def account_tid(rest):
    return rest["tid"]


def id_token(entra, grant, fault, access_token=None, code=None):
    """The id_token; with at_hash and c_hash where it comes from the authorization endpoint."""
    from_authorize = access_token is not None or code is not None or grant.get("implicit", False)
    claims = id_claims(entra, grant, fault, from_authorize)
    for name, text in (("at_hash", access_token), ("c_hash", code)):
        if text is not None:
            claims[name] = idp_jwt.b64u(hashlib.sha256(text.encode()).digest()[:16])
    return signed(entra, claims, grant["tid"], fault)


def signed(entra, claims, tid, fault, nonce=None):
    """A JWS over the claims with the tenant's key. With `nonce` as Graph's tokens are: what is
    signed has another nonce in the header than what is sent."""
    key = entra.key_for(tid)
    header = {"typ": "JWT", "alg": "RS256", "kid": key.kid}
    if claims.get("ver") == "1.0":
        header = {"typ": "JWT", "alg": "RS256", "x5t": key.kid, "kid": key.kid}
    if nonce is not None:
        header = {"typ": "JWT", "nonce": nonce, "alg": "RS256", "x5t": key.kid, "kid": key.kid}
        hashed = idp_jwt.b64u(hashlib.sha256(nonce.encode()).digest())
        header["@signed"] = dict(header, nonce=hashed)
    words = claims_words(entra, tid)
    changed = dict(fault)
    if "claims" in fault:
        changed["claims"] = {k: idp_forge.filled_in(v, words) for k, v in fault["claims"].items()}
    if "members_raw" in fault:
        changed["members_raw"] = fault["members_raw"].replace("@tid-other", words["@tid-other"])
    used = _named_key(entra, fault.get("key"), key)
    if used is not key and used is not None and fault.get("kid") is None:
        header["kid"] = used.kid
    return idp_forge.forge(header, claims, changed, lambda name: key_bytes(entra, name, used, key,
                                                                          claims),
                           int(entra.now()))


def _named_key(entra, name, own):
    """The Key that a fault names: one with a published kid of another issuer, or a hidden one."""
    if name in ("fixed", "unpublished"):
        issuer = OTHER_TENANT if name == "fixed" else "template"
        for key in entra.keys:
            if key.issuer == issuer and key.published == (name == "fixed"):
                return key
        made = entra_state.Key(issuer, name == "fixed")
        with entra.lock:
            entra.keys.append(made)
        return made
    if name == "msa":
        return next(k for k in entra.keys if k.issuer == MSA)
    if name == "previous":
        return [k for k in entra.keys if k.issuer == "template" and k.published][-1]
    return own


def key_bytes(entra, name, used, own, claims):
    if name == "secret":
        app = entra.apps.get(claims.get("aud"))
        return (app["secrets"][-1]["value"] if app and app["secrets"] else "none").encode()
    return own.key if name == "own" else used.key


# access tokens

def resource_of(entra, scope):
    """(resource, short name) of a scope; OIDC's own have none."""
    if scope in OIDC:
        return None, scope
    for base in (GRAPH, entra.graph(), GRAPH_ID):
        if scope.startswith(base + "/"):
            return "graph", scope[len(base):].lstrip("/")
    head, mark, tail = scope.rpartition("/")
    if not mark:
        return "graph", scope
    return head.rstrip("/"), tail


def access_token(entra, grant, resource, scopes, fault):
    """An access token for the resource ("graph", or an app's), remembered for Graph's checks."""
    tid = grant["tid"]
    app = entra.apps[grant["client_id"]]
    user = entra.users.get(grant.get("user"))
    life = entra.settings["access_life"]
    opaque = fault.get("opaque") or resource == "graph" and (
        tid == MSA and entra.settings["msa_opaque"] or entra.settings["graph_opaque"])
    if opaque:
        text = "EwB4A8l6BAAU" + entra_state.random_text(900)
    else:
        claims = _access_claims(entra, app, user, dict(grant, scp=scopes), resource)
        text = signed(entra, claims, tid, fault,
                      entra_state.random_text(43) if resource == "graph" else None)
    entra.keep_access(text, client_id=app["client_id"], user=grant.get("user"), tid=tid,
                      resource=resource, scopes=list(scopes), until=entra.now() + life,
                      claims=grant.get("claims"))
    return text


def _access_claims(entra, app, user, grant, resource):
    tid = grant["tid"]
    v1 = resource == "graph" or app["token_version"] != 2
    head = {"aud": GRAPH_ID if resource == "graph" else
            resource if v1 else resource.replace("api://", ""),
            "iss": entra.issuer(tid, 1 if v1 else 2)}
    head.update(_times(entra, entra.settings["access_life"] + entra.settings["back_date"]))
    credential = "0" if app["public"] else "1" if app["secrets"] else "2"
    rest = {"aio": _opaque("aio" + tid, 40), "rh": "1.ATkA" + _opaque("rh" + tid, 40) + ".",
            "tid": tid, "uti": entra_state.random_text(22), "ver": "1.0" if v1 else "2.0",
            "xms_tcdt": 1467198948,
            "tenant_region_scope": entra.tenants[tid]["region"]}
    rest.update({"app_displayname": app["name"], "appid": app["client_id"],
                 "appidacr": credential} if v1 else {"azp": app["client_id"],
                                                     "azpacr": credential})
    if user is None:
        rest.update({"idtyp": "app", "roles": grant["scp"], "oid": app_oid(app),
                     "sub": app_oid(app), "idp": entra.issuer(tid, 1)})
        return _sorted(head, rest)
    account = entra.account(user, tid)
    rest.update({
        "acct": int(account["guest"]), "acr": "1", "acrs": ["p1"], "idtyp": "user",
        "amr": ["pwd", "mfa"] if grant.get("mfa") else ["pwd"], "ipaddr": "192.0.2.1",
        "family_name": account["surname"], "given_name": account["givenName"],
        "name": account["displayName"], "oid": account["oid"], "platf": "5",
        "puid": "1003" + _opaque(account["oid"], 12).upper(), "sid": grant["sid"],
        "scp": " ".join(sorted(s for s in grant["scp"] if s != "offline_access")),
        "sub": entra_state.subject("access", tid, account["oid"]),
        "upn": account["upn"], "unique_name": account["upn"], "idp": account["idp"],
        "wids": account["wids"] or ["b79fbf4d-3ef9-4689-8143-76b194e85509"],
        "roles": account["roles"] if resource != "graph" and account["roles"] else None})
    if not v1:
        rest["preferred_username"] = user["upn"]
        for name in ("upn", "unique_name", "acr", "amr", "platf"):
            rest.pop(name, None)
    return _sorted(head, rest)


def app_oid(app):
    return str(uuid.uuid5(uuid.UUID(app["client_id"]), "service principal"))
