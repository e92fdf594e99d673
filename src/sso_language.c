/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Catalogues of texts, and which language a browser likes best. What is said is the callers'
 * business.
 */
#include "sso_language.h"

#include "sso_text.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define TAG_MAX   35 /* BCP 47 4.4.1 recommends room for this much */
#define QUALITY_1 1000

/* ---- tags ---- */

/* The length of a tag's or range's next subtag; 0 if there is none. */
static apr_size_t subtag(const char *text, int digits)
{
    apr_size_t n = 0;

    while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z')
           || (digits && text[n] >= '0' && text[n] <= '9'))
        n++;
    return n <= 8 ? n : 0;
}

/* The length of a tag at the beginning of a text; 0 if there is none. */
static apr_size_t tag_length(const char *text)
{
    apr_size_t length = subtag(text, 0), n;

    while (length && text[length] == '-') {
        n = subtag(text + length + 1, 1);
        if (!n || length + 1 + n > TAG_MAX)
            return 0;
        length += 1 + n;
    }
    return length;
}

int sso_language_tag_ok(const char *tag)
{
    apr_size_t length = tag_length(tag);

    return length > 1 && !tag[length];
}

/* ---- catalogues ---- */

typedef struct reader_t {
    sso_ctx_t *ctx;
    const char *name;
    int line;
    const char *english; /* read, and waiting for its translation */
    sso_language_t *language;
    apr_hash_t *own; /* read from this text, not from below */
} reader_t;

static sso_rc_e complain(const reader_t *reader, const char *what)
{
    return sso_fail(reader->ctx, SSO_MISCONFIG, 1274, "%s: line %d: %s", reader->name, reader->line,
                    what);
}

static int count_marks(const char *text)
{
    int count = 0;

    while ((text = strstr(text, "%s"))) {
        count++;
        text += 2;
    }
    return count;
}

static sso_rc_e take_translation(reader_t *reader, const char *text)
{
    if (!reader->english)
        return complain(reader, "a translation ('= ...') without the English text before it");
    if (!*text)
        return complain(reader, "the translation is empty");
    if (count_marks(text) != count_marks(reader->english))
        return complain(reader, "%s has to stand in the translation as often as in the English "
                        "text");
    if (apr_hash_get(reader->own, reader->english, APR_HASH_KEY_STRING))
        return complain(reader, "this English text was here before");
    if (apr_hash_count(reader->own) >= SSO_LANGUAGE_TEXTS_MAX)
        return complain(reader, "there are too many texts");
    apr_hash_set(reader->own, reader->english, APR_HASH_KEY_STRING, text);
    apr_hash_set(reader->language->texts, reader->english, APR_HASH_KEY_STRING, text);
    reader->english = NULL;
    return SSO_OK;
}

static sso_rc_e take_setting(reader_t *reader, const char *line)
{
    if (!strcmp(line, "@direction rtl") || !strcmp(line, "@direction ltr")) {
        reader->language->rtl = line[11] == 'r';
        return SSO_OK;
    }
    return complain(reader, "a line that begins with @ can only be '@direction ltr' or "
                    "'@direction rtl'");
}

static int has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return 1;
    return 0;
}

static sso_rc_e take_line(reader_t *reader, char *line)
{
    apr_size_t length = strlen(line);

    while (length && (line[length - 1] == ' ' || line[length - 1] == '\r'))
        line[--length] = '\0';
    if (!*line || *line == '#')
        return SSO_OK;
    if (has_control(line))
        return complain(reader, "a control character");
    if (*line == '=')
        return take_translation(reader, line + 1 + strspn(line + 1, " "));
    if (reader->english)
        return complain(reader, "the English text before this line has no translation ('= ...')");
    if (*line == '@')
        return take_setting(reader, line);
    if (count_marks(line) > 1)
        return complain(reader, "%s stands more than once in the English text");
    reader->english = line;
    return SSO_OK;
}

