# SPDX-License-Identifier: Apache-2.0
"""The addresses of an LMS."""
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.views import RevokeTokenView

from . import control, views

urlpatterns = [
    re_path(r'^oauth2/authorize/?$', csrf_exempt(views.Authorize.as_view())),
    re_path(r'^oauth2/access_token/?$', csrf_exempt(views.AccessTokenEndpoint.as_view())),
    re_path(r'^oauth2/revoke_token/?$', RevokeTokenView.as_view()),
    path('_o/', include('oauth2_provider.urls', namespace='oauth2_provider')),
    path('login', views.Login.as_view()),
    path('logout', views.sign_out),
    path('', lambda request: HttpResponse('the LMS: ' + request.user.get_username())),
    path('_ctl/switches', control.switches),
    path('_ctl/requests', control.requests),
    path('_ctl/user/<username>', control.user),
    path('_ctl/grant/<code>', control.grant),
    path('_ctl/token/<client_id>/<username>', control.token),
]
