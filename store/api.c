/* SPDX-License-Identifier: Apache-2.0 */
/* api.c - one request from its headers to its answer. Connections and their deadlines: api_conn.c. */
#include "api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <openssl/crypto.h>

#include "api_internal.h"
#include "auth.h"
#include "delivery/serve.h"
#include "engine.h"
#include "health.h"
#include "input.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "ops.h"
#include "proto/keys.h"
#include "proto/recordread.h"

static void count(struct api *a, enum api_count which)
{
	__atomic_add_fetch(&a->counts[which], 1, __ATOMIC_RELAXED);
}

/* ---- answering */

/* The body is handed over to libmicrohttpd, which frees it. */
static enum MHD_Result send_reply(struct MHD_Connection *c, struct reply *r, const char *type, const char *request_id)
{
	struct MHD_Response *response;
	enum MHD_Result res;

	if (r->body.failed) {
		reply_free(r);
		reply_fault(r, 500, "InternalFailure", "out of memory");
	}
	response = MHD_create_response_from_buffer(r->body.n, r->body.p, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		reply_free(r);
		return MHD_NO;
	}
	memset(&r->body, 0, sizeof(r->body));
	MHD_add_response_header(response, "Content-Type", type);
	if (*request_id)
		MHD_add_response_header(response, "x-amzn-RequestId", request_id);
	if (r->status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Basic realm=\"hosttrail\"");
	if (r->status == 413)
		MHD_add_response_header(response, "Connection", "close");
	res = MHD_queue_response(c, r->status, response);
	MHD_destroy_response(response);
	return res;
}

/* As AWS answers: with an id that clients show and log. */
static enum MHD_Result send_api(struct request *q, struct reply *r)
{
	uint8_t id[16];
	char text[37] = "";

	if (!uuid_random(id))
		uuid_text(id, text);
	if (r->status != 200)
		count(q->api, API_ERRORS);
	request_note(q, q->op && q->op->own ? "trail.hosttrail" : "cloudtrail.amazonaws.com", q->op ? q->op->name : "UnknownOperation",
		     !q->op || q->op->read_only, q->in, r->error, r->message, text);
	return send_reply(q->connection, r, "application/x-amz-json-1.1", text);
}

/* ---- the signature */

struct header_list {
	struct sigv4_header v[API_HEADERS_COUNT];
	unsigned n;
	bool many;
};

static enum MHD_Result take_header(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct header_list *l = ctx;

	if (l->n == API_HEADERS_COUNT) {
		l->many = true;
		return MHD_NO;
	}
	l->v[l->n++] = (struct sigv4_header){ key, value ? value : "" };
	return MHD_YES;
}

/* What was signed, as it came. path is the caller's: the URI is cut in it. */
static void signed_request(struct request *q, char *path, struct header_list *headers, struct sigv4_request *ret_s)
{
	char *query = strchr(path, '?');

	if (query)
		*query++ = '\0';
	MHD_get_connection_values(q->connection, MHD_HEADER_KIND, take_header, headers);
	*ret_s = (struct sigv4_request){ .method = q->method, .path = path, .query = query ? query : "", .headers = headers->v,
					 .nheaders = headers->n, .body = q->body.p, .body_len = q->body.n };
}

static int check_signature(struct request *q, struct reply *r, struct caller **ret_caller)
{
	_cleanup_free_ char *path = strdup(q->uri);
	struct header_list headers = { .n = 0 };
	struct sigv4_request s;

	if (!path)
		return reply_fault(r, 500, "InternalFailure", "out of memory");
	signed_request(q, path, &headers, &s);
	if (headers.many)
		return reply_error(r, "IncompleteSignatureException", "The request has too many headers.");
	return auth_check(q->api->st->auth, &s, clock_wall() / (int64_t)NS_PER_SEC, op_is_everywhere(q->op), r, ret_caller);
}

/* ---- the operation */

static int begin(const struct op *op, const struct caller *caller, const void *body, size_t n, struct reply *r, struct json_object **ret_in)
{
	int res;

	if (!op)
		return reply_error(r, "UnknownOperationException", "X-Amz-Target names no operation of this store.");
	res = input_parse(body, n, r, ret_in);
	return res ? res : op_allowed(op, caller, r);
}

void api_answer(struct store *st, const char *target, const void *body, size_t n, struct reply *r)
{
	_cleanup_(input_free) struct json_object *in = NULL;
	struct op_state state = { .wait_until = 1 };
	const struct op *op = op_find(target ? target : "");

	r->status = 200;
	if (begin(op, NULL, body, n, r, &in) == 0)
		engine_op(st, op)(st, in, &state, r);
	if (state.held)
		state.let_go(state.held);
}

/* Also called anew for a request that waited. */
static enum MHD_Result run_op(struct request *q)
{
	struct reply r = { .status = 200 };
	enum park park;

