/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlsfiles.h - which files are probed: TLS libraries before anybody uses them, programs as they are executed.
 *
 * A file is known by device and inode, looked at once, and attached for whoever maps it by whatever name. Descriptors are what
 * counts, not paths: neither mount namespaces nor renames mislead it. Bounded: TLSFILES_MAX files with probes; further ones are refused,
 * none is given up for another. What nobody can map any more is: a file that was deleted, as upgrades do with old ones, and that two
 * scans of all processes in a row did not meet. Other files stay, whoever maps them: the next one that does shall be seen from its beginning.
 *
 * Planning parses ELF files that strangers made: `hosttrail trace`, which has its user's own privileges anyway, does it here;
 * hosttraild has a process without any for it (planner.h).
 * Not thread-safe.
 */
#ifndef HOSTTRAIL_TLSFILES_H
#define HOSTTRAIL_TLSFILES_H

#include "probes.h"
#include "tls/plan.h"

#define TLSFILES_MAX 512	/* with probes */

struct tlsfiles;

struct tlsfile {		/* one that has TLS in it */
	char path[256], stack[32], build_id[41], why[160];
	unsigned sites, emulated;	/* of these: on instructions that cost no single step */
	int error;			/* of attaching; 0: attached, or nothing to attach */
};

/* p NULL: only plans, attaches nothing (dry runs). */
int tlsfiles_new(const struct probes *p, struct tlsfiles **ret_f);
/* From now on programs are left out that are only executed by who opted out; they are listed with why. Borrowed. */
void tlsfiles_leave_out(struct tlsfiles *f, const struct ht_optouts *o);
void tlsfiles_free(struct tlsfiles **f);	/* detaches; NULL-safe */
/*
 * Putting a probe, the kernel waits until every CPU has passed a point (an RCU grace period: 5 to 20 ms where they are busy), and whoever mapped the file has
 * called it by then. It may be made short from now on, for the time of attaching (a quarter of a millisecond): expedite.h.
 */
void tlsfiles_may_expedite(struct tlsfiles *f);
/* Is what is attached from now on in use already? */
void tlsfiles_hurry(struct tlsfiles *f, bool hurry);

/* 1: this file was not looked at yet (and is from now on); 0: it was, or it is no regular file; or -errno. */
int tlsfiles_new_one(struct tlsfiles *f, int fd);
void tlsfiles_forget(struct tlsfiles *f, int fd);	/* nobody looked at it in the end: it is new again */
/*
 * A scan: between the two every file that a process executes or maps goes through tlsfiles_new_one(). A scan that is not whole gives nothing up, and
 * begins the count anew. How many files were given up; each to fn(path, arg).
 */
void tlsfiles_scan_begin(struct tlsfiles *f);
unsigned tlsfiles_scan_end(struct tlsfiles *f, bool whole, void (*fn)(const char *path, void *arg), void *arg);
/* Attaches what somebody else planned for it. As tlsfiles_take(). */
int tlsfiles_planned(struct tlsfiles *f, int fd, const char *path, struct tls_plan *plan);
/* 1: new, and probed; 0: known, or nothing to probe in it; or -errno. */
int tlsfiles_take(struct tlsfiles *f, int fd, const char *path);
int tlsfiles_path(struct tlsfiles *f, const char *path);
/* Whatever the dynamic linker's cache has by the names of TLS libraries. How many were probed. */
int tlsfiles_libraries(struct tlsfiles *f);
/* The same, each to fn(path, arg). */
void tlsfiles_each_library(void (*fn)(const char *path, void *arg), void *arg);
/* What is to be executed as argv[0], found as execvp(3) does, and the interpreter of a script. */
int tlsfiles_program(struct tlsfiles *f, const char *name);

/* Files with TLS in them, in the order in which they were found; NULL behind the last. */
const struct tlsfile *tlsfiles_at(const struct tlsfiles *f, unsigned i);

#endif
