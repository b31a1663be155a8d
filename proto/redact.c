// SPDX-License-Identifier: Apache-2.0
/*
 * redact.c - hides secrets in command lines, options, headers and URLs, by the tables of redact_rules.c.
 *
 * A word that names a command switches its rules on for the words behind it, so wrappers (sudo, env, xargs) need no
 * rules of their own. A word with blanks in it is gone through as a command line of its own (sh -c '...').
 */
#include "redact.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "redact_rules.h"

#define HIDDEN_LEN (sizeof(REDACT_HIDDEN) - 1)
#define NAME_MAX_LEN 96

struct room {
	char *p;
	size_t n, max;
};

/* ---- parts of text ---- */

static void hide_all(struct str *s)
{
	*s = (struct str){ REDACT_HIDDEN, HIDDEN_LEN };
}

/* Replaces s[from, to) by the mark; where the text goes on after it. An empty value has nothing to hide. */
static size_t hide_part(struct str *s, size_t from, size_t to, struct room *r, bool *changed)
{
	size_t total = from + HIDDEN_LEN + s->n - to;
	char *p = r->p + r->n;

	if (from == to)
		return to;
	*changed = true;
	if ((!from && to == s->n) || total > r->max - r->n) {
		hide_all(s);
		return s->n;
	}
	memcpy(p, s->p, from);
	memcpy(p + from, REDACT_HIDDEN, HIDDEN_LEN);
	memcpy(p + from + HIDDEN_LEN, s->p + to, s->n - to);
	*s = (struct str){ p, total };
	r->n += total;
	return from + HIDDEN_LEN;
}

/* ---- one word ---- */

static bool char_in(const char *set, char c)
{
	return c && strchr(set, c);
}

static bool is_quote(char c)
{
	return c == '\'' || c == '"';
}

