/* SPDX-License-Identifier: Apache-2.0 */
/* witness_stream.c - the store's own host identity, stream and frames. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "proto/recordread.h"
#include "witness_internal.h"

#define CLASS_USER 15
#define LAST_BYTES 48		/* of <dir>/witness: stream and hash of its last frame */

static void path_in(char ret[4096], const char *dir, const char *name)
{
	snprintf(ret, 4096, "%s/%s", dir, name);
}

/* First line of a small file; nothing when it cannot be read. */
static void read_line(const char *path, char *ret, size_t room)
{
	_cleanup_buf_ struct buf b = { 0 };

	ret[0] = '\0';
	if (fsx_read(path, 4096, &b) == 0)
		snprintf(ret, room, "%.*s", (int)strcspn(buf_text(&b), "\n"), (const char *)b.p);
}

static int load_host_id(struct witness *w, const char *given)
{
	uint8_t id[16];
	char path[4096], text[40];
	int r;

	if (!given) {
		path_in(path, w->dir, "host_id");
		read_line(path, w->origin.host_id, 37);
		if (uuid_parse(w->origin.host_id, id) == 0)
			return 0;
		r = uuid_random(id);
		if (r < 0)
			return r;
		uuid_text(id, w->origin.host_id);
		return fsx_replace(path, w->origin.host_id, 36, 0640);
	}
	snprintf(text, sizeof(text), "%.36s", given);
	if (uuid_parse(given, id) < 0)
		read_line(given, text, sizeof(text));
	if (uuid_parse(text, id) < 0)
		return -EINVAL;
	uuid_text(id, w->origin.host_id);
	return 0;
}

static int load_key(struct witness *w, const char *given)
{
	char path[4096];
	int r;

	if (given)
		return sign_key_load(given, &w->key);
	path_in(path, w->dir, "sign.key");
	if (access(path, F_OK) < 0) {
		r = sign_key_make(path);
		if (r < 0)
			return r;
	}
	return sign_key_load(path, &w->key);
}

static void load_host(struct witness *w)
{
	struct utsname u;

	read_line("/etc/machine-id", w->machine_id, sizeof(w->machine_id));
	read_line("/proc/sys/kernel/random/boot_id", w->boot_id, sizeof(w->boot_id));
	if (uname(&u) == 0) {
		snprintf(w->hostname, sizeof(w->hostname), "%s", u.nodename);
		snprintf(w->kernel, sizeof(w->kernel), "%s", u.release);
	}
}

static void load_last(struct witness *w)
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[4096];

	path_in(path, w->dir, "witness");
	if (fsx_read(path, LAST_BYTES, &b) < 0 || b.n != LAST_BYTES)
		return;
	memcpy(w->previous_stream, b.p, 16);
	memcpy(w->previous_hash, b.p + 16, 32);
	w->has_previous = true;
}

static int start_batch(struct witness *w)
{
	const struct record_host host = {
		.host_id = w->origin.host_id, .machine_id = w->machine_id, .boot_id = w->boot_id, .hostname = w->hostname,
		.kernel_release = w->kernel, .agent_version = HOSTTRAIL_VERSION, .region = w->origin.region,
		.account = w->origin.account,
	};
	int r = batch_reset(w->batch, &host);

	if (!r && w->number == 0)
		r = batch_stream_start(w->batch, w->has_previous ? w->previous_stream : NULL, w->previous_hash, clock_boot());
	return r;
}

int witness_open(const struct witness_config *config, struct witness **ret_w)
{
	_cleanup_witness_ struct witness *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	snprintf(w->origin.region, sizeof(w->origin.region), "%s", config->region);
	snprintf(w->origin.account, sizeof(w->origin.account), "%s", config->account);
	w->dir = strdup(config->dir);
	if (!w->dir)
		return -ENOMEM;
	r = load_host_id(w, config->host_id);
	if (!r)
		r = load_key(w, config->sign_key);
	if (!r)
		r = random_bytes(w->stream, sizeof(w->stream));
	if (!r)
		r = batch_new(&w->batch);
	if (r < 0)
		return r;
	sign_key_public(w->key, w->origin.key);
	load_host(w);
	load_last(w);
	*ret_w = TAKE_PTR(w);
	return 0;
}

void witness_attach(struct witness *w, struct keep *k)
{
	w->keep = k;
	procfs_self(&w->self);	/* now it has the user that it keeps */
}

void witness_free(struct witness **pw)
{
	struct witness *w = *pw;

	if (!w)
		return;
	sign_key_free(&w->key);
	batch_free(&w->batch);
	buf_free(&w->frame);
	pthread_mutex_destroy(&w->lock);
	free(w->dir);
	free(w);
	*pw = NULL;
}

