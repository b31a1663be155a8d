// SPDX-License-Identifier: Apache-2.0
#include "tlsfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(e) ((e)->unhashed = true)
#include <uthash.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "expedite.h"
#include "optout.h"
#include "tlsattach.h"
#include "tls/discover.h"
#include "tls/ldcache.h"

#define SEEN_MAX 65536		/* files that were looked at; then they are looked at again */
#define SCRIPT_MAX 256
#define LINKER_CACHE "/etc/ld.so.cache"	/* the host's own */
#define LINKER_CACHE_MAX (16u << 20)

struct file_key {
	uint64_t dev, ino, size;
	int64_t ctime, ctime_ns;	/* another file by the same number, or another content */
};

struct seen {
	UT_hash_handle hh;
	struct file_key key;
	bool unhashed;
};

struct probed {
	struct tlsfile file;
	struct tls_links links;
	struct file_key key;	/* as it was when it was planned */
	int64_t mtime, mtime_ns;
	int fd;			/* says whether it was deleted; the links keep the file anyway */
	uint64_t met;		/* by which scan at last */
};

struct tlsfiles {
	const struct probes *probes;
	const struct ht_optouts *optouts;	/* NULL: none */
	struct seen *seen;
	unsigned nseen, n, cap;
	struct probed *v;
	uint64_t scan;
	struct expedite expedite;
	bool hurry;
};

int tlsfiles_new(const struct probes *p, struct tlsfiles **ret_f)
{
	struct tlsfiles *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->probes = p;
	f->expedite.fd = f->expedite.mark = -1;
	*ret_f = f;
	return 0;
}

void tlsfiles_may_expedite(struct tlsfiles *f)
{
	if (f->expedite.fd < 0)
		expedite_open(&f->expedite);
}

void tlsfiles_hurry(struct tlsfiles *f, bool hurry)
{
	f->hurry = hurry;
}

static int attach(const struct tlsfiles *f, int fd, const struct tls_plan *plan, struct tls_links *ret_l)
{
	bool on = f->hurry && expedite_begin(&f->expedite);
	int r = tls_attach(f->probes, fd, plan->sites, plan->nsites, ret_l);

	if (on)
		expedite_end(&f->expedite);
	return r;
}

void tlsfiles_leave_out(struct tlsfiles *f, const struct ht_optouts *o)
{
	f->optouts = o;
}

static void forget_seen(struct tlsfiles *f)
{
	struct seen *s, *next;

	HASH_ITER(hh, f->seen, s, next) {
		HASH_DEL(f->seen, s);
		free(s);
	}
	f->nseen = 0;
}

static void give_up(struct tlsfiles *f, unsigned i)
{
	tls_detach(&f->v[i].links);
	close(f->v[i].fd);
	f->n--;
	memmove(f->v + i, f->v + i + 1, (f->n - i) * sizeof(*f->v));
}

void tlsfiles_free(struct tlsfiles **f)
{
	if (!*f)
		return;
	forget_seen(*f);
	while ((*f)->n)
		give_up(*f, (*f)->n - 1);
	free((*f)->v);
	expedite_close(&(*f)->expedite);
	free(*f);
	*f = NULL;
}

/* Every overlay over a layer shows the layer's file with a device of its own; the kernel probes the layer's. */
static bool on_overlay(int fd)
{
	struct statfs s;

	return !fstatfs(fd, &s) && s.f_type == OVERLAYFS_SUPER_MAGIC;
}

static void key_of(int fd, const struct stat *st, struct file_key *ret_key)
{
	memset(ret_key, 0, sizeof(*ret_key));
	ret_key->dev = on_overlay(fd) ? TLS_DEV_OVERLAY : st->st_dev;
	ret_key->ino = st->st_ino;
	ret_key->size = (uint64_t)st->st_size;
	ret_key->ctime = st->st_ctim.tv_sec;
	ret_key->ctime_ns = st->st_ctim.tv_nsec;
}

