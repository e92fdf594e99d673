/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs: parsed strictly, and judged as places to send a browser to. Queries and forms are in
 * sso_text.c, and who may be called at all is decided in sso_http.c.
 */
#include "sso_url.h"

#include "sso_text.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define URL_BYTES 8192    /* what servers take in a request line */
#define RETURN_BYTES 4096 /* sealed and encoded it still has to fit in such a line */
#define HOST_BYTES 253    /* RFC 1035 2.3.4, without the root's dot */
#define LABEL_BYTES 63

/* A path as the strictest and the laxest reader would see it. */
typedef struct plain_path_t {
    char *text;    /* decoded until nothing is left to decode */
    int ambiguous; /* an escape stood for '/' or '%', or a segment is empty */
    int has_dots;  /* there was a segment "." or ".." */
    int hostile;   /* an escape stood for '\', a control character, or the second of "//" */
} plain_path_t;

/* Whether a '%' at @a p begins a whole escape. The text ends with a NUL, which is no digit. */
static int is_escape(const char *p)
{
    return sso_hex_value(p[1]) >= 0 && sso_hex_value(p[2]) >= 0;
}

/* Digits only, no sign, no leading zero; -1 when they are not a number of @a least..@a most. */
static int small_number(const char *text, apr_size_t length, int least, int most)
{
    int number = 0;
    apr_size_t i;

    if (!length || length > 5 || (length > 1 && text[0] == '0'))
        return -1;
    for (i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number < least || number > most ? -1 : number;
}

/* Four decimal octets and nothing else: not 127.1, not 0177.0.0.1, not 2130706433. */
static int is_ipv4(const char *host)
{
    int octets = 0;

    for (;;) {
        apr_size_t length = strcspn(host, ".");

        octets++;
        if (small_number(host, length, 0, 255) < 0)
            return 0;
        host += length;
        if (!*host)
            return octets == 4;
        host++;
    }
}

/* Whether browsers take a name with this last label for an IPv4 address (WHATWG URL 3.5). */
static int is_number_label(const char *label)
{
    if (label[0] == '0' && label[1] == 'x')
        return label[2 + strspn(label + 2, "0123456789abcdef")] == '\0';
    return label[strspn(label, "0123456789")] == '\0';
}

/* A name of non-empty labels, or an IPv4 address in its one form; @a host is lower case. */
static int is_host_name(const char *host)
{
    const char *label = host;

    if (strlen(host) > HOST_BYTES)
        return 0;
    for (;;) {
        apr_size_t length = strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-_");

        if (!length || length > LABEL_BYTES)
            return 0;
        if (!label[length])
            return !is_number_label(label) || is_ipv4(host);
        if (label[length] != '.')
            return 0;
        label += length + 1;
    }
}

/*
 * The canonical form of an IPv6 address in brackets, or NULL. IPv4 in IPv6 is refused: it is a
 * second name of another address, and is printed in more than one way. inet_pton() takes no zone.
 */
static const char *ipv6_host(apr_pool_t *pool, const char *bracketed)
{
    apr_size_t length = strlen(bracketed);
    char canonical[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (length < 2 || bracketed[length - 1] != ']')
        return NULL;
    if (inet_pton(AF_INET6, apr_pstrndup(pool, bracketed + 1, length - 2), &address) != 1 ||
        !inet_ntop(AF_INET6, &address, canonical, sizeof(canonical)) || strchr(canonical, '.'))
        return NULL;
    return apr_pstrcat(pool, "[", canonical, "]", NULL);
}

static int is_loopback(const char *host)
{
    apr_size_t length = strlen(host);

    if (!strcmp(host, "localhost") || !strcmp(host, "[::1]"))
        return 1;
    if (length > 10 && !strcmp(host + length - 10, ".localhost"))
        return 1;
    return !strncmp(host, "127.", 4) && is_ipv4(host);
}

/* Read host[:port]; url->port holds the scheme's own. */
static int parse_authority(apr_pool_t *pool, const char *text, apr_size_t length, sso_url_t *url)
{
    char *host = apr_pstrndup(pool, text, length), *colon, *p;

    for (p = host; *p; p++)
        *p = (char)apr_tolower(*p);
    p = strchr(host, ']');
    colon = strchr(p ? p : host, ':');
    if (colon) {
        *colon = '\0';
        url->port = small_number(colon + 1, strlen(colon + 1), 1, 65535);
        if (url->port < 0)
            return 0;
    }
    if (*host == '[')
        url->host = ipv6_host(pool, host);
    else
        url->host = is_host_name(host) ? host : NULL;
    return url->host != NULL;
}

/* Whether every character may stand in a URL without anybody having to guess what was meant. */
static int is_plain_text(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c <= 0x20 || c >= 0x7f || c == '\\' || c == '#')
            return 0;
        if (c == '%' && !is_escape(text))
            return 0;
    }
    return 1;
}

