/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "labels.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

static const char *const levels[] = { "debug", "info", "warn", "error", NULL };
static const char *const engines[] = { "embedded", "clickhouse", NULL };
static const char *const categories[] = { "all", "management", NULL };

#define AT(field) offsetof(struct store_config, field)

const struct conf_key store_keys[] = {
	{ "data_dir", CONF_STRING, AT(data_dir), "/var/lib/hosttrail-store", 0, 0, NULL, "journal, index and what else the store keeps" },
	{ "api_listen", CONF_STRING, AT(api_listen), "127.0.0.1:7480", 0, 0, NULL, "address:port of the API; on another address than loopback it speaks TLS only" },
	{ "host_labels", CONF_LIST, AT(host_labels), NULL, 0, 0, NULL, "labels of hosts, for keys that see hosts of some label: HOST-ID name=value ..." },
	{ "api_metrics_open", CONF_BOOL, AT(api_metrics_open), "false", 0, 0, NULL, "/metrics needs no key, on another address than loopback either" },
	{ "api_tls", CONF_BOOL, AT(api_tls), "false", 0, 0, NULL, "TLS on loopback, too" },
	{ "api_cert", CONF_STRING, AT(api_cert), NULL, 0, 0, NULL, "the API's certificate, with its chain; unset: cert" },
	{ "api_key", CONF_STRING, AT(api_key), NULL, 0, 0, NULL, "its private key; unset: key" },
	{ "ingest_listen", CONF_STRING, AT(ingest_listen), "0.0.0.0:7481", 0, 0, NULL, "address:port for forwarders" },
	{ "ca", CONF_STRING, AT(ca), "/etc/hosttrail/pki/ca.crt", 0, 0, NULL, "certificate that the hosts' must be signed by" },
	{ "cert", CONF_STRING, AT(cert), "/etc/hosttrail/pki/store.crt", 0, 0, NULL, "the store's certificate" },
	{ "key", CONF_STRING, AT(key), "/etc/hosttrail/pki/store.key", 0, 0, NULL, "its private key" },
	{ "credentials", CONF_STRING, AT(credentials), "/etc/hosttrail/credentials", 0, 0, NULL,
	  "keys that may ask the API, in the format of AWS's credentials file" },
	{ "api_rate", CONF_INT, AT(api_rate), "1000", 0, 1000000, NULL, "requests a second that a key may make whose profile says no hosttrail_rate; 0: any number" },
	{ "audit", CONF_BOOL, AT(audit), "true", 0, 0, NULL, "requests to the API are records of the store's own" },
	{ "sign_key", CONF_STRING, AT(sign_key), NULL, 0, 0, NULL,
	  "Ed25519 key of the store's own records (PEM); unset: made in data_dir" },
	{ "host_id", CONF_STRING, AT(host_id), NULL, 0, 0, NULL,
	  "the store's own host id, or a file that holds it; unset: made in data_dir" },
	{ "region", CONF_STRING, AT(region), "local", 0, 0, NULL, "region that requests are signed for" },
	{ "account", CONF_STRING, AT(account), "000000000000", 0, 0, NULL, "account of the built-in trail: 12 digits" },
	{ "lookupEvents", CONF_ENUM, AT(lookup_events), "all", 0, 0, categories,
	  "what LookupEvents finds: all but Insights events, or only management events, as CloudTrail" },
	{ "decoded_cache", CONF_SIZE, AT(decoded_bytes), "64M", 1 << 20, 64ll << 30, NULL, "decoded frames kept in memory" },
	{ "buckets", CONF_LIST, AT(buckets), NULL, 0, 0, NULL,
	  "where trails may deliver to: NAME /directory [retention_days=N], or NAME https://endpoint credentials=FILE ..." },
	{ "log_groups", CONF_LIST, AT(log_groups), NULL, 0, 0, NULL,
	  "CloudWatch Logs groups that trails may deliver to: NAME https://endpoint credentials=FILE ..." },
	{ "webhooks", CONF_LIST, AT(webhooks), NULL, 0, 0, NULL, "where records go as EventBridge's events: NAME https://host/path ..." },
	{ "delivery_interval", CONF_MS, AT(delivery_interval), "4m", 100, 300000, NULL, "how long a record may wait for its log file to be written" },
	{ "delivery_size", CONF_SIZE, AT(delivery_size), "16M", 1 << 10, 50 << 20, NULL, "bytes of records at which a log file is written at once" },
	{ "digest_period", CONF_MS, AT(digest_period), "1h", 1000, 3600000, NULL, "time that a digest is over" },
	{ "digest_key_life", CONF_MS, AT(digest_key_life), "90d", 1000, 0x7fffffffffffll, NULL, "time after which digests are signed by a new key" },
	{ "duckdb", CONF_STRING, AT(duckdb), NULL, 0, 0, NULL,
	  "the lake's engine, libduckdb.so; unset: ../lib/hosttrail/ beside the program, or where the loader looks" },
	{ "lake_memory", CONF_SIZE, AT(lake_memory), "512M", 128 << 20, 1ll << 40, NULL,
	  "memory of all queries together, each of which is a process" },
	{ "lake_seal_records", CONF_INT, AT(lake_seal_records), "100000", 1, 1000000, NULL, "a segment is sealed at so many records" },
	{ "lake_seal_time", CONF_MS, AT(lake_seal_ms), "5s", 10, 20000, NULL, "or when its oldest record has waited so long" },
	{ "lake_query_time", CONF_MS, AT(lake_query_ms), "1h", 100, 86400000, NULL, "a query may run so long" },
	{ "lake_query_rows", CONF_INT, AT(lake_query_rows), "1000000", 1, 1000000000, NULL, "a query may give so many rows" },
	{ "lake_results", CONF_SIZE, AT(lake_results), "16G", 1 << 20, 1ll << 50, NULL, "bytes that the results of queries may take on disk, all together" },
	{ "engine", CONF_ENUM, AT(engine), "embedded", 0, 0, engines, "where records are kept: in data_dir, or in a ClickHouse cluster" },
	{ "clickhouse_servers", CONF_LIST, AT(ch_servers), NULL, 0, 0, NULL, "its servers' HTTP interfaces: https://host:8443 ..." },
	{ "clickhouse_cluster", CONF_STRING, AT(ch_cluster), "hosttrail", 0, 0, NULL, "its name in the servers' remote_servers" },
	{ "clickhouse_database", CONF_STRING, AT(ch_database), "hosttrail", 0, 0, NULL, "database, made when it is not there" },
	{ "clickhouse_user", CONF_STRING, AT(ch_user), "default", 0, 0, NULL, "user that makes tables, inserts and asks" },
	{ "clickhouse_password_file", CONF_STRING, AT(ch_password), NULL, 0, 0, NULL, "file with that user's password" },
	{ "clickhouse_query_user", CONF_STRING, AT(ch_query_user), NULL, 0, 0, NULL, "read-only user for StartQuery's statements; unset: clickhouse_user" },
	{ "clickhouse_query_password_file", CONF_STRING, AT(ch_query_password), NULL, 0, 0, NULL, "file with that user's password" },
	{ "clickhouse_ca", CONF_STRING, AT(ch_ca), NULL, 0, 0, NULL, "certificate that the servers' must be signed by; unset: the system's" },
	{ "clickhouse_quorum", CONF_INT, AT(ch_quorum), "0", 0, 16, NULL, "replicas that must have a frame before it is acknowledged; 0: one" },
	{ "clickhouse_linger", CONF_MS, AT(ch_linger), "200ms", 0, 10000, NULL, "time between two inserts, unless there is much to write" },
	{ "user", CONF_STRING, AT(user), NULL, 0, 0, NULL, "user or number to become when started as root" },
	{ "group", CONF_STRING, AT(group), NULL, 0, 0, NULL, "group or number to become when started as root" },
	{ "log_level", CONF_ENUM, AT(log_level), "info", 0, 0, levels, "what is worth a line" },
};
const size_t store_nkeys = ARRAY_SIZE(store_keys);

