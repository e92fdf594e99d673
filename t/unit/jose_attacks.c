/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forgeries and malformed tokens, each next to what makes it one. All keys of the set are good and
 * known to the attacker, as public keys are; where a forgery needs a valid signature to get as far
 * as the check it is about, it has one.
 */
#include "forge.h"

#include <openssl/pem.h>

#define CLAIMS   "{\"iss\":\"https://lms.example.com/oauth2\",\"user_id\":7}"
#define DEEP     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static EVP_PKEY *rsa, *p256, *p384, *p521, *thief;
static sso_jws_policy_t all, public_only;

static const char *alg_header(const char *alg)
{
    return apr_psprintf(forge_pool, "{\"alg\":\"%s\"}", alg);
}

static const char *good(EVP_PKEY *key, const char *alg)
{
    return forge_token(key, alg, alg_header(alg), CLAIMS);
}

static const char *good_mac(const char *alg)
{
    return forge_mac(secret, 64, alg, alg_header(alg), CLAIMS);
}

/* Never verifies; @a number, when not 0, says for which reason. */
static void refuse(const sso_jws_policy_t *policy, const char *token, int number, const char *name)
{
    sso_rc_e rc = forge_try(policy, token);

    ok(rc != SSO_OK && rc != SSO_BROKEN && (!number || forge_got.number == number),
       "%s is refused: %d %s", name, forge_got.number, forge_got.text);
}

/* The token with its last segment replaced by these bytes. */
static const char *resign(const char *token, const void *bytes, size_t length)
{
    const char *dot = strrchr(token, '.');

    return forge_join(apr_pstrndup(forge_pool, token, (apr_size_t)(dot - token)), bytes, length);
}

static void test_none(void)
{
    static const char *const names[] = { "none", "None", "NONE", "nOnE", "none ", "", "nULL" };
    const char *valid = strrchr(good(rsa, "RS256"), '.') + 1;
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(names); i++) {
        const char *input = forge_input(alg_header(names[i]), CLAIMS);
        const char *text = apr_pstrcat(forge_pool, input, ".", NULL);

        refuse(&all, text, 151, apr_psprintf(forge_pool, "alg '%s' without signature", names[i]));
        refuse(NULL, text, 151, "and a peek at it");
        text = apr_pstrcat(forge_pool, input, ".", valid, NULL);
        refuse(&all, text, *names[i] ? 156 : 155, "with another token's signature");
        if (i < 4)
            refuse(NULL, text, 162, "and a peek at it");
        refuse(&all, forge_token(rsa, "RS256", alg_header(names[i]), CLAIMS),
               *names[i] ? 156 : 155, "with a right RS256 signature");
        refuse(&all, input, 151, "and with only two segments");
    }
}

/* RSA's public key is no secret, in whatever form it is written. */
static void test_confusion(void)
{
    static const char *const macs[] = { "HS256", "HS384", "HS512" };
    const char *jwk = forge_jwk(rsa, "");
    unsigned char *der = NULL;
    char *pem;
    BIO *bio = BIO_new(BIO_s_mem());
    int der_length = i2d_PUBKEY(rsa, &der);
    long pem_length;
    apr_size_t i;

    FORGE_MUST(PEM_write_bio_PUBKEY(bio, rsa) && der_length > 0);
    pem_length = BIO_get_mem_data(bio, &pem);
    for (i = 0; i < SSO_COUNT(macs); i++) {
        const struct { const void *key; long length; const char *name; } keys[] = {
            { pem, pem_length, "PEM" },
            { pem, pem_length - 1, "PEM without the last line end" },
            { der, der_length, "DER" },
            { jwk, (long)strlen(jwk), "JWK" },
            { "", 0, "nothing" },
        };
        apr_size_t k;

        for (k = 0; k < SSO_COUNT(keys); k++) {
            const char *text = forge_mac(keys[k].key, (size_t)keys[k].length, macs[i],
                                         alg_header(macs[i]), CLAIMS);

            refuse(&public_only, text, 160, apr_psprintf(forge_pool, "%s with the public key as %s",
                                                         macs[i], keys[k].name));
            refuse(&all, text, 161, "and where there is a secret, too");
        }
    }
    refuse(&public_only, forge_token(rsa, "RS256", alg_header("HS256"), CLAIMS), 160,
           "an RSA signature called HS256");
    refuse(&all, forge_mac(secret, 64, "HS256", alg_header("RS256"), CLAIMS), 161,
           "a MAC called RS256");
    refuse(&all, forge_mac(secret, 64, "HS256", alg_header("ES256"), CLAIMS), 161,
           "a MAC called ES256");
    OPENSSL_free(der);
    BIO_free(bio);
}

