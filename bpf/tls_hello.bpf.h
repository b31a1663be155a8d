/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * tls_hello.bpf.h - TLS on sockets, whatever library or program speaks it: the handshake's first bytes for the reader, and whether
 * application data flowed behind them.
 *
 * sys_enter marks a call on an inet stream socket that is not judged yet, sys_exit looks at its bytes; an operation of io_uring is
 * looked at when it ends. What splice and sendfile move is in no program's memory: behind a handshake it counts as data. A direction begins with the
 * first call whose bytes begin with a handshake record: a proxy's CONNECT or STARTTLS may come before it. From there on its records
 * are followed from head to head, whatever the calls' sizes. A socket is judged when data flowed, when its bytes are not what they should be,
 * or after TLS_TRIES calls without a handshake; then it costs one lookup.
 */
#ifndef HOSTTRAIL_TLS_HELLO_BPF_H
#define HOSTTRAIL_TLS_HELLO_BPF_H

#define TLS_TRIES 16		/* calls of one direction before its handshake */
#define TLS_SCAN_STEPS 96	/* heads and buffers of one call */
#define TLS_RECORD_HANDSHAKE 0x16
#define TLS_ALERT 19		/* length of an alert that looks like data (TLS 1.3) */
#define TLS_DATA_MUCH 8		/* records of one side that are no handshake, even if the other one never answers */

/* ---- what the reader gets */

struct tls_hello {
	struct ht_tls e;
	struct ht_sock s;
};

static __always_inline void tls_hello_fill(struct tls_hello *o, const struct tls_sock_key *k, __u32 what, __u32 len)
{
	header_fill(&o->e.h, HT_EV_TLS, HT_CLASS_TLS, bpf_get_smp_processor_id(), this_task());
	o->e.h.len = len;
	o->e.h.seq = 0;
	o->e.conn = k->ino;
	o->e.offset = o->e.full = o->e.lost = o->e.by = 0;
	o->e.captured = 0;
	o->e.held = o->e.body = 0;
	o->e.what = what;
	o->e.dir = o->e.fault = 0;
	o->e.fresh = 1;
	__builtin_memset(&o->s, 0, sizeof(o->s));
	o->s.type = SOCK_STREAM_;
	o->s.ino = k->ino;
	sock_addresses(&o->s, k->sk);
}

struct tls_first {		/* bytes for HT_TLS_HELLO */
	struct tls_sock_key key;
	__u64 at;
	__u32 n, off, full, dir;
};

/* The barrier: else 6.1 sees one register tested and another one used. */
#define TLS_HELLO_SEND(room)                                                                           \
	do {                                                                                           \
		struct tls_hello *o = bpf_ringbuf_reserve(ring, sizeof(*o) + (room), 0);               \
                                                                                                       \
		if (!o)                                                                                \
			break;                                                                         \
		tls_hello_fill(o, &f->key, HT_TLS_HELLO, sizeof(*o) + (room));                         \
		o->e.offset = f->off;                                                                  \
		o->e.full = f->full;                                                                   \
		o->e.dir = f->dir;                                                                     \
		o->e.captured = want;                                                                  \
		take = want;                                                                           \
		barrier_var(take);                                                                     \
		if (take > (room) || bpf_probe_read_user(o + 1, take, (void *)f->at)) {                \
			o->e.captured = 0;                                                             \
			o->e.fault = 1;                                                                \
		}                                                                                      \
		tls_give(o, sizeof(*o) + (room));                                                      \
		return 0;                                                                              \
	} while (0)

static __noinline int tls_hello_send(struct tls_first *f)
{
	__u32 cpu = bpf_get_smp_processor_id(), cut, want, take;
	struct ht_counters *n = counters_of(HT_CLASS_TLS, cpu);
	void *ring = tls_ring();

	if (!f || !n || !ring)
		return -1;
	cut = ring_pressed(n, HT_CLASS_TLS) ? flood_cut(HT_CLASS_TLS, cpu, 0) : 0;
	if (cut)
		return flood_lost(HT_CLASS_TLS, cpu, cut);
	want = f->n;
	barrier_var(want);
	if (want <= 256)
		TLS_HELLO_SEND(256);
	else if (want <= 768)
		TLS_HELLO_SEND(768);
	else
		TLS_HELLO_SEND(HT_TLS_HELLO_MAX);
	number_lost(n, HT_CAUSE_RING_FULL);
	return -1;
}

