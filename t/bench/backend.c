/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that can be behind mod_proxy_http: one thread, kept connections, one answer to
 * whatever is asked. It looks for nothing but the end of a request's header, so that what is
 * measured is the proxy's.
 *
 *     backend     prints where it listens, and ends when it is told to
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 4096
#define EVENTS 64
#define HEADER (64 * 1024)

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                             "Content-Length: 23\r\n\r\nthis is one small file\n";
static unsigned char seen[CLIENTS]; /* how much of "\r\n\r\n" a client has sent so far */

static void client(int fd)
{
    static char bytes[HEADER];
    ssize_t length = read(fd, bytes, sizeof(bytes)), i;

    if (length <= 0) {
        close(fd);
        return;
    }
    for (i = 0; i < length; i++) {
        if (bytes[i] == "\r\n\r\n"[seen[fd]])
            seen[fd]++;
        else
            seen[fd] = bytes[i] == '\r';
        if (seen[fd] < 4)
            continue;
        seen[fd] = 0;
        if (write(fd, answer, sizeof(answer) - 1) < 0)
            break;
    }
}

static void watch(int queue, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);
}

static void arrived(int queue, int listener)
{
    int fd = accept(listener, NULL, NULL), on = 1;

    if (fd < 0)
        return;
    if (fd >= CLIENTS) {
        close(fd);
        return;
    }
    seen[fd] = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(queue, fd);
}

int main(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct sockaddr *any = (struct sockaddr *)&address;
    struct epoll_event events[EVENTS];
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0), queue = epoll_create1(0), i, count;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || queue < 0 || bind(listener, any, length) < 0
        || listen(listener, 512) < 0 || getsockname(listener, any, &length) < 0) {
        perror("backend");
        return 1;
    }
    watch(queue, listener);
    printf("backend ready http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        count = epoll_wait(queue, events, EVENTS, -1);
        for (i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                arrived(queue, listener);
            else
                client(events[i].data.fd);
        }
    }
    return 0;
}
