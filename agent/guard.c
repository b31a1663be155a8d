// SPDX-License-Identifier: Apache-2.0
#include "guard.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "decode_internal.h"
#include "lib/cleanup.h"

#define THINGS_MAX 256
#define PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

/* How a call is judged. pid, signal: registers. */
enum judge { JUDGE_NONE = 0, JUDGE_SIGNAL, JUDGE_PIDFD_SIGNAL, JUDGE_PTRACE, JUDGE_MEMORY, JUDGE_PIDFD, JUDGE_BPF, JUDGE_MOUNT, JUDGE_FILE };
static const struct {
	const char *call;
	uint8_t judge, pid, signal;
} judged[] = {
	{ "kill", JUDGE_SIGNAL, 0, 1 }, { "tkill", JUDGE_SIGNAL, 0, 1 }, { "tgkill", JUDGE_SIGNAL, 0, 2 },
	{ "rt_sigqueueinfo", JUDGE_SIGNAL, 0, 1 }, { "rt_tgsigqueueinfo", JUDGE_SIGNAL, 0, 2 },
	{ "pidfd_send_signal", JUDGE_PIDFD_SIGNAL, 0, 1 }, { "ptrace", JUDGE_PTRACE, 1, 0 },
	{ "process_vm_readv", JUDGE_MEMORY, 0, 0 }, { "process_vm_writev", JUDGE_MEMORY, 0, 0 },
	{ "pidfd_getfd", JUDGE_PIDFD, 0, 0 }, { "process_madvise", JUDGE_PIDFD, 0, 0 }, { "bpf", JUDGE_BPF, 0, 0 },
	{ "mount", JUDGE_MOUNT, 0, 0 }, { "umount", JUDGE_MOUNT, 0, 0 }, { "umount2", JUDGE_MOUNT, 0, 0 },
	{ "move_mount", JUDGE_MOUNT, 0, 0 }, { "mount_setattr", JUDGE_MOUNT, 0, 0 }, { "fspick", JUDGE_MOUNT, 0, 0 },
	{ "pivot_root", JUDGE_MOUNT, 0, 0 },
};

struct thing {
	uint32_t kind, number;
	uint64_t until;
	char *text;
	char *writer;			/* GUARD_FILES: an executable that may write here */
};

struct guard {
	struct thing v[THINGS_MAX];
	unsigned n;
	uint32_t pid_ns, group;
	uint64_t mnt_ns;
	uint8_t judge[HT_CALLS_MAX], at[HT_CALLS_MAX];	/* by call: how, and the row of judged[] */
};

static uint8_t judge_of(unsigned call, uint8_t *ret_at)
{
	const struct call *row = calls_row(call);

	if (!row)
		return JUDGE_NONE;
	for (unsigned i = 0; i < ARRAY_SIZE(judged); i++)
		if (!strcmp(judged[i].call, row->name)) {
			*ret_at = (uint8_t)i;
			return judged[i].judge;
		}
	return !strcmp(row->source, "file.linux") ? JUDGE_FILE : JUDGE_NONE;
}

bool guard_by_path(unsigned call)
{
	uint8_t at;

	return judge_of(call, &at) == JUDGE_FILE;
}

bool guard_may_aim(unsigned call, bool changes)
{
	const struct call *row = calls_row(call);
	uint8_t at, judge = judge_of(call, &at);

	if (judge != JUDGE_FILE)
		return judge != JUDGE_NONE;
	return row->read_only != RO_YES && (row->read_only != RO_OPEN || changes);
}

int guard_new(struct guard **ret_g)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	for (unsigned i = 0; i < calls_count(); i++)
		g->judge[i] = judge_of(i, &g->at[i]);
	*ret_g = g;
	return 0;
}

void guard_free(struct guard **pg)
{
	struct guard *g = *pg;

	if (!g)
		return;
	for (unsigned i = 0; i < g->n; i++) {
		free(g->v[i].text);
		free(g->v[i].writer);
	}
	free(g);
	*pg = NULL;
}

/* ---- what is ours ---------------------------------------------------------------------------------- */

static struct thing *place_for(struct guard *g, const struct msg_guard *m)
{
	for (unsigned i = 0; m->kind == GUARD_PROCESS && i < g->n; i++)
		if (g->v[i].kind == GUARD_PROCESS && !strcmp(g->v[i].text, m->text))
			return &g->v[i];
	return g->n < THINGS_MAX ? &g->v[g->n] : NULL;
}

