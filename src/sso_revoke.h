/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_REVOKE_H
#define SSO_REVOKE_H

/*
 * Ending sessions from outside: of one person, or of one session at the provider (`sid`), on all
 * hosts that share a store, wherever the sessions are kept.
 *
 * A person is a keyed digest of provider and `sub`. It is part of the session cookie, so that one
 * operation of the store reads two entries: the session's own, and the person's *mark*, "sessions
 * that started before T are ended". A mark is not evicted, and lives as long as a session can.
 * It is written for events that have been authenticated only, since it takes room that nobody
 * else can have. T is by the clock of the host that the event reached, and a session's start
 * by the clock of the host it signed in at: hosts of one site need clocks that agree.
 *
 * By `sid` there is an index, written at sign-in: which sessions there are of it. Who
 * only knows a sid can end those and do nothing else.
 *
 * A secret that was replaced is still good for both: who signed in under it is found.
 */

#include "sso_provider.h"
#include "sso_store.h"

#define SSO_PERSON_BYTES 16

/** Where a session is, which says how it is ended. */
typedef enum {
    SSO_KEPT_IN_STORE = 's', /* its entry is removed */
    SSO_KEPT_IN_COOKIE = 'c' /* an entry under its key, which is not evicted, says that it ended */
} sso_kept_e;

/**
 * Who a session is of, for its cookie.
 *
 * @param tag      of the provider
 * @param subject  `sub`; NULL: there is none
 */
sso_rc_e sso_revoke_person(sso_ctx_t *ctx, const sso_site_t *site, const char *tag,
                           const char *subject, unsigned char person[SSO_PERSON_BYTES]);

/** Where the person's mark is. Costs nothing, since every request of a signed-in user asks. */
void sso_revoke_mark_key(const sso_site_t *site, const unsigned char person[SSO_PERSON_BYTES],
                         sso_store_key_t *key);

/** Whether a mark (no value: there is none) ends a session that started then. */
int sso_revoke_marked(const sso_store_entry_t *mark, apr_time_t started);

/** End all sessions that a person has now. For authenticated events only. */
sso_rc_e sso_revoke_subject(sso_ctx_t *ctx, const sso_site_t *site, const char *tag,
                            const char *subject);

/** A session that begins, as the index sees it. */
typedef struct sso_revoke_begun_t {
    const char *tag, *sid; /* sid NULL, or too long for one: not indexed */
    sso_store_key_t key;   /* its own */
    sso_kept_e kept;
    apr_time_t ends;
} sso_revoke_begun_t;

/**
 * Put a session into the index of its sid.
 *
 * @param item  its entry in the store, which is written in the same go; NULL: it has none
 * @return as sso_store_put()
 */
sso_rc_e sso_revoke_begin(sso_ctx_t *ctx, const sso_site_t *site, const sso_revoke_begun_t *begun,
                          const sso_store_item_t *item);

/** End one session. @a until: when it would have ended. SSO_ABSENT: there is none. */
sso_rc_e sso_revoke_end(sso_ctx_t *ctx, sso_kept_e kept, const sso_store_key_t *key,
                        apr_time_t until);

/**
 * End the sessions of a sid.
 *
 * @param count  out: how many there were; -1: the sid is not known
 */
sso_rc_e sso_revoke_sid(sso_ctx_t *ctx, const sso_site_t *site, const char *tag, const char *sid,
                        int *count);

#endif
