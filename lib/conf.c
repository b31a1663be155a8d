/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - the table's types: text to value, value into the struct. The file's syntax is conf_yaml.c's. */
#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "conf_internal.h"

static const char *const type_names[] = {
	[CONF_STRING] = "TEXT",	 [CONF_BOOL] = "true|false", [CONF_INT] = "NUMBER", [CONF_SIZE] = "SIZE",
	[CONF_MS] = "TIME",	 [CONF_ENUM] = "WORD",	     [CONF_LIST] = "LIST",
};

static void list_free(struct conf_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct conf_list){ 0 };
}

void conf_value_free(struct conf_value *v)
{
	free(v->text);
	list_free(&v->list);
	memset(v, 0, sizeof(*v));
}

int conf_list_add(struct conf_list *l, const char *p, size_t n)
{
	char **v = realloc(l->v, (l->n + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	l->v = v;
	v[l->n] = strndup(p, n);
	if (!v[l->n])
		return -ENOMEM;
	l->n++;
	return 0;
}

static int fault(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fault(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONF_WHY_MAX, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

const struct conf_key *conf_find(const struct conf_key *keys, size_t nkeys, const char *key)
{
	for (size_t i = 0; i < nkeys; i++)
		if (!strcmp(keys[i].key, key))
			return &keys[i];
	return NULL;
}

/* ---- numbers with a unit */

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit sizes[] = {
	{ "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 }, { NULL, 0 },
};
static const struct unit times[] = {
	{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};

static int parse_number(const char *text, const struct unit *units, int64_t *ret)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || errno || isspace((unsigned char)*text) || *text == '+')
		return -EINVAL;
	for (; units->name; units++)
		if (!strcmp(end, units->name))
			return __builtin_mul_overflow(v, units->factor, ret) ? -ERANGE : 0;
	return -EINVAL;
}

static int number(const struct conf_key *k, const char *text, const struct unit *units, const char *what,
		  struct conf_value *ret, char *why)
{
	int r = parse_number(text, units, &ret->number);

	if (r == -EINVAL)
		return fault(why, "%s: \"%s\" is not %s", k->key, text, what);
	if (r < 0 || (k->type == CONF_SIZE && ret->number < 0))
		return fault(why, "%s: %s is out of range", k->key, text);
	if ((k->min || k->max) && (ret->number < k->min || ret->number > k->max))
		return fault(why, "%s: %s is not within %lld and %lld%s", k->key, text, (long long)k->min,
			     (long long)k->max, k->type == CONF_MS ? " ms" : k->type == CONF_SIZE ? " bytes" : "");
	return 0;
}

/* ---- words */

static int boolean(const struct conf_key *k, const char *text, struct conf_value *ret, char *why)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(text, words[i])) {
			ret->number = i & 1;
			return 0;
		}
	return fault(why, "%s: \"%s\" is neither true nor false", k->key, text);
}

static int choice(const struct conf_key *k, const char *text, struct conf_value *ret, char *why)
{
	int n = snprintf(why, CONF_WHY_MAX, "%s: \"%s\" is none of", k->key, text);

	for (int i = 0; k->choices[i]; i++) {
		if (!strcmp(text, k->choices[i])) {
			ret->number = i;
			return 0;
		}
		if (n > 0 && n < CONF_WHY_MAX)
			n += snprintf(why + n, CONF_WHY_MAX - (size_t)n, " %s", k->choices[i]);
	}
	return -EINVAL;
}

/* On a command line and in the table a list is written a,b,c. */
static int split(const char *text, struct conf_value *ret)
{
	int r = 0;

	while (!r && *text) {
		size_t n = strcspn(text, ",");

		r = conf_list_add(&ret->list, text, n);
		text += n + (text[n] == ',');
	}
	return r;
}

int conf_parse(const struct conf_key *k, const char *text, struct conf_value *ret, char why[CONF_WHY_MAX])
{
	switch (k->type) {
	case CONF_STRING:
		ret->text = *text ? strdup(text) : NULL;
		return *text && !ret->text ? -ENOMEM : 0;
	case CONF_BOOL:
		return boolean(k, text, ret, why);
	case CONF_INT:
		return number(k, text, no_units, "a whole number", ret, why);
	case CONF_SIZE:
		return number(k, text, sizes, "a size (a number, or one with K, M or G)", ret, why);
	case CONF_MS:
		return number(k, text, times, "a time (a number of seconds, or one with ms, s, m, h or d)", ret, why);
	case CONF_ENUM:
		return choice(k, text, ret, why);
	case CONF_LIST:
		return split(text, ret);
	}
	return fault(why, "%s: the table's type is wrong", k->key);
}

/* Moves the value into the struct; what was there is freed. */
void conf_commit(const struct conf_key *k, struct conf_value *v, void *dest)
{
	void *at = (char *)dest + k->offset;

	switch (k->type) {
	case CONF_STRING:
		free(*(char **)at);
		*(char **)at = TAKE_PTR(v->text);
		break;
	case CONF_BOOL:
		*(bool *)at = v->number;
		break;
	case CONF_INT:
	case CONF_MS:
		*(int64_t *)at = v->number;
		break;
	case CONF_SIZE:
		*(uint64_t *)at = (uint64_t)v->number;
		break;
	case CONF_ENUM:
		*(int *)at = (int)v->number;
		break;
	case CONF_LIST:
		list_free(at);
		*(struct conf_list *)at = v->list;
		v->list = (struct conf_list){ 0 };
		break;
	}
}

static int set(const struct conf_key *k, void *dest, const char *text, char *why)
{
	_cleanup_(conf_value_free) struct conf_value v = { 0 };
	int r = conf_parse(k, text, &v, why);

	if (!r)
		conf_commit(k, &v, dest);
	else if (r == -ENOMEM)
		snprintf(why, CONF_WHY_MAX, "out of memory");
	return r;
}

int conf_defaults(const struct conf_key *keys, size_t nkeys, void *dest)
{
	char why[CONF_WHY_MAX];
	int r = 0;

	for (size_t i = 0; !r && i < nkeys; i++) {
		struct conf_value zero = { 0 };

		if (keys[i].fallback)
			r = set(&keys[i], dest, keys[i].fallback, why);
		else
			conf_commit(&keys[i], &zero, dest);
	}
	return r;
}

int conf_read(const struct conf_key *keys, size_t nkeys, void *dest, const char *path, conf_check_fn check, char why[CONF_WHY_MAX])
{
	int r = conf_defaults(keys, nkeys, dest);

	if (r < 0) {
		snprintf(why, CONF_WHY_MAX, "defaults: %s", strerror(-r));
		return r;
	}
	r = path ? conf_load(keys, nkeys, dest, path, why) : 0;
	if (r < 0)
		return r;
	why[0] = 0;
	r = check(dest, why);
	if (r < 0) {
		char *fault _cleanup_free_ = strdup(why);

		snprintf(why, CONF_WHY_MAX, "%s%s%s", path ? path : "", path ? ": " : "", fault && *fault ? fault : strerror(-r));
	}
	return r;
}

int conf_set(const struct conf_key *keys, size_t nkeys, void *dest, const char *key, const char *value, char why[CONF_WHY_MAX])
{
	const struct conf_key *k = conf_find(keys, nkeys, key);

	if (!k)
		return fault(why, "%s: unknown key", key);
	return set(k, dest, value, why);
}

void conf_free(const struct conf_key *keys, size_t nkeys, void *dest)
{
	for (size_t i = 0; i < nkeys; i++) {
		struct conf_value zero = { 0 };

		if (keys[i].type == CONF_STRING || keys[i].type == CONF_LIST)
			conf_commit(&keys[i], &zero, dest);
	}
}

void conf_help(const struct conf_key *keys, size_t nkeys, FILE *out)
{
	for (size_t i = 0; i < nkeys; i++) {
		const struct conf_key *k = &keys[i];

		fprintf(out, "  %s: ", k->key);
		if (k->type == CONF_ENUM)
			for (int c = 0; k->choices[c]; c++)
				fprintf(out, "%s%s", c ? "|" : "", k->choices[c]);
		else
			fputs(type_names[k->type], out);
		fprintf(out, "\n      %s", k->help ? k->help : "");
		if (k->fallback && *k->fallback)
			fprintf(out, " (default: %s)", k->fallback);
		fputc('\n', out);
	}
}
