/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_PROVIDER_H
#define SSO_PROVIDER_H

/*
 * Providers as resolved: what an <EdxSSOProvider> section, the server's defaults and the preset of
 * its type come to. Made once per configuration, immutable afterwards.
 *
 * A type is a row of sso_kinds[]; what one type is particular about is in its sso_kind_*.c.
 */

#include "sso_config.h"
#include "sso_http.h"
#include "sso_jose.h"
#include "sso_jwe.h"
#include "sso_seal.h"
#include "sso_store.h"
#include "sso_text.h"

typedef enum {
    SSO_ENDPOINT_AUTHORIZATION,
    SSO_ENDPOINT_TOKEN,
    SSO_ENDPOINT_JWKS,
    SSO_ENDPOINT_END_SESSION,
    SSO_ENDPOINT_USERINFO,
    SSO_ENDPOINT_EMAILS,
    SSO_ENDPOINT_PAR,
    SSO_ENDPOINT_INTROSPECTION,
    SSO_ENDPOINT_REVOCATION,
    SSO_ENDPOINT_COUNT
} sso_endpoint_e;

/* sso_provider_t graph */
#define SSO_GRAPH_PROFILE 1u
#define SSO_GRAPH_GROUPS  2u
#define SSO_GRAPH_PHOTO   4u
#define SSO_GRAPH_OVERAGE 8u /* the groups, where the id_token has no room for them */

/** Entra's tenant of personal accounts. */
#define SSO_TENANT_CONSUMERS "9188040d-6c67-4c5b-b112-36a304b66dad"

typedef struct sso_kind_t sso_kind_t;
struct sso_client_auth_t;
struct sso_documents_t;
struct sso_idmap_t;
struct sso_signer_t;

typedef struct sso_provider_t {
    const char *name;
    const sso_kind_t *kind;
    const sso_config_t *config;   /* preset < server < section */
    const apr_array_header_t *issuers; /* of const char *: what `iss` may be */
    /* fixed by configuration or type; NULL: from metadata */
    const char *endpoint[SSO_ENDPOINT_COUNT];
    const char *metadata_url;     /* NULL: no discovery */
    const char *tag; /* NAME:DIGEST, another one as soon as it is another provider by that name */
    /* of bearer tokens: what `aud` may be; NULL: the section takes none */
    const apr_array_header_t *audiences;
    unsigned char policy[SSO_DIGEST_BYTES]; /* of all that decides about a bearer token */
    const char *callback_path;
    const char *display_name;
    unsigned algorithms;          /* bits; 0: those that fit the keys */
    const struct sso_client_auth_t *auth; /* how this site proves who it is there */
    const sso_keys_t *keys;       /* from file, inline, HMAC secret; NULL: none */
    sso_bytes_t keys_text;        /* what EdxSSOJWKS says, unless that is a URL */
    const sso_jwe_keys_t *decryption; /* EdxSSODecryptionKey; NULL: none */
    sso_http_policy_t http;
    struct sso_documents_t *documents; /* keys and metadata that come from URLs */
    const apr_array_header_t *scope;   /* of const char *: what is asked for */
    unsigned graph;                    /* what Microsoft Graph is asked for: bits, or 0 */
    const struct sso_idmap_t *idmap;   /* EdxSSOIDMapping; NULL: none */
} sso_provider_t;

/** What the token endpoint answered (RFC 6749 5.1). */
typedef struct sso_tokens_t {
    const char *access_token, *refresh_token, *id_token, *token_type, *scope; /* NULL: not given */
    apr_time_t expires; /* of the access token; 0: not said */
    apr_time_t refresh_at; /* when the provider would have it renewed; 0: not said */
    int direct;         /* came by TLS or loopback */
} sso_tokens_t;

