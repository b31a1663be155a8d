// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan_internal.h"

static const uint8_t c_regs[] = { REG_DI, REG_SI, REG_DX, REG_CX, REG_8, REG_9 };
static const uint8_t go_regs[] = { REG_AX, REG_BX, REG_CX, REG_DI, REG_SI, REG_8, REG_9, REG_10, REG_11 };

static const uint8_t *regs_of(uint8_t abi, unsigned *ret_n)
{
	if (abi == HT_TLS_ABI_GO_REGS) {
		*ret_n = sizeof(go_regs);
		return go_regs;
	}
	*ret_n = abi == HT_TLS_ABI_C ? sizeof(c_regs) : 0;
	return c_regs;
}

void args_begin(uint8_t abi, struct args *a)
{
	const uint8_t *regs;
	unsigned n;

	memset(a, 0, sizeof(*a));
	regs = regs_of(abi, &n);
	for (unsigned i = 0; i < n; i++)
		a->reg[regs[i]] = (uint8_t)(i + 1);
	if (abi == HT_TLS_ABI_GO_REGS)
		a->reg[REG_14] = UINT8_MAX; /* the goroutine: the kernel side asks for it too */
}

void args_step(struct args *a, const struct insn *i)
{
	uint8_t copied = i->copies_from >= 0 ? a->reg[i->copies_from] : 0;

	for (int r = 0; r < 16; r++)
		if (i->writes & (1U << r))
			a->reg[r] = 0;
	if (i->copies_to >= 0)
		a->reg[i->copies_to] = copied;
	a->sp_moved |= i->writes & (1U << REG_SP);
}

uint8_t args_at(const struct args *a, uint8_t abi, unsigned arg)
{
	const uint8_t *regs;
	unsigned n;

	regs = regs_of(abi, &n);
	return arg && arg <= n ? a->reg[regs[arg - 1]] : 0;
}

int plan_insn_at(const struct image *m, uint64_t addr, struct insn *ret_i)
{
	uint8_t b[16];
	size_t n = image_is_code(m, addr) ? image_read(m, addr, b, sizeof(b)) : 0;

	return n ? insn_decode(b, n, addr, ret_i) : -EBADMSG;
}

struct found *plan_found_add(struct plan_work *w, uint16_t func, uint64_t addr, uint64_t size)
{
	struct found *f;

	for (unsigned i = 0; i < w->nfound; i++)
		if (w->found[i].addr == addr)
			return NULL;
	if (w->nfound == FOUND_MAX)
		return NULL;
	f = &w->found[w->nfound++];
	memset(f, 0, sizeof(*f));
	f->func = func;
	f->addr = addr;
	f->size = size;
	f->inward = UINT64_MAX;
	return f;
}

static void name_site(const struct found *f, uint64_t addr, char *out, size_t n)
{
	const char *symbol = tls_funcs[f->func].symbol;
	size_t len = strlen(symbol);

	if (symbol[0] == '<') {
		symbol++;
		len = strcspn(symbol, ",>");
	}
	snprintf(out, n, "%s%s%.*s+%llu", f->via, f->via[0] ? " -> " : "", (int)len, symbol, (unsigned long long)(addr - f->addr));
}

int plan_site_add(struct plan_work *w, const struct found *f, uint64_t addr, enum tls_site_kind kind, enum tls_insn_class insn)
{
	struct tls_plan *p = &w->plan;
	struct tls_site *s;
	uint64_t offset;

	if (image_offset(&w->m, addr, &offset) < 0)
		return 0;
	if (p->nsites == TLS_SITES_MAX) {
		snprintf(p->why, sizeof(p->why), "more than %u places to probe: the rest is left out", TLS_SITES_MAX);
		return 0;
	}
	s = reallocarray(p->sites, p->nsites + 1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	p->sites = s;
	s += p->nsites++;
	*s = (struct tls_site){ .offset = offset, .kind = kind, .insn = insn, .func = f->func };
	name_site(f, addr, s->symbol, sizeof(s->symbol));
	return 0;
}

static bool arg_intact(const struct args *a, uint8_t abi, unsigned arg)
{
	return !arg || args_at(a, abi, arg) == arg;
}

static bool args_intact(const struct args *a, const struct ht_tls_func *k)
{
	if (k->abi == HT_TLS_ABI_GO_STACK)
		return !a->sp_moved;
	if (k->abi == HT_TLS_ABI_GO_REGS && a->reg[REG_14] != UINT8_MAX)
		return false;
	return arg_intact(a, k->abi, k->obj) && arg_intact(a, k->abi, k->buf) && arg_intact(a, k->abi, k->len) && arg_intact(a, k->abi, k->done);
}

/* Whether nothing but the way from the function's first instruction comes to `addr`. What is known of a function without a size is endbr64. */
static bool is_passed_once(const struct found *f, uint64_t addr, bool after_endbr)
{
	if (addr == f->addr || after_endbr)
		return true;
	return f->size && f->inward > addr;
}

/*
 * The first instruction that the kernel emulates while the arguments are where they were. A uretprobe takes the return address
 * from the top of the stack, so for one the stack pointer must not have moved either.
 */
static uint64_t choose(const struct plan_work *w, const struct found *f, bool wants_return, enum tls_insn_class *ret_cls)
{
	const struct ht_tls_func *k = &tls_funcs[f->func].k;
	bool after_endbr = false;
	uint64_t at = f->addr;
	struct args a;
	struct insn i;

	args_begin(k->abi, &a);
	*ret_cls = TLS_INSN_UNKNOWN;
	for (int n = 0; n < PROLOGUE_MAX && !plan_insn_at(&w->m, at, &i); n++) {
		if (at == f->addr)
			*ret_cls = i.cls;
		if (!args_intact(&a, k) || (wants_return && a.sp_moved))
			break;
		if (i.cls != TLS_INSN_STEPPED && is_passed_once(f, at, after_endbr)) {
			*ret_cls = i.cls;
			return at;
		}
		if (i.ends || i.kind == INSN_CALL || i.kind == INSN_INDIRECT)
			break;
		args_step(&a, &i);
		after_endbr = n == 0 && i.kind == INSN_ENDBR;
		at += i.len;
	}
	return f->addr;
}

int plan_sites_of(struct plan_work *w, const struct found *f)
{
	const struct ht_tls_func *k = &tls_funcs[f->func].k;
	bool wants_return = k->abi == HT_TLS_ABI_C && k->ok != HT_TLS_OK_ALWAYS;
	enum tls_insn_class cls;
	uint64_t at = choose(w, f, wants_return, &cls);
	int r = plan_site_add(w, f, at, TLS_SITE_ENTRY, cls);

	if (!r && wants_return)
		r = plan_site_add(w, f, at, TLS_SITE_RETURN, cls);
	return r;
}
