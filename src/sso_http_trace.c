/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W3C Trace Context: a call to a provider is a span of the trace that the request belongs to.
 */
#include "sso_http_curl.h"

#include "sso_text.h"

#include <apr_strings.h>
#include <string.h>

#define VERSION_BYTES 2
#define TRACE_BYTES   32
#define SPAN_BYTES    16
#define WHOLE_BYTES   (VERSION_BYTES + 1 + TRACE_BYTES + 1 + SPAN_BYTES + 1 + 2)

/* That many lower-case hex digits, then that character; not all of them '0' where it matters. */
static int field_ok(const char *text, int digits, int end, int any)
{
    int i, seen = any;

    for (i = 0; i < digits; i++) {
        if (sso_hex_value(text[i]) < 0 || (text[i] >= 'A' && text[i] <= 'F'))
            return 0;
        seen |= text[i] != '0';
    }
    return seen && text[digits] == end;
}

/* Trace Context 3.2.2: version ff is forbidden, later versions may go on after what we know. */
static int trace_ok(const char *text)
{
    const char *trace = text + VERSION_BYTES + 1, *span = trace + TRACE_BYTES + 1;
    const char *flags = span + SPAN_BYTES + 1;

    if (strlen(text) < WHOLE_BYTES || !strncmp(text, "ff", VERSION_BYTES))
        return 0;
    if (!strncmp(text, "00", VERSION_BYTES) && text[WHOLE_BYTES])
        return 0;
    return field_ok(text, VERSION_BYTES, '-', 1) && field_ok(trace, TRACE_BYTES, '-', 0)
           && field_ok(span, SPAN_BYTES, '-', 0)
           && field_ok(flags, 2, text[WHOLE_BYTES] ? '-' : '\0', 1);
}

const char *sso_http_trace(apr_pool_t *pool, const char *inbound)
{
    const char *trace;

    if (!inbound || !trace_ok(inbound))
        return NULL;
    trace = apr_pstrmemdup(pool, inbound + VERSION_BYTES + 1, TRACE_BYTES);
    /* of the flags, "sampled" is all that version 00 knows */
    return apr_psprintf(pool, "00-%s-%04x%04x%04x%04x-0%d", trace, 1 + sso_random_below(0xffff),
                        sso_random_below(0x10000), sso_random_below(0x10000),
                        sso_random_below(0x10000),
                        sso_hex_value(inbound[WHOLE_BYTES - 1]) & 1);
}
