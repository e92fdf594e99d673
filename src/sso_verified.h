/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_VERIFIED_H
#define SSO_VERIFIED_H

/*
 * Verdicts about tokens that are presented again and again, so that the second time costs what a
 * session costs.
 *
 * A token that was good is remembered as a session record, under a digest of the token, of the
 * virtual host, of all that decides about tokens there (sso_site_t policy), and of the providers
 * accepted at the place: nothing remembered for one virtual host, policy or place is even found by
 * another. It ends with the token, and when the provider's keys are others than those it was
 * verified with. An answer of an introspection endpoint counts for a minute at most; after that it
 * is only known that the text was a token.
 *
 * A refusal is remembered for a few seconds, in a fixed number of places: whoever sends tokens that
 * are none takes no room from anybody else.
 */

#include "sso_session.h"

#define SSO_VERIFIED_FRESH   apr_time_from_sec(60) /* an answer of an introspection endpoint */
#define SSO_VERIFIED_REFUSED apr_time_from_sec(5)

/**
 * A token, and where a verdict about it is. The place goes by the token's end, which is its
 * signature, because a digest of all of it would cost more than all the rest; so what is found
 * there counts only if it is about this very token.
 */
typedef struct sso_verdict_t {
    const char *token;
    sso_store_key_t key;
} sso_verdict_t;

/**
 * Where a verdict about verdict->token is.
 * @param names  of const char *: the providers accepted at the place; NULL: all
 */
sso_rc_e sso_verified_key(sso_ctx_t *ctx, const sso_site_t *site, const apr_array_header_t *names,
                          sso_verdict_t *verdict);

/**
 * Look a verdict up.
 *
 * @param known  out: it was a token, but has to be asked about again
 * @return SSO_ABSENT     there is none; also where the store cannot be asked
 *         SSO_BAD_INPUT, SSO_DENIED  refused a moment ago, for the reason that is noted again
 */
sso_rc_e sso_verified_find(sso_ctx_t *ctx, const sso_site_t *site, const sso_verdict_t *verdict,
                           int *known, const sso_session_t **session);

/** Remember that a token was good, until session->ends. */
void sso_verified_keep(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                       const sso_verdict_t *verdict, sso_session_t *session);

/**
 * Remember the refusal that is noted in ctx->err.
 * @param known  it was a token until now: that is forgotten
 */
void sso_verified_refuse(sso_ctx_t *ctx, const sso_site_t *site, const sso_verdict_t *verdict,
                         int known);

#endif
