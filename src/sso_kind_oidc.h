/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_KIND_OIDC_H
#define SSO_KIND_OIDC_H

/*
 * The parts of an OpenID provider that other kinds are made of: see sso_kind_t for what each does.
 */

#include "sso_provider.h"

sso_rc_e sso_oidc_resolve(sso_ctx_t *ctx, sso_provider_t *provider);
void sso_oidc_authorize(const sso_provider_t *provider, const sso_wanted_t *wanted,
                        sso_form_t *form);
void sso_oidc_redeem(const sso_provider_t *provider, sso_form_t *form);
sso_rc_e sso_oidc_identify(sso_ctx_t *ctx, const sso_provider_t *provider,
                           const sso_wanted_t *wanted, const sso_tokens_t *tokens, json_t **claims);
const char *sso_oidc_logout(sso_ctx_t *ctx, const sso_provider_t *provider,
                            const sso_leaving_t *leaving);
const char *sso_oidc_user(sso_ctx_t *ctx, const json_t *claims);

#endif
