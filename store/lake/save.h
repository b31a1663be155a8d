/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save.h - results of queries as CSV files in a bucket, signed: <prefix>/AWSLogs/<account>/CloudTrail-Lake/Query/<year>/<month>/<day>/
 * <query>/result_<n>.csv.gz, and result_sign.json beside them, as CloudTrail Lake has them.
 *
 * The hashes are over the files as they lie there; the signature is by the key that signs digests (ListPublicKeys). Buckets are those of
 * the store's settings. Threads: any.
 */
#ifndef HOSTTRAIL_STORE_LAKE_SAVE_H
#define HOSTTRAIL_STORE_LAKE_SAVE_H

#include "lake_internal.h"

struct save_place {
	char bucket[64], prefix[1024];
};

/* "s3://bucket[/prefix]". 0, -EINVAL: no such URI; -ENOENT: a bucket that the settings do not name. */
int save_place_of(struct lake *l, const char *uri, struct save_place *ret_p);
/* Gives DeliveryStatus. */
const char *save_results(struct lake *l, const struct query_row *q, const struct save_place *p);

#endif