/* The length of "http://" or "https://" (RFC 3986 3.1: in any case) at the beginning, or 0. */
static apr_size_t scheme_length(const char *text)
{
    if (!strncasecmp(text, "https://", 8))
        return 8;
    return strncasecmp(text, "http://", 7) ? 0 : 7;
}

sso_rc_e sso_url_parse(apr_pool_t *pool, const char *text, sso_url_t *url)
{
    sso_url_t found = { .port = 443, .scheme = "https" };
    apr_size_t skip = text ? scheme_length(text) : 0, length;
    const char *query;

    if (!skip || strlen(text) > URL_BYTES || !is_plain_text(text))
        return SSO_BAD_INPUT;
    if (skip == 7) {
        found.scheme = "http";
        found.port = 80;
    }
    length = strcspn(text + skip, "/?");
    if (!parse_authority(pool, text + skip, length, &found))
        return SSO_BAD_INPUT;
    text += skip + length;
    query = strchr(text, '?');
    found.query = query ? apr_pstrdup(pool, query + 1) : NULL;
    found.path = apr_pstrndup(pool, text, strcspn(text, "?"));
    found.origin = apr_pstrcat(pool, found.scheme, "://", found.host, NULL);
    if (found.port != (skip == 7 ? 80 : 443))
        found.origin = apr_psprintf(pool, "%s:%d", found.origin, found.port);
    found.loopback = is_loopback(found.host);
    *url = found;
    return SSO_OK;
}

int sso_url_same_origin(const sso_url_t *a, const sso_url_t *b)
{
    return !strcmp(a->origin, b->origin);
}

/*
 * Decode escapes until none is left, in one go: each escape that gets complete at the end of what
 * was written, by whatever came before, becomes its character.
 */
static void decode_fully(plain_path_t *plain, const char *text, apr_size_t length)
{
    char *out = plain->text;
    apr_size_t i, n = 0;

    for (i = 0; i < length; i++) {
        out[n++] = text[i];
        out[n] = out[n + 1] = '\0';
        while (n >= 3 && out[n - 3] == '%' && is_escape(out + n - 3)) {
            int c = sso_hex_value(out[n - 2]) * 16 + sso_hex_value(out[n - 1]);

            n -= 2;
            out[n - 1] = (char)c;
            plain->ambiguous |= c == '/' || c == '%';
            plain->hostile |= c < 0x20 || c == 0x7f || c == '\\' || (c == '/' && n == 2);
        }
    }
    out[n] = '\0';
}

/* Take "." and ".." out (RFC 3986 5.2.4) and make one slash of several, in place. */
static void resolve_dots(plain_path_t *plain)
{
    const char *in = plain->text;
    char *out = plain->text;

    while (*in) { /* at a '/' */
        apr_size_t length = strcspn(in + 1, "/");
        int last = in[1 + length] == '\0';

        if ((length == 0 && !last) || (length == 1 && in[1] == '.')) {
            plain->has_dots |= length == 1;
            plain->ambiguous |= length == 0;
        }
        else if (length == 2 && in[1] == '.' && in[2] == '.') {
            plain->has_dots = 1;
            while (out > plain->text && *--out != '/')
                ;
        }
        else {
            memmove(out, in, length + 1);
            out += length + 1;
        }
        in += length + 1;
    }
    *out = '\0';
}

static void make_plain(apr_pool_t *pool, const char *path, apr_size_t length, plain_path_t *plain)
{
    memset(plain, 0, sizeof(*plain));
    plain->text = apr_palloc(pool, length + 2);
    decode_fully(plain, path, length);
    resolve_dots(plain);
}

/* Whether a path is @a own or below it. */
static int is_below(apr_pool_t *pool, const char *own, const char *path)
{
    plain_path_t plain;
    apr_size_t length;

    if (!own || *own != '/')
        return 0;
    make_plain(pool, own, strlen(own), &plain);
    length = strlen(plain.text);
    while (length && plain.text[length - 1] == '/')
        length--;
    return length && !strncmp(path, plain.text, length) &&
           (path[length] == '/' || path[length] == '\0');
}

/*
 * Judge the path of a return address. Dot segments are followed where every reader follows them
 * to the same place; with slashes that some merge, or escapes that some decode, they are refused.
 */
static sso_rc_e check_path(sso_ctx_t *ctx, const sso_return_rule_t *rule, const char *path,
                           apr_size_t length)
{
    plain_path_t plain;
    const char *escape = path;
    int i;

    while ((escape = memchr(escape, '%', length - (apr_size_t)(escape - path))) != NULL) {
        if (!is_escape(escape++))
            return sso_fail(ctx, SSO_BAD_INPUT, 103, "return address: a broken escape in its path");
    }
    make_plain(ctx->pool, path, length, &plain);
    if (plain.hostile || (plain.ambiguous && plain.has_dots))
        return sso_fail(ctx, SSO_BAD_INPUT, 104,
                        "return address: its path could be read in more than one way");
    if (is_below(ctx->pool, rule->own_path, plain.text))
        return SSO_ABSENT;
    for (i = 0; rule->own_paths && i < rule->own_paths->nelts; i++) {
        if (is_below(ctx->pool, APR_ARRAY_IDX(rule->own_paths, i, const char *), plain.text))
            return SSO_ABSENT;
    }
    return SSO_OK;
}

