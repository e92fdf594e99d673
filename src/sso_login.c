/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a sign-in: choosing a provider, sealing the state, building the authorization request
 * (RFC 6749 4.1.1). Finishing it is sso_callback.c.
 *
 * The state carries everything; one short-lived cookie binds it to the browser
 * (sso_login_browser.c).
 */
#include "sso_flow.h"
#include "sso_metrics.h"

#include "sso_login_browser.h"
#include "sso_par.h"
#include "sso_replay.h"
#include "sso_step_up.h"

#include <apr_strings.h>
#include <string.h>

#define NONCE_BYTES    16
#define VERIFIER_BYTES 32 /* 43 characters (RFC 7636 4.1) */
#define NEXT_MAX       4096
#define STATE_MAX      8192
#define CLOCK_SEC      60 /* that hosts of one site may differ by */

void sso_login_renew(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer)
{
    sso_browser_t browser;

    sso_browser_read(ctx, request, &browser);
    if (browser.binding)
        sso_browser_write(ctx, request, &browser, answer);
}

const char *sso_login_link(sso_ctx_t *ctx, const sso_request_t *request, const char *provider,
                           const char *next)
{
    sso_form_t *form = sso_form_make(ctx->pool);

    sso_form_add(form, "provider", provider);
    sso_form_add(form, "next", next);
    return sso_own_url(ctx, request, apr_pstrcat(ctx->pool, request->site->path, "/login", NULL),
                       sso_form_text(form));
}

/* One field a line: none of them has a line end in it, and `next` has been judged. */
static sso_rc_e seal_state(sso_ctx_t *ctx, const sso_request_t *request, const sso_login_t *login,
                           const char **state)
{
    const char *text = apr_pstrcat(ctx->pool, apr_off_t_toa(ctx->pool, login->issued), "\n",
                                   login->provider, "\n", login->binding, "\n",
                                   login->verifier ? login->verifier : "", "\n",
                                   login->nonce ? login->nonce : "", "\n",
                                   login->challenged ? "1" : "", "\n",
                                   apr_itoa(ctx->pool, login->tries), "\n",
                                   login->acr ? login->acr : "", "\n",
                                   login->replay ? login->replay : "", "\n", login->next, NULL);

    return sso_seal(ctx, request->site->ring, "state", text, state);
}

static sso_rc_e make_login(sso_ctx_t *ctx, const sso_request_t *request,
                           const sso_provider_t *provider, const char *next, sso_login_t **login,
                           sso_answer_t *answer)
{
    sso_login_t *made = apr_pcalloc(ctx->pool, sizeof(*made));
    struct {
        unsigned char binding[SSO_BINDING_BYTES], verifier[VERIFIER_BYTES], nonce[NONCE_BYTES];
    } random;
    sso_browser_t browser;

    SSO_TRY(sso_random_bytes(ctx, &random, sizeof(random)));
    sso_browser_read(ctx, request, &browser);
    if (!browser.binding)
        browser.binding = answer->binding ? answer->binding
                                          : sso_b64url_encode(ctx->pool, random.binding,
                                                              SSO_BINDING_BYTES);
    sso_browser_write(ctx, request, &browser, answer);
    made->provider = provider->tag;
    made->next = next;
    made->issued = apr_time_sec(ctx->now);
    SSO_TRY(sso_browser_mark(ctx, request->site, browser.binding, &made->binding));
    if (provider->config->pkce)
        made->verifier = sso_b64url_encode(ctx->pool, random.verifier, VERIFIER_BYTES);
    if (provider->config->nonce)
        made->nonce = sso_b64url_encode(ctx->pool, random.nonce, NONCE_BYTES);
    sso_cleanse(&random, sizeof(random));
    *login = made;
    return SSO_OK;
}

