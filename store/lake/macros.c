/* SPDX-License-Identifier: Apache-2.0 */
/* macros.c - Trino's functions, where the engine has them under another name or with another meaning. The letters in
 * date_format()'s and date_parse()'s formats are turned by rewrite.c: the engine wants a constant there. */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "sandbox.h"

#define CREATE "CREATE MACRO "

/* The engine tries every way in which parts of a text may stand for several %, each to the end of the text, unless the pattern is constant and has
 * no _; the matcher of regular expressions goes through the text once. */
#define SEVERAL "regexp_matches(p, '%[^%]+%+[^%]')"
#define AS_REGEXP(p) "replace(replace(regexp_replace(" p ", '[^A-Za-z0-9%_\\x{80}-\\x{10FFFF}]', '\\\\\\0', 'g'), '%', '.*'), '_', '.')"
#define LIKE(s, p) "CASE WHEN " SEVERAL " THEN regexp_full_match(" s ", " AS_REGEXP(p) ", 's') ELSE system.main.\"~~\"(" s ", " p ") END"
#define LIKE_ESCAPE(name)                                                                                                             \
	CREATE name "(s, p, e) AS CASE WHEN " SEVERAL " THEN error('LIKE: a pattern with ESCAPE may have one % besides the last')" \
		    " ELSE system.main." name "(s, p, e) END"

const char *const sandbox_macros[] = {
	"CREATE MACRO element_at(m, k) AS m[k]",
	"CREATE MACRO cardinality(x) AS len(x)",
	"CREATE MACRO contains(a, x) AS list_contains(a, x)",
	"CREATE MACRO array_max(a) AS list_max(a)",
	"CREATE MACRO array_min(a) AS list_min(a)",
	"CREATE MACRO array_join(a, d) AS array_to_string(a, d)",
	"CREATE MACRO array_except(a, b) AS list_filter(a, x -> NOT list_contains(b, x))",
	"CREATE MACRO slice(a, s, n) AS list_slice(a, s, s + n - 1)",
	"CREATE MACRO json_parse(t) AS CAST(t AS JSON)",
	"CREATE MACRO json_format(j) AS CAST(j AS VARCHAR)",
	"CREATE MACRO json_extract_scalar(j, p) AS CASE WHEN json_type(j, p) IN ('OBJECT', 'ARRAY', 'NULL') THEN NULL"
	" ELSE json_extract_string(j, p) END",
	"CREATE MACRO is_json_scalar(j) AS json_type(j) NOT IN ('OBJECT', 'ARRAY')",
	"CREATE MACRO json_array_contains(j, x) AS list_contains(from_json(j, '[\"VARCHAR\"]'), CAST(x AS VARCHAR))",
	"CREATE MACRO json_array_get(j, i) AS json_extract(j, '$[' || i || ']')",
	"CREATE MACRO json_size(j, p) AS CASE json_type(j, p) WHEN 'OBJECT' THEN len(json_keys(j, p)) WHEN 'ARRAY' THEN"
	" json_array_length(j, p) ELSE 0 END",
	"CREATE MACRO date_add(u, n, t) AS CASE lower(u) WHEN 'millisecond' THEN t + to_milliseconds(n) WHEN 'second' THEN"
	" t + to_seconds(n) WHEN 'minute' THEN t + to_minutes(n) WHEN 'hour' THEN t + to_hours(n) WHEN 'day' THEN t + to_days(n)"
	" WHEN 'week' THEN t + to_days(7 * n) WHEN 'month' THEN t + to_months(n) WHEN 'quarter' THEN t + to_months(3 * n)"
	" WHEN 'year' THEN t + to_years(n) ELSE error('date_add: unknown unit') END",
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
	"CREATE MACRO to_iso8601(t) AS strftime(CAST(t AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%gZ')",
	"CREATE MACRO from_unixtime(s) AS to_timestamp(s)",
	"CREATE MACRO to_unixtime(t) AS epoch(t)",
	"CREATE MACRO regexp_like(s, p) AS regexp_matches(s, p)",
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

static unsigned mentions(const char *body, const char *word, size_t n)
{
	unsigned found = 0;

	for (const char *p = body; (p = strpbrk(p, "abcdefghijklmnopqrstuvwxyz_"));) {
		size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz_0123456789");

		found += len == n && !strncmp(p, word, n);
		p += len;
	}
	return found;
}

unsigned sandbox_copies(const char *name)
{
	const char *p = NULL, *body;
	unsigned most = 1;

	for (const char *const *m = sandbox_macros; *m && !p; m++)
		p = named(*m, name);
	if (!p)
		return 1;
	body = strchr(p, ')');
	while (p < body) {
		size_t n = strcspn(++p, ",)");
		unsigned found = mentions(body, p, n);

		most = found > most ? found : most;
		p += n;
		p += *p == ',';
	}
	return most;
}
