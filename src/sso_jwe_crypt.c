/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The computing part of JWE: key management (RFC 7518 4) and content decryption (RFC 7518 5). The
 * lengths of all parts have been checked by sso_jwe.c; nothing here says why something failed.
 */
#include "sso_jwe_key.h"

#include "sso_jose.h"
#include "sso_seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

#define WRAP_EXTRA         8 /* RFC 3394 2.2.1 */
#define BLOCK_BYTES        16
#define SECRET_BYTES_MAX   66 /* a coordinate of P-521 */
#define UNWRAPPED_ROOM     (SSO_RSA_BITS_MAX / 8) /* OpenSSL wants room for a whole modulus */

static void put32(unsigned char *to, apr_size_t number)
{
    to[0] = (unsigned char)(number >> 24);
    to[1] = (unsigned char)(number >> 16);
    to[2] = (unsigned char)(number >> 8);
    to[3] = (unsigned char)number;
}

/* Keep what was found if it was found, the random bytes if not, without a branch on which it is. */
static void keep(unsigned char *cek, const unsigned char *found, apr_size_t length, int good)
{
    unsigned char mask = (unsigned char)-(good != 0);
    apr_size_t i;

    for (i = 0; i < length; i++)
        cek[i] = (unsigned char)((found[i] & mask) | (cek[i] & ~mask));
}

/* ---- RSA-OAEP, RSA-OAEP-256 (RFC 7518 4.3) ---- */

static void unwrap_rsa(const sso_jwe_t *jwe, const sso_jwe_key_t *key, unsigned char *cek)
{
    unsigned char found[UNWRAPPED_ROOM] = { 0 };
    size_t length = sizeof(found);
    EVP_PKEY_CTX *pkey = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    int good = pkey && EVP_PKEY_decrypt_init(pkey) == 1
               && EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_OAEP_PADDING) == 1
               && EVP_PKEY_CTX_set_rsa_oaep_md_name(pkey, jwe->alg->oaep_digest, NULL) == 1
               && EVP_PKEY_CTX_set_rsa_mgf1_md_name(pkey, jwe->alg->oaep_digest, NULL) == 1
               && EVP_PKEY_decrypt(pkey, found, &length, jwe->encrypted_key.bytes,
                                   jwe->encrypted_key.length) == 1;

    keep(cek, found, jwe->enc->key_bytes, good & (length == jwe->enc->key_bytes));
    sso_cleanse(found, sizeof(found));
    EVP_PKEY_CTX_free(pkey);
}

/* ---- ECDH-ES (RFC 7518 4.6) ---- */

static int agree(const sso_jwe_t *jwe, const sso_jwe_key_t *key, unsigned char *secret)
{
    size_t length = SECRET_BYTES_MAX;
    EVP_PKEY_CTX *pkey = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    int good = pkey && EVP_PKEY_derive_init(pkey) == 1
               && EVP_PKEY_derive_set_peer(pkey, jwe->epk) == 1
               && EVP_PKEY_derive(pkey, secret, &length) == 1 && length == key->curve->bytes;

    EVP_PKEY_CTX_free(pkey);
    return good;
}

static unsigned char *put_part(unsigned char *to, const void *bytes, apr_size_t length)
{
    put32(to, length);
    if (length)
        memcpy(to + 4, bytes, length);
    return to + 4 + length;
}

/* OtherInfo of RFC 7518 4.6.2 for a key of @a bytes. */
static sso_part_t other_info(const sso_jwe_t *jwe, apr_size_t bytes)
{
    const char *name = jwe->alg->wrap_cipher ? jwe->alg->name : jwe->enc->name;
    apr_size_t name_length = strlen(name);
    sso_part_t info = { NULL, 4 + name_length + 4 + jwe->apu.length + 4 + jwe->apv.length + 4 };
    unsigned char *at = info.bytes = apr_palloc(jwe->pool, info.length);

    at = put_part(at, name, name_length);
    at = put_part(at, jwe->apu.bytes, jwe->apu.length);
    at = put_part(at, jwe->apv.bytes, jwe->apv.length);
    put32(at, bytes * 8);
    return info;
}

/* The Concat KDF, which OpenSSL has under the name of SP 800-56C's one-step function. */
static int derive(const sso_jwe_t *jwe, const sso_jwe_key_t *key, unsigned char *out,
                  apr_size_t bytes)
{
    unsigned char secret[SECRET_BYTES_MAX];
    char digest[] = "SHA256";
    sso_part_t info = other_info(jwe, bytes);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret, key->curve->bytes),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.bytes, info.length),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SSKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    int good = context && agree(jwe, key, secret)
               && EVP_KDF_derive(context, out, bytes, params) == 1;

    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    sso_cleanse(secret, sizeof(secret));
    return good;
}

