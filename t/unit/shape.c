/* SPDX-License-Identifier: Apache-2.0 */
/* Records: every kind of value, good and bad, with the exact complaint; presets, merging, JSON. */
#include "sso_shape.h"
#include "tap.h"

typedef struct thing_t {
    sso_record_t head;
    const char *text, *address, *file, *path, *url, *root;
    apr_interval_time_t span;
    apr_array_header_t *spans;
    int choice;
    apr_array_header_t *list, *any, *urls, *secret;
    apr_table_t *table, *words;
    apr_int64_t number;
} thing_t;

#define FIELD(kind, member, preset, limits)                                                       \
    { #member, &sso_kind_##kind, offsetof(thing_t, member), 0, preset, limits, NULL }

static const sso_field_t fields[] = {
    FIELD(TEXT, text, NULL, "2..5 a-c0_-"),
    FIELD(ADDRESS, address, "shm:1M", "1..80"),
    FIELD(FILE, file, NULL, NULL),
    FIELD(PATH, path, "/sso", NULL),
    FIELD(URL, url, NULL, NULL),
    FIELD(ROOT, root, NULL, NULL),
    FIELD(SPAN, span, "90s", "1s..52w"),
    FIELD(SPANS, spans, "2s 5s", "1s..60s"),
    FIELD(CHOICE, choice, "on", "off|on|Automatic"),
    FIELD(LIST, list, NULL, "RS256|ES256|HS256"),
    FIELD(LIST, any, "a b", NULL),
    FIELD(URLS, urls, NULL, NULL),
    FIELD(SECRET, secret, NULL, "2"),
    FIELD(TABLE, table, NULL, "token|jwks"),
    FIELD(TABLE, words, "preset value", NULL),
    FIELD(NUMBER, number, NULL, NULL),
};

static const sso_shape_t shape = { "thing", sizeof(thing_t), fields, SSO_COUNT(fields) };

#define LONG64  "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG256 LONG64 LONG64 LONG64 LONG64

static const struct {
    const char *field, *words[4];
    const char *printed;   /* NULL: refused */
    const char *complaint; /* exact; NULL: not looked at */
} cases[] = {
    { "text", { "ab" }, "ab", NULL },
    { "text", { "c0_-a" }, "c0_-a", NULL },
    { "text", { "a" }, NULL, "text: 'a' is not 2 to 5 characters long" },
    { "text", { "aaaaaa" }, NULL, "text: 'aaaaaa' is not 2 to 5 characters long" },
    { "text", { "ad" }, NULL, "text: 'ad': only the characters a-c0_- are allowed" },
    { "text", { "a\xc3\xa4" }, NULL, NULL },
    { "text", { NULL }, NULL, "text: takes 1 word, not 0" },
    { "text", { "ab", "ab" }, NULL, "text: takes 1 word, not 2" },
    { "address", { "redis://user:pw@ss@host/0" }, "redis://***@host/0", NULL },
    { "address", { "redis://host/0" }, "redis://host/0", NULL },
    { "address", { "a@b" }, "a@b", NULL },
    { "file", { "/a b" }, "/a b", NULL },
    { "file", { "" }, NULL, "file: '' is not 1 to 4096 characters long" },
    { "path", { "/" }, "/", NULL },
    { "path", { "/a/b-c/" }, "/a/b-c/", NULL },
    { "path", { "a" }, NULL, "path: 'a' is not a path such as /sso or /complete/edx-oauth2/ "
                             "(plain characters, no query)" },
    { "path", { "" }, NULL, NULL },
    { "path", { "//a" }, NULL, NULL },
    { "path", { "/a//b" }, NULL, NULL },
    { "path", { "/a/../b" }, NULL, NULL },
    { "path", { "/a/./b" }, NULL, NULL },
    { "path", { "/a/.." }, NULL, NULL },
    { "path", { "/." }, NULL, NULL },
    { "path", { "/a?b" }, NULL, NULL },
    { "path", { "/a#b" }, NULL, NULL },
    { "path", { "/a%2f" }, NULL, NULL },
    { "path", { "/a;b" }, NULL, NULL },
    { "path", { "/a\\b" }, NULL, NULL },
    { "path", { "/a\r\nSet-Cookie:x" }, NULL, NULL },
    { "path", { "/" LONG256 }, NULL, NULL },
    { "url", { "https://a.example/b?c=d" }, "https://a.example/b?c=d", NULL },
    { "url", { "ftp://a.example/" }, NULL, "url: 'ftp://a.example/' is not an absolute URL such as "
                                           "https://courses.example.org" },
    { "url", { "a.example" }, NULL, NULL },
    { "url", { "https://u:p@a.example/" }, NULL, NULL },
    { "root", { "http://a.example//" }, "http://a.example", NULL },
    { "root", { "http://a.example/x/" }, "http://a.example/x", NULL },
    { "root", { "http://a.example/?x" }, NULL, "root: 'http://a.example/?x': a root has no query" },
    { "root", { "http://" }, NULL, NULL },
    { "span", { "30" }, "30s", NULL },
    { "span", { "60s" }, "1m", NULL },
    { "span", { "90m" }, "90m", NULL },
    { "span", { "7d" }, "1w", NULL },
    { "span", { "52w" }, "52w", NULL },
    { "span", { "31449600" }, "52w", NULL },
    { "span", { "31449601" }, NULL, "span: '31449601' is outside 1s..52w" },
    { "span", { "0" }, NULL, "span: '0' is outside 1s..52w" },
    { "span", { "53w" }, NULL, "span: '53w' is outside 1s..52w" },
    { "span", { "999999999w" }, NULL, "span: '999999999w' is outside 1s..52w" },
    { "span", { "30500569w" }, NULL, "span: '30500569w' is outside 1s..52w" },
    { "span", { "99999999999999999999" }, NULL, NULL },
    { "span", { "-1s" }, NULL, "span: '-1s' is not a time such as 30s, 5m, 8h, 7d or 2w" },
    { "span", { "5 m" }, NULL, NULL },
    { "span", { "5ms" }, NULL, NULL },
    { "span", { "5M" }, NULL, NULL },
    { "span", { "" }, NULL, NULL },
    { "span", { "s" }, NULL, NULL },
    { "span", { "1.5h" }, NULL, NULL },
    { "spans", { "3s", "1m" }, "3s 1m", NULL },
    { "spans", { "3s" }, NULL, "spans: takes 2 words, not 1" },
    { "spans", { "3s", "61s" }, NULL, "spans: '61s' is outside 1s..60s" },
    { "choice", { "OFF" }, "off", NULL },
    { "choice", { "automatic" }, "Automatic", NULL },
    { "choice", { "automatik" }, NULL,
      "choice: 'automatik' is not off, on or Automatic (did you mean 'Automatic'?)" },
    { "choice", { "yes" }, NULL, "choice: 'yes' is not off, on or Automatic" },
    { "choice", { "" }, NULL, "choice: '' is not off, on or Automatic" },
    { "choice", { "off|on" }, NULL, NULL },
    { "choice", { "o" }, NULL, NULL },
    { "list", { "rs256", "ES256", "RS256" }, "RS256 ES256", NULL },
    { "list", { "none" }, NULL, "list: 'none' is not RS256, ES256 or HS256" },
    { "list", { NULL }, NULL, "list: takes at least 1 word" },
    { "any", { "x", "y", "x" }, "x y", NULL },
    { "any", { "" }, NULL, "any: an empty or over-long word is not allowed" },
    { "urls", { "https://a", "https://b/c" }, "https://a https://b/c", NULL },
    { "urls", { "https://a", "b" }, NULL, NULL },
    { "secret", { "literal", "env:PATH" }, "*** env:PATH", NULL },
    { "secret", { "exec:/bin/echo canary" }, "exec:***", NULL },
    { "secret", { "a", "b", "c" }, NULL,
      "secret: takes at most 2 secrets; quote an exec: command with its arguments" },
    { "secret", { "env:EDXSSO_NOT_THERE" }, NULL, NULL },
    { "table", { "Token", "x" }, "Token x", NULL },
    { "table", { "tokn", "x" }, NULL,
      "table: 'tokn' is not token or jwks (did you mean 'token'?)" },
    { "table", { "token", "" }, NULL, "table: an empty word is not allowed" },
    { "table", { "token" }, NULL, "table: takes 2 words, not 1" },
    { "words", { "a", "b" }, "a b", NULL },
};

static const sso_field_t *field_of(const char *name)
{
    unsigned i;

    for (i = 0; strcmp(fields[i].name, name); i++)
        ;
    return &fields[i];
}

static sso_rc_e set(sso_ctx_t *ctx, thing_t *thing, const char *name, const char *const *words)
{
    int count = 0;

    while (words[count])
        count++;
    return sso_record_set(ctx, thing, field_of(name), count, words);
}

static void test_kinds(void)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(cases); i++) {
        const sso_field_t *field = field_of(cases[i].field);
        sso_ctx_t *ctx = tap_ctx();
        thing_t *thing;
        const char *before;

        sso_record_make(ctx, &shape, &thing);
        before = sso_field_print(ctx->pool, thing, field);
        if (cases[i].printed) {
            is_int(set(ctx, thing, cases[i].field, cases[i].words), SSO_OK, "%s %.40s (%s)",
                   cases[i].field, cases[i].words[0], ctx->err.text);
            is(sso_field_print(ctx->pool, thing, field), cases[i].printed, "printed");
            ok(sso_record_has(thing, field), "set");
            continue;
        }
        is_int(set(ctx, thing, cases[i].field, cases[i].words), SSO_MISCONFIG, "%s %.40s: refused",
               cases[i].field, cases[i].words[0] ? cases[i].words[0] : "");
        if (cases[i].complaint)
            is(ctx->err.text, cases[i].complaint, "the message");
        is(sso_field_print(ctx->pool, thing, field), before, "the preset stays");
        ok(!sso_record_has(thing, field), "not set");
    }
}

