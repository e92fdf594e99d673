# SPDX-License-Identifier: Apache-2.0
"""HTTP plumbing shared by the stand-in identity providers.

Lives here: the request and answer objects, the table of routes, the record of what was asked, and
the server (one or two listening ports, TLS if wanted). What an answer looks like when it is broken
on purpose is in idp_wire.py; what the provider says is in its own modules.
"""

import collections
import http.server
import json
import re
import socketserver
import ssl
import threading
import time
import urllib.parse

import idp_wire

BODY_LIMIT = 4 * 1024 * 1024
KEPT_REQUESTS = 300
CHUNK = 1000    # bytes in a chunk of an answer sent in chunks


class Answer:
    """What to send: status, header list in order, body bytes."""

    def __init__(self, status=200, headers=None, body=b"", content_type=None):
        self.status = status
        self.headers = list(headers or [])
        self.chunked = False
        self.body = body.encode() if isinstance(body, str) else body
        if content_type is not None:
            self.headers.insert(0, ("Content-Type", content_type))

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


def html(status, title, inner, headers=None):
    page = ("<!DOCTYPE html>\n<html><head><title>%s</title></head>\n<body>\n%s\n</body></html>\n"
            % (title, inner))
    return Answer(status, headers, page, "text/html; charset=utf-8")


def redirect(location, headers=None):
    head = [("Content-Type", "text/html; charset=utf-8"), ("Location", location)]
    return Answer(302, head + list(headers or []))


