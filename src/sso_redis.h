/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_REDIS_H
#define SSO_REDIS_H

/*
 * What the files of the Redis store share: where Redis is, a connection to it, a process's
 * connections. Not for others: they see sso_store_redis.h.
 *
 * hiredis puts commands together and takes answers apart. Reading and writing is done here,
 * because all of an operation has to end at one deadline, which time-outs of single reads cannot
 * promise, and because TLS must not depend on how hiredis was built.
 */

#include "sso_base.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

/** Where Redis is, and as whom we come. */
typedef struct sso_redis_target_t {
    const char *name; /* for messages: host:port or the path of the socket */
    const char *host; /* NULL: a Unix socket */
    int port;
    const char *path;
    const char *user, *password; /* NULL: none */
    int db;
    int tls;
    const char *ca_file;   /* NULL: the system's */
    const char *cert, *key; /* NULL: none */
    apr_interval_time_t connect, command;
} sso_redis_target_t;

/**
 * Read an EdxSSOStore URL. No message repeats any of it but host, port and path.
 * @return SSO_MISCONFIG  250..254
 */
sso_rc_e sso_redis_url_parse(sso_ctx_t *ctx, apr_pool_t *pool, const char *url,
                             sso_redis_target_t *target);

#ifdef HAVE_HIREDIS

#include <hiredis/hiredis.h>

#define SSO_REDIS_WORDS_MAX     12
#define SSO_REDIS_ADDRESSES_MAX 4

/** A command: binary words. */
typedef struct sso_redis_command_t {
    int count;
    const char *word[SSO_REDIS_WORDS_MAX];
    size_t length[SSO_REDIS_WORDS_MAX];
} sso_redis_command_t;

void sso_redis_add(sso_redis_command_t *command, const void *word, size_t length);
void sso_redis_add_text(sso_redis_command_t *command, const char *word);

typedef struct sso_redis_address_t {
    struct sockaddr_storage name;
    socklen_t length;
} sso_redis_address_t;

/** A connection. After any failure its state is unknown, and it has to be closed. */
typedef struct sso_redis_link_t {
    int fd;
    SSL *ssl; /* NULL: none */
    redisReader *reader;
    unsigned epoch; /* of the set it belongs to */
} sso_redis_link_t;

/** Microseconds of a clock that nobody sets. */
apr_time_t sso_redis_clock(void);

/** The addresses of a target, as all processes know them. */
typedef struct sso_redis_where_t sso_redis_where_t;

/** Look up the addresses for the first time. To be made before a fork. SSO_BROKEN 1420. */
sso_rc_e sso_redis_where_make(sso_ctx_t *ctx, apr_pool_t *pool, const sso_redis_target_t *target,
                              sso_redis_where_t **where);

/**
 * The addresses to try. Asks DNS, for as long as that takes, only where none has been found or
 * those found are in doubt, and sso_redis_where_tend() has never been called.
 *
 * @param addresses  out: SSO_REDIS_ADDRESSES_MAX of them, those without a length are none
 * @return SSO_UPSTREAM  260
 */
sso_rc_e sso_redis_where(sso_ctx_t *ctx, sso_redis_where_t *where,
                         sso_redis_address_t *addresses);

/** What is there did not do: it may be elsewhere by now. */
void sso_redis_where_doubt(sso_redis_where_t *where);

/** Look up again what is in doubt. From the first call on nobody else does. 0: not yet @a now. */
void sso_redis_where_tend(sso_redis_where_t *where, int now);

/**
 * Connect to the first address that answers, and shake hands where there is TLS.
 * @return SSO_UPSTREAM  261..263; SSO_BROKEN 258
 */
sso_rc_e sso_redis_link_open(sso_ctx_t *ctx, const sso_redis_target_t *target, SSL_CTX *tls,
                             const sso_redis_address_t *address, apr_time_t deadline,
                             sso_redis_link_t *link);

void sso_redis_link_close(sso_redis_link_t *link);

/** Whether an unused connection is still one: nothing to read, not even its end. */
int sso_redis_link_idle(const sso_redis_link_t *link);

/**
 * Send a command, read its one answer. Errors that Redis answers are answers here.
 *
 * @param reply  out: for freeReplyObject(); never an array
 * @return SSO_UPSTREAM  264..266; SSO_BROKEN 259
 */
sso_rc_e sso_redis_exchange(sso_ctx_t *ctx, const sso_redis_target_t *target,
                            sso_redis_link_t *link, const sso_redis_command_t *command,
                            apr_time_t deadline, redisReply **reply);

/** The connections of a process, and whether Redis is known to be down. */
typedef struct sso_redis_set_t sso_redis_set_t;

/**
 * @param set  out: closed when the pool is cleared. May be made before a fork: a child closes what
 *             it inherited and connects anew
 * @return SSO_MISCONFIG  255..257: a file for TLS cannot be used
 *         SSO_BROKEN     1420
 */
sso_rc_e sso_redis_set_make(sso_ctx_t *ctx, apr_pool_t *pool, const sso_redis_target_t *target,
                            sso_redis_set_t **set);

/**
 * Run a command on a connection of its own for as long as it takes, SSO_REDIS_WAIT at most.
 *
 * A failure to reach Redis is remembered for a moment, in which all commands fail at once; then
 * one at a time tries again, and the others go on failing at once until it has succeeded.
 *
 * @param reply  out: for freeReplyObject(); neither an error nor an array
 * @return SSO_UPSTREAM  260..299; SSO_BROKEN
 */
sso_rc_e sso_redis_run(sso_ctx_t *ctx, sso_redis_set_t *set, const sso_redis_command_t *command,
                       redisReply **reply);

/** sso_redis_where_tend() for where these connections lead. */
void sso_redis_set_tend(sso_redis_set_t *set, int now);

#endif
#endif
