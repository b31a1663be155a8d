/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * fields.bpf.h - what the table of calls asks for: strings, memory, addresses, descriptors.
 *
 * Each is appended to s->b. User pages are read without faulting them in; what is not there is flagged HT_FIELD_F_FAULT.
 */
#ifndef HOSTTRAIL_FIELDS_BPF_H
#define HOSTTRAIL_FIELDS_BPF_H

#define S_IFMT_ 0170000
#define S_IFSOCK_ 0140000
#define AT_FDCWD_ -100
#define MEM_MAX 4096
#define ARGV_STRINGS 65536	/* steps: strings, or parts of long ones */

/* Opens a field with room for `need` bytes (a constant), or NULL and the event is marked as cut. */
static __always_inline struct ht_field *field_open(struct scratch *s, __u32 kind, __u32 arg, __u32 need)
{
	__u32 pos = s->pos;
	struct ht_field *f;

	barrier_var(pos);
	if (pos > OUT_MAX - 24 - need) {
		s->evflags |= HT_EV_F_TRUNCATED;
		return NULL;
	}
	f = (struct ht_field *)(s->b + pos);
	f->kind = kind;
	f->arg = arg;
	f->role = 0;
	f->flags = 0;
	f->len = 0;
	return f;
}

/* Closes it with n bytes (bounded by the `need` that it was opened with); the padding is zeroed. */
static __always_inline void field_close(struct scratch *s, struct ht_field *f, __u32 n)
{
	f->len = n;
	*(__u64 *)((__u8 *)(f + 1) + n) = 0;
	s->pos += (sizeof(*f) + n + 7) & ~7u;
}

static __always_inline void field_fault(struct scratch *s, struct ht_field *f)
{
	f->flags = HT_FIELD_F_FAULT;
	s->pos += sizeof(*f);
}

/* User string of at most max - 1 bytes (max at most HT_PATH_MAX). Length, or negative at a fault. */
static __always_inline long str_emit(struct scratch *s, __u32 arg, __u64 ptr, __u32 max)
{
	struct ht_field *f = field_open(s, HT_FIELD_STR, arg, HT_PATH_MAX);
	long n;
	char last = 0;

	if (!f)
		return -1;
	if (!max)
		max = HT_PATH_MAX;
	barrier_var(max);	/* else both tests become one of max - 1, which 6.1 and 6.12 cannot follow */
	if (max > HT_PATH_MAX)
		max = HT_PATH_MAX;
	n = bpf_probe_read_user_str(f + 1, max, (void *)ptr);
	if (n <= 0 || n > HT_PATH_MAX) {
		field_fault(s, f);
		return -1;
	}
	if (n == max && !bpf_probe_read_user(&last, 1, (void *)(ptr + n - 1)) && last)
		f->flags = HT_FIELD_F_CUT;
	field_close(s, f, n - 1);
	return n - 1;
}

/* A string in kernel memory, of at most HT_PATH_MAX - 1 bytes. */
static __always_inline long kstr_emit(struct scratch *s, __u32 kind, __u32 arg, __u64 str)
{
	struct ht_field *f = field_open(s, kind, arg, HT_PATH_MAX);
	long n;

	if (!f)
		return -1;
	n = bpf_probe_read_kernel_str(f + 1, HT_PATH_MAX, (void *)str);
	if (n <= 0 || n > HT_PATH_MAX) {
		field_fault(s, f);
		return -1;
	}
	field_close(s, f, n - 1);
	return n - 1;
}

static __always_inline void mem_emit(struct scratch *s, __u32 kind, __u32 arg, __u64 ptr, __u64 len, __u32 max)
{
	struct ht_field *f = field_open(s, kind, arg, MEM_MAX);
	__u32 n = len > max ? max : len;

	if (!f)
		return;
	if (n > MEM_MAX)
		n = MEM_MAX;
	barrier_var(n);
	if (n > MEM_MAX || bpf_probe_read_user(f + 1, n, (void *)ptr)) {
		field_fault(s, f);
		return;
	}
	if (n < len)
		f->flags = HT_FIELD_F_CUT;
	field_close(s, f, n);
}