/* AES key wrap (RFC 3394). The wrapped key is 8 bytes longer than the key, exactly. */
static int unwrap_aes(const sso_jwe_t *jwe, const unsigned char *wrapping, unsigned char *out)
{
    int length = 0, rest = 0, good;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, jwe->alg->wrap_cipher, NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

    good = cipher && context && jwe->encrypted_key.length == jwe->enc->key_bytes + WRAP_EXTRA;
    if (good)
        EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    good = good && EVP_DecryptInit_ex2(context, cipher, wrapping, NULL, NULL) == 1
           && EVP_DecryptUpdate(context, out, &length, jwe->encrypted_key.bytes,
                                (int)jwe->encrypted_key.length) == 1
           && EVP_DecryptFinal_ex(context, out + length, &rest) == 1
           && (apr_size_t)length + (apr_size_t)rest == jwe->enc->key_bytes;
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
    return good;
}

static void unwrap_agreed(const sso_jwe_t *jwe, const sso_jwe_key_t *key, unsigned char *cek)
{
    /* room for the integrity block, should OpenSSL ever write it out */
    unsigned char found[SSO_CEK_BYTES_MAX + 2 * WRAP_EXTRA] = { 0 };
    unsigned char wrapping[SSO_CEK_BYTES_MAX] = { 0 };
    int good;

    if (jwe->alg->wrap_cipher)
        good = derive(jwe, key, wrapping, jwe->alg->wrap_bytes) && unwrap_aes(jwe, wrapping, found);
    else
        good = derive(jwe, key, found, jwe->enc->key_bytes);
    keep(cek, found, jwe->enc->key_bytes, good);
    sso_cleanse(wrapping, sizeof(wrapping));
    sso_cleanse(found, sizeof(found));
}

void sso_jwe_unwrap(const sso_jwe_t *jwe, const sso_jwe_key_t *key, unsigned char *cek)
{
    if (jwe->alg->oaep_digest)
        unwrap_rsa(jwe, key, cek);
    else
        unwrap_agreed(jwe, key, cek);
}

/* ---- content ---- */

/* The tag of AES-CBC with HMAC (RFC 7518 5.2.2.1): over header, IV, ciphertext, and the header's
 * length in bits. */
static int mac_fits(const sso_jwe_t *jwe, const unsigned char *mac_key)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t mac_length = 0, length = jwe->aad.length + jwe->iv.length + jwe->ciphertext.length + 8;
    unsigned char *text = apr_palloc(jwe->pool, length), *at = text;

    memcpy(at, jwe->aad.bytes, jwe->aad.length);
    at += jwe->aad.length;
    memcpy(at, jwe->iv.bytes, jwe->iv.length);
    at += jwe->iv.length;
    memcpy(at, jwe->ciphertext.bytes, jwe->ciphertext.length);
    at += jwe->ciphertext.length;
    put32(at, 0);
    put32(at + 4, jwe->aad.length * 8);
    return EVP_Q_mac(NULL, "HMAC", NULL, jwe->enc->mac_digest, NULL, mac_key,
                     jwe->enc->key_bytes / 2, text, length, mac, sizeof(mac), &mac_length)
           && mac_length == jwe->tag.length * 2
           && CRYPTO_memcmp(mac, jwe->tag.bytes, jwe->tag.length) == 0;
}

static int set_gcm(EVP_CIPHER_CTX *context, const sso_jwe_t *jwe)
{
    int length;

    return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, (int)jwe->tag.length,
                               jwe->tag.bytes) == 1
           && EVP_DecryptUpdate(context, NULL, &length, jwe->aad.bytes, (int)jwe->aad.length) == 1;
}

static int decipher(const sso_jwe_t *jwe, EVP_CIPHER_CTX *context, const unsigned char *key,
                    sso_part_t *plain)
{
    int length = 0, rest = 0, good;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, jwe->enc->cipher, NULL);

    plain->bytes = apr_palloc(jwe->pool, jwe->ciphertext.length + BLOCK_BYTES + 1);
    good = cipher && EVP_CIPHER_get_iv_length(cipher) == (int)jwe->iv.length
           && EVP_DecryptInit_ex2(context, cipher, key, jwe->iv.bytes, NULL) == 1
           && (jwe->enc->mac_digest || set_gcm(context, jwe))
           && EVP_DecryptUpdate(context, plain->bytes, &length, jwe->ciphertext.bytes,
                                (int)jwe->ciphertext.length) == 1
           && EVP_DecryptFinal_ex(context, plain->bytes + length, &rest) == 1;
    EVP_CIPHER_free(cipher);
    if (!good)
        return 0;
    plain->length = (apr_size_t)length + (apr_size_t)rest;
    plain->bytes[plain->length] = '\0';
    return 1;
}

int sso_jwe_decrypt(const sso_jwe_t *jwe, const unsigned char *cek, sso_part_t *plain)
{
    const unsigned char *key = jwe->enc->mac_digest ? cek + jwe->enc->key_bytes / 2 : cek;
    EVP_CIPHER_CTX *context;
    int good;

    if (jwe->enc->mac_digest && !mac_fits(jwe, cek)) /* nothing is decrypted before this fits */
        return 0;
    context = EVP_CIPHER_CTX_new();
    good = context && decipher(jwe, context, key, plain);
    EVP_CIPHER_CTX_free(context);
    return good;
}
