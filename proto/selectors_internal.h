/* SPDX-License-Identifier: Apache-2.0 */
/* selectors_internal.h - what reading (selectors.c), the rules (selectors_rules.c) and basic selectors share. */
#ifndef HOSTTRAIL_SELECTORS_INTERNAL_H
#define HOSTTRAIL_SELECTORS_INTERNAL_H

#include <json-c/json.h>

#include "selectors.h"

struct select_parse {
	struct selectors *s;
	char *why;			/* SELECTORS_WHY_MAX */
	unsigned at;			/* the selector in work, from 1 */
	const char *name;		/* its name, or NULL */
	unsigned values, resources;	/* so far, over all */
};

/* "selector 2 (name): text" into why; gives -EINVAL. */
int select_refuse(struct select_parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A new empty selector at the end; NULL: no memory. */
struct selector *select_add(struct select_parse *p, const char *name);
struct select_condition *select_condition_add(struct select_parse *p, struct selector *s, enum select_field field);
/* One value of a condition, copied; text as JSON gave it. 0, -EINVAL, -ENOMEM. */
int select_value_add(struct select_parse *p, struct select_condition *c, enum select_op op, const char *text, size_t n);
/* Every element of a JSON array of strings. */
int select_values_add(struct select_parse *p, struct select_condition *c, enum select_op op, struct json_object *list);
/* No members but these (NULL-terminated)? */
int select_members(struct select_parse *p, struct json_object *o, const char *const *known);

/* selectors_rules.c: what CloudTrail allows in a selector, all of it read. */
int select_rules(struct select_parse *p, const struct selector *s);
int select_field_of(const char *name);	/* -1: none */

/* selectors_basic.c: one basic selector becomes one or more advanced ones. */
int select_basic(struct select_parse *p, struct json_object *o);

#endif
