/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregated claims. Distributed ones are not fetched: their URL, and the access token for it, come
 * out of a token, and who answers there is nobody's choice here.
 */
#include "sso_aggregate.h"

#include "sso_id_token.h"
#include "sso_json.h"

#include <apr_strings.h>
#include <string.h>

#define WHAT        "aggregated claims"
#define NAMES       "_claim_names"
#define SOURCES     "_claim_sources"
#define SOURCES_MAX 8 /* each is a signature to verify */

/* What a token says of itself, and who the user is: never from another one */
static const char *const own_names[] = {
    "iss", "sub", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash",
    "acr", "amr", "auth_time", "sid", "events", "cnf", "typ", "oid", "tid", "idp", "acct", NAMES,
    SOURCES
};

static int is_own(const char *name)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(own_names); i++)
        if (!strcmp(own_names[i], name))
            return 1;
    return 0;
}

/* Times are optional here; where they are there, they count. */
static sso_rc_e check_times(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *claims)
{
    apr_int64_t skew = apr_time_sec(provider->config->clock_skew);
    apr_int64_t now = apr_time_sec(sso_wall(ctx)), when;

    if (json_object_get(claims, "exp")
        && (!sso_json_whole(claims, "exp", &when) || when <= now - skew))
        return sso_fail(ctx, SSO_DENIED, 877, WHAT ": it has expired");
    if (json_object_get(claims, "nbf")
        && (!sso_json_whole(claims, "nbf", &when) || when > now + skew))
        return sso_fail(ctx, SSO_DENIED, 878, WHAT ": it is not valid yet");
    return SSO_OK;
}

/* Who it is about, and for whom: where it says so, it must be right. */
static sso_rc_e check_parties(sso_ctx_t *ctx, const sso_provider_t *provider, const char *sub,
                              const json_t *claims)
{
    const json_t *whose = json_object_get(claims, "sub"), *aud = json_object_get(claims, "aud");

    if (whose && (!json_is_string(whose) || strcmp(json_string_value(whose), sub)))
        return sso_fail(ctx, SSO_DENIED, 879, WHAT ": its sub is somebody else");
    if (aud && !sso_json_has(aud, provider->config->client_id))
        return sso_fail(ctx, SSO_DENIED, 880, WHAT ": it is for another client");
    return SSO_OK;
}

/*
 * A JWT of this provider. Its issuer is looked at before its signature: that of somebody else would
 * have the provider's keys fetched anew.
 */
static sso_rc_e open_source(sso_ctx_t *ctx, const sso_provider_t *provider, const char *sub,
                            const char *token, sso_jwt_t **jwt)
{
    const char *issuer;
    sso_jwt_t *read;

    SSO_TRY(sso_jws_peek(ctx, WHAT, token, &read));
    issuer = sso_json_text(read->claims, "iss");
    if (!issuer || (!provider->kind->judge_issuer && !sso_list_has(provider->issuers, issuer)))
        return sso_fail(ctx, SSO_DENIED, 872, WHAT ": issuer '%.150s' is not this provider, and "
                        "whose keys to believe is not said anywhere", issuer ? issuer : "");
    SSO_TRY(sso_token_check(ctx, provider, WHAT, 0, read));
    if (provider->kind->judge_issuer)
        SSO_TRY(provider->kind->judge_issuer(ctx, provider, read));
    SSO_TRY(sso_id_token_type(ctx, WHAT, read));
    SSO_TRY(check_times(ctx, provider, read->claims));
    SSO_TRY(check_parties(ctx, provider, sub, read->claims));
    *jwt = read;
    return SSO_OK;
}

/* Those of a source's claims that the names say are its own. */
static void merge(const json_t *names, const char *source, const json_t *said, json_t *claims)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(apr_uintptr_t)names, name, value) {
        json_t *claim = json_object_get(said, name);
        const json_t *there = json_object_get(claims, name);

        if (json_is_string(value) && !strcmp(json_string_value(value), source) && claim
            && !is_own(name) && (!there || json_is_null(there)))
            json_object_set(claims, name, claim);
    }
}

static void read_source(sso_ctx_t *ctx, const sso_provider_t *provider, const char *sub,
                        const char *token, sso_jwt_t **jwt, const char *source)
{
    if (open_source(ctx, provider, sub, token, jwt) == SSO_OK)
        return;
    sso_log(ctx, SSO_LOG_WARN, ctx->err.number, "%s: source '%.64s' is left out: %s",
            provider->name, source, ctx->err.text);
    sso_forgive(ctx); /* what is not believed is not there */
    *jwt = NULL;
}

void sso_aggregate(sso_ctx_t *ctx, const sso_provider_t *provider, const char *sub, json_t *claims)
{
    json_t *names = json_object_get(claims, NAMES), *sources = json_object_get(claims, SOURCES);
    const char *source;
    const json_t *value;
    int count = 0;

    json_incref(names);
    json_incref(sources);
    json_object_del(claims, SOURCES);
    if (!(provider->graph & SSO_GRAPH_OVERAGE && json_object_get(names, "groups")))
        json_object_del(claims, NAMES);
    json_object_foreach(sources, source, value) {
        const char *token = sso_json_text(value, "JWT");
        sso_jwt_t *jwt = NULL;

        if (++count > SOURCES_MAX) {
            sso_log(ctx, SSO_LOG_WARN, 874, "%s: over %d sources of claims: the rest is left out",
                    provider->name, SOURCES_MAX);
            break;
        }
        if (token)
            read_source(ctx, provider, sub, token, &jwt, source);
        else if (!(provider->graph & SSO_GRAPH_OVERAGE))
            sso_log(ctx, SSO_LOG_INFO, 873, "%s: the claims of source '%.64s' are distributed: "
                    "they are not fetched", provider->name, source);
        if (jwt)
            merge(names, source, jwt->claims, claims);
    }
    json_decref(names);
    json_decref(sources);
}
