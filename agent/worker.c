// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "own.h"
#include "sandbox.h"
#include "worker.h"
#include "worker_internal.h"

#define BATCH_MS 10			/* while entries come: read so often, and let nobody wake us */
#define IDLE_MS 1000
#define STOP_PATIENCE (2 * NS_PER_SEC)	/* for numbers on their way and hashes in work; the parent waits longer */
#define STOP_PAUSE_MS 2
#define CHECK_EVERY (2 * NS_PER_SEC)

/* ---- what the pipeline asks -------------------------------------------------------------------- */

static int close_frame(void *ctx, unsigned chain)
{
	struct worker *w = ctx;

	return writer_close(w->writer, chain);
}

static void ask_name(void *ctx, uint32_t uid)
{
	struct worker *w = ctx;
	struct msg_name q = { .uid = uid };

	if (w->resolver >= 0 && msg_send(w->resolver, MSG_NAME, &q, sizeof(q), -1) < 0)
		log_limited(LOG_LEVEL_WARN, 0, "the resolver does not take questions");
}

static void ask_exe(void *ctx, const struct exe_ref *ref)
{
	struct worker *w = ctx;
	struct msg_exe q = { .exe = ref->exe, .start = ref->start, .pid = ref->pid };

	if (w->hashes >= HASHES_MAX) {
		pipeline_exe(w->pipeline, &ref->exe, NULL);
		return;
	}
	snprintf(q.path, sizeof(q.path), "%s", ref->path);
	if (!msg_send(w->ctl, MSG_EXE, &q, sizeof(q), -1))
		w->hashes++;
}

static void ask_login(void *ctx, uint32_t session, uint32_t pid, uint64_t start)
{
	struct worker *w = ctx;
	struct msg_login q = { .start = start, .pid = pid, .session = session };

	msg_send(w->ctl, MSG_LOGIN, &q, sizeof(q), -1);
}

static void keep_identity(void *ctx, const void *event, uint32_t n)
{
	struct worker *w = ctx;

	idlog_add(w->ids, event, n);
}

static void tls_wanted(void *ctx, uint64_t conn, const struct ht_tls_wanted *wanted)
{
	struct worker *w = ctx;
	struct msg_tls_wanted m = { .conn = conn, .wanted = *wanted };

	msg_send(w->ctl, MSG_TLS_WANTED, &m, sizeof(m), -1);
}

static void library(void *ctx, const struct tls_mapping *l)
{
	struct worker *w = ctx;
	struct msg_tls_library m = { .exe = l->exe, .at = l->at, .end = l->end, .pid = l->pid, .parent = l->parent, .in_root = l->in_root };

	snprintf(m.path, sizeof(m.path), "%s", l->path);
	msg_send(w->ctl, MSG_TLS_LIBRARY, &m, sizeof(m), -1);
}

/* Once for a connection whose plaintext nobody saw; the parent answers at once. */
static int tls_mapped_there(void *ctx, uint32_t pid)
{
	static struct msg m;
	struct worker *w = ctx;
	struct msg_pid q = { .pid = pid };
	int r = msg_send(w->ask, MSG_TLS_MAPPED, &q, sizeof(q), -1);

	if (!r)
		r = msg_recv(w->ask, &m);
	return r <= 0 || m.type != MSG_TLS_MAPPED_IS ? -EIO : (int)m.body.pid.pid;
}

void worker_ops(struct worker *w, struct pipeline_ops *ret_ops)
{
	*ret_ops = (struct pipeline_ops){
		.ctx = w, .close = close_frame, .ask_name = ask_name, .ask_exe = ask_exe, .ask_login = ask_login,
		.keep_identity = keep_identity, .is_test = worker_is_test, .tls_wanted = tls_wanted, .library = library,
		.tls_mapped = tls_mapped_there,
	};
}

/* ---- messages ------------------------------------------------------------------------------------- */

/* The parent opened and checked the file: the resolver reads it. */
static int take_exe(struct worker *w)
{
	struct msg_exe_fd *m = &w->m.body.exe_fd;
	_cleanup_close_ int fd = w->m.fd;

	if (fd >= 0 && w->resolver >= 0 && !msg_send(w->resolver, MSG_HASH, &m->exe, sizeof(m->exe), fd))
		return 0;
	if (w->hashes)
		w->hashes--;
	return pipeline_exe(w->pipeline, &m->exe, NULL);
}

static int new_resolver(struct worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = w->m.fd };

	if (w->resolver >= 0)
		close(w->resolver);
	w->resolver = w->m.fd;
	w->hashes = 0;
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->resolver, &ev) < 0)
		return -errno;
	pipeline_ask_again(w->pipeline);
	return 0;
}

