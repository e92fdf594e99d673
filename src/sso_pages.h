/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_PAGES_H
#define SSO_PAGES_H

/*
 * One set of pages: a template for each kind and a catalogue for each language. Built in, and
 * overridden file by file by the folder of EdxSSOPages. What a template may use is a slot here;
 * what fills them is sso_page.c.
 */

#include "sso_fault.h"
#include "sso_template.h"

/** The slots of a page. docs/pages.md tells of each. */
enum { SSO_SLOT_LANG, SSO_SLOT_DIR, SSO_SLOT_TITLE, SSO_SLOT_SITE, SSO_SLOT_HOME, SSO_SLOT_ERROR_ID,
       SSO_SLOT_DETAIL, SSO_SLOT_PARAGRAPHS, SSO_SLOT_ACTIONS, SSO_SLOT_COUNT };
/** Of each paragraph. */
enum { SSO_SLOT_PARAGRAPH, SSO_PARAGRAPH_SLOTS };
/** Of each action. */
enum { SSO_SLOT_LABEL, SSO_SLOT_HREF, SSO_SLOT_POST, SSO_SLOT_LAST, SSO_SLOT_FIELDS,
       SSO_ACTION_SLOTS };
/** Of each hidden field of an action. */
enum { SSO_SLOT_NAME, SSO_SLOT_VALUE, SSO_FIELD_SLOTS };

/** Immutable once loaded. */
typedef struct sso_pages_t {
    const sso_template_t *templates[SSO_PAGE_COUNT];
    const apr_array_header_t *languages; /* of const sso_language_t *; English first */
    int own; /* some file is the site's own: its images and fonts may be shown */
} sso_pages_t;

/**
 * Load.
 *
 * @param dir  of EdxSSOPages; what it has no file for, and all if it is NULL, is built in
 * @return SSO_MISCONFIG  the folder or a file cannot be read, is too large, or says what it cannot;
 *                        the message names it, the line, and what is wrong. A file that nothing
 *                        reads, and texts that a catalogue lacks, are warnings.
 */
sso_rc_e sso_pages_load(sso_ctx_t *ctx, const char *dir, const sso_pages_t **pages);

/** A file that is built in, or NULL. */
const char *sso_pages_built_in(const char *name);

/** The names of all files that are built in, by number; NULL after the last. */
const char *sso_pages_name(int number);

#endif
