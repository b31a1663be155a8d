/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * uring_op.bpf.h - an operation of io_uring is one record, like the system call that does the same: from its submission to its end.
 *
 * What it was asked to do is read when it is submitted (names are freed before it ends), with the submitter's identity
 * delivered to the ring of that moment. The finished event waits in a map by request; the completion, in whatever task
 * it runs, adds the result and sends it to that same ring. So the number is taken at the end, or at whatever keeps the
 * operation from waiting. Ends of which nothing tells (CQE_SKIP_SUCCESS), and operations for which there is no room to
 * wait, are recorded at once, without a result.
 */
#ifndef HOSTTRAIL_URING_OP_BPF_H
#define HOSTTRAIL_URING_OP_BPF_H

#define OP_SHORT 1024	/* bytes of an event that waits in the large map; a longer one goes to the other */
#define OP_LONG 24576
#define OP_MAX_SHORT 4096
#define OP_MAX_LONG 128
#define CQE_F_MORE 2
#define IOSQE_LATER 0x12	/* IOSQE_IO_DRAIN, IOSQE_ASYNC; the kernel also sets the latter itself */
#define ECANCELED_ 125
#define RESULT_UNKNOWN (-0x7fffffffffffffffll)

struct op_short {
	struct op_wait w;
	__u8 ev[OP_SHORT];
};

struct op_long {
	struct op_wait w;
	__u8 ev[OP_LONG];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OP_MAX_SHORT);
	__type(key, __u64);	/* struct io_kiocb * */
	__type(value, struct op_short);
} ops_short SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OP_MAX_LONG);
	__type(key, __u64);
	__type(value, struct op_long);
} ops_long SEC(".maps");

/* Recorded already, because their success is never told; their failure is. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct op_short);
} ops_told SEC(".maps");

struct op_data {
	__u64 ctx, user_data;
};

/* Results of a multishot operation name it by these only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct op_data);
	__type(value, __u64);
} ops_multi SEC(".maps");

/* ---- submission: the event ----------------------------------------------------------- */

static __always_inline void op_addr_field(struct scratch *s, const volatile struct ht_op *op)
{
	struct ht_field *f;
	__u32 n = s->in.addr_len;

	if (!(s->wait.u.flags & HT_URING_F_KADDR)) {
		sockaddr_emit(s, op);
		return;
	}
	if (!s->in.addr || !n)
		return;
	f = field_open(s, HT_FIELD_SOCKADDR, op->arg, SOCKADDR_MAX);
	if (!f)
		return;
	if (n > SOCKADDR_MAX)
		n = SOCKADDR_MAX;
	barrier_var(n);
	if (n > SOCKADDR_MAX || bpf_probe_read_kernel(f + 1, n, (void *)s->in.addr)) {
		field_fault(s, f);
		return;
	}
	field_close(s, f, n);
}

static __always_inline void op_mem_field(struct scratch *s, __u32 arg)
{
	bool how = s->wait.u.opcode == UOP_OPENAT2;
	__u32 n = how ? sizeof(struct open_how) : sizeof(struct epoll_event);
	struct ht_field *f = field_open(s, HT_FIELD_MEM, arg, sizeof(struct open_how));

	if (!f)
		return;
	if (bpf_probe_read_kernel(f + 1, n, (void *)s->in.mem)) {
		field_fault(s, f);
		return;
	}
	if (how)
		*(__u64 *)(f + 1) &= ~FORCED_O_LARGEFILE;
	field_close(s, f, n);
}

/* What the kernel copies when the operation is made, not before: others may write there until then. */
static __always_inline void op_later_field(struct scratch *s, const volatile struct ht_op *op)
{
	__u32 at = s->pos;

	memop_emit(s, op);
	if (s->pos != at && at < OUT_MAX)
		((struct ht_field *)(s->b + at))->flags |= HT_FIELD_F_SHARED;
}

static __always_inline void op_path_field(struct scratch *s, const volatile struct ht_op *op)
{
	__u32 at = s->pos + sizeof(struct ht_field);
	__u64 str = s->in.str[op->arg & 7 ? (op->arg > 5 ? 5 : op->arg) : 0];
	char first = 0;
	long n;

	if (!str)
		return;
	n = kstr_emit(s, HT_FIELD_STR, op->arg, str);
	if (n < 0)
		return;
	if (at < OUT_MAX)
		first = s->b[at];
	if (first != '/')
		base_emit(s, op, false);
	else if (task_chrooted(s))
		base_emit(s, op, true);
}

