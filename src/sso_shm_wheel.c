/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which entries of a shard have expired: a wheel of lists, 64 a level, by the second in which to
 * look at an entry again. Level 0 has a list for each second, level 1 for each 64 s and so on; an
 * entry is on the level of the highest digit (base 64) in which its second differs from the
 * wheel's. Each entry moves down at most once a level, so all of it is O(1) amortised.
 *
 * An expiry that was put off is not moved: the entry is met at its old time and put back. The same
 * goes for entries met too early because a clock ran ahead.
 */
#include "sso_shm.h"

#define LOOK_AGAIN 60u    /* s: when an entry's time has come by the wheel but not by the clock */
#define STEP_BACK  3600u  /* s: a clock this far behind the wheel is believed */

static apr_uint64_t second_of(apr_time_t time)
{
    apr_uint64_t second;

    if (time <= 0)
        return 0;
    second = (apr_uint64_t)(time / APR_USEC_PER_SEC);
    return second < SSO_SHM_TIME_MAX ? second : SSO_SHM_TIME_MAX;
}

/* The first second that begins when the entry has expired already. */
static apr_uint64_t look_at(const sso_shm_head_t *head)
{
    apr_uint64_t second = second_of(head->expires);

    if (head->expires > 0 && head->expires % APR_USEC_PER_SEC && second < SSO_SHM_TIME_MAX)
        second++;
    return second;
}

static void insert(sso_shm_view_t *v, apr_uint32_t at, unsigned slot)
{
    sso_shm_shard_t *shard = v->shard;
    sso_shm_head_t *head = sso_shm_head(v, at);

    head->slot = slot;
    head->slot_before = 0;
    head->slot_after = shard->slots[slot];
    if (head->slot_after)
        sso_shm_head(v, head->slot_after)->slot_before = at;
    shard->slots[slot] = at;
    if (slot < SSO_SHM_DUE)
        shard->occupied[slot / 64] |= (apr_uint64_t)1 << (slot % 64);
}

static void insert_at(sso_shm_view_t *v, apr_uint32_t at, apr_uint64_t second)
{
    apr_uint64_t base = v->shard->base;
    unsigned level;

    if (second <= base) {
        insert(v, at, SSO_SHM_DUE);
        return;
    }
    level = (63u - (unsigned)__builtin_clzll(second ^ base)) / 6;
    if (level >= SSO_SHM_LEVELS) { /* base is not what it can be */
        v->torn = 1;
        return;
    }
    insert(v, at, level * 64 + (unsigned)((second >> (6 * level)) & 63));
}

void sso_shm_wheel_clear(sso_shm_view_t *v)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(v->shard->occupied); i++)
        v->shard->occupied[i] = 0;
    for (i = 0; i < SSO_COUNT(v->shard->slots); i++)
        v->shard->slots[i] = 0;
    v->shard->base = second_of(v->now);
}

void sso_shm_wheel_add(sso_shm_view_t *v, apr_uint32_t at)
{
    insert_at(v, at, look_at(sso_shm_head(v, at)));
}

void sso_shm_wheel_remove(sso_shm_view_t *v, apr_uint32_t at)
{
    sso_shm_shard_t *shard = v->shard;
    sso_shm_head_t *head = sso_shm_head(v, at);

    if (head->slot > SSO_SHM_DUE || (!head->slot_before && shard->slots[head->slot] != at)) {
        v->torn = 1;
        return;
    }
    if (head->slot_after)
        sso_shm_head(v, head->slot_after)->slot_before = head->slot_before;
    if (head->slot_before)
        sso_shm_head(v, head->slot_before)->slot_after = head->slot_after;
    else {
        shard->slots[head->slot] = head->slot_after;
        if (!head->slot_after && head->slot < SSO_SHM_DUE)
            shard->occupied[head->slot / 64] &= ~((apr_uint64_t)1 << (head->slot % 64));
    }
}

/* The list whose time comes first, and that time; 0 if all are empty. */
static int next_slot(const sso_shm_shard_t *shard, unsigned *slot, apr_uint64_t *start)
{
    unsigned level, digit;

    for (level = 0; level < SSO_SHM_LEVELS; level++) {
        apr_uint64_t above = shard->base >> (6 * level);
        apr_uint64_t later = shard->occupied[level] & ~(((apr_uint64_t)2 << (above & 63)) - 1);

        if (!later)
            continue;
        digit = (unsigned)__builtin_ctzll(later);
        *slot = level * 64 + digit;
        *start = ((above & ~(apr_uint64_t)63) | digit) << (6 * level);
        return 1;
    }
    return 0;
}

/* Empty a list, putting each entry where it belongs as the wheel stands now. */
static void spread(sso_shm_view_t *v, unsigned slot)
{
    apr_uint32_t at = v->shard->slots[slot], after, steps = 0;

    v->shard->slots[slot] = 0;
    v->shard->occupied[slot / 64] &= ~((apr_uint64_t)1 << (slot % 64));
    for (; at && !v->torn; at = after) {
        after = sso_shm_head(v, at)->slot_after;
        if (++steps > v->shard->entries)
            v->torn = 1;
        else
            sso_shm_wheel_add(v, at);
    }
}

/* All entries into an empty wheel that stands at v->now. */
static void start_over(sso_shm_view_t *v)
{
    apr_uint32_t at, steps = 0;
    int class;

    sso_shm_wheel_clear(v);
    for (class = SSO_STORE_PLAIN; class <= SSO_STORE_PINNED; class++)
        for (at = v->shard->newest[class]; at && !v->torn; at = sso_shm_head(v, at)->older) {
            if (++steps > v->shard->entries)
                v->torn = 1;
            else
                sso_shm_wheel_add(v, at);
        }
}

void sso_shm_wheel_turn(sso_shm_view_t *v)
{
    sso_shm_shard_t *shard = v->shard;
    apr_uint64_t now = second_of(v->now), start;
    unsigned slot;

    if (now + STEP_BACK < shard->base) {
        start_over(v);
        return;
    }
    while (shard->base < now && !v->torn) {
        if (!next_slot(shard, &slot, &start) || start > now) {
            shard->base = now;
            return;
        }
        shard->base = start; /* digits above are as before: no other entry is misplaced */
        spread(v, slot);
    }
}

apr_uint32_t sso_shm_wheel_due(sso_shm_view_t *v)
{
    apr_uint32_t at;

    while ((at = v->shard->slots[SSO_SHM_DUE]) != 0) {
        sso_shm_head_t *head = sso_shm_head(v, at);
        apr_uint64_t second = look_at(head), again = v->shard->base + LOOK_AGAIN;

        if (v->torn)
            return 0;
        if (head->expires <= v->now)
            return at;
        sso_shm_wheel_remove(v, at);
        if (second <= v->shard->base)
            second = again < SSO_SHM_TIME_MAX ? again : SSO_SHM_TIME_MAX;
        insert_at(v, at, second);
        if (v->torn || v->shard->slots[SSO_SHM_DUE] == at)
            return 0;
    }
    return 0;
}
