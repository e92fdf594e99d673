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

#define FORM_ROOM 1024  /* of a form at first; it grows */

struct sso_form_t {
    apr_pool_t *pool;
    char *text; /* ends in a NUL */
    apr_size_t used, room;
};

/*
 * What a character is: 64 and its value in base64url, or 128 for what is unreserved besides: RFC
 * 3986 2.3 has the alphabet of base64url and these two. Not isalnum(), which depends on the locale.
 */
static const unsigned char kinds[256] = {
    ['A'] = 64, ['B'] = 65, ['C'] = 66, ['D'] = 67, ['E'] = 68, ['F'] = 69, ['G'] = 70,
    ['H'] = 71, ['I'] = 72, ['J'] = 73, ['K'] = 74, ['L'] = 75, ['M'] = 76, ['N'] = 77,
    ['O'] = 78, ['P'] = 79, ['Q'] = 80, ['R'] = 81, ['S'] = 82, ['T'] = 83, ['U'] = 84,
    ['V'] = 85, ['W'] = 86, ['X'] = 87, ['Y'] = 88, ['Z'] = 89, ['a'] = 90, ['b'] = 91,
    ['c'] = 92, ['d'] = 93, ['e'] = 94, ['f'] = 95, ['g'] = 96, ['h'] = 97, ['i'] = 98,
    ['j'] = 99, ['k'] = 100, ['l'] = 101, ['m'] = 102, ['n'] = 103, ['o'] = 104, ['p'] = 105,
    ['q'] = 106, ['r'] = 107, ['s'] = 108, ['t'] = 109, ['u'] = 110, ['v'] = 111, ['w'] = 112,
    ['x'] = 113, ['y'] = 114, ['z'] = 115, ['0'] = 116, ['1'] = 117, ['2'] = 118, ['3'] = 119,
    ['4'] = 120, ['5'] = 121, ['6'] = 122, ['7'] = 123, ['8'] = 124, ['9'] = 125, ['-'] = 126,
    ['_'] = 127,
    ['.'] = 128, ['~'] = 128
};

