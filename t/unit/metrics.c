/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters: what is counted where, how it is shown, what is out of bounds, what a fork shares.
 */
#include "tap.h"

#include "sso_metrics_text.h"

#include <sys/wait.h>
#include <unistd.h>

static sso_ports_t ports = { .log = tap_log };
static sso_metrics_t metrics;

static sso_ctx_t *counting(void)
{
    sso_ctx_t *ctx = tap_ctx();

    ctx->ports = &ports;
    metrics.shared = sso_metrics_open(NULL, ctx->now);
    metrics.stripe = 0;
    ports.metrics = &metrics;
    return ctx;
}

/* Whether the text has this line. */
static int has(sso_ctx_t *ctx, const char *line)
{
    return strstr(apr_pstrcat(ctx->pool, "\n", sso_metrics_text(ctx, 0), NULL),
                  apr_pstrcat(ctx->pool, "\n", line, "\n", NULL)) != NULL;
}

static void test_nothing(void)
{
    sso_ctx_t *ctx = tap_ctx();

    sso_metrics_event(ctx, 1, SSO_EVENT_SIGN_IN_OK);
    sso_metrics_number(ctx, 42);
    sso_metrics_call(ctx, 1, "token endpoint", 1000, 1);
    sso_metrics_request(ctx, SSO_REQUEST_SIGNED_IN);
    is(sso_metrics_text(ctx, 0), "", "without counters nothing is counted or shown");
}

static void test_rows(void)
{
    sso_ctx_t *ctx = counting();
    char name[80];
    int i, row = sso_metrics_row(&metrics, "lms");

    ok(row > 0, "a provider has a row");
    is_int(sso_metrics_row(&metrics, "lms"), row, "the same one each time");
    ok(sso_metrics_row(&metrics, "campus") != row, "another one another row");
    sso_metrics_event(ctx, row, SSO_EVENT_SIGN_IN_BEGUN);
    ok(has(ctx, "edxsso_sign_ins_started_total{provider=\"lms\"} 1"), "its events are shown");
    ok(has(ctx, "edxsso_sign_ins_total{provider=\"campus\",result=\"ok\"} 0"),
       "a provider of which nothing happened shows zeros: a chart begins there");
    ok(!strstr(sso_metrics_text(ctx, 0), "other"), "the others do not");
    for (i = 0; i < 2 * SSO_METRICS_ROWS; i++) {
        apr_snprintf(name, sizeof(name), "p%d", i);
        row = sso_metrics_row(&metrics, name);
    }
    is_int(row, 0, "more of them than rows: the rest shares row 0");
    memset(name, 'x', sizeof(name));
    name[70] = '\0';
    is_int(sso_metrics_row(&metrics, name), 0, "a name that is too long has row 0");
    sso_metrics_event(ctx, row, SSO_EVENT_LOGOUT_BACK);
    sso_metrics_event(ctx, 4711, SSO_EVENT_LOGOUT_BACK);
    sso_metrics_event(ctx, -1, SSO_EVENT_LOGOUT_BACK);
    ok(has(ctx, "edxsso_logouts_total{provider=\"other\",kind=\"back_channel\"} 3"),
       "which is called other, and has whatever is out of bounds");
}

static const struct {
    sso_rc_e rc;
    int number;
    const char *result;
} ends[] = {
    { SSO_OK, 0, "ok" },
    { SSO_DENIED, 560, "refused" },
    { SSO_DENIED, 559, "invalid" },
    { SSO_DENIED, 461, "invalid" },
    { SSO_UPSTREAM, 401, "provider_error" },
    { SSO_UPSTREAM, 305, "unavailable" },
    { SSO_UPSTREAM, 210, "unavailable" },
    { SSO_BROKEN, 304, "broken" },
    { SSO_MISCONFIG, 303, "broken" },
};

static void test_ends(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(ends); i++) {
        sso_ctx_t *ctx = counting();

        if (ends[i].rc != SSO_OK)
            sso_fail(ctx, ends[i].rc, ends[i].number, "what happened");
        sso_metrics_sign_in(ctx, sso_metrics_row(&metrics, "lms"), ends[i].rc);
        ok(has(ctx, apr_psprintf(ctx->pool, "edxsso_sign_ins_total{provider=\"lms\",result=\"%s\"} "
                                 "1", ends[i].result)), "SSO%04d: %s", ends[i].number,
           ends[i].result);
    }
}

static void test_messages(void)
{
    sso_ctx_t *ctx = counting();

    sso_log(ctx, SSO_LOG_WARN, 355, "a warning");
    sso_log(ctx, SSO_LOG_WARN, 355, "once more");
    sso_log(ctx, SSO_LOG_INFO, 564, "everyday life");
    sso_metrics_number(ctx, 559);
    sso_metrics_number(ctx, SSO_METRICS_NUMBERS);
    sso_metrics_number(ctx, -5);
    ok(has(ctx, "edxsso_messages_total{number=\"SSO0355\"} 2"), "warnings are counted");
    ok(!strstr(sso_metrics_text(ctx, 0), "SSO0564"), "everyday life is not");
    ok(has(ctx, "edxsso_messages_total{number=\"SSO0559\"} 1"), "failures are");
    ok(has(ctx, "edxsso_messages_total{number=\"SSO0000\"} 2"), "numbers out of bounds are one");
}

