/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * record.bpf.h - which calls are recorded, and the way of one into its ring.
 */
#ifndef HOSTTRAIL_RECORD_BPF_H
#define HOSTTRAIL_RECORD_BPF_H

struct call_in {		/* a call as a hook found it */
	__s64 ret;
	__u32 nr;
	__u32 abi;
	__u16 call;		/* descriptor index */
	__u16 restarts;
	__u16 flags;		/* enum ht_event_flag */
	__u16 object;		/* bytes that a hook left for it */
};

/* The descriptor index of a call with flags (HT_INDEX_ENTER), 0 if it is not captured. */
static __always_inline __u32 call_index(__u32 nr, __u32 abi)
{
	__u32 row = (abi < HT_ABI__MAX ? abi : 0) * HT_NR_MAX;

	if (nr >= HT_NR_MAX)
		return nr == NO_CALL ? 0 : HT_CALL_UNKNOWN;
	barrier_var(row);	/* else the index becomes an OR, which 6.1 cannot follow */
	return ht_index[row + (nr & (HT_NR_MAX - 1))];
}

/* The descriptor index alone, looked at once by the verifier: where calls are rare. */
__noinline int call_index_of(__u32 nr, __u32 abi)
{
	__u32 at;

	if (nr >= HT_NR_MAX)
		return nr == NO_CALL ? 0 : HT_CALL_UNKNOWN;
	at = (abi & 3) << 10 | (nr & (HT_NR_MAX - 1));
	barrier_var(at);
	return at < HT_ABI__MAX * HT_NR_MAX ? ht_index[at] & HT_INDEX_MASK : 0;
}

/* Scope, and the task's storage. False: this task is not recorded. In tree scope storage exists for marked tasks alone. */
static __always_inline bool task_in_scope(struct task_struct *task, struct task **ret_t)
{
	struct task *t = bpf_task_storage_get(&tasks, task, 0, 0);

	*ret_t = t;
	if (t && (t->flags & HT_TASK_PROBE))
		return true;
	if (ht_scope == HT_SCOPE_TREE)
		return t && (t->flags & HT_TASK_MARKED);
	if (ht_scope == HT_SCOPE_CGROUP) {
		struct ht_shared *w = shared_words();

		if (!w || bpf_get_current_ancestor_cgroup_id(ht_scope_level) != w->scope_cgroup)
			return false;
	}
	if (!t)
		*ret_t = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return true;
}

/* The part of recording that all hooks share: s->c is filled, the number is taken. */
static __always_inline void record_body(struct scratch *s, struct task *t, struct ht_counters *n)
{
	__u32 class = s->c.h.class, cpu = s->c.h.cpu;
	bool named = t && (t->before_of ? ident_entered(s, t, class, cpu) : ident_deliver(s, t, class, cpu, n));

	*(struct ht_call *)s->b = s->c;
	s->pos = sizeof(struct ht_call);
	if (named) {
		((struct ht_event *)s->b)->gen = t->before_of ? t->before : t->gen;
	} else {
		s->evflags |= HT_EV_F_IDENT_INLINE;
		idmin_emit(s, HT_CAUSE_STORAGE);
	}
}

/* Numbers what lies in s->b and sends it. A function of its own, so that its stack is not its caller's too: 6.1 allows 512 bytes down to a walk's last step. */
__noinline int record_end(struct scratch *s)
{
	struct ht_counters *n;
	__u32 class, cpu;

	if (!s)
		return 0;
	class = s->c.h.class;
	cpu = s->c.h.cpu;
	if (s->cut)
		return merge_or_cut(s);
	n = counters_of(class, cpu);
	if (!n)
		return 0;
	((struct ht_event *)s->b)->seq = __sync_fetch_and_add(&n->seq, 1);
	((struct ht_event *)s->b)->flags = s->evflags;
	if (scratch_put(s, class, s->ring, n)) {
		count_lost(n, HT_CAUSE_RING_FULL);
		return 0;
	}
	__sync_fetch_and_add(&n->submitted, 1);
	scratch_charge(s, class, s->ring, n);
	return 0;
}

