// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ancestry.h"
#include "cgroupname.h"
#include "identity.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define NO_UID UINT32_MAX
#define CONTAINER_SHOWN 12

/* What the decision rests on. */
struct who {
	uint32_t uid, loginuid, audit_session, userns_level, userns_owner;
	struct str exe, cgroup, comm;
	struct proc_key key;
};

#define TEXT(s) ((struct str){ (s), strlen(s) })

/* Parts behind each other, cut to the room. Each identity of each frame is put so: formatting took a twentieth of the reader's time. */
static struct str join(char *out, size_t room, const struct str *parts, unsigned n)
{
	size_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		size_t take = parts[i].n < room - 1 - at ? parts[i].n : room - 1 - at;

		if (take)
			memcpy(out + at, parts[i].p, take);
		at += take;
	}
	out[at] = 0;
	return (struct str){ out, at };
}

#define PARTS(...) ((const struct str[]){ __VA_ARGS__ })
#define JOIN(out, ...) join(out, sizeof(out), PARTS(__VA_ARGS__), sizeof(PARTS(__VA_ARGS__)) / sizeof(struct str))

#define DECIMAL_MAX 10

static struct str decimal(char room[DECIMAL_MAX], uint32_t v)
{
	char *p = room + DECIMAL_MAX;

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	return (struct str){ p, (size_t)(room + DECIMAL_MAX - p) };
}

static struct str comm_of(const char comm[HT_COMM_LEN])
{
	return (struct str){ comm, strnlen(comm, HT_COMM_LEN) };
}

/* Name if there is one, else the number: always some text. */
static struct str user_text(const struct identity_env *env, uint32_t uid, char out[NAME_MAX_LEN])
{
	struct str name = names_user(env->names, uid, clock_boot());
	char number[DECIMAL_MAX];

	if (!name.n)
		name = decimal(number, uid);
	return join(out, NAME_MAX_LEN, &name, 1);
}

/* ---- the types ---------------------------------------------------------------------------- */

static void set_principal(const struct identity_env *env, uint32_t uid, struct str session, struct identity_text *t,
			  struct record_identity *o)
{
	char number[DECIMAL_MAX];

	o->principal_id = JOIN(t->principal, TEXT(env->host_id), TEXT(":"), decimal(number, uid), TEXT(session.n ? ":" : ""), session);
}

static void be_user(const struct identity_env *env, const struct who *w, enum identity_type type,
		    struct identity_text *t, struct record_identity *o)
{
	uint32_t uid = type == IDENTITY_ROOT ? w->uid : w->loginuid;

	o->type = type;
	o->user_name = user_text(env, uid, t->user);
	set_principal(env, uid, (struct str){ 0 }, t, o);
	o->arn_tail = JOIN(t->arn, TEXT("user/"), o->user_name);
}

static void be_role(const struct identity_env *env, const struct who *w, struct identity_text *t,
		    struct record_identity *o)
{
	o->type = IDENTITY_ASSUMED_ROLE;
	o->source_identity = user_text(env, w->loginuid, t->login);
	o->issuer_name = user_text(env, w->uid, t->user);
	o->issuer_uid = w->uid;
	set_principal(env, w->uid, o->source_identity, t, o);
	o->arn_tail = JOIN(t->arn, TEXT("assumed-role/"), o->issuer_name, TEXT("/"), o->source_identity);
	o->via = ancestry_via(env->procs, &w->key, w->loginuid, t->via);
	if (!o->via.n && w->userns_level)
		o->via = TEXT("userns");
}

static void be_service(const struct identity_env *env, const struct who *w, struct identity_text *t,
		       struct record_identity *o)
{
	struct str container, by;

	if (cgroup_container(w->cgroup, &container)) {
		container.n = container.n < CONTAINER_SHOWN ? container.n : CONTAINER_SHOWN;
		by = JOIN(t->invoked, TEXT("container/"), container);
	} else if (cgroup_unit(w->cgroup, &by)) {
		by = JOIN(t->invoked, by);
	} else {
		by = JOIN(t->invoked, w->exe.n ? w->exe : w->comm);
	}
	o->type = IDENTITY_AWS_SERVICE;
	o->invoked_by = by;
	set_principal(env, w->uid, (struct str){ 0 }, t, o);
	if (by.n && *by.p == '/')
		by = (struct str){ by.p + 1, by.n - 1 };
	o->arn_tail = JOIN(t->arn, TEXT("service/"), by);
	o->source_ip = o->invoked_by;
}