static int take_tampered(struct worker *w, struct msg_tampered *m)
{
	m->kind[sizeof(m->kind) - 1] = m->target[sizeof(m->target) - 1] = m->what[sizeof(m->what) - 1] = 0;
	w->tampered++;
	return own_tampered(w->pipeline, m->kind, m->target, m->what, m->restored);
}

uint64_t worker_missed_total(const struct worker *w)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < w->count.nmissed && i < HT_PROGRAMS_MAX; i++)
		sum += w->count.missed[i].count;
	return sum;
}

/*
 * What an earlier call said is on disk by now (the parent counts every ten seconds) and is noted where the next worker finds
 * it. One that is killed in between makes its successor say the same again: the record's total tells.
 */
int worker_missed(struct worker *w)
{
	int r = 0;

	for (unsigned i = 0; i < w->count.nmissed && i < HT_PROGRAMS_MAX && !r; i++) {
		struct probes_miss *m = &w->count.missed[i];

		m->program[sizeof(m->program) - 1] = 0;
		rings_missed_say(w->rings, i, w->missed_said[i]);
		if (m->count > w->missed_said[i])
			r = own_runs_missed(w->pipeline, m->program, m->count - w->missed_said[i], m->count);
		w->missed_said[i] = m->count;
	}
	return r;
}

static int take_ctl(struct worker *w)
{
	struct msg_login_is *login = &w->m.body.login_is;
	int r = msg_recv(w->ctl, &w->m);

	if (r == 0) {
		w->parent_gone = true;
		return 0;
	}
	if (r < 0)
		return r;
	switch (w->m.type) {
	case MSG_STOP:
		w->stop = true;
		return 0;
	case MSG_EXE_FD:
		return take_exe(w);
	case MSG_LOGIN_IS:
		login->address[sizeof(login->address) - 1] = 0;
		pipeline_login(w->pipeline, login->session, login->address);
		return 0;
	case MSG_RESOLVER:
		return new_resolver(w);
	case MSG_COUNT:
		w->count = w->m.body.count;
		return worker_missed(w);
	case MSG_SELECTORS:
		return worker_selectors(w);
	case MSG_APIS:
		return worker_apis(w);
	case MSG_GUARD:
		return guard_add(w->guard, &w->m.body.guard);
	case MSG_TAMPERED:
		return take_tampered(w, &w->m.body.tampered);
	case MSG_PROBER:
		return worker_new_prober(w);
	default:
		return -EBADMSG;
	}
}

static int take_resolver(struct worker *w)
{
	struct msg_name *name = &w->m.body.name;
	struct msg_hash_is *hash = &w->m.body.hash_is;
	int r = msg_recv(w->resolver, &w->m);

	if (r == -EAGAIN)
		return 0;
	if (r <= 0) {		/* the parent starts another one */
		close(w->resolver);
		w->resolver = -1;
		return 0;
	}
	if (w->m.type == MSG_NAME_IS) {
		name->name[sizeof(name->name) - 1] = 0;
		return pipeline_name(w->pipeline, name->uid, name->name);
	}
	if (w->m.type == MSG_HASH_IS) {
		if (w->hashes)
			w->hashes--;
		return pipeline_exe(w->pipeline, &hash->exe, hash->ok ? hash->sha256 : NULL);
	}
	if (w->m.fd >= 0)
		close(w->m.fd);
	return -EBADMSG;
}

static int dispatch(struct worker *w, int fd)
{
	if (fd == w->ctl)
		return take_ctl(w);
	if (fd == w->resolver)
		return take_resolver(w);
	if (fd == w->prober)
		return worker_take_prober(w);
	if (fd == w->status_socket)
		statusd_serve(w, fd);
	return 0;
}

/* ---- the loop -------------------------------------------------------------------------------------- */

static uint64_t records_seen(const struct worker *w)
{
	const struct pipeline_stats *s = pipeline_stats(w->pipeline);
	uint64_t n = s->skipped + s->malformed;

	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		n += s->records[c];
	return n;
}

/* How long to sleep. Busy: a batch's time. Idle: until something is due, and the next entry wakes us. */
static int sleep_ms(struct worker *w, bool busy)
{
	uint64_t now = clock_boot(), due = writer_due(w->writer), wait = pipeline_wait_until(w->pipeline);
	uint64_t longest = (busy ? BATCH_MS : IDLE_MS) * NS_PER_MS;

	if (wait && wait < due)
		due = wait;
	if (!busy && !wait && !rings_arm(w->rings))
		return busy ? BATCH_MS : 1;
	if (due <= now)
		return 0;
	return (int)((due - now < longest ? due - now : longest) / NS_PER_MS) + 1;
}

