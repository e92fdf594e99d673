/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process killed in the shared-memory store after each number of instructions of each call in
 * turn: a tracer lets it do so many and no more. With TEST_EVERY set after every one, else after
 * some. Kills at random moments are in store_kill.c.
 */
#include "store_audit.h"

#include <signal.h>
#include <sys/ptrace.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 4999 /* of instructions: there are many more of them, and forks are slow */
#define STRIDE_RECOVER 49999
#else
#define STRIDE 113
#define STRIDE_RECOVER 4999
#endif
#define STRIDE_SLOW 19 /* with TEST_SLOW; every one would take a quarter of an hour */

typedef enum { DO_NEW, DO_REPLACE, DO_GROW, DO_ADD, DO_SWAP, DO_REMOVE, DO_TOUCH, DO_EVICT,
               DO_EXPIRE, DO_RECOVER, DO_COUNT } deed_e;

static const char *const deeds[] = {
    "put, new", "put, over another", "put, larger than another", "add", "swap", "remove", "touch",
    "put that evicts", "put that cleans up", "recovery from a kill",
};

#define BYSTANDERS 40

/* All a deed needs, made ready beforehand, so that what is cut short is the call itself. */
typedef struct ready_t {
    sso_ctx_t *ctx;
    sso_store_t *store;
    sso_store_key_t key;
    sso_store_item_t item;
    apr_uint64_t version;
} ready_t;

static void deed_do(ready_t *r, deed_e deed)
{
    sso_store_entry_t entry;

    switch (deed) {
    case DO_ADD:
        sso_store_add(r->ctx, r->store, &r->key, &r->item);
        break;
    case DO_SWAP:
        sso_store_swap(r->ctx, r->store, &r->key, r->version, &r->item);
        break;
    case DO_REMOVE:
        sso_store_remove(r->ctx, r->store, &r->key);
        break;
    case DO_TOUCH:
        sso_store_get(r->ctx, r->store, &r->key, CONFORMANCE_MINUTES(50), &entry);
        break;
    case DO_RECOVER:
        sso_store_get(r->ctx, r->store, &r->key, 0, &entry);
        break;
    default:
        sso_store_put(r->ctx, r->store, &r->key, &r->item);
    }
}

static int deed_has_before(deed_e deed)
{
    return deed != DO_NEW && deed != DO_ADD && deed != DO_EVICT && deed != DO_EXPIRE;
}

static const char *bystander(unsigned number, char *text)
{
    apr_snprintf(text, 1000, "%u %0*d", number, 10 + (int)(number * 97 % 900), 7);
    return text;
}

/* Others' entries, and what stands in the way. */
static void deed_surround(sso_store_t *store, deed_e deed)
{
    const sso_shm_t *shm = (const sso_shm_t *)store;
    sso_shm_view_t v;
    char text[1000];
    unsigned i;

    for (i = 0; i < BYSTANDERS; i++) {
        sso_store_key_t other = conformance_key("by", i);
        sso_store_item_t item = conformance_item(bystander(i, text), 0, CONFORMANCE_MINUTES(30));

        item.length = strlen(text);
        item.class = SSO_STORE_PINNED;
        sso_store_put(tap_ctx(), store, &other, &item);
    }
    if (deed == DO_EXPIRE)
        for (i = 0; i < 3; i++)
            audit_put(store, "old", i, "old", CONFORMANCE_START + apr_time_from_sec(3 + i % 2));
    if (deed == DO_EVICT) { /* all the room there is */
        static const char filler[9000];

        for (i = 0; i < 120; i++) {
            sso_store_key_t other = conformance_key("filler", i);
            sso_store_item_t item = conformance_item(filler, sizeof(filler),
                                                     CONFORMANCE_MINUTES(30));

            sso_store_put(tap_ctx(), store, &other, &item);
        }
        sso_shm_view(shm, 0, CONFORMANCE_START, &v);
        for (i = 0; sso_shm_free_count(&v); i++) /* down to the last block */
            audit_put(store, "crumb", i, "c", CONFORMANCE_MINUTES(30));
    }
}

/* The key is "deed" 0; what is there before is 600 times 'a', after it 'b'. */
static void deed_prepare(sso_store_t *store, deed_e deed, ready_t *r)
{
    static char before[601], after[1500];
    sso_store_entry_t entry;

    memset(before, 'a', 600);
    memset(after, 'b', sizeof(after));
    deed_surround(store, deed);
    if (deed_has_before(deed))
        audit_put(store, "deed", 0, before, CONFORMANCE_MINUTES(20));
    r->ctx = tap_ctx();
    r->ctx->now += apr_time_from_sec(5);
    r->store = store;
    r->key = conformance_key("deed", 0);
    r->item = conformance_item(after, deed == DO_GROW ? 1500 : 600, CONFORMANCE_MINUTES(30));
    if (deed == DO_SWAP && sso_store_get(tap_ctx(), store, &r->key, 0, &entry) == SSO_OK)
        r->version = entry.version;
    if (deed == DO_RECOVER) {
        sso_shm_view_t v;

        sso_shm_view((sso_shm_t *)store, 0, CONFORMANCE_START, &v);
        v.shard->busy = SSO_SHM_BUSY;
    }
}

