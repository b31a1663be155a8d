/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * emit.bpf.h - counting and the one way into a ring.
 *
 * What is to be recorded takes a number when its entry is ready for the ring, or when something before that fails; every failure
 * is counted by cause, so that for every class and CPU: numbers taken = entries in the ring + lost. So what turns out to be filtered
 * or merged in the kernel, however late, takes none, and leaves nothing to settle.
 */
#ifndef HOSTTRAIL_EMIT_BPF_H
#define HOSTTRAIL_EMIT_BPF_H

static __always_inline struct ht_counters *counters_of(__u32 class, __u32 cpu)
{
	__u32 key = class * ht_ncpu + cpu;

	return bpf_map_lookup_elem(&counters, &key);
}

static __always_inline struct ht_shared *shared_words(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&shared, &zero);
}

static __always_inline void count_lost(struct ht_counters *c, __u32 cause)
{
	__u64 now = bpf_ktime_get_boot_ns();

	if (!c->lost_first)
		c->lost_first = now;
	c->lost_last = now;
	__sync_fetch_and_add(&c->lost[cause & (HT_CAUSE__MAX - 1)], 1);
}

/* The same of something that has no number yet. */
static __always_inline void number_lost(struct ht_counters *c, __u32 cause)
{
	__sync_fetch_and_add(&c->seq, 1);
	count_lost(c, cause);
}

/*
 * The task whose scratch it is: a load where asking the kernel is a call. Calls are what a record costs most of, because processors that
 * guard returns against speculation take longer for each than for a dozen loads.
 */
static __always_inline struct task_struct *task_of(const struct scratch *s)
{
	if (ht_have_cast)
		return bpf_rdonly_cast((void *)s->task, bpf_core_type_id_kernel(struct task_struct));
	return bpf_get_current_task_btf();
}

/* The CPU's scratch, or NULL while an interrupted probe on this CPU uses it. Whoever has the current task gives it: to ask is a call. */
static __always_inline struct scratch *scratch_take_for(__u32 cpu, struct task_struct *task)
{
	struct scratch *s = bpf_map_lookup_elem(&scratch, &cpu);

	if (!s || *(volatile __u32 *)&s->busy)
		return NULL;
	*(volatile __u32 *)&s->busy = 1;	/* nobody but this CPU looks, and what interrupts us here gives it back first */
	s->task = (__u64)task;
	s->evflags = 0;
	s->object = 0;
	s->cred = 0;
	s->cut = 0;
	s->was_shared = 0;
	return s;
}

static __always_inline struct scratch *scratch_take(__u32 cpu)
{
	return scratch_take_for(cpu, bpf_get_current_task_btf());
}

static __always_inline void scratch_give(struct scratch *s)
{
	*(volatile __u32 *)&s->busy = 0;
}

static __always_inline __u32 ring_of(__u32 class, __u32 cpu)
{
	__u32 group = class == HT_CLASS_TLS ? 0 : cpu >> (ht_group_shift & 31);	/* there is one: a connection's entries stay in order */

	return (class & (HT_CLASS__MAX - 1)) * HT_GROUPS_MAX + (group & (HT_GROUPS_MAX - 1));
}

/* Is the ring full enough to ask who fills it? As of the last look: see flood.bpf.h. */
static __always_inline bool ring_pressed(const struct ht_counters *c, __u32 class)
{
	return c->used >> ((ht_ring_shift[class & (HT_CLASS__MAX - 1)] - 2) & 63);
}

int flood_charge(__u32 class, __u32 cpu, __u32 call, __u32 len);

/*
 * Wakes the reader if it sleeps, or each time a sixteenth was written to a ring that is a quarter full. The fill is asked
 * for only each time a 64th of the ring was written, because asking is a call.
 */
static __always_inline __u64 wake_flags(void *ring, struct ht_counters *c, __u32 class, __u32 len)
{
	struct ht_shared *w = shared_words();
	__u32 shift = ht_ring_shift[class & (HT_CLASS__MAX - 1)] & 31;
	__u64 before = c->bytes;

	c->bytes = before + len;
	if ((before ^ (before + len)) >> (shift - 6))
		c->used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	if (w && *(volatile __u64 *)&w->armed) {
		*(volatile __u64 *)&w->armed = 0;
		return BPF_RB_FORCE_WAKEUP;
	}
	if (((before ^ (before + len)) >> (shift - 4)) && ring_pressed(c, class))
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* 0, or negative when the entry did not fit. */
static __always_inline int ring_put(__u32 class, __u32 cpu, struct ht_counters *c, void *p, __u32 len)
{
	__u32 key = ring_of(class, cpu);
	void *ring = bpf_map_lookup_elem(&rings, &key);

	if (!ring)
		return -1;
	return bpf_ringbuf_output(ring, p, len, wake_flags(ring, c, class, len));
}

/* Sends what lies in s->b. The header's length is set here. */
static __always_inline int scratch_put(struct scratch *s, __u32 class, __u32 cpu, struct ht_counters *c)
{
	__u32 len = s->pos;

	if (len > OUT_MAX)
		len = OUT_MAX;
	((struct ht_event *)s->b)->len = len;
	return ring_put(class, cpu, c, s->b, len);
}

/* What went into a pressed ring is somebody's. Not in scratch_put(): the stacks of 6.1 are not deep enough for that. */
static __always_inline void scratch_charge(struct scratch *s, __u32 class, __u32 cpu, const struct ht_counters *c)
{
	if (c && ring_pressed(c, class))
		flood_charge(class, cpu, s->c.call, s->pos);
}

#endif
