/* SPDX-License-Identifier: Apache-2.0 */
#include "sigv4.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/crypto.h>

#include "keys.h"
#include "sigv4_internal.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SIGNATURE_DIFFERS                                                                                         \
	"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access " \
	"Key and signing method. Consult the service documentation for details."

/* What an Authorization header says; borrowed from it. */
struct authorization {
	struct sigv4_text credential, headers, signature;
	struct sigv4_text access_key, date, region, service, terminator;
	struct sigv4_text names[SIGV4_HEADERS_MAX];
	unsigned nnames;
};

static bool text_is(const struct sigv4_text *t, const char *s)
{
	return t->n == strlen(s) && !memcmp(t->p, s, t->n);
}

static const char *header_value(const struct sigv4_request *r, const char *name, unsigned *ret_count)
{
	const char *v = NULL;

	*ret_count = 0;
	for (unsigned i = 0; i < r->nheaders; i++) {
		if (strcasecmp(r->headers[i].name, name))
			continue;
		v = r->headers[i].value;
		++*ret_count;
	}
	return v;
}

static struct sigv4_text next_part(struct sigv4_text *rest, char separator)
{
	const char *at = memchr(rest->p, separator, rest->n);
	struct sigv4_text part = { rest->p, at ? (size_t)(at - rest->p) : rest->n };
	size_t skip = part.n + (at != NULL);

	rest->p += skip;
	rest->n -= skip;
	return part;
}

static void trim(struct sigv4_text *t)
{
	while (t->n && (*t->p == ' ' || *t->p == '\t')) {
		t->p++;
		t->n--;
	}
	while (t->n && (t->p[t->n - 1] == ' ' || t->p[t->n - 1] == '\t'))
		t->n--;
}

static bool split_parameters(struct sigv4_text rest, struct authorization *a)
{
	const struct { const char *name; struct sigv4_text *to; } known[] = {
		{ "Credential", &a->credential }, { "SignedHeaders", &a->headers }, { "Signature", &a->signature },
	};

	while (rest.n) {
		struct sigv4_text value = next_part(&rest, ','), key;
		unsigned i;

		trim(&value);
		if (!value.n)
			continue;
		key = next_part(&value, '=');
		for (i = 0; i < 3 && !text_is(&key, known[i].name); i++)
			;
		if (i == 3 || known[i].to->p)
			return false;
		*known[i].to = value;
	}
	return true;
}

static bool split_credential(struct authorization *a)
{
	struct sigv4_text rest = a->credential;

	a->access_key = next_part(&rest, '/');
	a->date = next_part(&rest, '/');
	a->region = next_part(&rest, '/');
	a->service = next_part(&rest, '/');
	a->terminator = rest;
	return a->access_key.n && a->access_key.n <= 128 && a->date.n && a->region.n && a->service.n &&
	       !memchr(rest.p, '/', rest.n) && rest.n;
}

static bool split_headers(struct authorization *a)
{
	struct sigv4_text rest = a->headers;

	while (rest.n) {
		if (a->nnames == SIGV4_HEADERS_MAX)
			return false;
		a->names[a->nnames] = next_part(&rest, ';');
		if (!a->names[a->nnames++].n)
			return false;
	}
	return a->nnames > 0;
}

static enum sigv4_result parse_authorization(const struct sigv4_request *r, struct authorization *ret_a, struct buf *message)
{
	unsigned count;
	const char *v = header_value(r, "authorization", &count);
	struct sigv4_text rest;

	if (!v) {
		buf_adds(message, "Missing Authentication Token");
		return SIGV4_MISSING;
	}
	if (count > 1 || strncmp(v, ALGORITHM, strlen(ALGORITHM)) || !strchr(" ,\t", v[strlen(ALGORITHM)])) {
		buf_adds(message, "Authorization header must be one header that begins with '" ALGORITHM "'.");
		return SIGV4_INCOMPLETE;
	}
	rest = (struct sigv4_text){ v + strlen(ALGORITHM), strlen(v) - strlen(ALGORITHM) };
	if (!split_parameters(rest, ret_a)) {
		buf_adds(message, "Authorization header holds a parameter twice, or an unknown one.");
		return SIGV4_INCOMPLETE;
	}
	if (!ret_a->credential.n)
		buf_adds(message, "Authorization header requires 'Credential' parameter. ");
	if (!ret_a->signature.n)
		buf_adds(message, "Authorization header requires 'Signature' parameter. ");
	if (!ret_a->headers.n)
		buf_adds(message, "Authorization header requires 'SignedHeaders' parameter. ");
	if (message->n)
		return SIGV4_INCOMPLETE;
	if (!split_credential(ret_a)) {
		buf_adds(message, "Credential must have exactly 5 slash-delimited elements, e.g. "
				  "keyid/date/region/service/term");
		return SIGV4_INCOMPLETE;
	}
	if (!split_headers(ret_a)) {
		buf_adds(message, "'SignedHeaders' is malformed.");
		return SIGV4_INCOMPLETE;
	}
	return SIGV4_OK;
}