static unsigned kind(char c)
{
    return kinds[(unsigned char)c];
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
 * The distance of two texts of less than NEAR_WORD characters each, ignoring case: characters that
 * are missing, too many or others, and neighbours that changed places (Damerau and Levenshtein).
 * The matrix's last three rows.
 */
static apr_size_t edit_distance(const char *a, const char *b)
{
    apr_size_t rows[3][NEAR_WORD], width = strlen(b), i, j;

    for (j = 0; j <= width; j++)
        rows[0][j] = j;
    for (i = 1; a[i - 1]; i++) {
        apr_size_t *row = rows[i % 3];
        const apr_size_t *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        int c = apr_tolower(a[i - 1]);

        row[0] = i;
        for (j = 1; j <= width; j++) {
            apr_size_t best = above[j - 1] + (c != apr_tolower(b[j - 1]));

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && c == apr_tolower(b[j - 2])
                && apr_tolower(a[i - 2]) == apr_tolower(b[j - 1]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[(i - 1) % 3][width];
}

const char *sso_b64url_encode(apr_pool_t *pool, const void *bytes, apr_size_t length)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *in = bytes;
    char *text = apr_palloc(pool, length / 3 * 4 + 5), *out = text;

    for (; length >= 3; length -= 3, in += 3, out += 4) {
        out[0] = digits[in[0] >> 2];
        out[1] = digits[(in[0] << 4 | in[1] >> 4) & 63];
        out[2] = digits[(in[1] << 2 | in[2] >> 6) & 63];
        out[3] = digits[in[2] & 63];
    }
    if (length) {
        unsigned second = length == 2 ? in[1] : 0;

        *out++ = digits[in[0] >> 2];
        *out++ = digits[(in[0] << 4 | second >> 4) & 63];
        if (length == 2)
            *out++ = digits[second << 2 & 63];
    }
    *out = '\0';
    return text;
}

int sso_b64url_decode(apr_pool_t *pool, const char *text, apr_size_t text_length,
                      unsigned char **bytes, apr_size_t *length)
{
    unsigned char *made, *out;
    unsigned held, valid = 64;

    if (text_length % 4 == 1)
        return 0;
    made = out = apr_palloc(pool, text_length / 4 * 3 + 4);
    for (; text_length >= 4; text_length -= 4, text += 4) {
        unsigned a = kind(text[0]), b = kind(text[1]), c = kind(text[2]), d = kind(text[3]);

        valid &= a & b & c & d;
        held = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63);
        *out++ = (unsigned char)(held >> 16);
        *out++ = (unsigned char)(held >> 8);
        *out++ = (unsigned char)held;
    }
    if (text_length) {
        unsigned a = kind(text[0]), b = kind(text[1]), c = text_length == 3 ? kind(text[2]) : 64;

        valid &= a & b & c;
        held = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6;
        *out++ = (unsigned char)(held >> 16);
        if (text_length == 3)
            *out++ = (unsigned char)(held >> 8);
        /* bits that belong to no byte: a second spelling of the same bytes */
        if (held & (text_length == 3 ? 0xffu : 0xffffu))
            return 0;
    }
    if (!valid)
        return 0;
    *out = '\0';
    *bytes = made;
    *length = (apr_size_t)(out - made);
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

/* Append a text to what ends at @a out, which has room for three times its length. */
static char *pct_append(char *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF"; /* upper case: RFC 3986 2.1 */

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (kinds[c]) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    return out;
}

const char *sso_pct_encode(apr_pool_t *pool, const char *text)
{
    char *encoded = apr_palloc(pool, 3 * strlen(text) + 1);

    *pct_append(encoded, text) = '\0';
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
    form->room = FORM_ROOM;
    form->text = apr_palloc(pool, FORM_ROOM);
    form->used = 0;
    *form->text = '\0';
    return form;
}

/* Where the next field goes, after a '&'; at most @a length bytes and a NUL. */
static char *next_field(sso_form_t *form, apr_size_t length)
{
    apr_size_t needed = form->used + length + 2;

    if (needed > form->room) {
        char *larger = apr_palloc(form->pool, 2 * needed);

        memcpy(larger, form->text, form->used);
        form->text = larger;
        form->room = 2 * needed;
    }
    if (form->used)
        form->text[form->used++] = '&';
    return form->text + form->used;
}

static void end_field(sso_form_t *form, char *end)
{
    *end = '\0';
    form->used = (apr_size_t)(end - form->text);
}

void sso_form_add(sso_form_t *form, const char *name, const char *value)
{
    char *out;

    if (!value)
        return;
    out = next_field(form, 3 * (strlen(name) + strlen(value)) + 1);
    out = pct_append(out, name);
    *out++ = '=';
    end_field(form, pct_append(out, value));
}

/* @a name is encoded */
static int has_field(const sso_form_t *form, const char *name, apr_size_t length)
{
    const char *field = form->text;

    while (field && (strncmp(field, name, length) || field[length] != '=')) {
        field = strchr(field, '&');
        field = field ? field + 1 : NULL;
    }
    return field != NULL;
}

int sso_form_has(const sso_form_t *form, const char *name)
{
    const char *encoded = sso_pct_encode(form->pool, name);

    return has_field(form, encoded, strlen(encoded));
}

void sso_form_join(sso_form_t *form, const char *text)
{
    apr_size_t length;

    for (; *text; text += length + (text[length] == '&')) {
        length = strcspn(text, "&");
        if (!has_field(form, text, strcspn(text, "=&"))) {
            char *out = next_field(form, length);

            memcpy(out, text, length);
            end_field(form, out + length);
        }
    }
}

const char *sso_form_text(sso_form_t *form)
{
    return form->text;
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

const char *sso_nearest_say(apr_pool_t *pool, const char *text, const char *const *words)
{
    const char *near = sso_nearest(text, words);

    return near ? apr_pstrcat(pool, " (did you mean '", near, "'?)", NULL) : "";
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
