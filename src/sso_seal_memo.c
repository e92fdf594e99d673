/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes that were opened a moment ago.
 */
#include "sso_seal_memo.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>

#define CONTEXT_BYTES 32

typedef struct slot_t {
    pthread_mutex_t lock;
    apr_size_t length; /* of the box; 0: empty */
    unsigned char context[CONTEXT_BYTES];
} slot_t;

typedef struct pair_t {
    unsigned char text[SSO_MEMO_BYTES], box[SSO_MEMO_BYTES + SSO_BOX_OVERHEAD];
} pair_t;

struct sso_memo_t {
    slot_t slots[SSO_MEMO_SLOTS];
    pair_t *pairs;
};

static apr_status_t forget(void *data)
{
    sso_memo_t *memo = data;
    unsigned i;

    for (i = 0; i < SSO_MEMO_SLOTS; i++)
        if (memo->slots[i].length)
            OPENSSL_cleanse(memo->pairs[i].text, SSO_MEMO_BYTES);
    return APR_SUCCESS;
}

sso_memo_t *sso_memo_make(apr_pool_t *pool)
{
    sso_memo_t *memo = apr_pcalloc(pool, sizeof(*memo));
    unsigned i;

    for (i = 0; i < SSO_MEMO_SLOTS; i++)
        if (pthread_mutex_init(&memo->slots[i].lock, NULL) != 0)
            return NULL;
    memo->pairs = apr_palloc(pool, SSO_MEMO_SLOTS * sizeof(pair_t));
    apr_pool_cleanup_register(pool, memo, forget, apr_pool_cleanup_null);
    return memo;
}

/* The slot of a context, locked; NULL: it is in use, or this is nothing to remember. */
static slot_t *enter(sso_memo_t *memo, sso_bytes_t context, sso_bytes_t box, pair_t **pair)
{
    unsigned place;

    if (context.length != CONTEXT_BYTES || box.length < SSO_BOX_OVERHEAD
        || box.length - SSO_BOX_OVERHEAD > SSO_MEMO_BYTES)
        return NULL;
    /* contexts are digests: one byte of them is as good as another */
    place = *(const unsigned char *)context.data % SSO_MEMO_SLOTS;
    *pair = &memo->pairs[place];
    return pthread_mutex_trylock(&memo->slots[place].lock) == 0 ? &memo->slots[place] : NULL;
}

int sso_memo_get(sso_memo_t *memo, sso_bytes_t context, sso_bytes_t box, void *text)
{
    pair_t *pair;
    slot_t *slot = enter(memo, context, box, &pair);
    int known;

    if (!slot)
        return 0;
    known = slot->length == box.length && !memcmp(slot->context, context.data, CONTEXT_BYTES)
            && !memcmp(pair->box, box.data, box.length);
    if (known)
        memcpy(text, pair->text, box.length - SSO_BOX_OVERHEAD);
    pthread_mutex_unlock(&slot->lock);
    return known;
}

void sso_memo_put(sso_memo_t *memo, sso_bytes_t context, sso_bytes_t box, const void *text)
{
    pair_t *pair;
    slot_t *slot = enter(memo, context, box, &pair);

    if (!slot)
        return;
    if (slot->length > box.length) /* the end of the longer text before */
        OPENSSL_cleanse(pair->text + (box.length - SSO_BOX_OVERHEAD), slot->length - box.length);
    memcpy(pair->text, text, box.length - SSO_BOX_OVERHEAD);
    memcpy(pair->box, box.data, box.length);
    memcpy(slot->context, context.data, CONTEXT_BYTES);
    slot->length = box.length;
    pthread_mutex_unlock(&slot->lock);
}
