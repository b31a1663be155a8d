/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlssocks.h - sockets on which TLS is spoken, by their inode numbers: what their handshakes said, and whether anybody saw what
 * flowed behind them.
 *
 * Fed with the entries HT_TLS_HELLO, HT_TLS_FLOWED and HT_TLS_OPTED_OUT, which come whatever library or program speaks TLS there. A socket with
 * data whose plaintext nobody has seen TLSSOCKS_PATIENCE later, or when its process ends, is given to `unobserved`, once; one of who opted out at once, with nothing of its handshake.
 *
 * Entries are hostile bytes. Bounded: TLSSOCKS_MAX sockets, the oldest goes; TLSSOCKS_OPEN handshakes at a time of which not all is
 * known. Not thread-safe.
 */
#ifndef HOSTTRAIL_TLSSOCKS_H
#define HOSTTRAIL_TLSSOCKS_H

#include <stdbool.h>

#include "agent/tls/hello.h"
#include "bpf/event.h"

#define TLSSOCKS_MAX 8192
#define TLSSOCKS_OPEN 128
#define TLSSOCKS_PATIENCE 3000000000ull	/* ns */

struct tlssock {
	uint16_t version, cipher;	/* as the server chose; 0: not known */
	bool asked, answered;		/* a ClientHello, a ServerHello was seen */
	bool server;			/* our side got the ClientHello */
	const char *name;		/* SNI, or "" */
};

struct tlssocks_unobserved {
	const struct tlssock *tls;
	const struct ht_sock *sock;
	int mapped;			/* as of when data flowed; see tlssocks_ops */
	enum ht_optout optout;		/* whose wish it is; NONE: nobody's */
	uint32_t tid, tgid, gen;	/* the task whose call showed it */
	uint64_t start, time;
};

struct tlssocks_ops {
	void *ctx;
	/* Has plaintext been seen in that process that has no socket yet? Then it may be this one's. */
	bool (*maybe)(void *ctx, uint32_t tgid);
	/* Does the process have a library known for TLS? 1, 0, negative: not known. NULL: nobody knows. */
	int (*mapped)(void *ctx, uint32_t tgid);
	int (*unobserved)(void *ctx, const struct tlssocks_unobserved *u);	/* not 0: the error is what tlssocks_* answer */
};

struct tlssocks;

int tlssocks_new(const struct tlssocks_ops *ops, struct tlssocks **ret_t);
void tlssocks_free(struct tlssocks **t);	/* NULL-safe; gives nothing */

/* An entry of these kinds, of n bytes. -EBADMSG: it makes no sense. */
int tlssocks_event(struct tlssocks *t, const struct ht_tls *ev, uint32_t n);
/* A library's connection has this socket, so what flows there is seen. */
void tlssocks_seen(struct tlssocks *t, uint64_t ino);
/* NULL: nothing is known of its handshake. Valid until the next call. */
const struct tlssock *tlssocks_find(struct tlssocks *t, uint64_t ino);
/* The process has ended. */
void tlssocks_gone(struct tlssocks *t, uint32_t tgid);
/* Gives those whose time has come. all: every one. */
int tlssocks_due(struct tlssocks *t, uint64_t now, bool all);

#endif
