/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.c - a pattern read and checked once; what is left is JSON of which every part is what it should be. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "pattern_internal.h"

#define NUMBER_MAX 5e9

struct pattern {
	struct json_object *o;
};

static int bad(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, PATTERN_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_text(struct json_object *v)
{
	return json_object_is_type(v, json_type_string);
}

static bool is_number(struct json_object *v)
{
	return json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double);
}

/* ---- matchers: each checks its value */

typedef int (*check_fn)(const char *key, struct json_object *v, char *why);

static int check_text(const char *key, struct json_object *v, char *why)
{
	return is_text(v) ? 0 : bad(why, "%s takes a text", key);
}

/* No escape but of * and \, no ** */
static int check_wildcard(const char *key, struct json_object *v, char *why)
{
	const char *p = is_text(v) ? json_object_get_string(v) : NULL;
	bool star = false;

	if (!p)
		return bad(why, "%s takes a text", key);
	for (; *p; p++) {
		if (*p == '*' && star)
			return bad(why, "wildcard: two * in a row");
		star = *p == '*';
		if (*p == '\\' && *++p != '*' && *p != '\\')
			return bad(why, "wildcard: \\ stands before * or \\ only");
	}
	return 0;
}

/* A text, or {"equals-ignore-case": text} */
static int check_end(const char *key, struct json_object *v, char *why)
{
	struct json_object *inner;

	if (is_text(v))
		return 0;
	if (json_object_is_type(v, json_type_object) && json_object_object_length(v) == 1 &&
	    json_object_object_get_ex(v, "equals-ignore-case", &inner) && is_text(inner))
		return 0;
	return bad(why, "%s takes a text, or {\"equals-ignore-case\": text}", key);
}

static int check_exists(const char *key, struct json_object *v, char *why)
{
	return json_object_is_type(v, json_type_boolean) ? 0 : bad(why, "%s takes true or false", key);
}

static int check_cidr(const char *key, struct json_object *v, char *why)
{
	unsigned char address[16];
	unsigned bits;
	int family;

	if (!is_text(v) || pattern_cidr(json_object_get_string(v), &family, address, &bits) < 0)
		return bad(why, "%s takes an address and a length, as 10.0.0.0/8", key);
	return 0;
}

static bool is_operator(struct json_object *v, bool second)
{
	static const char *const all[] = { "=", "<", "<=", ">", ">=" };
	const char *text = is_text(v) ? json_object_get_string(v) : "";

	for (unsigned i = second; i < ARRAY_SIZE(all); i++)
		if (!strcmp(text, all[i]))
			return true;
	return false;
}

/* One operator, or a range: a lower bound and then an upper one. */
static int check_numeric(const char *key, struct json_object *v, char *why)
{
	size_t n = json_object_is_type(v, json_type_array) ? json_object_array_length(v) : 0;

	if (n != 2 && n != 4)
		return bad(why, "%s takes an operator and a number, or two of each", key);
	for (size_t i = 0; i < n; i += 2) {
		struct json_object *op = json_object_array_get_idx(v, i), *number = json_object_array_get_idx(v, i + 1);

		if (!is_operator(op, n == 4) || !is_number(number) || !(fabs(json_object_get_double(number)) <= NUMBER_MAX))
			return bad(why, "%s takes =, <, <=, > or >= (a range has no =), and numbers from -5e9 to 5e9", key);
	}
	if (n == 4 && (*json_object_get_string(json_object_array_get_idx(v, 0)) != '>' ||
		       *json_object_get_string(json_object_array_get_idx(v, 2)) != '<' ||
		       json_object_get_double(json_object_array_get_idx(v, 1)) >= json_object_get_double(json_object_array_get_idx(v, 3))))
		return bad(why, "%s: a range has its lower bound first", key);
	return 0;
}

/* Texts, or numbers, not both. */
static int check_list(const char *key, struct json_object *v, check_fn texts, char *why)
{
	size_t n = json_object_array_length(v);
	int r = n ? 0 : bad(why, "%s: an empty list", key);

	for (size_t i = 0; i < n && !r; i++) {
		struct json_object *one = json_object_array_get_idx(v, i);

		if (is_text(one))
			r = texts ? texts(key, one, why) : 0;
		else if (texts || !is_number(one))
			r = bad(why, "%s takes texts%s", key, texts ? "" : " or numbers");
		if (!r && is_text(one) != is_text(json_object_array_get_idx(v, 0)))
			r = bad(why, "%s takes texts or numbers, not both", key);
	}
	return r;
}

static int check_but_inner(struct json_object *v, char *why)
{
	static const struct {
		const char *key;
		check_fn fn;
	} rows[] = { { "prefix", check_text }, { "suffix", check_text }, { "equals-ignore-case", check_text }, { "wildcard", check_wildcard } };
	struct json_object *inner;

	for (unsigned i = 0; i < ARRAY_SIZE(rows) && json_object_object_length(v) == 1; i++) {
		if (!json_object_object_get_ex(v, rows[i].key, &inner))
			continue;
		return json_object_is_type(inner, json_type_array) ? check_list(rows[i].key, inner, rows[i].fn, why) : rows[i].fn(rows[i].key, inner, why);
	}
	return bad(why, "anything-but: an object in it is one of prefix, suffix, equals-ignore-case, wildcard");
}

