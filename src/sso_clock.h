/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_CLOCK_H
#define SSO_CLOCK_H

/*
 * A clock that does not jump, for what is kept for a while: sessions, states, documents.
 *
 * The machine's clock may be set by hours or days, when somebody or NTP corrects it; that must
 * neither end all sessions nor make them last. The machine's time since its start does not jump,
 * but means nothing to other machines. So: as long as both agree, ours is the machine's clock.
 * When that has jumped, ours goes on, a tenth faster or slower than time, until both agree again:
 * whatever was to last an hour lasts between 54 and 66 minutes.
 *
 * All processes share one, in a file, which outlives restarts. After a start of the machine the
 * machine's clock is all there is.
 */

#include "sso_base.h"

#include <stdatomic.h>

#define SSO_CLOCK_BOOT_BYTES 16

typedef struct sso_clock_t {
    apr_uint32_t magic, unused;
    unsigned char boot[SSO_CLOCK_BOOT_BYTES]; /* which start of the machine this is of */
    _Atomic apr_int64_t offset; /* our time less the time since that start */
    _Atomic apr_int64_t moved;  /* time since that start, when offset was last looked after */
} sso_clock_t;

/**
 * Begin, or go on with what is there.
 *
 * @param boot   a text that is another one after each start of the machine, or ""
 * @param wall   what the machine's clock says
 * @param since  time since the machine's start, suspension included
 */
void sso_clock_begin(sso_clock_t *clock, const char *boot, apr_time_t wall, apr_time_t since);

/**
 * What time it is.
 *
 * @param ahead  out: how far the machine's clock is ahead of the result
 */
apr_time_t sso_clock_read(sso_clock_t *clock, apr_time_t wall, apr_time_t since,
                          apr_interval_time_t *ahead);

#endif
