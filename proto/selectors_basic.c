// SPDX-License-Identifier: Apache-2.0
/*
 * selectors_basic.c - basic selectors, as the advanced ones that mean the same: one for the management events, one for
 * each element of DataResources.
 */
#include "selectors_internal.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"

struct basic {
	const char *read_write;		/* "true", "false" of readOnly; NULL: both */
	bool management;
	struct json_object *exclude, *data;
};

static int put(struct select_parse *p, struct selector *s, enum select_field field, enum select_op op, const char *text)
{
	struct select_condition *c = select_condition_add(p, s, field);
	unsigned values = p->values;
	int r = c ? select_value_add(p, c, op, text, strlen(text)) : -ENOMEM;

	p->values = values;	/* what the file does not say does not count against its limit */
	return r;
}

static int put_common(struct select_parse *p, const struct basic *b, const char *category, struct selector **ret_s)
{
	struct selector *s = select_add(p, NULL);
	int r;

	if (!s)
		return -ENOMEM;
	r = put(p, s, SELECT_CATEGORY, SELECT_EQUALS, category);
	if (!r && b->read_write)
		r = put(p, s, SELECT_READ_ONLY, SELECT_EQUALS, b->read_write);
	*ret_s = s;
	return r;
}

static int management(struct select_parse *p, const struct basic *b)
{
	static const char *const allowed[] = { "kms.amazonaws.com", "rdsdata.amazonaws.com" };
	struct select_condition *c;
	struct selector *s;
	int r = put_common(p, b, "Management", &s);

	if (r < 0 || !b->exclude || !json_object_array_length(b->exclude))
		return r;
	for (size_t i = 0; i < json_object_array_length(b->exclude); i++) {
		const char *v = json_object_get_string(json_object_array_get_idx(b->exclude, i));

		if (!v || (strcmp(v, allowed[0]) && strcmp(v, allowed[1])))
			return select_refuse(p, "ExcludeManagementEventSources may hold %s and %s only", allowed[0], allowed[1]);
	}
	c = select_condition_add(p, s, SELECT_SOURCE);
	return c ? select_values_add(p, c, SELECT_NOT_EQUALS, b->exclude) : -ENOMEM;
}

/* "arn:aws:s3" alone means everything, and S3 and our resources go by prefix; functions and tables are named whole. */
static enum select_op resource_op(const char *type, const char *value)
{
	bool prefix = !strcmp(type, "AWS::S3::Object") || !strncmp(type, "Linux::", 7);

	return prefix || !strcmp(value, "arn:aws:lambda") || !strcmp(value, "arn:aws:dynamodb") ? SELECT_STARTS : SELECT_EQUALS;
}

static bool known_type(const char *type)
{
	return !strcmp(type, "AWS::S3::Object") || !strcmp(type, "AWS::Lambda::Function") || !strcmp(type, "AWS::DynamoDB::Table") ||
	       !strncmp(type, "Linux::", 7);
}

static int resource(struct select_parse *p, const struct basic *b, struct json_object *o)
{
	static const char *const known[] = { "Type", "Values", NULL };
	struct json_object *type, *values = NULL;
	struct select_condition *c = NULL;
	const char *name;
	struct selector *s;
	int r;

	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, "Type", &type) ||
	    !json_object_is_type(type, json_type_string))
		return select_refuse(p, "an element of DataResources is an object with \"Type\"");
	name = json_object_get_string(type);
	if (!known_type(name))
		return select_refuse(p, "DataResources: \"%.60s\" is not a type that basic selectors know", name);
	r = select_members(p, o, known) ?: put_common(p, b, "Data", &s) ?: put(p, s, SELECT_RESOURCE_TYPE, SELECT_EQUALS, name);
	if (r < 0)
		return r;
	json_object_object_get_ex(o, "Values", &values);
	if (!json_object_is_type(values, json_type_array) || !json_object_array_length(values))
		return select_refuse(p, "DataResources: Values must be an array of ARNs");
	for (size_t i = 0; i < json_object_array_length(values) && !r; i++) {
		const char *v = json_object_get_string(json_object_array_get_idx(values, i));

		if (!v || !*v)
			return select_refuse(p, "DataResources: a value is an ARN or the beginning of one");
		if (p->resources++ == SELECTORS_RESOURCES_MAX)
			return select_refuse(p, "more than %d values in DataResources", SELECTORS_RESOURCES_MAX);
		c = c ?: select_condition_add(p, s, SELECT_RESOURCE_ARN);
		r = c ? select_value_add(p, c, resource_op(name, v), v, strlen(v)) : -ENOMEM;
	}
	return r;
}

static int read_write(struct select_parse *p, struct json_object *o, struct basic *b)
{
	struct json_object *v = NULL;
	const char *text;

	if (!json_object_object_get_ex(o, "ReadWriteType", &v) || !v)
		return 0;
	text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
	if (!strcmp(text, "ReadOnly"))
		b->read_write = "true";
	else if (!strcmp(text, "WriteOnly"))
		b->read_write = "false";
	else if (strcmp(text, "All"))
		return select_refuse(p, "ReadWriteType is ReadOnly, WriteOnly or All");
	return 0;
}

static int take_list(struct select_parse *p, struct json_object *o, const char *key, struct json_object **ret_v)
{
	if (json_object_object_get_ex(o, key, ret_v) && *ret_v && !json_object_is_type(*ret_v, json_type_array))
		return select_refuse(p, "%s must be an array", key);
	return 0;
}

int select_basic(struct select_parse *p, struct json_object *o)
{
	static const char *const known[] = { "ReadWriteType", "IncludeManagementEvents", "DataResources",
					     "ExcludeManagementEventSources", NULL };
	struct basic b = { .management = true };
	struct json_object *v = NULL;
	int r = select_members(p, o, known) ?: read_write(p, o, &b) ?: take_list(p, o, "DataResources", &b.data) ?:
		take_list(p, o, "ExcludeManagementEventSources", &b.exclude);

	if (r < 0)
		return r;
	if (json_object_object_get_ex(o, "IncludeManagementEvents", &v) && v) {
		if (!json_object_is_type(v, json_type_boolean))
			return select_refuse(p, "IncludeManagementEvents is true or false");
		b.management = json_object_get_boolean(v);
	}
	if (b.management)
		r = management(p, &b);
	for (size_t i = 0; b.data && i < json_object_array_length(b.data) && !r; i++)
		r = resource(p, &b, json_object_array_get_idx(b.data, i));
	return r;
}
