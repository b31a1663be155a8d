// SPDX-License-Identifier: Apache-2.0
#include "uring.h"

#include <bpf/btf.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "lib/cleanup.h"

/* In the order of enum io_uring_op, which only ever grows at its end. No call: nothing that anybody needs to know. */
static const struct {
	const char *name, *call;
} ops[] = {
	{ "NOP", NULL },
	{ "READV", "preadv2" },
	{ "WRITEV", "pwritev2" },
	{ "FSYNC", "fsync" },
	{ "READ_FIXED", "pread64" },
	{ "WRITE_FIXED", "pwrite64" },
	{ "POLL_ADD", NULL },
	{ "POLL_REMOVE", NULL },
	{ "SYNC_FILE_RANGE", "sync_file_range" },
	{ "SENDMSG", "sendmsg" },
	{ "RECVMSG", "recvmsg" },
	{ "TIMEOUT", NULL },
	{ "TIMEOUT_REMOVE", NULL },
	{ "ACCEPT", "accept4" },
	{ "ASYNC_CANCEL", NULL },
	{ "LINK_TIMEOUT", NULL },
	{ "CONNECT", "connect" },
	{ "FALLOCATE", "fallocate" },
	{ "OPENAT", "openat" },
	{ "CLOSE", "close" },
	{ "FILES_UPDATE", "io_uring_register" },
	{ "STATX", "statx" },
	{ "READ", "pread64" },
	{ "WRITE", "pwrite64" },
	{ "FADVISE", "fadvise64" },
	{ "MADVISE", "madvise" },
	{ "SEND", "sendto" },
	{ "RECV", "recvfrom" },
	{ "OPENAT2", "openat2" },
	{ "EPOLL_CTL", "epoll_ctl" },
	{ "SPLICE", "splice" },
	{ "PROVIDE_BUFFERS", NULL },
	{ "REMOVE_BUFFERS", NULL },
	{ "TEE", "tee" },
	{ "SHUTDOWN", "shutdown" },
	{ "RENAMEAT", "renameat2" },
	{ "UNLINKAT", "unlinkat" },
	{ "MKDIRAT", "mkdirat" },
	{ "SYMLINKAT", "symlinkat" },
	{ "LINKAT", "linkat" },
	{ "MSG_RING", "io_uring_msg_ring" },
	{ "FSETXATTR", "fsetxattr" },
	{ "SETXATTR", "setxattr" },
	{ "FGETXATTR", "fgetxattr" },
	{ "GETXATTR", "getxattr" },
	{ "SOCKET", "socket" },
	{ "URING_CMD", "io_uring_cmd" },
	{ "SEND_ZC", "sendto" },
	{ "SENDMSG_ZC", "sendmsg" },
	{ "READ_MULTISHOT", "read" },
	{ "WAITID", "waitid" },
	{ "FUTEX_WAIT", "futex_wait" },
	{ "FUTEX_WAKE", "futex_wake" },
	{ "FUTEX_WAITV", "futex_waitv" },
	{ "FIXED_FD_INSTALL", "io_uring_fixed_fd_install" },
	{ "FTRUNCATE", "ftruncate" },
	{ "BIND", "bind" },
	{ "LISTEN", "listen" },
	{ "RECV_ZC", "recvfrom" },
	{ "EPOLL_WAIT", "epoll_wait" },
	{ "READV_FIXED", "preadv2" },
	{ "WRITEV_FIXED", "pwritev2" },
	{ "PIPE", "pipe2" },
};

struct str uring_op_name(uint32_t opcode, char room[12])
{
	if (opcode < ARRAY_SIZE(ops))
		return (struct str){ ops[opcode].name, strlen(ops[opcode].name) };
	return (struct str){ room, (size_t)snprintf(room, 12, "%u", opcode) };
}

const char *uring_twin(uint8_t opcode)
{
	return opcode < ARRAY_SIZE(ops) ? ops[opcode].call : "unknown_io_uring_op";
}

const char *uring_form(unsigned form, uint8_t *ret_opcode)
{
	static const struct {
		uint8_t opcode;
		const char *call;
	} forms[HT_FORM__MAX] = {
		[HT_FORM_FDATASYNC] = { 3, "fdatasync" },
		[HT_FORM_GETSOCKOPT] = { 46, "getsockopt" },
		[HT_FORM_SETSOCKOPT] = { 46, "setsockopt" },
	};

	*ret_opcode = forms[form].opcode;
	return forms[form].call;
}

uint16_t uring_call(uint8_t opcode)
{
	const char *name = uring_twin(opcode);

	return name ? (uint16_t)calls_lookup(name) : 0;
}

/* ---- this kernel --------------------------------------------------------------------------- */

/* Enumerators of a nameless enum: the bits of a request's flags are renumbered now and then. */
static uint64_t bit_of(const struct btf *btf, const struct btf_type *t, const char *name)
{
	const struct btf_enum *e = btf_enum(t);

	for (unsigned i = 0; i < btf_vlen(t); i++, e++) {
		const char *s = btf__str_by_offset(btf, e->name_off);

		if (s && !strcmp(s, name) && e->val >= 0 && e->val < 32)
			return 1ull << e->val;
	}
	return 0;
}

static void find_bits(const struct btf *btf, struct uring_kernel *k)
{
	for (unsigned id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *first;

		if (!btf_is_enum(t) || !btf_vlen(t))
			continue;
		first = btf__str_by_offset(btf, btf_enum(t)->name_off);
		if (!first || strcmp(first, "REQ_F_FIXED_FILE_BIT"))
			continue;
		k->creds = bit_of(btf, t, "REQ_F_CREDS_BIT");
		k->multishot = bit_of(btf, t, "REQ_F_APOLL_MULTISHOT_BIT");
		return;
	}
}

void uring_kernel_find(const struct btf *btf, struct uring_kernel *ret_k)
{
	int id = btf__find_by_name_kind(btf, "btf_trace_io_uring_complete", BTF_KIND_TYPEDEF);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (unsigned)id) : NULL;

	memset(ret_k, 0, sizeof(*ret_k));
	if (t)
		t = btf__type_by_id(btf, t->type);	/* the pointer, and then the function */
	if (t && btf_is_ptr(t))
		t = btf__type_by_id(btf, t->type);
	ret_k->cqe = t && btf_is_func_proto(t) && btf_vlen(t) == 4;
	find_bits(btf, ret_k);
}
