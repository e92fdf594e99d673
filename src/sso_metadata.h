/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_METADATA_H
#define SSO_METADATA_H

/*
 * Documents that providers publish: metadata (RFC 8414, OpenID Connect Discovery) and keys
 * (RFC 7517). Fetched once for all processes and hosts, kept in the store for as long as their TTL
 * says, parsed once per process and version, and served past their TTL while the provider is down.
 *
 * What is at hand costs no access to the store. What is not is looked for in the store, and fetched
 * only by the one who gets the lock entry there; others go on with the old copy, or wait. For at
 * most 5 s after a failure those who have no copy are told of it without another call. Without a
 * store, or when it fails, all this holds within one process.
 */

#include "sso_provider.h"

typedef struct sso_documents_t sso_documents_t;

/** Provider metadata: the members this module has a use for. */
typedef struct sso_metadata_t {
    sso_record_t head;
    const char *issuer;
    const char *endpoint[SSO_ENDPOINT_COUNT]; /* NULL: it has none */
    /* where clients with a certificate call instead (RFC 8705 5); NULL: at the same place */
    const char *alias[SSO_ENDPOINT_COUNT];
    const char *msgraph_host; /* Entra: of its cloud's Microsoft Graph */
    int iss_in_response; /* RFC 9207: an authorization response without `iss` is not from it */
    int must_push;       /* RFC 9126: takes pushed authorization requests only */
} sso_metadata_t;

/** Counters of one process. */
typedef struct sso_documents_stats_t {
    apr_uint64_t fetches, failures; /* calls made, and those of them that brought nothing usable */
    apr_uint64_t taken; /* documents that somebody else had fetched into the store */
    apr_uint64_t stale; /* times one was handed out past its TTL */
    apr_uint64_t waits; /* requests that waited for somebody else's fetch */
} sso_documents_stats_t;

/**
 * Of the number of a failure: "try again later" (503), as opposed to a provider that answers
 * something unusable (502). Numbers of sso_http.h pass through: see SSO_HTTP_UNREACHABLE there.
 */
#define SSO_DOCUMENTS_LATER(number) ((number) >= 350 && (number) <= 352)

/**
 * The cache of one process.
 *
 * @param pool  where it lives; documents that requests still hold outlive it
 * @param ring  seals what goes to the store. One for all virtual hosts: documents are shared
 *              between them, and a ring of another realm cannot read what this one stored
 * @return SSO_BROKEN  362..364: no memory, or no mutex
 */
sso_rc_e sso_documents_make(sso_ctx_t *ctx, apr_pool_t *pool, const sso_keyring_t *ring,
                            sso_documents_t **documents);

/**
 * Once in each child after the fork, before it has threads: a mutex belongs to one process.
 * @return SSO_BROKEN  363, 364: no mutex
 */
sso_rc_e sso_documents_start(sso_ctx_t *ctx, sso_documents_t *documents);

/**
 * A provider's keys from its JWKS URL.
 *
 * @param newer  0; or 1 after a token named a key that is not there: hands out keys that are newer
 *               than those that ctx->pool was given before, if anybody has got such; else fetches
 *               anew, at most once per EdxSSOJWKSMinRefresh for all processes, else SSO_ABSENT.
 *               (With nothing given before it is the same as 0.)
 * @param keys   out: valid until ctx->pool goes; untouched unless SSO_OK
 *
 * @return SSO_UPSTREAM  cannot be had, and nothing cached may serve: the number is the one of
 *                       sso_http.h, or one of 350..379; err.detail is the provider's Retry-After in
 *                       seconds, or NULL
 *         SSO_MISCONFIG SSO_BROKEN  as the call to the provider said
 *         SSO_ABSENT    the provider has no JWKS URL, or nothing newer may be fetched yet
 */
sso_rc_e sso_documents_keys(sso_ctx_t *ctx, const sso_provider_t *provider, int newer,
                            const sso_keys_t **keys);

/** A provider's metadata. As sso_documents_keys(); the issuer and the URLs have been checked. */
sso_rc_e sso_documents_metadata(sso_ctx_t *ctx, const sso_provider_t *provider,
                                const sso_metadata_t **metadata);

/**
 * Which keys of a provider's URL this process goes by. Costs no access to store or network.
 *
 * @param generation  out: another number for every other set, 0 for none
 * @return 0 if it would have to look for newer ones first (nothing set); else 1
 */
int sso_documents_generation(const sso_ctx_t *ctx, const sso_provider_t *provider,
                             apr_uint32_t *generation);

/**
 * Fetch a provider's documents ahead of their expiry, or for the first time. For a background job;
 * any number of processes may run it, one of them does the work. Failures have been logged (once
 * per change) and lead to a later @a next; they are returned for whom they interest.
 *
 * @param next  out, always set: when there may be something to do again; 0: never
 */
sso_rc_e sso_documents_refresh(sso_ctx_t *ctx, const sso_provider_t *provider, apr_time_t *next);

/** The counters so far. */
void sso_documents_stats(sso_documents_t *documents, sso_documents_stats_t *stats);

#endif
