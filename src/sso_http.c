/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to providers: everything that is said to libcurl is said here. What an answer means, and
 * what to do about a failure, is for the callers.
 */
#include "sso_http.h"
#include "sso_http_curl.h"
#include "sso_metrics.h"
#include "sso_seal.h"
#include "sso_url.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#ifndef EDXSSO_VERSION /* the build says */
#define EDXSSO_VERSION "0.1"
#endif

#define IDLE_SECONDS   30L     /* a connection unused for longer is not used again */
#define BODY_ROOM      8192    /* first buffer when the length is not declared */
#define MAX_AGE_SECONDS (365 * 24 * 3600)

typedef enum {
    FIELD_CONTENT_TYPE,
    FIELD_RETRY_AFTER,
    FIELD_WWW_AUTHENTICATE,
    FIELD_CACHE_CONTROL,
    FIELD_DATE,
    FIELD_CONTENT_ENCODING,
    FIELD_COUNT
} field_e;

/** One call under way. */
typedef struct exchange_t {
    sso_ctx_t *ctx;
    const sso_call_t *call;
    sso_url_t url;
    CURL *curl;
    struct curl_slist *headers;
    unsigned char key[SSO_DIGEST_BYTES];
    int sent;            /* how often libcurl has been about to send the request */
    int repeat_refused;
    int headers_too_large, body_too_large;
    apr_size_t header_bytes;
    const char *field[FIELD_COUNT];
    char *body;
    apr_size_t length, room;
    char detail[CURL_ERROR_SIZE]; /* libcurl's own words: looked at, never logged */
} exchange_t;

static const char *const fields[FIELD_COUNT] = {
    "content-type", "retry-after", "www-authenticate", "cache-control", "date", "content-encoding",
};

