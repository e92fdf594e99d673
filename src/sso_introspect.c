/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking about opaque tokens, what is believed of the answer, and how often it is done. Answers
 * that were good are remembered by sso_verified.c.
 */
#include "sso_introspect.h"

#include "sso_client_auth.h"
#include "sso_json.h"

#include <apr_strings.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define WHAT         "introspection"
#define SIGNED_TYPE  "application/token-introspection+jwt"
#define SWAPS_MAX    8
#define ALL          "of all"

/* ---- how often */

static sso_rc_e entry_key(sso_ctx_t *ctx, const sso_provider_t *provider, const char *which,
                          apr_time_t window, sso_store_key_t *key)
{
    sso_bytes_t parts[] = { sso_bytes("introspection"), sso_bytes(which),
                            { provider->policy, sizeof(provider->policy) },
                            { &window, sizeof(window) } };

    return sso_digest(ctx, parts, SSO_COUNT(parts), key->bytes);
}

/* A count in the store, which all processes share. Changes by @a step; never below 0. */
static sso_rc_e count(sso_ctx_t *ctx, const sso_provider_t *provider, const char *whose, int step,
                      apr_uint32_t *now)
{
    apr_time_t window = ctx->now / SSO_INTROSPECT_WINDOW;
    sso_store_item_t item = { .length = sizeof(*now), .class = SSO_STORE_PLAIN,
                              .expires = (window + 1) * SSO_INTROSPECT_WINDOW };
    sso_store_entry_t entry;
    sso_store_key_t key;
    int turn;

    SSO_TRY(entry_key(ctx, provider, whose, window, &key));
    for (turn = 0; turn < SWAPS_MAX; turn++) {
        apr_uint32_t value = 0;
        sso_rc_e rc = sso_store_get(ctx, ctx->ports->store, &key, 0, &entry);

        if (rc == SSO_OK && entry.length == sizeof(value))
            memcpy(&value, entry.value, sizeof(value));
        else if (rc != SSO_ABSENT && rc != SSO_OK)
            return rc;
        *now = value = step < 0 && !value ? 0 : value + (apr_uint32_t)step;
        item.value = &value;
        rc = rc == SSO_OK ? sso_store_swap(ctx, ctx->ports->store, &key, entry.version, &item)
                          : sso_store_add(ctx, ctx->ports->store, &key, &item);
        if (rc != SSO_DENIED && rc != SSO_ABSENT)
            return rc;
    }
    *now = 0; /* many at once, none of them lost for long */
    return SSO_OK;
}

/* Whose doing it is: an address, of IPv6 its network, since a client has all of one. */
static const char *client_of(apr_pool_t *pool, const char *peer)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return peer && inet_pton(AF_INET6, peer, bytes) == 1
               ? apr_pstrcat(pool, "of ", sso_hex(pool, bytes, sizeof(bytes) / 2), NULL)
               : apr_pstrcat(pool, "of ", peer ? peer : "", NULL);
}

/* Take one from what may be asked about unknown texts. */
static sso_rc_e reserve(sso_ctx_t *ctx, const sso_provider_t *provider, const char *client)
{
    const struct {
        const char *whose, *words;
        apr_uint32_t most;
    } limits[] = {
        { client, " of this client", SSO_INTROSPECT_MISSES_MAX },
        { ALL, "", SSO_INTROSPECT_ALL_MAX },
    };
    apr_uint32_t now;
    unsigned i;

    for (i = 0; i < SSO_COUNT(limits); i++) {
        SSO_TRY(count(ctx, provider, limits[i].whose, 1, &now));
        if (now > limits[i].most)
            return sso_fail(ctx, SSO_UPSTREAM, 1143, WHAT ": %d texts%s that are no tokens have "
                            "been asked about within a minute; no more in this one",
                            (int)limits[i].most, limits[i].words);
    }
    return SSO_OK;
}

/* It is a token: give back what was taken. */
static void give_back(sso_ctx_t *ctx, const sso_provider_t *provider, const char *client)
{
    apr_uint32_t now;

    if (count(ctx, provider, client, -1, &now) != SSO_OK
        || count(ctx, provider, ALL, -1, &now) != SSO_OK)
        sso_forgive(ctx);
}

/* A failure is everybody's for a moment: requests do not queue up before a server that hangs. */
static sso_rc_e check_down(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    sso_store_entry_t entry;
    sso_store_key_t key;
    sso_rc_e rc;

    if (!ctx->ports->store)
        return SSO_OK;
    SSO_TRY(entry_key(ctx, provider, "down", 0, &key));
    rc = sso_store_get(ctx, ctx->ports->store, &key, 0, &entry);
    if (rc == SSO_OK)
        return sso_fail(ctx, SSO_UPSTREAM, 1144, WHAT ": it failed a moment ago");
    return rc == SSO_ABSENT ? SSO_OK : rc;
}

