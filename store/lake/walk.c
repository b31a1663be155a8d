/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"

#define DEPTH_MAX 16		/* of paths; what lies deeper is passed over without recursion */

static inline const char *skip_space(const char *p, const char *end)
{
	if (p != end && *p > ' ')	/* our own writer makes none */
		return p;
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* p stands behind the opening quote; gives the closing one, or NULL. */
static const char *string_end(const char *p, const char *end, bool *ret_plain)
{
	*ret_plain = true;
	for (;;) {
		if (end - p >= (ptrdiff_t)BYTES) {
			bytes_t w;
			unsigned n;

			memcpy(&w, p, BYTES);
			n = bytes_first((w == '"') | (w == '\\'));
			p += n;
			if (n == BYTES)
				continue;
		}
		if (p >= end)
			return NULL;
		if (*p == '"')
			return p;
		if (*p == '\\') {
			*ret_plain = false;
			p++;
		}
		p++;
	}
}

/* Behind the object or array at p, or NULL. */
static const char *nest_end(const char *p, const char *end)
{
	unsigned depth = 0;
	bool plain;

	while (p < end) {
		if (*p == '"') {
			p = string_end(p + 1, end, &plain);
			if (!p)
				return NULL;
			p++;
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if (*p == '}' || *p == ']') {
			depth--;
			p++;
		} else {
			p++;
			continue;
		}
		if (!depth)
			return p;
	}
	return NULL;
}

/* Behind the value at p, or NULL. */
static const char *value_end(const char *p, const char *end, bool *ret_plain)
{
	const char *q = p;

	*ret_plain = false;
	if (p < end && (*p == '{' || *p == '['))
		return nest_end(p, end);
	if (p < end && *p == '"') {
		q = string_end(p + 1, end, ret_plain);
		return q ? q + 1 : NULL;
	}
	while (q < end && *q != ',' && *q != '}' && *q != ']' && *q != '"')
		q++;
	return q < end && *q == '"' ? NULL : q;
}

bool walk_begin(struct walk *w, struct piece s)
{
	if (s.n < 2 || (s.p[0] != '{' && s.p[0] != '['))
		return false;
	*w = (struct walk){ .p = s.p + 1, .end = s.p + s.n, .object = s.p[0] == '{', .first = true };
	return true;
}

void walk_stretch(struct walk *w, struct piece s)
{
	*w = (struct walk){ .p = s.p, .end = s.p + s.n, .object = true, .first = true, .bare = true };
}

static int read_key(struct walk *w, struct piece *ret_key)
{
	const char *q;

	if (w->p == w->end || *w->p != '"')
		return -1;
	q = string_end(w->p + 1, w->end, &w->key_plain);
	if (!q)
		return -1;
	*ret_key = (struct piece){ w->p + 1, (size_t)(q - w->p - 1) };
	w->p = skip_space(q + 1, w->end);
	if (w->p == w->end || *w->p != ':')
		return -1;
	w->p = skip_space(w->p + 1, w->end);
	return 0;
}

/* Does one of the parts begin here? */
static bool part_here(struct walk *w)
{
	while (w->parts->p && w->parts->p < w->p)	/* inside of a value that was passed over */
		w->parts++;
	return w->parts->p == w->p && w->parts->n && w->parts->n <= (size_t)(w->end - w->p);
}

int walk_key(struct walk *w, struct piece *ret_key, uint64_t *ret_hash)
{
	w->p = skip_space(w->p, w->end);
	if (w->p == w->end ? w->bare : *w->p == (w->object ? '}' : ']') && !w->bare)
		return 0;
	if (!w->first) {
		if (w->p == w->end || *w->p != ',')
			return -1;
		w->p = skip_space(w->p + 1, w->end);
	}
	w->first = false;
	if (w->parts && part_here(w)) {
		*ret_key = (struct piece){ w->p, w->parts->n };
		*ret_hash = w->parts->hash;
		w->p += w->parts++->n;
		return WALK_PART;
	}
	return w->object && read_key(w, ret_key) < 0 ? -1 : 1;
}

int walk_value(struct walk *w, struct piece *ret_value)
{
	const char *stop = value_end(w->p, w->end, &w->value_plain);

	if (!stop || stop == w->p)
		return -1;
	*ret_value = (struct piece){ w->p, (size_t)(stop - w->p) };
	if (ret_value->n == 4 && !memcmp(ret_value->p, "null", 4))
		ret_value->n = 0;
	w->p = stop;
	return 1;
}

int walk_next(struct walk *w, struct piece *ret_key, struct piece *ret_value)
{
	struct piece key = { NULL, 0 };
	uint64_t hash;
	int r = walk_key(w, &key, &hash);

	if (ret_key)
		*ret_key = key;
	return r == 1 ? walk_value(w, ret_value) : r == WALK_PART ? -1 : r;
}

bool walk_enter(struct walk *w, struct walk *ret_inner)
{
	if (w->p == w->end || (*w->p != '{' && *w->p != '['))
		return false;
	*ret_inner = (struct walk){ .p = w->p + 1, .end = w->end, .parts = w->parts, .object = *w->p == '{', .first = true };
	return true;
}

void walk_leave(struct walk *w, const struct walk *inner)
{
	bool whole = inner->p < inner->end && *inner->p == (inner->object ? '}' : ']');

	w->p = whole ? inner->p + 1 : w->end;
	w->parts = inner->parts;
}

static bool walk_node(struct piece s, const struct schema_node *node, unsigned depth, struct piece *slots)
{
	const struct schema_node *nodes = schema_nodes();
	struct piece key, value;
	struct walk w;
	int r;

	if (!walk_begin(&w, s) || !w.object)
		return depth > 0;
	while ((r = walk_next(&w, &key, &value)) > 0) {
		int i = schema_child(node, key.p, key.n);

		if (i < 0 || !value.n)
			continue;
		if (nodes[i].slot >= 0)
			slots[nodes[i].slot] = value;
		if (nodes[i].inner && depth < DEPTH_MAX && !walk_node(value, &nodes[i], depth + 1, slots))
			return false;
	}
	return r == 0;
}

bool walk_record(const char *p, size_t n, struct piece *slots)
{
	memset(slots, 0, SCHEMA_SLOTS_MAX * sizeof(*slots));
	return walk_node((struct piece){ p, n }, schema_nodes(), 0, slots);
}

bool walk_inner(const struct lake_field *f, struct piece value, struct piece *slots)
{
	memset(slots, 0, SCHEMA_SLOTS_MAX * sizeof(*slots));
	return walk_node(value, &schema_nodes()[f->node], 1, slots);
}

/* ---- texts */

static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		char c = p[i];

		v = v << 4 | (c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 0);
	}
	return v;
}

