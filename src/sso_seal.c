/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing, digests and random text. All of OpenSSL that is not about tokens is here.
 */
#include "sso_seal_memo.h"

#include "sso_text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#define ID_BYTES     4
#define NONCE_BYTES  12
#define TAG_BYTES    16
#define KEY_BYTES    32
#define SECRET_MIN   16
#define AAD_ROOM     128
#define SPARES       32 /* contexts of one kind at rest; more threads at once make their own */

/*
 * Contexts of OpenSSL that are ready for their next use: making one, with a cipher and a key in it,
 * costs more than a session's record. A thread takes one out and puts it back, and nobody waits.
 */
typedef struct spares_t {
    void *slots[SPARES];
} spares_t;

typedef struct ring_key_t {
    unsigned char id[ID_BYTES];
    unsigned char key[KEY_BYTES];
    EVP_MAC_CTX *mac; /* for sso_ring_mac(): has the key, is copied for each use */
    unsigned char tag[KEY_BYTES], mask[KEY_BYTES]; /* for sso_ring_tag() */
    spares_t *sealing, *opening; /* of EVP_CIPHER_CTX with this key */
} ring_key_t;

struct sso_keyring_t {
    int count;
    ring_key_t keys[SSO_KEYRING_MAX]; /* [0] is the newest */
    ring_key_t tagger;  /* its key is keys[0].tag, which encrypts nothing */
    spares_t *masking;  /* of EVP_CIPHER_CTX with keys[0].mask */
    EVP_CIPHER *blocks; /* AES-256, bare, for whole blocks */
    EVP_CIPHER *cipher; /* fetched once, as is the digest: a fetch costs more than its use */
    EVP_MD *md;
    spares_t *hashing; /* of EVP_MD_CTX */
    sso_memo_t *memo;  /* NULL: nothing is remembered */
};

/* Where a thread looks first: stacks are far apart. */
static unsigned own_slot(void)
{
    return (unsigned)((apr_uintptr_t)__builtin_frame_address(0) >> 16) * 2654435761u >> 27;
}

static void *take(spares_t *spares)
{
    unsigned at = own_slot(), i;

    for (i = 0; i < SPARES; i++) {
        void **slot = &spares->slots[(at + i) % SPARES], *found;

        if (__atomic_load_n(slot, __ATOMIC_RELAXED)
            && (found = __atomic_exchange_n(slot, NULL, __ATOMIC_ACQUIRE)))
            return found;
    }
    return NULL;
}

/* Returns 0 where there is no room. */
static int put_back(spares_t *spares, void *context)
{
    unsigned at = own_slot(), i;

    for (i = 0; i < SPARES; i++) {
        void **slot = &spares->slots[(at + i) % SPARES], *none = NULL;

        if (!__atomic_load_n(slot, __ATOMIC_RELAXED)
            && __atomic_compare_exchange_n(slot, &none, context, 0, __ATOMIC_RELEASE,
                                           __ATOMIC_RELAXED))
            return 1;
    }
    return 0;
}

/* What did not do as it should is not used again. */
static void put_cipher(spares_t *spares, EVP_CIPHER_CTX *evp, int fine)
{
    if (!fine || !put_back(spares, evp))
        EVP_CIPHER_CTX_free(evp);
}

/* HKDF-SHA256 (RFC 5869) with the realm as salt. */
static int expand(const sso_bytes_t *secret, const char *realm, const char *label,
                  unsigned char *out, apr_size_t length)
{
    char hash[] = "SHA256";
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *kctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret->data,
                                          secret->length),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)realm,
                                          strlen(realm)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)label,
                                          strlen(label)),
        OSSL_PARAM_construct_end()
    };
    int done = kctx && EVP_KDF_derive(kctx, out, length, params) == 1;

    EVP_KDF_CTX_free(kctx);
    EVP_KDF_free(kdf);
    return done;
}

sso_rc_e sso_derive(sso_ctx_t *ctx, const sso_bytes_t *secret, const char *realm,
                    const char *label, unsigned char *out, apr_size_t length)
{
    return expand(secret, realm, label, out, length)
               ? SSO_OK : sso_fail(ctx, SSO_BROKEN, 1254, "OpenSSL could not derive a key");
}

