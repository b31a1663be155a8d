/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.c - one HTTP request to an endpoint, over libcurl. */
#include "transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define ANSWER_MAX BUCKET_OBJECT_MAX
#define HEADERS_MAX (64u << 10)

void transfer_free(struct transfer *t)
{
	curl_slist_free_all(t->list);
	curl_easy_cleanup(t->curl);
	buf_free(&t->answer);
	buf_free(&t->headers);
}

bool transfer_stopped(const struct bucket *b)
{
	return __atomic_load_n(b->stop, __ATOMIC_RELAXED);
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	return transfer_stopped(ctx);
}

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
	return buf_add(ctx, p, size * n) < 0 ? 0 : size * n;
}

static int add_line(struct transfer *t, const char *name, const char *value)
{
	_cleanup_buf_ struct buf line = { 0 };
	struct curl_slist *more;

	/* "Name;" is how libcurl is told of a header without a value */
	buf_addf(&line, *value ? "%s: %s" : "%s;%s", name, value);
	more = line.failed ? NULL : curl_slist_append(t->list, buf_text(&line));
	if (!more)
		return -ENOMEM;
	t->list = more;
	return 0;
}

static void set_up(struct transfer *t, struct s3_request *q)
{
	CURL *c = t->curl;

	curl_easy_setopt(c, CURLOPT_URL, buf_text(&q->url));
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 30L);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, t->b);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &t->answer);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_bytes);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &t->headers);
	if (t->b->ca) {
		curl_easy_setopt(c, CURLOPT_CAINFO, t->b->ca);
		curl_easy_setopt(c, CURLOPT_CAPATH, NULL);	/* else the system's CAs count beside it */
	}
	if (!strcmp(q->method, "HEAD"))
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	if (!strcmp(q->method, "PUT") || !strcmp(q->method, "POST")) {
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->n);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, t->n ? t->body : "");
	}
}

int transfer_perform(struct transfer *t, struct s3_request *q, char *why)
{
	CURLcode code;
	int r = 0;

	if (!t->curl)
		t->curl = curl_easy_init();
	if (!t->curl)
		return bucket_say(why, -ENOMEM, "out of memory");
	curl_easy_reset(t->curl);
	curl_slist_free_all(t->list);
	t->list = NULL;
	buf_reset(&t->answer);
	buf_reset(&t->headers);
	t->answer.max = ANSWER_MAX;
	t->headers.max = HEADERS_MAX;
	set_up(t, q);
	for (unsigned i = 0; i < q->nheaders && !r; i++)
		r = add_line(t, q->headers[i].name, q->headers[i].value);
	if (!r && q->authorization.n)
		r = add_line(t, "Authorization", buf_text(&q->authorization));
	if (!r)
		r = add_line(t, "Expect", "");
	if (r < 0)
		return bucket_say(why, r, "out of memory");
	curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->list);
	code = curl_easy_perform(t->curl);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return bucket_say(why, -ECANCELED, "the store ends");
	if (code != CURLE_OK)
		return bucket_say(why, -EHOSTUNREACH, "%s does not answer: %s", q->host, curl_easy_strerror(code));
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
	return 0;
}
