/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evidence.h - proves a set of frames: each by itself (structure, checksum, payload's hash, signature), then how
 * they hang together (numbers without a gap, each with its predecessor's hash, no number twice).
 *
 * Frames may be added in any order; about 100 bytes are kept of each. What the store says of a frame is taken for its
 * host's public key only, and that is compared with a key known from elsewhere when there is one. One thread.
 */
#ifndef HOSTTRAIL_TOOLS_EVIDENCE_H
#define HOSTTRAIL_TOOLS_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evidence;

/* One line about a fault; text is valid during the call. */
typedef void (*evidence_fault_fn)(void *ctx, const char *text);
struct evidence_chain {
	const char *host_id;
	uint8_t stream[16];
	unsigned chain;
	uint64_t frames, records, first, last;
	uint64_t faults;		/* found by evidence_finish() in this chain */
};
typedef void (*evidence_chain_fn)(void *ctx, const struct evidence_chain *c);

/* whole: the frames are all that there are, so chains must begin with number 0. */
int evidence_new(bool whole, evidence_fault_fn fault, void *ctx, struct evidence **ret_e);
void evidence_free(struct evidence **e);
/* This host's frames must be signed by this key and no other. */
int evidence_trust(struct evidence *e, const char *host_id, const uint8_t key[32]);
/* The store has acknowledged frames 0 to next - 1 of this chain, its sender knows: they must be among those added. */
int evidence_acknowledged(struct evidence *e, const char *host_id, const uint8_t stream[16], unsigned chain, uint64_t next);
/* The store says that it removed this chain's frames up to this one, of this hash: what follows must follow from it. Before
 * evidence_finish(); of several the latest counts. */
int evidence_removed(struct evidence *e, const char *host_id, const uint8_t stream[16], unsigned chain, uint64_t number, const uint8_t hash[32]);
/* One frame, header and payload. 1: it is whole and signed by its host; 0: it is not, which is told and counted; -ENOMEM. */
int evidence_add(struct evidence *e, const char *host_id, const uint8_t key[32], const void *frame, size_t n);
/* A fault that somebody else found. */
void evidence_fault(struct evidence *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Looks at the chains, and tells each. */
void evidence_finish(struct evidence *e, evidence_chain_fn fn);
void evidence_totals(const struct evidence *e, uint64_t *ret_frames, uint64_t *ret_records, uint64_t *ret_faults);

#endif
