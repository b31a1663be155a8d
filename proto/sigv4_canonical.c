/* SPDX-License-Identifier: Apache-2.0 */
/* sigv4_canonical.c - a request in the one form that both ends hash, and the signature over it. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "keys.h"
#include "lib/cleanup.h"
#include "sigv4_internal.h"

static bool is_unreserved(unsigned char c)
{
	return isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

static void add_encoded(struct buf *out, const char *p, size_t n, bool keep_slash)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (is_unreserved(c) || (c == '/' && keep_slash))
			buf_addc(out, c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

/* The path as sent is encoded once more (all services but S3 sign it so), without dot segments and doubled slashes. */
void sigv4_canonical_path(const char *path, struct buf *out)
{
	size_t start = out->n;
	const char *p = path;

	while (*p) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (out->n > start && out->p[out->n - 1] != '/')
				out->n--;
			if (out->n > start)
				out->n--;
		} else if (n && !(n == 1 && p[0] == '.')) {
			buf_addc(out, '/');
			add_encoded(out, p, n, false);
		}
		p += n;
	}
	if (out->n == start || (p > path && p[-1] == '/'))
		buf_addc(out, '/');
}

struct pair {
	char *key, *value;
};

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	return r ? r : strcmp(x->value, y->value);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes what the client encoded and encodes it the canonical way; heap text. */
static char *canonical_part(const char *p, size_t n)
{
	_cleanup_buf_ struct buf raw = { 0 }, out = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '%' && i + 2 < n && hex_digit(p[i + 1]) >= 0 && hex_digit(p[i + 2]) >= 0) {
			buf_addc(&raw, (uint8_t)(hex_digit(p[i + 1]) << 4 | hex_digit(p[i + 2])));
			i += 2;
		} else {
			buf_addc(&raw, (uint8_t)p[i]);
		}
	}
	add_encoded(&out, (const char *)raw.p, raw.n, false);
	return raw.failed || out.failed ? NULL : strdup(buf_text(&out));
}

#define QUERY_PAIRS_MAX 64

void sigv4_canonical_query(const char *query, struct buf *out)
{
	struct pair pairs[QUERY_PAIRS_MAX];
	unsigned n = 0;
	const char *p = query;

	while (*p && n < QUERY_PAIRS_MAX) {
		size_t len = strcspn(p, "&"), key = 0;

		while (key < len && p[key] != '=')
			key++;
		if (len) {
			pairs[n].key = canonical_part(p, key);
			pairs[n].value = key < len ? canonical_part(p + key + 1, len - key - 1) : strdup("");
			if (!pairs[n].key || !pairs[n].value)
				out->failed = true;
			n++;
		}
		p += len + (p[len] == '&');
	}
	if (*p)
		out->failed = true;	/* more than any client of ours sends */
	if (!out->failed) {
		qsort(pairs, n, sizeof(pairs[0]), compare_pairs);
		for (unsigned i = 0; i < n; i++)
			buf_addf(out, "%s%s=%s", i ? "&" : "", pairs[i].key, pairs[i].value);
	}
	for (unsigned i = 0; i < n; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
}

static bool is_name(const struct sigv4_text *t, const char *name)
{
	return strlen(name) == t->n && !strncasecmp(t->p, name, t->n);
}

/* Trimmed, and runs of blanks as one space. */
static void add_value(struct buf *out, const char *v)
{
	v += strspn(v, " \t");
	for (; *v; v++) {
		if (*v != ' ' && *v != '\t') {
			buf_addc(out, (uint8_t)*v);
			continue;
		}
		v += strspn(v, " \t") - 1;
		if (v[1])
			buf_addc(out, ' ');
	}
}

static void sigv4_canonical_headers(const struct sigv4_request *r, const struct sigv4_terms *t, struct buf *out)
{
	for (unsigned i = 0; i < t->nsigned; i++) {
		bool first = true;

		for (size_t k = 0; k < t->signed_headers[i].n; k++)
			buf_addc(out, (uint8_t)tolower((unsigned char)t->signed_headers[i].p[k]));
		buf_addc(out, ':');
		for (unsigned h = 0; h < r->nheaders; h++) {
			if (!is_name(&t->signed_headers[i], r->headers[h].name))
				continue;
			if (!first)
				buf_addc(out, ',');
			first = false;
			add_value(out, r->headers[h].value);
		}
		buf_addc(out, '\n');
	}
}

static int canonical_hash(const struct sigv4_request *r, const struct sigv4_terms *t, char ret_hex[65])
{
	_cleanup_buf_ struct buf b = { 0 };
	uint8_t digest[32];
	char hex[65];

	buf_addf(&b, "%s\n", r->method);
	if (r->s3)
		buf_adds(&b, *r->path ? r->path : "/");
	else
		sigv4_canonical_path(r->path, &b);
	buf_addc(&b, '\n');
	sigv4_canonical_query(r->query, &b);
	buf_addc(&b, '\n');
	sigv4_canonical_headers(r, t, &b);
	buf_addc(&b, '\n');
	for (unsigned i = 0; i < t->nsigned; i++) {
		if (i)
			buf_addc(&b, ';');
		for (size_t k = 0; k < t->signed_headers[i].n; k++)
			buf_addc(&b, (uint8_t)tolower((unsigned char)t->signed_headers[i].p[k]));
	}
	sha256(r->body, r->body_len, digest);
	hex_text(digest, 32, hex);
	buf_addf(&b, "\n%s", hex);
	if (b.failed)
		return -ENOMEM;
	sha256(b.p, b.n, digest);
	hex_text(digest, 32, ret_hex);
	return 0;
}

static void mac(const void *key, size_t key_len, const void *p, size_t n, uint8_t ret[32])
{
	unsigned len = 32;

	if (!HMAC(EVP_sha256(), key, (int)key_len, p, n, ret, &len))
		memset(ret, 0, 32);
}

int sigv4_compute(const struct sigv4_request *r, const struct sigv4_terms *t, const char *secret, char ret_hex[65])
{
	_cleanup_buf_ struct buf text = { 0 }, start = { 0 };
	uint8_t key[32];
	char hash[65];
	int res = canonical_hash(r, t, hash);

	if (res < 0)
		return res;
	buf_addf(&start, "AWS4%s", secret);
	buf_addf(&text, "AWS4-HMAC-SHA256\n%s\n%.*s/%.*s/%.*s/aws4_request\n%s", t->amz_date, (int)t->date.n, t->date.p,
		 (int)t->region.n, t->region.p, (int)t->service.n, t->service.p, hash);
	if (start.failed || text.failed)
		return -ENOMEM;
	mac(start.p, start.n, t->date.p, t->date.n, key);
	mac(key, 32, t->region.p, t->region.n, key);
	mac(key, 32, t->service.p, t->service.n, key);
	mac(key, 32, "aws4_request", 12, key);
	mac(key, 32, text.p, text.n, key);
	hex_text(key, 32, ret_hex);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(start.p, start.n);
	return 0;
}
