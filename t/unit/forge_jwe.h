/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORGE_JWE_H
#define FORGE_JWE_H

/*
 * Encrypted tokens made by OpenSSL alone, good ones and forged ones. Included once per test
 * program, which has called forge_start(). The content is always A128GCM, whatever the header says.
 */

#include "forge.h"
#include "sso_jwe.h"

#define FORGE_CEK 16

/* Header, key, content: five segments. */
static inline const char *forge_encrypt(const unsigned char *cek, const char *header,
                                        const forge_bytes_t *key, const void *plain, int length)
{
    static const unsigned char iv[12] = "twelve bytes";
    const char *aad = forge_b64(header, strlen(header));
    unsigned char *out = apr_palloc(forge_pool, (apr_size_t)length + 16), tag[16];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int done;

    FORGE_MUST(context && EVP_EncryptInit_ex2(context, EVP_aes_128_gcm(), cek, iv, NULL) == 1
               && EVP_EncryptUpdate(context, NULL, &done, (const unsigned char *)aad,
                                    (int)strlen(aad)) == 1
               && EVP_EncryptUpdate(context, out, &done, plain, length) == 1
               && EVP_EncryptFinal_ex(context, out + done, &done) == 1
               && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1);
    EVP_CIPHER_CTX_free(context);
    return apr_pstrcat(forge_pool, aad, ".", key ? forge_b64(key->data, key->length) : "", ".",
                       forge_b64(iv, 12), ".", forge_b64(out, (size_t)length), ".",
                       forge_b64(tag, 16), NULL);
}

/* RSA with a padding and an OAEP digest, around a key of any length. */
static inline void forge_wrap_rsa(EVP_PKEY *key, int padding, const char *digest,
                                  const unsigned char *cek, size_t length, forge_bytes_t *wrapped)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);

    wrapped->length = sizeof(wrapped->data);
    FORGE_MUST(context && EVP_PKEY_encrypt_init(context) == 1
               && EVP_PKEY_CTX_set_rsa_padding(context, padding) == 1);
    if (digest)
        FORGE_MUST(EVP_PKEY_CTX_set_rsa_oaep_md_name(context, digest, NULL) == 1
                   && EVP_PKEY_CTX_set_rsa_mgf1_md_name(context, digest, NULL) == 1);
    FORGE_MUST(EVP_PKEY_encrypt(context, wrapped->data, &wrapped->length, cek, length) == 1);
    EVP_PKEY_CTX_free(context);
}

static inline unsigned char *forge_part(unsigned char *at, const char *text)
{
    size_t length = strlen(text);

    memcpy(at, "\0\0\0", 3);
    at[3] = (unsigned char)length;
    memcpy(at + 4, text, length);
    return at + 4 + length;
}

/* ECDH-ES for @a peer's public half: header members, then the token around @a plain. @a members
 * stand before epk in the header, and start with alg and enc. */
static inline const char *forge_agreed(EVP_PKEY *peer, const char *members, const char *kdf_name,
                                       const void *plain, int length)
{
    char group[80];
    size_t name, secret_length = 66;
    unsigned char secret[66], input[256] = { 0, 0, 0, 1 }, *at = input + 4, cek[32];
    unsigned cek_length = sizeof(cek);
    EVP_PKEY *mine;
    EVP_PKEY_CTX *context;

    FORGE_MUST(EVP_PKEY_get_group_name(peer, group, sizeof(group), &name) == 1);
    mine = forge_ec(group);
    context = EVP_PKEY_CTX_new(mine, NULL);
    FORGE_MUST(context && EVP_PKEY_derive_init(context) == 1
               && EVP_PKEY_derive_set_peer(context, peer) == 1
               && EVP_PKEY_derive(context, secret, &secret_length) == 1);
    EVP_PKEY_CTX_free(context);
    memcpy(at, secret, secret_length);
    at = forge_part(forge_part(forge_part(at + secret_length, kdf_name), ""), "");
    memcpy(at, "\0\0\0\x80", 4); /* 128 bits */
    FORGE_MUST(EVP_Digest(input, (size_t)(at + 4 - input), cek, &cek_length, EVP_sha256(), NULL));
    return forge_encrypt(cek, apr_psprintf(forge_pool, "{%s,\"epk\":%s}", members,
                                           forge_jwk(mine, "")), NULL, plain, length);
}

/* The token with another segment in place of one. */
static inline const char *forge_segment(const char *token, int index, const char *text)
{
    const char *start = token, *end;

    while (index--)
        start = strchr(start, '.') + 1;
    end = start + strcspn(start, ".");
    return apr_pstrcat(forge_pool, apr_pstrmemdup(forge_pool, token, (apr_size_t)(start - token)),
                       text, end, NULL);
}

static inline const char *forge_segment_of(const char *token, int index)
{
    while (index--)
        token = strchr(token, '.') + 1;
    return apr_pstrmemdup(forge_pool, token, strcspn(token, "."));
}

#endif
