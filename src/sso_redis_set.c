/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a process to Redis, who may use which, who they come as, and what happens
 * while Redis is down. What is asked over them is elsewhere.
 */
#include "sso_redis.h"

#ifdef HAVE_HIREDIS

#include <apr_strings.h>
#include <apr_time.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LINKS_MAX 8
#define WAIT      apr_time_from_sec(2)        /* an operation takes no longer, all in all */
#define PAUSE     APR_TIME_C(400000)     /* how long a failure is remembered */
#define WORD_MAX  120                         /* of an error that Redis answers */

struct sso_redis_set_t {
    const sso_redis_target_t *target;
    SSL_CTX *tls;
    pthread_mutex_t lock; /* of all below; never held while waiting for Redis */
    pthread_cond_t changed;
    pid_t pid;            /* whose connections these are */
    int open_count, idle_count;
    sso_redis_link_t idle[LINKS_MAX]; /* used last: last */
    unsigned epoch;       /* connections from before a failure say nothing about now */
    int down, probing;    /* one at a time finds out whether it is up again */
    apr_time_t retry_at;
    char cause[SSO_ERR_BYTES];
    sso_redis_where_t *where;
    int policy_known; /* by atomic operations */
};

/* What becomes of a connection after a command: it is kept; it is closed, and so are all others of
 * its time, as they lead to the wrong server; the same, and nobody tries again for a moment. */
typedef enum { KEEP, LEAVE, DOWN } after_e;

/* What Redis says, by the first word of its error. DOWN: it would say so to every command. */
static const struct {
    const char *word;
    sso_rc_e rc;
    int number;
    after_e after;
    const char *text;
} refusals[] = {
    { "LOADING", SSO_UPSTREAM, 270, DOWN, "is loading its data" },
    { "READONLY", SSO_UPSTREAM, 271, LEAVE, "is a replica that cannot be written to" },
    { "NOAUTH", SSO_UPSTREAM, 272, DOWN, "wants a password, and EdxSSOStore has none" },
    { "WRONGPASS", SSO_UPSTREAM, 273, DOWN, "refuses the user or password of EdxSSOStore" },
    { "NOPERM", SSO_UPSTREAM, 274, KEEP, "does not let this user run the command" },
    { "OOM", SSO_UPSTREAM, 275, KEEP, "has no memory left, and may not evict anything" },
    { "MISCONF", SSO_UPSTREAM, 276, KEEP, "takes no writes because it cannot save its data" },
    { "WRONGTYPE", SSO_UPSTREAM, 277, KEEP, "holds something of another type under our key" },
    { "MASTERDOWN", SSO_UPSTREAM, 278, DOWN, "is a replica without its master" },
    { "CLUSTERDOWN", SSO_UPSTREAM, 279, DOWN, "is part of a cluster that is down" },
    { "MOVED", SSO_UPSTREAM, 280, KEEP, "is part of a cluster, which is not supported" },
    { "BUSY", SSO_UPSTREAM, 281, DOWN, "is busy with a script" },
    { "NOREPLICAS", SSO_UPSTREAM, 282, KEEP, "takes no writes because it has too few replicas" },
    { "EXECABORT", SSO_UPSTREAM, 283, KEEP, "did not run the command" },
    { "ERR", SSO_UPSTREAM, 284, KEEP, "answers an error" },
};

static int starts_with_word(const char *text, const char *word)
{
    apr_size_t n = strlen(word);

    return !strncmp(text, word, n) && (text[n] == ' ' || text[n] == '\0');
}

