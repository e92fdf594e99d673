/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CONFORMANCE_H
#define STORE_CONFORMANCE_H

/*
 * What every back end of the store must do: the executable form of sso_store.h. A back end's test
 * opens a store (empty of these keys) and calls conformance_run(). Time is ctx->now throughout, and
 * no entry here ends sooner than a minute, so a back end that also keeps its own clock can pass.
 */

#include "sso_store.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFORMANCE_START apr_time_from_sec(1700000000)
#define CONFORMANCE_MINUTES(n) (CONFORMANCE_START + apr_time_from_sec(60 * (n)))

typedef struct conformance_t {
    const char *name;
    sso_store_t *store;
    /* the store to use in a process just forked; NULL: the same object */
    sso_store_t *(*child)(sso_ctx_t *ctx, void *baton);
    void *baton;
    int processes; /* of the races */
    int rounds;    /* of the races */
} conformance_t;

static inline sso_store_key_t conformance_key(const char *family, unsigned number)
{
    sso_store_key_t key;
    apr_uint64_t mix = 0x243f6a8885a308d3ull + number;
    unsigned i;

    for (; *family; family++)
        mix = (mix ^ (unsigned char)*family) * 0x100000001b3ull;
    for (i = 0; i < SSO_STORE_KEY_BYTES; i++) { /* a digest's bytes are even; so are these */
        mix ^= mix >> 29;
        mix *= 0xbf58476d1ce4e5b9ull;
        mix ^= mix >> 32;
        key.bytes[i] = (unsigned char)(mix >> 56);
    }
    return key;
}

static inline sso_store_item_t conformance_item(const void *value, apr_size_t length,
                                                apr_time_t expires)
{
    sso_store_item_t item = { .value = value, .length = length, .expires = expires,
                              .class = SSO_STORE_PLAIN };

    return item;
}

/* Whether a key holds exactly this text (NULL: nothing) at a time. */
static int conformance_holds(const conformance_t *how, const sso_store_key_t *key, apr_time_t now,
                             const char *text)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_entry_t entry = { 0 };
    sso_rc_e rc;
    int same;

    ctx->now = now;
    rc = sso_store_get(ctx, how->store, key, 0, &entry);
    if (!text)
        same = rc == SSO_ABSENT && !entry.value;
    else
        same = rc == SSO_OK && entry.length == strlen(text) &&
               !memcmp(entry.value, text, entry.length);
    apr_pool_destroy(ctx->pool);
    return same;
}

static void conformance_values(const conformance_t *how)
{
    static const struct { const char *what; apr_size_t length; int fill; } values[] = {
        { "an empty value",          0,                   0 },
        { "one byte",                1,                   'x' },
        { "fifty zero bytes",        50,                  0 },
        { "binary, 1.5 KB",          1500,                -1 },
        { "binary, 4 KiB less one",  4095,                -1 },
        { "binary, 8 KiB",           8192,                -1 },
        { "binary, 8 KiB and one",   8193,                -1 },
        { "binary, 100 KB",          100000,              -1 },
        { "binary, 1 MiB",           SSO_STORE_VALUE_MAX, -1 },
        { "a small one over it",     20,                  -1 },
    };
    unsigned char *value = malloc(SSO_STORE_VALUE_MAX + 1);
    sso_store_key_t key = conformance_key("values", 0);
    apr_uint64_t last = 0;
    sso_store_item_t item;
    sso_ctx_t *ctx;
    apr_size_t k;
    unsigned i;

    for (i = 0; i < SSO_COUNT(values); i++) {
        sso_store_entry_t entry = { 0 };
        sso_rc_e rc;

        ctx = tap_ctx();
        for (k = 0; k < values[i].length; k++)
            value[k] = (unsigned char)(values[i].fill < 0 ? (int)(k * 7 + k / 251)
                                                          : values[i].fill);
        item = conformance_item(value, values[i].length, CONFORMANCE_MINUTES(10));
        rc = sso_store_put(ctx, how->store, &key, &item);
        is_int(rc, SSO_OK, "%s: put: %s", how->name, values[i].what);
        rc = sso_store_get(ctx, how->store, &key, 0, &entry);
        ok(rc == SSO_OK && entry.length == values[i].length && entry.value &&
           !memcmp(entry.value, value, entry.length), "%s: get: %s", how->name, values[i].what);
        is_int(entry.expires, item.expires, "%s: its expiry comes back", how->name);
        ok(entry.version && entry.version != last, "%s: a write changes the version", how->name);
        last = entry.version;
        apr_pool_destroy(ctx->pool);
    }
    ctx = tap_ctx();
    item = conformance_item(value, SSO_STORE_VALUE_MAX + 1, CONFORMANCE_MINUTES(10));
    is_int(sso_store_put(ctx, how->store, &key, &item), SSO_BAD_INPUT,
           "%s: put: a byte over 1 MiB is refused", how->name);
    ok(ctx->err.number, "%s: with a reason: %s", how->name, ctx->err.text);
    is_int(sso_store_add(tap_ctx(), how->store, &key, &item), SSO_BAD_INPUT, "%s: add: too",
           how->name);
    is_int(sso_store_swap(tap_ctx(), how->store, &key, last, &item), SSO_BAD_INPUT,
           "%s: swap: too", how->name);
    is_int(sso_store_remove(tap_ctx(), how->store, &key), SSO_OK, "%s: remove", how->name);
    free(value);
}

