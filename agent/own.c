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
enum { LOST_CLASS, LOST_CPU, LOST_COUNT, LOST_CAUSE, LOST_FIRST_TIME = 6, LOST_LAST_TIME = 8, LOST_STREAM = 19 };
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

static void put(struct pipeline *p, unsigned field, const char *text)
{
	own_put(p->batch[CHAIN_CONTROL], field, text);
}

int own_agent_started(struct pipeline *p, const struct own_started *s)
{
	struct batch *b = p->batch[CHAIN_CONTROL];
	int r = begin(p, &started_shape);

	if (r < 0)
		return r;
	put(p, 0, s->version);
	put(p, 1, s->kernel);
	put(p, 2, s->scope);
	put(p, 3, s->self);
	batch_int(b, 4, s->adopted);
	put(p, 5, s->replaced);
	batch_strings(b, 6, s->on, s->non);
	batch_strings(b, 7, s->off, s->noff);
	batch_int(b, 8, (int64_t)s->recursion_misses);
	if (s->nskipped)
		batch_strings(b, 9, s->skipped, s->nskipped);
	put(p, 10, s->selectors);
	put(p, 11, s->selectors_sha256);
	for (unsigned c = 0; c < HT_CLASS__MAX && s->ring_size; c++)
		batch_int(b, 12 + c, s->ring_size[c]);
	batch_int(b, 12 + HT_CLASS__MAX, (int64_t)(PROBES_MERGE_NS / NS_PER_MS));
	return end(p);
}

int own_selectors_changed(struct pipeline *p, const struct own_selectors *s)
{
	int r = begin(p, &selectors_shape);

	if (r < 0)
		return r;
	put(p, 0, s->selectors);
	put(p, 1, s->sha256);
	put(p, 2, s->before);
	batch_int(p->batch[CHAIN_CONTROL], 3, (int64_t)s->from);
	return end(p);
}

int own_apis_changed(struct pipeline *p, const struct own_apis *a)
{
	int r = begin(p, &apis_shape);

	if (r < 0)
		return r;
	put(p, 0, a->apis);
	batch_int(p->batch[CHAIN_CONTROL], 1, a->files);
	put(p, 2, a->sha256);
	put(p, 3, a->before);
	return end(p);
}

int own_agent_stopped(struct pipeline *p, const struct own_stopped *s)
{
	struct batch *b = p->batch[CHAIN_CONTROL];
	int r = begin(p, &stopped_shape);

	if (r < 0)
		return r;
	put(p, STOPPED_REASON, s->reason);
	batch_int(b, STOPPED_UPTIME, (int64_t)s->uptime_ms);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		batch_int(b, STOPPED_RECORDS + c, (int64_t)p->stats.records[c]);
	batch_int(b, STOPPED_OWN, (int64_t)p->stats.own + 1);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		batch_int(b, STOPPED_LOST + c, (int64_t)settle_lost_of(p->settle, c));
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		batch_int(b, STOPPED_FILTERED + c, (int64_t)p->stats.filtered[c]);
	batch_int(b, STOPPED_MALFORMED, (int64_t)(p->stats.malformed + s->malformed));
	batch_int(b, STOPPED_MISSES, (int64_t)s->recursion_misses);
	batch_int(b, STOPPED_RESTARTS, (int64_t)s->restarts);
	put(p, STOPPED_PINNED, s->pinned);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		batch_int(b, STOPPED_RINGS + c, (int64_t)rings_most(p->rings, c));
	return end(p);
}

/* Two fields: boot-time ns, and the text of it. */
static void put_time(struct pipeline *p, unsigned field, uint64_t boot)
{
	char text[32];

	if (!boot)
		return;
	batch_int(p->batch[CHAIN_CONTROL], field, (int64_t)boot);
	clock_iso(((int64_t)boot + p->env.wall_offset) / (int64_t)NS_PER_SEC, text);
	put(p, field + 1, text);
}

/* Who flooded: a cgroup and a user, and with which call. */
static void put_principal(struct pipeline *p, const struct settle_principal *who)
{
	struct batch *b = p->batch[CHAIN_CONTROL];
	struct str name, cgroup, container;

	if (!who->known) {
		batch_int(b, 10, true);
		return;
	}
	name = names_user(p->env.names, who->uid);
	cgroup = cgroups_path(p->cgroups, who->cgroup_id);
	batch_int(b, 11, who->uid);
	if (name.n)
		batch_string(b, 12, name.p, name.n);
	batch_int(b, 13, (int64_t)who->cgroup_id);
	if (cgroup.n)
		batch_string(b, 14, cgroup.p, cgroup.n);
	if (cgroup_container(cgroup, &container))
		batch_string(b, 15, container.p, container.n);
	put(p, 16, who->call ? calls_name(who->call) : NULL);
}

