// SPDX-License-Identifier: Apache-2.0
#include "h2lists.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(e) ((e)->unhashed = true)
#include <uthash.h>
#include <utlist.h>

#define SURE 2	/* streams whose blocks had the session's lists */

struct list {
	struct list *prev, *next;	/* of its session */
	struct list *older, *newer;	/* of all */
	struct session *of;
	uint64_t when;
	uint32_t stream;
	uint64_t by;
	uint64_t used;			/* the connection that took it; 0: none */
	size_t size;			/* of this, with what follows */
	unsigned n;
	struct http_part parts[];	/* then their texts */
};

struct session {
	UT_hash_handle hh;
	struct session *prev, *next;	/* of its process */
	struct process *of;
	uint64_t id;
	struct list *lists;
	unsigned nlists;
	struct owner *owner;		/* the connection that has it */
	bool unhashed, over;		/* over: its lists are nobody's */
	/* A list that comes field by field. */
	uint8_t *begun;			/* as the kernel sent them */
	size_t nbegun;
	unsigned nfields;
	uint64_t seq, by;		/* of the next entry; of the fields */
	bool torn;			/* one was lost, or does not fit */
};

struct process {
	UT_hash_handle hh;
	uint32_t tgid;
	struct session *sessions;
	bool unhashed;
};

struct owner {				/* a connection of which a block was asked for */
	UT_hash_handle hh;
	uint64_t conn;
	struct session *session;	/* NULL: not known */
	unsigned sure;			/* streams that agreed */
	uint32_t last;			/* the latest of them */
	bool doubted, unhashed;
	unsigned nolder;
	struct {
		uint64_t id, hash;
	} older[H2LISTS_OLDER];
};

struct h2lists {
	struct process *processes;
	struct session *sessions;
	struct owner *owners;
	struct list *oldest, *newest;
	unsigned n;
	size_t bytes;
};

int h2lists_new(struct h2lists **ret_l)
{
	*ret_l = calloc(1, sizeof(**ret_l));
	return *ret_l ? 0 : -ENOMEM;
}

unsigned h2lists_count(const struct h2lists *l)
{
	return l->n;
}

/* ---- what is kept */

static void list_free(struct h2lists *l, struct list *x)
{
	DL_DELETE(x->of->lists, x);
	x->of->nlists--;
	*(x->older ? &x->older->newer : &l->oldest) = x->newer;
	*(x->newer ? &x->newer->older : &l->newest) = x->older;
	l->n--;
	l->bytes -= x->size;
	explicit_bzero(x, x->size);
	free(x);
}

static void lists_free(struct h2lists *l, struct session *s)
{
	while (s->lists)
		list_free(l, s->lists);
}

static void begun_reset(struct session *s)
{
	if (s->begun)
		explicit_bzero(s->begun, s->nbegun);
	free(s->begun);
	s->begun = NULL;
	s->nbegun = s->nfields = 0;
	s->torn = false;
}

static void session_free(struct h2lists *l, struct session *s)
{
	struct process *p = s->of;

	lists_free(l, s);
	begun_reset(s);
	if (s->owner)
		s->owner->session = NULL;
	HASH_DEL(l->sessions, s);
	DL_DELETE(p->sessions, s);
	free(s);
	if (p->sessions)
		return;
	HASH_DEL(l->processes, p);
	free(p);
}

void h2lists_free(struct h2lists **pl)
{
	struct h2lists *l = *pl;
	struct session *s, *next;
	struct owner *o, *other;

	if (!l)
		return;
	HASH_ITER(hh, l->sessions, s, next)
		session_free(l, s);
	HASH_ITER(hh, l->owners, o, other) {
		HASH_DEL(l->owners, o);
		free(o);
	}
	free(l);
	*pl = NULL;
}

static struct process *process_of(struct h2lists *l, uint32_t tgid, bool make)
{
	struct process *p;

	HASH_FIND(hh, l->processes, &tgid, sizeof(tgid), p);
	if (p || !make)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->tgid = tgid;
	HASH_ADD(hh, l->processes, tgid, sizeof(p->tgid), p);
	if (!p->unhashed)
		return p;
	free(p);
	return NULL;
}

static struct session *session_of(struct h2lists *l, uint64_t id, uint32_t tgid)
{
	struct session *s;
	struct process *p;

