/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_DOCTOR_H
#define SSO_DOCTOR_H

/*
 * Goes to a provider as the module would, without anybody who wants to sign in, and says what
 * works. No call changes anything there: what is redeemed is a code that nobody was given.
 */

#include "sso_provider.h"

typedef enum { SSO_HEALTH_OK, SSO_HEALTH_NOTE, SSO_HEALTH_WRONG } sso_health_e;

typedef struct sso_finding_t {
    const char *check;  /* "keys" */
    sso_health_e health;
    const char *text;   /* what was found; control characters escaped, never a secret */
    const char *mend;   /* what to do, or NULL */
} sso_finding_t;

/** A visit to one provider. */
typedef struct sso_visit_t {
    const sso_provider_t *provider; /* with documents, since it is the network that is looked at */
    const char *redirect_uri;
    void (*tell)(void *baton, const sso_finding_t *finding);
    void *baton;
} sso_visit_t;

/** Visit a provider. Returns how many findings were SSO_HEALTH_WRONG. */
int sso_doctor_visit(sso_ctx_t *ctx, const sso_visit_t *visit);

/** What to do about a failure, by its number; NULL: docs/messages.md knows. */
const char *sso_doctor_mend(int number);

#endif
