/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_TEMPLATE_HTML_H
#define SSO_TEMPLATE_HTML_H

/*
 * Where in HTML one is: as much of the standard's tokenizer as tells which escaping is right.
 */

#include <stddef.h>

typedef enum {
    SSO_IN_TEXT,
    SSO_IN_RAW,      /* title, textarea: text; style: verbatim */
    SSO_IN_COMMENT,  /* and what else begins with <! or <? */
    SSO_IN_TAG_NAME,
    SSO_IN_TAG,      /* between attributes */
    SSO_IN_NAME,     /* of an attribute */
    SSO_IN_EQUALS,   /* after it: '=' may come */
    SSO_IN_QUOTED,   /* a value */
    SSO_IN_BARE      /* a value without quotes */
} sso_html_in_e;

typedef struct sso_html_place_t {
    sso_html_in_e in;
    char quote;        /* of SSO_IN_QUOTED */
    int closing;       /* in an end tag */
    int at_start;      /* of a value: nothing stands in it yet */
    char tag[16];      /* lower case; of SSO_IN_RAW and within a tag */
    char attribute[24];
    const char *fault; /* what no template may have, once it was met; NULL: none */
} sso_html_place_t;

/** Go on by one character or, where several belong together, by more; returns how many. */
size_t sso_html_step(sso_html_place_t *place, const char *p);

/** Whether the attribute one is in holds a URL. */
int sso_html_in_url(const sso_html_place_t *place);

/** Why nothing can be put in here, or NULL: it can. */
const char *sso_html_refuses(const sso_html_place_t *place);

/** Whether two places are alike for whatever comes next. */
int sso_html_same(const sso_html_place_t *a, const sso_html_place_t *b);

#endif
