/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_mem_internal.h - what the readers of structures share (decode_mem.c, decode_task.c, decode_command.c): the structure as it was
 * read, and how its values are put. A structure may be shorter than its reader knows: get() gives 0 for what is missing.
 */
#ifndef HOSTTRAIL_DECODE_MEM_INTERNAL_H
#define HOSTTRAIL_DECODE_MEM_INTERNAL_H

#include <string.h>

#include "decode_internal.h"

#define MEM_FIELDS_MAX 24
#define UTIME_NOW_NSEC ((1l << 30) - 1l)
#define UTIME_OMIT_NSEC ((1l << 30) - 2l)

struct mem {
	struct decoder *d;
	const struct call_arg *a;
	unsigned first;			/* field */
	const uint8_t *p;		/* the structure */
	uint32_t n;
};

static inline uint64_t get(const struct mem *m, unsigned at, unsigned size)
{
	uint64_t v = 0;

	if (at + size <= m->n)
		memcpy(&v, m->p + at, size);	/* little endian, as every ABI that arch_*.c lists */
	return v;
}

static inline int64_t get_signed(const struct mem *m, unsigned at, unsigned size)
{
	uint64_t v = get(m, at, size);

	return size == 4 ? (int32_t)v : (int64_t)v;
}

static inline void put_int(const struct mem *m, unsigned field, int64_t v)
{
	batch_int(m->d->b, m->first + field, v);
}

static inline void put_set(const struct mem *m, unsigned field, const struct flagset *set, uint64_t v)
{
	put_flags(m->d, m->first + field, set, v);
}

static inline void put_value(const struct mem *m, unsigned field, const struct flagset *set, uint64_t v)
{
	put_name(m->d, m->first + field, set, v);
}

static inline void put_fixed(const struct mem *m, unsigned field, unsigned at, unsigned max)
{
	if (at < m->n && m->p[at]) {
		const char *p = (const char *)m->p + at;

		batch_string(m->d->b, m->first + field, p, strnlen(p, max < m->n - at ? max : m->n - at));
	}
}

static inline unsigned text_s64(int64_t v, char *out)
{
	out[0] = '-';
	return v < 0 ? 1 + text_u64(-(uint64_t)v, out + 1) : text_u64((uint64_t)v, out);
}

/* "1795342530.123456789": seconds and a fraction of `digits` digits. "-1+-1n": a fraction that is none, in nano- or microseconds. */
static inline void put_time(const struct mem *m, unsigned field, int64_t sec, int64_t fraction, unsigned digits)
{
	char text[48];
	unsigned n = 0;

	if (digits == 9 && (fraction == UTIME_NOW_NSEC || fraction == UTIME_OMIT_NSEC)) {
		const char *word = fraction == UTIME_NOW_NSEC ? "UTIME_NOW" : "UTIME_OMIT";

		batch_string(m->d->b, m->first + field, word, strlen(word));
		return;
	}
	n = text_s64(sec, text);
	if (digits && (fraction < 0 || fraction >= (digits == 9 ? 1000000000 : 1000000))) {
		text[n++] = '+';	/* no such time: both numbers as they were passed */
		n += text_s64(fraction, text + n);
		text[n++] = digits == 9 ? 'n' : 'u';
	} else if (digits) {
		text[n++] = '.';
		for (unsigned i = digits; i--; fraction /= 10)
			text[n + i] = (char)('0' + fraction % 10);
		n += digits;
	}
	batch_string(m->d->b, m->first + field, text, n);
}

#define F(name, kind) { SECTION_REQUEST, name, FIELD_##kind, NULL }
#define R(name, kind) { SECTION_RESPONSE, name, FIELD_##kind, NULL }

struct mem_kind_row {
	void (*put)(const struct mem *m);
	struct shape_field v[MEM_FIELDS_MAX];
};

/* decode_task.c and decode_command.c: by enum mem_kind; empty where another file has the kind. */
extern const struct mem_kind_row mem_kinds_task[MEM__MAX], mem_kinds_command[MEM__MAX];

#endif
