/* SPDX-License-Identifier: Apache-2.0 */
/* functions.c - every function that a query may call; what is not here (settings, catalog, sleeping, logging, SQL from text)
 * is refused. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "sandbox.h"

/* In the order of strcasecmp(); a test says so. */
static const char *const names[] = {
	"abs", "acos", "any_value", "approx_count_distinct", "approx_distinct", "approx_quantile", "arbitrary", "arg_max", "arg_min",
	"array_agg", "array_concat", "array_contains", "array_distinct", "array_except", "array_extract", "array_filter",
	"array_has", "array_has_all", "array_has_any", "array_intersect", "array_join", "array_length", "array_max", "array_min",
	"array_position", "array_reverse_sort", "array_slice", "array_sort", "array_to_string", "array_transform", "array_unique",
	"asin", "atan", "atan2", "avg", "base64", "bit_and", "bit_count", "bit_or", "bit_xor", "bool_and", "bool_or", "cardinality",
	"cbrt", "ceil", "ceiling", "chr", "coalesce", "codepoint", "concat", "concat_ws", "contains", "corr", "cos", "count",
	"count_if", "count_star", "covar_pop", "covar_samp", "cume_dist", "current_date", "current_localtimestamp", "date", "date_add",
	"date_diff", "date_format", "date_parse", "date_part", "date_sub", "date_trunc", "datediff", "datepart", "datetrunc", "day",
	"day_of_month", "day_of_week", "day_of_year", "dayname", "dayofmonth", "dayofweek", "dayofyear", "decode", "degrees",
	"dense_rank", "dow", "doy", "element_at", "encode", "ends_with", "epoch", "epoch_ms", "epoch_ns", "epoch_us", "every", "exp",
	"filter", "first", "first_value", "flatten", "floor", "from_base64", "from_hex", "from_iso8601_date",
	"from_iso8601_timestamp", "from_unixtime", "get_current_timestamp", "greatest", "group_concat", "grouping", "hash", "hex",
	"histogram", "hour", "if", "ifnull", "instr", "is_finite", "is_infinite", "is_json_scalar", "is_nan", "isfinite", "isinf",
	"isnan", "isodow", "isoyear", "json", "json_array_contains", "json_array_get", "json_array_length", "json_contains",
	"json_exists", "json_extract", "json_extract_path", "json_extract_path_text", "json_extract_scalar", "json_extract_string",
	"json_format", "json_keys", "json_object", "json_parse", "json_size", "json_type", "json_valid", "json_value", "kurtosis",
	"lag", "last", "last_day", "last_value", "lcase", "lead", "least", "left", "len", "length", "levenshtein", "list",
	"list_aggregate", "list_concat", "list_contains", "list_distinct", "list_extract", "list_filter", "list_has", "list_max",
	"list_min", "list_position", "list_reverse", "list_slice", "list_sort", "list_sum", "list_transform", "list_unique",
	"list_value", "list_zip", "listagg", "ln", "log", "log10", "log2", "lower", "lpad", "ltrim", "make_date", "make_timestamp",
	"map", "map_agg", "map_concat", "map_contains", "map_entries", "map_extract", "map_from_entries", "map_keys", "map_values",
	"max", "max_by", "md5", "median", "microsecond", "millisecond", "min", "min_by", "minute", "mod", "mode", "month",
	"monthname", "now", "nth_value", "ntile", "nullif", "octet_length", "percent_rank", "pi", "position", "pow", "power",
	"prefix", "product", "quantile", "quantile_cont", "quantile_disc", "quarter", "radians", "rank", "reduce", "regexp_extract",
	"regexp_extract_all", "regexp_full_match", "regexp_like", "regexp_matches", "regexp_replace", "regexp_split_to_array",
	"replace", "reverse", "right", "round", "row", "row_number", "rpad", "rtrim", "second", "sha1", "sha256", "sign", "sin",
	"skewness", "slice", "split", "split_part", "sqrt", "starts_with", "stddev", "stddev_pop", "stddev_samp", "str_split",
	"strftime", "string_agg", "string_split", "strlen", "strpos", "strptime", "struct_extract", "struct_pack", "substr",
	"substring", "suffix", "sum", "tan", "text", "time_bucket", "timezone", "to_base64", "to_days", "to_hex", "to_hours", "to_iso8601",
	"to_json", "to_milliseconds", "to_minutes", "to_months", "to_seconds", "to_timestamp", "to_unixtime", "to_weeks", "to_years",
	"today", "translate", "trim", "trunc", "truncate", "try", "try_strptime", "try_text", "typeof", "ucase", "unhex", "unicode", "unnest",
	"upper", "url_decode", "url_encode", "var_pop", "var_samp", "variance", "week", "week_of_year", "weekday", "weekofyear",
	"xor", "year", "year_of_week", "yearweek", "yow",
};

static int compare(const void *a, const void *b)
{
	return strcasecmp(a, *(const char *const *)b);
}

/* Operators are functions to the engine, too: +, ||, ~~ (LIKE), and the ESCAPE forms of LIKE. */
static bool is_operator(const char *name)
{
	static const char *const likes[] = { "like_escape", "not_like_escape", "ilike_escape", "not_ilike_escape" };

	for (unsigned i = 0; i < ARRAY_SIZE(likes); i++)
		if (!strcmp(name, likes[i]))
			return true;
	if (!strcmp(name, "~~~"))	/* GLOB: it tries all ways, and nobody needs it beside LIKE */
		return false;
	return *name && name[strspn(name, "!~*+-/%|&^<>=@")] == '\0';
}

bool sandbox_function(const char *name)
{
	return is_operator(name) || bsearch(name, names, ARRAY_SIZE(names), sizeof(names[0]), compare);
}
