/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of providers, wanted by many threads and processes at once. What a single request may
 * expect is in metadata.c.
 */
#include "metadata_world.h"

#include "sso_store_shm.h"

#include <apr_thread_proc.h>
#include <signal.h>
#include <sys/wait.h>

#define PROCESSES 4
#define THREADS   25

/* What the threads of one process do, and what came of it. */
typedef struct crowd_t {
    const sso_provider_t *provider;
    int (*ask)(const sso_provider_t *provider, apr_time_t now);
    apr_time_t now;
    int rounds;
    int want; /* what each shall get */
    atomic_int wrong;
    _Atomic apr_int64_t slowest;
} crowd_t;

static void *APR_THREAD_FUNC crowd_member(apr_thread_t *thread, void *data)
{
    crowd_t *crowd = data;
    int i;

    (void)thread;
    for (i = 0; i < crowd->rounds; i++) {
        apr_time_t began = apr_time_now();
        int got = crowd->ask(crowd->provider, crowd->now);
        apr_int64_t took = apr_time_now() - began;

        if (crowd->want ? got != crowd->want : got >= 0)
            atomic_fetch_add(&crowd->wrong, 1);
        if (took > atomic_load(&crowd->slowest))
            atomic_store(&crowd->slowest, took);
    }
    return NULL;
}

static int crowd_run(crowd_t *crowd, int count)
{
    apr_thread_t *threads[THREADS];
    apr_status_t result;
    int i;

    for (i = 0; i < count; i++)
        apr_thread_create(&threads[i], NULL, crowd_member, crowd, world_pool);
    for (i = 0; i < count; i++)
        apr_thread_join(&result, threads[i]);
    return atomic_load(&crowd->wrong);
}

/* A crowd in each of several processes. Returns how many got something else than they should. */
static int crowds_run(crowd_t *crowd, int count)
{
    int i, status, wrong = 0;
    pid_t pids[PROCESSES];

    fflush(stdout);
    for (i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            sso_documents_start(world_ctx(crowd->now), crowd->provider->documents);
            _exit(crowd_run(crowd, count) ? 1 : 0);
        }
    }
    for (i = 0; i < PROCESSES; i++) {
        waitpid(pids[i], &status, 0);
        wrong += !WIFEXITED(status) || WEXITSTATUS(status);
    }
    return wrong;
}

/* A store that processes share. Its file has no name when this returns. */
static void share_store(void)
{
    sso_ctx_t *ctx = world_ctx(WORLD_START);
    const char *tmp = getenv("TMPDIR");
    char *dir = apr_psprintf(world_pool, "%s/edxsso-XXXXXX", tmp ? tmp : "/tmp");
    sso_store_shm_config_t config = { .size = 4 << 20, .uid = -1, .gid = -1 };

    ok(mkdtemp(dir) != NULL, "a directory");
    config.path = apr_pstrcat(world_pool, dir, "/store", NULL);
    ok(sso_store_shm_open(ctx, world_pool, &config, &watched.behind) == SSO_OK, "a store: %s",
       ctx->err.text);
    unlink(config.path);
    rmdir(dir);
}

static int background(const sso_provider_t *provider, apr_time_t now)
{
    apr_time_t next;

    sso_documents_refresh(world_ctx(now), provider, &next);
    return next > now ? -1 : 0;
}

static void test_threads(void)
{
    crowd_t crowd = { .ask = ask, .now = WORLD_START, .rounds = 20, .want = -1 };

    world_make();
    world->delay_ms = 100;
    crowd.provider = world_provider();
    is_int(crowd_run(&crowd, THREADS), 0, "%d threads at a cold cache", THREADS);
    calls_are(1, 1, "one discovery, one key request");
    world_make();
    world->fail = 305;
    world->delay_ms = 200;
    crowd.provider = world_provider();
    crowd.rounds = 1;
    crowd.want = 305;
    is_int(crowd_run(&crowd, THREADS), 0, "the same with the provider down: all are told so");
    calls_are(1, 0, "after one call");
}

