/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * uring_args.bpf.h - what an io_uring operation was asked to do, as the arguments of the system call that does the same.
 *
 * Two sources. A prepared request holds the kernel's own copies (numbers, struct filename, addresses): op_args(). A
 * submission that was refused before that is still only the user's 64 bytes: op_args_sqe(). Which opcode is which call is
 * agent/uring.c's to say; here stands only where its arguments lie.
 */
#ifndef HOSTTRAIL_URING_ARGS_BPF_H
#define HOSTTRAIL_URING_ARGS_BPF_H

#define REQ_F_FIXED_FILE_ 1	/* the low bits of a request's flags are the submission's (IOSQE_*) */
#define REQ_F_CQE_SKIP_ (1 << 6)
#define FORCED_O_LARGEFILE ((__u64)ARCH_O_LARGEFILE)	/* the kernel adds these itself: no news */
#define FORCED_MSG_NOSIGNAL 0x4000u

#define NAME(type, field) op_name(CMD(type, field))

static __always_inline __u64 op_name(__u64 filename)
{
	return filename ? KREAD(struct filename___ht, filename, name) : 0;
}

/* struct file * in a slot of the ring's table, 0 if there is none. */
static __always_inline __u64 fixed_file(__u64 ctx, __u32 slot)
{
	__u64 p = 0;

	if (bpf_core_field_exists(((struct io_ring_ctx___new *)0)->file_table.data)) {
		if (slot >= KREAD(struct io_ring_ctx___new, ctx, file_table.data.nr))
			return 0;
		p = KREAD_PTR(KREAD(struct io_ring_ctx___new, ctx, file_table.data.nodes) + (__u64)slot * 8);
		return p ? KREAD(struct io_rsrc_node___new, p, file_ptr) & ~7ull : 0;
	}
	if (bpf_core_field_exists(((struct io_ring_ctx___old *)0)->file_table.files)) {
		if (slot >= KREAD(struct io_ring_ctx___old, ctx, nr_user_files))
			return 0;
		/* as a number: its low bits are flags */
		bpf_probe_read_kernel(&p, sizeof(p), (void *)(KREAD(struct io_ring_ctx___old, ctx, file_table.files) + (__u64)slot * 8));
	}
	return p & ~7ull;
}

enum {	/* enum io_uring_op, of which no kernel header before it need know all */
	UOP_READV = 1, UOP_WRITEV = 2, UOP_READ_FIXED = 4, UOP_WRITE_FIXED = 5, UOP_READ = 22, UOP_WRITE = 23, UOP_READ_MULTISHOT = 49,
	UOP_WAITID = 50, UOP_RECV_ZC = 58, UOP_EPOLL_WAIT = 59, UOP_READV_FIXED = 60, UOP_WRITEV_FIXED = 61,
	UOP_FSYNC = 3, UOP_SYNC_FILE_RANGE = 8, UOP_SENDMSG = 9, UOP_RECVMSG = 10, UOP_ACCEPT = 13, UOP_CONNECT = 16, UOP_FALLOCATE = 17,
	UOP_OPENAT = 18, UOP_CLOSE = 19, UOP_FILES_UPDATE = 20, UOP_STATX = 21, UOP_FADVISE = 24, UOP_MADVISE = 25, UOP_SEND = 26,
	UOP_RECV = 27, UOP_OPENAT2 = 28, UOP_EPOLL_CTL = 29, UOP_SPLICE = 30, UOP_TEE = 33, UOP_SHUTDOWN = 34, UOP_RENAMEAT = 35,
	UOP_UNLINKAT = 36, UOP_MKDIRAT = 37, UOP_SYMLINKAT = 38, UOP_LINKAT = 39, UOP_MSG_RING = 40, UOP_FSETXATTR = 41,
	UOP_SETXATTR = 42, UOP_FGETXATTR = 43, UOP_GETXATTR = 44, UOP_SOCKET = 45, UOP_URING_CMD = 46, UOP_SEND_ZC = 47,
	UOP_SENDMSG_ZC = 48, UOP_FUTEX_WAIT = 51, UOP_FUTEX_WAKE = 52, UOP_FUTEX_WAITV = 53, UOP_FIXED_FD_INSTALL = 54, UOP_FTRUNCATE = 55,
	UOP_BIND = 56, UOP_LISTEN = 57, UOP_PIPE = 62,
};

