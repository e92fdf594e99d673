/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client authentication: one row and its functions for each method. Keys and signatures are
 * sso_jose_sign.c's, the calls are the callers'.
 */
#include "sso_client_auth.h"

#include "sso_url.h"

#include <apr_base64.h>
#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define ASSERTION_SEC  300 /* how long an assertion is good for */
#define BACKDATE_SEC   10  /* of which it is as old when it is made: clocks differ */
#define JTI_BYTES      16
#define JWT_BEARER     "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" /* RFC 7523 2.2 */

struct sso_auth_method_t {
    const char *name;
    int needs;         /* the directive it cannot do without: SSO_OPTION_..., or -1 */
    const char *where; /* what that is and where to get it */
    int names;         /* client_id goes into the body */
    sso_rc_e (*make)(sso_ctx_t *ctx, const sso_config_t *config, sso_client_auth_t *auth);
    sso_rc_e (*prove)(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                      sso_call_t *call);
};

/* ---- secrets as they are ---- */

static const sso_secret_t *secret_of(const sso_config_t *config)
{
    return sso_secret_first(config->client_secret);
}

static sso_rc_e prove_post(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                           sso_call_t *call)
{
    (void)ctx;
    (void)call;
    sso_form_add(form, "client_secret", secret_of(provider->config)->text);
    return SSO_OK;
}

/* RFC 6749 2.3.1: both halves form-encoded before they are joined */
static sso_rc_e prove_basic(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                            sso_call_t *call)
{
    char *pair = apr_pstrcat(ctx->pool, sso_pct_encode(ctx->pool, provider->config->client_id), ":",
                             sso_pct_encode(ctx->pool, secret_of(provider->config)->text), NULL);
    int length = (int)strlen(pair);
    char *text = apr_palloc(ctx->pool, (apr_size_t)apr_base64_encode_len(length));

    (void)form;
    apr_base64_encode(text, pair, length);
    sso_cleanse(pair, (apr_size_t)length);
    call->authorization = apr_pstrcat(ctx->pool, "Basic ", text, NULL);
    return SSO_OK;
}

/* ---- assertions ---- */

static sso_rc_e make_of_secret(sso_ctx_t *ctx, const sso_config_t *config, sso_client_auth_t *auth)
{
    const sso_secret_t *secret = secret_of(config);
    sso_signer_t *signer = NULL;

    SSO_TRY(sso_within(ctx, sso_signer_from_secret(ctx, ctx->pool, secret->text, secret->length,
                                                   &signer), "EdxSSOClientSecret"));
    auth->signer = signer;
    return SSO_OK;
}

static const char *certificate_of(const sso_config_t *config, int which)
{
    return APR_ARRAY_IDX(config->client_certificate, which, const char *);
}

static sso_rc_e make_of_key(sso_ctx_t *ctx, const sso_config_t *config, sso_client_auth_t *auth)
{
    sso_signer_t *signer = NULL;

    SSO_TRY(sso_within(ctx, sso_signer_read(ctx, ctx->pool, certificate_of(config, 0),
                                            certificate_of(config, 1), &signer),
                       "EdxSSOClientCertificate"));
    auth->signer = signer;
    return SSO_OK;
}

static void add_assertion(sso_form_t *form, const char *assertion)
{
    sso_form_add(form, "client_assertion_type", JWT_BEARER);
    sso_form_add(form, "client_assertion", assertion);
}

/* RFC 7523 3, OpenID Connect Core 9 */
static sso_rc_e prove_signed(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                             sso_call_t *call)
{
    json_int_t made = (json_int_t)apr_time_sec(sso_wall(ctx)) - BACKDATE_SEC;
    const char *id = provider->config->client_id, *audience, *jti, *assertion;
    json_t *claims;
    sso_rc_e rc;

    (void)call;
    SSO_TRY(sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_TOKEN, &audience));
    SSO_TRY(sso_random_text(ctx, JTI_BYTES, &jti));
    claims = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "iss", id, "sub", id, "aud", audience,
                       "jti", jti, "iat", made, "nbf", made, "exp", made + ASSERTION_SEC);
    if (!claims)
        return sso_fail(ctx, SSO_MISCONFIG, 420, "EdxSSOClientID: it is not UTF-8");
    rc = sso_jws_sign(ctx, provider->auth->signer, claims, &assertion);
    json_decref(claims);
    if (rc == SSO_OK)
        add_assertion(form, assertion);
    return rc;
}

