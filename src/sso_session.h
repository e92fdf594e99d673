/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_SESSION_H
#define SSO_SESSION_H

/*
 * Sessions: who signed in, kept in the store, found by a cookie.
 *
 * The cookie holds 32 random bytes; the store knows only their digest. A record is stored in the
 * form a request needs it in: times, a few texts, and the claims flattened (sso_claims.h).
 * It ends at its absolute end, whatever happens, and when its entry in the store has not been
 * touched for the idle time. Records are sealed and bound to their place in the store and to
 * their virtual host.
 */

#include "sso_claims.h"
#include "sso_provider.h"
#include "sso_store.h"

typedef struct sso_session_t {
    apr_time_t started, ends, idle_ends;
    const char *provider;    /* NAME */
    const char *tag;         /* of the provider: see sso_provider_t */
    const char *remote_user; /* REMOTE_USER */
    const char *username;    /* the texts below may be NULL */
    const char *user_id, *email, *name, *tenant, *remote_id;
    const char *issuer, *subject, *sid;
    sso_claims_t claims;
} sso_session_t;

/**
 * Build a session from claims that have been checked: picks the texts, applies EdxSSOClaimMap and
 * EdxSSORequireClaim, flattens.
 *
 * @return SSO_DENIED    no user name, or a required claim is missing (ctx->err.detail: its name)
 *         SSO_BAD_INPUT a user name with control characters
 *         SSO_UPSTREAM  too many claims
 */
sso_rc_e sso_session_build(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                           const json_t *claims, sso_session_t **session);

/** Store a new session. @a id: what the cookie gets. SSO_UPSTREAM: the store does not take it. */
sso_rc_e sso_session_begin(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                           const char **id);

/**
 * Find a session.
 *
 * @param id     the cookie's value: untrusted
 * @param touch  whether this request keeps it from idling out
 * @return SSO_ABSENT    there is none (any more); also when its provider has left the configuration
 *         SSO_UPSTREAM  the store cannot be asked: this is not "signed out"
 */
sso_rc_e sso_session_find(sso_ctx_t *ctx, const sso_site_t *site, const char *id, int touch,
                          const sso_session_t **session);

/** End a session. SSO_ABSENT: there was none. */
sso_rc_e sso_session_end(sso_ctx_t *ctx, const sso_site_t *site, const char *id);

#endif
