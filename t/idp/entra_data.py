# SPDX-License-Identifier: Apache-2.0
"""Tenants, applications, people and groups that the Entra stand-in knows at the start.

Ids are made from names (guid()), so they are the same in each run.
"""

import base64
import uuid

MSA = "9188040d-6c67-4c5b-b112-36a304b66dad"        # the tenant of personal accounts
GRAPH_ID = "00000003-0000-0000-c000-000000000000"
GRAPH = "https://graph.microsoft.com"
FEDERATED_ISSUER = "https://kubernetes.default.svc.cluster.local"
FEDERATED_SUBJECT = "system:serviceaccount:edx:edxsso"
FEDERATED_AUDIENCE = "api://AzureADTokenExchange"


def guid(name):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "edxsso:" + name))


CONTOSO, FABRIKAM = guid("tenant contoso"), guid("tenant fabrikam")


def tenants():
    rows = [
        (CONTOSO, ["contoso.onmicrosoft.com", "contoso.com"], "EU"),
        (FABRIKAM, ["fabrikam.onmicrosoft.com", "partner.com"], "NA"),
        (MSA, ["consumers"], "WW"),
    ]
    return {tid: {"tid": tid, "domains": domains, "region": region,
                  "name": domains[0].split(".")[0].title()} for tid, domains, region in rows}


# loopback addresses registered without a port match any port (see any_port_hosts)
_ANYWHERE = ["http://%s/%s" % (host, path) for host in ("127.0.0.1", "localhost")
             for path in ("edxsso/callback/entra", "complete/azuread-v2-tenant-oauth2/", "")]


def app(client_id, name, **more):
    made = {
        "client_id": client_id, "name": name, "tid": CONTOSO, "secrets": [], "certs": [],
        "federated": [], "redirect_uris": list(_ANYWHERE), "spa_uris": [], "logout_url": None,
        "sign_in_audience": "AzureADMyOrg", "optional_claims": [], "group_claims": None,
        "group_format": "id", "groups_as_roles": False, "groups_assigned": None,
        "id_token_implicit": False, "token_version": None, "assigned_required": False,
        "public": False, "consent": "admin", "withheld": [], "app_roles": [], "enabled": True,
    }
    unknown = set(more) - set(made)
    if unknown:
        raise ValueError("unknown members: %s" % sorted(unknown))
    made.update(more)
    return made


def secret(value, expires=None):
    return {"value": value, "expires": expires}


def apps():
    known = [secret("s3cr~et.of_edx-1")]
    every = "AzureADandPersonalMicrosoftAccount"
    rows = [
        app(guid("app single"), "single", secrets=known),
        app(guid("app groups"), "groups", secrets=known, group_claims="SecurityGroup",
            optional_claims=["acct", "sid", "login_hint", "email", "upn"],
            id_token_implicit=True),
        app(guid("app multi"), "multi", secrets=known, sign_in_audience="AzureADMultipleOrgs",
            optional_claims=["acct", "sid", "email"], group_claims="SecurityGroup"),
        app(guid("app all"), "all", secrets=known, sign_in_audience=every,
            optional_claims=["acct", "sid", "email"], id_token_implicit=True),
        app(guid("app personal"), "personal", secrets=known, tid=MSA,
            sign_in_audience="PersonalMicrosoftAccount"),
        app(guid("app cert"), "cert"),
        app(guid("app federated"), "federated", federated=[{
            "issuer": FEDERATED_ISSUER, "subject": FEDERATED_SUBJECT,
            "audience": FEDERATED_AUDIENCE, "jwks": "own"}]),
        app(guid("app consent"), "consent", secrets=known, consent="user"),
        app(guid("app public"), "public", public=True),
        app(guid("app assigned"), "assigned", secrets=known, assigned_required=True),
        app(guid("app daemon"), "daemon", secrets=[secret("old", 1600000000)] + known,
            app_roles=["User.Read.All", "GroupMember.Read.All"]),
        app(guid("app limited"), "limited", secrets=known, withheld=["GroupMember.Read.All"],
            group_claims="SecurityGroup"),
    ]
    return {row["client_id"]: row for row in rows}


def user(name, first, last, tid=CONTOSO, **more):
    mail = "%s@%s" % (name, {CONTOSO: "contoso.com", FABRIKAM: "partner.com"}.get(
        tid, "outlook.com"))
    oid = guid("user " + name)
    if tid == MSA:
        oid = "00000000-0000-0000-" + oid[19:]
    made = {
        "name": name, "tid": tid, "oid": oid, "upn": mail, "mail": mail, "edov": True,
        "displayName": "%s %s" % (first, last) if last else first, "givenName": first,
        "surname": last, "idp": None, "groups": [], "roles": [], "wids": [], "photo": None,
        "enabled": True, "mfa_required": False, "challenge": None, "challenge_endless": False,
        "assigned": True, "revoked_before": 0, "cae_after": 0, "userType": "Member",
        "guest_in": {}, "jobTitle": None, "department": None, "companyName": None,
        "mobilePhone": None, "businessPhones": [], "officeLocation": None,
        "preferredLanguage": None, "employeeId": None, "onPremisesSamAccountName": name,
        "proxyAddresses": ["SMTP:" + mail], "ctry": None, "extensions": {},
    }
    made.update(more)
    return made