/* To the provider. `scope` comes last: an LMS drops a `next` that ends like a file name. */
static sso_rc_e send_there(sso_ctx_t *ctx, const sso_request_t *request,
                           const sso_provider_t *provider, const char *next,
                           const sso_wanted_t *wanted, sso_answer_t *answer)
{
    sso_form_t *form = sso_form_make(ctx->pool);
    sso_wanted_t wants = *wanted;
    const char *endpoint, *state, *query;
    sso_login_t *login;
    sso_rc_e rc;

    if (provider->config->response_mode == SSO_RESPONSE_FORM_POST && !sso_request_secure(request))
        return sso_fail(ctx, SSO_MISCONFIG, 511, "EdxSSOResponseMode form_post needs https: a "
                        "browser does not send our cookie with the posted answer otherwise");

    rc = sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_AUTHORIZATION, &endpoint);
    if (rc == SSO_ABSENT)
        return sso_fail(ctx, SSO_UPSTREAM, 512, "the metadata name no authorization endpoint");
    SSO_TRY(rc);
    SSO_TRY(make_login(ctx, request, provider, next, &login, answer));
    login->challenged = wants.claims;
    login->tries = wants.tries;
    login->acr = wants.acr;
    login->replay = wants.replay;
    SSO_TRY(seal_state(ctx, request, login, &state));
    sso_form_add(form, "client_id", provider->config->client_id);
    sso_form_add(form, "redirect_uri", sso_own_url(ctx, request, provider->callback_path, NULL));
    sso_form_add(form, "response_type", "code");
    sso_form_add(form, "state", state);
    if (login->verifier) {
        unsigned char digest[SSO_DIGEST_BYTES];

        SSO_TRY(sso_ring_digest(ctx, request->site->ring, sso_bytes(login->verifier), digest));
        sso_form_add(form, "code_challenge",
                     sso_b64url_encode(ctx->pool, digest, sizeof(digest)));
        sso_form_add(form, "code_challenge_method", "S256");
    }
    wants.nonce = login->nonce;
    provider->kind->authorize(provider, &wants, form);
    if (provider->config->response_mode == SSO_RESPONSE_FORM_POST)
        sso_form_add(form, "response_mode", "form_post");
    sso_request_params(ctx, request, provider->config->auth_param, form);
    if (provider->scope) /* an oauth2 section may ask for none */
        sso_form_add(form, "scope", apr_array_pstrcat(ctx->pool, provider->scope, ' '));
    rc = sso_par_push(ctx, provider, form, &query);
    if (rc == SSO_ABSENT)
        query = sso_form_text(form);
    else
        SSO_TRY(rc);
    sso_answer_redirect(ctx, request, sso_url_with_query(ctx->pool, endpoint, query), answer);
    sso_metrics_event(ctx, provider->http.meter, SSO_EVENT_SIGN_IN_BEGUN);
    return SSO_OK;
}

/* The same; a failure's page leads here again. */
static sso_rc_e start(sso_ctx_t *ctx, const sso_request_t *request, const sso_provider_t *provider,
                      const char *next, const sso_wanted_t *wanted, sso_answer_t *answer)
{
    sso_rc_e rc = send_there(ctx, request, provider, next, wanted, answer);
    sso_wanted_t again = { .replay = wanted->replay };

    if (rc != SSO_OK)
        answer->retry = sso_login_link_with(ctx, request, provider->name, next, &again);
    return sso_within(ctx, rc, provider->name);
}

sso_rc_e sso_login_challenge(sso_ctx_t *ctx, const sso_request_t *request,
                             const sso_provider_t *provider, const sso_login_t *login,
                             const char *claims, sso_answer_t *answer)
{
    sso_wanted_t wanted = { .claims = claims, .acr = login->acr, .replay = login->replay };

    return start(ctx, request, provider, login->next, &wanted, answer);
}

sso_rc_e sso_login_resume(sso_ctx_t *ctx, const sso_request_t *request,
                          const sso_provider_t *provider, const char *next, int tries,
                          sso_answer_t *answer)
{
    sso_wanted_t wanted = { .tries = tries };

    return start(ctx, request, provider, next, &wanted, answer);
}

const char *sso_login_link_with(sso_ctx_t *ctx, const sso_request_t *request, const char *provider,
                                const char *next, const sso_wanted_t *wanted)
{
    const char *link = sso_login_link(ctx, request, provider, next);
    sso_form_t *hints = sso_form_make(ctx->pool);

    sso_form_add(hints, "login_hint", wanted->login_hint);
    sso_form_add(hints, "tpa_hint", wanted->tpa_hint);
    sso_form_add(hints, "prompt", wanted->prompt);
    sso_form_add(hints, "acr_values", wanted->acr);
    sso_form_add(hints, "replay", wanted->replay);
    return *sso_form_text(hints) ? sso_url_with_query(ctx->pool, link, sso_form_text(hints)) : link;
}

