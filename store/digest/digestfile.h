/* SPDX-License-Identifier: Apache-2.0 */
/* digestfile.h - what a digest says, and the text that its signature is over. Pure functions. */
#ifndef HOSTTRAIL_STORE_DIGESTFILE_H
#define HOSTTRAIL_STORE_DIGESTFILE_H

#include "lib/buf.h"
#include "proto/json.h"
#include "store/delivery/ledger.h"

/* Digest files grow log by log, then end. */
struct digestfile {
	struct buf logs;
	struct json j;
	int64_t oldest, newest;		/* of the records; 0: there are none */
};

void digestfile_add(struct digestfile *f, const struct log_row *r);
/* row: account, region, bucket, key, fingerprint, begin, end; previous NULL: it begins a chain. -ENOMEM. */
int digestfile_finish(struct digestfile *f, const struct digest_row *row, const struct digest_row *previous, struct buf *ret_json);
/* hash: hex SHA-256 of the JSON. */
int digestfile_to_sign(const struct digest_row *row, const struct digest_row *previous, struct buf *ret);

#endif