/* A chmod that sets set-id bits goes with the credentials. Not inline, for the stack. */
static __noinline __u32 chmod_class(const struct call_in *in, struct pt_regs *regs, const __u64 *args)
{
	const volatile struct ht_call_desc *d = desc_of(in->call);
	__u64 own[6], mode;

	if (!args) {
		arch_args(regs, in->abi, own);
		args = own;
	}
	mode = d->mode_arg == 1 ? args[1] : args[2];
	return mode & 06000 ? HT_CLASS_CONTROL : d->class & (HT_CLASS__MAX - 1);
}

/* The ring of a call. */
static __always_inline __u32 call_class(const struct call_in *in, struct pt_regs *regs, const __u64 *args)
{
	const volatile struct ht_call_desc *d = desc_of(in->call);

	return d->flags & HT_CALL_F_SETID ? chmod_class(in, regs, args) : d->class & (HT_CLASS__MAX - 1);
}

#define FILTERS_MAX 64

/* Does anybody answer calls for these filters? One is enough; of more than FILTERS_MAX nobody knows. */
__noinline int seccomp_listened(__u64 filter)
{
	NO_UNROLL
	for (int i = 0; i < FILTERS_MAX; i++) {
		if (!filter)
			return 0;
		if (KREAD(struct seccomp_filter, filter, notif))
			break;
		filter = KREAD(struct seccomp_filter, filter, prev);
	}
	return HT_EV_F_LISTENED;
}

#define FILTER_STEPS 65536	/* instructions that are looked at */
#define RET_A 0x16		/* BPF_RET | BPF_A */
#define RET_K 0x06
#define ERRNO_0 0x00050000	/* SECCOMP_RET_ERRNO, and no error */

struct filter_walk {
	__u64 filter, at;
	__u32 left;		/* of its instructions */
	__u32 answers;
};

/* One instruction of a filter, as its owner wrote it; behind the last one the next filter. 1 ends the loop. */
static long filter_step(__u32 i, void *ctx)
{
	struct filter_walk *f = ctx;
	__u64 orig;
	struct {
		__u16 code;
		__u8 jt, jf;
		__u32 k;
	} insn = {};

	if (!f->left) {
		if (!f->filter) {
			f->answers = 0;
			return 1;
		}
		orig = KREAD(struct bpf_prog, KREAD(struct seccomp_filter, f->filter, prog), orig_prog);
		if (bpf_core_read(&f->at, sizeof(f->at), &((struct sock_fprog_kern *)orig)->filter))	/* as a number */
			return 1;
		f->left = KREAD(struct sock_fprog_kern, orig, len);
		f->filter = KREAD(struct seccomp_filter, f->filter, prev);
		return !f->at || !f->left;	/* a kernel that does not keep it: nobody knows */
	}
	if (bpf_probe_read_kernel(&insn, sizeof(insn), (void *)f->at))
		return 1;
	f->at += sizeof(insn);
	f->left--;
	return insn.code == RET_A || (insn.code == RET_K && (insn.k & 0xffff0000) == ERRNO_0 && !(insn.k & 0xffff));
}

/* Can one of these filters answer a call with 0, which the kernel then never makes? */
__noinline int answers_zero(__u64 filter)
{
	struct filter_walk f = { .filter = filter, .answers = HT_EV_F_LISTENED };

	bpf_loop(FILTER_STEPS, filter_step, &f, 0);
	return f.answers;
}

/* Who could have changed the call, or answered it in the kernel's place. Filters only become more, so a task's newest one tells them apart. */
static __always_inline __u32 supervised(struct task *t, struct task_struct *task, const struct call_in *in)
{
	__u32 flags = task->ptrace ? HT_EV_F_TRACED : 0;
	__u64 filter = (__u64)task->seccomp.filter;

	if (!t || !filter)
		return flags;
	if (t->filter != filter) {
		t->filter = filter;
		t->listened = seccomp_listened(NUMBER(t->filter));
	}
	if (in->ret || (in->flags & HT_EV_F_EXEC))	/* errors are answers, too: so they were not made */
		return flags | t->listened;
	if (t->answers != filter) {
		t->answers = filter;
		t->zeros = answers_zero(NUMBER(t->answers));
	}
	return flags | t->listened | t->zeros;
}

