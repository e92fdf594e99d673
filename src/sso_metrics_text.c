/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples from counters. A family is a row of a table; what is shown of it comes from one place.
 */
#include "sso_metrics_text.h"

#include <apr_strings.h>
#include <stddef.h>
#include <string.h>

#ifndef EDXSSO_VERSION /* the build says */
#define EDXSSO_VERSION "0.1"
#endif

typedef struct writer_t {
    sso_ctx_t *ctx;
    const sso_metrics_shared_t *shared;
    void (*each)(void *baton, const sso_sample_t *sample);
    void *baton;
    sso_sample_t sample; /* its family, type and help as of now */
} writer_t;

static void family(writer_t *out, const char *name, const char *type, const char *help)
{
    out->sample.family = name;
    out->sample.type = type;
    out->sample.help = help;
    out->sample.suffix = strcmp(type, "counter") ? "" : "_total";
}

static void put(writer_t *out, const char *labels, const char *value)
{
    out->sample.labels = labels;
    out->sample.value = value;
    out->each(out->baton, &out->sample);
}

static const char *number(const writer_t *out, apr_uint64_t value)
{
    return apr_psprintf(out->ctx->pool, "%" APR_UINT64_T_FMT, value);
}

/* Seconds of microseconds. */
static const char *seconds(const writer_t *out, apr_uint64_t micros)
{
    return apr_psprintf(out->ctx->pool, "%" APR_UINT64_T_FMT ".%06u", micros / APR_USEC_PER_SEC,
                        (unsigned)(micros % APR_USEC_PER_SEC));
}

/* ---- requests and messages */

static const char *const results[SSO_REQUEST_RESULTS] = {
    "signed_in", "nobody", "sign_in", "refused", "failed"
};

static void put_requests(writer_t *out)
{
    int i, k;

    family(out, "edxsso_requests", "counter", "Requests to places that need sign-in, by what "
           "became of them.");
    for (i = 0; i < SSO_REQUEST_RESULTS; i++) {
        apr_uint64_t sum = 0;

        for (k = 0; k < SSO_METRICS_STRIPES; k++)
            sum += sso_counter_get(&out->shared->requests[k].result[i]);
        put(out, apr_psprintf(out->ctx->pool, "result=\"%s\"", results[i]), number(out, sum));
    }
}

static void put_messages(writer_t *out)
{
    int i;

    family(out, "edxsso_messages", "counter", "Failures and warnings by the number that the log "
           "has for them (docs/messages.md).");
    for (i = 0; i < SSO_METRICS_NUMBERS; i++) {
        apr_uint64_t count = sso_counter_get(&out->shared->numbers[i]);

        if (count)
            put(out, apr_psprintf(out->ctx->pool, "number=\"SSO%04d\"", i), number(out, count));
    }
}

/* ---- events of providers */

typedef struct event_family_t {
    const char *name, *help;
    const char *label; /* NULL: one event alone */
    sso_event_e first;
    const char *const *values; /* of the label, ends with NULL */
} event_family_t;

static const char *const none[] = { "", NULL };
static const char *const ends[] = { "ok", "refused", "invalid", "provider_error", "unavailable",
                                    "broken", NULL };
static const char *const refreshes[] = { "ok", "refused", "failed", NULL };
static const char *const logouts[] = { "browser", "frame", "back_channel", NULL };

static const event_family_t event_families[] = {
    { "edxsso_sign_ins_started", "Browsers sent to a provider to sign in.", NULL,
      SSO_EVENT_SIGN_IN_BEGUN, none },
    { "edxsso_sign_ins", "Sign-ins that came back from a provider, by what became of them.",
      "result", SSO_EVENT_SIGN_IN_OK, ends },
    { "edxsso_refreshes", "Refreshes of access tokens.", "result", SSO_EVENT_REFRESH_OK,
      refreshes },
    { "edxsso_logouts", "Sign-outs, by who asked.", "kind", SSO_EVENT_LOGOUT_BROWSER, logouts },
};

static int nothing(const sso_counter_t *counters, int count)
{
    while (count-- > 0)
        if (sso_counter_get(&counters[count]))
            return 0;
    return 1;
}

static void put_events(writer_t *out)
{
    unsigned f;
    int i, k;

    for (f = 0; f < SSO_COUNT(event_families); f++) {
        const event_family_t *of = &event_families[f];

        family(out, of->name, "counter", of->help);
        for (i = 0; i < SSO_METRICS_ROWS; i++) {
            const sso_metrics_row_t *row = &out->shared->rows[i];

            if (!*row->name || (i == 0 && nothing(row->events, SSO_EVENT_COUNT)))
                continue;
            for (k = 0; of->values[k]; k++)
                put(out, apr_pstrcat(out->ctx->pool, "provider=\"", row->name,
                                     of->label ? "\"," : "\"", of->label ? of->label : "",
                                     of->label ? "=\"" : "", of->values[k],
                                     of->label ? "\"" : "", NULL),
                    number(out, sso_counter_get(&row->events[(int)of->first + k])));
        }
    }
}

