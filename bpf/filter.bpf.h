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

static __always_inline bool named_differ(const struct named *a, const struct named *b)
{
	__u64 d = 0;

#pragma unroll
	for (int i = 0; i < NAMED_WORDS; i++) {
		d |= a->w[i] ^ b->w[i];
		barrier_var(d);		/* else clang 19 makes a branch of each word, and the verifier follows them all */
	}
	return d != 0;
}

#define AF_UNIX_ 1

/* A relative name of a Unix socket: the same bytes mean another one elsewhere. */
static __always_inline bool names_from_cwd(const struct named *to)
{
	__u8 first = to->w[0] >> 16;

	return (__u16)to->w[0] == AF_UNIX_ && first && first != '/';
}

/* True, and remembered if the send succeeded, when this is not the address that the socket sent to last. No socket: true. */
static __always_inline bool peer_changes(__u64 file, const struct named *to, bool succeeded)
{
	struct named *known;
	struct peer key = {};
	__u64 inode;

	if (!file || names_from_cwd(to))
		return true;
	inode = KREAD(struct file, file, f_inode);
	if ((KREAD(struct inode, inode, i_mode) & S_IFMT_) != S_IFSOCK_)
		return true;
	key.sock = KREAD(struct inode, inode, i_ino);
	known = bpf_map_lookup_elem(&peers, &key);
	if (known && !named_differ(known, to))
		return false;
	if (succeeded)
		bpf_map_update_elem(&peers, &key, to, BPF_ANY);
	return true;
}

#define NAMES_NOBODY 0
#define NAMES_ONE 1
#define NAMES_MANY 2		/* several messages of which one has an address; or it cannot be read */
#define MESSAGES_MAX 1024	/* UIO_MAXIOV: the kernel takes no more of one sendmmsg */

struct messages {
	__u64 at;
	__u32 abi;
	__u32 how;
};

static long message_step(__u32 i, void *ctx)
{
	struct messages *m = ctx;
	__u64 name = 0;
	__u32 n = 0;

	if (msghdr_name(m->at, m->abi, &name, &n) || (name && n)) {
		m->how = NAMES_MANY;
		return 1;
	}
	m->at += arch_pointer_size(m->abi) * 8;	/* struct mmsghdr: 64 bytes, or 32 */
	return 0;
}

static __always_inline int messages_name(__u64 at, __u32 n, __u32 abi)
{
	struct messages m = { .at = at, .abi = abi };

	bpf_loop(n < MESSAGES_MAX ? n : MESSAGES_MAX, message_step, &m, 0);
	return m.how;
}

/* Whom a send names, and in to if it is one. ptr, len: the SOCKADDR or MSGHDR operation's argument and length (of an array: messages). */
__noinline int names_whom(struct named *to, __u32 call, __u64 ptr, __u64 len, __u32 abi)
{
	const volatile struct ht_call_desc *d = desc_of(call);
	__u64 name = ptr;
	__u32 n = len;

	if (!to)
		return NAMES_MANY;
	__builtin_memset(to, 0, sizeof(*to));
	for (int i = 0; i < HT_OPS_MAX; i++) {
		if (d->op[i].kind != HT_OP_MSGHDR)
			continue;
		if ((d->op[i].flags & HT_OP_F_MANY) && len != 1)
			return messages_name(ptr, len, abi);
		if (msghdr_name(ptr, abi, &name, &n))
			return NAMES_MANY;
	}
	if (!name || !n)
		return NAMES_NOBODY;
	if (n > SOCKADDR_MAX)
		n = SOCKADDR_MAX;
	barrier_var(n);
	if (n > SOCKADDR_MAX || bpf_probe_read_user(to->w, n, (void *)name))
		return NAMES_MANY;
	to->w[NAMED_WORDS - 1] = n;
	return NAMES_ONE;
}

static __always_inline bool names_by_message(__u32 call)
{
	const volatile struct ht_call_desc *d = desc_of(call);
	bool msg = false;

	for (int i = 0; i < HT_OPS_MAX; i++)
		msg |= d->op[i].kind == HT_OP_MSGHDR;
	return msg;
}

/* A send is entered: what it names now is held against what it names when it ends, for the kernel looks in between. */
static __always_inline void send_entered(struct task_struct *task, __u32 call, const __u64 *args, __u32 abi)
{
	struct sending *e = bpf_task_storage_get(&sends, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	bool msg = names_by_message(call);

	if (e)
		e->how = names_whom(&e->to, call, args[msg ? 1 : 4], args[msg ? 2 : 5], abi);
}

#define SEND_FAILED 0x100	/* beside the ABI */

/*
 * True if this send names an address that its socket did not send to last, or several, or another than when it was entered. No
 * address: the peer is the connected one, and known. ptr, len: as of names_whom().
 */
__noinline int new_peer(__u32 call, __u64 fd, __u64 ptr, __u64 len, __u32 abi)
{
	struct sending *e = bpf_task_storage_get(&sends, bpf_get_current_task_btf(), 0, 0);
	int how;

	if (!e)
		return 1;
	how = names_whom(&e->at_end, call, ptr, len, abi & (SEND_FAILED - 1));
	if (e->how != how || how == NAMES_MANY)
		return 1;
	if (how == NAMES_NOBODY)
		return 0;
	return named_differ(&e->to, &e->at_end) || peer_changes(filter_file(fd), &e->at_end, !(abi & SEND_FAILED));
}

#endif
