/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-ins that lack something: the built-in page, or EdxSSOIncompleteURL with a ticket, and
 * <EdxSSOPath>/complete, where the ticket comes back.
 *
 * A ticket says which sign-in it was, in which browser, and where it was going; it says nothing of
 * the user. Handing it back starts the same sign-in at the same provider once more, so that what
 * was missing is read where it is believed: nothing that a form says about anybody is. It works
 * once, in the browser that it was made for, as long as a started sign-in stays good.
 */
#include "sso_flow.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define TICKET_MAX 8192
#define TRIES_MAX  3 /* by tickets, one after the other: then the built-in page */

/* Numbers of failures that mean: known, but not enough is known. */
static const int numbers[] = { 602, 604, 1224, 1250 };

static int is_incomplete(const sso_err_t *err)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(numbers); i++)
        if (err->rc == SSO_DENIED && err->number == numbers[i])
            return 1;
    return 0;
}

/* Where another account can be chosen. An LMS takes whoever is signed in there. */
static const char *another_account(sso_ctx_t *ctx, const sso_request_t *request,
                                   const sso_provider_t *provider, const char *next)
{
    sso_leaving_t leaving = { .return_url = next };
    sso_form_t *form = sso_form_make(ctx->pool);

    if (provider->kind == &sso_kind_edx)
        return provider->kind->logout(ctx, provider, &leaving);
    sso_form_add(form, "prompt", "select_account");
    return sso_url_with_query(ctx->pool, sso_login_link(ctx, request, provider->name, next),
                              sso_form_text(form));
}

static void as_page(sso_ctx_t *ctx, const sso_request_t *request, const sso_provider_t *provider,
                    const char *next, sso_answer_t *answer)
{
    ctx->err.detail = NULL; /* err.say has it in words */
    answer->retry = another_account(ctx, request, provider, next);
    answer->retry_label = SSO_T("Use another account");
}

/* One field a line, as in a state. */
static sso_rc_e as_redirect(sso_ctx_t *ctx, const sso_request_t *request,
                            const sso_provider_t *provider, const sso_login_t *login,
                            sso_answer_t *answer)
{
    const char *url = provider->config->incomplete_url, *ticket;
    sso_form_t *form = sso_form_make(ctx->pool);
    const char *missing = ctx->err.detail;

    sso_log(ctx, SSO_LOG_WARN, 1230, "callback: %s: %s; sent to EdxSSOIncompleteURL",
            provider->name, ctx->err.text);
    sso_forgive(ctx);
    SSO_TRY(sso_seal(ctx, request->site->ring, "ticket",
                     apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT "\n%s\n%s\n%d\n%s",
                                  apr_time_sec(ctx->now), provider->tag, login->binding,
                                  login->tries, login->next), &ticket));
    sso_form_add(form, "provider", provider->name);
    sso_form_add(form, "missing", missing);
    sso_form_add(form, "next", login->next);
    sso_form_add(form, "ticket", ticket);
    if (*url == '/')
        url = sso_own_url(ctx, request, url, NULL);
    sso_login_renew(ctx, request, answer);
    sso_answer_redirect(ctx, request,
                        sso_url_with_query(ctx->pool, url, sso_form_text(form)), answer);
    return SSO_OK;
}

sso_rc_e sso_incomplete_answer(sso_ctx_t *ctx, const sso_request_t *request,
                               const sso_provider_t *provider, const sso_login_t *login,
                               sso_answer_t *answer)
{
    if (!is_incomplete(&ctx->err))
        return SSO_ABSENT;
    if (provider->config->incomplete_url && login->tries < TRIES_MAX)
        return as_redirect(ctx, request, provider, login, answer);
    as_page(ctx, request, provider, login->next, answer);
    return SSO_DENIED;
}

/* ---- complete ---- */

typedef struct ticket_t {
    apr_int64_t issued;
    const char *tag, *binding, *next;
    int tries;
} ticket_t;

