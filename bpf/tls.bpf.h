/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * tls.bpf.h - what TLS libraries send and receive, as plaintext: one program at the entry of their functions, one at the return.
 *
 * Which function it is says the probe's cookie, an index into tls_funcs (the table: agent/tls/stacks.h). Data counts when the
 * function has succeeded: a retry is none. Bytes are numbered by connection and direction, so what is not sent, for nobody
 * wants it or for the ring is full, leaves a hole of known size.
 *
 * These programs can be preempted and change nothing per CPU; scratches for identities are a pool of their own.
 */
#ifndef HOSTTRAIL_TLS_BPF_H
#define HOSTTRAIL_TLS_BPF_H

#define TLS_NEST_MAX 128	/* bytes of stack between a function's entry and its return */
#define TLS_ASK_ALWAYS 7	/* one of eight */
#define TLS_CHUNKS (HT_TLS_CALL_MAX / HT_TLS_CHUNK + 4)
#define TLS_STEPS 4096		/* frames and pieces of a call */
#define TLS_SLICES 64		/* and slices */

/* ---- who: the identity, once per generation, as for calls */

/* The generation as of the last look, which is enough for an answer: whoever made a call is the task of its request. 0: look. */
static __always_inline __u32 tls_identity_known(const struct tls_task *k)
{
	struct ht_shared *w = shared_words();

	return k && w && k->epoch == w->epoch ? k->gen : 0;
}

/* Where no word can be read by itself. */
static __noinline int tls_compared_same(struct tls_task *k, struct task_struct *task)
{
	if (!k || !task)
		return 0;
	compared_now(&k->now, &k->was, 0, task);
	return !compared_differ(&k->now, &k->was);
}

/* The same if the task is what it was then: without the scratch, which is for what is new, and without asking for the rest of what is kept of it. */
static __always_inline __u32 tls_identity_same(struct tls_task *k, struct task_struct *task)
{
	__u32 gen = tls_identity_known(k);

	if (!gen || (__u32)KREAD(struct upid, k->gen_at, nr) != gen)	/* an int is what it begins with */
		return 0;
	return (ht_have_cast ? compared_same(&k->was, task) : tls_compared_same(k, task)) ? gen : 0;
}

static __noinline int tls_identity_still(struct tls_task *k, struct task_struct *task)
{
	return k && task ? tls_identity_same(k, task) : 0;
}

/* What was delivered is what the next calls are held against. */
static __noinline int tls_identity_keep(struct task *t)
{
	struct tls_task *k = bpf_task_storage_get(&tls_tasks, bpf_get_current_task_btf(), 0, 0);

	if (!t)
		return 0;
	if (k) {
		k->was = t->was;
		k->gen_at = (__u64)&t->gen;
		k->epoch = t->epoch;
		k->gen = t->gen;
	}
	return t->gen;
}

/* The generation that the ring knows this task by; 0: it could not be told. */
__noinline int tls_identity(__u32 pad)
{
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	__u32 cpu = bpf_get_smp_processor_id(), gen = 0;
	struct ht_counters *n = counters_of(HT_CLASS_TLS, cpu);
	struct scratch *s;

	barrier_var(pad);	/* else callers pass nothing, which the verifier refuses */
	if (!t || !n)
		return 0;
	s = tls_scratch_take();
	if (!s)
		return 0;
	s->c.call = HT_CALL_UNKNOWN;
	if (ident_deliver(s, t, HT_CLASS_TLS, cpu, n))
		gen = tls_identity_keep(t);
	scratch_give(s);
	return gen;
}

/* ---- plaintext into the ring */

struct tls_pieces {
	struct tls_conn *c;
	const struct tls_open *o;
	struct tls_piece *p;
};

static __always_inline struct task_struct *tls_open_task(const struct tls_open *o)
{
	if (ht_have_cast)
		return bpf_rdonly_cast((void *)o->task, bpf_core_type_id_kernel(struct task_struct));
	return bpf_get_current_task_btf();
}

static __always_inline void tls_fill(struct ht_tls *e, const struct tls_pieces *on, __u32 len, __u64 full, __u32 want)
{
	const struct tls_piece *p = on->p;
	const struct tls_frames *f = &on->c->frames[p->dir & 1];

	tls_head_of(e, on->c, HT_TLS_DATA, len, tls_open_task(on->o));
	e->h.gen = p->gen;
	e->dir = p->dir;
	e->by = on->o->by;
	e->lost = p->lost;
	e->held = f->held;
	e->body = f->body;
	e->offset = p->off + p->at;
	e->full = full;
	e->captured = want;
}

/* Room comes in sizes that the verifier knows. */
#define TLS_SEND(room)                                                                                 \
	do {                                                                                           \
		struct ht_tls *e = bpf_ringbuf_reserve(ring, sizeof(*e) + (room), 0);                  \
		__u32 len = want;                                                                      \
                                                                                                       \
		if (!e)                                                                                \
			return -1;                                                                     \
		tls_fill(e, on, sizeof(*e) + (room), full, want);                                      \
		barrier_var(len);	/* what is compared must be what is used: 6.1 */                       \
		if (len > (room)) {                                                                    \
			bpf_ringbuf_discard(e, 0);                                                     \
			return -1;                                                                     \
		}                                                                                      \
		if ((room) && want && bpf_probe_read_user(e + 1, len, (void *)(p->buf + p->at))) {     \
			e->captured = 0;                                                               \
			e->fault = 1;                                                                  \
		}                                                                                      \
		bpf_ringbuf_submit(e, wake_flags(ring, n, HT_CLASS_TLS, sizeof(*e) + (room)));         \
		p->put += (sizeof(*e) + (room)) / 8;                                                   \
		return 0;                                                                              \
	} while (0)

