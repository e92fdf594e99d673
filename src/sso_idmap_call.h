/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_IDMAP_CALL_H
#define SSO_IDMAP_CALL_H

/*
 * For sso_idmap*.c alone: the token, and one question to the API.
 */

#include "sso_idmap.h"

/**
 * What to put into Authorization.
 *
 * @param refused  what the API did not take (any more): another one is wanted; or NULL
 * @return as sso_token_client(); SSO_UPSTREAM 1210: another request's try at the same failed
 */
sso_rc_e sso_idmap_token(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *api,
                         const char *refused, const char **authorization);

/** A new token, which nobody keeps. As sso_token_client(). @a seconds: its life; 0: not said. */
sso_rc_e sso_idmap_new_token(sso_ctx_t *ctx, const sso_provider_t *api,
                             const char **authorization, apr_int64_t *seconds);

/**
 * Ask for one batch and read all pages of the answer. Fills the `rows` of all @a asks, or of none.
 *
 * @param asks  of sso_idmap_ask_t *, at most SSO_IDMAP_BATCH
 */
sso_rc_e sso_idmap_read(sso_ctx_t *ctx, const sso_site_t *site, const sso_idmap_t *map,
                        const apr_array_header_t *asks);

#endif
