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

static struct str comm_of(const char comm[HT_COMM_LEN])
{
	return (struct str){ comm, strnlen(comm, HT_COMM_LEN) };
}

/* Name if there is one, else the number: always some text. */
static void user_text(const struct identity_env *env, uint32_t uid, char out[NAME_MAX_LEN])
{
	struct str name = names_user(env->names, uid);

	if (name.n)
		snprintf(out, NAME_MAX_LEN, "%.*s", (int)name.n, name.p);
	else
		snprintf(out, NAME_MAX_LEN, "%u", uid);
}

/* ---- the types ---------------------------------------------------------------------------- */

static void set_principal(const struct identity_env *env, uint32_t uid, const char *session, struct identity_text *t,
			  struct record_identity *o)
{
	snprintf(t->principal, sizeof(t->principal), "%s:%u%s%s", env->host_id, uid, session ? ":" : "",
		 session ? session : "");
	o->principal_id = TEXT(t->principal);
}

static void be_user(const struct identity_env *env, const struct who *w, enum identity_type type,
		    struct identity_text *t, struct record_identity *o)
{
	uint32_t uid = type == IDENTITY_ROOT ? w->uid : w->loginuid;

	o->type = type;
	user_text(env, uid, t->user);
	set_principal(env, uid, NULL, t, o);
	snprintf(t->arn, sizeof(t->arn), "user/%s", t->user);
	o->arn_tail = TEXT(t->arn);
	o->user_name = TEXT(t->user);
}

static void be_role(const struct identity_env *env, const struct who *w, struct identity_text *t,
		    struct record_identity *o)
{
	o->type = IDENTITY_ASSUMED_ROLE;
	user_text(env, w->loginuid, t->login);
	user_text(env, w->uid, t->user);
	set_principal(env, w->uid, t->login, t, o);
	snprintf(t->arn, sizeof(t->arn), "assumed-role/%s/%s", t->user, t->login);
	o->arn_tail = TEXT(t->arn);
	o->issuer_name = TEXT(t->user);
	o->issuer_uid = w->uid;
	o->source_identity = TEXT(t->login);
	o->via = ancestry_via(env->procs, &w->key, w->loginuid, t->via);
	if (!o->via.n && w->userns_level)
		o->via = TEXT("userns");
}

static void be_service(const struct identity_env *env, const struct who *w, struct identity_text *t,
		       struct record_identity *o)
{
	struct str container, unit;

	if (cgroup_container(w->cgroup, &container))
		snprintf(t->invoked, sizeof(t->invoked), "container/%.*s", CONTAINER_SHOWN, container.p);
	else if (cgroup_unit(w->cgroup, &unit))
		snprintf(t->invoked, sizeof(t->invoked), "%.*s", (int)unit.n, unit.p);
	else if (w->exe.n)
		snprintf(t->invoked, sizeof(t->invoked), "%.*s", (int)w->exe.n, w->exe.p);
	else
		snprintf(t->invoked, sizeof(t->invoked), "%.*s", (int)w->comm.n, w->comm.p ? w->comm.p : "");
	o->type = IDENTITY_AWS_SERVICE;
	o->invoked_by = TEXT(t->invoked);
	set_principal(env, w->uid, NULL, t, o);
	snprintf(t->arn, sizeof(t->arn), "service/%s", t->invoked + (t->invoked[0] == '/'));
	o->arn_tail = TEXT(t->arn);
	o->source_ip = o->invoked_by;
}

static void set_session(const struct identity_env *env, const struct who *w, struct identity_text *t,
			struct record_identity *o)
{
	uint64_t start = proctab_session_start(env->procs, w->audit_session);
	struct str address = logins_address(env->logins, w->audit_session, env->procs, &w->key);

	if (start)
		o->session_start = ((int64_t)start + env->wall_offset) / (int64_t)NS_PER_SEC;
	snprintf(t->source, sizeof(t->source), "%.*s", (int)address.n, address.p ? address.p : "");
	o->source_ip = TEXT(t->source);
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
		p->executable_sha256 = exes_sha256(env->exes, &k->exe, id->exe, k->h.tgid, k->leader_start);
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
	names_user(env->names, k->euid);
	waits |= names_waiting(env->names, k->euid);
	names_user(env->names, k->loginuid);
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
