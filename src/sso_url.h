/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_URL_H
#define SSO_URL_H

/*
 * URLs, parsed before they are followed (RFC 3986; what browsers make of the rest: WHATWG URL).
 */

#include "sso_base.h"

/** An absolute http or https URL that is exactly what it seems. */
typedef struct sso_url_t {
    const char *scheme; /* "http" or "https" */
    const char *host;   /* lower case; IPv6 in brackets, in its shortest form (RFC 5952) */
    int port;           /* always set: 80 or 443 by default */
    const char *path;   /* from '/', "" if there is none; without query */
    const char *query;  /* without '?', or NULL */
    const char *origin; /* scheme://host[:port], port only where it is not the default */
    int loopback;       /* localhost, *.localhost, 127.0.0.0/8 or [::1] */
} sso_url_t;

/**
 * Parse an absolute URL. Refused: other schemes, user info, fragments, empty hosts, backslashes,
 * spaces, control and non-ASCII characters, broken percent escapes, characters that no host may
 * have, ports outside 1..65535 or with leading zeros, names with empty labels (so: with a dot at
 * the end), IPv4 addresses in any form but four decimal octets, IPv4 in IPv6, IPv6 zones, more
 * than 8 KiB.
 * @return SSO_BAD_INPUT (no sso_fail(): callers know what it was for), or SSO_OK
 */
sso_rc_e sso_url_parse(apr_pool_t *pool, const char *text, sso_url_t *url);

/** Same scheme, host and port. */
int sso_url_same_origin(const sso_url_t *a, const sso_url_t *b);

/** Where a browser may be sent back to. */
typedef struct sso_return_rule_t {
    const char *origin; /* our own: scheme://host[:port] */
    /* Of const char *: EdxSSOReturnHosts, host[:port] (IPv6 in brackets), or NULL. Without a port:
     * 443 for https, 80 for http. http at all only if our own origin is http. */
    const apr_array_header_t *hosts;
    const char *own_path; /* EdxSSOPath: never returned to, however it is spelled, on any host */
    const apr_array_header_t *own_paths; /* of const char *: callback paths outside it, or NULL */
} sso_return_rule_t;

/**
 * Judge a return address (`next`, target_link_uri): an absolute path on our origin, or an absolute
 * URL on our origin or an allowed host. Whatever a browser could read in another way than we do is
 * refused. A path of two slashes at the beginning is fine in a URL, and never without its host.
 *
 * @param text      NULL is no address; spaces and bytes over 0x7f in it get encoded
 * @param absolute  out: an absolute URL in ASCII, safe in a Location header; fragment kept
 * @return SSO_BAD_INPUT  not such an address, or over 4 KiB
 *         SSO_DENIED     elsewhere
 *         SSO_ABSENT     one of the module's own URLs (after decoding and dot segments): the
 *                        caller goes to "/"; nothing is noted
 */
sso_rc_e sso_return_check(sso_ctx_t *ctx, const sso_return_rule_t *rule, const char *text,
                          const char **absolute);

#endif
