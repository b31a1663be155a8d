/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expedite.h - the kernel's grace periods (RCU) are short for a moment: /sys/kernel/rcu_expedited is 1.
 *
 * Not where that is on anyway, for who set it wants it to stay, nor where it cannot be written. Where rcu_normal is on, as on kernels for real time, it counts for nothing.
 * Whoever is killed in that moment cannot put it back. So before it is set a mark is written, EXPEDITE_MARK, which is held (flock) as long as it lasts: who comes
 * upon one that nobody holds puts it back, at its start or before its own moment. The mark names the boot: one of an earlier boot tells nothing. Where no mark
 * can be written, nothing is set. There is one for the host, as there is one switch: agents and `hosttrail trace` go by the same.
 * Not thread-safe; no fork in between.
 */
#ifndef HOSTTRAIL_EXPEDITE_H
#define HOSTTRAIL_EXPEDITE_H

#include <stdbool.h>

#define EXPEDITE_SWITCH "/sys/kernel/rcu_expedited"
#define EXPEDITE_DIR "/run/hosttrail"
#define EXPEDITE_MARK EXPEDITE_DIR "/rcu_expedited"
#define EXPEDITE_BOOT 36	/* bytes of a boot's number, which are all that is in the mark */

struct expedite {
	int fd, mark;		/* -1: the switch is left alone */
	char boot[EXPEDITE_BOOT + 1];
};

/* Puts back what one left who was killed. Always succeeds: without a switch, a mark or the right to write them nothing is ever begun. */
void expedite_open(struct expedite *ret_e);
void expedite_put_back(void);		/* that alone, for who sets nothing; makes no mark */
/* True: it is on, and expedite_end() is due. False: it stays as it is. */
bool expedite_begin(const struct expedite *e);
void expedite_end(const struct expedite *e);
void expedite_close(struct expedite *e);	/* also where nothing is open: fd and mark are -1 */

#endif
