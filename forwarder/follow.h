/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow.h - which chains lie in the spool, and when to look at them again.
 *
 * inotify says when a folder gains streams or chains and when a chain gains bytes; where it cannot be had (its limits are
 * per user), and for what it might miss, the folders are looked at by the clock.
 * Outlets belong to the follower; sorted by outlet_compare(). Threads: one.
 */
#ifndef HOSTTRAIL_FORWARDER_FOLLOW_H
#define HOSTTRAIL_FORWARDER_FOLLOW_H

#include "loop.h"
#include "outlet.h"

#define FOLLOW_STREAMS_MAX (CURSOR_ENTRIES_MAX / CHAIN__MAX)	/* oldest names first; more wait until some are gone */

struct follow {
	struct loop *loop;
	const char *spool_dir;
	struct outlet *outlets;
	int inotify;			/* -1: by the clock */
	int watch;			/* of spool_dir */
	struct loop_source source;
	bool stale;			/* folders must be scanned */
	bool blind;			/* some folder is not watched: poll */
	uint64_t next_scan, next_look, last_found;
	void (*on_news)(void *ctx);
	void (*on_outlet)(void *ctx, struct outlet *o);		/* new */
	void (*on_gone)(void *ctx, const uint8_t stream[16]);	/* a whole stream */
	void *ctx;
};

/* Callbacks are set by the caller before. spool_dir is borrowed; it may come later. */
int follow_init(struct follow *f, struct loop *loop, const char *spool_dir);
void follow_close(struct follow *f);
/* Scans if there is news or it is time; marks outlets to be read. */
void follow_tick(struct follow *f, uint64_t now);
void follow_scan(struct follow *f);
/* When it wants to be called again. */
uint64_t follow_next(const struct follow *f);
/* An outlet had something: poll quickly for a while, where we poll. */
void follow_found(struct follow *f);

#endif
