/* SPDX-License-Identifier: Apache-2.0 */
/* A rule file, and behind a NUL a call's "METHOD target host" and body: refused with a sentence that names a line, or loaded, and then the
 * call is described by it or passed on. */
#include <stdlib.h>
#include <string.h>

#include "agent/api/rulefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct api_arena *a;
	struct str rest = { (const char *)data, size }, text = str_cut(&rest, '\0'), line = str_cut(&rest, '\n');
	struct api_peer peer = { .role = HTTP_CLIENT, .address = STR("192.0.2.1") };
	struct http_field type = { STR("content-type"), STR("application/json"), false };
	struct http_call call = { .role = HTTP_CLIENT };
	struct http_wants w = { 0 };
	struct rule_file *f = NULL;
	char why[API_WHY_MAX];
	struct api_call c = { 0 };
	int r;

	if (!a && api_arena_new(&a) < 0)
		return 0;
	if (rulefile_parse("f", text.n ? text.p : "", text.n, &f, why) < 0) {
		if (f || strncmp(why, "f:", 2) || strlen(why) < 6)
			abort();
		return 0;
	}
	call.request.head = (struct http_head){ .version = HTTP_1_1, .method = str_cut(&line, ' '), .target = str_cut(&line, ' '), .authority = line,
						.fields = &type, .nfields = 1 };
	call.request.body.prefix = rest;
	if (rulefile_wants(f, &peer, &call, &w) != (rulefile_match(f, &peer, &call, 0) >= 0) || w.request > RULEFILE_BODY_MAX)
		abort();
	r = rulefile_describe(f, &peer, &call, a, &c);
	if (r < 0 || (!r && (!c.event_name.p || c.nresources > API_RESOURCES_MAX)))
		abort();
	rulefile_free(&f);
	api_arena_reset(a);
	return 0;
}
