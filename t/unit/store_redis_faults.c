/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis store when Redis fails: killed, stopped, slow, or answering what it should not. Nobody
 * waits longer than two seconds, all but one fail at once, and it goes on within a second.
 */
#ifdef HAVE_HIREDIS

#include "redis_server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>

#define SECRET "s3cr3t"

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found);

static const char *moving; /* where moving.test is; NULL: nobody knows */
static const char *also;   /* and a second address of all names */
static int asked;

/* A resolver that knows one name. Most tests use addresses. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    static struct sockaddr_in address[2];
    static struct addrinfo one[2];
    const char *text[2] = { NULL, also };
    int i;

    (void)hints;
    asked++;
    if (!strcmp(name, "moving.test"))
        name = moving;
    if (!name || strspn(name, "0123456789.") != strlen(name))
        return EAI_NONAME;
    for (i = 0; i < 2; i++) {
        address[i] = (struct sockaddr_in){ .sin_family = AF_INET,
                                           .sin_port = htons((in_port_t)strtol(service, NULL, 10)),
                                           .sin_addr.s_addr = inet_addr(text[i] ? text[i] : name) };
        one[i] = (struct addrinfo){ .ai_family = AF_INET, .ai_socktype = SOCK_STREAM,
                                    .ai_addr = (struct sockaddr *)&address[i],
                                    .ai_addrlen = sizeof(address[i]) };
    }
    one[0].ai_next = also ? &one[1] : NULL;
    *found = one;
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    (void)found;
}

/* ---- a Redis that says one thing ---- */

typedef enum { KEEP, CLOSE, REPEAT, DRIP } then_e;

static const struct {
    const char *what, *says;
    then_e then;
    int number, down;
} fakes[] = {
    { "loading", "-LOADING Redis is loading the dataset in memory\r\n", KEEP, 270, 1 },
    { "replica", "-READONLY You can't write against a read only replica.\r\n", KEEP, 271, 0 },
    { "replica, to a script", "-ERR Error running script (call to f_1): @user_script:1: "
      "@user_script: 1: -READONLY You can't write against a read only replica.\r\n", KEEP, 271, 0 },
    { "no password", "-NOAUTH Authentication required.\r\n", KEEP, 272, 1 },
    { "no permission", "-NOPERM this user has no permissions\r\n", KEEP, 274, 0 },
    { "no memory", "-OOM command not allowed when used memory > 'maxmemory'.\r\n", KEEP, 275, 0 },
    { "no disk", "-MISCONF Redis is configured to save RDB snapshots\r\n", KEEP, 276, 0 },
    { "wrong type", "-WRONGTYPE Operation against a key\r\n", KEEP, 277, 0 },
    { "no master", "-MASTERDOWN Link with MASTER is down\r\n", KEEP, 278, 1 },
    { "cluster down", "-CLUSTERDOWN The cluster is down\r\n", KEEP, 279, 1 },
    { "cluster", "-MOVED 3999 127.0.0.1:6381\r\n", KEEP, 280, 0 },
    { "script", "-BUSY Redis is busy running a script.\r\n", KEEP, 281, 1 },
    { "error", "-ERR \x1b[2J\x01 max number of clients reached\r\n", KEEP, 284, 0 },
    { "unknown", "-LOADINGS x\r\n", KEEP, 285, 0 },
    { "empty error", "-\r\n", KEEP, 285, 0 },
    { "a number", ":1\r\n", KEEP, 269, 0 },
    { "a status", "+OK\r\n", KEEP, 269, 0 },
    { "an array", "*1\r\n$1\r\na\r\n", KEEP, 266, 1 },
    { "an endless array", "*1000000000\r\n", KEEP, 266, 1 },
    { "no Redis", "HTTP/1.1 400 Bad Request\r\n\r\n", KEEP, 266, 1 },
    { "nonsense", "$x\r\n", KEEP, 266, 1 },
    { "a negative length", "$-5\r\n", KEEP, 266, 1 },
    { "two answers", "$-1\r\n$-1\r\n", KEEP, 266, 1 },
    { "too much", "$2000000000\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", REPEAT, 266, 1 },
    { "an endless line", "+xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", REPEAT, 266, 1 },
    { "half an answer, then the end", "$100\r\nhalf", CLOSE, 265, 1 },
    { "half an answer, then silence", "$100\r\nhalf", KEEP, 264, 1 },
    { "an answer in drops", "$100000\r\n", DRIP, 264, 1 },
    { "nothing, then the end", "", CLOSE, 265, 1 },
    { "nothing", "", KEEP, 264, 1 },
};

