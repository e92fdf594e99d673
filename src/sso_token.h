/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_TOKEN_H
#define SSO_TOKEN_H

/*
 * Tokens: got from the token endpoint (RFC 6749 4.1.3), verified, and their claims judged.
 */

#include "sso_provider.h"

/** The numbers of a failure whose err.detail is what the next request has to carry as `claims'. */
#define SSO_TOKEN_CHALLENGED(number) ((number) == 410 || (number) == 882)

/** Whether an error says that it is the user's turn (RFC 6749 4.1.2.1, OIDC Core 3.1.2.6). */
int sso_token_users_turn(const char *error);
#define SSO_TOKEN_OVER      1009

/** What an authorization code is exchanged with. */
typedef struct sso_exchange_t {
    const char *code, *redirect_uri, *verifier; /* verifier NULL: no PKCE */
    const char *extra; /* form text of EdxSSOTokenParam, or NULL */
} sso_exchange_t;

/**
 * Exchange a code. It is sent once, whatever happens to the connection.
 *
 * @return SSO_UPSTREAM   the provider cannot be reached, or answered an error or something
 *                        unusable; SSO_TOKEN_CHALLENGED: err.detail is what the next
 *                        authorization request has to carry as `claims'
 */
sso_rc_e sso_token_redeem(sso_ctx_t *ctx, const sso_provider_t *provider,
                          const sso_exchange_t *exchange, sso_tokens_t *tokens);

/**
 * Renew tokens (RFC 6749 6). It is sent once, whatever happens to the connection, because a refresh
 * token may work only once.
 *
 * @param token  the refresh token
 * @param extra  form text of EdxSSOTokenParam, or NULL
 * @return SSO_DENIED    SSO_TOKEN_OVER: the provider will not renew these any more
 *         SSO_UPSTREAM  as sso_token_redeem(): another time it may
 */
sso_rc_e sso_token_refresh(sso_ctx_t *ctx, const sso_provider_t *provider, const char *token,
                           const char *extra, sso_tokens_t *tokens);

/**
 * A token for this site itself (RFC 6749 4.4), with the scopes of EdxSSOScope if there are any.
 * As sso_token_redeem().
 */
sso_rc_e sso_token_client(sso_ctx_t *ctx, const sso_provider_t *provider, sso_tokens_t *tokens);

/** The rules a token's claims are judged by. */
typedef struct sso_claim_rules_t {
    const char *what;                     /* for messages: "lms: access token" */
    const apr_array_header_t *issuers;    /* iss must be one of these; NULL: it must be there */
    const apr_array_header_t *audiences;  /* NULL: any aud */
    apr_interval_time_t skew;
} sso_claim_rules_t;

/**
 * Verify a token's signature with the provider's keys: the configured ones, those of its URL, and,
 * once, newer ones.
 *
 * @param direct  it came straight from the token endpoint by TLS or loopback: with
 *                EdxSSOTrustTokenEndpoint, a token that no configured key fits is taken as it is
 */
sso_rc_e sso_token_verify(sso_ctx_t *ctx, const sso_provider_t *provider, const char *what,
                          const char *token, int direct, sso_jwt_t **jwt);

/** The same of a token that sso_jws_read() or sso_jws_peek() has read. */
sso_rc_e sso_token_check(sso_ctx_t *ctx, const sso_provider_t *provider, const char *what,
                         int direct, sso_jwt_t *jwt);

/**
 * Judge iss, aud, exp, nbf, iat (RFC 7519 4.1). exp and iat must be there. SSO_DENIED,
 * SSO_BAD_INPUT.
 */
sso_rc_e sso_token_judge(sso_ctx_t *ctx, const sso_claim_rules_t *rules, const json_t *claims);

#endif