int own_runs_missed(struct pipeline *p, const char *program, uint64_t count, uint64_t total)
{
	int r = begin(p, &lost_shape);

	if (r < 0)
		return r;
	batch_int(p->batch[CHAIN_CONTROL], 2, (int64_t)count);
	put(p, 3, "recursion");
	put(p, 17, program);
	batch_int(p->batch[CHAIN_CONTROL], 18, (int64_t)total);
	return end(p);
}

static const char *const ring_classes[HT_CLASS__MAX] = { "control", "process", "data", "tls" };

int own_replaced(struct pipeline *p, const struct own_replaced *l)
{
	int r = begin(p, &lost_shape);

	if (r < 0)
		return r;
	put(p, LOST_CLASS, l->ring_class < HT_CLASS__MAX ? ring_classes[l->ring_class] : NULL);
	if (l->count != UINT64_MAX)
		batch_int(p->batch[CHAIN_CONTROL], LOST_COUNT, (int64_t)l->count);
	put(p, LOST_CAUSE, "replaced");
	put_time(p, LOST_FIRST_TIME, l->first_time);
	put_time(p, LOST_LAST_TIME, l->last_time);
	put(p, LOST_STREAM, l->stream);
	return end(p);
}

int own_records_lost(struct pipeline *p, const struct settle_report *l)
{
	struct batch *b = p->batch[CHAIN_CONTROL];
	int r = begin(p, &lost_shape);

	if (r < 0)
		return r;
	put(p, 0, l->ring_class < HT_CLASS__MAX ? ring_classes[l->ring_class] : "own");
	batch_int(b, 1, l->cpu);
	batch_int(b, 2, (int64_t)l->count);
	put(p, 3, settle_cause_name(l->cause));
	batch_int(b, 4, (int64_t)l->first_seq);
	batch_int(b, 5, (int64_t)l->last_seq);
	put_time(p, 6, l->first_time);
	put_time(p, 8, l->last_time);
	if (l->cause == SETTLE_FLOOD)
		put_principal(p, &l->principal);
	return end(p);
}

int own_executable_hashed(struct pipeline *p, const struct ht_exe *exe, const char *path, const uint8_t sha256[32])
{
	char id[EXE_ID_LEN], hex[65];
	int r = begin(p, &hashed_shape);

	if (r < 0)
		return r;
	exe_id_text(exe, id);
	hex_text(sha256, 32, hex);
	put(p, 0, id);
	put(p, 1, path);
	put(p, 2, hex);
	batch_int(p->batch[CHAIN_CONTROL], 3, (int64_t)exe->size);
	return end(p);
}

int own_name_resolved(struct pipeline *p, uint32_t uid, const char *name)
{
	int r = begin(p, &name_shape);

	if (r < 0)
		return r;
	batch_int(p->batch[CHAIN_CONTROL], 0, uid);
	put(p, 1, name);
	return end(p);
}

int own_stream_ended(struct pipeline *p, const char *stream, const char *why)
{
	int r = begin(p, &ended_shape);

	if (r < 0)
		return r;
	put(p, 0, stream);
	put(p, 1, why);
	return end(p);
}

/* What the clock showed at one moment: before it was set, and after. The moment is when it was noticed. */
int own_clock_stepped(struct pipeline *p, int64_t before, int64_t after)
{
	int64_t now = (int64_t)clock_boot();
	char text[32];
	int r = begin(p, &step_shape);

	if (r < 0)
		return r;
	batch_int(p->batch[CHAIN_CONTROL], 0, after - before);
	clock_iso((now + before) / (int64_t)NS_PER_SEC, text);
	put(p, 1, text);
	clock_iso((now + after) / (int64_t)NS_PER_SEC, text);
	put(p, 2, text);
	batch_int(p->batch[CHAIN_CONTROL], 3, now);
	return end(p);
}

int own_selftest_failed(struct pipeline *p, const struct own_selftest_failed *f)
{
	int r = begin(p, &test_shape);

	if (r < 0)
		return r;
	batch_strings(p->batch[CHAIN_CONTROL], 0, f->missing, f->nmissing);
	batch_int(p->batch[CHAIN_CONTROL], 1, (int64_t)(f->waited / 1000000));
	put(p, 2, f->reason);
	return end(p);
}

int own_tampered(struct pipeline *p, const char *kind, const char *target, const char *what, bool restored)
{
	int r = begin(p, &tampered_shape);

	if (r < 0)
		return r;
	put(p, 0, kind);
	put(p, 1, target);
	put(p, 2, what);
	batch_int(p->batch[CHAIN_CONTROL], 3, restored);
	return end(p);
}
