/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_SHAPE_H
#define SSO_SHAPE_H

/*
 * Records: structs described once by a table of fields.
 *
 * The same few functions read a field from configuration words or from JSON, check its limits,
 * merge two records (one set bit a field: no sentinels, no comparing with a default), and print a
 * field. What a field may hold is a row of the value kinds below; `preset` and `limits` are texts
 * that the kind reads. A record's struct begins with an sso_record_t.
 */

#include "sso_base.h"

#include <jansson.h>
#include <stddef.h>

#define SSO_RECORD_WORDS 2 /* 64 set bits each */

typedef struct sso_field_t sso_field_t;

/** One kind of value. `read` gets at least min_words and at most max_words (0: no bound) words. */
typedef struct sso_value_kind_t {
    const char *name;
    apr_size_t size; /* of the member */
    int min_words, max_words;
    int adds; /* a directive given again adds to what stands there */
    sso_rc_e (*read)(sso_ctx_t *ctx, const sso_field_t *field, int argc, const char *const *argv,
                     void *slot);
    sso_rc_e (*load)(sso_ctx_t *ctx, const sso_field_t *field, const json_t *value, void *slot);
    json_t *(*save)(const void *slot);                       /* NULL result: nothing to save */
    const char *(*print)(apr_pool_t *pool, const sso_field_t *field, const void *slot);
} sso_value_kind_t;

struct sso_field_t {
    const char *name;  /* the directive, or the JSON member */
    const sso_value_kind_t *kind;
    apr_size_t offset;
    int scope;         /* the owner's to use: where a directive may stand */
    const char *preset; /* words, or NULL: nothing */
    const char *limits; /* read by the kind, or NULL */
    const char *help;
};

typedef struct sso_shape_t {
    const char *name;
    apr_size_t size;
    const sso_field_t *fields;
    int count;
} sso_shape_t;

typedef struct sso_record_t {
    const sso_shape_t *shape;
    apr_uint64_t set[SSO_RECORD_WORDS];
} sso_record_t;

/** A secret as given and as read. */
typedef struct sso_secret_t {
    /* for dumps: "file:/path", "env:NAME", "exec:/path", or "***" for a literal */
    const char *spec;
    const char *text;
    apr_size_t length;
} sso_secret_t;

/* Value kinds: the member's type is beside each. */
extern const sso_value_kind_t
    sso_kind_TEXT,   /* const char *: one word; limits "MIN..MAX CLASS", CLASS like A-Za-z0-9_ */
    sso_kind_ADDRESS, /* const char *: as TEXT; a password in it is masked in dumps */
    sso_kind_FILE,   /* const char *: a file or folder; the glue makes it absolute (ServerRoot) */
    sso_kind_FILES,  /* apr_array_header_t * of const char *: two files, each as FILE */
    sso_kind_PATH,   /* const char *: an absolute URL path without query, dot segments, escapes */
    sso_kind_URL,    /* const char *: an absolute http(s) URL, kept as written */
    sso_kind_ROOT,   /* const char *: an absolute http(s) URL, trailing slashes dropped */
    sso_kind_SPAN,   /* apr_interval_time_t: limits "LOW..HIGH" or "off|LOW..HIGH" (off: 0) */
    sso_kind_SPANS,  /* apr_array_header_t * of apr_interval_time_t: two of them; limits as SPAN */
    sso_kind_CHOICE, /* int: index into limits "a|b|c"; on|off is "off|on" */
    /* apr_array_header_t * of const char *: limits "a|b|c", or NULL for any word */
    sso_kind_LIST,
    /* apr_array_header_t * of const char *: limits name the words, "claim [regex replacement]":
     * those in brackets may be left out together; any text, also none */
    sso_kind_WORDS,
    sso_kind_URLS,   /* apr_array_header_t * of const char * */
    sso_kind_SECRET, /* apr_array_header_t * of sso_secret_t: limits "MAX" words */
    sso_kind_TABLE,  /* apr_table_t *: name and value; limits "a|b|c" for the names; adds */
    sso_kind_NUMBER, /* apr_int64_t: JSON only */
    sso_kind_TRUTH;  /* int: JSON only, true and false */

#define SSO_TYPE_TEXT   const char *
#define SSO_TYPE_ADDRESS const char *
#define SSO_TYPE_FILE   const char *
#define SSO_TYPE_FILES  apr_array_header_t *
#define SSO_TYPE_PATH   const char *
#define SSO_TYPE_URL    const char *
#define SSO_TYPE_ROOT   const char *
#define SSO_TYPE_SPAN   apr_interval_time_t
#define SSO_TYPE_SPANS  apr_array_header_t *
#define SSO_TYPE_CHOICE int
#define SSO_TYPE_LIST   apr_array_header_t *
#define SSO_TYPE_WORDS  apr_array_header_t *
#define SSO_TYPE_URLS   apr_array_header_t *
#define SSO_TYPE_SECRET apr_array_header_t *
#define SSO_TYPE_TABLE  apr_table_t *
#define SSO_TYPE_NUMBER apr_int64_t
#define SSO_TYPE_TRUTH  int

/**
 * A record with its presets in ctx->pool. SSO_MISCONFIG: a preset breaks its own limits (a mistake
 * in the table).
 */
sso_rc_e sso_record_make(sso_ctx_t *ctx, const sso_shape_t *shape, void *out);

/**
 * Set a field from the words after a directive.
 * @return SSO_MISCONFIG  the message names the field, the value and what is allowed
 */
sso_rc_e sso_record_set(sso_ctx_t *ctx, void *record, const sso_field_t *field, int argc,
                        const char *const *argv);

/** Whether a field was set, in this record or one it was merged from. */
int sso_record_has(const void *record, const sso_field_t *field);

/** What @a over sets, on top of @a base; a new record in @a pool. Values are shared, not copied. */
void *sso_record_merge(apr_pool_t *pool, const void *base, const void *over);

/**
 * Fill a record from a JSON object: members whose name is a field's. SSO_BAD_INPUT: one has another
 * type.
 */
sso_rc_e sso_record_load(sso_ctx_t *ctx, void *record, const json_t *object);

/** The fields that are set, as a JSON object; the caller decrefs it. */
json_t *sso_record_save(const void *record);

/**
 * A field's value as an administrator would write it, secrets masked; NULL when it holds nothing.
 */
const char *sso_field_print(apr_pool_t *pool, const void *record, const sso_field_t *field);

/** Where a field's value is in a record. */
static inline void *sso_field_slot(const void *record, const sso_field_t *field)
{
    return (void *)((apr_uintptr_t)record + field->offset);
}

/** Split words as a preset has them: at single spaces. */
apr_array_header_t *sso_words(apr_pool_t *pool, const char *text);

/** Whether a list of const char * has a word; NULL has none. */
int sso_list_has(const apr_array_header_t *list, const char *word);

#endif
