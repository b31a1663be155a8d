/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_route.c - the operation of a REST protocol that a method and a path mean: the templates of the service's operations, the most
 * literal one first. Dates in paths are the API's version: another date than the model's fits, too, but less well.
 */
#include "agent/api/aws_internal.h"

static const char *const methods[AWS_METHODS] = { "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD" };

struct fit {
	uint64_t score;		/* two bits a segment: literal, label, greedy label; then how many parameters it asks for */
	bool dated;
	unsigned nlabels;
	struct aws_label labels[AWS_LABELS_MAX];
};

/* Larger is better: one of another version is the worst. */
static uint64_t fit_value(const struct fit *f)
{
	return f->score | (uint64_t)!f->dated << 63;
}

static bool is_date(struct str s)
{
	if (s.n != 10)
		return false;
	for (unsigned i = 0; i < 10; i++)
		if ((i == 4 || i == 7) ? s.p[i] != '-' : s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

static size_t segments(struct str s)
{
	size_t n = s.p != NULL;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '/';
	return n;
}

/* All but the last n segments; what is cut off stays in *rest. */
static struct str greedy(struct str *rest, size_t n)
{
	struct str all = *rest;
	size_t at = all.n;

	if (!n) {
		*rest = (struct str){ 0 };
		return all;
	}
	while (at && n)
		n -= all.p[--at] == '/';
	if (n || !at)
		return (struct str){ 0 };
	*rest = str_from(all, at + 1);
	return str_first(all, at);
}

static bool add_label(struct fit *f, struct str name, struct str value)
{
	int id = aws_name_id(name);

	if (id < 0 || !value.n || f->nlabels == AWS_LABELS_MAX)
		return false;
	f->labels[f->nlabels].name = (unsigned)id;
	f->labels[f->nlabels++].value = value;
	return true;
}

/* One segment of the template, "{Name}", "prefix{Name}" or literal. */
static bool fit_segment(struct str t, struct str s, struct fit *f)
{
	const char *open = t.n ? memchr(t.p, '{', t.n) : NULL, *close = open ? memchr(open, '}', t.n - (size_t)(open - t.p)) : NULL;
	size_t before, after;

	if (!close) {
		if (str_equal(t, s))
			return true;
		f->dated = true;
		return is_date(t) && is_date(s);
	}
	before = (size_t)(open - t.p);
	after = t.n - (size_t)(close - t.p) - 1;
	if (s.n < before + after || memcmp(s.p, t.p, before) || memcmp(s.p + s.n - after, close + 1, after))
		return false;
	return add_label(f, (struct str){ open + 1, (size_t)(close - open) - 1 }, (struct str){ s.p + before, s.n - before - after });
}

static bool fit_path(struct str t, struct str path, struct fit *f)
{
	unsigned shift = 60;

	while (t.p || path.p) {
		struct str part = str_cut(&t, '/'), segment;
		bool many = part.n > 3 && part.p[0] == '{' && str_ends(part, "+}");

		if (!part.p || !path.p)
			return false;
		if (many) {
			segment = greedy(&path, segments(t));
			if (!add_label(f, (struct str){ part.p + 1, part.n - 3 }, segment))
				return false;
		} else {
			segment = str_cut(&path, '/');
			if (!fit_segment(part, segment, f))
				return false;
		}
		if (shift >= 8)
			f->score |= (uint64_t)(many ? 1 : part.n && part.p[0] == '{' ? 2 : 3) << shift;
		shift -= shift >= 8 ? 2 : 0;
	}
	return true;
}

/* "?mode=import&x": what the template itself asks for. */
static bool fit_query(struct str t, struct str query, struct fit *f)
{
	struct str key, value, got;
	char name[64];

	while (uri_query_next(&t, &key, &value)) {
		if (key.n >= sizeof(name))
			return false;
		memcpy(name, key.p, key.n);
		name[key.n] = 0;
		if (!uri_query_get(query, name, &got) || (value.n && !str_equal(value, got)))
			return false;
		f->score++;
	}
	return true;
}

/* One '/' at the end makes no difference. */
static struct str trimmed(struct str path)
{
	if (path.n && path.p[0] == '/')
		path = str_from(path, 1);
	if (path.n && path.p[path.n - 1] == '/')
		path.n--;
	return path;
}

/* A quick no for most: what stands before the first label is another text, but for the digits of a date. */
static bool may_fit(const char *t, struct str path)
{
	for (size_t i = 0; t[i] && t[i] != '{' && t[i] != '?'; i++) {
		if (i >= path.n)
			return t[i] == '/' && (!t[i + 1] || t[i + 1] == '?');
		if (t[i] != path.p[i] && !(t[i] >= '0' && t[i] <= '9' && path.p[i] >= '0' && path.p[i] <= '9'))
			return false;
	}
	return true;
}

static bool fits(const struct aws_op *op, const struct uri *u, struct fit *ret)
{
	struct str query = str_of(aws_uri_text + op->uri), path = str_cut(&query, '?');

	ret->score = 0;
	ret->dated = false;
	ret->nlabels = 0;
	return fit_path(trimmed(path), trimmed(u->path), ret) && fit_query(query, u->query, ret);
}

bool aws_route(const struct aws_service *s, struct str method, const struct uri *u, struct aws_found *f)
{
	struct fit now;
	unsigned m = 0;

	while (m < AWS_METHODS && !str_is(method, methods[m]))
		m++;
	for (unsigned i = s->first; i < (unsigned)s->first + s->count; i++) {
		if (aws_ops[i].method != m || !may_fit(aws_uri_text + aws_ops[i].uri, u->path) || !fits(&aws_ops[i], u, &now))
			continue;
		if (f->op && fit_value(&now) <= f->fit)
			continue;
		f->service = s;
		f->op = &aws_ops[i];
		f->fit = fit_value(&now);
		f->nlabels = now.nlabels;
		memcpy(f->labels, now.labels, now.nlabels * sizeof(f->labels[0]));
	}
	return f->op;
}