/* Redis's own words are told, but for those about AUTH, which might repeat it. */
static sso_rc_e refused(sso_ctx_t *ctx, const sso_redis_set_t *set, const redisReply *reply,
                        int auth, after_e *after)
{
    const char *said = auth ? "" : apr_pstrndup(ctx->pool, reply->str, WORD_MAX);
    const char *within = strstr(reply->str, ": -"); /* before Redis 7: of a script's command */
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(refusals); i++) {
        if (starts_with_word(reply->str, refusals[i].word)
            || (within && starts_with_word(within + 3, refusals[i].word))) {
            *after = refusals[i].after;
            return sso_fail(ctx, refusals[i].rc, refusals[i].number, "Redis %s: %s%s%s",
                            set->target->name, refusals[i].text, *said ? ": " : "", said);
        }
    }
    *after = KEEP;
    return sso_fail(ctx, SSO_UPSTREAM, 285, "Redis %s: answers an unknown error%s%s",
                    set->target->name, *said ? ": " : "", said);
}

/* ---- coming as somebody ---- */

/* All our entries have an expiry, so every policy but noeviction may evict any of them. */
static void look_at_policy(sso_ctx_t *ctx, sso_redis_set_t *set, const redisReply *reply)
{
    const char *limit, *policy;
    int known;

    if (reply->type != REDIS_REPLY_STRING)
        return;
    limit = strstr(reply->str, "\nmaxmemory:");
    policy = strstr(reply->str, "\nmaxmemory_policy:");
    if (!limit || !policy || !strncmp(limit, "\nmaxmemory:0\r", 13)
        || !strncmp(policy, "\nmaxmemory_policy:noeviction", 28))
        return;
    known = __atomic_exchange_n(&set->policy_known, 1, __ATOMIC_RELAXED);
    policy += strlen("\nmaxmemory_policy:");
    if (!known)
        sso_log(ctx, SSO_LOG_WARN, 286,
                "Redis %s: maxmemory-policy %.*s may evict replay records and revocations before "
                "they expire; it should be noeviction", set->target->name,
                (int)strcspn(policy, "\r\n"), policy);
}

/* AUTH, SELECT and, once in a process, a look at the policy. */
static sso_rc_e introduce(sso_ctx_t *ctx, sso_redis_set_t *set, sso_redis_link_t *link,
                          apr_time_t deadline)
{
    const sso_redis_target_t *target = set->target;
    sso_redis_command_t commands[3] = { { .count = 0 } };
    sso_rc_e rc = SSO_OK;
    after_e after;
    int i;

    if (target->password) {
        sso_redis_add_text(&commands[0], "AUTH");
        if (target->user)
            sso_redis_add_text(&commands[0], target->user);
        sso_redis_add_text(&commands[0], target->password);
    }
    if (target->db) {
        sso_redis_add_text(&commands[1], "SELECT");
        sso_redis_add_text(&commands[1], apr_itoa(ctx->pool, target->db));
    }
    if (!__atomic_load_n(&set->policy_known, __ATOMIC_RELAXED)) {
        sso_redis_add_text(&commands[2], "INFO");
        sso_redis_add_text(&commands[2], "memory");
    }
    for (i = 0; i < 3 && rc == SSO_OK; i++) {
        redisReply *reply;

        if (!commands[i].count)
            continue;
        rc = sso_redis_exchange(ctx, target, link, &commands[i], deadline, &reply);
        if (rc != SSO_OK)
            break;
        if (i == 2)
            look_at_policy(ctx, set, reply); /* whoever may not ask does without */
        else if (reply->type == REDIS_REPLY_ERROR)
            rc = refused(ctx, set, reply, i == 0, &after);
        freeReplyObject(reply);
    }
    return rc;
}

static sso_rc_e open_link(sso_ctx_t *ctx, sso_redis_set_t *set, apr_time_t deadline,
                          sso_redis_link_t *link)
{
    sso_redis_address_t address[SSO_REDIS_ADDRESSES_MAX];
    unsigned epoch = link->epoch;
    sso_rc_e rc;

    SSO_TRY(sso_redis_where(ctx, set->where, address));
    rc = sso_redis_link_open(ctx, set->target, set->tls, address, deadline, link);
    if (rc == SSO_OK) {
        rc = introduce(ctx, set, link, deadline);
        if (rc != SSO_OK)
            sso_redis_link_close(link);
    }
    link->epoch = epoch;
    return rc;
}

/* ---- who uses which ---- */

