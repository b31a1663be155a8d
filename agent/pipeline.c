// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "own.h"
#include "pipeline_internal.h"

#define IDENTITY_BYTES (8u << 20)
#define PROCESS_BYTES (4u << 20)
#define FIRST_LIMIT (1u << 20)			/* before a frame has told how well records compress */
#define TLS_FREED (64u << 10)	/* bytes of its ring after which their room is given back */

/* Processes first: the table of processes then knows a sudo before what it started acts. */
static const uint8_t order[] = { HT_CLASS_PROCESS, HT_CLASS_CONTROL, HT_CLASS_DATA, HT_CLASS_TLS };

static int make_tables(struct pipeline *p)
{
	const struct pipeline_config *c = &p->config;
	int r;

	r = names_new(p->ops.ask_name, p->ops.ctx, &p->env.names);
	if (!r)
		r = exes_new(p->ops.ask_exe, p->ops.ctx, &p->env.exes);
	if (!r)
		r = logins_new(p->ops.ask_login, p->ops.ctx, &p->env.logins);
	if (!r)
		r = proctab_new(c->process_bytes ?: PROCESS_BYTES, &p->env.procs);
	if (!r)
		r = idcache_new(c->identity_bytes ?: IDENTITY_BYTES, &p->identities);
	if (!r)
		r = cgroups_new(&p->cgroups);
	if (!r)
		r = decoder_new(&p->decoder);
	return r;
}

int pipeline_principals(struct rings *rings, struct settle *settle)
{
	unsigned ncpu = rings_ncpu(rings), last;
	int r = 0;

	for (unsigned class = 0; class < HT_CLASS__MAX; class++)
		for (unsigned first = 0; first < ncpu && !r; first = last + 1) {
			unsigned group = rings_group_of(rings, first);

			for (last = first; last + 1 < ncpu && (class == HT_CLASS_TLS || rings_group_of(rings, last + 1) == group);)
				last++;
			r = settle_principals(settle, class, first, last, rings_principals(rings, class, group),
					      rings_settled(rings, class, group));
		}
	return r;
}

int pipeline_new(const struct pipeline_config *config, const struct pipeline_ops *ops, struct rings *rings,
		 struct settle *settle, struct pipeline **ret_p)
{
	_cleanup_(pipeline_free) struct pipeline *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->config = *config;
	p->ops = *ops;
	p->rings = rings;
	p->settle = settle;
	p->world = 1;
	p->env.host_id = config->host->host_id;
	p->env.wall_offset = clock_wall_offset();	/* records are made before the first pass, too */
	r = make_tables(p);
	if (r < 0)
		return r;
	if (config->self)
		p->self = *config->self;
	else
		procfs_self(&p->self);
	p->self_serial = idcache_serial(p->identities);
	for (unsigned c = 0; c < CHAIN__MAX; c++) {
		p->limit[c] = FIRST_LIMIT;
		r = batch_new(&p->batch[c]);
		if (!r)
			r = pipeline_restart(p, c);
		if (r < 0)
			return r;
	}
	r = config->tls ? pipeline_tls_new(p, &p->tls) : 0;
	if (r < 0)
		return r;
	*ret_p = TAKE_PTR(p);
	return 0;
}

void pipeline_free(struct pipeline **p)
{
	if (!*p)
		return;
	pipeline_tls_free(&(*p)->tls);
	names_free(&(*p)->env.names);
	exes_free(&(*p)->env.exes);
	logins_free(&(*p)->env.logins);
	proctab_free(&(*p)->env.procs);
	idcache_free(&(*p)->identities);
	cgroups_free(&(*p)->cgroups);
	decoder_free(&(*p)->decoder);
	selection_free(&(*p)->selection);
	sketch_free(&(*p)->sketch);
	for (unsigned c = 0; c < CHAIN__MAX; c++)
		batch_free(&(*p)->batch[c]);
	free(*p);
	*p = NULL;
}

struct batch *pipeline_batch(struct pipeline *p, unsigned chain)
{
	return p->batch[chain];
}

