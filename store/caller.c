/* SPDX-License-Identifier: Apache-2.0 */
#include "caller.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

#define BURST_SECONDS 2
#define RATE_MAX 1e6
#define QUERIES_MAX 1000
#define NO_HOST "-"			/* nobody's id */

static const char *const roles[] = {
	[ROLE_READER] = "reader", [ROLE_ANALYST] = "analyst", [ROLE_OPERATOR] = "operator", [ROLE_ADMINISTRATOR] = "administrator",
};

static const struct {
	const char *name;
	enum record_category category;
} categories[] = {
	{ "Management", CATEGORY_MANAGEMENT }, { "Data", CATEGORY_DATA }, { "NetworkActivity", CATEGORY_NETWORK }, { "Insight", CATEGORY_INSIGHT },
};

const char *caller_role_name(enum caller_role role)
{
	return roles[role];
}

void caller_init(struct caller *c, double rate)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->rate = rate;
}

static void free_list(char **list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void caller_clear(struct caller *c)
{
	for (unsigned i = 0; i < c->scope.naccounts; i++)
		free(c->scope.accounts[i]);
	for (unsigned i = 0; i < c->scope.nlabels; i++)
		free(c->scope.labels[i]);
	free_list(c->scope.hosts, c->scope.nhosts);
	pthread_mutex_destroy(&c->lock);
}

/* ---- settings */

static int set_role(struct caller *c, const char *value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(roles); i++)
		if (!strcmp(value, roles[i])) {
			c->role = (enum caller_role)i;
			return 0;
		}
	return -EINVAL;
}

static int set_rate(struct caller *c, const char *value)
{
	char *end;

	c->rate = strtod(value, &end);
	return *end || end == value || !isfinite(c->rate) || c->rate < 0 || c->rate > RATE_MAX ? -EINVAL : 0;
}

static int set_queries(struct caller *c, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*end || end == value || n < 1 || n > QUERIES_MAX)
		return -EINVAL;
	c->queries = (unsigned)n;
	return 0;
}

static int add_category(struct caller_scope *s, const char *value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(categories); i++)
		if (!strcmp(value, categories[i].name)) {
			s->categories |= 1u << categories[i].category;
			return 0;
		}
	return -EINVAL;
}

static int add_value(char **list, unsigned *n, const char *value)
{
	if (*n == CALLER_VALUES_MAX)
		return -EINVAL;
	list[*n] = strdup(value);
	if (!list[*n])
		return -ENOMEM;
	(*n)++;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_host(struct caller_scope *s, const char *value)
{
	if (!s->hosts && !(s->hosts = calloc(CALLER_VALUES_MAX, sizeof(*s->hosts))))
		return -ENOMEM;
	return add_value(s->hosts, &s->nhosts, value);
}

/* An empty list, or an empty value in it, is refused: it might be meant as "nothing", and would be "all". */
static int set_list(struct caller_scope *s, const char *name, const char *values)
{
	_cleanup_free_ char *copy = strdup(values);
	char *value, *rest = copy;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (!r && (value = strsep(&rest, ","))) {
		value += strspn(value, " \t");
		value[strcspn(value, " \t")] = '\0';
		if (!*value)
			r = -EINVAL;
		else if (!strcmp(name, "accounts"))
			r = add_value(s->accounts, &s->naccounts, value);
		else if (!strcmp(name, "hosts"))
			r = add_host(s, value);
		else if (!strcmp(name, "labels"))
			r = label_is_good(value) ? add_value(s->labels, &s->nlabels, value) : -EINVAL;
		else
			r = add_category(s, value);
	}
	if (s->nhosts)
		qsort(s->hosts, s->nhosts, sizeof(*s->hosts), by_text);
	return r;
}

int caller_set(struct caller *c, const char *name, const char *value)
{
	static const char prefix[] = "hosttrail_";
	int r;

	if (strncmp(name, prefix, sizeof(prefix) - 1))
		return 0;
	name += sizeof(prefix) - 1;
	if (!strcmp(name, "role"))
		r = set_role(c, value);
	else if (!strcmp(name, "rate"))
		r = set_rate(c, value);
	else if (!strcmp(name, "queries"))
		r = set_queries(c, value);
	else if (!strcmp(name, "accounts") || !strcmp(name, "hosts") || !strcmp(name, "labels") || !strcmp(name, "categories"))
		r = set_list(&c->scope, name, value);
	else
		r = -EINVAL;	/* a slip in a limit must not lift it */
	return r < 0 ? r : 1;
}

static bool is_host(const struct caller_scope *s, const char *id)
{
	return s->nhosts ? bsearch(&id, s->hosts, s->nhosts, sizeof(*s->hosts), by_text) != NULL : !s->nlabels;
}

int caller_label(struct caller *c, const struct conf_list *host_labels)
{
	struct caller_scope *s = &c->scope;
	char **hosts;
	unsigned n, kept = 0;
	int r;

	if (!s->nlabels)
		return 0;
	r = labels_hosts(host_labels, s->labels, s->nlabels, &hosts, &n);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++)
		if (!s->nhosts || is_host(s, hosts[i]))
			hosts[kept++] = hosts[i];
		else
			free(hosts[i]);
	if (!kept) {			/* none, not all: there is room for one more than labels_hosts() found */
		hosts[0] = strdup(NO_HOST);
		kept = hosts[0] != NULL;
	}
	free_list(s->hosts, s->nhosts);
	s->hosts = hosts;
	s->nhosts = kept;
	qsort(hosts, kept, sizeof(*hosts), by_text);
	return kept ? 0 : -ENOMEM;
}

