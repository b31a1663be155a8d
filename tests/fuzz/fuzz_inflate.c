/* SPDX-License-Identifier: Apache-2.0 */
/* A body with a content coding (the first byte: gzip, deflate, another, none), and what is read of its JSON: within the bound, and what is given lies in it. */
#include <stdlib.h>
#include <string.h>

#include "agent/api/api.h"
#include "agent/api/inflate.h"
#include "agent/api/jsonread.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define BODY_MAX 4096

static void members(struct str text, struct api_arena *a, unsigned depth)
{
	struct jsonread_value v;
	struct jsonread r;
	struct str name;

	jsonread_begin(&r, text);
	while (jsonread_next(&r, &name, &v)) {
		if (v.text.p < text.p || v.text.p + v.text.n > text.p + text.n || !v.text.n)
			abort();
		jsonread_text(a, v);
		jsonread_name(a, name);
		if (depth < JSONREAD_DEPTH_MAX)
			members(v.text, a, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const codings[] = { "gzip", "deflate", "br" };
	struct http_field f = { .name = { "content-encoding", 16 } };
	struct http_message m = { .head = { .fields = &f, .nfields = n && p[0] % 4 < 3 } };
	struct api_arena *a;
	struct str text;
	char *body;

	if (!n || api_arena_new(&a) < 0)
		return 0;
	body = malloc(n);
	memcpy(body, p + 1, n - 1);
	f.value.p = codings[p[0] % 4 % 3];
	f.value.n = strlen(f.value.p);
	m.body.prefix = (struct str){ body, n - 1 };
	m.body.length = n - 1;
	text = inflate_body(&m, BODY_MAX, a);
	if (text.n > BODY_MAX || (text.p && !inflate_readable(&m.head)))
		abort();
	members(text, a, 0);
	api_arena_free(&a);
	free(body);
	return 0;
}
