#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for an OpenID provider, shaped by --profile. See the README beside it.

Prints `oidc ready http://127.0.0.1:PORT` when it listens, and with --mtls ` mtls URL` after it: the
same once more, where a client has to show a certificate of that CA. Ends on SIGTERM or SIGINT or, with
--until-eof, when its standard input is closed.
"""

import argparse
import os
import signal
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import idp_control      # noqa: E402
import idp_http         # noqa: E402
import oidc_endpoints   # noqa: E402
import oidc_state       # noqa: E402
import oidc_switches    # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="Stand-in OpenID provider.")
    add = parser.add_argument
    add("--port", type=int, default=0, help="0: any free one")
    add("--profile", default="generic", choices=sorted(oidc_state.PROFILES))
    add("--cert", help="PEM certificate: speak TLS")
    add("--key", help="PEM key of --cert")
    add("--mtls", nargs=3, metavar=("CERT", "KEY", "CA"),
        help="listen once more, by TLS, for clients with a certificate that CA signed")
    add("--until-eof", action="store_true")
    args = parser.parse_args()
    provider = oidc_state.Provider(args.profile)
    site = idp_http.Site()
    site.add_routes(oidc_endpoints.routes(provider))
    site.add_routes(idp_control.routes(site))
    site.add_routes(oidc_endpoints.control(provider, site))
    site.add_routes(oidc_switches.control(provider))
    server = idp_http.Server(args.port, site, "both", args.cert, args.key)
    provider.roots["root"] = server.url()
    mutual = None
    if args.mtls:
        cert, key, authority = args.mtls
        mutual = idp_http.Server(0, site, "mtls", cert, key, client_ca=authority)
        provider.roots["mtls"] = mutual.url()
        mutual.start()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    server.start()
    print("oidc ready " + server.url() + (" mtls " + mutual.url() if mutual else ""), flush=True)
    if args.until_eof:
        threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    done.wait()
    site.stopping.set()


if __name__ == "__main__":
    main()
