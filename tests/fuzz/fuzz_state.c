/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent reads that another one of its processes, or one before it, wrote: settled numbers ('s'), a message. */
#include <stdlib.h>
#include <string.h>

#include "agent/msg.h"
#include "agent/settle.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Taken, it is written and taken again; refused, it changed nothing. */
static void settled(const void *p, size_t n)
{
	struct buf first = { 0 }, fresh = { 0 }, again = { 0 };
	struct settle *a, *b;

	if (settle_new(2, &a) < 0 || settle_new(2, &b) < 0 || settle_save(a, &fresh) < 0)
		abort();
	if (settle_load(a, p, n) == 0) {
		if (settle_save(a, &first) < 0 || settle_load(b, first.p, first.n) < 0 || settle_save(b, &again) < 0)
			abort();
		if (first.n != again.n || memcmp(first.p, again.p, first.n))
			abort();
		settle_unsettled(a);
		for (unsigned class = 0; class < HT_CLASS__MAX; class++)
			settle_open_below(a, class, 1, UINT64_MAX);
	} else if (settle_save(a, &again) < 0 || again.n != fresh.n || memcmp(again.p, fresh.p, fresh.n)) {
		abort();
	}
	settle_free(&a);
	settle_free(&b);
	buf_free(&first);
	buf_free(&fresh);
	buf_free(&again);
}

static void message(const uint8_t *p, size_t n, unsigned nfds)
{
	uint32_t type, min, max;
	int fd;

	if (msg_check(p, n, nfds) < 0)
		return;
	memcpy(&type, p, sizeof(type));
	if (msg_bounds(type, &min, &max, &fd) < 0 || n - 8 < min || n - 8 > max || max > MSG_BODY_MAX || (!fd && nfds))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n && p[0] == 's')
		settled(p + 1, n - 1);
	else if (n)
		message(p + 1, n - 1, p[0] % 3);
	return 0;
}
