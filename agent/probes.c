// SPDX-License-Identifier: Apache-2.0
#include "probes_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/keys.h"

#define LOCK_TRIES 60		/* a predecessor that is just ending is waited for */
#define LOCK_PAUSE_US 50000

static const uint32_t default_bytes[HT_CLASS__MAX] = {
	[HT_CLASS_CONTROL] = 4 << 20, [HT_CLASS_PROCESS] = 4 << 20, [HT_CLASS_DATA] = 8 << 20, [HT_CLASS_TLS] = 1 << 16,
};

#define TLS_BYTES (4u << 20)	/* of plaintext, at most; it is overwritten by use */

int probes_fail(char why[256], int r, const char *what)
{
	snprintf(why, 256, "%.180s: %.60s", what, strerror(-r));
	return r;
}

void probes_ring_name(char name[32], unsigned class, unsigned group)
{
	snprintf(name, 32, "ring_%u_%u", class, group);
}

uint32_t probes_value_size(int map)
{
	struct bpf_map_info info = {};
	__u32 n = sizeof(info);

	return bpf_obj_get_info_by_fd(map, &info, &n) < 0 ? 0 : info.value_size;
}

/* ---- what is wanted: scope, sizes, groups, own directories ----------------- */

/* A cgroup's id is its directory's inode number; its depth is what the path says. */
static int find_scope(struct probes *p, const struct probes_config *c, char why[256])
{
	struct stat st;
	char path[512];
	const char *rel = c->scope_cgroup;

	if (c->scope != HT_SCOPE_CGROUP)
		return 0;
	if (!rel)
		return probes_fail(why, -EINVAL, "scope cgroup without a path");
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", rel);
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK))
		snprintf(path, sizeof(path), "/sys/fs/cgroup/unified/%s", rel);
	if (stat(path, &st) < 0)
		return probes_fail(why, -errno, path);
	p->scope_cgroup = st.st_ino;
	for (const char *s = rel; *s; s++)
		p->scope_level += *s != '/' && (s == rel || s[-1] == '/');
	return 0;
}

static bool size_good(uint32_t n)
{
	return n >= (uint32_t)sysconf(_SC_PAGESIZE) && !(n & (n - 1)) && n <= 1u << 30;
}

static int plan(struct probes *p, const struct probes_config *c, char why[256])
{
	int n = libbpf_num_possible_cpus();
	unsigned shift = CPUS_PER_GROUP_SHIFT;

	if (n < 1)
		return probes_fail(why, n, "counting CPUs");
	p->fds.ncpu = (uint32_t)n;
	while ((((unsigned)n - 1) >> shift) + 1 > HT_GROUPS_MAX)
		shift++;
	p->fds.ngroups = (((unsigned)n - 1) >> shift) + 1;
	p->tls = c->tls && p->features.uprobes;
	p->optouts = c->optouts;
	for (unsigned i = 0; i < HT_CLASS__MAX; i++) {
		p->fds.ring_bytes[i] = c->ring_bytes[i] ? c->ring_bytes[i] : i == HT_CLASS_TLS && p->tls ? TLS_BYTES : default_bytes[i];
		if (!size_good(p->fds.ring_bytes[i]))
			return probes_fail(why, -EINVAL, "ring size is not a power of two of at least one page");
	}
	return find_scope(p, c, why);
}

