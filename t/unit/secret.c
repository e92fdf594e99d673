/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: four forms, what is wrong with each, and the one that is made once. */
#include "sso_secret.h"
#include "tap.h"

#include <apr_file_io.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *folder;

static const char *in_folder(const char *name)
{
    return apr_pstrcat(tap_ctx()->pool, folder, "/", name, NULL);
}

static const char *write_file(const char *name, const char *text, apr_size_t length, mode_t mode)
{
    const char *path = in_folder(name);
    FILE *file = fopen(path, "w");

    fwrite(text, 1, length, file);
    fclose(file);
    chmod(path, mode);
    return path;
}

/* Read; @a want NULL: it must fail with @a complaint. */
static void reads(const char *spec, const char *want, const char *complaint)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_bytes_t secret = { NULL, 0 };
    sso_rc_e rc = sso_secret_read(ctx, spec, &secret);

    if (want) {
        is_int(rc, SSO_OK, "%.60s", spec);
        is(secret.data, want, "its text");
        is_int(secret.length, strlen(want), "its length");
        return;
    }
    is_int(rc, SSO_MISCONFIG, "%.60s: refused", spec);
    is_int(ctx->err.number, 30, "number");
    ok(strstr(ctx->err.text, complaint), "'%s' says '%s'", ctx->err.text, complaint);
    ok(!strstr(ctx->err.text, "canary") && !strstr(tap_log_text, "canary"), "and not the secret");
    ok(!secret.data, "untouched");
}

#define FILE_SPEC(...) apr_pstrcat(tap_ctx()->pool, "file:", write_file(__VA_ARGS__), NULL)

static void test_files(void)
{
    char *big = malloc(SSO_SECRET_MAX + 2);
    sso_bytes_t secret;

    memset(big, 'x', SSO_SECRET_MAX + 2);
    reads(FILE_SPEC("good", "canary\n", 7, 0600), "canary", NULL);
    reads(FILE_SPEC("dos", "canary\r\n", 8, 0640), "canary", NULL);
    reads(FILE_SPEC("lines", "a\nb\n\n", 5, 0600), "a\nb\n", NULL);
    reads(FILE_SPEC("none", "canary", 6, 0600), "canary", NULL);
    reads(FILE_SPEC("empty", "", 0, 0600), NULL, "is empty");
    reads(FILE_SPEC("newline", "\n", 1, 0600), NULL, "is empty");
    reads(FILE_SPEC("nul", "can\0ary", 7, 0600), NULL, "NUL");
    reads(FILE_SPEC("big", big, SSO_SECRET_MAX + 1, 0600), NULL, "16384");
    big[SSO_SECRET_MAX] = '\0';
    reads(FILE_SPEC("fits", big, SSO_SECRET_MAX, 0600), big, NULL);
    reads("file:relative", NULL, "begin with /");
    reads("file:", NULL, "begin with /");
    reads("file:/nonexistent/secret", NULL, "No such file");
    reads(apr_pstrcat(tap_ctx()->pool, "file:", folder, NULL), NULL, "not a regular file");
    mkfifo(in_folder("fifo"), 0600);
    reads(apr_pstrcat(tap_ctx()->pool, "file:", in_folder("fifo"), NULL), NULL,
          "not a regular file");
    sso_secret_read(tap_ctx(), FILE_SPEC("open", "canary", 6, 0644), &secret);
    sso_secret_read(tap_ctx(), apr_pstrcat(tap_ctx()->pool, "file:", in_folder("open"), NULL),
                    &secret);
    ok(tap_log_has("SSO0031") && !tap_log_has("canary"), "others can read it: a warning");
    free(big);
}

