/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket.h - places that trails deliver to, as the store's settings name them: local directories and S3-compatible endpoints.
 *
 *   NAME /directory [retention_days=N]             files are removed when they are older (store/retention/)
 *   NAME https://host[:port] [option=value]...    region, credentials (a file as AWS's), profile, bucket (its name there,
 *                                                 if it is another), sse (AES256 or aws:kms), kms_key, lock (GOVERNANCE or
 *                                                 COMPLIANCE), lock_days, ca (a file of certificates)
 *
 * Log groups of CloudWatch Logs are named in the same way, at endpoints only; their options are region, credentials, profile,
 * bucket (the group's name there) and ca.
 *
 * Webhooks: NAME and a whole URL; their options are credentials and profile (whose secret signs), selectors and pattern (a file each), and ca.
 *
 * An object is whole or not there. In a directory its headers lie beside it, in <key>BUCKET_HEADERS; these files are
 * written first, so that no object is seen without them.
 *
 * Errors: 0 or -errno, and in why one word as S3's error codes are ("NoSuchBucket", "AccessDenied", "SlowDown", ...), or
 * a sentence where S3 has none. Threads: any; a struct bucket does not change.
 */
#ifndef HOSTTRAIL_STORE_BUCKET_H
#define HOSTTRAIL_STORE_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define BUCKETS_MAX 64
#define BUCKET_WHY_MAX 256
#define BUCKET_HEADERS ".headers"
#define BUCKET_OBJECT_MAX (128u << 20)	/* what is read back, at most */
#define OBJECT_META_MAX 4

struct conf_list;
struct bucket;
struct buckets;

/* User metadata: "x-amz-meta-" comes before the name. */
struct object_meta {
	const char *name, *value;
};

struct object {
	const char *key, *type, *encoding;	/* encoding NULL: none */
	const void *p;
	size_t n;
	struct object_meta meta[OBJECT_META_MAX];
	unsigned nmeta;
	const char *kms_key;			/* NULL: as the bucket says */
	bool again;				/* it may be there already, from an attempt whose end is not known */
};

/* why: one line for people (BUCKET_WHY_MAX). Reads the credentials files. */
int buckets_load(const struct conf_list *lines, struct buckets **ret_b, char *why);
int groups_load(const struct conf_list *lines, struct buckets **ret_b, char *why);
int hooks_load(const struct conf_list *lines, struct buckets **ret_b, char *why);
void buckets_free(struct buckets **b);		/* NULL-safe */
void buckets_stop(struct buckets *b);		/* transfers that run end with -ECANCELED, from now on */
void buckets_go(struct buckets *b);		/* not any more */
const struct bucket *buckets_find(const struct buckets *b, const char *name);	/* NULL: there is none; b may be NULL */

const struct bucket *buckets_at(const struct buckets *b, unsigned i);	/* NULL behind the last */

const char *bucket_name(const struct bucket *b);
bool bucket_is_local(const struct bucket *b);
int bucket_retention(const struct bucket *b);	/* days; 0: its files are never removed */
/* Can it be written to, as far as that shows without writing an object? */
int bucket_check(const struct bucket *b, char *why);
/* May so much more come that need not? A local one keeps some of its disk for log files (fsx_has_room()). */
bool bucket_has_room(const struct bucket *b, uint64_t bytes);
/* A directory's mark: the name of the bucket that it is, once that was locked or held. 0; -ENOENT: it has none, or is none. */
#define BUCKET_MARK_MAX 128
int bucket_mark(const struct bucket *b, char ret[BUCKET_MARK_MAX]);
void bucket_set_mark(const struct bucket *b);		/* logs what fails */
bool bucket_is_empty(const struct bucket *b);		/* or not there */
int bucket_put(const struct bucket *b, const struct object *o, char *why);
/* Bytes and headers ("name: value\n" each) of an object, appended. -ENOENT: there is none. */
int bucket_get(const struct bucket *b, const char *key, struct buf *body, struct buf *headers, char *why);
uint64_t bucket_size(const struct bucket *b, const char *key);	/* of a local object; 0: it is not there */
/* A local object and its headers, and folders that are empty then; 0 also when it is not there. */
int bucket_remove(const struct bucket *b, const char *key, char *why);

/* Keys that begin with prefix and come after marker, in the order of their bytes; local ones only. fn returns
 * other than 0 to stop. */
struct bucket_entry {
	const char *key;
	uint64_t bytes;
	int64_t modified;	/* seconds */
};
typedef int (*bucket_list_fn)(void *ctx, const struct bucket_entry *e);
int bucket_list(const struct bucket *b, const char *prefix, const char *marker, bucket_list_fn fn, void *ctx);

#endif
