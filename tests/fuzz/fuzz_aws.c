/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as an AWS call: a flags byte, then request and response ("line, fields, empty line, body"), a byte 0x1e between. Whatever they
 * are, what comes out is JSON of bounded size.
 */
#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "agent/api/rules.h"

#define FIELDS 32

struct message {
	struct http_field fields[FIELDS];
	struct http_message m;
};

static void check(struct str s)
{
	json_tokener *tok;
	json_object *o;

	if (!s.p)
		return;
	tok = json_tokener_new_ex(128);
	o = tok ? json_tokener_parse_ex(tok, s.p, (int)s.n) : NULL;
	if (s.n > API_JSON_MAX || !json_object_is_type(o, json_type_object))
		abort();
	json_object_put(o);
	json_tokener_free(tok);
}

static struct str rest_of_head(struct message *m, struct str s)
{
	struct str line;

	m->m.head.fields = m->fields;
	while (s.p && (line = str_cut(&s, '\n')).n) {
		struct str value = line, name = str_cut(&value, ':');

		if (m->m.head.nfields == FIELDS)
			continue;
		for (size_t i = 0; i < name.n; i++)
			((char *)name.p)[i] = (char)tolower((unsigned char)name.p[i]);
		m->fields[m->m.head.nfields++] = (struct http_field){ name, str_trim(value), false };
	}
	return s;
}

static void fill(struct message *request, struct message *response, char *p, size_t n)
{
	struct str rest = { p, n }, first = str_cut(&rest, 0x1e), line = str_cut(&first, '\n');
	uint64_t status;

	request->m.head.method = str_cut(&line, ' ');
	request->m.head.target = str_cut(&line, ' ');
	request->m.body.prefix = rest_of_head(request, first);
	request->m.head.authority = api_field(&request->m.head, "host");
	line = str_cut(&rest, '\n');
	response->m.head.status = str_number(line, 999, &status) ? (unsigned)status : 200;
	response->m.body.prefix = rest_of_head(response, rest);
	request->m.body.length = request->m.body.prefix.n;
	response->m.body.length = response->m.body.prefix.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct api_arena *arena;
	struct api_peer peer = { .role = HTTP_CLIENT, .address = STR("192.0.2.7") };
	struct message request = { 0 }, response = { 0 };
	struct http_call call = { .role = HTTP_CLIENT };
	struct http_wants wants;
	struct api_call c;
	char *copy;

	if (size < 2 || (!arena && api_arena_new(&arena) < 0))
		return 0;
	/* exactly as large, so that ASan sees what is read behind it */
	copy = malloc(size - 1);
	memcpy(copy, data + 1, size - 1);
	fill(&request, &response, copy, size - 1);
	call.request = request.m;
	call.response = response.m;
	call.flags = data[0] & 0x3f;
	call.request.body.length += data[0] & 0x40 ? 1 : 0;
	call.response.body.length += data[0] & 0x80 ? 1 : 0;
	api_arena_reset(arena);
	api_wants(&peer, &call, &wants);
	if (api_describe(&peer, &call, arena, &c) < 0)
		abort();
	if (!c.event_name.p || !c.event_source.p || c.event_name.n > 255 || c.event_source.n > 255 || c.nresources > API_RESOURCES_MAX)
		abort();
	check(c.request_parameters);
	check(c.response_elements);
	check(c.additional);
	free(copy);
	return 0;
}
