/* SPDX-License-Identifier: Apache-2.0 */
/* spool.c - the writer: append, sync, trim, drop. Recovery is spoolrecover.c's. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "spool_internal.h"
#include "wire.h"

#define DIR_MODE 0750
#define FILE_MODE 0640

/* Whatever the umask; the set-group-ID bit that mkdir handed down stays. */
static int set_mode(int fd, mode_t mode)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & 0777) != mode && fchmod(fd, mode | (st.st_mode & S_ISGID)) < 0)
		return -errno;
	return 0;
}

static int make_dir(int at, const char *name, int *ret_fd)
{
	bool made = mkdirat(at, name, DIR_MODE) == 0;
	int fd, r = made ? 0 : -errno;

	if (r < 0 && r != -EEXIST)
		return r;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = made ? set_mode(fd, DIR_MODE) : 0;
	if (!r && made && fsync(at) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int open_dirs(struct spool *s, const char *dir)
{
	_cleanup_close_ int base = -1;
	char name[33];
	int r = fsx_mkdirs(dir, DIR_MODE);

	if (r < 0)
		return r;
	base = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return -errno;
	hex_text(s->stream, 16, name);
	r = make_dir(base, name, &s->fd);
	for (unsigned i = 0; !r && i < CHAIN__MAX; i++)
		r = make_dir(s->fd, chain_name(i), &s->chains[i].dirfd);
	return r;
}

int spool_open(const char *dir, const uint8_t stream[16], const struct spool_limits *limits, spool_found_fn found,
	       spool_bad_fn bad, void *ctx, struct spool **ret_s)
{
	_cleanup_(spool_free) struct spool *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	memcpy(s->stream, stream, sizeof(s->stream));
	s->limits = *limits;
	if (!s->limits.segment_bytes)
		s->limits.segment_bytes = SPOOL_SEGMENT_BYTES;
	s->fd = -1;
	for (unsigned i = 0; i < CHAIN__MAX; i++)
		s->chains[i].dirfd = s->chains[i].fd = -1;
	r = open_dirs(s, dir);
	for (unsigned i = 0; !r && i < CHAIN__MAX; i++)
		r = spool_recover(s, i, found, bad, ctx);
	if (r < 0)
		return r;
	*ret_s = TAKE_PTR(s);
	return 0;
}

void spool_free(struct spool **ps)
{
	struct spool *s = *ps;

	if (!s)
		return;
	for (unsigned i = 0; i < CHAIN__MAX; i++) {
		cleanup_close(&s->chains[i].fd);
		cleanup_close(&s->chains[i].dirfd);
		free(s->chains[i].v);
	}
	cleanup_close(&s->fd);
	free(s);
	*ps = NULL;
}

void spool_head(const struct spool *s, unsigned chain, uint64_t *ret_number, uint8_t ret_previous[32])
{
	*ret_number = s->chains[chain].next;
	memcpy(ret_previous, s->chains[chain].previous, 32);
}

/* ---- ranges */

static bool range_join(struct frame_range *v, uint16_t *n, const struct frame_range *a)
{
	for (unsigned i = *n; i-- > 0;) {
		struct frame_range *x = &v[i];

		if (x->ring_class != a->ring_class || x->cpu != a->cpu)
			continue;
		if (x->last + 1 == a->first)
			x->last = a->last;
		else if (a->last + 1 == x->first)
			x->first = a->first;
		else
			continue;
		return true;
	}
	if (*n == FRAME_RANGES_MAX)
		return false;
	v[(*n)++] = *a;
	return true;
}

int ranges_join(struct frame_range *v, uint16_t *n, const struct frame_range *add, unsigned nadd)
{
	struct frame_range joined[FRAME_RANGES_MAX];
	uint16_t count = *n;

	memcpy(joined, v, count * sizeof(*v));
	for (unsigned i = 0; i < nadd; i++)
		if (!range_join(joined, &count, &add[i]))
			return -E2BIG;
	memcpy(v, joined, count * sizeof(*v));
	*n = count;
	return 0;
}

/* ---- appending */

int segment_add(struct spool_chain *c, uint64_t first)
{
	if (c->n == c->max) {
		size_t max = c->max ? c->max * 2 : 16;
		struct segment *v = realloc(c->v, max * sizeof(*v));

		if (!v)
			return -ENOMEM;
		c->v = v;
		c->max = max;
	}
	c->v[c->n++] = (struct segment){ .first = first, .last = first, .bytes = 0 };
	return 0;
}

static int chain_sync(struct spool_chain *c)
{
	if (c->fault)
		return c->fault;
	if (c->dirty && c->fd >= 0 && fdatasync(c->fd) < 0)
		return c->fault = -errno;
	c->dirty = false;
	if (c->dir_dirty && fsync(c->dirfd) < 0)
		return c->fault = -errno;
	c->dir_dirty = false;
	return 0;
}

static int segment_close(struct spool_chain *c)
{
	int r = chain_sync(c);

	if (!r) {
		cleanup_close(&c->fd);
		c->nranges = 0;
	}
	return r;
}

static int segment_create(struct spool_chain *c)
{
	char name[SEGMENT_NAME_MAX];
	int r = segment_add(c, c->next);

	if (r < 0)
		return r;
	segment_name(c->next, ".seg", name);
	c->fd = openat(c->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	r = c->fd < 0 ? -errno : set_mode(c->fd, FILE_MODE);
	if (r < 0) {
		if (c->fd >= 0)
			unlinkat(c->dirfd, name, 0);
		cleanup_close(&c->fd);
		c->n--;
		return r;
	}
	c->dir_dirty = true;
	return 0;
}

/* A segment to append n bytes with these ranges to: the open one, or a new one. */
static int segment_for(struct spool *s, struct spool_chain *c, const struct frame_header *h, size_t n)
{
	int r;

	if (c->fd >= 0) {
		const struct segment *last = &c->v[c->n - 1];

		if (last->bytes + n <= s->limits.segment_bytes && ranges_join(c->ranges, &c->nranges, h->ranges, h->nranges) == 0)
			return 0;
		r = segment_close(c);
		if (r < 0)
			return r;
	}
	c->nranges = 0;
	r = ranges_join(c->ranges, &c->nranges, h->ranges, h->nranges);
	return r < 0 ? r : segment_create(c);
}

/* Nothing of a frame that could not be written whole may stay. */
static void take_back(struct spool_chain *c)
{
	struct segment *last = &c->v[c->n - 1];
	char name[SEGMENT_NAME_MAX];

	if (ftruncate(c->fd, (off_t)last->bytes) < 0)
		c->fault = -errno;
	segment_after(c, last);
	if (last->bytes)
		return;
	segment_name(last->first, ".seg", name);
	unlinkat(c->dirfd, name, 0);
	cleanup_close(&c->fd);
	c->n--;
}

int spool_append(struct spool *s, const struct frame_header *h, const void *frame, size_t n, const uint8_t hash[32])
{
	struct spool_chain *c;
	int r;

	if (h->chain >= CHAIN__MAX || h->number != s->chains[h->chain].next || n < FRAME_MIN)
		return -EINVAL;
	c = &s->chains[h->chain];
	if (c->fault)
		return c->fault;
	r = segment_for(s, c, h, n);
	if (r < 0)
		return r;
	segment_before(c, &c->v[c->n - 1]);
	r = fsx_write_all(c->fd, frame, n);
	if (r < 0) {
		take_back(c);
		return r;
	}
	c->v[c->n - 1].last = h->number;
	c->v[c->n - 1].bytes += n;
	segment_after(c, &c->v[c->n - 1]);
	c->bytes += n;
	c->next++;
	memcpy(c->previous, hash, 32);
	c->dirty = true;
	return 0;
}

int spool_skip(struct spool *s, unsigned chain, uint64_t number, const uint8_t previous[32])
{
	struct spool_chain *c = &s->chains[chain];
	int r;

	if (number > INT64_MAX)
		return -ERANGE;
	if (number <= c->next)
		return 0;
	r = c->fault ? c->fault : segment_close(c);
	if (r < 0)
		return r;
	c->nranges = 0;
	c->next = number;
	if (previous)
		memcpy(c->previous, previous, 32);
	return 0;
}

int spool_sync(struct spool *s)
{
	int r = 0;

	for (unsigned i = 0; i < CHAIN__MAX; i++) {
		int k = chain_sync(&s->chains[i]);

		r = r ? r : k;
	}
	return r;
}

bool spool_dirty(const struct spool *s)
{
	for (unsigned i = 0; i < CHAIN__MAX; i++)
		if (s->chains[i].dirty || s->chains[i].dir_dirty)
			return true;
	return false;
}

static bool unlinked(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0;
}

bool spool_gone(const struct spool *s)
{
	bool gone = unlinked(s->fd);

	for (unsigned i = 0; i < CHAIN__MAX && !gone; i++)
		gone = unlinked(s->chains[i].dirfd) || unlinked(s->chains[i].fd);
	return gone;
}

uint64_t spool_bytes(const struct spool *s, unsigned chain)
{
	return s->chains[chain].bytes;
}

/* ---- taking away */

/* The newest segment stays: it alone says the chain's head after a restart. So that it does, it is
 * synced before an older one goes. */
static int segment_delete_oldest(struct spool_chain *c)
{
	char name[SEGMENT_NAME_MAX];
	int r = chain_sync(c);

	if (r < 0)
		return r;
	segment_name(c->v[0].first, ".seg", name);
	if (unlinkat(c->dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	c->bytes -= c->v[0].bytes;
	c->n--;
	memmove(c->v, c->v + 1, c->n * sizeof(*c->v));
	return 0;
}

int spool_trim(struct spool *s, unsigned chain, uint64_t next)
{
	struct spool_chain *c = &s->chains[chain];
	int r = 0;

	if (next > c->acked)
		c->acked = next;
	while (!r && c->n > 1 && c->v[0].last < next)
		r = segment_delete_oldest(c);
	return r;
}

/* A tombstone stands for older frames: they are ours to settle again. */
static uint64_t tombstone_first(const uint8_t *p, const struct frame_header *h)
{
	_cleanup_buf_ struct buf raw = { 0 };
	struct wire_span span;
	struct wire_field f;

	if (frame_payload(p, h, &raw) < 0)
		return h->number;
	span = (struct wire_span){ raw.p, raw.p + raw.n };
	while (wire_next(&span, &f) > 0)
		if (f.field == 1 && f.type == WIRE_VARINT)
			return f.number < h->number ? f.number : h->number;
	return raw.n ? 0 : h->number;	/* an absent number is 0 */
}

static int plan_frame(struct spool_drop_plan *p, const struct frame_header *h, const uint8_t *frame)
{
	uint64_t first = h->kind == FRAME_TOMBSTONE ? tombstone_first(frame, h) : h->number;

	if (first < p->first_number)
		p->first_number = first;
	p->last_number = h->number;
	p->records += h->records;
	if (h->first_time < p->first_time)
		p->first_time = h->first_time;
	if (h->last_time > p->last_time)
		p->last_time = h->last_time;
	return ranges_join(p->ranges, &p->nranges, h->ranges, h->nranges);
}

/* Frames that are acknowledged are settled at the store; a tombstone must not count them lost. */
static int plan_segment(struct segment_scan *scan, uint64_t acked, struct spool_drop_plan *p)
{
	struct frame_header h;
	const uint8_t *frame;
	const char *why;
	size_t n;
	int r;

	while ((r = segment_scan_frame(scan, &h, &frame, &n, &why)) == 1) {
		r = h.number < acked ? 0 : plan_frame(p, &h, frame);
		if (r < 0)
			return r;
		segment_scan_skip(scan, n);
	}
	/* Gone bad since it was opened: what is still readable is settled, the rest is the store's gap. */
	return r == -EBADMSG || r == -EAGAIN ? 0 : r;
}

int spool_plan_drop(struct spool *s, unsigned chain, struct spool_drop_plan *ret_plan)
{
	struct spool_chain *c = &s->chains[chain];
	_cleanup_(segment_scan_free) struct segment_scan scan = { 0 };
	_cleanup_close_ int fd = -1;
	char name[SEGMENT_NAME_MAX];
	int r;

	if (c->fault)
		return c->fault;
	if (c->bytes <= s->limits.bytes[chain] || !c->n || (c->n == 1 && c->v[0].first == c->v[0].last))
		return 0;
	if (c->n == 1) {	/* the caller's tombstone goes into a new one */
		r = c->fd >= 0 ? segment_close(c) : 0;
		if (r < 0)
			return r;
	}
	segment_name(c->v[0].first, ".seg", name);
	fd = openat(c->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memset(ret_plan, 0, sizeof(*ret_plan));
	ret_plan->segment = c->v[0].first;
	ret_plan->first_number = c->acked > c->v[0].first ? c->acked : c->v[0].first;
	ret_plan->last_number = c->v[0].last;
	ret_plan->first_time = UINT64_MAX;
	segment_scan_start(&scan, fd);
	r = plan_segment(&scan, c->acked, ret_plan);
	if (ret_plan->first_time == UINT64_MAX)
		ret_plan->first_time = 0;
	return r < 0 ? r : 1;
}

int spool_drop(struct spool *s, unsigned chain, const struct spool_drop_plan *plan)
{
	struct spool_chain *c = &s->chains[chain];

	if (c->n < 2 || c->v[0].first != plan->segment)
		return -EINVAL;
	return segment_delete_oldest(c);
}
