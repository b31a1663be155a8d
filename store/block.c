/* SPDX-License-Identifier: Apache-2.0 */
#include "block.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/le.h"
#include "proto/frame.h"

/* Columns are read where they are mapped. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blocks are mapped as they lie on disk");

void block_name(const struct index_place *from, char ret[BLOCK_NAME])
{
	snprintf(ret, BLOCK_NAME, "%016llx-%08x.blk", (unsigned long long)from->pos, from->record);
}

static const char *read_sections(struct block *b)
{
	for (unsigned i = 0; i < BLOCK_SECTIONS; i++) {
		const uint8_t *at = b->map + 64 + 16 * i;
		uint64_t offset = get64(at), n = get32(at + 8);

		if (offset == 0 && n == 0)
			continue;
		if (offset < BLOCK_HEADER || offset % 8 || offset > b->map_len || n > b->map_len - offset)
			return "a section lies outside the file";
		b->sections[i].p = b->map + offset;
		b->sections[i].n = (uint32_t)n;
		b->sections[i].crc = get32(at + 12);
	}
	if (b->sections[SECTION_TIME].n != 8ull * b->rows || b->sections[SECTION_FRAME].n != 4ull * b->rows ||
	    b->sections[SECTION_RECORD].n != 4ull * b->rows || b->sections[SECTION_KIND].n != b->rows ||
	    b->sections[SECTION_FRAMES].n != 8ull * b->frames)
		return "a column's length is wrong";
	for (unsigned a = 0; a < ATTR__MAX; a++) {
		const struct block_section *s = &b->sections[SECTION_ATTRS + 3 * a];

		if (s[0].n % 8 || s[1].n != 4ull * (s[0].n / 8 + 1))
			return "an attribute's length is wrong";
	}
	return NULL;
}

static const char *read_header(struct block *b, uint64_t check)
{
	const uint8_t *h = b->map;

	if (b->map_len < BLOCK_HEADER || memcmp(h, "HTX1", 4) || get32(h + 4) != 1)
		return "not a block of this version";
	if (get32(h + BLOCK_HEADER - 4) != crc32c(0, h, BLOCK_HEADER - 4))
		return "the header's checksum differs";
	b->crc = get32(h + BLOCK_HEADER - 4);
	if (get64(h + 56) != check)
		return "made with another hash key";
	b->rows = get32(h + 8);
	b->frames = get32(h + 12);
	b->min_time = (int64_t)get64(h + 16);
	b->max_time = (int64_t)get64(h + 24);
	b->from = (struct index_place){ get64(h + 32), get32(h + 48) };
	b->to = (struct index_place){ get64(h + 40), get32(h + 52) };
	return read_sections(b);
}

int block_open(int dirfd, const char *name, uint64_t check, struct block **ret_b, const char **ret_why)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	struct block *b;
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)BLOCK_HEADER) {
		*ret_why = "shorter than its header";
		return -EBADMSG;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	b = calloc(1, sizeof(*b));
	if (!b) {
		munmap(map, (size_t)st.st_size);
		return -ENOMEM;
	}
	b->refs = 1;
	b->map = map;
	b->map_len = (size_t)st.st_size;
	snprintf(b->name, sizeof(b->name), "%s", name);
	*ret_why = read_header(b, check);
	if (*ret_why) {
		block_unref(b);
		return -EBADMSG;
	}
	madvise((void *)(uintptr_t)b->map, b->map_len, MADV_RANDOM);	/* a lookup wants a page here and there */
	block_forget(b);
	*ret_b = b;
	return 0;
}

void block_trust(struct block *b)
{
	for (unsigned i = 0; i < BLOCK_SECTIONS; i++)
		__atomic_store_n(&b->sections[i].state, 1, __ATOMIC_RELAXED);
}

void block_forget(struct block *b)
{
	madvise((void *)(uintptr_t)b->map, b->map_len, MADV_DONTNEED);
}

