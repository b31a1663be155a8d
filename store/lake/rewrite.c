/* SPDX-License-Identifier: Apache-2.0 */
/* rewrite.c - CloudTrail Lake's SQL into text that the engine's parser takes. Tokens only: what they mean is for the parser,
 * and whether it is allowed for sandbox.c, which looks at what the parser made of it. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sandbox.h"

struct lexer {
	const char *p, *end;
	struct buf *out;
	bool compared;		/* the last token was =, <> or != */
	bool format;		/* within the brackets of date_format() or date_parse() */
	unsigned depth;		/* of them */
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80);
}

/* Length of an unquoted id at p, or 0. */
static size_t uuid_at(const char *p, const char *end)
{
	static const unsigned char parts[] = { 8, 4, 4, 4, 12 };
	const char *at = p;

	for (unsigned i = 0; i < sizeof(parts); i++) {
		if (i && (at == end || *at++ != '-'))
			return 0;
		for (unsigned k = 0; k < parts[i]; k++, at++)
			if (at == end || !isxdigit((unsigned char)*at))
				return 0;
	}
	return at < end && is_word(*at) ? 0 : (size_t)(at - p);
}

/* MySQL's letters, which Trino takes, into C's. */
static void format_text(const char *p, const char *end, struct buf *out)
{
	static const char from[] = "isMWTecklr";
	static const char *const to[] = { "%M", "%S", "%B", "%A", "%H:%M:%S", "%-d", "%-m", "%-H", "%-I", "%I:%M:%S %p" };

	while (p < end) {
		const char *at = *p == '%' && p + 1 < end ? memchr(from, p[1], sizeof(from) - 1) : NULL;
		size_t n = *p == '%' && p + 1 < end ? 2 : 1;

		if (at)
			buf_adds(out, to[at - from]);
		else
			buf_add(out, p, n);
		p += n;
	}
}

/* A quoted text or name, with doubled quotes inside. false: it has no end. */
static bool quoted(struct lexer *l)
{
	const char *start = l->p;
	char q = *l->p++;

	for (;;) {
		const char *at = memchr(l->p, q, (size_t)(l->end - l->p));

		if (!at)
			return false;
		l->p = at + 1;
		if (l->p == l->end || *l->p != q)
			break;
		l->p++;
	}
	if (l->format && q == '\'')
		format_text(start, l->p, l->out);
	else
		buf_add(l->out, start, (size_t)(l->p - start));
	return true;
}

/* Comments become a blank; the engine's nest, Trino's do not: none is left to differ about. */
static bool comment(struct lexer *l)
{
	const char *at;

	if (l->p[1] == '-') {
		at = memchr(l->p, '\n', (size_t)(l->end - l->p));
		l->p = at ? at : l->end;
	} else {
		at = memmem(l->p + 2, (size_t)(l->end - l->p - 2), "*/", 2);
		if (!at)
			return false;
		l->p = at + 2;
	}
	buf_addc(l->out, ' ');
	return true;
}

static void word(struct lexer *l)
{
	const char *start = l->p;
	size_t n = uuid_at(l->p, l->end);
	bool truth;

	if (n) {
		buf_addc(l->out, '"');
		for (size_t i = 0; i < n; i++)
			buf_addc(l->out, (uint8_t)tolower((unsigned char)start[i]));
		buf_addc(l->out, '"');
		l->p += n;
		return;
	}
	while (l->p < l->end && is_word(*l->p))
		l->p++;
	n = (size_t)(l->p - start);
	if (n == strlen("date_parse") && !strncasecmp(start, "date_parse", n))
		l->format = true;
	if (n == strlen("date_format") && !strncasecmp(start, "date_format", n))
		l->format = true;
	truth = (n == 4 && !strncasecmp(start, "true", 4)) || (n == 5 && !strncasecmp(start, "false", 5));
	/* a text that compares with both booleans and texts: some of CloudTrail's truths are texts */
	if (truth && l->compared)
		buf_addf(l->out, "'%s'", n == 4 ? "true" : "false");
	else
		buf_add(l->out, start, n);
}

static void mark(struct lexer *l)
{
	bool second = *l->p == '=' || *l->p == '>';

	l->compared = *l->p == '=' || (l->compared && second) || *l->p == '<' || *l->p == '!';
	if (l->format && *l->p == '(')
		l->depth++;
	if (l->format && *l->p == ')' && l->depth && !--l->depth)
		l->format = false;
	buf_addc(l->out, (uint8_t)*l->p++);
}

static bool step(struct lexer *l)
{
	if (isspace((unsigned char)*l->p)) {
		buf_addc(l->out, (uint8_t)*l->p++);
		return true;
	}
	if (l->end - l->p >= 2 && ((l->p[0] == '-' && l->p[1] == '-') || (l->p[0] == '/' && l->p[1] == '*')))
		return comment(l);
	if (is_word(*l->p)) {
		word(l);
		l->compared = false;
		return true;
	}
	if (*l->p == '\'' || *l->p == '"') {
		l->compared = false;
		return quoted(l);
	}
	mark(l);
	return true;
}

int sandbox_rewrite(const char *text, size_t n, struct buf *out, char why[DUCK_WHY_MAX])
{
	struct lexer l = { .p = text, .end = text + n, .out = out };

	while (l.end > l.p && (isspace((unsigned char)l.end[-1]) || l.end[-1] == ';'))
		l.end--;
	if (l.p == l.end || memchr(text, '\0', n)) {
		snprintf(why, DUCK_WHY_MAX, "the statement is empty or holds a NUL byte");
		return -EINVAL;
	}
	while (l.p < l.end)
		if (!step(&l)) {
			snprintf(why, DUCK_WHY_MAX, "a quote or a comment has no end");
			return -EINVAL;
		}
	return out->failed ? -ENOMEM : 0;
}