/* ---- an assertion that somebody else made ---- */

static sso_rc_e read_file(sso_ctx_t *ctx, const char *path, char **text, apr_size_t *length)
{
    char reason[128];
    apr_file_t *file;
    apr_finfo_t info;
    apr_status_t rv = apr_stat(&info, path, APR_FINFO_SIZE | APR_FINFO_TYPE, ctx->pool);

    if (rv == APR_SUCCESS && (info.filetype != APR_REG || info.size > SSO_JWT_MAX))
        return sso_fail(ctx, SSO_MISCONFIG, 421, "EdxSSOClientAssertion: %s is not a regular file "
                        "of at most %d KiB", path, SSO_JWT_MAX / 1024);
    if (rv == APR_SUCCESS)
        rv = apr_file_open(&file, path, APR_READ | APR_BINARY, APR_OS_DEFAULT, ctx->pool);
    if (rv == APR_SUCCESS) {
        *text = apr_palloc(ctx->pool, (apr_size_t)info.size + 1);
        rv = apr_file_read_full(file, *text, (apr_size_t)info.size, length);
        apr_file_close(file);
    }
    if (rv != APR_SUCCESS && rv != APR_EOF)
        return sso_fail(ctx, SSO_MISCONFIG, 422, "EdxSSOClientAssertion: %s: %s", path,
                        apr_strerror(rv, reason, sizeof(reason)));
    return SSO_OK;
}

/* What is in the file, without the space around it. The caller cleanses it. */
static sso_rc_e read_assertion(sso_ctx_t *ctx, const char *path, char **assertion)
{
    apr_size_t length;
    char *text;

    SSO_TRY(read_file(ctx, path, &text, &length));
    while (length && apr_isspace(text[length - 1]))
        length--;
    text[length] = '\0';
    while (apr_isspace(*text))
        text++;
    if (!sso_jwt_looks(text))
        return sso_fail(ctx, SSO_MISCONFIG, 423, "EdxSSOClientAssertion: what is in %s is not a "
                        "signed JWT", path);
    *assertion = text;
    return SSO_OK;
}

/* The file may come later than this start, so that it is not there is no mistake yet. */
static sso_rc_e make_asserted(sso_ctx_t *ctx, const sso_config_t *config, sso_client_auth_t *auth)
{
    const char *spec = config->client_assertion;
    char *text;

    if (strncmp(spec, "file:/", 6))
        return sso_fail(ctx, SSO_MISCONFIG, 424, "EdxSSOClientAssertion: '%s' is not file:/path",
                        spec);
    auth->assertion = spec + strlen("file:");
    if (read_assertion(ctx, auth->assertion, &text) == SSO_OK) {
        sso_cleanse(text, strlen(text));
        return SSO_OK;
    }
    sso_log(ctx, SSO_LOG_WARN, 425, "%s: nobody can sign in until that is put right",
            ctx->err.text);
    sso_forgive(ctx);
    return SSO_OK;
}

static sso_rc_e prove_asserted(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                               sso_call_t *call)
{
    char *assertion;

    (void)call;
    SSO_TRY(read_assertion(ctx, provider->auth->assertion, &assertion));
    add_assertion(form, assertion);
    sso_cleanse(assertion, strlen(assertion));
    return SSO_OK;
}

/* ---- the connection itself ---- */

static sso_rc_e make_tls(sso_ctx_t *ctx, const sso_config_t *config, sso_client_auth_t *auth)
{
    auth->certificate = certificate_of(config, 0);
    auth->key = certificate_of(config, 1);
    return sso_within(ctx, sso_signer_check_pair(ctx, auth->certificate, auth->key),
                      "EdxSSOClientCertificate");
}

/* RFC 8705 2 */
static sso_rc_e prove_tls(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                          sso_call_t *call)
{
    (void)form;
    SSO_TRY(sso_client_auth_check(ctx, provider->auth, call->url));
    call->client_cert = provider->auth->certificate;
    call->client_key = provider->auth->key;
    return SSO_OK;
}

