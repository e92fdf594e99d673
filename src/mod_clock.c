/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of all processes: a small file, mapped by the parent. What it does is sso_clock.c's.
 */
#include "mod_glue.h"

#include "sso_clock.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

#ifdef CLOCK_BOOTTIME
#define SINCE_START CLOCK_BOOTTIME
#else
#define SINCE_START CLOCK_MONOTONIC
#endif

static sso_clock_t *shared; /* NULL: there is only the machine's clock */

static apr_time_t since_start(void)
{
    struct timespec at;

    if (clock_gettime(SINCE_START, &at))
        return 0;
    return apr_time_from_sec(at.tv_sec) + at.tv_nsec / 1000;
}

/* Which start of the machine this is: the first characters are random enough. */
static const char *boot_id(char text[SSO_CLOCK_BOOT_BYTES + 1])
{
    int in = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t length = in < 0 ? 0 : read(in, text, SSO_CLOCK_BOOT_BYTES);

    if (in >= 0)
        close(in);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

static apr_status_t stop(void *unused)
{
    (void)unused;
    if (shared)
        munmap(shared, sizeof(*shared));
    shared = NULL;
    return APR_SUCCESS;
}

static sso_clock_t *map(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    void *at = MAP_FAILED;
    struct stat about;

    if (file < 0)
        return NULL;
    if (!fstat(file, &about) && S_ISREG(about.st_mode)
        && (about.st_size >= (off_t)sizeof(sso_clock_t)
            || !ftruncate(file, (off_t)sizeof(sso_clock_t))))
        at = mmap(NULL, sizeof(sso_clock_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return at == MAP_FAILED ? NULL : at;
}

void mod_clock_start(apr_pool_t *pconf, server_rec *s, const char *dir)
{
    const char *path = apr_pstrcat(pconf, dir, "/clock", NULL);
    char boot[SSO_CLOCK_BOOT_BYTES + 1];

    stop(NULL);
    shared = map(path);
    if (!shared) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s, "SSO1030: %s cannot be used: when this "
                     "machine's clock is set, sessions may end or last longer", path);
        return;
    }
    sso_clock_begin(shared, boot_id(boot), apr_time_now(), since_start());
    apr_pool_cleanup_register(pconf, NULL, stop, apr_pool_cleanup_null);
}

void mod_clock_set(sso_ctx_t *ctx)
{
    ctx->now = apr_time_now();
    ctx->wall_ahead = 0;
    if (shared)
        ctx->now = sso_clock_read(shared, ctx->now, since_start(), &ctx->wall_ahead);
}
