/* SPDX-License-Identifier: Apache-2.0 */
#include "values.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"

#define US_PER_DAY 86400000000ll
#define NESTING_MAX 64

static int nested(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out, bool *ret_null, unsigned depth);

/* ---- numbers */

static void wide(__int128 n, unsigned scale, struct buf *out)
{
	unsigned __int128 u = n < 0 ? -(unsigned __int128)n : (unsigned __int128)n;
	char text[48], *p = text + sizeof(text);
	unsigned digits = 0;

	do {
		*--p = (char)('0' + (int)(u % 10));
		u /= 10;
		if (++digits == scale)
			*--p = '.';
	} while (u || digits <= scale);
	if (n < 0)
		*--p = '-';
	buf_add(out, p, (size_t)(text + sizeof(text) - p));
}

/* The shortest digits that are this number again. */
static void floating(double v, bool single, struct buf *out)
{
	char text[40];

	if (isnan(v) || isinf(v)) {
		buf_adds(out, isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity");
		return;
	}
	for (int digits = single ? 6 : 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v)
			break;
	}
	buf_adds(out, text);
	if (!strpbrk(text, ".e"))
		buf_adds(out, ".0");
}

static int decimal(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out)
{
	const void *data = duck.vector_get_data(v);
	unsigned scale = duck.decimal_scale(type);
	const duckdb_hugeint *h = data;

	switch (duck.decimal_internal_type(type)) {
	case DUCKDB_TYPE_SMALLINT:
		wide(((const int16_t *)data)[i], scale, out);
		return 0;
	case DUCKDB_TYPE_INTEGER:
		wide(((const int32_t *)data)[i], scale, out);
		return 0;
	case DUCKDB_TYPE_BIGINT:
		wide(((const int64_t *)data)[i], scale, out);
		return 0;
	case DUCKDB_TYPE_HUGEINT:
		wide((__int128)h[i].upper << 64 | h[i].lower, scale, out);
		return 0;
	default:
		return -ENOTSUP;
	}
}

/* ---- times */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static void date(int64_t days, struct buf *out)
{
	int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153, d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9;

	buf_addf(out, "%04lld-%02lld-%02lld", (long long)(yoe + era * 400 + (m <= 2)), (long long)m, (long long)d);
}

/* Milliseconds as CloudTrail Lake shows them; more digits where they are not zero. */
static void clock_text(int64_t us, struct buf *out)
{
	int64_t s = us / 1000000;

	buf_addf(out, "%02lld:%02lld:%02lld", (long long)(s / 3600), (long long)(s / 60 % 60), (long long)(s % 60));
	if (us % 1000)
		buf_addf(out, ".%06lld", (long long)(us % 1000000));
	else
		buf_addf(out, ".%03lld", (long long)(us / 1000 % 1000));
}

static void timestamp(int64_t us, struct buf *out)
{
	int64_t day = floor_div(us, US_PER_DAY);

	date(day, out);
	buf_addc(out, ' ');
	clock_text(us - day * US_PER_DAY, out);
}

static void interval(duckdb_interval x, struct buf *out)
{
	buf_addf(out, "%d months %d days ", x.months, x.days);
	if (x.micros < 0)
		buf_addc(out, '-');
	clock_text(llabs(x.micros), out);
}

/* ---- texts */

static void text(const duckdb_string_t *s, struct buf *out)
{
	buf_add(out, s->value.inlined.length <= 12 ? s->value.inlined.inlined : s->value.pointer.ptr, s->value.inlined.length);
}

static void bytes(const duckdb_string_t *s, struct buf *out)
{
	const char *p = s->value.inlined.length <= 12 ? s->value.inlined.inlined : s->value.pointer.ptr;

	for (uint32_t i = 0; i < s->value.inlined.length; i++)
		buf_addf(out, "%s%02x", i ? " " : "", (unsigned char)p[i]);
}

