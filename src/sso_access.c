/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate for access tokens that are JWTs. Signatures are sso_jose.c's, times sso_token.c's; what
 * one type of provider is particular about is in its sso_kind_*.c.
 */
#include "sso_access.h"

#include "sso_json.h"

#include <string.h>
#include <strings.h>

#define WHAT "bearer token"

/* What says that a token is of another kind, as far as claims do: Keycloak's typ, Cognito's
 * token_use. Without a value: the claim itself. */
static const struct {
    const char *claim, *value, *kind;
} others[] = {
    { "typ", "ID", "an id_token" },
    { "typ", "Refresh", "a refresh token" },
    { "typ", "Offline", "a refresh token" },
    { "typ", "Logout", "a logout token" },
    { "token_use", "id", "an id_token" },
    { "token_use", "refresh", "a refresh token" },
    { "events", NULL, "a logout token or another security event" },
};

/* Claims of an id_token (OIDC Core 2, 3.1.3.6, 3.3.2.11), which no access token has. */
static const char *const id_token_claims[] = { "nonce", "at_hash", "c_hash" };

/* RFC 9068 2.2: what a token that says it is of that profile has, beside iss, exp, aud, iat. */
static const char *const profile_claims[] = { "sub", "client_id", "jti" };

int sso_access_takes(const sso_accepted_t *accepted, const sso_provider_t *provider)
{
    return provider->audiences && (!accepted->names || sso_list_has(accepted->names,
                                                                    provider->name));
}

static int is_profile(const sso_jwt_t *jwt)
{
    return jwt->typ && (!strcasecmp(jwt->typ, "at+jwt")
                        || !strcasecmp(jwt->typ, "application/at+jwt"));
}

sso_rc_e sso_access_refuse(sso_ctx_t *ctx, const json_t *claims)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(others); i++) {
        const json_t *claim = json_object_get(claims, others[i].claim);

        if (claim && (!others[i].value || (json_is_string(claim)
                                           && !strcasecmp(json_string_value(claim),
                                                          others[i].value))))
            return sso_fail(ctx, SSO_DENIED, 1124, "it is %s: %s", others[i].kind,
                            others[i].claim);
    }
    if (json_object_get(claims, "cnf"))
        return sso_fail(ctx, SSO_DENIED, 1125, "it is bound to a key (cnf), and was presented "
                        "without proof of it");
    return SSO_OK;
}

/* An audience that counts: of a token that does not say that it is an access token, not the client
 * id, which is what an id_token has. */
static sso_rc_e check_audience(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_jwt_t *jwt)
{
    const json_t *aud = json_object_get(jwt->claims, "aud");
    const apr_array_header_t *list = provider->audiences;
    int i, profile = is_profile(jwt);

    for (i = 0; i < list->nelts; i++) {
        const char *name = APR_ARRAY_IDX(list, i, const char *);

        if (sso_json_has(aud, name) && (profile || strcmp(name, provider->config->client_id)))
            return SSO_OK;
    }
    return sso_fail(ctx, SSO_DENIED, 1126, "audience %.150s is not in EdxSSOAudience%s",
                    aud ? sso_json_print(ctx->pool, aud) : "(none)",
                    profile ? "" : ", or is the client id, which an id_token has as well");
}

static sso_rc_e check_kind(sso_ctx_t *ctx, const sso_jwt_t *jwt)
{
    unsigned i;

    SSO_TRY(sso_access_refuse(ctx, jwt->claims));
    if (is_profile(jwt)) {
        for (i = 0; i < SSO_COUNT(profile_claims); i++)
            if (!sso_json_text(jwt->claims, profile_claims[i]))
                return sso_fail(ctx, SSO_BAD_INPUT, 1127, "typ is %s, and it has no %s (RFC 9068 "
                                "2.2)", jwt->typ, profile_claims[i]);
        return SSO_OK;
    }
    if (jwt->typ && strcasecmp(jwt->typ, "JWT"))
        return sso_fail(ctx, SSO_DENIED, 1128, "it is a token of another kind: typ '%.40s'",
                        jwt->typ);
    for (i = 0; i < SSO_COUNT(id_token_claims); i++)
        if (json_object_get(jwt->claims, id_token_claims[i]))
            return sso_fail(ctx, SSO_DENIED, 1129, "it is an id_token: it has %s",
                            id_token_claims[i]);
    return SSO_OK;
}

