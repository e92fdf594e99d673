/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Microsoft Entra ID: an OpenID provider for each tenant, and for several of them at once. What
 * makes it particular is who the issuer may be: the metadata of `common` and `organizations` names
 * a template, that of a tenant named by its domain the tenant's GUID, and v1 tokens come from
 * another host. A tenant's word counts for its own users alone, so the tenant is part of the user.
 */
#include "sso_id_token.h"
#include "sso_json.h"
#include "sso_kind_oidc.h"
#include "sso_metadata.h"
#include "sso_url.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define TEMPLATE    "{tenantid}"
#define GUID_CHARS  36
#define CONSUMERS   SSO_TENANT_CONSUMERS
#define V1_HOST     "https://sts.windows.net/"
#define V1_VERSION  "1.0"
#define V2_VERSION  "2.0"

static const sso_preset_t presets[] = {
    { SSO_OPTION_authority, "https://login.microsoftonline.com" },
    { SSO_OPTION_scope, "openid profile email offline_access" },
    { SSO_OPTION_discovery, "on" },
    { SSO_OPTION_nonce, "on" },
    { SSO_OPTION_userinfo, "off" }, /* the id_token says more (and userinfo is Graph's) */
    { -1, NULL }
};

static const sso_need_t needs[] = {
    { SSO_OPTION_tenant, "the tenant's domain or GUID, such as contoso.onmicrosoft.com (Entra "
                         "admin centre, Overview), or common, organizations, consumers" },
    { SSO_OPTION_client_id, "the Application (client) ID of the app registration in the Entra "
                            "admin centre" },
    { -1, NULL }
};

static const char *const user_id_claims[] = { "oid", "sub", NULL };

/* Whether a GUID of that length begins here. */
static int is_guid_part(const char *text, apr_size_t length)
{
    apr_size_t i;

    for (i = 0; length == GUID_CHARS && i < length; i++) {
        int dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !apr_isxdigit(text[i]))
            return 0;
    }
    return length == GUID_CHARS;
}

static int is_guid(const char *text)
{
    return is_guid_part(text, strlen(text));
}

/* The segment of a URL's path that is a GUID or the template, or NULL: the tenant of an issuer. */
static const char *tenant_in(const char *issuer, apr_size_t *length)
{
    const char *segment = strstr(issuer, "://");

    segment = segment ? strchr(segment + 3, '/') : NULL;
    while (segment) {
        *length = strcspn(++segment, "/");
        if (is_guid_part(segment, *length)
            || (*length == strlen(TEMPLATE) && !strncasecmp(segment, TEMPLATE, *length)))
            return segment;
        segment = segment[*length] ? segment + *length : NULL;
    }
    return NULL;
}

static int is_template(const char *issuer)
{
    apr_size_t length;
    const char *tenant = tenant_in(issuer, &length);

    return tenant && *tenant == '{';
}

/* Anyone's tenant, or any of several: then it must be said which ones are meant. */
static int many_tenants(const char *tenant)
{
    return !strcasecmp(tenant, "common") || !strcasecmp(tenant, "organizations");
}

static sso_rc_e check_allow(sso_ctx_t *ctx, const sso_config_t *config)
{
    const apr_array_header_t *allow = config->tenant_allow;
    int i;

    if (many_tenants(config->tenant) && !allow)
        return sso_fail(ctx, SSO_MISCONFIG, 64, "EdxSSOTenant %s lets accounts of every tenant in "
                        "the world try: EdxSSOTenantAllow must say which GUIDs to accept "
                        "(consumers: personal accounts; any: really all)", config->tenant);
    for (i = 0; allow && i < allow->nelts; i++) {
        const char *word = APR_ARRAY_IDX(allow, i, const char *);

        if (!is_guid(word) && strcasecmp(word, "consumers")
            && (strcasecmp(word, "any") || allow->nelts > 1))
            return sso_fail(ctx, SSO_MISCONFIG, 65, "EdxSSOTenantAllow: '%s' is not a tenant's "
                            "GUID, consumers, or any (alone)", word);
    }
    return SSO_OK;
}

