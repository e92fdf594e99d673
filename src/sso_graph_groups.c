/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The groups of a user, page by page: complete, or not at all. A page that leads elsewhere is not
 * followed: it would take the access token there.
 */
#include "sso_graph_call.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

#define FIRST_PAGE "/v1.0/me/transitiveMemberOf/microsoft.graph.group?$select="
#define PAGE_SIZE  "&$top=999"
#define PAGES_MAX  50
#define BYTES_MAX  (192 * 1024) /* of all of them as JSON: they go into every session */

/* Only to where Graph is, and as curl will read it: without a way up out of /v1.0/. */
static sso_rc_e check_link(const sso_reading_t *reading, const char *link, const char *from)
{
    sso_ctx_t *ctx = reading->ctx;
    const char *base = apr_pstrcat(ctx->pool, reading->origin.path, "/v1.0/", NULL), *c;
    sso_url_t url;
    int fine = sso_url_parse(ctx->pool, link, &url) == SSO_OK
               && sso_url_same_origin(&url, &reading->origin)
               && !strncmp(url.path, base, strlen(base)) && !strstr(url.path, "/.");

    for (c = fine ? url.path : ""; *c; c++)
        fine &= strncasecmp(c, "%2e", 3) && strncasecmp(c, "%2f", 3);
    if (!fine)
        return sso_fail(ctx, SSO_DENIED, 833, "the next page is at '%.120s', which is not under "
                        "%s/v1.0/: not followed",
                        apr_pstrmemdup(ctx->pool, link, strcspn(link, "?")), reading->root);
    if (!strcmp(link, from))
        return sso_fail(ctx, SSO_UPSTREAM, 834, "a page leads to itself");
    return SSO_OK;
}

/* Add a page's groups. @a room: bytes that may still come. */
static sso_rc_e take_page(const sso_reading_t *reading, const json_t *page, json_t *groups,
                          apr_size_t *room)
{
    sso_ctx_t *ctx = reading->ctx;
    int names = reading->provider->config->groups == SSO_GROUPS_NAMES;
    const json_t *rows = json_object_get(page, "value"), *row;
    size_t i;

    if (!json_is_array(rows))
        return sso_fail(ctx, SSO_UPSTREAM, 835, "a page has no list");
    json_array_foreach(rows, i, row) {
        const char *id = sso_json_text(row, "id");
        const char *text = names ? sso_json_text(row, "displayName") : id;
        apr_size_t length;
        json_t *name;

        if (!id)
            return sso_fail(ctx, SSO_UPSTREAM, 836, "a group has no id");
        if (!text)
            return sso_fail(ctx, SSO_UPSTREAM, 837, "the name of group %.40s does not come: the "
                            "permission GroupMember.Read.All is missing (Member.Read.Hidden for a "
                            "group whose members are hidden)", id);
        name = json_string(text);
        json_array_append_new(groups, name);
        length = json_dumpb(name, NULL, 0, JSON_ENCODE_ANY) + 1; /* a byte may take six */
        if (length > *room)
            return sso_fail(ctx, SSO_UPSTREAM, 838, "over %d KiB of them", BYTES_MAX / 1024);
        *room -= length;
    }
    return SSO_OK;
}

static sso_rc_e read_pages(const sso_reading_t *reading, json_t *groups)
{
    sso_ctx_t *ctx = reading->ctx;
    int names = reading->provider->config->groups == SSO_GROUPS_NAMES, pages;
    sso_graph_call_t call = { NULL, NULL, names ? "GroupMember.Read.All" : "User.Read" };
    apr_size_t room = BYTES_MAX;

    call.url = apr_pstrcat(ctx->pool, reading->root, FIRST_PAGE, names ? "id,displayName" : "id",
                           PAGE_SIZE, NULL);
    for (pages = 0; pages < PAGES_MAX; pages++) {
        const json_t *link;
        json_t *page;

        SSO_TRY(sso_graph_json(reading, &call, &page));
        SSO_TRY(take_page(reading, page, groups, &room));
        link = json_object_get(page, "@odata.nextLink");
        if (!link || json_is_null(link))
            return SSO_OK;
        SSO_TRY(check_link(reading, json_is_string(link) ? json_string_value(link) : "",
                           call.url));
        call.url = json_string_value(link);
    }
    return sso_fail(ctx, SSO_UPSTREAM, 839, "over %d pages", PAGES_MAX);
}

sso_rc_e sso_graph_groups(const sso_reading_t *reading, json_t **groups)
{
    json_t *list = json_array();
    sso_rc_e rc = read_pages(reading, list);

    if (rc == SSO_OK)
        *groups = list;
    else
        json_decref(list);
    return rc;
}
