// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "plan_internal.h"

#define MARK_SEARCH_MAX (64U << 20)	/* of constants that are searched for TLS without symbols */

void tls_plan_done(struct tls_plan *plan)
{
	free(plan->sites);
	memset(plan, 0, sizeof(*plan));
}

static int keep_symbol(const char *name, uint64_t addr, uint64_t size, void *arg)
{
	struct plan_work *w = arg;
	uint16_t func = plan_row_of(name, &w->boring);

	if (func && tls_funcs[func].k.abi == HT_TLS_ABI_C)
		plan_found_add(w, func, addr, size);
	w->java |= !strcmp(name, "JNI_CreateJavaVM");
	return 0;
}

/* OpenSSL's names that turned out to be BoringSSL's: its own rows, and what has none is not asked for. */
static void take_boring_rows(struct plan_work *w)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < w->nfound; i++) {
		struct found *f = &w->found[i];

		if (!strcmp(tls_funcs[f->func].stack, "openssl"))
			f->func = plan_row_named("boringssl", tls_funcs[f->func].symbol);
		if (f->func)
			w->found[kept++] = *f;
	}
	w->nfound = kept;
}

#define RUST_PAIRS 79	/* from this 1.x on a Result<usize> comes in two registers */

/* The minor version of the newest Rust compiler that says to have had a part in it. -1: nobody says anything; 0: others do, as older ones of Rust's said nothing. */
static int rust_minor(const struct image *m)
{
	static const char words[] = "rustc version 1.";
	_cleanup_free_ uint8_t *p = NULL;
	struct image_section s;
	const uint8_t *at, *end;
	int minor = 0;

	if (!image_section_named(m, ".comment", &s) || image_section_read(m, &s, &p))
		return -1;
	end = p + s.size;
	for (at = p; (at = memmem(at, (size_t)(end - at), words, sizeof(words) - 1));) {
		int n = 0;

		for (at += sizeof(words) - 1; at < end && *at >= '0' && *at <= '9' && n < 10000; at++)
			n = n * 10 + (*at - '0');
		minor = n > minor ? n : minor;
	}
	return minor;
}

/* rustls, as an older compiler made it. Which one it was shows nowhere else; of the wrong rows' calls each looks like one that failed. */
static void take_old_rust_rows(struct plan_work *w)
{
	char name[64];
	int minor = -1;

	for (unsigned i = 0; i < w->nfound; i++) {
		struct found *f = &w->found[i];

		if (strcmp(tls_funcs[f->func].stack, "rustls"))
			continue;
		if (minor < 0)
			minor = rust_minor(&w->m);
		if (minor < 0 || minor >= RUST_PAIRS)
			return;
		snprintf(name, sizeof(name), "%s, 1.%d", tls_funcs[f->func].symbol, RUST_PAIRS - 1);
		f->func = plan_row_named("rustls", name);
	}
}

static int keep_import(const char *name, uint64_t addr, uint64_t size, void *arg)
{
	static const char *const wrapped[] = { "gnutls", "wolfssl", "mbedtls", "rustls-ffi" };
	struct plan_work *w = arg;
	bool boring = false;
	uint16_t func = plan_row_of(name, &boring);

	if (!func || (tls_funcs[func].k.op != HT_TLS_READ && tls_funcs[func].k.op != HT_TLS_WRITE))
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(wrapped) && !w->imports; i++)
		if (!strcmp(tls_funcs[func].stack, wrapped[i]))
			w->imports = wrapped[i];
	return w->imports != NULL;
}

/*
 * A library that puts OpenSSL's names before another library's functions (libgnutls-openssl): what goes through it is seen in that
 * other library, and would be counted twice.
 */
static void drop_wrappers(struct plan_work *w)
{
	unsigned kept = 0;

	if (!w->nfound || !image_imports(&w->m, keep_import, w))
		return;
	for (unsigned i = 0; i < w->nfound; i++)
		if (strcmp(tls_funcs[w->found[i].func].stack, "openssl"))
			w->found[kept++] = w->found[i];
	if (kept < w->nfound)
		snprintf(w->plan.why, sizeof(w->plan.why), "its functions are made of those of another library: %s", w->imports);
	w->nfound = kept;
}

static int by_func(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->func != y->func ? x->func - y->func : x->addr < y->addr ? -1 : x->addr > y->addr;
}

static int plan_c(struct plan_work *w)
{
	int r = 0;

	image_symbols(&w->m, keep_symbol, w);
	if (w->boring)
		take_boring_rows(w);
	take_old_rust_rows(w);
	drop_wrappers(w);
	plan_add_inner(w);
	qsort(w->found, w->nfound, sizeof(w->found[0]), by_func);
	plan_drop_covered(w);
	for (unsigned i = 0; !r && i < w->nfound; i++)
		if (!w->found[i].dropped)
			r = plan_sites_of(w, &w->found[i]);
	return r;
}