/* A signature that is right, for another algorithm, curve or key than the header says. */
static void test_mismatches(void)
{
    static const struct { EVP_PKEY **key; const char *signed_as, *called; } cases[] = {
        { &p384, "ES384", "ES256" }, { &p521, "ES512", "ES256" }, { &p256, "ES256", "ES384" },
        { &p521, "ES256", "ES256" }, { &p384, "ES256", "ES256" }, { &p256, "ES384", "ES384" },
        { &p256, "ES512", "ES512" }, { &p384, "ES512", "ES512" }, { &p256, "ES512", "ES256" },
        { &rsa, "RS256", "PS256" },  { &rsa, "PS256", "RS256" },  { &rsa, "RS256", "RS512" },
        { &rsa, "RS512", "RS256" },  { &rsa, "RS256", "ES256" },  { &p256, "ES256", "RS256" },
        { &thief, "RS256", "RS256" }, { &thief, "PS384", "PS384" },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        const char *text = forge_token(*cases[i].key, cases[i].signed_as,
                                       alg_header(cases[i].called), CLAIMS);

        refuse(&all, text, 161, apr_psprintf(forge_pool, "%s by %d bits, called %s",
                                             cases[i].signed_as, EVP_PKEY_get_bits(*cases[i].key),
                                             cases[i].called));
    }
    for (i = 1; i < 4; i++) { /* only a P-384 or P-521 key there: ES256 has no key at all */
        EVP_PKEY *only = i == 1 ? p384 : i == 2 ? p521 : rsa;
        sso_jws_policy_t policy = { forge_set(forge_jwk(only, ""), NULL), 0, SSO_KID_ORDERS };

        refuse(&policy, forge_token(p256, "ES256", alg_header("ES256"), CLAIMS), 160,
               "ES256 where no key is P-256");
    }
}

/* The key says what it is for. */
static void test_key_alg(void)
{
    sso_jws_policy_t policy = { forge_set(forge_jwk(rsa, ",\"alg\":\"RS512\""), NULL), 0,
                                SSO_KID_ORDERS };

    is_int(forge_try(&policy, good(rsa, "RS512")), SSO_OK, "a key for RS512 verifies RS512");
    refuse(&policy, good(rsa, "RS256"), 160, "RS256 with a key for RS512");
    refuse(&policy, good(rsa, "PS512"), 160, "PS512 with a key for RS512");
}

