/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims as stored: written, read, found. They are made in sso_claims_make.c, and get into
 * environment and headers in sso_export.c.
 */
#include "sso_claims.h"

#include "sso_json.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define ALIGN8(n) (((n) + 7) & ~(apr_size_t)7)

typedef struct blob_head_t {
    apr_uint32_t count, default_count, default_length, text_length, shown_length, label_bytes;
} blob_head_t;

int sso_claim_control(const char *c)
{
    unsigned char a = (unsigned char)c[0], b;

    if (a != 0xc2)
        return a < 0x20 || a == 0x7f;
    b = (unsigned char)c[1];
    return b >= 0x80 && b < 0xa0 ? 2 : 0;
}

const char *sso_claim_name_skip(const char *name, const char *end)
{
    if (*name == '\\' && end - name > 1)
        return name + (name[1] == 'u' && end - name > 5 ? 6 : 2);
    for (name++; name < end && ((unsigned char)*name & 0xc0) == 0x80; name++)
        ;
    return name;
}

apr_size_t sso_claims_size(const sso_claims_t *claims)
{
    return ALIGN8(sizeof(blob_head_t) + claims->count * sizeof(sso_claim_t) + claims->text_length
                  + 1 + claims->shown_length + SSO_CLAIMS_SLACK);
}

void sso_claims_write(const sso_claims_t *claims, void *out)
{
    blob_head_t head = { claims->count, claims->default_count, claims->default_length,
                         claims->text_length, claims->shown_length, claims->label_bytes };
    char *at = out;

    memset(out, 0, sso_claims_size(claims));
    memcpy(at, &head, sizeof(head));
    at += sizeof(head);
    memcpy(at, claims->rows, claims->count * sizeof(sso_claim_t));
    at += claims->count * sizeof(sso_claim_t);
    memcpy(at, claims->text, claims->text_length);
    memcpy(at + claims->text_length + 1, claims->shown, claims->shown_length);
}

/* Whether rows follow each other in the text, and in what is shown, as they were written. */
static int rows_hold(const sso_claims_t *claims)
{
    apr_uint64_t at = 0, shown = 0, labels = 0;
    apr_uint32_t i;

    for (i = 0; i < claims->count; i++) {
        const sso_claim_t *row = &claims->rows[i];
        int plain = row->plain, array = row->type == SSO_CLAIM_ARRAY;

        if (row->name_at <= at || row->name_at > claims->text_length || row->winner > claims->count
            || (plain && row->label_length != row->name_length)
            || (array && row->value_length < 2))
            return 0;
        at = (apr_uint64_t)sso_claim_value_at(row) + row->value_length
             + (row->type == SSO_CLAIM_STRING);
        if (i < claims->default_count && at >= claims->default_length)
            return 0;
        labels += row->label_length;
        shown += plain ? row->label_length : 2u * row->label_length;
        if (row->as_is) {
            if (array || row->shown_length != row->value_length)
                return 0;
            continue;
        }
        shown += row->shown_length;
        if (shown >= claims->shown_length || claims->shown[shown++])
            return 0;
    }
    return at <= claims->text_length && shown == claims->shown_length
           && labels == claims->label_bytes;
}

int sso_claims_point(const void *bytes, apr_size_t length, sso_claims_t *claims)
{
    const char *at = bytes;
    blob_head_t head;
    sso_claims_t found;
    apr_size_t rows_bytes;

    if (length < sizeof(head))
        return 0;
    memcpy(&head, bytes, sizeof(head));
    rows_bytes = head.count * sizeof(sso_claim_t);
    if (head.count > SSO_CLAIMS_MAX || head.default_count > head.count
        || head.text_length > SSO_CLAIMS_BYTES_MAX || head.default_length > head.text_length
        || head.shown_length > 4 * SSO_CLAIMS_BYTES_MAX
        || length < sizeof(head) + rows_bytes + head.text_length + 1 + head.shown_length
                        + SSO_CLAIMS_SLACK)
        return 0;
    found.count = head.count;
    found.default_count = head.default_count;
    found.default_length = head.default_length;
    found.text_length = head.text_length;
    found.shown_length = head.shown_length;
    found.label_bytes = head.label_bytes;
    found.rows = (const void *)(at + sizeof(head));
    found.text = at + sizeof(head) + rows_bytes;
    found.shown = found.text + found.text_length + 1;
    if (found.text[found.default_length] || found.text[found.text_length])
        return 0;
    *claims = found;
    return 1;
}

