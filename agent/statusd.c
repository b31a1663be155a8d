// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "pressure.h"
#include "proto/keys.h"
#include "selection.h"
#include "selfcalls.h"
#include "worker_internal.h"

#define SERVE_AT_ONCE 8

static const char *const classes[HT_CLASS__MAX] = { "control", "process", "data", "tls" };

static void put_number(struct json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

static void put_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static struct json_object *spool_of(const struct writer_stats *s)
{
	struct json_object *o = json_object_new_object();

	for (unsigned c = 0; c < CHAIN__MAX; c++)
		put_number(o, chain_name(c), s->spool_bytes[c]);
	return o;
}

/* Who wrote most when a ring of the class was last over a quarter full. */
static void put_filled_by(const struct worker *w, unsigned class, struct json_object *ring)
{
	struct json_object *list = json_object_new_array();
	struct pressure_share v[PRESSURE_SHOWN];
	unsigned n = pressure_shares(w->rings, class, v);

	for (unsigned i = 0; i < n; i++) {
		struct str path = pipeline_cgroup(w->pipeline, v[i].cgroup_id);
		struct json_object *o = json_object_new_object();

		put_number(o, "percent", v[i].percent);
		put_number(o, "uid", v[i].uid);
		put_number(o, "cgroup_id", v[i].cgroup_id);
		if (path.n)
			json_object_object_add(o, "cgroup", json_object_new_string_len(path.p, (int)path.n));
		json_object_array_add(list, o);
	}
	json_object_object_add(ring, "filled_by", list);
}

static struct json_object *rings_of(const struct worker *w)
{
	struct json_object *o = json_object_new_object();
	uint64_t used, size;

	for (unsigned c = 0; c < HT_CLASS__MAX; c++) {
		struct json_object *ring = json_object_new_object();

		rings_fill(w->rings, c, &used, &size);
		put_number(ring, "used", used);
		put_number(ring, "size", size);
		put_number(ring, "fullest_percent", rings_fullest(w->rings, c));
		put_number(ring, "most", rings_most(w->rings, c));
		put_filled_by(w, c, ring);
		json_object_object_add(o, classes[c], ring);
	}
	return o;
}

static struct json_object *features_of(const struct worker *w)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < w->nfeatures; i++) {
		struct json_object *o = json_object_new_object();

		put_text(o, "name", w->features[i].name);
		json_object_object_add(o, "on", json_object_new_boolean(w->features[i].on));
		put_text(o, "why", w->features[i].why);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *tables_of(const struct worker *w)
{
	struct json_object *o = json_object_new_object();
	struct idcache_stats ids;
	struct proctab_stats procs;

	idcache_stats(pipeline_identities(w->pipeline), &ids);
	proctab_stats(pipeline_procs(w->pipeline), &procs);
	put_number(o, "identities", ids.identities);
	put_number(o, "identity_bytes", ids.bytes);
	put_number(o, "identities_evicted", ids.evicted);
	put_number(o, "processes", procs.processes);
	put_number(o, "process_bytes", procs.bytes);
	put_number(o, "processes_evicted", procs.evicted);
	return o;
}

static void put_counts(const struct worker *w, struct json_object *o)
{
	const struct pipeline_stats *p = pipeline_stats(w->pipeline);
	struct json_object *by_class = json_object_new_object(), *calls = json_object_new_object(), *merged = json_object_new_object();
	uint64_t records = 0, filtered = 0;

	for (unsigned c = 0; c < HT_CLASS__MAX; c++) {
		records += p->records[c];
		filtered += p->filtered[c];
		put_number(by_class, classes[c], p->records[c]);
		put_number(calls, classes[c], c == HT_CLASS_TLS ? p->records[c] : p->calls[c]);
		put_number(merged, classes[c], rings_merged(w->rings, c));
	}
	put_number(o, "records", records);
	json_object_object_add(o, "records_by_class", by_class);
	json_object_object_add(o, "calls_by_class", calls);
	json_object_object_add(o, "merged_by_class", merged);
	put_number(o, "merged_ms", PROBES_MERGE_NS / NS_PER_MS);
	put_number(o, "own_records", p->own);
	put_number(o, "lost", settle_lost_total(w->settle));
	put_number(o, "filtered", filtered);
	put_number(o, "malformed", p->malformed + rings_malformed(w->rings));
	put_number(o, "skipped", p->skipped);
	put_number(o, "unknown_identity", p->unknown_identity);
	put_number(o, "minimal_identity", p->minimal_identity);
	put_number(o, "recursion_misses", worker_missed_total(w));
	put_number(o, "restarts", w->count.restarts);
	put_number(o, "tampered", w->tampered);
}

/* What is selected, and since when. */
static struct json_object *selectors_of(const struct worker *w)
{
	const struct selection *s = pipeline_selection(w->pipeline);
	struct json_object *o = json_object_new_object();

