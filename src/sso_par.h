/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_PAR_H
#define SSO_PAR_H

/*
 * Pushed authorization requests (RFC 9126): the parameters go straight to the provider, and the
 * browser carries a reference to them.
 */

#include "sso_provider.h"

/**
 * Push the parameters of an authorization request, where EdxSSOPAR and the provider want that.
 *
 * @param form  the request; gets the client authentication besides
 * @param text  out: the query of the URL for the browser
 *
 * @return SSO_ABSENT     not to be pushed: the parameters go by the browser
 *         SSO_MISCONFIG  EdxSSOPAR on, and the provider has no such endpoint
 *         SSO_UPSTREAM   it cannot be reached, or refuses
 */
sso_rc_e sso_par_push(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                      const char **text);

#endif
