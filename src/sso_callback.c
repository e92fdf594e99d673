/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finishing a sign-in: the authorization response (RFC 6749 4.1.2) is checked before anything is
 * asked of the provider, the code redeemed once, the user identified, the session made.
 */
#include "sso_flow.h"

#include "sso_identity.h"
#include "sso_jar.h"
#include "sso_metadata.h"
#include "sso_metrics.h"
#include "sso_replay.h"
#include "sso_step_up.h"
#include "sso_token.h"

#include <apr_strings.h>
#include <string.h>

#define CLAIMS_MAX 4096 /* of a challenge: it goes into a URL */

typedef struct response_t {
    const char *code, *state, *error, *description, *issuer;
    const char *own_error, *own_description; /* Facebook's, where it does not say `error` */
    const char *profile; /* Apple's */
    const char *session_state; /* OpenID Connect Session Management 2; Entra's sid */
    const char *claims; /* of an error: what it wants of the user (Entra) */
    const char *unused;
} response_t;

static sso_rc_e find_provider(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                              const sso_provider_t **provider)
{
    const apr_array_header_t *all = request->site->providers;
    int i;

    for (i = 0; i < all->nelts; i++) {
        const sso_provider_t *candidate = APR_ARRAY_IDX(all, i, sso_provider_t *);

        if (!strcmp(candidate->callback_path, request->path)) {
            *provider = candidate;
            return SSO_OK;
        }
    }
    return sso_fail(ctx, SSO_ABSENT, 688, "no provider has its callback at '%.200s'", rest);
}

/* The query, or the posted form where that was asked for (OAuth 2.0 Form Post Response Mode). */
static sso_rc_e response_text(sso_ctx_t *ctx, const sso_request_t *request,
                              const sso_provider_t *provider, const char **text)
{
    sso_bytes_t body;

    if (!strcmp(request->method, "GET")) {
        *text = request->query;
        return SSO_OK;
    }
    if (provider->config->response_mode != SSO_RESPONSE_FORM_POST)
        return sso_fail(ctx, SSO_BAD_INPUT, 556, "a %s although the answer was asked for in the "
                        "query", request->method);
    if (!sso_request_is_form(request))
        return sso_fail(ctx, SSO_BAD_INPUT, 565, "a POST that is no form");
    SSO_TRY(request->read_body(ctx, request->baton, SSO_BODY_MAX, &body));
    *text = body.data;
    return SSO_OK;
}

static sso_rc_e read_response(sso_ctx_t *ctx, const sso_request_t *request,
                              const sso_provider_t *provider, response_t *response)
{
    static const struct {
        const char *name;
        apr_size_t offset;
    } parameters[] = {
        { "code", offsetof(response_t, code) },
        { "state", offsetof(response_t, state) },
        { "error", offsetof(response_t, error) },
        { "error_description", offsetof(response_t, description) },
        { "iss", offsetof(response_t, issuer) },
        { "error_code", offsetof(response_t, own_error) },
        { "error_message", offsetof(response_t, own_description) },
        { "user", offsetof(response_t, profile) },
        { "claims", offsetof(response_t, claims) },
        { "session_state", offsetof(response_t, session_state) },
        /* of other response types: not asked for and not read, but no more than once either */
        { "id_token", offsetof(response_t, unused) },
        { "access_token", offsetof(response_t, unused) },
        { "token_type", offsetof(response_t, unused) },
        { "expires_in", offsetof(response_t, unused) },
        { "scope", offsetof(response_t, unused) },
        { "error_uri", offsetof(response_t, unused) },
    };
    apr_table_t *fields;
    const char *text = NULL;
    unsigned i;

    SSO_TRY(response_text(ctx, request, provider, &text));
    if (!sso_form_parse(ctx->pool, text, &fields))
        return sso_fail(ctx, SSO_BAD_INPUT, 557, "what it sent cannot be read");
    for (i = 0; i < SSO_COUNT(parameters); i++) {
        int repeated = 0;
        const char *value = sso_form_one(fields, parameters[i].name, &repeated);

        if (repeated)
            return sso_fail(ctx, SSO_BAD_INPUT, 558, "parameter '%s' came more than once",
                            parameters[i].name);
        if (value && *value) /* RFC 6749 3.1: without a value it is as good as left out */
            *(const char **)((char *)response + parameters[i].offset) = value;
    }
    if (!response->error && !response->code && response->own_error) {
        response->error = response->own_error;
        response->description = response->own_description;
    }
    if (!response->state)
        return sso_fail(ctx, SSO_BAD_INPUT, 550, "it has no state");
    return SSO_OK;
}

