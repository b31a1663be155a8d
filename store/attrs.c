/* SPDX-License-Identifier: Apache-2.0 */
#include "attrs.h"

#include <errno.h>
#include <string.h>

#include "input.h"
#include "proto/json.h"

#define VALUE_MAX 2000

static const char *const names[ATTR__MAX] = {
	[ATTR_EVENT_ID] = "EventId",
	[ATTR_EVENT_NAME] = "EventName",
	[ATTR_READ_ONLY] = "ReadOnly",
	[ATTR_USERNAME] = "Username",
	[ATTR_RESOURCE_TYPE] = "ResourceType",
	[ATTR_RESOURCE_NAME] = "ResourceName",
	[ATTR_EVENT_SOURCE] = "EventSource",
	[ATTR_ACCESS_KEY] = "AccessKeyId",
};

/* Characters, where '_', space, comma and newline count twice, as CloudTrail counts them. */
static size_t counted_length(const char *p, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			sum++;
		if (p[i] == '_' || p[i] == ' ' || p[i] == ',' || p[i] == '\n')
			sum++;
	}
	return sum;
}

/* Text shows odd bytes escaped; asked for in that form, they are found. */
static int set_value(struct attr_value *v, const char *p, size_t n, struct reply *r)
{
	uint8_t id[16];

	if (v->attr == ATTR_EVENT_ID) {
		v->impossible = n != strlen(p) || uuid_parse(p, id) < 0;
		return v->impossible ? 0 : buf_add(&v->value, id, sizeof(id));
	}
	if (v->attr == ATTR_READ_ONLY && strcmp(p, "true") && strcmp(p, "false"))
		return reply_error(r, "InvalidLookupAttributesException", "ReadOnly takes the values true and false.");
	if (json_unescape(p, n, &v->value) == -EINVAL) {
		buf_reset(&v->value);
		buf_add(&v->value, p, n);
	}
	return v->value.failed ? reply_fault(r, 500, "InternalFailure", "out of memory") : 0;
}

int attr_parse(struct json_object *in, struct reply *r, struct attr_value *ret_v)
{
	const char *key, *value;
	size_t key_len, value_len;
	int res = input_text(in, "AttributeKey", r, &key, &key_len);

	if (!res)
		res = input_text(in, "AttributeValue", r, &value, &value_len);
	if (res < 0)
		return res;
	if (!key || !value)
		return reply_error(r, "InvalidLookupAttributesException", "A lookup attribute needs an AttributeKey and an AttributeValue.");
	memset(ret_v, 0, sizeof(*ret_v));
	while (ret_v->attr < ATTR__MAX && (strlen(key) != key_len || strcmp(names[ret_v->attr], key)))
		ret_v->attr++;
	if (ret_v->attr == ATTR__MAX)
		return reply_error(r, "InvalidLookupAttributesException",
				   "AttributeKey is none of EventId, EventName, ReadOnly, Username, "
				   "ResourceType, ResourceName, EventSource, AccessKeyId.");
	if (value_len == 0 || counted_length(value, value_len) > VALUE_MAX)
		return reply_error(r, "InvalidLookupAttributesException", "AttributeValue must have 1 to %d characters.", VALUE_MAX);
	return set_value(ret_v, value, value_len, r);
}

static bool is(const struct attr_value *v, struct str s)
{
	return s.n == v->value.n && !memcmp(s.p, v->value.p, s.n);
}

static bool any(const struct attr_value *v, const struct str *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (is(v, s[i]))
			return true;
	return false;
}

bool attr_matches(const struct attr_value *v, const struct record_summary *s)
{
	if (v->impossible)
		return false;
	switch (v->attr) {
	case ATTR_EVENT_ID:
		return is(v, (struct str){ (const char *)s->event_id, sizeof(s->event_id) });
	case ATTR_EVENT_NAME:
		return is(v, s->event_name);
	case ATTR_READ_ONLY:
		return is(v, s->read_only ? (struct str){ "true", 4 } : (struct str){ "false", 5 });
	case ATTR_USERNAME:
		return any(v, s->usernames, s->nusernames);
	case ATTR_RESOURCE_TYPE:
		return any(v, s->resource_types, s->nresources);
	case ATTR_RESOURCE_NAME:
		return any(v, s->resource_names, s->nresources);
	case ATTR_EVENT_SOURCE:
		return is(v, s->event_source);
	case ATTR_ACCESS_KEY:
		return is(v, s->access_key);
	case ATTR__MAX:
		break;
	}
	return false;
}

void attr_value_free(struct attr_value *v)
{
	buf_free(&v->value);
}