static int add_writer(struct guard *g, const char *path)
{
	struct thing *t = g->n ? &g->v[g->n - 1] : NULL;

	if (!t || t->kind != GUARD_FILES || t->writer)
		return -EBADMSG;
	t->writer = strdup(path);
	return t->writer ? 0 : -ENOMEM;
}

int guard_add(struct guard *g, const struct msg_guard *m)
{
	struct thing *t;

	if (!m->kind || m->kind >= GUARD__MAX || !memchr(m->text, 0, sizeof(m->text)))
		return -EBADMSG;
	if (m->kind == GUARD_GROUP) {
		g->group = m->number;
		return 0;
	}
	if (m->kind == GUARD_NAMESPACES) {
		g->pid_ns = m->number;
		g->mnt_ns = m->ino;
		return 0;
	}
	if (m->kind == GUARD_FORWARD)
		return add_writer(g, m->text);
	t = place_for(g, m);
	if (!t)
		return -ENOMEM;
	if (t == &g->v[g->n]) {
		t->text = strdup(m->text);
		if (!t->text)
			return -ENOMEM;
		g->n++;
	}
	t->kind = m->kind;
	t->number = m->number;
	t->until = m->until;
	return 0;
}

static const struct thing *find(const struct guard *g, uint32_t kind, uint32_t number)
{
	for (unsigned i = 0; i < g->n; i++)
		if (g->v[i].kind == kind && g->v[i].number == number)
			return &g->v[i];
	return NULL;
}

static void hit(struct guard_hit *h, const char *kind, const struct thing *t)
{
	static const char *const what[GUARD__MAX] = { [GUARD_MAP] = "map ", [GUARD_PROG] = "program ", [GUARD_LINK] = "link " };

	h->kind = kind;
	if (t->kind == GUARD_PROCESS)
		snprintf(h->target, sizeof(h->target), "%.64s %u", t->text, t->number);
	else if (what[t->kind])
		snprintf(h->target, sizeof(h->target), "%s%u %.64s", what[t->kind], t->number, t->text);
	else
		snprintf(h->target, sizeof(h->target), "%.500s", t->text);
}

/* ---- processes ------------------------------------------------------------------------------------- */

static void at_pid(const struct guard *g, const struct view *v, int32_t pid, const char *kind, struct guard_hit *h)
{
	const struct thing *t = pid > 0 ? find(g, GUARD_PROCESS, (uint32_t)pid) : NULL;

	if (t && (!t->until || v->c.h.time < t->until))
		hit(h, kind, t);
}

static void at_signal(const struct guard *g, const struct view *v, int32_t pid, struct guard_hit *h)
{
	if (pid > 0) {
		at_pid(g, v, pid, "signal", h);
	} else if (pid == -1 || (pid < -1 && (uint32_t)-pid == g->group)) {
		h->kind = "signal";
		snprintf(h->target, sizeof(h->target), "%s", pid == -1 ? "every process" : "the agent's process group");
	} else if (pid > INT32_MIN) {
		at_pid(g, v, -pid, "signal", h);	/* the worker has a group of its own */
	}
}

/* The i-th kernel object behind the descriptors of that argument. */
static bool object_at(const struct view *v, unsigned arg, unsigned i, struct ht_kobj *ret_k)
{
	const struct slot *s = view_slot(v, SLOT_KOBJ, arg);

	if (!s || s->flags & HT_FIELD_F_FAULT || (i + 1) * sizeof(*ret_k) > s->n)
		return false;
	memcpy(ret_k, s->p + i * sizeof(*ret_k), sizeof(*ret_k));
	return true;
}

static void at_pidfd(const struct guard *g, const struct view *v, const char *kind, struct guard_hit *h)
{
	struct ht_kobj k;

	if (object_at(v, 0, 0, &k) && k.kind == HT_KOBJ_PID)
		at_pid(g, v, (int32_t)k.id, kind, h);
}

#define PIDFD_SIGNAL_GROUP 4	/* PIDFD_SIGNAL_PROCESS_GROUP, of 6.9 */

static void at_pidfd_signal(const struct guard *g, const struct view *v, struct guard_hit *h)
{
	struct ht_kobj k;

	if (v->c.args[3] & PIDFD_SIGNAL_GROUP && object_at(v, 0, 0, &k) && k.kind == HT_KOBJ_PID)
		at_signal(g, v, -(int32_t)k.id, h);
	else
		at_pidfd(g, v, "signal", h);
}

