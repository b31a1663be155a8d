// SPDX-License-Identifier: Apache-2.0
/* parent_open.c - the parent's start: key, lock, directories, probes, status socket. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "parent_internal.h"

#define LOCK_TRIES 100
#define LOCK_PAUSE_US 50000

static int load_key(struct parent *p)
{
	_cleanup_buf_ struct buf key = { 0 }, id = { 0 };
	int r;

	buf_addf(&key, "%s/host.key", p->config->state_dir);
	buf_addf(&id, "%s/host_id", p->config->state_dir);
	r = sign_key_load(buf_text(&key), &p->key);
	if (r < 0) {
		log_err(r, "cannot read the host's key %s (is this host enrolled?)", buf_text(&key));
		return r;
	}
	r = hostinfo_id(&p->host, buf_text(&id));
	if (r < 0)
		log_err(r, "cannot read the host's id %s", buf_text(&id));
	return r;
}

/* The spool is the worker's; its group may read it. */
int make_spool(struct parent *p)
{
	int r = fsx_mkdirs(p->config->spool_dir, 0755);

	if (r < 0 || chown(p->config->spool_dir, p->uid, p->gid) < 0 || chmod(p->config->spool_dir, 02750) < 0) {
		r = r < 0 ? r : -errno;
		log_err(r, "cannot prepare %s", p->config->spool_dir);
	}
	return r;
}

/* One agent for a spool. The worker holds the lock too, so that its parent's successor waits for its end. */
static int take_lock(struct parent *p)
{
	_cleanup_buf_ struct buf path = { 0 };

	buf_addf(&path, "%s/lock", p->config->spool_dir);
	p->lock = open(buf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->lock < 0) {
		log_err(-errno, "cannot open %s", buf_text(&path));
		return -EACCES;
	}
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(p->lock, LOCK_EX | LOCK_NB))
			return 0;
		usleep(LOCK_PAUSE_US);
	}
	log_errx("another hosttraild runs on %s", p->config->spool_dir);
	return -EBUSY;
}

static const char *dir_of(const char *path, char out[PATH_MAX])
{
	char *slash;

	snprintf(out, PATH_MAX, "%s", path);
	slash = strrchr(out, '/');
	if (!slash || slash == out)
		return NULL;
	*slash = 0;
	return out;
}

/*
 * The forwarder's, whose writes there are not recorded. It may come later than we do; were its directory not there from
 * the start, the set of own directories would be another one at our next start, and the pins would be replaced.
 */
static const char *cursor_dir(const struct parent *p, char out[PATH_MAX])
{
	const char *dir = dir_of(p->config->cursor, out);

	if (!dir || !access(dir, F_OK))
		return dir;
	if (fsx_mkdirs(dir, 0755) < 0 || chown(dir, 0, p->gid) < 0 || chmod(dir, 02770) < 0) {
		log_warn(-errno, "cannot make %s for the forwarder", dir);
		return NULL;
	}
	return dir;
}

static int open_selection(struct parent *p)
{
	char why[CONF_WHY_MAX] = "";
	int r = agent_config_selectors(p->config, &p->selection, why);

	if (r < 0)
		log_errx("%s", why);
	return r;
}

static int open_optouts(struct parent *p)
{
	char why[CONF_WHY_MAX] = "";
	int r = optout_make(&p->config->optouts, &p->optouts, why);

	if (r < 0)
		log_errx("%s", why);
	return r;
}

