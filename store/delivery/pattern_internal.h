/* SPDX-License-Identifier: Apache-2.0 */
/* pattern_internal.h - what the reading of patterns (pattern.c) and the matching (pattern_match.c) share. */
#ifndef HOSTTRAIL_STORE_PATTERN_INTERNAL_H
#define HOSTTRAIL_STORE_PATTERN_INTERNAL_H

#include "pattern.h"

/* Whether the list beside "$or" is one of alternatives, and not a field of that name. */
bool pattern_is_or(struct json_object *value);
/* 0, or -EINVAL: not an address and a length. */
int pattern_cidr(const char *text, int *ret_family, unsigned char ret_address[16], unsigned *ret_bits);
/* event: an object, or anything else: then no field is there. */
bool pattern_object_matches(struct json_object *pattern, struct json_object *event);

#endif
