/* SPDX-License-Identifier: Apache-2.0 */
/* Claims: whatever a provider sends comes out as it should, and no blob makes a reader stumble. */
#include "sso_claims.h"
#include "sso_json.h"
#include "tap.h"

#include <stdlib.h>

static const struct {
    const char *json; /* of the claim "c" */
    const char *value, *delimiter;
} values[] = {
    { "\"plain\"", "plain", "," },
    { "\"\"", "", "," },
    { "\"a\\\"b\\\\c/d\"", "a\"b\\c/d", "," },
    { "\"\\u0007x\\r\\n\\ty\\b\\f\"", " x   y  ", "," },
    { "\"a\\u007fb\"", "a b", "," },
    { "\"a\\u0085b\\u009fc\\u00a0d\"", "a b c\xc2\xa0" "d", "," },
    { "\"\\u00e9\\ud83d\\ude00\"", "\xc3\xa9\xf0\x9f\x98\x80", "," },
    { "\"\xc3\xa9\\\\u0041\"", "\xc3\xa9\\u0041", "," },
    { "true", "true", "," }, { "false", "false", "," },
    { "0", "0", "," }, { "-7", "-7", "," },
    { "9223372036854775807", "9223372036854775807", "," },
    { "1.5", "1.5", "," },
    { "[]", "", "," }, { "[\"\"]", "", "," }, { "[\"\",\"\"]", ",", "," },
    { "[\"a\",\"b\"]", "a,b", "," },
    { "[\"a,b\",\"c\\\\d\",\"e\\\"f\"]", "a\\,b,c\\\\d,e\"f", "," },
    { "[1,true,\"x\",-2.5]", "1,true,x,-2.5", "," },
    { "[\"a\",\"b\"]", "a::b", "::" },
    { "[\"a::b\",\"c:d\"]", "a\\::b::c:d", "::" },
    { "[\"a;b\",\"c\"]", "a;b; c", "; " },
    { "[\"a\",\"b\"]", "a; b", "; " },
    { "[\"a b\",\"c\\td\"]", "a\\ b c\\ d", " " },
    { "[\"a\\\"b\",\"c\"]", "a\\\"b\"c", "\"" },
    { "[\"a\\\\b\",\"c\"]", "a\\\\b\\c", "\\" },
    { "[\"\\u0001\",\"\\u0090\"]", " , ", "," },
    { "[\"\\\\\"]", "\\\\", "," },
    { "[[1]]", "[[1]]", "," },
    { "[1,null]", "[1,null]", "," },
    { "[\"a\",{\"b\":1}]", "[\"a\",{\"b\":1}]", "," },
    { "{\"b\":[1,{\"c\":null}],\"d\":\"\\n\"}", "{\"b\":[1,{\"c\":null}],\"d\":\"\\n\"}", "," },
    { "{\"b\":\"\\u007f\\u0085|\"}", "{\"b\":\"  |\"}", "," },
    { "{}", "{}", "," },
};

static const sso_claim_t *row_of(const sso_claims_t *claims, const char *name)
{
    apr_uint32_t i;

    for (i = 0; i < claims->count; i++)
        if (claims->rows[i].name_length == strlen(name)
            && !memcmp(claims->text + claims->rows[i].name_at, name, strlen(name)))
            return &claims->rows[i];
    return NULL;
}

static sso_rc_e flatten(sso_ctx_t *ctx, const char *json, sso_claims_t *claims)
{
    json_t *object;
    sso_rc_e rc = sso_json_parse(ctx, "test", json, strlen(json), &object);

    return rc == SSO_OK ? sso_claims_flatten(ctx, object, claims) : rc;
}

/* Write and read again, in memory of exactly that size. */
static void copy_of(sso_ctx_t *ctx, const sso_claims_t *claims, sso_claims_t *copy)
{
    apr_size_t size = sso_claims_size(claims);
    void *bytes = apr_palloc(ctx->pool, size);

    sso_claims_write(claims, bytes);
    ok(size % 8 == 0 && sso_claims_read(bytes, size, copy), "written and read");
}

/* A claim's value as it was rendered at sign-in. */
static void show(sso_ctx_t *ctx, const sso_claims_t *claims, const char *name, const char **value)
{
    const char *at = claims->shown;
    sso_shown_t shown;
    apr_uint32_t i;

    for (i = 0; i < claims->count; i++) {
        const sso_claim_t *row = &claims->rows[i];

        at = sso_claim_show(claims, row, at, &shown);
        if (row == row_of(claims, name))
            *value = apr_pstrmemdup(ctx->pool, shown.value ? shown.value
                                                           : claims->text + sso_claim_value_at(row),
                                    row->shown_length);
    }
}

