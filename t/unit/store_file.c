/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the shared-memory store: kept over restarts, shared with a generation that is still
 * at work, moved to another size, refused when it is not ours, set aside when it is damaged.
 */
#include "store_audit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>

#define ROUNDS 300

static unsigned long dice = 7;

static unsigned roll(unsigned sides)
{
    dice = dice * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(dice >> 33) % sides;
}

static int bad_files(const char *name)
{
    DIR *dir = opendir(audit_dir);
    struct dirent *each;
    int count = 0;

    while (dir && (each = readdir(dir)))
        count += !strncmp(each->d_name, name, strlen(name)) && strstr(each->d_name, ".bad-");
    if (dir)
        closedir(dir);
    return count;
}

static void test_restart(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_store_t *store;
    struct stat info;
    apr_pool_t *pool;
    unsigned i, lost = 0;
    char text[24];

    store = audit_open(ctx, &pool, "kept", 8);
    for (i = 0; i < 3000; i++) {
        apr_snprintf(text, sizeof(text), "value %u", i);
        audit_put(store, "kept", i, text, CONFORMANCE_MINUTES(60));
    }
    stat(audit_path("kept"), &info);
    is_int(info.st_mode & 07777, 0600, "the file is private");
    is_int(info.st_size, 8 << 20, "and has its size");
    apr_pool_destroy(pool);
    ctx = tap_ctx();
    store = audit_open(ctx, &pool, "kept", 8);
    ok(store, "opened again %s", ctx->err.text);
    is(tap_log_text, "", "with nothing to say");
    for (i = 0; i < 3000; i++) {
        apr_snprintf(text, sizeof(text), "value %u", i);
        lost += !audit_has(store, "kept", i, text);
    }
    is_int(lost, 0, "no entry was lost");
    is(audit_store(tap_ctx(), store), NULL, "in order");
    apr_pool_destroy(pool);
}

