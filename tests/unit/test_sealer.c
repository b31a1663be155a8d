/* SPDX-License-Identifier: Apache-2.0 */
/* The sealer over a journal that the index has not been through (again): what a start after a kill is like. And where one of several segments
 * that are written at once cannot be. */
#include <ftw.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fsx.h"
#include "store/index.h"
#include "store/lake/lake.h"
#include "store/lake/manifest.h"
#include "store/tailer.h"
#include "tests/helpers/storekit.h"
#include "tests/tap.h"

#define FRAMES 20u
#define PER_FRAME 100u
#define SEGMENTS 4u
#define TRIES 3000

static char dir[] = "/tmp/ht-sealer-XXXXXX";
static struct store st = { .region = "local", .account = "000000000000" };

static void journal_of_frames(void)
{
	char path[128];
	struct kit k;

	snprintf(path, sizeof(path), "%s/key", dir);
	must(!kit_init(&k, path, "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b", clock_wall() - 100 * (int64_t)NS_PER_SEC, 1000));
	for (unsigned i = 0; i < FRAMES; i++)
		ok(!kit_append(&k, st.journal, i * PER_FRAME, PER_FRAME, clock_wall(), 0));
	ok(!journal_sync(st.journal));
	kit_free(&k);
}

/* As a kill leaves them: nothing of the index is on disk. */
static bool parts_open(bool rebuild)
{
	const char *build = getenv("HT_BUILD");
	char path[4096], library[4096], program[4096];
	const struct lake_config c = { .dir = dir, .library = library, .program = program, .seal_records = FRAMES * PER_FRAME / SEGMENTS, .seal_ns = 3600 * (int64_t)NS_PER_SEC,
				       .memory = 256u << 20, .query_ns = (int64_t)NS_PER_SEC, .query_rows = 1, .results = 1u << 30,
				       .rebuild = rebuild };

	snprintf(library, sizeof(library), "%s/duckdb/libduckdb.so", build ? build : "build");
	snprintf(program, sizeof(program), "%s/bin/hosttrail-store", build ? build : "build");
	snprintf(path, sizeof(path), "%s/index", dir);
	ok(!index_open(path, journal_end(st.journal), 0, NULL, NULL, &st.index));
	ok(!decoded_cache_new(16u << 20, &st.decoded));
	ok(!tailer_new(&st, dir, NULL, NULL, &st.tailer));
	ok(!lake_open(&st, &c, &st.lake));
	return !tap_failed && !lake_fault(st.lake);
}

static void parts_close(void)
{
	lake_free(&st.lake);
	tailer_free(&st.tailer);
	index_free(&st.index);
	decoded_cache_free(&st.decoded);
}

/* Segments as the manifest has them, and their rows. */
static size_t segments(struct segment **ret, uint64_t *ret_rows)
{
	struct manifest *m;
	char path[128];
	journal_pos sealed;
	size_t n = 0;
	struct event_store e;

	*ret_rows = 0;
	snprintf(path, sizeof(path), "%s/lake.db", dir);
	if (manifest_open(path, &m) < 0 || manifest_store_find(m, "default", &e) < 0 || manifest_segments(m, e.id, ret, &n, &sealed) < 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		*ret_rows += (*ret)[i].rows;
	manifest_free(&m);
	return n;
}

static void wait_for_segments(size_t want)
{
	struct segment *s = NULL;
	uint64_t rows;
	size_t n = 0;

	for (int i = 0; i < TRIES && n != want; i++) {
		usleep(10000);
		n = segments(&s, &rows);
		free(s);
		s = NULL;
	}
	ok_int(n, want);
}

static bool there(const struct segment *s)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/lake/%s", dir, s->path);
	return access(path, F_OK) == 0;
}

/* A folder with a journal of FRAMES. */
static bool begin(void)
{
	char path[4096];

	if (!mkdtemp(strcpy(dir, "/tmp/ht-sealer-XXXXXX")))
		return false;
	snprintf(path, sizeof(path), "%s/journal", dir);
	if (journal_open(path, 0, NULL, NULL, &st.journal) < 0)
		return false;
	journal_of_frames();
	return true;
}

/* All of it sealed once, by a store that has ended. False: no engine. */
static bool begin_sealed(void)
{
	if (!begin())
		abort();
	if (!parts_open(false))
		return false;
	if (tailer_start(st.tailer) || lake_start(st.lake))
		abort();
	wait_for_segments(SEGMENTS);
	parts_close();
	return true;
}

