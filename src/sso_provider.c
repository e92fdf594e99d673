/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolving provider sections: presets, defaults, section; what is missing; configured keys.
 * What one type is particular about is not here.
 */
#include "sso_provider.h"

#include "sso_client_auth.h"
#include "sso_metadata.h"
#include "sso_secret.h"
#include "sso_url.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <string.h>

#define JWKS_FILE_MAX (1024 * 1024)
#define TAG_BYTES     9

static const sso_kind_t *const kinds[] = { &sso_kind_edx, &sso_kind_entra, &sso_kind_oidc,
                                           &sso_kind_keycloak, &sso_kind_google,
                                           &sso_kind_facebook, &sso_kind_github,
                                           &sso_kind_linkedin, &sso_kind_apple,
                                           &sso_kind_oauth2 };

static const char *const endpoint_names[SSO_ENDPOINT_COUNT] = {
    "authorization", "token", "jwks", "end_session", "userinfo", "emails", "par",
    "introspection", "revocation"
};

const sso_kind_t *sso_kind_find(const char *name)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(kinds); i++)
        if (!strcmp(kinds[i]->name, name))
            return kinds[i];
    return NULL;
}

const char *const *sso_kind_names(apr_pool_t *pool)
{
    const char **names = apr_pcalloc(pool, (SSO_COUNT(kinds) + 1) * sizeof(*names));
    unsigned i;

    for (i = 0; i < SSO_COUNT(kinds); i++)
        names[i] = kinds[i]->name;
    return names;
}

const char *sso_kind_list(apr_pool_t *pool)
{
    const char *text = kinds[0]->name;
    unsigned i;

    for (i = 1; i < SSO_COUNT(kinds); i++)
        text = apr_pstrcat(pool, text, ", ", kinds[i]->name, NULL);
    return text;
}

const char *sso_endpoint_name(sso_endpoint_e which)
{
    return endpoint_names[which];
}

static const sso_provider_t *find_in(const apr_array_header_t *list, const char *name)
{
    int i;

    for (i = 0; list && i < list->nelts; i++) {
        const sso_provider_t *provider = APR_ARRAY_IDX(list, i, sso_provider_t *);

        if (!strcmp(provider->name, name))
            return provider;
    }
    return NULL;
}

const sso_provider_t *sso_provider_find(const sso_site_t *site, const char *name)
{
    return find_in(site->providers, name);
}

const sso_provider_t *sso_section_find(const sso_site_t *site, const char *name)
{
    const sso_provider_t *provider = find_in(site->providers, name);

    return provider ? provider : find_in(site->clients, name);
}

int sso_provider_plain_ok(const sso_provider_t *provider, const char *url)
{
    const sso_config_t *config = provider->config;
    const char *named[] = { config->url_root, config->public_url_root, config->discovery,
                            config->jwks, config->authority, config->graph_root,
                            config->issuer ? APR_ARRAY_IDX(config->issuer, 0, const char *) : NULL,
                            NULL };
    sso_url_t target, own;
    apr_pool_t *scratch;
    unsigned i;
    int found = 0;

    /* of no pool of the configuration: several threads may not make children of those */
    if (apr_pool_create(&scratch, NULL) != APR_SUCCESS)
        return 0;
    if (sso_url_parse(scratch, url, &target) == SSO_OK) {
        for (i = 0; i < SSO_COUNT(named) - 1; i++)
            found |= named[i] && sso_url_parse(scratch, named[i], &own) == SSO_OK
                     && sso_url_same_origin(&own, &target);
        for (i = 0; i < SSO_ENDPOINT_COUNT; i++) {
            const char *set = config->endpoint
                                  ? apr_table_get(config->endpoint, endpoint_names[i]) : NULL;

            found |= set && sso_url_parse(scratch, set, &own) == SSO_OK
                     && sso_url_same_origin(&own, &target);
        }
    }
    apr_pool_destroy(scratch);
    return found;
}

/* Whether a section is one that people sign in by. */
static int signs_in(const sso_site_t *site, const sso_section_t *section)
{
    const sso_field_t *field = &sso_options[SSO_OPTION_sign_in];

    return sso_record_has(section->config, field) ? section->config->sign_in
                                                  : site->config->sign_in;
}

