/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * flood.bpf.h - who fills a ring, and what is cut so that the others find room.
 *
 * Nothing is counted while a ring is less than a quarter full, nothing is cut while it is less than half full (CUT_FROM: a class may begin later). Beyond
 * that a bound holds for what somebody has in the ring, which is his part of the last half ring's bytes, times all that waits. At half
 * full the bound is that half, and it falls with the third power of what is free. So one that floods alone gets half, two get a quarter each,
 * forty together leave a sixth of the ring to those who write little, two hundred and fifty a tenth; and nothing has to be found out
 * first. (Token buckets were tried. A fixed rate cuts who is merely busy. One found from what the reader frees, or a bound found so, comes too
 * late for a flood of a second, and cuts who is quiet while the reader gets no CPU and fills nobody's bucket.)
 *
 * The bound holds for a cgroup as a whole, with all that is in it: first for the one directly below the root, then for the one
 * in that, and so on down to the principal, a cgroup and a real uid. Who is within it on any of these levels is not cut. For those in a cgroup that holds more
 * than 24 times the bound, it falls with the third power of how much that is more. So one that floods has as much in whatever cgroup, and
 * three hundred users or cgroups of a container fill a ring as 45 do that have nothing in common, 1,500 as 67; who is quiet beside them is not asked
 * how many they are, and for who is quiet among them the bound gets lower, but never nothing. (Dividing a cgroup's bound like a ring was tried:
 * what the bounds below do then follows each per cent of the ring by tens. So was less than 24: it cuts seventy quiet users of a
 * cgroup when 250 others flood.) Uids have no bound over all cgroups: containers use the same ones.
 *
 * A principal over its bound loses the calls that it makes most of; a call that is under a quarter of what it holds goes on until a
 * second, higher bound, so that a flood of one call does not hide another. (What TLS libraries carry is no call, and is
 * counted as 0.) The self-test's calls are never cut:
 * they are few, and what they are to tell is whether calls arrive. What is to be cut is merged where it can be: merge.bpf.h.
 */
#ifndef HOSTTRAIL_FLOOD_BPF_H
#define HOSTTRAIL_FLOOD_BPF_H

struct pressed {		/* a ring, as it stands */
	__u64 pos;		/* bytes ever written */
	__u64 used;
	__u32 shift;		/* log2 of half its size */
	__u32 table;		/* of its principals */
};

/* Which table of principals a CPU's entries are counted in: there is one a ring. */
static __always_inline __u32 principals_key(__u32 class, __u32 cpu)
{
	__u32 group = class == HT_CLASS_TLS ? 0 : cpu >> (ht_group_shift & 31);

	return (class & (HT_CLASS__MAX - 1)) * ht_ngroups + group;
}

static __always_inline struct ht_principals *pressed_ring(__u32 class, __u32 cpu, struct pressed *ret_p)
{
	__u32 key = ring_of(class, cpu);
	void *ring = bpf_map_lookup_elem(&rings, &key);

	if (!ring)
		return NULL;
	ret_p->pos = bpf_ringbuf_query(ring, BPF_RB_PROD_POS);
	ret_p->used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	ret_p->shift = (ht_ring_shift[class & (HT_CLASS__MAX - 1)] - 1) & 31;
	key = principals_key(class, cpu);
	ret_p->table = key;
	return bpf_map_lookup_elem(&principals, &key);
}

/* who: uid << 16 | call. */
static __always_inline __u64 principal_tag(__u64 cgroup, __u64 who)
{
	__u64 h = (cgroup ^ ht_flood_seed) * 0x9e3779b97f4a7c15ull;

	h ^= h >> 32;
	h = (h ^ who) * 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h | 1;
}

/* The slot becomes the principal's, if nothing in it is still needed: neither of what its owner wrote nor of its losses. */
static __always_inline bool principal_move(struct ht_principal *p, __u64 done, __u64 tag, __u64 cgroup, __u64 who, __u64 window)
{
	__u64 old = *(volatile __u64 *)&p->tag;

	if (old == HT_PRINCIPAL_TAKEN || (old && p->window + 1 >= window) || p->cut != done)
		return false;
	if (__sync_val_compare_and_swap(&p->tag, old, HT_PRINCIPAL_TAKEN) != old)
		return false;
	p->cgroup_id = cgroup;
	p->uid = who >> 16;
	p->call = who & 0xffff;
	p->window = window;
	p->bytes = p->before = 0;
	__sync_lock_test_and_set(&p->tag, tag);
	return true;
}

/*
 * The place of a principal (from: 0), of a call of his (HT_PRINCIPALS), or of a cgroup (GROUPS_OF(level)); HT_FLOOD_ALL: there is none. A
 * function of its own, so that the verifier looks at it once.
 */
#define GROUPS_OF(level) (HT_FLOOD_SLOTS + (level) * HT_FLOOD_GROUPS)

__noinline int flood_place(__u32 table, __u64 cgroup, __u64 who, __u32 from, __u64 window)
{
	struct ht_principals *all = bpf_map_lookup_elem(&principals, &table);
	struct ht_settled *settled_of = bpf_map_lookup_elem(&settled, &table);
	__u32 size = from < HT_FLOOD_SLOTS ? HT_PRINCIPALS : HT_FLOOD_GROUPS, set;
	__u64 tag = principal_tag(cgroup, who), done = 0;

	if (!all || !settled_of)
		return HT_FLOOD_ALL;
	set = ((tag >> 32) & (size - HT_PRINCIPAL_WAYS)) + from;
	NO_UNROLL	/* it would take half of the stack */
	for (int i = 0; i < HT_PRINCIPAL_WAYS; i++)
		if (*(volatile __u64 *)&all->slot[(set + i) & (HT_FLOOD_ALL - 1)].tag == tag)
			return (set + i) & (HT_FLOOD_ALL - 1);
	NO_UNROLL
	for (int i = 0; i < HT_PRINCIPAL_WAYS; i++) {
		__u32 at = (set + i) & (HT_FLOOD_ALL - 1);

		if (from < HT_FLOOD_SLOTS)
			done = *(volatile __u64 *)&settled_of->slot[at & (HT_FLOOD_SLOTS - 1)];
		if (principal_move(&all->slot[at], done, tag, cgroup, who, window))
			return at;
	}
	return HT_FLOOD_ALL;
}

static __always_inline struct ht_principal *principal_at(struct ht_principals *all, __u32 at)
{
	if (at >= HT_FLOOD_ALL)
		return &all->others;
	barrier_var(at);	/* the mask is for the verifier */
	return &all->slot[at & (HT_FLOOD_ALL - 1)];
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

/* Bytes of what is in the ring: the slot's part of the last half ring, times all that waits. A function of its own for the verifier. */
__noinline __u64 flood_holds(__u32 table, __u32 at, __u64 pos, __u64 used, __u32 shift)
{
	struct ht_principals *all = bpf_map_lookup_elem(&principals, &table);
	__u64 window, rest, recent = 0;
	const struct ht_principal *p;

	if (!all)
		return 0;
	shift &= 31;
	p = principal_at(all, at);
	window = pos >> shift;
	rest = (1ull << shift) - (pos & ((1ull << shift) - 1));
	if (p->window == window)
		recent = p->bytes + ((p->before * rest) >> shift);
	else if (p->window + 1 == window)
		recent = (p->bytes * rest) >> shift;
	return (recent * used) >> shift;
}

static __always_inline __u64 holds_at(const struct pressed *r, __u32 at)
{
	return flood_holds(r->table, at, r->pos, r->used, r->shift);
}

/* ---- bounds, in bytes, by what is free of twice `half` -------------------------------------- */

/* Half at half full, then less with the square of what is free. */
static __always_inline __u64 bound_squared(__u64 room, __u64 half)
{
	return room * room / half;
}

static __always_inline __u64 bound_cubed(__u64 room, __u64 half)
{
	return bound_squared(room, half) * room / half;
}

struct bound {
	__u64 each;	/* what one may hold, be it a cgroup or a principal */
	__u64 all;	/* what those in a cgroup may hold before each may hold less */
};

/* Within it? If not, it is the less for those inside, by the third power, the more this cgroup is over `all`. */
static __always_inline bool bound_allows(struct bound *b, __u64 holds)
{
	__u64 part;

	if (holds <= b->each)
		return true;
	if (holds > b->all) {
		part = (b->all << 16) / holds;
		for (int i = 0; i < 3; i++)
			b->each = (b->each * part) >> 16;
	}
	return false;
}

/* How full a ring of this class is before anybody is cut: quarters of it, in a byte each. Plaintext of a body comes at once, until the
 * reader says that it wants none of it. */
#define CUT_FROM(class, quarters) ((quarters) << 8 * (class))
#define CUT_FROM_ALL (CUT_FROM(HT_CLASS_CONTROL, 2) | CUT_FROM(HT_CLASS_PROCESS, 2) | CUT_FROM(HT_CLASS_DATA, 2) | CUT_FROM(HT_CLASS_TLS, 3))

static __always_inline __u64 cut_from(__u32 class, __u64 half)
{
	return half * ((CUT_FROM_ALL >> 8 * (class & (HT_CLASS__MAX - 1))) & 0xff) / 2;
}

/* ---- charging and cutting -------------------------------------------------------------- */

/* An entry of len bytes went into a ring that is pressed: it is its principal's, its call's, and its cgroups'. */
__noinline int flood_charge(__u32 class, __u32 cpu, __u32 call, __u32 len)
{
	struct task_struct *task = this_task();
	__u64 window, cgroup, id, who;
	struct pressed r = {};
	struct ht_principals *all = pressed_ring(class, cpu, &r);

	if (!all)
		return 0;
	window = r.pos >> r.shift;
	cgroup = cgroup_of(task->cgroups);
	id = cgroup_id_of(cgroup);
	who = (__u64)task->cred->uid.val << 16;
	principal_charge(principal_at(all, flood_place(r.table, id, who, 0, window)), window, len);
	principal_charge(principal_at(all, flood_place(r.table, id, who | call, HT_PRINCIPALS, window)), window, len);
	NO_UNROLL
	for (int i = 0; i < HT_FLOOD_LEVELS; i++) {
		__u64 group = cgroup_above(cgroup, i);
		__u32 at = group ? flood_place(r.table, group, 0, GROUPS_OF(i), window) : HT_FLOOD_ALL;

		if (at < HT_FLOOD_ALL)
			principal_charge(principal_at(all, at), window, len);
	}
	return 0;
}

struct bounds {
	struct bound usual, rare;	/* rare: for a call that is little of what its principal holds */
	__u64 holds;			/* the last one asked about */
	__u32 usual_fits, rare_fits;
};

static __always_inline void bounds_begin(struct bounds *b, __u64 room, __u64 half)
{
	b->usual.each = bound_cubed(room, half);
	b->usual.all = 24 * b->usual.each;
	b->rare.each = 3 * bound_squared(room, half);
	b->rare.all = b->rare.each;
}

/* Sets usual_fits. */
__noinline int bounds_ask(struct bounds *b, __u64 holds)
{
	if (!b)
		return 0;
	b->holds = holds;
	b->usual_fits = bound_allows(&b->usual, holds);
	b->rare_fits |= bound_allows(&b->rare, holds);
	return 0;
}

/* True if one of the cgroups is within its bound. One that has no place is passed by, for what it lies in has a bound, too. */
static __always_inline bool groups_fit(const struct pressed *r, __u64 cgroup, struct bounds *b)
{
	NO_UNROLL
	for (int i = 0; i < HT_FLOOD_LEVELS; i++) {
		__u64 group = cgroup_above(cgroup, i);
		__u32 at = group ? flood_place(r->table, group, 0, GROUPS_OF(i), r->pos >> r->shift) : HT_FLOOD_ALL;

		if (at >= HT_FLOOD_ALL)
			continue;
		bounds_ask(b, holds_at(r, at));
		if (b->usual_fits)
			return true;
	}
	return false;
}

/* 0, or 1 + the index of the principal's slot that the call is to be counted in: the call's, or its own where the call has none. */
__noinline int flood_cut(__u32 class, __u32 cpu, __u32 call)
{
	struct task_struct *task = this_task();
	struct pressed r = {};
	struct ht_counters *n = counters_of(class, cpu);
	__u64 half, cgroup, who, room;
	struct bounds b = {};
	__u32 whole, part;

	if (!n || !pressed_ring(class, cpu, &r))
		return 0;
	n->used = r.used;
	half = 1ull << r.shift;
	if (r.used <= cut_from(class, half))
		return 0;
	room = r.used < 2 * half ? 2 * half - r.used : 0;
	bounds_begin(&b, room, half);
	cgroup = cgroup_of(task->cgroups);
	if (groups_fit(&r, cgroup, &b))
		return 0;
	cgroup = cgroup_id_of(cgroup);
	who = (__u64)task->cred->uid.val << 16;
	whole = flood_place(r.table, cgroup, who, 0, r.pos >> r.shift);
	if (whole >= HT_FLOOD_ALL && b.holds && b.holds <= b.usual.all)	/* its cgroup is not where all the places are */
		return 0;
	bounds_ask(&b, holds_at(&r, whole));
	if (whole >= HT_FLOOD_ALL)	/* many share that one */
		b.usual_fits = b.holds <= room;
	if (b.usual_fits)
		return 0;
	part = flood_place(r.table, cgroup, who | call, HT_PRINCIPALS, r.pos >> r.shift);
	if (part >= HT_FLOOD_ALL)
		part = whole;
	else if (b.rare_fits && holds_at(&r, part) * 4 <= b.holds)
		return 0;
	return (part < HT_FLOOD_SLOTS ? part : HT_FLOOD_SLOTS) + 1;	/* as `settled` counts them: `others` is the last */
}

/* What flood_cut() said of is cut, and counted to its principal. (A task that is preempted between the two while the whole ring
 * goes round may count to the slot's next owner: the sum stays right.) */
__noinline int flood_lost(__u32 class, __u32 cpu, __u32 cut)
{
	__u32 key = principals_key(class, cpu);
	struct ht_principals *all = bpf_map_lookup_elem(&principals, &key);
	struct ht_counters *n = counters_of(class, cpu);
	struct ht_principal *p;
	__u32 at = cut - 1;

	if (!all || !n)
		return 0;
	p = principal_at(all, at < HT_FLOOD_SLOTS ? at : HT_FLOOD_ALL);
	__sync_fetch_and_add(&p->cut, 1);
	number_lost(n, HT_CAUSE_FLOOD);
	return 0;
}

#endif
