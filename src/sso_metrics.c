/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting. What is counted where is said by those who do it; showing it is sso_metrics_text.c's.
 */
#include "sso_metrics.h"

#include "sso_fault.h"

#include <string.h>
#include <sys/mman.h>

#define MARK 0x65647873736f3031ULL /* and a number for each change of what the counters mean */

const double sso_metrics_bounds[SSO_METRICS_BUCKETS] = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
};

const char *const sso_metrics_documents[SSO_METRICS_DOCUMENTS] = { "metadata", "keys" };

const char *const sso_metrics_endpoints[SSO_METRICS_ENDPOINTS] = {
    "other", "metadata", "keys", "token", "userinfo", "emails", "par", "graph",
    "introspection", "revocation", "idmapping"
};

/* How a call is called by whoever makes it begins like this. */
static const struct {
    const char *what;
    int endpoint; /* of sso_metrics_endpoints[] */
} calls[] = {
    { "metadata", 1 },
    { "keys", 2 },
    { "token endpoint", 3 },
    { "userinfo", 4 },
    { "profile", 4 },
    { "e-mail addresses", 5 },
    { "PAR endpoint", 6 },
    { "Microsoft Graph", 7 },
    { "introspection", 8 },
    { "revocation", 9 },
    { "ID mapping", 10 },
};

/* What a sign-in came to, by the status that its fault has. */
static const struct {
    int status;
    sso_event_e event;
} ends[] = {
    { 400, SSO_EVENT_SIGN_IN_INVALID },
    { 403, SSO_EVENT_SIGN_IN_REFUSED },
    { 502, SSO_EVENT_SIGN_IN_UPSTREAM },
    { 503, SSO_EVENT_SIGN_IN_UNAVAILABLE },
};

sso_metrics_shared_t *sso_metrics_open(sso_metrics_shared_t *before, apr_time_t now)
{
    apr_uint64_t mark = MARK ^ sizeof(sso_metrics_shared_t);
    sso_metrics_shared_t *shared;

    if (before && before->mark == mark)
        return before;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return NULL;
    shared->mark = mark;
    shared->began = (apr_uint64_t)now;
    memcpy(shared->rows[0].name, "other", sizeof("other"));
    return shared;
}

int sso_metrics_row(sso_metrics_t *metrics, const char *name)
{
    int i;

    if (!metrics || strlen(name) > SSO_METRICS_NAME)
        return 0;
    for (i = 1; i < SSO_METRICS_ROWS; i++) {
        char *have = metrics->shared->rows[i].name;

        if (!*have)
            memcpy(have, name, strlen(name) + 1);
        if (!strcmp(have, name))
            return i;
    }
    return 0;
}

static sso_metrics_row_t *row_of(const sso_ctx_t *ctx, int row)
{
    if (!ctx->ports || !ctx->ports->metrics)
        return NULL;
    return &ctx->ports->metrics->shared->rows[row > 0 && row < SSO_METRICS_ROWS ? row : 0];
}

void sso_metrics_event(const sso_ctx_t *ctx, int row, sso_event_e event)
{
    sso_metrics_row_t *at = row_of(ctx, row);

    if (at)
        sso_counter_add(&at->events[event], 1);
}

void sso_metrics_sign_in(const sso_ctx_t *ctx, int row, sso_rc_e rc)
{
    int status = rc == SSO_OK ? 0 : sso_fault_find(&ctx->err)->status;
    sso_event_e event = rc == SSO_OK ? SSO_EVENT_SIGN_IN_OK : SSO_EVENT_SIGN_IN_BROKEN;
    unsigned i;

    for (i = 0; i < SSO_COUNT(ends); i++)
        if (ends[i].status == status)
            event = ends[i].event;
    sso_metrics_event(ctx, row, event);
}

void sso_metrics_number(const sso_ctx_t *ctx, int number)
{
    if (ctx->ports && ctx->ports->metrics)
        sso_counter_add(&ctx->ports->metrics->shared->numbers
                            [number > 0 && number < SSO_METRICS_NUMBERS ? number : 0], 1);
}

void sso_metrics_call(const sso_ctx_t *ctx, int row, const char *what, apr_interval_time_t took,
                      int answered)
{
    sso_metrics_row_t *at = row_of(ctx, row);
    sso_metrics_calls_t *to;
    int endpoint = 0, bucket = 0;
    unsigned i;

    if (!at)
        return;
    for (i = 0; i < SSO_COUNT(calls); i++)
        if (!strncmp(what, calls[i].what, strlen(calls[i].what)))
            endpoint = calls[i].endpoint;
    to = &at->calls[endpoint];
    took = took > 0 ? took : 0; /* the clock was put back */
    while (bucket < SSO_METRICS_BUCKETS
           && (double)took > sso_metrics_bounds[bucket] * APR_USEC_PER_SEC)
        bucket++;
    sso_counter_add(&to->bucket[bucket], 1);
    sso_counter_add(&to->micros, (apr_uint64_t)took);
    if (!answered)
        sso_counter_add(&to->failures, 1);
}

static sso_metrics_document_t *document_of(const sso_ctx_t *ctx, int row, const char *kind)
{
    sso_metrics_row_t *at = row_of(ctx, row);
    int i;

    for (i = 0; at && i < SSO_METRICS_DOCUMENTS; i++)
        if (!strcmp(kind, sso_metrics_documents[i]))
            return &at->documents[i];
    return NULL;
}

void sso_metrics_fetch(const sso_ctx_t *ctx, int row, const char *kind, int usable)
{
    sso_metrics_document_t *document = document_of(ctx, row, kind);

    if (!document)
        return;
    sso_counter_add(&document->fetches, 1);
    if (!usable)
        sso_counter_add(&document->failures, 1);
}

void sso_metrics_have(const sso_ctx_t *ctx, int row, const char *kind, apr_time_t stamp,
                      apr_interval_time_t ttl)
{
    sso_metrics_document_t *document = document_of(ctx, row, kind);
    apr_uint64_t known, now = (apr_uint64_t)stamp;

    if (!document)
        return;
    atomic_store_explicit(&document->ttl, (apr_uint64_t)ttl, memory_order_relaxed);
    known = sso_counter_get(&document->stamp);
    while (known < now && !atomic_compare_exchange_weak(&document->stamp, &known, now))
        ;
}