	if (!s)
		return o;
	put_text(o, "source", s->source);
	put_text(o, "sha256", s->sha256);
	put_number(o, "reloads_refused", w->count.refused);
	put_number(o, "selectors", s->selectors ? s->selectors->n : 0);
	if (s->from)
		put_number(o, "ago_ms", (clock_boot() - s->from) / NS_PER_MS);
	return o;
}

static void put_writer(const struct worker *w, struct json_object *o)
{
	struct writer_stats s;

	writer_stats(w->writer, &s);
	put_number(o, "frames", s.frames);
	put_number(o, "frame_bytes", s.bytes);
	put_number(o, "failed_frames", s.failed_frames);
	put_number(o, "tombstones", s.tombstones);
	put_number(o, "bad_segments", s.bad_segments);
	json_object_object_add(o, "spool", spool_of(&s));
}

static struct json_object *test_of(const struct worker *w)
{
	const struct selftest_stats *s = &w->test.stats;
	struct json_object *o = json_object_new_object(), *missing = json_object_new_array();
	char text[SELFCALLS_MAX][48];
	struct str names[SELFCALLS_MAX];
	unsigned n = worker_test_names(s->missing, text, names);

	for (unsigned i = 0; i < n; i++)
		json_object_array_add(missing, json_object_new_string(text[i]));
	put_text(o, "state", !w->setup.self_test ? "off" : s->missing ? "failed" : s->all ? "passed" : "running");
	put_number(o, "families", selfcalls_count());
	json_object_object_add(o, "missing", missing);
	put_number(o, "runs", s->runs);
	put_number(o, "failures", s->failures);
	put_number(o, "latency_us", s->latency / 1000);
	put_number(o, "latency_max_us", s->latency_max / 1000);
	put_number(o, "disk_us", s->disk / 1000);
	put_number(o, "disk_max_us", s->disk_max / 1000);
	if (s->finished)
		put_number(o, "ago_ms", (clock_boot() - s->finished) / NS_PER_MS);
	return o;
}

static int statusd_text(const struct worker *w, struct buf *out)
{
	struct json_object *o = json_object_new_object();
	char stream[33];
	int r;

	if (!o)
		return -ENOMEM;
	hex_text(w->setup.stream, 16, stream);
	put_text(o, "program", "hosttraild");
	put_number(o, "pid", (uint64_t)w->setup.pid);
	put_number(o, "worker_pid", (uint64_t)getpid());
	put_text(o, "version", HOSTTRAIL_VERSION);
	put_text(o, "stream", stream);
	put_text(o, "scope", w->setup.scope);
	put_number(o, "uptime_ms", (clock_boot() - w->started) / NS_PER_MS);
	put_counts(w, o);
	put_writer(w, o);
	json_object_object_add(o, "selectors", selectors_of(w));
	json_object_object_add(o, "self_test", test_of(w));
	json_object_object_add(o, "rings", rings_of(w));
	json_object_object_add(o, "tables", tables_of(w));
	json_object_object_add(o, "features", features_of(w));
	r = buf_adds(out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) ?: buf_addc(out, '\n');
	json_object_put(o);
	return r;
}

void statusd_serve(const struct worker *w, int listening)
{
	for (int i = 0; i < SERVE_AT_ONCE; i++) {
		_cleanup_close_ int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		_cleanup_buf_ struct buf b = { 0 };

		if (fd < 0)
			return;
		if (!statusd_text(w, &b))
			send(fd, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}
