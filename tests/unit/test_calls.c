/* SPDX-License-Identifier: Apache-2.0 */
/* test_calls.c - the table of calls: every row in order, every number where the C headers have it. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/calls_internal.h"
#include "agent/decode_internal.h"
#include "agent/uring.h"
#include "lib/cleanup.h"
#include "tests/tap.h"
#include "tests/unit/callregs.h"

/* What issue 2 asks for, by the names that x86-64 has. */
static const char *const wanted[] = {
	"execve", "execveat", "fork", "vfork", "clone", "clone3", "exit", "exit_group", "open", "openat", "openat2", "creat", "unlink",
	"unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat", "chmod",
	"fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "truncate", "ftruncate", "mknod", "mknodat", "setxattr",
	"lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat", "utimensat", "socket",
	"connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "setuid", "setgid", "setreuid", "setregid",
	"setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capset", "prctl", "setsid", "mount", "umount2", "move_mount",
	"pivot_root", "chroot", "unshare", "setns", "ptrace", "process_vm_writev", "kill", "tkill", "tgkill", "pidfd_send_signal",
	"memfd_create", "bpf", "perf_event_open", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
	"sethostname", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "keyctl", "add_key", "swapon", "swapoff", "quotactl",
	"io_uring_setup", "userfaultfd", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
};

static const char *const families[] = { "process", "file", "network", "credential", "mount", "namespace", "module", "bpf", "memory", "ipc",
					"signal", "time", "device", "key", "system", "iouring" };

static bool in_list(const char *s, size_t n, const char *const *v, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (strlen(v[i]) == n && !memcmp(v[i], s, n))
			return true;
	return false;
}

static void rows_are_whole(void)
{
	ok_int(calls_lookup("unknown_syscall"), HT_CALL_UNKNOWN);
	ok(calls_count() > ARRAY_SIZE(wanted) && calls_count() <= HT_CALLS_MAX);
	ok(!calls_name(0) && !calls_name(calls_count()) && !calls_row(0));
	for (unsigned i = 1; i < calls_count(); i++) {
		const struct call *c = calls_row(i);
		size_t family = strcspn(c->source, ".");

		must(c && c->name && c->source && c->args);
		if (!in_list(c->source, family, families, ARRAY_SIZE(families)) || strcmp(c->source + family, ".linux"))
			printf("# family of %s: %s\n", c->name, c->source), tap_failed = 1;
		ok(c->category >= CATEGORY_MANAGEMENT && c->category <= CATEGORY_NETWORK);
		ok(c->read_only < RO__MAX && c->ret < RET__MAX);
		for (unsigned j = 1; j < i; j++)
			if (!strcmp(c->name, calls_name(j)) && c->i386 == calls_row(j)->i386)
				printf("# %s is there twice\n", c->name), tap_failed = 1;
	}
}

static bool op_reads(const struct ht_call_desc *d, unsigned arg, unsigned kinds)
{
	for (unsigned i = 0; i < d->nops; i++)
		if (kinds & 1u << d->op[i].kind && (d->op[i].arg == arg || d->op[i].kind == HT_OP_RETFD))
			return true;
	return false;
}

static void ops_are_in_bounds(void)
{
	for (unsigned i = 1; i < calls_count(); i++) {
		const struct ht_call_desc *d = &calls_descs()[i];

		ok(d->class < HT_CLASS_TLS && d->nargs <= 6 && d->nops <= HT_OPS_MAX);
		if (d->flags & HT_CALL_F_SETID)
			ok(d->mode_arg && d->mode_arg < d->nargs);
		for (unsigned k = 0; k < d->nops; k++) {
			const struct ht_op *op = &d->op[k];

			if (op->kind == HT_OP_NONE || op->kind >= HT_OP__MAX || op->arg >= (d->nargs ? d->nargs : 1) ||
			    (op->kind == HT_OP_PATH && op->aux >= d->nargs && op->aux != HT_AUX_CWD) ||
			    (op->kind == HT_OP_MEM && op->aux >= d->nargs && op->aux != HT_AUX_CONST) ||
			    ((op->kind == HT_OP_MEM || op->kind == HT_OP_STR) && !op->max))
				printf("# %s: operation %u\n", calls_name(i), k), tap_failed = 1;
		}
	}
}

