/* SPDX-License-Identifier: Apache-2.0 */
/* aws_model.c - reading the tables: names, shapes, operations, services. */
#include "agent/api/aws_internal.h"

struct str aws_name(unsigned id)
{
	unsigned n = 0, above = AWS_NAME_MAX;

	if (id >= aws_nnames)
		return (struct str){ 0 };
	while (n < above) {		/* names of n bytes begin at aws_name_first[n] */
		unsigned mid = n + (above - n) / 2;

		if (aws_name_first[mid + 1] <= id)
			n = mid + 1;
		else
			above = mid;
	}
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

/* The order of the tables. A text from outside may have NULs in it. */
static int compare(struct str s, const char *text)
{
	size_t n = strlen(text);
	int d = memcmp(s.p, text, s.n < n ? s.n : n);

	return d ? d : (s.n > n) - (s.n < n);
}

static const char *last_part(const char *text)
{
	const char *dot = strrchr(text, '.');

	return dot ? dot + 1 : text;
}

enum order { BY_SIGNING, BY_PREFIX, BY_TARGET };

static const char *name_in(enum order order, unsigned i)
{
	if (order == BY_SIGNING)
		return aws_services[i].signing;
	return order == BY_PREFIX ? aws_services[aws_by_prefix[i]].prefix : last_part(aws_services[aws_by_target[i]].target);
}

/* The first in an order whose name there is not less. */
static unsigned lower_bound(struct str name, enum order order)
{
	unsigned low = 0, high = order == BY_TARGET ? aws_ntargets : aws_nservices;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (compare(name, name_in(order, mid)) > 0)
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
	first = lower_bound(name, BY_SIGNING);
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
	unsigned i = prefix.n ? lower_bound(prefix, BY_PREFIX) : aws_nservices;

	return i < aws_nservices && str_is(prefix, name_in(BY_PREFIX, i)) ? &aws_services[aws_by_prefix[i]] : NULL;
}

const struct aws_service *aws_service_target(struct str part, unsigned n)
{
	unsigned i = part.n ? lower_bound(part, BY_TARGET) + n : aws_ntargets;

	return i < aws_ntargets && str_is(part, name_in(BY_TARGET, i)) ? &aws_services[aws_by_target[i]] : NULL;
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
