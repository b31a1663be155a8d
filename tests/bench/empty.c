// SPDX-License-Identifier: Apache-2.0
/*
 * empty programs|way CMD ARG...: runs CMD under what every recorder of calls has to pay at least.
 *
 * programs: programs that do nothing at sys_enter and sys_exit, attached as the agent attaches its own: the floor of any with these hooks.
 * way: two tracepoints of a call that nobody makes, and no program at all: what remains is that the kernel sends every call of every task
 * the long way in and out, as it does as soon as anybody looks at any call (strace's and audit's rules are the same way). The floor
 * of whatever looks at calls in the kernel, but for programs in the calls' own functions, which not every kernel allows.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int attach(const char *tracepoint)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, o, .expected_attach_type = BPF_TRACE_RAW_TP);
	int fd, id = libbpf_find_vmlinux_btf_id(tracepoint, BPF_TRACE_RAW_TP);

	if (id < 0)
		return id;
	o.attach_btf_id = (__u32)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "bench_empty", "GPL", nothing, 2, &o);
	return fd < 0 ? fd : bpf_raw_tracepoint_open(NULL, fd);
}

/* The kernel's number of a tracepoint of calls; tracefs must be mounted. */
static int number(const char *tracepoint)
{
	char path[128];
	FILE *f;
	int id = -1;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/syscalls/%s/id", tracepoint);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%d", &id) != 1)
		id = -1;
	if (f)
		fclose(f);
	return id;
}

static int open_tracepoint(const char *tracepoint)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .sample_period = 1 };
	int id = number(tracepoint);

	if (id < 0)
		return id;
	attr.config = (__u64)id;
	return (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
}

static int long_way(void)
{
	if (number("sys_enter_acct") < 0 && (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
					     mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL)))
		return -1;
	return open_tracepoint("sys_enter_acct") < 0 || open_tracepoint("sys_exit_acct") < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 3 || (strcmp(argv[1], "programs") && strcmp(argv[1], "way"))) {
		fprintf(stderr, "usage: empty programs|way CMD ARG...\n");
		return 2;
	}
	if (argv[1][0] == 'w' ? long_way() < 0 : attach("sys_enter") < 0 || attach("sys_exit") < 0) {
		perror("empty: attach");
		return 1;
	}
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