/* ---- operations that stand for another call by what they are asked to do ---------------- */

#define FSYNC_DATASYNC_ 1		/* IORING_FSYNC_DATASYNC */
#define SOCKET_GETSOCKOPT_ 2		/* SOCKET_URING_OP_GETSOCKOPT */
#define SOCKET_SETSOCKOPT_ 3
#define EPOLL_CTL_DEL_ 2

static __always_inline bool file_is_socket(__u64 file)
{
	__u64 inode = file ? KREAD(struct file, file, f_inode) : 0;

	return inode && (KREAD(struct inode, inode, i_mode) & S_IFMT_) == S_IFSOCK_;
}

/* Descriptor of an operation's call, 0: not captured. asked: the flags of an fsync, or which command. */
static __always_inline __u32 op_call(__u64 ctx, __u32 opcode, __u32 asked, __s32 fd, __u32 flags)
{
	__u32 entry = ht_uring_index[opcode & 0xff], form = HT_FORM__MAX;

	if (!(entry & HT_INDEX_FORM))
		return entry & HT_INDEX_MASK;
	if (opcode == UOP_FSYNC && (asked & FSYNC_DATASYNC_))
		form = HT_FORM_FDATASYNC;
	else if (opcode == UOP_URING_CMD && (asked == SOCKET_GETSOCKOPT_ || asked == SOCKET_SETSOCKOPT_) &&
		 bpf_core_field_exists(((struct io_uring_cmd___ht *)0)->sqe) &&
		 file_is_socket(flags & REQ_F_FIXED_FILE_ ? fixed_file(ctx, fd) : filter_file(fd)))
		form = asked == SOCKET_GETSOCKOPT_ ? HT_FORM_GETSOCKOPT : HT_FORM_SETSOCKOPT;
	barrier_var(form);
	return (form < HT_FORM__MAX ? ht_uring_form[form] : entry) & HT_INDEX_MASK;
}

/* Of a prepared request. */
__noinline int op_prepared_call(__u64 req, __u32 opcode)
{
	return op_call(REQ(ctx), opcode, opcode == UOP_FSYNC ? CMD(io_sync, flags) : CMD(io_uring_cmd, cmd_op), REQ(cqe.fd), REQ(flags));
}

/* Of a submission that was refused. */
__noinline int op_refused_call(__u64 sqe, __u64 req, __u32 opcode)
{
	__u32 w[8] = {};	/* the first half: flags, descriptor, command, flags of an fsync */

	if (bpf_probe_read_kernel(w, sizeof(w), (void *)sqe))
		return 0;
	return op_call(REQ(ctx), opcode, opcode == UOP_FSYNC ? w[7] : w[2], w[1], w[0] >> 8);
}

/* The argument that is the request's file. */
static __always_inline __u32 op_file_arg(__u32 opcode)
{
	return opcode == UOP_SPLICE ? 2 : opcode == UOP_TEE ? 1 : 0;
}

/* ---- a prepared request -------------------------------------------------------- */

/* The submission that is being taken, in memory that the user can change: for what is checked by other means. */
static __always_inline __u64 op_sqe(__u64 ctx)
{
	__u32 at = KREAD(struct io_ring_ctx___ht, ctx, cached_sq_head) - 1;
	__u64 array = KREAD(struct io_ring_ctx___ht, ctx, sq_array);

	at &= KREAD(struct io_ring_ctx___ht, ctx, sq_entries) - 1;
	if (array)
		bpf_probe_read_kernel(&at, sizeof(at), (void *)(array + (__u64)at * 4));
	at <<= !!(KREAD(struct io_ring_ctx___ht, ctx, flags) & (1 << 10));	/* IORING_SETUP_SQE128 */
	return KREAD(struct io_ring_ctx___ht, ctx, sq_sqes) + (__u64)at * 64;
}

static __always_inline bool same_address(struct scratch *s, __u64 at, __u32 n)
{
	__u64 *w = (__u64 *)s->in.sqe;

	w[4] = w[5] = 0;
	if (n > 16 || bpf_probe_read_kernel(w + 4, n, (void *)at))
		return false;
	return w[0] == w[4] && w[1] == w[5];
}

