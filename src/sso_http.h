/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_HTTP_H
#define SSO_HTTP_H

/*
 * Calls to providers. The only user of libcurl.
 *
 * Nothing is followed, retried or taken from the environment: no redirects, no proxy, no netrc.
 * Limits hold in the callbacks, whatever the other side declares. Connections are kept per process
 * and reused; a call that must not be repeated (`once`) goes out on a new connection, or on a kept
 * one in such a way that libcurl never sends it a second time.
 */

#include "sso_base.h"

#define SSO_HTTP_BODY_MAX   (1024 * 1024)
#define SSO_HTTP_HEADER_MAX (32 * 1024)

/** How calls are made: one per virtual host, made at configuration time. */
typedef struct sso_http_policy_t {
    apr_interval_time_t connect, total;
    const char *proxy;   /* URL; NULL: none, whatever the environment says. Not for loopback */
    const char *ca_file; /* PEM, instead of the system's; or NULL: the system's */
    int meter;           /* sso_metrics_row() of the provider */
} sso_http_policy_t;

typedef struct sso_call_t {
    const char *what;          /* for messages: "lms: token endpoint" */
    const char *url;           /* absolute; https, or http where plain_ok or loopback */
    int plain_ok;              /* an administrator's own directive says http */
    const char *body;          /* NULL: GET; else POST */
    apr_size_t body_length;
    const char *content_type;  /* of body; NULL: application/x-www-form-urlencoded */
    const char *accept;        /* NULL: application/json */
    const char *authorization; /* whole header value, or NULL */
    const char *client_cert, *client_key; /* PEM files for mutual TLS, or NULL */
    int once;                  /* carries a code or refresh token: never sent twice */
    int inspect;               /* a new connection, whose certificate is looked at */
    const sso_http_policy_t *policy;
} sso_call_t;

typedef struct sso_reply_t {
    int status;
    const char *content_type;     /* lower-cased media type without parameters, "" if none */
    const char *body;             /* NUL-terminated, in ctx->pool */
    apr_size_t length;
    const char *retry_after;      /* raw Retry-After, or NULL */
    const char *www_authenticate; /* the first, or NULL */
    apr_interval_time_t max_age;  /* of Cache-Control, or -1 */
    apr_time_t date;              /* of the Date header, or 0 */
    apr_time_t certificate_end;   /* of a call with `inspect`; 0: not known */
} sso_reply_t;

/**
 * Make a call. Whatever status comes back is SSO_OK: what it means is the caller's to say.
 *
 * @param reply  out: untouched unless SSO_OK
 *
 * @return SSO_UPSTREAM   300, 305-329: cannot connect, resolve, or be answered in time; broken
 *                        connection or TLS (SSO_HTTP_UNREACHABLE)
 *                        301, 302, 330-339: answered more than the limits allow, or something that
 *                        is not HTTP, or was cut off
 *         SSO_MISCONFIG  303: the URL's scheme is not allowed here; 341: no such URL; 342, 343: a
 *                        file of certificates cannot be used
 *         SSO_BAD_INPUT  340: a header value with control characters
 *         SSO_BROKEN     304, 344-346: libcurl refused to work, or was not started
 */
sso_rc_e sso_http_call(sso_ctx_t *ctx, const sso_call_t *call, sso_reply_t *reply);

/** Of the number of a failure: the provider could not be reached, or else answered nonsense. */
#define SSO_HTTP_UNREACHABLE(number) ((number) == 300 || ((number) >= 305 && (number) < 330))

/**
 * Once per process, before it has threads and after any fork: a child starts anew (in child_init),
 * and a parent that made calls stops before it forks, so that no connection has two owners.
 * Starting twice in one process does nothing; stopping closes the kept connections.
 *
 * @return SSO_BROKEN  346: libcurl does not start
 */
sso_rc_e sso_http_start(sso_ctx_t *ctx);
void sso_http_stop(void);

#endif
