/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_EXPORT_H
#define SSO_EXPORT_H

/*
 * What an app behind the module sees: environment variables and request headers. And the other
 * half of that promise: which inbound headers have those names and are removed.
 */

#include "sso_session.h"

#define SSO_CLAIM_PREFIX_MAX 64  /* as EdxSSOClaimPrefix allows */
#define SSO_HEADER_VALUE_MAX 8192 /* a longer claim is left out of the headers */

/**
 * Put a session into environment and headers, as EdxSSOExport and its neighbours say.
 * @param env, headers  added to; entries of the names exported are replaced in env
 */
void sso_export(sso_ctx_t *ctx, const sso_session_t *session, const sso_config_t *place,
                apr_table_t *env, apr_table_t *headers);

/** Whether a claim is one of those that a place exports. */
int sso_export_wanted(const sso_config_t *place, const sso_claims_t *claims, apr_uint32_t row);

/**
 * A prefix of claims as headers begin with it: "OIDC_CLAIM_" is "Oidc-Claim-".
 */
const char *sso_export_header_prefix(apr_pool_t *pool, const char *claim_prefix);

/** Whether all texts of a session can be exported as they are: sso_session_t's `plain`. */
int sso_export_plain(const sso_session_t *session);

/**
 * The names of headers that are exported, compiled: in any case, and with '_' or '.' for '-'.
 * Immutable.
 */
typedef struct sso_reserved_t {
    unsigned char begins[256]; /* by the first byte: whether any of them begins with it */
    struct sso_reserved_words_t *words;
} sso_reserved_t;

/**
 * @param prefixes  of const char *: lower-case header prefixes in use besides the module's own
 * @param names     of const char *: lower-case whole names besides the module's own; NULL: none
 */
sso_reserved_t *sso_reserved_make(apr_pool_t *pool, const apr_array_header_t *prefixes,
                                  const apr_array_header_t *names);

/** Whether a header's name is one of them, by its whole text. */
int sso_reserved_among(const sso_reserved_t *reserved, const char *name, apr_size_t length);

/** The same; of most headers the first byte tells. */
static inline int sso_reserved_has(const sso_reserved_t *reserved, const char *name,
                                   apr_size_t length)
{
    return length && reserved->begins[(unsigned char)*name]
           && sso_reserved_among(reserved, name, length);
}

#endif
