/* SPDX-License-Identifier: Apache-2.0 */
/* pattern_match.c - one event against a pattern that was checked. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "pattern_internal.h"

struct text {
	const char *p;
	size_t n;
};

static struct text text_of(struct json_object *v)
{
	return (struct text){ json_object_get_string(v), (size_t)json_object_get_string_len(v) };
}

static bool same(const char *a, const char *b, size_t n, bool fold)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char x = (unsigned char)a[i], y = (unsigned char)b[i];

		if (x != y && (!fold || x > 127 || y > 127 || tolower(x) != tolower(y)))
			return false;
	}
	return true;
}

/* ---- one value against one matcher's argument */

static bool is_equal_folded(struct text v, struct text want)
{
	return v.n == want.n && same(v.p, want.p, v.n, true);
}

static bool has_prefix(struct text v, struct text want, bool fold)
{
	return v.n >= want.n && same(v.p, want.p, want.n, fold);
}

static bool has_suffix(struct text v, struct text want, bool fold)
{
	return v.n >= want.n && same(v.p + v.n - want.n, want.p, want.n, fold);
}

/* Goes back to the latest * only: an earlier one can give nothing that this one cannot. */
static bool is_wild(struct text v, struct text want)
{
	size_t at = 0, i = 0, star = SIZE_MAX, mark = 0;

	while (i < v.n) {
		size_t step = at < want.n && want.p[at] == '\\' ? 2 : 1;

		if (at < want.n && want.p[at] == '*') {
			star = ++at;
			mark = i;
		} else if (at < want.n && want.p[at + step - 1] == v.p[i]) {
			at += step;
			i++;
		} else if (star != SIZE_MAX) {
			at = star;
			i = ++mark;
		} else {
			return false;
		}
	}
	while (at < want.n && want.p[at] == '*')
		at++;
	return at == want.n;
}

int pattern_cidr(const char *text, int *ret_family, unsigned char ret_address[16], unsigned *ret_bits)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	unsigned max;

	if (!slash || (size_t)(slash - text) >= sizeof(address) || !isdigit((unsigned char)slash[1]) || strlen(slash) > 4)
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	*ret_family = strchr(address, ':') ? AF_INET6 : AF_INET;
	max = *ret_family == AF_INET ? 32 : 128;
	*ret_bits = 0;
	for (const char *p = slash + 1; *p; p++) {
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		*ret_bits = *ret_bits * 10 + (unsigned)(*p - '0');
	}
	return inet_pton(*ret_family, address, ret_address) == 1 && *ret_bits <= max ? 0 : -EINVAL;
}

static bool is_within(const char *address, const char *cidr)
{
	unsigned char net[16], a[16];
	unsigned bits;
	int family;

	if (pattern_cidr(cidr, &family, net, &bits) < 0 || inet_pton(family, address, a) != 1 || memcmp(net, a, bits / 8))
		return false;
	return !(bits % 8) || !((net[bits / 8] ^ a[bits / 8]) >> (8 - bits % 8));
}

static bool holds(const char *op, double a, double b)
{
	if (op[0] == '=')
		return a == b;
	if (op[0] == '<')
		return op[1] ? a <= b : a < b;
	return op[1] ? a >= b : a > b;
}

/* 15 digits, 6 of them behind the point, as EventBridge counts. */
static double rounded(double v)
{
	return round(v * 1e6) / 1e6;
}

static bool is_numeric(struct json_object *v, struct json_object *want)
{
	double a;

	if (!json_object_is_type(v, json_type_int) && !json_object_is_type(v, json_type_double))
		return false;
	a = rounded(json_object_get_double(v));
	if (!(fabs(a) <= 5e9))
		return false;
	for (size_t i = 0; i < json_object_array_length(want); i += 2)
		if (!holds(json_object_get_string(json_object_array_get_idx(want, i)), a,
			   rounded(json_object_get_double(json_object_array_get_idx(want, i + 1)))))
			return false;
	return true;
}

/* A text, number, true, false or null. */
static bool is_literal(struct json_object *v, struct json_object *want)
{
	if (json_object_get_type(v) != json_object_get_type(want))
		return false;
	if (json_object_is_type(v, json_type_string)) {
		struct text a = text_of(v), b = text_of(want);

		return a.n == b.n && !memcmp(a.p, b.p, a.n);
	}
	return !v || !strcmp(json_object_to_json_string(v), json_object_to_json_string(want));
}

/* By the name of a matcher of texts, which stands in itself and in anything-but. */
static bool is_by_text(struct json_object *v, const char *key, struct json_object *want)
{
	struct json_object *inner = want;
	bool fold = json_object_is_type(want, json_type_object) && json_object_object_get_ex(want, "equals-ignore-case", &inner);

	if (!json_object_is_type(v, json_type_string))
		return false;
	if (!strcmp(key, "prefix"))
		return has_prefix(text_of(v), text_of(inner), fold);
	if (!strcmp(key, "suffix"))
		return has_suffix(text_of(v), text_of(inner), fold);
	if (!strcmp(key, "equals-ignore-case"))
		return is_equal_folded(text_of(v), text_of(want));
	return !strcmp(key, "wildcard") && is_wild(text_of(v), text_of(want));
}

