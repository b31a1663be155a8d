/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header lists that the kernel's programs took out of memory that others write: steps, each a byte that says which and its operands. 'e': an
 * entry of so many bytes (u8), of a session, thread and stream; 'f': a block is looked for that could have been made of it; 's', 'c', 'p':
 * a session, connection or process is gone. What is found has as many parts as the block, and agrees with it.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/h2lists.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct str word(unsigned which)
{
	static const char *const words[] = { ":method", "GET", "host", "a", "b", "x", "", ":authority" };
	const char *w = words[which % 8];

	return (struct str){ w, strlen(w) };
}

static void event(struct h2lists *l, const uint8_t *p, size_t n)
{
	uint64_t unwanted = 0;
	struct ht_tls *e = calloc(1, sizeof(*e) + n);	/* of exactly this size */

	if (!e)
		abort();
	memcpy((uint8_t *)e + sizeof(*e), p, n);
	e->h.kind = HT_EV_TLS;
	e->h.len = (uint32_t)(sizeof(*e) + n);
	e->h.tgid = 1;
	e->h.tid = n > 1 ? p[1] % 3 : 0;
	e->what = HT_TLS_FIELDS;
	e->conn = n ? p[0] % 4 + 70 : 0;
	e->offset = n > 2 ? p[2] % 8 : 0;
	e->full = n > 3 ? p[3] % 8 : 0;
	e->captured = (uint32_t)n;
	if (n > 4) {	/* what follows is the fields */
		memmove((uint8_t *)e + sizeof(*e), p + 4, n - 4);
		e->captured = (uint32_t)(n - 4);
		e->h.len = (uint32_t)(sizeof(*e) + n - 4);
	}
	h2lists_event(l, e, e->h.len, &unwanted);
	free(e);
}

static void find(struct h2lists *l, const uint8_t *p, size_t n)
{
	struct http_part parts[8];
	struct http_block b = { HTTP_SENT, p[2] % 8, UINT64_MAX, parts, n > 3 ? (unsigned)(n - 3) % 8 : 0 };
	struct h2lists_where w = { .conn = p[0] % 4 + 1, .by = p[1] % 3, .tgid = 1 };
	const struct http_part *found;

	for (unsigned i = 0; i < b.n; i++) {
		unsigned x = p[3 + i];

		parts[i] = x & 128 ? (struct http_part){ .older = x & 3 } : (struct http_part){ .name = word(x), .value = x & 64 ? word(x >> 3) : (struct str){ 0 } };
	}
	found = h2lists_find(l, &w, &b);
	if (found && !http_block_agrees(&b, found, b.n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct h2lists *l;

	if (h2lists_new(&l) < 0)
		return 0;
	while (n > 4) {
		size_t len = p[1] < n - 2 ? p[1] : n - 2;
		const uint8_t *at = p + 2;

		if (*p == 'e')
			event(l, at, len);
		else if (*p == 'f' && len > 2)
			find(l, at, len);
		else if (*p == 's')
			h2lists_end(l, at[0] % 4 + 70);
		else if (*p == 'c')
			h2lists_conn_gone(l, at[0] % 4 + 1);
		else if (*p == 'p')
			h2lists_process_gone(l, at[0] % 2);
		h2lists_holds(l, at[0] % 4 + 1);
		p += 2 + len;
		n -= 2 + len;
	}
	if (h2lists_count(l) > H2LISTS_MAX)
		abort();
	h2lists_free(&l);
	return 0;
}
