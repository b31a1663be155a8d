/* SPDX-License-Identifier: Apache-2.0 */
/* layout.h - CloudTrail's names: where log files and digests lie in a bucket, and the ARN of a trail.
 * Pure functions; names longer than LAYOUT_KEY_MAX do not occur: the callers' texts are bounded. */
#ifndef HOSTTRAIL_STORE_LAYOUT_H
#define HOSTTRAIL_STORE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_KEY_MAX 1024
#define LAYOUT_NAME_MAX 128		/* of a trail */
#define LAYOUT_PREFIX_MAX 200
#define LAYOUT_ARN_MAX 256
#define LAYOUT_GROUP_MAX 255

/* What a file's name says of it. */
struct layout {
	const char *prefix, *account, *region;		/* prefix "" or NULL: none */
	int64_t seconds;				/* log file: of delivery; digest: of its end */
};

/* [prefix/]AWSLogs/<account>/CloudTrail/<region>/Y/M/D/<account>_CloudTrail_<region>_<time>_<16 letters and digits>.json.gz
 * The 16 characters follow from `seed`. */
void layout_log_key(const struct layout *l, const void *seed, unsigned n, char ret[LAYOUT_KEY_MAX]);
/* .../CloudTrail-Digest/<region>/Y/M/D/<account>_CloudTrail-Digest_<region>_<trail>_<home region>_<time>.json.gz */
void layout_digest_key(const struct layout *l, const char *trail, const char *home, char ret[LAYOUT_KEY_MAX]);
/* Is it a log file's or a digest's name, as above? *ret_seconds: the time in it, *ret_folder: length of the folder's part. */
bool layout_parse(const char *key, int64_t *ret_seconds, size_t *ret_folder);
void layout_arn(const char *region, const char *account, const char *name, char ret[LAYOUT_ARN_MAX]);

/* CloudTrail's rules for names of trails, S3's for names of buckets, and what a key prefix may hold. */
bool layout_trail_name(const char *name);
bool layout_bucket_name(const char *name);
bool layout_group_name(const char *name);	/* of CloudWatch Logs */
bool layout_prefix(const char *prefix);

#endif
