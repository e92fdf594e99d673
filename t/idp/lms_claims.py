# SPDX-License-Identifier: Apache-2.0
"""The JWT of an LMS, right or wrong on purpose.

claims_of() gives the claims in the LMS's order. A token fault is a dict of the members in KNOWN;
NAMED holds faults by name; they are applied in mint() to the next token(s).
"""

import idp_jwt
import lms_state
from idp_jwt import compact


def claims_of(lms, user, app, scopes):
    now = int(lms.now())
    claims = {
        "aud": lms.settings["aud"], "exp": now + lms.settings["jwt_life"],
        "grant_type": app["grant"], "iat": now, "iss": lms.issuer(),
        "preferred_username": user["username"], "scopes": list(scopes),
        "version": lms.settings["version"], "sub": user["sub"],
        "filters": ([] if app["grant"] == "client-credentials" else ["user:me"]) + app["filters"],
        "is_restricted": app["restricted"], "email_verified": user["is_active"],
    }
    for scope in scopes:
        if scope == "user_id":
            claims["user_id"] = str(user["id"]) if lms.settings["user_id_text"] else user["id"]
        elif scope == "email":
            claims["email"] = user["email"]
        elif scope == "profile":
            claims.update({"name": user["name"], "family_name": user["last"],
                           "given_name": user["first"], "administrator": user["is_staff"],
                           "superuser": user["is_superuser"]})
    if user["roles"]:
        claims["roles"] = user["roles"]
    return claims


# Members of a token fault. `shift` moves a time from now (seconds); `answer` and `drop_answer`
# change the token endpoint's JSON; `opaque` leaves the JWT out; `for` is where it applies.
KNOWN = {"name", "count", "for", "alg", "sign_alg", "key", "kid", "header", "header_remove",
         "header_duplicate", "header_raw", "legacy_header", "spaces", "claims", "remove", "shift",
         "duplicate", "deep", "payload_raw", "signature", "raw", "suffix", "prefix", "segments",
         "answer", "drop_answer", "opaque"}

_EVIL = "http://127.0.0.1:9/evil"
_EVIL_JWK = idp_jwt.rsa_jwk(idp_jwt.new_rsa(), "openedx")

