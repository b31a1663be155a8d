/* SPDX-License-Identifier: Apache-2.0 */
/* bucket_internal.h - one bucket as its two kinds see it. */
#ifndef HOSTTRAIL_STORE_BUCKET_INTERNAL_H
#define HOSTTRAIL_STORE_BUCKET_INTERNAL_H

#include "bucket.h"

struct bucket {
	char *name, *directory;		/* directory NULL: at an endpoint */
	char *endpoint, *region, *remote, *key_id, *secret, *sse, *kms_key, *lock, *ca, *selectors, *pattern;
	unsigned lock_days;
	int retention_days;		/* of a directory's files; 0: for ever */
	const bool *stop;		/* atomic */
};

int bucket_say(char *why, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));	/* returns r */

int dir_check(const struct bucket *b, char *why);
int dir_put(const struct bucket *b, const struct object *o, char *why);
int dir_get(const struct bucket *b, const char *key, struct buf *body, struct buf *headers, char *why);
uint64_t dir_size(const struct bucket *b, const char *key);
int dir_remove(const struct bucket *b, const char *key, char *why);
int dir_list(const struct bucket *b, const char *prefix, const char *marker, bucket_list_fn fn, void *ctx);

int s3_check(const struct bucket *b, char *why);
int s3_put(const struct bucket *b, const struct object *o, char *why);
int s3_get(const struct bucket *b, const char *key, struct buf *body, struct buf *headers, char *why);

#endif
