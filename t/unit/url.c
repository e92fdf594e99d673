/* SPDX-License-Identifier: Apache-2.0 */
/* sso_url.c: what is a URL, and where a browser may be sent. */
#include "sso_url.h"
#include "tap.h"

#include <apr_escape.h>

static void parse(apr_pool_t *pool)
{
    static const struct { const char *text, *origin, *host, *path, *query; int port; } rows[] = {
        { "https://a", "https://a", "a", "", NULL, 443 },
        { "http://a", "http://a", "a", "", NULL, 80 },
        { "https://a/", "https://a", "a", "/", NULL, 443 },
        { "https://a?", "https://a", "a", "", "", 443 },
        { "https://a?b/c?d", "https://a", "a", "", "b/c?d", 443 },
        { "https://a/b//c?d=e&f", "https://a", "a", "/b//c", "d=e&f", 443 },
        { "HTTPS://A.Example/B?C", "https://a.example", "a.example", "/B", "C", 443 },
        { "hTTp://a", "http://a", "a", "", NULL, 80 },
        { "https://a:443/", "https://a", "a", "/", NULL, 443 },
        { "https://a:80/", "https://a:80", "a", "/", NULL, 80 },
        { "http://a:80/", "http://a", "a", "/", NULL, 80 },
        { "http://a:443/", "http://a:443", "a", "/", NULL, 443 },
        { "http://a:1", "http://a:1", "a", "", NULL, 1 },
        { "http://a:65535", "http://a:65535", "a", "", NULL, 65535 },
        { "http://my_lms-1:8000/x", "http://my_lms-1:8000", "my_lms-1", "/x", NULL, 8000 },
        { "https://xn--mnchen-3ya.de", "https://xn--mnchen-3ya.de", "xn--mnchen-3ya.de", "", NULL,
          443 },
        { "https://1a.2b/", "https://1a.2b", "1a.2b", "/", NULL, 443 },
        { "https://0x1.org/", "https://0x1.org", "0x1.org", "/", NULL, 443 },
        { "https://1.2.3.4:8/", "https://1.2.3.4:8", "1.2.3.4", "/", NULL, 8 },
        { "https://0.0.0.0", "https://0.0.0.0", "0.0.0.0", "", NULL, 443 },
        { "https://255.255.255.255", "https://255.255.255.255", "255.255.255.255", "", NULL, 443 },
        { "https://[::1]/", "https://[::1]", "[::1]", "/", NULL, 443 },
        { "https://[2001:DB8:0:0:0:0:0:1]:8443/", "https://[2001:db8::1]:8443", "[2001:db8::1]",
          "/", NULL, 8443 },
        { "https://[::]", "https://[::]", "[::]", "", NULL, 443 },
        { "https://a/%41%2f?%00", "https://a", "a", "/%41%2f", "%00", 443 },
        { "https://a/@b:c", "https://a", "a", "/@b:c", NULL, 443 },
        { "https://a/;b=c,d'!*()[]{}|^`\"<>", "https://a", "a", "/;b=c,d'!*()[]{}|^`\"<>", NULL,
          443 },
        { "https://login.example/{tenantid}/v2.0", "https://login.example", "login.example",
          "/{tenantid}/v2.0", NULL, 443 },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(rows); i++) {
        sso_url_t url = { 0 };

        is_int(sso_url_parse(pool, rows[i].text, &url), SSO_OK, "URL '%s'", rows[i].text);
        is(url.origin, rows[i].origin, "its origin");
        is(url.scheme, strncmp(rows[i].origin, "https", 5) ? "http" : "https", "its scheme");
        is(url.host, rows[i].host, "its host");
        is(url.path, rows[i].path, "its path");
        is(url.query, rows[i].query, "its query");
        is_int(url.port, rows[i].port, "its port");
    }
}