/* "scheme://user:secret@host", and "scheme://token@host" where the token shows by its form. */
static bool hide_userinfo(struct str *s, struct room *r)
{
	bool changed = false;
	size_t at = 0;

	while (at < s->n) {
		const char *scheme = memmem(s->p + at, s->n - at, "://", 3);
		size_t from, end, colon;

		if (!scheme)
			break;
		from = (size_t)(scheme - s->p) + 3;
		for (end = from; end < s->n && !char_in("/?# '\"\t\n", s->p[end]); end++)
			;
		at = end;
		while (end > from && s->p[end - 1] != '@')
			end--;
		if (end == from)
			continue;
		end--;		/* of the userinfo */
		for (colon = from; colon < end && s->p[colon] != ':'; colon++)
			;
		if (colon < end)
			at = hide_part(s, colon + 1, end, r, &changed);
		else if (redact_has_token_form((struct str){ s->p + from, end - from }))
			at = hide_part(s, from, end, r, &changed);
	}
	return changed;
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* Where the name that ends before `end` begins. */
static size_t name_begin(struct str s, size_t end)
{
	size_t from = end;

	while (from && name_char(s.p[from - 1]) && end - from < NAME_MAX_LEN)
		from--;
	return from;
}

static bool already_hidden(struct str s, size_t at)
{
	return s.n - at >= HIDDEN_LEN && !memcmp(s.p + at, REDACT_HIDDEN, HIDDEN_LEN);
}

/* End of a value that begins at `at`: its closing quote, the quote that the whole stands in, or `ends`. */
static size_t value_end(struct str s, size_t at, char quote, const char *ends)
{
	while (at < s.n && s.p[at] != quote && (quote || !char_in(ends, s.p[at])))
		at++;
	return at;
}

/* By what stands before the name: a URL's query goes on behind "&", a list of settings or commands behind ";". */
static const char *ends_of_value(char before)
{
	if (before == '?' || before == '&')
		return "&#";
	return char_in(" \t;", before) ? ";|\n" : "";
}

/* Is s[from, to) a secret's name, or what is assigned to it a secret by its form? */
static bool assigns_secret(struct str s, size_t from, size_t to, char before)
{
	struct str value = { s.p + to + 1, s.n - to - 1 };

	if (value.n && is_quote(value.p[0]))
		value = (struct str){ value.p + 1, value.n - 1 };
	if (redact_has_token_form(value))
		return true;
	return before == '?' || before == '&' ? redact_is_secret_query(s.p + from, to - from) : redact_is_secret_name(s.p + from, to - from);
}

/* name=value where the name is a secret's: variables, options, URL queries. */
static bool hide_assignments(struct str *s, struct room *r)
{
	bool changed = false;

	for (size_t i = 0; i < s->n; i++) {
		size_t from, at = i + 1;
		char quote = 0, before;

		if (s->p[i] != '=')
			continue;
		from = name_begin(*s, i);
		before = from ? s->p[from - 1] : 0;
		if (from == i || !assigns_secret(*s, from, i, before) || already_hidden(*s, at))
			continue;
		if (at < s->n && is_quote(s->p[at]))
			quote = s->p[at++];
		else if (is_quote(before))
			quote = before;
		i = hide_part(s, at, value_end(*s, at, quote, ends_of_value(before)), r, &changed);
	}
	return changed;
}

/* "Authorization: Basic ..." and {"password": "..."}: a name, perhaps a quote, a colon, and what follows. */
static bool hide_headers(struct str *s, struct room *r)
{
	bool changed = false;

	for (size_t i = 1; i < s->n; i++) {
		size_t end = i, from, at = i + 1;
		char quote = 0, around = 0;

		if (s->p[i] != ':')
			continue;
		if (is_quote(s->p[i - 1]))
			end--;
		from = name_begin(*s, end);
		if (from == end || !redact_is_secret_name(s->p + from, end - from))
			continue;
		if (from && is_quote(s->p[from - 1]) && end == i)
			around = s->p[from - 1];
		while (at < s->n && s->p[at] == ' ')
			at++;
		if (at < s->n && is_quote(s->p[at]) && !around)
			quote = s->p[at++];
		if (!already_hidden(*s, at))
			i = hide_part(s, at, value_end(*s, at, quote ? quote : around, end == i ? "\n" : ",}\n"), r, &changed);
	}
	return changed;
}

static bool hide_word(struct str *s, struct room *r)
{
	bool changed;

	if (redact_has_token_form(*s)) {
		hide_all(s);
		return true;
	}
	changed = hide_userinfo(s, r);
	changed |= hide_assignments(s, r);
	return hide_headers(s, r) || changed;
}

/* ---- a command line ---- */

struct line {
	struct str *v;
	unsigned n;
	struct room *room;
	uint64_t active;		/* rules of the commands that were named so far */
	uint64_t sub_seen;		/* of these, whose subcommand was named too */
	unsigned changed;
};

static unsigned line_redact(struct line *l, unsigned depth);

static struct str base_name(struct str s)
{
	const char *slash = s.n ? memrchr(s.p, '/', s.n) : NULL;

	return slash ? (struct str){ slash + 1, s.n - (size_t)(slash + 1 - s.p) } : s;
}

/* A word may name a command, and with it rules; or the subcommand that a rule waits for. */
static void line_learn(struct line *l, struct str word)
{
	const struct rule *r;

	for (unsigned i = 0; l->active & ~l->sub_seen && (r = redact_rule(i)); i++)
		if (l->active & 1ull << i && r->sub && equals(word, r->sub))
			l->sub_seen |= 1ull << i;
	l->active |= redact_rules_of(base_name(word));
}

/* "env:", "file:" and "fd:" of openssl's options name no secret. */
static bool names_a_source(struct str s)
{
	return starts(s, "env:") || starts(s, "file:") || starts(s, "fd:") || equals(s, "stdin");
}

static void hide_value(struct line *l, unsigned i, size_t from, const struct rule *rule)
{
	struct str value = { l->v[i].p + from, l->v[i].n - from };
	bool changed = false;

	if (rule->kind == USERPASS && !memchr(value.p, rule->separator, value.n))
		return;
	if (names_a_source(value))
		return;
	hide_part(&l->v[i], from, l->v[i].n, l->room, &changed);
	l->changed += changed;
}

/* A secret without an option: the first word behind the subcommand, or the last word of all. */
static unsigned try_position(struct line *l, unsigned i, const struct rule *rule)
{
	struct str s = l->v[i];

	if (rule->kind == LAST) {
		if (i + 1 < l->n && s.n > 1 && s.p[0] == '-' && s.p[1] != '-' && memchr(s.p, rule->option[0], s.n))
			hide_value(l, l->n - 1, 0, rule);
		return 0;
	}
	if (!s.n || s.p[0] == '-' || (i && !equals(l->v[i - 1], rule->sub)))
		return 0;
	hide_value(l, i, 0, rule);
	return 1;
}

/* Where the rule's short option ends in a word of several ("-sSu"), 0: it is not in it, or another takes what follows. */
static size_t bundled(struct str s, const struct rule *rule)
{
	size_t i = 1;

	if (!rule->flags || s.n < 3 || s.p[0] != '-')
		return 0;
	while (i < s.n && char_in(rule->flags, s.p[i]))
		i++;
	return i > 1 && i < s.n && s.p[i] == rule->option[1] ? i + 1 : 0;
}

/* Does the rule hide (a part of) word i, or the one behind it? How many words are done with. */
static unsigned try_rule(struct line *l, unsigned i, const struct rule *rule)
{
	struct str s = l->v[i];
	size_t n = strlen(rule->option), bundle = bundled(s, rule);
	bool is_long = n > 2 && rule->option[1] == '-';

	if (rule->kind == LAST || !n)
		return try_position(l, i, rule);
	if (bundle)
		n = bundle;
	else if (!starts(s, rule->option))
		return 0;
	if (s.n == n) {
		if (rule->kind == JOINED)
			return 0;
		if (i + 1 < l->n)
			hide_value(l, i + 1, 0, rule);
		return 2;
	}
	if (is_long ? s.p[n] != '=' : n > 2 && rule->kind != JOINED && !bundle)
		return 0;	/* another, longer option */
	hide_value(l, i, n + is_long, rule);
	return 1;
}

static unsigned try_rules(struct line *l, unsigned i)
{
	const struct rule *r;
	unsigned done = 0;

	for (unsigned k = 0; l->active && !done && (r = redact_rule(k)); k++)
		if (l->active & 1ull << k && (!r->sub || l->sub_seen & 1ull << k))
			done = try_rule(l, i, r);
	return done;
}

static bool looks_like_option(struct str s)
{
	return s.n >= 2 && s.p[0] == '-' && (s.n == 2 || s.p[1] == '-');
}

/* "--token x", "-storepass x": an option of a secret's name and the word behind it. */
static bool secret_option(const struct line *l, unsigned i)
{
	struct str s = l->v[i];

	if (s.n < 4 || s.p[0] != '-' || i + 1 >= l->n || looks_like_option(l->v[i + 1]))
		return false;
	for (size_t k = 0; k < s.n; k++)
		if (!name_char(s.p[k]))
			return false;
	return redact_is_secret_name(s.p, s.n);
}

static bool has_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (char_in(" \t\n;|&", s.p[i]))
			return true;
	return false;
}

