/* SPDX-License-Identifier: Apache-2.0 */
/* spool_internal.h - what the spool's writer, its recovery and its reader share: names, and reading a segment. */
#ifndef HOSTTRAIL_SPOOL_INTERNAL_H
#define HOSTTRAIL_SPOOL_INTERNAL_H

#include "spool.h"

#define SEGMENT_NAME_MAX 32

/* "<20 digits><suffix>" */
void segment_name(uint64_t first, const char *suffix, char ret[SEGMENT_NAME_MAX]);
/* First numbers of all segments in the directory ("<20 digits><suffix>", four characters), ascending;
 * *ret_v is the caller's to free. 0 or -errno. */
int segment_list(int dirfd, const char *suffix, uint64_t **ret_v, size_t *ret_n);

/* Reads frames of one segment, front to back, with pread: the file may grow, be cut or be unlinked meanwhile. */
struct segment_scan {
	int fd;
	uint64_t at;		/* offset of the next frame */
	struct buf b;		/* bytes of the file from `from` on */
	uint64_t from;
	bool unhashed;		/* whoever gets the frames compares their payloads' hashes */
};

void segment_scan_start(struct segment_scan *s, int fd);
void segment_scan_free(struct segment_scan *s);	/* not the descriptor */
/* 1: a whole good frame at s->at (call segment_scan_skip to go on); 0: the end of the file;
 * -EAGAIN: the file ends inside a frame; -EBADMSG: no frame here; -errno. */
int segment_scan_frame(struct segment_scan *s, struct frame_header *ret_h, const uint8_t **ret_p, size_t *ret_n,
		       const char **ret_why);
/* The header only: its payload is not looked at. Same results. */
int segment_scan_header(struct segment_scan *s, struct frame_header *ret_h, size_t *ret_total);
void segment_scan_skip(struct segment_scan *s, uint64_t bytes);
/* From a place where no good frame is: moves s->at to the next good frame. 1; or 0 (s->at unchanged): there is none;
 * or -EAGAIN (s->at unchanged): the writer finished the frame that is here meanwhile.
 * `deep` looks for one at every byte; else only where a header that is still readable says. A payload can hold bytes
 * that were chosen to look like a frame: never look deep while the writer may still be writing this very place. */
int segment_scan_resync(struct segment_scan *s, bool deep);

/* Numbers grow by one inside a segment; damage hides at most as many as fit into the bytes passed over. */
struct segment_order {
	uint64_t expected;	/* number of the frame at `at`, if nothing is damaged */
	uint64_t at;
};
bool segment_order_ok(const struct segment_order *o, uint64_t number, uint64_t at);
static inline void segment_order_next(struct segment_order *o, uint64_t number, uint64_t end)
{
	*o = (struct segment_order){ number + 1, end };
}

/* ---- the writer's state */
struct segment {
	uint64_t first, last;	/* frame numbers, inclusive */
	uint64_t bytes;
	/* spoolcheck.c */
	uint64_t ctime;		/* as we left the file, ns */
	int64_t off;		/* its size is so much more than bytes */
	bool known, touched, gone;
};

struct spool_chain {
	int dirfd, fd;		/* fd: the open segment, the last of v; -1: none */
	struct segment *v;
	size_t n, max;
	uint64_t next, bytes, acked;
	uint8_t previous[32];
	bool dirty, dir_dirty;
	int fault;		/* a sync or a clean-up failed: what is on disk is not known any more */
	uint16_t nranges;	/* of the open segment, merged: they must fit one tombstone */
	struct frame_range ranges[FRAME_RANGES_MAX];
};

struct spool {
	uint8_t stream[16];
	struct spool_limits limits;
	int fd;			/* the stream's directory */
	struct spool_chain chains[CHAIN__MAX];
};

/* Before and after we write to the open segment: was it touched by somebody else meanwhile? */
void segment_before(const struct spool_chain *c, struct segment *seg);
void segment_after(const struct spool_chain *c, struct segment *seg);
int segment_add(struct spool_chain *c, uint64_t first);
/* Adds a frame's ranges to a list, joining neighbours. -E2BIG (list unchanged): they do not fit. */
int ranges_join(struct frame_range *v, uint16_t *n, const struct frame_range *add, unsigned nadd);
/* Reads a chain's directory, mends it, fills c. */
int spool_recover(struct spool *s, unsigned chain, spool_found_fn found, spool_bad_fn bad, void *ctx);

#endif