static void test_others(void)
{
    setenv("EDXSSO_TEST_SECRET", "from the canary", 1);
    setenv("EDXSSO_TEST_EMPTY", "", 1);
    reads("env:EDXSSO_TEST_SECRET", "from the canary", NULL);
    reads("env:EDXSSO_TEST_NOT_SET", NULL, "not set");
    reads("env:EDXSSO_TEST_EMPTY", NULL, "empty");
    reads("env:", NULL, "");
    reads("a literal canary", "a literal canary", NULL);
    reads("File:/etc/passwd", "File:/etc/passwd", NULL);
    reads("", NULL, "empty");
    reads("exec:/bin/echo one  'two three'", "one two three", NULL);
    reads("exec:/bin/sh -c 'echo $EDXSSO_TEST_SECRET'", "from the canary", NULL);
    reads("exec:echo x", NULL, "absolute path");
    reads("exec:", NULL, "absolute path");
    reads("exec:/nonexistent/program", NULL, "");
    reads("exec:/bin/sh -c 'echo canary; exit 3'", NULL, "failed");
    reads("exec:/bin/sh -c 'echo canary; kill -9 $$'", NULL, "failed");
    reads("exec:/bin/true", NULL, "empty");
    reads("exec:/usr/bin/head -c 16385 /dev/zero", NULL, "16384");
    if (!getenv("TEST_SLOW"))
        return;
    reads("exec:/bin/sh -c 'while sleep 1; do echo; done'", NULL, "did not end within 10 s");
    reads("exec:/bin/sh -c 'echo canary; exec sleep 60 >/dev/null'", NULL,
          "did not end within 10 s");
}

static void keeps(const char *path, int good, const char *what)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_bytes_t secret = { NULL, 0 };
    sso_rc_e rc = sso_secret_keep(ctx, path, &secret);

    is_int(rc, good ? SSO_OK : SSO_MISCONFIG, "%s (%s)", what, ctx->err.text);
    ok(!good == !secret.data, "%s: out only if it is good", what);
}

static void test_kept(void)
{
    sso_bytes_t first, second;
    struct stat info;
    const char *path = in_folder("kept");

    is_int(sso_secret_keep(tap_ctx(), path, &first), SSO_OK, "made");
    is_int(first.length, 43, "32 bytes of base64url");
    is_int(sso_secret_keep(tap_ctx(), path, &second), SSO_OK, "read again");
    is(second.data, first.data, "the same");
    ok(!stat(path, &info) && (info.st_mode & 07777) == 0600 && info.st_nlink == 1,
       "mode 0600, no other name is left");
    keeps(write_file("kept-open", "0123456789abcdef0123", 20, 0640), 0, "the group can read it");
    keeps(write_file("kept-empty", "", 0, 0600), 0, "an empty one");
    (void)!symlink(path, in_folder("kept-link"));
    keeps(in_folder("kept-link"), 0, "a symbolic link");
    (void)!symlink("/nonexistent/there", in_folder("kept-dangling"));
    keeps(in_folder("kept-dangling"), 0, "a dangling link");
    mkfifo(in_folder("kept-fifo"), 0600);
    keeps(in_folder("kept-fifo"), 0, "a FIFO");
    keeps("/nonexistent/folder/secret", 0, "no such folder");
    keeps(folder, 0, "a folder");
}

/* Many starts at once: all have the same secret. */
static void test_race(void)
{
    const char *path = in_folder("race");
    int pipes[2], i, same = 1;
    char texts[8][44] = { { 0 } };

    ok(!pipe(pipes), "pipe");
    fflush(stdout);
    for (i = 0; i < 8; i++)
        if (fork() == 0) {
            sso_bytes_t secret;

            if (sso_secret_keep(tap_ctx(), path, &secret) != SSO_OK)
                _exit(1);
            _exit(write(pipes[1], secret.data, 43) != 43);
        }
    for (i = 0; i < 8; i++)
        same &= wait(NULL) > 0;
    for (i = 0; i < 8; i++)
        same &= read(pipes[0], texts[i], 43) == 43 && !strcmp(texts[i], texts[0]);
    ok(same && strlen(texts[0]) == 43, "eight starts agree");
}

int main(void)
{
    char name[] = "/tmp/edxsso-secret-XXXXXX";

    folder = mkdtemp(name);
    test_files();
    test_others();
    test_kept();
    test_race();
    ok(!system(apr_pstrcat(tap_ctx()->pool, "rm -rf ", folder, NULL)), "tidied up");
    return tap_done();
}