static void set_session(const struct identity_env *env, const struct who *w, struct identity_text *t,
			struct record_identity *o)
{
	uint64_t start = proctab_session_start(env->procs, w->audit_session);
	struct str address = logins_address(env->logins, w->audit_session, env->procs, &w->key);

	if (start)
		o->session_start = ((int64_t)start + env->wall_offset) / (int64_t)NS_PER_SEC;
	o->source_ip = JOIN(t->source, address);
}

/* In a user namespace that a person made with no more than their own rights, only their own and their subordinate uids
 * can be mapped: nobody else's. In one that root made, a uid is whoever it says. */
static bool subordinate(const struct who *w)
{
	return w->userns_level && w->loginuid && w->userns_owner == w->loginuid;
}

static void classify(const struct identity_env *env, const struct who *w, struct identity_text *t,
		     struct record_identity *o)
{
	if (w->loginuid == NO_UID) {
		be_service(env, w, t, o);
		return;
	}
	if (w->uid != w->loginuid && !subordinate(w)) {
		be_role(env, w, t, o);
	} else {
		be_user(env, w, w->loginuid ? IDENTITY_IAM_USER : IDENTITY_ROOT, t, o);
		if (w->userns_level)
			o->via = TEXT("userns");
	}
	set_session(env, w, t, o);
}

/* ---- the kinds of evidence ------------------------------------------------------------------ */

static void fill_process(const struct identity_env *env, const struct ident *id, struct identity_text *t,
			 struct record_process *p)
{
	const struct ht_ident *k = &id->id;
	const uint32_t ns[8] = { k->ns_user, k->ns_mnt, k->ns_pid, k->ns_net, k->ns_uts, k->ns_ipc, k->ns_cgroup, k->ns_time };

	p->pid = k->h.tgid;
	p->start = k->leader_start;
	p->parent_pid = k->ppid;
	p->parent_start = k->parent_start;
	p->pid_in_ns = k->tgid_ns;
	p->session_id = k->sid;
	p->executable = id->exe;
	if (k->exe.ino) {
		exe_id_text(&k->exe, t->exe_id);
		p->executable_id = TEXT(t->exe_id);
		p->executable_sha256 = exes_sha256(env->exes, &k->exe, id->exe_file, k->h.tgid, k->leader_start);
	}
	p->command = comm_of(k->comm);
	p->cgroup = id->cgroup;
	p->cgroup_id = k->cgroup_id;
	cgroup_container(id->cgroup, &p->container);
	p->tty = (struct str){ k->tty, strnlen(k->tty, sizeof(k->tty)) };
	memcpy(p->ns, ns, sizeof(p->ns));
	p->flags = id->exe_deleted || (k->exe.ino && !k->exe.nlink) ? 2 : 0;
}

static void fill_creds(const struct ht_ident *k, struct record_identity *o)
{
	unsigned n = k->ngroups < HT_GROUPS_SHOWN ? k->ngroups : HT_GROUPS_SHOWN;

	o->tid = k->h.tid;
	o->tid_start = k->h.start;
	o->loginuid = k->loginuid;
	o->audit_session = k->audit_session;
	memcpy(o->uids, (uint32_t[4]){ k->uid, k->suid, k->euid, k->fsuid }, sizeof(o->uids));
	memcpy(o->gids, (uint32_t[4]){ k->gid, k->sgid, k->egid, k->fsgid }, sizeof(o->gids));
	memcpy(o->groups, k->groups, n * sizeof(o->groups[0]));
	o->ngroups = n;
	o->uid_in_ns = k->uid_in_ns;
	o->cap_effective = k->cap_effective;
}