/* A child of the generation before: reads or writes when told to, until the pipe ends. */
static pid_t old_child(sso_store_t *store, int *ask, int *answer)
{
    int to[2], from[2];
    pid_t pid;

    if (pipe(to) || pipe(from))
        return -1;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        char what;

        close(to[1]);
        while (read(to[0], &what, 1) == 1) {
            char yes;

            if (what == '!')
                yes = !audit_put(store, "old", 0, "written", CONFORMANCE_MINUTES(9));
            else
                yes = (char)audit_has(store, "new", 0, "seen");
            if (write(from[1], &yes, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    *ask = to[1];
    *answer = from[0];
    return pid;
}

static int asked(int ask, int answer, char what)
{
    char yes = 0;

    return write(ask, &what, 1) == 1 && read(answer, &yes, 1) == 1 && yes;
}

static void test_graceful(void)
{
    sso_ctx_t *ctx = tap_ctx();
    int ask = -1, answer = -1, i;
    sso_store_t *store;
    apr_pool_t *pool;
    pid_t pid;

    store = audit_open(ctx, &pool, "graceful", 2);
    audit_put(store, "first", 0, "before", CONFORMANCE_MINUTES(9));
    pid = old_child(store, &ask, &answer);
    for (i = 0; i < 3; i++) {
        apr_pool_destroy(pool);
        store = audit_open(tap_ctx(), &pool, "graceful", 2);
        ok(store && audit_has(store, "first", 0, "before"),
           "the new generation sees what was there");
    }
    audit_put(store, "new", 0, "seen", CONFORMANCE_MINUTES(9));
    ok(asked(ask, answer, '?'), "the old one sees what the new one writes");
    ok(asked(ask, answer, '!'), "and may write");
    ok(audit_has(store, "old", 0, "written"), "which the new one sees");

    apr_pool_destroy(pool);
    ctx = tap_ctx();
    store = audit_open(ctx, &pool, "graceful", 3);
    ok(tap_log_has("SSO0212") && tap_log_has("3 entries kept, 0"), "moved to another size: %s",
       tap_log_text);
    ok(audit_has(store, "first", 0, "before") && audit_has(store, "old", 0, "written"),
       "entries come along");
    ok(asked(ask, answer, '?'), "the old one still works on what it has");
    close(ask);
    waitpid(pid, NULL, 0);
    close(answer);
    apr_pool_destroy(pool);
    store = audit_open(tap_ctx(), &pool, "graceful", 3);
    ok(audit_has(store, "first", 0, "before"), "and all is there at the next start");
    apr_pool_destroy(pool);
}

static void test_resize(void)
{
    static const unsigned sizes[] = { 1, 16, 2, 64, 3, 1 };
    apr_time_t far = CONFORMANCE_MINUTES(60);
    unsigned i, s, lost = 0, kept = 0;
    sso_store_item_t item;
    sso_store_t *store;
    apr_pool_t *pool;
    char value[1000];

    memset(value, 'x', sizeof(value));
    for (s = 0; s < SSO_COUNT(sizes); s++) {
        store = audit_open(tap_ctx(), &pool, "size", sizes[s]);
        for (i = 0; i < 50; i++) {
            sso_store_key_t key = conformance_key("pin", i);

            item = conformance_item(value, sizeof(value), far);
            item.class = SSO_STORE_PINNED;
            if (s == 0)
                sso_store_put(tap_ctx(), store, &key, &item);
            lost += sso_store_add(tap_ctx(), store, &key, &item) != SSO_DENIED;
        }
        for (i = 0; i < 3000 && s == 1; i++) {
            sso_store_key_t key = conformance_key("plain", i);
            sso_ctx_t *ctx = tap_ctx();

            item = conformance_item(value, sizeof(value), far);
            ctx->now += apr_time_from_sec(i / 100);
            sso_store_put(ctx, store, &key, &item);
            apr_pool_destroy(ctx->pool);
        }
        lost += audit_store(tap_ctx(), store) != NULL;
        if (s + 1 < SSO_COUNT(sizes))
            apr_pool_destroy(pool);
    }
    is_int(lost, 0, "made larger and smaller five times, no pinned entry is lost");
    for (i = 0; i < 3000; i++) {
        sso_store_key_t key = conformance_key("plain", i);
        sso_ctx_t *ctx = tap_ctx();
        sso_store_entry_t entry;

        kept += sso_store_get(ctx, store, &key, 0, &entry) == SSO_OK;
        apr_pool_destroy(ctx->pool);
    }
    ok(kept > 600, "of the others as many as there is room for: %u", kept);
    apr_pool_destroy(pool);
}

static void make_file(const char *name, mode_t mode, apr_size_t length)
{
    int fd = open(audit_path(name), O_CREAT | O_RDWR | O_TRUNC, 0600);

    if (fd < 0 || fchmod(fd, mode) || ftruncate(fd, (off_t)length))
        perror(name);
    close(fd);
}

static void test_trust(void)
{
    sso_store_t *store;
    apr_pool_t *pool;
    sso_ctx_t *ctx;
    struct stat info;

    make_file("target", 0600, 0);
    if (symlink("target", audit_path("link")) || mkfifo(audit_path("pipe"), 0600) ||
        mkdir(audit_path("dir"), 0700) || mkdir(audit_path("open"), 0700) ||
        chmod(audit_path("open"), 01777))
        perror("links");
    static const struct { const char *name; unsigned mib; int number; } refused[] = {
        { "link", 1, 204 }, { "pipe", 1, 204 }, { "dir", 1, 204 }, { "no/such", 1, 201 },
        { "target/x", 1, 201 }, { "open/x", 1, 202 }, { "zero", 0, 200 }, { "big", 65537, 200 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(refused); i++) {
        ctx = tap_ctx();
        store = audit_open(ctx, &pool, refused[i].name, refused[i].mib);
        ok(!store && ctx->err.rc == SSO_MISCONFIG, "%s is refused", refused[i].name);
        is_int(ctx->err.number, refused[i].number, "%s", ctx->err.text);
        apr_pool_destroy(pool);
    }
    stat(audit_path("target"), &info);
    is_int(info.st_size, 0, "nothing was written through the link");

    make_file("wide", 0666, 0);
    ctx = tap_ctx();
    store = audit_open(ctx, &pool, "wide", 1);
    ok(store && tap_log_has("SSO0214"), "a file of mode 0666 is made private: %s", tap_log_text);
    stat(audit_path("wide"), &info);
    is_int(info.st_mode & 07777, 0600, "it is");
    apr_pool_destroy(pool);

    if (geteuid() == 0) {
        make_file("theirs", 0600, 0);
        if (chown(audit_path("theirs"), 12345, 12345))
            perror("chown");
        ctx = tap_ctx();
        ok(!audit_open(ctx, &pool, "theirs", 1), "another user's file is refused");
        is_int(ctx->err.number, 205, "%s", ctx->err.text);
        apr_pool_destroy(pool);
        sso_store_shm_config_t config = { 1 << 20, audit_path("theirs"), 12345, 12345 };
        ctx = tap_ctx();
        is_int(sso_store_shm_open(ctx, ctx->pool, &config, &store), SSO_OK,
               "unless it is to be his");
        config.path = audit_path("given");
        is_int(sso_store_shm_open(ctx, ctx->pool, &config, &store), SSO_OK, "a new one");
        stat(config.path, &info);
        ok(info.st_uid == 12345 && info.st_gid == 12345, "is given to the user named");
    }
    else
        ok(1, "# SKIP not root: other users' files");
}

static void patch(const char *name, off_t at, const void *bytes, apr_size_t length)
{
    int fd = open(audit_path(name), O_RDWR);

    if (fd < 0 || pwrite(fd, bytes, length, at) != (ssize_t)length)
        perror(name);
    close(fd);
}

/* What makes a whole file useless: each is set aside, and the newest two are kept. */
static void test_set_aside(void)
{
    static const struct { const char *what; off_t at; apr_size_t length; } cases[] = {
        { "another magic",      0,                                       4 },
        { "another version",    offsetof(sso_shm_header_t, layout),      4 },
        { "other byte order",   offsetof(sso_shm_header_t, byte_order),  4 },
        { "another kind of lock", offsetof(sso_shm_header_t, lock_bytes), 4 },
        { "another size",       offsetof(sso_shm_header_t, size),        4 },
        { "a wrong checksum",   offsetof(sso_shm_header_t, check),       4 },
        { "no header",          0,                                       4096 },
        { "a shard's counts",   4096 + offsetof(sso_shm_shard_t, entries), 4 },
        { "a shard's extent",   4096 + offsetof(sso_shm_shard_t, high),  4 },
        { "cut off",            -1,                                      1 << 19 },
        { "made longer",        -1,                                      (1 << 20) + 1 },
        { "cut to nothing much", -1,                                     100 },
    };
    static const unsigned char junk[4096] = { 0x5a, 0xa5, 0x17, 0x2b, 1 };
    sso_store_t *store;
    apr_pool_t *pool, *other;
    sso_ctx_t *ctx;
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        store = audit_open(tap_ctx(), &pool, "bad", 1);
        audit_put(store, "bad", 0, "text", CONFORMANCE_MINUTES(9));
        apr_pool_destroy(pool);
        if (cases[i].at >= 0)
            patch("bad", cases[i].at, junk, cases[i].length);
        else if (truncate(audit_path("bad"), (off_t)cases[i].length))
            perror("truncate");
        ctx = tap_ctx();
        ctx->now += apr_time_from_sec(i);
        store = audit_open(ctx, &pool, "bad", 1);
        ok(store && tap_log_has("SSO0211"), "%s: set aside", cases[i].what);
        printf("# %s", tap_log_text);
        ok(store && audit_has(store, "bad", 0, NULL), "%s: begun anew", cases[i].what);
        apr_pool_destroy(pool);
    }
    is_int(bad_files("bad"), SSO_STORE_SHM_BAD_KEPT, "not all are kept");
    unlink(audit_path("bad"));
    make_file("bad", 0600, 1 << 20); /* all zero: begun, not finished */
    ctx = tap_ctx();
    store = audit_open(ctx, &pool, "bad", 1);
    ok(store && !tap_log_has("SSO"), "a file that was never finished is made anew without a word");
    ok(!truncate(audit_path("bad"), 0) && audit_open(ctx, &other, "bad", 2)
       && tap_log_has("SSO0211"), "one emptied while it is in use is left to its users: set aside");
    apr_pool_destroy(other);
    apr_pool_destroy(pool);
}

static apr_size_t value_of(unsigned number, unsigned char *value)
{
    apr_size_t length = 40 + (number * 37) % 1500, i;

    for (i = 0; i < length; i++)
        value[i] = (unsigned char)(number * 13 + i * 7);
    return length;
}

/* A file that another version left, whole and sealed. */
static void test_other_version(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_shm_header_t header;
    sso_store_t *store;
    apr_pool_t *pool;

    audit_open(ctx, &pool, "version", 1);
    apr_pool_destroy(pool);
    sso_shm_seal_header(&header, 1 << 20);
    header.layout++;
    header.check = sso_shm_digest(&header, offsetof(sso_shm_header_t, check), 0);
    patch("version", 0, &header, sizeof(header));
    ctx = tap_ctx();
    store = audit_open(ctx, &pool, "version", 1);
    ok(store && tap_log_has("SSO0211") && tap_log_has("version"), "%s", tap_log_text);
    apr_pool_destroy(pool);
}

/* Turn over a few bits, or a few KB, where the store is in use. */
static void damage(unsigned char *file, apr_size_t used)
{
    unsigned count = 1 + roll(roll(4) ? 3 : 200), i;
    apr_size_t at, length;

    for (i = 0; i < count; i++)
        file[roll((unsigned)used)] ^= (unsigned char)(1u << roll(8));
    if (roll(3) == 0) {
        at = roll((unsigned)used);
        length = roll(9000);
        for (; length && at < used; length--)
            file[at++] = (unsigned char)(roll(2) ? roll(256) : 0);
    }
}

/* Reads all; a value that was never written counts as wrong. */
static int wrong_values(sso_store_t *store, unsigned *found)
{
    unsigned char value[2000];
    int wrong = 0;
    unsigned i;

    for (i = 0; i < 300; i++) {
        sso_store_key_t key = conformance_key("fuzz", i);
        sso_ctx_t *ctx = tap_ctx();
        sso_store_entry_t entry;

        if (sso_store_get(ctx, store, &key, 0, &entry) == SSO_OK) {
            wrong += entry.length != value_of(i, value) ||
                     memcmp(entry.value, value, entry.length) != 0;
            (*found)++;
        }
        apr_pool_destroy(ctx->pool);
    }
    return wrong;
}

static void fill_fuzz(sso_store_t *store)
{
    unsigned char value[2000];
    unsigned i;

    for (i = 0; i < 300; i++) {
        sso_store_key_t key = conformance_key("fuzz", i);
        sso_store_item_t item = conformance_item(value, value_of(i, value),
                                                 CONFORMANCE_MINUTES(30));
        sso_ctx_t *ctx = tap_ctx();

        item.class = i % 3 ? SSO_STORE_PLAIN : SSO_STORE_PINNED;
        sso_store_put(ctx, store, &key, &item);
        apr_pool_destroy(ctx->pool);
    }
}

static unsigned char *slurp(const char *name, apr_size_t size)
{
    unsigned char *bytes = malloc(size);
    int fd = open(audit_path(name), O_RDONLY);

    if (fd < 0 || read(fd, bytes, size) != (ssize_t)size)
        perror(name);
    close(fd);
    return bytes;
}

static void test_fuzz(int was_busy)
{
    const apr_size_t size = 1 << 20;
    unsigned char *good, *bent = malloc(size);
    unsigned found = 0, served = 0, aside = 0, i;
    int wrong = 0, broken = 0;
    sso_store_t *store;
    apr_pool_t *pool;

    store = audit_open(tap_ctx(), &pool, "fuzz", 1);
    fill_fuzz(store);
    apr_pool_destroy(pool);
    good = slurp("fuzz", size);
    if (was_busy) /* as if its last user had been killed: counts need not fit then */
        good[4096 + offsetof(sso_shm_shard_t, busy) + 3] = 0x80;
    for (i = 0; i < ROUNDS; i++) {
        memcpy(bent, good, size);
        damage(bent, roll(4) ? 400000 : 30000);
        patch("fuzz", 0, bent, size);
        store = audit_open(tap_ctx(), &pool, "fuzz", 1);
        if (!store) {
            broken++;
            continue;
        }
        if (tap_log_has("SSO0211"))
            aside++;
        else
            served++;
        wrong += wrong_values(store, &found);
        broken += audit_store(tap_ctx(), store) != NULL;
        fill_fuzz(store);
        wrong += wrong_values(store, &found);
        apr_pool_destroy(pool);
    }
    is_int(broken, 0, "%u damaged files: all opened and in order; %u set aside, %u served", i,
           aside, served);
    is_int(wrong, 0, "no value came out (of %u) that nobody wrote", found);
    ok(aside && served, "both happened");
    free(good);
    free(bent);
    unlink(audit_path("fuzz"));
}

/* Something writes into the memory of a store that is open: no crash, no endless loop. */
static void test_stray_writes(void)
{
    unsigned i, k, found = 0;
    sso_store_t *store;
    apr_pool_t *pool;
    int stuck = 0;

    for (i = 0; i < ROUNDS; i++) {
        store = audit_open(tap_ctx(), &pool, "stray", 1);
        fill_fuzz(store);
        for (k = 0; k < 10; k++) {
            unsigned char *base = ((sso_shm_t *)store)->memory + 4096;
            apr_time_t start = apr_time_now();

            /* not into the lock, which is the C library's */
            damage(base + sizeof(pthread_mutex_t), roll(2) ? 3900 : 300000);
            wrong_values(store, &found);
            fill_fuzz(store);
            stuck += apr_time_now() - start > 10 * APR_USEC_PER_SEC;
        }
        apr_pool_destroy(pool);
        unlink(audit_path("stray"));
    }
    is_int(stuck, 0, "%u stores overwritten while open: none crashed or hung", i * k);
}

int main(void)
{
    apr_initialize();
    if (!audit_start())
        return 1;
    test_restart();
    test_graceful();
    test_resize();
    test_trust();
    test_set_aside();
    test_other_version();
    test_fuzz(0);
    test_fuzz(1);
    tap_try(test_stray_writes);
    audit_stop();
    return tap_done();
}