/*
 * Kernels from 6.10 on copy the address of connect and bind when they prepare. Where to is no matter of BTF (3979840cd858,
 * backported, moved it from a member of io_async_msghdr to the beginning of the request's data): it is where the user's
 * bytes are found again. If they are in neither place they have been changed since: then the address is the user's only.
 */
static __always_inline void op_address(struct scratch *s, __u64 req, __u64 user, __u64 len)
{
	__u64 async = REQ(async_data), member = bpf_core_field_offset(struct io_async_msghdr___ht, addr);
	__u32 n = len;

	if (bpf_core_type_exists(struct io_async_connect___ht) || !async || (__s64)len < 2)
		return;
	if (n > 16)
		n = 16;
	barrier_var(n);
	if (n > 16 || bpf_probe_read_user(s->in.sqe, n, (void *)user))
		return;
	if (same_address(s, async, n))
		s->in.addr = async;
	else if (same_address(s, async + member, n))
		s->in.addr = async + member;
	else
		return;
	s->in.addr_len = len;
	s->wait.u.flags |= HT_URING_F_KADDR;
}

static __always_inline void op_message_address(struct scratch *s, __u64 req)
{
	__u64 async = REQ(async_data);

	if (bpf_core_type_exists(struct io_async_connect___ht) || !async)
		return;
	s->wait.u.flags |= HT_URING_F_KADDR;	/* also when there is none: then no user memory counts */
	s->in.addr = KREAD(struct io_async_msghdr___ht, async, msg.msg_name);
	s->in.addr_len = KREAD(struct io_async_msghdr___ht, async, msg.msg_namelen);
}

__noinline int op_args_net(struct scratch *s, __u64 req, __u32 opcode)
{
	__u64 *a;

	if (!s)
		return 0;
	a = s->c.args;
	switch (opcode) {
	case UOP_CONNECT:
		a[1] = CMD(io_connect, addr);
		a[2] = CMD(io_connect, addr_len);
		op_address(s, req, a[1], a[2]);
		break;
	case UOP_BIND:
		bpf_probe_read_kernel(&a[1], sizeof(a[1]), (void *)(op_sqe(s->wait.ctx) + 16));
		a[2] = CMD(io_bind, addr_len);
		op_address(s, req, a[1], a[2]);
		break;
	case UOP_LISTEN:
		a[1] = CMD(io_listen, backlog);
		break;
	case UOP_ACCEPT:
		a[1] = CMD(io_accept, addr);
		a[2] = CMD(io_accept, addr_len);
		a[3] = CMD(io_accept, flags);
		s->wait.u.slot = CMD(io_accept, file_slot);
		break;
	case UOP_SOCKET:
		a[0] = CMD(io_socket, domain);
		a[1] = CMD(io_socket, type);
		a[2] = CMD(io_socket, protocol);
		s->wait.u.slot = CMD(io_socket, file_slot);
		break;
	case UOP_SHUTDOWN:
		a[1] = CMD(io_shutdown, how);
		break;
	case UOP_SEND:
	case UOP_SEND_ZC:
	case UOP_RECV:
		a[1] = CMD(io_sr_msg, buf);
		a[2] = CMD(io_sr_msg, len);
		a[3] = CMD(io_sr_msg, msg_flags) & ~FORCED_MSG_NOSIGNAL;
		if (opcode != UOP_RECV) {
			a[4] = CMD(io_sr_msg, addr);
			a[5] = CMD(io_sr_msg, addr_len);
			op_message_address(s, req);
		}
		break;
	case UOP_RECV_ZC:
		a[2] = CMD(io_recvzc, len);
		a[3] = CMD(io_recvzc, msg_flags);
		break;
	case UOP_SENDMSG:
	case UOP_SENDMSG_ZC:
	case UOP_RECVMSG:
		a[1] = CMD(io_sr_msg, buf);
		a[2] = CMD(io_sr_msg, msg_flags) & ~FORCED_MSG_NOSIGNAL;
		if (opcode != UOP_RECVMSG)
			op_message_address(s, req);
		else	/* its address is a result; what lies there now is none */
			s->wait.u.flags |= HT_URING_F_KADDR;
		break;
	}
	return 0;
}

