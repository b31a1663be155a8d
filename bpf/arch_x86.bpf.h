/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * arch_x86.bpf.h - registers, ABIs and user structures of x86-64, i386 and x32.
 *
 * Another architecture is another file with the same functions and ARCH_ words (arch_arm64.bpf.h).
 */
#ifndef HOSTTRAIL_ARCH_X86_BPF_H
#define HOSTTRAIL_ARCH_X86_BPF_H

#define TS_COMPAT 0x0002	/* arch/x86/include/asm/thread_info.h */
#define X32_BIT 0x40000000

#define ARCH_O_LARGEFILE 0100000
#define ARCH_FIRST_CHANGES 0		/* sys_exit finds the arguments that the kernel was given */
#define ARCH_EXEC_CHANGES_ABI 0		/* a number is of the ABI that the call was made in, to its end */
#define ARCH_REFUSED_INLINE __always_inline

/* The number of the call that these registers are in, and its ABI. The kernel takes the register's lower half, whatever the
 * upper one holds. NO_CALL: none; other numbers above 2^31 are calls that nobody knows. */
static __always_inline __u32 arch_nr(struct task_struct *task, struct pt_regs *regs, __u32 *ret_abi)
{
	__u32 nr = (__u32)regs->orig_ax;

	if (task->thread_info.status & TS_COMPAT) {
		*ret_abi = HT_ABI_COMPAT;
		return nr;
	}
	if (nr >> 30 == X32_BIT >> 30) {
		*ret_abi = HT_ABI_X32;
		return nr & ~X32_BIT;
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

/* At sys_enter. */
static __always_inline void arch_args_now(struct pt_regs *regs, __u32 abi, __u64 args[6])
{
	arch_args(regs, abi, args);
}

/* At sys_enter: is the first argument another one than sys_exit will find? */
static __always_inline bool arch_first_changed(struct pt_regs *regs)
{
	return false;
}

/* Tells one call from the next by place and arguments. */
static __always_inline void arch_mark(struct pt_regs *regs, __u64 w[6])
{
	w[0] = regs->ip;
	w[1] = regs->sp;
	w[2] = regs->orig_ax;
	w[3] = regs->di;
	w[4] = regs->si;
	w[5] = regs->dx;
}

/* A signal is about to be delivered: are these the registers of the call `nr` that ended with `code`? */
static __always_inline bool arch_interrupts(struct pt_regs *regs, __u32 nr, __s32 code)
{
	return ((__u32)regs->orig_ax & ~X32_BIT) == nr && (__s32)regs->ax == code;
}

/* Registers that an exec made, which the new program has not used yet. */
static __always_inline bool arch_new_program(struct pt_regs *regs)
{
	return false;	/* the number tells, which an exec leaves */
}

/* The ABI of an exec whose number is found in the new program's registers. */
static __always_inline __u32 arch_exec_abi(__u32 nr, __u32 abi)
{
	return abi;
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

/* Nor has this one a result, and the entry code put ax back: seccomp refused it, or syscall user dispatch took it before the kernel saw it. */
static __always_inline bool arch_rolled_back(struct pt_regs *regs)
{
	return regs->ax == regs->orig_ax;
}

/* Did the call that returns to these registers end with what arch_in_call() takes for no result? */
static __always_inline bool arch_looks_unfinished(struct pt_regs *regs)
{
	return (__s32)regs->ax == -38 || regs->ax == regs->orig_ax;
}

/* Registers of a program: those of a thread that the kernel made for itself are empty. */
static __always_inline bool arch_user(struct pt_regs *regs)
{
	return (regs->cs & 3) == 3;
}

static __always_inline __u32 arch_exit_nr(__u32 abi, bool group)
{
	if (abi == HT_ABI_COMPAT)
		return group ? 252 : 1;
	return group ? 231 : 60;
}

#define I386_SOCKETCALL 102
#define I386_IPC 117

/* Does this call only stand for another one, which its first argument names? */
static __always_inline bool arch_multiplexer(__u32 nr, __u32 abi)
{
	return abi == HT_ABI_COMPAT && (nr == I386_SOCKETCALL || nr == I386_IPC);
}

#define ARCH_BLOCK_MAX 24

/* Where the arguments of the call behind this one lie in memory; 0: they are registers. */
static __always_inline __u64 arch_block(__u32 nr, const struct pt_regs *regs)
{
	return nr == I386_SOCKETCALL ? (__u32)regs->cx : 0;
}

/* How many arguments each call of socketcall(2) finds in its block. */
const volatile __u8 socketcall_words[HT_BEHIND_MAX] = {
	0, 3, 3, 3, 2, 3, 3, 3, 4, 4, 4, 6, 6, 2, 5, 5, 3, 3, 4, 5, 4,
};

static __always_inline int behind_socketcall(__u64 *args, __u32 which)
{
	__u32 w[6] = {}, n = socketcall_words[which & (HT_BEHIND_MAX - 1)] * 4;

	barrier_var(n);
	if (n > sizeof(w) || bpf_probe_read_user(w, n, (void *)args[1]))
		return -1;
	for (int i = 0; i < 6; i++)
		args[i] = w[i];
	return 0;
}

#define IPC_SEMOP 1
#define IPC_SEMCTL 3	/* its fourth argument stands in memory */
#define IPC_SEMTIMEDOP 4
#define IPC_MSGSND 11
#define IPC_MSGRCV 12	/* version 0: pointer and type stand in memory */
#define IPC_MSGCTL 14
#define IPC_SHMAT 21
#define IPC_SHMDT 22
#define IPC_SHMCTL 24

/* ipc(2): number, first, second, third, pointer, fifth become the arguments in the order of the call behind it. */
static __always_inline int behind_ipc(__u64 *args, __u32 which, __u32 version)
{
	__u64 first = args[1], second = args[2], third = args[3], pointer = args[4], fifth = args[5];
	__u32 w[2] = { pointer, fifth };

	if ((which == IPC_SEMCTL || (which == IPC_MSGRCV && !version)) &&
	    bpf_probe_read_user(w, which == IPC_SEMCTL ? 4 : 8, (void *)pointer))
		return -1;
	args[0] = which == IPC_SHMDT ? pointer : first;
	args[1] = second;
	args[2] = third;
	args[3] = which == IPC_SEMCTL ? w[0] : 0;
	args[4] = args[5] = 0;
	switch (which) {
	case IPC_SEMOP:
	case IPC_SEMTIMEDOP:
	case IPC_SHMAT:
		args[1] = pointer;
		args[2] = second;
		args[3] = which == IPC_SEMTIMEDOP ? fifth : 0;
		break;
	case IPC_MSGSND:
		args[1] = pointer;
		args[2] = second;
		args[3] = third;
		break;
	case IPC_MSGRCV:
		args[1] = w[0];
		args[2] = second;
		args[3] = w[1];
		args[4] = third;
		break;
	case IPC_MSGCTL:
	case IPC_SHMCTL:
		args[2] = pointer;
		break;
	}
	return 0;
}

/*
 * The descriptor of the call behind a multiplexer; args (in a map: the stack of older kernels has no room) become its
 * arguments, ret its result. 0: it is not captured. Negative, and args unchanged: there is none, or its arguments cannot be read.
 */
static __noinline int arch_behind(__u32 nr, __u64 *args, __s64 *ret)
{
	__u32 which = args[0], version = which >> 16, where = args[3], attached, i;
	int r;

	if (nr == I386_IPC)
		which &= 0xffff;
	if (which >= HT_BEHIND_MAX)
		return -1;
	i = ht_behind[(nr == I386_IPC ? HT_BEHIND_MAX : 0) + (which & (HT_BEHIND_MAX - 1))];
	if (i == HT_CALL_UNKNOWN)
		return -1;
	if (!i)
		return 0;
	r = nr == I386_IPC ? behind_ipc(args, which, version) : behind_socketcall(args, which);
	if (nr == I386_IPC && which == IPC_SHMAT && !*ret && !bpf_probe_read_user(&attached, 4, (void *)(__u64)where))
		*ret = attached;	/* shmat's result goes to memory there */
	return r < 0 ? -1 : (int)i;
}

/* Argument n (from 1) of a function that was just called, by enum ht_tls_abi. */
static __always_inline __u64 arch_func_arg(struct pt_regs *regs, __u32 abi, __u32 n)
{
	__u64 v = 0;

	if (abi == HT_TLS_ABI_GO_STACK) {
		bpf_probe_read_user(&v, 8, (void *)(regs->sp + 8 * (n & 15)));
		return v;
	}
	if (abi == HT_TLS_ABI_GO_REGS)
		return n == 1 ? regs->ax : n == 2 ? regs->bx : n == 3 ? regs->cx : n == 4 ? regs->di : n == 5 ? regs->si : 0;
	switch (n) {
	case 1: v = regs->di; apart(v, 1); break;
	case 2: v = regs->si; apart(v, 2); break;
	case 3: v = regs->dx; apart(v, 3); break;
	case 4: v = regs->cx; apart(v, 4); break;
	case 5: v = regs->r8; apart(v, 5); break;
	case 6: v = regs->r9; apart(v, 6); break;
	}
	return v;
}

/* What a native call on a socket does with the bytes; 0: nothing. */
static __always_inline __u32 arch_socket_io(__u32 nr)
{
	switch (nr) {
	case 0: case 45: return IO_ANY;			/* read, recvfrom */
	case 1: case 44: return IO_ANY | IO_SEND;	/* write, sendto */
	case 19: return IO_ANY | IO_IOV;		/* readv */
	case 20: return IO_ANY | IO_SEND | IO_IOV;	/* writev */
	case 46: return IO_ANY | IO_SEND | IO_IOV | IO_MSG;	/* sendmsg */
	case 47: return IO_ANY | IO_IOV | IO_MSG;	/* recvmsg */
	case 299: return IO_ANY | IO_IOV | IO_MSG | IO_MANY;	/* recvmmsg */
	case 307: return IO_ANY | IO_SEND | IO_IOV | IO_MSG | IO_MANY;	/* sendmmsg */
	case 40: case 275: return IO_ANY | IO_BLIND;	/* sendfile, splice */
	}
	return 0;
}

/* The same of an i386 call. */
static __always_inline __u32 arch_socket_io32(__u32 nr)
{
	switch (nr) {
	case 3: case 371: return IO_ANY | IO_32;			/* read, recvfrom */
	case 4: case 369: return IO_ANY | IO_32 | IO_SEND;		/* write, sendto */
	case 145: return IO_ANY | IO_32 | IO_IOV;			/* readv */
	case 146: return IO_ANY | IO_32 | IO_SEND | IO_IOV;		/* writev */
	case 370: return IO_ANY | IO_32 | IO_SEND | IO_IOV | IO_MSG;	/* sendmsg */
	case 372: return IO_ANY | IO_32 | IO_IOV | IO_MSG;		/* recvmsg */
	case 337: case 417: return IO_ANY | IO_32 | IO_IOV | IO_MSG | IO_MANY;	/* recvmmsg, recvmmsg_time64 */
	case 345: return IO_ANY | IO_32 | IO_SEND | IO_IOV | IO_MSG | IO_MANY;	/* sendmmsg */
	case 187: case 239: case 313: return IO_ANY | IO_32 | IO_BLIND;	/* sendfile, sendfile64, splice */
	}
	return 0;
}

/* And of the call behind socketcall, whose first two arguments are descriptor and bytes. */
static __always_inline __u32 arch_socketcall_io(__u32 which)
{
	switch (which) {
	case 10: case 12: return IO_ANY | IO_32;			/* recv, recvfrom */
	case 9: case 11: return IO_ANY | IO_32 | IO_SEND;		/* send, sendto */
	case 16: return IO_ANY | IO_32 | IO_SEND | IO_IOV | IO_MSG;	/* sendmsg */
	case 17: return IO_ANY | IO_32 | IO_IOV | IO_MSG;		/* recvmsg */
	case 19: return IO_ANY | IO_32 | IO_IOV | IO_MSG | IO_MANY;	/* recvmmsg */
	case 20: return IO_ANY | IO_32 | IO_SEND | IO_IOV | IO_MSG | IO_MANY;	/* sendmmsg */
	}
	return 0;
}

/* mmap whose arguments are an array of 32-bit words in memory. */
static __always_inline bool arch_mmap_block(__u32 nr, __u32 abi)
{
	return abi == HT_ABI_COMPAT && nr == 90;
}

/* Does this call only name the call on a socket that is meant? */
static __always_inline bool arch_socketcall(__u32 nr)
{
	return nr == I386_SOCKETCALL;
}

/* Argument n (from 0, at most 2) of a call that begins. */
static __always_inline __u64 arch_arg(struct pt_regs *regs, __u32 n)
{
	return n == 0 ? regs->di : n == 1 ? regs->si : regs->dx;
}

/* The same of a 32-bit call. */
static __always_inline __u64 arch_arg32(struct pt_regs *regs, __u32 n)
{
	return (__u32)(n == 0 ? regs->bx : n == 1 ? regs->cx : regs->dx);
}

static __always_inline bool arch_splice(__u32 nr, __u32 abi)
{
	return nr == (abi == HT_ABI_NATIVE ? 275 : 313);
}

/* At a jbe: it will jump. */
static __always_inline bool arch_jumps_be(struct pt_regs *regs)
{
	return regs->flags & 0x41;	/* carry, zero */
}

/* The first word that is passed on the stack, before the function has moved its pointer. */
static __always_inline __u32 arch_stack_arg(struct pt_regs *regs)
{
	__u32 v = 0;

	bpf_probe_read_user(&v, sizeof(v), (void *)(regs->sp + 8));
	return v;
}

/* What it returns; with Go's stack ABI as if it were an argument. */
static __always_inline __u64 arch_func_result(struct pt_regs *regs, __u32 abi, __u32 n)
{
	return abi == HT_TLS_ABI_GO_STACK ? arch_func_arg(regs, abi, n) : regs->ax;
}

/* The second word of a result. */
static __always_inline __u64 arch_func_result2(struct pt_regs *regs)
{
	__u64 v = regs->dx;

	apart(v, 7);
	return v;
}

#define arch_sp(regs) ((regs)->sp)
#define arch_ip(regs) ((regs)->ip)

/* The goroutine; 0 where it has no register. */
static __always_inline __u64 arch_goroutine(struct pt_regs *regs, __u32 abi)
{
	return abi == HT_TLS_ABI_GO_REGS ? regs->r14 : 0;
}

static __always_inline __u32 arch_pointer_size(__u32 abi)
{
	return abi == HT_ABI_NATIVE ? 8 : 4;
}

#endif
