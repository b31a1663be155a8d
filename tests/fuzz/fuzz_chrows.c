/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_chrows - what a ClickHouse server answers about replicas, and rows of numbers, of JSON and in RowBinary: of LookupEvents, of Status, of kept queries, of removed days. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "proto/json.h"
#include "store/clickhouse/cluster_internal.h"
#include "store/clickhouse/fresh.h"
#include "store/clickhouse/jobs_internal.h"
#include "store/clickhouse/lease.h"
#include "store/clickhouse/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void replicas(const char *text, size_t n)
{
	struct fresh_replica v[2] = { { .pointer = 0 } };
	struct fresh_goal g = { .end = 0 };
	const char *rest = strchr(text, '\n');

	if (fresh_read_log(&v[0], text) == 0 && rest && fresh_read_queue(&v[0], rest + 1, n - (size_t)(rest + 1 - text)) == 0 &&
	    fresh_read_queue(&v[1], "20261130_3_3_0\n", 15) == 0 && fresh_aim(&g, v, 2) == 0)
		fresh_judge(v, 2, &g);
	for (unsigned i = 0; i < 2; i++)
		fresh_clear(&v[i]);
	fresh_goal_clear(&g);
}

/* What is taken is what it says: the same text again. */
static void numbers(const char *text)
{
	uint64_t a = 1, b = 2;
	uint32_t c = 3;
	int64_t d = 4;
	char again[128];
	size_t len;

	if (LINE_NUMBERS(text, U64(&a), I64(&d), U32(&c), U64(&b)) < 0) {
		if (a != 1 || b != 2 || c != 3 || d != 4)
			abort();
		return;
	}
	snprintf(again, sizeof(again), "%llu\t%lld\t%u\t%llu", (unsigned long long)a, (long long)d, c, (unsigned long long)b);
	len = strcspn(text, "\n");
	if (text[0] != '0' && !strstr(text, "\t0") && !strstr(text, "-0") && (len != strlen(again) || memcmp(text, again, len)))
		abort();
}

static void rows(const char *text)
{
	struct json_object *o = json_tokener_parse(text), *row;
	_cleanup_buf_ struct buf out = { 0 };
	struct json j = { .out = &out };
	struct job_state s = { .rows = 0 };
	struct index_key last;
	unsigned shown = 0;

	json_open(&j, NULL, '{');
	json_open(&j, "Events", '[');
	if (json_object_is_type(o, json_type_object))
		cluster_take_rows(o, &j, 50, &shown, &last);
	json_close(&j, ']');
	json_open(&j, "Hosts", '[');
	if (json_object_is_type(o, json_type_object))
		cluster_take_hosts(o, &j);
	json_close(&j, ']');
	json_close(&j, '}');
	row = json_object_is_type(o, json_type_array) ? o : json_object_object_get(o, "row");
	kept_read(row, 1000, &s);
	job_state_free(&s);
	json_object_put(o);
	o = json_tokener_parse(buf_text(&out));
	if (!o)			/* what is told is JSON, whatever the server says */
		abort();
	json_object_put(o);
}

/* Of a removed day; texts are as long as they can be kept. */
static void heads(const char *text, size_t n)
{
	struct removed_last *v = NULL;
	size_t count = 0;

	if (days_take_heads((struct str){ text, n }, &v, &count) == 0 && n && !count)
		abort();
	for (size_t i = 0; i < count; i++)
		if (strlen(v[i].host) >= sizeof(v[i].host) || strlen(v[i].hash) >= sizeof(v[i].hash))
			abort();
	free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = malloc(n + 1);

	if (!text)
		return 0;
	memcpy(text, p, n);
	text[n] = '\0';
	replicas(text, n);
	numbers(text);
	rows(text);
	heads(text, n);
	free(text);
	return 0;
}