def users():
    bulk = {n: ["bulk-%04d" % i for i in range(1, n + 1)] for n in (199, 200, 201, 250, 1500)}
    rows = [
        user("adele", "Adele", "Vance", groups=["staff", "designers"], roles=["Staff"],
             wids=["b79fbf4d-3ef9-4689-8143-76b194e85509"], jobTitle="Retail Manager",
             department="Retail", officeLocation="18/2111", preferredLanguage="en-US",
             businessPhones=["+1 425 555 0109"], employeeId="E42", ctry="US",
             photo={"size": 240, "type": "image/jpeg"},
             extensions={"extn.campus": ["Vancouver"]}),
        user("alex", "Alex", "Wilber", groups=["students"], mail=None),
        user("zoe", "Zoë", "Müller-Şahin 李", groups=["umlaut"],
             department="Prüfungsamt", photo={"size": 96, "type": "image/jpeg"}),
        user("nogroups", "No", "Groups"),
        user("six", "Six", "Groups", groups=bulk[199][:6]),
        user("mfa", "Mia", "Factor", mfa_required=True),
        user("disabled", "Dis", "Abled", enabled=False),
        user("unassigned", "Un", "Assigned", assigned=False),
        # two people elsewhere who are guests at Contoso, one of them with a personal account
        user("bob", "Bob", "Partner", FABRIKAM, groups=["fabrikam-all"], guest_in={CONTOSO: {
            "oid": guid("guest bob"), "upn": "bob_partner.com#EXT#@contoso.onmicrosoft.com",
            "groups": ["students"], "roles": [], "wids": []}}),
        user("eve", "Eve", "Elsewhere", FABRIKAM, mail="adele@contoso.com", edov=False,
             displayName="Adele Vance"),
        user("pam", "Pam", "Personal", MSA),
        user("pete", "Pete", "Personal", MSA, guest_in={CONTOSO: {
            "oid": guid("guest pete"), "upn": "pete_outlook.com#EXT#@contoso.onmicrosoft.com",
            "idp": "live.com", "groups": [], "roles": [], "wids": []}}),
    ]
    rows += [user("many%d" % n, "Many", str(n), groups=ids) for n, ids in bulk.items()]
    return {row["name"]: row for row in rows}


def group(name, tid=CONTOSO, kind="group", **more):
    made = {"id": guid("group " + name), "tid": tid, "kind": kind, "displayName": name,
            "mail": None, "securityEnabled": True, "sam": name, "member_of": []}
    made.update(more)
    return made


def groups():
    """By the short name that users and control requests name them with."""
    made = {
        "staff": group("Staff", member_of=["everyone"]), "designers": group("Course designers"),
        "students": group("Students", member_of=["everyone"]), "everyone": group("Everyone"),
        "umlaut": group("Prüfer & \"Köche\", 李"), "fabrikam-all": group("All", FABRIKAM),
        "mailing": group("Mailing list", securityEnabled=False, mail="list@contoso.com"),
        "admins": group("Global Administrator", kind="directoryRole"),
        "unit": group("Faculty of Arts", kind="administrativeUnit"),
    }
    made.update({"bulk-%04d" % n: group("bulk-%04d" % n) for n in range(1, 1501)})
    return made


def _segment(marker, body):
    return b"\xff" + marker + (len(body) + 2).to_bytes(2, "big") + body


def picture(size):
    """A plain grey JPEG of size x size: each block is the two bits 00 (no difference, end)."""
    table = b"\0" + b"\1" * 64
    frame = b"\x08" + size.to_bytes(2, "big") * 2 + b"\1\1\x11\0"
    codes = bytes([1] + [0] * 15) + b"\0"
    blocks = ((size + 7) // 8) ** 2
    data = bytes((blocks * 2) // 8)
    left = (blocks * 2) % 8
    if left:
        data += bytes([0xff >> left])
    return (b"\xff\xd8" + _segment(b"\xdb", table) + _segment(b"\xc0", frame) +
            _segment(b"\xc4", b"\x00" + codes) + _segment(b"\xc4", b"\x10" + codes) +
            _segment(b"\xda", b"\1\1\0\0\x3f\0") + data + b"\xff\xd9")


def photo_bytes(photo, size):
    """The picture that a user's `photo` stands for, in that size; "b64" gives its own bytes."""
    return base64.b64decode(photo["b64"]) if "b64" in photo else picture(size)
