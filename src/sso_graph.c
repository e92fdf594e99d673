/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading Graph at a sign-in: calls, profile, picture. Pages of groups are read in
 * sso_graph_groups.c; where a picture is kept is not here.
 */
#include "sso_graph.h"
#include "sso_graph_call.h"

#include "sso_metadata.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define TRIES       3
#define LEAST_TIME  apr_time_from_msec(20) /* with less than that left no call is begun */
#define PROFILE_MAX (64 * 1024)            /* bytes of an answer: it goes into every session */
#define PHOTO_PATH  "/v1.0/me/photos/240x240/$value" /* or a smaller one, if there is no other */

/* Properties of a profile. All are selected by name: most do not come otherwise. */
static const char *const properties[] = {
    "businessPhones", "companyName", "department", "displayName", "employeeId", "givenName",
    "jobTitle", "mail", "mobilePhone", "officeLocation", "onPremisesSamAccountName",
    "preferredLanguage", "surname", "userPrincipalName", "userType"
};

/* Pictures that a browser may be given, by their first bytes; SVG can carry scripts. */
static const struct {
    const char *type, *magic;
    apr_size_t length;
    const char *later; /* what stands at byte 8, or NULL */
} pictures[] = {
    { "image/jpeg", "\xff\xd8\xff", 3, NULL },
    { "image/png", "\x89PNG\r\n\x1a\n", 8, NULL },
    { "image/gif", "GIF87a", 6, NULL },
    { "image/gif", "GIF89a", 6, NULL },
    { "image/webp", "RIFF", 4, "WEBP" },
};

const char *sso_photo_type(sso_bytes_t bytes)
{
    const char *data = bytes.data;
    unsigned i;

    for (i = 0; i < SSO_COUNT(pictures); i++)
        if (bytes.length > 12 && !memcmp(data, pictures[i].magic, pictures[i].length)
            && (!pictures[i].later || !memcmp(data + 8, pictures[i].later, 4)))
            return pictures[i].type;
    return NULL;
}

/* ---- calls */

/* Retry-After in seconds (RFC 9110 10.2.3); a date, or nothing: not within our patience. */
static apr_interval_time_t wait_of(const sso_reply_t *reply)
{
    const char *text = reply->retry_after;

    if (!text || !apr_isdigit(*text) || strlen(text) > 4 || text[strspn(text, "0123456789")])
        return -1;
    return apr_time_from_sec(apr_strtoi64(text, NULL, 10));
}

static int is_throttle(int status)
{
    return status == 429 || status == 503 || status == 504;
}

/* The code of an error answer, for the log: it says more than the status, and nothing secret. */
static const char *code_of(sso_ctx_t *ctx, const sso_reply_t *reply)
{
    const char *code = NULL;
    json_t *body;

    if (sso_json_parse(ctx, "error", reply->body, reply->length, &body) == SSO_OK)
        code = sso_json_text(json_object_get(body, "error"), "code");
    sso_forgive(ctx);
    return code ? code : "no code";
}

static sso_rc_e judge_status(const sso_reading_t *reading, const sso_graph_call_t *call,
                             const sso_reply_t *reply)
{
    sso_ctx_t *ctx = reading->ctx;

    if (reply->status == 200)
        return SSO_OK;
    if (reply->status == 404)
        return SSO_ABSENT;
    if (is_throttle(reply->status))
        return sso_fail(ctx, SSO_UPSTREAM, 820, "status %d, and there is no time to wait for it "
                        "(Retry-After %.32s)", reply->status,
                        reply->retry_after ? reply->retry_after : "not given");
    if (reply->status == 401)
        return sso_fail(ctx, SSO_UPSTREAM, 821, "it does not take the access token (%.64s): is the "
                        "token for another API (EdxSSOScope)?", code_of(ctx, reply));
    if (reply->status == 403)
        return sso_fail(ctx, SSO_UPSTREAM, 822, "the permission %s is missing (%.64s): add it to "
                        "the app registration as a delegated permission of Microsoft Graph, and "
                        "grant consent", call->permission, code_of(ctx, reply));
    return sso_fail(ctx, SSO_UPSTREAM, 823, "status %d (%.64s)", reply->status,
                    code_of(ctx, reply));
}

