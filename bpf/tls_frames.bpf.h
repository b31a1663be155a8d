/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * tls_frames.bpf.h - the frames of HTTP/2 in what a TLS library moves: which bytes go to the reader, and which are left out.
 *
 * A direction that is known from its first byte is followed from frame to frame, for a frame's length says where the next one begins. Left out are, of DATA
 * that nobody wants, the payload, and where the frame before was DATA of the same stream the header, too; and, on their own, frames that say nothing of
 * calls (PING, WINDOW_UPDATE). How many bytes of whole frames went by so, and how many of them are DATA, is told with the next bytes that are sent (`held`
 * and `body` of struct ht_tls). Whatever cannot be read, or has no end, ends the following: then all is sent. Played through by
 * tests/unit/test_http2.c, over the same code.
 */
#ifndef HOSTTRAIL_TLS_FRAMES_BPF_H
#define HOSTTRAIL_TLS_FRAMES_BPF_H

#define TLS_HELD_FROM (128 << 10)	/* where the ring is pressed: bytes of a body that go out all the same */
#define TLS_ASK_FROM 1024		/* bytes from which on it is worth asking what is wanted */
#define TLS_HELD_MAX (1u << 30)

#define TLS_H2_PREFACE 24
#define TLS_H2_HEAD 9
enum { TLS_H2_DATA = 0, TLS_H2_HEADERS = 1, TLS_H2_PING = 6, TLS_H2_WINDOW_UPDATE = 8 };
enum { TLS_H2_END_STREAM = 1, TLS_H2_PADDED = 8 };

struct tls_frames {		/* a direction */
	__u32 left;		/* bytes of the frame at hand that are still to come */
	__u32 stream;		/* the last frame whose header was sent is DATA of it, and not the last of the stream; else 0 */
	__u32 held, body;	/* bytes of frames of which nothing was sent, since the last that were; and their DATA */
	__u32 run;		/* bytes of DATA that were sent since the last HEADERS */
	__u8 followed;
	__u8 quiet;		/* the frame's payload is not sent */
	__u8 have;		/* bytes of the next header */
	__u8 head[TLS_H2_HEAD + 16];	/* the verifier does not know how far it is filled */
};

/* What a call gave or took. Lies in the task's storage: on the stack there is no room, and the verifier would know too much of it. */
struct tls_piece {
	__u64 buf;		/* 0: there is none to read */
	__u64 n, off;		/* bytes; where in the stream they begin */
	__u64 at, plain, loud, seen;	/* of the n: sent up to here; to be sent up to here, from `plain` on by their number alone; looked at up to here */
	__u64 until;		/* in the stream: not wanted before that */
	__u64 sent;
	__u64 lost;		/* of the other direction */
	__u64 slice;		/* the bytes lie in slices: where the next struct iovec is; 0: no, or no more are looked at */
	__u64 iov[2];		/* the slice at hand, */
	__u64 slice_end;	/* which the n bytes have up to here */
	__u32 streams;		/* DATA on odd ones up to this is not wanted */
	__u32 gen;
	__u32 cut;		/* what flood_cut() said: nothing is sent */
	__u16 dir, put;		/* put: what went into the ring, in words of 8 bytes */
	__u8 ready;		/* what is to be sent ends here, for now */
	__u8 pressed;		/* the ring is */
	__u8 gone;		/* something was cut */
	__u8 slices;		/* so many more are looked at; what lies behind them goes by its number */
	__u8 pad[4];
};

#define WORD(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

static __always_inline bool tls_looks_preface(const __u8 b[8])
{
	return WORD(b[0], b[1], b[2], b[3]) == WORD('P', 'R', 'I', ' ') && WORD(b[4], b[5], b[6], b[7]) == WORD('*', ' ', 'H', 'T');
}

/* On stream 0. */
static __always_inline bool tls_looks_settings(const __u8 b[8])
{
	return !b[0] && b[3] == 4 && !(b[4] & ~1) && !b[5] && !b[6] && !b[7];
}

/* The first bytes of a direction: followed is a preface, and SETTINGS where they must be the server's first frame. */
static __always_inline void tls_frames_first(struct tls_frames *f, const struct tls_frames *other, const __u8 b[8], bool fresh)
{
	bool preface = tls_looks_preface(b);

	if (!preface && (!tls_looks_settings(b) || !(fresh || other->followed)))
		return;
	f->left = preface ? TLS_H2_PREFACE : 0;
	f->followed = 1;
}

