/* SPDX-License-Identifier: Apache-2.0 */
/* secretform.c - which texts are secrets by how they look: known tokens, and letters and digits in the order of dice. */
#include <ctype.h>

#include "proto/redact_rules.h"
#include "secret.h"
#include "text.h"

#define HEX_SECRET 32	/* hexadecimal digits of 128 bits */
#define CREDENTIALS_MIN 8	/* behind the name of a scheme */
#define SCAN_MAX 4096	/* of a value that is looked through for random text */

struct census {
	unsigned n, lower, upper, digits;
	unsigned changes, numbers;	/* neighbours of different kinds; digits in a row */
};

static int kind(unsigned char c)
{
	return islower(c) ? 1 : isupper(c) ? 2 : isdigit(c) ? 3 : 0;
}

static struct census count(struct str s)
{
	struct census c = { 0 };
	int last = 0;

	for (size_t i = 0; i < s.n; i++) {
		int k = kind((unsigned char)s.p[i]);

		if (!k)
			continue;
		c.n++;
		c.lower += k == 1;
		c.upper += k == 2;
		c.digits += k == 3;
		c.changes += last && k != last;
		c.numbers += k == 3 && k != last;
		last = k;
	}
	return c;
}

static bool all_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isxdigit((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

static bool is_uuid(struct str s)
{
	if (s.n == 38 && s.p[0] == '{' && s.p[37] == '}')
		s = str_first(str_from(s, 1), 36);
	for (size_t i = 0; i < s.n; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s.p[i] != '-' : !isxdigit((unsigned char)s.p[i]))
			return false;
	return s.n == 36;
}

/* Letters and digits without anything between. Of dice, neighbours differ in kind in two of three places, in names made of words in one of
 * five; and numbers stand here and there, in names at most at two places. */
static bool run_is_random(struct str s)
{
	struct census c = count(s);
	unsigned kinds = !!c.lower + !!c.upper + !!c.digits;

	if (all_hex(s))
		return false;
	if (kinds == 3)
		return c.n >= 16 && (c.changes * 100 >= c.n * 42 || (c.numbers >= 2 && c.changes * 100 >= c.n * 27));
	if (kinds == 2 && c.digits)
		return c.n >= 20 && (c.numbers >= 4 || (c.numbers == 3 && c.changes * 100 >= c.n * 15));
	return kinds == 2 && c.n >= 24 && c.changes * 100 >= c.n * 42;
}

static bool joins(char c)
{
	return c == '-' || c == '_' || c == '+' || c == '~';
}

/* The same with what base64 has between: all three kinds, or it is taken for words and numbers. */
static bool word_is_random(struct str s)
{
	struct census c = count(s);

	return c.n >= 20 && c.lower && c.upper && c.digits && c.changes * 100 >= c.n * (c.numbers > 2 ? 38 : 42);
}

/* Looks at every run, and at every word of runs that base64 may have made. */
static bool has_random(struct str s)
{
	size_t run = 0, word = 0;

	for (size_t i = 0; i <= s.n; i++) {
		bool alnum = i < s.n && isalnum((unsigned char)s.p[i]);

		if (alnum)
			continue;
		if (i - run >= 16 && run_is_random((struct str){ s.p + run, i - run }))
			return true;
		run = i + 1;
		if (i < s.n && joins(s.p[i]))
			continue;
		if (i - word >= 20 && word_is_random((struct str){ s.p + word, i - word }))
			return true;
		word = i + 1;
	}
	return false;
}

/* "https://user:password@host", "https://token@host" */
static bool has_userinfo(struct str s)
{
	const char *at = memmem(s.p, s.n, "://", 3);
	size_t from = at ? (size_t)(at + 3 - s.p) : s.n;

	for (size_t i = from; i < s.n && s.p[i] != '/' && s.p[i] != ' '; i++)
		if (s.p[i] == '@')
			return true;
	return false;
}

/* A known token anywhere where a word begins. What is too short for any of them is not asked about. */
static bool has_token(struct str s)
{
	for (size_t i = 0; i + REDACT_TOKEN_MIN <= s.n; i++)
		if ((!i || !isalnum((unsigned char)s.p[i - 1])) && redact_may_be_token(s.p[i]) && redact_has_token_form(str_from(s, i)))
			return true;
	return false;
}

bool secret_token(struct str value)
{
	return value.n > 3 && (has_token(value) || has_userinfo(value) || memmem(value.p, value.n, "Signature=", 10));
}

bool secret_form(struct str value)
{
	if (value.n < 16)
		return value.n > 3 && has_userinfo(value);
	return has_token(value) || has_userinfo(value) || has_random(str_first(value, SCAN_MAX));
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* The name that ends before `end`. */
static struct str name_before(struct str s, size_t end)
{
	size_t from = end;

	while (from && name_char(s.p[from - 1]))
		from--;
	return (struct str){ s.p + from, end - from };
}

static bool hidden_at(struct str s, size_t at)
{
	return str_begins(str_from(s, at), REDACT_HIDDEN);
}

/* "=", and "%3D" of what was encoded once more. How long it is; 0: there is none. */
static size_t equals_at(struct str s, size_t i)
{
	if (s.p[i] == '=')
		return 1;
	return s.p[i] == '%' && s.n - i > 3 && s.p[i + 1] == '3' && (s.p[i + 2] | 0x20) == 'd' ? 3 : 0;
}

bool secret_assigned(struct str s)
{
	for (size_t i = 1; i + 1 < s.n; i++) {
		size_t n = equals_at(s, i);

		if (n && i + n < s.n && !hidden_at(s, i + n) && secret_name(name_before(s, i)))
			return true;
	}
	return false;
}

/* Behind the name that ends at i: perhaps a quote that closes around it, blanks, and what begins a value. */
static bool value_follows(struct str s, size_t i, bool quoted)
{
	bool blank;

	if (i < s.n && (s.p[i] == '"' || s.p[i] == '\''))
		i++;
	blank = i < s.n && s.p[i] == ' ';
	while (i < s.n && s.p[i] == ' ')
		i++;
	return i + 1 < s.n && (s.p[i] == ':' || s.p[i] == '=' || (quoted && blank && strchr("\"'`", s.p[i])));
}

/* Nearly all names have no value: that is asked first, for the lists of names are long. */
bool secret_told(struct str s, bool quoted)
{
	for (size_t i = 1; i < s.n; i++)
		if (!name_char(s.p[i]) && name_char(s.p[i - 1]) && value_follows(s, i, quoted) && secret_name(name_before(s, i)))
			return true;
	return secret_assigned(s);
}

bool secret_named(struct str s)
{
	for (size_t i = 2; i < s.n; i++) {
		size_t at = i + 1;

		if (s.p[i] != '"' || !name_char(s.p[i - 1]))
			continue;
		while (at < s.n && s.p[at] == ' ')
			at++;
		if (at < s.n && s.p[at] == ':' && secret_name(name_before(s, i)))
			return true;
	}
	return false;
}

/* "Bearer x", "Basic x", wherever it stands. Names have such words, too ("Visual Basic 6"): of what is short nothing is said. */
static bool has_credentials(struct str s)
{
	for (size_t i = 0; i + 6 < s.n; i++) {
		struct str rest = str_from(s, i), scheme;

		if ((s.p[i] | 0x20) != 'b' || (i && isalnum((unsigned char)s.p[i - 1])))
			continue;
		scheme = str_cut(&rest, ' ');
		if (rest.p && (str_is_nocase(scheme, "bearer") || str_is_nocase(scheme, "basic")) && str_cut(&rest, ' ').n >= CREDENTIALS_MIN)
			return true;
	}
	return false;
}

bool secret_text(struct str value)
{
	return secret_form(value) || secret_assigned(value) || secret_named(value) || has_credentials(value);
}

/* A part of a name that is of one thing: four and more digits, eight and more hexadecimal ones. */
static bool has_number(struct str s)
{
	size_t from = 0;

	for (size_t i = 0; s.n && i <= s.n; i++) {	/* no bytes: there may be no place either */
		struct str run = { s.p + from, i - from };

		if (i < s.n && isalnum((unsigned char)s.p[i]))
			continue;
		if ((run.n >= 4 && str_digits(run)) || (run.n >= 8 && all_hex(run) && count(run).digits))
			return true;
		from = i + 1;
	}
	return false;
}

/* "user:password@host", as a segment of a URL within a path. */
bool secret_userinfo(struct str s)
{
	const char *at = s.n ? memrchr(s.p, '@', s.n) : NULL, *colon = at ? memchr(s.p, ':', (size_t)(at - s.p)) : NULL;

	return colon && colon > s.p && at > colon + 1;
}

enum secret_segment secret_segment(struct str s)
{
	if (str_digits(s) || is_uuid(s))	/* the cheap ones first */
		return SEGMENT_ID;
	if (memchr(s.p ? s.p : "", ';', s.n) || secret_userinfo(s) || secret_text(s) || (s.n >= HEX_SECRET && all_hex(s)))
		return SEGMENT_SECRET;
	if (has_number(s) || (s.n && memchr(s.p, '@', s.n)))
		return SEGMENT_ID;
	return SEGMENT_WORD;
}
