/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signers: tokens of every type of key, as seen by the token gate, by OpenSSL, and by a program
 * that shares nothing with either; and every pair of files that must be refused.
 */
#include "sso_jose_sign.h"
#include "pair.h"
#include "sso_json.h"

#include <openssl/err.h>
#include <pthread.h>

#define SECRET "a secret of thirty-two bytes, yes"
#define DAY    86400L

static const char *cert_file, *key_file;

/* What jose_verify.py says about three arguments that need no quoting but single quotes. */
static const char *second_opinion(const char *first, const char *second, const char *third)
{
    const char *top = getenv("srcdir") ? getenv("srcdir") : ".";
    const char *command = apr_psprintf(forge_pool, "python3 %s/t/unit/jose_verify.py '%s' '%s' "
                                       "'%s'", top, first, second, third);
    static char line[80];
    FILE *pipe = popen(command, "r");

    FORGE_MUST(pipe);
    if (!fgets(line, sizeof(line), pipe))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    pclose(pipe);
    return line;
}

static json_t *claims_of(const char *text)
{
    json_t *claims = json_loads(text, 0, NULL);

    FORGE_MUST(claims);
    return claims;
}

static const char *sign(const sso_signer_t *signer, const char *claims)
{
    sso_ctx_t *ctx = tap_ctx();
    const char *token = NULL;
    json_t *object = claims_of(claims);

    is_int(sso_jws_sign(ctx, signer, object, &token), SSO_OK, "signs (%s)", ctx->err.text);
    json_decref(object);
    return token ? token : "";
}

/* The gate takes it with the public key that the signer shows. */
static void gate_takes(const sso_signer_t *signer, const char *token, const char *alg)
{
    sso_ctx_t *ctx = tap_ctx();
    const char *jwk = sso_signer_jwk(signer);
    sso_keys_t *keys = NULL;
    sso_jwt_t *jwt = NULL;

    if (jwk)
        FORGE_MUST(sso_keys_parse(ctx, ctx->pool, jwk, strlen(jwk), &keys) == SSO_OK);
    else
        FORGE_MUST(sso_keys_from_secret(ctx, ctx->pool, SECRET, strlen(SECRET), &keys) == SSO_OK);
    {
        sso_jws_policy_t policy = { keys, sso_jws_alg(alg), SSO_KID_SELECTS };

        is_int(sso_jws_verify(ctx, &policy, "test", token, &jwt), SSO_OK, "%s: the gate takes it "
               "(%s)", alg, ctx->err.text);
    }
    FORGE_MUST(jwt);
    is(jwt->alg, alg, "%s: alg", alg);
    is(jwt->typ, "JWT", "%s: typ", alg);
    is(jwt->kid, sso_signer_kid(signer), "%s: kid", alg);
    is(sso_json_text(jwt->claims, "sub"), "me \xC3\xA9", "%s: claims", alg);
}

static void test_types(void)
{
    const struct { const char *alg; EVP_PKEY *key; } types[] = {
        { "PS256", forge_rsa(2048) }, { "PS256", forge_rsa(3072) },
        { "ES256", forge_ec("P-256") }, { "ES384", forge_ec("P-384") },
        { "ES512", forge_ec("P-521") },
    };
    unsigned i, k;

    for (i = 0; i < SSO_COUNT(types); i++) {
        sso_ctx_t *ctx = tap_ctx();
        const char *alg = types[i].alg, *x5t, *token;
        const char *cert = pair_certificate("a.pem", types[i].key, -DAY, DAY, &x5t);
        sso_signer_t *signer = NULL;
        json_t *jwk;

        is_int(sso_signer_read(ctx, ctx->pool, cert, pair_key("a.key", types[i].key, NULL),
                               &signer), SSO_OK, "%s: read (%s)", alg, ctx->err.text);
        is_int(strlen(tap_log_text), 0, "%s: without a word", alg);
        FORGE_MUST(signer);
        token = sign(signer, "{\"sub\":\"me \xC3\xA9\"}");
        gate_takes(signer, token, alg);
        is(second_opinion(cert, token, sso_signer_jwk(signer)), alg, "%s: a second opinion", alg);
        jwk = claims_of(sso_signer_jwk(signer));
        is(sso_json_text(jwk, "x5t#S256"), x5t, "%s: thumbprint of the certificate", alg);
        is(sso_json_text(jwk, "use"), "sig", "%s: use", alg);
        ok(!json_object_get(jwk, "d") && !json_object_get(jwk, "p"), "%s: nothing private", alg);
        json_decref(jwk);
        for (k = 0; k < 40; k++) /* numbers with leading zeros come up now and then */
            if (strlen(sign(signer, "{\"sub\":\"me \xC3\xA9\"}")) != strlen(token))
                break;
        is_int(k, 40, "%s: all tokens are of one length", alg);
        apr_pool_destroy(ctx->pool);
    }
}

