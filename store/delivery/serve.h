/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.h - the reading half of S3's API over the trails' buckets: GetBucketLocation, ListObjects (both versions, without
 * delimiters), GetObject and HeadObject, so that AWS's tools can check log files where the store keeps them.
 *
 * Directories are listed and read; objects at endpoints are fetched for those who ask, one at a time, and not listed.
 * The caller has checked the signature. Threads: any. Bounds: SERVE_KEYS_MAX keys a page, one object in memory.
 */
#ifndef HOSTTRAIL_STORE_SERVE_H
#define HOSTTRAIL_STORE_SERVE_H

#include <stdbool.h>

#include "lib/buf.h"
#include "store/store.h"

#define SERVE_KEYS_MAX 1000
#define SERVE_KEY_MAX 1024

struct serve_reply {
	unsigned status;
	const char *type;
	char error[64];			/* S3's code; "": there is none */
	struct buf body, headers;	/* headers: "Name: value\n" each */
};

/* What a request asks for, decoded from its URI as it was sent. */
struct serve_request {
	char bucket[64], key[SERVE_KEY_MAX + 1], prefix[SERVE_KEY_MAX + 1], marker[SERVE_KEY_MAX + 1];
	bool location, encode, second;	/* second: ListObjectsV2 */
	bool unknown;			/* asks for something that is not here: ?acl, ?versions, a delimiter */
	unsigned max;
};

/* 0, or -EINVAL: it is no request for a bucket or an object. */
int serve_parse(const char *uri, struct serve_request *ret_q);
void serve_get(struct store *st, const char *uri, struct serve_reply *r);
void serve_error(struct serve_reply *r, unsigned status, const char *code, const char *message);
void serve_reply_free(struct serve_reply *r);

#endif
