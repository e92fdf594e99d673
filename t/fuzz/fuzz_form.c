/* SPDX-License-Identifier: Apache-2.0 */
/* Forms, and the other readers of sso_text.c: what was read and is written again reads the same. */
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

static void form(apr_pool_t *pool, const char *text)
{
    apr_table_t *fields, *again;
    const apr_table_entry_t *a, *b;
    sso_form_t *writer = sso_form_make(pool);
    int i, count, repeated;

    if (!sso_form_parse(pool, text, &fields))
        return;
    a = (const apr_table_entry_t *)apr_table_elts(fields)->elts;
    count = apr_table_elts(fields)->nelts;
    MUST(count <= 100);
    for (i = 0; i < count; i++) {
        MUST(sso_utf8_ok(a[i].key, strlen(a[i].key)) && sso_utf8_ok(a[i].val, strlen(a[i].val)));
        MUST(sso_form_one(fields, a[i].key, &repeated) || repeated);
        sso_form_add(writer, a[i].key, a[i].val);
    }
    MUST(sso_form_parse(pool, sso_form_text(writer), &again));
    MUST(apr_table_elts(again)->nelts == count);
    b = (const apr_table_entry_t *)apr_table_elts(again)->elts;
    for (i = 0; i < count; i++)
        MUST(!strcmp(a[i].key, b[i].key) && !strcmp(a[i].val, b[i].val));
}

static void base64url(apr_pool_t *pool, const char *text, apr_size_t size)
{
    unsigned char *bytes;
    apr_size_t length;
    const char *again;

    if (sso_b64url_decode(pool, text, size, &bytes, &length)) {
        again = sso_b64url_encode(pool, bytes, length);
        MUST(strlen(again) == size && !memcmp(again, text, size));
    }
    again = sso_b64url_encode(pool, text, size);
    MUST(sso_b64url_decode(pool, again, strlen(again), &bytes, &length));
    MUST(length == size && !memcmp(bytes, text, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = { "EdxSSOProvider", "client_id", "on", "", NULL };
    static apr_pool_t *root;
    apr_pool_t *pool;
    const char *text;

    if (!root) {
        apr_initialize();
        apr_pool_create(&root, NULL);
    }
    apr_pool_create(&pool, root);
    text = apr_pstrmemdup(pool, (const char *)data, size);
    form(pool, text);
    base64url(pool, text, size);
    MUST(!strpbrk(sso_html(pool, text), "<>\"'"));
    MUST(!strchr(sso_url_with_query(pool, text, "a=b"), '#'));
    sso_nearest(text, words);
    apr_pool_destroy(pool);
    return 0;
}
