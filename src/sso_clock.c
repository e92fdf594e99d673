/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock that does not jump. Whoever reads it looks after it; nobody waits for anybody.
 */
#include "sso_clock.h"

#include <string.h>

#define MAGIC  0x314b4c43u             /* "CLK1" */
#define JUMP   apr_time_from_sec(2)    /* clocks that differ by less have not been set */
#define FOLLOW apr_time_from_msec(100) /* and by less than this are not even followed */
#define TURN   APR_USEC_PER_SEC        /* how often it is looked after */
#define SLOW   10                      /* of ten seconds one is gained */

void sso_clock_begin(sso_clock_t *clock, const char *boot, apr_time_t wall, apr_time_t since)
{
    unsigned char mark[SSO_CLOCK_BOOT_BYTES] = { 0 };
    apr_size_t length = strlen(boot);

    memcpy(mark, boot, length < sizeof(mark) ? length : sizeof(mark));
    if (clock->magic == MAGIC && !memcmp(clock->boot, mark, sizeof(mark))
        && atomic_load(&clock->moved) <= since)
        return;
    memcpy(clock->boot, mark, sizeof(mark));
    atomic_store(&clock->offset, wall - since);
    atomic_store(&clock->moved, since);
    clock->magic = MAGIC;
}

static apr_int64_t within(apr_int64_t value, apr_int64_t most)
{
    return value > most ? most : value < -most ? -most : value;
}

/* Whether it is for the caller to look after the clock now: one of all, once in a while. */
static int take_turn(sso_clock_t *clock, apr_time_t since, apr_interval_time_t *passed)
{
    apr_int64_t moved = atomic_load_explicit(&clock->moved, memory_order_relaxed);

    *passed = since - moved;
    return *passed >= TURN && atomic_compare_exchange_strong(&clock->moved, &moved, since);
}

apr_time_t sso_clock_read(sso_clock_t *clock, apr_time_t wall, apr_time_t since,
                          apr_interval_time_t *ahead)
{
    apr_int64_t offset = atomic_load_explicit(&clock->offset, memory_order_relaxed);
    apr_interval_time_t gap = wall - (since + offset), passed;
    int jumped = gap >= JUMP || gap <= -JUMP;

    if (take_turn(clock, since, &passed) && (jumped || gap > FOLLOW || gap < -FOLLOW)) {
        apr_int64_t step = jumped ? within(gap, passed / SLOW) : gap;

        atomic_fetch_add(&clock->offset, step);
        offset += step;
        gap -= step;
    }
    *ahead = jumped ? gap : 0;
    return jumped ? since + offset : wall;
}