static void test_labels(void)
{
    static const struct {
        const char *name, *variable, *header;
    } labels[] = {
        { "email_verified", "email_verified", "Email-Verified" }, { "a", "a", "A" },
        { "aB-c.D", "aB_c_D", "AB-C-D" }, { "_x__1y", "_x__1y", "-X--1y" },
        { "https://x.example/role", "https___x_example_role", "Https---X-Example-Role" },
        { "\xc3\xa4\xe2\x82\xac" "b", "__b", "--B" }, { "\\\"n\\u0001", "_n_", "-N-" },
        { "a_name_that_is_longer_than_one_register", "a_name_that_is_longer_than_one_register",
          "A-Name-That-Is-Longer-Than-One-Register" },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(labels); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_claims_t claims, copy;
        sso_shown_t shown;

        is_int(flatten(ctx, apr_pstrcat(ctx->pool, "{\"", labels[i].name, "\":1}", NULL), &claims),
               SSO_OK, "%s", labels[i].name);
        copy_of(ctx, &claims, &copy);
        ok(sso_claim_show(&copy, copy.rows, copy.shown, &shown) == copy.shown + copy.shown_length,
           "all of it is its");
        is(apr_pstrmemdup(ctx->pool, shown.variable, copy.rows[0].label_length),
           labels[i].variable, "as a variable");
        is(apr_pstrmemdup(ctx->pool, shown.header, copy.rows[0].label_length), labels[i].header,
           "as a header");
        is_int(copy.label_bytes, strlen(labels[i].header), "its length");
        apr_pool_destroy(ctx->pool);
    }
}

static void test_values(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(values); i++) {
        sso_ctx_t *ctx = tap_ctx();
        const char *json = apr_pstrcat(ctx->pool, "{\"first\":1,\"c\":", values[i].json,
                                       ",\"last\":\"x\"}", NULL);
        sso_claims_t claims, copy;
        const char *value, *shown = NULL;
        apr_size_t length;

        is_int(flatten(ctx, json, &claims), SSO_OK, "%s", values[i].json);
        copy_of(ctx, &claims, &copy);
        show(ctx, &copy, "c", &shown);
        is(shown, sso_claim_value(ctx->pool, &copy, row_of(&copy, "c"), ",", NULL), "rendered");
        value = sso_claim_value(ctx->pool, &copy, row_of(&copy, "c"), values[i].delimiter, &length);
        is(value, values[i].value, "%s with '%s'", values[i].json, values[i].delimiter);
        is_int(length, strlen(value), "length");
        apr_pool_destroy(ctx->pool);
    }
}

/* What stands first is an object in itself; the rest follows. */
/* Whoever writes it, the text is the one that jansson makes: of short values and of long ones. */
static void test_text(void)
{
    const apr_size_t lengths[] = { 1, 2020, 2030, 2040, 2050, 70000 };
    unsigned i, k;

    for (i = 0; i < SSO_COUNT(values); i++)
        for (k = 0; k < SSO_COUNT(lengths); k++) {
            sso_ctx_t *ctx = tap_ctx();
            sso_claims_t claims;
            char *filling = apr_pcalloc(ctx->pool, lengths[k] + 1);
            const char *json;
            json_t *object;

            memset(filling, 'x', lengths[k]);
            json = apr_psprintf(ctx->pool, "{\"%s\":\"%s\",\"c\":%s,"
                                "\"n\\u00e9 \\n\":[%s,\"end\"]}",
                                k & 1 ? "f" : "\\u0001", filling, values[i].json, values[i].json);
            if (flatten(ctx, json, &claims) != SSO_OK
                || sso_json_parse(ctx, "test", json, strlen(json), &object) != SSO_OK)
                abort();
            is(claims.text, sso_json_print(ctx->pool, object), "%s after %d bytes", values[i].json,
               (int)lengths[k]);
        }
}

static void test_parts(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_claims_t claims;
    json_t *object;

    flatten(ctx, "{\"aud\":\"x\",\"sub\":\"s\",\"exp\":1,\"email\":null,\"jti\":\"j\",\"\":1,"
                 "\"name\":\"n\",\"auds\":2}", &claims);
    is(claims.text, "{\"sub\":\"s\",\"name\":\"n\",\"auds\":2}", "what is exported by default");
    is_int(claims.default_count, 3, "rows of it");
    is_int(claims.count, 6, "nulls and empty names are left out");
    is_int(claims.default_length, strlen(claims.text), "its length");
    is(sso_claim_value(ctx->pool, &claims, row_of(&claims, "aud"), ",", NULL), "x", "the rest");
    is(sso_claim_value(ctx->pool, &claims, row_of(&claims, "exp"), ",", NULL), "1", "the rest");
    is_int(sso_json_parse(ctx, "t", claims.text, claims.default_length, &object), SSO_OK, "JSON");
    flatten(ctx, "{}", &claims);
    is(claims.text, "{}", "no claims");
    flatten(ctx, "{\"iss\":\"i\",\"a\\\"b\\u0001\xc3\xa9.c\":\"v\",\"nonce\":1}", &claims);
    is(claims.text, "{\"iss\":\"i\",\"a\\\"b\\u0001\xc3\xa9.c\":\"v\"}", "strange names");
    is(sso_claim_value(ctx->pool, &claims, row_of(&claims, "a\\\"b\\u0001\xc3\xa9.c"), ",", NULL),
       "v", "are found");
}

