// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gotab.h"
#include "lib/cleanup.h"
#include "plan_internal.h"

#define GO_FIRST_REGS 17	/* arguments in registers since Go 1.17, on amd64 */

struct go {
	uint8_t *bytes;		/* the section that the table is in */
	struct gotab tab;
	uint64_t text;
	unsigned minor;		/* of the version; 0: not known */
};

struct word_wanted {
	uint64_t addr, value;
	bool found;
};

static int take_word(uint64_t slot, uint64_t value, void *arg)
{
	struct word_wanted *w = arg;

	if (slot != w->addr)
		return 0;
	w->value = value;
	w->found = true;
	return 1;
}

/* A word that holds an address: as the loader would leave it. 0: nothing. */
static uint64_t pointer_at(const struct image *m, uint64_t addr)
{
	struct word_wanted w = { .addr = addr };
	uint64_t v = 0;

	if (image_read(m, addr, &v, sizeof(v)) == sizeof(v) && v)
		return v;
	image_relocations(m, take_word, &w);
	return w.found ? w.value : 0;
}

static void read_version(const struct image *m, const struct image_section *s, struct go *g)
{
	uint8_t b[512];
	char text[128] = "";
	size_t n = image_read(m, s->addr, b, s->size < sizeof(b) ? s->size : sizeof(b)), pointer;
	uint64_t string, len = 0;

	if (gobuildinfo_version(b, n, text, sizeof(text), &pointer) < 0)
		return;
	if (pointer) {
		string = pointer_at(m, s->addr + pointer);
		if (!string || image_read(m, string + 8, &len, sizeof(len)) != sizeof(len) || len >= sizeof(text))
			return;
		text[image_read(m, pointer_at(m, string), text, len)] = 0;
	}
	goversion_minor(text, &g->minor);
}

/*
 * The table in a section of its own; or, in a position-independent program that the system's linker made, somewhere in
 * .data.rel.ro. There it is known by its head, and by a first function that has a name.
 */
static int find_table(const struct image *m, const struct image_section *s, bool whole, struct go *g, uint64_t *ret_addr)
{
	_cleanup_free_ uint8_t *p = NULL;
	uint64_t entry, end;
	const char *name;

	if (image_section_read(m, s, &p) < 0)
		return -ENOENT;
	for (size_t at = 0; at + 16 < s->size; at += 8) {
		if (!gotab_open(p + at, s->size - at, &g->tab) && gotab_function(&g->tab, 0, &entry, &end, &name)) {
			*ret_addr = s->addr + at;
			g->bytes = TAKE_PTR(p);
			return 0;
		}
		if (whole)
			break;
	}
	return -ENOENT;
}

static int take_runtime_text(const char *name, uint64_t addr, uint64_t size, void *arg)
{
	if (strcmp(name, "runtime.text"))
		return 0;
	*(uint64_t *)arg = addr;
	return 1;
}

static uint64_t text_start(const struct image *m, const struct gotab *t, uint64_t table_addr)
{
	uint64_t v = pointer_at(m, table_addr + GOTAB_TEXT_START);
	struct image_section s;

	if (t->layout < 18)
		return 0;
	if (!v)
		image_symbols(m, take_runtime_text, &v);
	if (!v && image_section_named(m, ".text", &s))
		v = s.addr;
	return v;
}

static int find_go(const struct image *m, struct go *g)
{
	static const char *const sections[] = { ".gopclntab", ".data.rel.ro.gopclntab", ".data.rel.ro", ".rodata" };
	struct image_section s;
	uint64_t addr = 0;
	bool is_go = image_section_named(m, ".go.buildinfo", &s);

	if (is_go)
		read_version(m, &s, g);
	is_go |= image_section_named(m, ".note.go.buildid", &s);
	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++) {
		if ((i >= 2 && !is_go) || !image_section_named(m, sections[i], &s) || find_table(m, &s, i < 2, g, &addr) < 0)
			continue;
		g->text = text_start(m, &g->tab, addr);
		return 0;
	}
	return -ENOENT;
}

/* Every return of a function whose code is decoded from its first byte to its last. -EBADMSG: it cannot be. */
static int add_returns(struct plan_work *w, const struct found *f)
{
	uint64_t at = f->addr, end = f->addr + f->size;
	unsigned before = w->plan.nsites;
	struct insn i;

	while (at < end) {
		int r = plan_insn_at(&w->m, at, &i);

		if (!r && i.kind == INSN_RET)
			r = plan_site_add(w, f, at, TLS_SITE_RET_INSN, i.cls);
		if (r < 0)
			return r;
		at += i.len;
	}
	return at == end && w->plan.nsites > before ? 0 : -EBADMSG;
}

/* A function that grows its stack asks first whether it must: without that, this is not where the function begins. */
static bool begins_like_go(const struct image *m, uint64_t addr)
{
	struct insn i;

	for (int n = 0; n < 6 && !plan_insn_at(m, addr, &i) && !i.ends; n++, addr += i.len)
		if (i.kind == INSN_JCC)
			return true;
	return false;
}

