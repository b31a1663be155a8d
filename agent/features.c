// SPDX-License-Identifier: Apache-2.0
#include "features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "calls.h"
#include "lib/cleanup.h"
#include "preempt.h"

#define FLOOR_MAJOR 6
#define FLOOR_MINOR 1

const struct hook hooks[] = {
	{ "ht_sys_exit", "tp_btf/sys_exit", "sys_exit", NULL, true },
	{ "ht_sys_enter", "tp_btf/sys_enter", "sys_enter", NULL, true },
	{ "ht_exec", "tp_btf/sched_process_exec", "sched_process_exec", NULL, true },
	{ "ht_exit", "tp_btf/sched_process_exit", "sched_process_exit", NULL, true },
	{ "ht_task_newtask", "tp_btf/task_newtask", "task_newtask", NULL, true },
	{ "ht_signal_deliver", "tp_btf/signal_deliver", "signal_deliver", NULL, false },
	{ "ht_uring_submit", "tp_btf/io_uring_submit_req", "io_uring_submit_req", "io_uring_submit_sqe", false },
	{ "ht_uring_complete", "tp_btf/io_uring_complete", "io_uring_complete", NULL, false },
	{ "ht_uring_req_failed", "tp_btf/io_uring_req_failed", "io_uring_req_failed", NULL, false },
	{ "ht_uring_fail_link", "tp_btf/io_uring_fail_link", "io_uring_fail_link", NULL, false },
	{ "ht_uring_cqe_overflow", "tp_btf/io_uring_cqe_overflow", "io_uring_cqe_overflow", NULL, false },
#define FENTRY(prog, function) { prog, "fentry/" function, function, NULL, false }
	FENTRY("ht_file_open", "security_file_open"),
	FENTRY("ht_path_unlink", "security_path_unlink"),
	FENTRY("ht_path_rmdir", "security_path_rmdir"),
	FENTRY("ht_path_mkdir", "security_path_mkdir"),
	FENTRY("ht_path_symlink", "security_path_symlink"),
	FENTRY("ht_path_mknod", "security_path_mknod"),
	FENTRY("ht_path_link", "security_path_link"),
	FENTRY("ht_path_rename", "security_path_rename"),
	FENTRY("ht_path_truncate", "security_path_truncate"),
	FENTRY("ht_path_chmod", "security_path_chmod"),
	FENTRY("ht_path_chown", "security_path_chown"),
	FENTRY("ht_path_chroot", "security_path_chroot"),
	FENTRY("ht_path_notify", "security_path_notify"),
	FENTRY("ht_utimes", "vfs_utimes"),
	FENTRY("ht_sb_mount", "security_sb_mount"),
	FENTRY("ht_sb_umount", "security_sb_umount"),
	FENTRY("ht_move_mount", "security_move_mount"),
	FENTRY("ht_sb_pivotroot", "security_sb_pivotroot"),
	FENTRY("ht_memory_write", "access_remote_vm"),
	{},
};

bool hook_is_fentry(const struct hook *h)
{
	return !strncmp(h->name, "fentry/", 7);
}

static void btf_cleanup(struct btf **b)
{
	btf__free(*b);
}

static struct probes_feature *add(struct features *f, const char *name, bool required)
{
	struct probes_feature *e = &f->v[f->n];

	if (f->n == FEATURES_MAX)
		return NULL;
	f->n++;
	*e = (struct probes_feature){ .name = name, .on = true, .required = required };
	return e;
}

static void set(struct probes_feature *e, bool on, const char *why)
{
	if (!e)
		return;
	e->on = on;
	if (!on)
		snprintf(e->why, sizeof(e->why), "%s", why);
}

struct probes_feature *features_get(struct features *f, const char *name)
{
	for (unsigned i = 0; i < f->n; i++)
		if (!strcmp(f->v[i].name, name))
			return &f->v[i];
	return NULL;
}

void features_off(struct features *f, const char *name, const char *fmt, ...)
{
	struct probes_feature *e = features_get(f, name);
	va_list ap;

	if (!e)
		return;
	e->on = false;
	va_start(ap, fmt);
	vsnprintf(e->why, sizeof(e->why), fmt, ap);
	va_end(ap);
}