static void test_secret(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_signer_t *signer = NULL;
    const char *token;

    is_int(sso_signer_from_secret(ctx, ctx->pool, SECRET, 31, &signer), SSO_MISCONFIG, "31 bytes");
    is_int(ctx->err.number, 181, "number");
    ok(!signer && !strstr(ctx->err.text, "thirty"), "untouched, and not told");
    sso_forgive(ctx);
    is_int(sso_signer_from_secret(ctx, ctx->pool, SECRET, 32, &signer), SSO_OK, "32 bytes");
    is_int(sso_signer_from_secret(ctx, ctx->pool, SECRET, strlen(SECRET), &signer), SSO_OK, "more");
    ok(!sso_signer_jwk(signer) && !sso_signer_kid(signer), "a secret has no public half");
    token = sign(signer, "{\"sub\":\"me \xC3\xA9\"}");
    gate_takes(signer, token, "HS256");
    is(second_opinion("--secret", SECRET, token), "HS256", "a second opinion");
    apr_pool_destroy(ctx->pool);
}

/* Refused with a number and words; in both forms unless @a tls_ok. */
static void refused(const char *cert, const char *key, int number, const char *says, int tls_ok)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_signer_t *signer = NULL;

    is_int(sso_signer_read(ctx, ctx->pool, cert, key, &signer), SSO_MISCONFIG, "%s", says);
    is_int(ctx->err.number, number, "%s: number", ctx->err.text);
    ok(strstr(ctx->err.text, says), "says '%s'", says);
    ok(strstr(ctx->err.text, pair_folder), "and names the file");
    ok(!signer && !ERR_peek_error(), "nothing is left behind");
    sso_forgive(ctx);
    is_int(sso_signer_check_pair(ctx, cert, key), tls_ok ? SSO_OK : SSO_MISCONFIG, "%s: for TLS",
           says);
    is_int(ctx->err.number, tls_ok ? 0 : number, "number");
    ok(!ERR_peek_error(), "nothing is left behind");
    apr_pool_destroy(ctx->pool);
}

static void test_refusals(void)
{
    static const char half[] = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n";
    EVP_PKEY *small = forge_rsa(1024), *other = forge_rsa(2048), *odd = forge_ec("secp256k1");
    EVP_PKEY *edwards = forge_keep(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    char *big = apr_pcalloc(forge_pool, SSO_PEM_MAX + 1);

    memset(big, 'x', SSO_PEM_MAX + 1);
    refused(pair_path("none.pem"), key_file, 171, "No such file", 0);
    refused(pair_folder, key_file, 170, "not a regular file", 0);
    mkfifo(pair_path("fifo"), 0600);
    refused(pair_path("fifo"), key_file, 170, "not a regular file", 0);
    refused(pair_text("big.pem", big, SSO_PEM_MAX + 1), key_file, 170, "64 KiB", 0);
    refused(pair_text("empty.pem", "", 0), key_file, 172, "no certificate in it", 0);
    refused(pair_text("half.pem", half, strlen(half)), key_file, 172, "no certificate in it", 0);
    refused(pair_text("x.pem", big, SSO_PEM_MAX), key_file, 172, "no certificate in it", 0);
    refused(key_file, cert_file, 172, "no certificate in it", 0); /* the other way round */
    refused(cert_file, pair_path("none.key"), 30, "No such file", 0);
    refused(cert_file, pair_path("fifo"), 30, "not a regular file", 0);
    refused(cert_file, pair_text("empty.key", "", 0), 30, "is empty", 0);
    refused(cert_file, pair_text("big.key", big, 20000), 30, "over 16384", 0);
    refused(cert_file, cert_file, 174, "no private key in it", 0);
    refused(cert_file, pair_text("x.key", "\1\2\3", 3), 174, "no private key in it", 0);
    refused(cert_file, pair_key("locked.key", other, "canary"), 173, "passphrase", 0);
    refused(cert_file, pair_key("other.key", other, NULL), 177, "another one's", 0);
    refused(cert_file, pair_key("ec.key", forge_ec("P-256"), NULL), 177, "another one's", 0);
    refused(pair_certificate("small.pem", small, -DAY, DAY, NULL),
            pair_key("small.key", small, NULL), 178, "1024 bits; it needs 2048", 0);
    refused(pair_certificate("odd.pem", odd, -DAY, DAY, NULL), pair_key("odd.key", odd, NULL), 180,
            "P-256, P-384, P-521", 1);
    refused(pair_certificate("ed.pem", edwards, -DAY, DAY, NULL), pair_key("ed.key", edwards, NULL),
            180, "neither RSA", 1);
}

/* Taken, with a word in the log. */
static void warned(const char *cert, const char *key, const char *number)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_signer_t *signer = NULL;

    is_int(sso_signer_read(ctx, ctx->pool, cert, key, &signer), SSO_OK, "%s: taken", number);
    ok(tap_log_has(number), "%s: a warning: %s", number, tap_log_text);
    apr_pool_destroy(ctx->pool);
}

