/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What documents say: reading provider metadata and key sets, and what is believed of them. How
 * they are had and kept is in sso_document*.c.
 */
#include "sso_document.h"

#include "sso_json.h"
#include "sso_url.h"

#include <apr_strings.h>
#include <string.h>

/* ---- metadata */

/* RFC 8414 2, OpenID Connect Discovery 3, RP-Initiated Logout 2.1 */
static const sso_field_t metadata_fields[] = {
#define MEMBER(name, kind, member)                                                                \
    { name, &sso_kind_##kind, offsetof(sso_metadata_t, member), 0, NULL, NULL, NULL }
    MEMBER("authorization_endpoint", TEXT, endpoint[SSO_ENDPOINT_AUTHORIZATION]),
    MEMBER("token_endpoint", TEXT, endpoint[SSO_ENDPOINT_TOKEN]),
    MEMBER("jwks_uri", TEXT, endpoint[SSO_ENDPOINT_JWKS]),
    MEMBER("end_session_endpoint", TEXT, endpoint[SSO_ENDPOINT_END_SESSION]),
    MEMBER("userinfo_endpoint", TEXT, endpoint[SSO_ENDPOINT_USERINFO]),
    MEMBER("pushed_authorization_request_endpoint", TEXT, endpoint[SSO_ENDPOINT_PAR]),
    MEMBER("introspection_endpoint", TEXT, endpoint[SSO_ENDPOINT_INTROSPECTION]),
    MEMBER("revocation_endpoint", TEXT, endpoint[SSO_ENDPOINT_REVOCATION]),
    MEMBER("issuer", TEXT, issuer),
    MEMBER("msgraph_host", TEXT, msgraph_host),
    MEMBER("authorization_response_iss_parameter_supported", TRUTH, iss_in_response),
    MEMBER("require_pushed_authorization_requests", TRUTH, must_push),
#undef MEMBER
};

static const sso_shape_t metadata_shape = {
    "metadata", sizeof(sso_metadata_t), metadata_fields, (int)SSO_COUNT(metadata_fields)
};

/*
 * The issuer is who the tokens will say they are from: it must be one we were told of (RFC 8414
 * 3.3). A type whose issuer is a template (one for each tenant) has its own rule: it belongs here,
 * before the comparison.
 */
static sso_rc_e judge_issuer(sso_ctx_t *ctx, const sso_provider_t *provider,
                             const sso_metadata_t *metadata)
{
    const apr_array_header_t *issuers = provider->issuers;

    if (!metadata->issuer || !*metadata->issuer)
        return sso_fail(ctx, SSO_UPSTREAM, 370, "metadata: %s names no issuer",
                        provider->metadata_url);
    if (!issuers || !issuers->nelts || sso_list_has(issuers, metadata->issuer)
        || (provider->kind->knows_issuer
            && provider->kind->knows_issuer(provider, metadata->issuer)))
        return SSO_OK;
    return sso_fail(ctx, SSO_UPSTREAM, 371, "metadata: %s has the issuer '%.150s', not '%.150s'%s "
                    "(EdxSSOIssuer)", provider->metadata_url, metadata->issuer,
                    APR_ARRAY_IDX(issuers, 0, const char *),
                    issuers->nelts > 1 ? " or one of the others" : "");
}

/* The http rule: what a document says is https, unless an administrator said otherwise. */
static sso_rc_e judge_url(sso_ctx_t *ctx, const sso_provider_t *provider, const char *member,
                          const char *text)
{
    sso_url_t url;

    if (sso_url_parse(ctx->pool, text, &url) != SSO_OK)
        return sso_fail(ctx, SSO_UPSTREAM, 372, "metadata: %s endpoint: '%.200s' is not an "
                        "absolute URL", member, text);
    if (!strcmp(url.scheme, "https") || url.loopback || sso_provider_plain_ok(provider, text))
        return SSO_OK;
    return sso_fail(ctx, SSO_UPSTREAM, 373, "metadata: %s endpoint: '%.200s' is http, and no "
                    "directive of this provider names %s", member, text, url.origin);
}

static sso_rc_e judge_urls(sso_ctx_t *ctx, const sso_provider_t *provider, sso_metadata_t *metadata)
{
    int i;

    for (i = 0; i < 2 * SSO_ENDPOINT_COUNT; i++) {
        sso_endpoint_e which = (sso_endpoint_e)(i % SSO_ENDPOINT_COUNT);
        const char **slot = i < SSO_ENDPOINT_COUNT ? &metadata->endpoint[which]
                                                   : &metadata->alias[which];

        if (*slot && !**slot)
            *slot = NULL; /* an empty member says as much as none */
        if (*slot)
            SSO_TRY(judge_url(ctx, provider, sso_endpoint_name(which), *slot));
    }
    return SSO_OK;
}

/* RFC 8705 5: an object with members named as those beside it. Only for calls that prove who we
 * are. */
static void load_aliases(apr_pool_t *pool, const json_t *object, sso_metadata_t *metadata)
{
    static const struct {
        const char *name;
        sso_endpoint_e which;
    } rows[] = {
        { "token_endpoint", SSO_ENDPOINT_TOKEN },
        { "pushed_authorization_request_endpoint", SSO_ENDPOINT_PAR },
        { "revocation_endpoint", SSO_ENDPOINT_REVOCATION },
        { "introspection_endpoint", SSO_ENDPOINT_INTROSPECTION },
    };
    const json_t *aliases = json_object_get(object, "mtls_endpoint_aliases");
    unsigned i;

    for (i = 0; i < SSO_COUNT(rows); i++)
        metadata->alias[rows[i].which] = apr_pstrdup(pool, sso_json_text(aliases, rows[i].name));
}

static sso_rc_e metadata_load(sso_ctx_t *ctx, apr_pool_t *pool, const json_t *object,
                              sso_metadata_t **metadata)
{
    sso_ctx_t there = *ctx;
    sso_rc_e rc;

    there.pool = pool; /* the record lives with the document */
    rc = sso_record_make(&there, &metadata_shape, metadata);
    if (rc == SSO_OK)
        rc = sso_record_load(&there, *metadata, object);
    if (rc == SSO_OK)
        load_aliases(pool, object, *metadata);
    ctx->err = there.err;
    return rc;
}

static sso_rc_e read_metadata(sso_ctx_t *ctx, const sso_provider_t *provider, apr_pool_t *pool,
                              sso_bytes_t text, const void **parsed)
{
    sso_metadata_t *metadata;
    json_t *object;
    sso_rc_e rc = sso_json_parse(ctx, "metadata", text.data, text.length, &object);

    if (rc == SSO_OK)
        rc = sso_within(ctx, metadata_load(ctx, pool, object, &metadata), "metadata");
    if (rc != SSO_OK) {
        const char *why = apr_pstrdup(ctx->pool, ctx->err.text);

        sso_forgive(ctx); /* not the browser's bad input: the provider's */
        return sso_fail(ctx, SSO_UPSTREAM, 374, "%s (%s)", why, provider->metadata_url);
    }
    SSO_TRY(judge_issuer(ctx, provider, metadata));
    SSO_TRY(judge_urls(ctx, provider, metadata));
    *parsed = metadata;
    return SSO_OK;
}

/* ---- keys */

static sso_rc_e read_keys(sso_ctx_t *ctx, const sso_provider_t *provider, apr_pool_t *pool,
                          sso_bytes_t text, const void **parsed)
{
    sso_keys_t *keys;

    (void)provider;
    if (sso_keys_parse(ctx, pool, text.data, text.length, &keys) != SSO_OK) {
        const char *why = apr_pstrdup(ctx->pool, ctx->err.text);

        sso_forgive(ctx);
        return sso_fail(ctx, SSO_UPSTREAM, 375, "keys: %s", why);
    }
    *parsed = keys;
    return SSO_OK;
}

/* ---- the kinds */

static const sso_document_kind_t metadata_kind = {
    "metadata", offsetof(sso_config_t, metadata_ttl), 1, read_metadata
};

static const sso_document_kind_t keys_kind = {
    "keys", offsetof(sso_config_t, jwks_ttl), 0, read_keys
};

sso_rc_e sso_documents_metadata(sso_ctx_t *ctx, const sso_provider_t *provider,
                                const sso_metadata_t **metadata)
{
    sso_document_want_t want = { provider, &metadata_kind, provider->metadata_url };
    const void *parsed;

    if (!provider->documents || !want.url)
        return SSO_ABSENT;
    SSO_TRY(sso_document_get(ctx, &want, 0, &parsed));
    *metadata = parsed;
    return SSO_OK;
}

sso_rc_e sso_documents_keys(sso_ctx_t *ctx, const sso_provider_t *provider, int newer,
                            const sso_keys_t **keys)
{
    sso_document_want_t want = { provider, &keys_kind, NULL };
    const void *parsed;

    if (!provider->documents)
        return SSO_ABSENT;
    SSO_TRY(sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_JWKS, &want.url));
    SSO_TRY(sso_document_get(ctx, &want, newer, &parsed));
    *keys = parsed;
    return SSO_OK;
}