#define WORDS_MAX 64
#define DEPTH_MAX 3

/* The next word of a command line in s, from *at: quotes keep blanks together, and those around all of it go. */
static struct str next_word(struct str s, size_t *at)
{
	size_t from, end;
	char quote = 0;

	while (*at < s.n && char_in(" \t\n;|&", s.p[*at]))
		(*at)++;
	from = end = *at;
	for (; end < s.n && (quote || !char_in(" \t\n;|&", s.p[end])); end++) {
		if (quote && s.p[end] == quote)
			quote = 0;
		else if (!quote && is_quote(s.p[end]))
			quote = s.p[end];
	}
	*at = end;
	if (end - from > 2 && is_quote(s.p[from]) && s.p[end - 1] == s.p[from] && !memchr(s.p + from + 1, s.p[from], end - from - 2))
		return (struct str){ s.p + from + 1, end - from - 2 };
	return (struct str){ s.p + from, end - from };
}

/* Puts the changed words in the places of the old ones. */
static void words_replace(struct str *s, const struct str *old, const struct str *v, unsigned n, struct room *r)
{
	size_t total = s->n;
	char *out = r->p + r->n, *at = out;
	const char *from = s->p;

	for (unsigned i = 0; i < n; i++)
		total += v[i].n - old[i].n;
	if (total > r->max - r->n) {
		hide_all(s);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		memcpy(at, from, (size_t)(old[i].p - from));
		at += old[i].p - from;
		memcpy(at, v[i].p, v[i].n);
		at += v[i].n;
		from = old[i].p + old[i].n;
	}
	memcpy(at, from, (size_t)(s->p + s->n - from));
	r->n += total;
	*s = (struct str){ out, total };
}