static void test_processes(void)
{
    crowd_t crowd = { .ask = ask, .now = WORLD_START, .rounds = 10, .want = -1 };
    sso_provider_t *provider;

    world_make();
    share_store();
    world->delay_ms = 200;
    crowd.provider = provider = world_provider();
    is_int(crowds_run(&crowd, THREADS), 0, "1,000 requests of %d processes at a cold cache",
           PROCESSES);
    calls_are(1, 1, "one discovery, one key request");
    atomic_store(&world->generation, 2);
    is_int(ask(provider, WORLD_START), -1, "the parent takes over what its children fetched");
    crowd.ask = ask_newer;
    crowd.want = -2;
    crowd.rounds = 1;
    crowd.now = WORLD_START + SECONDS(10);
    is_int(crowds_run(&crowd, THREADS), 0, "rotation: every token of the new key is verified");
    calls_are(1, 2, "after one call");
    world->fail = 305;
    world->delay_ms = 1000;
    crowd.ask = ask;
    crowd.want = -2;
    crowd.rounds = 10;
    crowd.now = WORLD_START + SECONDS(115);
    is_int(ask(provider, crowd.now - SECONDS(10)), -2, "the parent has the new keys");
    is_int(crowds_run(&crowd, THREADS), 0, "expired, and the provider hangs: the old copy serves");
    calls_are(1, 3, "one request waited for it");
    is_int(crowds_run(&crowd, THREADS), 0, "again");
    calls_are(1, 3, "now nobody waits");
    world->delay_ms = 300;
    crowd.now = WORLD_START + SECONDS(400);
    crowd.want = 305;
    crowd.rounds = 1;
    is_int(crowds_run(&crowd, THREADS), 0, "past its grace: all are told");
    calls_are(1, 4, "after one call");
}

static void test_background(void)
{
    crowd_t crowd = { .ask = background, .now = WORLD_START, .rounds = 1, .want = -1 };
    sso_provider_t *provider;

    world_make();
    share_store();
    world->delay_ms = 100;
    crowd.provider = provider = world_provider();
    is_int(crowds_run(&crowd, 1), 0, "the background job of %d processes", PROCESSES);
    background(provider, WORLD_START + SECONDS(1));
    calls_are(1, 1, "one of them fetches");
    crowd.now = WORLD_START + SECONDS(92);
    is_int(crowds_run(&crowd, 1), 0, "when the keys are due");
    calls_are(1, 2, "one of them fetches");
}

/* While keys rotate all the time nobody gets keys that are gone. */
static void test_rotation(void)
{
    crowd_t crowd = { .ask = ask, .now = WORLD_START, .rounds = 2000 };
    sso_provider_t *provider;
    sso_config_t config;
    apr_thread_t *threads[4];
    apr_status_t result;
    int i;

    world_make();
    crowd.provider = provider = world_provider();
    config = *provider->config;
    config.jwks_ttl = config.jwks_min_refresh = 1000; /* 1 ms */
    provider->config = &config;
    for (i = 0; i < 4; i++)
        apr_thread_create(&threads[i], NULL, crowd_member, &crowd, world_pool);
    for (i = 2; i < 200; i++) {
        atomic_store(&world->generation, i);
        ask_newer(provider, WORLD_START + apr_time_from_msec(2 * i));
    }
    for (i = 0; i < 4; i++)
        apr_thread_join(&result, threads[i]);
    is_int(atomic_load(&crowd.wrong), 0, "%d fetches under 4 threads' feet", world->key_calls);
}

/* Whoever was to fetch is killed: the others do it when its lock has expired. */
static void test_killed(void)
{
    sso_provider_t *provider;
    apr_time_t began;
    pid_t pid;

    world_make();
    share_store();
    provider = world_provider();
    provider->http.total = apr_time_from_msec(500);
    world->delay_ms = 20000;
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(ask(provider, WORLD_START));
    while (!world->discoveries)
        apr_sleep(1000);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    world->delay_ms = 0;
    began = apr_time_now();
    is_int(ask(provider, WORLD_START), 350, "the fetcher was killed: waited for it in vain");
    ok(apr_time_now() - began < SECONDS(1), "but not longer than a call may last");
    is_int(ask(provider, WORLD_START + SECONDS(30)), -1, "and when its lock is gone, fetched");
}

int main(void)
{
    test_threads();
    test_processes();
    test_background();
    test_rotation();
    tap_try(test_killed);
    return tap_done();
}