static void refuse(apr_pool_t *pool)
{
    static const char *const texts[] = {
        "", "a", "/", "/a", "//a", "https", "https:", "https:/", "https:/a", "https:a",
        "https://", "https:///", "https:///a", "https://?", "https://:443", "https:\\\\a",
        "https:/\\a", " https://a", "https://a ", "https://a b", "https://a/b c", "https://a\t",
        "https://a\n", "https://a/\r\nb", "https://a/\x01", "https://a/\x7f", "https://a/\xc3\xa4",
        "https://m\xc3\xbcnchen.de", "https://a/b\\c", "https://a\\b", "https://a?b\\c",
        "https://a#", "https://a/#b", "https://a?b#c", "https://u@a", "https://u:p@a", "https://@a",
        "https://:@a", "https://a:80@b", "https://a@b:80", "ftp://a", "ws://a", "httpss://a",
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://a%2eb",
        "https://a%00.b", "https://%61", "https://a..b", "https://.a", "https://a.", "https://.",
        "https://a.:443", "https://1.2.3.4.", "https://a:", "https://a:/", "https://a:0",
        "https://a:65536", "https://a:99999", "https://a:123456", "https://a:+1", "https://a:-1",
        "https://a: 1", "https://a:1x", "https://a:0x50", "https://a:080", "https://a:80:80",
        "https://a!b", "https://a,b", "https://a;b", "https://a=b", "https://a$b", "https://a&b",
        "https://a'b", "https://(a)", "https://a*", "https://a~b", "https://<a>", "https://a|b",
        "https://a^b", "https://a`b", "https://{a}", "https://\"a\"", "https://a+b", "https://a[",
        "https://127.1", "https://2130706433", "https://0x7f.1", "https://0x7f000001",
        "https://0X7F.1", "https://0x", "https://a.0x", "https://a.0x1", "https://0177.0.0.1",
        "https://1.2.3", "https://1.2.3.4.5", "https://1.2.3.256", "https://1.2.3.04",
        "https://1.2.3.00", "https://1.2.3.1000", "https://a.1", "https://1.2.3.0x4",
        "https://00.0.0.0", "https://[", "https://]", "https://[]", "https://[::1", "https://::1",
        "https://::1]", "https://[::1]a", "https://[::1]]", "https://[[::1]]", "https://a[::1]",
        "https://[::1]@a", "https://[::1]:", "https://[::1]:0", "https://[::1]:x",
        "https://[::1%25eth0]", "https://[fe80::1%eth0]", "https://[fe80::1%251]",
        "https://[1::2::3]",
        "https://[::ffff:127.0.0.1]", "https://[::ffff:7f00:1]", "https://[::127.0.0.1]",
        "https://[12345::]", "https://[1.2.3.4]", "https://[v1.a]", "https://[g::]",
        "https://a/%", "https://a/%4", "https://a/%4g", "https://a/%g4", "https://a?%",
        "https://a?%u",
        "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    sso_url_t url = { .scheme = "untouched" };
    char *text;
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(texts); i++)
        is_int(sso_url_parse(pool, texts[i], &url), SSO_BAD_INPUT, "no URL: row %d '%s'", (int)i,
               apr_pescape_urlencoded(pool, texts[i]));
    is_int(sso_url_parse(pool, NULL, &url), SSO_BAD_INPUT, "none is no URL");
    is(url.scheme, "untouched", "and nothing was set");
    text = apr_pcalloc(pool, 8194);
    memset(text, 'a', 8193);
    memcpy(text, "https://a/", 10);
    is_int(sso_url_parse(pool, text, &url), SSO_BAD_INPUT, "8193 bytes are too many");
    text[8192] = '\0';
    is_int(sso_url_parse(pool, text, &url), SSO_OK, "8192 are not");
    memcpy(text, "https://", 8);
    for (i = 8; i < 400; i++)
        text[i] = i % 2 ? '.' : 'a';
    text[8 + 253] = '/';
    is_int(sso_url_parse(pool, text, &url), SSO_OK, "a name of 253 bytes");
    text[8 + 253] = '.';
    text[8 + 255] = '/';
    is_int(sso_url_parse(pool, text, &url), SSO_BAD_INPUT, "a name of 255 bytes");
}

