/* SPDX-License-Identifier: Apache-2.0 */
/* Opaque tokens: how often a provider is asked about them, whatever comes, and when it fails. */
#include "bearer_world.h"

#include "sso_introspect.h"

static void test_fresh(void)
{
    const sso_config_t *api = api_place("bearer", "lms");
    int calls = token_endpoint.calls;

    token_says(200, "application/json", ACTIVE);
    is_int(present(0, api, "fresh"), 0, "a token");
    is_int(present(59, api, "fresh"), 0, "within a minute");
    is_int(token_endpoint.calls - calls, 1, "the provider is asked once");
    is(user(), "zoe", "the same user");
    token_says(200, "application/json", "{\"active\":false}");
    is_int(present(60, api, "fresh"), 401, "revoked: known within a minute");
    is_int(token_endpoint.calls - calls, 2, "asked again");
    is_int(present(61, api, "fresh"), 401, "and then");
    is_int(token_endpoint.calls - calls, 2, "not at once again");
}

static void test_flood(void)
{
    const sso_config_t *api = api_place("bearer", "lms");
    int start = 640, calls, i, unavailable = 0; /* when a minute begins */

    token_says(200, "application/json", ACTIVE);
    is_int(present(start, api, "customer"), 0, "a token, before the flood");
    token_says(200, "application/json", "{\"active\":false}");
    calls = token_endpoint.calls;
    for (i = 0; i < 400; i++)
        unavailable += present(start + 1, api, apr_psprintf(world_pool, "garbage-%d", i)) == 503;
    ok(token_endpoint.calls - calls <= SSO_INTROSPECT_MISSES_MAX, "%d calls for 400 texts",
       token_endpoint.calls - calls);
    ok(unavailable >= 300, "%d were told to come back later", unavailable);
    is_int(seen.number, 1143, "why");
    is(apr_table_get(seen.answer.headers, "Retry-After"), "5", "when");
    is_int(present(start + 2, api, "customer"), 0, "the customer goes on");
    token_says(200, "application/json", ACTIVE);
    is_int(present(start + 59, api, "customer-2"), 503, "a new token of the same client waits");
    peer = "192.0.2.2";
    is_int(present(start + 59, api, "customer-3"), 0, "another client does not");
    peer = "192.0.2.1";
    is_int(present(start + 61, api, "customer"), 0, "the old one is asked about all the same");
    is_int(present(start + 61, api, "customer-2"), 0, "the new one, when the minute is over");
    calls = token_endpoint.calls;
    for (i = 0; i < 150; i++)
        present(start + 62, api, apr_psprintf(world_pool, "good-%d", i));
    is_int(token_endpoint.calls - calls, 150, "tokens that are some are not counted");
}

/* From everywhere at once: bounded as well. Addresses of one IPv6 network are one client. */
static void test_flood_of_many(void)
{
    const sso_config_t *api = api_place("bearer", "lms");
    int start = 1240, calls = token_endpoint.calls, i;

    token_says(200, "application/json", "{\"active\":false}");
    for (i = 0; i < 150; i++) {
        peer = apr_psprintf(world_pool, "2001:db8::%x:1", i);
        present(start, api, apr_psprintf(world_pool, "net-%d", i));
    }
    is_int(token_endpoint.calls - calls, SSO_INTROSPECT_MISSES_MAX, "one network");
    for (i = 0; i < 1500; i++) {
        peer = apr_psprintf(world_pool, "2001:db8:0:%x::1", i + 1);
        present(start + 1, api, apr_psprintf(world_pool, "many-%d", i));
    }
    is_int(token_endpoint.calls - calls, SSO_INTROSPECT_ALL_MAX, "all together");
    peer = "192.0.2.1";
}

static void test_down(void)
{
    const sso_config_t *api = api_place("bearer", "lms");
    int start = 1200, calls = token_endpoint.calls;

    token_endpoint.fail = 310;
    is_int(present(start, api, "down-1"), 503, "nobody answers");
    is_int(seen.number, 310, "why");
    is_int(present(start + 1, api, "down-2"), 503, "for a moment");
    is_int(seen.number, 1144, "nobody is asked");
    is_int(token_endpoint.calls - calls, 1, "one call");
    token_says(500, "text/html", "");
    is_int(present(start + 6, api, "down-3"), 502, "then it is tried again");
    token_says(200, "application/json", ACTIVE);
    is_int(present(start + 6, api, "down-4"), 0, "an answer that is of no use stops nobody else");
}

int main(void)
{
    bearer_start();
    test_fresh();
    test_flood();
    test_flood_of_many();
    test_down();
    return tap_done();
}