/* Whether an entry of EdxSSOReturnHosts means this place. From https nobody is sent to http. */
static int is_allowed(apr_pool_t *pool, const char *entry, const sso_url_t *url, int own_is_http)
{
    const char *bracket = strchr(entry, ']');
    sso_url_t allowed;
    int is_http = !strcmp(url->scheme, "http");

    if (is_http && !own_is_http)
        return 0;
    if (strpbrk(entry, "/?") ||
        sso_url_parse(pool, apr_pstrcat(pool, "https://", entry, NULL), &allowed) != SSO_OK ||
        strcmp(allowed.host, url->host))
        return 0;
    if (strchr(bracket ? bracket : entry, ':'))
        return allowed.port == url->port;
    return url->port == (is_http ? 80 : 443);
}

/* Judge scheme and authority, the first @a length characters of an absolute return address. */
static sso_rc_e check_origin(sso_ctx_t *ctx, const sso_return_rule_t *rule, const char *text,
                             apr_size_t length, const char **origin)
{
    int i, own_is_http = !strncmp(rule->origin, "http:", 5);
    sso_url_t url, own;

    if (sso_url_parse(ctx->pool, apr_pstrndup(ctx->pool, text, length), &url) != SSO_OK)
        return sso_fail(ctx, SSO_BAD_INPUT, 102, "return address: no host that could be meant");
    *origin = url.origin;
    if (sso_url_parse(ctx->pool, rule->origin, &own) == SSO_OK && sso_url_same_origin(&url, &own))
        return SSO_OK;
    for (i = 0; rule->hosts && i < rule->hosts->nelts; i++) {
        if (is_allowed(ctx->pool, APR_ARRAY_IDX(rule->hosts, i, const char *), &url, own_is_http))
            return SSO_OK;
    }
    return sso_fail(ctx, SSO_DENIED, 105,
                    "return address: %s is neither this site nor in EdxSSOReturnHosts",
                    url.origin);
}

/*
 * Encode what may not stand in a Location header, or is safer encoded wherever the address gets
 * printed. Escapes stay; a '%' that begins none (in a query: the path has none left) is encoded.
 */
static const char *encode_rest(apr_pool_t *pool, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *encoded = apr_palloc(pool, 3 * strlen(text) + 1), *out = encoded;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x80 && !strchr(" \"'<>\\^`{|}", c) && (c != '%' || is_escape(text))) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    *out = '\0';
    return encoded;
}

/* Whether a text is a return address by its length and characters alone. */
static sso_rc_e check_text(sso_ctx_t *ctx, const char *text, apr_size_t path_end)
{
    apr_size_t i;

    for (i = 0; text[i]; i++) {
        unsigned char c = (unsigned char)text[i];

        /* Browsers drop tabs and line ends, cut off outer spaces, and take '\' for '/'. */
        if (i == RETURN_BYTES || c < 0x20 || c == 0x7f || (c == '\\' && i < path_end) ||
            (c == ' ' && (i == 0 || text[i + 1] == '\0')))
            return sso_fail(ctx, SSO_BAD_INPUT, 100,
                            "return address: longer than %d bytes, or has a character that "
                            "browsers change", RETURN_BYTES);
    }
    return SSO_OK;
}

sso_rc_e sso_return_check(sso_ctx_t *ctx, const sso_return_rule_t *rule, const char *text,
                          const char **absolute)
{
    const char *origin = rule->origin;
    apr_size_t path_end = text ? strcspn(text, "?#") : 0, skip, path_at = 0;

    SSO_TRY(check_text(ctx, text ? text : "", path_end));
    skip = text ? scheme_length(text) : 0;
    if (skip) {
        path_at = skip + strcspn(text + skip, "/?#");
        SSO_TRY(check_origin(ctx, rule, text, path_at, &origin));
    }
    else if (!text || text[0] != '/' || text[1] == '/') {
        return sso_fail(ctx, SSO_BAD_INPUT, 101,
                        "return address: neither a path from '/' nor an http(s) URL");
    }
    SSO_TRY(check_path(ctx, rule, text + path_at, path_end - path_at));
    *absolute = apr_pstrcat(ctx->pool, origin, text[path_at] == '/' ? "" : "/",
                            encode_rest(ctx->pool, text + path_at), NULL);
    return SSO_OK;
}
