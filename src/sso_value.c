/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of value a record's field can hold: each reads words, checks limits, and prints.
 */
#include "sso_shape.h"

#include "sso_secret.h"
#include "sso_text.h"
#include "sso_url.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define TEXT_MAX 4096

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
    if (!json_is_string(value) || json_string_length(value) > TEXT_MAX)
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

static sso_rc_e path_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    const char *path = argv[0];

    (void)field;
    (void)argc;
    if (path[0] != '/' || strpbrk(path, "?#%\\ \"<>&;") || strstr(path, "//") || strstr(path, "/./")
        || strstr(path, "/../") || strlen(path) > 256)
        return sso_fail(ctx, SSO_MISCONFIG, 25, "'%s' is not a path such as /sso or "
                        "/complete/edx-oauth2/ (plain characters, no query)", path);
    *(const char **)slot = apr_pstrdup(ctx->pool, path);
    return SSO_OK;
}

static sso_rc_e url_check(sso_ctx_t *ctx, const char *text)
{
    sso_url_t url;

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
    SSO_TRY(url_check(ctx, argv[0]));
    *(const char **)slot = apr_pstrdup(ctx->pool, argv[0]);
    return SSO_OK;
}

static sso_rc_e root_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    apr_size_t length = strlen(argv[0]);

    (void)field;
    (void)argc;
    SSO_TRY(url_check(ctx, argv[0]));
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
    apr_int64_t count = 0;
    const char *c = text;
    unsigned i;

    while (apr_isdigit(*c) && count < APR_INT64_C(100000000))
        count = count * 10 + (*c++ - '0');
    if (c == text || apr_isdigit(*c))
        return 0;
    for (i = 0; i < SSO_COUNT(units) && *c != units[i].unit; i++)
        ;
    *span = apr_time_from_sec(count * (i < SSO_COUNT(units) ? units[i].seconds : 1));
    *end = c + (i < SSO_COUNT(units));
    return 1;
}

static sso_rc_e span_one(sso_ctx_t *ctx, const sso_field_t *field, const char *text,
                         apr_interval_time_t *out)
{
    apr_interval_time_t span, low = 0, high = 0;
    const char *end;

    if (!span_parse(text, &end, &span) || *end)
        return sso_fail(ctx, SSO_MISCONFIG, 28, "'%s' is not a time such as 30s, 5m, 8h, 7d or 2w",
                        text);
    if (field->limits && (!span_parse(field->limits, &end, &low)
                          || !span_parse(end + 2, &end, &high) || span < low || span > high))
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
    (void)field;
    return span_text(pool, *(const apr_interval_time_t *)slot);
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

/* ---- choices and lists ---- */

/* The place of a word in "a|b|c", or -1. Case does not count, as for httpd's own keywords. */
static int choice_index(const char *choices, const char *word)
{
    apr_size_t length = strlen(word);
    int n;

    for (n = 0; choices; n++) {
        apr_size_t span = strcspn(choices, "|");

        if (span == length && !strncasecmp(choices, word, length))
            return n;
        choices = choices[span] ? choices + span + 1 : NULL;
    }
    return -1;
}

static const char *choice_word(apr_pool_t *pool, const char *choices, int index)
{
    while (index-- > 0)
        choices += strcspn(choices, "|") + 1;
    return apr_pstrmemdup(pool, choices, strcspn(choices, "|"));
}

static sso_rc_e choice_refuse(sso_ctx_t *ctx, const char *choices, const char *word)
{
    const char *words[65], *near;
    int n;

    for (n = 0; n < 64 && *choices; n++) {
        apr_size_t span = strcspn(choices, "|");

        words[n] = apr_pstrmemdup(ctx->pool, choices, span);
        choices += span + (choices[span] == '|');
    }
    words[n] = NULL;
    near = sso_nearest(word, words);
    choices = words[0];
    for (n = 1; words[n]; n++)
        choices = apr_pstrcat(ctx->pool, choices, words[n + 1] ? ", " : " or ", words[n], NULL);
    return sso_fail(ctx, SSO_MISCONFIG, 32, "'%s' is not %s%s%s%s", word, choices,
                    near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static sso_rc_e choice_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                            const char *const *argv, void *slot)
{
    int index = choice_index(field->limits, argv[0]);

    (void)argc;
    if (index < 0)
        return choice_refuse(ctx, field->limits, argv[0]);
    *(int *)slot = index;
    return SSO_OK;
}

static const char *choice_print(apr_pool_t *pool, const sso_field_t *field, const void *slot)
{
    return choice_word(pool, field->limits, *(const int *)slot);
}

static sso_rc_e list_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    apr_array_header_t *list = apr_array_make(ctx->pool, argc, sizeof(const char *));
    int i;

    for (i = 0; i < argc; i++) {
        int index = field->limits ? choice_index(field->limits, argv[i]) : 0;
        const char *word = field->limits && index >= 0
                               ? choice_word(ctx->pool, field->limits, index)
                               : apr_pstrdup(ctx->pool, argv[i]);

        if (index < 0)
            return choice_refuse(ctx, field->limits, argv[i]);
        if (!*word || strlen(word) > TEXT_MAX)
            return sso_fail(ctx, SSO_MISCONFIG, 33, "an empty or over-long word is not allowed");
        if (!sso_list_has(list, word))
            APR_ARRAY_PUSH(list, const char *) = word;
    }
    *(apr_array_header_t **)slot = list;
    return SSO_OK;
}

static sso_rc_e urls_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    int i;

    for (i = 0; i < argc; i++)
        SSO_TRY(url_check(ctx, argv[i]));
    return list_read(ctx, field, argc, argv, slot);
}

