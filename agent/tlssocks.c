// SPDX-License-Identifier: Apache-2.0
#include "tlssocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(e) ((e)->unhashed = true)
#include <uthash.h>
#include <utlist.h>

#include "lib/cleanup.h"

enum { GOING = 2 };			/* passes until a process that ended is through: its entries may still be in the ring */

struct sock {
	UT_hash_handle hh;
	struct sock *prev, *next;	/* in the order in which they were met */
	struct sock *due_prev, *due_next;
	uint64_t ino;
	bool unhashed, seen, due;
	unsigned going;
	struct hello *open[2];		/* by direction; NULL: over */
	uint64_t off[2];
	struct tlssock tls;
	char name[HELLO_NAME_MAX];
	struct ht_sock sock;
	struct tlssocks_unobserved who;
};

struct tlssocks {
	struct tlssocks_ops ops;
	struct sock *socks, *list, *waiting;
	unsigned n, nopen;
};

int tlssocks_new(const struct tlssocks_ops *ops, struct tlssocks **ret_t)
{
	struct tlssocks *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->ops = *ops;
	*ret_t = t;
	return 0;
}

/* ---- handshakes ------------------------------------------------------------------------------- */

static void take_hello(struct sock *s, unsigned dir, const struct hello *h)
{
	if (h->state != HELLO_DONE)
		return;
	if (h->kind == HELLO_CLIENT) {
		s->tls.asked = true;
		s->tls.server = dir == HT_TLS_RECEIVED;
		memcpy(s->name, h->server_name, sizeof(s->name));
	} else {
		s->tls.answered = true;
		s->tls.version = h->version;
		s->tls.cipher = h->cipher;
	}
}

static void close_hello(struct tlssocks *t, struct sock *s, unsigned dir)
{
	if (!s->open[dir])
		return;
	hello_end(s->open[dir]);
	take_hello(s, dir, s->open[dir]);
	free(s->open[dir]);
	s->open[dir] = NULL;
	t->nopen--;
}

static struct hello *open_hello(struct tlssocks *t, struct sock *s, unsigned dir)
{
	struct sock *old;

	if (s->open[dir])
		return s->open[dir];
	for (old = t->nopen >= TLSSOCKS_OPEN ? t->list : NULL; old; old = old->next) {	/* all at once: the way to them is long */
		close_hello(t, old, 0);
		close_hello(t, old, 1);
	}
	s->open[dir] = calloc(1, sizeof(struct hello));
	t->nopen += !!s->open[dir];
	return s->open[dir];
}

static void end_waiting(struct tlssocks *t, struct sock *s)
{
	if (s->due)
		DL_DELETE2(t->waiting, s, due_prev, due_next);
	s->due = false;
}

static void sock_free(struct tlssocks *t, struct sock *s)
{
	close_hello(t, s, 0);
	close_hello(t, s, 1);
	end_waiting(t, s);
	HASH_DEL(t->socks, s);
	DL_DELETE(t->list, s);
	t->n--;
	free(s);
}

void tlssocks_free(struct tlssocks **t)
{
	if (!*t)
		return;
	while ((*t)->list)
		sock_free(*t, (*t)->list);
	free(*t);
	*t = NULL;
}

static struct sock *sock_find(struct tlssocks *t, uint64_t ino)
{
	struct sock *s;

	HASH_FIND(hh, t->socks, &ino, sizeof(ino), s);
	return s;
}

static struct sock *sock_of(struct tlssocks *t, uint64_t ino)
{
	struct sock *s = sock_find(t, ino);

	if (s)
		return s;
	if (t->n >= TLSSOCKS_MAX)
		sock_free(t, t->list);
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->ino = ino;
	s->tls.name = s->name;
	HASH_ADD(hh, t->socks, ino, sizeof(s->ino), s);
	if (s->unhashed) {
		free(s);
		return NULL;
	}
	DL_APPEND(t->list, s);
	t->n++;
	return s;
}

/* ---- entries -------------------------------------------------------------------------------------- */

