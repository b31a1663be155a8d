// SPDX-License-Identifier: Apache-2.0
/* flags.c - reads the tables of flags_*.c. */
#include "flags.h"

#include <string.h>

unsigned text_u64(uint64_t v, char *out)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	for (unsigned i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

unsigned text_hex(uint64_t v, char *out)
{
	unsigned digits = v ? (67 - (unsigned)__builtin_clzll(v)) / 4 : 1;

	out[0] = '0';
	out[1] = 'x';
	for (unsigned i = 0; i < digits; i++)
		out[2 + i] = "0123456789abcdef"[v >> 4 * (digits - 1 - i) & 15];
	return digits + 2;
}

unsigned flags_names(const struct flagset *set, uint64_t v, struct str *ret_v, char rest[FLAGS_REST_MAX])
{
	uint64_t left = v;
	unsigned n = 0;

	for (const struct flag_name *f = set->v; f < set->v + set->n && n < FLAGS_MAX - 1; f++)
		if ((v & f->mask) == f->value && (!f->value || left & f->value)) {
			ret_v[n++] = f->name;
			left &= ~f->value;
		}
	if (left) {
		ret_v[n].p = rest;
		ret_v[n++].n = text_hex(left, rest);
	}
	return n;
}

struct str flags_known(const struct flagset *set, uint64_t v)
{
	for (const struct flag_name *f = set->v; f < set->v + set->n; f++)
		if ((v & f->mask) == f->value)
			return f->name;
	return (struct str){ 0 };
}

struct str flags_value(const struct flagset *set, uint64_t v, char rest[FLAGS_REST_MAX])
{
	struct str s = flags_known(set, v);
	unsigned sign = (int64_t)v < 0;

	if (s.p)
		return s;
	rest[0] = '-';
	s.p = rest;
	s.n = sign + text_u64(sign ? -v : v, rest + sign);
	return s;
}
