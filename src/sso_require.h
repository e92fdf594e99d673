/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_REQUIRE_H
#define SSO_REQUIRE_H

/*
 * Who may: the lines `Require edxsso-...`. A kind of line is a row of a table; what follows its
 * name is read once, when the configuration is, and judged by a request without parsing or copying
 * anything: values are spans of the session's claims.
 *
 * Values have types. A text is compared as it is, byte by byte; `:true` and `:false` are the JSON
 * booleans and no texts; a number is its digits. An array matches if one of its elements does. A
 * name with dots leads into objects (a claim whose own name has the dots comes first).
 */

#include "sso_session.h"

/** Regular expressions are the host's, so that they are those its administrators know. */
typedef struct sso_matcher_t {
    /* NULL: it is none */
    const void *(*compile)(apr_pool_t *pool, const char *pattern);
    /* a search; `$` is the very end of the text */
    int (*search)(const void *compiled, const char *text, apr_size_t length);
} sso_matcher_t;

/** A line, read. Immutable. */
typedef struct sso_rule_t sso_rule_t;

/** The name of the n-th kind of line ("edxsso-claim"), or NULL after the last. */
const char *sso_rule_name(int n);

/**
 * Read a line.
 *
 * @param name   of its kind
 * @param words  of const char *: what follows
 * @param rule   out: in ctx->pool, as is what it points to but the words
 * @return SSO_MISCONFIG  the message says what is wrong with which word
 */
sso_rc_e sso_rule_read(sso_ctx_t *ctx, const sso_matcher_t *matcher, const char *name,
                       const apr_array_header_t *words, const sso_rule_t **rule);

/** Whether somebody is one of those that a line lets in. */
int sso_rule_judge(apr_pool_t *pool, const sso_rule_t *rule, const sso_site_t *site,
                   const sso_session_t *session);

/** The scopes a line wants, with spaces between them; NULL: it is about something else. */
const char *sso_rule_scope(const sso_rule_t *rule);

/** The providers a line names, of const char *; NULL: it is about something else. */
const apr_array_header_t *sso_rule_providers(const sso_rule_t *rule);

#endif
