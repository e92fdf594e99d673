# SPDX-License-Identifier: Apache-2.0
"""What the generic OpenID provider stand-in knows: profiles, settings, users, clients, keys."""

import copy
import os
import threading
import time

import idp_forge
import idp_jwt

CODE_LIFE_SEC = 60

_PATHS = {"authorize": "/authorize", "token": "/token", "userinfo": "/userinfo", "jwks": "/jwks",
          "logout": "/logout", "introspect": "/introspect", "revoke": "/revoke", "par": "/par",
          "emails": "/user/emails"}
_REALM = "/realms/campus/protocol/openid-connect"

# What a provider is particular about; a test may change it by POST /_ctl/config.
SETTINGS = {
    "issuer": "", "issuer_path": "", "token_issuer": "", "clock": 0, "default_user": None,
    "alg": "RS256", "id_life": 300, "access_life": 300, "jwks_alg": True, "enc_key": False,
    "oidc": True,               # false: OAuth 2.0 and a profile call, no id_token
    "iss_parameter": True,      # RFC 9207: true, false, "wrong"
    "par": True, "par_required": False, "nonce": True, "pkce": True, "userinfo_jwt": False,
    "auth_methods": ["client_secret_basic", "client_secret_post", "client_secret_jwt",
                     "private_key_jwt", "none"],
    "form_post_only": False, "form_encoded": False, "error_200": False, "facebook_errors": False,
    "refresh": "offline_access",        # a scope, "always", or "offline" (access_type=offline)
    "rotate_refresh": True,
    "reuse_detection": False,           # a refresh token that comes again ends all of its family
    "refresh_drop": [], "answer_add": {},   # members of refresh answers, of all token answers
    "acr": None,                # what a sign-in is; "asked": the first of acr_values
    "end_session": True, "encrypt": None,   # [alg, enc] of id_tokens
    "discovery_add": {}, "discovery_omit": [], "userinfo_add": {}, "claims_add": {},
    "sign_kid": True,           # whether a token's header names the key
    "profile": "generic", "any_port_hosts": ["localhost", "127.0.0.1"],
}

PROFILES = {
    "generic": {},
    "google": {"refresh": "offline", "rotate_refresh": False, "end_session": False, "par": False,
               "iss_parameter": False, "claims_add": {"hd": "contoso.com"},
               "auth_methods": ["client_secret_post", "client_secret_basic"]},
    "keycloak": {"issuer_path": "/realms/campus", "enc_key": True, "refresh": "always"},
    "facebook": {"oidc": False, "facebook_errors": True, "refresh": "never", "par": False,
                 "iss_parameter": False, "auth_methods": ["client_secret_post"]},
    "github": {"oidc": False, "form_encoded": True, "error_200": True, "refresh": "never",
               "par": False, "iss_parameter": False, "auth_methods": ["client_secret_post"]},
    "linkedin": {"nonce": False, "pkce": False, "auth_methods": ["client_secret_post"],
                 "refresh": "never", "par": False, "iss_parameter": False, "end_session": False},
    "apple": {"form_post_only": True, "rotate_refresh": False, "refresh": "always", "par": False,
              "iss_parameter": False, "end_session": False, "auth_methods": ["apple"]},
}
PATHS = {
    "keycloak": {"authorize": _REALM + "/auth", "token": _REALM + "/token",
                 "userinfo": _REALM + "/userinfo", "jwks": _REALM + "/certs",
                 "logout": _REALM + "/logout", "introspect": _REALM + "/token/introspect",
                 "revoke": _REALM + "/revoke", "par": _REALM + "/ext/par/request"},
    "facebook": {"authorize": "/v24.0/dialog/oauth", "token": "/v24.0/oauth/access_token",
                 "userinfo": "/v24.0/me"},
    "github": {"authorize": "/login/oauth/authorize", "token": "/login/oauth/access_token",
               "userinfo": "/user"},
    "apple": {"authorize": "/auth/authorize", "token": "/auth/token", "jwks": "/auth/keys",
              "revoke": "/auth/revoke"},
    "linkedin": {"authorize": "/oauth/v2/authorization", "token": "/oauth/v2/accessToken",
                 "userinfo": "/v2/userinfo", "jwks": "/oauth/openid/jwks"},
}