/* Of the socket that tls_returned() left; of who opted out, nothing but that. gen: the task's identity, asked for in the program itself, where the stack is still deep enough. */
__noinline int tls_say_flowed(__u32 gen)
{
	struct tls_task *k = bpf_task_storage_get(&tls_tasks, bpf_get_current_task_btf(), 0, 0);
	struct ht_counters *n = counters_of(HT_CLASS_TLS, bpf_get_smp_processor_id());
	void *ring = tls_ring();
	struct tls_hello *o = NULL;

	barrier_var(gen);
	if (!k || !n)
		return 0;
	if (ring)
		o = bpf_ringbuf_reserve(ring, sizeof(*o), 0);
	if (!o) {
		number_lost(n, HT_CAUSE_RING_FULL);
		return 0;
	}
	tls_hello_fill(o, &k->flowed, HT_TLS_FLOWED, sizeof(*o));
	o->e.h.gen = gen;
	if (k->judged.who >= TLS_OPTED_OUT) {
		struct tls_sock *s = bpf_map_lookup_elem(&tls_socks, &k->flowed);

		o->e.what = HT_TLS_OPTED_OUT;
		o->e.full = k->judged.who - TLS_OPTED_OUT;
		o->e.dir = s ? s->client & 1 : HT_TLS_SENT;
	}
	tls_give(o, sizeof(*o));
	return 0;
}

/* ---- records, from head to head */

struct tls_scanned {
	struct tls_scan *x;
	struct tls_sock *s;
};

static __always_inline void tls_scan_on(struct tls_scan *x, __u64 n)
{
	x->at += n;
	x->seg -= n;
	x->left -= n;
}

static __always_inline bool tls_scan_buffer(struct tls_scan *x)
{
	__u64 v[2] = {};

	if (!x->vec || bpf_probe_read_user(v, x->io & IO_32 ? 8 : 16, (void *)x->vec))
		return false;
	x->vec += x->io & IO_32 ? 8 : 16;
	if (x->io & IO_32) {
		v[1] = v[0] >> 32;
		v[0] = (__u32)v[0];
	}
	x->at = v[0];
	x->seg = v[1] < x->left ? v[1] : x->left;
	return true;
}

/* The array of buffers of a struct msghdr. */
static __always_inline bool tls_scan_vec(struct tls_scan *x, __u64 msg)
{
	x->vec = 0;
	return !bpf_probe_read_user(&x->vec, x->io & IO_32 ? 4 : 8, (void *)(msg + (x->io & IO_32 ? 8 : 16)));
}

/* The next struct mmsghdr. */
static __always_inline bool tls_scan_message(struct tls_scan *x)
{
	__u32 n = 0;

	if (!tls_scan_vec(x, x->msg) || bpf_probe_read_user(&n, sizeof(n), (void *)(x->msg + (x->io & IO_32 ? 28 : 56))))
		return false;
	x->msg += x->io & IO_32 ? 32 : 64;
	x->nmsg--;
	x->left = n;
	x->seg = 0;
	return true;
}

static __always_inline void tls_scan_data(struct tls_sock *s, __u32 dir)
{
	struct tls_stream *st = &s->stream[dir & 1];

	st->past = 1;
	st->data++;
	if (dir == s->client) {
		if (!s->ready && st->data >= (s->v13 ? 2 : 1)) {	/* TLS 1.3: the first one is the end of the handshake */
			s->ready = 1;
			s->mark = s->stream[!(s->client & 1)].data;
		}
	} else if (!s->stream[s->client & 1].data) {
		s->v13 = 1;
	}
}