static sso_rc_e read_text(sso_ctx_t *ctx, const sso_request_t *request, const char **text)
{
    static const char form_type[] = "application/x-www-form-urlencoded";
    const char *type = apr_table_get(request->headers, "Content-Type");
    sso_bytes_t body;

    *text = request->query;
    if (strcmp(request->method, "POST"))
        return SSO_OK;
    if (!type || strncasecmp(type, form_type, sizeof(form_type) - 1))
        return sso_fail(ctx, SSO_BAD_INPUT, 1231, "a POST that is no form");
    SSO_TRY(request->read_body(ctx, request->baton, SSO_BODY_MAX, &body));
    *text = body.data;
    return SSO_OK;
}

/* Opened, it is ours, so its lines are all there. */
static sso_rc_e read_ticket(sso_ctx_t *ctx, const sso_request_t *request, const char *sealed,
                            ticket_t *ticket)
{
    const char *text, *tries;
    const char **const fields[] = { &ticket->tag, &ticket->binding, &tries, &ticket->next };
    char *line;
    unsigned i;

    if (strlen(sealed) > TICKET_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 1232, "the ticket is over %d bytes long", TICKET_MAX);
    SSO_TRY(sso_open(ctx, request->site->ring, "ticket", sealed, &text));
    ticket->issued = apr_strtoi64(text, &line, 10);
    for (i = 0; i < SSO_COUNT(fields); i++) {
        if (*line)
            *line++ = '\0';
        *fields[i] = line;
        line += strcspn(line, "\n");
    }
    ticket->tries = (int)apr_atoi64(tries);
    return SSO_OK;
}

/* As a state: it works once, and the record of that outlives it. */
static sso_rc_e use_ticket(sso_ctx_t *ctx, const sso_request_t *request, const char *sealed,
                           const ticket_t *ticket)
{
    sso_bytes_t parts[] = { sso_bytes("ticket"), sso_bytes(request->site->realm),
                            sso_bytes(sealed) };
    sso_store_item_t item = { .value = "", .class = SSO_STORE_PINNED,
                              .expires = apr_time_from_sec(ticket->issued + 1)
                                         + request->site->config->login_timeout };
    sso_store_key_t key;
    sso_rc_e rc;

    SSO_TRY(sso_digest(ctx, parts, SSO_COUNT(parts), key.bytes));
    rc = sso_store_add(ctx, ctx->ports->store, &key, &item);
    return rc == SSO_DENIED ? sso_fail(ctx, rc, 1236, "the ticket has been used already") : rc;
}

static sso_rc_e check_ticket(sso_ctx_t *ctx, const sso_request_t *request, const char *sealed,
                             ticket_t *ticket, const sso_provider_t **provider)
{
    apr_int64_t age;

    SSO_TRY(sso_within(ctx, read_ticket(ctx, request, sealed, ticket), "ticket"));
    age = apr_time_sec(ctx->now) - ticket->issued;
    if (age > apr_time_sec(request->site->config->login_timeout))
        return sso_fail(ctx, SSO_DENIED, 1233, "the ticket was made %" APR_INT64_T_FMT " s ago, "
                        "which is too long (EdxSSOLoginTimeout)", age);
    *provider = sso_provider_find(request->site,
                                  apr_pstrmemdup(ctx->pool, ticket->tag,
                                                 strcspn(ticket->tag, ":")));
    if (!*provider || strcmp((*provider)->tag, ticket->tag))
        return sso_fail(ctx, SSO_DENIED, 1234, "the ticket's provider has been configured "
                        "otherwise since");
    SSO_TRY(sso_login_bound(ctx, request, ticket->binding));
    return use_ticket(ctx, request, sealed, ticket);
}

sso_rc_e sso_complete_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                            sso_answer_t *answer)
{
    const sso_provider_t *provider = NULL;
    const char *text, *sealed;
    ticket_t ticket = { 0 };
    apr_table_t *fields;
    int repeated = 0;

    (void)rest;
    SSO_TRY(read_text(ctx, request, &text));
    sealed = sso_form_parse(ctx->pool, text, &fields) ? sso_form_one(fields, "ticket", &repeated)
                                                      : NULL;
    if (!sealed || !*sealed || repeated)
        return sso_fail(ctx, SSO_BAD_INPUT, 1235, "there is no ticket, or more than one");
    SSO_TRY(check_ticket(ctx, request, sealed, &ticket, &provider));
    return sso_login_resume(ctx, request, provider, ticket.next, ticket.tries + 1, answer);
}
