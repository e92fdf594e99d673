/* SPDX-License-Identifier: Apache-2.0 */
/* EdxSSODecryptionKey: read with the section, and what httpd -t says of a bad one. */
#include "world.h"
#include "jwe_vectors.h"
#include "pair.h"

static sso_rc_e make(sso_ctx_t *ctx, const char *path, sso_provider_t **provider)
{
    sso_config_t *config = world_lms();

    if (path)
        world_set(config, "EdxSSODecryptionKey", path, NULL);
    return world_make(ctx, "x", config, provider);
}

static void test_good(void)
{
    sso_ctx_t *ctx = world_ctx(0);
    sso_provider_t *provider = NULL;
    const char *inner = NULL;

    is_int(make(ctx, pair_text("key.pem", p256_pem, strlen(p256_pem)), &provider), SSO_OK,
           "a key (%s)", ctx->err.text);
    is_int(sso_jwe_keys_count(provider->decryption), 1, "is there");
    is_int(sso_jwe_open(ctx, provider->decryption, "x", vectors[0].token, &inner), SSO_OK,
           "and opens a token");
    is(inner, inner_token, "of somebody else's making");
    is_int(make(ctx, NULL, &provider), SSO_OK, "no key");
    ok(!provider->decryption, "is none");
    apr_pool_destroy(ctx->pool);
}

static void test_bad(void)
{
    const struct { const char *path; int number; const char *says; } cases[] = {
        { pair_path("nowhere.pem"), 30, "nowhere.pem: No such file" },
        { pair_text("junk.pem", "junk", 4), 184, "there is no private key in it" },
        { pair_key("locked.pem", forge_ec("P-256"), "secret"), 185, "openssl pkey -in OLD" },
        { pair_key("small.pem", forge_rsa(1024), NULL), 187, "1024 bits" },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_ctx_t *ctx = world_ctx(0);
        sso_provider_t *provider = NULL;

        is_int(make(ctx, cases[i].path, &provider), SSO_MISCONFIG, "%s", cases[i].path);
        is_int(ctx->err.number, cases[i].number, "number");
        ok(strstr(ctx->err.text, cases[i].says), "'%s' says '%s'", ctx->err.text, cases[i].says);
        ok(strstr(ctx->err.text, "<EdxSSOProvider x edx> (line 7): EdxSSODecryptionKey: "),
           "and where");
        ok(!provider, "and no provider");
        apr_pool_destroy(ctx->pool);
    }
}

int main(void)
{
    world_start();
    pair_start();
    test_good();
    test_bad();
    pair_stop();
    return tap_done();
}
