/* SPDX-License-Identifier: Apache-2.0 */
/* sigv4_internal.h - the steps of Signature Version 4 that signing and verifying share. */
#ifndef HOSTTRAIL_SIGV4_INTERNAL_H
#define HOSTTRAIL_SIGV4_INTERNAL_H

#include "sigv4.h"

/* Borrowed text that need not end in NUL. */
struct sigv4_text { const char *p; size_t n; };

struct sigv4_terms {
	struct sigv4_text date, region, service;	/* of the credential scope */
	const char *amz_date;				/* "20261122T101530Z" */
	const struct sigv4_text *signed_headers;	/* names, in the order in which they are signed */
	unsigned nsigned;
};

/* The signature as 64 hex digits. -ENOMEM. */
int sigv4_compute(const struct sigv4_request *r, const struct sigv4_terms *t, const char *secret, char ret_hex[65]);
void sigv4_canonical_path(const char *path, struct buf *out);
void sigv4_canonical_query(const char *query, struct buf *out);

#endif
