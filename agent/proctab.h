/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proctab.h - processes by (pid, start time): parents, executable, argv, directory.
 *
 * Filled from /proc at start and from identities, execs and exits afterwards. Records do not depend on it for
 * who acted; it answers what needs ancestry: which sudo or su, which sshd, since when a session runs.
 *
 * /proc tells start times in clock ticks, the probes in nanoseconds: keys are rounded down to a tick here, whoever asks.
 *
 * Bound: bytes, given at proctab_new(); the least recently used go first and are counted. Not thread-safe.
 */
#ifndef HOSTTRAIL_PROCTAB_H
#define HOSTTRAIL_PROCTAB_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/record.h"

#define PROCTAB_TICK_NS 10000000ull	/* USER_HZ is 100 on every architecture that we run on */
#define PROCTAB_TEXT_MAX 4096	/* longest exe, cwd or argv kept; the rest is cut */

struct proc_key {
	uint64_t start;		/* boot-time ns */
	uint32_t pid;
	uint32_t pad;
};

struct proc {
	struct proc_key key, parent;
	uint32_t euid, loginuid, audit_session;
	uint32_t exe_owner;
	bool setuid_exe;
	struct str exe, cwd, argv;	/* owned by the table; argv NUL-separated and not redacted */
	struct str via;			/* set-uid file that this process executed last, perhaps before its exe */
};

struct proctab;

int proctab_new(size_t max_bytes, struct proctab **ret_t);
void proctab_free(struct proctab **t);
/* Borrowed until the next proctab_* call that changes the table; NULL: not known. */
const struct proc *proctab_find(struct proctab *t, uint32_t pid, uint64_t start);
/* Adds or replaces by p->key. Empty strings and the first parent keep what is known; a new login forgets via. 0 or -ENOMEM. */
int proctab_put(struct proctab *t, const struct proc *p);
/* A fork as its maker saw it return: the one proof of who the parent was that outlives the parent. */
void proctab_born(struct proctab *t, uint32_t pid, uint64_t time, const struct proc_key *parent);
/* Who made the process, as far as is known: not who adopted it. */
struct proc_key proctab_parent(const struct proctab *t, const struct proc *p);
void proctab_gone(struct proctab *t, uint32_t pid, uint64_t start);
/* Start of the first process known of an audit session (boot-time ns), 0: none. */
uint64_t proctab_session_start(struct proctab *t, uint32_t audit_session);

/* Reads every process that /proc shows; returns how many. exe_of (may be NULL) gives an executable's path where
 * readlink is not allowed: length or -errno. */
typedef int (*proctab_exe_fn)(void *ctx, uint32_t pid, char *out, size_t max);
int proctab_scan(struct proctab *t, proctab_exe_fn exe_of, void *ctx);

struct proctab_stats {
	size_t bytes, max_bytes;
	uint64_t processes, evicted;
};
void proctab_stats(const struct proctab *t, struct proctab_stats *ret_s);

#endif
