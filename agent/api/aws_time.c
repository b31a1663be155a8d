/* SPDX-License-Identifier: Apache-2.0 */
/* aws_time.c - times as one form, whatever the protocol has: seconds since 1970, ISO 8601, HTTP's dates. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/api/aws_time.h"

#define SECONDS_MAX 253402300799.0	/* the end of the year 9999 */

static struct str written(char room[AWS_TIME_MAX], int64_t ms)
{
	time_t s = (time_t)(ms / 1000 - (ms % 1000 < 0));
	int rest = (int)(ms - (int64_t)s * 1000), n;
	struct tm tm;

	if (!gmtime_r(&s, &tm))
		return (struct str){ 0 };
	n = snprintf(room, AWS_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	n += rest ? snprintf(room + n, AWS_TIME_MAX - (size_t)n, ".%03dZ", rest) : snprintf(room + n, AWS_TIME_MAX - (size_t)n, "Z");
	return (struct str){ room, (size_t)n };
}

static bool from_number(const char *text, int64_t *ret_ms)
{
	char *end;
	double d;

	if (strspn(text, "0123456789.eE+-") != strlen(text))
		return false;
	d = strtod(text, &end);
	if (end == text || *end || !(d >= 0 && d <= SECONDS_MAX))
		return false;
	*ret_ms = (int64_t)(d * 1000 + 0.5);
	return true;
}

/* What is behind the seconds: nothing, 'Z', or an offset. False: something else. */
static bool zone(const char *p, int64_t *ms)
{
	int hours, minutes, n = 0;
	char sign;

	if (!*p || !strcmp(p, "Z") || !strcmp(p, "z"))
		return true;
	if (sscanf(p, "%c%2d:%2d%n", &sign, &hours, &minutes, &n) != 3 || p[n] || (sign != '+' && sign != '-') || hours < 0 || minutes < 0)
		return false;
	*ms -= (sign == '-' ? -1 : 1) * (hours * 60 + minutes) * 60000LL;
	return true;
}

static bool from_iso(const char *text, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ms;

	if (!p)
		return false;
	ms = (int64_t)timegm(&tm) * 1000;
	if (*p == '.') {
		for (int unit = 100; *++p >= '0' && *p <= '9'; unit /= 10)
			ms += (*p - '0') * unit;
	}
	*ret_ms = ms;
	return zone(p, ret_ms);
}

static bool from_http(const char *text, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (!p || *p)
		return false;
	*ret_ms = (int64_t)timegm(&tm) * 1000;
	return true;
}

struct str aws_time(struct str s, char room[AWS_TIME_MAX])
{
	char text[AWS_TIME_MAX];
	int64_t ms;

	if (!s.n || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return (struct str){ 0 };
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (!from_number(text, &ms) && !from_iso(text, &ms) && !from_http(text, &ms))
		return (struct str){ 0 };
	return written(room, ms);
}
