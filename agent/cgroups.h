/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroups.h - paths of cgroups by their ids, as identities brought them. Bounded: the oldest go. Not thread-safe.
 */
#ifndef HOSTTRAIL_CGROUPS_H
#define HOSTTRAIL_CGROUPS_H

#include <stdint.h>

#include "proto/record.h"

#define CGROUPS_MAX 4096

struct cgroups;

int cgroups_new(struct cgroups **ret_c);	/* 0 or -ENOMEM */
void cgroups_free(struct cgroups **c);
/* The path is copied; without memory for it, it stays unknown. */
void cgroups_note(struct cgroups *c, uint64_t id, struct str path);
/* Empty: not known. Valid until the next cgroups_note(). */
struct str cgroups_path(const struct cgroups *c, uint64_t id);

#endif
