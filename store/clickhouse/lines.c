/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Digits, after a minus where a number may have one; *p is behind them. */
static bool take(const char **p, enum line_type type, uint64_t *ret)
{
	bool minus = type == LINE_I64 && **p == '-';
	uint64_t v = 0, max = type == LINE_U32 ? UINT32_MAX : type == LINE_U64 ? UINT64_MAX : (uint64_t)INT64_MAX + minus;
	const char *s = *p + minus;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*ret = minus ? 0 - v : v;
	*p = s;
	return true;
}

static void put(const struct line_number *n, uint64_t v)
{
	if (n->type == LINE_U32)
		*(uint32_t *)n->to = (uint32_t)v;
	else
		memcpy(n->to, &v, sizeof(v));	/* of either sign */
}

int line_numbers(const char *line, const struct line_number *v, size_t n)
{
	uint64_t values[LINE_MAX_NUMBERS];

	assert(n <= LINE_MAX_NUMBERS);
	if (!line)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		if (i && *line++ != '\t')
			return -EBADMSG;
		if (!take(&line, v[i].type, &values[i]))
			return -EBADMSG;
	}
	if (*line && *line != '\n')
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		put(&v[i], values[i]);
	return 0;
}