/* What holds for every call. Redirects, cookies, netrc, other protocols: none of it is wanted. */
static const struct {
    CURLoption option;
    long value;
} always[] = {
    { CURLOPT_NOSIGNAL, 1 },
    { CURLOPT_NETRC, CURL_NETRC_IGNORED },
    { CURLOPT_FOLLOWLOCATION, 0 },
    { CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
    { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
    { CURLOPT_HTTP09_ALLOWED, 0 },
    { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
    { CURLOPT_SSL_VERIFYPEER, 1 },
    { CURLOPT_SSL_VERIFYHOST, 2 },
    { CURLOPT_PROXY_SSL_VERIFYPEER, 1 },
    { CURLOPT_PROXY_SSL_VERIFYHOST, 2 },
    { CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
    { CURLOPT_MAXFILESIZE, SSO_HTTP_BODY_MAX }, /* of declared lengths; on_body() sees the rest */
    { CURLOPT_MAXAGE_CONN, IDLE_SECONDS },
#if LIBCURL_VERSION_NUM >= 0x075700
    { CURLOPT_QUICK_EXIT, 1 }, /* do not wait for a resolver thread beyond the time-out */
#endif
#if LIBCURL_VERSION_NUM < 0x075500
    { CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS },
#endif
};

/* Handles are told apart by all that decides whether a connection may serve. */
static sso_rc_e make_key(exchange_t *x)
{
    const sso_http_policy_t *policy = x->call->policy;
    const char *text = apr_pstrcat(
        x->ctx->pool, x->url.origin, "\n", policy->proxy ? policy->proxy : "", "\n",
        policy->ca_file ? policy->ca_file : "", "\n",
        x->call->client_cert ? x->call->client_cert : "", "\n",
        x->call->client_key ? x->call->client_key : "", NULL);

    return sso_sha256(x->ctx, text, strlen(text), x->key);
}

/* ---- libcurl's callbacks ---- */

#if LIBCURL_VERSION_NUM >= 0x075000
/*
 * Called before each sending of the request, so also when libcurl found the kept connection dead
 * and wants to send it again. What must not be repeated then goes out only if none of it has.
 */
static int on_send(void *baton, char *to, char *from, int to_port, int from_port)
{
    exchange_t *x = baton;
    long bytes = 0;

    (void)to, (void)from, (void)to_port, (void)from_port;
    if (x->sent++ && x->call->once) {
        curl_easy_getinfo(x->curl, CURLINFO_REQUEST_SIZE, &bytes);
        x->repeat_refused = bytes > 0;
    }
    return x->repeat_refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}
#endif

/* Keep the first of each field we know; one with control characters counts as not there. */
static void note_field(exchange_t *x, const char *line, apr_size_t length)
{
    const char *colon = memchr(line, ':', length), *value, *end = line + length;
    apr_size_t i, n;

    if (!colon)
        return;
    for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
        ;
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    for (n = 0; value + n < end; n++)
        if (apr_iscntrl(value[n]) && value[n] != '\t')
            return;
    for (i = 0; i < FIELD_COUNT; i++) {
        n = strlen(fields[i]);
        if (!x->field[i] && n == (apr_size_t)(colon - line) && !strncasecmp(line, fields[i], n))
            x->field[i] = apr_pstrmemdup(x->ctx->pool, value, (apr_size_t)(end - value));
    }
}

/* Every header line, those of 1xx and trailers included: all count, the final ones stay. */
static size_t on_header(char *line, size_t size, size_t count, void *baton)
{
    exchange_t *x = baton;
    apr_size_t length = size * count;

    x->header_bytes += length;
    if (x->header_bytes > SSO_HTTP_HEADER_MAX) {
        x->headers_too_large = 1;
        return 0;
    }
    if (length > 5 && !strncmp(line, "HTTP/", 5))
        memset(x->field, 0, sizeof(x->field));
    else if (!x->body) /* later ones are trailers */
        note_field(x, line, length);
    return length;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *baton)
{
    exchange_t *x = baton;
    apr_size_t length = size * count, room;
    curl_off_t declared = -1;
    char *larger;

    if (length > SSO_HTTP_BODY_MAX - x->length) {
        x->body_too_large = 1;
        return 0;
    }
    if (x->length + length >= x->room) {
        curl_easy_getinfo(x->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &declared);
        room = x->room ? 2 * x->room : BODY_ROOM;
        if (declared > 0 && declared <= SSO_HTTP_BODY_MAX && (apr_size_t)declared >= x->length)
            room = (apr_size_t)declared + 1;
        if (room < x->length + length + 1)
            room = x->length + length + 1;
        larger = apr_palloc(x->ctx->pool, room);
        if (x->length)
            memcpy(larger, x->body, x->length);
        x->body = larger;
        x->room = room;
    }
    memcpy(x->body + x->length, bytes, length);
    x->length += length;
    x->body[x->length] = '\0';
    return length;
}

/* ---- setting up ---- */

static sso_rc_e refused(exchange_t *x, CURLcode code)
{
    return sso_fail(x->ctx, SSO_BROKEN, 304, "%s: libcurl refused to work (%s)", x->call->what,
                    curl_easy_strerror(code));
}

/* A value from outside (an access token is one) must not bring further header lines along. */
static sso_rc_e add_header(exchange_t *x, const char *name, const char *value)
{
    struct curl_slist *longer;
    const char *c;

    for (c = value; *c; c++)
        if (apr_iscntrl(*c))
            return sso_fail(x->ctx, SSO_BAD_INPUT, 340, "%s: a control character for header %s",
                            x->call->what, name);
    longer = curl_slist_append(x->headers, apr_pstrcat(x->ctx->pool, name, ": ", value, NULL));
    if (!longer)
        return refused(x, CURLE_OUT_OF_MEMORY);
    x->headers = longer;
    return SSO_OK;
}

static sso_rc_e set_headers(exchange_t *x)
{
    const sso_call_t *call = x->call;
    const sso_ports_t *ports = x->ctx->ports;
    struct curl_slist *longer = curl_slist_append(NULL, "Expect:"); /* no waiting for 100 */
    const char *trace = ports && ports->trace
                            ? sso_http_trace(x->ctx->pool, ports->trace(ports->log_baton)) : NULL;

    if (!longer)
        return refused(x, CURLE_OUT_OF_MEMORY);
    x->headers = longer;
    SSO_TRY(add_header(x, "Accept", call->accept ? call->accept : "application/json"));
    if (call->body)
        SSO_TRY(add_header(x, "Content-Type",
                           call->content_type ? call->content_type
                                              : "application/x-www-form-urlencoded"));
    if (call->authorization)
        SSO_TRY(add_header(x, "Authorization", call->authorization));
    if (trace)
        SSO_TRY(add_header(x, "traceparent", trace));
    return SSO_OK;
}

/* The text options; an unset one would be taken from the environment or from libcurl's build. */
static CURLcode set_texts(exchange_t *x)
{
    const sso_call_t *call = x->call;
    const sso_http_policy_t *policy = call->policy;
    const char *proxy = policy->proxy && !x->url.loopback ? policy->proxy : "";
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    const struct {
        CURLoption option;
        const char *value;
    } texts[] = {
        { CURLOPT_URL, call->url },
        { CURLOPT_PROXY, proxy },
        { CURLOPT_NOPROXY, "" },
        { CURLOPT_USERAGENT, "mod_auth_edxsso/" EDXSSO_VERSION },
        { CURLOPT_SSLCERT, call->client_cert },
        { CURLOPT_SSLKEY, call->client_key },
#if LIBCURL_VERSION_NUM >= 0x075500
        { CURLOPT_PROTOCOLS_STR, x->url.scheme },
#endif
        /* Our file instead of the system's; a file without a folder can be kept parsed. */
        { CURLOPT_CAINFO, policy->ca_file ? policy->ca_file : curl->cainfo },
        { CURLOPT_PROXY_CAINFO, policy->ca_file ? policy->ca_file : curl->cainfo },
        { CURLOPT_CAPATH, policy->ca_file || curl->cainfo ? NULL : curl->capath },
        { CURLOPT_PROXY_CAPATH, policy->ca_file || curl->cainfo ? NULL : curl->capath },
    };
    CURLcode code = CURLE_OK;
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(texts) && code == CURLE_OK; i++)
        code = curl_easy_setopt(x->curl, texts[i].option, texts[i].value);
    return code;
}

static CURLcode set_numbers(exchange_t *x)
{
    const sso_http_policy_t *policy = x->call->policy;
    const struct {
        CURLoption option;
        long value;
    } ours[] = {
        { CURLOPT_CONNECTTIMEOUT_MS, (long)apr_time_as_msec(policy->connect) },
        { CURLOPT_TIMEOUT_MS, (long)apr_time_as_msec(policy->total) },
        { CURLOPT_CERTINFO, x->call->inspect },
#if LIBCURL_VERSION_NUM < 0x075000 /* no on_send(): what must go once gets a new connection */
        { CURLOPT_FRESH_CONNECT, x->call->once || x->call->inspect },
#else
        { CURLOPT_FRESH_CONNECT, x->call->inspect },
#endif
    };
    CURLcode code = CURLE_OK;
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(always) && code == CURLE_OK; i++)
        code = curl_easy_setopt(x->curl, always[i].option, always[i].value);
    for (i = 0; i < SSO_COUNT(ours) && code == CURLE_OK; i++)
        code = curl_easy_setopt(x->curl, ours[i].option, ours[i].value);
    return code;
}

static sso_rc_e set_up(exchange_t *x)
{
    CURL *curl = x->curl;
    CURLcode code;

    SSO_TRY(set_headers(x));
    if ((code = set_numbers(x)) || (code = set_texts(x))
        || (code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, x->headers))
        || (code = curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->detail))
        || (code = curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header))
        || (code = curl_easy_setopt(curl, CURLOPT_HEADERDATA, x))
#if LIBCURL_VERSION_NUM >= 0x075000
        || (code = curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_send))
        || (code = curl_easy_setopt(curl, CURLOPT_PREREQDATA, x))
