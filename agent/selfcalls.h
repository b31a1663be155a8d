/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selfcalls.h - one harmless call of each family of agent/calls.def, and the small process that makes them.
 *
 * Each call fails for its arguments, or succeeds and changes nothing; none needs a privilege. The prober is captured as
 * any process is (the mark HT_TASK_PROBE puts it into every scope); the worker tells it when, and looks for the records.
 */
#ifndef HOSTTRAIL_SELFCALLS_H
#define HOSTTRAIL_SELFCALLS_H

#define SELFCALLS_MAX 32

struct selfcall {
	const char *family, *call;	/* as in the table of calls */
	long (*make)(void);
};

extern const struct selfcall selfcalls[];	/* ends with a NULL family */
extern const unsigned selfcall_canary;		/* the one that is made every minute: of the control class */

unsigned selfcalls_count(void);
/* The prober: says that it is there, then makes what MSG_PROBE asks for, until the other end is closed. Exit status. */
int prober_run(int sock);

#endif
