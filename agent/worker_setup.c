// SPDX-License-Identifier: Apache-2.0
/* worker_setup.c - the worker's start: what the parent sends, then rings, tables, spool. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/api/api.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "own.h"
#include "lib/fsx.h"
#include "proto/keys.h"
#include "sandbox.h"
#include "selection.h"
#include "worker_internal.h"

/* ---- what the parent sends -------------------------------------------------------------------- */

static int take_ring(struct worker *w, const struct msg_ring *m, int fd)
{
	struct probes_fds *f = m->kind & MSG_RING_LEFT ? &w->left : &w->fds;

	switch (m->kind & ~(uint32_t)MSG_RING_LEFT) {
	case MSG_RING_DATA:
		if (m->class >= HT_CLASS__MAX || m->group >= HT_GROUPS_MAX)
			return -EBADMSG;
		f->ring[m->class][m->group] = fd;
		return 0;
	case MSG_RING_COUNTERS:
		f->counters = fd;
		return 0;
	case MSG_RING_SHARED:
		f->shared = fd;
		return 0;
	case MSG_RING_PRINCIPALS:
		f->principals = fd;
		return 0;
	case MSG_RING_SETTLED:
		f->settled = fd;
		return 0;
	case MSG_RING_STATUS_SOCKET:
		w->status_socket = fd;
		return 0;
	case MSG_RING_LOCK:
		w->lock = fd;
		return 0;
	default:
		return -EBADMSG;
	}
}

static void take_feature(struct worker *w, const struct msg_feature *m)
{
	struct probes_feature *f = &w->features[w->nfeatures];

	if (w->nfeatures >= FEATURES_MAX)
		return;
	memcpy(w->feature_names[w->nfeatures], m->name, sizeof(m->name));
	w->feature_names[w->nfeatures][sizeof(m->name) - 1] = 0;
	f->name = w->feature_names[w->nfeatures];
	f->on = m->on;
	f->required = m->required;
	memcpy(f->why, m->why, sizeof(f->why));
	f->why[sizeof(f->why) - 1] = 0;
	w->nfeatures++;
}

static void take_setup(struct worker *w)
{
	w->setup = w->m.body.setup;
	memcpy(w->fds.ring_bytes, w->setup.ring_bytes, sizeof(w->fds.ring_bytes));
	w->fds.ncpu = w->setup.ncpu;
	w->fds.ngroups = w->setup.ngroups;
	memcpy(w->left.ring_bytes, w->setup.left.ring_bytes, sizeof(w->left.ring_bytes));
	w->left.ncpu = w->setup.left.ncpu;
	w->left.ngroups = w->setup.left.ngroups;
	log_setlevel((enum log_level)w->setup.log_level);
}

static int read_text(int fd, struct buf *out)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > SELECTORS_TEXT_MAX)
		return -E2BIG;
	r = buf_reserve(out, (size_t)st.st_size);
	if (!r)
		r = fsx_pread_all(fd, out->p, (size_t)st.st_size, 0);
	if (!r)
		out->n = (size_t)st.st_size;
	return r;
}

/* Between two entries: what was judged was made before this moment, what is made from now on is judged by these. */
static int put_in_force(struct worker *w, struct selection *s)
{
	const struct selection *before = pipeline_selection(w->pipeline);
	struct own_selectors o = { .selectors = s->source, .sha256 = s->sha256, .before = before ? before->sha256 : NULL };
	struct msg_selected a;
	int r;

	o.from = a.from = s->from = clock_boot();
	r = own_selectors_changed(w->pipeline, &o);
	if (r < 0) {
		selection_free(&s);
		return r;
	}
	return pipeline_select(w->pipeline, s) ?: msg_send(w->ctl, MSG_SELECTED, &a, sizeof(a), -1);
}

int worker_selectors(struct worker *w)
{
	struct msg_selectors *m = &w->m.body.selectors;
	char why[SELECTORS_WHY_MAX] = "unreadable";
	_cleanup_buf_ struct buf text = { 0 };
	_cleanup_close_ int fd = w->m.fd;
	struct selection *s = NULL;
	int r = read_text(fd, &text);

	m->source[sizeof(m->source) - 1] = 0;
	if (!r)
		r = selection_of(m->source, text.p, text.n, &s, why);
	if (r < 0) {
		log_errx("event selectors from the parent: %s", why);
		return r;
	}
	s->from = m->from;
	if (w->pipeline)
		return put_in_force(w, s);
	s->before = w->selection;
	w->selection = s;
	return 0;
}

