/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c - what makes a shape good, for the writer's static tables and for hostile bytes alike. */
#include <errno.h>
#include <string.h>

#include "record.h"

/* Members of additionalEventData that the renderer itself writes. */
static const char *const reserved[] = {
	"eventTimeNanos", "repeatCount", "firstEventTimeNanos", "restarts", "process", "hostId", "hostname",
};

static bool text_ok(const char *s, size_t max)
{
	size_t n = 0;

	if (!s)
		return false;
	for (; s[n]; n++)
		if (s[n] < ' ' || s[n] > '~' || s[n] == '"' || s[n] == '\\')
			return false;
	return n && n <= max;
}

static bool name_ok(const char *name)
{
	unsigned depth = 1;
	size_t part = 0;

	if (!text_ok(name, SHAPE_NAME_MAX))
		return false;
	for (const char *c = name; *c; c++) {
		if (*c != '.') {
			part++;
			continue;
		}
		if (!part || ++depth > RECORD_NAME_DEPTH)
			return false;
		part = 0;
	}
	return part > 0;
}

static bool name_reserved(const struct shape_field *f)
{
	size_t head = strcspn(f->name, ".");

	if (f->section != SECTION_ADDITIONAL)
		return false;
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strlen(reserved[i]) == head && !memcmp(reserved[i], f->name, head))
			return true;
	return false;
}

/* Two names collide when they are the same, or when one is an object that the other is a member of. */
static bool names_collide(const struct shape_field *a, const struct shape_field *b)
{
	size_t na = strlen(a->name), nb = strlen(b->name), n = na < nb ? na : nb;
	char after = na < nb ? b->name[n] : a->name[n];

	return a->section == b->section && !memcmp(a->name, b->name, n) && (after == '\0' || after == '.');
}

static const char *field_fault(const struct shape *s, unsigned i)
{
	const struct shape_field *f = &s->fields[i];

	if (f->section < SECTION_REQUEST || f->section > SECTION_TLS)
		return "unknown section";
	if (f->kind < FIELD_INT || f->kind > FIELD_JSON)
		return "unknown kind of field";
	if (!name_ok(f->name) || (f->resource_type && !text_ok(f->resource_type, SHAPE_NAME_MAX)))
		return "bad field name or resource type";
	if (f->section == SECTION_RESOURCE && !f->resource_type)
		return "a resource without a type";
	if (name_reserved(f))
		return "reserved field name";
	for (unsigned j = 0; j < i; j++)
		if (names_collide(f, &s->fields[j]))
			return "colliding field names";
	return NULL;
}

int shape_check(const struct shape *s, const char **ret_why)
{
	const char *why = NULL;

	if (!text_ok(s->event_source, SHAPE_SOURCE_MAX) || !text_ok(s->event_name, SHAPE_SOURCE_MAX) ||
	    !text_ok(s->event_type, SHAPE_SOURCE_MAX))
		why = "shape without a good source, name or type";
	else if (s->category < CATEGORY_MANAGEMENT || s->category > CATEGORY_INSIGHT)
		why = "unknown category";
	else if (s->nfields > RECORD_FIELDS_MAX)
		why = "too many fields in a shape";
	for (unsigned i = 0; !why && i < s->nfields; i++)
		why = field_fault(s, i);
	if (!why)
		return 0;
	if (ret_why)
		*ret_why = why;
	return -EINVAL;
}
