/* SPDX-License-Identifier: Apache-2.0 */
/* parent_internal.h - what parent.c (its loop), parent_open.c (its start), children.c and serve.c share. */
#ifndef HOSTTRAIL_PARENT_INTERNAL_H
#define HOSTTRAIL_PARENT_INTERNAL_H

#include "hostinfo.h"
#include "msg.h"
#include "parent.h"
#include "probes.h"
#include "selection.h"
#include "proto/keys.h"

#define WATCHED_FILES 3
struct file_sign {		/* of a file that nobody changes while we run; ino 0: it is not there */
	uint64_t ino, size, mtime, ctime;
	uint32_t mode, uid, gid;
};

struct parent {
	const struct agent_config *config;
	struct agent_scope scope;
	struct hostinfo host;
	struct sign_key *key;
	struct probes *probes;
	struct ht_optouts optouts;	/* whose TLS is left alone */
	struct selection *selection;	/* in force, and those before that calls in the rings may be of */
	struct selection *coming;	/* the worker is told of these, or is to be; NULL: none */
	char apis[PATH_MAX / 2];	/* rule files of APIs; "": none */
	bool tell_apis;			/* the worker is to read them anew */
	bool asked, again;		/* it was told; they are to be read once more, after that */
	uint64_t refused;		/* reloads that found nothing good */
	uid_t uid;
	gid_t gid;
	int lock, status_socket, signals;
	pid_t former;			/* the worker before this one, 0: none */
	pid_t worker, resolver, prober;	/* 0: not running */
	int ctl, ask;			/* our ends of the worker's sockets; -1 */
	int probe;			/* the prober's socket, until it has said that it is there; -1 */
	bool hello;			/* the first worker says what was replaced; later ones adopt */
	uint64_t worker_at, resolver_at, prober_at, backoff;	/* when to start them again; ns */
	uint64_t worker_started, restarts, count_at, watch_at, flush_at;
	struct file_sign files[WATCHED_FILES];
	struct parent_tls *tls;		/* NULL: no TLS capture */
	bool stopping;
	uint64_t stop_until;
	struct msg m;
};

/* parent_open.c: key, lock, directories, probes, socket. 0 or -errno, logged. */
int parent_open(struct parent *p);
void parent_close(struct parent *p);
int make_spool(struct parent *p);	/* the spool's directory, if it is not there (any more) */
/* children.c */
int start_worker(struct parent *p);	/* with a new resolver */
int start_resolver(struct parent *p);	/* for the running worker */
int start_prober(struct parent *p);	/* for the running worker, which gets it when it is ready: serve_prober() */
void stop_prober(struct parent *p);
pid_t start_planner(struct parent *p, int *ret_sock);	/* or -errno */
int mark_as(const struct parent *p, pid_t pid, uint32_t flags);
int send_setup(struct parent *p);
/* reload.c: event selectors at the start; on SIGHUP; what waits; the worker's answer; a worker that begins. */
int reload_begin(struct parent *p);
void reload(struct parent *p);
void reload_tick(struct parent *p);
int reload_answered(struct parent *p, uint64_t from);
void reload_new_worker(struct parent *p);
/* watch.c: what is ours, to the worker; whether it is as it was. 0 or -errno. */
int tell_guards(struct parent *p);
#define OWN_FILES_MAX 6
unsigned own_files(const struct parent *p, char (*ret_path)[PATH_MAX]);	/* whose changes are aimed at us; how many. The last: below it the forwarder writes */
int tell_process(struct parent *p, const char *name, pid_t pid);
void watch_start(struct parent *p);
void watch_check(struct parent *p);
/* parent_tls.c: which files are probed. A failure is said, and costs no more than TLS capture. */
void tls_open(struct parent *p);
void tls_close(struct parent *p);
void tls_offer(struct parent *p, int fd, const char *path);	/* a file that is executed or mapped; the descriptor stays the caller's */
void tls_offer_root(struct parent *p, uint32_t pid);		/* a process that may live in a container: what its linker knows */
void tls_offer_process(struct parent *p, uint32_t pid);	/* what it executes and has mapped */
int tls_fd(const struct parent *p);				/* readable: tls_serve() */
void tls_serve(struct parent *p);
void tls_tick(struct parent *p);
bool tls_ended(struct parent *p, pid_t pid);			/* was that the planner? */
int tls_message(struct parent *p);				/* the worker's, in p->m */
/* serve.c: one message of the worker; 0 or -errno (end it). */
int serve_ctl(struct parent *p);
int serve_ask(struct parent *p);
int serve_prober(struct parent *p);
int send_counts(struct parent *p);
int send_selection(struct parent *p, const struct selection *s);

#endif
