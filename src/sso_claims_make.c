/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims flattened and rendered, at sign-in. How they are stored and read is in sso_claims.c.
 */
#include "sso_claims.h"

#include "sso_json.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define BITS(n)    ((1u << (n)) - 1) /* of a row's members: what they get is never wider */
#define ROOM_FIRST 2048 /* bytes of text that most people's claims fit into */

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

/* A growing text. */
typedef struct writer_t {
    apr_pool_t *pool;
    char *text;
    apr_size_t used, room, most; /* bytes: written, there, allowed */
} writer_t;

/* Have room for @a size more bytes, and for what goes after the last. Returns 0 over the bound. */
static int make_room(writer_t *writer, apr_size_t size)
{
    apr_size_t room = writer->room;
    char *text;

    if (size > writer->most - writer->used)
        return 0;
    while (room < writer->used + size)
        room *= 2;
    if (room == writer->room)
        return 1;
    text = apr_palloc(writer->pool, room + SSO_CLAIMS_SLACK);
    memcpy(text, writer->text, writer->used);
    writer->text = text;
    writer->room = room;
    return 1;
}

/* As json_dump_callback() wants it: 0 if it went well. */
static int write_dump(const char *buffer, size_t size, void *data)
{
    writer_t *writer = data;

    if (!make_room(writer, size))
        return -1;
    memcpy(writer->text + writer->used, buffer, size);
    writer->used += size;
    return 0;
}

/* Whether JSON has a text as it is: ASCII, and nothing that has to be escaped. */
static int is_verbatim(const char *text, apr_size_t length)
{
    unsigned char wrong = 0;
    apr_size_t i;

    for (i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        wrong |= (unsigned char)(c < 0x20) | (unsigned char)(c >= 0x7f)
                 | (unsigned char)(c == '"') | (unsigned char)(c == '\\');
    }
    return !wrong;
}

static int write_verbatim(writer_t *writer, const char *text, apr_size_t length)
{
    return !write_dump("\"", 1, writer) && !write_dump(text, length, writer)
           && !write_dump("\"", 1, writer);
}

/* Append a value. Most are short plain texts, and jansson asks for each of their bytes. */
static int write_value(writer_t *writer, const json_t *value)
{
    if (json_is_string(value)
        && is_verbatim(json_string_value(value), json_string_length(value)))
        return write_verbatim(writer, json_string_value(value), json_string_length(value));
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        const char *digits = apr_off_t_toa(writer->pool, (apr_off_t)json_integer_value(value));

        return !write_dump(digits, strlen(digits), writer);
    }
    return !json_dump_callback(value, write_dump, writer, JSON_ENCODE_ANY | JSON_COMPACT);
}

