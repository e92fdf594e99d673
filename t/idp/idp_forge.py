# SPDX-License-Identifier: Apache-2.0
"""Tokens that are wrong on purpose: what may be wrong with any JWS, by name, and the making of it.

A token fault is a dict of the members in KNOWN. NAMED holds those that any provider can have; a
provider adds its own when it makes its TokenFaults. Nothing here knows a provider.
"""

import functools
import threading

import idp_jwt
from idp_jwt import compact

# `shift` moves a time from now (seconds); `answer`, `drop_answer`, `answer_duplicate` and `bom`
# change the token endpoint's JSON; `for` is the token meant; `grant` the grant_type meant.
KNOWN = {"name", "count", "skip", "for", "grant", "alg", "sign_alg", "key", "kid", "header",
         "header_remove", "header_duplicate", "header_raw", "claims", "remove", "shift",
         "duplicate", "members_raw", "deep", "payload_raw", "signature", "raw", "suffix", "prefix",
         "segments", "answer", "drop_answer", "answer_duplicate", "bom"}

_EVIL = "http://127.0.0.1:9/evil"

NAMED = {
    "alg-none": {"alg": "none"}, "alg-None": {"alg": "None"}, "alg-NONE": {"alg": "NONE"},
    "alg-empty": {"alg": ""}, "alg-missing": {"header_remove": ["alg"]},
    "alg-number": {"header": {"alg": 256}},
    "alg-none-signed": {"alg": "none", "sign_alg": "RS256"},
    "alg-lower": {"alg": "rs256", "sign_alg": "RS256"},
    "alg-mismatch": {"alg": "RS512", "sign_alg": "RS256"},
    "rs512": {"alg": "RS512"}, "ps256": {"alg": "PS256"}, "es256": {"alg": "ES256", "key": "ec256"},
    "hs256-secret": {"alg": "HS256", "key": "secret"},
    "hs256-public-pem": {"alg": "HS256", "key": "public-pem"},
    "hs256-public-pem-stripped": {"alg": "HS256", "key": "public-pem-stripped"},
    "hs256-public-pkcs1": {"alg": "HS256", "key": "public-pkcs1"},
    "hs256-public-der": {"alg": "HS256", "key": "public-der"},
    "hs256-public-jwk": {"alg": "HS256", "key": "public-jwk"},
    "hs256-empty-key": {"alg": "HS256", "key": "hs-empty"},
    "foreign-key": {"key": "foreign"},
    "kid-none": {"kid": "none"}, "kid-wrong": {"kid": "wrong"},
    "kid-duplicate": {"header_duplicate": ["kid"]}, "kid-number": {"header": {"kid": 7}},
    "kid-path": {"header": {"kid": "../../../etc/passwd"}},
    "typ-at": {"header": {"typ": "at+jwt"}}, "typ-logout": {"header": {"typ": "logout+jwt"}},
    "crit": {"header": {"crit": ["exp"], "exp": 1}},
    "b64": {"header": {"crit": ["b64"], "b64": False}}, "zip": {"header": {"zip": "DEF"}},
    "embedded-jwk": {"key": "foreign", "header": {"jwk": "@foreign-jwk"}},
    "jku": {"key": "foreign", "header": {"jku": _EVIL}},
    "x5u": {"key": "foreign", "header": {"x5u": _EVIL}},
    "x5c": {"key": "foreign", "header": {"x5c": ["MIIB"]}},
    "header-duplicate": {"header_duplicate": ["alg"]},
    "header-array": {"header_raw": "[]"}, "header-not-json": {"header_raw": "x"},
    "signature-empty": {"signature": "empty"}, "signature-flipped": {"signature": "flip"},
    "signature-short": {"signature": "short"}, "signature-long": {"signature": "long"},
    "signature-padded": {"suffix": "=="}, "trailing-junk": {"suffix": ".e30"},
    "trailing-newline": {"suffix": "\n"}, "two-segments": {"segments": 2},
    "not-a-jwt": {"raw": "opaque"},
    "iss-wrong": {"claims": {"iss": "https://evil.test/"}}, "iss-missing": {"remove": ["iss"]},
    "iss-list": {"claims": {"iss": ["@iss"]}}, "iss-slash": {"claims": {"iss": "@iss/"}},
    "aud-wrong": {"claims": {"aud": "other"}}, "aud-missing": {"remove": ["aud"]},
    "aud-list": {"claims": {"aud": ["@aud"]}},
    "aud-list-more": {"claims": {"aud": ["other", "@aud"]}},
    "aud-list-azp": {"claims": {"aud": ["other", "@aud"], "azp": "@aud"}},
    "aud-list-azp-wrong": {"claims": {"aud": ["other", "@aud"], "azp": "other"}},
    "azp-wrong": {"claims": {"azp": "other"}}, "aud-list-empty": {"claims": {"aud": []}},
    "aud-number": {"claims": {"aud": 7}},
    "exp-past": {"shift": {"exp": -7200, "iat": -10800, "nbf": -10800}},
    "exp-just-past": {"shift": {"exp": -90}}, "exp-in-skew": {"shift": {"exp": -20}},
    "exp-missing": {"remove": ["exp"]}, "exp-string": {"claims": {"exp": "1795198979"}},
    "exp-null": {"claims": {"exp": None}}, "exp-negative": {"claims": {"exp": -1}},
    "exp-1e400": {"payload_raw": "exp-1e400"}, "exp-huge": {"payload_raw": "exp-huge"},
    "iat-hour": {"shift": {"iat": -3600, "nbf": -3600}}, "iat-future": {"shift": {"iat": 600}},
    "iat-missing": {"remove": ["iat"]}, "iat-string": {"claims": {"iat": "now"}},
    "nbf-future": {"shift": {"nbf": 600}},
    "nonce-wrong": {"claims": {"nonce": "wrong"}}, "nonce-missing": {"remove": ["nonce"]},
    "nonce-number": {"claims": {"nonce": 7}},
    "sub-missing": {"remove": ["sub"]}, "sub-empty": {"claims": {"sub": ""}},
    "sub-long": {"claims": {"sub": "s" * 300}}, "sub-number": {"claims": {"sub": 7}},
    "sub-other": {"claims": {"sub": "somebody-else"}},
    "at-hash-wrong": {"claims": {"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}},
    "c-hash-wrong": {"claims": {"c_hash": "77QmUPtjPfzWtF2AnpK9RQ"}},
    "claims-duplicate": {"duplicate": ["sub"]},
    "deep-33": {"deep": 33}, "deep-5000": {"deep": 5000},
    "claim-100k": {"claims": {"name": "x" * 100000}},
    "claim-control": {"claims": {"name": "a\r\nSet-Cookie: evil=1\u0001\u007f\tb"}},
    "claim-html": {"claims": {"name": "<script>alert(1)</script>"}},
    "claim-unicode": {"claims": {"name": "Zoë Müller-Şahin 🎓 李"}},
    "payload-array": {"payload_raw": "[]"}, "payload-empty": {"payload_raw": ""},
    "payload-not-json": {"payload_raw": "x"}, "payload-trailing": {"payload_raw": "trailing"},
    "expires-string": {"answer": {"expires_in": "3599"}},
    "expires-missing": {"drop_answer": ["expires_in"]},
    "expires-negative": {"answer": {"expires_in": -5}},
    "expires-huge": {"answer": {"expires_in": 1e300}},
    "no-refresh-token": {"drop_answer": ["refresh_token"]},
    "no-access-token": {"drop_answer": ["access_token", "expires_in", "ext_expires_in"]},
    "no-id-token": {"drop_answer": ["id_token"]},
    "id-token-number": {"answer": {"id_token": 7}},
    "access-token-number": {"answer": {"access_token": 7}},
    "token-type-missing": {"drop_answer": ["token_type"]},
    "token-type-wrong": {"answer": {"token_type": "mac"}},
    "answer-duplicate": {"answer_duplicate": ["id_token"]}, "bom": {"bom": True},
    "error-200": {"drop_answer": ["access_token", "id_token"],
                  "answer": {"error": "invalid_grant"}},
}


class TokenFaults:
    """The token faults in force, in the order given."""

    def __init__(self, named=(), known=(), place="id"):
        self.named = dict(NAMED, **dict(named))
        self.known = KNOWN | set(known)
        self.place = place
        self.lock = threading.Lock()
        self.list = []

    def check(self, given):
        """A fault as given by a test, with its named one filled in."""
        unknown = set(given) - self.known
        if unknown:
            raise ValueError("unknown members: %s" % sorted(unknown))
        merged = dict(self.named[given["name"]]) if "name" in given else {}
        merged.update(given)
        merged["count"] = int(merged.get("count", 1))       # 0: until reset
        return merged

    def add(self, given):
        fault = self.check(given)
        with self.lock:
            self.list.append(fault)

    def clear(self):
        with self.lock:
            self.list = []

    def take(self, place, grant=None):
        """The fault for the next token of that place, or {}."""
        with self.lock:
            for fault in self.list:
                if fault.get("for", self.place) not in (place, "any") or \
                        fault.get("grant", grant) != grant:
                    continue
                if fault.get("skip", 0) > 0:
                    fault["skip"] -= 1
                    continue
                if fault["count"] == 1:
                    self.list.remove(fault)
                elif fault["count"] > 1:
                    fault["count"] -= 1
                return fault
        return {}


@functools.lru_cache(maxsize=None)
def fixed_key(name):
    """Keys of the forgeries, made when first asked for: foreign, ec256..., rsa1024, enc."""
    if name.startswith("ec"):
        return idp_jwt.new_ec(name[2:])
    return idp_jwt.new_rsa(1024 if name == "rsa1024" else 2048)


def forge(header, claims, fault, key_of, now):
    """The token: `header` and `claims` changed by the fault, signed with key_of(name of key).
    The name is None for the right key; a provider knows "own" and its own names, the rest is
    settled here. header may hold "@signed": the header that is signed in place of the one sent."""
    if "raw" in fault:
        return fault["raw"]
    words = {"@iss": claims.get("iss"), "@aud": claims.get("aud"),
             "@iss/": "%s/" % claims.get("iss")}
    signed = header.pop("@signed", None)
    alg = fault.get("alg", header["alg"])
    header_text = _header(dict(header, alg=alg), fault)
    payload_text = _payload(claims, fault, words, now)
    sign_alg = fault.get("sign_alg", alg)
    name = fault.get("key")
    if name is None and sign_alg[:2] == "ES" and header["alg"][:2] != "ES":
        name = "ec" + sign_alg[2:]      # a provider of another kind has none of its own
    key = _key(sign_alg, name, key_of)
    token = idp_jwt.assemble(header_text if signed is None else compact(signed), payload_text,
                             lambda data: _signature(fault, idp_jwt.sign(sign_alg, key, data)))
    if signed is not None:
        token = idp_jwt.b64u(header_text.encode()) + token[token.index("."):]
    if "segments" in fault:
        token = ".".join(token.split(".")[:fault["segments"]])
    return fault.get("prefix", "") + token + fault.get("suffix", "")


def _header(header, fault):
    if "header_raw" in fault:
        return fault["header_raw"]
    if fault.get("kid") == "none":
        header.pop("kid", None)
    elif fault.get("kid") == "wrong":
        header["kid"] = "no-such-key"
    header.update({name: idp_jwt.rsa_jwk(fixed_key("foreign"), header.get("kid"))
                   if value == "@foreign-jwk" else value
                   for name, value in fault.get("header", {}).items()})
    for name in fault.get("header_remove", []):
        header.pop(name, None)
    return with_duplicates(compact(header), header, fault.get("header_duplicate", []))


def _payload(claims, fault, words, now):
    for name, seconds in fault.get("shift", {}).items():
        claims[name] = now + seconds
    for name, value in fault.get("claims", {}).items():
        claims[name] = filled_in(value, words)
    for name in fault.get("remove", []):
        claims.pop(name, None)
    text = with_duplicates(compact(claims), claims, fault.get("duplicate", []))
    if "members_raw" in fault:
        text = text[:-1] + "," + fault["members_raw"] + "}"
    if "deep" in fault:
        depth = fault["deep"]
        text = text[:-1] + ',"deep":' + "[" * depth + "]" * depth + "}"
    if "payload_raw" in fault:
        exp = '"exp":%d' % claims.get("exp", 0)
        special = {"trailing": text + "{}", "exp-1e400": text.replace(exp, '"exp":1e400'),
                   "exp-huge": text.replace(exp, '"exp":99999999999999999999')}
        text = special.get(fault["payload_raw"], fault["payload_raw"])
    return text


def filled_in(value, words):
    if isinstance(value, list):
        return [filled_in(item, words) for item in value]
    return words.get(value, value) if isinstance(value, str) else value


def with_duplicates(text, members, names):
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


def _key(alg, name, key_of):
    if name is not None and name.startswith("public-"):
        return idp_jwt.public_bytes(key_of("own"), name[len("public-"):])
    if name == "hs-empty":
        return b""
    if name is not None and (name in ("foreign", "rsa1024") or name.startswith("ec")):
        return fixed_key(name)
    if name is None and alg[:2] == "HS":
        name = "secret"
    return key_of(name)


def answer_text(answer, fault):
    """The token endpoint's JSON with what the fault changes in it."""
    answer.update(fault.get("answer", {}))
    for name in fault.get("drop_answer", []):
        answer.pop(name, None)
    text = with_duplicates(compact(answer), answer, fault.get("answer_duplicate", []))
    return ("\ufeff" if fault.get("bom") else "") + text
