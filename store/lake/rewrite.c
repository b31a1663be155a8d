/* SPDX-License-Identifier: Apache-2.0 */
/* rewrite.c - CloudTrail Lake's SQL into text that the engine's parser takes. Tokens only: what they mean is for the parser,
 * and whether it is allowed for sandbox.c, which looks at what the parser made of it. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sandbox.h"

#define BRACKETS_MAX 256	/* deeper ones are copied as they are */

/* What an open bracket belongs to. */
struct bracket {
	bool format;		/* texts in it are formats of date_format() or date_parse() */
	bool path;		/* they are paths of JSON */
	bool type;		/* a type stands in it */
	bool list;		/* array(...): the type of a list */
	bool cast, try;		/* CAST(, TRY_CAST( */
	size_t name;		/* where in the output the word before it begins */
	size_t as;		/* of a CAST: where behind its AS the type begins, or 0 */
};

struct lexer {
	const char *p, *end;
	struct buf *out;
	bool compared;		/* the last token was =, <> or != */
	struct bracket open[BRACKETS_MAX + 1];	/* [0]: outside of all */
	unsigned depth;
	struct bracket next;	/* what a bracket will be that comes now */
};

static struct bracket *around(struct lexer *l)
{
	return &l->open[l->depth < BRACKETS_MAX ? l->depth : BRACKETS_MAX];
}

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
	static const char from[] = "isMWTecklrh";
	static const char *const to[] = { "%M", "%S", "%B", "%A", "%H:%M:%S", "%-d", "%-m", "%-H", "%-I", "%I:%M:%S %p", "%I" };

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

/* $.a["b-c"] into $.a."b-c", which is how the engine names such a member. */
static void path_text(const char *p, const char *end, struct buf *out)
{
	while (p < end) {
		const char *name = p + 2, *close = p[0] == '[' && end - p > 4 && p[1] == '"' ? memchr(name, '"', (size_t)(end - name)) : NULL;

		if (close && close + 1 < end && close[1] == ']') {
			buf_adds(out, ".\"");
			buf_add(out, name, (size_t)(close + 1 - name));
			p = close + 2;
		} else {
			buf_addc(out, (uint8_t)*p++);
		}
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
	if (around(l)->format && q == '\'')
		format_text(start, l->p, l->out);
	else if (around(l)->path && q == '\'' && start[1] == '$')
		path_text(start, l->p, l->out);
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

static bool is(const char *p, size_t n, const char *what)
{
	return n == strlen(what) && !strncasecmp(p, what, n);
}

static bool before_bracket(const struct lexer *l)
{
	const char *p = l->p;

	while (p < l->end && isspace((unsigned char)*p))
		p++;
	return p < l->end && *p == '(';
}

/* The engine's own names, where a macro cannot give another one: it takes no lambdas and no constants on to them. */
static const char *other_name(const char *p, size_t n)
{
	static const char *const names[][2] = { { "transform", "list_transform" }, { "approx_percentile", "approx_quantile" } };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is(p, n, names[i][0]))
			return names[i][1];
	return NULL;
}

/* A word that changes what follows. true: it does not stand in the output. */
static bool leading(struct lexer *l, const char *p, size_t n)
{
	struct bracket *b = around(l);
	const char *other;

	if (b->cast && is(p, n, "as")) {
		buf_add(l->out, p, n);
		b->as = l->out->n;
		return true;
	}
	if (!before_bracket(l))
		return false;
	if ((b->as || b->type) && is(p, n, "array")) {
		l->next = (struct bracket){ .list = true };
		return true;
	}
	l->next.name = l->out->n;
	l->next.try = is(p, n, "try_cast");
	l->next.cast = l->next.try || is(p, n, "cast");
	l->next.format = is(p, n, "date_parse") || is(p, n, "date_format");
	l->next.path = n > 5 && !strncasecmp(p, "json_", 5);
	other = other_name(p, n);
	if (other)
		buf_adds(l->out, other);
	return other;
}

static void word(struct lexer *l)
{
	const char *start = l->p;
	size_t n = uuid_at(l->p, l->end);
	bool truth;

	l->next = (struct bracket){ 0 };
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
	if (leading(l, start, n))
		return;
	truth = is(start, n, "true") || is(start, n, "false");
	/* a text that compares with both booleans and texts: some of CloudTrail's truths are texts */
	if (truth && l->compared)
		buf_addf(l->out, "'%s'", n == 4 ? "true" : "false");
	else
		buf_add(l->out, start, n);
}

/* What a name before them does not say, brackets have of those around them. */
static void opened(struct lexer *l)
{
	struct bracket *b = around(l), fresh = l->next;

	l->next = (struct bracket){ 0 };
	if (!fresh.format && !fresh.path) {
		fresh.format = b->format;
		fresh.path = b->path;
	}
	fresh.type = b->as || b->type;
	if (!fresh.list)
		buf_addc(l->out, '(');
	if (++l->depth < BRACKETS_MAX)
		l->open[l->depth] = fresh;
}

/* CAST(x AS VARCHAR) of JSON is the text that it holds, without quotes: text() looks what x is (macros.c). */
static void to_text(struct lexer *l, const struct bracket *b)
{
	const char *type = (const char *)l->out->p + b->as, *end = (const char *)l->out->p + l->out->n;

	while (type < end && isspace((unsigned char)*type))
		type++;
	while (end > type && isspace((unsigned char)end[-1]))
		end--;
	if (l->out->failed || !is(type, (size_t)(end - type), "varchar"))
		return;
	memcpy(l->out->p + b->name, b->try ? "try_text" : "text", b->try ? 8 : 4);
	l->out->n = b->as - 2;
}

static void closed(struct lexer *l)
{
	struct bracket b = l->depth < BRACKETS_MAX ? *around(l) : (struct bracket){ 0 };

	if (l->depth)
		l->depth--;
	if (b.cast && b.as)
		to_text(l, &b);
	buf_adds(l->out, b.list ? "[]" : ")");
}

static void mark(struct lexer *l)
{
	bool second = *l->p == '=' || *l->p == '>';
	char c = *l->p++;

	l->compared = c == '=' || (l->compared && second) || c == '<' || c == '!';
	if (c == '(')
		return opened(l);
	l->next = (struct bracket){ 0 };
	if (c == ')')
		return closed(l);
	buf_addc(l->out, (uint8_t)c);
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
