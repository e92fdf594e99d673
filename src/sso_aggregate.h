/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_AGGREGATE_H
#define SSO_AGGREGATE_H

/*
 * Aggregated claims (OpenID Connect Core 5.6.2): claims of others, which a provider passes on as
 * JWTs of their own.
 */

#include "sso_provider.h"

/**
 * Merge what `_claim_names` says is in the JWTs of `_claim_sources`, where a JWT can be verified as
 * one of this provider about this user, and take `_claim_sources` away: it may hold access tokens.
 * Everything else is left out, with a line in the log: a JWT of somebody else, whose keys nobody
 * has named here, and distributed claims, which are to be fetched from a URL that a token names.
 *
 * A claim that is there is not replaced, and nothing that says who the user is can come from there.
 * `_claim_names` stays only where Microsoft Graph has the groups it speaks of.
 *
 * @param sub     of the id_token
 * @param claims  of an id_token or of userinfo
 */
void sso_aggregate(sso_ctx_t *ctx, const sso_provider_t *provider, const char *sub,
                   json_t *claims);

#endif
