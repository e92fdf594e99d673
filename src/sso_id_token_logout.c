/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging logout tokens (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6). What one ends is
 * sso_logout_channel.c's.
 */
#include "sso_id_token.h"

#include "sso_json.h"

#include <string.h>
#include <strings.h>

#define WHAT     "logout token"
#define EVENT    "http://schemas.openid.net/event/backchannel-logout"
#define TEXT_MAX 512

/* RFC 8725 3.11: a type that is named must be the right one; 2.4 only recommends to name it */
static sso_rc_e check_type(sso_ctx_t *ctx, const sso_jwt_t *jwt)
{
    static const char *const types[] = { "logout+jwt", "application/logout+jwt", "JWT" };
    const json_t *events = json_object_get(jwt->claims, "events");
    int named = !jwt->typ;
    unsigned i;

    for (i = 0; !named && i < SSO_COUNT(types); i++)
        named = !strcasecmp(jwt->typ, types[i]);
    if (!named)
        return sso_fail(ctx, SSO_DENIED, 1062, WHAT ": it is a token of another kind, '%.64s'",
                        jwt->typ);
    if (!json_is_object(json_object_get(events, EVENT)))
        return sso_fail(ctx, SSO_DENIED, 1063, WHAT ": its events do not have an object "
                        "'" EVENT "'");
    if (json_object_get(jwt->claims, "nonce"))
        return sso_fail(ctx, SSO_DENIED, 1064, WHAT ": it has a nonce, as an id_token does");
    return SSO_OK;
}

/* A text, not too long, where it is there. */
static int fits(const json_t *claims, const char *name)
{
    const char *text = sso_json_text(claims, name);

    return !json_object_get(claims, name) || (text && strlen(text) <= TEXT_MAX);
}

static sso_rc_e check_whom(sso_ctx_t *ctx, const json_t *claims)
{
    if (!fits(claims, "sub") || !fits(claims, "sid") || !fits(claims, "jti"))
        return sso_fail(ctx, SSO_BAD_INPUT, 1065, WHAT ": its sub, sid or jti is not a text of at "
                        "most %d characters", TEXT_MAX);
    if (!json_object_get(claims, "sub") && !json_object_get(claims, "sid"))
        return sso_fail(ctx, SSO_BAD_INPUT, 1066, WHAT ": it has neither sub nor sid");
    if (!json_object_get(claims, "jti"))
        return sso_fail(ctx, SSO_BAD_INPUT, 1067, WHAT ": it has no jti");
    return SSO_OK;
}

sso_rc_e sso_logout_token_check(sso_ctx_t *ctx, const sso_provider_t *provider, const char *token,
                                sso_jwt_t **jwt)
{
    sso_claim_rules_t rules = { WHAT, provider->kind->judge_issuer ? NULL : provider->issuers, NULL,
                                provider->config->clock_skew };
    sso_jwt_t *read;

    SSO_TRY(sso_id_token_decrypt(ctx, provider, WHAT, &token));
    SSO_TRY(sso_token_verify(ctx, provider, WHAT, token, 0, &read));
    SSO_TRY(check_type(ctx, read));
    SSO_TRY(sso_token_judge(ctx, &rules, read->claims));
    if (provider->kind->judge_issuer)
        SSO_TRY(provider->kind->judge_issuer(ctx, provider, read));
    SSO_TRY(sso_id_token_audience(ctx, provider, WHAT, read->claims));
    SSO_TRY(check_whom(ctx, read->claims));
    *jwt = read;
    return SSO_OK;
}