sso_rc_e sso_language_read(sso_ctx_t *ctx, const char *name, const char *tag, sso_bytes_t text,
                           const sso_language_t *below, const sso_language_t **language)
{
    sso_language_t *made = apr_pcalloc(ctx->pool, sizeof(*made));
    reader_t reader = { .ctx = ctx, .name = name, .language = made };
    char *copy, *next;

    made->tag = tag;
    made->rtl = below && below->rtl;
    made->texts = below && below->texts ? apr_hash_copy(ctx->pool, below->texts)
                                        : apr_hash_make(ctx->pool);
    reader.own = apr_hash_make(ctx->pool);
    if (text.length > SSO_LANGUAGE_BYTES_MAX)
        return complain(&reader, "the file is over 256 KiB");
    if (memchr(text.data, 0, text.length) || !sso_utf8_ok(text.data, text.length))
        return complain(&reader, "the file is not UTF-8 text");
    copy = apr_pstrmemdup(ctx->pool, text.data, text.length);
    if (!strncmp(copy, "\xef\xbb\xbf", 3)) /* an editor's byte order mark */
        copy += 3;
    for (; copy; copy = next) {
        reader.line++;
        next = strchr(copy, '\n');
        if (next)
            *next++ = '\0';
        SSO_TRY(take_line(&reader, copy));
    }
    if (reader.english)
        return complain(&reader, "the last English text has no translation ('= ...')");
    *language = made;
    return SSO_OK;
}

const char *sso_language_text(const sso_language_t *language, const char *english)
{
    const char *text = language && language->texts
                           ? apr_hash_get(language->texts, english, APR_HASH_KEY_STRING) : NULL;

    return text ? text : english;
}

/* ---- Accept-Language ---- */

typedef struct range_t {
    const char *tag;
    apr_size_t length;
    int quality; /* in thousandths; 0: not wanted */
} range_t;

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* ";q=0.8" (RFC 9110 12.4.2), in thousandths; -1: malformed. */
static int read_quality(const char **p)
{
    int value, unit = 100;
    const char *c = skip_blanks(*p);

    if (*c != ';') {
        *p = c;
        return QUALITY_1;
    }
    c = skip_blanks(c + 1);
    if ((*c != 'q' && *c != 'Q') || c[1] != '=' || (c[2] != '0' && c[2] != '1'))
        return -1;
    value = (c[2] - '0') * QUALITY_1;
    c += 3;
    if (*c == '.')
        for (c++; *c >= '0' && *c <= '9' && unit; c++, unit /= 10)
            value += (*c - '0') * unit;
    *p = skip_blanks(c);
    return value <= QUALITY_1 ? value : -1;
}

/* One element; leaves @a p at the comma after it, or at the end. */
static int read_range(const char **p, range_t *range)
{
    const char *c = skip_blanks(*p);

    range->tag = c;
    range->length = *c == '*' ? 1 : tag_length(c);
    c += range->length;
    range->quality = range->length ? read_quality(&c) : -1;
    if (*c && *c != ',')
        range->quality = -1;
    *p = c + strcspn(c, ",");
    return range->quality >= 0;
}

/* How well a range fits a tag: the length they share as whole subtags; 0: not at all. */
static apr_size_t fit(const range_t *range, const char *tag)
{
    apr_size_t length = strlen(tag), end;

    for (end = range->length; end; end--) {
        if (end != range->length && range->tag[end] != '-')
            continue; /* within a subtag */
        if (end == length && !strncasecmp(range->tag, tag, end))
            return end; /* "de-AT" is served "de" */
        if (end == range->length && end < length && tag[end] == '-'
            && !strncasecmp(range->tag, tag, end))
            return end; /* "pt" is served "pt-BR" */
    }
    return 0;
}

static const sso_language_t *best_fit(const apr_array_header_t *languages, const range_t *range)
{
    const sso_language_t *best = NULL;
    apr_size_t most = 0;
    int i;

    if (*range->tag == '*')
        return APR_ARRAY_IDX(languages, 0, const sso_language_t *);
    for (i = 0; i < languages->nelts; i++) {
        const sso_language_t *language = APR_ARRAY_IDX(languages, i, const sso_language_t *);
        apr_size_t length = fit(range, language->tag);

        /* of equals the one that is spelled like the range comes first */
        if (length > most || (length && length == most && strlen(language->tag) == range->length)) {
            best = language;
            most = length;
        }
    }
    return best;
}

const sso_language_t *sso_language_choose(const apr_array_header_t *languages, const char *accept)
{
    const sso_language_t *chosen = APR_ARRAY_IDX(languages, 0, const sso_language_t *);
    int best = 0, count = 0;

    while (accept && *accept && count++ < SSO_ACCEPT_RANGES_MAX) {
        range_t range;

        if (read_range(&accept, &range) && range.quality > best) {
            const sso_language_t *found = best_fit(languages, &range);

            if (found) {
                chosen = found;
                best = range.quality;
            }
        }
        accept += *accept == ',';
    }
    return chosen;
}
