/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as event selectors: refused with a reason, or within the limits, and an answer on half a record never contradicts
 * the answer on the whole one. */
#include <stdlib.h>
#include <string.h>

#include "proto/selectors.h"

/* Fields from the input's own bytes, so that values meet what the selectors want. */
static void fill(struct select_view *v, const uint8_t *data, size_t size)
{
	select_view_init(v);
	for (unsigned f = 0; f < SELECT__MAX; f++) {
		size_t at = size ? (f * 37u) % size : 0, n = size - at < f ? size - at : f;

		select_view_set(v, f, (struct str){ f % 3 ? (const char *)data + at : NULL, n });
		if (f % 2)
			select_view_add(v, f, (struct str){ "openat", 6 });
	}
	select_view_text(v, SELECT_CATEGORY, size % 2 ? "Data" : "Management");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct selectors *s = NULL;
	char why[SELECTORS_WHY_MAX];
	struct select_view v;
	enum select_answer sure, part;
	unsigned values = 0;

	if (selectors_parse((const char *)data, size, &s, why) < 0) {
		if (!why[0] || strlen(why) >= sizeof(why) || s)
			abort();
		return 0;
	}
	for (unsigned i = 0; i < s->n; i++)
		for (unsigned k = 0; k < s->v[i].nconditions; k++)
			for (unsigned op = 0; op < SELECT_OP__MAX; op++)
				values += s->v[i].conditions[k].op[op].n;
	if (values > SELECTORS_VALUES_MAX + 3 * SELECTORS_RESOURCES_MAX + 10)
		abort();
	fill(&v, data, size);
	sure = selectors_match(s, &v);
	if (sure == SELECT_MAYBE)
		abort();
	v.known &= size ? data[0] | (uint32_t)data[size - 1] << 8 : 0;
	part = selectors_match(s, &v);
	if (part != sure && part != SELECT_MAYBE)
		abort();
	selectors_free(&s);
	return 0;
}
