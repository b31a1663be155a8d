/* SPDX-License-Identifier: Apache-2.0 */
/* insn.h - one instruction of x86-64 code: how the kernel would run it under a probe, where it goes, what it changes.
 * The bytes are hostile. No allocation, no shared state but a constant decoder. */
#ifndef HOSTTRAIL_TLS_INSN_H
#define HOSTTRAIL_TLS_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan.h"

enum insn_kind {
	INSN_OTHER = 0,
	INSN_ENDBR,
	INSN_CALL,	/* to `target` */
	INSN_JMP,	/* to `target` */
	INSN_JCC,	/* to `target`, or on */
	INSN_INDIRECT,	/* call or jump to where a register or memory says; *(target) if `at_memory` */
	INSN_RET,
	INSN_STOP,	/* int3, ud2, hlt: what follows is not reached from here */
};

/* Registers by their number in machine code. */
enum { REG_AX, REG_CX, REG_DX, REG_BX, REG_SP, REG_BP, REG_SI, REG_DI, REG_8, REG_9, REG_10, REG_11, REG_12, REG_13, REG_14, REG_15 };

struct insn {
	uint8_t len;
	enum insn_kind kind;
	enum tls_insn_class cls;
	bool at_memory, ends;	/* ends: never goes on to the next instruction */
	uint64_t target;
	uint32_t writes;	/* bit n: register n, or a part of it, is changed */
	int copies_from, copies_to;	/* `to` becomes what `from` was, else both -1 */
};

/* `p` of `n` bytes lies at address `at`. 0, or -EBADMSG: no instruction. */
int insn_decode(const uint8_t *p, size_t n, uint64_t at, struct insn *ret_i);

#endif
