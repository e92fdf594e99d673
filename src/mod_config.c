/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading httpd.conf: directives into records, sections into servers, and what only the whole
 * configuration can tell (misspelt names, EdxSSOUse of a provider that is not there).
 */
#include "mod_glue.h"

#include "sso_require.h"

#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_strings.h>

#define SECTION "<EdxSSOProvider"

/* A use of provider names, to be checked when all sections are known */
typedef struct use_t {
    const char *what; /* "EdxSSOUse" */
    const apr_array_header_t *names;
    const server_rec *server;
    const char *place;
} use_t;

/* Of the configuration being read or in use; made anew by each reading. */
static struct {
    apr_array_header_t *prefixes; /* of const char * */
    apr_array_header_t *names;    /* of const char *: of every EdxSSOExportClaims */
    apr_array_header_t *uses;     /* of use_t */
    apr_array_header_t *takers;   /* of const server_rec *: some place of theirs takes tokens */
    apr_hash_t *expressions;      /* text -> ap_expr_info_t */
    int bare;                     /* some place has an empty EdxSSOClaimPrefix */
    int passes;                   /* some place hands tokens to the app behind */
    sso_reserved_t *reserved;     /* headers by these prefixes and names, when all is read */
} reading;

void *mod_config_make(apr_pool_t *pool, char *dir)
{
    sso_ctx_t ctx = { .pool = pool };
    sso_config_t *config = NULL;

    (void)dir;
    ap_assert(sso_record_make(&ctx, &sso_config_shape, &config) == SSO_OK);
    return config;
}

void *mod_config_merge(apr_pool_t *pool, void *base, void *over)
{
    return sso_record_merge(pool, base, over);
}

void *mod_server_make(apr_pool_t *pool, server_rec *s)
{
    mod_server_t *server = apr_pcalloc(pool, sizeof(*server));

    (void)s;
    server->sections = apr_array_make(pool, 4, sizeof(sso_section_t));
    return server;
}

static sso_section_t *section_find(const apr_array_header_t *sections, const char *name)
{
    int i;

    for (i = 0; i < sections->nelts; i++)
        if (!strcmp(APR_ARRAY_IDX(sections, i, sso_section_t).name, name))
            return &APR_ARRAY_IDX(sections, i, sso_section_t);
    return NULL;
}

static int signs_in(const sso_section_t *section)
{
    return !sso_record_has(section->config, &sso_options[SSO_OPTION_sign_in])
           || section->config->sign_in;
}

/*
 * A virtual host has the main server's providers, and its own; one of the same name and type
 * overrides.
 */
void *mod_server_merge(apr_pool_t *pool, void *base, void *over)
{
    const mod_server_t *below = base, *above = over;
    mod_server_t *merged = apr_pcalloc(pool, sizeof(*merged));
    int i;

    merged->sections = apr_array_copy(pool, below->sections);
    for (i = 0; i < above->sections->nelts; i++) {
        const sso_section_t *section = &APR_ARRAY_IDX(above->sections, i, sso_section_t);
        sso_section_t *there = section_find(merged->sections, section->name);

        if (!there)
            APR_ARRAY_PUSH(merged->sections, sso_section_t) = *section;
        else {
            const sso_config_t *config = strcmp(there->type, section->type)
                                             ? section->config
                                             : sso_record_merge(pool, there->config,
                                                                section->config);

            *there = *section;
            there->config = config;
        }
    }
    return merged;
}

const sso_config_t *mod_config_server(const server_rec *s)
{
    return ap_get_module_config(s->lookup_defaults, &auth_edxsso_module);
}

const sso_reserved_t *mod_config_reserved(void)
{
    return reading.reserved;
}

int mod_config_passes(void)
{
    return reading.passes;
}

const ap_expr_info_t *mod_config_expression(const char *text)
{
    return apr_hash_get(reading.expressions, text, APR_HASH_KEY_STRING);
}

