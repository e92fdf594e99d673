/* SPDX-License-Identifier: Apache-2.0 */
/* What was sealed opens as it was, for its purpose and place alone, with a key of the ring. */
#include "sso_seal.h"
#include "tap.h"

#include <pthread.h>

#define REALM "site.example:443"
#define OLD   "the old secret, long enough"
#define NEW   "the new secret, long enough"

static sso_rc_e try_ring(sso_ctx_t *ctx, const char *realm, const char *const *secrets,
                         sso_keyring_t **ring)
{
    apr_array_header_t *list = apr_array_make(ctx->pool, 2, sizeof(sso_bytes_t));

    for (; *secrets; secrets++)
        APR_ARRAY_PUSH(list, sso_bytes_t) = sso_bytes(*secrets);
    return sso_keyring_make(ctx, ctx->pool, list, realm, ring);
}

static sso_keyring_t *ring_of(const char *realm, const char *first, const char *second)
{
    const char *secrets[] = { first, second, NULL };
    sso_keyring_t *ring = NULL;

    try_ring(tap_ctx(), realm, secrets, &ring);
    return ring;
}

static void test_ring_limits(void)
{
    static const struct {
        const char *secrets[6];
        sso_rc_e rc;
        int number;
    } rings[] = {
        { { NULL }, SSO_MISCONFIG, 120 },
        { { "0123456789abcde" }, SSO_MISCONFIG, 122 },
        { { "0123456789abcdef" }, SSO_OK, 0 },
        { { "0123456789abcdef", "" }, SSO_MISCONFIG, 122 },
        { { OLD, NEW, OLD, NEW }, SSO_OK, 0 },
        { { OLD, NEW, OLD, NEW, OLD }, SSO_MISCONFIG, 120 },
    };
    unsigned i;

    for (i = 0; i < SSO_COUNT(rings); i++) {
        sso_ctx_t *ctx = tap_ctx();
        sso_keyring_t *ring = NULL;

        is_int(try_ring(ctx, REALM, rings[i].secrets, &ring), rings[i].rc, "ring %u", i);
        is_int(ctx->err.number, rings[i].number, "its number");
        ok((ring != NULL) == (rings[i].rc == SSO_OK), "out only if it is good");
        ok(!strstr(ctx->err.text, "abcde"), "no secret in the message");
        apr_pool_destroy(ctx->pool);
    }
}

static void opens(const sso_keyring_t *ring, const char *purpose, const char *sealed, int number,
                  const char *what)
{
    sso_ctx_t *ctx = tap_ctx();
    const char *plain = NULL;
    sso_rc_e rc = sso_open(ctx, ring, purpose, sealed, &plain);

    is_int(ctx->err.number, number, "%s", what);
    ok((rc == SSO_OK) == (plain != NULL) && (rc == SSO_OK) == !number, "%s: out only if good",
       what);
}

static void test_rings(void)
{
    sso_keyring_t *old = ring_of(REALM, OLD, NULL), *new = ring_of(REALM, NEW, NULL);
    sso_keyring_t *both = ring_of(REALM, NEW, OLD), *other = ring_of("other:443", OLD, NULL);
    sso_ctx_t *ctx = tap_ctx();
    const char *by_old, *by_both, *again, *plain;

    sso_seal(ctx, old, "state", "hello", &by_old);
    sso_seal(ctx, both, "state", "hello", &by_both);
    sso_seal(ctx, both, "state", "hello", &again);
    ok(strcmp(by_both, again), "the same text is never sealed alike");
    is_int(strlen(by_old), ((5 + SSO_BOX_OVERHEAD) * 8 + 5) / 6, "no longer than it must be");
    opens(old, "state", by_old, 0, "its own ring");
    opens(both, "state", by_old, 0, "a ring with a newer key");
    opens(both, "state", by_both, 0, "the newer key seals");
    opens(new, "state", by_both, 0, "as the newer ring sees");
    opens(old, "state", by_both, 126, "a ring without the key");
    opens(new, "state", by_old, 126, "a retired key");
    opens(other, "state", by_old, 126, "the same secret, another realm");
    opens(old, "session", by_old, 128, "another purpose");
    opens(old, "stat", by_old, 128, "the beginning of the purpose");
    opens(old, "", by_old, 128, "no purpose");
    is_int(sso_open(ctx, both, "state", by_old, &plain), SSO_OK, "opens");
    is(plain, "hello", "the same text");
    is_int(sso_seal(ctx, old, "state", "", &again), SSO_OK, "an empty text seals");
    is_int(sso_open(ctx, old, "state", again, &plain), SSO_OK, "and opens");
    is(plain, "", "as empty");
}

