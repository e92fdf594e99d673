/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures as seen from outside. Rows are looked through in order; the first that fits counts.
 * What the numbers mean to an administrator is in docs/messages.md.
 */
#include "sso_fault.h"

#define TRY_LATER "The sign-in service cannot be reached right now. Your session, if you have one, "\
                  "is not lost. Please try again in a moment."
#define NOT_USABLE "The sign-in service gave an answer that this site could not use. Please try "\
                   "again; if it happens again, tell the people who run this site."
#define NOT_CHECKED "What the sign-in service said about you could not be confirmed, so you were "\
                    "not signed in. Please try again."
#define START_AGAIN "This sign-in was started too long ago, in another browser, or has been used "\
                    "already. Please start again."
#define BAD_LINK "The link that brought you here is incomplete or leads to a place that is not allowed."
#define MISSING "You are known to the sign-in service, but it did not say everything this site "\
                "needs to know about you."

static const sso_fault_t faults[] = {
    { 120, 132, 400, "invalid_state", "This sign-in cannot be finished", START_AGAIN },
    { 200, 299, 503, "temporarily_unavailable", "Please try again in a moment", TRY_LATER },
    { 300, 300, 503, "temporarily_unavailable", "Please try again in a moment", TRY_LATER },
    { 305, 321, 503, "temporarily_unavailable", "Please try again in a moment", TRY_LATER },
    { 301, 349, 502, "provider_error", "The sign-in service did not answer properly", NOT_USABLE },
    { 350, 352, 503, "temporarily_unavailable", "Please try again in a moment", TRY_LATER },
    { 353, 399, 502, "provider_error", "The sign-in service did not answer properly", NOT_USABLE },
    { 400, 400, 503, "temporarily_unavailable", "Please try again in a moment", TRY_LATER },
    { 401, 449, 502, "provider_error", "The sign-in service did not answer properly", NOT_USABLE },
    { 452, 452, 502, "provider_error", "The sign-in service did not answer properly", NOT_USABLE },
    { 140, 199, 400, "invalid_token", "You were not signed in", NOT_CHECKED },
    { 450, 499, 400, "invalid_token", "You were not signed in", NOT_CHECKED },
    { 602, 602, 403, "incomplete_profile", "Your profile is incomplete", MISSING },
    { 604, 604, 403, "incomplete_profile", "Your profile is incomplete", MISSING },
    { 600, 601, 502, "provider_error", "The sign-in service did not answer properly", NOT_USABLE },
    { 100, 105, 400, "invalid_request", "This link cannot be used", BAD_LINK },
    { 500, 509, 400, "invalid_request", "This link cannot be used", BAD_LINK },
    { 510, 510, 403, "login_loop", "Signing in does not work",
      "You have been signed in several times within a minute, and each time this site asked again." },
    { 550, 559, 400, "invalid_state", "This sign-in cannot be finished", START_AGAIN },
    { 560, 560, 403, "access_denied", "You were not signed in",
      "The sign-in was refused or cancelled, or the sign-in service wants something from you first." },
    { 561, 561, 502, "provider_error", "The sign-in service reported an error", NOT_USABLE },
    { 562, 563, 400, "invalid_token", "You were not signed in", NOT_CHECKED },
    { 680, 680, 401, "login_required", "Please sign in", "You have to sign in to see this." },
    { 681, 681, 403, "access_denied", "Not allowed", "You have to be signed in to see this." },
    { 682, 682, 404, "not_found", "There is nothing here", "This address does not exist." },
    { 683, 683, 405, "method_not_allowed", "This cannot be done", "This address takes no such request." },
    { 684, 684, 403, "cross_origin", "This cannot be done", "The request came from another site." },
    { 685, 685, 400, "invalid_host", "This address cannot be used",
      "The address you used is not one of this site's own." },
};

static const sso_fault_t by_result[] = {
    [SSO_OK] = { 0, 0, 500, "server_error", "This site has a problem", NOT_USABLE },
    [SSO_ABSENT] = { 0, 0, 404, "not_found", "There is nothing here", "This address does not exist." },
    [SSO_BAD_INPUT] = { 0, 0, 400, "invalid_request", "This request cannot be understood",
                        "Something in the request was not as it should be. Please start again." },
    [SSO_DENIED] = { 0, 0, 403, "access_denied", "Not allowed", "This is not allowed." },
    [SSO_UPSTREAM] = { 0, 0, 502, "provider_error", "The sign-in service did not answer properly",
                       NOT_USABLE },
    [SSO_MISCONFIG] = { 0, 0, 500, "server_error", "This site has a problem",
                        "Signing in is not set up properly here. Please tell the people who run "
                        "this site." },
    [SSO_BROKEN] = { 0, 0, 500, "server_error", "This site has a problem",
                     "Something went wrong on this site. Please try again." },
};

const sso_fault_t *sso_fault_find(const sso_err_t *err)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(faults); i++)
        if (err->number >= faults[i].first && err->number <= faults[i].last
            && err->rc != SSO_BROKEN && err->rc != SSO_MISCONFIG)
            return &faults[i];
    return &by_result[err->rc];
}
