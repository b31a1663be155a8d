/* SPDX-License-Identifier: Apache-2.0 */
#include "s3sign.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/keys.h"

/* Each byte of a key but letters, digits, -._~ and the slash is sent encoded, and so signed. */
static void add_encoded(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~/", c))
			buf_addc(out, c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

/* Host as HTTP clients send it: without the scheme's own port. */
static int take_host(struct s3_request *q, const char *endpoint)
{
	const char *start = strstr(endpoint, "://"), *port;
	size_t n;

	if (!start)
		return -EINVAL;
	start += 3;
	n = strlen(start);
	port = !strncmp(endpoint, "https", 5) ? ":443" : ":80";
	if (n > strlen(port) && !strcmp(start + n - strlen(port), port))
		n -= strlen(port);
	if (!n || n >= sizeof(q->host) || memchr(start, '/', n) || memchr(start, '@', n))
		return -EINVAL;
	memcpy(q->host, start, n);
	q->host[n] = '\0';
	return 0;
}

int s3_address(struct s3_request *q, const char *endpoint, const char *bucket, const char *key)
{
	int r = take_host(q, endpoint);

	if (r < 0)
		return r;
	buf_addc(&q->path, '/');
	if (bucket)
		add_encoded(&q->path, bucket);
	if (key) {
		buf_addc(&q->path, '/');
		add_encoded(&q->path, key);
	}
	buf_addf(&q->url, "%s%s", endpoint, buf_text(&q->path));
	return q->path.failed || q->url.failed ? -ENOMEM : 0;
}

int s3_header(struct s3_request *q, const char *name, const char *value)
{
	if (q->nheaders == S3_HEADERS_MAX)
		return -E2BIG;
	q->headers[q->nheaders++] = (struct sigv4_header){ name, value };
	return 0;
}

int s3_sign(struct s3_request *q, const char *service, const void *body, size_t n, int64_t now_seconds, const char *region,
	    const char *key_id, const char *secret)
{
	struct sigv4_request r = { .method = q->method, .path = buf_text(&q->path), .query = "", .headers = q->headers, .body = body ? body : "",
				   .body_len = n, .s3 = true };
	time_t now = (time_t)now_seconds;
	uint8_t digest[32];
	struct tm tm;
	int res;

	sha256(r.body, n, digest);
	hex_text(digest, 32, q->hash);
	if (!gmtime_r(&now, &tm) || strftime(q->date, sizeof(q->date), "%Y%m%dT%H%M%SZ", &tm) != 16)
		return -EINVAL;
	res = s3_header(q, "host", q->host);
	if (!res)
		res = s3_header(q, "x-amz-content-sha256", q->hash);
	if (!res)
		res = s3_header(q, "x-amz-date", q->date);
	r.nheaders = q->nheaders;
	buf_reset(&q->authorization);
	return res < 0 ? res : sigv4_sign(&r, service, region, key_id, secret, q->date, &q->authorization);
}

void s3_request_free(struct s3_request *q)
{
	buf_free(&q->url);
	buf_free(&q->path);
	buf_free(&q->authorization);
}

void s3_error_code(const void *p, size_t n, long status, char *ret, size_t size)
{
	static const char open[] = "<Code>";
	const char *at = n ? memmem(p, n, open, sizeof(open) - 1) : NULL, *end = (const char *)p + n;
	size_t len = 0;

	if (at)
		at += sizeof(open) - 1;
	while (at && at + len < end && isalnum((unsigned char)at[len]) && len + 1 < size && len < 64)
		len++;
	if (len && at + len < end && at[len] == '<')
		snprintf(ret, size, "%.*s", (int)len, at);
	else
		snprintf(ret, size, "HTTP %ld", status);
}
