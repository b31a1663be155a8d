// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "calls.h"
#include "cgroupname.h"
#include "lib/clock.h"
#include "own.h"
#include "pipeline_internal.h"
#include "proto/keys.h"
#include "proto/ownrecord.h"

static const struct shape_field started_fields[] = {
	SERVICE("agentVersion", FIELD_STRING),	 SERVICE("kernel", FIELD_STRING),     SERVICE("scope", FIELD_STRING),
	SERVICE("process", FIELD_STRING),	 SERVICE("adopted", FIELD_BOOL),      SERVICE("replaced", FIELD_STRING),
	SERVICE("on", FIELD_STRINGS),		 SERVICE("off", FIELD_STRINGS),	      SERVICE("recursionMisses", FIELD_UINT),
	SERVICE("chainsSkipped", FIELD_STRINGS), SERVICE("selectors", FIELD_STRING), SERVICE("selectorsSha256", FIELD_STRING),
	SERVICE("ringSize.control", FIELD_UINT), SERVICE("ringSize.process", FIELD_UINT), SERVICE("ringSize.data", FIELD_UINT),
	SERVICE("ringSize.tls", FIELD_UINT),	 SERVICE("mergedMillis", FIELD_UINT),
};
enum { STARTED_RINGS = 12, STARTED_MERGED = STARTED_RINGS + HT_CLASS__MAX, STARTED__MAX };
_Static_assert(ARRAY_SIZE(started_fields) == STARTED__MAX, "a place for each class");
static const struct shape_field stopped_fields[] = {
	SERVICE("reason", FIELD_STRING),       SERVICE("uptimeMillis", FIELD_UINT),   SERVICE("records.control", FIELD_UINT),
	SERVICE("records.process", FIELD_UINT), SERVICE("records.data", FIELD_UINT),  SERVICE("records.tls", FIELD_UINT),
	SERVICE("records.own", FIELD_UINT),    SERVICE("lost.control", FIELD_UINT),   SERVICE("lost.process", FIELD_UINT),
	SERVICE("lost.data", FIELD_UINT),      SERVICE("lost.tls", FIELD_UINT),	      SERVICE("filtered.control", FIELD_UINT),
	SERVICE("filtered.process", FIELD_UINT), SERVICE("filtered.data", FIELD_UINT), SERVICE("filtered.tls", FIELD_UINT),
	SERVICE("malformed", FIELD_UINT),
	SERVICE("recursionMisses", FIELD_UINT), SERVICE("workerRestarts", FIELD_UINT), SERVICE("pinned", FIELD_STRING),
	SERVICE("ringBytes.control", FIELD_UINT), SERVICE("ringBytes.process", FIELD_UINT), SERVICE("ringBytes.data", FIELD_UINT),
	SERVICE("ringBytes.tls", FIELD_UINT),
};
enum { STOPPED_REASON, STOPPED_UPTIME, STOPPED_RECORDS, STOPPED_OWN = STOPPED_RECORDS + HT_CLASS__MAX, STOPPED_LOST,
       STOPPED_FILTERED = STOPPED_LOST + HT_CLASS__MAX, STOPPED_MALFORMED = STOPPED_FILTERED + HT_CLASS__MAX, STOPPED_MISSES, STOPPED_RESTARTS, STOPPED_PINNED,
       STOPPED_RINGS, STOPPED__MAX = STOPPED_RINGS + HT_CLASS__MAX };
