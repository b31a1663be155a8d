/* SPDX-License-Identifier: Apache-2.0 */
#include "ownrecord.h"

#include <string.h>

static struct str text(const char *s)
{
	return (struct str){ s, strlen(s) };
}

void own_process(const struct procfs_self *self, const char *program, struct record_identity *ret_i)
{
	struct record_process *p = &ret_i->process;

	_Static_assert(sizeof(p->ns) == sizeof(self->ns), "the same namespaces in the same order");
	memset(ret_i, 0, sizeof(*ret_i));
	*p = (struct record_process){
		.pid = self->pid, .start = self->start, .parent_pid = self->parent_pid, .parent_start = self->parent_start,
		.pid_in_ns = self->pid, .session_id = self->session, .executable = text(self->executable),
		.command = text(program), .cgroup = text(self->cgroup), .flags = self->deleted ? RECORD_PROCESS_DELETED : 0,
	};
	memcpy(p->ns, self->ns, sizeof(p->ns));
	ret_i->tid = self->pid;
	ret_i->tid_start = self->start;
	ret_i->loginuid = ret_i->audit_session = UINT32_MAX;
	memcpy(ret_i->uids, self->uids, sizeof(ret_i->uids));
	memcpy(ret_i->gids, self->gids, sizeof(ret_i->gids));
	ret_i->cap_effective = self->cap_effective;
}

void own_put(struct batch *b, unsigned field, const char *text)
{
	if (text && text[0])
		batch_string(b, field, text, strlen(text));
}
