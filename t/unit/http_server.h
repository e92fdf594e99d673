/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

/*
 * What the tests of the HTTP client share: http_server.py, and calls that carry a secret.
 */

#include "sso_http.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET "s3cr3t"

enum { PLAIN, GOOD, OTHER, EXPIRED, SELF, CLIENT, OLD, PORTS };

static int ports[PORTS];
static char folder[] = "/tmp/edxsso-http-XXXXXX";
static char ca[64], cert[64], key[64], self[64];

static inline pid_t start_server(int *input)
{
    int to[2], from[2], i;
    FILE *said;
    pid_t pid;

    if (pipe(to) || pipe(from) || (pid = fork()) < 0)
        exit(1);
    if (pid == 0) {
        const char *top = getenv("srcdir");

        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execl("/usr/bin/python3", "python3",
              top ? apr_pstrcat(tap_ctx()->pool, top, "/t/unit/http_server.py", NULL)
                  : "t/unit/http_server.py",
              folder, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    said = fdopen(from[0], "r");
    for (i = 0; i < PORTS; i++)
        if (!said || fscanf(said, "%d", &ports[i]) != 1) {
            printf("Bail out! http_server.py does not start\n");
            exit(1);
        }
    fclose(said);
    *input = to[1];
    return pid;
}

static inline const char *url_of(apr_pool_t *pool, int port, const char *path)
{
    return apr_psprintf(pool, "%s://127.0.0.1:%d%s", port == PLAIN ? "http" : "https", ports[port],
                        path);
}

static const sso_http_policy_t usual = {
    .connect = 2 * APR_USEC_PER_SEC, .total = 10 * APR_USEC_PER_SEC, .ca_file = ca,
};

static const sso_http_policy_t hasty = {
    .connect = APR_USEC_PER_SEC, .total = 400 * 1000, .ca_file = ca,
};

static inline sso_rc_e get(sso_ctx_t *ctx, const char *url, sso_reply_t *reply)
{
    const sso_call_t call = { .what = "test", .url = url, .policy = &usual };

    return sso_http_call(ctx, &call, reply);
}

/* Fails with the number, within three seconds, and without a word that nobody must read. */
static inline void expect_failure(const sso_call_t *call, sso_rc_e rc, int number)
{
    sso_ctx_t *ctx = tap_ctx();
    sso_reply_t reply = { .status = 4711 };
    apr_time_t start = apr_time_now();

    is_int(sso_http_call(ctx, call, &reply), rc, "%s: refused", call->url);
    is_int(ctx->err.number, number, "%s: number", call->url);
    ok(apr_time_now() - start < 3 * APR_USEC_PER_SEC, "%s: in time", call->url);
    ok(!strstr(ctx->err.text, SECRET) && !tap_log_has(SECRET), "%s: no secret told", call->url);
    ok(strstr(ctx->err.text, "campus: token endpoint"), "%s: what it was for", call->url);
    is_int(reply.status, 4711, "%s: reply untouched", call->url);
    printf("# %s\n", ctx->err.text);
}

static inline sso_call_t secret_call(const char *url, const sso_http_policy_t *policy)
{
    const sso_call_t call = {
        .what = "campus: token endpoint", .url = url, .body = "code=" SECRET,
        .body_length = strlen("code=" SECRET), .authorization = "Basic " SECRET, .policy = policy,
    };

    return call;
}

static int server_input;
static pid_t server_pid;

static inline void server_begin(void)
{
    if (!mkdtemp(folder))
        exit(1);
    server_pid = start_server(&server_input);
    apr_snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
    apr_snprintf(cert, sizeof(cert), "%s/client.pem", folder);
    apr_snprintf(key, sizeof(key), "%s/client.key", folder);
    apr_snprintf(self, sizeof(self), "%s/self.pem", folder);
}

static inline void server_end(void)
{
    int status;

    close(server_input);
    waitpid(server_pid, &status, 0);
    if (system(apr_pstrcat(tap_ctx()->pool, "rm -rf ", folder, NULL)))
        printf("# %s is left behind\n", folder);
}

#endif
