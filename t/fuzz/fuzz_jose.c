/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JWK set and a token, on two lines: the set is read, the token is tried against it, against a
 * secret and against keys that verify published tokens. One line only is a token.
 */
#include "sso_jose.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN                                                                                     \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\","                                 \
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                      \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_token(sso_ctx_t *ctx, const sso_keys_t *keys, const char *token)
{
    sso_jws_policy_t policy = { keys, 0, SSO_KID_ORDERS };
    sso_jwt_t *jwt = NULL;
    sso_rc_e rc;

    sso_forgive(ctx);
    rc = sso_jws_verify(ctx, &policy, "fuzz", token, &jwt);
    if ((rc == SSO_OK) != (jwt != NULL) || (rc != SSO_OK && !ctx->err.number)
        || (rc == SSO_OK && !sso_jwt_looks(token)) || rc == SSO_BROKEN)
        abort();
    sso_forgive(ctx);
    policy.kid_rule = SSO_KID_SELECTS;
    if (sso_jws_verify(ctx, &policy, "fuzz", token, &jwt) == SSO_OK && rc != SSO_OK)
        abort(); /* the stricter rule cannot take more */
    sso_forgive(ctx);
    sso_jws_peek(ctx, "fuzz", token, &jwt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char secret[64] = "a secret of the fuzzer, long enough for every MAC";
    const sso_ports_t ports = { 0 };
    sso_ctx_t ctx = { .ports = &ports };
    sso_keys_t *given = NULL, *known = NULL, *mac = NULL;
    const char *text, *line;

    apr_initialize();
    apr_pool_create(&ctx.pool, NULL);
    text = apr_pstrmemdup(ctx.pool, (const char *)data, size);
    line = strchr(text, '\n');
    if (line)
        sso_keys_parse(&ctx, ctx.pool, text, (apr_size_t)(line - text), &given);
    sso_forgive(&ctx);
    if (sso_keys_parse(&ctx, ctx.pool, KNOWN, sizeof(KNOWN) - 1, &known) != SSO_OK
        || sso_keys_from_secret(&ctx, ctx.pool, secret, sizeof(secret), &mac) != SSO_OK)
        abort();
    try_token(&ctx, sso_keys_join(ctx.pool, given, sso_keys_join(ctx.pool, known, mac)),
              line ? line + 1 : text);
    apr_pool_destroy(ctx.pool);
    return 0;
}
