// SPDX-License-Identifier: Apache-2.0
/* verified: loads and attaches the probes as a tree's trace does, and says for each one how many instructions this kernel's
 * verifier looked at: "NAME NUMBER". Nothing is recorded. */
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/probes_internal.h"
#include "lib/cleanup.h"

static void say(void *ctx, enum probes_object kind, uint32_t id, const char *name)
{
	struct bpf_prog_info p = {};
	__u32 n = sizeof(p);
	_cleanup_close_ int fd = -1;
	int *error = ctx;

	if (kind != PROBES_PROG)
		return;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &p, &n) < 0)
		*error = -1;
	else
		printf("%s %u\n", p.name, p.verified_insns);
}

int main(void)
{
	struct probes_config c = { .scope = HT_SCOPE_TREE, .tls = true };
	struct probes *p = NULL;
	char why[256] = "";
	int r = probes_open(&c, &p, why);

	if (r < 0) {
		fprintf(stderr, "verified: %s\n", *why ? why : strerror(-r));
		return 1;
	}
	probes_objects(p, say, &r);
	probes_close(&p, true);
	if (r)
		fprintf(stderr, "verified: the kernel does not tell\n");
	return r ? 1 : 0;
}