static __always_inline void op_args_xattr(struct scratch *s, __u64 req, bool by_path)
{
	__u64 *a = s->c.args, kname;

	if (bpf_core_type_exists(struct kernel_xattr_ctx___ht)) {
		kname = KREAD(struct io_xattr___new, req, ctx.kname);
		a[3] = KREAD(struct io_xattr___new, req, ctx.size);
		a[4] = KREAD(struct io_xattr___new, req, ctx.flags);
	} else {
		kname = CMD(io_xattr, ctx.kname);
		a[3] = CMD(io_xattr, ctx.size);
		a[4] = CMD(io_xattr, ctx.flags);
	}
	s->in.str[1] = kname;	/* its only member is the name */
	if (by_path)
		s->in.str[0] = NAME(io_xattr, filename);
}

__noinline int op_args_path(struct scratch *s, __u64 req, __u32 opcode)
{
	__u64 *a;

	if (!s)
		return 0;
	a = s->c.args;
	switch (opcode) {
	case UOP_OPENAT:
	case UOP_OPENAT2:
		a[0] = CMD(io_open, dfd);
		s->in.str[1] = NAME(io_open, filename);
		if (opcode == UOP_OPENAT2)
			s->in.mem = req + bpf_core_field_offset(struct io_open___ht, how);
		a[2] = CMD(io_open, how.flags) & ~FORCED_O_LARGEFILE;
		a[3] = CMD(io_open, how.mode);
		s->wait.u.slot = CMD(io_open, file_slot);
		break;
	case UOP_UNLINKAT:
		a[0] = CMD(io_unlink, dfd);
		s->in.str[1] = NAME(io_unlink, filename);
		a[2] = CMD(io_unlink, flags);
		break;
	case UOP_MKDIRAT:
		a[0] = CMD(io_mkdir, dfd);
		s->in.str[1] = NAME(io_mkdir, filename);
		a[2] = CMD(io_mkdir, mode);
		break;
	case UOP_RENAMEAT:
		a[0] = CMD(io_rename, old_dfd);
		s->in.str[1] = NAME(io_rename, oldpath);
		a[2] = CMD(io_rename, new_dfd);
		s->in.str[3] = NAME(io_rename, newpath);
		a[4] = CMD(io_rename, flags);
		break;
	case UOP_LINKAT:
		a[0] = CMD(io_link, old_dfd);
		s->in.str[1] = NAME(io_link, oldpath);
		a[2] = CMD(io_link, new_dfd);
		s->in.str[3] = NAME(io_link, newpath);
		a[4] = CMD(io_link, flags);
		break;
	case UOP_SYMLINKAT:
		s->in.str[0] = NAME(io_link, oldpath);
		a[1] = CMD(io_link, new_dfd);
		s->in.str[2] = NAME(io_link, newpath);
		break;
	case UOP_STATX:
		a[0] = CMD(io_statx, dfd);
		s->in.str[1] = NAME(io_statx, filename);
		a[2] = CMD(io_statx, flags);
		a[3] = CMD(io_statx, mask);
		a[4] = CMD(io_statx, buffer);
		break;
	}
	return 0;
}

__noinline int op_args_file(struct scratch *s, __u64 req, __u32 opcode)
{
	__u64 *a;

	if (!s)
		return 0;
	a = s->c.args;
	switch (opcode) {
	case UOP_SETXATTR:
	case UOP_GETXATTR:
	case UOP_FSETXATTR:
	case UOP_FGETXATTR:
		op_args_xattr(s, req, opcode == UOP_SETXATTR || opcode == UOP_GETXATTR);
		break;
	case UOP_FALLOCATE:
		a[1] = CMD(io_sync, mode);
		a[2] = CMD(io_sync, off);
		a[3] = CMD(io_sync, len);
		break;
	case UOP_SYNC_FILE_RANGE:
		a[1] = CMD(io_sync, off);
		a[2] = CMD(io_sync, len);
		a[3] = CMD(io_sync, flags);
		break;
	case UOP_FTRUNCATE:
		a[1] = CMD(io_ftrunc, len);
		break;
	case UOP_CLOSE:
		a[0] = CMD(io_close, fd);
		s->wait.u.slot = CMD(io_close, file_slot);
		if (s->wait.u.slot)
			a[0] = -1;
		break;
	case UOP_SPLICE:
	case UOP_TEE:
		a[op_file_arg(opcode) & 3] = a[0];
		a[0] = CMD(io_splice, splice_fd_in);
		a[opcode == UOP_TEE ? 2 : 4] = CMD(io_splice, len);
		a[opcode == UOP_TEE ? 3 : 5] = CMD(io_splice, flags);
		break;
	}
	return 0;
}

