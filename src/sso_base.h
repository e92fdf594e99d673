/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_BASE_H
#define SSO_BASE_H

/*
 * What every part of the core stands on: results, the context of one piece of work, ports.
 *
 * A result is a meaning, not a place. The step that decides calls sso_fail() with a number of
 * docs/messages.md; callers may prefix where they were with sso_within(). The first cause wins.
 * The outside world (log, store, HTTP) is reached through ports, so that every flow can run in a
 * plain C program.
 */

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

typedef enum {
    SSO_OK = 0,
    SSO_ABSENT,    /* not here: try the next credential, the next source */
    SSO_BAD_INPUT, /* the text does not have the form it must have */
    SSO_DENIED,    /* the form is right, and the answer is no */
    SSO_UPSTREAM,  /* a provider or the store failed us */
    SSO_MISCONFIG, /* an administrator has to act */
    SSO_BROKEN     /* a library refused to do what it always does */
} sso_rc_e;

typedef enum { SSO_LOG_DEBUG, SSO_LOG_INFO, SSO_LOG_WARN, SSO_LOG_ERROR } sso_level_e;

#define SSO_ERR_BYTES 480

/** Marks a text that people see, written in English: the catalogues in pages/ translate it. */
#define SSO_T(text) text

/** A sentence for people: an SSO_T() with at most one %s, and what goes there. */
typedef struct sso_say_t {
    const char *text;  /* NULL: nothing to say */
    const char *value; /* for %s: from outside, shown as it is, escaped; or NULL */
    const char *word;  /* for %s: an SSO_T() itself, translated as well; or NULL */
} sso_say_t;

typedef struct sso_err_t {
    sso_rc_e rc;
    int number;               /* SSOnnnn in docs/messages.md; 0: none */
    /* for the log: never a secret, never a token; control characters escaped */
    char text[SSO_ERR_BYTES];
    /* for the answer, where a fault carries something on (Retry-After, scope ...), or NULL */
    const char *detail;
    sso_say_t say; /* what the page says besides the fault's own words */
} sso_err_t;

struct sso_call_t;
struct sso_reply_t;
struct sso_store_t;
struct sso_metrics_t;
struct sso_ctx_t;

/** A part of a text that a pattern found: [from, to). A group that took no part is empty. */
typedef struct sso_match_t {
    apr_size_t from, to;
} sso_match_t;

#define SSO_MATCHES 10 /* the whole, and nine groups */

/** The outside world. All members but log may be NULL where a piece of work has no use for them. */
typedef struct sso_ports_t {
    void (*log)(void *baton, sso_level_e level, const char *text);
    void *log_baton;
    sso_level_e log_level; /* lines under this level are not even formatted */
    sso_rc_e (*call)(struct sso_ctx_t *ctx, const struct sso_call_t *call,
                     struct sso_reply_t *reply);
    struct sso_store_t *store;
    struct sso_metrics_t *metrics; /* sso_metrics.h; NULL: nothing is counted */
    /* the `traceparent` that the request came with, as it stands, or NULL; of log_baton */
    const char *(*trace)(void *baton);
    /* Search a text for a pattern that the configuration has: 1 if found. The core has no regular
     * expressions of its own, so that an administrator meets the same ones as everywhere else. */
    int (*search)(const char *pattern, const char *text, sso_match_t found[SSO_MATCHES]);
} sso_ports_t;

/** One piece of work: one request, one configuration run, one test case. Used by one thread. */
typedef struct sso_ctx_t {
    apr_pool_t *pool; /* everything handed out lives here unless a function says otherwise */
    /* read once, so that all decisions of a request agree; of a clock that does not jump, for what
       this site keeps (sso_clock.h). What others say of times is judged by sso_wall(). */
    apr_time_t now;
    apr_interval_time_t wall_ahead; /* of that clock: how far the machine's is ahead */
    const sso_ports_t *ports; /* may be NULL: nothing is logged, nothing is called */
    sso_err_t err;
} sso_ctx_t;

/** What the machine's clock says, which is what others go by. */
static inline apr_time_t sso_wall(const sso_ctx_t *ctx)
{
    return ctx->now + ctx->wall_ahead;
}

/**
 * Note a failure and return @a rc. The first failure noted is kept; later ones change nothing.
 *
 * @param number  of docs/messages.md, unique in the source
 * @param fmt     apr_snprintf() format; control characters in the outcome are escaped, so that a
 *                text from outside cannot forge a log line
 */
sso_rc_e sso_fail(sso_ctx_t *ctx, sso_rc_e rc, int number, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** Prefix the noted failure with where we were; nothing if @a rc is SSO_OK. Returns @a rc. */
sso_rc_e sso_within(sso_ctx_t *ctx, sso_rc_e rc, const char *where);

/** Forget a failure that turned out not to matter (another key, another source did it). */
void sso_forgive(sso_ctx_t *ctx);

/**
 * Write a line "SSOnnnn: text" to the log port, if there is one and it wants this level. Number 0
 * prints none.
 */
void sso_log(const sso_ctx_t *ctx, sso_level_e level, int number, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define SSO_TRY(call)                                                                             \
    do {                                                                                          \
        sso_rc_e rc_ = (call);                                                                    \
        if (rc_ != SSO_OK)                                                                        \
            return rc_;                                                                           \
    } while (0)

#define SSO_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
