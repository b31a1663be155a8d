// SPDX-License-Identifier: Apache-2.0
/*
 * A BPF ring buffer as user space sees it (include/uapi: BPF_RINGBUF_*): one writable page with the
 * consumer position, one read-only page with the producer position, then the data. The kernel would map
 * the data twice in a row, so that no entry is ever cut at the end; but every mapped page counts as ours, so
 * it is mapped once, and the one entry that may lie across the end is copied. An entry is a u32 length with
 * two flag bits, a u32 for the kernel, and the bytes, rounded up to 8.
 */
#include "rings.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define ENTRY_MAX (sizeof(struct ht_ident) + HT_DATA_MAX)	/* what a probe can write: OUT_MAX in bpf/maps.bpf.h */

struct ring {
	uint64_t *consumer;		/* NULL for an image */
	const uint64_t *producer;
	const uint8_t *data;
	uint64_t bytes, mask;
	uint64_t image_end;
	uint64_t at;			/* next entry to look at */
	uint64_t end;			/* of the snapshot */
	uint64_t committed;
	uint64_t most;			/* bytes that ever waited */
	uint8_t *across;		/* copy of the entry that lies across the end */
	/* the entry at `at`, once it was found to be good */
	const struct ht_event *head;
	uint32_t head_len;
};

struct rings {
	struct ring ring[HT_CLASS__MAX][HT_GROUPS_MAX];
	unsigned ngroups, ncpu, group_shift;
	size_t page;
	int epoll;
	const struct ht_counters *counters;
	size_t counters_len;
	struct ht_shared *shared;
	const struct ht_principals *principals;
	struct ht_settled *settled;
	size_t principals_len, settled_len;
	uint64_t malformed;
};