/* What the kernel takes from memory is read twice, but for calls that answer there, or whose argument is of many kinds, and capset's header. */
static void memory_is_read_twice(void)
{
	static const char *const others[] = { "prctl", "bpf", "adjtimex", "clock_adjtime", "clock_adjtime64", "io_uring_setup", "socketcall", "capset" };

	for (unsigned i = 2; i < calls_count(); i++) {
		const struct ht_call_desc *d = &calls_descs()[i];
		unsigned twice = 0, once = 0;

		for (unsigned k = 0; k < d->nops; k++) {
			bool memory = d->op[k].kind == HT_OP_STR || d->op[k].kind == HT_OP_MEM;

			if (d->op[k].flags & HT_OP_F_TWICE)
				twice += memory ? 1 : 100;
			else
				once += memory && !(d->op[k].flags & HT_OP_F_ON_OK);
		}
		if (d->flags & HT_CALL_F_FORK ? twice > 1 : !twice != !(d->flags & HT_CALL_F_TWICE) || twice >= 100)
			printf("# %s: what is read twice\n", calls_name(i)), tap_failed = 1;
		if (once && !calls_high_rate(i) && !in_list(calls_name(i), strlen(calls_name(i)), others, ARRAY_SIZE(others)))
			printf("# %s: read once\n", calls_name(i)), tap_failed = 1;
	}
}

/* What the decoder reads, some operation must have sent. */
static void arguments_have_their_operations(void)
{
	static const unsigned needs[ARG__MAX] = {
		[ARG_PATH] = 1u << HT_OP_PATH,	    [ARG_OPENED] = 1u << HT_OP_PATH,  [ARG_ENTERED] = 1u << HT_OP_PATH,  [ARG_FDPATH] = 1u << HT_OP_FD | 1u << HT_OP_RETFD,
		[ARG_STR] = 1u << HT_OP_STR,	    [ARG_XATTR] = 1u << HT_OP_STR,    [ARG_OPTIONS] = 1u << HT_OP_STR,
		[ARG_FSKEY] = 1u << HT_OP_STR,	    [ARG_FSVALUE] = 1u << HT_OP_STR,  [ARG_NAMELEN] = 1u << HT_OP_STR,
		[ARG_ARGV] = 1u << HT_OP_ARGV,	    [ARG_LOCAL] = 1u << HT_OP_FD,
		[ARG_PEER] = 1u << HT_OP_SOCKADDR | 1u << HT_OP_MSGHDR,		      [ARG_BOUND] = 1u << HT_OP_SOCKADDR,
		[ARG_MEM] = 1u << HT_OP_MEM | 1u << HT_OP_STR,
	};

	for (unsigned i = 2; i < calls_count(); i++)
		for (const struct call_arg *a = calls_row(i)->args; a->name; a++) {
			bool good = a->kind && a->kind < ARG__MAX && (a->arg < calls_descs()[i].nargs || a->arg == HT_ARG_RET);

			if (needs[a->kind])
				good &= op_reads(&calls_descs()[i], a->arg, needs[a->kind]);
			if (a->kind == ARG_FLAGS || a->kind == ARG_ENUM)
				good &= a->set && a->set->n;
			if (a->kind == ARG_MEM)
				good &= a->aux && a->aux < MEM__MAX;
			if (!good)
				printf("# %s: argument \"%s\"\n", calls_name(i), a->name), tap_failed = 1;
		}
}

static void shapes_are_good(void)
{
	ok_int(call_shapes_build(), 0);
	for (unsigned i = 1; i < calls_count(); i++) {
		const char *why = NULL;

		must(call_shape(i));
		if (shape_check(&call_shape(i)->v[0][0][1], &why) < 0)
			printf("# %s: %s\n", calls_name(i), why), tap_failed = 1;
		ok_str(call_shape(i)->v[1][0][0].event_name, calls_name(i));
		ok(call_shape(i)->v[1][0][0].read_only && !call_shape(i)->v[0][1][0].read_only);
	}
}

