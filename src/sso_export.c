/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a session to environment and headers, and back: the names that nobody may bring along.
 */
#include "sso_export.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define OWN_PREFIX  "edxsso-"
#define OWN_NAME    "remote-user"
#define DEFAULT_PREFIX "EDXSSO_CLAIM_"
#define DEFAULT_HEADER "Edxsso-Claim-"

static const struct {
    apr_size_t offset;
    const char *variable, *header; /* NULL: not there */
} fixed[] = {
    { offsetof(sso_session_t, provider), "EDXSSO_PROVIDER", "Edxsso-Provider" },
    { offsetof(sso_session_t, username), "EDXSSO_USERNAME", "Edxsso-Username" },
    { offsetof(sso_session_t, user_id), "EDXSSO_USER_ID", "Edxsso-User-Id" },
    { offsetof(sso_session_t, email), "EDXSSO_EMAIL", "Edxsso-Email" },
    { offsetof(sso_session_t, name), "EDXSSO_NAME", "Edxsso-Name" },
    { offsetof(sso_session_t, tenant), "EDXSSO_TENANT", "Edxsso-Tenant" },
    { offsetof(sso_session_t, remote_id), "EDXSSO_REMOTE_ID", "Edxsso-Remote-Id" },
    { offsetof(sso_session_t, remote_user), NULL, "Remote-User" },
};

static void write_header_prefix(const char *claim_prefix, char *out)
{
    int first = 1;

    for (; *claim_prefix; claim_prefix++, out++) {
        char c = *claim_prefix;

        if (!apr_isalnum(c))
            *out = '-';
        else
            *out = (char)(first ? apr_toupper(c) : apr_tolower(c));
        first = *out == '-';
    }
    *out = '\0';
}

const char *sso_export_header_prefix(apr_pool_t *pool, const char *claim_prefix)
{
    char *prefix = apr_palloc(pool, strlen(claim_prefix) + 1);

    write_header_prefix(claim_prefix, prefix);
    return prefix;
}

/* A header's name is read with '_' and '.' as '-', and without regard to case. */
static char folded(char c)
{
    return c == '_' || c == '.' ? '-' : (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* Whether a name begins with a text, or is it. */
static int reads_as(const char *name, apr_size_t length, const char *text, int whole)
{
    for (; *text; text++, name++, length--)
        if (!length || folded(*name) != *text)
            return 0;
    return !whole || !length;
}

/* ---- names that nobody may bring along ---- */

typedef struct word_t {
    const char *text; /* lower case, '-' between words */
    int whole;
} word_t;

struct sso_reserved_words_t {
    int count;
    word_t words[];
};

static void add_words(sso_reserved_t *reserved, const apr_array_header_t *list, int whole)
{
    int i, c;

    for (i = 0; list && i < list->nelts; i++) {
        word_t *word = &reserved->words->words[reserved->words->count++];

        word->text = APR_ARRAY_IDX(list, i, const char *);
        word->whole = whole;
        for (c = 0; c < 256; c++)
            reserved->begins[c] |= folded((char)c) == *word->text;
    }
}

sso_reserved_t *sso_reserved_make(apr_pool_t *pool, const apr_array_header_t *prefixes,
                                  const apr_array_header_t *names)
{
    sso_reserved_t *made = apr_pcalloc(pool, sizeof(*made));
    int count = 2 + (prefixes ? prefixes->nelts : 0) + (names ? names->nelts : 0);

    made->words = apr_pcalloc(pool, sizeof(*made->words) + (apr_size_t)count * sizeof(word_t));
    add_words(made, sso_words(pool, OWN_PREFIX), 0);
    add_words(made, sso_words(pool, OWN_NAME), 1);
    add_words(made, prefixes, 0);
    add_words(made, names, 1);
    return made;
}

int sso_reserved_among(const sso_reserved_t *reserved, const char *name, apr_size_t length)
{
    const struct sso_reserved_words_t *list = reserved->words;
    int i;

    for (i = 0; i < list->count; i++)
        if (reads_as(name, length, list->words[i].text, list->words[i].whole))
            return 1;
    return 0;
}

/* ---- what a place exports ---- */

/* What one request exports, and to where. */
typedef struct exporter_t {
    sso_ctx_t *ctx;
    const sso_config_t *place;
    char *prefix, *header_prefix; /* with SSO_CLAIMS_SLACK bytes behind them */
    apr_size_t prefix_length;
    apr_table_t *env, *headers; /* NULL: not wanted */
    char *values; /* the claims' text, to be cut into values; NULL: each is copied */
    int commas;   /* arrays are joined as they were at sign-in */
} exporter_t;

/* A header value may have no control characters; a header too long breaks the app's server. */
static void put_header(const exporter_t *out, const char *name, const char *value,
                       apr_size_t length)
{
    if (length <= SSO_HEADER_VALUE_MAX) {
        apr_table_addn(out->headers, name, value);
        return;
    }
    sso_log(out->ctx, SSO_LOG_WARN, 606, "'%.100s' is %d bytes long and left out of the headers; "
            "EdxSSOExportClaims can leave it out altogether", name, (int)length);
}

static const char *clean_text(apr_pool_t *pool, const char *text)
{
    char *copy, *c;
    const char *from;

    for (from = text; *from && !sso_claim_control(from); from++)
        ;
    if (!*from)
        return text;
    c = copy = apr_palloc(pool, strlen(text) + 1);
    for (from = text; *from;) {
        int width = sso_claim_control(from);

        *c++ = width ? ' ' : *from;
        from += width ? width : 1;
    }
    *c = '\0';
    return copy;
}

static const char *text_of(const sso_session_t *session, unsigned i)
{
    const char *text = *(const char *const *)((const char *)session + fixed[i].offset);

    return !text && fixed[i].offset == offsetof(sso_session_t, username) ? session->remote_user
                                                                        : text;
}

int sso_export_plain(const sso_session_t *session)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(fixed); i++) {
        const char *text = text_of(session, i), *c = text;

        while (text && *c && !sso_claim_control(c))
            c++;
        if (text && (*c || c - text > SSO_HEADER_VALUE_MAX))
            return 0;
    }
    return 1;
}