int pipeline_restart(struct pipeline *p, unsigned chain)
{
	int r = batch_reset(p->batch[chain], p->config.host);

	p->opened[chain] = p->filtered[chain] = 0;
	if (p->tls && chain == CHAIN_TLS)
		pipeline_tls_restart(p->tls);
	return r;
}

void pipeline_limit(struct pipeline *p, unsigned chain, size_t bytes)
{
	p->limit[chain] = bytes < PIPELINE_RAW_MAX ? bytes : PIPELINE_RAW_MAX;
}

uint64_t pipeline_opened(const struct pipeline *p, unsigned chain)
{
	return p->opened[chain];
}

uint64_t pipeline_filtered(const struct pipeline *p, unsigned chain)
{
	return p->filtered[chain];
}

uint64_t pipeline_wait_until(const struct pipeline *p)
{
	return p->wait_until;
}

bool pipeline_name_awaited(const struct pipeline *p)
{
	if (!p->wait_until)
		return false;
	if (logins_waiting(p->env.logins, p->wait_session))
		return true;
	return p->wait_name &&
	       (names_waiting(p->env.names, p->wait_for[0]) || names_waiting(p->env.names, p->wait_for[1]));
}

struct str pipeline_cgroup(const struct pipeline *p, uint64_t id)
{
	return cgroups_path(p->cgroups, id);
}

struct proctab *pipeline_procs(struct pipeline *p)
{
	return p->env.procs;
}

struct idcache *pipeline_identities(struct pipeline *p)
{
	return p->identities;
}

const struct pipeline_stats *pipeline_stats(const struct pipeline *p)
{
	return &p->stats;
}

/* ---- calls ---------------------------------------------------------------------------- */

static void note_exec(struct pipeline *p, const struct ht_call *ev, uint32_t n)
{
	const struct ident *id = idcache_find(p->identities, ev->h.tid, ev->h.start, ev->h.gen);
	const struct proc *known;
	struct exec_view v;
	struct proc proc;

	if (!id || decode_exec(p->decoder, ev, n, &v) < 0)
		return;
	known = proctab_find(p->env.procs, id->id.h.tgid, id->id.leader_start);
	if (!known)
		return;
	proc = *known;
	proc.cwd = v.cwd;
	proc.argv = (struct str){ (const char *)v.argv, v.argv_len };
	proctab_put(p->env.procs, &proc);
}

/* Who made whom, while it can be told. In a pid namespace of its own the maker knows the child by another number. */
static void note_fork(struct pipeline *p, const struct ht_call *ev)
{
	const struct ident *id;
	struct proc_key maker;

	if (ev->ret <= 0 || ev->call >= calls_count() || !(calls_descs()[ev->call].flags & HT_CALL_F_FORK))
		return;
	id = idcache_find(p->identities, ev->h.tid, ev->h.start, ev->h.gen);
	if (!id || id->id.tid_ns != ev->h.tid)
		return;
	maker = (struct proc_key){ id->id.leader_start, ev->h.tgid, 0 };
	proctab_born(p->env.procs, (uint32_t)ev->ret, ev->h.time, &maker);
}

void pipeline_note(struct pipeline *p, unsigned chain)
{
	if (!p->opened[chain])
		p->opened[chain] = clock_boot();
}

static int malformed(struct pipeline *p, unsigned class, const struct ht_event *ev)
{
	int r = settle_malformed(p->settle, class, ev->cpu, ev->seq);

	p->stats.malformed++;
	return r == -ENOMEM ? r : 0;
}

static int append_call(struct pipeline *p, unsigned chain, const struct ht_call *ev, uint32_t n, bool test)
{
	struct batch *b = p->batch[chain];
	int64_t identity = pipeline_identity_for(p, b, ev, n);

	if (identity < 0)
		return (int)identity;
	if (test)
		return decode_call_of_test(p->decoder, ev, n, b, (uint32_t)identity);
	return decode_call(p->decoder, ev, n, b, (uint32_t)identity);
}

/* Who the makers of later calls are is told by calls that nobody selected, too. */
static void note_call(struct pipeline *p, unsigned class, const struct ht_call *call, uint32_t n)
{
	if (call->h.flags & HT_EV_F_EXEC)
		note_exec(p, call, n);
	else if (class == HT_CLASS_PROCESS)
		note_fork(p, call);
}

