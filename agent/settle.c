// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "settle_internal.h"

const char *settle_cause_name(enum settle_cause cause)
{
	static const char *const names[] = {
		[SETTLE_RING_FULL] = "ringFull",     [SETTLE_SCRATCH] = "scratchBusy",
		[SETTLE_STORAGE] = "taskStorage",    [SETTLE_FLOOD] = "flood",
		[SETTLE_MALFORMED] = "malformed",    [SETTLE_DISK_FULL] = "diskFull",
		[SETTLE_BAD_SEGMENT] = "badSegment", [SETTLE_UNEXPLAINED] = "unexplained",
	};
	_Static_assert(sizeof(names) / sizeof(names[0]) == SETTLE__MAX, "a name per cause");

	return (unsigned)cause < SETTLE__MAX ? names[cause] : NULL;
}

int settle_new(unsigned ncpu, struct settle **ret_s)
{
	struct settle *s;

	if (!ncpu || ncpu > SETTLE_TLS_CPU)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->ncpu = ncpu;
	s->slots = calloc(TLS_SLOT(s) + 1, sizeof(*s->slots));
	if (!s->slots) {
		free(s);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < USER_SLOT(s); i++)
		s->slots[i].comparable = true;
	for (unsigned i = 0; i < CHAIN__MAX; i++)
		s->open[i].frame = 1;
	*ret_s = s;
	return 0;
}

void settle_free(struct settle **s)
{
	if (!*s)
		return;
	for (unsigned i = 0; i <= TLS_SLOT(*s); i++) {
		seqset_free(&(*s)->slots[i].seen);
		seqset_free(&(*s)->slots[i].disk);
	}
	floods_free(*s);
	free((*s)->slots);
	free((*s)->lost);
	free(*s);
	*s = NULL;
}

struct slot *settle_slot(struct settle *s, unsigned class, unsigned cpu)
{
	if (class == HT_CLASS_USER)
		return cpu ? NULL : &s->slots[USER_SLOT(s)];
	if (class == HT_CLASS_TLS && cpu == SETTLE_TLS_CPU)
		return &s->slots[TLS_SLOT(s)];
	if (class >= HT_CLASS__MAX || cpu >= s->ncpu)
		return NULL;
	return &s->slots[class * s->ncpu + cpu];
}

/* ---- waiting losses ---------------------------------------------------- */

static int lost_room(struct settle *s)
{
	unsigned cap = s->lost_cap ? s->lost_cap * 2 : 32;
	struct lost *p;

	if (s->nlost < s->lost_cap)
		return 0;
	p = realloc(s->lost, cap * sizeof(*p));
	if (!p)
		return -ENOMEM;
	s->lost = p;
	s->lost_cap = cap;
	return 0;
}

/* Grows a waiting loss of the same slot and cause that ends right before, so that a long loss stays one entry. */
static bool lost_join(struct settle *s, const struct lost *l)
{
	unsigned tries = 64;

	for (unsigned i = s->nlost; i-- > 0 && tries--;) {
		struct lost *o = &s->lost[i];

		if (o->r.ring_class != l->r.ring_class || o->r.cpu != l->r.cpu || o->cause != l->cause ||
		    o->who != l->who)
			continue;
		if (o->r.last + 1 != l->r.first)
			continue;
		o->r.last = l->r.last;
		o->filtered += l->filtered;
		o->last_time = l->last_time;
		return true;
	}
	return false;
}

int settle_lost_add(struct settle *s, const struct lost *l)
{
	int r;

	if (!lost_join(s, l)) {
		r = lost_room(s);
		if (r < 0)
			return r;
		s->lost[s->nlost++] = *l;
	}
	s->lost_total[l->r.ring_class] += l->r.last - l->r.first + 1 - l->filtered;
	return 0;
}

/* How many numbers a cause explains that it did not explain yet. The principals' own counts also hold after a restart. */
static uint64_t cause_left(const struct slot *o, unsigned cause)
{
	if (cause == HT_CAUSE_FLOOD && !o->comparable && o->flood)
		return flood_pending(o->flood);
	return cause < HT_CAUSE__MAX ? o->cause_now[cause] - o->cause_done[cause] : UINT64_MAX;
}

/* At most n of the numbers from l->r.first on are lost for l's cause, to one principal if it is a flood. How many, or -errno. */
static int64_t lose_part(struct settle *s, struct slot *o, struct lost *l, uint64_t n)
{
	uint64_t of_one = l->cause == SETTLE_FLOOD && o->flood ? flood_take(o->flood, n, &l->who) : 0;
	int r;

	n = of_one ?: n;
	l->r.last = l->r.first + n - 1;
	r = settle_lost_add(s, l);
	return r < 0 ? r : (int64_t)n;
}

