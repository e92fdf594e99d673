# SPDX-License-Identifier: Apache-2.0
"""The toolkit's views, wrapped as an LMS wraps them, and signing in and out."""
import json
import mimetypes

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.shortcuts import render
from django.views import View
from oauth2_provider.models import AccessToken, Application
from oauth2_provider.views import AuthorizationView, TokenView

from . import control, tokens

CREDENTIALS = ('client_id', 'redirect_uri', 'response_type', 'state', 'code_challenge',
               'code_challenge_method')


class Authorize(AuthorizationView):
    """No question to a user who ever gave this application a token of these scopes."""

    def get(self, request, *args, **kwargs):
        answer = super().get(request, *args, **kwargs)
        asked = self.oauth2_data
        if answer.status_code != 200 or not asked or not self.was_granted(request, asked):
            return answer
        credentials = {name: asked[name] for name in CREDENTIALS if name in asked}
        uri, _, _, _ = self.create_authorization_response(
            request=request, scopes=' '.join(asked['scopes']), credentials=credentials, allow=True)
        return self.redirect(uri, asked['application'])

    @staticmethod
    def was_granted(request, asked):
        held = AccessToken.objects.filter(user=request.user, application=asked['application'])
        return any(token.allow_scopes(asked['scopes']) for token in held)


class AccessTokenEndpoint(View):
    def post(self, request):
        control.record(request)
        answer = TokenView.as_view()(request)
        kind = request.POST.get('token_type', request.headers.get('X-Token-Type', ''))
        if answer.status_code != 200 or kind.lower() != 'jwt' or not control.switch('jwt'):
            return answer
        said = json.loads(answer.content)
        token = AccessToken.objects.get(token=said['access_token'])
        scopes = token.scope.split()
        asymmetric = request.POST.get('asymmetric_jwt', '') and control.switch('asymmetric')
        said.update({
            'access_token': tokens.make_jwt(token.user, token.application, scopes, bool(asymmetric)),
            'token_type': 'JWT',
            'expires_in': settings.JWT_LIFE,
            'scope': ' '.join(scopes),
        })
        answer.content = json.dumps(said)
        return answer


class EveryUser(AuthenticationForm):
    def confirm_login_allowed(self, user):
        """Also those who are not active."""


class Login(LoginView):
    form_class = EveryUser
    template_name = 'login.html'

    def get_redirect_url(self):
        """A `next` that looks like the name of a file is dropped."""
        url = super().get_redirect_url()
        return '' if url and mimetypes.guess_type(url, strict=False)[0] else url


def sign_out(request):
    """The Django session ends; frames tell the other services."""
    was = request.user.username
    logout(request)
    target = request.GET.get('redirect_url')
    known = Application.objects.filter(client_id=request.GET.get('client_id')).first()
    allowed = bool(target and known and target in known.redirect_uris)
    return render(request, 'logout.html', {
        'was': was, 'target': target if allowed else '/',
        'frames': [settings.SITE_ROOT + '/edxsso/logout?no_redirect=1']})
