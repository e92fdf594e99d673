# SPDX-License-Identifier: Apache-2.0
"""Keys, and the JWT that takes the place of the toolkit's opaque access token. PyJWT signs, as it
does in an LMS."""
import json
import os
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from jwt.algorithms import RSAAlgorithm

from .models import Access, AnonymousId

HS_SECRET = 'the secret that an LMS shares with all its services; letters only, but enough of them'
_signing_key = None


def make_keys():
    """A new key, and the documents that a relying party is configured with. The set has another
    key first, of a signer before: tokens do not say which one is theirs."""
    global _signing_key
    former, _signing_key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    keys = []
    for kid, key in ('former', former), ('openedx', _signing_key):
        whole = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
        keys.append({'kid': kid, 'kty': whole['kty'], 'e': whole['e'], 'n': whole['n']})
    with open(os.path.join(settings.FILES, 'jwks.json'), 'w', encoding='ascii') as out:
        json.dump({'keys': keys}, out)
    with open(os.path.join(settings.FILES, 'hs-secret'), 'w', encoding='ascii') as out:
        out.write(HS_SECRET + '\n')


def user_claims(user, scopes):
    """What each scope says about the user, in the order of the scopes."""
    profile = getattr(user, 'profile', None)
    by_scope = {
        'user_id': {'user_id': user.pk},
        'email': {'email': user.email},
        'profile': {'name': profile.name if profile else None, 'family_name': user.last_name,
                    'given_name': user.first_name, 'administrator': user.is_staff,
                    'superuser': user.is_superuser},
    }
    claims = {}
    for scope in scopes:
        claims.update(by_scope.get(scope, {}))
    return claims


def make_jwt(user, application, scopes, asymmetric):
    now = int(time.time())
    grant = application.authorization_grant_type
    filters = Access.words(application, 'filters')
    if grant != 'client-credentials':
        filters.append('user:me')
    claims = {
        'aud': settings.JWT_AUDIENCE,
        'exp': now + settings.JWT_LIFE,
        'grant_type': grant,
        'iat': now,
        'iss': settings.JWT_ISSUER,
        'preferred_username': user.username,
        'scopes': scopes,
        'version': settings.JWT_VERSION,
        'sub': AnonymousId.of(user),
        'filters': filters,
        'is_restricted': False,
        'email_verified': user.is_active,
    }
    claims.update(user_claims(user, scopes))
    if asymmetric:
        return jwt.encode(claims, _signing_key, algorithm='RS512')
    return jwt.encode(claims, HS_SECRET, algorithm='HS256')
