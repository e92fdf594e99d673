/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared-memory store: the conformance cases, what goes when there is no room, and clocks that
 * jump. Files and their damage are in store_file.c, killed processes in store_kill.c.
 */
#include "store_audit.h"

static unsigned long dice = 42;

static unsigned roll(unsigned sides)
{
    dice = dice * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(dice >> 33) % sides;
}

static void test_conformance(unsigned mib)
{
    sso_ctx_t *ctx = tap_ctx();
    conformance_t how = { .name = "shm", .processes = 4, .rounds = 1000 };
    apr_pool_t *pool;

    how.store = audit_open(ctx, &pool, "conformance", mib);
    ok(how.store, "%u MiB: opened %s", mib, ctx->err.text);
    conformance_run(&how);
    is(audit_store(tap_ctx(), how.store), NULL, "%u MiB: all is in order after it", mib);
    apr_pool_destroy(pool);
    unlink(audit_path("conformance"));
}

/* Around each length at which another block is needed. */
static void test_lengths(void)
{
    static unsigned char value[4096], text[4096];
    sso_store_key_t key = conformance_key("lengths", 0);
    sso_ctx_t *ctx = tap_ctx();
    int wrong = 0, tries = 0;
    sso_store_t *store;
    apr_pool_t *pool;
    apr_size_t length;

    store = audit_open(ctx, &pool, "lengths", 1);
    for (length = 0; length < sizeof(value); length++)
        value[length] = (unsigned char)roll(256);
    for (length = 0; length < sizeof(value); length += length > 600 ? 4 : 1) {
        sso_store_item_t item = conformance_item(length ? value : NULL, length,
                                                 CONFORMANCE_MINUTES(1));
        sso_store_entry_t entry = { .length = 0 };

        ctx = tap_ctx();
        wrong += sso_store_put(ctx, store, &key, &item) != SSO_OK ||
                 sso_store_get(ctx, store, &key, 0, &entry) != SSO_OK || entry.length != length ||
                 memcmp(entry.value, value, length) != 0;
        memcpy(text, value, length);
        apr_pool_destroy(ctx->pool);
        tries++;
    }
    ok(!wrong, "%d values of %d lengths came back wrong", wrong, tries);
    is(audit_store(tap_ctx(), store), NULL, "in order");
    apr_pool_destroy(pool);
}

/* Fill a store of 1 MiB (one shard) with 10 KB each until one is evicted; returns how many fit. */
static unsigned fill(sso_store_t *store, const char *family, apr_time_t expires,
                     sso_store_class_e class, sso_rc_e *last)
{
    static const unsigned char value[10000];
    sso_store_stats_t stats;
    unsigned n = 0;

    do {
        sso_store_key_t key = conformance_key(family, n);
        sso_store_item_t item = conformance_item(value, sizeof(value), expires);

        item.class = class;
        *last = sso_store_put(tap_ctx(), store, &key, &item);
        sso_store_stats(tap_ctx(), store, &stats);
        n++;
    } while (*last == SSO_OK && !stats.evicted_live && !stats.evicted_expired && n < 1000);
    return n - 1;
}

static int there(sso_store_t *store, const char *family, unsigned number, apr_time_t now)
{
    sso_store_key_t key = conformance_key(family, number);
    sso_ctx_t *ctx = tap_ctx();
    sso_store_entry_t entry;

    ctx->now = now;
    return sso_store_get(ctx, store, &key, 0, &entry) == SSO_OK;
}

