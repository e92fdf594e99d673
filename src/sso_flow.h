/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_FLOW_H
#define SSO_FLOW_H

/*
 * The flows behind the module's own URLs. Each fills an answer or fails; sso_answer.c turns a
 * failure into a page or JSON.
 */

#include "sso_answer.h"

/** A sign-in under way: sealed in the `state` parameter, bound to a browser by a cookie. */
typedef struct sso_login_t {
    /* verifier, nonce: NULL if not used */
    const char *provider, *binding, *verifier, *nonce, *next;
    const char *challenged; /* not NULL: asked with the claims of a challenge, which is done once */
    const char *acr, *replay; /* as in sso_wanted_t */
    apr_int64_t issued; /* seconds */
    int tries;          /* how often it was started again by a ticket of sso_incomplete.c */
} sso_login_t;

/** login: choose a provider, or start. */
sso_rc_e sso_login_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                         sso_answer_t *answer);

/** The sign-in page: a button for each of several providers (of const sso_provider_t *). */
sso_rc_e sso_choice_page(sso_ctx_t *ctx, const sso_request_t *request,
                         const apr_array_header_t *providers, const char *next,
                         const sso_wanted_t *wanted, sso_answer_t *answer);

/** Remember, where there is a choice, by which provider this browser signed in. */
void sso_choice_keep(sso_ctx_t *ctx, const sso_request_t *request, const char *provider,
                     sso_answer_t *answer);

/**
 * callback/NAME: finish a sign-in. @a rest is NAME, or the whole path where EdxSSOCallbackPath is
 * set.
 */
sso_rc_e sso_callback_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                            sso_answer_t *answer);

/** logout: end the session, here and at the provider. */
sso_rc_e sso_logout_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                          sso_answer_t *answer);

/** frontchannel-logout/NAME: end what the provider's frame names. */
sso_rc_e sso_frontchannel_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                                sso_answer_t *answer);

/** backchannel-logout/NAME: end what the provider's logout token names. */
sso_rc_e sso_backchannel_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                               sso_answer_t *answer);

/** session: who is signed in; refreshed first, where that is asked for. */
sso_rc_e sso_own_session_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                               sso_answer_t *answer);

/**
 * Answer a sign-in that failed because too little is known of the user: a redirect to
 * EdxSSOIncompleteURL (SSO_OK), or what the page says (SSO_DENIED, as noted). SSO_ABSENT: what was
 * noted is another failure.
 */
sso_rc_e sso_incomplete_answer(sso_ctx_t *ctx, const sso_request_t *request,
                               const sso_provider_t *provider, const sso_login_t *login,
                               sso_answer_t *answer);

/** complete: a ticket that such a redirect carried comes back. */
sso_rc_e sso_complete_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                            sso_answer_t *answer);

/** idmapping/NAME: the ID mapping, for middleware. */
sso_rc_e sso_mapping_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                           sso_answer_t *answer);

/** jwks.json: the public keys of this site's client assertions. */
sso_rc_e sso_own_keys_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                            sso_answer_t *answer);

/**
 * Send a browser to sign in so that it comes back to @a next, which has been judged. Goes straight
 * to the provider if
 * only one is accepted (@a use; NULL: all), else to the sign-in page.
 * @param replay  of a form that waits (sso_replay.h), or NULL
 * @param why  for the page, should the browser have come back signed in too often: why
 *             it was not accepted
 */
sso_rc_e sso_login_send(sso_ctx_t *ctx, const sso_request_t *request, const char *next,
                        const char *replay, const char *why, sso_answer_t *answer);

/**
 * What tells this browser from others, by the cookie that binds sign-ins.
 *
 * @param answer  gets a cookie where the browser has none yet; NULL: SSO_ABSENT then
 * @param mark    out: the cookie cannot be made from it
 */
sso_rc_e sso_login_bind(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer,
                        const char **mark);

/** Ask the provider once more, with the claims that its challenge named. */
sso_rc_e sso_login_challenge(sso_ctx_t *ctx, const sso_request_t *request,
                             const sso_provider_t *provider, const sso_login_t *login,
                             const char *claims, sso_answer_t *answer);

/** Start a sign-in again that a ticket tells of. */
sso_rc_e sso_login_resume(sso_ctx_t *ctx, const sso_request_t *request,
                          const sso_provider_t *provider, const char *next, int tries,
                          sso_answer_t *answer);

/** Whether this browser is the one of a binding (sso_login_t). SSO_DENIED: no cookie, another. */
sso_rc_e sso_login_bound(sso_ctx_t *ctx, const sso_request_t *request, const char *binding);

/** Let the browser keep its cookie for as long again. */
void sso_login_renew(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer);

/** Open a state and check it against browser, provider and clock. */
sso_rc_e sso_login_open(sso_ctx_t *ctx, const sso_request_t *request,
                        const sso_provider_t *provider, const char *state, sso_login_t **login);

/** Count a finished sign-in in the browser's cookie, so that a loop is noticed. */
void sso_login_count(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer);

/** Forget the count: whoever signed out on purpose may sign in as often as they like. */
void sso_login_uncount(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer);

/** A link that starts a sign-in again. */
const char *sso_login_link(sso_ctx_t *ctx, const sso_request_t *request, const char *provider,
                           const char *next);

/** The same, bringing along what was asked for. */
const char *sso_login_link_with(sso_ctx_t *ctx, const sso_request_t *request, const char *provider,
                                const char *next, const sso_wanted_t *wanted);

#endif