int worker_receive(struct worker *w)
{
	int r;

	memset(w->fds.ring, -1, sizeof(w->fds.ring));
	w->left = w->fds;
	r = guard_new(&w->guard);
	if (r < 0)
		return r;
	w->fds.counters = w->fds.shared = w->fds.principals = w->fds.settled = -1;
	w->left.counters = w->left.shared = w->left.principals = w->left.settled = -1;
	for (;;) {
		r = msg_recv(w->ctl, &w->m);
		if (r <= 0)
			return r ?: -EPIPE;
		switch (w->m.type) {
		case MSG_SETUP:
			take_setup(w);
			break;
		case MSG_RING:
			r = take_ring(w, &w->m.body.ring, w->m.fd);
			if (r < 0)
				return r;
			break;
		case MSG_FEATURE:
			take_feature(w, &w->m.body.feature);
			break;
		case MSG_GUARD:
			r = guard_add(w->guard, &w->m.body.guard);
			if (r < 0)
				return r;
			break;
		case MSG_SELECTORS:
			r = worker_selectors(w);
			if (r < 0)
				return r;
			break;
		case MSG_COUNT:
			w->count = w->m.body.count;
			break;
		case MSG_START:
			return 0;
		default:
			return -EBADMSG;
		}
	}
}

/* ---- requests to the parent that wait for the answer --------------------------------------------- */

static int sign(void *ctx, const void *p, size_t n, uint8_t ret_sig[64])
{
	static struct msg m;
	struct worker *w = ctx;
	int r = msg_send(w->ask, MSG_SIGN, p, (uint32_t)n, -1);

	if (!r)
		r = msg_recv(w->ask, &m);
	if (r <= 0)
		return r ?: -EPIPE;
	if (m.type != MSG_SIGNED || m.body.signature.error > 0)
		return -EBADMSG;
	memcpy(ret_sig, m.body.signature.signature, 64);
	return m.body.signature.error;
}

static int exe_path_of(void *ctx, uint32_t pid, char *out, size_t max)
{
	static struct msg m;
	struct worker *w = ctx;
	struct msg_pid q = { .pid = pid };
	int r = msg_send(w->ask, MSG_EXE_PATH, &q, sizeof(q), -1);

	if (!r)
		r = msg_recv(w->ask, &m);
	if (r <= 0)
		return r ?: -EPIPE;
	if (m.type != MSG_EXE_PATH_IS)
		return -EBADMSG;
	if (m.n > max)
		m.n = (uint32_t)max;
	memcpy(out, m.body.bytes, m.n);
	return (int)m.n;
}

/* ---- opening --------------------------------------------------------------------------------------- */

static void found_identity(void *ctx, const void *event, uint32_t n)
{
	pipeline_identity(ctx, event, n);
}

static int open_spool(struct worker *w)
{
	struct writer_config wc = {
		.spool_dir = w->setup.spool_dir, .cursor = w->setup.cursor, .made = w->setup.made, .host = &w->host,
		.sign = sign, .sign_ctx = w,
	};

	memcpy(wc.stream, w->setup.stream, sizeof(wc.stream));
	memcpy(wc.limits.bytes, w->setup.spool_bytes, sizeof(wc.limits.bytes));
	return writer_open(&wc, w->settle, &w->writer);
}

/* In the sandbox. Without them calls have the names that they have without: no reason to record nothing. */
static void load_apis(const struct worker *w)
{
	char why[API_WHY_MAX];

	if (w->setup.tls && w->setup.apis[0] && api_rules_load(w->setup.apis, why) < 0)
		log_errx("rule files for APIs are not used: %s", why);
}

/* The parent could read them. What is described already has copies of all that it needs of the former ones. */
int worker_apis(struct worker *w)
{
	char why[API_WHY_MAX], *path = w->m.body.apis.path, before[65];
	int n = 0;

	path[sizeof(w->m.body.apis.path) - 1] = 0;
	snprintf(before, sizeof(before), "%s", api_rules_sha256());
	if (path[0])
		n = api_rules_load(path, why);
	else
		api_rules_free();
	if (n < 0) {
		log_errx("%s; rule files of APIs from before stay in force", why);
		return 0;
	}
	if (!strcmp(before, api_rules_sha256()))
		return 0;
	log_info("rule files of APIs in force: %d of %s", n, path);
	return own_apis_changed(w->pipeline, &(struct own_apis){ path, api_rules_sha256(), before, (unsigned)n });
}

static int open_pipeline(struct worker *w)
{
	struct pipeline_config pc = { .host = &w->host, .program = "hosttraild", .self = &w->self, .tls = w->setup.tls };
	struct pipeline_ops ops;
	int r;

	load_apis(w);
	worker_ops(w, &ops);
	r = pipeline_new(&pc, &ops, w->rings, w->settle, &w->pipeline);
	if (!r)
		pipeline_guard(w->pipeline, w->guard);
	if (!r && w->selection)
		r = pipeline_select(w->pipeline, TAKE_PTR(w->selection));
	if (!r)
		r = idlog_open(w->setup.spool_dir, w->setup.stream, found_identity, w->pipeline, &w->ids);
	if (!r)
		r = writer_start(w->writer, w->pipeline, w->rings, w->ids);
	return r;
}

