# SPDX-License-Identifier: Apache-2.0
"""What an LMS keeps beside Django's user and the toolkit's application."""
import hashlib

from django.conf import settings
from django.db import models
from oauth2_provider.models import Application


class Profile(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=255)


class AnonymousId(models.Model):
    """The subject of tokens: made once, stays when the secret changes."""
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.CharField(max_length=32)

    @classmethod
    def of(cls, user):
        digest = hashlib.shake_128(f'{settings.SECRET_KEY}{user.pk}'.encode()).hexdigest(16)
        return cls.objects.get_or_create(user=user, defaults={'text': digest})[0].text


class Access(models.Model):
    """Scopes and filters of an application beyond everybody's."""
    application = models.OneToOneField(Application, on_delete=models.CASCADE)
    scopes = models.TextField(default='')
    filters = models.TextField(default='')

    @classmethod
    def words(cls, application, member):
        row = cls.objects.filter(application=application).first()
        return getattr(row, member).split() if row else []