/* A state works once. The record outlives the state, and is not evicted before that. */
static sso_rc_e use_state(sso_ctx_t *ctx, const sso_request_t *request, const char *state,
                          const sso_login_t *login)
{
    sso_bytes_t parts[] = { sso_bytes("state"), sso_bytes(request->site->realm), sso_bytes(state) };
    sso_store_item_t item = { .value = "", .length = 0, .class = SSO_STORE_PINNED,
                              .expires = apr_time_from_sec(login->issued + 1)
                                         + request->site->config->login_timeout };
    sso_store_key_t key;
    sso_rc_e rc;

    SSO_TRY(sso_digest(ctx, parts, SSO_COUNT(parts), key.bytes));
    rc = sso_store_add(ctx, ctx->ports->store, &key, &item);
    if (rc == SSO_DENIED) {
        sso_forgive(ctx);
        return sso_fail(ctx, SSO_DENIED, 559, "the state has been used already: the page was "
                        "loaded again, or somebody else has it");
    }
    return rc;
}

static sso_rc_e refuse_error(sso_ctx_t *ctx, const response_t *response)
{
    ctx->err.detail = response->claims;
    if (sso_token_users_turn(response->error))
        return sso_fail(ctx, SSO_DENIED, 560, "it says error=%s%s%.200s", response->error,
                        response->description ? ": " : "",
                        response->description ? response->description : "");
    return sso_fail(ctx, SSO_UPSTREAM, 561, "it says error=%.64s%s%.200s", response->error,
                    response->description ? ": " : "",
                    response->description ? response->description : "");
}

/*
 * RFC 9207 2.4: an answer that names another issuer is another server's, and so is one that names
 * none where the provider promised to. Whether it did is known if its metadata is: that it cannot
 * be had just now is not a reason to refuse what has been sealed and bound otherwise.
 */
static sso_rc_e check_issuer(sso_ctx_t *ctx, const sso_provider_t *provider, const char *issuer)
{
    const sso_metadata_t *metadata = NULL;

    if (provider->metadata_url && sso_documents_metadata(ctx, provider, &metadata) != SSO_OK)
        sso_forgive(ctx);
    if (issuer && (metadata ? strcmp(issuer, metadata->issuer)
                            : !sso_list_has(provider->issuers, issuer)))
        return sso_fail(ctx, SSO_DENIED, 562, "iss is '%.200s', which is not this provider",
                        issuer);
    if (!issuer && metadata && metadata->iss_in_response)
        return sso_fail(ctx, SSO_DENIED, 566, "it has no iss, although the provider promises one: "
                        "it may be another provider's");
    return SSO_OK;
}

/* Judge the response itself: nothing has been asked of the provider yet. */
static sso_rc_e check_response(sso_ctx_t *ctx, const sso_request_t *request,
                               const sso_provider_t *provider, response_t *response,
                               sso_login_t **login)
{
    SSO_TRY(read_response(ctx, request, provider, response));
    SSO_TRY(sso_login_open(ctx, request, provider, response->state, login));
    SSO_TRY(check_issuer(ctx, provider, response->issuer));
    SSO_TRY(use_state(ctx, request, response->state, *login));
    if (response->error)
        return refuse_error(ctx, response);
    if (!response->code)
        return sso_fail(ctx, SSO_BAD_INPUT, 563, "it has neither code nor error");
    return SSO_OK;
}

