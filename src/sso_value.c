/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of value a record's field can hold: texts, paths, URLs, times. Each reads words, checks
 * limits, and prints. Lists, choices and the like are in sso_value_list.c.
 */
#include "sso_value.h"

#include "sso_url.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define SSO_VALUE_TEXT_MAX     4096
#define SPAN_OFF "off" /* a span that may be none: limits "off|LOW..HIGH" */
#define SPAN_SEC_MAX APR_INT64_C(1000000000000)

/* ---- text ---- */

/* Whether c is in a class such as "A-Za-z0-9_-"; a '-' counts as itself at the end. */
static int in_class(const char *class, char c)
{
    for (; *class; class++) {
        if (class[1] == '-' && class[2]) {
            if (c >= class[0] && c <= class[2])
                return 1;
            class += 2;
        }
        else if (*class == c)
            return 1;
    }
    return 0;
}

static sso_rc_e text_limits(sso_ctx_t *ctx, const char *limits, const char *text)
{
    char *rest;
    apr_int64_t low = apr_strtoi64(limits, &rest, 10), high = apr_strtoi64(rest + 2, &rest, 10);
    apr_int64_t length = (apr_int64_t)strlen(text);
    const char *c;

    if (length < low || length > high)
        return sso_fail(ctx, SSO_MISCONFIG, 22, "'%s' is not %" APR_INT64_T_FMT " to %"
                        APR_INT64_T_FMT " characters long", text, low, high);
    for (c = text; *rest == ' ' && *c; c++)
        if (!in_class(rest + 1, *c))
            return sso_fail(ctx, SSO_MISCONFIG, 23, "'%s': only the characters %s are allowed",
                            text, rest + 1);
    return SSO_OK;
}

static sso_rc_e text_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    (void)argc;
    SSO_TRY(text_limits(ctx, field->limits ? field->limits : "1..4096", argv[0]));
    *(const char **)slot = apr_pstrdup(ctx->pool, argv[0]);
    return SSO_OK;
}

static sso_rc_e text_load(sso_ctx_t *ctx, const sso_field_t *field, const json_t *value, void *slot)
{
    (void)field;
    if (!json_is_string(value) || json_string_length(value) > SSO_VALUE_TEXT_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 24, "expected a string");
    *(const char **)slot = apr_pstrdup(ctx->pool, json_string_value(value));
    return SSO_OK;
}

static json_t *text_save(const void *slot)
{
    const char *text = *(const char *const *)slot;

    return text ? json_string(text) : NULL;
}

static const char *text_print(apr_pool_t *pool, const sso_field_t *field, const void *slot)
{
    (void)pool;
    (void)field;
    return *(const char *const *)slot;
}

/* Addresses may carry a password: redis://user:password@host */
static const char *address_print(apr_pool_t *pool, const sso_field_t *field, const void *slot)
{
    const char *text = text_print(pool, field, slot);
    const char *at = text ? strrchr(text, '@') : NULL, *host = at ? strstr(text, "//") : NULL;

    return host && host < at ? apr_pstrcat(pool, apr_pstrmemdup(pool, text, (apr_size_t)(host + 2
                                                                                       - text)),
                                           "***", at, NULL)
                             : text;
}

/* ---- paths and URLs ---- */

/* Whether a path is spelled in the one way in which it will come in. */
static int is_plain_path(const char *path)
{
    apr_size_t length = strlen(path);
    const char *c;

    if (path[0] != '/' || length > 256)
        return 0;
    for (c = path; *c; c++) {
        apr_size_t dots = *c == '/' ? strspn(c + 1, ".") : 0;

        if (*c <= ' ' || *c >= 0x7f || strchr("?#%\\\"<>&;", *c) || (*c == '/' && c[1] == '/')
            || (dots && dots <= 2 && (c[dots + 1] == '/' || !c[dots + 1])))
            return 0;
    }
    return 1;
}

static sso_rc_e path_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    const char *path = argv[0];

    (void)field;
    (void)argc;
    if (!is_plain_path(path))
        return sso_fail(ctx, SSO_MISCONFIG, 25, "'%s' is not a path such as /sso or "
                        "/complete/edx-oauth2/ (plain characters, no query)", path);
    *(const char **)slot = apr_pstrdup(ctx->pool, path);
    return SSO_OK;
}

sso_rc_e sso_value_url(sso_ctx_t *ctx, const char *text)
{
    sso_url_t url;

    const char *host = strstr(text, "://");

    if (host && memchr(host + 3, '@', strcspn(host + 3, "/?#")))
        return sso_fail(ctx, SSO_MISCONFIG, 39, "a URL with a user or password in it is not taken");
    if (sso_url_parse(ctx->pool, text, &url) != SSO_OK)
        return sso_fail(ctx, SSO_MISCONFIG, 26, "'%s' is not an absolute URL such as "
                        "https://courses.example.org", text);
    return SSO_OK;
}

static sso_rc_e url_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                         const char *const *argv, void *slot)
{
    (void)field;
    (void)argc;
    SSO_TRY(sso_value_url(ctx, argv[0]));
    *(const char **)slot = apr_pstrdup(ctx->pool, argv[0]);
    return SSO_OK;
}