static int is_among(const apr_array_header_t *list, const sso_provider_t *provider)
{
    int i;

    for (i = 0; i < list->nelts; i++)
        if (APR_ARRAY_IDX(list, i, const sso_provider_t *) == provider)
            return 1;
    return 0;
}

/* The providers that a list of names means, each once; all of them if there is no list. */
static sso_rc_e candidates(sso_ctx_t *ctx, const sso_site_t *site, const apr_array_header_t *names,
                           apr_array_header_t **found)
{
    apr_array_header_t *list = apr_array_make(ctx->pool, 4, sizeof(sso_provider_t *));
    int i;

    for (i = 0; i < (names ? names->nelts : site->providers->nelts); i++) {
        const char *name = names ? APR_ARRAY_IDX(names, i, const char *)
                                 : APR_ARRAY_IDX(site->providers, i, sso_provider_t *)->name;
        const sso_provider_t *provider = sso_provider_find(site, name);

        if (!provider)
            return sso_fail(ctx, SSO_BAD_INPUT, 500, "there is no provider '%.64s'", name);
        if (!is_among(list, provider))
            APR_ARRAY_PUSH(list, const sso_provider_t *) = provider;
    }
    *found = list;
    return SSO_OK;
}

static sso_rc_e loop_page(sso_ctx_t *ctx, const sso_request_t *request, const char *next,
                          const char *why, sso_answer_t *answer)
{
    sso_browser_t browser;

    sso_browser_read(ctx, request, &browser);
    browser.count = 0; /* the page's link may try again */
    sso_browser_write(ctx, request, &browser, answer);
    ctx->err.say.text = SSO_T("The reason: %s. If it is a lost cookie, look whether this browser "
                              "blocks cookies for this site, and whether its clock is right.");
    ctx->err.say.word = why;
    answer->retry = sso_login_link(ctx, request, NULL, next);
    return sso_fail(ctx, SSO_DENIED, 510, "signed in %d times within %d s and not accepted: %s",
                    SSO_LOOP_COUNT, SSO_LOOP_SEC, why);
}

sso_rc_e sso_login_send(sso_ctx_t *ctx, const sso_request_t *request, const char *next,
                        const char *replay, const char *why, sso_answer_t *answer)
{
    sso_wanted_t wanted = { .replay = replay };
    apr_array_header_t *list;
    sso_browser_t browser;

    if (request->place->step_up)
        wanted.acr = apr_array_pstrcat(ctx->pool, request->place->step_up, ' ');
    if (strlen(next) > NEXT_MAX) /* what cannot come back in a state */
        next = apr_pstrcat(ctx->pool, request->origin, "/", NULL);
    sso_browser_read(ctx, request, &browser);
    if (browser.count >= SSO_LOOP_COUNT && sso_browser_loops(ctx, &browser))
        return loop_page(ctx, request, next, why, answer);
    if (candidates(ctx, request->site, request->place->use, &list) != SSO_OK) {
        sso_forgive(ctx); /* not the user's link: an administrator's word, in a .htaccess */
        return sso_fail(ctx, SSO_MISCONFIG, 514, "EdxSSOUse for %.200s: one of '%.200s' is no "
                        "provider of this virtual host", request->path,
                        apr_array_pstrcat(ctx->pool, request->place->use, ' '));
    }
    if (list->nelts == 1) {
        const sso_provider_t *only = APR_ARRAY_IDX(list, 0, const sso_provider_t *);

        return sso_within(ctx, start(ctx, request, only, next, &wanted, answer), "login");
    }
    sso_answer_redirect(ctx, request,
                        sso_login_link_with(ctx, request,
                                            request->place->use
                                                ? apr_array_pstrcat(ctx->pool,
                                                                    request->place->use, ',')
                                                : NULL, next, &wanted), answer);
    return SSO_OK;
}

/*
 * A parameter of the login URL: at most once; an empty one is as good as none (RFC 6749 3.1), but
 * for an issuer, which says who starts the sign-in and is nobody's.
 */