/* ---- bpf(2) ------------------------------------------------------------------------------------------ */

static const uint32_t kind_of_object[] = { [HT_KOBJ_MAP] = GUARD_MAP, [HT_KOBJ_PROG] = GUARD_PROG, [HT_KOBJ_LINK] = GUARD_LINK };

/* Commands that open an object by its number, which is the first word. */
static const struct {
	uint32_t command, kind;
} by_number[] = {
	{ BPF_MAP_GET_FD_BY_ID, GUARD_MAP }, { BPF_PROG_GET_FD_BY_ID, GUARD_PROG }, { BPF_LINK_GET_FD_BY_ID, GUARD_LINK },
};

/*
 * Commands that open an object, change one, run it, or attach something to it, by descriptor: where in their part of union bpf_attr descriptors of
 * such objects are. Not those that look only.
 */
static const struct {
	uint32_t command, n;
	uint16_t at[3];
} by_descriptor[] = {
	{ BPF_MAP_CREATE, 1, { 20 } }, { BPF_MAP_UPDATE_ELEM, 1, { 0 } }, { BPF_MAP_DELETE_ELEM, 1, { 0 } },
	{ BPF_MAP_LOOKUP_AND_DELETE_ELEM, 1, { 0 } }, { BPF_MAP_FREEZE, 1, { 0 } }, { BPF_MAP_LOOKUP_AND_DELETE_BATCH, 1, { 36 } },
	{ BPF_MAP_UPDATE_BATCH, 1, { 36 } }, { BPF_MAP_DELETE_BATCH, 1, { 36 } }, { BPF_PROG_LOAD, 1, { 112 } },
	{ BPF_OBJ_PIN, 1, { 8 } }, { BPF_OBJ_GET, 1, { HT_KOBJ_RET } }, { BPF_PROG_ATTACH, 3, { 0, 4, 16 } }, { BPF_PROG_DETACH, 2, { 0, 4 } },
	{ BPF_PROG_TEST_RUN, 1, { 0 } }, { BPF_RAW_TRACEPOINT_OPEN, 1, { 8 } }, { BPF_LINK_CREATE, 2, { 0, 4 } },
	{ BPF_LINK_UPDATE, 3, { 0, 4, 12 } }, { BPF_LINK_DETACH, 1, { 0 } }, { BPF_PROG_BIND_MAP, 2, { 0, 4 } },
};

static bool in_place(uint32_t command, uint16_t at)
{
	for (unsigned i = 0; i < ARRAY_SIZE(by_descriptor); i++)
		for (unsigned n = 0; by_descriptor[i].command == command && n < by_descriptor[i].n; n++)
			if (by_descriptor[i].at[n] == at)
				return true;
	return false;
}

static const struct thing *found_by_number(const struct guard *g, const struct view *v, uint32_t command)
{
	const struct slot *s = view_slot(v, SLOT_MEM, 1);
	uint32_t first;

	if (!s || s->flags & HT_FIELD_F_FAULT || s->n < sizeof(first))
		return NULL;
	memcpy(&first, s->p, sizeof(first));
	for (unsigned i = 0; i < ARRAY_SIZE(by_number); i++)
		if (by_number[i].command == command)
			return find(g, by_number[i].kind, first);
	return NULL;
}

static void at_bpf(const struct guard *g, const struct view *v, struct guard_hit *h)
{
	uint32_t command = (uint32_t)v->c.args[0];
	const struct thing *t = found_by_number(g, v, command);
	struct ht_kobj k;

	for (unsigned i = 0; !t && object_at(v, 1, i, &k); i++)
		if (k.kind < ARRAY_SIZE(kind_of_object) && kind_of_object[k.kind] && in_place(command, k.at) &&
		    (k.at != HT_KOBJ_RET || view_ok(v)))
			t = find(g, kind_of_object[k.kind], k.id);
	if (t)
		hit(h, "bpf", t);
}

/* ---- paths -------------------------------------------------------------------------------------------- */

static bool below(struct str path, const char *dir)
{
	size_t n = strlen(dir);

	return path.n >= n && !memcmp(path.p, dir, n) && (path.n == n || path.p[n] == '/');
}

