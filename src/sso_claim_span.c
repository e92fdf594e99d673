/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking through claims without parsing them.
 */
#include "sso_claim_span.h"

#include "sso_text.h"

#include <string.h>

/* ---- strings */

int sso_span_is_text(sso_span_t value)
{
    return value.end - value.from >= 2 && *value.from == '"' && value.end[-1] == '"';
}

int sso_span_is_number(sso_span_t value)
{
    return value.from < value.end
           && (*value.from == '-' || (*value.from >= '0' && *value.from <= '9'));
}

/* One byte of a string as jansson writes it: all but quotes, backslashes, C0 stands for itself. */
static int next_byte(const char **at, const char *end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *c = *at, *found;

    if (*c != '\\' || end - c < 2) {
        *at = c + 1;
        return (unsigned char)*c;
    }
    *at = c + 2;
    if (c[1] == 'u' && end - c >= 6) {
        int high = sso_hex_value(c[4]), low = sso_hex_value(c[5]);

        *at = c + 6;
        return c[2] == '0' && c[3] == '0' && high >= 0 && low >= 0 ? high * 16 + low : -1;
    }
    found = c[1] ? strchr(from, c[1]) : NULL;
    return found ? (unsigned char)to[found - from] : (unsigned char)c[1];
}

static int same(const char *from, const char *end, const char *text, apr_size_t length)
{
    apr_size_t i;

    if ((apr_size_t)(end - from) < length) /* an escape is never shorter than what it stands for */
        return 0;
    for (i = 0; i < length && from < end; i++)
        if (next_byte(&from, end) != (unsigned char)text[i])
            return 0;
    return i == length && from == end;
}

int sso_span_equals(sso_span_t value, const char *text, apr_size_t length)
{
    return sso_span_is_text(value) && same(value.from + 1, value.end - 1, text, length);
}

const char *sso_span_text(apr_pool_t *pool, sso_span_t value, apr_size_t *length)
{
    const char *from = value.from + 1, *end = value.end - 1;
    char *text, *out;

    if (!memchr(from, '\\', (apr_size_t)(end - from))) {
        *length = (apr_size_t)(end - from);
        return from;
    }
    text = out = apr_palloc(pool, (apr_size_t)(end - from) + 1);
    while (from < end)
        *out++ = (char)next_byte(&from, end);
    *out = '\0';
    *length = (apr_size_t)(out - text);
    return text;
}

/* ---- structure */

/* Past the quote that ends a string; @a at is at the one that begins it. */
static const char *skip_text(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at < end ? at + 1 : end;
}

/* Past a value. */
static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;

    while (at < end) {
        if (*at == '"')
            at = skip_text(at, end);
        else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        }
        else if (*at == '}' || *at == ']') {
            if (!depth) /* of what the value stands in */
                return at;
            depth--;
            at++;
        }
        else if (!depth && *at == ',')
            return at;
        else
            at++;
        if (!depth && at < end && (*at == ',' || *at == '}' || *at == ']'))
            return at;
    }
    return end;
}

int sso_span_next(sso_span_t array, apr_size_t *at, sso_span_t *element)
{
    const char *from = array.from + (*at ? *at : 1), *end = array.end - 1;

    if (array.end - array.from < 2 || *array.from != '[' || from >= end)
        return 0;
    if (*from == ',')
        from++;
    element->from = from;
    element->end = skip_value(from, end);
    *at = (apr_size_t)(element->end - array.from);
    return element->end > element->from;
}

static int member_of(sso_span_t object, const char *name, apr_size_t length, sso_span_t *value)
{
    const char *at = object.from + 1, *end = object.end - 1;

    if (object.end - object.from < 2 || *object.from != '{')
        return 0;
    while (at < end && *at == '"') {
        const char *name_at = at + 1, *name_end;

        at = skip_text(at, end);
        name_end = at - 1;
        if (at >= end || *at != ':')
            return 0;
        value->from = ++at;
        value->end = at = skip_value(at, end);
        if (same(name_at, name_end, name, length))
            return 1;
        if (at < end && *at == ',')
            at++;
    }
    return 0;
}

/* ---- names and paths */

static int row_of(const sso_claims_t *claims, const char *name, apr_size_t length,
                  sso_span_t *value)
{
    apr_uint32_t i;

    for (i = 0; i < claims->count; i++) {
        const sso_claim_t *row = &claims->rows[i];
        const char *own = claims->text + row->name_at;
        int quoted = row->type == SSO_CLAIM_STRING;

        if (!same(own, own + row->name_length, name, length))
            continue;
        value->from = claims->text + sso_claim_value_at(row) - quoted;
        value->end = claims->text + sso_claim_value_at(row) + row->value_length + quoted;
        return 1;
    }
    return 0;
}

/* The longest head of a path that names a member goes before shorter ones, at each step. */
static int path_in(sso_span_t object, const char *path, sso_span_t *value)
{
    apr_size_t length = strlen(path);
    sso_span_t step;

    if (member_of(object, path, length, value))
        return 1;
    while (length)
        if (path[--length] == '.' && member_of(object, path, length, &step)
            && *step.from == '{' && path_in(step, path + length + 1, value))
            return 1;
    return 0;
}

int sso_span_find(const sso_claims_t *claims, const char *path, sso_span_t *value)
{
    apr_size_t length = strlen(path);
    sso_span_t step;

    if (row_of(claims, path, length, value))
        return 1;
    while (length)
        if (path[--length] == '.' && row_of(claims, path, length, &step)
            && *step.from == '{' && path_in(step, path + length + 1, value))
            return 1;
    return 0;
}
