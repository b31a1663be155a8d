/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * syscall.bpf.h - sys_exit, which records, and sys_enter, for what exit cannot tell.
 *
 * Both leave within a few instructions when the table does not want the call.
 */
#ifndef HOSTTRAIL_SYSCALL_BPF_H
#define HOSTTRAIL_SYSCALL_BPF_H

int tls_identity(__u32 pad);	/* tls.bpf.h */

#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

#define SIG_DFL_ NULL
#define SIG_IGN_ ((__sighandler_t)1)

static __always_inline bool is_restart(__s64 ret)
{
	return ret == -ERESTARTSYS || ret == -ERESTARTNOINTR || ret == -ERESTARTNOHAND ||
	       ret == -ERESTART_RESTARTBLOCK;
}

/* Captured, but not to be recorded: a send to a known peer, or a call of ours on our own files. */
static __always_inline bool filtered(struct task *t, __u32 call, __s64 ret, __u32 abi, const __u64 *args)
{
	const volatile struct ht_call_desc *d = desc_of(call);
	bool msg;

	if (d->flags & HT_CALL_F_NEWPEER) {
		msg = names_by_message(call);
		if (!new_peer(call, args[0], msg ? args[1] : args[4], msg ? args[2] : args[5], ret < 0 ? abi | SEND_FAILED : abi))
			return true;
	}
	if ((t->flags & HT_TASK_SELF) && d->class == HT_CLASS_DATA)
		return own_call(call, ret, args[0], args[1]);
	return false;
}

static __always_inline bool may_be_filtered(const struct task *t, __u32 call)
{
	return (desc_of(call)->flags & HT_CALL_F_NEWPEER) || (t->flags & HT_TASK_SELF);
}

/* The held call goes out as one that ended with EINTR, or in which the task died. */
static __always_inline void held_close(struct task *t, __u32 flags)
{
	struct call_in in = {
		.ret = -4, .nr = t->held.nr, .abi = t->held.abi, .call = t->held.call,
		.restarts = t->held.restarts - 1, .flags = flags,
	};

	t->held.call = 0;
	t->before_of = 0;
	if (look_behind(&in, t->held.args) && !filtered(t, in.call, in.ret, in.abi, t->held.args))
		record_call(t, bpf_get_current_task_btf(), &in, NULL, t->held.args);
}

/*
 * Closes a held call that its program has left (a handler ended in longjmp, exec or exit): it never comes back. What its arguments
 * name may be something else by now. Called where the stack is not deep; a function that the verifier looks at once.
 */
__noinline int held_left(void)
{
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);

	if (t && t->held.call)
		held_close(t, HT_EV_F_INTERRUPTED | HT_EV_F_SHARED_FILES);
	return 0;
}

static __always_inline bool held_is(const struct held *h, __u32 nr, __u32 abi, const __u64 *args)
{
	return h->call && h->nr == nr && h->abi == abi && h->args[0] == args[0] && h->args[1] == args[1] &&
	       h->args[2] == args[2] && h->args[3] == args[3];
}

/*
 * A result that the kernel will turn into a restart: kept until the call comes back. A handler
 * may make calls of its own before that, so only the same call with the same arguments is it.
 */
static __always_inline int restart_hold(struct task *t, const struct call_in *in, struct pt_regs *regs)
{
	__u64 args[6];

	arch_args(regs, in->abi, args);
	if (!held_is(&t->held, in->nr, in->abi, args)) {
		if (t->held.call)
			held_close(t, HT_EV_F_INTERRUPTED);
		__builtin_memcpy(t->held.args, args, sizeof(args));
		t->held.nr = in->nr;
		t->held.abi = in->abi;
		t->held.call = in->call;
		t->held.restarts = 0;
		t->held.sp = regs->sp;
		t->held.alt = this_task()->sas_ss_sp;
		t->held.alt_size = this_task()->sas_ss_size;
	}
	t->held.code = in->ret;
	if (t->held.restarts < 0xffff)
		t->held.restarts++;
	return ht_exit_has_mm ? 0 : in->call;	/* a signal stopped it, perhaps the last one */
}

