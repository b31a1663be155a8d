/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * merge.bpf.h - calls that flood control would cut, merged where the same thread makes the same call again.
 *
 * What is to be cut is built all the same and looked for by content: every byte of the event but its time and its numbers, so thread,
 * identity, CPU, arguments, result and all fields. Where a slot holds the same bytes the call is counted there; else it takes a
 * free slot; where there is none it is cut. It takes no number meanwhile. ht_flush, which the agent runs, sends what has waited
 * long enough: one entry with one number, and HT_FIELD_REPEAT where it stands for several.
 *
 * A slot belongs to whoever put HT_MERGE_TAKEN in its tag, for a few instructions. Nobody waits for it: who counts takes another
 * slot, ht_flush comes again. A thread makes one call at a time, so that no two ever count in one slot.
 */
#ifndef HOSTTRAIL_MERGE_BPF_H
#define HOSTTRAIL_MERGE_BPF_H

#define WORDS (HT_MERGE_MAX / 8)

static __always_inline struct merged *merge_slot(__u32 at)
{
	__u32 key = at & (HT_MERGE_SLOTS - 1);

	return bpf_map_lookup_elem(&merged, &key);
}

static __always_inline bool merge_take(struct merged *m, __u64 tag)
{
	return *(volatile __u64 *)&m->tag == tag && __sync_val_compare_and_swap(&m->tag, tag, HT_MERGE_TAKEN) == tag;
}

static __always_inline void merge_give(struct merged *m, __u64 tag)
{
	__sync_lock_test_and_set(&m->tag, tag);
}