static int find_own_dirs(struct probes *p, const struct probes_config *c, char why[256])
{
	for (const char *const *d = c->own_dirs; d && *d; d++) {
		_cleanup_close_ int fd = open(*d, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct ht_exe e;
		int r;

		if (fd < 0)
			return probes_fail(why, -errno, *d);
		if (p->nown == OWN_DIRS_MAX)
			return probes_fail(why, -E2BIG, "own directories");
		r = exefile_of_fd(p->exefile, fd, &e);
		if (r)
			return probes_fail(why, r, *d);
		p->own[p->nown++] = (struct dir_key){ .ino = e.ino, .dev = e.dev };
	}
	return 0;
}

static void hash_config(struct probes *p, const struct probes_config *c)
{
	struct {
		uint64_t scope, cgroup, level, cast, preempt, hooked, tls;
		struct dir_key own[OWN_DIRS_MAX], tls_own[TLS_OWN_MAX];
		uint8_t optouts[32];
	} k = { c->scope, p->scope_cgroup, p->scope_level, p->features.have_cast, p->features.have_preempt, p->features.hooked, p->tls, {}, {}, {} };

	memcpy(k.own, p->own, sizeof(k.own));
	memcpy(k.tls_own, p->tls_own, sizeof(k.tls_own));
	if (p->tls && c->optouts)
		sha256(c->optouts, sizeof(*c->optouts), k.optouts);
	sha256(&k, sizeof(k), p->meta.config);
}

static int hash_object(struct probes *p)
{
	size_t n, descs = calls_count() * sizeof(struct ht_call_desc), index = HT_NR_MAX * sizeof(uint16_t), at, k = sizeof(tls_funcs[0].k);
	const void *elf = hosttrail_bpf__elf_bytes(&n);
	_cleanup_free_ uint8_t *all = malloc(n + descs + HT_ABI__MAX * index + tls_nfuncs * k);

	if (!all)
		return -ENOMEM;
	memcpy(all, elf, n);
	memcpy(all + n, calls_descs(), descs);
	for (unsigned a = 0; a < HT_ABI__MAX; a++)
		memcpy(all + n + descs + a * index, calls_index(a), index);
	at = n + descs + HT_ABI__MAX * index;
	for (unsigned i = 0; i < tls_nfuncs; i++, at += k)
		memcpy(all + at, &tls_funcs[i].k, k);
	sha256(all, at, p->meta.object);
	return 0;
}

static int make_meta(struct probes *p, const struct probes_config *c)
{
	p->meta.version = HT_EVENT_VERSION;
	p->meta.ncpu = p->fds.ncpu;
	p->meta.ngroups = p->fds.ngroups;
	memcpy(p->meta.ring_bytes, p->fds.ring_bytes, sizeof(p->meta.ring_bytes));
	hash_config(p, c);
	return hash_object(p);
}

/* ---- adopting an earlier run's pins --------------------------------------------- */

/* What keeps these pins from being ours; NULL: nothing. */
static const char *meta_differs(const struct meta *old, const struct meta *now)
{
	if (old->version != now->version)
		return "another version of the event layout";
	if (memcmp(old->object, now->object, sizeof(now->object)))
		return "another build of the probes";
	if (old->ncpu != now->ncpu || old->ngroups != now->ngroups)
		return "another number of CPUs";
	if (memcmp(old->ring_bytes, now->ring_bytes, sizeof(now->ring_bytes)))
		return "other ring sizes";
	if (memcmp(old->config, now->config, sizeof(now->config)))
		return "another scope, other own directories, or others whose TLS is left alone";
	return NULL;
}

static int adopt_maps(struct probes *p)
{
	char name[32];

	p->tasks = pins_get(p->dir, "tasks");
	p->captured = pins_get(p->dir, PROBES_CAPTURED);
	p->rule_ids = pins_get(p->dir, PROBES_RULE_IDS);
	p->rule_paths = pins_get(p->dir, PROBES_RULE_PATHS);
	p->flush = pins_get(p->dir, "flush");
	p->fds.counters = pins_get(p->dir, "counters");
	p->fds.shared = pins_get(p->dir, "shared");
	p->fds.principals = pins_get(p->dir, "principals");
	p->fds.settled = pins_get(p->dir, "settled");
	if (probes_tls_adopt(p))
		return -ENOENT;
	if (p->tasks < 0 || p->captured < 0 || p->rule_ids < 0 || p->rule_paths < 0 || p->flush < 0)
		return -ENOENT;
	if (p->fds.counters < 0 || p->fds.shared < 0 || p->fds.principals < 0 || p->fds.settled < 0)
		return -ENOENT;
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < probes_rings(&p->fds, c); g++) {
			probes_ring_name(name, c, g);
			p->fds.ring[c][g] = pins_get(p->dir, name);
			if (p->fds.ring[c][g] < 0)
				return -ENOENT;
		}
	return 0;
}

