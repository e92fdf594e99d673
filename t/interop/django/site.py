# SPDX-License-Identifier: Apache-2.0
"""Two Django sites in one program, for t/interop/idmap.t.

/api/..., /oauth2/access_token: the LMS's ID mapping with the pagination of Django REST framework, and opaque tokens
of client credentials. /app: an app behind httpd that believes Django's own RemoteUserMiddleware, and reads claims
as apps for mod_auth_openidc do. As a CGI program (no arguments) it is that app alone, with variables for headers.
"""

import json
import os
import secrets
import sys

import django
from django.conf import settings

FOLDER = os.environ.get("EDXSSO_DJANGO_FOLDER", ".")
BY_CGI = len(sys.argv) < 2

settings.configure(
    SECRET_KEY="for tests alone", DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "rest_framework"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(FOLDER, "site.sqlite")}},
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware", __name__ + ".ByProxy"],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "DEFAULT_PERMISSION_CLASSES": [],
                    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]})
django.setup()

from django.contrib.auth.middleware import PersistentRemoteUserMiddleware  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import path, re_path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from rest_framework import exceptions, generics, pagination, response, serializers  # noqa: E402

TOKENS, ASKED = set(), []
LINKS = [("user%03d" % n, "adele%d@contoso.com" % n) for n in range(1, 251)] + [("jsmith", "adele@contoso.com")]


class ByProxy(PersistentRemoteUserMiddleware):
    header = "REMOTE_USER" if BY_CGI else "HTTP_REMOTE_USER"


class Pages(pagination.PageNumberPagination):
    page_size, max_page_size, page_size_query_param = 10, 100, "page_size"

    def get_paginated_response(self, data):
        return response.Response({
            "next": self.get_next_link(), "previous": self.get_previous_link(), "count": self.page.paginator.count,
            "num_pages": self.page.paginator.num_pages, "current_page": self.page.number,
            "start": (self.page.number - 1) * self.get_page_size(self.request), "results": data})


class Row(serializers.Serializer):
    username = serializers.CharField()
    remote_id = serializers.CharField()


class Mapping(generics.ListAPIView):
    pagination_class, serializer_class = Pages, Row

    def get_queryset(self):
        scheme, _, token = self.request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme != "Bearer" or token not in TOKENS:
            raise exceptions.AuthenticationFailed("Invalid token.")
        ASKED.append(self.request.META["QUERY_STRING"])
        wanted = {name: [text for text in ",".join(self.request.query_params.getlist(name)).split(",") if text]
                  for name in ("username", "remote_id")}
        return [{"username": user, "remote_id": uid} for user, uid in LINKS
                if not (wanted["username"] or wanted["remote_id"])
                or user in wanted["username"] or uid in wanted["remote_id"]]

    def get_authenticate_header(self, request):
        return 'JWT realm="api"'


@csrf_exempt
def token(request):
    if (request.POST.get("client_id"), request.POST.get("client_secret")) != ("mapper", "mapper-secret"):
        return JsonResponse({"error": "invalid_client"}, status=401)
    if request.POST.get("grant_type") != "client_credentials":
        return JsonResponse({"error": "unsupported_grant_type"}, status=400)
    TOKENS.add(secrets.token_urlsafe(22))
    return JsonResponse({"access_token": list(TOKENS)[-1], "expires_in": 36000, "token_type": "Bearer", "scope": "read"})


def forget(request):
    TOKENS.clear()
    asked, ASKED[:] = list(ASKED), []
    return JsonResponse({"asked": asked})


def app(request):
    prefix = "OIDC_CLAIM_" if BY_CGI else "HTTP_OIDC_CLAIM_"
    claims = {name[len(prefix):].lower(): value for name, value in request.META.items() if name.startswith(prefix)}
    lines = ["user=%s" % request.user.get_username(), "email=%s" % claims.get("email"), "groups=%s" % claims.get("groups"),
             "json=%s" % json.dumps(claims, sort_keys=True)]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


urlpatterns = [re_path(r"^api/third_party_auth/v0/providers/([\w.+-]+)(?::[\w.+-]+)?/users$", Mapping.as_view()),
               path("oauth2/access_token", token), path("forget", forget), re_path("^(app|cgi)", lambda r, _: app(r))]


def main():
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    if BY_CGI:
        from wsgiref.handlers import CGIHandler
        os.environ["PATH_INFO"] = "/cgi"
        CGIHandler().run(get_wsgi_application())
        return
    import socketserver
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
    call_command("migrate", verbosity=0)

    class Server(socketserver.ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args):
            pass

    server = Server(("127.0.0.1", 0), Quiet)
    server.set_app(get_wsgi_application())
    print("django ready http://127.0.0.1:%d" % server.server_port, flush=True)
    server.serve_forever()


main()
