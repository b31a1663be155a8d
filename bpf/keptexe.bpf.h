/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * keptexe.bpf.h - the file that a process really executed, when it told the kernel that it is another one.
 *
 * prctl(PR_SET_MM) exchanges mm->exe_file, which is all that the kernel knows of what an address space runs. So that is kept,
 * by mm, when such a call is entered for the first time: whoever makes it and whether it is recorded or not. A fork's copy of
 * the mm inherits it, an exec's new mm begins without.
 */
#ifndef HOSTTRAIL_KEPTEXE_BPF_H
#define HOSTTRAIL_KEPTEXE_BPF_H

#define PR_SET_NAME_ 15
#define PR_SET_MM_ 35
#define PR_SET_KEEPCAPS_ 8
#define PR_CAPBSET_DROP_ 24
#define PR_SET_SECUREBITS_ 28
#define PR_CAP_AMBIENT_ 47
#define PR_SET_MM_EXE_FILE_ 13
#define PR_SET_MM_MAP_ 14
#define KEPT_MAX (HT_PATH_MAX + 256)

struct kept_exe {
	struct ht_exe exe;
	__u32 len;		/* of walk; 0: the path was longer than that */
	__u32 pad;
	__u8 walk[KEPT_MAX];	/* a WALK field */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);	/* struct mm_struct * */
	__type(value, struct kept_exe);
} kept_exes SEC(".maps");

__u32 ht_exes_kept;		/* how often: while 0, nobody looks */

static __always_inline void exe_keep_file(struct scratch *s, __u64 mm, __u64 exe)
{
	struct kept_exe *k = (struct kept_exe *)s->b;
	__u32 len;

	inode_exe(KREAD(struct file, exe, f_inode), &k->exe);
	s->pos = offsetof(struct kept_exe, walk);
	walk_emit(s, KREAD(struct file, exe, f_path.mnt), KREAD(struct file, exe, f_path.dentry), HT_ARG_TASK | HT_WALK_EXE << 8, 0);
	len = s->pos - offsetof(struct kept_exe, walk);
	k->len = len <= KEPT_MAX ? len : 0;
	k->pad = 0;
	if (!bpf_map_update_elem(&kept_exes, &mm, k, BPF_NOEXIST))
		__sync_fetch_and_add(&ht_exes_kept, 1);
}

/* A prctl is entered: what the process runs now stays known, if this may change what the kernel says of it. */
__noinline int exe_keep(__u64 option, __u64 what)
{
	struct mm_struct *at = this_task()->mm;
	__u64 mm = (__u64)at, exe;
	struct scratch *s;

	if (!at || (__u32)option != PR_SET_MM_ || (what != PR_SET_MM_EXE_FILE_ && what != PR_SET_MM_MAP_))
		return 0;
	exe = (__u64)at->exe_file;
	if (!exe || bpf_map_lookup_elem(&kept_exes, &mm))
		return 0;
	s = scratch_take(bpf_get_smp_processor_id());
	if (!s)
		return 0;
	exe_keep_file(s, mm, exe);
	scratch_give(s);
	return 0;
}

/* A new address space: a fork's copy, or what an exec made at an address that another one had. */
static __always_inline void exe_inherit(__u64 from, __u64 to)
{
	struct kept_exe *k;

	if (!ht_exes_kept || from == to)
		return;
	k = from ? bpf_map_lookup_elem(&kept_exes, &from) : NULL;
	if (k)
		bpf_map_update_elem(&kept_exes, &to, k, BPF_ANY);
	else
		bpf_map_delete_elem(&kept_exes, &to);
}

static __always_inline bool same_exe(const struct ht_exe *a, const struct ht_exe *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->gen == b->gen;
}

/* Into the identity that s->b holds, whose exe is what the kernel says. False: that is what the process executed. */
static __always_inline bool exe_kept_emit(struct scratch *s, __u64 mm, struct ht_exe *exe)
{
	struct kept_exe *k = ht_exes_kept ? bpf_map_lookup_elem(&kept_exes, &mm) : NULL;
	__u32 len;

	if (!k || same_exe(&k->exe, exe))
		return false;
	*exe = k->exe;
	len = k->len;
	if (len <= KEPT_MAX && !bpf_probe_read_kernel(s->b + sizeof(struct ht_ident), len, k->walk))
		s->pos = sizeof(struct ht_ident) + len;
	return true;
}

#endif
