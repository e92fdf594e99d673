/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_LOGOUT_H
#define SSO_LOGOUT_H

/*
 * What the ways of signing out share. Sessions are ended in sso_logout.c (the user's own wish) and
 * in sso_logout_channel.c (the provider's); what is told to the provider is in
 * sso_logout_provider.c.
 */

#include "sso_flow.h"

/**
 * Where the browser signs out at the provider of a session.
 *
 * @param kept  the session's tokens, or NULL
 * @param next  where it wants to go afterwards, judged, or NULL: as EdxSSOLogoutRedirectURL says
 * @param url   out: NULL where the provider has no such place
 */
sso_rc_e sso_logout_there(sso_ctx_t *ctx, const sso_request_t *request,
                          const sso_session_t *session, const sso_kept_t *kept, const char *next,
                          const char **url);

/**
 * Revoke a session's tokens at the provider (RFC 7009), where it offers that. Takes as long as one
 * call may take, at most; what fails is logged, and no reason not to sign out.
 */
void sso_logout_revoke(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_kept_t *kept);

/**
 * A browser came back with our state (RP-Initiated Logout 3).
 *
 * @param next  out: where to go, or NULL: nowhere in particular
 * @return SSO_BAD_INPUT  it is none of ours, or too old
 */
sso_rc_e sso_logout_returned(sso_ctx_t *ctx, const sso_request_t *request, const char *state,
                             const char **next);

/** An empty page for another site's hidden frame. */
void sso_logout_frame(sso_answer_t *answer);

#endif
