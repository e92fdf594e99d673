/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_CLIENT_AUTH_H
#define SSO_CLIENT_AUTH_H

/*
 * How this site proves to a provider who it is (RFC 6749 2.3, RFC 7523, RFC 8705): at the token
 * endpoint, and at every other one that asks for it (PAR, revocation, introspection).
 *
 * A method is a row of methods[]. What a provider's method needs is read once, at configuration
 * time; only the file of EdxSSOClientAssertion is read at each use, because others renew it.
 */

#include "sso_jose_sign.h"
#include "sso_provider.h"

typedef struct sso_auth_method_t sso_auth_method_t;

/** The method of a provider, and what it works with. Immutable. */
typedef struct sso_client_auth_t {
    const sso_auth_method_t *method;
    const sso_signer_t *signer;     /* of client_secret_jwt and private_key_jwt, else NULL */
    const char *certificate, *key;  /* PEM files of tls_client_auth, else NULL */
    const char *assertion;          /* path of EdxSSOClientAssertion, else NULL */
} sso_client_auth_t;

/**
 * What EdxSSOClientAuth and its companions come to.
 *
 * @param config    the merged one
 * @param asserted  EdxSSOClientAssertion stands alone: it is the client authentication
 * @param auth      out: in ctx->pool, as is what it points to
 *
 * @return SSO_MISCONFIG  the method lacks something, or what it has cannot be used; the message
 *                        names the directive and what to do
 */
sso_rc_e sso_client_auth_make(sso_ctx_t *ctx, const sso_config_t *config, int asserted,
                              const sso_client_auth_t **auth);

/** Whether the method can be used at a URL. SSO_MISCONFIG: tls_client_auth without TLS. */
sso_rc_e sso_client_auth_check(sso_ctx_t *ctx, const sso_client_auth_t *auth, const char *url);

/**
 * Prove who we are in a call. The audience of an assertion is always the token endpoint, which
 * every provider has to take at its other endpoints, too (RFC 7523 3, RFC 9126 2).
 *
 * @param named  the form has a client_id already, as a pushed authorization request does
 * @param form   gets what goes into the body
 * @param call   its url is set; gets the header or the certificate
 *
 * @return SSO_MISCONFIG  the file of EdxSSOClientAssertion cannot be read or has no JWT in it; or
 *                        as sso_client_auth_check()
 *         SSO_BROKEN     OpenSSL refused to work
 *         or as sso_provider_endpoint() of the token endpoint
 */
sso_rc_e sso_client_auth_prove(sso_ctx_t *ctx, const sso_provider_t *provider, int named,
                               sso_form_t *form, sso_call_t *call);

/** The public key that a provider checks our assertions with, as the text of a JWK, or NULL. */
const char *sso_client_auth_jwk(const sso_client_auth_t *auth);

#endif