/* One operation of the call's descriptor, from the kernel's copies; what needs the end is left to op_finish(). */
__noinline int op_field(struct scratch *s, __u32 i)
{
	const volatile struct ht_op *op;
	__u32 arg;

	if (!s || i >= HT_OPS_MAX)
		return 0;
	op = &desc_of(s->c.call)->op[i];
	arg = op->arg;
	if (arg > 5)
		return 0;
	switch (op->kind) {
	case HT_OP_PATH:
		op_path_field(s, op);
		break;
	case HT_OP_STR:
		if (!(op->flags & HT_OP_F_ON_OK) && s->in.str[arg])
			kstr_emit(s, HT_FIELD_STR, arg, s->in.str[arg]);
		break;
	case HT_OP_MEM:
		if (s->in.mem)
			op_mem_field(s, arg);
		else if (s->in.later)
			op_later_field(s, op);
		break;
	case HT_OP_SOCKADDR:
	case HT_OP_MSGHDR:
		op_addr_field(s, op);
		break;
	}
	return 0;
}

static __always_inline void op_uring_field(struct scratch *s)
{
	struct ht_field *f = field_open(s, HT_FIELD_URING, HT_ARG_TASK, sizeof(struct ht_uring));

	if (!f)
		return;
	*(struct ht_uring *)(f + 1) = s->wait.u;
	field_close(s, f, sizeof(struct ht_uring));
}

/* What the submission says of itself. `flags` are the request's, of which the low ones are the submission's own. */
static __always_inline void op_describe(struct scratch *s, __u64 req, __u32 opcode, __u32 flags)
{
	__u64 ctx = REQ(ctx);

	__builtin_memset(&s->in, 0, sizeof(s->in));
	__builtin_memset(&s->wait, 0, sizeof(s->wait));
	s->wait.ctx = ctx;
	s->wait.user_data = REQ(cqe.user_data);
	s->wait.u.user_data = s->wait.user_data;
	s->wait.u.opcode = opcode;
	s->wait.u.flags = flags & 0x7f;
	if (KREAD(struct io_ring_ctx___ht, ctx, flags) & 2)	/* IORING_SETUP_SQPOLL */
		s->wait.u.flags |= HT_URING_F_SQPOLL;
	if (ht_uring_creds && (flags & (__u32)ht_uring_creds)) {
		s->wait.u.flags |= HT_URING_F_PERSONALITY;
		s->cred = REQ(creds);
	}
	if (ht_uring_multishot && (flags & (__u32)ht_uring_multishot) && opcode == UOP_ACCEPT)
		s->wait.u.flags |= HT_URING_F_MULTISHOT;
	if ((flags & IOSQE_LATER) || KREAD(struct io_ring_ctx___ht, ctx, submit_state.link.head))
		s->wait.u.flags |= HT_URING_F_DIRFD_LATER;
}

/* The scratch with everything but a number: header, identity. NULL: counted as lost. */
static __always_inline struct scratch *op_begin(struct task *t, __u64 req, __u32 call, __u32 opcode, __u32 flags)
{
	__u32 class = desc_of(call)->class & (HT_CLASS__MAX - 1), cpu = bpf_get_smp_processor_id();
	struct scratch *s = scratch_take(cpu);

	if (!s) {
		record_lost(call, HT_CAUSE_SCRATCH);
		return NULL;
	}
	op_describe(s, req, opcode, flags);
	header_fill(&s->c.h, HT_EV_CALL, class, cpu, task_of(s));
	__builtin_memset(s->c.args, 0, sizeof(s->c.args));
	s->c.ret = 0;
	s->c.nr = opcode;
	s->c.call = call;
	s->c.restarts = 0;
	s->c.task_calls = t ? ++t->calls : 0;
	s->evflags = HT_EV_F_URING;
	s->was_shared = t && files_were_shared(t, task_of(s));
	return s;
}

