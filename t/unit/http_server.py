# SPDX-License-Identifier: Apache-2.0
"""A provider at its worst, for t/unit/http.c: the path says what goes wrong.

Usage: http_server.py DIR. Makes certificates in DIR, listens on free ports of 127.0.0.1, prints
them on one line (plain, then one TLS port per certificate) and serves until its input ends.
"""
import gzip
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings

MIB = 1024 * 1024
CERTIFICATES = {  # name: subject alternative names, signed by our authority, days valid from 2020
    "good": ("DNS:localhost,IP:127.0.0.1", "ca", False),
    "other": ("DNS:other.test", "ca", False),
    "expired": ("DNS:localhost,IP:127.0.0.1", "ca", True),
    "self": ("DNS:localhost,IP:127.0.0.1", None, False),
    "client": ("DNS:client.test", "ca", False),
}
lock = threading.Lock()
counts = {"connections": 0, "requests": 0, "die": 0}


def openssl(folder, *words):
    subprocess.run(("openssl",) + words, cwd=folder, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_certificate(folder, name, names, signer, expired):
    with open(os.path.join(folder, name + ".cnf"), "w") as out:
        out.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s.db\nnew_certs_dir=.\nrand_serial=yes\n"
                  "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n[e]\n"
                  "subjectAltName=%s\nbasicConstraints=CA:%s\n"
                  % (name, names or "DNS:ca.test", "TRUE" if name == "ca" else "FALSE"))
    open(os.path.join(folder, name + ".db"), "w").close()
    openssl(folder, "req", "-new", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
            "-keyout", name + ".key", "-out", name + ".csr")
    dates = ("20200101000000Z", "20200201000000Z") if expired else ("20200101000000Z",
                                                                    "20491231000000Z")
    issuer = (("-cert", signer + ".pem", "-keyfile", signer + ".key") if signer
              else ("-selfsign", "-keyfile", name + ".key"))
    openssl(folder, "ca", "-batch", "-notext", "-config", name + ".cnf", "-extensions", "e",
            "-in", name + ".csr", "-out", name + ".pem", "-startdate", dates[0],
            "-enddate", dates[1], *issuer)


class Cut(Exception):
    """The connection ends here."""


class Connection:
    def __init__(self, sock):
        self.sock, self.pending, self.served = sock, b"", 0

    def read_request(self):
        while b"\r\n\r\n" not in self.pending:
            more = self.sock.recv(65536)
            if not more:
                raise Cut
            self.pending += more
        head, rest = self.pending.split(b"\r\n\r\n", 1)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(rest) < length:
            more = self.sock.recv(65536)
            if not more:
                raise Cut
            rest += more
        self.pending = rest[length:]
        return head, rest[:length]

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def answer(self, body=b"fine", status="200 OK", fields="Content-Type: text/plain\r\n"):
        body = body.encode() if isinstance(body, str) else body
        self.send(("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n" % (status, len(body), fields))
                  .encode() + body)

    def chunks(self, parts, trailer=""):
        self.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in parts:
            self.send(b"%x\r\n%s\r\n" % (len(part), part))
        self.send("0\r\n%s\r\n" % trailer)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise Cut


def drip(connection, head, text):
    connection.send(head)
    while True:
        connection.send(text)
        time.sleep(0.05)


def forever(connection, head, text):
    connection.send(head)
    while True:
        connection.send(text)


def one_then(text, reset=False):
    def serve(c):
        c.send(text)
        if reset:
            time.sleep(0.1)
            c.reset()
        raise Cut
    return serve


def die_if_reused(c):
    with lock:
        counts["die"] += 1
    if c.served > 1:
        raise Cut
    c.answer()


def close_after(c):
    # the answer and the end of the connection in one packet
    c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    c.answer()
    raise Cut


def transfer_gzip(c):
    c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
    body = gzip.compress(b"\0" * (10 * MIB))
    c.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))


OK = "HTTP/1.1 200 OK\r\n"
FIELDS = ("Content-Type: Application/JSON; charset=utf-8\r\nRetry-After: 7 \r\n"
          "WWW-Authenticate: Bearer error=\"x\"\r\nWWW-Authenticate: Basic\r\n"
          "Cache-Control: public, max-age=600, must-revalidate\r\n"
          "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n")
