// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "insn.h"

static const ZydisDecoder *decoder(void)
{
	static _Thread_local ZydisDecoder d;
	static _Thread_local bool made;

	if (!made)
		made = ZYAN_SUCCESS(ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64));
	return made ? &d : NULL;
}

/*
 * What arch/x86/kernel/uprobes.c carries out itself, on every kernel that has what we need: branch_setup_xol_ops() knows jmp, call
 * and jcc with a displacement and the one-byte nop; push_setup_xol_ops() pushes of a register, by itself or behind REX 41. With a
 * prefix they are left out: some it refuses, and compilers write none. The five-byte nop is its own since 6.16, rewritten since 6.18.
 */
static enum tls_insn_class class_of(const uint8_t *p, unsigned len)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

	if (len == sizeof(nop5) && !memcmp(p, nop5, sizeof(nop5)))
		return TLS_INSN_NOP5;
	if ((len == 1 && (p[0] == 0x90 || (p[0] & 0xf8) == 0x50)) || (len == 2 && p[0] == 0x41 && (p[1] & 0xf8) == 0x50))
		return TLS_INSN_EMULATED;
	if ((len == 5 && (p[0] == 0xe8 || p[0] == 0xe9)) || (len == 2 && (p[0] == 0xeb || (p[0] & 0xf0) == 0x70)))
		return TLS_INSN_EMULATED;
	if (len == 6 && p[0] == 0x0f && (p[1] & 0xf0) == 0x80)
		return TLS_INSN_EMULATED;
	return TLS_INSN_STEPPED;
}

static int reg_number(ZydisRegister r)
{
	r = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
	return r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_R15 ? (int)(r - ZYDIS_REGISTER_RAX) : -1;
}

static void find_kind(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *op, uint64_t at, struct insn *i)
{
	bool call = z->meta.category == ZYDIS_CATEGORY_CALL, jmp = z->meta.category == ZYDIS_CATEGORY_UNCOND_BR;
	bool jcc = z->meta.category == ZYDIS_CATEGORY_COND_BR;
	ZyanU64 target;

	if (z->mnemonic == ZYDIS_MNEMONIC_ENDBR64)
		i->kind = INSN_ENDBR;
	else if (z->meta.category == ZYDIS_CATEGORY_RET)
		i->kind = INSN_RET;
	else if (z->mnemonic == ZYDIS_MNEMONIC_INT3 || z->mnemonic == ZYDIS_MNEMONIC_UD2 || z->mnemonic == ZYDIS_MNEMONIC_HLT)
		i->kind = INSN_STOP;
	else if (call || jmp || jcc)
		i->kind = call ? INSN_CALL : jmp ? INSN_JMP : INSN_JCC;
	i->ends = i->kind == INSN_RET || i->kind == INSN_STOP || jmp;
	if (!call && !jmp && !jcc)
		return;
	if (z->operand_count && op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op[0].imm.is_relative &&
	    ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(z, &op[0], at, &target))) {
		i->target = target;
		return;
	}
	i->kind = INSN_INDIRECT;
	i->at_memory = z->operand_count && op[0].type == ZYDIS_OPERAND_TYPE_MEMORY && op[0].mem.base == ZYDIS_REGISTER_RIP &&
		       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(z, &op[0], at, &target));
	if (i->at_memory)
		i->target = target;
}

static void find_writes(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *op, struct insn *i)
{
	for (unsigned n = 0; n < z->operand_count; n++) {
		int reg = op[n].type == ZYDIS_OPERAND_TYPE_REGISTER ? reg_number(op[n].reg.value) : -1;

		if (reg >= 0 && (op[n].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			i->writes |= 1U << reg;
	}
	if (z->meta.category == ZYDIS_CATEGORY_CALL) /* and all that a callee may change; no caller is asked what it left */
		i->writes |= 0xffff & ~(1U << REG_SP);
	/* a 32-bit argument made 64 bits wide in its place is still that argument */
	if (z->operand_count_visible < 2 || op[0].type != ZYDIS_OPERAND_TYPE_REGISTER || op[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return;
	if ((z->mnemonic == ZYDIS_MNEMONIC_MOV && op[0].size >= 32) || z->mnemonic == ZYDIS_MNEMONIC_MOVSXD) {
		i->copies_to = reg_number(op[0].reg.value);
		i->copies_from = reg_number(op[1].reg.value);
		if (i->copies_to < 0 || i->copies_from < 0)
			i->copies_to = i->copies_from = -1;
	}
}

int insn_decode(const uint8_t *p, size_t n, uint64_t at, struct insn *ret_i)
{
	struct insn i = { .copies_from = -1, .copies_to = -1 };
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;

	if (!decoder() || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder(), p, n, &z, op)))
		return -EBADMSG;
	i.len = z.length;
	i.cls = class_of(p, z.length);
	find_kind(&z, op, at, &i);
	find_writes(&z, op, &i);
	*ret_i = i;
	return 0;
}
