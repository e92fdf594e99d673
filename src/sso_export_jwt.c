/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens by which this site vouches for a user. Keys and signatures are sso_jose_sign.c's.
 */
#include "sso_export_jwt.h"

#include "sso_export.h"
#include "sso_jose_sign.h"

#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <string.h>

#define SLOTS      512
#define STRIPES    16
#define BODY_MAX   (6 * 1024)           /* whose token fits into a header, all but */
#define TOKEN_MAX  SSO_HEADER_VALUE_MAX
#define LEFT_SEC   60                   /* a token with less than that left is not used again */
#define JTI_BYTES  16
#define SEED_BYTES 48
#define LABEL      "edxsso export jwt v1"

/* Members that are this site's to say, and not a provider's: RFC 7519 4.1 */
static const char *const own_members[] = { "iss", "sub", "aud", "exp", "nbf", "iat", "jti" };
#define OWN_PREFIX "edxsso_"
#define MEMBER_MAX 32 /* bytes of a name of ours, with quotes and the like */

typedef struct slot_t {
    apr_time_t until;
    apr_size_t body_length, token_length; /* without NULs */
    char body[BODY_MAX], token[TOKEN_MAX];
} slot_t;

struct sso_vouchers_t {
    apr_thread_mutex_t *mutex[STRIPES];
    slot_t *slots;
};

sso_rc_e sso_voucher_keys(sso_ctx_t *ctx, sso_site_t *site, const apr_array_header_t *secrets)
{
    apr_array_header_t *signers = apr_array_make(ctx->pool, secrets->nelts,
                                                 sizeof(const sso_signer_t *));
    unsigned char seed[SEED_BYTES];
    sso_rc_e rc = SSO_OK;
    int i;

    for (i = 0; rc == SSO_OK && i < secrets->nelts; i++) {
        sso_signer_t *signer;

        rc = sso_derive(ctx, &APR_ARRAY_IDX(secrets, i, sso_bytes_t), site->realm, LABEL, seed,
                        sizeof(seed));
        if (rc == SSO_OK)
            rc = sso_signer_from_seed(ctx, ctx->pool, seed, sizeof(seed), &signer);
        if (rc == SSO_OK)
            APR_ARRAY_PUSH(signers, const sso_signer_t *) = signer;
    }
    sso_cleanse(seed, sizeof(seed));
    SSO_TRY(rc);
    site->signers = signers;
    return SSO_OK;
}

sso_rc_e sso_vouchers_make(sso_ctx_t *ctx, apr_pool_t *pool, sso_vouchers_t **vouchers)
{
    sso_vouchers_t *made = apr_pcalloc(pool, sizeof(*made));
    int i;

    /* pages that nobody writes to are not there; `until` is 0 in what is new */
    made->slots = apr_palloc(pool, SLOTS * sizeof(slot_t));
    for (i = 0; i < SLOTS; i++)
        made->slots[i].until = 0;
    for (i = 0; i < STRIPES; i++)
        if (apr_thread_mutex_create(&made->mutex[i], APR_THREAD_MUTEX_DEFAULT, pool)
            != APR_SUCCESS)
            return sso_fail(ctx, SSO_BROKEN, 1252, "no mutex for tokens");
    *vouchers = made;
    return SSO_OK;
}

/* ---- what it says ---- */

#define QUOTED_MAX(length) (6 * (length) + 2)

/* A text as JSON has it. What comes here has no control characters but in odd claims. */
static char *add_quoted(char *out, const char *text)
{
    for (*out++ = '"'; *text; text++) {
        if ((unsigned char)*text < 0x20) {
            apr_snprintf(out, 7, "\\u%04x", (unsigned)*text);
            out += 6;
            continue;
        }
        if (*text == '"' || *text == '\\')
            *out++ = '\\';
        *out++ = *text;
    }
    *out++ = '"';
    return out;
}

static int is_own(const char *name, apr_size_t length)
{
    unsigned i;

    if (length > sizeof(OWN_PREFIX) - 1 && !memcmp(name, OWN_PREFIX, sizeof(OWN_PREFIX) - 1))
        return 1;
    for (i = 0; i < SSO_COUNT(own_members); i++)
        if (length == strlen(own_members[i]) && !memcmp(name, own_members[i], length))
            return 1;
    return 0;
}

/* The exported claims as members, each with a comma before it: spans of the stored text. */
static char *add_claims(const sso_voucher_t *voucher, char *out)
{
    const sso_claims_t *claims = &voucher->session->claims;
    apr_uint32_t i;

    for (i = 0; i < claims->count; i++) {
        const sso_claim_t *claim = &claims->rows[i];
        const char *from = claims->text + claim->name_at - 1;
        const char *end = claims->text + sso_claim_value_at(claim) + claim->value_length
                          + (claim->type == SSO_CLAIM_STRING);

        if (!sso_export_wanted(voucher->place, claims, i)
            || is_own(from + 1, claim->name_length))
            continue;
        *out++ = ',';
        memcpy(out, from, (apr_size_t)(end - from));
        out += end - from;
    }
    return out;
}

/*
 * All but its times and its id. `iss` and `sub` are this site's: the provider's own, by which two
 * providers may mean different people, have names of their own.
 */
