/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_RESOURCE_H
#define SSO_RESOURCE_H

/*
 * Protected resource metadata (RFC 9728): what a client that got 401 needs to know to get a token.
 *
 * The resource is the path of the place that has EdxSSOProtectedResource on; its document is at
 * SSO_WELL_KNOWN followed by that path.
 */

#include "sso_answer.h"

#define SSO_WELL_KNOWN "/.well-known/oauth-protected-resource"

/** The URL of the document of the request's resource, or NULL: it publishes none. */
const char *sso_resource_url(sso_ctx_t *ctx, const sso_request_t *request);

/**
 * Answer with the document. request->path is the path of the resource, request->place what is in
 * effect there. As sso_answer_own().
 */
void sso_answer_resource(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer);

#endif
