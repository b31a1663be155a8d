/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a RecordBatch: refused, or every record of it gives JSON that json-c takes. */
#include <json-c/json.h>
#include <stdlib.h>

#include "proto/json.h"
#include "proto/recordread.h"

static void one(struct reader *r, unsigned i, struct buf *out)
{
	struct record_parts parts;
	struct record_summary s;
	struct json_tokener *t;
	json_object *o;

	buf_reset(out);
	if (reader_summary(r, i, &s) < 0 || reader_json_parts(r, i, out, &parts) < 0)
		abort();
	for (unsigned k = 0; k < PART__MAX; k++)
		if (parts.v[k].at > out->n || !parts.v[k].n || parts.v[k].n > out->n - parts.v[k].at ||
		    parts.v[k].hash != record_hash(out->p + parts.v[k].at, parts.v[k].n))
			abort();
	if (s.nresources > RECORD_RESOURCES_MAX || s.nusernames > 3 || !s.repeat_count || out->n > 256 * 1024)
		abort();
	for (size_t at = 0, k; at < out->n; at += k) {
		k = utf8_sequence(out->p + at, out->n - at);
		if (!k || out->p[at] < 0x20)
			abort();
	}
	t = json_tokener_new();
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(t, (char *)out->p, (int)out->n);
	if (!o)
		abort();
	json_object_put(o);
	json_tokener_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct record_frame frame = { .stream = { 1 }, .first_time = 1000, .wall_offset = 1795342000000000000 };
	struct reader *r = NULL;
	struct buf out = { 0 };
	const char *why;
	int k = reader_open(data, size, &frame, &r, &why);

	if ((k == 0) != (why == NULL) || (k == 0) != (r != NULL))
		abort();
	for (unsigned i = 0; r && i < reader_count(r) && i < 200; i++)
		one(r, i, &out);
	reader_free(&r);
	buf_free(&out);
	return 0;
}