/*
 * Preset of the table < preset of the type < server < section. What a sign-in asks for by itself,
 * a client that is none does not.
 */
static sso_rc_e merge_config(sso_ctx_t *ctx, const sso_site_t *site, const sso_section_t *section,
                             const sso_kind_t *kind, const sso_config_t **merged)
{
    const sso_preset_t *preset;
    sso_config_t *base;

    SSO_TRY(sso_record_make(ctx, &sso_config_shape, &base));
    for (preset = kind->presets; preset->option >= 0; preset++) {
        const apr_array_header_t *words = sso_words(ctx->pool, preset->words);

        if (preset->option == SSO_OPTION_scope && !signs_in(site, section))
            continue;
        SSO_TRY(sso_record_set(ctx, base, &sso_options[preset->option], words->nelts,
                               (const char *const *)(const void *)words->elts));
    }
    base = sso_record_merge(ctx->pool, base, site->config);
    *merged = sso_record_merge(ctx->pool, base, section->config);
    return SSO_OK;
}

static sso_rc_e check_needs(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    const sso_need_t *need;

    for (need = provider->kind->needs; need->option >= 0; need++)
        if (!sso_record_has(provider->config, &sso_options[need->option]))
            return sso_fail(ctx, SSO_MISCONFIG, 40, "%s is missing: %s",
                            sso_options[need->option].name, need->where);
    return SSO_OK;
}

/* EdxSSOClientAssertion is the client authentication unless EdxSSOClientAuth stands beside it. */
static sso_rc_e make_auth(sso_ctx_t *ctx, const sso_site_t *site, const sso_section_t *section,
                          sso_provider_t *provider)
{
    const sso_field_t *method = &sso_options[SSO_OPTION_client_auth];
    const sso_field_t *assertion = &sso_options[SSO_OPTION_client_assertion];
    int own = sso_record_has(section->config, method)
              || sso_record_has(section->config, assertion);
    const sso_config_t *near = own ? section->config : site->config;

    return sso_client_auth_make(ctx, provider->config,
                                sso_record_has(near, assertion) && !sso_record_has(near, method),
                                &provider->auth);
}

static sso_rc_e read_jwks_file(sso_ctx_t *ctx, const char *path, const char **text,
                               apr_size_t *length)
{
    char *buffer;
    apr_file_t *file;
    apr_finfo_t info;
    /* APR_FOPEN_NONBLOCK: a FIFO must not hang the start */
    apr_status_t rv = apr_file_open(&file, path, APR_READ | APR_BINARY | APR_FOPEN_NONBLOCK,
                                    APR_OS_DEFAULT, ctx->pool);

    if (rv != APR_SUCCESS || apr_file_info_get(&info, APR_FINFO_SIZE | APR_FINFO_TYPE, file)
        || info.filetype != APR_REG || info.size > JWKS_FILE_MAX) {
        char reason[128];

        return sso_fail(ctx, SSO_MISCONFIG, 42, "EdxSSOJWKS: file:%s: %s", path,
                        rv == APR_SUCCESS ? "not a regular file of at most 1 MiB"
                                          : apr_strerror(rv, reason, sizeof(reason)));
    }
    buffer = apr_palloc(ctx->pool, (apr_size_t)info.size + 1);
    rv = apr_file_read_full(file, buffer, (apr_size_t)info.size, length);
    apr_file_close(file);
    if (rv != APR_SUCCESS && rv != APR_EOF)
        return sso_fail(ctx, SSO_MISCONFIG, 43, "EdxSSOJWKS: file:%s: cannot be read", path);
    buffer[*length] = '\0';
    *text = buffer;
    return SSO_OK;
}

