/* SPDX-License-Identifier: Apache-2.0 */
/* aws_model.c - reading the tables: names, shapes, operations, services. */
#include "agent/api/aws_internal.h"

struct str aws_name(unsigned id)
{
	unsigned n = 0;

	if (id >= aws_nnames)
		return (struct str){ 0 };
	while (n < AWS_NAME_MAX && aws_name_first[n + 1] <= id)
		n++;
	return (struct str){ aws_name_text + aws_name_base[n] + (size_t)(id - aws_name_first[n]) * n, n };
}

int aws_name_id(struct str s)
{
	unsigned low, high;

	if (!s.p || s.n > AWS_NAME_MAX)
		return -1;
	low = aws_name_first[s.n];
	high = aws_name_first[s.n + 1];
	while (low < high) {
		unsigned mid = low + (high - low) / 2;
		int d = memcmp(s.p, aws_name_text + aws_name_base[s.n] + (size_t)(mid - aws_name_first[s.n]) * s.n, s.n);

		if (!d)
			return (int)mid;
		if (d < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -1;
}

bool aws_shape_get(unsigned id, struct aws_shape *ret)
{
	const uint16_t *w;

	if (id < AWS_SHAPE_FIRST || id >= aws_nshapes)
		return false;
	w = aws_words + aws_shape_at[id - AWS_SHAPE_FIRST];
	*ret = (struct aws_shape){ .kind = w[0] & 7 };
	if (ret->kind == AWS_STRUCTURE) {
		ret->payload = w[0] >> 3;
		ret->n = w[1];
		ret->words = w + 2;
		return true;
	}
	ret->flat = w[0] >> 3;
	ret->element = w[1];
	ret->item = w[2];
	if (ret->kind == AWS_MAP)
		ret->value = w[3];
	return true;
}

bool aws_member_next(struct aws_shape *s, struct aws_member *ret)
{
	const uint16_t *w = s->words;

	if (s->kind != AWS_STRUCTURE || !s->n)
		return false;
	s->n--;
	*ret = (struct aws_member){ .name = w[0], .shape = w[1], .wire = w[0] };
	s->words += 2;
	if (w[1] & AWS_EXTRA) {
		ret->shape = w[1] & ~AWS_EXTRA;
		ret->wire = aws_extras[w[2]].wire;
		ret->location = aws_extras[w[2]].location;
		s->words++;
	}
	return true;
}

bool aws_member_find(unsigned shape, struct str wire, enum aws_location location, struct aws_member *ret)
{
	int id = aws_name_id(wire);
	struct aws_member m;
	struct aws_shape s;

	if (id < 0 || !aws_shape_get(shape, &s))
		return false;
	while (aws_member_next(&s, &m))
		if (m.wire == (unsigned)id && m.location == location) {
			*ret = m;
			return true;
		}
	return false;
}

const struct aws_op *aws_op_find(const struct aws_service *s, struct str name)
{
	int id = aws_name_id(name);
	unsigned low = s->first, high = s->first + s->count;

	while (id >= 0 && low < high) {
		unsigned mid = low + (high - low) / 2;

		if (aws_ops[mid].name == id)
			return &aws_ops[mid];
		if (aws_ops[mid].name > id)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* As strcmp() of the text with a NUL behind it. */
static int compare(struct str s, const char *text)
{
	int d = strncmp(s.p, text, s.n);

	return d ? d : text[s.n] ? -1 : 0;
}

static const struct aws_service *by_signing(unsigned i)
{
	return &aws_services[i];
}

static const struct aws_service *by_prefix(unsigned i)
{
	return &aws_services[aws_by_prefix[i]];
}

/* The first service in an order whose name there is not less. */
static unsigned lower_bound(struct str name, const struct aws_service *(*order)(unsigned i), bool prefix)
{
	unsigned low = 0, high = aws_nservices;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (compare(name, prefix ? order(mid)->prefix : order(mid)->signing) > 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

unsigned aws_services_signing(struct str name, unsigned *ret_first)
{
	unsigned first, n = 0;
	const struct aws_service *s;

	if (!name.n)
		return 0;
	first = lower_bound(name, by_signing, false);
	while (first + n < aws_nservices && str_is(name, aws_services[first + n].signing))
		n++;
	*ret_first = first;
	if (n)
		return n;
	s = aws_service_prefix(name);
	*ret_first = s ? (unsigned)(s - aws_services) : 0;
	return s != NULL;
}

const struct aws_service *aws_service_prefix(struct str prefix)
{
	unsigned i = prefix.n ? lower_bound(prefix, by_prefix, true) : aws_nservices;

	return i < aws_nservices && str_is(prefix, by_prefix(i)->prefix) ? by_prefix(i) : NULL;
}

const struct aws_service *aws_service_target(struct str target)
{
	for (unsigned i = 0; i < aws_nservices && target.n; i++)
		if (str_is(target, aws_services[i].target))
			return &aws_services[i];
	return NULL;
}

struct str aws_lower_camel(struct api_arena *a, struct str name)
{
	char *p;

	if (!name.n || name.p[0] < 'A' || name.p[0] > 'Z')
		return name;
	p = api_arena_get(a, name.n + 1);
	if (!p)
		return (struct str){ 0 };
	memcpy(p, name.p, name.n);
	p[0] = (char)(p[0] - 'A' + 'a');
	return (struct str){ p, name.n };
}
