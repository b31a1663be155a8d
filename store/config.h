/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - hosttrail-store's settings. */
#ifndef HOSTTRAIL_STORE_CONFIG_H
#define HOSTTRAIL_STORE_CONFIG_H

#include "lib/conf.h"

enum store_engine { ENGINE_EMBEDDED, ENGINE_CLICKHOUSE };

struct store_config {
	char *data_dir, *api_listen, *ingest_listen, *ca, *cert, *key, *credentials, *sign_key, *host_id, *region, *account;
	char *user, *group;
	int lookup_events;		/* 0 all, 1 management */
	uint64_t decoded_bytes;
	struct conf_list buckets, log_groups, webhooks, host_labels;
	int64_t delivery_interval, digest_period, digest_key_life;	/* ms */
	uint64_t delivery_size;
	char *duckdb;
	uint64_t lake_memory, lake_results;
	bool rebuild_lake;		/* from the command line */
	int64_t lake_seal_records, lake_seal_ms, lake_query_ms, lake_query_rows;
	int64_t api_rate;
	char *api_cert, *api_key;
	bool api_tls, api_metrics_open, audit;
	int engine;			/* enum store_engine */
	struct conf_list ch_servers;
	char *ch_user, *ch_password, *ch_ca, *ch_database, *ch_cluster, *ch_query_user, *ch_query_password;
	int64_t ch_quorum, ch_linger;
	int log_level;
};

extern const struct conf_key store_keys[];
extern const size_t store_nkeys;

/* Defaults, the file over them, and what the table cannot say. 0, or -errno and why; conf_free() frees it in any case. */
int store_config_read(struct store_config *c, const char *path, char why[CONF_WHY_MAX]);

#endif