static void say(int fd, unsigned i)
{
    const char *says = fakes[i].says;
    ssize_t n = send(fd, says, strlen(says), MSG_NOSIGNAL);

    if (fakes[i].then == REPEAT)
        says = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    if (fakes[i].then == DRIP)
        says = "x";
    while (n > 0 && (fakes[i].then == REPEAT || fakes[i].then == DRIP)) {
        n = send(fd, says, strlen(says), MSG_NOSIGNAL);
        if (fakes[i].then == DRIP)
            usleep(20000);
    }
}

/* Answers INFO as a Redis does, all else as the row says; the port comes back. */
static pid_t start_fake(unsigned i, int *port)
{
    struct sockaddr_in name = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    pid_t pid;

    if (bind(fd, (struct sockaddr *)&name, length) || listen(fd, 8)
        || getsockname(fd, (struct sockaddr *)&name, &length))
        exit(1);
    *port = ntohs(name.sin_port);
    fflush(stdout);
    pid = fork();
    while (pid == 0) {
        int client = accept(fd, NULL, NULL);
        char heard[4096];
        ssize_t n;

        while ((n = recv(client, heard, sizeof(heard) - 1, 0)) > 0) {
            heard[n] = '\0';
            if (strstr(heard, "INFO")) {
                if (send(client, "$0\r\n\r\n", 6, MSG_NOSIGNAL) != 6)
                    break;
                continue;
            }
            say(client, i);
            if (fakes[i].then != KEEP)
                break;
        }
        close(client);
    }
    close(fd);
    return pid;
}