static void compare(apr_pool_t *pool)
{
    static const struct { const char *a, *b; int same; } origins[] = {
        { "https://a/x", "https://A:443/y?z", 1 },
        { "http://a", "http://a:80", 1 },
        { "https://[::1]", "https://[0:0:0:0:0:0:0:1]:443", 1 },
        { "https://a", "http://a", 0 },
        { "https://a", "http://a:443", 0 },
        { "https://a", "https://a:444", 0 },
        { "https://a", "https://b", 0 },
        { "https://a", "https://a.b", 0 },
    };
    static const struct { const char *text; int loopback; } hosts[] = {
        { "http://localhost", 1 },      { "http://LOCALHOST:1/", 1 }, { "http://a.localhost", 1 },
        { "http://127.0.0.1", 1 },      { "http://127.255.0.9:8", 1 }, { "http://[::1]:8", 1 },
        { "http://[0::1]", 1 },         { "http://localhost.example", 0 },
        { "http://alocalhost", 0 },     { "http://127.0.0.1.example", 0 },
        { "http://128.0.0.1", 0 },      { "http://[::2]", 0 },         { "http://0.0.0.0", 0 },
        { "http://127.example", 0 },    { "http://[127::1]", 0 },
    };
    sso_url_t a, b;
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(origins); i++) {
        sso_url_parse(pool, origins[i].a, &a);
        sso_url_parse(pool, origins[i].b, &b);
        is_int(sso_url_same_origin(&a, &b), origins[i].same, "origins of '%s' and '%s'",
               origins[i].a, origins[i].b);
    }
    for (i = 0; i < SSO_COUNT(hosts); i++) {
        is_int(sso_url_parse(pool, hosts[i].text, &a), SSO_OK, "'%s'", hosts[i].text);
        is_int(a.loopback, hosts[i].loopback, "is loopback, or not");
    }
}

/* The rule of a site on https with two more hosts; with one own path elsewhere. */
static sso_return_rule_t site(apr_pool_t *pool, const char *origin)
{
    static const char *const hosts[] = { "cms.example", "lms.example:8443", "[2001:db8::1]",
                                         "[2001:db8::2]:99", "http://bad.example", "a/b", "", "*",
                                         "Upper.Example", "same.example:443" };
    sso_return_rule_t rule = { .origin = origin, .own_path = "/edxsso" };
    apr_array_header_t *own = apr_array_make(pool, 2, sizeof(const char *));
    apr_array_header_t *list = apr_array_make(pool, 8, sizeof(const char *));
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(hosts); i++)
        APR_ARRAY_PUSH(list, const char *) = hosts[i];
    APR_ARRAY_PUSH(own, const char *) = "/oauth/complete/";
    APR_ARRAY_PUSH(own, const char *) = "/";
    rule.hosts = list;
    rule.own_paths = own;
    return rule;
}

static void returns(const char *origin)
{
    static const struct { const char *text, *absolute; } rows[] = {
        { "/", "https://campus.example/" },
        { "/studio/course/course-v1:Org+X+2026?tab=1&x=%20y#frag",
          "https://campus.example/studio/course/course-v1:Org+X+2026?tab=1&x=%20y#frag" },
        { "https://campus.example", "https://campus.example/" },
        { "https://campus.example/", "https://campus.example/" },
        { "HTTPS://Campus.Example:443/A", "https://campus.example/A" },
        { "https://campus.example?a=b", "https://campus.example/?a=b" },
        { "https://campus.example#//evil.test", "https://campus.example/#//evil.test" },
        { "https://campus.example//evil.test", "https://campus.example//evil.test" },
        { "/a//b///c/", "https://campus.example/a//b///c/" },
        { "/a/../b/./c", "https://campus.example/a/../b/./c" },
        { "/..", "https://campus.example/.." },
        { "/a/%2e%2E/b", "https://campus.example/a/%2e%2E/b" },
        { "/a..b/...", "https://campus.example/a..b/..." },
        { "/a%2Fb", "https://campus.example/a%2Fb" },
        { "/a%252Fb", "https://campus.example/a%252Fb" },
        { "/?next=//evil.test", "https://campus.example/?next=//evil.test" },
        { "/?next=/edxsso/logout", "https://campus.example/?next=/edxsso/logout" },
        { "/#/edxsso/logout", "https://campus.example/#/edxsso/logout" },
        { "/?a=%0d%0a", "https://campus.example/?a=%0d%0a" },
        { "/?a=100%&b=%zz", "https://campus.example/?a=100%25&b=%25zz" },
        { "/?a=\\b#\\c", "https://campus.example/?a=%5Cb#%5Cc" },
        { "/?a[]=1&b={}|^", "https://campus.example/?a[]=1&b=%7B%7D%7C%5E" },
        { "/a b?c d#e f", "https://campus.example/a%20b?c%20d#e%20f" },
        { "/\"<x>'`", "https://campus.example/%22%3Cx%3E%27%60" },
        { "/m\xc3\xbc?\xff#\x80", "https://campus.example/m%C3%BC?%FF#%80" },
        { "/edxssofoo", "https://campus.example/edxssofoo" },
        { "/EdxSSO", "https://campus.example/EdxSSO" },
        { "/a/edxsso", "https://campus.example/a/edxsso" },
        { "/edxsso/../x", "https://campus.example/edxsso/../x" },
        { "/oauth/completed", "https://campus.example/oauth/completed" },
        { "https://cms.example/x", "https://cms.example/x" },
        { "https://cms.example:443/x", "https://cms.example/x" },
        { "https://upper.example/x", "https://upper.example/x" },
        { "https://same.example/", "https://same.example/" },
        { "https://lms.example:8443/x?y#z", "https://lms.example:8443/x?y#z" },
        { "https://[2001:db8:0::1]/", "https://[2001:db8::1]/" },
        { "https://[2001:db8::2]:99/", "https://[2001:db8::2]:99/" },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(rows); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_return_rule_t rule = site(ctx->pool, origin);
        const char *absolute = NULL;

        is_int(sso_return_check(ctx, &rule, rows[i].text, &absolute), SSO_OK, "back to '%s'",
               rows[i].text);
        is(absolute, rows[i].absolute, "the address");
    }
}

