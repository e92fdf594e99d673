/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BEARER_WORLD_H
#define BEARER_WORLD_H

/* For tests of bearer tokens: asking as a program does. */

#include "browser.h"

#define ACTIVE "{\"active\":true,\"username\":\"zoe\",\"scope\":\"email grades:read\"}"

static inline const sso_config_t *api_place(const char *credentials, const char *use)
{
    sso_config_t *record = world_record();

    world_set(record, "EdxSSOCredentials", credentials, NULL);
    if (use)
        world_set(record, "EdxSSOUse", use, NULL);
    return sso_record_merge(world_pool, world_site->config, record);
}

static const char *peer = "192.0.2.1"; /* whose requests they are */

/* Present a token; the status, 0: let in. */
static inline int present(int later, const sso_config_t *place, const char *token)
{
    browser_t program = { .place = place, .peer = peer };

    program.headers[0] = "Authorization";
    program.headers[1] = apr_pstrcat(world_pool, "Bearer ", token, NULL);
    return browse_at(later, &program, "GET", "/api");
}

static inline const char *user(void)
{
    return seen.answer.session ? seen.answer.session->remote_user : NULL;
}

/* The world, with an LMS that takes bearer tokens. */
static inline void bearer_start(void)
{
    sso_provider_t *lms;

    world_start();
    lms = APR_ARRAY_IDX(world_site->providers, 0, sso_provider_t *);
    lms->audiences = sso_words(world_pool, "openedx");
}

#endif
