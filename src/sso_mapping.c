/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <EdxSSOPath>/idmapping/NAME: the LMS's ID mapping for middleware behind this site, in the API's
 * own shape. Who may ask is the place's business; here it is on or off.
 */
#include "sso_flow.h"

#include "sso_idmap.h"
#include "sso_json.h"

#include <apr_strings.h>
#include <string.h>

#define IDS_MAX       500
#define PAGE_SIZE     10  /* as the API has it */
#define PAGE_SIZE_MAX 100

/* What was asked for. */
typedef struct wish_t {
    const sso_provider_t *provider;
    apr_array_header_t *asks; /* of sso_idmap_ask_t */
    const char *page;         /* as given, or NULL */
    apr_int64_t page_size;
} wish_t;

static sso_rc_e find_section(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                             const sso_provider_t **provider)
{
    const sso_provider_t *found = *rest == '/' ? sso_section_find(request->site, rest + 1) : NULL;

    if (!request->place->id_mapping_service)
        return sso_fail(ctx, SSO_ABSENT, 1240, "EdxSSOIDMappingService is off here");
    if (!found || !found->idmap)
        return sso_fail(ctx, SSO_ABSENT, 1241, "'%.64s' is no section with EdxSSOIDMapping", rest);
    *provider = found;
    return SSO_OK;
}

static int is_asked(const apr_array_header_t *asks, const sso_idmap_ask_t *ask)
{
    int i;

    for (i = 0; i < asks->nelts; i++) {
        const sso_idmap_ask_t *other = &APR_ARRAY_IDX(asks, i, sso_idmap_ask_t);

        if (other->by == ask->by && !strcmp(other->id, ask->id))
            return 1;
    }
    return 0;
}

/* Ids joined by commas; what is empty between them is nobody. */
static sso_rc_e add_ids(sso_ctx_t *ctx, sso_idmap_by_e by, const char *text,
                        apr_array_header_t *asks)
{
    while (*text) {
        apr_size_t length = strcspn(text, ",");
        sso_idmap_ask_t ask = { by, apr_pstrmemdup(ctx->pool, text, length), NULL, NULL };

        text += length + (text[length] == ',');
        if (!length || is_asked(asks, &ask))
            continue;
        if (asks->nelts == IDS_MAX)
            return sso_fail(ctx, SSO_BAD_INPUT, 1242, "over %d ids are asked for", IDS_MAX);
        APR_ARRAY_PUSH(asks, sso_idmap_ask_t) = ask;
    }
    return SSO_OK;
}

/* As the API reads it: no number, or 0, is the usual size, and more than the most is the most. */
static apr_int64_t size_of(const char *text)
{
    apr_int64_t size = *text && strlen(text) <= 9 && !text[strspn(text, "0123456789")]
                           ? apr_atoi64(text) : 0;

    return size < 1 ? PAGE_SIZE : size > PAGE_SIZE_MAX ? PAGE_SIZE_MAX : size;
}

static sso_rc_e read_wish(sso_ctx_t *ctx, const sso_request_t *request, wish_t *wish)
{
    const apr_array_header_t *rows;
    apr_table_t *fields;
    int i;

    wish->asks = apr_array_make(ctx->pool, 8, sizeof(sso_idmap_ask_t));
    wish->page = NULL;
    wish->page_size = PAGE_SIZE;
    if (!sso_form_parse(ctx->pool, request->query, &fields))
        return sso_fail(ctx, SSO_BAD_INPUT, 1243, "the query cannot be read");
    rows = apr_table_elts(fields);
    for (i = 0; i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        if (!strcmp(row->key, "username"))
            SSO_TRY(add_ids(ctx, SSO_IDMAP_USERNAME, row->val, wish->asks));
        else if (!strcmp(row->key, "remote_id"))
            SSO_TRY(add_ids(ctx, SSO_IDMAP_REMOTE_ID, row->val, wish->asks));
        else if (!strcmp(row->key, "page"))
            wish->page = row->val;
        else if (!strcmp(row->key, "page_size"))
            wish->page_size = size_of(row->val);
    }
    if (!wish->asks->nelts) /* the API would answer with everybody */
        return sso_fail(ctx, SSO_BAD_INPUT, 1244, "neither username= nor remote_id= names anybody");
    return SSO_OK;
}

