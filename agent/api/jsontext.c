/* SPDX-License-Identifier: Apache-2.0 */
#include "jsontext.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/json.h"
#include "proto/redact.h"
#include "text.h"

#define START 512
#define OMITTED ",\"omitted\":true"
#define TAIL (sizeof(OMITTED) + 1)	/* always kept free beside what closes the brackets */
#define CUT_MIN 64			/* a text of which not even this much fits is left out */
#define ELLIPSIS "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd"

static const char hex_digits[] = "0123456789abcdef";

/* Bytes that may still be written, so that everything open can be closed. */
static size_t room(const struct jsontext *j)
{
	size_t kept = TAIL + j->depth;

	return j->n + kept < j->max ? j->max - j->n - kept : 0;
}

static bool reserve(struct jsontext *j, size_t more)
{
	size_t cap = j->cap ? j->cap : START;
	char *p;

	if (j->failed)
		return false;
	if (j->n + more <= j->cap)
		return true;
	while (cap < j->n + more)
		cap *= 2;
	p = api_arena_get(j->arena, cap);
	if (!p) {
		j->failed = true;
		return false;
	}
	if (j->n)
		memcpy(p, j->p, j->n);
	j->p = p;
	j->cap = cap;
	return true;
}

static void add(struct jsontext *j, const void *p, size_t n)
{
	if (!reserve(j, n))
		return;
	memcpy(j->p + j->n, p, n);
	j->n += n;
}

/* ---- text between quotes */

/* What the character at s becomes, at most 8 bytes; *ret_taken: of how many bytes it is made. */
static unsigned escape(struct str s, char out[8], unsigned *ret_taken)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned n = utf8_sequence(p, s.n);

	*ret_taken = n > 1 ? n : 1;
	if (n == 1 && (*p == '"' || *p == '\\'))
		return (unsigned)(memcpy(out, (char[]){ '\\', (char)*p }, 2), 2);
	if (n == 1 && *p && *p < 0x20)
		return (unsigned)snprintf(out, 8, "\\u%04x", *p);
	if (!n || !*p || (n == 3 && !memcmp(p, REPLACEMENT, 3))) {
		*ret_taken = 1;
		memcpy(out, REPLACEMENT, 3);
		out[3] = hex_digits[*p >> 4];
		out[4] = hex_digits[*p & 15];
		return 5;
	}
	memcpy(out, p, n);
	return n;
}

#define BYTES(b) (0x0101010101010101ull * (b))

/* Is one of eight bytes a control character, a quote, a backslash, or not ASCII? A byte that follows such a one may be taken for one, too. */
static bool special(const char *p)
{
	uint64_t w, quotes, slashes;

	memcpy(&w, p, 8);
	quotes = w ^ BYTES('"');
	slashes = w ^ BYTES('\\');
	return (w | (w - BYTES(0x20)) | (quotes - BYTES(1)) | (slashes - BYTES(1))) & BYTES(0x80);
}

static bool plain(struct str s)
{
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8)
		if (special(s.p + i))
			return false;
	for (; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\')	/* also what is not ASCII: char is signed */
			return false;
	return true;
}

/* How many of its bytes fit into max written ones, from the front; *ret_size: how many these are. */
static size_t fits(struct str s, size_t max, size_t *ret_size)
{
	size_t at = 0, size = 0;

	if (s.n <= max && plain(s)) {
		*ret_size = s.n;
		return s.n;
	}
	while (at < s.n) {
		char out[8];
		unsigned taken, n = escape(str_from(s, at), out, &taken);

		if (size + n > max)
			break;
		at += taken;
		size += n;
	}
	*ret_size = size;
	return at;
}

static void add_escaped(struct jsontext *j, struct str s)
{
	if (plain(s)) {
		add(j, s.p, s.n);
		return;
	}
	for (size_t at = 0; at < s.n && !j->failed;) {
		char out[8];
		unsigned taken, n = escape(str_from(s, at), out, &taken);

		add(j, out, n);
		at += taken;
	}
}