/* As the program gave them: the kernel keeps the size as it was, and "shared" where it was not told "private" (128). */
static __always_inline __u32 futex_flags(__u32 flags)
{
	return (flags & 3) | (flags & 0x80 ? 4 : 0) | (flags & 0x200 ? 8 : 0) | (flags & 0x10 ? 0 : 128);	/* NUMA, MPOL */
}

static __always_inline void op_args_futex(__u64 *a, __u64 req, __u32 opcode)
{
	a[0] = CMD(io_futex, uaddr);
	if (opcode == UOP_FUTEX_WAITV) {
		a[1] = CMD(io_futex, futex_nr);
		return;
	}
	a[opcode == UOP_FUTEX_WAKE ? 2 : 1] = CMD(io_futex, futex_val);
	a[opcode == UOP_FUTEX_WAKE ? 1 : 2] = CMD(io_futex, futex_mask);
	a[3] = futex_flags(CMD(io_futex, futex_flags));
}

/*
 * A command, or a socket's option, which lies in the submission: a copy of the kernel's where that made one. Else it is looked at again when the
 * command is made, in memory that the program can change.
 */
static __always_inline void op_args_command(struct scratch *s, __u64 req)
{
	__u64 *a = s->c.args, sqe = CMD(io_uring_cmd, sqe);
	__u32 form, w[14] = {};

	a[1] = CMD(io_uring_cmd, cmd_op);
	form = a[1] == SOCKET_GETSOCKOPT_ ? HT_FORM_GETSOCKOPT : HT_FORM_SETSOCKOPT;
	barrier_var(form);
	if (s->c.call != (ht_uring_form[form < HT_FORM__MAX ? form : 0] & HT_INDEX_MASK) || bpf_probe_read_kernel(w, sizeof(w), (void *)sqe))
		return;
	a[1] = w[4];
	a[2] = w[5];
	a[3] = (__u64)w[13] << 32 | w[12];
	a[4] = w[11];
	s->in.later = form == HT_FORM_SETSOCKOPT;
	if (sqe == op_sqe(s->wait.ctx) || files_shared(this_task()))	/* another's descriptor may be no socket */
		s->evflags |= HT_EV_F_DOUBTED;
}

__noinline int op_args_rest(struct scratch *s, __u64 req, __u32 opcode)
{
	__u64 *a;

	if (!s)
		return 0;
	a = s->c.args;
	switch (opcode) {
	case UOP_READ:
	case UOP_WRITE:
	case UOP_READ_FIXED:
	case UOP_WRITE_FIXED:
	case UOP_READ_MULTISHOT:
	case UOP_READV:
	case UOP_WRITEV:
	case UOP_READV_FIXED:
	case UOP_WRITEV_FIXED:
		a[1] = CMD(io_rw, addr);
		a[2] = CMD(io_rw, len);
		a[3] = CMD(io_rw, kiocb.ki_pos);
		a[5] = CMD(io_rw, flags);
		break;
	case UOP_WAITID:
		a[0] = CMD(io_waitid, which);
		a[1] = CMD(io_waitid, upid);
		a[3] = CMD(io_waitid, options);
		break;
	case UOP_FUTEX_WAIT:
	case UOP_FUTEX_WAKE:
	case UOP_FUTEX_WAITV:
		op_args_futex(a, req, opcode);
		break;
	case UOP_EPOLL_WAIT:
		a[2] = CMD(io_epoll_wait, maxevents);
		a[3] = -1;
		break;
	case UOP_EPOLL_CTL:
		a[0] = CMD(io_epoll, epfd);
		a[1] = CMD(io_epoll, op);
		a[2] = CMD(io_epoll, fd);
		if (a[1] != EPOLL_CTL_DEL_) {
			a[3] = 1;	/* there is one */
			s->in.mem = req + bpf_core_field_offset(struct io_epoll___ht, event);
		}
		break;
	case UOP_FADVISE:
		a[1] = CMD(io_fadvise, offset);
		a[2] = CMD(io_fadvise, len);
		a[3] = CMD(io_fadvise, advice);
		break;
	case UOP_MADVISE:
		a[0] = CMD(io_madvise, addr);
		a[1] = CMD(io_madvise, len);
		a[2] = CMD(io_madvise, advice);
		break;
	case UOP_MSG_RING:
		a[1] = CMD(io_msg, cmd);
		a[2] = CMD(io_msg, src_fd);
		a[3] = CMD(io_msg, dst_fd);
		break;
	case UOP_URING_CMD:
		op_args_command(s, req);
		break;
	case UOP_FILES_UPDATE:
		a[0] = -1;	/* this ring; which descriptors it has is the process's affair */
		a[1] = 6;	/* IORING_REGISTER_FILES_UPDATE */
		a[2] = CMD(io_rsrc_update, arg);
		a[3] = CMD(io_rsrc_update, nr_args);
		break;
	case UOP_FIXED_FD_INSTALL:
		a[1] = CMD(io_fixed_install, o_flags);
		break;
	case UOP_PIPE:
		a[0] = CMD(io_pipe, fds);
		a[1] = CMD(io_pipe, flags);
		s->wait.u.slot = CMD(io_pipe, file_slot);
		break;
	}
	return 0;
}

