/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_INTROSPECT_H
#define SSO_INTROSPECT_H

/*
 * Opaque bearer tokens: the providers that have an introspection endpoint are asked about them
 * (RFC 7662; signed answers: RFC 9701).
 *
 * Anybody can present texts that are no tokens. So what may be asked about texts that have not been
 * seen to be tokens is bounded for all processes together, whatever else happens: in a minute
 * SSO_INTROSPECT_MISSES_MAX for one client, so that it is not in the way of others, and
 * SSO_INTROSPECT_ALL_MAX for all of them. A token that turned out to be one is not counted.
 */

#include "sso_access.h"

#define SSO_INTROSPECT_MISSES_MAX 100
#define SSO_INTROSPECT_ALL_MAX    1000
#define SSO_INTROSPECT_WINDOW     apr_time_from_sec(60)
#define SSO_INTROSPECT_DOWN       apr_time_from_sec(5) /* how long a failure is remembered */

/**
 * Ask whose token it is.
 *
 * @param known     it was one the last time: not counted
 * @param provider  out: whose it is
 * @param claims    out: the answer, in ctx->pool
 *
 * @return SSO_DENIED    nobody's: not active, or for somebody else
 *         SSO_UPSTREAM  1143: too many texts that are no tokens have been asked about; else the
 *                       endpoint cannot be reached, or answers something unusable
 */
sso_rc_e sso_introspect(sso_ctx_t *ctx, const sso_accepted_t *accepted, const char *token,
                        int known, const sso_provider_t **provider, const json_t **claims);

#endif
