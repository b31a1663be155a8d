// SPDX-License-Identifier: Apache-2.0
/* children.c - worker, resolver, prober, planner: started as a fresh image of this program, without privileges, with up to three descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/slice.h"
#include "parent_internal.h"
#include "planner.h"
#include "resolver.h"
#include "sandbox.h"
#include "selfcalls.h"
#include "worker.h"

#define FD_CTL 3
#define FD_ASK 4
#define FD_RESOLVER 5

/* ---- in the child ---------------------------------------------------------------------------- */

/* Puts the given descriptors at 3, 4, 5 and closes all others. */
static void place(const int *fds, unsigned n)
{
	int high[3];

	for (unsigned i = 0; i < n; i++)
		high[i] = fcntl(fds[i], F_DUPFD, 64);
	for (unsigned i = 0; i < n; i++)
		dup2(high[i], FD_CTL + (int)i);
	syscall(SYS_close_range, FD_CTL + n, ~0u, 0);
}

/*
 * Who empties the rings comes before who fills them. Where the kernel shares CPUs out by session first (autogroup, which desktops and
 * many servers have), a nice value counts within one only: so a session of its own, and that one's nice value, too.
 */
static void boost(int by)
{
	_cleanup_close_ int fd = -1;
	char value[16];
	int n = snprintf(value, sizeof(value), "%d", -by);

	if (setsid() >= 0)
		fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if ((fd >= 0 && write(fd, value, (size_t)n) < 0) || setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - by) < 0)
		log_warn(-errno, "cannot raise the worker's priority");
}

static _Noreturn void become(const struct parent *p, const char *role, const int *fds, unsigned n)
{
	char uid[16], gid[16], parent[16];
	char *const argv[] = { (char *)"hosttraild", (char *)role, uid, gid, parent, NULL };
	char *const env[] = { NULL };
	sigset_t none;

	snprintf(uid, sizeof(uid), "%u", p->uid);
	snprintf(gid, sizeof(gid), "%u", p->gid);
	snprintf(parent, sizeof(parent), "%d", (int)getppid());
	if (!strcmp(role, ROLE_WORKER) && p->config->priority_boost)
		boost((int)p->config->priority_boost);
	place(fds, n);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve("/proc/self/exe", argv, env);
	_exit(127);
}

int child_main(char **argv)
{
	static const struct {
		const char *role, *name;
	} roles[] = {
		{ ROLE_WORKER, "hosttraild[worker]" }, { ROLE_RESOLVER, "hosttraild[resolver]" }, { ROLE_PROBER, "hosttraild[prober]" },
		{ ROLE_PLANNER, "hosttraild[planner]" },
	};
	bool worker = !strcmp(argv[1], ROLE_WORKER), prober = !strcmp(argv[1], ROLE_PROBER), planner = !strcmp(argv[1], ROLE_PLANNER);
	uid_t uid = (uid_t)strtoul(argv[2], NULL, 10);
	gid_t gid = (gid_t)strtoul(argv[3], NULL, 10);
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		if (!strcmp(argv[1], roles[i].role))
			log_init(roles[i].name, LOG_LEVEL_INFO);
	signal(SIGINT, SIG_IGN);	/* a terminal's Ctrl-C is the parent's to handle */
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	umask(worker ? 027 : 077);
	r = sandbox_drop(uid, gid, (pid_t)strtol(argv[4], NULL, 10));
	slice_set(worker || planner ? PROMPT_SLICE : 0);
	if (!r && planner)
		r = sandbox_planner();
	else if (!r && !worker && !prober)
		r = sandbox_resolver();
	if (r < 0) {
		log_err(r, "cannot give up privileges");
		return 1;
	}
	if (prober)
		return prober_run(FD_CTL);
	if (planner)
		return planner_run(FD_CTL);
	return worker ? worker_run(FD_CTL, FD_ASK, FD_RESOLVER) : resolver_run(FD_CTL);
}