/* ---- strings at enter against strings at exit ---------------------------- */

struct str_cmp {
	const __u64 *a, *b;
	__u32 len;
	__u32 differ;
};

static long str_cmp_step(__u32 i, void *ctx)
{
	struct str_cmp *c = ctx;
	__u32 at = i * 8;
	__u64 d;

	if (at >= STRS_MAX - 8 || at >= c->len)
		return 1;
	d = *(const __u64 *)((const __u8 *)c->a + at) ^ *(const __u64 *)((const __u8 *)c->b + at);
	if (c->len - at < 8)
		d <<= (64 - 8 * (c->len - at)) & 63;	/* bytes behind the end do not count */
	if (d)
		c->differ = 1;
	return d != 0;
}

static __always_inline void enter_emit(struct scratch *s, struct strs *e, __u32 i, __u32 arg)
{
	struct ht_field *f = field_open(s, HT_FIELD_STR_ENTER, arg, STRS_MAX);
	__u32 n = e->len[i];

	if (!f)
		return;
	if (e->fault[i]) {
		field_fault(s, f);
		return;
	}
	if (n > STRS_MAX - 1)
		n = STRS_MAX - 1;
	barrier_var(n);
	if (n > STRS_MAX - 1 || bpf_probe_read_kernel(f + 1, n, e->s[i]))
		return;
	if (n == STRS_MAX - 1)
		f->flags = HT_FIELD_F_CUT;
	field_close(s, f, n);
}

/* The string just written at `at` (n bytes, negative: fault) against the one read at enter. */
static __always_inline void enter_compare(struct scratch *s, __u32 at, long n, __u32 arg)
{
	struct strs *e = bpf_task_storage_get(&strs, bpf_get_current_task_btf(), 0, 0);
	struct str_cmp c = {};
	__u32 i;

	if (!e || !e->n || e->nr != s->c.nr || e->abi != s->c.h.abi) {
		s->evflags |= HT_EV_F_ENTER_MISSED;
		return;
	}
	i = e->arg[0] == arg ? 0 : 1;
	if (e->arg[i] != arg || i >= e->n) {
		s->evflags |= HT_EV_F_ENTER_MISSED;
		return;
	}
	if (n > STRS_MAX - 1)
		n = STRS_MAX - 1;
	if (n >= 0 && !e->fault[i] && e->len[i] == n && at <= OUT_MAX - STRS_MAX) {
		c.a = (const __u64 *)e->s[i];
		c.b = (const __u64 *)(s->b + at);
		c.len = n;
		bpf_loop(STRS_MAX / 8, str_cmp_step, &c, 0);
		if (!c.differ)
			return;
	} else if (n < 0 && e->fault[i]) {
		return;
	}
	enter_emit(s, e, i, arg);
}

/* ---- descriptors ---------------------------------------------------------- */

/* Can somebody else exchange the task's descriptors? A thread that gave up the common table just now, having changed it, still counts. */
static __always_inline bool files_shared(struct task_struct *task)
{
	struct files_struct *files = task->files;

	return files && (files->count.counter > 1 || task->signal->nr_threads > 1);
}

/* Grows with each other thread of the process: one that ends adds its time to the process's, which may be none where the clock is coarse. */
static __always_inline __u64 threads_past(const struct task *t, struct task_struct *task)
{
	return *(volatile __u64 *)&task->signal->sum_sched_runtime + t->made;
}

/*
 * Can somebody exchange descriptors, or could who has gone since the task's last captured call at whose end nobody else was there? All other threads come
 * of one that the first thread made, and while that one is another one there are two.
 * Another process is seen while it has the table; or it was made with it, see files_give().
 */
static __always_inline __u32 files_were_shared(struct task *t, struct task_struct *task)
{
	struct files_struct *files = task->files;
	bool now = files_shared(task), new;
	__u64 past;

	barrier();	/* who ends adds its time before it is no thread any more: one of both tells of it */
	past = threads_past(t, task);
	new = past != t->ended;
	if (!now)
		t->ended = past;
	if (files && files->count.counter > 1 && task->signal->nr_threads == 1)
		t->foreign = (__u64)files;
	return now || new || (t->foreign && t->foreign == (__u64)files);
}

