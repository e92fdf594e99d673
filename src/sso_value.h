/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_VALUE_H
#define SSO_VALUE_H

/*
 * What the files of value kinds share; what they are is in sso_shape.h.
 */

#include "sso_shape.h"

#define SSO_VALUE_TEXT_MAX 4096

/** Whether a text is an absolute http(s) URL. SSO_MISCONFIG: it is not. */
sso_rc_e sso_value_url(sso_ctx_t *ctx, const char *text);

#endif