/* Every character changed, every length cut off. */
static void test_alterations(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    sso_keyring_t *ring = ring_of(REALM, NEW, OLD);
    sso_ctx_t *ctx = tap_ctx();
    const char *sealed, *plain = NULL;
    apr_size_t i, length;
    int accepted = 0, number = 0;
    char *copy;

    sso_seal(ctx, ring, "state", "something to keep", &sealed);
    length = strlen(sealed);
    copy = apr_pstrdup(ctx->pool, sealed);
    for (i = 0; i < length; i++) {
        const char *c;

        for (c = digits; *c; c++) {
            copy[i] = *c;
            sso_forgive(ctx);
            accepted += *c != sealed[i] && sso_open(ctx, ring, "state", copy, &plain) == SSO_OK;
            number = ctx->err.number > number ? ctx->err.number : number;
        }
        copy[i] = sealed[i];
    }
    is_int(accepted, 0, "no altered character is accepted");
    ok(number == 128 || number == 129, "and none breaks OpenSSL");
    for (i = 0, accepted = 0; i < length; i++)
        accepted += sso_open(ctx, ring, "state", apr_pstrmemdup(ctx->pool, sealed, i), &plain)
                    == SSO_OK;
    is_int(accepted, 0, "no text cut off is accepted");
    ok(!plain, "nothing was handed out");
    opens(ring, "state", "", 125, "nothing");
    opens(ring, "state", apr_pstrcat(ctx->pool, sealed, "=", NULL), 129, "padding");
    opens(ring, "state", apr_pstrcat(ctx->pool, " ", sealed, NULL), 129, "a space");
    opens(ring, "state", "\xff\xfe", 129, "no text at all");
    opens(ring, "state", apr_pstrcat(ctx->pool, sealed, sealed, NULL),
          128, "twice");
}

static void test_context(void)
{
    sso_keyring_t *ring = ring_of(REALM, NEW, NULL);
    sso_bytes_t here = sso_bytes("here"), there = sso_bytes("there"), none = { NULL, 0 };
    sso_bytes_t bytes = { "\0binary\0", 8 }, box, plain = { NULL, 0 };
    sso_ctx_t *ctx = tap_ctx();

    is_int(sso_box_seal(ctx, ring, "p", here, bytes, &box), SSO_OK, "bytes with NULs");
    is_int(box.length, bytes.length + SSO_BOX_OVERHEAD, "length");
    is_int(sso_box_open(ctx, ring, "p", there, box, &plain), SSO_DENIED, "another place");
    is_int(sso_box_open(ctx, ring, "p", none, box, &plain), SSO_DENIED, "no place");
    is_int(sso_box_open(ctx, ring, "phere", none, box, &plain), SSO_DENIED, "moved into purpose");
    is_int(sso_box_open(ctx, ring, "p", none, none, &plain), SSO_BAD_INPUT, "nothing");
    ok(!plain.data, "untouched");
    is_int(sso_box_open(ctx, ring, "p", here, box, &plain), SSO_OK, "its own place");
    ok(plain.length == 8 && !memcmp(plain.data, bytes.data, 8), "the same bytes");
    ok(((const char *)plain.data)[8] == '\0', "with a NUL after them");
    is_int(sso_box_seal(ctx, ring, "p", none, none, &box), SSO_OK, "no bytes");
    is_int(sso_box_open(ctx, ring, "p", none, box, &plain), SSO_OK, "open");
    is_int(plain.length, 0, "as no bytes");
}

