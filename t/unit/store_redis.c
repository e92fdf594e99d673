/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis store against a real redis-server: the conformance cases, users and passwords, TLS,
 * what lies in Redis, connections. When Redis fails: store_redis_faults.c.
 */
#ifdef HAVE_HIREDIS

#include "redis_server.h"
#include "store_conformance.h"

#include <dirent.h>
#include <pthread.h>

#define SECRET "p@ss:w/o?d#1"
#define ENCODED "p%40ss%3Aw%2fo%3Fd%231"

/* ---- URLs ---- */

static const struct {
    const char *url;
    int number; /* 0: good */
} urls[] = {
    { "redis://localhost", 0 },
    { "redis://127.0.0.1:6380/5", 0 },
    { "redis://127.0.0.1/", 0 },
    { "redis://[::1]:6380/5", 0 },
    { "redis://[::1]", 0 },
    { "redis://:" ENCODED "@h", 0 },
    { "redis://me:a@b@h:1", 0 },
    { "redis://h?db=3", 0 },
    { "rediss://h:1/2", 0 },
    { "redis+unix:///run/redis.sock", 0 },
    { "redis+unix://me:" ENCODED "@/run/redis.sock?db=7", 0 },
    { "http://" ENCODED "@h", 250 },
    { "redis:/h", 250 },
    { "", 250 },
    { "redis://" ENCODED "@h", 251 },
    { "redis://@h", 251 },
    { "redis://me:@h", 252 },
    { "redis://me:%zz" ENCODED "@h", 252 },
    { "redis://me:a%0" , 253 },
    { "redis://me:a%00" ENCODED "@h", 252 },
    { "redis://%0:" ENCODED "@h", 252 },
    { "redis://", 253 },
    { "redis://:" ENCODED "@", 253 },
    { "redis://h:", 253 },
    { "redis://h:0", 253 },
    { "redis://h:65536", 253 },
    { "redis://h:-1", 253 },
    { "redis://h:1x", 253 },
    { "redis://h x", 253 },
    { "redis://h,i", 253 },
    { "redis://[::1", 253 },
    { "redis://[::1]x", 253 },
    { "redis://[h]", 253 },
    { "redis://h/x", 253 },
    { "redis://h/-1", 253 },
    { "redis://h/1/2", 253 },
    { "redis://h/99999999999999999999", 253 },
    { "redis://h#x", 253 },
    { "redis+unix://h/run", 253 },
    { "redis+unix:///", 253 },
    { "redis+unix://", 253 },
    { "redis+unix:///a%00b", 253 },
    { "redis+unix:///012345678901234567890123456789012345678901234567890123456789"
      "01234567890123456789012345678901234567890123456", 253 },
    { "redis://h?" ENCODED, 254 },
    { "redis://h?db=x", 254 },
    { "redis://h?ca=/x", 254 },
    { "rediss://h?ca=x", 254 },
    { "rediss://h?ca=/nowhere.pem", 255 },
    { "rediss://h?cert=/nowhere.pem", 256 },
};

static void test_urls(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(urls); i++) {
        sso_ctx_t *ctx = tap_ctx();
        const sso_store_redis_config_t config = { .url = urls[i].url };
        sso_store_t *store = NULL;
        sso_rc_e rc = sso_store_redis_open(ctx, ctx->pool, &config, &store);

        is_int(rc, urls[i].number ? SSO_MISCONFIG : SSO_OK, "'%s'", urls[i].url);
        is_int(ctx->err.number, urls[i].number, "number: %s", ctx->err.text);
        ok(!strstr(ctx->err.text, ENCODED) && !strstr(ctx->err.text, SECRET), "tells no password");
        apr_pool_destroy(ctx->pool);
    }
}

/* ---- users ---- */

static const struct {
    const char *credentials, *db;
    int number;
} users[] = {
    { "sso:" ENCODED "@", "", 0 },
    { ":main" ENCODED "@", "/3", 0 },
    { "", "", 272 },
    { "sso:wrong" ENCODED "@", "", 273 },
    { "nobody:" ENCODED "@", "", 273 },
    { ":" ENCODED "@", "", 273 },
    { "reader:" ENCODED "@", "", 274 },
    { "sso:" ENCODED "@", "/4711", 284 },
};

