/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_JSON_H
#define SSO_JSON_H

/*
 * JSON from outside: read strictly, asked for by type.
 *
 * Duplicate members, depth over SSO_JSON_DEPTH_MAX (the root is 1), invalid UTF-8, NUL characters
 * in strings and anything after the value are errors. Depth is checked before jansson sees the
 * text, because jansson recurses up to 2048 levels on a thread's small stack.
 */

#include "sso_base.h"

#include <jansson.h>

#define SSO_JSON_DEPTH_MAX 32

/**
 * Parse an object.
 *
 * @param what  for the message: "lms: token answer"
 * @param out   out: freed by a cleanup of ctx->pool; borrow only, never json_decref it
 *
 * @return SSO_BAD_INPUT  not JSON, not an object, too deep, or a member twice
 */
sso_rc_e sso_json_parse(sso_ctx_t *ctx, const char *what, const char *text, apr_size_t length,
                        json_t **out);

/** The same for an array. */
sso_rc_e sso_json_parse_list(sso_ctx_t *ctx, const char *what, const char *text, apr_size_t length,
                             json_t **out);

/** A string member with at least one character, or NULL. Lives as long as the object. */
const char *sso_json_text(const json_t *object, const char *name);

/**
 * A whole number, also when written as a decimal string (Entra v1, old LMS; no leading zero, no
 * space, no '+') or as a real without a fraction (within +-2^53). Returns 1 and sets @a out, or 0
 * for anything else, leaving it.
 */
int sso_json_whole(const json_t *object, const char *name, apr_int64_t *out);

/** True only for the JSON boolean true. */
int sso_json_true(const json_t *object, const char *name);

/** Whether @a value is the string @a text, or an array that has it as an element. */
int sso_json_has(const json_t *value, const char *text);

/** Compact UTF-8 text of @a value, in @a pool; "" for NULL. */
const char *sso_json_print(apr_pool_t *pool, const json_t *value);

#endif
