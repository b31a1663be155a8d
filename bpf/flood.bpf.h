/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * flood.bpf.h - who fills a ring, and what is cut so that the others find room.
 *
 * Nothing is counted while a ring is less than a quarter full, nothing is cut while it is less than half full. Beyond
 * that a bound holds for what a principal has in the ring, which is its part of the last half ring's bytes, times all that waits. At half
 * full the bound is that half, and it falls with the third power of what is free. So one that floods alone gets half, two get a quarter each,
 * forty together leave a sixth of the ring to those who write little, two hundred and fifty a tenth; and nothing has to be found out
 * first. (Token buckets were tried. A fixed rate cuts who is merely busy. One found from what the reader frees, or a bound found so, comes too
 * late for a flood of a second, and cuts who is quiet while the reader gets no CPU and fills nobody's bucket.)
 *
 * A principal over its bound loses the calls that it makes most of; a call that is under a quarter of what it holds goes on until a
 * second, higher bound, so that a flood of one call does not hide another. The self-test's calls are never cut:
 * they are few, and what they are to tell is whether calls arrive. What is to be cut is merged where it can be: merge.bpf.h.
 */
#ifndef HOSTTRAIL_FLOOD_BPF_H
#define HOSTTRAIL_FLOOD_BPF_H

struct pressed {		/* a ring, as it stands */
	struct ht_settled *settled;
	__u64 pos;		/* bytes ever written */
	__u64 used;
	__u32 shift;		/* log2 of half its size */
	__u32 pad;
};

static __always_inline struct ht_principals *pressed_ring(__u32 class, __u32 cpu, struct pressed *ret_p)
{
	__u32 key = ring_of(class, cpu);
	void *ring = bpf_map_lookup_elem(&rings, &key);

	if (!ring)
		return NULL;
	ret_p->pos = bpf_ringbuf_query(ring, BPF_RB_PROD_POS);
	ret_p->used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	ret_p->shift = (ht_ring_shift[class & (HT_CLASS__MAX - 1)] - 1) & 31;
	key = (class & (HT_CLASS__MAX - 1)) * ht_ngroups + (cpu >> (ht_group_shift & 31));
	ret_p->settled = bpf_map_lookup_elem(&settled, &key);
	return ret_p->settled ? bpf_map_lookup_elem(&principals, &key) : NULL;
}

static __always_inline __u64 principal_tag(__u64 cgroup, __u32 uid, __u32 call)
{
	__u64 h = (cgroup ^ ht_flood_seed) * 0x9e3779b97f4a7c15ull;

	h ^= h >> 32;
	h = (h ^ ((__u64)uid << 16 | call)) * 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h | 1;
}

/* The slot becomes the principal's, if nothing in it is still needed: neither of what its owner wrote nor of its losses. */
static __always_inline bool principal_move(struct ht_principal *p, __u64 done, __u64 tag, __u64 cgroup, __u32 uid, __u32 call,
					   __u64 window)
{
	__u64 old = *(volatile __u64 *)&p->tag;

	if (old == HT_PRINCIPAL_TAKEN || (old && p->window + 1 >= window) || p->cut != done)
		return false;
	if (__sync_val_compare_and_swap(&p->tag, old, HT_PRINCIPAL_TAKEN) != old)
		return false;
	p->cgroup_id = cgroup;
	p->uid = uid;
	p->call = call;
	p->window = window;
	p->bytes = p->before = 0;
	__sync_lock_test_and_set(&p->tag, tag);
	return true;
}

/* from: 0 for the principal itself, HT_PRINCIPALS for its call. Not found out from the call here: after a branch the verifier
 * would walk all of this twice. */
static __always_inline struct ht_principal *principal_of(struct ht_principals *all, const struct pressed *r, __u64 cgroup,
							 __u32 uid, __u32 call, __u32 from)
{
	__u64 tag = principal_tag(cgroup, uid, call);
	__u32 set = ((tag >> 32) & (HT_PRINCIPALS - HT_PRINCIPAL_WAYS)) + from;

	for (int i = 0; i < HT_PRINCIPAL_WAYS; i++) {
		struct ht_principal *p = &all->slot[(set + i) & (HT_FLOOD_SLOTS - 1)];

		if (*(volatile __u64 *)&p->tag == tag)
			return p;
	}
	for (int i = 0; i < HT_PRINCIPAL_WAYS; i++) {
		__u32 at = (set + i) & (HT_FLOOD_SLOTS - 1);
		struct ht_principal *p = &all->slot[at];

		if (principal_move(p, *(volatile __u64 *)&r->settled->slot[at], tag, cgroup, uid, call, r->pos >> r->shift))
			return p;
	}
	return &all->others;
}

/* Counters of several CPUs meet here without a lock: what a race costs is a few bytes of somebody's part. */
static __always_inline void principal_charge(struct ht_principal *p, __u64 window, __u32 len)
{
	__u64 last = p->window;

	if (last < window) {
		p->before = last + 1 == window ? p->bytes : 0;
		p->bytes = 0;
		p->window = window;
	}
	__sync_fetch_and_add(&p->bytes, len);
}

/* Bytes of what is in the ring: the principal's part of the last half ring, times all that waits. */
static __always_inline __u64 principal_holds(const struct ht_principal *p, const struct pressed *r)
{
	__u64 window = r->pos >> r->shift, into = r->pos & ((1ull << r->shift) - 1);
	__u64 rest = (1ull << r->shift) - into, recent = 0;

	if (p->window == window)
		recent = p->bytes + ((p->before * rest) >> r->shift);
	else if (p->window + 1 == window)
		recent = (p->bytes * rest) >> r->shift;
	return (recent * r->used) >> r->shift;
}

/* ---- bounds, in bytes, by what is free of a ring of 2 << shift ------------------------------ */

/* Half a ring's at half full, then less with the square of what is free. */
static __always_inline __u64 bound_squared(__u64 room, __u32 shift)
{
	return (room * room) >> (shift & 31);
}

static __always_inline __u64 bound_cubed(__u64 room, __u32 shift)
{
	return (bound_squared(room, shift) * room) >> (shift & 31);
}

/* ---- charging and cutting -------------------------------------------------------------- */

/* An entry of len bytes went into a ring that is pressed: it is its principal's, and its call's. */
__noinline int flood_charge(__u32 class, __u32 cpu, __u32 call, __u32 len)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pressed r = {};
	struct ht_principals *all = pressed_ring(class, cpu, &r);
	__u64 window = r.pos >> r.shift, cgroup;
	__u32 uid;

	if (!all)
		return 0;
	cgroup = cgroup_id_shown(task);
	uid = task->cred->uid.val;
	principal_charge(principal_of(all, &r, cgroup, uid, 0, 0), window, len);
	principal_charge(principal_of(all, &r, cgroup, uid, call, HT_PRINCIPALS), window, len);
	return 0;
}

