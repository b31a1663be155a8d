/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h - which calls are aimed at the trail itself: our processes, BPF objects, files, and what pins lie on.
 *
 * What is ours is told by the parent (struct msg_guard). A call is judged by its arguments as decoded; what
 * our own processes do is never marked. Numbers of processes are compared where the caller counts them as we do (the same pid
 * namespace), mounts where they change what we see (the same mount namespace). Not thread-safe.
 */
#ifndef HOSTTRAIL_GUARD_H
#define HOSTTRAIL_GUARD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "idcache.h"

enum guard_kind {
	GUARD_PROCESS = 1,	/* number: pid; text: "worker" */
	GUARD_GROUP,		/* number: our process group */
	GUARD_NAMESPACES,	/* number: our pid namespace; ino: our mount namespace */
	GUARD_MAP,		/* number: the object's id; text: its name */
	GUARD_PROG,
	GUARD_LINK,
	GUARD_FILES,		/* text: a directory or file of ours */
	GUARD_FORWARD,		/* text: the forwarder's executable: it writes below the latest GUARD_FILES */
	GUARD_MOUNT,		/* text: a mount point that capture needs */
	GUARD__MAX,
};

struct msg_guard {
	uint32_t kind, number;
	uint64_t ino;
	uint64_t until;			/* GUARD_PROCESS: it was, before this boot-time ns; 0: it is */
	char text[PATH_MAX / 2];
};

#define GUARD_TARGET_MAX 512
struct guard_hit {
	const char *kind;			/* "signal", "trace", "bpf", "mount", "file"; NULL: not aimed at us */
	char target[GUARD_TARGET_MAX];		/* "worker 4711", "map 12 tasks", a path of ours */
};

struct guard;
struct decoder;

/* Can the call be aimed at us at all? `changes`: what the flags of an open say. And if so, only by the path of a file? */
bool guard_may_aim(unsigned call, bool changes);
bool guard_by_path(unsigned call);

int guard_new(struct guard **ret_g);
void guard_free(struct guard **g);		/* NULL-safe */
/* Adds, or replaces the process of that name. 0, -EBADMSG, -ENOMEM. */
int guard_add(struct guard *g, const struct msg_guard *m);
/* The decoder's call, its request put already, made by `who` (NULL: not known). */
void guard_look(struct guard *g, const struct decoder *d, const struct ident *who, struct guard_hit *ret_h);

#endif
