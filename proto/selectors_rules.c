// SPDX-License-Identifier: Apache-2.0
/*
 * selectors_rules.c - which fields and operators a selector may have, by its category: CloudTrail's table (trails' and
 * event data stores' together), and our fields, which stand with every category that has events of a host.
 */
#include "selectors_internal.h"

#include <string.h>

#include "lib/cleanup.h"

#define MANAGEMENT (1u << 0)
#define DATA (1u << 1)
#define NETWORK (1u << 2)
#define OTHER (1u << 3)
#define HOST (MANAGEMENT | DATA | NETWORK)

#define ONLY_EQUALS (1u << SELECT_EQUALS)
#define EQUALS_OR_NOT (1u << SELECT_EQUALS | 1u << SELECT_NOT_EQUALS)
#define ALL_OPS ((1u << SELECT_OP__MAX) - 1)

static const struct rule {
	const char *name;
	uint8_t categories, ops;
	const char *const *only;	/* values that it may have; NULL: any */
} rules[SELECT__MAX] = {
	[SELECT_CATEGORY] = { "eventCategory", HOST | OTHER, ONLY_EQUALS, NULL },
	[SELECT_SOURCE] = { "eventSource", HOST, ALL_OPS, NULL },
	[SELECT_NAME] = { "eventName", HOST, ALL_OPS, NULL },
	[SELECT_TYPE] = { "eventType", HOST, ALL_OPS, NULL },
	[SELECT_READ_ONLY] = { "readOnly", MANAGEMENT | DATA, ONLY_EQUALS, (const char *const[]){ "true", "false", NULL } },
	[SELECT_RESOURCE_TYPE] = { "resources.type", DATA, ONLY_EQUALS, NULL },
	[SELECT_RESOURCE_ARN] = { "resources.ARN", DATA, ALL_OPS, NULL },
	[SELECT_CONSOLE] = { "sessionCredentialFromConsole", MANAGEMENT | DATA, EQUALS_OR_NOT, (const char *const[]){ "true", NULL } },
	[SELECT_USER_ARN] = { "userIdentity.arn", HOST, ALL_OPS, NULL },
	[SELECT_ERROR] = { "errorCode", HOST, ALL_OPS, NULL },
	[SELECT_VPC_ENDPOINT] = { "vpcEndpointId", NETWORK, ALL_OPS, NULL },
	[SELECT_PATH] = { "path", HOST, ALL_OPS, NULL },
	[SELECT_EXECUTABLE] = { "process.executable", HOST, ALL_OPS, NULL },
	[SELECT_USER] = { "user", HOST, ALL_OPS, NULL },
	[SELECT_CONTAINER] = { "process.container", HOST, ALL_OPS, NULL },
	[SELECT_CGROUP] = { "process.cgroup", HOST, ALL_OPS, NULL },
	[SELECT_EUID] = { "process.euid", HOST, EQUALS_OR_NOT, NULL },
	[SELECT_LOGINUID] = { "process.loginuid", HOST, EQUALS_OR_NOT, NULL },
};

const char *select_field_name(enum select_field field)
{
	return (unsigned)field < SELECT__MAX ? rules[field].name : NULL;
}

int select_field_of(const char *name)
{
	for (unsigned i = 0; i < SELECT__MAX; i++)
		if (!strcmp(rules[i].name, name))
			return (int)i;
	return -1;
}

static bool str_is(struct str s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static int category_of(struct str s)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} known[] = {
		{ "Management", MANAGEMENT }, { "Data", DATA }, { "NetworkActivity", NETWORK }, { "Insight", OTHER },
		{ "ConfigurationItem", OTHER }, { "Evidence", OTHER }, { "ActivityAuditLog", OTHER },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (str_is(s, known[i].name))
			return known[i].bit;
	return 0;
}

static int one_of(struct select_parse *p, const struct rule *r, struct str v)
{
	for (const char *const *o = r->only; *o; o++)
		if (str_is(v, *o))
			return 0;
	return select_refuse(p, "%s cannot be \"%.*s\"", r->name, (int)(v.n < 60 ? v.n : 60), v.p);
}

static int condition_rules(struct select_parse *p, const struct select_condition *c, unsigned category)
{
	const struct rule *r = &rules[c->field];
	unsigned any = 0;
	int error = 0;

	if (!(r->categories & category))
		return select_refuse(p, "%s cannot be selected by in this eventCategory", r->name);
	for (unsigned op = 0; op < SELECT_OP__MAX; op++) {
		any += c->op[op].n;
		if (c->op[op].n && !(r->ops >> op & 1))
			return select_refuse(p, "%s cannot be used with %s", select_op_name(op), r->name);
		for (unsigned i = 0; r->only && i < c->op[op].n && !error; i++)
			error = one_of(p, r, c->op[op].v[i]);
	}
	if (!any)
		return select_refuse(p, "%s has no operator", r->name);
	return error;
}

static const struct select_condition *only_one(const struct selector *s, enum select_field field, unsigned *ret_n)
{
	const struct select_condition *found = NULL;

	*ret_n = 0;
	for (unsigned i = 0; i < s->nconditions; i++)
		if (s->conditions[i].field == field) {
			found = &s->conditions[i];
			++*ret_n;
		}
	return found;
}

int select_rules(struct select_parse *p, const struct selector *s)
{
	unsigned n, category;
	const struct select_condition *c = only_one(s, SELECT_CATEGORY, &n);
	int r = 0;

	if (n != 1 || c->op[SELECT_EQUALS].n != 1)
		return select_refuse(p, "eventCategory must be there once, with one value for Equals");
	category = (unsigned)category_of(c->op[SELECT_EQUALS].v[0]);
	if (!category)
		return select_refuse(p, "\"%.*s\" is not an eventCategory", (int)(c->op[SELECT_EQUALS].v[0].n & 63), c->op[SELECT_EQUALS].v[0].p);
	c = only_one(s, SELECT_RESOURCE_TYPE, &n);
	if (n > 1 || (c && c->op[SELECT_EQUALS].n > 1))
		return select_refuse(p, "only one resources.type can stand in a selector");
	for (unsigned i = 0; i < s->nconditions && !r; i++)
		r = condition_rules(p, &s->conditions[i], category);
	return r;
}