sso_rc_e sso_graph_call(const sso_reading_t *reading, const sso_graph_call_t *call,
                        sso_reply_t *reply)
{
    sso_ctx_t *ctx = reading->ctx;
    sso_http_policy_t policy = reading->provider->http;
    sso_call_t http = { .what = "Microsoft Graph", .url = call->url, .accept = call->accept,
                        .authorization = reading->authorization, .policy = &policy,
                        .plain_ok = sso_provider_plain_ok(reading->provider, call->url) };
    int tries;

    for (tries = 1; ; tries++) {
        apr_interval_time_t wait;

        policy.total = reading->until - apr_time_now();
        if (policy.total < LEAST_TIME)
            return sso_fail(ctx, SSO_UPSTREAM, 824, "the time of EdxSSOHTTPTimeout is up");
        SSO_TRY(ctx->ports->call(ctx, &http, reply));
        wait = wait_of(reply);
        if (!is_throttle(reply->status) || tries == TRIES || wait < 0
            || apr_time_now() + wait + LEAST_TIME > reading->until)
            return judge_status(reading, call, reply);
        apr_sleep(wait);
    }
}

sso_rc_e sso_graph_json(const sso_reading_t *reading, const sso_graph_call_t *call,
                        json_t **object)
{
    sso_ctx_t *ctx = reading->ctx;
    sso_reply_t reply;
    sso_rc_e rc = sso_graph_call(reading, call, &reply);

    if (rc == SSO_ABSENT)
        return sso_fail(ctx, SSO_UPSTREAM, 825, "status 404 (%.64s)", code_of(ctx, &reply));
    SSO_TRY(rc);
    if (!strstr(reply.content_type, "json"))
        return sso_fail(ctx, SSO_UPSTREAM, 826, "content type '%.64s' is not JSON",
                        reply.content_type);
    return sso_json_parse(ctx, "answer", reply.body, reply.length, object);
}

/* ---- profile */

/* A text, or a list of texts; anything else is no property of ours. */
static int is_plain(const json_t *value)
{
    const json_t *item;
    size_t i;

    json_array_foreach(value, i, item) {
        if (!json_is_string(item))
            return 0;
    }
    return json_is_string(value) || json_is_array(value);
}

/* A profile speaks of the user of the id_token. (Personal accounts have another id at Graph.) */
static sso_rc_e check_who(sso_ctx_t *ctx, const json_t *said, const json_t *claims)
{
    const char *id = sso_json_text(said, "id"), *oid = sso_json_text(claims, "oid");
    const char *tid = sso_json_text(claims, "tid");

    if (!oid || !tid || !strcasecmp(tid, SSO_TENANT_CONSUMERS) || (id && !strcasecmp(id, oid)))
        return SSO_OK;
    return sso_fail(ctx, SSO_DENIED, 827, "its id is not the id_token's oid: it speaks of somebody "
                    "else");
}

static sso_rc_e read_profile(const sso_reading_t *reading, json_t *claims)
{
    sso_ctx_t *ctx = reading->ctx;
    sso_graph_call_t call = { NULL, NULL, "User.Read" };
    const char *url = apr_pstrcat(ctx->pool, reading->root, "/v1.0/me?$select=id", NULL);
    json_t *said;
    unsigned i;

    for (i = 0; i < SSO_COUNT(properties); i++)
        url = apr_pstrcat(ctx->pool, url, ",", properties[i], NULL);
    call.url = url;
    SSO_TRY(sso_graph_json(reading, &call, &said));
    SSO_TRY(check_who(ctx, said, claims));
    if (strlen(sso_json_print(ctx->pool, said)) > PROFILE_MAX)
        return sso_fail(ctx, SSO_UPSTREAM, 828, "over %d KiB", PROFILE_MAX / 1024);
    for (i = 0; i < SSO_COUNT(properties); i++) {
        json_t *value = json_object_get(said, properties[i]);

        if (is_plain(value) && !json_object_get(claims, properties[i]))
            json_object_set(claims, properties[i], value);
    }
    return SSO_OK;
}

/* ---- groups */

/* The list was too long for the token (hasgroups: for one that came in a URL). */
static int is_overage(const json_t *claims)
{
    const json_t *has = json_object_get(claims, "hasgroups");

    return json_object_get(json_object_get(claims, "_claim_names"), "groups")
           || json_is_true(has)
           || (json_is_string(has) && !strcasecmp(json_string_value(has), "true"));
}

/* A list that could not be read to its end is no list. */
static sso_rc_e read_groups(const sso_reading_t *reading, json_t *claims)
{
    const char *tid = sso_json_text(claims, "tid");
    json_t *groups = NULL;
    sso_rc_e rc;

    json_object_del(claims, "groups");
    json_object_del(claims, "hasgroups");
    json_object_del(claims, "_claim_names");
    json_object_del(claims, "_claim_sources");
    if (!reading->root || (tid && !strcasecmp(tid, SSO_TENANT_CONSUMERS)))
        return SSO_OK; /* a personal account is in no group */
    rc = sso_graph_groups(reading, &groups);
    if (rc == SSO_OK)
        json_object_set_new(claims, "groups", groups);
    return rc;
}

