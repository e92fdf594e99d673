/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_STORE_REDIS_H
#define SSO_STORE_REDIS_H

/*
 * The store in Redis, for many hosts.
 *
 * Every operation is one round trip, and atomic. An entry is a string under the key "edxsso:" and
 * the 32 bytes of the store's key, as they are:
 *
 *     1 byte    layout: '1'
 *     1 byte    class: '0' plain, '1' pinned
 *     16 bytes  version: a random number in hexadecimal
 *     16 bytes  expiry: microseconds since 1970 in decimal
 *     the value
 *
 * The expiry in the entry counts, judged by the caller's clock; Redis's own expiry, set by how
 * long the entry had to live when it was written, only clears away what nobody will see again. So
 * the clock of the Redis host does not matter. What has another layout is as good as absent.
 *
 * Redis has no way to keep some entries when it has to evict: it should run with maxmemory-policy
 * noeviction, and a warning says so when it does not.
 *
 * Commands needed: GET SET DEL EVAL GETRANGE SETRANGE PEXPIRE; AUTH and SELECT where the URL says;
 * DBSIZE and INFO where allowed.
 */

#include "sso_store.h"

typedef struct sso_store_redis_config_t {
    const char *url; /* EdxSSOStore: redis[s]://[user:password@]host[:port][/db][?ca=&cert=&key=],
                        redis+unix://[user:password@]/path[?db=N] */
    apr_interval_time_t connect; /* for connecting, TLS and AUTH; 0: 500 ms */
    apr_interval_time_t command; /* for a command; 0: 1 s. All in all no more than 2 s */
} sso_store_redis_config_t;

/**
 * Open the store. Nothing is sent yet: a process connects when it needs to, and the first
 * operation finds out whether Redis is there. May be opened before children are forked.
 *
 * @param pool   closes the connections when it is cleared
 * @param store  out: in pool
 *
 * @return SSO_MISCONFIG  298: built without hiredis; 250..256: URL, or files for TLS
 *         SSO_BROKEN     257: OpenSSL refused to work
 */
sso_rc_e sso_store_redis_open(sso_ctx_t *ctx, apr_pool_t *pool,
                              const sso_store_redis_config_t *config, sso_store_t **store);

#endif
