// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <sys/stat.h>

#include "ancestry.h"
#include "lib/cleanup.h"

#define ANCESTORS_MAX 64
static const struct str nothing;

static bool ends_in(struct str path, const char *const *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		size_t n = strlen(names[i]);

		if (path.n >= n && !memcmp(path.p + path.n - n, names[i], n))
			return true;
	}
	return false;
}

/* Programs that change the user, started by root too, where their set-uid bit changes nothing. Root's files only: anybody
 * can have a file of that name. */
static bool changes_user(struct str exe, uint32_t owner)
{
	static const char *const names[] = { "/sudo", "/su", "/doas", "/pkexec", "/runuser" };

	return !owner && ends_in(exe, names, ARRAY_SIZE(names));
}

/* Programs that open sessions: as root they act for a login user before they become that user. Not handed down, so that
 * whoever becomes root in the session by other ways does not seem to be one of these. */
static bool opens_sessions(struct str exe, uint32_t owner)
{
	static const char *const names[] = { "/sshd", "/sshd-session", "/login", "/cron", "/crond", "/atd" };

	return !owner && ends_in(exe, names, ARRAY_SIZE(names));
}

/* A set-uid file that gave its process another user than the one it had. */
static bool gave_user(const struct ht_ident *k, const struct proc *before)
{
	if (!(k->exe.mode & S_ISUID) || k->exe.uid != k->euid)
		return false;
	return k->uid != k->euid || (before && before->euid != k->euid);
}

static struct str own_via(const struct ident *id, const struct proc *before)
{
	return gave_user(&id->id, before) || changes_user(id->exe, id->id.exe.uid) ? id->exe : nothing;
}

void ancestry_note(struct proctab *t, const struct ident *id)
{
	const struct ht_ident *k = &id->id;
	struct proc proc = {
		.key = { k->leader_start, k->h.tgid, 0 },
		.parent = { k->parent_start, k->ppid, 0 },
		.euid = k->euid, .loginuid = k->loginuid, .audit_session = k->audit_session,
		.exe_owner = k->exe.uid, .setuid_exe = k->exe.mode & S_ISUID, .exe = id->exe,
	};
	const struct proc *before = proctab_find(t, k->h.tgid, k->leader_start), *maker;
	struct proc_key from;

	proc.via = own_via(id, before);
	if (!before && !proc.via.n) {
		proc.key.start -= proc.key.start % PROCTAB_TICK_NS;
		from = proctab_parent(t, &proc);
		maker = proctab_find(t, from.pid, from.start);
		proc.parent = from;
		if (maker && maker->loginuid == k->loginuid)
			proc.via = maker->via;
	}
	proctab_put(t, &proc);
}

struct str ancestry_via(struct proctab *t, const struct proc_key *key, uint32_t loginuid, char out[PROCTAB_TEXT_MAX])
{
	struct proc_key at = *key;

	for (int i = 0; i < ANCESTORS_MAX; i++) {
		const struct proc *p = proctab_find(t, at.pid, at.start);
		struct str via;

		if (!p || p->loginuid != loginuid)
			break;
		via = p->via;
		if (!via.n && (changes_user(p->exe, p->exe_owner) || (!i && opens_sessions(p->exe, p->exe_owner))))
			via = p->exe;
		if (via.n) {
			memcpy(out, via.p, via.n);	/* the table keeps no longer ones */
			return (struct str){ out, via.n };
		}
		at = proctab_parent(t, p);
	}
	return nothing;
}
