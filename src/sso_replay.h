/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_REPLAY_H
#define SSO_REPLAY_H

/*
 * EdxSSOPreservePOST: a form that is posted by somebody who has to sign in first waits in the
 * store until they have, and then goes on, once, if they press a button.
 *
 * What was posted is kept as the bytes it was, sealed, and never shown: the button posts an empty
 * form to where the first one went, with the id of what is kept in the query, and there the
 * bytes take the place of the body. So files, character set, repeated names and order are what
 * they were. The id is in nobody's hands but the browser's, is good for the browser that
 * posted (by the cookie that binds its sign-ins), for that address, and once.
 *
 * Only a form of this site's own pages is kept: what another site makes a browser post must not
 * come back as the user's wish. There is room for so many at a time: who fills it loses forms, and
 * nobody's session.
 */

#include "sso_flow.h"

#define SSO_REPLAY_PARAMETER "edxsso_replay" /* of the query */
#define SSO_REPLAY_MAX       (64 * 1024)

/** What is kept of a request. */
typedef struct sso_replay_t {
    const char *target;       /* path and query, as the browser sent them */
    const char *content_type; /* whole header */
    sso_bytes_t body;
} sso_replay_t;

/** Whether a text may be an id. */
int sso_replay_is_id(const char *text);

/**
 * Keep the form that a request posts.
 *
 * @param id  out: NULL: there is nothing to keep, or not from this site
 * @return SSO_BAD_INPUT  too large
 *         SSO_UPSTREAM   the store does not take it
 */
sso_rc_e sso_replay_keep(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer,
                         const char **id);

/** Where the browser goes after the sign-in: the page with the button. */
const char *sso_replay_link(sso_ctx_t *ctx, const sso_request_t *request, const char *id);

/** replay?id=: the page with the button. */
sso_rc_e sso_replay_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                          sso_answer_t *answer);

/**
 * Take what the button's request (request->replay) stands for; it is not there afterwards.
 * @return SSO_DENIED  it is not there (any more), another browser's, or of another address
 */
sso_rc_e sso_replay_take(sso_ctx_t *ctx, const sso_request_t *request,
                         const sso_replay_t **replay);

#endif