/* Header and identity into s->b, for which s->c is filled. */
static __always_inline void op_head(struct scratch *s, struct task *t)
{
	struct ht_counters *n = counters_of(s->c.h.class, s->c.h.cpu);

	if (s->wait.u.slot)
		s->wait.u.flags |= HT_URING_F_DIRECT;
	if (t)
		t->before_of = 0;
	record_body(s, t, n);
	idmin_fill(s, HT_CAUSE_STORAGE);
	s->wait.epoch = t ? t->epoch : 0;
	s->wait.files = (__u64)this_task()->files;
	s->wait.fs = (__u64)this_task()->fs;
	s->wait.fs_seq = fs_changes(NUMBER(s->wait.fs));
	s->wait.ended = t ? t->ended : 0;
	s->wait.was_shared = s->was_shared;
}

/* Takes a number and sends what lies in s->b to the ring of `cpu`. */
__noinline int op_send(struct scratch *s, __u32 class, __u32 cpu)
{
	__u32 here = bpf_get_smp_processor_id();
	struct ht_counters *n = counters_of(class, here);
	struct ht_event *h;

	if (!s || !n)
		return 0;
	h = (struct ht_event *)s->b;
	h->seq = __sync_fetch_and_add(&n->seq, 1);
	h->cpu = here;
	h->flags = s->evflags;
	if (scratch_put(s, class, cpu, n)) {
		count_lost(n, HT_CAUSE_RING_FULL);
		return 0;
	}
	__sync_fetch_and_add(&n->submitted, 1);
	scratch_charge(s, class, cpu, n);
	return 0;
}

/* Is the operation one too many of its principal's? It is cut when it is submitted: later it is nobody's own doing. */
static __always_inline bool op_cut(struct scratch *s)
{
	__u32 class = s->c.h.class, cpu = s->c.h.cpu;
	struct ht_counters *n = counters_of(class, cpu);

	__u32 cut = n && ring_pressed(n, class) ? flood_cut(class, cpu, s->c.call) : 0;

	if (cut)
		flood_lost(class, cpu, cut);
	return cut;
}

/* ---- waiting ------------------------------------------------------------------------------ */

static __always_inline void ops_waiting_add(__s64 n)
{
	struct ht_shared *w = shared_words();

	if (w)
		__sync_fetch_and_add(&w->ops_waiting, n);
}

/* Into a map. 0, or there is no room. */
static __always_inline int op_keep(struct scratch *s, __u64 key)
{
	struct op_data d = { .ctx = s->wait.ctx, .user_data = s->wait.user_data };
	int r;

	s->wait.len = s->pos;
	if (s->pos <= OP_SHORT)
		r = bpf_map_update_elem(&ops_short, &key, &s->wait, BPF_ANY);
	else if (s->pos <= OP_LONG)
		r = bpf_map_update_elem(&ops_long, &key, &s->wait, BPF_ANY);
	else
		r = -1;
	if (r)
		return r;
	ops_waiting_add(1);
	if (s->wait.u.flags & HT_URING_F_MULTISHOT)
		bpf_map_update_elem(&ops_multi, &d, &key, BPF_ANY);
	return 0;
}

static __always_inline struct op_wait *op_find(__u64 key)
{
	struct op_wait *w = bpf_map_lookup_elem(&ops_short, &key);

	return w ? w : bpf_map_lookup_elem(&ops_long, &key);
}

static __always_inline void op_drop(__u64 key, const struct op_wait *w)
{
	struct op_data d = { .ctx = w->ctx, .user_data = w->user_data };

	if (w->u.flags & HT_URING_F_MULTISHOT)
		bpf_map_delete_elem(&ops_multi, &d);
	if (!bpf_map_delete_elem(&ops_short, &key) || !bpf_map_delete_elem(&ops_long, &key))
		ops_waiting_add(-1);
}

/* The map's copy back into the scratch. */
static __always_inline int op_load(struct scratch *s, __u64 key)
{
	struct op_short *a = bpf_map_lookup_elem(&ops_short, &key);
	struct op_long *b;
	__u32 n;

	if (!a)
		a = bpf_map_lookup_elem(&ops_told, &key);
	if (a) {
		s->wait = a->w;
		bpf_probe_read_kernel(s->b, OP_SHORT, a->ev);
	} else {
		b = bpf_map_lookup_elem(&ops_long, &key);
		if (!b)
			return -1;
		s->wait = b->w;
		bpf_probe_read_kernel(s->b, OP_LONG, b->ev);
	}
	n = s->wait.len;
	s->pos = n < OP_LONG ? n : OP_LONG;
	return 0;
}