/* Seeded, so that nobody can choose whose set he fills. The loops are functions of their own: each is verified once. */
__noinline int merge_hash(struct scratch *s)
{
	__u64 h = ht_flood_seed;
	__u32 words;

	if (!s)
		return 0;
	words = s->pos / 8;
	for (__u32 i = 0; i < WORDS && i < words; i++) {
		h = (h ^ ((__u64 *)s->b)[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	s->content = h | 1ull << 63;
	return 0;
}

/* Is it the very same in the slot, which is ours? */
__noinline int merge_same(struct scratch *s, __u32 at)
{
	struct merged *m = merge_slot(at);
	__u32 words;

	if (!s || !m || m->len != s->pos)
		return 0;
	words = s->pos / 8;
	for (__u32 i = 0; i < WORDS && i < words; i++)
		if (((__u64 *)s->b)[i] != ((__u64 *)m->b)[i])
			return 0;
	return 1;
}

static __always_inline bool merge_count(struct scratch *s, __u32 at)
{
	struct merged *m = merge_slot(at);
	bool same;

	if (!m || !merge_take(m, s->content))
		return false;
	same = merge_same(s, at);
	if (same) {
		m->count++;
		m->last = s->c.h.time;
	}
	merge_give(m, s->content);
	return same;
}

static __always_inline bool merge_begin(struct scratch *s, __u32 at)
{
	struct merged *m = merge_slot(at);
	__u32 len = s->pos;

	if (!m || len > HT_MERGE_MAX || !merge_take(m, 0))
		return false;
	if (bpf_probe_read_kernel(m->b, len, s->b)) {
		merge_give(m, 0);
		return false;
	}
	m->count = 1;
	m->first = m->last = s->c.h.time;
	m->calls = s->c.task_calls;
	m->len = len;
	merge_give(m, s->content);
	return true;
}

/* 1: what lies in s->b, a call that is to be cut, is in a slot now. */
__noinline int merge_put(struct scratch *s)
{
	struct ht_call *e;
	__u32 set;

	if (!s || s->pos > HT_MERGE_MAX || s->pos & 7 || s->evflags & HT_EV_F_IDENT_INLINE)
		return 0;
	e = (struct ht_call *)s->b;
	e->h.flags = s->evflags;
	e->h.len = s->pos;
	e->h.seq = e->h.time = e->task_calls = 0;
	merge_hash(s);
	set = (s->content >> 32) & (HT_MERGE_SLOTS - HT_MERGE_WAYS);
	for (__u32 i = 0; i < HT_MERGE_WAYS; i++)
		if (merge_count(s, set + i))
			return 1;
	for (__u32 i = 0; i < HT_MERGE_WAYS; i++)
		if (merge_begin(s, set + i))
			return 1;
	return 0;
}

/* The event that flood_cut() said is to be cut: merged, or lost. */
__noinline int merge_or_cut(struct scratch *s)
{
	struct ht_counters *n;

	if (!s)
		return 0;
	n = counters_of(s->c.h.class, s->c.h.cpu);
	if (!n)
		return 0;
	if (merge_put(s)) {
		__sync_fetch_and_add(&n->merged, 1);
		return 0;
	}
	flood_lost(s->c.h.class, s->c.h.cpu, s->cut);
	return 0;
}

/* ---- sending ------------------------------------------------------------------------- */

/* The entry as it goes out: with its number and times, and how often it was. Its length. */
static __always_inline __u32 merge_finish(struct merged *m, __u64 seq)
{
	struct ht_call *e = (struct ht_call *)m->b;
	__u32 len = m->len;
	struct ht_field *f;
	struct ht_repeat *r;

	if (len > HT_MERGE_MAX)
		len = HT_MERGE_MAX;
	e->h.seq = seq;
	e->h.time = m->last;
	e->task_calls = m->calls;
	if (m->count > 1) {
		f = (struct ht_field *)(m->b + len);
		*f = (struct ht_field){ .kind = HT_FIELD_REPEAT, .arg = HT_ARG_TASK, .len = sizeof(*r) };
		r = (struct ht_repeat *)(f + 1);
		r->count = m->count;
		r->first = m->first;
		len += sizeof(*f) + sizeof(*r);
	}
	e->h.len = len;
	return len;
}

/* It did not go: one of its calls is lost, by the number that was taken; the others wait on. */
static __always_inline void merge_failed(struct merged *m, struct ht_counters *n)
{
	struct ht_call *e = (struct ht_call *)m->b;

	count_lost(n, HT_CAUSE_RING_FULL);
	__sync_fetch_and_add(&n->merged_sent, 1);
	e->h.seq = e->h.time = e->task_calls = 0;
	e->h.len = m->len;
	m->count--;
}

/* A slot that is ours. True: it is free now. Merged entries fill no more than half of the ring, or they would bring others over their bounds;
 * but at the end. */
static __always_inline bool merge_out(struct merged *m, bool all)
{
	struct ht_call *e = (struct ht_call *)m->b;
	__u32 class = e->h.class & (HT_CLASS__MAX - 1), cpu = e->h.cpu, key = ring_of(class, cpu);
	struct ht_counters *n = counters_of(class, cpu);
	void *ring = bpf_map_lookup_elem(&rings, &key);
	__u64 size = 1ull << (ht_ring_shift[class] & 31), count = m->count;
	__u32 len;

	if (!n || !ring)
		return false;
	if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) + sizeof(m->b) + 8 > (all ? size : size / 2))
		return false;
	len = merge_finish(m, __sync_fetch_and_add(&n->seq, 1));
	if (len > sizeof(m->b))
		len = sizeof(m->b);
	if (bpf_ringbuf_output(ring, m->b, len, BPF_RB_FORCE_WAKEUP)) {
		merge_failed(m, n);
		return !m->count;
	}
	__sync_fetch_and_add(&n->submitted, 1);
	__sync_fetch_and_add(&n->merged_sent, count);
	return true;
}

__noinline int merge_send(__u32 at, __u64 before, __u32 all)
{
	struct merged *m = merge_slot(at);
	__u64 tag;

	if (!m)
		return 0;
	tag = *(volatile __u64 *)&m->tag;
	if (tag <= HT_MERGE_TAKEN || m->first > before || !merge_take(m, tag))
		return 0;
	merge_give(m, merge_out(m, all) ? 0 : tag);
	return 0;
}

/* Run by the agent: sends what began to wait before that time. */
SEC("syscall")
int ht_flush(struct ht_flush *in)
{
	__u64 before = in->before;
	__u32 all = in->all;

	for (__u32 i = 0; i < HT_MERGE_SLOTS; i++)
		merge_send(i, before, all);
	return 0;
}

#endif
