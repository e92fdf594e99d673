/* SPDX-License-Identifier: Apache-2.0 */
/* sso_cookie.c: found, taken out, printed. */
#include "sso_cookie.h"
#include "tap.h"

static void find(apr_pool_t *pool)
{
    static const struct { const char *header; sso_rc_e rc; const char *value; } rows[] = {
        { NULL, SSO_ABSENT, NULL },
        { "", SSO_ABSENT, NULL },
        { ";", SSO_ABSENT, NULL },
        { " ; ;; ", SSO_ABSENT, NULL },
        { "sid", SSO_ABSENT, NULL },
        { "=sid", SSO_ABSENT, NULL },
        { "=x", SSO_ABSENT, NULL },
        { "=", SSO_ABSENT, NULL },
        { "a", SSO_ABSENT, NULL },
        { "sid=", SSO_ABSENT, NULL },
        { "sid= ", SSO_ABSENT, NULL },
        { "sid=; a=b", SSO_ABSENT, NULL },
        { "SID=1", SSO_ABSENT, NULL },
        { "sid2=1", SSO_ABSENT, NULL },
        { "xsid=1", SSO_ABSENT, NULL },
        { "si=1", SSO_ABSENT, NULL },
        { "sid_0=1", SSO_ABSENT, NULL },
        { "a=sid=1", SSO_ABSENT, NULL },
        { "=sid=1", SSO_ABSENT, NULL },
        { "a=b, sid=1", SSO_ABSENT, NULL },
        { "sid=1", SSO_OK, "1" },
        { "sid=1;", SSO_OK, "1" },
        { ";sid=1", SSO_OK, "1" },
        { "a=b; sid=1; c=d", SSO_OK, "1" },
        { "a=b;sid=1;c=d", SSO_OK, "1" },
        { "a=b;  sid=1  ;  c=d", SSO_OK, "1" },
        { "a=b;\tsid\t=\t1\t;c=d", SSO_OK, "1" },
        { "a;sid=1;b", SSO_OK, "1" },
        { "=x;sid=1", SSO_OK, "1" },
        { "sid=\"1\"", SSO_OK, "\"1\"" },
        { "sid=a=b==", SSO_OK, "a=b==" },
        { "sid==", SSO_OK, "=" },
        { "sid=a b", SSO_OK, "a b" },
        { "sid=\xc3\xa4", SSO_OK, "\xc3\xa4" },
        { "sid=1; sid=1", SSO_OK, "1" },
        { "sid=1; sid=1; sid = 1", SSO_OK, "1" },
        { "sid=; sid=1", SSO_OK, "1" },
        { "sid=1; sid=", SSO_OK, "1" },
        { "sid=1; sid=2", SSO_DENIED, NULL },
        { "sid=1; sid=11", SSO_DENIED, NULL },
        { "sid=11; a=b; sid=1", SSO_DENIED, NULL },
        { "sid=1; sid=1; sid=2", SSO_DENIED, NULL },
        { "sid=1; sid=\"1\"", SSO_DENIED, NULL },
        { "sid=a; sid=A", SSO_DENIED, NULL },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(rows); i++) {
        const char *value = NULL;

        is_int(sso_cookie_find(pool, rows[i].header, "sid", &value), rows[i].rc, "find in '%s'",
               rows[i].header ? rows[i].header : "(none)");
        is(value, rows[i].value, "and its value");
    }
}