static void test_eviction(void)
{
    static const unsigned char value[10000];
    sso_ctx_t *ctx = tap_ctx();
    apr_time_t far = CONFORMANCE_MINUTES(60);
    sso_store_item_t item = conformance_item(value, sizeof(value), far);
    sso_store_stats_t stats;
    sso_store_key_t key;
    sso_store_t *store;
    apr_pool_t *pool;
    unsigned n, i, lost;
    sso_rc_e rc;

    store = audit_open(ctx, &pool, "eviction", 1);
    n = fill(store, "live", far, SSO_STORE_PLAIN, &rc);
    ok(n > 90 && rc == SSO_OK, "%u entries of 10 KB fit into 1 MiB", n);
    sso_store_stats(ctx, store, &stats);
    is_int(stats.evicted_live, 1, "then one is evicted for the next");
    ok(!there(store, "live", 0, CONFORMANCE_START), "which is the oldest");
    ok(there(store, "live", n, CONFORMANCE_START), "the new one is there");
    for (i = 1, lost = 0; i <= n; i++)
        lost += !there(store, "live", i, CONFORMANCE_START);
    is_int(lost, 0, "and so are all others");

    ok(there(store, "live", 1, CONFORMANCE_START + apr_time_from_sec(2)), "one is read later");
    ctx->now = CONFORMANCE_START + apr_time_from_sec(3);
    key = conformance_key("more", 0);
    is_int(sso_store_put(ctx, store, &key, &item), SSO_OK, "another comes");
    ok(!there(store, "live", 2, CONFORMANCE_START), "the least recently used goes");
    ok(there(store, "live", 1, CONFORMANCE_START), "not the one that was read");

    key = conformance_key("live", 3);
    item.expires = CONFORMANCE_START + apr_time_from_sec(10);
    is_int(sso_store_put(ctx, store, &key, &item), SSO_OK, "one is written again, ending soon");
    ok(there(store, "live", 5, CONFORMANCE_START), "for which one other may go, as both are there "
       "for a moment");
    ctx->now = CONFORMANCE_START + apr_time_from_sec(12);
    sso_store_stats(ctx, store, &stats);
    lost = (unsigned)stats.evicted_live;
    for (i = 1; i <= 2; i++) {
        key = conformance_key("more", i);
        item.expires = far;
        sso_store_put(ctx, store, &key, &item);
        sso_store_stats(ctx, store, &stats);
        is_int(stats.evicted_expired, 1, "the expired one went first");
    }
    ok(stats.evicted_live - lost <= 1, "before any that is live");
    is(audit_store(tap_ctx(), store), NULL, "in order");
    apr_pool_destroy(pool);
    unlink(audit_path("eviction"));
}

/* Many expired, in any order, touched or not: none that is live goes before all of them. */
static void test_expired_first(void)
{
    static const unsigned char value[2000];
    unsigned i, round, wrong = 0, audits = 0;

    for (round = 0; round < 20; round++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_store_stats_t stats;
        sso_store_t *store;
        unsigned expired = 0;
        apr_pool_t *pool;

        store = audit_open(ctx, &pool, "expired", 1);
        for (i = 0; i < 300; i++) {
            sso_store_key_t key = conformance_key("e", i);
            apr_time_t later = roll(3) ? 0 : apr_time_from_sec(1 + roll(100000));
            sso_store_item_t item = conformance_item(
                value, sizeof(value), ctx->now + 1 + apr_time_from_sec(1) * roll(1u << roll(17)));
            sso_store_entry_t entry;

            sso_store_put(ctx, store, &key, &item);
            if (later)
                sso_store_get(ctx, store, &key, ctx->now + later, &entry);
            expired += item.expires <= ctx->now + apr_time_from_sec(501) &&
                       later <= apr_time_from_sec(501);
        }
        ctx->now += apr_time_from_sec(501);
        for (i = 0; i < 2000; i++) {
            sso_store_key_t key = conformance_key("f", i);
            sso_store_item_t item = conformance_item(value, sizeof(value),
                                                     ctx->now + apr_time_from_sec(5000));

            sso_store_put(ctx, store, &key, &item);
            sso_store_stats(ctx, store, &stats);
            if (stats.evicted_live)
                break;
        }
        wrong += stats.evicted_expired != expired;
        audits += audit_store(ctx, store) != NULL;
        apr_pool_destroy(pool);
        unlink(audit_path("expired"));
    }
    is_int(wrong, 0, "in %u stores, all that had expired went before any that had not", round);
    is_int(audits, 0, "in order");
}

