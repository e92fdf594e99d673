/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of pages: found, read and checked once, when httpd reads its configuration.
 */
#include "sso_pages.h"

#include "sso_text.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define LANGUAGE_END ".lang"

static const sso_slot_t field_slots[] = {
    [SSO_SLOT_NAME] = { "name", NULL }, [SSO_SLOT_VALUE] = { "value", NULL }, { NULL, NULL }
};
static const sso_slot_t action_slots[] = {
    [SSO_SLOT_LABEL] = { "label", NULL },
    [SSO_SLOT_HREF] = { "href", NULL },
    [SSO_SLOT_POST] = { "post", NULL },
    [SSO_SLOT_LAST] = { "last", NULL },
    [SSO_SLOT_FIELDS] = { "fields", field_slots },
    { NULL, NULL }
};
static const sso_slot_t paragraph_slots[] = {
    [SSO_SLOT_PARAGRAPH] = { "paragraph", NULL }, { NULL, NULL }
};
static const sso_slot_t page_slots[] = {
    [SSO_SLOT_LANG] = { "lang", NULL },
    [SSO_SLOT_DIR] = { "dir", NULL },
    [SSO_SLOT_TITLE] = { "title", NULL },
    [SSO_SLOT_SITE] = { "site", NULL },
    [SSO_SLOT_HOME] = { "home", NULL },
    [SSO_SLOT_ERROR_ID] = { "error_id", NULL },
    [SSO_SLOT_DETAIL] = { "detail", NULL },
    [SSO_SLOT_PARAGRAPHS] = { "paragraphs", paragraph_slots },
    [SSO_SLOT_ACTIONS] = { "actions", action_slots },
    { NULL, NULL }
};

static const char *const page_files[SSO_PAGE_COUNT] = {
    [SSO_PAGE_ERROR] = "error.html",
    [SSO_PAGE_SIGN_IN] = "sign-in.html",
    [SSO_PAGE_SIGNED_OUT] = "signed-out.html",
    [SSO_PAGE_INCOMPLETE] = "incomplete.html",
    [SSO_PAGE_SIGN_OUT] = "sign-out.html",
    [SSO_PAGE_REPLAY] = "replay.html",
    [SSO_PAGE_REFUSED] = "refused.html"
};
/* What a template may put in by {{>name}}; "page" is the page's own file. */
static const struct {
    const char *name, *file;
} parts[] = {
    { "style", "style.css" }, { "message", "message.html" }, { "actions", "actions.html" },
    { "layout.html", "layout.html" },
};

/* ---- files ---- */

typedef struct loader_t {
    sso_ctx_t *ctx;
    const char *dir;
    apr_hash_t *files; /* name -> text, of those in dir */
    const char *page;  /* the file of the page that is being compiled */
} loader_t;

static int has_end(const char *name, const char *end)
{
    apr_size_t length = strlen(name), n = strlen(end);

    return length > n && !strcmp(name + length - n, end);
}

/* A line's end is one character to a browser, and to the digest of a style. */
static void drop_returns(char *text)
{
    char *to = text;

    for (; *text; text++)
        if (*text != '\r')
            *to++ = *text;
    *to = '\0';
}

static sso_rc_e read_open(loader_t *loader, const char *path, int fd, const char **text)
{
    apr_size_t limit = has_end(path, LANGUAGE_END) ? SSO_LANGUAGE_BYTES_MAX
                                                   : SSO_TEMPLATE_BYTES_MAX;
    char *bytes = apr_palloc(loader->ctx->pool, limit + 2);
    apr_size_t length = 0, skip;
    struct stat info;
    ssize_t n;

    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return sso_fail(loader->ctx, SSO_MISCONFIG, 1272, "EdxSSOPages: %s is not a regular file",
                        path);
    while (length <= limit && (n = read(fd, bytes + length, limit + 1 - length)) > 0)
        length += (apr_size_t)n;
    if (length > limit)
        return sso_fail(loader->ctx, SSO_MISCONFIG, 1273, "EdxSSOPages: %s is over %d KiB", path,
                        (int)(limit / 1024));
    bytes[length] = '\0';
    if (strlen(bytes) != length || !sso_utf8_ok(bytes, length))
        return sso_fail(loader->ctx, SSO_MISCONFIG, 1275, "EdxSSOPages: %s is not UTF-8 text",
                        path);
    skip = strncmp(bytes, "\xef\xbb\xbf", 3) ? 0 : 3;
    drop_returns(bytes + skip);
    *text = bytes + skip;
    return SSO_OK;
}