/* A scope is there under its own name, or as a whole URI of Graph's. */
static void add_scope(sso_ctx_t *ctx, sso_provider_t *provider, const char *scope)
{
    apr_array_header_t *list = apr_array_copy(ctx->pool, provider->scope);
    apr_size_t length = strlen(scope);
    int i;

    for (i = 0; i < list->nelts; i++) {
        const char *word = APR_ARRAY_IDX(list, i, const char *);
        apr_size_t all = strlen(word);

        if (all >= length && !strcasecmp(word + all - length, scope)
            && (all == length || word[all - length - 1] == '/'))
            return;
    }
    APR_ARRAY_PUSH(list, const char *) = scope;
    provider->scope = list;
}

/* What Graph is to be asked, and the scopes it takes. A list of groups may always be too long. */
static sso_rc_e plan_graph(sso_ctx_t *ctx, sso_provider_t *provider)
{
    static const struct {
        const char *word;
        unsigned bit;
    } parts[] = {
        { "profile", SSO_GRAPH_PROFILE }, { "groups", SSO_GRAPH_GROUPS },
        { "photo", SSO_GRAPH_PHOTO }
    };
    const sso_config_t *config = provider->config;
    unsigned plan = 0, i;

    for (i = 0; i < SSO_COUNT(parts); i++)
        plan |= sso_list_has(config->graph, parts[i].word) ? parts[i].bit : 0;
    if (config->groups == SSO_GROUPS_NAMES)
        plan |= SSO_GRAPH_GROUPS;
    if (plan && config->sign_in)
        add_scope(ctx, provider, "User.Read");
    if (config->groups == SSO_GROUPS_NAMES && config->sign_in)
        add_scope(ctx, provider, "GroupMember.Read.All");
    provider->graph = plan | SSO_GRAPH_OVERAGE;
    return SSO_OK;
}

/* Without metadata a tenant's GUID is the issuer; which one a domain has, only metadata say. */
static sso_rc_e check_issuer(sso_ctx_t *ctx, const sso_config_t *config)
{
    if (strcasecmp(config->discovery, "off") || config->issuer || config->tenant_allow
        || is_guid(config->tenant) || !strcasecmp(config->tenant, "consumers"))
        return SSO_OK;
    return sso_fail(ctx, SSO_MISCONFIG, 485, "EdxSSODiscovery is off, and EdxSSOTenant '%s' is no "
                    "GUID: EdxSSOIssuer must say who the issuer is", config->tenant);
}

static sso_rc_e resolve(sso_ctx_t *ctx, sso_provider_t *provider)
{
    const sso_config_t *config = provider->config;
    const char *base = apr_pstrcat(ctx->pool, config->authority, "/", config->tenant, NULL);

    SSO_TRY(check_allow(ctx, config));
    SSO_TRY(check_issuer(ctx, config));
    SSO_TRY(plan_graph(ctx, provider));
    SSO_TRY(sso_oidc_resolve(ctx, provider));
    if (!strcasecmp(config->discovery, "on"))
        /* an app with a signing key of its own has a document of its own */
        provider->metadata_url =
            apr_pstrcat(ctx->pool, base, "/v2.0/.well-known/openid-configuration",
                        many_tenants(config->tenant) || !strcasecmp(config->tenant, "consumers")
                            ? NULL : "?appid=", sso_pct_encode(ctx->pool, config->client_id), NULL);
    return SSO_OK;
}

/* A template with a tenant in it; texts without a template stay as they are. */
static const char *fill(apr_pool_t *pool, const char *text, const char *tid)
{
    const char *c;

    for (c = text; *c; c++)
        if (!strncasecmp(c, TEMPLATE, strlen(TEMPLATE)))
            return apr_pstrcat(pool, apr_pstrmemdup(pool, text, (apr_size_t)(c - text)), tid,
                               c + strlen(TEMPLATE), NULL);
    return text;
}

/*
 * Which issuers the metadata of a configured authority may name. It came by https from there, or
 * from a place an administrator named; still it must have the form of a tenant's issuer.
 */
static int knows_issuer(const sso_provider_t *provider, const char *issuer)
{
    apr_size_t length;

    return !provider->issuers /* EdxSSOIssuer was given: it alone counts */
           && tenant_in(issuer, &length);
}

static int allowed(const sso_config_t *config, const char *from, const char *tid)
{
    int i;

    if (!config->tenant_allow) { /* one tenant: its issuer has been compared, if it has one */
        if (is_guid(config->tenant))
            return !strcasecmp(config->tenant, tid);
        return !is_template(from)
               || (!strcasecmp(config->tenant, "consumers") && !strcasecmp(tid, CONSUMERS));
    }
    for (i = 0; i < config->tenant_allow->nelts; i++) {
        const char *word = APR_ARRAY_IDX(config->tenant_allow, i, const char *);

        if (!strcasecmp(word, tid) || !strcasecmp(word, "any")
            || (!strcasecmp(word, "consumers") && !strcasecmp(tid, CONSUMERS)))
            return 1;
    }
    return 0;
}

