// SPDX-License-Identifier: Apache-2.0
/* writer_open.c - the writer's start: what an earlier agent left on disk, and what of it was lost. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "writer_internal.h"

#define SEGMENT_READ_MAX (64u << 20)

static void found(void *ctx, const struct frame_header *h)
{
	struct writer *w = ctx;
	int r = settle_found(w->settle, h);

	if (r < 0 && !w->found_error)
		w->found_error = r;
}

static void bad(void *ctx, unsigned chain, const char *path, const char *why, uint64_t first, uint64_t last)
{
	struct writer *w = ctx;
	char stream[33], *whole = NULL;

	hex_text(w->config.stream, 16, stream);
	w->stats.bad_segments++;
	if (asprintf(&whole, "%s/%s/%s", w->config.spool_dir, stream, path) < 0)
		return;
	log_warnx("spool: %s is set aside: %s", whole, why);
	if (w->nbad < BAD_SEGMENTS_MAX)
		w->bad[w->nbad++] = (struct bad_segment){ chain, first, last, whole };
	else
		free(whole);
}

/* A frame of a lost run: unless it was acknowledged before, what it held is lost. */
static int lose_frame(struct writer *w, const struct bad_segment *bad_run, const struct frame_header *h)
{
	uint64_t next = 0;

	if (memcmp(h->stream, w->config.stream, sizeof(h->stream)) || h->chain != bad_run->chain)
		return 0;
	if (h->number < bad_run->first || (bad_run->last >= bad_run->first && h->number > bad_run->last))
		return 0;	/* a good frame of the same segment */
	if (cursor_get(w->cursor, h->stream, h->chain, &next) && h->number < next)
		return 0;
	return settle_lost_frame(w->settle, h);
}

static size_t next_magic(const struct buf *b, size_t at)
{
	const uint8_t *p = at < b->n ? memmem(b->p + at, b->n - at, "HTF1", 4) : NULL;

	return p ? (size_t)(p - b->p) : b->n;
}

/* Headers are read wherever they still make sense: they say which numbers their frames had settled. */
static int lose_segment(struct writer *w, const struct bad_segment *run)
{
	_cleanup_buf_ struct buf b = { 0 };
	int r = fsx_read(run->path, SEGMENT_READ_MAX, &b);

	if (r < 0)
		return r;
	for (size_t at = next_magic(&b, 0), total; at < b.n; at = next_magic(&b, at)) {
		if (frame_peek(b.p + at, b.n - at, &w->h, &total) < 0) {
			at++;
			continue;
		}
		r = lose_frame(w, run, &w->h);
		if (r < 0)
			return r;
		at += total <= b.n - at ? total : w->h.header_len;
	}
	return 0;
}

static int lose_segments(struct writer *w)
{
	int r, first = 0;

	for (unsigned i = 0; i < w->nbad; i++) {
		r = lose_segment(w, &w->bad[i]);
		if (r < 0) {
			log_warn(r, "spool: %s", w->bad[i].path);
			first = first ?: r == -ENOMEM ? r : 0;
		}
		free(w->bad[i].path);
	}
	w->nbad = 0;
	return first;
}

/* The stream before this one: its last control frame, from its spool if that is still there, else as the state has it. */
static void find_previous(struct writer *w, const struct spoolstate_head *was)
{
	static const uint8_t none[16];
	struct spool_limits limits = w->config.limits;
	_cleanup_(spool_free) struct spool *s = NULL;
	uint64_t number = 0;
	char dir[33];
	_cleanup_buf_ struct buf path = { 0 };

	if (!memcmp(was->stream, none, sizeof(none)))
		return;
	w->previous = *was;
	w->has_previous = true;
	memcpy(w->previous_hash, was->control_hash, sizeof(w->previous_hash));
	hex_text(was->stream, 16, dir);
	buf_addf(&path, "%s/%s", w->config.spool_dir, dir);
	if (access(buf_text(&path), F_OK) < 0 || spool_open(w->config.spool_dir, was->stream, &limits, NULL, NULL, NULL, &s) < 0)
		return;
	spool_head(s, CHAIN_CONTROL, &number, w->previous_hash);
	if (!number)
		memcpy(w->previous_hash, was->control_hash, sizeof(w->previous_hash));
}

