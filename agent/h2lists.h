/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2lists.h - header lists that programs gave their HTTP/2 libraries (HT_TLS_FIELDS), and which list a block on a connection was made of.
 *
 * Nothing says which connection a library's session has. A list is a block's when
 * - it was made by the same process, earlier, for the stream that the block is on, and has as many fields;
 * - every name and value that could be read of the block is in it, at its place (http_block_agrees());
 * - the block's connection has no session yet, the list's session has no connection, and the thread or goroutine that made the list sent the block; and no
 *   other list can be meant, unless it says the same;
 * - then the session is the connection's, and only its lists are. At a second block of which that is so the session is known for good. Until
 *   then it is given up if another connection of the process sends a block that only that list can have been for.
 * An entry of HPACK's table that stands for two things, or a stream of which the session has lists and none agrees, is a contradiction:
 * nothing is told of that connection any more.
 *
 * Ownership: lists are copies, wiped before they are freed. Bounds: H2LISTS_MAX lists, of H2LISTS_BYTES; the oldest one goes. A session of which
 * H2LISTS_WAIT lists found no connection is none of ours: the kernel is told. Not thread-safe. Errors: -ENOMEM, -EBADMSG.
 */
#ifndef HOSTTRAIL_H2LISTS_H
#define HOSTTRAIL_H2LISTS_H

#include "agent/http/http.h"
#include "bpf/event.h"

#define H2LISTS_MAX 4096
#define H2LISTS_BYTES (4u << 20)
#define H2LISTS_WAIT 256
#define H2LISTS_SESSIONS 8192	/* then the oldest one is forgotten */
#define H2LISTS_OLDER 128	/* entries of HPACK's table that are remembered of a connection, as hashes */

struct h2lists;

struct h2lists_where {		/* what sends the block */
	uint64_t conn;
	uint64_t by;		/* thread or goroutine */
	uint32_t tgid;
};

int h2lists_new(struct h2lists **ret_l);
void h2lists_free(struct h2lists **l);	/* NULL-safe */

/* An HT_TLS_FIELDS entry of n bytes. -EBADMSG: it makes no sense. *ret_unwanted: the session's number, if no more of it need come; else 0. */
int h2lists_event(struct h2lists *l, const struct ht_tls *ev, uint32_t n, uint64_t *ret_unwanted);
/* True: that number was a session's, which is gone now. */
bool h2lists_end(struct h2lists *l, uint64_t session);
/* What the block was made of, valid until the next call here; NULL: nobody knows. */
const struct http_part *h2lists_find(struct h2lists *l, const struct h2lists_where *w, const struct http_block *b);
/* Does what was told of the connection hold? */
bool h2lists_holds(const struct h2lists *l, uint64_t conn);
void h2lists_conn_gone(struct h2lists *l, uint64_t conn);
void h2lists_process_gone(struct h2lists *l, uint32_t tgid);

unsigned h2lists_count(const struct h2lists *l);	/* lists that are kept */

#endif
