// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "agent/api/api.h"
#include "callselect.h"
#include "config.h"
#include "kernelrules.h"
#include "exehash.h"
#include "exeopen.h"
#include "hostinfo.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/slice.h"
#include "own.h"
#include "pipeline.h"
#include "sandbox.h"
#include "spawn.h"
#include "tlsfiles.h"
#include "tlsmapped.h"
#include "trace.h"
#include "traceorder.h"

#define TICK_MS 100
#define END_PATIENCE (2 * NS_PER_SEC)	/* for numbers still on their way and hashes in work, at the end */
#define RING_DEFAULT_DATA (32u << 20)

struct trace {
	const struct trace_options *o;
	trace_record_fn fn;
	void *ctx;
	struct trace_result result;
	struct hostinfo info;
	struct record_host host;
	struct probes *probes;
	struct rings *rings;
	struct settle *settle;
	struct pipeline *pipeline;
	struct exehash *hash;
	struct tlsfiles *files;		/* NULL: no TLS capture */
	struct ht_optouts optouts;
	struct spawn child;
	int epoll, signals;
	sigset_t mask;			/* the caller's */
	struct traceorder *order;
	struct selection *selection;	/* until the pipeline has it */
	bool ended, stop;		/* the command ended; the callback or a second signal wants no more */
	int error;
};

/* ---- what the pipeline asks ------------------------------------------------------------ */

static void ask_name(void *ctx, uint32_t uid)
{
	struct trace *t = ctx;
	char text[4096];
	struct passwd pw, *found = NULL;

	getpwuid_r(uid, &pw, text, sizeof(text), &found);
	pipeline_name(t->pipeline, uid, found ? found->pw_name : "");
}

static int take_used(struct trace *t, int fd, const char *path)
{
	int r;

	tlsfiles_hurry(t->files, true);
	r = tlsfiles_take(t->files, fd, path);
	tlsfiles_hurry(t->files, false);
	return r;
}

static void ask_exe(void *ctx, const struct exe_ref *ref)
{
	struct trace *t = ctx;
	_cleanup_close_ int fd = exe_open(t->probes, ref->pid, ref->path, &ref->exe);

	if (fd >= 0 && t->files)
		take_used(t, fd, ref->path);
	if (fd >= 0 && !exehash_submit(t->hash, fd, &ref->exe))
		TAKE_FD(fd);
}

static void ask_login(void *ctx, uint32_t session, uint32_t pid, uint64_t start)
{
	struct trace *t = ctx;
	char address[LOGIN_ADDRESS_LEN];

	if (login_peer_of(pid, address) < 0)
		address[0] = 0;
	pipeline_login(t->pipeline, session, address);
}

static void tls_wanted(void *ctx, uint64_t conn, const struct ht_tls_wanted *w)
{
	struct trace *t = ctx;

	bpf_map_update_elem(probes_fds(t->probes)->tls_wanted, &conn, w, BPF_ANY);	/* in vain: more bytes come than are needed */
}

static int take_library(int fd, const struct tls_found *f, void *arg)
{
	return take_used(arg, fd, f->path);
}

static void library(void *ctx, const struct tls_mapping *m)
{
	struct trace *t = ctx;

	if (tls_mapping_find(t->probes, m, take_library, t) < 0)
		probes_tls_untold(t->probes, &m->exe);
}

static int mapped(void *ctx, uint32_t pid)
{
	return tls_mapped(pid);
}

/* ---- batches to the callback -------------------------------------------------------------- */

static void give(void *ctx, struct reader *r, unsigned i)
{
	struct trace *t = ctx;

	t->result.records++;
	if (!t->stop && t->fn(t->ctx, r, i))
		t->stop = true;
}

/* Everything read so far is kept to be put in order, and its ring space is free again. */
static int take_batches(struct trace *t)
{
	struct rings_mark m;
	int r = pipeline_lost(t->pipeline);

	for (unsigned c = 0; c < CHAIN__MAX && !r; c++) {
		r = traceorder_take(t->order, pipeline_batch(t->pipeline, c), probes_fds(t->probes)->stream);
		settle_frame_done(t->settle, c);
		if (!r)
			r = pipeline_restart(t->pipeline, c);
	}
	for (unsigned c = 0; c < HT_CLASS__MAX; c++) {
		rings_mark(t->rings, c, &m);
		rings_commit(t->rings, c, &m);
	}
	return r;
}