/* Where a character begins, at or behind `at`. */
static size_t on_boundary(struct str s, size_t at)
{
	for (unsigned i = 0; i < 3 && at < s.n && (s.p[at] & 0xc0) == 0x80; i++)
		at++;
	return at;
}

/* Both ends of a text that is too long, in at most max written bytes. */
static void add_cut(struct jsontext *j, struct str s, size_t max)
{
	size_t half = (max - strlen(ELLIPSIS)) / 2, size, head = fits(s, half, &size), tail;

	for (tail = on_boundary(s, s.n - (half < s.n ? half : s.n)); tail < s.n;) {
		if (fits(str_from(s, tail), half, &size) == s.n - tail)
			break;
		tail = on_boundary(s, tail + (s.n - tail + 1) / 2);
	}
	add_escaped(j, str_first(s, head));
	add(j, ELLIPSIS, strlen(ELLIPSIS));
	add_escaped(j, str_from(s, tail > head ? tail : head));
}

/* ---- members */

/* Into room that is there. */
static void put_plain(struct jsontext *j, struct str s)
{
	memcpy(j->p + j->n, s.p, s.n);
	j->n += s.n;
}

/* Comma and name; false, and nothing written, if not also `need` bytes more fit. There is room for these then. */
static bool put_key(struct jsontext *j, struct str key, size_t need)
{
	bool simple = key.p && key.n <= j->max && plain(key);
	size_t size = key.n;

	if (j->skipped || j->failed)
		return false;
	if (key.p && !simple && (key.n > j->max || fits(key, j->max, &size) < key.n))
		size = j->max;
	if (size + 4 + need > room(j)) {
		j->omitted = true;
		return false;
	}
	if (!reserve(j, size + 4 + need))
		return false;
	if (j->comma)
		j->p[j->n++] = ',';
	j->comma = true;
	if (key.p) {
		j->p[j->n++] = '"';
		if (simple)
			put_plain(j, key);
		else
			add_escaped(j, key);
		add(j, "\":", 2);
	}
	return true;
}

/* Between quotes; asked: the bytes that put_key() was asked for. */
static void put_text(struct jsontext *j, struct str s, size_t asked)
{
	if (s.n + 2 > asked || !plain(s)) {
		add(j, "\"", 1);
		add_escaped(j, s);
		add(j, "\"", 1);
		return;
	}
	j->p[j->n++] = '"';
	put_plain(j, s);
	j->p[j->n++] = '"';
}

static void raw(struct jsontext *j, struct str key, const char *p, size_t n)
{
	if (put_key(j, key, n))
		add(j, p, n);
}

void jsontext_begin(struct jsontext *j, struct api_arena *a)
{
	*j = (struct jsontext){ .arena = a, .max = API_JSON_MAX };
	add(j, "{", 1);
	j->close[j->depth++] = '}';
}

void jsontext_open(struct jsontext *j, struct str key, char bracket)
{
	if (j->skipped || j->depth == JSONTEXT_DEPTH_MAX || !put_key(j, key, 2)) {
		j->omitted = true;
		j->skipped++;
		return;
	}
	add(j, &bracket, 1);
	j->close[j->depth++] = bracket == '{' ? '}' : ']';
	j->comma = false;
}

void jsontext_close(struct jsontext *j)
{
	if (j->skipped) {
		j->skipped--;
		return;
	}
	if (j->depth <= 1)
		return;
	add(j, &j->close[--j->depth], 1);
	j->comma = true;
}