/* Does restart_syscall go on with the held call? Any program can make that one, in a handler, say. */
static __always_inline bool held_goes_on(const struct task *t)
{
	return t->held.call && t->held.code == -ERESTART_RESTARTBLOCK;
}

/* A result while a call is held: is it that call's? */
static __always_inline void restart_join(struct task *t, struct call_in *in, struct pt_regs *regs)
{
	__u64 args[6];

	arch_args(regs, in->abi, args);
	if (in->call == HT_INDEX_RESTART) {
		if (!held_goes_on(t))
			return;
		in->nr = t->held.nr;
		in->call = t->held.call;
	} else if (!held_is(&t->held, in->nr, in->abi, args)) {
		return;
	}
	in->restarts = t->held.restarts;
	t->held.call = 0;
}

#define HELD_DUE (1u << 17)	/* beside BEGUN_DUE: held_left() is due */

/* Another call ends while one is held. A handler's have their frames below it, or on a stack of their own: whoever makes this one has left it. */
static __always_inline __u32 held_due(const struct task *t, const struct pt_regs *regs)
{
	struct task_struct *task = this_task();

	if (!t->held.call || regs->sp < t->held.sp || regs->sp - t->held.alt < t->held.alt_size || regs->sp - task->sas_ss_sp < task->sas_ss_size)
		return 0;
	return HELD_DUE;
}

/* Tells one call from the next by place and arguments. */
static __always_inline __u64 call_mark(struct pt_regs *regs)
{
	__u64 w[6];

	arch_mark(regs, w);
	return hash_words(w, 6);
}

/*
 * A call that seccomp refused with SIGSYS did not run: with a handler the task goes on, else it dies now. Recorded here
 * in both cases, for its memory may be gone when its death is seen.
 */
static ARCH_REFUSED_INLINE void refused(struct task_struct *task, struct pt_regs *regs, struct call_in *in)
{
	if (!arch_refused(task, regs))
		return;
	in->ret = -38;
	in->flags |= task->sighand->action[SIGSYS_ - 1].sa.sa_handler == SIG_DFL_ ? HT_EV_F_IN_CALL : HT_EV_F_REFUSED;
}

/* Decided by who makes it and how it ended: nobody selects this one. Only where the entry that was looked up is the call's own. */
static __always_inline bool unselected(const struct task *t, __u32 entry, __u32 call, __s64 ret)
{
	if (!(entry & (HT_INDEX_TEST | HT_INDEX_FAILED)) || call != (entry & HT_INDEX_MASK))
		return false;
	if (t && (t->flags & HT_TASK_PROBE))
		return false;
	return (entry & HT_INDEX_TEST) || ret >= 0 || ret < -4095;
}

#if ARCH_FIRST_CHANGES
/* Did a tracer change the first argument of the call that ends? Then all are in t->args, as the kernel was given them. Not inline, for the stack. */
static __noinline int first_changed(struct task *t, struct pt_regs *regs, __u32 abi)
{
	bool is = t->first_of == call_mark(regs);

	t->first_of = 0;
	if (!is)
		return 0;
	arch_args(regs, abi, t->args);
	t->args[0] = t->first;
	return 1;
}

static __noinline int first_keep(struct pt_regs *regs, __u32 abi)
{
	__u64 args[6];
	struct task *t;

	if (!task_in_scope(bpf_get_current_task_btf(), &t) || !t)
		return 0;
	arch_args_now(regs, abi, args);
	t->first = args[0];
	t->first_of = call_mark(regs);
	return 0;
}
#endif

