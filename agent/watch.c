// SPDX-License-Identifier: Apache-2.0
/*
 * watch.c - the parent looks after what is ours: tells the worker what that is, and every two seconds whether it is still
 * as it was: pins, hooks, and the files that nobody changes while the agent runs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "parent_internal.h"

static const char *const mounts[] = { "/sys/fs/bpf", "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

/* ---- what is ours ---- */

static int tell_until(struct parent *p, uint32_t kind, uint32_t number, uint64_t ino, const char *text, uint64_t until)
{
	struct msg_guard m = { .kind = kind, .number = number, .ino = ino, .until = until };

	snprintf(m.text, sizeof(m.text), "%.*s", (int)sizeof(m.text) - 1, text);
	return msg_send(p->ctl, MSG_GUARD, &m, sizeof(m), -1);
}

static int tell(struct parent *p, uint32_t kind, uint32_t number, uint64_t ino, const char *text)
{
	return tell_until(p, kind, number, ino, text, 0);
}

/* Where pidfds have inodes of their own, the number of this one; they are 64 bits wide and not small there. */
int tell_process(struct parent *p, const char *name, pid_t pid)
{
	return pid ? tell(p, GUARD_PROCESS, (uint32_t)pid, 0, name) : 0;
}

static uint64_t ino_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static int tell_forward(struct parent *p)
{
	char path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash;

	if (n <= 0)
		return 0;
	path[n] = 0;
	slash = strrchr(path, '/');
	snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "hosttrail-forward");
	return tell(p, GUARD_FORWARD, 0, 0, path);
}

static void tell_object(void *ctx, enum probes_object kind, uint32_t id, const char *name)
{
	static const uint8_t kinds[] = { [PROBES_MAP] = GUARD_MAP, [PROBES_PROG] = GUARD_PROG, [PROBES_LINK] = GUARD_LINK };

	tell(ctx, kinds[kind], id, 0, name);
}

/* What killed the worker before this one may still wait in the rings. */
static int tell_former(struct parent *p)
{
	return p->former ? tell_until(p, GUARD_PROCESS, (uint32_t)p->former, 0, "former worker", clock_boot()) : 0;
}

static int tell_mounts(struct parent *p)
{
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(mounts); i++)
		r = tell(p, GUARD_MOUNT, 0, 0, mounts[i]);
	return r;
}

/* As the kernel's walks show it. */
static unsigned add_own(const char *path, char (*to)[PATH_MAX], unsigned n)
{
	_cleanup_free_ char *real = path && *path ? realpath(path, NULL) : NULL;

	if (!path || !*path)
		return n;
	snprintf(to[n], PATH_MAX, "%s", real ?: path);
	return n + 1;
}

/* Of the forwarder's cursor; "" where it lies in none of its own. */
static void cursor_dir(const struct parent *p, char dir[PATH_MAX])
{
	char *slash;

	snprintf(dir, PATH_MAX, "%s", p->config->cursor);
	slash = strrchr(dir, '/');
	dir[slash ? slash - dir : 0] = 0;
}

unsigned own_files(const struct parent *p, char (*to)[PATH_MAX])
{
	const struct agent_config *c = p->config;
	char cursor[PATH_MAX];
	unsigned n = 0;

	n = add_own(c->spool_dir, to, n);
	n = add_own(c->state_dir, to, n);
	n = add_own(c->path, to, n);
	n = add_own(c->selectors[0] == '/' ? c->selectors : NULL, to, n);
	n = add_own(probes_dir(p->probes), to, n);
	cursor_dir(p, cursor);
	return add_own(cursor, to, n);
}

int tell_guards(struct parent *p)
{
	char own[OWN_FILES_MAX][PATH_MAX], cursor[PATH_MAX];
	unsigned n = own_files(p, own);
	int r;

	cursor_dir(p, cursor);
	r = tell(p, GUARD_NAMESPACES, (uint32_t)ino_of("/proc/self/ns/pid"), ino_of("/proc/self/ns/mnt"), "") ?:
	    tell(p, GUARD_GROUP, (uint32_t)getpgrp(), 0, "") ?: tell_process(p, "parent", getpid()) ?:
	    tell_process(p, "worker", p->worker) ?: tell_process(p, "resolver", p->resolver) ?: tell_former(p) ?: tell_mounts(p);
	for (unsigned i = 0; i < n && !r; i++)
		r = tell(p, GUARD_FILES, 0, 0, own[i]);
	if (!r && *cursor)
		r = tell_forward(p);
	if (!r)
		probes_objects(p->probes, tell_object, p);
	return r;
}

/* ---- is it as it was? ---- */

static void say(struct parent *p, const char *kind, const char *target, const char *what, bool restored)
{
	struct msg_tampered m = { .restored = restored };

	log_errx("%s %s: %s%s", kind, target, what, restored ? "; it was put back" : "");
	snprintf(m.kind, sizeof(m.kind), "%s", kind);
	snprintf(m.target, sizeof(m.target), "%.250s", target);
	snprintf(m.what, sizeof(m.what), "%s", what);
	if (p->ctl >= 0 && msg_send(p->ctl, MSG_TAMPERED, &m, sizeof(m), -1) < 0)
		log_limited(LOG_LEVEL_WARN, 0, "the worker does not take what was tampered with");
}

static void lost(void *ctx, const char *kind, const char *name, const char *what, bool restored)
{
	say(ctx, kind, name, what, restored);
}

static void sign_of(const char *path, struct file_sign *ret)
{
	struct stat st;

	memset(ret, 0, sizeof(*ret));
	if (lstat(path, &st) < 0)
		return;
	*ret = (struct file_sign){ st.st_ino, (uint64_t)st.st_size, (uint64_t)st.st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st.st_mtim.tv_nsec,
				   (uint64_t)st.st_ctim.tv_sec * NS_PER_SEC + (uint64_t)st.st_ctim.tv_nsec, st.st_mode, st.st_uid, st.st_gid };
}

static const char *changed(const struct file_sign *a, const struct file_sign *b)
{
	if (!a->ino || !b->ino)
		return a->ino ? "removed" : "made anew";
	if (a->ino != b->ino)
		return "replaced";
	if (a->size != b->size || a->mtime != b->mtime)
		return "written to";
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid)
		return "owner or permissions changed";
	return a->ctime != b->ctime ? "attributes changed" : NULL;
}

static unsigned files_of(const struct parent *p, char (*path)[PATH_MAX])
{
	snprintf(path[0], PATH_MAX, "%s/host.key", p->config->state_dir);
	snprintf(path[1], PATH_MAX, "%s/host_id", p->config->state_dir);
	snprintf(path[2], PATH_MAX, "%s", p->config->path ?: "");
	return p->config->path ? 3 : 2;
}

void watch_start(struct parent *p)
{
	char path[WATCHED_FILES][PATH_MAX];
	unsigned n = files_of(p, path);

	probes_watch(p->probes);
	for (unsigned i = 0; i < n; i++)
		sign_of(path[i], &p->files[i]);
}

void watch_check(struct parent *p)
{
	char path[WATCHED_FILES][PATH_MAX];
	unsigned n = files_of(p, path);

	probes_cgroups(p->probes);
	probes_check(p->probes, lost, p);
	for (unsigned i = 0; i < n; i++) {
		struct file_sign now;
		const char *what;

		sign_of(path[i], &now);
		what = changed(&p->files[i], &now);
		if (what)
			say(p, "file", path[i], what, false);
		p->files[i] = now;
	}
}
