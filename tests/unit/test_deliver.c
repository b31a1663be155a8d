/* SPDX-License-Identifier: Apache-2.0 */
/* A trail over a journal that the test writes: which records come, each once, and what a new start makes of what was decided on. */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <unistd.h>

#include <json-c/json.h>

#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/fsx.h"
#include "proto/selectors.h"
#include "store/delivery/deliver.h"
#include "store/delivery/transfer.h"
#include "store/tailer.h"
#include "tests/helpers/storekit.h"
#include "tests/tap.h"
#include "tools/gunzip.h"

#define HOST "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b"
#define EVERYTHING \
	"[{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Management\"]}]},{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Data\"]}]}," \
	"{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"NetworkActivity\"]}]}]"

static char dir[64];
static struct kit kit;
static struct store st;
static int64_t trail;

static void start_delivery(uint64_t size)
{
	const struct delivery_config config = { .dir = dir, .interval_ms = 100, .digest_ms = 3600000, .key_ms = 3600000, .size = size };
	struct buckets *buckets = NULL;
	char line[128], *lines[1] = { line }, why[BUCKET_WHY_MAX];
	const struct conf_list list = { lines, 1 };

	snprintf(line, sizeof(line), "logs %s/bucket", dir);
	ok_int(buckets_load(&list, &buckets, why), 0);
	ok_int(delivery_new(&st, &config, buckets, NULL, NULL, &st.delivery), 0);
	ok_int(delivery_start(st.delivery), 0);
}

static void begin(uint64_t size)
{
	char path[128];

	strcpy(dir, "/tmp/ht-deliver-XXXXXX");
	must(mkdtemp(dir) != NULL);
	st = (struct store){ .region = "local", .account = "000000000000", .started = clock_wall() };
	snprintf(path, sizeof(path), "%s/kit.key", dir);
	must(kit_init(&kit, path, HOST, clock_wall() - 60 * (int64_t)NS_PER_SEC, 1000000) == 0);
	snprintf(path, sizeof(path), "%s/journal", dir);
	must(journal_open(path, 0, NULL, NULL, &st.journal) == 0);
	snprintf(path, sizeof(path), "%s/index", dir);
	must(index_open(path, journal_end(st.journal), 1000, NULL, NULL, &st.index) == 0);
	must(decoded_cache_new(1 << 20, &st.decoded) == 0);
	must(tailer_new(&st, dir, NULL, NULL, &st.tailer) == 0);
	must(tailer_start(st.tailer) == 0);
	start_delivery(size);
}

static void end(void)
{
	char command[128];

	delivery_free(&st.delivery);
	tailer_free(&st.tailer);
	decoded_cache_free(&st.decoded);
	index_free(&st.index);
	journal_free(&st.journal);
	kit_free(&kit);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok_int(system(command), 0);
}

static void make_trail(const char *selectors, bool multi_region)
{
	struct trail t = { .name = "one", .bucket = "logs", .multi_region = multi_region };

	ok_int(ledger_trail_add(delivery_ledger(st.delivery), &t), 0);
	ok_int(ledger_trail_find(delivery_ledger(st.delivery), "one", &t), 0);
	trail = t.id;
	if (selectors)
		ok_int(ledger_trail_select(delivery_ledger(st.delivery), trail, selectors), 0);
	ok_int(ledger_start(delivery_ledger(st.delivery), trail, clock_wall(), journal_end(st.journal)), 0);
	delivery_changed(st.delivery, trail);
}

static void append(uint64_t from, unsigned n, uint16_t flags)
{
	ok_int(kit_append(&kit, st.journal, from, n, clock_wall(), flags), 0);
	ok_int(journal_sync(st.journal), 0);
}

/* ---- what lies in the bucket */

static struct seen {
	unsigned files, records, same;
	char ids[2000][37];
} seen;

static void see_record(struct json_object *r)
{
	struct json_object *id;

	if (!json_object_object_get_ex(r, "eventID", &id) || seen.records == 2000)
		return;
	for (unsigned i = 0; i < seen.records; i++)
		seen.same += !strcmp(seen.ids[i], json_object_get_string(id));
	snprintf(seen.ids[seen.records++], 37, "%s", json_object_get_string(id));
}

static int see_file(const char *path, const struct stat *s, int kind, struct FTW *w)
{
	struct buf gz = { 0 }, text = { 0 };
	struct json_object *o = NULL, *records;

	if (kind == FTW_F && strstr(path, "/CloudTrail/") && strstr(path, ".json.gz") && !strstr(path, ".tmp")) {
		ok_int(fsx_read(path, 1 << 24, &gz), 0);
		ok_int(gunzip_only(gz.p, gz.n, 1 << 26, &text), 0);
		o = json_tokener_parse(buf_text(&text));
		if (json_object_object_get_ex(o, "Records", &records)) {
			seen.files++;
			for (size_t i = 0; i < json_object_array_length(records); i++)
				see_record(json_object_array_get_idx(records, i));
		}
	}
	json_object_put(o);
	buf_free(&gz);
	buf_free(&text);
	return 0;
}

