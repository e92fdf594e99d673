/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching a document: the call, what its answer is worth, and what is remembered of failures.
 * Whether to fetch at all is decided in sso_document_store.c.
 */
#include "sso_document.h"

#include "sso_http.h"

#include <apr_date.h>
#include <apr_strings.h>
#include <string.h>

#define FAILURE_LAYOUT 1
#define RETRY_MIN   SSO_DOCUMENT_SECOND
#define RETRY_MAX   apr_time_from_sec(5)    /* what is answered when */
#define RETRY_RATIO 4                       /* rest so many times as long as the failure took */
#define BACKOFF_MIN apr_time_from_sec(5)
#define BACKOFF_MAX apr_time_from_sec(60)
#define ASKED_MAX_SEC 3600                  /* of a Retry-After */
#define MEMORY      apr_time_from_sec(600)  /* a failure counts for so long after its time came */

/* ---- failures */

int sso_document_failed(sso_document_work_t *work, sso_document_failure_t *failure)
{
    apr_time_t stamp;
    sso_bytes_t plain;

    memset(failure, 0, sizeof(*failure));
    if (sso_document_open(work, SSO_DOCUMENT_FAILURE, 0, &stamp, &plain) != SSO_OK
        || plain.length != sizeof(*failure))
        return 0;
    memcpy(failure, plain.data, sizeof(*failure));
    failure->text[sizeof(failure->text) - 1] = '\0';
    failure->detail[sizeof(failure->detail) - 1] = '\0';
    if (failure->layout != FAILURE_LAYOUT || failure->rc <= SSO_OK || failure->rc > SSO_BROKEN
        || failure->since > work->at.now + SSO_DOCUMENT_MINUTE) /* a clock was put back */
        memset(failure, 0, sizeof(*failure));
    return failure->count > 0;
}

sso_rc_e sso_document_fail_again(sso_document_work_t *work, const sso_document_failure_t *failure)
{
    sso_err_t *err = &work->at.err;

    /* not sso_fail(): the number is the one that was noted when it happened */
    sso_forgive(&work->at);
    err->rc = (sso_rc_e)failure->rc;
    err->number = failure->number;
    apr_cpystrn(err->text, failure->text, sizeof(err->text));
    err->detail = *failure->detail ? apr_pstrdup(work->at.pool, failure->detail) : NULL;
    return err->rc;
}

/* Retry-After (RFC 9110 10.2.3): seconds, or a date. */
static apr_interval_time_t asked_for(const sso_document_work_t *work, const sso_reply_t *reply)
{
    apr_int64_t sec;
    char *rest;

    if (!reply->retry_after)
        return 0;
    sec = apr_strtoi64(reply->retry_after, &rest, 10);
    if (rest == reply->retry_after || *rest) {
        apr_time_t date = apr_date_parse_http(reply->retry_after);

        sec = date ? apr_time_sec(date - (reply->date ? reply->date : work->at.now)) : 0;
    }
    return apr_time_from_sec(sec < 0 ? 0 : sec > ASKED_MAX_SEC ? ASKED_MAX_SEC : sec);
}

static apr_interval_time_t backoff(int count, apr_interval_time_t asked)
{
    apr_interval_time_t span = BACKOFF_MIN << (count < 5 ? count - 1 : 4);

    span = span < BACKOFF_MAX ? span : BACKOFF_MAX;
    span = span > asked ? span : asked;
    return span + apr_time_from_msec(sso_random_below((apr_uint32_t)apr_time_as_msec(span) / 2));
}

static void log_failure(const sso_document_work_t *work)
{
    const sso_document_want_t *want = work->want;
    const sso_document_t *current = sso_document_current(work->slot, want, work->at.now);
    apr_time_t end = current ? current->stamp + sso_document_ttl(want)
                                   + want->provider->config->stale_if_error : 0;

    if (end > work->at.now)
        sso_log(&work->at, SSO_LOG_WARN, 355, "%s: cannot get %s from %s: SSO%04d: %s; the copy at "
                "hand serves for another %" APR_INT64_T_FMT " s", want->provider->name,
                want->kind->name, want->url, work->at.err.number, work->at.err.text,
                apr_time_sec(end - work->at.now));
    else
        sso_log(&work->at, SSO_LOG_ERROR, 353, "%s: cannot get %s from %s: SSO%04d: %s; there is "
                "no copy that may serve", want->provider->name, want->kind->name, want->url,
                work->at.err.number, work->at.err.text);
}

/* Tell everybody, for a while. The log hears of the first failure, and of one of another kind. */
static void remember_failure(sso_document_work_t *work, apr_interval_time_t took,
                             apr_interval_time_t asked)
{
    const sso_err_t err = work->at.err;
    sso_document_failure_t failure, old;
    apr_interval_time_t rest = RETRY_RATIO * took;
    sso_bytes_t plain = { &failure, sizeof(failure) };

    sso_document_failed(work, &old);
    if (!old.count || old.number != err.number)
        log_failure(work);
    memset(&failure, 0, sizeof(failure));
    failure.layout = FAILURE_LAYOUT;
    failure.count = old.count < APR_INT16_MAX ? old.count + 1 : old.count;
    failure.since = work->at.now;
    failure.retry = work->at.now
                    + (rest < RETRY_MIN ? RETRY_MIN : rest > RETRY_MAX ? RETRY_MAX : rest);
    failure.next = work->at.now + backoff(failure.count, asked);
    failure.rc = (apr_int32_t)err.rc;
    failure.number = err.number;
    apr_cpystrn(failure.text, err.text, sizeof(failure.text));
    apr_cpystrn(failure.detail, err.detail ? err.detail : "", sizeof(failure.detail));
    sso_document_keep(work, SSO_DOCUMENT_FAILURE, failure.since, plain, failure.next + MEMORY);
    work->at.err = err; /* that it could not be kept matters less */
}