#endif
        || (code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body))
        || (code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, x)))
        return refused(x, code);
    if (x->call->body
        && ((code = curl_easy_setopt(curl, CURLOPT_POST, 1L))
            || (code = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                                        (curl_off_t)x->call->body_length))
            || (code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, x->call->body))))
        return refused(x, code);
    return SSO_OK;
}

/* ---- after the call ---- */

/* ": Connection refused", where the operating system had the last word. */
static const char *os_word(const exchange_t *x, CURLcode code)
{
    char word[80];
    long os = 0;

    if (code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR)
        curl_easy_getinfo(x->curl, CURLINFO_OS_ERRNO, &os);
    if (os == 0)
        return "";
    apr_strerror((apr_status_t)os, word, sizeof(word));
    return apr_pstrcat(x->ctx->pool, ": ", word, NULL);
}

/* Our own limits first: to libcurl they are all a failed write. */
static sso_rc_e fail_of(exchange_t *x, CURLcode code)
{
    const char *what = x->call->what, *host = x->url.host;
    const sso_http_cause_t *cause;
    int port = x->url.port;

    if (x->body_too_large)
        return sso_fail(x->ctx, SSO_UPSTREAM, 301, "%s: %s:%d answers with more than %d bytes",
                        what, host, port, SSO_HTTP_BODY_MAX);
    /* A line too long even for libcurl is to it a lack of memory, later CURLE_TOO_LARGE (100). */
    if (x->headers_too_large || (x->sent && (code == CURLE_OUT_OF_MEMORY || (int)code == 100)))
        return sso_fail(x->ctx, SSO_UPSTREAM, 335, "%s: %s:%d answers with headers over %d bytes",
                        what, host, port, SSO_HTTP_HEADER_MAX);
    if (x->repeat_refused)
        return sso_fail(x->ctx, SSO_UPSTREAM, 321,
                        "%s: %s:%d closed the kept connection without an answer; not sent again",
                        what, host, port);
    cause = sso_http_cause(x->curl, code, x->detail, x->sent);
    return sso_fail(x->ctx, cause->rc, cause->number, "%s: %s:%d: %s (%s%s)", what, host, port,
                    cause->text, curl_easy_strerror(code), os_word(x, code));
}

