/* SPDX-License-Identifier: Apache-2.0 */
/*
 * up.h - the parts of `hosttrail up`: what it makes on disk (up_setup.c, up_config.c), the programs that it
 * starts and watches (up_child.c), the command of tree scope (up_gate.c) and the start-up self-test
 * (up_selftest.c). cmd_up.c joins them. One thread.
 */
#ifndef HOSTTRAIL_TOOLS_UP_H
#define HOSTTRAIL_TOOLS_UP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client.h"
#include "instance.h"

/* Users and the group that the programs run as when no package made named ones. */
enum { UP_UID_AGENT = 64101, UP_UID_FORWARD = 64102, UP_UID_STORE = 64103, UP_GID = 64100 };

struct up_options {
	const char *dir;
	const char *api_listen, *ingest_listen;
	const char *scope;		/* "host", "tree", "cgroup PATH" */
	const char *selectors;		/* "all", "default", a file's absolute path */
	const char *region, *account;
};

/* ---- up_setup.c: makes what is not there yet, leaves the rest. Prints what failed; 0 or -errno. */
int up_setup(const struct up_options *o, struct instance *ret_i);
/* "run-1a2b3c4d": the name of this directory's pins. */
void up_pin_name(const struct instance *i, char ret[32]);
/* Removes the pins that a stopped agent left. */
void up_remove_pins(const struct instance *i);

/* ---- up_config.c: writes etc/ anew. */
int up_config_store(const struct instance *i, const struct up_options *o);
int up_config_forward(const struct instance *i, uint16_t ingest_port);
int up_config_agent(const struct instance *i, const struct up_options *o, pid_t tree);

/* ---- up_child.c: one of our three programs, kept running */
struct child {
	const struct instance *instance;
	const char *name;		/* "hosttrail-store" */
	const char *config;		/* "etc/hosttrail-store.yaml" */
	const char *ready;		/* exists once it is ready: "store/ports", or a status socket */
	pid_t pid;			/* 0: not running */
	uint64_t started, again;	/* boot-time ns: when it was started, and when to start it again */
	unsigned deaths;		/* in a row */
	size_t log_from;		/* where its log stood when it was started */
	bool wanted;
};

/* Path of the program of this name beside this one; valid until the next call. */
const char *child_program(const char *name);
/* Ends a leftover of an `up` that was killed. */
void child_end_leftover(const struct child *c);
int child_start(struct child *c);
/* Until it is ready; -ETIMEDOUT, -ECHILD (it died; the end of its log was printed). */
int child_wait_ready(struct child *c, unsigned seconds);
/* After SIGCHLD: notices its death and says when to start it again. */
void child_reap(struct child *c);
/* Starts it again when it is time. Returns the ms until then, -1: nothing to do. */
int child_tend(struct child *c);
/* SIGTERM, and SIGKILL when it takes longer. */
void child_stop(struct child *c, unsigned seconds);
/* Waits for any pid that is ours; true when it ended. */
bool child_ended_within(pid_t pid, unsigned ms, int *ret_status);
/* A status socket's JSON object, or NULL. */
struct json_object *up_status(const struct instance *i, const char *socket_name);

/* ---- up_gate.c: a process that waits before it becomes CMD, so that it can be marked first */
struct gate {
	pid_t pid;
	int fd;
};
int gate_start(struct gate *g, char *const *argv, const sigset_t *mask);
/* Lets it make the self-test's two calls in a child of its own. */
int gate_selftest(struct gate *g, const char *path, const char *mark);
int gate_open(struct gate *g);		/* it becomes CMD */

/* ---- up_selftest.c */
/* Opens (makes, removes) path, then executes true with mark as its name. Does not return. */
void selftest_calls(const char *path, const char *mark) __attribute__((noreturn));
/* scope as in up_options; g: the gate of tree scope, or NULL. Prints what it found and the latency. 0 or -errno. */
int up_selftest(const struct instance *i, const char *scope, struct gate *g);

#endif