PATHS = {
    "/fine": lambda c: c.answer(),
    "/empty": lambda c: c.send("HTTP/1.1 204 No Content\r\n\r\n"),
    "/zero": lambda c: c.answer(b""),
    "/nul": lambda c: c.answer(b"a\0b"),
    "/chunked": lambda c: c.chunks([b"one ", b"two"]),
    "/trailer": lambda c: c.chunks([b"body"], "Retry-After: 9\r\nContent-Type: a/b\r\n"),
    "/fields": lambda c: c.answer("{}", "503 Busy", FIELDS),
    "/hundred": lambda c: (c.send("HTTP/1.1 100 Continue\r\nRetry-After: 1\r\n\r\n"), c.answer()),
    "/control": lambda c: c.answer("{}", fields="Retry-After: 1\x1b[2J\r\nContent-Type: \x01\r\n"),
    "/no-age": lambda c: c.answer("{}", fields="Cache-Control: x-max-age=1, max-age=x\r\n"),
    "/long-age": lambda c: c.answer("{}", fields="Cache-Control: MAX-AGE=\"%s\"\r\n" % ("9" * 40)),
    "/redirect": lambda c: c.answer(b"", "302 Found", "Location: /redirected\r\n"),
    "/exact": lambda c: c.answer(b"x" * MIB),
    "/exact-chunked": lambda c: c.chunks([b"x" * 65536] * 16),
    "/over": lambda c: c.answer(b"x" * (MIB + 1)),
    "/over-chunked": lambda c: c.chunks([b"x" * 65536] * 16 + [b"x"]),
    "/over-close": lambda c: one_then(OK + "\r\n" + "x" * (MIB + 1))(c),
    "/gigabyte": lambda c: forever(c, OK + "Content-Length: 1073741824\r\n\r\n", "x" * 65536),
    "/endless-chunks": lambda c: forever(c, OK + "Transfer-Encoding: chunked\r\n\r\n",
                                         "1000\r\n" + "x" * 4096 + "\r\n"),
    "/endless-close": lambda c: forever(c, OK + "\r\n", "x" * 65536),
    "/endless-headers": lambda c: forever(c, OK, "X-Filler: %s\r\n" % ("y" * 900)),
    "/endless-header": lambda c: forever(c, OK + "X-Filler: ", "y" * 900),
    "/endless-100": lambda c: forever(c, "", "HTTP/1.1 100 Continue\r\n\r\n"),
    "/endless-trailer": lambda c: forever(c, OK + "Transfer-Encoding: chunked\r\n\r\n0\r\n",
                                          "X-Filler: %s\r\n" % ("y" * 900)),
    "/header-31k": lambda c: c.answer(fields="X-Filler: %s\r\n" % ("y" * 31000)),
    "/header-33k": lambda c: c.answer(fields="X-Filler: %s\r\n" % ("y" * 33000)),
    "/slow-headers": lambda c: drip(c, OK + "X-Filler: ", "y"),
    "/slow-body": lambda c: drip(c, OK + "Content-Length: 100000\r\n\r\n", "y"),
    "/slow-chunks": lambda c: drip(c, OK + "Transfer-Encoding: chunked\r\n\r\n", "1\r\ny\r\n"),
    "/hang": lambda c: time.sleep(30),
    "/nothing": one_then(""),
    "/reset": one_then(OK + "Content-Length: 100\r\n\r\nhalf", True),
    "/reset-early": lambda c: c.reset(),
    "/cut": one_then(OK + "Content-Length: 100\r\n\r\nhalf"),
    "/cut-headers": one_then(OK + "Content-Len"),
    "/cut-chunk": one_then(OK + "Transfer-Encoding: chunked\r\n\r\n10\r\nhalf"),
    "/cut-chunks": one_then(OK + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    "/bad-chunk": one_then(OK + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n"),
    "/bad-length": one_then(OK + "Content-Length: -5\r\n\r\nhalf"),
    "/bad-header": one_then(OK + "no colon here\r\n\r\nhalf"),
    "/nul-header": one_then(OK + "A: b\0c\r\n\r\nhalf"),
    "/garbage": one_then("\x16\x03\x01 nothing that anyone would call HTTP\r\n\r\n"),
    "/http09": one_then("<html>hello</html>"),
    "/gzip": lambda c: c.answer(gzip.compress(b"fine"), fields="Content-Encoding: gzip\r\n"),
    "/transfer-gzip": transfer_gzip,
    "/die-if-reused": die_if_reused,
    "/close-after": close_after,
}


def serve_one(c):
    head, body = c.read_request()
    method, target = head.split(b" ")[:2]
    path = target.decode()
    if path.startswith("http://provider.test"):  # we are asked as a proxy
        path = path[len("http://provider.test"):]
    path = path.split("?")[0]
    c.served += 1
    with lock:
        counts["requests"] += 1
    if method == b"CONNECT":
        c.answer("no", "403 Forbidden")
    elif path == "/counts":
        c.answer("%(connections)d %(requests)d %(die)d" % counts)
    elif path == "/echo":
        c.answer(head + b"\r\n\r\n" + body)
    elif path.startswith("/status/"):
        c.answer("as asked", path[8:] + " Status")
    elif path in PATHS:
        PATHS[path](c)
    else:
        c.answer("no such path", "404 Not Found")


def serve(sock, context):
    with lock:
        counts["connections"] += 1
    try:
        sock.settimeout(30)
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        connection = Connection(sock)
        while True:
            serve_one(connection)
    except (OSError, Cut):
        pass
    finally:
        sock.close()


def listen(context):
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def run():
        while True:
            sock = listener.accept()[0]
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(sock, context), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


def tls(folder, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    name = "good" if name == "client" else name
    path = os.path.join(folder, name)
    context.load_cert_chain(path + ".pem", path + ".key")
    return context


def main():
    folder = sys.argv[1]
    warnings.simplefilter("ignore")  # of TLS 1.0 being old: that is the point of the last port
    make_certificate(folder, "ca", None, None, False)
    for name, (names, signer, expired) in CERTIFICATES.items():
        make_certificate(folder, name, names, signer, expired)
    ports = [listen(None)]
    for name in CERTIFICATES:
        context = tls(folder, name)
        if name == "client":  # this port wants one from the caller
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(os.path.join(folder, "ca.pem"))
        ports.append(listen(context))
    old = tls(folder, "good")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    ports.append(listen(old))
    print(*ports, flush=True)
    sys.stdin.read()


main()
