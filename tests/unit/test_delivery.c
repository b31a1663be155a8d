/* SPDX-License-Identifier: Apache-2.0 */
/* Names, bytes and places of log files: layout, logfile, buckets that are directories, and requests for what lies in them. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "lib/cleanup.h"
#include "lib/conf.h"
#include "lib/fsx.h"
#include "proto/keys.h"
#include "store/delivery/bucket.h"
#include "store/delivery/envelope.h"
#include "store/delivery/gzip.h"
#include "store/delivery/layout.h"
#include "store/delivery/logfile.h"
#include "store/delivery/loggroup.h"
#include "store/delivery/s3sign.h"
#include "store/delivery/serve.h"
#include "tests/tap.h"
#include "tools/gunzip.h"

static char dir[64];

static void begin(void)
{
	strcpy(dir, "/tmp/ht-delivery-XXXXXX");
	ok(mkdtemp(dir) != NULL);
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok_int(system(command), 0);
}

/* ---- names */

static void keys_are_cloudtrails(void)
{
	const struct layout l = { "pre/fix", "123456789012", "eu-west-1", 1793498491 };	/* 2026-11-01T02:01:31Z */
	static const char start[] = "pre/fix/AWSLogs/123456789012/CloudTrail/eu-west-1/2026/11/01/123456789012_CloudTrail_eu-west-1_20261101T0201Z_";
	const struct layout bare = { NULL, "000000000000", "local", 0 };
	char a[LAYOUT_KEY_MAX], b[LAYOUT_KEY_MAX];

	layout_log_key(&l, "seed", 4, a);
	ok(!strncmp(a, start, strlen(start)));
	ok_str(a + strlen(a) - 8, ".json.gz");
	ok_int(strspn(a + strlen(start), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"), 16);
	layout_log_key(&l, "seed", 4, b);
	ok_str(a, b);
	layout_log_key(&l, "other", 5, b);
	ok(strcmp(a, b));
	layout_digest_key(&l, "my-trail", "us-east-1", a);
	ok_str(a, "pre/fix/AWSLogs/123456789012/CloudTrail-Digest/eu-west-1/2026/11/01/"
		  "123456789012_CloudTrail-Digest_eu-west-1_my-trail_us-east-1_20261101T020131Z.json.gz");
	layout_digest_key(&bare, "t", "local", a);
	ok_str(a, "AWSLogs/000000000000/CloudTrail-Digest/local/1970/01/01/000000000000_CloudTrail-Digest_local_t_local_19700101T000000Z.json.gz");
	layout_arn("local", "000000000000", "abc", a);
	ok_str(a, "arn:aws:cloudtrail:local:000000000000:trail/abc");
}

static void names_are_read_back(void)
{
	const struct layout l = { "pre/fix", "123456789012", "eu-west-1", 1793498491 };
	static const char *const no[] = {
		"", "x.json.gz", "AWSLogs/1/CloudTrail/r/2026/11/01/1_CloudTrail_r_20261101T0201Z_0123456789abcdef.json.gz.headers",
		"AWSLogs/1/CloudTrail/r/2026/11/01/2_CloudTrail_r_20261101T0201Z_0123456789abcdef.json.gz",	/* another account */
		"AWSLogs/1/CloudTrail/r/2026/11/01/1_CloudTrail_r_20261101T0261Z_0123456789abcdef.json.gz",	/* no such minute */
		"AWSLogs/1/CloudTrail/r/2026/11/01/1_CloudTrail_r_20261101T0201Z_0123456789abcde.json.gz",
		"AWSLogs/1/CloudTrail/r/2026/11/01/x/1_CloudTrail_r_20261101T0201Z_0123456789abcdef.json.gz",
		"AWSLogs/1/CloudTrail-Lake/Query/2026/11/01/q/result_1.csv.gz", "AWSLogs/1/CloudTrail-Digest/r/2026/11/01/1_CloudTrail-Digest_r_.json.gz",
		"xAWSLogs/1/CloudTrail/r/2026/11/01/1_CloudTrail_r_20261101T0201Z_0123456789abcdef.json.gz",
	};
	char key[LAYOUT_KEY_MAX];
	int64_t seconds;
	size_t folder;

	layout_log_key(&l, "seed", 4, key);
	ok(layout_parse(key, &seconds, &folder));
	ok_int(seconds, 1793498491 / 60 * 60);
	ok_int(folder, strrchr(key, '/') - key);
	layout_digest_key(&l, "my-trail", "us-east-1", key);
	ok(layout_parse(key, &seconds, &folder));
	ok_int(seconds, 1793498491);
	for (unsigned i = 0; i < ARRAY_SIZE(no); i++) {
		ok(!layout_parse(no[i], &seconds, &folder));
		if (tap_failed)
			printf("# %s\n", no[i]);
	}
}

static void put(const struct bucket *b, const char *key, int want);

static void what_is_past_goes_with_its_folders(void)
{
	struct buckets *all = NULL;
	char line[160], *lines[] = { line }, why[BUCKET_WHY_MAX], path[256];
	struct conf_list list = { .v = lines, .n = 1 };
	const struct bucket *b;

	begin();
	snprintf(line, sizeof(line), "logs %s/b retention_days=30", dir);
	must(buckets_load(&list, &all, why) == 0);
	b = buckets_find(all, "logs");
	ok_int(bucket_retention(b), 30);
	put(b, "a/b/c", 0);
	put(b, "a/d", 0);
	ok(bucket_size(b, "a/d") > 0 && bucket_size(b, "a/none") == 0);
	ok_int(bucket_remove(b, "a/b/c", why), 0);
	snprintf(path, sizeof(path), "%s/b/a/b", dir);
	ok(access(path, F_OK) < 0);
	ok_int(bucket_remove(b, "a/b/c", why), 0);
	ok(bucket_size(b, "a/d") > 0);
	ok_int(bucket_remove(b, "a/d", why), 0);
	snprintf(path, sizeof(path), "%s/b", dir);
	ok(access(path, F_OK) == 0);
	ok_int(bucket_remove(b, "../x", why), -EINVAL);
	buckets_free(&all);
	end();
}

static void names_keep_awss_rules(void)
{
	static const char *const trails[] = { "abc", "my.trail_1-x", "A1B", NULL };
	static const char *const no_trails[] = { "", "ab", "-abc", "abc-", "a--b", "a._b", "a b", "192.168.5.4", "caf\xc3\xa9", NULL };
	static const char *const buckets[] = { "abc", "my-bucket.logs", "1bucket", "a--b", NULL };
	static const char *const no_buckets[] = { "ab", "Bucket", "a_b", "-ab", "ab-", "a..b", "10.0.0.1", "a/b", NULL };
	static const char *const prefixes[] = { "", "a", "a/b", "logs-2026_x", NULL };
	static const char *const no_prefixes[] = { "/a", "a/", "a//b", "../a", "a/../b", "a/.hidden", "a b", NULL };
	char n[256];

	for (unsigned i = 0; trails[i]; i++)
		ok(layout_trail_name(trails[i]));
	for (unsigned i = 0; no_trails[i]; i++)
		ok(!layout_trail_name(no_trails[i]));
	for (unsigned i = 0; buckets[i]; i++)
		ok(layout_bucket_name(buckets[i]));
	for (unsigned i = 0; no_buckets[i]; i++)
		ok(!layout_bucket_name(no_buckets[i]));
	for (unsigned i = 0; prefixes[i]; i++)
		ok(layout_prefix(prefixes[i]));
	for (unsigned i = 0; no_prefixes[i]; i++)
		ok(!layout_prefix(no_prefixes[i]));
	memset(n, 'a', sizeof(n));
	n[128] = '\0';
	ok(layout_trail_name(n));
	n[128] = 'a';
	n[129] = '\0';
	ok(!layout_trail_name(n));
}

/* ---- bytes */

static void write_log(unsigned n, struct logfile_end *e)
{
	struct logfile *f = NULL;

	must(logfile_new(&f) == 0);
	for (unsigned i = 0; i < n; i++) {
		char json[64];
		int len = snprintf(json, sizeof(json), "{\"n\":%u}", i);

		ok_int(logfile_add(f, json, (size_t)len, 1000 - (int64_t)i), 0);
	}
	ok_int(logfile_finish(f, e), 0);
	logfile_free(&f);
}

static void a_log_file_is_one_gzip_member(void)
{
	struct logfile_end e = { 0 }, again = { 0 };
	_cleanup_buf_ struct buf text = { 0 };
	uint8_t hash[32];

	write_log(3, &e);
	ok_int(gunzip_only(e.gz.p, e.gz.n, 1 << 20, &text), 0);
	ok_str(buf_text(&text), "{\"Records\":[{\"n\":0},{\"n\":1},{\"n\":2}]}");
	sha256(text.p, text.n, hash);
	ok(!memcmp(hash, e.sha256, 32));
	ok_int(e.records, 3);
	ok_int(e.bytes, text.n);
	ok_int(e.oldest, 998);
	ok_int(e.newest, 1000);
	write_log(3, &again);
	ok(again.gz.n == e.gz.n && !memcmp(again.gz.p, e.gz.p, e.gz.n));
	buf_free(&e.gz);
	buf_free(&again.gz);
	write_log(200000, &e);
	buf_reset(&text);
	ok_int(gunzip_only(e.gz.p, e.gz.n, LOGFILE_MAX, &text), 0);
	ok_int(text.n, e.bytes);
	buf_free(&e.gz);
}

static void more_or_less_than_a_member_is_told(void)
{
	_cleanup_buf_ struct buf gz = { 0 }, text = { 0 };
	size_t n;

	ok_int(gzip_whole("hello", 5, &gz), 0);
	n = gz.n;
	ok_int(gunzip_only(gz.p, n, 5, &text), 0);
	ok_str(buf_text(&text), "hello");
	buf_reset(&text);
	for (size_t i = 0; i < n; i++)
		ok_int(gunzip_only(gz.p, i, 100, &text), -EBADMSG);
	gzip_whole("more", 4, &gz);
	buf_reset(&text);
	ok_int(gunzip_only(gz.p, gz.n, 100, &text), -EOVERFLOW);
	ok_str(buf_text(&text), "hello");
	ok_int(gunzip_only(gz.p, n + 1, 100, &text), -EOVERFLOW);
	gz.p[n - 6] ^= 1;	/* the checksum */
	ok_int(gunzip_only(gz.p, n, 100, &text), -EBADMSG);
	ok_int(gunzip_only("{}", 2, 100, &text), -EBADMSG);
}

static void what_grows_beyond_the_bound_is_refused(void)
{
	static char zeros[1 << 20];
	_cleanup_buf_ struct buf gz = { 0 }, text = { 0 };

	ok_int(gzip_whole(zeros, sizeof(zeros), &gz), 0);
	ok_int(gunzip_only(gz.p, gz.n, 100000, &text), -EFBIG);
	ok(text.n < 300000);
}

/* ---- buckets */

static bool groups;		/* lines are those of log groups */

static int load(struct buckets **ret, char *why, unsigned n, ...)
{
	char *lines[8];
	struct conf_list list = { lines, n };
	va_list ap;

	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		lines[i] = va_arg(ap, char *);
	va_end(ap);
	return (groups ? groups_load : buckets_load)(&list, ret, why);
}

static void lines_of_the_settings(void)
{
	static const char *const bad[] = {
		"logs", "logs relative/path", "Logs /x", "logs /x sse=AES256", "logs ftp://host", "logs https://h", "logs https://h region=",
		"logs https://h credentials=/none/such", "logs https://h credentials=CRED sse=none", "logs https://h credentials=CRED lock=COMPLIANCE",
		"logs https://h credentials=CRED lock=COMPLIANCE lock_days=0", "logs https://h credentials=CRED credentials=CRED",
		"logs https://h credentials=CRED profile=other", "logs https://h credentials=CRED color=red",
	};
	static const char text[] = "[default]\naws_access_key_id = AK\naws_secret_access_key = secret\n[half]\naws_access_key_id = AK\n";
	char why[BUCKET_WHY_MAX], path[128], line[512];
	struct buckets *b = NULL;

	begin();
	snprintf(path, sizeof(path), "%s/cred", dir);
	ok_int(fsx_replace(path, text, strlen(text), 0600), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *at = strstr(bad[i], "CRED");

		snprintf(line, sizeof(line), "%.*s%s%s", at ? (int)(at - bad[i]) : (int)strlen(bad[i]), bad[i], at ? path : "", at ? at + 4 : "");
		why[0] = '\0';
		ok(load(&b, why, 1, line) < 0 && *why);
	}
	ok_int(load(&b, why, 2, "one /x", "one /y"), -EINVAL);
	snprintf(line, sizeof(line), "logs https://h credentials=%s", path);
	must(chmod(path, 0644) == 0);
	ok_int(load(&b, why, 1, line), -EPERM);
	must(chmod(path, 0600) == 0);
	snprintf(line, sizeof(line), "a/b_c#1 https://h credentials=%s", path);
	ok_int(load(&b, why, 1, line), -EINVAL);
	groups = true;
	must(load(&b, why, 1, line) == 0);
	ok(buckets_find(b, "a/b_c#1") != NULL);
	buckets_free(&b);
	ok_int(load(&b, why, 1, "logs /x"), -EINVAL);
	strcat(line, " sse=AES256");
	ok_int(load(&b, why, 1, line), -EINVAL);
	groups = false;
	snprintf(line, sizeof(line), "far https://h:9000 credentials=%s region=eu bucket=real lock=GOVERNANCE lock_days=7 sse=aws:kms kms_key=k", path);
	must(load(&b, why, 2, "near  /x/", line) == 0);
	ok(bucket_is_local(buckets_find(b, "near")));
	ok(!bucket_is_local(buckets_find(b, "far")));
	ok(!buckets_find(b, "other"));
	ok(!buckets_find(NULL, "other"));
	buckets_free(&b);
	end();
}

struct seen {
	char text[1024];
	unsigned n, max;
};

static int on_key(void *ctx, const struct bucket_entry *e)
{
	struct seen *s = ctx;

	if (s->n++ == s->max)
		return 1;
	snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s ", e->key);
	return 0;
}

static void listed(const struct bucket *b, const char *prefix, const char *marker, unsigned max, const char *want)
{
	struct seen s = { .max = max };

	ok_int(bucket_list(b, prefix, marker, on_key, &s), 0);
	ok_str(s.text, want);
}

static void put(const struct bucket *b, const char *key, int want)
{
	const struct object o = { .key = key, .type = "t", .p = key, .n = strlen(key), .meta = { { "signature", "sig" } },
				  .nmeta = key[0] == 'a' };
	char why[BUCKET_WHY_MAX];

	ok_int(bucket_put(b, &o, why), want);
}

static void a_directory_is_a_bucket(void)
{
	_cleanup_buf_ struct buf body = { 0 }, headers = { 0 };
	char line[128], why[BUCKET_WHY_MAX], path[256];
	struct buckets *all = NULL;
	const struct bucket *b;
	struct stat s;

	begin();
	snprintf(line, sizeof(line), "near %s/b", dir);
	must(load(&all, why, 1, line) == 0);
	b = buckets_find(all, "near");
	ok_int(bucket_check(b, why), 0);
	put(b, "b/2", 0);
	put(b, "a/x/1", 0);
	put(b, "a-b", 0);
	put(b, "a/x/1", 0);	/* again: the same */
	put(b, "../out", -EINVAL);
	put(b, "a/.hidden", -EINVAL);
	put(b, "x.headers", -EINVAL);
	put(b, "a//b", -EINVAL);
	put(b, "", -EINVAL);
	listed(b, "", "", 9, "a-b a/x/1 b/2 ");	/* '-' comes before '/' */
	listed(b, "a/", "", 9, "a/x/1 ");
	listed(b, "", "a-b", 9, "a/x/1 b/2 ");
	listed(b, "", "a/x/1", 9, "b/2 ");
	listed(b, "", "", 1, "a-b ");
	listed(b, "c", "", 9, "");
	ok_int(bucket_get(b, "a/x/1", &body, &headers, why), 0);
	ok_str(buf_text(&body), "a/x/1");
	ok_str(buf_text(&headers), "x-amz-meta-signature: sig\n");
	ok_int(bucket_get(b, "a/x", &body, &headers, why), -ENOENT);
	ok_str(why, "NoSuchKey");
	ok_int(bucket_get(b, "../../etc/passwd", &body, &headers, why), -ENOENT);
	ok_int(bucket_get(b, "a/x/1.headers", &body, &headers, why), -ENOENT);
	snprintf(path, sizeof(path), "%s/b/a/x/1", dir);
	ok_int(stat(path, &s), 0);
	ok_int(s.st_mode & 0777, 0440);
	buckets_free(&all);
	end();
}

/* ---- requests */

static void parsed(const char *uri, const char *bucket, const char *key, const char *prefix, const char *marker)
{
	struct serve_request q;

	ok_int(serve_parse(uri, &q), 0);
	ok_str(q.bucket, bucket);
	ok_str(q.key, key);
	ok_str(q.prefix, prefix);
	ok_str(q.marker, marker);
	ok(!q.unknown);
}

static void requests_of_s3(void)
{
	static const char *const bad[] = { "", "/", "bucket", "/?location", "/b/%zz", "/b/%00", "/b?prefix=%4", "/b?max-keys=x", "/b?max-keys=" };
	struct serve_request q;

	parsed("/bucket", "bucket", "", "", "");
	parsed("/bucket/", "bucket", "", "", "");
	parsed("/bucket/a/b%20c.gz", "bucket", "a/b c.gz", "", "");
	parsed("/bucket/a+b", "bucket", "a+b", "", "");
	parsed("/bucket?marker=k%2Fx&prefix=a+b&encoding-type=url", "bucket", "", "a b", "k/x");
	parsed("/bucket?list-type=2&start-after=k&prefix=&delimiter=", "bucket", "", "", "k");
	ok_int(serve_parse("/b?location", &q), 0);
	ok(q.location);
	ok_int(serve_parse("/b?max-keys=5000", &q), 0);
	ok_int(q.max, SERVE_KEYS_MAX);
	ok_int(serve_parse("/b?acl", &q), 0);
	ok(q.unknown);
	ok_int(serve_parse("/b?delimiter=%2F", &q), 0);
	ok(q.unknown);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		ok_int(serve_parse(bad[i], &q), -EINVAL);
}

static void error_is(const char *body, long status, const char *want)
{
	char code[80];

	s3_error_code(body, strlen(body), status, code, sizeof(code));
	ok_str(code, want);
}

static void errors_of_s3(void)
{
	error_is("<?xml?><Error><Code>NoSuchBucket</Code><Message>x</Message></Error>", 404, "NoSuchBucket");
	error_is("<Error><Code></Code></Error>", 403, "HTTP 403");
	error_is("<Code>Cut", 500, "HTTP 500");
	error_is("<Code>bad name</Code>", 500, "HTTP 500");
	error_is("", 503, "HTTP 503");
}

static void logs_error_is(const char *body, long status, const char *want)
{
	char name[80];

	loggroup_error(body, strlen(body), status, name, sizeof(name));
	ok_str(name, want);
}

static void errors_of_cloudwatch_logs(void)
{
	logs_error_is("{\"__type\":\"com.amazonaws.logs#ResourceNotFoundException\",\"message\":\"x\"}", 400, "ResourceNotFoundException");
	logs_error_is("{\"message\":\"m\",\"__type\" : \"ThrottlingException\"}", 400, "ThrottlingException");
	logs_error_is("{\"__type\":\"Cut", 400, "HTTP 400");
	logs_error_is("{\"__type\":\"a b\"}", 400, "HTTP 400");
	logs_error_is("{\"__type\":\"\"}", 400, "HTTP 400");
	logs_error_is("", 503, "HTTP 503");
}

static void envelope_is(const char *source, const char *type, const char *want_source, const char *want_type)
{
	const struct record_summary s = { .time = 1793498491500000000, .event_source = { source, strlen(source) }, .event_type = { type, strlen(type) } };
	_cleanup_buf_ struct buf b = { 0 };
	char want[512];

	ok_int(envelope_make(&s, "123456789012", "eu", "{\"a\":1}", 7, &b), 0);
	snprintf(want, sizeof(want),
		 "{\"version\":\"0\",\"id\":\"00000000-0000-0000-0000-000000000000\",\"detail-type\":\"%s\",\"source\":\"%s\",\"account\":\"123456789012\","
		 "\"time\":\"2026-11-01T02:01:31Z\",\"region\":\"eu\",\"resources\":[],\"detail\":{\"a\":1}}", want_type, want_source);
	ok_str(buf_text(&b), want);
}

static void envelopes_are_eventbridges(void)
{
	envelope_is("s3.amazonaws.com", "AwsApiCall", "aws.s3", "AWS API Call via CloudTrail");
	envelope_is("signin.amazonaws.com", "AwsConsoleSignIn", "aws.signin", "AWS Console Sign In via CloudTrail");
	envelope_is("kms.amazonaws.com", "AwsServiceEvent", "aws.kms", "AWS Service Event via CloudTrail");
	envelope_is("file.linux", "HostApiCall", "hosttrail.file.linux", "Host API Call via hosttrail");
	envelope_is("trail.hosttrail", "HostServiceEvent", "hosttrail.trail.hosttrail", "Host Service Event via hosttrail");
	envelope_is(".amazonaws.com", "HostApiCall", "hosttrail..amazonaws.com", "Host API Call via hosttrail");
}

static void addresses(void)
{
	struct s3_request q = { .method = "GET" }, bad = { .method = "GET" };

	ok_int(s3_address(&q, "https://s3.example.com:443", "bucket", "a b/\xc3\xa9+:$.gz"), 0);
	ok_str(q.host, "s3.example.com");
	ok_str(buf_text(&q.path), "/bucket/a%20b/%C3%A9%2B%3A%24.gz");
	ok_str(buf_text(&q.url), "https://s3.example.com:443/bucket/a%20b/%C3%A9%2B%3A%24.gz");
	s3_request_free(&q);
	q = (struct s3_request){ .method = "GET" };
	ok_int(s3_address(&q, "http://127.0.0.1:9000", "bucket", NULL), 0);
	ok_str(q.host, "127.0.0.1:9000");
	ok_str(buf_text(&q.path), "/bucket");
	s3_request_free(&q);
	ok_int(s3_address(&bad, "https://user@host", "b", NULL), -EINVAL);
	ok_int(s3_address(&bad, "https://host/path", "b", NULL), -EINVAL);
	ok_int(s3_address(&bad, "https://", "b", NULL), -EINVAL);
	s3_request_free(&bad);
}

static const struct tap_case cases[] = {
	CASE(keys_are_cloudtrails), CASE(names_are_read_back), CASE(what_is_past_goes_with_its_folders), CASE(names_keep_awss_rules), CASE(a_log_file_is_one_gzip_member), CASE(more_or_less_than_a_member_is_told),
	CASE(what_grows_beyond_the_bound_is_refused), CASE(lines_of_the_settings), CASE(a_directory_is_a_bucket), CASE(requests_of_s3),
	CASE(errors_of_s3), CASE(errors_of_cloudwatch_logs), CASE(envelopes_are_eventbridges), CASE(addresses),
};
TAP_MAIN(cases)
