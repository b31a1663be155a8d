/* SPDX-License-Identifier: Apache-2.0 */
/* cgroupscan.h - every cgroup that there is (version 2), by the kernel's number and the path that identities show. */
#ifndef HOSTTRAIL_CGROUPSCAN_H
#define HOSTTRAIL_CGROUPSCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/record.h"

/* False ends the scan. The path is borrowed. */
typedef bool (*cgroupscan_fn)(void *ctx, uint64_t id, struct str path);
/* The root is not given. None is given where the hierarchy is not seen from its root. Not thread-safe. */
void cgroupscan(cgroupscan_fn fn, void *ctx);

#endif