static void close_idle(sso_redis_set_t *set)
{
    while (set->idle_count > 0) {
        sso_redis_link_close(&set->idle[--set->idle_count]);
        set->open_count--;
    }
}

/* After a fork: what the parent had open is the parent's, what it knew may still be true. */
static void settle(sso_redis_set_t *set)
{
    if (set->pid == getpid())
        return;
    close_idle(set);
    set->open_count = set->probing = 0;
    set->pid = getpid();
}

static int wait_for_change(sso_redis_set_t *set, apr_time_t deadline)
{
    const struct timespec until = {
        .tv_sec = (time_t)apr_time_sec(deadline), .tv_nsec = (long)apr_time_usec(deadline) * 1000,
    };

    return pthread_cond_timedwait(&set->changed, &set->lock, &until) == 0;
}

/* A kept connection, or the right to open one (then link->fd is -1). Under the lock. */
static sso_rc_e take(sso_ctx_t *ctx, sso_redis_set_t *set, apr_time_t deadline,
                     sso_redis_link_t *link)
{
    memset(link, 0, sizeof(*link));
    link->fd = -1;
    for (;;) {
        if (set->down && (set->probing || sso_redis_clock() < set->retry_at))
            return sso_fail(ctx, SSO_UPSTREAM, 267, "%s (found a moment ago)", set->cause);
        while (set->idle_count > 0) {
            *link = set->idle[--set->idle_count];
            if (sso_redis_link_idle(link))
                return SSO_OK;
            sso_redis_link_close(link);
            set->open_count--;
        }
        if (set->open_count < LINKS_MAX) {
            set->open_count++;
            set->probing = set->down;
            link->fd = -1;
            link->epoch = set->epoch;
            return SSO_OK;
        }
        if (!wait_for_change(set, deadline))
            return sso_fail(ctx, SSO_UPSTREAM, 268, "Redis %s: all connections are busy",
                            set->target->name);
    }
}

/* Under the lock: nobody uses again what is open now. */
static void leave_all(sso_redis_set_t *set)
{
    set->epoch++;
    close_idle(set);
}

/* Under the lock; whether this is news. */
static int note_down(sso_redis_set_t *set, const sso_ctx_t *ctx)
{
    int news = !set->down;

    set->down = 1;
    set->probing = 0;
    set->retry_at = sso_redis_clock() + PAUSE;
    apr_cpystrn(set->cause, ctx->err.text, sizeof(set->cause));
    return news;
}

/* The end of a command: the connection is kept, or closed because nobody knows its state. */
static void give(sso_ctx_t *ctx, sso_redis_set_t *set, sso_redis_link_t *link, after_e after)
{
    int old, news = 0;

    if (after != KEEP)
        sso_redis_where_doubt(set->where);
    pthread_mutex_lock(&set->lock);
    old = link->epoch != set->epoch;
    if (after == DOWN && !old)
        news = note_down(set, ctx);
    else if (!old) {
        news = set->down;
        set->down = set->probing = 0;
    }
    if (after != KEEP && !old)
        leave_all(set);
    if (after != KEEP || old || link->fd < 0) {
        sso_redis_link_close(link);
        set->open_count--;
    }
    else
        set->idle[set->idle_count++] = *link;
    pthread_cond_broadcast(&set->changed);
    pthread_mutex_unlock(&set->lock);
    if (news && after == DOWN)
        sso_log(ctx, SSO_LOG_ERROR, 287, "the store is down: %s", ctx->err.text);
    else if (news)
        sso_log(ctx, SSO_LOG_WARN, 288, "the store is up again: Redis %s", set->target->name);
}

/* The least of two ends. */
static apr_time_t within(apr_interval_time_t span, apr_time_t deadline)
{
    apr_time_t end = sso_redis_clock() + span;

    return end < deadline ? end : deadline;
}

