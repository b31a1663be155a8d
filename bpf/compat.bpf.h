/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * compat.bpf.h - one accessor per thing that differs between kernels.
 *
 * Structures with a ___suffix are CO-RE flavours: libbpf drops the suffix when it looks the
 * field up in the running kernel's BTF. Nothing else in bpf/ knows of kernel versions.
 */
#ifndef HOSTTRAIL_COMPAT_BPF_H
#define HOSTTRAIL_COMPAT_BPF_H

/*
 * bpf_rdonly_cast() (6.2) turns a number into a pointer that may be read directly, which costs a
 * load where bpf_probe_read_kernel() costs a call. The loader says in ht_have_cast whether the
 * kernel has it; the verifier then removes the other branch.
 */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
extern const volatile bool ht_have_cast;

/* ptr->field as a number; ptr may be any number that should be a `type *`. A bad address reads as 0. */
#define KREAD(type, ptr, field)                                                                        \
	({                                                                                             \
		__u64 _p = (__u64)(ptr), _v = 0;                                                       \
		if (ht_have_cast)                                                                      \
			_v = (__u64)((type *)bpf_rdonly_cast((void *)_p, bpf_core_type_id_kernel(type)))->field; \
		else                                                                                   \
			bpf_core_read(&_v, sizeof(((type *)0)->field), &((type *)_p)->field);          \
		_v;                                                                                    \
	})

/* The same where ht_have_cast was asked before: each time that it is asked costs. */
#define CREAD(type, ptr, field) ((__u64)((type *)bpf_rdonly_cast((void *)(__u64)(ptr), bpf_core_type_id_kernel(type)))->field)

/*
 * The task, to be read. For each pointer that is read from a trusted one the verifier of 6.18 looks some names up in all of the kernel's BTF,
 * one by one: that was 60 per cent of loading. It does not for one that may be anything. (Helpers want the trusted one.)
 */
static __always_inline struct task_struct *task_read(struct task_struct *task)
{
	if (ht_have_cast)
		return bpf_rdonly_cast(task, bpf_core_type_id_kernel(struct task_struct));
	return task;
}

static __always_inline struct task_struct *this_task(void)
{
	return task_read(bpf_get_current_task_btf());
}

/* The pointer that is stored at an address. hlist_head is just one pointer, on every kernel. */
#define KREAD_PTR(addr) KREAD(struct hlist_head, addr, first)

/* A load of the context stays by itself: the compiler would make one of several, at a place that it computes, which the verifier refuses. n: another one each time. */
#define apart(v, n) asm volatile("" : "+r"(v) : "i"(n))

#define NO_UNROLL _Pragma("clang loop unroll(disable)")

/* 6.15 (633488947ef6) renamed kernfs_node's parent. */
struct kernfs_node___parent {
	struct kernfs_node *parent;
} __attribute__((preserve_access_index));
struct kernfs_node___new {
	struct kernfs_node *__parent;
} __attribute__((preserve_access_index));

static __always_inline __u64 kernfs_parent(__u64 kn)
{
	if (bpf_core_field_exists(((struct kernfs_node___new *)0)->__parent))
		return KREAD(struct kernfs_node___new, kn, __parent);
	return KREAD(struct kernfs_node___parent, kn, parent);
}

/* 6.14 (958850849ab8) made d_iname a member of a union. */
struct dentry___iname {
	unsigned char d_iname[32];
} __attribute__((preserve_access_index));
union shortname_store___new {
	unsigned char string[40];
};
struct dentry___shortname {
	union shortname_store___new d_shortname;
} __attribute__((preserve_access_index));

static __always_inline __u32 dentry_iname_offset(void)
{
	if (bpf_core_field_exists(((struct dentry___shortname *)0)->d_shortname))
		return bpf_core_field_offset(((struct dentry___shortname *)0)->d_shortname);
	return bpf_core_field_offset(((struct dentry___iname *)0)->d_iname);
}

