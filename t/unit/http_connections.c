/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of sso_http_call(): kept, shared by threads, not by processes, bounded; and what
 * becomes of a request when one dies.
 */
#include "http_server.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int break_send; /* how many of the next sends find the connection reset */

/* To be seen by libcurl, whatever else is hidden. */
ssize_t send(int fd, const void *bytes, size_t length, int flags)
    __attribute__((visibility("default")));

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    if (__atomic_load_n(&break_send, __ATOMIC_RELAXED) > 0) {
        __atomic_sub_fetch(&break_send, 1, __ATOMIC_RELAXED);
        errno = EPIPE;
        return -1;
    }
    return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

/* Connections the server has seen, its requests, and those of /die-if-reused. */
static void counts(int *connections, int *requests, int *die)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { 0 };

    if (get(ctx, url_of(ctx->pool, PLAIN, "/counts"), &reply) != SSO_OK
        || sscanf(reply.body, "%d %d %d", connections, requests, die) != 3)
        printf("# no counts: %s\n", ctx->err.text);
}

static void test_reuse(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { 0 };
    const char *url = url_of(ctx->pool, PLAIN, "/fine");
    sso_call_t call = secret_call(url, &usual);
    int before, after, requests, die, i, good = 0;

    call.once = 1;
    counts(&before, &requests, &die);
    for (i = 0; i < 100; i++) {
        good += sso_http_call(ctx, &call, &reply) == SSO_OK;
        good += get(ctx, url, &reply) == SSO_OK;
    }
    counts(&after, &requests, &die);
    is_int(good, 200, "a hundred sign-ins");
    is_int(after, before, "on the connection that was there");

    counts(&before, &requests, &die);
    for (i = 0, good = 0; i < 20; i++) {
        call.url = url_of(ctx->pool, GOOD, "/fine");
        good += sso_http_call(ctx, &call, &reply) == SSO_OK;
    }
    counts(&after, &requests, &die);
    is_int(good, 20, "over TLS");
    ok(after - before <= 1, "on one connection");
}

static void test_once(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { 0 };
    sso_call_t call = secret_call(url_of(ctx->pool, PLAIN, "/die-if-reused"), &usual);
    int connections, requests, before, after, i, good = 0;

    /* Not once: libcurl may try again, on a new connection, and does. */
    counts(&connections, &requests, &before);
    is_int(sso_http_call(ctx, &call, &reply), SSO_OK, "a kept connection dies: sent again");
    counts(&connections, &requests, &after);
    is_int(after - before, 2, "the server saw it twice");

    call.once = 1;
    before = after;
    expect_failure(&call, SSO_UPSTREAM, 321);
    counts(&connections, &requests, &after);
    is_int(after - before, 1, "what goes once is seen once");

    before = after;
    is_int(sso_http_call(tap_ctx(), &call, &reply), SSO_UPSTREAM, "again");
    sso_http_stop();
    sso_http_start(ctx);
    is_int(sso_http_call(tap_ctx(), &call, &reply), SSO_OK, "on a new connection it is answered");
    counts(&connections, &requests, &after);
    is_int(after - before, 2, "each seen once");

    /* Closed while nobody looked: found dead before anything is sent. */
    for (i = 0; i < 20; i++) {
        call.url = url_of(ctx->pool, PLAIN, "/close-after");
        good += sso_http_call(ctx, &call, &reply) == SSO_OK;
        usleep(20000);
    }
    is_int(good, 20, "a connection closed meanwhile costs nothing");

    /* Found dead in the very moment of sending: nothing is out, so a new connection may serve. */
    call.url = url_of(ctx->pool, PLAIN, "/fine");
    sso_http_call(ctx, &call, &reply);
    counts(&connections, &before, &i);
    __atomic_store_n(&break_send, 1, __ATOMIC_RELAXED);
    is_int(sso_http_call(ctx, &call, &reply), SSO_OK, "nothing was sent: may go out again");
    counts(&connections, &after, &i);
    is_int(after - before, 2, "and is seen once"); /* the other one is counts() itself */

    __atomic_store_n(&break_send, 10, __ATOMIC_RELAXED);
    expect_failure(&call, SSO_UPSTREAM, 313);
    __atomic_store_n(&break_send, 0, __ATOMIC_RELAXED);
}

