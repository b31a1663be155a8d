/* SPDX-License-Identifier: Apache-2.0 */
/* The store's own records, as they come to who keeps frames: signed by the store, each next to the one before, and what they say. */
#include <errno.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "proto/frame.h"
#include "proto/recordread.h"
#include "store/ingest.h"
#include "store/keep.h"
#include "store/retention/retention.h"
#include "store/witness.h"
#include "tests/tap.h"

static struct buf said;			/* the last record, as JSON */
static uint64_t frames;
static uint8_t before[32];		/* the last frame's hash */
static int append_answer;

static int on_append(void *ctx, const struct journal_origin *origin, int64_t received, uint16_t flags, const void *frame, size_t n, journal_pos *ret_pos)
{
	struct record_frame f = { 0 };
	struct frame_header h;
	struct buf raw = { 0 };
	struct reader *r = NULL;
	const char *why;

	if (append_answer)
		return append_answer;
	ok_int(flags, JOURNAL_OWN);
	ok_int(frame_check(frame, n, &h, &why), 0);
	ok_int(frame_verify(frame, &h, origin->key), 0);
	ok_int(h.number, frames);
	ok(!frames || !memcmp(h.previous, before, 32));
	ok_int(frame_payload(frame, &h, &raw), 0);
	f.first_time = h.first_time;
	f.wall_offset = h.wall_offset;
	ok_int(reader_open(raw.p, raw.n, &f, &r, &why), 0);
	buf_reset(&said);
	for (unsigned i = 0; r && i < reader_count(r); i++)
		ok_int(reader_json(r, i, &said), 0);
	reader_free(&r);
	buf_free(&raw);
	frame_hash(frame, &h, before);
	frames++;
	*ret_pos = frames;
	return 0;
}

static int on_sync_own(void *ctx)
{
	return 0;
}

static const struct keep_ops ops = { .append = on_append, .sync_own = on_sync_own };
static struct keep keep = { .ops = &ops };
static char dir[32];
static struct witness *w;

static bool begin(void)
{
	struct witness_config c = { .dir = dir, .region = "local", .account = "000000000000" };

	strcpy(dir, "/dev/shm/ht-witness-XXXXXX");
	frames = 0;
	append_answer = 0;
	if (!mkdtemp(dir) || witness_open(&c, &w))
		return false;
	witness_attach(w, &keep);
	return true;
}

static void end(void)
{
	char command[64];

	witness_free(&w);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok_int(system(command), 0);
	buf_free(&said);
}

/* The record of this name, with these and no other details. */
static void says(int r, const char *name, const char *details)
{
	char want[64];
	const char *text = buf_text(&said), *at = strstr(text, "\"serviceEventDetails\":"), *to = at ? strchr(at, '}') : NULL;

	ok_int(r, 0);
	snprintf(want, sizeof(want), "\"eventSource\":\"trail.hosttrail\",\"eventName\":\"%s\"", name);
	ok(strstr(text, want) != NULL);
	if (!to || (size_t)(to + 1 - at) != strlen(details) + 22 || strncmp(at + 22, details, strlen(details))) {
		printf("# %s: not %s\n# in %s\n", name, details, text);
		ok(false);
	}
	ok(strstr(text, "\"principalId\":\"hosttrail-store\"") && strstr(text, "\"eventType\":\"HostServiceEvent\""));
}

#define FRAME_SAID "{\"hostId\":\"h1\",\"stream\":\"00000000000000000000000000000000\",\"chain\":\"data\",\"number\":7"
#define HASH_OF_1S "0101010101010101010101010101010101010101010101010101010101010101"

