/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_IDENTITY_H
#define SSO_IDENTITY_H

/*
 * From the token endpoint's answer to a session: at sign-in, and again whenever the tokens are
 * renewed. Whatever makes a session what it is belongs here, or a refresh would undo it.
 */

#include "sso_session.h"

/**
 * Find out whose tokens these are, add what Graph knows, and build the session.
 *
 * @param wanted   what the sign-in asked for; of a refresh: nothing
 * @param session  out: complete but for its tokens; it starts now
 * @return as sso_kind_t identify and sso_session_build()
 */
sso_rc_e sso_identity_find(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                           const sso_wanted_t *wanted, const sso_tokens_t *tokens,
                           sso_session_t **session);

/**
 * Keep those tokens with a session that something needs: the refresh token for renewing them, the
 * id_token for signing out, all of them where some place hands tokens to the app behind. Says when
 * they are to be renewed: when less than EdxSSOTokenRefresh, or than a third of its life, is left
 * of the access token, or sooner if the provider wishes so.
 */
void sso_identity_keep(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                       const sso_tokens_t *tokens, sso_session_t *session);

#endif