_Static_assert(ARRAY_SIZE(stopped_fields) == STOPPED__MAX, "a place for each class");
static const struct shape_field lost_fields[] = {
	SERVICE("ringClass", FIELD_STRING),    SERVICE("cpu", FIELD_UINT),	     SERVICE("count", FIELD_UINT),
	SERVICE("cause", FIELD_STRING),	       SERVICE("firstSequence", FIELD_UINT), SERVICE("lastSequence", FIELD_UINT),
	SERVICE("firstBootTime", FIELD_UINT),  SERVICE("firstTime", FIELD_STRING),   SERVICE("lastBootTime", FIELD_UINT),
	SERVICE("lastTime", FIELD_STRING),     SERVICE("others", FIELD_BOOL),   SERVICE("uid", FIELD_UINT),
	SERVICE("userName", FIELD_STRING),     SERVICE("cgroupId", FIELD_UINT),	     SERVICE("cgroup", FIELD_STRING),
	SERVICE("container", FIELD_STRING),    SERVICE("call", FIELD_STRING),	     SERVICE("program", FIELD_STRING),
	SERVICE("total", FIELD_UINT),	       SERVICE("stream", FIELD_STRING),
};
enum { LOST_CLASS, LOST_CPU, LOST_COUNT, LOST_CAUSE, LOST_FIRST, LOST_LAST, LOST_FIRST_TIME, LOST_LAST_TIME = LOST_FIRST_TIME + 2,
       LOST_OTHERS = LOST_LAST_TIME + 2, LOST_UID, LOST_USER, LOST_CGROUP_ID, LOST_CGROUP, LOST_CONTAINER, LOST_CALL, LOST_PROGRAM, LOST_TOTAL,
       LOST_STREAM, LOST__MAX };
_Static_assert(ARRAY_SIZE(lost_fields) == LOST__MAX, "one for each field");
static const struct shape_field hashed_fields[] = {
	SERVICE("executableId", FIELD_STRING),
	{ SECTION_SERVICE, "path", FIELD_STRING, "Linux::File" },
	SERVICE("sha256", FIELD_STRING),
	SERVICE("size", FIELD_UINT),
};
static const struct shape_field name_fields[] = { SERVICE("uid", FIELD_UINT), SERVICE("userName", FIELD_STRING) };
static const struct shape_field ended_fields[] = { SERVICE("stream", FIELD_STRING), SERVICE("reason", FIELD_STRING) };

static const struct shape_field step_fields[] = {
	SERVICE("stepNanos", FIELD_INT), SERVICE("before", FIELD_STRING), SERVICE("after", FIELD_STRING), SERVICE("bootTime", FIELD_UINT),
};

static const struct shape_field test_fields[] = {
	SERVICE("missing", FIELD_STRINGS), SERVICE("waitedMillis", FIELD_UINT), SERVICE("reason", FIELD_STRING),
};

static const struct shape_field selectors_fields[] = {
	SERVICE("selectors", FIELD_STRING), SERVICE("selectorsSha256", FIELD_STRING), SERVICE("formerSha256", FIELD_STRING),
	SERVICE("bootTime", FIELD_UINT),
};

static const struct shape_field apis_fields[] = {
	SERVICE("apis", FIELD_STRING), SERVICE("files", FIELD_UINT), SERVICE("apisSha256", FIELD_STRING), SERVICE("formerSha256", FIELD_STRING),
};

OWN_SHAPE(apis_shape, "ApiRulesChanged", apis_fields);
OWN_SHAPE(selectors_shape, "SelectorsChanged", selectors_fields);
OWN_SHAPE(started_shape, "AgentStarted", started_fields);
OWN_SHAPE(stopped_shape, "AgentStopped", stopped_fields);
OWN_SHAPE(lost_shape, "RecordsLost", lost_fields);
OWN_SHAPE(hashed_shape, "ExecutableHashed", hashed_fields);
OWN_SHAPE(name_shape, "NameResolved", name_fields);
OWN_SHAPE(ended_shape, "StreamEnded", ended_fields);
static const struct shape_field tampered_fields[] = {
	SERVICE("kind", FIELD_STRING), SERVICE("target", FIELD_STRING), SERVICE("what", FIELD_STRING), SERVICE("restored", FIELD_BOOL),
};
OWN_SHAPE(tampered_shape, "TrailTampered", tampered_fields);
OWN_SHAPE(test_shape, "SelfTestFailed", test_fields);
OWN_SHAPE(step_shape, "ClockStepped", step_fields);

static int begin(struct pipeline *p, const struct shape *shape)
{
	struct batch *b = p->batch[CHAIN_CONTROL];
	struct record_head head = { .ring_class = HT_CLASS_USER, .time = clock_boot() };
	int64_t identity = pipeline_self(p, b);

	if (identity < 0)
		return (int)identity;
	head.identity = (uint32_t)identity;
	head.seq = settle_user_seq(p->settle);
	head.request = head.seq + 1;
	return batch_begin(b, shape, &head);
}