/* Up to WORDS_MAX words from *at; an option at the limit stays for the next group, with the word that it may want. */
static unsigned words_take(struct str s, size_t *at, struct str *v)
{
	size_t before = *at;
	unsigned n = 0;

	while (n < WORDS_MAX) {
		before = *at;
		v[n] = next_word(s, at);
		if (!v[n].n)
			return n;
		n++;
	}
	if (v[n - 1].p[0] == '-') {
		*at = before;
		n--;
	}
	return n;
}

/* A word that is a command line itself, in groups of words. */
static bool hide_words(struct str *s, struct room *r, unsigned depth)
{
	struct str v[WORDS_MAX], old[WORDS_MAX];
	struct line l = { .v = v, .room = r };
	bool changed = false;
	size_t at = 0;

	while (at < s->n) {
		size_t left;

		l.n = words_take(*s, &at, v);
		left = s->n - at;
		memcpy(old, v, l.n * sizeof(v[0]));
		l.changed = 0;
		if (!line_redact(&l, depth + 1))
			continue;
		changed = true;
		words_replace(s, old, v, l.n, r);
		at = left < s->n ? s->n - left : s->n;
	}
	return changed;
}

static bool hide_inside(struct str *s, struct room *r, unsigned depth)
{
	return depth < DEPTH_MAX && has_blank(*s) && hide_words(s, r, depth);
}

/* The word behind "-c" or "-lc": a value in it ends at a blank, elsewhere it may have blanks. */
static bool is_script(const struct line *l, unsigned i)
{
	struct str s = i ? l->v[i - 1] : (struct str){ 0 };

	return s.n >= 2 && s.n <= 5 && s.p[0] == '-' && s.p[1] != '-' && s.p[s.n - 1] == 'c';
}

static unsigned line_redact(struct line *l, unsigned depth)
{
	for (unsigned i = 0; i < l->n;) {
		unsigned done = try_rules(l, i);
		bool changed;

		if (!done && secret_option(l, i)) {
			hide_all(&l->v[i + 1]);
			l->changed++;
			done = 2;
		}
		if (done) {
			i += done;
			continue;
		}
		line_learn(l, l->v[i]);
		changed = is_script(l, i) && hide_inside(&l->v[i], l->room, depth);
		changed |= hide_word(&l->v[i], l->room);
		changed |= !is_script(l, i) && hide_inside(&l->v[i], l->room, depth);
		l->changed += changed;
		i++;
	}
	return l->changed;
}

unsigned redact_argv(struct str *v, unsigned n, char *room, size_t max)
{
	struct room r = { room, 0, max };
	struct line l = { .v = v, .n = n, .room = &r };

	return line_redact(&l, 0);
}

bool redact_text(struct str *s, char *room, size_t max)
{
	return redact_argv(s, 1, room, max) > 0;
}

bool redact_options(struct str *s, char *room, size_t max)
{
	struct room r = { room, 0, max };
	bool changed = false;
	size_t at = 0;

	while (at < s->n) {
		const char *comma = memchr(s->p + at, ',', s->n - at);
		size_t end = comma ? (size_t)(comma - s->p) : s->n;
		const char *equal = memchr(s->p + at, '=', end - at);
		size_t from = equal ? (size_t)(equal - s->p) : end;

		if (equal && redact_is_secret_name(s->p + at, from - at))
			end = hide_part(s, from + 1, end, &r, &changed);
		at = end + 1;
	}
	return changed;
}