/* ---- asking */

bool caller_admit(struct caller *c, uint64_t now)
{
	double most = c->rate * BURST_SECONDS > 1 ? c->rate * BURST_SECONDS : 1;
	bool admitted;

	if (c->rate <= 0)
		return true;
	pthread_mutex_lock(&c->lock);
	c->tokens = c->at ? fmin(most, c->tokens + (double)(now - c->at) / 1e9 * c->rate) : most;
	c->at = now;
	admitted = c->tokens >= 1;
	if (admitted)
		c->tokens--;
	pthread_mutex_unlock(&c->lock);
	return admitted;
}

bool caller_is_scoped(const struct caller *c)
{
	return c && (c->scope.naccounts || c->scope.nhosts || c->scope.nlabels || c->scope.categories);
}

static bool is_in(char *const *list, unsigned n, const char *value)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(list[i], value))
			return true;
	return !n;
}

bool caller_sees_frame(const struct caller *c, const struct decoded *d)
{
	return !c || (is_in(c->scope.accounts, c->scope.naccounts, d->origin.account) && is_host(&c->scope, d->origin.host_id));
}

bool caller_sees_record(const struct caller *c, const struct record_summary *s)
{
	return !c || !c->scope.categories || (c->scope.categories >> s->category & 1);
}

/* Values of the settings, and of nobody else; quoted all the same. */
static void sql_list(struct buf *out, const char *column, char *const *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (i)
			buf_adds(out, ", '");
		else
			buf_addf(out, " AND %s IN ('", column);
		for (const char *p = list[i]; *p; p++) {
			if (*p == '\'')
				buf_addc(out, '\'');
			buf_addc(out, (uint8_t)*p);
		}
		buf_addc(out, '\'');
	}
	if (n)
		buf_addc(out, ')');
}

void caller_sql(const struct caller *c, struct buf *out)
{
	char *names[ARRAY_SIZE(categories)];
	unsigned n = 0;

	buf_adds(out, "true");
	if (!c)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(categories); i++)
		if (c->scope.categories >> categories[i].category & 1)
			names[n++] = (char *)(uintptr_t)categories[i].name;
	sql_list(out, "recipientaccountid", c->scope.accounts, c->scope.naccounts);
	if (c->scope.nlabels && !c->scope.nhosts)
		buf_adds(out, " AND false");
	sql_list(out, "hostid", c->scope.hosts, c->scope.nhosts);
	sql_list(out, "eventcategory", names, n);
}
