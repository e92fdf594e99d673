/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traceparent: what is passed on to providers, and what is not believed.
 */
#include "tap.h"

#include "sso_http_curl.h"
#include "sso_text.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"
#define LONG  "0123456789012345678901234567890123456789"

static const struct {
    const char *inbound;
    const char *flags; /* of what is passed on; NULL: nothing is */
} cases[] = {
    { "00-" TRACE "-" SPAN "-01", "01" },
    { "00-" TRACE "-" SPAN "-00", "00" },
    { "00-" TRACE "-" SPAN "-03", "01" },
    { "00-" TRACE "-" SPAN "-fe", "00" },
    { "cc-" TRACE "-" SPAN "-01", "01" },
    { "cc-" TRACE "-" SPAN "-01-what-the-future-brings", "01" },
    { NULL, NULL },
    { "", NULL },
    { "00", NULL },
    { "00-" TRACE "-" SPAN "-0", NULL },
    { "00-" TRACE "-" SPAN "-01-", NULL },
    { "00-" TRACE "-" SPAN "-01x", NULL },
    { "cc-" TRACE "-" SPAN "-01x", NULL },
    { "ff-" TRACE "-" SPAN "-01", NULL },
    { "0x-" TRACE "-" SPAN "-01", NULL },
    { "00-00000000000000000000000000000000-" SPAN "-01", NULL },
    { "00-" TRACE "-0000000000000000-01", NULL },
    { "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", NULL },
    { "00-" TRACE "-" SPAN "-0A", NULL },
    { "00_" TRACE "-" SPAN "-01", NULL },
    { "00-" TRACE "_" SPAN "-01", NULL },
    { "00-" TRACE "-" SPAN "_01", NULL },
    { "00-" TRACE "-" SPAN "-01, 00-" TRACE "-" SPAN "-01", NULL },
    { "00-4bf92f3577b34da6a3ce929d0e0e473\r\n" SPAN "-01" LONG, NULL },
    { " 00-" TRACE "-" SPAN "-01", NULL },
};

int main(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        sso_ctx_t *ctx = tap_ctx();
        const char *inbound = cases[i].inbound, *got = sso_http_trace(ctx->pool, inbound);
        const char *shown = inbound ? sso_hex(ctx->pool, inbound, strnlen(inbound, 4)) : "nothing";

        if (!cases[i].flags) {
            ok(!got, "%u (%s...): not passed on", i, shown);
            continue;
        }
        ok(got && strlen(got) == 55 && !strncmp(got, "00-" TRACE "-", 36)
               && strncmp(got + 36, SPAN, 16) && !strcmp(got + 53, cases[i].flags),
           "%u: same trace, new span, flags %s", i, cases[i].flags);
        ok(got && sso_http_trace(ctx->pool, got), "%u: what is passed on is one itself", i);
    }
    return tap_done();
}
