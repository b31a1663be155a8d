/* SPDX-License-Identifier: Apache-2.0 */
/* callmake.h - HTTP calls for the tests of agent/api, out of texts as they stand on the wire. */
#ifndef HOSTTRAIL_TESTS_CALLMAKE_H
#define HOSTTRAIL_TESTS_CALLMAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api/api.h"
#include "agent/api/text.h"

#define CALLMAKE_FIELDS 64

struct callmake {
	struct api_peer peer;
	struct http_call call;
	struct http_field fields[2][CALLMAKE_FIELDS];
	struct http_field trailers[8];
	struct api_arena *arena;
	struct api_call out;
	char text[4096];
};

/* "name: value\nname: value" */
static inline unsigned callmake_fields(const char *text, struct http_field *v)
{
	struct str rest = str_of(text);
	unsigned n = 0;

	while (rest.n && n < CALLMAKE_FIELDS) {
		struct str value = str_cut(&rest, '\n'), name = str_cut(&value, ':');

		v[n].name = name;
		v[n++].value = str_trim(value);
	}
	return n;
}

/* "POST https://host/path?query"; the fields as above, or NULL; bodies as text, or NULL. */
static inline void callmake(struct callmake *m, const char *request, const char *fields, const char *body, unsigned status,
			    const char *answer_fields, const char *answer)
{
	struct str rest = str_of(request), method = str_cut(&rest, ' ');
	struct api_arena *arena = m->arena;

	*m = (struct callmake){ .arena = arena };
	m->call.role = m->peer.role = HTTP_CLIENT;
	m->peer.address = STR("192.0.2.7");
	m->peer.local_address = STR("192.0.2.1");
	m->peer.port = 443;
	m->call.request.head.version = m->call.response.head.version = HTTP_1_1;
	m->call.request.head.method = method;
	if (str_begins(rest, "https://")) {
		struct str all = str_from(rest, 8), host = str_cut(&all, '/');

		m->call.request.head.authority = host;
		rest = (struct str){ host.p + host.n, rest.n - 8 - host.n };
	}
	m->call.request.head.target = rest;
	m->call.request.head.fields = m->fields[0];
	m->call.request.head.nfields = callmake_fields(fields ? fields : "", m->fields[0]);
	m->call.request.body.prefix = str_of(body);
	m->call.request.body.length = body ? strlen(body) : 0;
	m->call.response.head.status = status;
	m->call.response.head.fields = m->fields[1];
	m->call.response.head.nfields = callmake_fields(answer_fields ? answer_fields : "", m->fields[1]);
	m->call.response.body.prefix = str_of(answer);
	m->call.response.body.length = answer ? strlen(answer) : 0;
	if (!m->arena && api_arena_new(&m->arena) < 0)
		abort();
	api_arena_reset(m->arena);
}

/* Bodies as a parser would give them: no more than was wanted. Then what it means. */
static inline int callmake_describe(struct callmake *m)
{
	struct http_wants w;
	struct http_message *v[2] = { &m->call.request, &m->call.response };

	api_wants(&m->peer, &m->call, &w);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t n = i ? w.response : w.request;

		if (v[i]->body.prefix.n > n)
			v[i]->body.prefix.n = n;
	}
	return api_describe(&m->peer, &m->call, m->arena, &m->out);
}

/* NUL-terminated, for ok_str(). */
static inline const char *callmake_text(struct callmake *m, struct str s)
{
	return s.p ? api_arena_str(m->arena, s).p : "(absent)";
}

#endif
