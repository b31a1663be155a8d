/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "proto/sigv4.h"

#define REPLY_MAX (256u << 20)
#define SIGNATURE_MAX 1025
#define BUSY_TRIES 100		/* "SlowDown": an endpoint's objects are fetched one at a time */
#define BUSY_PAUSE_US 100000
#define CONTENT_TYPE "application/x-amz-json-1.1"

struct client {
	CURL *curl;
	char host[64];		/* "127.0.0.1:7480" */
	char ca[PATH_MAX];	/* of the store's certificate; empty: no TLS */
	char key[129], secret[129], region[64];
	char signature[SIGNATURE_MAX];	/* of the last answer */
	struct buf reply;
};

/* key = value lines of the [default] section. */
static void credentials_line(struct client *c, char *line)
{
	struct {
		const char *name;
		char *to;
		size_t n;
	} rows[] = {
		{ "aws_access_key_id", c->key, sizeof(c->key) },
		{ "aws_secret_access_key", c->secret, sizeof(c->secret) },
		{ "region", c->region, sizeof(c->region) },
	};
	char name[64], value[129];

	if (sscanf(line, " %63[a-z_] = %128s", name, value) != 2)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(name, rows[i].name))
			snprintf(rows[i].to, rows[i].n, "%s", value);
}

static int read_credentials(struct client *c, const char *path)
{
	_cleanup_buf_ struct buf b = { 0 };
	char *line, *save = NULL;
	bool ours = false;
	int r;

	r = fsx_read(path, 65536, &b);
	if (r < 0)
		return r;
	buf_addc(&b, 0);
	for (line = strtok_r((char *)b.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (*line == '[')
			ours = !strncmp(line, "[default]", 9);
		else if (ours)
			credentials_line(c, line);
	}
	return *c->key && *c->secret ? 0 : -ENOENT;
}

int client_open(const struct instance *i, struct client **ret_c, char why[256])
{
	_cleanup_client_ struct client *c = calloc(1, sizeof(*c));
	struct instance_ports ports;
	char path[PATH_MAX];
	int r;

	if (!c || !(c->curl = curl_easy_init())) {
		snprintf(why, 256, "out of memory");
		return -ENOMEM;
	}
	c->reply.max = REPLY_MAX;
	snprintf(c->region, sizeof(c->region), "local");
	r = instance_ports(i, &ports);
	if (r < 0) {
		snprintf(why, 256, "the store of %.150s is not running (%s)", i->dir, strerror(-r));
		return r;
	}
	snprintf(c->host, sizeof(c->host), "127.0.0.1:%u", ports.api);
	if (ports.tls)
		instance_path(i, "pki/ca.crt", c->ca);
	instance_path(i, "credentials", path);
	r = read_credentials(c, path);
	if (r < 0) {
		snprintf(why, 256, "%.150s/credentials: %s", i->dir, strerror(-r));
		return r;
	}
	*ret_c = TAKE_PTR(c);
	return 0;
}

void client_free(struct client **c)
{
	if (!*c)
		return;
	if ((*c)->curl)
		curl_easy_cleanup((*c)->curl);
	explicit_bzero((*c)->secret, sizeof((*c)->secret));
	buf_free(&(*c)->reply);
	free(*c);
	*c = NULL;
}

static size_t take_reply(char *p, size_t size, size_t n, void *ctx)
{
	return buf_add(ctx, p, size * n) < 0 ? 0 : size * n;
}

/* Of all headers of an answer only a digest's signature is of interest. */
static size_t take_header(char *p, size_t size, size_t n, void *ctx)
{
	static const char name[] = "x-amz-meta-signature:";
	size_t at = sizeof(name) - 1, len = size * n;

	if (len > at && !strncasecmp(p, name, at)) {
		for (; at < len && p[at] == ' '; at++)
			;
		while (len > at && (p[len - 1] == '\r' || p[len - 1] == '\n'))
			len--;
		snprintf(ctx, SIGNATURE_MAX, "%.*s", (int)(len - at), p + at);
	}
	return size * n;
}

/* Curl's errors, as far as a caller acts on them. */
static int transfer_errno(CURLcode code)
{
	if (code == CURLE_COULDNT_CONNECT)
		return -ECONNREFUSED;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return -ETIMEDOUT;
	return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

static int transfer(struct client *c, const char *path, const char *body, struct curl_slist *headers, long *ret_status,
		    char why[256])
{
	char url[4096];
	CURLcode code;

	curl_easy_reset(c->curl);
	buf_reset(&c->reply);
	snprintf(url, sizeof(url), "%s://%s%s", *c->ca ? "https" : "http", c->host, path);
	if (*c->ca) {
		curl_easy_setopt(c->curl, CURLOPT_CAINFO, c->ca);
		curl_easy_setopt(c->curl, CURLOPT_CAPATH, NULL);	/* else the system's CAs count beside it */
	}
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "hosttrail/" HOSTTRAIL_VERSION);
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, 60000L);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_reply);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &c->reply);
	curl_easy_setopt(c->curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, c->signature);
	c->signature[0] = '\0';
	if (body)
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
	if (headers)
		curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	code = curl_easy_perform(c->curl);
	if (code != CURLE_OK) {
		snprintf(why, 256, "the store at %s does not answer: %s", c->host, curl_easy_strerror(code));
		return transfer_errno(code);
	}
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, ret_status);
	return 0;
}

/* ---- signed requests */

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct curl_slist *more;

	buf_addf(&b, "%s: %s", name, value);
	more = b.failed ? NULL : curl_slist_append(*list, buf_text(&b));
	if (!more)
		return -ENOMEM;
	*list = more;
	return 0;
}

