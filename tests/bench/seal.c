/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal DIR RECORDS ROUNDS: records of DIR/journal into segments' files (decoded, sorted, written; no sync), in turns with what a plain append to the
 * lake's engine takes: 25 columns of the same records, texts that are there already, as data chunks, then COPY ORDER BY to Parquet. Prints for
 * each way records per CPU second and bytes a record.
 * seal DIR RECORDS 0: our way alone, once, for profilers. HT_THOROUGH=1: as the sealer does it when nothing waits.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/clock.h"
#include "store/lake/shred.h"
#include "store/tailer.h"
#include "tests/helpers/storekit.h"

static struct store st = { .region = "local", .account = "000000000000" };
static uint64_t records;
static char ours[4096], plain[4096];

static void must(const char *what, int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "seal: %s: %s\n", what, strerror(-r));
	exit(1);
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double size_of(const char *path)
{
	struct stat s;

	return stat(path, &s) < 0 ? 0 : (double)s.st_size;
}

/* ---- the store's parts that sealing stands on */

static void open_store(const char *dir)
{
	struct tailer_counts counts = { 0 };
	char path[4096];

	snprintf(path, sizeof(path), "%s/journal", dir);
	must(path, journal_open(path, 0, NULL, NULL, &st.journal));
	snprintf(path, sizeof(path), "%s/index", dir);
	must("index", index_open(path, journal_end(st.journal), 0, NULL, NULL, &st.index));
	must("cache", decoded_cache_new(64u << 20, &st.decoded));
	must("tailer", tailer_new(&st, dir, NULL, NULL, &st.tailer));
	must("start", tailer_start(st.tailer));
	while (!counts.caught_up) {
		usleep(10000);
		tailer_counts(st.tailer, &counts);
	}
}

static struct scan *scan_open(void)
{
	struct scan_span *span = calloc(1, sizeof(*span));
	struct scan *s;
	journal_pos next;

	span->to = UINT64_MAX;
	must("scan", scan_new(&st, span, 1, &s));
	must("frames", scan_fill(s, 0, UINT64_MAX, records, false, &next));
	must("sort", scan_sort(s));
	return s;
}

static int put_row(void *ctx, const struct scan_record *x)
{
	return shred_row(ctx, x);
}

