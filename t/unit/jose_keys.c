/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys are taken from a JWK set, and the published vectors, whose keys are JWKs too.
 */
#include "forge.h"

#define CLAIMS "{\"iss\":\"x\"}"

static EVP_PKEY *rsa, *small_rsa, *p256, *p384, *p521, *k256;

static sso_rc_e parse(const char *text, sso_keys_t **keys, int *number)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_rc_e rc;

    *keys = NULL;
    rc = sso_keys_parse(ctx, forge_pool, text, strlen(text), keys);
    *number = ctx->err.number;
    apr_pool_destroy(ctx->pool); /* the set must not live here */
    return rc;
}

static void test_sets(void)
{
    static const struct { const char *text; int number; } sets[] = {
        { "", 116 },
        { "[]", 117 },
        { "{}", 140 },
        { "{\"keys\":null}", 140 },
        { "{\"keys\":{}}", 140 },
        { "{\"keys\":{},\"kty\":\"RSA\"}", 140 },
        { "{\"keys\":\"x\"}", 140 },
        { "{\"keys\":[]}", 142 },
        { "{\"keys\":[1,null,\"RSA\",[],{}]}", 142 },
        { "{\"keys\":[],\"keys\":[]}", 116 },
        { "{\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODw\"}", 142 },
        { "{\"kty\":1}", 142 },
        { "{\"kty\":\"RSA\"}", 142 },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\"}", 142 },
    };
    const char *one = forge_jwk(p256, ""), *many = one;
    sso_keys_t *keys;
    apr_size_t i;
    int number;

    for (i = 0; i < SSO_COUNT(sets); i++) {
        parse(sets[i].text, &keys, &number);
        ok(number == sets[i].number && !keys, "%s is refused with %d", sets[i].text, number);
    }
    ok(parse(one, &keys, &number) == SSO_OK && sso_keys_count(keys) == 1, "a bare JWK");
    for (i = 1; i < SSO_JWK_COUNT_MAX; i++)
        many = apr_pstrcat(forge_pool, many, ",", one, NULL);
    parse(apr_pstrcat(forge_pool, "{\"keys\":[", many, "]}", NULL), &keys, &number);
    is_int(sso_keys_count(keys), SSO_JWK_COUNT_MAX, "as many keys as are taken");
    parse(apr_pstrcat(forge_pool, "{\"keys\":[", many, ",1]}", NULL), &keys, &number);
    is_int(number, 141, "one more is refused");
}

/* A key of @a bits (whole bytes) that is odd and otherwise nothing special. */
static const char *rsa_of(apr_size_t bytes, unsigned char first, unsigned char last, const char *e)
{
    unsigned char *n = apr_palloc(forge_pool, bytes);

    memset(n, 0x5a, bytes);
    n[0] = first;
    n[bytes - 1] = last;
    return apr_psprintf(forge_pool, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}",
                        forge_b64(n, bytes), e);
}

static const char *ec_of(const char *crv, const char *x, const char *y)
{
    return apr_psprintf(forge_pool, "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}",
                        crv, x, y);
}

typedef struct key_case_t {
    const char *jwk, *name;
    int taken;
} key_case_t;

/* Each beside a good key: the good one must stay. */
static void try_cases(const key_case_t *cases, apr_size_t count)
{
    const char *good = forge_jwk(rsa, ",\"kid\":\"good\"");
    sso_jws_policy_t policy = { NULL, 0, SSO_KID_SELECTS };
    const char *token = forge_token(rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"good\"}", CLAIMS);
    apr_size_t i;

    for (i = 0; i < count; i++) {
        policy.keys = forge_set(cases[i].jwk, good, NULL);
        is_int(sso_keys_count(policy.keys), 1 + cases[i].taken, "%s is %s", cases[i].name,
               cases[i].taken ? "taken" : "skipped");
        ok(tap_log_has("SSO0145") == !cases[i].taken, "and the log says so");
        is_int(forge_try(&policy, token), SSO_OK, "the good key beside it works");
    }
}

