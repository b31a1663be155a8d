/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

/* A segment of a template: text before the label, the label, text behind it. No label: `before` is all. */
struct part {
	struct str before, label, behind;
	bool many;
};

static struct part part_of(struct str s)
{
	struct part p = { .before = s };
	const char *open = s.n ? memchr(s.p, '{', s.n) : NULL, *close = open ? memchr(open, '}', (size_t)(s.p + s.n - open)) : NULL;

	if (!close)
		return p;
	p.before = str_first(s, (size_t)(open - s.p));
	p.label = (struct str){ open + 1, (size_t)(close - open - 1) };
	p.behind = str_from(s, (size_t)(close + 1 - s.p));
	p.many = p.label.n && p.label.p[p.label.n - 1] == '+';
	p.label.n -= p.many;
	return p;
}

static bool add(struct route_match *m, struct str name, struct str value)
{
	if (!value.n || m->n == ROUTE_LABELS_MAX)
		return false;
	m->name[m->n] = name;
	m->value[m->n++] = value;
	return true;
}

static bool one(const struct part *p, struct str s, struct route_match *m)
{
	if (!p->label.p)
		return str_equal(p->before, s);
	if (s.n < p->before.n + p->behind.n || (p->before.n && memcmp(s.p, p->before.p, p->before.n)) ||
	    (p->behind.n && memcmp(s.p + s.n - p->behind.n, p->behind.p, p->behind.n)))
		return false;
	return add(m, p->label, (struct str){ s.p + p->before.n, s.n - p->before.n - p->behind.n });
}

bool route_matches(struct str template, const struct uri_path *path, struct route_match *ret_match)
{
	struct uri_path t;
	unsigned at = 0;

	uri_segments(template, &t);
	ret_match->n = 0;
	for (unsigned i = 0; i < t.n; i++) {
		struct part p = part_of(t.segment[i]);
		unsigned left = t.n - i - 1;

		if (at + left >= path->n)
			return false;
		if (p.many) {
			struct str first = path->segment[at], last = path->segment[path->n - left - 1];

			if (!add(ret_match, p.label, (struct str){ first.p, (size_t)(last.p + last.n - first.p) }))
				return false;
			at = path->n - left;
		} else if (!one(&p, path->segment[at++], ret_match)) {
			return false;
		}
	}
	return at == path->n;
}

struct str route_label(const struct route_match *m, const char *name, struct api_arena *a)
{
	for (unsigned i = 0; i < m->n; i++)
		if (str_is(m->name[i], name))
			return uri_decode(a, m->value[i], false);
	return (struct str){ 0 };
}

const char *route_fault(struct str template)
{
	struct uri_path t;
	unsigned many = 0, labels = 0;

	if (!template.n || template.p[0] != '/')
		return "a path begins with '/'";
	uri_segments(template, &t);
	if (t.n == URI_SEGMENTS_MAX)
		return "the path has too many segments";
	for (unsigned i = 0; i < t.n; i++) {
		struct part p = part_of(t.segment[i]);

		labels += p.label.p != NULL;
		many += p.many;
		if (memchr(p.before.p ? p.before.p : "", '{', p.before.n) || memchr(p.behind.p ? p.behind.p : "", '{', p.behind.n))
			return "a segment of the path has more than one label, or one that does not end";
		if (p.label.p && !p.label.n)
			return "a label of the path has no name";
		if (p.many && (p.before.n || p.behind.n))
			return "a label with '+' stands alone in its segment";
	}
	if (many > 1)
		return "the path has more than one label with '+'";
	return labels > ROUTE_LABELS_MAX ? "the path has more than 8 labels" : NULL;
}

/* A quick look, that most templates do not pass: what stands before the first label. */
static bool may_match(const char *template, struct str path)
{
	size_t i = 0;

	while (i < path.n && template[i] == path.p[i] && template[i])
		i++;
	return template[i] == '{' || (!template[i] && i == path.n);
}

const struct route *route_find(const struct route *routes, size_t n, struct str method, struct str path, struct route_match *ret_match)
{
	struct uri_path p;

	uri_segments(path, &p);
	for (size_t i = 0; i < n; i++)
		if (may_match(routes[i].template, path) && str_among(method, routes[i].methods) && route_matches(str_of(routes[i].template), &p, ret_match))
			return &routes[i];
	return NULL;
}

/* Secret by what any of its segments is. */
static bool secret_value(struct str s)
{
	struct uri_path p;

	uri_segments(s, &p);
	for (unsigned i = 0; i < p.n; i++)
		if (secret_segment(p.segment[i]) == SEGMENT_SECRET)
			return true;
	return false;
}

void route_put_labels(struct jsontext *j, const struct route_match *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct str v = uri_decode(j->arena, m->value[i], false);

		if (secret_value(v) || secret_name(m->name[i]))
			jsontext_hidden(j, m->name[i]);
		else
			jsontext_text(j, m->name[i], v);
	}
}
