// SPDX-License-Identifier: Apache-2.0
#include "kernelrules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "calls_internal.h"
#include "callselect.h"
#include "cgroupname.h"
#include "flags.h"
#include "guard.h"
#include "lib/cleanup.h"

#define ALL (~0ull)
#define RULES 62		/* selectors with a rule of their own */
#define REST (1ull << RULES)	/* the others', and what nothing rules out */
#define AIMED (1ull << 63)	/* calls aimed at our files */
#define NONE_SET UINT32_MAX	/* the kernel's number of a login user that there is not */

struct build {
	struct kernelrules *k;
	uint64_t asks_who, asks_path;	/* rules of selectors with such conditions */
	bool own;
};

static uint64_t rule_of(unsigned selector)
{
	return selector < RULES ? 1ull << selector : REST;
}

/* ---- which rules can want a call ---- */

#define NO_FD 0xfe

/* Says nothing of any file. */
static bool plain(const struct call_arg *a)
{
	switch (a->kind) {
	case ARG_INT:
	case ARG_UINT:
	case ARG_LONG:
	case ARG_ULONG:
	case ARG_OFF64:
	case ARG_HEX:
	case ARG_OCTAL:
	case ARG_CREATE_MODE:
	case ARG_DIRFD:
	case ARG_FLAGS:
	case ARG_ENUM:
		return true;
	case ARG_MEM:
		return a->aux == MEM_OPEN_HOW;
	default:
		return false;
	}
}

/* Does the probe walk it, whenever the call has one? */
static bool walked(unsigned call, uint8_t fd)
{
	const struct ht_call_desc *d = &calls_descs()[call];

	for (unsigned i = 0; i < d->nops; i++)
		if (fd == HT_ARG_RET ? d->op[i].kind == HT_OP_RETFD : d->op[i].kind == HT_OP_FD && d->op[i].arg == fd && !d->op[i].flags)
			return true;
	return false;
}

/* The register with the descriptor whose walk is the call's only path; NO_FD: there is none, or there are other paths. */
static uint8_t fd_of(unsigned call)
{
	const struct call *row = calls_row(call);
	uint8_t found = NO_FD;

	for (const struct call_arg *a = row->args; a->name; a++) {
		if (plain(a))
			continue;
		if (found != NO_FD || (a->kind != ARG_OPENED && a->kind != ARG_FDPATH) || strcmp(a->resource, "Linux::File") != 0)
			return NO_FD;
		found = a->kind == ARG_OPENED ? HT_ARG_RET : a->arg;
	}
	return found != NO_FD && walked(call, found) ? found : NO_FD;
}

static uint8_t flags_of(const struct call *row)
{
	for (const struct call_arg *a = row->args; row->read_only == RO_OPEN && a->name; a++)
		if (a->set == &flagset_open)
			return a->arg;
	return HT_ARG_RET;
}

static bool known(unsigned call)
{
	return !(calls_descs()[call].flags & (HT_CALL_F_FORK | HT_CALL_F_EXEC | HT_CALL_F_NORETURN));
}

static uint64_t may(const struct build *b, unsigned call, bool failed, bool changes)
{
	const struct selectors *s = b->k->selectors;
	uint64_t m = 0;

	for (unsigned i = 0; i < s->n; i++)
		if (callselect_may(&s->v[i], call, failed, changes))
			m |= rule_of(i);
	if (b->own && guard_may_aim(call, changes))
		m |= guard_by_path(call) ? AIMED : REST;
	return m;
}

/* The number of such a set, which may be there already. 0: there is no room, or it decides nothing. */
static uint8_t add_set(struct build *b, const struct ht_rules *r)
{
	uint64_t always = r->may[0][0] & r->may[0][1] & r->may[1][0] & r->may[1][1] & ~r->walked & ~b->asks_who;
	unsigned i;

	if (always)
		return 0;
	for (i = 1; i < b->k->n; i++)
		if (!memcmp(&b->k->v[i], r, sizeof(*r)))
			return (uint8_t)i;
	if (i == HT_RULE_SETS)
		return 0;
	b->k->v[b->k->n++] = *r;
	return (uint8_t)i;
}

static void add_calls(struct build *b)
{
	b->k->n = 1;
	for (unsigned call = 1; call < calls_count(); call++) {
		const struct call *row = calls_row(call);
		struct ht_rules r = { .fd_arg = fd_of(call), .flags_arg = flags_of(row) };

		if (!known(call))
			continue;
		for (unsigned failed = 0; failed < 2; failed++)
			for (unsigned changes = 0; changes < 2; changes++)
				r.may[failed][changes] = may(b, call, failed, changes);
		if (r.fd_arg != NO_FD)
			r.walked = b->asks_path & (r.may[0][0] | r.may[0][1] | r.may[1][0] | r.may[1][1]);
		if (r.may[0][0] | r.may[0][1] | r.may[1][0] | r.may[1][1])
			b->k->of[call] = add_set(b, &r);
	}
}

