/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * process.bpf.h - the life of a task: made, another program, gone.
 *
 * sched_process_fork is not used: task_newtask fires for every task that it fires for and for
 * io_uring's and other kernel-made threads of a process too, and the fork itself is recorded
 * as the parent's call.
 */
#ifndef HOSTTRAIL_PROCESS_BPF_H
#define HOSTTRAIL_PROCESS_BPF_H

#define CLONE_FILES_ 0x400
#define CLONE_THREAD_ 0x10000

/* Another process gets the table of descriptors, too: what either does in it during a call of the other, and then ends, leaves no trace. */
static __always_inline void files_give(struct task_struct *child)
{
	__u64 files = (__u64)this_task()->files;
	struct task *t, *c;

	if (!task_in_scope(bpf_get_current_task_btf(), &t) || !t)
		return;
	t->foreign = files;
	c = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (c)
		c->foreign = files;
}

/* Runs in the parent. The mark goes on; that a task is one of our programs does not. */
SEC("tp_btf/task_newtask")
int BPF_PROG(ht_task_newtask, struct task_struct *child, unsigned long clone_flags)
{
	struct task_struct *task = this_task();
	struct task *t = NULL, *c;
	struct ht_shared *w;
	struct ht_counters *n;

	exe_inherit((__u64)task->mm, (__u64)child->mm);
	if (task->flags & PF_NOT_USER) {
		if (ht_scope == HT_SCOPE_TREE)
			t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	} else if (task_in_scope(bpf_get_current_task_btf(), &t) && t) {
		t->cloned = clone_flags;
		t->born = 1;
		t->made += !!(clone_flags & CLONE_THREAD_);
		fork_begun(t, task, child, clone_flags);
	}
	if ((clone_flags & (CLONE_FILES_ | CLONE_THREAD_)) == CLONE_FILES_)
		files_give(child);
	if (ht_scope != HT_SCOPE_TREE || !t || !(t->flags & HT_TASK_MARKED))
		return 0;
	c = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!c) {	/* its calls are not recorded: that much is known and counted */
		n = counters_of(HT_CLASS_PROCESS, bpf_get_smp_processor_id());
		if (n)
			n->storage_failed++;
		return 0;
	}
	c->flags = HT_TASK_MARKED;
	w = shared_words();
	if (w)
		__sync_fetch_and_add(&w->marked, 1);
	return 0;
}

/* n bytes of user memory behind s->b + at, n at most HT_ARGV_MAX. */
static __always_inline long argv_copy(struct scratch *s, __u32 at, __u32 n, __u64 from)
{
	barrier_var(at);
	barrier_var(n);
	if (at > OUT_MAX - 64 || n > HT_ARGV_MAX)
		return -1;
	return bpf_probe_read_user(s->b + at, n, (void *)from);
}

/* The new program's arguments, as they lie on its stack: all, or as much of both ends as there is room for. */
static __always_inline void stack_argv_emit(struct scratch *s)
{
	struct task_struct *task = task_of(s);
	struct ht_field *f = field_open(s, HT_FIELD_ARGV, HT_ARG_TASK, 16);
	__u32 at = s->pos + sizeof(*f) + 8, room, n, half = 0;
	struct mm_struct *mm = task->mm;
	__u64 start, total;

	if (!f || !mm)
		return;
	start = mm->arg_start;
	total = mm->arg_end - start;
	*(__u64 *)(f + 1) = total;
	room = OUT_MAX - 128 - s->pos;
	if (room > HT_ARGV_MAX)
		room = HT_ARGV_MAX;
	n = total;
	if (total > room) {
		half = room / 2;
		n = half;
	}
	if (argv_copy(s, at, n, start) || (half && argv_copy(s, at + half, half, start + total - half))) {
		field_fault(s, f);
		return;
	}
	if (half)
		f->flags = HT_FIELD_F_CUT;
	if (twice_foreign(s))	/* another process can reach the new memory since before it was whole */
		f->flags |= HT_FIELD_F_SHARED;
	n += half;
	barrier_var(n);
	if (n <= HT_ARGV_MAX)
		field_close(s, f, n + 8);
}

