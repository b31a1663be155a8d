/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_yaml.c - a config file: one flat YAML mapping of scalars and lists of scalars.
 *
 * Every value is parsed and checked before the first is moved into the program's struct, so that
 * a faulty file changes nothing.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#include "buf.h"
#include "cleanup.h"
#include "conf_internal.h"
#include "fsx.h"

#define FILE_MAX_BYTES (1 << 20)

struct slot {
	struct conf_value value;
	size_t line;			/* 0: not in the file */
};

struct load {
	yaml_parser_t parser;
	yaml_event_t event;
	const struct conf_key *keys;
	size_t nkeys;
	struct slot *slots;		/* nkeys of them */
	const char *path;
	char *why;
};

static int fault_at(struct load *l, size_t line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fault_at(struct load *l, size_t line, const char *fmt, ...)
{
	int n = snprintf(l->why, CONF_WHY_MAX, "%s:%zu: ", l->path, line);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && n < CONF_WHY_MAX)
		vsnprintf(l->why + n, CONF_WHY_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static size_t line_of(const struct load *l)
{
	return l->event.start_mark.line + 1;
}

/* Next event into l->event; the one before is gone. */
static int next(struct load *l)
{
	yaml_event_delete(&l->event);
	memset(&l->event, 0, sizeof(l->event));
	if (yaml_parser_parse(&l->parser, &l->event))
		return 0;
	if (l->parser.error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return fault_at(l, l->parser.problem_mark.line + 1, "%s", l->parser.problem ? l->parser.problem : "not YAML");
}

static const char *scalar(const struct load *l)
{
	return (const char *)l->event.data.scalar.value;
}

static bool scalar_has_nul(const struct load *l)
{
	return memchr(scalar(l), 0, l->event.data.scalar.length) != NULL;
}

/* `key:` and `key: ~` say nothing. */
static bool scalar_null(const struct load *l)
{
	const char *s = scalar(l);

	return l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (!*s || !strcmp(s, "~") || !strcmp(s, "null"));
}

static int value_scalar(struct load *l, const struct conf_key *k, struct conf_value *v)
{
	char why[CONF_WHY_MAX] = "";
	int r;

	if (scalar_has_nul(l))
		return fault_at(l, line_of(l), "%s: a NUL character", k->key);
	if (k->type == CONF_LIST && !scalar_null(l))
		return fault_at(l, line_of(l), "%s: a list is wanted, like [a, b]", k->key);
	if (scalar_null(l) && k->type != CONF_STRING && k->type != CONF_LIST)
		return fault_at(l, line_of(l), "%s: has no value", k->key);
	r = conf_parse(k, scalar_null(l) ? "" : scalar(l), v, why);
	return r == -EINVAL ? fault_at(l, line_of(l), "%s", why) : r;
}

static int value_list(struct load *l, const struct conf_key *k, struct conf_value *v)
{
	int r;

	if (k->type != CONF_LIST)
		return fault_at(l, line_of(l), "%s: one value is wanted, not a list", k->key);
	for (;;) {
		r = next(l);
		if (r < 0 || l->event.type == YAML_SEQUENCE_END_EVENT)
			return r;
		if (l->event.type != YAML_SCALAR_EVENT || scalar_has_nul(l))
			return fault_at(l, line_of(l), "%s: the list's elements must be plain values", k->key);
		r = conf_list_add(&v->list, scalar(l), l->event.data.scalar.length);
		if (r < 0)
			return r;
	}
}

/* l->event is the key. */
static int entry(struct load *l)
{
	const struct conf_key *k;
	struct slot *s;
	int r;

	if (l->event.type != YAML_SCALAR_EVENT)
		return fault_at(l, line_of(l), "a key is wanted");
	k = conf_find(l->keys, l->nkeys, scalar(l));
	if (!k)
		return fault_at(l, line_of(l), "%s: unknown key", scalar(l));
	s = &l->slots[k - l->keys];
	if (s->line)
		return fault_at(l, line_of(l), "%s: is in line %zu already", k->key, s->line);
	s->line = line_of(l);
	r = next(l);
	if (r < 0)
		return r;
	if (l->event.type == YAML_SCALAR_EVENT)
		return value_scalar(l, k, &s->value);
	if (l->event.type == YAML_SEQUENCE_START_EVENT)
		return value_list(l, k, &s->value);
	return fault_at(l, line_of(l), "%s: a plain value or a list is wanted", k->key);
}

static int mapping(struct load *l)
{
	int r = 0;

	if (l->event.type == YAML_SCALAR_EVENT && scalar_null(l))
		return next(l);
	if (l->event.type != YAML_MAPPING_START_EVENT)
		return fault_at(l, line_of(l), "lines of \"key: value\" are wanted");
	while (!(r = next(l)) && l->event.type != YAML_MAPPING_END_EVENT) {
		r = entry(l);
		if (r < 0)
			return r;
	}
	return r ? r : next(l);
}

static int document(struct load *l)
{
	int r = next(l);

	if (!r)
		r = next(l);
	if (r < 0 || l->event.type == YAML_STREAM_END_EVENT)
		return r;
	r = next(l);
	if (!r)
		r = mapping(l);
	if (!r)
		r = next(l);
	if (!r && l->event.type != YAML_STREAM_END_EVENT)
		return fault_at(l, line_of(l), "only one document is wanted");
	return r;
}

static void load_free(struct load *l)
{
	for (size_t i = 0; l->slots && i < l->nkeys; i++)
		conf_value_free(&l->slots[i].value);
	free(l->slots);
	yaml_event_delete(&l->event);
	yaml_parser_delete(&l->parser);
}

static int parse(const struct conf_key *keys, size_t nkeys, void *dest, const char *path, const struct buf *text, char *why)
{
	struct load l = { .keys = keys, .nkeys = nkeys, .path = path, .why = why };
	int r = -ENOMEM;

	if (!yaml_parser_initialize(&l.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&l.parser, text->n ? text->p : (const uint8_t *)"", text->n);
	l.slots = calloc(nkeys ? nkeys : 1, sizeof(*l.slots));
	if (l.slots)
		r = document(&l);
	for (size_t i = 0; !r && i < nkeys; i++)
		if (l.slots[i].line)
			conf_commit(&keys[i], &l.slots[i].value, dest);
	load_free(&l);
	return r;
}

int conf_load(const struct conf_key *keys, size_t nkeys, void *dest, const char *path, char why[CONF_WHY_MAX])
{
	_cleanup_buf_ struct buf text = { 0 };
	int r = fsx_read(path, FILE_MAX_BYTES, &text);

	why[0] = '\0';
	if (!r)
		r = parse(keys, nkeys, dest, path, &text, why);
	if (r < 0 && !why[0])
		snprintf(why, CONF_WHY_MAX, "%s: %s", path, strerror(-r));
	return r;
}
