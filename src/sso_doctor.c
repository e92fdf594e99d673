/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The visit: one check after the other, a row each. What a failure's number means to an
 * administrator in a hurry is in a table, too.
 */
#include "sso_doctor.h"

#include "sso_client_auth.h"
#include "sso_graph.h"
#include "sso_idmap.h"
#include "sso_json.h"
#include "sso_metadata.h"
#include "sso_url.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <string.h>

#define RENEW_DAYS 14 /* a certificate with less is worth a word */
#define PROBE_BYTES 32

typedef struct exam_t {
    sso_ctx_t *ctx;
    const sso_visit_t *visit;
    const sso_provider_t *provider;
    const char *check;
    apr_array_header_t *seen; /* of const char *: origins that have been called */
    apr_array_header_t *down; /* of const char *: those of them that did not answer */
    int wrong;
} exam_t;

/* ---- telling */

static const struct {
    int first, last; /* message numbers, inclusive */
    const char *mend;
} mends[] = {
    { 303, 303, "use https, or name the http URL in a directive of the section" },
    { 305, 305, "is the host's name right? does this machine resolve it (getent hosts NAME)?" },
    { 306, 308, "does it run, on that port? does a firewall, or a proxy that only EdxSSOHTTPProxy "
                "would use, stand between?" },
    { 309, 309, "does that port speak TLS 1.2 or later?" },
    { 310, 311, "is EdxSSOHTTPProxy right, and does it let this host through?" },
    { 312, 313, "does that port speak what the URL says, http or https?" },
    { 314, 314, "EdxSSOHTTPCAFile names the authority where it is one of your own" },
    { 315, 315, "use the name that the certificate is for" },
    { 316, 317, "renew the certificate; or is this machine's clock wrong?" },
    { 318, 320, "EdxSSOHTTPCAFile names the authority where it is one of your own; else the "
                "server does not send its intermediate certificates" },
    { 342, 342, "give a PEM file that the user httpd runs as can read" },
    { 356, 357, "is that the right URL? see EdxSSOIssuer and EdxSSODiscovery" },
    { 370, 371, "EdxSSOIssuer must be that text, to the last slash" },
    { 372, 373, "EdxSSOEndpoint gives the URL that is wanted" },
    { 374, 375, "is that the right URL? open it in a browser" },
    { 416, 430, "see EdxSSOClientAuth and what belongs to it" },
    { 831, 831, "EdxSSOGraphRoot https://graph.microsoft.com" },
};

const char *sso_doctor_mend(int number)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(mends); i++)
        if (number >= mends[i].first && number <= mends[i].last)
            return mends[i].mend;
    return NULL;
}

/* What a provider says may repeat what it was told. */
static const char *without_secret(const exam_t *x, const char *text)
{
    const sso_provider_t *providers[] = { x->provider,
                                          x->provider->idmap ? x->provider->idmap->api : NULL };
    unsigned i;

    for (i = 0; i < SSO_COUNT(providers); i++) {
        const sso_secret_t *secret =
            providers[i] ? sso_secret_first(providers[i]->config->client_secret) : NULL;

        if (secret && secret->text && *secret->text && strstr(text, secret->text))
            return "(what it says repeats the secret, and is left out)";
    }
    return text;
}

static void tell(exam_t *x, sso_health_e health, const char *text, const char *mend)
{
    /* what a provider says must not do things to a terminal */
    sso_finding_t finding = { x->check, health,
                              apr_pescape_echo(x->ctx->pool, without_secret(x, text), 0), mend };

    x->wrong += health == SSO_HEALTH_WRONG;
    x->visit->tell(x->visit->baton, &finding);
}

/* A failure that was noted, and on to the next check. */
static void tell_failure(exam_t *x)
{
    sso_err_t err = x->ctx->err;

    sso_forgive(x->ctx);
    tell(x, SSO_HEALTH_WRONG, apr_psprintf(x->ctx->pool, "SSO%04d: %s", err.number, err.text),
         sso_doctor_mend(err.number));
}

