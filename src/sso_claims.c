/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims as stored. How they get into environment and headers is in sso_export.c.
 */
#include "sso_claims.h"

#include "sso_json.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define CLAIM_NAME_MAX 256
#define ALIGN8(n) (((n) + 7) & ~(apr_size_t)7)

typedef struct blob_head_t {
    apr_uint32_t count, default_count, default_length, text_length;
} blob_head_t;

/* What a sign-in needs and an app does not */
static const char *const by_request[] = {
    "aud", "azp", "at_hash", "c_hash", "s_hash", "exp", "iat", "nbf", "jti", "nonce"
};

int sso_claim_by_default(const char *name)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(by_request); i++)
        if (!strcmp(by_request[i], name))
            return 0;
    return 1;
}

/* A growing text; its bound is checked by the caller between members. */
typedef struct writer_t {
    char *text;
    apr_size_t used, room;
} writer_t;

static int write_dump(const char *buffer, size_t size, void *data)
{
    writer_t *writer = data;

    if (size > writer->room - writer->used)
        return -1;
    memcpy(writer->text + writer->used, buffer, size);
    writer->used += size;
    return 0;
}

int sso_claim_control(const char *c)
{
    unsigned char a = (unsigned char)c[0], b;

    if (a != 0xc2)
        return a < 0x20 || a == 0x7f;
    b = (unsigned char)c[1];
    return b >= 0x80 && b < 0xa0 ? 2 : 0;
}

static int is_clean(const char *text, apr_size_t length)
{
    apr_size_t i;

    for (i = 0; i < length; i++)
        if (text[i] == '\\' || sso_claim_control(text + i))
            return 0;
    return 1;
}

static sso_claim_type_e type_of(const json_t *value)
{
    const json_t *item;
    size_t i;

    if (json_is_string(value))
        return SSO_CLAIM_STRING;
    if (json_is_object(value))
        return SSO_CLAIM_JSON;
    if (!json_is_array(value))
        return SSO_CLAIM_LITERAL;
    json_array_foreach(value, i, item) {
        if (json_is_object(item) || json_is_array(item) || json_is_null(item))
            return SSO_CLAIM_JSON;
    }
    return SSO_CLAIM_ARRAY;
}

/* Append "name":value and fill its row. */
static int write_member(writer_t *writer, const char *name, const json_t *value, sso_claim_t *row)
{
    json_t *name_text = json_string(name);
    const apr_size_t start = writer->used;
    int failed = !name_text || json_dump_callback(name_text, write_dump, writer, JSON_ENCODE_ANY);
    apr_size_t quotes;

    json_decref(name_text);
    row->name_at = (apr_uint32_t)(start + 1);
    row->name_length = (apr_uint32_t)(writer->used - start - 2);
    failed = failed || write_dump(":", 1, writer);
    row->value_at = (apr_uint32_t)writer->used;
    failed = failed
             || json_dump_callback(value, write_dump, writer, JSON_ENCODE_ANY | JSON_COMPACT);
    if (failed)
        return 0;
    row->type = (apr_uint16_t)type_of(value);
    quotes = row->type == SSO_CLAIM_STRING;
    row->value_at += (apr_uint32_t)quotes;
    row->value_length = (apr_uint32_t)(writer->used - row->value_at - quotes);
    row->clean = (apr_uint16_t)is_clean(writer->text + row->value_at, row->value_length);
    return 1;
}

static int plain_name(const char *name, apr_size_t length)
{
    while (length && (apr_isalnum(*name) || *name == '_'))
        name++, length--;
    return !length;
}

const char *sso_claim_name_skip(const char *name, const char *end)
{
    if (*name == '\\' && end - name > 1)
        return name + (name[1] == 'u' && end - name > 5 ? 6 : 2);
    for (name++; name < end && ((unsigned char)*name & 0xc0) == 0x80; name++)
        ;
    return name;
}

/* One character of a name as exported, in lower case: headers know no other. */
static const char *exported_character(const char *name, const char *end, int *c)
{
    *c = apr_isalnum(*name) ? apr_tolower(*name) : '_';
    return sso_claim_name_skip(name, end);
}

static int alike(const sso_claims_t *claims, const sso_claim_t *a, const sso_claim_t *b)
{
    const char *from_a = claims->text + a->name_at, *end_a = from_a + a->name_length;
    const char *from_b = claims->text + b->name_at, *end_b = from_b + b->name_length;

    while (from_a < end_a && from_b < end_b) {
        int c, d;

        from_a = exported_character(from_a, end_a, &c);
        from_b = exported_character(from_b, end_b, &d);
        if (c != d)
            return 0;
    }
    return from_a == end_a && from_b == end_b;
}

/*
 * Of two claims whose exported names come out alike, one that needed no change wins, else byte
 * order.
 */
static int beats(const sso_claims_t *claims, const sso_claim_t *a, const sso_claim_t *b)
{
    const char *name_a = claims->text + a->name_at, *name_b = claims->text + b->name_at;
    int plain_a = plain_name(name_a, a->name_length), plain_b = plain_name(name_b, b->name_length);

    apr_size_t shorter = a->name_length < b->name_length ? a->name_length : b->name_length;
    int order = memcmp(name_a, name_b, shorter);

    if (plain_a != plain_b)
        return plain_a;
    return order ? order < 0 : a->name_length < b->name_length;
}