/* NULL: OpenSSL could not make it. */
static EVP_MAC_CTX *make_mac(const unsigned char key[KEY_BYTES])
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)"SHA256", 0),
        OSSL_PARAM_construct_end()
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

    EVP_MAC_free(hmac);
    if (mac && !EVP_MAC_init(mac, key, KEY_BYTES, params)) {
        EVP_MAC_CTX_free(mac);
        mac = NULL;
    }
    return mac;
}

/* HKDF-SHA256 with the realm as salt: id and keys in one go */
static int derive(const sso_bytes_t *secret, const char *realm, ring_key_t *out)
{
    unsigned char all[ID_BYTES + 4 * KEY_BYTES];
    int done = expand(secret, realm, "edxsso seal v1", all, sizeof(all));

    if (done) {
        memcpy(out->id, all, ID_BYTES);
        memcpy(out->key, all + ID_BYTES, KEY_BYTES);
        out->mac = make_mac(all + ID_BYTES + KEY_BYTES);
        memcpy(out->tag, all + ID_BYTES + 2 * KEY_BYTES, KEY_BYTES);
        memcpy(out->mask, all + ID_BYTES + 3 * KEY_BYTES, KEY_BYTES);
    }
    OPENSSL_cleanse(all, sizeof(all));
    return done && out->mac;
}

static apr_status_t forget_ring(void *data)
{
    sso_keyring_t *ring = data;
    void *context;
    int i;

    for (i = 0; i < SSO_KEYRING_MAX; i++) {
        while ((context = take(ring->keys[i].sealing)))
            EVP_CIPHER_CTX_free(context);
        while ((context = take(ring->keys[i].opening)))
            EVP_CIPHER_CTX_free(context);
        EVP_MAC_CTX_free(ring->keys[i].mac);
    }
    while ((context = take(ring->tagger.sealing)) || (context = take(ring->masking)))
        EVP_CIPHER_CTX_free(context);
    while ((context = take(ring->hashing)))
        EVP_MD_CTX_free(context);
    EVP_CIPHER_free(ring->cipher);
    EVP_CIPHER_free(ring->blocks);
    EVP_MD_free(ring->md);
    OPENSSL_cleanse(ring, sizeof(*ring));
    return APR_SUCCESS;
}

sso_rc_e sso_keyring_make(sso_ctx_t *ctx, apr_pool_t *pool, const apr_array_header_t *secrets,
                          const char *realm, sso_keyring_t **ring)
{
    sso_keyring_t *made = apr_pcalloc(pool, sizeof(*made));
    int i;

    if (secrets->nelts < 1 || secrets->nelts > SSO_KEYRING_MAX)
        return sso_fail(ctx, SSO_MISCONFIG, 120, "EdxSSOSecret: 1 to %d secrets are allowed",
                        SSO_KEYRING_MAX);
    made->hashing = apr_pcalloc(pool, sizeof(spares_t));
    made->tagger.sealing = apr_pcalloc(pool, sizeof(spares_t));
    made->masking = apr_pcalloc(pool, sizeof(spares_t));
    for (i = 0; i < SSO_KEYRING_MAX; i++) {
        made->keys[i].sealing = apr_pcalloc(pool, sizeof(spares_t));
        made->keys[i].opening = apr_pcalloc(pool, sizeof(spares_t));
    }
    apr_pool_cleanup_register(pool, made, forget_ring, apr_pool_cleanup_null);
    made->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    made->blocks = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
    made->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!made->cipher || !made->blocks || !made->md)
        return sso_fail(ctx, SSO_BROKEN, 121, "OpenSSL has no AES-256-GCM or SHA-256");
    for (i = 0; i < secrets->nelts; i++) {
        const sso_bytes_t *secret = &APR_ARRAY_IDX(secrets, i, sso_bytes_t);

        if (secret->length < SECRET_MIN)
            return sso_fail(ctx, SSO_MISCONFIG, 122,
                            "EdxSSOSecret: a secret needs at least %d characters, this one has %d; "
                            "make one with: openssl rand -base64 32",
                            SECRET_MIN, (int)secret->length);
        if (!derive(secret, realm, &made->keys[i]))
            return sso_fail(ctx, SSO_BROKEN, 123, "OpenSSL could not derive a key");
    }
    memcpy(made->tagger.key, made->keys[0].tag, KEY_BYTES);
    made->count = secrets->nelts;
    *ring = made;
    return SSO_OK;
}

