# SPDX-License-Identifier: Apache-2.0
"""What the stand-in LMS knows: settings, users, clients, keys, sessions, codes and tokens.

No HTTP here and no JWT (lms_claims.py).
"""

import copy
import json
import secrets
import string
import threading
import time
import urllib.parse

import idp_jwt

DEFAULT_SCOPES = ["read", "write", "email", "profile"]
CODE_LIFE_SEC = 60
TOKEN_LIFE_SEC = 36000
SESSION_LIFE_SEC = 1209600
LOGIN_CLIENT = "login-service-client-id"

# Settings that a test may change by POST /_ctl/config; reset brings these back.
SETTINGS = {
    "iss": "", "aud": "openedx", "jwt_life": 3600, "add_kid": False, "force_asymmetric": False,
    "legacy_header": False, "json_spaces": False, "mobile_opaque": False, "version": "1.2.0",
    "default_user": None, "rate_limit": 0, "clock": 0, "cookie_domain": None, "cookie_fault": None,
    "cookie_prefix": "", "ida_logout_uris": [], "login_whitelist": [], "authn_mfe": None,
    "legacy_discovery": False, "user_id_text": False,
    # Not so in an LMS: these hosts, registered over http without a port, match any port, as
    # loopback addresses do there. [] is the LMS's own rule.
    "any_port_hosts": ["localhost"],
}


def user(uid, username, name, **more):
    first, _, last = (name or "").rpartition(" ")
    # jsmith has the sub of the documented example; the others' are as stable
    sub = idp_jwt.hashlib.md5(("user %d" % uid).encode(), usedforsecurity=False).hexdigest()
    made = {"id": uid, "username": username, "password": username, "name": name,
            "email": username.split("@")[0] + "@example.com", "is_active": True, "is_staff": False,
            "is_superuser": False, "first": first, "last": last, "sub": sub, "roles": []}
    made.update(more)
    return made


def built_in_users():
    roles = ["enterprise_learner:%s" % idp_jwt.hashlib.md5(
        b"%d" % n, usedforsecurity=False).hexdigest() for n in range(90)]
    return [
        user(42, "jsmith", "Joe Smith", sub="e3bfe0e4e7c6693efba9c3a93ee7f31b"),
        user(2, "staff", "Staff Member", is_staff=True),
        user(3, "admin", "Ad Ministrator", is_staff=True, is_superuser=True),
        user(4, "zoe", "Zoë Müller-Şahin 🎓 李"),
        user(5, "noname", None),
        user(6, "odd.name+tag@x-y_z", "Odd Name", email="odd.name+tag@example.com"),
        user(7, "manyroles", "Many Roles", roles=roles),
        user(8, "nomail", "No Mail", email=""),
        user(9, "jürgen", "Jürgen Groß", email="juergen@example.com"),
        user(77, "newbie", "New Bie", is_active=False),
        user(10, "alice", "Alice Liddell", roles=["enterprise_learner:8a8b9b3c-0f1d-4a54-8f0b"]),
        user(11, "bob", "Bob \"<b>\" O'Neil & Sons"),
        user(12, "ubc_service", None),
        user(13, "discovery_worker", None, is_staff=True),
        user(14, "cms", None),
    ]


def client(client_id, secret, redirect_uris="", **more):
    made = {"client_id": client_id, "secret": secret, "redirect_uris": redirect_uris,
            "type": "confidential", "grant": "authorization-code", "skip_authorization": True,
            "owner": "cms", "scopes": ["user_id"], "filters": [], "restricted": False}
    unknown = set(more) - set(made)
    if unknown:
        raise ValueError("unknown members: %s" % sorted(unknown))
    made.update(more)
    return made


# loopback addresses registered without a port match any port (RFC 8252 section 7.3)
_ANYWHERE = ("http://127.0.0.1/edxsso/callback/lms http://127.0.0.1/complete/edx-oauth2/ "
             "http://localhost/edxsso/callback/lms http://localhost/complete/edx-oauth2/")


def built_in_clients():
    everything = ["user_id", "profile", "email"]
    return [
        client("studio-sso", "studio-secret", _ANYWHERE, scopes=everything),
        client("consent-app", "consent-secret", _ANYWHERE, scopes=everything,
               skip_authorization=False),
        client("public-app", "", _ANYWHERE, scopes=everything, type="public"),
        client("no-user-id", "no-user-id-secret", _ANYWHERE, scopes=[]),
        client("restricted-app", "restricted-secret", _ANYWHERE, scopes=everything,
               restricted=True),
        client("password-app", "password-secret", grant="password"),
        client("worker", "worker-secret", grant="client-credentials", owner="discovery_worker",
               scopes=[]),
        client("tpa-worker", "tpa-secret", grant="client-credentials", owner="ubc_service",
               scopes=["tpa:read"], filters=["tpa_provider:saml-ubc"], restricted=True),
        client(LOGIN_CLIENT, "", grant="password", type="public", owner=None),
    ]


def built_in_providers():
    """Third-party identity providers and who is linked to them: (username, stored uid)."""
    people = [("alice", "ubc:remote_alice"), ("staff", "ubc:remote_staff"),
              ("jsmith", "ubc:remote_jsmith")]
    return [
        {"id": "saml-ubc", "name": "UBC", "prefix": "ubc:", "links": people},
        {"id": "oa2-google-oauth2", "name": "Google", "prefix": "",
         "links": [("alice", "alice@gmail.com")]},
        {"id": "oa2-azuread-oauth2", "name": "Azure AD", "prefix": "",
         "links": [("jsmith", "jsmith@contoso.example"), ("zoe", "zoe@contoso.example")]},
        {"id": "lti-campus", "name": "Campus LTI", "prefix": "campus:",
         "links": [("bob", "campus:77")]},
    ]


