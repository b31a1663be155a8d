// SPDX-License-Identifier: Apache-2.0
/* pipeline_identity.c - who made a call: what the kernel delivered of it, what became known since, and how long that is waited for. */
#include <string.h>

#include "ancestry.h"
#include "calls.h"
#include "lib/clock.h"
#include "pipeline_internal.h"

#define WAIT_PAUSE (500 * NS_PER_MS)		/* after a wait for a name that did not come, or so many that did */

/* Serial of the content as it is known now: a name or hash that came since makes it another identity. */
static void refresh(struct pipeline *p, struct ident *id)
{
	const struct ht_ident *k = &id->id;
	uint64_t hashes = exes_version(p->env.exes);
	bool stale = id->world != p->world;

	if (!id->hashed && id->hashes != hashes) {
		id->hashed = exes_sha256(p->env.exes, &k->exe, id->exe_file, k->h.tgid, k->leader_start).n > 0;
		stale |= id->hashed;
		id->hashes = hashes;
	}
	if (stale && id->world)
		id->serial = idcache_serial(p->identities);
	id->world = p->world;
}

static int64_t known_identity(struct pipeline *p, struct batch *b, struct ident *id, bool by_fsuid)
{
	struct record_identity r;
	uint64_t key;
	int64_t at;

	refresh(p, id);
	by_fsuid = by_fsuid && id->id.fsuid != id->id.euid;
	key = id->serial * 2 + by_fsuid;
	at = batch_identity_find(b, key);
	if (at >= 0)
		return at;
	identity_of(&p->env, id, by_fsuid, &p->text, &r);
	return batch_identity(b, key, &r);
}

int64_t pipeline_known_identity(struct pipeline *p, struct batch *b, struct ident *id)
{
	return known_identity(p, b, id, false);
}

int64_t pipeline_unknown_identity(struct pipeline *p, struct batch *b, const struct ht_event *h)
{
	struct record_identity r;

	p->stats.unknown_identity++;
	identity_unknown(&p->env, h, "the kernel's identity of this generation did not arrive", &p->text, &r);
	return batch_identity(b, idcache_serial(p->identities) * 2, &r);
}

static bool find_idmin(const struct ht_call *ev, uint32_t n, struct ht_idmin *ret_m)
{
	struct field_iter i;
	struct ht_field f;
	const uint8_t *data;

	fields_of_call(ev, n, &i);
	while (field_next(&i, &f, &data))
		if (f.kind == HT_FIELD_IDMIN && f.len >= sizeof(*ret_m)) {
			memcpy(ret_m, data, sizeof(*ret_m));
			return true;
		}
	return false;
}

/* True: at least the minimal one. */
static bool poor_of(struct pipeline *p, const struct ht_call *ev, uint32_t n, struct record_identity *ret_i)
{
	if (find_idmin(ev, n, &p->minimal)) {
		identity_minimal(&p->env, &ev->h, &p->minimal, &p->text, ret_i);
		return true;
	}
	p->want_epoch = true;
	identity_unknown(&p->env, &ev->h, "the kernel's identity of this generation did not arrive", &p->text, ret_i);
	return false;
}

static int64_t poor_identity(struct pipeline *p, struct batch *b, const struct ht_call *ev, uint32_t n)
{
	struct record_identity r;

	if (poor_of(p, ev, n, &r))
		p->stats.minimal_identity++;
	else
		p->stats.unknown_identity++;
	return batch_identity(b, idcache_serial(p->identities) * 2, &r);
}

static bool by_fsuid_of(const struct ht_call *ev)
{
	return ev->call < calls_count() && calls_descs()[ev->call].flags & HT_CALL_F_FSUID;
}

static struct ident *actor_of(struct pipeline *p, const struct ht_call *ev)
{
	struct ident *id = NULL;

	if (!(ev->h.flags & HT_EV_F_IDENT_INLINE))
		id = idcache_find(p->identities, ev->h.tid, ev->h.start, ev->h.gen);
	decoder_actor(p->decoder, id);
	return id;
}

#define OF_NAMES (1u << SELECT_USER | 1u << SELECT_USER_ARN)
#define OF_MINIMAL (OF_NAMES | 1u << SELECT_EXECUTABLE | 1u << SELECT_CONTAINER | 1u << SELECT_CGROUP)

uint32_t pipeline_who(struct pipeline *p, const struct ht_call *ev, uint32_t n, struct record_identity *ret_i)
{
	struct ident *id = actor_of(p, ev);

	if (!id)
		return poor_of(p, ev, n, ret_i) ? OF_MINIMAL : SKETCH_OF_IDENTITY;
	refresh(p, id);
	identity_of(&p->env, id, by_fsuid_of(ev) && id->id.fsuid != id->id.euid, &p->text, ret_i);
	return identity_waits(&p->env, id) ? OF_NAMES : 0;
}

int64_t pipeline_identity_for(struct pipeline *p, struct batch *b, const struct ht_call *ev, uint32_t n)
{
	struct ident *id = actor_of(p, ev);
	bool by_fsuid = by_fsuid_of(ev);

	return id ? known_identity(p, b, id, by_fsuid) : poor_identity(p, b, ev, n);
}

int64_t pipeline_self(struct pipeline *p, struct batch *b)
{
	struct record_identity r;
	int64_t at = batch_identity_find(b, p->self_serial * 2);

	if (at >= 0)
		return at;
	identity_self(&p->env, &p->self, p->config.program, &p->text, &r);
	return batch_identity(b, p->self_serial * 2, &r);
}

void pipeline_identity(struct pipeline *p, const void *event, uint32_t n)
{
	struct ident *id = idcache_put(p->identities, event, n);

	if (id) {
		ancestry_note(p->env.procs, id);
		cgroups_note(p->cgroups, id->id.cgroup_id, id->cgroup);
	}
}

/* Names can take for ever and are waited for now and then; a session's address is the parent's to tell, at once. */
static int wait_for(struct pipeline *p, const struct ident *id, uint64_t now)
{
	bool name = identity_waits(&p->env, id), login = identity_waits_login(&p->env, id);

	if (now >= p->wait_next)
		p->waits = 0;
	else if (p->waits >= PIPELINE_WAITS_MAX)
		name = false;
	if (!name && !login)
		return 0;
	p->wait_for[0] = id->id.euid;
	p->wait_for[1] = id->id.loginuid;
	p->wait_session = id->id.audit_session;
	p->wait_name = name;
	p->wait_until = now + PIPELINE_NAME_WAIT;
	if (name && !p->waits++)
		p->wait_next = p->wait_until + WAIT_PAUSE;
	p->stats.name_waits++;
	return 1;
}

int pipeline_take_identity(struct pipeline *p, const struct ht_event *ev, uint32_t n, uint64_t now)
{
	struct ident *id = idcache_put(p->identities, (const void *)ev, n);

	if (!id) {
		p->stats.malformed++;
		return 0;
	}
	if (p->ops.keep_identity)
		p->ops.keep_identity(p->ops.ctx, ev, n);
	ancestry_note(p->env.procs, id);
	cgroups_note(p->cgroups, id->id.cgroup_id, id->cgroup);
	return wait_for(p, id, now);
}
