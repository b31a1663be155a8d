/* SPDX-License-Identifier: Apache-2.0 */
/*
 * callselect.h - which calls the probes have to capture so that event selectors get all that they ask for.
 *
 * What the table of calls knows of a call before it is made (name, source, category, often readOnly) is shown to the
 * selectors. A call that no selector can want costs the early exit in the kernel and no ring space. What depends on more
 * than that is captured, and decided by kernelrules.h as far as it can be, and then by the whole record. A high-rate call is captured only where a selector that can want
 * it asks for its name (eventName with Equals, StartsWith or EndsWith).
 */
#ifndef HOSTTRAIL_CALLSELECT_H
#define HOSTTRAIL_CALLSELECT_H

#include "probes.h"
#include "proto/selectors.h"

/* A bit per index of calls.h, as struct probes_config wants them. */
void callselect(const struct selectors *s, uint64_t ret_calls[PROBES_CALLS_WORDS]);
/* Is every record of the call selected, whatever it turns out to be? */
bool callselect_sure(const struct selectors *s, unsigned call);
/* Is it never selected when it succeeds? */
bool callselect_failed(const struct selectors *s, unsigned call);
/* Has the call to be captured for this selector? */
bool callselect_wants(const struct selector *s, unsigned call);
/* And then, of one that failed or did not, and changes something or does not, where the flags of an open tell that? */
bool callselect_may(const struct selector *s, unsigned call, bool failed, bool changes);

/* Where a condition on the field is decided; what the kernel leaves open, by the whole record. */
enum callselect_where {
	CALLSELECT_RECORD,	/* by the whole record */
	CALLSELECT_CALL,	/* in the kernel, by the call */
	CALLSELECT_EITHER,	/* so, where its arguments do not matter, or are an open's flags */
	CALLSELECT_OUTCOME,	/* in the kernel, if it wants only calls that fail */
	CALLSELECT_WHO,		/* in the kernel, by the user's number */
	CALLSELECT_WHERE,	/* in the kernel, by the cgroup's, once the agent has seen it */
	CALLSELECT_FILE,	/* in the kernel, where it is the path of a descriptor */
};
enum callselect_where callselect_where(enum select_field field);

#endif
