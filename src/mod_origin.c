/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which origin is ours: never what a client claims, unless it is one of the names of this virtual
 * host, or a reverse proxy that is trusted says so.
 */
#include "mod_glue.h"

#include <apr_lib.h>
#include <apr_strings.h>

typedef struct seen_t {
    const char *scheme, *host; /* host NULL: nothing usable came */
    int port;                  /* 0: none was named */
    int said;                  /* the port is one that the browser's Host named */
    int foreign;               /* a trusted header named a host that is not ours */
} seen_t;

/* ServerName, ServerAlias with and without wildcards */
static int is_ours(const server_rec *s, const char *host)
{
    const apr_array_header_t *lists[] = { s->names, s->wild_names };
    unsigned k;
    int i;

    if (s->server_hostname && !strcasecmp(host, s->server_hostname))
        return 1;
    for (k = 0; k < SSO_COUNT(lists); k++)
        for (i = 0; lists[k] && i < lists[k]->nelts; i++) {
            const char *name = APR_ARRAY_IDX(lists[k], i, const char *);

            if (name && !(k ? ap_strcasecmp_match(host, name) : strcasecmp(host, name)))
                return 1;
        }
    return 0;
}

/* HOST[:PORT], IPv6 in brackets. Returns 0 when it is not of that form. */
static int split_host(apr_pool_t *pool, const char *text, seen_t *seen)
{
    const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
    apr_size_t length = colon && colon > bracket ? (apr_size_t)(colon - text) : strlen(text);
    apr_int64_t port = 0;
    char *rest;

    if (length < strlen(text)) {
        port = apr_strtoi64(text + length + 1, &rest, 10);
        if (*rest || port < 1 || port > 65535)
            return 0;
    }
    if (!length || length > 255)
        return 0;
    rest = apr_pstrmemdup(pool, text, length);
    ap_str_tolower(rest);
    seen->host = rest;
    seen->port = (int)port;
    return 1;
}

/* The last element of a comma list: what the proxy next to us said itself. */
static const char *last_element(apr_pool_t *pool, const char *list)
{
    const char *comma = strrchr(list, ',');
    char *text = apr_pstrdup(pool, comma ? comma + 1 : list);

    apr_collapse_spaces(text, text);
    return text;
}

static void take_scheme(seen_t *seen, const char *scheme)
{
    if (!strcasecmp(scheme, "https") || !strcasecmp(scheme, "http"))
        seen->scheme = apr_tolower(scheme[4]) == 's' ? "https" : "http";
}

/* Of EdxSSOReturnHosts; the case of letters does not count. */
static int is_allowed(const apr_array_header_t *hosts, const char *host)
{
    int i;

    for (i = 0; hosts && i < hosts->nelts; i++)
        if (!strcasecmp(host, APR_ARRAY_IDX(hosts, i, const char *)))
            return 1;
    return 0;
}

static void take_host(request_rec *r, const sso_site_t *site, const char *text, seen_t *seen)
{
    const apr_array_header_t *allowed = site->config->return_hosts;
    seen_t named = *seen;

    if (split_host(r->pool, text, &named)
        && (is_ours(r->server, named.host) || is_allowed(allowed, text)
            || is_allowed(allowed, named.host)))
        *seen = named;
    else
        seen->foreign = 1;
}

/* RFC 7239: proto and host of the last element */
static void take_forwarded(request_rec *r, const sso_site_t *site, const char *value, seen_t *seen)
{
    char *element = apr_pstrdup(r->pool, last_element(r->pool, value)), *pair, *state;

    for (pair = apr_strtok(element, ";", &state); pair; pair = apr_strtok(NULL, ";", &state)) {
        char *text = strchr(pair, '=');
        apr_size_t length;

        if (!text)
            continue;
        *text++ = '\0';
        length = strlen(text);
        if (length > 1 && *text == '"' && text[length - 1] == '"') {
            text[length - 1] = '\0';
            text++;
        }
        if (!strcasecmp(pair, "proto"))
            take_scheme(seen, text);
        else if (!strcasecmp(pair, "host"))
            take_host(r, site, text, seen);
    }
}

static void take_forwarded_headers(request_rec *r, const sso_site_t *site, seen_t *seen)
{
    const apr_array_header_t *trusted = site->config->trust_forwarded;
    int i;

    for (i = 0; trusted && i < trusted->nelts; i++) {
        const char *name = APR_ARRAY_IDX(trusted, i, const char *);
        const char *value = apr_table_get(r->headers_in, name);

        if (!value || !strcmp(name, "off"))
            continue;
        if (!strcmp(name, "Forwarded"))
            take_forwarded(r, site, value, seen);
        else if (!strcmp(name, "X-Forwarded-Proto"))
            take_scheme(seen, last_element(r->pool, value));
        else if (!strcmp(name, "X-Forwarded-Host"))
            take_host(r, site, last_element(r->pool, value), seen);
        else {
            seen_t port = { 0 };

            if (split_host(r->pool, apr_pstrcat(r->pool, "p:", last_element(r->pool, value), NULL),
                           &port))
                seen->port = port.port;
        }
    }
}

/* The Host that the browser sent, if it is one of this virtual host's names; else ServerName. */
static void take_request(request_rec *r, seen_t *seen)
{
    const server_rec *s = r->server;
    const apr_uri_t *uri = &mod_request_original(r)->parsed_uri; /* a part's has no host */

    seen->scheme = ap_http_scheme(r);
    if (r->hostname && is_ours(s, r->hostname)) {
        seen->host = strchr(r->hostname, ':') && *r->hostname != '['
                         ? apr_pstrcat(r->pool, "[", r->hostname, "]", NULL) : r->hostname;
        seen->said = uri->port_str && *uri->port_str;
        seen->port = seen->said ? uri->port : 0;
    }
    else {
        seen->host = s->server_hostname;
        /* ServerName https://host, without a port, means that scheme's own */
        seen->port = s->port || s->server_scheme ? s->port : r->connection->local_addr->port;
    }
}

const char *mod_origin(request_rec *r, const sso_site_t *site)
{
    seen_t seen = { NULL, NULL, 0, 0, 0 };
    const char *scheme;

    take_request(r, &seen);
    scheme = seen.scheme;
    if (!sso_list_has(site->config->trust_forwarded, "off")) {
        int port = seen.port;

        take_forwarded_headers(r, site, &seen);
        if (strcmp(scheme, seen.scheme) && seen.port == port && !seen.said)
            /* another scheme in front of us: its own default port, unless one was named */
            seen.port = 0;
    }
    if (seen.foreign || !seen.host)
        return NULL;
    if (!seen.port || seen.port == (strcmp(seen.scheme, "https") ? 80 : 443))
        return mod_join(r->pool, seen.scheme, "://", seen.host);
    return mod_join(r->pool, mod_join(r->pool, seen.scheme, "://", seen.host), ":",
                    apr_itoa(r->pool, seen.port));
}
