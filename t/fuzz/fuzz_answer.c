/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door, knocked at by strangers: a request line's target, then lines of headers. Whatever
 * it is, nobody gets signed in, nothing leads elsewhere, and nothing that was sent runs in a page.
 */
#include "../unit/browser.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                \
    do {                                                                                          \
        if (!(cond))                                                                              \
            abort();                                                                              \
    } while (0)

static sso_ctx_t *context(apr_pool_t *pool)
{
    sso_ctx_t *ctx = apr_pcalloc(pool, sizeof(*ctx));

    ctx->pool = pool;
    ctx->ports = &world_ports;
    ctx->now = apr_time_from_sec(WORLD_NOW);
    tap_log_text[0] = '\0';
    return ctx;
}

/* "Name: value" lines; Cookie is what it is in a request. */
static void headers(sso_request_t *request, char *text)
{
    while (text) {
        char *end = strchr(text, '\n'), *colon;

        if (end)
            *end++ = '\0';
        colon = strstr(text, ": ");
        if (colon) {
            *colon = '\0';
            if (!strcmp(text, "Cookie"))
                request->cookies = colon + 2;
            else
                apr_table_addn(request->headers, text, colon + 2);
        }
        text = end;
    }
}

static void judge(const sso_ctx_t *ctx, const sso_answer_t *answer)
{
    const char *location = apr_table_get(answer->headers, "Location"), *c;

    MUST(!answer->session && !*answer_fault(ctx, answer));
    MUST(answer->what == SSO_ANSWER_PASS || (answer->status >= 200 && answer->status <= 503));
    MUST(answer->status != 500);
    MUST(!strstr(answer->body, "<script") && !strstr(answer->body, "<img"));
    for (c = location; c && *c; c++)
        MUST(*c > 0x20 && *c < 0x7f);
    MUST(!location || !strncmp(location, WORLD_ORIGIN "/", strlen(WORLD_ORIGIN) + 1)
         || !strncmp(location, "https://lms.example/", 20)
         || !strncmp(location, "https://campus.example/", 23));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static browser_t nobody;
    apr_pool_t *pool;
    sso_ctx_t *ctx;
    sso_request_t *request;
    sso_answer_t answer;
    char *text, *more;

    if (!world_site)
        world_start();
    apr_pool_create(&pool, world_pool);
    ctx = context(pool);
    memset(memory.entries, 0, sizeof(memory.entries));
    token_endpoint.calls = 0;
    text = apr_pstrmemdup(pool, (const char *)data, size);
    if (strstr(text, WORLD_CANARY) || strstr(text, WORLD_MAC))
        *text = '\0'; /* who knows them may see them */
    more = strchr(text, '\n');
    if (more)
        *more++ = '\0';
    request = browser_request(ctx, &nobody, size % 5 ? "GET" : "POST",
                              *text == '/' ? text : apr_pstrcat(pool, "/", text, NULL));
    apr_table_clear(request->headers);
    headers(request, more);
    if (sso_answer_owns(world_site, request->path))
        sso_answer_own(ctx, request, &answer);
    else
        sso_answer_place(ctx, request, &answer);
    judge(ctx, &answer);
    MUST(token_endpoint.calls == 0);
    apr_pool_destroy(pool);
    return 0;
}