static const char *media_type(apr_pool_t *pool, const char *value)
{
    char *type, *c;

    if (!value)
        return "";
    type = apr_pstrmemdup(pool, value, strcspn(value, "; \t,"));
    for (c = type; *c; c++)
        *c = (char)apr_tolower(*c);
    return type;
}

/* RFC 9111 5.2.2.1. A value that is no number is as good as none; a huge one is a year. */
static apr_interval_time_t max_age(const char *value)
{
    const char *c = value;
    apr_int64_t sec = 0;

    while (c && *c) {
        c += strspn(c, " \t,");
        if (!strncasecmp(c, "max-age=", 8)) {
            c += 8 + (c[8] == '"');
            if (!apr_isdigit(*c))
                return -1;
            for (; apr_isdigit(*c); c++)
                sec = sec < MAX_AGE_SECONDS ? 10 * sec + (*c - '0') : MAX_AGE_SECONDS;
            return apr_time_from_sec(sec < MAX_AGE_SECONDS ? sec : MAX_AGE_SECONDS);
        }
        c += strcspn(c, ",");
    }
    return -1;
}

static sso_rc_e take_reply(exchange_t *x, sso_reply_t *reply)
{
    const char *encoding = x->field[FIELD_CONTENT_ENCODING];
    time_t date = x->field[FIELD_DATE] ? curl_getdate(x->field[FIELD_DATE], NULL) : -1;
    long status = 0;

    if (encoding && *encoding && strcasecmp(encoding, "identity") != 0)
        return sso_fail(x->ctx, SSO_UPSTREAM, 336,
                        "%s: %s:%d answers in a Content-Encoding that was not asked for",
                        x->call->what, x->url.host, x->url.port);
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    reply->content_type = media_type(x->ctx->pool, x->field[FIELD_CONTENT_TYPE]);
    reply->body = x->body ? x->body : "";
    reply->length = x->length;
    reply->retry_after = x->field[FIELD_RETRY_AFTER];
    reply->www_authenticate = x->field[FIELD_WWW_AUTHENTICATE];
    reply->max_age = max_age(x->field[FIELD_CACHE_CONTROL]);
    reply->date = date > 0 ? apr_time_from_sec(date) : 0;
    reply->certificate_end = x->call->inspect ? sso_http_certificate_end(x->curl) : 0;
    return SSO_OK;
}

/* Header lines may carry a credential: libcurl's copies of them do not stay in memory. */
static void drop_headers(exchange_t *x)
{
    struct curl_slist *line;

    for (line = x->headers; line; line = line->next)
        OPENSSL_cleanse(line->data, strlen(line->data));
    curl_slist_free_all(x->headers);
}

static sso_rc_e check_url(exchange_t *x)
{
    if (sso_url_parse(x->ctx->pool, x->call->url, &x->url) != SSO_OK)
        return sso_fail(x->ctx, SSO_MISCONFIG, 341, "%s: not an absolute http or https URL",
                        x->call->what);
    if (!strcmp(x->url.scheme, "http") && !x->call->plain_ok && !x->url.loopback)
        return sso_fail(x->ctx, SSO_MISCONFIG, 303,
                        "%s: %s:%d: http is for URLs that a directive gives, or loopback",
                        x->call->what, x->url.host, x->url.port);
    return SSO_OK;
}

sso_rc_e sso_http_call(sso_ctx_t *ctx, const sso_call_t *call, sso_reply_t *reply)
{
    exchange_t x = { .ctx = ctx, .call = call };
    CURLcode code;
    sso_rc_e rc;

    SSO_TRY(check_url(&x));
    if (!sso_http_started())
        return sso_fail(ctx, SSO_BROKEN, 345, "%s: sso_http_start() is missing in this process",
                        call->what);
    SSO_TRY(make_key(&x));
    if (!(x.curl = sso_http_take(x.key)))
        return refused(&x, CURLE_FAILED_INIT);
    rc = set_up(&x);
    if (rc == SSO_OK) {
        apr_time_t began = apr_time_now();

        code = curl_easy_perform(x.curl);
        sso_metrics_call(ctx, call->policy->meter, call->what, apr_time_now() - began,
                         code == CURLE_OK);
        rc = code == CURLE_OK ? take_reply(&x, reply) : fail_of(&x, code);
    }
    if (rc == SSO_OK)
        sso_http_keep(x.curl, x.key);
    else /* whatever state it is in: never again */
        curl_easy_cleanup(x.curl);
    drop_headers(&x);
    return rc;
}