static uint64_t seal_ours(void)
{
	struct scan *scan = scan_open();
	int fd = open(ours, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct parquet *p;
	struct shred *s;
	uint64_t rows;

	must("parquet", parquet_new(fd, &p));
	parquet_thorough(p, getenv("HT_THOROUGH") != NULL);
	must("shred", shred_new(p, &s));
	must("rows", scan_each(scan, put_row, s));
	must("end", shred_end(s, &rows));
	shred_free(&s);
	parquet_free(&p);
	close(fd);
	scan_free(scan);
	return rows;
}

/* ---- a plain append */

static const char *const columns[] = {
	"eventTime", "eventID", "eventName", "eventSource", "awsRegion", "sourceIPAddress", "userAgent", "errorCode", "errorMessage", "userIdentity.type",
	"userIdentity.principalId", "userIdentity.arn", "userIdentity.accountId", "userIdentity.accessKeyId", "userIdentity.userName",
	"userIdentity.invokedBy", "recipientAccountId", "additionalEventData.hostname", "additionalEventData.hostId", "eventType", "eventCategory",
	"readOnly", "requestParameters", "responseElements", "apiVersion",
};
#define NCOLUMNS ARRAY_SIZE(columns)

static struct {
	typeof(duckdb_create_data_chunk) *create_data_chunk;
	typeof(duckdb_data_chunk_reset) *data_chunk_reset;
	typeof(duckdb_appender_create) *appender_create;
	typeof(duckdb_append_data_chunk) *append_data_chunk;
	typeof(duckdb_appender_destroy) *appender_destroy;
} more;

struct texts {
	struct buf bytes;
	struct {
		size_t at, n;
	} *v;
	size_t n;
};

static int slot_at(const char *path)
{
	const struct schema_node *at = schema_nodes();

	while (at && *path) {
		size_t n = strcspn(path, ".");
		int i = schema_child(at, path, n);

		at = i < 0 ? NULL : &schema_nodes()[i];
		path += n + (path[n] == '.');
	}
	return at ? at->slot : -1;
}

static int take_texts(void *ctx, const struct scan_record *x)
{
	struct piece slots[SCHEMA_SLOTS_MAX], s;
	struct texts *t = ctx;
	struct buf scratch = { 0 };

	walk_record(x->json.p, x->json.n, slots);
	for (unsigned i = 0; i < NCOLUMNS; i++) {
		buf_reset(&scratch);
		walk_text(slots[slot_at(columns[i])], &scratch, &s);
		t->v[t->n].at = t->bytes.n;
		t->v[t->n++].n = s.n;
		buf_add(&t->bytes, s.p, s.n);
	}
	buf_free(&scratch);
	return 0;
}

static void run(duckdb_connection c, const char *sql)
{
	char why[DUCK_WHY_MAX] = "";

	if (duck_run(c, sql, NULL, why) < 0) {
		fprintf(stderr, "seal: %s\n", why);
		exit(1);
	}
}

static void append_row(duckdb_data_chunk chunk, const struct texts *t, size_t row, uint64_t at)
{
	for (unsigned i = 0; i < NCOLUMNS; i++) {
		const char *p = (const char *)t->bytes.p + t->v[row * NCOLUMNS + i].at;
		size_t n = t->v[row * NCOLUMNS + i].n;
		duckdb_vector v = duck.data_chunk_get_vector(chunk, i);

		if (n) {
			duck.vector_assign_string_element_len(v, at, p, n);
			continue;
		}
		duck.vector_ensure_validity_writable(v);
		duck.validity_set_row_invalid(duck.vector_get_validity(v), at);
	}
}

static void append_all(duckdb_connection c, const struct texts *t)
{
	duckdb_logical_type types[NCOLUMNS];
	duckdb_data_chunk chunk;
	duckdb_appender a;
	size_t rows = t->n / NCOLUMNS, room = duck.vector_size();

	for (unsigned i = 0; i < NCOLUMNS; i++)
		types[i] = duck.create_logical_type(DUCKDB_TYPE_VARCHAR);
	chunk = more.create_data_chunk(types, NCOLUMNS);
	more.appender_create(c, NULL, "t", &a);
	for (size_t row = 0; row < rows; row += room) {
		size_t n = rows - row < room ? rows - row : room;

		more.data_chunk_reset(chunk);
		for (size_t i = 0; i < n; i++)
			append_row(chunk, t, row + i, i);
		duck.data_chunk_set_size(chunk, n);
		more.append_data_chunk(a, chunk);
	}
	more.appender_destroy(&a);
	duck.destroy_data_chunk(&chunk);
	for (unsigned i = 0; i < NCOLUMNS; i++)
		duck.destroy_logical_type(&types[i]);
}

static void seal_plain(duckdb_connection c, const struct texts *t)
{
	char sql[8192];
	int n = snprintf(sql, sizeof(sql), "CREATE OR REPLACE TABLE t (");

	for (unsigned i = 0; i < NCOLUMNS; i++)
		n += snprintf(sql + n, sizeof(sql) - (size_t)n, "%s c%u VARCHAR", i ? "," : "", i);
	snprintf(sql + n, sizeof(sql) - (size_t)n, ")");
	run(c, sql);
	append_all(c, t);
	snprintf(sql, sizeof(sql), "COPY (FROM t ORDER BY c0) TO '%s' (FORMAT parquet, COMPRESSION zstd)", plain);
	run(c, sql);
	run(c, "DROP TABLE t");
}

static void open_engine(duckdb_connection *ret_c)
{
	static const char *const settings[] = { "threads", "1", "memory_limit", "1GB", NULL };
	char library[4096], why[DUCK_WHY_MAX] = "";
	duckdb_database db;
	void *h;

	snprintf(library, sizeof(library), "%s/duckdb/libduckdb.so", getenv("HT_BUILD") ? getenv("HT_BUILD") : "build");
	must(library, duck_load(library, why));
	must("engine", duck_open(settings, &db, why));
	duck.connect(db, ret_c);
	h = dlopen(library, RTLD_NOW);
#define TAKE(name) (more.name = dlsym(h, "duckdb_" #name))
	if (!TAKE(create_data_chunk) || !TAKE(data_chunk_reset) || !TAKE(appender_create) || !TAKE(append_data_chunk) || !TAKE(appender_destroy))
		must("engine", -ENOSYS);
}

int main(int argc, char **argv)
{
	duckdb_connection c;
	struct texts t = { .n = 0 };
	struct scan *scan;
	unsigned rounds;

	if (argc != 4) {
		fprintf(stderr, "usage: seal DIR RECORDS ROUNDS\n");
		return 2;
	}
	records = strtoull(argv[2], NULL, 10);
	rounds = (unsigned)strtoul(argv[3], NULL, 10);
	snprintf(ours, sizeof(ours), "%s/ours.parquet", argv[1]);
	snprintf(plain, sizeof(plain), "%s/plain.parquet", argv[1]);
	schema_init();
	open_store(argv[1]);
	if (!rounds)
		return seal_ours() != records;
	open_engine(&c);
	scan = scan_open();
	t.v = calloc(records * NCOLUMNS, sizeof(*t.v));
	must("texts", scan_each(scan, take_texts, &t));
	scan_free(scan);
	for (unsigned i = 0; i < rounds; i++) {
		double a = cpu(), b, rows = (double)seal_ours();

		b = cpu();
		seal_plain(c, &t);
		printf("ours %.0f %.2f plain %.0f %.2f\n", rows / (b - a), size_of(ours) / rows, rows / (cpu() - b), size_of(plain) / rows);
		fflush(stdout);
	}
	return 0;
}
