/* SPDX-License-Identifier: Apache-2.0 */
/* sso_language.c: catalogues, and what a browser likes best. */
#include "sso_language.h"
#include "tap.h"

static const sso_language_t
    english = { "en", 0, NULL }, german = { "de", 0, NULL }, swiss = { "de-CH", 0, NULL },
    brazil = { "pt-BR", 0, NULL }, taiwan = { "zh-Hant-TW", 0, NULL }, arabic = { "ar", 1, NULL };

static const struct { const char *accept, *tag; } wishes[] = {
    { NULL, "en" },
    { "", "en" },
    { "de", "de" },
    { "DE", "de" },
    { "de-AT", "de" },
    { "de-CH", "de-CH" },
    { "de-ch-1996", "de-CH" },
    { "de-CHX", "de" },
    { "d", "en" },
    { "deu", "en" },
    { "pt", "pt-BR" },
    { "pt-PT", "en" },
    { "zh-Hant", "zh-Hant-TW" },
    { "zh-Hant-HK", "en" },
    { "zh", "zh-Hant-TW" },
    { "it", "en" },
    { "it, de", "de" },
    { "it,de;q=0.1", "de" },
    { "en, de", "en" },
    { "de, en", "de" },
    { "en;q=0.5, de;q=0.6", "de" },
    { "en;q=0.50, de;q=0.5", "en" },
    { "de;q=0.123, ar;q=0.124", "ar" },
    { "de;q=1.000, ar", "de" },
    { "de;q=0", "en" },
    { "de;q=0, ar;q=0.001", "ar" },
    { "*", "en" },
    { "*, de", "en" },
    { "*;q=0.1, de;q=0.2", "de" },
    { "it-IT, it;q=0.9, ar;q=0.8, de;q=0.7", "ar" },
    { "  \t de-DE ; q=0.9 , , ar;Q=0.8", "de" },
    /* malformed ones are as if they were not there */
    { "de;q=2, ar;q=0.1", "ar" },
    { "de;q=1.5, ar;q=0.1", "ar" },
    { "de;q=-1, ar;q=0.1", "ar" },
    { "de;q=, ar;q=0.1", "ar" },
    { "de;q, ar;q=0.1", "ar" },
    { "de;level=1, ar;q=0.1", "ar" },
    { "de;q=0.5;x=1, ar;q=0.1", "ar" },
    { "de;q=0.1234, ar;q=0.1", "ar" },
    { "de;q=0x, ar;q=0.1", "ar" },
    { "de q=1, ar;q=0.1", "ar" },
    { "de-, ar;q=0.1", "ar" },
    { "-de, ar;q=0.1", "ar" },
    { "de--CH, ar;q=0.1", "ar" },
    { "de_CH, ar;q=0.1", "ar" },
    { "1de, ar;q=0.1", "ar" },
    { "d\xc3\xa9, ar;q=0.1", "ar" },
    { "**, ar;q=0.1", "ar" },
    { "dddddddddd, ar;q=0.1", "ar" },
    { "de-ddddddddd, ar;q=0.1", "ar" },
    { ",,,,;;;;====qqqq", "en" },
    { ";q=1", "en" },
};

static void choose(sso_ctx_t *ctx)
{
    apr_array_header_t *all = apr_array_make(ctx->pool, 6, sizeof(sso_language_t *));
    char *many = apr_pcalloc(ctx->pool, 100 * 3 + 10);
    unsigned i;

    APR_ARRAY_PUSH(all, const sso_language_t *) = &english;
    APR_ARRAY_PUSH(all, const sso_language_t *) = &swiss;
    APR_ARRAY_PUSH(all, const sso_language_t *) = &german;
    APR_ARRAY_PUSH(all, const sso_language_t *) = &brazil;
    APR_ARRAY_PUSH(all, const sso_language_t *) = &taiwan;
    APR_ARRAY_PUSH(all, const sso_language_t *) = &arabic;
    for (i = 0; i < SSO_COUNT(wishes); i++)
        is(sso_language_choose(all, wishes[i].accept)->tag, wishes[i].tag, "%s",
           wishes[i].accept ? wishes[i].accept : "(none)");
    for (i = 0; i < SSO_ACCEPT_RANGES_MAX - 1; i++)
        memcpy(many + 3 * i, "it,", 3);
    memcpy(many + 3 * i, "de", 2);
    is(sso_language_choose(all, many)->tag, "de", "the last that is looked at");
    memcpy(many + 3 * i, "it,de", 5);
    is(sso_language_choose(all, many)->tag, "en", "one more is not");
}

static const struct { const char *tag; int good; } tags[] = {
    { "de", 1 }, { "pt-BR", 1 }, { "zh-Hant-TW", 1 }, { "sl-rozaj-1994", 1 }, { "gsw", 1 },
    { "", 0 }, { "d", 0 }, { "d-e", 1 }, { "de-", 0 }, { "../de", 0 }, { "de.lang", 0 },
    { "de_AT", 0 }, { "12", 0 }, { "de-123456789", 0 },
    { "aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa", 0 },
};

