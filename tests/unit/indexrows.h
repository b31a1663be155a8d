/* SPDX-License-Identifier: Apache-2.0 */
/* indexrows.h - rows for the index's tests, an index over them, and the answers: from a list that is searched from end to end. */
#ifndef TESTS_UNIT_INDEXROWS_H
#define TESTS_UNIT_INDEXROWS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proto/keys.h"
#include "store/index.h"
#include "tests/tap.h"
#include "tests/unit/recordgen.h"

#define ROWS 6000u
#define TAIL 500u

struct row {
	struct index_key key;
	struct record_summary s;
	char name[16], user[2][16], resource[2][24], source[16], access[16];
};

static struct row rows[ROWS];
static char dir[64];
static const char *said;

static inline struct str text_of(const char *s)
{
	return (struct str){ s, strlen(s) };
}

/* Times go back and forth over a wide range, so that blocks overlap. */
static inline void make_rows(void)
{
	struct gen g = { 42 };

	for (unsigned i = 0; i < ROWS; i++) {
		struct row *r = &rows[i];

		r->key.place.pos = (1ull << 32) + 32 + i / 7 * 1000;
		r->key.place.record = i % 7;
		r->key.time = 1000000 + (int64_t)i * 10 - (int64_t)gen_below(&g, gen_below(&g, 20) ? 100 : 60000);
		if (gen_below(&g, 5) == 0 && i)
			r->key.time = rows[i - 1].key.time;
		r->s.time = r->key.time;
		r->s.category = (enum record_category)(1 + gen_below(&g, 3));
		r->s.read_only = gen_below(&g, 2);
		random_bytes(r->s.event_id, 16);
		snprintf(r->name, sizeof(r->name), "name%u", gen_below(&g, 12));
		snprintf(r->source, sizeof(r->source), "source%u", gen_below(&g, 4));
		snprintf(r->access, sizeof(r->access), "key%u", gen_below(&g, 3));
		snprintf(r->user[0], sizeof(r->user[0]), "user%u", gen_below(&g, 30));
		snprintf(r->user[1], sizeof(r->user[1]), "user%u", gen_below(&g, 30));
		snprintf(r->resource[0], sizeof(r->resource[0]), "/r%u", gen_below(&g, 3000));
		snprintf(r->resource[1], sizeof(r->resource[1]), "/r%u", gen_below(&g, 2) ? gen_below(&g, 3000) : 1);
		r->s.event_name = text_of(r->name);
		r->s.event_source = text_of(r->source);
		r->s.access_key = gen_below(&g, 4) ? (struct str){ NULL, 0 } : text_of(r->access);
		r->s.nusernames = gen_below(&g, 3);
		r->s.nresources = gen_below(&g, 3);
		for (unsigned k = 0; k < 2; k++) {
			r->s.usernames[k] = text_of(r->user[k]);
			r->s.resource_names[k] = text_of(r->resource[k]);
			r->s.resource_types[k] = text_of(k ? "Linux::Other" : "Linux::File");
		}
	}
}

static inline bool same(struct str s, const char *v, size_t n)
{
	return s.n == n && n && !memcmp(s.p, v, n);
}

static inline bool has(const struct row *r, enum attr a, const char *v, size_t n)
{
	switch (a) {
	case ATTR_EVENT_ID:
		return !memcmp(r->s.event_id, v, 16);
	case ATTR_EVENT_NAME:
		return same(r->s.event_name, v, n);
	case ATTR_READ_ONLY:
		return !strcmp(v, r->s.read_only ? "true" : "false");
	case ATTR_EVENT_SOURCE:
		return same(r->s.event_source, v, n);
	case ATTR_ACCESS_KEY:
		return same(r->s.access_key, v, n);
	case ATTR_USERNAME:
		return (r->s.nusernames > 0 && same(r->s.usernames[0], v, n)) || (r->s.nusernames > 1 && same(r->s.usernames[1], v, n));
	case ATTR_RESOURCE_NAME:
		return (r->s.nresources > 0 && same(r->s.resource_names[0], v, n)) ||
		       (r->s.nresources > 1 && same(r->s.resource_names[1], v, n));
	case ATTR_RESOURCE_TYPE:
		return (r->s.nresources > 0 && same(r->s.resource_types[0], v, n)) ||
		       (r->s.nresources > 1 && same(r->s.resource_types[1], v, n));
	default:
		return false;
	}
}

static inline int newest_first(const void *a, const void *b)
{
	return -index_key_compare(a, b);
}

static struct index_key want[ROWS], got[ROWS];

static inline unsigned search(const struct index_query *q, const char *v, size_t n, unsigned have)
{
	unsigned k = 0;

	for (unsigned i = 0; i < have; i++) {
		const struct row *r = &rows[i];

		if (r->key.time < q->from || r->key.time >= q->to || (q->management_only && r->s.category != CATEGORY_MANAGEMENT) ||
		    (q->has_before && index_key_compare(&r->key, &q->before) >= 0) || (q->by_attr && !has(r, q->attr, v, n)))
			continue;
		want[k++] = r->key;
	}
	qsort(want, k, sizeof(want[0]), newest_first);
	return k;
}

static inline int ask(struct index *ix, const struct index_query *q, unsigned *ret_n)
{
	_cleanup_index_cursor_ struct index_cursor *c = NULL;
	int r = index_cursor_open(ix, q, &c);

	*ret_n = 0;
	while (!r && *ret_n < ROWS) {
		r = index_cursor_next(c, &got[*ret_n]);
		if (r <= 0)
			return r;
		++*ret_n;
		r = 0;
	}
	return r;
}

