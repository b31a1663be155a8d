/* SPDX-License-Identifier: Apache-2.0 */
/* slice.h - how soon a thread that wakes up comes to a busy CPU, without a larger share of it. Thread-safe. */
#ifndef HOSTTRAIL_SLICE_H
#define HOSTTRAIL_SLICE_H

#include <stdint.h>

/*
 * Asks for a time slice of NS nanoseconds for the calling thread, 0: the kernel's own. Linux from 6.12 on lets who asks for a
 * short one interrupt who has a long one, as long as it used less than its share; older kernels take it and do nothing. Nice value,
 * policy and all else stay. Children inherit it. 0 or -errno; nobody depends on it.
 */
int slice_set(uint64_t ns);

#endif
