#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# A Studio-like app, run by httpd as CGI: shows who its environment says you are. It does no
# authentication of its own. ?plain gives the same as sorted lines of text.

import html
import os
import sys


def seen():
    for name, value in sorted(os.environb.items()):
        name = name.decode("utf-8", "replace")
        if name in ("AUTH_TYPE", "REMOTE_USER") or name.startswith("EDXSSO_"):
            yield name, value.decode("utf-8", "replace")


def answer(kind, text):
    sys.stdout.buffer.write(("Content-Type: %s; charset=utf-8\r\nCache-Control: no-store\r\n\r\n%s"
                             % (kind, text)).encode())


if os.environ.get("QUERY_STRING") == "plain":
    answer("text/plain", "".join("%s=%s\n" % pair for pair in seen()))
else:
    rows = "\n".join("<tr><td>%s</td><td>%s</td></tr>" % (html.escape(name), html.escape(value))
                     for name, value in seen())
    answer("text/html", """<!DOCTYPE html>
<html lang="en"><head><title>Studio</title></head>
<body>
<h1>Studio: hello, %s</h1>
<p>What this CGI program sees of you in its environment:</p>
<table border="1" cellpadding="4">
%s
</table>
<p><a href="/">Back</a> &middot; <a href="/edxsso/logout">Sign out</a></p>
</body></html>
""" % (html.escape(os.environ.get("EDXSSO_NAME") or os.environ.get("REMOTE_USER", "stranger")),
       rows))