	HASH_FIND(hh, l->sessions, &id, sizeof(id), s);
	if (s)
		return s;
	if (HASH_COUNT(l->sessions) >= H2LISTS_SESSIONS)
		session_free(l, l->sessions);
	p = process_of(l, tgid, true);
	s = p ? calloc(1, sizeof(*s)) : NULL;
	if (s) {
		s->id = id;
		s->of = p;
		HASH_ADD(hh, l->sessions, id, sizeof(s->id), s);
		if (!s->unhashed) {
			DL_APPEND(p->sessions, s);
			return s;
		}
		free(s);
	}
	if (p && !p->sessions) {
		HASH_DEL(l->processes, p);
		free(p);
	}
	return NULL;
}

static struct owner *owner_of(struct h2lists *l, uint64_t conn, bool make)
{
	struct owner *o;

	HASH_FIND(hh, l->owners, &conn, sizeof(conn), o);
	if (o || !make)
		return o;
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->conn = conn;
	HASH_ADD(hh, l->owners, conn, sizeof(o->conn), o);
	if (!o->unhashed)
		return o;
	free(o);
	return NULL;
}

/* The session's lists are nobody's from now on. */
static void session_over(struct h2lists *l, struct session *s)
{
	lists_free(l, s);
	begun_reset(s);
	s->over = true;
	if (s->owner)
		s->owner->session = NULL;
	s->owner = NULL;
}

static void doubt(struct h2lists *l, struct owner *o)
{
	o->doubted = true;
	if (o->session)
		session_over(l, o->session);
}

/* ---- lists from the kernel */

struct raw {		/* fields as the kernel sends them */
	const uint8_t *p;
	size_t left;
	uint64_t n;
};

/* Reads the fields; with NULL it only counts the bytes of their texts. -EBADMSG. */
static int read_fields(struct raw r, struct http_part *parts, char *text, size_t *ret_bytes)
{
	size_t bytes = 0;

	for (uint64_t i = 0; i < r.n; i++) {
		struct ht_tls_field f;
		size_t value, whole;

		if (r.left < sizeof(f))
			return -EBADMSG;
		memcpy(&f, r.p, sizeof(f));
		value = f.no_value ? 0 : f.value;
		whole = (sizeof(f) + f.name + value + 7) & ~(size_t)7;
		if (!f.name || f.name >= HT_TLS_NAME_MAX || value >= HT_TLS_VALUE_MAX || whole > r.left)
			return -EBADMSG;
		if (parts) {
			memcpy(text + bytes, r.p + sizeof(f), f.name + value);
			parts[i] = (struct http_part){ .name = { text + bytes, f.name } };
			if (!f.no_value)
				parts[i].value = (struct str){ text + bytes + f.name, value };
		}
		bytes += f.name + value;
		r.p += whole;
		r.left -= whole;
	}
	*ret_bytes = bytes;
	return r.left ? -EBADMSG : 0;
}

static void make_room(struct h2lists *l, size_t size)
{
	while (l->oldest && (l->n >= H2LISTS_MAX || l->bytes + size > H2LISTS_BYTES))
		list_free(l, l->oldest);
}

static int list_add(struct h2lists *l, struct session *s, const struct ht_tls *ev, struct raw r, uint64_t by)
{
	size_t bytes, size;
	struct list *x;

	if (read_fields(r, NULL, NULL, &bytes) < 0)
		return -EBADMSG;
	size = sizeof(struct list) + r.n * sizeof(struct http_part) + bytes;
	make_room(l, size);
	x = calloc(1, size);
	if (!x)
		return -ENOMEM;
	x->of = s;
	x->when = ev->h.time;
	x->stream = (uint32_t)ev->offset;
	x->by = by;
	x->size = size;
	x->n = (unsigned)r.n;
	read_fields(r, x->parts, (char *)(x->parts + x->n), &bytes);
	DL_APPEND(s->lists, x);
	s->nlists++;
	x->older = l->newest;
	*(l->newest ? &l->newest->newer : &l->oldest) = x;
	l->newest = x;
	l->n++;
	l->bytes += size;
	return 0;
}

/* Some fields of a list: they are kept until its end comes. */
static int begun_add(struct session *s, const struct ht_tls *ev)
{
	uint8_t *p;

	s->torn |= (s->nfields && s->by != ev->by) || s->nfields + ev->full > HT_TLS_FIELDS_MAX || s->nbegun + ev->captured > HT_TLS_FIELDS_BYTES;
	if (s->torn)
		return 0;
	p = malloc(s->nbegun + ev->captured);
	if (!p)
		return -ENOMEM;
	if (s->nbegun) {
		memcpy(p, s->begun, s->nbegun);
		explicit_bzero(s->begun, s->nbegun);
	}
	memcpy(p + s->nbegun, ev + 1, ev->captured);
	free(s->begun);
	s->begun = p;
	s->nbegun += ev->captured;
	s->nfields += (unsigned)ev->full;
	s->by = ev->by;
	return 0;
}

