/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_FAULT_H
#define SSO_FAULT_H

/*
 * What a failure means to whoever asked: one table from message numbers to status, error code and
 * plain words.
 */

#include "sso_base.h"

/** Which page: each has a template of its own. */
typedef enum {
    SSO_PAGE_ERROR,      /* error.html: something went wrong */
    SSO_PAGE_SIGN_IN,    /* sign-in.html: a button for each provider */
    SSO_PAGE_SIGNED_OUT, /* signed-out.html */
    SSO_PAGE_INCOMPLETE, /* incomplete.html: signed in at the provider, but claims are missing */
    SSO_PAGE_SIGN_OUT,   /* sign-out.html: asks first */
    SSO_PAGE_REPLAY,     /* replay.html: a form that was posted before sign-in goes on */
    SSO_PAGE_REFUSED,    /* refused.html: who is signed in, and another account */
    SSO_PAGE_COUNT
} sso_page_e;

typedef struct sso_fault_t {
    int status;
    const char *code;  /* for scripts */
    sso_page_e page;
    const char *title; /* for people, as SSO_T() */
    const char *text;
} sso_fault_t;

/** The fault of a failure. Never NULL: what has no row of its own goes by its result. */
const sso_fault_t *sso_fault_find(const sso_err_t *err);

/** Whether a failure is that of a token which was presented: its code is one of RFC 6750 3.1. */
int sso_fault_is_token(const sso_err_t *err);

#endif
