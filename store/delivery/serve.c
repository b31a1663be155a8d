/* SPDX-License-Identifier: Apache-2.0 */
#include "serve.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deliver.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"

/* ---- the request */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes URL encoding; NUL bytes and what does not fit are faults. */
static int decode(const char *p, size_t n, bool plus, char *ret, size_t size)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (c == '%') {
			if (i + 2 >= n || digit(p[i + 1]) < 0 || digit(p[i + 2]) < 0)
				return -EINVAL;
			c = (char)(digit(p[i + 1]) << 4 | digit(p[i + 2]));
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (!c || out + 1 >= size)
			return -EINVAL;
		ret[out++] = c;
	}
	ret[out] = '\0';
	return 0;
}

static int take_max(struct serve_request *q, const char *value)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)*value) || *end)
		return -EINVAL;
	q->max = v < SERVE_KEYS_MAX ? (unsigned)v : SERVE_KEYS_MAX;
	return 0;
}

static int take_parameter(struct serve_request *q, const char *name, const char *value)
{
	if (!strcmp(name, "prefix"))
		strcpy(q->prefix, value);
	else if (!strcmp(name, "marker") || !strcmp(name, "start-after") || !strcmp(name, "continuation-token"))
		strcpy(q->marker, value);
	else if (!strcmp(name, "max-keys"))
		return take_max(q, value);
	else if (!strcmp(name, "encoding-type"))
		q->encode = !strcmp(value, "url");
	else if (!strcmp(name, "list-type"))
		q->second = !strcmp(value, "2");
	else if (!strcmp(name, "location"))
		q->location = true;
	else if (strcmp(name, "fetch-owner") && (strcmp(name, "delimiter") || *value))
		q->unknown = true;
	return 0;
}

static int parse_query(const char *p, struct serve_request *q)
{
	char name[64], value[SERVE_KEY_MAX + 1];
	int r = 0;

	while (*p && !r) {
		size_t n = strcspn(p, "&"), eq = strcspn(p, "=");

		if (eq > n)
			eq = n;
		r = decode(p, eq, true, name, sizeof(name));
		value[0] = '\0';
		if (!r && eq < n)
			r = decode(p + eq + 1, n - eq - 1, true, value, sizeof(value));
		if (!r && n)
			r = take_parameter(q, name, value);
		p += n + (p[n] == '&');
	}
	return r;
}

int serve_parse(const char *uri, struct serve_request *ret_q)
{
	size_t path = strcspn(uri, "?"), bucket;
	int r;

	*ret_q = (struct serve_request){ .max = SERVE_KEYS_MAX };
	if (uri[0] != '/' || path < 2)
		return -EINVAL;
	bucket = strcspn(uri + 1, "/?");
	r = decode(uri + 1, bucket, false, ret_q->bucket, sizeof(ret_q->bucket));
	if (!r && 1 + bucket < path)
		r = decode(uri + 2 + bucket, path - 2 - bucket, false, ret_q->key, sizeof(ret_q->key));
	return r < 0 || !uri[path] ? r : parse_query(uri + path + 1, ret_q);
}

/* ---- answers */

static void add_xml(struct buf *b, const char *text, bool encode)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (encode && !isalnum(c) && !strchr("-._~/", c))
			buf_addf(b, "%%%02X", c);
		else if (strchr("&<>\"'", c) || c < 32 || c == 127)
			buf_addf(b, "&#%u;", c);
		else
			buf_addc(b, c);
	}
}

static void xml_member(struct buf *b, const char *name, const char *text, bool encode)
{
	buf_addf(b, "<%s>", name);
	add_xml(b, text, encode);
	buf_addf(b, "</%s>", name);
}