static const char *many(sso_ctx_t *ctx, int count, apr_size_t size)
{
    char *filler = apr_palloc(ctx->pool, size + 1);
    apr_array_header_t *parts = apr_array_make(ctx->pool, count, sizeof(const char *));
    int i;

    memset(filler, 'x', size);
    filler[size] = '\0';
    for (i = 0; i < count; i++)
        APR_ARRAY_PUSH(parts, const char *) = apr_psprintf(ctx->pool, "\"c%d\":\"%s\"", i, filler);
    return apr_pstrcat(ctx->pool, "{", apr_array_pstrcat(ctx->pool, parts, ','), "}", NULL);
}

static void test_limits(void)
{
    static const struct {
        int count;
        apr_size_t size;
        int number;
    } sizes[] = {
        { SSO_CLAIMS_MAX, 1, 0 }, { SSO_CLAIMS_MAX + 1, 1, 600 }, { 1, SSO_CLAIMS_BYTES_MAX, 601 },
        { 1, SSO_CLAIMS_BYTES_MAX - 100, 0 }, { 100, SSO_CLAIMS_BYTES_MAX / 100, 601 },
        { 100, SSO_CLAIMS_BYTES_MAX / 100 - 20, 0 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(sizes); i++) {
        sso_ctx_t *ctx = tap_ctx();
        const char *json = many(ctx, sizes[i].count, sizes[i].size);
        sso_claims_t claims, copy;

        is_int(flatten(ctx, json, &claims), sizes[i].number ? SSO_UPSTREAM : SSO_OK,
               "%d claims of %d", sizes[i].count, (int)sizes[i].size);
        is_int(ctx->err.number, sizes[i].number, "number");
        if (!sizes[i].number) {
            copy_of(ctx, &claims, &copy);
            is(copy.text, json, "all there");
        }
        apr_pool_destroy(ctx->pool);
    }
}

/* All sizes around the bound, in both halves: the last bytes fit or are refused. */
static void test_edge(void)
{
    apr_size_t size;

    for (size = SSO_CLAIMS_BYTES_MAX - 24; size < SSO_CLAIMS_BYTES_MAX; size++) {
        sso_ctx_t *ctx = tap_ctx();
        const char *json = many(ctx, 1, size);
        sso_claims_t claims;

        flatten(ctx, json, &claims);
        sso_forgive(ctx);
        flatten(ctx, apr_pstrcat(ctx->pool, "{\"aud\"", json + 5, NULL), &claims);
        apr_pool_destroy(ctx->pool);
    }
    ok(1, "no bound is overrun");
}

/* Which of two claims goes before the other: claim, and those it is outdone by, in order. */
static const struct {
    const char *json, *name, *before;
} clashes[] = {
    { "{\"a-b\":1,\"a_b\":2}", "a-b", "a_b" },
    { "{\"a-b\":1,\"a_b\":2}", "a_b", "" },
    { "{\"a.b\":1,\"a-b\":2}", "a.b", "a-b" },
    { "{\"a.b\":1,\"a-b\":2,\"a_b\":3}", "a.b", "a-b a_b" },
    { "{\"Ab\":1,\"aB\":2}", "aB", "Ab" },
    { "{\"a\xc3\xa9\":1,\"a-\":2}", "a\xc3\xa9", "a-" },
    { "{\"a\xc3\xa9\":1,\"a_\":2,\"a\\\"\":3,\"a\\u0001\":4}", "a\xc3\xa9", "a\\u0001 a\\\" a_" },
    { "{\"a\xc3\xa9\":1,\"a__\":2}", "a\xc3\xa9", "" },
    { "{\"a\":1,\"a_\":2}", "a_", "" },
    { "{\"a-\xe2\x82\xac\":1,\"a__\":2}", "a-\xe2\x82\xac", "a__" },
};

static void test_clashes(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(clashes); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_claims_t claims;
        const char *chain = "";
        apr_uint16_t other;

        flatten(ctx, clashes[i].json, &claims);
        for (other = row_of(&claims, clashes[i].name)->winner; other;
             other = claims.rows[other - 1].winner)
            chain = apr_pstrcat(ctx->pool, chain, *chain ? " " : "",
                                apr_pstrmemdup(ctx->pool, claims.text
                                                              + claims.rows[other - 1].name_at,
                                               claims.rows[other - 1].name_length), NULL);
        is(chain, clashes[i].before, "%s: %s", clashes[i].json, clashes[i].name);
    }
}

