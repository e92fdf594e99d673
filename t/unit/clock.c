/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that is set by hours and days, and what time it is for sessions meanwhile. */
#include "world.h"

#include "sso_clock.h"
#include "sso_token.h"

#define HOUR   3600
#define DAY    86400
#define START  WORLD_NOW
#define BOOTED 1000

static sso_clock_t shared;
static apr_int64_t offset_sec; /* of the machine's clock, by which it has been set */

/* What time it is, so many seconds after the test's start. */
static apr_time_t at(int sec, apr_interval_time_t *ahead)
{
    return sso_clock_read(&shared, apr_time_from_sec(START + sec + offset_sec),
                          apr_time_from_sec(BOOTED + sec), ahead);
}

static void begin(void)
{
    memset(&shared, 0, sizeof(shared));
    offset_sec = 0;
    sso_clock_begin(&shared, "boot", apr_time_from_sec(START), apr_time_from_sec(BOOTED));
}

/* Somebody asks once a second, as a site in use does. */
static double passes(int from, int to)
{
    apr_interval_time_t ahead;
    apr_time_t first = at(from, &ahead), last = first;
    int sec;

    for (sec = from + 1; sec <= to; sec++) {
        apr_time_t now = at(sec, &ahead);

        /* when both are nearly the same, the rest is made up for at once */
        if (now < last - apr_time_from_sec(1) || now > last + apr_time_from_sec(3))
            ok(0, "a jump at %d: %" APR_TIME_T_FMT, sec, now - last);
        last = now;
    }
    return (double)(last - first) / (double)apr_time_from_sec(to - from);
}

static void test_steps(void)
{
    static const int steps[] = { HOUR, -HOUR, DAY, -DAY, 365 * DAY, -365 * DAY, 3, -3 };
    apr_interval_time_t ahead;
    unsigned i;

    for (i = 0; i < SSO_COUNT(steps); i++) {
        double rate;

        begin();
        rate = passes(0, 100);
        ok(rate == 1.0, "undisturbed it is the machine's");
        offset_sec = steps[i];
        rate = passes(101, 101 + HOUR);
        ok(rate > 0.89 && rate < 1.11, "set by %d s: an hour lasts %.3f of one", steps[i], rate);
        at(102 + HOUR, &ahead);
        ok(ahead == 0 || (ahead > 0) == (steps[i] > 0), "and what the machine's says is known");
    }
    begin();
    offset_sec = HOUR;
    passes(1, 11 * HOUR);
    ok(at(11 * HOUR + 1, &ahead) == apr_time_from_sec(START + 12 * HOUR + 1) && !ahead,
       "in the end both agree again");
}

static void test_small(void)
{
    apr_interval_time_t ahead;
    int sec;

    begin();
    for (sec = 0; sec < 10000; sec++) { /* a machine whose clock drifts, and is led */
        apr_time_t wall = apr_time_from_sec(START + sec) + sec * 500;

        ok(sso_clock_read(&shared, wall, apr_time_from_sec(BOOTED + sec), &ahead) == wall && !ahead,
           "followed");
        if (sec == 20)
            sec = 9900; /* nobody asked for a while */
    }
}

static void test_restarts(void)
{
    apr_interval_time_t ahead;

    begin();
    offset_sec = DAY;
    passes(1, 60);
    sso_clock_begin(&shared, "boot", apr_time_from_sec(START + 61 + DAY),
                    apr_time_from_sec(BOOTED + 61));
    ok(at(62, &ahead) < apr_time_from_sec(START + HOUR), "a restart of httpd: it goes on");
    sso_clock_begin(&shared, "other", apr_time_from_sec(START + 100 + DAY), apr_time_from_sec(50));
    ok(sso_clock_read(&shared, apr_time_from_sec(START + 101 + DAY), apr_time_from_sec(51), &ahead)
           == apr_time_from_sec(START + 101 + DAY) && !ahead, "of the machine: what that says");
    memset(&shared, 0xff, sizeof(shared));
    offset_sec = 0;
    sso_clock_begin(&shared, "boot", apr_time_from_sec(START), apr_time_from_sec(BOOTED));
    ok(at(1, &ahead) == apr_time_from_sec(START + 1), "a damaged file");
}

static sso_ctx_t *ctx_at(int sec)
{
    sso_ctx_t *ctx = world_ctx(0);

    ctx->now = at(sec, &ctx->wall_ahead);
    return ctx;
}

/* Sessions under a clock that is set: they are there after an hour, and not after the idle time. */
static void test_sessions(void)
{
    static const int steps[] = { HOUR, -HOUR, DAY, -DAY };
    const char *text = world_claims("");
    unsigned i;

    for (i = 0; i < SSO_COUNT(steps); i++) {
        const sso_session_t *found;
        sso_session_t *session;
        sso_ctx_t *ctx;
        json_t *claims;
        const char *id;

        begin();
        ctx = ctx_at(0);
        FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK
                   && sso_session_build(ctx, world_site, sso_provider_find(world_site, "lms"),
                                        claims, &session) == SSO_OK
                   && sso_session_begin(ctx, world_site, session, &id) == SSO_OK);
        passes(0, 10);
        offset_sec = steps[i];
        passes(11, HOUR);
        is_int(sso_session_find(ctx_at(HOUR + 1), world_site, id, 1, &found), SSO_OK,
               "set by %d s: it is there an hour later", steps[i]);
        passes(HOUR + 2, HOUR + 1 + 2 * HOUR * 23 / 20);
        is_int(sso_session_find(ctx_at(HOUR + 2 + 2 * HOUR * 23 / 20), world_site, id, 1, &found),
               SSO_ABSENT, "and has idled out in time");
    }
}

/* Tokens come from others, whose clocks are right: they are judged by the machine's. */
static void test_tokens(void)
{
    sso_claim_rules_t rules = { "token", NULL, NULL, 0 };
    const char *text = apr_psprintf(world_pool, "{\"iss\":\"x\",\"exp\":%d,\"iat\":%d}",
                                    (int)START + DAY + 600, (int)START + DAY - 10);
    sso_ctx_t *ctx;
    json_t *claims;

    begin();
    passes(0, 10);
    offset_sec = DAY;
    ctx = ctx_at(11);
    FORGE_MUST(sso_json_parse(ctx, "t", text, strlen(text), &claims) == SSO_OK);
    is_int(sso_token_judge(ctx, &rules, claims), SSO_OK, "a token of now is one of now: %s",
           ctx->err.text);
}

int main(void)
{
    world_start();
    test_steps();
    test_small();
    test_restarts();
    test_sessions();
    test_tokens();
    return tap_done();
}