static sso_rc_e read_file(loader_t *loader, const char *name)
{
    const char *path = apr_pstrcat(loader->ctx->pool, loader->dir, "/", name, NULL), *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang the start */
    sso_rc_e rc;

    if (fd < 0)
        return sso_fail(loader->ctx, SSO_MISCONFIG, 1270, "EdxSSOPages: %s cannot be read: %s",
                        path, strerror(errno));
    rc = read_open(loader, path, fd, &text);
    close(fd);
    if (rc == SSO_OK)
        apr_hash_set(loader->files, name, APR_HASH_KEY_STRING, text);
    return rc;
}

/* Whether a file means something to us: one that is built in, or a catalogue. */
static int is_ours(apr_pool_t *pool, const char *name)
{
    apr_size_t length = strlen(name) - strlen(LANGUAGE_END);

    if (has_end(name, LANGUAGE_END))
        return sso_language_tag_ok(apr_pstrmemdup(pool, name, length));
    return sso_pages_built_in(name) != NULL;
}

static sso_rc_e read_name(loader_t *loader, const char *name)
{
    apr_pool_t *pool = loader->ctx->pool;

    if (*name == '.' || has_end(name, "~"))
        return SSO_OK; /* what editors leave is nobody's mistake */
    if (is_ours(pool, name))
        return read_file(loader, apr_pstrdup(pool, name));
    if (has_end(name, ".html") || has_end(name, ".css") || has_end(name, LANGUAGE_END))
        sso_log(loader->ctx, SSO_LOG_WARN, 1276, "EdxSSOPages: %s/%s is not a name that pages or "
                "languages have: nothing reads it", loader->dir, name);
    return SSO_OK;
}

static sso_rc_e read_dir(loader_t *loader)
{
    apr_dir_t *dir;
    apr_finfo_t info;
    apr_status_t rv = apr_dir_open(&dir, loader->dir, loader->ctx->pool);
    char why[120];
    sso_rc_e rc = SSO_OK;

    if (rv != APR_SUCCESS)
        return sso_fail(loader->ctx, SSO_MISCONFIG, 1277, "EdxSSOPages: the folder %s cannot be "
                        "read: %s", loader->dir, apr_strerror(rv, why, sizeof(why)));
    while (rc == SSO_OK
           && (rv = apr_dir_read(&info, APR_FINFO_NAME, dir)) != APR_ENOENT)
        if (rv == APR_SUCCESS || rv == APR_INCOMPLETE)
            rc = read_name(loader, info.name);
        else
            break;
    apr_dir_close(dir);
    return rc;
}

static const char *find_text(const loader_t *loader, const char *name)
{
    const char *text = apr_hash_get(loader->files, name, APR_HASH_KEY_STRING);

    return text ? text : sso_pages_built_in(name);
}

/* ---- templates ---- */

static const char *part(void *baton, const char **name)
{
    const loader_t *loader = baton;
    unsigned i;

    if (!strcmp(*name, "page"))
        return find_text(loader, *name = loader->page);
    for (i = 0; i < SSO_COUNT(parts); i++)
        if (!strcmp(parts[i].name, *name))
            return find_text(loader, *name = parts[i].file);
    return NULL;
}

static sso_rc_e compile(loader_t *loader, sso_pages_t *pages)
{
    sso_template_source_t source = { part, loader };
    int i;

    for (i = 0; i < SSO_PAGE_COUNT; i++) {
        loader->page = page_files[i];
        SSO_TRY(sso_within(loader->ctx,
                           sso_template_compile(loader->ctx, &source, "layout.html", page_slots,
                                                &pages->templates[i]),
                           apr_pstrcat(loader->ctx->pool, "EdxSSOPages: ",
                                       loader->dir ? loader->dir : "built in", NULL)));
    }
    return SSO_OK;
}

