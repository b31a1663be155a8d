/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api.h - what an HTTP call means: which service, which operation, on what, with what result, as CloudTrail would name it.
 *
 * Two questions, in the order of a call: api_wants() when its head is known (which rule it is, what that rule reads of the bodies),
 * and api_describe() when it has ended. Rules are asked in a fixed order (api.c); the last one fits every call.
 *
 * Privacy is decided here: what api_describe() answers has nothing in it that must not be stored. Secrets are whole values,
 * HIDDEN_DUE_TO_SECURITY_REASONS; fields and query values that no rule lists are hidden or left out (docs: agent/api/README.md).
 *
 * Ownership: everything in an api_call lies in the arena that it was described with, or is static; the arena wipes it.
 * Threads: the tables are static; an arena belongs to one thread. Nothing here blocks or reads files after api_rules_load().
 */
#ifndef HOSTTRAIL_API_H
#define HOSTTRAIL_API_H

#include "agent/http/http.h"
#include "lib/buf.h"
#include "proto/record.h"

#define API_RESOURCES_MAX 8
#define API_JSON_MAX (100 * 1024)	/* of each JSON text: longer values in it are cut as 3-records says, never the whole */

/* Whose connection it is. All absent where not known. */
struct api_peer {
	enum http_role role;
	struct str address;		/* the other end, text without port */
	uint16_t port;
	struct str server_name;		/* SNI */
	struct str local_address;
};

struct api_resource {
	struct str arn, type, account;	/* absent: not known */
};

struct api_call {
	struct str event_source;	/* "s3.amazonaws.com", "core.k8s.io", or the host called */
	struct str event_name;		/* "PutObject", "create pods" */
	const char *event_type;		/* "AwsApiCall" or "HostTlsApiCall" */
	const char *rule;		/* "aws", "kubernetes", ..., "http": which one described it */
	struct str api_version;
	enum record_category category;	/* CATEGORY_MANAGEMENT or CATEGORY_DATA, as CloudTrail has it for AWS; else data when only content is read or written */
	bool read_only;
	/* JSON objects, compact UTF-8 text; absent: null in the record */
	struct str request_parameters, response_elements, additional;
	struct api_resource resources[API_RESOURCES_MAX];
	unsigned nresources;
	struct str error_code, error_message;
	struct str request_id, region, access_key, user_agent;
	struct str forwarded_for;	/* a served request's claim of where it came from */
};

/* Holds what a description points to. Zero-initialise; api_arena_reset() wipes it and keeps its memory; free wipes, too. */
struct api_arena;
int api_arena_new(struct api_arena **ret_a);
void api_arena_reset(struct api_arena *a);
void api_arena_free(struct api_arena **a);	/* NULL-safe */
/* `n` bytes, zeroed, aligned for anything; NULL: no memory. */
void *api_arena_get(struct api_arena *a, size_t n);
/* A copy with a NUL behind it; absent stays absent. */
struct str api_arena_str(struct api_arena *a, struct str s);

/* Which rule a call's head fits: what api_wants() found need not be looked for again. */
typedef unsigned api_rule_no;
#define API_RULE_UNKNOWN (~0u)

/* Of a call whose request's head is known. */
api_rule_no api_wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants);
/* With its response's head known (http_sink.answer): less may be wanted of its body. */
void api_wants_answer(api_rule_no rule, const struct api_peer *peer, const struct http_call *call, struct http_wants *wants);
/* Of a call that has ended. 0, or -ENOMEM. */
int api_describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call);
int api_describe_by(api_rule_no rule, const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call);

/* Reads rule files (docs/apis.md), a file or every *.yaml of a directory in the order of their names; NULL: API_RULES_DIR. That one need not
 * be there. They are asked before all other rules, and replace those that were loaded before. How many, or -errno and why
 * ("FILE:LINE: sentence"), and nothing has changed. Not while calls are described. */
#define API_RULES_DIR "/etc/hosttrail/apis.d"
#define API_WHY_MAX 512
int api_rules_load(const char *path, char why[API_WHY_MAX]);
void api_rules_free(void);
/* A digest of the texts of those in use, 64 hex digits; "": there are none. */
const char *api_rules_sha256(void);

/* One kind of API. `match` answers whether it is this rule's, by the request's head alone, without memory of its own; if it is `late`, it looks
 * at the body or the response, too. `answer`: what is wanted of a response's body with its head known, after `n` was wanted before;
 * API_ASK_AGAIN: what `wants` says then. NULL: the same. */
#define API_ASK_AGAIN UINT32_MAX
struct api_rule {
	const char *name;
	bool (*match)(const struct api_peer *peer, const struct http_call *call);
	void (*wants)(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants);
	int (*describe)(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call);
	uint32_t (*answer)(const struct http_call *call, uint32_t n);
	bool late;
};

extern const struct api_rule api_rule_aws;	/* aws*.c; api.c has the list of all */

#endif
