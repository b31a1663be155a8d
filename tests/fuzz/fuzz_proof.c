/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte says what: a proof's file ('f'), or a sound proof's certificate ('c'), frame before ('b') or behind ('a') put in its place. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/proofmake.h"

static struct proof_make made;

static void on_fault(void *ctx, const char *text)
{
}

static void judge(const struct proof *p, bool sound)
{
	struct proof_trust t = { .has_key = true, .ca = made.ca };
	enum proof_verdict verdict;
	struct proof_view v;

	memcpy(t.key, made.pub, 32);
	if (proof_check(p, &t, on_fault, NULL, &v, &verdict) < 0 || (verdict == PROOF_VALID) != sound)
		abort();
}

static void file(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct proof q = { 0 };
	const char *why;

	memcpy(copy, p, n);
	if (proof_read(copy, n, &q, &why) == 0) {
		judge(&q, false);
		proof_free(&q);
	}
	free(copy);
}

static void part(uint8_t which, const uint8_t *p, size_t n)
{
	struct proof q = { 0 };
	struct buf *to;

	if (proof_of(&made, &q) < 0)
		abort();
	to = which == 'c' ? &q.certificate : which == 'b' ? &q.before : &q.after[0];
	buf_free(to);
	buf_add(to, p, n);
	judge(&q, which != 'a' && !n);	/* the first two need not be there */
	proof_free(&q);
}

static void done(void)
{
	proof_make_end(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!*made.dir) {
		if (proof_make_begin(&made) < 0)
			abort();
		atexit(done);
	}
	if (!size)
		return 0;
	if (data[0] == 'a' || data[0] == 'b' || data[0] == 'c')
		part(data[0], data + 1, size - 1);
	else
		file(data + 1, size - 1);
	return 0;
}
