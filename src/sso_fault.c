/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures as seen from outside: what they mean to people and scripts, and which numbers mean it.
 * What the numbers mean to an administrator is in docs/messages.md.
 */
#include "sso_fault.h"

static const sso_fault_t
    try_later = { 503, "temporarily_unavailable", "Please try again in a moment",
                  "The sign-in service cannot be reached right now. Your session, if you have one, "
                  "is not lost. Please try again in a moment." },
    not_usable = { 502, "provider_error", "The sign-in service did not answer properly",
                   "The sign-in service gave an answer that this site could not use. Please try "
                   "again; if it happens again, tell the people who run this site." },
    not_checked = { 400, "invalid_token", "You were not signed in",
                    "What the sign-in service said about you could not be confirmed, so you were "
                    "not signed in. Please try again." },
    start_again = { 400, "invalid_state", "This sign-in cannot be finished",
                    "This sign-in was started too long ago, in another browser, or has been used "
                    "already. Please start again." },
    bad_link = { 400, "invalid_request", "This link cannot be used",
                 "The link that brought you here is incomplete or leads to a place that is not "
                 "allowed." },
    incomplete = { 403, "incomplete_profile", "Your profile is incomplete",
                   "You are known to the sign-in service, but it did not say everything this site "
                   "needs to know about you." },
    loop = { 403, "login_loop", "Signing in does not work",
             "You have been signed in several times within a minute, and each time this site asked "
             "again." },
    refused = { 403, "access_denied", "You were not signed in",
                "The sign-in was refused or cancelled, or the sign-in service wants something from "
                "you first." },
    not_admitted = { 403, "access_denied", "You cannot sign in here",
                     "The sign-in service knows you, but this site does not accept accounts of "
                     "your organization." },
    sign_in = { 401, "login_required", "Please sign in", "You have to sign in to see this." },
    not_allowed = { 403, "access_denied", "Not allowed", "You have to be signed in to see this." },
    nothing = { 404, "not_found", "There is nothing here", "This address does not exist." },
    bad_method = { 405, "method_not_allowed", "This cannot be done",
                   "This address takes no such request." },
    cross_origin = { 403, "cross_origin", "This cannot be done",
                     "The request came from another site." },
    bad_host = { 400, "invalid_host", "This address cannot be used",
                 "The address you used is not one of this site's own." },
    bad_request = { 400, "invalid_request", "This request cannot be understood",
                    "Something in the request was not as it should be. Please start again." },
    denied = { 403, "access_denied", "Not allowed", "This is not allowed." },
    not_set_up = { 500, "server_error", "This site has a problem",
                   "Signing in is not set up properly here. Please tell the people who run this "
                   "site." },
    broken = { 500, "server_error", "This site has a problem",
               "Something went wrong on this site. Please try again." };

/* Looked through in order; the first that fits counts. */
static const struct {
    int first, last; /* message numbers, inclusive */
    const sso_fault_t *fault;
} by_number[] = {
    { 100, 105, &bad_link },
    { 120, 134, &start_again },
    { 140, 199, &not_checked },
    { 200, 299, &try_later }, /* the store */
    { 300, 300, &try_later }, /* no way to the provider */
    { 301, 304, &not_usable },
    { 305, 329, &try_later },
    { 330, 349, &not_usable },
    { 350, 352, &try_later },
    { 353, 399, &not_usable },
    { 400, 400, &try_later },
    { 406, 406, &try_later },
    { 412, 412, &try_later },
    { 430, 430, &try_later },
    { 401, 449, &not_usable },
    { 452, 452, &not_usable },
    { 488, 489, &not_admitted },
    { 450, 499, &not_checked },
    { 500, 509, &bad_link },
    { 510, 510, &loop },
    { 515, 515, &start_again },
    { 550, 559, &start_again },
    { 560, 560, &refused },
    { 561, 561, &not_usable },
    { 562, 563, &not_checked },
    { 565, 565, &start_again },
    { 566, 566, &not_checked },
    { 600, 601, &not_usable },
    { 602, 602, &incomplete },
    { 604, 604, &incomplete },
    { 680, 680, &sign_in },
    { 681, 681, &not_allowed },
    { 682, 682, &nothing },
    { 683, 683, &bad_method },
    { 684, 684, &cross_origin },
    { 685, 685, &bad_host },
    { 687, 687, &sign_in },
    { 688, 688, &nothing },
    { 841, 841, &sign_in },
};

static const sso_fault_t *const by_result[] = {
    [SSO_OK] = &broken, [SSO_ABSENT] = &nothing, [SSO_BAD_INPUT] = &bad_request,
    [SSO_DENIED] = &denied, [SSO_UPSTREAM] = &not_usable, [SSO_MISCONFIG] = &not_set_up,
    [SSO_BROKEN] = &broken
};

const sso_fault_t *sso_fault_find(const sso_err_t *err)
{
    unsigned i;

    if (err->rc != SSO_BROKEN && err->rc != SSO_MISCONFIG)
        for (i = 0; i < SSO_COUNT(by_number); i++)
            if (err->number >= by_number[i].first && err->number <= by_number[i].last)
                return by_number[i].fault;
    return by_result[err->rc];
}