/* ---- calls to providers */

static const char *call_labels(const writer_t *out, int row, int endpoint)
{
    return apr_psprintf(out->ctx->pool, "provider=\"%s\",endpoint=\"%s\"",
                        out->shared->rows[row].name, sso_metrics_endpoints[endpoint]);
}

static void put_histogram(writer_t *out, int row, int endpoint)
{
    const sso_metrics_calls_t *calls = &out->shared->rows[row].calls[endpoint];
    const char *labels = call_labels(out, row, endpoint);
    apr_uint64_t sum = 0;
    int i;

    out->sample.suffix = "_bucket";
    for (i = 0; i <= SSO_METRICS_BUCKETS; i++) {
        sum += sso_counter_get(&calls->bucket[i]);
        put(out, i < SSO_METRICS_BUCKETS
                ? apr_psprintf(out->ctx->pool, "%s,le=\"%.3f\"", labels, sso_metrics_bounds[i])
                : apr_pstrcat(out->ctx->pool, labels, ",le=\"+Inf\"", NULL), number(out, sum));
    }
    out->sample.suffix = "_sum";
    put(out, labels, seconds(out, sso_counter_get(&calls->micros)));
    out->sample.suffix = "_count";
    put(out, labels, number(out, sum));
}

static void put_failures(writer_t *out, int row, int endpoint)
{
    put(out, call_labels(out, row, endpoint),
        number(out, sso_counter_get(&out->shared->rows[row].calls[endpoint].failures)));
}

static void each_call(writer_t *out, void (*write)(writer_t *out, int row, int endpoint))
{
    int i, k;

    for (i = 0; i < SSO_METRICS_ROWS; i++)
        for (k = 0; k < SSO_METRICS_ENDPOINTS; k++)
            if (!nothing(out->shared->rows[i].calls[k].bucket, SSO_METRICS_BUCKETS + 1))
                write(out, i, k);
}

static void put_calls(writer_t *out)
{
    family(out, "edxsso_provider_call_seconds", "histogram", "How long calls to providers took.");
    each_call(out, put_histogram);
    family(out, "edxsso_provider_call_failures", "counter", "Calls to providers that got no HTTP "
           "answer.");
    each_call(out, put_failures);
}

/* ---- documents */

static void put_fetches(writer_t *out, const char *labels, const sso_metrics_document_t *document)
{
    put(out, labels, number(out, sso_counter_get(&document->fetches)));
}

static void put_fetch_failures(writer_t *out, const char *labels,
                               const sso_metrics_document_t *document)
{
    put(out, labels, number(out, sso_counter_get(&document->failures)));
}

static void put_age(writer_t *out, const char *labels, const sso_metrics_document_t *document)
{
    apr_uint64_t stamp = sso_counter_get(&document->stamp), now = (apr_uint64_t)out->ctx->now;

    if (stamp)
        put(out, labels, seconds(out, now > stamp ? now - stamp : 0));
}

static void put_stale(writer_t *out, const char *labels, const sso_metrics_document_t *document)
{
    apr_uint64_t stamp = sso_counter_get(&document->stamp);
    apr_uint64_t end = stamp + sso_counter_get(&document->ttl);

    if (stamp)
        put(out, labels, end < (apr_uint64_t)out->ctx->now ? "1" : "0");
}

static const struct {
    const char *name, *type, *help;
    void (*write)(writer_t *out, const char *labels, const sso_metrics_document_t *document);
} document_families[] = {
    { "edxsso_document_fetches", "counter", "Calls for provider metadata and keys.", put_fetches },
    { "edxsso_document_fetch_failures", "counter", "Those of them that brought nothing usable.",
      put_fetch_failures },
    { "edxsso_document_age_seconds", "gauge", "Age of the newest copy.", put_age },
    { "edxsso_document_stale", "gauge", "1: the newest copy is past its time, and serves because "
      "no newer one can be had.", put_stale },
};

static void put_documents(writer_t *out)
{
    unsigned f;
    int i, k;

    for (f = 0; f < SSO_COUNT(document_families); f++) {
        family(out, document_families[f].name, document_families[f].type,
               document_families[f].help);
        for (i = 0; i < SSO_METRICS_ROWS; i++)
            for (k = 0; k < SSO_METRICS_DOCUMENTS; k++) {
                const sso_metrics_document_t *document = &out->shared->rows[i].documents[k];

                if (sso_counter_get(&document->fetches) || sso_counter_get(&document->stamp))
                    document_families[f].write(
                        out, apr_psprintf(out->ctx->pool, "provider=\"%s\",document=\"%s\"",
                                          out->shared->rows[i].name, sso_metrics_documents[k]),
                        document);
            }
    }
}

