/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * kobj.bpf.h - the kernel objects that descriptors stand for: BPF's maps, programs and links, and pidfds.
 */
#ifndef HOSTTRAIL_KOBJ_BPF_H
#define HOSTTRAIL_KOBJ_BPF_H

#define ANON_INODE_MAGIC_ 0x09041934
#define PIDFS_MAGIC_ 0x50494446
#define PROC_MAGIC_ 0x9fa0

/* The first eight bytes of such a file's name: nobody but the kernel gives names on that filesystem. */
#define NAME_BPF_MAP 0x0070616d2d667062ull	/* "bpf-map" */
#define NAME_BPF_PROG 0x676f72702d667062ull	/* "bpf-prog" */
#define NAME_BPF_LINK 0x6b6e696c5f667062ull	/* "bpf_link": as its maker got it */
#define NAME_BPF_LINK2 0x6b6e696c2d667062ull	/* "bpf-link": opened by pin or number */
#define NAME_PIDFD 0x005d64666469705bull	/* "[pidfd]", up to 6.8 */

static __always_inline void kobj_is(struct ht_kobj *k, __u32 kind, __u32 id)
{
	k->kind = kind;
	k->id = id;
}

/* Sets kind and number of s->kobj, for s->kobj_file; kind 0: another file. */
__noinline int kobj_look(struct scratch *s)
{
	__u64 dentry, inode, file, name = 0;
	volatile __u64 *object;
	__u32 magic;

	if (!s)
		return 0;
	s->kobj.kind = 0;
	file = s->kobj_file;
	object = &s->kobj_object;
	dentry = KREAD(struct file, file, f_path.dentry);
	inode = KREAD(struct file, file, f_inode);
	*object = KREAD(struct file, file, private_data);
	magic = KREAD(struct super_block, KREAD(struct dentry, dentry, d_sb), s_magic);
	if (magic == PIDFS_MAGIC_)
		*object = KREAD(struct inode, inode, i_private);
	else if (magic == PROC_MAGIC_)	/* its folder of /proc is as good as a pidfd */
		*object = KREAD(struct proc_inode, inode - bpf_core_field_offset(struct proc_inode, vfs_inode), pid);
	else if (magic == ANON_INODE_MAGIC_)
		bpf_probe_read_kernel(&name, sizeof(name), (void *)KREAD(struct dentry, dentry, d_name.name));
	if (magic == PIDFS_MAGIC_ || (magic == PROC_MAGIC_ && *object) || name == NAME_PIDFD)
		kobj_is(&s->kobj, HT_KOBJ_PID, KREAD(struct upid, *object + bpf_core_field_offset(struct pid, numbers), nr));
	else if (name == NAME_BPF_MAP)
		kobj_is(&s->kobj, HT_KOBJ_MAP, KREAD(struct bpf_map, *object, id));
	else if (name == NAME_BPF_PROG)
		kobj_is(&s->kobj, HT_KOBJ_PROG, KREAD(struct bpf_prog_aux, KREAD(struct bpf_prog, *object, aux), id));
	else if (name == NAME_BPF_LINK || name == NAME_BPF_LINK2)
		kobj_is(&s->kobj, HT_KOBJ_LINK, KREAD(struct bpf_link, *object, id));
	return 0;
}

/* The i-th place of union bpf_attr where some command has a descriptor; the last is the result. */
static __always_inline __u32 kobj_place(__u32 i)
{
	return i < 6 ? 4 * i : i == 6 ? 36 : i == 7 ? 112 : HT_KOBJ_RET;
}

/* arg: a descriptor, or (size: its size) a union bpf_attr. */
__noinline int kobj_emit(struct scratch *s, __u32 arg, __u32 size, __u32 many)
{
	struct ht_field *f;
	__u32 n = 0;

	if (!s || arg > 5)
		return 0;
	f = field_open(s, HT_FIELD_KOBJ, arg, HT_KOBJ_PLACES * sizeof(struct ht_kobj));
	if (!f)
		return 0;
	NO_UNROLL
	for (__u32 i = 0; i < HT_KOBJ_PLACES; i++) {
		__u32 at = many ? kobj_place(i) : 0, fd = s->c.args[arg];
		__u64 file;

		if (!many && i)
			break;
		if (at == HT_KOBJ_RET)
			fd = s->c.ret;
		else if (many && (at + 4 > size || bpf_probe_read_user(&fd, 4, (void *)(s->c.args[arg] + at))))
			continue;
		file = file_of(s, fd);
		if (!file)
			continue;
		s->kobj_file = file;
		kobj_look(s);
		s->kobj.at = at;
		if (s->kobj.kind && n < HT_KOBJ_PLACES)
			((struct ht_kobj *)(f + 1))[n++] = s->kobj;
	}
	if (n)
		field_close(s, f, n * sizeof(struct ht_kobj));
	return 0;
}

#endif