static int adopt_links(struct probes *p)
{
	for (const struct hook *h = hooks; h->prog; h++) {
		int fd = pins_get(p->dir, h->prog);

		if (fd < 0 && h->required)
			return -ENOENT;
		if (fd < 0) {
			features_off(&p->features, h->name, "not attached by the run that made the pins");
			continue;
		}
		p->link_name[p->nlinks] = h->prog;
		p->links[p->nlinks++] = fd;
	}
	return 0;
}

static void drop_fds(struct probes *p)
{
	for (unsigned i = 0; i < p->nlinks; i++)
		cleanup_close(&p->links[i]);
	p->nlinks = 0;
	cleanup_close(&p->tasks);
	cleanup_close(&p->captured);
	cleanup_close(&p->rule_ids);
	cleanup_close(&p->rule_paths);
	cleanup_close(&p->flush);
	cleanup_close(&p->tls_progs.entry);
	cleanup_close(&p->tls_progs.ret);
	cleanup_close(&p->tls_progs.session);
	cleanup_close(&p->fds.tls_told);
	cleanup_close(&p->fds.tls_wanted);
	cleanup_close(&p->fds.counters);
	cleanup_close(&p->fds.shared);
	cleanup_close(&p->fds.principals);
	cleanup_close(&p->fds.settled);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < HT_GROUPS_MAX; g++)
			cleanup_close(&p->fds.ring[c][g]);
}

/* 1: adopted. 0: there was nothing, or it is replaced (fds.replaced says why). */
static int adopt(struct probes *p)
{
	_cleanup_close_ int fd = pins_get(p->dir, "meta");
	const char *differs = "incomplete";
	struct meta old;
	__u32 zero = 0;
	bool known;

	if (fd < 0) {
		_cleanup_close_ int counters = pins_get(p->dir, "counters");

		if (counters >= 0)
			snprintf(p->fds.replaced, sizeof(p->fds.replaced), "an interrupted start");
		return 0;
	}
	known = probes_value_size(fd) == sizeof(old) && bpf_map_lookup_elem(fd, &zero, &old) == 0;
	if (known)
		differs = meta_differs(&old, &p->meta);
	if (!differs && (adopt_maps(p) || adopt_links(p))) {
		drop_fds(p);
		differs = "incomplete pins";
	}
	if (differs) {
		snprintf(p->fds.replaced, sizeof(p->fds.replaced), "%s", differs);
		if (known)
			probes_left_take(p, &old);
		return 0;
	}
	p->meta = old;
	p->meta_fd = TAKE_FD(fd);
	p->fds.adopted = true;
	p->task_size = probes_value_size(p->tasks);
	if (bpf_map_lookup_elem(p->captured, &zero, &p->capture) < 0)
		return -errno;
	return 1;
}

/* ---- pins of a new set --------------------------------------------------------------- */

static int pin_maps(struct probes *p, char why[256])
{
	char name[32];
	int r;

	r = pins_put(p->dir, "counters", p->fds.counters);
	if (!r)
		r = pins_put(p->dir, "shared", p->fds.shared);
	if (!r)
		r = pins_put(p->dir, "principals", p->fds.principals);
	if (!r)
		r = pins_put(p->dir, "settled", p->fds.settled);
	if (!r)
		r = pins_put(p->dir, "tasks", p->tasks);
	if (!r)
		r = pins_put(p->dir, PROBES_CAPTURED, p->captured);
	if (!r)
		r = pins_put(p->dir, PROBES_RULE_IDS, p->rule_ids);
	if (!r)
		r = pins_put(p->dir, PROBES_RULE_PATHS, p->rule_paths);
	if (!r)
		r = pins_put(p->dir, "flush", p->flush);
	if (!r)
		r = probes_tls_pin(p);
	for (unsigned c = 0; c < HT_CLASS__MAX && !r; c++)
		for (unsigned g = 0; g < probes_rings(&p->fds, c) && !r; g++) {
			probes_ring_name(name, c, g);
			r = pins_put(p->dir, name, p->fds.ring[c][g]);
		}
	return r ? probes_fail(why, r, "pinning maps") : 0;
}

