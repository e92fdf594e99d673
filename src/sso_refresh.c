/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewing tokens: who does it, what becomes of what came, and of the session when nothing did.
 */
#include "sso_refresh.h"

#include "sso_identity.h"
#include "sso_json.h"
#include "sso_metrics.h"
#include "sso_token.h"

#include <apr_strings.h>
#include <string.h>

#define TRIES        3                      /* to replace what others replace as well */
#define CALLS_MAX    4                      /* of a refresh: token, keys, userinfo, Graph */
#define LOCK_EXTRA   apr_time_from_sec(2)   /* a lock outlives its owner's calls by so much */
#define PAUSE_FIRST  apr_time_from_sec(5)   /* after a failure; doubled by each that follows */
#define PAUSE_MAX    apr_time_from_sec(300)
#define ASKED_MAX    3600                   /* of a Retry-After, seconds */
#define POLL_FIRST   apr_time_from_msec(20) /* of those who wait; doubled up to the last */
#define POLL_LAST    apr_time_from_msec(200)

/* One refresh under way. */
typedef struct refresh_t {
    sso_ctx_t *ctx;
    const sso_request_t *request;
    const sso_site_t *site;
    const sso_provider_t *provider;
    const sso_session_t *session; /* as it is in the store */
    const sso_kept_t *kept;
    const char *stored; /* the refresh token that is in the store, as far as we know */
    int beaten;         /* somebody else has renewed it */
} refresh_t;

/* ---- who does it */

/* A lock is of one generation of a session: nobody who comes late renews what was renewed. */
static sso_rc_e take_lock(sso_ctx_t *ctx, const sso_session_t *session, apr_interval_time_t total)
{
    sso_store_item_t item = { .value = "", .class = SSO_STORE_PINNED,
                              .expires = ctx->now + CALLS_MAX * total + LOCK_EXTRA };
    sso_bytes_t parts[] = { sso_bytes("refresh"),
                            { session->key.bytes, sizeof(session->key.bytes) },
                            { &session->generation, sizeof(session->generation) } };
    sso_store_key_t key;

    SSO_TRY(sso_digest(ctx, parts, SSO_COUNT(parts), key.bytes));
    return sso_store_add(ctx, ctx->ports->store, &key, &item);
}

/* Somebody else is at it. Whoever needs what they get waits for it, within bounds. */
static sso_rc_e await(sso_ctx_t *ctx, const sso_site_t *site, apr_interval_time_t total,
                      const sso_session_t **session)
{
    apr_time_t until = apr_time_now() + total + LOCK_EXTRA;
    apr_interval_time_t pause = POLL_FIRST;
    apr_pool_t *pool = ctx->pool, *turn;
    sso_rc_e rc = SSO_OK;

    while (rc == SSO_OK && apr_time_now() < until) {
        const sso_session_t *found = NULL;

        apr_sleep(pause + sso_random_below((apr_uint32_t)pause / 2));
        pause = pause * 2 < POLL_LAST ? pause * 2 : POLL_LAST;
        apr_pool_create(&turn, pool);
        ctx->pool = turn;
        rc = sso_session_again(ctx, site, *session, &found);
        ctx->pool = pool;
        if (rc == SSO_OK && found->generation != (*session)->generation) {
            *session = found; /* its pool is the request's, too */
            return SSO_OK;
        }
        apr_pool_destroy(turn);
    }
    return rc;
}

/* ---- writing it down */

/* Somebody else wrote. If it was another refresh, theirs is the newer one. */
static sso_rc_e look_again(refresh_t *work)
{
    const sso_kept_t *kept = NULL;

    SSO_TRY(sso_session_again(work->ctx, work->site, work->session, &work->session));
    work->beaten = sso_session_tokens(work->ctx, work->site, work->session, &kept) != SSO_OK
                   || !kept->refresh || strcmp(kept->refresh, work->stored);
    return SSO_OK;
}

/* Put a session in place of the one that was found. */
static sso_rc_e replace(refresh_t *work, sso_session_t *newer)
{
    sso_rc_e rc = SSO_DENIED;
    int tries;

    for (tries = 0; rc == SSO_DENIED && tries < TRIES; tries++) {
        rc = sso_session_swap(work->ctx, work->site, work->session, newer);
        if (rc == SSO_OK)
            return sso_session_again(work->ctx, work->site, work->session, &work->session);
        if (rc == SSO_DENIED)
            SSO_TRY(look_again(work));
        if (work->beaten)
            return SSO_OK;
    }
    return rc == SSO_DENIED ? SSO_OK : rc;
}

/* The same person's session, as it is, to change something in. */
static sso_session_t *copy_of(const refresh_t *work)
{
    sso_session_t *copy = apr_pmemdup(work->ctx->pool, work->session, sizeof(*copy));

    copy->kept = NULL;
    return copy;
}