/* struct file * of a descriptor of the current task, 0 if there is none. */
static __always_inline __u64 file_of(struct scratch *s, __u64 fd)
{
	struct task_struct *task = task_of(s);
	struct files_struct *files = task->files;
	struct fdtable *fdt;

	if (!files)
		return 0;
	if (s->was_shared || files_shared(task))
		s->evflags |= HT_EV_F_SHARED_FILES;
	fdt = files->fdt;
	if ((__u32)fd >= fdt->max_fds)
		return 0;
	return KREAD_PTR((__u64)fdt->fd + (__u64)(__u32)fd * 8);
}

static __always_inline void sock_addresses(struct ht_sock *o, __u64 sk)
{
	o->family = KREAD(struct sock, sk, __sk_common.skc_family);
	o->protocol = KREAD(struct sock, sk, sk_protocol);
	o->state = KREAD(struct sock, sk, __sk_common.skc_state);
	if (o->family == 2) {
		o->sport = KREAD(struct sock, sk, __sk_common.skc_num);
		o->dport = bpf_ntohs((__u16)KREAD(struct sock, sk, __sk_common.skc_dport));
		*(__u32 *)o->saddr = KREAD(struct sock, sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)o->daddr = KREAD(struct sock, sk, __sk_common.skc_daddr);
	} else if (o->family == 10) {
		o->sport = KREAD(struct sock, sk, __sk_common.skc_num);
		o->dport = bpf_ntohs((__u16)KREAD(struct sock, sk, __sk_common.skc_dport));
		bpf_probe_read_kernel(o->saddr, 16,
				      (void *)(sk + bpf_core_field_offset(struct sock, __sk_common.skc_v6_rcv_saddr)));
		bpf_probe_read_kernel(o->daddr, 16,
				      (void *)(sk + bpf_core_field_offset(struct sock, __sk_common.skc_v6_daddr)));
	}
}

static __always_inline void sock_emit(struct scratch *s, __u32 arg, __u64 file, __u64 inode)
{
	struct ht_field *f = field_open(s, HT_FIELD_SOCK, arg, sizeof(struct ht_sock));
	__u64 socket = KREAD(struct file, file, private_data), sk;
	struct ht_sock *o;

	if (!f)
		return;
	o = (struct ht_sock *)(f + 1);
	__builtin_memset(o, 0, sizeof(*o));
	o->ino = KREAD(struct inode, inode, i_ino);
	if (socket) {
		o->type = KREAD(struct socket, socket, type);
		sk = KREAD(struct socket, socket, sk);
		if (sk)
			sock_addresses(o, sk);
	}
	field_close(s, f, sizeof(*o));
}

/* WALK or SOCK of a file. */
static __always_inline void file_emit(struct scratch *s, __u64 file, __u32 arg, __u32 role)
{
	__u64 inode;

	if (!file) {
		if (role == HT_WALK_RET)
			s->evflags |= HT_EV_F_RET_GONE;
		walk_none(s, arg | role << 8);
		return;
	}
	inode = KREAD(struct file, file, f_inode);
	if ((KREAD(struct inode, inode, i_mode) & S_IFMT_) == S_IFSOCK_) {
		sock_emit(s, arg, file, inode);
		return;
	}
	walk_emit(s, KREAD(struct file, file, f_path.mnt), KREAD(struct file, file, f_path.dentry), arg | role << 8,
		  KREAD(struct file, file, f_flags));
}

static __always_inline void fd_emit(struct scratch *s, __u64 fd, __u32 arg, __u32 role)
{
	file_emit(s, file_of(s, fd), arg, role);
}

/* ---- paths ------------------------------------------------------------------ */

