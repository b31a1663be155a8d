/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stacks.h - the table of TLS libraries: their functions, and where arguments and results lie. A new library is a row.
 *
 * The part that the kernel needs of a function is struct ht_tls_func (bpf/event.h), told it by index; user space finds functions
 * by these rows. Static, read-only.
 */
#ifndef HOSTTRAIL_TLS_STACKS_H
#define HOSTTRAIL_TLS_STACKS_H

#include "bpf/event.h"

struct tls_func {
	const char *stack;	/* "openssl" */
	const char *symbol;	/* "SSL_read_ex"; Go: "crypto/tls.(*Conn).Read" */
	struct ht_tls_func k;
};

extern const struct tls_func tls_funcs[];
extern const unsigned tls_nfuncs;	/* at most HT_TLS_FUNCS_MAX; index 0 is not used */

#endif
