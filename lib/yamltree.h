/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yamltree.h - a small YAML document as a tree: mappings, lists and scalars with their lines, for files whose shape is more than conf.h's.
 *
 * One document of at most YAMLTREE_BYTES_MAX bytes, YAMLTREE_NODES_MAX nodes and YAMLTREE_DEPTH_MAX levels, UTF-8, without anchors,
 * aliases, tags and NUL bytes; a mapping's keys are scalars and differ. What is otherwise is an error, told as "NAME:LINE: sentence".
 * Ownership: the caller frees the tree. Errors: -EINVAL (and why), -ENOMEM, those of reading a file. Threads: no state.
 */
#ifndef HOSTTRAIL_YAMLTREE_H
#define HOSTTRAIL_YAMLTREE_H

#include <stddef.h>

#define YAMLTREE_BYTES_MAX (256 * 1024)
#define YAMLTREE_NODES_MAX 20000
#define YAMLTREE_DEPTH_MAX 10
#define YAMLTREE_WHY_MAX 512

enum yamltree_kind { YAMLTREE_SCALAR = 1, YAMLTREE_MAP, YAMLTREE_LIST };

struct yamltree {
	enum yamltree_kind kind;
	size_t line;
	char *text;			/* of a scalar */
	size_t n;			/* of a mapping or list */
	char **keys;			/* of a mapping */
	size_t *key_lines;
	struct yamltree **v;
};

/* `name` stands in errors. */
int yamltree_parse(const char *name, const void *p, size_t n, struct yamltree **ret_t, char why[YAMLTREE_WHY_MAX]);
int yamltree_load(const char *path, struct yamltree **ret_t, char why[YAMLTREE_WHY_MAX]);
void yamltree_free(struct yamltree **t);	/* NULL-safe */
/* A mapping's value, or NULL. */
const struct yamltree *yamltree_get(const struct yamltree *t, const char *key);
/* "mapping", "list", "text" */
const char *yamltree_kind_name(enum yamltree_kind kind);
#define _cleanup_yamltree_ __attribute__((cleanup(yamltree_free)))

#endif
