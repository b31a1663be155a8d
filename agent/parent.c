// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/slice.h"
#include "parent_internal.h"
#include "sandbox.h"

#define BACKOFF_FIRST (100 * NS_PER_MS)
#define BACKOFF_MAX (30 * NS_PER_SEC)
#define HEALTHY (10 * NS_PER_SEC)	/* a worker that lived so long starts the backoff anew */
#define STOP_PATIENCE (10 * NS_PER_SEC)
#define COUNTS_EVERY (10 * NS_PER_SEC)
#define FLUSH_EVERY (250 * NS_PER_MS)
#define WATCH_EVERY (2 * NS_PER_SEC)

static int open_signals(struct parent *p)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	sigaddset(&s, SIGINT);
	sigaddset(&s, SIGCHLD);
	sigaddset(&s, SIGHUP);
	sigprocmask(SIG_BLOCK, &s, NULL);
	signal(SIGPIPE, SIG_IGN);
	p->signals = signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
	return p->signals < 0 ? -errno : 0;
}

/* ---- children that end -------------------------------------------------------------------------- */

static void say_ended(const char *what, int status)
{
	if (WIFSIGNALED(status))
		log_warnx("%s was killed by signal %d", what, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		log_warnx("%s ended with status %d", what, WEXITSTATUS(status));
}

static void close_sockets(struct parent *p)
{
	if (p->ctl >= 0)
		close(p->ctl);
	if (p->ask >= 0)
		close(p->ask);
	p->ctl = p->ask = -1;
	stop_prober(p);		/* it was that worker's */
}

static void worker_ended(struct parent *p, int status)
{
	uint64_t now = clock_boot();

	p->former = p->worker;
	p->worker = 0;
	close_sockets(p);
	if (p->stopping)
		return;
	say_ended("worker", status);
	if (now - p->worker_started > HEALTHY || !p->backoff)
		p->backoff = BACKOFF_FIRST;
	p->worker_at = now + p->backoff;
	p->backoff = p->backoff * 2 < BACKOFF_MAX ? p->backoff * 2 : BACKOFF_MAX;
}

static void reap(struct parent *p)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == p->worker) {
			worker_ended(p, status);
		} else if (pid == p->resolver) {
			p->resolver = 0;
			if (!p->stopping)
				say_ended("resolver", status);
			p->resolver_at = clock_boot() + NS_PER_SEC;
		} else if (pid == p->prober) {
			p->prober = 0;
			if (!p->stopping)
				say_ended("prober", status);
			p->prober_at = clock_boot() + NS_PER_SEC;
		} else if (tls_ended(p, pid) && !p->stopping) {
			say_ended("planner", status);
		}
	}
}

static void restart(struct parent *p)
{
	uint64_t now = clock_boot();
	int r = 0;

	if (p->stopping)
		return;
	if (!p->worker && now >= p->worker_at) {
		r = start_worker(p);
		p->restarts++;
	} else if (p->worker && !p->resolver && now >= p->resolver_at) {
		r = start_resolver(p);
		p->resolver_at = now + NS_PER_SEC;
	} else if (p->config->self_test && p->worker && !p->prober && now >= p->prober_at) {
		r = start_prober(p);
		p->prober_at = now + NS_PER_SEC;
	}
	if (r < 0)
		log_limited(LOG_LEVEL_ERROR, r, "cannot start a child");
	if (!p->worker && p->worker_at <= now)
		p->worker_at = now + NS_PER_SEC;
}

/* ---- stop ------------------------------------------------------------------------------------------ */

/* What the kernel merged goes into the rings; all of it when we stop, as long as there is somebody to read it. */
static void flush_merged(struct parent *p)
{
	uint64_t now = clock_boot();
	int64_t r;

	if (!p->worker || (!p->stopping && now < p->flush_at))
		return;
	r = probes_flush(p->probes, p->stopping ? UINT64_MAX : now - PROBES_MERGE_NS);
	if (r < 0)
		log_limited(LOG_LEVEL_ERROR, (int)r, "merged calls cannot be sent");
	p->flush_at = now + FLUSH_EVERY;
}

static void begin_stop(struct parent *p)
{
	if (p->stopping)
		return;
	p->stopping = true;
	p->stop_until = clock_boot() + STOP_PATIENCE;
	flush_merged(p);
	if (p->worker && !send_counts(p))
		msg_send(p->ctl, MSG_STOP, NULL, 0, -1);
}

