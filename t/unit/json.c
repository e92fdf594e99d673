/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is JSON for us, and how members are asked for.
 */
#include "sso_json.h"
#include "sso_json_read.h"
#include "tap.h"

#define TEXT(s) s, sizeof(s) - 1

static const struct {
    const char *text;
    apr_size_t length;
    int number;
    const char *name;
} texts[] = {
    { TEXT("{}"), 0, "an empty object" },
    { TEXT(" \t\r\n{\"a\": [1, -2.5e3, true, false, null, \"\\u00e9\\n\"]}\n "), 0, "all types" },
    { TEXT("{\"\":1}"), 0, "an empty name" },
    { TEXT("{\"a\":\"\\\\\\\"{[{[\"}"), 0, "brackets and quotes inside a string" },
    { TEXT("{\"a\":9223372036854775807}"), 0, "the largest integer" },
    { TEXT(""), 116, "nothing" },
    { TEXT("   "), 116, "white space" },
    { TEXT("{"), 116, "half an object" },
    { TEXT("{\"a\":1"), 116, "an object without end" },
    { TEXT("{\"a"), 116, "a string without end" },
    { TEXT("{\"a\\"), 116, "an escape without end" },
    { TEXT("{\"a\":1,}"), 116, "a comma too many" },
    { TEXT("{'a':1}"), 116, "other quotes" },
    { TEXT("{a:1}"), 116, "a bare name" },
    { TEXT("{\"a\":01}"), 116, "a leading zero" },
    { TEXT("{\"a\":+1}"), 116, "a plus sign" },
    { TEXT("{\"a\":NaN}"), 116, "NaN" },
    { TEXT("{\"a\":1e999}"), 116, "an infinite number" },
    { TEXT("{\"a\":9223372036854775808}"), 116, "an integer over 64 bits" },
    { TEXT("{} {}"), 116, "two values" },
    { TEXT("{}x"), 116, "a letter after the value" },
    { TEXT("{}\0"), 116, "a NUL after the value" },
    { TEXT("{\"a\":\"\0\"}"), 116, "a NUL in a string" },
    { TEXT("{\"a\":\"\\u0000\"}"), 116, "an escaped NUL in a string" },
    { TEXT("{\"\\u0000\":1}"), 116, "an escaped NUL in a name" },
    { TEXT("{\"a\":\"\n\"}"), 116, "a raw line feed in a string" },
    { TEXT("{\"a\":\"\\ud800\"}"), 116, "half a surrogate pair" },
    { TEXT("{\"a\":\"\xff\"}"), 116, "a byte that is not UTF-8" },
    { TEXT("{\"a\":\"\xc0\xaf\"}"), 116, "overlong UTF-8" },
    { TEXT("{\"a\":\"\xed\xa0\x80\"}"), 116, "a surrogate in UTF-8" },
    { TEXT("\xef\xbb\xbf{}"), 116, "a byte order mark" },
    { TEXT("{\"a\":1,\"a\":1}"), 116, "a member twice" },
    { TEXT("{\"a\":1,\"\\u0061\":2}"), 116, "a member twice, once escaped" },
    { TEXT("{\"b\":{\"a\":1,\"a\":2}}"), 116, "a member twice, deeper" },
    { TEXT("{\"b\":[{\"a\":1,\"a\":2}]}"), 116, "a member twice, in an array" },
    { TEXT("[]"), 117, "an array" },
    { TEXT("[{}]"), 117, "an object in an array" },
    { TEXT("\"a\""), 116, "a string" },
    { TEXT("1"), 116, "a number" },
    { TEXT("null"), 116, "null" },
    { TEXT("]]]]{{{{"), 116, "brackets that close first" },
};

/* {"a":{"a": ... 1}}}, or with arrays; the innermost value is a number. */
static const char *nested(apr_pool_t *pool, int depth, const char *open, const char *close)
{
    apr_size_t open_length = strlen(open), close_length = strlen(close), levels = (apr_size_t)depth;
    char *text = apr_pcalloc(pool, levels * (open_length + close_length) + 16), *at = text;
    int i;

    for (i = 0; i < depth; i++, at += open_length)
        memcpy(at, open, open_length);
    *at++ = '1';
    for (i = 0; i < depth; i++, at += close_length)
        memcpy(at, close, close_length);
    return text;
}

static void test_texts(void)
{
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(texts); i++) {
        sso_ctx_t *ctx = tap_ctx();
        json_t *out = NULL;
        sso_rc_e rc = sso_json_parse(ctx, "test", texts[i].text, texts[i].length, &out);

        ok(ctx->err.number == texts[i].number && rc == (texts[i].number ? SSO_BAD_INPUT : SSO_OK)
           && !out == !!texts[i].number, "%s (%d, %s)", texts[i].name, ctx->err.number,
           ctx->err.text);
        apr_pool_destroy(ctx->pool);
    }
}