def json_answer(value, status=200, headers=None):
    """JSON as the control API gives it (compact, UTF-8)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Answer(status, headers, text, "application/json")


class Request:
    """One request, read completely. Repeated parameters are kept; field() and arg() give the
    last one, as a Django QueryDict does."""

    def __init__(self, handler, body):
        self.method = handler.command
        self.target = handler.path
        split = urllib.parse.urlsplit(re.sub(r"^/+", "/", self.target))
        self.path = urllib.parse.unquote(split.path)
        self.raw_query = split.query
        self.query = urllib.parse.parse_qsl(split.query, keep_blank_values=True)
        self.headers = handler.headers
        self.body = body
        self.form = []
        kind = (self.headers.get("Content-Type") or "").split(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            self.form = urllib.parse.parse_qsl(body.decode("utf-8", "replace"),
                                               keep_blank_values=True)
        self.root = handler.server.root_name
        self.scheme = "https" if handler.server.tls else "http"
        self.certificate = handler.connection.getpeercert(True) if handler.server.tls else None
        self.host = self.headers.get("Host") or "127.0.0.1:%d" % handler.server.server_port
        self.site = handler.server.site
        self.cookies = {}
        for part in (self.headers.get("Cookie") or "").split(";"):
            name, mark, value = part.strip().partition("=")
            if mark:
                self.cookies[name] = value
        self.match = None
        self.record = None

    def arg(self, name, default=None):
        return dict(self.query).get(name, default)

    def field(self, name, default=None):
        return dict(self.form).get(name, default)

    def args(self, name):
        return [v for k, v in self.query if k == name]

    def json(self):
        return json.loads(self.body.decode() or "{}")


def endpoint_of(path):
    """The name an endpoint has in the control API: its path without a trailing slash."""
    return path.rstrip("/") or "/"


class Recorder:
    """Counts requests per endpoint and keeps the last ones of each."""

    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        with self.lock:
            self.counts = collections.Counter()
            self.kept = {}
            self.serial = 0

    def add(self, request, peer_port):
        endpoint = endpoint_of(request.path)
        entry = {
            "endpoint": endpoint, "method": request.method, "target": request.target,
            "raw_query": request.raw_query, "query": _lists(request.query),
            "query_order": [k for k, _ in request.query],
            "form": _lists(request.form), "form_order": [k for k, _ in request.form],
            "headers": [[k, v] for k, v in request.headers.items()],
            "body": request.body[:65536].decode("utf-8", "replace"),
            "root": request.root, "scheme": request.scheme, "peer_port": peer_port,
            "time": time.time(), "status": None,
        }
        with self.lock:
            self.serial += 1
            entry["serial"] = self.serial
            self.counts[endpoint] += 1
            self.kept.setdefault(endpoint, collections.deque(maxlen=KEPT_REQUESTS)).append(entry)
        return entry

    def report(self, endpoint=None, last=KEPT_REQUESTS):
        with self.lock:
            if endpoint is None:
                return {"counts": dict(self.counts), "total": self.serial}
            names = [n for n in self.kept if idp_wire.named_by(endpoint, n)]
            kept = sorted((entry for n in names for entry in self.kept[n]),
                          key=lambda entry: entry["serial"])
            return {"endpoint": endpoint, "count": sum(self.counts[n] for n in names),
                    "requests": kept[-last:]}


def _lists(pairs):
    found = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


class Site:
    """The routes of one stand-in, its recorder and its broken answers.

    A route is (methods, pattern, function); the pattern matches the whole path. The first pattern
    that matches decides: a method it does not take is a 405, as Django's View answers it.
    """

    def __init__(self):
        self.routes = []
        self.recorder = Recorder()
        self.faults = idp_wire.Faults()
        self.stopping = threading.Event()

    def add_routes(self, table):
        for methods, pattern, function in table:
            self.routes.append((methods.split(), re.compile(pattern + r"\Z"), function))

    def dispatch(self, request):
        for methods, pattern, function in self.routes:
            match = pattern.match(request.path)
            if match is None:
                continue
            if request.method not in methods:
                if request.method != "HEAD" or "GET" not in methods:
                    allow = ", ".join(methods + ["OPTIONS"])
                    return Answer(405, [("Allow", allow)], b"", "text/html; charset=utf-8")
            request.match = match
            return function(request)
        return html(404, "Page not found", "<h1>Page not found</h1>")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "stand-in"
    sys_version = ""
    timeout = 65
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_any(self):
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > BODY_LIMIT or \
                "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            self.close_connection = True
            return self.send(Answer(413, [("Connection", "close")]))
        request = Request(self, self.rfile.read(int(length)))
        site = request.site
        fault = None
        if not request.path.startswith("/_ctl/"):
            request.record = site.recorder.add(request, self.client_address[1])
            fault = site.faults.take(endpoint_of(request.path))
        if fault is None:
            answer = self.answer_of(request)
        else:
            answer = fault.change(lambda: self.answer_of(request), site.stopping)
        if request.record is not None:
            request.record["status"] = answer.status
        if fault is not None and fault.wire is not None:
            self.close_connection = True
            return idp_wire.WIRE[fault.wire](self, answer, site.stopping)
        return self.send(answer)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_any

    def answer_of(self, request):
        try:
            return request.site.dispatch(request)
        except Exception as error:  # as an unhandled exception in Django: a bare HTML 500
            if request.path.startswith("/_ctl/"):
                return json_answer({"error": repr(error)}, 400)
            request.site.faults.note("%s %s: %r" % (request.method, request.path, error))
            return html(500, "Server Error", "<h1>Server Error (500)</h1>")

    def send(self, answer):
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.header("Content-Length") is None:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if not answer.chunked:
            self.wfile.write(answer.body)
            return
        for start in range(0, len(answer.body), CHUNK):
            part = answer.body[start:start + CHUNK]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, port, site, root_name, cert=None, key=None, address="127.0.0.1",
                 client_ca=None):
        super().__init__((address, port), _Handler)
        self.site = site
        self.root_name = root_name
        self.tls = cert is not None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            if client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_ca)
            # the handshake happens at the first read, in the thread of the connection
            self.socket = context.wrap_socket(self.socket, server_side=True,
                                              do_handshake_on_connect=False)

    def server_bind(self):
        # without the reverse look-up of http.server, which may wait for a resolver
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        pass    # a client that went away is what many tests do on purpose

    def url(self):
        return "%s://127.0.0.1:%d" % ("https" if self.tls else "http", self.server_port)

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
