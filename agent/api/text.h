/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - looking at bytes that are not NUL-terminated, for the rules. Nothing here allocates, fails or keeps state.
 */
#ifndef HOSTTRAIL_API_TEXT_H
#define HOSTTRAIL_API_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "proto/record.h"

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

static inline struct str str_of(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

static inline bool str_is(struct str s, const char *text)
{
	return s.p && s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static inline bool str_is_nocase(struct str s, const char *text)
{
	return s.p && s.n == strlen(text) && !strncasecmp(s.p, text, s.n);
}

static inline bool str_equal(struct str a, struct str b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

static inline bool str_begins(struct str s, const char *text)
{
	size_t n = strlen(text);

	return s.p && s.n >= n && !memcmp(s.p, text, n);
}

static inline bool str_begins_nocase(struct str s, const char *text)
{
	size_t n = strlen(text);

	return s.p && s.n >= n && !strncasecmp(s.p, text, n);
}

static inline bool str_ends(struct str s, const char *text)
{
	size_t n = strlen(text);

	return s.p && s.n >= n && !memcmp(s.p + s.n - n, text, n);
}

/* What is behind the first n bytes. */
static inline struct str str_from(struct str s, size_t n)
{
	return n < s.n ? (struct str){ s.p + n, s.n - n } : (struct str){ s.p ? s.p + s.n : NULL, 0 };
}

static inline struct str str_first(struct str s, size_t n)
{
	return (struct str){ s.p, n < s.n ? n : s.n };
}

/* Up to the separator (all of it where there is none), which goes, too. Absent when nothing is left. */
static inline struct str str_cut(struct str *rest, char separator)
{
	const char *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	struct str part = { rest->p, at ? (size_t)(at - rest->p) : rest->n };

	*rest = at ? (struct str){ at + 1, rest->n - part.n - 1 } : (struct str){ 0 };
	return part;
}

/* Is it one of the words, which blanks separate? */
bool str_among(struct str s, const char *words);
bool str_among_nocase(struct str s, const char *words);
struct str str_trim(struct str s);		/* blanks and tabs at both ends */
bool str_digits(struct str s);			/* at least one, and nothing else */
/* Decimal. False: it is not a number, or more than max. */
bool str_number(struct str s, uint64_t max, uint64_t *ret);
/* Is the host this domain, or within it? "x.amazonaws.com" is within "amazonaws.com". Any case. */
bool str_in_domain(struct str host, const char *domain);

#endif