static bool is_set(const char *s)
{
	return s && *s;
}

/* It stands in SQL and in URLs. */
static bool is_name(const char *s)
{
	return is_set(s) && strlen(s) <= 64 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(s);
}

static int check(const void *settings, char why[CONF_WHY_MAX])
{
	const struct store_config *c = settings;
	const char *fault = NULL;

	if (!is_set(c->data_dir) || !is_set(c->api_listen) || !is_set(c->ingest_listen))
		fault = "data_dir, api_listen and ingest_listen must be set";
	else if (!is_set(c->ca) || !is_set(c->cert) || !is_set(c->key) || !is_set(c->credentials))
		fault = "ca, cert, key and credentials must be set";
	else if (is_set(c->api_cert) != is_set(c->api_key))
		fault = "api_cert and api_key must be set together";
	else if (!is_set(c->account) || strlen(c->account) != 12 || strspn(c->account, "0123456789") != 12)
		fault = "account must have 12 digits";
	else if (!is_set(c->region) || strlen(c->region) > 63 || strpbrk(c->region, "/: \t"))
		fault = "region must have 1 to 63 characters, without / : and blanks";
	else if (strlen(c->data_dir) > 3000)
		fault = "data_dir is too long";
	else if (c->engine == ENGINE_CLICKHOUSE && (!c->ch_servers.n || !is_set(c->ch_cluster) || !is_set(c->ch_user) || !is_name(c->ch_database)))
		fault = "engine: clickhouse needs clickhouse_servers, _cluster, _user, and a _database of letters, digits and _";
	if (!fault)
		return labels_check(&c->host_labels, why);
	snprintf(why, CONF_WHY_MAX, "%s", fault);
	return -EINVAL;
}

int store_config_read(struct store_config *c, const char *path, char why[CONF_WHY_MAX])
{
	return conf_read(store_keys, store_nkeys, c, path, check, why);
}
