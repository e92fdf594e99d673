/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_CREDENTIAL_H
#define SSO_CREDENTIAL_H

/*
 * What may sign a request in (EdxSSOCredentials): one row each, tried in the order of the place.
 *
 * A row says SSO_ABSENT where the request has nothing of the kind that counts: then the next one is
 * tried. Everything else is final: a client that presents a token means that token, and is not
 * served as somebody else because it is bad.
 */

#include "sso_answer.h"

typedef struct sso_found_t {
    const sso_session_t *session; /* of a token: a record that no cookie leads to */
    const char *why;              /* SSO_ABSENT: what there was, for log and page */
    int bearer;                   /* by a token in the Authorization header */
    const char *token;            /* that came with the request and is who it is; NULL: none did */
} sso_found_t;

/** Try the credentials of the request's place. */
sso_rc_e sso_credential_find(sso_ctx_t *ctx, const sso_request_t *request, sso_found_t *found);

/* ---- the rows; sso_bearer.c has those of tokens */

sso_rc_e sso_bearer_find(sso_ctx_t *ctx, const sso_request_t *request, sso_found_t *found);
sso_rc_e sso_jwt_cookie_find(sso_ctx_t *ctx, const sso_request_t *request, sso_found_t *found);

/**
 * Read an Authorization header: `Bearer TOKEN`, or, as an LMS has it, `JWT TOKEN` (RFC 6750 2.1).
 *
 * @param token  out: in pool
 * @param jwt    out: the scheme was JWT
 * @return SSO_ABSENT     none, or of another scheme
 *         SSO_BAD_INPUT  of ours, and not one token of the characters that tokens have
 */
sso_rc_e sso_bearer_read(apr_pool_t *pool, const char *header, const char **token, int *jwt);

/**
 * Name the ways to get in, with ctx->err as the reason that this one did not (RFC 6750 3).
 * @param scope  what the token's scope lacks, or NULL
 */
void sso_bearer_challenge(sso_ctx_t *ctx, const sso_request_t *request, const char *scope,
                          sso_answer_t *answer);

#endif