/* What is read without jansson is what jansson reads; all else is left to it. */
static void test_read(void)
{
    static const struct { const char *text; int ordinary; } read[] = {
        { "{\"a\":[1,\"b\",true,false,null,{}],\"c\":{\"d\":[]},\"\":0}", 1 },
        { " [ { \"a\" : 999999999999999999 } ,\t\"caf\xc3\xa9\" ]\r\n", 1 },
        { "[1234567890123456789]", 0 }, { "[-1]", 0 },
        { "[1.5]", 0 }, { "[1e2]", 0 }, { "[01]", 0 },
        { "[\"\\u00e9\"]", 0 }, { "[\"\xe9\"]", 0 }, { "[\"\x1f\"]", 0 }, { "{\"\xc3\xa9\":1}", 0 },
        { "{\"a\":1,\"a\":2}", 0 }, { "[1,]", 0 }, { "[,1]", 0 }, { "[1 2]", 0 }, { "[nul]", 0 },
        { "[truefalse]", 0 }, { "{\"a\" 1}", 0 }, { "{\"a\":}", 0 }, { "{1:1}", 0 }, { "[}", 0 },
        { "[]]", 0 }, { "[", 0 }, { "[\"a", 0 }, { "[\"a\"", 0 }, { "1", 0 }, { "", 0 }, { " ", 0 },
        { "[[[[]]]]", 0 }, { "[[{\"a\":[]}]]", 0 },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(read); i++) {
        const char *text = read[i].text;
        json_t *ours = sso_json_read(text, strlen(text), 3);
        json_t *theirs = json_loadb(text, strlen(text), JSON_REJECT_DUPLICATES, NULL);

        ok(!ours == !read[i].ordinary && (!ours || json_equal(ours, theirs)), "%s: %s", text,
           read[i].ordinary ? "the same as jansson's" : "left to jansson");
        json_decref(ours);
        json_decref(theirs);
    }
    for (i = 0; i < SSO_COUNT(texts); i++) {
        json_t *ours = sso_json_read(texts[i].text, texts[i].length, SSO_JSON_DEPTH_MAX);

        ok(!ours || !texts[i].number || texts[i].number == 117, "%s: nothing wrong is taken",
           texts[i].name);
        json_decref(ours);
    }
}

static void test_depth(void)
{
    static const struct { int depth; const char *open, *close; int number; } bombs[] = {
        { 1, "{\"a\":", "}", 0 },
        { SSO_JSON_DEPTH_MAX, "{\"a\":", "}", 0 },
        { SSO_JSON_DEPTH_MAX + 1, "{\"a\":", "}", 115 },
        { SSO_JSON_DEPTH_MAX / 2, "{\"a\":[", "]}", 0 },
        { SSO_JSON_DEPTH_MAX / 2 + 1, "{\"a\":[", "]}", 115 },
        { SSO_JSON_DEPTH_MAX + 1, "{\"\\\"\":", "}", 115 },
        { SSO_JSON_DEPTH_MAX + 1, "{\"]}\":", "}", 115 },
        { 2047, "[", "]", 115 },
        { 100000, "[", "]", 115 },
        { 100000, "{\"a\":", "", 115 },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(bombs); i++) {
        sso_ctx_t *ctx = tap_ctx();
        const char *text = nested(ctx->pool, bombs[i].depth, bombs[i].open, bombs[i].close);
        json_t *out;

        sso_json_parse(ctx, "test", text, strlen(text), &out);
        is_int(ctx->err.number, bombs[i].number, "%d times %s", bombs[i].depth, bombs[i].open);
        apr_pool_destroy(ctx->pool);
    }
}

static json_t *parse(sso_ctx_t *ctx, const char *text)
{
    json_t *out = NULL;

    sso_json_parse(ctx, "test", text, strlen(text), &out);
    return out;
}

