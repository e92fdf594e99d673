#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two small servers for t/server/outgoing.t, on loopback and free ports.

  outgoing.py proxy URL         a proxy that asks URL whatever it is asked for, and counts (GET /count)
  outgoing.py tls CERT KEY DIR  a TLS server of the files in DIR

Prints `ready PORT`.
"""

import http.server
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request


class Proxy(http.server.BaseHTTPRequestHandler):
    hosts = []

    def do_GET(self):
        if self.path == "/count":
            return self._send(200, "text/plain", " ".join(self.hosts).encode())
        place = urllib.parse.urlsplit(self.path)
        self.hosts.append(place.netloc)
        length = int(self.headers.get("Content-Length") or 0)
        request = urllib.request.Request(
            sys.argv[2] + urllib.parse.urlunsplit(("", "", place.path, place.query, "")),
            data=self.rfile.read(length) if length else None, method=self.command,
            headers={k: v for k, v in self.headers.items() if k in ("Content-Type", "Accept")})
        try:
            reply = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
        except urllib.error.HTTPError as error:
            reply = error
        return self._send(reply.status, reply.headers.get("Content-Type", ""), reply.read())

    do_POST = do_GET

    def _send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Files(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *given):
        super().__init__(*given, directory=sys.argv[4])

    def log_message(self, *_):
        pass


def main():
    tls = sys.argv[1] == "tls"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files if tls else Proxy)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready http%s://127.0.0.1:%d" % ("s" if tls else "", server.server_port), flush=True)
    server.serve_forever()


main()
