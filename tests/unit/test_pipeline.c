// SPDX-License-Identifier: Apache-2.0
/* The pipeline over ring images made here: what the kernel may and what it may not send. Own records, as JSON. */
#include <errno.h>

#include "agent/calls.h"
#include "agent/own.h"
#include "lib/clock.h"
#include "tests/unit/pipelinekit.h"

static struct ht_call call(uint64_t seq, uint32_t gen)
{
	unsigned n = calls_lookup("setsid");
	struct ht_call c = { .h = { .kind = HT_EV_CALL, .class = calls_descs()[n].class, .len = sizeof(c), .gen = gen, .seq = seq,
				    .time = 1000 + seq, .start = 9, .tid = 7, .tgid = 7 },
			     .call = (uint16_t)n, .nr = 112, .task_calls = seq + 1 };

	return c;
}

static struct ht_ident ident(uint32_t gen, uint32_t loginuid)
{
	struct ht_ident id = { .h = { .kind = HT_EV_IDENT, .len = sizeof(id), .gen = gen, .time = 1000, .start = 9, .tid = 7,
				      .tgid = 7, .class = call(0, 0).h.class },
			       .leader_start = 9, .loginuid = loginuid, .audit_session = UINT32_MAX, .euid = loginuid };

	return id;
}

static void calls_with_their_identity(void)
{
	struct ht_call c = call(0, 1);
	struct ht_ident id = ident(1, UINT32_MAX);
	const char *json;

	put(c.h.class, &id, sizeof(id));
	put(c.h.class, &c, sizeof(c));
	c = call(1, 2);			/* a generation that never came */
	put(c.h.class, &c, sizeof(c));
	open_all(false);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_stats(pipeline)->records[c.h.class], 2);
	ok_int(pipeline_stats(pipeline)->unknown_identity, 1);
	ok_int(kept, 1);
	json = json_of(chain_of_class(c.h.class));
	ok(has(json, "\"eventName\":\"setsid\""));
	ok(has(json, "\"type\":\"AWSService\""));
	ok(has(json, "\"type\":\"Unknown\""));
	close_all();
}

static void the_same_number_once(void)
{
	struct ht_call c = call(0, 1);

	put(c.h.class, &c, sizeof(c));
	put(c.h.class, &c, sizeof(c));
	open_all(false);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_stats(pipeline)->records[c.h.class], 1);
	ok_int(pipeline_stats(pipeline)->skipped, 1);
	close_all();
}

static void lies_are_lost_and_counted(void)
{
	struct ht_call c = call(0, 1);
	unsigned class = c.h.class, wrong = class == HT_CLASS_DATA ? HT_CLASS_CONTROL : HT_CLASS_DATA;

	put(wrong, &c, sizeof(c));		/* counted in another class than its ring's */
	c = call(1, 1);
	put(class, &c, sizeof(struct ht_event) + 8);	/* its length does not say so: the reader skips it */
	c = call(1, 1);
	c.h.len = sizeof(struct ht_event) + 8;		/* shorter than a call */
	put(class, &c, c.h.len);
	c = call(2, 1);
	c.call = HT_CALLS_MAX + 5;
	put(class, &c, sizeof(c));
	c = call(3, 1);
	c.h.cpu = 999;
	put(class, &c, sizeof(c));
	open_all(false);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(rings_malformed(rings), 1);
	ok(pipeline_stats(pipeline)->malformed >= 3);
	ok_int(pipeline_stats(pipeline)->records[class], 0);
	ok(settle_lost_total(settle) >= 2);
	close_all();
}