static __always_inline int tls_send(const struct tls_pieces *on, __u64 full, __u32 want)
{
	__u32 cpu = bpf_get_smp_processor_id(), key = ring_of(HT_CLASS_TLS, cpu);
	struct ht_counters *n = counters_of(HT_CLASS_TLS, cpu);
	void *ring = bpf_map_lookup_elem(&rings, &key);
	struct tls_piece *p = on->p;

	if (!n || !ring || !on->o)
		return -1;
	barrier_var(want);
	if (!want)
		TLS_SEND(0);
	if (want <= 128)
		TLS_SEND(128);
	if (want <= 256)
		TLS_SEND(256);
	if (want <= 512)
		TLS_SEND(512);
	if (want <= 1024)
		TLS_SEND(1024);
	if (want <= 2048)
		TLS_SEND(2048);
	if (want <= 4096)
		TLS_SEND(4096);
	TLS_SEND(HT_TLS_CHUNK);
}

/* A piece did not go out: the ring is full, or it is cut, which is counted once a call. */
static __always_inline void tls_piece_lost(struct tls_conn *c, struct tls_piece *p, __u64 end)
{
	struct ht_counters *n;

	c->lost[p->dir & 1] = end;
	tls_frames_lost(&c->frames[p->dir & 1]);
	if (p->cut) {
		p->gone = 1;
		return;
	}
	__sync_fetch_and_add(&c->seq, 1);
	n = counters_of(HT_CLASS_TLS, bpf_get_smp_processor_id());
	if (n)
		number_lost(n, HT_CAUSE_RING_FULL);
}

/* The next slice is at hand. Its address and length lie where they were read to, for there is no room on the stack. */
static __always_inline void tls_slice_next(struct tls_piece *p)
{
	if (!p->slices || bpf_probe_read_user(p->iov, sizeof(p->iov), (void *)p->slice)) {
		p->slice = p->buf = 0;
		return;
	}
	p->slices--;
	p->slice += sizeof(p->iov);
	p->buf = p->iov[0] - p->slice_end;
	p->slice_end += p->iov[1];
}

/* A frame or a slice is looked at, or a piece is sent. */
static long tls_step(__u32 i, void *ctx)
{
	const struct tls_pieces *on = ctx;
	struct tls_conn *c = on->c;
	struct tls_piece *p = on->p;
	__u64 left, here, most;
	__u32 want = 0;

	if (!c || !p)
		return 1;
	if (tls_frames_open(p)) {
		if (i < TLS_STEPS - TLS_CHUNKS)
			tls_frame_step(&c->frames[p->dir & 1], &c->frames[!(p->dir & 1)], p);
		else
			tls_frames_end(&c->frames[p->dir & 1], p);
		return p->at >= p->loud && p->seen >= p->n;
	}
	if (p->slice && p->at >= p->slice_end) {
		tls_slice_next(p);
		return 0;
	}
	left = p->loud - p->at;
	here = p->off + p->at;
	if (here < p->until) {
		if (p->until - here > left) {	/* the next entry's offset tells */
			p->at = p->loud;
			return tls_frames_on(p);
		}
		left = p->until - here;
	} else if (p->buf && p->at < p->plain && p->sent < HT_TLS_CALL_MAX) {
		most = p->plain - p->at;
		if (p->slice && p->slice_end - p->at < most)
			left = most = p->slice_end - p->at;
		want = most;
		if (most > HT_TLS_CHUNK)
			left = want = HT_TLS_CHUNK;
	}
	if (p->cut ? here >= p->until : tls_send(on, left, want))
		tls_piece_lost(c, p, here + left);
	else if (!p->cut)
		tls_frames_told(&c->frames[p->dir & 1]);
	p->sent += want;
	p->at += left;
	return tls_frames_on(p);
}

/* ---- who fills the ring, see flood.bpf.h. Global functions, for the verifier; and asked before the stack is too deep */

/* What flood_cut() says, where it is to be asked. */
__noinline int tls_cut(__u32 pad)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ht_counters *n = counters_of(HT_CLASS_TLS, cpu);

	barrier_var(pad);
	return n && ring_pressed(n, HT_CLASS_TLS) ? flood_cut(HT_CLASS_TLS, cpu, 0) : 0;
}

__noinline int tls_charge(__u32 words)
{
	return flood_charge(HT_CLASS_TLS, bpf_get_smp_processor_id(), 0, words * 8);
}

static __always_inline bool tls_pressed(void)
{
	struct ht_counters *n = counters_of(HT_CLASS_TLS, bpf_get_smp_processor_id());

	return n && ring_pressed(n, HT_CLASS_TLS);
}

