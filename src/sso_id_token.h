/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_ID_TOKEN_H
#define SSO_ID_TOKEN_H

/*
 * What OpenID Connect adds to OAuth 2.0: the id_token (OIDC Core 3.1.3.7) and userinfo (5.3).
 */

#include "sso_token.h"

/**
 * Verify and judge the id_token of a token answer: signature, iss, aud and azp, exp, iat, nbf,
 * nonce, at_hash and c_hash where they are there, sub, and that it is no token of another kind.
 *
 * One that was judged at sign-in and kept sealed since (wanted->again) is only read: a refresh
 * brought no other.
 *
 * Who the issuer may be is the provider's list, or, where its kind has one, its own rule.
 *
 * @param jwt  out; untouched unless SSO_OK
 * @return SSO_UPSTREAM   there is none
 *         SSO_BAD_INPUT, SSO_DENIED  it is not to be believed; the message says why
 */
sso_rc_e sso_id_token_check(sso_ctx_t *ctx, const sso_provider_t *provider,
                            const sso_wanted_t *wanted, const sso_tokens_t *tokens,
                            sso_jwt_t **jwt);

/** Whether a token is of a kind that is no statement about a user: SSO_DENIED. */
sso_rc_e sso_id_token_type(sso_ctx_t *ctx, const char *what, const sso_jwt_t *jwt);

/**
 * Ask the userinfo endpoint, and add what it says to the claims of the id_token. A claim that the
 * id_token has is never replaced. Does nothing where EdxSSOUserInfo is off or there is no endpoint.
 *
 * @return SSO_UPSTREAM  it cannot be reached, or answers something unusable
 *         SSO_DENIED    it speaks of somebody else (5.3.2: sub)
 */
sso_rc_e sso_userinfo_add(sso_ctx_t *ctx, const sso_provider_t *provider,
                          const sso_tokens_t *tokens, json_t *claims);

/**
 * Verify and judge a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6), all but whether it
 * has been seen before: signature, iss, aud and azp, exp, iat, nbf, that it says it is one (typ,
 * events), that it could not be an id_token (no nonce), sub or sid, jti.
 *
 * @param jwt  out; untouched unless SSO_OK
 * @return SSO_BAD_INPUT, SSO_DENIED  it is not to be believed; the message says why
 *         SSO_UPSTREAM   its keys cannot be had
 */
sso_rc_e sso_logout_token_check(sso_ctx_t *ctx, const sso_provider_t *provider, const char *token,
                                sso_jwt_t **jwt);

/**
 * Every audience of a token must be this client or one that was named; else azp must say that it
 * is for us. SSO_DENIED.
 */
sso_rc_e sso_id_token_audience(sso_ctx_t *ctx, const sso_provider_t *provider, const char *what,
                               const json_t *claims);

/** What is inside an encrypted token (OpenID Connect Core 10.2); another one stays as it is. */
sso_rc_e sso_id_token_decrypt(sso_ctx_t *ctx, const sso_provider_t *provider, const char *what,
                              const char **token);

/** Add the members of one object that another lacks; nulls are as good as lacking. */
void sso_claims_add(json_t *claims, const json_t *more);

#endif