/* The additional data: purpose, NUL, context. No purpose has a NUL, so no two pairs collide. */
static int authenticate(EVP_CIPHER_CTX *evp, const char *purpose, sso_bytes_t context)
{
    apr_size_t length = strlen(purpose) + 1;
    unsigned char both[AAD_ROOM];
    int n;

    if (length > AAD_ROOM || context.length > AAD_ROOM - length)
        return EVP_CipherUpdate(evp, NULL, &n, (const unsigned char *)purpose, (int)length)
               && (!context.length
                   || EVP_CipherUpdate(evp, NULL, &n, context.data, (int)context.length));
    memcpy(both, purpose, length);
    if (context.length)
        memcpy(both + length, context.data, context.length);
    return EVP_CipherUpdate(evp, NULL, &n, both, (int)(length + context.length));
}

/* A context that has the key, made ready for one nonce (and, to open, for one tag) */
static EVP_CIPHER_CTX *begin(const sso_keyring_t *ring, const ring_key_t *key,
                             const unsigned char *nonce, unsigned char *tag)
{
    OSSL_PARAM params[2] = { OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end() };
    spares_t *spares = tag ? key->opening : key->sealing;
    EVP_CIPHER_CTX *evp = take(spares);
    int again = evp != NULL;

    if (tag)
        params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, TAG_BYTES);
    if (!evp && !(evp = EVP_CIPHER_CTX_new()))
        return NULL;
    if (EVP_CipherInit_ex2(evp, again ? NULL : ring->cipher, again ? NULL : key->key, nonce, !tag,
                           tag ? params : NULL))
        return evp;
    EVP_CIPHER_CTX_free(evp);
    return NULL;
}

sso_rc_e sso_box_seal(sso_ctx_t *ctx, const sso_keyring_t *ring, const char *purpose,
                      sso_bytes_t context, sso_bytes_t plain, sso_bytes_t *box)
{
    unsigned char *out = apr_palloc(ctx->pool, plain.length + SSO_BOX_OVERHEAD);
    unsigned char *nonce = out + ID_BYTES, *body = nonce + NONCE_BYTES;
    EVP_CIPHER_CTX *evp = NULL;
    int n, last, done;

    memcpy(out, ring->keys[0].id, ID_BYTES);
    done = plain.length <= APR_INT32_MAX - SSO_BOX_OVERHEAD && RAND_bytes(nonce, NONCE_BYTES) == 1
           && (evp = begin(ring, &ring->keys[0], nonce, NULL))
           && authenticate(evp, purpose, context)
           && EVP_EncryptUpdate(evp, body, &n, plain.data, (int)plain.length)
           && EVP_EncryptFinal_ex(evp, body + n, &last)
           && EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, body + plain.length);
    put_cipher(ring->keys[0].sealing, evp, done);
    if (!done)
        return sso_fail(ctx, SSO_BROKEN, 124, "%s: OpenSSL could not encrypt", purpose);
    box->data = out;
    box->length = plain.length + SSO_BOX_OVERHEAD;
    return SSO_OK;
}

static const ring_key_t *key_of(const sso_keyring_t *ring, const unsigned char *id)
{
    int i;

    for (i = 0; i < ring->count; i++)
        if (!memcmp(ring->keys[i].id, id, ID_BYTES))
            return &ring->keys[i];
    return NULL;
}

