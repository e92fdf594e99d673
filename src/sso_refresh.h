/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_REFRESH_H
#define SSO_REFRESH_H

/*
 * Renewing the tokens of a session, and with them its claims, before they expire.
 *
 * One request of one process of one host does it: whoever adds the lock entry to the store, which
 * is of this generation of the session and goes away by itself. The others go on with the tokens
 * that are still good, or, where they have to hand on one that is not, wait for the new one. What
 * came is written by compare-and-swap: a session that was ended meanwhile stays ended.
 */

#include "sso_answer.h"

/** Whether a session's tokens are to be renewed now. */
static inline int sso_refresh_is_due(const sso_ctx_t *ctx, const sso_session_t *session)
{
    return session->refresh_due && session->refresh_due <= ctx->now;
}

/** How much a request wants it. */
typedef enum {
    SSO_REFRESH_CALM,  /* it needs no token: somebody else may be at it */
    SSO_REFRESH_NEEDS, /* it hands on a token: none that has expired */
    SSO_REFRESH_ASKED  /* it was asked for, due or not */
} sso_refresh_e;

/**
 * Renew.
 *
 * @param session  in: one that was found; out: what counts from now on, the same or a newer one
 * @return SSO_OK        also when it could not be renewed and is good all the same
 *         SSO_ABSENT    it has ended: the provider refused and EdxSSOOnRefreshFailure says logout,
 *                       or the claims that came do not let this user in (any more)
 *         SSO_UPSTREAM  only where it was asked for: the provider cannot be had now. Or the store
 */
sso_rc_e sso_refresh(sso_ctx_t *ctx, const sso_request_t *request, sso_refresh_e want,
                     const sso_session_t **session);

#endif
