/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rulefile.h - an API that a file describes (docs/apis.md): which calls are its, what they are called, what is kept of them.
 *
 * Ownership: a rule_file owns all that it points to (its texts lie in the file's tree). Once loaded it is only read.
 * Errors: -EINVAL or those of reading, and why: "FILE:LINE: sentence"; -ENOMEM. Bounds: those of lib/yamltree.h and below.
 */
#ifndef HOSTTRAIL_API_RULEFILE_H
#define HOSTTRAIL_API_RULEFILE_H

#include "lib/yamltree.h"
#include "rules.h"

#define RULEFILE_OPERATIONS_MAX 512
#define RULEFILE_ITEMS_MAX 64			/* hosts, conditions, parameters: of each */
#define RULEFILE_RESOURCES_MAX API_RESOURCES_MAX
#define RULEFILE_BODY_DEFAULT (8 * 1024)
#define RULEFILE_BODY_MAX (64 * 1024)

enum rule_from { RULE_PATH = 1, RULE_QUERY, RULE_HEADER, RULE_BODY, RULE_FORM, RULE_METHOD, RULE_HOST };

struct rule_source {		/* "query.page", "body.user.id" */
	enum rule_from from;
	const char *name;	/* behind the first dot; NULL where there is none */
};

struct rule_condition {
	struct rule_source source;
	const char *value;	/* NULL: it need only be there */
};

struct rule_conditions {
	struct rule_condition v[RULEFILE_ITEMS_MAX];
	unsigned n;
};

struct rule_parameter {
	const char *name;
	struct rule_source source;
	bool hidden;
};

struct rule_operation {
	const char *methods;		/* as in the file, blanks between; NULL: any */
	const char *path;		/* template; NULL: any path */
	const char *event_name;		/* template */
	const char *error_code;		/* path into a failed call's JSON; NULL: by status */
	int read_only;			/* -1: by the method */
	enum record_category category;	/* 0: data where it reads, else management */
	struct rule_conditions conditions;
	struct rule_parameter *parameters;
	unsigned nparameters;
	struct {
		const char *arn, *type;	/* templates; the type is literal */
	} resources[RULEFILE_RESOURCES_MAX];
	unsigned nresources;
	bool needs_body;		/* a condition, name or parameter is of the request's body */
	size_t line;
};

struct rule_file {
	struct yamltree *tree;
	char *methods;			/* joined methods of all operations */
	const char *file, *api;
	const char *hosts[RULEFILE_ITEMS_MAX];
	unsigned nhosts;
	const char *path;		/* template of all paths; NULL: the operations have theirs */
	struct rule_conditions conditions;
	const char *event_source, *api_version;	/* template, text; NULL: the host, none */
	uint32_t body_bytes;
	struct rule_operation *operations;
	unsigned noperations;
};

int rulefile_parse(const char *name, const void *p, size_t n, struct rule_file **ret_f, char why[API_WHY_MAX]);
int rulefile_load(const char *path, struct rule_file **ret_f, char why[API_WHY_MAX]);
void rulefile_free(struct rule_file **f);	/* NULL-safe */
#define _cleanup_rulefile_ __attribute__((cleanup(rulefile_free)))

/* "query.page" and the like; a text without a dot is a label of the path. False: it is none. */
bool rule_source_parse(struct str text, struct rule_source *ret_source, char *room, size_t max);

/* The call's operation by its head alone; -1: it is not this API's. Further ones may fit, too, if this one's body does not. */
int rulefile_match(const struct rule_file *f, const struct api_peer *peer, const struct http_call *call, unsigned from);
/* 0: described; 1: none of the operations fits its body; -ENOMEM. */
int rulefile_describe(const struct rule_file *f, const struct api_peer *peer, const struct http_call *call, struct api_arena *a,
		      struct api_call *ret_call);
/* Everything that is wanted by the operations that may fit. False: none. */
bool rulefile_wants(const struct rule_file *f, const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants);

#endif
