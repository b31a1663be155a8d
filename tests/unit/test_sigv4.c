/* SPDX-License-Identifier: Apache-2.0 */
/* Signature Version 4: AWS's published examples, our own round trip, and the canonical forms. */
#include <errno.h>

#include "lib/cleanup.h"
#include "proto/sigv4.h"
#include "proto/sigv4_internal.h"
#include "tests/tap.h"

#define ID "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define DATE "20150830T123600Z"
#define NOW 1440938160

static int secret_of(void *ctx, const char *id, char ret[129])
{
	if (strcmp(id, ID))
		return -ENOENT;
	strcpy(ret, SECRET);
	return 0;
}

static const struct sigv4_header plain[] = { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", DATE } };

static struct sigv4_request request(const char *method, const char *path, const char *query)
{
	return (struct sigv4_request){ .method = method, .path = path, .query = query, .headers = plain, .nheaders = 2, .body = "" };
}

static void signature_is(const struct sigv4_request *r, const char *want)
{
	_cleanup_buf_ struct buf out = { 0 };

	ok_int(sigv4_sign(r, "service", "us-east-1", ID, SECRET, DATE, &out), 0);
	ok_str(buf_text(&out) + (out.n > 64 ? out.n - 64 : 0), want);
}

/* From AWS's test suite for Signature Version 4. */
static void published_examples(void)
{
	struct sigv4_request r = request("GET", "/", "");

	signature_is(&r, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	r = request("POST", "/", "");
	signature_is(&r, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
	r = request("GET", "/", "Param2=value2&Param1=value1");
	signature_is(&r, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
	r = request("GET", "/example/..", "");
	signature_is(&r, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	r = request("GET", "//", "");
	signature_is(&r, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	r = request("GET", "/./", "");
	signature_is(&r, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

/* From AWS's S3 User Guide, "Authenticating Requests: Using the Authorization Header". */
static void s3_is(const char *method, const char *path, const char *query, const struct sigv4_header *headers, unsigned n, const char *body,
		  const char *want)
{
	struct sigv4_request r = { .method = method, .path = path, .query = query, .headers = headers, .nheaders = n, .body = body,
				   .body_len = strlen(body), .s3 = true };
	_cleanup_buf_ struct buf out = { 0 };

	ok_int(sigv4_sign(&r, "s3", "us-east-1", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524T000000Z", &out), 0);
	ok_str(buf_text(&out) + (out.n > 64 ? out.n - 64 : 0), want);
}

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void published_examples_of_s3(void)
{
	static const struct sigv4_header get[] = { { "host", "examplebucket.s3.amazonaws.com" }, { "range", "bytes=0-9" },
						   { "x-amz-content-sha256", EMPTY_SHA256 }, { "x-amz-date", "20130524T000000Z" } };
	static const struct sigv4_header put[] = { { "date", "Fri, 24 May 2013 00:00:00 GMT" }, { "host", "examplebucket.s3.amazonaws.com" },
		{ "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" },
		{ "x-amz-date", "20130524T000000Z" }, { "x-amz-storage-class", "REDUCED_REDUNDANCY" } };
	static const struct sigv4_header list[] = { { "host", "examplebucket.s3.amazonaws.com" }, { "x-amz-content-sha256", EMPTY_SHA256 },
						    { "x-amz-date", "20130524T000000Z" } };

	s3_is("GET", "/test.txt", "", get, 4, "", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	s3_is("PUT", "/test%24file.text", "", put, 5, "Welcome to Amazon S3.", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	s3_is("GET", "/", "lifecycle", list, 3, "", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	s3_is("GET", "/", "max-keys=2&prefix=J", list, 3, "", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void path_is(const char *path, const char *want)
{
	_cleanup_buf_ struct buf out = { 0 };

	sigv4_canonical_path(path, &out);
	ok_str(buf_text(&out), want);
}

static void query_is(const char *query, const char *want)
{
	_cleanup_buf_ struct buf out = { 0 };

	sigv4_canonical_query(query, &out);
	ok_str(buf_text(&out), want);
}

static void canonical_forms(void)
{
	path_is("", "/");
	path_is("/", "/");
	path_is("/a/./b/../c", "/a/c");
	path_is("/a/b/", "/a/b/");
	path_is("/..", "/");
	path_is("/../../a", "/a");
	path_is("/a%20b", "/a%2520b");
	query_is("", "");
	query_is("b=2&a=1&a=0", "a=0&a=1&b=2");
	query_is("a", "a=");
	query_is("a=b=c", "a=b%3Dc");
	query_is("a=%2f%7E%", "a=%2F~%25");
	query_is("&&a=1&", "a=1");
	query_is("A=1&a=2&B=0", "A=1&B=0&a=2");
}

static enum sigv4_result verify(const struct sigv4_header *h, unsigned n, const char *auth, const char *body, int64_t now,
				struct buf *message)
{
	struct sigv4_header all[20];
	struct sigv4_request r = { .method = "POST", .path = "/", .query = "", .headers = all, .body = body, .body_len = strlen(body) };
	const struct sigv4_scope scope = { "us-east-1", "service" };
	char key[129] = "unset";
	enum sigv4_result res;

	memcpy(all, h, n * sizeof(*h));
	if (auth)
		all[n++] = (struct sigv4_header){ "Authorization", auth };
	r.nheaders = n;
	res = sigv4_verify(&r, &scope, now, secret_of, NULL, key, message);
	ok_str(key, res == SIGV4_OK ? ID : "unset");
	return res;
}

static void what_is_signed_verifies(void)
{
	struct sigv4_header h[] = { { "host", "a" }, { "X-AMZ-date", DATE }, { "x-amz-target", "t" }, { "b", " x  y " }, { "B", "z" },
				    { "a-b", "1" }, { "a", "2" } };
	struct sigv4_request r = { .method = "POST", .path = "/", .query = "", .headers = h, .nheaders = 7, .body = "{}", .body_len = 2 };
	_cleanup_buf_ struct buf auth = { 0 }, m = { 0 };
	char copy[2048];

	ok_int(sigv4_sign(&r, "service", "us-east-1", ID, SECRET, DATE, &auth), 0);
	ok(strstr(buf_text(&auth), "SignedHeaders=a;a-b;b;host;x-amz-date;x-amz-target,") != NULL);
	ok_int(verify(h, 7, buf_text(&auth), "{}", NOW, &m), SIGV4_OK);
	ok_int(m.n, 0);
	ok_int(verify(h, 7, buf_text(&auth), "{}", NOW + 300, &m), SIGV4_OK);
	ok_int(verify(h, 7, buf_text(&auth), "{}", NOW - 300, &m), SIGV4_OK);
	ok_int(verify(h, 7, buf_text(&auth), "{}", NOW + 301, &m), SIGV4_EXPIRED);
	ok_str(buf_text(&m), "Signature expired: " DATE " is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)");
	ok_int(verify(h, 7, buf_text(&auth), "{}", NOW - 301, &m), SIGV4_EXPIRED);
	ok_int(verify(h, 7, buf_text(&auth), "{ }", NOW, &m), SIGV4_MISMATCH);
	ok_int(verify(h, 7, NULL, "{}", NOW, &m), SIGV4_MISSING);
	h[3].value = "x y";
	ok_int(verify(h, 7, buf_text(&auth), "{}", NOW, &m), SIGV4_OK);
	h[3].value = "xy";
	ok_int(verify(h, 7, buf_text(&auth), "{}", NOW, &m), SIGV4_MISMATCH);
	h[3].value = "x y";
	/* every single character of it matters */
	for (size_t i = 17; i < auth.n; i++) {
		enum sigv4_result res;

		snprintf(copy, sizeof(copy), "%s", buf_text(&auth));
		copy[i] = copy[i] == 'q' ? 'p' : 'q';
		buf_reset(&m);
		res = verify(h, 7, copy, "{}", NOW, &m);
		ok(res != SIGV4_OK && m.n);
	}
}

static void scopes(void)
{
	_cleanup_buf_ struct buf auth = { 0 }, m = { 0 };
	struct sigv4_request r = request("POST", "/", "");

	ok_int(sigv4_sign(&r, "other", "us-east-1", ID, SECRET, DATE, &auth), 0);
	ok_int(verify(plain, 2, buf_text(&auth), "", NOW, &m), SIGV4_SCOPE);
	buf_reset(&auth);
	ok_int(sigv4_sign(&r, "service", "eu", ID, SECRET, DATE, &auth), 0);
	ok_int(verify(plain, 2, buf_text(&auth), "", NOW, &m), SIGV4_SCOPE);
	buf_reset(&auth);
	ok_int(sigv4_sign(&r, "service", "us-east-1", "OTHER", SECRET, DATE, &auth), 0);
	ok_int(verify(plain, 2, buf_text(&auth), "", NOW, &m), SIGV4_UNKNOWN_KEY);
	ok_int(sigv4_sign(&r, "service", "us-east-1", ID, SECRET, "today", &auth), -EINVAL);
}

static const struct tap_case cases[] = {
	CASE(published_examples),
	CASE(published_examples_of_s3),
	CASE(canonical_forms),
	CASE(what_is_signed_verifies),
	CASE(scopes),
};
TAP_MAIN(cases)
