/* SPDX-License-Identifier: Apache-2.0 */
/* Encrypted tokens: others' examples, every bit of them, forgeries, lengths, keys. */
#include "forge_jwe.h"
#include "jwe_vectors.h"
#include "pair.h"
#include "sso_text.h"

#include <openssl/err.h>

#define DIRECT "\"alg\":\"ECDH-ES\",\"enc\":\"A128GCM\""

static sso_jwe_keys_t *all_keys;
static EVP_PKEY *p256; /* the one in all_keys */
static const char *got_inner, *got_text;

static sso_jwe_keys_t *read_keys(const char *text)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_jwe_keys_t *keys = NULL;

    FORGE_MUST(sso_jwe_keys_read(ctx, ctx->pool, pair_text("keys.pem", text, strlen(text)), &keys)
               == SSO_OK);
    return keys;
}

/* The message's number; 0: opened, -1: a broken promise. */
static int try_with(const sso_jwe_keys_t *keys, const char *token)
{
    sso_ctx_t *ctx = tap_ctx();
    const char *inner = NULL;
    sso_rc_e rc;
    int number;

    ERR_clear_error();
    rc = sso_jwe_open(ctx, keys, "test", token, &inner);
    number = ctx->err.number;
    if ((rc == SSO_OK) != (inner != NULL) || (rc == SSO_OK) != (number == 0) || ERR_peek_error()
        || (rc == SSO_OK && !sso_jwe_looks(token)))
        number = -1;
    got_inner = apr_pstrdup(forge_pool, inner);
    got_text = apr_pstrdup(forge_pool, ctx->err.text);
    apr_pool_destroy(ctx->pool);
    return number;
}

static int try_it(const char *token)
{
    return try_with(all_keys, token);
}

/* ---- what others made ---- */

static void test_vectors(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(vectors); i++) {
        is_int(try_it(vectors[i].token), 0, "%s: opens (%s)", vectors[i].name, got_text);
        is(got_inner, inner_token, "%s: to what was in it", vectors[i].name);
    }
    is_int(try_it(rfc7516_a1), 163, "RFC 7516 A.1: opens; it is no signed token");
    is_int(try_it(rfc7520_5_4), 163, "RFC 7520 5.4: opens; it is no signed token");
}

/* ---- what was changed ---- */