static void conformance_calls(const conformance_t *how)
{
    sso_store_key_t key = conformance_key("calls", 0), near = key;
    sso_store_item_t one = conformance_item("one", 3, CONFORMANCE_MINUTES(2));
    sso_store_item_t two = conformance_item("two!", 4, CONFORMANCE_MINUTES(2));
    sso_store_entry_t entry, again;
    sso_ctx_t *ctx = tap_ctx();
    const char *n = how->name;

    near.bytes[SSO_STORE_KEY_BYTES - 1] ^= 1;
    ok(conformance_holds(how, &key, ctx->now, NULL), "%s: nothing there at first", n);
    is_int(sso_store_remove(ctx, how->store, &key), SSO_ABSENT, "%s: nothing to remove", n);
    is_int(sso_store_swap(ctx, how->store, &key, 1, &one), SSO_ABSENT, "%s: nothing to swap", n);
    ok(conformance_holds(how, &key, ctx->now, NULL), "%s: which made nothing", n);
    is_int(sso_store_add(ctx, how->store, &key, &one), SSO_OK, "%s: add", n);
    ok(conformance_holds(how, &key, ctx->now, "one"), "%s: is there", n);
    ok(conformance_holds(how, &near, ctx->now, NULL), "%s: not under a key one bit away", n);
    is_int(sso_store_add(ctx, how->store, &key, &two), SSO_DENIED, "%s: add again: no", n);
    ok(conformance_holds(how, &key, ctx->now, "one"), "%s: which changed nothing", n);

    is_int(sso_store_get(ctx, how->store, &key, 0, &entry), SSO_OK, "%s: get", n);
    is_int(sso_store_get(ctx, how->store, &key, 0, &again), SSO_OK, "%s: get again", n);
    ok(entry.version == again.version, "%s: reading leaves the version", n);
    is_int(sso_store_swap(ctx, how->store, &key, entry.version + 1, &two), SSO_DENIED,
           "%s: swap with another version: no", n);
    ok(conformance_holds(how, &key, ctx->now, "one"), "%s: which changed nothing", n);
    is_int(sso_store_swap(ctx, how->store, &key, entry.version, &two), SSO_OK, "%s: swap", n);
    ok(conformance_holds(how, &key, ctx->now, "two!"), "%s: swapped", n);
    is_int(sso_store_swap(ctx, how->store, &key, entry.version, &one), SSO_DENIED,
           "%s: the old version is spent", n);
    is_int(sso_store_get(ctx, how->store, &key, 0, &entry), SSO_OK, "%s: get", n);
    is_int(sso_store_put(ctx, how->store, &key, &two), SSO_OK, "%s: put of the same bytes", n);
    is_int(sso_store_swap(ctx, how->store, &key, entry.version, &one), SSO_DENIED,
           "%s: is a new version too", n);
    is_int(sso_store_get(ctx, how->store, &key, 0, &entry), SSO_OK, "%s: get", n);
    is_int(sso_store_remove(ctx, how->store, &key), SSO_OK, "%s: remove", n);
    is_int(sso_store_remove(ctx, how->store, &key), SSO_ABSENT, "%s: only once", n);
    is_int(sso_store_add(ctx, how->store, &key, &two), SSO_OK, "%s: add after remove", n);
    is_int(sso_store_swap(ctx, how->store, &key, entry.version, &one), SSO_DENIED,
           "%s: a removed entry's version does not come back", n);
    is_int(sso_store_remove(ctx, how->store, &key), SSO_OK, "%s: remove", n);
}

