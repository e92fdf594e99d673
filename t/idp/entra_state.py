# SPDX-License-Identifier: Apache-2.0
"""What the Entra stand-in knows: settings, tenants, apps, users, groups, keys, sessions, grants.

No HTTP here. What a token says is in entra_claims.py, the errors are in entra_error.py.
"""

import copy
import datetime
import hashlib
import os
import re
import threading
import time
import urllib.parse
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

import entra_data
import idp_forge
import idp_jwt
from entra_data import MSA

CODE_LIFE_SEC = 600
REFRESH_LIFE_SEC = 90 * 86400
SPA_REFRESH_LIFE_SEC = 86400
SHARED = ("common", "organizations", "consumers")
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")

# Settings that a test may change by POST /_ctl/config; reset brings these back.
SETTINGS = {
    "clock": 0, "default_user": None, "auto_consent": False,
    "authority": "", "graph": "",       # roots in documents and tokens; "": where we listen
    "issuer": "",                       # "": AUTH/{tenantid}/v2.0; CIAM and B2C have others
    "issuer_v1": "https://sts.windows.net/{tenantid}/",
    "cloud_instance_name": "microsoftonline.com", "cloud_graph_host_name": "graph.windows.net",
    "msgraph_host": "",                 # "": host and port of the Graph root
    "discovery_add": {}, "discovery_omit": [], "jwks_add": [], "jwks_omit": [],
    "key_add": {}, "key_omit": [],      # members of each key
    "key_issuer_concrete": False,       # a tenant's own set names it instead of {tenantid}
    "access_life": 4312, "id_life": 3900, "back_date": 300, "code_length": 900,
    "group_limit": 200, "overage_host": "https://graph.windows.net",
    "rotation": "rolling",              # of refresh tokens: rolling, strict, none
    "any_port_hosts": ["localhost", "127.0.0.1"],
    "jti_once": True, "msa_opaque": True, "graph_opaque": False,
    "page_size": 100, "next_link": "right", "foreign": "http://127.0.0.1:9/evil",
    "photo_missing": "ImageNotFound", "userinfo_add": {}, "graph_chunked": True,
    "error_key": "innerError",
}


def random_text(length=43):
    return idp_jwt.b64u(os.urandom(length))[:length]


def new_guid():
    return str(uuid.uuid4())


