// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gen/hosttrail.pb-c.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "writer_internal.h"

#define TRIM_EVERY NS_PER_SEC
#define OLD_STREAMS_EVERY (30 * NS_PER_SEC)
#define BLOCKED_PAUSE NS_PER_SEC
#define RATIO_MIN 2			/* compressed to encoded bytes: bounds of what is believed */
#define RATIO_MAX 32

int writer_start(struct writer *w, struct pipeline *p, struct rings *rings, struct idlog *ids)
{
	w->pipeline = p;
	w->rings = rings;
	w->ids = ids;
	if (!writer_first_frame(w))
		return 0;
	return batch_stream_start(pipeline_batch(p, CHAIN_CONTROL), w->has_previous ? w->previous.stream : NULL,
				  w->previous_hash, w->config.made);
}

const uint8_t *writer_previous(const struct writer *w)
{
	return w->has_previous && writer_first_frame(w) ? w->previous.stream : NULL;
}

const struct buf *writer_previous_settled(const struct writer *w)
{
	return &w->previous_settled;
}

const char *writer_skipped(const struct writer *w, unsigned chain)
{
	return w->skipped[chain][0] ? w->skipped[chain] : NULL;
}

bool writer_first_frame(const struct writer *w)
{
	return writer_next(w, CHAIN_CONTROL) == 0;
}

uint64_t writer_next(const struct writer *w, unsigned chain)
{
	uint64_t number;
	uint8_t previous[32];

	spool_head(w->spool, chain, &number, previous);
	return number;
}

uint64_t writer_synced(const struct writer *w, unsigned chain)
{
	return w->synced[chain];
}

void writer_check(struct writer *w, spool_touched_fn touched, void *ctx)
{
	spool_check(w->spool, touched, ctx);
}

/* ---- positions ------------------------------------------------------------------------- */

/* All that was read of the chain's classes is in appended frames now. */
static void mark_chain(struct writer *w, unsigned chain)
{
	for (unsigned class = 0; class < HT_CLASS__MAX; class++)
		if (chain_of_class(class) == chain) {
			rings_mark(w->rings, class, &w->mark[class]);
			w->marked[class] = true;
		}
}

static void commit(struct writer *w)
{
	for (unsigned class = 0; class < HT_CLASS__MAX; class++) {
		if (w->marked[class])
			rings_commit(w->rings, class, &w->mark[class]);
		w->marked[class] = false;
	}
}

/* Appending goes on to work then, for nobody. A new worker makes the directories again, and reads the rings from where they stand. */
static int check_gone(const struct writer *w)
{
	if (!spool_gone(w->spool))
		return 0;
	log_errx("spool: what is written to was deleted; the worker begins anew");
	return -ESTALE;
}

int writer_sync(struct writer *w)
{
	int r = w->ids ? idlog_flush(w->ids, pipeline_identities(w->pipeline)) : 0;

	if (!r && spool_dirty(w->spool)) {
		r = spool_sync(w->spool);
		w->stats.syncs++;
	}
	if (!r && w->dirty_since)
		r = check_gone(w);
	if (r < 0)
		return r;
	w->dirty_since = 0;
	for (unsigned c = 0; c < CHAIN__MAX; c++)
		w->synced[c] = writer_next(w, c);
	commit(w);
	return 0;
}

/* ---- frames --------------------------------------------------------------------------------- */

static void begin_header(struct writer *w, unsigned chain, unsigned kind)
{
	struct frame_header *h = &w->h;

	memset(h, 0, offsetof(struct frame_header, ranges));
	h->chain = (uint8_t)chain;
	h->kind = (uint8_t)kind;
	memcpy(h->stream, w->config.stream, sizeof(h->stream));
	spool_head(w->spool, chain, &h->number, h->previous);
	h->wall_offset = clock_wall_offset();
}

/* Builds and appends the frame of w->h. */
static int append(struct writer *w, const void *raw, size_t n)
{
	uint8_t hash[32];
	int r;

	buf_reset(&w->frame);
	r = frame_build(&w->h, raw, n, w->config.sign, w->config.sign_ctx, &w->frame, hash);
	if (!r)
		r = check_gone(w);
	if (r < 0)
		return r;
	r = spool_append(w->spool, &w->h, w->frame.p, w->frame.n, hash);
	if (r < 0)
		return r;
	w->stats.frames++;
	w->stats.bytes += w->frame.n;
	w->stats.raw_bytes += n;
	w->head.next[w->h.chain] = w->h.number + 1;
	if (w->h.chain == CHAIN_CONTROL)
		memcpy(w->head.control_hash, hash, sizeof(hash));
	if (!w->dirty_since)
		w->dirty_since = clock_boot();
	return 0;
}

static bool control_full(struct writer *w)
{
	return spool_bytes(w->spool, CHAIN_CONTROL) + WRITER_FRAME_BYTES > w->config.limits.bytes[CHAIN_CONTROL];
}

