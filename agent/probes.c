// SPDX-License-Identifier: Apache-2.0
#include "probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "calls.h"
#include "exefile.h"
#include "features.h"
#include "gen/hosttrail.skel.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "pins.h"
#include "proto/keys.h"

#define LINKS_MAX 16
#define OWN_DIRS_MAX 64
#define INDEX_ENTER 0x8000			/* as in bpf/maps.bpf.h */
#define INDEX_RESTART (HT_CALLS_MAX - 1)
#define CPUS_PER_GROUP_SHIFT 3

static const uint32_t default_bytes[HT_CLASS__MAX] = {
	[HT_CLASS_CONTROL] = 4 << 20, [HT_CLASS_PROCESS] = 4 << 20, [HT_CLASS_DATA] = 8 << 20, [HT_CLASS_TLS] = 1 << 16,
};

/* Pinned with the rest: says whether an earlier run's pins are ours to go on with. */
struct meta {
	uint32_t version, ncpu, ngroups, pad;
	uint32_t ring_bytes[HT_CLASS__MAX];
	uint8_t object[32];	/* of the BPF object and of the table of calls */
	uint8_t config[32];
	uint8_t stream[16];
	uint64_t made;
	uint8_t spare[256 - 120];
};
_Static_assert(sizeof(struct meta) == 256, "meta map's value");

struct dir_key {			/* as struct dir in bpf/maps.bpf.h */
	uint64_t ino, dev;
};

struct probes {
	struct probes_fds fds;
	struct features features;
	struct exefile *exefile;
	struct hosttrail_bpf *skel;	/* NULL when adopted */
	int tasks;
	uint32_t task_size;
	int links[LINKS_MAX];
	unsigned nlinks;
	char dir[PINS_DIR_MAX];		/* "": nothing is pinned */
	uint64_t scope_cgroup;
	uint32_t scope_level;
	struct dir_key own[OWN_DIRS_MAX];
	unsigned nown;
	struct meta meta;
};

static int fail(char why[256], int r, const char *what)
{
	snprintf(why, 256, "%.180s: %.60s", what, strerror(-r));
	return r;
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
		return fail(why, -EINVAL, "scope cgroup without a path");
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", rel);
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK))
		snprintf(path, sizeof(path), "/sys/fs/cgroup/unified/%s", rel);
	if (stat(path, &st) < 0)
		return fail(why, -errno, path);
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
		return fail(why, n, "counting CPUs");
	p->fds.ncpu = (uint32_t)n;
	while ((((unsigned)n - 1) >> shift) + 1 > HT_GROUPS_MAX)
		shift++;
	p->fds.ngroups = (((unsigned)n - 1) >> shift) + 1;
	for (unsigned i = 0; i < HT_CLASS__MAX; i++) {
		p->fds.ring_bytes[i] = c->ring_bytes[i] ? c->ring_bytes[i] : default_bytes[i];
		if (!size_good(p->fds.ring_bytes[i]))
			return fail(why, -EINVAL, "ring size is not a power of two of at least one page");
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
			return fail(why, -errno, *d);
		if (p->nown == OWN_DIRS_MAX)
			return fail(why, -E2BIG, "own directories");
		r = exefile_of_fd(p->exefile, fd, &e);
		if (r)
			return fail(why, r, *d);
		p->own[p->nown++] = (struct dir_key){ .ino = e.ino, .dev = e.dev };
	}
	return 0;
}

static unsigned group_shift(const struct probes *p)
{
	unsigned shift = CPUS_PER_GROUP_SHIFT;

	while (((p->fds.ncpu - 1) >> shift) + 1 > p->fds.ngroups)
		shift++;
	return shift;
}

/* ---- the table, as the probes want it ---------------------------------------- */

static void fill_index(struct hosttrail_bpf *s, enum ht_abi abi)
{
	const struct ht_call_desc *d = calls_descs();
	const uint16_t *index = calls_index(abi);

	for (uint32_t nr = 0; nr < HT_NR_MAX; nr++) {
		const char *name = calls_nr_name(abi, nr);
		uint16_t i = index[nr] < calls_count() ? index[nr] : 0;

		if (d[i].flags & HT_CALL_F_HIGHRATE)
			i = 0;
		if (i && (d[i].flags & (HT_CALL_F_ENTER | HT_CALL_F_EXEC)))
			i |= INDEX_ENTER;
		if (name && !strcmp(name, "restart_syscall"))
			i = INDEX_RESTART;
		s->rodata->ht_index[abi * HT_NR_MAX + nr] = i;
	}
}

