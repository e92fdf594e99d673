/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file under the shared-memory store: whether it can be trusted, who has it open, its room on
 * the disk, and where a bad one goes. What is in it is in sso_shm_open.c.
 *
 * Two bytes of the file are locked, by its open file description, so that a lock lives as long as
 * any process that has inherited it: OPENER exclusively by the one that is opening it, and PRESENT
 * shared by all that have it open. Who gets PRESENT exclusively knows that nobody else has it.
 */
#include "sso_shm.h"

#include <apr_strings.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PRESENT 0
#define OPENER  1

#define OPENER_WAIT 10 /* s */
#define OPENER_TICK (20 * 1000)
#define TMPFS 0x01021994 /* statfs(2) */

/** What the name of a file ends with, after the last slash; its directory in @a dir. */
static const char *split_path(apr_pool_t *pool, const char *path, const char **dir)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        *dir = ".";
    else if (slash == path)
        *dir = "/";
    else
        *dir = apr_pstrmemdup(pool, path, (apr_size_t)(slash - path));
    return slash ? slash + 1 : path;
}

sso_rc_e sso_shm_dir_check(sso_ctx_t *ctx, const char *path)
{
    const char *dir;
    struct stat info;

    split_path(ctx->pool, path, &dir);
    errno = ENOTDIR;
    if (stat(dir, &info) || !S_ISDIR(info.st_mode))
        return sso_fail(ctx, SSO_MISCONFIG, 201, "store: directory %s: %s", dir, strerror(errno));
    if (info.st_mode & S_IWOTH)
        return sso_fail(ctx, SSO_MISCONFIG, 202, "store: directory %s: everybody may write to it "
                        "(mode %04o): chmod o-w", dir, (unsigned)info.st_mode & 07777);
    return SSO_OK;
}

static int lock_byte(int fd, short type, off_t byte)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    int rc;

    do
        rc = fcntl(fd, F_OFD_SETLK, &lock);
    while (rc && errno == EINTR);
    return rc;
}

int sso_shm_file_alone(int fd)
{
    return !lock_byte(fd, F_WRLCK, PRESENT);
}

void sso_shm_file_share(int fd)
{
    lock_byte(fd, F_RDLCK, PRESENT); /* from exclusive in one step */
    lock_byte(fd, F_UNLCK, OPENER);
}

/* Whether an open file is ours, and ours alone. */
static sso_rc_e vet(sso_ctx_t *ctx, const sso_store_shm_config_t *config, int fd)
{
    struct stat info;

    if (fstat(fd, &info) || !S_ISREG(info.st_mode))
        return sso_fail(ctx, SSO_MISCONFIG, 230, "store: %s is no plain file", config->path);
    if (info.st_uid != geteuid() && (config->uid < 0 || info.st_uid != (uid_t)config->uid))
        return sso_fail(ctx, SSO_MISCONFIG, 205, "store: %s belongs to user %ld: move it away",
                        config->path, (long)info.st_uid);
    if (info.st_mode & 077) {
        if (fchmod(fd, 0600))
            return sso_fail(ctx, SSO_MISCONFIG, 206, "store: %s: cannot make it private (mode %04o "
                            "now): %s", config->path, (unsigned)info.st_mode & 07777,
                            strerror(errno));
        sso_log(ctx, SSO_LOG_WARN, 214, "store: %s was open to others (mode %04o): made private",
                config->path, (unsigned)info.st_mode & 07777);
    }
    if ((config->uid >= 0 && info.st_uid != (uid_t)config->uid) ||
        (config->gid >= 0 && info.st_gid != (gid_t)config->gid)) {
        if (fchown(fd, (uid_t)config->uid, (gid_t)config->gid))
            return sso_fail(ctx, SSO_MISCONFIG, 213, "store: %s: cannot give it to user %ld, group "
                            "%ld: %s", config->path, config->uid, config->gid, strerror(errno));
    }
    return SSO_OK;
}

/* Open a plain file, made if need be; -1 with errno, or -2 when it came or went meanwhile. */
static int open_or_make(const char *path)
{
    const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    struct stat info;
    int fd;

    if (!lstat(path, &info)) {
        if (!S_ISREG(info.st_mode)) { /* opening a device can do things */
            errno = ELOOP;
            return -1;
        }
        fd = open(path, flags);
        return fd < 0 && errno == ENOENT ? -2 : fd;
    }
    if (errno != ENOENT)
        return -1;
    fd = open(path, flags | O_CREAT | O_EXCL, 0600);
    return fd < 0 && errno == EEXIST ? -2 : fd;
}

/* Whether the file that is open is (still) the one of that name. */
static int is_named(int fd, const char *path)
{
    struct stat open_one, named;

    return !fstat(fd, &open_one) && !lstat(path, &named) && open_one.st_ino == named.st_ino &&
           open_one.st_dev == named.st_dev;
}

