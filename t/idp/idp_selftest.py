# SPDX-License-Identifier: Apache-2.0
"""What the self-tests of the stand-ins share: TAP, an HTTP client, a started stand-in, a token
check. Tokens are checked with python3-cryptography here, not with the stand-in's own code."""

import base64
import http.client
import json
import os
import subprocess
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

HERE = os.path.dirname(os.path.abspath(__file__))
CALLBACK = "http://127.0.0.1:8080/edxsso/callback/lms"
SCOPE = "user_id profile email"
tally = {"count": 0, "failed": 0}


def ok(good, name, detail=""):
    tally["count"] += 1
    tally["failed"] += not good
    print("%sok %d - %s" % ("" if good else "not ", tally["count"], name))
    if not good and detail != "":
        print("# " + str(detail).replace("\n", "\n# "))


def same(got, want, name):
    ok(got == want, name, "got  %r\nwant %r" % (got, want))


class Reply:
    def __init__(self, answer):
        self.status, self.body = answer.status, answer.read()
        self.heads = answer.getheaders()
        self.text = self.body.decode("utf-8", "replace")

    def head(self, name):
        return next((v for k, v in self.heads if k.lower() == name.lower()), None)

    def all(self, name):
        return [v for k, v in self.heads if k.lower() == name.lower()]

    def json(self):
        return json.loads(self.text)


class Client:
    """One request a connection, no redirects, cookies by name."""

    def __init__(self, root):
        self.netloc = urllib.parse.urlsplit(root).netloc
        self.cookies = {}

    def ask(self, method, path, body=None, headers=None, timeout=20):
        head = {"Accept": "*/*"}
        head.update(headers or {})
        if self.cookies:
            head["Cookie"] = "; ".join("%s=%s" % pair for pair in self.cookies.items())
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body)
            head.setdefault("Content-Type", "application/x-www-form-urlencoded")
        link = http.client.HTTPConnection(self.netloc, timeout=timeout)
        try:
            link.request(method, path, body, head)
            reply = Reply(link.getresponse())
        finally:
            link.close()
        for line in reply.all("Set-Cookie"):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
        return reply

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body, **more):
        return self.ask("POST", path, body, **more)


class Lms:
    def __init__(self, *more):
        command = ["/usr/bin/python3", HERE + "/lms.py", "--until-eof", *more]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        words = self.process.stdout.readline().split()
        self.ready, self.root = words, words[2]
        self.plain = Client(self.root)

    def control(self, path, **given):
        reply = self.plain.post("/_ctl/" + path, json.dumps(given))
        assert reply.status == 200, reply.text
        return reply.json()

    def look(self, path):
        return self.plain.get("/_ctl/" + path).json()

    def signed_in(self, name="jsmith"):
        client = Client(self.root)
        client.get("/login?auto=" + name)
        return client

    def end(self):
        self.process.stdin.close()
        return self.process.wait(60)


def url(**changes):
    given = {"client_id": "studio-sso", "redirect_uri": CALLBACK, "state": "S",
             "response_type": "code", "scope": SCOPE}
    given.update(changes)
    return "/oauth2/authorize?" + urllib.parse.urlencode(
        {k: v for k, v in given.items() if v is not None})


def code_of(lms, name="jsmith", **changes):
    location = lms.signed_in(name).get(url(**changes)).head("Location")
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))["code"]


def token(lms, **changes):
    given = {"grant_type": "authorization_code", "redirect_uri": CALLBACK,
             "client_id": "studio-sso", "client_secret": "studio-secret", "token_type": "jwt",
             "asymmetric_jwt": "true"}
    given.update(changes)
    return lms.plain.post("/oauth2/access_token",
                          {k: v for k, v in given.items() if v is not None})


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(jwt):
    header, payload, signature = jwt.split(".")
    return unb64(header).decode(), unb64(payload).decode(), unb64(signature)


def signed_by(jwk, jwt, algorithm=hashes.SHA512):
    numbers = rsa.RSAPublicNumbers(int.from_bytes(unb64(jwk["e"]), "big"),
                                   int.from_bytes(unb64(jwk["n"]), "big"))
    data, _, signature = jwt.rpartition(".")
    try:
        numbers.public_key().verify(unb64(signature), data.encode(), padding.PKCS1v15(),
                                    algorithm())
        return True
    except Exception:
        return False


def finish():
    print("1..%d" % tally["count"])
    return 1 if tally["failed"] else 0
