/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cookies: the header's text only. What is in ours is sealed (sso_seal.c) and means something in
 * sso_session.c and sso_login.c.
 */
#include "sso_cookie.h"

#include <apr_strings.h>
#include <string.h>

/* One part of a Cookie header between semicolons, without the white space around it. */
typedef struct pair_t {
    const char *name, *value, *end; /* the value ends at end; value NULL: there was no '=' */
    apr_size_t name_length;
} pair_t;

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Read the part at @a at; returns where the next one begins, or NULL after the last. */
static const char *next_pair(const char *at, pair_t *pair)
{
    const char *next, *end, *equals, *name_end;

    while (is_blank(*at))
        at++;
    next = strchr(at, ';');
    end = next ? next : at + strlen(at);
    equals = memchr(at, '=', (apr_size_t)(end - at));
    pair->name = at;
    pair->end = end;
    while (pair->end > at && is_blank(pair->end[-1]))
        pair->end--;
    name_end = equals ? equals : pair->end;
    while (name_end > at && is_blank(name_end[-1]))
        name_end--;
    pair->name_length = (apr_size_t)(name_end - at);
    pair->value = equals ? equals + 1 : NULL;
    while (pair->value && pair->value < pair->end && is_blank(*pair->value))
        pair->value++;
    return next ? next + 1 : NULL;
}

/* Whether a cookie is @a name or one of its chunks: name_0, name_1 ... */
static int is_named(const pair_t *pair, const char *name)
{
    apr_size_t i;

    for (i = 0; name[i]; i++) {
        if (i == pair->name_length || pair->name[i] != name[i])
            return 0;
    }
    if (i == pair->name_length)
        return 1;
    if (pair->name[i++] != '_' || i == pair->name_length)
        return 0;
    for (; i < pair->name_length; i++) {
        if (pair->name[i] < '0' || pair->name[i] > '9')
            return 0;
    }
    return 1;
}

static int is_one_of(const pair_t *pair, const char *const *names)
{
    for (; pair->value && *names; names++) {
        if (is_named(pair, *names))
            return 1;
    }
    return 0;
}

/* Copy what is left from @a pair, the first that goes, on. What came before it stays as it is. */
static const char *strip_from(apr_pool_t *pool, const char *header, const pair_t *pair,
                              const char *next, const char *const *names)
{
    apr_size_t n = (apr_size_t)(pair->name - header);
    char *rest = apr_palloc(pool, 2 * strlen(header) + 1); /* every ";" may become "; " */
    char *out;
    pair_t kept;

    while (n && (is_blank(header[n - 1]) || header[n - 1] == ';'))
        n--;
    memcpy(rest, header, n);
    out = rest + n;
    while (next) {
        next = next_pair(next, &kept);
        if (kept.end == kept.name || is_one_of(&kept, names))
            continue;
        if (out > rest) {
            *out++ = ';';
            *out++ = ' ';
        }
        memcpy(out, kept.name, (apr_size_t)(kept.end - kept.name));
        out += kept.end - kept.name;
    }
    *out = '\0';
    return out > rest ? rest : NULL;
}

/* A value that can be nothing but a value: what RFC 6265 4.1.1 does not allow is encoded. */
static const char *clean_value(apr_pool_t *pool, const char *value)
{
    static const char digits[] = "0123456789ABCDEF";
    char *clean = apr_palloc(pool, 3 * strlen(value) + 1), *out = clean;

    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;

        if (c > 0x20 && c < 0x7f && !strchr("\",;\\", c)) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    *out = '\0';
    return clean;
}

sso_rc_e sso_cookie_find(apr_pool_t *pool, const char *header, const char *name,
                         const char **value)
{
    apr_size_t name_length = strlen(name), length = 0;
    const char *found = NULL;
    pair_t pair;

    while (header) {
        apr_size_t here;

        header = next_pair(header, &pair);
        if (!pair.value || pair.value == pair.end || pair.name_length != name_length ||
            memcmp(pair.name, name, name_length))
            continue;
        here = (apr_size_t)(pair.end - pair.value);
        if (found && (here != length || memcmp(found, pair.value, length)))
            return SSO_DENIED;
        found = pair.value;
        length = here;
    }
    if (!found)
        return SSO_ABSENT;
    *value = apr_pstrmemdup(pool, found, length);
    return SSO_OK;
}

const char *sso_cookie_strip(apr_pool_t *pool, const char *header, const char *const *names)
{
    const char *next = header;
    pair_t pair;

    while (next) {
        next = next_pair(next, &pair);
        if (is_one_of(&pair, names))
            return strip_from(pool, header, &pair, next, names);
    }
    return header;
}

const char *sso_cookie_print(apr_pool_t *pool, const sso_cookie_t *cookie)
{
    const char *value = clean_value(pool, cookie->value ? cookie->value : ""), *age = "";

    if (cookie->max_age == 0)
        age = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    else if (cookie->max_age > 0) /* rounded up: half a second is not a deletion */
        age = apr_psprintf(pool, "; Max-Age=%" APR_TIME_T_FMT,
                           (cookie->max_age + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC);
    return apr_pstrcat(pool, cookie->name, "=", value,
                       cookie->path ? "; Path=" : "", cookie->path ? cookie->path : "",
                       cookie->domain ? "; Domain=" : "", cookie->domain ? cookie->domain : "",
                       age, cookie->secure ? "; Secure" : "", "; HttpOnly",
                       cookie->same_site ? "; SameSite=" : "",
                       cookie->same_site ? cookie->same_site : "", NULL);
}