static sso_rc_e identify(sso_ctx_t *ctx, const sso_request_t *request,
                         const sso_provider_t *provider, const response_t *response,
                         const sso_login_t *login, sso_session_t **session)
{
    sso_form_t *extra = sso_form_make(ctx->pool);
    sso_exchange_t exchange = { response->code,
                                sso_own_url(ctx, request, provider->callback_path, NULL),
                                login->verifier, NULL };
    sso_wanted_t wanted = { .nonce = login->nonce, .code = response->code,
                            .profile = response->profile, .tries = login->tries };
    sso_tokens_t tokens;

    sso_request_params(ctx, request, provider->config->token_param, extra);
    exchange.extra = sso_form_text(extra);
    SSO_TRY(sso_token_redeem(ctx, provider, &exchange, &tokens));
    SSO_TRY(sso_identity_find(ctx, request->site, provider, &wanted, &tokens, session));
    if (!(*session)->sid)
        (*session)->sid = response->session_state;
    if (login->acr)
        SSO_TRY(sso_step_up_check(ctx, *session, login->acr));
    sso_identity_keep(ctx, request->site, provider, &tokens, *session);
    return SSO_OK;
}

/* The session that was there ends; a new one, with a new id, begins. */
static sso_rc_e finish(sso_ctx_t *ctx, const sso_request_t *request, sso_session_t *session,
                       const sso_login_t *login, sso_answer_t *answer)
{
    const char *id;

    if (sso_jar_end(ctx, request) != SSO_OK)
        sso_forgive(ctx); /* it is gone, or the store will say so again below */
    SSO_TRY(sso_session_begin(ctx, request->site, session, &id));
    sso_answer_redirect(ctx, request, login->replay ? sso_replay_link(ctx, request, login->replay)
                                                    : login->next, answer);
    sso_answer_cookie(ctx, request, SSO_COOKIE_SESSION, id, answer);
    sso_jar_write(ctx, request, session, answer);
    sso_login_count(ctx, request, answer);
    sso_choice_keep(ctx, request, session->provider, answer);
    sso_log(ctx, SSO_LOG_INFO, 564, "callback: %s: '%.128s' is signed in", session->provider,
            session->remote_user);
    return SSO_OK;
}

/* The provider, at either of its endpoints, says what it wants of the user, for the first time. */
static int is_challenge(const sso_ctx_t *ctx, const response_t *response, const sso_login_t *login)
{
    return login && !login->challenged && ctx->err.detail
           && strlen(ctx->err.detail) <= CLAIMS_MAX
           && (response->error || SSO_TOKEN_CHALLENGED(ctx->err.number));
}

sso_rc_e sso_callback_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                            sso_answer_t *answer)
{
    const sso_provider_t *provider = NULL;
    response_t response = { 0 };
    sso_login_t *login = NULL;
    sso_session_t *session;
    sso_rc_e rc;

    SSO_TRY(find_provider(ctx, request, rest, &provider));
    rc = check_response(ctx, request, provider, &response, &login);
    if (rc == SSO_OK)
        rc = identify(ctx, request, provider, &response, login, &session);
    if (rc != SSO_OK && is_challenge(ctx, &response, login)) {
        const char *claims = ctx->err.detail;

        sso_forgive(ctx);
        return sso_login_challenge(ctx, request, provider, login, claims, answer);
    }
    if (rc == SSO_OK)
        rc = finish(ctx, request, session, login, answer);
    sso_metrics_sign_in(ctx, provider->http.meter, rc);
    if (login && rc == SSO_DENIED) {
        sso_rc_e answered = sso_incomplete_answer(ctx, request, provider, login, answer);

        if (answered != SSO_ABSENT)
            return sso_within(ctx, answered, provider->name);
    }
    if (rc != SSO_OK) { /* where the page's link leads: to the start of this very sign-in */
        /* with the form that waits for it, unless the state may have been used: then it is sent */
        sso_wanted_t again = { .replay = login && rc != SSO_BAD_INPUT ? login->replay : NULL };

        answer->retry = sso_login_link_with(ctx, request, provider->name,
                                            login ? login->next : NULL, &again);
    }
    return sso_within(ctx, rc, provider->name);
}