/* What is wrong after the child was killed, or NULL. */
static const char *deed_judge(sso_store_t *store, deed_e deed)
{
    sso_store_key_t key = conformance_key("deed", 0);
    sso_ctx_t *ctx = tap_ctx();
    apr_time_t start = clock_us();
    sso_store_entry_t entry;
    const char *wrong;
    char text[1000];
    sso_rc_e rc;
    unsigned i;

    rc = sso_store_get(ctx, store, &key, 0, &entry);
    if (clock_us() - start > APR_USEC_PER_SEC)
        return "it took over a second to go on";
    wrong = audit_store(ctx, store);
    if (wrong)
        return wrong;
    if (rc == SSO_ABSENT) {
        if (deed_has_before(deed) && deed != DO_REMOVE)
            return "what was there is lost";
    }
    else if (rc != SSO_OK)
        return ctx->err.text;
    else {
        for (i = 0; i < entry.length; i++)
            if (entry.value[i] != entry.value[0])
                return "a value that is half old, half new";
        if (entry.value[0] == 'a' ? entry.length != 600 || !deed_has_before(deed)
                                  : entry.length != (deed == DO_GROW ? 1500 : 600))
            return "a value that nobody wrote";
        if (deed == DO_TOUCH && entry.expires != CONFORMANCE_MINUTES(20) &&
            entry.expires != CONFORMANCE_MINUTES(50))
            return "an expiry that nobody set";
    }
    for (i = 0; i < BYSTANDERS; i++)
        if (!audit_has(store, "by", i, bystander(i, text)))
            return "another's entry is lost";
    if (audit_put(store, "deed", 0, "next", CONFORMANCE_MINUTES(30)) != SSO_OK ||
        !audit_has(store, "deed", 0, "next"))
        return "it cannot be written to any more";
    return NULL;
}

/* Let a child do so many instructions of a deed, then kill it. 1: it got to its end; -1: cannot
 * trace. */
static int deed_cut(ready_t *ready, deed_e deed, unsigned long steps)
{
    int status, done = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
            _exit(99);
        raise(SIGSTOP);
        deed_do(ready, deed);
        raise(SIGUSR2); /* the end */
        _exit(0);
    }
    if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
        return -1;
    for (; steps && !done; steps--) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) < 0)
            return -1;
        done = WIFEXITED(status) || (WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR2);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return done;
}

static void test_deed(deed_e deed, unsigned long stride)
{
    unsigned long steps = 1 + (unsigned long)deed % stride, kills = 0;
    const char *wrong = NULL;
    int done = 0;

    while (!done && !wrong) {
        sso_ctx_t *ctx = tap_ctx();
        ready_t ready = { .version = 0 };
        sso_store_t *store;
        apr_pool_t *pool;

        unlink(audit_path("deed"));
        store = audit_open(ctx, &pool, "deed", 1);
        deed_prepare(store, deed, &ready);
        done = deed_cut(&ready, deed, steps);
        if (done < 0) {
            ok(1, "# SKIP processes cannot be traced here");
            return;
        }
        wrong = deed_judge(store, deed);
        apr_pool_destroy(pool);
        if (!wrong) { /* nor does a restart find anything to say against it */
            store = audit_open(ctx, &pool, "deed", 1);
            wrong = store && !tap_log_has("SSO0211") ? NULL : "a restart sets it aside";
            apr_pool_destroy(pool);
        }
        kills++;
        steps += stride;
    }
    ok(!wrong, "%s: killed after each of %lu numbers of instructions (up to %lu): %s", deeds[deed],
       kills, steps - stride, wrong ? wrong : "all well");
}

/* There the instructions would be valgrind's own. */
static int under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload && strstr(preload, "vgpreload") != NULL;
}

int main(void)
{
    int slow = getenv("TEST_SLOW") != NULL, every = getenv("TEST_EVERY") != NULL, deed;

    apr_initialize();
    if (!audit_start())
        return 1;
    if (under_valgrind())
        ok(1, "# SKIP under valgrind");
    else {
        for (deed = 0; deed < DO_RECOVER; deed++)
            test_deed((deed_e)deed, every ? 1 : slow ? STRIDE_SLOW : STRIDE);
        test_deed(DO_RECOVER, every ? 97 : STRIDE_RECOVER);
    }
    audit_stop();
    return tap_done();
}
