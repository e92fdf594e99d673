/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_auth_edxsso: signs people in to what is behind httpd. This file is the module's place in
 * httpd: its hooks and nothing else.
 */
#include "mod_glue.h"

static void register_hooks(apr_pool_t *pool)
{
    static const char *const after_authz[] = { "mod_authz_core.c", NULL };

    mod_status_hooks(pool);
    mod_authz_register(pool);
    mod_body_hooks(pool);
    ap_hook_pre_config(mod_config_begin, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(mod_site_check, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_test_config(mod_site_test, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(mod_site_start, NULL, NULL, APR_HOOK_MIDDLE);
    /* before mod_watchdog starts its thread */
    ap_hook_child_init(mod_site_child, NULL, NULL, APR_HOOK_FIRST);
    /* before SetEnvIf and everybody else who reads headers */
    ap_hook_post_read_request(mod_scrub, NULL, NULL, APR_HOOK_REALLY_FIRST - 10);
    /* before mod_proxy and mod_rewrite: the module's own URLs are nobody else's */
    ap_hook_translate_name(mod_resource_translate, NULL, NULL, APR_HOOK_REALLY_FIRST - 10);
    ap_hook_translate_name(mod_request_translate, NULL, NULL, APR_HOOK_REALLY_FIRST - 10);
    ap_hook_map_to_storage(mod_request_map, NULL, NULL, APR_HOOK_REALLY_FIRST - 10);
    ap_hook_check_access_ex(mod_request_access, NULL, NULL, APR_HOOK_FIRST,
                            AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_access_ex(mod_request_access_own, after_authz, NULL, APR_HOOK_LAST,
                            AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authn(mod_request_authenticate, NULL, NULL, APR_HOOK_MIDDLE,
                        AP_AUTH_INTERNAL_PER_CONF);
    /* before mod_authz_core, which it asks */
    ap_hook_check_authz(mod_authz_check, NULL, NULL, APR_HOOK_REALLY_FIRST,
                        AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_fixups(mod_request_fixup, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(mod_status_handle, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(mod_request_handle, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

module AP_MODULE_DECLARE_DATA auth_edxsso_module = {
    STANDARD20_MODULE_STUFF,
    mod_config_make,
    mod_config_merge,
    mod_server_make,
    mod_server_merge,
    mod_commands,
    register_hooks,
#ifdef AP_MODULE_FLAG_NONE
    AP_MODULE_FLAG_NONE
#endif
};
