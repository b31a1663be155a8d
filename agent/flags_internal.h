/* SPDX-License-Identifier: Apache-2.0 */
/* flags_internal.h - how a line of a flags_*.c table is written. */
#ifndef HOSTTRAIL_FLAGS_INTERNAL_H
#define HOSTTRAIL_FLAGS_INTERNAL_H

#include "flags.h"

#ifdef __aarch64__	/* glibc's own O_LARGEFILE is 0 where files are large anyway */
#define LARGEFILE 0400000
#else
#define LARGEFILE 0100000
#endif

#define NAMED(value, mask, name) { (uint64_t)(value), (uint64_t)(mask), { name, sizeof(name) - 1 } }
#define BIT(flag) NAMED((uint32_t)(flag), (uint32_t)(flag), #flag)	/* a bit, by the header's name */
#define BITN(flag, value) NAMED(value, value, #flag)			/* a bit that the installed headers lack */
#define VAL(name) NAMED(name, ~0ull, #name)				/* a whole value */
#define VALN(name, value) NAMED(value, ~0ull, #name)
#define IN(name, mask) NAMED(name, mask, #name)				/* a value of some of the bits */
#define SET(name)                                                                                       \
	const struct flagset flagset_##name = { name##_names, sizeof(name##_names) / sizeof(name##_names[0]) }
#define TABLE(name) static const struct flag_name name##_names[]

#endif