def self_signed(key, name="accounts.accesscontrol.windows.net"):
    """A certificate (DER) as those in Entra's key sets are: 5 years, of its own making."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2024, 1, 1)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(
        key.public_key()).serial_number(x509.random_serial_number()).not_valid_before(
        start).not_valid_after(start + datetime.timedelta(1826)).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


class Key:
    """A signing key. `issuer` is what its JWK says: "template", a tenant, or None for nothing."""

    def __init__(self, issuer="template", published=True):
        self.key = idp_jwt.new_rsa()
        self.certificate = self_signed(self.key)
        self.kid = idp_jwt.b64u(hashlib.sha1(self.certificate, usedforsecurity=False).digest())
        self.issuer, self.published = issuer, published


class Entra:
    """All state, behind one lock."""

    def __init__(self, settings, named_faults, known_faults, apps=()):
        self.lock = threading.RLock()
        self.first_settings = dict(SETTINGS, **settings)
        # the first one signs; two are for the tenants named
        self.first_keys = [Key(), Key(), Key(MSA), Key(entra_data.FABRIKAM)]
        self.first_apps = list(apps)
        self.federated_key = idp_jwt.new_rsa()
        self.token_faults = idp_forge.TokenFaults(named_faults, known_faults)
        self.roots = {}
        self.reset()

    def reset(self):
        with self.lock:
            self.settings = copy.deepcopy(self.first_settings)
            self.tenants = entra_data.tenants()
            self.apps = entra_data.apps()
            self.users = entra_data.users()
            self.groups = entra_data.groups()
            self.keys = list(self.first_keys)
            self.sessions, self.codes, self.refresh, self.access = {}, {}, {}, {}
            self.consents, self.seen_jti = set(), set()
            self.refusals, self.graph_refusals = [], []
            self.token_faults.clear()
            for given in self.first_apps:
                self.change_app(dict(given))

    def now(self):
        return time.time() + self.settings["clock"]

    # places

    def authority(self):
        return self.settings["authority"] or self.roots["authority"]

    def graph(self):
        return self.settings["graph"] or self.roots["graph"]

    def issuer(self, tid, version=2):
        template = self.settings["issuer_v1"] if version == 1 else \
            self.settings["issuer"] or self.authority() + "/{tenantid}/v2.0"
        return template.replace("{tenantid}", tid)

    def tenant_of(self, segment):
        """The tenant id of a path segment; "common" and "organizations" stand for themselves."""
        low = segment.lower()
        if low in ("common", "organizations"):
            return low
        if low in self.tenants:
            return low
        return next((tid for tid, tenant in self.tenants.items() if low in tenant["domains"]), None)

    # people

    def app_named(self, text):
        found = self.apps.get(text)
        return found or next((a for a in self.apps.values() if a["name"] == text), None)

    def change_app(self, given):
        """An app added or changed, by "client_id" or "name"; secrets may be plain texts."""
        known = self.app_named(given.get("client_id") or given.get("name"))
        client_id = known["client_id"] if known else \
            given.get("client_id") or entra_data.guid("app " + given["name"])
        if "secrets" in given:
            given["secrets"] = [entra_data.secret(one) if isinstance(one, str) else one
                                for one in given["secrets"]]
        change_row(self.apps, client_id, given,
                   lambda: entra_data.app(client_id, given.get("name", client_id)))

    def find_user(self, text):
        """By name, UPN, mail or login_hint claim, in any case."""
        low = (text or "").lower()
        return next((u for u in self.users.values() if low and low in (
            u["name"], u["upn"].lower(), (u["mail"] or "").lower(), login_hint(u).lower())), None)

    def account(self, user, tid):
        """What the tenant knows about a person: their own object or their guest object; or None."""
        if user["tid"] == tid:
            return dict(user, guest=False)
        if tid not in user["guest_in"]:
            return None
        home = dict(user, department=None, companyName=None, givenName=None, surname=None,
                    userType="Guest", photo=None, guest=True,
                    idp="https://sts.windows.net/%s/" % user["tid"])
        return dict(home, **user["guest_in"][tid])

    def group_rows(self, account, transitive):
        """The account's groups, roles and units, in order, each once."""
        found, waiting = {}, list(account["groups"])
        while waiting:
            row = self.groups.get(waiting.pop(0))
            if row is not None and row["id"] not in found:
                found[row["id"]] = row
                waiting += row["member_of"] if transitive else []
        return list(found.values())

    # keys

    def key_for(self, tid):
        return next((k for k in self.keys if k.issuer == tid and k.published),
                    next(k for k in self.keys if k.issuer == "template" or k.issuer is None))

    def rotate(self, keep=1, published=True, issuer="template"):
        """A new signing key in front; the last `keep` old ones that are not MSA's stay."""
        made = Key(issuer, published)
        with self.lock:
            fixed = [k for k in self.keys if k.issuer not in ("template", None)]
            self.keys = [made] + [k for k in self.keys if k not in fixed][:keep] + fixed
        return made

    # sessions and grants

    def new_session(self, user, mfa):
        name = random_text()
        self.sessions[name] = {"sid": new_guid(), "user": user["name"], "apps": [], "mfa": mfa,
                               "auth_time": int(self.now())}
        return name

    def new_code(self, grant):
        code = "1.A" + random_text(max(8, self.settings["code_length"] - 3))
        with self.lock:
            self.codes[code] = dict(grant, until=self.now() + CODE_LIFE_SEC, used=False)
        return code

    def new_refresh(self, grant):
        text = "1.A" + random_text(1100)
        now = self.now()
        life = SPA_REFRESH_LIFE_SEC if grant.get("spa") else REFRESH_LIFE_SEC
        with self.lock:
            self.refresh[text] = dict(grant, issued=now, until=now + life)
        return text

    def keep_access(self, text, **facts):
        with self.lock:
            self.access[text] = dict(facts, issued=self.now())


def change_row(table, name, given, make):
    """Members of a row changed, or a row added, or taken away ("gone")."""
    if given.pop("gone", False):
        table.pop(name, None)
        return
    old = table.get(name) or make()
    unknown = set(given) - set(old)
    if unknown:
        raise ValueError("unknown members: %s" % sorted(unknown))
    table[name] = dict(old, **given)


def login_hint(user):
    return "O." + idp_jwt.b64u(("hint " + user["name"]).encode())


def subject(client_id, tid, oid):
    """Pairwise: another one for each app and tenant."""
    text = "salt|%s|%s|%s" % (client_id, tid, oid)
    return idp_jwt.b64u(hashlib.sha256(text.encode()).digest())


def redirect_known(uri, app, any_port_hosts):
    """Equal to one of the registered; for loopback hosts the port does not count."""
    given = urllib.parse.urlsplit(uri)
    for text in app["redirect_uris"] + app["spa_uris"]:
        known = urllib.parse.urlsplit(text)
        if text == uri:
            return True
        if known.hostname in any_port_hosts and known.port is None and \
                (known.scheme, known.hostname, known.path or "/", known.query) == \
                (given.scheme, given.hostname, given.path or "/", given.query):
            return True
    return False