static void test_numbers(void)
{
    const char *x = forge_number(p256, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    const char *y = forge_number(p256, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    const char *kx = forge_number(k256, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    const char *ky = forge_number(k256, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    const key_case_t cases[] = {
        { rsa_of(256, 0x80, 1, "AQAB"), "RSA-2048", 1 },
        { rsa_of(257, 0x00, 1, "AQAB"), "RSA-2040 behind a zero byte", 0 },
        { rsa_of(256, 0x7f, 1, "AQAB"), "RSA-2047", 0 },
        { rsa_of(257, 0x01, 1, "AQAB"), "RSA-2049", 1 },
        { rsa_of(2048, 0xff, 1, "AQAB"), "RSA-16384", 1 },
        { rsa_of(2049, 0x01, 1, "AQAB"), "RSA-16385", 0 },
        { rsa_of(256, 0x80, 2, "AQAB"), "an even modulus", 0 },
        { rsa_of(256, 0x80, 1, "Aw"), "e = 3", 1 },
        { rsa_of(256, 0x80, 1, "AAAAAQAB"), "e with zeros before it", 1 },
        { rsa_of(256, 0x80, 1, "_____w"), "e = 2^32 - 1", 1 },
        { rsa_of(256, 0x80, 1, "AQAAAAE"), "e = 2^32 + 1", 0 },
        { rsa_of(256, 0x80, 1, "AQ"), "e = 1", 0 },
        { rsa_of(256, 0x80, 1, "AA"), "e = 0", 0 },
        { rsa_of(256, 0x80, 1, "Ag"), "e = 2", 0 },
        { rsa_of(256, 0x80, 1, "AQAA"), "e = 65536", 0 },
        { rsa_of(256, 0x80, 1, ""), "no e", 0 },
        { rsa_of(256, 0x80, 1, "AQAB="), "e with padding", 0 },
        { rsa_of(256, 0x80, 1, "A+AB"), "e in other base64", 0 },
        { forge_jwk(small_rsa, ""), "RSA-1024", 0 },
        { ec_of("P-256", x, y), "P-256", 1 },
        { ec_of("P-256", y, x), "a point off the curve", 0 },
        { ec_of("P-384", x, y), "P-256 coordinates on P-384", 0 },
        { ec_of("p-256", x, y), "a curve in lower case", 0 },
        { ec_of("P-256", "AA", y), "a short coordinate", 0 },
        { ec_of("P-256", "", y), "an empty coordinate", 0 },
        { ec_of("P-256", apr_pstrcat(forge_pool, "AAAA", x, NULL), y), "a padded coordinate", 0 },
        { ec_of("secp256k1", kx, ky), "secp256k1", 0 },
        { ec_of("P-256", kx, ky), "a secp256k1 point called P-256", 0 },
        { ec_of("P-256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "zero for a point", 0 },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
          "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}", "Ed25519", 0 },
        { "{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}", "a secret",
          0 },
        { "{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AAAA\"}", "a type of the future", 0 },
        { "{\"kty\":\"rsa\",\"n\":\"AAAA\",\"e\":\"AQAB\"}", "a type in lower case", 0 },
    };

    try_cases(cases, SSO_COUNT(cases));
}

static void test_purposes(void)
{
    const key_case_t cases[] = {
        { forge_jwk(rsa, ",\"use\":\"sig\""), "use sig", 1 },
        { forge_jwk(rsa, ",\"use\":\"enc\""), "use enc", 0 },
        { forge_jwk(rsa, ",\"use\":\"SIG\""), "use SIG", 0 },
        { forge_jwk(rsa, ",\"use\":\"\""), "an empty use", 0 },
        { forge_jwk(rsa, ",\"alg\":\"\""), "an empty alg", 0 },
        { forge_jwk(rsa, ",\"kid\":\"\""), "an empty kid", 1 },
        { forge_jwk(rsa, ",\"use\":[\"sig\"]"), "use as an array", 0 },
        { forge_jwk(rsa, ",\"use\":null,\"alg\":null,\"key_ops\":null,\"kid\":null"), "nulls", 1 },
        { forge_jwk(rsa, ",\"key_ops\":[\"verify\"]"), "key_ops verify", 1 },
        { forge_jwk(rsa, ",\"key_ops\":[\"sign\",\"verify\"],\"use\":\"sig\""), "key_ops both", 1 },
        { forge_jwk(rsa, ",\"key_ops\":[\"verify\"],\"use\":\"enc\""), "key_ops against use", 0 },
        { forge_jwk(rsa, ",\"key_ops\":[\"encrypt\"]"), "key_ops encrypt", 0 },
        { forge_jwk(rsa, ",\"key_ops\":[]"), "key_ops empty", 0 },
        { forge_jwk(rsa, ",\"key_ops\":\"verify\""), "key_ops as a string", 0 },
        { forge_jwk(rsa, ",\"alg\":\"PS384\""), "alg PS384", 1 },
        { forge_jwk(rsa, ",\"alg\":\"RSA-OAEP\""), "alg RSA-OAEP", 0 },
        { forge_jwk(rsa, ",\"alg\":\"HS256\""), "alg HS256 on an RSA key", 0 },
        { forge_jwk(rsa, ",\"alg\":\"none\""), "alg none", 0 },
        { forge_jwk(rsa, ",\"alg\":256"), "alg as a number", 0 },
        { forge_jwk(rsa, ",\"kid\":1"), "kid as a number", 0 },
        { forge_jwk(rsa, ",\"issuer\":{}"), "issuer as an object", 0 },
        { forge_jwk(p256, ",\"alg\":\"ES256\""), "ES256 on P-256", 1 },
        { forge_jwk(p256, ",\"alg\":\"ES384\""), "ES384 on P-256", 0 },
        { forge_jwk(p521, ",\"alg\":\"ES256\""), "ES256 on P-521", 0 },
        { forge_jwk(p384, ",\"x5c\":[\"AAAA\"],\"x5u\":\"http://x\""), "x5c and x5u", 1 },
    };

    try_cases(cases, SSO_COUNT(cases));
}

static void test_private(void)
{
    const char *d = apr_psprintf(forge_pool, ",\"d\":\"%s\"",
                                 forge_number(p256, OSSL_PKEY_PARAM_PRIV_KEY, 32));
    sso_jws_policy_t policy = { forge_set(forge_jwk(p256, d), NULL), 0, SSO_KID_SELECTS };

    ok(tap_log_has("SSO0146"), "a private key is warned about");
    is_int(forge_try(&policy, forge_token(p256, "ES256", "{\"alg\":\"ES256\"}", CLAIMS)), SSO_OK,
           "its public half verifies");
}

static void test_secrets(void)
{
    static const struct { apr_size_t length; unsigned algs; } secrets[] = {
        { 0, 0 },
        { 1, 0 },
        { 31, 0 },
        { 32, SSO_HS256 },
        { 47, SSO_HS256 },
        { 48, SSO_HS256 | SSO_HS384 },
        { 63, SSO_HS256 | SSO_HS384 },
        { 64, SSO_HS256 | SSO_HS384 | SSO_HS512 },
        { 500, SSO_HS256 | SSO_HS384 | SSO_HS512 },
    };
    static const char *const names[] = { "HS256", "HS384", "HS512" };
    unsigned char secret[500];
    apr_size_t i, k;

    memset(secret, 'k', sizeof(secret));
    secret[5] = '\0';
    for (i = 0; i < SSO_COUNT(secrets); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_keys_t *keys = NULL;
        sso_rc_e rc = sso_keys_from_secret(ctx, forge_pool, secret, secrets[i].length, &keys);
        sso_jws_policy_t policy = { keys, 0, SSO_KID_SELECTS };

        is_int(rc, secrets[i].algs ? SSO_OK : SSO_MISCONFIG, "a secret of %d bytes",
               (int)secrets[i].length);
        for (k = 0; k < SSO_COUNT(names); k++) {
            const char *token = forge_mac(secret, secrets[i].length, names[k],
                                          apr_psprintf(forge_pool, "{\"alg\":\"%s\"}", names[k]),
                                          CLAIMS);

            is_int(forge_try(&policy, token),
                   secrets[i].algs & sso_jws_alg(names[k]) ? SSO_OK : SSO_ABSENT, "with %s",
                   names[k]);
        }
    }
}

/* Examples that others published: RFC 7515 appendix A, RFC 7520 section 4. */
#define JOE                                                                                       \
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn" \
    "VlfQ."
#define BILBO                                                                                     \
    ".SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb2" \
    "50byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd" \
    "2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4."
#define BILBO_RSA                                                                                 \
    "{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"use\":\"sig\",\"e\":\"AQAB\","  \
    "\"n\":\"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZ" \
    "QHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpP" \
    "e7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_" \
    "vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw\"}"

static const struct vector {
    const char *name, *key; /* a JWK, or the k of one */
    const char *token;
    int number; /* 116: the signature is right, the payload no JSON */
} vectors[] = {
    { "RFC 7515 A.1 (HS256)",
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" JOE "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
      0 },
    { "RFC 7515 A.2 (RS256)",
      "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0"
      "l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b3269"
      "0r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg6"
      "65xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkM"
      "Ls91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}",
      "eyJhbGciOiJSUzI1NiJ9" JOE
      "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
      "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS"
      "jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv"
      "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw", 0 },
    { "RFC 7515 A.3 (ES256)",
      "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
      "eyJhbGciOiJFUzI1NiJ9" JOE
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", 0 },
    { "RFC 7515 A.4 (ES512)",
      "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcB"
      "pXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBX"
      "MoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}",
      "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPW"
      "ROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKv"
      "U8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn", 116 },
    { "RFC 7520 4.1 (RS256)", BILBO_RSA,
      "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9" BILBO
      "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83"
      "xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJ"
      "Dt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12"
      "podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg", 116 },
    { "RFC 7520 4.2 (PS384)", BILBO_RSA,
      "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9" BILBO
      "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6"
      "O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqi"
      "VJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_"
      "jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw", 116 },
    { "RFC 7520 4.3 (ES512)",
      "{\"kty\":\"EC\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"crv\":\"P-521\",\"x\":\"AHK"
      "ZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt\","
      "\"y\":\"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGf"
      "P-HqHZR1\"}",
      "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9" BILBO
      "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJ"
      "AQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
      116 },
    { "RFC 7520 4.4 (HS256)", "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
      "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9" BILBO
      "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0", 116 },
};

/* The bytes of a k, by OpenSSL. */
static sso_keys_t *secret_of(const char *k)
{
    char *text = apr_pstrcat(forge_pool, k, "===", NULL), *c;
    unsigned char *bytes = apr_palloc(forge_pool, strlen(text));
    apr_size_t length = strlen(k) * 3 / 4;

    text[(strlen(k) + 3) / 4 * 4] = '\0';
    for (c = text; *c; c++)
        *c = (char)(*c == '-' ? '+' : *c == '_' ? '/' : *c);
    FORGE_MUST(EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)strlen(text)) > 0);
    return forge_secret(bytes, length);
}

static void test_vectors(void)
{
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        sso_keys_t *keys = v->key[0] == '{' ? forge_set(v->key, NULL) : secret_of(v->key);
        sso_jws_policy_t policy = { keys, 0, SSO_KID_SELECTS };
        char *bent = apr_pstrdup(forge_pool, v->token), *middle = strrchr(bent, '.') - 5;

        forge_try(&policy, v->token);
        is_int(forge_got.number, v->number, "%s (%s)", v->name, forge_got.text);
        *middle = *middle == 'A' ? 'B' : 'A';
        forge_try(&policy, bent);
        is_int(forge_got.number, 161, "%s, altered", v->name);
    }
}

int main(void)
{
    forge_start();
    rsa = forge_rsa(2048);
    small_rsa = forge_rsa(1024);
    p256 = forge_ec("P-256");
    p384 = forge_ec("P-384");
    p521 = forge_ec("P-521");
    k256 = forge_ec("secp256k1");
    test_sets();
    test_numbers();
    test_purposes();
    test_private();
    test_secrets();
    test_vectors();
    return tap_done();
}
