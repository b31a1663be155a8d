/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - calls the store's API as any AWS client would: JSON 1.1 at POST /, signed with SigV4.
 *
 * One connection is kept open between calls. Not thread-safe.
 */
#ifndef HOSTTRAIL_TOOLS_CLIENT_H
#define HOSTTRAIL_TOOLS_CLIENT_H

#include <json-c/json.h>

#include "instance.h"
#include "lib/buf.h"

struct client;

/* To the instance's own store, with its credentials file. 0, or -errno and one line in why. */
int client_open(const struct instance *i, struct client **ret_c, char why[256]);
void client_free(struct client **c);
#define _cleanup_client_ __attribute__((cleanup(client_free)))

#define CLOUDTRAIL_OP(name) "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101." name
#define HOSTTRAIL_OP(name) "Hosttrail_20261122." name

/* target: an operation, by one of the two macros. request: a JSON object that the caller keeps, or NULL: {}.
 * 0 and *ret_reply (json_object_put() it); -EREMOTEIO: the store refused, -EAGAIN: not now,
 * -ECONNREFUSED and other -errno: no answer.
 * why: one line, "ErrorName: text" for refusals. */
int client_call(struct client *c, const char *target, struct json_object *request, struct json_object **ret_reply,
		char why[256]);

/* GET of S3's API, signed: an object, or with key NULL and a query the bucket itself. HTTP status and the body, appended;
 * or -errno and why. Tried again for ten seconds while the store says that it is busy.
 * signature (of at most size - 1 bytes) is what x-amz-meta-signature says, "" if nothing. */
int client_s3(struct client *c, const char *bucket, const char *key, const char *query, struct buf *ret_body, char *signature,
	      size_t size, char why[256]);

static inline void cleanup_json(struct json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

/* A member's text, "" if absent or no text; borrowed from o. */
const char *member_text(struct json_object *o, const char *key);
/* A member of a member...: "userIdentity.sessionContext". NULL if one is absent. */
struct json_object *member_at(struct json_object *o, const char *path);

#endif
