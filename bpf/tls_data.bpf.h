/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * tls_data.bpf.h - plaintext on its way into the ring: as whose, which of it, and what is left out.
 *
 * Bytes are numbered by connection and direction, so what is not sent, for nobody wants it or for the ring is full, leaves a
 * hole of known size.
 */
#ifndef HOSTTRAIL_TLS_DATA_BPF_H
#define HOSTTRAIL_TLS_DATA_BPF_H

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

#endif