static int check_but(const char *key, struct json_object *v, char *why)
{
	if (is_text(v) || is_number(v))
		return 0;
	if (json_object_is_type(v, json_type_array))
		return check_list(key, v, NULL, why);
	if (json_object_is_type(v, json_type_object))
		return check_but_inner(v, why);
	return bad(why, "%s takes a text, a number, a list of them, or an object", key);
}

static const struct {
	const char *key;
	check_fn fn;
} matchers[] = {
	{ "prefix", check_end }, { "suffix", check_end }, { "equals-ignore-case", check_text }, { "wildcard", check_wildcard },
	{ "anything-but", check_but }, { "numeric", check_numeric }, { "cidr", check_cidr }, { "exists", check_exists },
};

static int check_matcher(const char *field, struct json_object *v, char *why)
{
	if (json_object_is_type(v, json_type_array))
		return bad(why, "%.64s: a list in a list", field);
	if (!json_object_is_type(v, json_type_object))
		return 0;
	if (json_object_object_length(v) != 1)
		return bad(why, "%.64s: an object in a list has one member, which says how to compare", field);
	json_object_object_foreach(v, key, value) {
		for (unsigned i = 0; i < ARRAY_SIZE(matchers); i++)
			if (!strcmp(key, matchers[i].key))
				return matchers[i].fn(key, value, why);
		return bad(why, "%.64s: \"%.64s\" is no way to compare", field, key);
	}
	return 0;
}

/* ---- fields */

static int check_object(struct json_object *o, unsigned depth, char *why);

static int check_field(const char *key, struct json_object *v, unsigned depth, char *why)
{
	int r = 0;

	if (json_object_is_type(v, json_type_object))
		return check_object(v, depth + 1, why);
	if (!json_object_is_type(v, json_type_array))
		return bad(why, "%.64s: must be a list or an object", key);
	if (!json_object_array_length(v))
		return bad(why, "%.64s: an empty list", key);
	for (size_t i = 0; i < json_object_array_length(v) && !r; i++) {
		struct json_object *one = json_object_array_get_idx(v, i);

		r = !strcmp(key, "$or") && pattern_is_or(v) ? check_object(one, depth + 1, why) : check_matcher(key, one, why);
	}
	return r;
}

static int check_object(struct json_object *o, unsigned depth, char *why)
{
	int r = 0;

	if (depth > PATTERN_DEPTH)
		return bad(why, "nested more than %d deep", PATTERN_DEPTH);
	if (!json_object_object_length(o))
		return bad(why, "an empty object");
	json_object_object_foreach(o, key, value) {
		r = check_field(key, value, depth, why);
		if (r < 0)
			return r;
	}
	return 0;
}

int pattern_parse(const char *text, size_t n, struct pattern **ret_p, char why[PATTERN_WHY_MAX])
{
	_cleanup_(pattern_free) struct pattern *p = calloc(1, sizeof(*p));
	struct json_tokener *t = json_tokener_new_ex(2 * PATTERN_DEPTH);
	enum json_tokener_error error = json_tokener_continue;
	int r;

	if (p && t && n <= PATTERN_TEXT_MAX) {
		json_tokener_set_flags(t, JSON_TOKENER_STRICT);
		p->o = json_tokener_parse_ex(t, text, (int)n);
		error = json_tokener_get_error(t);
	}
	if (t)
		json_tokener_free(t);
	if (n > PATTERN_TEXT_MAX)
		return bad(why, "longer than %d bytes", PATTERN_TEXT_MAX);
	if (!p || !t)
		return -ENOMEM;
	if (error != json_tokener_success || !json_object_is_type(p->o, json_type_object))
		return bad(why, "not a JSON object");
	r = check_object(p->o, 1, why);
	if (r < 0)
		return r;
	*ret_p = TAKE_PTR(p);
	return 0;
}

int pattern_load(const char *path, struct pattern **ret_p, char why[PATTERN_WHY_MAX])
{
	_cleanup_buf_ struct buf text = { 0 };
	int r = fsx_read(path, PATTERN_TEXT_MAX, &text);

	if (r < 0)
		return bad(why, "%.180s: %s", path, strerror(-r)), r;
	return pattern_parse((const char *)text.p, text.n, ret_p, why);
}

void pattern_free(struct pattern **pp)
{
	if (!*pp)
		return;
	json_object_put((*pp)->o);
	free(*pp);
	*pp = NULL;
}

/* ---- matching */

bool pattern_matches(const struct pattern *p, struct json_object *event)
{
	return pattern_object_matches(p->o, event);
}

int pattern_matches_text(const struct pattern *p, const char *text, size_t n)
{
	struct json_tokener *t = json_tokener_new_ex(128);
	struct json_object *event;
	int r = -EBADMSG;

	if (!t)
		return -ENOMEM;
	event = json_tokener_parse_ex(t, text, (int)n);
	if (json_object_is_type(event, json_type_object))
		r = pattern_matches(p, event);
	json_tokener_free(t);
	json_object_put(event);
	return r;
}