/* There is no memory for a call: its bytes are one lost entry. */
static __noinline int tls_lose(struct tls_conn *c, __u32 dir, __u64 n)
{
	struct ht_counters *count = counters_of(HT_CLASS_TLS, bpf_get_smp_processor_id());

	if (!c || !count)
		return 0;
	c->lost[dir & 1] = __sync_fetch_and_add(&c->off[dir & 1], n) + n;
	c->run[(dir & 1) ^ 1] = c->off[(dir & 1) ^ 1];
	c->frames[dir & 1].followed = 0;
	__sync_fetch_and_add(&c->seq, 1);
	number_lost(count, HT_CAUSE_STORAGE);
	return 0;
}

/*
 * Where the ring is pressed, a body need not come: beyond TLS_HELD_FROM bytes of a run of data of one direction no head begins, unless it is one behind a body
 * whose end the reader has told. Nothing is sent and nothing lost: the reader sees the hole by the next entry's offset, and knows whether it mattered. True: the call's
 * bytes are held back.
 */
static __noinline int tls_held(struct tls_conn *c, __u32 dir, __u64 n)
{
	struct ht_tls_wanted *wanted;
	__u64 off, until;

	if (!c || !(c->flags & TLS_CONN_HTTP1))
		return 0;
	off = c->off[dir & 1];
	if (off - c->run[dir & 1] < TLS_HELD_FROM)
		return 0;
	wanted = bpf_map_lookup_elem(&tls_wanted, &c->id);
	until = wanted ? wanted->until[dir & 1] : 0;
	if (until && (until > off || off - until < TLS_HELD_FROM))
		return 0;
	c->run[(dir & 1) ^ 1] = c->off[(dir & 1) ^ 1];
	c->lost[dir & 1] = __sync_fetch_and_add(&c->off[dir & 1], n) + n;
	return 1;
}

/* ---- is it HTTP? */

/* A method's first letters, a response, HTTP/2's preface or its first frame. */
static __always_inline bool tls_looks_http(const __u8 b[8])
{
	__u32 w = WORD(b[0], b[1], b[2], b[3]);

	switch (w) {
	case WORD('G', 'E', 'T', ' '): case WORD('H', 'E', 'A', 'D'): case WORD('P', 'O', 'S', 'T'): case WORD('P', 'U', 'T', ' '):
	case WORD('P', 'A', 'T', 'C'): case WORD('D', 'E', 'L', 'E'): case WORD('O', 'P', 'T', 'I'): case WORD('C', 'O', 'N', 'N'):
	case WORD('T', 'R', 'A', 'C'): case WORD('P', 'R', 'I', ' '): case WORD('H', 'T', 'T', 'P'): case WORD('L', 'I', 'S', 'T'):
	case WORD('P', 'R', 'O', 'P'): case WORD('M', 'K', 'C', 'O'): case WORD('C', 'O', 'P', 'Y'): case WORD('M', 'O', 'V', 'E'):
	case WORD('L', 'O', 'C', 'K'): case WORD('U', 'N', 'L', 'O'): case WORD('R', 'E', 'P', 'O'): case WORD('S', 'E', 'A', 'R'):
	case WORD('M', 'E', 'R', 'G'): case WORD('P', 'U', 'R', 'G'): case WORD('M', '-', 'S', 'E'): case WORD('Q', 'U', 'E', 'R'):
		return true;
	}
	return tls_looks_settings(b);
}

/* A connection that we know from its handshake on, and that begins with something else, costs one lookup from now on. */
static __always_inline bool tls_foreign(struct tls_conn *c, __u32 dir, __u64 buf, __u64 n, __u64 off)
{
	__u8 b[8] = {};

	if (c->flags & TLS_CONN_FOREIGN)
		return true;
	if (off || (c->flags & TLS_CONN_HTTP1) || !buf || n < sizeof(b) || bpf_probe_read_user(b, sizeof(b), (void *)buf))
		return false;
	tls_frames_first(&c->frames[dir & 1], &c->frames[!(dir & 1)], b, c->flags & TLS_CONN_FRESH);
	if (!(c->flags & TLS_CONN_FRESH) || (c->flags & TLS_CONN_HTTP))
		return false;
	if (!tls_looks_http(b)) {
		c->flags |= TLS_CONN_FOREIGN;
		return true;
	}
	if (b[0] && !tls_looks_preface(b))
		c->flags |= TLS_CONN_HTTP1;
	/* a server of HTTP/2 begins with a frame */
	c->flags |= TLS_CONN_HTTP | TLS_CONN_ANSWERS << ((!b[0] || WORD(b[0], b[1], b[2], b[3]) == WORD('H', 'T', 'T', 'P') ? dir : !dir) & 1);
	return false;
}

/* ---- a call of the library that succeeded */

/* Who hands records over by memory: what was read must be in the thread's last read from a socket, as one record or as some in a row. */
static __always_inline void tls_match_read(struct tls_conn *c, struct tls_task *k, __u64 n)
{
	struct tls_found f;

	if (!k || !k->recv_buf || (!tls_records_have(k->recv_buf, n) && !tls_records_add_up(k->recv_buf, n)))
		return;
	if (!tls_socket_of((__u32)k->recv_fd, &f))
		return;
	tls_bind(c, &f);
	c->seen = (__u32)k->recv_fd + 1;
}

static __always_inline void tls_wrote_add(struct tls_task *k, const struct tls_key *key, __u64 n)
{
	struct tls_wrote *w;

	if (!k)
		return;
	w = &k->wrote[k->next & (TLS_WROTE - 1)];
	w->key = *key;
	w->n = n;
	k->next++;
}