struct block *block_ref(struct block *b)
{
	__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
	return b;
}

void block_unref(struct block *b)
{
	if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL))
		return;
	munmap((void *)b->map, b->map_len);
	free(b);
}

static bool is_good(struct block *b, unsigned section)
{
	struct block_section *s = &b->sections[section];
	uint8_t state = __atomic_load_n(&s->state, __ATOMIC_RELAXED);

	if (!state) {
		uintptr_t from = (uintptr_t)s->p & ~(uintptr_t)4095;

		madvise((void *)from, (uintptr_t)s->p + s->n - from, MADV_WILLNEED);
		state = crc32c(0, s->p, s->n) == s->crc ? 1 : 2;
		__atomic_store_n(&s->state, state, __ATOMIC_RELAXED);
		block_forget(b);
	}
	return state == 1;
}

bool block_check(struct block *b)
{
	for (unsigned i = 0; i < BLOCK_SECTIONS; i++)
		if (!is_good(b, i))
			return false;
	return true;
}

bool block_check_hashes(struct block *b)
{
	for (unsigned a = 0; a < ATTR__MAX; a++)
		if (!is_good(b, SECTION_ATTRS + 3 * a))
			return false;
	return true;
}

static bool key_at(const struct block *b, uint32_t row, struct index_key *ret_k)
{
	uint32_t frame = ((const uint32_t *)b->sections[SECTION_FRAME].p)[row];

	if (frame >= b->frames)
		return false;
	ret_k->time = ((const int64_t *)b->sections[SECTION_TIME].p)[row];
	ret_k->place.pos = ((const uint64_t *)b->sections[SECTION_FRAMES].p)[frame];
	ret_k->place.record = ((const uint32_t *)b->sections[SECTION_RECORD].p)[row];
	return true;
}