static sso_rc_e root_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    apr_size_t length = strlen(argv[0]);

    (void)field;
    (void)argc;
    SSO_TRY(sso_value_url(ctx, argv[0]));
    if (strchr(argv[0], '?'))
        return sso_fail(ctx, SSO_MISCONFIG, 27, "'%s': a root has no query", argv[0]);
    while (length && argv[0][length - 1] == '/')
        length--;
    *(const char **)slot = apr_pstrmemdup(ctx->pool, argv[0], length);
    return SSO_OK;
}

/* ---- spans of time ---- */

static const struct {
    char unit;
    int seconds;
} units[] = { { 'w', 604800 }, { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

static int span_parse(const char *text, const char **end, apr_interval_time_t *span)
{
    apr_int64_t count = 0, unit;
    const char *c = text;
    unsigned i;

    while (apr_isdigit(*c) && count < APR_INT64_C(100000000))
        count = count * 10 + (*c++ - '0');
    if (c == text || apr_isdigit(*c))
        return 0;
    for (i = 0; i < SSO_COUNT(units) && *c != units[i].unit; i++)
        ;
    unit = i < SSO_COUNT(units) ? units[i].seconds : 1;
    if (count > SPAN_SEC_MAX / unit) /* beyond all limits, and not to overflow */
        count = SPAN_SEC_MAX / unit;
    *span = apr_time_from_sec(count * unit);
    *end = c + (i < SSO_COUNT(units));
    return 1;
}

static sso_rc_e span_one(sso_ctx_t *ctx, const sso_field_t *field, const char *text,
                         apr_interval_time_t *out)
{
    const char *limits = field->limits, *end;
    apr_interval_time_t span, low = 0, high = 0;

    if (limits && !strncmp(limits, SPAN_OFF "|", sizeof(SPAN_OFF))) {
        limits += sizeof(SPAN_OFF);
        if (!strcasecmp(text, SPAN_OFF)) {
            *out = 0;
            return SSO_OK;
        }
    }
    if (!span_parse(text, &end, &span) || *end)
        return sso_fail(ctx, SSO_MISCONFIG, 28, "'%s' is not a time such as 30s, 5m, 8h, 7d or 2w",
                        text);
    if (limits && (!span_parse(limits, &end, &low) || !span_parse(end + 2, &end, &high)
                   || span < low || span > high))
        return sso_fail(ctx, SSO_MISCONFIG, 29, "'%s' is outside %s", text, field->limits);
    *out = span;
    return SSO_OK;
}

static sso_rc_e span_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    (void)argc;
    return span_one(ctx, field, argv[0], slot);
}

static const char *span_text(apr_pool_t *pool, apr_interval_time_t span)
{
    apr_int64_t seconds = apr_time_sec(span);
    unsigned i = 0;

    while (seconds && seconds % units[i].seconds)
        i++;
    return seconds ? apr_psprintf(pool, "%" APR_INT64_T_FMT "%c", seconds / units[i].seconds,
                                  units[i].unit)
                   : "0s";
}

static const char *span_print(apr_pool_t *pool, const sso_field_t *field, const void *slot)
{
    apr_interval_time_t span = *(const apr_interval_time_t *)slot;

    return !span && field->limits && *field->limits == *SPAN_OFF ? SPAN_OFF : span_text(pool, span);
}

static sso_rc_e spans_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                           const char *const *argv, void *slot)
{
    apr_array_header_t *spans = apr_array_make(ctx->pool, argc, sizeof(apr_interval_time_t));
    int i;

    for (i = 0; i < argc; i++)
        SSO_TRY(span_one(ctx, field, argv[i], &APR_ARRAY_PUSH(spans, apr_interval_time_t)));
    *(apr_array_header_t **)slot = spans;
    return SSO_OK;
}

static const char *spans_print(apr_pool_t *pool, const sso_field_t *field, const void *slot)
{
    const apr_array_header_t *spans = *(apr_array_header_t *const *)slot;
    const char *text = "";
    int i;

    (void)field;
    for (i = 0; spans && i < spans->nelts; i++)
        text = apr_pstrcat(pool, text, i ? " " : "",
                           span_text(pool, APR_ARRAY_IDX(spans, i, apr_interval_time_t)), NULL);
    return text;
}

#define POINTER sizeof(void *)

const sso_value_kind_t
    sso_kind_TEXT = { "text", POINTER, 1, 1, 0, text_read, text_load, text_save, text_print },
    sso_kind_ADDRESS = { "address", POINTER, 1, 1, 0, text_read, NULL, NULL, address_print },
    sso_kind_FILE = { "file", POINTER, 1, 1, 0, text_read, NULL, NULL, text_print },
    sso_kind_PATH = { "path", POINTER, 1, 1, 0, path_read, NULL, NULL, text_print },
    sso_kind_URL = { "url", POINTER, 1, 1, 0, url_read, text_load, text_save, text_print },
    sso_kind_ROOT = { "root", POINTER, 1, 1, 0, root_read, NULL, NULL, text_print },
    sso_kind_SPAN = { "span", sizeof(apr_interval_time_t), 1, 1, 0, span_read, NULL, NULL,
                      span_print },
    sso_kind_SPANS = { "spans", POINTER, 2, 2, 0, spans_read, NULL, NULL, spans_print };
