/* SPDX-License-Identifier: Apache-2.0 */
/* The lake's parts that need no engine: a record's JSON walked into slots, the statement rewritten, functions, times. */
#include <errno.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "store/lake/fill.h"
#include "store/lake/manifest.h"
#include "store/lake/sandbox.h"
#include "store/lake/scan.h"
#include "tests/tap.h"

/* ---- walk */

static bool span_is(struct piece s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static int slot_of(const char *column, const char *member)
{
	for (unsigned c = 0; c < lake_ncolumns; c++) {
		const struct lake_field *f = &lake_columns[c];

		if (strcmp(f->name, column))
			continue;
		if (!member)
			return f->slot;
		for (unsigned i = 0; i < f->nfields; i++)
			if (!strcmp(f->fields[i].name, member))
				return f->fields[i].slot;
	}
	return -1;
}

static void record_goes_into_slots(void)
{
	static const char json[] = "{ \"eventName\" : \"a\\\"b{\", \"userIdentity\":{\"type\":\"Root\",\"arn\":null,\"x\":[{\"type\":1}]},"
				   "\"requestParameters\":{\"a\":{\"b\":[1,2]},\"c\":\"}\"},\"readOnly\":true,"
				   "\"additionalEventData\":{\"process\":{\"pid\":7,\"executable\":{\"path\":\"/x\"}}}}";
	struct piece slots[SCHEMA_SLOTS_MAX];

	schema_init();
	ok(walk_record(json, strlen(json), slots));
	ok(span_is(slots[slot_of("eventname", NULL)], "\"a\\\"b{\""));
	ok(span_is(slots[slot_of("useridentity", "type")], "\"Root\""));
	ok_int(slots[slot_of("useridentity", "arn")].n, 0);
	ok(span_is(slots[slot_of("requestparameters", NULL)], "{\"a\":{\"b\":[1,2]},\"c\":\"}\"}"));
	ok(span_is(slots[slot_of("readonly", NULL)], "true"));
	ok(span_is(slots[slot_of("process", "pid")], "7"));
	ok(span_is(slots[slot_of("process", "executable")], "\"/x\""));
	ok_int(slots[slot_of("errorcode", NULL)].n, 0);
}

/* Of one column alone: the same slots, and no others. */
static void a_structs_members_are_found(void)
{
	static const char json[] = "{\"eventName\":\"a\",\"userIdentity\":{\"type\":\"Root\",\"sessionContext\":{\"sourceIdentity\":\"b}\"}}}";
	struct piece all[SCHEMA_SLOTS_MAX], slots[SCHEMA_SLOTS_MAX];

	schema_init();
	must(walk_record(json, strlen(json), all));
	for (unsigned c = 0; c < lake_ncolumns; c++)
		if (lake_columns[c].type == LAKE_STRUCT && all[lake_columns[c].slot].n)
			ok(walk_inner(&lake_columns[c], all[lake_columns[c].slot], slots));
	all[slot_of("useridentity", NULL)].n = all[slot_of("eventname", NULL)].n = 0;
	for (unsigned i = 0; i < SCHEMA_SLOTS_MAX; i++)
		ok(all[i].n == slots[i].n && (!all[i].n || all[i].p == slots[i].p));
}

static struct walk_part part_of(const char *text, const char *from, const char *behind, uint64_t hash)
{
	const char *p = strstr(text, from);

	return (struct walk_part){ p, (size_t)(strstr(p, behind) - p), hash };
}

/* Parts come as one, where they begin and nowhere else; what lies beyond the text is not believed. */
static void parts_come_as_one(void)
{
	static const char json[] = "{\"a\":1,\"b\":{\"x\":[\"}\"],\"c\":2,\"d\":\"\\\"\"},\"e\":{\"f\":3},\"g\":4}";
	struct walk_part parts[] = { part_of(json, "\"a\"", ",\"b\"", 11), part_of(json, "\"c\"", "},\"e\"", 12), part_of(json, "\"f\"", "},\"g\"", 13),
				     part_of(json, "\"g\"", "}", 14), { NULL, 0, 0 } };
	struct walk w, in;
	struct piece key, value;
	uint64_t hash = 0;

	must(walk_begin(&w, (struct piece){ json, strlen(json) }));
	w.parts = parts;
	ok_int(walk_key(&w, &key, &hash), WALK_PART);
	ok(span_is(key, "\"a\":1") && hash == 11);
	ok_int(walk_key(&w, &key, &hash), 1);
	must(span_is(key, "b") && walk_enter(&w, &in));
	ok_int(walk_next(&in, &key, &value), 1);
	ok(span_is(key, "x"));
	ok_int(walk_key(&in, &key, &hash), WALK_PART);
	ok(span_is(key, "\"c\":2,\"d\":\"\\\"\"") && hash == 12);
	ok_int(walk_key(&in, &key, &hash), 0);
	walk_leave(&w, &in);
	ok_int(walk_next(&w, &key, &value), 1);		/* passes one over */
	ok(span_is(key, "e") && span_is(value, "{\"f\":3}"));
	ok_int(walk_key(&w, &key, &hash), WALK_PART);
	ok(hash == 14);
	ok_int(walk_key(&w, &key, &hash), 0);
	parts[0].n = 1000;
	must(walk_begin(&w, (struct piece){ json, strlen(json) }));
	w.parts = parts;
	ok_int(walk_key(&w, &key, &hash), 1);
	ok(span_is(key, "a"));
}

/* Members without their object, whole and torn; an object that never ends. */
static void stretches_end_where_they_end(void)
{
	static const char text[] = "\"a\":{\"b\":1},\"c\":\"d\"";
	struct piece key, value;
	struct walk w, in;
	uint64_t hash;

	for (size_t n = 0; n <= strlen(text); n++) {
		_cleanup_free_ char *copy = malloc(n + 1);
		unsigned members = 0;
		int r;

		must(copy != NULL);
		memcpy(copy, text, n);
		walk_stretch(&w, (struct piece){ copy, n });
		while ((r = walk_next(&w, &key, &value)) > 0)
			members++;
		ok_int(members, n == strlen(text) ? 2 : n >= strlen("\"a\":{\"b\":1}") ? 1 : 0);
		ok_int(r, n == 0 || n == strlen("\"a\":{\"b\":1}") || n == strlen(text) ? 0 : -1);
		walk_stretch(&w, (struct piece){ copy, n });
		if (walk_key(&w, &key, &hash) == 1 && walk_enter(&w, &in)) {
			while (walk_next(&in, &key, &value) > 0)
				;
			walk_leave(&w, &in);
			ok(w.p <= w.end);
			ok_int(w.p == copy + strlen("\"a\":{\"b\":1}"), n >= strlen("\"a\":{\"b\":1}"));
		}
	}
}

/* Every prefix of a record, and nonsense, ends within its bounds (ASan says so) and is told. */
static void torn_text_is_told(void)
{
	static const char json[] = "{\"eventName\":\"a\\\\\",\"userIdentity\":{\"type\":\"Root\"},\"resources\":[{\"ARN\":\"x\"}]}";
	static const char *const bad[] = { "", "{", "[1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{a:1}", "\"x\"", "{\"a\":\"\\\"}" };
	struct piece slots[SCHEMA_SLOTS_MAX];

	schema_init();
	for (size_t n = 0; n < strlen(json); n++) {
		_cleanup_free_ char *copy = malloc(n + 1);

		must(copy != NULL);
		memcpy(copy, json, n);
		ok(!walk_record(copy, n, slots));
	}
	ok(walk_record(json, strlen(json), slots));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!walk_record(bad[i], strlen(bad[i]), slots));
}

