// SPDX-License-Identifier: Apache-2.0
/* emptytls LIBRARY CMD ARG...: attaches programs that do nothing to the instructions of a TLS library that the agent would probe, as
 * it attaches its own, then runs CMD. What a TLS call costs under them is the floor of anybody who looks at it by uprobes. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/probes_internal.h"
#include "agent/tls/plan.h"
#include "agent/tlsattach.h"

static int nothing(bool multi)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, o, .expected_attach_type = multi ? UPROBE_MULTI : 0);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "bench_empty", "GPL", insns, 2, &o);
}

static int attach(const char *library, struct tls_links *ret_links)
{
	static struct probes p;
	struct tls_plan plan = { 0 };
	char why[256];
	int fd, r = features_find(&p.features, why);

	if (r < 0)
		return r;
	p.tls_progs = (struct probes_tls_progs){ nothing(p.features.uprobe_multi), nothing(p.features.uprobe_multi), -1, false };
	if (p.tls_progs.entry < 0 || p.tls_progs.ret < 0)
		return -errno;
	fd = open(library, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : tls_plan_file(fd, &plan);
	return r ? r : tls_attach(&p, fd, plan.sites, plan.nsites, ret_links);
}

int main(int argc, char **argv)
{
	struct tls_links links;
	int status, r;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: emptytls LIBRARY CMD ARG...\n");
		return 2;
	}
	r = attach(argv[1], &links);
	if (r < 0) {
		fprintf(stderr, "emptytls: %s\n", strerror(-r));
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
