/* SPDX-License-Identifier: Apache-2.0 */
/* api_audit.c - what a request was, told to the audit when it is answered. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "api_internal.h"
#include "audit.h"
#include "lib/cleanup.h"

#define PARAMETERS_MAX 16384
#define AGENT_MAX 512

static const char *address_of(struct request *q, char ret[INET6_ADDRSTRLEN])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *sa = info ? info->client_addr : NULL;
	const void *address = !sa			     ? NULL :
			      sa->sa_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr :
							  (const void *)&((const struct sockaddr_in *)sa)->sin_addr;

	return address ? inet_ntop(sa->sa_family, address, ret, INET6_ADDRSTRLEN) : NULL;
}

/* Without tokens: they are opaque, and would make each page another call. NULL: none, or no memory. */
static struct json_object *parameters_of(struct json_object *in)
{
	struct json_object *out = json_object_new_object();

	if (!out)
		return NULL;
	if (!json_object_is_type(in, json_type_object))
		return out;
	json_object_object_foreach(in, key, value)
		if (strcmp(key, "NextToken") && strcmp(key, "Token"))
			json_object_object_add(out, key, json_object_get(value));
	return out;
}

static void free_json(struct json_object **o)
{
	json_object_put(*o);
}

/* A client's own words: at most so much of it. */
static const char *agent_of(struct request *q, char ret[AGENT_MAX])
{
	const char *agent = MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "User-Agent");

	if (!agent)
		return NULL;
	snprintf(ret, AGENT_MAX, "%s", agent);
	return ret;
}

void request_note(struct request *q, const char *source, const char *name, bool read_only, struct json_object *parameters, const char *error,
		  const char *message, const char *request_id)
{
	struct audit *audit = q->api->st->audit;
	char address[INET6_ADDRSTRLEN], agent[AGENT_MAX];
	_cleanup_(free_json) struct json_object *shown = NULL;
	struct witness_call call = { .source = source, .name = name, .read_only = read_only, .request_id = request_id };
	const char *text;

	if (!audit)
		return;
	call.key = q->state.caller ? q->state.caller->id : NULL;
	call.address = address_of(q, address);
	call.agent = agent_of(q, agent);
	if (error && *error) {
		call.error = error;
		call.message = message;
	}
	shown = parameters ? parameters_of(parameters) : NULL;
	text = shown ? json_object_to_json_string_ext(shown, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;
	call.parameters = text && strlen(text) > PARAMETERS_MAX ? "{\"omitted\":true}" : text;
	audit_note(audit, &call);
}
