/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a sign-in was of the kind that a place wants.
 */
#include "sso_step_up.h"

#include <apr_strings.h>
#include <string.h>

#define WORDS_MAX 1024

int sso_step_up_words(const char *text)
{
    const char *c;

    for (c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e || *c == '"' || *c == '\\')
            return 0;
    return c > text && c - text <= WORDS_MAX;
}

/*
 * The claims are compact JSON: a string is what stands there, and an element of an array of strings
 * stands between quotes that are not escaped, as no quote in a string is.
 */
static int names(const sso_claims_t *claims, const sso_claim_t *claim, const char *acr)
{
    const char *value = claims->text + sso_claim_value_at(claim);
    const char *end = value + claim->value_length;
    apr_size_t length = strlen(acr);

    if (claim->type == SSO_CLAIM_STRING)
        return claim->value_length == length && !memcmp(value, acr, length);
    if (claim->type != SSO_CLAIM_ARRAY || strpbrk(acr, "\"\\"))
        return 0;
    for (; value + length + 2 <= end; value++)
        if (*value == '"' && !memcmp(value + 1, acr, length) && value[length + 1] == '"')
            return 1;
    return 0;
}

int sso_step_up_strong(const sso_session_t *session, const apr_array_header_t *acrs)
{
    static const char *const claims[] = { "acr", "acrs" };
    unsigned k;
    int i;

    for (k = 0; k < SSO_COUNT(claims); k++) {
        const sso_claim_t *claim = sso_claim_find(&session->claims, claims[k]);

        for (i = 0; claim && i < acrs->nelts; i++)
            if (names(&session->claims, claim, APR_ARRAY_IDX(acrs, i, const char *)))
                return 1;
    }
    return 0;
}

sso_rc_e sso_step_up_check(sso_ctx_t *ctx, const sso_session_t *session, const char *acrs)
{
    const sso_claim_t *claim = sso_claim_find(&session->claims, "acr");

    if (sso_step_up_strong(session, sso_words(ctx->pool, acrs)))
        return SSO_OK;
    return sso_fail(ctx, SSO_DENIED, 1083, "the sign-in was to be one of '%.128s', and is '%.128s' "
                    "(EdxSSOStepUp)", acrs,
                    claim ? sso_claim_value(ctx->pool, &session->claims, claim, " ", NULL)
                          : "without acr");
}