static int end(struct pipeline *p)
{
	int r = batch_end(p->batch[CHAIN_CONTROL]);

	if (r < 0)
		return r;
	p->stats.own++;
	pipeline_note(p, CHAIN_CONTROL);
	return 0;
}

static int say(struct pipeline *p, const struct shape *shape, const struct own_value *v, size_t n)
{
	int r = begin(p, shape);

	if (r < 0)
		return r;
	own_fill(p->batch[CHAIN_CONTROL], shape, v, n);
	return end(p);
}

int own_agent_started(struct pipeline *p, const struct own_started *s)
{
	struct own_value v[STARTED__MAX] = {
		own_text(s->version), own_text(s->kernel), own_text(s->scope), own_text(s->self), own_number(s->adopted), own_text(s->replaced),
		own_texts(s->on, s->non), own_texts(s->off, s->noff), own_number((int64_t)s->recursion_misses),
		own_if(s->nskipped, own_texts(s->skipped, s->nskipped)), own_text(s->selectors), own_text(s->selectors_sha256),
		[STARTED_MERGED] = own_number((int64_t)(PROBES_MERGE_NS / NS_PER_MS)),
	};

	for (unsigned c = 0; c < HT_CLASS__MAX && s->ring_size; c++)
		v[STARTED_RINGS + c] = own_number(s->ring_size[c]);
	return say(p, &started_shape, v, ARRAY_SIZE(v));
}

int own_selectors_changed(struct pipeline *p, const struct own_selectors *s)
{
	return say(p, &selectors_shape, OWN_VALUES(own_text(s->selectors), own_text(s->sha256), own_text(s->before), own_number((int64_t)s->from)));
}

int own_apis_changed(struct pipeline *p, const struct own_apis *a)
{
	return say(p, &apis_shape, OWN_VALUES(own_text(a->apis), own_number(a->files), own_text(a->sha256), own_text(a->before)));
}

int own_agent_stopped(struct pipeline *p, const struct own_stopped *s)
{
	struct own_value v[STOPPED__MAX] = {
		[STOPPED_REASON] = own_text(s->reason),
		[STOPPED_UPTIME] = own_number((int64_t)s->uptime_ms),
		[STOPPED_OWN] = own_number((int64_t)p->stats.own + 1),
		[STOPPED_MALFORMED] = own_number((int64_t)(p->stats.malformed + s->malformed)),
		[STOPPED_MISSES] = own_number((int64_t)s->recursion_misses),
		[STOPPED_RESTARTS] = own_number((int64_t)s->restarts),
		[STOPPED_PINNED] = own_text(s->pinned),
	};

	for (unsigned c = 0; c < HT_CLASS__MAX; c++) {
		v[STOPPED_RECORDS + c] = own_number((int64_t)p->stats.records[c]);
		v[STOPPED_LOST + c] = own_number((int64_t)settle_lost_of(p->settle, c));
		v[STOPPED_FILTERED + c] = own_number((int64_t)p->stats.filtered[c]);
		v[STOPPED_RINGS + c] = own_number((int64_t)rings_most(p->rings, c));
	}
	return say(p, &stopped_shape, v, ARRAY_SIZE(v));
}

/* ---- losses */

static const char *const ring_classes[HT_CLASS__MAX] = { "control", "process", "data", "tls" };

/* Two fields: boot-time ns, and the text of it. */
static void set_time(const struct pipeline *p, struct own_value *v, uint64_t boot)
{
	if (!boot)
		return;
	v[0] = own_number((int64_t)boot);
	v[1] = own_time(((int64_t)boot + p->env.wall_offset) / (int64_t)NS_PER_SEC);
}

/* Who flooded: a cgroup and a user, and with which call. */
static void set_principal(const struct pipeline *p, struct own_value v[LOST__MAX], const struct settle_principal *who)
{
	struct str cgroup, container;

	if (!who->known) {
		v[LOST_OTHERS] = own_number(true);
		return;
	}
	cgroup = cgroups_path(p->cgroups, who->cgroup_id);
	v[LOST_UID] = own_number(who->uid);
	v[LOST_USER] = own_str(names_user(p->env.names, who->uid, clock_boot()));
	v[LOST_CGROUP_ID] = own_number((int64_t)who->cgroup_id);
	v[LOST_CGROUP] = own_str(cgroup);
	if (cgroup_container(cgroup, &container))
		v[LOST_CONTAINER] = own_str(container);
	v[LOST_CALL] = own_text(who->call ? calls_name(who->call) : NULL);
}