static void texts_lose_their_escapes(void)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "\"plain\"", "plain" }, { "\"\"", "" }, { "12", "12" }, { "{\"a\":1}", "{\"a\":1}" },
		{ "\"a\\n\\t\\\\\\\"\\/b\"", "a\n\t\\\"/b" }, { "\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac" },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" }, { "\"\\ud83d!\"", "\xef\xbf\xbd!" }, { "\"\\ude00\"", "\xef\xbf\xbd" },
	};
	_cleanup_buf_ struct buf scratch = { 0 };
	struct piece s;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		buf_reset(&scratch);
		ok_int(walk_text((struct piece){ cases[i].in, strlen(cases[i].in) }, &scratch, &s), 0);
		if (!span_is(s, cases[i].out))
			printf("# %s\n", cases[i].in);
		ok(span_is(s, cases[i].out));
	}
}

static void times_are_read(void)
{
	int64_t us = 0;

	ok(fill_time((struct piece){ "1970-01-01T00:00:00Z", 20 }, &us));
	ok_int(us, 0);
	ok(fill_time((struct piece){ "2000-02-29T23:59:59Z", 20 }, &us));
	ok_int(us, 951868799000000);
	ok(fill_time((struct piece){ "1969-12-31T23:59:59Z", 20 }, &us));
	ok_int(us, -1000000);
	ok(!fill_time((struct piece){ "2000-13-01T00:00:00Z", 20 }, &us));
	ok(!fill_time((struct piece){ "2000-01-01 00:00:00Z", 20 }, &us));
	ok(!fill_time((struct piece){ "2000-01-01T00:00:0", 18 }, &us));
}