NAMED = {
    "hs256": {"alg": "HS256", "key": "hs"},
    "hs384": {"alg": "HS384", "key": "hs"},
    "hs512": {"alg": "HS512", "key": "hs"},
    "rs256": {"alg": "RS256"}, "rs384": {"alg": "RS384"}, "rs512": {"alg": "RS512"},
    "ps512": {"alg": "PS512"}, "es256": {"alg": "ES256", "key": "ec256"},
    "alg-none": {"alg": "none"}, "alg-None": {"alg": "None"}, "alg-NONE": {"alg": "NONE"},
    "alg-nOnE": {"alg": "nOnE"}, "alg-empty": {"alg": ""},
    "alg-missing": {"header_remove": ["alg"]},
    "alg-number": {"header": {"alg": 512}},
    "alg-none-signed": {"alg": "none", "sign_alg": "RS512"},
    "alg-lower": {"alg": "rs512", "sign_alg": "RS512"},
    "alg-mismatch": {"alg": "RS256", "sign_alg": "RS512"},
    "hs256-public-pem": {"alg": "HS256", "key": "public-pem"},
    "hs256-public-pem-stripped": {"alg": "HS256", "key": "public-pem-stripped"},
    "hs256-public-pkcs1": {"alg": "HS256", "key": "public-pkcs1"},
    "hs256-public-der": {"alg": "HS256", "key": "public-der"},
    "hs256-public-jwk": {"alg": "HS256", "key": "public-jwk"},
    "hs256-wrong-key": {"alg": "HS256", "key": "hs-wrong"},
    "hs256-empty-key": {"alg": "HS256", "key": "hs-empty"},
    "hs256-short": {"alg": "HS256", "key": "hs", "signature": "short"},
    "foreign-key": {"key": "foreign"},
    "previous-key": {"key": "previous"},
    "kid-none": {"kid": "none"}, "kid-right": {"kid": "right"}, "kid-wrong": {"kid": "wrong"},
    "kid-duplicate": {"kid": "right", "header_duplicate": ["kid"]},
    "kid-number": {"header": {"kid": 7}},
    "kid-path": {"header": {"kid": "../../../etc/passwd"}},
    "legacy-header": {"legacy_header": True, "kid": "right"},
    "payload-spaces": {"spaces": True},
    "typ-at": {"header": {"typ": "at+jwt"}}, "typ-wrong": {"header": {"typ": "logout+jwt"}},
    "crit": {"header": {"crit": ["exp"], "exp": 1}},
    "crit-unknown": {"header": {"crit": ["http://x/y"], "http://x/y": True}},
    "b64": {"header": {"crit": ["b64"], "b64": False}},
    "zip": {"header": {"zip": "DEF"}},
    "embedded-jwk": {"key": "foreign", "header": {"jwk": _EVIL_JWK}},
    "jku": {"key": "foreign", "header": {"jku": _EVIL}},
    "x5u": {"key": "foreign", "header": {"x5u": _EVIL}},
    "x5c": {"key": "foreign", "header": {"x5c": ["MIIB"]}},
    "header-duplicate": {"header_duplicate": ["alg"]},
    "header-array": {"header_raw": "[]"}, "header-not-json": {"header_raw": "x"},
    "signature-empty": {"signature": "empty"}, "signature-flipped": {"signature": "flip"},
    "signature-short": {"signature": "short"}, "signature-long": {"signature": "long"},
    "signature-padded": {"suffix": "=="}, "signature-tail": {"suffix": "A"},
    "trailing-dot": {"suffix": "."}, "trailing-junk": {"suffix": ".e30"},
    "leading-space": {"prefix": " "}, "trailing-newline": {"suffix": "\n"},
    "two-segments": {"segments": 2}, "one-segment": {"segments": 1},
    "iss-wrong": {"claims": {"iss": "https://evil.test/oauth2"}},
    "iss-missing": {"remove": ["iss"]}, "iss-list": {"claims": {"iss": ["@iss"]}},
    "iss-slash": {"claims": {"iss": "@iss/"}},
    "aud-wrong": {"claims": {"aud": "other"}}, "aud-missing": {"remove": ["aud"]},
    "aud-list": {"claims": {"aud": ["other", "@aud"]}},
    "aud-list-wrong": {"claims": {"aud": ["other"]}}, "aud-list-empty": {"claims": {"aud": []}},
    "aud-client": {"claims": {"aud": "studio-sso"}}, "aud-number": {"claims": {"aud": 7}},
    "exp-past": {"shift": {"exp": -7200, "iat": -10800}},
    "exp-just-past": {"shift": {"exp": -90, "iat": -3690}},
    "exp-in-skew": {"shift": {"exp": -20, "iat": -3620}},
    "exp-now": {"shift": {"exp": 0}}, "exp-missing": {"remove": ["exp"]},
    "exp-string": {"claims": {"exp": "1795198979"}}, "exp-float": {"claims": {"exp": 4e9 + 0.5}},
    "exp-huge": {"payload_raw": "exp-huge"}, "exp-null": {"claims": {"exp": None}},
    "exp-negative": {"claims": {"exp": -1}}, "exp-1e400": {"payload_raw": "exp-1e400"},
    "iat-30": {"shift": {"iat": 30, "exp": 3630}},
    "iat-300": {"shift": {"iat": 300, "exp": 3900}},
    "iat-missing": {"remove": ["iat"]}, "iat-string": {"claims": {"iat": "now"}},
    "nbf-future": {"shift": {"nbf": 600}}, "nbf-past": {"shift": {"nbf": -600}},
    "version-absent": {"remove": ["version"]}, "version-2": {"claims": {"version": "2.0.0"}},
    "version-number": {"claims": {"version": 1.2}}, "version-odd": {"claims": {"version": "x.y"}},
    "sub-missing": {"remove": ["sub"]}, "sub-empty": {"claims": {"sub": ""}},
    "username-missing": {"remove": ["preferred_username"]},
    "username-empty": {"claims": {"preferred_username": ""}},
    "username-control": {"claims": {"preferred_username": "jsmith\r\nX-Evil: 1"}},
    "username-nul": {"claims": {"preferred_username": "jsmith\u0000admin"}},
    "user-id-string": {"claims": {"user_id": "42"}},
    "user-id-missing": {"remove": ["user_id"]},
    "name-null": {"claims": {"name": None}},
    "email-missing": {"remove": ["email"]}, "profile-missing":
    {"remove": ["name", "family_name", "given_name", "administrator", "superuser"]},
    "restricted": {"claims": {"is_restricted": True}},
    "unversioned-2017": {"alg": "RS512", "legacy_header": True, "kid": "right",
                         "remove": ["version", "filters", "is_restricted", "grant_type",
                                    "email_verified", "user_id"]},
    "claims-duplicate": {"duplicate": ["sub"]},
    "username-duplicate": {"duplicate": ["preferred_username"]},
    "deep-33": {"deep": 33}, "deep-5000": {"deep": 5000},
    "claim-100k": {"claims": {"name": "x" * 100000}},
    "claim-control": {"claims": {"name": "a\r\nSet-Cookie: evil=1\u0001\u007f\tb"}},
    "claim-html": {"claims": {"name": "<script>alert(1)</script>"}},
    "payload-array": {"payload_raw": "[]"}, "payload-empty": {"payload_raw": ""},
    "payload-not-json": {"payload_raw": "x"}, "payload-trailing": {"payload_raw": "trailing"},
    "opaque": {"opaque": True},
    "expires-negative": {"answer": {"expires_in": -1795195379.123456}},
    "expires-missing": {"drop_answer": ["expires_in"]},
    "expires-string": {"answer": {"expires_in": "3600"}},
    "expires-huge": {"answer": {"expires_in": 1e300}},
    "no-refresh-token": {"drop_answer": ["refresh_token"]},
    "refresh-null": {"answer": {"refresh_token": None}},
    "no-access-token": {"drop_answer": ["access_token"]},
    "access-token-number": {"answer": {"access_token": 7}},
    "access-token-null": {"answer": {"access_token": None}},
    "token-type-bearer": {"answer": {"token_type": "Bearer"}},
    "token-type-missing": {"drop_answer": ["token_type"]},
    "scope-missing": {"drop_answer": ["scope"]}, "scope-list": {"answer": {"scope": ["email"]}},
    "error-200": {"drop_answer": ["access_token"], "answer": {"error": "invalid_grant"}},
    "oidc-too": {"answer": {"id_token": "eyJhbGciOiJub25lIn0.e30."}},
}


