/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * (int64_t)NS_PER_SEC + ts.tv_nsec;
}

uint64_t clock_boot(void)
{
	return (uint64_t)read_clock(CLOCK_BOOTTIME);
}

int64_t clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* The two clocks cannot be read at once: of a few tries, the one whose boot-time readings lie
 * closest around the wall reading is the truest. */
int64_t clock_wall_offset(void)
{
	int64_t best = 0, best_gap = INT64_MAX;

	for (int i = 0; i < 5; i++) {
		int64_t a = read_clock(CLOCK_BOOTTIME), w = read_clock(CLOCK_REALTIME), b = read_clock(CLOCK_BOOTTIME);

		if (b - a < best_gap) {
			best_gap = b - a;
			best = w - (a + (b - a) / 2);
		}
	}
	return best;
}

static void two(char *to, int64_t v)
{
	to[0] = (char)('0' + v / 10);
	to[1] = (char)('0' + v % 10);
}

/* Of the years 1000 to 9999. Every record shows a time: strftime() would take a tenth of writing one. */
void clock_iso(int64_t seconds, char ret[21])
{
	const int64_t first = -30610224000, last = 253402300799, shift = 719468;	/* days from the 1st of March of the year 0 */
	int64_t days, era, doe, yoe, doy, mp, second, month, year;

	memcpy(ret, "0000-00-00T00:00:00Z", 21);
	if (seconds < first || seconds > last)
		return;
	days = seconds / 86400 - (seconds % 86400 < 0);
	second = seconds - days * 86400;
	days += shift;
	era = days / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	month = mp < 10 ? mp + 3 : mp - 9;
	year = yoe + era * 400 + (month <= 2);
	two(ret, year / 100);
	two(ret + 2, year % 100);
	two(ret + 5, month);
	two(ret + 8, doy - (153 * mp + 2) / 5 + 1);
	two(ret + 11, second / 3600);
	two(ret + 14, second / 60 % 60);
	two(ret + 17, second % 60);
}

static int parse_epoch(const char *text, int64_t *ret_ns)
{
	char *end;
	double d;

	errno = 0;
	d = strtod(text, &end);
	if (errno || end == text || *end || !(d >= -9e9 && d <= 9e9))	/* "nan" is neither */
		return -EINVAL;
	*ret_ns = (int64_t)(d * 1e9);
	return 0;
}

int clock_parse(const char *text, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	int64_t nanos = 0, ns;
	const char *rest = strptime(text, "%Y-%m-%d", &tm);

	if (!rest)
		return parse_epoch(text, ret_ns);
	if (*rest) {
		rest = strptime(rest, "T%H:%M:%S", &tm);
		if (!rest)
			return -EINVAL;
		if (*rest == '.') {
			int64_t unit = (int64_t)NS_PER_SEC;

			for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
				unit /= 10;
				nanos += (*rest - '0') * unit;
			}
		}
		if (strcmp(rest, "Z") && strcmp(rest, "+00:00"))
			return -EINVAL;
	}
	if (__builtin_mul_overflow((int64_t)timegm(&tm), (int64_t)NS_PER_SEC, &ns) || __builtin_add_overflow(ns, nanos, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}