/* EdxSSOJWKS has three forms: a URL is left to the documents, the other two are read now. */
static sso_rc_e configured_keys(sso_ctx_t *ctx, sso_provider_t *provider)
{
    const char *jwks = provider->config->jwks;
    const sso_secret_t *secret = sso_secret_first(provider->config->jws_hmac_key);
    sso_keys_t *public_keys = NULL, *mac_key = NULL;
    apr_size_t length;

    if (jwks && (!strncmp(jwks, "http://", 7) || !strncmp(jwks, "https://", 8))) {
        sso_url_t url;

        if (sso_url_parse(ctx->pool, jwks, &url) != SSO_OK)
            return sso_fail(ctx, SSO_MISCONFIG, 44, "EdxSSOJWKS: '%s' is not a URL", jwks);
        provider->endpoint[SSO_ENDPOINT_JWKS] = jwks;
    }
    else if (jwks) {
        const char *text = jwks;

        length = strlen(jwks);
        if (!strncmp(jwks, "file:/", 6))
            SSO_TRY(read_jwks_file(ctx, jwks + 5, &text, &length));
        else if (*jwks != '{')
            return sso_fail(ctx, SSO_MISCONFIG, 45, "EdxSSOJWKS: '%.40s' is none of file:/path, "
                            "https://..., or a JWK set such as '{\"keys\": [...]}'", jwks);
        SSO_TRY(sso_within(ctx, sso_keys_parse(ctx, ctx->pool, text, length, &public_keys),
                           "EdxSSOJWKS"));
        provider->keys_text.data = text;
        provider->keys_text.length = length;
    }
    if (secret)
        SSO_TRY(sso_within(ctx, sso_keys_from_secret(ctx, ctx->pool, secret->text, secret->length,
                                                     &mac_key), "EdxSSOJWSHMACKey"));
    if (public_keys || mac_key)
        provider->keys = sso_keys_join(ctx->pool, public_keys, mac_key);
    return SSO_OK;
}

static sso_rc_e configured_decryption(sso_ctx_t *ctx, sso_provider_t *provider)
{
    const char *path = provider->config->decryption_key;
    sso_jwe_keys_t *keys;

    if (!path)
        return SSO_OK;
    SSO_TRY(sso_within(ctx, sso_jwe_keys_read(ctx, ctx->pool, path, &keys),
                       "EdxSSODecryptionKey"));
    provider->decryption = keys;
    return SSO_OK;
}

static sso_rc_e configured_endpoints(sso_ctx_t *ctx, sso_provider_t *provider)
{
    int i;

    for (i = 0; i < SSO_ENDPOINT_COUNT; i++) {
        const char *url = provider->config->endpoint
                              ? apr_table_get(provider->config->endpoint, endpoint_names[i]) : NULL;
        sso_url_t parsed;

        if (!url)
            continue;
        if (sso_url_parse(ctx->pool, url, &parsed) != SSO_OK)
            return sso_fail(ctx, SSO_MISCONFIG, 46, "EdxSSOEndpoint %s: '%s' is not an absolute "
                            "URL", endpoint_names[i], url);
        provider->endpoint[i] = url;
    }
    return SSO_OK;
}

static void configured_algorithms(sso_provider_t *provider)
{
    const apr_array_header_t *list = provider->config->algorithms;
    int i;

    for (i = 0; list && i < list->nelts; i++)
        provider->algorithms |= sso_jws_alg(APR_ARRAY_IDX(list, i, const char *));
}

/* http is spoken where a directive says so: legitimate inside a machine room, worth a word. */
static void warn_plain(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    int i;

    for (i = 0; i < SSO_ENDPOINT_COUNT; i++) {
        sso_url_t url;

        if (provider->endpoint[i] && sso_url_parse(ctx->pool, provider->endpoint[i], &url) == SSO_OK
            && !strcmp(url.scheme, "http") && !url.loopback)
            sso_log(ctx, SSO_LOG_WARN, 47, "<EdxSSOProvider %s %s>: the %s endpoint is http: "
                    "whoever is on the way can read and change what is sent to %s",
                    provider->name, provider->kind->name, endpoint_names[i], url.origin);
    }
}

/* A token is believed for its way only if that way could not be tampered with. */
static sso_rc_e check_trust(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    const char *token = provider->endpoint[SSO_ENDPOINT_TOKEN];
    sso_url_t url;

    if (!provider->config->trust_token_endpoint || !token
        || sso_url_parse(ctx->pool, token, &url) != SSO_OK || !strcmp(url.scheme, "https")
        || url.loopback)
        return SSO_OK;
    return sso_fail(ctx, SSO_MISCONFIG, 48, "EdxSSOTrustTokenEndpoint on: the token endpoint %s is "
                    "neither https nor on loopback; give the keys by EdxSSOJWKS instead", token);
}

