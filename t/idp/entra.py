#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for Microsoft Entra ID and Microsoft Graph. See the README beside it.

Prints `entra ready http://127.0.0.1:PORT graph http://127.0.0.1:PORT2` when it listens. Ends on
SIGTERM or SIGINT or, with --until-eof, when its standard input is closed.
"""

import argparse
import json
import os
import signal
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import entra_authorize  # noqa: E402
import entra_claims     # noqa: E402
import entra_control    # noqa: E402
import entra_logout     # noqa: E402
import entra_metadata   # noqa: E402
import entra_state      # noqa: E402
import entra_token      # noqa: E402
import graph_groups     # noqa: E402
import graph_me         # noqa: E402
import idp_control      # noqa: E402
import idp_http         # noqa: E402


def options():
    parser = argparse.ArgumentParser(description="Stand-in Entra ID and Graph.")
    add = parser.add_argument
    add("--port", type=int, default=0, help="of the authority; 0: any free one")
    add("--graph-port", type=int, default=0)
    add("--cert", help="PEM certificate: speak TLS")
    add("--key", help="PEM key of --cert")
    add("--authority", default="", metavar="URL", help="its name in documents and tokens")
    add("--graph", default="", metavar="URL", help="the same for Graph")
    add("--default-user", help="signs in without being asked")
    add("--app", action="append", default=[], metavar="JSON",
        help='an app to add or change, as POST /_ctl/apps: {"name": "single", "logout_url": ...}')
    add("--write-state", metavar="FILE", help="write tenant and application ids (JSON)")
    add("--until-eof", action="store_true")
    return parser.parse_args()


def build(args):
    """(state, site of the authority, site of Graph): one record and one list of faults for both."""
    settings = {"authority": args.authority, "graph": args.graph,
                "default_user": args.default_user}
    entra = entra_state.Entra(settings, entra_claims.NAMED_FAULTS, entra_claims.KNOWN_FAULTS,
                              [json.loads(text) for text in args.app])
    authority, graph = idp_http.Site(), idp_http.Site()
    graph.recorder, graph.faults, graph.stopping = \
        authority.recorder, authority.faults, authority.stopping
    for module in (entra_metadata, entra_authorize, entra_token, entra_logout):
        authority.add_routes(module.routes(entra))
    authority.add_routes(graph_me.authority_routes(entra))
    for module in (graph_me, graph_groups):
        graph.add_routes(module.routes(entra))
    for site in (authority, graph):
        site.add_routes(idp_control.routes(site))
        site.add_routes(entra_control.routes(entra, site))
    return entra, authority, graph


def main():
    args = options()
    entra, authority_site, graph_site = build(args)
    authority = idp_http.Server(args.port, authority_site, "authority", args.cert, args.key)
    graph = idp_http.Server(args.graph_port, graph_site, "graph", args.cert, args.key)
    entra.roots.update({"authority": authority.url(), "graph": graph.url()})
    if args.write_state:
        with open(args.write_state, "w", encoding="utf-8") as file:
            json.dump(entra_control.ids(entra), file)
            file.write("\n")
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    for server in (authority, graph):
        server.start()
    print("entra ready %s graph %s" % (authority.url(), graph.url()), flush=True)
    if args.until_eof:
        threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    done.wait()
    authority_site.stopping.set()


if __name__ == "__main__":
    main()