static int on_hello(struct tlssocks *t, struct sock *s, const struct ht_tls *ev)
{
	const uint8_t *bytes = (const uint8_t *)(ev + 1) + sizeof(struct ht_sock);
	unsigned dir = ev->dir;
	struct hello *h;

	if (ev->offset != s->off[dir]) {	/* something of it was lost */
		close_hello(t, s, dir);
		return 0;
	}
	s->off[dir] += ev->captured;
	if (ev->offset && !s->open[dir])
		return 0;			/* it is over */
	h = open_hello(t, s, dir);
	if (!h)
		return -ENOMEM;
	if (hello_feed(h, bytes, ev->captured) != HELLO_MORE || ev->captured < ev->full || s->off[dir] >= HT_TLS_HELLO_MAX)
		close_hello(t, s, dir);
	return 0;
}

static void on_flowed(struct tlssocks *t, struct sock *s, const struct ht_tls *ev)
{
	if (s->seen || s->due)
		return;
	s->who = (struct tlssocks_unobserved){ .tls = &s->tls, .sock = &s->sock, .tid = ev->h.tid, .tgid = ev->h.tgid, .gen = ev->h.gen,
					       .start = ev->h.start, .time = ev->h.time,
					       .mapped = t->ops.mapped ? t->ops.mapped(t->ops.ctx, ev->h.tgid) : -1 };
	DL_APPEND2(t->waiting, s, due_prev, due_next);
	s->due = true;
}

/* Nothing else comes of that socket. */
static int on_opted_out(struct tlssocks *t, const struct ht_tls *ev)
{
	struct tlssock tls = { .asked = true, .server = ev->dir == HT_TLS_RECEIVED, .name = "" };
	struct tlssocks_unobserved u = { .tls = &tls, .mapped = -1, .tid = ev->h.tid, .tgid = ev->h.tgid, .gen = ev->h.gen,
					 .start = ev->h.start, .time = ev->h.time, .optout = (enum ht_optout)ev->full };
	struct ht_sock sock;

	if (ev->full < HT_OPTOUT_BROWSER || ev->full > HT_OPTOUT_USER)
		return -EBADMSG;
	memcpy(&sock, ev + 1, sizeof(sock));
	u.sock = &sock;
	return t->ops.unobserved(t->ops.ctx, &u);
}

int tlssocks_event(struct tlssocks *t, const struct ht_tls *ev, uint32_t n)
{
	uint32_t fixed = sizeof(*ev) + sizeof(struct ht_sock);
	struct sock *s;

	if (n < fixed || ev->what < HT_TLS_HELLO || ev->what > HT_TLS_OPTED_OUT || ev->dir > HT_TLS_RECEIVED || ev->captured > n - fixed)
		return -EBADMSG;
	if (ev->what == HT_TLS_OPTED_OUT)
		return on_opted_out(t, ev);
	s = sock_find(t, ev->conn);
	if (s && ev->what == HT_TLS_HELLO && !ev->offset && s->off[ev->dir])
		sock_free(t, s);		/* the number was given again */
	s = sock_of(t, ev->conn);
	if (!s)
		return -ENOMEM;
	memcpy(&s->sock, ev + 1, sizeof(s->sock));
	if (ev->what == HT_TLS_HELLO)
		return on_hello(t, s, ev);
	on_flowed(t, s, ev);
	return 0;
}

void tlssocks_seen(struct tlssocks *t, uint64_t ino)
{
	struct sock *s = sock_of(t, ino);

	if (!s)
		return;
	s->seen = true;
	end_waiting(t, s);
}

const struct tlssock *tlssocks_find(struct tlssocks *t, uint64_t ino)
{
	struct sock *s = sock_find(t, ino);

	if (!s || (!s->tls.asked && !s->tls.answered))
		return NULL;
	return &s->tls;
}

/* ---- what nobody saw --------------------------------------------------------------------------------- */

void tlssocks_gone(struct tlssocks *t, uint32_t tgid)
{
	struct sock *s;

	DL_FOREACH2(t->waiting, s, due_next)
		if (s->who.tgid == tgid && !s->going)
			s->going = GOING;
}

int tlssocks_due(struct tlssocks *t, uint64_t now, bool all)
{
	struct sock *s, *next;
	int r = 0;

	DL_FOREACH_SAFE2(t->waiting, s, next, due_next) {
		bool gone = s->going && !--s->going;

		if (r || (!all && !gone && now < s->who.time + TLSSOCKS_PATIENCE))
			continue;
		end_waiting(t, s);
		s->seen = true;		/* said */
		if (s->tls.asked && !t->ops.maybe(t->ops.ctx, s->who.tgid))
			r = t->ops.unobserved(t->ops.ctx, &s->who);
	}
	return r;
}
