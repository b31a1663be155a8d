/* SPDX-License-Identifier: Apache-2.0 */
#include "hashdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index_internal.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/le.h"
#include "proto/frame.h"

#define CHUNK 1024u	/* entries that are read at once */

struct hashdir *hashdir_ref(struct hashdir *d)
{
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	return d;
}

void hashdir_unref(struct hashdir *d)
{
	if (!d || __atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (unsigned i = 0; d->members && i < d->nmembers; i++)
		block_unref(d->members[i]);
	free(d->members);
	free(d->head);
	cleanup_close(&d->fd);
	free(d);
}

static const char *read_header(struct hashdir *d, const uint8_t h[HASHDIR_HEADER], uint64_t check, uint64_t *ret_tables)
{
	uint64_t tables = 0;

	if (memcmp(h, "HTD1", 4) || get32(h + 4) != 1)
		return "not a hash directory of this version";
	if (get32(h + HASHDIR_HEADER - 4) != crc32c(0, h, HASHDIR_HEADER - 4))
		return "the header's checksum differs";
	if (get64(h + 16) != check)
		return "made with another hash key";
	d->level = get32(h + 8);
	d->nmembers = get32(h + 12);
	if (!d->level || d->level > HASHDIR_LEVELS || !d->nmembers || d->nmembers > HASHDIR_MEMBERS)
		return "its number of members is wrong";
	for (unsigned a = 0; a < ATTR__MAX; a++) {
		d->attrs[a].entries = get32(h + 24 + 8 * a);
		d->attrs[a].bits = get32(h + 28 + 8 * a);
		if (d->attrs[a].bits > HASHDIR_BITS_MAX)
			return "a table's length is wrong";
		tables += (uint64_t)HASHDIR_BUCKET << d->attrs[a].bits;
	}
	*ret_tables = tables;
	return NULL;
}

/* Entries of a bucket: [*ret_from, *ret_to). */
static void bucket_bounds(const struct hashdir_attr *t, uint32_t bucket, uint32_t *ret_from, uint32_t *ret_to)
{
	*ret_from = get32(t->table + HASHDIR_BUCKET * bucket);
	*ret_to = bucket + 1 < 1u << t->bits ? get32(t->table + HASHDIR_BUCKET * (bucket + 1)) : t->entries;
}

static const char *read_tables(struct hashdir *d, uint64_t at)
{
	const uint8_t *table = d->head + HASHDIR_MEMBER * d->nmembers;

	for (unsigned a = 0; a < ATTR__MAX; a++) {
		struct hashdir_attr *t = &d->attrs[a];

		t->table = table;
		t->offset = at;
		table += (size_t)HASHDIR_BUCKET << t->bits;
		at += 4ull * t->entries;
		for (uint32_t i = 0; i < 1u << t->bits; i++) {
			uint32_t from, to;

			bucket_bounds(t, i, &from, &to);
			if (from > to || to > t->entries)
				return "a table is not in order";
		}
	}
	return at == d->bytes ? NULL : "its length is wrong";
}

static int compare_place(const void *key, const void *element)
{
	return place_compare(key, &(*(struct block *const *)element)->from);
}

static const char *find_members(struct hashdir *d, struct block *const *blocks, size_t nblocks)
{
	d->members = calloc(d->nmembers, sizeof(struct block *));
	if (!d->members)
		return "no memory";
	d->min_time = INT64_MAX;
	d->max_time = INT64_MIN;
	for (unsigned i = 0; i < d->nmembers; i++) {
		const uint8_t *m = d->head + HASHDIR_MEMBER * i;
		struct index_place from = { get64(m), get32(m + 8) };
		struct block *const *b = bsearch(&from, blocks, nblocks, sizeof(struct block *), compare_place);

		if (!b || (*b)->crc != get32(m + 12))
			return "a block of it is gone";
		if (i && place_compare(&d->members[i - 1]->from, &from) >= 0)
			return "its members are not in order";
		d->members[i] = block_ref(*b);
		if ((*b)->min_time < d->min_time)
			d->min_time = (*b)->min_time;
		if ((*b)->max_time > d->max_time)
			d->max_time = (*b)->max_time;
	}
	return NULL;
}

static int read_file(struct hashdir *d, uint64_t check, struct block *const *blocks, size_t nblocks, const char **ret_why)
{
	uint8_t h[HASHDIR_HEADER];
	uint64_t n;
	int r;

	*ret_why = "shorter than its header";
	if (d->bytes < sizeof(h))
		return -EBADMSG;
	r = fsx_pread_all(d->fd, h, sizeof(h), 0);
	if (r < 0)
		return r;
	*ret_why = read_header(d, h, check, &n);
	if (*ret_why)
		return -EBADMSG;
	n += HASHDIR_MEMBER * d->nmembers;
	*ret_why = "its length is wrong";
	if (n > d->bytes - sizeof(h))
		return -EBADMSG;
	d->head = malloc(n);
	if (!d->head)
		return -ENOMEM;
	r = fsx_pread_all(d->fd, d->head, n, sizeof(h));
	if (r < 0)
		return r;
	*ret_why = crc32c(0, d->head, n) == get32(h + HASHDIR_HEADER - 8) ? read_tables(d, sizeof(h) + n) : "the tables' checksum differs";
	if (!*ret_why)
		*ret_why = find_members(d, blocks, nblocks);
	return *ret_why ? -EBADMSG : 0;
}

int hashdir_open(int dirfd, const char *name, uint64_t check, struct block *const *blocks, size_t nblocks, struct hashdir **ret_d,
		 const char **ret_why)
{
	struct hashdir *d = calloc(1, sizeof(*d));
	struct stat st;
	int r = 0;

	*ret_why = "cannot be opened";
	if (!d)
		return -ENOMEM;
	d->refs = 1;
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (d->fd < 0 || fstat(d->fd, &st) < 0)
		r = -errno;
	if (!r) {
		posix_fadvise(d->fd, 0, 0, POSIX_FADV_RANDOM);
		d->bytes = (uint64_t)st.st_size;
		r = read_file(d, check, blocks, nblocks, ret_why);
	}
	if (r < 0) {
		hashdir_unref(d);
		return r;
	}
	*ret_d = d;
	return 0;
}

bool hashdir_has(const struct hashdir *d, const struct block *b)
{
	for (unsigned i = 0; i < d->nmembers; i++)
		if (d->members[i] == b)
			return true;
	return false;
}

bool hashdir_overlaps(const struct hashdir *a, const struct hashdir *b)
{
	for (unsigned i = 0; i < a->nmembers; i++)
		if (hashdir_has(b, a->members[i]))
			return true;
	return false;
}

void hashdir_expect(const struct hashdir *d, enum attr attr, uint64_t hash)
{
	const struct hashdir_attr *t = &d->attrs[attr];
	uint32_t from, to;

	bucket_bounds(t, hashdir_bucket(hash, t->bits), &from, &to);
	posix_fadvise(d->fd, (off_t)(t->offset + 4ull * from), 4ll * (to - from), POSIX_FADV_WILLNEED);
}

static int take_entries(const struct hashdir *d, const uint8_t *p, uint32_t n, uint32_t rest, struct hashdir_set *may)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t v = get32(p + 4 * i), member = v & ((1u << HASHDIR_MEMBER_BITS) - 1);

		if (v >> HASHDIR_MEMBER_BITS != rest)
			continue;
		if (member >= d->nmembers)
			return -EBADMSG;
		may->bits[member / 64] |= 1ull << member % 64;
	}
	return 0;
}

int hashdir_find(const struct hashdir *d, enum attr attr, uint64_t hash, struct hashdir_set *ret_may)
{
	const struct hashdir_attr *t = &d->attrs[attr];
	uint32_t bucket = hashdir_bucket(hash, t->bits), from, to, crc = 0;
	uint8_t bytes[4 * CHUNK];
	int r = 0;

	*ret_may = (struct hashdir_set){ 0 };
	bucket_bounds(t, bucket, &from, &to);
	while (from < to && !r) {
		uint32_t n = to - from < CHUNK ? to - from : CHUNK;

		if (fsx_pread_all(d->fd, bytes, 4 * n, (off_t)(t->offset + 4ull * from)) < 0)
			return -EBADMSG;
		crc = crc32c(crc, bytes, 4 * n);
		r = take_entries(d, bytes, n, hashdir_rest(hash, t->bits), ret_may);
		from += n;
	}
	return r < 0 || crc != get32(t->table + HASHDIR_BUCKET * bucket + 4) ? -EBADMSG : 0;
}