/* [first,last] of the slot is lost. The kernel's counters say why, as far as they go; else it is unexplained. */
static int lose(struct settle *s, unsigned class, unsigned cpu, uint64_t first, uint64_t last)
{
	static const uint8_t order[] = { HT_CAUSE_FLOOD, HT_CAUSE_RING_FULL, HT_CAUSE_SCRATCH, HT_CAUSE_STORAGE, SETTLE_UNEXPLAINED };
	struct slot *o = settle_slot(s, class, cpu);
	uint64_t from = o->said_last > o->lost_first ? o->said_last : o->lost_first;
	int64_t r = seqset_add(&o->seen, first, last);

	for (unsigned i = 0; r >= 0 && i < sizeof(order) && first <= last;) {
		uint64_t left = cause_left(o, order[i]), n = left < last - first + 1 ? left : last - first + 1;
		struct lost l = { { class, cpu, first, 0 }, order[i], NOBODY, from, o->lost_last, 0 };

		if (!n) {
			i++;
			continue;
		}
		r = lose_part(s, o, &l, n);
		if (r < 0)
			break;
		if (order[i] < HT_CAUSE__MAX)
			o->cause_done[order[i]] += (uint64_t)r;
		first += (uint64_t)r;
	}
	return r < 0 ? (int)r : 0;
}

/* ---- a pass -------------------------------------------------------------- */

void settle_observe(struct settle *s, unsigned class, unsigned cpu, const volatile struct ht_counters *c)
{
	struct slot *o = class < HT_CLASS__MAX ? settle_slot(s, class, cpu) : NULL;
	uint64_t submitted;

	if (!o || !c)
		return;
	if (o->flood)
		flood_observe(o->flood, cpu);
	/* Losses and submissions first, numbers last: what the first two count has a number below the third. */
	o->counted = 0;
	for (unsigned i = 0; i < HT_CAUSE__MAX; i++) {
		o->cause_now[i] = __atomic_load_n(&c->lost[i], __ATOMIC_ACQUIRE);
		o->counted += o->cause_now[i];
	}
	submitted = __atomic_load_n(&c->submitted, __ATOMIC_ACQUIRE);
	o->lost_first = c->lost_first;
	o->lost_last = c->lost_last;
	o->limit = __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE);
	o->quiet = o->limit == submitted + o->counted;
}

static int open_add(struct settle *s, unsigned class, unsigned cpu, uint64_t first, uint64_t last, uint8_t cause,
		    uint64_t filtered)
{
	struct open_frame *f = &s->open[chain_of_class(class)];
	struct slot *o = settle_slot(s, class, cpu);
	struct open_range *p = o->at_frame == f->frame ? &f->v[o->at] : NULL;

	if (p && p->cause == cause && p->r.last + 1 == first) {
		p->r.last = last;
		p->filtered += filtered;
		return 0;
	}
	if (f->n >= FRAME_RANGES_MAX)
		return -ENOSPC;
	o->at = f->n++;
	o->at_frame = f->frame;
	f->v[o->at] = (struct open_range){ { class, cpu, first, last }, cause, NOBODY, filtered };
	return 0;
}

int settle_check(const struct settle *s, unsigned class, unsigned cpu, uint64_t seq)
{
	if (class >= HT_CLASS__MAX || cpu >= s->ncpu)
		return -EINVAL;
	return !seqset_has(&s->slots[class * s->ncpu + cpu].seen, seq);
}

static int settle_one(struct settle *s, unsigned class, unsigned cpu, uint64_t seq, uint64_t filtered)
{
	int r = settle_check(s, class, cpu, seq);

	if (r <= 0)
		return r;
	r = seqset_add(&settle_slot(s, class, cpu)->seen, seq, seq);
	if (r < 0)
		return r;
	r = open_add(s, class, cpu, seq, seq, RECORDED, filtered);
	return r < 0 ? r : 1;
}

int settle_seen(struct settle *s, unsigned class, unsigned cpu, uint64_t seq)
{
	return settle_one(s, class, cpu, seq, 0);
}

int settle_filtered(struct settle *s, unsigned class, unsigned cpu, uint64_t seq)
{
	return settle_one(s, class, cpu, seq, 1);
}

int settle_malformed(struct settle *s, unsigned class, unsigned cpu, uint64_t seq)
{
	struct slot *o = class < HT_CLASS__MAX ? settle_slot(s, class, cpu) : NULL;
	struct lost l = { { class, cpu, seq, seq }, SETTLE_MALFORMED, NOBODY, 0, 0, 0 };
	int r;

	if (!o)
		return -EINVAL;
	if (seqset_has(&o->seen, seq))
		return 0;
	/* A number that the kernel never gave would make everything below it look missing. */
	if (o->limit && seq >= o->limit)
		return -EINVAL;
	r = seqset_add(&o->seen, seq, seq);
	if (r < 0)
		return r;
	r = settle_lost_add(s, &l);
	return r < 0 ? r : 1;
}