/* ---- hosts */

static const char *origin_of(const exam_t *x, const char *url)
{
    sso_url_t parsed;

    return url && sso_url_parse(x->ctx->pool, url, &parsed) == SSO_OK ? parsed.origin : "";
}

static const char *certificate_words(const exam_t *x, const sso_reply_t *reply)
{
    int days = (int)(apr_time_sec(reply->certificate_end - x->ctx->now) / 86400);

    if (!reply->certificate_end)
        return "";
    return apr_psprintf(x->ctx->pool, ", certificate good for %d day%s", days,
                        days == 1 ? "" : "s");
}

static void judge_host(exam_t *x, const char *origin, const sso_reply_t *reply)
{
    apr_pool_t *pool = x->ctx->pool;
    apr_time_t now = apr_time_now();
    int apart = reply->date ? (int)apr_time_sec(reply->date - now) : 0;
    int limit = (int)apr_time_sec(x->provider->config->clock_skew);
    const char *text = apr_psprintf(pool, "%s answers%s", origin, certificate_words(x, reply));

    if (reply->date)
        text = apr_psprintf(pool, "%s, clocks are %d s apart", text, apart < 0 ? -apart : apart);
    if (apart > limit + 1 || -apart > limit + 1)
        tell(x, SSO_HEALTH_WRONG, apr_psprintf(pool, "%s: its clock is %s this machine's, by more "
                                               "than EdxSSOClockSkew", text,
                                               apart > 0 ? "ahead of" : "behind"),
             "set the clocks by NTP (timedatectl): tokens are refused otherwise");
    else if (reply->certificate_end
             && reply->certificate_end < now + apr_time_from_sec(RENEW_DAYS * 86400))
        tell(x, SSO_HEALTH_NOTE, text, "the certificate has to be renewed soon");
    else
        tell(x, SSO_HEALTH_OK, text, NULL);
}

/* Any answer will do: what is looked at is the way there. */
static void visit_host(exam_t *x, const char *what, const char *url)
{
    sso_call_t call = { .what = what, .url = url, .accept = "*/*", .inspect = 1,
                        .policy = &x->provider->http };
    const char *origin = origin_of(x, url);
    sso_reply_t reply;

    if (!*origin || sso_list_has(x->seen, origin))
        return;
    APR_ARRAY_PUSH(x->seen, const char *) = origin;
    call.plain_ok = sso_provider_plain_ok(x->provider, url);
    if (x->ctx->ports->call(x->ctx, &call, &reply) == SSO_OK) {
        judge_host(x, origin, &reply);
        return;
    }
    if (x->ctx->err.number != 301) { /* an answer without end is one, too */
        APR_ARRAY_PUSH(x->down, const char *) = origin;
        tell_failure(x);
    }
    sso_forgive(x->ctx);
}

static int is_down(const exam_t *x, const char *url)
{
    return sso_list_has(x->down, origin_of(x, url));
}

/* Endpoints that this server calls; the others are for browsers. */
static int called(sso_endpoint_e which)
{
    return which != SSO_ENDPOINT_AUTHORIZATION && which != SSO_ENDPOINT_END_SESSION;
}

static void check_hosts(exam_t *x)
{
    int i;

    if (x->provider->metadata_url)
        visit_host(x, "metadata", x->provider->metadata_url);
    for (i = 0; i < SSO_ENDPOINT_COUNT; i++)
        if (called((sso_endpoint_e)i) && x->provider->endpoint[i])
            visit_host(x, sso_endpoint_name((sso_endpoint_e)i), x->provider->endpoint[i]);
}

/* ---- documents */