void features_unhook(struct features *f, const char *why)
{
	f->hooked = false;
	for (const struct hook *h = hooks; h->prog; h++)
		if (hook_is_fentry(h))
			features_off(f, h->name, "%s", why);
}

static int check_floor(struct features *f, char why[256])
{
	struct probes_feature *e = add(f, "kernel 6.1 or newer", true);
	struct utsname u;
	int major = 0, minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2)
		return 0;
	if (major > FLOOR_MAJOR || (major == FLOOR_MAJOR && minor >= FLOOR_MINOR))
		return 0;
	snprintf(why, 256, "kernel %s is older than %d.%d", u.release, FLOOR_MAJOR, FLOOR_MINOR);
	set(e, false, why);
	return -EOPNOTSUPP;
}

/* A BTF raw tracepoint is there if its typedef is. */
static bool has_tracepoint(const struct btf *btf, const char *name)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* Since 6.16 its program is given a third word, and runs while the task still has its memory and executable. */
static bool exit_has_mm(const struct btf *btf)
{
	const struct btf_type *t = btf__type_by_id(btf, (__u32)btf__find_by_name_kind(btf, "btf_trace_sched_process_exit", BTF_KIND_TYPEDEF));

	while (t && (btf_is_typedef(t) || btf_is_ptr(t)))
		t = btf__type_by_id(btf, t->type);
	return t && btf_is_func_proto(t) && btf_vlen(t) > 2;
}

static void find_hooks(struct features *f, const struct btf *btf)
{
	for (const struct hook *h = hooks; h->prog && !hook_is_fentry(h); h++) {
		bool now = has_tracepoint(btf, h->target), before = !now && h->older && has_tracepoint(btf, h->older);

		f->older |= before ? 1u << (h - hooks) : 0;
		set(add(f, h->name, h->required), now || before, "this kernel has no such tracepoint");
	}
}

#define ENOTSUPP_ 524	/* the kernel's own, which has no name here */

static const char *trial_error(int error)
{
	return error == ENOTSUPP_ ? "this kernel cannot put programs into its functions on this architecture" : strerror(error);
}

/* Loads (and attaches, where that can fail by itself) a program that does nothing. */
static int trial(const struct btf *btf, enum bpf_attach_type attach, enum bpf_prog_type type, const char *func)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },	/* r0 = 0 */
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
	int id = btf__find_by_name_kind(btf, func, BTF_KIND_FUNC);
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int link = -1;

	if (id < 0)
		return -ENOENT;
	opts.attach_btf_id = id;
	fd = bpf_prog_load(type, "ht_trial", "GPL", code, 2, &opts);
	if (fd < 0)
		return -errno;
	link = bpf_link_create(fd, 0, attach, NULL);
	return link < 0 ? -errno : 0;
}

/* What the hooks need beside the function: that programs may be put into functions at all, and are not preempted there. */
static const char *hooks_missing(const struct features *f, int trial_result, char why[160])
{
	char said[96];
	enum preempt p;

	if (trial_result)
		return trial_error(-trial_result);
	if (f->have_preempt)
		return NULL;
	p = preempt_find("", said);
	if (p == PREEMPT_NO)
		return NULL;
	snprintf(why, 160, "this kernel %s (%.80s), and has no bpf_preempt_disable()", p == PREEMPT_YES ? "preempts programs" : "may preempt programs", said);
	return why;
}

static void find_fentry(struct features *f, const struct btf *btf)
{
	int r = trial(btf, BPF_TRACE_FENTRY, BPF_PROG_TYPE_TRACING, "security_file_open");
	const char *missing;
	char why[160];

	set(add(f, "fentry", false), !r, trial_error(-r));
	f->have_preempt = btf__find_by_name_kind(btf, "bpf_preempt_disable", BTF_KIND_FUNC) > 0;
	missing = hooks_missing(f, r, why);
	for (const struct hook *h = hooks; h->prog; h++) {
		bool there = btf__find_by_name_kind(btf, h->target, BTF_KIND_FUNC) > 0;

		if (!hook_is_fentry(h))
			continue;
		set(add(f, h->name, false), there && !missing, missing ? missing : "this kernel has no such function");
		f->hooked |= there && !missing;
	}
}

