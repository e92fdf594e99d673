/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_STEP_UP_H
#define SSO_STEP_UP_H

/*
 * EdxSSOStepUp: places that want to know that a user has signed in in a certain way (`acr`, OpenID
 * Connect Core 2; for programs RFC 9470). The place decides, at each request; asking the provider
 * for it (`acr_values`) is a sign-in like any other.
 */

#include "sso_answer.h"

#define SSO_STEP_UP_WEAK 1084 /* the number of the failure */

/** Whether a text may be sent as acr_values: printable, not too long. */
int sso_step_up_words(const char *text);

/** Whether a session's acr (Entra: or one of its acrs) is one of these. */
int sso_step_up_strong(const sso_session_t *session, const apr_array_header_t *acrs);

/**
 * After a sign-in that asked for them: whether it brought one. SSO_DENIED: it did not, and another
 * one would not either.
 */
sso_rc_e sso_step_up_check(sso_ctx_t *ctx, const sso_session_t *session, const char *acrs);

#endif
