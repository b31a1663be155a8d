/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c - frame format version 1 by accessors; the drawing stands in frame.h. */
#include "frame.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "keys.h"
#include "lib/cleanup.h"
#include "lib/le.h"

#define MAGIC "HTF1"
#define VERSION 1
#define LEVEL 1
#define SIGNATURE 64

/* Offsets of the fixed header. */
enum {
	AT_MAGIC = 0,
	AT_HEADER_LEN = 4,
	AT_VERSION = 6,
	AT_CHAIN = 8,
	AT_KIND = 9,
	AT_FLAGS = 10,
	AT_STREAM = 12,
	AT_NUMBER = 28,
	AT_PREVIOUS = 36,
	AT_PAYLOAD_HASH = 68,
	AT_RECORDS = 100,
	AT_PAYLOAD_LEN = 104,
	AT_RAW_LEN = 108,
	AT_FIRST_TIME = 112,
	AT_LAST_TIME = 120,
	AT_WALL_OFFSET = 128,
	AT_NRANGES = 136,
};

_Static_assert(AT_NRANGES + 2 == FRAME_FIXED, "fixed header");
_Static_assert(FRAME_FIXED + FRAME_RANGES_MAX * FRAME_RANGE + FRAME_TRAILER <= FRAME_HEADER_MAX, "ranges");

enum chain chain_of_class(unsigned ring_class)
{
	switch (ring_class) {
	case 2:
		return CHAIN_DATA;
	case 3:
		return CHAIN_TLS;
	default:
		return CHAIN_CONTROL;
	}
}

const char *chain_name(unsigned chain)
{
	static const char *const names[CHAIN__MAX] = { "control", "data", "tls" };

	return chain < CHAIN__MAX ? names[chain] : NULL;
}

/* ---- compression contexts: one a thread, kept, freed with the thread */

struct contexts {
	ZSTD_CCtx *c;
	ZSTD_DCtx *d;
};

static pthread_key_t contexts_key;
static pthread_once_t contexts_once = PTHREAD_ONCE_INIT;
static _Thread_local struct contexts *contexts;
static int contexts_error;

static void contexts_free(void *p)
{
	struct contexts *x = p;

	ZSTD_freeCCtx(x->c);
	ZSTD_freeDCtx(x->d);
	free(x);
}

static void contexts_key_make(void)
{
	contexts_error = -pthread_key_create(&contexts_key, contexts_free);
}

static struct contexts *contexts_get(void)
{
	struct contexts *x = contexts;

	if (x)
		return x;
	pthread_once(&contexts_once, contexts_key_make);
	x = contexts_error ? NULL : calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->c = ZSTD_createCCtx();
	x->d = ZSTD_createDCtx();
	if (!x->c || !x->d || pthread_setspecific(contexts_key, x)) {
		contexts_free(x);
		return NULL;
	}
	contexts = x;
	return x;
}

/* ---- building */

static void header_write(const struct frame_header *h, uint8_t *p)
{
	memcpy(p + AT_MAGIC, MAGIC, 4);
	put16(p + AT_HEADER_LEN, h->header_len);
	put16(p + AT_VERSION, VERSION);
	p[AT_CHAIN] = h->chain;
	p[AT_KIND] = h->kind;
	put16(p + AT_FLAGS, h->flags);
	memcpy(p + AT_STREAM, h->stream, 16);
	put64(p + AT_NUMBER, h->number);
	memcpy(p + AT_PREVIOUS, h->previous, 32);
	memcpy(p + AT_PAYLOAD_HASH, h->payload_sha256, 32);
	put32(p + AT_RECORDS, h->records);
	put32(p + AT_PAYLOAD_LEN, h->payload_len);
	put32(p + AT_RAW_LEN, h->raw_len);
	put64(p + AT_FIRST_TIME, h->first_time);
	put64(p + AT_LAST_TIME, h->last_time);
	put64(p + AT_WALL_OFFSET, (uint64_t)h->wall_offset);
	put16(p + AT_NRANGES, h->nranges);
	p += FRAME_FIXED;
	for (unsigned i = 0; i < h->nranges; i++, p += FRAME_RANGE) {
		p[0] = h->ranges[i].ring_class;
		put16(p + 1, h->ranges[i].cpu);
		put64(p + 3, h->ranges[i].first);
		put64(p + 11, h->ranges[i].last);
	}
}

