/* SPDX-License-Identifier: Apache-2.0 */
/* s3sign.h - a request to an S3-compatible endpoint: its URL, its headers, signed. No I/O and no clock: the caller gives
 * the time. Thread-safe. */
#ifndef HOSTTRAIL_STORE_S3SIGN_H
#define HOSTTRAIL_STORE_S3SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "proto/sigv4.h"

#define S3_HEADERS_MAX 24

/* Values of headers are borrowed from the caller. */
struct s3_request {
	const char *method;
	struct buf url, path;		/* path: as sent, encoded */
	struct sigv4_header headers[S3_HEADERS_MAX];
	unsigned nheaders;
	char host[256], date[17], hash[65];
	struct buf authorization;
};

/* Sets url, path and host. key NULL: the bucket itself; bucket NULL: /. -ENOMEM, -EINVAL: the endpoint makes no sense. */
int s3_address(struct s3_request *q, const char *endpoint, const char *bucket, const char *key);
/* Headers to be signed and sent; values are kept by the caller until the request is over. -E2BIG. */
int s3_header(struct s3_request *q, const char *name, const char *value);
/* Adds host, date and hash of the body, and the authorization. */
int s3_sign(struct s3_request *q, const char *service, const void *body, size_t n, int64_t now_seconds, const char *region,
	    const char *key_id, const char *secret);
void s3_request_free(struct s3_request *q);
/* What an error's body calls itself: <Code>NoSuchBucket</Code>. "HTTP <status>" where it has none. */
void s3_error_code(const void *p, size_t n, long status, char *ret, size_t size);

#endif
