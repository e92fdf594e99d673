/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An encrypted token, for keys that the world knows; or, when it begins with '{', the header of
 * one, to which the rest is put so that lengths fit.
 */
#include "../unit/jwe_vectors.h"
#include "sso_jose.h"
#include "sso_jwe_key.h"
#include "sso_text.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_16 "AAAAAAAAAAAAAAAAAAAAAA"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *load(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    if (!key)
        abort();
    return key;
}

/* Read once: that takes longer than all else. */
static const sso_jwe_keys_t *keys(void)
{
    static struct sso_jwe_keys_t all;

    if (!all.count) {
        all.keys[0] = (sso_jwe_key_t){ load(rsa_pem), NULL, "r", "" };
        all.keys[1] = (sso_jwe_key_t){ load(p256_pem), sso_curve_find("P-256"), "p", "" };
        all.keys[2] = (sso_jwe_key_t){ load(p521_pem), sso_curve_find("P-521"), "q", "" };
        all.count = 3;
    }
    return &all;
}

static const char *with_header(apr_pool_t *pool, const char *header, apr_size_t length)
{
    static const char *const rests[] = {
        "..AAAAAAAAAAAAAAAA.QUFB." BYTES_16,                              /* A128GCM */
        ".." BYTES_16 "." BYTES_16 "." BYTES_16,                          /* A128CBC-HS256 */
        "." BYTES_16 "AAAAAAAAAA.AAAAAAAAAAAAAAAA.QUFB." BYTES_16,        /* A128KW, A128GCM */
    };

    return apr_pstrcat(pool, sso_b64url_encode(pool, header, length), rests[length % 3], NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const sso_ports_t ports = { 0 };
    sso_ctx_t ctx = { .ports = &ports };
    const char *text, *inner = NULL;
    sso_rc_e rc;

    apr_initialize();
    apr_pool_create(&ctx.pool, NULL);
    text = apr_pstrmemdup(ctx.pool, (const char *)data, size);
    if (*text == '{')
        text = with_header(ctx.pool, text, strlen(text));
    rc = sso_jwe_open(&ctx, keys(), "fuzz", text, &inner);
    if ((rc == SSO_OK) != (inner != NULL) || (rc != SSO_OK && !ctx.err.number) || rc == SSO_BROKEN
        || (rc == SSO_OK && (!sso_jwe_looks(text) || !sso_jwt_looks(inner))))
        abort();
    apr_pool_destroy(ctx.pool);
    return 0;
}
