// SPDX-License-Identifier: Apache-2.0
/* settle_state.c - what is settled, across a restart: saved state, frames on disk, lost segments. */
#include <errno.h>
#include <string.h>

#include "settle_internal.h"

int settle_found(struct settle *s, const struct frame_header *h)
{
	for (unsigned i = 0; i < h->nranges; i++) {
		const struct frame_range *p = &h->ranges[i];
		struct slot *o = settle_slot(s, p->ring_class, p->cpu);
		int r;

		if (!o)
			continue;	/* a stream's ring count does not change; a foreign range is not ours to settle */
		r = seqset_add(&o->disk, p->first, p->last);
		if (!r)
			r = seqset_add(&o->seen, p->first, p->last);
		if (r < 0)
			return r;
		o->comparable = false;
	}
	return 0;
}

int settle_lost_frame(struct settle *s, const struct frame_header *h)
{
	for (unsigned i = 0; i < h->nranges; i++) {
		struct lost l = { h->ranges[i], SETTLE_BAD_SEGMENT, NOBODY, h->first_time, h->last_time, 0 };
		struct slot *o = l.r.ring_class < HT_CLASS__MAX ? settle_slot(s, l.r.ring_class, l.r.cpu) : NULL;
		int r;

		if (!o)
			continue;
		r = seqset_add(&o->seen, l.r.first, l.r.last);
		if (!r)
			r = settle_lost_add(s, &l);
		if (r < 0)
			return r;
	}
	return 0;
}

#define STATE_MAGIC 0x32544553u		/* "SET2" */
#define STATE_ABOVE_MAX 4096

static void put(struct buf *b, uint64_t v)
{
	buf_add(b, &v, sizeof(v));
}

int settle_save(const struct settle *s, struct buf *out)
{
	put(out, STATE_MAGIC);
	put(out, s->ncpu);
	for (unsigned i = 0; i <= TLS_SLOT(s); i++) {
		const struct slot *o = &s->slots[i];
		unsigned n = o->disk.n < STATE_ABOVE_MAX ? o->disk.n : STATE_ABOVE_MAX;

		put(out, i >= USER_SLOT(s) ? o->seen.next : o->disk.next);
		put(out, n);
		buf_add(out, o->disk.above, n * sizeof(*o->disk.above));
	}
	return out->failed ? -ENOMEM : 0;
}

struct words {
	const uint8_t *p;
	size_t n;
};

static bool take(struct words *w, uint64_t *ret_v)
{
	if (w->n < sizeof(*ret_v))
		return false;
	memcpy(ret_v, w->p, sizeof(*ret_v));
	w->p += sizeof(*ret_v);
	w->n -= sizeof(*ret_v);
	return true;
}

static int load_slot(struct slot *o, struct words *w, bool apply)
{
	uint64_t next, n, first, last;
	int r = 0;

	if (!take(w, &next) || !take(w, &n) || n > STATE_ABOVE_MAX || next == UINT64_MAX)
		return -EBADMSG;
	if (apply && next)
		r = seqset_add(&o->disk, 0, next - 1) ?: seqset_add(&o->seen, 0, next - 1);
	for (; n && !r; n--) {
		if (!take(w, &first) || !take(w, &last) || first > last || last >= UINT64_MAX - 1)	/* what it adds up to is saved again */
			return -EBADMSG;
		if (apply)
			r = seqset_add(&o->disk, first, last) ?: seqset_add(&o->seen, first, last);
	}
	if (apply)
		o->comparable = false;
	return r;
}

int settle_load(struct settle *s, const void *p, size_t n)
{
	/* First a dry run, so that a damaged state changes nothing. */
	for (int apply = 0; apply < 2; apply++) {
		struct words w = { p, n };
		uint64_t magic, ncpu;
		int r;

		if (!take(&w, &magic) || magic != STATE_MAGIC || !take(&w, &ncpu) || ncpu != s->ncpu)
			return -EBADMSG;
		for (unsigned i = 0; i <= TLS_SLOT(s); i++) {
			r = load_slot(&s->slots[i], &w, apply);
			if (r < 0)
				return r;
		}
		if (w.n)
			return -EBADMSG;
	}
	return 0;
}

uint64_t settle_open_below(const struct settle *s, unsigned class, unsigned cpu, uint64_t limit)
{
	return class < HT_CLASS__MAX && cpu < s->ncpu ? seqset_missing(&s->slots[class * s->ncpu + cpu].disk, limit) : limit;
}