static int enumerated(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out)
{
	const void *data = duck.vector_get_data(v);
	duckdb_type as = duck.enum_internal_type(type);
	uint64_t n = as == DUCKDB_TYPE_UTINYINT ? ((const uint8_t *)data)[i] : as == DUCKDB_TYPE_USMALLINT ? ((const uint16_t *)data)[i] :
		     ((const uint32_t *)data)[i];
	char *name = duck.enum_dictionary_value(type, n);

	buf_adds(out, name ? name : "");
	duck.free(name);
	return 0;
}

static void uuid(const duckdb_hugeint *h, struct buf *out)
{
	uint64_t up = (uint64_t)h->upper ^ 1ull << 63, low = h->lower;

	buf_addf(out, "%08llx-%04llx-%04llx-%04llx-%012llx", (unsigned long long)(up >> 32), (unsigned long long)(up >> 16 & 0xffff),
		 (unsigned long long)(up & 0xffff), (unsigned long long)(low >> 48), (unsigned long long)(low & 0xffffffffffffull));
}

/* ---- by type */

static int whole(duckdb_type id, const void *data, uint64_t i, struct buf *out)
{
	switch (id) {
	case DUCKDB_TYPE_TINYINT:
		wide(((const int8_t *)data)[i], 0, out);
		return 0;
	case DUCKDB_TYPE_SMALLINT:
		wide(((const int16_t *)data)[i], 0, out);
		return 0;
	case DUCKDB_TYPE_INTEGER:
		wide(((const int32_t *)data)[i], 0, out);
		return 0;
	case DUCKDB_TYPE_BIGINT:
		wide(((const int64_t *)data)[i], 0, out);
		return 0;
	case DUCKDB_TYPE_UTINYINT:
		wide(((const uint8_t *)data)[i], 0, out);
		return 0;
	case DUCKDB_TYPE_USMALLINT:
		wide(((const uint16_t *)data)[i], 0, out);
		return 0;
	case DUCKDB_TYPE_UINTEGER:
		wide(((const uint32_t *)data)[i], 0, out);
		return 0;
	case DUCKDB_TYPE_UBIGINT:
		wide(((const uint64_t *)data)[i], 0, out);
		return 0;
	case DUCKDB_TYPE_HUGEINT:
		wide((__int128)((const duckdb_hugeint *)data)[i].upper << 64 | ((const duckdb_hugeint *)data)[i].lower, 0, out);
		return 0;
	case DUCKDB_TYPE_FLOAT:
		floating(((const float *)data)[i], true, out);
		return 0;
	case DUCKDB_TYPE_DOUBLE:
		floating(((const double *)data)[i], false, out);
		return 0;
	default:
		return -ENOTSUP;
	}
}

static int scalar(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out)
{
	const void *data = duck.vector_get_data(v);
	duckdb_type id = duck.get_type_id(type);

	switch (id) {
	case DUCKDB_TYPE_SQLNULL:
		buf_adds(out, "null");
		return 0;
	case DUCKDB_TYPE_BOOLEAN:
		buf_adds(out, ((const bool *)data)[i] ? "true" : "false");
		return 0;
	case DUCKDB_TYPE_VARCHAR:
		text(&((const duckdb_string_t *)data)[i], out);
		return 0;
	case DUCKDB_TYPE_BLOB:
		bytes(&((const duckdb_string_t *)data)[i], out);
		return 0;
	case DUCKDB_TYPE_DATE:
		date(((const int32_t *)data)[i], out);
		return 0;
	case DUCKDB_TYPE_TIME:
		clock_text(((const int64_t *)data)[i], out);
		return 0;
	case DUCKDB_TYPE_TIMESTAMP:
		timestamp(((const int64_t *)data)[i], out);
		return 0;
	case DUCKDB_TYPE_TIMESTAMP_TZ:
		timestamp(((const int64_t *)data)[i], out);
		buf_adds(out, " UTC");
		return 0;
	case DUCKDB_TYPE_TIMESTAMP_S:
		timestamp(((const int64_t *)data)[i] * 1000000, out);
		return 0;
	case DUCKDB_TYPE_TIMESTAMP_MS:
		timestamp(((const int64_t *)data)[i] * 1000, out);
		return 0;
	case DUCKDB_TYPE_TIMESTAMP_NS:
		timestamp(floor_div(((const int64_t *)data)[i], 1000), out);
		return 0;
	case DUCKDB_TYPE_INTERVAL:
		interval(((const duckdb_interval *)data)[i], out);
		return 0;
	case DUCKDB_TYPE_UUID:
		uuid(&((const duckdb_hugeint *)data)[i], out);
		return 0;
	case DUCKDB_TYPE_DECIMAL:
		return decimal(v, type, i, out);
	case DUCKDB_TYPE_ENUM:
		return enumerated(v, type, i, out);
	default:
		return whole(id, data, i, out);
	}
}

