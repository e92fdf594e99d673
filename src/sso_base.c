/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures and log lines. What a failure means for a browser or a script is in sso_fault.c.
 */
#include "sso_base.h"

#include "sso_metrics.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <stdarg.h>
#include <string.h>

/* Escape what could forge a log line or drive a terminal; UTF-8 passes. Cuts off when full. */
static void clean_copy(char *out, apr_size_t size, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    apr_size_t n = 0;

    for (; *text && n + 5 < size; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= 0x20 && c != 0x7f) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '\\';
        out[n++] = 'x';
        out[n++] = hex[c >> 4];
        out[n++] = hex[c & 15];
    }
    out[n] = '\0';
}

sso_rc_e sso_fail(sso_ctx_t *ctx, sso_rc_e rc, int number, const char *fmt, ...)
{
    char text[SSO_ERR_BYTES];
    va_list args;

    if (ctx->err.rc != SSO_OK) /* the first cause is the useful one */
        return rc;
    ctx->err.rc = rc;
    ctx->err.number = number;
    va_start(args, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    clean_copy(ctx->err.text, sizeof(ctx->err.text), text);
    return rc;
}

sso_rc_e sso_within(sso_ctx_t *ctx, sso_rc_e rc, const char *where)
{
    char inner[SSO_ERR_BYTES], outer[SSO_ERR_BYTES];

    if (rc == SSO_OK || ctx->err.rc == SSO_OK)
        return rc;
    memcpy(inner, ctx->err.text, sizeof(inner));
    apr_snprintf(outer, sizeof(outer), "%s: %s", where, inner);
    clean_copy(ctx->err.text, sizeof(ctx->err.text), outer);
    return rc;
}

void sso_forgive(sso_ctx_t *ctx)
{
    memset(&ctx->err, 0, sizeof(ctx->err));
}

void sso_log(const sso_ctx_t *ctx, sso_level_e level, int number, const char *fmt, ...)
{
    char text[2 * SSO_ERR_BYTES], clean[2 * SSO_ERR_BYTES];
    va_list args;
    int n = 0;

    if (number && level >= SSO_LOG_WARN)
        sso_metrics_number(ctx, number);
    if (!ctx->ports || !ctx->ports->log || level < ctx->ports->log_level)
        return;
    if (number)
        n = apr_snprintf(text, sizeof(text), "SSO%04d: ", number);
    va_start(args, fmt);
    apr_vsnprintf(text + n, sizeof(text) - (apr_size_t)n, fmt, args);
    va_end(args);
    clean_copy(clean, sizeof(clean), text);
    ctx->ports->log(ctx->ports->log_baton, level, clean);
}
