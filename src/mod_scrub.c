/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client may not bring along: headers by our names are removed, our cookies taken out of the
 * way, before anybody reads them. It happens to every request, so it looks at each header once.
 */
#include "mod_glue.h"

#include "sso_cookie.h"

#include <apr_strings.h>

/* What of the headers is looked at again. */
typedef struct seen_t {
    const char *connection, *cookie;
} seen_t;

mod_request_t *mod_request_state(request_rec *r)
{
    mod_request_t *state = ap_get_module_config(r->request_config, &auth_edxsso_module);

    if (!state) {
        state = apr_pcalloc(r->pool, sizeof(*state));
        ap_set_module_config(r->request_config, &auth_edxsso_module, state);
    }
    return state;
}

static seen_t scrub_headers(request_rec *r)
{
    const sso_reserved_t *reserved = mod_config_reserved();
    const apr_array_header_t *rows = apr_table_elts(r->headers_in);
    seen_t seen = { NULL, NULL };
    int i = 0;

    while (i < rows->nelts) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        if (reserved->begins[(unsigned char)*row->key]
            && sso_reserved_has(reserved, row->key, strlen(row->key))) {
            apr_table_unset(r->headers_in, row->key); /* moves the rest up */
            continue;
        }
        if ((*row->key | 0x20) == 'c') {
            if (!strcasecmp(row->key, "Connection"))
                seen.connection = row->val;
            else if (!strcasecmp(row->key, "Cookie"))
                seen.cookie = row->val;
        }
        i++;
    }
    return seen;
}

void mod_scrub_headers(request_rec *r)
{
    scrub_headers(r);
}

/* One word of a Connection header, split wherever mod_proxy does; length 0: there is none left */
static const char *next_word(const char *value, apr_size_t *length)
{
    static const char separators[] = ",; \t\r\n\v\f";

    value += strspn(value, separators);
    *length = strcspn(value, separators);
    return value;
}

static int may_name(const char *word, apr_size_t length)
{
    return !sso_reserved_has(mod_config_reserved(), word, length)
           && (length != 6 || strncasecmp(word, "cookie", length))
           && (length != 13 || strncasecmp(word, "authorization", length));
}

/*
 * `Connection: NAME` makes a proxy drop NAME: nobody may name what we are going to put there.
 */
static void scrub_connection(request_rec *r, const char *value)
{
    const char *word, *kept = NULL;
    apr_size_t length;
    int wrong = 0;

    for (word = next_word(value, &length); length && !wrong; word = next_word(word, &length)) {
        wrong = !may_name(word, length);
        word += length;
    }
    if (!wrong)
        return;
    for (word = next_word(value, &length); length; word = next_word(word, &length)) {
        if (may_name(word, length))
            kept = apr_pstrcat(r->pool, kept ? kept : "", kept ? ", " : "",
                               apr_pstrmemdup(r->pool, word, length), NULL);
        word += length;
    }
    if (kept)
        apr_table_setn(r->headers_in, "Connection", kept);
    else
        apr_table_unset(r->headers_in, "Connection");
}

/* ---- cookies */

static int in_domain(const char *host, const char *domain)
{
    apr_size_t all = strlen(host), length;

    domain += *domain == '.';
    length = strlen(domain);
    return all >= length && !strcasecmp(host + all - length, domain)
           && (all == length || host[all - length - 1] == '.');
}

/* Whether browsers send one virtual host's cookies to another: no port keeps them apart. */
static int reaches(const server_rec *from, const server_rec *to)
{
    const char *domain = mod_server(from)->site->config->cookie_domain;
    const apr_array_header_t *lists[] = { to->names, to->wild_names };
    const char *own = domain ? domain : from->server_hostname;
    unsigned k;
    int i;

    if (!own || !to->server_hostname)
        return 0;
    if (domain ? in_domain(to->server_hostname, own) : !strcasecmp(to->server_hostname, own))
        return 1;
    for (k = 0; k < SSO_COUNT(lists); k++)
        for (i = 0; lists[k] && i < lists[k]->nelts; i++) {
            const char *name = APR_ARRAY_IDX(lists[k], i, const char *);

            if (name && (domain ? in_domain(name, own)
                                : !(k ? ap_strcasecmp_match(own, name) : strcasecmp(own, name))))
                return 1;
        }
    return 0;
}

