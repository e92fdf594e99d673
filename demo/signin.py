#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small browser that signs in through the stand-in LMS and shows what the apps behind httpd saw.

  signin.py --user jsmith --provider lms http://127.0.0.1:8080/studio?plain ...

Follows redirects, keeps cookies, and at the LMS's login page says who it is (?auto=). Ends with 1
if a page is not there or does not name the user. Shows no query strings: codes and states are in
them.
"""

import argparse
import http.cookiejar
import sys
import urllib.error
import urllib.parse
import urllib.request

HOPS = 15


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Browser:
    def __init__(self, user):
        self.user = user
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _NoRedirect(),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.opener.addheaders = [
            ("User-Agent", "demo browser"), ("Accept", "text/html,*/*;q=0.8"),
            ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]

    def get(self, url, provider=None):
        """(status, text) at the end of the redirects; a provider is chosen as its button does."""
        for _ in range(HOPS):
            reply = self._ask(url)
            place = urllib.parse.urlsplit(url)
            print("  %s  %s%s" % (reply.status, place.netloc, place.path))
            location = reply.headers.get("Location")
            if reply.status not in (301, 302, 303, 307, 308) or not location:
                return reply.status, reply.read().decode("utf-8", "replace")
            url = urllib.parse.urljoin(url, location)
            if provider and urllib.parse.urlsplit(url).path.endswith("/login") and "provider=" not in url:
                url += "&provider=" + urllib.parse.quote(provider)
            if urllib.parse.urlsplit(url).path == "/login":
                url += "&auto=" + urllib.parse.quote(self.user)
        return 0, "more than %d redirects" % HOPS

    def _ask(self, url):
        try:
            return self.opener.open(url, timeout=30)
        except urllib.error.HTTPError as reply:
            return reply


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", default="jsmith")
    parser.add_argument("--provider", help="choose this one on the sign-in page")
    parser.add_argument("urls", nargs="+")
    args = parser.parse_args()
    browser, good = Browser(args.user), True
    for url in args.urls:
        print("\n%s" % url)
        try:
            status, text = browser.get(url, args.provider)
        except OSError as error:
            status, text = 0, str(error)
        print("\n" + "".join("    %s\n" % line for line in text.splitlines()))
        names = ("EDXSSO_USERNAME=" + args.user, "Edxsso-Username: " + args.user)
        if status != 200 or not any(name in text.splitlines() for name in names):
            print("    (not what was expected: status %s)" % status, file=sys.stderr)
            good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
