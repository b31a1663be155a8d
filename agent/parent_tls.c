// SPDX-License-Identifier: Apache-2.0
/*
 * parent_tls.c - the parent's part of TLS capture: finds files, has them planned by a process without privileges, attaches.
 *
 * Files are found in the dynamic linker's cache, those of containers among them, in what runs already, as they are executed, and as libraries are mapped by a
 * name of theirs, which the kernel tells once for each file (bpf/tls_mapped.bpf.h). The planner gets one at a time, what somebody uses just now before what was found by looking around; one that kills it, or keeps it too long, is left alone.
 */
#include <ctype.h>
#include <dirent.h>
#include <bpf/bpf.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "expedite.h"
#include "lib/log.h"
#include "parent_internal.h"
#include "tls/discover.h"
#include "tls/plan.h"
#include "tlsfiles.h"
#include "tlsmapping.h"

#define UNTOLD_PER (NS_PER_SEC / 10)
#define UNTOLD_MAX 16		/* within that */
#define WAITING_MAX 256
#define PATIENCE (10 * NS_PER_SEC)	/* for one plan */
#define AGAIN (NS_PER_SEC)		/* after a planner that ended */
#define IDLE_FOR (3 * NS_PER_SEC)	/* then the planner ends, with the memory that it took, and another one waits for what there is to plan */
#define SCAN_EVERY (30 * NS_PER_SEC)
#define FOUND_MAX 65536		/* files that one scan can tell apart */

struct waiting {
	int fd;
	bool used;		/* by somebody, just now */
	int root;		/* the file is the linker's cache of this root; -1: it is to be planned */
	uint32_t pid;		/* who has that root */
	char path[256];
};

struct parent_tls {
	struct probes *probes;
	struct tlsfiles *files;
	uint64_t untold_at;		/* the tenth of a second that untold counts */
	unsigned untold;
	struct tls_discovery *roots;	/* asked for containers' roots alone */
	pid_t planner;			/* 0: none */
	int sock;
	struct waiting queue[WAITING_MAX];
	unsigned first, n;		/* the first one is asked about, if `asked` */
	bool asked;
	bool worked;			/* this planner was asked something */
	bool in_turn;			/* what is found now waits behind all that was: nobody is known to use it just now */
	uint64_t id, until, start_at, scan_at, idle_at;
	uint64_t dropped;		/* files for which the queue had no room */
};

/* ---- the queue ---------------------------------------------------------------------------------- */

static struct waiting *head_of(struct parent_tls *t)
{
	return &t->queue[t->first];
}

static void close_waiting(struct waiting *w)
{
	close(w->fd);
	if (w->root >= 0)
		close(w->root);
}

static void drop_head(struct parent_tls *t)
{
	close_waiting(head_of(t));
	t->first = (t->first + 1) % WAITING_MAX;
	t->n--;
	t->asked = false;
}

/* There is no room for all. What was not looked at is new once more when it is found, or mapped, again. */
static void not_yet(struct parent_tls *t, int fd, const char *path)
{
	struct ht_exe e;

	t->dropped++;
	log_limited(LOG_LEVEL_WARN, 0, "too many new files at once: %s is not looked at for TLS yet", path);
	tlsfiles_forget(t->files, fd);
	if (!t->in_turn && probes_exe_of_fd(t->probes, fd, &e) == 0)
		probes_tls_untold(t->probes, &e);
}

static void drop_last(struct parent_tls *t)
{
	struct waiting *w = &t->queue[(t->first + --t->n) % WAITING_MAX];

	not_yet(t, w->fd, w->path);
	close_waiting(w);
}

/* At the end, or before all but the one that is asked about. */
static struct waiting *place(struct parent_tls *t)
{
	struct waiting *head = head_of(t);

	if (t->in_turn)
		return &t->queue[(t->first + t->n++) % WAITING_MAX];
	t->first = (t->first + WAITING_MAX - 1) % WAITING_MAX;
	t->n++;
	if (!t->asked)
		return head_of(t);
	*head_of(t) = *head;
	return head;
}

/* NULL: not new, or there is no room. */
static struct waiting *add(struct parent_tls *t, int fd, const char *path)
{
	struct waiting *w;
	int own;