static const struct { const char *text; sso_rc_e rc; int number; } refusals[] = {
    { NULL, SSO_BAD_INPUT, 101 },
    { "", SSO_BAD_INPUT, 101 },
    { "a", SSO_BAD_INPUT, 101 },
    { "a/b", SSO_BAD_INPUT, 101 },
    { "./a", SSO_BAD_INPUT, 101 },
    { "../a", SSO_BAD_INPUT, 101 },
    { "?a", SSO_BAD_INPUT, 101 },
    { "#a", SSO_BAD_INPUT, 101 },
    { "?//evil.test", SSO_BAD_INPUT, 101 },
    { "#//evil.test", SSO_BAD_INPUT, 101 },
    { "//evil.test", SSO_BAD_INPUT, 101 },
    { "//campus.example/", SSO_BAD_INPUT, 101 },
    { "///evil.test", SSO_BAD_INPUT, 101 },
    { "////evil.test", SSO_BAD_INPUT, 101 },
    { "//host:80@evil.test", SSO_BAD_INPUT, 101 },
    { "/\\evil.test", SSO_BAD_INPUT, 100 },
    { "\\\\evil.test", SSO_BAD_INPUT, 100 },
    { "\\/evil.test", SSO_BAD_INPUT, 100 },
    { "/a\\b", SSO_BAD_INPUT, 100 },
    { "/\t/evil.test", SSO_BAD_INPUT, 100 },
    { "/\n/evil.test", SSO_BAD_INPUT, 100 },
    { "/\r/evil.test", SSO_BAD_INPUT, 100 },
    { "\t//evil.test", SSO_BAD_INPUT, 100 },
    { "\x01//evil.test", SSO_BAD_INPUT, 100 },
    { " //evil.test", SSO_BAD_INPUT, 100 },
    { " /a", SSO_BAD_INPUT, 100 },
    { "/a ", SSO_BAD_INPUT, 100 },
    { "/a\x7f", SSO_BAD_INPUT, 100 },
    { "/?a\r\nLocation: x", SSO_BAD_INPUT, 100 },
    { "/#\t", SSO_BAD_INPUT, 100 },
    { "ht\ntps://evil.test", SSO_BAD_INPUT, 100 },
    { "https:evil.test", SSO_BAD_INPUT, 101 },
    { "https:/evil.test", SSO_BAD_INPUT, 101 },
    { "https:///evil.test", SSO_BAD_INPUT, 102 },
    { "https:////evil.test", SSO_BAD_INPUT, 102 },
    { "http:\\\\evil.test", SSO_BAD_INPUT, 100 },
    { "https:/\\evil.test", SSO_BAD_INPUT, 100 },
    { "https://campus.example\\@evil.test", SSO_BAD_INPUT, 100 },
    { "https://campus.example\\.evil.test", SSO_BAD_INPUT, 100 },
    { "http://host@evil.test", SSO_BAD_INPUT, 102 },
    { "http://host:x@evil.test", SSO_BAD_INPUT, 102 },
    { "https://campus.example@evil.test", SSO_BAD_INPUT, 102 },
    { "https://campus.example:443@evil.test", SSO_BAD_INPUT, 102 },
    { "https://user@campus.example/", SSO_BAD_INPUT, 102 },
    { "http://[::1]@evil.test", SSO_BAD_INPUT, 102 },
    { "http://host%00.evil.test", SSO_BAD_INPUT, 102 },
    { "http://host%2eevil.test", SSO_BAD_INPUT, 102 },
    { "https://campus%2eexample/", SSO_BAD_INPUT, 102 },
    { "https://campus.example./", SSO_BAD_INPUT, 102 },
    { "https://campus.example:/", SSO_BAD_INPUT, 102 },
    { "https://campus.example;.evil.test/", SSO_BAD_INPUT, 102 },
    { "https://campus\xe3\x80\x82" "example/", SSO_BAD_INPUT, 102 },
    { "javascript:alert(1)", SSO_BAD_INPUT, 101 },
    { "data:text/html,x", SSO_BAD_INPUT, 101 },
    { "ftp://campus.example/", SSO_BAD_INPUT, 101 },
    { "host.evil.test", SSO_BAD_INPUT, 101 },
    { "evil.test/host", SSO_BAD_INPUT, 101 },
    { "/%09/evil.test", SSO_BAD_INPUT, 104 },
    { "/%2f%2fevil.test", SSO_BAD_INPUT, 104 },
    { "/%2F/evil.test", SSO_BAD_INPUT, 104 },
    { "/%252fevil.test", SSO_BAD_INPUT, 104 },
    { "/%5cevil.test", SSO_BAD_INPUT, 104 },
    { "/.//evil.test", SSO_BAD_INPUT, 104 },
    { "/..//evil.test", SSO_BAD_INPUT, 104 },
    { "/x/..//evil.test", SSO_BAD_INPUT, 104 },
    { "/x/%2e%2e//evil.test", SSO_BAD_INPUT, 104 },
    { "/%2e/%2fevil.test", SSO_BAD_INPUT, 104 },
    { "/x/%252e%252e/y", SSO_BAD_INPUT, 104 },
    { "/x%2f..%2fy", SSO_BAD_INPUT, 104 },
    { "/x%5c../y", SSO_BAD_INPUT, 104 },
    { "/x%5cy", SSO_BAD_INPUT, 104 },
    { "/a%00", SSO_BAD_INPUT, 104 },
    { "/a%0d%0ab", SSO_BAD_INPUT, 104 },
    { "/a%250ab", SSO_BAD_INPUT, 104 },
    { "/a%7f", SSO_BAD_INPUT, 104 },
    { "/%", SSO_BAD_INPUT, 103 },
    { "/%4", SSO_BAD_INPUT, 103 },
    { "/%4?1", SSO_BAD_INPUT, 103 },
    { "/%u0041", SSO_BAD_INPUT, 103 },
    { "https://evil.test", SSO_DENIED, 105 },
    { "https://evil.test/campus.example", SSO_DENIED, 105 },
    { "https://campus.example.evil.test/", SSO_DENIED, 105 },
    { "https://evilcampus.example/", SSO_DENIED, 105 },
    { "https://www.campus.example/", SSO_DENIED, 105 },
    { "http://campus.example/", SSO_DENIED, 105 },
    { "http://campus.example:443/", SSO_DENIED, 105 },
    { "https://campus.example:444/", SSO_DENIED, 105 },
    { "https://campus.example:80/", SSO_DENIED, 105 },
    { "http://cms.example/", SSO_DENIED, 105 },
    { "https://cms.example:8443/", SSO_DENIED, 105 },
    { "https://lms.example/", SSO_DENIED, 105 },
    { "http://lms.example:8443/", SSO_DENIED, 105 },
    { "https://bad.example/", SSO_DENIED, 105 },
    { "https://a/b", SSO_DENIED, 105 },
    { "https://[2001:db8::2]/", SSO_DENIED, 105 },
    { "https://evil.test/edxsso", SSO_DENIED, 105 },
};