/* ---- languages ---- */

/* What the reference has and a catalogue lacks is shown in English: better said at the start. */
static void report_gaps(loader_t *loader, const sso_language_t *language,
                        const sso_language_t *reference)
{
    const char *first = NULL;
    apr_hash_index_t *at;
    int count = 0;

    for (at = apr_hash_first(loader->ctx->pool, reference->texts); at; at = apr_hash_next(at)) {
        const void *key;

        apr_hash_this(at, &key, NULL, NULL);
        if (apr_hash_get(language->texts, key, APR_HASH_KEY_STRING))
            continue;
        count++;
        if (!first || strcmp(key, first) < 0)
            first = key;
    }
    if (count)
        sso_log(loader->ctx, SSO_LOG_WARN, 1278, "EdxSSOPages: %s" LANGUAGE_END " lacks %d texts, "
                "which are shown in English, the first: %s", language->tag, count, first);
}

static sso_rc_e read_language(loader_t *loader, const char *name, const sso_language_t **language)
{
    const char *built_in = sso_pages_built_in(name);
    const char *own = apr_hash_get(loader->files, name, APR_HASH_KEY_STRING);
    const char *tag = apr_pstrmemdup(loader->ctx->pool, name,
                                     strlen(name) - strlen(LANGUAGE_END));

    *language = NULL;
    if (built_in)
        SSO_TRY(sso_language_read(loader->ctx, name, tag, sso_bytes(built_in), NULL, language));
    if (own)
        SSO_TRY(sso_within(loader->ctx,
                           sso_language_read(loader->ctx, name, tag, sso_bytes(own), *language,
                                             language),
                           apr_pstrcat(loader->ctx->pool, "EdxSSOPages: ", loader->dir, NULL)));
    return SSO_OK;
}

static sso_rc_e add_language(loader_t *loader, const char *name, apr_array_header_t *languages)
{
    const sso_language_t *language;

    if (languages->nelts >= SSO_LANGUAGES_MAX)
        return sso_fail(loader->ctx, SSO_MISCONFIG, 1279, "EdxSSOPages: over %d languages",
                        SSO_LANGUAGES_MAX);
    SSO_TRY(read_language(loader, name, &language));
    APR_ARRAY_PUSH(languages, const sso_language_t *) = language;
    if (languages->nelts > 1)
        report_gaps(loader, language, APR_ARRAY_IDX(languages, 0, const sso_language_t *));
    return SSO_OK;
}

/* English first; then what is built in; then what is the site's own. */
static sso_rc_e load_languages(loader_t *loader, apr_array_header_t *languages)
{
    apr_hash_index_t *at;
    int i;

    SSO_TRY(add_language(loader, "en" LANGUAGE_END, languages));
    for (i = 0; sso_pages_name(i); i++)
        if (has_end(sso_pages_name(i), LANGUAGE_END)
            && strcmp(sso_pages_name(i), "en" LANGUAGE_END))
            SSO_TRY(add_language(loader, sso_pages_name(i), languages));
    for (at = apr_hash_first(loader->ctx->pool, loader->files); at; at = apr_hash_next(at)) {
        const void *key;

        apr_hash_this(at, &key, NULL, NULL);
        if (has_end(key, LANGUAGE_END) && !sso_pages_built_in(key))
            SSO_TRY(add_language(loader, key, languages));
    }
    return SSO_OK;
}

sso_rc_e sso_pages_load(sso_ctx_t *ctx, const char *dir, const sso_pages_t **pages)
{
    loader_t loader = { .ctx = ctx, .dir = dir, .files = apr_hash_make(ctx->pool) };
    sso_pages_t *made = apr_pcalloc(ctx->pool, sizeof(*made));
    apr_array_header_t *languages = apr_array_make(ctx->pool, 8, sizeof(sso_language_t *));

    if (dir)
        SSO_TRY(read_dir(&loader));
    SSO_TRY(compile(&loader, made));
    SSO_TRY(load_languages(&loader, languages));
    made->languages = languages;
    made->own = apr_hash_count(loader.files) > 0;
    *pages = made;
    return SSO_OK;
}
