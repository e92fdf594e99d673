/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as a whole. What single values look like is in sso_value.c.
 */
#include "sso_shape.h"

#include <apr_strings.h>
#include <string.h>

#define WORD_BITS 64

static apr_size_t index_of(const sso_record_t *record, const sso_field_t *field)
{
    return (apr_size_t)(field - record->shape->fields);
}

int sso_record_has(const void *record, const sso_field_t *field)
{
    const sso_record_t *head = record;
    apr_size_t i = index_of(head, field);

    return (head->set[i / WORD_BITS] >> (i % WORD_BITS)) & 1;
}

static void mark(sso_record_t *record, const sso_field_t *field)
{
    apr_size_t i = index_of(record, field);

    record->set[i / WORD_BITS] |= APR_UINT64_C(1) << (i % WORD_BITS);
}

apr_array_header_t *sso_words(apr_pool_t *pool, const char *text)
{
    apr_array_header_t *words = apr_array_make(pool, 4, sizeof(const char *));

    while (*text) {
        apr_size_t length = strcspn(text, " ");

        if (length)
            APR_ARRAY_PUSH(words, const char *) = apr_pstrmemdup(pool, text, length);
        text += length + (text[length] == ' ');
    }
    return words;
}

int sso_list_has(const apr_array_header_t *list, const char *word)
{
    int i;

    for (i = 0; list && i < list->nelts; i++)
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), word))
            return 1;
    return 0;
}

static sso_rc_e read_words(sso_ctx_t *ctx, const sso_field_t *field, int argc,
                           const char *const *argv, void *slot)
{
    const sso_value_kind_t *kind = field->kind;

    if (argc < kind->min_words || (kind->max_words && argc > kind->max_words)) {
        if (kind->min_words == kind->max_words)
            return sso_fail(ctx, SSO_MISCONFIG, 20, "takes %d word%s, not %d", kind->min_words,
                            kind->min_words == 1 ? "" : "s", argc);
        return sso_fail(ctx, SSO_MISCONFIG, 21, "takes at least %d word%s", kind->min_words,
                        kind->min_words == 1 ? "" : "s");
    }
    return kind->read(ctx, field, argc, argv, slot);
}

sso_rc_e sso_record_make(sso_ctx_t *ctx, const sso_shape_t *shape, void *out)
{
    sso_record_t *record = apr_pcalloc(ctx->pool, shape->size);
    int i;

    record->shape = shape;
    for (i = 0; i < shape->count; i++) {
        const sso_field_t *field = &shape->fields[i];
        apr_array_header_t *words;

        if (!field->preset)
            continue;
        words = sso_words(ctx->pool, field->preset);
        SSO_TRY(sso_within(ctx, read_words(ctx, field, words->nelts,
                                           (const char *const *)(const void *)words->elts,
                                           sso_field_slot(record, field)), field->name));
    }
    *(void **)out = record;
    return SSO_OK;
}

sso_rc_e sso_record_set(sso_ctx_t *ctx, void *record, const sso_field_t *field, int argc,
                        const char *const *argv)
{
    sso_record_t *head = record;
    void *slot = sso_field_slot(record, field);

    if (field->kind->adds && !sso_record_has(record, field))
        memset(slot, 0, field->kind->size); /* the first one replaces the preset */
    SSO_TRY(sso_within(ctx, read_words(ctx, field, argc, argv, slot), field->name));
    mark(head, field);
    return SSO_OK;
}

void *sso_record_merge(apr_pool_t *pool, const void *base, const void *over)
{
    const sso_record_t *top = over;
    sso_record_t *out = apr_pmemdup(pool, base, top->shape->size);
    int word;

    for (word = 0; word < SSO_RECORD_WORDS; word++) {
        apr_uint64_t left = top->set[word];

        for (; left; left &= left - 1) {
            const sso_field_t *field =
                &top->shape->fields[word * WORD_BITS + __builtin_ctzll(left)];

            memcpy(sso_field_slot(out, field), sso_field_slot(over, field), field->kind->size);
        }
        out->set[word] |= top->set[word];
    }
    return out;
}

sso_rc_e sso_record_load(sso_ctx_t *ctx, void *record, const json_t *object)
{
    sso_record_t *head = record;
    int i;

    for (i = 0; i < head->shape->count; i++) {
        const sso_field_t *field = &head->shape->fields[i];
        const json_t *value = json_object_get(object, field->name);

        if (!value || json_is_null(value) || !field->kind->load)
            continue;
        SSO_TRY(sso_within(ctx, field->kind->load(ctx, field, value,
                                                  sso_field_slot(record, field)), field->name));
        mark(head, field);
    }
    return SSO_OK;
}

json_t *sso_record_save(const void *record)
{
    const sso_record_t *head = record;
    json_t *object = json_object();
    int i;

    for (i = 0; i < head->shape->count; i++) {
        const sso_field_t *field = &head->shape->fields[i];
        json_t *value = field->kind->save ? field->kind->save(sso_field_slot(record, field)) : NULL;

        if (value)
            json_object_set_new(object, field->name, value);
    }
    return object;
}

const char *sso_field_print(apr_pool_t *pool, const void *record, const sso_field_t *field)
{
    return field->kind->print ? field->kind->print(pool, field, sso_field_slot(record, field))
                              : NULL;
}
