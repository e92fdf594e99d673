/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to the ID mapping API: GET .../providers/ID/users, page after page.
 *
 * Pages are asked for by their numbers, never by the answer's own links: what is behind them is
 * the LMS's idea of its own address, and the token goes nowhere but to the configured one.
 */
#include "sso_idmap_call.h"

#include "sso_json.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define PAGE_SIZE "100" /* the API's most */
#define PAGES_MAX 100
#define PROBE_BYTES 20 /* of a name that nobody has */
#define ROWS_MAX  10000
#define ROWS_OF_ONE 1000 /* kept of one id: whoever has more is not told by them */

/* One question. */
typedef struct reading_t {
    sso_ctx_t *ctx;
    const sso_site_t *site; /* NULL: the token is not replaced */
    const sso_idmap_t *map;
    const apr_array_header_t *asks;
    const char *filter;
    const char *authorization;
    apr_time_t until; /* by the clock */
    apr_int64_t rows; /* so far */
    int strays;       /* of them: answers to nothing that was asked */
} reading_t;

/*
 * The filter as the API reads it: ids joined by commas. It is never empty, because an empty filter
 * is none, and the answer to none is everybody.
 */
static const char *filter_of(apr_pool_t *pool, const apr_array_header_t *asks)
{
    static const char *const names[] = { "username", "remote_id" };
    apr_array_header_t *words[2];
    sso_form_t *form = sso_form_make(pool);
    int i;

    words[0] = apr_array_make(pool, asks->nelts, sizeof(const char *));
    words[1] = apr_array_make(pool, asks->nelts, sizeof(const char *));
    for (i = 0; i < asks->nelts; i++) {
        const sso_idmap_ask_t *ask = APR_ARRAY_IDX(asks, i, const sso_idmap_ask_t *);

        APR_ARRAY_PUSH(words[ask->by], const char *) = ask->id;
    }
    for (i = 0; i < 2; i++)
        if (words[i]->nelts)
            sso_form_add(form, names[i], apr_array_pstrcat(pool, words[i], ','));
    return sso_form_text(form);
}

/* What an answer other than 200 means, each with its own number. */
static sso_rc_e refuse(reading_t *reading, const sso_reply_t *reply, int page)
{
    const char *id = reading->map->provider_id;
    sso_ctx_t *ctx = reading->ctx;

    switch (reply->status) {
    case 401:
        return sso_fail(ctx, SSO_UPSTREAM, 1212, "it does not take our token (401), nor a new one: "
                        "is the application's user active, is its grant type client credentials?");
    case 403:
        return sso_fail(ctx, SSO_UPSTREAM, 1213, "we may not ask it (403): the application's user "
                        "needs staff rights; or the application is restricted and needs the scope "
                        "tpa:read (EdxSSOScope) and the filter tpa_provider:%s", id);
    case 404:
        if (page > 1)
            return sso_fail(ctx, SSO_UPSTREAM, 1218, "page %d went away while it was read", page);
        return sso_fail(ctx, SSO_UPSTREAM, 1214, "the LMS has no provider '%s' that is enabled, or "
                        "no such API at %s (404)", id, reading->map->url);
    case 429:
    case 503:
        ctx->err.detail = reply->retry_after;
        return sso_fail(ctx, SSO_UPSTREAM, 1215, "it asks for patience (status %d%s%.60s)",
                        reply->status, reply->retry_after ? ", Retry-After " : "",
                        reply->retry_after ? reply->retry_after : "");
    default:
        return sso_fail(ctx, SSO_UPSTREAM, 1216, "it answered with status %d%s", reply->status,
                        reply->status == 500 && !strchr(id, '-')
                            ? ": a provider id has a dash, such as saml-campus" : "");
    }
}

/* One page; a token that has ended before its time is replaced once. */
static sso_rc_e call(reading_t *reading, int page, sso_reply_t *reply)
{
    const sso_provider_t *api = reading->map->api;
    sso_ctx_t *ctx = reading->ctx;
    sso_http_policy_t policy = api->http;
    sso_call_t call = { .what = "ID mapping", .policy = &policy };
    const char *number = page > 1 ? apr_psprintf(ctx->pool, "&page=%d", page) : "";
    apr_interval_time_t left = reading->until - apr_time_now();
    int again;

    if (left <= 0)
        return sso_fail(ctx, SSO_UPSTREAM, 1217, "its pages took too long to read");
    if (left < policy.total)
        policy.total = left;
    call.url = apr_pstrcat(ctx->pool, reading->map->url, "?", reading->filter,
                           "&page_size=" PAGE_SIZE, number, NULL);
    call.plain_ok = sso_provider_plain_ok(api, call.url);
    for (again = 0; again < 2; again++) {
        call.authorization = reading->authorization;
        SSO_TRY(ctx->ports->call(ctx, &call, reply));
        if (reply->status != 401 || again || !reading->site)
            break;
        SSO_TRY(sso_idmap_token(ctx, reading->site, api, reading->authorization,
                                &reading->authorization));
    }
    return reply->status == 200 ? SSO_OK : refuse(reading, reply, page);
}

/* Whether a row is an answer to a question. */
static int answers(const sso_idmap_t *map, const sso_idmap_ask_t *ask, const sso_idmap_row_t *row)
{
    const char *id = ask->id;
    apr_size_t prefix = strlen(map->prefix);

    if (ask->by == SSO_IDMAP_USERNAME)
        return !strcmp(id, row->username);
    if (prefix && !strncmp(id, map->prefix, prefix))
        id += prefix; /* an LTI id is asked for with its prefix, and comes without */
    return map->any_case ? !strcasecmp(id, row->remote_id) : !strcmp(id, row->remote_id);
}