/* SSO_ABSENT: somebody else is opening it, or it has been renamed meanwhile: try again. */
static sso_rc_e become_opener(sso_ctx_t *ctx, const char *path, int fd)
{
    if (!lock_byte(fd, F_WRLCK, OPENER))
        return is_named(fd, path) ? SSO_OK : SSO_ABSENT;
    if (errno == EAGAIN || errno == EACCES)
        return SSO_ABSENT;
    return sso_fail(ctx, SSO_MISCONFIG, 229, "store: %s: cannot be locked: %s: is it on a disk of "
                    "this machine?", path, strerror(errno));
}

sso_rc_e sso_shm_file_open(sso_ctx_t *ctx, const sso_store_shm_config_t *config, int *fd)
{
    const char *path = config->path;
    int waited = 0, one;
    sso_rc_e rc;

    while (waited < OPENER_WAIT * 1000 * 1000) {
        one = open_or_make(path);
        if (one == -1 && errno == ELOOP)
            return sso_fail(ctx, SSO_MISCONFIG, 204, "store: %s is not a plain file (a link, "
                            "perhaps): move it away", path);
        if (one == -1)
            return sso_fail(ctx, SSO_MISCONFIG, 203, "store: %s: %s", path, strerror(errno));
        if (one >= 0) {
            rc = vet(ctx, config, one);
            if (rc == SSO_OK)
                rc = become_opener(ctx, path, one);
            if (rc == SSO_OK) {
                *fd = one;
                return SSO_OK;
            }
            close(one);
            if (rc != SSO_ABSENT)
                return rc;
        }
        apr_sleep(OPENER_TICK);
        waited += OPENER_TICK;
    }
    return sso_fail(ctx, SSO_UPSTREAM, 207, "store: %s: another process has been opening it for "
                    "%d s", path, OPENER_WAIT);
}

/* Have blocks put aside, so that a full disk shows now and not as SIGBUS later. On a file system in
 * memory that would take the memory at once: there the free room is looked at and no more. */
static int reserve(int fd, apr_uint64_t size)
{
    struct statvfs room;
    struct statfs kind;
    int rc;

    if (!fstatvfs(fd, &room) && (apr_uint64_t)room.f_bavail * room.f_frsize < size)
        return ENOSPC;
    if (fstatfs(fd, &kind) || kind.f_type == TMPFS)
        return 0;
    do
        rc = fallocate(fd, 0, 0, (off_t)size);
    while (rc && errno == EINTR);
    return rc && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) ? errno : 0;
}

sso_rc_e sso_shm_file_extend(sso_ctx_t *ctx, const char *path, int fd, apr_uint64_t size)
{
    int rc = reserve(fd, size);

    if (!rc && ftruncate(fd, (off_t)size))
        rc = errno;
    if (!rc)
        return SSO_OK;
    if (ftruncate(fd, 0)) /* nothing is lost: it was empty */
        sso_log(ctx, SSO_LOG_DEBUG, 0, "store: %s: left as it is", path);
    return sso_fail(ctx, SSO_MISCONFIG, 208, "store: %s: no room for %" APR_UINT64_T_FMT
                    " bytes: %s", path, size, strerror(rc));
}

/* Remove the oldest of the files set aside until as many are left as may be kept. */
static void prune_bad(sso_ctx_t *ctx, const char *path)
{
    const char *dir_name, *base = split_path(ctx->pool, path, &dir_name);
    const char *prefix = apr_pstrcat(ctx->pool, base, ".bad-", NULL);
    int count = SSO_STORE_SHM_BAD_KEPT + 1;

    while (count > SSO_STORE_SHM_BAD_KEPT) {
        DIR *dir = opendir(dir_name);
        apr_int64_t oldest = APR_INT64_MAX;
        const char *victim = NULL;
        struct dirent *each;

        for (count = 0; dir && (each = readdir(dir));) {
            apr_int64_t time;

            if (strncmp(each->d_name, prefix, strlen(prefix)))
                continue;
            count++;
            time = apr_atoi64(each->d_name + strlen(prefix));
            if (time < oldest) {
                oldest = time;
                victim = apr_pstrcat(ctx->pool, dir_name, "/", each->d_name, NULL);
            }
        }
        if (dir)
            closedir(dir);
        if (count > SSO_STORE_SHM_BAD_KEPT && (!victim || unlink(victim)))
            return;
    }
}

sso_rc_e sso_shm_file_set_aside(sso_ctx_t *ctx, const char *path, const char *why)
{
    const char *bad = apr_psprintf(ctx->pool, "%s.bad-%" APR_TIME_T_FMT, path,
                                   apr_time_sec(ctx->now));

    if (rename(path, bad))
        return sso_fail(ctx, SSO_MISCONFIG, 215, "store: %s cannot be used (%s), nor set aside: %s",
                        path, why, strerror(errno));
    sso_log(ctx, SSO_LOG_WARN, 211, "store: %s: %s: set aside as %s, a new one is made", path, why,
            bad);
    prune_bad(ctx, path);
    return SSO_OK;
}