/* The first row whose time is not below t. */
static uint32_t row_of_time(const struct block *b, int64_t t)
{
	const int64_t *time = (const int64_t *)b->sections[SECTION_TIME].p;
	uint32_t low = 0, high = b->rows;

	if (b->max_time < t)	/* as most are: without a look at the column */
		return b->rows;
	while (low < high && b->min_time < t) {
		uint32_t middle = low + (high - low) / 2;

		if (time[middle] < t)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first row whose key is not below k. */
static int row_of_key(const struct block *b, const struct index_key *k, uint32_t *ret)
{
	uint32_t low = 0, high = b->rows;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct index_key m;

		if (!key_at(b, middle, &m))
			return -EBADMSG;
		if (index_key_compare(&m, k) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return 0;
}

/* Keyed hashes are spread evenly: where one stands among n follows from its value, to within a page or two. */
static uint64_t guess(uint64_t hash, uint64_t below, uint64_t above, uint64_t n)
{
	return n * ((double)(hash - below) / ((double)(above - below) + 1.0));
}

/* Touches nothing but the places that it guesses: not the ends, which would be two pages more for each block. */
static bool find_hash(const struct block_section *s, uint64_t hash, uint32_t *ret)
{
	const uint64_t *v = (const uint64_t *)s->p;
	uint64_t low = 0, high = s->n / 8, below = 0, above = UINT64_MAX;	/* in [low, high) if at all; values around it */

	for (unsigned steps = 0; low < high; steps++) {
		uint64_t at = steps > 8 ? low + (high - low) / 2 : low + guess(hash, below, above, high - low);

		if (at >= high)
			at = high - 1;
		if (v[at] == hash) {
			*ret = (uint32_t)at;
			return true;
		}
		if (v[at] < hash) {
			low = at + 1;
			below = v[at];
		} else {
			high = at;
			above = v[at];
		}
	}
	return false;
}

void block_expect(const struct block *b, const struct index_query *q)
{
	const struct block_section *s = &b->sections[SECTION_ATTRS + 3 * (unsigned)q->attr];
	const uint64_t page = 4096, half = 2048;
	uintptr_t at;

	if (!q->by_attr || !s->n || b->max_time < q->from || b->min_time >= q->to)
		return;
	at = (uintptr_t)s->p + 8 * guess(q->hash, 0, UINT64_MAX, s->n / 8);
	at = (at > (uintptr_t)s->p + half ? at - half : (uintptr_t)s->p) & ~(page - 1);
	madvise((void *)at, 2 * page, MADV_WILLNEED);
}

static int start_postings(struct block_walk *w)
{
	struct block *b = w->block;
	unsigned section = SECTION_ATTRS + 3 * (unsigned)w->q->attr;
	const struct block_section *s = &b->sections[section];
	const uint32_t *starts = (const uint32_t *)s[1].p;
	uint32_t i;

	if (!is_good(b, section))
		return -EBADMSG;
	if (!find_hash(s, w->q->hash, &i))
		return 0;
	if (!is_good(b, section + 1) || !is_good(b, section + 2))
		return -EBADMSG;
	if (starts[i] > starts[i + 1] || starts[i + 1] > s[2].n)
		return -EBADMSG;
	w->at = s[2].p + starts[i];
	w->end = s[2].p + starts[i + 1];
	return 1;
}

int block_walk_start(struct block *b, const struct index_query *q, struct block_walk *ret_w)
{
	struct block_walk w = { .block = b, .q = q };
	uint32_t high;
	int r;

	*ret_w = w;
	if (!b->rows || b->max_time < q->from || b->min_time >= q->to)
		return 0;
	if (q->by_attr) {
		r = start_postings(&w);
		if (r <= 0)
			return r;
	}
	for (unsigned i = SECTION_TIME; i <= SECTION_FRAMES; i++)
		if (!is_good(b, i))
			return -EBADMSG;
	w.low = row_of_time(b, q->from);
	w.high = row_of_time(b, q->to);
	if (q->has_before) {
		r = row_of_key(b, &q->before, &high);
		if (r < 0)
			return r;
		if (high < w.high)
			w.high = high;
	}
	w.row = w.high;
	*ret_w = w;
	return 1;
}

static bool next_posting(struct block_walk *w, uint64_t *ret_row)
{
	uint64_t v = 0;
	unsigned shift = 0;

	do {
		if (w->at == w->end || shift > 28)
			return false;
		v |= (uint64_t)(*w->at & 0x7f) << shift;
		shift += 7;
	} while (*w->at++ & 0x80);
	if (w->started && v > w->row)
		return false;
	*ret_row = w->started ? w->row - v : v;
	w->row = *ret_row;
	w->started = true;
	return *ret_row < w->block->rows;
}

static bool next_row(struct block_walk *w, uint64_t *ret_row)
{
	if (w->q->by_attr)
		return next_posting(w, ret_row);
	if (w->row == 0)
		return false;
	*ret_row = --w->row;
	return true;
}

/* A column that is not in order has a good checksum only if it was made so; pages over it might never end. */
static int give_row(struct block_walk *w, uint32_t row, struct index_key *ret_k)
{
	const struct index_query *q = w->q;

	if (!key_at(w->block, row, ret_k) || ret_k->time < q->from || ret_k->time >= q->to ||
	    (q->has_before && index_key_compare(ret_k, &q->before) >= 0) ||
	    (w->given && index_key_compare(ret_k, &w->last) >= 0))
		return -EBADMSG;
	w->given = true;
	w->last = *ret_k;
	return 1;
}

int block_walk_next(struct block_walk *w, struct index_key *ret_k)
{
	uint64_t row;

	while (next_row(w, &row) && row >= w->low) {
		if (row >= w->high)
			continue;
		if (w->q->management_only && w->block->sections[SECTION_KIND].p[row] != CATEGORY_MANAGEMENT)
			continue;
		return give_row(w, (uint32_t)row, ret_k);
	}
	w->low = UINT32_MAX;	/* nothing more, however often it is asked */
	w->at = w->end;
	w->row = 0;
	return 0;
}