/* True: it was looked at before. */
static bool seen_before(struct tlsfiles *f, const struct file_key *key)
{
	struct seen *s;

	HASH_FIND(hh, f->seen, key, sizeof(*key), s);
	if (s)
		return true;
	if (f->nseen >= SEEN_MAX)
		return false;
	s = calloc(1, sizeof(*s));
	if (!s)
		return false;
	s->key = *key;
	HASH_ADD(hh, f->seen, key, sizeof(s->key), s);
	if (s->unhashed)
		free(s);
	else
		f->nseen++;
	return false;
}

/*
 * Is it one with probes, whose time of change is another one now, as it is renamed, linked or deleted? The probes keep the file, so its number is
 * nobody else's; on overlays, where numbers are several layers', the time of change has to be the same. What was written into since is planned anew.
 */
static bool probed_before(struct tlsfiles *f, const struct file_key *key, const struct stat *st)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct probed *o = &f->v[i];
		bool same = o->key.size == key->size && o->mtime == st->st_mtim.tv_sec && o->mtime_ns == st->st_mtim.tv_nsec;

		if (o->key.dev != key->dev || o->key.ino != key->ino || (key->dev == TLS_DEV_OVERLAY && !same))
			continue;
		o->met = f->scan;
		if (!same)
			give_up(f, i);
		return same;
	}
	return false;
}

static struct probed *room(struct tlsfiles *f)
{
	unsigned cap = f->cap ? f->cap * 2 : 16;
	struct probed *v;

	if (f->n < f->cap)
		return &f->v[f->n];
	v = realloc(f->v, cap * sizeof(*v));
	if (!v)
		return NULL;
	f->v = v;
	f->cap = cap;
	return &f->v[f->n];
}

static void describe(struct tlsfile *o, const char *path, const struct tls_plan *plan)
{
	memset(o, 0, sizeof(*o));
	snprintf(o->path, sizeof(o->path), "%s", path);
	snprintf(o->stack, sizeof(o->stack), "%s", plan->stack);
	snprintf(o->build_id, sizeof(o->build_id), "%s", plan->build_id);
	snprintf(o->why, sizeof(o->why), "%s", plan->why);
	for (unsigned i = 0; i < plan->nsites; i++)
		o->emulated += plan->sites[i].insn == TLS_INSN_EMULATED || plan->sites[i].insn == TLS_INSN_NOP5;
}

int tlsfiles_new_one(struct tlsfiles *f, int fd)
{
	struct file_key key;
	struct stat st;
	bool known;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	key_of(fd, &st, &key);
	known = probed_before(f, &key, &st);	/* asked first: it is met */
	return !seen_before(f, &key) && !known;
}

void tlsfiles_forget(struct tlsfiles *f, int fd)
{
	struct file_key key;
	struct stat st;
	struct seen *s = NULL;

	if (fstat(fd, &st) < 0)
		return;
	key_of(fd, &st, &key);
	HASH_FIND(hh, f->seen, &key, sizeof(key), s);
	if (!s)
		return;
	HASH_DEL(f->seen, s);
	free(s);
	f->nseen--;
}

void tlsfiles_scan_begin(struct tlsfiles *f)
{
	f->scan++;
}

unsigned tlsfiles_scan_end(struct tlsfiles *f, bool whole, void (*fn)(const char *path, void *arg), void *arg)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->n; i++) {
		struct probed *o = &f->v[i];
		struct stat st;

		if (!whole)
			o->met = f->scan;
		if (o->met + 2 > f->scan || fstat(o->fd, &st) < 0 || st.st_nlink)
			continue;
		if (fn)
			fn(o->file.path, arg);
		give_up(f, i--);
		n++;
	}
	return n;
}

int tlsfiles_take(struct tlsfiles *f, int fd, const char *path)
{
	_cleanup_(tls_plan_done) struct tls_plan plan = { 0 };
	int r = tlsfiles_new_one(f, fd);

	if (r <= 0)
		return r;
	r = tls_plan_file(fd, &plan);
	if (r < 0)
		return r == -EBADMSG || r == -ENOEXEC ? 0 : r;
	return tlsfiles_planned(f, fd, path, &plan);
}

