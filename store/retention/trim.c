/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trim.c - segments of the journal that nothing needs any more.
 *
 * The oldest one goes when everything in it came longer ago than the longest retention of any event data store, and than what event history
 * shows; when every event data store has sealed it and has none of it left; when every trail, log group and webhook has what it wants
 * of it; and when nothing of it is held. A record says that it goes, with its hash; a note stays (removed.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "remover_internal.h"
#include "removed.h"
#include "store/delivery/deliver.h"
#include "store/lake/lake.h"
#include "store/tailer.h"
#include "store/witness.h"

/* The longest that anything before `end` is to be kept; false: something needs it, whatever its age. */
static bool is_done_with(struct store *st, journal_pos end, int *ret_days)
{
	struct index_stats index;
	journal_pos pos;

	*ret_days = 0;
	if (tailer_done(st->tailer).pos < end || lake_needs(__atomic_load_n(&st->lake, __ATOMIC_ACQUIRE), end, ret_days) ||
	    delivery_needs(st->delivery, &pos) < 0 || pos < end)
		return false;
	index_stats(st->index, &index);
	if (*ret_days < LOOKUP_DAYS)
		*ret_days = LOOKUP_DAYS;
	return !index.rebuilding;
}

/* 1: it may go; 0: not yet. *ret_days: how long it was kept. */
static int may_go(struct remover *r, uint32_t segment, int *ret_days)
{
	int res = 0;

	if (!is_done_with(r->st, (journal_pos)(segment + 1) << 32, ret_days))
		return 0;
	if (!r->oldest || r->oldest->segment != segment) {
		removed_free(&r->oldest);
		res = removed_make(r->st->journal, segment, &r->oldest);
	}
	if (res < 0)
		return res;
	return r->oldest->last < retention_now(r->st->retention) - *ret_days * RETENTION_DAY_NS &&
	       !retention_held_journal(r->st->retention, r->oldest->oldest, r->oldest->newest);
}

static int say(struct remover *r, const struct removed_segment *s, const char *hash, const char *note, int days)
{
	char object[32], from[32], to[32];
	const struct witness_removal m = {
		.target = "journal", .object = object, .sha256 = hash, .files = 1, .records = s->records, .bytes = s->bytes,
		.first = s->first / (int64_t)NS_PER_SEC, .last = s->last / (int64_t)NS_PER_SEC, .from = from, .to = to, .reason = "retention",
		.days = days, .note = note,
	};

	snprintf(object, sizeof(object), "journal/%010u.jnl", s->segment);
	snprintf(from, sizeof(from), "%u:0", s->segment);
	snprintf(to, sizeof(to), "%u:%llu", s->segment, (unsigned long long)s->bytes);
	return retention_say(r->st->retention, r->st->witness, witness_journal_removed, &m);
}

static int remove_oldest(struct remover *r, uint32_t segment, int days)
{
	_cleanup_buf_ struct buf note = { 0 };
	char hash[65], note_hash[65];
	uint8_t raw[32];
	uint32_t again;
	uint64_t bytes;
	int res = journal_oldest(r->st->journal, &again, &bytes, hash);

	if (!res && again != segment)
		res = -ESTALE;
	if (!res)
		res = removed_write(r->oldest, &note);
	if (res < 0)
		return res;
	sha256(note.p, note.n, raw);
	hex_text(raw, 32, note_hash);
	res = say(r, r->oldest, hash, note_hash, days);
	if (!res)
		res = journal_remove(r->st->journal, segment, hash, (const char *)note.p, note.n);
	if (!res)
		log_info("journal %010u.jnl is removed: it is older than %d days, and nothing needs it", segment, days);
	removed_free(&r->oldest);
	return res;
}

int trim_journal(struct remover *r)
{
	uint32_t segment;
	uint64_t bytes;
	int res, days;

	while (!(res = journal_oldest(r->st->journal, &segment, &bytes, NULL))) {
		if (remover_stopping(r))
			return -ECANCELED;
		res = may_go(r, segment, &days);
		if (res > 0)
			res = remove_oldest(r, segment, days);
		else
			return res;
		if (res < 0)
			return res;
	}
	return res == -ENOENT ? 0 : res;
}
