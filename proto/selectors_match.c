// SPDX-License-Identifier: Apache-2.0
/* selectors_match.c - does a record, as far as it is known, belong to what is selected? */
#include <string.h>

#include "selectors.h"

void select_view_init(struct select_view *v)
{
	v->known = 0;
	for (unsigned i = 0; i < SELECT__MAX; i++)
		v->field[i].n = 0;
}

void select_view_set(struct select_view *v, enum select_field field, struct str s)
{
	v->known |= 1u << field;
	v->field[field].n = s.p ? 1 : 0;
	v->field[field].v[0] = s;
}

void select_view_text(struct select_view *v, enum select_field field, const char *s)
{
	select_view_set(v, field, (struct str){ s, s ? strlen(s) : 0 });
}

void select_view_add(struct select_view *v, enum select_field field, struct str s)
{
	struct select_values *f = &v->field[field];

	if (f->n == SELECT_VALUES_MAX) {
		v->known &= ~(1u << field);
		return;
	}
	f->v[f->n++] = s;
}

static bool hit_one(enum select_op op, struct str want, struct str have)
{
	switch (op) {
	case SELECT_EQUALS:
	case SELECT_NOT_EQUALS:
		return have.n == want.n && !memcmp(have.p, want.p, want.n);
	case SELECT_STARTS:
	case SELECT_NOT_STARTS:
		return have.n >= want.n && !memcmp(have.p, want.p, want.n);
	case SELECT_ENDS:
	case SELECT_NOT_ENDS:
		return have.n >= want.n && !memcmp(have.p + have.n - want.n, want.p, want.n);
	case SELECT_OP__MAX:
		break;
	}
	return false;
}

static bool hit(const struct select_condition *c, enum select_op op, const struct select_values *have)
{
	const struct select_list *l = &c->op[op];

	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < have->n; k++)
			if (hit_one(op, l->v[i], have->v[k]))
				return true;
	return false;
}

static enum select_answer select_condition_match(const struct select_condition *c, const struct select_view *v)
{
	const struct select_values *have = &v->field[c->field];
	bool positive = false, held = false;

	if (!(v->known >> c->field & 1))
		return SELECT_MAYBE;
	for (unsigned op = SELECT_NOT_EQUALS; op < SELECT_OP__MAX; op++)
		if (hit(c, op, have))
			return SELECT_NO;
	for (unsigned op = SELECT_EQUALS; op < SELECT_NOT_EQUALS && !held; op++) {
		positive |= c->op[op].n > 0;
		held = hit(c, op, have);
	}
	return held || !positive ? SELECT_YES : SELECT_NO;
}

enum select_answer selector_match(const struct selector *s, const struct select_view *v)
{
	enum select_answer answer = SELECT_YES;

	for (unsigned i = 0; i < s->nconditions && answer != SELECT_NO; i++) {
		enum select_answer a = select_condition_match(&s->conditions[i], v);

		answer = a < answer ? a : answer;
	}
	return answer;
}

enum select_answer selectors_match(const struct selectors *s, const struct select_view *v)
{
	enum select_answer answer = SELECT_NO;

	for (unsigned i = 0; i < s->n && answer != SELECT_YES; i++) {
		enum select_answer a = selector_match(&s->v[i], v);

		answer = a > answer ? a : answer;
	}
	return answer;
}