/* Parsed here, so that a mistake is seen at once and a request parses nothing. */
static const char *parse_expression(cmd_parms *cmd, const char *text)
{
    const char *error = NULL;
    const ap_expr_info_t *parsed = ap_expr_parse_cmd(cmd, text, AP_EXPR_FLAG_STRING_RESULT, &error,
                                                     NULL);

    if (error)
        return apr_psprintf(cmd->pool, "%s: '%s' is not an expression: %s", cmd->cmd->name, text,
                            error);
    apr_hash_set(reading.expressions, apr_pstrdup(cmd->pool, text), APR_HASH_KEY_STRING, parsed);
    return NULL;
}

static const char *place_of(const cmd_parms *cmd)
{
    return apr_psprintf(cmd->pool, "line %d of %s", cmd->directive->line_num,
                        cmd->directive->filename);
}

static int in_section(const cmd_parms *cmd)
{
    const ap_directive_t *parent = cmd->directive->parent;

    return parent && !strcasecmp(parent->directive, SECTION);
}

/* A claim's name or a prefix as its header begins, in lower case. */
static const char *header_of(apr_pool_t *pool, const char *name)
{
    char *header = apr_pstrdup(pool, sso_export_header_prefix(pool, name));

    ap_str_tolower(header);
    return header;
}

void mod_config_use(cmd_parms *cmd, const char *what, const apr_array_header_t *names)
{
    use_t *use;

    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) /* read by a request, when all are known */
        return;
    use = &APR_ARRAY_PUSH(reading.uses, use_t);
    use->what = what;
    use->names = names;
    use->server = cmd->server;
    use->place = place_of(cmd);
}

int mod_config_takes_tokens(const server_rec *s)
{
    int i;

    for (i = 0; i < reading.takers->nelts; i++) {
        const server_rec *taker = APR_ARRAY_IDX(reading.takers, i, const server_rec *);

        if (taker == s || !taker->is_virtual)
            return 1;
    }
    return 0;
}

/*
 * Tokens are other people's: whoever may write a .htaccess is not to have them handed out. And
 * which ones are to be kept has to be known when somebody signs in.
 */
static const char *remember_tokens(cmd_parms *cmd, const sso_field_t *field,
                                   const sso_config_t *config)
{
    const char *refused;

    if (field == &sso_options[SSO_OPTION_pass_token]) {
        if (sso_list_has(config->pass_token, "none"))
            return NULL;
    }
    else if (field != &sso_options[SSO_OPTION_authorization_header]
             || config->authorization_header == SSO_AUTHORIZATION_OFF)
        return NULL;
    refused = ap_check_cmd_context(cmd, NOT_IN_HTACCESS);
    reading.passes = 1;
    return refused;
}

/* Compiled here, so that a mistake is seen at once and a sign-in compiles nothing. */
static const char *remember_user(cmd_parms *cmd, const sso_config_t *config)
{
    const apr_array_header_t *words = config->remote_user;
    const char *complaint, *c;
    int groups;

    if (words->nelts < 3)
        return NULL;
    complaint = mod_regex_compile(cmd->pool, APR_ARRAY_IDX(words, 1, const char *), &groups);
    if (complaint)
        return apr_pstrcat(cmd->pool, "EdxSSORemoteUser: ", complaint, NULL);
    for (c = APR_ARRAY_IDX(words, 2, const char *); *c; c++) {
        if (*c == '\\' && c[1])
            c++;
        else if (*c == '$' && apr_isdigit(c[1]) && c[1] - '0' > groups)
            return apr_psprintf(cmd->pool, "EdxSSORemoteUser: '$%c': the regular expression has %d "
                                "groups", c[1], groups);
    }
    return NULL;
}

