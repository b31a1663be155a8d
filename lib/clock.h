/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the three times used: boot-time ns (events), wall-clock ns (records shown), and
 * CloudTrail's text. Thread-safe. */
#ifndef HOSTTRAIL_CLOCK_H
#define HOSTTRAIL_CLOCK_H

#include <stdint.h>

#define NS_PER_SEC 1000000000ull
#define NS_PER_MS 1000000ull

uint64_t clock_boot(void);		/* CLOCK_BOOTTIME, ns */
int64_t clock_wall(void);		/* CLOCK_REALTIME, ns since the epoch */
int64_t clock_wall_offset(void);	/* wall minus boot, ns, read as one (best of several tries) */
/* "2026-11-22T10:15:30Z" into ret[21]; seconds since the epoch, years 0..9999 */
void clock_iso(int64_t seconds, char ret[21]);
/* Accepts "YYYY-MM-DDTHH:MM:SS[.fff]Z", "YYYY-MM-DD", and epoch seconds with a fraction. 0, or -EINVAL, also for
 * what no int64_t holds in ns: before 1677-09-21T00:12:44Z, after 2262-04-11T23:47:16Z */
int clock_parse(const char *text, int64_t *ret_ns);

#endif