static int begun_end(struct h2lists *l, struct session *s, const struct ht_tls *ev)
{
	struct raw all = { s->begun, s->nbegun, s->nfields };
	int r = s->torn || !s->nfields ? 0 : list_add(l, s, ev, all, s->by);

	begun_reset(s);
	return r;
}

static bool fields_good(const struct ht_tls *ev, uint32_t n)
{
	return n >= sizeof(*ev) && ev->captured <= n - sizeof(*ev) && ev->captured <= HT_TLS_FIELDS_BYTES && ev->full <= HT_TLS_FIELDS_MAX &&
	       (ev->full || ev->offset) && ev->offset <= INT32_MAX;
}

int h2lists_event(struct h2lists *l, const struct ht_tls *ev, uint32_t n, uint64_t *ret_unwanted)
{
	struct session *s;
	struct raw r;
	size_t bytes;

	if (!fields_good(ev, n))
		return -EBADMSG;
	r = (struct raw){ (const uint8_t *)(ev + 1), ev->captured, ev->full };
	if (read_fields(r, NULL, NULL, &bytes) < 0)
		return -EBADMSG;
	s = session_of(l, ev->conn, ev->h.tgid);
	if (!s)
		return -ENOMEM;
	if (s->of->tgid != ev->h.tgid)
		return -EBADMSG;
	s->torn |= s->seq && ev->h.seq != s->seq;
	s->seq = ev->h.seq + 1;
	if (s->nlists >= H2LISTS_WAIT)
		session_over(l, s);
	*ret_unwanted = s->over ? s->id : 0;
	if (s->over)
		return 0;
	if (!ev->offset)
		return begun_add(s, ev);
	return ev->full ? list_add(l, s, ev, r, ev->by) : begun_end(l, s, ev);
}

bool h2lists_end(struct h2lists *l, uint64_t session)
{
	struct session *s;

	HASH_FIND(hh, l->sessions, &session, sizeof(session), s);
	if (s)
		session_free(l, s);
	return s != NULL;
}

void h2lists_process_gone(struct h2lists *l, uint32_t tgid)
{
	struct process *p = process_of(l, tgid, false);
	struct session *s, *next;

	if (p)
		DL_FOREACH_SAFE(p->sessions, s, next)
			session_free(l, s);
}

void h2lists_conn_gone(struct h2lists *l, uint64_t conn)
{
	struct owner *o = owner_of(l, conn, false);

	if (!o)
		return;
	if (o->session)
		session_over(l, o->session);
	HASH_DEL(l->owners, o);
	free(o);
}

/* ---- entries of HPACK's table that stand for the same thing every time */

static uint64_t mix(uint64_t h, struct str s, bool fold)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];

		h = (h ^ (fold && c >= 'A' && c <= 'Z' ? c | 0x20 : c)) * 0x100000001b3;
	}
	return (h ^ s.n) * 0x100000001b3;
}

/* What the block's part says of an older entry. Its name alone, if the value came with the block, or is not known. */
static uint64_t hash_of(const struct http_part *read, const struct http_part *told)
{
	uint64_t h = mix(0xcbf29ce484222325, told->name, true);

	return read->value.p || !told->value.p ? h | 1 : mix(h, told->value, false) & ~1ull;
}

/* False: one stands for something else by now. An entry's name and the entry are two things that are remembered. */
static bool older_same(struct owner *o, const struct http_part *read, const struct http_part *told, bool keep)
{
	uint64_t hash;

	if (!read->older)
		return true;
	hash = hash_of(read, told);
	for (unsigned i = 0; i < o->nolder; i++)
		if (o->older[i].id == read->older && (o->older[i].hash & 1) == (hash & 1))
			return o->older[i].hash == hash;
	if (keep && o->nolder < H2LISTS_OLDER) {
		o->older[o->nolder].id = read->older;
		o->older[o->nolder++].hash = hash;
	}
	return true;
}

static bool older_agree(struct owner *o, const struct http_block *b, const struct list *x, bool keep)
{
	for (unsigned i = 0; i < b->n; i++)
		if (!older_same(o, &b->parts[i], &x->parts[i], keep))
			return false;
	return true;
}

/* ---- which list is it? */

static bool may_be(const struct list *x, const struct http_block *b)
{
	return x->stream == b->stream && x->when <= b->when && http_block_agrees(b, x->parts, x->n);
}

