/* SPDX-License-Identifier: Apache-2.0 */
/* test_jsonread.c - the reader against json-c, over texts that are whole, cut off at every byte, and wrong. */
#include <json-c/json.h>

#include "agent/api/jsonread.h"
#include "agent/api/text.h"
#include "proto/redact.h"
#include "tests/tap.h"

static struct api_arena *arena;

static const char *text(struct str s)
{
	return s.p ? api_arena_str(arena, s).p : "(absent)";
}

/* json-c's text of what json-c read; NULL: it refused. */
static struct json_object *oracle(struct str s)
{
	struct json_tokener *t = json_tokener_new_ex(JSONREAD_DEPTH_MAX + 1);
	struct json_object *o;

	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(t, s.p, (int)s.n);
	if (json_tokener_get_error(t) != json_tokener_success || json_tokener_get_parse_end(t) != s.n) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(t);
	return o;
}

static void copies_what_json_c_reads(void)
{
	static const char *const texts[] = {
		"{}", "{\"a\":[]}", "{ \"a\" : [ 1 , -2.5e3 , true,false,null , \"x\" ] , \"b\":{\"c\":{\"d\":[[[{}]]]}} }",
		"{\"e\":\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"k\\u0041\":1}", "\t\r\n{\"a\":0}", "{\"a\":{\"a\":\"}]\"},\"b\":[\"\\\"\"]}",
		"{\"n\":12345678901234567890}",
	};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct jsonread_value v = jsonread_first(str_of(texts[i]));
		struct json_object *want = oracle(str_of(texts[i])), *got, *in = NULL;
		struct jsontext j;
		struct str s;

		jsontext_begin(&j, arena);
		jsonread_copy(&j, STR("v"), v, 16);
		must(!jsontext_end(&j, &s) && s.p);
		got = oracle(s);
		must(want && got && json_object_object_get_ex(got, "v", &in));
		ok(json_object_equal(want, in));
		json_object_put(want);
		json_object_put(got);
	}
}

static void refuses_what_is_malformed(void)
{
	static const char *const texts[] = {
		"", " ", "{", "}", "[1,]", "{,}", "{\"a\":1,}", "{\"a\"}", "{\"a\":}", "{a:1}", "{'a':1}", "[1 2]", "[01]", "[1.]", "[.5]", "[-]", "[1e]",
		"[tru]", "[\"\\x\"]", "[\"\\u12\"]", "[\"a\nb\"]", "[\"a]", "{\"a\":1]", "[1}", "[NaN]", "[+1]", "{\"a\" 1}", "[//c\n1]",
	};
	char deep[2 * JSONREAD_DEPTH_MAX + 3] = { 0 };

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (jsonread_first(str_of(texts[i])).kind)
			printf("# number %u\n", i);
		ok_int(jsonread_first(str_of(texts[i])).kind, JSON_NOTHING);
	}
	memset(deep, '[', JSONREAD_DEPTH_MAX);
	memset(deep + JSONREAD_DEPTH_MAX, ']', JSONREAD_DEPTH_MAX);
	ok_int(jsonread_first(str_of(deep)).kind, JSON_ARRAY);
	memset(deep, '[', JSONREAD_DEPTH_MAX + 1);
	memset(deep + JSONREAD_DEPTH_MAX + 1, ']', JSONREAD_DEPTH_MAX + 1);
	ok_int(jsonread_first(str_of(deep)).kind, JSON_NOTHING);
}

/* At every cut: the values before it, never one more, never one less. */
static void a_cut_gives_what_is_whole(void)
{
	static const char all[] = "{\"model\":\"m-1\",\"n\":12,\"t\":true,\"l\":[1,{\"x\":2}],\"z\":\"end\"}";
	static const struct {
		const char *name;
		size_t from;	/* of how many bytes on it is there */
	} members[] = { { "model", 14 }, { "n", 22 }, { "t", 30 }, { "l", 46 }, { "z", 56 } };

	for (size_t n = 0; n < sizeof(all); n++) {
		struct str s = { all, n };
		struct jsonread_value v;
		struct jsonread r;
		struct str name;

		for (unsigned i = 0; i < 5; i++) {
			bool there = jsonread_get(s, members[i].name).kind != JSON_NOTHING;

			if (there != (n >= members[i].from))
				printf("# %s at %zu\n", members[i].name, n);
			ok(there == (n >= members[i].from));
		}
		jsonread_begin(&r, s);
		while (jsonread_next(&r, &name, &v))
			;
		ok(r.whole == (n == sizeof(all) - 1));
	}
}

