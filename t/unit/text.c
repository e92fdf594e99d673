/* SPDX-License-Identifier: Apache-2.0 */
/* sso_text.c: base64url, hexadecimal, percent-encoding, forms, names, UTF-8, HTML. */
#include "sso_text.h"
#include "tap.h"

#define TEXT(literal) literal, sizeof(literal) - 1

static void base64url(apr_pool_t *pool)
{
    static const struct { const char *bytes; apr_size_t length; const char *text; } pairs[] = {
        { TEXT(""), "" },
        { TEXT("f"), "Zg" },
        { TEXT("fo"), "Zm8" },
        { TEXT("foo"), "Zm9v" },
        { TEXT("foob"), "Zm9vYg" },
        { TEXT("fooba"), "Zm9vYmE" },
        { TEXT("foobar"), "Zm9vYmFy" },
        { TEXT("\0"), "AA" },
        { TEXT("\0\0\0"), "AAAA" },
        { TEXT("\xff\xff\xff"), "____" },
        { TEXT("\xfb\xef\xbe"), "----" },
        { TEXT("\x14\xfb\x9c\x03\xd9\x7e"), "FPucA9l-" },
    };
    static const char *const refused[] = {
        "A", "AAAAA", "Zg==", "Zg=", "=", "Zm8=", "Zh", "Zm9", "Zm8\n", " Zm8", "Zm 8", "Zm+8",
        "Zm/8", "Zm.8", "Z", "AB", "AAB", "__", "____\x80", "Zm9vYh", "Zm9vYm9", "\xc3\xa4",
    };
    unsigned char every[256], *bytes;
    apr_size_t i, length;
    const char *text;
    int same = 1;

    for (i = 0; i < SSO_COUNT(pairs); i++) {
        is(sso_b64url_encode(pool, pairs[i].bytes, pairs[i].length), pairs[i].text,
           "encode '%s'", pairs[i].text);
        ok(sso_b64url_decode(pool, pairs[i].text, strlen(pairs[i].text), &bytes, &length) &&
               length == pairs[i].length && !memcmp(bytes, pairs[i].bytes, length) &&
               bytes[length] == '\0', "decode '%s'", pairs[i].text);
    }
    for (i = 0; i < SSO_COUNT(refused); i++) {
        bytes = NULL;
        length = 77;
        ok(!sso_b64url_decode(pool, refused[i], strlen(refused[i]), &bytes, &length) && !bytes &&
               length == 77, "refused, nothing set: row %d", (int)i);
    }
    ok(!sso_b64url_decode(pool, "AA\0A", 4, &bytes, &length), "a NUL inside is refused");
    for (i = 0; i < sizeof(every); i++)
        every[i] = (unsigned char)(i * 167 + 13);
    for (i = 0; i <= sizeof(every); i++) {
        text = sso_b64url_encode(pool, every, i);
        same &= sso_b64url_decode(pool, text, strlen(text), &bytes, &length) && length == i &&
                !memcmp(bytes, every, i);
    }
    ok(same, "every length from 0 to 256 comes back");
}

static void one_spelling(apr_pool_t *pool)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ ";
    unsigned char *bytes;
    apr_size_t length;
    int a, b, accepted = 0, same = 1;

    for (a = 0; digits[a]; a++) {
        for (b = 0; digits[b]; b++) {
            char text[3] = { digits[a], digits[b], '\0' };

            if (!sso_b64url_decode(pool, text, 2, &bytes, &length))
                continue;
            accepted++;
            same &= !strcmp(sso_b64url_encode(pool, bytes, length), text);
        }
    }
    is_int(accepted, 256, "two characters: one spelling for each byte");
    ok(same, "and it is the one we write");
}

static void hexadecimal(apr_pool_t *pool)
{
    int c, sum = 0;

    is(sso_hex(pool, "", 0), "", "hex of nothing");
    is(sso_hex(pool, "\x00\x0f\xf0\xff\x7a", 5), "000ff0ff7a", "hex is lower case");
    for (c = 0; c < 256; c++)
        sum += sso_hex_value((char)c) >= 0;
    is_int(sum, 22, "22 characters are hexadecimal digits");
    is_int(sso_hex_value('a'), 10, "a");
    is_int(sso_hex_value('F'), 15, "F");
    is_int(sso_hex_value('\0'), -1, "the end is none");
    is_int(sso_hex_value('g'), -1, "g is none");
}

