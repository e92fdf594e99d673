# SPDX-License-Identifier: Apache-2.0
"""Which scopes an application may ask for: the default ones and those granted to it."""
from django.conf import settings
from oauth2_provider.scopes import SettingsScopes

from .models import Access


class PerApplication(SettingsScopes):
    def get_available_scopes(self, application=None, request=None, *args, **kwargs):
        return list(settings.DEFAULT_SCOPES) + Access.words(application, 'scopes')