static void an_identity_in_the_event(void)
{
	struct {
		struct ht_call c;
		struct ht_field f;
		struct ht_idmin m;
	} e = { .c = call(0, 0) };

	e.c.h.len = sizeof(e);
	e.c.h.flags = HT_EV_F_IDENT_INLINE;
	e.f = (struct ht_field){ .kind = HT_FIELD_IDMIN, .arg = HT_ARG_TASK, .len = sizeof(e.m) };
	e.m = (struct ht_idmin){ .loginuid = UINT32_MAX, .audit_session = UINT32_MAX, .comm = "small", .euid = 5 };
	put(e.c.h.class, &e, sizeof(e));
	open_all(false);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_stats(pipeline)->minimal_identity, 1);
	ok(has(json_of(chain_of_class(e.c.h.class)), "\"command\":\"small\""));
	close_all();
}

/* A login that was not seen before: the drain ends before its first record, and goes on with the name. */
static void a_name_is_waited_for(void)
{
	struct ht_call c = call(0, 1);
	struct ht_ident id = ident(1, 1000);

	put(c.h.class, &id, sizeof(id));
	put(c.h.class, &c, sizeof(c));
	open_all(false);
	ok_int(pipeline_drain(pipeline, 5), 1);
	ok_int(pipeline_stats(pipeline)->records[c.h.class], 0);
	ok_int(pipeline_wait_until(pipeline), 5 + PIPELINE_NAME_WAIT);
	ok(pipeline_name_awaited(pipeline));
	ok_int(pipeline_name(pipeline, 1000, "alice"), 0);
	ok(!pipeline_name_awaited(pipeline));
	ok_int(pipeline_drain(pipeline, 6), 0);
	ok_int(pipeline_stats(pipeline)->records[c.h.class], 1);
	ok_int(pipeline_stats(pipeline)->own, 0);
	ok(has(json_of(chain_of_class(c.h.class)), "\"userName\":\"alice\""));
	close_all();
}

/* Who answers in time is waited for again at once; who does not, not before a pause. */
static void a_slow_answer_is_not_waited_for_again(void)
{
	struct ht_ident ids[3] = { ident(1, 1000), ident(2, 1001), ident(3, 1002) };
	struct ht_call c = call(0, 3);

	for (unsigned i = 0; i < 3; i++)
		put(c.h.class, &ids[i], sizeof(ids[i]));
	put(c.h.class, &c, sizeof(c));
	open_all(false);
	ok_int(pipeline_drain(pipeline, 5), 1);
	ok_int(pipeline_name(pipeline, 1000, "alice"), 0);
	ok_int(pipeline_drain(pipeline, 6), 1);
	ok_int(pipeline_drain(pipeline, 6 + PIPELINE_NAME_WAIT), 0);
	ok_int(pipeline_stats(pipeline)->records[c.h.class], 1);
	ok_int(pipeline_stats(pipeline)->name_waits, 2);
	close_all();
}

static void a_late_name_has_a_record(void)
{
	struct ht_call c = call(0, 1);
	struct ht_ident id = ident(1, 1000);
	const char *json;

	put(c.h.class, &id, sizeof(id));
	put(c.h.class, &c, sizeof(c));
	open_all(false);
	ok_int(pipeline_drain(pipeline, 5), 1);
	ok_int(pipeline_drain(pipeline, 5 + PIPELINE_NAME_WAIT), 0);	/* not answered in time */
	ok_int(pipeline_stats(pipeline)->records[c.h.class], 1);
	ok_int(pipeline_name(pipeline, 1000, "alice"), 0);
	ok_int(pipeline_stats(pipeline)->own, 1);
	json = json_of(CHAIN_CONTROL);
	ok(has(json, "\"eventName\":\"NameResolved\""));
	ok(has(json, "\"userName\":\"alice\""));
	close_all();
}

static void a_full_batch_is_closed_first(void)
{
	for (unsigned i = 0; i < 500; i++) {
		struct ht_call c = call(i, 1);

		put(c.h.class, &c, sizeof(c));
	}
	open_all(false);
	pipeline_limit(pipeline, chain_of_class(call(0, 0).h.class), 2000);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_stats(pipeline)->records[call(0, 0).h.class], 500);
	ok(closes > 3);
	close_all();
}