static void what_it_says_of_frames(void)
{
	const struct journal_origin origin = { .host_id = "h1" };
	const uint8_t stream[16] = { 0 }, hash[32] = { [0 ... 31] = 1 };
	const struct frame_header h = { .chain = CHAIN_DATA, .number = 7 };
	struct ingest_fault f = { .origin = &origin, .header = &h, .why = "a fork", .hash = hash };
	struct witness_subject s = { &origin, stream, CHAIN_DATA, 7 };
	struct witness_loss l = { .last_number = 9, .cause = "missingFrames", .first_seen = 1795342001 * (int64_t)NS_PER_SEC };

	must(begin());
	says(witness_started(w, NULL), "StoreStarted", "{\"storeVersion\":\"" HOSTTRAIL_VERSION "\"}");
	says(witness_started(w, "cut"), "StoreStarted", "{\"storeVersion\":\"" HOSTTRAIL_VERSION "\",\"recovered\":\"cut\"}");
	says(witness_chain_broken(w, &f), "ChainBroken", FRAME_SAID ",\"why\":\"a fork\",\"frameHash\":\"" HASH_OF_1S "\"}");
	f.expected = hash;
	says(witness_chain_broken(w, &f), "ChainBroken",
	     FRAME_SAID ",\"why\":\"a fork\",\"frameHash\":\"" HASH_OF_1S "\",\"expectedHash\":\"" HASH_OF_1S "\"}");
	says(witness_host_mismatch(w, &s, "the key", NULL), "HostMismatch", FRAME_SAID ",\"why\":\"the key\"}");
	says(witness_host_mismatch(w, &s, "the key", "h2"), "HostMismatch", FRAME_SAID ",\"why\":\"the key\",\"claimed\":\"h2\"}");
	says(witness_records_lost(w, &s, &l), "RecordsLost",
	     FRAME_SAID ",\"lastNumber\":9,\"cause\":\"missingFrames\",\"firstSeen\":\"2026-11-22T10:06:41Z\"}");
	l.counted = true;
	l.detail = "overBudget";
	says(witness_records_lost(w, &s, &l), "RecordsLost",
	     FRAME_SAID ",\"lastNumber\":9,\"count\":0,\"cause\":\"missingFrames\",\"detail\":\"overBudget\",\"firstSeen\":\"2026-11-22T10:06:41Z\"}");
	says(witness_gap_filled(w, &s, 8), "GapFilled", FRAME_SAID ",\"lastNumber\":8}");
	says(witness_clock_skewed(w, &s, 7 * (int64_t)NS_PER_SEC, "records"), "ClockSkewed", FRAME_SAID ",\"aheadSeconds\":7,\"seenBy\":\"records\"}");
	s.stream = NULL;
	says(witness_clock_skewed(w, &s, -7 * (int64_t)NS_PER_SEC, "request"), "ClockSkewed",
	     "{\"hostId\":\"h1\",\"behindSeconds\":7,\"seenBy\":\"request\"}");
	says(witness_journal_damaged(w, 3ull << 32 | 5, 80, "a hole", NULL), "JournalDamaged", "{\"position\":\"3:5\",\"bytes\":80,\"why\":\"a hole\"}");
	says(witness_journal_damaged(w, 5, 80, "a hole", "x.bad"), "JournalDamaged",
	     "{\"position\":\"0:5\",\"bytes\":80,\"why\":\"a hole\",\"aside\":\"x.bad\"}");
	says(witness_stopped(w, "stopped"), "StoreStopped", "{\"reason\":\"stopped\"}");
	ok_int(witness_records(w), frames);
	end();
}

