/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REDIS_SERVER_H
#define REDIS_SERVER_H

/*
 * What the tests of the Redis store share: a redis-server of their own in a folder of its own, and
 * stores opened in it.
 */

#include "sso_store_redis.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char redis_folder[] = "/tmp/edxsso-redis-XXXXXX";
static char redis_socket[64], redis_url[96];
static pid_t redis_pid;

static inline apr_time_t since(apr_time_t start)
{
    return apr_time_now() - start;
}

/* A port that was free a moment ago. */
static inline int free_port(void)
{
    struct sockaddr_in name = { .sin_family = AF_INET };
    socklen_t length = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&name, sizeof(name))
        || getsockname(fd, (struct sockaddr *)&name, &length))
        exit(1);
    close(fd);
    return ntohs(name.sin_port);
}

/* Start redis-server with further words, NULL at their end; wait until its socket takes calls. */
static inline void redis_begin(const char *word, ...)
{
    const char *words[40] = { "redis-server", "--dir", redis_folder, "--unixsocket", redis_socket,
                              "--save", "", "--appendonly", "no", "--logfile", "log",
                              "--daemonize", "no" };
    int n = 13, i;
    va_list more;

    va_start(more, word);
    for (; word && n < 39; word = va_arg(more, const char *))
        words[n++] = word;
    va_end(more);
    fflush(stdout);
    redis_pid = fork();
    if (redis_pid == 0) {
        execvp("redis-server", (char **)(uintptr_t)words);
        _exit(127);
    }
    for (i = 0; i < 6000; i++) {
        redisContext *link = redisConnectUnix(redis_socket);
        int good = link && !link->err;

        if (link)
            redisFree(link);
        if (good)
            return;
        usleep(10000);
    }
    printf("Bail out! redis-server does not start\n");
    exit(1);
}

static inline void redis_end(int how)
{
    kill(redis_pid, how);
    waitpid(redis_pid, NULL, 0);
}

static inline void redis_prepare(void)
{
    signal(SIGPIPE, SIG_IGN); /* as httpd does */
    if (system("redis-server --version >/dev/null 2>&1")) {
        printf("1..0 # SKIP no redis-server\n");
        exit(0);
    }
    if (!mkdtemp(redis_folder))
        exit(1);
    apr_snprintf(redis_socket, sizeof(redis_socket), "%s/socket", redis_folder);
    apr_snprintf(redis_url, sizeof(redis_url), "redis+unix://%s", redis_socket);
}

static inline void redis_clean(void)
{
    if (system(apr_pstrcat(tap_ctx()->pool, "rm -rf ", redis_folder, NULL)))
        printf("# %s is left behind\n", redis_folder);
}

static inline sso_store_t *open_with(sso_ctx_t *ctx, const char *url, apr_interval_time_t connect)
{
    const sso_store_redis_config_t config = { .url = url, .connect = connect };
    sso_store_t *store = NULL;

    if (sso_store_redis_open(ctx, ctx->pool, &config, &store) != SSO_OK)
        printf("# %s\n", ctx->err.text);
    return store;
}

static inline sso_store_t *open_store(sso_ctx_t *ctx, const char *url)
{
    return open_with(ctx, url, 0);
}

/* For TLS under a slow checker. */
static inline sso_store_t *open_patient(sso_ctx_t *ctx, const char *url)
{
    return open_with(ctx, url, apr_time_from_msec(1900));
}

static inline sso_store_key_t key_of(const char *text)
{
    sso_store_key_t key = { { 0 } };

    memcpy(key.bytes, text, strlen(text));
    key.bytes[31] = 0xff;
    return key;
}

static inline sso_rc_e put(sso_ctx_t *ctx, sso_store_t *store, const char *name, const char *value)
{
    sso_store_key_t key = key_of(name);
    const sso_store_item_t item = { .value = value, .length = strlen(value),
                                    .expires = ctx->now + apr_time_from_sec(600) };

    return sso_store_put(ctx, store, &key, &item);
}

static inline sso_rc_e get(sso_ctx_t *ctx, sso_store_t *store, const char *name)
{
    sso_store_key_t key = key_of(name);
    sso_store_entry_t entry;

    sso_forgive(ctx);
    return sso_store_get(ctx, store, &key, 0, &entry);
}

/* Ask Redis itself; the integer or the length of the answer, -1 for an error. */
static inline long long ask(const char *format, ...)
{
    redisContext *link = redisConnectUnix(redis_socket);
    redisReply *reply;
    long long said = -1;
    va_list args;

    va_start(args, format);
    reply = link ? redisvCommand(link, format, args) : NULL;
    va_end(args);
    if (reply && reply->type != REDIS_REPLY_ERROR)
        said = reply->type == REDIS_REPLY_INTEGER ? reply->integer : (long long)reply->len;
    if (reply)
        freeReplyObject(reply);
    if (link)
        redisFree(link);
    return said;
}

#endif
