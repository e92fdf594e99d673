/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading secrets. What they are for is the callers' business.
 */
#include "sso_secret.h"

#include <apr_env.h>
#include <apr_file_io.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXEC_TIMEOUT_USEC APR_TIME_C(10000000) /* of all a program does */
#define EXEC_NAP_USEC     APR_TIME_C(5000)
#define KEPT_BYTES        32

static sso_rc_e refuse(sso_ctx_t *ctx, const char *name, const char *why)
{
    return sso_fail(ctx, SSO_MISCONFIG, 30, "secret %s: %s", name, why);
}

/* What a file or a program gave: one newline at the end is an editor's, not the secret's. */
static sso_rc_e take(sso_ctx_t *ctx, const char *name, char *text, apr_size_t length,
                     sso_bytes_t *secret)
{
    if (length && text[length - 1] == '\n')
        length--;
    if (length && text[length - 1] == '\r')
        length--;
    if (!length)
        return refuse(ctx, name, "is empty");
    text[length] = '\0';
    if (strlen(text) != length)
        return refuse(ctx, name, "has a NUL character in it");
    secret->data = text;
    secret->length = length;
    return SSO_OK;
}

static sso_rc_e read_open(sso_ctx_t *ctx, const char *name, int fd, sso_bytes_t *secret)
{
    char *text = apr_palloc(ctx->pool, SSO_SECRET_MAX + 2);
    apr_size_t length = 0;
    struct stat info;
    ssize_t n;

    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return refuse(ctx, name, "is not a regular file");
    if (info.st_mode & 0007)
        sso_log(ctx, SSO_LOG_WARN, 31, "secret %s: every user of this machine can read it; "
                "chmod 0600 it", name);
    while (length <= SSO_SECRET_MAX
           && (n = read(fd, text + length, SSO_SECRET_MAX + 1 - length)) > 0)
        length += (apr_size_t)n;
    if (length > SSO_SECRET_MAX)
        return refuse(ctx, name, "is over 16384 bytes long");
    return take(ctx, name, text, length, secret);
}

static sso_rc_e read_file(sso_ctx_t *ctx, const char *spec, sso_bytes_t *secret)
{
    const char *path = spec + strlen("file:");
    int fd;
    sso_rc_e rc;

    if (*path != '/')
        return refuse(ctx, spec, "the path must begin with /");
    /* O_NONBLOCK: a FIFO must not hang the start */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return refuse(ctx, spec, strerror(errno));
    rc = read_open(ctx, spec, fd, secret);
    close(fd);
    return rc;
}

static sso_rc_e read_variable(sso_ctx_t *ctx, const char *spec, sso_bytes_t *secret)
{
    char *value;

    if (apr_env_get(&value, spec + strlen("env:"), ctx->pool) != APR_SUCCESS)
        return refuse(ctx, spec, "this variable is not set in httpd's environment");
    return take(ctx, spec, value, strlen(value), secret);
}

/* What a program prints, up to one byte more than a secret may have. */
static apr_status_t read_pipe(apr_file_t *pipe, apr_time_t deadline, char *text, apr_size_t *length)
{
    apr_status_t rv = APR_SUCCESS;

    *length = 0;
    while (rv == APR_SUCCESS && *length <= SSO_SECRET_MAX) {
        apr_size_t n = SSO_SECRET_MAX + 1 - *length;
        apr_interval_time_t left = deadline - apr_time_now();

        apr_file_pipe_timeout_set(pipe, left > 0 ? left : 0);
        rv = apr_file_read(pipe, text + *length, &n);
        *length += rv == APR_SUCCESS ? n : 0;
    }
    return rv == APR_EOF ? APR_SUCCESS : rv;
}

/* A program may go on when it has closed what we read. Returns 0 if it did not end by itself. */
static int await_end(apr_proc_t *proc, apr_time_t deadline, int *status, apr_exit_why_e *why)
{
    while (apr_proc_wait(proc, status, why, APR_NOWAIT) == APR_CHILD_NOTDONE) {
        if (apr_time_now() > deadline) {
            apr_proc_kill(proc, SIGKILL);
            apr_proc_wait(proc, status, why, APR_WAIT);
            return 0;
        }
        apr_sleep(EXEC_NAP_USEC);
    }
    return 1;
}

