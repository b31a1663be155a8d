/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * hooks.bpf.h - what a call's paths led to, seen inside the call (fentry, where the kernel has it).
 *
 * A path string can be changed while the kernel copies it, and a returned descriptor exchanged before sys_exit. The functions
 * here get what the kernel found. The object is walked at once, because references may be gone at the call's end, and its WALK
 * fields wait in task storage for sys_exit, which takes them away, whatever it does with them.
 *
 * A hook is the task's own call if the registers are those of a captured call of that kind which has no result yet, and it is
 * the first of that kind in it: what the kernel does further down (a filesystem that lies on another one) comes later. It is not
 * the task's if a thread of the kernel or of io_uring makes it, or if it comes after the result (work that is done on the way
 * back to user space). Where a hook came and its object could not be kept, a later one is not taken for it.
 *
 * Programs of fentry can be preempted: everything behind the first test runs without, for it uses the CPU's scratch, and
 * because a task that waits inside bpf_task_storage_get() makes it fail for others. Kernels without bpf_preempt_disable()
 * have the hooks only where programs are not preempted (agent/features.c).
 */
#ifndef HOSTTRAIL_HOOKS_BPF_H
#define HOSTTRAIL_HOOKS_BPF_H

#define OBJECT_NONE 0xffff

extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

struct hooked {			/* what a hook was given: the objects of up to two path arguments */
	__u64 mnt[2], dentry[2];
	__u32 f_flags;
	__u32 n;
};

/* The arguments that the call's paths stand in, in the order of its operations: first | second << 8. None: what is returned. */
static __always_inline __u32 hook_args(const volatile struct ht_call_desc *d)
{
	__u32 args = 0, n = 0;

	for (int i = 0; i < HT_OPS_MAX; i++) {
		if (d->op[i].kind != HT_OP_PATH || n == 2)
			continue;
		args |= (__u32)d->op[i].arg << 8 * n;
		n++;
	}
	return n ? args : HT_ARG_RET;
}

/*
 * What a filesystem opens of the one that it lies on, through a mount of its own: its path is nobody's. Mounts that the kernel
 * made for memfds, pipes and the like are no part of a namespace either, but their files are opened by tasks (/proc/self/fd).
 */
static __always_inline bool hook_behind(__u64 vfsmnt)
{
	__u64 ns = KREAD(struct mount, MOUNT_OF(vfsmnt), mnt_ns), sb = KREAD(struct vfsmount, vfsmnt, mnt_sb);

	return ns >= (__u64)-4095 && !((__u32)KREAD(struct super_block, sb, s_flags) & SB_KERNMOUNT_);
}

/* Static: kernels up to 6.14 let no global function be called while preemption is off. */
static __noinline int hook_walk(struct scratch *s, __u32 what, __u32 f_flags)
{
	return walk_append(s, what, f_flags);
}

/* Walks into the scratch, and copies that to where it waits. Bytes, or 0. */
static __always_inline __u32 hook_walks(struct scratch *s, struct object *o, const struct hooked *h, __u32 args)
{
	__u32 n;

	s->pos = 0;
	for (int i = 0; i < 2; i++) {
		if (i >= h->n)
			break;
		s->w.vfsmnt = h->mnt[i];
		s->w.dentry = h->dentry[i];
		if (hook_walk(s, (args >> 8 * i & 0xff) | HT_WALK_OBJECT << 8, h->f_flags) & HT_WALK_F_TRUNCATED)
			return 0;
	}
	n = s->pos;
	barrier_var(n);
	if (n > OBJECT_MAX || bpf_probe_read_kernel(o->b, n, s->b))
		return 0;
	return n;
}

static __noinline int hook_keep(const struct hooked *h, struct task_struct *task, __u32 entry, __u64 mark)
{
	struct scratch *s;
	struct object *o;
	struct task *t;
	__u32 n = 0;

	if (!task_in_scope(task, &t) || !t || (t->object && t->object_gen == ht_captured_gen && t->object_of == mark))
		return 0;
	if ((entry & HT_INDEX_TEST) && !(t->flags & HT_TASK_PROBE))
		return 0;
	if (t->returned == mark)	/* perhaps it has its result */
		return 0;
	if (hook_behind(h->mnt[0]))
		return 0;
	t->object_of = mark;
	t->object = OBJECT_NONE;
	t->object_gen = ht_captured_gen;
	o = bpf_task_storage_get(&objects, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	s = o ? scratch_take_for(bpf_get_smp_processor_id(), task) : NULL;
	if (!s)
		return 0;
	n = hook_walks(s, o, h, hook_args(desc_of(entry & HT_INDEX_MASK)));
	scratch_give(s);
	if (n)
		t->object = n;
	return 0;
}

/* The entry of the call that the task is in, if it is a captured one that wants this hook; else 0. *ret_mark: the call's. */
static __always_inline __u32 hook_entry(struct task_struct *task, __u32 kind, __u64 *ret_mark)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u32 abi, nr = arch_nr(task, regs, &abi), entry = call_index(nr, abi);

	if (desc_of(entry & HT_INDEX_MASK)->hook != kind)
		return 0;
	if ((task->flags & PF_NOT_USER) || !arch_in_call(task, regs))
		return 0;
	*ret_mark = call_mark(regs);
	return entry;
}

/* Field by field: an initialiser becomes a constant in a map of its own. */
static __always_inline void hook_set(struct hooked *h, __u32 i, __u64 mnt, __u64 dentry)
{
	h->mnt[i] = mnt;
	h->dentry[i] = dentry;
	h->n = i + 1;
	h->f_flags = 0;
}

