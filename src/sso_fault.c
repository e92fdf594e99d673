/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures as seen from outside: what they mean to people and scripts, and which numbers mean it.
 * What the numbers mean to an administrator is in docs/messages.md.
 */
#include "sso_fault.h"

static const sso_fault_t
    try_later = { 503, "temporarily_unavailable", SSO_PAGE_ERROR,
        SSO_T("Please try again in a moment"),
        SSO_T("The sign-in service cannot be reached right now. If you were signed in, you still "
              "are. Please try again in a moment.") },
    not_usable = { 502, "provider_error", SSO_PAGE_ERROR,
        SSO_T("The sign-in service did not answer properly"),
        SSO_T("The sign-in service gave an answer that this site could not use. Please try again. "
              "If it happens again, tell the people who run this site.") },
    not_checked = { 400, "invalid_token", SSO_PAGE_ERROR,
        SSO_T("You were not signed in"),
        SSO_T("What the sign-in service said about you could not be confirmed, so you were not "
              "signed in. Please try again. If it happens again, tell the people who run this "
              "site.") },
    start_again = { 400, "invalid_state", SSO_PAGE_ERROR,
        SSO_T("This sign-in cannot be finished"),
        SSO_T("It was started too long ago or in another browser, or it has been used already. "
              "Please start again.") },
    bad_link = { 400, "invalid_request", SSO_PAGE_ERROR,
        SSO_T("This link cannot be used"),
        SSO_T("The link that brought you here is incomplete, or it leads to a place that is not "
              "allowed. Please go back to where you found it and try again.") },
    incomplete = { 403, "incomplete_profile", SSO_PAGE_INCOMPLETE,
        SSO_T("Your profile is incomplete"),
        SSO_T("The sign-in service knows you, but it did not tell this site everything it needs "
              "to know about you. Complete your profile there, or ask the people who look after "
              "your account. Then try again.") },
    loop = { 403, "login_loop", SSO_PAGE_ERROR,
        SSO_T("Signing in does not work"),
        SSO_T("You have been signed in several times within a minute, and each time this site "
              "asked again.") },
    refused = { 403, "access_denied", SSO_PAGE_ERROR,
        SSO_T("You were not signed in"),
        SSO_T("You cancelled the sign-in, the sign-in service refused it, or it wants you to do "
              "something there first. You can try again.") },
    not_admitted = { 403, "access_denied", SSO_PAGE_ERROR,
        SSO_T("You cannot sign in here with this account"),
        SSO_T("The sign-in service knows you, but this site does not accept accounts of your "
              "organization. If you have another account, use that one.") },
    no_account = { 403, "no_account", SSO_PAGE_ERROR,
        SSO_T("There is no account for you here"),
        SSO_T("The sign-in service knows you, but no user account of the learning site is linked "
              "to you. Link your account there first, or ask the people who run this site.") },
    sign_in = { 401, "login_required", SSO_PAGE_ERROR,
        SSO_T("Please sign in"),
        SSO_T("You have to sign in to see this.") },
    not_allowed = { 403, "access_denied", SSO_PAGE_ERROR,
        SSO_T("Please sign in first"),
        SSO_T("Only people who are signed in can see this.") },
    /* RFC 6750 3.1: for programs only, and part of a header's value: no quotes, no backslashes */
    bad_token = { 401, "invalid_token", SSO_PAGE_ERROR, "The token is not accepted",
        "The access token is expired, altered, or not for this site." },
    no_token = { 400, "invalid_request", SSO_PAGE_ERROR, "The request is malformed",
        "The Authorization header does not have exactly one access token." },
    small_token = { 403, "insufficient_scope", SSO_PAGE_ERROR, "The token may not do this",
        "The access token does not have the scope that this address needs." },
    nothing = { 404, "not_found", SSO_PAGE_ERROR,
        SSO_T("There is nothing here"),
        SSO_T("This address does not exist. Please check it, or go back to where you came from.") },
    bad_method = { 405, "method_not_allowed", SSO_PAGE_ERROR,
        SSO_T("This cannot be done"),
        SSO_T("This address does not take requests of this kind. Please go back and try again.") },
    cross_origin = { 403, "cross_origin", SSO_PAGE_ERROR,
        SSO_T("This cannot be done from another site"),
        SSO_T("The request came from another site, so nothing was done. If you want this, do it "
              "on this site itself.") },
    bad_host = { 400, "invalid_host", SSO_PAGE_ERROR,
        SSO_T("This address cannot be used"),
        SSO_T("The address you used is not one of this site's own. Please check it, or tell the "
              "people who run this site.") },
    bad_request = { 400, "invalid_request", SSO_PAGE_ERROR,
        SSO_T("This request cannot be understood"),
        SSO_T("Something in the request was not as it should be. Please start again.") },
    not_yours = { 403, "access_denied", SSO_PAGE_REFUSED,
        SSO_T("You do not have access to this page"),
        SSO_T("Your account is not allowed to see this. If you need it, ask the people who run "
              "this site, or use another account.") },
    denied = { 403, "access_denied", SSO_PAGE_ERROR,
        SSO_T("This is not allowed"),
        SSO_T("This site does not allow what you asked for. If you think it should, tell the "
              "people who run it.") },
    too_weak = { 403, "insufficient_user_authentication", SSO_PAGE_ERROR,
        SSO_T("You have to sign in in another way"),
        SSO_T("This page needs a sign-in of another kind, such as one with a second factor, and "
              "the sign-in service did not say that yours was one. Set that up there, or ask the "
              "people who look after your account. Then try again.") },
    stronger = { 401, "insufficient_user_authentication", SSO_PAGE_ERROR,
        SSO_T("You have to sign in in another way"),
        SSO_T("A different authentication level is required.") },
    too_large = { 413, "content_too_large", SSO_PAGE_ERROR,
        SSO_T("Please sign in first"),
        SSO_T("What you sent is too large to be kept while you sign in, so nothing was done with "
              "it. Go back in your browser, sign in in another window, and send it again.") },
    no_form = { 404, "not_found", SSO_PAGE_ERROR,
        SSO_T("The form is not there any more"),
        SSO_T("It has been sent already, or it was kept for too long. If you are not sure that "
              "it was sent, please fill it in again.") },
    not_set_up = { 500, "server_error", SSO_PAGE_ERROR,
        SSO_T("This site has a problem"),
        SSO_T("Signing in is not set up properly here. Please tell the people who run this "
              "site.") },
    broken = { 500, "server_error", SSO_PAGE_ERROR,
        SSO_T("This site has a problem"),
        SSO_T("Something went wrong on this site. Please try again.") };

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
    { 1069, 1070, &bad_link },
    { 1074, 1076, &bad_link },
    { 1083, 1083, &too_weak },
    { 1084, 1084, &stronger },
    { 1085, 1086, &too_large },
    { 1087, 1088, &no_form },
    { 1089, 1089, &bad_link },
    { 685, 685, &bad_host },
    { 687, 687, &sign_in },
    { 688, 688, &nothing },
    { 689, 689, &not_yours },
    { 841, 841, &sign_in },
    { 875, 875, &bad_method },
    { 881, 882, &refused },
    { 1009, 1009, &sign_in },
    { 1011, 1011, &bad_method },
    { 1012, 1012, &cross_origin },
    { 1123, 1123, &small_token },
    { 1131, 1131, &bad_token },
    { 1132, 1132, &no_token },
    { 1136, 1136, &bad_token },
    { 1134, 1134, &cross_origin },
    { 1135, 1135, &small_token },
    { 1140, 1140, &bad_host },
    { 1141, 1141, &nothing },
    { 1142, 1142, &bad_method },
    { 1143, 1144, &try_later },
    { 1149, 1149, &try_later },
    { 1210, 1210, &try_later }, /* the ID mapping */
    { 1215, 1215, &try_later },
    { 1217, 1217, &try_later },
    { 1223, 1223, &no_account },
    { 1224, 1224, &incomplete },
    { 1231, 1232, &bad_link }, /* tickets */
    { 1233, 1234, &start_again },
    { 1235, 1235, &bad_link },
    { 1236, 1236, &start_again },
    { 1240, 1241, &nothing },
    { 1245, 1245, &nothing },
    { 1250, 1250, &incomplete },
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

int sso_fault_is_token(const sso_err_t *err)
{
    const sso_fault_t *fault = sso_fault_find(err);

    return fault == &bad_token || fault == &no_token || fault == &small_token;
}