static int is_among(const apr_array_header_t *rows, const sso_idmap_row_t *row)
{
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const sso_idmap_row_t *other = &APR_ARRAY_IDX(rows, i, sso_idmap_row_t);

        if (!strcmp(other->username, row->username) && !strcmp(other->remote_id, row->remote_id))
            return 1;
    }
    return 0;
}

static void take_row(reading_t *reading, const json_t *item)
{
    sso_idmap_row_t row = { sso_json_text(item, "username"), sso_json_text(item, "remote_id") };
    int i, taken = 0;

    for (i = 0; row.username && row.remote_id && i < reading->asks->nelts; i++) {
        sso_idmap_ask_t *ask = APR_ARRAY_IDX(reading->asks, i, sso_idmap_ask_t *);

        if (!answers(reading->map, ask, &row))
            continue;
        taken = 1;
        if (ask->rows->nelts < ROWS_OF_ONE && !is_among(ask->rows, &row))
            APR_ARRAY_PUSH(ask->rows, sso_idmap_row_t) = row;
    }
    reading->strays += !taken;
}

/* SSO_ABSENT: that was the last page. */
static sso_rc_e take_page(reading_t *reading, const sso_reply_t *reply, int page)
{
    sso_ctx_t *ctx = reading->ctx;
    json_t *body = NULL, *results, *item;
    apr_int64_t count, pages, current;
    size_t i;

    if (!strstr(reply->content_type, "json")
        || sso_json_parse(ctx, "answer", reply->body, reply->length, &body) != SSO_OK
        || !json_is_array(results = json_object_get(body, "results"))) {
        const char *why = ctx->err.rc ? apr_pstrdup(ctx->pool, ctx->err.text)
                                      : "it is not the API's JSON";

        sso_forgive(ctx);
        return sso_fail(ctx, SSO_UPSTREAM, 1219, "an unusable answer: %s", why);
    }
    if (sso_json_whole(body, "current_page", &current) && current != page)
        return sso_fail(ctx, SSO_UPSTREAM, 1220, "page %d was asked for, and another one came",
                        page);
    json_array_foreach(results, i, item)
        take_row(reading, item);
    reading->rows += (apr_int64_t)json_array_size(results);
    if (page == PAGES_MAX || reading->rows > ROWS_MAX)
        return sso_fail(ctx, SSO_UPSTREAM, 1221, "its answer goes on and on: %d pages", page);
    if (sso_json_text(body, "next")
        || (sso_json_whole(body, "num_pages", &pages) && pages > page))
        return SSO_OK;
    if (sso_json_whole(body, "count", &count) && count > reading->rows)
        return sso_fail(ctx, SSO_UPSTREAM, 1222, "its answer has %d rows of %d: it was cut off, or "
                        "changed while it was read", (int)reading->rows, (int)count);
    return SSO_ABSENT;
}

/* All pages of an answer, with the token at hand. */
static sso_rc_e read_all(reading_t *reading)
{
    const apr_array_header_t *asks = reading->asks;
    sso_rc_e rc = SSO_OK;
    sso_reply_t reply;
    int i, page;

    for (i = 0; i < asks->nelts; i++)
        APR_ARRAY_IDX(asks, i, sso_idmap_ask_t *)->rows =
            apr_array_make(reading->ctx->pool, 1, sizeof(sso_idmap_row_t));
    for (page = 1; rc == SSO_OK; page++) {
        rc = call(reading, page, &reply);
        if (rc == SSO_OK)
            rc = take_page(reading, &reply, page);
    }
    if (reading->strays)
        sso_log(reading->ctx, SSO_LOG_INFO, 1226, "ID mapping: %s: %d rows that name another id "
                "than those asked for are ignored", reading->map->provider_id, reading->strays);
    if (rc == SSO_ABSENT)
        return SSO_OK;
    for (i = 0; i < asks->nelts; i++)
        APR_ARRAY_IDX(asks, i, sso_idmap_ask_t *)->rows = NULL;
    return rc;
}

static reading_t reading_of(sso_ctx_t *ctx, const sso_idmap_t *map, const apr_array_header_t *asks)
{
    reading_t reading = { .ctx = ctx, .map = map, .asks = asks,
                          .filter = filter_of(ctx->pool, asks),
                          .until = apr_time_now() + 2 * map->api->http.total };

    return reading;
}

sso_rc_e sso_idmap_read(sso_ctx_t *ctx, const sso_site_t *site, const sso_idmap_t *map,
                        const apr_array_header_t *asks)
{
    reading_t reading = reading_of(ctx, map, asks);

    reading.site = site;
    SSO_TRY(sso_idmap_token(ctx, site, map->api, NULL, &reading.authorization));
    return read_all(&reading);
}

sso_rc_e sso_idmap_probe(sso_ctx_t *ctx, const sso_idmap_t *map)
{
    sso_idmap_ask_t ask = { .by = SSO_IDMAP_USERNAME };
    apr_array_header_t *asks = apr_array_make(ctx->pool, 1, sizeof(sso_idmap_ask_t *));
    reading_t reading;
    apr_int64_t seconds;

    SSO_TRY(sso_random_text(ctx, PROBE_BYTES, &ask.id));
    APR_ARRAY_PUSH(asks, sso_idmap_ask_t *) = &ask;
    reading = reading_of(ctx, map, asks);
    SSO_TRY(sso_idmap_new_token(ctx, map->api, &reading.authorization, &seconds));
    return read_all(&reading);
}