static void a_step_of_the_clock_is_a_record(void)
{
	const char *json;

	open_all(false);
	ok_int(pipeline_drain(pipeline, 1), 0);
	ok_int(pipeline_drain(pipeline, 2), 0);
	ok_int(pipeline_stats(pipeline)->own, 0);
	pipeline->env.wall_offset -= 3600 * (int64_t)NS_PER_SEC;	/* as it would be if the clock had been set forward by an hour since */
	ok_int(pipeline_drain(pipeline, 3), 0);
	ok_int(pipeline_drain(pipeline, 4), 0);
	ok_int(pipeline_stats(pipeline)->own, 1);
	json = json_of(CHAIN_CONTROL);
	ok(has(json, "\"eventName\":\"ClockStepped\""));
	ok(has(json, "\"stepNanos\":3600000") || has(json, "\"stepNanos\":3599999"));
	close_all();
}

static void own_records(void)
{
	struct settle_report lost = { .ring_class = HT_CLASS_DATA, .cpu = 3, .count = 42, .first_seq = 7, .last_seq = 60,
				      .first_time = NS_PER_SEC, .last_time = 2 * NS_PER_SEC };
	struct ht_exe exe = { .ino = 5, .size = 10 };
	const uint32_t sizes[HT_CLASS__MAX] = { 4096, 8192, 16384, 32768 };
	struct str on = { "a", 1 };
	uint8_t sha[32] = { 1 };
	struct procfs_self self;
	const char *json;
	char want[8192];

	open_all(false);
	pipeline->env.wall_offset = 0;
	ok_int(own_agent_started(pipeline, &(struct own_started){ .version = "1", .kernel = "6", .scope = "host", .replaced = "",
							   .on = &on, .non = 1, .self = "me", .ring_size = sizes }), 0);
	ok_int(own_records_lost(pipeline, &lost), 0);
	ok_int(own_executable_hashed(pipeline, &exe, "/bin/x", sha), 0);
	ok_int(own_name_resolved(pipeline, 7, "joe"), 0);
	ok_int(own_stream_ended(pipeline, "00", "boot"), 0);
	ok_int(own_replaced(pipeline, &(struct own_replaced){ .stream = "00", .ring_class = HT_CLASS_PROCESS, .count = 9, .last_time = NS_PER_SEC }), 0);
	ok_int(own_replaced(pipeline, &(struct own_replaced){ .ring_class = HT_CLASS__MAX, .count = UINT64_MAX }), 0);
	ok_int(own_agent_stopped(pipeline, &(struct own_stopped){ .reason = "stopped", .uptime_ms = 12, .malformed = 3, .pinned = "/x" }), 0);
	ok_int(batch_count(pipeline_batch(pipeline, CHAIN_CONTROL)), 8);
	json = json_of(CHAIN_CONTROL);
	ok(has(json, "\"eventName\":\"AgentStarted\""));
	ok(has(json, "\"eventSource\":\"trail.hosttrail\""));
	ok(has(json, "\"eventType\":\"HostServiceEvent\""));
	ok(has(json, "\"count\":42"));
	ok(has(json, "\"cause\":\"ringFull\""));
	ok(has(json, "\"firstTime\":\"1970-01-01T00:00:01Z\""));
	ok(has(json, "\"sha256\":\"01"));
	ok(has(json, "\"serviceEventDetails\":{\"ringClass\":\"process\",\"count\":9,\"cause\":\"replaced\",\"lastBootTime\":1000000000,"
		     "\"lastTime\":\"1970-01-01T00:00:01Z\",\"stream\":\"00\"}"));
	ok(has(json, "\"serviceEventDetails\":{\"cause\":\"replaced\"}"));
	ok(has(json, "\"invokedBy\":\"test\""));
	ok(has(json, "\"serviceEventDetails\":{\"reason\":\"stopped\",\"uptimeMillis\":12,\"records\":{\"control\":0,\"process\":0,"
		     "\"data\":0,\"tls\":0,\"own\":8},\"lost\":{\"control\":0,\"process\":0,\"data\":0,\"tls\":0},"
		"\"filtered\":{\"control\":0,\"process\":0,\"data\":0,\"tls\":0},\"malformed\":3,"
		     "\"recursionMisses\":0,\"workerRestarts\":0,\"pinned\":\"/x\","
		     "\"ringBytes\":{\"control\":0,\"process\":0,\"data\":0,\"tls\":0}}"));
	ok(has(json, "\"ringSize\":{\"control\":4096,\"process\":8192,\"data\":16384,\"tls\":32768},\"mergedMillis\":250}"));
	/* who says it: this process */
	procfs_self(&self);
	snprintf(want, sizeof(want), "\"process\":{\"pid\":%d,\"startTime\":\"%llu\",\"parent\":{\"pid\":%d,\"startTime\":\"%llu\"},"
		 "\"executable\":{\"path\":\"%s\"},", (int)getpid(), (unsigned long long)self.start, (int)getppid(),
		 (unsigned long long)self.parent_start, self.executable);
	ok(self.start && self.parent_start && has(json, want));
	snprintf(want, sizeof(want), "\"requestID\":\"%d.%llu-8\"", (int)getpid(), (unsigned long long)self.start);
	ok(has(json, want));
	settle_frame_done(settle, CHAIN_CONTROL);
	ok_int(settle_user_seq(settle), 8);
	close_all();
}

