/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protected resources (RFC 9728): which paths publish their metadata, and requests for them. What
 * is in the document is sso_resource.c's.
 */
#include "mod_glue.h"

#include "sso_resource.h"

#include <apr_strings.h>

/* A path with EdxSSOProtectedResource on */
typedef struct resource_t {
    const char *path;
    const server_rec *server;
} resource_t;

static apr_array_header_t *resources; /* of resource_t; of the configuration being read or in use */

void mod_resource_begin(apr_pool_t *pconf)
{
    resources = apr_array_make(pconf, 4, sizeof(resource_t));
}

/* The section that a directive stands in, <Limit> and its like aside; NULL: none. */
static const ap_directive_t *section_of(const cmd_parms *cmd)
{
    const ap_directive_t *section = cmd->directive->parent;

    while (section && (!strncasecmp(section->directive, "<Limit", 6)
                       || !strncasecmp(section->directive, "<VirtualHost", 12)))
        section = section->parent;
    return section;
}

const char *mod_resource_add(cmd_parms *cmd)
{
    const ap_directive_t *section = section_of(cmd);
    resource_t *resource;

    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS)
        || (section && (strcasecmp(section->directive, "<Location") || !cmd->path
                        || *cmd->path != '/' || ap_is_matchexp(cmd->path)
                        || strchr(section->args, '~'))))
        return apr_psprintf(cmd->pool, "%s on belongs into a <Location> with a path, or outside of "
                            "all sections: the metadata name the path", cmd->cmd->name);
    resource = &APR_ARRAY_PUSH(resources, resource_t);
    resource->path = section ? cmd->path : "/";
    resource->server = cmd->server;
    return NULL;
}

static int covers(const char *path, const char *asked)
{
    apr_size_t length = strlen(path);

    return !strncmp(path, asked, length)
           && (path[length - 1] == '/' || !asked[length] || asked[length] == '/');
}

/* The nearest one that a path belongs to. */
static const char *find_resource(const request_rec *r, const char *asked)
{
    const char *found = NULL;
    int i;

    for (i = 0; i < resources->nelts; i++) {
        const resource_t *resource = &APR_ARRAY_IDX(resources, i, resource_t);

        if ((resource->server == r->server || !resource->server->is_virtual)
            && covers(resource->path, asked)
            && (!found || strlen(resource->path) > strlen(found)))
            found = resource->path;
    }
    return found;
}

const char *mod_resource_of(const request_rec *r, const sso_config_t *place)
{
    return place->protected_resource ? find_resource(r, r->uri) : NULL;
}

/*
 * A request for the metadata of a path is made one for that path: so httpd finds what is in effect
 * there. Nothing of the path itself is run.
 */
int mod_resource_translate(request_rec *r)
{
    apr_size_t length = strlen(SSO_WELL_KNOWN);
    const char *path;
    mod_request_t *state;

    if (r->main || !resources->nelts || strncmp(r->uri, SSO_WELL_KNOWN, length))
        return DECLINED;
    path = r->uri + length;
    if (*path && *path != '/')
        return DECLINED;
    path = *path ? path : "/";
    if (!find_resource(r, path) || !(state = mod_request_claim(r)))
        return DECLINED;
    state->resource = 1;
    state->path = r->uri = apr_pstrdup(r->pool, path);
    return OK;
}