static void free_headers(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static void amz_date(char ret[17])
{
	time_t now = time(NULL);
	struct tm tm;

	strftime(ret, 17, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
}

/* The headers of one signed request. */
static int sign(struct client *c, const char *target, const char *body, struct curl_slist **ret_headers)
{
	_cleanup_(free_headers) struct curl_slist *list = NULL;
	_cleanup_buf_ struct buf authorization = { 0 };
	char date[17];
	const struct sigv4_header headers[] = {
		{ "content-type", CONTENT_TYPE }, { "host", c->host }, { "x-amz-date", date }, { "x-amz-target", target },
	};
	const struct sigv4_request request = {
		.method = "POST", .path = "/", .query = "", .headers = headers, .nheaders = ARRAY_SIZE(headers),
		.body = body, .body_len = strlen(body),
	};
	int r;

	amz_date(date);
	r = sigv4_sign(&request, "cloudtrail", c->region, c->key, c->secret, date, &authorization);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(headers); i++)
		r = add_header(&list, headers[i].name, headers[i].value);
	if (r >= 0)
		r = add_header(&list, "Authorization", buf_text(&authorization));
	if (r >= 0)
		r = add_header(&list, "Expect", "");
	if (r < 0)
		return r;
	*ret_headers = TAKE_PTR(list);
	return 0;
}

static void add_encoded(struct buf *b, const char *text)
{
	for (; *text; text++) {
		unsigned char ch = (unsigned char)*text;

		if (isalnum(ch) || strchr("-._~/", ch))
			buf_addc(b, ch);
		else
			buf_addf(b, "%%%02X", ch);
	}
}

static int s3_once(struct client *c, const char *bucket, const char *key, const char *query, struct buf *ret_body, char *signature,
		   size_t size, char why[256])
{
	static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	_cleanup_(free_headers) struct curl_slist *list = NULL;
	_cleanup_buf_ struct buf path = { 0 }, authorization = { 0 };
	char date[17];
	const struct sigv4_header headers[] = { { "host", c->host }, { "x-amz-content-sha256", empty }, { "x-amz-date", date } };
	struct sigv4_request q = { .method = "GET", .query = query, .headers = headers, .nheaders = 3, .body = "", .s3 = true };
	_cleanup_free_ char *sent = NULL;
	long status = 0;
	int r;

	amz_date(date);
	buf_addf(&path, "/%s", bucket);
	if (key)
		buf_addc(&path, '/');
	add_encoded(&path, key ? key : "");
	q.path = buf_text(&path);
	r = sigv4_sign(&q, "s3", c->region, c->key, c->secret, date, &authorization);
	for (unsigned i = 0; r >= 0 && i < ARRAY_SIZE(headers); i++)
		r = add_header(&list, headers[i].name, headers[i].value);
	if (r >= 0)
		r = add_header(&list, "Authorization", buf_text(&authorization));
	if (r < 0 || asprintf(&sent, "%s%s%s", q.path, *query ? "?" : "", query) < 0) {
		snprintf(why, 256, "out of memory");
		return -ENOMEM;
	}
	r = transfer(c, sent, NULL, list, &status, why);
	if (!r)
		r = buf_add(ret_body, c->reply.p, c->reply.n);
	snprintf(signature, size, "%s", c->signature);
	return r < 0 ? r : (int)status;
}

int client_s3(struct client *c, const char *bucket, const char *key, const char *query, struct buf *ret_body, char *signature,
	      size_t size, char why[256])
{
	size_t had = ret_body->n;
	int r;

	for (unsigned i = 0;; i++) {
		r = s3_once(c, bucket, key, query, ret_body, signature, size, why);
		if (r != 503 || i == BUSY_TRIES)
			return r;
		ret_body->n = had;
		usleep(BUSY_PAUSE_US);
	}
}

/* CloudTrail's errors: {"__type": "InvalidTokenException", "message": "..."}. */
static void refusal(struct json_object *reply, long status, char why[256])
{
	const char *type = member_text(reply, "__type"), *text = member_text(reply, "message");
	const char *hash = strrchr(type, '#');

	if (!*text)
		text = member_text(reply, "Message");
	snprintf(why, 256, "%.60s: %.180s", *type ? (hash ? hash + 1 : type) : "the store refused", *text ? text : "no reason given");
	if (!*type && !*text)
		snprintf(why, 256, "the store answered HTTP %ld", status);
}

int client_call(struct client *c, const char *target, struct json_object *request, struct json_object **ret_reply,
		char why[256])
{
	_cleanup_(free_headers) struct curl_slist *headers = NULL;
	_cleanup_json_ struct json_object *reply = NULL;
	const char *body = request ? json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN) : "{}";
	long status = 0;
	int r;

	r = sign(c, target, body, &headers);
	if (r < 0) {
		snprintf(why, 256, "cannot sign the request: %s", strerror(-r));
		return r;
	}
	r = transfer(c, "/", body, headers, &status, why);
	if (r < 0)
		return r;
	reply = json_tokener_parse(buf_text(&c->reply));
	if (status != 200) {
		refusal(reply, status, why);
		return status == 503 ? -EAGAIN : -EREMOTEIO;
	}
	if (!json_object_is_type(reply, json_type_object)) {
		snprintf(why, 256, "the store's answer to %s is not JSON", target);
		return -EBADMSG;
	}
	*ret_reply = TAKE_PTR(reply);
	return 0;
}

struct json_object *member_at(struct json_object *o, const char *path)
{
	char name[64];
	size_t n;

	for (; o && *path; path += n + (path[n] == '.')) {
		n = strcspn(path, ".");
		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		if (!json_object_object_get_ex(o, name, &o))
			return NULL;
	}
	return o;
}

const char *member_text(struct json_object *o, const char *key)
{
	struct json_object *v = member_at(o, key);

	return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}