static int path_or_url(apr_pool_t *pool, const char *text)
{
    sso_url_t url;

    return (*text == '/' && text[1] != '/' && text[1] != '\\')
           || sso_url_parse(pool, text, &url) == SSO_OK;
}

/* Texts that are a word or a URL: wrong ones are seen now, not at somebody's sign-in. */
static sso_rc_e check_urls(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    const char *discovery = provider->config->discovery;
    const char *landing = provider->config->logout_redirect_url;
    const char *form = provider->config->incomplete_url;
    sso_url_t url;

    if (strcasecmp(discovery, "on") && strcasecmp(discovery, "off")
        && sso_url_parse(ctx->pool, discovery, &url) != SSO_OK)
        return sso_fail(ctx, SSO_MISCONFIG, 66, "EdxSSODiscovery: '%s' is not on, off, or a URL",
                        discovery);
    if (!path_or_url(ctx->pool, landing))
        return sso_fail(ctx, SSO_MISCONFIG, 67, "EdxSSOLogoutRedirectURL: '%s' is not a path such "
                        "as /bye, or a URL", landing);
    if (form && (!path_or_url(ctx->pool, form) || strchr(form, '#')))
        return sso_fail(ctx, SSO_MISCONFIG, 1207, "EdxSSOIncompleteURL: '%s' is not a path such as "
                        "/register, or a URL", form);
    return SSO_OK;
}

/*
 * What a state or session was made for: not a name alone, which may come to mean another provider
 * after a change of the configuration, or in another virtual host.
 */
static sso_rc_e make_tag(sso_ctx_t *ctx, sso_provider_t *provider)
{
    const char *token = provider->endpoint[SSO_ENDPOINT_TOKEN];
    sso_bytes_t parts[] = {
        sso_bytes(provider->kind->name), sso_bytes(provider->config->client_id),
        sso_bytes(token ? token : ""),
        sso_bytes(provider->metadata_url ? provider->metadata_url : "")
    };
    unsigned char digest[SSO_DIGEST_BYTES];

    SSO_TRY(sso_digest(ctx, parts, SSO_COUNT(parts), digest));
    provider->tag = apr_pstrcat(ctx->pool, provider->name, ":",
                                sso_b64url_encode(ctx->pool, digest, TAG_BYTES), NULL);
    return SSO_OK;
}

/* Places of ours that an answer would be looked for in vain, or in the way of something else. */
static sso_rc_e check_callback(sso_ctx_t *ctx, const sso_site_t *site, const char *path)
{
    apr_size_t length = strlen(site->path);

    if (path && (!path[1] || (!strncmp(path, site->path, length)
                              && (!path[length] || path[length] == '/'))))
        return sso_fail(ctx, SSO_MISCONFIG, 69, "EdxSSOCallbackPath: '%s' is /, or under "
                        "EdxSSOPath, where the module's other URLs are; leave it out, or give a "
                        "path such as /complete/edx-oauth2/", path);
    return SSO_OK;
}

/* What a request must not say twice, or in other words than ours. */
static sso_rc_e check_params(sso_ctx_t *ctx, const sso_config_t *config)
{
    static const char *const ours[] = {
        "client_id", "client_secret", "code", "code_challenge", "code_challenge_method",
        "code_verifier", "grant_type", "nonce", "redirect_uri", "response_mode", "response_type",
        "scope", "state"
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(ours); i++)
        if ((config->auth_param && apr_table_get(config->auth_param, ours[i]))
            || (config->token_param && apr_table_get(config->token_param, ours[i])))
            return sso_fail(ctx, SSO_MISCONFIG, 70, "EdxSSOAuthParam, EdxSSOTokenParam: '%s' is "
                            "the module's own parameter", ours[i]);
    return SSO_OK;
}