static bool is_signed(const struct authorization *a, const char *name)
{
	for (unsigned i = 0; i < a->nnames; i++)
		if (a->names[i].n == strlen(name) && !strncasecmp(a->names[i].p, name, a->names[i].n))
			return true;
	return false;
}

/* An unsigned x-amz-target would let a stranger exchange the operation, so none may be left out. */
static enum sigv4_result check_signed(const struct sigv4_request *r, const struct authorization *a, const char *date_name,
				      struct buf *message)
{
	const char *missing = NULL;

	if (!is_signed(a, "host"))
		missing = "Host";
	else if (!is_signed(a, date_name))
		missing = date_name;
	for (unsigned i = 0; i < r->nheaders && !missing; i++) {
		const char *name = r->headers[i].name;

		if (!strncasecmp(name, "x-amz-", 6) && strcasecmp(name, "x-amz-user-agent") && !is_signed(a, name))
			missing = name;
	}
	if (!missing)
		return SIGV4_OK;
	buf_addf(message, "'%.64s' must be a 'SignedHeader' in the AWS Authorization.", missing);
	return SIGV4_INCOMPLETE;
}

static int64_t parse_date(const char *text, char ret_amz[17])
{
	static const char *const formats[] = { "%Y%m%dT%H%M%SZ", "%a, %d %b %Y %H:%M:%S GMT" };

	for (unsigned i = 0; i < 2; i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, formats[i], &tm);
		time_t t;

		if (!end || *end || (i == 0 && strlen(text) != 16))
			continue;
		t = timegm(&tm);
		if (!gmtime_r(&t, &tm) || strftime(ret_amz, 17, "%Y%m%dT%H%M%SZ", &tm) != 16)
			return -1;
		return t < 0 ? -1 : (int64_t)t;
	}
	return -1;
}

static enum sigv4_result request_date(const struct sigv4_request *r, const char **ret_name, char ret_amz[17], int64_t *ret_when,
				      struct buf *message)
{
	unsigned count;
	const char *v = header_value(r, *ret_name = "x-amz-date", &count);

	if (!v)
		v = header_value(r, *ret_name = "date", &count);
	if (!v) {
		buf_adds(message, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
		return SIGV4_INCOMPLETE;
	}
	*ret_when = parse_date(v, ret_amz);
	if (count > 1 || *ret_when < 0) {
		buf_adds(message, "Date must be in ISO-8601 'basic format', once.");
		return SIGV4_INCOMPLETE;
	}
	return SIGV4_OK;
}

static enum sigv4_result check_scope(const struct authorization *a, const struct sigv4_scope *scope, const char *amz_date,
				     struct buf *message)
{
	if (!text_is(&a->service, scope->service))
		buf_addf(message, "Credential should be scoped to correct service: '%s'. ", scope->service);
	if (scope->region && !text_is(&a->region, scope->region))
		buf_addf(message, "Credential should be scoped to a valid region: '%s'. ", scope->region);
	if (!text_is(&a->terminator, "aws4_request"))
		buf_adds(message, "Credential should be scoped with a valid terminator: 'aws4_request'. ");
	if (a->date.n != 8 || memcmp(a->date.p, amz_date, 8))
		buf_addf(message, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%.*s' != '%.8s'. ",
			 a->date.n > 16 ? 16 : (int)a->date.n, a->date.p, amz_date);
	return message->n ? SIGV4_SCOPE : SIGV4_OK;
}

static void amz_text(int64_t seconds, char ret[17])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(ret, 17, "%Y%m%dT%H%M%SZ", &tm) != 16)
		strcpy(ret, "00000000T000000Z");
}

static enum sigv4_result check_skew(int64_t when, int64_t now, const char *amz_date, struct buf *message)
{
	int64_t edge = when < now ? now - SIGV4_SKEW_SECONDS : now + SIGV4_SKEW_SECONDS;
	char edge_text[17], now_text[17];

	if (when >= now - SIGV4_SKEW_SECONDS && when <= now + SIGV4_SKEW_SECONDS)
		return SIGV4_OK;
	amz_text(edge, edge_text);
	amz_text(now, now_text);
	if (when < now)
		buf_addf(message, "Signature expired: %s is now earlier than %s (%s - 5 min.)", amz_date, edge_text, now_text);
	else
		buf_addf(message, "Signature not yet current: %s is still later than %s (%s + 5 min.)", amz_date, edge_text, now_text);
	return SIGV4_EXPIRED;
}

