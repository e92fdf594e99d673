/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_DOCUMENT_H
#define SSO_DOCUMENT_H

/*
 * The cache behind sso_metadata.h, for sso_document*.c and sso_metadata.c only.
 *
 * sso_document.c        what this process has: slots, parsed documents, who borrowed them
 * sso_document_store.c  what all processes share: entries of the store, the lock, the decisions
 * sso_document_fetch.c  the call, what its answer is worth, and what is remembered of failures
 * sso_document_local.c  a store for when there is none
 *
 * A slot is one provider's document of one kind. It is worked on by one thread at a time (busy);
 * that thread alone changes slot->current, and holds no mutex while it fetches or parses.
 */

#include "sso_metadata.h"
#include "sso_metrics.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <stdatomic.h>

#define SSO_DOCUMENT_SECOND apr_time_from_sec(1)
#define SSO_DOCUMENT_MINUTE apr_time_from_sec(60) /* by how much clocks of hosts may differ */

/** A kind of document: a row in sso_metadata.c. */
typedef struct sso_document_kind_t {
    const char *name;   /* for messages, and part of the store's keys */
    apr_size_t ttl;     /* offset of its directive in sso_config_t */
    int issued;         /* what is acceptable depends on the provider's issuers */
    /* Parse and judge, into @a pool. Any failure means: the document is unusable. */
    sso_rc_e (*read)(sso_ctx_t *ctx, const sso_provider_t *provider, apr_pool_t *pool,
                     sso_bytes_t text, const void **parsed);
} sso_document_kind_t;

typedef struct sso_document_want_t {
    const sso_provider_t *provider;
    const sso_document_kind_t *kind;
    const char *url;
} sso_document_want_t;

/** A parsed document: immutable, in a pool of its own that goes with its last user. */
typedef struct sso_document_t {
    apr_pool_t *pool;
    atomic_uint users;
    const char *url;
    apr_time_t stamp;   /* when it was fetched; also its version: later ones are greater */
    const void *parsed;
} sso_document_t;

typedef struct sso_document_slot_t {
    struct sso_document_slot_t *next;
    const sso_provider_t *provider;
    const sso_document_kind_t *kind;
    sso_document_t *current; /* NULL: none yet */
    apr_time_t quiet;        /* until then the old copy serves without another look around */
    int busy;
} sso_document_slot_t;

struct sso_documents_t {
    apr_pool_t *pool;             /* used under the mutex only */
    const sso_keyring_t *ring;
    apr_thread_mutex_t *mutex;    /* of the slots; never held over I/O or parsing */
    apr_thread_cond_t *changed;   /* some slot is not busy any more */
    sso_store_t *local;
    sso_document_slot_t *slots;
    struct { atomic_ulong fetches, failures, taken, stale, waits; } count;
};

typedef enum {
    SSO_DOCUMENT_TEXT,    /* the document */
    SSO_DOCUMENT_LOCK,    /* somebody is fetching it */
    SSO_DOCUMENT_FAILURE, /* the last fetch failed */
    SSO_DOCUMENT_WINDOW,  /* an unknown key id has made somebody fetch */
    SSO_DOCUMENT_ENTRIES
} sso_document_entry_e;

/** What is remembered of failures since the last success. As it stands in a store: fixed sizes. */
typedef struct sso_document_failure_t {
    apr_int32_t layout, count;  /* count 0: none */
    apr_int64_t since;          /* of the last one */
    apr_int64_t retry;          /* from then on a request that has no document tries again */
    apr_int64_t next;           /* from then on the background job does */
    apr_int32_t rc, number;
    char text[SSO_ERR_BYTES], detail[64];
} sso_document_failure_t;

/** One thread's work on a slot. */
typedef struct sso_document_work_t {
    sso_ctx_t at;           /* its clock goes on, its failures are its own, its pool is scratch */
    apr_time_t base, began; /* the request's time, and the real time then */
    const sso_document_want_t *want;
    sso_documents_t *documents;
    sso_document_slot_t *slot;
    sso_store_t *store;
    sso_store_key_t keys[SSO_DOCUMENT_ENTRIES];
} sso_document_work_t;