#define EXE_AGAIN (sizeof(struct ht_ident) - sizeof(struct ht_call))

/* The identity that was just sent begins its fields with the executable's, where they lie still: the event's first is the same. */
static __always_inline void exec_exe_again(struct scratch *s)
{
	__u32 n = s->exe_len;

	s->exe_len = 0;
	if (!n || s->pos != sizeof(struct ht_call))
		return;
	barrier_var(n);		/* else both tests become one of n - 1, which 6.1 cannot follow */
	if (n > EXE_AGAIN || bpf_probe_read_kernel(s->b + sizeof(struct ht_call), n, s->b + sizeof(struct ht_ident)))
		return;
	s->pos = sizeof(struct ht_call) + n;
	s->exe_len = n;
}

__noinline int exec_fields(struct scratch *s)
{
	struct task_struct *task;
	struct fs_struct *fs;
	struct mm_struct *mm;
	__u64 exe, mnt, dentry;

	if (!s)
		return 0;
	task = task_of(s);
	fs = task->fs;
	mm = task->mm;
	if (!mm || !fs)
		return 0;
	exe = (__u64)mm->exe_file;
	if (exe && !s->exe_len)
		walk_emit(s, KREAD(struct file, exe, f_path.mnt), KREAD(struct file, exe, f_path.dentry),
			  HT_ARG_TASK | HT_WALK_EXE << 8, 0);
	mnt = (__u64)fs->pwd.mnt;
	dentry = (__u64)fs->pwd.dentry;
	walk_emit(s, mnt, dentry, HT_ARG_TASK | HT_WALK_CWD << 8, 0);
	stack_argv_emit(s);
	return 0;
}