static inline void check(struct index *ix, struct index_query *q, const char *v, size_t n, unsigned have)
{
	unsigned k = search(q, v, n, have), found;

	if (q->by_attr)
		q->hash = index_hash(ix, v, n);
	ok_int(ask(ix, q, &found), 0);
	ok_int(found, k);
	for (unsigned i = 0; i < k && i < found; i++)
		if (index_key_compare(&got[i], &want[i])) {
			ok(!"same key");
			break;
		}
}

static inline void check_some(struct index *ix, unsigned have, unsigned rounds)
{
	struct gen g = { have };

	for (unsigned round = 0; round < rounds && !tap_failed; round++) {
		const struct row *r = &rows[gen_below(&g, ROWS)];
		const char *values[ATTR__MAX] = { (const char *)r->s.event_id, r->name, round & 1 ? "true" : "false", r->user[0],
						  round & 1 ? "Linux::File" : "Linux::Other", r->resource[0], r->source, r->access };
		struct index_query q = { .from = INT64_MIN, .to = INT64_MAX, .by_attr = round % 9 != 8, .attr = round % 9 % ATTR__MAX };
		const char *v = values[q.attr];

		if (gen_below(&g, 2))
			q.from = rows[gen_below(&g, ROWS)].key.time;
		if (gen_below(&g, 2))
			q.to = rows[gen_below(&g, ROWS)].key.time + 1;
		q.management_only = gen_below(&g, 4) == 0;
		q.has_before = gen_below(&g, 3) == 0;
		q.before = rows[gen_below(&g, ROWS)].key;
		check(ix, &q, v, q.attr == ATTR_EVENT_ID ? 16 : strlen(v), have);
	}
}

static inline void check_all(struct index *ix, unsigned have)
{
	check_some(ix, have, 400);
}

static inline int add(struct index *ix, unsigned from, unsigned to)
{
	int r = 0;

	for (unsigned i = from; i < to && !r; i++) {
		struct index_place next = { rows[i].key.place.pos + (i % 7 == 6 ? 1000 : 0), i % 7 == 6 ? 0 : i % 7 + 1 };

		r = index_add(ix, &rows[i].key.place, &rows[i].s);
		if (!r && i % 7 == 6)
			index_progress(ix, &next);
	}
	return r;
}

static inline void say(void *ctx, const char *path, const char *why)
{
	said = why;
}

static inline struct index *open_index(uint32_t tail)
{
	struct index *ix = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/index", dir);
	said = NULL;
	if (index_open(path, 1ull << 33, tail, say, NULL, &ix) < 0)
		return NULL;
	return ix;
}

static inline void fresh_dir(void)
{
	if (!rows[0].key.time)
		make_rows();
	strcpy(dir, "/dev/shm/ht-index-XXXXXX");	/* hundreds of syncs */
	ok(mkdtemp(dir) != NULL);
}

static inline void clean(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok_int(system(command), 0);
}

static inline void wait_sealed(struct index *ix)
{
	struct index_stats s;

	for (unsigned i = 0; i < 500; i++) {
		index_stats(ix, &s);
		if (s.tail_records <= TAIL)
			return;
		usleep(10000);
	}
}

static inline unsigned rest_of(struct index *ix)
{
	struct index_place from, to;
	unsigned i = 0;

	ok_int(index_todo(ix, &from, &to), 0);
	while (i < ROWS && (rows[i].key.place.pos < from.pos ||
			    (rows[i].key.place.pos == from.pos && rows[i].key.place.record < from.record)))
		i++;
	return i;
}

static inline int is_block(const struct dirent *e)
{
	return strstr(e->d_name, ".blk") && !strstr(e->d_name, ".bad");
}

/* The path of the n-th block. */
static inline void block_path(unsigned n, char ret[512])
{
	struct dirent **names;
	char path[128];
	int count;

	snprintf(path, sizeof(path), "%s/index", dir);
	count = scandir(path, &names, is_block, alphasort);
	ret[0] = '\0';
	for (int i = 0; i < count; i++) {
		if ((unsigned)i == n)
			snprintf(ret, 512, "%s/%s", path, names[i]->d_name);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

static inline int flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t c;

	if (fd < 0 || pread(fd, &c, 1, at) != 1)
		return -1;
	c ^= 0x40;
	return pwrite(fd, &c, 1, at) == 1 ? close(fd) : -1;
}

static inline unsigned row_at(const struct index_place *p)
{
	unsigned i = 0;

	while (i < ROWS && (rows[i].key.place.pos < p->pos || (rows[i].key.place.pos == p->pos && rows[i].key.place.record < p->record)))
		i++;
	return i;
}

/* Indexes again what index_todo() asks for, as the tailer does. */
static inline void repair(struct index *ix, unsigned have)
{
	struct index_place from, to;
	struct index_stats s;

	for (;;) {
		index_stats(ix, &s);
		ok_int(index_todo(ix, &from, &to), 0);
		if (to.pos == UINT64_MAX)
			break;
		ok(s.rebuilding);
		ok_int(add(ix, row_at(&from), row_at(&to)), 0);
		ok_int(index_flush(ix), 0);
	}
	ok(!s.rebuilding);
	ok_int(add(ix, row_at(&from), have), 0);
}

#endif
