/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>

#include "lib/clock.h"
#include "proto/json.h"

int reply_fault(struct reply *r, unsigned status, const char *type, const char *message)
{
	struct json j = { .out = &r->body };

	buf_reset(&r->body);
	r->status = status;
	snprintf(r->error, sizeof(r->error), "%s", type);
	snprintf(r->message, sizeof(r->message), "%s", message);
	json_open(&j, NULL, '{');
	json_string(&j, "__type", type);
	json_string(&j, "message", message);
	json_close(&j, '}');
	return -EINVAL;
}

int reply_error(struct reply *r, const char *type, const char *fmt, ...)
{
	char message[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return reply_fault(r, 400, type, message);
}

void reply_free(struct reply *r)
{
	buf_free(&r->body);
}

void json_time(struct json *j, const char *key, int64_t ns)
{
	int64_t ms = ns / (int64_t)NS_PER_MS;

	json_key(j, key);
	buf_addf(j->out, "%s%lld.%03lld", ms < 0 ? "-" : "", llabs(ms / 1000), llabs(ms % 1000));
	j->comma = true;
}
