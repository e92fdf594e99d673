/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_CLAIMS_H
#define SSO_CLAIMS_H

/*
 * Claims, flattened: one compact JSON text with an index over its members.
 *
 * Made once at sign-in and stored as it is, and with it, rendered, what an app sees of it: names,
 * and those values that do not stand in the JSON text as they are. A request copies; no JSON is
 * parsed and nothing is rendered twice. Members exported by default
 * come first, as an object that is whole in itself; the others follow it.
 */

#include "sso_base.h"

#include <jansson.h>

#define SSO_CLAIM_NAME_MAX   256          /* bytes of a name; longer ones are left out */
#define SSO_CLAIMS_MAX       512          /* members; more are an unusable answer */
#define SSO_CLAIMS_BYTES_MAX (512 * 1024) /* of JSON text */

typedef enum {
    SSO_CLAIM_STRING,  /* value without its quotes */
    SSO_CLAIM_LITERAL, /* number, true, false */
    SSO_CLAIM_ARRAY,   /* of strings and literals only */
    SSO_CLAIM_JSON     /* objects, mixed and nested arrays */
} sso_claim_type_e;

/**
 * One member. Offsets are into the text. Each session has a row for each of its claims: bits are
 * as few as the bounds above allow.
 */
typedef struct sso_claim_t {
    apr_uint32_t name_at : 19;
    apr_uint32_t winner : 10;      /* 1 + index of a claim whose exported name is alike and that
                                      goes before this one; it may have one in turn; or 0 */
    apr_uint32_t type : 2;         /* sso_claim_type_e */
    apr_uint32_t value_length : 19; /* without quotes; it begins at sso_claim_value_at() */
    apr_uint32_t name_length : 11; /* as JSON has it, without quotes */
    apr_uint32_t as_is : 1;        /* the value in the text is what an app sees */
    apr_uint32_t plain : 1;        /* so is the name, but for its prefix */
    apr_uint32_t shown_length : 21; /* of the value as an app sees it */
    apr_uint32_t label_length : 9; /* of the name as an app sees it, without prefix */
} sso_claim_t;

_Static_assert(sizeof(sso_claim_t) == 12, "a row of three words");
_Static_assert(SSO_CLAIMS_BYTES_MAX <= 1 << 19 && SSO_CLAIMS_MAX < 1 << 10
                   && SSO_CLAIM_NAME_MAX * 6 < 1 << 11,
               "bounds that fit into a row; a byte of a name may be written as \\u0000");

/** Where a claim's value begins, after its name and, if it is a text, its quote. */
static inline apr_uint32_t sso_claim_value_at(const sso_claim_t *claim)
{
    return claim->name_at + claim->name_length + 2u + (claim->type == SSO_CLAIM_STRING);
}

typedef struct sso_claims_t {
    /* rows exported unless EdxSSOExportClaims says otherwise come first */
    apr_uint32_t count, default_count;
    apr_uint32_t default_length;       /* bytes of the object at the start of text; a NUL follows */
    apr_uint32_t text_length;          /* bytes of text in all, without the last NUL */
    apr_uint32_t shown_length;         /* bytes of shown */
    apr_uint32_t label_bytes;          /* of all labels together */
    const sso_claim_t *rows;
    const char *text;
    const char *shown; /* what an app sees and the text has not: see sso_claim_show() */
} sso_claims_t;

/* From any byte of text and shown so many may be read: names are copied by whole registers. */
#define SSO_CLAIMS_SLACK 16

/** A claim as an app sees it. */
typedef struct sso_shown_t {
    const char *header, *variable; /* names without prefix, label_length long */
    const char *value;             /* shown_length long, with a NUL; NULL: it is as in the text */
} sso_shown_t;

/**
 * What an app sees of the claims, one after the other: rendered at sign-in, arrays with a comma.
 * @param at  claims->shown at first, then what the call before returned
 */
static inline const char *sso_claim_show(const sso_claims_t *claims, const sso_claim_t *claim,
                                         const char *at, sso_shown_t *shown)
{
    shown->header = at;
    at += claim->label_length;
    shown->variable = claims->text + claim->name_at;
    if (!claim->plain) {
        shown->variable = at;
        at += claim->label_length;
    }
    shown->value = NULL;
    if (!claim->as_is) {
        shown->value = at;
        at += claim->shown_length + 1;
    }
    return at;
}

/**
 * Flatten an object of claims. Nulls are left out.
 *
 * @param claims  out: in ctx->pool
 * @return SSO_UPSTREAM  more members or bytes than SSO_CLAIMS_MAX and SSO_CLAIMS_BYTES_MAX
 */
sso_rc_e sso_claims_flatten(sso_ctx_t *ctx, const json_t *object, sso_claims_t *claims);

/** A claim by its name as it is, or NULL. */
const sso_claim_t *sso_claim_find(const sso_claims_t *claims, const char *name);

/** Bytes that sso_claims_write() fills; a multiple of 8. */
apr_size_t sso_claims_size(const sso_claims_t *claims);
void sso_claims_write(const sso_claims_t *claims, void *out);

/**
 * Read what was written, without copying: @a claims points into @a bytes, which must be 8-aligned.
 * Returns 0 if it is not whole.
 */
int sso_claims_read(const void *bytes, apr_size_t length, sso_claims_t *claims);

/** The same for bytes that sso_claims_read() has found to be whole before. */
int sso_claims_point(const void *bytes, apr_size_t length, sso_claims_t *claims);

/**
 * A claim's value as an app sees it: UTF-8, control characters as spaces, arrays joined.
 * @param length  out, or NULL
 */
const char *sso_claim_value(apr_pool_t *pool, const sso_claims_t *claims, const sso_claim_t *claim,
                            const char *delimiter, apr_size_t *length);

/** A claim by its name, as JSON of its own; NULL: there is none. Not for the path of a request. */
json_t *sso_claim_json(const sso_claims_t *claims, const char *name);

/** The bytes of the control character (C0 with NUL, DEL, C1) at @a c: 1 or 2; 0: it is none. */
int sso_claim_control(const char *c);

/**
 * The next character of a claim's name as JSON has it: an escape or a UTF-8 sequence is one. What
 * is no letter or digit of ASCII is one '_' or '-' when exported.
 */
const char *sso_claim_name_skip(const char *name, const char *end);

/** Whether a claim is exported when nothing is configured. */
int sso_claim_by_default(const char *name);

/**
 * Look up a dotted path in an object (EdxSSOClaimMap): a member whose own name has the dots comes
 * first, at each step, the longest such name before others. NULL: not there.
 */
const json_t *sso_claim_path(const json_t *object, const char *path);

#endif