static void test_calls(void)
{
    static const char lms[] = "provider=\"lms\",endpoint=\"token\"";
    sso_ctx_t *ctx = counting();
    int row = sso_metrics_row(&metrics, "lms");

    sso_metrics_call(ctx, row, "token endpoint", 5000, 1);
    sso_metrics_call(ctx, row, "token endpoint", 5001, 1);
    sso_metrics_call(ctx, row, "token endpoint", apr_time_from_sec(60), 0);
    sso_metrics_call(ctx, row, "token endpoint", -7, 1);
    sso_metrics_call(ctx, row, "of somebody's own", 1, 1);
    ok(has(ctx, apr_pstrcat(ctx->pool, "edxsso_provider_call_seconds_bucket{", lms,
                            ",le=\"0.005\"} 2", NULL)), "a bucket includes its bound");
    ok(has(ctx, apr_pstrcat(ctx->pool, "edxsso_provider_call_seconds_bucket{", lms,
                            ",le=\"0.010\"} 3", NULL)), "buckets are cumulative");
    ok(has(ctx, apr_pstrcat(ctx->pool, "edxsso_provider_call_seconds_bucket{", lms,
                            ",le=\"10.000\"} 3", NULL)), "the last bound");
    ok(has(ctx, apr_pstrcat(ctx->pool, "edxsso_provider_call_seconds_bucket{", lms,
                            ",le=\"+Inf\"} 4", NULL)), "and beyond");
    ok(has(ctx, apr_pstrcat(ctx->pool, "edxsso_provider_call_seconds_count{", lms, "} 4", NULL)),
       "how many");
    ok(has(ctx, apr_pstrcat(ctx->pool, "edxsso_provider_call_seconds_sum{", lms, "} 60.010001",
                            NULL)), "how long in all");
    ok(has(ctx, apr_pstrcat(ctx->pool, "edxsso_provider_call_failures_total{", lms, "} 1", NULL)),
       "how many without an answer");
    ok(has(ctx, "edxsso_provider_call_seconds_count{provider=\"lms\",endpoint=\"other\"} 1"),
       "a call of another name");
}

static void test_documents(void)
{
    sso_ctx_t *ctx = counting();
    int row = sso_metrics_row(&metrics, "lms");

    sso_metrics_fetch(ctx, row, "keys", 1);
    sso_metrics_fetch(ctx, row, "keys", 0);
    sso_metrics_fetch(ctx, row, "no such kind", 0);
    sso_metrics_have(ctx, row, "keys", ctx->now - 90 * APR_USEC_PER_SEC, apr_time_from_sec(60));
    sso_metrics_have(ctx, row, "keys", ctx->now - 95 * APR_USEC_PER_SEC, apr_time_from_sec(60));
    ok(has(ctx, "edxsso_document_fetches_total{provider=\"lms\",document=\"keys\"} 2")
           && has(ctx, "edxsso_document_fetch_failures_total{provider=\"lms\","
                       "document=\"keys\"} 1"),
       "fetches and those that failed");
    ok(has(ctx, "edxsso_document_age_seconds{provider=\"lms\",document=\"keys\"} 90.000000"),
       "the age of the newest copy");
    ok(has(ctx, "edxsso_document_stale{provider=\"lms\",document=\"keys\"} 1"), "which is stale");
    sso_metrics_have(ctx, row, "keys", ctx->now + APR_USEC_PER_SEC, apr_time_from_sec(60));
    ok(has(ctx, "edxsso_document_age_seconds{provider=\"lms\",document=\"keys\"} 0.000000")
           && has(ctx, "edxsso_document_stale{provider=\"lms\",document=\"keys\"} 0"),
       "one of a moment ahead has the age 0");
    ok(!strstr(sso_metrics_text(ctx, 0), "document=\"metadata\""), "what there is not, is not");
}

static void test_shared(void)
{
    sso_ctx_t *ctx = counting();
    sso_metrics_shared_t *first = metrics.shared;
    int status = 1, i;
    pid_t child = fork();

    if (child == 0) {
        metrics.stripe = 3;
        for (i = 0; i < 1000; i++)
            sso_metrics_request(ctx, SSO_REQUEST_SIGNED_IN);
        _exit(0);
    }
    for (i = 0; i < 500; i++)
        sso_metrics_request(ctx, SSO_REQUEST_SIGNED_IN);
    waitpid(child, &status, 0);
    ok(status == 0 && has(ctx, "edxsso_requests_total{result=\"signed_in\"} 1500"),
       "what a child counted outlives it");
    ok(sso_metrics_open(first, ctx->now + 1) == first, "a restart goes on with what there is");
    first->mark++;
    ok(sso_metrics_open(first, ctx->now + 1) != first, "another layout begins anew");
    first->mark--;
}

static void test_forms(void)
{
    sso_ctx_t *ctx = counting();
    const char *plain = sso_metrics_text(ctx, 0), *open = sso_metrics_text(ctx, 1);

    ok(strstr(plain, "# TYPE edxsso_requests_total counter\n") && !strstr(plain, "# EOF"),
       "Prometheus's form names a counter's family with its suffix");
    ok(strstr(open, "# TYPE edxsso_requests counter\n")
           && !strcmp(open + strlen(open) - 6, "# EOF\n"), "OpenMetrics without, and with EOF");
    ok(strstr(open, "\nedxsso_store_up 0\n"), "without a store it is down");
}

int main(void)
{
    test_nothing();
    test_rows();
    test_ends();
    test_messages();
    test_calls();
    test_documents();
    test_shared();
    test_forms();
    return tap_done();
}