static void note_down(sso_ctx_t *ctx, const sso_provider_t *provider)
{
    sso_store_item_t item = { .value = "", .class = SSO_STORE_PLAIN,
                              .expires = ctx->now + SSO_INTROSPECT_DOWN };
    sso_store_key_t key;

    if (ctx->ports->store && entry_key(ctx, provider, "down", 0, &key) == SSO_OK)
        sso_store_put(ctx, ctx->ports->store, &key, &item);
}

/* ---- the answer */

/* RFC 9701 5: signed by the provider, for us; what it says is one claim of it. */
static sso_rc_e read_signed(sso_ctx_t *ctx, const sso_provider_t *provider, const char *text,
                            json_t **said)
{
    const char *issuer;
    sso_jwt_t *jwt;
    sso_rc_e rc = sso_token_verify(ctx, provider, WHAT, text, 0, &jwt);

    if (rc != SSO_OK)
        return rc == SSO_BROKEN ? rc : SSO_UPSTREAM;
    issuer = sso_json_text(jwt->claims, "iss");
    if (!jwt->typ || (strcasecmp(jwt->typ, "token-introspection+jwt")
                      && strcasecmp(jwt->typ, SIGNED_TYPE)))
        return sso_fail(ctx, SSO_UPSTREAM, 1145, WHAT ": the signed answer is a JWT of another "
                        "kind");
    if (!issuer || (provider->issuers && !sso_list_has(provider->issuers, issuer)))
        return sso_fail(ctx, SSO_UPSTREAM, 1146, WHAT ": the signed answer is another issuer's");
    if (!sso_json_has(json_object_get(jwt->claims, "aud"), provider->config->client_id))
        return sso_fail(ctx, SSO_UPSTREAM, 1147, WHAT ": the signed answer is not for this site");
    *said = json_object_get(jwt->claims, "token_introspection");
    if (!json_is_object(*said))
        return sso_fail(ctx, SSO_UPSTREAM, 1148, WHAT ": the signed answer has no "
                        "token_introspection");
    return SSO_OK;
}

static sso_rc_e read_answer(sso_ctx_t *ctx, const sso_provider_t *provider,
                            const sso_reply_t *reply, json_t **said)
{
    if (reply->status == 429 || reply->status == 503) {
        ctx->err.detail = reply->retry_after;
        return sso_fail(ctx, SSO_UPSTREAM, 1149, WHAT ": it asks for patience (status %d)",
                        reply->status);
    }
    if (reply->status != 200)
        return sso_fail(ctx, SSO_UPSTREAM, 1150, WHAT ": status %d%s", reply->status,
                        reply->status == 401 || reply->status == 403
                            ? ": it does not take this site's client id and secret, or does not "
                              "let it ask" : "");
    if (!strcmp(reply->content_type, SIGNED_TYPE))
        return read_signed(ctx, provider, reply->body, said);
    if (!strstr(reply->content_type, "json"))
        return sso_fail(ctx, SSO_UPSTREAM, 1151, WHAT ": content type '%.64s' is not JSON",
                        reply->content_type);
    if (sso_json_parse(ctx, WHAT, reply->body, reply->length, said) != SSO_OK) {
        const char *why = apr_pstrdup(ctx->pool, ctx->err.text);

        sso_forgive(ctx); /* not the client's bad input: the provider's */
        return sso_fail(ctx, SSO_UPSTREAM, 1152, "%s", why);
    }
    return SSO_OK;
}

static int has_audience(const sso_provider_t *provider, const json_t *aud)
{
    int i;

    for (i = 0; i < provider->audiences->nelts; i++)
        if (sso_json_has(aud, APR_ARRAY_IDX(provider->audiences, i, const char *)))
            return 1;
    return 0;
}

static sso_rc_e judge_times(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *said)
{
    apr_int64_t skew = apr_time_sec(provider->config->clock_skew);
    apr_int64_t now = apr_time_sec(sso_wall(ctx)), when;

    if (json_object_get(said, "exp")
        && (!sso_json_whole(said, "exp", &when) || when <= now - skew))
        return sso_fail(ctx, SSO_DENIED, 1153, WHAT ": active, and expired");
    if (json_object_get(said, "nbf")
        && (!sso_json_whole(said, "nbf", &when) || when > now + skew))
        return sso_fail(ctx, SSO_DENIED, 1154, WHAT ": active, and not valid yet");
    return SSO_OK;
}

