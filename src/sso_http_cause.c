/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl's failures are to us. Two classes matter to the callers, see SSO_HTTP_UNREACHABLE:
 * a provider that cannot be reached may be back soon; one that answers something of no use will
 * not be better in a moment.
 */
#include "sso_http_curl.h"

#include <openssl/x509_vfy.h>
#include <string.h>

/* libcurl has one word for some things that are not the same to us: rows of our own. */
enum { NO_CONNECTION = -1, BROKEN_CHUNK = -2, NO_TUNNEL = -3, UNVERIFIED = -4, OTHER = -5 };

static const sso_http_cause_t causes[] = {
    { CURLE_COULDNT_RESOLVE_HOST, SSO_UPSTREAM, 305, "its name does not resolve" },
    { CURLE_COULDNT_CONNECT, SSO_UPSTREAM, 306, "cannot connect" },
    { NO_CONNECTION, SSO_UPSTREAM, 307, "no connection in time" },
    { CURLE_OPERATION_TIMEDOUT, SSO_UPSTREAM, 308, "no whole answer in time" },
    { CURLE_SSL_CONNECT_ERROR, SSO_UPSTREAM, 309, "the TLS handshake failed" },
    { CURLE_COULDNT_RESOLVE_PROXY, SSO_UPSTREAM, 310,
      "the name of EdxSSOHTTPProxy does not resolve" },
    { NO_TUNNEL, SSO_UPSTREAM, 311, "EdxSSOHTTPProxy refuses to connect" },
    { CURLE_GOT_NOTHING, SSO_UPSTREAM, 312, "closed the connection without an answer" },
    { CURLE_SEND_ERROR, SSO_UPSTREAM, 313, "the connection broke" },
    { UNVERIFIED, SSO_UPSTREAM, 314, "its certificate does not verify" },
    { OTHER, SSO_UPSTREAM, 300, "cannot be reached" },

    { CURLE_UNSUPPORTED_PROTOCOL, SSO_UPSTREAM, 302, "does not answer in HTTP" },
    { CURLE_PARTIAL_FILE, SSO_UPSTREAM, 330, "its answer was cut off" },
    { CURLE_WEIRD_SERVER_REPLY, SSO_UPSTREAM, 331, "answers with broken HTTP headers" },
    { BROKEN_CHUNK, SSO_UPSTREAM, 332, "answers with broken chunks" },
    { CURLE_BAD_CONTENT_ENCODING, SSO_UPSTREAM, 333, "its answer's transfer coding is broken" },
    { CURLE_FILESIZE_EXCEEDED, SSO_UPSTREAM, 334, "declares an answer over 1 MiB" },

    { CURLE_SSL_CACERT_BADFILE, SSO_MISCONFIG, 342, "EdxSSOHTTPCAFile cannot be read" },
    { CURLE_SSL_CERTPROBLEM, SSO_MISCONFIG, 343, "the client certificate or key cannot be used" },
    { CURLE_OUT_OF_MEMORY, SSO_BROKEN, 344, "out of memory" },
};

/* Why a certificate did not verify: OpenSSL's words. */
static const sso_http_cause_t verify_causes[] = {
    { X509_V_ERR_HOSTNAME_MISMATCH, SSO_UPSTREAM, 315, "its certificate is for another host" },
    { X509_V_ERR_CERT_HAS_EXPIRED, SSO_UPSTREAM, 316, "its certificate has expired" },
    { X509_V_ERR_CERT_NOT_YET_VALID, SSO_UPSTREAM, 317, "its certificate is not valid yet" },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, SSO_UPSTREAM, 318,
      "the issuer of its certificate is unknown" },
    { X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, SSO_UPSTREAM, 319,
      "the root of its certificate is unknown" },
    { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, SSO_UPSTREAM, 320,
      "its certificate is self-signed and unknown" },
};

static const sso_http_cause_t *find(const sso_http_cause_t *list, apr_size_t count, long code)
{
    apr_size_t i;

    for (i = 0; i < count; i++)
        if (list[i].code == code)
            return &list[i];
    return NULL;
}

const sso_http_cause_t *sso_http_cause(CURL *curl, CURLcode code, const char *detail, int sent)
{
    const sso_http_cause_t *cause = NULL;
    long key = (long)code, status = 0, verdict = X509_V_OK;

    curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &status);
    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verdict);
    if (verdict == X509_V_OK || verdict == X509_V_ERR_UNSPECIFIED)
        verdict = X509_V_ERR_HOSTNAME_MISMATCH; /* OpenSSL was content: libcurl checks the host */
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        cause = find(verify_causes, SSO_COUNT(verify_causes), verdict);
        key = UNVERIFIED;
    }
    else if (code == CURLE_OPERATION_TIMEDOUT && !sent)
        key = NO_CONNECTION;
    else if (status >= 300) /* of the proxy's answer to CONNECT */
        key = NO_TUNNEL;
    else if (code == CURLE_RECV_ERROR && strstr(detail, "chunk"))
        key = BROKEN_CHUNK;
    else if (code == CURLE_RECV_ERROR) /* which of the two is a matter of moments */
        key = CURLE_SEND_ERROR;
    if (!cause)
        cause = find(causes, SSO_COUNT(causes), key);
    return cause ? cause : find(causes, SSO_COUNT(causes), OTHER);
}

apr_time_t sso_http_certificate_end(CURL *curl)
{
    static const char name[] = "Expire date:";
    struct curl_certinfo *chain = NULL;
    struct curl_slist *line;
    time_t end;

    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain
        || chain->num_of_certs < 1)
        return 0;
    for (line = chain->certinfo[0]; line; line = line->next)
        if (!strncmp(line->data, name, sizeof(name) - 1)) {
            end = curl_getdate(line->data + sizeof(name) - 1, NULL);
            return end > 0 ? apr_time_from_sec(end) : 0;
        }
    return 0;
}
