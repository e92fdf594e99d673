/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sso_http_call() against http_server.py, a provider at its worst.
 */
#include "http_server.h"

#include <dlfcn.h>
#include <netdb.h>

/* To be seen by libcurl, whatever else is hidden. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) __attribute__((visibility("default")));

/* A resolver with names of its own: one nobody has, and one whose server does not answer. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    if (name && strstr(name, "gone.test"))
        return EAI_NONAME;
    if (name && strstr(name, "slow.test")) {
        sleep(1);
        return EAI_AGAIN;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, found);
}

/* ---- answers ---- */

static const struct {
    const char *path;
    int status;
    apr_size_t length;
    const char *body; /* NULL: any */
} answers[] = {
    { "/fine", 200, 4, "fine" },
    { "/empty", 204, 0, "" },
    { "/zero", 200, 0, "" },
    { "/nul", 200, 3, "a" },
    { "/chunked", 200, 7, "one two" },
    { "/hundred", 200, 4, "fine" },
    { "/status/201", 201, 8, "as asked" },
    { "/status/400", 400, 8, "as asked" },
    { "/status/401", 401, 8, "as asked" },
    { "/status/404", 404, 8, "as asked" },
    { "/status/407", 407, 8, "as asked" },
    { "/status/429", 429, 8, "as asked" },
    { "/status/500", 500, 8, "as asked" },
    { "/status/503", 503, 8, "as asked" },
    { "/redirect", 302, 0, "" },
    { "/exact", 200, SSO_HTTP_BODY_MAX, NULL },
    { "/exact-chunked", 200, SSO_HTTP_BODY_MAX, NULL },
    { "/header-31k", 200, 4, "fine" },
};

static void test_answers(void)
{
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(answers); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_reply_t reply = { 0 };

        is_int(get(ctx, url_of(ctx->pool, PLAIN, answers[i].path), &reply), SSO_OK, "%s: answered",
               answers[i].path);
        is_int(reply.status, answers[i].status, "%s: status", answers[i].path);
        is_int(reply.length, answers[i].length, "%s: length", answers[i].path);
        if (answers[i].body)
            is(reply.body, answers[i].body, "%s: body", answers[i].path);
        else
            is_int(strlen(reply.body), answers[i].length, "%s: whole body", answers[i].path);
    }
}

/* ---- failures ---- */

static const struct {
    int port;
    const char *path;
    sso_rc_e rc;
    int number;
    const sso_http_policy_t *policy;
} failures[] = {
    { PLAIN, "/over", SSO_UPSTREAM, 334, &usual },
    { PLAIN, "/over-chunked", SSO_UPSTREAM, 301, &usual },
    { PLAIN, "/over-close", SSO_UPSTREAM, 301, &usual },
    { PLAIN, "/gigabyte", SSO_UPSTREAM, 334, &usual },
    { PLAIN, "/endless-chunks", SSO_UPSTREAM, 301, &usual },
    { PLAIN, "/endless-close", SSO_UPSTREAM, 301, &usual },
    { PLAIN, "/transfer-gzip", SSO_UPSTREAM, 301, &usual },
    { PLAIN, "/endless-headers", SSO_UPSTREAM, 335, &usual },
    { PLAIN, "/endless-header", SSO_UPSTREAM, 335, &usual },
    { PLAIN, "/endless-100", SSO_UPSTREAM, 335, &usual },
    { PLAIN, "/endless-trailer", SSO_UPSTREAM, 335, &usual },
    { PLAIN, "/header-33k", SSO_UPSTREAM, 335, &usual },
    { PLAIN, "/slow-headers", SSO_UPSTREAM, 308, &hasty },
    { PLAIN, "/slow-body", SSO_UPSTREAM, 308, &hasty },
    { PLAIN, "/slow-chunks", SSO_UPSTREAM, 308, &hasty },
    { PLAIN, "/hang", SSO_UPSTREAM, 308, &hasty },
    { PLAIN, "/nothing", SSO_UPSTREAM, 312, &usual },
    { PLAIN, "/reset", SSO_UPSTREAM, 313, &usual },
    { PLAIN, "/reset-early", SSO_UPSTREAM, 313, &usual },
    { PLAIN, "/cut", SSO_UPSTREAM, 330, &usual },
    { PLAIN, "/cut-chunk", SSO_UPSTREAM, 330, &usual },
    { PLAIN, "/cut-chunks", SSO_UPSTREAM, 330, &usual },
    { PLAIN, "/bad-chunk", SSO_UPSTREAM, 332, &usual },
    { PLAIN, "/bad-length", SSO_UPSTREAM, 331, &usual },
    { PLAIN, "/bad-header", SSO_UPSTREAM, 331, &usual },
    { PLAIN, "/nul-header", SSO_UPSTREAM, 331, &usual },
    { PLAIN, "/garbage", SSO_UPSTREAM, 302, &usual },
    { PLAIN, "/http09", SSO_UPSTREAM, 302, &usual },
    { PLAIN, "/gzip", SSO_UPSTREAM, 336, &usual },
    { OTHER, "/echo", SSO_UPSTREAM, 315, &usual },
    { EXPIRED, "/echo", SSO_UPSTREAM, 316, &usual },
    { SELF, "/echo", SSO_UPSTREAM, 320, &usual },
    { CLIENT, "/echo", SSO_UPSTREAM, 313, &usual },
    { OLD, "/echo", SSO_UPSTREAM, 309, &usual },
};