static void check_metadata(exam_t *x)
{
    const char *url = x->provider->metadata_url;
    const sso_metadata_t *metadata;
    int i;

    if (!url || is_down(x, url))
        return;
    if (sso_documents_metadata(x->ctx, x->provider, &metadata) != SSO_OK) {
        tell_failure(x);
        APR_ARRAY_PUSH(x->down, const char *) = origin_of(x, url);
        return;
    }
    tell(x, SSO_HEALTH_OK, apr_psprintf(x->ctx->pool, "%s, issuer %s", url, metadata->issuer),
         NULL);
    x->check = "host";
    for (i = 0; i < SSO_ENDPOINT_COUNT; i++)
        if (called((sso_endpoint_e)i) && !x->provider->endpoint[i] && metadata->endpoint[i])
            visit_host(x, sso_endpoint_name((sso_endpoint_e)i), metadata->endpoint[i]);
}

/* The URL of an endpoint that may be called; NULL: there is none, or nobody answers there. */
static const char *reachable(exam_t *x, sso_endpoint_e which)
{
    const char *url = NULL;

    if (!x->provider->endpoint[which] && x->provider->metadata_url
        && is_down(x, x->provider->metadata_url))
        return NULL;
    if (sso_provider_endpoint(x->ctx, x->provider, which, &url) != SSO_OK)
        sso_forgive(x->ctx);
    return url && !is_down(x, url) ? url : NULL;
}

static void check_keys(exam_t *x)
{
    const char *url = x->provider->config->sign_in ? reachable(x, SSO_ENDPOINT_JWKS) : NULL;
    const sso_keys_t *keys = NULL;

    if (x->provider->keys)
        tell(x, SSO_HEALTH_OK, apr_pstrcat(x->ctx->pool, "configured: ",
                                           sso_keys_describe(x->ctx->pool, x->provider->keys),
                                           NULL), NULL);
    if (url && sso_documents_keys(x->ctx, x->provider, 0, &keys) != SSO_OK)
        tell_failure(x);
    else if (url)
        tell(x, SSO_HEALTH_OK, apr_pstrcat(x->ctx->pool, url, ": ",
                                           sso_keys_describe(x->ctx->pool, keys), NULL), NULL);
    else if (!x->provider->keys && x->provider->config->sign_in
             && x->provider->config->trust_token_endpoint)
        tell(x, SSO_HEALTH_NOTE, "none: what the token endpoint hands over is believed because of "
             "the way it came (EdxSSOTrustTokenEndpoint)", "EdxSSOJWKS, where there are keys");
}

/* ---- who we are there */

static const struct {
    const char *error;
    sso_health_e health;
    const char *text, *mend;
} verdicts[] = {
    { "invalid_grant", SSO_HEALTH_OK, "the client is known, and its secret is right (a made-up "
      "code was refused, as it should be)", NULL },
    { "bad_verification_code", SSO_HEALTH_OK, "the client is known, and its secret is right (a "
      "made-up code was refused, as it should be)", NULL },
    { "invalid_client", SSO_HEALTH_WRONG, "the client or its secret is refused",
      "compare EdxSSOClientID and EdxSSOClientSecret with what the provider has; is "
      "EdxSSOClientAuth how it wants them?" },
    { "incorrect_client_credentials", SSO_HEALTH_WRONG, "the client or its secret is refused",
      "compare EdxSSOClientID and EdxSSOClientSecret with what the provider has" },
    { "unauthorized_client", SSO_HEALTH_WRONG, "the client may not do this, or is not known there",
      "at an LMS the application has the grant type 'Authorization code' (for EdxSSOSignIn off: "
      "'Client credentials'); at Entra EdxSSOTenant is the one it is registered in" },
    { "unsupported_grant_type", SSO_HEALTH_WRONG, "it does not take codes", "is that the token "
      "endpoint?" },
};

/*
 * A section without sign-in is nothing but a client. And Entra looks at a code before it looks at
 * the secret, and gives an application a token of its own.
 */
static int by_own_token(const sso_provider_t *provider)
{
    static const char *const many[] = { "common", "organizations", "consumers" };
    const char *tenant = provider->config->tenant;
    unsigned i;

    if (!provider->config->sign_in)
        return 1;
    for (i = 0; tenant && i < SSO_COUNT(many); i++)
        if (!strcasecmp(tenant, many[i]))
            return 0;
    return provider->kind == &sso_kind_entra;
}