static void issue_list_is_captured(void)
{
	const uint16_t *index = calls_index(HT_ABI_NATIVE);

	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		unsigned call = calls_lookup(wanted[i]), found = 0;

		for (unsigned nr = 0; nr < HT_NR_MAX; nr++)
			found += call && index[nr] == call;
		if (found != 1)
			printf("# %s has %u numbers on x86-64\n", wanted[i], found), tap_failed = 1;
	}
}

/* Only what no ABI of this machine has may be missing from the numbers. */
static void every_row_has_a_number(void)
{
	for (unsigned i = 2; i < calls_count(); i++) {
		bool found = false;

		for (unsigned abi = 0; abi < HT_ABI__MAX; abi++)
			for (unsigned nr = 0; nr < HT_NR_MAX; nr++)
				found |= calls_index(abi)[nr] == i;
		for (unsigned nr = 0; nr < HT_BEHIND_MAX; nr++)
			found |= calls_behind(0, nr) == i || calls_behind(1, nr) == i;
		for (unsigned op = 0; op < URING_OPS; op++)
			found |= uring_call((uint8_t)op) == i;	/* operations that are no system call */
		if (!found)
			printf("# %s has no number\n", calls_name(i)), tap_failed = 1;
	}
}

/* Every number of every table has a row: nothing known is passed over. */
static void every_number_has_a_row(void)
{
	for (unsigned abi = 0; abi < HT_ABI__MAX; abi++)
		for (unsigned nr = 0; nr < HT_NR_MAX; nr++)
			if (calls_nr_name(abi, nr) && !calls_index(abi)[nr])
				printf("# %s has no row\n", calls_nr_name(abi, nr)), tap_failed = 1;
}

/* Of the other architecture, too, no number lacks a row. */
static void arm64_has_its_rows(void)
{
	static const struct {
		unsigned nr;
		const char *name;
	} v[] = {
#define ARM64(nr, name) { nr, #name },
#include "agent/numbers_arm64.def"
#undef ARM64
	};

	static const struct {
		unsigned nr;
		const char *name;
	} compat[] = {
#define ARM(nr, name) { nr, #name },
#include "agent/numbers_arm.def"
#undef ARM
	};

	for (unsigned i = 0; i < ARRAY_SIZE(compat); i++)
		if (!calls_lookup(compat[i].name) || compat[i].nr >= HT_NR_MAX)
			printf("# arm %u %s\n", compat[i].nr, compat[i].name), tap_failed = 1;
	ok(ARRAY_SIZE(v) > 320);
	for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
		if (!calls_lookup(v[i].name) || (i && v[i].nr <= v[i - 1].nr))
			printf("# arm64 %u %s\n", v[i].nr, v[i].name), tap_failed = 1;
}

static void most_rows_are_decoded(void)
{
	ok(callregs_rows_whole() >= 300);
	printf("# %u of %u rows show every register by name and type\n", callregs_rows_whole(), calls_count() - 2);
}

/* "#define __NR_name number" of the installed headers; x32's carry the bit by name. */
static void compare_header(const char *path, enum ht_abi abi)
{
	char line[256], name[64];
	unsigned nr, n = 0;
	FILE *f = fopen(path, "r");

	must(f);
	while (fgets(line, sizeof(line), f)) {
		const char *have;

		if (sscanf(line, "#define __NR_%63s %u", name, &nr) != 2 &&
		    sscanf(line, "#define __NR_%63s (__X32_SYSCALL_BIT + %u)", name, &nr) != 2)
			continue;
		have = calls_nr_name(abi, nr);
		if (!have || strcmp(have, name))
			printf("# %s %u is %s here, %s there\n", path, nr, have ? have : "nothing", name), tap_failed = 1;
		n++;
	}
	ok(n > 300);
	fclose(f);
}

static void numbers_are_the_headers(void)
{
	compare_header("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", HT_ABI_NATIVE);
	compare_header("/usr/include/x86_64-linux-gnu/asm/unistd_32.h", HT_ABI_COMPAT);
	compare_header("/usr/include/x86_64-linux-gnu/asm/unistd_x32.h", HT_ABI_X32);
}

