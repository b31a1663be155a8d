/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * uring.bpf.h - io_uring's tracepoints: what is submitted, refused, completed, and what moves bytes on sockets.
 */
#ifndef HOSTTRAIL_URING_BPF_H
#define HOSTTRAIL_URING_BPF_H

#define OP_CAPTURED (HT_INDEX_MASK | HT_INDEX_FORM)

/* ---- submission */

/* A send that names the address that its socket sent to last, or none. */
__noinline int op_known_peer(struct scratch *s)
{
	struct named to = {};
	__u64 file;
	__u32 n;
	bool msg;
	int how;

	if (!s)
		return 0;
	if (s->wait.u.flags & REQ_F_FIXED_FILE_)
		file = fixed_file(s->wait.ctx, s->c.args[0]);
	else
		file = filter_file(s->c.args[0]);
	if (!(s->wait.u.flags & HT_URING_F_KADDR)) {
		msg = s->wait.u.opcode == UOP_SENDMSG || s->wait.u.opcode == UOP_SENDMSG_ZC;
		how = names_whom(&to, s->c.call, s->c.args[msg ? 1 : 4], s->c.args[5], s->c.h.abi);
		return how == NAMES_NOBODY || (how == NAMES_ONE && !peer_changes(file, &to, true));
	}
	n = s->in.addr_len;
	if (!s->in.addr || !n)
		return 1;
	if (n > SOCKADDR_MAX)
		n = SOCKADDR_MAX;
	barrier_var(n);
	if (n > SOCKADDR_MAX || bpf_probe_read_kernel(to.w, n, (void *)s->in.addr))
		return 0;
	to.w[NAMED_WORDS - 1] = n;
	return !peer_changes(file, &to, true);
}

/* Not worth a record although its opcode is captured. */
static __always_inline bool op_unwanted(struct scratch *s)
{
	if (s->wait.u.opcode == UOP_MSG_RING)
		return s->c.args[1] != 1;	/* IORING_MSG_SEND_FD hands a file on; data is only a wake-up */
	return (desc_of(s->c.call)->flags & HT_CALL_F_NEWPEER) && op_known_peer(s);
}

static __always_inline void op_wait_or_send(struct scratch *s, __u64 key)
{
	bool skip = s->wait.u.flags & REQ_F_CQE_SKIP_;

	if (!skip) {
		if (!op_keep(s, key))
			return;
		s->wait.u.flags |= HT_URING_F_NO_ROOM;
	} else if (s->pos <= OP_SHORT) {
		s->wait.len = s->pos;
		bpf_map_update_elem(&ops_told, &key, &s->wait, BPF_ANY);
	}
	s->evflags |= HT_EV_F_NO_RESULT;
	op_later(s, key);
	op_uring_field(s);
	op_send(s, s->c.h.class & (HT_CLASS__MAX - 1), s->c.h.cpu);
}

/* A request that was prepared. */
__noinline int op_submitted(__u64 req, __u32 call, __u32 opcode)
{
	struct task *t;
	struct scratch *s;
	__u32 nops;

	bpf_map_delete_elem(&ops_told, &req);	/* of one that was there before, and whose success nobody tells */
	if (!task_in_scope(bpf_get_current_task_btf(), &t))
		return 0;
	if (op_find(req))	/* whatever became of it: it ended, and nothing said how */
		op_finish(req, RESULT_UNKNOWN, 0, 0);
	s = op_begin(t, req, call, opcode, REQ(flags));
	if (!s)
		return 0;
	op_args(s, req, opcode);
	if (!op_unwanted(s) && !op_cut(s)) {
		op_head(s, t);
		nops = desc_of(call)->nops;
		for (__u32 i = 0; i < HT_OPS_MAX && i < nops; i++)
			op_field(s, i);
		((struct ht_event *)s->b)->flags = s->evflags;
		op_wait_or_send(s, req);
	}
	scratch_give(s);
	return 0;
}

/* An argument of a tracepoint as a number: global functions take no kernel pointers. */
static __always_inline __u64 arg_number(const __u64 *args, __u32 i)
{
	__u64 v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), args + i);
	return v;
}

SEC("tp_btf/io_uring_submit_req")
int ht_uring_submit(__u64 *args)
{
	__u32 opcode = KREAD(struct io_kiocb___ht, args[0], opcode), call;

	if (!(ht_uring_index[opcode & 0xff] & OP_CAPTURED))
		return 0;
	call = op_prepared_call(arg_number(args, 0), opcode);
	return call ? op_submitted(arg_number(args, 0), call, opcode) : 0;
}

