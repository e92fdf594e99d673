/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_SEAL_H
#define SSO_SEAL_H

/*
 * Sealing: bytes that leave us (to a browser, to a store) and come back unread and unchanged.
 *
 * A box is key id[4] | nonce[12] | ciphertext | tag[16], AES-256-GCM. The additional data are the
 * purpose and a context, so that what was sealed as "login" never opens as "session", and a value
 * moved to another key of the store never opens there. Keys are derived (HKDF-SHA256, RFC 5869)
 * from EdxSSOSecret and the realm, which is the virtual host. The first secret seals; all of them
 * open, so that secrets can be rotated without signing anyone out.
 */

#include "sso_base.h"

#define SSO_KEYRING_MAX    4
#define SSO_BOX_OVERHEAD   (4 + 12 + 16)
#define SSO_DIGEST_BYTES   32

/** Immutable; shared by all threads. */
typedef struct sso_keyring_t sso_keyring_t;

typedef struct sso_bytes_t {
    const void *data;
    apr_size_t length;
} sso_bytes_t;

/**
 * Derive a ring.
 *
 * @param pool     where it lives; its keys are cleansed when the pool goes
 * @param secrets  of sso_bytes_t, newest first, 1..SSO_KEYRING_MAX, each at least 16 bytes
 * @return SSO_MISCONFIG  too many secrets, or one too short
 *         SSO_BROKEN     OpenSSL refused to work
 */
sso_rc_e sso_keyring_make(sso_ctx_t *ctx, apr_pool_t *pool, const apr_array_header_t *secrets,
                          const char *realm, sso_keyring_t **ring);

/**
 * Seal bytes. @a box is in ctx->pool, plain.length + SSO_BOX_OVERHEAD long. SSO_BROKEN is the only
 * failure.
 */
sso_rc_e sso_box_seal(sso_ctx_t *ctx, const sso_keyring_t *ring, const char *purpose,
                      sso_bytes_t context, sso_bytes_t plain, sso_bytes_t *box);

/**
 * Open a box.
 *
 * @param plain  out: in ctx->pool, with a NUL after it that is not counted; untouched unless SSO_OK
 * @return SSO_BAD_INPUT  too short to be ours
 *         SSO_DENIED     altered, of another purpose, context or realm, or its key left the ring
 *         SSO_BROKEN     OpenSSL refused to work
 */
sso_rc_e sso_box_open(sso_ctx_t *ctx, const sso_keyring_t *ring, const char *purpose,
                      sso_bytes_t context, sso_bytes_t box, sso_bytes_t *plain);

/**
 * Whether this box, in this context, is one that was opened and remembered a moment ago; then
 * @a plain is as sso_box_open() gave it. For boxes of one purpose that are opened again and again,
 * such as a session's at each request.
 */
int sso_box_known(sso_ctx_t *ctx, const sso_keyring_t *ring, sso_bytes_t context, sso_bytes_t box,
                  sso_bytes_t *plain);

/** Remember a box that was opened and found good. Nothing happens if the ring does not remember. */
void sso_box_remember(const sso_keyring_t *ring, sso_bytes_t context, sso_bytes_t box,
                      sso_bytes_t plain);

/** Have a ring remember. Before there are threads. */
void sso_keyring_remember(sso_keyring_t *ring, apr_pool_t *pool);

/** The same as text for URLs and cookies: base64url of a box over a string. */
sso_rc_e sso_seal(sso_ctx_t *ctx, const sso_keyring_t *ring, const char *purpose,
                  const char *plain, const char **sealed);
sso_rc_e sso_open(sso_ctx_t *ctx, const sso_keyring_t *ring, const char *purpose,
                  const char *sealed, const char **plain);

/**
 * Derive bytes for something else than sealing: HKDF-SHA256 of a secret, by realm and label.
 * SSO_BROKEN is the only failure.
 */
sso_rc_e sso_derive(sso_ctx_t *ctx, const sso_bytes_t *secret, const char *realm,
                    const char *label, unsigned char *out, apr_size_t length);

/** SHA-256 over the parts, each with its length before it: no two lists of parts collide. */
sso_rc_e sso_digest(sso_ctx_t *ctx, const sso_bytes_t *parts, int count,
                    unsigned char digest[SSO_DIGEST_BYTES]);

/**
 * Plain SHA-256 with what the ring has ready: on OpenSSL 3 looking up the algorithm costs more than
 * a short text.
 */
sso_rc_e sso_ring_digest(sso_ctx_t *ctx, const sso_keyring_t *ring, sso_bytes_t bytes,
                         unsigned char digest[SSO_DIGEST_BYTES]);

/** How many secrets a ring has: 1..SSO_KEYRING_MAX. */
int sso_ring_count(const sso_keyring_t *ring);

/**
 * A keyed digest (HMAC-SHA256) over parts: what it was made of cannot be found out by trying.
 *
 * @param which  0, the newest secret, .. sso_ring_count() - 1: what was made before a secret was
 *               replaced is found under the older ones
 * @param parts  the first of them should say what for
 */
sso_rc_e sso_ring_mac(sso_ctx_t *ctx, const sso_keyring_t *ring, int which,
                      const sso_bytes_t *parts, int count, unsigned char mac[SSO_DIGEST_BYTES]);

/**
 * A keyed tag of a text of any length, by the newest key: for what is looked up by it and may be
 * long, such as a bearer token. Costs less than a digest from some 100 bytes on. SSO_BROKEN.
 */
sso_rc_e sso_ring_tag(sso_ctx_t *ctx, const sso_keyring_t *ring, sso_bytes_t bytes,
                      unsigned char tag[SSO_DIGEST_BYTES]);

/** Plain SHA-256 (PKCE S256, RFC 7636 4.2). */
sso_rc_e sso_sha256(sso_ctx_t *ctx, const void *data, apr_size_t length,
                    unsigned char digest[SSO_DIGEST_BYTES]);

/**
 * Half of a hash as at_hash and c_hash have it (OpenID Connect Core 3.1.3.6): base64url of the left
 * half of the hash that a JWS algorithm's name ends in. SSO_BROKEN: no such hash.
 */
sso_rc_e sso_half_hash(sso_ctx_t *ctx, const char *alg, const char *value, const char **half);

/** HMAC-SHA256 over a text, in lower-case hexadecimal. SSO_BROKEN is the only failure. */
sso_rc_e sso_hmac_sha256(sso_ctx_t *ctx, sso_bytes_t key, const char *text, const char **hex);

/** Random bytes. A call costs more than the bytes: ask for all of them at once. SSO_BROKEN. */
sso_rc_e sso_random_bytes(sso_ctx_t *ctx, void *bytes, int count);

/** @a count random bytes as base64url, in ctx->pool. SSO_BROKEN is the only failure. */
sso_rc_e sso_random_text(sso_ctx_t *ctx, int count, const char **text);

/** A random number below @a limit, for jitter; 0 when the generator fails. */
apr_uint32_t sso_random_below(apr_uint32_t limit);

/** Overwrite what held a secret. */
void sso_cleanse(void *bytes, apr_size_t length);

/** The bytes of a string. */
static inline sso_bytes_t sso_bytes(const char *text)
{
    sso_bytes_t bytes = { text, 0 };

    while (text[bytes.length])
        bytes.length++;
    return bytes;
}

#endif
