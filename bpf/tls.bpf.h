/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * tls.bpf.h - what TLS libraries send and receive, as plaintext: one program at the entry of their functions, one at the return.
 *
 * Which function it is says the probe's cookie, an index into tls_funcs (the table: agent/tls/stacks.h). Data counts when the
 * function has succeeded: a retry is none.
 *
 * These programs can be preempted and change nothing per CPU; scratches for identities are a pool of their own.
 */
#ifndef HOSTTRAIL_TLS_BPF_H
#define HOSTTRAIL_TLS_BPF_H

#define TLS_NEST_MAX 128	/* bytes of stack between a function's entry and its return */

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
