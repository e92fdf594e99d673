#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for an Open edX LMS, for tests and for the demo. See the README beside it.

Prints `lms ready http://127.0.0.1:PORT` (and ` public URL` if browsers have a port of their own)
when it listens. Ends on SIGTERM or SIGINT or, with --until-eof, when its standard input is closed.
"""

import argparse
import json
import os
import signal
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import idp_control      # noqa: E402
import idp_http         # noqa: E402
import idp_jwt          # noqa: E402
import lms_api          # noqa: E402
import lms_authorize    # noqa: E402
import lms_control      # noqa: E402
import lms_login        # noqa: E402
import lms_state        # noqa: E402
import lms_token        # noqa: E402


def options():
    parser = argparse.ArgumentParser(description="Stand-in LMS for tests and demo.")
    add = parser.add_argument
    add("--port", type=int, default=0, help="0: any free one")
    add("--public-port", type=int, help="a second port, for browsers")
    add("--cert", help="PEM certificate: speak TLS")
    add("--key", help="PEM key of --cert")
    add("--issuer", default="", help="default: <public root>/oauth2")
    add("--aud", default="openedx")
    add("--kid", default="openedx")
    add("--signing-key", help="PEM file with an RSA key; default: a new one")
    add("--hs-secret", help="the LMS-wide secret; default: a random one")
    add("--client", action="append", default=[],
        metavar="id:secret:redirect_uri[,redirect_uri]:scopes")
    add("--default-user", help="signed in at the login page without asking")
    add("--ida-logout", action="append", default=[], metavar="URL",
        help="logout URL shown as a frame on the logout page")
    add("--login-whitelist", action="append", default=[], metavar="HOST[:PORT]")
    add("--write-jwks", metavar="FILE", help="write the public key set")
    add("--write-hs-secret", metavar="FILE")
    add("--until-eof", action="store_true")
    return parser.parse_args()


def build(args):
    settings = {"iss": args.issuer, "aud": args.aud, "default_user": args.default_user,
                "ida_logout_uris": args.ida_logout, "login_whitelist": args.login_whitelist}
    key = idp_jwt.load_pem(args.signing_key) if args.signing_key else None
    lms = lms_state.Lms(settings, [lms_state.client_from_text(text) for text in args.client], key,
                        args.kid, args.hs_secret)
    site = idp_http.Site()
    for module in (lms_authorize, lms_token, lms_login, lms_api):
        site.add_routes(module.routes(lms))
    site.add_routes(idp_control.routes(site))
    site.add_routes(lms_control.routes(lms, site))
    return lms, site


def main():
    args = options()
    lms, site = build(args)
    single = args.public_port is None
    internal = idp_http.Server(args.port, site, "both" if single else "internal", args.cert,
                               args.key)
    public = internal if single else idp_http.Server(args.public_port, site, "public", args.cert,
                                                     args.key)
    lms.roots.update({"internal": internal.url(), "public": public.url()})
    if args.write_jwks:
        with open(args.write_jwks, "w", encoding="utf-8") as file:
            json.dump(lms.jwks(), file)
            file.write("\n")
    if args.write_hs_secret:
        with open(args.write_hs_secret, "wb") as file:
            file.write(lms.hs_secret + b"\n")
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    for server in {internal, public}:
        server.start()
    print("lms ready " + internal.url() + ("" if single else " public " + public.url()),
          flush=True)
    if args.until_eof:
        threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    done.wait()
    site.stopping.set()


if __name__ == "__main__":
    main()
