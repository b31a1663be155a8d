/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX 16		/* of paths; what lies deeper is passed over without recursion */

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* p stands behind the opening quote; gives the closing one, or NULL. Most texts are short: eight bytes are looked at at once. */
static const char *string_end(const char *p, const char *end)
{
	const uint64_t ones = 0x0101010101010101ull;
	uint64_t w, quote, slash, found;

	for (;;) {
		if (end - p >= 8) {
			memcpy(&w, p, 8);
			quote = w ^ ones * '"';
			slash = w ^ ones * '\\';
			/* zero bytes of the two; exact up to the first */
			found = (((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & ones * 0x80;
			p += found ? __builtin_ctzll(found) / 8 : 8;
			if (!found)
				continue;
		}
		if (p >= end)
			return NULL;
		if (*p == '"')
			return p;
		p += *p == '\\' ? 2 : 1;
	}
}

/* Behind the value that begins here, if it is one of the known. */
static const char *known_end(const struct walk_known *known, const char *p, const char *end)
{
	for (unsigned i = 0; known && i < WALK_KNOWN; i++)
		if (known->v[i].p == p && known->v[i].n && known->v[i].n <= (size_t)(end - p))
			return p + known->v[i].n;
	return NULL;
}

/* Behind the object or array at p, or NULL. */
static const char *nest_end(const char *p, const char *end, const struct walk_known *known)
{
	unsigned depth = 0;

	while (p < end) {
		const char *far = *p == '{' ? known_end(known, p, end) : NULL;

		if (far) {
			p = far;
		} else if (*p == '"') {
			p = string_end(p + 1, end);
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
static const char *value_end(const char *p, const char *end, const struct walk_known *known)
{
	const char *q = p;

	if (p < end && (*p == '{' || *p == '['))
		return nest_end(p, end, known);
	if (p < end && *p == '"') {
		q = string_end(p + 1, end);
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
	*w = (struct walk){ s.p + 1, s.p + s.n, NULL, s.p[0] == '{', true };
	return true;
}

static int read_key(struct walk *w, struct piece *ret_key)
{
	const char *q;

	if (w->p == w->end || *w->p != '"')
		return -1;
	q = string_end(w->p + 1, w->end);
	if (!q)
		return -1;
	*ret_key = (struct piece){ w->p + 1, (size_t)(q - w->p - 1) };
	w->p = skip_space(q + 1, w->end);
	if (w->p == w->end || *w->p != ':')
		return -1;
	w->p = skip_space(w->p + 1, w->end);
	return 0;
}

int walk_next(struct walk *w, struct piece *ret_key, struct piece *ret_value)
{
	struct piece key = { NULL, 0 };
	const char *stop;

	w->p = skip_space(w->p, w->end);
	if (w->p < w->end && *w->p == (w->object ? '}' : ']'))
		return 0;
	if (!w->first) {
		if (w->p == w->end || *w->p != ',')
			return -1;
		w->p = skip_space(w->p + 1, w->end);
	}
	w->first = false;
	if (w->object && read_key(w, &key) < 0)
		return -1;
	stop = value_end(w->p, w->end, w->known);
	if (!stop || stop == w->p)
		return -1;
	*ret_value = (struct piece){ w->p, (size_t)(stop - w->p) };
	if (ret_value->n == 4 && !memcmp(ret_value->p, "null", 4))
		ret_value->n = 0;
	if (ret_key)
		*ret_key = key;
	w->p = stop;
	return 1;
}

static bool walk_node(struct piece s, const struct schema_node *node, unsigned depth, const struct walk_known *known, bool lazy,
		      struct piece *slots)
{
	const struct schema_node *nodes = schema_nodes();
	struct piece key, value;
	struct walk w;
	int r;

	if (!walk_begin(&w, s) || !w.object)
		return depth > 0;
	w.known = known;
	while ((r = walk_next(&w, &key, &value)) > 0) {
		int i = schema_child(node, key.p, key.n);

		if (i < 0 || !value.n)
			continue;
		if (nodes[i].slot >= 0)
			slots[nodes[i].slot] = value;
		if (!nodes[i].inner || (lazy && nodes[i].lazy) || depth == DEPTH_MAX)
			continue;
		if (!walk_node(value, &nodes[i], depth + 1, known, lazy, slots))
			return false;
	}
	return r == 0;
}

bool walk_record(const char *p, size_t n, struct piece *slots)
{
	memset(slots, 0, SCHEMA_SLOTS_MAX * sizeof(*slots));
	return walk_node((struct piece){ p, n }, schema_nodes(), 0, NULL, false, slots);
}

bool walk_outer(const char *p, size_t n, const struct walk_known *known, struct piece *slots)
{
	memset(slots, 0, SCHEMA_SLOTS_MAX * sizeof(*slots));
	return walk_node((struct piece){ p, n }, schema_nodes(), 0, known, true, slots);
}

bool walk_inner(const struct lake_field *f, struct piece *slots)
{
	return walk_node(slots[f->slot], &schema_nodes()[f->node], 1, NULL, false, slots);
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