static int write_meta(struct probes *p, char why[256])
{
	__u32 zero = 0;

	p->meta.made = clock_boot();
	if (bpf_map_update_elem(bpf_map__fd(p->skel->maps.meta), &zero, &p->meta, BPF_ANY) < 0)
		return probes_fail(why, -errno, "writing the meta map");
	return 0;
}

/* Last of all, so that half a start is never taken for a whole one. */
static int pin_meta(struct probes *p, char why[256])
{
	int r;

	p->meta_fd = fcntl(bpf_map__fd(p->skel->maps.meta), F_DUPFD_CLOEXEC, 3);
	r = pins_put(p->dir, "meta", p->meta_fd);

	return r ? probes_fail(why, r, "pinning the meta map") : 0;
}

static int start_new(struct probes *p, const struct probes_config *c, char why[256])
{
	int r;

	if (*p->dir) {
		r = pins_clear(p->dir);	/* the directory is locked: it stays */
		if (r)
			return probes_fail(why, r, p->dir);
	}
	if (getrandom(p->meta.stream, sizeof(p->meta.stream), 0) != sizeof(p->meta.stream))
		return probes_fail(why, -EIO, "random stream id");
	r = probes_load(p, c, why);
	if (!r)
		r = write_meta(p, why);
	if (!r)
		r = probes_freeze(p, why);
	if (!r && *p->dir)
		r = pin_maps(p, why);
	if (!r)
		r = probes_attach(p, why);
	if (!r && *p->dir)
		r = pin_meta(p, why);
	return r;
}

/*
 * One agent for an instance: two readers of the same rings would each take the other's entries. The lock is on the
 * directory of the pins; an agent that stops removes it, so what was locked must still be what the path names.
 */
static int lock_pins(struct probes *p, const char *instance, char why[256])
{
	struct stat mine, named;
	int r;

	for (int i = 0; i < LOCK_TRIES; i++) {
		r = pins_prepare(instance, p->dir);
		if (r)
			return probes_fail(why, r, PINS_ROOT "/hosttrail");
		p->lock = open(p->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (p->lock < 0)
			return probes_fail(why, -errno, p->dir);
		if (!flock(p->lock, LOCK_EX | LOCK_NB) && !fstat(p->lock, &mine) && !stat(p->dir, &named) &&
		    mine.st_ino == named.st_ino)
			return 0;
		cleanup_close(&p->lock);
		usleep(LOCK_PAUSE_US);
	}
	p->dir[0] = 0;	/* another one's: not ours to remove */
	snprintf(why, 256, "another hosttraild runs as instance %.64s", instance);
	return -EBUSY;
}

/* ---- the interface ---------------------------------------------------------------------- */

static struct probes *probes_alloc(void)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->tasks = p->captured = p->rule_ids = p->rule_paths = p->flush = p->lock = p->meta_fd = -1;
	p->fds.counters = p->fds.shared = p->fds.principals = p->fds.settled = -1;
	probes_left_begin(&p->left);
	p->fds.tls_told = p->fds.tls_wanted = p->tls_progs.entry = p->tls_progs.ret = p->tls_progs.session = -1;
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < HT_GROUPS_MAX; g++)
			p->fds.ring[c][g] = -1;
	return p;
}

static void probes_abandon(struct probes **p)
{
	probes_close(p, true);
}

/* libbpf's own messages are for whoever works on the probes. */
static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return getenv("HT_LIBBPF_DEBUG") ? vfprintf(stderr, fmt, ap) : 0;
}

