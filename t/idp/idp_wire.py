# SPDX-License-Identifier: Apache-2.0
"""Answers that are broken on purpose.

A fault names an endpoint and says what is different about its next answers: another status,
headers or body, a delay, or a way of misbehaving on the wire (WIRE). PRESETS are faults by name.
Everything here is bounded: nothing is sent for ever, nothing is awaited for ever.
"""

import base64
import fnmatch
import gzip
import json
import socket
import struct
import threading
import time

ENDLESS_LIMIT = 64 * 1024 * 1024
HANG_LIMIT_SEC = 60

_HTML = "<!DOCTYPE html>\n<html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n"
_TYPE_HTML = {"Content-Type": "text/html; charset=utf-8"}
_TYPE_JSON = {"Content-Type": "application/json"}


def _page(status, text, **more):
    return dict({"status": status, "headers": _TYPE_HTML, "body": _HTML % (text, text)}, **more)


def _json(text, **more):
    return dict({"status": 200, "headers": _TYPE_JSON, "body": text}, **more)


PRESETS = {
    "html-400": _page(400, "Bad Request"),
    "html-403": _page(403, "Forbidden"),
    "html-404": _page(404, "Page not found"),
    "html-429": _page(429, "Too Many Requests"),
    "html-429-retry": _page(429, "Too Many Requests",
                            headers=dict(_TYPE_HTML, **{"Retry-After": "17"})),
    "html-500": _page(500, "Server Error (500)"),
    "html-502": _page(502, "502 Bad Gateway"),
    "html-503": _page(503, "Service Unavailable"),
    "html-503-retry": _page(503, "Service Unavailable",
                            headers=dict(_TYPE_HTML, **{"Retry-After": "23"})),
    "html-200": _page(200, "Maintenance"),
    "empty": _json(""),
    "not-json": _json("access_token=abc&expires_in=3600"),
    "json-null": _json("null"),
    "json-array": _json("[]"),
    "json-string": _json("\"eyJhbGciOiJub25lIn0.e30.\""),
    "json-empty-object": _json("{}"),
    "deep-json": _json("", repeat=["[", 100000]),
    "duplicate-keys": _json("{\"access_token\": \"a\", \"access_token\": \"b\", "
                            "\"expires_in\": 3600, \"token_type\": \"JWT\"}"),
    "bad-utf8": {"status": 200, "headers": _TYPE_JSON,
                 "body_b64": base64.b64encode(b"{\"access_token\": \"\xff\xfe\"}").decode()},
    "nul-byte": _json("{\"access_token\": \"a\0b\", \"token_type\": \"JWT\"}"),
    "wrong-type": {"headers": _TYPE_HTML},
    "no-type": {"drop": ["Content-Type"]},
    "charset": {"headers": {"Content-Type": "application/json; charset=utf-8"}},
    "redirect": {"status": 302, "headers": {"Location": "http://127.0.0.1:9/evil"}, "body": ""},
    "redirect-307": {"status": 307, "headers": {"Location": "http://127.0.0.1:9/evil"},
                     "body": ""},
    "slow": {"delay": 3},
    "slow-30": {"delay": 30},
    "hang": {"wire": "hang"},
    "reset": {"wire": "reset"},
    "close": {"wire": "close"},
    "garbage": {"wire": "garbage"},
    "truncate": {"wire": "truncate"},
    "stall": {"wire": "stall"},
    "close-after": {"wire": "close-after"},
    "drip": {"wire": "drip"},
    "endless": {"status": 200, "headers": _TYPE_JSON, "body": "{\"a\": \"", "wire": "endless"},
    "bad-chunk": {"wire": "bad-chunk"},
    "chunked": {"wire": "chunked"},
    "gzip": {"wire": "gzip"},
    "bomb": {"status": 200, "headers": _TYPE_JSON, "body": "", "wire": "bomb"},
    "huge": {"status": 200, "headers": _TYPE_JSON, "body": "{\"a\": \"", "wire": "huge"},
    "2mb": _json("{\"a\": \"", repeat=["x", 2 * 1024 * 1024]),
    "huge-header": {"wire": "huge-header"},
    "many-headers": {"wire": "many-headers"},
}


class Fault:
    """One change of answers: see the README for the members."""

    KNOWN = {"endpoint", "preset", "count", "skip", "status", "headers", "drop", "body", "body_b64",
             "json", "repeat", "delay", "wire", "run"}

    def __init__(self, given):
        unknown = set(given) - self.KNOWN
        if unknown:
            raise ValueError("unknown members: %s" % sorted(unknown))
        merged = dict(PRESETS[given["preset"]]) if "preset" in given else {}
        merged.update(given)
        self.endpoint = merged["endpoint"].rstrip("/") or "/"
        self.count = int(merged.get("count", 1))        # 0: until reset
        self.skip = int(merged.get("skip", 0))
        self.delay = float(merged.get("delay", 0))
        self.status = merged.get("status")
        self.wire = merged.get("wire")
        if self.wire is not None and self.wire not in WIRE:
            raise ValueError("unknown wire: %s" % self.wire)
        headers = merged.get("headers", {})
        self.headers = list(headers.items()) if isinstance(headers, dict) else \
            [tuple(pair) for pair in headers]
        self.drop = {name.lower() for name in merged.get("drop", [])}
        self.body = _body_of(merged)
        # the provider's own work is done first unless status or body are given anyway
        self.run = merged.get("run", self.body is None and self.status is None)

    def change(self, make_answer, stopping):
        if self.delay:
            stopping.wait(min(self.delay, HANG_LIMIT_SEC))
        from idp_http import Answer
        answer = make_answer() if self.run else Answer(self.status or 200)
        if self.status is not None:
            answer.status = int(self.status)
        if self.body is not None:
            answer.body = self.body
        gone = self.drop | {name.lower() for name, _ in self.headers}
        answer.headers = [pair for pair in answer.headers if pair[0].lower() not in gone]
        answer.headers += self.headers
        return answer