static int lose_all_below(struct settle *s, unsigned class, unsigned cpu, uint64_t limit)
{
	struct slot *o = settle_slot(s, class, cpu);
	uint64_t at = o->seen.next;
	struct seq_range gap;
	int r;

	while (seqset_gap(&o->seen, at, limit, &gap)) {
		r = lose(s, class, cpu, gap.first, gap.last);
		if (r < 0)
			return r;
		o->lost_done += gap.last - gap.first + 1;
		at = gap.last + 1;
	}
	o->said_last = o->lost_last;
	o->wait_since = 0;
	return 0;
}

/* True: everything missing below *ret_limit is lost for certain. */
static bool certain(struct slot *o, uint64_t missing, uint64_t now, uint64_t *ret_limit)
{
	*ret_limit = o->limit;
	if (o->comparable && o->lost_done + missing <= o->counted)
		return true;
	if (!o->wait_since) {
		o->wait_since = now;
		o->wait_limit = o->limit;
		return false;
	}
	*ret_limit = o->wait_limit;
	return now - o->wait_since >= (o->comparable ? SETTLE_PATIENCE : SETTLE_GRACE);
}

static int slot_pass_end(struct settle *s, unsigned class, unsigned cpu, uint64_t now)
{
	struct slot *o = settle_slot(s, class, cpu);
	uint64_t missing = seqset_missing(&o->seen, o->limit), limit;

	if (missing) {
		if (o->wait_since && !seqset_missing(&o->seen, o->wait_limit))
			o->wait_since = 0;
		return certain(o, missing, now, &limit) ? lose_all_below(s, class, cpu, limit) : 0;
	}
	o->wait_since = 0;
	if (o->quiet) {			/* everything adds up here: compare from this point on */
		o->lost_done = o->counted;
		memcpy(o->cause_done, o->cause_now, sizeof(o->cause_done));
		o->comparable = true;
	}
	return 0;
}

int settle_pass_end(struct settle *s, uint64_t now)
{
	int r, first = 0;

	for (unsigned class = 0; class < HT_CLASS__MAX; class++)
		for (unsigned cpu = 0; cpu < s->ncpu; cpu++) {
			r = slot_pass_end(s, class, cpu, now);
			if (r < 0 && !first)
				first = r;
		}
	floods_pass_end(s);
	return first;
}

uint64_t settle_unsettled(const struct settle *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < USER_SLOT(s); i++)
		n += seqset_missing(&s->slots[i].seen, s->slots[i].limit);
	return n;
}

int settle_give_up(struct settle *s)
{
	int r, first = 0;

	for (unsigned class = 0; class < HT_CLASS__MAX; class++)
		for (unsigned cpu = 0; cpu < s->ncpu; cpu++) {
			r = lose_all_below(s, class, cpu, settle_slot(s, class, cpu)->limit);
			if (r < 0 && !first)
				first = r;
		}
	return first;
}

uint64_t settle_user_seq(struct settle *s)
{
	struct slot *o = &s->slots[USER_SLOT(s)];
	uint64_t seq = o->seen.next;

	seqset_add(&o->seen, seq, seq);
	/* A frame without a range left still takes the record: class 15 is not counted. */
	open_add(s, HT_CLASS_USER, 0, seq, seq, RECORDED, 0);
	return seq;
}

uint64_t settle_tls_seq(struct settle *s)
{
	struct slot *o = &s->slots[TLS_SLOT(s)];
	uint64_t seq = o->seen.next;

	seqset_add(&o->seen, seq, seq);
	open_add(s, HT_CLASS_TLS, SETTLE_TLS_CPU, seq, seq, RECORDED, 0);
	return seq;
}

void settle_user_ahead(struct settle *s, uint64_t seq)
{
	for (struct slot *o = &s->slots[USER_SLOT(s)]; o <= &s->slots[TLS_SLOT(s)]; o++)
		if (seq > o->seen.next)
			seqset_add(&o->seen, 0, seq - 1);
}

/* ---- losses into frames ---------------------------------------------------- */

bool settle_has_lost(const struct settle *s)
{
	return s->nlost > 0;
}

uint64_t settle_lost_total(const struct settle *s)
{
	uint64_t n = 0;

	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		n += s->lost_total[c];
	return n;
}

uint64_t settle_lost_of(const struct settle *s, unsigned ring_class)
{
	return ring_class < HT_CLASS__MAX ? s->lost_total[ring_class] : 0;
}