static int fill_rodata(const struct probes *p, const struct probes_config *c, struct hosttrail_bpf *s)
{
	if (calls_count() > INDEX_RESTART)
		return -E2BIG;
	s->rodata->ht_have_cast = p->features.have_cast;
	s->rodata->ht_scope = c->scope;
	s->rodata->ht_scope_level = p->scope_level;
	s->rodata->ht_ncpu = p->fds.ncpu;
	s->rodata->ht_group_shift = group_shift(p);
	for (unsigned i = 0; i < HT_CLASS__MAX; i++)
		s->rodata->ht_ring_shift[i] = (uint32_t)__builtin_ctz(p->fds.ring_bytes[i]);
	for (unsigned a = 0; a < HT_ABI__MAX; a++)
		fill_index(s, a);
	memcpy((void *)s->rodata->ht_calls, calls_descs(), calls_count() * sizeof(struct ht_call_desc));
	return 0;
}

static void hash_config(struct probes *p, const struct probes_config *c)
{
	struct {
		uint64_t scope, cgroup, level, cast;
		struct dir_key own[OWN_DIRS_MAX];
	} k = { c->scope, p->scope_cgroup, p->scope_level, p->features.have_cast, {} };

	memcpy(k.own, p->own, sizeof(k.own));
	sha256(&k, sizeof(k), p->meta.config);
}

static int hash_object(struct probes *p)
{
	size_t n, descs = calls_count() * sizeof(struct ht_call_desc), index = HT_NR_MAX * sizeof(uint16_t);
	const void *elf = hosttrail_bpf__elf_bytes(&n);
	_cleanup_free_ uint8_t *all = malloc(n + descs + HT_ABI__MAX * index);

	if (!all)
		return -ENOMEM;
	memcpy(all, elf, n);
	memcpy(all + n, calls_descs(), descs);
	for (unsigned a = 0; a < HT_ABI__MAX; a++)
		memcpy(all + n + descs + a * index, calls_index(a), index);
	sha256(all, n + descs + HT_ABI__MAX * index, p->meta.object);
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
		return "another scope or other own directories";
	return NULL;
}

static void ring_name(char name[32], unsigned class, unsigned group)
{
	snprintf(name, 32, "ring_%u_%u", class, group);
}

static int adopt_maps(struct probes *p)
{
	char name[32];

	p->tasks = pins_get(p->dir, "tasks");
	p->fds.counters = pins_get(p->dir, "counters");
	p->fds.shared = pins_get(p->dir, "shared");
	if (p->tasks < 0 || p->fds.counters < 0 || p->fds.shared < 0)
		return -ENOENT;
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < p->fds.ngroups; g++) {
			ring_name(name, c, g);
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
		if (fd < 0)
			features_off(&p->features, h->name, "not attached by the run that made the pins");
		else
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
	cleanup_close(&p->fds.counters);
	cleanup_close(&p->fds.shared);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < HT_GROUPS_MAX; g++)
			cleanup_close(&p->fds.ring[c][g]);
}

static uint32_t value_size(int map)
{
	struct bpf_map_info info = {};
	__u32 n = sizeof(info);

	return bpf_obj_get_info_by_fd(map, &info, &n) < 0 ? 0 : info.value_size;
}

/* 1: adopted. 0: there was nothing, or it is replaced (fds.replaced says why). */
static int adopt(struct probes *p)
{
	_cleanup_close_ int fd = pins_get(p->dir, "meta");
	const char *differs = "incomplete";
	struct meta old;
	__u32 zero = 0;

	if (fd < 0) {
		_cleanup_close_ int counters = pins_get(p->dir, "counters");

		if (counters >= 0)
			snprintf(p->fds.replaced, sizeof(p->fds.replaced), "an interrupted start");
		return 0;
	}
	if (value_size(fd) == sizeof(old) && bpf_map_lookup_elem(fd, &zero, &old) == 0)
		differs = meta_differs(&old, &p->meta);
	if (!differs && (adopt_maps(p) || adopt_links(p))) {
		drop_fds(p);
		differs = "incomplete pins";
	}
	if (differs) {
		snprintf(p->fds.replaced, sizeof(p->fds.replaced), "%s", differs);
		return 0;
	}
	p->meta = old;
	p->fds.adopted = true;
	p->task_size = value_size(p->tasks);
	return 1;
}