static void test_whole(void)
{
    static const struct { const char *value; int found; apr_int64_t number; } numbers[] = {
        { "0", 1, 0 },
        { "-1", 1, -1 },
        { "1700000000", 1, 1700000000 },
        { "9223372036854775807", 1, APR_INT64_MAX },
        { "1700000000.0", 1, 1700000000 },
        { "1.7e9", 1, 1700000000 },
        { "-0.0", 1, 0 },
        { "9007199254740992.0", 1, 9007199254740992 },
        { "-9007199254740992.0", 1, -9007199254740992 },
        { "9007199254740994.0", 0, 0 },
        { "1e300", 0, 0 },
        { "-1e300", 0, 0 },
        { "1.5", 0, 0 },
        { "1e-300", 0, 0 },
        { "\"0\"", 1, 0 },
        { "\"42\"", 1, 42 },
        { "\"-42\"", 1, -42 },
        { "\"9223372036854775807\"", 1, APR_INT64_MAX },
        { "\"-9223372036854775808\"", 1, APR_INT64_MIN },
        { "\"9223372036854775808\"", 0, 0 },
        { "\"-9223372036854775809\"", 0, 0 },
        { "\"9999999999999999999\"", 0, 0 },
        { "\"99999999999999999999999999\"", 0, 0 },
        { "\"\"", 0, 0 },
        { "\"-\"", 0, 0 },
        { "\"-0\"", 0, 0 },
        { "\"--1\"", 0, 0 },
        { "\"+1\"", 0, 0 },
        { "\" 1\"", 0, 0 },
        { "\"1 \"", 0, 0 },
        { "\"007\"", 0, 0 },
        { "\"0x10\"", 0, 0 },
        { "\"1.0\"", 0, 0 },
        { "\"1e3\"", 0, 0 },
        { "\"one\"", 0, 0 },
        { "true", 0, 0 },
        { "null", 0, 0 },
        { "[1]", 0, 0 },
        { "{\"n\":1}", 0, 0 },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(numbers); i++) {
        sso_ctx_t *ctx = tap_ctx();
        json_t *object = parse(ctx, apr_psprintf(ctx->pool, "{\"n\":%s}", numbers[i].value));
        apr_int64_t number = -77;
        int found = sso_json_whole(object, "n", &number);

        ok(found == numbers[i].found && number == (found ? numbers[i].number : -77),
           "%s %s a whole number", numbers[i].value, numbers[i].found ? "is" : "is not");
        apr_pool_destroy(ctx->pool);
    }
}

static void test_members(void)
{
    sso_ctx_t *ctx = tap_ctx();
    json_t *o = parse(ctx, "{\"text\":\"caf\\u00e9\",\"empty\":\"\",\"one\":1,\"yes\":true,"
                           "\"no\":false,\"word\":\"true\",\"null\":null,"
                           "\"list\":[\"a\",1,null,[\"c\"],\"b\"]}");
    static const char *const others[] = { "empty", "one", "yes", "no", "null", "list", "missing" };
    apr_int64_t number;
    apr_size_t i;

    is(sso_json_text(o, "text"), "caf\xc3\xa9", "a string");
    for (i = 0; i < SSO_COUNT(others); i++)
        is(sso_json_text(o, others[i]), NULL, "%s is no text", others[i]);
    ok(sso_json_true(o, "yes"), "true is true");
    for (i = 0; i < SSO_COUNT(others); i++)
        ok(sso_json_true(o, others[i]) == !strcmp(others[i], "yes"), "%s is judged", others[i]);
    ok(!sso_json_true(o, "word"), "the word is not true");
    ok(!sso_json_whole(o, "missing", &number), "a missing member is no number");
    ok(sso_json_has(json_object_get(o, "text"), "caf\xc3\xa9"), "a string has itself");
    ok(!sso_json_has(json_object_get(o, "text"), "caf"), "but not its beginning");
    ok(sso_json_has(json_object_get(o, "list"), "a"), "an array has its first");
    ok(sso_json_has(json_object_get(o, "list"), "b"), "and its last element");
    ok(!sso_json_has(json_object_get(o, "list"), "c"), "but not what is deeper");
    ok(!sso_json_has(json_object_get(o, "list"), "1"), "nor a number's text");
    ok(!sso_json_has(o, "text"), "an object has nothing");
    ok(!sso_json_has(NULL, "a"), "nothing has nothing");
    ok(!sso_json_has(json_object_get(o, "one"), "1"), "a number has nothing");
    is(sso_json_text(NULL, "a"), NULL, "no object, no text");
    is(sso_json_text(json_object_get(o, "list"), "a"), NULL, "an array has no members");
    is(sso_json_print(ctx->pool, json_object_get(o, "list")), "[\"a\",1,null,[\"c\"],\"b\"]",
       "printed without spaces");
    is(sso_json_print(ctx->pool, json_object_get(o, "text")), "\"caf\xc3\xa9\"",
       "printed as UTF-8");
    is(sso_json_print(ctx->pool, NULL), "", "nothing is printed as nothing");
    apr_pool_destroy(ctx->pool);
}

static void test_words(void)
{
    sso_ctx_t *ctx = tap_ctx();
    json_t *out;
    static const char text[] = "{\"secret-name\":\"secret-value\",\"secret-name\":1}";

    sso_json_parse(ctx, "lms: token answer", text, sizeof(text) - 1, &out);
    is(ctx->err.text, "lms: token answer: bad JSON: a member occurs twice (line 1, column 43)",
       "the complaint names the place, and quotes nothing");
    apr_pool_destroy(ctx->pool);
}

int main(void)
{
    test_texts();
    test_read();
    test_depth();
    test_whole();
    test_members();
    test_words();
    return tap_done();
}