int own_runs_missed(struct pipeline *p, const char *program, uint64_t count, uint64_t total)
{
	const struct own_value v[LOST__MAX] = {
		[LOST_COUNT] = own_number((int64_t)count), [LOST_CAUSE] = own_text("recursion"), [LOST_PROGRAM] = own_text(program),
		[LOST_TOTAL] = own_number((int64_t)total),
	};

	return say(p, &lost_shape, v, ARRAY_SIZE(v));
}

int own_replaced(struct pipeline *p, const struct own_replaced *l)
{
	struct own_value v[LOST__MAX] = {
		[LOST_CLASS] = own_text(l->ring_class < HT_CLASS__MAX ? ring_classes[l->ring_class] : NULL),
		[LOST_COUNT] = own_if(l->count != UINT64_MAX, own_number((int64_t)l->count)), [LOST_CAUSE] = own_text("replaced"),
		[LOST_STREAM] = own_text(l->stream),
	};

	set_time(p, &v[LOST_FIRST_TIME], l->first_time);
	set_time(p, &v[LOST_LAST_TIME], l->last_time);
	return say(p, &lost_shape, v, ARRAY_SIZE(v));
}

int own_records_lost(struct pipeline *p, const struct settle_report *l)
{
	struct own_value v[LOST__MAX] = {
		[LOST_CLASS] = own_text(l->ring_class < HT_CLASS__MAX ? ring_classes[l->ring_class] : "own"),
		[LOST_CPU] = own_number(l->cpu), [LOST_COUNT] = own_number((int64_t)l->count),
		[LOST_CAUSE] = own_text(settle_cause_name(l->cause)),
		[LOST_FIRST] = own_number((int64_t)l->first_seq), [LOST_LAST] = own_number((int64_t)l->last_seq),
	};

	set_time(p, &v[LOST_FIRST_TIME], l->first_time);
	set_time(p, &v[LOST_LAST_TIME], l->last_time);
	if (l->cause == SETTLE_FLOOD)
		set_principal(p, v, &l->principal);
	return say(p, &lost_shape, v, ARRAY_SIZE(v));
}

/* ---- the rest */

int own_executable_hashed(struct pipeline *p, const struct ht_exe *exe, const char *path, const uint8_t sha256[32])
{
	char id[EXE_ID_LEN];

	exe_id_text(exe, id);
	return say(p, &hashed_shape, OWN_VALUES(own_text(id), own_text(path), own_hex(sha256, 32), own_number((int64_t)exe->size)));
}

int own_name_resolved(struct pipeline *p, uint32_t uid, const char *name)
{
	return say(p, &name_shape, OWN_VALUES(own_number(uid), own_text(name)));
}

int own_stream_ended(struct pipeline *p, const char *stream, const char *why)
{
	return say(p, &ended_shape, OWN_VALUES(own_text(stream), own_text(why)));
}

/* What the clock showed at one moment: before it was set, and after. The moment is when it was noticed. */
int own_clock_stepped(struct pipeline *p, int64_t before, int64_t after)
{
	int64_t now = (int64_t)clock_boot();

	return say(p, &step_shape,
		   OWN_VALUES(own_number(after - before), own_time((now + before) / (int64_t)NS_PER_SEC),
			      own_time((now + after) / (int64_t)NS_PER_SEC), own_number(now)));
}

int own_selftest_failed(struct pipeline *p, const struct own_selftest_failed *f)
{
	return say(p, &test_shape,
		   OWN_VALUES(own_texts(f->missing, f->nmissing), own_number((int64_t)(f->waited / NS_PER_MS)), own_text(f->reason)));
}

int own_tampered(struct pipeline *p, const char *kind, const char *target, const char *what, bool restored)
{
	return say(p, &tampered_shape, OWN_VALUES(own_text(kind), own_text(target), own_text(what), own_number(restored)));
}
