/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PAIR_H
#define PAIR_H

/*
 * Files of certificates and keys, good ones and others, made by OpenSSL alone, in a folder that
 * goes with pair_stop(). Included once per test program, which has called forge_start().
 */

#include "forge.h"

#include <apr_file_info.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *pair_folder;

static inline const char *pair_path(const char *name)
{
    return apr_pstrcat(forge_pool, pair_folder, "/", name, NULL);
}

static inline const char *pair_text(const char *name, const char *text, apr_size_t length)
{
    const char *path = pair_path(name);
    FILE *file = fopen(path, "w");

    FORGE_MUST(file && fwrite(text, 1, length, file) == length && fclose(file) == 0);
    chmod(path, 0600);
    return path;
}

/* A private key as PEM, with a passphrase or NULL. */
static inline const char *pair_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
    const char *path = pair_path(name);
    FILE *file = fopen(path, "w");

    FORGE_MUST(file && PEM_write_PKCS8PrivateKey(file, key, passphrase ? EVP_aes_256_cbc() : NULL,
                                                 NULL, 0, NULL, (void *)(apr_uintptr_t)passphrase)
                           == 1);
    fclose(file);
    chmod(path, 0600);
    return path;
}

/* base64url of SHA-256 */
static inline const char *pair_sha256(const void *bytes, size_t length)
{
    unsigned char digest[32];
    unsigned count = sizeof(digest);

    FORGE_MUST(EVP_Digest(bytes, length, digest, &count, EVP_sha256(), NULL) == 1);
    return forge_b64(digest, count);
}

/* A self-signed certificate, good from and until so many seconds from the tests' time. */
static inline const char *pair_certificate(const char *name, EVP_PKEY *key, long from, long until,
                                           const char **x5t)
{
    const char *path = pair_path(name);
    X509 *certificate = X509_new();
    FILE *file = fopen(path, "w");
    unsigned char *der = NULL;
    time_t now = 1700000000;
    int length;

    FORGE_MUST(file && certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
    X509_time_adj(X509_getm_notBefore(certificate), from, &now);
    X509_time_adj(X509_getm_notAfter(certificate), until, &now);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"site", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    FORGE_MUST(X509_set_pubkey(certificate, key) == 1
               && X509_sign(certificate, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256())
                      > 0
               && PEM_write_X509(file, certificate) == 1);
    fclose(file);
    length = i2d_X509(certificate, &der);
    FORGE_MUST(length > 0);
    if (x5t)
        *x5t = pair_sha256(der, (size_t)length);
    OPENSSL_free(der);
    X509_free(certificate);
    return path;
}

static inline void pair_start(void)
{
    static char name[] = "/tmp/edxsso-pair.XXXXXX";

    FORGE_MUST(mkdtemp(name) != NULL);
    pair_folder = name;
}

static inline void pair_stop(void)
{
    apr_dir_t *dir;
    apr_finfo_t info;

    if (apr_dir_open(&dir, pair_folder, forge_pool) == APR_SUCCESS) {
        while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS)
            unlink(pair_path(info.name));
        apr_dir_close(dir);
    }
    rmdir(pair_folder);
}

#endif
