/* SPDX-License-Identifier: Apache-2.0 */
/* tlspiece.h - entries of TLS connections, as bpf/tls.bpf.h makes them, for tests. */
#ifndef HOSTTRAIL_TESTS_TLSPIECE_H
#define HOSTTRAIL_TESTS_TLSPIECE_H

#include <string.h>
#include <sys/socket.h>

#include "bpf/event.h"

struct piece {
	struct ht_tls e;
	union {
		uint8_t bytes[HT_TLS_CHUNK];
		struct ht_sock sock;
	} u;
};

struct piece_conn {		/* one connection, as the kernel keeps it */
	uint64_t id, seq, off[2], lost[2], time;
	uint32_t tid, tgid, gen;
};

static inline uint32_t piece_begin(struct piece *p, struct piece_conn *c, enum ht_tls_what what, uint32_t more)
{
	memset(&p->e, 0, sizeof(p->e));
	p->e.h = (struct ht_event){ .kind = HT_EV_TLS, .class = HT_CLASS_TLS, .len = (uint32_t)sizeof(p->e) + more, .seq = c->seq++,
				    .time = ++c->time, .tid = c->tid, .tgid = c->tgid, .start = c->tid, .gen = c->gen };
	p->e.conn = c->id;
	p->e.what = what;
	p->e.fresh = 1;
	p->e.by = c->tid;
	return p->e.h.len;
}

/* `captured` bytes of text that stand for `full`. Length of the entry. */
static inline uint32_t piece_data(struct piece *p, struct piece_conn *c, enum ht_tls_dir dir, const void *text, uint32_t captured, uint64_t full)
{
	uint32_t n = piece_begin(p, c, HT_TLS_DATA, captured);

	p->e.dir = dir;
	p->e.offset = c->off[dir];
	p->e.full = full;
	p->e.captured = captured;
	p->e.lost = c->lost[!dir];
	memcpy(p->u.bytes, text, captured);
	c->off[dir] += full;
	return n;
}

static inline uint32_t piece_text(struct piece *p, struct piece_conn *c, enum ht_tls_dir dir, const char *text)
{
	return piece_data(p, c, dir, text, (uint32_t)strlen(text), strlen(text));
}

/* What was made last is not given: it was lost. */
static inline void piece_lost(const struct piece *p, struct piece_conn *c)
{
	c->lost[p->e.dir] = p->e.offset + p->e.full;
}

static inline uint32_t piece_socket(struct piece *p, struct piece_conn *c, uint16_t sport, uint16_t dport)
{
	uint32_t n = piece_begin(p, c, HT_TLS_SOCKET, sizeof(p->u.sock));

	p->u.sock = (struct ht_sock){ .family = AF_INET, .type = SOCK_STREAM, .sport = sport, .dport = dport,
				      .saddr = { 10, 0, 0, 1 }, .daddr = { 192, 0, 2, 7 }, .ino = 5 };
	return n;
}

static inline uint32_t piece_end(struct piece *p, struct piece_conn *c)
{
	uint32_t n = piece_begin(p, c, HT_TLS_END, 0);

	p->e.offset = c->off[HT_TLS_SENT];
	p->e.full = c->off[HT_TLS_RECEIVED];
	return n;
}

#endif
