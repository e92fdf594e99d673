/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's operations as Redis commands. Connections are sso_redis_set.c's.
 */
#include "sso_store_redis.h"
#include "sso_redis.h"
#include "sso_seal.h"

#include <apr_strings.h>
#include <string.h>
#include <sys/mman.h>

#ifndef HAVE_HIREDIS

sso_rc_e sso_store_redis_open(sso_ctx_t *ctx, apr_pool_t *pool,
                              const sso_store_redis_config_t *config, sso_store_t **store)
{
    (void)pool, (void)config, (void)store;
    return sso_fail(ctx, SSO_MISCONFIG, 298,
                    "EdxSSOStore: this module was built without Redis (configure --with-hiredis)");
}

#else

#define CONNECT_DEFAULT apr_time_from_msec(500)
#define COMMAND_DEFAULT apr_time_from_sec(1)

#define PREFIX        "edxsso:"
#define PREFIX_BYTES  (sizeof(PREFIX) - 1)
#define KEY_BYTES     (PREFIX_BYTES + SSO_STORE_KEY_BYTES)
#define LAYOUT        '1'
#define VERSION_AT    2
#define VERSION_BYTES 16
#define EXPIRY_AT     (VERSION_AT + VERSION_BYTES)
#define EXPIRY_BYTES  16
#define HEAD_BYTES    (EXPIRY_AT + EXPIRY_BYTES)
#define LENGTH_BYTES  8 /* of the first of two records */
#define EXPIRY_MAX    APR_INT64_C(9007199254740991) /* Lua's numbers are exact up to 2^53 - 1 */

typedef struct redis_store_t {
    sso_store_t base;
    sso_redis_target_t target;
    sso_redis_set_t *set;
    sso_store_stats_t *counts; /* of all processes, by atomic operations */
} redis_store_t;

/* Whether the head of an entry is that of a live one: layout, and expiry after ARGV[1]. */
#define LUA_LIVE                                                                                  \
    "local function live(h) return string.sub(h,1,1)=='1' and "                                   \
    "(tonumber(string.sub(h,19,34)) or 0)>tonumber(ARGV[1]) end "

/* Write the record ARGV[n] for ARGV[n+1] milliseconds under KEYS[k]; one that has no time left
 * leaves nothing. */
#define LUA_WRITE(k, n)                                                                           \
    "if tonumber(ARGV[" #n "+1])>0 then redis.call('SET',KEYS[" #k "],ARGV[" #n "],'PX',ARGV["    \
    #n "+1]) else redis.call('DEL',KEYS[" #k "]) end "

/* Read KEYS[1] into v and move its expiry on to ARGV[2], for ARGV[3] milliseconds (0: leave it). */
#define LUA_TOUCH                                                                                 \
    "local v=redis.call('GET',KEYS[1]) "                                                          \
    "if v and live(v) and tonumber(string.sub(v,19,34))<tonumber(ARGV[2]) then "                  \
    "redis.call('SETRANGE',KEYS[1],18,ARGV[2]) redis.call('PEXPIRE',KEYS[1],ARGV[3]) "            \
    "v=string.sub(v,1,18)..ARGV[2]..string.sub(v,35) end "

/* now, new expiry, its milliseconds */
static const char touch_script[] =
    LUA_LIVE LUA_TOUCH
    "return v";

/* as touch_script; both records as one string, the first one's length before them */
static const char get_two_script[] =
    LUA_LIVE LUA_TOUCH
    "v=v or '' "
    "return string.format('%08x',#v)..v..(redis.call('GET',KEYS[2]) or '')";

/* now, record, milliseconds */
static const char add_script[] =
    LUA_LIVE
    "if live(redis.call('GETRANGE',KEYS[1],0,33)) then return 0 end "
    LUA_WRITE(1, 2)
    "return 1";

/* now, record, milliseconds, record of the second, milliseconds */
static const char put_two_script[] =
    LUA_LIVE
    LUA_WRITE(1, 2)
    "if live(redis.call('GETRANGE',KEYS[2],0,33)) then return 0 end "
    LUA_WRITE(2, 4)
    "return 1";

