/* SPDX-License-Identifier: Apache-2.0 */
/* URLs and return addresses: what is accepted must be what it seems, whatever came in. */
#include "sso_text.h"
#include "sso_url.h"

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

/* What is parsed, printed and parsed again is the same. */
static void parse(apr_pool_t *pool, const char *text)
{
    sso_url_t url, again;

    if (sso_url_parse(pool, text, &url) != SSO_OK)
        return;
    MUST(sso_url_parse(pool, apr_pstrcat(pool, url.origin, url.path, url.query ? "?" : "",
                                         url.query ? url.query : "", NULL), &again) == SSO_OK);
    MUST(sso_url_same_origin(&url, &again) && url.port == again.port);
    MUST(!strcmp(url.path, again.path) && !url.query == !again.query);
    MUST(!strpbrk(url.host, "@/\\?#% "));
}

static void check_return(sso_ctx_t *ctx, const char *text)
{
    sso_return_rule_t rule = { .origin = "https://campus.example", .own_path = "/edxsso" };
    const char *absolute = NULL, *again = NULL, *p;

    rule.hosts = apr_array_make(ctx->pool, 1, sizeof(const char *));
    *(const char **)apr_array_push((apr_array_header_t *)rule.hosts) = "cms.example:8443";
    if (sso_return_check(ctx, &rule, text, &absolute) != SSO_OK) {
        MUST(!absolute);
        return;
    }
    MUST(!strncmp(absolute, "https://campus.example/", 23) ||
         !strncmp(absolute, "https://cms.example:8443/", 25));
    for (p = absolute; *p; p++)
        MUST(*p > 0x20 && *p < 0x7f && !strchr("\"'<>\\`", *p));
    if (strlen(absolute) <= 4096) {
        MUST(sso_return_check(ctx, &rule, absolute, &again) == SSO_OK);
        MUST(!strcmp(absolute, again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *root;
    sso_ctx_t ctx;
    const char *text;

    if (!root) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    memset(&ctx, 0, sizeof(ctx));
    apr_pool_create(&ctx.pool, root);
    text = apr_pstrmemdup(ctx.pool, (const char *)data, size);
    parse(ctx.pool, text);
    check_return(&ctx, text);
    apr_pool_destroy(ctx.pool);
    return 0;
}