int tlsfiles_planned(struct tlsfiles *f, int fd, const char *path, struct tls_plan *plan)
{
	enum ht_optout of;
	struct probed *o;
	struct stat st;

	if (!plan->nsites && (!plan->uses_tls || !*plan->stack))
		return 0;
	if (f->n >= TLSFILES_MAX)
		return -E2BIG;
	o = room(f);
	if (!o)
		return -ENOMEM;
	memset(o, 0, sizeof(*o));
	o->fd = fstat(fd, &st) < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (o->fd < 0)
		return -errno;
	key_of(fd, &st, &o->key);
	o->mtime = st.st_mtim.tv_sec;
	o->mtime_ns = st.st_mtim.tv_nsec;
	o->met = f->scan;
	describe(&o->file, path, plan);
	if (f->optouts && (of = optout_file(f->optouts, path))) {
		plan->nsites = o->file.emulated = 0;
		snprintf(o->file.why, sizeof(o->file.why), "left out by the configuration (%s)", optout_name(of));
	}
	if (f->probes && plan->nsites)
		o->file.error = attach(f, fd, plan, &o->links);
	o->file.sites = plan->nsites;
	f->n++;
	return o->file.error ?: plan->nsites > 0;
}

/* Looked at through a descriptor that cannot block or act. */
static int open_regular(const char *path)
{
	_cleanup_close_ int at = open(path, O_PATH | O_CLOEXEC);
	char self[64];
	struct stat st;
	int fd;

	if (at < 0 || fstat(at, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int tlsfiles_path(struct tlsfiles *f, const char *path)
{
	_cleanup_close_ int fd = open_regular(path);

	return fd < 0 ? fd : tlsfiles_take(f, fd, path);
}

struct libraries {
	void (*fn)(const char *path, void *arg);
	void *arg;
};

static int one_library(const char *name, const char *path, void *arg)
{
	struct libraries *l = arg;
	const char *last = strrchr(path, '/');

	if (tls_plan_name(name) || (last && tls_plan_name(last + 1)))
		l->fn(path, l->arg);
	return 0;
}

void tlsfiles_each_library(void (*fn)(const char *path, void *arg), void *arg)
{
	struct libraries l = { fn, arg };
	_cleanup_buf_ struct buf b = { 0 };

	if (fsx_read(LINKER_CACHE, LINKER_CACHE_MAX, &b) == 0)
		ldcache_each(b.p, b.n, one_library, &l);
}

struct taken {
	struct tlsfiles *f;
	int n;
};

static void take_library(const char *path, void *arg)
{
	struct taken *t = arg;

	t->n += tlsfiles_path(t->f, path) > 0;
}

int tlsfiles_libraries(struct tlsfiles *f)
{
	struct taken t = { f, 0 };

	tlsfiles_each_library(take_library, &t);
	return t.n;
}

/* "#!/usr/bin/python3 -u": the interpreter's path. False: it is no script. */
static bool interpreter(const char *path, char ret_path[SCRIPT_MAX])
{
	_cleanup_close_ int fd = open_regular(path);
	char head[SCRIPT_MAX], *at = head + 2;
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head) - 1);

	if (n < 3 || head[0] != '#' || head[1] != '!')
		return false;
	head[n] = 0;
	at += strspn(at, " \t");
	at[strcspn(at, " \t\r\n")] = 0;
	if (*at != '/')
		return false;
	snprintf(ret_path, SCRIPT_MAX, "%s", at);
	return true;
}

static int take_program(struct tlsfiles *f, const char *path)
{
	char script[SCRIPT_MAX];
	int r = tlsfiles_path(f, path);

	if (interpreter(path, script))
		tlsfiles_path(f, script);
	return r;
}

int tlsfiles_program(struct tlsfiles *f, const char *name)
{
	const char *dirs = getenv("PATH") ?: "/usr/local/bin:/usr/bin:/bin", *end;
	char path[PATH_MAX];

	if (strchr(name, '/'))
		return take_program(f, name);
	for (; *dirs; dirs = *end ? end + 1 : end) {
		end = strchrnul(dirs, ':');
		snprintf(path, sizeof(path), "%.*s/%s", (int)(end - dirs), dirs, name);
		if (!access(path, X_OK))
			return take_program(f, path);
	}
	return -ENOENT;
}

const struct tlsfile *tlsfiles_at(const struct tlsfiles *f, unsigned i)
{
	return i < f->n ? &f->v[i].file : NULL;
}