/* RFC 7662 2.2. What is there must be right; `active` must be there, and nothing but true. */
static sso_rc_e judge(sso_ctx_t *ctx, const sso_provider_t *provider, const json_t *said)
{
    const json_t *aud = json_object_get(said, "aud"), *iss = json_object_get(said, "iss");
    const json_t *type = json_object_get(said, "token_type");

    if (!sso_json_true(said, "active"))
        return sso_fail(ctx, SSO_DENIED, 1155, WHAT ": the token is not active");
    if (aud && !has_audience(provider, aud))
        return sso_fail(ctx, SSO_DENIED, 1156, WHAT ": audience %.150s is not in EdxSSOAudience",
                        sso_json_print(ctx->pool, aud));
    if (iss && (!json_is_string(iss)
                || (provider->issuers && !sso_list_has(provider->issuers,
                                                       json_string_value(iss)))))
        return sso_fail(ctx, SSO_DENIED, 1157, WHAT ": issuer %.150s is another one",
                        sso_json_print(ctx->pool, iss));
    if (type && (!json_is_string(type) || (strcasecmp(json_string_value(type), "Bearer")
                                           && strcasecmp(json_string_value(type), "JWT"))))
        return sso_fail(ctx, SSO_DENIED, 1158, WHAT ": token_type %.60s is not Bearer",
                        sso_json_print(ctx->pool, type));
    SSO_TRY(judge_times(ctx, provider, said));
    SSO_TRY(sso_access_refuse(ctx, said));
    if (!sso_json_text(said, "sub") && !sso_json_text(said, "username"))
        return sso_fail(ctx, SSO_DENIED, 1159, WHAT ": the answer names nobody: neither sub nor "
                        "username");
    return provider->kind->judge_bearer ? provider->kind->judge_bearer(ctx, provider, said)
                                        : SSO_OK;
}

/* ---- the question */

static sso_rc_e call(sso_ctx_t *ctx, const sso_provider_t *provider, const char *url,
                     const char *token, json_t **said)
{
    sso_call_t question = { .what = WHAT, .url = url, .policy = &provider->http,
                            .accept = "application/json, " SIGNED_TYPE ";q=0.9" };
    sso_form_t *form = sso_form_make(ctx->pool);
    sso_reply_t reply;

    question.plain_ok = sso_provider_plain_ok(provider, url);
    sso_form_add(form, "token", token);
    sso_form_add(form, "token_type_hint", "access_token");
    SSO_TRY(sso_client_auth_prove(ctx, provider, 0, form, &question));
    question.body = sso_form_text(form);
    question.body_length = strlen(question.body);
    SSO_TRY(ctx->ports->call(ctx, &question, &reply));
    return read_answer(ctx, provider, &reply, said);
}

/* @a client: whom it is counted for; NULL: nobody */
static sso_rc_e ask(sso_ctx_t *ctx, const sso_provider_t *provider, const char *token,
                    const char *client, json_t **said)
{
    const char *url;
    sso_rc_e rc;

    SSO_TRY(sso_provider_endpoint(ctx, provider, SSO_ENDPOINT_INTROSPECTION, &url));
    SSO_TRY(check_down(ctx, provider));
    if (client)
        SSO_TRY(reserve(ctx, provider, client));
    rc = call(ctx, provider, url, token, said);
    /* not for any other failure: one that a certain text brings about must not stop all others */
    if (rc == SSO_UPSTREAM && (SSO_HTTP_UNREACHABLE(ctx->err.number) || ctx->err.number == 1149))
        note_down(ctx, provider);
    if (rc == SSO_OK)
        rc = judge(ctx, provider, *said);
    if (rc == SSO_OK && client)
        give_back(ctx, provider, client);
    return rc;
}

sso_rc_e sso_introspect(sso_ctx_t *ctx, const sso_accepted_t *accepted, const char *token,
                        int known, const sso_provider_t **provider, const json_t **claims)
{
    const char *client = known || !ctx->ports->store ? NULL
                                                     : client_of(ctx->pool, accepted->peer);
    sso_err_t why = { .rc = SSO_OK };
    json_t *said = NULL;
    int i;

    for (i = 0; i < accepted->providers->nelts; i++) {
        const sso_provider_t *candidate = APR_ARRAY_IDX(accepted->providers, i,
                                                        const sso_provider_t *);
        sso_rc_e rc;

        if (!sso_access_takes(accepted, candidate))
            continue;
        rc = sso_within(ctx, ask(ctx, candidate, token, client, &said), candidate->name);
        if (rc == SSO_OK) {
            *provider = candidate;
            *claims = said;
            return SSO_OK;
        }
        /* that one cannot be asked just now counts for more than that the others do not know it */
        if (rc != SSO_ABSENT && (why.rc == SSO_OK || rc == SSO_UPSTREAM)) {
            why = ctx->err;
            why.rc = rc;
        }
        sso_forgive(ctx);
    }
    if (why.rc == SSO_OK)
        return sso_fail(ctx, SSO_DENIED, 1160, "it is no JWT, and no provider that is accepted "
                        "here has an introspection endpoint");
    ctx->err = why;
    return why.rc;
}