static void values_are_found(void)
{
	struct str s = STR("{\"HostConfig\":{\"Privileged\":true,\"Binds\":[\"/:/host\",\"/a:/b\"]},\"a\":1,\"a\":\"last\",\"n\":42,\"neg\":-1}");
	uint64_t n;

	ok_int(jsonread_at(s, "HostConfig.Privileged").kind, JSON_TRUE);
	ok_str(text(jsonread_text(arena, jsonread_at(s, "HostConfig.Binds.1"))), "/a:/b");
	ok_int(jsonread_at(s, "HostConfig.Binds.2").kind, JSON_NOTHING);
	ok_int(jsonread_at(s, "HostConfig.Binds.x").kind, JSON_NOTHING);
	ok_str(text(jsonread_text(arena, jsonread_get(s, "a"))), "last");
	ok(jsonread_number(jsonread_get(s, "n"), 42, &n) && n == 42);
	ok(!jsonread_number(jsonread_get(s, "n"), 41, &n) && !jsonread_number(jsonread_get(s, "neg"), 41, &n));
	ok(!jsonread_text(arena, jsonread_get(s, "n")).p);
	ok_int(jsonread_get(STR("[{\"a\":1}]"), "a").kind, JSON_NOTHING);
}

static void copies_hide_secrets(void)
{
	struct jsontext j;
	struct str s;

	jsontext_begin(&j, arena);
	jsonread_copy(&j, STR("v"), jsonread_first(STR("{\"password\":{\"x\":1},\"user\":\"u\",\"k\":[\"ghp_0123456789abcdefghijABCDEFGHIJ012345\"],"
							"\"deep\":{\"er\":{\"x\":1}},\"\\u0074oken\":\"t\"}")), 2);
	must(!jsontext_end(&j, &s));
	ok_str(s.p, "{\"v\":{\"password\":\"" REDACT_HIDDEN "\",\"user\":\"u\",\"k\":[\"" REDACT_HIDDEN "\"],\"deep\":{},\"token\":\"" REDACT_HIDDEN
		    "\"},\"omitted\":true}");
}

/* Bytes of dice from JSON's alphabet: what we take, json-c takes. */
static void never_takes_what_json_c_refuses(void)
{
	static const char alphabet[] = "{}[],:\"\"\"\\u01aetrufalsn-.+ 19";
	unsigned seed = 1, taken = 0;

	for (unsigned round = 0; round < 200000; round++) {
		char s[24];
		unsigned n = 2 + (unsigned)rand_r(&seed) % 12;
		struct jsonread_value v;

		s[0] = '[';
		for (unsigned i = 1; i < n; i++)
			s[i] = alphabet[(unsigned)rand_r(&seed) % (sizeof(alphabet) - 1)];
		s[n] = ']';
		v = jsonread_first((struct str){ s, n + 1 });
		if (!v.kind)
			continue;
		taken++;
		struct json_object *o = oracle(v.text);

		if (!o)
			printf("# %.*s\n", (int)v.text.n, v.text.p);
		ok(o != NULL);
		json_object_put(o);
	}
	ok(taken > 500);
}

static const struct tap_case cases[] = {
	CASE(copies_what_json_c_reads), CASE(refuses_what_is_malformed), CASE(a_cut_gives_what_is_whole), CASE(values_are_found),
	CASE(copies_hide_secrets), CASE(never_takes_what_json_c_refuses),
};

int main(void)
{
	int r = api_arena_new(&arena) < 0 ? 1 : tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&arena);
	return r;
}