static void percent(apr_pool_t *pool)
{
    static const struct { const char *text, *want; } rows[] = {
        { "", "" },
        { "AZaz09-._~", "AZaz09-._~" },
        { " ", "%20" },
        { "a b&c=d+e/f?g#h%", "a%20b%26c%3Dd%2Be%2Ff%3Fg%23h%25" },
        { "\xc3\xa4\x01\x7f\xff", "%C3%A4%01%7F%FF" },
        { "'\"<>!*();:@$,[]\\^`{|}", "%27%22%3C%3E%21%2A%28%29%3B%3A%40%24%2C%5B%5D%5C%5E%60%7B%7C"
                                      "%7D" },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(rows); i++)
        is(sso_pct_encode(pool, rows[i].text), rows[i].want, "percent-encode '%s'", rows[i].want);
}

/* The fields as one text: [name|value] one after another; "-" if refused. */
static const char *fields_text(apr_pool_t *pool, const char *text)
{
    const char *out = "";
    const apr_array_header_t *all;
    const apr_table_entry_t *entry;
    apr_table_t *fields = NULL;
    int i;

    if (!sso_form_parse(pool, text, &fields))
        return fields ? "refused, and yet set" : "-";
    all = apr_table_elts(fields);
    entry = (const apr_table_entry_t *)all->elts;
    for (i = 0; i < all->nelts; i++)
        out = apr_pstrcat(pool, out, "[", entry[i].key, "|", entry[i].val, "]", NULL);
    return out;
}

static void forms(apr_pool_t *pool)
{
    static const struct { const char *text, *want; } rows[] = {
        { NULL, "" },
        { "", "" },
        { "&", "" },
        { "&&&", "" },
        { "a", "[a|]" },
        { "a=", "[a|]" },
        { "=x", "[|x]" },
        { "=", "[|]" },
        { "a=1&b=2", "[a|1][b|2]" },
        { "&a=1&&b=2&", "[a|1][b|2]" },
        { "a=1&a=2&a=1", "[a|1][a|2][a|1]" },
        { "A=1&a=2", "[A|1][a|2]" },
        { "a=b=c==", "[a|b=c==]" },
        { "a+b=c+d", "[a b|c d]" },
        { "a%20b=c%2Bd", "[a b|c+d]" },
        { "%61%3D=%26%25", "[a=|&%]" },
        { "a=%2525", "[a|%25]" },
        { "a=%c3%A4", "[a|\xc3\xa4]" },
        { "a=\xc3\xa4", "[a|\xc3\xa4]" },
        { "a=%0d%0A", "[a|\r\n]" },
        { "a;b=c;d", "[a;b|c;d]" },
        { "?a=1", "[?a|1]" },
        { "a=%", "-" },
        { "a=%4", "-" },
        { "a=%4&b=1", "-" },
        { "a=%&41", "-" },
        { "%4=1", "-" },
        { "a=%g0", "-" },
        { "a=%0g", "-" },
        { "a=% 1", "-" },
        { "a=%+1", "-" },
        { "a=%u0041", "-" },
        { "a=%00", "-" },
        { "a%00=1", "-" },
        { "a=1&b=%00", "-" },
        { "a=%80", "-" },
        { "a=%c3", "-" },
        { "a=%c3&b=%a4", "-" },
        { "a%c3=%a4", "-" },
        { "a=%c0%80", "-" },
        { "a=%ed%a0%80", "-" },
        { "a=\xff", "-" },
    };
    const char *many = "a0=0";
    apr_size_t i;
    int n;

    for (i = 0; i < SSO_COUNT(rows); i++)
        is(fields_text(pool, rows[i].text), rows[i].want, "form '%s'",
           rows[i].text ? rows[i].text : "(none)");
    for (n = 1; n < 100; n++)
        many = apr_psprintf(pool, "%s&a=%d", many, n);
    ok(strcmp(fields_text(pool, many), "-"), "100 fields are read");
    ok(strcmp(fields_text(pool, apr_pstrcat(pool, many, "&&&", NULL)), "-"),
       "empty parts do not count");
    is(fields_text(pool, apr_pstrcat(pool, many, "&b", NULL)), "-", "101 are refused");
}