int writer_follow_cursor(struct writer *w, unsigned chain, char *why, size_t max)
{
	uint64_t head, next = 0;
	uint8_t ignored[32];
	int r;

	spool_head(w->spool, chain, &head, ignored);
	if (!cursor_get(w->cursor, w->config.stream, chain, &next) || next <= head)
		return 0;
	r = spool_skip(w->spool, chain, next, NULL);
	if (r == -ERANGE) {
		log_limited(LOG_LEVEL_ERROR, r, "the cursor's number for chain %s makes no sense", chain_name(chain));
		return 0;
	}
	log_warnx("spool: chain %s ends before frame %llu, the forwarder's cursor at %llu: it goes on there", chain_name(chain),
		  (unsigned long long)head, (unsigned long long)next);
	if (why)
		snprintf(why, max, "%s: frames %llu to %llu are acknowledged and not in the spool", chain_name(chain),
			 (unsigned long long)head, (unsigned long long)next - 1);
	return r;
}

/*
 * The spool may have lost frames that its state or the forwarder knows (files lost, or an old copy put back). New frames
 * under their numbers would never be shipped, or would be a fork.
 */
static int skip_known(struct writer *w, const struct spoolstate_head *was)
{
	uint64_t head;
	uint8_t ignored[32];
	int r = 0;

	for (unsigned c = 0; c < CHAIN__MAX && !r; c++) {
		spool_head(w->spool, c, &head, ignored);
		if (was && was->next[c] > head && was->next[c] <= INT64_MAX) {
			r = spool_skip(w->spool, c, was->next[c], c == CHAIN_CONTROL ? was->control_hash : NULL);
			log_warnx("spool: frames %llu to %llu of chain %s are not there any more", (unsigned long long)head,
				  (unsigned long long)was->next[c] - 1, chain_name(c));
			snprintf(w->skipped[c], sizeof(w->skipped[c]), "%s: frames %llu to %llu are not in the spool any more",
				 chain_name(c), (unsigned long long)head, (unsigned long long)was->next[c] - 1);
		}
		if (!r)
			r = writer_follow_cursor(w, c, w->skipped[c], sizeof(w->skipped[c]));
		/* The state went with the frames: microseconds since boot are above any number that this stream's records had. */
		if (!was && w->skipped[c][0])
			settle_user_ahead(w->settle, clock_boot() / 1000);
	}
	return r;
}

static int load_state(struct writer *w)
{
	_cleanup_buf_ struct buf settled = { 0 };
	struct spoolstate_head was;
	uint8_t ignored[32];
	bool ours;
	int r = spoolstate_open(w->config.spool_dir, &w->state, &was, &settled);

	if (r < 0)
		return r;
	ours = !memcmp(was.stream, w->config.stream, sizeof(was.stream));
	if (ours) {
		r = settle_load(w->settle, settled.p, settled.n);
		if (r == -EBADMSG)
			log_warnx("the saved state does not fit this host; frames on disk say what is settled");
		w->head = was;
	} else {
		find_previous(w, &was);
		w->previous_settled = settled;
		settled = (struct buf){ 0 };
	}
	if (r == -EBADMSG)
		r = 0;
	if (!r)
		r = skip_known(w, ours ? &was : NULL);
	memcpy(w->head.stream, w->config.stream, sizeof(w->head.stream));
	for (unsigned c = 0; c < CHAIN__MAX; c++)
		spool_head(w->spool, c, &w->head.next[c], c == CHAIN_CONTROL ? w->head.control_hash : ignored);
	return r;
}

int writer_open(const struct writer_config *c, struct settle *settle, struct writer **ret_w)
{
	_cleanup_(writer_free) struct writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->config = *c;
	w->settle = settle;
	r = cursor_open(c->cursor, false, &w->cursor);
	if (r == -EACCES || r == -ENOENT || r == -EBADMSG) {
		/* Without it nothing is known as acknowledged: the budget alone deletes. */
		log_warn(r, "cannot read the forwarder's cursor %s", c->cursor);
		r = cursor_open("/dev/null", false, &w->cursor);
	}
	if (!r)
		r = spool_open(c->spool_dir, c->stream, &c->limits, found, bad, w, &w->spool);
	if (!r)
		r = w->found_error;
	if (!r)
		r = load_state(w);
	if (!r)
		r = lose_segments(w);
	if (r < 0)
		return r;
	*ret_w = TAKE_PTR(w);
	return 0;
}

void writer_free(struct writer **w)
{
	if (!*w)
		return;
	for (unsigned i = 0; i < (*w)->nbad; i++)
		free((*w)->bad[i].path);
	spool_free(&(*w)->spool);
	spoolstate_free(&(*w)->state);
	cursor_free(&(*w)->cursor);
	buf_free(&(*w)->frame);
	buf_free(&(*w)->previous_settled);
	free(*w);
	*w = NULL;
}
