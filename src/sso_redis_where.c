/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses Redis has, known to all processes. DNS has no deadline, so a request does not ask
 * it: the addresses that were found at the start stay until something in the background has looked
 * again, which it does when they are in doubt. Where there is no such thing, requests have to ask.
 */
#include "sso_redis.h"

#ifdef HAVE_HIREDIS

#include <apr_strings.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

/* Shared by all processes. */
typedef struct known_t {
    pthread_mutex_t lock; /* of all below; never held while waiting */
    int found;            /* addresses */
    int doubt;            /* they did not do: to be looked up again */
    int tended;           /* something does that in the background */
    sso_redis_address_t address[SSO_REDIS_ADDRESSES_MAX];
} known_t;

struct sso_redis_where_t {
    const sso_redis_target_t *target;
    known_t *known;
};

static int resolve(const sso_redis_target_t *target, sso_redis_address_t *addresses)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found, *one;
    struct sockaddr_un *un;
    char port[8];
    int n = 0;

    memset(addresses, 0, SSO_REDIS_ADDRESSES_MAX * sizeof(*addresses));
    if (!target->host) {
        un = (struct sockaddr_un *)&addresses[0].name;
        un->sun_family = AF_UNIX;
        apr_cpystrn(un->sun_path, target->path, sizeof(un->sun_path));
        addresses[0].length = sizeof(*un);
        return 1;
    }
    apr_snprintf(port, sizeof(port), "%d", target->port);
    if (getaddrinfo(target->host, port, &hints, &found) != 0)
        return 0;
    for (one = found; one && n < SSO_REDIS_ADDRESSES_MAX; one = one->ai_next) {
        if (one->ai_addrlen > sizeof(addresses[n].name))
            continue;
        memcpy(&addresses[n].name, one->ai_addr, one->ai_addrlen);
        addresses[n++].length = one->ai_addrlen;
    }
    freeaddrinfo(found);
    return n;
}

static void enter(known_t *known)
{
    if (pthread_mutex_lock(&known->lock) == EOWNERDEAD) { /* perhaps while it wrote addresses */
        known->found = 0;
        pthread_mutex_consistent(&known->lock);
    }
}

/* Look up, and tell all if that brought something. */
static int look_up(sso_redis_where_t *where, sso_redis_address_t *addresses)
{
    known_t *known = where->known;
    int found = resolve(where->target, addresses);

    if (found) {
        enter(known);
        memcpy(known->address, addresses, sizeof(known->address));
        known->found = found;
        known->doubt = 0;
        pthread_mutex_unlock(&known->lock);
    }
    return found;
}

sso_rc_e sso_redis_where(sso_ctx_t *ctx, sso_redis_where_t *where, sso_redis_address_t *addresses)
{
    known_t *known = where->known;
    sso_redis_address_t now[SSO_REDIS_ADDRESSES_MAX];
    int found, ask;

    enter(known);
    memcpy(addresses, known->address, sizeof(known->address));
    found = known->found;
    ask = !known->tended && (known->doubt || !found);
    pthread_mutex_unlock(&known->lock);
    if (ask && look_up(where, now)) {
        memcpy(addresses, now, sizeof(now));
        return SSO_OK;
    }
    if (!found) /* else old ones are better than none */
        return sso_fail(ctx, SSO_UPSTREAM, 260, "Redis %s: its name does not resolve",
                        where->target->name);
    return SSO_OK;
}

void sso_redis_where_doubt(sso_redis_where_t *where)
{
    enter(where->known);
    where->known->doubt = 1;
    pthread_mutex_unlock(&where->known->lock);
}

void sso_redis_where_tend(sso_redis_where_t *where, int now)
{
    sso_redis_address_t addresses[SSO_REDIS_ADDRESSES_MAX];
    known_t *known = where->known;
    int ask;

    enter(known);
    known->tended = 1;
    ask = now && (known->doubt || !known->found);
    pthread_mutex_unlock(&known->lock);
    if (ask)
        look_up(where, addresses);
}

static apr_status_t forget(void *known)
{
    munmap(known, sizeof(known_t));
    return APR_SUCCESS;
}

/* Memory of all processes, with its lock made. 0, or an errno value. */
static int share(apr_pool_t *pool, known_t **known)
{
    pthread_mutexattr_t kind;
    known_t *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                         -1, 0);
    int rc;

    if (made == MAP_FAILED)
        return errno;
    apr_pool_cleanup_register(pool, made, forget, apr_pool_cleanup_null);
    rc = pthread_mutexattr_init(&kind);
    if (rc)
        return rc;
    rc = pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    if (!rc)
        rc = pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    if (!rc)
        rc = pthread_mutex_init(&made->lock, &kind);
    pthread_mutexattr_destroy(&kind);
    *known = made;
    return rc;
}

sso_rc_e sso_redis_where_make(sso_ctx_t *ctx, apr_pool_t *pool, const sso_redis_target_t *target,
                              sso_redis_where_t **where)
{
    sso_redis_address_t addresses[SSO_REDIS_ADDRESSES_MAX];
    sso_redis_where_t *made = apr_pcalloc(pool, sizeof(*made));
    char word[80];
    int rc = share(pool, &made->known);

    if (rc)
        return sso_fail(ctx, SSO_BROKEN, 1420, "EdxSSOStore: no memory for all processes: %s",
                        apr_strerror(rc, word, sizeof(word)));
    made->target = target;
    look_up(made, addresses); /* what comes of it is known to the children */
    *where = made;
    return SSO_OK;
}

#endif
