// SPDX-License-Identifier: Apache-2.0
/*
 * pipeline_tls.c - an API call inside TLS becomes a record of the tls chain.
 *
 * It carries the identity of the task that handled the request's first bytes, found by generation as for any call. It is numbered
 * here: the kernel's entries are pieces of plaintext, not calls. Its shape is made for it, because services and operations are no
 * fixed set; shapes live as long as the batch that refers to them.
 */
#include "pipeline_tls.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(e) ((e)->unhashed = true)
#include <uthash.h>

#include "lib/cleanup.h"
#include "pipeline_internal.h"
#include "tls/plan.h"
#include "fields.h"
#include "optout.h"

#define SHAPES_MAX (BATCH_SHAPES_MAX / 2)	/* one entry can end many calls */
#define NAME_ROOM 256

static const struct shape_field fields[] = {
	{ SECTION_REQUEST, FIELD_WHOLE, FIELD_JSON, NULL },
	{ SECTION_RESPONSE, FIELD_WHOLE, FIELD_JSON, NULL },
	{ SECTION_ADDITIONAL, FIELD_WHOLE, FIELD_JSON, NULL },
	{ SECTION_ADDITIONAL, "api", FIELD_STRING, NULL },
	{ SECTION_ADDITIONAL, "durationNanos", FIELD_UINT, NULL },
	{ SECTION_ADDITIONAL, "forwardedFor", FIELD_STRING, NULL },
	{ SECTION_ADDITIONAL, "tls.connection", FIELD_UINT, NULL },
	{ SECTION_ADDITIONAL, "tls.call", FIELD_UINT, NULL },
	{ SECTION_ADDITIONAL, "tls.role", FIELD_STRING, NULL },
	{ SECTION_ADDITIONAL, "tls.serverName", FIELD_STRING, NULL },
	{ SECTION_ADDITIONAL, "tls.peer.address", FIELD_STRING, NULL },
	{ SECTION_ADDITIONAL, "tls.peer.port", FIELD_UINT, NULL },
	{ SECTION_ADDITIONAL, "tls.local.address", FIELD_STRING, NULL },
	{ SECTION_ADDITIONAL, "tls.local.port", FIELD_UINT, NULL },
	{ SECTION_ADDITIONAL, "tls.handshakeSeen", FIELD_BOOL, NULL },
	{ SECTION_ADDITIONAL, "tls.piecesLost", FIELD_UINT, NULL },
	{ SECTION_TLS, "tlsVersion", FIELD_STRING, NULL },
	{ SECTION_TLS, "cipherSuite", FIELD_STRING, NULL },
	{ SECTION_TLS, "clientProvidedHostHeader", FIELD_STRING, NULL },
};
enum { REQUEST, RESPONSE, ADDITIONAL, API, DURATION, FORWARDED, CONNECTION, CALL, ROLE, SERVER_NAME, PEER, PEER_PORT, LOCAL, LOCAL_PORT,
       HANDSHAKE, LOST, TLS_VERSION, TLS_CIPHER, TLS_HOST, RESOURCES };
_Static_assert(ARRAY_SIZE(fields) == RESOURCES, "a name for each field");

static const char *const resource_names[API_RESOURCES_MAX] = { "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7" };

struct made_shape {
	UT_hash_handle hh;
	bool unhashed;
	struct shape shape;
	struct shape_field fields[RESOURCES + API_RESOURCES_MAX];
	size_t key_len;
	char key[];			/* texts with their NULs, behind category and readOnly */
};

struct pipeline_tls {
	struct pipeline *p;
	struct tlscalls *calls;
	struct made_shape *shapes;
	unsigned nshapes;
	struct buf key;
};

/* ---- shapes ------------------------------------------------------------------------------------------- */

static void key_text(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.p ? s.n : 0);
	buf_addc(b, 0);
}

static const char *next_text(const char **at)
{
	const char *s = *at;

	*at += strlen(s) + 1;
	return s;
}

static void fill_shape(struct made_shape *m, const struct api_call *a)
{
	const char *at = m->key + 2;

	memcpy(m->fields, fields, sizeof(fields));
	m->shape = (struct shape){
		.category = a->category, .read_only = a->read_only, .nfields = RESOURCES + a->nresources, .fields = m->fields,
	};
	m->shape.event_source = next_text(&at);
	m->shape.event_name = next_text(&at);
	m->shape.event_type = next_text(&at);
	for (unsigned i = 0; i < a->nresources; i++)
		m->fields[RESOURCES + i] = (struct shape_field){ SECTION_RESOURCE, resource_names[i], FIELD_STRING, next_text(&at) };
}

