/* SPDX-License-Identifier: Apache-2.0 */
#include "digestfile.h"

#include <errno.h>

#include "digester.h"
#include "lib/clock.h"

#define HASH_ALGORITHM "SHA-256"

static void json_seconds(struct json *j, const char *key, int64_t seconds)
{
	char text[21];

	clock_iso(seconds, text);
	json_string(j, key, text);
}

/* Event times as records show them; 0: there is none. */
static void json_event_time(struct json *j, const char *key, int64_t ns)
{
	if (ns)
		json_seconds(j, key, ns / (int64_t)NS_PER_SEC - (ns % (int64_t)NS_PER_SEC < 0));
	else
		json_null(j, key);
}

void digestfile_add(struct digestfile *f, const struct log_row *r)
{
	struct json *j = &f->j;

	j->out = &f->logs;
	json_open(j, NULL, '{');
	json_string(j, "s3Bucket", r->bucket);
	json_string(j, "s3Object", r->key);
	json_string(j, "hashValue", r->hash);
	json_string(j, "hashAlgorithm", HASH_ALGORITHM);
	json_event_time(j, "newestEventTime", r->newest);
	json_event_time(j, "oldestEventTime", r->oldest);
	json_close(j, '}');
	if (!f->oldest || r->oldest < f->oldest)
		f->oldest = r->oldest;
	if (!f->newest || r->newest > f->newest)
		f->newest = r->newest;
}

static void json_string_or_null(struct json *j, const char *key, const char *v)
{
	if (v)
		json_string(j, key, v);
	else
		json_null(j, key);
}

int digestfile_finish(struct digestfile *f, const struct digest_row *row, const struct digest_row *previous, struct buf *ret_json)
{
	struct json j = { .out = ret_json };

	json_open(&j, NULL, '{');
	json_string(&j, "awsAccountId", row->account);
	json_seconds(&j, "digestStartTime", row->begin);
	json_seconds(&j, "digestEndTime", row->end);
	json_string(&j, "digestS3Bucket", row->bucket);
	json_string(&j, "digestS3Object", row->key);
	json_string(&j, "digestPublicKeyFingerprint", row->fingerprint);
	json_string(&j, "digestSignatureAlgorithm", DIGEST_ALGORITHM);
	json_event_time(&j, "newestEventTime", f->newest);
	json_event_time(&j, "oldestEventTime", f->oldest);
	json_string_or_null(&j, "previousDigestS3Bucket", previous ? previous->bucket : NULL);
	json_string_or_null(&j, "previousDigestS3Object", previous ? previous->key : NULL);
	json_string_or_null(&j, "previousDigestHashValue", previous ? previous->hash : NULL);
	json_string_or_null(&j, "previousDigestHashAlgorithm", previous ? HASH_ALGORITHM : NULL);
	json_string_or_null(&j, "previousDigestSignature", previous ? previous->signature : NULL);
	json_open(&j, "logFiles", '[');
	buf_add(ret_json, f->logs.p, f->logs.n);
	json_close(&j, ']');
	json_close(&j, '}');
	return ret_json->failed || f->logs.failed ? -ENOMEM : 0;
}

int digestfile_to_sign(const struct digest_row *row, const struct digest_row *previous, struct buf *ret)
{
	char end[21];

	clock_iso(row->end, end);
	return buf_addf(ret, "%s\n%s/%s\n%s\n%s", end, row->bucket, row->key, row->hash, previous ? previous->signature : "null");
}
