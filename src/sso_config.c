/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration record's table. Reading httpd.conf is the glue's business (mod_config.c).
 */
#include "sso_config.h"

#include <string.h>
#include <strings.h>

const sso_field_t sso_options[] = {
#define OPTION(directive, scope, kind, member, preset, limits, help)                              \
    { #directive, &sso_kind_##kind, offsetof(sso_config_t, member), SSO_SCOPE_##scope, preset,    \
      limits, help },
#include "sso_options.def"
#undef OPTION
};

_Static_assert(SSO_OPTION_COUNT <= 64 * SSO_RECORD_WORDS, "SSO_RECORD_WORDS is too small");

const sso_shape_t sso_config_shape = {
    "configuration", sizeof(sso_config_t), sso_options, SSO_OPTION_COUNT
};

const char *const *sso_option_names(apr_pool_t *pool)
{
    const char **names = apr_pcalloc(pool, (SSO_OPTION_COUNT + 1) * sizeof(*names));
    int i;

    for (i = 0; i < SSO_OPTION_COUNT; i++)
        names[i] = sso_options[i].name;
    return names;
}

const sso_field_t *sso_option_find(const char *directive)
{
    int i;

    for (i = 0; i < SSO_OPTION_COUNT; i++)
        if (!strcasecmp(sso_options[i].name, directive))
            return &sso_options[i];
    return NULL;
}
