/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_USER_H
#define SSO_USER_H

/*
 * From claims to a user: EdxSSOClaimMap, EdxSSORemoteUser, EdxSSORequireClaim.
 *
 * Claims have been checked before they come here: what they say is the provider's word. Whatever is
 * missing ends a sign-in with err.detail naming the claims, joined by commas.
 */

#include "sso_provider.h"

#define SSO_USER_SEARCH_MAX 1024 /* bytes of a claim that a pattern is looked for in */

/** A claim as one text: a string, or a number's digits; also by a dotted path. NULL: neither. */
const char *sso_user_text(sso_ctx_t *ctx, const json_t *claims, const char *name);

/**
 * The claims with those of EdxSSOClaimMap, and without what an LMS's flags must not be:
 * `administrator` and `superuser` are true or false, and a text of that name is neither.
 *
 * @return a reference for json_decref(), to @a claims themselves if there is nothing to change
 */
json_t *sso_user_map(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims);

/** Whether a text has control characters (C0, DEL, C1): none that is part of a user name has. */
int sso_user_control(const char *text);

/**
 * REMOTE_USER.
 *
 * @param name  out: in ctx->pool, or of the claims
 * @return SSO_DENIED     the claim is missing, or the pattern is not in it
 *         SSO_BAD_INPUT  it has control characters
 */
sso_rc_e sso_user_name(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims,
                       const char **name);

/** Note what is missing, for a form (err.detail) and for the page, before the failure. */
void sso_user_lacks(sso_ctx_t *ctx, const char *names, const char *words);

/** Look for all claims of EdxSSORequireClaim. SSO_DENIED: some are missing, null or empty. */
sso_rc_e sso_user_require(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims);

#endif