static bool content_hash_matches(const struct sigv4_request *r)
{
	unsigned count;
	const char *v = header_value(r, "x-amz-content-sha256", &count);
	uint8_t digest[32];
	char hex[65];

	if (!v)
		return true;
	sha256(r->body, r->body_len, digest);
	hex_text(digest, 32, hex);
	return count == 1 && !strcasecmp(v, hex);
}

static enum sigv4_result check_signature(const struct sigv4_request *r, const struct authorization *a, const char *amz_date,
					 const char *secret, struct buf *message)
{
	struct sigv4_terms t = { a->date, a->region, a->service, amz_date, a->names, a->nnames };
	char hex[65] = "";

	if (content_hash_matches(r) && sigv4_compute(r, &t, secret, hex) == 0 && a->signature.n == 64 &&
	    !CRYPTO_memcmp(a->signature.p, hex, 64))
		return SIGV4_OK;
	buf_adds(message, SIGNATURE_DIFFERS);
	return SIGV4_MISMATCH;
}

enum sigv4_result sigv4_verify(const struct sigv4_request *r, const struct sigv4_scope *scope, int64_t now_seconds,
			       sigv4_secret_fn secret, void *ctx, char ret_access_key[129], struct buf *message)
{
	struct authorization a = { 0 };
	char amz_date[17] = "", key[129] = "", value[129] = "";
	const char *date_name;
	enum sigv4_result res;
	int64_t when = 0;

	buf_reset(message);
	res = parse_authorization(r, &a, message);
	if (!res)
		res = request_date(r, &date_name, amz_date, &when, message);
	if (!res)
		res = check_signed(r, &a, date_name, message);
	if (res)
		return res;
	memcpy(key, a.access_key.p, a.access_key.n);
	if (secret(ctx, key, value) < 0) {
		buf_adds(message, "The security token included in the request is invalid.");
		return SIGV4_UNKNOWN_KEY;
	}
	res = check_scope(&a, scope, amz_date, message);
	if (!res)
		res = check_skew(when, now_seconds, amz_date, message);
	if (!res)
		res = check_signature(r, &a, amz_date, value, message);
	OPENSSL_cleanse(value, sizeof(value));
	if (!res)
		memcpy(ret_access_key, key, sizeof(key));
	return res;
}

static int compare_names(const void *a, const void *b)
{
	const struct sigv4_text *x = a, *y = b;
	int r = strncasecmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return r ? r : (x->n > y->n) - (x->n < y->n);
}

/* Names of all headers to sign, sorted, each once. */
static unsigned names_to_sign(const struct sigv4_request *r, struct sigv4_text names[SIGV4_HEADERS_MAX])
{
	unsigned n = 0, kept = 0;

	for (unsigned i = 0; i < r->nheaders && n < SIGV4_HEADERS_MAX; i++)
		if (strcasecmp(r->headers[i].name, "authorization"))
			names[n++] = (struct sigv4_text){ r->headers[i].name, strlen(r->headers[i].name) };
	qsort(names, n, sizeof(names[0]), compare_names);
	for (unsigned i = 0; i < n; i++)
		if (!kept || compare_names(&names[kept - 1], &names[i]))
			names[kept++] = names[i];
	return kept;
}

int sigv4_sign(const struct sigv4_request *r, const char *service, const char *region, const char *access_key_id,
	       const char *secret, const char *amz_date, struct buf *ret_authorization)
{
	struct sigv4_text names[SIGV4_HEADERS_MAX];
	struct sigv4_terms t = {
		.date = { amz_date, 8 }, .region = { region, strlen(region) }, .service = { service, strlen(service) },
		.amz_date = amz_date, .signed_headers = names,
	};
	char hex[65];
	int res;

	if (strlen(amz_date) != 16)
		return -EINVAL;
	t.nsigned = names_to_sign(r, names);
	res = sigv4_compute(r, &t, secret, hex);
	if (res < 0)
		return res;
	buf_addf(ret_authorization, ALGORITHM " Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=", access_key_id, amz_date,
		 region, service);
	for (unsigned i = 0; i < t.nsigned; i++) {
		if (i)
			buf_addc(ret_authorization, ';');
		for (size_t k = 0; k < names[i].n; k++)
			buf_addc(ret_authorization, (uint8_t)tolower((unsigned char)names[i].p[k]));
	}
	buf_addf(ret_authorization, ", Signature=%s", hex);
	return ret_authorization->failed ? -ENOMEM : 0;
}