/*
 * The jump of the stack's check, with the first five arguments (all that anybody asks for) and the stack pointer where they were. It must be the jump that
 * the kernel side takes it for: jbe. 0: there is none.
 */
static uint64_t stack_check(const struct image *m, uint64_t addr, enum tls_insn_class *ret_cls)
{
	uint8_t b[2];
	struct args a;
	struct insn i;

	args_begin(HT_TLS_ABI_GO_REGS, &a);
	for (int n = 0; n < 6 && !plan_insn_at(m, addr, &i) && !i.ends; n++, addr += i.len) {
		if (i.kind == INSN_JCC) {
			*ret_cls = i.cls;
			return image_read(m, addr, b, 2) == 2 && (b[0] == 0x76 || (b[0] == 0x0f && b[1] == 0x86)) ? addr : 0;
		}
		args_step(&a, &i);
		for (unsigned arg = 1; arg <= 5; arg++)
			if (args_at(&a, HT_TLS_ABI_GO_REGS, arg) != arg)
				return 0;
		if (a.sp_moved || a.reg[REG_14] != UINT8_MAX)
			return 0;
	}
	return 0;
}

/* What HTTP/2 is given: without it connections that were joined late are known in part, nothing more. */
static int add_fields(struct plan_work *w, uint16_t func, uint64_t addr, uint64_t size)
{
	enum tls_insn_class cls;
	uint64_t at = stack_check(&w->m, addr, &cls);
	struct found *f = at ? plan_found_add(w, func, addr, size) : NULL;

	return f ? plan_site_add(w, f, at, TLS_SITE_ENTRY, cls) : 0;
}

static int add_function(struct plan_work *w, uint16_t func, uint64_t addr, uint64_t size)
{
	unsigned before = w->plan.nsites;
	struct found *f;
	struct insn i;
	int r;

	if (tls_funcs[func].k.op >= HT_TLS_H2_REQUEST)
		return add_fields(w, func, addr, size);
	w->plan.uses_tls = true;
	if (size > BODY_MAX || !begins_like_go(&w->m, addr)) {
		snprintf(w->plan.why, sizeof(w->plan.why), "%s is not where the table says", tls_funcs[func].symbol);
		return 0;
	}
	f = plan_found_add(w, func, addr, size);
	if (!f)
		return 0;
	for (uint64_t at = addr; at < addr + size && !plan_insn_at(&w->m, at, &i); at += i.len)
		if ((i.kind == INSN_JMP || i.kind == INSN_JCC) && i.target > addr && i.target < addr + size && i.target < f->inward)
			f->inward = i.target;
	r = plan_sites_of(w, f);
	if (!r && tls_funcs[func].k.ok != HT_TLS_OK_ALWAYS)
		r = add_returns(w, f);
	if (r == -EBADMSG) {
		w->plan.nsites = before;
		snprintf(w->plan.why, sizeof(w->plan.why), "the code of %s cannot be decoded", tls_funcs[func].symbol);
		return 0;
	}
	return r;
}

static uint16_t go_row(const char *name, uint8_t abi)
{
	static const char *const ends[] = { ".Read", ".Write", ".Close", "Handshake", ".WriteField", ".WriteHeaders" };
	size_t len = strlen(name), n;
	bool one = false;

	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		n = strlen(ends[i]);
		one |= len >= n && !memcmp(name + len - n, ends[i], n);
	}
	if (!one)
		return 0;
	for (unsigned i = 1; i < tls_nfuncs; i++)
		if (tls_funcs[i].k.abi == abi && !strcmp(tls_funcs[i].symbol, name))
			return (uint16_t)i;
	return 0;
}

static int add_functions(struct plan_work *w, const struct go *g, uint8_t abi)
{
	uint64_t entry, end;
	const char *name;
	int r = 0;

	for (uint64_t i = 0; !r && i < g->tab.nfunc; i++) {
		uint16_t func = gotab_function(&g->tab, i, &entry, &end, &name) ? go_row(name, abi) : 0;

		if (func)
			r = add_function(w, func, g->text + entry, end - entry);
	}
	return r;
}

int plan_go(struct plan_work *w)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	struct tls_plan *p = &w->plan;
	bool alone = !w->nfound;
	struct go g = { 0 };
	bool regs;
	int r;

	if (find_go(&w->m, &g) < 0)
		return 0;
	bytes = g.bytes;
	regs = g.minor ? g.minor >= GO_FIRST_REGS : g.tab.layout >= 18;
	r = add_functions(w, &g, regs ? HT_TLS_ABI_GO_REGS : HT_TLS_ABI_GO_STACK);
	if (!p->uses_tls)
		return r;
	if (!g.minor && g.tab.layout == 16) {
		p->nsites = 0; /* 1.16 or 1.17: where its arguments are cannot be told */
		snprintf(p->why, sizeof(p->why), "Go 1.16 or 1.17, but not which: its build information is missing");
	}
	if (alone) {
		if (g.minor)
			snprintf(p->stack, sizeof(p->stack), "go 1.%u", g.minor);
		else
			snprintf(p->stack, sizeof(p->stack), "go");
	}
	return r;
}