def random_text(length=30):
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(length))


def redirect_allowed(uri, registered, any_port_hosts=()):
    """Scheme, host and path equal one of the registered, whose query must be part of the given."""
    given = urllib.parse.urlsplit(uri)
    given_query = set(urllib.parse.parse_qsl(given.query))
    for text in registered.split():
        known = urllib.parse.urlsplit(text)
        loopback = known.scheme == "http" and known.port is None and \
            known.hostname in ("127.0.0.1", "::1", *any_port_hosts)
        same_place = known.hostname == given.hostname if loopback else \
            known.netloc == given.netloc
        if same_place and (known.scheme, known.path) == (given.scheme, given.path) and \
                set(urllib.parse.parse_qsl(known.query)) <= given_query:
            return True
    return False


class Lms:
    """All state, behind one lock. Tokens are dicts; `lock` is held by the callers of take_*()."""

    def __init__(self, settings, clients, key=None, kid="openedx", hs_secret=None):
        self.lock = threading.RLock()
        self.first_settings = dict(SETTINGS, **settings)
        self.first_clients = clients
        self.first_key = (kid, key or idp_jwt.new_rsa())
        self.foreign_key = idp_jwt.new_rsa()
        self.hs_secret = (hs_secret or random_text(50)).encode()
        self.roots = {}
        self.reset()

    def reset(self):
        with self.lock:
            self.settings = copy.deepcopy(self.first_settings)
            self.users = {u["username"]: u for u in built_in_users()}
            self.clients = {c["client_id"]: c for c in built_in_clients()}
            self.clients.update({c["client_id"]: dict(c) for c in self.first_clients})
            self.providers = {p["id"]: p for p in built_in_providers()}
            self.keys = [self.first_key]      # the first one signs
            self.token_faults = []
            self.tpa_hints = []
            self.calls = []
            self.sessions, self.codes, self.access, self.refresh = {}, {}, {}, {}

    def now(self):
        return time.time() + self.settings["clock"]

    def issuer(self):
        return self.settings["iss"] or self.roots["public"] + "/oauth2"

    def rotate(self, kid=None, keep=1):
        """A new signing key; the last `keep` old ones stay in the public set."""
        with self.lock:
            kid = kid or "key-%s" % random_text(8)
            self.keys = [(kid, idp_jwt.new_rsa())] + self.keys[:keep]
        return kid

    def jwks(self):
        return {"keys": [idp_jwt.rsa_jwk(key, kid) for kid, key in self.keys]}

    def user_by_login(self, name, password):
        for found in self.users.values():
            if name and name in (found["username"], found["email"]):
                return found if password == found["password"] else None
        return None

    # sessions

    def session_user(self, session_id):
        session = self.sessions.get(session_id)
        if session is None or session["until"] <= self.now():
            return None
        return self.users.get(session["username"])

    def new_session(self, username):
        session_id = random_text(32).lower()
        self.sessions[session_id] = {"username": username, "until": self.now() + SESSION_LIFE_SEC}
        return session_id

    # codes and tokens

    def allowed_scopes(self, app):
        return set(DEFAULT_SCOPES) | set(app["scopes"])

    def new_code(self, app, username, redirect_uri, scopes, challenge, method):
        code = random_text()
        with self.lock:
            self.codes[code] = {"client_id": app["client_id"], "username": username,
                                "redirect_uri": redirect_uri, "scopes": scopes,
                                "challenge": challenge, "method": method,
                                "until": self.now() + CODE_LIFE_SEC}
        return code

    def new_token(self, app, username, scopes, with_refresh):
        """An opaque token as DOT makes it: born expired for a restricted application."""
        life = TOKEN_LIFE_SEC
        until = self.now() + life
        if app["restricted"]:
            until, life = 0.0, -self.now()
        token = {"token": random_text(), "client_id": app["client_id"], "username": username,
                 "scopes": scopes, "until": until, "life": life, "refresh": None}
        with self.lock:
            self.access[token["token"]] = token
            if with_refresh:
                token["refresh"] = random_text()
                self.refresh[token["refresh"]] = {
                    "client_id": app["client_id"], "username": username, "scopes": scopes,
                    "access": token["token"]}
        return token

    def holds_token(self, app, username, scopes, even_expired=True):
        return any(t["client_id"] == app["client_id"] and t["username"] == username and
                   set(scopes) <= set(t["scopes"]) and (even_expired or t["until"] > self.now())
                   for t in self.access.values())

    def revoke(self, text):
        with self.lock:
            gone = self.refresh.pop(text, None)
            self.access.pop(gone["access"] if gone else text, None)

    def too_many(self):
        """Whether the token endpoint's rate limit is passed (per minute, one client address)."""
        limit = self.settings["rate_limit"]
        with self.lock:
            now = time.monotonic()
            self.calls = [t for t in self.calls if t > now - 60] + [now]
            return 0 < limit < len(self.calls)


def client_from_text(text):
    """--client id:secret:redirect_uri[,redirect_uri]:scopes (scopes divided by spaces)."""
    client_id, secret, rest = text.split(":", 2)
    uris, _, scopes = rest.rpartition(":")
    return client(client_id, secret, uris.replace(",", " "), scopes=scopes.split())


def dump(value):
    """JSON as Django's JsonResponse and DOT write it."""
    return json.dumps(value)