int sso_documents_generation(const sso_ctx_t *ctx, const sso_provider_t *provider,
                             apr_uint32_t *generation)
{
    apr_time_t stamp = provider->documents ? sso_document_stamp(ctx, provider, &keys_kind) : 0;

    if (stamp < 0)
        return 0;
    *generation = (apr_uint32_t)(stamp ^ (stamp >> 32));
    return 1;
}

/* Where the keys are, as far as is known without asking anybody. */
static const char *known_keys_url(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    sso_document_want_t want = { provider, &metadata_kind, provider->metadata_url };
    const sso_metadata_t *metadata;
    const void *parsed;

    if (provider->endpoint[SSO_ENDPOINT_JWKS])
        return provider->endpoint[SSO_ENDPOINT_JWKS];
    if (!want.url || provider->keys || sso_document_peek(ctx, &want, &parsed) != SSO_OK)
        return NULL;
    metadata = parsed;
    return metadata->endpoint[SSO_ENDPOINT_JWKS];
}

sso_rc_e sso_documents_refresh(sso_ctx_t *ctx, const sso_provider_t *provider, apr_time_t *next)
{
    sso_document_want_t want[] = { { provider, &metadata_kind, provider->metadata_url },
                                   { provider, &keys_kind, NULL } };
    sso_rc_e worst = SSO_OK;
    apr_size_t i;

    *next = 0;
    if (!provider->documents)
        return SSO_OK;
    for (i = 0; i < SSO_COUNT(want); i++) {
        apr_time_t then;
        sso_rc_e rc;

        if (want[i].kind == &keys_kind)
            want[i].url = known_keys_url(ctx, provider);
        if (!want[i].url)
            continue;
        rc = sso_document_refresh(ctx, &want[i], &then);
        worst = rc != SSO_OK ? rc : worst;
        *next = !*next || then < *next ? then : *next;
    }
    return worst;
}
