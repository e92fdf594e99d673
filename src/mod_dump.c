/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd -t -D DUMP_EDXSSO: every server and provider as resolved.
 */
#include "mod_glue.h"

#include <apr_strings.h>
#include <string.h>

/* What a provider is given that may be a secret though its kind of directive does not say so. */
static int is_secret(const sso_field_t *field, const char *text)
{
    return field == &sso_options[SSO_OPTION_token_param]
           || (field == &sso_options[SSO_OPTION_jwks] && strstr(text, "\"d\"")); /* RFC 7517 */
}

static void dump_provider(apr_pool_t *pool, const sso_provider_t *provider)
{
    int i;

    printf("  <EdxSSOProvider %s %s>\n", provider->name, provider->kind->name);
    for (i = 0; i < SSO_OPTION_COUNT; i++) {
        const sso_field_t *field = &sso_options[i];
        const char *text = field->scope == SSO_SCOPE_PROVIDER
                               ? sso_field_print(pool, provider->config, field) : NULL;

        if (text)
            printf("    %s %s\n", field->name, is_secret(field, text) ? "***" : text);
    }
    if (provider->config->sign_in)
        printf("    # redirect URI: <origin>%s\n", provider->callback_path);
    for (i = 0; i < SSO_ENDPOINT_COUNT; i++)
        if (provider->endpoint[i])
            printf("    # %s endpoint: %s\n", sso_endpoint_name((sso_endpoint_e)i),
                   provider->endpoint[i]);
    if (provider->issuers)
        printf("    # issuers: %s\n", apr_array_pstrcat(pool, provider->issuers, ' '));
    printf("    # keys from the configuration: %d\n", sso_keys_count(provider->keys));
    printf("  </EdxSSOProvider>\n");
}

void mod_dump(apr_pool_t *pool, server_rec *main_server)
{
    server_rec *s;
    int i;

    for (s = main_server; s; s = s->next) {
        const sso_site_t *site = mod_server(s)->site;

        printf("%s %s:%d\n", s->is_virtual ? "virtual host" : "main server",
               s->server_hostname ? s->server_hostname : "(no ServerName)", s->port);
        for (i = 0; i < SSO_OPTION_COUNT; i++) {
            const sso_field_t *field = &sso_options[i];
            const char *text = field->scope != SSO_SCOPE_PROVIDER
                                   ? sso_field_print(pool, site->config, field) : NULL;

            if (text)
                printf("  %s %s\n", field->name, text);
        }
        for (i = 0; i < site->providers->nelts; i++)
            dump_provider(pool, APR_ARRAY_IDX(site->providers, i, sso_provider_t *));
        for (i = 0; i < site->clients->nelts; i++)
            dump_provider(pool, APR_ARRAY_IDX(site->clients, i, sso_provider_t *));
    }
}
