/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_internal.h - what pipeline.c, pipeline_*.c and own.c share. */
#ifndef HOSTTRAIL_PIPELINE_INTERNAL_H
#define HOSTTRAIL_PIPELINE_INTERNAL_H

#include "cgroups.h"
#include "decode.h"
#include "lib/clock.h"
#include "pipeline.h"
#include "pipeline_tls.h"
#include "proto/sketch.h"
#include "selection.h"

#define PIPELINE_WAITS_MAX 16	/* for names, in a row */

struct pipeline {
	struct pipeline_config config;
	struct pipeline_ops ops;
	struct rings *rings;
	struct settle *settle;
	struct decoder *decoder;
	struct batch *batch[CHAIN__MAX];
	size_t limit[CHAIN__MAX];
	uint64_t opened[CHAIN__MAX];
	uint64_t filtered[CHAIN__MAX];	/* when the open frame settled the first number that is no record; 0: none */
	struct identity_env env;
	struct identity_text text;
	struct ht_idmin minimal;	/* with text: what the identity at hand points into */
	struct idcache *identities;
	struct cgroups *cgroups;
	uint64_t world;			/* grows when a name or an address becomes known */
	struct procfs_self self;
	uint64_t self_serial;
	uint64_t wait_until, wait_next;
	uint32_t wait_for[2];		/* uids whose names are waited for, if wait_name */
	uint32_t wait_session;		/* session whose address is waited for */
	bool wait_name;
	unsigned waits;			/* for names, since before wait_next */
	unsigned at;			/* place in the order of classes, while in a pass */
	bool in_pass, want_epoch;
	struct selection *selection;	/* NULL: whatever was captured is recorded */
	struct sketch *sketch;
	struct pipeline_tls *tls;	/* NULL: no TLS capture */
	struct pipeline_stats stats;
};

/* pipeline_select.c: 1, 0 or -errno (-EBADMSG: the event makes no sense). */
int pipeline_wants(struct pipeline *p, const struct ht_call *ev, uint32_t n);
int take_filtered(struct pipeline *p, unsigned class, const struct ht_event *ev);
void select_pass_began(struct pipeline *p, uint64_t now);
/* Who made the call, as far as it is known. A bit for each of the selectors' fields that may still turn out otherwise. */
uint32_t pipeline_who(struct pipeline *p, const struct ht_call *ev, uint32_t n, struct record_identity *ret_i);

/* pipeline_identity.c. Index of an identity in the batch: of who made the call; of this one; of one that never came. Or -errno. */
int64_t pipeline_identity_for(struct pipeline *p, struct batch *b, const struct ht_call *ev, uint32_t n);
int64_t pipeline_known_identity(struct pipeline *p, struct batch *b, struct ident *id);
int64_t pipeline_unknown_identity(struct pipeline *p, struct batch *b, const struct ht_event *h);
/* Index of the agent's own identity in the batch, or -errno. */
int64_t pipeline_self(struct pipeline *p, struct batch *b);
/* An identity came from the kernel. 1: its names are to be waited for. */
int pipeline_take_identity(struct pipeline *p, const struct ht_event *ev, uint32_t n, uint64_t now);
void pipeline_note(struct pipeline *p, unsigned chain);	/* a record was appended */

#endif
