# SPDX-License-Identifier: Apache-2.0
"""The app behind mod_proxy in tests: answers with the request it got, as text, byte for byte.

GET /count (asked for directly, not through httpd) says how many requests came in before it that
were not for /count; GET /last returns the last of them again.
"""

import http.server
import threading

lock = threading.Lock()
seen = {"count": 0, "last": b""}


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def echo(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        lines = [self.requestline] + ["%s: %s" % pair for pair in self.headers.items()]
        text = ("\n".join(lines) + "\n\n").encode("iso-8859-1") + body
        with lock:
            if self.path == "/count":
                text = b"%d\n" % seen["count"]
            elif self.path == "/last":
                text = seen["last"]
            else:
                seen["count"] += 1
                seen["last"] = text
        self.answer(text)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.echo
        raise AttributeError(name)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
server.daemon_threads = True
print("echo ready http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
