/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * op.bpf.h - one operation of a call's descriptor (agent/calls.def), and what hooks saw of the call.
 *
 * op_run() interprets one struct ht_op of the call in s->c and appends its fields to s->b. It is a
 * global function so that the verifier looks at it once, not once per operation and program.
 */
#ifndef HOSTTRAIL_OP_BPF_H
#define HOSTTRAIL_OP_BPF_H

/* What a hook saw of this call: n bytes of WALK fields, which are the first ones of the event. */
static __always_inline void object_emit(struct scratch *s, struct task_struct *task, __u32 n)
{
	struct object *o = bpf_task_storage_get(&objects, task, 0, 0);
	__u32 pos = s->pos;

	barrier_var(n);
	if (!o || n > OBJECT_MAX || pos > OUT_MAX - OBJECT_MAX - 64 || bpf_probe_read_kernel(s->b + pos, n, o->b))
		return;
	s->pos = pos + n;
	s->object = 1;
}

__noinline int op_run(struct scratch *s, __u32 i)
{
	const volatile struct ht_call_desc *d;
	const volatile struct ht_op *op;
	__u32 arg;

	if (!s || i >= HT_OPS_MAX)
		return 0;
	d = desc_of(s->c.call);
	op = &d->op[i];
	arg = op->arg;
	if (!(s->evflags & HT_EV_F_IN_CALL)) {
		if ((op->flags & HT_OP_F_ON_OK) && s->c.ret < 0)
			return 0;
		if ((op->flags & HT_OP_F_ON_ERR) && s->c.ret >= 0 && !(s->evflags & HT_EV_F_RET_GONE) && !(d->flags & HT_CALL_F_EXEC))
			return 0;
	} else if (op->flags & HT_OP_F_ON_OK) {
		return 0;
	}
	switch (op->kind) {
	case HT_OP_PATH:
		path_emit(s, op, d->flags);
		break;
	case HT_OP_FD:
		if (arg < 6)
			fd_emit(s, s->c.args[arg], arg, HT_WALK_FD);
		if ((d->flags & HT_CALL_F_OTHERS) && (s->evflags & HT_EV_F_SHARED_FILES) && !(s->evflags & HT_EV_F_URING) && others_quiet(OTHERS_FILES))
			s->evflags &= ~HT_EV_F_SHARED_FILES;
		break;
	case HT_OP_RETFD:
		if (s->c.ret >= 0 && !s->object)
			fd_emit(s, s->c.ret, HT_ARG_RET, HT_WALK_RET);
		break;
	case HT_OP_STR:
		s->twice_at[i] = s->pos;
		if (arg < 6 && s->c.args[arg])
			str_emit(s, arg, s->c.args[arg], op->max);
		break;
	case HT_OP_MEM:
		s->twice_at[i] = s->pos;
		memop_emit(s, op);
		break;
	case HT_OP_SOCKADDR:
	case HT_OP_MSGHDR:
		sockaddr_emit(s, op);
		break;
	case HT_OP_ARGV:
		argv_emit(s, arg);
		break;
	case HT_OP_KOBJ:
		kobj_emit(s, arg, 0, 0);
		break;
	case HT_OP_KOBJS:
		if (op->aux < 6)
			kobj_emit(s, arg, s->c.args[op->aux], 1);
		break;
	}
	return 0;
}

#endif