/* 0, or 1 + the index of the principal's slot that the call is to be counted in: the call's, or its own where the call has none. */
__noinline int flood_cut(__u32 class, __u32 cpu, __u32 call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pressed r = {};
	struct ht_principals *all = pressed_ring(class, cpu, &r);
	struct ht_counters *n = counters_of(class, cpu);
	struct ht_principal *whole, *part;
	__u64 size = 2ull << r.shift, room, holds;

	if (!all || !n)
		return 0;
	n->used = r.used;
	if (r.used <= size / 2)
		return 0;
	room = r.used < size ? size - r.used : 0;
	whole = principal_of(all, &r, cgroup_id_shown(task), task->cred->uid.val, 0, 0);
	holds = principal_holds(whole, &r);
	if (holds <= (whole == &all->others ? room : bound_cubed(room, r.shift)))	/* many share that one */
		return 0;
	part = principal_of(all, &r, cgroup_id_shown(task), task->cred->uid.val, call, HT_PRINCIPALS);
	if (part == &all->others)
		part = whole;
	else if (holds <= 3 * bound_squared(room, r.shift) && principal_holds(part, &r) * 4 <= holds)
		return 0;
	return part - all->slot + 1;	/* `others` lies behind the slots */
}

/* What flood_cut() said of is cut, and counted to its principal. (A task that is preempted between the two while the whole ring
 * goes round may count to the slot's next owner: the sum stays right.) */
__noinline int flood_lost(__u32 class, __u32 cpu, __u32 cut)
{
	__u32 key = (class & (HT_CLASS__MAX - 1)) * ht_ngroups + (cpu >> (ht_group_shift & 31));
	struct ht_principals *all = bpf_map_lookup_elem(&principals, &key);
	struct ht_counters *n = counters_of(class, cpu);
	struct ht_principal *p;
	__u32 at = cut - 1;

	if (!all || !n)
		return 0;
	p = &all->others;
	if (at < HT_FLOOD_SLOTS) {
		barrier_var(at);	/* the mask is for the verifier */
		p = &all->slot[at & (HT_FLOOD_SLOTS - 1)];
	}
	__sync_fetch_and_add(&p->cut, 1);
	number_lost(n, HT_CAUSE_FLOOD);
	return 0;
}

#endif
