/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * arch_arm64.bpf.h - registers and ABIs of arm64: AArch64, and AArch32's EABI as HT_ABI_COMPAT.
 *
 * What is other than on x86:
 *
 * - x0 is the first argument and the result. What it was when the call was entered stays in orig_x0, but a tracer that stops the task there
 *   changes x0 alone, and that is what the kernel then takes: sys_enter sees that the two differ (ARCH_FIRST_CHANGES).
 * - Nothing stands for "no result yet": x0 is still orig_x0.
 * - syscallno is the number, -1 outside of calls; x8 (AArch32: r7) is only looked at when a call is entered.
 * - An exec keeps syscallno, clears the other registers, and takes on the new program's ABI before the call ends.
 * - The child of a fork does not come by sys_exit.
 * - User addresses may have a tag in their upper byte, which bpf_probe_read_user() does not take off.
 */
#ifndef HOSTTRAIL_ARCH_ARM64_BPF_H
#define HOSTTRAIL_ARCH_ARM64_BPF_H

#define TIF_32BIT 22		/* arch/arm64/include/asm/thread_info.h */
#define PSR_MODE_MASK 0xf	/* 0: EL0 */

#define ARCH_O_LARGEFILE 0400000
#define ARCH_FIRST_CHANGES 1
#define ARCH_EXEC_CHANGES_ABI 1
#define ARCH_REFUSED_INLINE __noinline	/* else sys_exit's stack is too deep */

/* The kernel takes tags off where the program told it that there are some; where it did not, its call fails. */
#define UNTAGGED(p)                                                                                          \
	({                                                                                                   \
		__u64 _u = (__u64)(p);                                                                       \
		asm volatile("%0 <<= 8; %0 s>>= 8" : "+r"(_u)); /* just before it is used, or it takes stack */ \
		(void *)_u;                                                                                  \
	})
#define bpf_probe_read_user(to, n, from) bpf_probe_read_user(to, n, UNTAGGED(from))
#define bpf_probe_read_user_str(to, n, from) bpf_probe_read_user_str(to, n, UNTAGGED(from))

/* The number of the call that these registers are in, and its ABI. NO_CALL: none. */
static __always_inline __u32 arch_nr(struct task_struct *task, struct pt_regs *regs, __u32 *ret_abi)
{
	*ret_abi = task->thread_info.flags >> TIF_32BIT & 1 ? HT_ABI_COMPAT : HT_ABI_NATIVE;
	return (__u32)regs->syscallno;
}

/* Not inline, for the stack of sys_exit. */
static __noinline void arch_args(struct pt_regs *regs, __u32 abi, __u64 args[6])
{
	args[0] = regs->orig_x0;
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
	args[3] = regs->regs[3];
	args[4] = regs->regs[4];
	args[5] = regs->regs[5];
	if (abi == HT_ABI_COMPAT)
		for (int i = 0; i < 6; i++)
			args[i] = (__u32)args[i];
}

/* At sys_enter. */
static __always_inline void arch_args_now(struct pt_regs *regs, __u32 abi, __u64 args[6])
{
	arch_args(regs, abi, args);
	args[0] = abi == HT_ABI_COMPAT ? (__u32)regs->regs[0] : regs->regs[0];
}

/* At sys_enter: is the first argument another one than sys_exit will find? */
static __always_inline bool arch_first_changed(struct pt_regs *regs)
{
	return regs->regs[0] != regs->orig_x0;
}

/* Tells one call from the next by place and arguments. */
static __always_inline void arch_mark(struct pt_regs *regs, __u64 w[6])
{
	w[0] = regs->pc;
	w[1] = regs->sp;
	w[2] = regs->syscallno;
	w[3] = regs->orig_x0;
	w[4] = regs->regs[1];
	w[5] = regs->regs[2];
}

/* A signal is about to be delivered: are these the registers of the call `nr` that ended with `code`? The kernel has made them ready to make it again. */
static __always_inline bool arch_interrupts(struct pt_regs *regs, __u32 nr, __s32 code)
{
	return true;
}

/* Registers that an exec made, which the new program has not used yet: without a number where calls have theirs. */
static __always_inline bool arch_new_program(struct pt_regs *regs)
{
	return !(regs->regs[8] | regs->regs[7] | regs->regs[30] | regs->regs[0] | regs->orig_x0 | regs->regs[1] | regs->regs[2]);
}

#define ARM64_EXECVE 221
#define ARM64_EXECVEAT 281

/* The ABI of an exec whose number is found in the new program's registers. */
static __always_inline __u32 arch_exec_abi(__u32 nr, __u32 abi)
{
	return nr == ARM64_EXECVE || nr == ARM64_EXECVEAT ? HT_ABI_NATIVE : HT_ABI_COMPAT;
}

/* Registers of a program: those of a thread that the kernel made for itself are of another mode. */
static __always_inline bool arch_user(struct pt_regs *regs)
{
	return !(regs->pstate & PSR_MODE_MASK);
}

/*
 * Only the result replaces the first argument. (A call that returns its first argument has one, too: call_mark() tells.) When signals are
 * looked at, before a task dies of one, the number is gone already.
 */
static __always_inline bool arch_in_call(struct task_struct *task, struct pt_regs *regs)
{
	return regs->syscallno >= 0 && regs->regs[0] == regs->orig_x0 && arch_user(regs) && !arch_new_program(regs);
}