/* All rows, each once, in the order of the ids. */
static apr_array_header_t *all_rows(apr_pool_t *pool, const apr_array_header_t *asks)
{
    apr_array_header_t *all = apr_array_make(pool, asks->nelts, sizeof(sso_idmap_row_t));
    apr_table_t *seen = apr_table_make(pool, asks->nelts);
    int i, k;

    for (i = 0; i < asks->nelts; i++) {
        const apr_array_header_t *rows = APR_ARRAY_IDX(asks, i, sso_idmap_ask_t).rows;

        for (k = 0; k < rows->nelts; k++) {
            const sso_idmap_row_t *row = &APR_ARRAY_IDX(rows, k, sso_idmap_row_t);
            /* a table's keys know no case, so what has one is written otherwise */
            const char *name = apr_pstrcat(pool, sso_hex(pool, row->username,
                                                         strlen(row->username)), " ",
                                           sso_hex(pool, row->remote_id, strlen(row->remote_id)),
                                           NULL);

            if (apr_table_get(seen, name))
                continue;
            apr_table_setn(seen, name, "");
            APR_ARRAY_PUSH(all, sso_idmap_row_t) = *row;
        }
    }
    return all;
}

/* Another page of the same, as an absolute URL: the parameters as they came, but for `page`. */
static json_t *link_to(sso_ctx_t *ctx, const sso_request_t *request, apr_int64_t page)
{
    sso_form_t *form = sso_form_make(ctx->pool);
    const apr_array_header_t *rows;
    apr_table_t *fields;
    int i;

    if (!page || !sso_form_parse(ctx->pool, request->query, &fields))
        return json_null();
    rows = apr_table_elts(fields);
    for (i = 0; i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        if (strcmp(row->key, "page"))
            sso_form_add(form, row->key, row->val);
    }
    if (page > 1)
        sso_form_add(form, "page", apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, page));
    return json_string(sso_own_url(ctx, request, request->path, sso_form_text(form)));
}

/* SSO_ABSENT: there is no such page, which is what the API says of it. */
static sso_rc_e page_of(sso_ctx_t *ctx, const char *text, apr_int64_t pages, apr_int64_t *page)
{
    *page = !text ? 1
                  : !strcmp(text, "last")
                        ? pages
                        : strlen(text) <= 9 && !text[strspn(text, "0123456789")] ? apr_atoi64(text)
                                                                                 : 0;
    return *page >= 1 && *page <= pages
               ? SSO_OK : sso_fail(ctx, SSO_ABSENT, 1245, "there is no page '%.20s' of %d", text,
                                   (int)pages);
}

static sso_rc_e print(sso_ctx_t *ctx, const sso_request_t *request, const wish_t *wish,
                      const char **text)
{
    const apr_array_header_t *rows = all_rows(ctx->pool, wish->asks);
    apr_int64_t size = wish->page_size, count = rows->nelts;
    apr_int64_t pages = count ? (count + size - 1) / size : 1, page, i;
    json_t *results, *body;

    SSO_TRY(page_of(ctx, wish->page, pages, &page));
    results = json_array();
    for (i = (page - 1) * size; i < count && i < page * size; i++) {
        const sso_idmap_row_t *row = &APR_ARRAY_IDX(rows, i, sso_idmap_row_t);

        json_array_append_new(results, json_pack("{s:s,s:s}", "username", row->username,
                                                 "remote_id", row->remote_id));
    }
    body = json_pack("{s:o,s:o,s:I,s:I,s:I,s:I,s:o}",
                     "next", link_to(ctx, request, page < pages ? page + 1 : 0),
                     "previous", link_to(ctx, request, page - 1), "count", (json_int_t)count,
                     "num_pages", (json_int_t)pages, "current_page", (json_int_t)page,
                     "start", (json_int_t)((page - 1) * size), "results", results);
    *text = sso_json_print(ctx->pool, body);
    json_decref(body);
    return SSO_OK;
}

sso_rc_e sso_mapping_serve(sso_ctx_t *ctx, const sso_request_t *request, const char *rest,
                           sso_answer_t *answer)
{
    const char *text;
    wish_t wish = { 0 };

    SSO_TRY(find_section(ctx, request, rest, &wish.provider));
    SSO_TRY(read_wish(ctx, request, &wish));
    SSO_TRY(sso_within(ctx, sso_idmap_find(ctx, request->site, wish.provider->idmap, wish.asks),
                       wish.provider->name));
    SSO_TRY(print(ctx, request, &wish, &text));
    sso_answer_json(ctx, 200, text, answer);
    return SSO_OK;
}
