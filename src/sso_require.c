/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines `Require edxsso-...`: read, and judged.
 */
#include "sso_require.h"

#include "sso_claim_span.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define NAME_MAX_BYTES 256

/* One word of a line. */
typedef struct term_t {
    const char *name;  /* of the claim */
    const char *value; /* NULL: a pattern */
    apr_size_t length; /* of value */
    int truth;         /* the value is the JSON boolean of that name */
    const void *pattern;
} term_t;

typedef struct rule_kind_t rule_kind_t;

struct sso_rule_t {
    const rule_kind_t *kind;
    const sso_matcher_t *matcher;
    const apr_array_header_t *words; /* of const char * */
    const term_t *terms;             /* of edxsso-claim: one for each word */
    const char *scope;               /* of edxsso-scope: the words, joined */
};

struct rule_kind_t {
    const char *name;
    sso_rc_e (*read)(sso_ctx_t *ctx, sso_rule_t *rule);
    int (*judge)(apr_pool_t *pool, const sso_rule_t *rule, const sso_site_t *site,
                 const sso_session_t *session);
};

/* ---- reading */

static sso_rc_e read_nothing(sso_ctx_t *ctx, sso_rule_t *rule)
{
    (void)ctx;
    (void)rule;
    return SSO_OK;
}

/*
 * Where the name of a claim ends: at the first ':' or '~', but not at that of a URL's scheme, which
 * names of claims begin with at some providers (https://example.com/roles:admin), and not behind a
 * backslash. Returns its length in the word, 0: there is no end; @a name is without backslashes.
 */
static apr_size_t read_name(apr_pool_t *pool, const char *word, const char **name)
{
    char *text = apr_palloc(pool, strlen(word) + 1), *out = text;
    apr_size_t i;

    for (i = 0; word[i]; i++) {
        if (word[i] == '\\' && word[i + 1])
            *out++ = word[++i];
        else if (word[i] == '~' || (word[i] == ':' && strncmp(word + i, "://", 3)))
            break;
        else
            *out++ = word[i];
    }
    *out = '\0';
    *name = text;
    return word[i] && *text && strlen(text) <= NAME_MAX_BYTES ? i : 0;
}

static sso_rc_e read_term(sso_ctx_t *ctx, const sso_rule_t *rule, const char *word, term_t *term)
{
    apr_size_t length = read_name(ctx->pool, word, &term->name);
    const char *rest = word + length + 1;

    if (!length || !*rest)
        return sso_fail(ctx, SSO_MISCONFIG, 1161, "'%.200s' is neither name:value nor name~regex "
                        "with something on both sides", word);
    if (word[length] == '~') {
        term->pattern = rule->matcher->compile(ctx->pool, rest);
        return term->pattern ? SSO_OK
                             : sso_fail(ctx, SSO_MISCONFIG, 1162, "'%.200s' is no regular "
                                        "expression", rest);
    }
    term->value = rest;
    term->length = strlen(rest);
    term->truth = !strcmp(rest, "true") || !strcmp(rest, "false");
    return SSO_OK;
}

static sso_rc_e read_claims(sso_ctx_t *ctx, sso_rule_t *rule)
{
    term_t *terms = apr_pcalloc(ctx->pool, (apr_size_t)rule->words->nelts * sizeof(*terms));
    int i;

    for (i = 0; i < rule->words->nelts; i++)
        SSO_TRY(read_term(ctx, rule, APR_ARRAY_IDX(rule->words, i, const char *), &terms[i]));
    rule->terms = terms;
    return SSO_OK;
}

/* What goes into a header must be what RFC 6749 3.3 lets a scope be. */
static sso_rc_e read_scope(sso_ctx_t *ctx, sso_rule_t *rule)
{
    const char *c;

    rule->scope = apr_array_pstrcat(ctx->pool, rule->words, ' ');
    for (c = rule->scope; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e || *c == '"' || *c == '\\')
            return sso_fail(ctx, SSO_MISCONFIG, 1164, "'%.200s' has a character that no scope may "
                            "have (RFC 6749 3.3)", rule->scope);
    return SSO_OK;
}

/* ---- judging */

static int fits(apr_pool_t *pool, const sso_rule_t *rule, const term_t *term, sso_span_t value)
{
    int text = sso_span_is_text(value), number = !text && sso_span_is_number(value);
    apr_size_t length = (apr_size_t)(value.end - value.from);

    if (term->truth)
        return length == term->length && !memcmp(value.from, term->value, length);
    if (term->pattern && text) {
        const char *bytes = sso_span_text(pool, value, &length);

        return rule->matcher->search(term->pattern, bytes, length);
    }
    if (term->pattern)
        return number && rule->matcher->search(term->pattern, value.from, length);
    if (text)
        return sso_span_equals(value, term->value, term->length);
    return number && length == term->length && !memcmp(value.from, term->value, length);
}

static int judge_term(apr_pool_t *pool, const sso_rule_t *rule, const term_t *term,
                      const sso_claims_t *claims)
{
    sso_span_t value, element;
    apr_size_t at = 0;

    if (!sso_span_find(claims, term->name, &value))
        return 0;
    if (*value.from != '[')
        return fits(pool, rule, term, value);
    while (sso_span_next(value, &at, &element))
        if (fits(pool, rule, term, element))
            return 1;
    return 0;
}

static int judge_claims(apr_pool_t *pool, const sso_rule_t *rule, const sso_site_t *site,
                        const sso_session_t *session)
{
    int i;

    (void)site;
    for (i = 0; i < rule->words->nelts; i++)
        if (judge_term(pool, rule, &rule->terms[i], &session->claims))
            return 1;
    return 0;
}

