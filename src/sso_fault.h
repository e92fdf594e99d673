/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_FAULT_H
#define SSO_FAULT_H

/*
 * What a failure means to whoever asked: one table from message numbers to status, error code and
 * plain words.
 */

#include "sso_base.h"

typedef struct sso_fault_t {
    int status;
    const char *code;  /* for scripts */
    const char *title; /* for people */
    const char *text;
} sso_fault_t;

/** The fault of a failure. Never NULL: what has no row of its own goes by its result. */
const sso_fault_t *sso_fault_find(const sso_err_t *err);

#endif
