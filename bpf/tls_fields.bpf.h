/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * tls_fields.bpf.h - the header fields that a program gives its HTTP/2 library, before the library refers to a table for them.
 *
 * Only who joined a connection late needs them. So a session whose first request is on stream 1 is left alone from then on, and so is
 * one of which the reader says that it wants nothing (tls_wanted, by the session's number). nghttp2 is given an array of names and values, which
 * are not terminated. Go's encoder is given one field after the other, and then, by the same goroutine, the framer what that became and the stream's
 * number; the session is the encoder. Both are seen at the jbe with which a function asks whether its stack must grow: if it will jump, the
 * function begins once more.
 */
#ifndef HOSTTRAIL_TLS_FIELDS_BPF_H
#define HOSTTRAIL_TLS_FIELDS_BPF_H

struct tls_nv {			/* nghttp2_nv */
	__u64 name, value, nname, nvalue, flags;
};

#define TLS_LIST_ROOM (HT_TLS_FIELDS_BYTES + sizeof(struct ht_tls_field) + HT_TLS_NAME_MAX + HT_TLS_VALUE_MAX)

struct tls_list {
	struct scratch *s;
	__u64 nv;
	__u64 by;
	__u32 n, at;		/* where in s->b the next field goes; 0: the list cannot be told */
};

/* Cookies and passwords for proxies: nobody ever asks for their values. By length and ends of the name. */
static __always_inline bool tls_field_hidden(__u32 n, __u8 first, __u8 last)
{
	first |= 0x20;
	last |= 0x20;
	return (n == 6 && first == 'c' && last == 'e') || (n == 10 && first == 's' && last == 'e') || (n == 19 && first == 'p' && last == 'n');
}

/* Not 0, and l->at 0: it cannot be told. */
static __noinline int tls_field_put(struct tls_list *l, struct tls_nv *nv)
{
	struct ht_tls_field f = {};
	__u32 at, name, value;
	__u8 ends[2] = {};

	if (!l || !nv || !l->s)
		return 1;
	at = l->at;
	l->at = 0;
	barrier_var(at);
	if (at > HT_TLS_FIELDS_BYTES || !nv->nname || nv->nname >= HT_TLS_NAME_MAX || nv->nvalue >> 32)
		return 1;
	name = nv->nname & (HT_TLS_NAME_MAX - 1);
	barrier_var(name);
	name &= HT_TLS_NAME_MAX - 1;
	if (bpf_probe_read_user(l->s->b + at + sizeof(f), name, (void *)nv->name) || bpf_probe_read_user(&ends[0], 1, (void *)nv->name) ||
	    bpf_probe_read_user(&ends[1], 1, (void *)(nv->name + nv->nname - 1)))
		return 1;
	f.name = name;
	f.value = nv->nvalue;
	f.no_value = nv->nvalue >= HT_TLS_VALUE_MAX || tls_field_hidden(name, ends[0], ends[1]);
	*(struct ht_tls_field *)(l->s->b + at) = f;
	at += sizeof(f) + name;
	value = f.no_value ? 0 : nv->nvalue & (HT_TLS_VALUE_MAX - 1);
	barrier_var(value);
	value &= HT_TLS_VALUE_MAX - 1;
	if (value && bpf_probe_read_user(l->s->b + at, value, (void *)nv->value))
		return 1;
	l->at = (at + value + 7) & ~7u;
	return 0;
}

static long tls_field_step(__u32 i, void *ctx)
{
	struct tls_list *l = ctx;
	struct tls_nv nv = {};

	if (bpf_probe_read_user(&nv, sizeof(nv), (void *)(l->nv + (__u64)i * sizeof(nv)))) {
		l->at = 0;
		return 1;
	}
	return tls_field_put(l, &nv);
}

/* The list into the ring. */
static __noinline int tls_list_send(struct tls_list *l, struct tls_conn *c, __u64 stream)
{
	struct ht_counters *n = counters_of(HT_CLASS_TLS, bpf_get_smp_processor_id());
	void *ring = tls_ring();
	struct ht_tls *e;
	__u64 at, flags;

	if (!l || !c || !l->s || !n || !ring || !l->at || l->at > HT_TLS_FIELDS_BYTES)
		return 0;
	e = (struct ht_tls *)l->s->b;
	tls_head(e, c, HT_TLS_FIELDS, l->at);
	e->h.gen = 0;
	e->by = l->by;
	e->offset = stream;
	e->full = l->n;
	e->captured = l->at - sizeof(*e);
	flags = wake_flags(ring, n, HT_CLASS_TLS, l->at);
	at = l->at;
	barrier_var(at);	/* what is compared must be what is used */
	if (at > HT_TLS_FIELDS_BYTES)
		return 0;
	if (bpf_ringbuf_output(ring, e, at, flags))
		number_lost(n, HT_CAUSE_RING_FULL);	/* the session's number is taken */
	return 0;
}

static __noinline int tls_fields_say(struct tls_open *o, __u64 stream)
{
	struct tls_list l = {};
	struct ht_tls_wanted *w;
	struct tls_conn *c;

	if (!o || !o->len || o->len > HT_TLS_FIELDS_MAX)
		return 0;
	c = tls_conn_of(&o->key);
	if (!c || (c->flags & TLS_CONN_FOREIGN))
		return 0;
	w = bpf_map_lookup_elem(&tls_wanted, &c->id);
	/* Its first: nothing was missed. A request's is, even if a session had this address before; an answer may come behind others. */
	if ((stream == 1 && (!c->off[0] || !o->done)) || (w && w->until[0] == ~0ull)) {
		c->flags |= TLS_CONN_FOREIGN;
		return 0;
	}
	c->off[0] = stream;
	l.at = sizeof(struct ht_tls);
	l.by = o->by;
	l.nv = o->buf;
	l.n = o->len;
	l.s = tls_scratch_take();
	if (!l.s)
		return 0;
	bpf_loop(l.n, tls_field_step, &l, 0);
	tls_list_send(&l, c, stream);
	bpf_probe_read_kernel(l.s->b, TLS_LIST_ROOM, NULL);	/* a read that fails fills with zeros */
	scratch_give(l.s);
	return 0;
}

/* ---- Go */

/* One field, or the stream of those before it. */
static __noinline int tls_field_go(struct tls_open *o, __u64 stream)
{
	struct tls_list l = {};
	struct tls_conn *c;
	struct tls_nv nv = {};

	if (!o)
		return 0;
	c = tls_conn_of(&o->key);
	if (!c || (c->flags & TLS_CONN_FOREIGN))
		return 0;
	l.s = tls_scratch_take();
	if (!l.s)
		return 0;
	l.at = sizeof(struct ht_tls);
	l.by = o->by;
	l.n = !stream;
	nv.name = o->buf;
	nv.nname = o->len;
	nv.value = o->done;
	nv.nvalue = o->more;
	if (stream || !tls_field_put(&l, &nv))
		tls_list_send(&l, c, stream);
	bpf_probe_read_kernel(l.s->b, TLS_LIST_ROOM, NULL);
	scratch_give(l.s);
	return 0;
}

/* Before the first stream nothing was missed. The encoder's memory may have been another one's. */
static __always_inline int tls_stream_go(struct tls_open *o, __u64 stream)
{
	struct tls_conn *c = bpf_map_lookup_elem(&tls_conns, &o->key);
	struct ht_tls_wanted *w = c ? bpf_map_lookup_elem(&tls_wanted, &c->id) : NULL;

	if (!c || (c->flags & TLS_CONN_FOREIGN))
		return 0;
	if (stream != 1 && !(w && w->until[0] == ~0ull))
		return tls_field_go(o, stream);
	tls_say_end(c);
	c->flags |= TLS_CONN_FOREIGN;
	return 0;
}

static __noinline int tls_fields_enter_go(struct pt_regs *regs, struct tls_open *o, __u32 op)
{
	struct tls_go g = {};
	struct tls_open *open;

	if (!o || arch_jumps_be(regs))
		return 0;
	g.g = arch_goroutine(regs, HT_TLS_ABI_GO_REGS);
	g.tgid = o->key.tgid;
	if (!g.g)
		return 0;
	o->by = g.g;
	if (op == HT_TLS_H2_FIELD) {
		o->more = arch_func_arg(regs, HT_TLS_ABI_GO_REGS, 5);
		bpf_map_update_elem(&tls_gos, &g, o, BPF_ANY);
		return tls_field_go(o, 0);
	}
	open = bpf_map_lookup_elem(&tls_gos, &g);
	if (!open)
		return 0;
	o->key = open->key;	/* the encoder's, not the framer's */
	bpf_map_delete_elem(&tls_gos, &g);
	return tls_stream_go(o, arch_stack_arg(regs));
}

static __always_inline int tls_fields_enter(struct pt_regs *regs, const struct ht_tls_func *d, struct tls_open *o)
{
	struct tls_task *k;

	if (d->abi == HT_TLS_ABI_GO_REGS)
		return tls_fields_enter_go(regs, o, d->op);
	if ((__s32)o->done > 0)
		return tls_fields_say(o, (__u32)o->done);
	if (d->op != HT_TLS_H2_REQUEST)
		return 0;
	k = bpf_task_storage_get(&tls_tasks, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (k)
		k->fields = *o;
	return 0;
}

/* The caller's fields are still there. */
static __always_inline int tls_fields_return(struct pt_regs *regs, struct tls_task *k, __u32 func)
{
	__s32 stream = arch_func_result(regs, HT_TLS_ABI_C, 0);
	struct tls_open *o = &k->fields;

	if (o->func != func || arch_sp(regs) < o->sp || arch_sp(regs) - o->sp > TLS_NEST_MAX)
		return 0;
	o->func = 0;
	return stream > 0 ? tls_fields_say(o, (__u32)stream) : 0;
}

#endif