/* Whether a claim is one of these texts, or an array that has one. */
static int has_any(const sso_rule_t *rule, const sso_claims_t *claims, const char *name)
{
    sso_span_t value, element;
    int i;

    if (!sso_span_find(claims, name, &value))
        return 0;
    for (i = 0; i < rule->words->nelts; i++) {
        const char *word = APR_ARRAY_IDX(rule->words, i, const char *);
        apr_size_t length = strlen(word), at = 0;

        if (sso_span_equals(value, word, length))
            return 1;
        while (sso_span_next(value, &at, &element))
            if (sso_span_equals(element, word, length))
                return 1;
    }
    return 0;
}

static int judge_groups(apr_pool_t *pool, const sso_rule_t *rule, const sso_site_t *site,
                        const sso_session_t *session)
{
    (void)pool;
    (void)site;
    return has_any(rule, &session->claims, "groups");
}

static int judge_roles(apr_pool_t *pool, const sso_rule_t *rule, const sso_site_t *site,
                       const sso_session_t *session)
{
    (void)pool;
    (void)site;
    return has_any(rule, &session->claims, "roles");
}

/* A scope among those of a text, which are separated by spaces (RFC 6749 3.3). */
static int in_text(sso_span_t value, const char *scope, apr_size_t length)
{
    const char *at = value.from + 1, *end = value.end - 1;

    while (at < end) {
        const char *space = memchr(at, ' ', (apr_size_t)(end - at));
        const char *stop = space ? space : end;

        if ((apr_size_t)(stop - at) == length && !memcmp(at, scope, length))
            return 1;
        at = stop + 1;
    }
    return 0;
}

/* `scope` is RFC 9068's and RFC 7662's, `scp` Entra's, `scopes` an LMS's. */
static int has_scope(const sso_claims_t *claims, const char *scope)
{
    static const char *const names[] = { "scope", "scp", "scopes" };
    apr_size_t length = strlen(scope);
    unsigned i;

    for (i = 0; i < SSO_COUNT(names); i++) {
        sso_span_t value, element;
        apr_size_t at = 0;

        if (!sso_span_find(claims, names[i], &value))
            continue;
        if (sso_span_is_text(value) && in_text(value, scope, length))
            return 1;
        while (sso_span_next(value, &at, &element))
            if (sso_span_equals(element, scope, length))
                return 1;
    }
    return 0;
}

static int judge_scopes(apr_pool_t *pool, const sso_rule_t *rule, const sso_site_t *site,
                        const sso_session_t *session)
{
    int i;

    (void)pool;
    (void)site;
    for (i = 0; i < rule->words->nelts; i++)
        if (!has_scope(&session->claims, APR_ARRAY_IDX(rule->words, i, const char *)))
            return 0;
    return 1;
}

/* Tenants are Entra's to tell: any other provider could write what it likes into a `tid`. */
static int judge_tenants(apr_pool_t *pool, const sso_rule_t *rule, const sso_site_t *site,
                         const sso_session_t *session)
{
    const sso_provider_t *provider = sso_provider_find(site, session->provider);
    int i;

    (void)pool;
    if (!session->tenant || !provider || provider->kind != &sso_kind_entra)
        return 0;
    for (i = 0; i < rule->words->nelts; i++)
        if (!strcasecmp(APR_ARRAY_IDX(rule->words, i, const char *), session->tenant))
            return 1;
    return 0;
}

static int judge_providers(apr_pool_t *pool, const sso_rule_t *rule, const sso_site_t *site,
                           const sso_session_t *session)
{
    (void)pool;
    (void)site;
    return sso_list_has(rule->words, session->provider);
}

/* ---- the kinds */

static const rule_kind_t kinds[] = {
    { "edxsso-claim", read_claims, judge_claims },
    { "edxsso-scope", read_scope, judge_scopes },
    { "edxsso-group", read_nothing, judge_groups },
    { "edxsso-role", read_nothing, judge_roles },
    { "edxsso-tenant", read_nothing, judge_tenants },
    { "edxsso-provider", read_nothing, judge_providers },
};

const char *sso_rule_name(int n)
{
    return n >= 0 && n < (int)SSO_COUNT(kinds) ? kinds[n].name : NULL;
}

static const rule_kind_t *find_kind(const char *name)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(kinds); i++)
        if (!strcasecmp(kinds[i].name, name))
            return &kinds[i];
    return NULL;
}

sso_rc_e sso_rule_read(sso_ctx_t *ctx, const sso_matcher_t *matcher, const char *name,
                       const apr_array_header_t *words, const sso_rule_t **rule)
{
    sso_rule_t *made = apr_pcalloc(ctx->pool, sizeof(*made));
    int i;

    made->kind = find_kind(name);
    made->matcher = matcher;
    made->words = words;
    if (!made->kind)
        return sso_fail(ctx, SSO_MISCONFIG, 1165, "there is no such line");
    if (!words->nelts)
        return sso_fail(ctx, SSO_MISCONFIG, 1163, "nothing follows it");
    for (i = 0; i < words->nelts; i++)
        if (!*APR_ARRAY_IDX(words, i, const char *))
            return sso_fail(ctx, SSO_MISCONFIG, 1166, "a word is empty");
    SSO_TRY(made->kind->read(ctx, made));
    *rule = made;
    return SSO_OK;
}

int sso_rule_judge(apr_pool_t *pool, const sso_rule_t *rule, const sso_site_t *site,
                   const sso_session_t *session)
{
    return rule->kind->judge(pool, rule, site, session);
}

const char *sso_rule_scope(const sso_rule_t *rule)
{
    return rule->scope;
}

const apr_array_header_t *sso_rule_providers(const sso_rule_t *rule)
{
    return rule->kind->judge == judge_providers ? rule->words : NULL;
}