const struct journal_origin *witness_origin(const struct witness *w)
{
	return &w->origin;
}

uint64_t witness_failures(struct witness *w)
{
	return __atomic_load_n(&w->failures, __ATOMIC_RELAXED);
}

uint64_t witness_records(struct witness *w)
{
	return __atomic_load_n(&w->records, __ATOMIC_RELAXED);
}

static bool allowed(struct witness_limit *l)
{
	uint64_t minute = clock_boot() / (60 * NS_PER_SEC);

	if (l->minute != minute) {
		l->minute = minute;
		l->used = 0;
	}
	if (l->used < WITNESS_PER_MINUTE) {
		l->used++;
		return true;
	}
	l->suppressed++;
	return false;
}

static int add_identity(struct witness *w)
{
	static const char name[] = "hosttrail-store";
	struct record_identity id;

	own_process(&w->self, name, &id);
	id.type = IDENTITY_AWS_SERVICE;
	id.principal_id = id.invoked_by = (struct str){ name, sizeof(name) - 1 };
	id.arn_tail = (struct str){ "service/hosttrail-store", 23 };
	return (int)batch_identity(w->batch, 1, &id);
}

int witness_begin(struct witness *w, enum witness_kind kind, const struct shape *shape, uint64_t *ret_suppressed)
{
	struct record_head head = { .ring_class = CLASS_USER, .time = clock_boot() };
	int r;

	pthread_mutex_lock(&w->lock);
	if (!allowed(&w->limits[kind])) {
		pthread_mutex_unlock(&w->lock);
		return 1;
	}
	head.seq = w->seq;
	head.request = w->seq + 1;
	r = start_batch(w);
	if (!r)
		r = add_identity(w);
	if (r >= 0) {
		head.identity = (uint32_t)r;
		r = batch_begin(w->batch, shape, &head);
	}
	if (r < 0) {
		__atomic_add_fetch(&w->failures, 1, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&w->lock);
		return r;
	}
	if (ret_suppressed) {
		*ret_suppressed = w->limits[kind].suppressed;
		w->limits[kind].suppressed = 0;
	}
	return 0;
}

/* Number and hash move on only when the frame is in the journal. */
static int write_frame(struct witness *w, const uint8_t *raw, size_t n)
{
	struct frame_header h = {
		.chain = CHAIN_CONTROL, .kind = FRAME_BATCH, .number = w->number, .records = batch_count(w->batch),
		.first_time = batch_first_time(w->batch), .last_time = batch_last_time(w->batch), .wall_offset = clock_wall_offset(),
	};
	uint8_t hash[32];
	journal_pos pos;
	int r;

	memcpy(h.stream, w->stream, 16);
	memcpy(h.previous, w->last_hash, 32);
	buf_reset(&w->frame);
	r = frame_build(&h, raw, n, sign_key_sign, w->key, &w->frame, hash);
	if (!r)
		r = w->keep->ops->append(w->keep->ctx, &w->origin, clock_wall(), JOURNAL_OWN, w->frame.p, w->frame.n, &pos);
	if (r < 0)
		return r;
	memcpy(w->last_hash, hash, 32);
	w->number++;
	w->seq += h.records;
	return w->keep->ops->sync_own(w->keep->ctx);
}

/* Only the next stream wants it: a record that is in the journal is said, whether this works or not. */
static void remember_last(const struct witness *w)
{
	uint8_t last[LAST_BYTES];
	char path[4096];
	int r;

	memcpy(last, w->stream, 16);
	memcpy(last + 16, w->last_hash, 32);
	path_in(path, w->dir, "witness");
	r = fsx_replace(path, last, sizeof(last), 0640);
	if (r < 0)
		log_limited(LOG_LEVEL_WARN, r, "cannot write %s", path);
}

int witness_frame_begin(struct witness *w)
{
	int r;

	pthread_mutex_lock(&w->lock);
	r = start_batch(w);
	return r < 0 ? witness_frame_end(w, r) : 0;
}

int witness_frame_end(struct witness *w, int r)
{
	unsigned records = batch_count(w->batch);
	const uint8_t *raw;
	size_t n;

	if (!r)
		r = batch_finish(w->batch, &raw, &n);
	if (!r)
		r = write_frame(w, raw, n);
	if (!r)
		remember_last(w);
	if (r < 0)
		__atomic_add_fetch(&w->failures, 1, __ATOMIC_RELAXED);
	else
		__atomic_add_fetch(&w->records, records, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&w->lock);
	return r;
}

int witness_end(struct witness *w)
{
	return witness_frame_end(w, batch_end(w->batch));
}