static int watch(struct worker *w, int fd, uint32_t how)
{
	struct epoll_event ev = { .events = EPOLLIN | how, .data.fd = fd };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int open_events(struct worker *w)
{
	int r;

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0)
		return -errno;
	r = watch(w, w->ctl, 0);
	if (!r)
		r = watch(w, w->resolver, 0);
	if (!r)		/* entries stay until they are committed: "readable" says nothing, only the edge does */
		r = watch(w, rings_epoll_fd(w->rings), EPOLLET);
	if (!r && w->status_socket >= 0)
		r = watch(w, w->status_socket, 0);
	return r;
}

/* A stream ends where the next one begins: with a boot, or with rings that another build or a clean stop took away. */
static int say_previous(struct worker *w)
{
	const uint8_t *previous = writer_previous(w->writer);
	char text[33];

	if (!previous)
		return 0;
	hex_text(previous, 16, text);
	return own_stream_ended(w->pipeline, text, w->setup.replaced[0] ? w->setup.replaced : "its rings are gone");
}

#define OFF_TEST "self-test: turned off in the configuration"

static int say_started(struct worker *w)
{
	char off[FEATURES_MAX][sizeof(w->features[0].why) + 64], self[64];
	const struct selection *selection = pipeline_selection(w->pipeline);
	struct str on_list[FEATURES_MAX + 1], off_list[FEATURES_MAX + 1], skipped[CHAIN__MAX];
	struct own_started s = {
		.version = HOSTTRAIL_VERSION, .kernel = w->setup.host.kernel, .scope = w->setup.scope,
		.adopted = w->setup.adopted, .replaced = w->setup.replaced, .on = on_list, .off = off_list,
		.recursion_misses = worker_missed_total(w), .self = self, .skipped = skipped,
		.ring_size = w->fds.ring_bytes,
	};

	if (selection) {
		s.selectors = selection->source;
		s.selectors_sha256 = selection->sha256;
	}
	snprintf(self, sizeof(self), "hosttraild parent %lld worker %d", (long long)w->setup.pid, (int)getpid());
	for (unsigned i = 0; i < w->nfeatures; i++) {
		const struct probes_feature *f = &w->features[i];

		if (f->on) {
			on_list[s.non++] = (struct str){ f->name, strlen(f->name) };
			continue;
		}
		snprintf(off[s.noff], sizeof(off[0]), "%s: %s", f->name, f->why);
		off_list[s.noff] = (struct str){ off[s.noff], strlen(off[s.noff]) };
		s.noff++;
	}
	if (w->setup.self_test)
		on_list[s.non++] = (struct str){ "self-test", 9 };
	else
		off_list[s.noff++] = (struct str){ OFF_TEST, strlen(OFF_TEST) };
	for (unsigned c = 0; c < CHAIN__MAX; c++) {
		const char *why = writer_skipped(w->writer, c);

		if (why)
			skipped[s.nskipped++] = (struct str){ why, strlen(why) };
	}
	for (unsigned i = 0; i < HT_PROGRAMS_MAX; i++)
		w->missed_said[i] = rings_missed_said(w->rings, i);
	return own_agent_started(w->pipeline, &s) ?: say_previous(w) ?: worker_left(w) ?: worker_missed(w);
}

int worker_open(struct worker *w)
{
	int r;

	w->started = clock_boot();
	selftest_begin(&w->test, w->started);
	hostinfo_record(&w->setup.host, &w->host);
	r = rings_open(&w->fds, &w->rings);
	if (!r)
		r = settle_new(rings_ncpu(w->rings), &w->settle);
	if (!r)
		r = pipeline_principals(w->rings, w->settle);
	if (!r)
		r = open_spool(w);
	if (!r)
		r = open_pipeline(w);
	if (!r)
		r = open_events(w);
	if (r < 0)
		return r;
	/* From here on every identity comes (again); those of entries that wait already are in the log. */
	rings_new_epoch(w->rings);
	r = proctab_scan(pipeline_procs(w->pipeline), exe_path_of, w);
	log_debug("%d processes found", r);
	return say_started(w);
}

void worker_close(struct worker *w)
{
	idlog_free(&w->ids);
	guard_free(&w->guard);
	selection_free(&w->selection);
	pipeline_free(&w->pipeline);
	writer_free(&w->writer);
	settle_free(&w->settle);
	rings_free(&w->rings);
	if (w->epoll >= 0)
		close(w->epoll);
}