static void test_failures(void)
{
    apr_pool_t *pool = tap_ctx()->pool;
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(failures); i++) {
        const char *path = apr_pstrcat(pool, failures[i].path, "?a=" SECRET, NULL);
        const sso_call_t call = secret_call(url_of(pool, failures[i].port, path),
                                            failures[i].policy);

        expect_failure(&call, failures[i].rc, failures[i].number);
    }
}

static const struct {
    const char *url;
    int plain_ok;
    sso_rc_e rc;
    int number;
} urls[] = {
    { "http://127.0.0.1:1/?a=" SECRET, 0, SSO_UPSTREAM, 306 },
    { "https://127.0.0.1:1/?a=" SECRET, 0, SSO_UPSTREAM, 306 },
    { "http://provider.test/?a=" SECRET, 0, SSO_MISCONFIG, 303 },
    { "http://10.0.0.1/?a=" SECRET, 0, SSO_MISCONFIG, 303 },
    { "https://gone.test/?a=" SECRET, 0, SSO_UPSTREAM, 305 },
    { "http://gone.test/?a=" SECRET, 1, SSO_UPSTREAM, 305 },
    { "https://slow.test/?a=" SECRET, 0, SSO_UPSTREAM, 307 },
    { "ftp://127.0.0.1/?a=" SECRET, 1, SSO_MISCONFIG, 341 },
    { "file:///etc/passwd?" SECRET, 1, SSO_MISCONFIG, 341 },
    { "https://user:" SECRET "@127.0.0.1/", 1, SSO_MISCONFIG, 341 },
    { "https://127.0.0.1/#" SECRET, 1, SSO_MISCONFIG, 341 },
    { "//127.0.0.1/" SECRET, 1, SSO_MISCONFIG, 341 },
    { "", 1, SSO_MISCONFIG, 341 },
};

static void test_urls(void)
{
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(urls); i++) {
        sso_call_t call = secret_call(urls[i].url, &hasty);

        call.plain_ok = urls[i].plain_ok;
        expect_failure(&call, urls[i].rc, urls[i].number);
    }
}

/* ---- what is sent, what is read ---- */

