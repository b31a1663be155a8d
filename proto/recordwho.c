/* SPDX-License-Identifier: Apache-2.0 */
/* recordwho.c - who acted: userIdentity, sourceIPAddress, and additionalEventData.process. */
#include <stdio.h>
#include <string.h>

#include "arn.h"
#include "json.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "reader.h"

#define UNSET UINT32_MAX
#define GROUPS_SHOWN 64

struct who {
	struct reader *r;
	const struct reader_identity *id;
	size_t max;
	struct json *j;
};

static void text(const struct who *w, const char *key, uint32_t index)
{
	struct str s = reader_str(w->r, index);

	if (s.n)
		json_text_cut(w->j, key, s.p, s.n, w->max);
}

/* Always set: where the agent gave none, the process stands for who is behind it. */
static void arn(const struct who *w)
{
	struct buf *b = &w->r->scratch;
	const struct reader_process *p = &w->r->processes[w->id->process];
	struct str tail = reader_str(w->r, w->id->arn_tail);
	char own[64];

	if (!tail.n)
		tail = (struct str){ own, (size_t)snprintf(own, sizeof(own), "process/%u.%llu", p->pid,
							   (unsigned long long)p->start) };
	buf_reset(b);
	arn_of_host(&w->r->host, "", tail, b);
	json_text_cut(w->j, "arn", b->p, b->n, w->max);
}

static void issuer(const struct who *w)
{
	struct buf *b = &w->r->scratch;
	struct str name = reader_str(w->r, w->id->issuer_name);

	json_open(w->j, "sessionIssuer", '{');
	json_string(w->j, "type", "Role");
	buf_reset(b);
	buf_addf(b, "%s:%u", w->r->host.host_id, w->id->issuer_uid);
	json_text_cut(w->j, "principalId", b->p, b->n, w->max);
	buf_reset(b);
	arn_of_host(&w->r->host, "user/", name, b);
	json_text_cut(w->j, "arn", b->p, b->n, w->max);
	json_string(w->j, "accountId", w->r->host.account);
	json_text_cut(w->j, "userName", name.p, name.n, w->max);
	json_close(w->j, '}');
}

static void session(const struct who *w)
{
	bool issued = w->id->type == IDENTITY_ASSUMED_ROLE || reader_str(w->r, w->id->issuer_name).n;
	char created[21];

	if (!issued && !w->id->session_start && !w->id->source_identity)
		return;
	json_open(w->j, "sessionContext", '{');
	if (issued)
		issuer(w);
	text(w, "sourceIdentity", w->id->source_identity);
	if (w->id->session_start) {
		clock_iso(w->id->session_start, created);
		json_open(w->j, "attributes", '{');
		json_string(w->j, "creationDate", created);
		json_string(w->j, "mfaAuthenticated", "false");
		json_close(w->j, '}');
	}
	json_close(w->j, '}');
}

void reader_identity_json(struct reader *r, const struct reader_identity *id, struct str access_key, size_t max, struct json *j)
{
	static const char *const types[] = { "Unknown", "Root", "IAMUser", "AssumedRole", "AWSService", "FederatedUser" };
	const struct who w = { r, id, max, j };

	json_open(j, "userIdentity", '{');
	json_string(j, "type", types[id->type < ARRAY_SIZE(types) ? id->type : 0]);
	text(&w, "principalId", id->principal_id);
	arn(&w);
	json_string(j, "accountId", r->host.account);
	if (access_key.n)
		json_text_cut(j, "accessKeyId", access_key.p, access_key.n, max);
	if (id->type != IDENTITY_ASSUMED_ROLE)
		text(&w, "userName", id->user_name);
	session(&w);
	text(&w, "invokedBy", id->invoked_by);
	text(&w, "via", id->via);
	text(&w, "reason", id->why_unknown);
	json_close(j, '}');
}

/* The far end where there is one; a service's name; else this host. */
struct str reader_source_ip(const struct reader *r, const struct reader_record *x, const struct reader_identity *id)
{
	const uint32_t candidates[] = { x->source_ip, id->source_ip, id->invoked_by };

