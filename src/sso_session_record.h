/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_SESSION_RECORD_H
#define SSO_SESSION_RECORD_H

/*
 * Sessions as bytes: the value of a store's entry.
 *
 * magic[4] | length of the first box[4] | box of the record | box of the tokens. Both boxes are
 * bound to the entry's key; the second one may be missing.
 */

#include "sso_session.h"

/**
 * Seal a session into a value in ctx->pool. Its kept tokens become the second box; if it has none,
 * its box is taken over as it is. SSO_BROKEN is the only failure.
 */
sso_rc_e sso_record_seal(sso_ctx_t *ctx, const sso_keyring_t *ring, const sso_store_key_t *key,
                         const sso_session_t *session, sso_bytes_t *value);

/**
 * Open a value.
 *
 * @param session  out: points into the opened record, and, for the tokens' box, into the value
 * @return SSO_ABSENT  it cannot be opened: of a retired secret, of another layout, damaged. Said to
 *                     the log, not noted as a failure
 */
sso_rc_e sso_record_open(sso_ctx_t *ctx, const sso_keyring_t *ring, const sso_store_key_t *key,
                         sso_bytes_t value, sso_session_t **session);

#endif