/* The neighbours' sessions are as little this one's apps' business as its own. */
void mod_scrub_prepare(apr_pool_t *pool, server_rec *main_server)
{
    server_rec *s, *other;
    int i;

    for (s = main_server; s; s = s->next) {
        const sso_site_t *site = mod_server(s)->site;
        apr_array_header_t *names = apr_array_make(pool, 8, sizeof(const char *));

        for (i = 0; site->cookies[i]; i++)
            APR_ARRAY_PUSH(names, const char *) = site->cookies[i];
        for (other = main_server; other; other = other->next) {
            site = mod_server(other)->site;
            for (i = 0; other != s && reaches(other, s) && site->cookies[i]; i++)
                if (!sso_list_has(names, site->cookies[i]))
                    APR_ARRAY_PUSH(names, const char *) = site->cookies[i];
        }
        APR_ARRAY_PUSH(names, const char *) = NULL;
        mod_server(s)->strips = (const char *const *)(const void *)names->elts;
    }
}

static int begins_with(const char *text, const char *const *names)
{
    text += strspn(text, " \t");
    for (; *names; names++) {
        apr_size_t length = strlen(*names);

        if (!strncmp(text, *names, length) && strchr("=_ ", text[length]) && text[length])
            return 1;
    }
    return 0;
}

/*
 * Two Cookie lines come from httpd as one, joined by a comma (RFC 9110 5.3). Where one of our
 * cookies stands beside a comma, it is made a semicolon; our values have none.
 */
static const char *part_cookies(apr_pool_t *pool, const char *header, const char *const *names)
{
    char *copy, *c;
    int own;

    if (!strchr(header, ','))
        return header;
    own = begins_with(header, names);
    copy = apr_pstrdup(pool, header);
    for (c = copy; *c; c++) {
        if (*c == ',' && (own || begins_with(c + 1, names)))
            *c = ';';
        if (*c == ';')
            own = begins_with(c + 1, names);
    }
    return copy;
}

static void take_cookies(request_rec *r, const char *header)
{
    const char *const *names = mod_server(r->server)->strips;
    const char *left;

    header = part_cookies(r->pool, header, names);
    left = sso_cookie_strip(r->pool, header, names);
    if (left == header)
        return;
    mod_request_state(r)->cookies = header;
    if (left)
        apr_table_setn(r->headers_in, "Cookie", left);
    else
        apr_table_unset(r->headers_in, "Cookie");
}

/*
 * The access log and server-status show the request line: codes and states are none of theirs. The
 * query itself stays where it is read.
 */
static void shorten_request_line(request_rec *r, const sso_site_t *site)
{
    const char *mark;

    if (!r->args || !r->the_request || !sso_answer_owns(site, r->uri)
        || !(mark = strchr(r->the_request, '?')))
        return;
    r->the_request = apr_pstrcat(r->pool,
                                 apr_pstrmemdup(r->pool, r->the_request,
                                                (apr_size_t)(mark - r->the_request)),
                                 mark + strcspn(mark, " "), NULL);
}

int mod_scrub(request_rec *r)
{
    /* in every virtual host of a server that uses the module: the app behind may be the same */
    const sso_site_t *site = mod_site_running() ? mod_server(r->server)->site : NULL;
    seen_t seen;

    if (!site)
        return DECLINED;
    seen = scrub_headers(r);
    if (r->prev) {
        mod_request_put_back(r);
        mod_body_follow(r);
    }
    if (seen.connection && strcasecmp(seen.connection, "keep-alive"))
        scrub_connection(r, seen.connection);
    if (seen.cookie)
        take_cookies(r, seen.cookie);
    if (mod_site_of(r)) {
        if (r->args && r->method_number == M_POST)
            mod_request_state(r)->replay = mod_body_parameter(r);
        shorten_request_line(r, site);
    }
    return DECLINED;
}

