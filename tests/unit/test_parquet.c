/* SPDX-License-Identifier: Apache-2.0 */
/* ht-test: first */
/*
 * Segments' files, written by us, read by DuckDB: records made by chance go in, and what every column holds must be what DuckDB's own
 * JSON functions find in the record's text.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "store/lake/engine.h"
#include "store/lake/shred.h"
#include "tests/sizes.h"
#include "tests/tap.h"
#include "tests/unit/recordgen.h"

static uint64_t state = 1;

static unsigned roll(unsigned n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % n;
}

/* ---- records */

static const char *const odd[] = {
	"\"\"", "\"a\"", "\"\\u00e9\\ud83d\\ude00\"", "\"x\\\"y\\\\z\\n\"", "\"\xc3\xa9\"", "12", "-7", "true", "false", "null", "[1,{\"a\":\"b\"}]",
	"{\"k\":[]}", "\"9223372036854775807\"", "\"-9223372036854775808\"", "\"92233720368547758070\"", "\"2026-02-28T12:00:00Z\"", "0", "\"true\"",
};

#define ESCAPED 3	/* the one of odd that DuckDB would write in another way, where it stands in a member's JSON */

static void odd_value(struct buf *b, bool nested)
{
	unsigned i = roll(ARRAY_SIZE(odd));

	if (roll(3))
		buf_addf(b, "\"v%u\"", roll(roll(2) ? 5 : 100000));
	else
		buf_adds(b, odd[nested && i == ESCAPED - 1 ? 0 : i]);
}

/* {"m0":..., ...}: each of the names by chance. */
static void object(struct buf *b, const char *const *names, size_t n, bool nested)
{
	const char *comma = "";

	buf_adds(b, "{");
	for (size_t i = 0; i < n; i++) {
		if (roll(2))
			continue;
		buf_addf(b, "%s\"%s\":", comma, names[i]);
		odd_value(b, nested);
		comma = ",";
	}
	buf_adds(b, "}");
}

static void map(struct buf *b, const char *name)
{
	static const char *const keys[] = { "path", "flags", "a\\\"b", "", "\xe2\x82\xac", "mode", "\\u0041" };

	buf_addf(b, ",\"%s\":", name);
	if (!roll(6))
		buf_adds(b, odd[roll(10)]);
	else
		object(b, keys, ARRAY_SIZE(keys), false);
}

static void identity(struct buf *b)
{
	static const char *const names[] = { "type", "principalId", "arn", "userName", "via", "other" };
	static const char *const issuer[] = { "type", "principalId", "arn", "accountId", "userName" };

	buf_adds(b, ",\"userIdentity\":");
	if (!roll(8)) {
		buf_adds(b, odd[roll(10)]);
		return;
	}
	object(b, names, ARRAY_SIZE(names), false);
	if (roll(2))
		return;
	b->n--;
	buf_addf(b, "%s\"sessionContext\":{\"sessionIssuer\":", b->p[b->n - 1] == '{' ? "" : ",");
	object(b, issuer, ARRAY_SIZE(issuer), false);
	buf_adds(b, ",\"webIdFederationData\":{\"federatedProvider\":\"x\"");
	map(b, "attributes");
	buf_adds(b, "}}}");
}

static void resources(struct buf *b)
{
	static const char *const names[] = { "ARN", "type", "accountId", "more" };
	unsigned n = roll(4);

	buf_adds(b, ",\"resources\":[");
	for (unsigned i = 0; i < n; i++) {
		buf_adds(b, i ? "," : "");
		object(b, names, ARRAY_SIZE(names), false);
	}
	buf_adds(b, "]");
}

