/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include <json-c/json.h>

/* The parser takes texts in single quotes, too, however strict it is told to be. */
static bool has_single_quotes(const char *p, size_t n)
{
	bool text = false;

	for (size_t i = 0; i < n; i++) {
		if (text && p[i] == '\\')
			i++;
		else if (p[i] == '"')
			text = !text;
		else if (p[i] == '\'' && !text)
			return true;
	}
	return false;
}

int input_parse(const void *p, size_t n, struct reply *r, struct json_object **ret)
{
	struct json_tokener *t;
	struct json_object *v = NULL;
	bool whole;

	while (n && strchr(" \t\r\n", ((const char *)p)[n - 1]) && ((const char *)p)[n - 1])
		n--;
	if (n == 0) {
		*ret = json_object_new_object();
		return *ret ? 0 : reply_fault(r, 500, "InternalFailure", "out of memory");
	}
	t = json_tokener_new_ex(INPUT_DEPTH);
	if (!t)
		return reply_fault(r, 500, "InternalFailure", "out of memory");
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	v = json_tokener_parse_ex(t, p, (int)n);
	whole = json_tokener_get_error(t) == json_tokener_success && json_tokener_get_parse_end(t) == n;
	json_tokener_free(t);
	if (whole && json_object_is_type(v, json_type_object) && !has_single_quotes(p, n)) {
		*ret = v;
		return 0;
	}
	json_object_put(v);
	return reply_error(r, "SerializationException", "The request body is not a JSON object.");
}

void input_free(struct json_object **in)
{
	json_object_put(*in);
	*in = NULL;
}

static int wrong_type(struct reply *r, const char *key, const char *wanted)
{
	return reply_error(r, "SerializationException", "%s must be %s.", key, wanted);
}

int input_text(struct json_object *in, const char *key, struct reply *r, const char **ret, size_t *ret_n)
{
	struct json_object *v;

	*ret = NULL;
	*ret_n = 0;
	if (!json_object_object_get_ex(in, key, &v) || !v)
		return 0;
	if (!json_object_is_type(v, json_type_string))
		return wrong_type(r, key, "a string");
	*ret = json_object_get_string(v);
	*ret_n = (size_t)json_object_get_string_len(v);
	return 0;
}

int input_number(struct json_object *in, const char *key, struct reply *r, bool *ret_there, double *ret)
{
	struct json_object *v;

	*ret_there = false;
	*ret = 0;
	if (!json_object_object_get_ex(in, key, &v) || !v)
		return 0;
	if (!json_object_is_type(v, json_type_int) && !json_object_is_type(v, json_type_double))
		return wrong_type(r, key, "a number");
	*ret = json_object_get_double(v);
	*ret_there = true;
	return isfinite(*ret) ? 0 : wrong_type(r, key, "a finite number");
}

int input_times(struct json_object *in, struct reply *r, struct input_times *ret)
{
	int res = input_number(in, "StartTime", r, &ret->has_start, &ret->start);

	if (!res)
		res = input_number(in, "EndTime", r, &ret->has_end, &ret->end);
	if (!res && ret->has_start && ret->has_end && ret->start > ret->end)
		res = reply_error(r, "InvalidTimeRangeException", "The start time is after the end time.");
	return res;
}

int input_int(struct json_object *in, const char *key, struct reply *r, bool *ret_there, int64_t *ret)
{
	struct json_object *v;

	*ret_there = false;
	*ret = 0;
	if (!json_object_object_get_ex(in, key, &v) || !v)
		return 0;
	if (!json_object_is_type(v, json_type_int))
		return wrong_type(r, key, "an integer");
	*ret = json_object_get_int64(v);
	*ret_there = true;
	return 0;
}

int input_bool(struct json_object *in, const char *key, struct reply *r, bool *ret)
{
	struct json_object *v;

	*ret = false;
	if (!json_object_object_get_ex(in, key, &v) || !v)
		return 0;
	if (!json_object_is_type(v, json_type_boolean))
		return wrong_type(r, key, "a boolean");
	*ret = json_object_get_boolean(v);
	return 0;
}

bool input_has(struct json_object *in, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(in, key, &v) && v;
}

int input_array(struct json_object *in, const char *key, struct reply *r, struct json_object **ret)
{
	struct json_object *v;

	*ret = NULL;
	if (!json_object_object_get_ex(in, key, &v) || !v)
		return 0;
	if (!json_object_is_type(v, json_type_array))
		return wrong_type(r, key, "a list");
	*ret = v;
	return 0;
}

unsigned input_count(struct json_object *array)
{
	return array ? (unsigned)json_object_array_length(array) : 0;
}

int input_element(struct json_object *array, unsigned i, const char *key, struct reply *r, struct json_object **ret)
{
	struct json_object *v = json_object_array_get_idx(array, i);

	if (!json_object_is_type(v, json_type_object))
		return wrong_type(r, key, "a list of objects");
	*ret = v;
	return 0;
}

int input_element_text(struct json_object *array, unsigned i, const char *key, struct reply *r, const char **ret)
{
	struct json_object *v = json_object_array_get_idx(array, i);

	if (!json_object_is_type(v, json_type_string) || strlen(json_object_get_string(v)) != (size_t)json_object_get_string_len(v))
		return wrong_type(r, key, "a list of strings without NUL");
	*ret = json_object_get_string(v);
	return 0;
}
