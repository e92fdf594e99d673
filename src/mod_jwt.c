/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EdxSSOExportJWT: which headers it uses, in which servers, and putting the token there.
 */
#include "mod_glue.h"

#include "sso_export.h"
#include "sso_export_jwt.h"

#include <apr_lib.h>
#include <apr_strings.h>

#define OFF "off"

/* Of the configuration being read or in use; made anew by each reading. */
static struct {
    apr_array_header_t *names; /* of const char *: lower-case headers */
    apr_array_header_t *where; /* of const server_rec *: where they stand */
} reading;

static sso_vouchers_t *vouchers; /* of this process; NULL: none of its servers signs */

void mod_jwt_begin(apr_pool_t *pconf)
{
    reading.names = apr_array_make(pconf, 1, sizeof(const char *));
    reading.where = apr_array_make(pconf, 1, sizeof(const server_rec *));
}

const apr_array_header_t *mod_jwt_names(void)
{
    return reading.names;
}

/* The header is taken out of every request, so it must be nobody else's. */
const char *mod_jwt_add(cmd_parms *cmd, const char *name)
{
    static const char *const others[] = {
        "Accept", "Authorization", "Connection", "Cookie", "Date", "Edxsso-Email", "Edxsso-Name",
        "Edxsso-Provider", "Edxsso-Remote-Id", "Edxsso-Tenant", "Edxsso-User-Id",
        "Edxsso-Username", "Expect", "Forwarded", "Host", "If-Match", "If-None-Match",
        "Keep-Alive", "Origin", "Range", "Referer", "Remote-User", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade", "User-Agent", "Via", NULL
    };
    static const char *const families[] = { "Accept-", "Content-", "Edxsso-Claim-", "Proxy-",
                                            "Sec-", "X-Forwarded-", NULL };
    const char *refused = ap_check_cmd_context(cmd, NOT_IN_HTACCESS);
    char *lower;
    int i;

    if (refused || !strcasecmp(name, OFF))
        return refused;
    for (i = 0; others[i]; i++)
        if (!strcasecmp(name, others[i]))
            return apr_pstrcat(cmd->pool, "EdxSSOExportJWT: '", name, "' has a meaning of its own; "
                               "give a header such as X-Edxsso-Token", NULL);
    for (i = 0; families[i]; i++)
        if (!strncasecmp(name, families[i], strlen(families[i])))
            return apr_pstrcat(cmd->pool, "EdxSSOExportJWT: headers that begin with ", families[i],
                               " have a meaning of their own; give one such as X-Edxsso-Token",
                               NULL);
    lower = apr_pstrdup(cmd->pool, sso_export_header_prefix(cmd->pool, name));
    ap_str_tolower(lower);
    APR_ARRAY_PUSH(reading.names, const char *) = lower;
    APR_ARRAY_PUSH(reading.where, const server_rec *) = cmd->server;
    return NULL;
}

int mod_jwt_signs(const server_rec *s)
{
    int i;

    for (i = 0; i < reading.where->nelts; i++) {
        const server_rec *where = APR_ARRAY_IDX(reading.where, i, const server_rec *);

        if (where == s || !where->is_virtual) /* virtual hosts have the main server's places */
            return 1;
    }
    return 0;
}

sso_rc_e mod_jwt_child(sso_ctx_t *ctx)
{
    vouchers = NULL;
    return reading.where->nelts ? sso_vouchers_make(ctx, ctx->pool, &vouchers) : SSO_OK;
}

void mod_jwt_export(request_rec *r, sso_ctx_t *ctx, const sso_request_t *request,
                    const sso_session_t *session)
{
    sso_voucher_t voucher = { request->site, request->origin, session, request->place };
    const char *header = request->place->export_jwt, *token;

    if (!strcasecmp(header, OFF) || !request->origin || !request->site->signers)
        return;
    if (sso_voucher_print(ctx, &voucher, vouchers, &token) == SSO_OK) {
        apr_table_setn(r->headers_in, header, token);
        return;
    }
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, "SSO%04d: %s", ctx->err.number, ctx->err.text);
    sso_forgive(ctx);
}
