/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_SECRET_H
#define SSO_SECRET_H

/*
 * Secrets as an administrator gives them: `file:/path`, `env:NAME`, `exec:/path args`, or the text.
 */

#include "sso_seal.h"

#define SSO_SECRET_MAX 16384 /* bytes; a longer file is not a secret */

/**
 * Read a secret.
 *
 * @param spec    as written in the configuration; in messages only what stands
 *                before a literal's text
 * @param secret  out: NUL-terminated, in ctx->pool, one trailing newline dropped
 *
 * @return SSO_MISCONFIG  a file that cannot be read, is no regular file or is empty; a variable
 *                        that is not set; a program that cannot be started, fails, or takes over
 *                        10 s.
 *                        (A file that others may read is a warning.)
 */
sso_rc_e sso_secret_read(sso_ctx_t *ctx, const char *spec, sso_bytes_t *secret);

/**
 * The secret that is made once and kept: 32 random bytes as base64url in @a path, mode 0600.
 * Two starts at once agree on one. SSO_MISCONFIG: cannot be made or read, or is not ours alone.
 */
sso_rc_e sso_secret_keep(sso_ctx_t *ctx, const char *path, sso_bytes_t *secret);

#endif