/* Its socket is not known. */
static __always_inline void tls_unbound(struct tls_task *k, struct tls_conn *c, const struct tls_key *key, __u32 dir, __u64 n)
{
	tls_bind_hint(c);
	if (c->sock)
		return;
	if (dir == HT_TLS_RECEIVED)
		tls_match_read(c, k, n);
	else
		tls_wrote_add(k, key, n);
}

/* o->buf are o->len slices: from here on it is where the first one lies. The first TLS record may have that slice alone. */
static __noinline int tls_slices(struct tls_open *o, struct tls_task *k, struct tls_conn *c)
{
	struct tls_piece *p;

	if (!o || !k || !c)
		return 0;
	p = &k->piece;
	p->slice = o->buf;
	p->slices = o->len < TLS_SLICES ? o->len : TLS_SLICES;
	p->iov[0] = p->iov[1] = 0;
	if (o->len)
		bpf_probe_read_user(p->iov, sizeof(p->iov), (void *)o->buf);
	o->buf = p->iov[0];
	if (p->iov[1] && !c->sock)
		tls_wrote_add(k, &o->key, p->iov[1]);
	return 0;
}

/*
 * All of o->len. What the reader does not want is asked for where it can be much: not for the first call of a run of HTTP's data of one direction, if it moves little,
 * which is nearly always a head; but for some of these too, because what follows an upgrade can be like that. What went into the ring, in words. Of k->piece,
 * `gen`, `pressed` and `cut` are the caller's.
 */
static __noinline int tls_data(struct tls_open *o, struct tls_task *k, struct tls_conn *c, __u32 dir)
{
	struct tls_pieces on = { .c = c, .o = o };
	struct ht_tls_wanted *wanted = NULL;
	struct tls_piece *p;
	bool first;
	__u64 n;

	if (!o || !c || !k)
		return 0;
	on.p = p = &k->piece;
	n = o->len;
	if (!c->sock)
		tls_unbound(k, c, &o->key, dir, n);
	p->off = __sync_fetch_and_add(&c->off[dir & 1], n);
	first = p->off == c->run[dir & 1];
	c->run[(dir & 1) ^ 1] = c->off[(dir & 1) ^ 1];
	if (tls_foreign(c, dir, o->buf, p->slice ? p->iov[1] : n, p->off))
		return 0;
	p->until = p->streams = 0;
	if (!first || !(c->flags & TLS_CONN_HTTP) || n >= TLS_ASK_FROM || !(c->seq & TLS_ASK_ALWAYS))
		wanted = bpf_map_lookup_elem(&tls_wanted, &c->id);
	if (wanted) {
		p->until = wanted->until[dir & 1];
		p->streams = wanted->streams[dir & 1];
		if (wanted->until[0] == ~0ull && wanted->until[1] == ~0ull) {
			c->flags |= TLS_CONN_FOREIGN;
			return 0;
		}
	}
	p->n = n;
	p->buf = p->slice ? 0 : o->buf;
	p->slice_end = 0;
	p->dir = dir;
	p->lost = c->lost[(dir & 1) ^ 1];
	p->at = p->plain = p->loud = p->seen = p->sent = 0;
	p->put = p->ready = p->gone = 0;
	if (!c->frames[dir & 1].followed || !p->buf)
		tls_frames_end(&c->frames[dir & 1], p);
	bpf_loop(TLS_STEPS, tls_step, &on, 0);
	return p->put;
}

#define RUSTLS_OK 7000

#define TLS_UNREAD (~0ull)

/*
 * A word of the program's memory, or TLS_UNREAD. A function of its own, for its stack is small: since 6.13 larger ones lie elsewhere, and what
 * is copied there the kernel looks at longer (hardened usercopy).
 */
static __noinline __u64 tls_word(__u64 at)
{
	__u64 v = 0;

	return bpf_probe_read_user(&v, sizeof(v), (void *)at) ? TLS_UNREAD : v;
}

/* How many bytes it was; 0: it failed, or has to be called again. */
static __always_inline __u64 tls_result(struct pt_regs *regs, const struct ht_tls_func *d, const struct tls_open *o)
{
	__u64 ret = arch_func_result(regs, d->abi, d->done), n = d->abi == HT_TLS_ABI_C && o->done ? tls_word(o->done) : TLS_UNREAD;
	bool said = n != TLS_UNREAD;

	switch (d->ok) {
	case HT_TLS_OK_COUNT:
		if (!(d->flags & HT_TLS_F_LONG))
			ret = (__u64)(__s64)(__s32)ret;
		return (__s64)ret > 0 ? ret : 0;
	case HT_TLS_OK_ONE:
		return (__s32)ret == 1 && said ? n : 0;
	case HT_TLS_OK_ZERO:
		return (__s32)ret ? 0 : said ? n : o->len;
	case HT_TLS_OK_GO:
		return (__s64)ret > 0 ? ret : 0;
	case HT_TLS_OK_RESULT2:
		return ret ? 0 : arch_func_result2(regs);
	case HT_TLS_OK_RUSTLS:
		return (__u32)ret == RUSTLS_OK && said ? n : 0;
	case HT_TLS_OK_RESULT_AT:
		n = said && !n ? tls_word(o->done + 8) : TLS_UNREAD;
		return n != TLS_UNREAD ? n : 0;
	case HT_TLS_OK_ALWAYS:
		return o->len;
	}
	return 0;
}