/* Each row gets the next better of those alike: any of them may be one that is not exported. */
static void settle_names(const sso_claims_t *claims, sso_claim_t *rows)
{
    apr_uint32_t i, k;

    for (i = 0; i < claims->count; i++)
        for (k = 0; k < claims->count; k++)
            if (i != k && alike(claims, &rows[i], &rows[k]) && beats(claims, &rows[k], &rows[i])
                && (!rows[i].winner || beats(claims, &rows[rows[i].winner - 1], &rows[k])))
                rows[i].winner = (apr_uint16_t)(k + 1);
}

/* One of the two passes: members that are exported by default, or those that are not. */
static sso_rc_e write_pass(sso_ctx_t *ctx, const json_t *object, int by_default, writer_t *writer,
                           sso_claim_t *rows, apr_uint32_t *count)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(apr_uintptr_t)object, name, value) {
        if (json_is_null(value) || strlen(name) > CLAIM_NAME_MAX || !*name
            || sso_claim_by_default(name) != by_default)
            continue;
        if (*count == SSO_CLAIMS_MAX)
            return sso_fail(ctx, SSO_UPSTREAM, 600, "over %d claims", SSO_CLAIMS_MAX);
        if ((by_default && *count && write_dump(",", 1, writer))
            || !write_member(writer, name, value, &rows[*count]))
            return sso_fail(ctx, SSO_UPSTREAM, 601, "over %d KiB of claims",
                            SSO_CLAIMS_BYTES_MAX / 1024);
        ++*count;
    }
    return SSO_OK;
}

sso_rc_e sso_claims_flatten(sso_ctx_t *ctx, const json_t *object, sso_claims_t *claims)
{
    sso_claim_t *rows = apr_pcalloc(ctx->pool, SSO_CLAIMS_MAX * sizeof(*rows));
    writer_t writer = { apr_palloc(ctx->pool, SSO_CLAIMS_BYTES_MAX), 0, SSO_CLAIMS_BYTES_MAX - 4 };
    sso_claims_t made = { 0 };

    write_dump("{", 1, &writer);
    SSO_TRY(write_pass(ctx, object, 1, &writer, rows, &made.count));
    made.default_count = made.count;
    writer.room += 2;
    write_dump("}", 2, &writer); /* with its NUL */
    made.default_length = (apr_uint32_t)writer.used - 1;
    SSO_TRY(write_pass(ctx, object, 0, &writer, rows, &made.count));
    writer.text[writer.used] = '\0';
    made.text_length = (apr_uint32_t)writer.used;
    made.text = writer.text;
    made.rows = rows;
    settle_names(&made, rows);
    *claims = made;
    return SSO_OK;
}

apr_size_t sso_claims_size(const sso_claims_t *claims)
{
    return ALIGN8(sizeof(blob_head_t) + claims->count * sizeof(sso_claim_t) + claims->text_length
                  + 1);
}

void sso_claims_write(const sso_claims_t *claims, void *out)
{
    blob_head_t head = { claims->count, claims->default_count, claims->default_length,
                         claims->text_length };
    char *at = out;

    memset(out, 0, sso_claims_size(claims));
    memcpy(at, &head, sizeof(head));
    at += sizeof(head);
    memcpy(at, claims->rows, claims->count * sizeof(sso_claim_t));
    memcpy(at + claims->count * sizeof(sso_claim_t), claims->text, claims->text_length);
}

/* Whether rows follow each other in the text, as they were written. */
static int rows_hold(const sso_claims_t *claims)
{
    apr_size_t at = 0;
    apr_uint32_t i;

    for (i = 0; i < claims->count; i++) {
        const sso_claim_t *row = &claims->rows[i];
        apr_size_t name_end = (apr_size_t)row->name_at + row->name_length;
        apr_size_t end = (apr_size_t)row->value_at + row->value_length
                         + (row->type == SSO_CLAIM_STRING);

        if (row->name_at <= at || row->value_at <= name_end || end > claims->text_length
            || (row->type == SSO_CLAIM_ARRAY && row->value_length < 2)
            || row->winner > claims->count)
            return 0;
        at = end;
    }
    return 1;
}

int sso_claims_read(const void *bytes, apr_size_t length, sso_claims_t *claims)
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
        || length < sizeof(head) + rows_bytes + head.text_length + 1)
        return 0;
    found.count = head.count;
    found.default_count = head.default_count;
    found.default_length = head.default_length;
    found.text_length = head.text_length;
    found.rows = (const void *)(at + sizeof(head));
    found.text = at + sizeof(head) + rows_bytes;
    if (found.text[found.default_length] || found.text[found.text_length] || !rows_hold(&found))
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
    const char *from = claims->text + claim->value_at, *end = from + claim->value_length;
    char *out, *text;

    if (claim->clean && claim->type != SSO_CLAIM_ARRAY) {
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
        char head[CLAIM_NAME_MAX + 1];
        const json_t *step;

        if (path[--length] != '.' || length > CLAIM_NAME_MAX)
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
            return json_loadb(claims->text + row->value_at - quotes,
                              row->value_length + (quotes ? 2 : 0), JSON_DECODE_ANY, NULL);
    }
    return NULL;
}
