/* SPDX-License-Identifier: Apache-2.0 */
#include "tables.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Blocks of which retries are told: hours of inserts of a large fleet, not the hundred that it is by default. */
#define DEDUPLICATION_WINDOW 10000
/* A repeat is looked for by one granule a chain: small ones. */
#define GRANULE 2048

static const struct {
	const char *name;
	enum column_type type;
} own[OWN__MAX] = {
	[OWN_KIND] = { "kind", COLUMN_UINT8 }, [OWN_DAY] = { "day", COLUMN_DATE }, [OWN_ACCOUNT] = { "account", COLUMN_TEXT },
	[OWN_HOST] = { "host", COLUMN_TEXT }, [OWN_STREAM] = { "stream", COLUMN_TEXT }, [OWN_CHAIN] = { "chain", COLUMN_UINT8 },
	[OWN_NUMBER] = { "number", COLUMN_UINT64 }, [OWN_RECORD] = { "record", COLUMN_UINT32 }, [OWN_BATCH] = { "batch", COLUMN_UINT64 },
	[OWN_FRAMEKEY] = { "framekey", COLUMN_UINT64 }, [OWN_RECEIVED] = { "received", COLUMN_INT64 }, [OWN_TIME] = { "time", COLUMN_INT64 },
	[OWN_USERNAMES] = { "usernames", COLUMN_TEXTS }, [OWN_RESOURCENAMES] = { "resourcenames", COLUMN_TEXTS },
	[OWN_RESOURCETYPES] = { "resourcetypes", COLUMN_TEXTS }, [OWN_ACCESSKEY] = { "accesskey", COLUMN_TEXT },
	[OWN_MANAGEMENT] = { "management", COLUMN_UINT8 }, [OWN_STORES] = { "stores", COLUMN_UINT64S },
	[OWN_HASH] = { "hash", COLUMN_TEXT }, [OWN_PREVIOUS] = { "previous", COLUMN_TEXT },
	[OWN_KEY] = { "hostkey", COLUMN_TEXT }, [OWN_REGION] = { "region", COLUMN_TEXT }, [OWN_FLAGS] = { "flags", COLUMN_UINT16 },
	[OWN_STATE] = { "state", COLUMN_UINT8 }, [OWN_RECORDS] = { "records", COLUMN_UINT32 }, [OWN_FRAME] = { "frame", COLUMN_TEXT },
};

struct column columns[COLUMNS_MAX];
unsigned ncolumns;

static enum column_type lake_type(const struct lake_field *f)
{
	switch (f->type) {
	case LAKE_BOOL:
		return COLUMN_MAYBE_BOOL;
	case LAKE_INT:
	case LAKE_POSITION:
	case LAKE_NUMBER:
		return COLUMN_MAYBE_INT64;
	case LAKE_TIME:
		return COLUMN_MAYBE_TIME;
	case LAKE_RECEIVED:
		return COLUMN_TIME;
	case LAKE_RECORD_TEXT:
		return COLUMN_TEXT;
	default:
		return COLUMN_MAYBE_TEXT;	/* maps and lists are JSON */
	}
}

static void add_part(const char *map, const struct lake_field *f, enum column_part part)
{
	struct column *c = &columns[ncolumns++];

	assert(ncolumns < COLUMNS_MAX);
	snprintf(c->name, sizeof(c->name), "%.80s_%s", map, part == PART_KEYS ? "keys" : "values");
	c->type = COLUMN_TEXTS;
	c->field = f;
	c->part = part;
}

static void add(const char *prefix, const struct lake_field *f)
{
	struct column *c = &columns[ncolumns];
	char name[96];

	snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", f->name);
	if (f->type == LAKE_STRUCT) {
		for (unsigned i = 0; i < f->nfields; i++)
			add(name, &f->fields[i]);
		return;
	}
	assert(ncolumns < COLUMNS_MAX);
	memcpy(c->name, name, sizeof(name));
	c->field = f;
	/* the order of rows: it is always there */
	c->type = !strcmp(name, "eventtime") ? COLUMN_TIME : lake_type(f);
	ncolumns++;
	if (f->type == LAKE_MAP) {
		add_part(name, f, PART_KEYS);
		add_part(name, f, PART_VALUES);
	}
}

