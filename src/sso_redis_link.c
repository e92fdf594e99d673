/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to Redis: TCP, Unix socket or TLS, each step within a deadline. Which connection
 * is used when, and what an answer means, is elsewhere.
 */
#include "sso_redis.h"

#ifdef HAVE_HIREDIS

#include "sso_store.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES  16384
#define REPLY_BYTES (2 * SSO_STORE_VALUE_MAX + 4096) /* the largest answer that can be right */

typedef enum { IO_DONE, IO_LATE, IO_BROKEN } io_e;

void sso_redis_add(sso_redis_command_t *command, const void *word, size_t length)
{
    command->word[command->count] = word;
    command->length[command->count++] = length;
}

void sso_redis_add_text(sso_redis_command_t *command, const char *word)
{
    sso_redis_add(command, word, strlen(word));
}

apr_time_t sso_redis_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_make(now.tv_sec, now.tv_nsec / 1000);
}

/* ---- input and output ---- */

static io_e wait_until(int fd, int events, apr_time_t deadline)
{
    struct pollfd poller = { .fd = fd, .events = (short)events };
    apr_time_t left;
    int n;

    do {
        left = deadline - sso_redis_clock();
        if (left <= 0)
            return IO_LATE;
        n = poll(&poller, 1, (int)(left / 1000 + 1));
    } while (n == 0 || (n < 0 && errno == EINTR));
    return n > 0 ? IO_DONE : IO_BROKEN;
}

/* What a TLS call that did not succeed waits for: poll events, 0: it is over. */
static int tls_wants(SSL *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return POLLIN;
    case SSL_ERROR_WANT_WRITE:
        return POLLOUT;
    default:
        return 0;
    }
}

/* One attempt to move bytes: how many, or 0 and the events to wait for; -1 when it is over. */
static ssize_t move(sso_redis_link_t *link, int writing, void *bytes, size_t length, int *events)
{
    ssize_t n;

    if (link->ssl) {
        size_t moved = 0;
        int result;

        ERR_clear_error();
        result = writing ? SSL_write_ex(link->ssl, bytes, length, &moved)
                         : SSL_read_ex(link->ssl, bytes, length, &moved);
        *events = result > 0 ? 0 : tls_wants(link->ssl, result);
        return moved > 0 ? (ssize_t)moved : *events ? 0 : -1;
    }
    *events = writing ? POLLOUT : POLLIN;
    n = writing ? send(link->fd, bytes, length, MSG_NOSIGNAL) : recv(link->fd, bytes, length, 0);
    if (n > 0)
        return n;
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

static io_e write_all(sso_redis_link_t *link, char *bytes, size_t length, apr_time_t deadline)
{
    while (length > 0) {
        int events;
        ssize_t n = move(link, 1, bytes, length, &events);
        io_e io = n < 0 ? IO_BROKEN : n == 0 ? wait_until(link->fd, events, deadline) : IO_DONE;

        if (io != IO_DONE)
            return io;
        bytes += n;
        length -= (size_t)n;
    }
    return IO_DONE;
}

static io_e read_some(sso_redis_link_t *link, char *bytes, size_t size, apr_time_t deadline,
                      size_t *got)
{
    for (;;) {
        int events;
        ssize_t n = move(link, 0, bytes, size, &events);
        io_e io;

        if (n > 0) {
            *got = (size_t)n;
            return sso_redis_clock() < deadline ? IO_DONE : IO_LATE;
        }
        io = n < 0 ? IO_BROKEN : wait_until(link->fd, events, deadline);
        if (io != IO_DONE)
            return io;
    }
}

/* ---- connecting ---- */

/* Errno of the attempt; 0: connected, and fd is set. */
static int connect_one(const sso_redis_address_t *address, apr_time_t deadline, int *fd)
{
    int family = address->name.ss_family, one = 1, why = 0;
    socklen_t length = sizeof(why);
    int s = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (s < 0)
        return errno;
    if (family != AF_UNIX)
        setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(s, (const struct sockaddr *)&address->name, address->length) != 0) {
        why = errno;
        if (why == EINPROGRESS || why == EINTR) {
            if (wait_until(s, POLLOUT, deadline) != IO_DONE)
                why = ETIMEDOUT;
            else if (getsockopt(s, SOL_SOCKET, SO_ERROR, &why, &length) != 0)
                why = errno;
        }
    }
    if (why)
        close(s);
    else
        *fd = s;
    return why;
}

/* To the first that answers. One that is silent leaves those behind it their part of the time. */
static int connect_any(const sso_redis_address_t *address, apr_time_t deadline, int *fd)
{
    int why = ECONNREFUSED, count = 0, i;

    while (count < SSO_REDIS_ADDRESSES_MAX && address[count].length)
        count++;
    for (i = 0; i < count && why; i++) {
        apr_time_t now = sso_redis_clock();

        why = connect_one(&address[i], now + (deadline - now) / (count - i), fd);
    }
    return why;
}