static void export_fixed(const exporter_t *out, const sso_session_t *session)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(fixed); i++) {
        const char *text = text_of(session, i);

        if (!text)
            continue;
        if (!session->plain)
            text = clean_text(out->ctx->pool, text);
        if (out->env && fixed[i].variable)
            apr_table_addn(out->env, fixed[i].variable, text);
        if (out->headers && session->plain)
            apr_table_addn(out->headers, fixed[i].header, text);
        else if (out->headers)
            put_header(out, fixed[i].header, text, strlen(text));
    }
}

/* Most names fit into one register; there are SSO_CLAIMS_SLACK bytes behind both. */
static inline void copy_short(char *to, const char *from, apr_size_t length)
{
    memcpy(to, from, SSO_CLAIMS_SLACK);
    if (length > SSO_CLAIMS_SLACK)
        memcpy(to + SSO_CLAIMS_SLACK, from + SSO_CLAIMS_SLACK, length - SSO_CLAIMS_SLACK);
}

/* Write a name at @a at; returns where the next one goes. */
static inline char *put_name(char *at, const char *prefix, apr_size_t prefix_length,
                             const char *label, apr_size_t length)
{
    copy_short(at, prefix, prefix_length);
    at += prefix_length;
    copy_short(at, label, length);
    at[length] = '\0';
    return at + length + 1;
}

/*
 * Without a prefix a claim's header may have any name: what a client sent by it goes. Those of a
 * .htaccess are not known at start.
 */
static void drop_alike(const exporter_t *out, const char *header)
{
    const apr_array_header_t *rows = apr_table_elts(out->headers);
    char *lower = apr_pstrdup(out->ctx->pool, header), *c;
    int i;

    for (c = lower; *c; c++)
        *c = folded(*c);
    for (i = 0; i < rows->nelts;) {
        const char *key = APR_ARRAY_IDX(rows, i, apr_table_entry_t).key;

        if (reads_as(key, strlen(key), lower, 1))
            apr_table_unset(out->headers, key); /* moves the rest up */
        else
            i++;
    }
}

int sso_export_wanted(const sso_config_t *place, const sso_claims_t *claims, apr_uint32_t row)
{
    const sso_claim_t *claim = &claims->rows[row];
    const char *name = claims->text + claim->name_at;
    int i;

    if (!place->export_claims)
        return row < claims->default_count;
    for (i = 0; i < place->export_claims->nelts; i++) {
        const char *word = APR_ARRAY_IDX(place->export_claims, i, const char *);

        if (!strncmp(word, name, claim->name_length) && !word[claim->name_length])
            return 1;
    }
    return 0;
}

/* Whether a claim that is exported, too, has this one's name and goes before it. */
static int is_outdone(const sso_config_t *place, const sso_claims_t *claims, apr_uint32_t row)
{
    apr_uint16_t other = claims->rows[row].winner;

    while (other && !sso_export_wanted(place, claims, other - 1u))
        other = claims->rows[other - 1].winner;
    return other != 0;
}

/* A value that is not rendered as this place wants it. */
static const char *value_of(const exporter_t *out, const sso_claims_t *claims,
                            const sso_claim_t *claim, apr_size_t *length)
{
    char *value;

    if (!claim->as_is || !out->values)
        return sso_claim_value(out->ctx->pool, claims, claim, out->place->claim_delimiter, length);
    *length = claim->value_length;
    value = out->values + sso_claim_value_at(claim);
    value[claim->value_length] = '\0'; /* over a quote, comma or brace */
    return value;
}