static void test_fakes(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(fakes); i++) {
        sso_ctx_t *ctx = tap_ctx();
        apr_time_t start = apr_time_now();
        int port;
        pid_t pid = start_fake(i, &port);
        sso_store_t *store = open_store(ctx, apr_psprintf(ctx->pool, "redis://127.0.0.1:%d", port));
        sso_store_stats_t stats;

        is_int(get(ctx, store, "x"), SSO_UPSTREAM, "%s: fails", fakes[i].what);
        is_int(ctx->err.number, fakes[i].number, "%s: %s", fakes[i].what, ctx->err.text);
        ok(since(start) < apr_time_from_msec(1900), "%s: in time", fakes[i].what);
        start = apr_time_now();
        get(ctx, store, "x");
        is_int(ctx->err.number, fakes[i].down ? 267 : fakes[i].number, "%s: again", fakes[i].what);
        ok(since(start) < apr_time_from_msec(300), "%s: at once", fakes[i].what);
        is_int(tap_log_has("SSO0287"), fakes[i].down, "%s: down is logged", fakes[i].what);
        ok(!strchr(ctx->err.text, '\x1b'), "%s: clean words", fakes[i].what);
        sso_store_stats(ctx, store, &stats);
        ok(stats.failures >= 2, "%s: counted", fakes[i].what);
        apr_pool_destroy(ctx->pool);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

/* ---- no Redis at all ---- */

static void test_nobody(void)
{
    struct sockaddr_in name = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(name);
    sso_ctx_t *ctx = tap_ctx();
    int full = socket(AF_INET, SOCK_STREAM, 0), fill[4], i;
    apr_time_t start;
    sso_store_t *store;

    store = open_store(ctx, "redis://:" SECRET "@gone.test");
    is_int(get(ctx, store, "x"), SSO_UPSTREAM, "a name that nobody has");
    is_int(ctx->err.number, 260, "%s", ctx->err.text);
    store = open_store(ctx, apr_psprintf(ctx->pool, "redis://:" SECRET "@127.0.0.1:%d",
                                         free_port()));
    is_int(get(ctx, store, "x"), SSO_UPSTREAM, "a port where nobody is");
    is_int(ctx->err.number, 261, "%s", ctx->err.text);
    store = open_store(ctx, "redis+unix://:" SECRET "@/nowhere");
    is_int(get(ctx, store, "x"), SSO_UPSTREAM, "a socket that is not there");
    is_int(ctx->err.number, 261, "%s", ctx->err.text);

    if (bind(full, (struct sockaddr *)&name, length) || listen(full, 0)
        || getsockname(full, (struct sockaddr *)&name, &length))
        exit(1);
    for (i = 0; i < 4; i++) { /* as many as it takes that the next one hears nothing */
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fill[i], (struct sockaddr *)&name, length);
    }
    start = apr_time_now();
    store = open_store(ctx, apr_psprintf(ctx->pool, "redis://:" SECRET "@127.0.0.1:%d",
                                         ntohs(name.sin_port)));
    is_int(get(ctx, store, "x"), SSO_UPSTREAM, "a host that is silent");
    is_int(ctx->err.number, 262, "%s", ctx->err.text);
    ok(since(start) < apr_time_from_msec(900), "in half a second");
    redis_begin("--bind", "127.0.0.2", "--port", apr_itoa(ctx->pool, ntohs(name.sin_port)), NULL);
    also = "127.0.0.2";
    store = open_store(ctx, apr_psprintf(ctx->pool, "redis://127.0.0.1:%d",
                                         ntohs(name.sin_port)));
    is_int(get(ctx, store, "x"), SSO_ABSENT, "one that has another address, too: %s",
           ctx->err.text);
    also = NULL;
    redis_end(SIGTERM);
    ok(!tap_log_has(SECRET), "no password is told");
    for (i = 0; i < 4; i++)
        close(fill[i]);
    close(full);
    apr_pool_destroy(ctx->pool);
}

/* ---- a Redis that goes and comes back ---- */

/* Milliseconds until it works again; -1: not within three seconds. */
static int until_good(sso_ctx_t *ctx, sso_store_t *store)
{
    apr_time_t start = apr_time_now();

    while (since(start) < apr_time_from_sec(3)) {
        if (get(ctx, store, "none") == SSO_ABSENT)
            return (int)apr_time_as_msec(since(start));
        usleep(10000);
    }
    return -1;
}

static int lines_with(const char *word)
{
    const char *at = tap_log_text;
    int n = 0;

    while ((at = strstr(at, word))) {
        n++;
        at++;
    }
    return n;
}

static void test_restart(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store = open_store(ctx, redis_url);
    apr_time_t start;
    int i, took;

    is_int(put(ctx, store, "x", "v"), SSO_OK, "a Redis that works");
    redis_end(SIGKILL);
    start = apr_time_now();
    for (i = 0; i < 1000; i++)
        if (get(ctx, store, "x") != SSO_UPSTREAM)
            break;
    is_int(i, 1000, "killed: a thousand requests fail");
    ok(since(start) < apr_time_from_sec(2), "at once");
    is_int(lines_with("SSO0287"), 1, "with one line");
    redis_begin("--port", "0", NULL);
    took = until_good(ctx, store);
    ok(took >= 0 && took < 1000, "back again: works within a second (%d ms)", took);
    is_int(lines_with("SSO0288"), 1, "with one line");
    is_int(put(ctx, store, "x", "v"), SSO_OK, "and goes on");
    ask("SHUTDOWN NOSAVE");
    waitpid(redis_pid, NULL, 0);
    redis_begin("--port", "0", NULL);
    is_int(put(ctx, store, "x", "v"), SSO_OK, "a restart between two requests is not seen");
    is_int(lines_with("SSO0287"), 1, "nor logged");
    apr_pool_destroy(ctx->pool);
}