static __always_inline bool tls_scan_head(struct tls_sock *s, struct tls_stream *st, __u32 dir)
{
	__u32 n = (__u32)st->head[3] << 8 | st->head[4], type = st->head[0];

	st->have = 0;
	if (type < 0x14 || type > 0x18 || st->head[1] != 3 || st->head[2] > 4 || !n || n > TLS_PLAIN_MAX + 2048)
		return false;
	if (!st->begun) {
		struct tls_stream *other = &s->stream[!(dir & 1)];

		if (type != TLS_RECORD_HANDSHAKE)
			return false;
		st->begun = 1;
		if (!other->begun)
			s->client = dir;
	}
	st->left = n;
	if (type == TLS_RECORD_DATA && n != TLS_ALERT)
		tls_scan_data(s, dir);
	else if (type != TLS_RECORD_HANDSHAKE)
		st->past = 1;
	return true;
}

static long tls_scan_step(__u32 i, void *ctx)
{
	struct tls_scanned *on = ctx;
	struct tls_scan *x = on->x;
	struct tls_sock *s = on->s;
	struct tls_stream *st;
	__u64 n;
	__u32 have;

	if (!x || !s || (!x->left && !x->nmsg))
		return 1;
	if (!x->left) {
		x->bad = !tls_scan_message(x);
		return x->bad;
	}
	if (!x->seg) {
		x->bad = !tls_scan_buffer(x);
		return x->bad;
	}
	st = &s->stream[x->dir & 1];
	if (st->left) {
		n = st->left < x->seg ? st->left : x->seg;
		st->left -= n;
		tls_scan_on(x, n);
		return 0;
	}
	have = st->have & 7;
	if (have >= TLS_RECORD_HEAD)
		return x->bad = 1;
	n = TLS_RECORD_HEAD - have;
	if (n > x->seg)
		n = x->seg;
	barrier_var(n);		/* the compiler knows what the mask says, 6.1 does not */
	n &= 7;
	if (bpf_probe_read_user(&st->head[have], n, (void *)x->at))
		return x->bad = 1;
	tls_scan_on(x, n);
	st->have = have + n;
	if (st->have < TLS_RECORD_HEAD)
		return 0;
	x->bad = !tls_scan_head(s, st, x->dir);
	return x->bad;
}

/* ---- a call that came back */

static __always_inline struct tls_sock *tls_sock_of(const struct tls_sock_key *k)
{
	struct tls_sock *s = bpf_map_lookup_elem(&tls_socks, k), fresh = {};

	if (s)
		return s;
	bpf_map_update_elem(&tls_socks, k, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tls_socks, k);
}

static __always_inline bool tls_flowed(const struct tls_sock *s)
{
	const struct tls_stream *client = &s->stream[s->client & 1], *server = &s->stream[!(s->client & 1)];

	if (!client->begun || !server->begun || !s->ready)
		return false;
	return server->data > s->mark || client->data >= TLS_DATA_MUCH;
}

/* No handshake so far. Fewer bytes than a head has tell nothing. */
static __always_inline void tls_not_begun(struct tls_sock *s, struct tls_stream *st, __u64 n)
{
	if (n >= TLS_RECORD_HEAD && ++st->tries >= TLS_TRIES)
		s->judged = 1;
	st->have = 0;
	st->left = 0;
}

/* Bytes that cannot be read. What comes back behind a ClientHello is taken for the server's handshake. */
static __noinline int tls_look_blind(struct tls_sock_key *k, __u32 dir)
{
	struct tls_sock *s = k ? bpf_map_lookup_elem(&tls_socks, k) : NULL;
	struct tls_stream *st;

	if (!s || s->judged || !s->stream[!(dir & 1)].begun)
		return 0;
	st = &s->stream[dir & 1];
	if (!st->begun && s->client == dir)
		return 0;
	st->begun = 1;
	st->blind = 1;
	tls_scan_data(s, dir);
	if (!tls_flowed(s))
		return 0;
	s->judged = 1;
	return 1;
}

