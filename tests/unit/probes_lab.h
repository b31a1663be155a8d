/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probes_lab.h - runs a function in a marked child under real probes, and keeps what came through the rings. Only the child's tree is
 * recorded. Cases start with lab_open(), which skips without root; those that need no configuration of their own share the programs,
 * which the kernel takes seconds to verify, but not what lies in the rings.
 */
#ifndef HOSTTRAIL_PROBES_LAB_H
#define HOSTTRAIL_PROBES_LAB_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/calls.h"
#include "agent/decode.h"
#include "agent/probes.h"
#include "agent/rings.h"
#include "lib/cleanup.h"
#include "tests/tap.h"

#define LAB_EVENTS 20000

struct lab {
	struct probes *probes;
	struct rings *rings;
	struct ht_event *ev[LAB_EVENTS];	/* copies, class by class */
	unsigned n;
	uint64_t before[HT_CLASS__MAX][3];	/* lab_counts() of the cases before this one */
	char dir[64];				/* a temporary directory */
};

static struct probes *lab_shared;

static void lab_forget(struct lab *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->ev[i]);
	l->n = 0;
}

static void lab_close(struct lab *l)
{
	char cmd[128];

	lab_forget(l);
	rings_free(&l->rings);
	if (l->probes != lab_shared)
		probes_close(&l->probes, true);
	if (*l->dir) {
		snprintf(cmd, sizeof(cmd), "rm -rf %s", l->dir);
		if (system(cmd))
			printf("# %s stays\n", l->dir);
	}
}
#define _cleanup_lab_ __attribute__((cleanup(lab_close)))

static void lab_collect(struct lab *l)
{
	const struct ht_event *e;
	struct rings_mark m;
	uint32_t len;

	rings_snapshot(l->rings);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++) {
		while ((e = rings_next(l->rings, c, &len))) {
			if (e->kind != HT_EV_TLS)	/* those are pipeline_tls.c's */
				ok_int(event_check(e, len), 0);
			if (l->n == LAB_EVENTS)
				continue;
			l->ev[l->n] = malloc(len);
			memcpy(l->ev[l->n++], e, len);
		}
		rings_mark(l->rings, c, &m);
		rings_commit(l->rings, c, &m);
	}
	ok_int(rings_malformed(l->rings), 0);
}

/* Sums over CPUs: numbers taken, entries in the ring, lost. */
static inline void lab_sums(const struct lab *l, unsigned class, uint64_t ret_n[3])
{
	memset(ret_n, 0, 3 * sizeof(*ret_n));
	for (unsigned u = 0; u < rings_ncpu(l->rings); u++) {
		const volatile struct ht_counters *n = rings_counters(l->rings, class, u);

		ret_n[0] += n->seq;
		ret_n[1] += n->submitted;
		for (unsigned i = 0; i < HT_CAUSE__MAX; i++)
			ret_n[2] += n->lost[i];
	}
}

/* False: the case is skipped or has failed. */
static bool lab_open_with(struct lab *l, struct probes_config *c)
{
	char why[256] = "";

	if (geteuid()) {
		tap_skip_reason = "needs root";
		return false;
	}
	c->scope = HT_SCOPE_TREE;
	strcpy(l->dir, "/tmp/ht-lab-XXXXXX");
	if (!mkdtemp(l->dir) || (!l->probes && probes_open(c, &l->probes, why)) || rings_open(probes_fds(l->probes), &l->rings)) {
		printf("# %s\n", why);
		tap_failed = 1;
		return false;
	}
	return true;
}

static inline bool lab_open(struct lab *l)
{
	struct probes_config c = {};

	l->probes = lab_shared;
	if (!lab_open_with(l, &c))
		return false;
	lab_shared = l->probes;
	lab_collect(l);
	lab_forget(l);
	for (unsigned class = 0; class < HT_CLASS__MAX; class++)
		lab_sums(l, class, l->before[class]);
	return true;
}