	for (unsigned i = 0; i < ARRAY_SIZE(candidates); i++)
		if (reader_str(r, candidates[i]).n)
			return reader_str(r, candidates[i]);
	return *r->host.hostname ? (struct str){ r->host.hostname, strlen(r->host.hostname) } :
				   (struct str){ r->host.host_id, strlen(r->host.host_id) };
}

/* ---- additionalEventData.process */

static void named(const struct who *w, const char *key, const struct reader_list *l, const char *const *names, unsigned n)
{
	bool any = false;

	for (unsigned i = 0; i < l->n && i < n; i++) {
		if (!l->v[i] && names[n])	/* zeros mean nothing here */
			continue;
		if (!any)
			json_open(w->j, key, '{');
		any = true;
		json_uint(w->j, names[i], l->v[i]);
	}
	if (any)
		json_close(w->j, '}');
}

static void credentials(const struct who *w)
{
	static const char *const uids[] = { "uid", "suid", "euid", "fsuid", NULL };
	static const char *const gids[] = { "gid", "sgid", "egid", "fsgid", NULL };
	struct wire_span at = w->id->groups;
	char cap[24];
	uint64_t v;

	named(w, "uids", &w->id->uids, uids, 4);
	named(w, "gids", &w->id->gids, gids, 4);
	if (at.p < at.end) {
		json_open(w->j, "groups", '[');
		for (unsigned i = 0; i < GROUPS_SHOWN && at.p < at.end && wire_get_varint(&at, &v); i++)
			json_uint(w->j, NULL, v);
		json_close(w->j, ']');
	}
	if (w->id->loginuid != UNSET)
		json_uint(w->j, "loginuid", w->id->loginuid);
	if (w->id->audit_session != UNSET)
		json_uint(w->j, "auditSession", w->id->audit_session);
	json_uint(w->j, "uidInNamespace", w->id->uid_in_ns);
	json_text(w->j, "capEffective", cap,
		  (size_t)snprintf(cap, sizeof(cap), "0x%llx", (unsigned long long)w->id->cap_effective));
}

static void executable(const struct who *w, const struct reader_process *p)
{
	if (!p->executable && !p->executable_id && !p->executable_sha256)
		return;
	json_open(w->j, "executable", '{');
	text(w, "path", p->executable);
	text(w, "id", p->executable_id);
	text(w, "sha256", p->executable_sha256);
	if (p->flags & RECORD_PROCESS_DELETED)
		json_boolean(w->j, "deleted", true);
	json_close(w->j, '}');
}

static void place(const struct who *w, const struct reader_process *p)
{
	static const char *const ns[] = { "user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "time", "" };

	text(w, "command", p->command);
	text(w, "cgroup", p->cgroup);
	if (p->cgroup_id)
		json_uint(w->j, "cgroupId", p->cgroup_id);
	text(w, "container", p->container);
	named(w, "namespaces", &p->ns, ns, 8);
	if (p->session_id)
		json_uint(w->j, "sessionId", p->session_id);
	text(w, "tty", p->tty);
	if (p->pid_in_ns && p->pid_in_ns != p->pid)
		json_uint(w->j, "pidInNamespace", p->pid_in_ns);
}

void reader_process_json(struct reader *r, const struct reader_identity *id, size_t max, struct json *j)
{
	const struct reader_process *p = &r->processes[id->process];
	const struct who w = { r, id, max, j };

	json_open(j, "process", '{');
	json_uint(j, "pid", p->pid);
	json_digits(j, "startTime", p->start);
	if (id->tid && id->tid != p->pid) {
		json_uint(j, "threadId", id->tid);
		json_digits(j, "threadStartTime", id->tid_start);
	}
	if (p->parent_pid) {
		json_open(j, "parent", '{');
		json_uint(j, "pid", p->parent_pid);
		json_digits(j, "startTime", p->parent_start);
		json_close(j, '}');
	}
	executable(&w, p);
	place(&w, p);
	credentials(&w);
	if (p->flags & RECORD_PROCESS_MINIMAL)
		json_boolean(j, "minimalIdentity", true);
	json_close(j, '}');
}
