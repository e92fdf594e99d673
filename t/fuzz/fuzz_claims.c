/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: what was flattened is read back as it was; what was not written by us is refused or
 * harmless. An input that begins with '{' is a provider's claims, any other a stored record.
 */
#include "sso_claims.h"
#include "sso_json.h"
#include "sso_text.h"

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

static void use(apr_pool_t *pool, const sso_claims_t *claims)
{
    static const char *const delimiters[] = { ",", "::", "\\", " ", "\"" };
    const char *at = claims->shown;
    apr_uint32_t i;
    unsigned k;

    MUST(strlen(claims->text) <= claims->default_length);
    for (i = 0; i < claims->count; i++) {
        const sso_claim_t *row = &claims->rows[i];
        sso_shown_t shown;

        at = sso_claim_show(claims, row, at, &shown);
        apr_pmemdup(pool, shown.header, row->label_length + (apr_size_t)SSO_CLAIMS_SLACK);
        apr_pmemdup(pool, shown.variable, row->label_length + (apr_size_t)SSO_CLAIMS_SLACK);
        MUST(!shown.value || !shown.value[row->shown_length]);
    }
    MUST(at == claims->shown + claims->shown_length);
    for (i = 0; i < claims->count; i++)
        for (k = 0; k < SSO_COUNT(delimiters); k++) {
            apr_size_t length;
            const char *value = sso_claim_value(pool, claims, &claims->rows[i], delimiters[k],
                                                &length);

            MUST(length >= strlen(value));
        }
}

static void provider_claims(sso_ctx_t *ctx, const char *text, apr_size_t size)
{
    sso_claims_t claims, copy;
    json_t *object;
    apr_size_t length;
    apr_uint32_t i;
    void *bytes;

    if (sso_json_parse(ctx, "fuzz", text, size, &object) != SSO_OK
        || sso_claims_flatten(ctx, object, &claims) != SSO_OK)
        return;
    length = sso_claims_size(&claims);
    bytes = apr_palloc(ctx->pool, length);
    sso_claims_write(&claims, bytes);
    MUST(sso_claims_read(bytes, length, &copy));
    MUST(copy.count == claims.count && !strcmp(copy.text, claims.text));
    MUST(sso_json_parse(ctx, "fuzz", copy.text, copy.default_length, &object) == SSO_OK);
    MUST(json_object_size(object) == copy.default_count);
    use(ctx->pool, &copy);
    for (i = 0; i < copy.count; i++) {
        const char *value = sso_claim_value(ctx->pool, &copy, &copy.rows[i], ",", &length);
        apr_uint16_t other;
        apr_uint32_t steps = 0;

        MUST(strlen(value) == length && sso_utf8_ok(value, length));
        for (; *value; value++)
            MUST(!sso_claim_control(value));
        for (other = copy.rows[i].winner; other; other = copy.rows[other - 1].winner)
            MUST(++steps < copy.count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *root;
    sso_ctx_t ctx = { NULL };
    sso_claims_t claims;

    if (!root) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    apr_pool_create(&ctx.pool, root);
    if (size && *data == '{')
        provider_claims(&ctx, apr_pstrmemdup(ctx.pool, (const char *)data, size), size);
    else if (sso_claims_read(apr_pmemdup(ctx.pool, data, size), size, &claims))
        use(ctx.pool, &claims);
    apr_pool_destroy(ctx.pool);
    return 0;
}