/* Read a damaged blob; if it is taken, use all of it. */
static int use(sso_ctx_t *ctx, const void *bytes, apr_size_t length)
{
    const char *at;
    sso_claims_t claims;
    apr_uint32_t i;

    if (!sso_claims_read(bytes, length, &claims))
        return 0;
    for (i = 0, at = claims.shown; i < claims.count; i++) {
        const sso_claim_t *row = &claims.rows[i];
        sso_shown_t shown;

        sso_claim_value(ctx->pool, &claims, row, "::", NULL);
        at = sso_claim_show(&claims, row, at, &shown);
        apr_pmemdup(ctx->pool, shown.header, row->label_length + (apr_size_t)SSO_CLAIMS_SLACK);
        apr_pmemdup(ctx->pool, shown.variable, row->label_length + (apr_size_t)SSO_CLAIMS_SLACK);
        if (shown.value)
            apr_pmemdup(ctx->pool, shown.value, row->shown_length + (apr_size_t)1);
    }
    if (at != claims.shown + claims.shown_length)
        abort();
    return strlen(claims.text) <= claims.text_length;
}

static void test_damage(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_claims_t claims;
    apr_size_t size, i, from;
    unsigned char *bytes;
    int value, whole = 0;

    flatten(ctx, "{\"s\":\"a\\nb\\\\\",\"n\":-1,\"l\":[\"x,\",2],\"o\":{\"p\":[]},\"aud\":\"z\","
                 "\"a-\":1,\"a.\":2}", &claims);
    size = sso_claims_size(&claims);
    bytes = apr_palloc(ctx->pool, size);
    sso_claims_write(&claims, bytes);
    ok(use(ctx, bytes, size), "whole");
    from = 24 + claims.count * sizeof(sso_claim_t);
    for (i = 0; i < from; i++) {
        unsigned char before = bytes[i];

        for (value = 0; value < 256; value++) {
            apr_pool_t *pool;
            sso_ctx_t one = *ctx;

            apr_pool_create(&pool, ctx->pool);
            one.pool = pool;
            bytes[i] = (unsigned char)value;
            use(&one, bytes, size);
            apr_pool_destroy(pool);
        }
        bytes[i] = before;
    }
    ok(1, "every byte of the index changed to every value");
    for (i = 0; i < size; i++) {
        void *cut = malloc(i ? i : 1);

        memcpy(cut, bytes, i);
        whole += i < from + claims.text_length + 1 && use(ctx, cut, i);
        free(cut);
    }
    is_int(whole, 0, "nothing cut off is whole");
}

static void test_paths(void)
{
    static const struct {
        const char *path, *found;
    } paths[] = {
        { "a", "{\"b\":{\"c\":1},\"b.c\":2,\"d\":null}" }, { "a.b", "{\"c\":1}" },
        { "a.b.c", "2" }, { "x.y", "3" }, { "x.y.z", NULL }, { "x", "\"s\"" }, { "x.s", NULL },
        { "a.d", "null" }, { "p.q.r", "5" }, { "p.q.s", "6" }, { "", NULL }, { ".", NULL },
        { "a.", NULL }, { ".a", NULL }, { "a..b", NULL }, { "l.0", NULL },
    };
    sso_ctx_t *ctx = tap_ctx();
    char longer[600];
    json_t *object;
    unsigned i;
    const char *json = "{\"a\":{\"b\":{\"c\":1},\"b.c\":2,\"d\":null},\"x.y\":3,\"x\":\"s\","
                       "\"p.q\":{\"r\":5},\"p\":{\"q\":{\"s\":6,\"r\":7}},\"l\":[1]}";

    sso_json_parse(ctx, "t", json, strlen(json), &object);
    for (i = 0; i < SSO_COUNT(paths); i++) {
        const json_t *found = sso_claim_path(object, paths[i].path);

        is(found ? sso_json_print(ctx->pool, found) : NULL, paths[i].found, "path '%s'",
           paths[i].path);
    }
    memset(longer, 'a', sizeof(longer) - 1);
    longer[300] = '.';
    longer[sizeof(longer) - 1] = '\0';
    ok(!sso_claim_path(object, longer), "a long path");
}

int main(void)
{
    test_values();
    test_labels();
    test_text();
    test_parts();
    test_limits();
    test_edge();
    test_clashes();
    test_damage();
    test_paths();
    return tap_done();
}
