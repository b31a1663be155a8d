/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - the agent as a library: one command's tree, records to a callback, no daemon.
 */
#ifndef HOSTTRAIL_TRACE_H
#define HOSTTRAIL_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "optout.h"
#include "proto/recordread.h"
#include "selection.h"

struct probes;

struct trace_options {
	char *const *argv;		/* command, NULL-terminated */
	bool no_wait;			/* end with the command, not with the last marked descendant */
	const char *region, *account;	/* NULL: defaults */
	struct selection *selection;	/* taken over: only these calls, and the trail's own records; NULL: all but high-rate ones */
	const uint64_t *calls;		/* as in probes.h; NULL: what the selectors need */
	bool no_tls;			/* no API calls inside TLS */
	const struct optout_config *optouts;	/* whose TLS is left alone; NULL: browsers' */
	const char *apis;		/* rule files for them, a file or directory; NULL: API_RULES_DIR */
	uint32_t ring_bytes[4];		/* 0: defaults (tests use small ones) */
	int (*opened)(struct probes *p);	/* tests: is shown the probes when they are loaded; a negative errno ends it. NULL */
};

struct trace_result {
	uint64_t records, lost;
	uint64_t tls_pieces, tls_bytes;	/* as in pipeline_stats */
	int status;			/* wait status of the command */
	int not_boosted;		/* why reading comes no sooner than what is recorded (-errno); 0: it does */
	char tls[200];			/* why there are no API calls inside TLS; "": they were recorded, or not asked for */
};

/* Called for every record, in order of time within a drain; the reader is valid during the call. Non-zero stops. */
typedef int (*trace_record_fn)(void *ctx, struct reader *r, unsigned i);

int trace_run(const struct trace_options *o, trace_record_fn fn, void *ctx, struct trace_result *ret_t, char why[256]);

#endif