static int child(int start)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply;

    if (start && sso_http_start(ctx) != SSO_OK)
        return 1;
    if (get(ctx, url_of(ctx->pool, PLAIN, "/fine"), &reply) != SSO_OK)
        return ctx->err.number == 345 ? 45 : 2;
    sso_http_stop();
    return 0;
}

static void test_fork(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { 0 };
    int before, after, requests, die, i, verdict[2];
    const char want[] = { 45, 0 };

    get(ctx, url_of(ctx->pool, PLAIN, "/fine"), &reply);
    counts(&before, &requests, &die);
    for (i = 0; i < 2; i++) {
        char said = 77;
        pid_t pid;

        fflush(stdout);
        if (pipe(verdict))
            return;
        if ((pid = fork()) == 0) {
            said = (char)child(i);
            _exit(write(verdict[1], &said, 1) != 1);
        }
        ok(read(verdict[0], &said, 1) == 1 && said == want[i], "a child %s start",
           i ? "after its own" : "without");
        waitpid(pid, NULL, 0);
        close(verdict[0]);
        close(verdict[1]);
    }
    counts(&after, &requests, &die);
    is_int(after - before, 1, "has a connection of its own, and the parent's still works");
}

/* ---- threads, descriptors ---- */

static void *run_thread(void *baton)
{
    sso_ctx_t *ctx = baton;
    apr_pool_t *root = ctx->pool;
    long bad = 0;
    int i;

    for (i = 0; i < 50; i++) {
        sso_reply_t reply = { 0 };
        const char *path = i % 10 == 9 ? "/cut" : i % 10 == 8 ? "/close-after" : "/fine";
        sso_rc_e want = i % 10 == 9 ? SSO_UPSTREAM : SSO_OK;

        apr_pool_create(&ctx->pool, root);
        bad += get(ctx, url_of(ctx->pool, PLAIN, path), &reply) != want;
        apr_pool_destroy(ctx->pool);
        sso_forgive(ctx);
    }
    return (void *)bad;
}

static void test_threads(void)
{
    pthread_t threads[8];
    long bad = 0;
    void *said;
    int i;

    for (i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, run_thread, tap_ctx());
    for (i = 0; i < 8; i++) {
        pthread_join(threads[i], &said);
        bad += (long)said;
    }
    is_int(bad, 0, "eight threads, fifty calls each");
}

static int open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static void test_descriptors(void)
{
    static const char *const paths[] = { "/fine", "/cut", "/nothing", "/close-after", "/over" };
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { 0 };
    int before, i;

    sso_http_stop();
    before = open_files();
    sso_http_start(ctx);
    for (i = 0; i < 200; i++)
        get(ctx, url_of(ctx->pool, i % 7 == 6 ? EXPIRED : PLAIN, paths[i % 5]), &reply);
    ok(open_files() <= before + 2, "few descriptors after 200 calls");
    for (i = 0; i < 40; i++) { /* more origins and policies than are kept */
        sso_http_policy_t policy = usual;
        const sso_call_t call = { .what = "test", .url = url_of(ctx->pool, PLAIN, "/fine"),
                                  .policy = &policy };

        policy.proxy = apr_psprintf(ctx->pool, "http://127.0.0.1:%d", i + 1);
        sso_http_call(ctx, &call, &reply);
    }
    ok(open_files() <= before + 2 + 16 * 3, "kept connections are bounded"); /* 2 more a handle */
    sso_http_stop();
    is_int(open_files(), before, "none after the end");
}

int main(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply;

    server_begin();
    is_int(get(ctx, "https://127.0.0.1/", &reply), SSO_BROKEN, "no call before the start");
    is_int(ctx->err.number, 345, "says so");
    is_int(sso_http_start(ctx), SSO_OK, "start");
    is_int(sso_http_start(ctx), SSO_OK, "start twice");
    test_reuse();
    tap_try(test_once);
    test_fork();
    test_threads();
    test_descriptors();
    sso_http_stop();
    sso_http_stop();
    server_end();
    return tap_done();
}