static int close_batch(void *ctx, unsigned chain)
{
	return take_batches(ctx);
}

static int take_hashes(struct trace *t)
{
	struct exehash_result h;
	int r = 0;

	while (!r && exehash_next(t->hash, &h))
		r = pipeline_exe(t->pipeline, &h.exe, h.ok ? h.sha256 : NULL);
	return r;
}

static int pass(struct trace *t)
{
	uint64_t begin = clock_boot();
	int r = take_hashes(t);

	if (r < 0)
		return r;
	do		/* 1: a name was asked for; here it is answered at once */
		r = pipeline_drain(t->pipeline, clock_boot());
	while (r == 1);
	if (!r)
		r = take_batches(t);
	while (!r && settle_has_lost(t->settle))
		r = take_batches(t);
	if (!r)
		traceorder_give(t->order, begin, give, t);
	return r ?: t->error;
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static const char *tls_missing(const struct trace *t)
{
	static const char *const names[] = { "uretprobe", "uprobe" };
	const struct probes_feature *v;
	unsigned n;

	v = probes_features(t->probes, &n);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
			if (!strcmp(v[i].name, names[k]) && !v[i].on)
				return v[i].why;
	return "the probes are not loaded";
}

/* Probes stand before the command's first instruction: in the libraries that the linker knows, and in the command's own file. */
static int open_tls(struct trace *t, char why[256])
{
	char rules[API_WHY_MAX];
	struct probes_tls_progs progs;
	int r;

	if (!probes_tls(t->probes, &progs)) {
		snprintf(t->result.tls, sizeof(t->result.tls), "%s", tls_missing(t));
		return 0;
	}
	r = api_rules_load(t->o->apis, rules);
	if (r < 0) {
		snprintf(why, 256, "%.255s", rules);
		return r;
	}
	r = tlsfiles_new(t->probes, &t->files);
	if (r < 0)
		return r;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);	/* plaintext will be in our memory; the command's program is dumpable again by its exec */
	tlsfiles_leave_out(t->files, &t->optouts);
	tlsfiles_may_expedite(t->files);
	tlsfiles_libraries(t->files);
	tlsfiles_program(t->files, t->o->argv[0]);
	return 0;
}

/* Nobody's name is asked for. */
static int open_optouts(struct trace *t, char why[256])
{
	static const struct optout_config none;
	char what[CONF_WHY_MAX];
	int r = optout_make(t->o->optouts ?: &none, &t->optouts, what);

	if (r < 0)
		snprintf(why, 256, "%.255s", what);
	return r;
}

static int open_kernel_side(struct trace *t, char why[256])
{
	struct probes_config pc = { .scope = HT_SCOPE_TREE, .tls = !t->o->no_tls };
	struct probes_calls calls = { 0 };
	const struct selectors *wanted = t->o->selection ? t->o->selection->selectors : NULL;
	struct kernelrules *rules;
	int r;

	if (t->o->calls)
		memcpy(calls.captured, t->o->calls, sizeof(calls.captured));
	else if (wanted)
		callselect(wanted, calls.captured);
	if (t->o->calls || wanted)
		pc.calls = &calls;
	memcpy(pc.ring_bytes, t->o->ring_bytes, sizeof(pc.ring_bytes));
	if (!pc.ring_bytes[HT_CLASS_DATA])
		pc.ring_bytes[HT_CLASS_DATA] = RING_DEFAULT_DATA;
	pc.optouts = &t->optouts;
	r = open_optouts(t, why) ?: probes_open(&pc, &t->probes, why);
	if (!r && t->o->opened)
		r = t->o->opened(t->probes);
	if (!r && pc.tls)
		r = open_tls(t, why);
	if (r < 0)
		return r;
	if (wanted && !t->o->calls) {
		r = kernelrules_new(wanted, NULL, &rules);
		if (r < 0)
			return r;
		probes_rules(t->probes, rules);		/* where it cannot be, all of it is decided here */
	}
	r = rings_open(probes_fds(t->probes), &t->rings);
	if (r < 0)
		snprintf(why, 256, "cannot read the rings: %s", strerror(-r));
	return r;
}