static void test_users(int port)
{
    unsigned i, k;

    for (i = 0; i < SSO_COUNT(users); i++) {
        for (k = 0; k < 2; k++) {
            sso_ctx_t *ctx = tap_ctx();
            const char *place = k ? apr_psprintf(ctx->pool, "redis://%s127.0.0.1:%d%s",
                                                 users[i].credentials, port, users[i].db)
                                  : apr_psprintf(ctx->pool, "redis+unix://%s%s%s%s",
                                                 users[i].credentials, redis_socket,
                                                 *users[i].db ? "?db=" : "",
                                                 *users[i].db ? users[i].db + 1 : "");
            sso_store_t *store = open_store(ctx, place);

            is_int(put(ctx, store, "user", "v"), users[i].number ? SSO_UPSTREAM : SSO_OK,
                   "user %u: put", i);
            is_int(ctx->err.number, users[i].number, "user %u: %s", i, ctx->err.text);
            if (!users[i].number)
                is_int(get(ctx, store, "user"), SSO_OK, "user %u: get", i);
            ok(!strstr(ctx->err.text, SECRET) && !strstr(ctx->err.text, "sso:"),
               "user %u: tells no password", i);
            ok(!tap_log_has(SECRET), "user %u: nor does the log", i);
            apr_pool_destroy(ctx->pool);
        }
    }
}

/* ---- TLS ---- */

static void make_certificates(void)
{
    const char *script = apr_psprintf(
        tap_ctx()->pool,
        "cd %s && ec='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650' && "
        "openssl req -x509 $ec -subj /CN=ca -keyout ca.key -out ca.pem && "
        "for n in good other client; do "
        "case $n in good) s=DNS:localhost,IP:127.0.0.1;; *) s=DNS:$n.test;; esac; "
        "openssl req -new $ec -subj /CN=$n -keyout $n.key -out $n.csr && "
        "echo subjectAltName=$s >$n.ext && openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key "
        "-CAcreateserial -days 3650 -extfile $n.ext -out $n.pem; done", redis_folder);

    if (system(apr_pstrcat(tap_ctx()->pool, "(", script, ") >/dev/null 2>&1", NULL)))
        printf("# no certificates\n");
}

static const struct {
    const char *host, *ca, *cert;
    int number;
} secured[] = {
    { "127.0.0.1", "ca", "client", 0 },
    { "localhost", "ca", "client", 0 },
    { "127.0.0.1", "other", "client", 263 },
    { "127.0.0.1", NULL, "client", 263 },
    { "127.0.0.1", "ca", NULL, -1 }, /* TLS 1.3: the server says so only later */
};

static const char *tls_url(apr_pool_t *pool, unsigned i, int port)
{
    const char *ca = "", *cert = "";

    if (secured[i].ca)
        ca = apr_psprintf(pool, "&ca=%s/%s.pem", redis_folder, secured[i].ca);
    if (secured[i].cert)
        cert = apr_psprintf(pool, "&cert=%s/%s.pem&key=%s/%s.key", redis_folder, secured[i].cert,
                            redis_folder, secured[i].cert);
    return apr_psprintf(pool, "rediss://%s:%d?db=0%s%s", secured[i].host, port, ca, cert);
}

static void test_tls(const char *name)
{
    int port = free_port();
    const char *wanted = apr_itoa(tap_ctx()->pool, port);
    apr_pool_t *pool = tap_ctx()->pool;
    int wrong = !strcmp(name, "other");
    unsigned i;

    redis_begin("--port", "0", "--tls-port", wanted, "--tls-ca-cert-file", "ca.pem",
                "--tls-cert-file", apr_pstrcat(pool, name, ".pem", NULL), "--tls-key-file",
                apr_pstrcat(pool, name, ".key", NULL), NULL);
    for (i = 0; i < SSO_COUNT(secured); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_store_t *store = open_patient(ctx, tls_url(ctx->pool, i, port));
        int number = wrong ? 263 : secured[i].number, n;
        char *large = apr_palloc(ctx->pool, 900001);

        memset(large, 'x', 900000);
        large[900000] = '\0';
        is_int(put(ctx, store, "tls", "v"), number ? SSO_UPSTREAM : SSO_OK, "TLS %u", i);
        ok(number < 0 || ctx->err.number == number, "TLS %u: %s", i, ctx->err.text);
        for (n = 0; !number && n < 20; n++)
            if (get(ctx, store, "tls") != SSO_OK || put(ctx, store, "large", large) != SSO_OK
                || get(ctx, store, "large") != SSO_OK)
                break;
        ok(number || n == 20, "TLS %u: again and again: %s", i, ctx->err.text);
        apr_pool_destroy(ctx->pool);
    }
    redis_end(SIGTERM);
}