static void test_request(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { 0 };
    const sso_call_t call = {
        .what = "test", .url = url_of(ctx->pool, PLAIN, "/echo?a=b"), .body = "code=x", .once = 1,
        .body_length = 6, .authorization = "Basic YQ==", .accept = "*/*", .policy = &usual,
    };
    sso_call_t bad = call;

    is_int(sso_http_call(ctx, &call, &reply), SSO_OK, "a POST");
    ok(!strncmp(reply.body, "POST /echo?a=b HTTP/1.1\r\n", 25), "its request line");
    ok(strstr(reply.body, "\r\n\r\ncode=x"), "its body");
    ok(strstr(reply.body, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"), "its type");
    ok(strstr(reply.body, "\r\nContent-Length: 6\r\n"), "its length");
    ok(strstr(reply.body, "\r\nAuthorization: Basic YQ==\r\n"), "its credential");
    ok(strstr(reply.body, "\r\nAccept: */*\r\n"), "what it accepts");
    ok(strstr(reply.body, "\r\nUser-Agent: mod_auth_edxsso/"), "who asks");
    ok(!strstr(reply.body, "Expect"), "waits for no 100");
    ok(!strstr(reply.body, "Accept-Encoding") && !strstr(reply.body, "TE:"), "no compression");
    ok(!strstr(reply.body, "Cookie"), "no cookie");

    is_int(get(ctx, call.url, &reply), SSO_OK, "a GET on the same handle");
    ok(!strncmp(reply.body, "GET /echo?a=b HTTP/1.1\r\n", 24), "is a GET");
    ok(!strstr(reply.body, "Authorization"), "no credential left over");
    ok(!strstr(reply.body, "Content-"), "nor a body");
    ok(strstr(reply.body, "\r\nAccept: application/json\r\n"), "accepts JSON");

    bad.body = "";
    bad.body_length = 0;
    is_int(sso_http_call(ctx, &bad, &reply), SSO_OK, "an empty POST");
    ok(strstr(reply.body, "\r\nContent-Length: 0\r\n"), "says that it is empty");

    bad.authorization = "Bearer a\r\nX-Evil: " SECRET;
    is_int(sso_http_call(ctx, &bad, &reply), SSO_BAD_INPUT, "a credential with a line break");
    is_int(ctx->err.number, 340, "is not sent");
    ok(!strstr(ctx->err.text, SECRET), "nor told");
}

static void test_fields(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { 0 };

    is_int(get(ctx, url_of(ctx->pool, PLAIN, "/fields"), &reply), SSO_OK, "fields");
    is_int(reply.status, 503, "status");
    is(reply.content_type, "application/json", "Content-Type");
    is(reply.retry_after, "7", "Retry-After");
    is(reply.www_authenticate, "Bearer error=\"x\"", "the first WWW-Authenticate");
    is_int(reply.max_age, apr_time_from_sec(600), "max-age");
    is_int(reply.date, apr_time_from_sec(1700000000), "Date");

    get(ctx, url_of(ctx->pool, PLAIN, "/zero"), &reply);
    is(reply.content_type, "text/plain", "no more parameters");
    get(ctx, url_of(ctx->pool, PLAIN, "/empty"), &reply);
    is(reply.content_type, "", "no Content-Type");
    is(reply.retry_after, NULL, "no Retry-After");
    is(reply.www_authenticate, NULL, "no WWW-Authenticate");
    is_int(reply.max_age, -1, "no max-age");
    is_int(reply.date, 0, "no Date");

    get(ctx, url_of(ctx->pool, PLAIN, "/trailer"), &reply);
    is(reply.retry_after, NULL, "a trailer is no header");
    is(reply.content_type, "", "whatever it says");
    get(ctx, url_of(ctx->pool, PLAIN, "/hundred"), &reply);
    is(reply.retry_after, NULL, "nor is what came with 100");
    get(ctx, url_of(ctx->pool, PLAIN, "/control"), &reply);
    is(reply.retry_after, NULL, "no control characters");
    is(reply.content_type, "", "in any field");
    get(ctx, url_of(ctx->pool, PLAIN, "/no-age"), &reply);
    is_int(reply.max_age, -1, "max-age that is no number");
    get(ctx, url_of(ctx->pool, PLAIN, "/long-age"), &reply);
    is_int(reply.max_age, apr_time_from_sec(365 * 24 * 3600), "max-age is a year at most");
}

/* ---- environment and proxy ---- */

static void test_environment(void)
{
    static const char *const names[] = {
        "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
    };
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { 0 };
    char *netrc = apr_pstrcat(ctx->pool, folder, "/.netrc", NULL);
    FILE *out = fopen(netrc, "w");
    apr_size_t i;

    fputs("default login me password " SECRET "\n", out);
    fclose(out);
    setenv("HOME", folder, 1);
    for (i = 0; i < SSO_COUNT(names); i++)
        setenv(names[i], "http://127.0.0.1:1", 1);
    is_int(get(ctx, url_of(ctx->pool, PLAIN, "/echo"), &reply), SSO_OK, "no proxy of ours: http");
    ok(!strstr(reply.body, "Authorization"), "no netrc");
    is_int(get(ctx, url_of(ctx->pool, GOOD, "/echo"), &reply), SSO_OK, "no proxy of ours: https");
    for (i = 0; i < SSO_COUNT(names); i++)
        unsetenv(names[i]);
}

static void test_proxy(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_http_policy_t policy = usual;
    sso_reply_t reply = { 0 };
    sso_call_t call = secret_call("http://provider.test/echo", &policy);

    call.plain_ok = 1;
    setenv("no_proxy", "*", 1);
    policy.proxy = apr_psprintf(ctx->pool, "http://me:" SECRET "@127.0.0.1:%d", ports[PLAIN]);
    is_int(sso_http_call(ctx, &call, &reply), SSO_OK, "by the proxy of the policy");
    ok(strstr(reply.body, "POST http://provider.test/echo HTTP/1.1"), "as a proxy is asked");
    call.url = "https://provider.test/?" SECRET;
    expect_failure(&call, SSO_UPSTREAM, 311);
    policy.proxy = "http://" SECRET ".gone.test:80";
    expect_failure(&call, SSO_UPSTREAM, 310);
    policy.proxy = "http://me:" SECRET "@127.0.0.1:1";
    expect_failure(&call, SSO_UPSTREAM, 306);
    call.url = url_of(ctx->pool, PLAIN, "/fine");
    is_int(sso_http_call(ctx, &call, &reply), SSO_OK, "loopback needs no proxy");
    unsetenv("no_proxy");
}

/* ---- TLS ---- */

static void test_tls(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { 0 };
    sso_http_policy_t policy = usual;
    sso_call_t call = secret_call(url_of(ctx->pool, GOOD, "/echo"), &policy);

    is_int(sso_http_call(ctx, &call, &reply), SSO_OK, "the authority of the policy");
    policy.ca_file = NULL;
    expect_failure(&call, SSO_UPSTREAM, 318);
    policy.ca_file = self;
    expect_failure(&call, SSO_UPSTREAM, 318);
    policy.ca_file = "/nowhere.pem";
    expect_failure(&call, SSO_MISCONFIG, 342);
    call.url = url_of(ctx->pool, SELF, "/echo");
    policy.ca_file = self;
    is_int(sso_http_call(ctx, &call, &reply), SSO_OK, "a self-signed one that is trusted");
    call.url = apr_psprintf(ctx->pool, "https://localhost:%d/echo", ports[GOOD]);
    policy.ca_file = ca;
    is_int(sso_http_call(ctx, &call, &reply), SSO_OK, "by name");

    call.url = url_of(ctx->pool, CLIENT, "/echo");
    call.client_cert = cert;
    call.client_key = key;
    is_int(sso_http_call(ctx, &call, &reply), SSO_OK, "with a client certificate");
    call.client_cert = call.client_key = NULL;
    expect_failure(&call, SSO_UPSTREAM, 313); /* not on the connection of the certificate */
    call.client_cert = "/nowhere.pem";
    call.client_key = key;
    expect_failure(&call, SSO_MISCONFIG, 343);
}

int main(void)
{
    server_begin();
    sso_http_start(tap_ctx());
    test_answers();
    tap_try(test_failures);
    tap_try(test_urls);
    test_request();
    test_fields();
    test_environment();
    test_proxy();
    test_tls();
    sso_http_stop();
    server_end();
    return tap_done();
}
