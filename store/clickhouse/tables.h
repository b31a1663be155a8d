/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables.h - the cluster's tables: one of rows on each server, and one over all of them.
 *
 * A row is a record or a frame (`kind`), so that a frame and its records are one INSERT into one part: they are there
 * together or not at all. Records' columns are the lake's (lake/schema.h), members of structs under their dotted names.
 *
 * Threads: tables_init() once before any other; then any.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_TABLES_H
#define HOSTTRAIL_STORE_CLICKHOUSE_TABLES_H

#include "lib/buf.h"
#include "store/lake/schema.h"

/* With a column that changes, the number at a name's end grows, and the new tables stand beside the old ones. */
#define TABLE_ROWS "trail_rows_2"	/* on each server */
#define TABLE_ALL "trail_2"		/* over all of them */
#define TABLE_KEPT_ROWS "trail_query_rows_1"	/* queries and their answers */
#define TABLE_KEPT "trail_query_1"
#define TABLE_LEDGER "trail_ledger_1"		/* of trails; lives in the first shard */
#define COLUMNS_MAX 160

enum row_kind { ROW_RECORD = 0, ROW_FRAME = 1 };

enum column_type {
	COLUMN_UINT8, COLUMN_UINT16, COLUMN_UINT32, COLUMN_UINT64, COLUMN_INT64, COLUMN_DATE, COLUMN_TIME, COLUMN_TEXT, COLUMN_TEXTS,
	COLUMN_MAYBE_TEXT, COLUMN_MAYBE_INT64, COLUMN_MAYBE_TIME, COLUMN_MAYBE_BOOL, COLUMN_UINT64S,
};

/* Of every row, in this order; the lake's follow. */
enum own_column {
	OWN_KIND, OWN_DAY, OWN_ACCOUNT, OWN_HOST, OWN_STREAM, OWN_CHAIN, OWN_NUMBER, OWN_RECORD, OWN_BATCH, OWN_FRAMEKEY, OWN_RECEIVED, OWN_TIME,
	OWN_USERNAMES, OWN_RESOURCENAMES, OWN_RESOURCETYPES, OWN_ACCESSKEY, OWN_MANAGEMENT, OWN_STORES,
	OWN_HASH, OWN_PREVIOUS, OWN_KEY, OWN_REGION, OWN_FLAGS, OWN_STATE, OWN_RECORDS, OWN_FRAME, OWN__MAX
};

/* A map is three columns: its JSON, and its members' names and values, since old servers cannot take JSON apart. */
enum column_part { PART_WHOLE, PART_KEYS, PART_VALUES };

struct column {
	char name[96];
	enum column_type type;
	const struct lake_field *field;		/* NULL: ours */
	enum column_part part;
};

void tables_init(void);
extern struct column columns[COLUMNS_MAX];
extern unsigned ncolumns;
/* A column that users' SQL may name, by its dotted name in any case; NULL: there is none. */
const struct column *column_find(const char *name);
/* By its path in the record: userIdentity.arn */
const struct column *column_of_path(const char *path, size_t n);

/* Statements that make them if they are not there. engine: ReplicatedMergeTree(...), or what a test gives. modern: of today's
 * servers, with their codecs. */
void tables_rows(struct buf *out, bool modern, const char *engine);
void tables_kept(struct buf *out, const char *engine);
void tables_ledger(struct buf *out, const char *engine);
void tables_over(struct buf *out, const char *all, const char *rows, const char *database, const char *cluster);
/* "INSERT INTO ... (kind, ...) FORMAT RowBinary" */
void tables_insert(struct buf *out);

#endif
