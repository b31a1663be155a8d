/* SPDX-License-Identifier: Apache-2.0 */
/*
 * callselect.h - which calls the probes have to capture so that event selectors get all that they ask for.
 *
 * What the table of calls knows of a call before it is made (name, source, category, often readOnly) is shown to the
 * selectors. A call that no selector can want costs the early exit in the kernel and no ring space. What depends on more
 * than that is captured, and decided by the whole record. A high-rate call is captured only where a selector that can want
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

/* Where a condition on the field is decided. */
enum callselect_where { CALLSELECT_CALL /* by the call, in the kernel */, CALLSELECT_RECORD /* by the whole record */,
			CALLSELECT_EITHER /* by the call where its arguments do not matter */ };
enum callselect_where callselect_where(enum select_field field);

#endif
