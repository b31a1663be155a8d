/* SPDX-License-Identifier: Apache-2.0 */
/* jsonread.c - the grammar: where a value ends, and what a container holds. What is made of values is jsonvalue.c's. */
#include "jsonread.h"

#include <ctype.h>

#include "text.h"

static size_t space(struct str s, size_t at)
{
	while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\n' || s.p[at] == '\t' || s.p[at] == '\r'))
		at++;
	return at;
}

/* Behind the string that begins at `at`; 0: it does not end, or is none. */
static size_t string_end(struct str s, size_t at)
{
	for (at++; at < s.n; at++) {
		unsigned char c = (unsigned char)s.p[at];

		if (c == '"')
			return at + 1;
		if (c < 0x20)
			return 0;
		if (c != '\\')
			continue;
		if (++at == s.n || !s.p[at] || !strchr("\"\\/bfnrtu", s.p[at]))
			return 0;
		for (unsigned i = 1; s.p[at] == 'u' && i <= 4; i++)
			if (at + i >= s.n || !isxdigit((unsigned char)s.p[at + i]))
				return 0;
		at += s.p[at] == 'u' ? 4 : 0;
	}
	return 0;
}

static size_t digits(struct str s, size_t at)
{
	while (at < s.n && isdigit((unsigned char)s.p[at]))
		at++;
	return at;
}

/* A number at the very end of the text may go on where the text was cut: it is not whole. */
static size_t number_end(struct str s, size_t at)
{
	size_t from = at + (s.p[at] == '-'), end = digits(s, from);

	if (end == from || (end - from > 1 && s.p[from] == '0'))
		return 0;
	if (end < s.n && s.p[end] == '.') {
		from = end + 1;
		end = digits(s, from);
		if (end == from)
			return 0;
	}
	if (end < s.n && (s.p[end] | 0x20) == 'e') {
		from = end + 1;
		from += from < s.n && (s.p[from] == '+' || s.p[from] == '-');
		end = digits(s, from);
		if (end == from)
			return 0;
	}
	return end;
}

static size_t scalar_end(struct str s, size_t at, enum jsonread_kind *ret_kind)
{
	static const struct {
		const char *text;
		enum jsonread_kind kind;
	} words[] = { { "true", JSON_TRUE }, { "false", JSON_FALSE }, { "null", JSON_NULL } };

	if (s.p[at] == '"') {
		*ret_kind = JSON_STRING;
		return string_end(s, at);
	}
	for (unsigned i = 0; i < 3; i++)
		if (str_begins(str_from(s, at), words[i].text)) {
			*ret_kind = words[i].kind;
			return at + strlen(words[i].text);
		}
	*ret_kind = JSON_NUMBER;
	return number_end(s, at);
}

/* "name" and ':' before a value of an object. */
static size_t name_end(struct str s, size_t at, struct str *ret_name)
{
	size_t end;

	at = space(s, at);
	end = at < s.n && s.p[at] == '"' ? string_end(s, at) : 0;
	if (!end)
		return 0;
	if (ret_name)
		*ret_name = (struct str){ s.p + at + 1, end - at - 2 };
	end = space(s, end);
	return end < s.n && s.p[end] == ':' ? space(s, end + 1) : 0;
}

/* Without recursion: a stack of brackets. Behind the value at `at`; 0: not whole, malformed, or too deep. */
static size_t value_end(struct str s, size_t at, enum jsonread_kind *ret_kind)
{
	char close[JSONREAD_DEPTH_MAX];
	enum jsonread_kind kind, first = JSON_NOTHING;
	unsigned depth = 0;

	for (;;) {
		bool open = at < s.n && (s.p[at] == '{' || s.p[at] == '[');

		if (at >= s.n || (open && depth == JSONREAD_DEPTH_MAX))
			return 0;
		kind = s.p[at] == '{' ? JSON_OBJECT : JSON_ARRAY;
		if (open)
			close[depth++] = s.p[at] == '{' ? '}' : ']';
		at = open ? space(s, at + 1) : scalar_end(s, at, &kind);
		first = first ? first : kind;
		if (!at || (depth && at >= s.n))
			return 0;
		if (open && s.p[at] != close[depth - 1]) {	/* it has something in it */
			at = close[depth - 1] == '}' ? name_end(s, at, NULL) : at;
			if (!at)
				return 0;
			continue;
		}
		while (depth && (at = space(s, at)) < s.n && s.p[at] == close[depth - 1]) {
			at++;
			depth--;
		}
		if (!depth) {
			*ret_kind = first;
			return at;
		}
		if (at >= s.n || s.p[at] != ',')
			return 0;
		at = close[depth - 1] == '}' ? name_end(s, at + 1, NULL) : space(s, at + 1);
		if (!at)
			return 0;
	}
}

struct jsonread_value jsonread_first(struct str text)
{
	size_t at = space(text, 0), end;
	struct jsonread_value v = { 0 };

	end = value_end(text, at, &v.kind);
	if (!end || (v.kind == JSON_NUMBER && end == text.n))
		return (struct jsonread_value){ 0 };
	v.text = (struct str){ text.p + at, end - at };
	return v;
}

void jsonread_begin(struct jsonread *r, struct str text)
{
	size_t at = space(text, 0);
	char c = at < text.n ? text.p[at] : 0;

	*r = (struct jsonread){ .rest = str_from(text, at + 1), .close = c == '{' ? '}' : c == '[' ? ']' : 0 };
}

static bool stop(struct jsonread *r, bool whole)
{
	r->close = 0;
	r->whole = whole;
	return false;
}

bool jsonread_next(struct jsonread *r, struct str *ret_name, struct jsonread_value *ret_value)
{
	struct str name = { 0 };
	struct jsonread_value v;
	size_t at = space(r->rest, 0), end;

	if (!r->close || at >= r->rest.n)
		return stop(r, r->whole);
	if (r->rest.p[at] == r->close)
		return stop(r, true);
	if (r->started && r->rest.p[at++] != ',')
		return stop(r, false);
	at = r->close == '}' ? name_end(r->rest, at, &name) : space(r->rest, at);
	if (r->close == '}' && !at)
		return stop(r, false);
	end = value_end(r->rest, at, &v.kind);
	if (!end || (v.kind == JSON_NUMBER && end == r->rest.n))
		return stop(r, false);
	v.text = (struct str){ r->rest.p + at, end - at };
	r->rest = str_from(r->rest, end);
	r->started = true;
	*ret_name = name;
	*ret_value = v;
	return true;
}
