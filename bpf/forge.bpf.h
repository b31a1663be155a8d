/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * forge.bpf.h - calls whose registers a tracer changed while they were made.
 *
 * What a tracer changes when a call is entered is what the kernel then does, and what it changes behind sys_exit is nobody's. But it can
 * also stop a task inside fork and exec (PTRACE_EVENT_*), when what was asked for is done, and give it the number and arguments of another
 * call, or of none: sys_exit then shows that. So what was begun is kept, a fork where its child is made, and the next end of a
 * captured call has to be just that. If it is not, the fork is recorded as it was begun, and what ended instead, which may
 * be a call that the task really made later, is recorded as one that nobody knows of whether it was made.
 */
#ifndef HOSTTRAIL_FORGE_BPF_H
#define HOSTTRAIL_FORGE_BPF_H

#define CLONE_VFORK_ 0x4000
#define PF_IO_WORKER_ 0x10
#define PF_NOT_USER (0x00200000 | PF_IO_WORKER_)	/* or PF_KTHREAD: no registers of their own */

/* As the task that made it is told, in its own pid namespace. */
static __always_inline __s64 pid_told(struct task_struct *task, struct task_struct *child)
{
	__u32 level = KREAD(struct pid, KREAD(struct task_struct, task, thread_pid), level);

	return (__s32)pid_at(KREAD(struct task_struct, child, thread_pid), level);
}

/* Runs in the parent, which is recorded and a program's. Who waits for a vfork's child can get a tracer meanwhile. */
static __always_inline void fork_begun(struct task *t, struct task_struct *task, struct task_struct *child, __u64 clone_flags)
{
	struct pt_regs *regs;
	__u32 abi, nr;

	if (!task->ptrace && !(clone_flags & CLONE_VFORK_))
		return;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	nr = arch_nr(task, regs, &abi);
	t->begun.call = call_index_of(nr, abi);
	if (!(desc_of(t->begun.call)->flags & HT_CALL_F_FORK)) {
		t->begun.call = 0;	/* not captured; or a thread that the kernel makes, which stops nobody */
		if (!task->ptrace)
			return;
	}
	arch_args(regs, abi, t->begun.args);
	t->begun.nr = nr;
	t->begun.abi = abi;
	t->begun_ret = pid_told(task, child);
	t->is_begun = 1;
}

/* An exec is recorded when it is done. */
static __always_inline void exec_begun(struct task *t)
{
	t->begun.call = 0;
	t->begun.nr = 0;
	t->begun.abi = HT_ABI__MAX;	/* its end is known by its row */
	t->is_begun = 1;
}

static __always_inline bool begun_is(const struct stash *b, __u32 nr, __u32 abi, const __u64 *args)
{
	__u64 differs = 0;

	for (int i = 0; i < 6; i++)
		differs |= b->args[i] ^ args[i];
	return !differs && b->nr == nr && b->abi == abi;
}

/* In task.is_begun, when it has ended as another call: begun_close() is due. Behind a descriptor's index, and twice HT_EV_F_DOUBTED. */
#define BEGUN_DUE (1u << 16)

/* Is the call that ends now another one than what was begun? BEGUN_DUE or 0, read from memory: of a number that it knows the verifier
 * would look at everything that follows twice. */
static __always_inline __u32 begun_differs(struct pt_regs *regs, struct task *t, __u32 nr, __u32 abi)
{
	if (t->is_begun) {
		arch_args(regs, abi, t->args);
		t->is_begun = begun_is(&t->begun, nr, abi, t->args) ? 0 : BEGUN_DUE;
	}
	return *(volatile __u32 *)&t->is_begun;
}

/* Records what was begun and ended as something else. Called where the stack is not deep; a function that the verifier looks at once. */
__noinline int begun_close(void)
{
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct call_in in = { .flags = HT_EV_F_CHANGED };

	if (!t || t->is_begun != BEGUN_DUE)
		return 0;
	t->is_begun = 0;
	t->before_of = 0;
	in.ret = t->begun_ret;
	in.nr = t->begun.nr;
	in.abi = t->begun.abi;
	in.call = t->begun.call;
	if (in.call)
		record_call(t, bpf_get_current_task_btf(), &in, NULL, t->begun.args);
	return 0;
}

/* ---- exits: PTRACE_EVENT_EXIT comes before sched_process_exit ---- */

#define PF_SIGNALED_ 0x400
#define SIGNAL_GROUP_EXIT_ 4
#define PF_USER_WORKER_ 0x4000

/* It made its end itself, by exit or exit_group: nothing else leaves a task without a signal. */
static __always_inline bool left_by_itself(struct task_struct *task, struct pt_regs *regs)
{
	return !(task->exit_code & 0xff) && !(task->flags & (PF_SIGNALED_ | PF_USER_WORKER_)) && arch_user(regs);
}

/* Do the registers say so, too, with the status that the kernel has? */
static __always_inline bool exit_is(struct task *t, struct task_struct *task, struct pt_regs *regs, const struct call_in *in)
{
	if (!arch_in_call(task, regs) || !(desc_of(call_index_of(in->nr, in->abi))->flags & HT_CALL_F_NORETURN))
		return false;
	arch_args(regs, in->abi, t->args);
	return (t->args[0] & 0xff) == ((task->exit_code >> 8) & 0xff);
}

/* The exit of a task whose registers say something else; its status is what the kernel has. */
static __always_inline void exit_changed(struct task *t, struct task_struct *task, struct call_in *in)
{
	in->nr = arch_exit_nr(in->abi, task->signal->flags & SIGNAL_GROUP_EXIT_);
	in->call = call_index_of(in->nr, in->abi);
	in->flags = HT_EV_F_CHANGED;
	__builtin_memset(t->args, 0, sizeof(t->args));
	t->args[0] = (task->exit_code >> 8) & 0xff;
}

#endif
