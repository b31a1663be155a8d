/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selectors.h - CloudTrail's event selectors: the same JSON, the same meaning, and fields of our own.
 *
 * One evaluator for agent, store and command line. A record is shown to it as a view: for each field the values that
 * the record has. A field that is not known yet makes the answer SELECT_MAYBE, never a wrong one: so the same code says
 * what may be decided early (by the name of a call, by a user's number) and what has to wait for the whole record.
 *
 *	r = selectors_parse(text, n, &s, why);
 *	if (selectors_match(s, &view) == SELECT_YES) ...
 *
 * Meaning: selectors are or'ed, the fields of a selector and'ed. Within a field, one of the positive operators' values
 * must hit (if there are any), and none of the negative ones'. A field with several values (resources, path) hits when
 * one of them does; one without a value fails positive and passes negative operators. Nothing is a wildcard, case counts.
 * Basic selectors become advanced ones when they are read.
 *
 * Ownership: what selectors_parse() gives is the caller's. Threads: a struct selectors is never changed; any number may
 * read it.
 */
#ifndef HOSTTRAIL_SELECTORS_H
#define HOSTTRAIL_SELECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "record.h"

#define SELECTORS_TEXT_MAX (4u << 20)
#define SELECTORS_VALUES_MAX 500	/* of all selectors together */
#define SELECTORS_BASIC_MAX 5
#define SELECTORS_RESOURCES_MAX 250	/* values in DataResources of all basic selectors */
#define SELECTORS_NAME_MAX 1000
#define SELECTORS_VALUE_MAX 2048
#define SELECTORS_WHY_MAX 320

enum select_field {
	SELECT_CATEGORY = 0, SELECT_SOURCE, SELECT_NAME, SELECT_TYPE, SELECT_READ_ONLY, SELECT_RESOURCE_TYPE,
	SELECT_RESOURCE_ARN, SELECT_CONSOLE, SELECT_USER_ARN, SELECT_ERROR, SELECT_VPC_ENDPOINT,
	/* ours */
	SELECT_PATH, SELECT_EXECUTABLE, SELECT_USER, SELECT_CONTAINER, SELECT_CGROUP, SELECT_EUID, SELECT_LOGINUID,
	SELECT__MAX
};

/* The negative ones are the second half. */
enum select_op {
	SELECT_EQUALS = 0, SELECT_STARTS, SELECT_ENDS, SELECT_NOT_EQUALS, SELECT_NOT_STARTS, SELECT_NOT_ENDS, SELECT_OP__MAX
};

struct select_list {
	struct str *v;
	unsigned n;
};

struct select_condition {
	enum select_field field;
	struct select_list op[SELECT_OP__MAX];
};

struct selector {
	char *name;		/* NULL: has none */
	unsigned nconditions;
	struct select_condition *conditions;
};

struct selectors {
	bool basic;		/* as it was written */
	unsigned n;		/* 0: nothing is selected */
	struct selector *v;
	uint32_t uses;		/* a bit per enum select_field that some condition asks for */
};

/* 0, -ENOMEM, or -EINVAL and one line in why: which selector, which field, what is wrong. `text` is a JSON array of
 * advanced or of basic selectors, or an object as put-event-selectors takes it and get-event-selectors gives it. */
int selectors_parse(const char *text, size_t n, struct selectors **ret_s, char why[SELECTORS_WHY_MAX]);
/* The same of a file; -errno if it cannot be read. */
int selectors_load(const char *path, struct selectors **ret_s, char why[SELECTORS_WHY_MAX]);
/* What is recorded where nobody said otherwise: docs/selectors.md. */
const char *selectors_default_text(void);
void selectors_free(struct selectors **s);
#define _cleanup_selectors_ __attribute__((cleanup(selectors_free)))

const char *select_field_name(enum select_field field);		/* "eventName"; NULL out of range */
const char *select_op_name(enum select_op op);			/* "Equals" */
const char *select_category_name(enum record_category category);	/* "Management"; NULL out of range */

/* ---- evaluation */

#define SELECT_VALUES_MAX 8		/* of one field; RECORD_RESOURCES_MAX */

struct select_values {
	unsigned n;
	struct str v[SELECT_VALUES_MAX];
};

struct select_view {
	uint32_t known;			/* a bit per field whose values are all here; none at all is known, too */
	struct select_values field[SELECT__MAX];
};

enum select_answer { SELECT_NO = 0, SELECT_MAYBE, SELECT_YES };

void select_view_init(struct select_view *v);			/* nothing is known */
/* The field is known and has this one value; s.p NULL: none. */
void select_view_set(struct select_view *v, enum select_field field, struct str s);
/* One value more; beyond SELECT_VALUES_MAX the field becomes unknown again. */
void select_view_add(struct select_view *v, enum select_field field, struct str s);
void select_view_text(struct select_view *v, enum select_field field, const char *s);	/* NULL: none */

enum select_answer selector_match(const struct selector *s, const struct select_view *v);
enum select_answer selectors_match(const struct selectors *s, const struct select_view *v);

#endif