static void known_and_unknown_numbers(void)
{
	ok_int(calls_index(HT_ABI_NATIVE)[0], calls_lookup("read"));
	ok(calls_high_rate(calls_lookup("read")) && !calls_high_rate(calls_lookup("openat")));
	ok_int(calls_index(HT_ABI_NATIVE)[400], HT_CALL_UNKNOWN);	/* the gap */
	ok_int(calls_index(HT_ABI_NATIVE)[512], HT_CALL_UNKNOWN);	/* x32's range, without its bit */
	ok_int(calls_index(HT_ABI_NATIVE)[1023], HT_CALL_UNKNOWN);
	ok_int(calls_index(HT_ABI_X32)[59], HT_CALL_UNKNOWN);		/* native execve has another number there */
	ok_int(calls_index(HT_ABI_X32)[520], calls_lookup("execve"));
	ok_int(calls_index(HT_ABI_X32)[257], calls_lookup("openat"));
	ok_int(calls_index(HT_ABI_COMPAT)[222], HT_CALL_UNKNOWN);
	ok_int(calls_index(HT_ABI_NATIVE)[463], calls_lookup("setxattrat"));
	ok_int(calls_index(HT_ABI_NATIVE)[471], calls_lookup("rseq_slice_yield"));
	ok_int(calls_index(HT_ABI_NATIVE)[472], HT_CALL_UNKNOWN);
	ok_str(calls_nr_name(HT_ABI_NATIVE, 471), "rseq_slice_yield");
	ok_str(calls_nr_name(HT_ABI_COMPAT, 11), "execve");
	ok(!calls_nr_name(HT_ABI_NATIVE, 400) && !calls_nr_name(HT_ABI_NATIVE, 1u << 30) && !calls_nr_name(HT_ABI__MAX, 0));
}

/* An i386 call with other widths has its own row; the others share their namesake's. */
static void i386_rows(void)
{
	const uint16_t *index = calls_index(HT_ABI_COMPAT);

	ok_str(calls_name(index[182]), "chown");
	ok(calls_row(index[182])->i386);
	ok_str(calls_name(index[212]), "chown32");
	ok_str(calls_name(index[22]), "umount");
	ok_str(calls_name(index[52]), "umount2");
	ok_str(calls_name(index[102]), "socketcall");
	ok_int(index[295], calls_lookup("openat"));
	ok(!calls_row(calls_lookup("chown"))->i386);
	ok_int(index[5], calls_lookup("open"));
}

static void error_names(void)
{
	ok_str(errno_name(ENOENT), "ENOENT");
	ok_str(errno_name(512), "ERESTARTSYS");
	ok_str(errno_name(524), "ENOTSUPP");
	ok_str(errno_name(3000), "E3000");
	ok_str(errno_name(-5), "E?");
	ok_str(errno_name(1 << 20), "E?");
	ok_str(errno_name(0), "E0");
}

static void every_operation_has_a_row(void)
{
	char room[12];

	for (unsigned op = 0; op < URING_OPS; op++) {
		const char *twin = uring_twin((uint8_t)op);

		if (twin && !uring_call((uint8_t)op))
			printf("# %s has no row for %s\n", uring_op_name(op, room).p, twin), tap_failed = 1;
	}
	ok_str(uring_twin(18), "openat");
	ok_str(uring_twin(57), "listen");
	ok_str(uring_twin(255), "unknown_io_uring_op");
	ok(!uring_twin(0) && !uring_call(0));
}

static const struct tap_case cases[] = {
	CASE(rows_are_whole), CASE(ops_are_in_bounds), CASE(memory_is_read_twice), CASE(arguments_have_their_operations), CASE(shapes_are_good),
	CASE(issue_list_is_captured), CASE(every_row_has_a_number), CASE(every_operation_has_a_row), CASE(every_number_has_a_row), CASE(arm64_has_its_rows), CASE(most_rows_are_decoded), CASE(numbers_are_the_headers), CASE(known_and_unknown_numbers),
	CASE(i386_rows), CASE(error_names),
};
TAP_MAIN(cases)
