/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <errno.h>

#include "keys.h"

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

/* Text between the quotes; every byte becomes at most six. */
static void escaped(struct buf *out, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	uint8_t *to;

	if (n > SIZE_MAX / 8 || buf_reserve(out, 6 * n) < 0) {
		out->failed = true;
		return;
	}
	to = out->p + out->n;
	while (p < end) {
		unsigned len;

		if (plain(*p)) {
			*to++ = *p++;
			continue;
		}
		len = utf8_sequence(p, (size_t)(end - p));
		if (len == 1 && *p) {
			to = escape_control(to, *p++);
		} else if (len < 2 || (len == 3 && !memcmp(p, REPLACEMENT, 3))) {
			to = escape_byte(to, *p++);
		} else {
			memcpy(to, p, len);
			to += len;
			p += len;
		}
	}
	out->n = (size_t)(to - out->p);
}

void json_key(struct json *j, const char *key)
{
	if (j->comma)
		buf_addc(j->out, ',');
	j->comma = true;
	if (!key)
		return;
	buf_addc(j->out, '"');
	escaped(j->out, (const uint8_t *)key, strlen(key));
	buf_add(j->out, "\":", 2);
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

void json_text(struct json *j, const char *key, const void *p, size_t n)
{
	json_key(j, key);
	buf_addc(j->out, '"');
	escaped(j->out, p, n);
	buf_addc(j->out, '"');
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