static void form_one(apr_pool_t *pool)
{
    static const struct { const char *name, *want; int repeated; } rows[] = {
        { "once", "1", 0 },  { "twice", NULL, 1 }, { "none", NULL, 0 },
        { "empty", "", 0 },  { "Once", "2", 0 },   { "ONCE", NULL, 0 },
        { "", "x", 0 },      { "same", NULL, 1 },
    };
    apr_table_t *fields = NULL;
    apr_size_t i;
    int repeated;

    sso_form_parse(pool, "once=1&twice=1&twice=2&empty=&Once=2&=x&same=1&same=1", &fields);
    for (i = 0; i < SSO_COUNT(rows); i++) {
        repeated = 7;
        is(sso_form_one(fields, rows[i].name, &repeated), rows[i].want, "one '%s'", rows[i].name);
        is_int(repeated, rows[i].repeated, "repeated '%s'", rows[i].name);
    }
    is(sso_form_one(fields, "twice", NULL), NULL, "without asking whether repeated");
}

static void form_write(apr_pool_t *pool)
{
    static const struct { const char *url, *form, *want; } rows[] = {
        { "https://a/b", "x=1", "https://a/b?x=1" },
        { "https://a/b?c=d", "x=1", "https://a/b?c=d&x=1" },
        { "https://a/b?", "x=1", "https://a/b?x=1" },
        { "https://a/b?c&", "x=1", "https://a/b?c&x=1" },
        { "https://a/b#f?g", "x=1", "https://a/b?x=1" },
        { "https://a/b?c#f", "x=1", "https://a/b?c&x=1" },
        { "https://a/b?c?d", "x=1", "https://a/b?c?d&x=1" },
        { "https://a/b?c#f", "", "https://a/b?c" },
        { "https://a/b", NULL, "https://a/b" },
        { "", "x=1", "?x=1" },
    };
    sso_form_t *form = sso_form_make(pool);
    apr_size_t i;

    is(sso_form_text(form), "", "an empty form");
    sso_form_add(form, "not", NULL);
    is(sso_form_text(form), "", "no value, no field");
    sso_form_add(form, "a", "");
    is(sso_form_text(form), "a=", "an empty value is one");
    sso_form_join(form, "");
    sso_form_join(form, "a=2&b%20c=x%26y&aa=1&b%20c=2&d");
    is(sso_form_text(form), "a=&b%20c=x%26y&aa=1&d", "joined: a name that is there stays as it is");
    ok(sso_form_has(form, "b c") && !sso_form_has(form, "b") && !sso_form_has(form, "c"), "has");
    form = sso_form_make(pool);
    sso_form_join(form, "z=1");
    is(sso_form_text(form), "z=1", "joined to nothing");
    form = sso_form_make(pool);
    sso_form_add(form, "a", "");
    sso_form_add(form, "b c", "d&e=f+g\xc3\xa4%");
    sso_form_add(form, "a", "2");
    is(sso_form_text(form), "a=&b%20c=d%26e%3Df%2Bg%C3%A4%25&a=2", "encoded, in order");
    is(fields_text(pool, sso_form_text(form)), "[a|][b c|d&e=f+g\xc3\xa4%][a|2]",
       "what we write is what we read");
    for (i = 0; i < 300; i++) /* grows, more than once */
        sso_form_add(form, "n", "\xc3\xa4\xc3\xa4\xc3\xa4");
    is_int(strlen(sso_form_text(form)), 35 + 300 * (3 + 36 / 2), "a long form");
    is(sso_form_text(form) + 35 + 299 * 21, "&n=%C3%A4%C3%A4%C3%A4", "ends as it should");
    for (i = 0; i < SSO_COUNT(rows); i++)
        is(sso_url_with_query(pool, rows[i].url, rows[i].form), rows[i].want,
           "'%s' with a query", rows[i].url);
}