	for (;;) {
		q->generation = request_generation(q);
		if (engine_op(q->api->st, q->op)(q->api->st, q->in, &q->state, &r) != OP_WAIT)
			return send_api(q, &r);
		reply_free(&r);
		r.status = 200;
		park = request_park(q, q->op->fn == op_tail);
		if (park == PARKED)
			return MHD_YES;
		if (park == PARK_FULL)
			q->state.wait_until = 1;	/* no place to wait: it answers what there is */
	}
}

static enum MHD_Result start_op(struct request *q)
{
	struct reply r = { .status = 200 };
	const char *target = MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "X-Amz-Target");
	struct caller *caller;

	count(q->api, API_REQUESTS);
	q->op = op_find(target ? target : "");
	if (check_signature(q, &r, &caller) < 0) {
		count(q->api, API_REFUSED_AUTH);
		return send_api(q, &r);
	}
	q->state.caller = caller;
	if (!caller_admit(caller, clock_boot())) {
		count(q->api, API_THROTTLED);
		reply_error(&r, "ThrottlingException", "Rate exceeded");
		return send_api(q, &r);
	}
	if (begin(q->op, caller, q->body.p, q->body.n, &r, &q->in) < 0)
		return send_api(q, &r);
	return run_op(q);
}

static enum MHD_Result too_large(struct request *q)
{
	struct reply r = { .status = 200 };

	count(q->api, API_TOO_LARGE);
	reply_fault(&r, 413, "RequestEntityTooLargeException", "The request body is too large.");
	return send_api(q, &r);
}

/* ---- S3's reading half */

/* The headers are lines; libmicrohttpd wants them one by one. */
static void add_headers(struct MHD_Response *response, struct buf *lines)
{
	char *line, *rest = (char *)(uintptr_t)buf_text(lines);

	while ((line = strsep(&rest, "\n"))) {
		char *value = strstr(line, ": ");

		if (!value)
			continue;
		*value = '\0';
		MHD_add_response_header(response, line, value + 2);
	}
}

static enum MHD_Result send_object(struct MHD_Connection *c, struct serve_reply *r)
{
	struct MHD_Response *response;
	enum MHD_Result res;

	if (r->body.failed || r->headers.failed) {
		serve_reply_free(r);
		serve_error(r, 500, "InternalError", "out of memory");
	}
	response = MHD_create_response_from_buffer(r->body.n, r->body.p, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		serve_reply_free(r);
		return MHD_NO;
	}
	memset(&r->body, 0, sizeof(r->body));
	MHD_add_response_header(response, "Content-Type", r->type);
	add_headers(response, &r->headers);
	serve_reply_free(r);
	res = MHD_queue_response(c, r->status, response);
	MHD_destroy_response(response);
	return res;
}

/* A delivered file holds everybody's records. */
static bool object_admitted(struct request *q, struct caller *caller, struct serve_reply *r)
{
	if (caller_is_scoped(caller)) {
		serve_error(r, 403, "AccessDenied", "This key may see some records only.");
	} else if (!caller_admit(caller, clock_boot())) {
		count(q->api, API_THROTTLED);
		serve_error(r, 503, "SlowDown", "Please reduce your request rate.");
	} else {
		return true;
	}
	return false;
}

static bool object_allowed(struct request *q, struct serve_reply *r)
{
	_cleanup_free_ char *path = strdup(q->uri);
	_cleanup_buf_ struct buf message = { 0 };
	struct header_list headers = { .n = 0 };
	struct caller *caller;
	struct sigv4_request s;
	enum sigv4_result res;

	if (!path)
		return false;
	signed_request(q, path, &headers, &s);
	s.s3 = true;
	res = headers.many ? SIGV4_INCOMPLETE :
			     auth_check_s3(q->api->st->auth, &s, clock_wall() / (int64_t)NS_PER_SEC, &message, &caller);
	if (res == SIGV4_OK) {
		q->state.caller = caller;
		return object_admitted(q, caller, r);
	}
	serve_error(r, 403, res == SIGV4_UNKNOWN_KEY ? "InvalidAccessKeyId" : res == SIGV4_EXPIRED ? "RequestTimeTooSkewed" :
			    res == SIGV4_MISMATCH ? "SignatureDoesNotMatch" : "AccessDenied", buf_text(&message));
	return false;
}

static bool is_read(const struct request *q)
{
	return !strcmp(q->method, "GET") || !strcmp(q->method, "HEAD");
}

static const char *object_operation(const struct request *q, bool object, const char *query)
{
	static const char *const others[][2] = { { "HEAD", "HeadObject" }, { "PUT", "PutObject" }, { "DELETE", "DeleteObject" } };

	if (object)
		for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
			if (!strcmp(q->method, others[i][0]))
				return others[i][1];
	if (!is_read(q))
		return "UnknownOperation";
	return object ? "GetObject" : query && strstr(query, "location") ? "GetBucketLocation" : "ListObjects";
}

