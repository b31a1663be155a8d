/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trailcheck.h - checks log files and digests where trails delivered them, by what the store remembers and by the files themselves.
 *
 * Of each digest: it is there, one gzip member, as it was signed, by a key of the store's, in its place, after the one that it names; each log
 * file that it names likewise. Of all of them: no period is missing, and (where the bucket can be listed and all of its trails have digests) no
 * file lies in the bucket that none names. One thread.
 *
 * Begin fetches what the store remembers; between begin and files the caller may fetch frames, which are then younger than that.
 */
#ifndef HOSTTRAIL_TOOLS_TRAILCHECK_H
#define HOSTTRAIL_TOOLS_TRAILCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "client.h"
#include "recordcheck.h"

typedef void (*trailcheck_fault_fn)(void *ctx, const char *text);

struct trailcheck {
	struct client *client;
	double from, to;		/* digests that end within, seconds; whole: of all times */
	bool whole;
	trailcheck_fault_fn fault;
	void *ctx;
	struct recordcheck *records;	/* is told what was to be delivered, and shown each log file; or NULL */
	uint64_t digests, logs;		/* that were checked */
	uint64_t removed;		/* digests that the store removed for their age */
	uint64_t unread;		/* digests that are not there or cannot be read: what log files they name is not known */
	struct check *c;
};

/* 0, or -errno and why: the store did not answer. */
int trailcheck_begin(struct trailcheck *t, char why[256]);
int trailcheck_files(struct trailcheck *t, char why[256]);
void trailcheck_end(struct trailcheck *t);

#endif