/* ---- sso_document.c */

/** Hand out a document, see sso_documents_keys(). */
sso_rc_e sso_document_get(sso_ctx_t *ctx, const sso_document_want_t *want, int newer,
                          const void **parsed);

/** Hand out what this process has, if it may serve; neither store nor network. Else SSO_ABSENT. */
sso_rc_e sso_document_peek(sso_ctx_t *ctx, const sso_document_want_t *want, const void **parsed);

/** When the document that this process goes by was fetched; 0: none, -1: it has to look first. */
apr_time_t sso_document_stamp(const sso_ctx_t *ctx, const sso_provider_t *provider,
                              const sso_document_kind_t *kind);

/** See sso_documents_refresh(). */
sso_rc_e sso_document_refresh(sso_ctx_t *ctx, const sso_document_want_t *want, apr_time_t *next);

/** The slot's document, unless it is of another URL or of the far future (a clock was put back). */
sso_document_t *sso_document_current(const sso_document_slot_t *slot,
                                     const sso_document_want_t *want, apr_time_t now);

apr_interval_time_t sso_document_ttl(const sso_document_want_t *want);
int sso_document_is_fresh(const sso_document_want_t *want, const sso_document_t *document,
                          apr_time_t now);
/** Whether it may serve while the provider fails. */
int sso_document_may_serve(const sso_document_want_t *want, const sso_document_t *document,
                           apr_time_t now);

/** Parse and judge a text. A failure is SSO_UPSTREAM and the number of what is wrong with it. */
sso_rc_e sso_document_parse(sso_document_work_t *work, sso_bytes_t text, apr_time_t stamp,
                            sso_document_t **document);

/** Make a document the slot's current one. */
void sso_document_install(sso_document_work_t *work, sso_document_t *document);

/* ---- sso_document_store.c */

/** Bring the slot to a document that serves. */
sso_rc_e sso_document_obtain(sso_document_work_t *work);

/** Bring the slot to a document newer than @a seen, or SSO_ABSENT. */
sso_rc_e sso_document_renew(sso_document_work_t *work, apr_time_t seen);

/** Bring the slot to a document that does not expire soon. */
sso_rc_e sso_document_ahead(sso_document_work_t *work, apr_time_t *next);

/** The time, for this work. Called after whatever may have taken long. */
void sso_document_tick(sso_document_work_t *work);

sso_rc_e sso_document_keys(sso_document_work_t *work);

/** Seal and keep. What is read comes with the stamp it was kept with. */
sso_rc_e sso_document_keep(sso_document_work_t *work, sso_document_entry_e which, apr_time_t stamp,
                           sso_bytes_t plain, apr_time_t expires);
sso_rc_e sso_document_open(sso_document_work_t *work, sso_document_entry_e which,
                           apr_time_t newer_than, apr_time_t *stamp, sso_bytes_t *plain);
sso_rc_e sso_document_remove(sso_document_work_t *work, sso_document_entry_e which);

/* ---- sso_document_fetch.c */

/** Fetch, and install and keep what came; or remember the failure. */
sso_rc_e sso_document_fetch(sso_document_work_t *work);

/** What is known of a failure that still matters. Returns whether there is one. */
int sso_document_failed(sso_document_work_t *work, sso_document_failure_t *failure);

/** Fail as the fetch did that is remembered. */
sso_rc_e sso_document_fail_again(sso_document_work_t *work, const sso_document_failure_t *failure);

/* ---- sso_document_local.c */

/** A store of this process: get, put, add and remove, which is all that documents need. */
sso_rc_e sso_document_local_make(sso_ctx_t *ctx, apr_pool_t *pool, sso_store_t **store);
sso_rc_e sso_document_local_start(sso_ctx_t *ctx, sso_store_t *store, apr_pool_t *pool);

#endif