sso_rc_e sso_box_open(sso_ctx_t *ctx, const sso_keyring_t *ring, const char *purpose,
                      sso_bytes_t context, sso_bytes_t box, sso_bytes_t *plain)
{
    const unsigned char *id = box.data, *nonce = id + ID_BYTES, *body = nonce + NONCE_BYTES;
    unsigned char *out, tag[TAG_BYTES];
    const ring_key_t *key;
    EVP_CIPHER_CTX *evp;
    int length, n = 0, last, done, whole;

    if (box.length < SSO_BOX_OVERHEAD || box.length > APR_INT32_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 125, "%s: not a sealed text", purpose);
    length = (int)(box.length - SSO_BOX_OVERHEAD);
    key = key_of(ring, id);
    if (!key)
        return sso_fail(ctx, SSO_DENIED, 126,
                        "%s: sealed with a key that is not in EdxSSOSecret (any more), or of "
                        "another virtual host", purpose);
    out = apr_palloc(ctx->pool, (apr_size_t)length + 1);
    memcpy(tag, body + length, TAG_BYTES);
    evp = begin(ring, key, nonce, tag);
    done = evp && authenticate(evp, purpose, context)
           && EVP_DecryptUpdate(evp, out, &n, body, length);
    whole = done && EVP_DecryptFinal_ex(evp, out + n, &last) > 0;
    put_cipher(key->opening, evp, whole);
    if (!whole) {
        OPENSSL_cleanse(out, (apr_size_t)length); /* GCM hands it out before it checks the tag */
        return done ? sso_fail(ctx, SSO_DENIED, 128, "%s: altered on the way, or not made for this "
                               "use", purpose)
                    : sso_fail(ctx, SSO_BROKEN, 127, "%s: OpenSSL could not decrypt", purpose);
    }
    out[length] = '\0';
    plain->data = out;
    plain->length = (apr_size_t)length;
    return SSO_OK;
}

void sso_keyring_remember(sso_keyring_t *ring, apr_pool_t *pool)
{
    ring->memo = sso_memo_make(pool);
}

int sso_box_known(sso_ctx_t *ctx, const sso_keyring_t *ring, sso_bytes_t context, sso_bytes_t box,
                  sso_bytes_t *plain)
{
    char *text;

    if (!ring->memo || box.length < SSO_BOX_OVERHEAD
        || box.length - SSO_BOX_OVERHEAD > SSO_MEMO_BYTES)
        return 0;
    text = apr_palloc(ctx->pool, box.length - SSO_BOX_OVERHEAD + 1);
    if (!sso_memo_get(ring->memo, context, box, text))
        return 0;
    text[box.length - SSO_BOX_OVERHEAD] = '\0';
    plain->data = text;
    plain->length = box.length - SSO_BOX_OVERHEAD;
    return 1;
}

void sso_box_remember(const sso_keyring_t *ring, sso_bytes_t context, sso_bytes_t box,
                      sso_bytes_t plain)
{
    if (ring->memo)
        sso_memo_put(ring->memo, context, box, plain.data);
}

sso_rc_e sso_seal(sso_ctx_t *ctx, const sso_keyring_t *ring, const char *purpose,
                  const char *plain, const char **sealed)
{
    sso_bytes_t none = { NULL, 0 }, box;

    SSO_TRY(sso_box_seal(ctx, ring, purpose, none, sso_bytes(plain), &box));
    *sealed = sso_b64url_encode(ctx->pool, box.data, box.length);
    return SSO_OK;
}

sso_rc_e sso_open(sso_ctx_t *ctx, const sso_keyring_t *ring, const char *purpose,
                  const char *sealed, const char **plain)
{
    sso_bytes_t none = { NULL, 0 }, box, opened;
    unsigned char *bytes;

    if (!sso_b64url_decode(ctx->pool, sealed, strlen(sealed), &bytes, &box.length))
        return sso_fail(ctx, SSO_BAD_INPUT, 129, "%s: not base64url", purpose);
    box.data = bytes;
    SSO_TRY(sso_box_open(ctx, ring, purpose, none, box, &opened));
    *plain = opened.data;
    return SSO_OK;
}

sso_rc_e sso_ring_digest(sso_ctx_t *ctx, const sso_keyring_t *ring, sso_bytes_t bytes,
                         unsigned char digest[SSO_DIGEST_BYTES])
{
    EVP_MD_CTX *evp = take(ring->hashing);
    int done;

    if (!evp)
        evp = EVP_MD_CTX_new();
    done = evp && EVP_DigestInit_ex2(evp, ring->md, NULL)
           && EVP_DigestUpdate(evp, bytes.data, bytes.length)
           && EVP_DigestFinal_ex(evp, digest, NULL);
    if (!done || !put_back(ring->hashing, evp))
        EVP_MD_CTX_free(evp);
    return done ? SSO_OK : sso_fail(ctx, SSO_BROKEN, 133, "OpenSSL could not hash");
}