/* What the whole configuration has to be looked through for later. */
static const char *remember(cmd_parms *cmd, const sso_field_t *field, const sso_config_t *config)
{
    int i;

    if (field == &sso_options[SSO_OPTION_claim_prefix]) {
        const char *refused = ap_check_cmd_context(cmd, NOT_IN_HTACCESS);

        if (refused)
            /* headers by a prefix are removed everywhere, so it must be known at start */
            return refused;
        if (*config->claim_prefix)
            APR_ARRAY_PUSH(reading.prefixes, const char *) = header_of(cmd->pool,
                                                                       config->claim_prefix);
        else
            reading.bare = 1;
    }
    if (field == &sso_options[SSO_OPTION_export_claims]
        && ap_check_cmd_context(cmd, NOT_IN_HTACCESS) == NULL)
        for (i = 0; i < config->export_claims->nelts; i++)
            APR_ARRAY_PUSH(reading.names, const char *) =
                header_of(cmd->pool, APR_ARRAY_IDX(config->export_claims, i, const char *));
    if (field == &sso_options[SSO_OPTION_use])
        mod_config_use(cmd, field->name, config->use);
    if (field == &sso_options[SSO_OPTION_credentials]
        && ap_check_cmd_context(cmd, NOT_IN_HTACCESS) == NULL
        && (sso_list_has(config->credentials, "bearer")
            || sso_list_has(config->credentials, "jwt-cookie")))
        APR_ARRAY_PUSH(reading.takers, const server_rec *) = cmd->server;
    if (field == &sso_options[SSO_OPTION_protected_resource] && config->protected_resource)
        return mod_resource_add(cmd);
    if (field == &sso_options[SSO_OPTION_export_jwt])
        return mod_jwt_add(cmd, config->export_jwt);
    if (field == &sso_options[SSO_OPTION_remote_user])
        return remember_user(cmd, config);
    if (field == &sso_options[SSO_OPTION_id_mapping_service] && config->id_mapping_service
        && !cmd->path)
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, cmd->server, "SSO1204: %s: "
                     "EdxSSOIDMappingService on outside of a <Location>: whoever may send requests "
                     "here may ask who is who", place_of(cmd));
    return remember_tokens(cmd, field, config);
}

static const char *set_option(cmd_parms *cmd, void *record, const char *args)
{
    const sso_field_t *field = cmd->info;
    apr_array_header_t *words = apr_array_make(cmd->temp_pool, 4, sizeof(const char *));
    sso_ctx_t ctx = { .pool = cmd->pool, .now = apr_time_now(),
                      .ports = mod_site_ports(cmd->pool, cmd->server, NULL) };

    if (in_section(cmd) && field->scope != SSO_SCOPE_PROVIDER)
        return apr_psprintf(cmd->pool, "%s is not a provider's: it belongs outside of " SECTION ">",
                            field->name);
    if (field->scope == SSO_SCOPE_MAIN && cmd->server->is_virtual)
        return apr_psprintf(cmd->pool, "%s belongs outside of <VirtualHost>: there is one for all",
                            field->name);
    while (*args) {
        const char *word = ap_getword_conf(cmd->pool, &args);

        if (field->kind == &sso_kind_FILE || field->kind == &sso_kind_FILES)
            word = ap_server_root_relative(cmd->pool, word);
        APR_ARRAY_PUSH(words, const char *) = word;
    }
    if (sso_record_set(&ctx, record, field, words->nelts,
                       (const char *const *)(const void *)words->elts) != SSO_OK)
        return apr_pstrdup(cmd->pool, ctx.err.text);
    if (field == &sso_options[SSO_OPTION_auth_param]
        || field == &sso_options[SSO_OPTION_token_param]) {
        const char *refused = parse_expression(cmd, APR_ARRAY_IDX(words, 1, const char *));

        if (refused)
            return refused;
    }
    return remember(cmd, field, record);
}

static int name_ok(const char *name)
{
    const char *c;

    for (c = name; apr_islower(*c) || apr_isdigit(*c) || *c == '_' || *c == '-'; c++)
        ;
    return *name && !*c && c - name <= 64;
}