static uint64_t load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static int ring_map(struct ring *g, int fd, uint64_t bytes, size_t page)
{
	void *p, *q;

	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	q = mmap(NULL, page + bytes, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (q == MAP_FAILED) {
		int r = -errno;

		munmap(p, page);
		return r;
	}
	g->consumer = p;
	g->producer = q;
	g->data = (const uint8_t *)q + page;
	g->bytes = bytes;
	g->mask = bytes - 1;
	g->at = g->end = g->committed = load(g->consumer);
	return 0;
}

static int map_arrays(struct rings *r, const struct probes_fds *fds)
{
	void *p;

	r->counters_len = round_up((size_t)HT_CLASS__MAX * fds->ncpu * sizeof(struct ht_counters), r->page);
	p = mmap(NULL, r->counters_len, PROT_READ, MAP_SHARED, fds->counters, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->counters = p;
	p = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, fds->shared, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->shared = p;
	r->principals_len = round_up((size_t)HT_CLASS__MAX * fds->ngroups * sizeof(struct ht_principals), r->page);
	p = mmap(NULL, r->principals_len, PROT_READ, MAP_SHARED, fds->principals, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->principals = p;
	r->settled_len = round_up((size_t)HT_CLASS__MAX * fds->ngroups * sizeof(struct ht_settled), r->page);
	p = mmap(NULL, r->settled_len, PROT_READ | PROT_WRITE, MAP_SHARED, fds->settled, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->settled = p;
	return 0;
}

/* Edge-triggered: entries stay in the ring until they are committed, so "not empty" says nothing. */
static int watch(struct rings *r, int fd)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int open_class(struct rings *r, const struct probes_fds *fds, unsigned class)
{
	for (unsigned g = 0; g < fds->ngroups; g++) {
		int fd = fds->ring[class][g], e;

		if (fd < 0)
			continue;
		e = ring_map(&r->ring[class][g], fd, fds->ring_bytes[class], r->page);
		if (!e)
			e = watch(r, fd);
		if (e)
			return e;
	}
	return 0;
}

static struct rings *rings_alloc(void)
{
	struct rings *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	r->epoll = -1;
	return r;
}

int rings_open(const struct probes_fds *fds, struct rings **ret_r)
{
	_cleanup_(rings_free) struct rings *r = rings_alloc();
	int e;

	if (!r)
		return -ENOMEM;
	if (fds->ngroups > HT_GROUPS_MAX)
		return -EINVAL;
	r->ngroups = fds->ngroups;
	r->ncpu = fds->ncpu;
	while (((r->ncpu - 1) >> r->group_shift) + 1 > r->ngroups)
		r->group_shift++;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		return -errno;
	e = map_arrays(r, fds);
	for (unsigned c = 0; c < HT_CLASS__MAX && !e; c++)
		e = open_class(r, fds, c);
	if (e)
		return e;
	*ret_r = TAKE_PTR(r);
	return 0;
}

int rings_open_image(const void *const image[HT_CLASS__MAX], const uint64_t bytes[HT_CLASS__MAX], struct rings **ret_r)
{
	struct rings *r = rings_alloc();

	if (!r)
		return -ENOMEM;
	r->ngroups = 1;
	for (unsigned c = 0; c < HT_CLASS__MAX; c++) {
		r->ring[c][0].data = image[c];
		r->ring[c][0].image_end = bytes[c];
		r->ring[c][0].mask = UINT64_MAX;
		r->ring[c][0].bytes = bytes[c];
	}
	*ret_r = r;
	return 0;
}

void rings_free(struct rings **rp)
{
	struct rings *r = *rp;

	if (!r)
		return;
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < HT_GROUPS_MAX; g++) {
			struct ring *x = &r->ring[c][g];

			free(x->across);
			if (!x->consumer)
				continue;
			munmap(x->consumer, r->page);
			munmap((void *)x->producer, r->page + x->bytes);
		}
	if (r->counters)
		munmap((void *)r->counters, r->counters_len);
	if (r->shared)
		munmap(r->shared, r->page);
	if (r->principals)
		munmap((void *)r->principals, r->principals_len);
	if (r->settled)
		munmap(r->settled, r->settled_len);
	if (r->epoll >= 0)
		close(r->epoll);
	free(r);
	*rp = NULL;
}

int rings_epoll_fd(const struct rings *r)
{
	return r->epoll;
}

static uint64_t ring_end(const struct ring *g)
{
	return g->producer ? load(g->producer) : g->image_end;
}

bool rings_arm(struct rings *r)
{
	if (!r->shared)
		return false;
	__atomic_store_n(&r->shared->armed, 1, __ATOMIC_SEQ_CST);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < r->ngroups; g++)
			if (ring_end(&r->ring[c][g]) != r->ring[c][g].at) {
				__atomic_store_n(&r->shared->armed, 0, __ATOMIC_RELAXED);
				return false;
			}
	return true;
}

void rings_new_epoch(struct rings *r)
{
	if (r->shared)
		__atomic_add_fetch(&r->shared->epoch, 1, __ATOMIC_SEQ_CST);
}

/* An identity precedes its event in the same ring; across rings the exec must not be missing: process is frozen last. */
void rings_snapshot(struct rings *r)
{
	static const uint8_t order[HT_CLASS__MAX] = { HT_CLASS_TLS, HT_CLASS_DATA, HT_CLASS_CONTROL, HT_CLASS_PROCESS };

	for (unsigned i = 0; i < HT_CLASS__MAX; i++)
		for (unsigned g = 0; g < r->ngroups; g++) {
			struct ring *ring = &r->ring[order[i]][g];

			ring->end = ring_end(ring);
			if (ring->end - ring->committed > ring->most)
				ring->most = ring->end - ring->committed;
		}
}

/* What the kernel wrote cannot be trusted to be ours: lengths must fit the ring, the snapshot and the header. */
static bool entry_good(const struct ring *g, const struct ht_event *e, uint32_t len)
{
	return len >= sizeof(*e) && len <= g->end - g->at - BPF_RINGBUF_HDR_SZ && e->len == len &&
	       e->kind && e->kind < HT_EV__MAX;
}

/*
 * The entry's bytes in one piece. Between two commits a ring can be cut only once, so one copy is enough.
 * NULL: no memory for it, which is the same as a bad entry.
 */
static const struct ht_event *entry_bytes(struct ring *g, uint32_t len)
{
	uint64_t at = (g->at + BPF_RINGBUF_HDR_SZ) & g->mask, first = g->bytes - at;

	if (!g->consumer || first >= len)
		return (const struct ht_event *)(g->data + at);
	if (!g->across)
		g->across = malloc(ENTRY_MAX);
	if (!g->across || len > ENTRY_MAX)
		return NULL;
	memcpy(g->across, g->data + at, first);
	memcpy(g->across + first, g->data, len - first);
	return (const struct ht_event *)g->across;
}

/* Finds the entry at g->at, stepping over discarded and bad ones. False: nothing to read yet. */
static bool ring_head(struct rings *r, struct ring *g)
{
	while (!g->head && g->end - g->at >= BPF_RINGBUF_HDR_SZ && g->end > g->at) {
		const uint8_t *p = g->data + (g->at & g->mask);
		uint32_t word = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
		uint32_t len = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		uint64_t step = BPF_RINGBUF_HDR_SZ + round_up(len, 8);
		const struct ht_event *e;

		if (word & BPF_RINGBUF_BUSY_BIT)
			return false;
		if (step > g->end - g->at) {	/* cannot be: the rest of the snapshot is given up */
			r->malformed++;
			g->at = g->end;
			return false;
		}
		if (!(word & BPF_RINGBUF_DISCARD_BIT)) {
			e = entry_bytes(g, len);
			if (e && entry_good(g, e, len)) {
				g->head = e;
				g->head_len = len;
				return true;
			}
			r->malformed++;
		}
		g->at += step;
	}
	return g->head;
}

const struct ht_event *rings_next(struct rings *r, unsigned class, uint32_t *ret_n)
{
	const struct ht_event *e;
	struct ring *best = NULL;

	if (class >= HT_CLASS__MAX)
		return NULL;
	for (unsigned i = 0; i < r->ngroups; i++) {
		struct ring *g = &r->ring[class][i];

		if (ring_head(r, g) && (!best || g->head->time < best->head->time))
			best = g;
	}
	if (!best)
		return NULL;
	e = best->head;
	*ret_n = best->head_len;
	best->at += BPF_RINGBUF_HDR_SZ + round_up(best->head_len, 8);
	best->head = NULL;
	return e;
}

void rings_mark(const struct rings *r, unsigned class, struct rings_mark *ret_m)
{
	memset(ret_m, 0, sizeof(*ret_m));
	for (unsigned g = 0; g < r->ngroups && class < HT_CLASS__MAX; g++)
		ret_m->pos[g] = r->ring[class][g].at;
}

void rings_commit(struct rings *r, unsigned class, const struct rings_mark *m)
{
	for (unsigned g = 0; g < r->ngroups && class < HT_CLASS__MAX; g++) {
		struct ring *x = &r->ring[class][g];

		if (m->pos[g] <= x->committed || m->pos[g] > x->at)
			continue;
		x->committed = m->pos[g];
		if (x->consumer)
			__atomic_store_n(x->consumer, x->committed, __ATOMIC_RELEASE);
	}
}

void rings_fill(const struct rings *r, unsigned class, uint64_t *ret_used, uint64_t *ret_size)
{
	uint64_t used = 0, size = 0;

	for (unsigned g = 0; g < r->ngroups && class < HT_CLASS__MAX; g++) {
		used += ring_end(&r->ring[class][g]) - r->ring[class][g].committed;
		size += r->ring[class][g].bytes;
	}
	*ret_used = used;
	*ret_size = size;
}

unsigned rings_fullest(const struct rings *r, unsigned class)
{
	unsigned fullest = 0;

	for (unsigned g = 0; g < r->ngroups && class < HT_CLASS__MAX; g++) {
		const struct ring *ring = &r->ring[class][g];
		unsigned percent = ring->bytes ? (unsigned)(ring->most * 100 / ring->bytes) : 0;

		fullest = percent > fullest ? percent : fullest;
	}
	return fullest;
}

uint64_t rings_most(const struct rings *r, unsigned class)
{
	uint64_t most = 0;

	for (unsigned g = 0; g < r->ngroups && class < HT_CLASS__MAX; g++)
		most = r->ring[class][g].most > most ? r->ring[class][g].most : most;
	return most;
}

uint64_t rings_malformed(const struct rings *r)
{
	return r->malformed;
}

const volatile struct ht_counters *rings_counters(const struct rings *r, unsigned class, unsigned cpu)
{
	if (!r->counters || class >= HT_CLASS__MAX || cpu >= r->ncpu)
		return NULL;
	return &r->counters[class * r->ncpu + cpu];
}

const struct ht_principals *rings_principals(const struct rings *r, unsigned class, unsigned group)
{
	if (!r->principals || class >= HT_CLASS__MAX || group >= r->ngroups)
		return NULL;
	return &r->principals[class * r->ngroups + group];
}

struct ht_settled *rings_settled(const struct rings *r, unsigned class, unsigned group)
{
	if (!r->settled || class >= HT_CLASS__MAX || group >= r->ngroups)
		return NULL;
	return &r->settled[class * r->ngroups + group];
}

unsigned rings_ngroups(const struct rings *r)
{
	return r->ngroups;
}

unsigned rings_group_of(const struct rings *r, unsigned cpu)
{
	return cpu >> r->group_shift;
}

uint64_t rings_missed_said(const struct rings *r, unsigned program)
{
	return r->shared && program < HT_PROGRAMS_MAX ? r->shared->missed_said[program] : 0;
}

void rings_missed_say(struct rings *r, unsigned program, uint64_t count)
{
	if (r->shared && program < HT_PROGRAMS_MAX)
		r->shared->missed_said[program] = count;
}

unsigned rings_ncpu(const struct rings *r)
{
	return r->ncpu;
}

uint64_t rings_merged(const struct rings *r, unsigned class)
{
	uint64_t sum = 0;

	for (unsigned cpu = 0; cpu < r->ncpu && r->counters && class < HT_CLASS__MAX; cpu++)
		sum += __atomic_load_n(&r->counters[class * r->ncpu + cpu].merged, __ATOMIC_ACQUIRE);
	return sum;
}

uint64_t rings_merged_waiting(const struct rings *r)
{
	return r->counters ? counters_merged_waiting(r->counters, HT_CLASS__MAX * r->ncpu) : 0;
}

uint64_t rings_ops_waiting(const struct rings *r)
{
	return r->shared ? __atomic_load_n(&r->shared->ops_waiting, __ATOMIC_SEQ_CST) : 0;
}

uint64_t rings_marked_tasks(const struct rings *r)
{
	return r->shared ? __atomic_load_n(&r->shared->marked, __ATOMIC_SEQ_CST) : 0;
}