/* ---- what lies in Redis ---- */

static void test_records(sso_store_t *store)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_key_t key = key_of("record");
    sso_store_item_t item = { .value = "v\0w", .length = 3, .class = SSO_STORE_PINNED,
                              .expires = ctx->now + apr_time_from_sec(100) + 1 };
    sso_store_entry_t entry;
    char name[39];
    long long left;

    memcpy(name, "edxsso:", 7);
    memcpy(name + 7, key.bytes, 32);
    sso_store_put(ctx, store, &key, &item);
    is_int(ask("STRLEN %b", name, sizeof(name)), 37, "34 bytes more than the value");
    left = ask("PTTL %b", name, sizeof(name));
    ok(left > 95000 && left <= 100001, "Redis clears it away in time");
    sso_store_get(ctx, store, &key, ctx->now + apr_time_from_sec(50), &entry);
    ok(ask("PTTL %b", name, sizeof(name)) > 95000, "which a touch does not shorten");
    sso_store_get(ctx, store, &key, ctx->now + apr_time_from_sec(200), &entry);
    ok(ask("PTTL %b", name, sizeof(name)) > 195000, "but lengthens");
    is_int(entry.length, 3, "with the value whole");
    item.expires = APR_INT64_C(0x7fffffffffffffff);
    is_int(sso_store_put(ctx, store, &key, &item), SSO_OK, "an expiry at the end of time");
    is_int(sso_store_get(ctx, store, &key, item.expires, &entry), SSO_OK, "is one");

    ask("SET %b %s", name, sizeof(name), "nothing of ours");
    is_int(sso_store_get(ctx, store, &key, 0, &entry), SSO_ABSENT, "what is not ours is not there");
    is_int(sso_store_get(ctx, store, &key, item.expires, &entry), SSO_ABSENT, "when touched");
    is_int(sso_store_swap(ctx, store, &key, 1, &item), SSO_ABSENT, "for a swap");
    is_int(sso_store_remove(ctx, store, &key), SSO_ABSENT, "to be removed");
    ask("SET %b %s", name, sizeof(name), "10zzzzzzzzzzzzzzzz9999999999999999v");
    is_int(sso_store_get(ctx, store, &key, 0, &entry), SSO_ABSENT, "nor with a broken version");
    ask("SET %b %s", name, sizeof(name), "100123456789abcdef99999999999z9999v");
    is_int(sso_store_get(ctx, store, &key, 0, &entry), SSO_ABSENT, "nor with a broken expiry");
    is_int(sso_store_add(ctx, store, &key, &item), SSO_OK, "and may be written over");
    sso_store_remove(ctx, store, &key);

    ask("LPUSH %b %s", name, sizeof(name), "x");
    is_int(sso_store_get(ctx, store, &key, 0, &entry), SSO_UPSTREAM, "another type");
    is_int(ctx->err.number, 277, "%s", ctx->err.text);
    is_int(sso_store_get(tap_ctx(), store, &key, 5 + ctx->now, &entry), SSO_UPSTREAM, "touched");
    ask("DEL %b", name, sizeof(name));
    is_int(sso_store_get(ctx, store, &key, 0, &entry), SSO_ABSENT, "goes on at once");

    left = ask("CONFIG RESETSTAT");
    sso_store_get(ctx, store, &key, ctx->now + 5, &entry);
    sso_store_put(ctx, store, &key, &item);
    ok(left >= 0 && ask("EVAL %s 0", "return tonumber(string.match(redis.call('info','stats'),"
                                     "'total_reads_processed:(%d+)'))") <= 5,
       "a round trip each");
    sso_store_remove(ctx, store, &key);
}

