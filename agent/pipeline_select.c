// SPDX-License-Identifier: Apache-2.0
/* pipeline_select.c - does a call belong to what the event selectors select? Asked before there is a record of it. */
#include <errno.h>

#include "pipeline_internal.h"

#define PATHS (1u << SELECT_PATH | 1u << SELECT_RESOURCE_ARN)
#define PATIENCE (5 * 1000000000ull)	/* ns from a call's time to when its entry is in the ring: never so long */

int pipeline_select(struct pipeline *p, struct selection *s)
{
	struct selection *oldest = s;
	int r = p->sketch ? 0 : sketch_new(&p->sketch);

	if (r < 0) {
		selection_free(&s);
		return r;
	}
	while (oldest->before)
		oldest = oldest->before;
	oldest->before = p->selection;
	p->selection = s;
	return 0;
}

const struct selection *pipeline_selection(const struct pipeline *p)
{
	return p->selection;
}

void select_pass_began(struct pipeline *p, uint64_t now)
{
	if (p->selection && now > PATIENCE)
		selection_forget(p->selection, now - PATIENCE);
}

/* The record as it would be, shown to the selectors. What is not known of who made it decides nothing, and neither does a path
 * behind which the true one may be hidden. */
static int ask(struct pipeline *p, const struct selectors *s, const struct ht_call *ev, uint32_t n)
{
	struct record_identity id;
	struct select_view v;
	uint32_t unknown = 0;
	int r;

	if (s->uses & SKETCH_OF_IDENTITY)
		unknown = pipeline_who(p, ev, n, &id);
	r = decode_call(p->decoder, ev, n, sketch_batch(p->sketch), 0);
	if (!r)
		r = sketch_view(p->sketch, p->config.host, s->uses & SKETCH_OF_IDENTITY ? &id : NULL, s->uses, &v);
	if (r < 0)
		return r;
	v.known &= ~(unknown | (decoder_path_doubted(p->decoder) ? PATHS : 0));
	return decoder_aimed(p->decoder) || selectors_match(s, &v) != SELECT_NO;
}

int pipeline_wants(struct pipeline *p, const struct ht_call *ev, uint32_t n)
{
	const struct selection *s = p->selection ? selection_at(p->selection, ev->h.time) : NULL;

	if (!s || selection_sure(s, ev->call))
		return 1;
	return ask(p, s->selectors, ev, n);
}

/* Settled by the frame that is open, and nothing else. */
int take_filtered(struct pipeline *p, unsigned class, const struct ht_event *ev)
{
	unsigned chain = chain_of_class(class);
	int r = settle_filtered(p->settle, class, ev->cpu, ev->seq);

	if (r < 0)
		return r;
	p->stats.filtered[class]++;
	if (!p->filtered[chain])
		p->filtered[chain] = clock_boot();
	return 0;
}
