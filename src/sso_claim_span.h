/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_CLAIM_SPAN_H
#define SSO_CLAIM_SPAN_H

/*
 * Values of claims as spans of the session's text: found, compared and walked through without being
 * parsed. The text is compact JSON that jansson wrote and that was sealed since; nothing here
 * leaves the span it was given, whatever is in it.
 */

#include "sso_claims.h"

/** A JSON value as text; a string with its quotes. */
typedef struct sso_span_t {
    const char *from, *end;
} sso_span_t;

/**
 * Find a claim by its name, or by a dotted path into objects; as sso_claim_path(). Returns whether
 * there is one.
 */
int sso_span_find(const sso_claims_t *claims, const char *path, sso_span_t *value);

/** The next element of an array. @a at: 0 to begin with; returns 0 after the last, or if it is no
 *  array. */
int sso_span_next(sso_span_t array, apr_size_t *at, sso_span_t *element);

/** Whether it is a string. */
int sso_span_is_text(sso_span_t value);

/** Whether it is a number. */
int sso_span_is_number(sso_span_t value);

/** Whether it is a string of exactly these bytes. */
int sso_span_equals(sso_span_t value, const char *text, apr_size_t length);

/** The bytes of a string; copied to @a pool only if some of them are escaped. */
const char *sso_span_text(apr_pool_t *pool, sso_span_t value, apr_size_t *length);

#endif