/* Bucket and key as the URI has them. */
static void note_object(struct request *q, const struct serve_reply *r)
{
	struct json_object *parameters = json_object_new_object();
	const char *path = q->uri + (*q->uri == '/'), *key = strchr(path, '/'), *query = strchr(path, '?');
	bool object = key && (!query || key < query) && key[1] && key[1] != '?';

	if (parameters) {
		json_object_object_add(parameters, "bucketName", json_object_new_string_len(path, (int)strcspn(path, "/?")));
		if (object)
			json_object_object_add(parameters, "key", json_object_new_string_len(key + 1, (int)strcspn(key + 1, "?")));
	}
	request_note(q, "s3.amazonaws.com", object_operation(q, object, query), is_read(q), parameters, r->error, NULL, NULL);
	json_object_put(parameters);
}

/* Nobody changes what was delivered; who tries is told of. */
static enum MHD_Result take_object_request(struct request *q)
{
	struct serve_reply r = { .status = 403, .type = "application/xml" };

	count(q->api, API_REQUESTS);
	if (!object_allowed(q, &r))
		count(q->api, API_REFUSED_AUTH);
	else if (is_read(q))
		serve_get(q->api->st, q->uri, &r);
	else
		serve_error(&r, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
	if (r.status >= 400)
		count(q->api, API_ERRORS);
	note_object(q, &r);
	return send_object(q->connection, &r);
}

/* A request that is signed is for an object; a browser's is not. */
static bool is_for_object(struct request *q)
{
	return q->api->st->delivery && MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Authorization");
}

/* Beyond loopback, for who has a key, which he shows as monitoring can: with Basic authentication, over TLS. What all hosts send is not for who
 * may see some. */
static bool metrics_allowed(struct request *q, struct reply *r)
{
	char *id, *secret = NULL;
	struct caller *caller = NULL;

	if (!q->api->metrics_keyed)
		return true;
	id = MHD_basic_auth_get_username_password(q->connection, &secret);
	if (id && secret)
		caller = auth_by_secret(q->api->st->auth, id, secret);
	if (secret)
		OPENSSL_cleanse(secret, strlen(secret));
	MHD_free(id);
	MHD_free(secret);
	r->status = !caller ? 401 : caller_is_scoped(caller) ? 403 : caller_admit(caller, clock_boot()) ? 200 : 429;
	if (r->status == 200)
		return true;
	count(q->api, r->status == 429 ? API_THROTTLED : API_REFUSED_AUTH);
	buf_adds(&r->body, r->status == 429 ? "too many requests\n" : "a key of the store is needed (Basic)\n");
	return false;
}

static enum MHD_Result get_page(struct request *q)
{
	struct reply r = { .status = 200 };
	const char *type = "text/plain; charset=utf-8";

	if (!strcmp(q->uri, "/healthz")) {
		buf_adds(&r.body, "ok\n");
	} else if (!strcmp(q->uri, "/readyz")) {
		health_ready(q->api->st, &r);
	} else if (!strcmp(q->uri, "/metrics")) {
		if (metrics_allowed(q, &r)) {
			type = "text/plain; version=0.0.4; charset=utf-8";
			health_metrics(q->api->st, &r.body);
		}
	} else if (is_for_object(q)) {
		return take_object_request(q);
	} else {
		r.status = 404;
		buf_adds(&r.body, "not found\n");
	}
	return send_reply(q->connection, &r, type, "");
}

static enum MHD_Result wrong_method(struct request *q)
{
	struct reply r = { .status = 405 };

	buf_adds(&r.body, "use POST / or GET /healthz, /readyz, /metrics\n");
	return send_reply(q->connection, &r, "text/plain; charset=utf-8", "");
}

static bool declares_too_much(struct request *q)
{
	const char *v = MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Content-Length");

	return v && strtoull(v, NULL, 10) > API_BODY_MAX;
}

/* libmicrohttpd calls: once with the headers, then with each piece of the body, then without one; and again after
 * each resume. */
enum MHD_Result api_handler(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
			    const char *data, size_t *n, void **ctx)
{
	struct request *q = *ctx;

	(void)url;
	(void)version;
	if (!q || !q->api)
		return MHD_NO;
	if (!q->begun) {
		q->begun = true;
		q->connection = c;
		request_method(q, method);
		if (!strcmp(method, "POST") && declares_too_much(q))
			return too_large(q);
		return MHD_YES;
	}
	if (*n) {
		if (!q->too_large && (q->body.n + *n > API_BODY_MAX || buf_add(&q->body, data, *n) < 0))
			q->too_large = true;
		*n = 0;
		return MHD_YES;
	}
	if (q->op)
		return run_op(q);
	request_received(q);
	if (q->too_large)
		return too_large(q);
	if (is_read(q))
		return get_page(q);
	if (!strcmp(q->method, "POST"))
		return start_op(q);
	return is_for_object(q) ? take_object_request(q) : wrong_method(q);
}