static sso_rc_e list_load(sso_ctx_t *ctx, const sso_field_t *field, const json_t *value, void *slot)
{
    apr_array_header_t *list = apr_array_make(ctx->pool, 4, sizeof(const char *));
    const json_t *item;
    size_t i;

    (void)field;
    if (!json_is_array(value) || json_array_size(value) > 256)
        return sso_fail(ctx, SSO_BAD_INPUT, 34, "expected a list of strings");
    json_array_foreach(value, i, item) {
        if (json_is_string(item))
            APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(ctx->pool, json_string_value(item));
    }
    *(apr_array_header_t **)slot = list;
    return SSO_OK;
}

static json_t *list_save(const void *slot)
{
    const apr_array_header_t *list = *(apr_array_header_t *const *)slot;
    json_t *array = list ? json_array() : NULL;
    int i;

    for (i = 0; list && i < list->nelts; i++)
        json_array_append_new(array, json_string(APR_ARRAY_IDX(list, i, const char *)));
    return array;
}

static const char *list_print(apr_pool_t *pool, const sso_field_t *field, const void *slot)
{
    const apr_array_header_t *list = *(apr_array_header_t *const *)slot;

    (void)field;
    return list ? apr_array_pstrcat(pool, list, ' ') : NULL;
}

/* ---- secrets ---- */

static sso_rc_e secret_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                            const char *const *argv, void *slot)
{
    apr_array_header_t *list = apr_array_make(ctx->pool, argc, sizeof(sso_secret_t));
    int i, most = (int)apr_atoi64(field->limits);

    if (argc > most)
        return sso_fail(ctx, SSO_MISCONFIG, 35, "takes at most %d secret%s; quote an exec: command "
                        "with its arguments", most, most == 1 ? "" : "s");
    for (i = 0; i < argc; i++) {
        sso_secret_t *secret = &APR_ARRAY_PUSH(list, sso_secret_t);
        int named = !strncmp(argv[i], "file:", 5) || !strncmp(argv[i], "env:", 4);
        sso_bytes_t bytes;

        SSO_TRY(sso_secret_read(ctx, argv[i], &bytes));
        secret->spec = named ? apr_pstrdup(ctx->pool, argv[i])
                             : !strncmp(argv[i], "exec:", 5) ? "exec:***" : "***";
        secret->text = bytes.data;
        secret->length = bytes.length;
    }
    *(apr_array_header_t **)slot = list;
    return SSO_OK;
}

static const char *secret_print(apr_pool_t *pool, const sso_field_t *field, const void *slot)
{
    const apr_array_header_t *list = *(apr_array_header_t *const *)slot;
    const char *text = NULL;
    int i;

    (void)field;
    for (i = 0; list && i < list->nelts; i++)
        text = apr_pstrcat(pool, text ? text : "", text ? " " : "",
                           APR_ARRAY_IDX(list, i, sso_secret_t).spec, NULL);
    return text;
}

/* ---- tables and numbers ---- */

static sso_rc_e table_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                           const char *const *argv, void *slot)
{
    apr_table_t *old = *(apr_table_t **)slot;

    (void)argc;
    if (field->limits && choice_index(field->limits, argv[0]) < 0)
        return choice_refuse(ctx, field->limits, argv[0]);
    if (!*argv[0] || !*argv[1])
        return sso_fail(ctx, SSO_MISCONFIG, 36, "an empty word is not allowed");
    /* a new table: the old one may belong to a record this one was merged from */
    *(apr_table_t **)slot = old ? apr_table_copy(ctx->pool, old) : apr_table_make(ctx->pool, 4);
    apr_table_set(*(apr_table_t **)slot, argv[0], argv[1]);
    return SSO_OK;
}

static const char *table_print(apr_pool_t *pool, const sso_field_t *field, const void *slot)
{
    apr_table_t *table = *(apr_table_t *const *)slot;
    const apr_array_header_t *rows = table ? apr_table_elts(table) : NULL;
    const char *text = NULL;
    int i;

    (void)field;
    for (i = 0; rows && i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        text = apr_pstrcat(pool, text ? text : "", text ? ", " : "", row->key, " ", row->val, NULL);
    }
    return text;
}

static sso_rc_e number_load(sso_ctx_t *ctx, const sso_field_t *field, const json_t *value,
                            void *slot)
{
    (void)field;
    if (!json_is_integer(value))
        return sso_fail(ctx, SSO_BAD_INPUT, 37, "expected a whole number");
    *(apr_int64_t *)slot = json_integer_value(value);
    return SSO_OK;
}

static json_t *number_save(const void *slot)
{
    return json_integer(*(const apr_int64_t *)slot);
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
    sso_kind_SPANS = { "spans", POINTER, 2, 2, 0, spans_read, NULL, NULL, spans_print },
    sso_kind_CHOICE = { "choice", sizeof(int), 1, 1, 0, choice_read, NULL, NULL, choice_print },
    sso_kind_LIST = { "list", POINTER, 1, 0, 0, list_read, list_load, list_save, list_print },
    sso_kind_URLS = { "urls", POINTER, 1, 0, 0, urls_read, NULL, NULL, list_print },
    sso_kind_SECRET = { "secret", POINTER, 1, 0, 0, secret_read, NULL, NULL, secret_print },
    sso_kind_TABLE = { "table", POINTER, 2, 2, 1, table_read, NULL, NULL, table_print },
    sso_kind_NUMBER = { "number", sizeof(apr_int64_t), 1, 1, 0, NULL, number_load, number_save,
                        NULL };