/* Is the task's root another directory than its mount namespace's? Six loads where it is not, which costs less than keeping the answer. */
static __always_inline bool task_chrooted(const struct scratch *s)
{
	struct task_struct *task = task_of(s);
	struct nsproxy *ns = task->nsproxy;
	struct fs_struct *fs = task->fs;
	__u64 dentry, m, up;
	bool top = false;

	if (!fs)
		return false;
	dentry = (__u64)fs->root.dentry;
	m = MOUNT_OF((__u64)fs->root.mnt);
	up = KREAD(struct mount, m, mnt_parent);
	/* the namespace's root, or a mount that covers it (stacked: its parent is the root or covers it too) */
	for (int i = 0; i < 8; i++) {
		if (dentry != KREAD(struct mount, m, mnt.mnt_root))
			break;
		if (up == m) {
			top = true;
			break;
		}
		dentry = KREAD(struct mount, m, mnt_mountpoint);
		m = up;
		up = KREAD(struct mount, m, mnt_parent);
	}
	return !top || (ns && KREAD(struct mnt_namespace, ns->mnt_ns, root) != m);	/* a detached mount's root is at its top, too */
}

static __always_inline void base_emit(struct scratch *s, const volatile struct ht_op *op, bool absolute)
{
	struct task_struct *task = task_of(s);
	struct fs_struct *fs = task->fs;
	__u32 arg = op->arg, aux = op->aux;
	__u64 file, mnt, dentry;
	__s32 dirfd = AT_FDCWD_;

	if (!fs)
		return;
	if (absolute) {
		mnt = (__u64)fs->root.mnt;
		dentry = (__u64)fs->root.dentry;
		walk_emit(s, mnt, dentry, arg | HT_WALK_ROOT << 8, 0);
		return;
	}
	if (aux < 6)
		dirfd = (__s32)s->c.args[aux];
	if (dirfd == AT_FDCWD_ && (s->was_shared || fs->users > 1))	/* others can change it, too */
		s->evflags |= HT_EV_F_SHARED_FILES;
	mnt = (__u64)fs->pwd.mnt;
	dentry = (__u64)fs->pwd.dentry;
	if (dirfd != AT_FDCWD_) {
		file = file_of(s, (__u32)dirfd);
		if (!file) {
			walk_none(s, arg | HT_WALK_BASE << 8);
			return;
		}
		mnt = KREAD(struct file, file, f_path.mnt);
		dentry = KREAD(struct file, file, f_path.dentry);
	}
	walk_emit(s, mnt, dentry, arg | HT_WALK_BASE << 8, 0);
}

static __always_inline void path_emit(struct scratch *s, const volatile struct ht_op *op, __u32 flags)
{
	__u32 arg = op->arg, at = s->pos + sizeof(struct ht_field);
	char first = 0;
	long n;

	if (arg > 5)
		return;
	n = str_emit(s, arg, s->c.args[arg], HT_PATH_MAX);
	if ((flags & HT_CALL_F_ENTER) && !(flags & HT_CALL_F_EXEC) && !(s->evflags & HT_EV_F_URING))
		enter_compare(s, at, n, arg);
	if (n >= 0 && at < OUT_MAX)
		first = s->b[at];
	if (n < 0 || s->object)
		return;
	if (first != '/') {
		base_emit(s, op, false);
		return;
	}
	if (task_chrooted(s))
		base_emit(s, op, true);
}

/* ---- addresses ---------------------------------------------------------------- */

/* msg_name and msg_namelen of a user struct msghdr. */
static __always_inline int msghdr_name(__u64 ptr, __u32 abi, __u64 *ret_name, __u32 *ret_len)
{
	__u32 w[3] = {};

	if (bpf_probe_read_user(w, sizeof(w), (void *)ptr))
		return -1;
	if (arch_pointer_size(abi) == 8) {
		*ret_name = (__u64)w[1] << 32 | w[0];
		*ret_len = w[2];
	} else {
		*ret_name = w[0];
		*ret_len = w[1];
	}
	return 0;
}