/* What such a token is asked for: at Entra a resource, elsewhere what the section says. */
static const char *own_scope(exam_t *x)
{
    const apr_array_header_t *scope = x->provider->config->scope;
    const char *root = "https://graph.microsoft.com";

    if (x->provider->kind != &sso_kind_entra)
        return scope ? apr_array_pstrcat(x->ctx->pool, scope, ' ') : NULL;
    if (sso_graph_root(x->ctx, x->provider, &root) != SSO_OK)
        sso_forgive(x->ctx);
    return apr_pstrcat(x->ctx->pool, root, "/.default", NULL);
}

static sso_rc_e probe_form(exam_t *x, sso_form_t *form)
{
    const char *code;

    if (by_own_token(x->provider)) {
        sso_form_add(form, "grant_type", "client_credentials");
        sso_form_add(form, "scope", own_scope(x));
        return SSO_OK;
    }
    SSO_TRY(sso_random_text(x->ctx, PROBE_BYTES, &code));
    sso_form_add(form, "grant_type", "authorization_code");
    sso_form_add(form, "code", code);
    sso_form_add(form, "redirect_uri", x->visit->redirect_uri);
    if (x->provider->config->pkce)
        sso_form_add(form, "code_verifier", apr_pstrcat(x->ctx->pool, code, code, NULL));
    return SSO_OK;
}

static sso_rc_e probe(exam_t *x, const char *url, sso_reply_t *reply)
{
    sso_form_t *form = sso_form_make(x->ctx->pool);
    sso_call_t call = { .what = "token endpoint", .url = url, .once = 1,
                        .policy = &x->provider->http };

    call.plain_ok = sso_provider_plain_ok(x->provider, url);
    SSO_TRY(probe_form(x, form));
    SSO_TRY(sso_client_auth_prove(x->ctx, x->provider, 0, form, &call));
    call.body = sso_form_text(form);
    call.body_length = strlen(call.body);
    return x->ctx->ports->call(x->ctx, &call, reply);
}

/* What the answer to the probe says about the client. */
static void judge_probe(exam_t *x, const char *url, const sso_reply_t *reply)
{
    apr_pool_t *pool = x->ctx->pool;
    const char *error, *more;
    json_t *answer = NULL;
    unsigned i;

    if (!strstr(reply->content_type, "json")
        || sso_json_parse(x->ctx, "token endpoint", reply->body, reply->length, &answer) != SSO_OK)
        sso_forgive(x->ctx);
    error = sso_json_text(answer, "error");
    more = sso_json_text(answer, "error_description");
    if (reply->status == 200 && sso_json_text(answer, "access_token")) {
        tell(x, SSO_HEALTH_OK, "the client is known, and its secret is right", NULL);
        return;
    }
    for (i = 0; error && i < SSO_COUNT(verdicts); i++)
        if (!strcmp(error, verdicts[i].error)) {
            tell(x, verdicts[i].health,
                 verdicts[i].health == SSO_HEALTH_OK
                     ? verdicts[i].text
                     : apr_psprintf(pool, "%s (error=%s%s%.200s)", verdicts[i].text, error,
                                    more ? ": " : "", more ? more : ""), verdicts[i].mend);
            return;
        }
    if (error || reply->status == 429 || reply->status == 503)
        tell(x, SSO_HEALTH_NOTE, apr_psprintf(pool, "cannot be told: %s answers %d%s%.64s%s%.200s",
                                              url, reply->status, error ? " error=" : "",
                                              error ? error : "", more ? ": " : "",
                                              more ? more : ""), NULL);
    else
        tell(x, SSO_HEALTH_WRONG, apr_psprintf(pool, "%s answers %d and no OAuth error: it is no "
                                               "token endpoint", url, reply->status),
             "is EdxSSOURLRoot, EdxSSOIssuer or EdxSSOEndpoint token right?");
}