static void conformance_expiry(const conformance_t *how)
{
    sso_store_key_t key = conformance_key("expiry", 0);
    apr_time_t end = CONFORMANCE_MINUTES(1) + 123457, late = CONFORMANCE_MINUTES(5) + 1;
    sso_store_item_t item = conformance_item("v", 1, end);
    sso_store_entry_t entry, before;
    sso_ctx_t *ctx = tap_ctx();
    const char *n = how->name;

    is_int(sso_store_put(ctx, how->store, &key, &item), SSO_OK, "%s: put", n);
    ok(conformance_holds(how, &key, end - 1, "v"), "%s: there until its last microsecond", n);
    ctx->now = end - 1;
    is_int(sso_store_add(ctx, how->store, &key, &item), SSO_DENIED, "%s: and counts for add", n);
    is_int(sso_store_get(ctx, how->store, &key, 0, &before), SSO_OK, "%s: get", n);
    is_int(sso_store_get(ctx, how->store, &key, late, &entry), SSO_OK, "%s: touch", n);
    is_int(entry.expires, late, "%s: tells the new expiry", n);
    ok(entry.version == before.version, "%s: touch leaves the version", n);
    is_int(sso_store_get(ctx, how->store, &key, end, &entry), SSO_OK, "%s: touch, earlier", n);
    is_int(entry.expires, late, "%s: never shortens", n);
    ok(conformance_holds(how, &key, late - 1, "v"), "%s: there until the new end", n);
    is_int(sso_store_swap(ctx, how->store, &key, before.version, &item), SSO_OK,
           "%s: swap after touch", n);
    ok(conformance_holds(how, &key, end - 1, "v"), "%s: a write sets the expiry anew, back too", n);
    ok(conformance_holds(how, &key, end, NULL), "%s: gone at its expiry, exactly", n);

    ctx->now = CONFORMANCE_START;
    is_int(sso_store_put(ctx, how->store, &key, &item), SSO_OK, "%s: put", n);
    ctx->now = end;
    is_int(sso_store_get(ctx, how->store, &key, late, &entry), SSO_ABSENT,
           "%s: touch does not wake the dead", n);
    ctx->now = CONFORMANCE_START;
    is_int(sso_store_put(ctx, how->store, &key, &item), SSO_OK, "%s: put", n);
    is_int(sso_store_get(ctx, how->store, &key, 0, &entry), SSO_OK, "%s: get", n);
    ctx->now = end;
    item.expires = late;
    is_int(sso_store_swap(ctx, how->store, &key, entry.version, &item), SSO_ABSENT,
           "%s: nothing to swap when expired", n);
    is_int(sso_store_remove(ctx, how->store, &key), SSO_ABSENT, "%s: nor to remove", n);
    is_int(sso_store_add(ctx, how->store, &key, &item), SSO_OK, "%s: and add may", n);
    ok(conformance_holds(how, &key, late - 1, "v"), "%s: which is there", n);
    item.expires = ctx->now;
    is_int(sso_store_put(ctx, how->store, &key, &item), SSO_OK, "%s: put of what has expired", n);
    ok(conformance_holds(how, &key, ctx->now, NULL), "%s: leaves nothing", n);
    is_int(sso_store_add(ctx, how->store, &key, &item), SSO_OK, "%s: add of what has expired", n);
    ok(conformance_holds(how, &key, ctx->now, NULL), "%s: leaves nothing", n);
}

