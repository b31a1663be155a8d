/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlscalls.h - TLS connections as the kernel tells of them (struct ht_tls), and the API calls on them.
 *
 * Each connection has an http_conn, which is fed its plaintext; when a call has ended, it is described (agent/api) and given
 * away. Whoever made it is the task that handled the first bytes of its request.
 *
 * Privacy: plaintext is here for as long as http_conn needs it, is wiped there, and descriptions are wiped after they were given.
 * Entries are hostile bytes: lengths and order are checked. Bounded: TLSCALLS_CONNS connections, the least recently used one goes.
 * Not thread-safe. Errors: -ENOMEM, and what a callback answers.
 */
#ifndef HOSTTRAIL_TLSCALLS_H
#define HOSTTRAIL_TLSCALLS_H

#include "agent/api/api.h"
#include "bpf/event.h"
#include "tlssocks.h"

#define TLSCALLS_CONNS 8192
#define TLSCALLS_ADDRESS 48

struct tlscalls;

struct tlscalls_who {		/* a task at the time of an entry */
	uint32_t tid, tgid;
	uint64_t start;
	uint32_t gen;		/* 0: its identity could not be told */
};

struct tlscalls_call {
	struct tlscalls_who who;
	const struct api_peer *peer;
	const struct http_call *http;
	const struct api_call *api;
	const struct tlssock *tls;	/* what the handshake said; NULL: it was not seen */
	uint64_t conn;
	uint16_t local_port;
	bool fresh;		/* the connection is known since its handshake */
	uint64_t lost;		/* entries of the connection that were lost while the call lasted */
};

struct tlscalls_ops {
	void *ctx;
	/* Valid during the call only. Not 0: the error is what tlscalls_* answer. */
	int (*call)(void *ctx, const struct tlscalls_call *call);
	/* From now on the kernel need not send these bytes. */
	void (*wanted)(void *ctx, uint64_t conn, const struct ht_tls_wanted *w);
	/* TLS whose plaintext nobody sees. NULL: nobody asks. */
	int (*unobserved)(void *ctx, const struct tlssocks_unobserved *u);
	int (*mapped)(void *ctx, uint32_t tgid);	/* as tlssocks_ops. NULL: not known */
};

int tlscalls_new(const struct tlscalls_ops *ops, struct tlscalls **ret_t);
void tlscalls_free(struct tlscalls **t);	/* NULL-safe; gives nothing */

/* An HT_EV_TLS entry of n bytes. -EBADMSG: it makes no sense, nothing changed. */
int tlscalls_event(struct tlscalls *t, const struct ht_tls *ev, uint32_t n);
/* A process ended or became another program at that boot time: its connections end with the second pass from now, for entries from before
 * may still be in the ring. */
void tlscalls_gone(struct tlscalls *t, uint32_t tgid, uint64_t when);
int tlscalls_pass_end(struct tlscalls *t, uint64_t now);
/* No more entries come: what is open is given as it is. */
int tlscalls_end(struct tlscalls *t, uint64_t when);

/* An address of struct ht_sock as text; "" for what is none. */
void tlscalls_address(uint16_t family, const uint8_t a[16], char text[TLSCALLS_ADDRESS]);

struct tlscalls_stats {
	uint64_t calls, connections, foreign, lost, malformed, evicted, unobserved;
};
const struct tlscalls_stats *tlscalls_stats(const struct tlscalls *t);

#endif
