/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_COOKIE_H
#define SSO_COOKIE_H

/*
 * Cookies (RFC 6265): read from and taken out of a Cookie header in one pass, and written.
 */

#include "sso_base.h"

/**
 * Find a cookie by its exact name.
 *
 * @param header  a Cookie header's value, or NULL
 * @param value   out: in pool
 * @return SSO_ABSENT  it is not there, or empty
 *         SSO_DENIED  there are two with different values (one was tossed in from a sibling
 *                     domain): neither counts
 */
sso_rc_e sso_cookie_find(apr_pool_t *pool, const char *header, const char *name,
                         const char **value);

/**
 * Take cookies out of a Cookie header: those whose name is one of @a names exactly, or that name
 * followed by '_' and digits (chunks).
 *
 * @param names  NULL-terminated
 * @return what is left; NULL if nothing is; @a header itself (no copy, no allocation) if none of
 *         them was there
 */
const char *sso_cookie_strip(apr_pool_t *pool, const char *header, const char *const *names);

typedef struct sso_cookie_t {
    const char *name, *value;    /* what RFC 6265 does not allow in a value gets encoded */
    const char *path, *domain;   /* NULL: not named; without a domain, this host only */
    const char *same_site;       /* "Lax", "Strict", "None"; NULL: not named */
    apr_interval_time_t max_age; /* -1: a session cookie; 0: delete (also sets Expires in 1970) */
    int secure;                  /* HttpOnly is always set */
} sso_cookie_t;

/** The value of a Set-Cookie header. */
const char *sso_cookie_print(apr_pool_t *pool, const sso_cookie_t *cookie);

#endif