/* ---- nested ones */

static int inner(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out, unsigned depth)
{
	bool null;
	int r = nested(v, type, i, out, &null, depth + 1);

	if (!r && null)
		buf_adds(out, "null");
	return r;
}

static int structure(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out, unsigned depth)
{
	idx_t n = duck.struct_type_child_count(type);
	int r = 0;

	buf_addc(out, '{');
	for (idx_t k = 0; k < n && !r; k++) {
		duckdb_logical_type child = duck.struct_type_child_type(type, k);
		char *name = duck.struct_type_child_name(type, k);

		buf_addf(out, "%s%s=", k ? ", " : "", name ? name : "");
		r = inner(duck.struct_vector_get_child(v, k), child, i, out, depth);
		duck.free(name);
		duck.destroy_logical_type(&child);
	}
	buf_addc(out, '}');
	return r;
}

static int list(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out, unsigned depth)
{
	duckdb_list_entry at = ((duckdb_list_entry *)duck.vector_get_data(v))[i];
	duckdb_logical_type child = duck.list_type_child_type(type);
	duckdb_vector elements = duck.list_vector_get_child(v);
	int r = 0;

	buf_addc(out, '[');
	for (uint64_t k = 0; k < at.length && !r; k++) {
		if (k)
			buf_adds(out, ", ");
		r = inner(elements, child, at.offset + k, out, depth);
	}
	buf_addc(out, ']');
	duck.destroy_logical_type(&child);
	return r;
}

static int map(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out, unsigned depth)
{
	duckdb_list_entry at = ((duckdb_list_entry *)duck.vector_get_data(v))[i];
	duckdb_logical_type key = duck.map_type_key_type(type), value = duck.map_type_value_type(type);
	duckdb_vector pair = duck.list_vector_get_child(v);
	int r = 0;

	buf_addc(out, '{');
	for (uint64_t k = 0; k < at.length && !r; k++) {
		if (k)
			buf_adds(out, ", ");
		r = inner(duck.struct_vector_get_child(pair, 0), key, at.offset + k, out, depth);
		buf_addc(out, '=');
		if (!r)
			r = inner(duck.struct_vector_get_child(pair, 1), value, at.offset + k, out, depth);
	}
	buf_addc(out, '}');
	duck.destroy_logical_type(&key);
	duck.destroy_logical_type(&value);
	return r;
}

static int nested(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out, bool *ret_null, unsigned depth)
{
	uint64_t *validity = duck.vector_get_validity(v);

	*ret_null = validity && !(validity[i / 64] >> i % 64 & 1);
	if (*ret_null)
		return 0;
	if (depth == NESTING_MAX)
		return -ENOTSUP;
	switch (duck.get_type_id(type)) {
	case DUCKDB_TYPE_STRUCT:
		return structure(v, type, i, out, depth);
	case DUCKDB_TYPE_LIST:
		return list(v, type, i, out, depth);
	case DUCKDB_TYPE_MAP:
		return map(v, type, i, out, depth);
	default:
		return scalar(v, type, i, out);
	}
}

int value_text(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out, bool *ret_null)
{
	int r = nested(v, type, i, out, ret_null, 0);

	return r ? r : out->failed ? -ENOMEM : 0;
}
