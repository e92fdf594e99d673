/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_GRAPH_CALL_H
#define SSO_GRAPH_CALL_H

/*
 * For sso_graph*.c alone: one reading of Graph, and its calls.
 */

#include "sso_graph.h"
#include "sso_url.h"

/** One sign-in's reading. */
typedef struct sso_reading_t {
    sso_ctx_t *ctx;
    const sso_provider_t *provider;
    const char *root;          /* https://graph.microsoft.com */
    sso_url_t origin;          /* the same, parsed */
    const char *authorization;
    apr_time_t until;          /* by the clock: no call lasts longer */
} sso_reading_t;

/** What is to be read. */
typedef struct sso_graph_call_t {
    const char *url;
    const char *accept;     /* NULL: JSON */
    const char *permission; /* what a 403 says is missing */
} sso_graph_call_t;

/**
 * Read, again after Retry-After where there is time for it. SSO_OK: status 200. SSO_ABSENT: 404.
 */
sso_rc_e sso_graph_call(const sso_reading_t *reading, const sso_graph_call_t *call,
                        sso_reply_t *reply);

/** The same for JSON. */
sso_rc_e sso_graph_json(const sso_reading_t *reading, const sso_graph_call_t *call,
                        json_t **object);

/** All groups of the user, or nothing. @a groups: a new array, the caller's to free. */
sso_rc_e sso_graph_groups(const sso_reading_t *reading, json_t **groups);

#endif
