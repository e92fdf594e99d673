/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes killed at random moments while they and others work on the shared-memory store, which
 * is opened anew under them now and then: 100 of them, or with TEST_SLOW set 2,000. Kills after a
 * given number of instructions are in store_steps.c.
 */
#include "store_audit.h"

#include <signal.h>
#include <sys/mman.h>

#define WORKERS 4
#define KEYS 40

/* What a worker's entry should be, outside of the store: survives the worker. */
typedef struct ledger_t {
    apr_uint64_t done;    /* number of the last write that was answered; 0: nothing there */
    apr_uint64_t pending; /* of the write under way, REMOVING, or 0 */
} ledger_t;

#define REMOVING (~(apr_uint64_t)0)

typedef struct scene_t {
    ledger_t ledger[WORKERS][KEYS];
    volatile apr_uint64_t calls, longest, wrong, number;
    volatile int stop;
    char why[200];
} scene_t;

static void blame(scene_t *scene, const char *why)
{
    apr_snprintf(scene->why, sizeof(scene->why), "%s", why);
    scene->wrong++;
}

static unsigned char *written(unsigned worker, unsigned key, apr_uint64_t number,
                              apr_size_t *length)
{
    static unsigned char value[8192];
    apr_uint64_t seed[4] = { worker, key, number, 0 };
    apr_size_t i;

    *length = sizeof(seed) + (apr_size_t)(number * 7919 % 5000);
    for (i = sizeof(seed); i < *length; i++)
        value[i] = (unsigned char)(number + i * 31);
    seed[3] = *length;
    memcpy(value, seed, sizeof(seed));
    return value;
}

/* Number of the write that an entry is, 0 if there is none; a value that nobody wrote is blamed. */
static apr_uint64_t number_there(scene_t *scene, sso_ctx_t *ctx, sso_store_t *store,
                                 unsigned worker, unsigned key)
{
    sso_store_key_t name = conformance_key("load", worker * KEYS + key);
    sso_store_entry_t entry;
    apr_uint64_t seed[4];
    apr_size_t length;
    sso_rc_e rc = sso_store_get(ctx, store, &name, 0, &entry);

    if (rc == SSO_ABSENT)
        return 0;
    if (rc != SSO_OK) {
        blame(scene, ctx->err.text);
        return 0;
    }
    memcpy(seed, entry.value, sizeof(seed));
    if (entry.length < sizeof(seed) || seed[0] != worker || seed[1] != key || !seed[2] ||
        memcmp(written(worker, key, seed[2], &length), entry.value, entry.length) ||
        length != entry.length)
        blame(scene, "a value that nobody wrote");
    return seed[2];
}

/* After a kill: each entry is as last answered, or as was being written. */
static void settle(scene_t *scene, sso_ctx_t *ctx, sso_store_t *store, unsigned worker)
{
    unsigned key;

    for (key = 0; key < KEYS; key++) {
        ledger_t *ledger = &scene->ledger[worker][key];
        apr_uint64_t number = number_there(scene, ctx, store, worker, key);

        if (number != ledger->done &&
            !(ledger->pending && number == (ledger->pending == REMOVING ? 0 : ledger->pending)))
            blame(scene, number ? "an entry that is out of date" : "an entry that is lost");
        ledger->done = number;
        ledger->pending = 0;
    }
}

static void one_call(scene_t *scene, sso_ctx_t *ctx, sso_store_t *store, unsigned worker)
{
    unsigned key = (unsigned)rand_r((unsigned *)ctx->err.text) % KEYS; /* not in use otherwise */
    unsigned what = (unsigned)rand_r((unsigned *)ctx->err.text) % 8;
    sso_store_key_t name = conformance_key("load", worker * KEYS + key);
    ledger_t *ledger = &scene->ledger[worker][key];
    sso_store_item_t item = { .expires = CONFORMANCE_MINUTES(30) };
    apr_uint64_t number;

    if (what < 4) {
        number_there(scene, ctx, store, (worker + what) % WORKERS, key);
        return;
    }
    if (what == 4) {
        ledger->pending = REMOVING;
        SSO_SHM_ORDER();
        if (sso_store_remove(ctx, store, &name) != (ledger->done ? SSO_OK : SSO_ABSENT))
            blame(scene, "remove says otherwise");
        number = 0;
    }
    else {
        number = __atomic_add_fetch(&scene->number, 1, __ATOMIC_RELAXED);
        item.value = written(worker, key, number, &item.length);
        item.class = what == 5 ? SSO_STORE_PINNED : SSO_STORE_PLAIN;
        ledger->pending = number;
        SSO_SHM_ORDER();
        if (sso_store_put(ctx, store, &name, &item) != SSO_OK)
            blame(scene, "put fails");
    }
    SSO_SHM_ORDER();
    ledger->done = number;
    SSO_SHM_ORDER();
    ledger->pending = 0;
}