static int record_call(struct pipeline *p, unsigned class, const struct ht_call *call, uint32_t n, bool test)
{
	unsigned chain = chain_of_class(class);
	int r = append_call(p, chain, call, n, test);

	if (!r)
		r = settle_seen(p->settle, class, call->h.cpu, call->h.seq);
	if (r < 0)
		return r;
	p->stats.records[class]++;
	p->stats.calls[class] += decoder_calls(p->decoder);
	pipeline_note(p, chain);
	return 0;
}

static int take_call(struct pipeline *p, unsigned class, const struct ht_event *ev, uint32_t n)
{
	const struct ht_call *call = (const void *)ev;
	bool test;
	int r;

	if (n < sizeof(*call) || ev->class != class || event_check(ev, n) < 0)
		return malformed(p, class, ev);
	r = settle_check(p->settle, class, ev->cpu, ev->seq);
	if (r <= 0) {
		p->stats.skipped++;
		return 0;
	}
	test = p->ops.is_test && p->ops.is_test(p->ops.ctx, call);
	r = test ? 1 : pipeline_wants(p, call, n);
	if (r >= 0)
		r = r ? record_call(p, class, call, n, test) : take_filtered(p, class, ev);
	if (r == -EBADMSG)
		return malformed(p, class, ev);
	if (!r)
		note_call(p, class, call, n);
	if (!r && p->tls)
		pipeline_tls_note(p->tls, call);
	return r;
}

static int take_tls(struct pipeline *p, const struct ht_event *ev, uint32_t n)
{
	int r = p->tls ? pipeline_tls_take(p->tls, ev, n) : -EBADMSG;

	if (r == -EBADMSG)
		p->stats.malformed++;
	return r == -EBADMSG ? 0 : r;
}

static void process_gone(struct pipeline *p, const struct ht_event *ev)
{
	if (p->tls)
		pipeline_tls_gone(p->tls, ev->tgid, ev->time);
	proctab_gone(p->env.procs, ev->tgid, ev->start);
}

static int take(struct pipeline *p, unsigned class, const struct ht_event *ev, uint32_t n, uint64_t now)
{
	int r;

	switch (ev->kind) {
	case HT_EV_CALL:
		r = take_call(p, class, ev, n);
		if (!r && ev->flags & HT_EV_F_GROUP_DEAD)
			process_gone(p, ev);
		return r;
	case HT_EV_IDENT:
		return pipeline_take_identity(p, ev, n, now);
	case HT_EV_TLS:
		return take_tls(p, ev, n);
	case HT_EV_EXIT:
		process_gone(p, ev);
		return 0;
	default:
		p->stats.malformed++;
		return 0;
	}
}

/* ---- a pass ---------------------------------------------------------------------------- */

static void begin_pass(struct pipeline *p)
{
	for (unsigned class = 0; class < HT_CLASS__MAX; class++)
		for (unsigned cpu = 0; cpu < rings_ncpu(p->rings); cpu++)
			settle_observe(p->settle, class, cpu, rings_counters(p->rings, class, cpu));
	rings_snapshot(p->rings);
	p->at = 0;
	p->in_pass = true;
}

/*
 * The wall clock keeps its distance to the boot-time clock (both are slewed alike) unless somebody sets it. Then records
 * around the step can show times out of order; this says so.
 */
static int look_at_clock(struct pipeline *p)
{
	int64_t before = p->env.wall_offset, offset = clock_wall_offset();
	int r;

	if (before && llabs(offset - before) >= (int64_t)PIPELINE_CLOCK_STEP) {
		r = own_clock_stepped(p, before, offset);
		if (r < 0)
			return r;
	}
	p->env.wall_offset = offset;
	return 0;
}

