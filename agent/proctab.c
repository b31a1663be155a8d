// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "proctab.h"

struct entry {
	struct proc p;
	size_t bytes;
	bool gone;
	struct entry *prev, *next;	/* least recently used first */
	UT_hash_handle hh;
	char text[];			/* exe, cwd, argv, via */
};

/* First process seen of an audit session: outlives the process itself. */
struct session {
	uint32_t id;
	uint64_t start;
	UT_hash_handle hh;
};
#define SESSIONS_MAX 4096

/* The latest fork that gave a pid. */
struct birth {
	uint32_t pid;
	uint64_t time;
	struct proc_key parent;
	UT_hash_handle hh;
};
#define BIRTHS_MAX 8192
#define BIRTH_NS 1000000000ull	/* from a child's start to the return of the fork that made it */

struct proctab {
	struct entry *by_key, *lru;
	struct session *sessions;
	struct birth *births;
	size_t bytes, max_bytes;
	uint64_t evicted;
};

int proctab_new(size_t max_bytes, struct proctab **ret_t)
{
	struct proctab *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->max_bytes = max_bytes;
	*ret_t = t;
	return 0;
}

static void drop(struct proctab *t, struct entry *e)
{
	HASH_DEL(t->by_key, e);
	DL_DELETE(t->lru, e);
	t->bytes -= e->bytes;
	free(e);
}

void proctab_free(struct proctab **t)
{
	struct session *s, *next;
	struct birth *b, *after;

	if (!*t)
		return;
	while ((*t)->lru)
		drop(*t, (*t)->lru);
	HASH_ITER(hh, (*t)->births, b, after) {
		HASH_DEL((*t)->births, b);
		free(b);
	}
	HASH_ITER(hh, (*t)->sessions, s, next) {
		HASH_DEL((*t)->sessions, s);
		free(s);
	}
	free(*t);
	*t = NULL;
}

static uint64_t whole_ticks(uint64_t ns)
{
	return ns - ns % PROCTAB_TICK_NS;
}

static struct entry *find(struct proctab *t, uint32_t pid, uint64_t start)
{
	struct proc_key key = { whole_ticks(start), pid, 0 };
	struct entry *e;

	HASH_FIND(hh, t->by_key, &key, sizeof(key), e);
	return e;
}

const struct proc *proctab_find(struct proctab *t, uint32_t pid, uint64_t start)
{
	struct entry *e = find(t, pid, start);

	if (!e)
		return NULL;
	DL_DELETE(t->lru, e);
	DL_APPEND(t->lru, e);
	return &e->p;
}

static struct str keep(struct entry *e, size_t *at, struct str now, struct str before)
{
	struct str from = now.n ? now : before;
	size_t n = from.n < PROCTAB_TEXT_MAX ? from.n : PROCTAB_TEXT_MAX;
	struct str r = { e->text + *at, n };

	if (n)
		memcpy(e->text + *at, from.p, n);
	*at += n;
	return r;
}

static size_t text_bytes(struct str now, struct str before)
{
	size_t n = now.n ? now.n : before.n;

	return n < PROCTAB_TEXT_MAX ? n : PROCTAB_TEXT_MAX;
}

static void note_session(struct proctab *t, uint32_t id, uint64_t start)
{
	struct session *s, *oldest = t->sessions;

	if (id == UINT32_MAX)
		return;
	HASH_FIND(hh, t->sessions, &id, sizeof(id), s);
	if (s) {
		if (start < s->start)
			s->start = start;
		return;
	}
	if (HASH_COUNT(t->sessions) >= SESSIONS_MAX) {
		HASH_DEL(t->sessions, oldest);
		free(oldest);
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->id = id;
	s->start = start;
	HASH_ADD(hh, t->sessions, id, sizeof(s->id), s);
}

void proctab_born(struct proctab *t, uint32_t pid, uint64_t time, const struct proc_key *parent)
{
	struct birth *b, *oldest = t->births;

	HASH_FIND(hh, t->births, &pid, sizeof(pid), b);
	if (b) {			/* again among the youngest */
		HASH_DEL(t->births, b);
	} else if (HASH_COUNT(t->births) >= BIRTHS_MAX) {
		HASH_DEL(t->births, oldest);
		b = oldest;
	} else {
		b = calloc(1, sizeof(*b));
	}
	if (!b)
		return;
	b->pid = pid;
	b->time = time;
	b->parent = *parent;
	HASH_ADD(hh, t->births, pid, sizeof(b->pid), b);
}

struct proc_key proctab_parent(const struct proctab *t, const struct proc *p)
{
	struct birth *b;

	HASH_FIND(hh, t->births, &p->key.pid, sizeof(p->key.pid), b);
	if (b && b->time >= p->key.start && b->time - p->key.start < BIRTH_NS)
		return b->parent;
	return p->parent;
}

int proctab_put(struct proctab *t, const struct proc *p)
{
	static const struct proc none;
	struct str via;
	struct entry *old, *e;
	const struct proc *b;
	size_t n, at = 0;

	note_session(t, p->audit_session, p->key.start);
	old = find(t, p->key.pid, p->key.start);
	b = old ? &old->p : &none;
	via = b->loginuid == p->loginuid ? b->via : none.via;
	n = text_bytes(p->exe, b->exe) + text_bytes(p->cwd, b->cwd) + text_bytes(p->argv, b->argv) +
	    text_bytes(p->via, via);
	e = calloc(1, sizeof(*e) + n);
	if (!e)
		return -ENOMEM;
	e->p = *p;
	e->p.key = (struct proc_key){ whole_ticks(p->key.start), p->key.pid, 0 };
	e->p.exe = keep(e, &at, p->exe, b->exe);
	e->p.cwd = keep(e, &at, p->cwd, b->cwd);
	e->p.argv = keep(e, &at, p->argv, b->argv);
	e->p.via = keep(e, &at, p->via, via);
	if (b->parent.start)
		e->p.parent = b->parent;
	e->bytes = sizeof(*e) + n;
	if (old)
		drop(t, old);
	HASH_ADD(hh, t->by_key, p.key, sizeof(e->p.key), e);
	DL_APPEND(t->lru, e);
	t->bytes += e->bytes;
	while (t->bytes > t->max_bytes && t->lru != e) {
		drop(t, t->lru);
		t->evicted++;
	}
	return 0;
}

/* A dead process may still be the parent that a living one is traced to (sudo in the background): it goes to the
 * front of the queue, not away. */
void proctab_gone(struct proctab *t, uint32_t pid, uint64_t start)
{
	struct entry *e = find(t, pid, start);

	if (!e)
		return;
	DL_DELETE(t->lru, e);
	DL_PREPEND(t->lru, e);
}

uint64_t proctab_session_start(struct proctab *t, uint32_t audit_session)
{
	struct session *s;

	HASH_FIND(hh, t->sessions, &audit_session, sizeof(audit_session), s);
	return s ? s->start : 0;
}

void proctab_stats(const struct proctab *t, struct proctab_stats *ret_s)
{
	*ret_s = (struct proctab_stats){ t->bytes, t->max_bytes, HASH_COUNT(t->by_key), t->evicted };
}
