/* SPDX-License-Identifier: Apache-2.0 */
/* settle_internal.h - what settle.c (a running agent) and settle_state.c (its restart) share. */
#ifndef HOSTTRAIL_SETTLE_INTERNAL_H
#define HOSTTRAIL_SETTLE_INTERNAL_H

#include "seqset.h"
#include "settle.h"

#define RECORDED 0xff
#define USER_SLOT(s) ((s)->ncpu * HT_CLASS__MAX)
#define TLS_SLOT(s) (USER_SLOT(s) + 1)	/* of calls inside TLS: class 3, CPU SETTLE_TLS_CPU */
#define NOBODY (-1)		/* a loss that is no principal's */

struct flood;			/* settle_flood.c */

struct slot {
	struct seqset seen;		/* settled, waiting as lost, or in an open frame */
	struct seqset disk;		/* settled by frames that were appended */
	uint64_t limit, counted;	/* kernel's seq and sum of losses when last observed */
	uint64_t cause_now[HT_CAUSE__MAX], cause_done[HT_CAUSE__MAX];
	uint64_t lost_done;		/* losses of the kernel's counters that are accounted for */
	uint64_t lost_first, lost_last, said_last;	/* times */
	uint64_t wait_since, wait_limit;
	bool comparable;		/* lost_done is exact */
	bool quiet;			/* when observed, nothing was between numbering and ring */
	struct flood *flood;		/* of its ring; NULL: no table */
	unsigned at;			/* this slot's latest range in its chain's open frame */
	uint64_t at_frame;		/* valid for that frame only */
};

struct open_range {
	struct frame_range r;
	uint8_t cause;			/* RECORDED or enum settle_cause */
	int16_t who;			/* SETTLE_FLOOD: slot of the table, or NOBODY */
	uint64_t filtered;		/* of these numbers: nobody selected them; neither records nor lost */
};

struct open_frame {
	struct open_range v[FRAME_RANGES_MAX];
	unsigned n;
	uint64_t frame;			/* counts frames from 1, makes slot.at stale */
};

struct lost {
	struct frame_range r;
	uint8_t cause;
	int16_t who;
	uint64_t first_time, last_time;
	uint64_t filtered;		/* of these numbers; they count as no loss */
};

struct settle {
	unsigned ncpu;
	struct slot *slots;		/* class * ncpu + cpu, then those of numbers that are given here */
	struct open_frame open[CHAIN__MAX];
	struct lost *lost;
	unsigned nlost, lost_cap;
	uint64_t lost_total[HT_CLASS__MAX];
	struct flood *floods;		/* a list */
};

struct slot *settle_slot(struct settle *s, unsigned class, unsigned cpu);	/* NULL: no such one */
int settle_lost_add(struct settle *s, const struct lost *l);

/* ---- settle_flood.c */
/* Before the counters of this CPU are read. */
void flood_observe(struct flood *f, unsigned cpu);
/* Numbers that were cut and are not accounted for yet. */
uint64_t flood_pending(const struct flood *f);
/* Takes at most n of one principal's: how many, 0 if there are none, and its slot. */
uint64_t flood_take(struct flood *f, uint64_t n, int16_t *ret_who);
/* n numbers of a principal are in a frame that was appended. */
void flood_settled(struct flood *f, int16_t who, uint64_t n);
void flood_principal(const struct flood *f, int16_t who, struct settle_principal *ret_p);
void floods_pass_end(struct settle *s);
void floods_free(struct settle *s);

#endif
