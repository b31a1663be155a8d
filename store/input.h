/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input.h - a request's body: JSON from strangers, read with json-c.
 *
 * Texts are borrowed from the object. All functions: 0, or -EINVAL with a SerializationException in the reply.
 */
#ifndef HOSTTRAIL_STORE_INPUT_H
#define HOSTTRAIL_STORE_INPUT_H

#include <stdbool.h>

#include "reply.h"

#define INPUT_DEPTH 16

struct json_object;

/* The body must be one JSON object and nothing else; an empty body is {}. */
int input_parse(const void *p, size_t n, struct reply *r, struct json_object **ret);
void input_free(struct json_object **in);

/* Members of a request. Absent and null are the same: NULL, 0, false. */
int input_text(struct json_object *in, const char *key, struct reply *r, const char **ret, size_t *ret_n);
int input_int(struct json_object *in, const char *key, struct reply *r, bool *ret_there, int64_t *ret);
int input_number(struct json_object *in, const char *key, struct reply *r, bool *ret_there, double *ret);
/* StartTime and EndTime in seconds, each absent or there; the start is not after the end, or InvalidTimeRangeException. */
struct input_times {
	bool has_start, has_end;
	double start, end;		/* 0 where absent */
};
int input_times(struct json_object *in, struct reply *r, struct input_times *ret);
int input_bool(struct json_object *in, const char *key, struct reply *r, bool *ret);
/* Whether the member is there, and not null. */
bool input_has(struct json_object *in, const char *key);
int input_array(struct json_object *in, const char *key, struct reply *r, struct json_object **ret);
/* Elements of an array, which must be objects. */
unsigned input_count(struct json_object *array);
int input_element(struct json_object *array, unsigned i, const char *key, struct reply *r, struct json_object **ret);
/* Elements that must be texts. */
int input_element_text(struct json_object *array, unsigned i, const char *key, struct reply *r, const char **ret);

#endif