/* The same of what is HT_TLS_COOKIE_PLAIN. */
static __always_inline __u64 tls_result_plain(struct pt_regs *regs, __u64 cookie, const struct tls_open *o)
{
	__u64 ret = arch_func_result(regs, HT_TLS_ABI_C, 0);

	if (cookie >> HT_TLS_COOKIE_DONE & 7) {
		ret = (__u32)ret == 1 ? tls_word(o->done) : 0;
		return ret != TLS_UNREAD ? ret : 0;
	}
	if (!(cookie & HT_TLS_COOKIE_LONG))
		ret = (__u64)(__s64)(__s32)ret;
	return (__s64)ret > 0 ? ret : 0;
}

/* What was cut of a call is one entry. */
static __always_inline void tls_count_cut(struct tls_task *k, struct tls_conn *c)
{
	if (!c || !k->piece.gone)
		return;
	__sync_fetch_and_add(&c->seq, 1);
	flood_lost(HT_CLASS_TLS, bpf_get_smp_processor_id(), k->piece.cut);
}

#define TLS_ONE_CALL_MAX (1ull << 40)	/* no call moves more: a result beyond it is none */

static __always_inline void tls_done(const struct ht_tls_func *d, struct tls_task *k, struct tls_open *o, __u64 n, struct task_struct *task)
{
	__u32 dir = d->op == HT_TLS_READ ? HT_TLS_RECEIVED : HT_TLS_SENT, gen = 0, put;
	struct tls_conn *c;

	if (!n || n > TLS_ONE_CALL_MAX || (d->op != HT_TLS_READ && d->op != HT_TLS_WRITE && d->op != HT_TLS_SENDFILE))
		return;
	c = bpf_map_lookup_elem(&tls_conns, &o->key);
	if (c && (c->flags & TLS_CONN_FOREIGN))
		return;
	if ((d->flags & HT_TLS_F_FOREIGN) && (!c || !(c->flags & TLS_CONN_RECORDS)))	/* also called for plain files and sockets */
		return;
	if (!c)
		c = tls_conn_of(&o->key);
	k->piece.cut = 0;
	k->piece.pressed = tls_pressed();
	if (k->piece.pressed) {
		if (tls_held(c, dir, n))
			return;
		k->piece.cut = tls_cut(0);
	}
	if (c && (c->flags & TLS_CONN_ANSWERS << dir))
		gen = tls_identity_known(k);
	if (o->buf && !gen && !k->piece.cut)
		gen = tls_identity_still(k, task);
	if (o->buf && !gen && !k->piece.cut)
		gen = tls_identity(0);	/* here, because the stacks of older kernels are not deep enough for it further in */
	k->piece.slice = 0;
	if (d->flags & HT_TLS_F_VECTOR)
		tls_slices(o, k, c);
	o->len = n;
	o->task = (__u64)task;
	k->piece.gen = gen;
	put = tls_data(o, k, c, dir);
	if (k->piece.cut)
		tls_count_cut(k, c);
	else if (put && k->piece.pressed)
		tls_charge(put);
}

/* ---- entry */

static __noinline int tls_gone(struct tls_key *key)
{
	struct tls_conn *c;

	if (!key)
		return 0;
	c = bpf_map_lookup_elem(&tls_conns, key);
	if (!c)
		return 0;
	if (!(c->flags & TLS_CONN_FOREIGN))
		tls_say_end(c);
	bpf_map_delete_elem(&tls_wanted, &c->id);
	bpf_map_delete_elem(&tls_conns, key);
	return 0;
}

/* Another thread, told by the peer's answer to a write, may close before the write has returned. */
static __noinline int tls_close_go(struct tls_key *key)
{
	struct tls_conn *c = key ? bpf_map_lookup_elem(&tls_conns, key) : NULL;

	if (!c)
		return 0;
	if ((__s32)c->writing <= 0)
		return tls_gone(key);
	c->flags |= TLS_CONN_CLOSED;
	return 0;
}

/* Not global: 6.1 takes no key out of memory that such a function was given. */
static __noinline int tls_written_go(struct tls_key *key)
{
	struct tls_conn *c = key ? bpf_map_lookup_elem(&tls_conns, key) : NULL;

	if (!c)
		return 0;
	__sync_fetch_and_add(&c->writing, -1);
	return (c->flags & TLS_CONN_CLOSED) && (__s32)c->writing <= 0 ? tls_gone(key) : 0;
}

/* Go: Conn.conn is an interface; its data is a *net.TCPConn, whose first word is a *netFD, which has the descriptor behind its lock. */
static __always_inline __s32 tls_go_fd(__u64 conn)
{
	__u64 tcp = 0, netfd = 0;
	__s32 fd = -1;

	if (bpf_probe_read_user(&tcp, 8, (void *)(conn + 8)) || bpf_probe_read_user(&netfd, 8, (void *)tcp) ||
	    bpf_probe_read_user(&fd, 4, (void *)(netfd + 16)))
		return -1;
	return fd;
}

