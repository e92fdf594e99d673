/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_CONFIG_H
#define SSO_CONFIG_H

/*
 * The configuration record: one struct for a server, a provider section and a place. Which of its
 * fields may be set where is their scope; what they are is in sso_options.def.
 */

#include "sso_shape.h"

enum { SSO_SCOPE_MAIN, SSO_SCOPE_SERVER, SSO_SCOPE_PROVIDER, SSO_SCOPE_PLACE };

typedef struct sso_config_t {
    sso_record_t head;
#define OPTION(directive, scope, kind, member, preset, limits, help) SSO_TYPE_##kind member;
#include "sso_options.def"
#undef OPTION
} sso_config_t;

enum {
#define OPTION(directive, scope, kind, member, preset, limits, help) SSO_OPTION_##member,
#include "sso_options.def"
#undef OPTION
    SSO_OPTION_COUNT
};

extern const sso_field_t sso_options[];
extern const sso_shape_t sso_config_shape;

/* The choices of sso_options.def, in the order of their limits. */
enum { SSO_AUTH_POST, SSO_AUTH_BASIC, SSO_AUTH_SECRET_JWT, SSO_AUTH_KEY_JWT, SSO_AUTH_TLS,
       SSO_AUTH_NONE };
enum { SSO_SAME_SITE_LAX, SSO_SAME_SITE_STRICT, SSO_SAME_SITE_NONE };
enum { SSO_UNAUTH_AUTO, SSO_UNAUTH_LOGIN, SSO_UNAUTH_401, SSO_UNAUTH_403, SSO_UNAUTH_PASS };
enum { SSO_RESTRICTED_ALLOW, SSO_RESTRICTED_DENY };
enum { SSO_PREFLIGHT_REFUSE, SSO_PREFLIGHT_PASS };
enum { SSO_GUESTS_ALLOW, SSO_GUESTS_BLOCK };
enum { SSO_GROUPS_IDS, SSO_GROUPS_NAMES };
enum { SSO_SESSIONS_STORE, SSO_SESSIONS_COOKIE };
enum { SSO_REFUSED_KEEP, SSO_REFUSED_LOGOUT };
enum { SSO_AUTHORIZATION_OFF, SSO_AUTHORIZATION_BEARER, SSO_AUTHORIZATION_JWT };
enum { SSO_PAR_OFF, SSO_PAR_ON, SSO_PAR_AUTO };
enum { SSO_RESPONSE_QUERY, SSO_RESPONSE_FORM_POST };
enum { SSO_MISSING_ALLOW, SSO_MISSING_DENY, SSO_MISSING_INCOMPLETE };
enum { SSO_EXPORT_BOTH, SSO_EXPORT_ENV, SSO_EXPORT_HEADERS, SSO_EXPORT_NONE };

/** The names of all directives, NULL-terminated, for sso_nearest(); in @a pool. */
const char *const *sso_option_names(apr_pool_t *pool);

/** The field of a directive (case does not count, as in httpd), or NULL. */
const sso_field_t *sso_option_find(const char *directive);

/** The first secret of a list, or NULL. */
static inline const sso_secret_t *sso_secret_first(const apr_array_header_t *list)
{
    return list && list->nelts ? &APR_ARRAY_IDX(list, 0, sso_secret_t) : NULL;
}

#endif
