/* SPDX-License-Identifier: Apache-2.0 */
/* jsonvalue.c - what is asked of values that jsonread.c found. */
#include "jsonread.h"
#include "secret.h"
#include "text.h"

struct jsonread_value jsonread_get(struct str object, const char *name)
{
	struct jsonread_value v, found = { 0 };
	struct jsonread r;
	struct str key;

	jsonread_begin(&r, object);
	if (r.close != '}')
		return found;
	while (jsonread_next(&r, &key, &v))
		if (str_is(key, name))
			found = v;
	return found;
}

void jsonread_members(struct str object, const char *const *names, unsigned n, struct jsonread_value *ret_values)
{
	struct jsonread_value v;
	struct jsonread r;
	struct str key;

	memset(ret_values, 0, n * sizeof(*ret_values));
	jsonread_begin(&r, object);
	while (r.close == '}' && jsonread_next(&r, &key, &v))
		for (unsigned i = 0; i < n; i++)
			if (str_is(key, names[i]))
				ret_values[i] = v;
}

static struct jsonread_value element(struct str array, uint64_t index)
{
	struct jsonread_value v;
	struct jsonread r;
	struct str key;

	jsonread_begin(&r, array);
	while (r.close == ']' && jsonread_next(&r, &key, &v))
		if (!index--)
			return v;
	return (struct jsonread_value){ 0 };
}

struct jsonread_value jsonread_at(struct str object, const char *path)
{
	struct jsonread_value v = { JSON_OBJECT, object };
	struct str rest = str_of(path);
	uint64_t index;

	while (rest.p && v.kind) {
		struct str part = str_cut(&rest, '.');
		char name[128];

		if (part.n >= sizeof(name))
			return (struct jsonread_value){ 0 };
		memcpy(name, part.p, part.n);
		name[part.n] = '\0';
		v = str_number(part, 1000000, &index) && v.kind == JSON_ARRAY ? element(v.text, index) : jsonread_get(v.text, name);
	}
	return v;
}

/* ---- texts */

static unsigned hex4(const char *p)
{
	unsigned v = 0;

	for (unsigned i = 0; i < 4; i++)
		v = v << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return v;
}

static char *utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* The escape behind a backslash; the text is well-formed. How many bytes of it were taken. */
static size_t unescape(struct str s, char **to)
{
	static const char letters[] = "b\bf\fn\nr\rt\t";
	const char *at = strchr(letters, s.p[0]);
	uint32_t c, low;

	if (s.p[0] != 'u') {
		*(*to)++ = at ? at[1] : s.p[0];
		return 1;
	}
	c = hex4(s.p + 1);
	if (c >= 0xd800 && c < 0xdc00 && s.n >= 11 && s.p[5] == '\\' && s.p[6] == 'u') {
		low = hex4(s.p + 7);
		if (low >= 0xdc00 && low < 0xe000) {
			*to = utf8(*to, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
			return 11;
		}
	}
	*to = utf8(*to, c);
	return 5;
}

struct str jsonread_name(struct api_arena *a, struct str name)
{
	char *p, *to;

	if (!name.n || !memchr(name.p, '\\', name.n))
		return name;
	p = to = api_arena_get(a, name.n + 1);
	if (!p)
		return (struct str){ 0 };
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '\\')
			i += unescape(str_from(name, i + 1), &to);
		else
			*to++ = name.p[i];
	}
	return (struct str){ p, (size_t)(to - p) };
}

struct str jsonread_text(struct api_arena *a, struct jsonread_value v)
{
	return v.kind == JSON_STRING ? jsonread_name(a, (struct str){ v.text.p + 1, v.text.n - 2 }) : (struct str){ 0 };
}

bool jsonread_number(struct jsonread_value v, uint64_t max, uint64_t *ret)
{
	return v.kind == JSON_NUMBER && str_number(v.text, max, ret);
}

/* ---- copies */

static void copy_all(struct jsontext *j, struct jsonread_value v, unsigned depth)
{
	struct jsonread_value member;
	struct jsonread r;
	struct str name;

	jsonread_begin(&r, v.text);
	while (jsonread_next(&r, &name, &member)) {
		struct str key = v.kind == JSON_OBJECT ? jsonread_name(j->arena, name) : NO_KEY;

		if (v.kind == JSON_OBJECT && (!key.p || secret_form(key)))
			j->omitted = true;
		else if (secret_name(key) && member.kind != JSON_NULL)
			jsontext_hidden(j, key);
		else
			jsonread_copy(j, key, member, depth);
	}
}

void jsonread_copy(struct jsontext *j, struct str key, struct jsonread_value v, unsigned depth)
{
	switch (v.kind) {
	case JSON_NOTHING:
		break;
	case JSON_STRING:
		secret_put(j, key, jsonread_text(j->arena, v));
		break;
	case JSON_NUMBER:
		jsontext_number(j, key, v.text);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		jsontext_bool(j, key, v.kind == JSON_TRUE);
		break;
	case JSON_NULL:
		jsontext_null(j, key);
		break;
	case JSON_OBJECT:
	case JSON_ARRAY:
		if (!depth) {
			j->omitted = true;
			break;
		}
		jsontext_open(j, key, v.kind == JSON_OBJECT ? '{' : '[');
		copy_all(j, v, depth - 1);
		jsontext_close(j);
		break;
	}
}