/* ---- picture */

static sso_rc_e read_photo(const sso_reading_t *reading, sso_photo_t *photo)
{
    sso_ctx_t *ctx = reading->ctx;
    sso_graph_call_t call = { NULL, "image/jpeg, image/png, image/gif, image/webp",
                              "User.Read" };
    sso_bytes_t bytes;
    sso_reply_t reply;
    const char *type;
    sso_rc_e rc;

    call.url = apr_pstrcat(ctx->pool, reading->root, PHOTO_PATH, NULL);
    rc = sso_graph_call(reading, &call, &reply);
    photo->none = rc == SSO_ABSENT;
    if (rc != SSO_OK)
        return rc == SSO_ABSENT ? SSO_OK : rc;
    bytes.data = reply.body;
    bytes.length = reply.length;
    type = sso_photo_type(bytes);
    if (!type || strcmp(type, reply.content_type))
        return sso_fail(ctx, SSO_UPSTREAM, 829, "content type '%.64s', and %s", reply.content_type,
                        type ? "what came is another" : "what came is no picture");
    if (reply.length > SSO_PHOTO_MAX)
        return sso_fail(ctx, SSO_UPSTREAM, 830, "a picture over %d KiB", SSO_PHOTO_MAX / 1024);
    photo->bytes = bytes;
    return SSO_OK;
}

/* ---- all of it */

/* Where Graph is: said, or in the metadata as a host. */
static sso_rc_e find_root(sso_reading_t *reading)
{
    sso_ctx_t *ctx = reading->ctx;
    const sso_provider_t *provider = reading->provider;
    const sso_metadata_t *metadata = NULL;
    const char *root = provider->config->graph_root;

    sso_rc_e rc = root ? SSO_OK : sso_documents_metadata(ctx, provider, &metadata);

    if (rc != SSO_OK && rc != SSO_ABSENT)
        return rc;
    if (metadata && metadata->msgraph_host && *metadata->msgraph_host)
        root = apr_pstrcat(ctx->pool, "https://", metadata->msgraph_host, NULL);
    if (!root || sso_url_parse(ctx->pool, root, &reading->origin) != SSO_OK
        || (metadata && (*reading->origin.path || reading->origin.query)))
        return sso_fail(ctx, SSO_MISCONFIG, 831, "the metadata do not say where Microsoft Graph is "
                        "(msgraph_host): EdxSSOGraphRoot must");
    reading->root = root;
    return SSO_OK;
}

sso_rc_e sso_graph_root(sso_ctx_t *ctx, const sso_provider_t *provider, const char **root)
{
    sso_reading_t reading = { .ctx = ctx, .provider = provider };

    SSO_TRY(find_root(&reading));
    *root = reading.root;
    return SSO_OK;
}

/* What failed is missing; the sign-in goes on. */
static void note(const sso_reading_t *reading, const char *part, sso_rc_e rc)
{
    sso_ctx_t *ctx = reading->ctx;

    if (rc != SSO_OK)
        sso_log(ctx, SSO_LOG_WARN, ctx->err.number, "%s: graph: %s: %s; the sign-in goes on "
                "without", reading->provider->name, part, ctx->err.text);
    sso_forgive(ctx);
}

void sso_graph_add(sso_ctx_t *ctx, const sso_provider_t *provider, const sso_tokens_t *tokens,
                   json_t *claims, sso_photo_t *photo)
{
    sso_reading_t reading = { .ctx = ctx, .provider = provider };
    unsigned plan = provider->graph;
    sso_rc_e rc = SSO_OK;

    memset(photo, 0, sizeof(*photo));
    if (plan & SSO_GRAPH_OVERAGE && is_overage(claims))
        plan |= SSO_GRAPH_GROUPS;
    if (!(plan & ~(unsigned)SSO_GRAPH_OVERAGE))
        return;
    reading.until = apr_time_now() + provider->http.total;
    if (!tokens->access_token)
        rc = sso_fail(ctx, SSO_UPSTREAM, 832, "the token endpoint gave no access token");
    else {
        reading.authorization = apr_pstrcat(ctx->pool, "Bearer ", tokens->access_token, NULL);
        rc = find_root(&reading);
    }
    note(&reading, "nothing can be asked", rc);
    if (plan & SSO_GRAPH_GROUPS)
        note(&reading, "groups", read_groups(&reading, claims));
    if (plan & SSO_GRAPH_PROFILE && reading.root)
        note(&reading, "profile", read_profile(&reading, claims));
    if (plan & SSO_GRAPH_PHOTO && reading.root)
        note(&reading, "photo", read_photo(&reading, photo));
}
