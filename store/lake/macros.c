/* SPDX-License-Identifier: Apache-2.0 */
/* macros.c - Trino's functions, where the engine has them under another name or with another meaning. The letters in
 * date_format()'s and date_parse()'s formats are turned by rewrite.c: the engine wants a constant there. */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "sandbox.h"

#define CREATE "CREATE MACRO "

/* What is no JSON has no members; the engine would end the query. */
#define OF_JSON(what) "CASE WHEN json_valid(j) THEN " what " END"
/* CAST(x AS VARCHAR), by rewrite.c: of JSON's texts without their quotes. */
#define TEXT(cast) "(x) AS CASE WHEN typeof(x) = 'JSON' THEN json_extract_string(CAST(x AS VARCHAR), '$') ELSE " cast "(x AS VARCHAR) END"

/* The engine tries every way in which parts of a text may stand for several %, each to the end of the text, unless the pattern is constant and has
 * no _; the matcher of regular expressions goes through the text once. */
#define SEVERAL "regexp_matches(p, '%[^%]+%+[^%]')"
#define AS_REGEXP(p) "system.main.replace(system.main.replace(system.main.regexp_replace(" p ", '[^A-Za-z0-9%_\\x{80}-\\x{10FFFF}]', '\\\\\\0', 'g'), '%', '.*'), '_', '.')"
#define LIKE(s, p) "CASE WHEN " SEVERAL " THEN regexp_full_match(" s ", " AS_REGEXP(p) ", 's') ELSE system.main.\"~~\"(" s ", " p ") END"
#define LIKE_ESCAPE(name)                                                                                                             \
	CREATE name "(s, p, e) AS CASE WHEN " SEVERAL " THEN error('LIKE: a pattern with ESCAPE may have one % besides the last')" \
		    " ELSE system.main." name "(s, p, e) END"