static struct settle_report *report_of(struct settle_report *v, unsigned *n, unsigned max, const struct lost *l)
{
	for (unsigned i = 0; i < *n; i++)
		if (v[i].ring_class == l->r.ring_class && v[i].cpu == l->r.cpu && v[i].cause == l->cause && v[i].who == l->who)
			return &v[i];
	if (*n >= max)
		return NULL;
	v[*n] = (struct settle_report){
		.ring_class = l->r.ring_class, .cpu = l->r.cpu, .cause = l->cause,
		.first_seq = l->r.first, .first_time = l->first_time, .who = l->who,
	};
	return &v[(*n)++];
}

unsigned settle_take_lost(struct settle *s, struct settle_report *reports, unsigned max)
{
	struct open_frame *f = &s->open[CHAIN_CONTROL];
	unsigned n = 0, taken = 0;

	/* One range stays for the RecordsLost records themselves. */
	while (taken < s->nlost && f->n + 1 < FRAME_RANGES_MAX) {
		const struct lost *l = &s->lost[taken];
		struct settle_report *p = report_of(reports, &n, max, l);

		if (!p)
			break;
		f->v[f->n++] = (struct open_range){ l->r, l->cause, l->who, l->filtered };
		if (!p->count && l->cause == SETTLE_FLOOD)
			flood_principal(settle_slot(s, l->r.ring_class, l->r.cpu)->flood, l->who, &p->principal);
		p->count += l->r.last - l->r.first + 1 - l->filtered;
		if (l->r.first < p->first_seq)
			p->first_seq = l->r.first;
		if (l->r.last > p->last_seq)
			p->last_seq = l->r.last;
		if (l->last_time > p->last_time)
			p->last_time = l->last_time;
		taken++;
	}
	s->nlost -= taken;
	memmove(s->lost, s->lost + taken, s->nlost * sizeof(*s->lost));
	return n;
}

/* ---- frames -------------------------------------------------------------- */

bool settle_frame_full(const struct settle *s, unsigned chain)
{
	return s->open[chain].n >= FRAME_RANGES_MAX - SETTLE_SPARE;
}

bool settle_frame_empty(const struct settle *s, unsigned chain)
{
	return s->open[chain].n == 0;
}

uint64_t settle_frame_filtered(const struct settle *s, unsigned chain)
{
	const struct open_frame *f = &s->open[chain];
	uint64_t n = 0;

	for (unsigned i = 0; i < f->n; i++)
		n += f->v[i].filtered;
	return n;
}

static int by_place(const void *a, const void *b)
{
	const struct frame_range *x = a, *y = b;

	if (x->ring_class != y->ring_class)
		return x->ring_class < y->ring_class ? -1 : 1;
	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

void settle_frame_ranges(struct settle *s, unsigned chain, struct frame_header *h)
{
	struct open_frame *f = &s->open[chain];
	unsigned n = 0;

	for (unsigned i = 0; i < f->n; i++)
		h->ranges[i] = f->v[i].r;
	qsort(h->ranges, f->n, sizeof(h->ranges[0]), by_place);
	for (unsigned i = 0; i < f->n; i++) {
		struct frame_range *last = n ? &h->ranges[n - 1] : NULL, *r = &h->ranges[i];

		if (last && last->ring_class == r->ring_class && last->cpu == r->cpu && last->last + 1 == r->first)
			last->last = r->last;
		else
			h->ranges[n++] = *r;
	}
	h->nranges = n;
}

static void open_next(struct open_frame *f)
{
	f->n = 0;
	f->frame++;
}

int settle_frame_done(struct settle *s, unsigned chain)
{
	struct open_frame *f = &s->open[chain];
	int r, first = 0;

	for (unsigned i = 0; i < f->n; i++) {
		const struct frame_range *p = &f->v[i].r;
		struct slot *o = settle_slot(s, p->ring_class, p->cpu);

		if (f->v[i].who != NOBODY)
			flood_settled(o->flood, f->v[i].who, p->last - p->first + 1);
		r = seqset_add(&o->disk, p->first, p->last);
		if (r < 0 && !first)
			first = r;
	}
	open_next(f);
	return first;
}

int settle_frame_failed(struct settle *s, unsigned chain)
{
	struct open_frame *f = &s->open[chain];
	int r = 0;

	for (unsigned i = 0; i < f->n && !r; i++) {
		struct lost l = { f->v[i].r, f->v[i].cause == RECORDED ? SETTLE_DISK_FULL : f->v[i].cause, f->v[i].who, 0, 0, f->v[i].filtered };
		uint64_t before;

		if (l.r.ring_class == HT_CLASS_USER)
			continue;
		before = s->lost_total[l.r.ring_class];
		r = settle_lost_add(s, &l);
		if (f->v[i].cause != RECORDED)
			s->lost_total[l.r.ring_class] = before;		/* counted when it was lost */
	}
	open_next(f);
	return r;
}
