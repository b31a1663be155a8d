/* SPDX-License-Identifier: Apache-2.0 */
/* The batch writer against protobuf's own implementations: protobuf-c's generated code, and protoc. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "gen/hosttrail.pb-c.h"
#include "lib/cleanup.h"
#include "proto/recordread.h"
#include "proto/shipmsg.h"
#include "tests/sizes.h"
#include "tests/tap.h"
#include "tests/unit/recordgen.h"

static const struct record_host host = { .host_id = "h", .region = "local", .account = "000000000000" };

static Hosttrail__V1__RecordBatch *unpack(struct batch *b)
{
	const uint8_t *p;
	size_t n;

	return batch_finish(b, &p, &n) ? NULL : hosttrail__v1__record_batch__unpack(NULL, n, p);
}

static bool string_is(const Hosttrail__V1__RecordBatch *m, uint32_t i, const char *s)
{
	return i < m->n_strings && m->strings[i].len == strlen(s) && (!*s || !memcmp(m->strings[i].data, s, strlen(s)));
}

static const struct shape_field open_fields[] = {
	{ SECTION_REQUEST, "path", FIELD_STRING, "Linux::File" }, { SECTION_REQUEST, "flags", FIELD_STRINGS, NULL },
	{ SECTION_REQUEST, "mode", FIELD_OCTAL, NULL },		  { SECTION_RESPONSE, "fd", FIELD_INT, NULL },
	{ SECTION_ADDITIONAL, "old", FIELD_BOOL, NULL },	  { SECTION_ADDITIONAL, "list", FIELD_INTS, NULL },
};
static const struct shape open_shape = { "file.linux", "openat", "HostApiCall", CATEGORY_DATA, true, 6, open_fields };

static uint32_t an_identity(struct batch *b)
{
	const struct record_identity id = { .process = { .pid = 7, .executable = { "/bin/x", 6 } }, .tid = 7 };

	return (uint32_t)batch_identity(b, 1, &id);
}

/* One record, field by field, as protobuf-c sees it. */
static void known_record(void)
{
	struct batch *b = NULL;
	Hosttrail__V1__RecordBatch *m;
	const Hosttrail__V1__Record *r;
	const struct str flags[] = { { "O_RDWR", 6 }, { "O_CREAT", 7 } };
	struct record_head h = { .ring_class = 2, .cpu = 3, .seq = 900, .time = 1000, .error = "EACCES", .request = 5, .restarts = 2 };

	must(!batch_new(&b) && !batch_reset(b, &host));
	h.identity = an_identity(b);
	ok_int(batch_begin(b, &open_shape, &h), 0);
	batch_string(b, 0, "/etc/shadow", 11);
	batch_strings(b, 1, flags, 2);
	batch_int(b, 2, 0644);
	batch_int(b, 4, 7);
	ok_int(batch_end(b), 0);
	h.time = 1500;
	h.seq = 902;
	h.error = NULL;
	ok_int(batch_begin(b, &open_shape, &h), 0);
	batch_ints(b, 5, (const int64_t[]){ -1, 2 }, 2);
	ok_int(batch_end(b), 0);
	ok_int(batch_first_time(b), 1000);
	ok_int(batch_last_time(b), 1500);
	m = unpack(b);
	must(m && m->n_records == 2 && m->n_shapes == 1 && m->n_rings == 1 && m->n_identities == 1 && m->n_processes == 1);
	ok_str(m->host->host_id, "h");
	ok(string_is(m, 0, "") && string_is(m, m->shapes[0]->event_name, "openat"));
	ok(m->shapes[0]->read_only && m->shapes[0]->category == HOSTTRAIL__V1__CATEGORY__DATA && m->shapes[0]->n_fields == 6);
	ok(m->rings[0]->ring_class == 2 && m->rings[0]->cpu == 3 && m->rings[0]->first_seq == 900);
	r = m->records[0];
	ok(string_is(m, r->error, "EACCES") && r->request == 5 && r->restarts == 2 && r->time_delta == 0 && r->seq_delta == 0);
	must(r->n_values == 7);
	ok_int(r->values[0], 0x17);
	ok(string_is(m, (uint32_t)r->values[1], "/etc/shadow"));
	ok_int(r->values[2], 2);
	ok(string_is(m, (uint32_t)r->values[4], "O_CREAT"));
	ok_int(r->values[5], 0644);
	ok_int(r->values[6], 1);
	r = m->records[1];
	ok(r->time_delta == 500 && r->seq_delta == 2 && r->n_values == 4 && r->values[0] == 0x20 && r->values[2] == -1);
	hosttrail__v1__record_batch__free_unpacked(m, NULL);
	batch_free(&b);
}