static __always_inline int hook_now(const struct hooked *h, struct task_struct *task, __u32 entry, __u64 mark)
{
	if (ht_have_preempt)
		bpf_preempt_disable();
	hook_keep(h, task, entry, mark);
	if (ht_have_preempt)
		bpf_preempt_enable();
	return 0;
}

/* An entry (struct dentry) of a directory (struct path). */
static __always_inline int hook_name(__u64 dir, __u64 dentry, __u32 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 mark;
	__u32 entry = hook_entry(task, kind, &mark);
	struct hooked h;

	if (!entry)
		return 0;
	hook_set(&h, 0, KREAD(struct path, dir, mnt), dentry);
	return hook_now(&h, task, entry, mark);
}

/* ---- opens: where the file is known, before the filesystem may refuse it. Not reached by O_PATH. ---- */

SEC("fentry/security_file_open")
int ht_file_open(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 mark;
	__u32 entry = hook_entry(task, HT_HOOK_OPEN, &mark);
	__u64 file = ctx[0];
	struct hooked h;

	if (!entry)
		return 0;
	hook_set(&h, 0, KREAD(struct file, file, f_path.mnt), KREAD(struct file, file, f_path.dentry));
	h.f_flags = KREAD(struct file, file, f_flags);
	return hook_now(&h, task, entry, mark);
}

/* ---- directory entries: between lookup and permission, with the directory locked ---- */

#define HOOK_NAME(name, kind)						\
	SEC("fentry/security_path_" #name)				\
	int ht_path_##name(__u64 *ctx)					\
	{								\
		return hook_name(ctx[0], ctx[1], HT_HOOK_##kind);	\
	}

HOOK_NAME(unlink, REMOVE)
HOOK_NAME(rmdir, REMOVE)
HOOK_NAME(mkdir, MKDIR)
HOOK_NAME(symlink, SYMLINK)
HOOK_NAME(mknod, MKNOD)

/* Two names. The old one of a link is not said to be on the new one's mount, but it is: else the call would have failed before. */
static __always_inline int hook_names(__u64 dir, __u64 dentry, __u64 dir2, __u64 dentry2, __u32 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 mark;
	__u32 entry = hook_entry(task, kind, &mark);
	struct hooked h;

	if (!entry)
		return 0;
	hook_set(&h, 0, KREAD(struct path, dir, mnt), dentry);
	hook_set(&h, 1, KREAD(struct path, dir2, mnt), dentry2);
	return hook_now(&h, task, entry, mark);
}

SEC("fentry/security_path_link")
int ht_path_link(__u64 *ctx)
{
	return hook_names(ctx[1], ctx[0], ctx[1], ctx[2], HT_HOOK_LINK);
}

SEC("fentry/security_path_rename")
int ht_path_rename(__u64 *ctx)
{
	return hook_names(ctx[0], ctx[1], ctx[2], ctx[3], HT_HOOK_RENAME);
}

/* ---- what is done to an object, or at one: struct path ---- */

static __always_inline int hook_path(__u64 path, __u32 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 mark;
	__u32 entry = hook_entry(task, kind, &mark);
	struct hooked h;

	if (!entry)
		return 0;
	hook_set(&h, 0, KREAD(struct path, path, mnt), KREAD(struct path, path, dentry));
	return hook_now(&h, task, entry, mark);
}

#define HOOK_PATH(name, function, arg, kind)				\
	SEC("fentry/" #function)					\
	int ht_##name(__u64 *ctx)					\
	{								\
		return hook_path(ctx[arg], HT_HOOK_##kind);		\
	}

HOOK_PATH(path_truncate, security_path_truncate, 0, TRUNCATE)
HOOK_PATH(path_chmod, security_path_chmod, 0, CHMOD)
HOOK_PATH(path_chown, security_path_chown, 0, CHOWN)
HOOK_PATH(path_chroot, security_path_chroot, 0, CHROOT)
HOOK_PATH(path_notify, security_path_notify, 0, NOTIFY)
HOOK_PATH(utimes, vfs_utimes, 0, UTIMES)
HOOK_PATH(sb_mount, security_sb_mount, 1, MOUNT)

/* A mount, which is removed: where it is. */
SEC("fentry/security_sb_umount")
int ht_sb_umount(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 mark;
	__u32 entry = hook_entry(task, HT_HOOK_UMOUNT, &mark);
	struct hooked h;

	if (!entry)
		return 0;
	hook_set(&h, 0, ctx[0], KREAD(struct vfsmount, ctx[0], mnt_root));
	return hook_now(&h, task, entry, mark);
}

static __always_inline int hook_paths(__u64 a, __u64 b, __u32 kind)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 mark;
	__u32 entry = hook_entry(task, kind, &mark);
	struct hooked h;

	if (!entry)
		return 0;
	hook_set(&h, 0, KREAD(struct path, a, mnt), KREAD(struct path, a, dentry));
	hook_set(&h, 1, KREAD(struct path, b, mnt), KREAD(struct path, b, dentry));
	return hook_now(&h, task, entry, mark);
}

SEC("fentry/security_move_mount")
int ht_move_mount(__u64 *ctx)
{
	return hook_paths(ctx[0], ctx[1], HT_HOOK_MOVE_MOUNT);
}

/* It gets the second argument first. */
SEC("fentry/security_sb_pivotroot")
int ht_sb_pivotroot(__u64 *ctx)
{
	return hook_paths(ctx[1], ctx[0], HT_HOOK_PIVOT_ROOT);
}

/* ---- /proc/PID/mem: one process writes into the memory of another (twice.bpf.h), which it holds a reference to meanwhile ---- */

#define FOLL_WRITE_ 1

SEC("fentry/access_remote_vm")
int ht_memory_write(__u64 *ctx)
{
	if (ctx[4] & FOLL_WRITE_)
		__sync_fetch_and_add(&ht_memory_writes, 1);
	return 0;
}

#endif
