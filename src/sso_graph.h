/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_GRAPH_H
#define SSO_GRAPH_H

/*
 * Microsoft Graph: what Entra knows about who signed in and does not put into the id_token.
 *
 * Nothing here is ever a reason not to sign somebody in: what cannot be had is missing, and one
 * line of the log says why. All calls of one sign-in share the time of one call to a provider
 * (EdxSSOHTTPTimeout). The access token is opaque: nothing is concluded from it.
 */

#include "sso_json.h"
#include "sso_provider.h"

#define SSO_PHOTO_MAX (256 * 1024)

typedef struct sso_photo_t {
    sso_bytes_t bytes; /* data NULL: none was read */
    int none;          /* Graph says that the user has no picture */
} sso_photo_t;

/**
 * Add what the provider's plan (sso_provider_t graph) has Graph asked for. Does nothing for a
 * provider without one.
 *
 * Properties of the profile become claims under Graph's own names where the claims have none of
 * that name. `groups' is replaced by the complete list, or removed; a marker of overage never
 * stays, and the URL it names is never called.
 *
 * @param claims  of the verified id_token
 * @param photo   out: always set
 */
void sso_graph_add(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_tokens_t *tokens,
                   json_t *claims, sso_photo_t *photo);

/**
 * Where Microsoft Graph is: EdxSSOGraphRoot, or what the metadata say. SSO_MISCONFIG: neither; or
 * as sso_documents_metadata().
 */
sso_rc_e sso_graph_root(sso_ctx_t *ctx, const sso_provider_t *provider, const char **root);

/** The media type of a picture by its first bytes, or NULL: none that a browser is given. */
const char *sso_photo_type(sso_bytes_t bytes);

#endif
