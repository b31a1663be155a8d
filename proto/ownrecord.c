/* SPDX-License-Identifier: Apache-2.0 */
#include "ownrecord.h"

#include <assert.h>

#include "keys.h"
#include "lib/clock.h"

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

static void put(struct batch *b, unsigned field, const struct own_value *v)
{
	char text[65];

	switch (v->kind) {
	case OWN_NOTHING:
		break;
	case OWN_NUMBER:
		batch_int(b, field, v->number);
		break;
	case OWN_TEXT:
		batch_string(b, field, v->p, v->n);
		break;
	case OWN_TEXTS:
		batch_strings(b, field, v->p, (unsigned)v->n);
		break;
	case OWN_TIME:
		clock_iso(v->number, text);
		batch_string(b, field, text, strlen(text));
		break;
	case OWN_HEX:
		hex_text(v->p, v->n, text);
		batch_string(b, field, text, 2 * v->n);
		break;
	}
}

void own_fill(struct batch *b, const struct shape *shape, const struct own_value *v, size_t n)
{
	assert(n == shape->nfields);
	for (unsigned i = 0; i < n; i++)
		put(b, i, &v[i]);
}