/* <EdxSSOProvider NAME TYPE>: httpd makes the section's record at the first directive in it. */
static const char *open_section(cmd_parms *cmd, void *unused, const char *args)
{
    mod_server_t *server = mod_server(cmd->server);
    ap_conf_vector_t *inside = ap_create_per_dir_config(cmd->pool);
    const char *end = ap_strrchr_c(args, '>');
    sso_section_t section;
    const char *error;

    (void)unused;
    if (!end)
        return SECTION " NAME TYPE>: the closing '>' is missing";
    args = apr_pstrmemdup(cmd->pool, args, (apr_size_t)(end - args));
    section.name = ap_getword_conf(cmd->pool, &args);
    section.type = ap_getword_conf(cmd->pool, &args);
    section.place = place_of(cmd);
    if (!name_ok(section.name))
        return apr_psprintf(cmd->pool, SECTION " NAME TYPE>: NAME '%s' is not made of a-z, 0-9, _ "
                            "and - (at most 64)", section.name);
    if (!sso_kind_find(section.type))
        return apr_psprintf(cmd->pool, SECTION " %s TYPE>: TYPE '%s' is none of: %s%s",
                            section.name, section.type, sso_kind_list(cmd->pool),
                            sso_nearest_say(cmd->pool, section.type, sso_kind_names(cmd->pool)));
    if (*args)
        return apr_psprintf(cmd->pool, SECTION " NAME TYPE>: '%s' is one word too many", args);
    if (section_find(server->sections, section.name))
        return apr_psprintf(cmd->pool, SECTION " %s>: this server has a provider of that name "
                            "already", section.name);
    error = ap_walk_config(cmd->directive->first_child, cmd, inside);
    if (error)
        return error;
    section.config = ap_get_module_config(inside, &auth_edxsso_module);
    if (!section.config)
        section.config = mod_config_make(cmd->pool, NULL);
    APR_ARRAY_PUSH(server->sections, sso_section_t) = section;
    return NULL;
}

/* A Require line of ours that is none. httpd would not say which there are. */
static int report_line(apr_pool_t *ptemp, const ap_directive_t *directive)
{
    const char *args = directive->args, *word = ap_getword_conf(ptemp, &args);
    apr_array_header_t *names = apr_array_make(ptemp, 8, sizeof(const char *));
    const char *all;
    int n;

    if (!strcasecmp(word, "not"))
        word = ap_getword_conf(ptemp, &args);
    if (strncasecmp(word, "edxsso", 6))
        return 0;
    for (n = 0; sso_rule_name(n); n++) {
        if (!strcasecmp(word, sso_rule_name(n)))
            return 0;
        APR_ARRAY_PUSH(names, const char *) = sso_rule_name(n);
    }
    all = apr_array_pstrcat(ptemp, names, ' ');
    APR_ARRAY_PUSH(names, const char *) = NULL;
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, NULL, "SSO1412: line %d of %s: "
                 "Require: there is no '%s'; there are: %s%s", directive->line_num,
                 directive->filename, word, all,
                 sso_nearest_say(ptemp, word, (const char *const *)(const void *)names->elts));
    return 1;
}

/* A directive of ours that is none: say so with the nearest name, which httpd cannot. */
static int report_unknown(apr_pool_t *ptemp, const ap_directive_t *tree)
{
    int wrong = 0;

    for (; tree; tree = tree->next) {
        const char *name = tree->directive;
        const char *near;

        if (*name == '<' && tree->first_child)
            wrong += report_unknown(ptemp, tree->first_child);
        if (!strcasecmp(name, "Require"))
            wrong += report_line(ptemp, tree);
        if (strncasecmp(name + (*name == '<'), "EdxSSO", 6) || sso_option_find(name)
            || !strcasecmp(name, SECTION))
            continue;
        near = *name == '<' ? SECTION : sso_nearest(name, sso_option_names(ptemp));
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, NULL,
                     "SSO0050: line %d of %s: there is no directive %s%s%s%s", tree->line_num,
                     tree->filename, name, near ? "; did you mean " : "", near ? near : "",
                     near ? "?" : "");
        wrong++;
    }
    return wrong;
}