#if ARCH_EXEC_CHANGES_ABI
/* The number in these registers is of another ABI than they: is it an exec's, which was recorded when it was done? */
static __noinline int exec_ended(void)
{
	struct task *t;

	if (!task_in_scope(bpf_get_current_task_btf(), &t) || !t)
		return 1;
	if (!t->is_begun || t->begun.abi != HT_ABI__MAX)
		return 0;
	t->is_begun = 0;
	t->exec.call = 0;
	return 1;
}
#endif

/*
 * The arguments of the call behind a multiplexer that ends, which are in t->args: those of its entry are nearer to what the kernel took. HT_EV_F_* of what
 * differs; also where they can no longer be read.
 */
static __noinline __u32 block_entered(struct task *t, struct call_in *in)
{
	__u32 call = t->block_call, differs = 0;

	t->block_call = 0;
	if (!call || t->block_nr != in->nr)
		return 0;
	for (int i = 0; i < 6; i++)
		differs |= t->block[i] != t->args[i];
	in->call = call & HT_INDEX_MASK;
	__builtin_memcpy(t->args, t->block, sizeof(t->args));
	return differs ? HT_EV_F_CHANGED | HT_EV_F_DOUBTED : 0;
}

/* look_behind(), and what the block said when the call was entered. */
static __always_inline bool look_behind_block(struct task *t, struct call_in *in)
{
	if (!look_behind(in, t->args))
		return false;
	if (arch_multiplexer(in->nr, in->abi))
		in->flags |= block_entered(t, in);
	return true;
}

/*
 * A fork or an exec returns 0: is that the child's return, or the end of an exec that sched_process_exec recorded? Else nothing was made: the kernel was
 * only asked (AT_EXECVE_CHECK), or somebody answered in its place.
 */
static __always_inline bool zero_is_done(struct task *t, __u32 flags)
{
	bool done;

	if (!t)
		return true;
	if (flags & HT_CALL_F_EXEC) {
		done = t->is_begun && t->begun.abi == HT_ABI__MAX;
		t->is_begun = done ? 0 : t->is_begun;
		return done;
	}
	done = !t->born && !t->is_begun;
	t->born = 1;
	return done;
}

/*
 * Is the call that ends the one before which the ring was told who makes it? Then before_of stays for its record; whoever makes another one clears it.
 * Not inline, for the stack.
 */
static __noinline int before_join(struct task *t, struct pt_regs *regs, __u32 flags)
{
	if (!(flags & HT_CALL_F_ACTOR) || t->before_of != call_mark(regs))
		t->before_of = 0;
	return 0;
}

/* A captured call came back. Returns one for which ident_ahead() is due, or 0, and BEGUN_DUE or HELD_DUE: here the stack is too
 * deep for any. */