/* The call's bytes lie at `at` (seg of them, then in vec, then in further messages). */
static __noinline int tls_look(struct tls_sock_key *k, struct tls_scan *x)
{
	struct tls_scanned on = { .x = x };
	struct tls_stream *st;
	struct tls_first f;
	__u32 sent;

	if (!k || !x)
		return 0;
	on.s = tls_sock_of(k);
	if (!on.s || on.s->judged)
		return 0;
	st = &on.s->stream[x->dir & 1];
	if (st->blind)
		return tls_look_blind(k, x->dir);
	f.key = *k;
	f.at = x->at;
	f.n = x->seg;
	f.full = x->left + x->nmsg;	/* at least */
	f.dir = x->dir;
	sent = st->sent;
	if (st->past)
		sent = HT_TLS_HELLO_MAX;
	bpf_loop(TLS_SCAN_STEPS, tls_scan_step, &on, 0);
	if (!st->begun) {
		tls_not_begun(on.s, st, f.full);
		return 0;
	}
	if (sent < HT_TLS_HELLO_MAX && !x->secret) {
		f.off = sent;
		if (f.n > HT_TLS_HELLO_MAX - sent)
			f.n = HT_TLS_HELLO_MAX - sent;
		if (f.n)
			tls_hello_send(&f);
		st->sent = f.n < f.full ? HT_TLS_HELLO_MAX : sent + f.n;
	}
	if (x->bad || x->left || x->nmsg)
		on.s->judged = 1;
	if (!tls_flowed(on.s))
		return 0;
	on.s->judged = 1;
	return 1;
}

/* The first buffer of what a call moved. False: it cannot be told. */
static __always_inline bool tls_scan_begin(struct tls_scan *x, __u64 at, __u64 n)
{
	if (x->io & IO_MANY) {
		x->msg = at;
		x->nmsg = n;
		return tls_scan_message(x) && tls_scan_buffer(x);
	}
	x->left = n;
	if (!(x->io & IO_IOV)) {
		x->at = at;
		x->seg = n;
		return true;
	}
	if (!(x->io & IO_MSG))
		x->vec = at;
	else if (!tls_scan_vec(x, at))
		return false;
	return tls_scan_buffer(x);
}

/*
 * Does a call of this task that ends have bytes that are to be looked at? Perhaps, if one of those with its place has: a load, where to ask the task's
 * storage is several calls, for each read and write. A task that dies in such a call stays counted.
 */
static __noinline int tls_watching(struct task_struct *task)
{
	return *(volatile __u32 *)&ht_tls_watching[task_read(task)->pid & (TLS_WATCHING - 1)];
}

static __always_inline void tls_watching_end(struct tls_watch *w)
{
	__u32 slot = w->slot;

	if (!slot)
		return;
	w->slot = 0;
	__sync_fetch_and_add(&ht_tls_watching[(slot - 1) & (TLS_WATCHING - 1)], -1);
}

/* It may be counted still, of a call whose end was missed, and elsewhere: a thread that executes gets the leader's number. */
static __always_inline void tls_watching_begin(struct task_struct *task, struct tls_watch *w)
{
	__u32 at = task_read(task)->pid & (TLS_WATCHING - 1);

	if (w->slot == at + 1)
		return;
	tls_watching_end(w);
	w->slot = at + 1;
	__sync_fetch_and_add(&ht_tls_watching[at], 1);
}

/* 1: data flowed there; see tls_say_flowed(). A function of its own for the verifier, as the next ones: else sys_exit is looked at once for each way through it. */
__noinline int tls_returned(__s64 ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_task *k = bpf_task_storage_get(&tls_tasks, task, 0, 0);
	struct tls_sock_key key;
	struct tls_scan *x;

	if (!k)
		return 0;
	tls_watching_end(&k->watch);
	if (!k->watch.key.ino)
		return 0;
	key = k->watch.key;
	k->watch.key.ino = 0;
	if (ret <= 0)
		return 0;
	x = &k->scan;
	__builtin_memset(x, 0, sizeof(*x));
	x->io = k->watch.io;
	x->secret = k->judged.who != TLS_WANTED;
	x->dir = x->io & IO_SEND ? HT_TLS_SENT : HT_TLS_RECEIVED;
	if (x->io & IO_BLIND ? !tls_look_blind(&key, x->dir) : !tls_scan_begin(x, k->watch.at, ret) || !tls_look(&key, x))
		return 0;
	k->flowed = key;
	return 1;
}

/* ---- a call that begins */

/*
 * 0: it is on no inet stream socket, or not recorded. Else k->at is the socket, and k->watch too if not all is known of its handshake: then its bytes
 * are to be looked at, io says how they lie at `at`. The descriptor is asked first: most calls that come here are on files, pipes and Unix sockets,
 * and leave after a few loads.
 */
