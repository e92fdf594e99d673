/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_PASS_H
#define SSO_PASS_H

/*
 * Handing tokens to the app behind: only where a place says so, and never one that has expired.
 */

#include "sso_credential.h"

/** Whether a place hands on the access token. */
int sso_pass_needs(const sso_config_t *place);

/**
 * What a place hands on of the tokens of whoever was found; NULL: nothing. An access token that has
 * expired is left out. Of a request that was signed in by a token, it is that one.
 */
const sso_kept_t *sso_pass_find(sso_ctx_t *ctx, const sso_request_t *request,
                                const sso_found_t *found);

/**
 * Hand them on: as EDXSSO_ACCESS_TOKEN and the like, and as Authorization where that is asked for.
 * An Authorization that the client sent goes in any case then: it is none of ours.
 *
 * @param tokens  as found, or NULL
 */
void sso_pass_export(sso_ctx_t *ctx, const sso_kept_t *tokens, const sso_config_t *place,
                     apr_table_t *env, apr_table_t *headers);

#endif
