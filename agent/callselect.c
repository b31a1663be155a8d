// SPDX-License-Identifier: Apache-2.0
#include "callselect.h"

#include <string.h>

#include "calls_internal.h"
#include "calls.h"

/* Does the selector ask for names, rather than rule some out? */
static bool asks_for_names(const struct selector *s)
{
	for (unsigned i = 0; i < s->nconditions; i++) {
		const struct select_condition *c = &s->conditions[i];

		if (c->field == SELECT_NAME && (c->op[SELECT_EQUALS].n || c->op[SELECT_STARTS].n || c->op[SELECT_ENDS].n))
			return true;
	}
	return false;
}

/* What is known of every record of the call, of this category. */
static void show_row(const struct call *row, enum record_category category, struct select_view *v)
{
	select_view_init(v);
	select_view_text(v, SELECT_NAME, row->name);
	select_view_text(v, SELECT_SOURCE, row->source);
	select_view_text(v, SELECT_TYPE, "HostApiCall");
	select_view_text(v, SELECT_CATEGORY, select_category_name(category));
	select_view_text(v, SELECT_CONSOLE, NULL);
	select_view_text(v, SELECT_VPC_ENDPOINT, NULL);
	if (row->read_only == RO_NO || row->read_only == RO_YES)
		select_view_text(v, SELECT_READ_ONLY, row->read_only == RO_YES ? "true" : "false");
}

/* The name of an extended attribute decides it: decode.c. */
static bool may_be_management(const struct call *row)
{
	for (const struct call_arg *a = row->args; a->name; a++)
		if (a->kind == ARG_XATTR)
			return true;
	return false;
}

/* What selectors say of every record of the call: with `ok` of those of a call that succeeded. MAYBE: they differ, or more would
 * have to be known. */
static enum select_answer say(const struct selectors *s, const struct call *row, enum record_category category, bool ok)
{
	struct select_view v;

	show_row(row, category, &v);
	if (ok)
		select_view_text(&v, SELECT_ERROR, NULL);
	return selectors_match(s, &v);
}

static bool always_said(const struct selectors *s, unsigned call, bool ok, enum select_answer answer)
{
	const struct call *row = calls_row(call);

	return row && say(s, row, row->category, ok) == answer && (!may_be_management(row) || say(s, row, CATEGORY_MANAGEMENT, ok) == answer);
}

bool callselect_sure(const struct selectors *s, unsigned call)
{
	return always_said(s, call, false, SELECT_YES);
}

bool callselect_failed(const struct selectors *s, unsigned call)
{
	return always_said(s, call, true, SELECT_NO);
}

bool callselect_wants(const struct selector *s, unsigned call)
{
	const struct call *row = calls_row(call);
	struct select_view v;

	if (!row || (calls_high_rate(call) && !asks_for_names(s)))
		return false;
	show_row(row, row->category, &v);
	if (selector_match(s, &v) != SELECT_NO)
		return true;
	show_row(row, may_be_management(row) ? CATEGORY_MANAGEMENT : row->category, &v);
	return selector_match(s, &v) != SELECT_NO;
}

/* One selector, one category. Also what the flags of an open and the outcome say. */
static bool may_want(const struct selector *s, const struct call *row, enum record_category category, bool failed, bool changes)
{
	struct select_view v;

	show_row(row, category, &v);
	if (row->read_only == RO_OPEN)
		select_view_text(&v, SELECT_READ_ONLY, changes ? "false" : "true");
	if (!failed)
		select_view_text(&v, SELECT_ERROR, NULL);
	return selector_match(s, &v) != SELECT_NO;
}

bool callselect_may(const struct selector *s, unsigned call, bool failed, bool changes)
{
	const struct call *row = calls_row(call);

	if (!callselect_wants(s, call))
		return false;
	return may_want(s, row, row->category, failed, changes) ||
	       (may_be_management(row) && may_want(s, row, CATEGORY_MANAGEMENT, failed, changes));
}

enum callselect_where callselect_where(enum select_field field)
{
	switch (field) {
	case SELECT_NAME:
	case SELECT_SOURCE:
	case SELECT_TYPE:
	case SELECT_CONSOLE:
	case SELECT_VPC_ENDPOINT:
		return CALLSELECT_CALL;
	case SELECT_CATEGORY:
	case SELECT_READ_ONLY:
		return CALLSELECT_EITHER;
	case SELECT_ERROR:
		return CALLSELECT_OUTCOME;
	case SELECT_EUID:
	case SELECT_LOGINUID:
		return CALLSELECT_WHO;
	case SELECT_CGROUP:
	case SELECT_CONTAINER:
		return CALLSELECT_WHERE;
	case SELECT_PATH:
		return CALLSELECT_FILE;
	default:
		return CALLSELECT_RECORD;
	}
}

/* A multiplexer is looked at if any call behind it is wanted. */
static void add_multiplexers(uint64_t *calls)
{
	static const char *const names[HT_MULTIPLEXERS] = { "socketcall", "ipc" };

	for (unsigned m = 0; m < HT_MULTIPLEXERS; m++)
		for (uint32_t nr = 0; nr < HT_BEHIND_MAX; nr++)
			if (probes_calls_has(calls, calls_behind(m, nr)) && calls_behind(m, nr))
				probes_calls_add(calls, calls_lookup(names[m]));
}

/* Each exec sets the number to that of another one, and what it was is told by both its ends: all of them, or none. */
static void add_execs(uint64_t *calls)
{
	bool any = false;

	for (unsigned i = 1; i < calls_count(); i++)
		any |= (calls_descs()[i].flags & HT_CALL_F_EXEC) && probes_calls_has(calls, i);
	for (unsigned i = 1; any && i < calls_count(); i++)
		if (calls_descs()[i].flags & HT_CALL_F_EXEC)
			probes_calls_add(calls, i);
}

void callselect(const struct selectors *s, uint64_t ret_calls[PROBES_CALLS_WORDS])
{
	memset(ret_calls, 0, PROBES_CALLS_WORDS * sizeof(*ret_calls));
	for (unsigned i = 1; i < calls_count(); i++)
		for (unsigned k = 0; k < s->n; k++)
			if (callselect_wants(&s->v[k], i))
				probes_calls_add(ret_calls, i);
	add_multiplexers(ret_calls);
	add_execs(ret_calls);
}
