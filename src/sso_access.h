/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_ACCESS_H
#define SSO_ACCESS_H

/*
 * Access tokens that somebody presents (RFC 6750): whose they are, and whether they count here.
 *
 * A JWT is one provider's by its issuer and audience, and is judged by that provider's rules. It
 * has to be an access token: an id_token, a logout token or a refresh token may have the same
 * issuer, audience and signature, and must not do in its place (RFC 9068 4, RFC 8725 3.11).
 *
 * An opaque token is asked about (RFC 7662): see sso_introspect.h.
 */

#include "sso_token.h"

/** Number of the refusal that means "a restricted application's token". */
#define SSO_ACCESS_RESTRICTED 1123

/** Whose tokens count. */
typedef struct sso_accepted_t {
    const apr_array_header_t *providers; /* of sso_provider_t * */
    const apr_array_header_t *names;     /* of const char *: only these; NULL: all of them */
    const char *peer;                    /* the IP address that it comes from, or NULL */
} sso_accepted_t;

/** Whether a provider is accepted, and takes bearer tokens at all (EdxSSOAudience). */
int sso_access_takes(const sso_accepted_t *accepted, const sso_provider_t *provider);

/**
 * Find out whether a JWT is an access token that counts.
 *
 * @param token     untrusted, any length
 * @param provider  out: whose it is
 * @param claims    out: in ctx->pool
 *
 * @return SSO_BAD_INPUT, SSO_DENIED  it does not; number SSO_ACCESS_RESTRICTED: it would, were it
 *                                    not a restricted application's
 *         SSO_UPSTREAM   the keys to check it with cannot be had
 */
sso_rc_e sso_access_check(sso_ctx_t *ctx, const sso_accepted_t *accepted, const char *token,
                          const sso_provider_t **provider, const json_t **claims);

/**
 * What a token must not say, whatever its form: that it is of another kind, or bound to a key that
 * whoever presents it has not shown to have (RFC 7800, 8705, 9449).
 */
sso_rc_e sso_access_refuse(sso_ctx_t *ctx, const json_t *claims);

#endif