static void elsewhere(const char *origin)
{
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(refusals); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_return_rule_t rule = site(ctx->pool, origin);
        const char *absolute = "untouched";

        is_int(sso_return_check(ctx, &rule, refusals[i].text, &absolute), refusals[i].rc,
               "row %d: not to '%s'", (int)i,
               refusals[i].text ? apr_pescape_urlencoded(ctx->pool, refusals[i].text) : "(none)");
        is_int(ctx->err.number, refusals[i].number, "and why");
        is(absolute, "untouched", "and nothing is set");
    }
}

static void own_paths(const char *origin)
{
    static const char *const texts[] = {
        "/edxsso", "/edxsso/", "/edxsso/logout", "/edxsso?x", "/edxsso#x", "/edxsso/login?next=/",
        "/%65dxsso", "/edxss%6F/logout", "/%65%64%78%73%73%6f", "/%2565dxsso", "/%25%36%35dxsso",
        "/edxsso%2flogout", "/edxsso%252Flogout", "/edxsso//logout", "/a/../edxsso/logout",
        "/a/%2e%2e/edxsso", "/./edxsso", "/../../edxsso", "/edxsso/x/..", "/edxsso/./",
        "/a/b/../../edxsso/x", "https://campus.example/edxsso",
        "https://campus.example//edxsso/logout",
        "https://campus.example///edxsso", "HTTPS://CAMPUS.example:443/edxsso",
        "https://cms.example/edxsso/logout", "/oauth/complete", "/oauth/complete/",
        "/oauth/complete/edx?code=x", "/oauth//complete/", "/oauth/%63omplete/",
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(texts); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_return_rule_t rule = site(ctx->pool, origin);
        const char *absolute = "untouched";

        is_int(sso_return_check(ctx, &rule, texts[i], &absolute), SSO_ABSENT, "ours: '%s'",
               texts[i]);
        is_int(ctx->err.number, 0, "which is no failure");
        is(absolute, "untouched", "and nothing is set");
    }
}