/* From here on all is sent. */
static __always_inline void tls_frames_end(struct tls_frames *f, struct tls_piece *p)
{
	f->followed = 0;
	p->plain = p->loud = p->seen = p->n;
}

static __always_inline bool tls_data_unwanted(const struct tls_frames *f, const struct tls_piece *p, __u32 stream, __u32 flags)
{
	if (!(stream & 1) || (flags & TLS_H2_PADDED))
		return false;
	return stream <= p->streams || (p->pressed && f->run >= TLS_HELD_FROM);
}

/* f->head is complete; split: some of it was sent by the call before. True: nothing of the frame is sent. */
static __always_inline bool tls_frame_begin(struct tls_frames *f, const struct tls_frames *other, const struct tls_piece *p, bool split)
{
	__u32 length = (__u32)f->head[0] << 16 | (__u32)f->head[1] << 8 | f->head[2];
	__u32 type = f->head[3], flags = f->head[4];
	__u32 stream = ((__u32)f->head[5] << 24 | (__u32)f->head[6] << 16 | (__u32)f->head[7] << 8 | f->head[8]) & 0x7fffffff;
	bool alone = p->loud == p->at && !split, data = type == TLS_H2_DATA, goes_on = data && !(flags & TLS_H2_END_STREAM);

	f->left = length;
	if (data)	/* between others it is not worth an entry more */
		f->quiet = (alone || length >= TLS_ASK_FROM) && tls_data_unwanted(f, p, stream, flags);
	else
		f->quiet = alone && other->followed && (type == TLS_H2_PING || type == TLS_H2_WINDOW_UPDATE);
	if (f->quiet && alone && (!data || (goes_on && stream == f->stream)) && f->held < TLS_HELD_MAX) {
		f->held += TLS_H2_HEAD + length;
		f->body += data ? length : 0;
		return true;
	}
	f->stream = goes_on ? stream : 0;
	if (type == TLS_H2_HEADERS)
		f->run = 0;
	else if (data && !f->quiet && f->run < TLS_HELD_FROM)
		f->run += length;
	return false;
}

/* Looks at the frame at p->seen: its header, or what more there is of it. */
static __always_inline void tls_frame_step(struct tls_frames *f, const struct tls_frames *other, struct tls_piece *p)
{
	__u64 left = p->n - p->seen, n;
	__u32 have = f->have & 15;

	if (!f->left) {
		if (have >= TLS_H2_HEAD) {	/* never: for the verifier */
			tls_frames_end(f, p);
			return;
		}
		n = TLS_H2_HEAD - have;
		if (n > left)
			n = left;
		barrier_var(n);		/* the compiler knows what the mask says, 6.1 does not */
		n &= 15;
		if (bpf_probe_read_user(&f->head[have], n, (void *)(p->buf + p->seen))) {
			tls_frames_end(f, p);
			return;
		}
		p->seen += n;
		left -= n;
		f->have = have + n;
		if (f->have < TLS_H2_HEAD) {	/* the call ends here */
			p->plain = p->loud = p->seen;
			return;
		}
		f->have = 0;
		if (tls_frame_begin(f, other, p, have))
			p->at = p->seen;
		p->plain = p->loud = p->seen;
	}
	n = f->left < left ? f->left : left;
	f->left -= n;
	p->seen += n;
	if (!f->quiet)
		p->plain = p->loud = p->seen;
	else if (!f->left && f->head[3] == TLS_H2_DATA && (f->head[4] & TLS_H2_END_STREAM))
		p->loud = p->seen;	/* else the stream would end when the next frame comes */
	else if (p->loud == p->at)
		p->at = p->plain = p->loud = p->seen;
	p->ready = p->loud > p->at && f->quiet;
}

/* What was sent, or is not sent any more, is done with. True: so is the call. */
static __always_inline bool tls_frames_on(struct tls_piece *p)
{
	if (p->at < p->loud)
		return false;
	p->at = p->plain = p->loud = p->seen;
	p->ready = 0;
	return p->seen >= p->n;
}

/* The next bytes to be sent, p->at to p->loud, are not known yet: look further. */
static __always_inline bool tls_frames_open(const struct tls_piece *p)
{
	return p->seen < p->n && !p->ready;
}

/* The reader has been told what was held back, or will see that something is lost. */
static __always_inline void tls_frames_told(struct tls_frames *f)
{
	f->held = f->body = 0;
}

static __always_inline void tls_frames_lost(struct tls_frames *f)
{
	tls_frames_told(f);
	f->stream = 0;
}

#endif
