/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text as protocols have it: base64url, hexadecimal, percent-encoding, forms, UTF-8, names.
 * URLs as such are in sso_url.c, cookies in sso_cookie.c, JSON in sso_json.c.
 */
#include "sso_text.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <string.h>

#define FORM_FIELDS 100 /* more is an attack on whoever walks the table */
#define NEAR_WORD 64    /* no directive, claim or option name is longer */

struct sso_form_t {
    apr_pool_t *pool;
    apr_array_header_t *parts; /* of const char *: name=value, encoded */
};

/* The value of a base64url character, or -1. */
static int b64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

/* RFC 3986 2.3. Not isalnum(): that one depends on the locale. */
static int is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

/*
 * How many bytes the well-formed UTF-8 character at @a p takes, 0 if it is none (RFC 3629 4).
 * Only the second byte of a sequence has bounds of its own: they keep overlong forms, surrogates
 * and what is beyond U+10FFFF out.
 */
static apr_size_t utf8_length(const unsigned char *p, apr_size_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    apr_size_t length, i;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (length > left)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

/* One name or value of a form, decoded; NULL for a broken escape, a NUL or what is not UTF-8. */
static const char *form_decode(apr_pool_t *pool, const char *text, apr_size_t length)
{
    char *out = apr_palloc(pool, length + 1);
    apr_size_t i, n = 0;

    for (i = 0; i < length; i++) {
        if (text[i] == '%') {
            int high = i + 2 < length ? sso_hex_value(text[i + 1]) : -1;
            int low = i + 2 < length ? sso_hex_value(text[i + 2]) : -1;

            if (high < 0 || low < 0 || high + low == 0)
                return NULL;
            out[n++] = (char)(high * 16 + low);
            i += 2;
        }
        else {
            out[n++] = text[i] == '+' ? ' ' : text[i];
        }
    }
    out[n] = '\0';
    return sso_utf8_ok(out, n) ? out : NULL;
}

/*
 * Levenshtein's distance of two texts of less than NEAR_WORD characters each, ignoring case: one
 * row of the matrix, rewritten for every character of @a a.
 */
static apr_size_t edit_distance(const char *a, const char *b)
{
    apr_size_t row[NEAR_WORD], width = strlen(b), i, j;

    for (j = 0; j <= width; j++)
        row[j] = j;
    for (i = 1; *a; a++, i++) {
        apr_size_t diagonal = row[0];

        row[0] = i;
        for (j = 1; j <= width; j++) {
            apr_size_t best = diagonal + (apr_tolower(*a) != apr_tolower(b[j - 1]));

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[width];
}

const char *sso_b64url_encode(apr_pool_t *pool, const void *bytes, apr_size_t length)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *in = bytes;
    char *text = apr_palloc(pool, length / 3 * 4 + 5), *out = text;
    unsigned int held = 0, bits = 0;
    apr_size_t i;

    for (i = 0; i < length; i++) {
        held = (held << 8) | in[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *out++ = digits[(held >> (bits - 6)) & 63];
        held &= 63;
    }
    if (bits)
        *out++ = digits[(held << (6 - bits)) & 63];
    *out = '\0';
    return text;
}

int sso_b64url_decode(apr_pool_t *pool, const char *text, apr_size_t text_length,
                      unsigned char **bytes, apr_size_t *length)
{
    unsigned char *out;
    unsigned int held = 0, bits = 0;
    apr_size_t i, n = 0;

    if (text_length % 4 == 1)
        return 0;
    out = apr_palloc(pool, text_length / 4 * 3 + 4);
    for (i = 0; i < text_length; i++) {
        int value = b64url_value(text[i]);

        if (value < 0)
            return 0;
        held = (held << 6) | (unsigned int)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (unsigned char)(held >> bits);
            held &= (1U << bits) - 1;
        }
    }
    if (held) /* bits that belong to no byte: a second spelling of the same bytes */
        return 0;
    out[n] = '\0';
    *bytes = out;
    *length = n;
    return 1;
}

const char *sso_hex(apr_pool_t *pool, const void *bytes, apr_size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = bytes;
    char *text = apr_palloc(pool, 2 * length + 1);
    apr_size_t i;

    for (i = 0; i < length; i++) {
        text[2 * i] = digits[in[i] >> 4];
        text[2 * i + 1] = digits[in[i] & 15];
    }
    text[2 * length] = '\0';
    return text;
}

int sso_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

const char *sso_pct_encode(apr_pool_t *pool, const char *text)
{
    static const char digits[] = "0123456789ABCDEF"; /* upper case: RFC 3986 2.1 */
    char *encoded = apr_palloc(pool, 3 * strlen(text) + 1), *out = encoded;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (is_unreserved(c)) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    *out = '\0';
    return encoded;
}

int sso_form_parse(apr_pool_t *pool, const char *text, apr_table_t **fields)
{
    apr_table_t *table = apr_table_make(pool, 8);
    int count = 0;

    while (text && *text) {
        apr_size_t length = strcspn(text, "&");
        const char *equals = memchr(text, '=', length);
        apr_size_t name_length = equals ? (apr_size_t)(equals - text) : length;
        const char *name, *value = "";

        if (length) { /* "a=1&&b=2", "&": nothing is between, and nothing is wrong */
            name = form_decode(pool, text, name_length);
            if (equals)
                value = form_decode(pool, equals + 1, length - name_length - 1);
            if (!name || !value || ++count > FORM_FIELDS)
                return 0;
            apr_table_addn(table, name, value);
        }
        text += length;
        text += *text == '&';
    }
    *fields = table;
    return 1;
}

const char *sso_form_one(const apr_table_t *fields, const char *name, int *repeated)
{
    const apr_array_header_t *all = apr_table_elts(fields);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)all->elts;
    const char *value = NULL;
    int i, seen = 0;

    for (i = 0; i < all->nelts; i++) { /* not apr_table_get(): that one ignores case */
        if (!strcmp(entry[i].key, name)) {
            value = entry[i].val;
            seen++;
        }
    }
    if (repeated)
        *repeated = seen > 1;
    return seen == 1 ? value : NULL;
}

sso_form_t *sso_form_make(apr_pool_t *pool)
{
    sso_form_t *form = apr_palloc(pool, sizeof(*form));

    form->pool = pool;
    form->parts = apr_array_make(pool, 12, sizeof(const char *));
    return form;
}

void sso_form_add(sso_form_t *form, const char *name, const char *value)
{
    if (!value)
        return;
    APR_ARRAY_PUSH(form->parts, const char *) =
        apr_pstrcat(form->pool, sso_pct_encode(form->pool, name), "=",
                    sso_pct_encode(form->pool, value), NULL);
}

const char *sso_form_text(sso_form_t *form)
{
    return apr_array_pstrcat(form->pool, form->parts, '&');
}

const char *sso_url_with_query(apr_pool_t *pool, const char *url, const char *form_text)
{
    const char *base = apr_pstrndup(pool, url, strcspn(url, "#"));
    const char *query = strchr(base, '?');
    const char *joint = "?";

    if (!form_text || !*form_text)
        return base;
    if (query)
        joint = query[1] == '\0' || query[strlen(query) - 1] == '&' ? "" : "&";
    return apr_pstrcat(pool, base, joint, form_text, NULL);
}

const char *sso_nearest(const char *text, const char *const *words)
{
    const char *nearest = NULL;
    apr_size_t least = 0;

    if (strlen(text) >= NEAR_WORD)
        return NULL;
    for (; *words; words++) {
        apr_size_t length = strlen(*words), distance;

        if (length >= NEAR_WORD)
            continue;
        distance = edit_distance(text, *words);
        if (3 * distance <= length && (!nearest || distance < least)) {
            nearest = *words;
            least = distance;
        }
    }
    return nearest;
}

int sso_utf8_ok(const char *text, apr_size_t length)
{
    const unsigned char *p = (const unsigned char *)text;

    while (length) {
        apr_size_t step = utf8_length(p, length);

        if (!step)
            return 0;
        p += step;
        length -= step;
    }
    return 1;
}

int sso_same_secret(const char *a, const char *b)
{
    apr_size_t length;

    if (!a || !b)
        return 0;
    length = strlen(a);
    return length == strlen(b) && CRYPTO_memcmp(a, b, length) == 0;
}

const char *sso_html(apr_pool_t *pool, const char *text)
{
    char *escaped = apr_palloc(pool, 6 * strlen(text) + 1), *out = escaped;

    for (; *text; text++) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;

        if (entity) {
            apr_size_t length = strlen(entity);

            memcpy(out, entity, length);
            out += length;
        }
        else {
            *out++ = *text;
        }
    }
    *out = '\0';
    return escaped;
}
