// SPDX-License-Identifier: Apache-2.0
/* Every program of the object is a hook that doctor and AgentStarted list; every map that needs no writes refuses them. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/probes_internal.h"
#include "tests/unit/probes_lab.h"

#define OURS "syscall"			/* no hook: the agent runs it itself */
#define UPROBE "uprobe"	/* TLS capture's: at the places of a plan (agent/tls/plan.h) */
#define FILE_ITERATOR "iter/task_file"	/* loaded by exefile.c, apart from the hooks */

static void drop_object(struct hosttrail_bpf **s)
{
	hosttrail_bpf__destroy(*s);
}

static const struct hook *hook_of(const char *prog)
{
	for (const struct hook *h = hooks; h->prog; h++)
		if (!strcmp(h->prog, prog))
			return h;
	return NULL;
}

static bool listed(const struct probes_feature *v, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(v[i].name, name))
			return v[i].on || v[i].why[0];
	return false;
}

static void every_program_is_listed(void)
{
	__attribute__((cleanup(drop_object))) struct hosttrail_bpf *s = hosttrail_bpf__open();
	struct probes_feature v[FEATURES_MAX];
	unsigned n = 0, programs = 0, hooked = 0, uprobes = 0;
	struct bpf_program *prog;

	must(s);
	ok_int(probes_survey(v, FEATURES_MAX, &n), 0);
	ok(n < FEATURES_MAX);
	bpf_object__for_each_program(prog, s->obj) {
		const char *section = bpf_program__section_name(prog);
		const struct hook *h = hook_of(bpf_program__name(prog));

		if (!strcmp(section, OURS))
			continue;
		programs++;
		if (!h && !strcmp(section, UPROBE))
			uprobes++;
		else if (!h)
			ok_str(section, FILE_ITERATOR);
		else
			ok_str(section, h->name);
		if (!listed(v, n, section)) {
			printf("# %s is neither on nor off with a reason\n", section);
			ok(false);
		}
	}
	for (const struct hook *h = hooks; h->prog; h++)
		hooked++;
	ok_int(uprobes, 3);	/* entry, return, and both in one */
	ok_int(programs, hooked + uprobes + 1);
}

/* Looks as an attacker would: by id, with a value that changes nothing. */
static int write_to(uint32_t id, const struct bpf_map_info *info)
{
	_cleanup_close_ int fd = bpf_map_get_fd_by_id(id);
	_cleanup_free_ uint8_t *key = calloc(1, info->key_size + 8), *value = calloc(1, info->value_size + 8);

	if (fd < 0 || !key || !value)
		return -EBADF;
	return bpf_map_update_elem(fd, key, value, BPF_ANY) < 0 ? -errno : 0;
}

/* scratch, strings read at enter, known peers */
static void use_maps(void *unused)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(a.sun_family);	/* any address that is free */
	int to = socket(AF_UNIX, SOCK_DGRAM, 0), s = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)unused;
	if (truncate("/tmp/ht-no-such-file", 0) == 0 || bind(to, (struct sockaddr *)&a, n))
		_exit(1);
	n = sizeof(a);
	getsockname(to, (struct sockaddr *)&a, &n);
	for (int i = 0; i < 2; i++)
		if (sendto(s, "x", 1, 0, (struct sockaddr *)&a, n) != 1)
			_exit(1);
}

static void uretprobes_are_where_they_do_no_harm(void)
{
	static const struct {
		const char *release;
		bool safe;
	} v[] = {
		{ "6.1.0-41-cloud-amd64", true }, { "6.10.14", true },	    { "6.11.0", false },	  { "6.11.11-1-amd64", false },
		{ "6.12.3", false },		  { "6.12.29", false }, { "6.12.57+deb13-cloud-amd64", true }, { "6.13.12", false },
		{ "6.14.0", true },		  { "6.18.44-fc-v657", true }, { "7.0.1", true },	  { "unknown", false },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		ok_int(features_uretprobes_safe(v[i].release), v[i].safe);
}

struct maps {
	unsigned frozen, written;
};

static void look_at_map(void *ctx, enum probes_object kind, uint32_t id, const char *name)
{
	struct bpf_map_info info = {};
	__u32 n = sizeof(info);
	struct maps *m = ctx;
	_cleanup_close_ int fd = -1;

	if (kind != PROBES_MAP)
		return;
	fd = bpf_map_get_fd_by_id(id);
	ok_int(bpf_obj_get_info_by_fd(fd, &info, &n), 0);
	if (info.type == BPF_MAP_TYPE_RINGBUF)	/* has no elements; both sides write its positions */
		return;
	if (probes_map_written(name)) {
		m->written++;
		return;
	}
	m->frozen++;
	ok_int(write_to(info.id, &info), -EPERM);
	if (info.map_flags & BPF_F_MMAPABLE)
		ok(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
}

static void maps_are_frozen(void)
{
	_cleanup_lab_ struct lab l = {};
	struct maps m = {};

	if (!lab_open(&l))
		return;
	probes_objects(l.probes, look_at_map, &m);
	ok_int(m.written, 7);	/* of TLS, which is off here, the one alone that sys_exit knows */
	ok(m.frozen >= 18);
	/* and the programs write to them as before */
	ok_int(lab_run(&l, 0, use_maps, NULL), 0);
	ok_int(lab_count(&l, "truncate"), 1);
	ok_int(lab_count(&l, "sendto"), 1);
}

static const struct tap_case cases[] = {
	CASE(every_program_is_listed),
	CASE(maps_are_frozen),
	CASE(uretprobes_are_where_they_do_no_harm),
};
TAP_MAIN(cases)
