/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * tls_socket.bpf.h - the TLS connections that are known, and which socket each of them has.
 *
 * A connection is a library's object (a pointer) in one program. Its socket is found, in this order: by the call on an inet stream
 * socket that is made inside the library's function; for who hands the bytes over later (memory BIOs), by the length of the
 * TLS record in the next or the last call of the same thread; by the descriptor that the program told the library. A
 * thread's calls alone say nothing. An object that shows another socket is another connection: pointers are used again.
 */
#ifndef HOSTTRAIL_TLS_SOCKET_BPF_H
#define HOSTTRAIL_TLS_SOCKET_BPF_H

#define TLS_CONN_FRESH 1	/* known since its handshake */
#define TLS_CONN_FOREIGN 2	/* nothing of it is wanted */
#define TLS_CONN_HTTP 4		/* its first bytes are HTTP's */
#define TLS_CONN_RECORDS 8	/* TLS records were seen on its socket */
#define TLS_CONN_CLOSED 16	/* Go: it ends when its last write has returned */
#define TLS_CONN_ANSWERS 32	/* shifted by a direction: it has the answers */
#define TLS_CONN_HTTP1 128	/* they are HTTP/1's */

#define TLS_RECORD_HEAD 5
#define TLS_RECORD_DATA 0x17
#define TLS_OVERHEAD_MIN 16	/* of a record with data: an AEAD's tag; CBC with SHA-384: IV, MAC, padding */
#define TLS_OVERHEAD_MAX 81
#define TLS_PLAIN_MAX 16384
#define TLS_RECORDS 6		/* looked at in one call: the end of a handshake comes with the first data */

#define SOCK_STREAM_ 1

__u64 ht_tls_last;		/* number of the last connection */

static __always_inline __u32 tls_life(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	return (__u32)(leader->start_boottime >> 6) ^ (__u32)task->self_exec_id;
}

static __always_inline void tls_key_fill(struct tls_key *k, __u64 obj, struct task_struct *task)
{
	k->obj = obj;
	k->tgid = task->tgid;
	k->life = tls_life(task);
}

static __always_inline void tls_conn_begin(struct tls_conn *c)
{
	__builtin_memset(c, 0, sizeof(*c));
	c->id = __sync_fetch_and_add(&ht_tls_last, 1) + 1;
	c->fd = -1;
}

/* Not inline, and not on the stack: its callers' have no room. */
static __noinline int tls_conn_make(const struct tls_key *k)
{
	struct tls_task *t = bpf_task_storage_get(&tls_tasks, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!k || !t)
		return 0;
	tls_conn_begin(&t->fresh);
	bpf_map_update_elem(&tls_conns, k, &t->fresh, BPF_NOEXIST);
	return 0;
}

/* The connection of an object, made if it is new. NULL: no memory. */
static __always_inline struct tls_conn *tls_conn_of(const struct tls_key *k)
{
	struct tls_conn *c = bpf_map_lookup_elem(&tls_conns, k);

	if (c)
		return c;
	tls_conn_make(k);
	return bpf_map_lookup_elem(&tls_conns, k);
}

/* ---- entries without plaintext */

struct tls_head {
	__u64 seq, time, start;
	__u32 tid, tgid;
};

static __always_inline void tls_head_put(struct ht_tls *e, const struct tls_conn *c, __u32 what, __u32 len, const struct tls_head *h)
{
	e->h.kind = HT_EV_TLS;
	e->h.flags = 0;
	e->h.cpu = bpf_get_smp_processor_id();
	e->h.class = HT_CLASS_TLS;
	e->h.abi = 0;
	e->h.len = len;
	e->h.gen = 0;
	e->h.seq = h->seq;
	e->h.time = h->time;
	e->h.start = h->start;
	e->h.tid = h->tid;
	e->h.tgid = h->tgid;
	e->conn = c->id;
	e->offset = e->full = 0;
	e->captured = 0;
	e->lost = 0;
	e->held = e->body = 0;
	e->by = h->tid;
	e->what = what;
	e->dir = e->fault = 0;
	e->fresh = !!(c->flags & TLS_CONN_FRESH);
}

static __always_inline void tls_head_of(struct ht_tls *e, struct tls_conn *c, __u32 what, __u32 len, struct task_struct *task)
{
	struct tls_head h = {
		.seq = __sync_fetch_and_add(&c->seq, 1), .time = bpf_ktime_get_boot_ns(), .start = task->start_boottime, .tid = task->pid, .tgid = task->tgid,
	};

	tls_head_put(e, c, what, len, &h);
}

