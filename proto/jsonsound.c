/* SPDX-License-Identifier: Apache-2.0 */
/* jsonsound.c - is a text JSON? Asked before what another program wrote is put into a record as it is. */
#include <string.h>

#include "json.h"

struct scan {
	const uint8_t *p, *end;
	unsigned depth;
};

static bool value(struct scan *s);

static void blank(struct scan *s)
{
	while (s->p < s->end && memchr(" \t\n\r", *s->p, 4))
		s->p++;
}

static bool next_is(struct scan *s, uint8_t c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool escape(struct scan *s)
{
	uint8_t c;

	if (s->p == s->end)
		return false;
	c = *s->p++;
	if (c != 'u')
		return memchr("\"\\/bfnrt", c, 8);
	for (unsigned i = 0; i < 4; i++, s->p++)
		if (s->p == s->end || !strchr("0123456789abcdefABCDEF", *s->p) || !*s->p)
			return false;
	return true;
}

static bool text(struct scan *s)
{
	if (!next_is(s, '"'))
		return false;
	while (s->p < s->end && *s->p != '"') {
		unsigned n = utf8_sequence(s->p, (size_t)(s->end - s->p));

		if (!n || *s->p < 0x20)
			return false;
		if (*s->p == '\\') {
			s->p++;
			if (!escape(s))
				return false;
			continue;
		}
		s->p += n;
	}
	return next_is(s, '"');
}

static bool digits(struct scan *s)
{
	const uint8_t *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from;
}

static bool number(struct scan *s)
{
	next_is(s, '-');
	if (!next_is(s, '0') && !digits(s))
		return false;
	if (next_is(s, '.') && !digits(s))
		return false;
	if (!next_is(s, 'e') && !next_is(s, 'E'))
		return true;
	if (!next_is(s, '+'))
		next_is(s, '-');
	return digits(s);
}

static bool word(struct scan *s, const char *w)
{
	size_t n = strlen(w);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n))
		return false;
	s->p += n;
	return true;
}

/* Members or elements, up to the closing bracket. */
static bool list(struct scan *s, bool keys, uint8_t close)
{
	bool ok;

	s->p++;
	if (++s->depth > JSON_DEPTH_MAX)
		return false;
	blank(s);
	if (next_is(s, close)) {
		s->depth--;
		return true;
	}
	do {
		blank(s);
		ok = !keys || text(s);
		if (ok && keys) {
			blank(s);
			ok = next_is(s, ':');
			blank(s);
		}
		ok = ok && value(s);
		blank(s);
	} while (ok && next_is(s, ','));
	s->depth--;
	return ok && next_is(s, close);
}

static bool value(struct scan *s)
{
	if (s->p == s->end)
		return false;
	switch (*s->p) {
	case '{':
		return list(s, true, '}');
	case '[':
		return list(s, false, ']');
	case '"':
		return text(s);
	case 't':
		return word(s, "true");
	case 'f':
		return word(s, "false");
	case 'n':
		return word(s, "null");
	default:
		return number(s);
	}
}

bool json_sound(const void *p, size_t n)
{
	struct scan s = { .p = p, .end = (const uint8_t *)p + n };

	return n && value(&s) && s.p == s.end;
}
