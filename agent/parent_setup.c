// SPDX-License-Identifier: Apache-2.0
/* parent_setup.c - what a worker needs before it starts: told once, over its control socket. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parent_internal.h"

static int send_fd(struct parent *p, uint32_t kind, unsigned class, unsigned group, int fd)
{
	struct msg_ring m = { .kind = kind, .class = class, .group = group };

	return fd < 0 ? 0 : msg_send(p->ctl, MSG_RING, &m, sizeof(m), fd);
}

static int send_rings(struct parent *p, const struct probes_fds *f, uint32_t whose)
{
	int r = 0;

	for (unsigned c = 0; c < HT_CLASS__MAX && !r; c++)
		for (unsigned g = 0; g < HT_GROUPS_MAX && !r; g++)
			r = send_fd(p, MSG_RING_DATA | whose, c, g, f->ring[c][g]);
	return r ?: send_fd(p, MSG_RING_COUNTERS | whose, 0, 0, f->counters) ?: send_fd(p, MSG_RING_SHARED | whose, 0, 0, f->shared) ?:
	       send_fd(p, MSG_RING_PRINCIPALS | whose, 0, 0, f->principals) ?: send_fd(p, MSG_RING_SETTLED | whose, 0, 0, f->settled);
}

static int send_fds(struct parent *p)
{
	const struct probes_left *left = probes_left(p->probes);
	int r = send_rings(p, probes_fds(p->probes), 0);

	if (!r && left)
		r = send_rings(p, &left->fds, MSG_RING_LEFT);
	return r ?: send_fd(p, MSG_RING_STATUS_SOCKET, 0, 0, p->status_socket) ?: send_fd(p, MSG_RING_LOCK, 0, 0, p->lock);
}

static int send_features(struct parent *p)
{
	unsigned n;
	const struct probes_feature *f = probes_features(p->probes, &n);
	int r = 0;

	for (unsigned i = 0; i < n && !r; i++) {
		struct msg_feature m = { .on = f[i].on, .required = f[i].required };

		snprintf(m.name, sizeof(m.name), "%s", f[i].name);
		snprintf(m.why, sizeof(m.why), "%s", f[i].why);
		r = msg_send(p->ctl, MSG_FEATURE, &m, sizeof(m), -1);
	}
	return r;
}

/* In AgentStarted, status and doctor beside the hooks. */
static int send_optouts(struct parent *p)
{
	struct optout_line line;
	int r = 0;

	for (unsigned i = 0; p->config->tls && !r && optout_line(&p->optouts, i, &line); i++) {
		struct msg_feature m = { 0 };

		memcpy(m.name, line.name, sizeof(m.name));
		memcpy(m.why, line.why, sizeof(m.why));
		r = msg_send(p->ctl, MSG_FEATURE, &m, sizeof(m), -1);
	}
	return r;
}

/* Oldest first, as they came into force. */
static int send_selections(struct parent *p, const struct selection *s)
{
	int r = s->before ? send_selections(p, s->before) : 0;

	return r ?: send_selection(p, s);
}

static void put_left(const struct probes_left *l, struct msg_setup *s)
{
	if (!l)
		return;
	memcpy(s->left.stream, l->fds.stream, sizeof(s->left.stream));
	memcpy(s->left.ring_bytes, l->fds.ring_bytes, sizeof(s->left.ring_bytes));
	s->left.ncpu = l->fds.ncpu;
	s->left.ngroups = l->fds.ngroups;
	s->left.counters = l->counters;
	s->left.counters_each = l->counters_each;
	s->left.readable = l->readable;
}

int send_setup(struct parent *p)
{
	const struct agent_config *c = p->config;
	const struct probes_fds *f = probes_fds(p->probes);
	struct msg_setup s = {
		.host = p->host, .made = f->made, .ncpu = f->ncpu, .ngroups = f->ngroups, .pid = getpid(),
		.spool_bytes = { c->spool_control, c->spool_data, c->spool_tls },
		.adopted = f->adopted || !p->hello, .log_level = (uint32_t)c->log_level,
		.self_test = c->self_test, .tls = f->tls_wanted >= 0,
	};
	int r;

	memcpy(s.stream, f->stream, sizeof(s.stream));
	memcpy(s.ring_bytes, f->ring_bytes, sizeof(s.ring_bytes));
	if (p->hello)
		snprintf(s.replaced, sizeof(s.replaced), "%s", f->replaced);
	p->hello = false;
	put_left(probes_left(p->probes), &s);
	if (!c->unpin_on_stop)
		snprintf(s.pinned, sizeof(s.pinned), "%s", probes_dir(p->probes));
	snprintf(s.scope, sizeof(s.scope), "%s", c->scope);
	snprintf(s.spool_dir, sizeof(s.spool_dir), "%s", c->spool_dir);
	snprintf(s.cursor, sizeof(s.cursor), "%s", c->cursor);
	memcpy(s.apis, p->apis, sizeof(s.apis));
	p->tell_apis = false;
	r = msg_send(p->ctl, MSG_SETUP, &s, sizeof(s), -1);
	return r ?: send_fds(p) ?: send_features(p) ?: send_optouts(p) ?: send_selections(p, p->selection) ?: tell_guards(p) ?: send_counts(p) ?: msg_send(p->ctl, MSG_START, NULL, 0, -1);
}
