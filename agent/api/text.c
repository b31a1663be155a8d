/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

static inline bool same(char a, char b, bool nocase)
{
	return a == b || (nocase && (a ^ b) == 0x20 && (a | 0x20) >= 'a' && (a | 0x20) <= 'z');
}

static inline bool among(struct str s, const char *words, bool nocase)
{
	while (s.n && *words) {
		size_t i = 0;

		while (i < s.n && words[i] && words[i] != ' ' && same(words[i], s.p[i], nocase))
			i++;
		if (i == s.n && (!words[i] || words[i] == ' '))
			return true;
		for (words += i; *words && *words != ' '; words++)
			;
		words += *words == ' ';
	}
	return false;
}

bool str_among(struct str s, const char *words)
{
	return among(s, words, false);
}

bool str_among_nocase(struct str s, const char *words)
{
	return among(s, words, true);
}

struct str str_trim(struct str s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool str_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

bool str_number(struct str s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!str_digits(s) || s.n > 20)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	if (v > max)
		return false;
	*ret = v;
	return true;
}

bool str_in_domain(struct str host, const char *domain)
{
	size_t n = strlen(domain);

	return host.p && host.n >= n && !strncasecmp(host.p + host.n - n, domain, n) && (host.n == n || host.p[host.n - n - 1] == '.');
}
