/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_LANGUAGE_H
#define SSO_LANGUAGE_H

/*
 * The language of what people see. English is in the source; a catalogue has the same texts in
 * another language. Its format, one text a pair of lines:
 *
 *     # a comment
 *     @direction rtl          (once, for what is written from right to left)
 *
 *     Try again
 *     = Noch einmal versuchen
 */

#include "sso_seal.h"

#include <apr_hash.h>

#define SSO_LANGUAGES_MAX      64          /* of one set of pages */
#define SSO_LANGUAGE_BYTES_MAX (256 * 1024) /* of a catalogue */
#define SSO_LANGUAGE_TEXTS_MAX 2000
#define SSO_ACCEPT_RANGES_MAX  32          /* more of an Accept-Language are not looked at */

/** Immutable once read. */
typedef struct sso_language_t {
    const char *tag;   /* BCP 47: "de", "pt-BR" */
    int rtl;           /* written from right to left */
    apr_hash_t *texts; /* English -> this language; NULL: English itself */
} sso_language_t;

/** Whether a word is a language tag as a catalogue's file may be called: "de", "zh-Hant-TW". */
int sso_language_tag_ok(const char *tag);

/**
 * Read a catalogue.
 *
 * @param name  of the file, for messages
 * @param text  of the file: untrusted, with a NUL after it
 * @param below the same language from elsewhere, for texts that this one lacks, or NULL
 * @return SSO_MISCONFIG  a line is neither a text nor its translation, a text has none or two; not
 *                        UTF-8; %s does not stand in both of them; over the limits
 */
sso_rc_e sso_language_read(sso_ctx_t *ctx, const char *name, const char *tag, sso_bytes_t text,
                           const sso_language_t *below, const sso_language_t **language);

/** A text in a language; where it has none, as it is. */
const char *sso_language_text(const sso_language_t *language, const char *english);

/**
 * The language a browser likes best (RFC 9110 12.5.4): highest quality first, then as listed; a
 * range fits a language by its beginning (RFC 4647 3.4), and "pt" also fits "pt-BR". What is
 * malformed counts as not there.
 *
 * @param languages  of const sso_language_t *; the first is the one for who likes none of them
 * @param accept     Accept-Language, or NULL
 */
const sso_language_t *sso_language_choose(const apr_array_header_t *languages, const char *accept);

#endif