static int is_clean(const char *text, apr_size_t length)
{
    apr_size_t i;

    if (is_verbatim(text, length))
        return 1;
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

static int write_name(writer_t *writer, const char *name)
{
    apr_size_t length = strlen(name);
    json_t *text;
    int done;

    if (is_verbatim(name, length))
        return write_verbatim(writer, name, length);
    text = json_string(name);
    done = text && write_value(writer, text);
    json_decref(text);
    return done;
}

/* Append "name":value and fill its row. */
static int write_member(writer_t *writer, const char *name, const json_t *value, sso_claim_t *row)
{
    const apr_uint32_t start = (apr_uint32_t)writer->used;
    apr_uint32_t length;

    if (!write_name(writer, name))
        return 0;
    row->name_at = (start + 1) & BITS(19);
    row->name_length = ((apr_uint32_t)writer->used - start - 2) & BITS(11);
    if (write_dump(":", 1, writer) || !write_value(writer, value))
        return 0;
    row->type = type_of(value) & BITS(2);
    length = (apr_uint32_t)writer->used - sso_claim_value_at(row)
             - (row->type == SSO_CLAIM_STRING);
    row->value_length = length & BITS(19);
    row->as_is = row->type != SSO_CLAIM_ARRAY
                 && is_clean(writer->text + sso_claim_value_at(row), length);
    return 1;
}

/* A letter or digit of ASCII; the locale has no say. */
static int is_alnum(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26 || (unsigned char)(c - '0') < 10;
}

static int plain_name(const char *name, apr_size_t length)
{
    while (length && (is_alnum(*name) || *name == '_'))
        name++, length--;
    return !length;
}

/* One character of a name as exported, in lower case: headers know no other. */
static const char *exported_character(const char *name, const char *end, int *c)
{
    *c = is_alnum(*name) ? apr_tolower(*name) : '_';
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

/* The same for all names that are alike, and rarely for others. */
static apr_uint32_t sum_of(const sso_claims_t *claims, const sso_claim_t *row)
{
    const char *at = claims->text + row->name_at, *end = at + row->name_length;
    apr_uint32_t sum = 0;
    int c;

    while (at < end) {
        at = exported_character(at, end, &c);
        sum = sum * 31 + (apr_uint32_t)c;
    }
    return sum;
}

/* Each row gets the next better of those alike: any of them may be one that is not exported. */
static void settle_names(apr_pool_t *pool, const sso_claims_t *claims, sso_claim_t *rows)
{
    apr_uint32_t *sums = apr_palloc(pool, (claims->count + 1) * sizeof(*sums)), i, k;

    for (i = 0; i < claims->count; i++)
        sums[i] = sum_of(claims, &rows[i]);
    for (i = 0; i < claims->count; i++)
        for (k = 0; k < claims->count; k++)
            if (sums[i] == sums[k] && i != k && alike(claims, &rows[i], &rows[k])
                && beats(claims, &rows[k], &rows[i])
                && (!rows[i].winner || beats(claims, &rows[rows[i].winner - 1], &rows[k])))
                rows[i].winner = (k + 1) & BITS(10);
}

/* One of the two passes: members that are exported by default, or those that are not. */
static sso_rc_e write_pass(sso_ctx_t *ctx, const json_t *object, int by_default, writer_t *writer,
                           sso_claim_t *rows, apr_uint32_t *count)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(apr_uintptr_t)object, name, value) {
        if (json_is_null(value) || strlen(name) > SSO_CLAIM_NAME_MAX || !*name
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

/*
 * A claim's name as a variable and as a header: what is not a letter or digit becomes '_' or '-',
 * and in a header each word begins with a capital. Both have room for the name. Returns the length.
 */
static apr_uint32_t make_labels(const char *name, const char *end, char *variable, char *header)
{
    const char *start = variable;
    int capital = 1;

    while (name < end) {
        char c = *name;

        if (is_alnum(c)) {
            *variable++ = c;
            *header++ = (char)(capital && c >= 'a' ? c - 0x20 : c);
            capital = 0;
            name++;
        }
        else {
            *variable++ = '_';
            *header++ = '-';
            capital = 1;
            name = sso_claim_name_skip(name, end);
        }
    }
    return (apr_uint32_t)(variable - start);
}

/* Render what an app sees: in the order and form in which sso_claim_show() walks it. */
static void render(apr_pool_t *pool, sso_claims_t *claims, sso_claim_t *rows)
{
    const char **values = apr_palloc(pool, (claims->count + 1) * sizeof(*values));
    apr_size_t room = SSO_CLAIMS_SLACK;
    apr_uint32_t i;
    char *at;

    for (i = 0; i < claims->count; i++) {
        apr_size_t length = rows[i].value_length;

        if (!rows[i].as_is)
            values[i] = sso_claim_value(pool, claims, &rows[i], ",", &length);
        rows[i].shown_length = (apr_uint32_t)length & BITS(21);
        room += 2u * rows[i].name_length + length + 1;
    }
    claims->shown = at = apr_pcalloc(pool, room);
    for (i = 0; i < claims->count; i++) {
        const char *name = claims->text + rows[i].name_at, *end = name + rows[i].name_length;
        char *variable = apr_palloc(pool, rows[i].name_length + 1u);

        rows[i].label_length = make_labels(name, end, variable, at) & BITS(9);
        claims->label_bytes += rows[i].label_length;
        at += rows[i].label_length;
        if (plain_name(name, rows[i].name_length)) {
            rows[i].plain = 1;
        }
        else {
            memcpy(at, variable, rows[i].label_length);
            at += rows[i].label_length;
        }
        if (!rows[i].as_is) {
            memcpy(at, values[i], rows[i].shown_length + 1u);
            at += rows[i].shown_length + 1u;
        }
    }
    claims->shown_length = (apr_uint32_t)(at - claims->shown);
}

sso_rc_e sso_claims_flatten(sso_ctx_t *ctx, const json_t *object, sso_claims_t *claims)
{
    apr_size_t most = json_object_size(object);
    sso_claim_t *rows;
    writer_t writer = { .pool = ctx->pool, .room = ROOM_FIRST,
                        .most = SSO_CLAIMS_BYTES_MAX - 4 };
    sso_claims_t made = { 0 };

    if (most > SSO_CLAIMS_MAX)
        most = SSO_CLAIMS_MAX;
    rows = apr_pcalloc(ctx->pool, (most + 1) * sizeof(*rows));
    writer.text = apr_palloc(ctx->pool, writer.room + SSO_CLAIMS_SLACK);
    write_dump("{", 1, &writer);
    SSO_TRY(write_pass(ctx, object, 1, &writer, rows, &made.count));
    made.default_count = made.count;
    writer.most += 2;
    write_dump("}", 2, &writer); /* with its NUL */
    made.default_length = (apr_uint32_t)writer.used - 1;
    SSO_TRY(write_pass(ctx, object, 0, &writer, rows, &made.count));
    memset(writer.text + writer.used, 0, SSO_CLAIMS_SLACK);
    made.text_length = (apr_uint32_t)writer.used;
    made.text = writer.text;
    made.rows = rows;
    render(ctx->pool, &made, rows);
    settle_names(ctx->pool, &made, rows);
    *claims = made;
    return SSO_OK;
}