static sso_rc_e complete(sso_ctx_t *ctx, const sso_site_t *site, const sso_section_t *section,
                         sso_provider_t *provider)
{
    const sso_config_t *config = provider->config;
    const apr_array_header_t *spans = site->config->http_timeout;

    SSO_TRY(check_needs(ctx, provider));
    SSO_TRY(make_auth(ctx, site, section, provider));
    SSO_TRY(check_urls(ctx, provider));
    SSO_TRY(check_callback(ctx, site, config->callback_path));
    SSO_TRY(check_params(ctx, config));
    provider->http.connect = APR_ARRAY_IDX(spans, 0, apr_interval_time_t);
    provider->http.total = APR_ARRAY_IDX(spans, 1, apr_interval_time_t);
    provider->http.proxy = site->config->http_proxy;
    provider->http.ca_file = site->config->http_ca_file;
    provider->callback_path = config->callback_path
                                  ? config->callback_path
                                  : apr_pstrcat(ctx->pool, site->path, "/callback/",
                                                provider->name, NULL);
    provider->display_name = config->display_name ? config->display_name
                                                  : provider->kind->display_name;
    provider->issuers = config->issuer;
    provider->scope = config->scope;
    SSO_TRY(configured_keys(ctx, provider));
    SSO_TRY(configured_decryption(ctx, provider));
    SSO_TRY(provider->kind->resolve(ctx, provider));
    SSO_TRY(configured_endpoints(ctx, provider));
    configured_algorithms(provider);
    SSO_TRY(check_trust(ctx, provider));
    if (provider->endpoint[SSO_ENDPOINT_TOKEN])
        SSO_TRY(sso_client_auth_check(ctx, provider->auth, provider->endpoint[SSO_ENDPOINT_TOKEN]));
    SSO_TRY(make_tag(ctx, provider));
    SSO_TRY(sso_provider_settle(ctx, provider));
    warn_plain(ctx, provider);
    return SSO_OK;
}

sso_rc_e sso_provider_make(sso_ctx_t *ctx, const sso_site_t *site, const sso_section_t *section,
                           sso_documents_t *documents, sso_provider_t **provider)
{
    const char *where = apr_psprintf(ctx->pool, "<EdxSSOProvider %s %s> (%s)", section->name,
                                     section->type, section->place);
    sso_provider_t *made = apr_pcalloc(ctx->pool, sizeof(*made));

    made->name = section->name;
    made->kind = sso_kind_find(section->type);
    made->documents = documents;
    SSO_TRY(merge_config(ctx, site, section, made->kind, &made->config));
    SSO_TRY(sso_within(ctx, complete(ctx, site, section, made), where));
    *provider = made;
    return SSO_OK;
}

void sso_site_name_cookies(apr_pool_t *pool, sso_site_t *site)
{
    static const char *const endings[SSO_COOKIE_COUNT] = { "", "_login", "_choice" };
    const sso_config_t *config = site->config;
    int which, secure;

    for (which = 0; which < SSO_COOKIE_COUNT; which++)
        for (secure = 0; secure < 2; secure++) {
            int host_only = which != SSO_COOKIE_SESSION
                            || (!config->cookie_domain && !strcmp(config->cookie_path, "/"));

            site->cookies[2 * which + secure] =
                apr_pstrcat(pool, secure && host_only ? "__Host-" : "", config->cookie_name,
                            endings[which], NULL);
        }
}

sso_rc_e sso_site_seal(sso_ctx_t *ctx, sso_site_t *site, const apr_array_header_t *secrets)
{
    unsigned char digest[SSO_DIGEST_BYTES];

    SSO_TRY(sso_keyring_make(ctx, ctx->pool, secrets, site->realm, &site->ring));
    SSO_TRY(sso_ring_digest(ctx, site->ring,
                            sso_bytes(apr_pstrcat(ctx->pool, "session\n", site->realm, NULL)),
                            digest));
    memcpy(site->realm_tag, digest, SSO_REALM_BYTES);
    sso_site_name_cookies(ctx->pool, site);
    sso_keyring_remember(site->ring, ctx->pool);
    return SSO_OK;
}

sso_rc_e sso_provider_endpoint(sso_ctx_t *ctx, const sso_provider_t *provider, sso_endpoint_e which,
                               const char **url)
{
    const sso_metadata_t *metadata;

    if (provider->endpoint[which]) {
        *url = provider->endpoint[which];
        return SSO_OK;
    }
    if (!provider->metadata_url)
        return SSO_ABSENT;
    SSO_TRY(sso_documents_metadata(ctx, provider, &metadata));
    if (provider->auth && provider->auth->certificate && metadata->alias[which])
        *url = metadata->alias[which];
    else if (metadata->endpoint[which])
        *url = metadata->endpoint[which];
    else
        return SSO_ABSENT;
    return SSO_OK;
}