/* A site on plain http; rules without lists; own paths spelled otherwise; the length. */
static void other_rules(void)
{
    static const struct { const char *text; sso_rc_e rc; } plain_site[] = {
        { "http://localhost:8000/x", SSO_OK },      { "/x", SSO_OK },
        { "https://localhost:8000/x", SSO_DENIED }, { "http://localhost/x", SSO_DENIED },
        { "http://cms.example/x", SSO_OK },         { "https://cms.example/x", SSO_OK },
        { "http://cms.example:443/x", SSO_DENIED }, { "https://cms.example:80/x", SSO_DENIED },
        { "http://lms.example:8443/x", SSO_OK },    { "https://lms.example:8443/x", SSO_OK },
    };
    sso_ctx_t *ctx = tap_ctx();
    sso_return_rule_t rule = site(ctx->pool, "http://localhost:8000");
    const char *absolute;
    char *text = apr_pcalloc(ctx->pool, 4098);
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(plain_site); i++)
        is_int(sso_return_check(ctx, &rule, plain_site[i].text, &absolute), plain_site[i].rc,
               "from plain http to '%s'", plain_site[i].text);
    memset(&rule, 0, sizeof(rule));
    rule.origin = "https://campus.example:8443";
    is_int(sso_return_check(ctx, &rule, "/edxsso", &absolute), SSO_OK, "no lists, no own path");
    is(absolute, "https://campus.example:8443/edxsso", "the port is in the address");
    is_int(sso_return_check(ctx, &rule, "https://campus.example:8443", &absolute), SSO_OK, "own");
    is_int(sso_return_check(ctx, &rule, "https://campus.example", &absolute), SSO_DENIED, "other");
    rule.own_path = "/auth/edxsso//";
    is_int(sso_return_check(ctx, &rule, "/auth/edxsso/x", &absolute), SSO_ABSENT, "own path deep");
    is_int(sso_return_check(ctx, &rule, "/auth", &absolute), SSO_OK, "what is above it");
    memset(text, 'a', 4097);
    text[0] = '/';
    is_int(sso_return_check(ctx, &rule, text, &absolute), SSO_BAD_INPUT, "4097 bytes");
    text[4096] = '\0';
    is_int(sso_return_check(ctx, &rule, text, &absolute), SSO_OK, "4096 bytes");
    memset(text + 1, '\xc3', 4095);
    is_int(sso_return_check(ctx, &rule, text, &absolute), SSO_OK, "4096 bytes to encode");
    is_int(strlen(absolute), 27 + 1 + 3 * 4095, "three for each");
}

/* What a message says is escaped and never more than the origin. */
static void messages(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_return_rule_t rule = { .origin = "https://campus.example" };
    const char *absolute;

    sso_return_check(ctx, &rule, "https://evil.test/?token=canary", &absolute);
    ok(strstr(ctx->err.text, "https://evil.test ") != NULL, "the message names the origin");
    ok(!strstr(ctx->err.text, "canary"), "and nothing behind it");
}

int main(void)
{
    apr_pool_t *pool = tap_ctx()->pool;

    parse(pool);
    refuse(pool);
    compare(pool);
    returns("https://campus.example");
    elsewhere("https://campus.example");
    own_paths("https://campus.example");
    other_rules();
    messages();
    return tap_done();
}
