/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_STORE_SHM_H
#define SSO_STORE_SHM_H

/*
 * The store in shared memory: a file, mapped by the parent and inherited by its children.
 *
 * The contents outlive every process: a graceful restart opens the same file again while children
 * of the generation before still work on it; a stop, or the death of all processes at any moment,
 * leaves a file that the next start goes on with. A process killed while it changes something
 * leaves its part of the store to be put right by the next one that comes by; what it was writing
 * is there in full or not at all. Bytes that changed while nobody had the file open are damage: the
 * file is set aside and a new one made, because a store that lost some of its entries could have
 * lost a revocation and kept the session.
 *
 * Expiry is exact. When there is no room, entries that have expired go first (known to the second),
 * then PLAIN ones, the least recently used first (a read or write counts, to the second), never
 * PINNED ones. Keys are spread over shards of about 4 MiB, each with its own lock and its own room.
 */

#include "sso_store.h"

#define SSO_STORE_SHM_MIN ((apr_uint64_t)1 << 20) /* which takes values of up to 985 KB */
#define SSO_STORE_SHM_MAX ((apr_uint64_t)64 << 30)

extern const sso_store_kind_t sso_store_shm_kind;

typedef struct sso_store_shm_config_t {
    apr_uint64_t size; /* bytes of the file */
    const char *path;  /* in a directory that exists and that not everybody may write to */
    long uid, gid;     /* who shall own the file; -1: whoever makes it */
} sso_store_shm_config_t;

/**
 * Open the store, made if there is none. To be called before children are forked; they use the
 * store as it is. Any number of processes may have one file open.
 *
 * A file of another size is moved to the size asked for, its entries with it as far as there is
 * room (those who have the old one open keep that, and what they write into it later is not seen).
 * A file of another version or machine, or a damaged one, is set aside as PATH.bad-TIME (the newest
 * SSO_STORE_SHM_BAD_KEPT of them are kept) with a log line.
 *
 * @param pool   unmaps and closes the file when it is cleared
 * @param store  out: in pool
 *
 * @return SSO_MISCONFIG  200: the size is outside the limits; 208: the disk has not got the room;
 *                        201..206, 213, 215..219, 229, 230: the directory or the file is not one
 *                        to be trusted, or cannot be had
 *         SSO_UPSTREAM   207: another process has been opening it for 10 s
 *         SSO_BROKEN     209, 210: the system refused to map it or to make locks
 */
sso_rc_e sso_store_shm_open(sso_ctx_t *ctx, apr_pool_t *pool, const sso_store_shm_config_t *config,
                            sso_store_t **store);

#define SSO_STORE_SHM_BAD_KEPT 2

#endif