/* Starts fn(arg) in a child that is marked before it runs. The child's pid. */
static pid_t lab_start(struct lab *l, uint32_t flags, void (*fn)(void *), void *arg)
{
	_cleanup_close_ int pidfd = -1;
	int go[2];
	char c;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (read(go[0], &c, 1) != 1)
			_exit(99);
		fn(arg);
		_exit(0);
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ok_int(probes_mark(l->probes, pidfd, HT_TASK_MARKED | flags), 0);
	ok_int(write(go[1], "x", 1), 1);
	close(go[0]);
	close(go[1]);
	return pid;
}

/* Runs fn to its end, and collects. The wait status. */
static inline int lab_run(struct lab *l, uint32_t flags, void (*fn)(void *), void *arg)
{
	pid_t pid = lab_start(l, flags, fn, arg);
	int status = -1;

	ok_int(waitpid(pid, &status, 0), pid);
	lab_collect(l);
	return status;
}

/* ---- looking things up -------------------------------------------------------- */

static inline const struct ht_call *lab_call(const struct lab *l, const char *name, unsigned nth)
{
	unsigned want = calls_lookup(name);

	for (unsigned i = 0; i < l->n; i++) {
		const struct ht_call *c = (const struct ht_call *)l->ev[i];

		if (c->h.kind == HT_EV_CALL && c->call == want && !nth--)
			return c;
	}
	return NULL;
}

static inline unsigned lab_count(const struct lab *l, const char *name)
{
	unsigned n = 0;

	while (lab_call(l, name, n))
		n++;
	return n;
}

static inline const struct ht_ident *lab_ident(const struct lab *l, const struct ht_call *c)
{
	for (unsigned i = 0; i < l->n; i++) {
		const struct ht_ident *d = (const struct ht_ident *)l->ev[i];

		if (d->h.kind == HT_EV_IDENT && d->h.class == c->h.class && d->h.tid == c->h.tid &&
		    d->h.start == c->h.start && d->h.gen == c->h.gen)
			return d;
	}
	return NULL;
}

/* The data of a call's field; role 0: any. */
static inline const uint8_t *lab_field(const struct ht_call *c, unsigned kind, unsigned arg, unsigned role,
				       struct ht_field *ret_f)
{
	struct field_iter i;
	const uint8_t *data;

	fields_of_call(c, c->h.len, &i);
	while (field_next(&i, ret_f, &data))
		if (ret_f->kind == kind && ret_f->arg == arg && (!role || ret_f->role == role))
			return data;
	return NULL;
}

/* A walk's path; "" when there is none. */
static inline const char *lab_path(const struct ht_call *c, unsigned arg, unsigned role, struct ht_walk *ret_w)
{
	static char path[4][8192];
	static unsigned slot;
	struct ht_field f;
	const uint8_t *p = lab_field(c, HT_FIELD_WALK, arg, role, &f);
	char *out = path[slot++ % 4];
	int n;

	*out = 0;
	if (!p)
		return out;
	if (ret_w)
		memcpy(ret_w, p, sizeof(*ret_w));
	n = walk_path(p, f.len, out, 8191);
	out[n > 0 ? n : 0] = 0;
	return out;
}

static inline const char *lab_string(const struct ht_call *c, unsigned kind, unsigned arg)
{
	static char s[4][4200];
	static unsigned slot;
	struct ht_field f;
	const uint8_t *p = lab_field(c, kind, arg, 0, &f);
	char *out = s[slot++ % 4];

	if (!p || f.len >= 4200)
		return NULL;
	memcpy(out, p, f.len);
	out[f.len] = 0;
	return out;
}

/* Of this case: numbers taken, entries in the ring, lost. */
static inline void lab_counts(const struct lab *l, unsigned class, uint64_t *ret_seq, uint64_t *ret_in, uint64_t *ret_lost)
{
	uint64_t n[3];

	lab_sums(l, class, n);
	*ret_seq = n[0] - l->before[class][0];
	*ret_in = n[1] - l->before[class][1];
	*ret_lost = n[2] - l->before[class][2];
}

#endif