static void look(void)
{
	char path[128];

	memset(&seen, 0, sizeof(seen));
	snprintf(path, sizeof(path), "%s/bucket", dir);
	nftw(path, see_file, 16, FTW_PHYS);
}

/* Until so many records lie there; none must be there twice. */
static void come(unsigned records)
{
	for (unsigned i = 0; i < 500; i++) {
		look();
		if (seen.records >= records)
			break;
		usleep(10000);
	}
	ok_int(seen.records, records);
	ok_int(seen.same, 0);
}

/* ---- cases */

static void selectors_choose(void)
{
	begin(1 << 20);
	append(0, 7, 0);		/* before the trail: never */
	make_trail(NULL, false);	/* management events: 3 of 7 of the kit's */
	append(7, 70, 0);
	come(30);
	ok_int(ledger_trail_select(delivery_ledger(st.delivery), trail, EVERYTHING), 0);
	delivery_changed(st.delivery, trail);
	usleep(150000);
	append(77, 70, 0);
	come(100);
	end();
}

static void size_closes_a_file_within_a_frame(void)
{
	begin(4096);
	make_trail(EVERYTHING, false);
	append(0, 500, 0);
	come(500);
	ok(seen.files > 50);
	end();
}

static void other_regions_are_for_multi_region_trails(void)
{
	begin(1 << 20);
	make_trail(EVERYTHING, false);
	snprintf(kit.origin.region, sizeof(kit.origin.region), "elsewhere");
	kit.host.region = "elsewhere";
	append(0, 10, 0);
	snprintf(kit.origin.region, sizeof(kit.origin.region), "local");
	kit.host.region = "local";
	append(10, 10, 0);
	come(10);
	end();
}

static void what_two_branches_share_comes_once(void)
{
	begin(1 << 20);
	make_trail(EVERYTHING, false);
	append(0, 10, 0);
	append(5, 10, JOURNAL_FORK);	/* half of it is there already */
	append(20, 10, 0);
	come(25);
	end();
}

static void what_was_decided_comes_after_a_new_start(void)
{
	char bucket[128];
	struct log_row row = { 0 };
	struct span s;

	begin(1 << 20);
	snprintf(bucket, sizeof(bucket), "%s/bucket", dir);
	ok_int(fsx_replace(bucket, "x", 1, 0600), 0);	/* no directory */
	make_trail(EVERYTHING, false);
	append(0, 10, 0);
	for (unsigned i = 0; i < 500 && ledger_log_next(delivery_ledger(st.delivery), trail, &row) == -ENOENT; i++)
		usleep(10000);
	ok_int(row.records, 10);
	append(10, 10, 0);
	delivery_free(&st.delivery);
	unlink(bucket);
	start_delivery(1 << 20);
	come(20);
	ok_int(ledger_stop(delivery_ledger(st.delivery), trail, clock_wall(), journal_end(st.journal)), 0);
	append(20, 10, 0);		/* after StopLogging: never */
	delivery_changed(st.delivery, trail);
	for (unsigned i = 0; i < 500 && ledger_span(delivery_ledger(st.delivery), trail, &s) == 0; i++)
		usleep(10000);
	ok_int(ledger_span(delivery_ledger(st.delivery), trail, &s), -ENOENT);
	come(20);
	buf_free(&row.body);
	end();
}

/* A cluster's store that delivers no more, for another one does, reads from endpoints all the same; one that ends does not wait for them. */
static void what_is_asked_for_is_read_without_delivery(void)
{
	const struct bucket *b;

	begin(1 << 20);
	b = buckets_at(delivery_buckets(st.delivery), 0);
	delivery_stop(st.delivery);
	ok(!transfer_stopped(b));
	ok_int(delivery_start(st.delivery), 0);
	ok(!transfer_stopped(b));
	delivery_end(st.delivery);
	ok(transfer_stopped(b));
	end();
}

static const struct tap_case cases[] = {
	CASE(selectors_choose),
	CASE(size_closes_a_file_within_a_frame),
	CASE(other_regions_are_for_multi_region_trails),
	CASE(what_two_branches_share_comes_once),
	CASE(what_was_decided_comes_after_a_new_start),
	CASE(what_is_asked_for_is_read_without_delivery),
};
TAP_MAIN(cases)