/* Everything before the signature. */
static size_t signed_len(const struct frame_header *h)
{
	return FRAME_FIXED + (size_t)h->nranges * FRAME_RANGE;
}

static bool header_sane(const struct frame_header *h)
{
	return h->chain < CHAIN__MAX && h->kind <= FRAME_TOMBSTONE && h->flags == 0 && h->nranges <= FRAME_RANGES_MAX;
}

static int compress(const void *raw, size_t raw_len, struct buf *out, size_t *ret_n)
{
	struct contexts *x = contexts_get();
	size_t n;
	int r;

	if (!x)
		return -ENOMEM;
	r = buf_reserve(out, ZSTD_compressBound(raw_len));
	if (r < 0)
		return r;
	n = ZSTD_compressCCtx(x->c, out->p + out->n, out->cap - out->n, raw, raw_len, LEVEL);
	if (ZSTD_isError(n))
		return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
	if (n > FRAME_PAYLOAD_MAX)
		return -E2BIG;
	*ret_n = n;
	return 0;
}

static int build(struct frame_header *h, const void *raw, size_t raw_len, frame_sign_fn sign, void *ctx, struct buf *out)
{
	size_t start = out->n, payload, head = signed_len(h);
	uint8_t *p;
	int r;

	r = buf_reserve(out, head + FRAME_TRAILER);
	if (r < 0)
		return r;
	out->n += head + FRAME_TRAILER;
	r = compress(raw, raw_len, out, &payload);
	if (r < 0)
		return r;
	out->n += payload;
	p = out->p + start;
	h->header_len = (uint16_t)(head + FRAME_TRAILER);
	h->payload_len = (uint32_t)payload;
	h->raw_len = (uint32_t)raw_len;
	sha256(p + h->header_len, payload, h->payload_sha256);
	header_write(h, p);
	r = sign(ctx, p, head, p + head);
	if (r < 0)
		return r;
	put32(p + head + SIGNATURE, crc32c(crc32c(0, p, head + SIGNATURE), p + h->header_len, payload));
	return 0;
}

int frame_build(struct frame_header *h, const void *raw, size_t raw_len, frame_sign_fn sign, void *ctx,
		struct buf *out, uint8_t ret_hash[32])
{
	size_t start = out->n;
	bool failed = out->failed;
	int r;

	if (!header_sane(h))
		return -EINVAL;
	if (raw_len > FRAME_RAW_MAX)
		return -E2BIG;
	r = build(h, raw, raw_len, sign, ctx, out);
	if (r < 0) {
		out->n = start;
		out->failed = failed;
		return r;
	}
	frame_hash(out->p + start, h, ret_hash);
	return 0;
}

/* ---- reading hostile bytes */

static void header_read(const uint8_t *p, struct frame_header *h)
{
	h->header_len = get16(p + AT_HEADER_LEN);
	h->chain = p[AT_CHAIN];
	h->kind = p[AT_KIND];
	h->flags = get16(p + AT_FLAGS);
	memcpy(h->stream, p + AT_STREAM, 16);
	h->number = get64(p + AT_NUMBER);
	memcpy(h->previous, p + AT_PREVIOUS, 32);
	memcpy(h->payload_sha256, p + AT_PAYLOAD_HASH, 32);
	h->records = get32(p + AT_RECORDS);
	h->payload_len = get32(p + AT_PAYLOAD_LEN);
	h->raw_len = get32(p + AT_RAW_LEN);
	h->first_time = get64(p + AT_FIRST_TIME);
	h->last_time = get64(p + AT_LAST_TIME);
	h->wall_offset = (int64_t)get64(p + AT_WALL_OFFSET);
	h->nranges = get16(p + AT_NRANGES);
}

/* The front of the header tells a stranger early: -EBADMSG as soon as that is sure. */
static int front_check(const uint8_t *p, size_t n)
{
	size_t len;

	if (memcmp(p, MAGIC, n < 4 ? n : 4))
		return -EBADMSG;
	if (n < AT_CHAIN)
		return -EAGAIN;
	len = get16(p + AT_HEADER_LEN);
	if (get16(p + AT_VERSION) != VERSION || len < FRAME_MIN || len > FRAME_HEADER_MAX)
		return -EBADMSG;
	if (n >= FRAME_FIXED && len != FRAME_MIN + (size_t)get16(p + AT_NRANGES) * FRAME_RANGE)
		return -EBADMSG;
	return n < len ? -EAGAIN : 0;
}

