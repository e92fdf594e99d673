/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sign-in page: a button for each provider. The one that somebody signed in by last, in this
 * browser, comes first. That is all the cookie does: it holds a provider's name, is neither sealed
 * nor believed, and nobody is sent anywhere because of it.
 */
#include "sso_flow.h"

#include "sso_page.h"

#include <apr_strings.h>
#include <string.h>

/* The one of the list that was chosen last; NULL: none of them. */
static const sso_provider_t *chosen_last(sso_ctx_t *ctx, const sso_request_t *request,
                                         const apr_array_header_t *providers)
{
    const char *name;
    int i;

    if (sso_request_cookie(ctx, request, SSO_COOKIE_CHOICE, &name) != SSO_OK)
        return NULL;
    for (i = 0; i < providers->nelts; i++) {
        const sso_provider_t *provider = APR_ARRAY_IDX(providers, i, const sso_provider_t *);

        if (!strcmp(provider->name, name))
            return provider;
    }
    return NULL;
}

sso_rc_e sso_choice_page(sso_ctx_t *ctx, const sso_request_t *request,
                         const apr_array_header_t *providers, const char *next,
                         const sso_wanted_t *wanted, sso_answer_t *answer)
{
    sso_page_t page = { .kind = SSO_PAGE_SIGN_IN, .status = 200, .title = SSO_T("Sign in"),
                        .text = SSO_T("Choose how you want to sign in.") };
    const sso_provider_t *last = chosen_last(ctx, request, providers);
    int i;

    for (i = last ? -1 : 0; i < providers->nelts; i++) {
        const sso_provider_t *provider =
            i < 0 ? last : APR_ARRAY_IDX(providers, i, const sso_provider_t *);

        if (i >= 0 && provider == last)
            continue; /* it has been the first */
        sso_page_action(&page, ctx->pool, provider->display_name,
                        sso_login_link_with(ctx, request, provider->name, next, wanted), 0)
            ->last = i < 0;
    }
    sso_page_answer(ctx, request, &page, answer);
    return SSO_OK;
}

void sso_choice_keep(sso_ctx_t *ctx, const sso_request_t *request, const char *provider,
                     sso_answer_t *answer)
{
    if (request->site->providers->nelts > 1)
        sso_answer_cookie(ctx, request, SSO_COOKIE_CHOICE, provider, answer);
}