/* ---- loading ------------------------------------------------------------------------ */

static int make_rings(struct probes *p)
{
	int outer = bpf_map__fd(p->skel->maps.rings);
	char name[32];

	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < p->fds.ngroups; g++) {
			__u32 key = c * HT_GROUPS_MAX + g;
			int fd;

			ring_name(name, c, g);
			fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, name, 0, 0, p->fds.ring_bytes[c], NULL);
			if (fd < 0)
				return -errno;
			p->fds.ring[c][g] = fd;
			if (bpf_map_update_elem(outer, &key, &fd, BPF_ANY) < 0)
				return -errno;
		}
	return 0;
}

static int fill_maps(struct probes *p)
{
	struct ht_shared shared = { .epoch = 1, .scope_cgroup = p->scope_cgroup };
	__u32 zero = 0, one = 1;

	if (bpf_map_update_elem(bpf_map__fd(p->skel->maps.shared), &zero, &shared, BPF_ANY) < 0)
		return -errno;
	for (unsigned i = 0; i < p->nown; i++)
		if (bpf_map_update_elem(bpf_map__fd(p->skel->maps.own_dirs), &p->own[i], &one, BPF_ANY) < 0)
			return -errno;
	return make_rings(p);
}

static void size_maps(struct probes *p, struct hosttrail_bpf *s)
{
	bpf_map__set_max_entries(s->maps.scratch, p->fds.ncpu);
	bpf_map__set_max_entries(s->maps.counters, HT_CLASS__MAX * p->fds.ncpu);
	bpf_map__set_autocreate(s->maps.exe_query, false);
	bpf_program__set_autoload(s->progs.ht_iter_file, false);
	for (const struct hook *h = hooks; h->prog; h++) {
		struct probes_feature *f = features_get(&p->features, h->name);

		if (f && !f->on)
			bpf_program__set_autoload(bpf_object__find_program_by_name(s->obj, h->prog), false);
	}
}

static int try_load(struct probes *p, const struct probes_config *c)
{
	int r;

	p->skel = hosttrail_bpf__open();
	if (!p->skel)
		return -errno;
	r = fill_rodata(p, c, p->skel);
	if (r)
		return r;
	size_maps(p, p->skel);
	r = hosttrail_bpf__load(p->skel);
	if (r) {
		hosttrail_bpf__destroy(p->skel);
		p->skel = NULL;
	}
	return r;
}

static int load(struct probes *p, const struct probes_config *c, char why[256])
{
	int r;

	for (const struct hook *h = hooks; h->prog; h++) {
		struct probes_feature *f = features_get(&p->features, h->name);

		if (h->required && !f->on) {
			snprintf(why, 256, "%.60s: %.160s", h->name, f->why);
			return -EOPNOTSUPP;
		}
	}
	r = try_load(p, c);
	if (r && p->features.have_cast) {
		p->features.have_cast = false;
		features_off(&p->features, "bpf_rdonly_cast", "the probes do not load with it");
		r = try_load(p, c);
	}
	if (r)
		return fail(why, r, "loading the probes");
	p->tasks = dup(bpf_map__fd(p->skel->maps.tasks));
	p->fds.counters = dup(bpf_map__fd(p->skel->maps.counters));
	p->fds.shared = dup(bpf_map__fd(p->skel->maps.shared));
	p->task_size = value_size(p->tasks);
	r = fill_maps(p);
	return r ? fail(why, r, "filling maps") : 0;
}

static int attach(struct probes *p, char why[256])
{
	for (const struct hook *h = hooks; h->prog; h++) {
		struct bpf_program *prog = bpf_object__find_program_by_name(p->skel->obj, h->prog);
		int fd, r;

		if (!prog || !bpf_program__autoload(prog))
			continue;
		fd = bpf_raw_tracepoint_open(NULL, bpf_program__fd(prog));
		if (fd < 0 && h->required)
			return fail(why, -errno, h->name);
		if (fd < 0) {
			features_off(&p->features, h->name, "attaching: %s", strerror(errno));
			continue;
		}
		p->links[p->nlinks++] = fd;
		r = *p->dir ? pins_put(p->dir, h->prog, fd) : 0;
		if (r)
			return fail(why, r, "pinning a link");
	}
	return 0;
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
		r = pins_put(p->dir, "tasks", p->tasks);
	for (unsigned c = 0; c < HT_CLASS__MAX && !r; c++)
		for (unsigned g = 0; g < p->fds.ngroups && !r; g++) {
			ring_name(name, c, g);
			r = pins_put(p->dir, name, p->fds.ring[c][g]);
		}
	return r ? fail(why, r, "pinning maps") : 0;
}

