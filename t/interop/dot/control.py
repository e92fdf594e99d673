# SPDX-License-Identifier: Apache-2.0
"""How a test looks into this LMS and changes what it does: /_ctl/..., JSON."""
import json
import threading

from django.contrib.auth import get_user_model
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.models import AccessToken, Application, Grant

from .models import AnonymousId

_lock = threading.Lock()
_switches = {
    'jwt': True,         # off: an LMS that does not know token_type=jwt
    'asymmetric': True,  # off: one that does not know asymmetric_jwt
}
_requests = []


def switch(name):
    with _lock:
        return _switches[name]


def record(request):
    """A token request as it came."""
    with _lock:
        _requests.append({
            'fields': sorted((name, value) for name in request.POST
                             for value in request.POST.getlist(name)),
            'query': request.META.get('QUERY_STRING', ''),
            'authorization': request.headers.get('Authorization', ''),
            'host': request.get_host(),
        })


@csrf_exempt
def switches(request):
    with _lock:
        for name, value in json.loads(request.body or b'{}').items():
            assert name in _switches
            _switches[name] = value
        return JsonResponse(_switches)


def requests(request):
    """The token requests since this was asked last."""
    with _lock:
        taken = list(_requests)
        _requests.clear()
    return JsonResponse({'requests': taken})


def user(request, username):
    """Straight from the database, by other ways than a token's."""
    row = get_user_model().objects.get(username=username)
    return JsonResponse({
        'user_id': row.pk, 'preferred_username': row.get_username(), 'email': row.email,
        'name': row.profile.name if hasattr(row, 'profile') else None,
        'given_name': row.first_name, 'family_name': row.last_name,
        'administrator': row.is_staff, 'superuser': row.is_superuser,
        'email_verified': row.is_active, 'sub': AnonymousId.objects.get(user=row).text,
    })


@csrf_exempt
def grant(request, code):
    """What the toolkit keeps with a code; a POST changes it."""
    row = Grant.objects.get(code=code)
    for name, value in json.loads(request.body or b'{}').items():
        setattr(row, name, value)
        row.save()
    return JsonResponse({'code_challenge': row.code_challenge, 'scope': row.scope,
                         'code_challenge_method': row.code_challenge_method,
                         'redirect_uri': row.redirect_uri, 'username': row.user.username})


def token(request, username, client_id):
    """The opaque token that the toolkit made last for a user and an application."""
    row = AccessToken.objects.filter(user__username=username, application=Application.objects.get(
        client_id=client_id)).order_by('pk').last()
    return JsonResponse({'token': row.token, 'scope': row.scope})