static const struct { const char *text, *complaint; } bad[] = {
    { "Hello\n", "line 2: the last English text has no translation" },
    { "Hello\nBye\n= x\n", "line 2: the English text before this line has no translation" },
    { "Hello\n@direction rtl\n", "line 2: the English text before" },
    { "= Hallo\n", "line 1: a translation ('= ...') without the English text" },
    { "Hello\n= a\n= b\n", "line 3: a translation" },
    { "Hello\n=\n", "line 2: the translation is empty" },
    { "Hello\n=  \n", "line 2: the translation is empty" },
    { "Hello\n= a\nHello\n= b\n", "line 4: this English text was here before" },
    { "You are %s.\n= Du.\n", "line 2: %s has to stand" },
    { "You.\n= Du %s.\n", "line 2: %s has to stand" },
    { "You %s.\n= Du %s %s.\n", "line 2: %s has to stand" },
    { "You %s %s.\n= Du %s %s.\n", "line 1: %s stands more than once" },
    { "@direction up\n", "line 1: a line that begins with @" },
    { "@\n", "line 1: a line that begins with @" },
    { "a\tb\n", "a control character" },
    { "a\n= \x1b[0m\n", "a control character" },
    { "a\n= \xff\n", "not UTF-8" },
};

static void read_good(sso_ctx_t *ctx)
{
    static const char text[] = "\xef\xbb\xbf# a comment\r\n@direction rtl\r\n\r\nHello\r\n"
                               "=   Ahlan  \r\n\r\nYou are %s.\n=%s\n";
    const sso_language_t *below = NULL, *above = NULL;

    ok(sso_language_read(ctx, "ar.lang", "ar", sso_bytes(text), NULL, &below) == SSO_OK, "read");
    is(below->tag, "ar", "its name");
    is_int(below->rtl, 1, "its direction");
    is(sso_language_text(below, "Hello"), "Ahlan", "a text, without the blanks around it");
    is(sso_language_text(below, "You are %s."), "%s", "with its value");
    is(sso_language_text(below, "Bye"), "Bye", "what is not there is English");
    is(sso_language_text(&english, "Bye"), "Bye", "without texts");
    is(sso_language_text(NULL, "Bye"), "Bye", "without a language");
    ok(sso_language_read(ctx, "ar.lang", "ar", sso_bytes("Hello\n= Marhaban\n"), below, &above)
       == SSO_OK, "another on top of it");
    is(sso_language_text(above, "Hello"), "Marhaban", "has its own");
    is(sso_language_text(above, "You are %s."), "%s", "and what is below");
    is_int(above->rtl, 1, "also its direction");
    is(sso_language_text(below, "Hello"), "Ahlan", "the one below is as it was");
    ok(sso_language_read(ctx, "x.lang", "x", sso_bytes(""), NULL, &above) == SSO_OK, "empty");
}

static void read_bad(sso_ctx_t *ctx)
{
    const sso_language_t *language = NULL;
    apr_array_header_t *lines = apr_array_make(ctx->pool, 4000, sizeof(const char *));
    sso_bytes_t bytes = { "a\0b", 3 };
    unsigned i;

    for (i = 0; i < SSO_COUNT(bad); i++) {
        sso_language_read(ctx, "x.lang", "x", sso_bytes(bad[i].text), NULL, &language);
        ok(ctx->err.rc == SSO_MISCONFIG && strstr(ctx->err.text, "x.lang: ")
           && strstr(ctx->err.text, bad[i].complaint), "%s", bad[i].complaint);
        sso_forgive(ctx);
    }
    ok(sso_language_read(ctx, "x.lang", "x", bytes, NULL, &language) == SSO_MISCONFIG, "a NUL");
    sso_forgive(ctx);
    for (i = 0; i <= SSO_LANGUAGE_TEXTS_MAX; i++)
        APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(ctx->pool, "t%u\n= x", i);
    ok(sso_language_read(ctx, "x.lang", "x", sso_bytes(apr_array_pstrcat(ctx->pool, lines, '\n')),
                         NULL, &language) == SSO_MISCONFIG
       && strstr(ctx->err.text, "too many texts"), "too many texts");
    sso_forgive(ctx);
    bytes.length = SSO_LANGUAGE_BYTES_MAX + 1;
    ok(sso_language_read(ctx, "x.lang", "x", bytes, NULL, &language) == SSO_MISCONFIG
       && strstr(ctx->err.text, "256 KiB"), "too long: not even looked at");
    sso_forgive(ctx);
    ok(!language, "none of them is one");
}

int main(void)
{
    sso_ctx_t *ctx = tap_ctx();
    unsigned i;

    choose(ctx);
    for (i = 0; i < SSO_COUNT(tags); i++)
        is_int(sso_language_tag_ok(tags[i].tag), tags[i].good, "'%s'", tags[i].tag);
    read_good(ctx);
    read_bad(ctx);
    return tap_done();
}
