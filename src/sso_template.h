/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_TEMPLATE_H
#define SSO_TEMPLATE_H

/*
 * HTML templates. What is put in is escaped by where it stands; the template is parsed as HTML
 * when it is compiled, so that this is known:
 *
 *     {{name}}               a value: in text, in <title>, or in a quoted attribute. In href, src,
 *                            action and their like a whole URL, which has to be http, https or a
 *                            path of this site (else "#" stands there), or, after other characters,
 *                            a part of one, percent-encoded
 *     {{#name}}...{{/name}}  once for each row of a list; for a value: if there is one
 *     {{^name}}...{{/name}}  if there is none
 *     {{t Try again}}        a text in the reader's language
 *     {{>name}}              another file
 *
 * Nothing is put into scripts, styles, comments, names, or attributes without quotes: a template
 * that asks for it is refused, and so is one with a script, an event handler or a style attribute,
 * which the pages' content security policy would not let run.
 */

#include "sso_language.h"

#define SSO_TEMPLATE_BYTES_MAX (64 * 1024)       /* of a file */
#define SSO_TEMPLATE_HTML_MAX  (4 * 1024 * 1024) /* of what comes out */

/** A name that a template may use; ends with a NULL name. */
typedef struct sso_slot_t {
    const char *name;
    const struct sso_slot_t *rows; /* of a list: the names in each row; NULL: a value */
} sso_slot_t;

/** What stands in a slot. An array of them is parallel to the array of slots. */
typedef struct sso_fill_t {
    sso_say_t say;                  /* a value; shown as it is, or translated where `say.word` is */
    int translate;                  /* say.text is an SSO_T() */
    const apr_array_header_t *rows; /* of const sso_fill_t *: of a list */
} sso_fill_t;

/**
 * Where files come from: the text of a part, NULL if there is none. It ends with a NUL and has no
 * '\r'. @a name is put to what messages call it.
 */
typedef struct sso_template_source_t {
    const char *(*file)(void *baton, const char **name);
    void *baton;
} sso_template_source_t;

/** Immutable once compiled. */
typedef struct sso_template_t sso_template_t;

/**
 * Compile.
 *
 * @param start  the name of the file to begin with
 * @return SSO_MISCONFIG  the message names the file, the line, and what is wrong
 *         SSO_BROKEN     OpenSSL refused to work
 */
sso_rc_e sso_template_compile(sso_ctx_t *ctx, const sso_template_source_t *source,
                              const char *start, const sso_slot_t *slots,
                              const sso_template_t **compiled);

/** Of each <style>: "'sha256-...'" as a content security policy has it, separated by spaces. */
const char *sso_template_styles(const sso_template_t *compiled);

/** Fill in. NULL: over SSO_TEMPLATE_HTML_MAX. */
const char *sso_template_render(apr_pool_t *pool, const sso_template_t *compiled,
                                const sso_fill_t *fills, const sso_language_t *language);

#endif
