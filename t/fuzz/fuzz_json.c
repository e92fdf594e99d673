/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as JSON: every way of asking for a member is tried on what was accepted.
 */
#include "sso_json.h"
#include "sso_json_read.h"

#include <apr_general.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int depth_of(const json_t *value)
{
    int deepest = 0, depth;
    json_t *member;
    const char *name;
    size_t i;

    json_object_foreach((json_t *)value, name, member) {
        depth = depth_of(member);
        deepest = depth > deepest ? depth : deepest;
    }
    json_array_foreach(value, i, member) {
        depth = depth_of(member);
        deepest = depth > deepest ? depth : deepest;
    }
    return json_is_object(value) || json_is_array(value) ? deepest + 1 : 0;
}

static void ask(sso_ctx_t *ctx, json_t *object)
{
    const char *name, *text = sso_json_print(ctx->pool, object);
    json_t *member, *again = NULL;
    apr_int64_t number;

    if (depth_of(object) > SSO_JSON_DEPTH_MAX)
        abort(); /* the promise of sso_json.h */
    json_object_foreach(object, name, member) {
        const char *string = sso_json_text(object, name);

        sso_json_whole(object, name, &number);
        sso_json_true(object, name);
        sso_json_has(member, "a");
        if (string && (!*string || !sso_json_has(member, string)))
            abort();
    }
    if (sso_json_parse(ctx, "fuzz", text, strlen(text), &again) != SSO_OK
        || !json_equal(object, again))
        abort(); /* what we print is what we read */
}

/* What is read without jansson is what jansson would have read. */
static void compare(const char *text, size_t size)
{
    json_t *ours = sso_json_read(text, size, SSO_JSON_DEPTH_MAX);
    json_t *theirs = ours ? json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (ours && (depth_of(ours) > SSO_JSON_DEPTH_MAX || !json_equal(ours, theirs)))
        abort();
    json_decref(ours);
    json_decref(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sso_ctx_t ctx = { 0 };
    json_t *object = NULL;

    apr_initialize();
    apr_pool_create(&ctx.pool, NULL);
    compare((const char *)data, size);
    if (sso_json_parse(&ctx, "fuzz", (const char *)data, size, &object) == SSO_OK)
        ask(&ctx, object);
    apr_pool_destroy(ctx.pool);
    return 0;
}
