/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - every request to the store's API becomes a record of its own trail: who asked (key, address, client), for what, and what
 * came of it.
 *
 * What changes something is written at once, what only reads within a second; a read that repeats (same key, address, client,
 * operation, outcome, and parameters but the page's token) is one record a minute with `repeatCount`: or the record of a Tail would be news
 * for that very Tail. So are requests whose signature was refused, which say neither client nor parameters. Records are made by a thread of the audit's. Threads: any.
 */
#ifndef HOSTTRAIL_STORE_AUDIT_H
#define HOSTTRAIL_STORE_AUDIT_H

#include "witness.h"

struct audit;

int audit_start(struct witness *w, struct audit **ret_a);
/* Writes what waits, and ends. NULL-safe. */
void audit_stop(struct audit **a);
/* Copies what it needs; time, first and count are filled in here. Without memory the record is lost, and counted. */
void audit_note(struct audit *a, const struct witness_call *call);
uint64_t audit_lost(struct audit *a);	/* calls whose record could not be made or written */

#endif