/* Before an entry is read, so that what closes the frame may free every entry that was read. */
static int make_room(struct pipeline *p, unsigned chain)
{
	bool kinds = p->tls && chain == CHAIN_TLS && pipeline_tls_full(p->tls);

	if (kinds && !batch_count(p->batch[chain]))
		return pipeline_restart(p, chain);
	if (!kinds && !settle_frame_full(p->settle, chain) && batch_size(p->batch[chain]) < p->limit[chain])
		return 0;
	return p->ops.close(p->ops.ctx, chain);
}

/* Plaintext does not lie about, and no call is recorded twice: who is killed now loses what was not whole. */
static void free_tls(struct pipeline *p)
{
	struct rings_mark mark;

	rings_mark(p->rings, HT_CLASS_TLS, &mark);
	rings_commit(p->rings, HT_CLASS_TLS, &mark);
}

/* The rest of one class within the snapshot. */
static int drain_class(struct pipeline *p, unsigned class, uint64_t now)
{
	const struct ht_event *ev;
	uint64_t read = 0;
	uint32_t n;
	int r;

	for (;;) {
		r = make_room(p, chain_of_class(class));
		if (r < 0)
			return r;
		ev = rings_next(p->rings, class, &n);
		if (!ev)
			return 0;
		r = take(p, class, ev, n, now);
		if (r)
			return r;
		read += n;
		if (class == HT_CLASS_TLS && read >= TLS_FREED) {	/* a pass can be as long as a full ring: there must be room meanwhile */
			free_tls(p);
			read = 0;
		}
	}
}

static int end_pass(struct pipeline *p, uint64_t now)
{
	int r = p->tls ? pipeline_tls_pass_end(p->tls) : 0;

	p->in_pass = false;
	if (r < 0)
		return r;
	free_tls(p);
	if (p->want_epoch) {
		rings_new_epoch(p->rings);
		p->want_epoch = false;
	}
	return settle_pass_end(p->settle, now);
}

int pipeline_drain(struct pipeline *p, uint64_t now)
{
	int r;

	if (pipeline_name_awaited(p))		/* in vain: who answers so slowly is not waited for again soon */
		p->waits = PIPELINE_WAITS_MAX;
	p->wait_until = 0;
	if (!p->in_pass) {
		r = make_room(p, CHAIN_CONTROL) ?: look_at_clock(p);
		if (r < 0)
			return r;
		begin_pass(p);
		select_pass_began(p, now);
	}
	for (; p->at < ARRAY_SIZE(order); p->at++) {
		r = drain_class(p, order[p->at], now);
		if (r)
			return r;
	}
	return end_pass(p, now);
}

/* ---- answers ---------------------------------------------------------------------------- */

int pipeline_name(struct pipeline *p, uint32_t uid, const char *name)
{
	bool same = names_is(p->env.names, uid, name), news = names_set(p->env.names, uid, name);

	if (same)
		return 0;
	p->world++;
	if (!news || (p->wait_until && p->in_pass))	/* in time: no record went out without it */
		return 0;
	return own_name_resolved(p, uid, name);
}

int pipeline_exe(struct pipeline *p, const struct ht_exe *exe, const uint8_t sha256[32])
{
	const char *path;

	if (!exes_set(p->env.exes, exe, sha256, &path))
		return 0;
	return own_executable_hashed(p, exe, path, sha256);
}

void pipeline_login(struct pipeline *p, uint32_t audit_session, const char *address)
{
	if (logins_set(p->env.logins, audit_session, address))
		p->world++;
}

void pipeline_guard(struct pipeline *p, struct guard *g)
{
	decoder_guard(p->decoder, g);
}

void pipeline_ask_again(struct pipeline *p)
{
	names_ask_again(p->env.names);
}

int pipeline_tls_end(struct pipeline *p)
{
	return p->tls ? pipeline_tls_finish(p->tls, clock_boot()) : 0;
}

int pipeline_lost(struct pipeline *p)
{
	struct settle_report reports[64];
	unsigned n;
	int r = 0;

	if (!settle_has_lost(p->settle))
		return 0;
	n = settle_take_lost(p->settle, reports, ARRAY_SIZE(reports));
	for (unsigned i = 0; i < n && !r; i++)
		r = reports[i].count ? own_records_lost(p, &reports[i]) : 0;
	return r;
}