/* One of a list, or the only one. key NULL: just that. */
static bool is_one_of(struct json_object *v, const char *key, struct json_object *want)
{
	if (!json_object_is_type(want, json_type_array))
		return key ? is_by_text(v, key, want) : is_literal(v, want);
	for (size_t i = 0; i < json_object_array_length(want); i++)
		if (is_one_of(v, key, json_object_array_get_idx(want, i)))
			return true;
	return false;
}

static bool is_anything_but(struct json_object *v, struct json_object *want)
{
	if (!json_object_is_type(want, json_type_object))
		return !is_one_of(v, NULL, want);
	json_object_object_foreach(want, key, inner)
		return !is_one_of(v, key, inner);
	return false;
}

/* v: a leaf that is there; null is one, too. */
static bool leaf_matches(struct json_object *v, struct json_object *matcher)
{
	if (!json_object_is_type(matcher, json_type_object))
		return is_literal(v, matcher);
	json_object_object_foreach(matcher, key, want) {
		if (!strcmp(key, "exists"))
			return json_object_get_boolean(want);
		if (!strcmp(key, "anything-but"))
			return is_anything_but(v, want);
		if (!strcmp(key, "numeric"))
			return is_numeric(v, want);
		if (!strcmp(key, "cidr"))
			return json_object_is_type(v, json_type_string) && is_within(json_object_get_string(v), json_object_get_string(want));
		return is_by_text(v, key, want);
	}
	return false;
}

/* ---- fields */

static bool is_absence(struct json_object *matcher)
{
	struct json_object *want;

	return json_object_is_type(matcher, json_type_object) && json_object_object_get_ex(matcher, "exists", &want) && !json_object_get_boolean(want);
}

/* Any leaf, through arrays in arrays. *ret_leaf: there is one. */
static bool some_leaf(struct json_object *v, struct json_object *matcher, bool *ret_leaf)
{
	if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(v); i++)
			if (some_leaf(json_object_array_get_idx(v, i), matcher, ret_leaf))
				return true;
		return false;
	}
	if (json_object_is_type(v, json_type_object))
		return false;
	*ret_leaf = true;
	return leaf_matches(v, matcher);
}

static bool list_matches(struct json_object *list, bool there, struct json_object *v)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *matcher = json_object_array_get_idx(list, i);
		bool leaf = false, hit = there && some_leaf(v, matcher, &leaf);

		if (is_absence(matcher) ? !leaf : hit)
			return true;
	}
	return false;
}

bool pattern_is_or(struct json_object *value)
{
	static const char *const reserved[] = { "exists", "equals-ignore-case", "prefix", "suffix", "anything-but", "numeric", "cidr", "wildcard" };

	if (!json_object_is_type(value, json_type_array) || json_object_array_length(value) < 2)
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *one = json_object_array_get_idx(value, i);

		if (!json_object_is_type(one, json_type_object))
			return false;
		for (unsigned k = 0; k < ARRAY_SIZE(reserved); k++)
			if (json_object_object_get_ex(one, reserved[k], NULL))
				return false;
	}
	return true;
}

static bool some_matches(struct json_object *alternatives, struct json_object *event)
{
	for (size_t i = 0; i < json_object_array_length(alternatives); i++)
		if (pattern_object_matches(json_object_array_get_idx(alternatives, i), event))
			return true;
	return false;
}

/* An object against an element of an array: all of its fields the same element. */
static bool deeper(struct json_object *pattern, struct json_object *v)
{
	if (!json_object_is_type(v, json_type_array))
		return pattern_object_matches(pattern, v);
	for (size_t i = 0; i < json_object_array_length(v); i++)
		if (deeper(pattern, json_object_array_get_idx(v, i)))
			return true;
	/* without an object in it there is nothing, as where it is absent */
	return pattern_object_matches(pattern, NULL) && !json_object_array_length(v);
}

bool pattern_object_matches(struct json_object *pattern, struct json_object *event)
{
	json_object_object_foreach(pattern, key, want) {
		struct json_object *v = NULL;
		bool there = json_object_is_type(event, json_type_object) && json_object_object_get_ex(event, key, &v);
		bool hit;

		if (!strcmp(key, "$or") && pattern_is_or(want))
			hit = some_matches(want, event);
		else if (json_object_is_type(want, json_type_object))
			hit = deeper(want, v);
		else
			hit = list_matches(want, there, v);
		if (!hit)
			return false;
	}
	return true;
}