/* Fills s->c.args and s->in, both zero before. */
static __always_inline void op_args(struct scratch *s, __u64 req, __u32 opcode)
{
	s->c.args[0] = (__s64)(__s32)REQ(cqe.fd);
	op_args_path(s, req, opcode);
	op_args_net(s, req, opcode);
	op_args_file(s, req, opcode);
	op_args_rest(s, req, opcode);
}

/* ---- a submission that was refused ------------------------------------------------ */

#define SQE(type, at) (*(type *)(s->in.sqe + (at)))	/* struct io_uring_sqe: uapi, does not move */
#define SQE_FD ((__u64)(__s64)SQE(__s32, 4))
#define SQE_OFF SQE(__u64, 8)
#define SQE_ADDR SQE(__u64, 16)
#define SQE_LEN ((__u64)(__s64)SQE(__s32, 24))
#define SQE_FLAGS ((__u64)SQE(__u32, 28))
#define SQE_INDEX ((__u64)SQE(__u32, 44))
#define SQE_ADDR3 SQE(__u64, 48)

static __always_inline void sqe_set(struct scratch *s, __u64 a0, __u64 a1, __u64 a2, __u64 a3, __u64 a4)
{
	s->c.args[0] = a0;
	s->c.args[1] = a1;
	s->c.args[2] = a2;
	s->c.args[3] = a3;
	s->c.args[4] = a4;
}

static __always_inline void sqe_path(struct scratch *s, __u32 opcode)
{
	switch (opcode) {
	case UOP_OPENAT:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_FLAGS, SQE_LEN, 0);
		s->wait.u.slot = SQE_INDEX;
		break;
	case UOP_OPENAT2:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_OFF, SQE_LEN, 0);
		s->wait.u.slot = SQE_INDEX;
		break;
	case UOP_UNLINKAT:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_FLAGS, 0, 0);
		break;
	case UOP_RENAMEAT:
	case UOP_LINKAT:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_LEN, SQE_OFF, SQE_FLAGS);
		break;
	case UOP_SYMLINKAT:
		sqe_set(s, SQE_ADDR, SQE_FD, SQE_OFF, 0, 0);
		break;
	case UOP_MKDIRAT:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_LEN, 0, 0);
		break;
	case UOP_SETXATTR:
	case UOP_GETXATTR:
		sqe_set(s, SQE_ADDR3, SQE_ADDR, SQE_OFF, SQE_LEN, SQE_FLAGS);
		break;
	case UOP_FSETXATTR:
	case UOP_FGETXATTR:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_OFF, SQE_LEN, SQE_FLAGS);
		break;
	case UOP_STATX:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_FLAGS, SQE_LEN, SQE_OFF);
		break;
	}
}

