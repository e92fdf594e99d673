/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TAP_H
#define TAP_H

/*
 * The few lines a unit test needs to speak TAP to prove. Included once per test program.
 */

#include "sso_base.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_TRIES 5

static int tap_count, tap_failed;
static FILE *tap_said; /* where a try's lines go; NULL: there is none */
static char tap_log_text[65536]; /* every line the code under test logged since tap_ctx() */

static inline FILE *tap_out(void)
{
    return tap_said ? tap_said : stdout;
}

#define ok(cond, ...)                                                                             \
    do {                                                                                          \
        int ok_ = !!(cond);                                                                       \
        tap_failed += !ok_;                                                                       \
        fprintf(tap_out(), "%sok %d - ", ok_ ? "" : "not ", ++tap_count);                         \
        fprintf(tap_out(), __VA_ARGS__);                                                          \
        fprintf(tap_out(), "\n");                                                                 \
        if (!ok_)                                                                                 \
            fprintf(tap_out(), "#   %s:%d: %s\n", __FILE__, __LINE__, #cond);                     \
    } while (0)

/* Equal strings; NULL equals NULL only. */
#define is(got, want, ...)                                                                        \
    do {                                                                                          \
        const char *got_ = (got), *want_ = (want);                                                \
        int same_ = got_ && want_ ? !strcmp(got_, want_) : got_ == want_;                         \
        ok(same_, __VA_ARGS__);                                                                   \
        if (!same_)                                                                               \
            fprintf(tap_out(), "#   got:  %s\n#   want: %s\n", got_ ? got_ : "(null)",            \
                    want_ ? want_ : "(null)");                                                    \
    } while (0)

#define is_int(got, want, ...)                                                                    \
    do {                                                                                          \
        long long got_ = (long long)(got), want_ = (long long)(want);                             \
        ok(got_ == want_, __VA_ARGS__);                                                           \
        if (got_ != want_)                                                                        \
            fprintf(tap_out(), "#   got:  %lld\n#   want: %lld\n", got_, want_);                  \
    } while (0)

static inline void tap_log(void *baton, sso_level_e level, const char *text)
{
    apr_size_t used = strlen(tap_log_text);

    (void)baton;
    (void)level;
    apr_snprintf(tap_log_text + used, sizeof(tap_log_text) - used, "%s\n", text);
}

static inline int tap_log_has(const char *text)
{
    return strstr(tap_log_text, text) != NULL;
}

/* A fresh context, at a fixed time; its pool lives until the program ends unless destroyed. */
static inline sso_ctx_t *tap_ctx(void)
{
    static const sso_ports_t ports = { .log = tap_log };
    static apr_pool_t *root;
    apr_pool_t *pool;
    sso_ctx_t *ctx;

    if (!root) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    apr_pool_create(&pool, root);
    ctx = apr_pcalloc(pool, sizeof(*ctx));
    ctx->pool = pool;
    ctx->now = apr_time_from_sec(1700000000);
    ctx->ports = &ports;
    tap_log_text[0] = '\0';
    return ctx;
}

/*
 * A test in which something has to be done within a time. A machine that is busy with something
 * else makes anything last, so it is tried again then: what is wrong by itself is so each time.
 */
static inline void tap_try(void (*test)(void))
{
    int count = tap_count, failed = tap_failed, i;

    for (i = 1;; i++) {
        char *said = NULL;
        size_t length = 0;

        tap_said = open_memstream(&said, &length);
        test();
        if (tap_said)
            fclose(tap_said);
        tap_said = NULL;
        if (tap_failed == failed || i == TAP_TRIES) {
            fputs(said ? said : "", stdout);
            free(said);
            return;
        }
        printf("# try %d went wrong: %d of %d\n", i, tap_failed - failed, tap_count - count);
        free(said);
        tap_count = count;
        tap_failed = failed;
    }
}

static inline int tap_done(void)
{
    printf("1..%d\n", tap_count);
    apr_terminate();
    return tap_failed != 0;
}

#endif