/** What a sign-in asked for, as far as a kind has to know. */
typedef struct sso_wanted_t {
    const char *nonce, *login_hint, *tpa_hint, *prompt; /* NULL: not asked for */
    const char *claims; /* what a claims challenge asked for */
    const char *acr;    /* EdxSSOStepUp: any of these, apart by spaces */
    const char *replay; /* of a form that waits for the end of the sign-in (sso_replay.h) */
    const char *code;   /* what came back, for c_hash */
    const char *profile; /* what else came back: the field `user` */
    /* of a refresh: the id_token is the one of before; the claims of before */
    int again;
    const struct sso_claims_t *before;
    int tries;           /* of a sign-in that a ticket started again: ask everything anew */
} sso_wanted_t;

/** What goes along when a browser signs out at the provider; NULL: it is not there. */
typedef struct sso_leaving_t {
    const char *return_url, *state;
    const char *id_token;   /* of the session */
    const char *login_hint; /* the claim by that name */
} sso_leaving_t;

/** Something a section cannot do without. */
typedef struct sso_need_t {
    int option;       /* SSO_OPTION_..., ends with -1 */
    const char *where; /* what it is and where to get it */
} sso_need_t;

/** A directive that a type presets. */
typedef struct sso_preset_t {
    int option; /* ends with -1 */
    const char *words;
} sso_preset_t;

struct sso_kind_t {
    const char *name;         /* TYPE of the section */
    const char *display_name;
    const sso_preset_t *presets;
    const sso_need_t *needs;
    sso_kid_rule_e kid_rule;
    /* EDXSSO_USER_ID is the first of these that is there; NULL-terminated */
    const char *const *user_id_claims;
    /* Complete a provider whose config is merged: issuers, endpoints. */
    sso_rc_e (*resolve)(sso_ctx_t *ctx, sso_provider_t *provider);
    /* Add what this type wants in an authorization request, before `scope`. */
    void (*authorize)(const sso_provider_t *provider, const sso_wanted_t *wanted, sso_form_t *form);
    /* Add what this type wants in a token request. */
    void (*redeem)(const sso_provider_t *provider, sso_form_t *form);
    /* Find out who signed in: claims that have been checked, borrowed from ctx->pool. */
    sso_rc_e (*identify)(sso_ctx_t *ctx, const sso_provider_t *provider,
                         const sso_wanted_t *wanted, const sso_tokens_t *tokens, json_t **claims);
    /* Where the browser signs out at the provider; NULL: it has no such place. */
    const char *(*logout)(sso_ctx_t *ctx, const sso_provider_t *provider,
                          const sso_leaving_t *leaving);
    /* REMOTE_USER where EdxSSORemoteUser says nothing; NULL: the type presets it. A NULL result:
     * the claims do not say. */
    const char *(*user)(sso_ctx_t *ctx, const json_t *claims);
    /* Whether a token's issuer is right; NULL: it has to be in `issuers`. */
    sso_rc_e (*judge_issuer)(sso_ctx_t *ctx, const sso_provider_t *provider,
                             const sso_jwt_t *jwt);
    /* The same for the issuer in metadata. */
    int (*knows_issuer)(const sso_provider_t *provider, const char *issuer);
    /* What else a bearer token has to be; NULL: nothing. */
    sso_rc_e (*judge_bearer)(sso_ctx_t *ctx, const sso_provider_t *provider,
                             const json_t *claims);
    /* Whether an issuer, named by whoever starts a sign-in, is this provider; NULL: it is in
     * `issuers`, or the metadata's. May have failed in ctx. */
    int (*has_issuer)(sso_ctx_t *ctx, const sso_provider_t *provider, const char *issuer);
};

extern const sso_kind_t sso_kind_edx, sso_kind_entra, sso_kind_oidc, sso_kind_keycloak,
    sso_kind_google, sso_kind_facebook, sso_kind_github, sso_kind_linkedin, sso_kind_apple,
    sso_kind_oauth2;

/** The row of a type's name, or NULL. */
const sso_kind_t *sso_kind_find(const char *name);

/** All types' names, as a list for sso_nearest() and as text, in @a pool. */
const char *const *sso_kind_names(apr_pool_t *pool);
const char *sso_kind_list(apr_pool_t *pool);

/** A section as configured. */
typedef struct sso_section_t {
    const char *name, *type;
    const char *place; /* "line 12 of /etc/...", for messages */
    const sso_config_t *config;
} sso_section_t;