/* Two at once: what is read, what is touched, what is written. */
static void conformance_two(const conformance_t *how)
{
    sso_store_key_t keys[2] = { conformance_key("two", 0), conformance_key("two", 1) };
    sso_store_item_t items[2] = { conformance_item("one", 3, CONFORMANCE_MINUTES(2)),
                                  conformance_item("", 0, CONFORMANCE_MINUTES(2)) };
    sso_store_entry_t entries[2];
    sso_ctx_t *ctx = tap_ctx();
    const char *n = how->name;
    int added = -1, i;

    ctx->now = CONFORMANCE_START;
    is_int(sso_store_get_two(ctx, how->store, keys, 0, entries), SSO_OK, "%s: neither of two", n);
    ok(!entries[0].value && !entries[1].value, "%s: is there", n);
    items[1].class = SSO_STORE_PINNED;
    is_int(sso_store_put(ctx, how->store, &keys[1], &items[1]), SSO_OK, "%s: put the second", n);
    is_int(sso_store_get_two(ctx, how->store, keys, CONFORMANCE_MINUTES(9), entries), SSO_OK,
           "%s: read two", n);
    ok(!entries[0].value && entries[1].value && !entries[1].length
       && entries[1].expires == items[1].expires, "%s: one is there, untouched", n);
    items[1] = conformance_item("other", 5, CONFORMANCE_MINUTES(3));
    is_int(sso_store_put_two(ctx, how->store, keys, items, &added), SSO_OK, "%s: put two", n);
    is_int(added, 0, "%s: the second was there", n);
    for (i = 0; i < 2; i++) { /* not touched, then touched */
        is_int(sso_store_get_two(ctx, how->store, keys, i ? CONFORMANCE_MINUTES(9) : 0, entries),
               SSO_OK, "%s: read two", n);
        ok(entries[0].value && entries[0].length == 3 && !memcmp(entries[0].value, "one", 3)
           && entries[0].expires == CONFORMANCE_MINUTES(i ? 9 : 2) && entries[0].version,
           "%s: the first, whole", n);
        ok(entries[1].value && !entries[1].length
           && entries[1].expires == CONFORMANCE_MINUTES(2), "%s: the second, as it was", n);
    }
    ctx->now = CONFORMANCE_MINUTES(2);
    is_int(sso_store_get_two(ctx, how->store, keys, 0, entries), SSO_OK, "%s: read two", n);
    ok(entries[0].value && !entries[1].value, "%s: the second has expired", n);
    items[0] = conformance_item("new", 3, CONFORMANCE_MINUTES(4));
    is_int(sso_store_put_two(ctx, how->store, keys, items, &added), SSO_OK, "%s: put two", n);
    is_int(added, 1, "%s: the second was not there any more", n);
    ok(conformance_holds(how, &keys[0], CONFORMANCE_MINUTES(4) - 1, "new")
       && conformance_holds(how, &keys[1], CONFORMANCE_MINUTES(3) - 1, "other"),
       "%s: both are written", n);
    for (i = 0; i < 2; i++)
        sso_store_remove(ctx, how->store, &keys[i]);
    apr_pool_destroy(ctx->pool);
}

static void conformance_stats(const conformance_t *how)
{
    sso_store_key_t key = conformance_key("stats", 0);
    sso_store_item_t item = conformance_item("v", 1, CONFORMANCE_MINUTES(5));
    sso_store_stats_t before, after;
    sso_store_entry_t entry;
    sso_ctx_t *ctx = tap_ctx();

    is_int(sso_store_stats(ctx, how->store, &before), SSO_OK, "%s: stats", how->name);
    sso_store_get(ctx, how->store, &key, 0, &entry);
    sso_store_put(ctx, how->store, &key, &item);
    sso_store_get(ctx, how->store, &key, 0, &entry);
    sso_store_get(ctx, how->store, &key, 0, &entry);
    sso_store_remove(ctx, how->store, &key);
    sso_store_stats(ctx, how->store, &after);
    is_int(after.misses - before.misses, 1, "%s: misses are counted", how->name);
    is_int(after.hits - before.hits, 2, "%s: hits", how->name);
    is_int(after.writes - before.writes, 1, "%s: writes", how->name);
    is_int(after.removals - before.removals, 1, "%s: removals", how->name);
}