static void record(struct buf *b, unsigned i)
{
	static const char *const names[] = { "eventVersion", "eventSource", "eventName", "awsRegion", "userAgent", "errorCode", "requestID",
					     "readOnly", "managementEvent", "eventType", "eventCategory" };
	static const char *const process[] = { "pid", "startTime", "command", "cgroup", "loginuid" };

	buf_reset(b);
	buf_addf(b, "{\"eventID\":\"%08x-1111-8000-%04x-000000000000\",\"eventTime\":\"2026-11-29T12:%02u:%02uZ\"", i * 2654435761u, i & 0xffff, i / 60 % 60, i % 60);
	for (size_t k = 0; k < ARRAY_SIZE(names); k++)
		if (roll(3)) {
			buf_addf(b, ",\"%s\":", names[k]);
			odd_value(b, false);
		}
	identity(b);
	map(b, "requestParameters");
	if (roll(3) == 0)
		map(b, "serviceEventDetails");
	if (roll(2))
		resources(b);
	buf_adds(b, ",\"additionalEventData\":{\"process\":");
	if (roll(9))
		object(b, process, ARRAY_SIZE(process), true);
	else
		buf_adds(b, odd[roll(10)]);
	buf_adds(b, ",\"eventTimeNanos\":");
	odd_value(b, false);
	buf_adds(b, "}}");
}

/* ---- writing and asking */

static char path[64];
static duckdb_database db;
static duckdb_connection connection;

static bool engine(void)
{
	static const char *const settings[] = { "memory_limit", "1GB", NULL };
	char library[4096], why[DUCK_WHY_MAX];

	if (connection)
		return true;
	snprintf(library, sizeof(library), "%s/duckdb/libduckdb.so", getenv("HT_BUILD") ? getenv("HT_BUILD") : "build");
	schema_init();
	if (duck_load(library, why) < 0 || duck_open(settings, &db, why) < 0 || duck.connect(db, &connection) != DuckDBSuccess) {
		printf("# %s\n", why);
		return false;
	}
	return true;
}

typedef void (*make_fn)(struct buf *b, unsigned i);