static bool above(struct str path, const char *dir)
{
	size_t n = strlen(dir);

	return path.n == 1 || (n > path.n && !memcmp(path.p, dir, path.n) && dir[path.n] == '/');
}

/* Over, under or at a place of ours; how mounts spread is nobody's attack but at our own mount points. */
static void at_mount(const struct guard *g, const struct decoder *d, struct guard_hit *h)
{
	bool spread = !strcmp(d->row->name, "mount") && d->v.c.args[3] & PROPAGATION;

	for (unsigned p = 0; p < d->npaths && !h->kind; p++)
		for (unsigned i = 0; i < g->n && !h->kind; i++) {
			const struct thing *t = &g->v[i];
			struct str path = d->path[p].path;

			if ((t->kind != GUARD_MOUNT && t->kind != GUARD_FILES) || !path.p)
				continue;
			if (below(path, t->text) || (!spread && above(path, t->text)))
				hit(h, "mount", t);
		}
}

static bool may_write(const struct thing *t, const struct ident *who)
{
	return t->writer && who && who->exe.n == strlen(t->writer) && !memcmp(who->exe.p, t->writer, who->exe.n);
}

/* What may be written below /proc of one of our processes: its memory, whether it is to be killed first. */
static void at_proc(const struct guard *g, const struct decoder *d, struct guard_hit *h)
{
	char dir[32];

	for (unsigned p = 0; p < d->npaths && !h->kind; p++)
		for (unsigned i = 0; i < g->n && !h->kind; i++) {
			if (g->v[i].kind != GUARD_PROCESS || !d->path[p].path.p)
				continue;
			snprintf(dir, sizeof(dir), "/proc/%u", g->v[i].number);
			if (below(d->path[p].path, dir))
				at_pid(g, &d->v, (int32_t)g->v[i].number, "trace", h);
		}
}

static void at_files(const struct guard *g, const struct decoder *d, const struct ident *who, struct guard_hit *h)
{
	bool moves = !strncmp(d->row->name, "rename", 6);

	for (unsigned p = 0; p < d->npaths && !h->kind; p++)
		for (unsigned i = 0; i < g->n && !h->kind; i++) {
			const struct thing *t = &g->v[i];
			struct str path = d->path[p].path;

			if (t->kind != GUARD_FILES || !path.p || may_write(t, who))
				continue;
			if (below(path, t->text) || (moves && above(path, t->text)))
				hit(h, "file", t);
		}
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static bool same_pids(const struct guard *g, const struct ident *who)
{
	return !who || !g->pid_ns || who->id.ns_pid == g->pid_ns;
}

static bool same_mounts(const struct guard *g, const struct ident *who)
{
	return !who || !g->mnt_ns || who->id.ns_mnt == g->mnt_ns;
}

static int32_t word(const struct view *v, unsigned arg)
{
	return (int32_t)v->c.args[arg];
}

void guard_look(struct guard *g, const struct decoder *d, const struct ident *who, struct guard_hit *h)
{
	const struct view *v = &d->v;
	unsigned call = v->c.call < HT_CALLS_MAX ? v->c.call : 0, row = g->at[call];
	uint8_t judge = g->judge[call];
	const struct thing *self = judge ? find(g, GUARD_PROCESS, v->c.h.tgid) : NULL;

	h->kind = NULL;
	if (!judge || (self && (!self->until || v->c.h.time < self->until)))
		return;
	if (judge == JUDGE_FILE && !call_read_only(d->row, v)) {
		at_files(g, d, who, h);
		if (!h->kind && same_pids(g, who))
			at_proc(g, d, h);
	} else if (judge == JUDGE_MOUNT && same_mounts(g, who))
		at_mount(g, d, h);
	else if (judge == JUDGE_BPF)
		at_bpf(g, v, h);
	else if (judge == JUDGE_PIDFD_SIGNAL && word(v, judged[row].signal))
		at_pidfd_signal(g, v, h);
	else if (judge == JUDGE_PIDFD)
		at_pidfd(g, v, "trace", h);
	else if (judge == JUDGE_SIGNAL && word(v, judged[row].signal) && same_pids(g, who))
		at_signal(g, v, word(v, judged[row].pid), h);
	else if ((judge == JUDGE_PTRACE && word(v, 0) && same_pids(g, who)) || (judge == JUDGE_MEMORY && same_pids(g, who)))
		at_pid(g, v, word(v, judged[row].pid), "trace", h);
}