static struct str c_str(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

static int make_key(struct buf *b, const struct api_call *a)
{
	buf_reset(b);
	buf_addc(b, (uint8_t)a->category);
	buf_addc(b, a->read_only);
	key_text(b, a->event_source);
	key_text(b, a->event_name);
	key_text(b, c_str(a->event_type));
	for (unsigned i = 0; i < a->nresources; i++)
		key_text(b, a->resources[i].type);
	return b->failed ? -ENOMEM : 0;
}

/* The shape of such a call; made if the open batch has none yet. */
static int shape_of(struct pipeline_tls *t, const struct api_call *a, const struct shape **ret_s)
{
	struct made_shape *m;

	if (a->nresources > API_RESOURCES_MAX || make_key(&t->key, a) < 0)
		return -ENOMEM;
	HASH_FIND(hh, t->shapes, t->key.p, t->key.n, m);
	if (!m) {
		m = calloc(1, sizeof(*m) + t->key.n);
		if (!m)
			return -ENOMEM;
		m->key_len = t->key.n;
		memcpy(m->key, t->key.p, t->key.n);
		fill_shape(m, a);
		HASH_ADD(hh, t->shapes, key, m->key_len, m);
		if (m->unhashed) {
			free(m);
			return -ENOMEM;
		}
		t->nshapes++;
	}
	*ret_s = &m->shape;
	return 0;
}

bool pipeline_tls_full(const struct pipeline_tls *t)
{
	return t->nshapes >= SHAPES_MAX;
}

void pipeline_tls_restart(struct pipeline_tls *t)
{
	struct made_shape *m, *next;

	if (!pipeline_tls_full(t))
		return;
	HASH_ITER(hh, t->shapes, m, next) {
		HASH_DEL(t->shapes, m);
		free(m);
	}
	t->nshapes = 0;
}

/* ---- a record ------------------------------------------------------------------------------------------ */

static void put(struct batch *b, unsigned field, struct str s)
{
	if (s.n)
		batch_string(b, field, s.p, s.n);
}

static void put_number(struct batch *b, unsigned field, uint64_t v)
{
	if (v)
		batch_int(b, field, (int64_t)v);
}

static void put_connection(struct batch *b, const struct tlscalls_call *c)
{
	const struct api_peer *peer = c->peer;

	batch_int(b, CONNECTION, (int64_t)c->conn);
	batch_int(b, CALL, (int64_t)c->http->number);
	if (c->http->role)
		put(b, ROLE, c_str(c->http->role == HTTP_CLIENT ? "client" : "server"));
	put(b, SERVER_NAME, peer->server_name);
	put(b, PEER, peer->address);
	put_number(b, PEER_PORT, peer->port);
	put(b, LOCAL, peer->local_address);
	put_number(b, LOCAL_PORT, c->local_port);
	batch_int(b, HANDSHAKE, c->fresh);
	put_number(b, LOST, c->lost);
}

/* The Host header without its port, where it is a host's name and nothing else. */
static struct str host_header(struct str s)
{
	bool bracket = s.n && s.p[0] == '[';
	size_t n = 0;

	while (n < s.n && (isalnum((unsigned char)s.p[n]) || strchr("-._", s.p[n]) || (bracket && strchr("[:]", s.p[n]))))
		n++;
	for (size_t i = n; i < s.n; i++)
		if (s.p[i] != ':' && !isdigit((unsigned char)s.p[i]))
			return (struct str){ 0 };
	s.n = n;
	return s;
}

/* As CloudTrail has it; without the handshake nothing is said. */
static void put_tls(struct batch *b, const struct tlssock *s, const struct http_message *request)
{
	char room[HELLO_NAME_ROOM];

	if (!s || !s->answered)
		return;
	put(b, TLS_VERSION, c_str(hello_version(s->version)));
	if (s->cipher)
		put(b, TLS_CIPHER, c_str(hello_cipher(s->cipher, room)));
	put(b, TLS_HOST, host_header(request->head.authority));
}

static int put_record(struct batch *b, const struct shape *shape, const struct record_head *head, const struct tlscalls_call *c)
{
	const struct api_call *a = c->api;
	const struct http_message *q = &c->http->request, *s = &c->http->response;
	int r = batch_begin(b, shape, head);

	if (r < 0)
		return r;
	put(b, REQUEST, a->request_parameters);
	put(b, RESPONSE, a->response_elements);
	put(b, ADDITIONAL, a->additional);
	put(b, API, c_str(a->rule));
	if (q->start && s->end > q->start)
		batch_int(b, DURATION, (int64_t)(s->end - q->start));
	put(b, FORWARDED, a->forwarded_for);
	put_connection(b, c);
	put_tls(b, c->tls, q);
	for (unsigned i = 0; i < a->nresources; i++)
		put(b, RESOURCES + i, a->resources[i].arn);
	return batch_end(b);
}

/* Text of the arena, as the head wants it. */
static const char *terminated(struct str s, char room[NAME_ROOM])
{
	size_t n = s.n < NAME_ROOM - 1 ? s.n : NAME_ROOM - 1;

	if (!s.n)
		return NULL;
	memcpy(room, s.p, n);
	room[n] = 0;
	return room;
}

static struct ident *actor(struct pipeline *p, const struct tlscalls_who *w)
{
	return w->gen ? idcache_find(p->identities, w->tid, w->start, w->gen) : NULL;
}

static int64_t identity_for(struct pipeline *p, struct batch *b, const struct tlscalls_who *w)
{
	struct ht_event h = { .tid = w->tid, .tgid = w->tgid, .start = w->start, .gen = w->gen };
	struct ident *id = actor(p, w);

	return id ? pipeline_known_identity(p, b, id) : pipeline_unknown_identity(p, b, &h);
}

/* Nobody selects it: it has taken no number, so nothing of it is left. */
static int selected(struct pipeline_tls *t, const struct shape *shape, const struct record_head *head, const struct tlscalls_call *c)
{
	struct pipeline *p = t->p;
	const struct selection *s = p->selection ? selection_at(p->selection, head->time) : NULL;
	struct ident *id = actor(p, &c->who);
	struct record_identity who;
	struct select_view v;
	int r;

	if (!s || !s->selectors)
		return 1;
	r = put_record(sketch_batch(p->sketch), shape, head, c);
	if (id)
		identity_of(&p->env, id, false, &p->text, &who);
	if (!r)
		r = sketch_view(p->sketch, p->config.host, id ? &who : NULL, s->selectors->uses, &v);
	return r < 0 ? r : selectors_match(s->selectors, &v) != SELECT_NO;
}

static int on_call(void *ctx, const struct tlscalls_call *c)
{
	struct pipeline_tls *t = ctx;
	struct pipeline *p = t->p;
	struct batch *b = p->batch[CHAIN_TLS];
	const struct api_call *a = c->api;
	char error[NAME_ROOM], message[NAME_ROOM];
	struct record_head head = {
		.ring_class = HT_CLASS_TLS, .cpu = SETTLE_TLS_CPU, .time = c->http->request.start ?: c->http->response.start ?: clock_boot(),
		.error = terminated(a->error_code, error), .error_message = terminated(a->error_message, message),
		.source_ip = c->http->role == HTTP_SERVER ? c->peer->address : c->peer->local_address,
		.user_agent = a->user_agent, .access_key = a->access_key, .region = a->region, .request_id = a->request_id,
		.api_version = a->api_version,
	};
	const struct shape *shape;
	int64_t identity;
	int r = shape_of(t, a, &shape);

	if (r < 0)
		return r;
	r = selected(t, shape, &head, c);
	if (r <= 0) {
		p->stats.filtered[HT_CLASS_TLS] += !r;
		return r;
	}
	identity = identity_for(p, b, &c->who);
	if (identity < 0)
		return (int)identity;
	head.identity = (uint32_t)identity;
	head.seq = settle_tls_seq(p->settle);
	head.request = head.seq + 1;
	r = put_record(b, shape, &head, c);
	if (r < 0)
		return r;
	p->stats.records[HT_CLASS_TLS]++;
	pipeline_note(p, CHAIN_TLS);
	return 0;
}

/* ---- TLS whose plaintext nobody saw ------------------------------------------------------------------------ */

static const struct shape_field unseen_fields[] = {
	{ SECTION_SERVICE, "reason", FIELD_STRING, NULL },
	{ SECTION_SERVICE, "optedOut", FIELD_STRING, NULL },
	{ SECTION_SERVICE, "role", FIELD_STRING, NULL },
	{ SECTION_SERVICE, "serverName", FIELD_STRING, NULL },
	{ SECTION_SERVICE, "peer.address", FIELD_STRING, NULL },
	{ SECTION_SERVICE, "peer.port", FIELD_UINT, NULL },
	{ SECTION_SERVICE, "local.address", FIELD_STRING, NULL },
	{ SECTION_SERVICE, "local.port", FIELD_UINT, NULL },
	{ SECTION_TLS, "tlsVersion", FIELD_STRING, NULL },
	{ SECTION_TLS, "cipherSuite", FIELD_STRING, NULL },
};
enum { U_REASON, U_OPTED_OUT, U_ROLE, U_NAME, U_PEER, U_PEER_PORT, U_LOCAL, U_LOCAL_PORT, U_VERSION, U_CIPHER };

static const struct shape unseen_shape = {
	.event_source = "trail.hosttrail", .event_name = "TlsUnobserved", .event_type = "HostServiceEvent", .category = CATEGORY_MANAGEMENT,
	.read_only = true, .nfields = ARRAY_SIZE(unseen_fields), .fields = unseen_fields,
};

/* A library that is there but whose plaintext did not come: it was probed too late, or calls functions that are not known. */
static const char *reason_of(const struct tlssocks_unobserved *u)
{
	int mapped = u->mapped;

	if (u->optout)
		return "OptedOut";
	return mapped > 0 ? "LibraryNotProbed" : mapped == 0 ? "NoKnownLibrary" : "Unknown";
}

static int put_unseen(struct batch *b, const struct record_head *head, const struct tlssocks_unobserved *u, const char *peer, const char *local)
{
	const struct tlssock *s = u->tls;
	char room[HELLO_NAME_ROOM];
	int r = batch_begin(b, &unseen_shape, head);

	if (r < 0)
		return r;
	put(b, U_REASON, c_str(reason_of(u)));
	put(b, U_OPTED_OUT, c_str(optout_name(u->optout)));
	put(b, U_ROLE, c_str(s->server ? "server" : "client"));
	put(b, U_NAME, c_str(s->name));
	put(b, U_PEER, c_str(peer));
	put_number(b, U_PEER_PORT, u->sock->dport);
	put(b, U_LOCAL, c_str(local));
	put_number(b, U_LOCAL_PORT, u->sock->sport);
	if (s->answered) {
		put(b, U_VERSION, c_str(hello_version(s->version)));
		put(b, U_CIPHER, s->cipher ? c_str(hello_cipher(s->cipher, room)) : c_str(NULL));
	}
	return batch_end(b);
}

static int on_unobserved(void *ctx, const struct tlssocks_unobserved *u)
{
	struct pipeline_tls *t = ctx;
	struct pipeline *p = t->p;
	struct batch *b = p->batch[CHAIN_TLS];
	struct tlscalls_who who = { u->tid, u->tgid, u->start, u->gen };
	char peer[TLSCALLS_ADDRESS], local[TLSCALLS_ADDRESS];
	struct record_head head = { .ring_class = HT_CLASS_TLS, .cpu = SETTLE_TLS_CPU, .time = u->time };
	int64_t identity;
	int r;

	tlscalls_address(u->sock->family, u->sock->daddr, peer);
	tlscalls_address(u->sock->family, u->sock->saddr, local);
	head.source_ip = (struct str){ u->tls->server ? peer : local, strlen(u->tls->server ? peer : local) };
	identity = identity_for(p, b, &who);
	if (identity < 0)
		return (int)identity;
	head.identity = (uint32_t)identity;
	head.seq = settle_tls_seq(p->settle);
	head.request = head.seq + 1;
	r = put_unseen(b, &head, u, peer, local);
	if (r < 0)
		return r;
	p->stats.records[HT_CLASS_TLS]++;
	pipeline_note(p, CHAIN_TLS);
	return 0;
}

static int on_mapped(void *ctx, uint32_t tgid)
{
	struct pipeline_tls *t = ctx;

	return t->p->ops.tls_mapped ? t->p->ops.tls_mapped(t->p->ops.ctx, tgid) : -1;
}

static void on_wanted(void *ctx, uint64_t conn, const struct ht_tls_wanted *w)
{
	struct pipeline_tls *t = ctx;

	if (t->p->ops.tls_wanted)
		t->p->ops.tls_wanted(t->p->ops.ctx, conn, w);
}

/* ---- entries ---------------------------------------------------------------------------------------------- */

int pipeline_tls_new(struct pipeline *p, struct pipeline_tls **ret_t)
{
	_cleanup_(pipeline_tls_free) struct pipeline_tls *t = calloc(1, sizeof(*t));
	struct tlscalls_ops ops = { .ctx = t, .call = on_call, .wanted = on_wanted, .unobserved = on_unobserved, .mapped = on_mapped };
	int r;

	if (!t)
		return -ENOMEM;
	t->p = p;
	r = tlscalls_new(&ops, &t->calls);
	if (!r)
		*ret_t = TAKE_PTR(t);
	return r;
}

void pipeline_tls_free(struct pipeline_tls **t)
{
	if (!*t)
		return;
	tlscalls_free(&(*t)->calls);
	(*t)->nshapes = SHAPES_MAX;
	pipeline_tls_restart(*t);
	buf_free(&(*t)->key);
	free(*t);
	*t = NULL;
}

/* The kernel maps whole pages, and those may be larger than what it told. */
static uint64_t mapping_end(const struct ht_tls_mapping *m)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (m->at + (uint64_t)m->pages * HT_TLS_PAGE + page - 1) / page * page;
}