static void test_pinned(void)
{
    static const unsigned char value[10000];
    sso_ctx_t *ctx = tap_ctx();
    apr_time_t far = CONFORMANCE_MINUTES(60);
    sso_store_item_t item = conformance_item(value, sizeof(value), far);
    sso_store_key_t key = conformance_key("plain", 0);
    sso_store_stats_t stats;
    sso_store_t *store;
    apr_pool_t *pool;
    unsigned n, i, lost;
    sso_rc_e rc;

    store = audit_open(ctx, &pool, "pinned", 1);
    is_int(sso_store_put(ctx, store, &key, &item), SSO_OK, "one plain entry");
    n = fill(store, "pin", far, SSO_STORE_PINNED, &rc);
    is_int(sso_store_stats(ctx, store, &stats), SSO_OK, "stats");
    is_int(stats.evicted_live, 1, "%u pinned ones push it out", n);
    ok(!there(store, "plain", 0, CONFORMANCE_START), "it is gone");
    ctx = tap_ctx();
    is_int(sso_store_put(ctx, store, &key, &item), SSO_UPSTREAM, "there is no room for it");
    is_int(ctx->err.number, 222, "which is said: %s", ctx->err.text);
    sso_store_stats(ctx, store, &stats);
    is_int(stats.refused_full, 1, "and counted");
    for (i = 0, lost = 0; i <= n; i++)
        lost += !there(store, "pin", i, CONFORMANCE_START);
    is_int(lost, 0, "no pinned entry was lost");
    key = conformance_key("pin", 1);
    item.class = SSO_STORE_PINNED;
    is_int(sso_store_put(tap_ctx(), store, &key, &item), SSO_OK, "one may be written over");
    ok(there(store, "pin", 1, CONFORMANCE_START), "and is there");
    item.length = 1;
    item.class = SSO_STORE_PLAIN;
    is_int(sso_store_put(tap_ctx(), store, &key, &item), SSO_OK, "or made small and plain");
    ctx = tap_ctx();
    ctx->now = far;
    item.length = sizeof(value);
    item.expires = far + 1;
    key = conformance_key("plain", 0);
    is_int(sso_store_put(ctx, store, &key, &item), SSO_OK, "when they expire there is room");
    is(audit_store(tap_ctx(), store), NULL, "in order");
    apr_pool_destroy(pool);
    unlink(audit_path("pinned"));
}

static void test_largest(void)
{
    unsigned char *value = calloc(1, SSO_STORE_VALUE_MAX);
    sso_store_key_t key = conformance_key("large", 0);
    sso_store_item_t item = conformance_item(value, SSO_STORE_VALUE_MAX, CONFORMANCE_MINUTES(9));
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store;
    apr_pool_t *pool;

    store = audit_open(ctx, &pool, "large", 1);
    is_int(sso_store_put(ctx, store, &key, &item), SSO_BAD_INPUT, "1 MiB does not go into 1 MiB");
    is_int(ctx->err.number, 221, "which is said: %s", ctx->err.text);
    item.length = 985 * 1024;
    is_int(sso_store_put(tap_ctx(), store, &key, &item), SSO_OK, "985 KB do");
    is_int(sso_store_put(tap_ctx(), store, &key, &item), SSO_OK, "again, over themselves");
    is_int(audit_put(store, "other", 0, "x", CONFORMANCE_MINUTES(9)), SSO_OK, "a small one");
    is_int(sso_store_put(tap_ctx(), store, &key, &item), SSO_OK, "and the large one again");
    is(audit_store(tap_ctx(), store), NULL, "in order");
    apr_pool_destroy(pool);
    free(value);
}

#define MODEL_KEYS 200

typedef struct model_t {
    apr_uint64_t version; /* 0: nothing */
    apr_size_t length;
    unsigned char fill;
    apr_time_t expires;
} model_t;