static void strip(apr_pool_t *pool)
{
    static const char *const names[] = { "sid", "__Host-login", NULL };
    static const char *const no_names[] = { NULL };
    static const struct { const char *header, *left; int same; } rows[] = {
        { NULL, NULL, 1 },
        { "", "", 1 },
        { ";", ";", 1 },
        { " ; ;", " ; ;", 1 },
        { "a", "a", 1 },
        { "=x", "=x", 1 },
        { "a=b", "a=b", 1 },
        { "a=b;c=d; ;e", "a=b;c=d; ;e", 1 },
        { "sid", "sid", 1 },
        { "SID=1", "SID=1", 1 },
        { "sidx=1; si=2; xsid=3", "sidx=1; si=2; xsid=3", 1 },
        { "sid_=1; sid_x=2; sid_1x=3; sid-1=4; sid1=5; sid__1=6", NULL, 1 },
        { "a=sid=1", "a=sid=1", 1 },
        { "sid=1", NULL, 0 },
        { "sid=", NULL, 0 },
        { "sid=1;", NULL, 0 },
        { "; sid=1", NULL, 0 },
        { " ;; sid=1 ;; ", NULL, 0 },
        { "sid=1; sid=2; sid_0=3; sid_99999999=4; __Host-login=5", NULL, 0 },
        { "sid=1; a=b", "a=b", 0 },
        { "a=b; sid=1", "a=b", 0 },
        { "a=b; sid=1; c=d", "a=b; c=d", 0 },
        { "a=b;sid=1;c=d;e;;f=", "a=b; c=d; e; f=", 0 },
        { "a=b;c=d;sid=1;e=f", "a=b;c=d; e=f", 0 },
        { "a=\"b\"; sid = 1 ; c = d ", "a=\"b\"; c = d", 0 },
        { "sid=1;a;b;c;d;e;f;g;h", "a; b; c; d; e; f; g; h", 0 },
        { "sid=1;a=\xc3\xa4", "a=\xc3\xa4", 0 },
        { "__Host-login=1; __Host-login_0=2; __Host-other=3", "__Host-other=3", 0 },
        { "sid_0=1; sid_12=2; sid_x=3", "sid_x=3", 0 },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(rows); i++) {
        const char *header = rows[i].header ? apr_pstrdup(pool, rows[i].header) : NULL;
        const char *left = sso_cookie_strip(pool, header, names);

        is(left, rows[i].same ? header : rows[i].left, "strip '%s'",
           header ? header : "(none)");
        ok((left == header) == rows[i].same, "the header itself, or another text");
        is(header, rows[i].header, "the header is as it was");
        ok(sso_cookie_strip(pool, header, no_names) == header, "no names, nothing to do");
    }
}

/* Parts without a blank between them grow: the buffer must, too. */
static void strip_many(apr_pool_t *pool)
{
    static const char *const names[] = { "s", NULL };
    char *header = apr_pcalloc(pool, 8193), *want = apr_pcalloc(pool, 3 * 8192);
    const char *left;
    int i;

    strncpy(header, "s=;", 8192);
    for (i = 3; i + 1 < 8190; i += 2)
        memcpy(header + i, "a;", 2);
    left = sso_cookie_strip(pool, header, names);
    for (i = 0; i < 4093; i++)
        memcpy(want + 3 * i, "a; ", 3);
    want[3 * 4093 - 2] = '\0';
    is_int(strlen(left), strlen(want), "4093 parts are left");
    ok(!strcmp(left, want), "with a blank between them");
}

static void print(apr_pool_t *pool)
{
    static const struct { sso_cookie_t cookie; const char *want; } rows[] = {
        { { .name = "sid", .value = "v", .path = "/", .same_site = "Lax", .max_age = -1,
            .secure = 1 }, "sid=v; Path=/; Secure; HttpOnly; SameSite=Lax" },
        { { .name = "sid", .value = "v", .path = "/x", .domain = "campus.example",
            .same_site = "None", .max_age = apr_time_from_sec(3600), .secure = 1 },
          "sid=v; Path=/x; Domain=campus.example; Max-Age=3600; Secure; HttpOnly; SameSite=None" },
        { { .name = "sid", .value = "", .path = "/", .same_site = "Strict" },
          "sid=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; "
          "SameSite=Strict" },
        { { .name = "sid", .max_age = -1 }, "sid=; HttpOnly" },
        { { .name = "sid", .value = "v", .max_age = 1 }, "sid=v; Max-Age=1; HttpOnly" },
        { { .name = "sid", .value = "v", .max_age = APR_USEC_PER_SEC + 1 },
          "sid=v; Max-Age=2; HttpOnly" },
        { { .name = "sid", .value = "AZaz09-_.~=!", .max_age = -1 },
          "sid=AZaz09-_.~=!; HttpOnly" },
        { { .name = "sid", .value = "a;b\r\nc,d \"\\\x7f\xc3", .max_age = -1 },
          "sid=a%3Bb%0D%0Ac%2Cd%20%22%5C%7F%C3; HttpOnly" },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(rows); i++)
        is(sso_cookie_print(pool, &rows[i].cookie), rows[i].want, "print row %d", (int)i);
}

int main(void)
{
    apr_pool_t *pool = tap_ctx()->pool;

    find(pool);
    strip(pool);
    strip_many(pool);
    print(pool);
    return tap_done();
}
