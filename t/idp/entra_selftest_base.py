# SPDX-License-Identifier: Apache-2.0
"""What the parts of entra_selftest.py share: a started stand-in and whole sign-ins."""

import base64
import hashlib
import json
import subprocess
import urllib.parse

from idp_selftest import HERE, Client, parts

CALLBACK = "http://127.0.0.1:8080/edxsso/callback/entra"
SECRET = "s3cr~et.of_edx-1"
MSA = "9188040d-6c67-4c5b-b112-36a304b66dad"
SCOPE = "openid profile email offline_access User.Read"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:-1]


class Entra:
    def __init__(self, *more):
        command = ["/usr/bin/python3", HERE + "/entra.py", "--until-eof", *more]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.ready = self.process.stdout.readline().split()
        self.root, self.graph_root = self.ready[2], self.ready[4]
        self.plain, self.graph = Client(self.root), Client(self.graph_root)
        state = self.look("state")
        self.apps, self.tenants = state["apps"], state["tenants"]
        self.contoso, self.fabrikam = self.tenants["contoso"], self.tenants["fabrikam"]

    def control(self, path, **given):
        reply = self.plain.post("/_ctl/" + path, json.dumps(given))
        assert reply.status == 200, reply.text
        return reply.json()

    def look(self, path):
        return self.plain.get("/_ctl/" + path).json()

    def end(self):
        self.process.stdin.close()
        return self.process.wait(60)

    def authorize(self, client=None, tenant="contoso.com", version="/v2.0", method="GET",
                  **changes):
        given = {"client_id": "single", "response_type": "code", "redirect_uri": CALLBACK,
                 "scope": SCOPE, "state": "S", "nonce": "N", "login_hint": "adele",
                 "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        given.update(changes)
        given["client_id"] = self.apps.get(given["client_id"], given["client_id"])
        body = urllib.parse.urlencode({k: v for k, v in given.items() if v is not None})
        path = "/%s/oauth2%s/authorize" % (tenant, version)
        client = client or Client(self.root)
        if method == "POST":
            return client.post(path, body,
                               headers={"Content-Type": "application/x-www-form-urlencoded"})
        return client.get(path + "?" + body)

    def code(self, **changes):
        return answer_of(self.authorize(**changes))["code"]

    def token(self, tenant="contoso.com", version="/v2.0", headers=None, **changes):
        given = {"grant_type": "authorization_code", "client_id": "single",
                 "client_secret": SECRET, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        if changes.get("grant_type", "authorization_code") != "authorization_code":
            del given["redirect_uri"], given["code_verifier"]
        given.update(changes)
        given["client_id"] = self.apps.get(given["client_id"], given["client_id"])
        return self.plain.post("/%s/oauth2%s/token" % (tenant, version),
                               {k: v for k, v in given.items() if v is not None},
                               headers=headers)

    def sign_in(self, user="adele", client_id="single", tenant="contoso.com", version="/v2.0",
                **changes):
        """The token endpoint's JSON after a whole sign-in."""
        code = self.code(login_hint=user, client_id=client_id, tenant=tenant, version=version,
                         **changes)
        secret = None if client_id == "public" else SECRET
        return self.token(tenant, version, code=code, client_id=client_id,
                          client_secret=secret).json()


def answer_of(reply):
    """The parameters of a redirect, by query or fragment."""
    target = urllib.parse.urlsplit(reply.head("Location") or "")
    return dict(urllib.parse.parse_qsl(target.fragment or target.query, keep_blank_values=True))


def claims_of(token):
    return json.loads(parts(token)[1])
