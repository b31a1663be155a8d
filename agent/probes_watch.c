// SPDX-License-Identifier: Apache-2.0
/* probes_watch.c - are pins and links still what they were? What is gone is put back from the descriptors that we hold. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "probes_internal.h"

static uint64_t pin_ino(const struct probes *p, const char *name)
{
	char path[PINS_DIR_MAX + 64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	return lstat(path, &st) < 0 ? 0 : st.st_ino;
}

static void note(struct probes *p, const char *name, int fd)
{
	struct watched *w = &p->watched[p->nwatched];

	if (fd < 0 || p->nwatched == WATCHED_MAX)
		return;
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->fd = fd;
	w->ino = *p->dir ? pin_ino(p, name) : 0;
	p->nwatched++;
}

static uint32_t link_prog(int fd)
{
	struct bpf_link_info info = {};
	__u32 n = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &n) < 0 ? 0 : info.prog_id;
}

void probes_watch(struct probes *p)
{
	char name[32];

	note(p, "counters", p->fds.counters);
	note(p, "shared", p->fds.shared);
	note(p, "principals", p->fds.principals);
	note(p, "settled", p->fds.settled);
	note(p, "tasks", p->tasks);
	note(p, PROBES_CAPTURED, p->captured);
	note(p, PROBES_RULE_IDS, p->rule_ids);
	note(p, PROBES_RULE_PATHS, p->rule_paths);
	note(p, "flush", p->flush);
	if (p->tls) {
		note(p, "tls_entry", p->tls_progs.entry);
		note(p, "tls_return", p->tls_progs.ret);
		note(p, "tls_session", p->tls_progs.session);
		note(p, "tls_told", p->fds.tls_told);
		note(p, "tls_wanted", p->fds.tls_wanted);
	}
	note(p, "meta", p->meta_fd);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < probes_rings(&p->fds, c); g++) {
			probes_ring_name(name, c, g);
			note(p, name, p->fds.ring[c][g]);
		}
	for (unsigned i = 0; i < p->nlinks; i++) {
		note(p, p->link_name[i], p->links[i]);
		p->link_prog[i] = link_prog(p->links[i]);
	}
}

/* The directory of the pins, and what it lies on, if that is gone too. */
static int put_back(struct probes *p, struct watched *w)
{
	struct stat st;
	int r = 0;

	if (lstat(p->dir, &st) < 0)
		r = pins_again(p->dir);
	if (!r)
		r = pins_put(p->dir, w->name, w->fd);
	if (!r)
		w->ino = pin_ino(p, w->name);
	return r;
}

static void check_pin(struct probes *p, struct watched *w, probes_lost_fn lost, void *ctx)
{
	uint64_t ino = pin_ino(p, w->name);
	bool gone = !ino;

	if (!w->ino || ino == w->ino)
		return;
	if (!gone)		/* another object under our name: an adopter must not take it for ours */
		pins_drop(p->dir, w->name);
	lost(ctx, "pin", w->name, gone ? "removed" : "replaced", put_back(p, w) == 0);
	if (!pin_ino(p, w->name))
		w->ino = 0;	/* it could not be put back: said once */
}

/* A map that would stop records and that others than we could write to: somebody who found it by its number. */
static void check_captured(struct probes *p, probes_lost_fn lost, void *ctx)
{
	captured_map now;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(p->captured, &zero, &now) < 0 || !memcmp(&now, &p->capture, sizeof(now)))
		return;
	p->capture.ht_captured_gen++;
	lost(ctx, "map", PROBES_CAPTURED, "written to by somebody else",
	     bpf_map_update_elem(p->captured, &zero, &p->capture, BPF_ANY) == 0);
}

void probes_check(struct probes *p, probes_lost_fn lost, void *ctx)
{
	check_captured(p, lost, ctx);
	probes_rules_check(p, lost, ctx);
	for (unsigned i = 0; *p->dir && i < p->nwatched; i++)
		check_pin(p, &p->watched[i], lost, ctx);
	for (unsigned i = 0; i < p->nlinks; i++) {
		uint32_t prog = p->link_prog[i] ? link_prog(p->links[i]) : 0;

		if (prog == p->link_prog[i])
			continue;
		p->link_prog[i] = prog;
		lost(ctx, "hook", p->link_name[i], prog ? "another program runs there" : "detached", false);
	}
}

/* ---- what of the kernel's is ours, by number ---- */

static void give_map(int fd, probes_object_fn fn, void *ctx)
{
	struct bpf_map_info info = {};
	__u32 n = sizeof(info);

	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &n) == 0)
		fn(ctx, PROBES_MAP, info.id, info.name);
}

static void give_link(int fd, const char *name, probes_object_fn fn, void *ctx)
{
	struct bpf_link_info info = {};
	__u32 n = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &n) < 0)
		return;
	fn(ctx, PROBES_LINK, info.id, name);
	fn(ctx, PROBES_PROG, info.prog_id, name);
}

static void give_prog(int fd, const char *name, probes_object_fn fn, void *ctx)
{
	struct bpf_prog_info info = {};
	__u32 n = sizeof(info);

	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &n) == 0)
		fn(ctx, PROBES_PROG, info.id, name);
}

/* Maps that only programs hold: each once, whichever of them use it. */
struct seen {
	uint32_t id[128];
	unsigned n;
};

static bool is_new(struct seen *s, uint32_t id)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->id[i] == id)
			return false;
	if (s->n == ARRAY_SIZE(s->id))
		return false;
	s->id[s->n++] = id;
	return true;
}

static void give_maps_of(int prog, struct seen *seen, probes_object_fn fn, void *ctx)
{
	struct bpf_prog_info info = {};
	__u32 ids[64], n = sizeof(info);

	info.map_ids = (uintptr_t)ids;
	info.nr_map_ids = ARRAY_SIZE(ids);
	if (prog < 0 || bpf_obj_get_info_by_fd(prog, &info, &n) < 0)
		return;
	for (unsigned i = 0; i < info.nr_map_ids && i < ARRAY_SIZE(ids); i++) {
		_cleanup_close_ int map = is_new(seen, ids[i]) ? bpf_map_get_fd_by_id(ids[i]) : -1;

		give_map(map, fn, ctx);
	}
}

static void give_maps(const struct probes *p, probes_object_fn fn, void *ctx)
{
	struct seen seen = {};

	for (unsigned i = 0; i < p->nlinks; i++) {
		_cleanup_close_ int prog = bpf_prog_get_fd_by_id(link_prog(p->links[i]));

		give_maps_of(prog, &seen, fn, ctx);
	}
	give_maps_of(p->tls_progs.entry, &seen, fn, ctx);
	give_maps_of(p->tls_progs.ret, &seen, fn, ctx);
	give_maps_of(p->tls_progs.session, &seen, fn, ctx);
}

void probes_objects(struct probes *p, probes_object_fn fn, void *ctx)
{
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < probes_rings(&p->fds, c); g++)
			give_map(p->fds.ring[c][g], fn, ctx);
	give_map(p->meta_fd, fn, ctx);
	give_maps(p, fn, ctx);
	give_prog(p->flush, "ht_flush", fn, ctx);
	give_prog(p->tls_progs.entry, "ht_tls_entry", fn, ctx);
	give_prog(p->tls_progs.ret, "ht_tls_return", fn, ctx);
	give_prog(p->tls_progs.session, "ht_tls_session", fn, ctx);
	for (unsigned i = 0; i < p->nlinks; i++)
		give_link(p->links[i], p->link_name[i], fn, ctx);
}
