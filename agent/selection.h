/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selection.h - the event selectors that are in force, and since when.
 *
 * A call is judged by the selectors that were in force when it was made: selections that were replaced are kept, newest
 * first, until nothing of their time can come from the rings any more.
 *
 * What is known of a call before it is made (callselect.h) is asked once and kept in `sure`. Not thread-safe.
 */
#ifndef HOSTTRAIL_SELECTION_H
#define HOSTTRAIL_SELECTION_H

#include "callselect.h"

#define SELECTION_ALL "all"		/* every call but the high-rate ones */
#define SELECTION_DEFAULT "default"	/* selectors_default_text() */

struct selection {
	char *source;			/* one of these two, or the file's path */
	struct buf text;		/* empty: all */
	char sha256[65];		/* of the text */
	struct selectors *selectors;	/* NULL: all */
	uint64_t sure[PROBES_CALLS_WORDS];	/* calls whose every record is selected */
	uint64_t from;			/* boot-time ns: calls from then on are judged by it */
	struct selection *before;	/* NULL: none */
};

/* What `source` names. 0, or -errno and one line in why, which begins with the file's path. */
int selection_load(const char *source, struct selection **ret_s, char why[SELECTORS_WHY_MAX]);
/* The same of a text that was read already; the source is what it is called. */
int selection_of(const char *source, const void *text, size_t n, struct selection **ret_s, char why[SELECTORS_WHY_MAX]);
void selection_free(struct selection **s);	/* with all before it; NULL-safe */
/* Which calls have to be captured: those that can be selected, those that identities are made from (fork, exec), and the
 * self-test's. */
void selection_calls(const struct selection *s, struct probes_calls *ret_c);
/* That of a call made at this time. */
const struct selection *selection_at(const struct selection *s, uint64_t time);
/* Nothing from before that time comes any more. */
void selection_forget(struct selection *s, uint64_t time);
bool selection_sure(const struct selection *s, unsigned call);

#endif
