/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls.h - the one table of calls. calls.def says, for every kernel name: family, category, ring class,
 * readOnly, hook, arguments with kind and truth grade. The probes follow it through
 * struct ht_call_desc (calls_descs), the decoder through struct call. Numbers per ABI stand in
 * one file an architecture (arch_x86_64.c).
 */
#ifndef HOSTTRAIL_CALLS_H
#define HOSTTRAIL_CALLS_H

#include "bpf/event.h"
#include "proto/record.h"

struct call;				/* one row; defined in calls_internal.h */

unsigned calls_count(void);		/* descriptors, index 0 is "not captured", 1 "unknown_syscall" */
const struct ht_call_desc *calls_descs(void);		/* [calls_count()] */
/* Descriptor index of each number of an ABI: 0 known and not captured, HT_CALL_UNKNOWN no such call. */
const uint16_t *calls_index(enum ht_abi abi);		/* [HT_NR_MAX]; all unknown if this machine lacks the ABI */
/* The same for the calls that i386's socketcall (0) and ipc (1) stand for, by their first argument. */
uint16_t calls_behind(unsigned multiplexer, uint32_t number);
bool calls_high_rate(unsigned call);		/* captured only where probes_config.calls says so */
bool calls_multiplexer(unsigned call);		/* is it one of these two? */
const char *calls_name(unsigned call);			/* kernel name; NULL out of range */
unsigned calls_lookup(const char *name);		/* 0: none */
const char *arch_tls_missing(void);			/* why this architecture has no probes of TLS libraries; NULL: it has */
const char *calls_nr_name(enum ht_abi abi, uint32_t nr);/* any known number's name, captured or not */
const char *errno_name(int err);			/* positive errno; "E123" forms for unknown ones are never NULL */

#endif