static __noinline int exit_captured(struct task_struct *task, struct pt_regs *regs, __s64 ret, __u32 nr, __u32 abi_call)
{
	struct call_in in = { .ret = ret, .nr = nr, .abi = abi_call >> 16, .call = abi_call & HT_INDEX_MASK };
	__u32 flags = desc_of(in.call)->flags;
	const __u64 *args = NULL;
	__u32 rules, due = 0;
	struct task *t;

	if (!task_in_scope(task, &t))
		return 0;
	if (ret == 0 && (flags & (HT_CALL_F_FORK | HT_CALL_F_EXEC)) && !(ARCH_FIRST_CHANGES && arch_refused(task, regs)) && zero_is_done(t, flags))
		return 0;
	if (ht_hooked && t && t->object) {
		if (t->object_gen == ht_captured_gen && t->object_of == call_mark(regs))	/* else of one whose end was missed */
			in.object = t->object;
		t->object = 0;
	}
	if (t) {
		due = begun_differs(regs, t, nr, abi_call >> 16);
		in.flags = due >> 1;
		if (t->before_of)
			before_join(t, regs, flags);
	}
	if (t && arch_looks_unfinished(regs)) {
		refused(task, regs, &in);
		ret = in.ret;
		t->returned = call_mark(regs);
	}
	if (t) {
#if ARCH_FIRST_CHANGES
		if (t->first_of && first_changed(t, regs, in.abi))
			args = t->args;
#endif
		if (is_restart(ret)) {
			if (!(flags & HT_CALL_F_LASTING)) {
				if (in.call != HT_INDEX_RESTART)
					return restart_hold(t, &in, regs) | due;
				if (held_goes_on(t)) {
					t->held.code = ret;
					t->held.restarts++;
				}
				return due;
			}
			in.ret = ret = -4;
			in.flags |= HT_EV_F_INTERRUPTED;
		}
		if (t->held.call) {
			restart_join(t, &in, regs);
			due |= held_due(t, regs);
		}
		if (flags & HT_CALL_F_EXEC)
			t->exec.call = 0;
		if (unselected(t, abi_call & 0xffff, in.call, ret))
			return due;
		if (in.call != HT_INDEX_RESTART && (arch_multiplexer(in.nr, in.abi) || may_be_filtered(t, in.call))) {
			if (!args)
				arch_args(regs, in.abi, t->args);
			args = t->args;
			if (!look_behind_block(t, &in) || filtered(t, in.call, ret, in.abi, t->args))
				return due;
		}
		rules = ht_rules_of[in.call & HT_INDEX_MASK];
		if (rules) {
			if (!args)
				arch_args(regs, in.abi, t->args);
			args = t->args;
			if (unwanted(t, rules, in.ret))
				return due;
		}
	}
	if (in.call == HT_INDEX_RESTART)
		return due;
	if (is_restart(ret))	/* no storage to hold it in, and it has no result to record */
		return record_lost(in.call, HT_CAUSE_STORAGE) | due;
	return record_call(t, task, &in, regs, args) | due;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(ht_sys_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 abi, call, nr = arch_nr(task, regs, &abi);

#if ARCH_EXEC_CHANGES_ABI
	if (!ret && arch_new_program(regs) && exec_ended())
		return 0;
#endif
	call = call_index(nr, abi);
	if (!(call & (HT_INDEX_MASK | HT_INDEX_TLS | HT_INDEX_MAP)))
		return 0;
	if (ht_tls_on && (call & HT_INDEX_MAP)) {
		__u64 mapped = tls_mapped(regs, ret, nr, abi);

		if (mapped && tls_who(0) == TLS_WANTED)
			tls_map_tell(mapped, ret);
		if (!(call & HT_INDEX_MASK))
			return 0;
	}
	if (ht_tls_on && (call & HT_INDEX_TLS)) {
		if (tls_watching(task) && tls_returned(ret))
			tls_say_flowed(tls_identity(0));
		if (!(call & HT_INDEX_MASK))
			return 0;
	}
	call = exit_captured(task, regs, ret, nr, abi << 16 | call);
	if (call & BEGUN_DUE)
		begun_close();
	if (call & HELD_DUE)
		held_left();
	if (call & HT_INDEX_MASK)
		ident_ahead(call & HT_INDEX_MASK);
	return 0;
}

/* The strings of a call whose paths can be changed under it, read a first time. */
static __always_inline void enter_strings(struct task_struct *task, struct pt_regs *regs, __u32 nr, __u32 abi,
					  __u32 call)
{
	const volatile struct ht_call_desc *d = desc_of(call);
	struct strs *e = bpf_task_storage_get(&strs, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	__u64 args[6];
	__u32 n = 0;

	if (!e)
		return;
	arch_args_now(regs, abi, args);
	for (int i = 0; i < HT_OPS_MAX && n < 2; i++) {
		__u32 arg = d->op[i].arg;
		long len;

		if (d->op[i].kind != HT_OP_PATH || arg > 5)
			continue;
		len = bpf_probe_read_user_str(e->s[n & 1], STRS_MAX, (void *)args[arg]);
		e->arg[n & 1] = arg;
		e->fault[n & 1] = len <= 0;
		e->len[n & 1] = len > 0 ? len - 1 : 0;
		n++;
	}
	e->nr = nr;
	e->abi = abi;
	e->n = n;
}

#define TWICE_DUE (1u << 18)
#define BEFORE_DUE (1u << 19)

/* What operations with HT_OP_F_TWICE find now, for a call whose arguments are in the task's args. Called where the stack is not deep. */
__noinline int twice_enter(__u32 call)
{
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct mm_struct *mm = this_task()->mm;
	struct scratch *s;

	if (!t || !mm)
		return 0;
	t->twice_of = 0;
	t->twice_writes = *(volatile __u64 *)&ht_memory_writes;	/* before the references are counted: who is writing has one */
	barrier();
	t->twice_alone = mm->mm_users.counter == 1;
	if (!t->twice_alone)
		others_begin(t);
	s = scratch_take(bpf_get_smp_processor_id());
	if (!s)
		return 0;
	s->c.call = call;
	s->c.ret = 0;
	__builtin_memcpy(s->c.args, t->args, sizeof(s->c.args));
	for (__u32 i = 0; i < HT_OPS_MAX; i++) {
		if (!(desc_of(call)->op[i].flags & HT_OP_F_TWICE))
			continue;
		s->pos = 0;
		op_run(s, i);
		twice_keep(s, i);
	}
	scratch_give(s);
	return 0;
}

/* A send, or a multiplexer behind which there may be one. */
static __always_inline void send_seen(struct task_struct *task, struct task *t, struct pt_regs *regs, __u32 nr, __u32 abi, __u32 call)
{
	__s64 none = -1;
	int behind;

	if (!t)
		return;
	arch_args(regs, abi, t->args);
	if (arch_multiplexer(nr, abi)) {
		behind = arch_behind(nr, t->args, &none);
		t->block_call = behind > 0 ? behind : 0;
		t->block_nr = nr;
		if (behind <= 0)
			return;
		call = behind & HT_INDEX_MASK;
		__builtin_memcpy(t->block, t->args, sizeof(t->block));
	}
	if (desc_of(call)->flags & HT_CALL_F_NEWPEER)
		send_entered(task, call, t->args, abi);
}

/* Does this prctl change what identities say? */
static __always_inline bool prctl_renames(__u32 option)
{
	return option == PR_SET_NAME_ || option == PR_SET_MM_ || option == PR_SET_KEEPCAPS_ || option == PR_CAPBSET_DROP_ ||
	       option == PR_SET_SECUREBITS_ || option == PR_CAP_AMBIENT_;
}

/*
 * A call with HT_CALL_F_ACTOR is entered, by anybody: who is not recorded may be later. BEFORE_DUE with the call, or 0. `entry` is that of the
 * table; where the call is the self-test's alone, it is no record of this task's.
 */
static __noinline int actor_enters(struct pt_regs *regs, __u32 abi, __u32 entry)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 call = entry & HT_INDEX_MASK, flags = desc_of(call)->flags;
	__u64 args[6];
	struct task *t;

	if (flags & HT_CALL_F_EXEFILE) {
		arch_args_now(regs, abi, args);
		if (!prctl_renames(args[0]))
			return 0;
		exe_keep(args[0], args[1]);
	}
	if (!(entry & HT_INDEX_TEST) && task_in_scope(task, &t) && t)
		return BEFORE_DUE | call;
	if (flags & (HT_CALL_F_IDENTITY | HT_CALL_F_EXEFILE))
		ident_forget(task);
	return 0;
}

static __noinline int enter_wanted(struct pt_regs *regs, __u32 nr, __u32 abi, __u32 call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 flags, due = 0;
	struct task *t;

	if (ht_tls_on && (call & HT_INDEX_TLS))
		tls_syscall(regs, nr, abi);
	flags = desc_of(call)->flags;
	if (flags & HT_CALL_F_ACTOR)
		due = actor_enters(regs, abi, call);
	call &= HT_INDEX_MASK;
	if (!(flags & (HT_CALL_F_NORETURN | HT_CALL_F_EXEC | HT_CALL_F_ENTER | HT_CALL_F_NEWPEER | HT_CALL_F_OTHERS | HT_CALL_F_TWICE)))
		return due;
	if ((flags & HT_CALL_F_NORETURN) && ht_exit_has_mm)
		return 0;
	if (!task_in_scope(task, &t))
		return 0;
	if (flags & HT_CALL_F_NORETURN)
		return ident_ahead(call);
	if (flags & HT_CALL_F_OTHERS)
		return t && (files_shared(task) || t->foreign || t->ended != threads_past(t, task)) ? others_begin(t) : 0;
	if ((flags & HT_CALL_F_NEWPEER) || arch_multiplexer(nr, abi)) {
		send_seen(task, t, regs, nr, abi, call);
	} else if (!(flags & HT_CALL_F_EXEC)) {
		if (flags & HT_CALL_F_ENTER)
			enter_strings(task, regs, nr, abi, call);
		if (t && (flags & HT_CALL_F_TWICE)) {
			arch_args_now(regs, abi, t->args);
			return due | TWICE_DUE | call;
		}
	} else if (t) {
		t->twice_writes = *(volatile __u64 *)&ht_memory_writes;
		t->exec.nr = nr;
		t->exec.abi = abi;
		t->exec.call = call;
		arch_args_now(regs, abi, t->exec.args);
		if (t->held.call)	/* recorded as who made it, not as what is executed now */
			return HELD_DUE;
	}
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(ht_sys_enter, struct pt_regs *regs, long id)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 abi, call, nr = arch_nr(task, regs, &abi);

	call = call_index(nr, abi);
#if ARCH_FIRST_CHANGES
	if ((call & HT_INDEX_MASK) && arch_first_changed(regs))
		first_keep(regs, abi);
#endif
	if (!(call & HT_INDEX_ENTER))
		return 0;
	if (ht_tls_on && (call & HT_INDEX_TLS) && !(call & HT_INDEX_MASK) && tls_elsewhere(task, regs, nr, abi))
		return 0;
	call = enter_wanted(regs, nr, abi, call);
	if (call == HELD_DUE)
		held_left();
	if (call & BEFORE_DUE)
		ident_before(call & HT_INDEX_MASK, call_mark(regs));
	if (call & TWICE_DUE)
		twice_enter(call & HT_INDEX_MASK);
	return 0;
}

#define SA_RESTART_ 0x10000000
#define SYS_USER_DISPATCH_ 2

/*
 * A handler is about to run. Whether a held call comes back after it depends on how the call ended
 * and on SA_RESTART; if not, its EINTR is put into the registers without another sys_exit. A signal of another call, which the handler
 * makes, or of the handler itself has other registers.
 */
SEC("tp_btf/signal_deliver")
int BPF_PROG(ht_signal_deliver, int sig, struct kernel_siginfo *info, struct k_sigaction *ka)
{
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__sighandler_t handler;
	__s32 code;

	/* a number to the verifier of 6.12, which takes what tracepoints give here for an error perhaps */
	if (t && sig == SIGSYS_ && (__s32)KREAD(struct kernel_siginfo, info, si_code) == SYS_USER_DISPATCH_ && ka->sa.sa_handler == SIG_DFL_ && arch_rolled_back(regs))
		t->returned = call_mark(regs);	/* what it ends in was no call */
	if (!t || !t->held.call || arch_sp(regs) != t->held.sp || !arch_interrupts(regs, t->held.nr, t->held.code))
		return 0;
	handler = ka->sa.sa_handler;
	code = -t->held.code;
	if (handler == SIG_DFL_ || handler == SIG_IGN_ || code == ERESTARTNOINTR)
		return 0;
	if (code == ERESTARTSYS && (ka->sa.sa_flags & SA_RESTART_))
		return 0;
	held_close(t, HT_EV_F_INTERRUPTED);
	return 0;
}

#endif