static void test_warnings(void)
{
    EVP_PKEY *key = forge_ec("P-256");
    const char *file = pair_key("w.key", key, NULL), *both;
    sso_ctx_t *ctx;

    warned(pair_certificate("old.pem", key, -2 * DAY, -1, NULL), file, "SSO0175");
    warned(pair_certificate("new.pem", key, 10, DAY, NULL), file, "SSO0176");
    both = pair_certificate("w.pem", key, -1, DAY, NULL);
    chmod(file, 0644);
    warned(both, file, "SSO0031");
    chmod(file, 0600);
    chmod(both, 0644);
    ctx = tap_ctx();
    is_int(sso_signer_check_pair(ctx, both, file), SSO_OK, "a certificate may be read by others");
    is_int(strlen(tap_log_text), 0, "without a word");
}

/* Certificate, chain and key in one file; an old-style key after its parameters. */
static void test_one_file(void)
{
    const char *command = apr_psprintf(
        forge_pool, "cd %s && openssl ecparam -name secp384r1 -genkey -out p.pem 2>/dev/null && "
        "openssl req -x509 -new -key p.pem -subj /CN=x -days 9000 -out c.pem 2>/dev/null && "
        "cat p.pem c.pem a.pem > all.pem && chmod 600 all.pem", pair_folder);
    sso_ctx_t *ctx = tap_ctx();
    sso_signer_t *signer = NULL;

    FORGE_MUST(system(command) == 0);
    is_int(sso_signer_read(ctx, ctx->pool, pair_path("all.pem"), pair_path("all.pem"), &signer),
           SSO_OK, "both from one file (%s)", ctx->err.text);
    FORGE_MUST(signer);
    gate_takes(signer, sign(signer, "{\"sub\":\"me \xC3\xA9\"}"), "ES384");
    apr_pool_destroy(ctx->pool);
}

static void *sign_many(void *data)
{
    const sso_signer_t *signer = data;
    apr_pool_t *pool;
    sso_ctx_t ctx = { 0 };
    const char *token;
    json_t *claims = json_pack("{s:s}", "sub", "me");
    apr_uintptr_t i, good = 0;

    apr_pool_create(&pool, NULL);
    ctx.pool = pool;
    for (i = 0; i < 25; i++)
        good += sso_jws_sign(&ctx, signer, claims, &token) == SSO_OK;
    json_decref(claims);
    apr_pool_destroy(pool);
    return (void *)good;
}

static void test_threads(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_signer_t *signer = NULL;
    pthread_t threads[4];
    apr_uintptr_t good = 0;
    unsigned i;

    FORGE_MUST(sso_signer_read(ctx, ctx->pool, cert_file, key_file, &signer) == SSO_OK);
    for (i = 0; i < SSO_COUNT(threads); i++)
        FORGE_MUST(pthread_create(&threads[i], NULL, sign_many, signer) == 0);
    for (i = 0; i < SSO_COUNT(threads); i++) {
        void *count;

        pthread_join(threads[i], &count);
        good += (apr_uintptr_t)count;
    }
    is_int(good, 25 * SSO_COUNT(threads), "four threads sign with one key");
    apr_pool_destroy(ctx->pool);
}

int main(void)
{
    EVP_PKEY *key;

    forge_start();
    pair_start();
    key = forge_rsa(2048);
    cert_file = pair_certificate("good.pem", key, -DAY, DAY, NULL);
    key_file = pair_key("good.key", key, NULL);
    test_types();
    test_secret();
    test_refusals();
    test_warnings();
    test_one_file();
    test_threads();
    pair_stop();
    return tap_done();
}
