/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "proto/keys.h"

static void add_day(const struct layout *l, const char *folder, char ret[LAYOUT_KEY_MAX], struct tm *ret_tm)
{
	time_t t = (time_t)l->seconds;

	if (!gmtime_r(&t, ret_tm))
		memset(ret_tm, 0, sizeof(*ret_tm));
	snprintf(ret, LAYOUT_KEY_MAX, "%s%sAWSLogs/%s/%s/%s/%04d/%02d/%02d/%s_%s_%s_", l->prefix ? l->prefix : "",
		 l->prefix && *l->prefix ? "/" : "", l->account, folder, l->region, ret_tm->tm_year + 1900, ret_tm->tm_mon + 1,
		 ret_tm->tm_mday, l->account, folder, l->region);
}

void layout_log_key(const struct layout *l, const void *seed, unsigned n, char ret[LAYOUT_KEY_MAX])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	uint8_t hash[32];
	char random[17] = "", time[32];
	struct tm tm;
	size_t at;

	sha256(seed, n, hash);
	for (unsigned i = 0; i < 16; i++)
		random[i] = digits[(hash[2 * i] << 8 | hash[2 * i + 1]) % 62];
	add_day(l, "CloudTrail", ret, &tm);
	strftime(time, sizeof(time), "%Y%m%dT%H%MZ", &tm);
	at = strlen(ret);
	snprintf(ret + at, LAYOUT_KEY_MAX - at, "%s_%s.json.gz", time, random);
}

void layout_digest_key(const struct layout *l, const char *trail, const char *home, char ret[LAYOUT_KEY_MAX])
{
	char time[32];
	struct tm tm;
	size_t at;

	add_day(l, "CloudTrail-Digest", ret, &tm);
	strftime(time, sizeof(time), "%Y%m%dT%H%M%SZ", &tm);
	at = strlen(ret);
	snprintf(ret + at, LAYOUT_KEY_MAX - at, "%s_%s_%s.json.gz", trail, home, time);
}

/* "20261122T1015" or "20261122T101530", and what must follow it. */
static bool parse_time(const char *s, size_t digits, int64_t *ret)
{
	char iso[32];

	if (strlen(s) < digits + 1 || s[8] != 'T' || s[digits + 1] != 'Z')
		return false;
	for (size_t i = 0; i < digits + 1; i++)
		if (i != 8 && !isdigit((unsigned char)s[i]))
			return false;
	snprintf(iso, sizeof(iso), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", s, s + 4, s + 6, s + 9, s + 11, digits == 14 ? s + 13 : "00");
	if (clock_parse(iso, ret) < 0)
		return false;
	*ret /= (int64_t)NS_PER_SEC;
	return true;
}

/* [prefix/]AWSLogs/A/<kind>/R/Y/M/D/A_<kind>_R_...: where A and R are named twice, and the day of the time is the folder's. */
static const char *parse_folder(const char *key, const char *kind, size_t *ret_folder)
{
	char account[64], region[64], want[512];
	const char *at = NULL, *name = strrchr(key, '/');
	unsigned y, m, d;

	for (const char *p = key; (p = strstr(p, "AWSLogs/")); p++)
		if (p == key || p[-1] == '/')
			at = p;
	if (!at || !name || sscanf(at, "AWSLogs/%63[^/]/%*[^/]/%63[^/]/%4u/%2u/%2u/", account, region, &y, &m, &d) != 5)
		return NULL;
	snprintf(want, sizeof(want), "AWSLogs/%s/%s/%s/%04u/%02u/%02u/%s_%s_%s_", account, kind, region, y, m, d, account, kind, region);
	if (strncmp(at, want, strlen(want)) || name != strrchr(want, '/') - want + at)
		return NULL;
	*ret_folder = (size_t)(name - key);
	return at + strlen(want);
}

bool layout_parse(const char *key, int64_t *ret_seconds, size_t *ret_folder)
{
	static const char end[] = ".json.gz";
	size_t n = strlen(key), folder;
	const char *rest = parse_folder(key, "CloudTrail", &folder), *time;

	if (n < sizeof(end) || strcmp(key + n - (sizeof(end) - 1), end))
		return false;
	time = rest;
	if (rest && (strlen(rest) != 14 + 1 + 16 + sizeof(end) - 1 || rest[14] != '_' || !parse_time(time, 12, ret_seconds)))
		return false;
	if (!rest) {
		rest = parse_folder(key, "CloudTrail-Digest", &folder);
		if (!rest || strlen(rest) < 17 + sizeof(end) - 1)
			return false;
		time = key + n - (sizeof(end) - 1) - 16;
		if (time[-1] != '_' || !parse_time(time, 14, ret_seconds))
			return false;
	}
	*ret_folder = folder;
	return true;
}

void layout_arn(const char *region, const char *account, const char *name, char ret[LAYOUT_ARN_MAX])
{
	snprintf(ret, LAYOUT_ARN_MAX, "arn:aws:cloudtrail:%s:%s:trail/%s", region, account, name);
}

static bool is_address(const char *s)
{
	unsigned a, b, c, d;
	int n = 0;

	return sscanf(s, "%3u.%3u.%3u.%3u%n", &a, &b, &c, &d, &n) == 4 && !s[n];
}

/* Letters and digits of the given kind, marks between them, no two marks together. */
static bool is_name(const char *name, size_t min, size_t max, const char *marks, bool upper)
{
	size_t n = strlen(name);

	if (n < min || n > max || !isalnum((unsigned char)name[0]) || !isalnum((unsigned char)name[n - 1]) || is_address(name))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool mark = strchr(marks, name[i]) != NULL;

		if ((!mark && !isalnum((unsigned char)name[i])) || (!upper && isupper((unsigned char)name[i])) ||
		    (mark && strchr("._", name[i + 1])) || (mark && name[i + 1] == '-' && (upper || name[i] == '.')))
			return false;
	}
	return true;
}

bool layout_trail_name(const char *name)
{
	return is_name(name, 3, LAYOUT_NAME_MAX, "._-", true);
}

bool layout_bucket_name(const char *name)
{
	return is_name(name, 3, 63, ".-", false);
}

bool layout_group_name(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._/#-", name[i]))
			return false;
	return n > 0 && n <= LAYOUT_GROUP_MAX;
}

bool layout_prefix(const char *p)
{
	size_t n = strlen(p);

	if (n > LAYOUT_PREFIX_MAX || (n && (p[0] == '/' || p[n - 1] == '/')) || strstr(p, "//"))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)p[i]) && !strchr("/!-_.*'()", p[i]))
			return false;
	/* no component may mean another directory */
	for (const char *c = p; c; c = strchr(c, '/') ? strchr(c, '/') + 1 : NULL)
		if (*c == '.')
			return false;
	return true;
}