static void begin_xml(struct serve_reply *r, unsigned status)
{
	buf_reset(&r->body);
	buf_reset(&r->headers);
	r->status = status;
	r->type = "application/xml";
	buf_adds(&r->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

void serve_error(struct serve_reply *r, unsigned status, const char *code, const char *message)
{
	begin_xml(r, status);
	snprintf(r->error, sizeof(r->error), "%s", code);
	buf_adds(&r->body, "<Error>");
	xml_member(&r->body, "Code", code, false);
	xml_member(&r->body, "Message", message, false);
	buf_adds(&r->body, "</Error>");
}

void serve_reply_free(struct serve_reply *r)
{
	buf_free(&r->body);
	buf_free(&r->headers);
}

static void location(const struct store *st, struct serve_reply *r)
{
	begin_xml(r, 200);
	buf_adds(&r->body, "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	add_xml(&r->body, strcmp(st->region, "us-east-1") ? st->region : "", false);
	buf_adds(&r->body, "</LocationConstraint>");
}

struct listing {
	const struct serve_request *q;
	struct buf contents;
	unsigned n;
	bool more;
	char last[SERVE_KEY_MAX + 1];
};

static int list_key(void *ctx, const struct bucket_entry *e)
{
	struct listing *l = ctx;
	char time[21];

	if (l->n == l->q->max) {
		l->more = l->n > 0;
		return 1;
	}
	l->n++;
	snprintf(l->last, sizeof(l->last), "%s", e->key);
	clock_iso(e->modified, time);
	time[strlen(time) - 1] = '\0';
	buf_adds(&l->contents, "<Contents>");
	xml_member(&l->contents, "Key", e->key, l->q->encode);
	buf_addf(&l->contents, "<LastModified>%s.000Z</LastModified><Size>%llu</Size><StorageClass>STANDARD</StorageClass></Contents>", time,
		 (unsigned long long)e->bytes);
	return 0;
}

static void list(const struct bucket *b, const struct serve_request *q, struct serve_reply *r)
{
	struct listing l = { .q = q };
	int res = bucket_list(b, q->prefix, q->marker, list_key, &l);

	if (res < 0) {
		serve_error(r, res == -ENOSYS ? 501 : 500, res == -ENOSYS ? "NotImplemented" : "InternalError",
			    "The store cannot list this bucket.");
		buf_free(&l.contents);
		return;
	}
	begin_xml(r, 200);
	buf_adds(&r->body, "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	xml_member(&r->body, "Name", bucket_name(b), false);
	xml_member(&r->body, "Prefix", q->prefix, q->encode);
	if (!q->second)
		xml_member(&r->body, "Marker", q->marker, q->encode);
	buf_addf(&r->body, "<MaxKeys>%u</MaxKeys><IsTruncated>%s</IsTruncated>", q->max, l.more ? "true" : "false");
	if (q->encode)
		buf_adds(&r->body, "<EncodingType>url</EncodingType>");
	if (q->second)
		buf_addf(&r->body, "<KeyCount>%u</KeyCount>", l.n);
	if (l.more)
		xml_member(&r->body, q->second ? "NextContinuationToken" : "NextMarker", l.last, q->encode && !q->second);
	buf_add(&r->body, l.contents.p, l.contents.n);
	buf_adds(&r->body, "</ListBucketResult>");
	if (l.contents.failed)
		r->body.failed = true;
	buf_free(&l.contents);
}

/* Of endpoints one at a time, so that a slow one cannot hold all threads of the API. */
static pthread_mutex_t remote = PTHREAD_MUTEX_INITIALIZER;

static void object(const struct bucket *b, const struct serve_request *q, struct serve_reply *r)
{
	char why[BUCKET_WHY_MAX] = "";
	int res;

	if (!bucket_is_local(b) && pthread_mutex_trylock(&remote)) {
		serve_error(r, 503, "SlowDown", "Another object is being fetched.");
		return;
	}
	r->status = 200;
	r->type = "application/x-gzip";
	res = bucket_get(b, q->key, &r->body, &r->headers, why);
	if (!bucket_is_local(b))
		pthread_mutex_unlock(&remote);
	if (res == -ENOENT)
		serve_error(r, 404, "NoSuchKey", "The specified key does not exist.");
	else if (res == -ECANCELED)	/* delivery ends here, or another store takes it over */
		serve_error(r, 503, "SlowDown", why);
	else if (res < 0)
		serve_error(r, 500, "InternalError", why);
}

void serve_get(struct store *st, const char *uri, struct serve_reply *r)
{
	_cleanup_free_ struct serve_request *q = malloc(sizeof(*q));
	const struct bucket *b;

	if (!q) {
		serve_error(r, 500, "InternalError", "out of memory");
		return;
	}
	if (serve_parse(uri, q) < 0) {
		serve_error(r, 400, "InvalidURI", "Couldn't parse the specified URI.");
		return;
	}
	b = st->delivery ? buckets_find(delivery_buckets(st->delivery), q->bucket) : NULL;
	if (!b)
		serve_error(r, 404, "NoSuchBucket", "The specified bucket does not exist.");
	else if (q->unknown)
		serve_error(r, 501, "NotImplemented", "This store reads objects, and lists them without delimiters.");
	else if (*q->key)
		object(b, q, r);
	else if (q->location)
		location(st, r);
	else
		list(b, q, r);
}
