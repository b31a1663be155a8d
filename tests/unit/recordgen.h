/* SPDX-License-Identifier: Apache-2.0 */
/* recordgen.h - batches from a seed: random shapes, identities, names and values, nasty ones among them. */
#ifndef TESTS_RECORDGEN_H
#define TESTS_RECORDGEN_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proto/record.h"

struct gen {
	uint64_t state;
};

static inline uint64_t gen_next(struct gen *g)
{
	uint64_t z = (g->state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline unsigned gen_below(struct gen *g, unsigned n)
{
	return n ? (unsigned)(gen_next(g) % n) : 0;
}

static inline int64_t gen_number(struct gen *g)
{
	static const int64_t edges[] = { 0, 1, -1, 127, 128, 9007199254740992, 9007199254740993, -9007199254740993,
					 INT64_MAX, INT64_MIN, 0644, 4294967295 };

	if (gen_below(g, 4) == 0)
		return edges[gen_below(g, sizeof(edges) / sizeof(edges[0]))];
	return (int64_t)(gen_next(g) >> gen_below(g, 64));
}

#define GEN_TEXTS 64
#define GEN_TEXT_MAX 400
struct gen_texts {
	char bytes[GEN_TEXTS][GEN_TEXT_MAX];
	unsigned next;
};

/* Any bytes: plain names, controls, good and broken UTF-8, NULs. */
static inline struct str gen_text(struct gen *g, struct gen_texts *t)
{
	static const char *const pieces[] = { "/usr/bin/cat", "\n\t\"\\", "\xff\xfe", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
					      "\xed\xa0\x80", "\xef\xbf\xbd", "\xc0\xaf", "\x01\x1f\x7f", "a b", "\xe2\x82",
					      "\xf4\x90\x80\x80", "O_CREAT", "/", "\xf0\x80\x80\x80" };
	char *to = t->bytes[t->next++ % GEN_TEXTS];
	size_t n = 0;

	for (unsigned k = gen_below(g, 6); k && n + 16 < GEN_TEXT_MAX; k--) {
		const char *p = pieces[gen_below(g, sizeof(pieces) / sizeof(pieces[0]))];

		if (gen_below(g, 12) == 0) {
			to[n++] = (char)gen_next(g);
			continue;
		}
		memcpy(to + n, p, strlen(p));
		n += strlen(p);
	}
	return (struct str){ to, n };
}

#define GEN_SHAPES 8
#define GEN_FIELDS 20
struct gen_shapes {
	struct shape shapes[GEN_SHAPES];
	struct shape_field fields[GEN_SHAPES][GEN_FIELDS];
	char names[GEN_SHAPES][GEN_FIELDS][40];
};

static inline void gen_shapes(struct gen *g, struct gen_shapes *s)
{
	static const char *const sources[] = { "file.linux", "process.linux", "trail.hosttrail" };
	static const char *const names[] = { "openat", "execve", "create pods", "RecordsLost" };
	static const char *const types[] = { "HostApiCall", "HostServiceEvent", "AwsApiCall" };
	static const char *const resources[] = { "Linux::File", "Linux::Process", "Linux::KernelModule", "AWS::S3::Object" };
	static const char *const groups[] = { "", "", "", "address.", "sources.", "a.b.", "a.c." };

	for (unsigned i = 0; i < GEN_SHAPES; i++) {
		unsigned n = gen_below(g, GEN_FIELDS + 1);

		s->shapes[i] = (struct shape){ .event_source = sources[gen_below(g, 3)],
					       .event_name = names[gen_below(g, 4)],
					       .event_type = types[gen_below(g, 3)],
					       .category = (enum record_category)(1 + gen_below(g, 4)),
					       .read_only = gen_below(g, 2),
					       .nfields = n,
					       .fields = s->fields[i] };
		for (unsigned f = 0; f < n; f++) {
			snprintf(s->names[i][f], sizeof(s->names[i][f]), "%sf%u", groups[gen_below(g, 7)], f);
			s->fields[i][f] = (struct shape_field){ (enum field_section)(1 + gen_below(g, 4)), s->names[i][f],
								(enum field_kind)(1 + gen_below(g, 8)),
								gen_below(g, 4) ? NULL : resources[gen_below(g, 4)] };
		}
	}
}

static inline void gen_identity(struct gen *g, struct gen_texts *t, struct record_identity *id)
{
	struct str *const strings[] = { &id->process.executable, &id->process.executable_id, &id->process.executable_sha256,
					&id->process.command, &id->process.cgroup, &id->process.container, &id->process.tty,
					&id->principal_id, &id->arn_tail, &id->user_name, &id->invoked_by, &id->issuer_name,
					&id->source_identity, &id->via, &id->source_ip, &id->why_unknown };

	memset(id, 0, sizeof(*id));
	for (unsigned i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (gen_below(g, 2))
			*strings[i] = gen_text(g, t);
	id->type = (enum identity_type)gen_below(g, 6);
	id->process.pid = gen_below(g, 100000);
	id->process.start = gen_next(g) >> gen_below(g, 64);
	id->process.parent_pid = gen_below(g, 3);
	id->process.parent_start = gen_next(g) >> 20;
	id->process.pid_in_ns = gen_below(g, 3);
	id->process.session_id = gen_below(g, 3);
	id->process.flags = gen_below(g, 4);
	id->process.cgroup_id = gen_below(g, 2) ? gen_next(g) : 0;
	for (unsigned i = 0; i < 8 && id->process.flags; i++)
		id->process.ns[i] = (uint32_t)gen_next(g);
	id->tid = gen_below(g, 2) ? id->process.pid : gen_below(g, 100000);
	id->tid_start = gen_next(g) >> 8;
	id->issuer_uid = gen_below(g, 2000);
	id->session_start = gen_below(g, 2) ? 1795342321 + gen_below(g, 1000) : 0;
	id->loginuid = gen_below(g, 2) ? UINT32_MAX : gen_below(g, 70000);
	id->audit_session = gen_below(g, 2) ? UINT32_MAX : gen_below(g, 70000);
	for (unsigned i = 0; i < 4; i++) {
		id->uids[i] = gen_below(g, 3) * 500;
		id->gids[i] = gen_below(g, 3) * 500;
	}
	id->ngroups = gen_below(g, 33);
	for (unsigned i = 0; i < id->ngroups; i++)
		id->groups[i] = (uint32_t)gen_next(g);
	id->cap_effective = gen_next(g) >> gen_below(g, 64);
}

/* One random record; what batch_end answers. */
static inline int gen_record(struct gen *g, struct gen_texts *t, struct batch *b, const struct shape *shape, struct record_head *h)
{
	int r = batch_begin(b, shape, h);

	for (unsigned f = 0; !r && f < shape->nfields; f++) {
		struct str v[8];
		int64_t n[8];
		unsigned k = gen_below(g, 9);

		if (gen_below(g, 3) == 0)
			continue;
		for (unsigned i = 0; i < 8; i++) {
			v[i] = gen_text(g, t);
			n[i] = gen_number(g);
		}
		if (shape->fields[f].kind == FIELD_STRINGS)
			batch_strings(b, f, v, k);
		else if (shape->fields[f].kind == FIELD_INTS)
			batch_ints(b, f, n, k);
		else if (shape->fields[f].kind == FIELD_STRING)
			batch_string(b, f, v[0].p, v[0].n);
		else
			batch_int(b, f, n[0]);
	}
	return r ? r : batch_end(b);
}

/* Fills a batch with n records. 0 or the first error. */
static inline int gen_batch(uint64_t seed, struct batch *b, struct gen_shapes *shapes, unsigned n)
{
	static const char *const errors[] = { NULL, NULL, "EACCES", "ENOENT", "WEIRD" };
	static struct gen_texts t;
	struct record_host host = { .host_id = "4c1f", .machine_id = "m", .kernel_release = "6.18.5", .region = "local",
				    .account = "000000000000" };
	struct gen g = { seed };
	struct record_identity id;
	uint64_t time = 5000000000ull + gen_below(&g, 1000000), seq[4] = { 0 };
	uint8_t previous[32] = { 9 };
	int r;

	gen_shapes(&g, shapes);
	if (gen_below(&g, 2))
		host.hostname = "h\xc3\xb6st";
	r = batch_reset(b, &host);
	if (!r && gen_below(&g, 2))
		r = batch_stream_start(b, previous, previous, 12345);
	for (unsigned i = 0; !r && i < n; i++) {
		unsigned ring = gen_below(&g, 4), key = 1 + gen_below(&g, 20);
		struct record_head h = { .ring_class = ring == 3 ? 15 : ring, .cpu = gen_below(&g, 3) * 2000 };
		int64_t at = batch_identity_find(b, key);

		if (at < 0) {
			gen_identity(&g, &t, &id);
			at = batch_identity(b, key, &id);
		}
		if (at < 0)
			return (int)at;
		time += gen_below(&g, 100000) - gen_below(&g, 1000);
		h.identity = (uint32_t)at;
		h.time = time;
		h.seq = seq[ring] += gen_below(&g, 3);
		h.request = gen_next(&g) >> gen_below(&g, 64);
		h.error = errors[gen_below(&g, 5)];
		h.error_message = h.error && gen_below(&g, 3) == 0 ? "own text" : NULL;
		if (gen_below(&g, 3) == 0)
			h.source_ip = gen_text(&g, &t);
		if (gen_below(&g, 3) == 0)
			h.user_agent = gen_text(&g, &t);
		if (gen_below(&g, 3) == 0)
			h.access_key = (struct str){ "AKIA1", 5 };
		h.repeat_count = gen_below(&g, 4);
		h.first_time = time - gen_below(&g, 1000000);
		h.restarts = (uint16_t)(gen_below(&g, 2) * gen_below(&g, 5));
		r = gen_record(&g, &t, b, &shapes->shapes[gen_below(&g, GEN_SHAPES)], &h);
	}
	return r;
}

#endif
