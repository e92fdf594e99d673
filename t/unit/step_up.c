/* SPDX-License-Identifier: Apache-2.0 */
/* Which sessions are of the kind that a place wants (EdxSSOStepUp). */
#include "world.h"

#include "sso_step_up.h"

static const struct { const char *wanted, *claims; int strong; } sessions[] = {
    { "gold", "\"acr\":\"gold\"", 1 },
    { "silver gold", "\"acr\":\"gold\"", 1 },
    { "http://a.b/c", "\"acr\":\"http://a.b/c\"", 1 },
    { "1", "\"acr\":\"1\"", 1 },
    { "1", "\"acr\":1", 0 },
    { "gold", "\"acr\":\"Gold\"", 0 },
    { "gold", "\"acr\":\"gol\"", 0 },
    { "gold", "\"acr\":\"golden\"", 0 },
    { "gold", "\"acr\":\"\"", 0 },
    { "gold", "\"acr\":null", 0 },
    { "gold", "\"x\":\"gold\"", 0 },
    { "gold", "\"acrs\":[\"c1\",\"gold\"]", 1 },
    { "gold", "\"acrs\":[\"gold\"]", 1 },
    { "gold", "\"acrs\":[]", 0 },
    { "gold", "\"acrs\":[\"golden\",\"x gold\"]", 0 },
    { "gold", "\"acrs\":[\"x\\\"gold\\\"\"]", 0 },
    { "gold", "\"acrs\":[\"\\\\\\\"gold\\\\\\\"\"]", 0 },
    { "gold", "\"acrs\":{\"gold\":true}", 0 },
    { "gold", "\"acrs\":[[\"gold\"]]", 0 },
    { "gold", "\"acr\":\"x\",\"acrs\":[\"gold\"]", 1 },
};

static const struct { const char *text; int good; } words[] = {
    { "gold", 1 }, { "a b", 1 }, { "http://x/y?z=1#f", 1 }, { "", 0 }, { "a\nb", 0 },
    { "a\tb", 0 }, { "\xc3\xa4", 0 }, { "a\"b", 0 }, { "a\\b", 0 }, { "\x7f", 0 },
};

int main(void)
{
    const sso_provider_t *provider;
    unsigned i;

    world_start();
    provider = sso_provider_find(world_site, "lms");
    for (i = 0; i < SSO_COUNT(sessions); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        const char *text = apr_psprintf(ctx->pool, "{\"sub\":\"s\",\"preferred_username\":\"u\","
                                        "%s}", sessions[i].claims);
        sso_session_t *session;
        json_t *claims;

        FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK);
        FORGE_MUST(sso_session_build(ctx, world_site, provider, claims, &session) == SSO_OK);
        is_int(sso_step_up_strong(session, sso_words(ctx->pool, sessions[i].wanted)),
               sessions[i].strong, "%s: %s", sessions[i].wanted, sessions[i].claims);
        is_int(sso_step_up_check(ctx, session, sessions[i].wanted),
               sessions[i].strong ? SSO_OK : SSO_DENIED, "after a sign-in");
        is_int(ctx->err.number, sessions[i].strong ? 0 : 1083, "with a reason: %s", ctx->err.text);
    }
    for (i = 0; i < SSO_COUNT(words); i++)
        is_int(sso_step_up_words(words[i].text), words[i].good, "acr_values=%s", words[i].text);
    return tap_done();
}