int probes_open(const struct probes_config *config, struct probes **ret_p, char why[256])
{
	_cleanup_(probes_abandon) struct probes *p = probes_alloc();
	int r;

	if (!p)
		return probes_fail(why, -ENOMEM, "probes");
	libbpf_set_print(quiet);
	r = features_find(&p->features, why);
	if (!r)
		r = plan(p, config, why);
	if (r)
		return r;
	r = exefile_new(p->features.have_cast, &p->exefile);
	if (r)
		return probes_fail(why, r, "loading the file iterator");
	r = find_own_dirs(p, config, why);
	if (r)
		return r;
	if (p->tls && config->scope != HT_SCOPE_TREE)
		probes_tls_own(p);
	r = make_meta(p, config);
	if (r)
		return probes_fail(why, r, "probes");
	if (config->instance) {
		r = lock_pins(p, config->instance, why);
		if (r)
			return r;
		r = adopt(p);
	}
	if (!r)
		r = start_new(p, config, why);
	if (r < 0)
		return r;
	p->optouts = NULL;
	memcpy(p->fds.stream, p->meta.stream, sizeof(p->fds.stream));
	p->fds.made = p->meta.made;
	hosttrail_bpf__destroy(p->skel);	/* links and descriptors keep what runs: libbpf's side of it is megabytes */
	p->skel = NULL;
	malloc_trim(0);
	*ret_p = TAKE_PTR(p);
	return 0;
}

const struct probes_fds *probes_fds(const struct probes *p)
{
	return &p->fds;
}

int probes_mark(struct probes *p, int pidfd, uint32_t flags)
{
	_cleanup_free_ uint32_t *v = calloc(1, p->task_size);
	__u32 zero = 0;
	struct ht_shared shared;
	bool found, had;

	if (!v || p->task_size < sizeof(*v))
		return -ENOMEM;
	found = bpf_map_lookup_elem(p->tasks, &pidfd, v) == 0;
	had = found && (*v & HT_TASK_MARKED);
	if (found && (*v & flags) == flags)	/* an update is another place in memory: gen_at of struct tls_task */
		return 0;
	*v |= flags;
	if (bpf_map_update_elem(p->tasks, &pidfd, v, BPF_ANY) < 0)
		return -errno;
	if (had || !(flags & HT_TASK_MARKED))
		return 0;
	/* The root of a tree is marked before it runs, so nothing else counts at this moment. */
	if (bpf_map_lookup_elem(p->fds.shared, &zero, &shared) < 0)
		return -errno;
	shared.marked++;
	return bpf_map_update_elem(p->fds.shared, &zero, &shared, BPF_ANY) < 0 ? -errno : 0;
}

const struct probes_feature *probes_features(const struct probes *p, unsigned *ret_n)
{
	*ret_n = p->features.n;
	return p->features.v;
}

/* What a hook of a function misses is a path's grade, not a record. */
static bool makes_records(const char *prog)
{
	for (const struct hook *h = hooks; h->prog; h++)
		if (!strcmp(h->prog, prog))
			return !hook_is_fentry(h);
	return true;
}

unsigned probes_misses(const struct probes *p, struct probes_miss *ret_v, unsigned max)
{
	unsigned found = 0;

	for (unsigned i = 0; i < p->nlinks && found < max; i++) {
		struct bpf_link_info link = {};
		struct bpf_prog_info prog = {};
		__u32 n = sizeof(link);
		_cleanup_close_ int fd = -1;

		if (!makes_records(p->link_name[i]) || bpf_obj_get_info_by_fd(p->links[i], &link, &n) < 0)
			continue;
		fd = bpf_prog_get_fd_by_id(link.prog_id);
		n = sizeof(prog);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &prog, &n) < 0)
			continue;
		memcpy(ret_v[found].program, prog.name, sizeof(ret_v[found].program));
		ret_v[found].program[sizeof(ret_v[found].program) - 1] = 0;
		ret_v[found++].count = prog.recursion_misses;
	}
	return found;
}

int probes_exe_of_fd(struct probes *p, int fd, struct ht_exe *ret_e)
{
	return exefile_of_fd(p->exefile, fd, ret_e);
}

const char *probes_dir(const struct probes *p)
{
	return p->dir;
}

void probes_close(struct probes **pp, bool unpin)
{
	struct probes *p = *pp;

	if (!p)
		return;
	if (unpin && *p->dir)
		pins_remove(p->dir);
	probes_flush_end(p);
	drop_fds(p);
	probes_left_end(p);
	cleanup_close(&p->meta_fd);
	cleanup_close(&p->lock);
	hosttrail_bpf__destroy(p->skel);
	exefile_free(&p->exefile);
	kernelrules_free(&p->rules);
	free(p->cgroups);
	free(p);
	*pp = NULL;
}
