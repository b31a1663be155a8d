/* SPDX-License-Identifier: Apache-2.0 */
/* prove.h - `hosttrail verify` of one record: its proof is fetched from the store, or read from a file, and judged here. One thread. */
#ifndef HOSTTRAIL_TOOLS_PROVE_H
#define HOSTTRAIL_TOOLS_PROVE_H

#include <stdbool.h>

#include "proof.h"

struct prove_options {
	const char *event;	/* an eventID, to ask the store of dir */
	const char *file;	/* or a proof, offline */
	const char *output;	/* NULL, or where the proof is written to */
	const char *dir;
	struct proof_trust trust;
	bool json;
};

/* An exit status: done only for what is proven. */
int prove(struct prove_options *o);

#endif