	if (!t || tlsfiles_new_one(t->files, fd) <= 0)
		return NULL;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return NULL;
	if (t->n == WAITING_MAX && !t->in_turn)
		drop_last(t);
	if (t->n == WAITING_MAX) {
		not_yet(t, fd, path);
		close(own);
		return NULL;
	}
	w = place(t);
	w->fd = own;
	w->used = !t->in_turn;
	w->root = -1;
	snprintf(w->path, sizeof(w->path), "%s", path);
	return w;
}

/* Nothing else is given to the planner: whoever misleads us shall get no file to read that is none of its business. */
static bool is_elf(int fd)
{
	char magic[SELFMAG];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) && !memcmp(magic, ELFMAG, SELFMAG);
}

void tls_offer(struct parent *p, int fd, const char *path)
{
	if (p->tls && is_elf(fd))
		add(p->tls, fd, path);
}

/* What a process without privileges says that there is. */
static bool library_good(const char *path)
{
	const char *last = strrchr(path, '/');

	return path[0] == '/' && tls_plan_name(last + 1);
}

/* Through a descriptor that cannot block or act. */
static void offer_path(struct parent *p, const char *path, const char *name)
{
	_cleanup_close_ int at = open(path, O_PATH | O_CLOEXEC), fd = -1;
	char self[64];
	struct stat st;

	if (at < 0 || fstat(at, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		tls_offer(p, fd, name);
}

/* ---- what there is ---------------------------------------------------------------------------------- */

static void offer_library(const char *path, void *arg)
{
	offer_path(arg, path, path);
}

static int offer_mapped(int fd, const struct tls_found *f, void *arg)
{
	tls_offer(arg, fd, f->path);
	return 0;
}

/* The cache of a container's linker. A stranger wrote it: the planner reads it. */
void tls_offer_root(struct parent *p, uint32_t pid)
{
	_cleanup_close_ int root = -1, cache = -1;
	struct waiting *w;

	if (!p->tls || tls_discover_root(p->tls->roots, pid, &root, &cache) < 0)
		return;
	w = add(p->tls, cache, "the linker's cache of a container");
	if (!w)
		return;
	w->root = TAKE_FD(root);
	w->pid = pid;
}

/* Who speaks TLS that is not seen has, perhaps, what no scan has met yet. */
void tls_offer_process(struct parent *p, uint32_t pid)
{
	struct tls_discovery *d = NULL;

	if (!p->tls || tls_discovery_new(FOUND_MAX, &d) < 0)
		return;
	tls_discover_process(d, pid, offer_mapped, p);
	tls_discovery_free(&d);
}

/* In a PID namespace of its own the agent does not: others may have a file that it meets nowhere. */
static bool sees_all_processes(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == FIRST_PID_NAMESPACE;
}

static void say_gone(const char *path, void *arg)
{
	log_debug("no longer probed for TLS: %s, which was deleted", path);
}

/* What runs, what it has mapped, and what its linker knows; and what nobody has any more. */
static void offer_running(struct parent *p)
{
	struct tls_discovery *d = NULL;
	DIR *dir = tls_discovery_new(FOUND_MAX, &d) < 0 ? NULL : opendir("/proc");
	struct dirent *e;

	tlsfiles_scan_begin(p->tls->files);
	p->tls->in_turn = true;
	while (dir && (e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]) && atoi(e->d_name) != getpid()) {
			tls_discover_process(d, (uint32_t)atoi(e->d_name), offer_mapped, p);
			tls_offer_root(p, (uint32_t)atoi(e->d_name));
		}
	p->tls->in_turn = false;
	tlsfiles_scan_end(p->tls->files, dir && !tls_discovery_stats(d)->full && sees_all_processes(), say_gone, NULL);
	if (dir)
		closedir(dir);
	tls_discovery_free(&d);
}

/* ---- the planner ------------------------------------------------------------------------------------ */

static void end_planner(struct parent_tls *t)
{
	if (t->sock >= 0)
		close(t->sock);
	t->sock = -1;
	if (t->planner)
		kill(t->planner, SIGKILL);
}

bool tls_ended(struct parent *p, pid_t pid)
{
	struct parent_tls *t = p->tls;

	if (!t || pid != t->planner)
		return false;
	t->planner = 0;
	if (t->sock >= 0 || t->asked)	/* not dismissed: the next one shall not end as fast */
		t->start_at = clock_boot() + AGAIN;
	end_planner(t);
	if (t->asked) {
		log_warnx("no plan for %s: it is not probed", head_of(t)->path);
		drop_head(t);
	}
	return true;
}

static void ask_next(struct parent *p)
{
	struct parent_tls *t = p->tls;
	struct msg_tls_file q;

	if (!t->n || t->asked || t->sock < 0)
		return;
	q.id = ++t->id;
	if (msg_send(t->sock, head_of(t)->root >= 0 ? MSG_TLS_CACHE : MSG_TLS_FILE, &q, sizeof(q), head_of(t)->fd) < 0) {
		end_planner(t);
		return;
	}
	t->asked = t->worked = true;
	t->until = clock_boot() + PATIENCE;
}

static void tell(const struct tlsfiles *f, const char *path, int r)
{
	if (r < 0)
		log_limited(LOG_LEVEL_WARN, r, "TLS of %s is not recorded", path);
	else if (r > 0)
		log_debug("probed for TLS: %s", path);
}

/* An answer's sites as a plan; the sites' texts stay with the planner. */
static int take_plan(struct parent_tls *t, struct msg *m)
{
	struct msg_tls_plan *h = &m->body.tls_plan.head;
	_cleanup_free_ struct tls_site *sites = NULL;
	struct tls_plan plan = { 0 };

	if (h->nsites > MSG_TLS_SITES_MAX || m->n != sizeof(*h) + h->nsites * sizeof(struct msg_tls_site))
		return -EBADMSG;
	if (h->error || !h->nsites)
		return h->error == -EBADMSG || h->error == -ENOEXEC ? 0 : h->error;
	sites = calloc(h->nsites, sizeof(*sites));
	if (!sites)
		return -ENOMEM;
	for (unsigned i = 0; i < h->nsites; i++) {
		const struct msg_tls_site *s = &m->body.tls_plan.site[i];

		sites[i] = (struct tls_site){ .offset = s->offset, .func = s->func, .kind = s->kind, .insn = s->insn };
	}
	tlsfiles_hurry(t->files, head_of(t)->used);
	plan.sites = sites;
	plan.nsites = h->nsites;
	plan.uses_tls = true;
	memcpy(plan.stack, h->stack, sizeof(plan.stack) - 1);
	memcpy(plan.build_id, h->build_id, sizeof(plan.build_id) - 1);
	memcpy(plan.why, h->why, sizeof(plan.why) - 1);
	return tlsfiles_planned(t->files, head_of(t)->fd, head_of(t)->path, &plan);
}

/* Paths of the container's, opened inside its root. The queue's head stays until the last one is behind it. */
static void take_cached(struct parent *p, const struct msg_tls_cached *a, uint32_t n)
{
	const struct waiting *w = head_of(p->tls);
	struct tls_discovery *d = NULL;
	const char *end;

	if (n != offsetof(struct msg_tls_cached, text) + a->n || tls_discovery_new(FOUND_MAX, &d) < 0)
		return;
	p->tls->in_turn = true;
	for (const char *at = a->text; (end = memchr(at, 0, (size_t)(a->text + a->n - at))); at = end + 1)
		if (library_good(at))
			tls_discover_library(d, w->pid, w->root, at, offer_mapped, p);
	p->tls->in_turn = false;
	tls_discovery_free(&d);
}

static bool answered(const struct parent_tls *t, const struct msg *m)
{
	if (!t->asked || m->fd >= 0)
		return false;
	if (t->queue[t->first].root >= 0)
		return m->type == MSG_TLS_CACHED && m->body.tls_cached.id == t->id;
	return m->type == MSG_TLS_PLAN && m->body.tls_plan.head.id == t->id;
}

void tls_serve(struct parent *p)
{
	struct parent_tls *t = p->tls;
	int r = msg_recv(t->sock, &p->m);

	if (r == -EAGAIN)
		return;
	if (r > 0 && p->m.fd >= 0)
		close(p->m.fd);
	if (r <= 0 || !answered(t, &p->m)) {
		end_planner(t);		/* its end arrives as a signal */
		return;
	}
	if (head_of(t)->root >= 0)
		take_cached(p, &p->m.body.tls_cached, p->m.n);
	else
		tell(t->files, head_of(t)->path, take_plan(t, &p->m));
	drop_head(t);
	t->idle_at = clock_boot() + IDLE_FOR;
	ask_next(p);
}

int tls_fd(const struct parent *p)
{
	return p->tls ? p->tls->sock : -1;
}

/* It ends by itself. */
static void dismiss(struct parent_tls *t)
{
	close(t->sock);
	t->sock = -1;
}

void tls_tick(struct parent *p)
{
	struct parent_tls *t = p->tls;
	uint64_t now = clock_boot();

	if (!t || p->stopping)
		return;
	if (now >= t->scan_at) {
		offer_running(p);
		t->scan_at = now + SCAN_EVERY;
	}
	if (t->asked && now >= t->until)
		end_planner(t);
	if (!t->n && t->sock >= 0 && t->worked && now >= t->idle_at)
		dismiss(t);
	if (!t->planner && now >= t->start_at) {
		pid_t pid = start_planner(p, &t->sock);

		t->planner = pid > 0 ? pid : 0;
		t->worked = false;
		t->idle_at = now + IDLE_FOR;
		t->start_at = now + AGAIN;
		if (pid < 0)
			log_limited(LOG_LEVEL_ERROR, pid, "cannot start the planner");
	}
	ask_next(p);
}

/* ---- the worker's messages ----------------------------------------------------------------------------- */

/* It may be found when it is mapped again. Who maps in turns what is gone before we look shall not keep us busy: what is too many waits for the scan. */
static void not_found(struct parent *p, const struct tls_mapping *m)
{
	struct parent_tls *t = p->tls;
	uint64_t now = clock_boot() / UNTOLD_PER;

	log_debug("not found: %s, which was mapped", m->path);
	if (now != t->untold_at)
		t->untold = 0;
	t->untold_at = now;
	if (t->untold++ < UNTOLD_MAX)
		probes_tls_untold(t->probes, &m->exe);
}

static void find_library(struct parent *p, struct msg_tls_library *l)
{
	struct tls_mapping m = { .exe = l->exe, .at = l->at, .end = l->end, .pid = l->pid, .parent = l->parent, .path = l->path };
	const char *last;

	l->path[sizeof(l->path) - 1] = 0;
	last = strrchr(l->path, '/');
	if (l->path[0] != '/' || !tls_plan_mapped(last + 1))
		return;
	m.in_root = l->in_root < strlen(l->path) && l->path[l->in_root] == '/' ? l->in_root : 0;
	if (tls_mapping_find(p->probes, &m, offer_mapped, p) < 0)
		not_found(p, &m);
}

int tls_message(struct parent *p)
{
	if (!p->tls)
		return -EBADMSG;
	if (p->m.type == MSG_TLS_WANTED)
		bpf_map_update_elem(probes_fds(p->probes)->tls_wanted, &p->m.body.tls_wanted.conn, &p->m.body.tls_wanted.wanted, BPF_ANY);
	else
		find_library(p, &p->m.body.tls_library);
	return 0;
}

/* ---- begin and end ---------------------------------------------------------------------------------------- */

void tls_open(struct parent *p)
{
	struct parent_tls *t;
	int r;

	expedite_put_back();	/* also where it is not to be set any more */
	if (probes_fds(p->probes)->tls_wanted < 0)
		return;
	t = calloc(1, sizeof(*t));
	r = t ? tlsfiles_new(p->probes, &t->files) : -ENOMEM;
	if (!r)
		r = tls_discovery_new(1, &t->roots);
	if (r < 0) {
		log_err(r, "TLS capture");
		if (t)
			tlsfiles_free(&t->files);
		free(t);
		return;
	}
	tlsfiles_leave_out(t->files, &p->optouts);
	if (p->config->tls_expedite)
		tlsfiles_may_expedite(t->files);
	t->probes = p->probes;
	t->sock = -1;
	p->tls = t;
	t->in_turn = true;
	tlsfiles_each_library(offer_library, p);
	t->in_turn = false;
	tls_tick(p);
}

void tls_close(struct parent *p)
{
	struct parent_tls *t = p->tls;

	if (!t)
		return;
	end_planner(t);
	while (t->n)
		drop_head(t);
	tlsfiles_free(&t->files);
	tls_discovery_free(&t->roots);
	free(t);
	p->tls = NULL;
}
