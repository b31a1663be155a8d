/* SPDX-License-Identifier: Apache-2.0 */
#include "loggroup.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/json.h"
#include "transfer.h"

#define TARGET "Logs_20140328."

static int compare_events(const void *a, const void *b)
{
	const struct log_event *x = a, *y = b;

	if (x->ms != y->ms)
		return x->ms < y->ms ? -1 : 1;
	return x->p < y->p ? -1 : x->p > y->p;	/* as they came */
}

void loggroup_error(const void *p, size_t size, long status, char *ret, size_t ret_size)
{
	static const char member[] = "\"__type\"";
	const char *at = size ? memmem(p, size, member, sizeof(member) - 1) : NULL, *end = (const char *)p + size, *name;
	size_t n;

	snprintf(ret, ret_size, "HTTP %ld", status);
	if (!at)
		return;
	for (at += sizeof(member) - 1; at < end && strchr(" :\"", *at) && *at; at++)
		;
	for (name = at; at < end && *at != '"'; at++)
		if (*at == '#')
			name = at + 1;
	n = (size_t)(at - name);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]))
			n = 0;
	if (n && n < 64 && at < end)
		snprintf(ret, ret_size, "%.*s", (int)n, name);
}

/* One call. 0: done; -errno and why: the error's name. */
static int call(struct transfer *t, const char *target, const struct buf *body, char *why)
{
	_cleanup_(s3_request_free) struct s3_request q = { .method = "POST" };
	int r = s3_address(&q, t->b->endpoint, NULL, NULL);

	t->body = body->p;
	t->n = body->n;
	if (!r)
		r = s3_header(&q, "content-type", "application/x-amz-json-1.1");
	if (!r)
		r = s3_header(&q, "x-amz-target", target);
	if (!r)
		r = s3_sign(&q, "logs", t->body, t->n, clock_wall() / (int64_t)NS_PER_SEC, t->b->region, t->b->key_id, t->b->secret);
	if (r < 0 || body->failed)
		return bucket_say(why, -ENOMEM, "out of memory");
	r = transfer_perform(t, &q, why);
	if (r < 0 || t->status == 200)
		return r;
	loggroup_error(t->answer.p, t->answer.n, t->status, why, BUCKET_WHY_MAX);
	return t->status == 429 || t->status >= 500 ? -EAGAIN : -EREMOTEIO;
}

static void begin(struct json *j, const struct bucket *g, const char *stream)
{
	json_open(j, NULL, '{');
	json_string(j, "logGroupName", g->remote);
	json_string(j, "logStreamName", stream);
}

static int create_stream(struct transfer *t, const char *stream, char *why)
{
	_cleanup_buf_ struct buf body = { 0 };
	struct json j = { .out = &body };
	int r;

	begin(&j, t->b, stream);
	json_close(&j, '}');
	r = call(t, TARGET "CreateLogStream", &body, why);
	return r < 0 && !strcmp(why, "ResourceAlreadyExistsException") ? 0 : r;
}

int loggroup_put(const struct bucket *group, const char *stream, struct log_event *v, unsigned n, char *why)
{
	_cleanup_(transfer_free) struct transfer t = { .b = group };
	_cleanup_buf_ struct buf body = { 0 };
	struct json j = { .out = &body };
	int r;

	qsort(v, n, sizeof(*v), compare_events);
	begin(&j, group, stream);
	json_open(&j, "logEvents", '[');
	for (unsigned i = 0; i < n; i++) {
		json_open(&j, NULL, '{');
		json_int(&j, "timestamp", v[i].ms);
		json_text(&j, "message", v[i].p, v[i].n);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	r = call(&t, TARGET "PutLogEvents", &body, why);
	if (r == -EREMOTEIO && !strcmp(why, "ResourceNotFoundException")) {
		r = create_stream(&t, stream, why);
		if (!r)
			r = call(&t, TARGET "PutLogEvents", &body, why);
	}
	/* an endpoint of the old kind: an attempt before this one got through */
	return r == -EREMOTEIO && !strcmp(why, "DataAlreadyAcceptedException") ? 0 : r;
}
