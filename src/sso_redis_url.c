/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis://, rediss:// and redis+unix:// URLs, as EdxSSOStore has them. A password is in there: no
 * message of this file repeats more than host, port and path.
 */
#include "sso_redis.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#define DEFAULT_PORT 6379
#define DB_MAX       65535
#define PATH_MAX_UNIX 107 /* sun_path */

static const struct {
    const char *start;
    int tls, is_path;
} schemes[] = {
    { "redis://", 0, 0 },
    { "rediss://", 1, 0 },
    { "redis+unix://", 0, 1 },
};

static int hex_value(char c)
{
    return apr_isdigit(c) ? c - '0' : apr_isxdigit(c) ? apr_tolower(c) - 'a' + 10 : -1;
}

/* Percent-decode; NULL when an escape is broken or means a NUL. */
static const char *decode(apr_pool_t *pool, const char *text, apr_size_t length)
{
    char *out = apr_palloc(pool, length + 1);
    apr_size_t i, n = 0;

    for (i = 0; i < length; i++) {
        int high, low;

        out[n] = text[i];
        if (text[i] == '%') {
            if (i + 2 >= length || (high = hex_value(text[i + 1])) < 0
                || (low = hex_value(text[i + 2])) < 0 || high + low == 0)
                return NULL;
            out[n] = (char)(16 * high + low);
            i += 2;
        }
        n++;
    }
    out[n] = '\0';
    return out;
}

/* A decimal of at most five digits, all of the text; -1: it is not. */
static int number_of(const char *text, int max)
{
    apr_size_t length = strlen(text);
    int n = 0;

    if (length < 1 || length > 5 || strspn(text, "0123456789") != length)
        return -1;
    for (; *text; text++)
        n = 10 * n + (*text - '0');
    return n <= max ? n : -1;
}

/* [user:password@] up to the last @ of the authority; moves *rest behind it. */
static sso_rc_e take_credentials(sso_ctx_t *ctx, apr_pool_t *pool, const char **rest,
                                 sso_redis_target_t *target)
{
    const char *start = *rest, *end = start + strcspn(start, "/?#"), *at, *colon;

    for (at = end; at > start && *at != '@'; at--)
        ;
    if (*at != '@' || at == end)
        return SSO_OK;
    colon = memchr(start, ':', (apr_size_t)(at - start));
    if (!colon)
        return sso_fail(ctx, SSO_MISCONFIG, 251,
                        "EdxSSOStore: before the @ must be user:password or :password");
    if (colon > start)
        target->user = decode(pool, start, (apr_size_t)(colon - start));
    target->password = decode(pool, colon + 1, (apr_size_t)(at - colon - 1));
    if (!target->password || !*target->password || (colon > start && !target->user))
        return sso_fail(ctx, SSO_MISCONFIG, 252, "EdxSSOStore: user or password: %%XX is broken, "
                                                 "or the password is empty");
    *rest = at + 1;
    return SSO_OK;
}

/* host[:port] or [IPv6][:port]. */
static int take_host(apr_pool_t *pool, const char *text, apr_size_t length,
                     sso_redis_target_t *target)
{
    const char *host = apr_pstrmemdup(pool, text, length), *port, *close;
    apr_size_t host_length = strcspn(host, ":"), i;

    if (host[0] == '[') {
        close = strchr(host, ']');
        if (!close || (close[1] && close[1] != ':'))
            return 0;
        target->host = apr_pstrmemdup(pool, host + 1, (apr_size_t)(close - host - 1));
        port = close + 1;
        if (strspn(target->host, "0123456789abcdefABCDEF:.") != strlen(target->host))
            return 0;
    }
    else {
        target->host = apr_pstrmemdup(pool, host, host_length);
        port = host + host_length;
        for (i = 0; i < host_length; i++)
            if (!apr_isalnum(host[i]) && !strchr("._-", host[i]))
                return 0;
    }
    target->port = *port ? number_of(port + 1, 65535) : DEFAULT_PORT;
    target->name = apr_psprintf(pool, "%.*s:%d", (int)(port - host), host, target->port);
    return *target->host && target->port > 0;
}

/* db=N, and for TLS ca=, cert= and key=, each a file. */
static sso_rc_e take_query(sso_ctx_t *ctx, apr_pool_t *pool, const char *query,
                           sso_redis_target_t *target)
{
    char *state, *word;
    const char **file, *value;

    for (word = apr_strtok(apr_pstrdup(pool, query), "&", &state); word;
         word = apr_strtok(NULL, "&", &state)) {
        value = strchr(word, '=');
        value = value ? decode(pool, value + 1, strlen(value + 1)) : NULL;
        if (value && !strncmp(word, "db=", 3) && (target->db = number_of(value, DB_MAX)) >= 0)
            continue;
        file = !strncmp(word, "ca=", 3)     ? &target->ca_file
               : !strncmp(word, "cert=", 5) ? &target->cert
               : !strncmp(word, "key=", 4)  ? &target->key
                                            : NULL;
        if (!file || !target->tls || !value || *value != '/')
            return sso_fail(ctx, SSO_MISCONFIG, 254,
                            "EdxSSOStore: %s: after the ? may be db=NUMBER, and for rediss:// "
                            "ca=/FILE, cert=/FILE and key=/FILE", target->name);
        *file = value;
    }
    return SSO_OK;
}

sso_rc_e sso_redis_url_parse(sso_ctx_t *ctx, apr_pool_t *pool, const char *url,
                             sso_redis_target_t *target)
{
    const char *rest = NULL, *query, *path;
    apr_size_t i, host_length, path_length;
    int is_path = 0, good;

    for (i = 0; i < SSO_COUNT(schemes) && !rest; i++) {
        if (!strncmp(url, schemes[i].start, strlen(schemes[i].start))) {
            rest = url + strlen(schemes[i].start);
            target->tls = schemes[i].tls;
            is_path = schemes[i].is_path;
        }
    }
    if (!rest)
        return sso_fail(ctx, SSO_MISCONFIG, 250,
                        "EdxSSOStore: neither redis://, rediss:// nor redis+unix://");
    SSO_TRY(take_credentials(ctx, pool, &rest, target));
    host_length = strcspn(rest, "/?#");
    path = rest + host_length;
    path_length = strcspn(path, "?#");
    query = path + path_length;
    if (is_path) {
        target->path = target->name = decode(pool, path, path_length);
        good = host_length == 0 && target->path && path_length > 1
               && strlen(target->path) <= PATH_MAX_UNIX;
    }
    else {
        good = take_host(pool, rest, host_length, target);
        if (path_length > 1)
            target->db = number_of(apr_pstrmemdup(pool, path + 1, path_length - 1), DB_MAX);
    }
    if (!good || target->db < 0 || *query == '#')
        return sso_fail(ctx, SSO_MISCONFIG, 253, "EdxSSOStore: the form is %s",
                        is_path ? "redis+unix:///PATH[?db=NUMBER]"
                                : "redis[s]://[USER:PASSWORD@]HOST[:PORT][/DB]");
    return *query ? take_query(ctx, pool, query + 1, target) : SSO_OK;
}
