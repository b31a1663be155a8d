/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_lake - the lake's readers of text: a record's JSON into slots and their texts; a statement into the engine's SQL. */
#include <stdlib.h>

#include "lib/cleanup.h"
#include "store/lake/sandbox.h"
#include "store/lake/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct piece s, struct buf *scratch, unsigned depth)
{
	struct piece key, value, text;
	struct walk w;

	buf_reset(scratch);
	if (walk_text(s, scratch, &text) < 0 || depth == 8 || !walk_begin(&w, s))
		return;
	while (walk_next(&w, &key, &value) > 0) {
		buf_reset(scratch);
		if (w.object && walk_unescape(key, scratch, &text) < 0)
			return;
		if (value.n)
			read_all(value, scratch, depth + 1);
	}
}

/* Members without their object; objects among them are gone into, and left where they end. */
static void read_stretch(const char *p, size_t n)
{
	struct piece key, value;
	struct walk w, inner;
	uint64_t hash;

	walk_stretch(&w, (struct piece){ p, n });
	while (walk_key(&w, &key, &hash) > 0) {
		if (walk_enter(&w, &inner)) {
			while (walk_next(&inner, &key, &value) > 0)
				;
			walk_leave(&w, &inner);
			if (w.p > w.end)
				abort();
		} else if (walk_value(&w, &value) < 0) {
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf scratch = { 0 }, sql = { 0 };
	struct piece slots[SCHEMA_SLOTS_MAX];
	char why[DUCK_WHY_MAX];
	char *copy = malloc(size ? size : 1);	/* its own block, so that reading past it is seen */

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	schema_init();
	walk_record(copy, size, slots);
	read_stretch(copy, size);
	for (unsigned i = 0; i < SCHEMA_SLOTS_MAX; i++)
		if (slots[i].n)
			read_all(slots[i], &scratch, 0);
	sandbox_rewrite(copy, size, &sql, why);
	free(copy);
	return 0;
}