/* Each of them signed with a good key. */
static const struct { const char *header, *name; int number; } headers[] = {
    { "{\"alg\":\"RS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}", "jwk", 153 },
    { "{\"alg\":\"RS256\",\"jku\":\"https://evil.test/jwks\"}", "jku", 153 },
    { "{\"alg\":\"RS256\",\"x5u\":\"https://evil.test/x\"}", "x5u", 153 },
    { "{\"alg\":\"RS256\",\"x5c\":[\"MIIB\"]}", "x5c", 153 },
    { "{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}", "crit", 153 },
    { "{\"alg\":\"RS256\",\"crit\":[]}", "an empty crit", 153 },
    { "{\"alg\":\"RS256\",\"crit\":null}", "a null crit", 153 },
    { "{\"alg\":\"RS256\",\"b64\":false,\"crit\":[\"b64\"]}", "b64", 153 },
    { "{\"alg\":\"RS256\",\"b64\":true}", "b64 true", 153 },
    { "{\"alg\":\"RS256\",\"zip\":\"DEF\"}", "zip", 153 },
    { "{\"alg\":\"RS256\",\"\\u0063rit\":[\"x\"]}", "crit, escaped", 153 },
    { "{\"alg\":1}", "alg as a number", 154 },
    { "{\"alg\":null}", "alg null", 154 },
    { "{\"alg\":[\"RS256\"]}", "alg as an array", 154 },
    { "{\"alg\":{\"RS256\":1}}", "alg as an object", 154 },
    { "{\"alg\":true}", "alg true", 154 },
    { "{\"alg\":\"RS256\",\"kid\":1}", "kid as a number", 154 },
    { "{\"alg\":\"RS256\",\"kid\":null}", "kid null", 154 },
    { "{\"alg\":\"RS256\",\"kid\":[\"a\"]}", "kid as an array", 154 },
    { "{\"alg\":\"RS256\",\"kid\":{}}", "kid as an object", 154 },
    { "{\"alg\":\"RS256\",\"typ\":false}", "typ false", 154 },
    { "{\"alg\":\"RS256\",\"typ\":{}}", "typ as an object", 154 },
    { "{}", "no alg", 155 },
    { "{\"Alg\":\"RS256\"}", "Alg", 155 },
    { "{\"alg\":\"rs256\"}", "rs256", 156 },
    { "{\"alg\":\"RS256 \"}", "RS256 and a space", 156 },
    { "{\"alg\":\"RS1\"}", "RS1", 156 },
    { "{\"alg\":\"RSA-OAEP\",\"enc\":\"A128GCM\"}", "an encryption algorithm", 156 },
    { "{\"alg\":\"EdDSA\"}", "EdDSA", 156 },
    { "{\"alg\":\"ES256K\"}", "ES256K", 156 },
    { "{\"alg\":\"RS256\\u0000\"}", "an alg with a NUL", 116 },
    { "{\"alg\":\"RS256\",\"alg\":\"none\"}", "alg twice", 116 },
    { "{\"alg\":\"none\",\"\\u0061lg\":\"RS256\"}", "alg twice, once escaped", 116 },
    { "{\"alg\":\"RS256\",\"kid\":\"a\",\"kid\":\"a\"}", "kid twice", 116 },
    { "{\"alg\":\"RS256\",\"x\":{\"y\":1,\"y\":2}}", "a member twice, deeper", 116 },
    { "{\"alg\":\"RS256\"}x", "something after the header", 116 },
    { "{\"alg\":\"RS256\"", "half a header", 116 },
    { "\xef\xbb\xbf{\"alg\":\"RS256\"}", "a byte order mark", 116 },
    { "{\"alg\":\"RS256\",\"x\":\"\xff\"}", "a header that is not UTF-8", 116 },
    { "[\"RS256\"]", "an array", 117 },
    { "\"RS256\"", "a string", 116 },
    { "x", "no JSON", 116 },
    { "{\"alg\":\"RS256\",\"x\":" DEEP "}", "a deep header", 115 },
};

static void test_headers(void)
{
    const char *own = apr_psprintf(forge_pool, "{\"alg\":\"RS256\",\"jwk\":%s}",
                                   forge_jwk(thief, ""));
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(headers); i++) {
        const char *text = forge_token(rsa, "RS256", headers[i].header, CLAIMS);

        refuse(&all, text, headers[i].number, headers[i].name);
        refuse(&all, forge_token(thief, "RS256", headers[i].header, CLAIMS), headers[i].number,
               "and with a foreign signature");
        if (headers[i].number != 156)
            refuse(NULL, text, headers[i].number, "and a peek at it");
    }
    refuse(&all, forge_token(thief, "RS256", own, CLAIMS), 153, "a token that brings its own key");
}

