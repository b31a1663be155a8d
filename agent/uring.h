/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring.h - io_uring's operations: which system call does the same, by opcode.
 *
 * An operation is recorded as its twin, by the twin's row in calls.def, and only if that row is recorded. Operations
 * without a twin have rows of their own there; those that nothing needs to be known of have none. Thread-safe: constant.
 */
#ifndef HOSTTRAIL_URING_H
#define HOSTTRAIL_URING_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "proto/record.h"

#define URING_OPS 256

/* Name as in the kernel's header without IORING_OP_, "OPENAT"; decimal digits in `room` for one that is not known. */
struct str uring_op_name(uint32_t opcode, char room[12]);
/* Descriptor index of its row, 0: none. Opcodes that no table knows have the row of unknown_io_uring_op. */
uint16_t uring_call(uint8_t opcode);
/* Kernel name of the call it stands for; NULL: none. */
const char *uring_twin(uint8_t opcode);

/* Kernel name of the call that a form (enum ht_uring_form) of an opcode stands for; the opcode stands for another one, too. */
const char *uring_form(unsigned form, uint8_t *ret_opcode);

/* What the probes must know of this kernel's io_uring and only its BTF tells. */
struct btf;
struct uring_kernel {
	bool cqe;			/* io_uring_complete's last argument is the CQE itself */
	uint64_t creds, multishot;	/* request flags; 0: not found */
};
void uring_kernel_find(const struct btf *btf, struct uring_kernel *ret_k);

#endif