/* Each under a name of its own: the reader remembers what it read of a file. */
static int new_file(void)
{
	static unsigned number;

	unlink(path);
	snprintf(path, sizeof(path), "/tmp/ht-parquet-%d-%u", (int)getpid(), number++);
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static enum { HASTY, THOROUGH, BY_TURNS } effort = BY_TURNS;

static int write_file(make_fn make, unsigned n)
{
	_cleanup_close_ int fd = new_file();
	_cleanup_(parquet_free) struct parquet *p = NULL;
	_cleanup_(shred_free) struct shred *s = NULL;
	_cleanup_buf_ struct buf b = { 0 };
	uint64_t rows = 0;
	int r = fd < 0 ? -1 : parquet_new(fd, &p);

	if (!r)
		r = shred_new(p, &s);
	for (unsigned i = 0; i < n && !r; i++) {
		make(&b, i);
		parquet_thorough(p, effort == THOROUGH || (effort == BY_TURNS && i / 1000 % 2));
		r = shred_row(s, &(struct scan_record){ .json = { (const char *)b.p, b.n }, .received = i * 1000000ll, .position = (int64_t)i << 20, .number = i });
	}
	if (!r)
		r = shred_end(s, &rows);
	return r ? r : rows == n ? 0 : -1;
}

/* The first n values of the first row of an answer, as numbers; false, having said why: there is none. */
static bool answer(const char *sql, int64_t *ret_v, unsigned n)
{
	duckdb_result result;
	duckdb_data_chunk chunk = NULL;
	bool there = false;

	if (duck.query(connection, sql, &result) != DuckDBSuccess)
		printf("# %s: %s\n", sql, duck.result_error(&result));
	else
		chunk = duck.fetch_chunk(result);
	if (chunk && duck.data_chunk_get_size(chunk)) {
		there = true;
		for (unsigned i = 0; i < n; i++)
			ret_v[i] = *(int64_t *)duck.vector_get_data(duck.data_chunk_get_vector(chunk, i));
	}
	if (chunk)
		duck.destroy_data_chunk(&chunk);
	duck.destroy_result(&result);
	return there;
}

/* The first value of what `SELECT what FROM file` gives, as a number; -1: none. */
static int64_t ask(const char *what, const char *rest)
{
	_cleanup_buf_ struct buf sql = { 0 };
	int64_t v;

	buf_addf(&sql, "SELECT CAST(%s AS BIGINT) FROM read_parquet('%s') %s", what, path, rest);
	return answer(buf_text(&sql), &v, 1) ? v : -1;
}

/* What columns must hold by their rows' JSON. Asked of a file at once, and each row's JSON is parsed once for all of them. */
struct claims {
	struct buf wrong;	/* how many rows hold something else, a column each */
	struct buf paths;	/* of what they must hold: texts[1], texts[2], ... */
	unsigned n, npaths;
	char columns[160][160];
};

static void claims_free(struct claims *c)
{
	buf_free(&c->wrong);
	buf_free(&c->paths);
}

static void claim(struct claims *c, const char *column, const char *wanted)
{
	must(c->n < ARRAY_SIZE(c->columns));
	buf_addf(&c->wrong, "%scount(*) FILTER (%s IS DISTINCT FROM %s)", c->n ? ", " : "", column, wanted);
	snprintf(c->columns[c->n++], sizeof(c->columns[0]), "%s", column);
}

/* format: where the text at this path of the JSON is to stand in what is wanted, as a number. */
static void claim_text(struct claims *c, const char *column, const char *json, const char *format)
{
	_cleanup_buf_ struct buf wanted = { 0 };
	const char *mark;

	buf_addf(&c->paths, "%s'$.%s'", c->npaths++ ? ", " : "", json);
	for (; (mark = strstr(format, "TEXT")); format = mark + 4)
		buf_addf(&wanted, "%.*stexts[%u]", (int)(mark - format), format, c->npaths);
	buf_adds(&wanted, format);
	claim(c, column, buf_text(&wanted));
}

/* The file has so many rows, and none of them holds anything else. */
static void check(struct claims *c, unsigned rows)
{
	_cleanup_buf_ struct buf sql = { 0 };
	int64_t wrong[ARRAY_SIZE(c->columns) + 1];

	buf_addf(&sql, "SELECT %s, count(*) FROM (SELECT *, json_extract_string(eventjson, [%s]) AS texts FROM read_parquet('%s'))", buf_text(&c->wrong),
		 c->npaths ? buf_text(&c->paths) : "'$'", path);
	must(c->n && answer(buf_text(&sql), wrong, c->n + 1));
	ok_int(wrong[c->n], rows);
	for (unsigned i = 0; i < c->n; i++) {
		if (wrong[i])
			printf("# %s: %lld rows\n", c->columns[i], (long long)wrong[i]);
		ok_int(wrong[i], 0);
	}
	buf_reset(&c->wrong);
	buf_reset(&c->paths);
	c->n = c->npaths = 0;
}

static void claim_fields(struct claims *c, const struct lake_field *f, unsigned n, const char *prefix)
{
	static const char *const scalars[] = {
		[LAKE_TEXT] = "TEXT",
		[LAKE_INT] = "CASE WHEN regexp_full_match(TEXT, '-?[0-9]+') THEN TRY_CAST(TEXT AS BIGINT) END",
		[LAKE_BOOL] = "CASE TEXT WHEN 'true' THEN true WHEN 'false' THEN false END",
		[LAKE_TIME] = "try_strptime(TEXT, '%Y-%m-%dT%H:%M:%SZ')",
	};

	for (unsigned i = 0; i < n; i++, f++) {
		_cleanup_buf_ struct buf name = { 0 }, want = { 0 };
		const char *json = f->path;

		buf_addf(&name, "%s%s", prefix, f->name);
		if (f->type == LAKE_STRUCT) {
			buf_addf(&want, "(json_extract(eventjson, '$.%s') IS NULL OR json_type(eventjson, '$.%s') = 'NULL')", json, json);
			buf_adds(&name, " IS NULL");
			claim(c, buf_text(&name), buf_text(&want));
			name.n -= strlen(" IS NULL");
			buf_adds(&name, ".");
			claim_fields(c, f->fields, f->nfields, buf_text(&name));
		} else if (json && f->type == LAKE_MAP) {
			buf_addf(&want, "CASE WHEN json_type(eventjson, '$.%s') = 'OBJECT' THEN "
				 "CAST(json_extract(eventjson, '$.%s') AS MAP(VARCHAR, VARCHAR)) END", json, json);
			claim(c, buf_text(&name), buf_text(&want));
		} else if (json && f->type != LAKE_RESOURCES) {
			claim_text(c, buf_text(&name), json, scalars[f->type]);
		}
	}
}

static void every_column_is_what_the_record_says(void)
{
	static const char *const members[][2] = { { "arn", "ARN" }, { "type", "type" }, { "accountid", "accountId" } };
	_cleanup_(claims_free) struct claims c = { 0 };
	unsigned n = size("parquet.records");

	must(engine());
	must(write_file(record, n) == 0);
	claim_fields(&c, lake_columns, lake_ncolumns, "");
	for (unsigned i = 0; i < ARRAY_SIZE(members); i++) {	/* [*] leaves out those that have none: so do we here */
		char have[128], want[256];

		snprintf(have, sizeof(have), "list_filter(list_transform(resources, lambda r: r.%s), lambda x: x IS NOT NULL)", members[i][0]);
		snprintf(want, sizeof(want), "CASE WHEN json_exists(eventjson, '$.resources') THEN list_filter(json_extract_string(eventjson, "
			 "'$.resources[*].%s'), lambda x: x IS NOT NULL) END", members[i][1]);
		claim(&c, have, want);
	}
	claim(&c, "len(resources)", "json_array_length(eventjson, '$.resources')");
	claim(&c, "receivedtime", "make_timestamp(journalrecord * 1000)");
	claim(&c, "journalposition", "journalrecord << 20");
	check(&c, n);
	ok_int(ask("count(DISTINCT journalrecord)", ""), n);
}

static int64_t size_with(int how)
{
	struct stat st;

	effort = how;
	ok_int(write_file(record, size("parquet.records")), 0);
	effort = BY_TURNS;
	return stat(path, &st) < 0 ? -1 : (int64_t)st.st_size;
}

static void with_time_files_are_smaller(void)
{
	int64_t hasty = size_with(HASTY), thorough = size_with(THOROUGH);

	printf("# %lld bytes, %lld in a hurry\n", (long long)thorough, (long long)hasty);
	ok(thorough > 0 && thorough < hasty);
}

/* ---- many rows, long texts, all that a number can be */

static void plain_record(struct buf *b, unsigned i)
{
	buf_reset(b);
	buf_addf(b, "{\"eventName\":\"n%u\",\"eventID\":\"%u\",\"userIdentity\":{\"userName\":\"u%u\"},\"awsRegion\":\"r\"}", i % 3, i, i / 100);
}

static void rows_go_into_groups_that_can_be_passed_over(void)
{
	char what[256];

	must(engine());
	must(write_file(plain_record, 50000) == 0);
	ok_int(ask("count(*)", ""), 50000);
	ok_int(ask("sum(CAST(eventid AS BIGINT) - journalrecord)", ""), 0);
	ok_int(ask("count(*)", "WHERE useridentity.username = 'u499' AND eventname = 'n1'"), 34);
	ok_int(ask("count(*)", "WHERE eventid = '31234'"), 1);
	ok_int(ask("count(*)", "WHERE journalrecord BETWEEN 30000 AND 30999"), 1000);
	snprintf(what, sizeof(what), "(SELECT count(*) FROM parquet_metadata('%s') WHERE path_in_schema = 'journalrecord' AND stats_max_value::BIGINT "
		 "BETWEEN 20479 AND 49999 AND stats_min_value::BIGINT BETWEEN 0 AND 40960)", path);
	ok_int(ask(what, "LIMIT 1"), 3);
	snprintf(what, sizeof(what), "(SELECT max(row_group_num_rows) FROM parquet_metadata('%s'))", path);
	ok_int(ask(what, "LIMIT 1"), 20480);
}

/* A dictionary of more than 65,536 texts. */
static void member_record(struct buf *b, unsigned i)
{
	buf_reset(b);
	buf_addf(b, "{\"requestParameters\":{\"a\":\"%u\",\"b\":\"%u\",\"c\":\"%u\",\"d\":\"%u\",\"e\":\"x\",\"f\":\"y\"}}", 4 * i, 4 * i + 1,
		 4 * i + 2, 4 * i + 3);
}

static void large_dictionaries_come_back(void)
{
	_cleanup_(claims_free) struct claims c = { 0 };
	char what[256];

	must(engine());
	must(write_file(member_record, 20000) == 0);
	claim(&c, "requestparameters", "CAST(json_extract(eventjson, '$.requestParameters') AS MAP(VARCHAR, VARCHAR))");
	check(&c, 20000);
	snprintf(what, sizeof(what), "(SELECT count(*) FROM parquet_metadata('%s') WHERE path_in_schema = 'requestparameters, key_value, value' "
		 "AND encodings LIKE '%%DICTIONARY%%')", path);
	ok_int(ask(what, "LIMIT 1"), 1);
}

static void long_record(struct buf *b, unsigned i)
{
	buf_reset(b);
	buf_adds(b, "{\"userAgent\":\"");
	for (unsigned left = i % 2 ? 10 : 300 * 1024 + i, n; left; left -= n) {
		n = left < 26 ? left : 26;
		buf_add(b, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz" + i % 26, n);
	}
	buf_adds(b, "\",\"userIdentity\":{\"arn\":\"");
	for (unsigned left = i % 5 ? 1 : 100 * 1024; left; left--)
		buf_add(b, "xxx", 3);
	buf_adds(b, "\",\"userName\":\"\\u0000\"}}");
}

static void long_texts_and_zero_bytes_come_back(void)
{
	_cleanup_(claims_free) struct claims c = { 0 };
	unsigned n = size("parquet.long");
	char what[256];

	must(engine());
	must(write_file(long_record, n) == 0);
	claim_text(&c, "useragent", "userAgent", "TEXT");
	claim_text(&c, "useridentity.arn", "userIdentity.arn", "TEXT");
	claim(&c, "useridentity.username", "chr(0)");
	check(&c, n);
	ok_int(ask("sum(length(useragent))", ""), n / 2 * 10ll + n / 2 * 300ll * 1024 + n / 2 * (n - 2ll) / 2);
	snprintf(what, sizeof(what), "(SELECT count(DISTINCT row_group_id) FROM parquet_metadata('%s'))", path);
	ok(ask(what, "LIMIT 1") > 1);	/* not for their number, but for how long they are */
}

static void number_record(struct buf *b, unsigned i)
{
	static const char *const v[] = { "9223372036854775807", "-9223372036854775807", "0", "1", "-1" };

	buf_reset(b);
	buf_addf(b, "{\"additionalEventData\":{\"eventTimeNanos\":\"%s\",\"process\":{\"pid\":%u}},\"readOnly\":%s}", v[i % 5], i * i, i % 3 ? "true" : "false");
}

static void numbers_of_any_distance_come_back(void)
{
	_cleanup_(claims_free) struct claims c = { 0 };

	must(engine());
	for (unsigned n = 0; n < 300; n += n < 36 ? 1 : 37) {
		must(write_file(number_record, n) == 0);
		claim_text(&c, "eventtimenanos", "additionalEventData.eventTimeNanos", "TRY_CAST(TEXT AS BIGINT)");
		claim(&c, "process.pid", "journalrecord * journalrecord");
		claim(&c, "readonly", "journalrecord % 3 <> 0");
		check(&c, n);
	}
	unlink(path);
	duck_disconnect(&connection);
	duck_close(&db);
}

/* ---- what is remembered of parts */

#define CHANGES 3000u
static const char whole[] =
	"{\"eventVersion\":\"1.11\",\"eventTime\":\"2026-11-15T12:20:30Z\",\"eventSource\":\"file.linux\",\"eventName\":\"openat\",\"awsRegion\":\"local\","
	"\"sourceIPAddress\":\"10.0.0.1\",\"userAgent\":\"/usr/bin/a\\\"b\",\"userIdentity\":{\"type\":\"AssumedRole\",\"principalId\":\"4c1f:0\",\"arn\":\"arn:x\","
	"\"accountId\":\"000000000000\",\"userName\":\"u\",\"sessionContext\":{\"sessionIssuer\":{\"type\":\"Role\",\"userName\":\"root\"},\"sourceIdentity\":\"al\","
	"\"attributes\":{\"creationDate\":\"2026-11-15T10:12:11Z\",\"mfaAuthenticated\":\"false\"}},\"via\":\"sudo\"},\"requestParameters\":{\"path\":\"/e\"},"
	"\"readOnly\":true,\"eventType\":\"HostApiCall\",\"apiVersion\":\"6.18\",\"managementEvent\":false,\"eventCategory\":\"Data\",\"eventID\":\"77\","
	"\"recipientAccountId\":\"000000000001\",\"additionalEventData\":{\"eventTimeNanos\":\"1795342001123456711\",\"process\":{\"pid\":4711,\"startTime\":\"77\","
	"\"parent\":{\"pid\":1,\"startTime\":\"5\"},\"executable\":{\"path\":\"/usr/bin/cat\"},\"command\":\"cat\",\"uids\":{\"uid\":10,\"euid\":11},\"loginuid\":1000},"
	"\"hostname\":\"lab\",\"hostId\":\"4c1f\"},\"tlsDetails\":{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":\"c\"}}";

/* Where the how many-th byte lies that can be another without making it no JSON: of names, texts and numbers. -1: there are no more. */
static int changeable(unsigned number)
{
	bool quoted = false;

	for (size_t i = 0; i < sizeof(whole) - 1; i++) {
		char c = whole[i];

		if (c == '\\') {
			i++;
			continue;
		}
		quoted ^= c == '"';
		if ((c >= '0' && c <= '8') || (quoted && ((c >= 'a' && c < 'z') || (c >= 'A' && c < 'Z'))))
			if (!number--)
				return (int)i;
	}
	return -1;
}

static void add_part(struct scan_record *x, unsigned *n, const char *from, const char *last)
{
	const char *p = strstr(whole, from), *end = strstr(p, last) + strlen(last);

	x->parts[(*n)++] = (struct walk_part){ x->json.p + (p - whole), (size_t)(end - p), 7 };
}

/* As the reader gives them, but that all hashes are the same. */
static void add_parts(struct scan_record *x)
{
	unsigned n = 0;

	add_part(x, &n, "\"eventVersion", "30Z\"");
	add_part(x, &n, "\"eventSource", "\"local\"");
	add_part(x, &n, "\"sourceIP", "\"b\"");
	add_part(x, &n, "\"userIdentity", "sudo\"}");
	add_part(x, &n, "\"readOnly", "\"Data\"");
	add_part(x, &n, "\"recipient", "001\"");
	add_part(x, &n, "\"process", "1000}");
	add_part(x, &n, "\"hostname", "4c1f\"");
	x->parts[n].p = NULL;
}

/* Each byte of each member another one, in turns with the record as it is: nothing of one is seen in the other. */
static void what_differs_in_a_byte_is_another(void)
{
	_cleanup_close_ int fd = new_file();
	_cleanup_(parquet_free) struct parquet *p = NULL;
	_cleanup_(shred_free) struct shred *s = NULL;
	_cleanup_(claims_free) struct claims c = { 0 };
	uint64_t rows = 0;
	unsigned n = 0;

	must(engine());
	must(fd >= 0 && parquet_new(fd, &p) == 0 && shred_new(p, &s) == 0);
	for (unsigned i = 0; i < CHANGES; i++) {
		struct scan_record x = { .number = i };
		char text[sizeof(whole)];
		int at = changeable(i / 2);

		if (at < 0)
			break;
		memcpy(text, whole, sizeof(whole));
		if (i % 2)
			text[at]++;
		x.json = (struct piece){ text, sizeof(whole) - 1 };
		if (i / 2 % 5)
			add_parts(&x);
		must(shred_row(s, &x) == 0);
		n++;
	}
	must(n < CHANGES && n > 1000);
	must(shred_end(s, &rows) == 0);
	ok_int(rows, n);
	ok_int(ask("count(DISTINCT eventjson)", ""), n / 2 + 1);
	claim_fields(&c, lake_columns, lake_ncolumns, "");
	check(&c, n);
}

static void write_batches(bool with_parts)
{
	static struct gen_shapes shapes;
	_cleanup_close_ int fd = new_file();
	_cleanup_(parquet_free) struct parquet *p = NULL;
	_cleanup_(shred_free) struct shred *s = NULL;
	_cleanup_(batch_free) struct batch *b = NULL;
	_cleanup_buf_ struct buf json = { 0 };
	uint64_t rows;

	must(fd >= 0 && parquet_new(fd, &p) == 0 && shred_new(p, &s) == 0 && batch_new(&b) == 0);
	for (uint64_t seed = 1; seed <= size("parquet.batches"); seed++) {
		struct record_frame f = { .wall_offset = 1795342000123456789 };
		struct record_parts parts;
		struct reader *r = NULL;
		const uint8_t *bytes;
		const char *why;
		size_t n;

		must(gen_batch(seed, b, &shapes, 50) == 0 && batch_finish(b, &bytes, &n) == 0);
		f.first_time = batch_first_time(b);
		must(reader_open(bytes, n, &f, &r, &why) == 0);
		for (unsigned i = 0; i < reader_count(r); i++) {
			struct scan_record x = { .number = i };

			buf_reset(&json);
			must(reader_json_parts(r, i, &json, &parts) == 0);
			scan_show(&x, &json, &parts);
			if (!with_parts)
				x.parts[0].p = NULL;
			must(shred_row(s, &x) == 0);
		}
		reader_free(&r);
	}
	ok_int(shred_end(s, &rows), 0);
}

/* The same bytes with the reader's parts and without. */
static void parts_change_nothing(void)
{
	_cleanup_buf_ struct buf with = { 0 }, without = { 0 };

	schema_init();
	write_batches(true);
	must(fsx_read(path, 1u << 30, &with) == 0);
	write_batches(false);
	must(fsx_read(path, 1u << 30, &without) == 0);
	ok(with.n > 50000 && with.n == without.n && !memcmp(with.p, without.p, with.n));
}

int main(void)
{
	static const struct tap_case cases[] = {
		CASE(every_column_is_what_the_record_says),
		CASE(with_time_files_are_smaller),
		CASE(rows_go_into_groups_that_can_be_passed_over),
		CASE(large_dictionaries_come_back),
		CASE(long_texts_and_zero_bytes_come_back),
		CASE(what_differs_in_a_byte_is_another),
		CASE(parts_change_nothing),
		CASE(numbers_of_any_distance_come_back),
	};

	return tap_run(cases, ARRAY_SIZE(cases));
}