static void test_presets(void)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_field_t bad = FIELD(SPAN, span, "61s", "1s..60s");
    sso_shape_t wrong = { "wrong", sizeof(thing_t), &bad, 1 };
    thing_t *thing = NULL;
    unsigned i;

    is_int(sso_record_make(ctx, &wrong, &thing), SSO_MISCONFIG, "a preset that breaks its limits");
    is(ctx->err.text, "span: '61s' is outside 1s..60s", "is named");
    ok(!thing, "nothing is made");
    sso_forgive(ctx);
    is_int(sso_record_make(ctx, &shape, &thing), SSO_OK, "presets");
    for (i = 0; i < SSO_COUNT(fields); i++)
        ok(!sso_record_has(thing, &fields[i]), "a preset is not set: %s", fields[i].name);
    is_int(thing->span, apr_time_from_sec(90), "span");
    is(sso_field_print(ctx->pool, thing, field_of("any")), "a b", "list");
    is(thing->path, "/sso", "path");
    ok(!thing->text && !thing->table, "no preset, no value");
}

static void test_merge(void)
{
    static const char *const one[] = { "token", "1", NULL }, *const two[] = { "jwks", "2", NULL };
    static const char *const off[] = { "off", NULL }, *const mine[] = { "my", "own", NULL };
    sso_ctx_t *ctx = tap_ctx();
    thing_t *base, *over, *both, *again;

    sso_record_make(ctx, &shape, &base);
    sso_record_make(ctx, &shape, &over);
    set(ctx, base, "table", one);
    set(ctx, base, "choice", off);
    set(ctx, over, "words", mine);
    is(apr_table_get(over->words, "preset"), NULL, "what adds replaces its preset at first");
    both = sso_record_merge(ctx->pool, base, over);
    is_int(both->choice, 0, "what only the base sets stays");
    is(apr_table_get(both->table, "token"), "1", "tables too");
    is(apr_table_get(both->words, "my"), "own", "what the other sets comes over it");
    set(ctx, both, "table", two);
    is(apr_table_get(both->table, "token"), "1", "what adds keeps what stood there");
    is(apr_table_get(base->table, "jwks"), NULL, "and leaves the base alone");
    is(apr_table_get(base->words, "preset"), "value", "as does the merge");
    again = sso_record_merge(ctx->pool, over, both);
    is(apr_table_get(again->table, "jwks"), "2", "merged set bits are set bits");
    ok(!sso_record_has(again, field_of("text")), "and no others");
}

