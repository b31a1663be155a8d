/* SPDX-License-Identifier: Apache-2.0 */
#include "layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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
