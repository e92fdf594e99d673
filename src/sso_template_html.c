/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in HTML one is (HTML standard, 13.2.5, without what templates have no use for).
 */
#include "sso_template_html.h"

#include <string.h>
#include <strings.h>

static const char *const raw_tags[] = { "title", "textarea", "style" };
static const char *const url_names[] = { "href", "src", "action", "formaction", "cite", "poster",
                                         "xlink:href" };
/* The policy of every page forbids what these do, or they would change what all others mean. */
static const char *const refused_tags[] = { "script", "iframe", "frame", "object", "embed", "base",
                                            "applet", "template", "noscript", "plaintext", "xmp",
                                            "noembed", "noframes", "svg", "math", "portal" };
static const char *const refused_names[] = { "style", "srcdoc", "http-equiv", "srcset", "ping",
                                             "background", "data", "manifest" };

#define LISTED(list, word) listed(list, sizeof(list) / sizeof(*(list)), word)

static int listed(const char *const *list, size_t count, const char *word)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (!strcmp(list[i], word))
            return 1;
    return 0;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Names that do not fit are none that mean something here. */
static void append(char *name, size_t size, char c)
{
    size_t length = strlen(name);

    if (length + 1 < size) {
        name[length] = lower(c);
        name[length + 1] = '\0';
    }
}

static void refuse(sso_html_place_t *place, const char *why)
{
    if (!place->fault)
        place->fault = why;
}

static size_t in_text(sso_html_place_t *place, const char *p)
{
    size_t slash = p[0] == '<' && p[1] == '/';
    char next = lower(p[0] == '<' ? p[1 + slash] : ' ');

    if (p[0] == '<' && (p[1] == '!' || p[1] == '?')) {
        place->in = SSO_IN_COMMENT;
        place->quote = !strncmp(p, "<!--", 4) ? '-' : '>';
        return place->quote == '-' ? 4 : 2;
    }
    if (next < 'a' || next > 'z')
        return 1;
    place->in = SSO_IN_TAG_NAME;
    place->closing = slash != 0;
    place->tag[0] = place->attribute[0] = '\0';
    return 1 + slash;
}

static size_t in_comment(sso_html_place_t *place, const char *p)
{
    if (place->quote == '-' ? strncmp(p, "-->", 3) != 0 : *p != '>')
        return 1;
    place->in = SSO_IN_TEXT;
    return place->quote == '-' ? 3 : 1;
}

/* Ends at </name, as browsers read it: a style has no other way out. */
static size_t in_raw(sso_html_place_t *place, const char *p)
{
    size_t length = strlen(place->tag);

    if (p[0] != '<' || p[1] != '/' || strncasecmp(p + 2, place->tag, length)
        || !(is_blank(p[2 + length]) || p[2 + length] == '/' || p[2 + length] == '>'))
        return 1;
    place->in = SSO_IN_TAG;
    place->closing = 1;
    return 2 + length;
}

static void end_tag(sso_html_place_t *place)
{
    place->in = !place->closing && LISTED(raw_tags, place->tag) ? SSO_IN_RAW : SSO_IN_TEXT;
    if (place->in == SSO_IN_TEXT)
        place->tag[0] = '\0';
    place->attribute[0] = '\0';
}

static void end_tag_name(sso_html_place_t *place)
{
    place->in = SSO_IN_TAG;
    if (LISTED(refused_tags, place->tag))
        refuse(place, "this element is not for pages: their policy forbids what it does");
}

static void end_name(sso_html_place_t *place)
{
    place->in = SSO_IN_EQUALS;
    if (!strncmp(place->attribute, "on", 2))
        refuse(place, "an event handler is a script, and no script runs on these pages");
    else if (LISTED(refused_names, place->attribute))
        refuse(place, "this attribute is not for pages: their policy forbids what it does");
}