static void take_signals(struct parent *p)
{
	struct signalfd_siginfo s;

	while (read(p->signals, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGCHLD)
			reap(p);
		else if (s.ssi_signo == SIGHUP)
			reload(p);
		else
			begin_stop(p);
	}
}

static void end_children(struct parent *p)
{
	if (p->worker) {
		log_warnx("the worker did not stop in time");
		kill(p->worker, SIGKILL);
		waitpid(p->worker, NULL, 0);
	}
	if (p->resolver) {
		kill(p->resolver, SIGKILL);
		waitpid(p->resolver, NULL, 0);
	}
	close_sockets(p);
}

/* ---- the loop ----------------------------------------------------------------------------------------- */

/* A worker that breaks the rules is ended; the next one starts from the same rings. */
static void served(struct parent *p, int r)
{
	if (r >= 0 || !p->worker)
		return;
	if (r != -EPIPE && r != -ECONNRESET) {
		log_err(r, "the worker's message is refused");
		kill(p->worker, SIGKILL);
	}
	close_sockets(p);	/* its end arrives as a signal */
}

static int timeout_ms(const struct parent *p)
{
	uint64_t now = clock_boot(), until = now + WATCH_EVERY;

	if (p->stopping)
		until = p->stop_until;
	else if (!p->worker)
		until = p->worker_at;
	else if (!p->resolver)
		until = p->resolver_at;
	else if (p->config->self_test && !p->prober)
		until = p->prober_at;
	if (p->coming && !p->asked && until > now + NS_PER_SEC / 10)
		until = now + NS_PER_SEC / 10;
	if (p->worker && until > now + FLUSH_EVERY)
		until = now + FLUSH_EVERY;
	return until <= now ? 0 : (int)((until - now) / NS_PER_MS) + 1;
}

static void serve(struct parent *p)
{
	struct pollfd f[5] = {
		{ p->signals, POLLIN, 0 }, { p->ask, POLLIN, 0 }, { p->ctl, POLLIN, 0 }, { p->probe, POLLIN, 0 }, { tls_fd(p), POLLIN, 0 },
	};

	if (poll(f, ARRAY_SIZE(f), timeout_ms(p)) < 0)
		return;
	if (f[1].revents)
		served(p, serve_ask(p));
	if (f[2].revents && p->ctl >= 0)
		served(p, serve_ctl(p));
	if (f[3].revents && p->probe >= 0 && p->ctl >= 0)
		served(p, serve_prober(p));
	if (f[4].revents)
		tls_serve(p);
	tls_tick(p);
	if (f[0].revents)
		take_signals(p);
	reload_tick(p);
	flush_merged(p);
	if (p->ctl >= 0 && clock_boot() >= p->watch_at) {
		watch_check(p);
		p->watch_at = clock_boot() + WATCH_EVERY;
	}
	if (p->ctl >= 0 && clock_boot() >= p->count_at) {
		served(p, send_counts(p));
		if (p->worker && clock_boot() - p->worker_started >= COUNTS_EVERY)	/* it has said what was lost with them */
			probes_left_end(p->probes);
		p->count_at = clock_boot() + COUNTS_EVERY;
	}
}

int parent_run(const struct agent_config *c)
{
	static struct parent p;
	int r;

	p = (struct parent){ .config = c, .lock = -1, .status_socket = -1, .signals = -1, .ctl = -1, .ask = -1, .probe = -1, .hello = true };
	slice_set(PROMPT_SLICE);
	r = sandbox_guard();
	if (!r)
		r = open_signals(&p);
	if (!r)
		r = parent_open(&p);
	if (!r) {
		watch_start(&p);
		tls_open(&p);
		r = start_worker(&p);
	}
	if (r < 0) {
		end_children(&p);
		tls_close(&p);
		parent_close(&p);
		return 1;
	}
	log_info("recording (scope %s, instance %s)", c->scope, c->instance);
	while (!p.stopping || (p.worker && clock_boot() < p.stop_until)) {
		serve(&p);
		restart(&p);
	}
	end_children(&p);
	tls_close(&p);
	parent_close(&p);
	return 0;
}