static __always_inline void tls_enter_go(struct pt_regs *regs, const struct ht_tls_func *d, struct tls_open *o)
{
	struct tls_go g = { .g = arch_goroutine(regs, d->abi), .tgid = o->key.tgid, .func = o->func };
	struct tls_conn *c = tls_conn_of(&o->key);

	if (c && !c->sock && c->fd < 0)
		c->fd = tls_go_fd(o->key.obj);
	if (c && d->op == HT_TLS_WRITE)
		__sync_fetch_and_add(&c->writing, 1);
	if (!g.g)
		g.g = bpf_get_current_pid_tgid();	/* no register says it: the thread, while it lasts */
	o->by = g.g;
	bpf_map_update_elem(&tls_gos, &g, o, BPF_ANY);
}

#define TLS_NESTED_FOR 15000	/* jiffies, which cost less than a clock: a function whose return was missed hides others no longer than this */

/*
 * The outermost function counts: libraries call their own functions, and TLS within TLS gives its records to another object inside
 * it. One that jumps to another at its end has the same stack: then the later one counts. False: it does not count, nor does its return.
 */
static __always_inline bool tls_enter_c(struct tls_task *k, struct tls_open *o)
{
	o->when = bpf_jiffies64();
	if (k->open.func && k->open.sp > o->sp && k->open.key.life == o->key.life && o->when - k->open.when < TLS_NESTED_FOR) {
		k->open.when = o->when;
		return false;
	}
	k->open = *o;
	return true;
}

#include "bpf/tls_fields.bpf.h"

/* HT_TLS_COOKIE_PLAIN: what its return needs is put where that looks, without a copy on the stack. */
static __always_inline bool tls_enter_plain(struct pt_regs *regs, struct tls_task *k, __u64 cookie)
{
	__u32 done = cookie >> HT_TLS_COOKIE_DONE & 7;
	struct tls_open *o = &k->open;
	__u64 sp = arch_sp(regs), now = bpf_jiffies64();
	bool nested = o->func && o->sp > sp && o->key.life == k->judged.life && now - o->when < TLS_NESTED_FOR;

	o->when = now;
	if (nested)
		return false;
	o->key.obj = arch_func_arg(regs, HT_TLS_ABI_C, 1);
	o->key.tgid = k->judged.tgid;
	o->key.life = k->judged.life;
	o->sp = sp;
	o->buf = arch_func_arg(regs, HT_TLS_ABI_C, 2);
	o->len = arch_func_arg(regs, HT_TLS_ABI_C, 3);
	o->done = done ? arch_func_arg(regs, HT_TLS_ABI_C, done) : 0;
	o->by = k->judged.tid;
	o->func = cookie & HT_TLS_COOKIE_FUNC;
	return true;
}

/* True: the function's return is of interest. here: what has none is done with at once. */
static __always_inline bool tls_entered(struct pt_regs *regs, __u64 cookie, bool here)
{
	__u32 func = cookie & HT_TLS_COOKIE_FUNC;
	const struct ht_tls_func *d = bpf_map_lookup_elem(&tls_funcs, &func);
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_open *o;
	struct tls_task *k;
	struct tls_conn *c;
	__u64 obj;

	if (!d || (d->flags & HT_TLS_F_PEEK))
		return false;
	k = tls_in_scope(task);
	if (!k)
		return false;
	if (cookie & HT_TLS_COOKIE_PLAIN)
		return tls_enter_plain(regs, k, cookie);
	o = &k->call;
	__builtin_memset(o, 0, sizeof(*o));
	o->func = func;
	o->sp = arch_sp(regs);
	o->by = task_read(task)->pid;
	obj = arch_func_arg(regs, d->abi, d->obj);
	if ((d->flags & HT_TLS_F_OBJ_REF) && bpf_probe_read_user(&obj, 8, (void *)obj))
		return false;
	if (d->flags & HT_TLS_F_SESSION)
		obj |= 1;	/* no pointer */
	tls_key_fill(&o->key, obj, task_read(task));
	if (d->flags & HT_TLS_F_OBJ_REF)
		tls_whole(&o->key, d->op == HT_TLS_READ ? HT_TLS_RECEIVED : HT_TLS_SENT);
	if (d->op == HT_TLS_FREE) {
		if (d->abi == HT_TLS_ABI_C)
			tls_gone(&o->key);
		else
			tls_close_go(&o->key);
		return false;
	}
	if (d->op == HT_TLS_SET_FD) {
		c = tls_conn_of(&o->key);
		if (c)
			c->fd = (__s32)arch_func_arg(regs, d->abi, d->buf);
		return false;
	}
	if (d->op == HT_TLS_HANDSHAKE) {
		c = tls_conn_of(&o->key);
		if (c && !c->off[0] && !c->off[1])
			c->flags |= TLS_CONN_FRESH;
	}
	if (d->op == HT_TLS_READ || d->op == HT_TLS_WRITE || d->op >= HT_TLS_H2_REQUEST)
		o->buf = arch_func_arg(regs, d->abi, d->buf);
	o->len = arch_func_arg(regs, d->abi, d->len);
	if (d->done)
		o->done = arch_func_arg(regs, d->abi, d->done);
	if (d->op >= HT_TLS_H2_REQUEST) {
		tls_fields_enter(regs, d, o);
		return true;
	}
	if (here && (cookie & HT_TLS_COOKIE_NO_RETURN)) {
		tls_done(d, k, o, o->len, task);
		return false;
	}
	if (d->abi == HT_TLS_ABI_C)
		return tls_enter_c(k, o);
	tls_enter_go(regs, d, o);
	return true;
}

