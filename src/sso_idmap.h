/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_IDMAP_H
#define SSO_IDMAP_H

/*
 * The LMS's third-party-auth ID mapping: which edX user is which user of an identity provider.
 *
 * A question is one id, a user name or a remote id. Its answer, also an empty one, is kept in the
 * store, sealed, for EdxSSOIDMappingCacheTTL, and beyond that as long as EdxSSOStaleIfError of the
 * LMS's section says, for when the LMS cannot be reached at all. What is not kept is asked for in
 * batches, with a client-credentials token that is kept as well. An answer counts only if it was
 * read to its end, and a row only if it names an id that was asked for.
 */

#include "sso_provider.h"

#define SSO_IDMAP_BATCH 50 /* ids a call, as the API's documentation has it */

typedef enum { SSO_IDMAP_USERNAME, SSO_IDMAP_REMOTE_ID } sso_idmap_by_e;

/** How much what is kept counts. */
typedef enum {
    SSO_IDMAP_USUAL,  /* in its time, and beyond it while the LMS cannot be reached */
    SSO_IDMAP_ANEW,   /* not at all: a user says that it has changed */
    SSO_IDMAP_PATIENT /* also beyond its time, whatever goes wrong: nobody is signed out by that */
} sso_idmap_mode_e;

/** What EdxSSOIDMapping of a section comes to. */
typedef struct sso_idmap_t {
    const sso_provider_t *api; /* the section of the LMS: its root, and who we are there */
    const char *provider_id;
    const char *url;
    const char *claim;    /* that is the id of who signs in */
    sso_idmap_by_e by;    /* what kind of id that is */
    int any_case;         /* remote ids are the same in any case of ASCII (UPNs) */
    const char *prefix;   /* what an LTI id has before it in a question, or "" */
    apr_interval_time_t ttl;
} sso_idmap_t;

typedef struct sso_idmap_row_t {
    const char *username, *remote_id; /* NULL: not known */
} sso_idmap_row_t;

/** One id, and what the mapping says of it. */
typedef struct sso_idmap_ask_t {
    sso_idmap_by_e by;
    const char *id;              /* not empty, without a comma */
    apr_array_header_t *rows;    /* out: of sso_idmap_row_t; NULL while it is not known */
    apr_array_header_t *stale;   /* out: what is kept beyond its time, or NULL */
} sso_idmap_ask_t;

/**
 * Resolve EdxSSOIDMapping of a section; nothing to do without it. To be called when all sections
 * of the site are there.
 *
 * @return SSO_MISCONFIG  the message names the section, the directive, and what to do
 */
sso_rc_e sso_idmap_resolve(sso_ctx_t *ctx, const sso_site_t *site, sso_provider_t *provider);

/**
 * Answer questions: from what is kept, else by asking.
 *
 * @param asks   of sso_idmap_ask_t
 * @return SSO_UPSTREAM   the API refused, failed or could not be reached, and what is kept does not
 *                        do: no `rows` may be relied on. err.detail: its Retry-After
 *         SSO_MISCONFIG, SSO_BROKEN
 */
sso_rc_e sso_idmap_find(sso_ctx_t *ctx, const sso_site_t *site, const sso_idmap_t *map,
                        apr_array_header_t *asks);

/**
 * Whether the API answers us at all: asks about nobody, with a token of its own, and keeps nothing.
 *
 * @return as sso_idmap_find()
 */
sso_rc_e sso_idmap_probe(sso_ctx_t *ctx, const sso_idmap_t *map);

/**
 * Who signs in, on the other side. What cannot be found out, for whatever reason, is logged and as
 * if there were no entry.
 *
 * @param mode how much what is kept counts
 * @param row  out: remote_id of an LMS's user, username of another provider's; else NULLs
 * @return SSO_DENIED  there is no entry, and EdxSSOIDMappingMissing is deny, or incomplete
 *                     (err.detail: what is missing)
 */
sso_rc_e sso_idmap_join(sso_ctx_t *ctx, const sso_site_t *site, const sso_provider_t *provider,
                        const json_t *claims, sso_idmap_mode_e mode, sso_idmap_row_t *row);

#endif
