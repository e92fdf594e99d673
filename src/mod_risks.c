/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings that work and are risky: a warning each, by httpd -t and at a start. What cannot be
 * right at all is refused elsewhere; secrets that everybody can read, and endpoints that are http,
 * are warned of where they are read (SSO0031, SSO0047).
 */
#include "mod_glue.h"

#include "sso_url.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unixd.h>

#define RETURN_HOSTS_MANY 16
#define WARNED "mod_auth_edxsso: warned"

/* Beneath these anybody gets a name. */
static const char *const shared_suffixes[] = {
    "amazonaws.com", "appspot.com", "azureedge.net", "azurestaticapps.net", "azurewebsites.net",
    "blob.core.windows.net", "cloudapp.azure.com", "cloudfront.net", "firebaseapp.com", "fly.dev",
    "github.io", "gitlab.io", "herokuapp.com", "netlify.app", "ngrok-free.app", "ngrok.io",
    "onrender.com", "pages.dev", "run.app", "trycloudflare.com", "vercel.app", "web.app",
    "workers.dev"
};

/* Once: virtual hosts that share a setting share the warning. */
static void warn(apr_pool_t *pool, server_rec *s, const char *text)
{
    void *found = NULL;
    apr_hash_t *warned;

    apr_pool_userdata_get(&found, WARNED, pool);
    if (!found) {
        found = apr_hash_make(pool);
        apr_pool_userdata_setn(found, WARNED, NULL, pool);
    }
    warned = found;
    if (apr_hash_get(warned, text, APR_HASH_KEY_STRING))
        return;
    apr_hash_set(warned, text, APR_HASH_KEY_STRING, text);
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, s, "%s", text);
}

/* ---- files */

static gid_t httpd_group(void)
{
    return geteuid() == 0 ? ap_unixd_config.group_id : getegid();
}

/* @a everybody: whether nobody else has looked for that. */
static void look_at_file(apr_pool_t *pool, server_rec *s, const char *directive, const char *path,
                         int everybody)
{
    struct stat info;

    if (!path || stat(path, &info) != 0)
        return; /* whoever reads it will say so */
    if (everybody && (info.st_mode & 0004))
        warn(pool, s, apr_psprintf(pool, "SSO1300: %s: every user of this machine can read %s; "
                                   "chmod 0600 it", directive, path));
    else if ((info.st_mode & 0040) && info.st_gid == httpd_group() && !(info.st_mode & 0004))
        warn(pool, s, apr_psprintf(pool, "SSO1301: %s: the group that httpd runs as can read %s, "
                                   "and so can every script that it runs; chmod 0600 it", directive,
                                   path));
}

static void look_at_secrets(apr_pool_t *pool, server_rec *s, const char *directive,
                            const apr_array_header_t *secrets)
{
    int i;

    for (i = 0; secrets && i < secrets->nelts; i++) {
        const char *spec = APR_ARRAY_IDX(secrets, i, sso_secret_t).spec;

        if (spec && !strncmp(spec, "file:", 5))
            look_at_file(pool, s, directive, spec + 5, 0);
    }
}

/* ---- places on the network */

static int is_plain(apr_pool_t *pool, const char *text, sso_url_t *url)
{
    return text && sso_url_parse(pool, text, url) == SSO_OK && !strcmp(url->scheme, "http")
           && !url->loopback;
}

/* A host without its port, in a pool. */
static const char *bare(apr_pool_t *pool, const char *host)
{
    return apr_pstrmemdup(pool, host, *host == '[' ? strlen(host) : strcspn(host, ":"));
}

static int ends_in(const char *host, const char *suffix)
{
    apr_size_t length = strlen(host), tail = strlen(suffix);

    return length >= tail && !strcasecmp(host + length - tail, suffix)
           && (length == tail || host[length - tail - 1] == '.');
}

static int is_shared(const char *name)
{
    unsigned k;

    for (k = 0; k < SSO_COUNT(shared_suffixes); k++)
        if (ends_in(name, shared_suffixes[k]))
            return 1;
    return 0;
}

static void look_at_return_hosts(apr_pool_t *pool, server_rec *s, const apr_array_header_t *hosts)
{
    int i;

    for (i = 0; hosts && i < hosts->nelts; i++) {
        const char *host = APR_ARRAY_IDX(hosts, i, const char *), *name = bare(pool, host);

        if (is_shared(name))
            warn(pool, s, apr_psprintf(pool, "SSO1302: EdxSSOReturnHosts: '%s' is where anybody "
                                       "can have a site: is that one yours, and will it stay so? "
                                       "Whoever has it is trusted with people who come from here",
                                       host));
        if (*name != '[' && !strchr(name, '.') && strcasecmp(name, "localhost"))
            warn(pool, s, apr_psprintf(pool, "SSO1303: EdxSSOReturnHosts: '%s' has no domain: what "
                                       "it is depends on the network that the browser is in",
                                       host));
    }
    if (hosts && hosts->nelts > RETURN_HOSTS_MANY)
        warn(pool, s, apr_psprintf(pool, "SSO1304: EdxSSOReturnHosts has %d hosts: a hole in any "
                                   "of them makes a link to this site lead there", hosts->nelts));
}

