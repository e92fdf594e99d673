/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_PHOTO_H
#define SSO_PHOTO_H

/*
 * The picture of who is signed in: kept sealed in the store from the sign-in to the session's
 * absolute end, handed out to that user alone.
 */

#include "sso_answer.h"
#include "sso_graph.h"

/**
 * Keep the picture that was read, or forget the one before if the user has none any more. Never a
 * reason not to sign somebody in: a failure is logged.
 */
void sso_photo_keep(sso_ctx_t *ctx, const sso_site_t *site, const sso_session_t *session,
                    const sso_photo_t *photo);

/** photo: the picture. */
sso_rc_e sso_photo_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                         sso_answer_t *answer);

#endif