/* One call of any kind, and whether its result is what a table of entries would have said. */
static int model_step(sso_ctx_t *ctx, sso_store_t *store, model_t *table)
{
    static unsigned char value[6000];
    unsigned number = roll(MODEL_KEYS), call = roll(6);
    sso_store_key_t key = conformance_key("model", number);
    model_t *model = &table[number];
    sso_store_entry_t entry;
    apr_time_t touch = roll(3) ? 0 : ctx->now + (apr_time_t)roll(900) * 100000;
    int live = model->version && model->expires > ctx->now;
    apr_uint64_t version = roll(4) ? model->version : model->version + 1;
    sso_store_item_t item = conformance_item(value, roll(1u << roll(13)) % sizeof(value),
                                             ctx->now + (apr_time_t)roll(900) * 100000);
    sso_rc_e rc, want = SSO_OK;

    memset(value, (int)number + (int)roll(9), item.length);
    item.class = roll(4) ? SSO_STORE_PLAIN : SSO_STORE_PINNED;
    switch (call) {
    case 0:
        rc = sso_store_remove(ctx, store, &key);
        model->version = 0;
        return rc == (live ? SSO_OK : SSO_ABSENT);
    case 1:
        rc = sso_store_put(ctx, store, &key, &item);
        break;
    case 2:
        want = live ? SSO_DENIED : SSO_OK;
        rc = sso_store_add(ctx, store, &key, &item);
        break;
    case 3:
        want = !live ? SSO_ABSENT : version == model->version ? SSO_OK : SSO_DENIED;
        rc = sso_store_swap(ctx, store, &key, version, &item);
        break;
    default:
        rc = sso_store_get(ctx, store, &key, touch, &entry);
        if (!live)
            return rc == SSO_ABSENT;
        model->expires = touch > model->expires ? touch : model->expires;
        return rc == SSO_OK && entry.version == model->version && entry.length == model->length &&
               entry.expires == model->expires &&
               (!entry.length || (entry.value[0] == model->fill &&
                                  entry.value[entry.length - 1] == model->fill));
    }
    if (rc != want)
        return 0;
    if (rc != SSO_OK)
        return 1;
    model->version = 0;
    if (item.expires <= ctx->now)
        return sso_store_get(ctx, store, &key, 0, &entry) == SSO_ABSENT;
    model->length = item.length;
    model->fill = value[0];
    model->expires = item.expires;
    rc = sso_store_get(ctx, store, &key, 0, &entry);
    model->version = entry.version;
    return rc == SSO_OK;
}

/* Random calls while the clock runs, stands, and jumps to and fro. */
static void test_model(int back)
{
    static model_t table[MODEL_KEYS];
    sso_ctx_t *ctx = tap_ctx();
    int i, wrong = 0, audits = 0;
    const char *why = NULL;
    sso_store_t *store;
    apr_pool_t *pool;

    memset(table, 0, sizeof(table));
    store = audit_open(ctx, &pool, "model", 2);
    for (i = 0; i < 60000; i++) {
        apr_pool_t *home = ctx->pool;

        apr_pool_create(&ctx->pool, home);
        ctx->now += roll(20) ? roll(100000) : (apr_time_t)roll(1u << roll(31)) * 1000;
        if (back && !roll(200)) {
            ctx->now = (apr_time_t)roll(1u << roll(31)) * APR_USEC_PER_SEC - 1000;
            memset(table, 0, sizeof(table)); /* what is left then is any of it */
            apr_pool_destroy(pool);
            unlink(audit_path("model"));
            store = audit_open(ctx, &pool, "model", 2);
        }
        wrong += !model_step(ctx, store, table);
        if (i % 500 == 0) {
            why = audit_store(ctx, store);
            audits += why != NULL;
        }
        apr_pool_destroy(ctx->pool);
        ctx->pool = home;
    }
    is_int(wrong, 0, "%d random calls answered as a table would%s", i, back ? ", any year" : "");
    ok(!audits, "in order all the time: %s", why ? why : "yes");
    apr_pool_destroy(pool);
    unlink(audit_path("model"));
}