/* now, record, milliseconds, version */
static const char swap_script[] =
    LUA_LIVE
    "local h=redis.call('GETRANGE',KEYS[1],0,33) "
    "if not live(h) then return -1 end "
    "if string.sub(h,3,18)~=ARGV[4] then return 0 end "
    LUA_WRITE(1, 2)
    "return 1";

/* now */
static const char remove_script[] =
    LUA_LIVE
    "local h=redis.call('GETRANGE',KEYS[1],0,33) "
    "redis.call('DEL',KEYS[1]) "
    "if live(h) then return 1 end return 0";

static void count(apr_uint64_t *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* ---- commands ---- */

static const char *key_text(sso_ctx_t *ctx, const sso_store_key_t *key)
{
    char *text = apr_palloc(ctx->pool, KEY_BYTES);

    memcpy(text, PREFIX, PREFIX_BYTES);
    memcpy(text + PREFIX_BYTES, key->bytes, SSO_STORE_KEY_BYTES);
    return text;
}

static void begin(sso_redis_command_t *command, sso_ctx_t *ctx, const char *verb,
                  const sso_store_key_t *key)
{
    command->count = 0;
    sso_redis_add_text(command, verb);
    sso_redis_add(command, key_text(ctx, key), KEY_BYTES);
}

/* EVAL script count keys now. The whole script each time: one round trip, whatever Redis has
 * cached. */
static void begin_keys(sso_redis_command_t *command, sso_ctx_t *ctx, const char *script,
                       const sso_store_key_t *keys, int count)
{
    int i;

    command->count = 0;
    sso_redis_add_text(command, "EVAL");
    sso_redis_add_text(command, script);
    sso_redis_add_text(command, count == 1 ? "1" : "2");
    for (i = 0; i < count; i++)
        sso_redis_add(command, key_text(ctx, &keys[i]), KEY_BYTES);
    sso_redis_add_text(command, apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT, ctx->now));
}

static void begin_script(sso_redis_command_t *command, sso_ctx_t *ctx, const char *script,
                         const sso_store_key_t *key)
{
    begin_keys(command, ctx, script, key, 1);
}

static apr_time_t expiry_of(apr_time_t expires)
{
    return expires < 0 ? 0 : expires > EXPIRY_MAX ? EXPIRY_MAX : expires;
}

static const char *expiry_text(sso_ctx_t *ctx, apr_time_t expires)
{
    return apr_psprintf(ctx->pool, "%016" APR_TIME_T_FMT, expiry_of(expires));
}

/* What is left, rounded up: Redis must not clear away what is still to be seen. */
static apr_int64_t millis_left(const sso_ctx_t *ctx, apr_time_t expires)
{
    apr_interval_time_t left = expiry_of(expires) - ctx->now;

    return left > 0 ? (left + 999) / 1000 : 0;
}

/* The record and how long it lives, as two words. */
static sso_rc_e add_record(sso_redis_command_t *command, sso_ctx_t *ctx,
                           const sso_store_item_t *item)
{
    apr_size_t length = HEAD_BYTES + item->length;
    apr_uint64_t version = (apr_uint64_t)sso_random_below(0xffffffff) << 32
                           | sso_random_below(0xffffffff);
    char *record;

    if (version == 0) /* no luck, or no random numbers: either way no version */
        return sso_fail(ctx, SSO_BROKEN, 297, "OpenSSL has no random numbers");
    record = apr_palloc(ctx->pool, length + 1);
    apr_snprintf(record, HEAD_BYTES + 1, "%c%d%016" APR_UINT64_T_HEX_FMT "%016" APR_TIME_T_FMT,
                 LAYOUT, item->class == SSO_STORE_PINNED, version, expiry_of(item->expires));
    if (item->length)
        memcpy(record + HEAD_BYTES, item->value, item->length);
    sso_redis_add(command, record, length);
    sso_redis_add_text(command, apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                                             millis_left(ctx, item->expires)));
    return SSO_OK;
}

static sso_rc_e run(sso_ctx_t *ctx, redis_store_t *store, const sso_redis_command_t *command,
                    redisReply **reply)
{
    sso_rc_e rc = sso_redis_run(ctx, store->set, command, reply);

    if (rc != SSO_OK)
        count(&store->counts->failures);
    return rc;
}

