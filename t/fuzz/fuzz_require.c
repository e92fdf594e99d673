/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking through claims without parsing them comes to what parsing comes to; and words of Require
 * lines and Authorization headers may be anything. An input is a line, and, after it, claims.
 */
#include "sso_claim_span.h"
#include "sso_credential.h"
#include "sso_json.h"
#include "sso_require.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                \
    do {                                                                                          \
        if (!(cond))                                                                              \
            abort();                                                                              \
    } while (0)

static const void *compile(apr_pool_t *pool, const char *pattern)
{
    return apr_pstrdup(pool, pattern);
}

static int search(const void *compiled, const char *text, apr_size_t length)
{
    return length && strchr(compiled, *text) != NULL;
}

static void authorization(apr_pool_t *pool, const char *header)
{
    const char *token = NULL;
    int jwt = -1;

    if (sso_bearer_read(pool, header, &token, &jwt) != SSO_OK) {
        MUST(!token && jwt == -1);
        return;
    }
    MUST(*token && !strpbrk(token, " \t\r\n,;\"\\") && (jwt == 0 || jwt == 1));
}

/* The value a path leads to is the one that jansson finds, byte for byte. */
static void path(sso_ctx_t *ctx, const json_t *object, const sso_claims_t *claims, const char *name)
{
    const json_t *want = sso_claim_path(object, name);
    sso_span_t value;
    int found = sso_span_find(claims, name, &value);

    if (want && json_is_null(want) && !found) /* left out at the top */
        return;
    MUST(found == !!want);
    if (!found)
        return;
    MUST(value.from >= claims->text && value.end <= claims->text + claims->text_length);
    if (json_is_string(want)) {
        MUST(sso_span_equals(value, json_string_value(want), json_string_length(want)));
        MUST(!sso_span_equals(value, json_string_value(want), json_string_length(want) + 1));
    }
    else if (!json_is_real(want)) {
        const char *text = sso_json_print(ctx->pool, want);

        MUST(strlen(text) == (apr_size_t)(value.end - value.from)
             && !memcmp(text, value.from, strlen(text)));
    }
    if (json_is_array(want)) {
        apr_size_t at = 0, n = 0;
        sso_span_t element;

        while (sso_span_next(value, &at, &element))
            n++;
        MUST(n == json_array_size(want));
    }
}

static void rules(sso_ctx_t *ctx, const char *line, const sso_claims_t *claims)
{
    static const sso_matcher_t matcher = { compile, search };
    apr_array_header_t *words = sso_words(ctx->pool, line);
    apr_array_header_t none = { .nelts = 0 };
    sso_site_t site = { .providers = &none };
    sso_session_t session = { .provider = "lms", .claims = *claims };
    const sso_rule_t *rule;
    int n;

    for (n = 0; sso_rule_name(n); n++) {
        sso_forgive(ctx);
        if (sso_rule_read(ctx, &matcher, sso_rule_name(n), words, &rule) == SSO_OK)
            sso_rule_judge(ctx->pool, rule, &site, &session);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *root;
    const uint8_t *end = memchr(data, '\n', size);
    sso_ctx_t ctx = { .pool = NULL };
    const char *line, *text;
    sso_claims_t claims;
    json_t *object;

    if (!root) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    if (!end)
        end = data + size;
    apr_pool_create(&ctx.pool, root);
    line = apr_pstrmemdup(ctx.pool, (const char *)data, (apr_size_t)(end - data));
    authorization(ctx.pool, line);
    if (end < data + size) {
        text = apr_pstrmemdup(ctx.pool, (const char *)end + 1, size - (size_t)(end - data) - 1);
        if (sso_json_parse(&ctx, "fuzz", text, strlen(text), &object) == SSO_OK
            && sso_claims_flatten(&ctx, object, &claims) == SSO_OK) {
            if (*line) /* no Require line has a claim without a name */
                path(&ctx, object, &claims, line);
            rules(&ctx, line, &claims);
        }
    }
    apr_pool_destroy(ctx.pool);
    return 0;
}
