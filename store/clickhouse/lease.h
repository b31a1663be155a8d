/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.h - which store delivers: one at a time, and what it remembers (delivery/ledger.h) is kept in the cluster.
 *
 *   TABLE_LEDGER, one partition an epoch     claim    a store wants the ledger; the highest epoch has it
 *                                            image    all of the ledger, as the epoch begins
 *                                            entry    one transaction, numbered from 1
 *                                            beat     it is alive;  end: it goes, and another may take over at once
 *
 * Whoever writes looks for a higher claim afterwards, and whoever claims reads afterwards, both at the server that they wrote to,
 * when it has all that ZooKeeper has ordered before. So of a claim and an entry at the same time, either the entry's store sees the
 * claim, and takes the entry for not written, or the claim's store sees the entry, and goes on behind it. No clock decides
 * anything; time only says when to try.
 *
 * Threads: one of its own; lease_take() and lease_refresh() by any; cluster_ship() with the ledger locked.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_LEASE_H
#define HOSTTRAIL_STORE_CLICKHOUSE_LEASE_H

#include "cluster_internal.h"
#include "store/delivery/deliver.h"

struct lease;

void lease_free(struct lease **z);		/* after cluster_deliver_end() and cluster_stop(); NULL-safe */
/* This store's copy of the ledger is as the cluster has it. */
int lease_refresh(struct lease *z, char why[CH_WHY_MAX]);
/* This store delivers, and what it has not arranged yet is (arrange.c): places are behind all that is acknowledged and seen. */
int lease_take(struct lease *z, char why[CH_WHY_MAX]);
/* The definitions of event data stores, as they are in the cluster now or later. By the link of who asks: what this store arranges is not waited for. -EAGAIN: another
 * thread takes the ledger, try again. */
int lease_definitions(struct lease *z, struct ch_link *l, definition_fn fn, void *ctx, char why[CH_WHY_MAX]);
struct ledger *lease_ledger(struct lease *z);
bool lease_leads(struct lease *z);		/* as far as it knows */
struct delivery *lease_delivery(struct lease *z);
struct lease_counts {
	bool leads;
	uint64_t takeovers, arranged;	/* frames */
};
void lease_counts(struct lease *z, struct lease_counts *ret);

/* ---- arrange.c: frames that are in no order yet are put into the ledger's */
struct arranging {
	struct cluster *c;
	struct ledger *ledger;
	const bool *stop;		/* atomic */
	struct ch_link link;
	struct known_key *keys;		/* frames of the last hour */
	uint64_t whole_at, trimmed_at;	/* boot-time ns */
	uint64_t frames;
};
/* Of what the ledger has now. */
int arrange_begin(struct arranging *a);
int arrange(struct arranging *a, struct delivery *d, char why[CH_WHY_MAX]);
void arrange_clear(struct arranging *a);

#endif