static void add_utf8(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		buf_addc(out, (uint8_t)c);
		return;
	}
	if (c < 0x800) {
		buf_addc(out, (uint8_t)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		buf_addc(out, (uint8_t)(0xe0 | c >> 12));
		buf_addc(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
	} else {
		buf_addc(out, (uint8_t)(0xf0 | c >> 18));
		buf_addc(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_addc(out, (uint8_t)(0x80 | (c & 0x3f)));
}

/* p stands behind \u; half a pair becomes U+FFFD. */
static const char *unicode(const char *p, const char *end, struct buf *out)
{
	int c = hex4(p, end), low;

	if (c < 0)
		return end;
	p += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		low = hex4(p + 2, end);
		if (low >= 0xdc00 && low < 0xe000) {
			add_utf8(out, 0x10000u + (((unsigned)c & 0x3ff) << 10) + ((unsigned)low & 0x3ff));
			return p + 6;
		}
	}
	add_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : (unsigned)c);
	return p;
}

int walk_unescape(struct piece s, struct buf *scratch, struct piece *ret)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *p = s.p, *end = s.p + s.n;
	size_t start = scratch->n;

	if (!memchr(p, '\\', s.n)) {
		*ret = s;
		return 0;
	}
	if (buf_reserve(scratch, s.n) < 0)
		return -ENOMEM;
	while (p < end) {
		const char *b = memchr(p, '\\', (size_t)(end - p)), *at;

		buf_add(scratch, p, (size_t)((b ? b : end) - p));
		if (!b || b + 1 >= end)
			break;
		p = b + 2;
		at = strchr(from, b[1]);
		if (b[1] == 'u')
			p = unicode(p, end, scratch);
		else
			buf_addc(scratch, (uint8_t)(at && *at ? to[at - from] : b[1]));
	}
	*ret = (struct piece){ (const char *)scratch->p + start, scratch->n - start };
	return scratch->failed ? -ENOMEM : 0;
}

int walk_text(struct piece s, struct buf *scratch, struct piece *ret)
{
	if (s.n >= 2 && s.p[0] == '"')
		return walk_unescape((struct piece){ s.p + 1, s.n - 2 }, scratch, ret);
	*ret = s;
	return 0;
}
