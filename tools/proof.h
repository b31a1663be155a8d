/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proof.h - that a record is the one that a host signed: the frame that holds it, the frames of its chain before and behind it, the host's
 * key and the certificate that binds it, and what of them holds.
 *
 * A proof is looked at without asking anybody. It is as good as the key or the CA that the caller trusts: with neither, all that is in it may
 * hold, and still prove nothing. One thread; errors are -ENOMEM unless said otherwise.
 */
#ifndef HOSTTRAIL_TOOLS_PROOF_H
#define HOSTTRAIL_TOOLS_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "proto/frame.h"

#define PROOF_FILE_MAX (256u << 20)
#define PROOF_AFTER_MAX 100000

struct proof {
	char event_id[37], host_id[64];
	uint8_t key[32];
	struct buf record;		/* JSON text, as it was shown */
	struct buf certificate;		/* DER; empty: none */
	struct buf frame;		/* whole */
	struct buf before;		/* the frame before it: header up to and with the signature; empty: not there */
	struct buf *after;		/* those behind it, likewise, in order */
	size_t nafter, cap;
};

void proof_free(struct proof *p);
#define _cleanup_proof_ __attribute__((cleanup(proof_free)))
/* The frame's header without its CRC (which also covers the payload); n is what frame_peek() says. 0 or -ENOMEM. */
int proof_add_after(struct proof *p, const void *header, size_t n);

/* prooffile.c: as a file, JSON in exactly one spelling, so that no byte of it can change unseen. -EBADMSG and why. */
int proof_write(const struct proof *p, struct buf *out);
int proof_read(const void *text, size_t n, struct proof *ret_p, const char **ret_why);

/* The record of this id, as the frame has it, appended. -EBADMSG: the frame cannot be read, -ENOENT: no such record in it. */
int proof_render(const struct proof *p, struct buf *out);

struct proof_trust {
	bool has_key;
	uint8_t key[32];		/* the host's, known from elsewhere */
	const char *ca;			/* PEM file, or NULL */
};

enum proof_verdict {
	PROOF_VALID,
	PROOF_UNVOUCHED,		/* all holds, if the key is the host's: nothing trusted says so */
	PROOF_INVALID,			/* faults were told */
};

struct proof_view {			/* as far as it could be read */
	struct frame_header frame;
	unsigned record;		/* its place, from 0 */
	uint64_t last;			/* number of the last frame that follows */
	bool by_key, by_ca;		/* what vouches for the key */
	char account[256], region[256];
	int64_t cert_from, cert_to;	/* seconds; of the certificate, if any */
};

typedef void (*proof_fault_fn)(void *ctx, const char *text);
/* 0 and the verdict, or -errno (no memory; the CA's file cannot be read). */
int proof_check(const struct proof *p, const struct proof_trust *t, proof_fault_fn fault, void *ctx, struct proof_view *ret_v,
		enum proof_verdict *ret_verdict);

#endif
