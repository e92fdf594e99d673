/* SPDX-License-Identifier: Apache-2.0 */
/* Accept-Language, and catalogues: one input is both. */
#include "sso_language.h"

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

static const sso_language_t english = { "en", 0, NULL }, german = { "de", 0, NULL },
                            brazil = { "pt-BR", 0, NULL }, serbian = { "sr-Latn-RS", 0, NULL };

static void accept_language(apr_pool_t *pool, const char *text)
{
    apr_array_header_t *all = apr_array_make(pool, 4, sizeof(sso_language_t *));
    const sso_language_t *chosen;

    APR_ARRAY_PUSH(all, const sso_language_t *) = &english;
    APR_ARRAY_PUSH(all, const sso_language_t *) = &german;
    APR_ARRAY_PUSH(all, const sso_language_t *) = &brazil;
    APR_ARRAY_PUSH(all, const sso_language_t *) = &serbian;
    chosen = sso_language_choose(all, text);
    MUST(chosen == &english || chosen == &german || chosen == &brazil || chosen == &serbian);
    /* a language that nobody names is not chosen */
    MUST(chosen == &english || strpbrk(text, "dDpPsS"));
}

static void catalogue(sso_ctx_t *ctx, sso_bytes_t bytes)
{
    const sso_language_t *language = NULL, *again = NULL;

    if (sso_language_read(ctx, "x.lang", "x", bytes, NULL, &language) != SSO_OK) {
        MUST(ctx->err.rc == SSO_MISCONFIG && ctx->err.number == 1274 && !language);
        return;
    }
    MUST(language && apr_hash_count(language->texts) <= SSO_LANGUAGE_TEXTS_MAX);
    MUST(sso_language_read(ctx, "x.lang", "x", bytes, language, &again) == SSO_OK);
    MUST(apr_hash_count(again->texts) == apr_hash_count(language->texts));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *root;
    sso_ctx_t ctx = { .pool = NULL };
    sso_bytes_t bytes;

    if (!root) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    apr_pool_create(&ctx.pool, root);
    bytes.data = apr_pstrmemdup(ctx.pool, (const char *)data, size);
    bytes.length = size;
    accept_language(ctx.pool, bytes.data);
    catalogue(&ctx, bytes);
    apr_pool_destroy(ctx.pool);
    return 0;
}