typedef struct waiter_t {
    sso_ctx_t *ctx;
    sso_store_t *store;
    apr_interval_time_t longest;
    int failed;
} waiter_t;

static void *wait_for_it(void *baton)
{
    waiter_t *waiter = baton;
    int i;

    for (i = 0; i < 20; i++) {
        apr_time_t start = apr_time_now();

        waiter->failed += get(waiter->ctx, waiter->store, "x") == SSO_UPSTREAM;
        if (since(start) > waiter->longest)
            waiter->longest = since(start);
        usleep(20000);
    }
    return NULL;
}

static void test_stopped(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store = open_store(ctx, redis_url);
    apr_interval_time_t longest = 0;
    waiter_t waiters[16];
    pthread_t threads[16];
    int i, failed = 0, took;

    is_int(put(ctx, store, "x", "v"), SSO_OK, "a Redis that works");
    kill(redis_pid, SIGSTOP);
    for (i = 0; i < 16; i++) {
        waiters[i] = (waiter_t){ .ctx = tap_ctx(), .store = store };
        pthread_create(&threads[i], NULL, wait_for_it, &waiters[i]);
    }
    for (i = 0; i < 16; i++) {
        pthread_join(threads[i], NULL);
        failed += waiters[i].failed;
        if (waiters[i].longest > longest)
            longest = waiters[i].longest;
    }
    is_int(failed, 16 * 20, "stopped: everybody fails");
    ok(longest < apr_time_from_msec(2100), "nobody waits over two seconds (%d ms)",
       (int)apr_time_as_msec(longest));
    kill(redis_pid, SIGCONT);
    took = until_good(ctx, store);
    ok(took >= 0 && took < 1000, "goes on: works within a second (%d ms)", took);
    for (i = 0; i < 50 && get(ctx, store, "x") == SSO_OK; i++)
        usleep(20000);
    is_int(i, 50, "and stays well");
    ok(lines_with("SSO0287") <= 1 && lines_with("SSO0288") == 1, "one line each way");
    apr_pool_destroy(ctx->pool);
}

static void test_paused(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store = open_store(ctx, redis_url);
    apr_time_t start;

    is_int(put(ctx, store, "x", "v"), SSO_OK, "a Redis that works");
    ask("CLIENT PAUSE 300 ALL");
    is_int(get(ctx, store, "x"), SSO_OK, "a short pause is waited for");
    ask("CLIENT PAUSE 3000 ALL");
    start = apr_time_now();
    is_int(get(ctx, store, "x"), SSO_UPSTREAM, "a long one is not");
    is_int(ctx->err.number, 264, "%s", ctx->err.text);
    ok(since(start) < apr_time_from_msec(1500), "in time");
    sleep(2);
    ok(until_good(ctx, store) >= 0, "over");
    is_int(get(ctx, store, "x"), SSO_OK, "nothing is lost");
    apr_pool_destroy(ctx->pool);
}

static void test_replica(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store = open_store(ctx, redis_url);
    sso_store_key_t key = key_of("x");
    sso_store_entry_t entry;
    int i;

    is_int(put(ctx, store, "x", "v"), SSO_OK, "a Redis that works");
    ask("REPLICAOF 127.0.0.1 1");
    for (i = 0; i < 3; i++) {
        sso_forgive(ctx);
        is_int(put(ctx, store, "x", "v"), SSO_UPSTREAM, "made a replica: no writing");
        is_int(ctx->err.number, 271, "%s", ctx->err.text);
        is_int(get(ctx, store, "x"), SSO_OK, "but reading");
    }
    is_int(sso_store_get(ctx, store, &key, ctx->now + apr_time_from_sec(900), &entry), SSO_UPSTREAM,
           "no touching");
    is_int(ctx->err.number, 271, "%s", ctx->err.text);
    ask("REPLICAOF NO ONE");
    is_int(put(ctx, store, "x", "v"), SSO_OK, "made a master again: goes on at once");
    ok(!tap_log_has("SSO0287"), "it never was down");
    apr_pool_destroy(ctx->pool);
}

