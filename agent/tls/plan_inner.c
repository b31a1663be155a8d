// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "plan_internal.h"

/*
 * Inner functions that have no symbol, and begin with a push where their callers begin with sub. An outer function that does
 * nothing but pass its arguments on shows where they are; that its siblings call the same one is seen by decoding them.
 */
static const struct {
	const char *stack, *from, *passes, *inner;	/* passes: for each argument of the inner one the outer one's, 0: its own matter */
} inners[] = {
	{ "openssl", "SSL_read_ex", "1234", "<ssl_read_internal>" },
	{ "openssl", "SSL_write_ex", "1234", "<ssl_write_internal>" },
	{ "openssl", "SSL_write_ex2", "12345", "<ssl_write_internal, flags>" },
	{ "openssl", "SSL_write_ex", "12304", "<ssl_write_internal, flags>" },
	{ "openssl", "SSL_peek_ex", "1234", "<ssl_peek_internal>" },
};

static struct found *found_of(struct plan_work *w, uint16_t func)
{
	for (unsigned i = 0; func && i < w->nfound; i++)
		if (w->found[i].func == func)
			return &w->found[i];
	return NULL;
}

/* Where the first call or jump of a function goes to, if its arguments go there so. 0: they do not. */
static uint64_t passes_on(const struct plan_work *w, const struct found *f, const char *passes)
{
	uint64_t at = f->addr;
	struct args a;
	struct insn i;

	args_begin(HT_TLS_ABI_C, &a);
	for (int n = 0; n < PROLOGUE_MAX && !plan_insn_at(&w->m, at, &i); n++) {
		if (i.kind == INSN_CALL || i.kind == INSN_JMP) {
			for (unsigned k = 0; passes[k]; k++)
				if (passes[k] != '0' && args_at(&a, HT_TLS_ABI_C, k + 1) != passes[k] - '0')
					return 0;
			return i.target;
		}
		if (i.ends || i.kind == INSN_JCC || i.kind == INSN_INDIRECT)
			return 0;
		args_step(&a, &i);
		at += i.len;
	}
	return 0;
}

static bool is_code_of_its_own(const struct plan_work *w, uint64_t addr)
{
	struct insn i;

	if (plan_insn_at(&w->m, addr, &i) < 0)
		return false;
	if (i.kind == INSN_ENDBR && plan_insn_at(&w->m, addr + i.len, &i) < 0)
		return false;
	return i.kind != INSN_INDIRECT; /* not a stub of the linkage table */
}

void plan_add_inner(struct plan_work *w)
{
	for (unsigned n = 0; n < sizeof(inners) / sizeof(inners[0]); n++) {
		struct found *f = found_of(w, plan_row_named(inners[n].stack, inners[n].from)), *inner;
		uint64_t target;

		target = f ? passes_on(w, f, inners[n].passes) : 0;
		if (!target || !is_code_of_its_own(w, target))
			continue;
		inner = plan_found_add(w, plan_row_named(inners[n].stack, inners[n].inner), target, 0);
		if (inner)
			snprintf(inner->via, sizeof(inner->via), "%s", inners[n].from);
	}
}

static int slot_keep(uint64_t slot, uint64_t value, void *arg)
{
	struct plan_work *w = arg;

	for (unsigned i = 0; i < w->nfound && w->nslots < SLOTS_MAX; i++)
		if (w->found[i].addr == value) {
			w->slots[w->nslots].slot = slot;
			w->slots[w->nslots++].value = value;
			break;
		}
	return 0;
}

static uint64_t slot_value(const struct plan_work *w, uint64_t slot)
{
	for (unsigned i = 0; i < w->nslots; i++)
		if (w->slots[i].slot == slot)
			return w->slots[i].value;
	return 0;
}

/* Where a call or jump ends up, through the linkage table. 0: somewhere that does not matter. */
static uint64_t destination(const struct plan_work *w, const struct insn *i)
{
	struct insn stub;

	if (i->kind == INSN_INDIRECT)
		return i->at_memory ? slot_value(w, i->target) : 0;
	if (!w->nslots || plan_insn_at(&w->m, i->target, &stub) < 0)
		return i->target;
	if (stub.kind == INSN_ENDBR && plan_insn_at(&w->m, i->target + stub.len, &stub) < 0)
		return i->target;
	return stub.kind == INSN_INDIRECT && stub.at_memory ? slot_value(w, stub.target) : i->target;
}

static void note_destination(struct plan_work *w, struct found *f, const struct insn *i)
{
	uint64_t to;

	if (i->kind != INSN_CALL && i->kind != INSN_JMP && i->kind != INSN_JCC && i->kind != INSN_INDIRECT)
		return;
	if (i->kind != INSN_INDIRECT && i->target > f->addr && i->target < f->addr + f->size) {
		if (i->target < f->inward)
			f->inward = i->target;
		return;
	}
	to = destination(w, i);
	for (unsigned n = 0; to && n < w->nfound; n++)
		f->reaches[n] |= w->found[n].addr == to && &w->found[n] != f;
}

static void scan_body(struct plan_work *w, struct found *f)
{
	uint64_t end = f->addr + (f->size < BODY_MAX ? f->size : BODY_MAX);
	struct insn i;

	for (uint64_t at = f->addr; at < end && !plan_insn_at(&w->m, at, &i); at += i.len)
		note_destination(w, f, &i);
}

/* Bytes that go through a call of the one go through a call of the other. */
static bool same_data(const struct found *a, const struct found *b)
{
	const struct ht_tls_func *x = &tls_funcs[a->func].k, *y = &tls_funcs[b->func].k;

	return x->op == y->op && (x->flags & HT_TLS_F_PEEK) == (y->flags & HT_TLS_F_PEEK);
}

static bool is_write(const struct found *f)
{
	return tls_funcs[f->func].k.op == HT_TLS_WRITE;
}

/* An inner function that others use for something else tells reads and peeks apart no more: its callers are probed instead. */
static void drop_shared_inner(struct plan_work *w)
{
	for (unsigned n = 0; n < w->nfound; n++)
		for (unsigned i = 0; i < w->nfound && w->found[n].via[0]; i++)
			w->found[n].dropped |= w->found[i].reaches[n] && !same_data(&w->found[i], &w->found[n]);
}

void plan_drop_covered(struct plan_work *w)
{
	image_relocations(&w->m, slot_keep, w);
	for (unsigned i = 0; i < w->nfound; i++)
		scan_body(w, &w->found[i]);
	drop_shared_inner(w);
	for (unsigned i = 0; i < w->nfound; i++)
		for (unsigned n = 0; n < w->nfound; n++) {
			struct found *f = &w->found[i], *to = &w->found[n];

			if (!f->reaches[n] || (to->via[0] && to->dropped) || (to->reaches[i] && i < n))
				continue;
			if (same_data(f, to) || (tls_funcs[f->func].k.op == HT_TLS_SENDFILE && is_write(to)))
				f->dropped = true;
			else if (tls_funcs[f->func].k.op == HT_TLS_READ && tls_funcs[to->func].k.flags & HT_TLS_F_PEEK)
				to->dropped = true; /* a read that is made of a peek (BoringSSL) */
		}
}
