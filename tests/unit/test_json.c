/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>

#include "proto/json.h"
#include "tests/tap.h"
#include "tests/unit/recordgen.h"

static struct buf out;

static struct json start(void)
{
	buf_reset(&out);
	return (struct json){ .out = &out };
}

static const char *text(const char *p, size_t n)
{
	struct json j = start();

	json_text(&j, NULL, p, n);
	return buf_text(&out);
}
#define TEXT(s) text(s, sizeof(s) - 1)

static void known_texts(void)
{
	struct json j = start();

	json_text_again(&j, NULL, "a\"\xef\xbf\xbd" "c3\xff", 8);
	ok_str(buf_text(&out), "\"a\\\"\xef\xbf\xbd" "c3\xef\xbf\xbd" "ff\"");
	ok_str(TEXT("plain /usr/bin"), "\"plain /usr/bin\"");
	ok_str(TEXT("a\"b\\c"), "\"a\\\"b\\\\c\"");
	ok_str(TEXT("\b\t\n\f\r\x01\x1f\x7f"), "\"\\b\\t\\n\\f\\r\\u0001\\u001f\x7f\"");
	ok_str(TEXT("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
	ok_str(TEXT("caf\xe9"), "\"caf\xef\xbf\xbd" "e9\"");
	ok_str(TEXT("a\0b"), "\"a\xef\xbf\xbd" "00b\"");
	ok_str(TEXT("\xef\xbf\xbd"), "\"\xef\xbf\xbd" "ef\xef\xbf\xbd" "bf\xef\xbf\xbd" "bd\"");
	ok_str(TEXT("\xed\xa0\x80"), "\"\xef\xbf\xbd" "ed\xef\xbf\xbd" "a0\xef\xbf\xbd" "80\"");
	ok_str(TEXT(""), "\"\"");
}

/* Any bytes: json-c takes the text, and the way back gives the very same bytes. */
static void any_bytes_come_back(void)
{
	static struct gen_texts t;
	struct gen g = { 42 };
	struct buf back = { 0 };

	for (unsigned i = 0; i < 20000 && !tap_failed; i++) {
		struct str s = gen_text(&g, &t);
		json_object *o;

		if (i < 65536 / 64) {	/* and every pair of bytes */
			t.bytes[0][0] = (char)(i >> 2);
			t.bytes[0][1] = (char)(i * 67);
			s = (struct str){ t.bytes[0], 2 };
		}
		o = json_tokener_parse(text(s.p, s.n));
		must(o && json_object_is_type(o, json_type_string));
		buf_reset(&back);
		ok(json_unescape(json_object_get_string(o), (size_t)json_object_get_string_len(o), &back) == 0);
		ok(back.n == s.n && (!s.n || !memcmp(back.p, s.p, s.n)));
		json_object_put(o);
	}
	ok(json_unescape("\xef\xbf\xbd" "e", 4, &back) < 0 && json_unescape("\xef\xbf\xbd" "xx", 5, &back) < 0);
	buf_free(&back);
}

/* Each sequence up to four bytes that starts with a lead byte, against the definition. */
static void utf8_by_definition(void)
{
	for (uint32_t c = 0x80; c < 0x120000; c += 7) {
		uint8_t p[4];
		unsigned n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		bool valid = c < 0x110000 && (c < 0xd800 || c > 0xdfff);

		for (unsigned i = 0; i < n; i++)
			p[n - 1 - i] = (uint8_t)(0x80 | (c >> 6 * i & 0x3f));
		p[0] = (uint8_t)(n == 2 ? 0xc0 | c >> 6 : n == 3 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
		ok_int(utf8_sequence(p, n), valid ? n : 0);
		ok_int(utf8_sequence(p, n - 1), 0);
		p[n - 1] ^= 0x40;
		ok_int(utf8_sequence(p, n), 0);
		if (tap_failed)
			return;
	}
	ok_int(utf8_sequence((const uint8_t *)"\xc0\x80", 2), 0);		/* overlong */
	ok_int(utf8_sequence((const uint8_t *)"\xe0\x80\x80", 3), 0);
	ok_int(utf8_sequence((const uint8_t *)"\xf0\x80\x80\x80", 4), 0);
	ok_int(utf8_sequence((const uint8_t *)"\xff", 1), 0);
	ok_int(utf8_sequence((const uint8_t *)"a", 1), 1);
}

static void structure_and_numbers(void)
{
	struct json j = start();

	json_open(&j, NULL, '{');
	json_open(&j, "a", '[');
	json_int(&j, NULL, -5);
	json_int(&j, NULL, INT64_MIN);
	json_int(&j, NULL, 9007199254740992);
	json_int(&j, NULL, 9007199254740993);
	json_uint(&j, NULL, UINT64_MAX);
	json_digits(&j, NULL, 7);
	json_close(&j, ']');
	json_open(&j, "b", '{');
	json_close(&j, '}');
	json_boolean(&j, "c", true);
	json_null(&j, "d");
	json_string(&j, "e", "x");
	json_close(&j, '}');
	ok_str(buf_text(&out), "{\"a\":[-5,\"-9223372036854775808\",9007199254740992,\"9007199254740993\",\"18446744073709551615\",\"7\"],"
			       "\"b\":{},\"c\":true,\"d\":null,\"e\":\"x\"}");
}

static const char *cut(const char *s, size_t max)
{
	struct json j = start();

	json_text_cut(&j, NULL, s, strlen(s), max);
	return buf_text(&out);
}

/* The middle goes; no character is split. */
static void cuts(void)
{
	ok_str(cut("0123456789", 10), "\"0123456789\"");
	ok_str(cut("0123456789", 4), "\"01\xe2\x80\xa6" "89\"");
	ok_str(cut("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 8), "\"\xe2\x82\xac\xe2\x80\xa6\xe2\x82\xac\"");
	ok_str(cut("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 4), "\"\xe2\x80\xa6\"");
	ok_str(cut("abcdef", 0), "\"\xe2\x80\xa6\"");
}

/* Memory that is refused is said by the buffer, once, at the end. */
static void failure_is_kept(void)
{
	struct buf small = { .max = 40 };
	struct json j = { .out = &small };

	json_open(&j, NULL, '{');
	for (unsigned i = 0; i < 20; i++)
		json_string(&j, "key", "value");
	ok(small.failed && small.n <= 40);
	buf_free(&small);
	buf_free(&out);
}

static const struct tap_case cases[] = {
	CASE(known_texts), CASE(any_bytes_come_back), CASE(utf8_by_definition), CASE(structure_and_numbers), CASE(cuts), CASE(failure_is_kept),
};
TAP_MAIN(cases)
