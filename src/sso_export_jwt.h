/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_EXPORT_JWT_H
#define SSO_EXPORT_JWT_H

/*
 * What an app behind the module sees, as a JWT signed by this site (EdxSSOExportJWT): for backends
 * that check for themselves who says so.
 *
 * The key is derived from EdxSSOSecret and the virtual host, so that all hosts with one secret sign
 * with one key and there is nothing to be kept; a retired secret's key is published on. A signature
 * costs more than all else of a request, so that a token is used again for as long as it says what
 * would be signed now and has a minute left. What is remembered is compared byte by byte: no
 * digest of it could be somebody else's.
 */

#include "sso_session.h"

#define SSO_VOUCHER_SEC 300 /* a token's life */

/** Tokens of one process. */
typedef struct sso_vouchers_t sso_vouchers_t;

/** What a token is about. */
typedef struct sso_voucher_t {
    const sso_site_t *site;
    const char *origin; /* of the request: scheme://host[:port] */
    const sso_session_t *session;
    const sso_config_t *place;
} sso_voucher_t;

/**
 * Derive a site's keys, one a secret.
 *
 * @param secrets  of sso_bytes_t, newest first
 * @return SSO_BROKEN  OpenSSL refused to work
 */
sso_rc_e sso_voucher_keys(sso_ctx_t *ctx, sso_site_t *site, const apr_array_header_t *secrets);

/** Room for a process's tokens, in @a pool. SSO_BROKEN: no mutex. */
sso_rc_e sso_vouchers_make(sso_ctx_t *ctx, apr_pool_t *pool, sso_vouchers_t **vouchers);

/**
 * The token of a request.
 *
 * @param vouchers  those of the process; NULL: it is signed anew
 * @param token     out: in ctx->pool; untouched unless SSO_OK
 * @return SSO_BAD_INPUT  too long for a header
 *         SSO_BROKEN     OpenSSL refused to work
 */
sso_rc_e sso_voucher_print(sso_ctx_t *ctx, const sso_voucher_t *voucher, sso_vouchers_t *vouchers,
                           const char **token);

#endif