/* A clock that goes back while entries are there: nothing breaks, nothing is stuck. */
static void test_clock(void)
{
    sso_ctx_t *ctx = tap_ctx();
    apr_time_t jumps[] = { 0, -1, 3600, -3600, 86400 * 365, -86400 * 365L, -1700000000, 9, -9,
                           1L << 40, -(1L << 41), 100 };
    static const unsigned char value[3000];
    sso_store_t *store;
    apr_pool_t *pool;
    int i, wrong = 0;

    store = audit_open(ctx, &pool, "clock", 1);
    for (i = 0; i < 20000; i++) {
        sso_store_key_t key = conformance_key("clock", roll(2000));
        sso_store_item_t item;
        sso_store_entry_t entry;
        apr_pool_t *home = ctx->pool;

        apr_pool_create(&ctx->pool, home);
        ctx->now = CONFORMANCE_START + roll(1000000) +
                   apr_time_from_sec(jumps[roll(SSO_COUNT(jumps))]);
        item = conformance_item(value, roll(sizeof(value)),
                                ctx->now + apr_time_from_sec((apr_int64_t)roll(1u << roll(31))));
        if (roll(2)) {
            wrong += sso_store_put(ctx, store, &key, &item) != SSO_OK;
            wrong += item.expires > ctx->now &&
                     sso_store_get(ctx, store, &key, 0, &entry) != SSO_OK;
        }
        else
            sso_store_get(ctx, store, &key, item.expires, &entry);
        if (i % 500 == 0)
            wrong += audit_store(ctx, store) != NULL;
        apr_pool_destroy(ctx->pool);
        ctx->pool = home;
    }
    is_int(wrong, 0, "a clock that jumps breaks nothing");
    apr_pool_destroy(pool);
    unlink(audit_path("clock"));
}

#define THREADS 6
#define THREAD_ROUNDS 3000

/* One of several threads of a process at one counter and at entries that come and go. */
static void *thread(void *data)
{
    sso_store_key_t counter = conformance_key("threads", 0);
    sso_ctx_t ctx = { .now = CONFORMANCE_START };
    int rounds = 0;
    long wrong = 0;

    while (rounds < THREAD_ROUNDS) {
        sso_store_key_t other = conformance_key("thread", (unsigned)rounds % 50);
        sso_store_item_t item = { .expires = CONFORMANCE_MINUTES(9) };
        sso_store_entry_t entry;
        apr_uint64_t count;
        sso_rc_e rc;

        apr_pool_create(&ctx.pool, NULL);
        wrong += sso_store_get(&ctx, data, &counter, CONFORMANCE_MINUTES(9) + rounds, &entry) !=
                 SSO_OK;
        memcpy(&count, entry.value, sizeof(count));
        count++;
        item.value = &count;
        item.length = sizeof(count);
        rc = sso_store_swap(&ctx, data, &counter, entry.version, &item);
        wrong += rc != SSO_OK && rc != SSO_DENIED;
        rounds += rc == SSO_OK;
        item.value = entry.value;
        rc = rounds % 3 ? sso_store_add(&ctx, data, &other, &item)
                        : sso_store_remove(&ctx, data, &other);
        wrong += rc != SSO_OK && rc != SSO_DENIED && rc != SSO_ABSENT;
        apr_pool_destroy(ctx.pool);
    }
    return (void *)wrong;
}

static void test_threads(void)
{
    sso_store_key_t key = conformance_key("threads", 0);
    apr_uint64_t count = 0;
    sso_store_item_t item = conformance_item(&count, sizeof(count), CONFORMANCE_MINUTES(9));
    sso_ctx_t *ctx = tap_ctx();
    pthread_t threads[THREADS];
    sso_store_entry_t entry;
    sso_store_t *store;
    apr_pool_t *pool;
    long wrong = 0;
    void *result;
    int i;

    store = audit_open(ctx, &pool, "threads", 2);
    sso_store_put(ctx, store, &key, &item);
    for (i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, thread, store);
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &result);
        wrong += (long)result;
    }
    is_int(sso_store_get(ctx, store, &key, 0, &entry), SSO_OK, "the counter is there");
    memcpy(&count, entry.value, sizeof(count));
    is_int(count, THREADS * THREAD_ROUNDS, "%d threads counted by swap", THREADS);
    is_int(wrong, 0, "and no call failed");
    is(audit_store(ctx, store), NULL, "in order");
    apr_pool_destroy(pool);
}

int main(void)
{
    apr_initialize();
    if (!audit_start())
        return 1;
    test_conformance(2);
    test_conformance(64);
    test_lengths();
    test_eviction();
    test_expired_first();
    test_pinned();
    test_largest();
    test_model(0);
    test_model(1);
    test_clock();
    test_threads();
    audit_stop();
    return tap_done();
}