static __always_inline void tls_head(struct ht_tls *e, struct tls_conn *c, __u32 what, __u32 len)
{
	tls_head_of(e, c, what, len, this_task());
}

static __always_inline void *tls_ring(void)
{
	__u32 key = ring_of(HT_CLASS_TLS, 0);

	return bpf_map_lookup_elem(&rings, &key);
}

/* There was no room for an entry of the connection. */
static __always_inline void tls_count_lost(struct tls_conn *c)
{
	struct ht_counters *n = counters_of(HT_CLASS_TLS, bpf_get_smp_processor_id());

	__sync_fetch_and_add(&c->seq, 1);
	if (n)
		number_lost(n, HT_CAUSE_RING_FULL);
}

static __always_inline void tls_give(void *e, __u32 len)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ht_counters *n = counters_of(HT_CLASS_TLS, cpu);
	void *ring = tls_ring();

	bpf_ringbuf_submit(e, n && ring ? wake_flags(ring, n, HT_CLASS_TLS, len) : 0);
	if (n && ring_pressed(n, HT_CLASS_TLS))
		flood_charge(HT_CLASS_TLS, cpu, 0, len);
}

/* What of a direction was held back, so far. Filled in place, as the next ones: older kernels' stacks have no room. */
static __noinline int tls_say_held(struct tls_conn *c, __u32 dir)
{
	struct ht_tls *e = NULL;
	void *ring = tls_ring();
	struct tls_frames *f;
	__u32 rest;

	if (!c)
		return 0;
	f = &c->frames[dir & 1];
	if (!f->held)
		return 0;
	if (ring)
		e = bpf_ringbuf_reserve(ring, sizeof(*e), 0);
	if (!e) {
		tls_count_lost(c);
		return 0;
	}
	tls_head(e, c, HT_TLS_DATA, sizeof(*e));
	rest = f->quiet ? f->left : 0;	/* the last of the frames has not ended */
	e->dir = dir;
	e->offset = c->off[dir & 1];
	e->held = f->held - rest;
	e->body = f->body - (f->head[3] == TLS_H2_DATA ? rest : 0);
	bpf_ringbuf_submit(e, 0);	/* the connection's end follows, and is charged */
	return 0;
}

/* Only of one that the reader knows. */
static __noinline int tls_say_end(struct tls_conn *c)
{
	struct ht_tls *e = NULL;
	void *ring = tls_ring();

	if (!c || !c->seq)
		return 0;
	tls_say_held(c, HT_TLS_SENT);
	tls_say_held(c, HT_TLS_RECEIVED);
	if (ring)
		e = bpf_ringbuf_reserve(ring, sizeof(*e), 0);
	if (!e) {
		tls_count_lost(c);
		return 0;
	}
	tls_head(e, c, HT_TLS_END, sizeof(*e));
	e->offset = c->off[HT_TLS_SENT];
	e->full = c->off[HT_TLS_RECEIVED];
	tls_give(e, sizeof(*e));
	return 0;
}

struct tls_socket {
	struct ht_tls e;
	struct ht_sock s;
};

static __noinline int tls_say_socket(struct tls_conn *c, __u64 sk)
{
	struct tls_socket *o = NULL;
	void *ring = tls_ring();

	if (!c)
		return 0;
	if (ring)
		o = bpf_ringbuf_reserve(ring, sizeof(*o), 0);
	if (!o) {
		tls_count_lost(c);
		c->sock = 0;	/* else all of a connection's calls would have no peer: it is found, and told, again */
		return 0;
	}
	tls_head(&o->e, c, HT_TLS_SOCKET, sizeof(*o));
	__builtin_memset(&o->s, 0, sizeof(o->s));
	o->s.type = SOCK_STREAM_;
	o->s.ino = c->sock;
	sock_addresses(&o->s, sk);
	tls_give(o, sizeof(*o));
	return 0;
}

/* ---- a descriptor's socket */

/* True: the file is an inet stream socket. */
static __always_inline bool tls_socket_of_file(__u64 file, struct tls_found *ret)
{
	__u64 inode, socket, sk, family;

	inode = KREAD(struct file, file, f_inode);
	if ((KREAD(struct inode, inode, i_mode) & S_IFMT_) != S_IFSOCK_)
		return false;
	socket = KREAD(struct file, file, private_data);
	sk = socket ? KREAD(struct socket, socket, sk) : 0;
	if (!sk || KREAD(struct socket, socket, type) != SOCK_STREAM_)
		return false;
	family = KREAD(struct sock, sk, __sk_common.skc_family);
	ret->sk = sk;
	ret->ino = KREAD(struct inode, inode, i_ino);
	return family == 2 || family == 10;
}

