/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about claims, as a section states them. What a session keeps is sso_session.c's.
 */
#include "sso_user.h"

#include "sso_claims.h"
#include "sso_json.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

/* What an LMS says of its staff. An app that reads "true" gives rights: only a boolean counts. */
static const char *const flags[] = { "administrator", "superuser" };

const char *sso_user_text(sso_ctx_t *ctx, const json_t *claims, const char *name)
{
    const json_t *value = sso_claim_path(claims, name);

    if (json_is_string(value))
        return json_string_length(value) ? json_string_value(value) : NULL;
    return json_is_integer(value)
               ? apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                              (apr_int64_t)json_integer_value(value))
               : NULL;
}

void sso_user_lacks(sso_ctx_t *ctx, const char *names, const char *words)
{
    ctx->err.detail = names;
    ctx->err.say.text = SSO_T("What is missing: %s.");
    ctx->err.say.value = words;
}

/* Claims to change: the values stay the same ones. */
static json_t *own(json_t *mapped, const json_t *claims)
{
    json_t *copy;

    if (mapped != claims)
        return mapped;
    copy = json_copy(mapped);
    json_decref(mapped);
    return copy;
}

json_t *sso_user_map(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims)
{
    const apr_array_header_t *rows = provider->config->claim_map
                                         ? apr_table_elts(provider->config->claim_map) : NULL;
    json_t *mapped = json_incref((json_t *)(apr_uintptr_t)claims);
    int i;

    for (i = 0; rows && i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);
        const json_t *found = sso_claim_path(mapped, row->val);

        if (!found)
            continue;
        mapped = own(mapped, claims);
        json_object_set(mapped, row->key, (json_t *)(apr_uintptr_t)found);
    }
    for (i = 0; provider->kind == &sso_kind_edx && i < (int)SSO_COUNT(flags); i++) {
        const json_t *flag = json_object_get(mapped, flags[i]);

        if (!flag || json_is_boolean(flag) || json_is_null(flag))
            continue;
        sso_log(ctx, SSO_LOG_WARN, 1251, "%s: the claim '%s' is not true or false, and left out",
                provider->name, flags[i]);
        mapped = own(mapped, claims);
        json_object_del(mapped, flags[i]);
    }
    return mapped;
}

int sso_user_control(const char *text)
{
    while (*text && !sso_claim_control(text))
        text++;
    return *text != '\0';
}

/* A replacement: $0 to $9 are what the pattern found; a backslash takes that meaning away. */
static const char *expand(apr_pool_t *pool, const char *replacement, const char *text,
                          const sso_match_t *found)
{
    const char *c, *out = "";

    for (c = replacement; *c; c++) {
        if (*c == '$' && apr_isdigit(c[1])) {
            const sso_match_t *span = &found[*++c - '0'];

            out = apr_pstrcat(pool, out, apr_pstrmemdup(pool, text + span->from,
                                                        span->to - span->from), NULL);
            continue;
        }
        if (*c == '\\' && c[1])
            c++;
        out = apr_pstrcat(pool, out, apr_pstrmemdup(pool, c, 1), NULL);
    }
    return out;
}

/* What the pattern found is replaced; what stands around it stays. */
static sso_rc_e replace(sso_ctx_t *ctx, const apr_array_header_t *words, const char *text,
                        const char **name)
{
    const char *pattern = APR_ARRAY_IDX(words, 1, const char *);
    sso_match_t found[SSO_MATCHES] = { { 0, 0 } };

    if (strlen(text) > SSO_USER_SEARCH_MAX || !ctx->ports || !ctx->ports->search
        || !ctx->ports->search(pattern, text, found))
        return SSO_ABSENT;
    *name = apr_pstrcat(ctx->pool, apr_pstrmemdup(ctx->pool, text, found[0].from),
                        expand(ctx->pool, APR_ARRAY_IDX(words, 2, const char *), text, found),
                        text + found[0].to, NULL);
    return **name ? SSO_OK : SSO_ABSENT;
}

sso_rc_e sso_user_name(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims,
                       const char **name)
{
    const apr_array_header_t *words = provider->config->remote_user;
    const char *claim = words ? APR_ARRAY_IDX(words, 0, const char *)
                              : provider->kind->user_id_claims[0];
    const char *text = words ? sso_user_text(ctx, claims, claim)
                             : provider->kind->user(ctx, claims);

    if (!text) {
        sso_user_lacks(ctx, claim, claim);
        return sso_fail(ctx, SSO_DENIED, 602, "the claim '%s', which is to become the user name "
                        "(EdxSSORemoteUser), is missing or not a text", claim);
    }
    if (sso_user_control(text))
        return sso_fail(ctx, SSO_BAD_INPUT, 603, "the claim '%s' has control characters: it cannot "
                        "be a user name", claim);
    if (words && words->nelts > 1 && replace(ctx, words, text, &text) != SSO_OK) {
        sso_user_lacks(ctx, claim, claim);
        return sso_fail(ctx, SSO_DENIED, 1250, "the claim '%s', which is to become the user name, "
                        "is '%.128s': '%.128s' does not match it, or leaves nothing of it "
                        "(EdxSSORemoteUser)", claim, text, APR_ARRAY_IDX(words, 1, const char *));
    }
    /* patterns go by bytes, and may leave half a character */
    if (!sso_utf8_ok(text, strlen(text)) || sso_user_control(text))
        return sso_fail(ctx, SSO_BAD_INPUT, 1390, "what EdxSSORemoteUser makes of the claim '%s' "
                        "is no UTF-8, or has control characters: it cannot be a user name", claim);
    *name = text;
    return SSO_OK;
}

static int is_there(const json_t *value)
{
    return value && !json_is_null(value) && (!json_is_string(value) || json_string_length(value));
}

sso_rc_e sso_user_require(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims)
{
    const apr_array_header_t *required = provider->config->require_claim;
    const char *missing = NULL, *words = NULL;
    int i;

    for (i = 0; required && i < required->nelts; i++) {
        const char *name = APR_ARRAY_IDX(required, i, const char *);

        if (is_there(sso_claim_path(claims, name)))
            continue;
        words = missing ? apr_pstrcat(ctx->pool, words, ", ", name, NULL) : name;
        missing = missing ? apr_pstrcat(ctx->pool, missing, ",", name, NULL) : name;
    }
    if (!missing)
        return SSO_OK;
    sso_user_lacks(ctx, missing, words);
    return sso_fail(ctx, SSO_DENIED, 604, "the claim '%s' is missing (EdxSSORequireClaim)",
                    missing);
}