def check_fault(given):
    """A fault as given by a test, with its named one filled in."""
    unknown = set(given) - KNOWN
    if unknown:
        raise ValueError("unknown members: %s" % sorted(unknown))
    merged = dict(NAMED[given["name"]]) if "name" in given else {}
    merged.update(given)
    merged["count"] = int(merged.get("count", 1))       # 0: until reset
    return merged


def take_fault(lms, place):
    """The fault for the next token made for `place` ("token", "cookie"), or {}."""
    with lms.lock:
        for fault in lms.token_faults:
            if fault.get("for", "token") in (place, "any"):
                if fault["count"] == 1:
                    lms.token_faults.remove(fault)
                elif fault["count"] > 1:
                    fault["count"] -= 1
                return fault
    return {}


def mint(lms, user, app, scopes, asymmetric, fault):
    """A JWT for the user, with the fault."""
    if "raw" in fault:
        return fault["raw"]
    alg = "RS512" if asymmetric or app["restricted"] or lms.settings["force_asymmetric"] \
        else "HS256"
    if "alg" in fault:
        alg = fault["alg"]
    header_text = _header(lms, alg, fault)
    payload_text = _payload(lms, claims_of(lms, user, app, scopes), fault)
    sign_alg = fault.get("sign_alg", alg)
    key = _key(lms, sign_alg, fault.get("key"))
    token = idp_jwt.assemble(header_text, payload_text,
                             lambda data: _signature(fault, idp_jwt.sign(sign_alg, key, data)))
    if "segments" in fault:
        token = ".".join(token.split(".")[:fault["segments"]])
    return fault.get("prefix", "") + token + fault.get("suffix", "")


def _header(lms, alg, fault):
    if "header_raw" in fault:
        return fault["header_raw"]
    kid_mode = fault.get("kid", "right" if lms.settings["add_kid"] else "none")
    kid = {"none": None, "right": lms.keys[0][0], "wrong": "no-such-key"}[kid_mode]
    header = {"alg": alg}
    if kid is not None and alg[:2] != "HS":
        header["kid"] = kid
    if not fault.get("legacy_header", lms.settings["legacy_header"]):
        header["typ"] = "JWT"
    header.update(fault.get("header", {}))
    for name in fault.get("header_remove", []):
        header.pop(name, None)
    return _with_duplicates(compact(header), header, fault.get("header_duplicate", []))