static void check_client(exam_t *x)
{
    const char *url = reachable(x, SSO_ENDPOINT_TOKEN);
    sso_reply_t reply;

    if (!url)
        return;
    if (probe(x, url, &reply) != SSO_OK)
        tell_failure(x);
    else
        judge_probe(x, url, &reply);
}

/* Opaque bearer tokens are asked about here; who takes none of them has no use for it. */
static void check_introspection(exam_t *x)
{
    const char *url = reachable(x, SSO_ENDPOINT_INTROSPECTION), *token;
    sso_form_t *form = sso_form_make(x->ctx->pool);
    sso_call_t call = { .what = "introspection", .url = url, .once = 1,
                        .policy = &x->provider->http };
    sso_reply_t reply;

    if (!url || sso_random_text(x->ctx, PROBE_BYTES, &token) != SSO_OK)
        return;
    call.plain_ok = sso_provider_plain_ok(x->provider, url);
    sso_form_add(form, "token", token);
    if (sso_client_auth_prove(x->ctx, x->provider, 0, form, &call) == SSO_OK) {
        call.body = sso_form_text(form);
        call.body_length = strlen(call.body);
        if (x->ctx->ports->call(x->ctx, &call, &reply) == SSO_OK) {
            if (reply.status == 200)
                tell(x, SSO_HEALTH_OK, "this client may ask about opaque bearer tokens", NULL);
            else
                tell(x, SSO_HEALTH_NOTE, apr_psprintf(x->ctx->pool, "%s answers %d: opaque bearer "
                                                      "tokens cannot be checked", url,
                                                      reply.status),
                     "matters only where EdxSSOCredentials has bearer");
            return;
        }
    }
    tell_failure(x);
}

/* ---- the rest */

static void check_redirect(exam_t *x)
{
    if (!x->provider->config->sign_in)
        return;
    tell(x, SSO_HEALTH_OK, apr_pstrcat(x->ctx->pool, x->visit->redirect_uri, " has to be "
                                       "registered there, to the letter", NULL), NULL);
}

static void check_graph(exam_t *x)
{
    const char *root;

    if (!x->provider->graph
        || (x->provider->metadata_url && is_down(x, x->provider->metadata_url)))
        return;
    if (sso_graph_root(x->ctx, x->provider, &root) != SSO_OK)
        tell_failure(x);
    else
        visit_host(x, "Microsoft Graph", apr_pstrcat(x->ctx->pool, root, "/v1.0/me", NULL));
}

static void check_mapping(exam_t *x)
{
    const sso_idmap_t *map = x->provider->idmap;

    if (!map || is_down(x, map->url))
        return;
    if (sso_idmap_probe(x->ctx, map) != SSO_OK)
        tell_failure(x);
    else
        tell(x, SSO_HEALTH_OK, apr_psprintf(x->ctx->pool, "%s answers the client of %s", map->url,
                                            map->api->name), NULL);
}

static const struct {
    const char *name;
    void (*check)(exam_t *x);
} checks[] = {
    { "redirect URI", check_redirect },
    { "host", check_hosts },
    { "metadata", check_metadata },
    { "keys", check_keys },
    { "client", check_client },
    { "introspection", check_introspection },
    { "Graph", check_graph },
    { "ID mapping", check_mapping },
};

int sso_doctor_visit(sso_ctx_t *ctx, const sso_visit_t *visit)
{
    exam_t x = { .ctx = ctx, .visit = visit, .provider = visit->provider,
                 .seen = apr_array_make(ctx->pool, 4, sizeof(const char *)),
                 .down = apr_array_make(ctx->pool, 4, sizeof(const char *)) };
    unsigned i;

    for (i = 0; i < SSO_COUNT(checks); i++) {
        x.check = checks[i].name;
        checks[i].check(&x);
    }
    return x.wrong;
}
