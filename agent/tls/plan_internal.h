/* SPDX-License-Identifier: Apache-2.0 */
/* plan_internal.h - what the files behind plan.h share: the functions that were found, and how each becomes a site. */
#ifndef HOSTTRAIL_TLS_PLAN_INTERNAL_H
#define HOSTTRAIL_TLS_PLAN_INTERNAL_H

#include "image.h"
#include "insn.h"
#include "plan.h"
#include "stacks.h"

#define FOUND_MAX 96
#define SLOTS_MAX 256
#define BODY_MAX (64U << 10)	/* of a function that is decoded to its end */
#define PROLOGUE_MAX 16		/* instructions that a site is looked for in */

/* A function of the table, found in the file. */
struct found {
	uint16_t func;
	uint64_t addr, size;		/* size 0: not known */
	char via[64];			/* an inner function's: the symbol that it was reached from */
	uint64_t inward;		/* lowest address of its body, behind its first, that it jumps to; ~0: none */
	bool reaches[FOUND_MAX];	/* calls or jumps to that one */
	bool dropped;			/* another one's site sees its calls too */
};

struct plan_work {
	struct image m;
	struct tls_plan plan;
	struct found found[FOUND_MAX];
	unsigned nfound;
	struct { uint64_t slot, value; } slots[SLOTS_MAX];	/* words that hold the address of a found function */
	unsigned nslots;
	bool boring;			/* marks of BoringSSL were among the symbols */
	bool java;			/* it makes Java virtual machines */
	const char *imports;		/* the stack of a function that it has from another library */
};

/* plan_names.c: the row of a symbol, 0: none. `boring` is set when the name is one that only BoringSSL has. */
uint16_t plan_row_of(const char *symbol, bool *boring);
uint16_t plan_row_named(const char *stack, const char *symbol);	/* by the table's own names */

/* plan_inner.c: adds inner functions, then drops what would be counted twice. */
void plan_add_inner(struct plan_work *w);
void plan_drop_covered(struct plan_work *w);

/* plan_site.c */
struct found *plan_found_add(struct plan_work *w, uint16_t func, uint64_t addr, uint64_t size);	/* NULL: no room, or there already */
int plan_site_add(struct plan_work *w, const struct found *f, uint64_t addr, enum tls_site_kind kind, enum tls_insn_class insn);
int plan_sites_of(struct plan_work *w, const struct found *f);	/* entry, and return unless it has no result */
/* Decodes what lies at `addr`. 0, -EBADMSG. */
int plan_insn_at(const struct image *m, uint64_t addr, struct insn *ret_i);

/* What the registers hold of a function's arguments, instruction by instruction. */
struct args {
	uint8_t reg[16];	/* the argument (from 1) that is in the register; 0: something else */
	bool sp_moved;
};
void args_begin(uint8_t abi, struct args *a);
void args_step(struct args *a, const struct insn *i);
uint8_t args_at(const struct args *a, uint8_t abi, unsigned arg);	/* what a callee would take for its argument `arg` */

/* plan_go.c: the functions of crypto/tls and their returns. 0, or -errno for what ends the plan; a reason stands in plan.why. */
int plan_go(struct plan_work *w);

#endif