/* protobuf-c reads every random batch, and packs it again to the very same bytes. */
static void same_bytes_as_protobuf_c(void)
{
	static struct gen_shapes shapes;
	struct batch *b = NULL;

	must(!batch_new(&b));
	for (uint64_t seed = 1; seed <= 200; seed++) {
		Hosttrail__V1__RecordBatch *m;
		const uint8_t *p;
		uint8_t *again;
		size_t n, len;

		must(gen_batch(seed, b, &shapes, 60) == 0);
		m = unpack(b);
		must(m && !batch_finish(b, &p, &n));
		must(m->n_records == batch_count(b) && n == batch_size(b));
		len = hosttrail__v1__record_batch__get_packed_size(m);
		again = malloc(len);
		ok_int(hosttrail__v1__record_batch__pack(m, again), len);
		if (len != n || memcmp(again, p, n)) {
			printf("# seed %llu\n", (unsigned long long)seed);
			ok(false);
		}
		free(again);
		hosttrail__v1__record_batch__free_unpacked(m, NULL);
	}
	batch_free(&b);
}

/* protoc decodes a message to text, encodes that text, and has our bytes again. */
static void protoc_reads(const char *message, const void *p, size_t n)
{
	char in[] = "/tmp/test_record.XXXXXX", command[512];
	int fd = mkstemp(in);

	must(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
	snprintf(command, sizeof(command),
		 "t=hosttrail.v1.%s; protoc --decode=$t -Iproto proto/hosttrail.proto <%s | "
		 "protoc --encode=$t -Iproto proto/hosttrail.proto | cmp - %s", message, in, in);
	if (system(command) != 0) {
		printf("# %s\n", message);
		ok(false);
	}
	unlink(in);
}

static void protoc_agrees(void)
{
	static struct gen_shapes shapes;
	struct batch *b = NULL;
	const uint8_t *p;
	size_t n;

	if (system("command -v protoc >/dev/null") != 0)
		skip("protoc is not installed");
	must(!batch_new(&b) && !gen_batch(77, b, &shapes, 300) && !batch_finish(b, &p, &n));
	protoc_reads("RecordBatch", p, n);
	batch_free(&b);
}

/* The other messages: what shipmsg.c writes, and what protobuf-c writes of the rest. */
static void protoc_agrees_on_the_other_messages(void)
{
	Hosttrail__V1__Tombstone t = HOSTTRAIL__V1__TOMBSTONE__INIT;
	Hosttrail__V1__Host h = HOSTTRAIL__V1__HOST__INIT;
	_cleanup_buf_ struct buf request = { 0 }, reply = { 0 }, ask = { 0 }, heads = { 0 };
	const struct ship_head head = { .chain = 1, .next = 7, .has_hash = true, .last_hash = { 1, 2, 3 } };
	uint8_t raw[512];

	if (system("command -v protoc >/dev/null") != 0)
		skip("protoc is not installed");
	h.host_id = (char *)"4c1f", h.region = (char *)"local";
	t.first_number = 3, t.last_number = 9, t.records = 1000, t.host = &h, t.cause = (char *)"budget";
	must(hosttrail__v1__tombstone__get_packed_size(&t) <= sizeof(raw));
	protoc_reads("Tombstone", raw, hosttrail__v1__tombstone__pack(&t, raw));
	must(!ship_request_add(&request, "frame", 5) && !ship_request_add(&request, "another", 7));
	protoc_reads("ShipRequest", request.p, request.n);
	must(!ship_reply_add(&reply, SHIP_STORED, "") && !ship_reply_add(&reply, SHIP_RETRY, "disk full"));
	protoc_reads("ShipReply", reply.p, reply.n);
	must(!heads_request_build(&ask, (const uint8_t *)"0123456789abcdef") && !heads_reply_add(&heads, &head));
	protoc_reads("HeadsRequest", ask.p, ask.n);
	protoc_reads("HeadsReply", heads.p, heads.n);
}

static void strings_are_shared(void)
{
	struct batch *b = NULL;
	uint32_t a;

	must(!batch_new(&b) && !batch_reset(b, &host));
	ok_int(batch_str(b, "", 0), 0);
	a = batch_str(b, "abc", 3);
	ok(a && batch_str(b, "abc", 3) == a && batch_str(b, "ab", 2) != a && batch_str(b, "abc\0", 4) != a);
	for (unsigned i = 0; i < 200000; i++) {
		char text[16];

		must(batch_str(b, text, (size_t)snprintf(text, sizeof(text), "s%u", i)) == a + 2 + i + 1);
	}
	ok_int(batch_str(b, "s199999", 7), a + 2 + 200000);
	ok(batch_reset(b, &host) == 0 && batch_str(b, "abc", 3) == 1);
	batch_free(&b);
}

static void identities_are_shared(void)
{
	struct batch *b = NULL;
	struct record_identity id = { .process = { .pid = 7 }, .tid = 7 };
	Hosttrail__V1__RecordBatch *m;

	must(!batch_new(&b) && !batch_reset(b, &host));
	ok_int(batch_identity_find(b, 1), -1);
	ok_int(batch_identity(b, 1, &id), 0);
	id.tid = 8;
	ok_int(batch_identity(b, 2, &id), 1);
	ok_int(batch_identity(b, 1, &id), 0);
	ok_int(batch_identity_find(b, 2), 1);
	m = unpack(b);
	must(m && m->n_identities == 2 && m->n_processes == 1);
	ok_int(m->identities[1]->tid, 8);
	hosttrail__v1__record_batch__free_unpacked(m, NULL);
	ok(batch_reset(b, &host) == 0 && batch_identity_find(b, 1) == -1);
	batch_free(&b);
}

/* A text that is named often: what a record, a process, a batch may name in all is bounded, for a reader shows it each time. */
static void texts_are_bounded(void)
{
	const unsigned n = RECORD_TEXT_MAX / BATCH_STRING_MAX;
	struct record_head h = { .ring_class = 2 };
	struct record_identity id = { .process = { .pid = 1 } };
	char *big = calloc(1, BATCH_STRING_MAX);
	struct str names[RECORD_TEXT_MAX / BATCH_STRING_MAX + 1];
	struct batch *b = NULL;
	uint64_t records = 0;
	int r;

	for (unsigned i = 0; i <= n; i++)
		names[i] = (struct str){ big, BATCH_STRING_MAX };
	must(!batch_new(&b) && !batch_reset(b, &host));
	h.identity = an_identity(b);
	ok_int(batch_begin(b, &open_shape, &h), 0);
	batch_strings(b, 1, names, n + 1);
	ok_int(batch_end(b), -E2BIG);
	do {
		r = batch_begin(b, &open_shape, &h);
		batch_strings(b, 1, names, n);
		r = r ? r : batch_end(b);
	} while (!r && records++ < size("record.full"));
	ok(r ? r == -E2BIG && records == BATCH_TEXT_MAX / RECORD_TEXT_MAX : records < BATCH_TEXT_MAX / RECORD_TEXT_MAX);
	ok_int(batch_reset(b, &host), 0);
	id.process.executable = id.process.cgroup = (struct str){ big, PROCESS_TEXT_MAX / 2 };
	ok_int(batch_identity(b, 7, &id), 0);
	id.process.tty = (struct str){ big, 1 };
	ok_int(batch_identity(b, 8, &id), -E2BIG);
	batch_free(&b);
	free(big);
}

/* Whatever goes wrong inside a record, the batch is as before it. */
static void failed_records_leave_nothing(void)
{
	struct batch *b = NULL;
	struct record_head h = { .ring_class = 2 };
	char *big = calloc(1, BATCH_STRING_MAX + 1);
	Hosttrail__V1__RecordBatch *m;

	must(!batch_new(&b) && !batch_reset(b, &host));
	h.identity = an_identity(b);
	ok_int(batch_begin(b, &open_shape, &h), 0);
	batch_int(b, 3, 1);
	batch_int(b, 2, 1);		/* out of order */
	ok_int(batch_end(b), -EINVAL);
	ok_int(batch_begin(b, &open_shape, &h), 0);
	batch_int(b, 0, 1);		/* of another kind */
	ok_int(batch_end(b), -EINVAL);
	ok_int(batch_begin(b, &open_shape, &h), 0);
	batch_int(b, 6, 1);		/* no such field */
	ok_int(batch_end(b), -EINVAL);
	ok_int(batch_begin(b, &open_shape, &h), 0);
	batch_string(b, 0, big, BATCH_STRING_MAX + 1);
	ok_int(batch_end(b), -E2BIG);
	ok_int(batch_begin(b, &open_shape, &h), 0);
	batch_cancel(b);
	ok_int(batch_end(b), -EINVAL);
	h.identity = 9;
	ok_int(batch_begin(b, &open_shape, &h), -EINVAL);
	h.identity = 0;
	h.cpu = 4096;
	ok_int(batch_begin(b, &open_shape, &h), -EINVAL);
	h.cpu = 0;
	ok_int(batch_count(b), 0);
	ok_int(batch_begin(b, &open_shape, &h), 0);
	batch_string(b, 0, big, BATCH_STRING_MAX);
	ok_int(batch_end(b), 0);
	m = unpack(b);
	must(m && m->n_records == 1 && m->records[0]->n_values == 2);
	hosttrail__v1__record_batch__free_unpacked(m, NULL);
	batch_free(&b);
	free(big);
}

static void bad_shapes(void)
{
	static const struct shape_field twice[] = { { SECTION_REQUEST, "a", FIELD_INT, NULL }, { SECTION_REQUEST, "a", FIELD_INT, NULL } };
	static const struct shape_field nested[] = { { SECTION_REQUEST, "a", FIELD_INT, NULL },
						     { SECTION_REQUEST, "a.b", FIELD_INT, NULL } };
	static const struct shape_field like[] = { { SECTION_REQUEST, "a", FIELD_INT, NULL }, { SECTION_REQUEST, "ab", FIELD_INT, NULL },
						   { SECTION_RESPONSE, "a", FIELD_INT, NULL } };
	static const struct shape_field reserved[] = { { SECTION_ADDITIONAL, "process.pid", FIELD_INT, NULL } };
	static const struct shape_field empty[] = { { SECTION_REQUEST, "a..b", FIELD_INT, NULL } };
	static const struct shape_field quote[] = { { SECTION_REQUEST, "a\"b", FIELD_INT, NULL } };
	static const struct shape_field kind[] = { { SECTION_REQUEST, "a", 10, NULL } };
	static const struct {
		unsigned n;
		const struct shape_field *fields;
		int result;
	} cases[] = { { 2, twice, -EINVAL }, { 2, nested, -EINVAL }, { 3, like, 0 },	 { 1, reserved, -EINVAL },
		      { 1, empty, -EINVAL }, { 1, quote, -EINVAL },  { 1, kind, -EINVAL }, { 65, like, -EINVAL } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct shape s = { "s", "n", "t", CATEGORY_DATA, true, cases[i].n, cases[i].fields };
		const char *why = NULL;

		ok_int(shape_check(&s, &why), cases[i].result);
		ok(!cases[i].result == !why);
	}
}

/* Nothing of a batch is left in the next one that uses the same buffers. */
static void reset_forgets(void)
{
	static struct gen_shapes shapes;
	struct batch *used = NULL, *fresh = NULL;
	const uint8_t *p, *q;
	size_t n, m;

	must(!batch_new(&used) && !batch_new(&fresh));
	must(!gen_batch(5, used, &shapes, 2000) && !gen_batch(6, used, &shapes, 100) && !gen_batch(6, fresh, &shapes, 100));
	must(!batch_finish(used, &p, &n) && !batch_finish(fresh, &q, &m));
	ok(n == m && !memcmp(p, q, n));
	batch_free(&used);
	batch_free(&fresh);
}

static const struct tap_case cases[] = {
	CASE(known_record),	     CASE(same_bytes_as_protobuf_c), CASE(protoc_agrees), CASE(protoc_agrees_on_the_other_messages), CASE(strings_are_shared),
	CASE(identities_are_shared), CASE(texts_are_bounded), CASE(failed_records_leave_nothing), CASE(bad_shapes), CASE(reset_forgets),
};
TAP_MAIN(cases)
