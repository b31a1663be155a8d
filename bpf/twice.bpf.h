/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * twice.bpf.h - is what a call took from the program's memory what lies there when it ends? Operations with HT_OP_F_TWICE are read when the call is
 * entered, too.
 *
 * Equal readings alone prove nothing: who exchanges it all the time shows the same twice. So nobody else may be able to write there meanwhile either: the
 * memory is the process's own (not mapped from what others map or write, or could, nor in the care of a userfaultfd), no other thread with the
 * address space has run (others.bpf.h), and no other process has written there: by /proc/PID/mem (ht_memory_write()), or through pages
 * that are pinned (process_vm_writev, buffers of an io_uring, direct I/O). Else the field says what is missing.
 */
#ifndef HOSTTRAIL_TWICE_BPF_H
#define HOSTTRAIL_TWICE_BPF_H

#define VM_NOT_OWN 0x1288	/* VM_SHARED, VM_MAYSHARE, VM_UFFD_MISSING, VM_UFFD_WP */

struct vma_look {
	__u64 end;
	__u64 own;
};

#define MMF_HAS_PINNED_ (1u << 27)

/* Has anybody ever pinned a page of it, to write there whatever process runs then? */
static __always_inline bool twice_pinned(const struct mm_struct *mm)
{
	return mm_flags_of(mm) & MMF_HAS_PINNED_;
}

#define SB_KERNMOUNT_ (1u << 22)
#define MAGIC_FUSE 0x65735546

/*
 * Can nobody write to the file? It runs, or did somebody deny it for another reason; but a memfd's descriptors are not counted as writers, and who serves a
 * filesystem gives its files the content that it likes.
 */
static __always_inline bool twice_denied(__u64 inode)
{
	__u64 sb = KREAD(struct inode, inode, i_sb);

	return (__s32)KREAD(struct inode, inode, i_writecount.counter) < 0 && !((__u32)KREAD(struct super_block, sb, s_flags) & SB_KERNMOUNT_) &&
	       KREAD(struct super_block, sb, s_magic) != MAGIC_FUSE;
}

static long vma_step(struct task_struct *task, struct vm_area_struct *vma, void *ctx)
{
	struct vma_look *l = ctx;
	__u64 at = 0, file = 0;

	bpf_core_read(&file, sizeof(file), &vma->vm_file);
	bpf_core_read(&at, sizeof(at), &vma->vm_flags);
	if (at & VM_NOT_OWN)
		return 0;
	if (file && !twice_denied(KREAD(struct file, file, f_inode)))
		return 0;
	bpf_core_read(&l->end, sizeof(l->end), &vma->vm_end);
	l->own = 1;
	return 0;
}

static __always_inline bool twice_own(__u64 at, __u64 n)
{
	struct vma_look l = {};

	bpf_find_vma(bpf_get_current_task_btf(), at, vma_step, &l, 0);
	return l.own && at + n <= l.end;
}

/* The field at `at`, of n bytes and zeros behind them. */
static __always_inline __u64 twice_digest(struct scratch *s, __u32 at, __u32 n)
{
	__u64 h = n;

	NO_UNROLL
	for (__u32 k = 0; k < HT_PATH_MAX / 8; k++) {
		__u32 p = at + sizeof(struct ht_field) + k * 8;

		if (k * 8 >= n)
			break;
		barrier_var(p);
		if (p > OUT_MAX)
			break;
		h = (h ^ *(__u64 *)(s->b + p)) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	return h;
}

/* The field that the i-th operation left; NULL: none that could be read. */
static __always_inline struct ht_field *twice_field(struct scratch *s, __u32 i)
{
	const volatile struct ht_op *op = &desc_of(s->c.call)->op[i];
	__u32 at = s->twice_at[i];
	struct ht_field *f;

	barrier_var(at);
	if (at > OUT_MAX - HT_PATH_MAX || s->pos <= at)
		return NULL;
	f = (struct ht_field *)(s->b + at);
	if (f->flags & HT_FIELD_F_FAULT || f->arg != op->arg || f->kind != (op->kind == HT_OP_STR ? HT_FIELD_STR : HT_FIELD_MEM))
		return NULL;	/* or another operation's */
	return f;
}

/* A call is entered: the i-th operation's digest is kept. */
__noinline int twice_keep(struct scratch *s, __u32 i)
{
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct ht_field *f;

	if (!s || !t || i >= HT_OPS_MAX)
		return 0;
	f = twice_field(s, i);
	if (!f)
		return 0;
	t->twice[i] = twice_digest(s, s->twice_at[i], f->len);
	t->twice_of |= 1u << i;
	return 0;
}

/* It ends: is it the same? */
__noinline int twice_compare(struct scratch *s, __u32 i, __u32 quiet)
{
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct ht_field *f;
	__u32 arg;

	if (!s || i >= HT_OPS_MAX)
		return 0;
	f = twice_field(s, i);
	arg = desc_of(s->c.call)->op[i].arg;
	if (!f || arg > 5)
		return 0;
	if (!t || !(t->twice_of & 1u << i) || (s->evflags & (HT_EV_F_INTERRUPTED | HT_EV_F_URING)))
		f->flags |= HT_FIELD_F_ONCE;
	else if (t->twice[i] != twice_digest(s, s->twice_at[i], f->len))
		f->flags |= HT_FIELD_F_CHANGED;
	else if (!quiet || !twice_own(s->c.args[arg], f->len))
		f->flags |= HT_FIELD_F_SHARED;
	return 0;
}

/* A task was made: the kernel's flags of it stand before those that are the program's by now. */
__noinline int twice_forked(struct scratch *s)
{
	struct ht_field *f;

	if (!s || s->c.ret <= 0)
		return 0;
	f = twice_field(s, 0);
	if (!f || f->len < 8 || *(__u64 *)(f + 1) == s->cloned)
		return 0;
	*(__u64 *)(f + 1) = s->cloned;
	f->flags |= HT_FIELD_F_CHANGED;
	return 0;
}

/* Has another process written into this one's memory, or may it have? */
__noinline int twice_foreign(struct scratch *s)
{
	return !s || s->writes != *(volatile __u64 *)&ht_memory_writes || twice_pinned(task_of(s)->mm);
}

/* The arguments of a call behind a multiplexer lay in memory: are they those that the kernel took? */
__noinline int twice_behind(struct scratch *s)
{
	struct mm_struct *mm = this_task()->mm;
	__u64 block;

	if (!s)
		return 0;
	block = arch_block(s->c.nr, (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()));
	if (!block)
		return 0;
	if ((s->evflags & (HT_EV_F_INTERRUPTED | HT_EV_F_SHARED_FILES)) || s->was_shared || !mm || mm->mm_users.counter != 1 || twice_pinned(mm) ||
	    !twice_own(block, ARCH_BLOCK_MAX))
		s->evflags |= HT_EV_F_DOUBTED;
	return 0;
}

/* Behind all operations of a call that has such. */
__noinline int twice_check(struct scratch *s)
{
	__u32 quiet;
	struct task *t;

	if (!s)
		return 0;
	if (desc_of(s->c.call)->flags & HT_CALL_F_FORK)
		return desc_of(s->c.call)->nops ? twice_forked(s) : 0;
	quiet = others_quiet(OTHERS_MEMORY) && !twice_foreign(s);
	for (__u32 i = 0; i < HT_OPS_MAX; i++)
		if (desc_of(s->c.call)->op[i].flags & HT_OP_F_TWICE)
			twice_compare(s, i, quiet);
	t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	if (t)
		t->twice_of = 0;
	return 0;
}

#endif
