/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_LOGIN_BROWSER_H
#define SSO_LOGIN_BROWSER_H

/*
 * What is known of a browser without a session: one short-lived cookie, shared by all its tabs. Its
 * random text binds states (and forms that wait) to the browser; and it counts finished sign-ins,
 * so that a loop ends in a page. For the flows of signing in only; others see sso_flow.h.
 */

#include "sso_flow.h"

#define SSO_BINDING_BYTES 16
#define SSO_LOOP_COUNT    5
#define SSO_LOOP_SEC      60

/** What the cookie says: BINDING[.COUNT.SINCE] */
typedef struct sso_browser_t {
    const char *binding; /* NULL: no cookie yet */
    apr_int64_t count, since_sec;
} sso_browser_t;

void sso_browser_read(sso_ctx_t *ctx, const sso_request_t *request, sso_browser_t *browser);
void sso_browser_write(sso_ctx_t *ctx, const sso_request_t *request, const sso_browser_t *browser,
                       sso_answer_t *answer);

/** Whether what it counts is of the last minute. */
int sso_browser_loops(sso_ctx_t *ctx, const sso_browser_t *browser);

/** A digest of the binding: what the provider sees of it cannot be turned back into the cookie. */
sso_rc_e sso_browser_mark(sso_ctx_t *ctx, const sso_site_t *site, const char *binding,
                          const char **mark);

#endif