/*
 * Seccomp refused this call with a signal: the first argument is back, and SIGSYS waits. What sys_exit shows as the result
 * is none.
 */
static __always_inline bool arch_refused(struct task_struct *task, struct pt_regs *regs)
{
	return regs->regs[0] == regs->orig_x0 && (task->pending.signal.sig[0] & 1ul << (SIGSYS_ - 1)) && task->seccomp.filter &&
	       !arch_new_program(regs);
}

/* Syscall user dispatch, which puts registers back before the kernel sees a call, is not there. */
static __always_inline bool arch_rolled_back(struct pt_regs *regs)
{
	return false;
}

/* Did the call that returns to these registers end with what arch_in_call() takes for no result? */
static __always_inline bool arch_looks_unfinished(struct pt_regs *regs)
{
	return regs->regs[0] == regs->orig_x0;
}

static __always_inline __u32 arch_exit_nr(__u32 abi, bool group)
{
	if (abi == HT_ABI_COMPAT)
		return group ? 248 : 1;
	return group ? 94 : 93;
}

/* EABI has no calls that only stand for others. */
static __always_inline bool arch_multiplexer(__u32 nr, __u32 abi)
{
	return false;
}

#define ARCH_BLOCK_MAX 0

static __always_inline __u64 arch_block(__u32 nr, const struct pt_regs *regs)
{
	return 0;
}

static __always_inline int arch_behind(__u32 nr, __u64 *args, __s64 *ret)
{
	return -1;
}

/* Argument n (from 1) of a function that was just called, by enum ht_tls_abi. */
static __always_inline __u64 arch_func_arg(struct pt_regs *regs, __u32 abi, __u32 n)
{
	__u64 v = 0;

	if (abi == HT_TLS_ABI_GO_STACK) {
		bpf_probe_read_user(&v, 8, (void *)(regs->sp + 8 * (n & 15)));
		return v;
	}
	switch (n) {
	case 1: return regs->regs[0];
	case 2: return regs->regs[1];
	case 3: return regs->regs[2];
	case 4: return regs->regs[3];
	case 5: return regs->regs[4];
	case 6: return regs->regs[5];
	}
	return 0;
}

/* What a native call on a socket does with the bytes; 0: nothing. */
static __always_inline __u32 arch_socket_io(__u32 nr)
{
	switch (nr) {
	case 63: case 207: return IO_ANY;		/* read, recvfrom */
	case 64: case 206: return IO_ANY | IO_SEND;	/* write, sendto */
	case 65: return IO_ANY | IO_IOV;		/* readv */
	case 66: return IO_ANY | IO_SEND | IO_IOV;	/* writev */
	case 211: return IO_ANY | IO_SEND | IO_IOV | IO_MSG;	/* sendmsg */
	case 212: return IO_ANY | IO_IOV | IO_MSG;	/* recvmsg */
	case 243: return IO_ANY | IO_IOV | IO_MSG | IO_MANY;	/* recvmmsg */
	case 269: return IO_ANY | IO_SEND | IO_IOV | IO_MSG | IO_MANY;	/* sendmmsg */
	case 71: case 76: return IO_ANY | IO_BLIND;	/* sendfile, splice */
	}
	return 0;
}

/* AArch32's calls on sockets are not followed. */
static __always_inline __u32 arch_socket_io32(__u32 nr)
{
	return 0;
}

static __always_inline bool arch_mmap_block(__u32 nr, __u32 abi)
{
	return false;
}

static __always_inline bool arch_socketcall(__u32 nr)
{
	return false;
}

static __always_inline __u32 arch_socketcall_io(__u32 which)
{
	return 0;
}

/* Argument n (from 0, at most 2) of a call that begins. */
static __always_inline __u64 arch_arg(struct pt_regs *regs, __u32 n)
{
	return n == 0 ? regs->regs[0] : n == 1 ? regs->regs[1] : regs->regs[2];
}

static __always_inline __u64 arch_arg32(struct pt_regs *regs, __u32 n)
{
	return (__u32)arch_arg(regs, n);
}

static __always_inline bool arch_splice(__u32 nr, __u32 abi)
{
	return nr == 76;
}

/* ---- places inside of functions, as x86's planner finds them: there is none for arm64 */

static __always_inline bool arch_jumps_be(struct pt_regs *regs)
{
	return true;
}

static __always_inline __u32 arch_stack_arg(struct pt_regs *regs)
{
	return 0;
}

/* What it returns; with Go's stack ABI as if it were an argument. */
static __always_inline __u64 arch_func_result(struct pt_regs *regs, __u32 abi, __u32 n)
{
	return abi == HT_TLS_ABI_GO_STACK ? arch_func_arg(regs, abi, n) : regs->regs[0];
}

/* The second word of a result. */
static __always_inline __u64 arch_func_result2(struct pt_regs *regs)
{
	return regs->regs[1];
}

#define arch_sp(regs) ((regs)->sp)
#define arch_ip(regs) ((regs)->pc)

/* The goroutine; 0 where it has no register. */
static __always_inline __u64 arch_goroutine(struct pt_regs *regs, __u32 abi)
{
	return abi == HT_TLS_ABI_GO_REGS ? regs->regs[28] : 0;
}

static __always_inline __u32 arch_pointer_size(__u32 abi)
{
	return abi == HT_ABI_NATIVE ? 8 : 4;
}

#endif