/*
 * The tenant whose token this is, in lower case. Two spellings of the claim are an attack. A token
 * of Azure AD B2C, which has `tfp` (its policy), has no tid: its issuer is one tenant's alone.
 */
static sso_rc_e read_tenant(sso_ctx_t *ctx, const char *from, const json_t *claims, char **tid)
{
    const char *text = sso_json_text(claims, "tid"), *name;
    apr_size_t length = 0;
    json_t *value;
    char *c;

    json_object_foreach((json_t *)(apr_uintptr_t)claims, name, value) {
        if (!strcasecmp(name, "tid") && strcmp(name, "tid"))
            return sso_fail(ctx, SSO_DENIED, 483, "it has the claim '%.10s' beside tid",
                            name);
    }
    if (!json_object_get(claims, "tid") && sso_json_text(claims, "tfp") && !is_template(from)) {
        text = tenant_in(from, &length);
        text = text ? apr_pstrmemdup(ctx->pool, text, length) : NULL;
    }
    if (!text || !is_guid(text))
        return sso_fail(ctx, SSO_DENIED, 484, "its tid is missing or no GUID");
    *tid = apr_pstrdup(ctx->pool, text);
    for (c = *tid; *c; c++)
        *c = (char)apr_tolower(*c);
    return SSO_OK;
}

/*
 * The same tenant's issuer in tokens of the other version: v1 has a host of its own, in whatever
 * cloud the authority is; what such a token is worth depends on the authority's keys alone. NULL:
 * it has none.
 */
static const char *twin_of(sso_ctx_t *ctx, const sso_provider_t *provider, const char *from)
{
    apr_size_t length;
    const char *tenant = tenant_in(from, &length), *twin;

    if (!tenant)
        return NULL;
    twin = apr_pstrmemdup(ctx->pool, tenant, length);
    twin = strncmp(from, V1_HOST, strlen(V1_HOST))
               ? apr_pstrcat(ctx->pool, V1_HOST, twin, "/", NULL)
               : apr_pstrcat(ctx->pool, provider->config->authority, "/", twin, "/v2.0", NULL);
    return provider->issuers && !sso_list_has(provider->issuers, twin) ? NULL : twin;
}

/* What `iss` has to be: the metadata's issuer for this tenant, or its twin of the other version;
 * and the tenant that it names has to be the one that tid names. */
static int right_issuer(sso_ctx_t *ctx, const sso_provider_t *provider, const char *from,
                        const char *tid, const json_t *claims)
{
    const char *issuer = sso_json_text(claims, "iss"), *version = sso_json_text(claims, "ver");
    const char *twin = twin_of(ctx, provider, from), *tenant;
    int is_v1 = !strncmp(issuer, V1_HOST, strlen(V1_HOST));
    apr_size_t length;

    if (strcmp(issuer, fill(ctx->pool, from, tid))
        && !(twin && !strcmp(issuer, fill(ctx->pool, twin, tid)) && version
             && !strcmp(version, is_v1 ? V1_VERSION : V2_VERSION)))
        return 0;
    tenant = tenant_in(issuer, &length);
    return !tenant || (length == strlen(tid) && !strncasecmp(tenant, tid, length));
}

/* A key may be one tenant's alone: its issuer must come to the token's, of either version. */
static int right_key(sso_ctx_t *ctx, const sso_provider_t *provider, const char *from,
                     const char *tid, const sso_jwt_t *jwt)
{
    const char *twin = twin_of(ctx, provider, from), *mine;

    if (!jwt->key_issuer)
        return 1;
    mine = fill(ctx->pool, jwt->key_issuer, tid);
    return !strcmp(mine, sso_json_text(jwt->claims, "iss"))
           || !strcmp(mine, fill(ctx->pool, from, tid))
           || (twin && !strcmp(mine, fill(ctx->pool, twin, tid)));
}

