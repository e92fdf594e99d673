/* SPDX-License-Identifier: Apache-2.0 */
/* Cookie headers: what was taken out is not there, and nothing else is missing. */
#include "sso_cookie.h"

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

static void header(apr_pool_t *pool, const char *text)
{
    static const char *const names[] = { "sid", "login", NULL };
    const char *left = sso_cookie_strip(pool, text, names), *value = NULL, *other = NULL;
    sso_rc_e before = sso_cookie_find(pool, text, "a", &value);

    MUST(before != SSO_OK || *value);
    MUST(sso_cookie_find(pool, left, "sid", &other) == SSO_ABSENT);
    MUST(sso_cookie_find(pool, left, "sid_1", &other) == SSO_ABSENT);
    MUST(sso_cookie_find(pool, left, "login", &other) == SSO_ABSENT);
    MUST(sso_cookie_find(pool, left, "a", &other) == before);
    MUST(before != SSO_OK || !strcmp(value, other));
    MUST(sso_cookie_strip(pool, left, names) == left);
    if (sso_cookie_find(pool, text, "sid", &other) != SSO_ABSENT)
        MUST(left != text);
}

static void print(apr_pool_t *pool, const char *text)
{
    sso_cookie_t cookie = { .name = "sid", .value = text, .path = "/", .max_age = -1 };
    const char *p = sso_cookie_print(pool, &cookie);

    MUST(!strcmp(strchr(p, ';'), "; Path=/; HttpOnly"));
    for (; *p; p++)
        MUST(*p >= 0x20 && *p < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *root;
    apr_pool_t *pool;
    const char *text;

    if (!root) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    apr_pool_create(&pool, root);
    text = apr_pstrmemdup(pool, (const char *)data, size);
    header(pool, text);
    print(pool, text);
    apr_pool_destroy(pool);
    return 0;
}