/* ---- the statement */

static void statements_are_rewritten(void)
{
	static const struct {
		const char *in, *out;	/* NULL: refused */
	} cases[] = {
		{ "SELECT 1 FROM 2A8f2138-0caa-46c8-a194-0123456789ab ; ", "SELECT 1 FROM \"2a8f2138-0caa-46c8-a194-0123456789ab\"" },
		{ "SELECT 1 FROM 2a8f2138-0caa-46c8-a194-0123456789ab AS a", "SELECT 1 FROM \"2a8f2138-0caa-46c8-a194-0123456789ab\" AS a" },
		{ "'2a8f2138-0caa-46c8-a194-0123456789ab'", "'2a8f2138-0caa-46c8-a194-0123456789ab'" },
		{ "x2a8f2138-0caa-46c8-a194-0123456789ab", "x2a8f2138-0caa-46c8-a194-0123456789ab" },
		{ "a = true and b <> FALSE or c is true", "a = 'true' and b <> 'false' or c is true" },
		{ "a=true", "a='true'" }, { "a != false", "a != 'false'" }, { "a -- b\n+ /* ' */ c", "a  \n+   c" },
		{ "'it''s -- no' \"a\"\"b\"", "'it''s -- no' \"a\"\"b\"" }, { "truex = truey", "truex = truey" },
		{ "date_format(t, '%Y %i:%s %M %%')", "date_format(t, '%Y %M:%S %B %%')" },
		{ "f('%i', date_parse(g(x), '%i'), '%i')", "f('%i', date_parse(g(x), '%M'), '%i')" },
		{ "date_format(t, concat('%h', '%i'))", "date_format(t, concat('%I', '%M'))" },
		{ "transform(a, x -> x), transform + approx_percentile (b, 0.5)", "list_transform(a, x -> x), transform + approx_quantile (b, 0.5)" },
		{ "CAST(a AS varchar) || try_cast(f(b) as VARCHAR )", "text(a ) || try_text(f(b) )" },
		{ "cast(a AS varchar(5)), cast(a AS json), cast(x) AS varchar", "cast(a AS varchar(5)), cast(a AS json), cast(x) AS varchar" },
		{ "CAST(CAST(a AS varchar) AS varchar)", "text(text(a ) )" },
		{ "CAST(a AS array(varchar))", "CAST(a AS varchar[])" }, { "array(SELECT 1)", "array(SELECT 1)" },
		{ "cast(a as map(varchar, array (row(x array(bigint)))))", "cast(a as map(varchar,  row(x bigint[])[]))" },
		{ "json_extract_scalar(f(a), '$[\"b-c\"].d[\"e\"][0]')", "json_extract_scalar(f(a), '$.\"b-c\".d.\"e\"[0]')" },
		{ "json_array_get('[\"a\"]', 0) = '$[\"a\"]'", "json_array_get('[\"a\"]', 0) = '$[\"a\"]'" },
		{ "json_extract(a, '$[\"b'), json_extract(a, '$[')", "json_extract(a, '$[\"b'), json_extract(a, '$[')" },
		{ ")) cast(a AS varchar", ")) cast(a AS varchar" },
		{ "'open", NULL }, { "\"open", NULL }, { "/* open", NULL }, { "", NULL }, { " ; ", NULL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = { 0 };
		char why[DUCK_WHY_MAX];
		int r = sandbox_rewrite(cases[i].in, strlen(cases[i].in), &out, why);

		ok_int(r, cases[i].out ? 0 : -EINVAL);
		if (!r)
			ok_str(buf_text(&out), cases[i].out);
	}
	ok_int(sandbox_rewrite("a\0b", 3, &(struct buf){ 0 }, (char[DUCK_WHY_MAX]){ "" }), -EINVAL);
}

static void only_listed_functions_are_allowed(void)
{
	static const char *const good[] = { "abs", "ABS", "count", "count_star", "yow", "element_at", "list_value", "unnest", "+", "||", "~~", "!~~",
					    "->>", "like_escape", "sum", "date_add", "json_extract_scalar", "now", "zz" };
	static const char *const bad[] = { "", "getenv", "read_text", "read_parquet", "current_setting", "sleep_ms", "write_log", "query_table",
					   "hosttrail_scan", "json_execute_serialized_sql", "nextval", "setseed", "pg_sleep", "duckdb_settings",
					   "absx", "ab", "+a", "~~~", "getvariable", "current_query", "json_serialize_sql", "txid_current" };

	for (unsigned i = 0; i + 1 < ARRAY_SIZE(good); i++) {
		if (!sandbox_function(good[i]))
			printf("# %s\n", good[i]);
		ok(sandbox_function(good[i]));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		if (sandbox_function(bad[i]))
			printf("# %s\n", bad[i]);
		ok(!sandbox_function(bad[i]));
	}
	/* every macro of ours can be called */
	for (unsigned i = 0; sandbox_macros[i]; i++) {
		char name[64] = "";

		ok_int(sscanf(sandbox_macros[i], sandbox_macros[i][13] == '"' ? "CREATE MACRO \"%63[^\"]\"(" : "CREATE MACRO %63[^(](", name), 1);
		if (!sandbox_function(name))
			printf("# %s\n", name);
		ok(sandbox_function(name));
	}
}

static void what_macros_multiply_is_known(void)
{
	ok_int(sandbox_copies("abs"), 1);
	ok_int(sandbox_copies("element_at"), 1);
	ok_int(sandbox_copies("DATE_ADD"), 9);
	ok_int(sandbox_copies("json_extract_scalar"), 2);
	ok_int(sandbox_copies("json_size"), 4);
	ok_int(sandbox_copies("text"), 3);
	ok_int(sandbox_copies("replace"), 1);
	ok_int(sandbox_copies("regexp_extract"), 2);
	ok_int(sandbox_copies("regexp_replace"), 1);
	ok_int(sandbox_copies("json_array_length"), 2);
	ok_int(sandbox_copies("slice"), 2);
	ok_int(sandbox_copies("levenshtein"), 2);
	ok_int(sandbox_copies("~~"), 3);
	ok_int(sandbox_copies("!~~*"), 3);
	ok_int(sandbox_copies("like_escape"), 2);
	ok_int(sandbox_copies("date"), 1);
}

/* ---- the manifest */

static int count_stores(void *ctx, const struct event_store *e, const char *selectors)
{
	++*(unsigned *)ctx;
	return 0;
}

static void segments_move_their_store_on(void)
{
	struct event_store e = { .id = "11111111-2222-3333-4444-555555555555", .name = "abc", .retention_days = 7, .created = 1 }, back;
	struct segment s = { .path = "a", .day = "2026-01-01", .from = 5, .to = 9, .rows = 3, .bytes = 10, .sha256 = "x" }, *list = NULL;
	char path[] = "/tmp/ht-lake-XXXXXX", file[64];
	static const char data_only[] = "[{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Data\"]}]}]";
	struct manifest *m = NULL;
	journal_pos sealed = 0;
	struct scan_span *spans;
	unsigned n = 0, nspans = 0;
	size_t count = 0;

	must(mkdtemp(path) != NULL);
	snprintf(file, sizeof(file), "%s/db", path);
	must(!manifest_open(file, &m));
	ok_int(manifest_store_add(m, &e, "", 5), 0);
	ok_int(manifest_store_get(m, e.id, &back, NULL), 0);
	ok_int(back.sealed, 5);
	ok_int(manifest_store_get(m, "nope", &back, NULL), -ENOENT);
	ok_int(manifest_seal(m, e.id, &s), 0);
	s = (struct segment){ .path = "b", .day = "2026-01-01", .from = 9, .to = 12, .rows = 1, .bytes = 10, .sha256 = "y" };
	ok_int(manifest_seal(m, e.id, &s), 0);
	s.rows = 0;
	s.to = 20;
	ok_int(manifest_seal(m, e.id, &s), 0);
	ok_int(manifest_segments(m, e.id, &list, &count, &sealed), 0);
	ok_int(count, 2);
	ok_int(sealed, 20);
	ok(manifest_has_path(m, "a") && !manifest_has_path(m, "c"));
	free(TAKE_PTR(list));
	s = (struct segment){ .path = "c", .day = "2026-01-01", .from = 5, .to = 12, .rows = 4, .bytes = 10, .sha256 = "z" };
	ok_int(manifest_merge(m, e.id, &s), 0);
	ok_int(manifest_segments(m, e.id, &list, &count, &sealed), 0);
	ok_int(count, 1);
	ok_int(list[0].rows, 4);
	ok_int(sealed, 20);
	free(list);
	e.status = STORE_STOPPED;
	ok_int(manifest_store_change(m, &e, NULL, 30), 0);
	ok_int(manifest_store_change(m, &e, data_only, 35), 0);	/* for later */
	e.status = STORE_ENABLED;
	ok_int(manifest_store_change(m, &e, data_only, 40), 0);
	snprintf(e.name, sizeof(e.name), "renamed");
	ok_int(manifest_store_change(m, &e, NULL, 50), 0);	/* goes on */
	ok_int(manifest_spans(m, e.id, &spans, &nspans), 0);
	ok_int(nspans, 2);
	ok(spans[0].from == 5 && spans[0].to == 30 && !spans[0].selectors && spans[1].from == 40 && spans[1].to == INT64_MAX && spans[1].selectors);
	scan_spans_free(spans, nspans);
	ok_int(manifest_reset(m, e.id), 0);
	ok_int(manifest_segments(m, e.id, &list, &count, &sealed), 0);
	ok(count == 0 && sealed == 5);
	free(list);
	ok_int(manifest_store_remove(m, e.id), 0);
	ok_int(manifest_stores(m, count_stores, &n), 0);
	ok_int(n, 0);
	manifest_free(&m);
	snprintf(file, sizeof(file), "rm -rf %s", path);
	ok_int(system(file), 0);
}

static void gone(void *ctx, const char *id)
{
	buf_addf(ctx, "%s ", id);
}

/* Of results that are more than may be kept those go first that are old, of who has most. */
static void results_go_of_who_has_most(void)
{
	static const struct {
		const char *id, *key;
		int64_t created;
		uint64_t bytes;
		enum query_status status;
	} rows[] = {
		{ "b1", "b", 1, 5000, QUERY_FINISHED },
		{ "a2", "a", 2, 100000, QUERY_FINISHED },
		{ "a3", "a", 3, 100000, QUERY_FAILED },
		{ "r4", "a", 4, 0, QUERY_RUNNING },
		{ "a5", "a", 5, 100000, QUERY_TIMED_OUT },
		{ "n6", NULL, 6, 100000, QUERY_FINISHED },
	};
	_cleanup_(manifest_free) struct manifest *m = NULL;
	_cleanup_buf_ struct buf ids = { 0 };
	uint64_t bytes = 1;

	must(manifest_open(":memory:", &m) == 0);
	ok_int(manifest_queries_size(m, &bytes), 0);
	ok_int(bytes, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct query_row q = { .store = "s", .created = rows[i].created, .status = rows[i].status, .result_bytes = rows[i].bytes };

		memcpy(q.id, rows[i].id, 3);
		ok_int(manifest_query_put(m, &q, "SELECT", ""), 0);
		if (rows[i].key)
			ok_int(manifest_query_own(m, q.id, rows[i].key, q.created), 0);
	}
	ok_int(manifest_queries_size(m, &bytes), 0);
	ok_int(bytes, 405000 + 6 * (1024 + 6));
	ok_int(manifest_queries_trim(m, bytes, gone, &ids), 0);
	ok_str(buf_text(&ids), "");
	ok_int(manifest_queries_trim(m, 320000, gone, &ids), 0);
	ok_str(buf_text(&ids), "a2 ");
	ok_int(manifest_queries_trim(m, 220000, gone, &ids), 0);
	ok_str(buf_text(&ids), "a2 a3 ");
	ok(!manifest_query_is_of(m, "a3", "a") && manifest_query_is_of(m, "r4", "a"));
	ok_int(manifest_queries_size(m, &bytes), 0);
	ok_int(bytes, 205000 + 4 * (1024 + 6));
	ok_int(manifest_queries_trim(m, 0, gone, &ids), 0);
	ok_int(manifest_queries_size(m, &bytes), 0);
	ok_int(bytes, 1024 + 6);	/* the one that runs */
}

/* Whoever started a query and the thread that runs it write its row in any order. */
static void a_queries_state_goes_on_only(void)
{
	_cleanup_(manifest_free) struct manifest *m = NULL;
	struct query_row q = { .id = "1", .created = 5, .status = QUERY_RUNNING, .store = "s" }, queued = { .id = "1", .created = 5 }, r;
	_cleanup_buf_ struct buf statement = { 0 }, error = { 0 };

	must(manifest_open(":memory:", &m) == 0);
	ok_int(manifest_query_put(m, &queued, "SELECT", ""), 0);
	ok_int(manifest_query_put(m, &q, "SELECT", ""), 0);
	must(manifest_query_get(m, "1", NULL, &r, &statement, &error) == 0);
	ok_int(r.status, QUERY_RUNNING);
	ok_str(r.store, "s");
	q.status = QUERY_FINISHED;
	q.rows = 7;
	ok_int(manifest_query_put(m, &q, "SELECT", ""), 0);
	ok_int(manifest_query_put(m, &queued, "SELECT", ""), 0);
	must(manifest_query_get(m, "1", NULL, &r, &statement, &error) == 0);
	ok(r.status == QUERY_FINISHED && r.rows == 7 && !strcmp(r.store, "s"));
}

/* A store that has too many files open has a journal all the same. */
static void what_cannot_be_read_now_is_not_damaged(void)
{
	ok(strstr(scan_why(-EMFILE), "try again") && strstr(scan_why(-ENFILE), "try again") && strstr(scan_why(-EAGAIN), "try again"));
	ok(strstr(scan_why(-EBADMSG), "cannot be read") != NULL);
	ok_str(scan_why(-ENOMEM), "out of memory");
}

static const struct tap_case cases[] = {
	CASE(record_goes_into_slots),
	CASE(a_structs_members_are_found), CASE(parts_come_as_one), CASE(stretches_end_where_they_end),
	CASE(torn_text_is_told),
	CASE(texts_lose_their_escapes),
	CASE(times_are_read),
	CASE(statements_are_rewritten),
	CASE(only_listed_functions_are_allowed), CASE(what_macros_multiply_is_known),
	CASE(segments_move_their_store_on),
	CASE(results_go_of_who_has_most), CASE(a_queries_state_goes_on_only),
	CASE(what_cannot_be_read_now_is_not_damaged),
};
TAP_MAIN(cases)
