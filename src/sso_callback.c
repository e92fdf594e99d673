/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finishing a sign-in: the authorization response (RFC 6749 4.1.2) is checked before anything is
 * asked of the provider, the code redeemed once, the user identified, the session made.
 */
#include "sso_flow.h"

#include "sso_token.h"

#include <apr_strings.h>
#include <string.h>

/*
 * Errors by which the provider says that it is the user's turn (RFC 6749 4.1.2.1, OIDC Core
 * 3.1.2.6)
 */
static const char *const users_turn[] = {
    "access_denied", "login_required", "interaction_required", "consent_required",
    "account_selection_required"
};

typedef struct response_t {
    const char *code, *state, *error, *description, *issuer;
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

static sso_rc_e read_response(sso_ctx_t *ctx, const sso_request_t *request, response_t *response)
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
    };
    apr_table_t *fields;
    unsigned i;

    if (strcmp(request->method, "GET"))
        return sso_fail(ctx, SSO_BAD_INPUT, 556, "a %s although the answer was asked for in the "
                        "query", request->method);
    if (!sso_form_parse(ctx->pool, request->query, &fields))
        return sso_fail(ctx, SSO_BAD_INPUT, 557, "the query cannot be read");
    for (i = 0; i < SSO_COUNT(parameters); i++) {
        int repeated = 0;
        const char *value = sso_form_one(fields, parameters[i].name, &repeated);

        if (repeated)
            return sso_fail(ctx, SSO_BAD_INPUT, 558, "parameter '%s' came more than once",
                            parameters[i].name);
        if (value && *value) /* RFC 6749 3.1: without a value it is as good as left out */
            *(const char **)((char *)response + parameters[i].offset) = value;
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
    unsigned i;

    for (i = 0; i < SSO_COUNT(users_turn); i++)
        if (!strcmp(response->error, users_turn[i]))
            return sso_fail(ctx, SSO_DENIED, 560, "it says error=%s%s%.200s", response->error,
                            response->description ? ": " : "",
                            response->description ? response->description : "");
    return sso_fail(ctx, SSO_UPSTREAM, 561, "it says error=%.64s%s%.200s", response->error,
                    response->description ? ": " : "",
                    response->description ? response->description : "");
}

/* Judge the response itself: nothing has been asked of the provider yet. */
static sso_rc_e check_response(sso_ctx_t *ctx, const sso_request_t *request,
                               const sso_provider_t *provider, response_t *response,
                               sso_login_t **login)
{
    SSO_TRY(read_response(ctx, request, response));
    SSO_TRY(sso_login_open(ctx, request, provider, response->state, login));
    /* RFC 9207 2.4: an answer that names another issuer is another server's */
    if (response->issuer && !sso_list_has(provider->issuers, response->issuer))
        return sso_fail(ctx, SSO_DENIED, 562, "iss is '%.200s', which is not this provider",
                        response->issuer);
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
    sso_exchange_t exchange = { response->code,
                                sso_own_url(ctx, request, provider->callback_path, NULL),
                                login->verifier };
    sso_wanted_t wanted = { .nonce = login->nonce };
    sso_tokens_t tokens;
    json_t *claims;

    SSO_TRY(sso_token_redeem(ctx, provider, &exchange, &tokens));
    SSO_TRY(provider->kind->identify(ctx, provider, &wanted, &tokens, &claims));
    return sso_session_build(ctx, request->site, provider, claims, session);
}

/* The session that was there ends; a new one, with a new id, begins. */
static sso_rc_e finish(sso_ctx_t *ctx, const sso_request_t *request, const sso_session_t *session,
                       const sso_login_t *login, sso_answer_t *answer)
{
    const char *old, *id;

    if (sso_request_cookie(ctx, request, SSO_COOKIE_SESSION, &old) == SSO_OK
        && sso_session_end(ctx, request->site, old) != SSO_OK)
        sso_forgive(ctx); /* it is gone, or the store will say so again below */
    SSO_TRY(sso_session_begin(ctx, request->site, session, &id));
    sso_answer_redirect(ctx, request, login->next, answer);
    sso_answer_cookie(ctx, request, SSO_COOKIE_SESSION, id, answer);
    sso_login_count(ctx, request, answer);
    sso_log(ctx, SSO_LOG_INFO, 564, "callback: %s: '%.128s' is signed in", session->provider,
            session->remote_user);
    return SSO_OK;
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
    if (rc == SSO_OK)
        rc = finish(ctx, request, session, login, answer);
    if (rc != SSO_OK) /* where the page's link leads: to the start of this very sign-in */
        answer->retry = sso_login_link(ctx, request, provider->name, login ? login->next : NULL);
    return sso_within(ctx, rc, provider->name);
}