/* ---- the end ---------------------------------------------------------------------------------- */

/* The operation's own file. One that was refused has none yet: it is the one that was named, by slot or descriptor. */
static __always_inline __u64 op_file(struct scratch *s, __u64 req, __u64 named)
{
	if (!(s->wait.u.flags & HT_URING_F_PREP))
		return REQ(file);
	if (s->wait.u.flags & REQ_F_FIXED_FILE_)
		return fixed_file(s->wait.ctx, named);
	return filter_file(named);
}

/* Is the other file of a splice or tee a registered one? */
static __always_inline bool op_reads_fixed(struct scratch *s)
{
	__u64 flags = s->wait.u.opcode == UOP_SPLICE ? s->c.args[5] : s->wait.u.opcode == UOP_TEE ? s->c.args[3] : 0;

	return flags & 1u << 31;	/* SPLICE_F_FD_IN_FIXED */
}

#define OPS_AFTER 64	/* operations of a batch that are looked at */

/* Can this operation exchange what a number stands for: of descriptors, or of slots? */
static __always_inline bool op_exchanges(__u32 opcode, bool slots)
{
	switch (opcode) {
	case UOP_CLOSE:
		return true;
	case UOP_FILES_UPDATE:
	case UOP_OPENAT:
	case UOP_OPENAT2:
	case UOP_ACCEPT:
	case UOP_SOCKET:
	case UOP_PIPE:
		return slots;
	}
	return opcode > UOP_PIPE;	/* nobody knows */
}

/*
 * Operations that are made at once end together, when all of the batch are made: each waits in the ring's list behind those before it. Is
 * one behind this that can have exchanged what its result stands for? Also true of what is not in the list, unless it is `told`, at once.
 */
__noinline int op_followed(__u64 req, __u64 ctx, __u32 slots)
{
	__u64 at = bpf_core_field_offset(struct io_kiocb___ht, comp_list), node, last;

	if (!bpf_core_field_exists(((struct io_ring_ctx___ht *)0)->submit_state.compl_reqs) ||
	    !bpf_core_field_exists(((struct io_kiocb___ht *)0)->comp_list))
		return 1;
	last = KREAD(struct io_ring_ctx___ht, ctx, submit_state.compl_reqs.last);
	node = req + at;
	NO_UNROLL
	for (int i = 0; i < OPS_AFTER; i++) {
		if (node == last)
			return 0;
		node = KREAD_PTR(node);
		if (!node || op_exchanges(KREAD(struct io_kiocb___ht, node - at, opcode), slots))
			return 1;
	}
	return 1;
}

/* Is what a number stands for when the operation ends perhaps not what it stood for when it was made? */
__noinline int op_exchanged(struct scratch *s, __u64 req, __u32 slots)
{
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	__u64 files = (__u64)this_task()->files;

	if (!s)
		return 1;
	if (s->wait.was_shared || !t || threads_past(t, this_task()) != s->wait.ended || (t->foreign && t->foreign == files))
		return 1;
	if (s->wait.u.flags & HT_URING_F_MULTISHOT)	/* each result is told at once */
		return bpf_core_field_exists(((struct io_ring_ctx___cqes *)0)->submit_state.cqes_count);
	return op_followed(req, s->wait.ctx, slots);
}

static __always_inline void op_number_emit(struct scratch *s, __u64 req, __u64 fd, __u32 arg, __u32 role)
{
	if (op_exchanged(s, req, 0))
		s->evflags |= HT_EV_F_SHARED_FILES;
	fd_emit(s, fd, arg, role);
}

/* The same in the ring's table, which other threads can change, too. */
static __always_inline void op_slot_emit(struct scratch *s, __u64 req, __u32 slot, __u32 arg, __u32 role)
{
	if (op_exchanged(s, req, 1) || files_shared(this_task()))
		s->evflags |= HT_EV_F_SHARED_FILES;
	file_emit(s, fixed_file(s->wait.ctx, slot), arg, role);
}

