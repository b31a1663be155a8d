/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hashdir.h - a hash directory: which of many blocks of the index may hold a value, at the price of one read.
 *
 * Immutable, and derived from its members, whose hashes it has in short: without it, or where it is damaged, each member is asked
 * itself. The cost of a rare value is so one read for each directory, not for each block.
 *
 * File (little-endian), <first member's place>.<level>.dir:
 *   header, 256 bytes:
 *     0 4 magic "HTD1"   4 4 version, 1   8 4 level   12 4 members
 *    16 8 hash of the 5 bytes "check": tells another hash key
 *    24   for each attribute: entries u32, bits u32
 *   248 4 CRC32C over members and tables   252 4 CRC32C over the bytes before it
 *   members: {journal position u64, record u32 (both: where its stretch begins), CRC32C of its header u32} each
 *   tables: for each attribute 2^bits buckets {first entry u32, CRC32C over its entries u32}
 *   entries u32, by attribute, then bucket: a bucket has the hashes that begin with its number; of each, the next 24 bits,
 *     then 8 bits that say which member
 * Members and tables are held in memory, 16 bytes a thousand entries; entries are read, and compared with their checksum, when they are asked for.
 *
 * Threads: any may read; refs are atomic. Errors: 0 or -errno.
 */
#ifndef HOSTTRAIL_STORE_HASHDIR_H
#define HOSTTRAIL_STORE_HASHDIR_H

#include "block.h"

#define HASHDIR_FAN 16u			/* members of a level: so many of the one below */
#define HASHDIR_LEVELS 2u
#define HASHDIR_MEMBERS 256u		/* at most: FAN to the power of LEVELS */
#define HASHDIR_NAME 48

struct hashdir_attr {
	uint32_t entries, bits;
	const uint8_t *table;		/* into head */
	uint64_t offset;		/* of the entries in the file */
};

struct hashdir {
	unsigned refs;			/* atomic */
	unsigned level, nmembers;
	struct block **members;		/* a reference to each */
	int64_t min_time, max_time;	/* of all members */
	struct hashdir_attr attrs[ATTR__MAX];
	uint8_t *head;
	int fd;
	uint64_t bytes;
	char name[HASHDIR_NAME];
};

/* A set of members. */
struct hashdir_set {
	uint64_t bits[HASHDIR_MEMBERS / 64];
};

/* blocks: by place, ascending; all members must be among them. -EBADMSG and *ret_why (static text): not usable. */
int hashdir_open(int dirfd, const char *name, uint64_t check, struct block *const *blocks, size_t nblocks, struct hashdir **ret_d,
		 const char **ret_why);
struct hashdir *hashdir_ref(struct hashdir *d);
void hashdir_unref(struct hashdir *d);		/* NULL-safe */
bool hashdir_has(const struct hashdir *d, const struct block *b);
bool hashdir_overlaps(const struct hashdir *a, const struct hashdir *b);

/* A find may follow: what it reads is asked for, without waiting. */
void hashdir_expect(const struct hashdir *d, enum attr attr, uint64_t hash);
/* Members that may hold the value; others do not. -EBADMSG: damaged, ask all. */
int hashdir_find(const struct hashdir *d, enum attr attr, uint64_t hash, struct hashdir_set *ret_may);

static inline bool hashdir_in(const struct hashdir_set *s, unsigned member)
{
	return s->bits[member / 64] >> member % 64 & 1;
}

/* Makes and syncs a directory of these blocks (by place, at most HASHDIR_MEMBERS), beside them; *ret_name is its file. -ECANCELED: *stop.
 * -EBADMSG: a member is damaged, *ret_bad, or NULL: it cannot be said which. Memory: 16 bytes a thousand entries, and 6 MiB. */
int hashdir_build(const char *dir, uint64_t check, struct block *const *blocks, unsigned n, unsigned level, const bool *stop,
		  char ret_name[HASHDIR_NAME], struct block **ret_bad);
/* ---- shared by reader and builder */

#define HASHDIR_HEADER 256u
#define HASHDIR_MEMBER 16u
#define HASHDIR_BUCKET 8u
#define HASHDIR_MEMBER_BITS 8u
#define HASHDIR_REST_BITS (32u - HASHDIR_MEMBER_BITS)
#define HASHDIR_BITS_MAX 24u

static inline uint32_t hashdir_bucket(uint64_t hash, uint32_t bits)
{
	return bits ? (uint32_t)(hash >> (64 - bits)) : 0;
}

static inline uint32_t hashdir_rest(uint64_t hash, uint32_t bits)
{
	return (uint32_t)(hash << bits >> (64 - HASHDIR_REST_BITS));
}

#endif