/* Last of all, so that half a start is never taken for a whole one. */
static int pin_meta(struct probes *p, char why[256])
{
	int fd = bpf_map__fd(p->skel->maps.meta), r;
	__u32 zero = 0;

	if (bpf_map_update_elem(fd, &zero, &p->meta, BPF_ANY) < 0)
		return fail(why, -errno, "writing the meta map");
	r = pins_put(p->dir, "meta", fd);
	return r ? fail(why, r, "pinning the meta map") : 0;
}

static int start_new(struct probes *p, const struct probes_config *c, char why[256])
{
	int r;

	if (*p->dir) {
		r = pins_remove(p->dir);
		if (!r)
			r = pins_prepare(c->instance, p->dir);
		if (r)
			return fail(why, r, p->dir);
	}
	if (getrandom(p->meta.stream, sizeof(p->meta.stream), 0) != sizeof(p->meta.stream))
		return fail(why, -EIO, "random stream id");
	r = load(p, c, why);
	if (r)
		return r;
	p->meta.made = clock_boot();
	if (*p->dir)
		r = pin_maps(p, why);
	if (!r)
		r = attach(p, why);
	if (!r && *p->dir)
		r = pin_meta(p, why);
	return r;
}

/* ---- the interface ---------------------------------------------------------------------- */

static struct probes *probes_alloc(void)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->tasks = p->fds.counters = p->fds.shared = -1;
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (unsigned g = 0; g < HT_GROUPS_MAX; g++)
			p->fds.ring[c][g] = -1;
	return p;
}

static void probes_abandon(struct probes **p)
{
	probes_close(p, true);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return getenv("HT_LIBBPF_DEBUG") ? vfprintf(stderr, fmt, ap) : 0;
}

int probes_open(const struct probes_config *config, struct probes **ret_p, char why[256])
{
	_cleanup_(probes_abandon) struct probes *p = probes_alloc();
	int r;

	if (!p)
		return fail(why, -ENOMEM, "probes");
	libbpf_set_print(quiet);
	r = features_find(&p->features, why);
	if (!r)
		r = plan(p, config, why);
	if (r)
		return r;
	r = exefile_new(p->features.have_cast, &p->exefile);
	if (r)
		return fail(why, r, "loading the file iterator");
	r = find_own_dirs(p, config, why);
	if (r)
		return r;
	r = make_meta(p, config);
	if (r)
		return fail(why, r, "probes");
	if (config->instance) {
		r = pins_prepare(config->instance, p->dir);
		if (r)
			return fail(why, r, PINS_ROOT "/hosttrail");
		r = adopt(p);
	}
	if (!r)
		r = start_new(p, config, why);
	if (r < 0)
		return r;
	memcpy(p->fds.stream, p->meta.stream, sizeof(p->fds.stream));
	p->fds.made = p->meta.made;
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
	bool had;

	if (!v || p->task_size < sizeof(*v))
		return -ENOMEM;
	had = bpf_map_lookup_elem(p->tasks, &pidfd, v) == 0 && (*v & HT_TASK_MARKED);
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

uint64_t probes_recursion_misses(const struct probes *p)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < p->nlinks; i++) {
		struct bpf_link_info link = {};
		struct bpf_prog_info prog = {};
		__u32 n = sizeof(link);
		_cleanup_close_ int fd = -1;

		if (bpf_obj_get_info_by_fd(p->links[i], &link, &n) < 0)
			continue;
		fd = bpf_prog_get_fd_by_id(link.prog_id);
		n = sizeof(prog);
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &prog, &n) == 0)
			sum += prog.recursion_misses;
	}
	return sum;
}

int probes_exe_of_fd(struct probes *p, int fd, struct ht_exe *ret_e)
{
	return exefile_of_fd(p->exefile, fd, ret_e);
}

void probes_close(struct probes **pp, bool unpin)
{
	struct probes *p = *pp;

	if (!p)
		return;
	if (unpin && *p->dir)
		pins_remove(p->dir);
	drop_fds(p);
	hosttrail_bpf__destroy(p->skel);
	exefile_free(&p->exefile);
	free(p);
	*pp = NULL;
}
