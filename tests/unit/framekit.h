/* SPDX-License-Identifier: Apache-2.0 */
/*
 * framekit.h - bpf/tls_frames.bpf.h between the calls of a TLS library and an http_conn: what the kernel side sends, and the reader makes
 * of it, with no ring between them. Bodies are left out as soon as the parser says that nobody wants them, and where `pressed` says so.
 */
#ifndef HOSTTRAIL_TESTS_FRAMEKIT_H
#define HOSTTRAIL_TESTS_FRAMEKIT_H

#include <stdlib.h>
#include <string.h>

#include "agent/http/http.h"
#include "bpf/event.h"

#undef __always_inline
#define __always_inline inline __attribute__((unused))
#define barrier_var(x) asm volatile("" : "+r"(x))

static inline int bpf_probe_read_user(void *to, uint32_t n, const void *from)
{
	memcpy(to, from, n);
	return 0;
}

#include "bpf/tls_frames.bpf.h"

struct framed {
	struct tls_frames frames[2];
	uint64_t off[2];	/* the kernel's */
	uint64_t read[2];	/* the reader's */
	struct ht_tls_wanted wanted;
	bool pressed;
	uint64_t pieces, bytes;	/* what was sent */
};

/* As tlscalls.c does. */
static inline void framed_told(struct framed *k, struct http_conn *c)
{
	for (unsigned dir = 0; dir < 2; dir++) {
		uint32_t streams = http_conn_unwanted_streams(c, (enum http_dir)dir);
		uint64_t n = http_conn_unwanted(c, (enum http_dir)dir);

		if (streams > k->wanted.streams[dir])
			k->wanted.streams[dir] = streams;
		if (n)
			k->wanted.until[dir] = n == UINT64_MAX ? n : k->read[dir] + n;
	}
}

/* `captured` bytes of the n at `off`, behind held ones. */
static inline void framed_piece(struct framed *k, struct http_conn *c, enum http_dir dir, uint64_t off, const void *p, uint64_t n, uint64_t captured)
{
	const struct tls_frames *f = &k->frames[dir];
	void *copy = malloc(captured + 1);	/* of its own: reading beyond it is seen by ASan */
	int r = 0;

	if (captured)
		memcpy(copy, p, captured);
	if (off - f->held > k->read[dir])
		r |= http_conn_skip(c, dir, 1, off - f->held - k->read[dir]);
	if (f->held)
		r |= http_conn_frames(c, dir, 1, f->held, f->body);
	r |= http_conn_feed(c, dir, 1, copy, captured);
	if (n > captured)
		r |= http_conn_skip(c, dir, 1, n - captured);
	free(copy);
	if (r)
		abort();
	k->read[dir] = off + n;
	k->pieces++;
	k->bytes += captured;
	framed_told(k, c);
}

/* As tls_step(). lost: nothing of it arrives. */
static inline void framed_call(struct framed *k, struct http_conn *c, enum http_dir dir, const void *bytes, size_t n, bool lost)
{
	struct tls_frames *f = &k->frames[dir], *other = &k->frames[!dir];
	struct tls_piece p = { .buf = (uintptr_t)bytes, .n = n, .off = k->off[dir], .until = k->wanted.until[dir], .streams = k->wanted.streams[dir], .pressed = k->pressed };

	if (!n)
		return;
	k->off[dir] += n;
	if (!p.off && n >= 8)
		tls_frames_first(f, other, bytes, false);
	if (!f->followed)
		tls_frames_end(f, &p);
	for (;;) {
		uint64_t left, here;

		if (tls_frames_open(&p)) {
			tls_frame_step(f, other, &p);
			if (p.at >= p.loud && p.seen >= p.n)
				break;
			continue;
		}
		left = p.loud - p.at;
		here = p.off + p.at;
		if (here < p.until && p.until - here > left) {
			p.at = p.loud;
		} else {
			left = here < p.until ? p.until - here : left;
			if (lost)
				tls_frames_lost(f);
			else
				framed_piece(k, c, dir, here, (const char *)bytes + p.at, left, here < p.until || p.at > p.plain ? 0 : p.plain - p.at);
			tls_frames_told(f);
			p.at += left;
		}
		if (tls_frames_on(&p))
			break;
	}
}

/* As tls_say_end(). */
static inline void framed_end(struct framed *k, struct http_conn *c)
{
	for (unsigned dir = 0; dir < 2; dir++) {
		struct tls_frames *f = &k->frames[dir];
		uint32_t rest = f->held && f->quiet ? f->left : 0;

		f->held -= rest;
		f->body -= rest && f->head[3] == TLS_H2_DATA ? rest : 0;
		if (f->held)
			framed_piece(k, c, (enum http_dir)dir, k->off[dir], "", 0, 0);
		else if (k->off[dir] > k->read[dir])
			http_conn_skip(c, (enum http_dir)dir, 1, k->off[dir] - k->read[dir]);
	}
}

#endif
