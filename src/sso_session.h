/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_SESSION_H
#define SSO_SESSION_H

/*
 * Sessions: who signed in, kept in the store, found by a cookie.
 *
 * The cookie holds 32 random bytes, of which the store knows only the digest, and whose session it
 * is (sso_revoke.h), so that one look into the store also tells whether all of a person's sessions
 * have been ended. A record is stored in the form a request needs it in: times, a few texts, and
 * the claims flattened (sso_claims.h).
 * It ends at its absolute end, whatever happens, and when its entry in the store has not been
 * touched for the idle time. Records are sealed and bound to their place in the store and to
 * their virtual host.
 *
 * With EdxSSOSessions cookie a record is kept in the browser, sealed as it would be in the store,
 * beside the cookie with the id; one that is too large for that is kept in the store all the same.
 * The place in the store that is the session's own then holds nothing, or that it has ended, or a
 * newer record than the browser's: what was renewed is there until the browser's copy would have
 * idled out, so that a browser that never got the new copy loses nothing, and requests with the old
 * one find the new state.
 *
 * Tokens are in a second box beside the record, which a request opens only if it needs one. Record
 * and tokens are one entry of the store, so that both change together or not at all: whoever
 * replaces them says which version was read, and comes too late if there is another one.
 */

#include "sso_claims.h"
#include "sso_idmap.h"
#include "sso_provider.h"
#include "sso_revoke.h"
#include "sso_store.h"

#define SSO_SESSION_TOKEN_MAX (64 * 1024) /* a longer token is not kept */
#define SSO_SESSION_COPY_MAX  4200        /* bytes of a record that is kept in the browser */

/** Tokens that are kept. */
typedef struct sso_kept_t {
    const char *access, *refresh, *id; /* NULL: not given, or nothing needs it */
    apr_time_t got, expires; /* the access token: since when, until when (0: not said) */
} sso_kept_t;

typedef struct sso_session_t {
    apr_time_t started, ends, idle_ends;
    apr_time_t refresh_due;    /* from then on its tokens are to be renewed; 0: never */
    apr_time_t access_expires; /* of its access token; 0: not said */
    apr_uint32_t generation;   /* how often it has been replaced */
    apr_uint32_t failures;     /* refreshes that failed, one after the other */
    int in_browser;            /* kept there */
    apr_time_t seen;           /* then: by which request the copy there was written */
    int renew;                 /* then: that copy is to be written anew, or taken away */
    const char *provider;    /* NAME */
    const char *tag;         /* of the provider: see sso_provider_t */
    const char *remote_user; /* REMOTE_USER */
    const char *username;    /* the texts below may be NULL */
    const char *user_id, *email, *name, *tenant, *remote_id;
    const char *issuer, *subject;
    const char *sid; /* of the session at the provider: the id_token's, or `session_state` */
    unsigned char person[SSO_PERSON_BYTES];
    int plain; /* was stored, and none of the texts above needs cleaning to be exported; whoever
                  changes one makes it 0 */
    sso_claims_t claims;
    /* what is to be stored with it; of a session that was found: NULL, see sso_session_tokens() */
    const sso_kept_t *kept;
    /* where it was found */
    sso_store_key_t key;
    apr_uint64_t version;
    sso_bytes_t box; /* the tokens, sealed; length 0: there are none */
} sso_session_t;

/**
 * Touching: to end a session, one that a browser keeps is found also when it has idled out, because
 * somebody else may have a copy that has not.
 */
#define SSO_TOUCH_END (-1)

/** What a browser shows for its session: untrusted. */
typedef struct sso_brought_t {
    const char *id;   /* the cookie's value */
    sso_bytes_t copy; /* the record that it keeps; length 0: none */
} sso_brought_t;

/**
 * Build a session from claims that have been checked: picks the texts, applies EdxSSOClaimMap and
 * EdxSSORequireClaim, flattens.
 *
 * @return SSO_DENIED    no user name, or required claims are missing (ctx->err.detail: which), or
 *                       the ID mapping has no entry and there must be one
 *         SSO_BAD_INPUT a user name with control characters
 *         SSO_UPSTREAM  too many claims
 */
sso_rc_e sso_session_build(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                           const json_t *claims, sso_session_t **session);

/** The same, with another way of asking the ID mapping than the usual one. */
sso_rc_e sso_session_build_as(sso_ctx_t *ctx, const sso_site_t *site,
                              const sso_provider_t *provider, const json_t *claims,
                              sso_idmap_mode_e mode, sso_session_t **session);

/**
 * Begin a new session: in the store, or, where EdxSSOSessions says so and it fits, in the browser
 * (in_browser and renew are set then).
 *
 * @param id  out: what the cookie gets
 * @return SSO_UPSTREAM  the store does not take it
 */
sso_rc_e sso_session_begin(sso_ctx_t *ctx, const sso_site_t *site, sso_session_t *session,
                           const char **id);

/** What the browser is to keep of a session that is kept there. At most SSO_SESSION_COPY_MAX. */
sso_rc_e sso_session_copy(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                          sso_bytes_t *copy);

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

/** The same with the copy that the browser keeps. */
sso_rc_e sso_session_find_brought(sso_ctx_t *ctx, const sso_site_t *site,
                                  const sso_brought_t *brought, int touch,
                                  const sso_session_t **session);

/** Look once more at a session that was found: what it is by now. As sso_session_find(). */
sso_rc_e sso_session_again(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *found,
                           const sso_session_t **session);

/** A record by its key, for whoever keeps one elsewhere. */
sso_rc_e sso_session_load(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                          apr_time_t touch, const sso_session_t **session);

/** Store a record under a key of the caller's. @a expires: of the entry. As sso_store_put(). */
sso_rc_e sso_session_store(sso_ctx_t *ctx, const sso_site_t *site, const sso_store_key_t *key,
                           const sso_session_t *session, apr_time_t expires);

/**
 * The tokens of a session that was found.
 *
 * @param kept  out: in ctx->pool; untouched unless SSO_OK
 * @return SSO_ABSENT  it has none, or they cannot be opened (any more)
 */
sso_rc_e sso_session_tokens(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                            const sso_kept_t **kept);

/**
 * Replace a session that was found, unless somebody else has replaced or ended it meanwhile. Its
 * idle time goes on from where it was.
 *
 * @param found    what was found: its version is what must still be there
 * @param session  what is to be there instead; its kept NULL: the tokens stay as they are. Gets the
 *                 place in the store and the next generation
 * @return SSO_ABSENT  it has been ended
 *         SSO_DENIED  it has been replaced: look again
 *         SSO_UPSTREAM, SSO_BROKEN
 */
sso_rc_e sso_session_swap(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *found,
                          sso_session_t *session);

/** End a session that is in the store, by its cookie alone. SSO_ABSENT: there was none. */
sso_rc_e sso_session_end(sso_ctx_t *ctx, const sso_site_t *site, const char *id);

/** End a session that was found, wherever it is kept. */
sso_rc_e sso_session_end_found(sso_ctx_t *ctx, const sso_site_t *site,
                               const sso_session_t *session);

#endif