/* With a context of its own: a failure noted earlier is not the reason why Redis is down. */
static sso_rc_e run(sso_ctx_t *ctx, sso_redis_set_t *set, const sso_redis_command_t *command,
                    redisReply **reply)
{
    apr_time_t deadline = sso_redis_clock() + WAIT;
    sso_redis_link_t link;
    redisReply *answer = NULL;
    after_e after = KEEP;
    sso_rc_e rc;

    pthread_mutex_lock(&set->lock);
    settle(set);
    rc = take(ctx, set, deadline, &link);
    pthread_mutex_unlock(&set->lock);
    if (rc != SSO_OK)
        return rc;
    if (link.fd < 0)
        rc = open_link(ctx, set, within(set->target->connect, deadline), &link);
    if (rc == SSO_OK)
        rc = sso_redis_exchange(ctx, set->target, &link, command,
                                within(set->target->command, deadline), &answer);
    if (rc != SSO_OK)
        after = DOWN;
    else if (answer->type == REDIS_REPLY_ERROR) {
        rc = refused(ctx, set, answer, 0, &after);
        freeReplyObject(answer);
    }
    give(ctx, set, &link, after);
    if (rc == SSO_OK)
        *reply = answer;
    return rc;
}

sso_rc_e sso_redis_run(sso_ctx_t *ctx, sso_redis_set_t *set, const sso_redis_command_t *command,
                       redisReply **reply)
{
    sso_ctx_t own = { .pool = ctx->pool, .now = ctx->now, .ports = ctx->ports };
    sso_rc_e rc = run(&own, set, command, reply);

    if (rc != SSO_OK && ctx->err.rc == SSO_OK)
        ctx->err = own.err;
    return rc;
}

void sso_redis_set_tend(sso_redis_set_t *set, int now)
{
    sso_redis_where_tend(set->where, now);
}

/* ---- making a set ---- */

static apr_status_t end_set(void *baton)
{
    sso_redis_set_t *set = baton;

    close_idle(set);
    SSL_CTX_free(set->tls);
    pthread_cond_destroy(&set->changed);
    pthread_mutex_destroy(&set->lock);
    return APR_SUCCESS;
}

static sso_rc_e make_tls(sso_ctx_t *ctx, sso_redis_set_t *set)
{
    const sso_redis_target_t *target = set->target;

    set->tls = SSL_CTX_new(TLS_client_method());
    if (!set->tls || SSL_CTX_set_min_proto_version(set->tls, TLS1_2_VERSION) != 1)
        return sso_fail(ctx, SSO_BROKEN, 257, "EdxSSOStore: OpenSSL refused to work");
    SSL_CTX_set_verify(set->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(set->tls,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (target->ca_file ? SSL_CTX_load_verify_locations(set->tls, target->ca_file, NULL) != 1
                        : SSL_CTX_set_default_verify_paths(set->tls) != 1)
        return sso_fail(ctx, SSO_MISCONFIG, 255, "EdxSSOStore: %s: no certificates in there",
                        target->ca_file ? target->ca_file : "the system's folder");
    if (target->cert
        && (SSL_CTX_use_certificate_chain_file(set->tls, target->cert) != 1
            || SSL_CTX_use_PrivateKey_file(set->tls, target->key ? target->key : target->cert,
                                           SSL_FILETYPE_PEM) != 1))
        return sso_fail(ctx, SSO_MISCONFIG, 256,
                        "EdxSSOStore: %s: no certificate with its key in there", target->cert);
    return SSO_OK;
}

sso_rc_e sso_redis_set_make(sso_ctx_t *ctx, apr_pool_t *pool, const sso_redis_target_t *target,
                            sso_redis_set_t **set)
{
    sso_redis_set_t *made = apr_pcalloc(pool, sizeof(*made));
    pthread_condattr_t monotonic;

    made->target = target;
    made->pid = getpid();
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&made->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    apr_pool_cleanup_register(pool, made, end_set, apr_pool_cleanup_null);
    if (target->tls)
        SSO_TRY(make_tls(ctx, made));
    SSO_TRY(sso_redis_where_make(ctx, pool, target, &made->where));
    *set = made;
    return SSO_OK;
}

#endif