/* Change bits of one segment; how many tokens opened, or were refused for no good reason. */
static int flip_segment(const char *token, int index, int every)
{
    const char *text = forge_segment_of(token, index);
    unsigned char *bytes;
    apr_size_t length, bit;
    int wrong = 0;

    if (!*text)
        return 0;
    FORGE_MUST(sso_b64url_decode(forge_pool, text, strlen(text), &bytes, &length));
    for (bit = 0; bit < length * 8; bit += (apr_size_t)every) {
        int number;

        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        number = try_it(forge_segment(token, index, forge_b64(bytes, length)));
        if (number <= 0 || (index && number != 199))
            wrong++;
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    return wrong;
}

static void test_flips(void)
{
    /* rows of vectors[], and which bits: all where it is cheap. 1 and 10 are RSA */
    static const struct { unsigned vector; int every; } flips[] = {
        { 0, 1 }, { 1, 61 }, { 10, 61 }, { 14, 13 }, { 20, 13 }, { 27, 29 },
    };
    unsigned i;
    int segment;

    for (i = 0; i < SSO_COUNT(flips); i++)
        for (segment = 0; segment < 5; segment++)
            is_int(flip_segment(vectors[flips[i].vector].token, segment, flips[i].every), 0,
                   "%s: no changed bit of segment %d passes", vectors[flips[i].vector].name,
                   segment);
}

/* Each segment without its last byte, with one more, with many more, or empty. */
static void test_lengths(void)
{
    static const int samples[] = { 0, 1, 4, 13, 15, 19, 22, 29 };
    unsigned char much[600] = { 0 };
    unsigned i;
    int segment;

    for (i = 0; i < SSO_COUNT(samples); i++) {
        const char *token = vectors[samples[i]].token, *name = vectors[samples[i]].name;

        for (segment = 1; segment < 5; segment++) {
            const char *text = forge_segment_of(token, segment);
            forge_bytes_t bytes = { { 0 }, 0 };
            unsigned char *old;
            apr_size_t length = 0;
            int number;

            if (*text) {
                FORGE_MUST(sso_b64url_decode(forge_pool, text, strlen(text), &old, &length));
                memcpy(bytes.data, old, length);
                number = try_it(forge_segment(token, segment, forge_b64(bytes.data, length - 1)));
                ok(number == 197 || number == 198 || number == 199, "%s: segment %d cut: %d", name,
                   segment, number);
                number = try_it(forge_segment(token, segment, ""));
                ok(number == 191 || number == 197 || number == 198, "%s: segment %d empty: %d",
                   name, segment, number);
            }
            number = try_it(forge_segment(token, segment, forge_b64(bytes.data, length + 1)));
            ok(number == 197 || number == 198 || number == 199, "%s: segment %d longer: %d", name,
               segment, number);
            number = try_it(forge_segment(token, segment, forge_b64(much, sizeof(much))));
            ok(number == 197 || number == 198 || number == 199, "%s: segment %d of 600 bytes: %d",
               name, segment, number);
        }
    }
}

/* ---- what was made up ---- */

static void test_form(void)
{
    char *big = apr_palloc(forge_pool, SSO_JWT_MAX + 2);
    const char *good = vectors[0].token;
    const struct { const char *token; int number; const char *name; } cases[] = {
        { "", 191, "nothing" },
        { "a", 191, "one segment" },
        { inner_token, 191, "a JWS" },
        { "....", 191, "five empty segments" },
        { apr_pstrcat(forge_pool, good, ".", NULL), 191, "a sixth, empty" },
        { apr_pstrcat(forge_pool, good, ".QQ", NULL), 191, "a sixth" },
        { apr_pstrcat(forge_pool, good, "=", NULL), 192, "padding" },
        { apr_pstrcat(forge_pool, good, "\n", NULL), 192, "a newline" },
        { forge_segment(good, 2, "AAAAAAAAAAAAAAAB+"), 192, "another alphabet" },
        { forge_segment(good, 4, "AAAAAAAAAAAAAAAAAAAAAB"), 192, "bits over" },
        { forge_segment(good, 0, forge_b64("nonsense", 8)), 115, "a header that is no JSON" },
        { big, 190, "too long" },
    };
    unsigned i;

    memset(big, 'A', SSO_JWT_MAX + 1);
    big[SSO_JWT_MAX + 1] = '\0';
    for (i = 0; i < SSO_COUNT(cases); i++) {
        int number = try_it(cases[i].token);

        ok(number == cases[i].number || (cases[i].number == 115 && number >= 100 && number < 120),
           "%s: %d (%s)", cases[i].name, number, got_text);
        if (number < 190)
            ok(sso_jwe_looks(cases[i].token), "%s: looks like one", cases[i].name);
        else if (number == 191)
            ok(!sso_jwe_looks(cases[i].token), "%s: does not look like one", cases[i].name);
    }
    ok(sso_jwe_looks(good) && !sso_jwe_looks(inner_token), "looks");
}

/* Authentic tokens, as far as the key goes, with a header that is refused, or is not. */
static void test_headers(void)
{
    static const struct { const char *members; int number; const char *name; } cases[] = {
        { DIRECT, 0, "nothing special" },
        { DIRECT ",\"typ\":\"JWT\",\"cty\":\"JWT\",\"apu\":\"\"", 0, "typ, cty, empty apu" },
        { DIRECT ",\"kid\":\"mine\"", 0, "a kid of somebody's own" },
        { DIRECT ",\"x-more\":[1,{}],\"p2c\":100000000", 0, "members that mean nothing here" },
        { DIRECT ",\"zip\":\"DEF\"", 193, "zip" },
        { DIRECT ",\"crit\":[\"exp\"]", 193, "crit" },
        { DIRECT ",\"crit\":null", 193, "crit null" },
        { DIRECT ",\"jwk\":{}", 193, "jwk" },
        { DIRECT ",\"jku\":\"https://evil.test/\"", 193, "jku" },
        { DIRECT ",\"x5u\":\"https://evil.test/\"", 193, "x5u" },
        { DIRECT ",\"x5c\":[]", 193, "x5c" },
        { DIRECT ",\"b64\":false", 193, "b64" },
        { DIRECT ",\"kid\":7", 194, "kid is a number" },
        { DIRECT ",\"typ\":null", 194, "typ is null" },
        { DIRECT ",\"cty\":[]", 194, "cty is an array" },
        { "\"alg\":\"ECDH-ES\"", 194, "no enc" },
        { "\"enc\":\"A128GCM\"", 194, "no alg" },
        { "\"alg\":7,\"enc\":\"A128GCM\"", 194, "alg is a number" },
        { DIRECT ",\"enc\":\"A128GCM\"", -115, "a member twice" },
        { "\"alg\":\"dir\",\"enc\":\"A128GCM\"", 195, "dir" },
        { "\"alg\":\"none\",\"enc\":\"A128GCM\"", 195, "none" },
        { "\"alg\":\"RSA1_5\",\"enc\":\"A128GCM\"", 195, "RSA1_5" },
        { "\"alg\":\"A128KW\",\"enc\":\"A128GCM\"", 195, "A128KW" },
        { "\"alg\":\"A256GCMKW\",\"enc\":\"A128GCM\"", 195, "A256GCMKW" },
        { "\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A128GCM\"", 195, "PBES2" },
        { "\"alg\":\"ecdh-es\",\"enc\":\"A128GCM\"", 195, "small letters" },
        { "\"alg\":\"ECDH-ES\",\"enc\":\"A128CBC\"", 195, "enc without a MAC" },
        { "\"alg\":\"ECDH-ES\",\"enc\":\"none\"", 195, "enc none" },
        { DIRECT ",\"apu\":7", 196, "apu is a number" },
        { DIRECT ",\"apv\":\"=\"", 196, "apv is not base64url" },
        { DIRECT ",\"apv\":\"QQ\"", 199, "apv that was not in the key" },
        { "\"alg\":\"ECDH-ES+A128KW\",\"enc\":\"A128GCM\"", 197, "a wrapped key that is missing" },
        { "\"alg\":\"RSA-OAEP\",\"enc\":\"A128GCM\"", 198, "RSA without an encrypted key" },
        { "\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\"", 199, "another enc than it was made with" },
        { "\"alg\":\"ECDH-ES\",\"enc\":\"A128CBC-HS256\"", 197, "another, with another IV" },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        int number = try_it(forge_agreed(p256, cases[i].members, "A128GCM", inner_token,
                                         (int)strlen(inner_token)));

        ok(number == cases[i].number || (cases[i].number == -115 && number >= 100 && number < 120),
           "header: %s: %d (%s)", cases[i].name, number, got_text);
    }
}

static void test_epk(void)
{
    const char *x = forge_number(p256, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    const char *y = forge_number(p256, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    const char *off = forge_number(forge_ec("P-256"), OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    const char *zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const char *prime = "_____wAAAAEAAAAAAAAAAAAAAAD_______________8";
    const char *long_x = apr_pstrcat(forge_pool, "AAAA", x, NULL);
    const struct { const char *kty, *crv, *x, *y; int number; const char *name; } cases[] = {
        { "EC", "P-256", x, y, 199, "our own public key" },
        { "EC", "P-256", x, off, 196, "a point off the curve" },
        { "EC", "P-256", zero, zero, 196, "zero" },
        { "EC", "P-256", prime, y, 196, "x is the prime" },
        { "EC", "P-256", "", y, 196, "no x" },
        { "EC", "P-256", "AAAA", y, 196, "x too short" },
        { "EC", "P-256", long_x, y, 196, "x too long" },
        { "EC", "P-256", "*", y, 196, "x is not base64url" },
        { "EC", "P-384", x, y, 196, "lengths of another curve" },
        { "EC", "secp256k1", x, y, 196, "secp256k1" },
        { "EC", "", x, y, 196, "no curve" },
        { "OKP", "X25519", x, "", 196, "X25519" },
        { "RSA", "P-256", x, y, 196, "RSA" },
    };
    static const char *const odd[] = { "null", "7", "[]", "\"x\"", "{}", "{\"kty\":\"EC\"}",
                                       "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":7,\"y\":[]}" };
    unsigned char cek[FORGE_CEK] = { 0 };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++)
        is_int(try_it(forge_encrypt(cek, apr_psprintf(
                   forge_pool, "{" DIRECT ",\"epk\":{\"kty\":\"%s\",\"crv\":\"%s\",\"x\":\"%s\","
                   "\"y\":\"%s\"}}", cases[i].kty, cases[i].crv, cases[i].x, cases[i].y), NULL,
                   inner_token, 20)), cases[i].number, "epk: %s (%s)", cases[i].name, got_text);
    for (i = 0; i < SSO_COUNT(odd); i++)
        is_int(try_it(forge_encrypt(cek, apr_psprintf(forge_pool, "{" DIRECT ",\"epk\":%s}",
                                                      odd[i]), NULL, inner_token, 20)),
               196, "epk: %s", odd[i]);
    is_int(try_it(forge_encrypt(cek, "{" DIRECT "}", NULL, inner_token, 20)), 196, "no epk");
}

/* Keys of RSA that decrypt, and to which the content fits, but are not what was asked for. */
static void test_rsa(void)
{
    static const struct { int padding; const char *digest; size_t length; int number;
                          const char *alg, *name; } cases[] = {
        { RSA_PKCS1_OAEP_PADDING, "SHA1", 16, 0, "RSA-OAEP", "as it should be" },
        { RSA_PKCS1_OAEP_PADDING, "SHA256", 16, 0, "RSA-OAEP-256", "as it should be" },
        { RSA_PKCS1_OAEP_PADDING, "SHA256", 16, 199, "RSA-OAEP", "another digest" },
        { RSA_PKCS1_OAEP_PADDING, "SHA1", 16, 199, "RSA-OAEP-256", "another digest" },
        { RSA_PKCS1_OAEP_PADDING, "SHA1", 15, 199, "RSA-OAEP", "a key too short" },
        { RSA_PKCS1_OAEP_PADDING, "SHA1", 17, 199, "RSA-OAEP", "a key too long" },
        { RSA_PKCS1_OAEP_PADDING, "SHA1", 0, 199, "RSA-OAEP", "an empty key" },
        { RSA_PKCS1_OAEP_PADDING, "SHA1", 200, 199, "RSA-OAEP", "a key far too long" },
        { RSA_PKCS1_PADDING, NULL, 16, 199, "RSA-OAEP", "PKCS #1 v1.5 padding" },
        { RSA_NO_PADDING, NULL, 256, 199, "RSA-OAEP", "no padding" },
    };
    const char *plain_header = "{\"alg\":\"RSA-OAEP\",\"enc\":\"A128GCM\"}";
    BIO *bio = BIO_new_mem_buf(rsa_pem, -1);
    EVP_PKEY *key = forge_keep(PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL));
    unsigned char cek[256] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    const char *message = NULL;
    forge_bytes_t wrapped;
    unsigned i;

    BIO_free(bio);
    for (i = 0; i < SSO_COUNT(cases); i++) {
        const char *header = apr_psprintf(forge_pool, "{\"alg\":\"%s\",\"enc\":\"A128GCM\"}",
                                          cases[i].alg);

        forge_wrap_rsa(key, cases[i].padding, cases[i].digest, cek, cases[i].length, &wrapped);
        is_int(try_it(forge_encrypt(cek, header, &wrapped, inner_token, (int)strlen(inner_token))),
               cases[i].number, "RSA: %s: %s", cases[i].alg, cases[i].name);
        if (cases[i].number && message)
            is(got_text, message, "RSA: the message tells nothing");
        message = cases[i].number ? got_text : NULL;
    }
    forge_wrap_rsa(forge_rsa(2048), RSA_PKCS1_OAEP_PADDING, "SHA1", cek, 16, &wrapped);
    is_int(try_it(forge_encrypt(cek, plain_header, &wrapped, "a.b.c", 5)),
           199, "RSA: for another's key");
    forge_wrap_rsa(forge_rsa(1024), RSA_PKCS1_OAEP_PADDING, "SHA1", cek, 16, &wrapped);
    is_int(try_it(forge_encrypt(cek, plain_header, &wrapped, "a.b.c", 5)),
           198, "RSA: for another's, shorter key");
}

static void test_inside(void)
{
    static const struct { const char *text; int length, number; const char *name; } cases[] = {
        { "a.b.c", 5, 0, "the shape of a signed token" },
        { "a.b.", 4, 0, "one without a signature, which the next gate refuses" },
        { "{\"sub\":\"1\"}", 11, 163, "claims that nobody signed" },
        { "", 0, 191, "nothing" },
        { "a.b.c\0", 6, 163, "a NUL character after it" },
        { "a.b\0.c", 6, 163, "a NUL character in it" },
        { "a.b.c\n", 6, 163, "a newline" },
        { "a.b.c.d.e", 9, 163, "an encrypted token" },
        { "\xff\xfe", 2, 163, "bytes" },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++)
        is_int(try_it(forge_agreed(p256, DIRECT, "A128GCM", cases[i].text, cases[i].length)),
               cases[i].number, "inside: %s", cases[i].name);
}

/* ---- keys ---- */

static void test_choice(void)
{
    EVP_PKEY *one = forge_ec("P-256"), *two = forge_ec("P-256");
    sso_ctx_t *ctx = tap_ctx();
    sso_jwe_keys_t *keys = NULL, *few = read_keys(p256_pem);
    FILE *file = fopen(pair_path("two.pem"), "w");
    const char *jwk, *kid;
    int i;

    FORGE_MUST(file && PEM_write_PrivateKey(file, one, NULL, NULL, 0, NULL, NULL) == 1
               && PEM_write_PrivateKey(file, two, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
    chmod(pair_path("two.pem"), 0600);
    is_int(sso_jwe_keys_read(ctx, ctx->pool, pair_path("two.pem"), &keys), SSO_OK, "two keys");
    is_int(sso_jwe_keys_count(keys), 2, "are two");
    is_int(sso_jwe_keys_count(NULL), 0, "none are none");
    for (i = 0; i < 2; i++) {
        jwk = sso_jwe_keys_jwk(keys, i);
        ok(strstr(jwk, "\"use\":\"enc\"") && !strstr(jwk, "\"d\"")
           && strstr(jwk, forge_number(i ? two : one, OSSL_PKEY_PARAM_EC_PUB_X, 32)),
           "public half %d", i);
        kid = strstr(jwk, "\"kid\":\"") + 7;
        kid = apr_pstrmemdup(forge_pool, kid, strcspn(kid, "\""));
        jwk = apr_psprintf(forge_pool, DIRECT ",\"kid\":\"%s\"", kid);
        is_int(try_with(keys, forge_agreed(i ? two : one, jwk, "A128GCM", "a.b.c", 5)), 0,
               "kid of key %d, for key %d", i, i);
        is_int(try_with(keys, forge_agreed(i ? one : two, jwk, "A128GCM", "a.b.c", 5)), 199,
               "kid of key %d, for the other", i);
        is_int(try_with(keys, forge_agreed(i ? two : one, DIRECT, "A128GCM", "a.b.c", 5)), 0,
               "no kid, for key %d", i);
    }
    is_int(try_with(keys, vectors[1].token), 198, "no RSA key");
    ok(strstr(got_text, "none of 2 keys"), "and it says so: %s", got_text);
    is_int(try_with(few, rfc7520_5_4), 198, "no key on P-384");
    is_int(try_with(NULL, vectors[1].token), 164, "no keys at all");
    ok(strstr(got_text, "EdxSSODecryptionKey"), "and it names the directive: %s", got_text);
    is_int(try_with(few, forge_agreed(one, DIRECT, "A128GCM", "a.b.c", 5)), 199, "another's key");
}

static void test_thumbprint(void)
{
    /* RFC 7638 3.1 asks for this very text of the RSA key; its digest is taken here */
    const char *jwk = sso_jwe_keys_jwk(read_keys(p256_pem), 0);
    const char *members = "{\"crv\":\"P-256\",\"kty\":\"EC\","
                          "\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","
                          "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\"}";

    ok(strstr(jwk, apr_pstrcat(forge_pool, "\"kid\":\"", pair_sha256(members, strlen(members)),
                               "\"", NULL)), "the kid is the thumbprint");
    ok(strstr(sso_jwe_keys_jwk(read_keys(rsa_pem), 0), "\"e\":\"AQAB\",\"kty\":\"RSA\""),
       "RSA has e and n");
}

static void test_files(void)
{
    const char *many = apr_pstrcat(forge_pool, p256_pem, p256_pem, p256_pem, p256_pem, NULL);
    const struct { const char *path; int number; const char *text, *name; } cases[] = {
        { pair_text("good", many, strlen(many)), 0, "", "four keys" },
        { pair_path("nowhere"), 30, "No such file", "no file" },
        { pair_folder, 30, "not a regular file", "a folder" },
        { pair_text("empty", "\n", 1), 30, "is empty", "an empty file" },
        { pair_text("junk", "junk", 4), 184, "no private key in it", "no PEM" },
        { pair_text("public", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", 52), 184,
          "no private key in it", "a public key" },
        { pair_text("broken", p256_pem, strlen(p256_pem) / 2), 186, "damaged", "half a key" },
        { pair_text("begin", "-----BEGIN PRIVATE KEY-----", 27), 186, "damaged", "a first line" },
        { pair_text("five", apr_pstrcat(forge_pool, many, p256_pem, NULL), strlen(p256_pem) * 5),
          188, "more than 4", "five keys" },
        { pair_text("second", apr_pstrcat(forge_pool, p256_pem,
                                          "-----BEGIN PRIVATE KEY-----\nAAAA\n", NULL),
                    strlen(p256_pem) + 33), 186, "damaged", "a second one that is damaged" },
        { pair_key("locked", p256, "secret"), 185, "passphrase", "a passphrase" },
        { pair_key("small", forge_rsa(1024), NULL), 187, "1024 bits", "RSA-1024" },
        { pair_key("koblitz", forge_ec("secp256k1"), NULL), 187, "P-256, P-384, P-521",
          "secp256k1" },
        { pair_key("edwards", forge_keep(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")), NULL), 187,
          "ED25519", "Ed25519" },
        { pair_key("x25519", forge_keep(EVP_PKEY_Q_keygen(NULL, NULL, "X25519")), NULL), 187,
          "X25519", "X25519" },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_jwe_keys_t *keys = NULL;
        sso_rc_e rc = sso_jwe_keys_read(ctx, ctx->pool, cases[i].path, &keys);

        ok(rc == (cases[i].number ? SSO_MISCONFIG : SSO_OK) && (rc == SSO_OK) == (keys != NULL)
           && ctx->err.number == cases[i].number && strstr(ctx->err.text, cases[i].text)
           && !ERR_peek_error(), "file: %s: %d (%s)", cases[i].name, ctx->err.number,
           ctx->err.text);
        apr_pool_destroy(ctx->pool);
    }
}

int main(void)
{
    BIO *bio = BIO_new_mem_buf(p256_pem, -1);

    forge_start();
    pair_start();
    p256 = forge_keep(PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL));
    BIO_free(bio);
    all_keys = read_keys(apr_pstrcat(forge_pool, "a word before\n", rsa_pem, p256_pem, p384_pem,
                                     p521_pem, NULL));
    test_vectors();
    test_flips();
    test_lengths();
    test_form();
    test_headers();
    test_epk();
    test_rsa();
    test_inside();
    test_choice();
    test_thumbprint();
    test_files();
    pair_stop();
    return tap_done();
}
