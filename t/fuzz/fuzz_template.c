/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: whatever is compiled is filled in without a value getting out of its place. */
#include "sso_template.h"

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

/* What a value has that must not come out as it went in. */
#define CANARY "<canary a=\"'>&\n\t"

static const sso_slot_t row_slots[] = { { "label", NULL }, { NULL, NULL } };
static const sso_slot_t slots[] = { { "title", NULL }, { "href", NULL }, { "none", NULL },
                                    { "list", row_slots }, { NULL, NULL } };

static const char *file(void *baton, const char **name)
{
    return !strcmp(*name, "page") || !strcmp(*name, "again") ? baton : NULL;
}

static sso_fill_t *values(apr_pool_t *pool)
{
    sso_fill_t *fills = apr_pcalloc(pool, 4 * sizeof(*fills));
    sso_fill_t *row = apr_pcalloc(pool, sizeof(*row));
    apr_array_header_t *rows = apr_array_make(pool, 2, sizeof(sso_fill_t *));

    fills[0].say.text = "%s" CANARY;
    fills[0].say.value = CANARY;
    fills[1].say.text = "https://a.example/" CANARY;
    row[0].say.text = CANARY;
    APR_ARRAY_PUSH(rows, sso_fill_t *) = row;
    APR_ARRAY_PUSH(rows, sso_fill_t *) = row;
    fills[3].rows = rows;
    return fills;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *root;
    sso_ctx_t ctx = { .pool = NULL };
    const sso_template_t *compiled;
    sso_template_source_t source = { file, NULL };
    char *text;

    if (!root) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    apr_pool_create(&ctx.pool, root);
    source.baton = text = apr_pstrmemdup(ctx.pool, (const char *)data, size);
    if (sso_template_compile(&ctx, &source, "page", slots, &compiled) == SSO_OK) {
        const char *html = sso_template_render(ctx.pool, compiled, values(ctx.pool), NULL);

        MUST(!html || strstr(text, "<canary") || !strstr(html, "<canary"));
        MUST(!html || strstr(text, "\"'>") || !strstr(html, "\"'>"));
        MUST(!strchr(sso_template_styles(compiled), '<'));
    }
    else
        MUST(ctx.err.rc == SSO_MISCONFIG && ctx.err.number == 1271);
    apr_pool_destroy(ctx.pool);
    return 0;
}