static void test_digests(void)
{
    sso_bytes_t split[3][2] = { { { "ab", 2 }, { "c", 1 } }, { { "a", 1 }, { "bc", 2 } },
                                { { "abc", 3 }, { "", 0 } } };
    unsigned char digest[3][SSO_DIGEST_BYTES], plain[2][SSO_DIGEST_BYTES];
    sso_keyring_t *ring = ring_of(REALM, NEW, NULL);
    sso_ctx_t *ctx = tap_ctx();
    const char *a, *b;
    unsigned i;

    for (i = 0; i < 3; i++)
        is_int(sso_digest(ctx, split[i], 2, digest[i]), SSO_OK, "digest");
    ok(memcmp(digest[0], digest[1], 32) && memcmp(digest[1], digest[2], 32)
       && memcmp(digest[0], digest[2], 32), "where the parts end counts");
    sso_sha256(ctx, "abc", 3, plain[0]);
    sso_ring_digest(ctx, ring, sso_bytes("abc"), plain[1]);
    ok(!memcmp(plain[0], "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
               "\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad", 32),
       "SHA-256 (FIPS 180-2, B.1)");
    ok(!memcmp(plain[0], plain[1], 32), "the ring's is the same");
    sso_random_text(ctx, 32, &a);
    sso_random_text(ctx, 32, &b);
    ok(strlen(a) == 43 && strcmp(a, b), "random texts");
    for (i = 0; i < 1000 && sso_random_below(7) < 7; i++)
        ;
    is_int(i, 1000, "random numbers stay below");
    is_int(sso_random_below(1), 0, "below one");
    is_int(sso_random_below(0), 0, "below nothing");
}

/* What was opened is known again by all of its bytes, and in its place only. */
static void test_remembered(void)
{
    sso_keyring_t *ring = ring_of(REALM, NEW, NULL);
    unsigned char places[2][32], bytes[5000] = { 'x' };
    sso_bytes_t here = { places[0], 32 }, there = { places[1], 32 }, text = { bytes, 3000 };
    sso_bytes_t box, other, plain = { NULL, 0 };
    sso_ctx_t *ctx = tap_ctx();
    unsigned char *altered;
    apr_size_t i;
    int known = 0;

    memset(places[0], 7, 32);
    memset(places[1], 7 + 64, 32); /* they share what there is room for once */
    is_int(sso_box_seal(ctx, ring, "p", here, text, &box), SSO_OK, "sealed");
    sso_box_remember(ring, here, box, text);
    ok(!sso_box_known(ctx, ring, here, box, &plain), "a ring that does not remember");
    sso_keyring_remember(ring, ctx->pool);
    ok(!sso_box_known(ctx, ring, here, box, &plain), "not seen before");
    sso_box_remember(ring, here, box, text);
    ok(sso_box_known(ctx, ring, here, box, &plain), "known");
    ok(plain.length == 3000 && !memcmp(plain.data, bytes, 3000)
       && !((const char *)plain.data)[3000], "the same text, with a NUL");
    ok(!sso_box_known(ctx, ring, there, box, &plain), "in its place only");
    altered = apr_pmemdup(ctx->pool, box.data, box.length);
    other.data = altered;
    other.length = box.length;
    for (i = 0; i < box.length; i++) {
        altered[i] ^= 1;
        known += sso_box_known(ctx, ring, here, other, &plain);
        altered[i] ^= 1;
    }
    is_int(known, 0, "no changed byte");
    for (other.length = 0; other.length < box.length; other.length++)
        known += sso_box_known(ctx, ring, here, other, &plain);
    is_int(known, 0, "nothing cut off");
    text.length = 10;
    is_int(sso_box_seal(ctx, ring, "p", there, text, &other), SSO_OK, "a shorter one");
    sso_box_remember(ring, there, other, text);
    ok(sso_box_known(ctx, ring, there, other, &plain) && plain.length == 10, "takes its place");
    ok(!sso_box_known(ctx, ring, here, box, &plain), "what was there is forgotten");
    text.length = sizeof(bytes);
    is_int(sso_box_seal(ctx, ring, "p", here, text, &box), SSO_OK, "a long one");
    sso_box_remember(ring, here, box, text);
    ok(!sso_box_known(ctx, ring, here, box, &plain), "is not remembered");
    apr_pool_destroy(ctx->pool);
}

