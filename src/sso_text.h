/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_TEXT_H
#define SSO_TEXT_H

/*
 * Text as protocols have it: base64url, percent-encoding, forms, names. No policy, no I/O.
 */

#include "sso_base.h"

/** Unpadded base64url (RFC 4648 5). */
const char *sso_b64url_encode(apr_pool_t *pool, const void *bytes, apr_size_t length);

/**
 * Decode base64url, canonically: no padding, no whitespace, no other alphabet, no length of 1 mod
 * 4, unused bits of the last character zero. Two texts never decode to the same bytes.
 *
 * @param bytes  out: in pool, with a NUL after them that is not counted
 * @return 1, or 0 (nothing set)
 */
int sso_b64url_decode(apr_pool_t *pool, const char *text, apr_size_t text_length,
                      unsigned char **bytes, apr_size_t *length);

/** Lower-case hexadecimal. */
const char *sso_hex(apr_pool_t *pool, const void *bytes, apr_size_t length);

/** The value of a hexadecimal digit in either case, or -1. */
int sso_hex_value(char c);

/** Percent-encode everything but RFC 3986's unreserved characters. */
const char *sso_pct_encode(apr_pool_t *pool, const char *text);

/**
 * Parse application/x-www-form-urlencoded (a query string or a body): '+' is a space, %XX decoded.
 * @param text    NULL is an empty form; empty parts ("a=1&&b=2") are skipped
 * @param fields  out: name -> value in order, names as they are, repeats kept
 * @return 0 when there is a NUL character, a broken escape, invalid UTF-8, or more than 100
 *         fields (nothing set); else 1
 */
int sso_form_parse(apr_pool_t *pool, const char *text, apr_table_t **fields);

/**
 * The value of a field that occurs once, its name in exactly this case; NULL if it does not.
 * @param repeated  out, may be NULL: whether it occurs more than once
 */
const char *sso_form_one(const apr_table_t *fields, const char *name, int *repeated);

/** Build a form; order of calls is order in the text. */
typedef struct sso_form_t sso_form_t;
sso_form_t *sso_form_make(apr_pool_t *pool);
/** Add a field, encoded; nothing is added when @a value is NULL. */
void sso_form_add(sso_form_t *form, const char *name, const char *value);
/** Whether there is a field of this name. */
int sso_form_has(const sso_form_t *form, const char *name);
/** Add the fields of another form's text whose names are not there yet: nothing is said twice. */
void sso_form_join(sso_form_t *form, const char *text);
/** What there is so far. It is the form's own: the next field may change it. */
const char *sso_form_text(sso_form_t *form);

/** Append a form to a URL: with '?' or, where it has a query, '&'; a fragment is dropped. */
const char *sso_url_with_query(apr_pool_t *pool, const char *url, const char *form_text);

/**
 * The word of a NULL-terminated list nearest to @a text by edit distance (case ignored), or NULL
 * when none is near: when the nearest is more than a third of its own length away.
 */
const char *sso_nearest(const char *text, const char *const *words);
/** The same as " (did you mean 'word'?)", for the end of a message; "" where none is near. */
const char *sso_nearest_say(apr_pool_t *pool, const char *text, const char *const *words);

/** Whether a text is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
int sso_utf8_ok(const char *text, apr_size_t length);

/** Compare without telling how far it matched; lengths may differ (then 0 at once). */
int sso_same_secret(const char *a, const char *b);

/** HTML-escape & < > " ' for text and quoted attributes. */
const char *sso_html(apr_pool_t *pool, const char *text);

#endif
