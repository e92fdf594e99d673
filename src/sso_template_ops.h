/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_TEMPLATE_OPS_H
#define SSO_TEMPLATE_OPS_H

/*
 * What a template is compiled to: between sso_template.c and sso_template_fill.c.
 */

#include "sso_template.h"

#define SSO_TEMPLATE_SCOPES 4 /* lists within lists */

typedef enum { OP_LITERAL, OP_TEXT, OP_VALUE, OP_SECTION, OP_UNLESS, OP_END } op_e;
typedef enum { ESCAPE_TEXT, ESCAPE_PLAIN, ESCAPE_URL, ESCAPE_PART } escape_e;

typedef struct op_t {
    op_e what;
    escape_e escape;
    const char *text; /* OP_LITERAL, OP_TEXT */
    apr_size_t length;
    int scope, slot;  /* which value */
    int end;          /* of a section: its OP_END */
} op_t;

struct sso_template_t {
    const apr_array_header_t *ops; /* of op_t */
    const char *styles;
};

#endif