static void test_json(void)
{
    static const struct {
        const char *json;
        int number;
    } loads[] = {
        { "{\"text\":\"anything goes\",\"any\":[\"x\",1,null,\"y\"],"
          "\"number\":-5,\"more\":{}}", 0 },
        { "{\"text\":null}", 0 },
        { "{\"choice\":\"nothing loads this\"}", 0 },
        { "{\"text\":1}", 24 },
        { "{\"text\":[\"a\"]}", 24 },
        { "{\"any\":\"x\"}", 34 },
        { "{\"number\":1.5}", 37 },
        { "{\"number\":\"1\"}", 37 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(loads); i++) {
        sso_ctx_t *ctx = tap_ctx();
        json_t *object = json_loads(loads[i].json, 0, NULL), *saved;
        thing_t *thing;

        sso_record_make(ctx, &shape, &thing);
        is_int(sso_record_load(ctx, thing, object), loads[i].number ? SSO_BAD_INPUT : SSO_OK,
               "%s", loads[i].json);
        is_int(ctx->err.number, loads[i].number, "number");
        json_decref(object);
        if (i)
            continue;
        is(sso_field_print(ctx->pool, thing, field_of("any")), "x y", "strings of a list");
        saved = sso_record_save(thing);
        is(json_string_value(json_object_get(saved, "text")), "anything goes", "saved");
        is_int(json_integer_value(json_object_get(saved, "number")), -5, "saved");
        json_decref(saved);
    }
}

static void test_words(void)
{
    sso_ctx_t *ctx = tap_ctx();
    apr_array_header_t *words = sso_words(ctx->pool, "  a  bc d ");

    is(apr_array_pstrcat(ctx->pool, words, '|'), "a|bc|d", "words");
    is_int(sso_words(ctx->pool, "")->nelts, 0, "no words");
    ok(sso_list_has(words, "bc") && !sso_list_has(words, "b") && !sso_list_has(words, "")
       && !sso_list_has(NULL, "a"), "what a list has");
}

int main(void)
{
    test_kinds();
    test_presets();
    test_merge();
    test_json();
    test_words();
    return tap_done();
}
