/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_METRICS_TEXT_H
#define SSO_METRICS_TEXT_H

/*
 * The counters as others read them: samples one by one, and the text that Prometheus takes.
 */

#include "sso_metrics.h"
#include "sso_store.h"

/** One sample. */
typedef struct sso_sample_t {
    const char *family; /* without _total */
    const char *type;   /* counter, gauge, histogram */
    const char *help;
    const char *suffix; /* _total, _bucket, _sum, _count, or "" */
    const char *labels; /* provider="lms",result="ok"; or "" */
    const char *value;
} sso_sample_t;

/**
 * Hand out every sample, a family's one after the other. Providers, documents and endpoints of
 * which nothing happened are left out.
 *
 * @param each  gets a sample that is valid during the call
 */
void sso_metrics_each(sso_ctx_t *ctx, void (*each)(void *baton, const sso_sample_t *sample),
                      void *baton);

/** All of them as text, of the OpenMetrics 1.0 form, or else of Prometheus's 0.0.4. */
const char *sso_metrics_text(sso_ctx_t *ctx, int openmetrics);

#endif
