/* SPDX-License-Identifier: Apache-2.0 */
/* logfile.h - one CloudTrail log file while it is written: {"Records":[...]}, compressed as one gzip member as it grows,
 * with the hash of what it holds uncompressed. The same records give the same bytes. One thread at a time. */
#ifndef HOSTTRAIL_STORE_LOGFILE_H
#define HOSTTRAIL_STORE_LOGFILE_H

#include "lib/buf.h"

#define LOGFILE_MAX (50u << 20)		/* CloudTrail's limit, before compression */

struct logfile;

struct logfile_end {
	struct buf gz;			/* the caller's, buf_free() it */
	uint8_t sha256[32];		/* of the uncompressed text */
	uint64_t records, bytes;	/* bytes: uncompressed */
	int64_t oldest, newest;		/* event times, wall clock ns */
};

int logfile_new(struct logfile **ret_f);				/* 0 or -ENOMEM */
void logfile_free(struct logfile **f);					/* NULL-safe */
/* json: one record. time: its event's. 0, -ENOMEM. After an error the file is only good for logfile_free(). */
int logfile_add(struct logfile *f, const void *json, size_t n, int64_t time);
uint64_t logfile_bytes(const struct logfile *f);			/* uncompressed, so far */
/* Ends the text; the file is only good for logfile_free() then. */
int logfile_finish(struct logfile *f, struct logfile_end *ret_e);

#endif