static size_t in_tag_name(sso_html_place_t *place, const char *p)
{
    if (is_blank(*p) || *p == '/' || *p == '>') {
        end_tag_name(place);
        return 0;
    }
    append(place->tag, sizeof(place->tag), *p);
    return 1;
}

static size_t in_tag(sso_html_place_t *place, const char *p)
{
    if (*p == '>') {
        end_tag(place);
        return 1;
    }
    if (is_blank(*p) || *p == '/')
        return 1;
    place->in = SSO_IN_NAME;
    place->attribute[0] = '\0';
    append(place->attribute, sizeof(place->attribute), *p); /* also '=': HTML has it so */
    return 1;
}

static size_t in_name(sso_html_place_t *place, const char *p)
{
    if (is_blank(*p) || *p == '/' || *p == '>' || *p == '=') {
        end_name(place);
        return 0;
    }
    append(place->attribute, sizeof(place->attribute), *p);
    return 1;
}

static size_t in_equals(sso_html_place_t *place, const char *p)
{
    size_t n;

    if (is_blank(*p))
        return 1;
    if (*p != '=') {
        place->in = SSO_IN_TAG;
        return 0;
    }
    for (n = 1; is_blank(p[n]); n++)
        ;
    place->at_start = 1;
    if (p[n] == '>') {
        place->in = SSO_IN_TAG;
        return n;
    }
    place->in = p[n] == '"' || p[n] == '\'' ? SSO_IN_QUOTED : SSO_IN_BARE;
    place->quote = p[n];
    return place->in == SSO_IN_QUOTED ? n + 1 : n;
}

static size_t in_value(sso_html_place_t *place, const char *p)
{
    if (place->in == SSO_IN_QUOTED ? *p == place->quote : is_blank(*p) || *p == '>') {
        place->in = SSO_IN_TAG;
        if (*p == '>')
            end_tag(place); /* a quoted value ends at its quote only */
        return 1;
    }
    place->at_start = 0;
    return 1;
}

size_t sso_html_step(sso_html_place_t *place, const char *p)
{
    switch (place->in) {
    case SSO_IN_TEXT:
        return in_text(place, p);
    case SSO_IN_RAW:
        return in_raw(place, p);
    case SSO_IN_COMMENT:
        return in_comment(place, p);
    case SSO_IN_TAG_NAME:
        return in_tag_name(place, p);
    case SSO_IN_TAG:
        return in_tag(place, p);
    case SSO_IN_NAME:
        return in_name(place, p);
    case SSO_IN_EQUALS:
        return in_equals(place, p);
    default:
        return in_value(place, p);
    }
}

int sso_html_in_url(const sso_html_place_t *place)
{
    return place->in == SSO_IN_QUOTED && LISTED(url_names, place->attribute);
}

const char *sso_html_refuses(const sso_html_place_t *place)
{
    if (place->in == SSO_IN_TEXT || (place->in == SSO_IN_RAW && strcmp(place->tag, "style")))
        return NULL;
    if (place->in == SSO_IN_RAW)
        return "nothing can be put into a style";
    if (place->in == SSO_IN_COMMENT)
        return "nothing can be put into a comment";
    if (place->in == SSO_IN_BARE || place->in == SSO_IN_EQUALS)
        return "the attribute's value needs quotes";
    return place->in == SSO_IN_QUOTED ? NULL : "nothing can be put into a tag but values of "
                                               "attributes";
}

int sso_html_same(const sso_html_place_t *a, const sso_html_place_t *b)
{
    return a->in == b->in && !strcmp(a->tag, b->tag)
           && (a->in != SSO_IN_QUOTED
               || (a->quote == b->quote && !strcmp(a->attribute, b->attribute)))
           && (a->in == SSO_IN_TEXT || a->in == SSO_IN_RAW || a->closing == b->closing)
           && (a->in == SSO_IN_TEXT || a->in == SSO_IN_RAW || a->in == SSO_IN_TAG
               || a->in == SSO_IN_QUOTED);
}
