/* SPDX-License-Identifier: Apache-2.0 */
/* test_jsontext.c - texts against json-c, and the bounds that always hold. */
#include <json-c/json.h>

#include "agent/api/jsontext.h"
#include "agent/api/text.h"
#include "proto/redact.h"
#include "tests/tap.h"

static struct api_arena *arena;

/* What json-c, strict, makes of it; NULL if it is no JSON or no UTF-8. */
static struct json_object *parsed(struct str s)
{
	struct json_tokener *t = json_tokener_new_ex(64);
	struct json_object *o;

	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, s.p, (int)s.n);
	if (json_tokener_get_error(t) != json_tokener_success) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(t);
	return o;
}

static void writes_members_of_all_kinds(void)
{
	struct jsontext j;
	struct str s;

	jsontext_begin(&j, arena);
	jsontext_string(&j, "a", "x\"y\\z\n\x01");
	jsontext_int(&j, STR("i"), INT64_MIN);
	jsontext_uint(&j, STR("u"), UINT64_MAX);
	jsontext_bool(&j, STR("t"), true);
	jsontext_null(&j, STR("n"));
	jsontext_hidden(&j, STR("h"));
	jsontext_number(&j, STR("f"), STR("-1.5e+3"));
	jsontext_number(&j, STR("no"), STR("01"));
	jsontext_text(&j, STR("absent"), (struct str){ 0 });
	jsontext_open(&j, STR("l"), '[');
	jsontext_text(&j, NO_KEY, STR("\xc3\xa9"));
	jsontext_open(&j, NO_KEY, '{');
	jsontext_close(&j);
	jsontext_close(&j);
	must(!jsontext_end(&j, &s));
	ok_str(s.p, "{\"a\":\"x\\\"y\\\\z\\u000a\\u0001\",\"i\":-9223372036854775808,\"u\":18446744073709551615,\"t\":true,\"n\":null,"
		    "\"h\":\"" REDACT_HIDDEN "\",\"f\":-1.5e+3,\"no\":\"01\",\"l\":[\"\xc3\xa9\",{}]}");
	ok_int(s.n, strlen(s.p));
}

static void an_object_without_members_is_absent(void)
{
	struct jsontext j;
	struct str s = STR("x");

	jsontext_begin(&j, arena);
	must(!jsontext_end(&j, &s));
	ok(!s.p);
}

static void what_is_no_utf8_is_escaped(void)
{
	struct jsontext j;
	struct str s;

	jsontext_begin(&j, arena);
	jsontext_text(&j, STR("a\xff"), (struct str){ "\x80\0\xed\xa0\x80\xf5", 6 });
	must(!jsontext_end(&j, &s));
	ok_str(s.p, "{\"a\xef\xbf\xbd""ff\":\"\xef\xbf\xbd""80\xef\xbf\xbd""00\xef\xbf\xbd""ed\xef\xbf\xbd""a0\xef\xbf\xbd""80\xef\xbf\xbd""f5\"}");
}

static void long_texts_are_cut_in_the_middle(void)
{
	static char text[3 * JSONTEXT_TEXT_MAX];
	struct jsontext j;
	struct str s;
	struct json_object *o, *v = NULL;
	const char *cut;

	memset(text, 'b', sizeof(text));
	memset(text, 'a', 100);
	memset(text + sizeof(text) - 100, 'c', 100);
	jsontext_begin(&j, arena);
	jsontext_text(&j, STR("x"), (struct str){ text, sizeof(text) });
	must(!jsontext_end(&j, &s));
	o = parsed(s);
	must(o && json_object_object_get_ex(o, "x", &v));
	cut = json_object_get_string(v);
	ok(strlen(cut) <= JSONTEXT_TEXT_MAX && strlen(cut) > JSONTEXT_TEXT_MAX - 8);
	ok(!memcmp(cut, text, 100) && !memcmp(cut + strlen(cut) - 100, text + sizeof(text) - 100, 100) && strstr(cut, "\xe2\x80\xa6"));
	ok(json_object_object_get_ex(o, "omitted", &v) && json_object_get_boolean(v));
	json_object_put(o);
}

