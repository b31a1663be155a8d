/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ownrecord.h - the trail's own records, as agent and store both make them: their shapes, and who says them.
 * docs/own-records.md lists all; a lint check compares it with the tables that these macros make.
 */
#ifndef HOSTTRAIL_OWNRECORD_H
#define HOSTTRAIL_OWNRECORD_H

#include "lib/cleanup.h"
#include "lib/procfs.h"
#include "record.h"

#define SERVICE(name, kind) { SECTION_SERVICE, name, kind, NULL }
#define OWN_SHAPE(var, name, fields) \
	static const struct shape var = { "trail.hosttrail", name, "HostServiceEvent", CATEGORY_MANAGEMENT, true, \
					  ARRAY_SIZE(fields), fields }

/* The process part of an identity. It points into self and program. */
void own_process(const struct procfs_self *self, const char *program, struct record_identity *ret_i);
/* A text field; nothing for NULL and "". */
void own_put(struct batch *b, unsigned field, const char *text);

#endif
