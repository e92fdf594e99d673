/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_JAR_H
#define SSO_JAR_H

/*
 * The session as the browser has it: the cookie with its id, and, with EdxSSOSessions cookie, the
 * record itself in further cookies NAME_1, NAME_2. The first of these says how many there are.
 *
 * All of them together stay well under what httpd takes of a Cookie header (8190 bytes, the other
 * cookies of the site among them): SSO_SESSION_COPY_MAX. What is larger is kept in the store.
 */

#include "sso_answer.h"

/** What a request shows. Cookies that make no sense are none. */
void sso_jar_read(sso_ctx_t *ctx, const sso_request_t *request, sso_brought_t *brought);

/**
 * Write the record into the browser, or take away what is there of it, if the session says that
 * this is due (renew). A failure leaves what is there.
 */
void sso_jar_write(sso_ctx_t *ctx, const sso_request_t *request, const sso_session_t *session,
                   sso_answer_t *answer);

/**
 * End the session of a request, wherever it is kept. SSO_ABSENT: there was none. Its cookies stay;
 * see sso_jar_clear().
 */
sso_rc_e sso_jar_end(sso_ctx_t *ctx, const sso_request_t *request);

/** Take all cookies of a session away. */
void sso_jar_clear(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer);

#endif