static void test_tags(void)
{
    sso_keyring_t *one = ring_of(REALM, NEW, OLD), *same = ring_of(REALM, NEW, NULL);
    sso_keyring_t *others[] = { ring_of("other.example:443", NEW, NULL), ring_of(REALM, OLD, NEW) };
    unsigned char tag[SSO_DIGEST_BYTES], again[SSO_DIGEST_BYTES], text[700];
    sso_ctx_t *ctx = tap_ctx();
    apr_size_t i;
    int alike = 0;

    memset(text, 'x', sizeof(text));
    for (i = 0; i <= sizeof(text); i += 50) { /* also nothing */
        sso_bytes_t bytes = { text, i };

        alike += i && !memcmp(tag, again, sizeof(tag));
        ok(sso_ring_tag(ctx, one, bytes, tag) == SSO_OK
           && sso_ring_tag(ctx, same, bytes, again) == SSO_OK
           && !memcmp(tag, again, sizeof(tag)), "%d bytes: the same tag by the same key", (int)i);
        sso_ring_tag(ctx, one, (sso_bytes_t){ text, i ? i - 1 : 1 }, again);
    }
    is_int(alike, 0, "length counts");
    ok(memcmp(tag, tag + 16, 16), "both halves differ");
    for (i = 0; i < 2; i++) {
        sso_ring_tag(ctx, others[i], (sso_bytes_t){ text, sizeof(text) }, again);
        ok(memcmp(tag, again, sizeof(tag)), "another realm, another key: another tag");
    }
    for (i = alike = 0; i < sizeof(text); i++) {
        text[i] ^= 1;
        sso_ring_tag(ctx, one, (sso_bytes_t){ text, sizeof(text) }, again);
        alike += !memcmp(tag, again, sizeof(tag));
        text[i] ^= 1;
    }
    is_int(alike, 0, "each byte counts");
}

/* ---- one ring for many threads: what is used again is nobody else's meanwhile ---- */

#define THREADS 40 /* more than there are contexts at rest */
#define ROUNDS  50

typedef struct worker_t {
    sso_ctx_t ctx;
    const sso_keyring_t *ring;
    const char *old; /* sealed with the second key */
    int number, wrong;
} worker_t;

static void one_round(worker_t *worker, int round)
{
    sso_bytes_t context = { &round, sizeof(round) }, box, plain;
    const char *opened, *text = apr_psprintf(worker->ctx.pool, "%d of %d", round, worker->number);
    unsigned char *altered, digest[2][SSO_DIGEST_BYTES];
    sso_ctx_t *ctx = &worker->ctx;

    if (sso_box_seal(ctx, worker->ring, "p", context, sso_bytes(text), &box) != SSO_OK
        || sso_box_open(ctx, worker->ring, "p", context, box, &plain) != SSO_OK
        || strcmp(plain.data, text)
        || sso_open(ctx, worker->ring, "p", worker->old, &opened) != SSO_OK
        || strcmp(opened, "old"))
        worker->wrong++;
    altered = apr_pmemdup(ctx->pool, box.data, box.length);
    altered[box.length - 1 - (apr_size_t)round % 16] ^= 1;
    box.data = altered;
    if (sso_box_open(ctx, worker->ring, "p", context, box, &plain) != SSO_DENIED)
        worker->wrong++;
    sso_forgive(ctx);
    if (sso_ring_digest(ctx, worker->ring, sso_bytes(text), digest[0]) != SSO_OK
        || sso_sha256(ctx, text, strlen(text), digest[1]) != SSO_OK
        || memcmp(digest[0], digest[1], SSO_DIGEST_BYTES))
        worker->wrong++;
}

static void *run_worker(void *data)
{
    worker_t *worker = data;
    int round;

    for (round = 0; round < ROUNDS; round++)
        one_round(worker, round);
    return NULL;
}

static void test_threads(void)
{
    sso_keyring_t *old = ring_of(REALM, OLD, NULL), *ring = ring_of(REALM, NEW, OLD);
    static worker_t workers[THREADS];
    pthread_t threads[THREADS];
    const char *sealed;
    int i, wrong = 0;

    is_int(sso_seal(tap_ctx(), old, "p", "old", &sealed), SSO_OK, "sealed before");
    for (i = 0; i < THREADS; i++) {
        workers[i].ctx = *tap_ctx();
        workers[i].ring = ring;
        workers[i].old = sealed;
        workers[i].number = i;
    }
    for (i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, run_worker, &workers[i]);
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        wrong += workers[i].wrong;
    }
    is_int(wrong, 0, "%d threads with one ring", THREADS);
}

int main(void)
{
    test_ring_limits();
    test_rings();
    test_alterations();
    test_context();
    test_digests();
    test_remembered();
    test_tags();
    test_threads();
    return tap_done();
}
