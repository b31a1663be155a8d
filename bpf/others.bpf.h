/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * others.bpf.h - did any other thread of the process run while a call was made? If not, nobody exchanged what its descriptors stand for.
 *
 * Each switch away from a thread is counted in it, and one that runs says so. So where nobody else runs when the call is entered, and when it ends,
 * and they are the same, with the same counts, nobody has run in between. The table of descriptors (or the memory) must be nobody else's: as many of the threads have it
 * as there are references to it.
 */
#ifndef HOSTTRAIL_OTHERS_BPF_H
#define HOSTTRAIL_OTHERS_BPF_H

#define OTHERS_MAX 64
#define OTHERS_FILES 1
#define OTHERS_MEMORY 2

/* One thread in the place of another is another sum: nobody chooses when it begins to the nanosecond. */
static __always_inline __u64 other_mark(__u64 start, __u64 runs)
{
	__u64 h = start * 0xff51afd7ed558ccdull + runs;

	h ^= h >> 29;
	return h * 0x9e3779b97f4a7c15ull;
}

static long others_step(__u32 i, void *ctx)
{
	struct others *o = &(*(struct task **)ctx)->look;
	__u64 task = NUMBER(o->node) - bpf_core_field_offset(struct task_struct, thread_node);

	if (o->node == o->head) {
		o->n = i;
		return 1;
	}
	if (task != o->self) {
		if (bpf_core_field_exists(((struct task_struct *)0)->on_cpu) && (__u32)KREAD(struct task_struct, task, on_cpu))
			return 1;
		barrier();	/* who does not run any more has been counted */
		o->runs += other_mark(KREAD(struct task_struct, task, start_boottime),
				      KREAD(struct task_struct, task, nvcsw) + KREAD(struct task_struct, task, nivcsw));
	}
	o->have += KREAD(struct task_struct, task, files) == o->files;
	o->have_mm += KREAD(struct task_struct, task, mm) == o->mm;
	o->node = KREAD_PTR(o->node);
	return 0;
}

/* At the current task's process, into t->look, whose n is 0 where that says nothing. Says what these threads alone have. */
static __always_inline __u32 others_look(struct task *t)
{
	struct task_struct *task = this_task();
	struct files_struct *files = task->files;
	struct mm_struct *mm = task->mm;
	struct others *o = &t->look;

	__builtin_memset(o, 0, sizeof(*o));
	o->self = bpf_get_current_task();
	bpf_core_read(&o->head, sizeof(o->head), &task->signal);	/* as a number: the verifier computes with no pointer */
	o->head += bpf_core_field_offset(struct signal_struct, thread_head);
	o->node = KREAD_PTR(o->head);
	o->files = (__u64)files;
	o->mm = (__u64)mm;
	bpf_loop(OTHERS_MAX + 1, others_step, &t, 0);
	return (files && o->have == files->count.counter ? OTHERS_FILES : 0) | (mm && o->have_mm == mm->mm_users.counter ? OTHERS_MEMORY : 0);
}

/* A call is entered. Not inline, for the stack. */
static __noinline int others_begin(struct task *t)
{
	t->others_of = others_look(t);
	t->others = t->look.n;
	t->others_runs = t->look.runs;
	return 0;
}

/* It ends: has nobody run since it was entered who has the same OTHERS_*? */
__noinline int others_quiet(__u32 what)
{
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct mm_struct *mm = this_task()->mm;

	if (!t)
		return 0;
	if (what == OTHERS_MEMORY && t->twice_alone)
		return mm && mm->mm_users.counter == 1;
	if (!t->others)
		return 0;
	what &= t->others_of;
	return (others_look(t) & what) && t->look.n == t->others && t->look.runs == t->others_runs;
}

#endif