static sso_rc_e shake_hands(sso_ctx_t *ctx, const sso_redis_target_t *target, SSL_CTX *tls,
                            apr_time_t deadline, sso_redis_link_t *link)
{
    io_e io = IO_DONE;
    int result = 0, events;
    long verdict;

    link->ssl = SSL_new(tls);
    if (!link->ssl || SSL_set_fd(link->ssl, link->fd) != 1)
        return sso_fail(ctx, SSO_BROKEN, 258, "Redis %s: OpenSSL refused to work", target->name);
    /* An address is checked as one, and is no server name (RFC 6066 3). */
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(link->ssl), target->host) != 1) {
        SSL_set_tlsext_host_name(link->ssl, target->host);
        SSL_set1_host(link->ssl, target->host);
    }
    ERR_clear_error();
    while (io == IO_DONE && (result = SSL_connect(link->ssl)) != 1) {
        events = tls_wants(link->ssl, result);
        io = events ? wait_until(link->fd, events, deadline) : IO_BROKEN;
    }
    if (result == 1)
        return SSO_OK;
    verdict = SSL_get_verify_result(link->ssl);
    return sso_fail(ctx, SSO_UPSTREAM, 263, "Redis %s: TLS handshake failed: %s", target->name,
                    io == IO_LATE          ? "not done in time"
                    : verdict == X509_V_OK ? "the other side broke it off"
                                           : X509_verify_cert_error_string(verdict));
}

sso_rc_e sso_redis_link_open(sso_ctx_t *ctx, const sso_redis_target_t *target, SSL_CTX *tls,
                             const sso_redis_address_t *address, apr_time_t deadline,
                             sso_redis_link_t *link)
{
    char word[80];
    sso_rc_e rc = SSO_OK;
    int why;

    memset(link, 0, sizeof(*link));
    link->fd = -1;
    why = connect_any(address, deadline, &link->fd);
    if (why == ETIMEDOUT)
        return sso_fail(ctx, SSO_UPSTREAM, 262, "Redis %s: no connection in time", target->name);
    if (why)
        return sso_fail(ctx, SSO_UPSTREAM, 261, "Redis %s: cannot connect: %s", target->name,
                        apr_strerror(why, word, sizeof(word)));
    link->reader = redisReaderCreate();
    if (!link->reader)
        rc = sso_fail(ctx, SSO_BROKEN, 259, "Redis %s: hiredis refused to work", target->name);
    if (rc == SSO_OK && target->tls)
        rc = shake_hands(ctx, target, tls, deadline, link);
    if (rc != SSO_OK)
        sso_redis_link_close(link);
    return rc;
}

/* No farewell of TLS: after a fork the connection may be somebody else's. */
void sso_redis_link_close(sso_redis_link_t *link)
{
    SSL_free(link->ssl);
    if (link->reader)
        redisReaderFree(link->reader);
    if (link->fd >= 0)
        close(link->fd);
    memset(link, 0, sizeof(*link));
    link->fd = -1;
}

int sso_redis_link_idle(const sso_redis_link_t *link)
{
    struct pollfd poller = { .fd = link->fd, .events = POLLIN };
    char byte;
    int result;

    if (poll(&poller, 1, 0) == 0)
        return 1;
    /* What TLS has to say between requests (session tickets) is none of our business. */
    if (!link->ssl)
        return 0;
    ERR_clear_error();
    result = SSL_peek(link->ssl, &byte, 1);
    return result <= 0 && SSL_get_error(link->ssl, result) == SSL_ERROR_WANT_READ;
}

/* ---- commands ---- */

static sso_rc_e fail_of(sso_ctx_t *ctx, const sso_redis_target_t *target, io_e io)
{
    if (io == IO_LATE)
        return sso_fail(ctx, SSO_UPSTREAM, 264, "Redis %s: no whole answer in time", target->name);
    return sso_fail(ctx, SSO_UPSTREAM, 265, "Redis %s: the connection broke", target->name);
}

static sso_rc_e read_reply(sso_ctx_t *ctx, const sso_redis_target_t *target,
                           sso_redis_link_t *link, apr_time_t deadline, redisReply **reply)
{
    char bytes[READ_BYTES];
    size_t total = 0, got = 0;
    void *found = NULL;
    io_e io;

    while (!found) {
        io = read_some(link, bytes, sizeof(bytes), deadline, &got);
        if (io != IO_DONE)
            return fail_of(ctx, target, io);
        /* No command of ours is answered by an array, and those can ask for much memory. */
        if ((total == 0 && !strchr("+-:$", bytes[0])) || (total += got) > REPLY_BYTES
            || redisReaderFeed(link->reader, bytes, got) != REDIS_OK
            || redisReaderGetReply(link->reader, &found) != REDIS_OK)
            break;
    }
    if (found && link->reader->pos == link->reader->len) {
        *reply = found;
        return SSO_OK;
    }
    if (found) /* and more behind it: nobody asked for that */
        freeReplyObject(found);
    return sso_fail(ctx, SSO_UPSTREAM, 266, "Redis %s: answers what Redis does not answer",
                    target->name);
}

sso_rc_e sso_redis_exchange(sso_ctx_t *ctx, const sso_redis_target_t *target,
                            sso_redis_link_t *link, const sso_redis_command_t *command,
                            apr_time_t deadline, redisReply **reply)
{
    const char *words[SSO_REDIS_WORDS_MAX];
    char *text = NULL;
    long long length; /* int in old versions of hiredis */
    io_e io;

    memcpy(words, command->word, sizeof(words)); /* hiredis wants them not const */
    length = redisFormatCommandArgv(&text, command->count, words, command->length);
    if (length <= 0 || !text)
        return sso_fail(ctx, SSO_BROKEN, 299, "Redis %s: hiredis refused to work",
                        target->name);
    io = write_all(link, text, (size_t)length, deadline);
    OPENSSL_cleanse(text, (size_t)length); /* may have been AUTH */
    redisFreeCommand(text);
    return io == IO_DONE ? read_reply(ctx, target, link, deadline, reply)
                         : fail_of(ctx, target, io);
}

#endif
