/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_HTTP_CURL_H
#define SSO_HTTP_CURL_H

/*
 * What the files of the HTTP client share. Not for others: they see sso_http.h and no libcurl.
 */

#include "sso_base.h"
#include "sso_seal.h"

#include <curl/curl.h>

/** Whether sso_http_start() was called in this very process. */
int sso_http_started(void);

/** A kept handle for this key, the one used last first; else a new one. NULL: libcurl has none. */
CURL *sso_http_take(const unsigned char *key);

/** Keep a handle after a good call; in a full table it replaces the one unused for longest. */
void sso_http_keep(CURL *curl, const unsigned char *key);

/** What a failure of libcurl is to us. */
typedef struct sso_http_cause_t {
    long code; /* a CURLcode, or an X509_V_ERR_* */
    sso_rc_e rc;
    int number;
    const char *text;
} sso_http_cause_t;

/**
 * The cause of a failed call, never NULL.
 *
 * @param detail  libcurl's CURLOPT_ERRORBUFFER
 * @param sent    whether the request was about to be sent at least once
 */
const sso_http_cause_t *sso_http_cause(CURL *curl, CURLcode code, const char *detail, int sent);

/**
 * The `traceparent` of a call made on behalf of a request that came with @a inbound: the same
 * trace, a new span. NULL: there was none, or it is not one (then the call belongs to no trace).
 */
const char *sso_http_trace(apr_pool_t *pool, const char *inbound);

/** When the server's certificate ends, of a call with `inspect`; 0: not known. */
apr_time_t sso_http_certificate_end(CURL *curl);

#endif