/* Claims are read after the signature was found good, so these are signed. */
static void test_claims(void)
{
    static const struct { const char *claims, *name; int number; } cases[] = {
        { "{\"sub\":\"a\",\"sub\":\"b\"}", "sub twice", 116 },
        { "{\"sub\":\"a\",\"su\\u0062\":\"b\"}", "sub twice, once escaped", 116 },
        { "{\"a\":{\"b\":1,\"b\":1}}", "a member twice, deeper", 116 },
        { "{\"sub\":\"a\\u0000b\"}", "a NUL", 116 },
        { "{\"sub\":\"\xc3\"}", "no UTF-8", 116 },
        { "{} {}", "two objects", 116 },
        { "Payload", "no JSON", 116 },
        { "[]", "an array", 117 },
        { "{\"a\":" DEEP "}", "deep", 115 },
    };
    apr_size_t i;
    char *bomb = apr_palloc(forge_pool, 40001);

    memset(bomb, '[', 40000);
    bomb[40000] = '\0';
    for (i = 0; i < SSO_COUNT(cases); i++) {
        const char *h = alg_header("RS256");

        refuse(&all, forge_token(rsa, "RS256", h, cases[i].claims), cases[i].number, cases[i].name);
        refuse(NULL, forge_token(rsa, "RS256", h, cases[i].claims), cases[i].number, "and a peek");
        refuse(&all, forge_token(thief, "RS256", h, cases[i].claims), 161, "with a bad signature");
    }
    refuse(NULL, forge_token(rsa, "RS256", alg_header("RS256"), bomb), 115, "a depth bomb");
    refuse(&all, forge_token(rsa, "RS256", bomb, CLAIMS), 115, "a depth bomb in the header");
}

static void test_segments(void)
{
    const char *t = good(rsa, "RS256"), *h = forge_b64("{\"alg\":\"RS256\"}", 15);
    const char *mac = good_mac("HS256");
    const struct { const char *text, *name; int number; } cases[] = {
        { "", "nothing", 151 },
        { ".", "a dot", 151 },
        { "..", "two dots", 151 },
        { "...", "three dots", 151 },
        { h, "one segment", 151 },
        { apr_pstrcat(forge_pool, h, ".", h, NULL), "two segments", 151 },
        { apr_pstrcat(forge_pool, h, ".", h, ".", NULL), "an empty signature", 151 },
        { apr_pstrcat(forge_pool, h, "..", h, NULL), "an empty payload", 151 },
        { apr_pstrcat(forge_pool, ".", h, ".", h, NULL), "an empty header", 151 },
        { apr_pstrcat(forge_pool, t, ".", NULL), "a dot at the end", 151 },
        { apr_pstrcat(forge_pool, ".", t, NULL), "a dot before", 151 },
        { apr_pstrcat(forge_pool, t, ".", h, NULL), "four segments", 151 },
        { apr_pstrcat(forge_pool, t, ".", h, ".", h, NULL), "five segments", 151 },
        { apr_pstrcat(forge_pool, t, "=", NULL), "padding", 152 },
        { apr_pstrcat(forge_pool, t, "==", NULL), "more padding", 152 },
        { apr_pstrcat(forge_pool, t, "=AAAA", NULL), "text after padding", 152 },
        { apr_pstrcat(forge_pool, mac, "=", NULL), "padding after a MAC", 152 },
        { apr_pstrcat(forge_pool, mac, "=.", NULL), "padding and a dot", 151 },
        { apr_pstrcat(forge_pool, t, " ", NULL), "a space after", 152 },
        { apr_pstrcat(forge_pool, " ", t, NULL), "a space before", 152 },
        { apr_pstrcat(forge_pool, t, "\n", NULL), "a line feed after", 152 },
        { apr_pstrcat(forge_pool, t, "\t", NULL), "a tab after", 152 },
        { apr_pstrcat(forge_pool, t, "A", NULL), "a letter after", 0 },
        { apr_pstrcat(forge_pool, mac, "A", NULL), "a letter after a MAC", 0 },
        { apr_pstrcat(forge_pool, mac, "AAAA", NULL), "four letters after a MAC", 161 },
        { apr_pstrcat(forge_pool, t, "\xc3\xa9", NULL), "a letter of another alphabet", 152 },
        { "{\"alg\":\"RS256\"}.{}.x", "no base64url", 152 },
        { "a.b.c", "segments of one letter", 152 },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        refuse(&all, cases[i].text, cases[i].number, cases[i].name);
        if (cases[i].number == 151 || cases[i].number == 152)
            refuse(NULL, cases[i].text, cases[i].number, "and a peek at it");
    }
}