static sso_rc_e end(refresh_t *work)
{
    sso_rc_e rc;

    sso_forgive(work->ctx);
    rc = sso_session_end_found(work->ctx, work->site, work->session);
    return rc == SSO_OK ? SSO_ABSENT : rc;
}

/* ---- when nothing came */

static apr_interval_time_t pause_after(const sso_ctx_t *ctx, apr_uint32_t failures)
{
    apr_interval_time_t pause = PAUSE_FIRST;
    apr_int64_t asked = ctx->err.detail ? apr_strtoi64(ctx->err.detail, NULL, 10) : 0;

    while (failures-- && pause < PAUSE_MAX)
        pause *= 2;
    pause = pause < PAUSE_MAX ? pause : PAUSE_MAX;
    if (asked > apr_time_sec(pause))
        pause = apr_time_from_sec(asked < ASKED_MAX ? asked : ASKED_MAX);
    return pause + (apr_interval_time_t)sso_random_below((apr_uint32_t)(pause / 4));
}

/* Not now: the session goes on, and is left alone for a while. One line per series of failures. */
static sso_rc_e put_off(refresh_t *work, sso_refresh_e want)
{
    sso_ctx_t *ctx = work->ctx;
    sso_session_t *later = copy_of(work);
    apr_interval_time_t pause = pause_after(ctx, later->failures);
    sso_err_t cause = ctx->err;
    sso_rc_e rc;

    later->failures++;
    later->refresh_due = ctx->now + pause;
    sso_log(ctx, later->failures > 1 ? SSO_LOG_INFO : SSO_LOG_WARN, 1003, "refresh: %s: the "
            "session of '%.128s' goes on as it is for %d s: %s", work->provider->name,
            later->remote_user, (int)apr_time_sec(pause), cause.text);
    sso_forgive(ctx);
    rc = replace(work, later);
    if (rc != SSO_OK || want != SSO_REFRESH_ASKED)
        return rc;
    ctx->err = cause; /* whoever asked is told */
    return SSO_UPSTREAM;
}

/* The provider will not renew these any more. */
static sso_rc_e refused(refresh_t *work)
{
    sso_ctx_t *ctx = work->ctx;
    const char *user = work->session->remote_user, *name = work->provider->name;
    sso_session_t *rest;
    sso_kept_t *kept;

    if (work->provider->config->on_refresh_failure == SSO_REFUSED_LOGOUT) {
        sso_log(ctx, SSO_LOG_WARN, 1002, "refresh: %s: the session of '%.128s' ends: %s", name,
                user, ctx->err.text);
        return end(work);
    }
    sso_log(ctx, SSO_LOG_WARN, 1004, "refresh: %s: the session of '%.128s' goes on without "
            "refresh (EdxSSOOnRefreshFailure keep): %s", name, user, ctx->err.text);
    sso_forgive(ctx);
    rest = copy_of(work);
    kept = apr_pmemdup(ctx->pool, work->kept, sizeof(*kept));
    kept->refresh = NULL;
    rest->kept = kept;
    rest->refresh_due = 0;
    rest->failures = 0;
    return replace(work, rest);
}

/* ---- what came */

/* A refresh token that works once is gone when it was used: what came for it is kept at once. */
static sso_rc_e keep_rotated(refresh_t *work, const sso_tokens_t *tokens)
{
    sso_session_t *copy;

    if (!tokens->refresh_token || !strcmp(tokens->refresh_token, work->kept->refresh))
        return SSO_OK;
    copy = copy_of(work);
    sso_identity_keep(work->ctx, work->site, work->provider, tokens, copy);
    copy->refresh_due = work->ctx->now + PAUSE_FIRST; /* should the claims never follow */
    SSO_TRY(replace(work, copy));
    work->stored = tokens->refresh_token;
    return SSO_OK;
}

static int differ(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : a != b;
}

/* It is still the same person, by the provider's word and by ours. */
static const char *other_person(const sso_session_t *old, const sso_session_t *new)
{
    if (differ(old->issuer, new->issuer) || differ(old->subject, new->subject))
        return "the tokens that came are somebody else's (iss, sub)";
    return strcmp(old->remote_user, new->remote_user) ? "REMOTE_USER would be another one" : NULL;
}

/* The same person's session, from what came. */
static sso_rc_e renewed_claims(refresh_t *work, const sso_tokens_t *tokens,
                               sso_session_t **renewed)
{
    sso_wanted_t wanted = { .again = !tokens->id_token };
    sso_tokens_t all = *tokens;
    sso_session_t *found;

    if (!all.id_token)
        all.id_token = work->kept->id;
    wanted.before = &work->session->claims;
    SSO_TRY(sso_identity_find(work->ctx, work->site, work->provider, &wanted, &all, &found));
    found->started = work->session->started;
    found->ends = work->session->ends;
    if (work->session->sid) /* the one by which others can end it */
        found->sid = work->session->sid;
    *renewed = found;
    return SSO_OK;
}

