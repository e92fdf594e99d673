# SPDX-License-Identifier: Apache-2.0
"""An LMS's OAuth server made of the software a real LMS uses: Django, django-oauth-toolkit, PyJWT."""
