/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeping.c - what is locked and held over a cluster, and the clock that counts (retention/retention.h): both are texts of the ledger. Who changes them has
 * taken it, so that nobody else does at the same time; who asks has brought its copy up to date. The clock runs on in the store that leads, which
 * writes it down every minute; so another one that takes over is late by that, never early.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster_internal.h"
#include "lease.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "store/retention/retention.h"

#define RULES "retention"
#define CLOCK "retention.clock"
#define SAVE_NS (60 * NS_PER_SEC)

static int save(void *ctx, const char *text, size_t n)
{
	return ledger_text_put(lease_ledger(((struct cluster *)ctx)->lease), RULES, text);
}

int keeping_open(struct cluster *c)
{
	return retention_open_shared(save, c, &c->st->retention);
}

int keeping_refresh(struct cluster *c)
{
	struct ledger *l = lease_ledger(c->lease);
	_cleanup_buf_ struct buf rules = { 0 }, clock = { 0 };
	int r = ledger_text(l, RULES, &rules);

	if (!r)
		r = ledger_text(l, CLOCK, &clock);
	if (!r && (rules.failed || clock.failed))
		r = -ENOMEM;
	return r ? r : retention_take(c->st->retention, buf_text(&rules), rules.n, strtoll(buf_text(&clock), NULL, 10));
}

void keeping_tick(struct cluster *c, uint64_t *saved)
{
	uint64_t now = clock_boot();
	bool leads = lease_leads(c->lease);
	char text[32];
	int r;

	/* before it runs: from where the one before has left it */
	r = leads && !*saved ? keeping_refresh(c) : 0;
	if (!r)
		retention_lead(c->st->retention, leads);
	if (!leads || r < 0) {
		*saved = 0;
		return;
	}
	retention_tick(c->st->retention);
	if (*saved && now - *saved < SAVE_NS)
		return;
	snprintf(text, sizeof(text), "%" PRId64, retention_now(c->st->retention));
	r = ledger_text_put(lease_ledger(c->lease), CLOCK, text);
	*saved = now;
	if (r < 0)
		log_limited(LOG_LEVEL_WARN, r, "clickhouse: the clock of retention cannot be written down");
}