static sso_rc_e parameter(sso_ctx_t *ctx, const apr_table_t *fields, const char *name,
                          const char **value)
{
    int repeated = 0;

    *value = sso_form_one(fields, name, &repeated);
    if (*value && !**value && strcmp(name, "iss"))
        *value = NULL;
    return repeated ? sso_fail(ctx, SSO_BAD_INPUT, 501, "parameter '%s' came more than once", name)
                    : SSO_OK;
}

/* Whether a provider has this issuer, by configuration or, @a asking, by what it says itself. */
static int has_issuer(sso_ctx_t *ctx, const sso_provider_t *provider, const char *issuer,
                      int asking)
{
    int found;

    if (!asking)
        return sso_list_has(provider->issuers, issuer);
    found = provider->kind->has_issuer && provider->kind->has_issuer(ctx, provider, issuer);
    sso_forgive(ctx); /* one that cannot be asked is not the one, for now */
    return found;
}

/* Third-party initiated login (OpenID Connect Core 4): the issuer chooses the provider. */
static sso_rc_e by_issuer(sso_ctx_t *ctx, const apr_array_header_t *list, const char *issuer,
                          const sso_provider_t **provider)
{
    int i;

    for (i = 0; i < 2 * list->nelts; i++) {
        *provider = APR_ARRAY_IDX(list, i % list->nelts, const sso_provider_t *);
        if (has_issuer(ctx, *provider, issuer, i >= list->nelts))
            return SSO_OK;
    }
    return sso_fail(ctx, SSO_BAD_INPUT, 502, "no provider has the issuer '%.200s'", issuer);
}

/* The query. Who starts a sign-in from elsewhere may post it as a form (Dynamic Registration 2,
 * initiate_login_uri), which is all that a POST is good for here. */
static sso_rc_e login_fields(sso_ctx_t *ctx, const sso_request_t *request, apr_table_t **fields,
                             sso_answer_t *answer)
{
    int posted = !strcmp(request->method, "POST");
    sso_bytes_t text = { request->query, 0 };

    if (posted && sso_request_is_form(request))
        SSO_TRY(request->read_body(ctx, request->baton, SSO_BODY_MAX, &text));
    if (!sso_form_parse(ctx->pool, text.data, fields))
        return sso_fail(ctx, SSO_BAD_INPUT, 503, "its parameters cannot be read");
    if (!posted || (sso_request_is_form(request) && apr_table_get(*fields, "iss")))
        return SSO_OK;
    apr_table_setn(answer->headers, "Allow", "GET, HEAD");
    return sso_fail(ctx, SSO_BAD_INPUT, 875, "a POST that is no form with the iss of who starts "
                    "the sign-in");
}

sso_rc_e sso_login_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                         sso_answer_t *answer)
{
    const char *provider, *next, *issuer, *target;
    const sso_provider_t *only;
    sso_wanted_t wanted = { 0 };
    apr_table_t *fields;
    apr_array_header_t *names = NULL, *list;

    (void)rest;
    SSO_TRY(login_fields(ctx, request, &fields, answer));
    SSO_TRY(parameter(ctx, fields, "provider", &provider));
    SSO_TRY(parameter(ctx, fields, "next", &next));
    SSO_TRY(parameter(ctx, fields, "iss", &issuer));
    SSO_TRY(parameter(ctx, fields, "target_link_uri", &target));
    SSO_TRY(parameter(ctx, fields, "login_hint", &wanted.login_hint));
    SSO_TRY(parameter(ctx, fields, "tpa_hint", &wanted.tpa_hint));
    SSO_TRY(parameter(ctx, fields, "prompt", &wanted.prompt));
    SSO_TRY(parameter(ctx, fields, "acr_values", &wanted.acr));
    SSO_TRY(parameter(ctx, fields, "replay", &wanted.replay));
    if ((wanted.acr && !sso_step_up_words(wanted.acr))
        || (wanted.replay && !sso_replay_is_id(wanted.replay)))
        return sso_fail(ctx, SSO_BAD_INPUT, 1089, "acr_values or replay is nothing of ours");
    SSO_TRY(sso_request_return(ctx, request, next ? next : target ? target : "/", &next));
    if (strlen(next) > NEXT_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 504, "the return address is over %d bytes long",
                        NEXT_MAX);
    if (provider) {
        char *words = apr_pstrdup(ctx->pool, provider), *c;

        for (c = words; *c; c++)
            *c = *c == ',' ? ' ' : *c;
        names = sso_words(ctx->pool, words);
    }
    if (names && !names->nelts) /* `provider=,` names nobody: as if it were not there */
        names = NULL;
    SSO_TRY(candidates(ctx, request->site, names, &list));
    if (!list->nelts)
        return sso_fail(ctx, SSO_MISCONFIG, 505, "there is no provider to sign in with");
    only = APR_ARRAY_IDX(list, 0, const sso_provider_t *);
    if (issuer)
        SSO_TRY(by_issuer(ctx, list, issuer, &only));
    else if (list->nelts > 1)
        return sso_choice_page(ctx, request, list, next, &wanted, answer);
    return start(ctx, request, only, next, &wanted, answer);
}