/* A flooder by its user, cgroup and call; the cgroup's path is known from an identity. */
static void losses_have_names(void)
{
	struct settle_report lost = { .ring_class = HT_CLASS_DATA, .count = 5, .cause = SETTLE_FLOOD };
	uint16_t openat = (uint16_t)calls_lookup("openat");
	struct str path = { "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 72 };
	const char *json;

	open_all(false);
	cgroups_note(pipeline->cgroups, 77, path);
	names_set(pipeline->env.names, 1000, "joe");
	ok_int(own_records_lost(pipeline, &lost), 0);
	lost.principal = (struct settle_principal){ true, 77, 1000, openat };
	ok_int(own_records_lost(pipeline, &lost), 0);
	ok_int(own_runs_missed(pipeline, "ht_sys_exit", 3, 8), 0);
	json = json_of(CHAIN_CONTROL);
	ok(has(json, "\"cause\":\"flood\",\"firstSequence\":0,\"lastSequence\":0,\"others\":true}"));
	ok(has(json, "\"uid\":1000,\"userName\":\"joe\",\"cgroupId\":77,\"cgroup\":\"/docker/0123"));
	ok(has(json, "\"container\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"call\":\"openat\""));
	ok(has(json, "\"count\":3,\"cause\":\"recursion\",\"program\":\"ht_sys_exit\",\"total\":8"));
	close_all();
}

static void cgroups_are_bounded(void)
{
	struct cgroups *c = NULL;

	ok_int(cgroups_new(&c), 0);
	for (uint64_t id = 0; id <= CGROUPS_MAX; id++)
		cgroups_note(c, id, (struct str){ "/a", 2 });
	ok_int(cgroups_path(c, 0).n, 0);
	ok_int(cgroups_path(c, 1).n, 2);
	cgroups_note(c, 1, (struct str){ "/moved", 6 });
	ok_int(cgroups_path(c, 1).n, 6);
	cgroups_free(&c);
}

static const struct tap_case cases[] = {
	CASE(calls_with_their_identity), CASE(the_same_number_once), CASE(lies_are_lost_and_counted),
	CASE(an_identity_in_the_event), CASE(a_name_is_waited_for), CASE(a_late_name_has_a_record), CASE(a_slow_answer_is_not_waited_for_again),
	CASE(a_full_batch_is_closed_first), CASE(a_step_of_the_clock_is_a_record),
	CASE(own_records), CASE(losses_have_names), CASE(cgroups_are_bounded),
};
TAP_MAIN(cases)
