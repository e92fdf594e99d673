/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of the configuration: httpd's own (PCRE), compiled when they are read and
 * looked up by their text. `$` is the very end, and no line end before it; how long a search may
 * take is bounded by PCRE, and by how long a text the core lets be searched.
 */
#include "mod_glue.h"

#include <apr_hash.h>
#include <apr_strings.h>

/* Of the configuration being read or in use; made anew by each reading. */
static apr_hash_t *patterns; /* text -> ap_regex_t */

void mod_regex_begin(apr_pool_t *pconf)
{
    patterns = apr_hash_make(pconf);
}

const char *mod_regex_compile(apr_pool_t *pool, const char *pattern, int *groups)
{
    ap_regex_t *compiled = ap_pregcomp(pool, pattern, AP_REG_EXTENDED | AP_REG_DOLLAR_ENDONLY);

    if (!compiled)
        return apr_psprintf(pool, "'%s' is not a regular expression", pattern);
    apr_hash_set(patterns, apr_pstrdup(pool, pattern), APR_HASH_KEY_STRING, compiled);
    *groups = (int)compiled->re_nsub;
    return NULL;
}

int mod_regex_search(const char *pattern, const char *text, sso_match_t found[SSO_MATCHES])
{
    const ap_regex_t *compiled = patterns ? apr_hash_get(patterns, pattern, APR_HASH_KEY_STRING)
                                          : NULL;
    ap_regmatch_t matches[SSO_MATCHES];
    int i;

    if (!compiled || ap_regexec(compiled, text, SSO_MATCHES, matches, 0) != 0)
        return 0;
    for (i = 0; i < SSO_MATCHES; i++) {
        found[i].from = matches[i].rm_so < 0 ? 0 : (apr_size_t)matches[i].rm_so;
        found[i].to = matches[i].rm_so < 0 ? 0 : (apr_size_t)matches[i].rm_eo;
    }
    return 1;
}