SEC("uprobe")
int ht_tls_entry(struct pt_regs *regs)
{
	tls_entered(regs, bpf_get_attach_cookie(regs), true);
	return 0;
}

/* ---- return */

/* What the entry of the function that returns here left, which is taken away: k->call. Where there is no memory for k, its bytes are lost. */
static __always_inline struct tls_task *tls_opened_go(struct pt_regs *regs, const struct ht_tls_func *d, struct tls_task *k, __u32 func, struct task_struct *task)
{
	struct tls_go g = { .g = arch_goroutine(regs, d->abi), .tgid = task_read(task)->tgid, .func = func };
	struct tls_open *open;

	if (!g.g)
		g.g = bpf_get_current_pid_tgid();
	open = bpf_map_lookup_elem(&tls_gos, &g);
	if (!open)
		return NULL;
	if (!k)		/* goroutines change threads */
		k = bpf_task_storage_get(&tls_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (k)
		k->call = *open;
	else
		tls_lose(bpf_map_lookup_elem(&tls_conns, &open->key), d->op == HT_TLS_READ ? HT_TLS_RECEIVED : HT_TLS_SENT, tls_result(regs, d, open));
	bpf_map_delete_elem(&tls_gos, &g);
	return k;
}

static __always_inline bool tls_opened_c(struct pt_regs *regs, struct tls_task *k, __u32 func)
{
	if (k->open.func != func || arch_sp(regs) < k->open.sp || arch_sp(regs) - k->open.sp > TLS_NEST_MAX)
		return false;
	k->call = k->open;
	k->open.func = 0;
	return true;
}

static __always_inline void tls_left(struct pt_regs *regs, __u64 cookie)
{
	__u32 func = cookie & HT_TLS_COOKIE_FUNC;
	const struct ht_tls_func *d = bpf_map_lookup_elem(&tls_funcs, &func);
	struct task_struct *task;
	struct tls_task *k;
	struct tls_open *o;

	if (!d || (d->flags & HT_TLS_F_PEEK))
		return;
	task = bpf_get_current_task_btf();
	k = bpf_task_storage_get(&tls_tasks, task, 0, 0);
	if (d->abi == HT_TLS_ABI_C) {
		if (!k)
			return;
		if (d->op >= HT_TLS_H2_REQUEST) {
			tls_fields_return(regs, k, func);
			return;
		}
		if (!tls_opened_c(regs, k, func))
			return;
	} else {
		k = tls_opened_go(regs, d, k, func, task);
		if (!k)
			return;
	}
	o = &k->call;
	tls_done(d, k, o, cookie & HT_TLS_COOKIE_NO_RETURN ? o->len : tls_result(regs, d, o), task);
	if (d->abi != HT_TLS_ABI_C && d->op == HT_TLS_WRITE)
		tls_written_go(&o->key);
}

/* Room comes in sizes that the verifier knows; the compiler is not to make one call of all. */
#define TLS_ROOM(n)                                                                                    \
	if (want <= (n)) {                                                                             \
		*ret_room = (n);                                                                       \
		e = bpf_ringbuf_reserve(ring, sizeof(*e) + (n), 0);                                    \
		barrier_var(e);                                                                        \
	} else

static __always_inline struct ht_tls *tls_reserve_small(void *ring, __u32 want, __u32 *ret_room)
{
	struct ht_tls *e = NULL;

	TLS_ROOM(128)
	TLS_ROOM(256)
	TLS_ROOM(512)
	TLS_ROOM(1024)
		return NULL;
	return e;
}

/*
 * An entry with all of the n bytes, in one piece. The ring's memory was the reader's last: its number is taken before, because no locked instruction
 * goes on before what was written has come, and all of its first lines are written to at once.
 */
static __always_inline void tls_send_small(struct tls_conn *c, const struct tls_task *k, __u32 dir, __u32 gen, __u32 n, struct ht_counters *count, void *ring)
{
	__u64 off = __sync_fetch_and_add(&c->off[dir & 1], n), lost = c->lost[dir ^ 1];
	struct tls_head h = { .start = k->judged.start, .tid = k->judged.tid, .tgid = k->judged.tgid };
	__u32 room = 0, len = n;
	struct ht_tls *e;

	c->run[dir ^ 1] = c->off[dir ^ 1];
	h.seq = __sync_fetch_and_add(&c->seq, 1);
	e = tls_reserve_small(ring, n, &room);
	if (!e) {
		c->lost[dir & 1] = off + n;
		number_lost(count, HT_CAUSE_RING_FULL);
		return;
	}
	((volatile __u8 *)e)[64] = ((volatile __u8 *)e)[128] = ((volatile __u8 *)e)[192] = 0;
	h.time = bpf_ktime_get_boot_ns();
	tls_head_put(e, c, HT_TLS_DATA, sizeof(*e) + room, &h);
	e->h.gen = gen;
	e->offset = off;
	e->full = n;
	e->captured = n;
	e->dir = dir;
	e->lost = lost;
	barrier_var(len);	/* what is compared must be what is used: 6.1 */
	if (len > room) {
		bpf_ringbuf_discard(e, 0);
		return;
	}
	if (bpf_probe_read_user(e + 1, len, (void *)k->open.buf)) {
		e->captured = 0;
		e->fault = 1;
	}
	bpf_ringbuf_submit(e, wake_flags(ring, count, HT_CLASS_TLS, sizeof(*e) + room));
}

/*
 * The short way for what most calls are: a head, or an answer with it, on a connection of HTTP/1, of a program whose identity the reader has, over a ring that
 * is not pressed; or what failed, or is foreign. What it does is what tls_left() would, which goes on from the same state where this says 0. Global, to be verified
 * by itself.
 */
__noinline int tls_left_small(struct pt_regs *regs, __u64 cookie)
{
	__u32 ring_key = ring_of(HT_CLASS_TLS, 0), dir = cookie & HT_TLS_COOKIE_WRITE ? HT_TLS_SENT : HT_TLS_RECEIVED, gen;
	struct task_struct *task = bpf_get_current_task_btf();
	struct ht_counters *count;
	struct tls_open *o;
	struct tls_task *k;
	struct tls_conn *c;
	void *ring;
	__u64 n;

	if (!(cookie & HT_TLS_COOKIE_PLAIN))
		return 0;
	k = bpf_task_storage_get(&tls_tasks, task, 0, 0);
	if (!k)
		return 1;
	o = &k->open;
	if (o->func != (cookie & HT_TLS_COOKIE_FUNC) || arch_sp(regs) < o->sp || arch_sp(regs) - o->sp > TLS_NEST_MAX)
		return 1;
	n = tls_result_plain(regs, cookie, o);
	if (!n) {
		o->func = 0;
		return 1;
	}
	if (n >= TLS_ASK_FROM || !o->buf)
		return 0;
	c = bpf_map_lookup_elem(&tls_conns, &o->key);
	if (!c || (c->flags & (TLS_CONN_HTTP1 | TLS_CONN_FOREIGN)) != TLS_CONN_HTTP1)
		return 0;
	if (!c->sock && (c->fd >= 0 || (dir == HT_TLS_RECEIVED && k->recv_buf)))
		return 0;
	count = counters_of(HT_CLASS_TLS, bpf_get_smp_processor_id());
	ring = bpf_map_lookup_elem(&rings, &ring_key);
	if (!count || !ring || ring_pressed(count, HT_CLASS_TLS))
		return 0;
	if ((c->off[dir] != c->run[dir] || !(c->seq & TLS_ASK_ALWAYS)) && bpf_map_lookup_elem(&tls_wanted, &c->id))
		return 0;
	gen = c->flags & (TLS_CONN_ANSWERS << dir) ? tls_identity_known(k) : tls_identity_same(k, task);
	if (!gen)
		return 0;
	if (!c->sock && dir == HT_TLS_SENT)
		tls_wrote_add(k, &o->key, n);
	o->func = 0;
	tls_send_small(c, k, dir, gen, n, count, ring);
	return 1;
}

SEC("uprobe")
int ht_tls_return(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs);

	if (!tls_left_small(regs, cookie))
		tls_left(regs, cookie);
	return 0;
}