/* The scratch, with s->c filled but for number and arguments. NULL: counted as lost, or cut. */
static __always_inline struct scratch *record_begin(struct task *t, struct task_struct *task, const struct call_in *in, __u32 class,
						    struct ht_counters **ret_n)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ht_counters *n = counters_of(class, cpu);
	struct scratch *s;
	__u32 cut = 0;

	if (!n)
		return NULL;
	*ret_n = n;
	if (!t)
		n->storage_failed++;
	if (ring_pressed(n, class) && !(t && (t->flags & HT_TASK_PROBE)))
		cut = flood_cut(class, cpu, in->call);
	if (cut && class == HT_CLASS_CONTROL) {		/* each is a record of its own, or lost */
		flood_lost(class, cpu, cut);
		return NULL;
	}
	s = scratch_take_for(cpu, task);
	if (!s) {
		number_lost(n, HT_CAUSE_SCRATCH);
		return NULL;
	}
	s->cut = cut;
	s->ring = cpu;
	header_fill(&s->c.h, HT_EV_CALL, class, cpu, task_of(s));
	s->c.h.abi = in->abi;
	s->c.ret = in->ret;
	s->c.nr = in->nr;
	s->c.call = in->call;
	s->c.restarts = in->restarts;
	s->c.task_calls = t ? ++t->calls : 0;
	s->evflags = in->flags | supervised(t, task_of(s), in);
	s->was_shared = t && files_were_shared(t, task_of(s));
	s->writes = t ? t->twice_writes : ~0ull;
	s->cloned = t ? t->cloned : 0;
	return s;
}

/* A call that is known to have been made and cannot be recorded. */
static __always_inline int record_lost(__u32 call, __u32 cause)
{
	__u32 class = desc_of(call)->class & (HT_CLASS__MAX - 1);
	struct ht_counters *n = counters_of(class, bpf_get_smp_processor_id());

	if (n)
		number_lost(n, cause);
	return 0;
}

/* The call behind a multiplexer takes its place, args become its own. False: that one is not captured. */
static __always_inline bool look_behind(struct call_in *in, __u64 *args)
{
	int call;

	if (!arch_multiplexer(in->nr, in->abi))
		return true;
	call = arch_behind(in->nr, args, &in->ret);
	if (call >= 0)
		in->call = call & HT_INDEX_MASK;
	return call != 0;
}

/* Records a call of the current task whose arguments are in args (6 words, 0: none), with the fields of its descriptor. */
static __always_inline int record_call(struct task *t, struct task_struct *task, const struct call_in *in, struct pt_regs *regs,
				       const __u64 *args)
{
	struct ht_counters *n = NULL;
	struct scratch *s = record_begin(t, task, in, call_class(in, regs, args), &n);
	__u32 nops;

	if (!s)
		return 0;
	if (args)
		__builtin_memcpy(s->c.args, args, sizeof(s->c.args));
	else
		arch_args(regs, in->abi, s->c.args);
	record_body(s, t, n);
	if (ht_hooked && in->object)
		object_emit(s, task, in->object);
	nops = desc_of(in->call)->nops;
	for (__u32 i = 0; i < HT_OPS_MAX && i < nops; i++)
		op_run(s, i);
	if (desc_of(in->call)->flags & (t ? HT_CALL_F_TWICE | HT_CALL_F_FORK : HT_CALL_F_TWICE))
		twice_check(s);
	if (arch_multiplexer(in->nr, in->abi))
		twice_behind(s);
	record_end(s);
	scratch_give(s);
	return 0;
}

#endif
