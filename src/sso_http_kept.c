/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libcurl handles of a process, and with them its connections to providers, between calls.
 */
#include "sso_http.h"
#include "sso_http_curl.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define IDLE_MAX 16 /* kept connections of a process */

/** A libcurl handle with a connection to one origin, made under one policy. */
typedef struct sso_http_idle_t {
    CURL *curl;
    unsigned char key[SSO_DIGEST_BYTES];
} sso_http_idle_t;

/** Kept handles of this process; used longest ago first. */
typedef struct sso_http_process_t {
    pthread_mutex_t lock; /* held for a few instructions, never during a call */
    pid_t pid;            /* of the process that called sso_http_start() */
    int idle_count;
    sso_http_idle_t idle[IDLE_MAX];
} sso_http_process_t;

/*
 * The exception to "no mutable static": connections outlive every request and every
 * configuration, belong to the process and not to anything that is handed to us, and must not
 * cross a fork. Everything in here is guarded by its lock.
 */
static sso_http_process_t process = { .lock = PTHREAD_MUTEX_INITIALIZER };

CURL *sso_http_take(const unsigned char *key)
{
    CURL *curl = NULL;
    int i;

    pthread_mutex_lock(&process.lock);
    for (i = process.idle_count - 1; i >= 0 && !curl; i--) {
        if (memcmp(process.idle[i].key, key, SSO_DIGEST_BYTES) == 0) {
            curl = process.idle[i].curl;
            process.idle_count--;
            memmove(&process.idle[i], &process.idle[i + 1],
                    (apr_size_t)(process.idle_count - i) * sizeof(process.idle[0]));
        }
    }
    pthread_mutex_unlock(&process.lock);
    return curl ? curl : curl_easy_init();
}

void sso_http_keep(CURL *curl, const unsigned char *key)
{
    CURL *oldest = NULL;

    curl_easy_reset(curl); /* connections stay, pointers into the request's pool go */
    pthread_mutex_lock(&process.lock);
    if (process.idle_count == IDLE_MAX) {
        oldest = process.idle[0].curl;
        process.idle_count--;
        memmove(&process.idle[0], &process.idle[1],
                (apr_size_t)process.idle_count * sizeof(process.idle[0]));
    }
    process.idle[process.idle_count].curl = curl;
    memcpy(process.idle[process.idle_count].key, key, SSO_DIGEST_BYTES);
    process.idle_count++;
    pthread_mutex_unlock(&process.lock);
    if (oldest)
        curl_easy_cleanup(oldest);
}

int sso_http_started(void)
{
    return process.pid == getpid();
}

sso_rc_e sso_http_start(sso_ctx_t *ctx)
{
    if (process.pid == getpid())
        return SSO_OK;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return sso_fail(ctx, SSO_BROKEN, 346, "libcurl does not start");
    process.idle_count = 0; /* a parent's are not ours to close: it may be using them */
    process.pid = getpid();
    return SSO_OK;
}

void sso_http_stop(void)
{
    if (process.pid != getpid())
        return;
    while (process.idle_count > 0)
        curl_easy_cleanup(process.idle[--process.idle_count].curl);
    process.pid = 0;
    curl_global_cleanup();
}