void tables_init(void)
{
	if (ncolumns)
		return;
	schema_init();
	for (; ncolumns < OWN__MAX; ncolumns++) {
		snprintf(columns[ncolumns].name, sizeof(columns[ncolumns].name), "%s", own[ncolumns].name);
		columns[ncolumns].type = own[ncolumns].type;
	}
	for (unsigned i = 0; i < lake_ncolumns; i++)
		add("", &lake_columns[i]);
}

const struct column *column_find(const char *name)
{
	for (unsigned i = OWN__MAX; i < ncolumns; i++)
		if (columns[i].part == PART_WHOLE && !strcasecmp(columns[i].name, name))
			return &columns[i];
	return NULL;
}

const struct column *column_of_path(const char *path, size_t n)
{
	for (unsigned i = OWN__MAX; i < ncolumns; i++) {
		const char *p = columns[i].field->path;

		if (columns[i].part == PART_WHOLE && p && strlen(p) == n && !memcmp(p, path, n) && strncmp(columns[i].name, "resources", 9))
			return &columns[i];
	}
	return NULL;
}

static const char *type_name(enum column_type t)
{
	static const char *const names[] = {
		[COLUMN_UINT8] = "UInt8", [COLUMN_UINT16] = "UInt16", [COLUMN_UINT32] = "UInt32", [COLUMN_UINT64] = "UInt64",
		[COLUMN_INT64] = "Int64", [COLUMN_DATE] = "Date", [COLUMN_TIME] = "DateTime('UTC')", [COLUMN_TEXT] = "String",
		[COLUMN_TEXTS] = "Array(String)", [COLUMN_MAYBE_TEXT] = "Nullable(String)", [COLUMN_MAYBE_INT64] = "Nullable(Int64)",
		[COLUMN_MAYBE_TIME] = "Nullable(DateTime('UTC'))", [COLUMN_MAYBE_BOOL] = "Nullable(UInt8)",
		[COLUMN_UINT64S] = "Array(UInt64)",
	};

	return names[t];
}

void tables_rows(struct buf *out, bool modern, const char *engine)
{
	buf_adds(out, "CREATE TABLE IF NOT EXISTS " TABLE_ROWS " (");
	for (unsigned i = 0; i < ncolumns; i++)
		buf_addf(out, "%s`%s` %s%s", i ? ", " : "", columns[i].name, type_name(columns[i].type),
			 modern && columns[i].type >= COLUMN_TEXT && columns[i].type <= COLUMN_MAYBE_TEXT ? " CODEC(ZSTD(1))" : "");
	buf_addf(out, ") ENGINE = %s PARTITION BY day ORDER BY (kind, account, eventtime, host, stream, chain, number, record) "
		      "SETTINGS index_granularity = %d",
		 engine, GRANULE);
	if (!strncmp(engine, "Replicated", 10))
		buf_addf(out, ", replicated_deduplication_window = %d", DEDUPLICATION_WINDOW);
}

void tables_kept(struct buf *out, const char *engine)
{
	buf_addf(out, "CREATE TABLE IF NOT EXISTS " TABLE_KEPT_ROWS " (id String, part UInt32, version UInt64, created Int64, day Date, body String) "
		      "ENGINE = %s PARTITION BY day ORDER BY (id, part, version) SETTINGS index_granularity = 256",
		 engine);
}

/* An epoch's rows go at once when it is over. */
void tables_ledger(struct buf *out, const char *engine)
{
	buf_addf(out, "CREATE TABLE IF NOT EXISTS " TABLE_LEDGER " (epoch UInt64, kind UInt8, seq UInt64, store String, body String) "
		      "ENGINE = %s PARTITION BY epoch ORDER BY (epoch, kind, seq) SETTINGS index_granularity = 256",
		 engine);
}

void tables_over(struct buf *out, const char *all, const char *rows, const char *database, const char *cluster)
{
	buf_addf(out, "CREATE TABLE IF NOT EXISTS %s AS %s ENGINE = Distributed('%s', '%s', '%s')", all, rows, cluster, database, rows);
}

void tables_insert(struct buf *out)
{
	buf_adds(out, "INSERT INTO " TABLE_ROWS " (");
	for (unsigned i = 0; i < ncolumns; i++)
		buf_addf(out, "%s`%s`", i ? "," : "", columns[i].name);
	buf_adds(out, ") FORMAT RowBinary");
}