/* 6.6 (13bc24457850) renamed i_ctime, 6.11 (3aa63a569c64) split it; 6.13 keeps a flag in the top bit of ns. */
struct timespec64___ht {
	long long tv_sec;
	long tv_nsec;
} __attribute__((preserve_access_index));
struct inode___ctime {
	struct timespec64___ht i_ctime;
} __attribute__((preserve_access_index));
struct inode___ctime6 {
	struct timespec64___ht __i_ctime;
} __attribute__((preserve_access_index));
struct inode___ctime11 {
	long long i_ctime_sec;
	__u32 i_ctime_nsec;
} __attribute__((preserve_access_index));

static __always_inline void inode_ctime(__u64 inode, struct ht_exe *e)
{
	if (bpf_core_field_exists(((struct inode___ctime11 *)0)->i_ctime_sec)) {
		e->ctime_sec = (__s64)KREAD(struct inode___ctime11, inode, i_ctime_sec);
		e->ctime_nsec = (__u32)KREAD(struct inode___ctime11, inode, i_ctime_nsec) & 0x7fffffff;
	} else if (bpf_core_field_exists(((struct inode___ctime6 *)0)->__i_ctime)) {
		e->ctime_sec = (__s64)KREAD(struct inode___ctime6, inode, __i_ctime.tv_sec);
		e->ctime_nsec = (__u32)KREAD(struct inode___ctime6, inode, __i_ctime.tv_nsec) & 0x7fffffff;
	} else {
		e->ctime_sec = (__s64)KREAD(struct inode___ctime, inode, i_ctime.tv_sec);
		e->ctime_nsec = (__u32)KREAD(struct inode___ctime, inode, i_ctime.tv_nsec);
	}
}

/* Changes with every chdir and chroot. 6.17 (e194d2067c95) made it a seqlock, with the counter one level down. */
struct seqcount___ht {
	__u32 sequence;
} __attribute__((preserve_access_index));
struct seqcount_lock___ht {
	struct seqcount___ht seqcount;
} __attribute__((preserve_access_index));
struct seqlock___ht {
	struct seqcount_lock___ht seqcount;
} __attribute__((preserve_access_index));
struct fs_struct___seqcount {
	struct seqcount_lock___ht seq;
} __attribute__((preserve_access_index));
struct fs_struct___seqlock {
	struct seqlock___ht seq;
} __attribute__((preserve_access_index));

static __always_inline __u32 fs_changes(__u64 fs)
{
	if (bpf_core_field_exists(((struct fs_struct___seqlock *)0)->seq.seqcount.seqcount.sequence))
		return KREAD(struct fs_struct___seqlock, fs, seq.seqcount.seqcount.sequence);
	return KREAD(struct fs_struct___seqcount, fs, seq.seqcount.sequence);
}

static __always_inline void inode_exe(__u64 inode, struct ht_exe *e)
{
	__u64 sb = KREAD(struct inode, inode, i_sb);

	e->ino = KREAD(struct inode, inode, i_ino);
	e->size = KREAD(struct inode, inode, i_size);
	inode_ctime(inode, e);
	e->dev = KREAD(struct super_block, sb, s_dev);
	e->gen = KREAD(struct inode, inode, i_generation);
	e->mode = KREAD(struct inode, inode, i_mode);
	e->uid = KREAD(struct inode, inode, i_uid.val);
	e->nlink = KREAD(struct inode, inode, i_nlink);
}

/* An address space's flags: a word, since 6.18 a structure that begins with it. It has no name here that only newer kernels' types know. */
struct mm_flags___bits {
	unsigned long word;
};

struct mm_struct___word {
	unsigned long flags;
};

struct mm_struct___bits {
	struct mm_flags___bits flags;
};

static __always_inline __u64 mm_flags_of(const struct mm_struct *mm)
{
	__u64 flags = ~0ull;	/* not to be read: all that may be */

	if (bpf_core_field_exists(((struct mm_struct___bits *)0)->flags))
		bpf_core_read(&flags, sizeof(flags), &((const struct mm_struct___bits *)mm)->flags);
	else
		bpf_core_read(&flags, sizeof(flags), &((const struct mm_struct___word *)mm)->flags);
	return flags;
}

#endif
