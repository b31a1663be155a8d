/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_event.c - any bytes as a ring event: refused, or decoded into a record that the reader takes and renders.
 * The corpus are the events of tests/unit/test_decode.c (HT_DUMP=folder writes them). */
#include <stdlib.h>
#include <string.h>

#include "agent/calls.h"
#include "agent/decode.h"
#include "proto/recordread.h"

static struct decoder *decoder;
static struct batch *batch;
static uint64_t room[(sizeof(struct ht_ident) + 65536) / 8];

static void render(void)
{
	struct record_frame frame = { .first_time = 1 };
	struct reader *r = NULL;
	struct buf out = { 0 };
	const char *why;
	const uint8_t *p;
	size_t n;

	if (batch_finish(batch, &p, &n) < 0 || reader_open(p, n, &frame, &r, &why) < 0)
		abort();
	for (unsigned i = 0; i < reader_count(r); i++)
		if (reader_json(r, i, &out) < 0)
			abort();
	reader_free(&r);
	buf_free(&out);
}

static void as_call(const void *p, uint32_t n)
{
	static const struct record_host host = { "4c1f0000-0000-4000-8000-000000000001", "m", "b", "h", "6.18", "0", "local", "0" };
	struct record_identity id = { .type = IDENTITY_ROOT };
	struct exec_view v;
	int r;

	if (batch_reset(batch, &host) < 0)
		abort();
	r = decode_call(decoder, p, n, batch, (uint32_t)batch_identity(batch, 1, &id));
	if ((r == 0) != (batch_count(batch) == 1))
		abort();
	render();
	decode_exec(decoder, p, n, &v);
}

static void as_ident(const void *p, uint32_t n)
{
	static char out[65536 + 64];
	struct field_iter i;
	const uint8_t *data;
	struct ht_field f;

	fields_of_ident(p, n, &i);
	while (field_next(&i, &f, &data)) {
		if (f.kind == HT_FIELD_WALK)
			walk_path(data, f.len, out, f.len % sizeof(out));
		if (f.kind == HT_FIELD_CGROUP)
			cgroup_path(data, f.len, out, f.len % 64);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ht_call *c = (struct ht_call *)room;

	if (!decoder && (decoder_new(&decoder) < 0 || batch_new(&batch) < 0))
		abort();
	if (size > sizeof(room))
		return 0;
	memcpy(room, data, size);
	event_check(room, (uint32_t)size);
	if (size < sizeof(c->h))
		return 0;
	c->h.len = (uint32_t)size;	/* the length is looked at first: with a right one the rest is reached */
	if (size >= sizeof(*c) && c->h.kind == HT_EV_CALL)
		c->call %= (uint16_t)calls_count();
	if (event_check(room, (uint32_t)size) < 0) {
		as_call(room, (uint32_t)size);
		return 0;
	}
	if (c->h.kind == HT_EV_IDENT)
		as_ident(room, (uint32_t)size);
	else
		as_call(room, (uint32_t)size);
	return 0;
}
