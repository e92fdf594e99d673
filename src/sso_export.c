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

const char *sso_export_header_prefix(apr_pool_t *pool, const char *claim_prefix)
{
    char *prefix = apr_pstrdup(pool, claim_prefix), *c;
    int first = 1;

    for (c = prefix; *c; c++) {
        if (!apr_isalnum(*c))
            *c = '-';
        else
            *c = (char)(first ? apr_toupper(*c) : apr_tolower(*c));
        first = *c == '-';
    }
    return prefix;
}

/* Whether a name, read with '_' and '.' as '-' and in lower case, begins with (or is) a text. */
static int reads_as(const char *name, const char *text, int whole)
{
    for (; *text; text++, name++) {
        char c = *name == '_' || *name == '.' ? '-' : (char)apr_tolower(*name);

        if (c != *text)
            return 0;
    }
    return !whole || !*name;
}

static int reads_as_any(const char *name, const apr_array_header_t *list, int whole)
{
    int i;

    for (i = 0; list && i < list->nelts; i++)
        if (reads_as(name, APR_ARRAY_IDX(list, i, const char *), whole))
            return 1;
    return 0;
}

int sso_export_reserved(const char *name, const apr_array_header_t *prefixes,
                        const apr_array_header_t *names)
{
    return reads_as(name, OWN_PREFIX, 0) || reads_as(name, OWN_NAME, 1)
           || reads_as_any(name, prefixes, 0) || reads_as_any(name, names, 1);
}

/* What one request exports, and to where. */
typedef struct exporter_t {
    sso_ctx_t *ctx;
    const sso_config_t *place;
    const char *header_prefix;
    apr_size_t prefix_length;
    apr_table_t *env, *headers; /* NULL: not wanted */
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

static void export_fixed(const exporter_t *out, const sso_session_t *session)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(fixed); i++) {
        const char *text = *(const char *const *)((const char *)session + fixed[i].offset);

        if (!text && fixed[i].offset == offsetof(sso_session_t, username))
            text = session->remote_user;
        if (!text)
            continue;
        text = clean_text(out->ctx->pool, text);
        if (out->env && fixed[i].variable)
            apr_table_addn(out->env, fixed[i].variable, text);
        if (out->headers)
            put_header(out, fixed[i].header, text, strlen(text));
    }
}

/* Letters and digits of ASCII, whatever the locale; this is the innermost loop of a request. */
static inline int is_alnum(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26 || (unsigned char)(c - '0') < 10;
}

/*
 * A claim's name as a variable and as a header, each after its prefix: what is not a letter or
 * digit becomes '_' or '-', and in a header each word begins with a capital.
 */
static void claim_names(const exporter_t *out, const char *name, apr_size_t length,
                        const char **variable, const char **header)
{
    const char *end = name + length;
    char *v = apr_palloc(out->ctx->pool, 2 * (out->prefix_length + length + 1));
    char *h = v + out->prefix_length + length + 1;
    int capital = 1;

    *variable = memcpy(v, out->place->claim_prefix, out->prefix_length);
    *header = memcpy(h, out->header_prefix, out->prefix_length);
    v += out->prefix_length;
    h += out->prefix_length;
    while (name < end) {
        char c = *name;

        if (is_alnum(c)) {
            *v++ = c;
            *h++ = (char)(capital && c >= 'a' ? c - 0x20 : c);
            capital = 0;
            name++;
        }
        else {
            *v++ = '_';
            *h++ = '-';
            capital = 1;
            name = sso_claim_name_skip(name, end);
        }
    }
    *v = *h = '\0';
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
        *c = (char)apr_tolower(*c);
    for (i = 0; i < rows->nelts;) {
        const char *key = APR_ARRAY_IDX(rows, i, apr_table_entry_t).key;

        if (reads_as(key, lower, 1))
            apr_table_unset(out->headers, key); /* moves the rest up */
        else
            i++;
    }
}

static int wanted(const sso_config_t *place, const sso_claims_t *claims, apr_uint32_t row)
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

    while (other && !wanted(place, claims, other - 1u))
        other = claims->rows[other - 1].winner;
    return other != 0;
}

static void export_claim(const exporter_t *out, const sso_claims_t *claims,
                         const sso_claim_t *claim)
{
    apr_size_t length;
    const char *value = sso_claim_value(out->ctx->pool, claims, claim, out->place->claim_delimiter,
                                        &length);
    const char *variable, *header;

    claim_names(out, claims->text + claim->name_at, claim->name_length, &variable, &header);
    if (out->env)
        apr_table_addn(out->env, variable, value);
    if (out->headers && !out->prefix_length)
        drop_alike(out, header);
    if (out->headers)
        put_header(out, header, value, length);
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
        apr_uint32_t to = claim->value_at + claim->value_length + (claim->type == SSO_CLAIM_STRING);

        if (!wanted(place, claims, i))
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
static void clear_env(const sso_config_t *place, apr_table_t *env)
{
    const apr_array_header_t *rows = apr_table_elts(env);
    apr_size_t length = strlen(place->claim_prefix);
    int i;

    for (i = 0; i < rows->nelts;) {
        const char *key = APR_ARRAY_IDX(rows, i, apr_table_entry_t).key;

        if (!strncasecmp(key, "EDXSSO_", 7)
            || (length && !strncasecmp(key, place->claim_prefix, length)))
            apr_table_unset(env, key); /* moves the rest up */
        else
            i++;
    }
}

void sso_export(sso_ctx_t *ctx, const sso_session_t *session, const sso_config_t *place,
                apr_table_t *env, apr_table_t *headers)
{
    const sso_claims_t *claims = &session->claims;
    exporter_t out = { .ctx = ctx, .place = place };
    /* an empty prefix gives claims the names of anything: only those asked for by name */
    int with_claims = *place->claim_prefix || place->export_claims;
    apr_uint32_t i;

    clear_env(place, env);
    if (place->export == SSO_EXPORT_NONE)
        return;
    out.env = place->export == SSO_EXPORT_HEADERS ? NULL : env;
    out.headers = place->export == SSO_EXPORT_ENV ? NULL : headers;
    out.header_prefix = sso_export_header_prefix(ctx->pool, place->claim_prefix);
    out.prefix_length = strlen(place->claim_prefix);
    export_fixed(&out, session);
    for (i = 0; with_claims && i < claims->count; i++)
        if (wanted(place, claims, i) && !is_outdone(place, claims, i))
            export_claim(&out, claims, &claims->rows[i]);
    if (out.env)
        apr_table_addn(out.env, "EDXSSO_CLAIMS", claims_object(ctx, place, claims));
}
