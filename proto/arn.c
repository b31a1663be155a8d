// SPDX-License-Identifier: Apache-2.0
#include "arn.h"

#include <ctype.h>
#include <string.h>

void arn_of_host(const struct record_host *host, const char *head, struct str tail, struct buf *out)
{
	buf_adds(out, "arn:hosttrail:linux:");
	buf_adds(out, host->region);
	buf_addc(out, ':');
	buf_adds(out, host->account);
	buf_adds(out, ":host/");
	buf_adds(out, host->host_id);
	buf_addc(out, '/');
	buf_adds(out, head);
	buf_add(out, tail.p, tail.n);
}

void arn_of_resource(const struct record_host *host, const char *type, struct str v, struct buf *out)
{
	const char *last = strrchr(type, ':');
	char head[SHAPE_NAME_MAX + 2];
	size_t n = 0;

	if (v.n > 4 && !memcmp(v.p, "arn:", 4)) {
		buf_add(out, v.p, v.n);
		return;
	}
	last = last ? last + 1 : type;
	if (!strcmp(last, "KernelModule"))
		last = "module";
	for (; last[n] && n < SHAPE_NAME_MAX; n++)
		head[n] = (char)tolower((unsigned char)last[n]);
	if (!v.n || v.p[0] != '/')
		head[n++] = '/';
	head[n] = '\0';
	arn_of_host(host, head, v, out);
}