static void forget_failure(sso_document_work_t *work)
{
    sso_document_failure_t old;

    if (!sso_document_failed(work, &old))
        return;
    sso_document_remove(work, SSO_DOCUMENT_FAILURE);
    sso_log(&work->at, SSO_LOG_WARN, 354, "%s: %s can be had again from %s, after %d failures",
            work->want->provider->name, work->want->kind->name, work->want->url, old.count);
}

/* ---- answers */

/* application/json, application/jwk-set+json and its like, text/json (RFC 6839 3.1) */
static int is_json_type(const char *type)
{
    apr_size_t length = strlen(type);

    return !strcmp(type, "application/json") || !strcmp(type, "text/json")
           || (length > 17 && !strncmp(type, "application/", 12)
               && !strcmp(type + length - 5, "+json"));
}

static sso_rc_e judge_reply(sso_document_work_t *work, const sso_reply_t *reply)
{
    const char *name = work->want->kind->name;
    apr_interval_time_t asked = asked_for(work, reply);
    sso_ctx_t *at = &work->at;

    if (reply->status == 429 || reply->status == 503) {
        sso_fail(at, SSO_UPSTREAM, 352, "%s: the provider asks for patience (status %d, "
                 "Retry-After '%.60s')", name, reply->status,
                 reply->retry_after ? reply->retry_after : "");
        if (asked) /* in our own words: it goes out in a header */
            at->err.detail = apr_psprintf(at->pool, "%d", (int)apr_time_sec(asked));
        return SSO_UPSTREAM;
    }
    if (reply->status != 200)
        return sso_fail(at, SSO_UPSTREAM, 356, "%s: %s answered with status %d", name,
                        work->want->url, reply->status);
    if (!is_json_type(reply->content_type ? reply->content_type : ""))
        return sso_fail(at, SSO_UPSTREAM, 357, "%s: %s answered with content type '%.100s', not "
                        "application/json", name, work->want->url,
                        reply->content_type ? reply->content_type : "");
    return SSO_OK;
}

static void keep_document(sso_document_work_t *work, const sso_document_t *document,
                          sso_bytes_t text)
{
    apr_time_t end = document->stamp + sso_document_ttl(work->want)
                     + work->want->provider->config->stale_if_error;

    if (sso_document_keep(work, SSO_DOCUMENT_TEXT, document->stamp, text, end) == SSO_OK)
        return;
    sso_log(&work->at, SSO_LOG_WARN, 358, "%s: %s cannot be kept in the store, so that each "
            "process has to fetch it: %s", work->want->provider->name, work->want->kind->name,
            work->at.err.text);
    sso_forgive(&work->at);
}

static sso_rc_e call_provider(sso_document_work_t *work, sso_reply_t *reply)
{
    const sso_document_want_t *want = work->want;
    sso_call_t call = { .what = want->kind->name, .url = want->url,
                        .policy = &want->provider->http };

    if (!work->at.ports || !work->at.ports->call)
        return sso_fail(&work->at, SSO_BROKEN, 359, "%s: no calls can be made here",
                        want->kind->name);
    call.plain_ok = sso_provider_plain_ok(want->provider, want->url);
    atomic_fetch_add(&work->documents->count.fetches, 1);
    return work->at.ports->call(&work->at, &call, reply);
}

sso_rc_e sso_document_fetch(sso_document_work_t *work)
{
    const sso_document_t *old;
    sso_document_t *fetched;
    sso_reply_t reply;
    apr_time_t asked, stamp;
    sso_rc_e rc;

    sso_document_tick(work);
    asked = work->at.now;
    memset(&reply, 0, sizeof(reply));
    rc = call_provider(work, &reply);
    sso_document_tick(work);
    old = sso_document_current(work->slot, work->want, work->at.now);
    stamp = work->at.now;
    if (old && old->stamp >= stamp) /* the clock was put back a little: versions still go up */
        stamp = old->stamp + 1;
    if (rc == SSO_OK)
        rc = judge_reply(work, &reply);
    if (rc == SSO_OK) {
        sso_bytes_t text = { reply.body, reply.length };

        rc = sso_document_parse(work, text, stamp, &fetched);
        if (rc == SSO_OK) {
            sso_document_install(work, fetched);
            keep_document(work, fetched, text);
            forget_failure(work);
            sso_metrics_fetch(&work->at, work->want->provider->http.meter, work->want->kind->name,
                              1);
            return SSO_OK;
        }
    }
    atomic_fetch_add(&work->documents->count.failures, 1);
    sso_metrics_fetch(&work->at, work->want->provider->http.meter, work->want->kind->name, 0);
    remember_failure(work, work->at.now - asked, asked_for(work, &reply));
    return rc;
}