static void test_sizes(void)
{
    /* header, signature and dots are 65 characters */
    const apr_size_t blanks = (SSO_JWT_MAX + 1 - 65) / 4 * 3 - 2;
    const char *mac = good_mac("HS256"), *long_text;
    char *big = apr_palloc(forge_pool, SSO_JWT_MAX + 2), *inner = apr_pstrdup(forge_pool, mac);
    apr_size_t i, length;

    memset(big, 'A', SSO_JWT_MAX + 1);
    big[SSO_JWT_MAX + 1] = '\0';
    refuse(&all, big, 150, "a byte too long");
    big[SSO_JWT_MAX] = '\0';
    refuse(&all, big, 151, "as long as may be, without dots");
    memset(big, ' ', blanks);
    memcpy(big + blanks, "{}", 3);
    long_text = forge_mac(secret, 64, "HS256", alg_header("HS256"), big);
    FORGE_MUST(strlen(long_text) == SSO_JWT_MAX + 1);
    refuse(&all, long_text, 150, "a signed token of one byte too many");
    long_text = forge_mac(secret, 64, "HS256", alg_header("HS256"), big + 1);
    is_int(forge_try(&all, long_text), SSO_OK, "one byte less is taken");
    length = strlen(inner); /* the last letter of 32 bytes has two bits that count for nothing */
    for (i = 1; i < 4; i++) {
        inner[length - 1] = ALPHABET[(size_t)(strchr(ALPHABET, mac[length - 1]) - ALPHABET) ^ i];
        refuse(&all, inner, 152, "other bits after the last byte");
    }
    inner[length - 1] = '\0';
    refuse(&all, inner, 0, "a token that ends a letter early");
}

