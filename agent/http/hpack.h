/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hpack.h - header blocks of HTTP/2 (RFC 7541), also when the beginning of the connection was not seen.
 *
 * Indices of the dynamic table count from its newest entry. So those inserted since we came are known by their indices, whatever was
 * there before; an index beyond them is of an entry that we never saw: the field is given as unknown. An entry whose name is such a
 * one takes its place in the table nevertheless. What is given as known is exactly what the peer reads.
 *
 * Of an encoder that keeps to the RFC, no table size needs to be known: it never refers to an entry that it evicted. Sizes are counted
 * all the same, as exactly as can be: an unknown name counts as nothing, so that nothing is thrown away too early.
 *
 * Bounds: HPACK_KEPT bytes as the RFC counts them; older entries are then unknown. Everything that is thrown away is zeroed first.
 */
#ifndef HOSTTRAIL_HTTP_HPACK_H
#define HOSTTRAIL_HTTP_HPACK_H

#include "agent/http/internal_memory.h"
#include "proto/record.h" /* struct str */

#define HPACK_KEPT (64u << 10)
#define HPACK_STATIC 61

struct hpack_entry {
	char *p;		/* name, value */
	uint32_t nname, nvalue;
	bool known;		/* its name is */
};

struct hpack {
	struct hpack_entry *ring;	/* ring[(first + i) % cap], i < n, the oldest first */
	uint32_t cap, first, n;
	size_t size, limit;
	bool complete;			/* there is no entry that we have not seen */
	uint32_t joined, inserted;	/* how often we began anew; entries since then */
	struct zbuf name, value;	/* of the field that is being read */
};

struct hpack_field {
	struct str name, value;		/* valid during the call; value.p NULL: not known */
	uint64_t older;			/* not 0: which entry from before we came it has its name, and perhaps its value, of */
	bool known, sensitive;
};
typedef void hpack_fn(void *ctx, const struct hpack_field *f);

/* complete: this is the connection's first block. */
void hpack_begin(struct hpack *h, bool complete);
/* Reads the whole fields in n bytes. 0: all but the last n - *ret_used bytes, which begin a field. -EBADMSG: no such block; -ENOMEM. */
int hpack_read(struct memory *m, struct hpack *h, const uint8_t *p, size_t n, size_t *ret_used, hpack_fn *fn, void *ctx);
/* Blocks or parts of them were not captured: what had been inserted has other indices now. */
void hpack_lost(struct hpack *h);
void hpack_free(struct hpack *h);
/* Could these bytes be a whole block? And one of a request with method and scheme, or of a response, as the static table has them? */
bool hpack_is_block(const uint8_t *p, size_t n);
bool hpack_is_head(const uint8_t *p, size_t n);

/* huffman.c: 0, or -EBADMSG, -ENOMEM. Appends. */
int huffman_read(struct memory *m, const uint8_t *p, size_t n, struct zbuf *out);

#endif