#define SSO_REALM_BYTES 16

/** The module's cookies. */
typedef enum {
    SSO_COOKIE_SESSION,
    SSO_COOKIE_LOGIN,  /* of a sign-in under way */
    SSO_COOKIE_CHOICE, /* the provider chosen last */
    SSO_COOKIE_COUNT
} sso_cookie_e;

/** A virtual host, as resolved. */
typedef struct sso_site_t {
    const char *realm;          /* tells virtual hosts apart in all that is sealed or stored */
    unsigned char realm_tag[SSO_REALM_BYTES]; /* the same, for the keys of sessions */
    const sso_config_t *config; /* the server's record */
    sso_keyring_t *ring;        /* NULL while only checking the configuration */
    apr_array_header_t *providers; /* of sso_provider_t *, in the order of their sections */
    apr_array_header_t *clients; /* of sso_provider_t *: sections with EdxSSOSignIn off; or NULL */
    /* of const struct sso_signer_t *, the one that signs first: EdxSSOExportJWT; NULL: none */
    const apr_array_header_t *signers;
    const apr_array_header_t *own_paths; /* of const char *: callback paths outside EdxSSOPath */
    const char *path;           /* EdxSSOPath without trailing slash */
    unsigned char policy[SSO_DIGEST_BYTES]; /* of all providers: see sso_site_settle() */
    int passes_tokens;          /* some place may hand tokens to the app behind */
    const struct sso_pages_t *pages; /* what people see; NULL: as built in */
    /* the names of our cookies on http and https, one after the other; then NULL */
    const char *cookies[2 * SSO_COOKIE_COUNT + 1];
} sso_site_t;

/** The name of a cookie: with __Host- on https where path and domain allow. */
static inline const char *sso_site_cookie(const sso_site_t *site, int secure, sso_cookie_e which)
{
    return site->cookies[2 * which + !!secure];
}

/** Make these names, as the configuration says. sso_site_seal() does it. */
void sso_site_name_cookies(apr_pool_t *pool, sso_site_t *site);

/** Give a site its keys, derived from secrets and its realm. As sso_keyring_make(). */
sso_rc_e sso_site_seal(sso_ctx_t *ctx, sso_site_t *site, const apr_array_header_t *secrets);

/**
 * Resolve a provider.
 *
 * @param site      its config, for what is not the provider's own (timeouts, paths)
 * @param documents where its documents come from; NULL while only checking
 * @return SSO_MISCONFIG  the message names the section, the directive, and what to do
 */
sso_rc_e sso_provider_make(sso_ctx_t *ctx, const sso_site_t *site, const sso_section_t *section,
                           struct sso_documents_t *documents, sso_provider_t **provider);

/**
 * What decides about bearer tokens, as one digest: all that is configured, keys and secrets too. A
 * verdict that is remembered under one policy means nothing under another. (sso_policy.c)
 */
sso_rc_e sso_provider_settle(sso_ctx_t *ctx, sso_provider_t *provider);

/** The same of a site whose providers are complete. */
sso_rc_e sso_site_settle(sso_ctx_t *ctx, sso_site_t *site);

/** A provider of a site by name, or NULL. */
const sso_provider_t *sso_provider_find(const sso_site_t *site, const char *name);

/** The same among all sections, also those that nobody signs in by. */
const sso_provider_t *sso_section_find(const sso_site_t *site, const char *name);

/**
 * Whether calls to @a url may be http: some directive of the provider names its scheme, host and
 * port.
 */
int sso_provider_plain_ok(const sso_provider_t *provider, const char *url);

/**
 * The URL of an endpoint: configured, of the type, or from metadata. SSO_UPSTREAM: the metadata
 * cannot be had; SSO_ABSENT: has none.
 */
sso_rc_e sso_provider_endpoint(sso_ctx_t *ctx, const sso_provider_t *provider, sso_endpoint_e which,
                               const char **url);

/** The word an administrator uses for an endpoint. */
const char *sso_endpoint_name(sso_endpoint_e which);

#endif