static void test_signature_lengths(void)
{
    static const char *const macs[] = { "HS256", "HS384", "HS512" };
    const char *es = good(p256, "ES256"), *rs = good(rsa, "RS256");
    forge_bytes_t der, raw, padded;
    unsigned char zeros[600] = { 0 };
    apr_size_t i, cut;

    forge_sign_raw(p256, "ES256", forge_input(alg_header("ES256"), CLAIMS), &der);
    raw = der;
    forge_flatten(&raw, 64);
    is_int(forge_try(&all, resign(es, raw.data, 64)), SSO_OK, "the signature is right as it is");
    refuse(&all, resign(es, der.data, der.length), 161, "ECDSA as DER");
    memset(&padded, 0, sizeof(padded));
    memcpy(padded.data + 1, raw.data, 32);
    memcpy(padded.data + 34, raw.data + 32, 32);
    refuse(&all, resign(es, padded.data, 66), 161, "ECDSA with a zero before each number");
    memset(&padded, 0, sizeof(padded));
    memcpy(padded.data + 34, raw.data, 32);
    memcpy(padded.data + 100, raw.data + 32, 32);
    refuse(&all, resign(es, padded.data, 132), 161, "ECDSA stretched to 132 bytes");
    memcpy(padded.data, raw.data, 64);
    memset(padded.data + 64, 0, 8);
    refuse(&all, resign(es, padded.data, 65), 161, "ECDSA with a byte after it");
    refuse(&all, resign(es, raw.data, 63), 161, "ECDSA without its last byte");
    refuse(&all, resign(es, zeros, 64), 161, "ECDSA of zeros");
    refuse(&all, resign(es, zeros, 132), 161, "ECDSA of more zeros");
    refuse(&all, resign(rs, zeros, 256), 161, "RSA of zeros");
    refuse(&all, resign(rs, zeros, 1), 161, "RSA of one byte");
    refuse(&all, resign(rs, zeros, 600), 161, "RSA of 600 bytes");
    forge_sign_raw(rsa, "RS256", forge_input(alg_header("RS256"), CLAIMS), &raw);
    is_int(forge_try(&all, resign(rs, raw.data, 256)), SSO_OK, "RSA as it is");
    memmove(raw.data + 1, raw.data, 256);
    raw.data[0] = 0;
    refuse(&all, resign(rs, raw.data, 257), 161, "RSA with a zero before it");
    refuse(&all, resign(rs, raw.data + 1, 255), 161, "RSA without its last byte");
    for (i = 0; i < SSO_COUNT(macs); i++) {
        const char *token = good_mac(macs[i]);
        unsigned char mac[EVP_MAX_MD_SIZE + 1] = { 0 };
        unsigned length = 0;

        HMAC(forge_md(macs[i]), secret, 64, (const unsigned char *)token,
             (size_t)(strrchr(token, '.') - token), mac, &length);
        is_int(forge_try(&all, resign(token, mac, length)), SSO_OK, "%s as it is", macs[i]);
        for (cut = 1; cut < length; cut++)
            refuse(&all, resign(token, mac, cut), 161, "a MAC cut short");
        refuse(&all, resign(token, mac, length + 1), 161, "a MAC with a byte after it");
    }
}

/* No token that differs in a bit verifies: of any character, in any segment, dots included. */
static void test_bits(void)
{
    const char *tokens[] = { good_mac("HS256"), good_mac("HS512"), good(rsa, "RS256"),
                             good(rsa, "PS256"), good(p256, "ES256") };
    apr_size_t i, k;
    int bit;

    for (i = 0; i < SSO_COUNT(tokens); i++) {
        int verified = 0;

        for (k = 0; tokens[i][k]; k++) {
            char *bent = apr_pstrdup(forge_pool, tokens[i]);
            const char *at = strchr(ALPHABET, tokens[i][k]);

            for (bit = 0; bit < 6; bit++) {
                bent[k] = at ? ALPHABET[(at - ALPHABET) ^ (1 << bit)] : "A_ =-\n"[bit];
                verified += forge_try(&all, bent) == SSO_OK;
            }
        }
        is_int(forge_try(&all, tokens[i]), SSO_OK, "token %d verifies", (int)i);
        is_int(verified, 0, "token %d verifies with no bit changed", (int)i);
    }
}

int main(void)
{
    sso_keys_t *set;

    forge_start();
    rsa = forge_rsa(2048);
    thief = forge_rsa(2048);
    p256 = forge_ec("P-256");
    p384 = forge_ec("P-384");
    p521 = forge_ec("P-521");
    set = forge_set(forge_jwk(p521, ""), forge_jwk(p384, ""), forge_jwk(rsa, ",\"kid\":\"a\""),
                    forge_jwk(p256, ""), NULL);
    public_only = (sso_jws_policy_t){ set, 0, SSO_KID_ORDERS };
    all = (sso_jws_policy_t){ sso_keys_join(forge_pool, forge_secret(secret, 64), set), 0,
                              SSO_KID_ORDERS };
    test_none();
    test_confusion();
    test_mismatches();
    test_key_alg();
    test_headers();
    test_claims();
    test_segments();
    test_sizes();
    test_signature_lengths();
    test_bits();
    return tap_done();
}