/* The call as it was entered; the registers of now are the new program's. */
static __always_inline void exec_call(struct task *t, struct task_struct *task, struct call_in *in)
{
	struct pt_regs *regs;
	__u32 call, nr;

	in->flags = HT_EV_F_EXEC;
	if (t && t->exec.call) {
		in->nr = t->exec.nr;
		in->abi = t->exec.abi;
		in->call = t->exec.call;
		return;
	}
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	nr = arch_nr(task, regs, &in->abi);
	in->abi = arch_exec_abi(nr, in->abi);
	call = call_index(nr, in->abi) & HT_INDEX_MASK;
	in->flags |= HT_EV_F_ENTER_MISSED;
	in->nr = nr;
	in->call = call;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(ht_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct call_in in = {};
	struct ht_counters *n = NULL;
	struct scratch *s;
	struct task *t;

	exe_inherit(0, (__u64)task->mm);
	if (!task_in_scope(task, &t))
		return 0;
	exec_call(t, task, &in);
	if (t)
		t->born = 1;
	if (t && old_pid != task->pid)	/* it is the first thread now, which had numbers of its own, fewer than nanoseconds */
		t->calls = bpf_ktime_get_boot_ns() - task->start_boottime;
	if (t && (ARCH_EXEC_CHANGES_ABI || in.call || this_task()->ptrace))
		exec_begun(t);
	if (!in.call)
		return 0;
	s = record_begin(t, bpf_get_current_task_btf(), &in, HT_CLASS_PROCESS, &n);
	if (s && t && t->exec.call)
		__builtin_memcpy(s->c.args, t->exec.args, sizeof(s->c.args));
	else if (s)
		__builtin_memset(s->c.args, 0, sizeof(s->c.args));
	if (t) {
		t->exec.call = 0;
		t->object = 0;
		t->before_of = 0;
		t->gen = 0;	/* another program is another identity, even with the same file */
	}
	if (!s)
		return 0;
	s->exe_len = 0;
	record_body(s, t, n);
	exec_exe_again(s);
	kstr_emit(s, HT_FIELD_KSTR, 0, (__u64)bprm->filename);
	if (bprm->interp != bprm->filename)
		kstr_emit(s, HT_FIELD_KSTR, 1, (__u64)bprm->interp);
	exec_fields(s);
	record_end(s);
	scratch_give(s);
	return 0;
}

/* Tells the agent that a process is gone, where no call that it ended in does. Not counted: nothing is lost with it but a hint, for which a pressed ring has no room. */
static __noinline int exit_notice(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ht_counters *n = counters_of(HT_CLASS_PROCESS, cpu);
	struct ht_event e = {};

	if (!n || ring_pressed(n, HT_CLASS_PROCESS))
		return 0;
	header_fill(&e, HT_EV_EXIT, HT_CLASS_PROCESS, cpu, this_task());
	e.flags = HT_EV_F_GROUP_DEAD;
	ring_put(HT_CLASS_PROCESS, cpu, n, &e, sizeof(e));
	return 0;
}

/* Does the task end in another call than the one that is held? Then it has left that one. */
static __always_inline bool exit_leaves(struct task *t, struct task_struct *task, struct pt_regs *regs, __u32 nr, __u32 abi)
{
	if (!t->held.call || !arch_in_call(task, regs) || (held_goes_on(t) && call_index_of(nr, abi) == HT_INDEX_RESTART))
		return false;
	arch_args(regs, abi, t->args);
	return !held_is(&t->held, nr, abi, t->args);
}

/*
 * The call that the task is in, or one that waits to be restarted; false: neither is to be recorded now. ret_args as record_call() takes them.
 * left: by an exit of its own, which has not answered before.
 */
static __always_inline bool exit_found(struct task *t, struct task_struct *task, struct pt_regs *regs, struct call_in *in,
				       const __u64 **ret_args, bool left)
{
	/* The same call with the same arguments that answered like that the last time has answered now, too. */
	if (!arch_in_call(task, regs) || (t && !left && t->returned == call_mark(regs))) {
		if (t && t->held.call)
			held_close(t, HT_EV_F_IN_CALL | HT_EV_F_INTERRUPTED);
		return false;
	}
	in->call = call_index_of(in->nr, in->abi);
	if (t && t->held.call)
		restart_join(t, in, regs);
	if (!in->call || in->call == HT_INDEX_RESTART)
		return false;
	if (desc_of(in->call)->flags & HT_CALL_F_NORETURN)
		in->flags = 0;
	if (!t || !arch_multiplexer(in->nr, in->abi))
		return true;
	*ret_args = t->args;
	arch_args(regs, in->abi, t->args);
	return look_behind(in, t->args);
}

/*
 * The call that the task is in, if any: exit itself, or one that death cut short. A function of its own: its stack is not begun_close()'s, too.
 * 1: it says that the process is gone.
 */
static __noinline int exit_call(struct task *t, struct task_struct *task, struct pt_regs *regs, __u32 nr, __u32 abi)
{
	struct call_in in = { .nr = nr, .abi = abi, .flags = HT_EV_F_IN_CALL };
	bool left = t && left_by_itself(task, regs);
	const __u64 *args = NULL;

	if (t)
		t->before_of = 0;
	if (left && !exit_is(t, task, regs, &in)) {
		exit_changed(t, task, &in);
		if (!in.call)
			return 0;
		args = t->args;
	} else if (!exit_found(t, task, regs, &in, &args, left)) {
		return 0;
	}
	if (!task->signal->live.counter)
		in.flags |= HT_EV_F_GROUP_DEAD;
	record_call(t, task, &in, regs, args);
	return in.flags & HT_EV_F_GROUP_DEAD;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(ht_exit, struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct ht_shared *w = shared_words();
	__u32 nr, abi, said = 0;
	struct task *t;

	if (!task_in_scope(task, &t))
		return 0;
	nr = arch_nr(task, regs, &abi);
	if (t && begun_differs(regs, t, nr, abi))	/* and nothing that was captured followed it */
		begun_close();
	if (t && exit_leaves(t, task, regs, nr, abi))
		held_left();
	if (!(task->flags & PF_NOT_USER) && !task->worker_private)	/* io_uring's workers take the flag off before they leave */
		said = exit_call(t, task, regs, nr, abi);
	if (!said && !task->signal->live.counter)
		exit_notice();
	if (w && t && (t->flags & HT_TASK_MARKED)) {
		t->flags &= ~HT_TASK_MARKED;
		__sync_fetch_and_add(&w->marked, -1);
	}
	return 0;
}

#endif