const char *const sandbox_macros[] = {
	"CREATE MACRO element_at(m, k) AS m[k]",
	CREATE "text" TEXT("CAST"),
	CREATE "try_text" TEXT("TRY_CAST"),
	/* of lists and maps: each branch must be one that the engine can bind to the other's type */
	"CREATE MACRO cardinality(x) AS CASE WHEN starts_with(typeof(x), 'MAP(') THEN len(map_keys(TRY_CAST(x AS MAP(VARCHAR, VARCHAR))))"
	" ELSE len(TRY_CAST(x AS BOOLEAN[])) END",
	"CREATE MACRO contains(a, x) AS list_contains(a, x)",
	"CREATE MACRO array_max(a) AS CASE WHEN list_count(a) = len(a) THEN list_max(a) END",
	"CREATE MACRO array_min(a) AS CASE WHEN list_count(a) = len(a) THEN list_min(a) END",
	"CREATE MACRO array_position(a, x) AS CASE WHEN a IS NOT NULL AND x IS NOT NULL THEN coalesce(list_position(a, x), 0) END",
	"CREATE MACRO array_join(a, d) AS array_to_string(a, d)",
	"CREATE MACRO array_except(a, b) AS list_filter(a, x -> NOT list_contains(b, x))",
	"CREATE MACRO slice(a, s, n) AS list_slice(a, s, s + n - 1)",
	"CREATE MACRO json_parse(t) AS CAST(t AS JSON)",
	"CREATE MACRO json_format(j) AS CAST(j AS VARCHAR)",
	CREATE "json_extract(j, p) AS " OF_JSON("system.main.json_extract(j, p)"),
	CREATE "json_extract_scalar(j, p) AS " OF_JSON("json_extract_string(json_value(j, p), '$')"),
	"CREATE MACRO is_json_scalar(j) AS json_type(j) NOT IN ('OBJECT', 'ARRAY')",
	CREATE "json_array_contains(j, x) AS " OF_JSON("list_contains(from_json(j, '[\"VARCHAR\"]'), CAST(x AS VARCHAR))"),
	CREATE "json_array_get(j, i) AS " OF_JSON("system.main.json_extract(j, '$[' || i || ']')"),
	CREATE "json_array_length(j) AS " OF_JSON("system.main.json_array_length(j)") ", (j, p) AS " OF_JSON("system.main.json_array_length(j, p)"),
	CREATE "json_size(j, p) AS " OF_JSON("CASE json_type(j, p) WHEN 'OBJECT' THEN len(json_keys(j, p)) WHEN 'ARRAY' THEN"
					     " system.main.json_array_length(j, p) ELSE 0 END"),
	"CREATE MACRO date_add(u, n, t) AS CASE lower(u) WHEN 'millisecond' THEN t + to_milliseconds(n) WHEN 'second' THEN"
	" t + to_seconds(n) WHEN 'minute' THEN t + to_minutes(n) WHEN 'hour' THEN t + to_hours(n) WHEN 'day' THEN t + to_days(n)"
	" WHEN 'week' THEN t + to_days(7 * n) WHEN 'month' THEN t + to_months(n) WHEN 'quarter' THEN t + to_months(3 * n)"
	" WHEN 'year' THEN t + to_years(n) ELSE error('date_add: unknown unit') END",
	/* whole units that are over, not how often one began */
	"CREATE MACRO date_diff(u, a, b) AS date_sub(u, a, b)",
	"CREATE MACRO millisecond(t) AS system.main.millisecond(t) % 1000",
	"CREATE MACRO day_of_week(t) AS isodow(t)",
	"CREATE MACRO dow(t) AS isodow(t)",
	"CREATE MACRO day_of_month(t) AS day(t)",
	"CREATE MACRO day_of_year(t) AS dayofyear(t)",
	"CREATE MACRO doy(t) AS dayofyear(t)",
	"CREATE MACRO week_of_year(t) AS weekofyear(t)",
	"CREATE MACRO year_of_week(t) AS isoyear(t)",
	"CREATE MACRO yow(t) AS isoyear(t)",
	"CREATE MACRO date_format(t, f) AS strftime(CAST(t AS TIMESTAMP), f)",
	"CREATE MACRO date_parse(s, f) AS strptime(s, f)",
	"CREATE MACRO from_iso8601_timestamp(s) AS CAST(s AS TIMESTAMPTZ)",
	"CREATE MACRO from_iso8601_date(s) AS CAST(s AS DATE)",
	"CREATE MACRO to_iso8601(t) AS CASE typeof(t) WHEN 'DATE' THEN strftime(CAST(t AS TIMESTAMP), '%Y-%m-%d') WHEN 'TIMESTAMP' THEN"
	" strftime(CAST(t AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%g') ELSE strftime(CAST(t AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%gZ') END",
	"CREATE MACRO from_unixtime(s) AS to_timestamp(s)",
	"CREATE MACRO to_unixtime(t) AS epoch(t)",
	"CREATE MACRO regexp_like(s, p) AS regexp_matches(s, p)",
	/* all of them, and $1 for a group; the options of the engine's own stand before the pattern */
	"CREATE MACRO regexp_replace(s, p) AS system.main.regexp_replace(s, p, '', 'g'),"
	" (s, p, r) AS system.main.regexp_replace(s, p, system.main.regexp_replace(r, '\\$(\\d)', '\\\\\\1', 'g'), 'g'),"
	" (s, p, r, o) AS system.main.regexp_replace(s, CASE WHEN instr(o, 'i') > 0 THEN '(?i)' ELSE '' END || p, r, 'g')",
	"CREATE MACRO regexp_extract(s, p) AS CASE WHEN regexp_matches(s, p) THEN system.main.regexp_extract(s, p) END,"
	" (s, p, g) AS CASE WHEN regexp_matches(s, p) THEN system.main.regexp_extract(s, p, g) END",
	"CREATE MACRO replace(s, a) AS system.main.replace(s, a, ''), (s, a, b) AS system.main.replace(s, a, b)",
	"CREATE MACRO split_part(s, d, n) AS CASE WHEN n <= len(string_split(s, d)) THEN system.main.split_part(s, d, n) END",
	"CREATE MACRO every(x) AS bool_and(x)",
	"CREATE MACRO split(s, d) AS string_split(s, d)",
	"CREATE MACRO strpos(s, t) AS instr(s, t)",
	"CREATE MACRO codepoint(s) AS unicode(s)",
	"CREATE MACRO approx_distinct(x) AS approx_count_distinct(x)",
	"CREATE MACRO map_agg(k, v) AS map(list(k), list(v))",
	/* a constant one would be computed while the statement is bound, whatever its length */
	"CREATE MACRO lpad(s, n, p) AS system.main.lpad(s, least(n, 10000)::INTEGER, p)",
	"CREATE MACRO rpad(s, n, p) AS system.main.rpad(s, least(n, 10000)::INTEGER, p)",
	/* the engine cannot be interrupted within a row, and this takes the product of both lengths */
	"CREATE MACRO levenshtein(a, b) AS CASE WHEN CAST(strlen(a) AS HUGEINT) * strlen(b) <= 1000000 THEN system.main.levenshtein(a, b)"
	" ELSE error('levenshtein: the texts are too long') END",
	CREATE "\"~~\"(s, p) AS " LIKE("s", "p"),
	CREATE "\"!~~\"(s, p) AS NOT " LIKE("s", "p"),
	CREATE "\"~~*\"(s, p) AS " LIKE("lower(s)", "lower(p)"),
	CREATE "\"!~~*\"(s, p) AS NOT " LIKE("lower(s)", "lower(p)"),
	LIKE_ESCAPE("like_escape"),
	LIKE_ESCAPE("not_like_escape"),
	LIKE_ESCAPE("ilike_escape"),
	LIKE_ESCAPE("not_ilike_escape"),
	"CREATE MACRO is_nan(x) AS isnan(x)",
	"CREATE MACRO is_finite(x) AS isfinite(x)",
	"CREATE MACRO is_infinite(x) AS isinf(x)",
	"CREATE MACRO truncate(x) AS trunc(x)",
	NULL
};

