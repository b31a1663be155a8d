/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * arch_x86.bpf.h - registers, ABIs and user structures of x86-64, i386 and x32.
 *
 * Another architecture is another file with the same functions: arch_nr(), arch_args(),
 * arch_in_call(), arch_pointer_size().
 */
#ifndef HOSTTRAIL_ARCH_X86_BPF_H
#define HOSTTRAIL_ARCH_X86_BPF_H

#define TS_COMPAT 0x0002	/* arch/x86/include/asm/thread_info.h */
#define X32_BIT 0x40000000
#define SIGSYS_ 31

/* The number of the call that these registers are in, and its ABI. Negative: no call. */
static __always_inline __s64 arch_nr(struct task_struct *task, struct pt_regs *regs, __u32 *ret_abi)
{
	__u64 nr = regs->orig_ax;

	if (task->thread_info.status & TS_COMPAT) {
		*ret_abi = HT_ABI_COMPAT;
		return (__s32)nr;
	}
	if ((__s64)nr > 0 && (nr & X32_BIT)) {
		*ret_abi = HT_ABI_X32;
		return nr & ~(__u64)X32_BIT;
	}
	*ret_abi = HT_ABI_NATIVE;
	return nr;
}

static __always_inline void arch_args(struct pt_regs *regs, __u32 abi, __u64 args[6])
{
	if (abi == HT_ABI_COMPAT) {
		args[0] = (__u32)regs->bx;
		args[1] = (__u32)regs->cx;
		args[2] = (__u32)regs->dx;
		args[3] = (__u32)regs->si;
		args[4] = (__u32)regs->di;
		args[5] = (__u32)regs->bp;
	} else {
		args[0] = regs->di;
		args[1] = regs->si;
		args[2] = regs->dx;
		args[3] = regs->r10;
		args[4] = regs->r8;
		args[5] = regs->r9;
	}
}

/*
 * A dying task is inside a call when it never got a result: the entry code puts -ENOSYS into ax
 * and only the result replaces it. Interrupts and faults leave orig_ax negative. A task that
 * seccomp kills has its ax set back to the number first.
 */
static __always_inline bool arch_in_call(struct task_struct *task, struct pt_regs *regs)
{
	__s64 nr = regs->orig_ax, ax = regs->ax;

	if ((__s32)nr < 0)
		return false;
	if ((__s32)ax == -38)
		return true;
	return ax == nr && (task->exit_code & 0x7f) == SIGSYS_;
}

/*
 * Seccomp refused this call with a signal: the entry code put ax back to the number, and SIGSYS waits. What sys_exit
 * shows as the result is none. (sys_exit does not fire where a single thread is killed.)
 */
static __always_inline bool arch_refused(struct task_struct *task, struct pt_regs *regs)
{
	return regs->ax == regs->orig_ax && (task->pending.signal.sig[0] & 1ul << (SIGSYS_ - 1));
}

/* Did the call that returns to these registers end with what arch_in_call() takes for no result? */
static __always_inline bool arch_looks_unfinished(struct pt_regs *regs)
{
	return (__s32)regs->ax == -38 || regs->ax == regs->orig_ax;
}

static __always_inline __u32 arch_pointer_size(__u32 abi)
{
	return abi == HT_ABI_NATIVE ? 8 : 4;
}

#endif