/* A browser drops a cookie for a domain that the host is not in, and signing in goes in circles. */
static void look_at_cookie_domain(apr_pool_t *pool, server_rec *s, const char *domain)
{
    if (domain && *domain == '.')
        domain++;
    if (domain && s->server_hostname && !ends_in(s->server_hostname, domain))
        warn(pool, s, apr_psprintf(pool, "SSO1305: EdxSSOCookieDomain '%s' is not a domain that %s "
                                   "is in: browsers drop the cookie", domain, s->server_hostname));
    else if (domain && !strchr(domain, '.'))
        warn(pool, s, apr_psprintf(pool, "SSO1306: EdxSSOCookieDomain '%s' is no domain of one "
                                   "owner: browsers drop the cookie, or send it to everybody in it",
                                   domain));
}

/* ---- times */

/* A bare number is seconds: 12 is not 12h. */
static void look_at_times(apr_pool_t *pool, server_rec *s, const sso_config_t *config)
{
    const struct {
        const char *directive;
        apr_interval_time_t time;
    } times[] = {
        { "EdxSSOSessionIdle", config->session_idle },
        { "EdxSSOSessionMax", config->session_max },
        { "EdxSSOLoginTimeout", config->login_timeout },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(times); i++)
        if (times[i].time < apr_time_from_sec(60))
            warn(pool, s, apr_psprintf(pool, "SSO1413: %s: %d seconds are not long enough for "
                                       "people; are m or h missing?", times[i].directive,
                                       (int)apr_time_sec(times[i].time)));
}

/* ---- all of it */

static void look_at_provider(apr_pool_t *pool, server_rec *s, const sso_provider_t *provider)
{
    const sso_config_t *config = provider->config;
    const char *assertion = config->client_assertion;
    const struct {
        const char *directive, *path;
        int everybody;
    } files[] = {
        { "EdxSSOClientCertificate", config->client_certificate
              ? APR_ARRAY_IDX(config->client_certificate, 1, const char *) : NULL, 0 },
        { "EdxSSODecryptionKey", config->decryption_key, 0 },
        { "EdxSSOClientAssertion",
          assertion && !strncmp(assertion, "file:", 5) ? assertion + 5 : NULL, 1 },
    };
    const char *urls[] = { provider->metadata_url, provider->graph ? config->graph_root : NULL };
    sso_url_t url;
    unsigned i;

    if (sso_list_has(config->tenant_allow, "any"))
        warn(pool, s, apr_psprintf(pool, "SSO1307: <EdxSSOProvider %s>: EdxSSOTenantAllow any: "
                                   "everybody with an account at Microsoft can sign in; Require "
                                   "lines alone decide what they see", provider->name));
    for (i = 0; i < SSO_COUNT(files); i++)
        look_at_file(pool, s, files[i].directive, files[i].path, files[i].everybody);
    look_at_secrets(pool, s, "EdxSSOClientSecret", config->client_secret);
    look_at_secrets(pool, s, "EdxSSOJWSHMACKey", config->jws_hmac_key);
    for (i = 0; i < SSO_COUNT(urls); i++)
        if (is_plain(pool, urls[i], &url))
            warn(pool, s, apr_psprintf(pool, "SSO1308: <EdxSSOProvider %s>: %s is http: whoever is "
                                       "on the way can read and change what comes from there",
                                       provider->name, url.origin));
}

void mod_risks_warn(apr_pool_t *pool, server_rec *s, const sso_site_t *site)
{
    const apr_array_header_t *all = apr_array_append(pool, site->providers, site->clients);
    int i;

    if (!all->nelts)
        return;
    look_at_secrets(pool, s, "EdxSSOSecret", site->config->secret);
    look_at_return_hosts(pool, s, site->config->return_hosts);
    look_at_cookie_domain(pool, s, site->config->cookie_domain);
    look_at_times(pool, s, site->config);
    if (!s->is_virtual && !strncmp(site->config->store, "redis://", 8)) {
        const char *at = strrchr(site->config->store, '@');
        sso_url_t url;

        if (at && is_plain(pool, apr_pstrcat(pool, "http://", at + 1, NULL), &url))
            warn(pool, s, apr_psprintf(pool, "SSO1309: EdxSSOStore: the password goes to %s:%d "
                                       "without TLS; rediss:// encrypts it", url.host, url.port));
    }
    for (i = 0; i < all->nelts; i++)
        look_at_provider(pool, s, APR_ARRAY_IDX(all, i, const sso_provider_t *));
}