/* Run a function in several processes at once and add up what they return (0..100). */
static int conformance_fork(const conformance_t *how,
                            int (*work)(sso_ctx_t *ctx, sso_store_t *store, int rounds))
{
    int total = 0, i, status;
    pid_t pid;

    fflush(stdout);
    for (i = 0; i < how->processes; i++) {
        pid = fork();
        if (pid == 0) {
            sso_ctx_t *ctx = tap_ctx();
            sso_store_t *store = how->child ? how->child(ctx, how->baton) : how->store;

            _exit(store ? work(ctx, store, how->rounds) : 101);
        }
    }
    for (i = 0; i < how->processes; i++) {
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 100)
            return -1;
        total += WEXITSTATUS(status);
    }
    return total;
}

static int conformance_count(sso_ctx_t *ctx, sso_store_t *store, int rounds)
{
    sso_store_key_t key = conformance_key("counter", 0);
    apr_pool_t *home = ctx->pool;

    while (rounds > 0) {
        sso_store_entry_t entry;
        sso_store_item_t item;
        char text[24];
        sso_rc_e rc;

        apr_pool_create(&ctx->pool, home);
        if (sso_store_get(ctx, store, &key, 0, &entry) != SSO_OK)
            return 101;
        apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT,
                     apr_atoi64(apr_pstrmemdup(ctx->pool, (const char *)entry.value,
                                               entry.length)) + 1);
        item = conformance_item(text, strlen(text), CONFORMANCE_MINUTES(60));
        rc = sso_store_swap(ctx, store, &key, entry.version, &item);
        if (rc != SSO_OK && rc != SSO_DENIED)
            return 101;
        rounds -= rc == SSO_OK;
        apr_pool_destroy(ctx->pool);
        ctx->pool = home;
    }
    return 0;
}

static int conformance_claim(sso_ctx_t *ctx, sso_store_t *store, int rounds)
{
    int won = 0, i;

    rounds = rounds < 100 ? rounds : 100; /* an exit status has to hold it */
    for (i = 0; i < rounds; i++) {
        sso_store_key_t key = conformance_key("claim", (unsigned)i);
        sso_store_item_t item = conformance_item("mine", 4, CONFORMANCE_MINUTES(60));

        item.class = SSO_STORE_PINNED;
        switch (sso_store_add(ctx, store, &key, &item)) {
        case SSO_OK:
            won++;
            break;
        case SSO_DENIED:
            break;
        default:
            return 101;
        }
    }
    return won;
}

static void conformance_races(const conformance_t *how)
{
    sso_store_key_t key = conformance_key("counter", 0);
    sso_store_item_t item = conformance_item("0", 1, CONFORMANCE_MINUTES(60));
    char sum[24];
    int i;

    is_int(sso_store_put(tap_ctx(), how->store, &key, &item), SSO_OK, "%s: put", how->name);
    is_int(conformance_fork(how, conformance_count), 0, "%s: %d processes count by swap",
           how->name, how->processes);
    apr_snprintf(sum, sizeof(sum), "%d", how->processes * how->rounds);
    ok(conformance_holds(how, &key, CONFORMANCE_START, sum), "%s: the sum is exact: %s", how->name,
       sum);
    is_int(conformance_fork(how, conformance_claim), how->rounds < 100 ? how->rounds : 100,
           "%s: each add has one winner", how->name);
    for (i = 0; i < 100; i++) {
        key = conformance_key("claim", (unsigned)i);
        sso_store_remove(tap_ctx(), how->store, &key);
    }
}

static inline void conformance_run(const conformance_t *how)
{
    conformance_values(how);
    conformance_calls(how);
    conformance_expiry(how);
    conformance_two(how);
    conformance_stats(how);
    conformance_races(how);
}

#endif
