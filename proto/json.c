/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <errno.h>
#include <stddef.h>

#include "keys.h"
#include "lib/bytes.h"

#define REPLACEMENT "\xef\xbf\xbd"	/* U+FFFD */
#define ELLIPSIS "\xe2\x80\xa6"		/* U+2026 */
#define EXACT_MAX (1ull << 53)

static const char hex_digits[] = "0123456789abcdef";

unsigned utf8_sequence(const uint8_t *p, size_t n)
{
	uint32_t c;
	unsigned len;

	if (!n || p[0] < 0x80)
		return n ? 1 : 0;
	len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len > n)
		return 0;
	c = p[0] & (0x7f >> len);
	for (unsigned i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

static bool plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The high bit of a byte of w: it may need an escape (not ASCII, below a space, a quote or a backslash). Exact up to the first one. */
static uint64_t odd_bytes(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101ull;
	uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';

	return (w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & ones * 0x80;
}

static uint8_t *escape_control(uint8_t *to, uint8_t c)
{
	static const char letters[0x20] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };

	*to++ = '\\';
	if (c == '"' || c == '\\') {
		*to++ = c;
	} else if (letters[c]) {
		*to++ = (uint8_t)letters[c];
	} else {
		memcpy(to, "u00", 3);
		to[3] = (uint8_t)hex_digits[c >> 4];
		to[4] = (uint8_t)hex_digits[c & 15];
		to += 5;
	}
	return to;
}

static uint8_t *escape_byte(uint8_t *to, uint8_t c)
{
	memcpy(to, REPLACEMENT, 3);
	to[3] = (uint8_t)hex_digits[c >> 4];
	to[4] = (uint8_t)hex_digits[c & 15];
	return to + 5;
}

/* Copies some of what needs no escape, gives how many; 0: one by one. There is room for BYTES, of which it may write all. */
static unsigned copy_plain(uint8_t *to, const uint8_t *p, size_t n)
{
	uint32_t half[2];
	bytes_t v;
	uint64_t w;

	if (n >= BYTES) {
		memcpy(&v, p, BYTES);
		memcpy(to, &v, BYTES);
		return bytes_first((v < 0x20) | (v == '"') | (v == '\\'));	/* not ASCII is below zero */
	}
	if (n >= 8) {
		memcpy(&w, p, 8);
		memcpy(to, &w, 8);
		w = odd_bytes(w);
		return w ? (unsigned)__builtin_ctzll(w) / 8 : 8;
	}
	if (n < 4)
		return 0;
	memcpy(&half[0], p, 4);			/* which overlap */
	memcpy(&half[1], p + n - 4, 4);
	if (odd_bytes((uint64_t)half[1] << 32 | half[0]))
		return 0;
	memcpy(to, p, 4);
	memcpy(to + n - 4, &half[1], 4);
	return (unsigned)n;
}

#define ROOM(n) (6 * (n) + BYTES)	/* every byte becomes at most six; and that many are written at once */

/* Text between the quotes, where there is ROOM(n). again: U+FFFD stands for itself. */
static uint8_t *escape(uint8_t *to, const uint8_t *p, size_t n, bool again)
{
	const uint8_t *end = p + n;

	while (p < end) {
		unsigned len = copy_plain(to, p, (size_t)(end - p));

		p += len;
		to += len;
		if (len)
			continue;
		if (plain(*p)) {
			*to++ = *p++;
			continue;
		}
		len = utf8_sequence(p, (size_t)(end - p));
		if (len == 1 && *p) {
			to = escape_control(to, *p++);
		} else if (len < 2 || (len == 3 && !again && !memcmp(p, REPLACEMENT, 3))) {
			to = escape_byte(to, *p++);
		} else {
			memcpy(to, p, len);
			to += len;
			p += len;
		}
	}
	return to;
}

/* Room for a key of this length, and for what may come before and behind it. */
static uint8_t *room(struct json *j, size_t nkey, size_t n)
{
	if (nkey > SIZE_MAX / 16 || n > SIZE_MAX / 16 || buf_reserve(j->out, ROOM(nkey) + ROOM(n) + 8) < 0) {
		j->out->failed = true;
		return NULL;
	}
	return j->out->p + j->out->n;
}

static uint8_t *put_key(struct json *j, uint8_t *to, const char *key, size_t n)
{
	if (j->comma)
		*to++ = ',';
	j->comma = true;
	if (!key)
		return to;
	*to++ = '"';
	to = escape(to, (const uint8_t *)key, n, false);
	*to++ = '"';
	*to++ = ':';
	return to;
}

static void done(struct json *j, const uint8_t *to)
{
	j->out->n = (size_t)(to - j->out->p);
}

static void escaped(struct buf *out, const uint8_t *p, size_t n)
{
	struct json j = { .out = out };
	uint8_t *to = room(&j, 0, n);

	if (to)
		done(&j, escape(to, p, n, false));
}

void json_key(struct json *j, const char *key)
{
	size_t n = key ? strlen(key) : 0;
	uint8_t *to = room(j, n, 0);

	if (to)
		done(j, put_key(j, to, key, n));
}

void json_members(struct json *j, const void *p, size_t n)
{
	if (buf_reserve(j->out, n + 1) < 0)
		return;
	if (j->comma)
		buf_addc(j->out, ',');
	buf_add(j->out, p, n);
	j->comma = true;
}

void json_open(struct json *j, const char *key, char bracket)
{
	json_key(j, key);
	buf_addc(j->out, (uint8_t)bracket);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	buf_addc(j->out, (uint8_t)bracket);
	j->comma = true;
}

static void put_text(struct json *j, const char *key, const void *p, size_t n, bool again)
{
	size_t nkey = key ? strlen(key) : 0;
	uint8_t *to = room(j, nkey, n);

	if (!to)
		return;
	to = put_key(j, to, key, nkey);
	*to++ = '"';
	to = escape(to, p, n, again);
	*to++ = '"';
	done(j, to);
}

void json_text(struct json *j, const char *key, const void *p, size_t n)
{
	put_text(j, key, p, n, false);
}

void json_text_again(struct json *j, const char *key, const void *p, size_t n)
{
	put_text(j, key, p, n, true);
}

/* Moves a cut so that it does not split a character. */
static size_t cut_before(const uint8_t *p, size_t at)
{
	for (unsigned back = 0; back < 3 && back <= at; back++)
		if ((p[at - back] & 0xc0) != 0x80)
			return at - back;
	return at;
}

static size_t cut_after(const uint8_t *p, size_t n, size_t at)
{
	for (unsigned on = 0; on < 3; on++)
		if (at + on == n || (p[at + on] & 0xc0) != 0x80)
			return at + on;
	return at;
}

void json_text_cut(struct json *j, const char *key, const void *text, size_t n, size_t max)
{
	const uint8_t *p = text;
	size_t head, tail;

	if (n <= max) {
		json_text(j, key, p, n);
		return;
	}
	head = cut_before(p, max / 2);
	tail = cut_after(p, n, n - max / 2);
	json_key(j, key);
	buf_addc(j->out, '"');
	escaped(j->out, p, head);
	buf_adds(j->out, ELLIPSIS);
	escaped(j->out, p + tail, n - tail);
	buf_addc(j->out, '"');
}

void json_string(struct json *j, const char *key, const char *s)
{
	json_text(j, key, s, strlen(s));
}

static void digits(struct json *j, uint64_t v, bool minus, bool quoted)
{
	char text[24], *p = text + sizeof(text);

	if (quoted)
		*--p = '"';
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	if (minus)
		*--p = '-';
	if (quoted)
		*--p = '"';
	buf_add(j->out, p, (size_t)(text + sizeof(text) - p));
}

char *json_decimal(char *to, uint64_t v)
{
	char text[20], *p = text + sizeof(text);

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	memcpy(to, p, (size_t)(text + sizeof(text) - p));
	return to + (text + sizeof(text) - p);
}

void json_int(struct json *j, const char *key, int64_t v)
{
	uint64_t size = v < 0 ? -(uint64_t)v : (uint64_t)v;

	json_key(j, key);
	digits(j, size, v < 0, EXACT_MAX < size);
}

void json_uint(struct json *j, const char *key, uint64_t v)
{
	json_key(j, key);
	digits(j, v, false, v > EXACT_MAX);
}

void json_digits(struct json *j, const char *key, uint64_t v)
{
	json_key(j, key);
	digits(j, v, false, true);
}

void json_boolean(struct json *j, const char *key, bool v)
{
	json_key(j, key);
	buf_adds(j->out, v ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
	json_key(j, key);
	buf_adds(j->out, "null");
}

int json_unescape(const void *text, size_t n, struct buf *out)
{
	const uint8_t *p = text, *end = p + n;

	while (p < end) {
		uint8_t c = *p;
		char pair[3];

		if (end - p < 3 || memcmp(p, REPLACEMENT, 3)) {
			p++;
		} else {
			if (end - p < 5)
				return -EINVAL;
			memcpy(pair, p + 3, 2);
			pair[2] = '\0';
			if (hex_parse(pair, &c, 1) < 0)
				return -EINVAL;
			p += 5;
		}
		if (buf_addc(out, c) < 0)
			return -ENOMEM;
	}
	return 0;
}
