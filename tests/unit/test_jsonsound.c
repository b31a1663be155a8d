// SPDX-License-Identifier: Apache-2.0
/* test_jsonsound.c - what passes as JSON, with json-c's strict parser as the judge. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "tests/tap.h"

static const char *const texts[] = {
	"{}", "[]", "null", "true", "false", "0", "-0", "-1.5e+7", "1E9", "\"\"", "{\"a\":1}", "{\"a\":{\"b\":[1,2,{\"c\":null}]}}",
	"[1, 2 ,3]", "{ \"a\" : \"\\u00e9\\n\" }", "\"\xc3\xa9\"", "[[[[]]]]", "{\"a\":1,\"b\":2}", "\"\\\"\"", "\"\\\\\"",
	"", "{", "}", "{]", "[}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[1,]", "[,1]", "nul", "truex", "{a:1}", "{\"a\":1}}", "{\"a\":1},{}", "\"", "\"\\\"",
	"\"\\x\"", "\"\\u12\"", "01", "-", ".5", "1e", "+1", "\"\xff\"", "\"\xc3\"", "'a'", "{\"a\":1 \"b\":2}", "[1 2]", "\"a\" b",
};

static bool judged(const char *text)
{
	struct json_tokener *t = json_tokener_new_ex(100);
	struct json_object *o;
	size_t n = strlen(text);
	bool ok;

	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, text, (int)n + 1);
	ok = json_tokener_get_error(t) == json_tokener_success && json_tokener_get_parse_end(t) == n;
	json_object_put(o);
	json_tokener_free(t);
	return ok;
}

static void as_json_c(void)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		bool ours = json_sound(texts[i], strlen(texts[i]));

		if (ours != judged(texts[i]))
			printf("# <%s>\n", texts[i]);
		ok_int(ours, judged(texts[i]));
	}
}

/* json-c takes these, RFC 8259 does not. */
static void stricter_than_json_c(void)
{
	ok(!json_sound("1.", 2));
	ok(!json_sound("\"\n\"", 3));
	ok(!json_sound("\"\0\"", 3));
}

/* Every prefix of a good text, and every text with one byte changed, passes only if it is JSON. */
static void damaged(void)
{
	static const char good[] = "{\"a\":[1,2.5,{\"b\":\"\\u00e9\xc3\xa9\"}],\"c\":null,\"d\":true}";
	char text[sizeof(good)];

	for (size_t n = 0; n + 1 < sizeof(good); n++)
		ok(!json_sound(good, n));
	for (size_t i = 0; i + 1 < sizeof(good); i++) {
		static const char others[] = "{}[],:\"\\x1 \n";

		for (size_t k = 0; k + 1 < sizeof(others); k++) {
			memcpy(text, good, sizeof(good));
			text[i] = others[k];
			if (json_sound(text, sizeof(good) - 1) && !judged(text)) {
				printf("# <%s>\n", text);
				ok(false);
			}
		}
	}
}

static void depth_is_bounded(void)
{
	char deep[4 * JSON_DEPTH_MAX];

	for (unsigned depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		memset(deep, '[', depth);
		memset(deep + depth, ']', depth);
		ok_int(json_sound(deep, 2 * depth), depth <= JSON_DEPTH_MAX);
	}
}

static const struct tap_case cases[] = {
	CASE(as_json_c), CASE(stricter_than_json_c), CASE(damaged), CASE(depth_is_bounded),
};
TAP_MAIN(cases)
