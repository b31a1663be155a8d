/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest_internal.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"

static enum ship_status reject(struct ingest *i, const char *why, const char **ret_why)
{
	ingest_count(i, INGEST_REJECTED, 1);
	*ret_why = why;
	return SHIP_REJECTED;
}

static enum ship_status put_off(struct ingest *i, int r, const char **ret_why)
{
	ingest_count(i, INGEST_RETRIES, 1);
	*ret_why = r == -ENOSPC || r == -EDQUOT ? "the store's disk is full" :
		   r == -EAGAIN ? "the store has too much to write" : "the store's journal cannot be written";
	return SHIP_RETRY;
}

static void set_aside(struct ingest *i, const char *what, const struct journal_origin *origin, const uint8_t *p, size_t n)
{
	if (i->keep->ops->aside(i->keep->ctx, what, origin, p, n) < 0)
		ingest_count(i, INGEST_ASIDE_FULL, 1);
}

static void tell(void (*fn)(void *ctx, const struct ingest_fault *f), void *ctx, const struct ingest_fault *f)
{
	if (fn)
		fn(ctx, f);
}

void ingest_say(const struct ingest_events *e, void *ctx, const struct chain_judgement *j, struct ingest_fault *f)
{
	f->first_missing = j->first_missing;
	switch (j->verdict) {
	case CHAIN_GAP:
		f->why = "frames are missing before this one";
		tell(e->on_gap, ctx, f);
		return;
	case CHAIN_FORK:
		f->expected = j->expected;
		f->why = "another frame has this number";
		tell(e->on_chain_broken, ctx, f);
		return;
	case CHAIN_FILL:
		tell(e->on_filled, ctx, f);
		if (!j->broken)
			return;
		break;
	case CHAIN_BROKEN:
		break;
	default:
		return;
	}
	f->expected = j->expected;
	f->why = "the frame before this one is not the one that it names";
	tell(e->on_chain_broken, ctx, f);
}

static void count_verdict(struct ingest *i, const struct chain_judgement *j)
{
	if (j->verdict == CHAIN_GAP)
		ingest_count(i, INGEST_GAPS, 1);
	else if (j->verdict == CHAIN_FORK)
		ingest_count(i, INGEST_FORKS, 1);
	else if (j->verdict == CHAIN_BROKEN || (j->verdict == CHAIN_FILL && j->broken))
		ingest_count(i, INGEST_BREAKS, 1);
}

static enum ship_status store(struct ingest *i, const struct chain_judgement *j, struct ingest_fault *f, const uint8_t *p,
			      size_t n, const char **ret_why)
{
	uint16_t flags = j->verdict == CHAIN_FORK || j->branch ? JOURNAL_FORK : 0;
	int r = i->keep->ops->append(i->keep->ctx, f->origin, clock_wall(), flags, p, n, &f->pos);

	if (r < 0)
		return put_off(i, r, ret_why);
	i->keep->ops->commit(i->keep->ctx, j);
	ingest_count(i, INGEST_FRAMES, 1);
	ingest_count(i, INGEST_BYTES, n);
	ingest_count(i, INGEST_RECORDS, f->header->records);
	count_verdict(i, j);
	ingest_say(&i->events, i->ctx, j, f);
	return SHIP_STORED;
}

enum ship_status ingest_frame(struct ingest *i, const struct journal_origin *origin, const uint8_t *p, size_t n,
			      bool *ret_appended, const char **ret_why)
{
	struct frame_header h;
	struct chain_judgement j;
	uint8_t hash[32];
	struct ingest_fault f = { .origin = origin, .header = &h, .hash = hash };
	const char *why = "cut short";
	enum ship_status status;
	int r;

	*ret_appended = false;
	*ret_why = "";
	r = frame_check(p, n, &h, &why);
	if (r < 0 || n != (size_t)h.header_len + h.payload_len) {
		ingest_count(i, INGEST_CORRUPT, 1);
		return reject(i, r < 0 ? why : "bytes behind the frame", ret_why);
	}
	frame_hash(p, &h, hash);
	if (frame_verify(p, &h, origin->key) < 0) {
		ingest_count(i, INGEST_MISMATCHES, 1);
		set_aside(i, "signature", origin, p, n);
		f.why = "signed by another key than the certificate's";
		tell(i->events.on_host_mismatch, i->ctx, &f);
		return reject(i, f.why, ret_why);
	}
	r = i->keep->ops->judge(i->keep->ctx, origin, &h, hash, &j);
	if (r == -EDOM || r == -ENFILE) {
		set_aside(i, "bounds", origin, p, n);
		return reject(i, r == -EDOM ? "frame number out of bounds" : "too many chains or forks of this host", ret_why);
	}
	if (r < 0)
		return put_off(i, r, ret_why);
	if (j.verdict == CHAIN_DUPLICATE) {
		ingest_count(i, INGEST_DUPLICATES, 1);
		return SHIP_STORED;
	}
	status = store(i, &j, &f, p, n, ret_why);
	*ret_appended = status == SHIP_STORED;
	return status;
}