/* "name"(a, b) AS ...: its part behind the name; NULL: it is another one. */
static const char *named(const char *macro, const char *name)
{
	size_t n = strlen(name);

	macro += strlen(CREATE);
	if (*macro == '"' ? strncasecmp(macro + 1, name, n) || macro[n + 1] != '"' : strncasecmp(macro, name, n) || macro[n] != '(')
		return NULL;
	return strchr(macro, '(');
}

static unsigned mentions(const char *body, const char *end, const char *word, size_t n)
{
	unsigned found = 0;

	for (const char *p = body; (p = strpbrk(p, "abcdefghijklmnopqrstuvwxyz_")) && p < end;) {
		size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz_0123456789");

		found += len == n && !strncmp(p, word, n);
		p += len;
	}
	return found;
}

/* (a, b) AS ...: how often the one of them stands behind it that stands there most. */
static unsigned most_copies(const char *p, const char *end)
{
	const char *body = strchr(p, ')');
	unsigned most = 1;

	while (p < body) {
		size_t n = strcspn(++p, ",)");
		unsigned found = mentions(body, end, p, n);

		most = found > most ? found : most;
		p += n;
		p += *p == ',';
	}
	return most;
}

unsigned sandbox_copies(const char *name)
{
	const char *p = NULL, *next;
	unsigned most = 1;

	for (const char *const *m = sandbox_macros; *m && !p; m++)
		p = named(*m, name);
	/* one for each number of arguments: (a) AS ..., (a, b) AS ... */
	for (; p; p = next ? next + 2 : NULL) {
		unsigned found;

		next = strstr(p, ", (");
		found = most_copies(p, next ? next : p + strlen(p));
		most = found > most ? found : most;
	}
	return most;
}
