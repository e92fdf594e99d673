/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_SEAL_MEMO_H
#define SSO_SEAL_MEMO_H

/*
 * Boxes that were opened a moment ago, for sso_seal.c only. A page is many requests with the same
 * session: what opened for the first opens in the same way for the next. Only the very same bytes
 * in the very same place count as the same box, so remembering accepts nothing that opening would
 * not. Bounded, of this process, cleansed with its pool; a thread that finds a slot in use goes on
 * without.
 */

#include "sso_seal.h"

#define SSO_MEMO_SLOTS 64
#define SSO_MEMO_BYTES 4096 /* of a text; longer ones are not remembered */

typedef struct sso_memo_t sso_memo_t;

/** Memory for the texts is not touched before it is used. NULL: there are no locks to be had. */
sso_memo_t *sso_memo_make(apr_pool_t *pool);

/** Copy out the text of a box: box.length - SSO_BOX_OVERHEAD bytes. 0: it is not known. */
int sso_memo_get(sso_memo_t *memo, sso_bytes_t context, sso_bytes_t box, void *text);

/** Remember a box and its text instead of what has been in their place. */
void sso_memo_put(sso_memo_t *memo, sso_bytes_t context, sso_bytes_t box, const void *text);

#endif
