/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from outside, read strictly. What the members mean is the callers' business.
 */
#include "sso_json.h"

#include "sso_json_read.h"

#include <apr_strings.h>
#include <string.h>

#define DIGITS_MAX  19                    /* of an apr_int64_t, without the sign */
#define DOUBLE_EXACT 9007199254740992.0   /* 2^53: up to here a double holds every whole number */

/* Ours, because jansson's own words quote the text, and the text may be a token. */
static const char *complaint(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        return "a member occurs twice";
    case json_error_invalid_utf8:
        return "invalid UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_end_of_input_expected:
        return "something follows the value";
    case json_error_numeric_overflow:
        return "a number is too large";
    default:
        return "not JSON";
    }
}

/*
 * Whether a text nests too deep for jansson to be let near it. As far as jansson would accept the
 * text, strings and brackets are counted exactly as jansson does; where it would stop with a
 * complaint, the count beyond does not matter.
 */
static int too_deep(const char *text, apr_size_t length)
{
    int depth = 0, quoted = 0;
    apr_size_t i;

    for (i = 0; i < length; i++) {
        char c = text[i];

        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
        if (depth > SSO_JSON_DEPTH_MAX)
            return 1;
    }
    return 0;
}

static apr_status_t release(void *value)
{
    json_decref(value);
    return APR_SUCCESS;
}

static sso_rc_e parse(sso_ctx_t *ctx, const char *what, const char *text, apr_size_t length,
                      json_t **out)
{
    json_error_t error;
    json_t *value = sso_json_read(text, length, SSO_JSON_DEPTH_MAX);

    if (!value && too_deep(text, length))
        return sso_fail(ctx, SSO_BAD_INPUT, 115, "%s: JSON nested more than %d deep", what,
                        SSO_JSON_DEPTH_MAX);
    if (!value)
        value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!value)
        return sso_fail(ctx, SSO_BAD_INPUT, 116, "%s: bad JSON: %s (line %d, column %d)", what,
                        complaint(&error), error.line, error.column);
    apr_pool_cleanup_register(ctx->pool, value, release, apr_pool_cleanup_null);
    *out = value;
    return SSO_OK;
}

sso_rc_e sso_json_parse(sso_ctx_t *ctx, const char *what, const char *text, apr_size_t length,
                        json_t **out)
{
    json_t *value;

    SSO_TRY(parse(ctx, what, text, length, &value));
    if (!json_is_object(value))
        return sso_fail(ctx, SSO_BAD_INPUT, 117, "%s: JSON, but not an object", what);
    *out = value;
    return SSO_OK;
}

sso_rc_e sso_json_parse_list(sso_ctx_t *ctx, const char *what, const char *text, apr_size_t length,
                             json_t **out)
{
    json_t *value;

    SSO_TRY(parse(ctx, what, text, length, &value));
    if (!json_is_array(value))
        return sso_fail(ctx, SSO_BAD_INPUT, 118, "%s: JSON, but not an array", what);
    *out = value;
    return SSO_OK;
}

const char *sso_json_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_string_length(value) ? json_string_value(value) : NULL;
}

/* One spelling for each number: no sign but '-', no leading zero, so that "007" is not user 7. */
static int whole_of_text(const char *text, apr_int64_t *out)
{
    const char *digits = text + (*text == '-');
    apr_size_t length = strlen(digits);
    apr_uint64_t limit = (apr_uint64_t)APR_INT64_MAX + (*text == '-'), sum = 0;

    if (!length || length > DIGITS_MAX || strspn(digits, "0123456789") != length
        || (*digits == '0' && strcmp(text, "0") != 0))
        return 0;
    for (; *digits; digits++)
        sum = sum * 10 + (apr_uint64_t)(*digits - '0'); /* 19 digits fit 64 bits */
    if (sum > limit)
        return 0;
    *out = *text == '-' ? (apr_int64_t)(0 - sum) : (apr_int64_t)sum;
    return 1;
}

int sso_json_whole(const json_t *object, const char *name, apr_int64_t *out)
{
    const json_t *value = json_object_get(object, name);
    double real;

    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return 1;
    }
    if (json_is_string(value))
        return whole_of_text(json_string_value(value), out);
    if (!json_is_real(value))
        return 0;
    real = json_real_value(value);
    if (!(real >= -DOUBLE_EXACT && real <= DOUBLE_EXACT) || (double)(apr_int64_t)real != real)
        return 0;
    *out = (apr_int64_t)real;
    return 1;
}

int sso_json_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

int sso_json_has(const json_t *value, const char *text)
{
    const json_t *element;
    apr_size_t i;

    if (json_is_string(value))
        return !strcmp(json_string_value(value), text);
    for (i = 0; i < json_array_size(value); i++) {
        element = json_array_get(value, i);
        if (json_is_string(element) && !strcmp(json_string_value(element), text))
            return 1;
    }
    return 0;
}

const char *sso_json_print(apr_pool_t *pool, const json_t *value)
{
    const apr_size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    apr_size_t length = json_dumpb(value, NULL, 0, flags);
    char *text = apr_pcalloc(pool, length + 1);

    json_dumpb(value, text, length, flags);
    return text;
}