static const char *body_of(sso_ctx_t *ctx, const sso_voucher_t *voucher, apr_size_t *length)
{
    const sso_session_t *session = voucher->session;
    const struct {
        const char *name, *value;
    } members[] = {
        { "\"iss\":", apr_pstrcat(ctx->pool, voucher->origin, voucher->site->path, NULL) },
        { "\"sub\":", session->remote_user }, { "\"aud\":", voucher->origin },
        { "\"edxsso_provider\":", session->provider },
        { "\"edxsso_username\":", session->username },
        { "\"edxsso_user_id\":", session->user_id }, { "\"edxsso_tenant\":", session->tenant },
        { "\"edxsso_remote_id\":", session->remote_id }, { "\"edxsso_iss\":", session->issuer },
        { "\"edxsso_sub\":", session->subject },
    };
    apr_size_t room = session->claims.text_length + session->claims.count + 1;
    char *body, *out;
    unsigned i;

    for (i = 0; i < SSO_COUNT(members); i++)
        room += members[i].value ? MEMBER_MAX + QUOTED_MAX(strlen(members[i].value)) : 0;
    body = out = apr_palloc(ctx->pool, room);
    for (i = 0; i < SSO_COUNT(members); i++) {
        if (!members[i].value)
            continue;
        *out = ','; /* not before the first */
        out += i > 0;
        out = apr_cpystrn(out, members[i].name, MEMBER_MAX);
        out = add_quoted(out, members[i].value);
    }
    out = add_claims(voucher, out);
    *length = (apr_size_t)(out - body);
    *out = '\0';
    return body;
}

static sso_rc_e sign(sso_ctx_t *ctx, const sso_voucher_t *voucher, const char *body,
                     apr_int64_t until, const char **token)
{
    const char *jti, *payload;

    SSO_TRY(sso_random_text(ctx, JTI_BYTES, &jti));
    payload = apr_psprintf(ctx->pool, "{%s,\"iat\":%" APR_INT64_T_FMT ",\"exp\":%" APR_INT64_T_FMT
                           ",\"jti\":\"%s\"}", body, (apr_int64_t)apr_time_sec(sso_wall(ctx)),
                           until + apr_time_sec(ctx->wall_ahead), jti);
    return sso_jws_sign_text(ctx, APR_ARRAY_IDX(voucher->site->signers, 0, const sso_signer_t *),
                             payload, token);
}

/* ---- what is remembered ---- */

/* FNV-1a over the beginning, where the user's names are: which slot, no more. */
static unsigned slot_of(const char *body, apr_size_t length)
{
    apr_uint32_t hash = 2166136261u ^ (apr_uint32_t)length;
    apr_size_t i;

    for (i = 0; i < length && i < 256; i++)
        hash = (hash ^ (unsigned char)body[i]) * 16777619u;
    return (hash ^ hash >> 16) % SLOTS;
}

static const char *recall(sso_ctx_t *ctx, sso_vouchers_t *vouchers, unsigned at, const char *body,
                          apr_size_t length)
{
    const slot_t *slot = &vouchers->slots[at];
    const char *token = NULL;

    apr_thread_mutex_lock(vouchers->mutex[at % STRIPES]);
    if (slot->until >= ctx->now + apr_time_from_sec(LEFT_SEC) && slot->body_length == length
        && !memcmp(slot->body, body, length))
        token = apr_pstrmemdup(ctx->pool, slot->token, slot->token_length);
    apr_thread_mutex_unlock(vouchers->mutex[at % STRIPES]);
    return token;
}

static void remember(sso_vouchers_t *vouchers, unsigned at, sso_bytes_t body, sso_bytes_t token,
                     apr_time_t until)
{
    slot_t *slot = &vouchers->slots[at];

    if (body.length > BODY_MAX || token.length > TOKEN_MAX)
        return;
    apr_thread_mutex_lock(vouchers->mutex[at % STRIPES]);
    slot->until = until;
    slot->body_length = body.length;
    slot->token_length = token.length;
    memcpy(slot->body, body.data, body.length);
    memcpy(slot->token, token.data, token.length);
    apr_thread_mutex_unlock(vouchers->mutex[at % STRIPES]);
}

sso_rc_e sso_voucher_print(sso_ctx_t *ctx, const sso_voucher_t *voucher, sso_vouchers_t *vouchers,
                           const char **token)
{
    apr_time_t until = ctx->now + apr_time_from_sec(SSO_VOUCHER_SEC);
    apr_size_t length;
    const char *body = body_of(ctx, voucher, &length), *made;
    unsigned at = slot_of(body, length);
    sso_bytes_t body_bytes = { body, length };

    if (vouchers && (made = recall(ctx, vouchers, at, body, length)) != NULL) {
        *token = made;
        return SSO_OK;
    }
    if (until > voucher->session->ends)
        until = voucher->session->ends;
    SSO_TRY(sign(ctx, voucher, body, apr_time_sec(until), &made));
    if (strlen(made) > TOKEN_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 1253, "the JWT of '%.100s' is %d bytes long and left "
                        "out (EdxSSOExportJWT); EdxSSOExportClaims can leave claims out of it",
                        voucher->session->remote_user, (int)strlen(made));
    if (vouchers)
        remember(vouchers, at, body_bytes, sso_bytes(made), until);
    *token = made;
    return SSO_OK;
}
