/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - frame format version 1: the unit from the agent's disk to the
 * store's disk, and its chain and signature. docs/frame-format.md draws it.
 *
 * off  size  little-endian
 *   0     4  magic "HTF1"
 *   4     2  header length: everything before the payload
 *   6     2  version, 1
 *   8     1  chain: 0 control, 1 data, 2 tls
 *   9     1  kind: 0 batch, 1 tombstone
 *  10     2  flags, 0
 *  12    16  stream id
 *  28     8  number in the chain, from 0
 *  36    32  previous frame's hash (zeros for number 0)
 *  68    32  SHA-256 of the payload as stored (compressed)
 * 100     4  records
 * 104     4  payload length
 * 108     4  uncompressed length
 * 112     8  first record's boot-time ns
 * 120     8  last record's
 * 128     8  wall clock minus boot time, ns, signed
 * 136     2  ranges, n
 * 138  19*n  {ring class u8, CPU u16, first u64, last u64}
 *  ..    64  Ed25519 over everything before it
 *  ..     4  CRC32C over everything before it, then the payload
 * Hash of a frame: SHA-256 of the header up to (not with) the signature.
 *
 * All functions here take hostile bytes; none allocates before the limits are checked.
 */
#ifndef HOSTTRAIL_FRAME_H
#define HOSTTRAIL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define FRAME_HEADER_MAX 4096
#define FRAME_PAYLOAD_MAX (4u << 20)
#define FRAME_RAW_MAX (64u << 20)
#define FRAME_FIXED 138
#define FRAME_RANGE 19
#define FRAME_TRAILER 68		/* signature and CRC */
#define FRAME_RANGES_MAX ((FRAME_HEADER_MAX - FRAME_FIXED - FRAME_TRAILER) / FRAME_RANGE)
#define FRAME_MIN (FRAME_FIXED + FRAME_TRAILER)

enum chain { CHAIN_CONTROL = 0, CHAIN_DATA = 1, CHAIN_TLS = 2, CHAIN__MAX = 3 };
enum frame_kind { FRAME_BATCH = 0, FRAME_TOMBSTONE = 1 };

struct frame_range {
	uint8_t ring_class;
	uint16_t cpu;
	uint64_t first, last;		/* inclusive */
};

struct frame_header {
	uint8_t chain, kind;
	uint16_t flags;
	uint8_t stream[16];
	uint64_t number;
	uint8_t previous[32];
	uint8_t payload_sha256[32];
	uint32_t records, payload_len, raw_len;
	uint64_t first_time, last_time;
	int64_t wall_offset;
	uint16_t nranges;
	struct frame_range ranges[FRAME_RANGES_MAX];
	uint16_t header_len;		/* set by parse */
};

enum chain chain_of_class(unsigned ring_class);	/* control: 0, 1, 15; data: 2; tls: 3 */
const char *chain_name(unsigned chain);		/* "control", "data", "tls", or NULL */

/* Signs n bytes: 0 or -errno. The agent's worker asks its parent, tests sign themselves. */
typedef int (*frame_sign_fn)(void *ctx, const void *p, size_t n, uint8_t ret_sig[64]);

/* Compresses raw (zstd) and appends the whole frame to out; fills h's payload fields and
 * *ret_hash. -E2BIG: over a limit (out is unchanged). */
int frame_build(struct frame_header *h, const void *raw, size_t raw_len, frame_sign_fn sign, void *ctx,
		struct buf *out, uint8_t ret_hash[32]);

/* Looks at the front of p[0..n): 0 and *ret_total (header + payload) when the header is well
 * formed, even if the payload is not all there; -EAGAIN: more bytes needed to tell;
 * -EBADMSG: not a frame, or over a limit. */
int frame_peek(const void *p, size_t n, struct frame_header *ret_h, size_t *ret_total);
/* A whole frame, as it was written: structure and CRC. 0, -EAGAIN (short), -EBADMSG; *ret_why static text. */
int frame_intact(const void *p, size_t n, struct frame_header *ret_h, const char **ret_why);
/* Also its payload's hash: what the signature stands for. Same results. */
int frame_check(const void *p, size_t n, struct frame_header *ret_h, const char **ret_why);
/* Ed25519 over a frame that frame_check accepted; key is 32 raw bytes. 0 or -EBADMSG. */
int frame_verify(const void *p, const struct frame_header *h, const uint8_t public_key[32]);
void frame_hash(const void *p, const struct frame_header *h, uint8_t ret_hash[32]);
/* Decompressed payload appended to out (at most FRAME_RAW_MAX, exactly raw_len). 0, -EBADMSG, -ENOMEM */
int frame_payload(const void *p, const struct frame_header *h, struct buf *out);

uint32_t crc32c(uint32_t crc, const void *p, size_t n);	/* start with 0 */
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n);	/* the same without the CPU's instruction */

#endif