static __always_inline void sqe_net(struct scratch *s, __u32 opcode)
{
	switch (opcode) {
	case UOP_CONNECT:
	case UOP_BIND:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_OFF, 0, 0);
		break;
	case UOP_ACCEPT:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_OFF, SQE_FLAGS, 0);
		s->wait.u.slot = SQE_INDEX;
		break;
	case UOP_LISTEN:
	case UOP_SHUTDOWN:
		sqe_set(s, SQE_FD, SQE_LEN, 0, 0, 0);
		break;
	case UOP_SOCKET:
		sqe_set(s, SQE_FD, SQE_OFF, SQE_LEN, 0, 0);
		s->wait.u.slot = SQE_INDEX;
		break;
	case UOP_SEND:
	case UOP_SEND_ZC:
	case UOP_RECV:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_LEN, SQE_FLAGS, opcode == UOP_RECV ? 0 : SQE_OFF);
		s->c.args[5] = opcode == UOP_RECV ? 0 : SQE(__u16, 44);
		break;
	case UOP_SENDMSG:
	case UOP_SENDMSG_ZC:
	case UOP_RECVMSG:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_FLAGS, 0, 0);
		break;
	}
}

static __always_inline void sqe_rest(struct scratch *s, __u32 opcode)
{
	switch (opcode) {
	case UOP_FALLOCATE:
		sqe_set(s, SQE_FD, SQE_LEN, SQE_OFF, SQE_ADDR, 0);
		break;
	case UOP_FTRUNCATE:
		sqe_set(s, SQE_FD, SQE_OFF, 0, 0, 0);
		break;
	case UOP_FADVISE:
	case UOP_SYNC_FILE_RANGE:
		sqe_set(s, SQE_FD, SQE_OFF, SQE_LEN, SQE_FLAGS, 0);
		break;
	case UOP_MADVISE:
		sqe_set(s, SQE_ADDR, SQE_LEN, SQE_FLAGS, 0, 0);
		break;
	case UOP_EPOLL_CTL:
		sqe_set(s, SQE_FD, SQE_LEN, SQE_OFF, 0, 0);
		break;
	case UOP_SPLICE:
		sqe_set(s, SQE_INDEX, 0, SQE_FD, 0, SQE_LEN);
		s->c.args[5] = SQE_FLAGS;
		break;
	case UOP_TEE:
		sqe_set(s, SQE_INDEX, SQE_FD, SQE_LEN, SQE_FLAGS, 0);
		break;
	case UOP_WAITID:
		sqe_set(s, SQE_LEN, SQE_FD, 0, SQE_INDEX, 0);
		break;
	case UOP_FUTEX_WAIT:
		sqe_set(s, SQE_ADDR, SQE_OFF, SQE_ADDR3, SQE_FD, 0);
		s->c.args[5] = 0;
		break;
	case UOP_FUTEX_WAKE:
		sqe_set(s, SQE_ADDR, SQE_ADDR3, SQE_OFF, SQE_FD, 0);
		break;
	case UOP_FUTEX_WAITV:
		sqe_set(s, SQE_ADDR, SQE_LEN, 0, 0, 0);
		break;
	case UOP_EPOLL_WAIT:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_LEN, -1, 0);
		break;
	case UOP_MSG_RING:
		sqe_set(s, SQE_FD, SQE_ADDR, SQE_ADDR3, SQE_INDEX, 0);
		break;
	case UOP_URING_CMD:
		sqe_set(s, SQE_FD, (__u32)SQE_OFF, 0, 0, 0);
		break;
	case UOP_FIXED_FD_INSTALL:
		sqe_set(s, SQE_FD, SQE_FLAGS, 0, 0, 0);
		break;
	case UOP_FILES_UPDATE:
		sqe_set(s, -1, 6, SQE_ADDR, SQE_LEN, 0);
		break;
	case UOP_PIPE:
		sqe_set(s, SQE_ADDR, SQE_FLAGS, 0, 0, 0);
		s->wait.u.slot = SQE_INDEX;
		break;
	}
}

/* Fills s->c.args from s->in.sqe. What no case names keeps what every submission has. */
__noinline int op_args_sqe(struct scratch *s, __u32 opcode)
{
	if (!s)
		return 0;
	sqe_set(s, SQE_FD, SQE_ADDR, SQE_LEN, SQE_OFF, SQE_FLAGS);
	s->c.args[5] = SQE_FLAGS;
	sqe_path(s, opcode);
	sqe_net(s, opcode);
	sqe_rest(s, opcode);
	return 0;
}

#endif
