/* SPDX-License-Identifier: Apache-2.0 */
/* The store without its servers: journal, tailer, index and operations over frames that a test appends. */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include <json-c/json.h>

#include "hosttrail.pb-c.h"
#include "lib/clock.h"
#include "lib/procfs.h"
#include "store/api.h"
#include "store/follow.h"
#include "store/tailer.h"
#include "store/witness.h"
#include "tests/helpers/storekit.h"
#include "tests/tap.h"

#define HOST "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b"
#define TRAIL "CloudTrail_20131101."
#define OURS "Hosttrail_20261122."

static struct keep keep;
static char dir[64];
static struct kit kit;
static struct store st;
static unsigned generation;

static void count_progress(void *ctx)
{
	__atomic_add_fetch(&generation, 1, __ATOMIC_RELAXED);
}

static int open_parts(void)
{
	const struct witness_config w = { dir, NULL, NULL, "local", "000000000000" };
	char path[128];
	int r;

	st = (struct store){ .region = "local", .account = "000000000000", .started = clock_wall() };
	snprintf(path, sizeof(path), "%s/journal", dir);
	r = journal_open(path, 0, NULL, NULL, &st.journal);
	snprintf(path, sizeof(path), "%s/index", dir);
	if (!r)
		r = index_open(path, journal_end(st.journal), 1000, NULL, NULL, &st.index);
	if (!r)
		r = decoded_cache_new(1 << 20, &st.decoded);
	if (!r)
		r = witness_open(&w, &st.witness);
	if (!r) {
		keep_journal(&keep, st.journal, NULL);
		witness_attach(st.witness, &keep);
	}
	if (!r)
		r = tailer_new(&st, dir, count_progress, NULL, &st.tailer);
	return r ? r : tailer_start(st.tailer);
}

static void close_parts(void)
{
	tailer_free(&st.tailer);
	witness_free(&st.witness);
	decoded_cache_free(&st.decoded);
	index_free(&st.index);
	journal_free(&st.journal);
}