def user(name, first, last, **more):
    made = {"name": name, "sub": "248289761%03d" % (sum(name.encode()) % 1000), "given_name": first,
            "family_name": last, "email": name + "@example.com", "email_verified": True,
            "roles": [], "claims": {}}
    made.update(more)
    return made


def client(client_id, secret, **more):
    made = {"client_id": client_id, "secret": secret, "jwks": [], "certs": [], "method": None,
            "redirect_uris": ["http://%s/edxsso/callback/%s" % (host, name)
                              for host in ("127.0.0.1", "localhost")
                              for name in ("oidc", *PROFILES)],
            "backchannel_uri": None, "encrypt_to": None}
    unknown = set(more) - set(made)
    if unknown:
        raise ValueError("unknown members: %s" % sorted(unknown))
    made.update(more)
    return made


def random_text(length=43):
    return idp_jwt.b64u(os.urandom(length))[:length]


class Provider:
    """All state, behind one lock."""

    def __init__(self, profile):
        self.lock = threading.RLock()
        self.profile = profile
        self.paths = dict(_PATHS, **PATHS.get(profile, {}))
        self.keys = {"RS256": ("rs", idp_jwt.new_rsa()), "ES256": ("es", idp_jwt.new_ec())}
        self.enc_key = idp_jwt.new_rsa()
        self.token_faults = idp_forge.TokenFaults(known={"jwe"})
        self.roots = {}
        self.reset()

    def reset(self):
        with self.lock:
            self.settings = copy.deepcopy(dict(SETTINGS, profile=self.profile,
                                               **PROFILES[self.profile]))
            people = [user("jane", "Jane", "Doe", roles=["staff", "teacher"]),
                      user("joe", "Joe", "Bloggs", email_verified=False),
                      user("zoe", "Zoë", "Müller-Şahin 李"),
                      user("nomail", "No", "Mail", email=None)]
            self.users = {u["name"]: u for u in people}
            self.clients = {c["client_id"]: c for c in (
                client("rp", "rp-secret-of-at-least-thirty-two-bytes"), client("public", None))}
            self.sessions, self.codes, self.refresh, self.access = {}, {}, {}, {}
            self.spent, self.reused = {}, 0   # refresh token -> family
            self.pushed, self.seen_jti = {}, set()
            self.rotated, self.published = None, []
            self.token_faults.clear()

    def now(self):
        return time.time() + self.settings["clock"]

    def issuer(self):
        return self.settings["issuer"] or self.roots["root"] + self.settings["issuer_path"]

    def url(self, name):
        return self.roots["root"] + self.paths[name]

    def signing_key(self):
        """(kid, key) for the algorithm set; RSA serves RS* and PS*."""
        if self.rotated and self.settings["alg"][0] in "RP":
            return self.rotated
        return self.keys["ES256" if self.settings["alg"] == "ES256" else "RS256"]

    def jwks(self):
        """RSA and EC for signatures, and what a client has to leave alone."""
        kid, key = self.rotated or self.keys["RS256"]
        made = [dict(idp_jwt.rsa_jwk(key, kid), use="sig")]
        if self.settings["jwks_alg"] and self.settings["alg"][0] in "RP":
            made[0]["alg"] = self.settings["alg"]
        made += [dict(idp_jwt.rsa_jwk(key, kid), use="sig") for kid, key in self.published]
        kid, key = self.keys["ES256"]
        made.append(dict(idp_jwt.ec_jwk(key, kid), use="sig", alg="ES256"))
        if self.settings["enc_key"]:
            made.insert(0, dict(idp_jwt.rsa_jwk(self.enc_key, "enc"), use="enc", alg="RSA-OAEP"))
        return {"keys": made}