static int wait_events(struct worker *w, int ms)
{
	struct epoll_event ev[8];
	int n = epoll_wait(w->epoll, ev, ARRAY_SIZE(ev), ms), r = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n && r >= 0; i++)
		r = dispatch(w, ev[i].data.fd);
	return r < 0 ? r : 0;
}

/* Waiting for a name: nothing is read until it came or its time is up, answers and deadlines go on. */
static bool name_awaited(const struct worker *w)
{
	uint64_t until = pipeline_wait_until(w->pipeline);

	return until && clock_boot() < until && pipeline_name_awaited(w->pipeline);
}

static void spool_touched(void *ctx, const char *path, const char *what)
{
	struct worker *w = ctx;
	char full[PATH_MAX];
	int r;

	snprintf(full, sizeof(full), "%s/%s", w->setup.spool_dir, path);
	log_errx("spool %s: %s", full, what);
	w->tampered++;
	r = own_tampered(w->pipeline, "spool", full, what, false);
	if (r < 0)
		w->check_error = r;
}

/* Between passes: nothing is half appended then. */
static int check_spool(struct worker *w, uint64_t now)
{
	if (now < w->check_at)
		return 0;
	w->check_at = now + CHECK_EVERY;
	w->check_error = 0;
	writer_check(w->writer, spool_touched, w);
	return w->check_error;
}

static int turn(struct worker *w, bool *busy)
{
	uint64_t before = records_seen(w);
	int r = wait_events(w, sleep_ms(w, *busy));

	if (r < 0 || w->parent_gone)
		return r;
	if (!name_awaited(w))
		r = pipeline_drain(w->pipeline, clock_boot());
	if (r >= 0)
		r = writer_tick(w->writer, clock_boot());
	if (r >= 0)
		r = worker_test(w);
	if (r >= 0)
		r = check_spool(w, clock_boot());
	*busy = records_seen(w) != before;
	return r;
}

static int say_stopped(struct worker *w)
{
	const struct own_stopped s = {
		.reason = "stopped", .uptime_ms = (clock_boot() - w->started) / NS_PER_MS, .malformed = rings_malformed(w->rings),
		.recursion_misses = worker_missed_total(w), .restarts = w->count.restarts, .pinned = w->setup.pinned,
	};

	return own_agent_stopped(w->pipeline, &s);
}

/* What was numbered before the stop has come or is lost, what was executed is hashed; then the last record. */
static int finish(struct worker *w)
{
	uint64_t end = clock_boot() + STOP_PATIENCE, merged;
	int r;

	do {
		merged = rings_merged_waiting(w->rings);	/* before: what is sent from now on, the next turn reads */
		r = pipeline_drain(w->pipeline, clock_boot());
		if (r < 0 || (r == 0 && !merged && !settle_unsettled(w->settle) && !w->hashes))
			break;
		r = wait_events(w, STOP_PAUSE_MS);
	} while (r >= 0 && !w->parent_gone && clock_boot() < end);
	if (r >= 0 && !*w->setup.pinned)	/* nobody reads these rings again */
		r = settle_give_up(w->settle);
	if (r >= 0)
		r = pipeline_tls_end(w->pipeline);
	if (r >= 0)
		r = writer_say_lost(w->writer);
	if (r >= 0)
		r = say_stopped(w);
	for (unsigned c = 0; c < CHAIN__MAX && r >= 0; c++)
		r = writer_close(w->writer, c);
	if (r >= 0 && settle_has_lost(w->settle))	/* frames that could not be written */
		r = writer_say_lost(w->writer);
	return r < 0 ? r : writer_sync(w->writer);
}

static int run(struct worker *w)
{
	bool busy = true;
	int r;

	while (!w->stop && !w->parent_gone) {
		r = turn(w, &busy);
		if (r < 0)
			return r;
	}
	return w->parent_gone ? 0 : finish(w);
}

int worker_run(int ctl, int ask, int resolver)
{
	static struct worker w;
	int r;

	w.ctl = ctl;
	w.ask = ask;
	w.resolver = resolver;
	w.prober = w.status_socket = w.lock = w.epoll = -1;
	r = worker_receive(&w);
	procfs_self(&w.self);
	if (!r)
		r = sandbox_worker();
	if (!r)
		r = worker_open(&w);
	if (!r)
		r = run(&w);
	worker_close(&w);
	if (r < 0)
		log_err(r, "worker");
	return r < 0 ? 1 : 0;
}