static void nearest(apr_pool_t *pool)
{
    static const char *const words[] = { "EdxSSOProvider", "EdxSSOPath", "EdxSSOScope", "on",
                                         "off", "auto", NULL };
    static const char *const none[] = { NULL };
    static const struct { const char *text, *want; } rows[] = {
        { "EdxSSOProvider", "EdxSSOProvider" },
        { "edxssoprovider", "EdxSSOProvider" },
        { "EdxSSOProvder", "EdxSSOProvider" },
        { "EdxSSOProvidres", "EdxSSOProvider" },
        { "EdxSSOPaht", "EdxSSOPath" },
        { "EdxSSOCsope", "EdxSSOScope" },
        { "fof", "off" },
        { "atuo", "auto" },
        { "uato", "auto" },
        { "EdxSSOScopes", "EdxSSOScope" },
        { "ON", "on" },
        { "of", "off" },
        { "offf", "off" },
        { "no", NULL },
        { "", NULL },
        { "a", NULL },
        { "something else", NULL },
        { "EdxSSO", NULL },
    };
    char *text;
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(rows); i++)
        is(sso_nearest(rows[i].text, words), rows[i].want, "nearest to '%s'", rows[i].text);
    is(sso_nearest("x", none), NULL, "nearest of no words");
    for (i = 60; i < 70; i++) { /* around the limit, both sides */
        const char *const itself[] = { text = apr_pcalloc(pool, i + 1), NULL };

        memset(text, 'x', i);
        is(sso_nearest(text, itself), i < 64 ? text : NULL, "a word of %d", (int)i);
    }
}

static void utf8(void)
{
    static const struct { const char *text; apr_size_t length; int want; } rows[] = {
        { TEXT(""), 1 },
        { TEXT("plain\x7f"), 1 },
        { TEXT("a\0b"), 1 },
        { TEXT("\xc2\x80"), 1 },
        { TEXT("\xdf\xbf"), 1 },
        { TEXT("\xe0\xa0\x80"), 1 },
        { TEXT("\xed\x9f\xbf"), 1 },
        { TEXT("\xee\x80\x80"), 1 },
        { TEXT("\xef\xbf\xbf"), 1 },
        { TEXT("\xf0\x90\x80\x80"), 1 },
        { TEXT("\xf4\x8f\xbf\xbf"), 1 },
        { TEXT("\x80"), 0 },
        { TEXT("\xbf"), 0 },
        { TEXT("\xc0\x80"), 0 },
        { TEXT("\xc1\xbf"), 0 },
        { TEXT("\xc2"), 0 },
        { TEXT("\xc2\x7f"), 0 },
        { TEXT("\xc2\xc0"), 0 },
        { TEXT("\xe0\x9f\xbf"), 0 },
        { TEXT("\xe1\x80"), 0 },
        { TEXT("\xe1\x80\x7f"), 0 },
        { TEXT("\xed\xa0\x80"), 0 },
        { TEXT("\xed\xbf\xbf"), 0 },
        { TEXT("\xf0\x8f\xbf\xbf"), 0 },
        { TEXT("\xf1\x80\x80"), 0 },
        { TEXT("\xf1\x80\x80\xc0"), 0 },
        { TEXT("\xf4\x90\x80\x80"), 0 },
        { TEXT("\xf5\x80\x80\x80"), 0 },
        { TEXT("\xff"), 0 },
        { TEXT("ok\xc3\xa4ok\xe4"), 0 },
    };
    apr_size_t i;

    for (i = 0; i < SSO_COUNT(rows); i++)
        is_int(sso_utf8_ok(rows[i].text, rows[i].length), rows[i].want, "UTF-8 row %d", (int)i);
}

static void secrets_and_html(apr_pool_t *pool)
{
    ok(sso_same_secret("abc", "abc"), "same");
    ok(sso_same_secret("", ""), "both empty");
    ok(!sso_same_secret("abc", "abd"), "differs at the end");
    ok(!sso_same_secret("abc", "Abc"), "differs in case");
    ok(!sso_same_secret("abc", "ab"), "shorter");
    ok(!sso_same_secret("ab", "abc"), "longer");
    ok(!sso_same_secret(NULL, ""), "none is not empty");
    ok(!sso_same_secret("", NULL), "empty is not none");
    ok(!sso_same_secret(NULL, NULL), "none is no secret");
    is(sso_html(pool, ""), "", "HTML of nothing");
    is(sso_html(pool, "plain \xc3\xa4 =/"), "plain \xc3\xa4 =/", "what needs no escape");
    is(sso_html(pool, "<a href=\"x\" id='y'>&amp;</a>"),
       "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;", "what does");
}

int main(void)
{
    apr_pool_t *pool = tap_ctx()->pool;

    base64url(pool);
    one_spelling(pool);
    hexadecimal(pool);
    percent(pool);
    forms(pool);
    form_one(pool);
    form_write(pool);
    nearest(pool);
    utf8();
    secrets_and_html(pool);
    return tap_done();
}