static void test_policy(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store = open_store(ctx, redis_url);

    put(ctx, store, "policy", "v");
    ok(!tap_log_has("SSO0286"), "without a limit there is no eviction");
    ask("CONFIG SET maxmemory 1gb");
    store = open_store(ctx, redis_url);
    put(ctx, store, "policy", "v");
    ok(!tap_log_has("SSO0286"), "noeviction is right");
    ask("CONFIG SET maxmemory-policy allkeys-lru");
    store = open_store(ctx, redis_url);
    put(ctx, store, "policy", "v");
    ok(tap_log_has("SSO0286") && tap_log_has("allkeys-lru"), "another policy is warned of");
    tap_log_text[0] = '\0';
    ask("CLIENT KILL TYPE normal");
    put(ctx, store, "policy", "v");
    ok(!tap_log_has("SSO0286"), "once");
    ask("CONFIG SET maxmemory-policy noeviction");
    ask("CONFIG SET maxmemory 1");
    is_int(put(ctx, store, "policy", "v"), SSO_UPSTREAM, "no room");
    is_int(ctx->err.number, 275, "%s", ctx->err.text);
    is_int(get(ctx, store, "policy"), SSO_OK, "but reading goes on");
    ask("CONFIG SET maxmemory 0");
}

/* ---- connections ---- */

typedef struct crowd_t {
    sso_ctx_t *ctx;
    sso_store_t *store;
    int bad;
} crowd_t;

static void *work(void *baton)
{
    crowd_t *crowd = baton;
    apr_pool_t *home = crowd->ctx->pool;
    int i;

    for (i = 0; i < 200; i++) {
        char name[16];

        apr_pool_create(&crowd->ctx->pool, home);
        apr_snprintf(name, sizeof(name), "crowd %d", i % 7);
        crowd->bad += put(crowd->ctx, crowd->store, name, "v") != SSO_OK;
        crowd->bad += get(crowd->ctx, crowd->store, name) != SSO_OK;
        apr_pool_destroy(crowd->ctx->pool);
    }
    crowd->ctx->pool = home;
    return NULL;
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

static void test_connections(void)
{
    sso_ctx_t *ctx = tap_ctx();
    int before = open_files(), bad = 0, i;
    sso_store_t *store = open_store(ctx, redis_url);
    crowd_t crowd[16];
    pthread_t threads[16];

    is_int(open_files(), before, "opening connects to nothing");
    for (i = 0; i < 50; i++)
        put(ctx, store, "one", "v");
    is_int(open_files(), before + 1, "one after the other: one connection");
    for (i = 0; i < 16; i++) {
        crowd[i] = (crowd_t){ .ctx = tap_ctx(), .store = store };
        pthread_create(&threads[i], NULL, work, &crowd[i]);
    }
    for (i = 0; i < 16; i++) {
        pthread_join(threads[i], NULL);
        bad += crowd[i].bad;
    }
    is_int(bad, 0, "sixteen threads");
    ok(open_files() <= before + 8, "on eight connections at most");

    ask("CLIENT KILL TYPE normal");
    usleep(50000);
    for (i = 0, bad = 0; i < 20; i++)
        bad += get(ctx, store, "crowd 0") != SSO_OK;
    is_int(bad, 0, "connections that Redis closed are found out");
    ok(!tap_log_has("SSO0287"), "without a word");
    apr_pool_destroy(ctx->pool);
    is_int(open_files(), before, "none after the end");
}

int main(void)
{
    conformance_t how = { .name = "redis", .processes = 4, .rounds = 100 };
    sso_ctx_t *ctx = tap_ctx();
    int port;

    redis_prepare();
    test_urls();
    redis_begin("--port", "0", NULL);
    how.store = open_store(ctx, redis_url);
    conformance_run(&how);
    test_records(how.store);
    test_policy();
    tap_try(test_connections);
    redis_end(SIGTERM);

    port = free_port();
    redis_begin("--port", apr_itoa(ctx->pool, port), "--requirepass", "main" SECRET, "--user",
                "sso", "on", ">" SECRET, "~edxsso:*", "+@all", "-config", "-info", "--user",
                "reader", "on", ">" SECRET, "~*", "+get", NULL);
    test_users(port);
    redis_end(SIGTERM);

    make_certificates();
    test_tls("good");
    test_tls("other");
    apr_pool_destroy(ctx->pool);
    redis_clean();
    return tap_done();
}

#else

#include "sso_store_redis.h"
#include "tap.h"

int main(void)
{
    const sso_store_redis_config_t config = { .url = "redis://localhost" };
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store = NULL;

    is_int(sso_store_redis_open(ctx, ctx->pool, &config, &store), SSO_MISCONFIG, "no Redis here");
    is_int(ctx->err.number, 298, "says why");
    return tap_done();
}

#endif