/* The files of the operation: its own, and the one that it opened. */
__noinline int op_files(struct scratch *s, __u32 i, __u64 req)
{
	struct task_struct *task = this_task();
	const volatile struct ht_op *op;
	bool same;

	if (!s || i >= HT_OPS_MAX)
		return 0;
	op = &desc_of(s->c.call)->op[i];
	same = (__u64)task->files == s->wait.files;
	if (op->kind == HT_OP_FD && op->arg < 6) {
		if (op->arg == op_file_arg(s->wait.u.opcode))
			file_emit(s, op_file(s, req, s->c.args[op->arg]), op->arg, HT_WALK_FD);
		else if (op_reads_fixed(s))
			op_slot_emit(s, req, s->c.args[op->arg], op->arg, HT_WALK_FD);
		else if (same)
			op_number_emit(s, req, s->c.args[op->arg], op->arg, HT_WALK_FD);
	} else if (op->kind == HT_OP_RETFD && s->c.ret >= 0 && !(s->evflags & HT_EV_F_NO_RESULT)) {
		if (s->wait.u.flags & HT_URING_F_DIRECT)
			op_slot_emit(s, req, s->wait.u.slot == ~0u ? s->c.ret : s->wait.u.slot - 1, HT_ARG_RET, HT_WALK_RET);
		else if (same)
			op_number_emit(s, req, s->c.ret, HT_ARG_RET, HT_WALK_RET);
	}
	return 0;
}

/*
 * Where do its names begin? They were read when it was submitted. What is made right then finds the same; what a worker makes, or a link that waits,
 * comes later: of its working directory and root the counter tells whether they are the same still, if whoever made it has these.
 */
static __always_inline void op_later(struct scratch *s, __u64 req)
{
	struct task_struct *task = this_task();
	bool gone = s->evflags & HT_EV_F_NO_RESULT;	/* it may have another one's request by now, or be made later still */
	bool punted = gone || !ht_uring_creds || (REQ(flags) & (__u32)ht_uring_creds);	/* who made it was to be somebody else, with these */
	__u64 fs = (__u64)task->fs;

	if (punted)
		s->wait.u.flags |= HT_URING_F_DIRFD_LATER;
	if (!(s->wait.u.flags & HT_URING_F_DIRFD_LATER))
		return;
	if (gone || fs != s->wait.fs || fs_changes(fs) != s->wait.fs_seq || (punted && !(task->flags & PF_IO_WORKER_)))
		s->wait.u.flags |= HT_URING_F_CWD_LATER;
}

/* Another reader than the one that got the identity: it has the minimum, inline. */
static __always_inline void op_reader(struct scratch *s)
{
	struct ht_shared *w = shared_words();
	struct ht_idmin *d;

	if (!w || w->epoch == s->wait.epoch || (s->evflags & HT_EV_F_IDENT_INLINE))
		return;
	d = idmin_open(s);
	if (!d)
		return;
	*d = s->wait.min;
	s->evflags |= HT_EV_F_IDENT_INLINE;
	((struct ht_event *)s->b)->gen = 0;
}

/* Ends the operation that waits as `key` with a result, or with RESULT_UNKNOWN. `more`: it goes on waiting. */
__noinline int op_finish(__u64 key, __s64 ret, __u32 flags, __u32 more)
{
	__u32 cpu = bpf_get_smp_processor_id(), nops;
	struct op_wait *w = op_find(key);
	struct ht_call *c;
	struct scratch *s;

	if (!w)
		w = bpf_map_lookup_elem(&ops_told, &key);
	if (!w)
		return 0;
	s = scratch_take(cpu);
	if (!s) {
		record_lost(((struct ht_call *)(w + 1))->call, HT_CAUSE_SCRATCH);
		goto out;
	}
	if (op_load(s, key)) {
		scratch_give(s);
		return 0;
	}
	c = (struct ht_call *)s->b;
	s->wait.u.flags |= flags;
	c->ret = ret == RESULT_UNKNOWN ? 0 : ret;
	c->h.time = bpf_ktime_get_boot_ns();
	s->evflags = c->h.flags | (ret == RESULT_UNKNOWN ? HT_EV_F_NO_RESULT : 0);
	s->c = *c;
	op_reader(s);
	op_later(s, key);
	op_uring_field(s);
	nops = desc_of(s->c.call)->nops;
	for (__u32 i = 0; i < HT_OPS_MAX && i < nops; i++)
		op_files(s, i, key);
	op_send(s, s->c.h.class & (HT_CLASS__MAX - 1), s->c.h.cpu);
	scratch_give(s);
out:
	if (more)
		return 0;
	bpf_map_delete_elem(&ops_told, &key);
	op_drop(key, w);
	return 0;
}

#endif
