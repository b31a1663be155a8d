/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields.h - what the decoder needs beyond decode.h to read fields: one field's own check, and path texts.
 *
 * Path texts go into the caller's room and are never longer than it; nothing is allocated. Thread-safe.
 */
#ifndef HOSTTRAIL_FIELDS_H
#define HOSTTRAIL_FIELDS_H

#include <stdbool.h>

#include "decode.h"

/* The event without its fields: sizes, kind, ABI, class, call. 0 and where the fields begin, or -EBADMSG. */
int event_head_check(const void *p, uint32_t n, size_t *ret_fixed);
/* Like field_next(), and looks whether the field is what its kind promises: 1, 0 at the end, -EBADMSG. */
int field_take_checked(struct field_iter *i, struct ht_field *ret_f, const uint8_t **ret_data);

/* What a walk says beside its path. `path` and `in_root` lie in the room that was given. */
struct walk_view {
	struct ht_walk w;
	struct str path;
	struct str in_root;		/* n == 0: the same as path, or no chroot */
	struct str last;		/* leaf name, in the field's bytes; n == 0: none */
	const char *kind;		/* pathKind or NULL */
};
/* 0 or -EBADMSG (data is no walk). What does not fit is cut at the root's side and begins with "...". */
int walk_read(const uint8_t *data, uint32_t len, char *room, size_t max, struct walk_view *ret_v);

/* Appends a requested path to out (n bytes used): without "." and empty parts, ".." stays, because what it means
 * depends on symbolic links. Returns the new length; at most max. */
size_t path_join(char *out, size_t n, size_t max, const uint8_t *p, size_t len);

#endif
