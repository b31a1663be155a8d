/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_tags.c - tags of trails. */
#include <errno.h>
#include <stdio.h>

#include "ledger_internal.h"

int ledger_tag(struct ledger *l, int64_t trail, const char *key, const char *value)
{
	struct query q;
	int64_t others;
	int r = ledger_begin(l);

	if (r < 0)
		return r;
	query_next(&q, l, "SELECT count(*) FROM tags WHERE trail = ? AND key <> ?");
	bind_int(&q, trail);
	bind_text(&q, key);
	others = query_row(&q) ? read_int(&q) : 0;
	r = query_close(&q);
	if (!r && others >= LEDGER_TAGS_MAX)
		r = -EDQUOT;
	if (!r) {
		query_next(&q, l, "INSERT OR REPLACE INTO tags (trail, key, value) VALUES (?, ?, ?)");
		bind_int(&q, trail);
		bind_text(&q, key);
		bind_text(&q, value);
		r = query_close(&q);
	}
	return ledger_commit(l, r);
}

int ledger_untag(struct ledger *l, int64_t trail, const char *key)
{
	struct query q;

	query_begin(&q, l, "DELETE FROM tags WHERE trail = ? AND key = ?");
	bind_int(&q, trail);
	bind_text(&q, key);
	return query_end(&q);
}

int ledger_tags(struct ledger *l, int64_t trail, ledger_tag_fn fn, void *ctx)
{
	char key[512] = "", value[1024];
	int r = 0;

	while (!r) {
		struct query q;

		query_begin(&q, l, "SELECT key, value FROM tags WHERE trail = ? AND key > ? ORDER BY key LIMIT 1");
		bind_int(&q, trail);
		bind_text(&q, key);
		if (query_row(&q)) {
			read_text(&q, key, sizeof(key));
			read_text(&q, value, sizeof(value));
		}
		r = query_end_one(&q);
		if (r == -ENOENT)
			return 0;
		if (!r)
			r = fn(ctx, key, value);
	}
	return r;
}