static void a_segment_that_is_gone_waits_for_the_index(void)
{
	struct segment *before = NULL, *after = NULL;
	char path[4096];
	uint64_t rows;

	if (!begin_sealed())
		skip("no engine");
	must(segments(&before, &rows) == SEGMENTS && rows == FRAMES * PER_FRAME);

	snprintf(path, sizeof(path), "%s/lake/%s", dir, before[1].path);
	must(!unlink(path) && parts_open(false));
	must(!lake_start(st.lake));
	usleep(100000);
	ok(!there(&before[1]));
	must(!tailer_start(st.tailer));
	for (int i = 0; i < TRIES && !there(&before[1]); i++)
		usleep(10000);
	ok(there(&before[1]));
	parts_close();
	ok_int(segments(&after, &rows), SEGMENTS);
	ok_int(rows, FRAMES * PER_FRAME);
	free(before);
	free(after);
	journal_free(&st.journal);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	ok(system(path) == 0);
}

static bool wait_for_failures(uint64_t n)
{
	struct lake_stats stats = { 0 };

	for (int i = 0; i < TRIES && stats.seal_failures < n; i++) {
		usleep(10000);
		lake_stats(st.lake, &stats);
	}
	return stats.seal_failures >= n;
}

static unsigned files_there(const struct segment *s, size_t n)
{
	unsigned found = 0;

	for (size_t i = 0; i < n; i++)
		found += there(&s[i]);
	return found;
}

/* What was written beside it is not there either, and comes when it can be. */
static void none_comes_before_one_that_cannot_be_written(void)
{
	struct segment *before = NULL, *after = NULL;
	char path[4096];
	uint64_t rows;

	if (!begin_sealed())
		skip("no engine");
	must(segments(&before, &rows) == SEGMENTS);

	must(parts_open(true));
	snprintf(path, sizeof(path), "%s/lake/%s.tmp", dir, before[1].path);
	must(!fsx_mkdirs(path, 0750));
	must(!tailer_start(st.tailer) && !lake_start(st.lake));
	wait_for_segments(1);
	/* by the third time what was written beside the second has been there once at least */
	ok(wait_for_failures(3));
	for (int i = 0; i < TRIES && files_there(before, SEGMENTS) != 1; i++)
		usleep(10000);
	ok_int(files_there(before, SEGMENTS), 1);
	must(!rmdir(path));
	wait_for_segments(SEGMENTS);
	parts_close();
	must(segments(&after, &rows) == SEGMENTS);
	ok_int(rows, FRAMES * PER_FRAME);
	for (unsigned i = 0; i < SEGMENTS; i++)
		ok_str(after[i].path, before[i].path);
	free(before);
	free(after);
	journal_free(&st.journal);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	ok(system(path) == 0);
}

static int found;

static int count_file(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
	found += type == FTW_F;
	return 0;
}

static int files_in_lake(void)
{
	char path[128];

	found = 0;
	snprintf(path, sizeof(path), "%s/lake", dir);
	nftw(path, count_file, 8, FTW_PHYS);
	return found;
}

static int change_manifest(const char *sql)
{
	sqlite3 *db = NULL;
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/lake.db", dir);
	r = sqlite3_open(path, &db);
	if (r == SQLITE_OK)
		r = sqlite3_exec(db, sql, NULL, NULL, NULL);
	sqlite3_close(db);
	return r == SQLITE_OK ? 0 : -1;
}

/* A file that the manifest does not take (its disk is full) is not left lying about. */
static void none_stays_that_no_manifest_has(void)
{
	struct segment *after = NULL;
	char path[4096];
	uint64_t rows;

	must(begin());
	if (!parts_open(false))
		skip("no engine");
	must(!change_manifest("CREATE TRIGGER refuse BEFORE INSERT ON segment BEGIN SELECT RAISE(ABORT, 'no'); END"));
	must(!tailer_start(st.tailer) && !lake_start(st.lake));
	ok(wait_for_failures(3));
	for (int i = 0; i < TRIES && files_in_lake(); i++)
		usleep(10000);
	ok_int(files_in_lake(), 0);
	must(!change_manifest("DROP TRIGGER refuse"));
	wait_for_segments(SEGMENTS);
	parts_close();
	must(segments(&after, &rows) == SEGMENTS);
	ok_int(rows, FRAMES * PER_FRAME);
	ok_int(files_in_lake(), SEGMENTS);
	free(after);
	journal_free(&st.journal);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	ok(system(path) == 0);
}

int main(void)
{
	static const struct tap_case cases[] = { CASE(a_segment_that_is_gone_waits_for_the_index), CASE(none_comes_before_one_that_cannot_be_written),
						 CASE(none_stays_that_no_manifest_has) };

	return tap_run(cases, sizeof(cases) / sizeof(*cases));
}