/* ---- whose it is */

/* By what the token says of itself, which is not believed yet. */
static int is_issuer(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_jwt_t *jwt)
{
    const char *issuer = sso_json_text(jwt->claims, "iss");

    if (!issuer)
        return 0;
    return provider->kind->judge_issuer ? provider->kind->judge_issuer(ctx, provider, jwt) == SSO_OK
                                        : sso_list_has(provider->issuers, issuer);
}

/*
 * The first provider whose issuer and audience fit; else the first whose issuer does, so that its
 * rules can say what is wrong.
 *
 * @return SSO_UPSTREAM  whether it is one's cannot be found out now
 */
static sso_rc_e choose(sso_ctx_t *ctx, const sso_accepted_t *accepted, const sso_jwt_t *jwt,
                       const sso_provider_t **provider)
{
    const sso_provider_t *second = NULL;
    const char *issuer = sso_json_text(jwt->claims, "iss");
    sso_err_t why = { .rc = SSO_OK };
    int i, some = 0;

    for (i = 0; i < accepted->providers->nelts; i++) {
        const sso_provider_t *candidate = APR_ARRAY_IDX(accepted->providers, i,
                                                        const sso_provider_t *);
        int fits;

        if (!sso_access_takes(accepted, candidate))
            continue;
        some = 1;
        fits = is_issuer(ctx, candidate, jwt);
        if (!fits && ctx->err.rc != SSO_OK && (why.rc == SSO_OK || ctx->err.rc == SSO_UPSTREAM)) {
            sso_within(ctx, ctx->err.rc, candidate->name);
            why = ctx->err;
        }
        sso_forgive(ctx);
        if (fits && check_audience(ctx, candidate, jwt) == SSO_OK) {
            *provider = candidate;
            return SSO_OK;
        }
        sso_forgive(ctx);
        if (fits && !second)
            second = candidate;
    }
    *provider = second;
    if (second)
        return SSO_OK;
    ctx->err = why;
    if (why.rc != SSO_OK)
        return why.rc;
    return sso_fail(ctx, SSO_DENIED, 1130, some
                        ? "issuer '%.150s' is no provider's that is accepted here"
                        : "issuer '%.150s': no provider that is accepted here takes bearer tokens "
                          "(EdxSSOAudience)", issuer ? issuer : "");
}

static sso_rc_e judge(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_jwt_t *jwt)
{
    sso_claim_rules_t rules = { WHAT, provider->kind->judge_issuer ? NULL : provider->issuers,
                                NULL, provider->config->clock_skew };

    SSO_TRY(sso_token_judge(ctx, &rules, jwt->claims));
    if (provider->kind->judge_issuer)
        SSO_TRY(provider->kind->judge_issuer(ctx, provider, jwt));
    SSO_TRY(check_audience(ctx, provider, jwt));
    SSO_TRY(check_kind(ctx, jwt));
    if (!sso_json_text(jwt->claims, "sub"))
        return sso_fail(ctx, SSO_BAD_INPUT, 1139, "it has no sub that is a text");
    return provider->kind->judge_bearer ? provider->kind->judge_bearer(ctx, provider, jwt->claims)
                                        : SSO_OK;
}

sso_rc_e sso_access_check(sso_ctx_t *ctx, const sso_accepted_t *accepted, const char *token,
                          const sso_provider_t **provider, const json_t **claims)
{
    const sso_provider_t *chosen = NULL;
    sso_jwt_t *jwt;
    sso_rc_e rc;

    SSO_TRY(sso_jws_peek(ctx, WHAT, token, &jwt));
    SSO_TRY(choose(ctx, accepted, jwt, &chosen));
    rc = sso_token_check(ctx, chosen, WHAT, 0, jwt);
    if (rc == SSO_ABSENT) /* of a key that nobody has, which is no reason to look elsewhere */
        rc = SSO_DENIED;
    if (rc == SSO_OK)
        rc = judge(ctx, chosen, jwt);
    SSO_TRY(sso_within(ctx, rc, chosen->name));
    *provider = chosen;
    *claims = jwt->claims;
    return SSO_OK;
}