static int ranges_read(const uint8_t *p, struct frame_header *h)
{
	for (unsigned i = 0; i < h->nranges; i++, p += FRAME_RANGE) {
		struct frame_range *g = &h->ranges[i];

		g->ring_class = p[0];
		g->cpu = get16(p + 1);
		g->first = get64(p + 3);
		g->last = get64(p + 11);
		if (g->first > g->last)
			return -EBADMSG;
	}
	return 0;
}

int frame_peek(const void *p, size_t n, struct frame_header *ret_h, size_t *ret_total)
{
	int r = front_check(p, n);

	if (r < 0)
		return r;
	header_read(p, ret_h);
	if (!header_sane(ret_h) || ret_h->payload_len > FRAME_PAYLOAD_MAX || ret_h->raw_len > FRAME_RAW_MAX)
		return -EBADMSG;
	r = ranges_read((const uint8_t *)p + FRAME_FIXED, ret_h);
	if (r < 0)
		return r;
	*ret_total = (size_t)ret_h->header_len + ret_h->payload_len;
	return 0;
}

/* It is all there: structure. */
static int frame_whole(const void *frame, size_t n, struct frame_header *ret_h, const char **ret_why)
{
	size_t total;
	int r = frame_peek(frame, n, ret_h, &total);

	*ret_why = r == -EAGAIN ? "frame is cut short" : "not a frame, or over a limit";
	if (r < 0)
		return r;
	*ret_why = "frame is cut short";
	return n < total ? -EAGAIN : 0;
}

static int checksum(const uint8_t *p, const struct frame_header *h, const char **ret_why)
{
	size_t covered = h->header_len - 4u;
	bool same = crc32c(crc32c(0, p, covered), p + h->header_len, h->payload_len) == get32(p + covered);

	*ret_why = same ? NULL : "frame's checksum is wrong";
	return same ? 0 : -EBADMSG;
}

int frame_intact(const void *frame, size_t n, struct frame_header *ret_h, const char **ret_why)
{
	int r = frame_whole(frame, n, ret_h, ret_why);

	return r < 0 ? r : checksum(frame, ret_h, ret_why);
}

int frame_check(const void *frame, size_t n, struct frame_header *ret_h, const char **ret_why)
{
	const uint8_t *p = frame;
	uint8_t hash[32];
	int r = frame_whole(frame, n, ret_h, ret_why);

	if (r < 0)
		return r;
	/* the hash first: it waits least for memory that no cache has, and the checksum finds it there then */
	sha256(p + ret_h->header_len, ret_h->payload_len, hash);
	r = checksum(p, ret_h, ret_why);
	if (r < 0 || !memcmp(hash, ret_h->payload_sha256, 32))
		return r;
	*ret_why = "payload is not the one that the header names";
	return -EBADMSG;
}

int frame_verify(const void *p, const struct frame_header *h, const uint8_t public_key[32])
{
	size_t n = signed_len(h);

	return sign_verify(public_key, p, n, (const uint8_t *)p + n);
}

void frame_hash(const void *p, const struct frame_header *h, uint8_t ret_hash[32])
{
	sha256(p, signed_len(h), ret_hash);
}

/* Says no to a bomb before any memory is asked for: the compressed data must be one zstd frame
 * that itself declares exactly the size that the signed header names. */
int frame_payload(const void *p, const struct frame_header *h, struct buf *out)
{
	const uint8_t *in = (const uint8_t *)p + h->header_len;
	struct contexts *x;
	size_t n;

	if (h->payload_len > FRAME_PAYLOAD_MAX || h->raw_len > FRAME_RAW_MAX ||
	    ZSTD_getFrameContentSize(in, h->payload_len) != h->raw_len ||
	    ZSTD_findFrameCompressedSize(in, h->payload_len) != h->payload_len)
		return -EBADMSG;
	x = contexts_get();
	if (!x || buf_reserve(out, h->raw_len + 1u) < 0)
		return -ENOMEM;
	n = ZSTD_decompressDCtx(x->d, out->p + out->n, h->raw_len, in, h->payload_len);
	if (ZSTD_isError(n) || n != h->raw_len)
		return -EBADMSG;
	out->n += n;
	return 0;
}