/* Global, so that the verifier looks at each half once and not at all ways through both. */
__noinline int tls_session_entered(struct pt_regs *regs, __u64 cookie)
{
	return tls_entered(regs, cookie, false);
}

__noinline int tls_session_left(struct pt_regs *regs, __u64 cookie)
{
	tls_left(regs, cookie);
	return 0;
}

/* Which of the two it is shows by where it is, not by bpf_session_is_return(), whose arguments differ between kernels; nearly every return by where it is in its page. */
static __always_inline bool tls_session_begins(struct pt_regs *regs, __u64 cookie)
{
	return !((arch_ip(regs) ^ cookie >> HT_TLS_COOKIE_PLACE) & 0xfff) && bpf_get_func_ip(regs) == arch_ip(regs);
}

static __always_inline void tls_session_ends(struct pt_regs *regs, __u64 cookie)
{
	if (!tls_left_small(regs, cookie))
		tls_session_left(regs, cookie);
}

/* Both in one, from 6.13 on: the answer of the entry says whether the function's return is left alone (1), which then costs nothing. */
SEC("uprobe")
int ht_tls_session(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs);
	struct tls_task *k;
	bool skip;

	if (!tls_session_begins(regs, cookie)) {
		tls_session_ends(regs, cookie);
		return 0;
	}
	if (cookie & HT_TLS_COOKIE_RETURN)
		return !tls_in_scope(bpf_get_current_task_btf());
	if (cookie & HT_TLS_COOKIE_RET_INSN) {
		tls_session_ends(regs, cookie);
		return 1;
	}
	if ((cookie & HT_TLS_COOKIE_PLAIN) && (cookie & HT_TLS_COOKIE_PAIR)) {
		k = tls_in_scope_still(bpf_get_current_task_btf());
		if (k)
			return !tls_enter_plain(regs, k, cookie);
	}
	skip = !tls_session_entered(regs, cookie) || !(cookie & HT_TLS_COOKIE_PAIR);
	if (cookie & HT_TLS_COOKIE_NO_RETURN)
		tls_session_ends(regs, cookie);
	return skip;
}

#endif