/* ---- a Redis whose name leads elsewhere ---- */

#define REPLICA 1 /* row of fakes[] */

/* Nobody tends to it: the next request asks. */
static void test_moved(const char *url)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store;

    moving = "127.0.0.1";
    store = open_store(ctx, url);
    is_int(put(ctx, store, "x", "v"), SSO_UPSTREAM, "a name that leads to a replica");
    is_int(ctx->err.number, 271, "%s", ctx->err.text);
    moving = NULL;
    sso_forgive(ctx);
    is_int(put(ctx, store, "x", "v"), SSO_UPSTREAM, "and then nowhere: there is still the replica");
    is_int(ctx->err.number, 271, "%s", ctx->err.text);
    moving = "127.0.0.2";
    is_int(put(ctx, store, "x", "v"), SSO_OK, "and then to the primary: goes on at once");
    asked = 0;
    is_int(get(ctx, store, "x"), SSO_OK, "there");
    is_int(asked, 0, "and nobody asks where that is");
    ok(!tap_log_has("SSO0287"), "it never was down");
    apr_pool_destroy(ctx->pool);
}

/* Something does: no request asks. */
static void test_tended(const char *url)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store;
    int i;

    moving = NULL;
    store = open_store(ctx, url);
    asked = 0;
    sso_store_tend(store, 0);
    is_int(get(ctx, store, "x"), SSO_UPSTREAM, "tended to: a name that nobody has");
    is_int(ctx->err.number, 260, "%s", ctx->err.text);
    moving = "127.0.0.1";
    is_int(asked, 0, "no request asks");
    sso_store_tend(store, 1);
    is_int(asked, 1, "who tends to it does");
    usleep(500000); /* for as long a failure is remembered */
    for (i = 0; i < 3; i++) {
        sso_forgive(ctx);
        is_int(put(ctx, store, "x", "v"), SSO_UPSTREAM, "a replica");
        is_int(ctx->err.number, 271, "%s", ctx->err.text);
    }
    moving = "127.0.0.2";
    is_int(put(ctx, store, "x", "v"), SSO_UPSTREAM, "moved, and nobody has looked");
    is_int(asked, 1, "no request asks");
    sso_store_tend(store, 1);
    is_int(put(ctx, store, "x", "v"), SSO_OK, "looked: goes on at once");
    sso_store_tend(store, 1);
    is_int(asked, 2, "what is good is not looked up again");
    redis_end(SIGKILL);
    is_int(get(ctx, store, "x"), SSO_UPSTREAM, "it is gone");
    sso_store_tend(store, 1);
    is_int(asked, 3, "what is not, is");
    apr_pool_destroy(ctx->pool);
}

static void test_names(void)
{
    int port;
    pid_t replica = start_fake(REPLICA, &port);
    char url[64], text[8];

    apr_snprintf(text, sizeof(text), "%d", port);
    apr_snprintf(url, sizeof(url), "redis://moving.test:%d", port);
    redis_begin("--port", text, "--bind", "127.0.0.2", NULL);
    test_moved(url);
    test_tended(url);
    kill(replica, SIGKILL);
    waitpid(replica, NULL, 0);
}

int main(void)
{
    redis_prepare();
    tap_try(test_fakes);
    tap_try(test_nobody);
    test_names();
    redis_begin("--port", "0", NULL);
    tap_try(test_restart);
    tap_try(test_stopped);
    tap_try(test_paused);
    test_replica();
    redis_end(SIGTERM);
    redis_clean();
    return tap_done();
}

#else

#include "tap.h"

int main(void)
{
    printf("1..0 # SKIP built without Redis\n");
    return 0;
}

#endif
