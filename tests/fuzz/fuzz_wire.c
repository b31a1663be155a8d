/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_wire - what a process that has run strangers' SQL may send: each reader of a body, and rows of a few columns. */
#include <stdlib.h>

#include "lib/cleanup.h"
#include "store/lake/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_tables(const struct buf *body)
{
	struct sandbox_tables t = { .n = 0 };

	if (wire_tables(body, &t) < 0)
		return;
	if (t.n > SANDBOX_TABLES_MAX)
		abort();
	for (unsigned i = 0; i < t.n; i++)
		if (!sandbox_is_store(t.v[i], strlen(t.v[i])))
			abort();
}

static void read_texts(const struct buf *body)
{
	_cleanup_buf_ struct buf names = { 0 };
	char why[DUCK_WHY_MAX];
	struct wire_ask a;
	unsigned n = 0;
	bool ours;

	wire_refused(body, &ours, why);
	wire_text(body, why);
	if (strlen(why) >= sizeof(why))
		abort();
	wire_ask(body, &a);
	if (wire_columns(body, &names, &n) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		n -= !names.p[i];
	if (n)
		abort();	/* as many ends as names */
}

static void read_rows(const struct buf *body)
{
	struct wire w = wire_of(body);
	uint32_t n = wire_u32(&w), sum = 0;

	for (uint32_t i = 0; i < n && !w.bad; i++) {
		struct str s = wire_value(&w);

		for (size_t k = 0; s.p && k < s.n; k++)
			sum += (uint8_t)s.p[k];
	}
	if (w.n > body->n)
		abort();
	(void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf body = { 0 };	/* its own block, so that reading past it is seen */

	body.p = malloc(size + !size);
	if (!body.p)
		return 0;
	memcpy(body.p, data, size);
	body.n = body.cap = size;
	read_tables(&body);
	read_texts(&body);
	read_rows(&body);
	return 0;
}
