/* SPDX-License-Identifier: Apache-2.0 */
/* unitcalls FILE PROGRAM ARG... - runs a program that may make the calls whose names stand in FILE, one a line, and no others: as systemd runs a unit with
 * SystemCallFilter. Another call ends the process. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <seccomp.h>

static int add_names(scmp_filter_ctx ctx, FILE *f)
{
	char name[64];
	int r = 0, call;

	while (r >= 0 && fscanf(f, "%63s", name) == 1) {
		call = seccomp_syscall_resolve_name(name);
		if (call != __NR_SCMP_ERROR)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
		if (r == -EDOM)
			r = 0;
	}
	return r;
}

int main(int argc, char **argv)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	FILE *f = argc > 2 ? fopen(argv[1], "re") : NULL;

	if (!ctx || !f || add_names(ctx, f) < 0 || seccomp_load(ctx) < 0) {
		fprintf(stderr, "unitcalls: %s\n", strerror(errno));
		return 1;
	}
	fclose(f);
	execvp(argv[2], argv + 2);
	fprintf(stderr, "unitcalls: %s: %s\n", argv[2], strerror(errno));
	return 1;
}
