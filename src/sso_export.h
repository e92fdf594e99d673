/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_EXPORT_H
#define SSO_EXPORT_H

/*
 * What an app behind the module sees: environment variables and request headers. And the other
 * half of that promise: which inbound headers have those names and are removed.
 */

#include "sso_session.h"

#define SSO_HEADER_VALUE_MAX 8192 /* a longer claim is left out of the headers */

/**
 * Put a session into environment and headers, as EdxSSOExport and its neighbours say.
 * @param env, headers  added to; entries of the names exported are replaced in env
 */
void sso_export(sso_ctx_t *ctx, const sso_session_t *session, const sso_config_t *place,
                apr_table_t *env, apr_table_t *headers);

/**
 * A prefix of claims as headers begin with it: "OIDC_CLAIM_" is "Oidc-Claim-".
 */
const char *sso_export_header_prefix(apr_pool_t *pool, const char *claim_prefix);

/**
 * Whether a header's name is one of those exported, in any case and with '_' or '.' for '-'.
 *
 * @param prefixes  of const char *: lower-case header prefixes in use besides the module's own
 * @param names     of const char *: lower-case whole names besides the module's own
 */
int sso_export_reserved(const char *name, const apr_array_header_t *prefixes,
                        const apr_array_header_t *names);

#endif
