/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * uring_types.bpf.h - io_uring's structures, as far as anything is read of them.
 *
 * They are the kernel's private ones: own flavours, each field looked up in the running kernel's BTF, and read as 0 where it is
 * not there.
 */
#ifndef HOSTTRAIL_URING_TYPES_BPF_H
#define HOSTTRAIL_URING_TYPES_BPF_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct io_wq_work_node___ht {
	void *next;
};
struct io_wq_work_list___ht {
	void *first, *last;
};
struct io_submit_link___ht {
	void *head;
};
struct io_submit_state___ht {
	struct io_wq_work_list___ht compl_reqs;
	struct io_submit_link___ht link;
};
struct io_submit_state___cqes {
	__u32 cqes_count;	/* 6.2 to 6.8: results of multishot operations that wait to be told */
};
struct io_ring_ctx___cqes {
	struct io_submit_state___cqes submit_state;
};
struct io_cqe___ht {
	__u64 user_data;
	__s32 res;
	__s32 fd;
};
struct io_kiocb___ht {
	void *file;
	__u8 opcode;
	__u32 flags;		/* 64 bits since 6.9; those that are asked for are below */
	struct io_cqe___ht cqe;
	void *ctx;
	struct io_wq_work_node___ht comp_list;
	void *async_data;
	void *creds;
};
struct io_ring_ctx___ht {
	__u32 flags, cached_sq_head, sq_entries;
	void *sq_array, *sq_sqes;
	struct io_submit_state___ht submit_state;
};
struct filename___ht {
	void *name;
};
struct io_open___ht {
	__s32 dfd;
	__u32 file_slot;
	void *filename;
	struct open_how how;
};
struct io_unlink___ht {
	__s32 dfd, flags;
	void *filename;
};
struct io_rename___ht {
	__s32 old_dfd, new_dfd;
	void *oldpath, *newpath;
	__s32 flags;
};
struct io_mkdir___ht {
	__s32 dfd;
	__u16 mode;
	void *filename;
};
struct io_link___ht {
	__s32 old_dfd, new_dfd;
	void *oldpath, *newpath;
	__s32 flags;
};
struct xattr_ctx___ht {
	__u64 size;
	void *kname;
	__u32 flags;
};
struct io_xattr___ht {		/* 6.13 renamed the type of ctx, with the same members */
	struct xattr_ctx___ht ctx;
	void *filename;
};
struct kernel_xattr_ctx___ht {
	__u64 size;
	void *kname;
	__u32 flags;
};
struct io_xattr___new {
	struct kernel_xattr_ctx___ht ctx;
	void *filename;
};
struct io_statx___ht {
	__s32 dfd;
	__u32 mask, flags;
	void *filename, *buffer;
};
struct io_sync___ht {
	__u64 len, off;
	__s32 flags, mode;
};
struct io_ftrunc___ht {
	__u64 len;
};
struct io_connect___ht {
	void *addr;
	__s32 addr_len;
};
struct io_bind___ht {
	__s32 addr_len;
};
struct io_listen___ht {
	__s32 backlog;
};
struct io_accept___ht {
	void *addr, *addr_len;
	__s32 flags;
	__u32 file_slot;
};
struct io_socket___ht {
	__s32 domain, type, protocol;
	__u32 file_slot;
};
struct io_shutdown___ht {
	__s32 how;
};
struct io_close___ht {
	__s32 fd;
	__u32 file_slot;
};
struct io_sr_msg___ht {
	void *buf, *addr;
	__u32 len, msg_flags, done_io;
	__u16 addr_len;
};
struct kiocb___ht {
	__u64 ki_pos;
};
struct io_rw___ht {
	struct kiocb___ht kiocb;
	__u64 addr;
	__u32 len, flags;
};
struct io_recvzc___ht {
	__u32 msg_flags, len;
};
struct io_waitid___ht {
	__s32 which, upid, options;
};
struct io_epoll_wait___ht {
	__s32 maxevents;
};
struct io_splice___ht {
	__u64 off_out, off_in, len;
	__s32 splice_fd_in;
	__u32 flags;
};
struct io_epoll___ht {
	__s32 epfd, op, fd;
	struct epoll_event event;
};
struct io_fadvise___ht {
	__u64 offset;
	__u32 len, advice;
};
struct io_madvise___ht {
	__u64 addr;
	__u32 len, advice;
};
struct io_msg___ht {
	__u32 cmd, src_fd, dst_fd;
};
struct io_uring_cmd___ht {
	void *sqe;		/* since 6.6, before which sockets have no commands */
	__u32 cmd_op;
};
struct io_rsrc_update___ht {
	__u64 arg;
	__u32 nr_args, offset;
};
struct io_fixed_install___ht {
	__u32 o_flags;
};
struct io_futex___ht {
	void *uaddr;
	__u64 futex_val, futex_mask;
	__u32 futex_flags, futex_nr;
};
struct io_pipe___ht {
	void *fds;
	__s32 flags;
	__u32 file_slot;
};
struct msghdr___ht {
	void *msg_name;
	__s32 msg_namelen;
};
struct io_async_msghdr___ht {
	struct msghdr___ht msg;
	struct __kernel_sockaddr_storage addr;
};
struct io_async_connect___ht {	/* gone since 6.10: from then on addresses are copied when the request is prepared */
	struct __kernel_sockaddr_storage address;
};

/* Where a ring keeps its registered files: an array of words, or (6.13) of pointers to nodes with one. */
struct io_fixed_file___ht {
	__u64 file_ptr;
};
struct io_file_table___old {
	void *files;
};
struct io_ring_ctx___old {
	struct io_file_table___old file_table;
	__u32 nr_user_files;
};
struct io_rsrc_node___new {
	__u64 file_ptr;
};
struct io_rsrc_data___new {
	__u32 nr;
	void *nodes;
};
struct io_file_table___new {
	struct io_rsrc_data___new data;
};
struct io_ring_ctx___new {
	struct io_file_table___new file_table;
};

#pragma clang attribute pop

#define REQ(field) KREAD(struct io_kiocb___ht, req, field)
#define CMD(type, field) \
	(bpf_core_field_exists(((struct type##___ht *)0)->field) ? KREAD(struct type##___ht, req, field) : 0)

#endif
