/* SPDX-License-Identifier: Apache-2.0 */
#include "removed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/keys.h"

static struct removed_head *head_of(struct removed_segment *s, const char *host_id, const uint8_t stream[16], unsigned chain)
{
	struct removed_key key = { .chain = chain };
	struct removed_head *h;

	snprintf(key.host_id, sizeof(key.host_id), "%s", host_id);
	memcpy(key.stream, stream, 16);
	HASH_FIND(hh, s->heads, &key, sizeof(key), h);
	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->key = key;
	HASH_ADD(hh, s->heads, key, sizeof(h->key), h);
	return h;
}

void removed_free(struct removed_segment **ps)
{
	struct removed_segment *s = *ps;
	struct removed_head *h, *next;

	if (!s)
		return;
	HASH_ITER(hh, s->heads, h, next) {
		HASH_DEL(s->heads, h);
		free(h);
	}
	free(s);
	*ps = NULL;
}

/* ---- from the journal */

static void widen(struct removed_segment *s, int64_t time)
{
	if (time < s->oldest)
		s->oldest = time;
	if (time > s->newest)
		s->newest = time;
}

static int64_t wall(uint64_t boot, int64_t offset)
{
	int64_t t;

	return __builtin_add_overflow((int64_t)boot, offset, &t) ? 0 : t;
}

static int on_entry(void *ctx, const struct journal_entry *e)
{
	struct removed_segment *s = ctx;
	struct removed_head *h;

	if ((uint32_t)(e->pos >> 32) != s->segment)
		return 1;
	s->bytes = (uint32_t)e->next;
	s->frames++;
	if (s->frames == 1 || e->received < s->first)
		s->first = e->received;
	if (s->frames == 1 || e->received > s->last)
		s->last = e->received;
	widen(s, e->received);
	if (e->header->kind == FRAME_BATCH) {
		s->records += e->header->records;
		widen(s, wall(e->header->first_time, e->header->wall_offset));
		widen(s, wall(e->header->last_time, e->header->wall_offset));
	}
	if (e->flags & JOURNAL_FORK)
		return 0;
	h = head_of(s, e->origin.host_id, e->header->stream, e->header->chain);
	if (!h)
		return -ENOMEM;
	if (e->header->number >= h->number) {
		h->number = e->header->number;
		h->own = e->flags & JOURNAL_OWN;
		frame_hash(e->frame, e->header, h->hash);
	}
	return 0;
}

int removed_make(struct journal *j, uint32_t segment, struct removed_segment **ret_s)
{
	_cleanup_removed_ struct removed_segment *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->segment = segment;
	s->oldest = INT64_MAX;
	s->newest = INT64_MIN;
	r = journal_scan(j, (journal_pos)segment << 32, false, on_entry, s, NULL);
	if (r < 0)
		return r;
	*ret_s = TAKE_PTR(s);
	return 0;
}

/* ---- as text */

static int compare_heads(struct removed_head *a, struct removed_head *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key));
}

int removed_write(struct removed_segment *s, struct buf *out)
{
	char stream[33], hash[65];

	HASH_SORT(s->heads, compare_heads);
	buf_addf(out, "bytes %" PRIu64 " frames %" PRIu64 " records %" PRIu64 " received %" PRId64 " %" PRId64 " times %" PRId64 " %" PRId64 "\n", s->bytes,
		 s->frames, s->records, s->first, s->last, s->oldest, s->newest);
	for (struct removed_head *h = s->heads; h; h = h->hh.next) {
		hex_text(h->key.stream, 16, stream);
		hex_text(h->hash, 32, hash);
		buf_addf(out, "%s %s %u %" PRIu64 " %s %d\n", h->key.host_id, stream, h->key.chain, h->number, hash, h->own);
	}
	return out->failed ? -ENOMEM : 0;
}

static int read_head(struct removed_segment *s, const char *line)
{
	char host[64], stream[33], hash[65];
	struct removed_head *h;
	uint8_t id[16];
	uint64_t number;
	unsigned chain;
	int own, end = 0;

	if (sscanf(line, "%63s %32s %u %" SCNu64 " %64s %d%n", host, stream, &chain, &number, hash, &own, &end) != 6 || line[end] ||
	    hex_parse(stream, id, 16) < 0 || chain >= CHAIN__MAX)
		return -EBADMSG;
	h = head_of(s, host, id, chain);
	if (!h)
		return -ENOMEM;
	h->number = number;
	h->own = own;
	return hex_parse(hash, h->hash, 32) < 0 ? -EBADMSG : 0;
}

int removed_read(uint32_t segment, const char *text, size_t n, struct removed_segment **ret_s)
{
	_cleanup_removed_ struct removed_segment *s = calloc(1, sizeof(*s));
	_cleanup_free_ char *copy = strndup(text, n);
	char *rest = copy, *line;
	int end = 0, r = 0;

	if (!s || !copy)
		return -ENOMEM;
	s->segment = segment;
	line = strsep(&rest, "\n");
	if (sscanf(line, "bytes %" SCNu64 " frames %" SCNu64 " records %" SCNu64 " received %" SCNd64 " %" SCNd64 " times %" SCNd64 " %" SCNd64 "%n",
		   &s->bytes, &s->frames, &s->records, &s->first, &s->last, &s->oldest, &s->newest, &end) != 7 ||
	    line[end])
		return -EBADMSG;
	while (!r && (line = strsep(&rest, "\n")) && *line)
		r = read_head(s, line);
	if (r < 0)
		return r;
	*ret_s = TAKE_PTR(s);
	return 0;
}
