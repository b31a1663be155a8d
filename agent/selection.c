// SPDX-License-Identifier: Apache-2.0
#include "selection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "proto/keys.h"
#include "selfcalls.h"

int selection_of(const char *source, const void *text, size_t n, struct selection **ret_s, char why[SELECTORS_WHY_MAX])
{
	_cleanup_(selection_free) struct selection *s = calloc(1, sizeof(*s));
	uint8_t hash[32];
	int r = s ? 0 : -ENOMEM;

	if (!r) {
		s->source = strdup(source);
		r = s->source ? buf_add(&s->text, text, n) : -ENOMEM;
	}
	if (r < 0) {
		snprintf(why, SELECTORS_WHY_MAX, "%.200s: %s", source, strerror(-r));
		return r;
	}
	sha256(text, n, hash);
	hex_text(hash, sizeof(hash), s->sha256);
	if (n)
		r = selectors_parse(text, n, &s->selectors, why);
	for (unsigned i = 1; !r && s->selectors && i < calls_count(); i++)
		if (callselect_sure(s->selectors, i))
			probes_calls_add(s->sure, i);
	if (!r)
		*ret_s = TAKE_PTR(s);
	return r;
}

int selection_load(const char *source, struct selection **ret_s, char why[SELECTORS_WHY_MAX])
{
	_cleanup_buf_ struct buf text = { 0 };
	char what[SELECTORS_WHY_MAX] = "";
	int r;

	if (!strcmp(source, SELECTION_ALL))
		return selection_of(source, "", 0, ret_s, why);
	if (!strcmp(source, SELECTION_DEFAULT))
		return selection_of(source, selectors_default_text(), strlen(selectors_default_text()), ret_s, why);
	r = fsx_read(source, SELECTORS_TEXT_MAX, &text);
	if (!r && !text.n)		/* would mean all */
		r = -ENODATA;
	if (r < 0)
		snprintf(what, sizeof(what), "%s", strerror(-r));
	else
		r = selection_of(source, text.p, text.n, ret_s, what);
	if (r < 0)
		snprintf(why, SELECTORS_WHY_MAX, "%.100s: %.210s", source, what);
	return r;
}

void selection_free(struct selection **p)
{
	struct selection *s = *p, *before;

	for (; s; s = before) {
		before = s->before;
		selectors_free(&s->selectors);
		buf_free(&s->text);
		free(s->source);
		free(s);
	}
	*p = NULL;
}

void selection_calls(const struct selection *s, struct probes_calls *c)
{
	memset(c, 0, sizeof(*c));
	if (s->selectors)
		callselect(s->selectors, c->captured);
	for (unsigned i = 1; i < calls_count(); i++) {
		if (s->selectors ? calls_descs()[i].flags & (HT_CALL_F_FORK | HT_CALL_F_EXEC) : !calls_high_rate(i))
			probes_calls_add(c->captured, i);
		else if (s->selectors && probes_calls_has(c->captured, i) && callselect_failed(s->selectors, i))
			probes_calls_add(c->failed, i);
	}
	for (const struct selfcall *f = selfcalls; f->family; f++) {
		unsigned call = calls_lookup(f->call);

		if (!probes_calls_has(c->captured, call))
			probes_calls_add(c->test, call);
		probes_calls_add(c->captured, call);
	}
}

const struct selection *selection_at(const struct selection *s, uint64_t time)
{
	while (s->before && time < s->from)
		s = s->before;
	return s;
}

void selection_forget(struct selection *s, uint64_t time)
{
	while (s->before && s->from > time)
		s = s->before;
	selection_free(&s->before);
}

bool selection_sure(const struct selection *s, unsigned call)
{
	return !s->selectors || (call < HT_CALLS_MAX && probes_calls_has(s->sure, call));
}