static __always_inline void sockaddr_emit(struct scratch *s, const volatile struct ht_op *op)
{
	__u32 arg = op->arg, aux = op->aux, len = 0;
	__u64 ptr;

	if (arg > 5)
		return;
	ptr = s->c.args[arg];
	if (op->kind == HT_OP_MSGHDR) {
		if (msghdr_name(ptr, s->c.h.abi, &ptr, &len))
			return;
	} else if (op->flags & HT_OP_F_LENPTR) {
		if (aux > 5 || bpf_probe_read_user(&len, sizeof(len), (void *)s->c.args[aux]))
			return;
	} else if (aux < 6) {
		len = s->c.args[aux];
	} else {
		len = op->max;
	}
	if (ptr && (__s32)len > 0)
		mem_emit(s, HT_FIELD_SOCKADDR, arg, ptr, len, SOCKADDR_MAX);
}

static __always_inline void memop_emit(struct scratch *s, const volatile struct ht_op *op)
{
	__u32 arg = op->arg, aux = op->aux, max = op->max;
	__u64 len = max;

	if (arg > 5)
		return;
	if (!s->c.args[arg])
		return;
	if (op->flags & HT_OP_F_LENPTR) {
		__u32 n = 0;

		if (aux > 5 || bpf_probe_read_user(&n, sizeof(n), (void *)s->c.args[aux]))
			return;
		len = n;
	} else if (aux < 6) {
		len = s->c.args[aux];
		if (len > 0xffffffff)
			len = 0xffffffff;
		len *= op->unit ? op->unit : 1;
	}
	mem_emit(s, HT_FIELD_MEM, arg, s->c.args[arg], len, max ? max : MEM_MAX);
}

/* ---- argv of an exec that failed --------------------------------------------------- */

struct argv_walk {
	struct scratch *s;
	__u64 array;
	__u64 string;		/* the rest of a string that did not fit one step, or 0 */
	__u32 i;
	__u32 start, pos;	/* of the strings, in s->b */
	__u32 size;		/* of a pointer */
	__u32 cut;
};

/* One string, or HT_PATH_MAX - 1 bytes of a longer one. 1 ends the loop. */
static long argv_step(__u32 step, void *ctx)
{
	struct argv_walk *a = ctx;
	__u32 pos = a->pos;
	__u64 ptr = a->string;
	char last = 0;
	long n;

	a->cut = 1;
	if (!ptr && bpf_probe_read_user(&ptr, a->size == 8 ? 8 : 4, (void *)(a->array + (__u64)a->i * a->size)))
		return 1;
	if (!ptr) {
		a->cut = 0;
		return 1;
	}
	if (pos > OUT_MAX - HT_PATH_MAX - 16 || pos - a->start > HT_ARGV_MAX - HT_PATH_MAX)
		return 1;
	n = bpf_probe_read_user_str(a->s->b + pos, HT_PATH_MAX, (void *)ptr);
	if (n <= 0 || n > HT_PATH_MAX)
		return 1;
	a->string = 0;
	if (n == HT_PATH_MAX && !bpf_probe_read_user(&last, 1, (void *)(ptr + n - 1)) && last) {
		a->string = ptr + n - 1;	/* goes on where the NUL was put */
		n--;
	} else {
		a->i++;
	}
	a->pos = pos + n;
	return 0;
}

static __always_inline void argv_emit(struct scratch *s, __u32 arg)
{
	struct ht_field *f = field_open(s, HT_FIELD_ARGV, arg, 16);
	struct argv_walk a = { .s = s };
	__u32 n;

	if (!f || arg > 5)
		return;
	a.array = s->c.args[arg];
	a.size = arch_pointer_size(s->c.h.abi);
	a.start = a.pos = s->pos + sizeof(*f) + 8;
	bpf_loop(ARGV_STRINGS, argv_step, &a, 0);
	n = a.pos - a.start;
	*(__u64 *)(f + 1) = n;
	f->len = n + 8;
	f->flags = a.cut ? HT_FIELD_F_CUT : 0;
	if (a.pos <= OUT_MAX - 8)
		*(__u64 *)(s->b + a.pos) = 0;
	s->pos = (a.pos + 7) & ~7u;
}

#endif