static void trim(struct writer *w)
{
	uint64_t next;

	cursor_reload(w->cursor);
	for (unsigned c = 0; c < CHAIN__MAX; c++) {
		writer_follow_cursor(w, c, NULL, 0);
		if (cursor_get(w->cursor, w->config.stream, c, &next))
			spool_trim(w->spool, c, next);
	}
}

/* How many encoded bytes make a frame of the size aimed at, as this frame compressed. */
static void learn_ratio(struct writer *w, unsigned chain, size_t raw)
{
	size_t ratio = raw / (w->h.payload_len ?: 1);

	if (raw < 16384)		/* mostly strings: says little */
		return;
	ratio = ratio < RATIO_MIN ? RATIO_MIN : ratio > RATIO_MAX ? RATIO_MAX : ratio;
	pipeline_limit(w->pipeline, chain, ratio * WRITER_FRAME_BYTES);
}

static bool no_space(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EFBIG || r == -EROFS || r == -EIO;
}

static int write_batch(struct writer *w, unsigned chain)
{
	struct batch *b = pipeline_batch(w->pipeline, chain);
	const uint8_t *raw;
	size_t n;
	int r;

	if (chain == CHAIN_CONTROL && control_full(w)) {
		trim(w);
		if (control_full(w))
			return -ENOSPC;
	}
	batch_filtered(b, settle_frame_filtered(w->settle, chain));
	r = batch_finish(b, &raw, &n);
	if (r < 0)
		return r;
	begin_header(w, chain, FRAME_BATCH);
	w->h.records = batch_count(b);
	w->h.first_time = batch_count(b) ? batch_first_time(b) : clock_boot();
	w->h.last_time = batch_count(b) ? batch_last_time(b) : w->h.first_time;
	settle_frame_ranges(w->settle, chain, &w->h);
	r = append(w, raw, n);
	if (!r)
		learn_ratio(w, chain, n);
	return r;
}

static int after_write(struct writer *w, unsigned chain)
{
	int r = settle_frame_done(w->settle, chain);

	if (chain == CHAIN_CONTROL)
		w->blocked = false;
	return r ?: spoolstate_write(w->state, &w->head, w->settle);
}

static int after_failure(struct writer *w, unsigned chain, int error)
{
	w->stats.failed_frames++;
	if (chain == CHAIN_CONTROL) {
		w->blocked = true;
		w->blocked_until = clock_boot() + BLOCKED_PAUSE;
	}
	log_limited(LOG_LEVEL_ERROR, error, "a frame of chain %s cannot be written: its records are counted as lost",
		    chain_name(chain));
	return settle_frame_failed(w->settle, chain);
}

static int restart_batch(struct writer *w, unsigned chain)
{
	int r = pipeline_restart(w->pipeline, chain);

	if (!r && chain == CHAIN_CONTROL && writer_first_frame(w))
		r = batch_stream_start(pipeline_batch(w->pipeline, chain), w->has_previous ? w->previous.stream : NULL,
				       w->previous_hash, w->config.made);
	return r;
}

/* ---- budgets ---------------------------------------------------------------------------------- */

static int write_tombstone(struct writer *w, unsigned chain, const struct spool_drop_plan *plan)
{
	Hosttrail__V1__Tombstone t = HOSTTRAIL__V1__TOMBSTONE__INIT;
	Hosttrail__V1__Host host = HOSTTRAIL__V1__HOST__INIT;
	const struct record_host *from = w->config.host;
	_cleanup_buf_ struct buf raw = { 0 };
	int r;

	host.host_id = (char *)from->host_id;
	host.machine_id = (char *)from->machine_id;
	host.boot_id = (char *)from->boot_id;
	host.hostname = (char *)from->hostname;
	host.kernel_release = (char *)from->kernel_release;
	host.agent_version = (char *)from->agent_version;
	host.region = (char *)from->region;
	host.account = (char *)from->account;
	t.host = &host;
	t.first_number = plan->first_number;
	t.last_number = plan->last_number;
	t.records = plan->records;
	t.cause = (char *)"spoolBudget";
	r = buf_reserve(&raw, hosttrail__v1__tombstone__get_packed_size(&t));
	if (r < 0)
		return r;
	raw.n = hosttrail__v1__tombstone__pack(&t, raw.p);
	begin_header(w, chain, FRAME_TOMBSTONE);
	w->h.records = (uint32_t)plan->records;
	w->h.first_time = plan->first_time;
	w->h.last_time = plan->last_time;
	w->h.nranges = plan->nranges;
	memcpy(w->h.ranges, plan->ranges, plan->nranges * sizeof(plan->ranges[0]));
	return append(w, raw.p, raw.n);
}