/* Whose metadata, or whose word, says who the issuer is: a text that may be a template. */
static sso_rc_e find_issuer(sso_ctx_t *ctx, const sso_provider_t *provider, const char **from)
{
    const sso_metadata_t *metadata;

    if (provider->metadata_url) {
        SSO_TRY(sso_documents_metadata(ctx, provider, &metadata));
        *from = metadata->issuer;
    }
    else if (provider->issuers)
        *from = APR_ARRAY_IDX(provider->issuers, 0, const char *);
    else
        *from = apr_pstrcat(ctx->pool, provider->config->authority, "/" TEMPLATE "/v2.0", NULL);
    return SSO_OK;
}

static sso_rc_e judge_issuer(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_jwt_t *jwt)
{
    const char *from = NULL;
    char *tid = NULL;

    SSO_TRY(find_issuer(ctx, provider, &from));
    SSO_TRY(read_tenant(ctx, from, jwt->claims, &tid));
    if (!right_issuer(ctx, provider, from, tid, jwt->claims))
        return sso_fail(ctx, SSO_DENIED, 486, "issuer '%.150s' and tenant %s do not both fit "
                        "'%.150s'", sso_json_text(jwt->claims, "iss"), tid, from);
    if (!right_key(ctx, provider, from, tid, jwt))
        return sso_fail(ctx, SSO_DENIED, 487, "signed with a key that is '%.150s' 's, "
                        "not the token's issuer's", jwt->key_issuer);
    if (!allowed(provider->config, from, tid))
        return sso_fail(ctx, SSO_DENIED, 488, "tenant %s is %s", tid,
                        provider->config->tenant_allow ? "not in EdxSSOTenantAllow"
                                                       : "not the one of EdxSSOTenant");
    if (!json_object_get(jwt->claims, "tid")) /* only now it is certain whose token it is */
        json_object_set_new(jwt->claims, "tid", json_string(tid));
    return SSO_OK;
}

/* Whether somebody who starts a sign-in at an issuer means this provider. */
static int has_issuer(sso_ctx_t *ctx, const sso_provider_t *provider, const char *issuer)
{
    const char *from = NULL, *tenant, *tid, *twin;
    apr_size_t length;

    tenant = tenant_in(issuer, &length);
    if (!tenant || find_issuer(ctx, provider, &from) != SSO_OK)
        return 0;
    tid = apr_pstrmemdup(ctx->pool, tenant, length);
    twin = twin_of(ctx, provider, from);
    return is_guid(tid) && allowed(provider->config, from, tid)
           && (!strcmp(issuer, fill(ctx->pool, from, tid))
               || (twin && !strcmp(issuer, fill(ctx->pool, twin, tid))));
}

/* A guest's tid is this tenant's: acct says it, or idp, which names the home of the account. */
static int is_guest(const json_t *claims)
{
    const char *idp = sso_json_text(claims, "idp"), *issuer = sso_json_text(claims, "iss");
    apr_int64_t acct;

    return (sso_json_whole(claims, "acct", &acct) && acct == 1)
           || (idp && issuer && strcmp(idp, issuer));
}

static sso_rc_e judge_bearer(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims)
{
    if (provider->config->guests == SSO_GUESTS_BLOCK && is_guest(claims))
        return sso_fail(ctx, SSO_DENIED, 1122, "a guest of the tenant (EdxSSOGuests block)");
    return SSO_OK;
}

static sso_rc_e identify(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_wanted_t *wanted,
                         const sso_tokens_t *tokens, json_t **claims)
{
    json_t *found;

    SSO_TRY(sso_oidc_identify(ctx, provider, wanted, tokens, &found));
    if (provider->config->guests == SSO_GUESTS_BLOCK && is_guest(found))
        return sso_fail(ctx, SSO_DENIED, 489, "a guest of the tenant (EdxSSOGuests block)");
    *claims = found;
    return SSO_OK;
}

/* oid is the user in one tenant; e-mail and upn are whatever somebody's administrator typed. */
static const char *user(sso_ctx_t *ctx, const json_t *claims)
{
    const char *oid = sso_json_text(claims, "oid"), *tid = sso_json_text(claims, "tid");

    return oid && tid ? apr_pstrcat(ctx->pool, oid, "@", tid, NULL) : NULL;
}

const sso_kind_t sso_kind_entra = {
    "entra", "Microsoft", presets, needs, SSO_KID_SELECTS, user_id_claims,
    resolve, sso_oidc_authorize, sso_oidc_redeem, identify, sso_oidc_logout,
    user, judge_issuer, knows_issuer, judge_bearer, has_issuer
};
