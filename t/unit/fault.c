/* SPDX-License-Identifier: Apache-2.0 */
/* What failures look like from outside: contract section 8 as a table. */
#include "sso_fault.h"
#include "tap.h"

static const struct {
    int number;
    sso_rc_e rc;
    int status;
    const char *code;
} cases[] = {
    /* a callback that is not what was asked for */
    { 550, SSO_BAD_INPUT, 400, "invalid_state" }, { 551, SSO_BAD_INPUT, 400, "invalid_state" },
    { 552, SSO_DENIED, 400, "invalid_state" }, { 553, SSO_DENIED, 400, "invalid_state" },
    { 554, SSO_DENIED, 400, "invalid_state" }, { 555, SSO_DENIED, 400, "invalid_state" },
    { 558, SSO_BAD_INPUT, 400, "invalid_state" }, { 559, SSO_DENIED, 400, "invalid_state" },
    { 125, SSO_BAD_INPUT, 400, "invalid_state" }, { 126, SSO_DENIED, 400, "invalid_state" },
    { 128, SSO_DENIED, 400, "invalid_state" }, { 129, SSO_BAD_INPUT, 400, "invalid_state" },
    { 562, SSO_DENIED, 400, "invalid_token" }, { 563, SSO_BAD_INPUT, 400, "invalid_token" },
    /* a token that is not believed */
    { 140, SSO_BAD_INPUT, 400, "invalid_token" }, { 199, SSO_DENIED, 400, "invalid_token" },
    { 199, SSO_ABSENT, 400, "invalid_token" }, { 450, SSO_BAD_INPUT, 400, "invalid_token" },
    { 454, SSO_DENIED, 400, "invalid_token" }, { 461, SSO_DENIED, 400, "invalid_token" },
    { 467, SSO_DENIED, 400, "invalid_token" },
    /* the user's turn */
    { 560, SSO_DENIED, 403, "access_denied" }, { 602, SSO_DENIED, 403, "incomplete_profile" },
    { 604, SSO_DENIED, 403, "incomplete_profile" }, { 510, SSO_DENIED, 403, "login_loop" },
    /* the provider's fault */
    { 561, SSO_UPSTREAM, 502, "provider_error" }, { 401, SSO_UPSTREAM, 502, "provider_error" },
    { 402, SSO_UPSTREAM, 502, "provider_error" }, { 452, SSO_UPSTREAM, 502, "provider_error" },
    { 600, SSO_UPSTREAM, 502, "provider_error" }, { 301, SSO_UPSTREAM, 502, "provider_error" },
    { 335, SSO_UPSTREAM, 502, "provider_error" }, { 360, SSO_UPSTREAM, 502, "provider_error" },
    /* later */
    { 400, SSO_UPSTREAM, 503, "temporarily_unavailable" },
    { 300, SSO_UPSTREAM, 503, "temporarily_unavailable" },
    { 305, SSO_UPSTREAM, 503, "temporarily_unavailable" },
    { 329, SSO_UPSTREAM, 503, "temporarily_unavailable" },
    { 350, SSO_UPSTREAM, 503, "temporarily_unavailable" },
    { 250, SSO_UPSTREAM, 503, "temporarily_unavailable" },
    { 200, SSO_BAD_INPUT, 503, "temporarily_unavailable" },
    /* nobody is signed in */
    { 680, SSO_DENIED, 401, "login_required" }, { 681, SSO_DENIED, 403, "access_denied" },
    { 682, SSO_ABSENT, 404, "not_found" }, { 683, SSO_BAD_INPUT, 405, "method_not_allowed" },
    { 684, SSO_DENIED, 403, "cross_origin" }, { 685, SSO_BAD_INPUT, 400, "invalid_host" },
    { 105, SSO_DENIED, 400, "invalid_request" }, { 501, SSO_BAD_INPUT, 400, "invalid_request" },
    /* ours: whatever the number */
    { 303, SSO_MISCONFIG, 500, "server_error" }, { 128, SSO_BROKEN, 500, "server_error" },
    { 513, SSO_BROKEN, 500, "server_error" }, { 454, SSO_MISCONFIG, 500, "server_error" },
    /* numbers without a row go by their result */
    { 9999, SSO_ABSENT, 404, "not_found" }, { 9999, SSO_BAD_INPUT, 400, "invalid_request" },
    { 9999, SSO_DENIED, 403, "access_denied" }, { 9999, SSO_UPSTREAM, 502, "provider_error" },
    { 0, SSO_OK, 500, "server_error" },
};

int main(void)
{
    unsigned i;
    int number, rc;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_err_t err = { .rc = cases[i].rc, .number = cases[i].number };
        const sso_fault_t *fault = sso_fault_find(&err);

        is_int(fault->status, cases[i].status, "SSO%04d", cases[i].number);
        is(fault->code, cases[i].code, "SSO%04d: code", cases[i].number);
    }
    for (rc = SSO_OK, i = 0; rc <= SSO_BROKEN; rc++)
        for (number = 0; number < 1000; number++) {
            sso_err_t err = { .rc = (sso_rc_e)rc, .number = number };
            const sso_fault_t *fault = sso_fault_find(&err);

            i += !fault || fault->status < 400 || fault->status > 503 || !*fault->code
                 || !*fault->title || !*fault->text;
        }
    is_int(i, 0, "every failure is some fault");
    return tap_done();
}