/* A submission that was refused: nothing was prepared, but the error is final. */
__noinline int op_refused(__u64 sqe, __u64 req, __s32 error)
{
	struct op_wait *w;
	__u32 opcode, call, nops;
	struct scratch *s;
	struct task *t;
	__u8 head[2] = {};

	if (bpf_probe_read_kernel(head, 2, (void *)sqe))
		return 0;
	opcode = REQ(opcode);
	if (!opcode)		/* one that this kernel does not know */
		opcode = head[0];
	call = op_refused_call(sqe, req, opcode);
	if (!call || !task_in_scope(bpf_get_current_task_btf(), &t))
		return 0;
	w = op_find(req);
	if (w) {		/* after it was prepared, before 6.10: it waits for its end */
		w->failed = error;
		return 0;
	}
	bpf_map_delete_elem(&ops_told, &req);
	s = op_begin(t, req, call, opcode, head[1]);
	if (!s)
		return 0;
	bpf_probe_read_kernel(s->in.sqe, sizeof(s->in.sqe), (void *)sqe);
	op_args_sqe(s, opcode);
	s->wait.u.flags |= HT_URING_F_PREP;
	s->c.ret = error;
	if (op_cut(s)) {
		scratch_give(s);
		return 0;
	}
	op_head(s, t);
	op_uring_field(s);
	nops = desc_of(call)->nops;
	for (__u32 i = 0; i < HT_OPS_MAX && i < nops; i++)
		if (desc_of(call)->op[i].kind == HT_OP_FD)
			op_files(s, i, req);
		else
			op_run(s, i);
	op_send(s, s->c.h.class & (HT_CLASS__MAX - 1), s->c.h.cpu);
	scratch_give(s);
	return 0;
}

SEC("tp_btf/io_uring_req_failed")
int ht_uring_req_failed(__u64 *args)
{
	return op_refused(arg_number(args, 0), arg_number(args, 1), args[2]);
}

/* ---- bytes on sockets ---------------------------------------------------------------------------------- */

static __always_inline __u32 op_socket_io(__u32 opcode)
{
	switch (opcode) {
	case UOP_READ: case UOP_READ_FIXED: case UOP_RECV: return IO_ANY;
	case UOP_WRITE: case UOP_WRITE_FIXED: case UOP_SEND: case UOP_SEND_ZC: return IO_ANY | IO_SEND;
	case UOP_READV: case UOP_READV_FIXED: return IO_ANY | IO_IOV;
	case UOP_WRITEV: case UOP_WRITEV_FIXED: return IO_ANY | IO_SEND | IO_IOV;
	case UOP_SENDMSG: case UOP_SENDMSG_ZC: return IO_ANY | IO_SEND | IO_IOV | IO_MSG;
	case UOP_RECVMSG: return IO_ANY | IO_IOV | IO_MSG;
	}
	return 0;
}

/* Where its bytes lie: their memory is still the operation's. One that sent in parts has moved on. 0: in a buffer that the kernel chose
 * (IOSQE_BUFFER_SELECT), where it no longer says which. */
static __always_inline void op_bytes_at(__u64 req, __u32 opcode, volatile __u64 *ret_at)
{
	switch (opcode) {
	case UOP_SEND: case UOP_SEND_ZC: case UOP_RECV:
		*ret_at = CMD(io_sr_msg, buf);
		*ret_at -= CMD(io_sr_msg, done_io);	/* a number only when it comes from memory */
		return;
	case UOP_SENDMSG: case UOP_SENDMSG_ZC: case UOP_RECVMSG:
		*ret_at = CMD(io_sr_msg, buf);
		return;
	}
	*ret_at = CMD(io_rw, addr);
}

/* An operation that ends, as tls_watch() is for calls: the kernel has its file, and its task is the submitter's, or a thread beside it. */
__noinline int tls_watch_op(__u64 req, __u32 opcode)
{
	struct mm_struct *mm = this_task()->mm;
	struct tls_sock_key key = {};
	__u32 io = op_socket_io(opcode);
	__u64 file = REQ(file);
	struct tls_found f;
	struct tls_sock *s;
	struct tls_task *k;

	if (!io || !mm || !file || !tls_task_recorded(bpf_get_current_task_btf()) || !tls_socket_of_file(file, &f))
		return 0;
	key.sk = f.sk;
	key.ino = f.ino;
	s = bpf_map_lookup_elem(&tls_socks, &key);
	if (s && s->judged)
		return 0;
	k = bpf_task_storage_get(&tls_tasks, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!k)
		return 0;
	k->watch.key = key;
	op_bytes_at(req, opcode, &k->watch.at);
	k->watch.io = !k->watch.at ? IO_BLIND | (io & IO_SEND) : mm->task_size >> 32 ? io : io | IO_32;
	return 1;
}