/* struct file * of a task's descriptor, or 0. */
static __always_inline __u64 tls_file_of(struct task_struct *task, __u64 fd)
{
	struct files_struct *files = task_read(task)->files;
	struct fdtable *fdt;

	if (!files)
		return 0;
	fdt = files->fdt;
	if ((__u32)fd >= fdt->max_fds)
		return 0;
	return KREAD_PTR((__u64)fdt->fd + (__u64)(__u32)fd * 8);
}

static __always_inline bool tls_socket_of(__u64 fd, struct tls_found *ret)
{
	__u64 file = tls_file_of(bpf_get_current_task_btf(), fd);

	return file && tls_socket_of_file(file, ret);
}

/* The connection has this socket. With another one than before it is another connection. */
static __noinline int tls_bind(struct tls_conn *c, struct tls_found *f)
{
	if (!c || !f)
		return 0;
	if (c->sock == f->ino)
		return 0;
	if (c->sock) {
		tls_say_end(c);
		tls_conn_begin(c);
	}
	c->sock = f->ino;
	return tls_say_socket(c, f->sk);
}

/* Where nothing better is known: the descriptor that the program gave the library. */
static __always_inline void tls_bind_hint(struct tls_conn *c)
{
	struct tls_found f;

	if (!c->sock && c->fd >= 0 && tls_socket_of((__u32)c->fd, &f))
		tls_bind(c, &f);
}

/* ---- objects that show one half of a connection each (rustls) */

#define TLS_HALVES 4096		/* bytes: what a connection takes at most */

/*
 * Of the connection, whose address the writer has, a reader has a part. So a writer and a reader of one thread belong together if the reader's
 * address is a little above, neither has the other half yet, and the first one's socket is the one that the thread read from last. (Where
 * in a connection that part lies no two compilers agree on.) True: `other`, which is known, is the whole.
 */
static __always_inline bool tls_halves(struct tls_task *k, const struct tls_key *key, const struct tls_key *other, __u32 dir)
{
	__u64 above = dir == HT_TLS_RECEIVED ? key->obj - other->obj : other->obj - key->obj;
	struct tls_conn *c;
	struct tls_found f;

	if (!other->obj || !above || above >= TLS_HALVES)
		return false;
	c = bpf_map_lookup_elem(&tls_conns, other);
	if (!c || !c->sock || c->whole || c->off[dir & 1])
		return false;
	return tls_socket_of((__u32)k->recv_fd, &f) && f.ino == c->sock;
}

/*
 * Makes key the whole connection's, of which one half is used. One whose socket is gone is over, and this is another one at the same
 * address. (Not global: older kernels take no argument of such a function as a key.)
 */
static __noinline int tls_whole(struct tls_key *key, __u32 dir)
{
	struct tls_task *k = bpf_task_storage_get(&tls_tasks, bpf_get_current_task_btf(), 0, 0);
	struct tls_key other;
	struct tls_conn *c;
	struct tls_found f;

	if (!k || !key)
		return 0;
	k->half[dir & 1] = key->obj;
	c = bpf_map_lookup_elem(&tls_conns, key);
	if (!c || (!c->whole && !c->off[dir & 1])) {
		other = *key;
		other.obj = k->half[(dir & 1) ^ 1];
		if (tls_halves(k, key, &other, dir)) {
			c = tls_conn_of(key);
			if (c)
				c->whole = other.obj;
		}
	}
	if (c && c->whole) {
		key->obj = c->whole;
		c = bpf_map_lookup_elem(&tls_conns, key);
	}
	if (c && c->sock && c->seen && !(tls_socket_of(c->seen - 1, &f) && f.ino == c->sock)) {
		tls_say_end(c);
		tls_conn_begin(c);
	}
	return 0;
}

/* ---- TLS records in user memory */

/* The first buffer of a call. */
static __always_inline __u64 tls_buffer(struct pt_regs *regs, __u32 io)
{
	__u64 at = arch_arg(regs, 1), buf = 0;

	if (!(io & IO_IOV))
		return at;
	if ((io & IO_MSG) && bpf_probe_read_user(&at, 8, (void *)(at + 16)))	/* msg_iov */
		return 0;
	bpf_probe_read_user(&buf, 8, (void *)at);
	return buf;
}