static sso_rc_e strange(sso_ctx_t *ctx, redis_store_t *store, int type)
{
    count(&store->counts->failures);
    return sso_fail(ctx, SSO_UPSTREAM, 269, "Redis %s: an answer of a kind not asked for (%d)",
                    store->target.name, type);
}

/* Run a command that is answered by a number. */
static sso_rc_e run_number(sso_ctx_t *ctx, redis_store_t *store,
                           const sso_redis_command_t *command, long long *number)
{
    redisReply *reply;
    int type;

    SSO_TRY(run(ctx, store, command, &reply));
    type = reply->type;
    *number = reply->integer;
    freeReplyObject(reply);
    return type == REDIS_REPLY_INTEGER ? SSO_OK : strange(ctx, store, type);
}

static sso_rc_e check_size(sso_ctx_t *ctx, const sso_store_item_t *item)
{
    if (item->length > SSO_STORE_VALUE_MAX)
        return sso_fail(ctx, SSO_BAD_INPUT, 296, "store: a value of %" APR_SIZE_T_FMT
                        " bytes; the limit is %d", item->length, SSO_STORE_VALUE_MAX);
    return SSO_OK;
}

/* ---- the operations ---- */

/* A number in exactly so many digits; 0 when it is none, which no version and no expiry is. */
static apr_uint64_t digits(const char *text, apr_size_t length, int base)
{
    char copy[17], *end;
    apr_int64_t number;

    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strspn(copy, base == 16 ? "0123456789abcdef" : "0123456789") != length)
        return 0;
    if (base == 10)
        return (apr_uint64_t)apr_strtoi64(copy, &end, 10);
    number = apr_strtoi64(copy + 8, &end, 16);
    copy[8] = '\0';
    return ((apr_uint64_t)apr_strtoi64(copy, &end, 16) << 32) | (apr_uint64_t)number;
}

/* What a string is as an entry; 0: none that lives. */
static int read_record(sso_ctx_t *ctx, const char *record, apr_size_t length,
                       sso_store_entry_t *entry)
{
    apr_uint64_t version;
    apr_time_t expires;

    if (length < HEAD_BYTES || record[0] != LAYOUT)
        return 0;
    version = digits(record + VERSION_AT, VERSION_BYTES, 16);
    expires = (apr_time_t)digits(record + EXPIRY_AT, EXPIRY_BYTES, 10);
    if (version == 0 || expires <= ctx->now)
        return 0;
    entry->length = length - HEAD_BYTES;
    entry->value = (const unsigned char *)apr_pstrmemdup(ctx->pool, record + HEAD_BYTES,
                                                         entry->length);
    entry->version = version;
    entry->expires = expires;
    return 1;
}

static void add_touch(sso_redis_command_t *command, sso_ctx_t *ctx, apr_time_t touch)
{
    sso_redis_add_text(command, expiry_text(ctx, touch));
    sso_redis_add_text(command, apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT,
                                             millis_left(ctx, touch)));
}

static sso_rc_e redis_get(sso_ctx_t *ctx, sso_store_t *base, const sso_store_key_t *key,
                          apr_time_t touch, sso_store_entry_t *entry)
{
    redis_store_t *store = (redis_store_t *)base;
    sso_redis_command_t command;
    redisReply *reply;
    int type, found;

    if (touch > ctx->now) {
        begin_script(&command, ctx, touch_script, key);
        add_touch(&command, ctx, touch);
    }
    else
        begin(&command, ctx, "GET", key);
    SSO_TRY(run(ctx, store, &command, &reply));
    type = reply->type;
    found = type == REDIS_REPLY_STRING && read_record(ctx, reply->str, reply->len, entry);
    freeReplyObject(reply);
    if (type != REDIS_REPLY_STRING && type != REDIS_REPLY_NIL)
        return strange(ctx, store, type);
    count(found ? &store->counts->hits : &store->counts->misses);
    return found ? SSO_OK : SSO_ABSENT;
}

