/* SPDX-License-Identifier: Apache-2.0 */
/* members.h - members of objects that json-c parsed. Texts are borrowed from the object. */
#ifndef HOSTTRAIL_STORE_MEMBERS_H
#define HOSTTRAIL_STORE_MEMBERS_H

#include <json-c/json.h>
#include <stdint.h>

#include "lib/clock.h"

/* otherwise: where o is NULL, or has no such member, or that is no text. */
static inline const char *member_text(struct json_object *o, const char *key, const char *otherwise)
{
	struct json_object *v;

	return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : otherwise;
}

/* A text that is a time, as ns since the epoch. */
static inline int64_t member_time(struct json_object *o, const char *key, int64_t otherwise)
{
	int64_t ns;

	return clock_parse(member_text(o, key, ""), &ns) == 0 ? ns : otherwise;
}

#endif