/* Whatever is written: JSON, UTF-8, within the bound, and what is missing is told. */
static void nothing_gets_over_the_bound(void)
{
	static const char *const fillers[] = { "\xff", "\x01", "a", "\xf0\x9f\x98\x80", "\"" };
	static char text[20000];

	for (unsigned round = 0; round < 200; round++) {
		struct jsontext j;
		struct json_object *o;
		struct str s;
		unsigned seed = round;

		api_arena_reset(arena);
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = fillers[round % 5][i % strlen(fillers[round % 5])];
		jsontext_begin(&j, arena);
		j.max = 64 + round * round * (round % 7);
		for (unsigned i = 0; i < 60; i++) {
			struct str v = { text, rand_r(&seed) % 5 ? (size_t)(rand_r(&seed) % 300) : (size_t)rand_r(&seed) % sizeof(text) };

			if (rand_r(&seed) % 9 == 0)
				jsontext_open(&j, j.close[j.depth - 1] == ']' && !j.skipped ? NO_KEY : str_first(v, 9), rand_r(&seed) % 2 ? '{' : '[');
			else if (rand_r(&seed) % 12 == 0)
				jsontext_close(&j);
			else
				jsontext_text(&j, j.close[j.depth - 1] == ']' ? NO_KEY : str_first(v, 30), v);
		}
		must(!jsontext_end(&j, &s));
		ok(s.n <= j.max);
		o = parsed(s);
		ok(o != NULL);
		ok(!j.omitted || (s.n > 15 && !strcmp(s.p + s.n - 15, "\"omitted\":true}")));
		json_object_put(o);
		if (tap_failed)
			printf("# round %u: %.300s\n", round, s.p);
	}
}

static void depth_is_bounded(void)
{
	struct jsontext j;
	struct json_object *o;
	struct str s;

	jsontext_begin(&j, arena);
	for (unsigned i = 0; i < 1000; i++)
		jsontext_open(&j, STR("d"), '{');
	jsontext_string(&j, "in", "x");
	for (unsigned i = 0; i < 1000; i++)
		jsontext_close(&j);
	jsontext_string(&j, "out", "y");
	must(!jsontext_end(&j, &s));
	o = parsed(s);
	must(o);
	ok(strstr(s.p, "\"out\":\"y\",\"omitted\":true}") && !strstr(s.p, "\"in\""));
	json_object_put(o);
}

static void marks_take_back(void)
{
	struct jsontext j;
	struct str s;
	size_t mark;

	jsontext_begin(&j, arena);
	mark = jsontext_mark(&j);
	jsontext_string(&j, "a", "1");
	jsontext_back(&j, mark);
	jsontext_string(&j, "b", "2");
	must(!jsontext_end(&j, &s));
	ok_str(s.p, "{\"b\":\"2\"}");
}

static void the_arena_wipes(void)
{
	struct api_arena *a = NULL;
	char *p, *q;

	must(!api_arena_new(&a));
	p = api_arena_get(a, 1000);
	must(p);
	ok(!((uintptr_t)p & 15) && !p[0] && !p[999]);
	memset(p, 'x', 1000);
	q = api_arena_str(a, STR("hello")).p ? "" : NULL;
	ok(q != NULL);
	api_arena_reset(a);
	for (unsigned i = 0; i < 1000; i++)
		ok(!p[i]);
	ok(api_arena_get(a, 1000) == p);
	ok(!api_arena_str(a, (struct str){ 0 }).p && api_arena_str(a, STR("")).p);
	ok(!api_arena_get(a, SIZE_MAX) && !api_arena_get(a, SIZE_MAX / 2 + 2));
	for (unsigned i = 0; i < 100; i++) {
		p = api_arena_get(a, 70000);
		must(p);
		for (unsigned k = 0; k < 70000; k += 999)
			ok(!p[k]);
		memset(p, 'y', 70000);
	}
	api_arena_reset(a);
	api_arena_free(&a);
	ok(!a);
	api_arena_free(&a);
}

static const struct tap_case cases[] = {
	CASE(writes_members_of_all_kinds), CASE(an_object_without_members_is_absent), CASE(what_is_no_utf8_is_escaped),
	CASE(long_texts_are_cut_in_the_middle), CASE(nothing_gets_over_the_bound), CASE(depth_is_bounded), CASE(marks_take_back),
	CASE(the_arena_wipes),
};

int main(void)
{
	int r = api_arena_new(&arena) < 0 ? 1 : tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&arena);
	return r;
}
