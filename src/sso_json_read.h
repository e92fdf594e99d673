/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_JSON_READ_H
#define SSO_JSON_READ_H

/*
 * The JSON that providers usually send, read in one pass: jansson takes some 150 instructions for
 * each byte, and a sign-in reads four documents.
 */

#include <apr.h>
#include <jansson.h>

/**
 * Read an object or an array that is nothing out of the ordinary.
 *
 * @param depth_max  how deep it may nest (the root is 1)
 *
 * @return what jansson makes of the same text with JSON_REJECT_DUPLICATES; or NULL, which says
 *         nothing about the text: ask jansson (escapes, fractions, large numbers, and all that is
 *         wrong)
 */
json_t *sso_json_read(const char *text, apr_size_t length, int depth_max);

#endif
