/* SPDX-License-Identifier: Apache-2.0 */
#include "yamltree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "buf.h"
#include "cleanup.h"
#include "fsx.h"

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	const char *name;
	char *why;
	unsigned nodes;
};

static int fault(struct reader *r, size_t line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fault(struct reader *r, size_t line, const char *fmt, ...)
{
	int n = snprintf(r->why, YAMLTREE_WHY_MAX, "%s:%zu: ", r->name, line);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && n < YAMLTREE_WHY_MAX)
		vsnprintf(r->why + n, YAMLTREE_WHY_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* The next event is in r->event; the one before is gone. */
static int next(struct reader *r)
{
	yaml_event_delete(&r->event);
	memset(&r->event, 0, sizeof(r->event));
	if (yaml_parser_parse(&r->parser, &r->event))
		return 0;
	if (r->parser.error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return fault(r, r->parser.problem_mark.line + 1, "this is not YAML: %s", r->parser.problem ? r->parser.problem : "unreadable");
}

static size_t line_of(const struct reader *r)
{
	return r->event.start_mark.line + 1;
}

void yamltree_free(struct yamltree **t)
{
	if (!*t)
		return;
	for (size_t i = 0; i < (*t)->n; i++) {
		if ((*t)->keys)
			free((*t)->keys[i]);
		yamltree_free(&(*t)->v[i]);
	}
	free((*t)->keys);
	free((*t)->key_lines);
	free((*t)->v);
	free((*t)->text);
	free(*t);
	*t = NULL;
}

/* Room for one more; its place is n. */
static int grow(struct yamltree *t)
{
	size_t cap = t->n && !(t->n & (t->n - 1)) ? 2 * t->n : t->n ? 0 : 1;
	void *p;

	if (!cap)
		return 0;
	p = realloc(t->v, cap * sizeof(*t->v));
	if (!p)
		return -ENOMEM;
	t->v = p;
	if (t->kind != YAMLTREE_MAP)
		return 0;
	p = realloc(t->keys, cap * sizeof(*t->keys));
	if (!p)
		return -ENOMEM;
	t->keys = p;
	p = realloc(t->key_lines, cap * sizeof(*t->key_lines));
	if (!p)
		return -ENOMEM;
	t->key_lines = p;
	return 0;
}

/* Takes `value` in any case, and `key` with it. */
static int add(struct yamltree *t, char *key, size_t line, struct yamltree *value)
{
	if (grow(t) < 0) {
		free(key);
		yamltree_free(&value);
		return -ENOMEM;
	}
	if (t->kind == YAMLTREE_MAP) {
		t->keys[t->n] = key;
		t->key_lines[t->n] = line;
	}
	t->v[t->n++] = value;
	return 0;
}

static int node(struct reader *r, unsigned depth, struct yamltree **ret_t);

static int scalar_text(struct reader *r, char **ret_text)
{
	const char *p = (const char *)r->event.data.scalar.value;
	size_t n = r->event.data.scalar.length;

	if (r->event.data.scalar.anchor || r->event.data.scalar.tag)
		return fault(r, line_of(r), "anchors and tags are not used here");
	if (memchr(p, '\0', n))
		return fault(r, line_of(r), "a text has a NUL byte in it");
	*ret_text = strndup(p, n);
	return *ret_text ? 0 : -ENOMEM;
}

static int members(struct reader *r, unsigned depth, struct yamltree *t)
{
	for (;;) {
		struct yamltree *value = NULL;
		char *key = NULL;
		size_t line;
		int ret = next(r);

		if (ret < 0)
			return ret;
		if (r->event.type == YAML_MAPPING_END_EVENT)
			return 0;
		line = line_of(r);
		if (r->event.type != YAML_SCALAR_EVENT)
			return fault(r, line, "a key is no text");
		ret = scalar_text(r, &key);
		if (ret < 0)
			return ret;
		for (size_t i = 0; i < t->n; i++)
			if (!strcmp(t->keys[i], key)) {
				ret = fault(r, line, "%.64s: this key is there already, in line %zu", key, t->key_lines[i]);
				free(key);
				return ret;
			}
		ret = next(r);
		if (!ret)
			ret = node(r, depth, &value);
		if (ret < 0) {
			free(key);
			return ret;
		}
		ret = add(t, key, line, value);
		if (ret < 0)
			return ret;
	}
}

static int elements(struct reader *r, unsigned depth, struct yamltree *t)
{
	for (;;) {
		struct yamltree *value = NULL;
		int ret = next(r);

		if (ret < 0)
			return ret;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		ret = node(r, depth, &value);
		if (!ret)
			ret = add(t, NULL, 0, value);
		if (ret < 0)
			return ret;
	}
}

/* The node that the event begins. */
static int node(struct reader *r, unsigned depth, struct yamltree **ret_t)
{
	_cleanup_yamltree_ struct yamltree *t = NULL;
	int ret;

	if (++r->nodes > YAMLTREE_NODES_MAX || depth == YAMLTREE_DEPTH_MAX)
		return fault(r, line_of(r), "there is more, or it is nested deeper, than such a file may have");
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->line = line_of(r);
	switch (r->event.type) {
	case YAML_SCALAR_EVENT:
		t->kind = YAMLTREE_SCALAR;
		ret = scalar_text(r, &t->text);
		break;
	case YAML_MAPPING_START_EVENT:
		t->kind = YAMLTREE_MAP;
		ret = r->event.data.mapping_start.anchor || r->event.data.mapping_start.tag ? fault(r, t->line, "anchors and tags are not used here") :
											      members(r, depth + 1, t);
		break;
	case YAML_SEQUENCE_START_EVENT:
		t->kind = YAMLTREE_LIST;
		ret = r->event.data.sequence_start.anchor || r->event.data.sequence_start.tag ? fault(r, t->line, "anchors and tags are not used here") :
												elements(r, depth + 1, t);
		break;
	default:
		ret = fault(r, t->line, "aliases are not used here");
	}
	if (!ret)
		*ret_t = TAKE_PTR(t);
	return ret;
}

static int document(struct reader *r, struct yamltree **ret_t)
{
	_cleanup_yamltree_ struct yamltree *t = NULL;
	int ret = next(r);		/* the stream begins */

	if (!ret)
		ret = next(r);
	if (!ret && r->event.type != YAML_DOCUMENT_START_EVENT)
		return fault(r, 1, "the file is empty");
	if (!ret)
		ret = next(r);
	if (!ret)
		ret = node(r, 0, &t);
	if (!ret)
		ret = next(r);		/* the document ends */
	if (!ret)
		ret = next(r);
	if (!ret && r->event.type != YAML_STREAM_END_EVENT)
		ret = fault(r, line_of(r), "a second document begins: only one is read of a file");
	if (!ret)
		*ret_t = TAKE_PTR(t);
	return ret;
}

int yamltree_parse(const char *name, const void *p, size_t n, struct yamltree **ret_t, char why[YAMLTREE_WHY_MAX])
{
	struct reader r = { .name = name, .why = why };
	int ret;

	why[0] = '\0';
	if (n > YAMLTREE_BYTES_MAX)
		return fault(&r, 1, "the file has more than %d KiB", YAMLTREE_BYTES_MAX / 1024);
	if (!yaml_parser_initialize(&r.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&r.parser, p, n);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	ret = document(&r, ret_t);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	if (ret == -ENOMEM)
		snprintf(why, YAMLTREE_WHY_MAX, "%s: out of memory", name);
	return ret;
}

int yamltree_load(const char *path, struct yamltree **ret_t, char why[YAMLTREE_WHY_MAX])
{
	_cleanup_buf_ struct buf b = { 0 };
	int r = fsx_read(path, YAMLTREE_BYTES_MAX, &b);

	if (r < 0) {
		snprintf(why, YAMLTREE_WHY_MAX, "%s: %s", path, r == -E2BIG ? "the file is too large" : strerror(-r));
		return r;
	}
	return yamltree_parse(path, b.n ? (const char *)b.p : "", b.n, ret_t, why);
}

const struct yamltree *yamltree_get(const struct yamltree *t, const char *key)
{
	for (size_t i = 0; t->kind == YAMLTREE_MAP && i < t->n; i++)
		if (!strcmp(t->keys[i], key))
			return t->v[i];
	return NULL;
}

const char *yamltree_kind_name(enum yamltree_kind kind)
{
	return kind == YAMLTREE_MAP ? "a mapping" : kind == YAMLTREE_LIST ? "a list" : "a text";
}
