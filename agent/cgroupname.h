/* SPDX-License-Identifier: Apache-2.0 */
/* cgroupname.h - what a cgroup's path says: container id and systemd unit. Pure; results point into the path. */
#ifndef HOSTTRAIL_CGROUPNAME_H
#define HOSTTRAIL_CGROUPNAME_H

#include <stdbool.h>

#include "proto/record.h"

/* The innermost container: docker, podman, cri-o, containerd. True and its 64 hex digits. */
bool cgroup_container(struct str path, struct str *ret_id);
/* The innermost systemd service; else the innermost scope that is no container's. */
bool cgroup_unit(struct str path, struct str *ret_unit);

#endif
