/* SPDX-License-Identifier: Apache-2.0 */
/* Which times a statement can want, from the form that the engine's own parser gives. */
#include <json-c/json.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "store/lake/engine.h"
#include "store/lake/timebound.h"
#include "tests/tap.h"

#define NONE_FROM INT64_MIN
#define NONE_TO INT64_MAX
#define T0 1767225600		/* 2026-01-01T00:00:00Z */

static duckdb_connection connection;

static bool engine(void)
{
	static const char *const settings[] = { "threads", "1", NULL };
	char library[4096], why[DUCK_WHY_MAX];
	static duckdb_database db;

	snprintf(library, sizeof(library), "%s/duckdb/libduckdb.so", getenv("HT_BUILD") ? getenv("HT_BUILD") : "build");
	return connection || (duck_load(library, why) == 0 && duck_open(settings, &db, why) == 0 &&
			      duck.connect(db, &connection) == DuckDBSuccess);
}

static void bounds_are_found_and_nothing_else(void)
{
	static const struct {
		const char *sql;
		unsigned references;
		int64_t from, to;
	} cases[] = {
		{ "SELECT 1 FROM events WHERE eventtime >= '2026-01-01 00:00:00'", 1, T0, NONE_TO },
		{ "SELECT 1 FROM events WHERE eventtime > '2026-01-01'", 1, T0, NONE_TO },
		{ "SELECT 1 FROM events WHERE '2026-01-01' <= EventTime AND x = 'y' AND eventtime < timestamp '2026-01-01 00:00:10.5'", 1, T0, T0 + 11 },
		{ "SELECT 1 FROM events e WHERE e.eventtime = date '2026-01-01'", 1, T0, T0 + 1 },
		{ "SELECT 1 FROM events WHERE eventtime BETWEEN '2026-01-01T00:00:00Z' AND '2026-01-01 01:00:00'", 1, T0, T0 + 3601 },
		{ "SELECT 1 FROM (SELECT * FROM events WHERE eventtime <= from_iso8601_timestamp('2026-01-01T00:00:00Z')) WHERE a", 1, NONE_FROM, T0 + 1 },
		{ "SELECT 1 FROM events WHERE (eventtime > '2026-01-01' AND eventtime > '2026-01-01 00:00:05') AND (a OR b)", 1, T0 + 5, NONE_TO },
		/* the parser turns it round */
		{ "SELECT 1 FROM events WHERE NOT eventtime > '2026-01-01'", 1, NONE_FROM, T0 + 1 },
		/* nothing is certain */
		{ "SELECT 1 FROM events", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events WHERE eventtime > '2026-01-01' OR a", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events WHERE NOT (eventtime > '2026-01-01' AND a)", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events WHERE eventtime <> '2026-01-01'", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events WHERE eventtime NOT BETWEEN '2026-01-01' AND '2026-01-02'", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events WHERE eventtime > '2026-01-01' IS NULL", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events a JOIN events b ON a.x = b.x WHERE a.eventtime > '2026-01-01'", 2, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events AS e(eventtime) WHERE eventtime > '2026-01-01'", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events e WHERE other.eventtime > '2026-01-01'", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events WHERE eventtime > ?", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events WHERE eventtime > '2026-01-01 00:00:00+02' AND eventtime > 'x' AND eventtime > '2026-13-01'", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events WHERE eventtime > CAST('2026-01-01' AS VARCHAR)", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events WHERE receivedtime > '2026-01-01'", 1, NONE_FROM, NONE_TO },
		{ "SELECT 1 FROM events GROUP BY 1 HAVING max(eventtime) > '2026-01-01'", 1, NONE_FROM, NONE_TO },
	};

	must(engine());
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf json = { 0 };
		char why[DUCK_WHY_MAX] = "";
		struct json_object *tree;
		struct time_bound b;

		must(duck_tree(connection, cases[i].sql, strlen(cases[i].sql), &json, why) == 0);
		tree = json_tokener_parse(buf_text(&json));
		b = time_bound_of(tree, cases[i].references);
		json_object_put(tree);
		if (b.from != cases[i].from || b.to != cases[i].to)
			printf("# %s\n", cases[i].sql);
		ok_int(b.from, cases[i].from);
		ok_int(b.to, cases[i].to);
	}
}

int main(void)
{
	static const struct tap_case cases[] = { CASE(bounds_are_found_and_nothing_else) };

	return tap_run(cases, ARRAY_SIZE(cases));
}
