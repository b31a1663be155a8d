/* SPDX-License-Identifier: Apache-2.0 */
/* Gaps: how long they wait, what a late frame changes, what a kill leaves to say again. */
#include <dirent.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/faults.h"
#include "tests/helpers/storekit.h"
#include "tests/tap.h"

#define WAIT_SECONDS 7
#define NS (int64_t)NS_PER_SEC

static struct keep keep;
static char dir[64];
static struct journal *journal;
static struct witness *witness;
static struct faults *faults;
static struct journal_origin origin = { .host_id = "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b" };
static char seen[4096];

static int open_faults(void)
{
	return faults_open(dir, witness, WAIT_SECONDS, &faults);
}

static void begin(void)
{
	const struct witness_config w = { dir, NULL, NULL, "local", "000000000000" };
	char path[96];

	strcpy(dir, "/tmp/ht-faults-XXXXXX");
	must(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/journal", dir);
	must(!journal_open(path, 0, NULL, NULL, &journal) && !witness_open(&w, &witness));
	keep_journal(&keep, journal, NULL);
	witness_attach(witness, &keep);
	must(!open_faults());
}

static void end(void)
{
	char command[96];

	faults_free(&faults);
	witness_free(&witness);
	journal_free(&journal);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok_int(system(command), 0);
}

static void push(enum fault_kind kind, uint64_t first_missing, uint64_t number, journal_pos pos)
{
	struct frame_header h = { .chain = CHAIN_DATA, .number = number };
	const struct ingest_fault f = { .origin = &origin, .header = &h, .first_missing = first_missing, .pos = pos, .why = "" };

	memset(h.stream, 7, 16);
	faults_push(faults, kind, &f);
}

/* Into `seen`: "Name first-last " for each record of the store's own. */
static int note(void *ctx, const struct journal_entry *e)
{
	_cleanup_buf_ struct buf raw = { 0 }, json = { 0 };
	struct record_frame rf = { .wall_offset = e->header->wall_offset };
	struct reader *rd = NULL;
	const char *why;
	char name[32] = "", line[128];
	long long first = -1, last = -1;
	const char *p;

	(void)ctx;
	memcpy(rf.stream, e->header->stream, 16);
	if (frame_payload(e->frame, e->header, &raw) < 0 || reader_open(raw.p, raw.n, &rf, &rd, &why) < 0 ||
	    reader_json(rd, 0, &json) < 0)
		return -1;
	p = strstr(buf_text(&json), "\"eventName\":\"");
	if (p)
		sscanf(p + 13, "%31[^\"]", name);
	p = strstr(buf_text(&json), "\"number\":");
	if (p)
		sscanf(p + 9, "%lld", &first);
	p = strstr(buf_text(&json), "\"lastNumber\":");
	if (p)
		sscanf(p + 13, "%lld", &last);
	snprintf(line, sizeof(line), "%s %lld-%lld ", name, first, last);
	strcat(seen, line);
	reader_free(&rd);
	return 0;
}

static const char *said(void)
{
	seen[0] = '\0';
	if (journal_scan(journal, 0, true, note, NULL, NULL) < 0)
		return "unreadable";
	return seen;
}

static void a_gap_is_lost_after_its_wait(void)
{
	begin();
	push(FAULT_GAP, 3, 9, 1000);
	ok_int(faults_work(faults, 100 * NS), 0);
	ok_int(faults_work(faults, 106 * NS), 0);
	ok_str(said(), "");
	ok_int(faults_work(faults, 107 * NS), 1);
	ok_int(faults_work(faults, 900 * NS), 0);
	ok_str(said(), "RecordsLost 3-8 ");
	end();
}

static void a_filled_gap_is_not_lost(void)
{
	begin();
	push(FAULT_GAP, 3, 6, 1000);
	push(FAULT_FILLED, 0, 4, 2000);
	ok_int(faults_work(faults, 100 * NS), 0);
	ok_int(faults_pending(faults), 2);
	push(FAULT_FILLED, 0, 5, 3000);
	push(FAULT_FILLED, 0, 3, 4000);
	ok_int(faults_work(faults, 101 * NS), 0);
	ok_int(faults_pending(faults), 0);
	ok_int(faults_work(faults, 900 * NS), 0);
	ok_str(said(), "");
	end();
}

/* What was said to be lost and came all the same is taken back, run by run; the rest stays lost, once. */
static void a_loss_that_comes_late_is_taken_back(void)
{
	begin();
	push(FAULT_GAP, 3, 20, 1000);
	ok_int(faults_work(faults, 100 * NS), 0);
	ok_int(faults_work(faults, 200 * NS), 1);
	for (uint64_t n = 5; n < 9; n++)
		push(FAULT_FILLED, 0, n, 2000 + n);
	push(FAULT_FILLED, 0, 11, 3000);
	ok_int(faults_work(faults, 201 * NS), 0);
	push(FAULT_FILLED, 0, 12, 3001);
	ok_int(faults_work(faults, 202 * NS), 0);
	ok_int(faults_work(faults, 900 * NS), 0);
	ok_str(said(), "RecordsLost 3-19 GapFilled 5-8 GapFilled 11-11 GapFilled 12-12 ");
	end();
}

static void a_kill_leaves_what_was_not_dealt_with(void)
{
	begin();
	ok_int(faults_upto(faults), 0);
	push(FAULT_GAP, 3, 6, 1000);
	faults_work(faults, 100 * NS);
	ok_int(faults_upto(faults), 1001);
	push(FAULT_GAP, 7, 9, 2000);	/* the kill comes before this is taken up */
	faults_free(&faults);
	must(!open_faults());
	ok_int(faults_upto(faults), 1001);
	ok_int(faults_pending(faults), 1);
	ok_int(faults_work(faults, 900 * NS), 1);
	ok_str(said(), "RecordsLost 3-5 ");
	end();
}

/* A queue that overflowed does not count as dealt with. */
static void what_was_dropped_is_asked_for_again(void)
{
	begin();
	push(FAULT_GAP, 3, 6, 1000);
	faults_work(faults, 100 * NS);
	for (unsigned i = 0; i <= FAULTS_QUEUE_MAX; i++)
		push(FAULT_FILLED, 0, 1000000 + i, 2000 + i);
	ok_int(faults_dropped(faults), 1);
	faults_work(faults, 101 * NS);
	ok_int(faults_upto(faults), 1001);
	end();
}

static const struct tap_case cases[] = {
	CASE(a_gap_is_lost_after_its_wait), CASE(a_filled_gap_is_not_lost), CASE(a_loss_that_comes_late_is_taken_back),
	CASE(a_kill_leaves_what_was_not_dealt_with), CASE(what_was_dropped_is_asked_for_again),
};
TAP_MAIN(cases)