static sso_rc_e prove_nothing(sso_ctx_t *ctx, const sso_provider_t *provider, sso_form_t *form,
                              sso_call_t *call)
{
    (void)ctx;
    (void)provider;
    (void)form;
    (void)call;
    return SSO_OK;
}

/* ---- which ---- */

#define SECRET_WHERE "the secret that the provider gave with this client id (or EdxSSOClientAuth " \
                     "none for a public client)"
#define PAIR_WHERE   "the PEM files of the certificate that the provider knows this site by, and " \
                     "of its private key"

static const sso_auth_method_t methods[] = {
    [SSO_AUTH_POST] = { "client_secret_post", SSO_OPTION_client_secret, SECRET_WHERE, 1, NULL,
                        prove_post },
    [SSO_AUTH_BASIC] = { "client_secret_basic", SSO_OPTION_client_secret, SECRET_WHERE, 0, NULL,
                         prove_basic },
    [SSO_AUTH_SECRET_JWT] = { "client_secret_jwt", SSO_OPTION_client_secret, SECRET_WHERE, 1,
                              make_of_secret, prove_signed },
    [SSO_AUTH_KEY_JWT] = { "private_key_jwt", SSO_OPTION_client_certificate, PAIR_WHERE, 1,
                           make_of_key, prove_signed },
    [SSO_AUTH_TLS] = { "tls_client_auth", SSO_OPTION_client_certificate, PAIR_WHERE, 1, make_tls,
                       prove_tls },
    [SSO_AUTH_NONE] = { "none", -1, NULL, 1, NULL, prove_nothing },
};

/* Not a word of EdxSSOClientAuth: EdxSSOClientAssertion alone */
static const sso_auth_method_t asserted_method = {
    "EdxSSOClientAssertion", -1, NULL, 1, make_asserted, prove_asserted
};

/* Something else that was given, and which the method does not use. */
static const char *misplaced(const sso_config_t *config, const sso_auth_method_t *method)
{
    if (config->client_certificate && method->needs != SSO_OPTION_client_certificate)
        return "; EdxSSOClientCertificate is for EdxSSOClientAuth private_key_jwt or "
               "tls_client_auth";
    if (config->client_assertion)
        return "; EdxSSOClientAssertion is used where EdxSSOClientAuth is left out";
    return "";
}

sso_rc_e sso_client_auth_make(sso_ctx_t *ctx, const sso_config_t *config, int asserted,
                              const sso_client_auth_t **auth)
{
    const sso_auth_method_t *method = asserted ? &asserted_method : &methods[config->client_auth];
    sso_client_auth_t *made = apr_pcalloc(ctx->pool, sizeof(*made));

    made->method = method;
    if (method->needs >= 0 && !sso_record_has(config, &sso_options[method->needs]))
        return sso_fail(ctx, SSO_MISCONFIG, 41, "%s is missing: %s; EdxSSOClientAuth %s needs it%s",
                        sso_options[method->needs].name, method->where, method->name,
                        misplaced(config, method));
    if (config->client_assertion && !asserted)
        sso_log(ctx, SSO_LOG_WARN, 427, "EdxSSOClientAssertion is not used, because of "
                "EdxSSOClientAuth %s", method->name);
    if (method->make)
        SSO_TRY(method->make(ctx, config, made));
    *auth = made;
    return SSO_OK;
}

sso_rc_e sso_client_auth_check(sso_ctx_t *ctx, const sso_client_auth_t *auth, const char *url)
{
    if (!auth->certificate || !strncmp(url, "https://", 8))
        return SSO_OK;
    return sso_fail(ctx, SSO_MISCONFIG, 426, "EdxSSOClientAuth tls_client_auth: %s is not https, "
                    "so no certificate can be shown there", url);
}

sso_rc_e sso_client_auth_prove(sso_ctx_t *ctx, const sso_provider_t *provider, int named,
                               sso_form_t *form, sso_call_t *call)
{
    const sso_auth_method_t *method = provider->auth->method;

    if (method->names && !named)
        sso_form_add(form, "client_id", provider->config->client_id);
    return sso_within(ctx, method->prove(ctx, provider, form, call), "client authentication");
}

const char *sso_client_auth_jwk(const sso_client_auth_t *auth)
{
    return auth->signer ? sso_signer_jwk(auth->signer) : NULL;
}
