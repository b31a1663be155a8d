/* SPDX-License-Identifier: Apache-2.0 */
/* The index against a list that is searched from end to end: every attribute, range and page; tails, blocks, restarts, damage. */
#include "store/block.h"
#include "store/index_internal.h"
#include "tests/unit/indexrows.h"

static void a_tail_finds_everything(void)
{
	struct index *ix;

	fresh_dir();
	ix = open_index(ROWS);
	must(ix);
	ok_int(add(ix, 0, ROWS), 0);
	check_all(ix, ROWS);
	index_free(&ix);
	clean();
}

static void blocks_and_tails_find_everything(void)
{
	struct index_stats s;
	struct index *ix;

	fresh_dir();
	ix = open_index(TAIL);
	must(ix);
	ok_int(add(ix, 0, 3001), 0);
	check_all(ix, 3001);
	ok_int(add(ix, 3001, ROWS), 0);
	wait_sealed(ix);
	index_stats(ix, &s);
	ok(s.blocks >= 11);
	ok_int(s.records, ROWS);
	check_all(ix, ROWS);
	index_free(&ix);
	clean();
}

static void a_restart_goes_on_behind_the_last_block(void)
{
	struct index *ix;
	unsigned i;

	fresh_dir();
	ix = open_index(TAIL);
	must(ix);
	ok_int(add(ix, 0, 4000), 0);
	wait_sealed(ix);
	index_free(&ix);
	ix = open_index(TAIL);
	must(ix);
	ok(!said);
	i = rest_of(ix);
	ok(i >= 3000 && i <= 4000);
	check_all(ix, i);
	ok_int(add(ix, i, ROWS), 0);
	check_all(ix, ROWS);
	index_free(&ix);
	clean();
}

static void damaged_and_lost_blocks_are_made_anew(void)
{
	static const struct { unsigned block; int how; } cases[] = { { 0, 0 }, { 3, 0 }, { 3, 1 }, { 7, 2 }, { 5, 3 } };
	char path[512];

	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct index_query q = { .from = INT64_MIN, .to = INT64_MAX };
		struct index *ix;
		unsigned n;
		int r;

		fresh_dir();
		ix = open_index(TAIL);
		must(ix);
		ok_int(add(ix, 0, ROWS), 0);
		wait_sealed(ix);
		index_free(&ix);
		block_path(cases[c].block, path);
		if (cases[c].how == 0)
			must(!unlink(path));
		else if (cases[c].how == 1)
			must(!flip(path, 30));		/* the header */
		else if (cases[c].how == 2)
			must(!flip(path, 1024 + 100));	/* a section: seen when it is used */
		else
			must(!truncate(path, 5000));
		ix = open_index(TAIL);
		must(ix);
		ok((said != NULL) == (cases[c].how == 1 || cases[c].how == 3));
		r = ask(ix, &q, &n);
		ok_int(r, -EAGAIN);	/* not whole, and it says so */
		repair(ix, ROWS);
		check_all(ix, ROWS);
		index_free(&ix);
		clean();
		if (tap_failed)
			return;
	}
}

static void another_key_makes_all_anew(void)
{
	struct index_stats s;
	struct index *ix;
	char path[512];

	fresh_dir();
	ix = open_index(TAIL);
	must(ix);
	ok_int(add(ix, 0, ROWS), 0);
	wait_sealed(ix);
	index_free(&ix);
	snprintf(path, sizeof(path), "%s/index/key", dir);
	must(!unlink(path));
	ix = open_index(TAIL);
	must(ix);
	ok(said != NULL);
	index_stats(ix, &s);
	ok_int(s.records, 0);
	ok_int(rest_of(ix), 0);
	ok_int(add(ix, 0, ROWS), 0);
	check_all(ix, ROWS);
	index_free(&ix);
	clean();
}

/* Blocks that stand for what the journal does not have (it was replaced) are not used. */
static void blocks_beyond_the_journal_are_stale(void)
{
	struct index_stats s;
	struct index *ix;
	char path[128];

	fresh_dir();
	ix = open_index(TAIL);
	must(ix);
	ok_int(add(ix, 0, ROWS), 0);
	wait_sealed(ix);
	index_free(&ix);
	snprintf(path, sizeof(path), "%s/index", dir);
	said = NULL;
	ok_int(index_open(path, rows[2000].key.place.pos, TAIL, say, NULL, &ix), 0);
	must(ix);
	ok(said != NULL);
	index_stats(ix, &s);
	ok(s.records <= 2000 && s.records >= 1000);
	check_all(ix, (unsigned)s.records);
	index_free(&ix);
	clean();
}

/* As when memory ends there: whoever asks what is to do goes on with the next record, and none is there twice. */
static void what_fails_within_a_frame_goes_on_there(void)
{
	struct index *ix;

	fresh_dir();
	ix = open_index(TAIL);
	must(ix);
	for (unsigned i = 0; i < ROWS; i += 500) {
		ok_int(add(ix, i, i + 500), 0);
		ok_int(rest_of(ix), i + 500);
	}
	check_all(ix, ROWS);
	index_free(&ix);
	clean();
}

/* Likewise within a stretch that is indexed again, and when such a stretch comes while a frame is half in. */
static void a_stretch_that_fails_goes_on_there(void)
{
	struct index_place from, to;
	struct index_stats s;
	struct index *ix;
	struct block *b;

	fresh_dir();
	ix = open_index(TAIL);
	must(ix);
	ok_int(add(ix, 0, ROWS - 4), 0);
	wait_sealed(ix);
	b = block_ref(ix->snap->blocks[2]);
	index_drop_block(ix, b, "the test's");
	block_unref(b);
	ok_int(index_todo(ix, &from, &to), 0);
	must(to.pos != UINT64_MAX);
	ok_int(add(ix, row_at(&from), row_at(&from) + 250), 0);
	repair(ix, ROWS);
	check_all(ix, ROWS);
	index_stats(ix, &s);
	ok_int(s.records, ROWS);
	index_free(&ix);
	clean();
}

static const struct tap_case cases[] = {
	CASE(a_tail_finds_everything),
	CASE(blocks_and_tails_find_everything),
	CASE(a_restart_goes_on_behind_the_last_block),
	CASE(damaged_and_lost_blocks_are_made_anew),
	CASE(another_key_makes_all_anew),
	CASE(blocks_beyond_the_journal_are_stale),
	CASE(what_fails_within_a_frame_goes_on_there),
	CASE(a_stretch_that_fails_goes_on_there),
};
TAP_MAIN(cases)