/* Records happen now, a millisecond apart. */
static int begin(void)
{
	char key[128];

	strcpy(dir, "/tmp/ht-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(key, sizeof(key), "%s/kit.key", dir);
	if (kit_init(&kit, key, HOST, clock_wall() - 60 * (int64_t)NS_PER_SEC, 1000000) < 0)
		return -1;
	return open_parts();
}

static void end(void)
{
	char command[128];

	close_parts();
	kit_free(&kit);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok_int(system(command), 0);
}

static void settle(void)
{
	for (unsigned i = 0; i < 1000 && tailer_done(st.tailer).pos < journal_end(st.journal); i++)
		usleep(5000);
	ok_int(tailer_done(st.tailer).pos, journal_end(st.journal));
}

static void append(uint64_t from, unsigned n, uint16_t flags)
{
	ok_int(kit_append(&kit, st.journal, from, n, clock_wall(), flags), 0);
	ok_int(journal_sync(st.journal), 0);
}

static struct json_object *ask(const char *target, const char *body, unsigned status)
{
	struct reply r = { 0 };
	struct json_object *o;

	api_answer(&st, target, body, strlen(body), &r);
	ok_int(r.status, status);
	o = json_tokener_parse(buf_text(&r.body));
	ok(o != NULL);
	if (status != r.status)
		printf("# %s\n", buf_text(&r.body));
	reply_free(&r);
	return o;
}

static unsigned length(struct json_object *o, const char *member)
{
	struct json_object *v;

	return json_object_object_get_ex(o, member, &v) ? (unsigned)json_object_array_length(v) : 9999;
}

static struct json_object *element(struct json_object *o, const char *member, unsigned i)
{
	struct json_object *v;

	return json_object_object_get_ex(o, member, &v) ? json_object_array_get_idx(v, i) : NULL;
}

static const char *text(struct json_object *o, const char *member)
{
	struct json_object *v;

	return o && json_object_object_get_ex(o, member, &v) ? json_object_get_string(v) : "";
}

/* How many records of the store's own have this name; *ret_last: the newest one's CloudTrailEvent. */
static unsigned own_records(const char *name, char *ret_last, size_t room)
{
	struct json_object *o;
	char body[256];
	unsigned n;

	settle();
	settle();
	snprintf(body, sizeof(body), "{\"LookupAttributes\":[{\"AttributeKey\":\"EventName\",\"AttributeValue\":\"%s\"}]}", name);
	o = ask(TRAIL "LookupEvents", body, 200);
	n = length(o, "Events");
	if (ret_last)
		snprintf(ret_last, room, "%s", text(element(o, "Events", 0), "CloudTrailEvent"));
	json_object_put(o);
	return n;
}

static bool contains(const char *s, const char *what)
{
	if (!strstr(s, what))
		printf("# %s\n# is not in %s\n", what, s);
	return strstr(s, what) != NULL;
}

/* ---- lookups */

static void pages_stand_still_while_records_arrive(void)
{
	const char *token = "";
	struct json_object *o = NULL, *page;
	char body[512], last[64] = "";
	unsigned n = 0;

	must(!begin());
	append(0, 700, 0);
	settle();
	for (unsigned i = 0; i < 14; i++) {
		snprintf(body, sizeof(body), "{\"StartTime\":%lld%s%s%s}", (long long)(kit.base / 1000000000),
			 *token ? ",\"NextToken\":\"" : "", token, *token ? "\"" : "");
		page = ask(TRAIL "LookupEvents", body, 200);
		json_object_put(o);
		o = page;
		ok_int(length(o, "Events"), 50);
		for (unsigned k = 0; k < 50; k++, n++) {
			char want[40];
			uint8_t id[16];

			event_id_make(kit.stream, 2, (699 - n) % 4, 699 - n, id);
			uuid_text(id, want);
			ok_str(text(element(o, "Events", k), "EventId"), want);
		}
		snprintf(last, sizeof(last), "%s", text(o, "NextToken"));
		token = text(o, "NextToken");
		append(700 + i * 10, 10, 0);	/* newer ones, which must not show */
		settle();
	}
	ok_str(last, "");
	ok_int(n, 700);
	json_object_put(o);
	end();
}

static void record_is_found_with_one_look(void)
{
	struct json_object *o;
	uint64_t begun;

	must(!begin());
	append(0, 10, 0);
	settle();
	begun = clock_boot();
	append(10, 1, 0);
	settle();
	o = ask(TRAIL "LookupEvents", "{\"MaxResults\":1}", 200);
	ok(clock_boot() - begun < NS_PER_SEC);
	ok_str(text(element(o, "Events", 0), "EventName"), kit_shapes[10 % 7].event_name);
	json_object_put(o);
	end();
}

/* ---- what only decoding shows */

static void another_hosts_name_is_set_aside(void)
{
	char record[4096];
	struct json_object *o;

	must(!begin());
	append(0, 5, 0);
	kit.host.host_id = "00000000-0000-4000-8000-00000000dead";
	append(5, 5, 0);
	kit.host.host_id = kit.origin.host_id;
	kit.host.account = "999999999999";
	append(10, 5, 0);
	kit.host.account = "000000000000";
	append(15, 5, 0);
	ok_int(own_records("HostMismatch", record, sizeof(record)), 2);
	ok(contains(record, "\"claimed\":\"" HOST " 999999999999 local\""));
	o = ask(TRAIL "LookupEvents", "{\"LookupAttributes\":[{\"AttributeKey\":\"ReadOnly\",\"AttributeValue\":\"false\"}]}", 200);
	ok_int(length(o, "Events"), 4 + 4);	/* of 0-4 and 15-19: all but openat and getpriority */
	json_object_put(o);
	o = ask(OURS "Verify", "{}", 200);	/* but it is evidence */
	ok_int(length(o, "Frames"), 4 + 2);
	json_object_put(o);
	close_parts();
	must(!open_parts());
	ok_int(own_records("HostMismatch", NULL, 0), 2);	/* not said again */
	end();
}

static void skewed_clocks_are_said_once(void)
{
	char record[4096];

	must(!begin());
	kit.base = clock_wall() + 3600 * (int64_t)NS_PER_SEC;
	append(0, 5, 0);
	append(5, 5, 0);
	ok_int(own_records("ClockSkewed", record, sizeof(record)), 1);
	ok(contains(record, "\"hostId\":\"" HOST "\""));
	kit.base = clock_wall();
	append(10, 5, 0);
	kit.base = clock_wall() + 100 * (int64_t)NS_PER_SEC;
	append(15, 5, 0);
	ok_int(own_records("ClockSkewed", NULL, 0), 2);
	end();
}

static bool wait_for_skews(unsigned n)
{
	for (unsigned i = 0; i < 400 && own_records("ClockSkewed", NULL, 0) < n; i++)
		usleep(5000);
	return own_records("ClockSkewed", NULL, 0) == n;
}

static void senders_clocks_are_compared(void)
{
	const int64_t hour = 3600 * (int64_t)NS_PER_SEC;
	char record[4096];
	struct json_object *o;

	must(!begin());
	append(0, 5, 0);
	tailer_clock(st.tailer, &kit.origin, -50 * (int64_t)NS_PER_SEC);
	settle();
	o = ask(OURS "Status", "{}", 200);
	ok_str(text(element(o, "Hosts", 0), "ClockAheadMillis"), "-50000");
	json_object_put(o);
	ok_int(own_records("ClockSkewed", NULL, 0), 0);
	tailer_clock(st.tailer, &kit.origin, hour);
	ok(wait_for_skews(1));
	own_records("ClockSkewed", record, sizeof(record));
	ok(contains(record, "\"hostId\":\"" HOST "\",\"aheadSeconds\":3600,\"seenBy\":\"request\"}"));
	kit.base = clock_wall() + hour;		/* its records say the same, which is not said twice */
	append(5, 5, 0);
	tailer_clock(st.tailer, &kit.origin, hour);
	settle();
	ok(wait_for_skews(1));
	tailer_clock(st.tailer, &kit.origin, 0);
	tailer_clock(st.tailer, &kit.origin, hour);
	ok(wait_for_skews(2));
	end();
}

static int append_tombstone(uint64_t first, uint64_t last, uint64_t records)
{
	Hosttrail__V1__Host host = HOSTTRAIL__V1__HOST__INIT;
	Hosttrail__V1__Tombstone t = HOSTTRAIL__V1__TOMBSTONE__INIT;
	struct frame_header h = { .chain = CHAIN_DATA, .kind = FRAME_TOMBSTONE, .number = kit.number };
	uint8_t raw[1024], hash[32];
	journal_pos pos;
	size_t n;
	int r;

	host.host_id = kit.origin.host_id;
	host.account = kit.origin.account;
	host.region = kit.origin.region;
	t.host = &host;
	t.first_number = first;
	t.last_number = last;
	t.records = records;
	t.cause = (char *)"spool over its budget";
	n = hosttrail__v1__tombstone__pack(&t, raw);
	memcpy(h.stream, kit.stream, 16);
	memcpy(h.previous, kit.last_hash, 32);
	buf_reset(&kit.frame);
	r = frame_build(&h, raw, n, sign_key_sign, kit.key, &kit.frame, hash);
	memcpy(kit.last_hash, hash, 32);
	kit.number++;
	return r ? r : journal_append(st.journal, &kit.origin, clock_wall(), 0, kit.frame.p, kit.frame.n, &pos);
}

static void a_gap(uint64_t first, uint64_t number)
{
	struct frame_header h = { .chain = CHAIN_DATA, .number = number };
	const struct ingest_fault f = { .origin = &kit.origin, .header = &h, .first_missing = first, .why = "gap" };

	memcpy(h.stream, kit.stream, 16);
	tailer_fault(st.tailer, FAULT_GAP, &f);
}

static void tombstones_become_losses(void)
{
	char record[4096];

	must(!begin());
	append(0, 5, 0);
	kit.number = 4;
	append(40, 5, 0);
	a_gap(1, 4);
	ok_int(append_tombstone(1, 3, 35), 0);
	ok_int(journal_sync(st.journal), 0);
	ok_int(own_records("RecordsLost", record, sizeof(record)), 1);
	ok(contains(record, "\"cause\":\"tombstone\""));
	ok(contains(record, "\"count\":35"));
	ok(contains(record, "\"detail\":\"spool over its budget\""));
	ok(contains(record, "\"number\":1,\"lastNumber\":3") || contains(record, "\"lastNumber\":3"));
	end();
}

/* Of records that two branches share, one is found; of such that only share the id, both. */
static void forks_lose_and_repeat_nothing(void)
{
	struct json_object *o;

	must(!begin());
	append(0, 21, 0);
	kit.number = 0;
	append(7, 28, JOURNAL_FORK);	/* 7-20 again, 21-34 new */
	kit.base += 5000000;
	kit.number = 1;
	append(0, 7, JOURNAL_FORK);	/* same ids, other times: a clone's own */
	settle();
	for (unsigned i = 0; i < 36; i += 5) {
		char body[256], id_text[40];
		uint8_t id[16];

		event_id_make(kit.stream, 2, i % 4, i, id);
		uuid_text(id, id_text);
		snprintf(body, sizeof(body), "{\"LookupAttributes\":[{\"AttributeKey\":\"EventId\",\"AttributeValue\":\"%s\"}]}", id_text);
		o = ask(TRAIL "LookupEvents", body, 200);
		ok_int(length(o, "Events"), i < 7 ? 2 : i < 35 ? 1 : 0);
		json_object_put(o);
	}
	end();
}

struct counted {
	unsigned frames, records, repeats, stop_after;
};

static int count_counted(void *ctx, const struct journal_entry *e, struct decoded *d)
{
	struct counted *c = ctx;

	if (c->stop_after && c->frames == c->stop_after)
		return 1;
	c->frames++;
	ok(e->header != NULL);
	ok_int(e->pos, d->pos);
	decoded_lock(d);
	for (unsigned i = 0; i < d->records; i++) {
		int repeat = follow_is_repeat(&st, d, i);

		ok(repeat >= 0);
		c->repeats += repeat;
		c->records += !repeat;
	}
	decoded_unlock(d);
	return 0;
}

/* Followers get each record that counts once, tombstones never, and go on where they were. */
static void followers_get_what_is_indexed(void)
{
	struct counted all = { 0 }, first = { .stop_after = 1 }, rest = { 0 };
	struct index_stats stats;
	journal_pos next, end_pos;

	must(!begin());
	append(0, 21, 0);
	ok_int(append_tombstone(1, 3, 35), 0);
	kit.number = 0;
	append(7, 28, JOURNAL_FORK);
	settle();
	index_stats(st.index, &stats);
	ok_int(follow_frames(&st, 0, UINT64_MAX, count_counted, &all, &end_pos), 0);
	ok_int(all.repeats, 14);
	ok_int(all.records, stats.records);
	ok_int(follow_frames(&st, 0, UINT64_MAX, count_counted, &first, &next), 0);
	ok_int(first.frames, 1);
	ok(next < end_pos);
	ok_int(follow_frames(&st, next, end_pos, count_counted, &rest, &next), 0);
	ok_int(rest.frames + 1, all.frames);
	ok_int(next, end_pos);
	end();
}

/* Both questions, when no file can be opened. */
static int ask_without_files(void *ctx, const struct journal_entry *e, struct decoded *d)
{
	struct rlimit limit, none;
	int repeat, indexed, *asked = ctx;

	if (!(d->flags & JOURNAL_FORK))
		return 0;
	ok_int(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	decoded_lock(d);
	ok_int(setrlimit(RLIMIT_NOFILE, &none), 0);
	repeat = follow_is_repeat(&st, d, 0);
	indexed = follow_is_indexed(&st, d, 0);
	ok_int(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ok_int(repeat, -EMFILE);
	ok_int(indexed, -EMFILE);
	ok_int(follow_is_repeat(&st, d, 0), 1);
	ok_int(follow_is_indexed(&st, d, 0), 1);
	decoded_unlock(d);
	++*asked;
	return 0;
}

/* What cannot be read now is no "no". */
static void a_read_that_fails_is_no_answer(void)
{
	int asked = 0;

	must(!begin());
	append(0, 21, 0);
	kit.number = 0;
	append(7, 28, JOURNAL_FORK);
	settle();
	ok_int(follow_frames(&st, 0, UINT64_MAX, ask_without_files, &asked, NULL), 0);
	ok_int(asked, 1);
	end();
}

/* ---- our own operations */

static void tail_gives_all_in_order(void)
{
	struct json_object *o = NULL, *page;
	const char *token = "";
	char body[512];
	unsigned n = 0;

	must(!begin());
	for (unsigned i = 0; i < 30; i++)
		append(i * 33, 33, 0);
	settle();
	for (;;) {
		snprintf(body, sizeof(body), "{\"From\":\"oldest\",\"MaxResults\":100,\"WaitSeconds\":0%s%s%s}", *token ? ",\"Token\":\"" : "",
			 token, *token ? "\"" : "");
		page = ask(OURS "Tail", body, 200);
		json_object_put(o);
		o = page;
		token = text(o, "Token");
		for (unsigned k = 0; k < length(o, "Events"); k++, n++) {
			char want[40];
			uint8_t id[16];

			event_id_make(kit.stream, 2, n % 4, n, id);
			uuid_text(id, want);
			ok_str(text(element(o, "Events", k), "EventId"), want);
		}
		if (!length(o, "Events"))
			break;
	}
	ok_int(n, 990);
	append(990, 3, 0);
	settle();
	snprintf(body, sizeof(body), "{\"WaitSeconds\":0,\"Token\":\"%s\"}", token);
	page = ask(OURS "Tail", body, 200);
	ok_int(length(page, "Events"), 3);
	json_object_put(page);
	snprintf(body, sizeof(body), "{\"Token\":\"%s\",\"Attributes\":[{\"AttributeKey\":\"EventName\",\"AttributeValue\":\"x\"}]}", token);
	page = ask(OURS "Tail", body, 400);
	ok_str(text(page, "__type"), "InvalidNextTokenException");
	json_object_put(page);
	json_object_put(o);
	o = ask(OURS "Tail", "{\"From\":\"oldest\",\"WaitSeconds\":0,\"MaxResults\":1000,\"Attributes\":[{\"AttributeKey\":\"EventName\","
			     "\"AttributeValue\":\"execve\"},{\"AttributeKey\":\"Username\",\"AttributeValue\":\"user3\"}]}", 200);
	ok_int(length(o, "Events"), 13);	/* i % 77 == 58 below 993 */
	json_object_put(o);
	o = ask(OURS "Tail", "{\"WaitSeconds\":0}", 200);
	ok_int(length(o, "Events"), 0);
	json_object_put(o);
	end();
}

static void verify_gives_all_frames(void)
{
	struct json_object *o = NULL, *page;
	const char *token = "";
	char body[256];
	unsigned n = 0;

	must(!begin());
	for (unsigned i = 0; i < 25; i++)
		append(i * 3, 3, 0);
	settle();
	do {
		snprintf(body, sizeof(body), "{\"MaxResults\":10,\"Payload\":true%s%s%s}", *token ? ",\"NextToken\":\"" : "", token,
			 *token ? "\"" : "");
		page = ask(OURS "Verify", body, 200);
		json_object_put(o);
		o = page;
		token = text(o, "NextToken");
		for (unsigned k = 0; k < length(o, "Frames"); k++, n++) {
			struct json_object *f = element(o, "Frames", k);
			char want[24];

			snprintf(want, sizeof(want), "%u", n);
			ok_str(text(f, "Number"), want);
			ok_str(text(f, "PayloadIntact"), "true");
			ok_str(text(f, "Chain"), "data");
			ok_str(text(f, "HostId"), HOST);
		}
	} while (*token);
	ok_int(n, 25);
	json_object_put(o);
	o = ask(OURS "Verify", "{\"StartTime\":true}", 400);
	json_object_put(o);
	o = ask(OURS "Verify", "{\"EndTime\":5}", 200);
	ok_int(length(o, "Frames"), 0);
	json_object_put(o);
	o = ask(OURS "Status", "{}", 200);
	ok_str(text(element(o, "Hosts", 0), "Records"), "75");
	ok_str(text(o, "Ready"), "true");
	json_object_put(o);
	end();
}

static void own_records_form_a_chain(void)
{
	struct procfs_self self;
	struct json_object *o;
	char record[4096], want[512];

	must(!begin());
	ok_int(witness_started(st.witness, NULL), 0);
	ok_int(witness_stopped(st.witness, "test"), 0);
	close_parts();
	must(!open_parts());
	ok_int(witness_started(st.witness, "torn"), 0);
	settle();
	ok_int(own_records("StoreStarted", record, sizeof(record)), 2);
	procfs_self(&self);
	snprintf(want, sizeof(want), "\"requestID\":\"%d.%llu-1\"", (int)getpid(), (unsigned long long)self.start);
	ok(self.start && contains(record, want));
	snprintf(want, sizeof(want), "\"executable\":{\"path\":\"%.400s\"}", self.executable);
	ok(contains(record, want));
	o = ask(OURS "Verify", "{}", 200);
	ok_int(length(o, "Frames"), 3);
	ok_str(text(element(o, "Frames", 1), "Number"), "1");
	ok_str(text(element(o, "Frames", 2), "Number"), "0");
	ok_str(text(element(o, "Frames", 2), "Own"), "true");
	ok(strcmp(text(element(o, "Frames", 1), "Stream"), text(element(o, "Frames", 2), "Stream")));
	json_object_put(o);
	end();
}

static const struct tap_case cases[] = {
	CASE(pages_stand_still_while_records_arrive),
	CASE(record_is_found_with_one_look),
	CASE(another_hosts_name_is_set_aside),
	CASE(skewed_clocks_are_said_once),
	CASE(senders_clocks_are_compared),
	CASE(tombstones_become_losses),
	CASE(forks_lose_and_repeat_nothing),
	CASE(followers_get_what_is_indexed),
	CASE(a_read_that_fails_is_no_answer),
	CASE(tail_gives_all_in_order),
	CASE(verify_gives_all_frames),
	CASE(own_records_form_a_chain),
};
TAP_MAIN(cases)