/* Oldest segments of tls, then data, while they are over their budgets. */
static int keep_budgets(struct writer *w)
{
	static const uint8_t order[] = { CHAIN_TLS, CHAIN_DATA };
	static struct spool_drop_plan plan;
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		if (spool_bytes(w->spool, order[i]) <= w->config.limits.bytes[order[i]])
			continue;
		trim(w);
		while ((r = spool_plan_drop(w->spool, order[i], &plan)) > 0) {
			r = write_tombstone(w, order[i], &plan);
			if (!r)
				r = spool_drop(w->spool, order[i], &plan);
			if (r < 0)
				break;
			w->stats.tombstones++;
		}
	}
	return r;
}

/* ---- the public side ----------------------------------------------------------------------------- */

int writer_close(struct writer *w, unsigned chain)
{
	struct batch *b = pipeline_batch(w->pipeline, chain);
	int r = 0;

	if (chain == CHAIN_CONTROL && (!w->blocked || clock_boot() >= w->blocked_until))
		r = pipeline_lost(w->pipeline);
	if (r < 0)
		return r;
	if (!batch_count(b) && settle_frame_empty(w->settle, chain)) {
		mark_chain(w, chain);
		return 0;
	}
	r = write_batch(w, chain);
	if (r < 0 && !no_space(r))
		return r;
	r = r < 0 ? after_failure(w, chain, r) : after_write(w, chain);
	if (r < 0 && !no_space(r))
		return r;
	mark_chain(w, chain);
	r = restart_batch(w, chain);
	if (!r)
		r = keep_budgets(w);
	return no_space(r) ? 0 : r;
}

int writer_say_lost(struct writer *w)
{
	int r = 0;

	w->blocked = false;	/* is the disk still full? */
	while (r >= 0 && settle_has_lost(w->settle) && !w->blocked)
		r = writer_close(w, CHAIN_CONTROL);
	if (r >= 0 && settle_has_lost(w->settle))
		log_err(-ENOSPC, "some losses are in no record");
	return r;
}

static uint64_t close_due(const struct writer *w, unsigned chain)
{
	uint64_t opened = pipeline_opened(w->pipeline, chain), filtered = pipeline_filtered(w->pipeline, chain);

	if (chain == CHAIN_CONTROL && settle_has_lost(w->settle))
		return w->blocked ? w->blocked_until : opened ? opened + WRITER_CONTROL_DELAY : 0;
	if (!opened)
		return filtered ? filtered + WRITER_FILTERED_DELAY : UINT64_MAX;
	return opened + (chain == CHAIN_CONTROL ? WRITER_CONTROL_DELAY : WRITER_DATA_DELAY);
}

uint64_t writer_due(const struct writer *w)
{
	uint64_t due = w->dirty_since ? w->dirty_since + WRITER_SYNC_DELAY : UINT64_MAX;

	for (unsigned c = 0; c < CHAIN__MAX; c++) {
		uint64_t at = close_due(w, c);

		due = at < due ? at : due;
	}
	return due;
}

/* A ring that fills up is not kept waiting: neither for its frame's end nor for the sync. */
static bool ring_presses(const struct writer *w, unsigned chain)
{
	uint64_t used, size;

	for (unsigned class = 0; class < HT_CLASS__MAX; class++) {
		if (chain_of_class(class) != chain)
			continue;
		rings_fill(w->rings, class, &used, &size);
		if (used > size / 4)
			return true;
	}
	return false;
}

/* Without room for the identities, what was read stays in the rings: a next worker must know whose records those are. */
static int sync_when_due(struct writer *w, uint64_t now, bool pressed)
{
	int r;

	if (w->dirty_since && now < w->dirty_since + WRITER_SYNC_DELAY && !pressed)
		return 0;
	r = w->ids ? idlog_flush(w->ids, pipeline_identities(w->pipeline)) : 0;
	if (no_space(r)) {
		log_limited(LOG_LEVEL_ERROR, r, "identities cannot be kept: what was read stays in the rings");
		w->dirty_since = now;
		return 0;
	}
	r = r ?: writer_sync(w);
	if (r < 0)
		log_limited(LOG_LEVEL_ERROR, r, "the spool cannot be synced");
	return r;
}

int writer_tick(struct writer *w, uint64_t now)
{
	bool pressed = false;
	int r = 0;

	for (unsigned c = 0; c < CHAIN__MAX && !r; c++) {
		bool press = ring_presses(w, c), open = pipeline_opened(w->pipeline, c) || pipeline_filtered(w->pipeline, c);

		pressed |= press;
		if (now >= close_due(w, c) || (press && open))
			r = writer_close(w, c);
		else if (!open)
			mark_chain(w, c);
	}
	if (!r)
		r = sync_when_due(w, now, pressed);
	if (now >= w->trim_next) {
		trim(w);
		w->trim_next = now + TRIM_EVERY;
	}
	if (now >= w->old_next) {
		trim_old_streams(w);
		w->old_next = now + OLD_STREAMS_EVERY;
	}
	return r;
}

void writer_stats(const struct writer *w, struct writer_stats *ret_s)
{
	*ret_s = w->stats;
	for (unsigned c = 0; c < CHAIN__MAX; c++)
		ret_s->spool_bytes[c] = spool_bytes(w->spool, c);
}
