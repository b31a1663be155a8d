/* SPDX-License-Identifier: Apache-2.0 */
/* sigv4.h - AWS Signature Version 4 (AWS4-HMAC-SHA256), both ends: the CLI signs, the store verifies.
 * Pure functions over strings; no I/O, no clock: the caller gives the time. Thread-safe. */
#ifndef HOSTTRAIL_SIGV4_H
#define HOSTTRAIL_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define SIGV4_SKEW_SECONDS 300
#define SIGV4_HEADERS_MAX 64		/* signed ones */

struct sigv4_header { const char *name, *value; };	/* any case; values as received */
struct sigv4_request {
	const char *method, *path, *query;		/* path and query as sent (raw); query without '?', may be "" */
	const struct sigv4_header *headers;
	unsigned nheaders;
	const void *body;
	size_t body_len;
	bool s3;	/* the path is signed as it was sent: S3's keys are any text, other services' paths are normalised */
};

enum sigv4_result {
	SIGV4_OK = 0,
	SIGV4_MISSING,		/* no Authorization: MissingAuthenticationTokenException */
	SIGV4_INCOMPLETE,	/* malformed: IncompleteSignatureException */
	SIGV4_UNKNOWN_KEY,	/* UnrecognizedClientException */
	SIGV4_MISMATCH,		/* wrong key, altered body or header: InvalidSignatureException */
	SIGV4_EXPIRED,		/* skew beyond 5 minutes: InvalidSignatureException, AWS's own wording */
	SIGV4_SCOPE,		/* credential scope of another date, region or service */
};
/* Secret for an access key id into ret[129]; 0 or -ENOENT. */
typedef int (*sigv4_secret_fn)(void *ctx, const char *access_key_id, char ret_secret[129]);

/* What the credential scope must name. */
struct sigv4_scope { const char *region, *service; };	/* region NULL: any */

/* Verifies. The host, the date and every x-amz-* header (but x-amz-user-agent) must be signed; the
 * body is hashed and compared. ret_access_key is set on SIGV4_OK only. message is replaced: AWS's error text for people. */
enum sigv4_result sigv4_verify(const struct sigv4_request *r, const struct sigv4_scope *scope, int64_t now_seconds,
			       sigv4_secret_fn secret, void *ctx, char ret_access_key[129], struct buf *message);
/* Authorization header value for a request whose headers already hold host and x-amz-date; signs all of them.
 * 0, -EINVAL (amz_date is malformed), -ENOMEM. */
int sigv4_sign(const struct sigv4_request *r, const char *service, const char *region, const char *access_key_id,
	       const char *secret, const char *amz_date, struct buf *ret_authorization);

#endif
