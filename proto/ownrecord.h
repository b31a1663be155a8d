/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ownrecord.h - the trail's own records, as agent and store both make them: their shapes, and who says them.
 * docs/own-records.md lists all; a lint check compares it with the tables that these macros make.
 */
#ifndef HOSTTRAIL_OWNRECORD_H
#define HOSTTRAIL_OWNRECORD_H

#include <string.h>

#include "lib/cleanup.h"
#include "lib/procfs.h"
#include "record.h"

#define SERVICE(name, kind) { SECTION_SERVICE, name, kind, NULL }
#define OWN_SHAPE(var, name, fields) \
	static const struct shape var = { "trail.hosttrail", name, "HostServiceEvent", CATEGORY_MANAGEMENT, true, \
					  ARRAY_SIZE(fields), fields }

/* The process part of an identity. It points into self and program. */
void own_process(const struct procfs_self *self, const char *program, struct record_identity *ret_i);

/* What a field of such a record holds; zeroed: nothing. Texts and bytes are borrowed until own_fill(). */
struct own_value {
	enum own_kind { OWN_NOTHING, OWN_NUMBER, OWN_TEXT, OWN_TEXTS, OWN_TIME, OWN_HEX } kind;
	int64_t number;		/* of OWN_TIME: seconds since the epoch */
	const void *p;
	size_t n;
};

static inline struct own_value own_number(int64_t v)
{
	return (struct own_value){ OWN_NUMBER, v, NULL, 0 };
}

/* Nothing where v is 0. */
static inline struct own_value own_count(uint64_t v)
{
	return (struct own_value){ v ? OWN_NUMBER : OWN_NOTHING, (int64_t)v, NULL, 0 };
}

/* Nothing where it is empty. */
static inline struct own_value own_str(struct str s)
{
	return (struct own_value){ s.n ? OWN_TEXT : OWN_NOTHING, 0, s.p, s.n };
}

/* Nothing where it is NULL or "". */
static inline struct own_value own_text(const char *s)
{
	return own_str((struct str){ s, s ? strlen(s) : 0 });
}

static inline struct own_value own_texts(const struct str *v, unsigned n)
{
	return (struct own_value){ OWN_TEXTS, 0, v, n };
}

static inline struct own_value own_time(int64_t seconds)
{
	return (struct own_value){ OWN_TIME, seconds, NULL, 0 };
}

/* At most 32 bytes; nothing where p is NULL. */
static inline struct own_value own_hex(const uint8_t *p, size_t n)
{
	return (struct own_value){ p ? OWN_HEX : OWN_NOTHING, 0, p, n };
}

static inline struct own_value own_if(bool there, struct own_value v)
{
	return there ? v : (struct own_value){ OWN_NOTHING, 0, NULL, 0 };
}

#define OWN_VALUES(...) (struct own_value[]){ __VA_ARGS__ }, sizeof((struct own_value[]){ __VA_ARGS__ }) / sizeof(struct own_value)

/* All fields of the record that was begun with this shape, in its order: as many values as it has. */
void own_fill(struct batch *b, const struct shape *shape, const struct own_value *v, size_t n);

#endif