int mod_config_begin(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    reading.passes = 0;
    reading.prefixes = apr_array_make(pconf, 4, sizeof(const char *));
    reading.names = apr_array_make(pconf, 4, sizeof(const char *));
    reading.uses = apr_array_make(pconf, 4, sizeof(use_t));
    reading.takers = apr_array_make(pconf, 4, sizeof(const server_rec *));
    mod_resource_begin(pconf);
    reading.expressions = apr_hash_make(pconf);
    reading.bare = 0;
    mod_regex_begin(pconf);
    mod_jwt_begin(pconf);
    return report_unknown(ptemp, ap_conftree) ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

/* The sections of a server that people sign in by, for those who named another. */
static const char *section_names(apr_pool_t *pool, const apr_array_header_t *sections,
                                 const char *name)
{
    apr_array_header_t *names = apr_array_make(pool, 4, sizeof(const char *));
    const char *text;
    int i;

    for (i = 0; i < sections->nelts; i++)
        if (signs_in(&APR_ARRAY_IDX(sections, i, sso_section_t)))
            APR_ARRAY_PUSH(names, const char *) = APR_ARRAY_IDX(sections, i, sso_section_t).name;
    if (!names->nelts)
        return "which has none";
    text = apr_array_pstrcat(pool, names, ' ');
    APR_ARRAY_PUSH(names, const char *) = NULL;
    return apr_pstrcat(pool, "which has: ", text,
                       sso_nearest_say(pool, name, (const char *const *)(const void *)names->elts),
                       NULL);
}

static int check_use(apr_pool_t *pool, const use_t *use, const char *name)
{
    const apr_array_header_t *sections = mod_server(use->server)->sections;
    const sso_section_t *section = section_find(sections, name);

    if (section && signs_in(section))
        return 0;
    if (section)
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, use->server, "SSO1208: %s: %s: "
                     "nobody signs in by " SECTION " %s ...>, which has EdxSSOSignIn off",
                     use->place, use->what, name);
    else
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, use->server, "SSO0051: %s: %s: "
                     "there is no " SECTION " %s ...> in this server, %s", use->place, use->what,
                     name, section_names(pool, sections, name));
    return 1;
}

int mod_config_end(apr_pool_t *pconf)
{
    int i, k, wrong = 0;

    reading.reserved = sso_reserved_make(pconf, reading.prefixes,
                                         reading.bare ? apr_array_append(pconf, reading.names,
                                                                         mod_jwt_names())
                                                      : mod_jwt_names());
    if (reading.bare && !reading.names->nelts)
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, NULL, "SSO1411: "
                     "EdxSSOClaimPrefix \"\" needs an EdxSSOExportClaims list: without one no "
                     "claim is exported");
    for (i = 0; i < reading.uses->nelts; i++) {
        const use_t *use = &APR_ARRAY_IDX(reading.uses, i, use_t);

        for (k = 0; k < use->names->nelts; k++)
            wrong += check_use(pconf, use, APR_ARRAY_IDX(use->names, k, const char *));
    }
    return wrong;
}

#define MAY_MAIN     RSRC_CONF
#define MAY_SERVER   RSRC_CONF
#define MAY_PROVIDER RSRC_CONF
#define MAY_PLACE    (RSRC_CONF | ACCESS_CONF | OR_AUTHCFG)

const command_rec mod_commands[] = {
    AP_INIT_RAW_ARGS(SECTION, open_section, NULL, RSRC_CONF,
                     "A provider: its name, its type, and in the section what it is like."),
#define OPTION(directive, scope, kind, member, preset, limits, help)                              \
    AP_INIT_RAW_ARGS(#directive, set_option,                                                      \
                     (void *)(apr_uintptr_t)&sso_options[SSO_OPTION_##member], MAY_##scope, help),
#include "sso_options.def"
#undef OPTION
    { NULL }
};