/*
 * TLS 1.3 signs "TLS 1.3, server CertificateVerify": every library that speaks it has these words, compilers keep at least their
 * first 16 bytes together. In two parts, because this file should not have them.
 */
static bool has_mark(const uint8_t *p, size_t n)
{
	static const char head[] = "TLS 1.3, ", tail[] = "server ";
	const size_t nhead = sizeof(head) - 1, ntail = sizeof(tail) - 1;
	const uint8_t *end = p + n, *at;

	for (; (at = memmem(p, (size_t)(end - p), head, nhead)); p = at + nhead)
		if ((size_t)(end - at) >= nhead + ntail && !memcmp(at + nhead, tail, ntail))
			return true;
	return false;
}

/* Whose words they are, by the names of source files in messages. */
static const char *whose(const uint8_t *p, size_t n)
{
	static const struct {
		const char *text, *stack;
	} rows[] = { { "ssl_lib.cc", "boringssl" }, { "ssl/ssl_lib.c", "openssl" }, { "/rustls-", "rustls" }, { "s2n_connection.c", "s2n" } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (memmem(p, n, rows[i].text, strlen(rows[i].text)))
			return rows[i].stack;
	return "unknown";
}

/* The stack of TLS that can be told by no symbol; NULL: it speaks none. */
static const char *speaks_tls(const struct image *m)
{
	struct image_section s;

	for (size_t i = 1; i < m->nsections; i++) {
		_cleanup_free_ uint8_t *p = NULL;

		if (!image_section(m, i, &s) || s.type != SHT_PROGBITS || (s.flags & (SHF_ALLOC | SHF_EXECINSTR | SHF_WRITE)) != SHF_ALLOC)
			continue;
		if (s.size > MARK_SEARCH_MAX)
			s.size = MARK_SEARCH_MAX;
		if (!image_section_read(m, &s, &p) && has_mark(p, s.size))
			return whose(p, s.size);
	}
	return NULL;
}

/* Why a file that has TLS in it has no functions that could be probed. */
static void describe_blind(struct plan_work *w)
{
	struct tls_plan *p = &w->plan;
	const char *stack = w->java ? "java" : speaks_tls(&w->m);

	if (!stack)
		return;
	p->uses_tls = true;
	snprintf(p->stack, sizeof(p->stack), "%s", stack);
	if (!p->why[0])
		snprintf(p->why, sizeof(p->why), "%s", w->java ? "Java's own TLS (JSSE) is no native code" :
			 "speaks TLS, but none of its functions has a symbol: stripped, or of a library that is not in the table");
}

static bool is_found(const struct plan_work *w, uint8_t op)
{
	for (unsigned i = 0; i < w->nfound; i++)
		if (tls_funcs[w->found[i].func].k.op == op)
			return true;
	return false;
}

/* What the plan says besides its sites. */
static void describe(struct plan_work *w)
{
	struct tls_plan *p = &w->plan;
	bool reads = is_found(w, HT_TLS_READ), writes = is_found(w, HT_TLS_WRITE);

	if (w->nfound && !p->stack[0])
		snprintf(p->stack, sizeof(p->stack), "%s", tls_funcs[w->found[0].func].stack);
	p->uses_tls |= reads || writes;
	if (!w->nfound && !p->uses_tls && !w->imports)
		describe_blind(w);
	else if (reads != writes && !p->why[0])
		snprintf(p->why, sizeof(p->why), "no function that %s was found", reads ? "writes" : "reads");
}

static int by_offset(const void *a, const void *b)
{
	const struct tls_site *x = a, *y = b;

	return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1) : (int)x->kind - (int)y->kind;
}

static void sort_sites(struct tls_plan *p)
{
	unsigned kept = 0;

	if (p->nsites)
		qsort(p->sites, p->nsites, sizeof(p->sites[0]), by_offset);
	for (unsigned i = 0; i < p->nsites; i++)
		if (!kept || by_offset(&p->sites[kept - 1], &p->sites[i]))
			p->sites[kept++] = p->sites[i];
	p->nsites = kept;
}

int tls_plan_file(int fd, struct tls_plan *ret_plan)
{
	_cleanup_free_ struct plan_work *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	r = image_open(fd, &w->m);
	if (r < 0)
		return r;
	image_build_id(&w->m, w->plan.build_id, sizeof(w->plan.build_id));
	r = plan_c(w);
	if (!r)
		r = plan_go(w);
	if (!r)
		describe(w);
	image_close(&w->m);
	if (r < 0) {
		tls_plan_done(&w->plan);
		return r;
	}
	sort_sites(&w->plan);
	*ret_plan = w->plan;
	return 0;
}
