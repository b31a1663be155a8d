/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * filter.bpf.h - captured calls that are not worth a record: our own files, and sends to a known peer.
 */
#ifndef HOSTTRAIL_FILTER_BPF_H
#define HOSTTRAIL_FILTER_BPF_H

/* A plain look at the descriptor table, without the mark that fields.bpf.h leaves. */
static __always_inline __u64 filter_file(__s32 fd)
{
	struct task_struct *task = this_task();
	struct files_struct *files = task->files;

	if (!files || fd < 0 || (__u32)fd >= files->fdt->max_fds)
		return 0;
	return KREAD_PTR((__u64)files->fdt->fd + (__u64)(__u32)fd * 8);
}

/* Does the directory or file lie at, or a few levels below, one of own_dirs? */
static __always_inline bool below_own(__u64 dentry)
{
	for (int i = 0; i < OWN_DIR_DEPTH; i++) {
		__u64 inode = KREAD(struct dentry, dentry, d_inode), up = KREAD(struct dentry, dentry, d_parent);
		struct dir key = {};

		key.ino = KREAD(struct inode, inode, i_ino);
		key.dev = KREAD(struct super_block, KREAD(struct inode, inode, i_sb), s_dev);
		if (bpf_map_lookup_elem(&own_dirs, &key))
			return true;
		if (up == dentry)
			return false;
		dentry = up;
	}
	return false;
}

/*
 * A call of one of our programs on its own files: what it opened, or else the directory or
 * descriptor that it named. An absolute path is never taken as ours by its base.
 */
__noinline int own_call(__u32 call, __s64 ret, __u64 arg0, __u64 arg1)
{
	struct task_struct *task = this_task();
	const volatile struct ht_call_desc *d = desc_of(call);
	struct fs_struct *fs = task->fs;
	__u64 file = 0, dentry = 0;
	char first = 0;

	for (int i = 0; i < HT_OPS_MAX && !file && !dentry; i++) {
		__u32 kind = d->op[i].kind, arg = d->op[i].arg;

		if (kind == HT_OP_RETFD && ret >= 0) {
			file = filter_file(ret);
		} else if (kind == HT_OP_FD && arg == 0) {
			file = filter_file(arg0);
		} else if (kind == HT_OP_PATH && arg < 2) {
			if (bpf_probe_read_user(&first, 1, (void *)(arg ? arg1 : arg0)) || first == '/')
				return 0;
			if (d->op[i].aux == 0 && (__s32)arg0 != AT_FDCWD_)
				file = filter_file(arg0);
			else if (fs)
				dentry = (__u64)fs->pwd.dentry;
		}
	}
	if (file)
		dentry = KREAD(struct file, file, f_path.dentry);
	return dentry && below_own(dentry);
}

static __always_inline __u64 hash_words(const __u64 *w, __u32 n)
{
	__u64 h = 0x9e3779b97f4a7c15ull;

#pragma unroll
	for (__u32 i = 0; i < n; i++) {
		h ^= w[i];
		h *= 0xff51afd7ed558ccdull;
		h ^= h >> 33;
	}
	return h;
}

/* True, and remembered, if this is not the address that the socket sent to last. No file: true. */
static __always_inline bool peer_changes(__u64 file, const __u64 w[SOCKADDR_MAX / 8])
{
	__u64 inode, hash = hash_words(w, SOCKADDR_MAX / 8), *known;
	struct peer key = {};

	if (!file)
		return true;
	inode = KREAD(struct file, file, f_inode);
	key.sock = KREAD(struct inode, inode, i_ino);
	known = bpf_map_lookup_elem(&peers, &key);
	if (known && *known == hash)
		return false;
	bpf_map_update_elem(&peers, &key, &hash, BPF_ANY);
	return true;
}

/*
 * True if this send names an address that its socket did not send to last. No address: the peer
 * is the connected one, and known. op: the SOCKADDR or MSGHDR operation's argument and length.
 */
__noinline int new_peer(__u32 call, __u64 fd, __u64 ptr, __u64 len, __u32 abi)
{
	const volatile struct ht_call_desc *d = desc_of(call);
	__u64 w[SOCKADDR_MAX / 8] = {}, name = ptr;
	__u32 n = len;

	for (int i = 0; i < HT_OPS_MAX; i++)
		if (d->op[i].kind == HT_OP_MSGHDR && msghdr_name(ptr, abi, &name, &n))
			return 0;
	if (!name || !n)
		return 0;
	if (n > sizeof(w))
		n = sizeof(w);
	if (bpf_probe_read_user(w, n, (void *)name))
		return 1;
	return peer_changes(filter_file(fd), w);
}

#endif
