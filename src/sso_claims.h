/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_CLAIMS_H
#define SSO_CLAIMS_H

/*
 * Claims, flattened: one compact JSON text with an index over its members.
 *
 * Made once at sign-in and stored as it is. A request finds a claim's value as a span of that text
 * and copies it out; no JSON is parsed and nothing is rendered twice. Members exported by default
 * come first, as an object that is whole in itself; the others follow it.
 */

#include "sso_base.h"

#include <jansson.h>

#define SSO_CLAIMS_MAX       512          /* members; more are an unusable answer */
#define SSO_CLAIMS_BYTES_MAX (512 * 1024) /* of JSON text */

typedef enum {
    SSO_CLAIM_STRING,  /* value without its quotes */
    SSO_CLAIM_LITERAL, /* number, true, false */
    SSO_CLAIM_ARRAY,   /* of strings and literals only */
    SSO_CLAIM_JSON     /* objects, mixed and nested arrays */
} sso_claim_type_e;

/** One member. Offsets are into the text. */
typedef struct sso_claim_t {
    apr_uint32_t name_at, name_length; /* as JSON has it, without quotes */
    apr_uint32_t value_at, value_length;
    apr_uint16_t type;
    apr_uint16_t clean;  /* nothing in the value needs unescaping or replacing */
    apr_uint16_t winner; /* 1 + index of a claim whose exported name is alike and that goes before
                            this one; it may have one in turn; or 0 */
    apr_uint16_t unused;
} sso_claim_t;

typedef struct sso_claims_t {
    /* rows exported unless EdxSSOExportClaims says otherwise come first */
    apr_uint32_t count, default_count;
    apr_uint32_t default_length;       /* bytes of the object at the start of text; a NUL follows */
    apr_uint32_t text_length;          /* bytes of text in all, without the last NUL */
    const sso_claim_t *rows;
    const char *text;
} sso_claims_t;

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