/* ---- who ---- */

static uint64_t ask(const struct selectors *s, const struct select_view *v)
{
	uint64_t m = REST | AIMED;

	for (unsigned i = 0; i < s->n; i++)
		if (selector_match(&s->v[i], v) != SELECT_NO)
			m |= rule_of(i);
	return m;
}

static uint64_t ask_value(const struct selectors *s, enum select_field field, struct str value)
{
	struct select_view v;

	select_view_init(&v);
	select_view_set(&v, field, value);
	return ask(s, &v);
}

static bool number_of(struct str s, uint32_t *ret_n)
{
	uint64_t n = 0;

	if (!s.n || s.n > 10 || (s.n > 1 && s.p[0] == '0'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret_n = (uint32_t)n;
	return n < NONE_SET;
}

static int add_id(struct kernelrules *k, enum ht_rule_kind kind, uint32_t id, uint64_t m)
{
	struct rule_id *v;

	for (unsigned i = 0; i < k->nids; i++)
		if (k->ids[i].key.id == id && k->ids[i].key.kind == kind)
			return 0;
	v = realloc(k->ids, (k->nids + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	k->ids = v;
	v[k->nids++] = (struct rule_id){ .key = { .id = id, .kind = kind }, .may = m };
	return 0;
}

static int add_named(struct kernelrules *k, enum ht_rule_kind kind, enum select_field field, const struct select_condition *c)
{
	uint32_t n;
	int r = 0;

	if (c->field != field)
		return 0;
	for (unsigned op = 0; op < SELECT_OP__MAX; op++)
		for (unsigned i = 0; i < c->op[op].n && !r; i++)
			if (number_of(c->op[op].v[i], &n))
				r = add_id(k, kind, n, ask_value(k->selectors, field, c->op[op].v[i]));
	return r;
}

/* Every number that some selector names, and all others: like a text that is too long for a value. */
static int add_numbers(struct build *b, enum ht_rule_kind kind, enum select_field field)
{
	static const char long_text[SELECTORS_VALUE_MAX + 1];
	struct kernelrules *k = b->k;
	int r = 0;

	k->other[kind] = ALL;
	if (!(k->selectors->uses >> field & 1))
		return 0;
	k->asked |= 1u << kind;
	k->other[kind] = ask_value(k->selectors, field, (struct str){ long_text, sizeof(long_text) });
	if (field == SELECT_LOGINUID)
		r = add_id(k, kind, NONE_SET, ask_value(k->selectors, field, (struct str){ NULL, 0 }));
	for (unsigned i = 0; i < k->selectors->n && !r; i++)
		for (unsigned c = 0; c < k->selectors->v[i].nconditions && !r; c++)
			r = add_named(k, kind, field, &k->selectors->v[i].conditions[c]);
	return r;
}

uint64_t kernelrules_cgroup(const struct kernelrules *k, struct str path)
{
	struct select_view v;
	struct str id = { NULL, 0 };

	cgroup_container(path, &id);
	select_view_init(&v);
	select_view_set(&v, SELECT_CGROUP, path);
	select_view_set(&v, SELECT_CONTAINER, id);
	return ask(k->selectors, &v);
}

/* ---- paths ---- */

static struct rule_path *path_find(struct kernelrules *k, const struct ht_rule_path *key)
{
	for (unsigned i = 0; i < k->npaths; i++)
		if (!memcmp(&k->paths[i].key, key, sizeof(*key)))
			return &k->paths[i];
	return NULL;
}

static int path_add(struct kernelrules *k, const struct ht_rule_path *key, uint64_t m, uint64_t never)
{
	struct rule_path *p = path_find(k, key), *v;

	if (!p) {
		v = realloc(k->paths, (k->npaths + 1) * sizeof(*v));
		if (!v)
			return -ENOMEM;
		k->paths = v;
		p = &v[k->npaths++];
		*p = (struct rule_path){ .key = *key };
	}
	p->value.may |= m;
	p->value.never |= never;
	return 0;
}

static int path_begins(struct kernelrules *k, struct str s, bool whole, uint64_t m, uint64_t never)
{
	struct ht_rule_path key = { .text = { HT_RULE_BEGINS } };
	size_t n = s.n + whole, room = HT_RULE_TEXT - 2;

	if (n > room && never)
		return 0;
	memcpy(key.text + 1, s.p, s.n < room ? s.n : room);	/* the rest is 0: the NUL of a whole one */
	key.bits = (uint32_t)(8 * (1 + (n < room ? n : room)));
	return path_add(k, &key, m, never);
}

static int path_ends(struct kernelrules *k, struct str s, uint64_t m, uint64_t never)
{
	struct ht_rule_path key = { .text = { HT_RULE_ENDS } };
	size_t room = HT_RULE_END - 1, n = s.n < room ? s.n : room;

	if (s.n > room && never)
		return 0;
	for (size_t i = 0; i < n; i++)
		key.text[1 + i] = (uint8_t)s.p[s.n - 1 - i];
	key.bits = (uint32_t)(8 * (1 + n));
	return path_add(k, &key, m, never);
}

static int path_values(struct kernelrules *k, const struct select_condition *c, enum select_op op, uint64_t rule)
{
	uint64_t m = op < SELECT_NOT_EQUALS ? rule : 0, never = m ? 0 : rule;
	int r = 0;

	for (unsigned i = 0; i < c->op[op].n && !r; i++) {
		struct str s = c->op[op].v[i];

		if (op == SELECT_ENDS || op == SELECT_NOT_ENDS)
			r = path_ends(k, s, m, never);
		else
			r = path_begins(k, s, op == SELECT_EQUALS || op == SELECT_NOT_EQUALS, m, never);
	}
	return r;
}

static const struct select_condition *path_of(const struct selector *s)
{
	const struct select_condition *found = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < s->nconditions; i++)
		if (s->conditions[i].field == SELECT_PATH) {
			found = &s->conditions[i];
			n++;
		}
	return n == 1 ? found : NULL;
}

/* A trie gives the longest text alone: it gets what the shorter ones say. */
static void path_inherit(struct kernelrules *k)
{
	for (unsigned a = 0; a < k->npaths; a++)
		for (unsigned b = 0; b < k->npaths; b++) {
			const struct rule_path *from = &k->paths[a];
			struct rule_path *to = &k->paths[b];

			if (from->key.bits >= to->key.bits || memcmp(from->key.text, to->key.text, from->key.bits / 8) != 0)
				continue;
			to->value.may |= from->value.may;
			to->value.never |= from->value.never;
		}
}

static int add_paths(struct build *b, const char *const *own)
{
	struct kernelrules *k = b->k;
	int r = 0;

	k->path = ALL;
	for (unsigned i = 0; i < k->selectors->n && i < RULES && !r; i++) {
		const struct select_condition *c = path_of(&k->selectors->v[i]);

		if (!c)
			continue;
		b->asks_path |= rule_of(i);
		if (c->op[SELECT_EQUALS].n || c->op[SELECT_STARTS].n || c->op[SELECT_ENDS].n)
			k->path &= ~rule_of(i);
		for (unsigned op = 0; op < SELECT_OP__MAX && !r; op++)
			r = path_values(k, c, op, rule_of(i));
	}
	if (own) {
		b->asks_path |= AIMED;
		k->path &= ~AIMED;
	}
	for (; own && *own && !r; own++)
		r = path_begins(k, (struct str){ *own, strlen(*own) }, false, AIMED, 0);
	path_inherit(k);
	return r;
}

/* ---- the whole ---- */

static uint64_t rules_about_who(const struct selectors *s)
{
	uint64_t m = 0;

	for (unsigned i = 0; i < s->n && i < RULES; i++)
		for (unsigned c = 0; c < s->v[i].nconditions; c++) {
			enum select_field f = s->v[i].conditions[c].field;

			if (f == SELECT_EUID || f == SELECT_LOGINUID || f == SELECT_CGROUP || f == SELECT_CONTAINER)
				m |= rule_of(i);
		}
	return m;
}

int kernelrules_new(const struct selectors *s, const char *const *own, struct kernelrules **ret_k)
{
	_cleanup_kernelrules_ struct kernelrules *k = calloc(1, sizeof(*k));
	struct build b = { .k = k, .asks_who = rules_about_who(s), .own = own };
	int r;

	if (!k)
		return -ENOMEM;
	k->selectors = s;
	k->other[HT_RULE_CGROUP] = ALL;
	if (s->uses & (1u << SELECT_CGROUP | 1u << SELECT_CONTAINER))
		k->asked |= 1u << HT_RULE_CGROUP;
	r = add_numbers(&b, HT_RULE_EUID, SELECT_EUID) ?: add_numbers(&b, HT_RULE_LOGINUID, SELECT_LOGINUID) ?: add_paths(&b, own);
	if (r < 0)
		return r;
	add_calls(&b);
	*ret_k = TAKE_PTR(k);
	return 0;
}

void kernelrules_free(struct kernelrules **k)
{
	if (!*k)
		return;
	free((*k)->ids);
	free((*k)->paths);
	free(*k);
	*k = NULL;
}