/* Export one claim, with its names at @a at; returns where the next one's go. */
static char *export_claim(const exporter_t *out, const sso_claims_t *claims,
                          const sso_claim_t *claim, const sso_shown_t *shown, char *at)
{
    const apr_size_t prefix_length = out->prefix_length, label_length = claim->label_length;
    apr_size_t length = claim->shown_length;
    const char *value = shown->value;
    char *name = at;

    if (!value || (!out->commas && claim->type == SSO_CLAIM_ARRAY))
        value = value_of(out, claims, claim, &length);
    if (out->env) {
        at = put_name(name, out->prefix, prefix_length, shown->variable, label_length);
        apr_table_addn(out->env, name, value);
    }
    if (!out->headers)
        return at;
    name = at;
    at = put_name(name, out->header_prefix, prefix_length, shown->header, label_length);
    if (!prefix_length)
        drop_alike(out, name);
    if (length <= SSO_HEADER_VALUE_MAX)
        apr_table_addn(out->headers, name, value);
    else
        put_header(out, name, value, length);
    return at;
}

static void export_claims(exporter_t *out, const sso_claims_t *claims)
{
    const sso_config_t *place = out->place;
    const apr_uint32_t count = place->export_claims ? claims->count : claims->default_count;
    apr_pool_t *pool = out->ctx->pool;
    const char *at = claims->shown;
    apr_uint32_t i;
    char *names;

    names = apr_palloc(pool, 2u * (claims->count * (out->prefix_length + 1u) + claims->label_bytes)
                                 + SSO_CLAIMS_SLACK);
    if (!place->export_claims)
        out->values = apr_pmemdup(pool, claims->text, claims->default_length);
    for (i = 0; i < count; i++) {
        const sso_claim_t *claim = &claims->rows[i];
        sso_shown_t shown;

        at = sso_claim_show(claims, claim, at, &shown);
        if ((!place->export_claims || sso_export_wanted(place, claims, i))
            && (!claim->winner || !is_outdone(place, claims, i)))
            names = export_claim(out, claims, claim, &shown, names);
    }
}

/* All exported claims as one object: as stored, or put together from spans of it. */
static const char *claims_object(sso_ctx_t *ctx, const sso_config_t *place,
                                 const sso_claims_t *claims)
{
    char *text, *out;
    apr_uint32_t i;

    if (!place->export_claims)
        return claims->text;
    text = out = apr_palloc(ctx->pool, claims->text_length + claims->count + 3);
    *out++ = '{';
    for (i = 0; i < claims->count; i++) {
        const sso_claim_t *claim = &claims->rows[i];
        apr_uint32_t from = claim->name_at - 1;
        apr_uint32_t to = sso_claim_value_at(claim) + claim->value_length
                          + (claim->type == SSO_CLAIM_STRING);

        if (!sso_export_wanted(place, claims, i))
            continue;
        if (out > text + 1)
            *out++ = ',';
        memcpy(out, claims->text + from, to - from);
        out += to - from;
    }
    *out++ = '}';
    *out = '\0';
    return text;
}

/* SetEnvIf and its like run before us: what they left under our names is not what we say. */
static void clear_env(const sso_config_t *place, apr_size_t prefix_length, apr_table_t *env)
{
    const apr_array_header_t *rows = apr_table_elts(env);
    char first = folded(*place->claim_prefix);
    int i;

    for (i = 0; i < rows->nelts;) {
        const char *key = APR_ARRAY_IDX(rows, i, apr_table_entry_t).key;
        char c = folded(*key);

        if ((c == 'e' && !strncasecmp(key, "EDXSSO_", 7))
            || (c == first && prefix_length
                && !strncasecmp(key, place->claim_prefix, prefix_length)))
            apr_table_unset(env, key); /* moves the rest up */
        else
            i++;
    }
}

void sso_export(sso_ctx_t *ctx, const sso_session_t *session, const sso_config_t *place,
                apr_table_t *env, apr_table_t *headers)
{
    exporter_t out = { .ctx = ctx, .place = place };
    char prefixes[2 * (SSO_CLAIM_PREFIX_MAX + SSO_CLAIMS_SLACK + 1)];

    out.commas = !strcmp(place->claim_delimiter, ",");
    out.prefix_length = strlen(place->claim_prefix);
    clear_env(place, out.prefix_length, env);
    if (place->export == SSO_EXPORT_NONE)
        return;
    out.env = place->export == SSO_EXPORT_HEADERS ? NULL : env;
    out.headers = place->export == SSO_EXPORT_ENV ? NULL : headers;
    export_fixed(&out, session);
    /* an empty prefix gives claims the names of anything: only those asked for by name */
    if (out.prefix_length || place->export_claims) {
        out.prefix = prefixes;
        out.header_prefix = prefixes + sizeof(prefixes) / 2;
        memcpy(out.prefix, place->claim_prefix, out.prefix_length + 1);
        if (!strcmp(place->claim_prefix, DEFAULT_PREFIX)) /* nearly everybody's */
            memcpy(out.header_prefix, DEFAULT_HEADER, sizeof(DEFAULT_HEADER));
        else
            write_header_prefix(place->claim_prefix, out.header_prefix);
        export_claims(&out, &session->claims);
    }
    if (out.env)
        apr_table_addn(out.env, "EDXSSO_CLAIMS", claims_object(ctx, place, &session->claims));
}
