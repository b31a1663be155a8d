/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storekit - journals made beforehand, for the store's tests and figures (tests/helpers/storekit.h says what is in them).
 *
 *   storekit fill DIR COUNT BASE-SECONDS STEP-NS PER-FRAME    appends to DIR/journal
 *   storekit aged DIR COUNT BASE-SECONDS STEP-NS PER-FRAME    likewise, and each frame came when its last record happened
 *   storekit odd DIR COUNT SEED                               appends records made by chance (below)
 *   storekit samples DIR                                      appends calls of awssamples.h
 *   storekit frames KEY HOST-ID COUNT BASE-SECONDS STEP-NS PER-FRAME SEED   frames on standard output, each behind its length (u32),
 *                                                             signed by KEY; SEED 0: as fill has them, else by chance
 *   storekit index DIR                                        indexes DIR/journal into DIR/index and says how fast; CPU time with the hash directories
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "awssamples.h"
#include "lib/clock.h"
#include "storekit.h"
#include "store/tailer.h"

static void must(const char *what, int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "storekit: %s: %s\n", what, strerror(-r));
	exit(1);
}

static struct journal *open_journal(const char *dir)
{
	struct journal *j;
	char path[4096];

	snprintf(path, sizeof(path), "%s/journal", dir);
	must(path, journal_open(path, getenv("KIT_SEGMENT") ? (uint32_t)strtoul(getenv("KIT_SEGMENT"), NULL, 10) : 0, NULL, NULL, &j));
	return j;
}

static int fill(char **argv, bool aged)
{
	uint64_t count = strtoull(argv[1], NULL, 10), per = strtoull(argv[4], NULL, 10);
	int64_t base = (int64_t)(strtod(argv[2], NULL) * 1e9), step = strtoll(argv[3], NULL, 10);
	struct journal *j = open_journal(argv[0]);
	struct kit k;
	char key[4096], stream[33];

	snprintf(key, sizeof(key), "%s/kit-%d.key", argv[0], (int)getpid());
	must("kit", kit_init(&k, key, "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b", base, step));
	for (uint64_t i = 0; i < count; i += per) {
		unsigned n = (unsigned)(count - i < per ? count - i : per);

		must("append", kit_append(&k, j, i, n, aged ? base + (int64_t)(i + n - 1) * step : clock_wall(), 0));
	}
	must("sync", journal_sync(j));
	hex_text(k.stream, 16, stream);
	printf("%s %llu\n", stream, (unsigned long long)journal_bytes(j));
	kit_free(&k);
	journal_free(&j);
	return 0;
}

/* ---- odd records: times that repeat, old and future ones; names of any bytes and lengths; values shared by chance */

static uint64_t state;

static unsigned roll(unsigned n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % n;
}

static size_t odd_path(char ret[4096])
{
	static const char *const plain[] = {
		"/a_b", "/a,b", "/a b", "/\"quoted\"", "/back\\slash", "/\xc3\xa9", "/\xff\xfe", "/cut\xc3", "/\xef\xbf\xbd", "/\xef\xbf\xbd" "ff",
		"/new\nline", "/\x01", " ", "/%41", "/\\u0041", "/\xed\xa0\x80", "/\xf0\x9f\x98\x80",
	};
	size_t n;

	if (roll(6)) {
		strcpy(ret, plain[roll(ARRAY_SIZE(plain))]);
		return strlen(ret);
	}
	n = 1990 + roll(20);		/* around the longest that can be asked for */
	memset(ret, 'x', n);
	return n;
}

static int64_t odd_time(int64_t now)
{
	const int64_t day = 86400 * (int64_t)NS_PER_SEC;

	switch (roll(8)) {
	case 0:
		return now - 100 * day;
	case 1:
		return now + day;
	case 2:
		return now / (int64_t)NS_PER_SEC * (int64_t)NS_PER_SEC - 1;
	default:
		return now - (int64_t)roll(5) * (int64_t)NS_PER_SEC;
	}
}

static int odd_record(struct kit *k, uint64_t i, int64_t now)
{
	const struct shape *shape = &kit_shapes[roll(KIT_SHAPES)];
	int r = kit_identity(k, roll(KIT_USERS));
	struct record_head head = { .ring_class = 2, .seq = i, .time = (uint64_t)(odd_time(now) - KIT_WALL_OFFSET) };
	char path[4096];

	if (r < 0)
		return r;
	head.identity = (uint32_t)r;
	if (!roll(4))
		head.access_key = (struct str){ "AK_IA", 5 };
	r = batch_begin(k->batch, shape, &head);
	if (r < 0)
		return r;
	if (shape->fields == kit_file)
		batch_string(k->batch, 0, path, odd_path(path));
	else
		batch_int(k->batch, 0, (int64_t)i);
	return batch_end(k->batch);
}

