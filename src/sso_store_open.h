/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_STORE_OPEN_H
#define SSO_STORE_OPEN_H

/*
 * EdxSSOStore: which back end, from one word.
 */

#include "sso_store.h"

/** Check the word without opening anything. SSO_MISCONFIG: it names no back end, or not well. */
sso_rc_e sso_store_check(sso_ctx_t *ctx, const char *spec);

/**
 * Open the store. Called in the parent; children use it as it is.
 * @param dir  the state directory
 * @return SSO_MISCONFIG, SSO_UPSTREAM, SSO_BROKEN: as the back end says
 */
sso_rc_e sso_store_open(sso_ctx_t *ctx, apr_pool_t *pool, const char *spec, const char *dir,
                        sso_store_t **store);

#endif