void identity_of(const struct identity_env *env, const struct ident *id, bool by_fsuid, struct identity_text *t,
		 struct record_identity *ret_i)
{
	const struct ht_ident *k = &id->id;
	struct who w = {
		.uid = by_fsuid ? k->fsuid : k->euid, .loginuid = k->loginuid, .audit_session = k->audit_session,
		.userns_level = k->userns_level, .userns_owner = k->userns_owner, .exe = id->exe, .cgroup = id->cgroup, .comm = comm_of(k->comm),
		.key = { k->leader_start, k->h.tgid, 0 },
	};

	memset(ret_i, 0, sizeof(*ret_i));
	fill_process(env, id, t, &ret_i->process);
	fill_creds(k, ret_i);
	classify(env, &w, t, ret_i);
}

static void fill_minimal_creds(const struct ht_event *h, const struct ht_idmin *m, struct record_identity *o)
{
	o->tid = h->tid;
	o->tid_start = h->start;
	o->loginuid = m->loginuid;
	o->audit_session = m->audit_session;
	memcpy(o->uids, (uint32_t[4]){ m->uid, m->suid, m->euid, m->fsuid }, sizeof(o->uids));
	memcpy(o->gids, (uint32_t[4]){ m->gid, m->egid, m->egid, m->egid }, sizeof(o->gids));
	o->process.pid = h->tgid;
	o->process.start = m->leader_start;
	o->process.parent_pid = m->ppid;
	o->process.cgroup_id = m->cgroup_id;
	o->process.command = comm_of(m->comm);
	o->process.flags = 1;
}

void identity_minimal(const struct identity_env *env, const struct ht_event *h, const struct ht_idmin *m,
		      struct identity_text *t, struct record_identity *ret_i)
{
	struct who w = {
		.uid = m->euid, .loginuid = m->loginuid, .audit_session = m->audit_session, .comm = comm_of(m->comm),
		.key = { m->leader_start, h->tgid, 0 },
	};

	memset(ret_i, 0, sizeof(*ret_i));
	fill_minimal_creds(h, m, ret_i);
	classify(env, &w, t, ret_i);
}

void identity_unknown(const struct identity_env *env, const struct ht_event *h, const char *why,
		      struct identity_text *t, struct record_identity *ret_i)
{
	memset(ret_i, 0, sizeof(*ret_i));
	ret_i->tid = h->tid;
	ret_i->tid_start = h->start;
	ret_i->process.pid = h->tgid;
	ret_i->process.flags = 1;
	ret_i->loginuid = ret_i->audit_session = NO_UID;
	ret_i->type = IDENTITY_UNKNOWN;
	snprintf(t->principal, sizeof(t->principal), "%s:process/%u", env->host_id, h->tgid);
	ret_i->principal_id = TEXT(t->principal);
	snprintf(t->arn, sizeof(t->arn), "process/%u.%llu", h->tgid, (unsigned long long)h->start);
	ret_i->arn_tail = TEXT(t->arn);
	ret_i->why_unknown = TEXT(why);
}

void identity_self(const struct identity_env *env, const struct procfs_self *self, const char *program,
		   struct identity_text *t, struct record_identity *ret_i)
{
	struct who w = { .uid = self->uids[2], .loginuid = NO_UID, .exe = TEXT(program) };

	own_process(self, program, ret_i);
	classify(env, &w, t, ret_i);
}

bool identity_waits(const struct identity_env *env, const struct ident *id)
{
	const struct ht_ident *k = &id->id;
	bool waits = false;

	if (k->loginuid == NO_UID)	/* a service: no name is shown */
		return false;
	names_user(env->names, k->euid, clock_boot());
	waits |= names_waiting(env->names, k->euid);
	names_user(env->names, k->loginuid, clock_boot());
	waits |= names_waiting(env->names, k->loginuid);
	return waits;
}

bool identity_waits_login(const struct identity_env *env, const struct ident *id)
{
	const struct proc_key key = { id->id.leader_start, id->id.h.tgid, 0 };

	if (id->id.loginuid == NO_UID)
		return false;
	logins_address(env->logins, id->id.audit_session, env->procs, &key);
	return logins_waiting(env->logins, id->id.audit_session);
}
