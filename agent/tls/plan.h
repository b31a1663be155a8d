/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - which instructions of an ELF file are to be probed, so that what its TLS library sends and receives is seen.
 *
 * tls_plan_file() reads an opened file, hostile bytes, and answers sites: an instruction, and the function of which stack (stacks.h)
 * it stands for. It decides by symbols (dynsym, symtab, Go's pclntab), then by decoding the code: an instruction that the kernel
 * emulates is preferred, inside the function's first instructions while the argument registers are still intact, or in the internal
 * function that it calls or jumps to, because one that must be single-stepped costs thirty times as much in a VM.
 * Nothing of it is attached here.
 *
 * Ownership: the plan owns its sites and texts. Threads: no shared state. It needs no privileges and opens nothing.
 */
#ifndef HOSTTRAIL_TLS_PLAN_H
#define HOSTTRAIL_TLS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h" /* struct ht_tls_func */

#define TLS_SITES_MAX 512		/* of one file */
#define TLS_PLAN_SYMBOL_MAX 96

enum tls_insn_class {
	TLS_INSN_UNKNOWN = 0,	/* not decodable: probed nevertheless where it is a function's entry */
	TLS_INSN_NOP5,		/* the kernel may rewrite it: cheapest */
	TLS_INSN_EMULATED,	/* nop, push, call, jmp, jcc: no single step */
	TLS_INSN_STEPPED,	/* single-stepped out of line */
};

enum tls_site_kind {
	TLS_SITE_ENTRY = 1,	/* uprobe: arguments are in their registers */
	TLS_SITE_RETURN,	/* uretprobe of the function that begins here: never for Go */
	TLS_SITE_RET_INSN,	/* uprobe on a return instruction: the result is in its register */
};

struct tls_site {
	uint64_t offset;		/* in the file, inside an executable segment */
	enum tls_site_kind kind;
	enum tls_insn_class insn;
	uint16_t func;			/* index into tls_funcs[] (stacks.h): the probe's cookie */
	char symbol[TLS_PLAN_SYMBOL_MAX];	/* "SSL_read_ex -> ssl_read_internal+0", for doctor */
};

struct tls_plan {
	struct tls_site *sites;
	unsigned nsites;
	char stack[32];		/* "openssl", "gnutls", "go 1.19", ... of the first row that fit; empty: no TLS in this file */
	char build_id[41];	/* hex, empty without one */
	char why[160];		/* no sites though TLS is in it, or less than all: the reason; else empty */
	bool uses_tls;		/* a TLS library lives in this file (not: it links one) */
};

/* 0 (also when there is no TLS in it), or -errno: -EBADMSG not a sound ELF file, -ENOEXEC of another machine, -EIO, -ENOMEM. */
int tls_plan_file(int fd, struct tls_plan *ret_plan);
void tls_plan_done(struct tls_plan *plan);	/* leaves it empty */

/* Worth a tls_plan_file() by its name alone (libssl.so.3, libgnutls.so.30.34.3, libnode.so.108, ...)? Executables always are. */
bool tls_plan_name(const char *basename);
/* The same of what was mapped to be executed: there, what has no library's name may be a program that the linker was given, or a plugin. */
bool tls_plan_mapped(const char *basename);

#endif
