/* SPDX-License-Identifier: Apache-2.0 */
/* Logout tokens judged, and what the provider's URLs do with them: without a server. */
#include "browser.h"

#include "sso_id_token.h"

#define EVENTS "\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":{}}"
#define HEAD   "\"iss\":\"" WORLD_ISSUER "\",\"aud\":\"site\",\"iat\":1700000000,\"exp\":1700000060"
#define WHOM   "\"sub\":\"e3bf\",\"jti\":\"j1\""

static const struct { const char *header, *claims; int number; } tokens[] = {
    { "logout+jwt", HEAD "," WHOM "," EVENTS, 0 },
    { "LOGOUT+JWT", HEAD "," WHOM "," EVENTS, 0 },
    { "application/logout+jwt", HEAD "," WHOM "," EVENTS, 0 },
    { "JWT", HEAD ",\"sid\":\"s\",\"jti\":\"j\"," EVENTS, 0 },
    { "JWT", HEAD "," WHOM ",\"events\":{\"x\":{},\"http://schemas.openid.net/event/"
             "backchannel-logout\":{\"y\":1}}", 0 },
    { "at+jwt", HEAD "," WHOM "," EVENTS, 1062 },
    { "secevent+jwt", HEAD "," WHOM "," EVENTS, 1062 },
    { "JWT", HEAD "," WHOM, 1063 },
    { "JWT", HEAD "," WHOM ",\"events\":{}", 1063 },
    { "JWT", HEAD "," WHOM ",\"events\":[\"http://schemas.openid.net/event/backchannel-logout\"]",
      1063 },
    { "JWT", HEAD "," WHOM ",\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":"
             "null}", 1063 },
    { "JWT", HEAD "," WHOM ",\"nonce\":\"n\"," EVENTS, 1064 },
    { "JWT", HEAD "," WHOM ",\"nonce\":null," EVENTS, 1064 },
    { "JWT", HEAD ",\"sub\":7,\"jti\":\"j\"," EVENTS, 1065 },
    { "JWT", HEAD ",\"sub\":\"\",\"jti\":\"j\"," EVENTS, 1065 },
    { "JWT", HEAD "," WHOM ",\"sid\":[]," EVENTS, 1065 },
    { "JWT", HEAD ",\"sub\":\"s\",\"jti\":1," EVENTS, 1065 },
    { "JWT", HEAD ",\"jti\":\"j\"," EVENTS, 1066 },
    { "JWT", HEAD ",\"sub\":\"s\"," EVENTS, 1067 },
    { "JWT", "\"iss\":\"https://evil.test\",\"aud\":\"site\",\"iat\":1700000000,\"exp\":1700000060,"
             WHOM "," EVENTS, 467 },
    { "JWT", "\"aud\":\"site\",\"iat\":1700000000,\"exp\":1700000060," WHOM "," EVENTS, 466 },
    { "JWT", "\"iss\":\"" WORLD_ISSUER "\",\"aud\":\"other\",\"iat\":1700000000,\"exp\":1700000060,"
             WHOM "," EVENTS, 472 },
    { "JWT", "\"iss\":\"" WORLD_ISSUER "\",\"iat\":1700000000,\"exp\":1700000060," WHOM "," EVENTS,
      472 },
    { "JWT", "\"iss\":\"" WORLD_ISSUER "\",\"aud\":[\"site\",\"other\"],\"iat\":1700000000,"
             "\"exp\":1700000060," WHOM "," EVENTS, 474 },
    { "JWT", "\"iss\":\"" WORLD_ISSUER "\",\"aud\":\"site\",\"iat\":1700000000," WHOM "," EVENTS,
      460 },
    { "JWT", "\"iss\":\"" WORLD_ISSUER "\",\"aud\":\"site\",\"exp\":1700000060," WHOM "," EVENTS,
      462 },
    { "JWT", "\"iss\":\"" WORLD_ISSUER "\",\"aud\":\"site\",\"iat\":1699990000,"
             "\"exp\":1699999000," WHOM "," EVENTS, 461 },
    { "JWT", "\"iss\":\"" WORLD_ISSUER "\",\"aud\":\"site\",\"iat\":1700009000,"
             "\"exp\":1700009900," WHOM "," EVENTS, 463 },
};

static const char *token_of(const char *type, const char *claims)
{
    return forge_mac(WORLD_MAC, strlen(WORLD_MAC), "HS256",
                     apr_psprintf(world_pool, "{\"alg\":\"HS256\",\"typ\":\"%s\"}", type),
                     apr_psprintf(world_pool, "{%s}", claims));
}

static void test_tokens(void)
{
    const sso_provider_t *provider = sso_provider_find(world_site, "lms");
    unsigned i;

    for (i = 0; i < SSO_COUNT(tokens); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_jwt_t *jwt = NULL;
        sso_rc_e rc = sso_logout_token_check(ctx, provider,
                                             token_of(tokens[i].header, tokens[i].claims), &jwt);

        is_int(ctx->err.number, tokens[i].number, "%s {%s}: %s", tokens[i].header,
               tokens[i].claims, ctx->err.text);
        ok((rc == SSO_OK) == (jwt != NULL), "out only if it is good");
    }
}

static int sends(browser_t *browser, int later_sec, const char *claims)
{
    browser->body = apr_pstrcat(world_pool, "logout_token=", token_of("logout+jwt", claims), NULL);
    browser->headers[0] = "Content-Type";
    browser->headers[1] = "application/x-www-form-urlencoded";
    return browse_at(later_sec, browser, "POST", "/edxsso/backchannel-logout/lms");
}

/* A token counts once; one that could not be obeyed may come again. */
static void test_endpoint(void)
{
    browser_t user = { 0 }, provider = { 0 }, copy;

    memset(memory.entries, 0, sizeof(memory.entries));
    token_gives(world_claims(""));
    browser_signs_in(0, &user, "/edxsso/login?provider=lms");
    copy = user;
    is_int(browse(&copy, "/edxsso/session"), 200, "signed in");
    memory.fail_at = memory.calls + 2; /* the token is new, and then the store goes away */
    is_int(sends(&provider, 1, HEAD "," WHOM "," EVENTS), 503, "the store is away: try again");
    memory.fail_at = 0;
    is_int(browse(&copy, "/edxsso/session"), 200, "nothing has happened");
    is_int(sends(&provider, 1, HEAD "," WHOM ",\"nonce\":1," EVENTS), 400, "one that is refused");
    is_int(seen.number, 1068, "is said to the log");
    is_int(browse(&copy, "/edxsso/session"), 200, "nothing has happened");
    is_int(sends(&provider, 1, HEAD "," WHOM "," EVENTS), 200, "the same token, not used");
    is(seen.answer.body, "", "no words");
    is_int(browse_at(1, &copy, "GET", "/edxsso/session"), 401, "signed out");
    is_int(sends(&provider, 2, HEAD "," WHOM "," EVENTS), 400, "the token once more");
    ok(strstr(seen.text, "used already") != NULL, "%s", seen.text);
    is_int(sends(&provider, 2, HEAD ",\"sub\":\"e3bf\",\"jti\":\"j2\"," EVENTS), 200, "another");
}

int main(void)
{
    world_start();
    test_tokens();
    test_endpoint();
    return tap_done();
}