static sso_rc_e read_output(sso_ctx_t *ctx, const char *spec, sso_bytes_t *secret)
{
    char *text = apr_palloc(ctx->pool, SSO_SECRET_MAX + 2), **argv;
    apr_size_t length;
    apr_procattr_t *attr;
    apr_proc_t proc;
    apr_exit_why_e why = APR_PROC_SIGNAL;
    apr_time_t deadline = apr_time_now() + EXEC_TIMEOUT_USEC;
    apr_status_t rv;
    int status = 1, fine, ended;

    if (apr_tokenize_to_argv(spec + strlen("exec:"), &argv, ctx->pool) != APR_SUCCESS || !argv[0]
        || argv[0][0] != '/')
        return refuse(ctx, "exec:", "expected a program's absolute path");
    if (apr_procattr_create(&attr, ctx->pool) != APR_SUCCESS
        || apr_procattr_io_set(attr, APR_NO_FILE, APR_FULL_BLOCK, APR_NO_PIPE) != APR_SUCCESS
        || apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV) != APR_SUCCESS
        || apr_procattr_error_check_set(attr, 1) != APR_SUCCESS
        || apr_proc_create(&proc, argv[0], (const char *const *)argv, NULL, attr, ctx->pool)
               != APR_SUCCESS)
        return refuse(ctx, argv[0], "cannot be started");
    rv = read_pipe(proc.out, deadline, text, &length);
    apr_file_close(proc.out);
    /* ended here and not by the pool: when that goes, the process id may be another's */
    fine = rv == APR_SUCCESS && length <= SSO_SECRET_MAX;
    ended = await_end(&proc, fine ? deadline : 0, &status, &why);
    if (rv == APR_SUCCESS && length > SSO_SECRET_MAX)
        return refuse(ctx, argv[0], "printed over 16384 bytes");
    if (!fine || !ended)
        return refuse(ctx, argv[0], "did not end within 10 s");
    if (why != APR_PROC_EXIT || status)
        return refuse(ctx, argv[0], "failed");
    return take(ctx, argv[0], text, length, secret);
}

static const struct {
    const char *prefix;
    sso_rc_e (*read)(sso_ctx_t *ctx, const char *spec, sso_bytes_t *secret);
} forms[] = {
    { "file:", read_file },
    { "env:", read_variable },
    { "exec:", read_output },
};

sso_rc_e sso_secret_read(sso_ctx_t *ctx, const char *spec, sso_bytes_t *secret)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(forms); i++)
        if (!strncmp(spec, forms[i].prefix, strlen(forms[i].prefix)))
            return forms[i].read(ctx, spec, secret);
    return take(ctx, "(literal)", apr_pstrdup(ctx->pool, spec), strlen(spec), secret);
}

/* Write a new secret beside the path and link it there: link() fails if another start was first. */
static sso_rc_e make_kept(sso_ctx_t *ctx, const char *path)
{
    char *temporary = apr_psprintf(ctx->pool, "%s.%ld", path, (long)getpid());
    const char *text;
    apr_size_t length;
    int fd, written;

    SSO_TRY(sso_random_text(ctx, KEPT_BYTES, &text));
    length = strlen(text);
    unlink(temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return refuse(ctx, temporary, strerror(errno));
    written = write(fd, text, length) == (ssize_t)length && fsync(fd) == 0;
    close(fd);
    if (!written || (link(temporary, path) != 0 && errno != EEXIST)) {
        unlink(temporary);
        return refuse(ctx, path, "cannot be written");
    }
    unlink(temporary);
    return SSO_OK;
}

sso_rc_e sso_secret_keep(sso_ctx_t *ctx, const char *path, sso_bytes_t *secret)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    sso_rc_e rc;

    if (fd < 0 && errno == ENOENT) {
        SSO_TRY(make_kept(ctx, path));
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    }
    if (fd < 0)
        return refuse(ctx, path, strerror(errno));
    if (fstat(fd, &info) != 0 || info.st_uid != geteuid() || (info.st_mode & 0077))
        rc = refuse(ctx, path, "must belong to the user httpd is started as, mode 0600");
    else
        rc = read_open(ctx, path, fd, secret);
    close(fd);
    return rc;
}