static int cmd_odd(char **argv)
{
	uint64_t count = strtoull(argv[1], NULL, 10), i = 0;
	struct journal *j = open_journal(argv[0]);
	struct kit k;
	char key[4096];
	int64_t now = clock_wall() - 60 * (int64_t)NS_PER_SEC;

	state = strtoull(argv[2], NULL, 10);
	snprintf(key, sizeof(key), "%s/kit-%d.key", argv[0], (int)getpid());
	must("kit", kit_init(&k, key, "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b", 0, 0));
	k.record = odd_record;
	k.now = now;
	while (i < count) {
		unsigned n = 1 + roll(40);

		must("append", kit_append(&k, j, i, n, clock_wall(), 0));
		i += n;
	}
	must("sync", journal_sync(j));
	kit_free(&k);
	journal_free(&j);
	return 0;
}

static int samples(char **argv)
{
	struct journal *j = open_journal(argv[0]);
	struct kit k;
	char key[4096];

	snprintf(key, sizeof(key), "%s/kit-%d.key", argv[0], (int)getpid());
	must("kit", kit_init(&k, key, "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b", 0, 0));
	k.record = awssample_record;
	k.now = clock_wall() - 60 * (int64_t)NS_PER_SEC;
	must("append", kit_append(&k, j, 0, ARRAY_SIZE(awssamples), clock_wall(), 0));
	must("sync", journal_sync(j));
	kit_free(&k);
	journal_free(&j);
	return 0;
}

static int cmd_index(char **argv)
{
	struct store st = { .region = "local", .account = "000000000000" };
	struct tailer_counts counts = { 0 };
	struct index_stats stats;
	struct rusage ru;
	char path[4096];
	uint64_t start;
	double seconds, cpu;

	snprintf(path, sizeof(path), "%s/index", argv[0]);
	st.journal = open_journal(argv[0]);
	must("index", index_open(path, journal_end(st.journal), 0, NULL, NULL, &st.index));
	must("cache", decoded_cache_new(64u << 20, &st.decoded));
	must("tailer", tailer_new(&st, argv[0], NULL, NULL, &st.tailer));
	start = clock_boot();
	must("start", tailer_start(st.tailer));
	while (!counts.caught_up) {
		usleep(10000);
		tailer_counts(st.tailer, &counts);
	}
	seconds = (double)(clock_boot() - start) / 1e9;
	while (index_stats(st.index, &stats), stats.gathering)
		usleep(10000);
	tailer_stop(st.tailer);
	index_stats(st.index, &stats);
	getrusage(RUSAGE_SELF, &ru);
	cpu = (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec + (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
	printf("records %llu seconds %.3f rate %.0f cpu %.3f rate_cpu %.0f blocks %llu bytes %llu directories %llu bytes %llu rss_kb %ld\n",
	       (unsigned long long)counts.records, seconds, (double)counts.records / seconds, cpu, (double)counts.records / cpu,
	       (unsigned long long)stats.blocks, (unsigned long long)stats.block_bytes, (unsigned long long)stats.directories,
	       (unsigned long long)stats.directory_bytes, ru.ru_maxrss);
	tailer_free(&st.tailer);
	index_free(&st.index);
	decoded_cache_free(&st.decoded);
	journal_free(&st.journal);
	return 0;
}

static int frames(char **argv)
{
	uint64_t count = strtoull(argv[2], NULL, 10), per = strtoull(argv[5], NULL, 10);
	char key[] = "/tmp/ht-kit-XXXXXX", path[64];
	struct kit k;

	must("folder", mkdtemp(key) ? 0 : -errno);
	snprintf(path, sizeof(path), "%s/key", key);
	must("kit", kit_init(&k, path, argv[1], (int64_t)(strtod(argv[3], NULL) * 1e9), strtoll(argv[4], NULL, 10)));
	unlink(path);
	rmdir(key);
	sign_key_free(&k.key);
	must(argv[0], sign_key_load(argv[0], &k.key));
	state = strtoull(argv[6], NULL, 10);
	k.record = state ? odd_record : NULL;
	k.now = clock_wall();
	for (uint64_t i = 0; i < count; i += per) {
		uint32_t n;

		must("frame", kit_frame(&k, i, (unsigned)(count - i < per ? count - i : per)));
		n = (uint32_t)k.frame.n;
		if (fwrite(&n, sizeof(n), 1, stdout) != 1 || fwrite(k.frame.p, k.frame.n, 1, stdout) != 1)
			must("output", -EIO);
	}
	kit_free(&k);
	return fflush(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "fill"))
		return fill(argv + 2, false);
	if (argc == 7 && !strcmp(argv[1], "aged"))
		return fill(argv + 2, true);
	if (argc == 5 && !strcmp(argv[1], "odd"))
		return cmd_odd(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "samples"))
		return samples(argv + 2);
	if (argc == 9 && !strcmp(argv[1], "frames"))
		return frames(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "index"))
		return cmd_index(argv + 2);
	fprintf(stderr, "usage: storekit fill|aged DIR COUNT BASE-SECONDS STEP-NS PER-FRAME | odd DIR COUNT SEED | samples DIR | index DIR | frames KEY ...\n");
	return 2;
}