/* What get_two_script answers, taken apart; 0: it is not what that answers. */
static int read_two(sso_ctx_t *ctx, const redisReply *reply, sso_store_entry_t entries[2])
{
    apr_uint64_t first;
    int i;

    if (reply->type != REDIS_REPLY_STRING || reply->len < LENGTH_BYTES)
        return 0;
    first = (apr_uint64_t)apr_strtoi64(apr_pstrmemdup(ctx->pool, reply->str, LENGTH_BYTES), NULL,
                                       16);
    if (first > reply->len - LENGTH_BYTES)
        return 0;
    for (i = 0; i < 2; i++) {
        const char *record = reply->str + LENGTH_BYTES + (i ? first : 0);
        apr_size_t length = i ? reply->len - LENGTH_BYTES - first : first;

        if (!read_record(ctx, record, length, &entries[i]))
            entries[i].value = NULL;
    }
    return 1;
}

static sso_rc_e redis_get_two(sso_ctx_t *ctx, sso_store_t *base, const sso_store_key_t keys[2],
                              apr_time_t touch, sso_store_entry_t entries[2])
{
    redis_store_t *store = (redis_store_t *)base;
    sso_redis_command_t command;
    redisReply *reply;
    int type, fine, i;

    begin_keys(&command, ctx, get_two_script, keys, 2);
    add_touch(&command, ctx, touch > ctx->now ? touch : 0);
    SSO_TRY(run(ctx, store, &command, &reply));
    type = reply->type;
    fine = read_two(ctx, reply, entries);
    freeReplyObject(reply);
    if (!fine)
        return strange(ctx, store, type);
    for (i = 0; i < 2; i++)
        count(entries[i].value ? &store->counts->hits : &store->counts->misses);
    return SSO_OK;
}

static sso_rc_e redis_put(sso_ctx_t *ctx, sso_store_t *base, const sso_store_key_t *key,
                          const sso_store_item_t *item)
{
    redis_store_t *store = (redis_store_t *)base;
    sso_redis_command_t command;
    redisReply *reply;
    int lives = millis_left(ctx, item->expires) > 0, type;
    const char *millis;

    SSO_TRY(check_size(ctx, item));
    begin(&command, ctx, lives ? "SET" : "DEL", key);
    if (lives) {
        SSO_TRY(add_record(&command, ctx, item));
        millis = command.word[--command.count]; /* SET has a word in between */
        sso_redis_add_text(&command, "PX");
        sso_redis_add_text(&command, millis);
    }
    SSO_TRY(run(ctx, store, &command, &reply));
    type = reply->type;
    freeReplyObject(reply);
    if (type != (lives ? REDIS_REPLY_STATUS : REDIS_REPLY_INTEGER))
        return strange(ctx, store, type);
    count(&store->counts->writes);
    return SSO_OK;
}

static sso_rc_e redis_add(sso_ctx_t *ctx, sso_store_t *base, const sso_store_key_t *key,
                          const sso_store_item_t *item)
{
    redis_store_t *store = (redis_store_t *)base;
    sso_redis_command_t command;
    long long added = 0;

    SSO_TRY(check_size(ctx, item));
    begin_script(&command, ctx, add_script, key);
    SSO_TRY(add_record(&command, ctx, item));
    SSO_TRY(run_number(ctx, store, &command, &added));
    if (added != 1)
        return SSO_DENIED;
    count(&store->counts->writes);
    return SSO_OK;
}

static sso_rc_e redis_put_two(sso_ctx_t *ctx, sso_store_t *base, const sso_store_key_t keys[2],
                              const sso_store_item_t items[2], int *added)
{
    redis_store_t *store = (redis_store_t *)base;
    sso_redis_command_t command;
    long long second = 0;
    int i;

    begin_keys(&command, ctx, put_two_script, keys, 2);
    for (i = 0; i < 2; i++) {
        SSO_TRY(check_size(ctx, &items[i]));
        SSO_TRY(add_record(&command, ctx, &items[i]));
    }
    SSO_TRY(run_number(ctx, store, &command, &second));
    count(&store->counts->writes);
    if (second == 1)
        count(&store->counts->writes);
    *added = second == 1;
    return SSO_OK;
}