/* 32 bytes under a key that does nothing else: a context for that has nothing to be made ready. */
static int mask_tag(const sso_keyring_t *ring, const unsigned char in[SSO_DIGEST_BYTES],
                    unsigned char out[SSO_DIGEST_BYTES])
{
    EVP_CIPHER_CTX *evp = take(ring->masking);
    int done = evp != NULL, n = 0;

    if (!evp && (evp = EVP_CIPHER_CTX_new()))
        done = EVP_EncryptInit_ex2(evp, ring->blocks, ring->keys[0].mask, NULL, NULL)
               && EVP_CIPHER_CTX_set_padding(evp, 0);
    done = done && EVP_EncryptUpdate(evp, out, &n, in, SSO_DIGEST_BYTES) && n == SSO_DIGEST_BYTES;
    put_cipher(ring->masking, evp, done);
    return done;
}

/*
 * A universal hash (GHASH, at a byte an instruction) under a block cipher: without the keys nobody
 * finds two texts of one tag, or learns from tags how to. The nonce may be the same each time,
 * since what this key makes never leaves us but under that cipher.
 */
sso_rc_e sso_ring_tag(sso_ctx_t *ctx, const sso_keyring_t *ring, sso_bytes_t bytes,
                      unsigned char tag[SSO_DIGEST_BYTES])
{
    static const unsigned char nonce[NONCE_BYTES] = { 0 };
    unsigned char both[SSO_DIGEST_BYTES], none[1];
    EVP_CIPHER_CTX *evp = begin(ring, &ring->tagger, nonce, NULL);
    int n, done;

    done = evp && bytes.length <= APR_INT32_MAX
           && EVP_CipherUpdate(evp, NULL, &n, bytes.data, (int)bytes.length)
           && EVP_EncryptFinal_ex(evp, none, &n)
           && EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, both);
    put_cipher(ring->tagger.sealing, evp, done);
    memcpy(both + TAG_BYTES, both, TAG_BYTES);
    both[TAG_BYTES] ^= 1; /* two blocks that differ */
    if (!done || !mask_tag(ring, both, tag))
        return sso_fail(ctx, SSO_BROKEN, 1260, "OpenSSL could not make a tag");
    return SSO_OK;
}

int sso_ring_count(const sso_keyring_t *ring)
{
    return ring->count;
}

/* Each part with its length before it, so that no two lists of parts are the same text. */
sso_rc_e sso_ring_mac(sso_ctx_t *ctx, const sso_keyring_t *ring, int which,
                      const sso_bytes_t *parts, int count, unsigned char mac[SSO_DIGEST_BYTES])
{
    unsigned char digest[SSO_DIGEST_BYTES];
    EVP_MAC_CTX *copy;
    size_t length;
    int done;

    SSO_TRY(sso_digest(ctx, parts, count, digest));
    copy = EVP_MAC_CTX_dup(ring->keys[which].mac);
    done = copy && EVP_MAC_update(copy, digest, sizeof(digest))
           && EVP_MAC_final(copy, mac, &length, SSO_DIGEST_BYTES);
    EVP_MAC_CTX_free(copy);
    if (!done)
        return sso_fail(ctx, SSO_BROKEN, 1060, "OpenSSL could not make an HMAC");
    return SSO_OK;
}

sso_rc_e sso_random_bytes(sso_ctx_t *ctx, void *bytes, int count)
{
    if (RAND_bytes(bytes, count) != 1)
        return sso_fail(ctx, SSO_BROKEN, 132, "OpenSSL has no random bytes");
    return SSO_OK;
}

sso_rc_e sso_random_text(sso_ctx_t *ctx, int count, const char **text)
{
    unsigned char *bytes = apr_palloc(ctx->pool, (apr_size_t)count);

    SSO_TRY(sso_random_bytes(ctx, bytes, count));
    *text = sso_b64url_encode(ctx->pool, bytes, (apr_size_t)count);
    return SSO_OK;
}

apr_uint32_t sso_random_below(apr_uint32_t limit)
{
    apr_uint32_t n;

    if (!limit || RAND_bytes((unsigned char *)&n, sizeof(n)) != 1)
        return 0;
    return n % limit;
}

void sso_cleanse(void *bytes, apr_size_t length)
{
    OPENSSL_cleanse(bytes, length);
}