__noinline int tls_watch(__u64 fd, __u64 at, __u32 io)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_sock_key key = {};
	struct tls_found f;
	struct tls_sock *s;
	struct tls_task *k;

	if (!tls_socket_of(fd, &f) || !tls_task_recorded(task))
		return 0;
	k = bpf_task_storage_get(&tls_tasks, task, 0, 0);
	if (k) {
		k->at = f;
		if (k->past.sk == f.sk && k->past.ino == f.ino)
			return 1;
	}
	key.sk = f.sk;
	key.ino = f.ino;
	s = bpf_map_lookup_elem(&tls_socks, &key);
	if (s && s->judged) {
		if (k)
			k->past = key;
		return !!k;
	}
	if (!k)
		k = bpf_task_storage_get(&tls_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!k)
		return 0;
	k->at = f;
	k->watch.key = key;
	k->watch.at = at;
	k->watch.io = io;
	tls_watching_begin(task, &k->watch);
	return 1;
}

/*
 * A call that is looked at for its bytes alone, on what surely is no inet stream socket: as most reads and writes are, which then end here. Of 32-bit
 * ones and of sendfile and splice tls_watch_other() says it.
 */
static __noinline int tls_elsewhere(struct task_struct *task, struct pt_regs *regs, __u32 nr, __u32 abi)
{
	struct tls_found f;
	__u64 file;

	if (abi != HT_ABI_NATIVE || (arch_socket_io(nr) & IO_BLIND))
		return false;
	file = tls_file_of(task, arch_arg(regs, 0));
	return !file || !tls_socket_of_file(file, &f);
}

/* splice(in, ., out) and sendfile(out, in): out is the socket, or else in. */
static __always_inline bool tls_watch_blind(__u64 first, __u64 third, __u32 io, bool splice)
{
	return tls_watch(splice ? third : first, 0, io | IO_SEND) || (splice && tls_watch(first, 0, io));
}

/* A call of a 32-bit program, or one that moves bytes without having them. What it does; 0: nothing with an inet socket. */
static __noinline int tls_watch_other(struct pt_regs *regs, __u32 nr, __u32 abi)
{
	__u64 fd = arch_arg32(regs, 0), at = arch_arg32(regs, 1);
	__u32 io, w[2];

	if (abi == HT_ABI_NATIVE) {
		io = arch_socket_io(nr);
		return tls_watch_blind(arch_arg(regs, 0), arch_arg(regs, 2), io, arch_splice(nr, abi)) ? io : 0;
	}
	io = arch_socketcall(nr) ? arch_socketcall_io(fd) : arch_socket_io32(nr);
	if (!io)
		return 0;
	if (arch_socketcall(nr)) {
		if (bpf_probe_read_user(w, sizeof(w), (void *)at))
			return 0;
		fd = w[0];
		at = w[1];
	}
	if (io & IO_BLIND)
		return tls_watch_blind(fd, arch_arg32(regs, 2), io, arch_splice(nr, abi)) ? io : 0;
	return tls_watch(fd, at, io) ? io : 0;
}

static __noinline int tls_syscall(struct pt_regs *regs, __u32 nr, __u32 abi)
{
	struct tls_task *k;
	__u32 io = arch_socket_io(nr);
	__u64 fd, buf;

	fd = arch_arg(regs, 0);
	if (abi != HT_ABI_NATIVE || (io & IO_BLIND))
		io = tls_watch_other(regs, nr, abi);
	else if (!io || !tls_watch(fd, arch_arg(regs, 1), io))
		return 0;
	if (!io)
		return 0;
	k = bpf_task_storage_get(&tls_tasks, bpf_get_current_task_btf(), 0, 0);
	if (!k)
		return 0;
	if (k->watch.key.ino && tls_who(0) == TLS_NOBODY)	/* not further in, for the stack */
		k->watch.key.ino = 0;
	if (io & (IO_32 | IO_BLIND))	/* no library of theirs is probed */
		return 0;
	buf = tls_buffer(regs, io);
	if (k->open.func)
		tls_nested(k, buf, io);
	else
		tls_outside(k, fd, buf, io);
	return 0;
}

#endif