static int open_probes(struct parent *p)
{
	const struct agent_config *c = p->config;
	const char *own[4] = { c->spool_dir }, *dir;
	char cursor[PATH_MAX], why[256] = "";
	struct probes_config pc = {
		.instance = c->instance, .scope = p->scope.kind, .scope_cgroup = p->scope.cgroup, .own_dirs = own,
		.ring_bytes = { (uint32_t)c->ring_control, (uint32_t)c->ring_process, (uint32_t)c->ring_data, 0 },
		.tls = c->tls, .optouts = &p->optouts,
	};
	struct probes_calls calls;
	unsigned n = 1;
	int r;

	selection_calls(p->selection, &calls);
	pc.calls = &calls;
	if (!access(c->state_dir, F_OK))
		own[n++] = c->state_dir;
	dir = cursor_dir(p, cursor);
	if (dir)
		own[n++] = dir;
	r = probes_open(&pc, &p->probes, why);
	if (r < 0)
		log_errx("%s", why[0] ? why : strerror(-r));
	else if (probes_fds(p->probes)->replaced[0])
		log_info("pins of another build were replaced: %s", probes_fds(p->probes)->replaced);
	return r;
}

/* ---- scope: tree ------------------------------------------------------------------------------- */

static int mark_pid(struct parent *p, pid_t pid)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : probes_mark(p->probes, fd, HT_TASK_MARKED);
}

static void mark_tree(struct parent *p, pid_t pid);

/* /proc/<pid>/task/<tid>/children: pids, as the kernel lists them. */
static void mark_children_of(struct parent *p, pid_t pid, const char *tid)
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[128], *at, *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid, tid);
	if (fsx_read(path, 1 << 20, &b) < 0)
		return;
	for (at = (char *)buf_text(&b); *at; at = end) {
		long child = strtol(at, &end, 10);

		if (end == at)
			break;
		mark_tree(p, (pid_t)child);
	}
}

/* The process, then what it had started before: whoever forks after its own mark hands the mark on. */
static void mark_tree(struct parent *p, pid_t pid)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	if (mark_pid(p, pid) < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			mark_children_of(p, pid, e->d_name);
	if (d)
		closedir(d);
}

static int mark_scope(struct parent *p)
{
	int r;

	if (p->scope.kind != HT_SCOPE_TREE || probes_fds(p->probes)->adopted)
		return 0;
	r = mark_pid(p, p->scope.tree);
	if (r < 0) {
		log_err(r, "cannot mark process %d", (int)p->scope.tree);
		return r;
	}
	mark_tree(p, p->scope.tree);
	return 0;
}

/* ---- status socket ---------------------------------------------------------------------------------- */

static int open_status(struct parent *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = p->config->status_socket, *dir;
	char buf[PATH_MAX];
	int r = 0;

	if (!path || !path[0])
		return 0;
	if (strlen(path) >= sizeof(a.sun_path)) {
		log_errx("status_socket is longer than %zu bytes", sizeof(a.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	dir = dir_of(path, buf);
	if (dir)
		fsx_mkdirs(dir, 0755);
	unlink(path);
	p->status_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->status_socket < 0 || bind(p->status_socket, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chown(path, 0, p->gid) < 0 || chmod(path, 0660) < 0 || listen(p->status_socket, 16) < 0) {
		r = -errno;
		log_err(r, "cannot listen on %s", path);
	}
	return r;
}

int parent_open(struct parent *p)
{
	char why[CONF_WHY_MAX];
	int r;

	hostinfo_read(&p->host, p->config->region, p->config->account);
	r = agent_config_scope(p->config, &p->scope, why);
	if (!r) {
		r = agent_config_ids(p->config, &p->uid, &p->gid);
		if (r < 0)
			log_errx("no such user or group: %s, %s", p->config->user, p->config->group);
	}
	return r ?: load_key(p) ?: make_spool(p) ?: take_lock(p) ?: open_selection(p) ?: open_optouts(p) ?: open_probes(p) ?: reload_begin(p) ?: mark_scope(p) ?: open_status(p);
}

void parent_close(struct parent *p)
{
	if (p->status_socket >= 0) {
		close(p->status_socket);
		unlink(p->config->status_socket);
	}
	if (p->probes)
		probes_close(&p->probes, p->config->unpin_on_stop);
	selection_free(&p->selection);
	selection_free(&p->coming);
	sign_key_free(&p->key);
	if (p->lock >= 0)
		close(p->lock);
	if (p->signals >= 0)
		close(p->signals);
}