static void what_it_says_of_removals(void)
{
	struct witness_removal m = { .target = "journal", .object = "3.jnl", .bytes = 12, .reason = "retention", .days = 90 };
	struct retention_hold h = { .name = "case", .reason = "asked", .by = "k1", .from = INT64_MIN, .to = INT64_MAX };

	must(begin());
	says(witness_journal_removed(w, &m), "JournalRemoved",
	     "{\"target\":\"journal\",\"object\":\"3.jnl\",\"files\":0,\"bytes\":12,\"reason\":\"retention\",\"retentionDays\":90}");
	m.note = "ab";
	says(witness_journal_removed(w, &m), "JournalRemoved",
	     "{\"target\":\"journal\",\"object\":\"3.jnl\",\"files\":0,\"bytes\":12,\"reason\":\"retention\",\"retentionDays\":90,\"noteSha256\":\"ab\"}");
	m = (struct witness_removal){ "bucket b", "x.gz", "cd", 1, 2, 3, 1795342001, 1795342002, "1:2", "3:4", "deleted", 7, NULL };
	says(witness_log_files_removed(w, &m), "LogFilesRemoved",
	     "{\"target\":\"bucket b\",\"object\":\"x.gz\",\"sha256\":\"cd\",\"files\":1,\"records\":2,\"bytes\":3,\"firstTime\":\"2026-11-22T10:06:41Z\","
	     "\"lastTime\":\"2026-11-22T10:06:42Z\",\"from\":\"1:2\",\"to\":\"3:4\",\"reason\":\"deleted\",\"retentionDays\":7}");
	says(witness_segment_removed(w, &m), "SegmentRemoved",
	     "{\"target\":\"bucket b\",\"object\":\"x.gz\",\"sha256\":\"cd\",\"files\":1,\"records\":2,\"bytes\":3,\"firstTime\":\"2026-11-22T10:06:41Z\","
	     "\"lastTime\":\"2026-11-22T10:06:42Z\",\"from\":\"1:2\",\"to\":\"3:4\",\"reason\":\"deleted\",\"retentionDays\":7}");
	says(witness_retention_changed(w, "bucket b", 8, 7, NULL), "RetentionChanged", "{\"target\":\"bucket b\",\"formerDays\":8,\"retentionDays\":7}");
	says(witness_retention_locked(w, "bucket b", 7, 1795342001 * (int64_t)NS_PER_SEC - 1, "k1"), "RetentionLocked",
	     "{\"target\":\"bucket b\",\"minimumDays\":7,\"until\":\"2026-11-22T10:06:41Z\",\"by\":\"k1\"}");
	says(witness_hold_placed(w, &h), "HoldPlaced", "{\"name\":\"case\",\"target\":\"everything\",\"reason\":\"asked\",\"by\":\"k1\"}");
	h.from = 1795342001 * (int64_t)NS_PER_SEC + 1;
	h.to = h.from + 1;
	strcpy(h.target, "bucket b");
	says(witness_hold_released(w, &h, "done", "k2"), "HoldReleased",
	     "{\"name\":\"case\",\"target\":\"bucket b\",\"startTime\":\"2026-11-22T10:06:41Z\",\"endTime\":\"2026-11-22T10:06:42Z\",\"reason\":\"done\",\"by\":\"k2\"}");
	end();
}

/* A flood of faults is said up to a limit a minute; what must be said before something goes is refused instead. */
static void what_is_too_much_is_held_back(void)
{
	const struct journal_origin origin = { .host_id = "h1" };
	const struct witness_subject s = { .origin = &origin };
	const struct witness_removal m = { .target = "journal", .object = "x", .reason = "retention" };
	const unsigned some_minutes = 3 * WITNESS_PER_MINUTE;
	unsigned i;
	uint64_t n;
	int r = 0;

	must(begin());
	for (i = 0, n = frames; i < some_minutes && frames == n + i && !r; i++)
		r = witness_host_mismatch(w, &s, "why", NULL);
	ok(!r && i > WITNESS_PER_MINUTE && i < some_minutes);
	for (i = 0, n = frames; i < some_minutes && !r; i++)
		r = witness_journal_removed(w, &m);
	ok_int(r, -EAGAIN);
	ok(i > WITNESS_PER_MINUTE && frames == n + i - 1);
	end();
}

/* What cannot be kept is no number in the chain. */
static void what_fails_leaves_no_gap(void)
{
	must(begin());
	ok_int(witness_stopped(w, "a"), 0);
	append_answer = -ENOSPC;
	ok_int(witness_stopped(w, "b"), -ENOSPC);
	ok_int(witness_failures(w), 1);
	append_answer = 0;
	says(witness_stopped(w, "c"), "StoreStopped", "{\"reason\":\"c\"}");
	ok_int(frames, 2);
	end();
}

static const struct tap_case cases[] = {
	CASE(what_it_says_of_frames), CASE(what_it_says_of_removals), CASE(what_is_too_much_is_held_back), CASE(what_fails_leaves_no_gap),
};
TAP_MAIN(cases)
