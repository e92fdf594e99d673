/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests and MACs that need no key ring.
 */
#include "sso_seal.h"

#include "sso_text.h"

#include <openssl/evp.h>
#include <string.h>

sso_rc_e sso_digest(sso_ctx_t *ctx, const sso_bytes_t *parts, int count,
                    unsigned char digest[SSO_DIGEST_BYTES])
{
    EVP_MD_CTX *evp = EVP_MD_CTX_new();
    sso_rc_e rc = SSO_BROKEN;
    int i, k;

    if (!evp || !EVP_DigestInit_ex2(evp, EVP_sha256(), NULL))
        goto out;
    for (i = 0; i < count; i++) {
        unsigned char size[8];

        for (k = 0; k < 8; k++)
            size[k] = (unsigned char)((apr_uint64_t)parts[i].length >> (56 - 8 * k));
        if (!EVP_DigestUpdate(evp, size, sizeof(size))
            || !EVP_DigestUpdate(evp, parts[i].data, parts[i].length))
            goto out;
    }
    if (EVP_DigestFinal_ex(evp, digest, NULL))
        rc = SSO_OK;
out:
    EVP_MD_CTX_free(evp);
    return rc == SSO_OK ? rc : sso_fail(ctx, rc, 130, "OpenSSL could not hash");
}

sso_rc_e sso_sha256(sso_ctx_t *ctx, const void *data, apr_size_t length,
                    unsigned char digest[SSO_DIGEST_BYTES])
{
    if (!EVP_Digest(data, length, digest, NULL, EVP_sha256(), NULL))
        return sso_fail(ctx, SSO_BROKEN, 131, "OpenSSL could not hash");
    return SSO_OK;
}

sso_rc_e sso_half_hash(sso_ctx_t *ctx, const char *alg, const char *value, const char **half)
{
    const char *bits = strlen(alg) > 3 ? alg + strlen(alg) - 3 : alg;
    const EVP_MD *md = !strcmp(bits, "512") ? EVP_sha512()
                                            : !strcmp(bits, "384") ? EVP_sha384() : EVP_sha256();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length;

    if (!EVP_Digest(value, strlen(value), digest, &length, md, NULL))
        return sso_fail(ctx, SSO_BROKEN, 134, "OpenSSL could not hash");
    *half = sso_b64url_encode(ctx->pool, digest, length / 2);
    return SSO_OK;
}

sso_rc_e sso_hmac_sha256(sso_ctx_t *ctx, sso_bytes_t key, const char *text, const char **hex)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t length;

    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.data, key.length,
                   (const unsigned char *)text, strlen(text), mac, sizeof(mac), &length))
        return sso_fail(ctx, SSO_BROKEN, 135, "OpenSSL could not make an HMAC");
    *hex = sso_hex(ctx->pool, mac, length);
    return SSO_OK;
}