def _payload(lms, claims, fault):
    now = claims["iat"]
    for name, seconds in fault.get("shift", {}).items():
        claims[name] = now + seconds
    for name, value in fault.get("claims", {}).items():
        claims[name] = _filled_in(value, {"@iss": claims["iss"], "@aud": lms.settings["aud"],
                                          "@iss/": claims["iss"] + "/"})
    for name in fault.get("remove", []):
        claims.pop(name, None)
    text = compact(claims, fault.get("spaces", lms.settings["json_spaces"]))
    text = _with_duplicates(text, claims, fault.get("duplicate", []))
    if "deep" in fault:
        depth = fault["deep"]
        text = text[:-1] + ',"deep":' + "[" * depth + "]" * depth + "}"
    if "payload_raw" in fault:
        exp = '"exp":%d' % claims.get("exp", 0)
        special = {"trailing": text + "{}", "exp-1e400": text.replace(exp, '"exp":1e400'),
                   "exp-huge": text.replace(exp, '"exp":99999999999999999999')}
        text = special.get(fault["payload_raw"], fault["payload_raw"])
    return text


def _filled_in(value, words):
    if isinstance(value, list):
        return [_filled_in(item, words) for item in value]
    return words.get(value, value) if isinstance(value, str) else value


def _with_duplicates(text, members, names):
    """The object with the named members a second time in front, with another value."""
    extra = "".join("%s:%s," % (compact(name), compact("evil"))
                    for name in names if name in members)
    return "{" + extra + text[1:]


def _signature(fault, signature):
    change = fault.get("signature")
    if change == "empty":
        return b""
    if change == "flip":
        return bytes([signature[0] ^ 1]) + signature[1:]
    if change == "short":
        return signature[:-1]
    if change == "long":
        return signature + b"\0"
    return signature


_FIXED = {}     # keys of the forgeries, made when first asked for


def _key(lms, alg, name):
    own = lms.keys[0][1]
    if name is None:
        if alg[:2] == "HS":
            return lms.hs_secret
        if alg[:2] == "ES":
            return _FIXED.setdefault("ec", idp_jwt.new_ec("256"))
        return own
    if name.startswith("public-"):
        form = name[len("public-"):]
        if form == "jwk":
            return compact(lms.jwks()["keys"][0]).encode()
        return idp_jwt.public_bytes(own, form)
    if name.startswith("ec"):
        return _FIXED.setdefault(name, idp_jwt.new_ec(name[2:]))
    if name == "rsa1024":
        return _FIXED.setdefault(name, idp_jwt.new_rsa(1024))
    return {"hs": lms.hs_secret, "hs-wrong": b"wrong secret of more than sixty-four bytes" * 2,
            "hs-empty": b"", "foreign": lms.foreign_key, "own": own,
            "previous": lms.keys[-1][1]}[name]


def jwks_of_shape(lms, shape):
    """The public key set as configured today, or one of the odd sets that a test may hand in."""
    keys = lms.jwks()["keys"]
    foreign = idp_jwt.rsa_jwk(lms.foreign_key, "foreign")
    kid = lms.keys[0][0]
    odd = [idp_jwt.secp256k1_jwk("k1"), idp_jwt.ed25519_jwk("ed"),
           dict(foreign, kid="enc", use="enc"), {"kid": "odd", "kty": "unknown"}]
    shapes = {
        "plain": keys,
        "first": keys[:1],
        "legacy": [dict(key, use="sig", alg="RS512") for key in keys],
        "mixed": odd + keys,
        "two": [foreign] + keys,
        "duplicate-kid": [idp_jwt.ec_jwk(_key(lms, "ES256", "ec256"), kid),
                          dict(foreign, kid=kid)] + keys,
        "no-kid": [{k: v for k, v in key.items() if k != "kid"} for key in keys],
        "foreign": [foreign],
        "ec": keys + [idp_jwt.ec_jwk(_key(lms, "ES256", "ec256"), "ec256")],
        "enc": [dict(key, use="enc") for key in keys],
        "alg-rs256": [dict(key, alg="RS256") for key in keys],
        "oct": keys + [idp_jwt.oct_jwk(lms.hs_secret, "hs")],
        "rsa1024": [idp_jwt.rsa_jwk(_key(lms, "RS512", "rsa1024"), kid)],
        "e1": [dict(keys[0], e="AQ")],
        "empty": [],
    }
    return {"keys": shapes[shape]}


def user_and_app(lms, username, client_id):
    app = lms.clients.get(client_id) or lms_state.client(client_id, "")
    return lms.users[username], app
