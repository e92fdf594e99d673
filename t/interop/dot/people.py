# SPDX-License-Identifier: Apache-2.0
"""Who is known to this LMS: users, and applications with what they may ask for."""
from django.conf import settings
from django.contrib.auth import get_user_model
from oauth2_provider.models import Application

from .models import Access, AnonymousId, Profile

# the password is the username; a name of None: no profile
USERS = [
    {'username': 'jsmith', 'name': 'Joe Smith', 'first_name': 'Joe', 'last_name': 'Smith', 'id': 42},
    {'username': 'zoe', 'name': 'Zoë Müller – 日本 😀', 'first_name': 'Zoë', 'last_name': 'Müller',
     'email': 'zoë@müller.example'},
    {'username': 'jürgen', 'name': 'Jürgen Straße', 'first_name': 'Jürgen', 'last_name': 'Straße'},
    {'username': 'odd.name+tag@x-y_z', 'name': 'O\'Brien, "Bob" <b&b> \\ 100%'},
    {'username': 'noname', 'name': None},
    {'username': 'newbie', 'name': 'New', 'is_active': False},
    {'username': 'staff', 'name': 'Staff', 'is_staff': True},
    {'username': 'admin', 'name': 'Admin', 'is_staff': True, 'is_superuser': True},
]

# id, secret, paths of the redirect URIs, asks the user, scopes beyond the default ones
APPLICATIONS = [
    ('studio-sso', 'studio-secret', ['/complete/edx-oauth2/', '/edxsso/callback/mistaken'],
     False, 'user_id'),
    ('hs-sso', 'hs-secret: with & and = and ü', ['/edxsso/callback/hs'], False, 'user_id'),
    ('basic-sso', 'basic: 100% & ü', ['/edxsso/callback/basic'], False, 'user_id'),
    ('consent-sso', 'consent-secret', ['/edxsso/callback/consent'], True, 'user_id'),
    ('plain-sso', 'plain-secret', ['/edxsso/callback/plain'], False, ''),
    ('other-party', 'other-secret', ['/other/'], False, 'user_id'),
]


def make_users():
    for number, row in enumerate(USERS):
        row = dict({'email': f'user{number}@example.com'}, **row)
        name = row.pop('name')
        user = get_user_model().objects.create_user(password=row['username'], **row)
        AnonymousId.of(user)
        if name is not None:
            Profile.objects.create(user=user, name=name)


def make_applications():
    for client_id, secret, paths, asks, scopes in APPLICATIONS:
        application = Application.objects.create(
            name=client_id, client_id=client_id, client_secret=secret,
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
            redirect_uris=' '.join(settings.SITE_ROOT + path for path in paths),
            skip_authorization=not asks)
        Access.objects.create(application=application, scopes=scopes)
