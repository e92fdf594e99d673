/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of value a record's field can hold, continued: choices, lists, secrets, tables, and
 * what only JSON has.
 */
#include "sso_value.h"

#include "sso_secret.h"
#include "sso_text.h"

#include <apr_strings.h>
#include <string.h>

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
    near = sso_nearest_say(ctx->pool, word, words);
    choices = words[0];
    for (n = 1; words[n]; n++)
        choices = apr_pstrcat(ctx->pool, choices, words[n + 1] ? ", " : " or ", words[n], NULL);
    return sso_fail(ctx, SSO_MISCONFIG, 32, "'%s' is not %s%s", word, choices, near);
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

/* "off" and "none", where a list knows one of them, as its first word: nothing goes beside it. */
static const char *loner(apr_pool_t *pool, const char *choices)
{
    const char *first = choices ? choice_word(pool, choices, 0) : "";

    return !strcmp(first, "off") || !strcmp(first, "none") ? first : NULL;
}

static sso_rc_e list_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    apr_array_header_t *list = apr_array_make(ctx->pool, argc, sizeof(const char *));
    const char *alone = loner(ctx->pool, field->limits);
    int i;

    for (i = 0; i < argc; i++) {
        int index = field->limits ? choice_index(field->limits, argv[i]) : 0;
        const char *word = field->limits && index >= 0
                               ? choice_word(ctx->pool, field->limits, index)
                               : apr_pstrdup(ctx->pool, argv[i]);

        if (index < 0)
            return choice_refuse(ctx, field->limits, argv[i]);
        if (!*word || strlen(word) > SSO_VALUE_TEXT_MAX)
            return sso_fail(ctx, SSO_MISCONFIG, 33, "an empty or over-long word is not allowed");
        if (!sso_list_has(list, word))
            APR_ARRAY_PUSH(list, const char *) = word;
    }
    if (alone && list->nelts > 1 && sso_list_has(list, alone))
        return sso_fail(ctx, SSO_MISCONFIG, 80, "'%s' stands alone: nothing goes beside it", alone);
    *(apr_array_header_t **)slot = list;
    return SSO_OK;
}

/* One by one: a list drops what it has already, and a certificate may have its key beside it. */
static sso_rc_e files_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                           const char *const *argv, void *slot)
{
    apr_array_header_t *list = apr_array_make(ctx->pool, argc, sizeof(const char *));
    int i;

    for (i = 0; i < argc; i++)
        SSO_TRY(sso_kind_FILE.read(ctx, field, 1, argv + i, &APR_ARRAY_PUSH(list, const char *)));
    *(apr_array_header_t **)slot = list;
    return SSO_OK;
}

/* How many words a syntax such as "claim [regex replacement]" has, up to a character. */
static int words_count(const char *syntax, char end)
{
    int count = 0;

    while (*syntax && *syntax != end) {
        count++;
        syntax += strcspn(syntax, " ");
        syntax += *syntax == ' ';
    }
    return count;
}

static sso_rc_e words_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                           const char *const *argv, void *slot)
{
    apr_array_header_t *list = apr_array_make(ctx->pool, argc, sizeof(const char *));
    int i;

    if (argc != words_count(field->limits, '[') && argc != words_count(field->limits, '\0'))
        return sso_fail(ctx, SSO_MISCONFIG, 1205, "takes %s", field->limits);
    for (i = 0; i < argc; i++) {
        if ((!i && !*argv[i]) || strlen(argv[i]) > SSO_VALUE_TEXT_MAX)
            return sso_fail(ctx, SSO_MISCONFIG, 1206, "an empty or over-long word is not allowed");
        APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(ctx->pool, argv[i]);
    }
    *(apr_array_header_t **)slot = list;
    return SSO_OK;
}

/* As it would be written: what is empty or has a space needs quotes. */
static const char *words_print(apr_pool_t *pool, const sso_field_t *field, const void *slot)
{
    const apr_array_header_t *list = *(apr_array_header_t *const *)slot;
    const char *text = NULL;
    int i;

    (void)field;
    for (i = 0; list && i < list->nelts; i++) {
        const char *word = APR_ARRAY_IDX(list, i, const char *);
        const char *quote = !*word || strchr(word, ' ') ? "\"" : "";

        text = apr_pstrcat(pool, text ? text : "", text ? " " : "", quote, word, quote, NULL);
    }
    return text;
}

static sso_rc_e urls_read(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                          const char *const *argv, void *slot)
{
    int i;

    for (i = 0; i < argc; i++)
        SSO_TRY(sso_value_url(ctx, argv[i]));
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

static sso_rc_e truth_load(sso_ctx_t *ctx, const sso_field_t *field, const json_t *value,
                           void *slot)
{
    (void)field;
    if (!json_is_boolean(value))
        return sso_fail(ctx, SSO_BAD_INPUT, 38, "expected true or false");
    *(int *)slot = json_is_true(value);
    return SSO_OK;
}

#define POINTER sizeof(void *)

const sso_value_kind_t
    sso_kind_CHOICE = { "choice", sizeof(int), 1, 1, 0, choice_read, NULL, NULL, choice_print },
    sso_kind_LIST = { "list", POINTER, 1, 0, 0, list_read, list_load, list_save, list_print },
    sso_kind_FILES = { "files", POINTER, 2, 2, 0, files_read, NULL, NULL, list_print },
    sso_kind_WORDS = { "words", POINTER, 1, 0, 0, words_read, NULL, NULL, words_print },
    sso_kind_URLS = { "urls", POINTER, 1, 0, 0, urls_read, NULL, NULL, list_print },
    sso_kind_SECRET = { "secret", POINTER, 1, 0, 0, secret_read, NULL, NULL, secret_print },
    sso_kind_TABLE = { "table", POINTER, 2, 2, 1, table_read, NULL, NULL, table_print },
    sso_kind_NUMBER = { "number", sizeof(apr_int64_t), 1, 1, 0, NULL, number_load, number_save,
                        NULL },
    sso_kind_TRUTH = { "truth", sizeof(int), 1, 1, 0, NULL, truth_load, NULL, NULL };