static bool same_str(struct str a, struct str b)
{
	return !a.p == !b.p && a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

static bool same_list(const struct list *a, const struct list *b)
{
	for (unsigned i = 0; i < a->n; i++)
		if (!same_str(a->parts[i].name, b->parts[i].name) || !same_str(a->parts[i].value, b->parts[i].value))
			return false;
	return a->n == b->n;
}

struct choice {
	struct list *list;	/* one that may be it */
	unsigned sessions;	/* that have such lists */
	bool differ;
};

static void choose_of(struct choice *c, struct session *s, uint64_t by, const struct http_block *b)
{
	struct list *x, *before = NULL;

	DL_FOREACH(s->lists, x) {
		if (x->used || (by && x->by != by) || !may_be(x, b))
			continue;
		c->differ |= c->list && !same_list(c->list, x);
		c->list = x;
		c->sessions += !before;
		before = x;
	}
}

/* Among sessions that have no connection, made by the thread that sent the block. */
static struct choice choose(struct process *p, const struct h2lists_where *w, const struct http_block *b)
{
	struct choice c = { 0 };
	struct session *s;

	DL_FOREACH(p->sessions, s)
		if (!s->owner && !s->over)
			choose_of(&c, s, w->by, b);
	return c;
}

/* Nobody else's list is this block's: was it one that another connection took, whose session is not sure yet? */
static void doubt_others(struct h2lists *l, struct process *p, struct owner *o, const struct http_block *b)
{
	struct session *s, *next;
	struct list *x;

	DL_FOREACH_SAFE(p->sessions, s, next) {
		bool claimed = false;

		DL_FOREACH(s->lists, x)
			claimed |= x->used && x->used != o->conn && may_be(x, b);
		if (claimed && s->owner && s->owner->sure < SURE)
			doubt(l, s->owner);
	}
}

/* Lists of streams before this one: blocks come in order of streams, but answers may come in any. What is used is kept while it may be doubted. */
static void forget_used(struct h2lists *l, struct owner *o)
{
	struct list *x, *next;

	if (o->sure >= SURE)
		DL_FOREACH_SAFE(o->session->lists, x, next)
			if (x->used)
				list_free(l, x);
}

static const struct http_part *take(struct h2lists *l, struct owner *o, struct list *x, const struct http_block *b)
{
	if (!older_agree(o, b, x, true)) {
		doubt(l, o);
		return NULL;
	}
	forget_used(l, o);
	x->used = o->conn;
	if (x->stream != o->last)
		o->sure++;
	o->last = x->stream;
	return x->parts;
}

/* The connection has a session: its list, or a contradiction, or (the list was lost) nothing. */
static const struct http_part *find_own(struct h2lists *l, struct process *p, struct owner *o, const struct h2lists_where *w, const struct http_block *b)
{
	bool sure = o->sure >= SURE, there = false;
	struct choice mine = { 0 };
	struct list *x;

	choose_of(&mine, o->session, sure ? 0 : w->by, b);
	DL_FOREACH(o->session->lists, x)
		there |= x->stream == b->stream && x->when <= b->when && !x->used;
	if (!mine.list && there)
		doubt(l, o);
	if (!mine.list || mine.differ)
		return NULL;
	if (!sure && choose(p, w, b).list)	/* it might be another one's: that makes nothing sure, and is not used */
		return NULL;
	return take(l, o, mine.list, b);
}

const struct http_part *h2lists_find(struct h2lists *l, const struct h2lists_where *w, const struct http_block *b)
{
	struct process *p = process_of(l, w->tgid, false);
	struct owner *o;
	struct choice c;

	if (!p || b->dir != HTTP_SENT)
		return NULL;
	o = owner_of(l, w->conn, true);
	if (!o || o->doubted)
		return NULL;
	if (o->session)
		return find_own(l, p, o, w, b);
	c = choose(p, w, b);
	if (!c.list)
		doubt_others(l, p, o, b);
	if (!c.list || c.differ)
		return NULL;
	if (c.sessions > 1)	/* they say the same, but whose they are is open */
		return older_agree(o, b, c.list, true) ? c.list->parts : NULL;
	o->session = c.list->of;
	o->session->owner = o;
	return take(l, o, c.list, b);
}

bool h2lists_holds(const struct h2lists *l, uint64_t conn)
{
	struct owner *o;

	HASH_FIND(hh, l->owners, &conn, sizeof(conn), o);
	return !o || !o->doubted;
}
