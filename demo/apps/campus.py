#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An LMS-like campus app, a server of its own on loopback behind httpd's proxy: shows the request
headers that it gets. It does no authentication of its own. ?plain gives sorted lines of text.

Takes --port (default: any free one) and prints `campus ready URL` when it listens.
"""

import argparse
import html
import http.server

PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>Campus</title></head>
<body>
<h1>Campus: hello, %s</h1>
<p>What this server behind the proxy sees of you in the request headers:</p>
<table border="1" cellpadding="4">
%s
</table>
<p><a href="/">Back</a> &middot; <a href="/edxsso/logout">Sign out</a></p>
</body></html>
"""


class Campus(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def seen(self):
        """Headers as UTF-8 text, sorted; http.server reads them as Latin-1. Of cookies only the
        names: on one host a browser sends those of other ports too, and they are secrets."""
        for name, value in sorted(self.headers.items()):
            if name.lower() == "cookie":
                value = " ".join(part.split("=")[0].strip() + "=..." for part in value.split(";"))
            yield name, value.encode("latin-1", "replace").decode("utf-8", "replace")

    def do_GET(self):
        seen = list(self.seen())
        if self.path.endswith("?plain"):
            kind, text = "text/plain", "".join("%s: %s\n" % pair for pair in seen)
        else:
            name = next((v for k, v in seen if k.lower() in ("edxsso-name", "remote-user")),
                        "stranger")
            rows = "\n".join("<tr><td>%s</td><td>%s</td></tr>" % (html.escape(k), html.escape(v))
                             for k, v in seen)
            kind, text = "text/html", PAGE % (html.escape(name), rows)
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind + "; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Campus)
    server.daemon_threads = True
    print("campus ready http://127.0.0.1:%d" % server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