static void work(scene_t *scene, sso_store_t *store, unsigned worker, unsigned seed)
{
    sso_ctx_t *ctx = tap_ctx();
    apr_pool_t *home = ctx->pool;

    memcpy(ctx->err.text, &seed, sizeof(seed));
    apr_pool_create(&ctx->pool, home);
    settle(scene, ctx, store, worker);
    while (!scene->stop) {
        apr_uint64_t took;
        apr_time_t start = clock_us();

        one_call(scene, ctx, store, worker);
        took = (apr_uint64_t)(clock_us() - start);
        scene->calls++;
        if (took > scene->longest)
            scene->longest = took;
        apr_pool_clear(ctx->pool);
    }
    _exit(0);
}

static pid_t start_worker(scene_t *scene, sso_store_t *store, unsigned worker, unsigned seed)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        work(scene, store, worker, seed);
    return pid;
}

/* Open it again as a restart does: gracefully while the others go on, or after all were killed. */
static sso_store_t *restart(scene_t *scene, apr_pool_t **pool)
{
    sso_store_t *store;

    apr_pool_destroy(*pool);
    store = audit_open(tap_ctx(), pool, "load", 2);
    if (!store || tap_log_has("SSO"))
        blame(scene, "a restart has something to say");
    return store;
}

/* Kill workers one at a time, and all of them now and then. */
static sso_store_t *kill_them(scene_t *scene, sso_store_t *store, apr_pool_t **pool, int kills)
{
    unsigned worker, seed = 1, last;
    pid_t pids[WORKERS];
    int i;

    for (worker = 0; worker < WORKERS; worker++)
        pids[worker] = start_worker(scene, store, worker, seed++);
    for (i = 0; i < kills; i += (int)(last - worker)) {
        usleep((unsigned)rand_r(&seed) % 6000);
        worker = (unsigned)rand_r(&seed) % WORKERS;
        last = worker + 1;
        if (rand_r(&seed) % 16 == 0) {
            worker = 0;
            last = WORKERS;
        }
        for (unsigned each = worker; each < last; each++)
            kill(pids[each], SIGKILL);
        for (unsigned each = worker; each < last; each++)
            waitpid(pids[each], NULL, 0);
        if (last - worker > 1 || rand_r(&seed) % 4 == 0)
            store = restart(scene, pool);
        for (unsigned each = worker; store && each < last; each++)
            pids[each] = start_worker(scene, store, each, seed + (unsigned)i);
    }
    usleep(50000);
    scene->stop = 1;
    for (worker = 0; worker < WORKERS; worker++)
        waitpid(pids[worker], NULL, 0);
    return store;
}

static void test_load(void)
{
    int kills = getenv("TEST_SLOW") ? 2000 : 100;
    scene_t *scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                          -1, 0);
    sso_ctx_t *ctx = tap_ctx();
    sso_store_stats_t stats;
    sso_store_t *store;
    apr_pool_t *pool;
    unsigned worker;

    unlink(audit_path("load"));
    store = audit_open(ctx, &pool, "load", 2); /* one shard: all of them at one lock */
    store = kill_them(scene, store, &pool, kills);
    ctx = tap_ctx();
    for (worker = 0; worker < WORKERS; worker++)
        settle(scene, ctx, store, worker);
    sso_store_stats(ctx, store, &stats);
    ok(!scene->wrong, "%d processes killed under load: %s", kills,
       scene->wrong ? scene->why : "no entry lost, none that nobody wrote");
    ok(scene->longest < APR_USEC_PER_SEC, "none of %" APR_UINT64_T_FMT " calls took over a second "
       "(the longest %" APR_UINT64_T_FMT " us)", scene->calls, scene->longest);
    is_int(stats.evicted_live, 0, "nothing was evicted");
    printf("# %" APR_UINT64_T_FMT " locks were recovered, %" APR_UINT64_T_FMT " waited for\n",
           stats.lock_recoveries, stats.lock_waits);
    is(audit_store(tap_ctx(), store), NULL, "in order");
    restart(scene, &pool);
    ok(!scene->wrong, "and a restart has nothing to say");
    apr_pool_destroy(pool);
    munmap(scene, sizeof(*scene));
}

/* A process that was stopped, not killed, with a lock held: others give up in time. */
static void test_stopped(void)
{
    sso_ctx_t *ctx = tap_ctx();
    apr_time_t start;
    sso_store_t *store;
    apr_pool_t *pool;
    sso_shm_view_t v;
    int status;
    pid_t pid;

    store = audit_open(ctx, &pool, "stopped", 1);
    audit_put(store, "stopped", 0, "text", CONFORMANCE_MINUTES(9));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        sso_shm_view((sso_shm_t *)store, 0, CONFORMANCE_START, &v);
        sso_shm_enter(tap_ctx(), &v);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(pid, &status, WUNTRACED);
    start = clock_us();
    ctx = tap_ctx();
    is_int(audit_put(store, "stopped", 0, "more", CONFORMANCE_MINUTES(9)), SSO_UPSTREAM,
           "a lock whose holder is stopped is given up on");
    ok(clock_us() - start < 4 * APR_USEC_PER_SEC, "in time");
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ok(audit_has(store, "stopped", 0, "text"), "and is there at once when it dies");
    apr_pool_destroy(pool);
}

int main(void)
{
    apr_initialize();
    if (!audit_start())
        return 1;
    tap_try(test_load);
    tap_try(test_stopped);
    audit_stop();
    return tap_done();
}