static void find_lsm(struct features *f, const struct btf *btf)
{
	struct probes_feature *e = add(f, "lsm", false);
	int r;

	r = trial(btf, BPF_LSM_MAC, BPF_PROG_TYPE_LSM, "bpf_lsm_file_open");
	set(e, !r, trial_error(-r));
}

static void find_files(struct features *f)
{
	static const struct {
		const char *name, *path, *why;
	} v[] = {
		{ "kprobe", "/sys/bus/event_source/devices/kprobe", "this kernel is built without kprobes" },
		{ "uprobe", "/sys/bus/event_source/devices/uprobe", "this kernel is built without uprobes" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		set(add(f, v[i].name, false), !access(v[i].path, F_OK), v[i].why);
}

/* The repair is in 6.14 and in later 6.12 ones; which 6.12 had it first is not relied on, 6.13 is given up. */
bool features_uretprobes_safe(const char *release)
{
	int major = 0, minor = 0, patch = 0;

	if (sscanf(release, "%d.%d.%d", &major, &minor, &patch) < 2)
		return false;
	if (major != 6 || minor < 11 || minor > 13)
		return true;
	return minor == 12 && patch >= 30;
}

static bool has_attach_type(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, "bpf_attach_type", BTF_KIND_ENUM);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), name))
			return true;
	return false;
}

static void find_uprobes(struct features *f, const struct btf *btf)
{
	struct utsname u;
	bool safe = uname(&u) == 0 && features_uretprobes_safe(u.release);
	const char *missing = arch_tls_missing();

	f->uprobes = !access("/sys/bus/event_source/devices/uprobe", F_OK) && safe && !missing;
	f->uprobe_multi = btf__find_by_name_kind(btf, "bpf_uprobe_multi_link", BTF_KIND_STRUCT) > 0;
	set(add(f, "uretprobe", false), safe && !missing, missing ? missing : "on this kernel return probes crash programs that have seccomp filters: no API calls inside TLS are recorded");
	f->uprobe_session = f->uprobe_multi && has_attach_type(btf, "BPF_TRACE_UPROBE_SESSION");
	set(add(f, "uprobe_multi", false), f->uprobe_multi, "older than 6.6: a link for each probe");
	set(add(f, "uprobe_session", false), f->uprobe_session, "older than 6.13: a program each for entry and return");
}

int features_find(struct features *f, char why[256])
{
	_cleanup_(btf_cleanup) struct btf *btf = NULL;
	struct probes_feature *e;
	int r;

	memset(f, 0, sizeof(*f));
	r = check_floor(f, why);
	if (r)
		return r;
	e = add(f, "btf", true);
	btf = btf__load_vmlinux_btf();
	if (!btf) {
		snprintf(why, 256, "this kernel has no BTF (/sys/kernel/btf/vmlinux)");
		set(e, false, why);
		return -EOPNOTSUPP;
	}
	find_hooks(f, btf);
	f->exit_has_mm = exit_has_mm(btf);
	uring_kernel_find(btf, &f->uring);
	f->have_cast = btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	set(add(f, "bpf_rdonly_cast", false), f->have_cast, "older than 6.2: kernel memory is read by calls, which costs more");
	set(add(f, "iter/task_file", true), btf__find_by_name_kind(btf, "bpf_iter__task_file", BTF_KIND_STRUCT) > 0,
	    "this kernel has no such iterator");
	find_fentry(f, btf);
	find_lsm(f, btf);
	find_files(f);
	find_uprobes(f, btf);
	return 0;
}

int probes_survey(struct probes_feature *ret_v, unsigned max, unsigned *ret_n)
{
	struct features f;
	char why[256];
	int r = features_find(&f, why);

	*ret_n = f.n < max ? f.n : max;
	memcpy(ret_v, f.v, *ret_n * sizeof(*ret_v));
	return r == -EOPNOTSUPP ? 0 : r;
}