/* ---- completion: the way in ---------------------------------------------------------------------------- */

static __noinline int op_more(__u64 ctx, __u64 user_data, __s64 res)
{
	struct op_data d = { .ctx = ctx, .user_data = user_data };
	__u64 *key = bpf_map_lookup_elem(&ops_multi, &d);

	return key ? op_finish(*key, res, 0, 1) : 0;
}

/* TLS on sockets, see tls_hello.bpf.h. */
static __always_inline void op_tls(__u64 req, __u32 opcode, __s32 res)
{
	if (res > 0 && tls_watch_op(req, opcode) && tls_returned(tls_who(0) == TLS_NOBODY ? 0 : res))
		tls_say_flowed(tls_identity(0));
}

SEC("tp_btf/io_uring_complete")
int ht_uring_complete(__u64 *args)
{
	__u64 req = args[1], user_data;
	__s32 res;
	__u32 flags, opcode = req ? KREAD(struct io_kiocb___ht, req, opcode) & 0xff : 0, call = 0;

	if (req) {
		call = ht_uring_index[opcode & 0xff];
		if (!call)
			return 0;
	}
	if (ht_uring_cqe) {
		__u64 cqe = args[2];

		user_data = KREAD(struct io_uring_cqe, cqe, user_data);
		res = KREAD(struct io_uring_cqe, cqe, res);
		flags = KREAD(struct io_uring_cqe, cqe, flags);
	} else {
		user_data = args[2];
		res = args[3];
		flags = args[4];
	}
	if (ht_tls_on && (call & HT_INDEX_TLS))
		op_tls(arg_number(args, 1), opcode, res);
	if (req)
		return call & OP_CAPTURED ? op_finish(req, res, 0, flags & CQE_F_MORE) : 0;
	return flags & CQE_F_MORE ? op_more(arg_number(args, 0), user_data, res) : 0;
}

/* A link before it failed: this one ends without having begun, perhaps without a word. */
SEC("tp_btf/io_uring_fail_link")
int ht_uring_fail_link(__u64 *args)
{
	struct op_wait *w;
	__u64 key;

	if (!(ht_uring_index[KREAD(struct io_kiocb___ht, args[1], opcode) & 0xff] & OP_CAPTURED))
		return 0;
	key = arg_number(args, 1);
	w = op_find(key);
	return op_finish(key, w && w->failed ? w->failed : -ECANCELED_, 0, 0);
}

struct op_search {
	__u64 ctx, user_data;
	__u64 key;		/* of the best match */
	__s32 res;
	__u32 exact;
};

static long op_search_step(void *map, const void *key, void *value, void *data)
{
	struct op_search *o = data;
	struct op_wait *w = value;
	__u64 req;

	if (w->ctx != o->ctx || w->user_data != o->user_data)
		return 0;
	req = *(const __u64 *)key;
	if (!o->key || (!o->exact && (__s32)REQ(cqe.res) == o->res)) {
		o->key = req;
		o->exact = (__s32)REQ(cqe.res) == o->res;
	}
	return 0;
}

/*
 * A result that the completion queue had no room for names no request, only what its owner called it; and who has the ring can make up such a result
 * (IORING_OP_MSG_RING): it is never sure.
 */
SEC("tp_btf/io_uring_cqe_overflow")
int ht_uring_cqe_overflow(__u64 *args)
{
	struct op_search o = { .user_data = args[1], .res = args[2] };
	const struct ht_shared *w = shared_words();

	if (!w || !w->ops_waiting)
		return 0;
	o.ctx = arg_number(args, 0);
	if ((__u32)args[3] & CQE_F_MORE)
		return op_more(o.ctx, o.user_data, o.res);
	bpf_for_each_map_elem(&ops_short, op_search_step, &o, 0);
	bpf_for_each_map_elem(&ops_long, op_search_step, &o, 0);
	if (!o.key)
		return 0;
	return op_finish(o.key, o.res, HT_URING_F_AMBIGUOUS, 0);
}

#endif
