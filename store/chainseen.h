/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chainseen.h - how far each chain's sequence numbers are settled, to tell how many records a gap between two frames
 * swallowed: the first range after the gap minus the last before it, per ring class and CPU. One thread.
 */
#ifndef HOSTTRAIL_STORE_CHAINSEEN_H
#define HOSTTRAIL_STORE_CHAINSEEN_H

#include <stdbool.h>

#include "proto/frame.h"

#define CHAINSEEN_MAX 16384		/* chains remembered; beyond it the oldest are forgotten */

struct chainseen;

int chainseen_new(struct chainseen **ret_c);
void chainseen_free(struct chainseen **c);
/* Takes a frame in. True: frames [*ret_first, *ret_last] before it are missing and *ret_records is what they settled. */
bool chainseen_frame(struct chainseen *c, const char *host_id, const struct frame_header *h, uint64_t *ret_first,
		     uint64_t *ret_last, uint64_t *ret_records);

#endif
