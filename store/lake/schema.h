/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - the lake's columns: CloudTrail Lake's, in its order and with its nested names, then ours. docs/lake.md has
 * them for people; the table in schema.c is what everything is made from.
 *
 * A column's value is found in the record's JSON by a path. All paths form a tree, so that one walk over the text (walk.h)
 * fills a slot for each.
 */
#ifndef HOSTTRAIL_STORE_LAKE_SCHEMA_H
#define HOSTTRAIL_STORE_LAKE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "lib/buf.h"

#define SCHEMA_SLOTS_MAX 128
#define SCHEMA_LEAVES_MAX 128
#define SCHEMA_BUCKETS 32

enum field_type {
	LAKE_TEXT,
	LAKE_BOOL,
	LAKE_INT,		/* a number, or digits in a text */
	LAKE_TIME,		/* ISO 8601 in the text */
	LAKE_MAP,		/* an object: each member's name, and its value as text */
	LAKE_STRUCT,
	LAKE_RESOURCES,		/* a list of objects */
	LAKE_RECORD_TEXT,	/* the whole record */
	LAKE_RECEIVED,		/* when the store got it */
	LAKE_POSITION,		/* where it lies in the journal */
	LAKE_NUMBER,		/* and the how many-th of its frame it is */
};

struct lake_field {
	const char *name;		/* the column's or member's */
	enum field_type type;
	const char *path;		/* "userIdentity.arn"; NULL: none */
	struct lake_field *fields;	/* of LAKE_STRUCT and LAKE_RESOURCES */
	unsigned nfields;
	int slot;			/* of path; -1: none */
	int node;			/* of path */
	unsigned nleaves;		/* columns without members that it is made of: a map has two */
};

/* A member that some path goes through; node 0 is the record. */
struct schema_node {
	const char *key;
	unsigned key_len;
	int slot;			/* -1: only on the way */
	int next;			/* in the parent's bucket; -1: none */
	bool inner;			/* has children */
	int column;			/* of the table that is found here; -1: none */
	int16_t first[SCHEMA_BUCKETS];	/* children; -1: none */
};

extern struct lake_field lake_columns[];	/* not changed after schema_init() */
extern const unsigned lake_ncolumns;

/* Once, before any thread uses the rest. */
void schema_init(void);
const struct schema_node *schema_nodes(void);
int schema_child(const struct schema_node *parent, const char *key, size_t n);	/* -1: none */
duckdb_logical_type schema_type(const struct lake_field *f);	/* destroy it */
/* "eventversion, useridentity, ..." */
int schema_list(struct buf *out);

#endif
