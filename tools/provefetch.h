/* SPDX-License-Identifier: Apache-2.0 */
/* provefetch.h - gathers a record's proof from the store's answers; nothing that it says is believed here. One thread. */
#ifndef HOSTTRAIL_TOOLS_PROVEFETCH_H
#define HOSTTRAIL_TOOLS_PROVEFETCH_H

#include "client.h"
#include "proof.h"

struct prove_found {
	uint64_t newest;	/* the chain's newest frame that the store has */
	bool gap;		/* frames of the chain are missing behind the last one that follows */
	bool shown;		/* LookupEvents has the record too; proof->record is what it shows */
	unsigned unsigned_frames;	/* of the chain that are not of the host's key */
	bool several;		/* other frames have a record of this id */
};

/* 0, or -errno and why. */
int prove_fetch(struct client *client, const char *event_id, struct proof *ret_p, struct prove_found *ret_f, char why[256]);

/* Only the frame that holds the record, and its host and key: the rest of *ret_p is empty. -EREMOTEIO: no such record, or refused. */
int prove_fetch_frame(struct client *client, const char *event_id, struct proof *ret_p, char why[256]);

#endif
