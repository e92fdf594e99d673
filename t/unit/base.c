/* SPDX-License-Identifier: Apache-2.0 */
/* The first cause wins, prefixes pile up in front of it, and nothing from outside forges a line. */
#include "tap.h"

static void test_first_cause(void)
{
    sso_ctx_t *ctx = tap_ctx();

    is_int(sso_fail(ctx, SSO_DENIED, 901, "a %s", "cause"), SSO_DENIED, "returns its result");
    is_int(sso_fail(ctx, SSO_BROKEN, 902, "another"), SSO_BROKEN, "also when it is not kept");
    is_int(ctx->err.number, 901, "the first number stays");
    is_int(ctx->err.rc, SSO_DENIED, "the first result stays");
    is(ctx->err.text, "a cause", "the first text stays");
    is_int(sso_within(ctx, SSO_DENIED, "inner"), SSO_DENIED, "within returns its result");
    sso_within(ctx, SSO_DENIED, "outer");
    is(ctx->err.text, "outer: inner: a cause", "prefixes pile up");
    sso_within(ctx, SSO_OK, "not at all");
    is(ctx->err.text, "outer: inner: a cause", "success has no prefix");
    sso_forgive(ctx);
    is_int(ctx->err.rc + ctx->err.number, 0, "forgiven");
    is(ctx->err.text, "", "and forgotten");
    sso_within(ctx, SSO_DENIED, "nothing");
    is(ctx->err.text, "", "nothing noted, nothing prefixed");
}

static const struct {
    const char *in, *out;
} texts[] = {
    { "plain", "plain" },
    { "a\nSSO0001: forged", "a\\x0aSSO0001: forged" },
    { "\r\t\x1b[2J\x7f", "\\x0d\\x09\\x1b[2J\\x7f" },
    { "M\xc3\xbcller \xe2\x82\xac", "M\xc3\xbcller \xe2\x82\xac" },
    { "100%s %n %d", "100%s %n %d" },
    { "", "" },
};

static void test_cleaning(void)
{
    char longer[4 * SSO_ERR_BYTES];
    unsigned i;
    sso_ctx_t *ctx;

    for (i = 0; i < SSO_COUNT(texts); i++) {
        ctx = tap_ctx();
        sso_fail(ctx, SSO_DENIED, 1, "%s", texts[i].in);
        is(ctx->err.text, texts[i].out, "failure %u", i);
        sso_within(ctx, SSO_DENIED, texts[i].in);
        is(ctx->err.text, apr_pstrcat(ctx->pool, texts[i].out, ": ", texts[i].out, NULL),
           "a prefix is cleaned, and what was clean is not cleaned again: %u", i);
        sso_log(ctx, SSO_LOG_INFO, 7, "%s", texts[i].in);
        is(tap_log_text, apr_pstrcat(ctx->pool, "SSO0007: ", texts[i].out, "\n", NULL), "log %u",
           i);
    }
    memset(longer, '\n', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    ctx = tap_ctx();
    sso_fail(ctx, SSO_DENIED, 1, "%s", longer);
    for (i = 0; i < 50; i++)
        sso_within(ctx, SSO_DENIED, longer);
    ok(strlen(ctx->err.text) < SSO_ERR_BYTES && strlen(ctx->err.text) > SSO_ERR_BYTES - 10,
       "a long text is cut off");
    ok(!strchr(ctx->err.text, '\n'), "and clean to its end");
    sso_log(ctx, SSO_LOG_ERROR, 0, "%s", longer);
    is_int(strcspn(tap_log_text, "\n"), strlen(tap_log_text) - 1, "a long line is one line");
}

static void test_ports(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_ports_t ports = { .log = tap_log, .log_level = SSO_LOG_WARN };

    ctx->ports = &ports;
    sso_log(ctx, SSO_LOG_INFO, 1, "not wanted");
    is(tap_log_text, "", "a level that is not wanted");
    sso_log(ctx, SSO_LOG_WARN, 0, "wanted");
    is(tap_log_text, "wanted\n", "a line without a number");
    ports.log = NULL;
    sso_log(ctx, SSO_LOG_ERROR, 1, "nobody listens");
    ctx->ports = NULL;
    sso_log(ctx, SSO_LOG_ERROR, 1, "nobody at all");
    is(tap_log_text, "wanted\n", "nobody listens");
}

int main(void)
{
    test_first_cause();
    test_cleaning();
    test_ports();
    return tap_done();
}
