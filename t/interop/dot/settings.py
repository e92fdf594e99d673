# SPDX-License-Identifier: Apache-2.0
"""Django's settings, as an LMS has them where they shape tokens. DOT_*: from dot_server.py."""
import os

SECRET_KEY = 'the secret of this Django: long enough for HS256, and nobody else has it'
DEBUG = False
ALLOWED_HOSTS = ['*']
USE_TZ = True
ROOT_URLCONF = 'dot.urls'
DATABASES = {'default': {
    'ENGINE': 'django.db.backends.sqlite3',
    'NAME': os.path.join(os.environ['DOT_DIR'], 'lms.sqlite3'),
    'OPTIONS': {'timeout': 20},
}}
DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'
INSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions',
                  'django.contrib.messages', 'django.contrib.staticfiles', 'oauth2_provider', 'dot']
MIDDLEWARE = ['django.contrib.sessions.middleware.SessionMiddleware',
              'django.middleware.common.CommonMiddleware',
              'django.middleware.csrf.CsrfViewMiddleware',
              'django.contrib.auth.middleware.AuthenticationMiddleware']
TEMPLATES = [{
    'BACKEND': 'django.template.backends.django.DjangoTemplates',
    'DIRS': [os.path.join(os.path.dirname(os.path.abspath(__file__)), 'templates')],
    'APP_DIRS': True,
    'OPTIONS': {'context_processors': ['django.template.context_processors.request',
                                       'django.contrib.auth.context_processors.auth']},
}]
STATIC_URL = '/static/'
LOGIN_URL = '/login'
LOGIN_REDIRECT_URL = '/'
# an LMS lets users in whose address is not confirmed yet
AUTHENTICATION_BACKENDS = ['django.contrib.auth.backends.AllowAllUsersModelBackend']
PASSWORD_HASHERS = ['django.contrib.auth.hashers.MD5PasswordHasher']  # quick: nothing to protect

DEFAULT_SCOPES = {
    'read': 'Read access',
    'write': 'Write access',
    'email': 'Know your email address',
    'profile': 'Know your name and username',
}
OAUTH2_PROVIDER = {
    'SCOPES': dict(DEFAULT_SCOPES, **{
        'certificates:read': 'Retrieve your course certificates',
        'grades:read': 'Retrieve your grades for your enrolled courses',
        'tpa:read': 'Retrieve your third-party authentication username mapping',
        'user_id': 'Know your user identifier',
    }),
    'DEFAULT_SCOPES': list(DEFAULT_SCOPES),
    'SCOPES_BACKEND_CLASS': 'dot.scopes.PerApplication',
    'REFRESH_TOKEN_EXPIRE_SECONDS': 7776000,
    'REQUEST_APPROVAL_PROMPT': 'auto_even_if_expired',
    'ERROR_RESPONSE_WITH_SCOPES': True,
}

LMS_ROOT = os.environ['DOT_PUBLIC_ROOT']  # where browsers find it
SITE_ROOT = os.environ['DOT_SITE']        # the relying party
FILES = os.environ['DOT_FILES']
JWT_ISSUER = LMS_ROOT + '/oauth2'
JWT_AUDIENCE = 'openedx'
JWT_LIFE = 3600
JWT_VERSION = '1.2.0'