/* ---- in the parent ------------------------------------------------------------------------------ */

static pid_t start(const struct parent *p, const char *role, const int *fds, unsigned n)
{
	pid_t pid = fork();

	if (pid == 0)
		become(p, role, fds, n);
	return pid < 0 ? -errno : pid;
}

int mark_as(const struct parent *p, pid_t pid, uint32_t flags)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int r = fd < 0 ? -errno : probes_mark(p->probes, fd, flags);

	if (r < 0)
		log_warn(r, "cannot mark process %d as our own", (int)pid);
	return r;
}

/* One of ours: what it does with its own files is not recorded. */
static void mark_self(const struct parent *p, pid_t pid)
{
	mark_as(p, pid, HT_TASK_SELF);
}

static void close_pair(int (*s)[2])
{
	for (int i = 0; i < 2; i++)
		if ((*s)[i] >= 0)
			close((*s)[i]);
}

/* A child with one end of a socket. Ours never blocks: a name, a probe or a plan can take long. */
static pid_t start_on_socket(const struct parent *p, const char *role, int *ret_sock)
{
	_cleanup_(close_pair) int s[2] = { -1, -1 };
	int r = msg_pair(s);
	pid_t pid;

	if (r < 0)
		return r;
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	pid = start(p, role, &s[1], 1);
	if (pid > 0)
		*ret_sock = TAKE_FD(s[0]);
	return pid;
}

/* A resolver and the worker's end of its socket. */
static int make_resolver(struct parent *p, int *ret_worker_end)
{
	pid_t pid = start_on_socket(p, ROLE_RESOLVER, ret_worker_end);

	if (pid < 0)
		return pid;
	p->resolver = pid;
	mark_self(p, pid);
	return 0;
}

int start_resolver(struct parent *p)
{
	_cleanup_close_ int end = -1;
	int r = make_resolver(p, &end);

	return r ?: tell_process(p, "resolver", p->resolver) ?: msg_send(p->ctl, MSG_RESOLVER, NULL, 0, end);
}

/* It is marked when it has said that it is there, so that its own start is not part of a recorded tree. */
int start_prober(struct parent *p)
{
	pid_t pid = start_on_socket(p, ROLE_PROBER, &p->probe);

	if (pid < 0)
		return pid;
	p->prober = pid;
	return 0;
}

pid_t start_planner(struct parent *p, int *ret_sock)
{
	pid_t pid = start_on_socket(p, ROLE_PLANNER, ret_sock);

	if (pid > 0)
		mark_self(p, pid);
	return pid;
}

void stop_prober(struct parent *p)
{
	if (p->probe >= 0)
		close(p->probe);
	p->probe = -1;
	if (p->prober)
		kill(p->prober, SIGKILL);
	p->prober = 0;
}

int start_worker(struct parent *p)
{
	_cleanup_(close_pair) int ctl[2] = { -1, -1 }, ask[2] = { -1, -1 };
	_cleanup_close_ int resolver = -1;
	int fds[3], r;
	pid_t pid;

	if (p->resolver) {		/* it belongs to the worker that is gone */
		kill(p->resolver, SIGKILL);
		p->resolver = 0;
	}
	r = make_spool(p) ?: msg_pair(ctl) ?: msg_pair(ask) ?: make_resolver(p, &resolver);
	if (r < 0)
		return r;
	fds[0] = ctl[1];
	fds[1] = ask[1];
	fds[2] = resolver;
	pid = start(p, ROLE_WORKER, fds, 3);
	if (pid < 0)
		return pid;
	p->worker = pid;
	p->worker_started = clock_boot();
	mark_self(p, pid);
	p->ctl = TAKE_FD(ctl[0]);
	p->ask = TAKE_FD(ask[0]);
	reload_new_worker(p);
	r = send_setup(p);		/* may block until the worker reads: it has nothing to say before */
	fcntl(p->ctl, F_SETFL, O_NONBLOCK);
	return r;
}