int sso_claims_read(const void *bytes, apr_size_t length, sso_claims_t *claims)
{
    sso_claims_t found;

    if (!sso_claims_point(bytes, length, &found) || !rows_hold(&found))
        return 0;
    *claims = found;
    return 1;
}

/* Decode one character of a JSON text as jansson writes it; a control character is a space. */
static const char *one_character(const char *from, char **out)
{
    int width;

    if (*from == '\\') {
        if (from[1] == 'u') {
            *(*out)++ = ' ';
            return from + 6;
        }
        *(*out)++ = from[1] == '"' || from[1] == '\\' || from[1] == '/' ? from[1] : ' ';
        return from + 2;
    }
    width = sso_claim_control(from);
    *(*out)++ = width ? ' ' : *from;
    return from + (width ? width : 1);
}

/* ["a","b",3] as a,b,3: an element's own delimiter or backslash is escaped by a backslash. */
static char *join_array(apr_pool_t *pool, const char *from, const char *end, const char *delimiter,
                        char *out)
{
    char *element = apr_palloc(pool, (apr_size_t)(end - from)), *c;
    apr_size_t gap = strlen(delimiter);

    for (from++, end--; from < end;) {
        int quoted = *from == '"';

        from += quoted;
        for (c = element; from < end && *from != (quoted ? '"' : ',');)
            from = one_character(from, &c);
        *c = '\0';
        from += quoted;
        for (c = element; *c; *out++ = *c++)
            if (*c == '\\' || (gap && !strncmp(c, delimiter, gap)))
                *out++ = '\\';
        if (from < end) { /* at a comma */
            memcpy(out, delimiter, gap);
            out += gap;
            from++;
        }
    }
    return out;
}

const sso_claim_t *sso_claim_find(const sso_claims_t *claims, const char *name)
{
    apr_size_t length = strlen(name);
    apr_uint32_t i;

    for (i = 0; i < claims->count; i++) {
        const sso_claim_t *row = &claims->rows[i];

        if (row->name_length == length && !memcmp(claims->text + row->name_at, name, length))
            return row;
    }
    return NULL;
}

const char *sso_claim_value(apr_pool_t *pool, const sso_claims_t *claims, const sso_claim_t *claim,
                            const char *delimiter, apr_size_t *length)
{
    const char *from = claims->text + sso_claim_value_at(claim), *end = from + claim->value_length;
    char *out, *text;

    if (claim->as_is) {
        if (length)
            *length = claim->value_length;
        return apr_pstrmemdup(pool, from, claim->value_length);
    }
    /* a byte becomes two (a backslash before it), or a comma the delimiter */
    text = out = apr_palloc(pool, (apr_size_t)claim->value_length * (strlen(delimiter) + 2) + 1);
    if (claim->type == SSO_CLAIM_ARRAY)
        out = join_array(pool, from, end, delimiter, out);
    else if (claim->type == SSO_CLAIM_STRING)
        while (from < end)
            from = one_character(from, &out);
    else
        while (from < end) {
            int width = sso_claim_control(from);

            *out++ = width ? ' ' : *from;
            from += width ? width : 1;
        }
    *out = '\0';
    if (length)
        *length = (apr_size_t)(out - text);
    return text;
}

const json_t *sso_claim_path(const json_t *object, const char *path)
{
    const json_t *found = json_object_get(object, path);
    apr_size_t length = strlen(path);

    while (!found && length) {
        char head[SSO_CLAIM_NAME_MAX + 1];
        const json_t *step;

        if (path[--length] != '.' || length > SSO_CLAIM_NAME_MAX)
            continue;
        memcpy(head, path, length);
        head[length] = '\0';
        step = json_object_get(object, head);
        found = json_is_object(step) ? sso_claim_path(step, path + length + 1) : NULL;
    }
    return found;
}

json_t *sso_claim_json(const sso_claims_t *claims, const char *name)
{
    apr_size_t length = strlen(name);
    apr_uint32_t i;

    for (i = 0; i < claims->count; i++) {
        const sso_claim_t *row = &claims->rows[i];
        int quotes = row->type == SSO_CLAIM_STRING;

        if (row->name_length == length && !memcmp(claims->text + row->name_at, name, length))
            return json_loadb(claims->text + sso_claim_value_at(row) - quotes,
                              row->value_length + (quotes ? 2 : 0), JSON_DECODE_ANY, NULL);
    }
    return NULL;
}
