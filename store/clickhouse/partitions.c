/* SPDX-License-Identifier: Apache-2.0 */
/* partitions.c - partitions of a table that are over. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_internal.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define STATEMENT_MS 10000L

void partitions_drop(struct ch *ch, struct ch_link *l, struct ch_server *s, const char *table, uint64_t before)
{
	_cleanup_free_ char *list = NULL;
	char why[CH_WHY_MAX], sql[256], *rest, *line;
	const struct ch_statement st = { .sql = sql, .timeout_ms = STATEMENT_MS };

	snprintf(sql, sizeof(sql), "SELECT DISTINCT partition FROM system.parts WHERE active AND database = currentDatabase() AND table = '%s' FORMAT TabSeparated", table);
	if (ch_send(ch, l, s, &st, why) < 0)
		return;
	list = rest = strdup(buf_text(&l->answer));
	while (rest && (line = strsep(&rest, "\n"))) {
		uint64_t n = strtoull(line, NULL, 10);

		if (!n || n >= before)
			continue;
		snprintf(sql, sizeof(sql), "ALTER TABLE %s DROP PARTITION %" PRIu64, table, n);
		if (ch_send(ch, l, s, &st, why) < 0)
			log_limited(LOG_LEVEL_WARN, -EREMOTEIO, "clickhouse: %s", why);
	}
}