/* ---- the store */

static const struct {
    const char *name, *type, *help;
    apr_size_t at; /* in sso_store_stats_t */
} store_families[] = {
#define STORE(name, type, member, help)                                                           \
    { "edxsso_store_" name, type, help, offsetof(sso_store_stats_t, member) }
    STORE("entries", "gauge", entries, "Entries: sessions, used states, documents."),
    STORE("used_bytes", "gauge", bytes_used, "Memory they take."),
    STORE("size_bytes", "gauge", bytes_total, "Memory there is; 0: the store does not say."),
    STORE("hits", "counter", hits, "Look-ups that found an entry."),
    STORE("misses", "counter", misses, "Look-ups that found none."),
    STORE("writes", "counter", writes, "Entries written."),
    STORE("removals", "counter", removals, "Entries removed."),
    STORE("expired", "counter", evicted_expired, "Entries that ended by their time."),
    STORE("evicted", "counter", evicted_live, "Entries that had to go for lack of room, before "
          "their time: users signed out by it."),
    STORE("refused", "counter", refused_full, "Writes refused for lack of room."),
    STORE("lock_waits", "counter", lock_waits, "Times a process waited for another one's lock."),
    STORE("recoveries", "counter", lock_recoveries, "Parts put right after a process died in the "
          "middle of a change."),
    STORE("failures", "counter", failures, "Redis: operations that failed."),
#undef STORE
};

static void put_store(writer_t *out)
{
    sso_store_t *store = out->ctx->ports->store;
    sso_store_stats_t stats = { .entries = 0 };
    sso_store_key_t nobody = { { 0 } };
    sso_store_entry_t entry;
    unsigned f;
    int up = store && sso_store_get(out->ctx, store, &nobody, 0, &entry) <= SSO_ABSENT
             && sso_store_stats(out->ctx, store, &stats) == SSO_OK;

    sso_forgive(out->ctx);
    family(out, "edxsso_store_up", "gauge", "Whether the store answers.");
    put(out, "", up ? "1" : "0");
    for (f = 0; up && f < SSO_COUNT(store_families); f++) {
        family(out, store_families[f].name, store_families[f].type, store_families[f].help);
        put(out, "", number(out, *(const apr_uint64_t *)(const void *)
                                     ((const char *)&stats + store_families[f].at)));
    }
}

/* ---- all */

void sso_metrics_each(sso_ctx_t *ctx, void (*each)(void *baton, const sso_sample_t *sample),
                      void *baton)
{
    writer_t out = { .ctx = ctx, .each = each, .baton = baton };

    if (!ctx->ports || !ctx->ports->metrics)
        return;
    out.shared = ctx->ports->metrics->shared;
    family(&out, "edxsso_build_info", "gauge", "The module that answers.");
    put(&out, "version=\"" EDXSSO_VERSION "\"", "1");
    family(&out, "edxsso_counting_since_seconds", "gauge", "When the counters began, as seconds "
           "since 1970: at the last start, but not at restarts.");
    put(&out, "", seconds(&out, out.shared->began));
    put_requests(&out);
    put_events(&out);
    put_messages(&out);
    put_calls(&out);
    put_documents(&out);
    put_store(&out);
}

typedef struct text_t {
    apr_array_header_t *parts; /* of const char * */
    apr_pool_t *pool;
    const char *family;
    int openmetrics;
} text_t;

static void write_sample(void *baton, const sso_sample_t *sample)
{
    text_t *text = baton;
    /* OpenMetrics names a counter's family without its suffix, Prometheus's own form with it */
    const char *tail = strcmp(sample->type, "counter") || text->openmetrics ? "" : sample->suffix;

    if (text->family != sample->family)
        APR_ARRAY_PUSH(text->parts, const char *) = apr_pstrcat(
            text->pool, "# HELP ", sample->family, tail, " ", sample->help, "\n# TYPE ",
            sample->family, tail, " ", sample->type, "\n", NULL);
    text->family = sample->family;
    APR_ARRAY_PUSH(text->parts, const char *) = apr_pstrcat(
        text->pool, sample->family, sample->suffix, *sample->labels ? "{" : "", sample->labels,
        *sample->labels ? "} " : " ", sample->value, "\n", NULL);
}

const char *sso_metrics_text(sso_ctx_t *ctx, int openmetrics)
{
    text_t text = { apr_array_make(ctx->pool, 256, sizeof(const char *)), ctx->pool, NULL,
                    openmetrics };

    sso_metrics_each(ctx, write_sample, &text);
    if (openmetrics)
        APR_ARRAY_PUSH(text.parts, const char *) = "# EOF\n";
    return apr_array_pstrcat(ctx->pool, text.parts, 0);
}