def _body_of(given):
    if "body_b64" in given:
        return base64.b64decode(given["body_b64"])
    if "json" in given:
        return json.dumps(given["json"]).encode()
    if "body" not in given:
        return None
    body = given["body"].encode()
    if "repeat" in given:
        text, times = given["repeat"]
        body += text.encode() * min(int(times), ENDLESS_LIMIT)
    return body


def named_by(pattern, endpoint):
    """Whether an endpoint is the one named, or one of those named with `*` for any text."""
    return pattern == endpoint or "*" in pattern and \
        fnmatch.fnmatchcase(endpoint, pattern.replace("[", "[[]"))


class Faults:
    """The faults in force, in the order given; each request uses up the first that is due."""

    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        with self.lock:
            self.list = []
            self.notes = []

    def add(self, given):
        with self.lock:
            self.list.append(Fault(given))

    def take(self, endpoint):
        with self.lock:
            for fault in self.list:
                if not named_by(fault.endpoint, endpoint):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.count == 1:
                    self.list.remove(fault)
                elif fault.count > 1:
                    fault.count -= 1
                return fault
        return None

    def note(self, text):
        with self.lock:
            self.notes = self.notes[-99:] + [text]


def _head(handler, answer, more):
    handler.send_response(answer.status)
    for name, value in answer.headers + more:
        handler.send_header(name, value)
    handler.end_headers()


def _hang(_handler, _answer, stopping):
    stopping.wait(HANG_LIMIT_SEC)


def _reset(handler, _answer, _stopping):
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def _close(_handler, _answer, _stopping):
    pass


def _garbage(handler, _answer, _stopping):
    handler.wfile.write(b"\x00\x01\x02 this is no HTTP\r\n\r\n")


def _truncate(handler, answer, _stopping):
    _head(handler, answer, [("Content-Length", str(len(answer.body) + 100))])
    handler.wfile.write(answer.body[:len(answer.body) // 2])


def _stall(handler, answer, stopping):
    _truncate(handler, answer, stopping)
    stopping.wait(HANG_LIMIT_SEC)


def _close_after(handler, answer, _stopping):
    """A good answer, then the connection is closed without a word about it."""
    handler.send(answer)


def _drip(handler, answer, stopping):
    _head(handler, answer, [("Content-Length", str(len(answer.body)))])
    until = time.monotonic() + HANG_LIMIT_SEC
    for byte in answer.body:
        if time.monotonic() > until or stopping.wait(0.2):
            return
        handler.wfile.write(bytes([byte]))


def _endless(handler, answer, stopping):
    _head(handler, answer, [("Transfer-Encoding", "chunked")])
    chunk = answer.body or b"x"
    sent = 0
    while sent < ENDLESS_LIMIT and not stopping.is_set():
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        sent += len(chunk)
        chunk = b"x" * 16384


def _bad_chunk(handler, answer, _stopping):
    _head(handler, answer, [("Transfer-Encoding", "chunked")])
    handler.wfile.write(b"zz\r\n" + answer.body + b"\r\n0\r\n\r\n")


def _chunked(handler, answer, _stopping):
    """A good answer in chunks."""
    answer.chunked = True
    handler.send(answer)


def _gzip(handler, answer, _stopping):
    body = gzip.compress(answer.body)
    _head(handler, answer, [("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))])
    handler.wfile.write(body)


def _bomb(handler, answer, _stopping):
    answer.body = gzip.compress(b"{\"a\": \"" + b" " * ENDLESS_LIMIT, 6)
    _head(handler, answer, [("Content-Encoding", "gzip"),
                            ("Content-Length", str(len(answer.body)))])
    handler.wfile.write(answer.body)


def _huge(handler, answer, stopping):
    _head(handler, answer, [("Content-Length", str(1 << 30))])
    handler.wfile.write(answer.body)
    sent = 0
    while sent < ENDLESS_LIMIT and not stopping.is_set():
        handler.wfile.write(b"x" * 65536)
        sent += 65536


def _huge_header(handler, answer, _stopping):
    _head(handler, answer, [("X-Huge", "x" * (1 << 20)),
                            ("Content-Length", str(len(answer.body)))])
    handler.wfile.write(answer.body)


def _many_headers(handler, answer, _stopping):
    many = [("X-Many-%d" % n, "x" * 100) for n in range(20000)]
    _head(handler, answer, many + [("Content-Length", str(len(answer.body)))])
    handler.wfile.write(answer.body)


WIRE = {
    "hang": _hang, "reset": _reset, "close": _close, "close-after": _close_after,
    "garbage": _garbage, "truncate": _truncate, "stall": _stall, "drip": _drip,
    "endless": _endless, "bad-chunk": _bad_chunk, "chunked": _chunked, "gzip": _gzip, "bomb": _bomb,
    "huge": _huge, "huge-header": _huge_header, "many-headers": _many_headers,
}
