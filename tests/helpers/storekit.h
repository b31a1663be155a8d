/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storekit.h - records whose every value follows from their number, so that a test knows what a lookup must find:
 *
 *   name, source, category, readOnly: row i % 7 of kit_shapes; user: "user<i % 11>", but 10: alice as root;
 *   path (where the shape has one): "/srv/d<i % 97>/f<i % 100003>"; access key: "AKIA<i % 5>" for i % 7 == 6;
 *   time: base + i * step; event id: stream, class 2, CPU i % 4, sequence i.
 */
#ifndef TESTS_STOREKIT_H
#define TESTS_STOREKIT_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "proto/frame.h"
#include "proto/keys.h"
#include "proto/record.h"
#include "proto/recordread.h"
#include "store/journal.h"

#define KIT_WALL_OFFSET 1000000000000ll	/* boot time = wall time - this */

static const struct shape_field kit_file[] = { { SECTION_REQUEST, "path", FIELD_STRING, "Linux::File" } };
static const struct shape_field kit_plain[] = { { SECTION_REQUEST, "value", FIELD_INT, NULL } };
static const struct shape kit_shapes[] = {
	{ "file.linux", "openat", "HostApiCall", CATEGORY_DATA, true, 1, kit_file },
	{ "file.linux", "unlinkat", "HostApiCall", CATEGORY_DATA, false, 1, kit_file },
	{ "process.linux", "execve", "HostApiCall", CATEGORY_MANAGEMENT, false, 1, kit_file },
	{ "network.linux", "connect", "HostApiCall", CATEGORY_NETWORK, false, 1, kit_plain },
	{ "file.linux", "fchmodat", "HostApiCall", CATEGORY_MANAGEMENT, false, 1, kit_file },
	{ "process.linux", "getpriority", "HostApiCall", CATEGORY_MANAGEMENT, true, 1, kit_plain },
	{ "s3.amazonaws.com", "PutObject", "AwsApiCall", CATEGORY_DATA, false, 1, kit_plain },
};
#define KIT_SHAPES 7u
#define KIT_USERS 11u

struct kit {
	struct sign_key *key;
	struct journal_origin origin;
	struct record_host host;
	struct batch *batch;
	uint8_t stream[16], last_hash[32];
	uint64_t number;
	int64_t base, step;
	struct buf frame;
	int (*record)(struct kit *k, uint64_t i, int64_t now);	/* NULL: kit_record() */
	int64_t now;
};

static inline int kit_identity(struct kit *k, uint64_t i)
{
	unsigned u = (unsigned)(i % KIT_USERS);
	char name[32];
	struct record_identity id = {
		.process = { .pid = 1000 + u, .start = 5, .executable = { "/usr/bin/kit", 12 }, .command = { "kit", 3 } },
		.tid = 1000 + u, .type = u == 10 ? IDENTITY_ASSUMED_ROLE : IDENTITY_IAM_USER, .loginuid = 1000 + u,
	};
	int64_t found = batch_identity_find(k->batch, u + 1);

	if (found >= 0)
		return (int)found;
	snprintf(name, sizeof(name), "user%u", u);
	id.user_name = u == 10 ? (struct str){ NULL, 0 } : (struct str){ name, strlen(name) };
	id.principal_id = (struct str){ name, strlen(name) };
	id.arn_tail = (struct str){ "user/kit", 8 };
	if (u == 10) {
		id.issuer_name = (struct str){ "root", 4 };
		id.source_identity = (struct str){ "alice", 5 };
	}
	return (int)batch_identity(k->batch, u + 1, &id);
}

static inline int kit_record(struct kit *k, uint64_t i)
{
	const struct shape *shape = &kit_shapes[i % KIT_SHAPES];
	struct record_head head = {
		.ring_class = 2, .cpu = (uint16_t)(i % 4), .seq = i, .time = (uint64_t)(k->base + (int64_t)i * k->step - KIT_WALL_OFFSET),
	};
	char text[64], key[32];
	int r = kit_identity(k, i);

	if (r < 0)
		return r;
	head.identity = (uint32_t)r;
	if (i % KIT_SHAPES == 6) {
		snprintf(key, sizeof(key), "AKIA%u", (unsigned)(i % 5));
		head.access_key = (struct str){ key, strlen(key) };
	}
	r = batch_begin(k->batch, shape, &head);
	if (r < 0)
		return r;
	if (shape->fields == kit_file) {
		snprintf(text, sizeof(text), "/srv/d%u/f%u", (unsigned)(i % 97), (unsigned)(i % 100003));
		batch_string(k->batch, 0, text, strlen(text));
	} else {
		batch_int(k->batch, 0, (int64_t)i);
	}
	return batch_end(k->batch);
}

/* Records [from, from + n) as the next frame, in k->frame. */
static inline int kit_frame(struct kit *k, uint64_t from, unsigned n)
{
	struct frame_header h = { .chain = CHAIN_DATA, .kind = FRAME_BATCH, .records = n, .wall_offset = KIT_WALL_OFFSET };
	const uint8_t *raw;
	size_t raw_len;
	uint8_t hash[32];
	int r = batch_reset(k->batch, &k->host);

	for (unsigned i = 0; i < n && !r; i++)
		r = k->record ? k->record(k, from + i, k->now) : kit_record(k, from + i);
	if (!r)
		r = batch_finish(k->batch, &raw, &raw_len);
	if (r < 0)
		return r;
	h.number = k->number;
	h.first_time = batch_first_time(k->batch);
	h.last_time = batch_last_time(k->batch);
	memcpy(h.stream, k->stream, 16);
	memcpy(h.previous, k->last_hash, 32);
	for (h.nranges = 0; h.nranges < 4; h.nranges++)
		h.ranges[h.nranges] = (struct frame_range){ 2, h.nranges, from, from + n - 1 };
	buf_reset(&k->frame);
	r = frame_build(&h, raw, raw_len, sign_key_sign, k->key, &k->frame, hash);
	if (r < 0)
		return r;
	memcpy(k->last_hash, hash, 32);
	k->number++;
	return 0;
}

static inline int kit_append(struct kit *k, struct journal *j, uint64_t from, unsigned n, int64_t received, uint16_t flags)
{
	journal_pos pos;
	int r = kit_frame(k, from, n);

	return r < 0 ? r : journal_append(j, &k->origin, received, flags, k->frame.p, k->frame.n, &pos);
}

/* key_path: a file that does not exist yet. */
static inline int kit_init(struct kit *k, const char *key_path, const char *host_id, int64_t base, int64_t step)
{
	int r;

	memset(k, 0, sizeof(*k));
	k->base = base;
	k->step = step;
	snprintf(k->origin.host_id, sizeof(k->origin.host_id), "%s", host_id);
	snprintf(k->origin.account, sizeof(k->origin.account), "000000000000");
	snprintf(k->origin.region, sizeof(k->origin.region), "local");
	k->host = (struct record_host){ .host_id = k->origin.host_id, .machine_id = "m", .boot_id = "b", .hostname = "kit",
					.kernel_release = "6.18", .agent_version = "0", .region = "local",
					.account = "000000000000" };
	r = sign_key_make(key_path);
	if (!r)
		r = sign_key_load(key_path, &k->key);
	if (!r)
		r = random_bytes(k->stream, sizeof(k->stream));
	if (!r)
		r = batch_new(&k->batch);
	if (!r)
		sign_key_public(k->key, k->origin.key);
	return r;
}

static inline void kit_free(struct kit *k)
{
	sign_key_free(&k->key);
	batch_free(&k->batch);
	buf_free(&k->frame);
}

#endif
