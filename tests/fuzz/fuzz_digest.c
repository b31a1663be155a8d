/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A digest as a bucket may hold it, beside what the store may say of it: parts between 0s are ListDigests' row, the row before it, the keys that
 * the store knows, the digest, and the signature that came with it. Whatever it is, it is judged; log files that it names are not fetched.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "tools/trailcheck_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct parts {
	const char *p;
	size_t n;
};

static unsigned faults;

static void on_fault(void *ctx, const char *text)
{
	if (!*text)
		abort();
	faults++;
}

/* The next part, as a text of its own. */
static char *next(struct parts *in)
{
	size_t n = strnlen(in->p, in->n);
	char *text = strndup(in->p, n);

	if (!text)
		abort();
	in->p += n + (n < in->n);
	in->n -= n + (n < in->n);
	return text;
}

static struct json_object *next_json(struct parts *in)
{
	char *text = next(in);
	struct json_object *o = json_tokener_parse(text);

	free(text);
	return o;
}

/* All log files that it names have been read. */
static void nothing_to_fetch(struct check *c, const char *digest)
{
	struct json_object *d = json_tokener_parse(digest), *logs = member_at(d, "logFiles");

	for (size_t i = 0; json_object_is_type(logs, json_type_array) && i < json_object_array_length(logs); i++) {
		struct json_object *log = json_object_array_get_idx(logs, i);

		if (check_unread(c, member_text(log, "s3Bucket"), member_text(log, "s3Object")) < 0)
			abort();
	}
	json_object_put(d);
}

static void forget(struct check *c)
{
	struct named *n, *next;

	HASH_ITER(hh, c->names, n, next) {
		HASH_DEL(c->names, n);
		free(n->name);
		free(n);
	}
	json_object_put(c->keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct parts in = { (const char *)p, n };
	struct trailcheck t = { .fault = on_fault };
	char why[256] = "", *digest, *signature;
	struct check c = { .t = &t, .why = why };
	struct json_object *row = next_json(&in), *previous = next_json(&in);
	struct buf text = { 0 };

	c.keys = next_json(&in);
	if (!json_object_is_type(c.keys, json_type_array)) { /* as trailcheck_begin() makes sure */
		json_object_put(c.keys);
		c.keys = json_object_new_array();
	}
	digest = next(&in);
	signature = next(&in);
	faults = 0;
	nothing_to_fetch(&c, digest);
	if (buf_add(&text, digest, strlen(digest)) || check_digest_text(&c, row, previous, &text, signature) < 0)
		abort();
	if (t.digests + t.unread != 1 || (t.unread && !faults))
		abort();
	forget(&c);
	json_object_put(row);
	json_object_put(previous);
	buf_free(&text);
	free(digest);
	free(signature);
	return 0;
}