/* A file of a name that TLS libraries have: somebody may want to probe it. */
static void say_library(struct pipeline *p, const struct ht_tls *e, const struct walk_view *w)
{
	const struct ht_tls_mapping *m = (const void *)(e + 1);
	struct tls_mapping l = { .exe = m->exe, .at = m->at, .end = mapping_end(m), .pid = e->h.tgid, .parent = m->parent };
	char path[HT_PATH_MAX];

	if (w->path.n >= sizeof(path) || !w->path.n || w->path.p[0] != '/')
		return;
	memcpy(path, w->path.p, w->path.n);
	path[w->path.n] = 0;
	l.path = path;
	if (w->in_root.n && w->in_root.n < w->path.n && path[w->path.n - w->in_root.n] == '/')
		l.in_root = (uint32_t)(w->path.n - w->in_root.n);
	p->ops.library(p->ops.ctx, &l);
}

static int take_mapped(struct pipeline_tls *t, const struct ht_tls *e, uint32_t n)
{
	const uint8_t *at = (const uint8_t *)(e + 1) + sizeof(struct ht_tls_mapping), *data;
	struct field_iter i = { at, (const uint8_t *)e + n };
	char text[HT_PATH_MAX * 2], leaf[NAME_MAX + 1];
	struct walk_view w;
	struct ht_field f;

	if (n < sizeof(*e) + sizeof(struct ht_tls_mapping) || field_take_checked(&i, &f, &data) <= 0 || f.kind != HT_FIELD_WALK ||
	    walk_read(data, f.len, text, sizeof(text), &w) < 0)
		return -EBADMSG;
	snprintf(leaf, sizeof(leaf), "%.*s", (int)w.last.n, w.last.p);
	if (t->p->ops.library && tls_plan_mapped(leaf))
		say_library(t->p, e, &w);
	return 0;
}

int pipeline_tls_take(struct pipeline_tls *t, const struct ht_event *ev, uint32_t n)
{
	const struct ht_tls *e = (const void *)ev;

	if (n >= sizeof(*e) && e->what == HT_TLS_MAPPED)
		return take_mapped(t, e, n);
	if (n >= sizeof(*e) && e->what == HT_TLS_DATA) {
		t->p->stats.tls_pieces++;
		t->p->stats.tls_bytes += e->captured;
	}
	return tlscalls_event(t->calls, e, n);
}

void pipeline_tls_gone(struct pipeline_tls *t, uint32_t tgid, uint64_t when)
{
	tlscalls_gone(t->calls, tgid, when);
}

void pipeline_tls_note(struct pipeline_tls *t, const struct ht_call *ev)
{
	if (ev->h.flags & HT_EV_F_EXEC)
		tlscalls_gone(t->calls, ev->h.tgid, ev->h.time);
}

int pipeline_tls_pass_end(struct pipeline_tls *t)
{
	return tlscalls_pass_end(t->calls, clock_boot());
}

int pipeline_tls_finish(struct pipeline_tls *t, uint64_t when)
{
	return tlscalls_end(t->calls, when);
}