struct tls_record {
	__u8 type, major, minor, len[2];
};

/* The record at *at, which moves behind it. Its length, or 0: there is none. */
static __always_inline __u32 tls_record_next(__u64 *at, __u8 *ret_type)
{
	struct tls_record r = {};
	__u32 n;

	if (bpf_probe_read_user(&r, TLS_RECORD_HEAD, (void *)*at))
		return 0;
	n = (__u32)r.len[0] << 8 | r.len[1];
	if (r.type < 0x14 || r.type > 0x18 || r.major != 3 || r.minor > 4 || n > TLS_PLAIN_MAX + 2048)
		return 0;
	*ret_type = r.type;
	*at += TLS_RECORD_HEAD + n;
	return n;
}

static __always_inline bool tls_is_records(__u64 at)
{
	__u8 type;

	return at && tls_record_next(&at, &type);
}

/* Is a record with n bytes of plaintext among those at `at`? */
static __noinline int tls_records_have(__u64 at, __u64 n)
{
	if (n > TLS_PLAIN_MAX)
		n = TLS_PLAIN_MAX;
	for (int i = 0; i < TLS_RECORDS; i++) {
		__u8 type = 0;
		__u32 len = tls_record_next(&at, &type);

		if (!len)
			return 0;
		if (type == TLS_RECORD_DATA && len >= n + TLS_OVERHEAD_MIN && len <= n + TLS_OVERHEAD_MAX)
			return 1;
	}
	return 0;
}

/*
 * The same of several records in a row, as one read of what small writes sent gives them: then the same is left of each. For the reads of who hands records
 * over by memory, until the socket is known.
 */
__noinline int tls_records_add_up(__u64 at, __u64 n)
{
	NO_UNROLL
	for (int i = 0; i < TLS_RECORDS; i++) {
		__u64 next = at, sum = 0, over;
		__u8 type = 0;

		NO_UNROLL
		for (__u32 k = 1; k <= TLS_RECORDS; k++) {
			__u32 len = tls_record_next(&next, &type);

			if (!len || type != TLS_RECORD_DATA)
				break;
			sum += len;
			over = sum - n;
			if (sum > n && over >= k * TLS_OVERHEAD_MIN && over <= k * TLS_OVERHEAD_MAX && !(over % k))
				return 1;
		}
		if (!tls_record_next(&at, &type))
			break;
	}
	return 0;
}

/* ---- calls on sockets */

/* Made inside a library's function. */
static __always_inline void tls_nested(struct tls_task *k, __u64 buf, __u32 io)
{
	const struct ht_tls_func *d = bpf_map_lookup_elem(&tls_funcs, &k->open.func);
	bool foreign = d && (d->flags & HT_TLS_F_FOREIGN), records;
	struct tls_conn *c = bpf_map_lookup_elem(&tls_conns, &k->open.key);
	struct tls_found f = k->at;

	if (!f.ino)
		return;
	if (c && c->sock == f.ino && (!foreign || (c->flags & TLS_CONN_RECORDS)))
		return;
	records = (io & IO_SEND) && tls_is_records(buf);
	if ((foreign || (c && c->sock) || (io & IO_SEND)) && !records)
		return;
	c = tls_conn_of(&k->open.key);
	if (!c)
		return;
	tls_bind(c, &f);
	if (records)
		c->flags |= TLS_CONN_RECORDS;
}

/* Outside: is it what an earlier write left, or does it bring what a later read will give? */
static __always_inline void tls_outside(struct tls_task *k, __u64 fd, __u64 buf, __u32 io)
{
	struct tls_found f = k->at;

	if (!(io & IO_SEND)) {
		k->recv_fd = fd;
		k->recv_buf = buf;
		return;
	}
	for (__u32 i = 0; i < TLS_WROTE; i++) {
		struct tls_wrote *w = &k->wrote[(k->next + i) & (TLS_WROTE - 1)];	/* the oldest first */
		struct tls_conn *c;

		if (!w->n || !f.ino || !tls_records_have(buf, w->n))
			continue;
		c = bpf_map_lookup_elem(&tls_conns, &w->key);
		w->n = 0;
		if (!c)
			return;
		tls_bind(c, &f);
		c->seen = (__u32)fd + 1;
		return;
	}
}

#endif
