/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spoolstate.h - <spool>/agent.state: what the next agent must know of this one and frames do not say.
 *
 * The stream and its control chain's head (a new stream names them as its previous one), and the settled
 * numbers (settle.h). Written after every frame, in place, into two slots in turn, each with a CRC: a killed writer leaves the
 * other one. Never synced: after a crash of the machine the stream is another one, and the frames tell its end.
 */
#ifndef HOSTTRAIL_SPOOLSTATE_H
#define HOSTTRAIL_SPOOLSTATE_H

#include "settle.h"

struct spoolstate;

struct spoolstate_head {
	uint8_t stream[16];
	uint64_t next[CHAIN__MAX];	/* number of the chain's next frame */
	uint8_t control_hash[32];	/* of its latest control frame */
};

/* Opens (makes) the file. 0 or -errno. *ret_head: what it says, all zero when it says nothing. The rest, for
 * settle_load(), is appended to settled (nothing if there is none). */
int spoolstate_open(const char *dir, struct spoolstate **ret_s, struct spoolstate_head *ret_head, struct buf *settled);
void spoolstate_free(struct spoolstate **s);
int spoolstate_write(struct spoolstate *s, const struct spoolstate_head *head, const struct settle *settle);

#endif