static sso_rc_e redis_swap(sso_ctx_t *ctx, sso_store_t *base, const sso_store_key_t *key,
                           apr_uint64_t version, const sso_store_item_t *item)
{
    redis_store_t *store = (redis_store_t *)base;
    sso_redis_command_t command;
    long long swapped = 0;

    SSO_TRY(check_size(ctx, item));
    begin_script(&command, ctx, swap_script, key);
    SSO_TRY(add_record(&command, ctx, item));
    sso_redis_add_text(&command,
                       apr_psprintf(ctx->pool, "%016" APR_UINT64_T_HEX_FMT, version));
    SSO_TRY(run_number(ctx, store, &command, &swapped));
    if (swapped != 1)
        return swapped < 0 ? SSO_ABSENT : SSO_DENIED;
    count(&store->counts->writes);
    return SSO_OK;
}

static sso_rc_e redis_remove(sso_ctx_t *ctx, sso_store_t *base, const sso_store_key_t *key)
{
    redis_store_t *store = (redis_store_t *)base;
    sso_redis_command_t command;
    long long removed = 0;

    begin_script(&command, ctx, remove_script, key);
    SSO_TRY(run_number(ctx, store, &command, &removed));
    if (removed != 1)
        return SSO_ABSENT;
    count(&store->counts->removals);
    return SSO_OK;
}

/* How much is in Redis is worth a question, but not a failure. */
static sso_rc_e redis_stats(sso_ctx_t *ctx, sso_store_t *base, sso_store_stats_t *stats)
{
    redis_store_t *store = (redis_store_t *)base;
    sso_ctx_t own = { .pool = ctx->pool, .now = ctx->now, .ports = ctx->ports };
    sso_redis_command_t command = { .count = 0 };
    sso_store_stats_t now = { .entries = 0 };
    long long entries = 0;

    sso_redis_add_text(&command, "DBSIZE");
    if (run_number(&own, store, &command, &entries) == SSO_OK && entries > 0)
        now.entries = (apr_uint64_t)entries;
    now.hits = __atomic_load_n(&store->counts->hits, __ATOMIC_RELAXED);
    now.misses = __atomic_load_n(&store->counts->misses, __ATOMIC_RELAXED);
    now.writes = __atomic_load_n(&store->counts->writes, __ATOMIC_RELAXED);
    now.removals = __atomic_load_n(&store->counts->removals, __ATOMIC_RELAXED);
    now.failures = __atomic_load_n(&store->counts->failures, __ATOMIC_RELAXED);
    *stats = now;
    return SSO_OK;
}

static void redis_tend(sso_store_t *base, int now)
{
    sso_redis_set_tend(((redis_store_t *)base)->set, now);
}

static const sso_store_kind_t redis_kind = {
    "redis", redis_get, redis_put, redis_add, redis_swap, redis_remove, redis_stats,
    redis_get_two, redis_put_two, redis_tend,
};

static apr_status_t forget_counts(void *counts)
{
    munmap(counts, sizeof(sso_store_stats_t));
    return APR_SUCCESS;
}

sso_rc_e sso_store_redis_open(sso_ctx_t *ctx, apr_pool_t *pool,
                              const sso_store_redis_config_t *config, sso_store_t **store)
{
    redis_store_t *made = apr_pcalloc(pool, sizeof(*made));

    made->base.kind = &redis_kind;
    made->counts = mmap(NULL, sizeof(*made->counts), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made->counts == MAP_FAILED) /* then each process has its own */
        made->counts = apr_pcalloc(pool, sizeof(*made->counts));
    else
        apr_pool_cleanup_register(pool, made->counts, forget_counts, apr_pool_cleanup_null);
    SSO_TRY(sso_redis_url_parse(ctx, pool, config->url, &made->target));
    made->target.connect = config->connect ? config->connect : CONNECT_DEFAULT;
    made->target.command = config->command ? config->command : COMMAND_DEFAULT;
    SSO_TRY(sso_redis_set_make(ctx, pool, &made->target, &made->set));
    *store = &made->base;
    return SSO_OK;
}

#endif
