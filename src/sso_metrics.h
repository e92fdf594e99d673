/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_METRICS_H
#define SSO_METRICS_H

/*
 * Counters that all processes of a server share, in memory that outlives each of them.
 *
 * Nothing here can fail or wait: to count is one relaxed atomic addition, and nothing at all where
 * ctx->ports has no counters. What is told apart is bounded: providers have rows (by name; row 0
 * for those that found none), messages their numbers, calls the endpoints of a table. How it is
 * shown is in sso_metrics_text.h.
 */

#include "sso_base.h"

#include <stdatomic.h>

#define SSO_METRICS_ROWS    64
#define SSO_METRICS_NAME    64
#define SSO_METRICS_NUMBERS 2048
#define SSO_METRICS_STRIPES 16
#define SSO_METRICS_BUCKETS 11 /* and one without bound */

/** What became of a request to a place that needs sign-in. */
typedef enum {
    SSO_REQUEST_SIGNED_IN, /* let in, as somebody */
    SSO_REQUEST_NOBODY,    /* let in, as nobody (EdxSSOUnauthenticated pass) */
    SSO_REQUEST_SIGN_IN,   /* sent to sign in */
    SSO_REQUEST_REFUSED,   /* 4xx */
    SSO_REQUEST_FAILED,    /* 5xx */
    SSO_REQUEST_RESULTS
} sso_request_result_e;

/** What happens to a provider's users, one counter each. */
typedef enum {
    SSO_EVENT_SIGN_IN_BEGUN,
    SSO_EVENT_SIGN_IN_OK,
    SSO_EVENT_SIGN_IN_REFUSED,     /* 403: by the user, the provider, or a rule of this site */
    SSO_EVENT_SIGN_IN_INVALID,     /* 400: state or token not believed */
    SSO_EVENT_SIGN_IN_UPSTREAM,    /* 502: the provider's answer was of no use */
    SSO_EVENT_SIGN_IN_UNAVAILABLE, /* 503: provider or store could not be reached */
    SSO_EVENT_SIGN_IN_BROKEN,      /* 500: ours */
    SSO_EVENT_REFRESH_OK,
    SSO_EVENT_REFRESH_REFUSED,     /* invalid_grant */
    SSO_EVENT_REFRESH_FAILED,      /* could not be asked, or answered nonsense */
    SSO_EVENT_LOGOUT_BROWSER,
    SSO_EVENT_LOGOUT_FRAME,        /* the LMS's logout frame, front-channel logout */
    SSO_EVENT_LOGOUT_BACK,         /* back-channel logout */
    SSO_EVENT_COUNT
} sso_event_e;

/** Documents by their place in sso_metrics_documents[]. */
typedef enum { SSO_METRICS_METADATA, SSO_METRICS_KEYS, SSO_METRICS_DOCUMENTS } sso_metrics_doc_e;

#define SSO_METRICS_ENDPOINTS 11

typedef _Atomic apr_uint64_t sso_counter_t;

/** Calls to one endpoint. bucket[i] counts those that took at most sso_metrics_bounds[i], alone. */
typedef struct sso_metrics_calls_t {
    sso_counter_t bucket[SSO_METRICS_BUCKETS + 1];
    sso_counter_t micros;   /* all of them together */
    sso_counter_t failures; /* without any HTTP answer */
} sso_metrics_calls_t;

typedef struct sso_metrics_document_t {
    sso_counter_t fetches, failures;
    sso_counter_t stamp; /* when the newest was fetched, microseconds; 0: none yet */
    sso_counter_t ttl;   /* microseconds */
} sso_metrics_document_t;

typedef struct sso_metrics_row_t {
    char name[SSO_METRICS_NAME + 1]; /* written once, by the parent; "": free */
    sso_counter_t events[SSO_EVENT_COUNT];
    sso_metrics_calls_t calls[SSO_METRICS_ENDPOINTS];
    sso_metrics_document_t documents[SSO_METRICS_DOCUMENTS];
} sso_metrics_row_t;

/** What is shared. The layout is part of its mark: a module of another one makes its own. */
typedef struct sso_metrics_shared_t {
    apr_uint64_t mark;
    apr_uint64_t began; /* microseconds */
    /* the hot ones: a line of the processor's cache for each of a few groups of processes */
    struct { _Alignas(64) sso_counter_t result[8]; } requests[SSO_METRICS_STRIPES];
    sso_counter_t numbers[SSO_METRICS_NUMBERS]; /* [0]: those beyond */
    sso_metrics_row_t rows[SSO_METRICS_ROWS];
} sso_metrics_shared_t;

/** A process's handle. */
typedef struct sso_metrics_t {
    sso_metrics_shared_t *shared;
    unsigned stripe;
} sso_metrics_t;

extern const double sso_metrics_bounds[SSO_METRICS_BUCKETS]; /* seconds */
extern const char *const sso_metrics_endpoints[SSO_METRICS_ENDPOINTS];
extern const char *const sso_metrics_documents[SSO_METRICS_DOCUMENTS];

/**
 * Make the counters, in memory that children inherit, or go on with those that were made before.
 *
 * @param before  what an earlier call gave (the parent keeps it over restarts), or NULL. Used only
 *                if it has this layout.
 * @return NULL   no memory: nothing is counted
 */
sso_metrics_shared_t *sso_metrics_open(sso_metrics_shared_t *before, apr_time_t now);

/** The row of a provider's name, made at need. Only the parent calls this, before it forks. */
int sso_metrics_row(sso_metrics_t *metrics, const char *name);

/** Count what happened to a provider's user. @a row: the provider's, http.meter. */
void sso_metrics_event(const sso_ctx_t *ctx, int row, sso_event_e event);

/** Count how a sign-in ended: SSO_OK, or by the failure that ctx has noted. */
void sso_metrics_sign_in(const sso_ctx_t *ctx, int row, sso_rc_e rc);

/** Count a message number, which may be any. */
void sso_metrics_number(const sso_ctx_t *ctx, int number);

/**
 * Count a call.
 * @param what  of sso_call_t: decides about the endpoint
 * @param took  how long it was
 * @param answered  whether an HTTP answer came, whatever its status
 */
void sso_metrics_call(const sso_ctx_t *ctx, int row, const char *what, apr_interval_time_t took,
                      int answered);

/** Count a fetch of a document, by the name of its kind. */
void sso_metrics_fetch(const sso_ctx_t *ctx, int row, const char *kind, int usable);

/** Note that a document fetched at @a stamp is at hand. Older ones than known change nothing. */
void sso_metrics_have(const sso_ctx_t *ctx, int row, const char *kind, apr_time_t stamp,
                      apr_interval_time_t ttl);

static inline void sso_counter_add(sso_counter_t *counter, apr_uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static inline apr_uint64_t sso_counter_get(const sso_counter_t *counter)
{
    return atomic_load_explicit((sso_counter_t *)counter, memory_order_relaxed);
}

/** Count a request to a place that needs sign-in: on the path of each of them. */
static inline void sso_metrics_request(const sso_ctx_t *ctx, sso_request_result_e result)
{
    const sso_metrics_t *metrics = ctx->ports ? ctx->ports->metrics : NULL;

    if (metrics)
        sso_counter_add(&metrics->shared->requests[metrics->stripe].result[result], 1);
}

#endif