/* What is not given anew is what it was (RFC 6749 6). */
static void complete(const refresh_t *work, sso_tokens_t *tokens)
{
    const sso_kept_t *kept = work->kept;

    if (!tokens->refresh_token)
        tokens->refresh_token = kept->refresh;
    if (!tokens->expires && kept->expires > kept->got)
        tokens->expires = work->ctx->now + (kept->expires - kept->got);
}

static sso_rc_e take_over(refresh_t *work, sso_tokens_t *tokens)
{
    sso_ctx_t *ctx = work->ctx;
    const sso_session_t *before = work->session;
    const char *name = work->provider->name, *wrong;
    sso_session_t *renewed;
    sso_tokens_t kept;
    sso_rc_e rc;

    complete(work, tokens);
    kept = *tokens;
    if (!kept.id_token)
        kept.id_token = work->kept->id;
    SSO_TRY(keep_rotated(work, &kept));
    if (work->beaten)
        return SSO_OK;
    rc = renewed_claims(work, tokens, &renewed);
    if (rc == SSO_DENIED || rc == SSO_BAD_INPUT) {
        sso_log(ctx, SSO_LOG_WARN, 1005, "refresh: %s: the session of '%.128s' ends, by what came "
                "with its new tokens: %s", name, before->remote_user, ctx->err.text);
        return end(work);
    }
    if (rc == SSO_OK && (wrong = other_person(before, renewed)) != NULL) {
        sso_log(ctx, SSO_LOG_WARN, 1006, "refresh: %s: the session of '%.128s' ends: %s", name,
                before->remote_user, wrong);
        return end(work);
    }
    if (rc != SSO_OK) {
        sso_log(ctx, SSO_LOG_WARN, 1007, "refresh: %s: the tokens of '%.128s' are new, the claims "
                "stay as they were: %s", name, before->remote_user, ctx->err.text);
        sso_forgive(ctx);
        renewed = copy_of(work);
    }
    sso_identity_keep(ctx, work->site, work->provider, &kept, renewed);
    renewed->failures = 0;
    return replace(work, renewed);
}

/* ---- all of it */

static sso_rc_e renew(refresh_t *work, sso_refresh_e want)
{
    sso_ctx_t *ctx = work->ctx;
    sso_form_t *extra = sso_form_make(ctx->pool);
    sso_tokens_t tokens;
    sso_rc_e rc;

    sso_request_params(ctx, work->request, work->provider->config->token_param, extra);
    rc = sso_token_refresh(ctx, work->provider, work->kept->refresh, sso_form_text(extra), &tokens);
    sso_metrics_event(ctx, work->provider->http.meter,
                      rc == SSO_OK       ? SSO_EVENT_REFRESH_OK
                      : rc == SSO_DENIED ? SSO_EVENT_REFRESH_REFUSED
                                         : SSO_EVENT_REFRESH_FAILED);
    if (rc == SSO_DENIED && ctx->err.number == SSO_TOKEN_OVER)
        return refused(work);
    if (rc != SSO_OK)
        return put_off(work, want);
    rc = take_over(work, &tokens);
    if (rc == SSO_OK)
        sso_log(ctx, SSO_LOG_DEBUG, 0, "refresh: %s: the tokens of '%.128s' are renewed",
                work->provider->name, work->session->remote_user);
    return rc;
}

sso_rc_e sso_refresh(sso_ctx_t *ctx, const sso_request_t *request, sso_refresh_e want,
                     const sso_session_t **session)
{
    refresh_t work = { .ctx = ctx, .request = request, .site = request->site };
    const sso_session_t *found = *session;
    apr_interval_time_t total;
    sso_rc_e rc;

    work.provider = sso_provider_find(request->site, found->provider);
    total = work.provider->http.total;
    rc = take_lock(ctx, found, total);
    if (rc == SSO_DENIED) {
        if (want == SSO_REFRESH_CALM
            || (want == SSO_REFRESH_NEEDS && found->access_expires > ctx->now))
            return SSO_OK;
        return await(ctx, request->site, total, session);
    }
    SSO_TRY(rc);
    /* what was read before the lock was had may be what somebody else has just replaced */
    SSO_TRY(sso_session_again(ctx, request->site, found, &work.session));
    *session = work.session;
    if (work.session->generation != found->generation
        || sso_session_tokens(ctx, request->site, work.session, &work.kept) != SSO_OK
        || !work.kept->refresh)
        return SSO_OK;
    work.stored = work.kept->refresh;
    rc = renew(&work, want);
    *session = work.session;
    return rc;
}