void jsontext_text(struct jsontext *j, struct str key, struct str value)
{
	size_t size, max = JSONTEXT_TEXT_MAX, free_room = room(j);

	if (!value.p)
		return;
	if (value.n <= max && value.n + key.n + 3 <= free_room / 6) {	/* whatever they are made of */
		if (put_key(j, key, value.n + 2))
			put_text(j, value, value.n + 2);
		return;
	}
	if (max + key.n * 6 + 16 > free_room)
		max = free_room > key.n * 6 + 16 ? free_room - key.n * 6 - 16 : 0;
	if (fits(value, max, &size) == value.n) {
		if (put_key(j, key, size + 2))
			put_text(j, value, size + 2);
		return;
	}
	j->omitted = true;
	if (max < CUT_MIN || !put_key(j, key, max + 2))
		return;
	add(j, "\"", 1);
	add_cut(j, value, max);
	add(j, "\"", 1);
}

void jsontext_string(struct jsontext *j, const char *key, const char *value)
{
	jsontext_text(j, str_of(key), str_of(value));
}

void jsontext_hidden(struct jsontext *j, struct str key)
{
	raw(j, key, "\"" REDACT_HIDDEN "\"", sizeof("\"" REDACT_HIDDEN "\"") - 1);
}

/* Decimal, before `end`; where it begins. */
static char *digits_of(char *end, uint64_t v)
{
	do
		*--end = (char)('0' + v % 10);
	while (v /= 10);
	return end;
}

void jsontext_int(struct jsontext *j, struct str key, int64_t v)
{
	char text[24], *p = digits_of(text + sizeof(text), v < 0 ? -(uint64_t)v : (uint64_t)v);

	if (v < 0)
		*--p = '-';
	raw(j, key, p, (size_t)(text + sizeof(text) - p));
}

void jsontext_uint(struct jsontext *j, struct str key, uint64_t v)
{
	char text[24], *p = digits_of(text + sizeof(text), v);

	raw(j, key, p, (size_t)(text + sizeof(text) - p));
}

void jsontext_bool(struct jsontext *j, struct str key, bool v)
{
	raw(j, key, v ? "true" : "false", v ? 4 : 5);
}

void jsontext_null(struct jsontext *j, struct str key)
{
	raw(j, key, "null", 4);
}

static size_t digits(struct str v, size_t at)
{
	size_t from = at;

	while (at < v.n && v.p[at] >= '0' && v.p[at] <= '9')
		at++;
	return at - from;
}

/* RFC 8259, section 6. */
static bool is_number(struct str v)
{
	size_t at = v.n && v.p[0] == '-', n = digits(v, at);

	if (!n || (n > 1 && v.p[at] == '0'))
		return false;
	at += n;
	if (at < v.n && v.p[at] == '.') {
		n = digits(v, at + 1);
		if (!n)
			return false;
		at += 1 + n;
	}
	if (at < v.n && (v.p[at] | 0x20) == 'e') {
		at++;
		at += at < v.n && (v.p[at] == '+' || v.p[at] == '-');
		n = digits(v, at);
		if (!n)
			return false;
		at += n;
	}
	return at == v.n;
}

void jsontext_number(struct jsontext *j, struct str key, struct str v)
{
	if (v.n <= 64 && is_number(v))
		raw(j, key, v.p, v.n);
	else
		jsontext_text(j, key, v);
}

size_t jsontext_mark(const struct jsontext *j)
{
	return j->n << 1 | j->comma;
}

void jsontext_back(struct jsontext *j, size_t mark)
{
	if (j->failed || mark >> 1 > j->n)
		return;
	j->n = mark >> 1;
	j->comma = mark & 1;
}

int jsontext_end(struct jsontext *j, struct str *ret_text)
{
	while (j->skipped || j->depth > 1)
		jsontext_close(j);
	if (j->omitted)
		add(j, j->comma ? OMITTED : &OMITTED[1], strlen(j->comma ? OMITTED : &OMITTED[1]));
	if (!j->comma && !j->omitted) {
		*ret_text = (struct str){ 0 };
		return j->failed ? -ENOMEM : 0;
	}
	add(j, "}", 2);		/* with its NUL */
	if (j->failed)
		return -ENOMEM;
	*ret_text = (struct str){ j->p, j->n - 1 };
	return 0;
}