static int open_user_side(struct trace *t)
{
	struct pipeline_ops ops = {
		.ctx = t, .close = close_batch, .ask_name = ask_name, .ask_exe = ask_exe, .ask_login = ask_login,
		.tls_wanted = tls_wanted, .library = t->files ? library : NULL,
		.tls_mapped = mapped,
	};
	struct pipeline_config pc = { .host = &t->host, .program = "hosttrail", .tls = t->files };
	int r;

	hostinfo_read(&t->info, t->o->region, t->o->account);
	hostinfo_record(&t->info, &t->host);
	r = traceorder_new(&t->order);
	if (!r)
		r = exehash_new(&t->hash);
	if (!r)
		r = settle_new(rings_ncpu(t->rings), &t->settle);
	if (!r)
		r = pipeline_principals(t->rings, t->settle);
	if (!r)
		r = pipeline_new(&pc, &ops, t->rings, t->settle, &t->pipeline);
	if (!r && t->selection)
		r = pipeline_select(t->pipeline, TAKE_PTR(t->selection));
	if (!r)
		proctab_scan(pipeline_procs(t->pipeline), NULL, NULL);
	return r;
}

static int watch(int epoll, int fd, uint32_t how)
{
	struct epoll_event ev = { .events = EPOLLIN | how, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int open_events(struct trace *t)
{
	sigset_t s;
	int r;

	sigemptyset(&s);
	sigaddset(&s, SIGINT);
	sigaddset(&s, SIGQUIT);
	sigaddset(&s, SIGTERM);
	sigaddset(&s, SIGHUP);
	sigprocmask(SIG_BLOCK, &s, &t->mask);
	t->signals = signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (t->signals < 0 || t->epoll < 0)
		return -errno;
	r = watch(t->epoll, t->signals, 0);
	if (!r)		/* entries stay until they are committed: "readable" says nothing, only the edge does */
		r = watch(t->epoll, rings_epoll_fd(t->rings), EPOLLET);
	if (!r)
		r = watch(t->epoll, exehash_fd(t->hash), 0);
	return r;
}

static int start_command(struct trace *t, char why[256])
{
	int r = spawn_stopped(t->o->argv, &t->mask, &t->child);

	if (!r)
		r = watch(t->epoll, t->child.pidfd, 0);
	if (!r) {
		r = probes_mark(t->probes, t->child.pidfd, HT_TASK_MARKED);
		if (r < 0)
			snprintf(why, 256, "cannot mark the command: %s", strerror(-r));
	}
	if (t->files)
		sandbox_no_dumps();	/* the command is another process already: its cores are its own affair */
	if (!r)
		r = spawn_go(&t->child);
	if (!r && setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - PRIORITY_BOOST) < 0)	/* the command has its own */
		t->result.not_boosted = -errno;
	if (!r)
		slice_set(PROMPT_SLICE);
	return r;
}

/* ---- the run ------------------------------------------------------------------------------------ */

/* A terminal sends its signals to the command itself; what was sent to us alone is passed on. After the command's end a
 * signal ends the wait for its descendants. */
static void take_signals(struct trace *t)
{
	struct signalfd_siginfo s;

	while (read(t->signals, &s, sizeof(s)) == sizeof(s)) {
		if (t->ended)
			t->stop = true;
		else if (s.ssi_code != SI_KERNEL)
			kill(t->child.pid, (int)s.ssi_signo);
	}
}

static void reap(struct trace *t)
{
	if (!t->ended && waitpid(t->child.pid, &t->result.status, WNOHANG) == t->child.pid) {
		t->ended = true;
		epoll_ctl(t->epoll, EPOLL_CTL_DEL, t->child.pidfd, NULL);
	}
}

static bool over(const struct trace *t)
{
	if (!t->ended)
		return false;
	return t->o->no_wait || t->stop || !rings_marked_tasks(t->rings);
}

static int run(struct trace *t)
{
	struct epoll_event ev[4];
	int r;

	while (!over(t)) {
		r = epoll_wait(t->epoll, ev, ARRAY_SIZE(ev), rings_arm(t->rings) ? TICK_MS : 0);
		if (r < 0 && errno != EINTR)
			return -errno;
		take_signals(t);
		reap(t);
		r = pass(t);
		if (r < 0)
			return r;
		probes_flush(t->probes, clock_boot() - PROBES_MERGE_NS);	/* now there is room */
	}
	return 0;
}

/* Runs of the probes that the kernel refused: of this tree or of others, that is not known, so they count as lost. */
static int say_missed(struct trace *t)
{
	struct probes_miss missed[HT_PROGRAMS_MAX];
	unsigned n = probes_misses(t->probes, missed, HT_PROGRAMS_MAX);
	int r = 0;

	for (unsigned i = 0; i < n && !r; i++) {
		if (!missed[i].count)
			continue;
		t->result.lost += missed[i].count;
		r = own_runs_missed(t->pipeline, missed[i].program, missed[i].count, missed[i].count);
	}
	return r ?: take_batches(t);
}

/* What was numbered has come or is lost, and what was executed is hashed. An io_uring outlives its owner: the kernel ends what
 * waits in it by and by, so after the last one has ended the rings are looked at once more. */
static int finish(struct trace *t)
{
	uint64_t end = clock_boot() + END_PATIENCE;
	bool ops = false, waited;
	int64_t merged;
	int r;

	do {
		waited = ops;
		ops = rings_ops_waiting(t->rings) > 0;
		merged = probes_flush(t->probes, UINT64_MAX);
		r = pass(t);
		if (r < 0 || (!exehash_pending(t->hash) && ((!merged && !ops && !waited && !settle_unsettled(t->settle)) || t->o->no_wait)))
			break;
		usleep(2000);
	} while (clock_boot() < end);
	if (!r)
		r = pipeline_tls_end(t->pipeline);
	if (!r)
		r = take_batches(t);
	if (!r)
		r = say_missed(t);
	if (!r)
		traceorder_give(t->order, UINT64_MAX, give, t);
	t->result.lost += settle_lost_total(t->settle);
	t->result.tls_pieces = pipeline_stats(t->pipeline)->tls_pieces;
	t->result.tls_bytes = pipeline_stats(t->pipeline)->tls_bytes;
	return r ?: t->error;
}

static void trace_close(struct trace *t)
{
	spawn_close(&t->child);
	if (t->child.pid > 0 && !t->ended)
		waitpid(t->child.pid, &t->result.status, 0);
	traceorder_free(&t->order);
	pipeline_free(&t->pipeline);
	exehash_free(&t->hash);
	tlsfiles_free(&t->files);
	api_rules_free();
	selection_free(&t->selection);
	settle_free(&t->settle);
	rings_free(&t->rings);
	if (t->probes)
		probes_close(&t->probes, true);
	if (t->signals >= 0) {
		close(t->signals);
		sigprocmask(SIG_SETMASK, &t->mask, NULL);
	}
	if (t->epoll >= 0)
		close(t->epoll);
}

int trace_run(const struct trace_options *o, trace_record_fn fn, void *ctx, struct trace_result *ret_t, char why[256])
{
	struct trace t = { .o = o, .fn = fn, .ctx = ctx, .child = { 0, -1, -1 }, .epoll = -1, .signals = -1, .selection = o->selection };
	int r;

	why[0] = 0;
	r = open_kernel_side(&t, why);
	if (!r)
		r = open_user_side(&t);
	if (!r)
		r = open_events(&t);
	if (!r)
		r = start_command(&t, why);
	if (!r)
		r = run(&t);
	if (!r)
		r = finish(&t);
	trace_close(&t);
	if (r < 0 && !why[0])
		snprintf(why, 256, "%s", strerror(-r));
	if (!r)
		*ret_t = t.result;
	return r;
}
