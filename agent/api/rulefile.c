/* SPDX-License-Identifier: Apache-2.0 */
/* rulefile.c - a rule file's tree becomes a rule: every key is known, every template and source can be one. */
#include "rulefile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "route.h"

struct load {
	struct rule_file *f;
	char *why;
};

static int fault(struct load *l, size_t line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fault(struct load *l, size_t line, const char *fmt, ...)
{
	int n = snprintf(l->why, API_WHY_MAX, "%s:%zu: ", l->f->file, line);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && n < API_WHY_MAX)
		vsnprintf(l->why + n, API_WHY_MAX - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- nodes */

static int known_keys(struct load *l, const struct yamltree *t, const char *what, const char *keys)
{
	if (t->kind != YAMLTREE_MAP)
		return fault(l, t->line, "%s is to be a mapping, and is %s", what, yamltree_kind_name(t->kind));
	for (size_t i = 0; i < t->n; i++)
		if (!str_among(str_of(t->keys[i]), keys))
			return fault(l, t->key_lines[i], "%.64s: unknown key; %s may have: %s", t->keys[i], what, keys);
	return 0;
}

/* The text of a key; NULL if it is not there. */
static int text(struct load *l, const struct yamltree *t, const char *key, const char **ret)
{
	const struct yamltree *v = yamltree_get(t, key);

	if (!v)
		return 0;
	if (v->kind != YAMLTREE_SCALAR)
		return fault(l, v->line, "%s is to be a text, and is %s", key, yamltree_kind_name(v->kind));
	if (!*v->text)
		return fault(l, v->line, "%s has no text", key);
	if (strlen(v->text) > 512)
		return fault(l, v->line, "%s has more than 512 bytes", key);
	*ret = v->text;
	return 0;
}

static int required(struct load *l, const struct yamltree *t, const char *what, const char *key, const char **ret)
{
	*ret = NULL;
	return text(l, t, key, ret) ?: *ret ? 0 : fault(l, t->line, "%s has no %s", what, key);
}

/* ---- sources and templates */

bool rule_source_parse(struct str s, struct rule_source *ret_source, char *room, size_t max)
{
	static const struct {
		const char *name;
		enum rule_from from;
	} froms[] = { { "path", RULE_PATH }, { "query", RULE_QUERY }, { "header", RULE_HEADER }, { "body", RULE_BODY }, { "form", RULE_FORM } };
	struct str rest = s, head = str_cut(&rest, '.');

	if (str_is(s, "method") || str_is(s, "host")) {
		*ret_source = (struct rule_source){ s.p[0] == 'm' ? RULE_METHOD : RULE_HOST, NULL };
		return true;
	}
	if (!rest.p)		/* a label of the path */
		rest = s;
	if (!rest.n || rest.n >= max)
		return false;
	memcpy(room, rest.p, rest.n);
	room[rest.n] = '\0';
	*ret_source = (struct rule_source){ RULE_PATH, room };
	if (rest.p == s.p)
		return true;
	for (unsigned i = 0; i < sizeof(froms) / sizeof(froms[0]); i++)
		if (str_is(head, froms[i].name)) {
			ret_source->from = froms[i].from;
			return true;
		}
	return false;
}

/* Is there such a label in the operation's path? */
static bool has_label(const char *path, const char *label)
{
	char one[160], many[160];

	snprintf(one, sizeof(one), "{%s}", label);
	snprintf(many, sizeof(many), "{%s+}", label);
	return path && (strstr(path, one) || strstr(path, many));
}

static int check_source(struct load *l, size_t line, struct str s, struct rule_operation *op, struct rule_source *ret_source, char *room)
{
	if (!rule_source_parse(s, ret_source, room, 128))
		return fault(l, line, "%.*s: not a source; it is path.LABEL, query.NAME, header.NAME, body.MEMBER, form.NAME, method or host",
			     (int)(s.n < 64 ? s.n : 64), s.p);
	if (op && ret_source->from == RULE_PATH && !has_label(op->path ? op->path : l->f->path, ret_source->name))
		return fault(l, line, "{%s} is no label of this operation's path", ret_source->name);
	if (op && (ret_source->from == RULE_BODY || ret_source->from == RULE_FORM))
		op->needs_body = true;
	return 0;
}

static int check_template(struct load *l, size_t line, const char *template, struct rule_operation *op)
{
	for (const char *p = template; *p; p++) {
		const char *end;
		struct rule_source s;
		char room[128];
		int r;

		if (*p == '}')
			return fault(l, line, "a '}' closes nothing in \"%.64s\"", template);
		if (*p != '{')
			continue;
		end = strchr(p, '}');
		if (!end)
			return fault(l, line, "a '{' is not closed in \"%.64s\"", template);
		r = check_source(l, line, (struct str){ p + 1, (size_t)(end - p - 1) }, op, &s, room);
		if (r < 0)
			return r;
		p = end;
	}
	return 0;
}

static int check_path(struct load *l, const struct yamltree *t, const char *path)
{
	const char *why = path ? route_fault(str_of(path)) : NULL;

	return why ? fault(l, yamltree_get(t, "path")->line, "%s", why) : 0;
}

/* ---- parts of a rule */

static int conditions(struct load *l, const struct yamltree *t, const char *key, enum rule_from from, struct rule_conditions *c)
{
	const struct yamltree *m = yamltree_get(t, key);

	if (m && m->kind != YAMLTREE_MAP)
		return fault(l, m->line, "%s is to be a mapping of names and values, and is %s", key, yamltree_kind_name(m->kind));
	for (size_t i = 0; m && i < m->n; i++) {
		if (m->v[i]->kind != YAMLTREE_SCALAR)
			return fault(l, m->v[i]->line, "%.64s is to be a text, and is %s", m->keys[i], yamltree_kind_name(m->v[i]->kind));
		if (c->n == RULEFILE_ITEMS_MAX)
			return fault(l, m->line, "there are more than %d conditions", RULEFILE_ITEMS_MAX);
		for (char *p = m->keys[i]; from == RULE_HEADER && *p; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
		c->v[c->n++] = (struct rule_condition){ { from, m->keys[i] }, strcmp(m->v[i]->text, "*") ? m->v[i]->text : NULL };
	}
	return 0;
}

static int all_conditions(struct load *l, const struct yamltree *t, struct rule_conditions *c)
{
	return conditions(l, t, "headers", RULE_HEADER, c) ?: conditions(l, t, "query", RULE_QUERY, c) ?: conditions(l, t, "body", RULE_BODY, c) ?:
	       conditions(l, t, "form", RULE_FORM, c);
}

static int one_parameter(struct load *l, struct rule_operation *op, char *name, const struct yamltree *v, struct rule_parameter *p)
{
	struct rule_source s;
	char room[128];
	int r;

	if (v->kind != YAMLTREE_SCALAR)
		return fault(l, v->line, "%.64s is to be a source, and is %s", name, yamltree_kind_name(v->kind));
	r = check_source(l, v->line, str_of(v->text), op, &s, room);
	if (r < 0)
		return r;
	s.name = s.name ? v->text + strlen(v->text) - strlen(s.name) : NULL;	/* its own place, which lasts */
	for (char *c = (char *)s.name; s.from == RULE_HEADER && *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
	*p = (struct rule_parameter){ .name = name, .source = s };
	return 0;
}

static int hide(struct load *l, const struct yamltree *t, struct rule_operation *op)
{
	const struct yamltree *list = yamltree_get(t, "hidden");

	if (list && list->kind != YAMLTREE_LIST)
		return fault(l, list->line, "hidden is to be a list of parameters, and is %s", yamltree_kind_name(list->kind));
	for (size_t i = 0; list && i < list->n; i++) {
		unsigned k = 0;

		if (list->v[i]->kind != YAMLTREE_SCALAR)
			return fault(l, list->v[i]->line, "hidden is to be a list of parameters");
		while (k < op->nparameters && strcmp(op->parameters[k].name, list->v[i]->text))
			k++;
		if (k == op->nparameters)
			return fault(l, list->v[i]->line, "%.64s is hidden, but is none of the requestParameters", list->v[i]->text);
		op->parameters[k].hidden = true;
	}
	return 0;
}

static int parameters(struct load *l, const struct yamltree *t, struct rule_operation *op)
{
	const struct yamltree *m = yamltree_get(t, "requestParameters");
	int r = 0;

	if (m && m->kind != YAMLTREE_MAP)
		return fault(l, m->line, "requestParameters is to be a mapping of names and sources, and is %s", yamltree_kind_name(m->kind));
	if (m && m->n > RULEFILE_ITEMS_MAX)
		return fault(l, m->line, "there are more than %d requestParameters", RULEFILE_ITEMS_MAX);
	op->parameters = m && m->n ? calloc(m->n, sizeof(*op->parameters)) : NULL;
	if (m && m->n && !op->parameters)
		return -ENOMEM;
	for (size_t i = 0; m && !r && i < m->n; i++)
		r = one_parameter(l, op, m->keys[i], m->v[i], &op->parameters[op->nparameters++]);
	return r ? r : hide(l, t, op);
}

static int resources(struct load *l, const struct yamltree *t, struct rule_operation *op)
{
	const struct yamltree *list = yamltree_get(t, "resources");
	int r = 0;

	if (list && list->kind != YAMLTREE_LIST)
		return fault(l, list->line, "resources is to be a list, and is %s", yamltree_kind_name(list->kind));
	if (list && list->n > RULEFILE_RESOURCES_MAX)
		return fault(l, list->line, "there are more than %d resources", RULEFILE_RESOURCES_MAX);
	for (size_t i = 0; list && !r && i < list->n; i++) {
		const char *arn = NULL, *type = NULL;

		r = known_keys(l, list->v[i], "a resource", "arn type") ?: required(l, list->v[i], "a resource", "arn", &arn) ?:
		    text(l, list->v[i], "type", &type) ?: check_template(l, list->v[i]->line, arn, op);
		op->resources[i].arn = arn;
		op->resources[i].type = type;
		op->nresources++;
	}
	return r;
}

static int category(struct load *l, const struct yamltree *t, struct rule_operation *op)
{
	const char *c = NULL, *w = NULL;
	int r = text(l, t, "category", &c) ?: text(l, t, "readOnly", &w);

	if (r < 0)
		return r;
	if (c && strcmp(c, "Management") && strcmp(c, "Data"))
		return fault(l, yamltree_get(t, "category")->line, "category is Management or Data, not %.64s", c);
	if (w && strcmp(w, "true") && strcmp(w, "false"))
		return fault(l, yamltree_get(t, "readOnly")->line, "readOnly is true or false, not %.64s", w);
	op->category = !c ? 0 : *c == 'M' ? CATEGORY_MANAGEMENT : CATEGORY_DATA;
	op->read_only = w ? *w == 't' : -1;
	return 0;
}

/* "GET", or a list of such. */
static int methods(struct load *l, const struct yamltree *t, struct rule_operation *op, char *room)
{
	const struct yamltree *v = yamltree_get(t, "method");
	size_t n = 0;

	if (!v)
		return 0;
	if (v->kind == YAMLTREE_MAP || (v->kind == YAMLTREE_LIST && !v->n))
		return fault(l, v->line, "method is to be a text or a list of texts");
	for (size_t i = 0; i < (v->kind == YAMLTREE_LIST ? v->n : 1); i++) {
		const struct yamltree *one = v->kind == YAMLTREE_LIST ? v->v[i] : v;
		size_t length = one->kind == YAMLTREE_SCALAR ? strlen(one->text) : 0;

		if (!length || length > 20 || one->text[strspn(one->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")] || n + length + 2 > 128)
			return fault(l, one->line, "method is of capital letters, as GET or POST");
		n += (size_t)snprintf(room + n, 128 - n, "%s%s", n ? " " : "", one->text);
	}
	op->methods = room;
	return 0;
}

static int operation(struct load *l, const struct yamltree *t, struct rule_operation *op, char *room)
{
	int r;

	op->line = t->line;
	op->read_only = -1;
	r = known_keys(l, t, "an operation", "method path headers query body form eventName readOnly category requestParameters hidden resources errorCode") ?:
	    text(l, t, "path", &op->path) ?: check_path(l, t, op->path) ?: methods(l, t, op, room) ?: all_conditions(l, t, &op->conditions) ?:
	    required(l, t, "an operation", "eventName", &op->event_name) ?:
	    check_template(l, yamltree_get(t, "eventName")->line, op->event_name, op) ?: category(l, t, op) ?: parameters(l, t, op) ?: resources(l, t, op) ?:
	    text(l, t, "errorCode", &op->error_code);
	if (r < 0)
		return r;
	if (!op->path && !l->f->path)
		return fault(l, t->line, "the operation has no path, and match has none either");
	for (unsigned i = 0; i < op->conditions.n; i++)
		op->needs_body |= op->conditions.v[i].source.from >= RULE_BODY;
	return 0;
}

static int operations(struct load *l)
{
	const struct yamltree *list = yamltree_get(l->f->tree, "operations");
	int r = 0;

	if (!list || list->kind != YAMLTREE_LIST || !list->n)
		return fault(l, list ? list->line : 1, "operations is to be a list with at least one operation");
	if (list->n > RULEFILE_OPERATIONS_MAX)
		return fault(l, list->line, "there are more than %d operations", RULEFILE_OPERATIONS_MAX);
	l->f->operations = calloc(list->n, sizeof(*l->f->operations));
	l->f->methods = calloc(list->n, 128);
	if (!l->f->operations || !l->f->methods)
		return -ENOMEM;
	for (size_t i = 0; !r && i < list->n; i++)
		r = operation(l, list->v[i], &l->f->operations[l->f->noperations++], l->f->methods + 128 * i);
	return r;
}

/* ---- the file */

static int host(struct load *l, const struct yamltree *v)
{
	const char *name;

	if (v->kind != YAMLTREE_SCALAR || !*v->text || strlen(v->text) > 253)
		return fault(l, v->line, "host is to be a name or a list of names");
	name = v->text + (str_begins(str_of(v->text), "*.") ? 2 : 0);
	if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-_")])
		return fault(l, v->line, "%.64s: a host is of small letters, digits, '.', '-' and '_', and may begin with \"*.\"", v->text);
	if (l->f->nhosts == RULEFILE_ITEMS_MAX)
		return fault(l, v->line, "there are more than %d hosts", RULEFILE_ITEMS_MAX);
	l->f->hosts[l->f->nhosts++] = v->text;
	return 0;
}

static int matching(struct load *l)
{
	const struct yamltree *m = yamltree_get(l->f->tree, "match"), *hosts;
	int r;

	if (!m)
		return fault(l, 1, "there is no match: which calls are of this API");
	r = known_keys(l, m, "match", "host path headers query body form") ?: text(l, m, "path", &l->f->path) ?: check_path(l, m, l->f->path) ?:
	    all_conditions(l, m, &l->f->conditions);
	hosts = yamltree_get(m, "host");
	if (r < 0)
		return r;
	if (hosts && hosts->kind != YAMLTREE_LIST)
		return host(l, hosts);
	for (size_t i = 0; hosts && !r && i < hosts->n; i++)
		r = host(l, hosts->v[i]);
	if (!r && !l->f->nhosts && !l->f->conditions.n)
		return fault(l, m->line, "match needs a host, a header or another condition: every call would be of this API");
	return r;
}

static int body_bytes(struct load *l)
{
	const char *s = NULL;
	uint64_t n = RULEFILE_BODY_DEFAULT;
	int r = text(l, l->f->tree, "bodyBytes", &s);

	if (!r && s && !str_number(str_of(s), RULEFILE_BODY_MAX, &n))
		return fault(l, yamltree_get(l->f->tree, "bodyBytes")->line, "bodyBytes is a number up to %d", RULEFILE_BODY_MAX);
	l->f->body_bytes = (uint32_t)n;
	return r;
}

static int api_name(struct load *l)
{
	int r = required(l, l->f->tree, "the file", "api", &l->f->api);

	if (!r && (strlen(l->f->api) > 64 || l->f->api[strspn(l->f->api, "abcdefghijklmnopqrstuvwxyz0123456789-_")]))
		return fault(l, yamltree_get(l->f->tree, "api")->line, "api is a name of at most 64 small letters, digits, '-' and '_'");
	return r;
}

static int whole(struct load *l)
{
	const char *source;
	int r = known_keys(l, l->f->tree, "the file", "api match eventSource apiVersion bodyBytes operations") ?: api_name(l) ?: matching(l) ?: body_bytes(l) ?:
		text(l, l->f->tree, "apiVersion", &l->f->api_version) ?: text(l, l->f->tree, "eventSource", &l->f->event_source);

	source = l->f->event_source;
	if (!r && source && (strlen(source) > 253 || source[strspn(source, "abcdefghijklmnopqrstuvwxyz0123456789.-_")]))
		return fault(l, yamltree_get(l->f->tree, "eventSource")->line, "eventSource is a name like \"slack.com\"");
	return r ? r : operations(l);
}

void rulefile_free(struct rule_file **f)
{
	if (!*f)
		return;
	for (unsigned i = 0; i < (*f)->noperations; i++)
		free((*f)->operations[i].parameters);
	free((*f)->operations);
	free((*f)->methods);
	free((char *)(*f)->file);
	yamltree_free(&(*f)->tree);
	free(*f);
	*f = NULL;
}

/* Takes the tree. */
static int make(const char *name, struct yamltree *tree, struct rule_file **ret_f, char *why)
{
	_cleanup_rulefile_ struct rule_file *f = calloc(1, sizeof(*f));
	struct load l = { f, why };
	int r = -ENOMEM;

	if (!f) {
		yamltree_free(&tree);
		return r;
	}
	f->tree = tree;
	f->file = strdup(name);
	if (f->file)
		r = whole(&l);
	if (r == -ENOMEM)
		snprintf(why, API_WHY_MAX, "%s: out of memory", name);
	if (!r)
		*ret_f = TAKE_PTR(f);
	return r;
}

int rulefile_parse(const char *name, const void *p, size_t n, struct rule_file **ret_f, char why[API_WHY_MAX])
{
	struct yamltree *tree = NULL;
	int r = yamltree_parse(name, p, n, &tree, why);

	return r ? r : make(name, tree, ret_f, why);
}

int rulefile_load(const char *path, struct rule_file **ret_f, char why[API_WHY_MAX])
{
	struct yamltree *tree = NULL;
	int r = yamltree_load(path, &tree, why);

	return r ? r : make(path, tree, ret_f, why);
}