/* Opened, it is ours, so its lines are all there. */
static sso_rc_e read_state(sso_ctx_t *ctx, const sso_request_t *request, const char *state,
                           sso_login_t *login)
{
    const char *text, *tries = NULL;
    const char **const fields[] = { &login->provider, &login->binding, &login->verifier,
                                    &login->nonce, &login->challenged, &tries, &login->acr,
                                    &login->replay, &login->next };
    char *line;
    unsigned i;

    if (strlen(state) > STATE_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 551, "the state is over %d bytes long", STATE_MAX);
    SSO_TRY(sso_open(ctx, request->site->ring, "state", state, &text));
    login->issued = apr_strtoi64(text, &line, 10);
    for (i = 0; i < SSO_COUNT(fields); i++) {
        if (*line)
            *line++ = '\0';
        *fields[i] = *line && *line != '\n' ? line : NULL;
        line += strcspn(line, "\n");
    }
    login->tries = tries ? (int)apr_atoi64(tries) : 0;
    return login->provider && login->binding && login->next
               ? SSO_OK : sso_fail(ctx, SSO_BROKEN, 513, "a sealed state cannot be read");
}

sso_rc_e sso_login_bound(sso_ctx_t *ctx, const sso_request_t *request, const char *binding)
{
    sso_browser_t browser;
    const char *mark;

    sso_browser_read(ctx, request, &browser);
    if (!browser.binding)
        return sso_fail(ctx, SSO_DENIED, 554, "the browser did not send the cookie it was given "
                        "when the sign-in was started: another browser, blocked cookies, or "
                        "another host name than it was started on");
    SSO_TRY(sso_browser_mark(ctx, request->site, browser.binding, &mark));
    if (!sso_same_secret(mark, binding))
        return sso_fail(ctx, SSO_DENIED, 555, "the sign-in was started in another browser");
    return SSO_OK;
}

sso_rc_e sso_login_open(sso_ctx_t *ctx, const sso_request_t *request,
                        const sso_provider_t *provider, const char *state, sso_login_t **login)
{
    sso_login_t *opened = apr_pcalloc(ctx->pool, sizeof(*opened));
    apr_int64_t age;

    SSO_TRY(sso_within(ctx, read_state(ctx, request, state, opened), "state"));
    age = apr_time_sec(ctx->now) - opened->issued;
    if (age < -CLOCK_SEC)
        return sso_fail(ctx, SSO_DENIED, 515, "the sign-in was started %" APR_INT64_T_FMT
                        " s in the future: the clocks of this site's hosts differ", -age);
    if (age > apr_time_sec(request->site->config->login_timeout))
        return sso_fail(ctx, SSO_DENIED, 552, "the sign-in was started %" APR_INT64_T_FMT " s ago, "
                        "which is too long (EdxSSOLoginTimeout)", age);
    if (strcmp(opened->provider, provider->tag))
        return sso_fail(ctx, SSO_DENIED, 553, "the state was made for the provider '%.*s'%s",
                        (int)strcspn(opened->provider, ":"), opened->provider,
                        strncmp(opened->provider, provider->tag, strlen(provider->name) + 1)
                            ? "" : ", which has been configured otherwise since");
    SSO_TRY(sso_login_bound(ctx, request, opened->binding));
    *login = opened;
    return SSO_OK;
}
