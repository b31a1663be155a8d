/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ship.h - the sender: from the spool over a link to the store, and what was acknowledged into the cursor.
 *
 * A request carries frames of one chain. Several requests are in flight; on one link they reach the store in the order in which they
 * were made, so frames of a chain arrive in order. Anything unusual (a fault, RETRY, a reply that we do not
 * understand) ends the link; after a pause (exponential, full jitter) everything that was not acknowledged is sent
 * again on a new one. Repeats are harmless, so a crash at any point costs nothing else.
 *
 * The control chain goes first; the others take turns. The cursor is synced at most CURSOR_MS after it moved; when that
 * fails, it goes on in memory and is tried again. Threads: one.
 */
#ifndef HOSTTRAIL_FORWARDER_SHIP_H
#define HOSTTRAIL_FORWARDER_SHIP_H

#include "config.h"
#include "follow.h"
#include "link.h"
#include "proto/json.h"
#include "target.h"

#define CURSOR_MS 200
#define CURSOR_RETRY_MS 1000
#define INFLIGHT_BYTES (32u << 20)

struct ship_counts {
	uint64_t frames_sent, bytes_sent, frames_acked, frames_rejected, retries, connects, failures;
};

struct ship {
	const struct config *config;	/* borrowed */
	struct loop *loop;
	SSL_CTX *tls;			/* borrowed */
	struct follow follow;
	struct targets targets;
	struct link *link;
	char store[300];		/* whom the link is to */
	unsigned requests;		/* in flight */
	size_t bytes;
	struct request *question;	/* for heads; one at a time */
	struct outlet *turn;		/* whose turn it is among data and tls chains */
	unsigned attempts;		/* failures in a row */
	uint64_t retry_at;		/* when to connect; 0: now */
	bool round_ends;		/* the target in use is the last of its round */
	bool news;			/* link went down: clean up after the turn */
	char why[256];			/* why the link went down last; what was logged last */
	struct cursor *cursor;		/* NULL: cannot be opened, retried */
	bool dirty, cursor_failed;
	uint64_t dirty_since, cursor_try;
	struct ship_counts counts;
};

int ship_init(struct ship *s, const struct config *config, struct loop *loop, SSL_CTX *tls);
void ship_close(struct ship *s);	/* syncs the cursor */
/* Does what is due; returns how many ms the loop may wait. */
int ship_tick(struct ship *s);
/* Members of an open JSON object. */
void ship_status(struct ship *s, struct json *j);

#endif
